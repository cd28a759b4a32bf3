/* SPDX-License-Identifier: MIT */
/*
 * Submissions of one IB: what the kernel is given, and submissions that are not started
 * again by libdrm.
 */
#ifndef AMD_USERPTR_RAW_H
#define AMD_USERPTR_RAW_H

#include <stdint.h>

#include "lib/amdgpu/amd_userptr_batch.h"

/**
 * struct raw_job - one IB and the BOs that it needs, as the kernel is told
 * @entries: BOs
 * @list: their list
 * @ib: the IB
 * @chunks: both; they point into this struct
 */
struct raw_job {
	struct drm_amdgpu_bo_list_entry entries[3];
	struct drm_amdgpu_bo_list_in list;
	struct drm_amdgpu_cs_chunk_ib ib;
	struct drm_amdgpu_cs_chunk chunks[2];
};

/**
 * struct raw - who submits
 * @gpu: device, whose IB buffer is used
 * @ctx: context
 */
struct raw {
	struct batch_gpu *gpu;
	uint32_t ctx;
};

void raw_job_init(struct raw_job *job, struct batch_gpu *gpu, const struct batch_bo *bo,
		  uint32_t ip, unsigned int dwords);

void raw_init(struct raw *raw, struct batch_gpu *gpu);
void raw_fini(struct raw *raw);
int raw_submit(struct raw *raw, const struct batch_bo *bo);
int raw_submit_nop(struct raw *raw, const struct batch_bo *bo, uint32_t ip, uint64_t *fence);
int raw_wait(struct raw *raw, uint32_t ip, uint64_t fence, uint64_t timeout_ns);

#endif
