// SPDX-License-Identifier: MIT

/**
 * TEST: userptr userq
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: Memory management tests
 * Functionality: userptr
 * Description: Plain userptr BOs in the address space of user queues
 */

#include <errno.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/sync_file.h>

#include "igt.h"
#include "lib/amdgpu/amd_engine_control.h"
#include "lib/amdgpu/amd_userptr_view.h"

IGT_TEST_DESCRIPTION("User queues see userptr BOs as the CPU does, before and after "
		     "the CPU mappings change");

/* seeds of the patterns; every next step of a subtest has the next seed */
enum { OLD = SCENE_SEED, NEXT };

/**
 * SUBTEST: follow-%s-%s-%s
 * Description: A %arg[3] queue follows when %arg[2] happens to all and to some of the
 *	memory of %arg[1].
 *
 * arg[1]:
 *
 * @one:			one userptr BO
 * @64:				64 userptr BOs
 *
 * arg[2]:
 *
 * @dontneed:			madvise(MADV_DONTNEED), and the CPU writes
 * @remap:			munmap, and a new mapping in its place
 * @map-over:			a new mapping over the old one
 * @span:			one madvise(MADV_DONTNEED) over all of the memory
 * @protect:			mprotect away and back, and the CPU writes
 * @fork:			copy on write after a fork
 * @swap-out:			swapped out
 * @swap-out-write:		the same, and the CPU writes
 *
 * arg[3]:
 *
 * @gfx:			graphics
 * @compute:			compute
 * @sdma:			SDMA
 */

/**
 * SUBTEST: many-%s-%s
 * Description: The same with one event, for %arg[1] and a %arg[2] queue.
 *
 * arg[1]:
 *
 * @512:			512 userptr BOs
 * @64-novalidate:		64 userptr BOs whose pages are not asked for at once
 * @64-readonly:		64 userptr BOs that the GPU only reads
 * @64-shared:			64 userptr BOs of a memfd
 *
 * arg[2]:
 *
 * @gfx:			graphics
 * @compute:			compute
 * @sdma:			SDMA
 */
static const struct amount {
	const char *name;
	struct batch_layout layout;
	uint32_t flags;
} amounts[] = {
	{ "one", { 1, 16, 0, 1, BATCH_ANON, BATCH_ASCENDING }, BATCH_RW },
	{ "64", { 64, 2, 1, 1, BATCH_ANON, BATCH_SHUFFLED }, BATCH_RW },
}, many[] = {
	{ "512", { 512, 1, 0, 1, BATCH_ANON, BATCH_SHUFFLED }, BATCH_RW },
	{ "64-novalidate", { 64, 2, 0, 1, BATCH_ANON, BATCH_SHUFFLED },
	  AMDGPU_GEM_USERPTR_REGISTER },
	{ "64-readonly", { 64, 2, 0, 1, BATCH_ANON, BATCH_SHUFFLED }, BATCH_RO },
	{ "64-shared", { 64, 2, 0, 1, BATCH_SHARED, BATCH_SHUFFLED }, BATCH_RW },
};

static void follow(int fd, const struct amount *amount, const struct view_change *change,
		   enum userq_kind kind)
{
	/* all, all again, then every third */
	static const unsigned int steps[] = { 1, 1, 3 };
	bool writes = !(amount->flags & AMDGPU_GEM_USERPTR_READONLY);
	uint32_t seed = NEXT;
	struct scene s;
	unsigned int i;

	scene_init(&s, fd, &amount->layout, false, amount->flags, kind);
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		view_change(&s.v, change, steps[i], seed++);
		view_read(&s.v, &s.q);
		if (writes)
			view_write(&s.v, &s.q, seed++);
	}

	/* and the BOs go while the queue works on */
	view_destroy(&s.v);
	userq_copy(&s.q, s.q.staging.va, s.q.gate.va, BATCH_PAGE);
	scene_fini(&s);
}

/**
 * SUBTEST: bo-first-%s
 * Description: A %arg[1] queue made after the BOs.
 *
 * arg[1]:
 *
 * @gfx:			graphics
 * @compute:			compute
 * @sdma:			SDMA
 */
static void bo_first(int fd, enum userq_kind kind)
{
	static const struct batch_layout layout = { 16, 4, 0, 1, BATCH_ANON, BATCH_SHUFFLED };
	struct batch_gpu gpu;
	struct userq q;
	struct view v;

	userq_file_init(&gpu, fd);
	userq_require(&gpu, kind);
	view_init(&v, &gpu, &layout, false, BATCH_RW, OLD);
	view_create(&v);
	/* the memory is already another one when the first queue comes */
	view_change(&v, VIEW_REMAP, 1, NEXT);
	userq_init(&q, &gpu, kind, v.pieces->size);
	view_read(&v, &q);
	view_change(&v, VIEW_DONTNEED, 2, NEXT + 1);
	view_read(&v, &q);
	view_write(&v, &q, NEXT + 2);

	/* a second queue in the place of the first */
	userq_destroy(&q);
	view_change(&v, VIEW_REMAP, 1, NEXT + 3);
	igt_assert_eq(__userq_create(&q), 0);
	view_read(&v, &q);
	view_write(&v, &q, NEXT + 4);
	userq_fini(&q);
	view_fini(&v);
	userq_file_fini(&gpu);
}

/**
 * SUBTEST: map-late-%s-%s
 * Description: A userptr BO is mapped while a %arg[2] queue runs, some time after it was
 *	made: %arg[1].
 *
 * arg[1]:
 *
 * @changed:			its memory is another one by then
 * @twice:			it is mapped already, at another address
 * @novalidate:			its pages were never looked up
 *
 * arg[2]:
 *
 * @gfx:			graphics
 * @compute:			compute
 * @sdma:			SDMA
 */
static const struct late {
	const char *name;
	uint32_t flags;
	bool mapped;
	bool changed;
} lates[] = {
	{ "changed", BATCH_RW, false, true },
	{ "twice", BATCH_RW, true, true },
	{ "novalidate", AMDGPU_GEM_USERPTR_REGISTER, false, false },
};

static void map_late(int fd, const struct late *late, enum userq_kind kind)
{
	static const struct batch_layout layout = { 1, 16, 0, 1, BATCH_ANON, BATCH_ASCENDING };
	struct drm_amdgpu_gem_userptr args = { .flags = late->flags };
	amdgpu_va_handle va_handle;
	struct batch_gpu gpu;
	uint64_t second, size;
	struct userq q;
	struct view v;

	userq_file_init(&gpu, fd);
	userq_require(&gpu, kind);
	view_init(&v, &gpu, &layout, false, late->flags, OLD);
	size = v.pieces->size;
	userq_init(&q, &gpu, kind, size);
	userq_copy(&q, q.staging.va, q.gate.va, BATCH_PAGE);

	args.addr = v.pieces->ranges[0].addr;
	args.size = size;
	do_ioctl(gpu.fd, DRM_IOCTL_AMDGPU_GEM_USERPTR, &args);
	v.handles[v.num_handles++] = args.handle;
	do_or_die(amdgpu_va_range_alloc(gpu.dev, amdgpu_gpu_va_range_general, size, BATCH_PAGE, 0,
					&second, &va_handle, 0));
	if (late->mapped)
		igt_assert_eq(__batch_va(gpu.fd, args.handle, AMDGPU_VA_OP_MAP, second, 0, size,
					 AMDGPU_VM_PAGE_READABLE | AMDGPU_VM_MTYPE_UC), 0);
	if (late->changed)
		view_change(&v, VIEW_REMAP, 1, NEXT);
	igt_assert_eq(__batch_va(gpu.fd, args.handle, AMDGPU_VA_OP_MAP, v.va, 0, size,
				 AMDGPU_VM_PAGE_READABLE | AMDGPU_VM_PAGE_WRITEABLE |
				 AMDGPU_VM_MTYPE_UC), 0);
	userq_settle(&gpu);
	view_read(&v, &q);
	view_write(&v, &q, NEXT + 1);
	if (late->mapped) {
		memset(q.staging.cpu, 0xa5, size);
		userq_copy(&q, q.staging.va, second, size);
		view_check_staging(&v, &q);
	}
	view_change(&v, VIEW_DONTNEED, 1, NEXT + 2);
	view_read(&v, &q);
	do_or_die(amdgpu_va_range_free(va_handle));
	userq_fini(&q);
	view_fini(&v);
	userq_file_fini(&gpu);
}

/**
 * SUBTEST: missing-%s-%s
 * Description: While the memory of a BO is not mapped, a %arg[2] queue does not run:
 *	%arg[1].
 *
 * arg[1]:
 *
 * @signal:			it gets no fence until the memory is back
 * @create:			no other queue is made until the memory is back
 * @close:			it runs again when the BO is closed
 *
 * arg[2]:
 *
 * @gfx:			graphics
 * @compute:			compute
 * @sdma:			SDMA
 */

/* Calls that wait for what cannot be must be noticed: they cannot be killed. */
#define MISSING_SECONDS 60

static void missing_signal(struct scene *s, struct userq *more)
{
	unsigned int i;

	view_emit_read(&s->v, &s->q);
	for (i = 0; i < 3; i++)
		igt_assert_eq(__userq_submit(&s->q), -EFAULT);
	batch_pieces_place(s->v.pieces, 0);
	batch_fill_range(s->v.pieces, 0, OLD);
	userq_submit(&s->q);
	userq_wait(&s->q);
	view_check_staging(&s->v, &s->q);
}

static void missing_create(struct scene *s, struct userq *more)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		igt_assert_eq(__userq_create(more), -EFAULT);
	batch_pieces_place(s->v.pieces, 0);
	batch_fill_range(s->v.pieces, 0, OLD);
	igt_assert_eq(__userq_create(more), 0);
	userq_copy(more, more->staging.va, s->v.va, BATCH_PAGE);
}

static void missing_close(struct scene *s, struct userq *more)
{
	view_destroy(&s->v);
	userq_copy(&s->q, s->q.staging.va, s->q.gate.va, BATCH_PAGE);
	batch_pieces_place(s->v.pieces, 0);
	batch_fill_range(s->v.pieces, 0, OLD);
	view_create(&s->v);
}

static const struct missing {
	const char *name;
	void (*run)(struct scene *s, struct userq *more);
} missings[] = {
	{ "signal", missing_signal },
	{ "create", missing_create },
	{ "close", missing_close },
};

static void missing(int fd, const struct missing *what, enum userq_kind kind)
{
	static const struct batch_layout layout = { 8, 4, 0, 1, BATCH_ANON, BATCH_SHUFFLED };
	struct userq more;
	struct scene s;

	scene_init(&s, fd, &layout, false, BATCH_RW, kind);
	userq_prepare(&more, &s.gpu, kind, BATCH_PAGE);
	igt_set_timeout(MISSING_SECONDS, "a queue whose memory is missing");
	do_or_die(munmap(batch_range_ptr(s.v.pieces, 0), batch_range_size(s.v.pieces, 0)));
	what->run(&s, &more);
	igt_reset_timeout();
	view_read(&s.v, &s.q);
	view_write(&s.v, &s.q, NEXT);
	userq_fini(&more);
	scene_fini(&s);
}

static uint64_t wait_address(struct userq *q, uint32_t syncobj)
{
	struct drm_amdgpu_userq_fence_info info = {};
	unsigned int count = 0;

	igt_assert_eq(__userq_wait_for(q, syncobj, &info, &count), 0);
	igt_assert_eq(count, 1);
	return info.va;
}

static void start_gated(struct userq *q, struct batch_gpu *gpu)
{
	userq_init(q, gpu, USERQ_COMPUTE, BATCH_PAGE);
	userq_emit_gate(q);
	userq_submit(q);
}

/**
 * SUBTEST: missing-wait-%s
 * Description: A %arg[1] queue has to wait for a queue of another file. It gets no fence,
 *	because memory is missing; until it gets one nobody else is given the place
 *	where the other queue tells how far it is.
 *
 * arg[1]:
 *
 * @gfx:			graphics
 * @compute:			compute
 * @sdma:			SDMA
 */
static void missing_wait(int fd, enum userq_kind kind)
{
	static const struct batch_layout layout = { 8, 4, 0, 1, BATCH_ANON, BATCH_SHUFFLED };
	struct userq first, next, waiter;
	struct batch_gpu other;
	uint32_t syncobj;
	struct scene s;
	uint64_t va;
	int file, i;

	scene_init(&s, fd, &layout, false, BATCH_RW, kind);
	userq_file_init(&other, fd);
	userq_require(&other, USERQ_COMPUTE);
	start_gated(&first, &other);
	do_or_die(drmSyncobjExportSyncFile(other.fd, first.syncobj, &file));
	do_or_die(drmSyncobjCreate(s.gpu.fd, 0, &syncobj));
	do_or_die(drmSyncobjImportSyncFile(s.gpu.fd, syncobj, file));
	close(file);
	va = wait_address(&s.q, syncobj);

	igt_set_timeout(MISSING_SECONDS, "a queue whose memory is missing");
	do_or_die(munmap(batch_range_ptr(s.v.pieces, 0), batch_range_size(s.v.pieces, 0)));
	view_emit_read(&s.v, &s.q);
	igt_assert_eq(__userq_submit(&s.q), -EFAULT);
	igt_reset_timeout();
	userq_open_gates(&first);
	userq_wait(&first);
	userq_fini(&first);
	do_or_die(drmSyncobjDestroy(s.gpu.fd, syncobj));

	/* what the last fence held goes a while after it, and the lowest place is taken */
	userq_init(&waiter, &other, USERQ_COMPUTE, BATCH_PAGE);
	for (i = 0; i < 10; i++) {
		usleep(20000);
		start_gated(&next, &other);
		igt_assert_neq_u64(wait_address(&waiter, next.syncobj), va);
		userq_open_gates(&next);
		userq_wait(&next);
		userq_fini(&next);
	}
	userq_fini(&waiter);
	userq_file_fini(&other);

	batch_pieces_place(s.v.pieces, 0);
	batch_fill_range(s.v.pieces, 0, OLD);
	userq_submit(&s.q);
	userq_wait(&s.q);
	view_check_staging(&s.v, &s.q);
	scene_fini(&s);
}

/**
 * SUBTEST: free-referenced-%s
 * Description: A %arg[1] queue does no more work once it is freed, while a thread that waits
 *	for fences in its name (DRM_IOCTL_AMDGPU_USERQ_WAIT) still holds a reference:
 *	nothing would take it off the hardware when memory goes.
 *
 * arg[1]:
 *
 * @gfx:			graphics
 * @compute:			compute
 * @sdma:			SDMA
 */
struct waiter {
	struct userq *q;
	uint32_t syncobj;
	int tid;
	int done;
	int error;
};

static void *wait_for_others(void *data)
{
	struct drm_amdgpu_userq_fence_info info;
	struct waiter *w = data;
	unsigned int count;

	__atomic_store_n(&w->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	w->error = __userq_wait_for(w->q, w->syncobj, &info, &count);
	__atomic_store_n(&w->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void waiter_blocks(struct waiter *w)
{
	int tid;

	do {
		igt_assert(!__atomic_load_n(&w->done, __ATOMIC_ACQUIRE));
		usleep(1000);
		tid = __atomic_load_n(&w->tid, __ATOMIC_ACQUIRE);
	} while (!tid || !amd_task_blocked(tid, "dma_fence_"));
}

/* A fence of two queues together is no user fence. */
static uint32_t import_both(struct batch_gpu *gpu, struct userq *q)
{
	struct sync_merge_data merge = { .name = "both" };
	uint32_t syncobj;
	int file;

	do_or_die(drmSyncobjExportSyncFile(q[0].gpu->fd, q[0].syncobj, &file));
	do_or_die(drmSyncobjExportSyncFile(q[1].gpu->fd, q[1].syncobj, &merge.fd2));
	do_or_die(ioctl(file, SYNC_IOC_MERGE, &merge));
	do_or_die(drmSyncobjCreate(gpu->fd, 0, &syncobj));
	do_or_die(drmSyncobjImportSyncFile(gpu->fd, syncobj, merge.fence));
	close(merge.fence);
	close(merge.fd2);
	close(file);
	return syncobj;
}

static void check_untouched(const struct batch_buffer *b)
{
	uint64_t i;

	for (i = 0; i < b->size; i++)
		igt_assert_f(((uint8_t *)b->cpu)[i] == 0xa5, "the queue still works\n");
}

static void free_referenced(int fd, enum userq_kind kind)
{
	static const struct batch_layout layout = { 8, 4, 0, 1, BATCH_ANON, BATCH_SHUFFLED };
	struct waiter w = {};
	struct userq gated[2], busy;
	struct batch_gpu other, third;
	pthread_t thread;
	struct scene s;
	int i;

	amd_task_require();
	scene_init(&s, fd, &layout, false, BATCH_RW, kind);
	userq_file_init(&other, fd);
	userq_require(&other, USERQ_COMPUTE);
	start_gated(&gated[0], &other);
	start_gated(&gated[1], &other);
	w.q = &s.q;
	w.syncobj = import_both(&s.gpu, gated);
	igt_set_timeout(MISSING_SECONDS, "a thread that waits in the name of a queue");
	igt_assert_eq(pthread_create(&thread, NULL, wait_for_others, &w), 0);
	waiter_blocks(&w);

	/* the thread has read the number of the queue */
	userq_destroy(&s.q);
	view_change(&s.v, VIEW_REMAP, 1, NEXT);
	memset(s.q.staging.cpu, 0xa5, s.q.staging.size);
	view_emit_read(&s.v, &s.q);
	userq_ring_bell(&s.q);
	/* long enough for the same engine to do other work */
	userq_file_init(&third, fd);
	userq_init(&busy, &third, kind, BATCH_PAGE);
	for (i = 0; i < 5; i++)
		userq_copy(&busy, busy.staging.va, busy.gate.va, BATCH_PAGE);
	userq_fini(&busy);
	userq_file_fini(&third);
	check_untouched(&s.q.staging);

	/* the next one gets its doorbell, and keeps it when the reference goes */
	igt_assert_eq(__userq_create(&s.q), 0);
	view_read(&s.v, &s.q);
	igt_assert(!__atomic_load_n(&w.done, __ATOMIC_ACQUIRE));
	/* unmapping what one is made of stops both, which waits for their work */
	for (i = 0; i < 2; i++)
		userq_open_gates(&gated[i]);
	for (i = 0; i < 2; i++)
		userq_wait(&gated[i]);
	for (i = 0; i < 2; i++)
		userq_fini(&gated[i]);
	igt_assert_eq(pthread_join(thread, NULL), 0);
	igt_assert_eq(w.error, 0);
	igt_reset_timeout();
	do_or_die(drmSyncobjDestroy(s.gpu.fd, w.syncobj));
	userq_file_fini(&other);
	view_change(&s.v, VIEW_DONTNEED, 1, NEXT + 1);
	view_read(&s.v, &s.q);
	view_write(&s.v, &s.q, NEXT + 2);
	scene_fini(&s);
}

/**
 * SUBTEST: queues
 * Description: Queues of all kinds in one address space, each with work, while the
 *	memory changes.
 */
static void all_queues(int fd)
{
	static const struct batch_layout layout = { 32, 2, 0, 1, BATCH_ANON, BATCH_SHUFFLED };
	struct userq q[2 * USERQ_KINDS];
	unsigned int n = 0, i, k;
	struct batch_gpu gpu;
	uint32_t seed = NEXT;
	struct view v;

	userq_file_init(&gpu, fd);
	view_init(&v, &gpu, &layout, false, BATCH_RW, OLD);
	for (i = 0; i < ARRAY_SIZE(q); i++)
		if (userq_supported(&gpu, i % USERQ_KINDS))
			userq_init(&q[n++], &gpu, i % USERQ_KINDS, v.pieces->size);
	igt_require_f(n, "no user queues\n");
	view_create(&v);

	for (i = 0; i < 4; i++) {
		view_change(&v, &view_changes[i], 1 + i % 2, seed++);
		/* all at once */
		for (k = 0; k < n; k++)
			view_emit_read(&v, &q[k]);
		for (k = 0; k < n; k++)
			userq_submit(&q[k]);
		for (k = 0; k < n; k++) {
			userq_wait(&q[k]);
			userq_assert_no_fault(&gpu);
			view_check_staging(&v, &q[k]);
		}
		for (k = 0; k < n; k++)
			view_write(&v, &q[k], seed++);
	}
	for (k = 0; k < n; k++)
		userq_fini(&q[k]);
	view_fini(&v);
	userq_file_fini(&gpu);
}

/**
 * SUBTEST: busy-%s-%s
 * Description: Memory that is taken away while a %arg[2] queue has work that %arg[1]
 *	it goes when that work is done.
 *
 * arg[1]:
 *
 * @read:			reads
 * @write:			writes
 *
 * arg[2]:
 *
 * @gfx:			graphics
 * @compute:			compute
 * @sdma:			SDMA
 */

static void busy(int fd, bool gpu_writes, enum userq_kind kind)
{
	static const struct batch_layout layout = { 16, 4, 0, 1, BATCH_SHARED, BATCH_SHUFFLED };
	struct view_taker taker;
	struct scene s;

	scene_init(&s, fd, &layout, false, BATCH_RW, kind);
	userq_emit_gate(&s.q);
	if (gpu_writes)
		view_emit_write(&s.v, &s.q, NEXT + 1);
	else
		view_emit_read(&s.v, &s.q);
	userq_submit(&s.q);

	view_taker_start(&taker, &s.v, VIEW_REMAP, NEXT);
	view_taker_blocks(&taker);
	igt_assert(userq_busy(&s.q));
	userq_open_gates(&s.q);
	userq_wait(&s.q);
	userq_assert_no_fault(&s.gpu);
	if (!gpu_writes)
		batch_check_words(s.q.staging.cpu, s.v.pieces->size, 0, OLD, "GPU");
	view_taker_join(&taker);
	/* what the thread wrote came after what the GPU wrote */
	view_check_cpu(&s.v);
	view_read(&s.v, &s.q);
	view_write(&s.v, &s.q, NEXT + 2);
	scene_fini(&s);
}

/**
 * SUBTEST: replace-%s-%s
 * Description: A GPU address that a %arg[2] queue has used is given other memory while
 *	the queue runs, by %arg[1]. Page tables may be written by the CPU
 *	(module parameter vm_update_mode=3): the queue's translations must go. For
 *	ordinary BOs the queue is not stopped.
 *
 * arg[1]:
 *
 * @replace:			AMDGPU_VA_OP_REPLACE
 * @clear:			AMDGPU_VA_OP_CLEAR, and a new mapping
 * @unmap:			AMDGPU_VA_OP_UNMAP, and a new mapping
 * @close:			closing the BO, and a new mapping
 * @bo-replace:			AMDGPU_VA_OP_REPLACE, ordinary BOs
 * @bo-clear:			AMDGPU_VA_OP_CLEAR, ordinary BOs
 * @bo-unmap:			AMDGPU_VA_OP_UNMAP, ordinary BOs
 * @bo-close:			closing an ordinary BO
 *
 * arg[2]:
 *
 * @gfx:			graphics
 * @compute:			compute
 * @sdma:			SDMA
 */
static void replace_replace(struct batch_gpu *gpu, struct view *from, struct view *to)
{
	igt_assert_eq(__batch_va(gpu->fd, to->handles[0], AMDGPU_VA_OP_REPLACE, from->va, 0,
				 from->pieces->size, AMDGPU_VM_PAGE_READABLE |
				 AMDGPU_VM_PAGE_WRITEABLE | AMDGPU_VM_MTYPE_UC), 0);
}

static void map_new(struct batch_gpu *gpu, struct view *from, struct view *to)
{
	igt_assert_eq(__batch_va(gpu->fd, to->handles[0], AMDGPU_VA_OP_MAP, from->va, 0,
				 from->pieces->size, AMDGPU_VM_PAGE_READABLE |
				 AMDGPU_VM_PAGE_WRITEABLE | AMDGPU_VM_MTYPE_UC), 0);
}

static void replace_clear(struct batch_gpu *gpu, struct view *from, struct view *to)
{
	igt_assert_eq(__batch_va(gpu->fd, 0, AMDGPU_VA_OP_CLEAR, from->va, 0,
				 from->pieces->size, 0), 0);
	map_new(gpu, from, to);
}

static void replace_unmap(struct batch_gpu *gpu, struct view *from, struct view *to)
{
	igt_assert_eq(__batch_va(gpu->fd, from->handles[0], AMDGPU_VA_OP_UNMAP, from->va, 0,
				 from->pieces->size, 0), 0);
	map_new(gpu, from, to);
}

static void replace_close(struct batch_gpu *gpu, struct view *from, struct view *to)
{
	view_destroy(from);
	map_new(gpu, from, to);
}

static const struct replacement {
	const char *name;
	void (*apply)(struct batch_gpu *gpu, struct view *from, struct view *to);
	bool ordinary;		/* BOs that are no userptrs */
} replacements[] = {
	{ "replace", replace_replace, false },
	{ "clear", replace_clear, false },
	{ "unmap", replace_unmap, false },
	{ "close", replace_close, false },
	{ "bo-replace", replace_replace, true },
	{ "bo-clear", replace_clear, true },
	{ "bo-unmap", replace_unmap, true },
	{ "bo-close", replace_close, true },
};

/* An ordinary BO in the place of what view_create() makes, with the same contents. */
static void create_ordinary(struct view *v, struct userq *q)
{
	union drm_amdgpu_gem_create args = {
		.in = {
			.bo_size = v->pieces->size,
			.alignment = BATCH_PAGE,
			.domains = AMDGPU_GEM_DOMAIN_GTT,
		},
	};

	do_ioctl(v->gpu->fd, DRM_IOCTL_AMDGPU_GEM_CREATE, &args);
	v->handles[v->num_handles++] = args.out.handle;
	igt_assert_eq(__batch_va(v->gpu->fd, args.out.handle, AMDGPU_VA_OP_MAP, v->va, 0,
				 v->pieces->size, AMDGPU_VM_PAGE_READABLE |
				 AMDGPU_VM_PAGE_WRITEABLE | AMDGPU_VM_MTYPE_UC), 0);
	userq_settle(v->gpu);
	batch_fill_words(q->staging.cpu, v->pieces->size, 0, v->seeds[0]);
	userq_copy(q, v->va, q->staging.va, v->pieces->size);
}

static void replace(int fd, const struct replacement *how, enum userq_kind kind)
{
	static const struct batch_layout layout = { 1, 32, 0, 1, BATCH_ANON, BATCH_ASCENDING };
	struct view from, to;
	struct batch_gpu gpu;
	struct userq q;

	userq_file_init(&gpu, fd);
	userq_require(&gpu, kind);
	view_init(&from, &gpu, &layout, false, BATCH_RW, OLD);
	view_init(&to, &gpu, &layout, false, BATCH_RW, NEXT);
	userq_init(&q, &gpu, kind, from.pieces->size);
	if (how->ordinary) {
		create_ordinary(&from, &q);
		create_ordinary(&to, &q);
	} else {
		view_create(&from);
		view_create(&to);
	}
	/* now the engine has translations for both */
	view_read(&from, &q);
	view_read(&to, &q);

	how->apply(&gpu, &from, &to);
	userq_settle(&gpu);
	memset(q.staging.cpu, 0xa5, from.pieces->size);
	userq_copy(&q, q.staging.va, from.va, from.pieces->size);
	userq_assert_no_fault(&gpu);
	batch_check_words(q.staging.cpu, from.pieces->size, 0, NEXT, "GPU");
	/* a write must not hit what was there before */
	batch_fill_words(q.staging.cpu, from.pieces->size, 0, NEXT + 1);
	userq_copy(&q, from.va, q.staging.va, from.pieces->size);
	if (how->ordinary) {
		memset(q.staging.cpu, 0xa5, from.pieces->size);
		userq_copy(&q, q.staging.va, to.va, to.pieces->size);
		batch_check_words(q.staging.cpu, to.pieces->size, 0, NEXT + 1, "GPU");
	} else {
		batch_check(to.pieces, NEXT + 1);
		batch_check(from.pieces, OLD);
	}

	userq_fini(&q);
	view_fini(&to);
	view_fini(&from);
	userq_file_fini(&gpu);
}

/**
 * SUBTEST: storm-%s-%s
 * Description: A thread takes every second of 32 userptr BOs' memory away all the time, by
 *	%arg[1], while a %arg[2] queue reads: it gets on, and never sees what was before.
 *
 * arg[1]:
 *
 * @dontneed:			madvise(MADV_DONTNEED)
 * @map-over:			a new mapping over the old one
 *
 * arg[2]:
 *
 * @gfx:			graphics
 * @compute:			compute
 * @sdma:			SDMA
 */
static const struct view_change * const storms[] = { VIEW_DONTNEED, VIEW_MAP_OVER };

static void storm(int fd, const struct view_change *change, enum userq_kind kind)
{
	static const struct batch_layout layout = { 32, 2, 0, 1, BATCH_ANON, BATCH_SHUFFLED };
	struct scene s;

	scene_init(&s, fd, &layout, false, BATCH_RW, kind);
	scene_storm(&s, change);
	scene_fini(&s);
}

int igt_main()
{
	unsigned int i, k;
	int fd = -1, c;

	igt_fixture()
		fd = drm_open_driver_render(DRIVER_AMDGPU);

	for (i = 0; i < ARRAY_SIZE(amounts); i++) {
		for (c = 0; c < VIEW_CHANGES; c++) {
			for (k = 0; k < USERQ_KINDS; k++) {
				igt_describe("A user queue follows changes of userptr memory");
				igt_subtest_f("follow-%s-%s-%s", amounts[i].name,
					      view_changes[c].name, userq_kinds[k].name)
					follow(fd, &amounts[i], &view_changes[c], k);
			}
		}
	}

	for (i = 0; i < ARRAY_SIZE(many); i++) {
		for (k = 0; k < USERQ_KINDS; k++) {
			igt_describe("The same with other BOs");
			igt_subtest_f("many-%s-%s", many[i].name, userq_kinds[k].name)
				follow(fd, &many[i], VIEW_DONTNEED, k);
		}
	}

	for (k = 0; k < USERQ_KINDS; k++) {
		igt_describe("A user queue that is made after the BOs");
		igt_subtest_f("bo-first-%s", userq_kinds[k].name)
			bo_first(fd, k);
	}

	for (k = 0; k < USERQ_KINDS; k++) {
		for (i = 0; i < ARRAY_SIZE(lates); i++) {
			igt_describe("A BO is mapped while a user queue runs");
			igt_subtest_f("map-late-%s-%s", lates[i].name, userq_kinds[k].name)
				map_late(fd, &lates[i], k);
		}
		for (i = 0; i < ARRAY_SIZE(missings); i++) {
			igt_describe("User queues do not run while memory is missing");
			igt_subtest_f("missing-%s-%s", missings[i].name, userq_kinds[k].name)
				missing(fd, &missings[i], k);
		}
		igt_describe("What a queue waits for while memory is missing");
		igt_subtest_f("missing-wait-%s", userq_kinds[k].name)
			missing_wait(fd, k);
		igt_describe("A queue that was freed does not run");
		igt_subtest_f("free-referenced-%s", userq_kinds[k].name)
			free_referenced(fd, k);
	}

	igt_describe("User queues of all kinds");
	igt_subtest("queues")
		all_queues(fd);

	for (i = 0; i < 2; i++) {
		for (k = 0; k < USERQ_KINDS; k++) {
			igt_describe("Memory stays while a user queue works on it");
			igt_subtest_f("busy-%s-%s", i ? "write" : "read", userq_kinds[k].name)
				busy(fd, i, k);
		}
	}

	for (i = 0; i < ARRAY_SIZE(storms); i++) {
		for (k = 0; k < USERQ_KINDS; k++) {
			igt_describe("Memory goes all the time while a user queue reads it");
			igt_subtest_f("storm-%s-%s", storms[i]->name, userq_kinds[k].name)
				storm(fd, storms[i], k);
		}
	}

	for (i = 0; i < ARRAY_SIZE(replacements); i++) {
		for (k = 0; k < USERQ_KINDS; k++) {
			igt_describe("Other memory at an address that a user queue used");
			igt_subtest_f("replace-%s-%s", replacements[i].name,
				      userq_kinds[k].name)
				replace(fd, &replacements[i], k);
		}
	}

	igt_fixture()
		drm_close_driver(fd);
}
