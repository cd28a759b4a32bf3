/* SPDX-License-Identifier: MIT */
/*
 * Scattered memory at one GPU address, as one batch userptr BO or as one plain
 * userptr BO for each range, for work of user queues; and what can happen to it.
 */
#ifndef AMD_USERPTR_VIEW_H
#define AMD_USERPTR_VIEW_H

#include <pthread.h>

#include "lib/amdgpu/amd_userptr_queue.h"

/**
 * struct view - memory at one GPU address
 * @gpu: file that it is in
 * @pieces: the memory
 * @batch: one BO of all ranges, else a BO for each
 * @flags: AMDGPU_GEM_USERPTR_* of the BOs
 * @handles: GEM handles
 * @num_handles: number of @handles; 0 while there are no BOs
 * @va: GPU address of all ranges, in BO order
 * @va_handle: reservation of @va
 * @seeds: pattern that each range should hold
 */
struct view {
	struct batch_gpu *gpu;
	struct batch_pieces *pieces;
	bool batch;
	uint32_t flags;
	uint32_t *handles;
	unsigned int num_handles;
	uint64_t va;
	amdgpu_va_handle va_handle;
	uint32_t *seeds;
};

/**
 * struct view_change - something that happens to memory
 * @name: for subtests
 * @apply: lets it happen to every @step-th range, starting with the first; those then
 *	hold the pattern of a new seed, if the event does not keep the contents
 * @keeps: the contents are the same afterwards
 * @swap: needs swap
 * @all: invalidates all ranges, whatever was asked for
 * @writes_all: writes all ranges, whatever was asked for
 */
struct view_change {
	const char *name;
	void (*apply)(struct view *v, unsigned int step, uint32_t seed);
	bool keeps;
	bool swap;
	bool all;
	bool writes_all;
};

/**
 * struct view_taker - a thread that lets something happen to memory once
 * @v: view
 * @change: what happens, to all ranges
 * @seed: pattern that the thread writes
 * @thread: the thread
 * @tid: its number, once it runs
 * @done: it is over
 */
struct view_taker {
	struct view *v;
	const struct view_change *change;
	uint32_t seed;
	pthread_t thread;
	int tid;
	int done;
};

#define VIEW_CHANGES 8
extern const struct view_change view_changes[VIEW_CHANGES];
/* the first of them, for tests that want just any */
#define VIEW_DONTNEED (&view_changes[0])
#define VIEW_REMAP (&view_changes[1])
#define VIEW_MAP_OVER (&view_changes[2])
#define VIEW_SPAN (&view_changes[3])

/**
 * struct scene - a file with memory at one GPU address and one queue
 * @gpu: the file
 * @q: the queue
 * @v: the memory, which holds the pattern of SCENE_SEED at first
 */
struct scene {
	struct batch_gpu gpu;
	struct userq q;
	struct view v;
};

#define SCENE_SEED 1

void scene_init(struct scene *s, int fd, const struct batch_layout *layout, bool batch,
		uint32_t flags, enum userq_kind kind);
void scene_fini(struct scene *s);
void scene_storm(struct scene *s, const struct view_change *change);

/* life */
void view_init(struct view *v, struct batch_gpu *gpu, const struct batch_layout *layout,
	       bool batch, uint32_t flags, uint32_t seed);
void view_fini(struct view *v);
void view_create(struct view *v);
void view_destroy(struct view *v);

/* what happens to it */
void view_change(struct view *v, const struct view_change *change, unsigned int step,
		 uint32_t seed);
unsigned int view_changed(const struct view *v, const struct view_change *change,
			  unsigned int step);

void view_taker_start(struct view_taker *t, struct view *v,
		      const struct view_change *change, uint32_t seed);
void view_taker_blocks(struct view_taker *t);
void view_taker_join(struct view_taker *t);

/* what the GPU sees and does */
void view_emit_read(struct view *v, struct userq *q);
void view_emit_write(struct view *v, struct userq *q, uint32_t seed);
void view_assert_unread(const struct view *v, const struct userq *q);
void view_check_staging(struct view *v, struct userq *q);
void view_check_cpu(struct view *v);
void view_read(struct view *v, struct userq *q);
void view_write(struct view *v, struct userq *q, uint32_t seed);

#endif
