/* SPDX-License-Identifier: MIT */
/*
 * The batch userptr BO made of scattered memory, and GPU copies through that BO:
 * what the tests of DRM_IOCTL_AMDGPU_GEM_USERPTR_BATCH have in common.
 */
#ifndef AMD_USERPTR_BATCH_H
#define AMD_USERPTR_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include <amdgpu_drm.h>
#include <amdgpu.h>

#include "amdgpu_drm_local.h"
#include "lib/amdgpu/amd_userptr_pieces.h"

/* flags for a BO that the GPU may write to */
#define BATCH_RW (AMDGPU_GEM_USERPTR_REGISTER | AMDGPU_GEM_USERPTR_VALIDATE)
#define BATCH_RO (BATCH_RW | AMDGPU_GEM_USERPTR_READONLY)

/**
 * struct batch_buffer - ordinary GTT BO, mapped for CPU and GPU
 */
struct batch_buffer {
	amdgpu_bo_handle bo;
	amdgpu_va_handle va_handle;
	uint32_t handle;
	uint64_t size;
	uint64_t va;
	void *cpu;
};

/**
 * struct batch_gpu - a device, a context on it and the buffers for copies
 * @fd: render node, not owned
 * @dev: device of its own, not shared with other users of @fd
 * @ctx: context of the copies
 * @ib: commands of the copy in flight
 * @staging: other end of the copies
 * @info: limits of the ioctl
 * @left: GPU addresses that somebody else hands out, or NULL
 */
struct batch_gpu {
	int fd;
	amdgpu_device_handle dev;
	amdgpu_context_handle ctx;
	struct batch_buffer ib;
	struct batch_buffer staging;
	struct drm_amdgpu_info_gem_userptr_batch info;
	amdgpu_va_handle left;
};

/**
 * struct batch_bo - a batch userptr BO
 * @handle: GEM handle
 * @size: size in bytes
 * @va: GPU address, 0 while not mapped
 * @va_handle: reservation of @va
 */
struct batch_bo {
	uint32_t handle;
	uint64_t size;
	uint64_t va;
	amdgpu_va_handle va_handle;
};

/* device */
void batch_gpu_init(struct batch_gpu *gpu, int fd, uint64_t staging_size);
void batch_gpu_init_rings(struct batch_gpu *gpu, int fd, uint64_t staging_size);
void batch_gpu_init_queues(struct batch_gpu *gpu, int fd, uint64_t staging_size);
void batch_gpu_init_beside(struct batch_gpu *gpu, int fd, uint64_t staging_size);
void batch_gpu_fini(struct batch_gpu *gpu);
void batch_buffer_init(struct batch_gpu *gpu, struct batch_buffer *b, uint64_t size);
void batch_buffer_fini(struct batch_buffer *b);
void batch_query(struct batch_gpu *gpu);
uint64_t batch_used_bytes(struct batch_gpu *gpu);
unsigned int batch_count_handles(int fd);
bool batch_counter(struct batch_gpu *gpu, const char *name, uint64_t *value);

/* the BO */
void batch_args_init(struct drm_amdgpu_gem_userptr_batch *args,
		     const struct batch_pieces *pieces, uint32_t flags);
int __batch_ioctl(int fd, struct drm_amdgpu_gem_userptr_batch *args);
int __batch_create(int fd, const struct batch_pieces *pieces, uint32_t flags,
		   struct batch_bo *bo);
void batch_create(struct batch_gpu *gpu, const struct batch_pieces *pieces,
		  uint32_t flags, struct batch_bo *bo);
int __batch_va(int fd, uint32_t handle, uint32_t operation, uint64_t va,
	       uint64_t offset, uint64_t size, uint32_t flags);
void batch_map(struct batch_gpu *gpu, struct batch_bo *bo);
void batch_unmap(struct batch_gpu *gpu, struct batch_bo *bo);
void batch_destroy(struct batch_gpu *gpu, struct batch_bo *bo);

/* copies by the GPU */
int __batch_submit(struct batch_gpu *gpu, const struct batch_bo *bo, uint64_t dst,
		   uint64_t src, uint64_t size, unsigned int repeat,
		   uint64_t *fence);
int __batch_wait(struct batch_gpu *gpu, uint64_t fence);
int __batch_read(struct batch_gpu *gpu, const struct batch_bo *bo);
void batch_read(struct batch_gpu *gpu, const struct batch_bo *bo);
void batch_write(struct batch_gpu *gpu, const struct batch_bo *bo);
void batch_read_check(struct batch_gpu *gpu, const struct batch_bo *bo, uint32_t seed);
void batch_write_check(struct batch_gpu *gpu, const struct batch_bo *bo,
		       struct batch_pieces *pieces, uint32_t seed);

#endif
