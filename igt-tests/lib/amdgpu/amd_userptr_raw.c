// SPDX-License-Identifier: MIT

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "igt.h"
#include "lib/amdgpu/amd_userptr_raw.h"

/* as the driver pads its rings, soc15d.h: PACKET3(PACKET3_NOP, 0x3FFF) is one dword */
#define PM4_NOP 0xffff1000
#define NOP_DWORDS 16

/**
 * raw_job_init:
 * @job: to be initialized; must stay where it is
 * @gpu: device, whose IB buffer holds the commands
 * @bo: batch BO that is part of the job besides the buffers of @gpu, or NULL
 * @ip: AMDGPU_HW_IP_*
 * @dwords: length of the commands
 */
void raw_job_init(struct raw_job *job, struct batch_gpu *gpu, const struct batch_bo *bo,
		  uint32_t ip, unsigned int dwords)
{
	*job = (struct raw_job) {
		.entries = {
			{ .bo_handle = gpu->ib.handle },
			{ .bo_handle = gpu->staging.handle },
			{ .bo_handle = bo ? bo->handle : 0 },
		},
		.list = {
			.operation = ~0u,
			.list_handle = ~0u,
			.bo_number = bo ? 3 : 2,
			.bo_info_size = sizeof(job->entries[0]),
			.bo_info_ptr = (uintptr_t)job->entries,
		},
		.ib = {
			.va_start = gpu->ib.va,
			.ib_bytes = dwords * 4,
			.ip_type = ip,
		},
		.chunks = {
			{
				.chunk_id = AMDGPU_CHUNK_ID_BO_HANDLES,
				.length_dw = sizeof(job->list) / 4,
				.chunk_data = (uintptr_t)&job->list,
			},
			{
				.chunk_id = AMDGPU_CHUNK_ID_IB,
				.length_dw = sizeof(job->ib) / 4,
				.chunk_data = (uintptr_t)&job->ib,
			},
		},
	};
}

/* The kernel wants a time of the monotonic clock. */
static uint64_t deadline(uint64_t timeout_ns)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec + timeout_ns;
}

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
 * raw_submit_nop:
 * @raw: raw submissions
 * @bo: what the job has in its list, or NULL
 * @ip: AMDGPU_HW_IP_GFX, _COMPUTE or _DMA
 * @fence: number of the job
 *
 * Submits an IB that does nothing.
 *
 * Returns: 0 or the negative errno of the ioctl, -EINTR and -EAGAIN as well
 */
int raw_submit_nop(struct raw *raw, const struct batch_bo *bo, uint32_t ip, uint64_t *fence)
{
	struct raw_job job;
	uint64_t pointers[2] = { (uintptr_t)&job.chunks[0], (uintptr_t)&job.chunks[1] };
	union drm_amdgpu_cs args = {
		.in.ctx_id = raw->ctx,
		.in.num_chunks = ARRAY_SIZE(job.chunks),
		.in.chunks = (uintptr_t)pointers,
	};
	uint32_t *dwords = raw->gpu->ib.cpu;
	unsigned int i;

	for (i = 0; i < NOP_DWORDS; i++)
		dwords[i] = ip == AMDGPU_HW_IP_DMA ? 0 : PM4_NOP;
	raw_job_init(&job, raw->gpu, bo, ip, NOP_DWORDS);
	if (ioctl(raw->gpu->fd, DRM_IOCTL_AMDGPU_CS, &args))
		return -errno;
	*fence = args.out.handle;
	return 0;
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
	uint64_t fence;

	return raw_submit_nop(raw, bo, AMDGPU_HW_IP_DMA, &fence);
}

/**
 * raw_wait:
 * @raw: raw submissions
 * @ip: what raw_submit_nop() was told
 * @fence: number of the job
 * @timeout_ns: how long at most
 *
 * Returns: 0 when the job is done, -ETIME when it takes longer
 */
int raw_wait(struct raw *raw, uint32_t ip, uint64_t fence, uint64_t timeout_ns)
{
	union drm_amdgpu_wait_cs args = {
		.in.handle = fence,
		.in.timeout = deadline(timeout_ns),
		.in.ip_type = ip,
		.in.ctx_id = raw->ctx,
	};

	do_ioctl(raw->gpu->fd, DRM_IOCTL_AMDGPU_WAIT_CS, &args);
	return args.out.status ? -ETIME : 0;
}
