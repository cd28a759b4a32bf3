/* SPDX-License-Identifier: MIT */
/*
 * Submissions that are not started again by libdrm.
 */
#ifndef AMD_USERPTR_RAW_H
#define AMD_USERPTR_RAW_H

#include <stdint.h>

#include "lib/amdgpu/amd_userptr_batch.h"

struct raw {
	struct batch_gpu *gpu;
	uint32_t ctx;
};

void raw_init(struct raw *raw, struct batch_gpu *gpu);
void raw_fini(struct raw *raw);
int raw_submit(struct raw *raw, const struct batch_bo *bo);

#endif
