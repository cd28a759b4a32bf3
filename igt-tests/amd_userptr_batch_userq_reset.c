// SPDX-License-Identifier: MIT

/**
 * TEST: userptr batch userq reset
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: Reset tests
 * Functionality: userptr
 * Description: Batch userptr BOs in the address space of user queues that hang, that are
 *	there when the device is reset, and when the machine sleeps. Disturbs everybody who
 *	uses the device.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "lib/amdgpu/amd_engine_control.h"
#include "lib/amdgpu/amd_userptr_view.h"

IGT_TEST_DESCRIPTION("User queues and their memory after hangs, resets and suspends");

/* seeds of the patterns; every next step of a subtest has the next seed */
enum { OLD = SCENE_SEED, NEXT };

static const struct batch_layout mixed = { 64, 2, 1, 1, BATCH_MIXED, BATCH_SHUFFLED };
static const struct batch_layout anon = { 64, 2, 1, 1, BATCH_ANON, BATCH_SHUFFLED };

/* All that queue and memory are for, after whatever it was. */
static void scene_works(struct scene *s, uint32_t seed)
{
	view_read(&s->v, &s->q);
	view_write(&s->v, &s->q, seed);
	view_change(&s->v, VIEW_REMAP, 3, seed + 1);
	view_read(&s->v, &s->q);
	view_write(&s->v, &s->q, seed + 2);
}

/* A queue that was reset, or lost with the device, is of no use any more; another one is. */
static void queue_again(struct scene *s)
{
	userq_destroy(&s->q);
	igt_assert_eq(__userq_create(&s->q), 0);
}

static void take_range(struct view *v)
{
	do_or_die(munmap(batch_range_ptr(v->pieces, 0), batch_range_size(v->pieces, 0)));
}

/**
 * SUBTEST: hang-%s-%s
 * Description: A %arg[2] queue %arg[1], with a read of a batch behind that. Memory of the
 *	batch is taken away meanwhile: that is over when the driver has noticed and reset the
 *	queue, whose work fails. The batch works with a new queue, and one in another file is
 *	not harmed.
 *
 * arg[1]:
 *
 * @packet:			meets a packet that there is not
 * @wait:			waits for what never comes
 *
 * arg[2]:
 *
 * @gfx:			graphics
 * @compute:			compute
 * @sdma:			SDMA
 */
static const struct hang {
	const char *name;
	void (*emit)(struct userq *q);
} hangs[] = {
	{ "packet", userq_emit_bad },
	{ "wait", userq_emit_gate },
};

static void hang(int fd, const struct hang *what, enum userq_kind kind)
{
	struct view_taker taker;
	struct scene s, other;

	scene_init(&other, fd, &mixed, true, BATCH_RW, kind);
	scene_init(&s, fd, &mixed, true, BATCH_RW, kind);
	what->emit(&s.q);
	view_emit_read(&s.v, &s.q);
	userq_submit(&s.q);
	view_taker_start(&taker, &s.v, VIEW_REMAP, NEXT);
	view_taker_blocks(&taker);

	igt_set_timeout(200, "a queue that hangs is not noticed");
	view_taker_join(&taker);
	igt_reset_timeout();
	igt_assert_lt(__userq_wait(&s.q, USERQ_TIMEOUT_NS), 0);
	view_check_cpu(&s.v);

	queue_again(&s);
	scene_works(&s, NEXT + 1);
	scene_works(&other, NEXT);
	scene_fini(&s);
	scene_fini(&other);
}

/**
 * SUBTEST: reset-%s-%s
 * Description: The device is reset while a %arg[2] queue %arg[1]. The same queue goes on, if
 *	VRAM has kept its contents and no work is lost; else the batch works with a new one.
 *
 * arg[1]:
 *
 * @idle:			has nothing to do
 * @busy:			has work with a batch that it does not finish
 * @dirty:			has to follow changes of all of a batch's memory
 * @gone:			does not run, because memory of a batch is missing
 * @restoring:			is about to run again, with others, after memory of a batch
 *				has changed
 *
 * arg[2]:
 *
 * @gfx:			graphics
 * @compute:			compute
 * @sdma:			SDMA
 */

/**
 * SUBTEST: sleep-devices-%s-%s
 * Description: The devices are suspended and resumed while a %arg[2] queue %arg[1]. The same
 *	queue goes on afterwards.
 *
 * arg[1]:
 *
 * @idle:			has nothing to do
 * @dirty:			has to follow changes of all of a batch's memory
 * @gone:			does not run, because memory of a batch is missing
 *
 * arg[2]:
 *
 * @gfx:			graphics
 * @compute:			compute
 * @sdma:			SDMA
 */

/**
 * SUBTEST: sleep-s3-%s
 * Description: The machine is suspended to memory, until the clock wakes it, while a compute
 *	queue %arg[1]. The same queue goes on afterwards.
 *
 * arg[1]:
 *
 * @idle:			has nothing to do
 * @dirty:			has to follow changes of all of a batch's memory
 * @gone:			does not run, because memory of a batch is missing
 */
static void be_idle(struct scene *s) { }

static void be_busy(struct scene *s)
{
	userq_emit_gate(&s->q);
	view_emit_read(&s->v, &s->q);
	userq_submit(&s->q);
}

static void be_dirty(struct scene *s)
{
	view_change(&s->v, VIEW_DONTNEED, 1, NEXT);
}

static void be_gone(struct scene *s)
{
	take_range(&s->v);
	view_emit_read(&s->v, &s->q);
	igt_assert_eq(__userq_submit(&s->q), -EFAULT);
	/* whoever puts the queue on the engine all the same finds work */
	*s->q.bell = *(uint64_t *)s->q.wptr.cpu;
}

static const struct condition {
	const char *name;
	void (*make)(struct scene *s);
	bool gone;		/* there is no queue before memory is there again */
	bool busy;		/* work is lost by a reset, and does not let the machine sleep */
} conditions[] = {
	{ "idle", be_idle, false, false },
	{ "busy", be_busy, false, true },
	{ "dirty", be_dirty, false, false },
	{ "gone", be_gone, true, false },
};

static void need_root(void)
{
	igt_require_f(!geteuid(), "only root may do this\n");
}

static void recover(int fd)
{
	char result[32] = "";
	int file;

	need_root();
	file = igt_debugfs_open(fd, "amdgpu_gpu_recover", O_RDONLY);
	igt_require_f(file >= 0, "no amdgpu_gpu_recover in debugfs\n");
	igt_assert(read(file, result, sizeof(result) - 1) > 0);
	close(file);
	igt_assert_eq(atoi(result), 0);
}

/* how often the device has lost the contents of VRAM */
static uint32_t vram_lost(struct batch_gpu *gpu)
{
	uint32_t n;

	do_or_die(amdgpu_query_info(gpu->dev, AMDGPU_INFO_VRAM_LOST_COUNTER, sizeof(n), &n));
	return n;
}

static void reset(int fd, const struct condition *what, enum userq_kind kind)
{
	uint32_t lost;
	struct scene s;

	scene_init(&s, fd, &anon, true, BATCH_RW, kind);
	what->make(&s);
	lost = vram_lost(&s.gpu);
	recover(fd);
	lost = vram_lost(&s.gpu) - lost;

	if (what->busy) {
		int r = __userq_wait(&s.q, USERQ_TIMEOUT_NS);

		igt_assert_f(r && r != -ETIME, "the lost work ends with %d\n", r);
	}
	if (what->gone) {
		view_assert_unread(&s.v, &s.q);
		userq_destroy(&s.q);
		igt_assert_eq(__userq_create(&s.q), -EFAULT);
		view_change(&s.v, VIEW_REMAP, 1, NEXT + 1);
		igt_assert_eq(__userq_create(&s.q), 0);
	} else if (lost || what->busy) {
		queue_again(&s);
	}
	scene_works(&s, NEXT + 2);
	scene_fini(&s);
}

static void *recover_thread(void *data)
{
	recover(*(int *)data);
	return NULL;
}

/*
 * A reset takes queues off the engines in the order of their doorbells, a restore puts them
 * there in the order in which they were made: these are to meet in the middle.
 */
static void reset_restoring(int fd, enum userq_kind kind)
{
	struct userq others[31];
	pthread_t thread;
	struct scene s;
	int i;

	need_root();
	amd_engine_require("sdma.kernel");
	amd_engine_require("mes");
	scene_init(&s, fd, &anon, true, BATCH_RW, kind);
	for (i = 0; i < (int)ARRAY_SIZE(others); i++)
		userq_init(&others[i], &s.gpu, kind, BATCH_PAGE);
	userq_destroy(&s.q);
	for (i = 0; i < (int)ARRAY_SIZE(others); i++)
		userq_destroy(&others[i]);
	while (i--)
		igt_assert_eq(__userq_create(&others[i]), 0);
	igt_assert_eq(__userq_create(&s.q), 0);

	amd_engine_hold("sdma.kernel");
	/* one piece: the next one would wait for the restore, which waits for its page tables */
	view_change(&s.v, VIEW_DONTNEED, s.v.pieces->layout.num_ranges, NEXT);
	amd_engine_wait_held("sdma.kernel");
	amd_engine_hold("mes");
	amd_engine_release("sdma.kernel");
	/* now for the flush of the TLB, which a reset waits for too */
	amd_engine_wait_held("mes");
	igt_assert_eq(pthread_create(&thread, NULL, recover_thread, &fd), 0);
	/* nobody tells that it does; MES must not stand still for seconds */
	usleep(200000);
	amd_engine_release("mes");
	igt_assert_eq(pthread_join(thread, NULL), 0);

	for (i = 0; i < (int)ARRAY_SIZE(others); i++)
		userq_fini(&others[i]);
	queue_again(&s);
	scene_works(&s, NEXT + 1);
	scene_fini(&s);
}

static void sleep_with(int fd, enum igt_suspend_state state, enum igt_suspend_test test,
		       const struct condition *what, enum userq_kind kind)
{
	struct scene s;

	need_root();
	scene_init(&s, fd, &anon, true, BATCH_RW, kind);
	what->make(&s);
	/* also how long the kernel stays in a state that it only tests */
	igt_set_autoresume_delay(test == SUSPEND_TEST_NONE ? 5 : 1);
	igt_system_suspend_autoresume(state, test);
	if (what->gone) {
		/* waking up brings no memory back */
		igt_assert_eq(__userq_submit(&s.q), -EFAULT);
		view_assert_unread(&s.v, &s.q);
		view_change(&s.v, VIEW_REMAP, 1, NEXT + 1);
		/* what was in the ring may have begun before all of the new pattern was there */
		userq_submit(&s.q);
		userq_wait(&s.q);
		userq_assert_no_fault(&s.gpu);
	}
	scene_works(&s, NEXT + 2);
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
		igt_require_f(gpu.info.max_ranges, "kernel without GEM_USERPTR_BATCH\n");
	}

	for (k = 0; k < USERQ_KINDS; k++) {
		const char *kind = userq_kinds[k].name;

		for (i = 0; i < ARRAY_SIZE(hangs); i++) {
			igt_describe("Memory is given back by a queue that hangs");
			igt_subtest_f("hang-%s-%s", hangs[i].name, kind)
				hang(fd, &hangs[i], k);
		}
		for (i = 0; i < ARRAY_SIZE(conditions); i++) {
			igt_describe("Batches live through a reset, with user queues");
			igt_subtest_f("reset-%s-%s", conditions[i].name, kind)
				reset(fd, &conditions[i], k);
		}
		igt_describe("A reset and the restores of user queues do not meet");
		igt_subtest_f("reset-restoring-%s", kind)
			reset_restoring(fd, k);
	}

	for (i = 0; i < ARRAY_SIZE(conditions); i++) {
		if (conditions[i].busy)
			continue;
		for (k = 0; k < USERQ_KINDS; k++) {
			igt_describe("Batches and user queues live through a suspend of the devices");
			igt_subtest_f("sleep-devices-%s-%s", conditions[i].name, userq_kinds[k].name)
				sleep_with(fd, SUSPEND_STATE_FREEZE, SUSPEND_TEST_DEVICES,
					   &conditions[i], k);
		}
	}
	/* last: not every emulated machine is quite the same after S3 */
	for (i = 0; i < ARRAY_SIZE(conditions); i++) {
		if (conditions[i].busy)
			continue;
		igt_describe("Batches and user queues live through S3");
		igt_subtest_f("sleep-s3-%s", conditions[i].name)
			sleep_with(fd, SUSPEND_STATE_S3, SUSPEND_TEST_NONE, &conditions[i],
				   USERQ_COMPUTE);
	}

	igt_fixture() {
		batch_gpu_fini(&gpu);
		drm_close_driver(fd);
	}
}
