// SPDX-License-Identifier: MIT

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "igt.h"
#include "lib/amdgpu/amd_sdma.h"
#include "lib/amdgpu/amd_userptr_batch.h"
#include "lib/amdgpu/amd_userptr_raw.h"

/* what every SDMA since GFX9 copies with one packet (its count has 22 bits) */
#define COPY_MAX (2ull << 20)
#define COPY_DWORDS 7
/* IBs of SDMA are padded to this */
#define IB_ALIGN_DWORDS 8
#define IB_SIZE (256ull << 10)
/* generous: emulated devices on busy machines */
#define FENCE_TIMEOUT_NS (120ull * 1000 * 1000 * 1000)

/*
 * Device
 */

/**
 * batch_buffer_init:
 * @gpu: device
 * @b: to be initialized, its contents are undefined
 * @size: size in bytes
 */
void batch_buffer_init(struct batch_gpu *gpu, struct batch_buffer *b, uint64_t size)
{
	struct amdgpu_bo_alloc_request request = {
		.alloc_size = size,
		.phys_alignment = BATCH_PAGE,
		.preferred_heap = AMDGPU_GEM_DOMAIN_GTT,
	};

	b->size = size;
	do_or_die(amdgpu_bo_alloc(gpu->dev, &request, &b->bo));
	do_or_die(amdgpu_bo_export(b->bo, amdgpu_bo_handle_type_kms, &b->handle));
	do_or_die(amdgpu_bo_cpu_map(b->bo, &b->cpu));
	do_or_die(amdgpu_va_range_alloc(gpu->dev, amdgpu_gpu_va_range_general,
					size, BATCH_PAGE, 0, &b->va, &b->va_handle, 0));
	do_or_die(amdgpu_bo_va_op(b->bo, 0, size, b->va, 0, AMDGPU_VA_OP_MAP));
}

/**
 * batch_buffer_fini:
 * @b: buffer
 */
void batch_buffer_fini(struct batch_buffer *b)
{
	do_or_die(amdgpu_bo_va_op(b->bo, 0, b->size, b->va, 0, AMDGPU_VA_OP_UNMAP));
	do_or_die(amdgpu_va_range_free(b->va_handle));
	do_or_die(amdgpu_bo_cpu_unmap(b->bo));
	do_or_die(amdgpu_bo_free(b->bo));
}

/*
 * The first notifier of a process makes mm_take_all_locks() take a lock of each VMA, and
 * lockdep counts no more than 2047 of a kind. So it is inserted before there are so many.
 */
static void first_notifier(int fd)
{
	static uint8_t page[BATCH_PAGE] __attribute__((aligned(BATCH_PAGE)));
	struct drm_amdgpu_gem_userptr userptr = {
		.addr = (uintptr_t)page, .size = BATCH_PAGE, .flags = AMDGPU_GEM_USERPTR_REGISTER,
	};

	if (access("/proc/lockdep_stats", F_OK))
		return;
	do_ioctl(fd, DRM_IOCTL_AMDGPU_GEM_USERPTR, &userptr);
	do_or_die(drmCloseBufferHandle(fd, userptr.handle));
}

/* libdrm has it since 2.4.121, IGT asks for less */
extern int amdgpu_device_initialize2(int fd, bool deduplicate_device, uint32_t *major_version,
				     uint32_t *minor_version, amdgpu_device_handle *device_handle)
	__attribute__((weak));

/* without which a test is a skip */
enum { NEED_BATCH = 1, NEED_RINGS = 2 };

static void gpu_init(struct batch_gpu *gpu, int fd, uint64_t staging_size,
		     uint64_t leave, unsigned int needs)
{
	struct drm_amdgpu_info_hw_ip sdma = {};
	struct amdgpu_gpu_info info = {};
	uint32_t major, minor;
	int r;

	igt_require_f(getpagesize() == BATCH_PAGE, "pages of %d bytes\n", getpagesize());
	memset(gpu, 0, sizeof(*gpu));
	gpu->fd = fd;
	first_notifier(fd);
	igt_require_f(amdgpu_device_initialize2, "libdrm_amdgpu is older than 2.4.121\n");
	/* not deduplicated: in a child process the parent's is another file */
	do_or_die(amdgpu_device_initialize2(fd, false, &major, &minor, &gpu->dev));
	r = amdgpu_query_info(gpu->dev, AMDGPU_INFO_GEM_USERPTR_BATCH, sizeof(gpu->info), &gpu->info);
	igt_require_f(!r || !(needs & NEED_BATCH), "kernel without GEM_USERPTR_BATCH\n");
	do_or_die(amdgpu_query_gpu_info(gpu->dev, &info));
	igt_require_f(info.family_id >= AMDGPU_FAMILY_AI,
		      "SDMA packets of family %u are not known here\n", info.family_id);
	do_or_die(amdgpu_query_hw_ip_info(gpu->dev, AMDGPU_HW_IP_DMA, 0, &sdma));
	igt_require_f(sdma.available_rings || !(needs & NEED_RINGS),
		      "no SDMA ring for kernel submissions\n");

	if (leave) {
		uint64_t va;

		do_or_die(amdgpu_va_range_alloc(gpu->dev, amdgpu_gpu_va_range_general,
						leave, BATCH_PAGE, 0, &va, &gpu->left, 0));
	}
	do_or_die(amdgpu_cs_ctx_create(gpu->dev, &gpu->ctx));
	batch_buffer_init(gpu, &gpu->ib, IB_SIZE);
	batch_buffer_init(gpu, &gpu->staging, staging_size);
}

/**
 * batch_gpu_init:
 * @gpu: to be initialized
 * @fd: render node; stays the caller's
 * @staging_size: size in bytes of the buffer that is the other end of copies
 *
 * Skips if the kernel has no batch userptr or the GPU no SDMA of a known kind.
 */
void batch_gpu_init(struct batch_gpu *gpu, int fd, uint64_t staging_size)
{
	gpu_init(gpu, fd, staging_size, 0, NEED_BATCH | NEED_RINGS);
}

/**
 * batch_gpu_init_rings:
 * @gpu: to be initialized
 * @fd: render node; stays the caller's
 * @staging_size: size in bytes of the buffer that is the other end of copies
 *
 * For tests of what every kernel has: without batch userptr @gpu->info is empty.
 */
void batch_gpu_init_rings(struct batch_gpu *gpu, int fd, uint64_t staging_size)
{
	gpu_init(gpu, fd, staging_size, 0, NEED_RINGS);
}

/**
 * batch_gpu_init_queues:
 * @gpu: to be initialized
 * @fd: render node; stays the caller's
 * @staging_size: size in bytes of the buffer that is the other end of copies
 *
 * For tests of user queues: the kernel may have no rings for submissions, and no
 * batch userptr, which leaves @gpu->info empty.
 */
void batch_gpu_init_queues(struct batch_gpu *gpu, int fd, uint64_t staging_size)
{
	gpu_init(gpu, fd, staging_size, 0, 0);
}

/**
 * batch_gpu_init_beside:
 * @gpu: to be initialized
 * @fd: render node that another process has initialized as well
 * @staging_size: size in bytes of the buffer that is the other end of copies
 *
 * Both processes share the GPU's address space and hand out addresses without
 * knowing of each other; this one leaves the first GiB to the other.
 */
void batch_gpu_init_beside(struct batch_gpu *gpu, int fd, uint64_t staging_size)
{
	gpu_init(gpu, fd, staging_size, 1ull << 30, NEED_BATCH | NEED_RINGS);
}

/**
 * batch_gpu_fini:
 * @gpu: device
 */
void batch_gpu_fini(struct batch_gpu *gpu)
{
	batch_buffer_fini(&gpu->staging);
	batch_buffer_fini(&gpu->ib);
	if (gpu->left)
		do_or_die(amdgpu_va_range_free(gpu->left));
	do_or_die(amdgpu_cs_ctx_free(gpu->ctx));
	do_or_die(amdgpu_device_deinitialize(gpu->dev));
}

/**
 * batch_query:
 * @gpu: device
 *
 * Reads limits and use anew into @gpu->info.
 */
void batch_query(struct batch_gpu *gpu)
{
	do_or_die(amdgpu_query_info(gpu->dev, AMDGPU_INFO_GEM_USERPTR_BATCH,
				    sizeof(gpu->info), &gpu->info));
}

/**
 * batch_used_bytes:
 * @gpu: device
 *
 * Returns: the bytes that the kernel accounts to all batches of the device.
 */
uint64_t batch_used_bytes(struct batch_gpu *gpu)
{
	batch_query(gpu);
	return gpu->info.used_bytes;
}

/**
 * batch_count_handles:
 * @fd: render node
 *
 * Returns: the number of GEM handles that are open in @fd.
 */
unsigned int batch_count_handles(int fd)
{
	struct drm_amdgpu_gem_list_handles list = {};

	/* without room for entries the kernel only says how many there are */
	igt_assert_f(!drmIoctl(fd, DRM_IOCTL_AMDGPU_GEM_LIST_HANDLES, &list) ||
		     errno == EAGAIN, "GEM_LIST_HANDLES: %s\n", strerror(errno));
	return list.num_entries;
}

/**
 * batch_counter:
 * @gpu: device
 * @name: word in the debugfs file, followed there by its value
 * @value: sum over all batches
 *
 * Returns: false if the kernel does not show this counter.
 */
bool batch_counter(struct batch_gpu *gpu, const char *name, uint64_t *value)
{
	size_t length = strlen(name);
	bool found = false;
	char line[1024];
	FILE *f;
	int fd;

	*value = 0;
	fd = igt_debugfs_open(gpu->fd, "amdgpu_userptr_batch", O_RDONLY);
	if (fd < 0)
		return false;
	f = fdopen(fd, "r");
	igt_assert(f);
	while (fgets(line, sizeof(line), f)) {
		char *at = line;

		while ((at = strstr(at, name))) {
			bool whole = at == line || at[-1] == ' ' || at[-1] == '\t';

			at += length;
			if (!whole || *at != ' ')
				continue;
			*value += strtoull(at, NULL, 0);
			found = true;
			break;
		}
	}
	fclose(f);
	return found;
}

/*
 * The BO
 */

/**
 * batch_args_init:
 * @args: to be filled
 * @pieces: scattered memory
 * @flags: AMDGPU_GEM_USERPTR_*
 */
void batch_args_init(struct drm_amdgpu_gem_userptr_batch *args,
		     const struct batch_pieces *pieces, uint32_t flags)
{
	memset(args, 0, sizeof(*args));
	args->ranges = (uintptr_t)pieces->ranges;
	args->num_ranges = pieces->layout.num_ranges;
	args->range_stride = sizeof(*pieces->ranges);
	args->flags = flags;
}

/**
 * __batch_ioctl:
 * @fd: render node
 * @args: argument of the ioctl
 *
 * Returns: 0 or a negative error number.
 */
int __batch_ioctl(int fd, struct drm_amdgpu_gem_userptr_batch *args)
{
	int r = drmIoctl(fd, DRM_IOCTL_AMDGPU_GEM_USERPTR_BATCH, args) ? -errno : 0;

	errno = 0;
	return r;
}

/**
 * __batch_create:
 * @fd: render node
 * @pieces: scattered memory
 * @flags: AMDGPU_GEM_USERPTR_*
 * @bo: result
 *
 * Returns: 0 or a negative error number.
 */
int __batch_create(int fd, const struct batch_pieces *pieces, uint32_t flags,
		   struct batch_bo *bo)
{
	struct drm_amdgpu_gem_userptr_batch args;
	int r;

	memset(bo, 0, sizeof(*bo));
	batch_args_init(&args, pieces, flags);
	r = __batch_ioctl(fd, &args);
	if (r)
		return r;
	bo->handle = args.handle;
	bo->size = args.size;
	return 0;
}

/**
 * batch_create:
 * @gpu: device
 * @pieces: scattered memory
 * @flags: AMDGPU_GEM_USERPTR_*
 * @bo: result, not mapped
 */
void batch_create(struct batch_gpu *gpu, const struct batch_pieces *pieces,
		  uint32_t flags, struct batch_bo *bo)
{
	igt_assert_eq(__batch_create(gpu->fd, pieces, flags, bo), 0);
	igt_assert_neq(bo->handle, 0);
	igt_assert_eq_u64(bo->size, pieces->size);
}

/**
 * __batch_va:
 * @fd: render node
 * @handle: GEM handle
 * @operation: AMDGPU_VA_OP_*
 * @va: GPU address
 * @offset: offset in the BO, in bytes
 * @size: bytes
 * @flags: AMDGPU_VM_PAGE_*
 *
 * Returns: 0 or a negative error number.
 */
int __batch_va(int fd, uint32_t handle, uint32_t operation, uint64_t va,
	       uint64_t offset, uint64_t size, uint32_t flags)
{
	struct drm_amdgpu_gem_va args = {
		.handle = handle,
		.operation = operation,
		.flags = flags,
		.va_address = va,
		.offset_in_bo = offset,
		.map_size = size,
	};
	int r = drmIoctl(fd, DRM_IOCTL_AMDGPU_GEM_VA, &args) ? -errno : 0;

	errno = 0;
	return r;
}

/**
 * batch_map:
 * @gpu: device
 * @bo: BO
 *
 * Maps all of @bo at a GPU address of its own, by one call.
 */
void batch_map(struct batch_gpu *gpu, struct batch_bo *bo)
{
	do_or_die(amdgpu_va_range_alloc(gpu->dev, amdgpu_gpu_va_range_general,
					bo->size, BATCH_HUGE, 0, &bo->va,
					&bo->va_handle, 0));
	igt_assert_eq(__batch_va(gpu->fd, bo->handle, AMDGPU_VA_OP_MAP, bo->va,
				 0, bo->size, AMDGPU_VM_PAGE_READABLE |
				 AMDGPU_VM_PAGE_WRITEABLE), 0);
}

/**
 * batch_unmap:
 * @gpu: device
 * @bo: BO
 */
void batch_unmap(struct batch_gpu *gpu, struct batch_bo *bo)
{
	igt_assert_eq(__batch_va(gpu->fd, bo->handle, AMDGPU_VA_OP_UNMAP, bo->va,
				 0, bo->size, 0), 0);
	do_or_die(amdgpu_va_range_free(bo->va_handle));
	bo->va = 0;
	bo->va_handle = NULL;
}

/**
 * batch_destroy:
 * @gpu: device
 * @bo: BO, mapped or not
 */
void batch_destroy(struct batch_gpu *gpu, struct batch_bo *bo)
{
	if (bo->va)
		batch_unmap(gpu, bo);
	do_or_die(drmCloseBufferHandle(gpu->fd, bo->handle));
	bo->handle = 0;
}

/*
 * Copies by the GPU
 */

static unsigned int emit_copy(uint32_t *ib, uint64_t dst, uint64_t src, uint32_t size)
{
	ib[0] = SDMA_PACKET(SDMA_OPCODE_COPY, SDMA_COPY_SUB_OPCODE_LINEAR, 0);
	ib[1] = size - 1;
	ib[2] = 0;
	ib[3] = (uint32_t)src;
	ib[4] = (uint32_t)(src >> 32);
	ib[5] = (uint32_t)dst;
	ib[6] = (uint32_t)(dst >> 32);
	return COPY_DWORDS;
}

/**
 * __batch_submit:
 * @gpu: device
 * @bo: batch BO that is part of the submission, or NULL
 * @dst: GPU address to write to
 * @src: GPU address to read from
 * @size: bytes, multiple of 4
 * @repeat: how often the GPU does the same copy
 * @fence: number of the submission
 *
 * Starts a copy. No other copy of @gpu may be in flight.
 *
 * Returns: 0 or a negative error number.
 */
int __batch_submit(struct batch_gpu *gpu, const struct batch_bo *bo, uint64_t dst,
		   uint64_t src, uint64_t size, unsigned int repeat,
		   uint64_t *fence)
{
	struct raw_job job;
	uint32_t *dwords = gpu->ib.cpu;
	unsigned int n = 0;

	while (repeat--) {
		uint64_t done, now;

		for (done = 0; done < size; done += now) {
			now = size - done < COPY_MAX ? size - done : COPY_MAX;
			igt_assert(n + COPY_DWORDS + IB_ALIGN_DWORDS <= IB_SIZE / 4);
			n += emit_copy(dwords + n, dst + done, src + done, now);
		}
	}
	while (n % IB_ALIGN_DWORDS)
		dwords[n++] = 0; /* NOP */

	raw_job_init(&job, gpu, bo, AMDGPU_HW_IP_DMA, n);
	return amdgpu_cs_submit_raw2(gpu->dev, gpu->ctx, 0, ARRAY_SIZE(job.chunks),
				     job.chunks, fence);
}

/**
 * __batch_wait:
 * @gpu: device
 * @fence: number of a submission
 *
 * Returns: 0 when it is done, -ETIME when it takes too long, or another
 * negative error number.
 */
int __batch_wait(struct batch_gpu *gpu, uint64_t fence)
{
	struct amdgpu_cs_fence status = {
		.context = gpu->ctx,
		.ip_type = AMDGPU_HW_IP_DMA,
		.fence = fence,
	};
	uint32_t expired = 0;
	int r;

	r = amdgpu_cs_query_fence_status(&status, FENCE_TIMEOUT_NS, 0, &expired);
	if (r)
		return r;
	return expired ? 0 : -ETIME;
}

/**
 * __batch_read:
 * @gpu: device
 * @bo: mapped BO
 *
 * Copies all of @bo to the staging buffer by the GPU, and waits for it. The
 * staging buffer holds no pattern before.
 *
 * Returns: 0 or a negative error number of the submission.
 */
int __batch_read(struct batch_gpu *gpu, const struct batch_bo *bo)
{
	uint64_t fence;
	int r;

	igt_assert(bo->size <= gpu->staging.size);
	memset(gpu->staging.cpu, 0xa5, bo->size);
	r = __batch_submit(gpu, bo, gpu->staging.va, bo->va, bo->size, 1, &fence);
	if (!r)
		igt_assert_eq(__batch_wait(gpu, fence), 0);
	return r;
}

/**
 * batch_read:
 * @gpu: device
 * @bo: mapped BO
 *
 * Copies all of @bo to the staging buffer by the GPU.
 */
void batch_read(struct batch_gpu *gpu, const struct batch_bo *bo)
{
	igt_assert_eq(__batch_read(gpu, bo), 0);
}

/**
 * batch_write:
 * @gpu: device
 * @bo: mapped BO
 *
 * Copies the staging buffer over all of @bo by the GPU.
 */
void batch_write(struct batch_gpu *gpu, const struct batch_bo *bo)
{
	uint64_t fence;

	igt_assert(bo->size <= gpu->staging.size);
	igt_assert_eq(__batch_submit(gpu, bo, bo->va, gpu->staging.va, bo->size,
				     1, &fence), 0);
	igt_assert_eq(__batch_wait(gpu, fence), 0);
}

/**
 * batch_read_check:
 * @gpu: device
 * @bo: mapped BO
 * @seed: which pattern
 *
 * Asserts what the GPU sees in @bo.
 */
void batch_read_check(struct batch_gpu *gpu, const struct batch_bo *bo, uint32_t seed)
{
	batch_read(gpu, bo);
	batch_check_words(gpu->staging.cpu, bo->size, 0, seed, "GPU");
}

/**
 * batch_write_check:
 * @gpu: device
 * @bo: mapped BO
 * @pieces: memory that it was made from
 * @seed: which pattern
 *
 * Has the GPU write a pattern to @bo and asserts that the CPU sees it.
 */
void batch_write_check(struct batch_gpu *gpu, const struct batch_bo *bo,
		       struct batch_pieces *pieces, uint32_t seed)
{
	batch_fill_words(gpu->staging.cpu, bo->size, 0, seed);
	batch_write(gpu, bo);
	batch_check(pieces, seed);
}
