// SPDX-License-Identifier: MIT

/**
 * TEST: userptr batch userq race
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: Memory management tests
 * Functionality: userptr
 * Description: User queues, batch userptr BOs and changes of CPU memory in several
 *	threads and processes at once
 */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "lib/amdgpu/amd_userptr_batch_life.h"
#include "lib/amdgpu/amd_userptr_view.h"

IGT_TEST_DESCRIPTION("Memory of batch userptr BOs changes, and BOs, queues and processes "
		     "come and go, while user queues work");

/* seeds of the patterns; every next step of a subtest has the next seed */
enum { OLD = SCENE_SEED, NEXT };

static const struct batch_layout anon = { 64, 2, 0, 1, BATCH_ANON, BATCH_SHUFFLED };
static const struct batch_layout adjacent = { 64, 2, 0, 0, BATCH_ANON, BATCH_SHUFFLED };
static const struct batch_layout mixed = { 64, 2, 1, 1, BATCH_MIXED, BATCH_SHUFFLED };

/**
 * SUBTEST: storm-%s-%s
 * Description: A thread takes every second range away all the time, by %arg[1], while a
 *	%arg[2] queue reads: it gets on, and never sees what was before.
 *
 * arg[1]:
 *
 * @dontneed:			madvise(MADV_DONTNEED)
 * @map-over:			a new mapping over the old one
 * @adjacent:			madvise(MADV_DONTNEED), ranges without a gap
 *
 * arg[2]:
 *
 * @gfx:			graphics
 * @compute:			compute
 * @sdma:			SDMA
 */
static const struct storm {
	const char *name;
	const struct view_change *change;
	const struct batch_layout *layout;
} storms[] = {
	{ "dontneed", VIEW_DONTNEED, &anon },
	{ "map-over", VIEW_MAP_OVER, &anon },
	{ "adjacent", VIEW_DONTNEED, &adjacent },
};

static void storm(int fd, const struct storm *what, enum userq_kind kind)
{
	struct scene s;

	scene_init(&s, fd, what->layout, true, BATCH_RW, kind);
	scene_storm(&s, what->change);
	scene_fini(&s);
}

/**
 * SUBTEST: threads
 * Description: A queue of each kind and a batch for each, in threads that share a file:
 *	what happens to the memory of one evicts the queues of all.
 */
#define ROUNDS 8

struct worker {
	struct userq q;
	struct view v;
	unsigned int number;
	pthread_t thread;
};

/*
 * No moment without memory: that would stop the queues of everybody in the address
 * space, with an error.
 */
static void work(struct view *v, struct userq *q, unsigned int first)
{
	static const struct view_change * const changes[] = {
		VIEW_DONTNEED, VIEW_MAP_OVER, VIEW_SPAN,
	};
	uint32_t seed = NEXT;
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		view_change(v, changes[(first + i) % ARRAY_SIZE(changes)], 1 + i % 3, seed++);
		view_read(v, q);
		view_write(v, q, seed++);
	}
}

static void *work_thread(void *data)
{
	struct worker *w = data;

	work(&w->v, &w->q, w->number);
	return NULL;
}

static void threads(int fd)
{
	struct worker w[USERQ_KINDS];
	struct batch_gpu gpu;
	unsigned int n = 0, i;

	userq_file_init(&gpu, fd);
	for (i = 0; i < USERQ_KINDS; i++) {
		if (!userq_supported(&gpu, i))
			continue;
		w[n].number = i;
		view_init(&w[n].v, &gpu, &anon, true, BATCH_RW, OLD);
		userq_init(&w[n].q, &gpu, i, w[n].v.pieces->size);
		view_create(&w[n].v);
		n++;
	}
	igt_require_f(n, "no user queues\n");
	for (i = 0; i < n; i++)
		igt_assert_eq(pthread_create(&w[i].thread, NULL, work_thread, &w[i]), 0);
	for (i = 0; i < n; i++)
		igt_assert_eq(pthread_join(w[i].thread, NULL), 0);
	for (i = 0; i < n; i++) {
		userq_fini(&w[i].q);
		view_fini(&w[i].v);
	}
	userq_file_fini(&gpu);
}

/**
 * SUBTEST: processes-%s
 * Description: Two processes with a file, a batch and a %arg[1] queue each.
 *
 * arg[1]:
 *
 * @gfx:			graphics
 * @compute:			compute
 * @sdma:			SDMA
 */
static void processes(struct batch_gpu *test, enum userq_kind kind)
{
	struct batch_left left;

	userq_require(test, kind);
	batch_left_begin(test, &left);
	igt_fork(child, 2) {
		struct scene s;

		scene_init(&s, test->fd, &mixed, true, BATCH_RW, kind);
		work(&s.v, &s.q, child);
		scene_fini(&s);
	}
	igt_waitchildren();
	batch_left_check(test, &left);
}

/**
 * SUBTEST: churn-%s
 * Description: A thread makes, maps, changes and closes batches all the time in the address
 *	space in which a %arg[1] queue works.
 *
 * arg[1]:
 *
 * @gfx:			graphics
 * @compute:			compute
 * @sdma:			SDMA
 */
struct churn {
	struct batch_gpu *gpu;
	pthread_t thread;
	int stop;
};

static void *churn_thread(void *data)
{
	struct churn *c = data;
	struct view v;

	view_init(&v, c->gpu, &mixed, true, BATCH_RW, OLD);
	while (!__atomic_load_n(&c->stop, __ATOMIC_ACQUIRE)) {
		view_create(&v);
		view_change(&v, VIEW_MAP_OVER, 3, NEXT);
		view_destroy(&v);
	}
	view_fini(&v);
	return NULL;
}

static void churn(int fd, enum userq_kind kind)
{
	struct churn c = {};
	struct scene s;

	scene_init(&s, fd, &anon, true, BATCH_RW, kind);
	c.gpu = &s.gpu;
	igt_assert_eq(pthread_create(&c.thread, NULL, churn_thread, &c), 0);
	work(&s.v, &s.q, 0);
	__atomic_store_n(&c.stop, 1, __ATOMIC_RELEASE);
	igt_assert_eq(pthread_join(c.thread, NULL), 0);
	view_read(&s.v, &s.q);
	scene_fini(&s);
}

/**
 * SUBTEST: queues-%s
 * Description: A thread makes and destroys %arg[1] queues all the time in the address space
 *	in which another queue of that kind works.
 *
 * arg[1]:
 *
 * @gfx:			graphics
 * @compute:			compute
 * @sdma:			SDMA
 */
struct maker {
	struct userq q;
	pthread_t thread;
	int stop;
};

static void *maker_thread(void *data)
{
	struct maker *m = data;

	while (!__atomic_load_n(&m->stop, __ATOMIC_ACQUIRE)) {
		int r = __userq_create(&m->q);

		if (r == -EBUSY)
			continue;
		igt_assert_eq(r, 0);
		userq_copy(&m->q, m->q.staging.va, m->q.gate.va, BATCH_PAGE);
		userq_destroy(&m->q);
	}
	return NULL;
}

static void queues(int fd, enum userq_kind kind)
{
	struct maker m = {};
	struct scene s;

	scene_init(&s, fd, &anon, true, BATCH_RW, kind);
	userq_prepare(&m.q, &s.gpu, kind, BATCH_PAGE);
	igt_assert_eq(pthread_create(&m.thread, NULL, maker_thread, &m), 0);
	work(&s.v, &s.q, 0);
	__atomic_store_n(&m.stop, 1, __ATOMIC_RELEASE);
	igt_assert_eq(pthread_join(m.thread, NULL), 0);
	userq_fini(&m.q);
	view_read(&s.v, &s.q);
	scene_fini(&s);
}

/**
 * SUBTEST: end-busy-%s-%s
 * Description: A process %arg[1] while its %arg[2] queue writes to its memory: it is not
 *	over before the GPU is, and leaves nothing behind.
 *
 * arg[1]:
 *
 * @exit:			exits
 * @kill:			is killed
 *
 * arg[2]:
 *
 * @gfx:			graphics
 * @compute:			compute
 * @sdma:			SDMA
 */

/* A gate that somebody else can open: a userptr BO of memory that is shared with him. */
static void share_gate(struct scene *s, uint32_t *gate)
{
	struct drm_amdgpu_gem_userptr args = {
		.addr = (uintptr_t)gate,
		.size = BATCH_PAGE,
		.flags = BATCH_RW,
	};
	amdgpu_va_handle va_handle;

	do_ioctl(s->gpu.fd, DRM_IOCTL_AMDGPU_GEM_USERPTR, &args);
	do_or_die(amdgpu_va_range_alloc(s->gpu.dev, amdgpu_gpu_va_range_general, BATCH_PAGE,
					BATCH_PAGE, 0, &s->q.gate_va, &va_handle, 0));
	igt_assert_eq(__batch_va(s->gpu.fd, args.handle, AMDGPU_VA_OP_MAP, s->q.gate_va, 0,
				 BATCH_PAGE, AMDGPU_VM_PAGE_READABLE | AMDGPU_VM_MTYPE_UC), 0);
	userq_settle(&s->gpu);
	s->q.gate_cpu = gate;
}

/* Waits until the process waits in the kernel for what no signal ends. */
static void process_blocks(pid_t pid)
{
	char path[64], state = 0;
	int tries;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	for (tries = 0; tries < 3000 && state != 'D'; tries++) {
		FILE *f;

		usleep(10000);
		f = fopen(path, "r");
		igt_assert_f(f, "the process has gone while the GPU works for it\n");
		if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
			state = 0;
		fclose(f);
		igt_assert_f(state != 'Z', "the process has ended while the GPU works for it\n");
	}
	igt_assert_f(state == 'D', "the process is in state '%c'\n", state ? state : '?');
}

static void end_busy(struct batch_gpu *test, bool killed, enum userq_kind kind)
{
	struct batch_left left;
	uint32_t *gate;
	int ready[2];
	pid_t pid;

	userq_require(test, kind);
	batch_left_begin(test, &left);
	gate = mmap(NULL, BATCH_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	igt_assert(gate != MAP_FAILED);
	*gate = 0;
	do_or_die(pipe(ready));
	igt_fork(child, 1) {
		struct scene s;

		pid = getpid();
		scene_init(&s, test->fd, &mixed, true, BATCH_RW, kind);
		share_gate(&s, gate);
		userq_emit_gate(&s.q);
		view_emit_write(&s.v, &s.q, NEXT);
		userq_submit(&s.q);
		igt_assert_eq(write(ready[1], &pid, sizeof(pid)), sizeof(pid));
		if (killed)
			kill(pid, SIGKILL);
		_exit(0);
	}
	close(ready[1]);
	igt_assert_eq(read(ready[0], &pid, sizeof(pid)), sizeof(pid));
	close(ready[0]);
	process_blocks(pid);
	__atomic_store_n(gate, 1, __ATOMIC_RELEASE);
	igt_assert_eq(__igt_waitchildren(), killed ? 128 + SIGKILL : 0);
	munmap(gate, BATCH_PAGE);
	batch_left_check(test, &left);
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

		for (i = 0; i < ARRAY_SIZE(storms); i++) {
			igt_describe("Memory goes all the time while a user queue reads it");
			igt_subtest_f("storm-%s-%s", storms[i].name, kind)
				storm(fd, &storms[i], k);
		}
		igt_describe("Two processes");
		igt_subtest_f("processes-%s", kind)
			processes(&gpu, k);
		igt_describe("Batches come and go while a user queue works");
		igt_subtest_f("churn-%s", kind)
			churn(fd, k);
		igt_describe("User queues come and go while another one works");
		igt_subtest_f("queues-%s", kind)
			queues(fd, k);
		for (i = 0; i < 2; i++) {
			igt_describe("A process ends while its user queue works");
			igt_subtest_f("end-busy-%s-%s", i ? "kill" : "exit", kind)
				end_busy(&gpu, i, k);
		}
	}

	igt_describe("Threads that share a file");
	igt_subtest("threads")
		threads(fd);

	igt_fixture() {
		batch_gpu_fini(&gpu);
		drm_close_driver(fd);
	}
}
