// SPDX-License-Identifier: MIT

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "igt.h"
#include "lib/amdgpu/amd_userptr_batch_life.h"

/* Documentation/admin-guide/tainted-kernels.rst: bad page, died, warned, lockup */
#define TAINT_BAD (1ul << 5 | 1ul << 7 | 1ul << 9 | 1ul << 14)
/* The last reference of a file or of memory may go in a worker of the kernel. */
#define LEFT_TRIES 300
#define LEFT_SLEEP_US 100000

/**
 * batch_kernel_taint:
 *
 * Returns: those marks in /proc/sys/kernel/tainted that a test must not cause.
 */
unsigned long batch_kernel_taint(void)
{
	FILE *f = fopen("/proc/sys/kernel/tainted", "r");
	unsigned long taint = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%lu", &taint) != 1)
		taint = 0;
	fclose(f);
	return taint & TAINT_BAD;
}

/**
 * batch_count_listed:
 * @gpu: device
 *
 * Returns: how many batches debugfs lists for the device, -1 if it does not.
 */
int batch_count_listed(struct batch_gpu *gpu)
{
	char line[1024];
	int fd, n = 0;
	FILE *f;

	fd = igt_debugfs_open(gpu->fd, "amdgpu_userptr_batch", O_RDONLY);
	if (fd < 0)
		return -1;
	f = fdopen(fd, "r");
	igt_assert(f);
	while (fgets(line, sizeof(line), f))
		n += !strncmp(line, "batch ", strlen("batch "));
	fclose(f);
	return n;
}

/**
 * batch_left_begin:
 * @gpu: device
 * @left: what the device holds now
 */
void batch_left_begin(struct batch_gpu *gpu, struct batch_left *left)
{
	left->used = batch_used_bytes(gpu);
	left->listed = batch_count_listed(gpu);
	left->handles = batch_count_handles(gpu->fd);
	left->taint = batch_kernel_taint();
}

/**
 * batch_left_check:
 * @gpu: device
 * @left: what it held before
 *
 * Asserts that it holds the same now, or very soon, and that the kernel has
 * nothing to complain about.
 */
void batch_left_check(struct batch_gpu *gpu, const struct batch_left *left)
{
	int tries;

	for (tries = 0; tries < LEFT_TRIES; tries++) {
		if (batch_used_bytes(gpu) == left->used &&
		    batch_count_listed(gpu) == left->listed)
			break;
		usleep(LEFT_SLEEP_US);
	}
	igt_assert_eq_u64(batch_used_bytes(gpu), left->used);
	igt_assert_eq(batch_count_listed(gpu), left->listed);
	igt_assert_eq(batch_count_handles(gpu->fd), left->handles);
	igt_assert_f(batch_kernel_taint() == left->taint,
		     "the kernel is tainted, see its log\n");
}

/**
 * batch_running:
 * @gpu: device
 * @fence: number of a submission
 *
 * Returns: whether the GPU has not yet done it.
 */
bool batch_running(struct batch_gpu *gpu, uint64_t fence)
{
	struct amdgpu_cs_fence status = {
		.context = gpu->ctx,
		.ip_type = AMDGPU_HW_IP_DMA,
		.fence = fence,
	};
	uint32_t expired = 0;

	do_or_die(amdgpu_cs_query_fence_status(&status, 0, 0, &expired));
	return !expired;
}

/**
 * batch_owner_init:
 * @o: to be initialized
 * @fd: any file of the device
 * @layout: geometry of the memory
 * @seed: pattern in the memory
 *
 * Opens the device once more and makes a mapped BO that the GPU has read.
 */
void batch_owner_init(struct batch_owner *o, int fd, const struct batch_layout *layout,
		      uint32_t seed)
{
	memset(o, 0, sizeof(*o));
	o->pieces = batch_pieces_alloc(layout);
	batch_fill(o->pieces, seed);
	o->fd = drm_reopen_driver(fd);
	batch_gpu_init(&o->gpu, o->fd, o->pieces->size);
	batch_create(&o->gpu, o->pieces, BATCH_RW, &o->bo);
	batch_map(&o->gpu, &o->bo);
	batch_read_check(&o->gpu, &o->bo, seed);
}

/**
 * batch_owner_start:
 * @o: owner
 * @gpu_writes: copy from the staging buffer to the BO, else from the BO to it
 * @seed: pattern that is written
 * @repeat: how often the GPU does the same
 *
 * Starts a job and does not wait for it.
 */
void batch_owner_start(struct batch_owner *o, bool gpu_writes, uint32_t seed,
		       unsigned int repeat)
{
	uint64_t staging = o->gpu.staging.va;

	if (gpu_writes)
		batch_fill_words(o->gpu.staging.cpu, o->bo.size, 0, seed);
	igt_assert_eq(__batch_submit(&o->gpu, &o->bo, gpu_writes ? o->bo.va : staging,
				     gpu_writes ? staging : o->bo.va, o->bo.size,
				     repeat, &o->fence), 0);
}

/**
 * batch_owner_release:
 * @o: owner
 *
 * Closes the file with all that is in it, whatever the GPU does.
 */
void batch_owner_release(struct batch_owner *o)
{
	if (o->bo.va_handle)
		do_or_die(amdgpu_va_range_free(o->bo.va_handle));
	batch_gpu_fini(&o->gpu);
	drm_close_driver(o->fd);
	memset(&o->bo, 0, sizeof(o->bo));
	o->fd = -1;
}

/**
 * batch_owner_fini:
 * @o: owner
 *
 * Destroys the BO, closes the file and frees the memory.
 */
void batch_owner_fini(struct batch_owner *o)
{
	if (o->bo.handle)
		batch_destroy(&o->gpu, &o->bo);
	batch_owner_release(o);
	batch_pieces_free(o->pieces);
}
