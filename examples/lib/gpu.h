/* SPDX-License-Identifier: MIT */
/*
 * The GPU as the examples need it: one device, one context, buffers with a GPU
 * address, and copies by SDMA, the GPU's copy engine. All of it is libdrm_amdgpu
 * with a few lines around.
 */
#ifndef EXAMPLES_GPU_H
#define EXAMPLES_GPU_H

#include <stdint.h>

#include <amdgpu.h>
#include <amdgpu_drm.h>

/**
 * struct gpu_buf - a buffer object that the GPU can address
 * @bo: libdrm's handle
 * @va_handle: owner of the address range
 * @va: GPU virtual address
 * @size: bytes
 * @cpu: the CPU's view of a buffer of gpu_buf_alloc(), otherwise NULL
 */
struct gpu_buf {
	amdgpu_bo_handle bo;
	amdgpu_va_handle va_handle;
	uint64_t va;
	uint64_t size;
	void *cpu;
};

/**
 * struct gpu - an open device
 * @fd: file descriptor of the render node
 * @dev: libdrm's handle
 * @ctx: the context that all submissions go to
 * @sdma: what the kernel tells about the copy engine
 * @ib: the indirect buffer: commands of the next submission
 * @ib_dw: commands in it, in 32 bit words
 * @fence: the last submission
 */
struct gpu {
	int fd;
	amdgpu_device_handle dev;
	amdgpu_context_handle ctx;
	struct drm_amdgpu_info_hw_ip sdma;
	struct gpu_buf ib;
	uint32_t ib_dw;
	struct amdgpu_cs_fence fence;
};

/** Returned by gpu_open() if there is nothing to work with: not a failure. */
#define GPU_ABSENT 1

/**
 * gpu_open - open an AMD GPU
 * @g: to be filled
 * @path: device file, NULL: the first render node of amdgpu
 *
 * The copy packets are those of SDMA 4, 5, 6 and 7.1, i.e. of all GPUs from Vega
 * (2017) on but those with SDMA 7.0; others are refused.
 *
 * Returns 0, %GPU_ABSENT without a GPU that can be used, -1 on failure. Sets
 * report_reason() unless it returns 0.
 */
int gpu_open(struct gpu *g, const char *path);

/** gpu_close - close what gpu_open() opened; buffers must be gone */
void gpu_close(struct gpu *g);

/**
 * gpu_buf_alloc - allocate GPU memory, give it an address, map it for the CPU
 * @g: the GPU
 * @buf: to be filled; all zero after a failure
 * @size: bytes, multiple of the page size
 * @domain: AMDGPU_GEM_DOMAIN_GTT or _VRAM
 *
 * Returns 0 or a negative error code.
 */
int gpu_buf_alloc(struct gpu *g, struct gpu_buf *buf, uint64_t size, uint32_t domain);

/**
 * gpu_buf_map - give a buffer object an address
 * @g: the GPU
 * @buf: to be filled; all zero after a failure
 * @bo: the buffer object; belongs to @buf after success
 * @size: bytes
 * @flags: AMDGPU_VM_PAGE_*
 *
 * Returns 0 or a negative error code.
 */
int gpu_buf_map(struct gpu *g, struct gpu_buf *buf, amdgpu_bo_handle bo, uint64_t size,
		uint64_t flags);

/** gpu_buf_free - take the address and the memory back; @buf may be all zero */
void gpu_buf_free(struct gpu_buf *buf);

/**
 * gpu_list - name the buffers that submissions use
 * @g: the GPU
 * @bos: the buffer objects; the indirect buffer is added
 * @n: number of them
 * @list: returned handle, to be given back with amdgpu_bo_list_destroy_raw()
 *
 * Returns 0 or a negative error code.
 */
int gpu_list(struct gpu *g, const amdgpu_bo_handle *bos, uint32_t n, uint32_t *list);

/** gpu_list_handles - the same for @n GEM handles */
int gpu_list_handles(struct gpu *g, const uint32_t *handles, uint32_t n, uint32_t *list);

/**
 * gpu_emit_copy - add packets that copy @size bytes from GPU address @src to @dst
 *
 * Returns 0 or -ENOSPC if the indirect buffer is too small.
 */
int gpu_emit_copy(struct gpu *g, uint64_t dst, uint64_t src, uint64_t size);

/**
 * gpu_submit - hand the emitted packets to the kernel
 * @g: the GPU
 * @list: of gpu_list()
 *
 * Without packets the engine gets a few NOPs. The indirect buffer is used again
 * for the next submission: gpu_wait() comes first.
 *
 * Returns 0 or a negative error code: the kernel's.
 */
int gpu_submit(struct gpu *g, uint32_t list);

/**
 * gpu_wait - wait for the last submission
 *
 * Returns 0, -ETIME after a minute or a negative error code: the kernel's.
 */
int gpu_wait(struct gpu *g);

/** gpu_copy - emit, submit and wait; returns as these do */
int gpu_copy(struct gpu *g, uint32_t list, uint64_t dst, uint64_t src, uint64_t size);

#endif
