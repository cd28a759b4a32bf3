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
#include <sys/syscall.h>
#include <unistd.h>

#include "igt.h"
#include "lib/amdgpu/amd_userptr_view.h"

IGT_TEST_DESCRIPTION("User queues see userptr BOs as the CPU does, before and after "
		     "the CPU mappings change");

/* seeds of the patterns; every next step of a subtest has the next seed */
enum { OLD = 1, NEXT };

/* of the device's own buffers, which are not used here */
#define SMALL_STAGING 4096

/* a file of its own for each subtest: what one breaks the next does not meet */
static void open_file(struct batch_gpu *gpu, int fd)
{
	batch_gpu_init_queues(gpu, drm_reopen_driver(fd), SMALL_STAGING);
}

static void close_file(struct batch_gpu *gpu)
{
	int fd = gpu->fd;

	batch_gpu_fini(gpu);
	drm_close_driver(fd);
}

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
	struct batch_gpu gpu;
	uint32_t seed = NEXT;
	struct userq q;
	struct view v;
	unsigned int i;

	open_file(&gpu, fd);
	userq_require(&gpu, kind);
	view_init(&v, &gpu, &amount->layout, false, amount->flags, OLD);
	/* the queue first: a BO that comes later must become part of what is evicted */
	userq_init(&q, &gpu, kind, v.pieces->size);
	view_create(&v);
	view_read(&v, &q);

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		view_change(&v, change, steps[i], seed++);
		view_read(&v, &q);
		if (writes)
			view_write(&v, &q, seed++);
	}

	/* and the BOs go while the queue works on */
	view_destroy(&v);
	userq_copy(&q, q.staging.va, q.gate.va, BATCH_PAGE);
	userq_assert_no_fault(&gpu);
	userq_fini(&q);
	view_fini(&v);
	close_file(&gpu);
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

	open_file(&gpu, fd);
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
	close_file(&gpu);
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

	open_file(&gpu, fd);
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
	close_file(&gpu);
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

/* a thread that takes memory away */
struct taker {
	struct view *v;
	int tid;	/* once it runs */
	int done;
};

static void *take(void *data)
{
	struct taker *t = data;

	__atomic_store_n(&t->tid, (int)syscall(SYS_gettid), __ATOMIC_RELEASE);
	view_change(t->v, VIEW_REMAP, 1, NEXT);
	__atomic_store_n(&t->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* Waits until the thread waits in the kernel for what no signal ends. */
static void taker_blocks(struct taker *t)
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

static void busy(int fd, bool gpu_writes, enum userq_kind kind)
{
	static const struct batch_layout layout = { 16, 4, 0, 1, BATCH_SHARED, BATCH_SHUFFLED };
	struct batch_gpu gpu;
	struct taker taker;
	pthread_t thread;
	struct userq q;
	struct view v;

	open_file(&gpu, fd);
	userq_require(&gpu, kind);
	view_init(&v, &gpu, &layout, false, BATCH_RW, OLD);
	userq_init(&q, &gpu, kind, v.pieces->size);
	view_create(&v);
	view_read(&v, &q);

	userq_emit_gate(&q);
	if (gpu_writes)
		view_emit_write(&v, &q, NEXT + 1);
	else
		view_emit_read(&v, &q);
	userq_submit(&q);

	taker = (struct taker) { .v = &v };
	igt_assert_eq(pthread_create(&thread, NULL, take, &taker), 0);
	taker_blocks(&taker);
	igt_assert(userq_busy(&q));
	userq_open_gates(&q);
	userq_wait(&q);
	userq_assert_no_fault(&gpu);
	if (!gpu_writes)
		batch_check_words(q.staging.cpu, v.pieces->size, 0, OLD, "GPU");
	igt_assert_eq(pthread_join(thread, NULL), 0);
	/* what the thread wrote came after what the GPU wrote */
	view_check_cpu(&v);
	view_read(&v, &q);
	view_write(&v, &q, NEXT + 2);
	userq_fini(&q);
	view_fini(&v);
	close_file(&gpu);
}

/**
 * SUBTEST: replace-%s-%s
 * Description: A GPU address that a %arg[2] queue has used is given other memory while
 *	the queue runs, by %arg[1]. Page tables may be written by the CPU
 *	(module parameter vm_update_mode=3): the queue's translations must go.
 *
 * arg[1]:
 *
 * @replace:			AMDGPU_VA_OP_REPLACE
 * @clear:			AMDGPU_VA_OP_CLEAR, and a new mapping
 * @unmap:			AMDGPU_VA_OP_UNMAP, and a new mapping
 * @close:			closing the BO, and a new mapping
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
} replacements[] = {
	{ "replace", replace_replace },
	{ "clear", replace_clear },
	{ "unmap", replace_unmap },
	{ "close", replace_close },
};

static void replace(int fd, const struct replacement *how, enum userq_kind kind)
{
	static const struct batch_layout layout = { 1, 32, 0, 1, BATCH_ANON, BATCH_ASCENDING };
	struct view from, to;
	struct batch_gpu gpu;
	struct userq q;

	open_file(&gpu, fd);
	userq_require(&gpu, kind);
	view_init(&from, &gpu, &layout, false, BATCH_RW, OLD);
	view_init(&to, &gpu, &layout, false, BATCH_RW, NEXT);
	userq_init(&q, &gpu, kind, from.pieces->size);
	view_create(&from);
	view_create(&to);
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
	batch_check(to.pieces, NEXT + 1);
	batch_check(from.pieces, OLD);

	userq_fini(&q);
	view_fini(&to);
	view_fini(&from);
	close_file(&gpu);
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
