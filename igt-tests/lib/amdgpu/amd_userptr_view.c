// SPDX-License-Identifier: MIT

#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "igt.h"
#include "lib/amdgpu/amd_userptr_batch_debug.h"
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

/* One call for all of the memory, and the gaps. */
static void dontneed_span(struct view *v, unsigned int step, uint32_t seed)
{
	do_or_die(madvise(v->pieces->base, v->pieces->span, MADV_DONTNEED));
	fill(v, 1, seed);
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

/* Each call evicts the queues, which takes a debugging kernel a second. */
static unsigned int swap_step(unsigned int step)
{
	return step > 1 && batch_kernel_is_slow() ? step * 8 : step;
}

/* With queues that are restored the pages are soon back. */
static void swap_out(struct view *v, unsigned int step, uint32_t seed)
{
	unsigned int i, every = swap_step(step);

	/* all in one call: the queues may be restored between two */
	if (step == 1) {
		kinds_page_out_once(v->pieces->base, v->pieces->span);
		return;
	}
	for (i = 0; i < v->pieces->layout.num_ranges; i += every)
		kinds_page_out_once(batch_range_ptr(v->pieces, i),
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
	{ "span", dontneed_span, .all = true, .writes_all = true },
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
	if (change->writes_all)
		step = 1;
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

	if (change->swap)
		step = swap_step(step);
	return change->all ? n : (n + step - 1) / step;
}

static void *take(void *data)
{
	struct view_taker *t = data;

	__atomic_store_n(&t->tid, (int)syscall(SYS_gettid), __ATOMIC_RELEASE);
	view_change(t->v, t->change, 1, t->seed);
	__atomic_store_n(&t->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

/**
 * view_taker_start:
 * @t: to be started
 * @v: view, whose seeds belong to the thread until it is joined
 * @change: what happens, to all ranges; must need nothing of the system
 * @seed: pattern that the thread writes
 */
void view_taker_start(struct view_taker *t, struct view *v,
		      const struct view_change *change, uint32_t seed)
{
	*t = (struct view_taker) { .v = v, .change = change, .seed = seed };
	igt_assert_eq(pthread_create(&t->thread, NULL, take, t), 0);
}

/**
 * view_taker_blocks:
 * @t: thread
 *
 * Returns when the thread waits in the kernel in a way that no signal ends, which it
 * has to do before it is over.
 */
void view_taker_blocks(struct view_taker *t)
{
	char path[64], state = 0;
	int tries, tid;

	for (tries = 0; tries < 3000 && state != 'D'; tries++) {
		FILE *f;

		usleep(10000);
		igt_assert_f(!__atomic_load_n(&t->done, __ATOMIC_ACQUIRE),
			     "the memory went while the GPU used it\n");
		tid = __atomic_load_n(&t->tid, __ATOMIC_ACQUIRE);
		if (!tid)
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
		f = fopen(path, "r");
		if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
			state = 0;
		if (f)
			fclose(f);
	}
	igt_assert_f(state == 'D', "the thread is in state '%c'\n", state ? state : '?');
}

/**
 * view_taker_join:
 * @t: thread
 */
void view_taker_join(struct view_taker *t)
{
	igt_assert_eq(pthread_join(t->thread, NULL), 0);
}

/*
 * What the GPU sees and does
 */

/* Each byte of the staging buffer before a copy to it; no part of a pattern */
#define UNREAD 0xa5

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
	memset(q->staging.cpu, UNREAD, v->pieces->size);
	userq_emit_copy(q, q->staging.va, v->va, v->pieces->size);
}

/**
 * view_assert_unread:
 * @v: view
 * @q: queue
 *
 * Asserts that nothing of what view_emit_read() lets the queue copy has arrived.
 */
void view_assert_unread(const struct view *v, const struct userq *q)
{
	const uint8_t *p = q->staging.cpu;
	uint64_t i;

	for (i = 0; i < v->pieces->size; i++)
		igt_assert_f(p[i] == UNREAD, "the queue runs while memory is missing\n");
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

/*
 * Memory that is taken away while the GPU works. Each word says in which round of the
 * storm it was written.
 */

/* The least time between two changes of a storm, in microseconds */
#define STORM_PAUSE 20000
#define STORM_STEP 2
#define STORM_JOBS 3

/* A thread that takes every STORM_STEP-th range away all the time; the others are let alone. */
struct storm {
	struct view *v;
	const struct view_change *change;
	unsigned int pause;	/* microseconds */
	pthread_t thread;
	int stop;
	uint32_t begun;		/* seed that the thread is writing or has written */
	uint32_t ended;		/* seed that the thread has written everywhere */
};

static void *storm(void *data)
{
	struct storm *t = data;
	uint32_t seed = t->ended;

	while (!__atomic_load_n(&t->stop, __ATOMIC_ACQUIRE)) {
		__atomic_store_n(&t->begun, ++seed, __ATOMIC_RELEASE);
		view_change(t->v, t->change, STORM_STEP, seed);
		__atomic_store_n(&t->ended, seed, __ATOMIC_RELEASE);
		/*
		 * Nothing holds up who takes his own memory away without a pause,
		 * and then the queues never get all of it at the same time.
		 */
		usleep(t->pause);
	}
	return NULL;
}

/* Each word is zero, as new memory is, or has the pattern of one of these seeds. */
static void check_one_of(const uint32_t *w, uint64_t size, uint64_t offset, uint32_t first,
			 uint32_t end)
{
	uint32_t want[BATCH_PAGE / 4], seed;
	uint64_t at, i;
	bool bad = false;

	/* a page at a time; mostly there are few seeds, and one of them fits all of it */
	for (at = 0; at < size; at += BATCH_PAGE) {
		uint8_t fits[BATCH_PAGE / 4] = {};

		for (i = 0; i < BATCH_PAGE / 4; i++)
			fits[i] = !w[at / 4 + i];
		for (seed = first; seed <= end; seed++) {
			batch_fill_words(want, BATCH_PAGE, offset + at, seed);
			for (i = 0; i < BATCH_PAGE / 4; i++)
				fits[i] |= w[at / 4 + i] == want[i];
			if (!memchr(fits, 0, sizeof(fits)))
				break;
		}
		for (i = 0; i < BATCH_PAGE / 4; i++)
			bad |= !fits[i];
		igt_assert_f(!bad, "GPU, BO offset %#llx: memory of before round %u, up to %u\n",
			     (unsigned long long)(offset + at), first, end);
	}
}

/*
 * The GPU sees what the memory held at some time during the copy, nothing of before it,
 * and the queue gets on.
 */
static void storm_read(struct storm *t, struct userq *q)
{
	const uint8_t *seen = q->staging.cpu;
	struct view *v = t->v;
	uint32_t first, end;
	unsigned int i;

	first = __atomic_load_n(&t->ended, __ATOMIC_ACQUIRE);
	view_emit_read(v, q);
	userq_submit(q);
	userq_wait(q);
	end = __atomic_load_n(&t->begun, __ATOMIC_ACQUIRE);
	userq_assert_no_fault(v->gpu);

	for (i = 0; i < v->pieces->layout.num_ranges; i++) {
		const void *p = seen + v->pieces->offsets[i];

		if (i % STORM_STEP)
			batch_check_words(p, batch_range_size(v->pieces, i),
					  v->pieces->offsets[i], v->seeds[i], "GPU, at rest");
		else
			check_one_of(p, batch_range_size(v->pieces, i), v->pieces->offsets[i],
				     first, end);
	}
}

/**
 * scene_init:
 * @s: to be initialized
 * @fd: any file of the device
 * @layout: geometry of the memory
 * @batch: one BO of all ranges, else a BO for each
 * @flags: AMDGPU_GEM_USERPTR_* of the BOs
 * @kind: which engine
 *
 * Opens the device once more, makes a queue, then BOs, and lets the queue read them.
 */
void scene_init(struct scene *s, int fd, const struct batch_layout *layout, bool batch,
		uint32_t flags, enum userq_kind kind)
{
	userq_file_init(&s->gpu, fd);
	userq_require(&s->gpu, kind);
	view_init(&s->v, &s->gpu, layout, batch, flags, SCENE_SEED);
	userq_init(&s->q, &s->gpu, kind, s->v.pieces->size);
	/* the queue first: a BO that comes later must become part of what is evicted */
	view_create(&s->v);
	view_read(&s->v, &s->q);
}

/**
 * scene_fini:
 * @s: scene
 *
 * Closes all of it, after no engine has met an address that it could not use.
 */
void scene_fini(struct scene *s)
{
	userq_assert_no_fault(&s->gpu);
	userq_fini(&s->q);
	view_fini(&s->v);
	userq_file_fini(&s->gpu);
}

/**
 * scene_storm:
 * @s: scene, as scene_init() has left it
 * @change: how memory is taken away; must need nothing of the system
 *
 * A thread takes every second range away all the time while the queue reads. Asserts that
 * each read sees what the memory held meanwhile, and afterwards that all is as it should be.
 */
void scene_storm(struct scene *s, const struct view_change *change)
{
	struct storm t = {
		.v = &s->v,
		.change = change,
		.pause = STORM_PAUSE,
		.begun = SCENE_SEED + 1,
		.ended = SCENE_SEED + 1,
	};
	struct timespec begin, end;
	unsigned int i, us;

	/* as long as a restore takes, which is many times as long on a debug kernel */
	view_change(&s->v, change, STORM_STEP, t.ended);
	do_or_die(clock_gettime(CLOCK_MONOTONIC, &begin));
	view_read(&s->v, &s->q);
	do_or_die(clock_gettime(CLOCK_MONOTONIC, &end));
	us = (end.tv_sec - begin.tv_sec) * 1000000 + (end.tv_nsec - begin.tv_nsec) / 1000;
	if (us > t.pause)
		t.pause = us;

	igt_assert_eq(pthread_create(&t.thread, NULL, storm, &t), 0);
	for (i = 0; i < STORM_JOBS; i++)
		storm_read(&t, &s->q);
	__atomic_store_n(&t.stop, 1, __ATOMIC_RELEASE);
	igt_assert_eq(pthread_join(t.thread, NULL), 0);
	igt_info("%u rounds, %u ms between two\n", t.ended - SCENE_SEED - 1, t.pause / 1000);
	view_read(&s->v, &s->q);
	view_write(&s->v, &s->q, t.ended + 1);
}
