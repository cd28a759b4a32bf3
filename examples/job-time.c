// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "job.h"

enum what {
	CREATE,
	MAP,
	SUBMIT,
	INVALIDATE,
	RESUBMIT,
	TEARDOWN,
	WHATS,
};

static const char *const what_name[WHATS] = {
	[CREATE] = "create the BOs",
	[MAP] = "map them to GPU addresses",
	[SUBMIT] = "submission, nothing changed",
	[INVALIDATE] = "MADV_DONTNEED of all ranges",
	[RESUBMIT] = "submission after that",
	[TEARDOWN] = "unmap and free the BOs",
};

/**
 * struct bench - one way to make ranges visible to the GPU, while it is measured
 * @g: the GPU
 * @n: number of ranges
 * @mem: private anonymous memory; each second page is a range
 * @ranges: the ranges, in random order
 * @bos: buffer objects: @n of them, or one batch
 * @n_bos: how many
 * @va: GPU address of the first range; all of them are contiguous
 * @va_handle: owner of the address range
 * @t: the results, in microseconds
 */
struct bench {
	struct gpu *g;
	uint32_t n;
	uint8_t *mem;
	struct drm_amdgpu_gem_userptr_range *ranges;
	amdgpu_bo_handle *bos;
	uint32_t n_bos;
	uint64_t va;
	amdgpu_va_handle va_handle;
	struct samples t[WHATS];
};

static size_t bench_span(const struct bench *b)
{
	return b->n * 2ul * PAGE;
}

static int bench_init(struct bench *b, struct job *j, uint32_t n)
{
	struct drm_amdgpu_gem_userptr_range swap;
	uint32_t i, k;

	memset(b, 0, sizeof(*b));
	b->g = &j->gpu;
	b->n = n;
	b->ranges = calloc(n, sizeof(*b->ranges));
	b->bos = calloc(n, sizeof(*b->bos));
	b->mem = mmap(NULL, bench_span(b), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	if (!b->ranges || !b->bos || b->mem == MAP_FAILED)
		return report_fail("out of memory");
	/* Every second page alone: small pages are wanted. */
	madvise(b->mem, bench_span(b), MADV_NOHUGEPAGE);
	for (i = 0; i < n; i++) {
		b->ranges[i].addr = (uintptr_t)b->mem + i * 2ul * PAGE;
		b->ranges[i].size = PAGE;
	}
	for (i = n - 1; i > 0; i--) {
		k = rng_below(&j->rng, i + 1);
		swap = b->ranges[i];
		b->ranges[i] = b->ranges[k];
		b->ranges[k] = swap;
	}
	return 0;
}

static void bench_fini(struct bench *b)
{
	if (b->mem && b->mem != MAP_FAILED)
		munmap(b->mem, bench_span(b));
	free(b->bos);
	free(b->ranges);
}

static int create_batch(struct bench *b)
{
	int r;

	r = amdgpu_create_bo_from_user_mem_batch(b->g->dev, b->ranges, b->n,
						 AMDGPU_GEM_USERPTR_REGISTER |
						 AMDGPU_GEM_USERPTR_VALIDATE, NULL, b->bos);
	b->n_bos = r ? 0 : 1;
	return r;
}

static int create_singles(struct bench *b)
{
	int r = 0;

	for (b->n_bos = 0; b->n_bos < b->n; b->n_bos++) {
		r = amdgpu_create_bo_from_user_mem(b->g->dev,
						   (void *)(uintptr_t)b->ranges[b->n_bos].addr,
						   PAGE, &b->bos[b->n_bos]);
		if (r)
			break;
	}
	return r;
}

/* The GPU sees the ranges at contiguous addresses either way. */
static int va_op(struct bench *b, uint32_t n, uint32_t op)
{
	uint64_t size = b->n_bos == 1 ? (uint64_t)b->n * PAGE : PAGE;
	uint32_t i;
	int r;

	for (i = 0; i < n; i++) {
		r = amdgpu_bo_va_op_raw(b->g->dev, b->bos[i], 0, size, b->va + i * size,
					AMDGPU_VM_PAGE_READABLE | AMDGPU_VM_PAGE_WRITEABLE, op);
		if (r)
			return r;
	}
	return 0;
}

static int timed_submit(struct bench *b, uint32_t list, struct samples *s)
{
	double t = now_us();
	int r;

	r = gpu_submit(b->g, list);
	if (r)
		return r;
	if (s)
		samples_add(s, now_us() - t);
	return gpu_wait(b->g);
}

static int bench_round(struct bench *b, int (*create)(struct bench *b))
{
	const char *at;
	uint32_t list, i;
	double t;
	int r;

	/* Every page of a range is there and ours. */
	for (i = 0; i < b->n; i++)
		*(uint32_t *)(uintptr_t)b->ranges[i].addr = i;

	at = what_name[CREATE];
	t = now_us();
	r = create(b);
	samples_add(&b->t[CREATE], now_us() - t);
	if (r)
		goto out_bos;

	at = what_name[MAP];
	r = amdgpu_va_range_alloc(b->g->dev, amdgpu_gpu_va_range_general,
				  (uint64_t)b->n * PAGE, 0, 0, &b->va, &b->va_handle, 0);
	if (r)
		goto out_bos;
	t = now_us();
	r = va_op(b, b->n_bos, AMDGPU_VA_OP_MAP);
	samples_add(&b->t[MAP], now_us() - t);
	if (r)
		goto out_va;

	r = gpu_list(b->g, b->bos, b->n_bos, &list);
	if (r)
		goto out_va;

	/* The first submission finishes what mapping began: not the steady state. */
	at = what_name[SUBMIT];
	r = timed_submit(b, list, NULL);
	for (i = 0; i < 8 && !r; i++)
		r = timed_submit(b, list, &b->t[SUBMIT]);
	if (r)
		goto out_list;

	at = what_name[RESUBMIT];
	t = now_us();
	madvise(b->mem, bench_span(b), MADV_DONTNEED);
	samples_add(&b->t[INVALIDATE], now_us() - t);
	r = timed_submit(b, list, &b->t[RESUBMIT]);

out_list:
	t = now_us();
	amdgpu_bo_list_destroy_raw(b->g->dev, list);
	va_op(b, b->n_bos, AMDGPU_VA_OP_UNMAP);
	for (i = 0; i < b->n_bos; i++)
		amdgpu_bo_free(b->bos[i]);
	b->n_bos = 0;
	samples_add(&b->t[TEARDOWN], now_us() - t);
out_va:
	amdgpu_va_range_free(b->va_handle);
out_bos:
	for (i = 0; i < b->n_bos; i++)
		amdgpu_bo_free(b->bos[i]);
	if (r)
		return report_fail("timing of %u ranges: %s: %s", b->n, at, strerror(-r));
	return 0;
}

int job_time(struct job *j, uint32_t n, uint32_t many, uint32_t rounds)
{
	struct bench singles, batch, large = {};
	double s, m, l;
	uint32_t i;
	int r;

	r = bench_init(&singles, j, n);
	r = bench_init(&batch, j, n) || r;
	if (many)
		r = bench_init(&large, j, many) || r;
	/* Taken in turns, so that a slow moment of the machine hits all alike. */
	for (i = 0; i < rounds && !r; i++) {
		r = bench_round(&singles, create_singles) || bench_round(&batch, create_batch);
		if (!r && many)
			r = bench_round(&large, create_batch);
	}
	if (r)
		goto out;

	printf("\nmilliseconds, median of %u rounds; 4 KiB ranges\n", rounds);
	printf("%-30s %6u userptrs  batch of %-6u   ratio", "", n, n);
	if (many)
		printf("  batch of %-6u", many);
	printf("\n");
	for (i = 0; i < WHATS; i++) {
		s = samples_median(&singles.t[i]) / 1e3;
		m = samples_median(&batch.t[i]) / 1e3;
		printf("%-30s %15.3f  %15.3f %7.1f", what_name[i], s, m, m > 0 ? s / m : 0);
		l = samples_median(&large.t[i]) / 1e3;
		if (many)
			printf("  %15.3f", l);
		printf("\n");
	}
out:
	bench_fini(&singles);
	bench_fini(&batch);
	bench_fini(&large);
	return r ? -1 : 0;
}
