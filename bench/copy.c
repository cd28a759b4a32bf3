// SPDX-License-Identifier: MIT
/*
 * How long the copy engine takes for one large copy: of buffers, and of userptr memory in
 * pages of 4 KiB. On the virtual GPU it says what a test may ask of it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/gpu.h"
#include "lib/mem.h"

#define EXIT_SKIP	77
#define EXIT_USAGE	2
#define ROUNDS		5

/* Memory in small pages: of huge ones one page table entry would be enough for 512. */
static int userptr(struct gpu *g, struct gpu_buf *buf, uint64_t size, void **mem)
{
	amdgpu_bo_handle bo;
	int r;

	*mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (*mem == MAP_FAILED)
		return -errno;
	madvise(*mem, size, MADV_NOHUGEPAGE);
	memset(*mem, 0, size);
	r = amdgpu_create_bo_from_user_mem(g->dev, *mem, size, &bo);
	if (!r) {
		r = gpu_buf_map(g, buf, bo, size,
				AMDGPU_VM_PAGE_READABLE | AMDGPU_VM_PAGE_WRITEABLE);
		if (r)
			amdgpu_bo_free(bo);
	}
	if (r)
		munmap(*mem, size);
	return r;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Copies @size bytes from @src, whose CPU address is @mem, to @dst; checks a word of each page. */
static int measure(struct gpu *g, const char *what, struct gpu_buf *src, void *mem,
		   struct gpu_buf *dst, uint64_t size)
{
	const amdgpu_bo_handle bos[] = { src->bo, dst->bo };
	double s[ROUNDS], start;
	uint32_t list, i;
	uint64_t at;
	int r;

	r = gpu_list(g, bos, 2, &list);
	if (r)
		return r;
	for (i = 0; i < ROUNDS && !r; i++) {
		for (at = 0; at < size; at += PAGE)
			*(uint32_t *)((uint8_t *)mem + at) = at / PAGE + i;
		start = now_us();
		r = gpu_copy(g, list, dst->va, src->va, size);
		s[i] = (now_us() - start) / 1e6;
		for (at = 0; at < size && !r; at += PAGE)
			if (*(uint32_t *)((uint8_t *)dst->cpu + at) != at / PAGE + i)
				r = -EIO;
	}
	amdgpu_bo_list_destroy_raw(g->dev, list);
	if (r)
		return r;
	/* the first has page tables to write */
	printf("%-28s first %.2f s", what, s[0]);
	qsort(s, ROUNDS, sizeof(s[0]), compare);
	printf(", median of %u %.2f s (%.2f to %.2f)\n", ROUNDS, s[ROUNDS / 2], s[0], s[ROUNDS - 1]);
	return 0;
}

static int run(struct gpu *g, uint64_t size)
{
	struct gpu_buf src = {}, dst = {};
	void *mem;
	int r;

	r = gpu_buf_alloc(g, &dst, size, AMDGPU_GEM_DOMAIN_GTT);
	if (!r)
		r = gpu_buf_alloc(g, &src, size, AMDGPU_GEM_DOMAIN_GTT);
	if (!r)
		r = measure(g, "buffer to buffer", &src, src.cpu, &dst, size);
	gpu_buf_free(&src);
	if (!r)
		r = userptr(g, &src, size, &mem);
	if (!r) {
		r = measure(g, "userptr of 4 KiB pages", &src, mem, &dst, size);
		gpu_buf_free(&src);
		munmap(mem, size);
	}
	gpu_buf_free(&dst);
	return r;
}

int main(int argc, char **argv)
{
	char *end = NULL;
	uint64_t mib = 1024;
	struct gpu g;
	int r;

	if (argc > 1)
		mib = strtoull(argv[1], &end, 10);
	if (argc > 2 || (end && (end == argv[1] || *end)) || !mib || mib > 65536) {
		fprintf(stderr, "usage: copy [MIB]\nTimes copies of so much memory by SDMA (1024).\n");
		return EXIT_USAGE;
	}
	r = gpu_open(&g, NULL);
	if (r == GPU_ABSENT) {
		printf("copy: skipped: %s\n", report_reason());
		return EXIT_SKIP;
	}
	if (r) {
		fprintf(stderr, "copy: %s\n", report_reason());
		return 1;
	}
	printf("%llu MiB:\n", (unsigned long long)mib);
	r = run(&g, mib << 20);
	gpu_close(&g);
	if (r)
		fprintf(stderr, "copy: failed: %s\n", strerror(-r));
	return r != 0;
}
