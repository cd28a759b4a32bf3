// SPDX-License-Identifier: MIT

/**
 * TEST: userptr evict
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: Memory management tests
 * Functionality: userptr
 * Description: All BOs lose their places in VRAM or GTT, as some do when it is full
 */

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "igt.h"
#include "lib/amdgpu/amd_engine_control.h"
#include "lib/amdgpu/amd_userptr_batch_life.h"
#include "lib/amdgpu/amd_userptr_view.h"

IGT_TEST_DESCRIPTION("User memory is what it was when the GPU's memory manager has evicted "
		     "everything");

/* seeds of the patterns; every next step of a subtest has the next seed */
enum { OLD = SCENE_SEED, NEXT };

/* the driver takes whichever of its SDMA rings it likes */
#define ENGINE "sdma.kernel"
#define HANG_SECONDS 120

static const struct batch_layout layout = { 64, 2, 1, 1, BATCH_ANON, BATCH_SHUFFLED };
static const struct batch_layout one_page = { 1, 1, 0, 1, BATCH_ANON, BATCH_ASCENDING };

/* Evicts every BO of the device from @memory that is not pinned there. */
static void evict(int fd, const char *memory)
{
	char name[32], result[32] = "";
	int file;

	snprintf(name, sizeof(name), "amdgpu_evict_%s", memory);
	file = igt_debugfs_open(fd, name, O_RDONLY);
	igt_require_f(file >= 0, "no %s in debugfs\n", name);
	igt_assert(read(file, result, sizeof(result) - 1) > 0);
	close(file);
	igt_assert_eq(atoi(result), 0);
}

/**
 * SUBTEST: ring-%s
 * Description: GTT is evicted while a batch is %arg[1]; jobs see its memory afterwards, and
 *	only what the CPU changed is faulted and written to the page tables again.
 *
 * arg[1]:
 *
 * @idle:			not used
 * @vram:			not used, and VRAM with the page tables goes, too
 * @changed-before:		not used, after half of its memory has changed
 * @changed-after:		not used, before half of its memory changes
 * @unmapped:			not used, and mapped again before the next job
 * @busy:			read by a job in flight
 * @closed:			not used, and closed before the next job
 */

/* Every second range is new memory. */
static unsigned int change(struct batch_owner *o)
{
	unsigned int i, n = 0;

	for (i = 0; i < layout.num_ranges; i += 2, n++) {
		do_or_die(madvise(batch_range_ptr(o->pieces, i), batch_range_size(o->pieces, i),
				  MADV_DONTNEED));
		batch_fill_range(o->pieces, i, NEXT);
	}
	return n;
}

static unsigned int ring_idle(struct batch_owner *o)
{
	evict(o->fd, "gtt");
	return 0;
}

static unsigned int ring_vram(struct batch_owner *o)
{
	evict(o->fd, "vram");
	evict(o->fd, "gtt");
	return 0;
}

static unsigned int ring_changed_before(struct batch_owner *o)
{
	unsigned int n = change(o);

	evict(o->fd, "gtt");
	return n;
}

static unsigned int ring_changed_after(struct batch_owner *o)
{
	evict(o->fd, "gtt");
	return change(o);
}

static unsigned int ring_unmapped(struct batch_owner *o)
{
	evict(o->fd, "gtt");
	batch_unmap(&o->gpu, &o->bo);
	batch_map(&o->gpu, &o->bo);
	return 0;
}

struct evictor {
	int fd;
	int tid;
};

static void *evict_gtt(void *data)
{
	struct evictor *e = data;

	__atomic_store_n(&e->tid, (int)syscall(SYS_gettid), __ATOMIC_RELEASE);
	evict(e->fd, "gtt");
	return NULL;
}

static unsigned int ring_busy(struct batch_owner *o)
{
	struct evictor evictor = { .fd = o->fd };
	pthread_t thread;
	int tid;

	amd_engine_require(ENGINE);
	amd_task_require();
	igt_set_timeout(HANG_SECONDS, "an eviction while a job is in flight");
	amd_engine_hold(ENGINE);
	batch_owner_start(o, false, OLD, 1);
	amd_engine_wait_held(ENGINE);
	igt_assert_eq(pthread_create(&thread, NULL, evict_gtt, &evictor), 0);
	do {
		usleep(1000);
		tid = __atomic_load_n(&evictor.tid, __ATOMIC_ACQUIRE);
	} while (!tid || !amd_task_blocked(tid, "dma_fence_"));
	igt_assert(batch_running(&o->gpu, o->fence));
	amd_engine_release(ENGINE);
	igt_assert_eq(pthread_join(thread, NULL), 0);
	igt_reset_timeout();
	igt_assert_eq(__batch_wait(&o->gpu, o->fence), 0);
	batch_check_words(o->gpu.staging.cpu, o->bo.size, 0, OLD, "GPU");
	return 0;
}

static unsigned int ring_closed(struct batch_owner *o)
{
	evict(o->fd, "gtt");
	batch_destroy(&o->gpu, &o->bo);
	/* another one in its place, so that there is something to look at */
	batch_create(&o->gpu, o->pieces, BATCH_RW, &o->bo);
	batch_map(&o->gpu, &o->bo);
	return layout.num_ranges;
}

static const struct ring {
	const char *name;
	unsigned int (*apply)(struct batch_owner *o);	/* returns how many ranges changed */
} ring_rows[] = {
	{ "idle", ring_idle },
	{ "vram", ring_vram },
	{ "changed-before", ring_changed_before },
	{ "changed-after", ring_changed_after },
	{ "unmapped", ring_unmapped },
	{ "busy", ring_busy },
	{ "closed", ring_closed },
};

static uint64_t faults(struct batch_owner *o)
{
	uint64_t value;

	igt_require_f(batch_counter(&o->gpu, "faults", &value), "no counters in debugfs\n");
	return value;
}

static void ring(struct batch_gpu *test, const struct ring *row)
{
	bool fresh = row->apply == ring_closed;
	struct batch_left left;
	struct batch_owner o;
	unsigned int i, n;
	uint64_t before;

	batch_left_begin(test, &left);
	batch_owner_init(&o, test->fd, &layout, OLD);
	before = fresh ? 0 : faults(&o);
	n = row->apply(&o);
	batch_read(&o.gpu, &o.bo);
	for (i = 0; i < layout.num_ranges; i++) {
		bool changed = !fresh && n && !(i % 2);

		batch_check_words((uint8_t *)o.gpu.staging.cpu + o.pieces->offsets[i],
				  batch_range_size(o.pieces, i), o.pieces->offsets[i],
				  changed ? NEXT : OLD, "GPU");
	}
	igt_assert_eq_u64(faults(&o) - before, n);
	batch_write_check(&o.gpu, &o.bo, o.pieces, NEXT + 1);
	batch_owner_fini(&o);
	batch_left_check(test, &left);
}

/**
 * SUBTEST: queue-%s-%s-%s
 * Description: VRAM and GTT are evicted while a %arg[3] queue, which sees user memory as
 *	%arg[1], is off the hardware %arg[2]; it goes on and sees what it should.
 *
 * arg[1]:
 *
 * @userptrs:			userptr BOs
 * @batch:			a batch
 *
 * arg[2]:
 *
 * @idle:			with nothing to do
 * @changed-before:		with nothing to do, after memory has changed
 * @changed-after:		with nothing to do, before memory changes
 * @unmapped:			with nothing to do, and the memory is not mapped meanwhile
 * @busy:			in the middle of its work
 *
 * arg[3]:
 *
 * @gfx:			graphics
 * @compute:			compute
 * @sdma:			SDMA
 */

/**
 * SUBTEST: queue-tables-%s-%s
 * Description: VRAM, with the page tables, is evicted while a %arg[2] queue is %arg[1]. The
 *	page tables come back to another place, and the queue finds them there.
 *
 * arg[1]:
 *
 * @running:			running
 * @waiting:			off the hardware, as memory of a batch has never been there
 *
 * arg[2]:
 *
 * @gfx:			graphics
 * @compute:			compute
 * @sdma:			SDMA
 */

/*
 * Queues are restored at once, and with all BOs of their VM: who evicts everything begins
 * again with what has come back, and may have to do so many times. While memory is
 * missing nothing is restored.
 */
static void evict_at_rest(struct scene *s, struct view *missing, const char *memory)
{
	do_or_die(munmap(batch_range_ptr(missing->pieces, 0),
			 batch_range_size(missing->pieces, 0)));
	evict(s->gpu.fd, memory);
	batch_pieces_place(missing->pieces, 0);
}

static void queue_idle(struct scene *s, struct view *missing, const char *memory, uint32_t seed)
{
	evict_at_rest(s, missing, memory);
}

static void queue_changed_before(struct scene *s, struct view *missing, const char *memory,
				 uint32_t seed)
{
	view_change(&s->v, VIEW_REMAP, 3, seed);
	evict_at_rest(s, missing, memory);
}

static void queue_changed_after(struct scene *s, struct view *missing, const char *memory,
				uint32_t seed)
{
	evict_at_rest(s, missing, memory);
	view_change(&s->v, VIEW_REMAP, 3, seed);
}

static void map_all(struct view *v, uint32_t operation)
{
	unsigned int i;

	for (i = 0; i < v->num_handles; i++) {
		uint64_t offset = v->batch ? 0 : v->pieces->offsets[i];
		uint64_t size = v->batch ? v->pieces->size : batch_range_size(v->pieces, i);

		igt_assert_eq(__batch_va(v->gpu->fd, v->handles[i], operation, v->va + offset, 0,
					 size, AMDGPU_VM_PAGE_READABLE | AMDGPU_VM_PAGE_WRITEABLE |
					 AMDGPU_VM_MTYPE_UC), 0);
	}
}

static void queue_unmapped(struct scene *s, struct view *missing, const char *memory,
			   uint32_t seed)
{
	map_all(&s->v, AMDGPU_VA_OP_UNMAP);
	evict_at_rest(s, missing, memory);
	map_all(&s->v, AMDGPU_VA_OP_MAP);
	userq_settle(&s->gpu);
}

static void queue_busy(struct scene *s, struct view *missing, const char *memory, uint32_t seed)
{
	userq_emit_gate(&s->q);
	view_emit_read(&s->v, &s->q);
	userq_ring_bell(&s->q);
	evict_at_rest(s, missing, memory);
	userq_open_gates(&s->q);
	/* a fence for what is in the ring already */
	userq_submit(&s->q);
	userq_wait(&s->q);
	userq_assert_no_fault(&s->gpu);
	view_check_staging(&s->v, &s->q);
}

static const struct queue_row {
	const char *name;
	void (*run)(struct scene *s, struct view *missing, const char *memory, uint32_t seed);
} queue_rows[] = {
	{ "idle", queue_idle },
	{ "changed-before", queue_changed_before },
	{ "changed-after", queue_changed_after },
	{ "unmapped", queue_unmapped },
	{ "busy", queue_busy },
};

static void queue(int fd, const struct queue_row *row, bool batch, enum userq_kind kind)
{
	/* page tables are in VRAM, all else is in GTT */
	static const char * const memory[] = { "gtt", "vram", "gtt" };
	struct view missing;
	uint32_t seed = NEXT;
	struct scene s;
	unsigned int i;

	scene_init(&s, fd, &layout, batch, BATCH_RW, kind);
	view_init(&missing, &s.gpu, &one_page, batch, BATCH_RW, OLD);
	view_create(&missing);
	for (i = 0; i < ARRAY_SIZE(memory); i++, seed += 2) {
		row->run(&s, &missing, memory[i], seed);
		view_read(&s.v, &s.q);
		view_write(&s.v, &s.q, seed + 1);
	}
	view_fini(&missing);
	scene_fini(&s);
}

/*
 * The page tables of files that are opened between the root PD and the other page tables
 * of the queue's file have the places that the latter would have had, and get when they come
 * back. The root PD comes back to where it was, since nobody else had a place in VRAM: a
 * queue whose root PD has moved may get another VMID, whose translations are fresh.
 */
#define PLUGS 8

static void tables(int fd, bool waiting, enum userq_kind kind)
{
	struct batch_pieces *missing = NULL;
	struct batch_bo bo = {};
	int plugs[PLUGS];
	struct scene s;
	unsigned int i;

	evict(fd, "vram");
	userq_file_init(&s.gpu, fd);
	userq_require(&s.gpu, kind);
	for (i = 0; i < PLUGS; i++)
		plugs[i] = drm_reopen_driver(fd);
	view_init(&s.v, &s.gpu, &layout, true, BATCH_RW, OLD);
	userq_init(&s.q, &s.gpu, kind, s.v.pieces->size);
	view_create(&s.v);
	/* the other half has to be looked up afterwards, below page tables that are known */
	userq_copy(&s.q, s.q.staging.va, s.v.va, s.v.pieces->size / 2);
	for (i = 0; i < PLUGS; i++)
		drm_close_driver(plugs[i]);

	/* nothing may flush the TLB: no mapping is taken away, and this one was never there */
	if (waiting) {
		missing = batch_pieces_alloc(&one_page);
		do_or_die(munmap(batch_range_ptr(missing, 0), batch_range_size(missing, 0)));
		batch_create(&s.gpu, missing, AMDGPU_GEM_USERPTR_REGISTER, &bo);
		batch_map(&s.gpu, &bo);
	}
	evict(s.gpu.fd, "vram");
	if (waiting)
		batch_pieces_place(missing, 0);
	view_read(&s.v, &s.q);
	view_write(&s.v, &s.q, NEXT);
	if (waiting) {
		batch_destroy(&s.gpu, &bo);
		batch_pieces_free(missing);
	}
	scene_fini(&s);
}

int igt_main()
{
	struct batch_gpu gpu;
	unsigned int i, k;
	int fd = -1;

	igt_fixture() {
		fd = drm_open_driver_render(DRIVER_AMDGPU);
		batch_gpu_init_queues(&gpu, fd, BATCH_PAGE);
	}

	for (i = 0; i < ARRAY_SIZE(ring_rows); i++) {
		igt_describe("Jobs after GTT was evicted");
		igt_subtest_f("ring-%s", ring_rows[i].name)
			ring(&gpu, &ring_rows[i]);
	}

	for (i = 0; i < 2 * ARRAY_SIZE(queue_rows); i++) {
		const struct queue_row *row = &queue_rows[i / 2];

		for (k = 0; k < USERQ_KINDS; k++) {
			igt_describe("A user queue whose BOs are evicted");
			igt_subtest_f("queue-%s-%s-%s", i % 2 ? "batch" : "userptrs",
				      row->name, userq_kinds[k].name)
				queue(fd, row, i % 2, k);
		}
	}

	for (k = 0; k < USERQ_KINDS; k++) {
		for (i = 0; i < 2; i++) {
			igt_describe("A user queue whose page tables are evicted");
			igt_subtest_f("queue-tables-%s-%s", i ? "waiting" : "running",
				      userq_kinds[k].name)
				tables(fd, i, k);
		}
	}

	igt_fixture() {
		batch_gpu_fini(&gpu);
		drm_close_driver(fd);
	}
}
