// SPDX-License-Identifier: MIT

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "igt.h"
#include "lib/amdgpu/amd_userptr_raw.h"

/**
 * raw_init:
 * @raw: to be initialized
 * @gpu: device, whose IB buffer is used
 *
 * Makes a context.
 */
void raw_init(struct raw *raw, struct batch_gpu *gpu)
{
	union drm_amdgpu_ctx args = { .in.op = AMDGPU_CTX_OP_ALLOC_CTX };

	do_ioctl(gpu->fd, DRM_IOCTL_AMDGPU_CTX, &args);
	raw->gpu = gpu;
	raw->ctx = args.out.alloc.ctx_id;
	memset(gpu->ib.cpu, 0, 64);
}

/**
 * raw_fini:
 * @raw: raw submissions, none of them running
 */
void raw_fini(struct raw *raw)
{
	union drm_amdgpu_ctx args = {
		.in.op = AMDGPU_CTX_OP_FREE_CTX,
		.in.ctx_id = raw->ctx,
	};

	do_ioctl(raw->gpu->fd, DRM_IOCTL_AMDGPU_CTX, &args);
}

/**
 * raw_submit:
 * @raw: raw submissions
 * @bo: what the job has in its list
 *
 * Submits an IB that does nothing to an SDMA engine.
 *
 * Returns: 0 or the negative errno of the ioctl, -EINTR and -EAGAIN as well
 */
int raw_submit(struct raw *raw, const struct batch_bo *bo)
{
	struct drm_amdgpu_bo_list_entry entries[2] = {
		{ .bo_handle = raw->gpu->ib.handle },
		{ .bo_handle = bo->handle },
	};
	struct drm_amdgpu_bo_list_in list = {
		.operation = ~0u,
		.list_handle = ~0u,
		.bo_number = ARRAY_SIZE(entries),
		.bo_info_size = sizeof(entries[0]),
		.bo_info_ptr = (uintptr_t)entries,
	};
	struct drm_amdgpu_cs_chunk_ib ib = {
		.va_start = raw->gpu->ib.va,
		.ib_bytes = 64,
		.ip_type = AMDGPU_HW_IP_DMA,
	};
	struct drm_amdgpu_cs_chunk chunks[2] = {
		{
			.chunk_id = AMDGPU_CHUNK_ID_BO_HANDLES,
			.length_dw = sizeof(list) / 4,
			.chunk_data = (uintptr_t)&list,
		},
		{
			.chunk_id = AMDGPU_CHUNK_ID_IB,
			.length_dw = sizeof(ib) / 4,
			.chunk_data = (uintptr_t)&ib,
		},
	};
	uint64_t pointers[2] = { (uintptr_t)&chunks[0], (uintptr_t)&chunks[1] };
	union drm_amdgpu_cs args = {
		.in.ctx_id = raw->ctx,
		.in.num_chunks = ARRAY_SIZE(chunks),
		.in.chunks = (uintptr_t)pointers,
	};

	return ioctl(raw->gpu->fd, DRM_IOCTL_AMDGPU_CS, &args) ? -errno : 0;
}
