// SPDX-License-Identifier: MIT

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "lib/amdgpu/amd_userptr_kinds.h"
#include "lib/amdgpu/amd_userptr_view.h"

/*
 * Life
 */

static void map(struct view *v, uint32_t handle, uint64_t offset, uint64_t size)
{
	igt_assert_eq(__batch_va(v->gpu->fd, handle, AMDGPU_VA_OP_MAP, v->va + offset, 0,
				 size, AMDGPU_VM_PAGE_READABLE | AMDGPU_VM_PAGE_WRITEABLE |
				 AMDGPU_VM_MTYPE_UC), 0);
}

/**
 * view_create:
 * @v: view without BOs
 *
 * Makes the BOs and maps them, and waits until the page tables are written.
 */
void view_create(struct view *v)
{
	struct batch_pieces *pieces = v->pieces;
	unsigned int i;

	if (v->batch) {
		struct batch_bo bo;

		batch_create(v->gpu, pieces, v->flags, &bo);
		v->handles[v->num_handles++] = bo.handle;
		map(v, bo.handle, 0, pieces->size);
		userq_settle(v->gpu);
		return;
	}

	for (i = 0; i < pieces->layout.num_ranges; i++) {
		struct drm_amdgpu_gem_userptr args = {
			.addr = pieces->ranges[i].addr,
			.size = pieces->ranges[i].size,
			.flags = v->flags,
		};

		do_ioctl(v->gpu->fd, DRM_IOCTL_AMDGPU_GEM_USERPTR, &args);
		v->handles[v->num_handles++] = args.handle;
		map(v, args.handle, pieces->offsets[i], args.size);
	}
	userq_settle(v->gpu);
}

/**
 * view_destroy:
 * @v: view with BOs
 *
 * Closes the BOs, which takes them out of the page tables. The memory stays.
 */
void view_destroy(struct view *v)
{
	while (v->num_handles)
		do_or_die(drmCloseBufferHandle(v->gpu->fd, v->handles[--v->num_handles]));
}

/**
 * view_init:
 * @v: to be initialized
 * @gpu: file
 * @layout: geometry of the memory
 * @batch: one BO of all ranges, else a BO for each
 * @flags: AMDGPU_GEM_USERPTR_* of the BOs
 * @seed: pattern in the memory
 *
 * Makes the memory and reserves a GPU address, but makes no BOs.
 */
void view_init(struct view *v, struct batch_gpu *gpu, const struct batch_layout *layout,
	       bool batch, uint32_t flags, uint32_t seed)
{
	unsigned int i;

	memset(v, 0, sizeof(*v));
	v->gpu = gpu;
	v->batch = batch;
	v->flags = flags;
	v->pieces = batch_pieces_alloc(layout);
	batch_fill(v->pieces, seed);
	v->handles = calloc(layout->num_ranges, sizeof(*v->handles));
	v->seeds = calloc(layout->num_ranges, sizeof(*v->seeds));
	igt_assert(v->handles && v->seeds);
	for (i = 0; i < layout->num_ranges; i++)
		v->seeds[i] = seed;
	do_or_die(amdgpu_va_range_alloc(gpu->dev, amdgpu_gpu_va_range_general,
					v->pieces->size, BATCH_HUGE, 0, &v->va,
					&v->va_handle, 0));
}

/**
 * view_fini:
 * @v: view, with or without BOs
 */
void view_fini(struct view *v)
{
	view_destroy(v);
	do_or_die(amdgpu_va_range_free(v->va_handle));
	batch_pieces_free(v->pieces);
	free(v->seeds);
	free(v->handles);
}

/*
 * What happens to it
 */

/* The CPU writes every step-th range. */
static void fill(struct view *v, unsigned int step, uint32_t seed)
{
	unsigned int i;

	for (i = 0; i < v->pieces->layout.num_ranges; i += step)
		batch_fill_range(v->pieces, i, seed);
}

static void dontneed_write(struct view *v, unsigned int step, uint32_t seed)
{
	unsigned int i;

	for (i = 0; i < v->pieces->layout.num_ranges; i += step)
		do_or_die(madvise(batch_range_ptr(v->pieces, i),
				  batch_range_size(v->pieces, i), MADV_DONTNEED));
	fill(v, step, seed);
}

static void remap(struct view *v, unsigned int step, uint32_t seed)
{
	unsigned int i;

	for (i = 0; i < v->pieces->layout.num_ranges; i += step) {
		do_or_die(munmap(batch_range_ptr(v->pieces, i),
				 batch_range_size(v->pieces, i)));
		batch_pieces_place(v->pieces, i);
	}
	fill(v, step, seed);
}

static void map_over(struct view *v, unsigned int step, uint32_t seed)
{
	unsigned int i;

	for (i = 0; i < v->pieces->layout.num_ranges; i += step)
		batch_pieces_place(v->pieces, i);
	fill(v, step, seed);
}

static void protect_write(struct view *v, unsigned int step, uint32_t seed)
{
	unsigned int i;

	for (i = 0; i < v->pieces->layout.num_ranges; i += step) {
		void *p = batch_range_ptr(v->pieces, i);
		uint64_t size = batch_range_size(v->pieces, i);

		do_or_die(mprotect(p, size, PROT_NONE));
		do_or_die(mprotect(p, size, PROT_READ | PROT_WRITE));
	}
	fill(v, step, seed);
}

/* What this process writes goes to new pages, the child keeps the old ones. */
static void fork_write(struct view *v, unsigned int step, uint32_t seed)
{
	int written[2];
	char c = 0;

	do_or_die(pipe(written));
	igt_fork(child, 1) {
		igt_assert_eq(read(written[0], &c, 1), 1);
		view_check_cpu(v);
	}
	fill(v, step, seed);
	igt_assert_eq(write(written[1], &c, 1), 1);
	igt_waitchildren();
	close(written[0]);
	close(written[1]);
}

static void swap_out(struct view *v, unsigned int step, uint32_t seed)
{
	unsigned int i;

	for (i = 0; i < v->pieces->layout.num_ranges; i += step)
		kinds_page_out(batch_range_ptr(v->pieces, i),
			       batch_range_size(v->pieces, i));
}

static void swap_out_write(struct view *v, unsigned int step, uint32_t seed)
{
	swap_out(v, step, seed);
	fill(v, step, seed);
}

const struct view_change view_changes[VIEW_CHANGES] = {
	{ "dontneed", dontneed_write },
	{ "remap", remap },
	{ "map-over", map_over },
	{ "protect", protect_write },
	{ "fork", fork_write, .all = true },
	{ "swap-out", swap_out, .keeps = true, .swap = true },
	{ "swap-out-write", swap_out_write, .swap = true },
};

/**
 * view_change:
 * @v: view
 * @change: what happens
 * @step: to which ranges: every so many, starting with the first
 * @seed: pattern that the CPU writes to them
 *
 * Skips the subtest if the system lacks what it needs.
 */
void view_change(struct view *v, const struct view_change *change, unsigned int step,
		 uint32_t seed)
{
	unsigned int i;

	igt_require_f(!change->swap || kinds_have_swap(), "no swap\n");
	change->apply(v, step, seed);
	for (i = 0; i < v->pieces->layout.num_ranges && !change->keeps; i += step)
		v->seeds[i] = seed;
}

/**
 * view_changed:
 * @v: view
 * @change: what happened
 * @step: to which ranges
 *
 * Returns: how many ranges that invalidates.
 */
unsigned int view_changed(const struct view *v, const struct view_change *change,
			  unsigned int step)
{
	unsigned int n = v->pieces->layout.num_ranges;

	return change->all ? n : (n + step - 1) / step;
}

/*
 * What the GPU sees and does
 */

/**
 * view_emit_read:
 * @v: view
 * @q: queue
 *
 * Lets the GPU copy all of the memory to the queue's staging buffer, which holds no
 * pattern before.
 */
void view_emit_read(struct view *v, struct userq *q)
{
	igt_assert(v->pieces->size <= q->staging.size);
	memset(q->staging.cpu, 0xa5, v->pieces->size);
	userq_emit_copy(q, q->staging.va, v->va, v->pieces->size);
}

/**
 * view_emit_write:
 * @v: view
 * @q: queue
 * @seed: which pattern
 *
 * Lets the GPU write a pattern to all of the memory.
 */
void view_emit_write(struct view *v, struct userq *q, uint32_t seed)
{
	unsigned int i;

	igt_assert(v->pieces->size <= q->staging.size);
	batch_fill_words(q->staging.cpu, v->pieces->size, 0, seed);
	userq_emit_copy(q, v->va, q->staging.va, v->pieces->size);
	for (i = 0; i < v->pieces->layout.num_ranges; i++)
		v->seeds[i] = seed;
}

/**
 * view_check_staging:
 * @v: view
 * @q: queue
 *
 * Asserts that what the queue has copied is what the memory should hold.
 */
void view_check_staging(struct view *v, struct userq *q)
{
	const uint8_t *seen = q->staging.cpu;
	char what[32];
	unsigned int i;

	for (i = 0; i < v->pieces->layout.num_ranges; i++) {
		snprintf(what, sizeof(what), "GPU (%s), range %u", userq_kinds[q->kind].name, i);
		batch_check_words(seen + v->pieces->offsets[i], batch_range_size(v->pieces, i),
				  v->pieces->offsets[i], v->seeds[i], what);
	}
}

/**
 * view_check_cpu:
 * @v: view
 *
 * Asserts that the CPU sees what the memory should hold.
 */
void view_check_cpu(struct view *v)
{
	unsigned int i;

	for (i = 0; i < v->pieces->layout.num_ranges; i++)
		batch_check_range(v->pieces, i, v->seeds[i]);
}

/**
 * view_read:
 * @v: view
 * @q: queue
 *
 * Asserts that the GPU sees what the memory should hold, and faults nowhere.
 */
void view_read(struct view *v, struct userq *q)
{
	view_emit_read(v, q);
	userq_submit(q);
	userq_wait(q);
	userq_assert_no_fault(v->gpu);
	view_check_staging(v, q);
}

/**
 * view_write:
 * @v: view
 * @q: queue
 * @seed: which pattern
 *
 * Lets the GPU write a pattern, and asserts that the CPU sees it.
 */
void view_write(struct view *v, struct userq *q, uint32_t seed)
{
	view_emit_write(v, q, seed);
	userq_submit(q);
	userq_wait(q);
	userq_assert_no_fault(v->gpu);
	view_check_cpu(v);
}
