// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "job.h"

uint8_t job_gen(struct job *j)
{
	/* 0 is fresh memory */
	if (!++j->gen)
		j->gen = 1;
	return j->gen;
}

int batch_create(struct job *j, struct batch *b)
{
	uint32_t flags = AMDGPU_GEM_USERPTR_VALIDATE, i, bad;
	uint64_t access = AMDGPU_VM_PAGE_READABLE;
	struct drm_amdgpu_gem_userptr_range *ranges;
	amdgpu_bo_handle bo, bos[2];
	int r;

	/* The GPU writes only to memory whose changes are followed: REGISTER. */
	if (b->readonly) {
		flags |= AMDGPU_GEM_USERPTR_READONLY;
	} else {
		flags |= AMDGPU_GEM_USERPTR_REGISTER;
		access |= AMDGPU_VM_PAGE_WRITEABLE;
	}

	ranges = calloc(b->mem.n, sizeof(*ranges));
	if (!ranges)
		return report_fail("out of memory");
	for (i = 0; i < b->mem.n; i++) {
		ranges[i].addr = (uintptr_t)b->mem.p[i].addr;
		ranges[i].size = b->mem.p[i].size;
	}
	r = amdgpu_create_bo_from_user_mem_batch(j->gpu.dev, ranges, b->mem.n, flags, &bad,
						 &bo);
	free(ranges);
	if (r) {
		if (bad < b->mem.n)
			return report_fail("batch of %u ranges: %s at range %u (%s)", b->mem.n,
					   strerror(-r), bad,
					   mem_kind_name(b->mem.p[bad].kind));
		return report_fail("batch of %u ranges: %s", b->mem.n, strerror(-r));
	}

	/* One address for all of it. */
	r = gpu_buf_map(&j->gpu, &b->buf, bo, b->mem.bytes, access);
	if (r) {
		amdgpu_bo_free(bo);
		return report_fail("GPU address of the batch: %s", strerror(-r));
	}

	bos[0] = bo;
	bos[1] = j->mirror.bo;
	r = gpu_list(&j->gpu, bos, 2, &b->list);
	if (r) {
		gpu_buf_free(&b->buf);
		return report_fail("list of buffers: %s", strerror(-r));
	}
	return 0;
}

void batch_destroy(struct job *j, struct batch *b)
{
	if (b->buf.bo)
		amdgpu_bo_list_destroy_raw(j->gpu.dev, b->list);
	gpu_buf_free(&b->buf);
}

static uint8_t *mirror_of(struct job *j, const struct piece *p)
{
	return (uint8_t *)j->mirror.cpu + p->offset;
}

int job_gpu_reads(struct job *j, struct batch *b)
{
	uint32_t i;
	int r;

	r = gpu_copy(&j->gpu, b->list, j->mirror.va, b->buf.va, b->mem.bytes);
	if (r)
		return report_fail("GPU reads %s batch: %s", b->readonly ? "read-only" : "the",
				   strerror(-r));
	for (i = 0; i < b->mem.n; i++)
		if (pattern_check(mirror_of(j, &b->mem.p[i]), &b->mem.p[i], "GPU reads"))
			return -1;
	return 0;
}

int job_gpu_writes(struct job *j, struct batch *b)
{
	uint8_t gen = job_gen(j);
	uint32_t i;
	int r;

	for (i = 0; i < b->mem.n; i++) {
		pattern_fill(mirror_of(j, &b->mem.p[i]), &b->mem.p[i], gen);
		b->mem.p[i].gen = gen;
	}
	r = gpu_copy(&j->gpu, b->list, b->buf.va, j->mirror.va, b->mem.bytes);
	if (r)
		return report_fail("GPU writes the batch: %s", strerror(-r));
	for (i = 0; i < b->mem.n; i++)
		if (pattern_check(b->mem.p[i].cpu, &b->mem.p[i], "CPU after GPU wrote"))
			return -1;
	return 0;
}

int job_check(struct job *j)
{
	if (job_gpu_reads(j, &j->rw) || job_gpu_reads(j, &j->ro))
		return -1;
	return job_gpu_writes(j, &j->rw);
}

int job_refused(struct job *j, struct batch *b, int err)
{
	int r;

	r = gpu_copy(&j->gpu, b->list, j->mirror.va, b->buf.va, b->mem.bytes);
	if (!r)
		return report_fail("a submission passed though memory of the batch is missing");
	if (r != err)
		return report_fail("a submission failed with \"%s\", not \"%s\"", strerror(-r),
				   strerror(-err));

	r = gpu_copy(&j->gpu, j->mirror_list, j->mirror.va + j->mirror.size / 2, j->mirror.va,
		     PAGE);
	if (r)
		return report_fail("a submission without the batch failed, too: %s",
				   strerror(-r));
	return 0;
}
