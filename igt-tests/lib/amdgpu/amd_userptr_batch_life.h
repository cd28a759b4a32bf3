/* SPDX-License-Identifier: MIT */
/*
 * How batch userptr BOs end: what a test must find as it was before, jobs that
 * are still in flight, and a batch with all that belongs to it in one place.
 */
#ifndef AMD_USERPTR_BATCH_LIFE_H
#define AMD_USERPTR_BATCH_LIFE_H

#include "lib/amdgpu/amd_userptr_batch.h"

/**
 * struct batch_left - what must be as before when a test is over
 * @used: bytes of all batches of the device, as the query tells them
 * @listed: batches that debugfs lists; -1 without debugfs
 * @handles: GEM handles of the file
 * @taint: marks of the kernel that something went wrong
 */
struct batch_left {
	uint64_t used;
	int listed;
	unsigned int handles;
	unsigned long taint;
};

/**
 * struct batch_owner - a file of its own with a batch in it
 * @fd: file
 * @gpu: device on @fd
 * @pieces: memory, or NULL
 * @bo: BO made of @pieces; no handle when it is closed
 * @fence: last job that batch_owner_start() has started
 */
struct batch_owner {
	int fd;
	struct batch_gpu gpu;
	struct batch_pieces *pieces;
	struct batch_bo bo;
	uint64_t fence;
};

/* nothing left behind */
void batch_left_begin(struct batch_gpu *gpu, struct batch_left *left);
void batch_left_check(struct batch_gpu *gpu, const struct batch_left *left);
int batch_count_listed(struct batch_gpu *gpu);
unsigned long batch_kernel_taint(void);

/* jobs in flight */
bool batch_running(struct batch_gpu *gpu, uint64_t fence);

/* a batch in a file of its own */
void batch_owner_init(struct batch_owner *o, int fd, const struct batch_layout *layout,
		      uint32_t seed);
void batch_owner_start(struct batch_owner *o, bool gpu_writes, uint32_t seed,
		       unsigned int repeat);
void batch_owner_release(struct batch_owner *o);
void batch_owner_fini(struct batch_owner *o);

#endif
