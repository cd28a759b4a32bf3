// SPDX-License-Identifier: MIT

/**
 * TEST: userptr batch inflight
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: Memory management tests
 * Functionality: userptr
 * Description: Memory of a batch userptr BO changes while a job that uses it is in
 *	flight, for certain: the engine is held at one of its packets. Needs a
 *	means to do that, see lib/amdgpu/amd_engine_control.h.
 */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "igt.h"
#include "lib/amdgpu/amd_engine_control.h"
#include "lib/amdgpu/amd_userptr_batch.h"
#include "lib/amdgpu/amd_userptr_batch_life.h"
#include "lib/amdgpu/amd_userptr_kinds.h"
#include "lib/amdgpu/amd_userptr_raw.h"

IGT_TEST_DESCRIPTION("Memory changes while a job that uses it is in flight");

/* the driver takes whichever of its SDMA rings it likes */
#define ENGINE "sdma.kernel"
/* part of the name of the function that waits for a job */
#define WAIT "dma_fence_"
#define HANG_SECONDS 120

/* seeds of the patterns, in the order in which a subtest uses them */
enum { OLD = 1, NEW, GPU_WRITTEN };

/* two packets of a copy, half of the ranges each */
static const struct batch_layout layout = { 32, 32, 0, 1, BATCH_ANON, BATCH_SHUFFLED };
#define HALF (layout.num_ranges / 2)

/*
 * Two processes, since all threads of one may have to wait for its mmap_lock:
 *
 *	child					parent
 *	makes the batch
 *				<--		holds the engine
 *	starts the job
 *				-->		waits until it is there
 *				<--
 *	lets some packets through
 *				-->
 *	changes its memory			sees it wait, releases the engine
 *				-->
 *	looks what came of it
 */
struct link {
	int fd[2];		/* the parent's end, the child's end */
};

static void link_init(struct link *link)
{
	do_or_die(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, link->fd));
}

/* Without it the end of the child would not be noticed. */
static void link_give(struct link *link)
{
	close(link->fd[1]);
}

static void link_fini(struct link *link)
{
	close(link->fd[0]);
}

static void tell(int fd, pid_t value)
{
	igt_assert_eq(send(fd, &value, sizeof(value), MSG_NOSIGNAL), sizeof(value));
}

static pid_t hear(int fd)
{
	pid_t value = 0;

	igt_assert_eq(recv(fd, &value, sizeof(value), MSG_WAITALL), sizeof(value));
	return value;
}

static bool something_said(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* Waits until the task sleeps in the function, and asserts that it does. */
static void check_blocked(const struct link *link, pid_t task, const char *where)
{
	while (!amd_task_blocked(task, where)) {
		igt_assert_f(!something_said(link->fd[0]), "it did not wait in %s*()\n", where);
		sched_yield();
	}
}

/* What becomes of the memory. */
struct change {
	const struct event *event;
	struct batch_pieces *pieces;
	unsigned int range;
	uint8_t *elsewhere;	/* room for the range at another address */
	uint32_t *seen;		/* contents that a child of it had right afterwards */
};

static void change_munmap(struct change *c, void *p, uint64_t size)
{
	do_or_die(munmap(p, size));
}

static void change_dontneed(struct change *c, void *p, uint64_t size)
{
	do_or_die(madvise(p, size, MADV_DONTNEED));
}

static void change_pageout(struct change *c, void *p, uint64_t size)
{
	do_or_die(madvise(p, size, MADV_PAGEOUT));
}

static void change_map_over(struct change *c, void *p, uint64_t size)
{
	igt_assert(mmap(p, size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p);
}

static void change_move(struct change *c, void *p, uint64_t size)
{
	igt_assert(mremap(p, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, c->elsewhere) ==
		   c->elsewhere);
}

static void change_protect(struct change *c, void *p, uint64_t size)
{
	do_or_die(mprotect(p, size, PROT_READ));
	do_or_die(mprotect(p, size, PROT_READ | PROT_WRITE));
}

/* The child has a copy of the memory of that moment, whatever the parent does then. */
static void change_fork_write(struct change *c, void *p, uint64_t size)
{
	int status = 1;
	pid_t pid = fork();

	if (!pid) {
		memcpy(c->seen, p, size);
		_exit(0);
	}
	igt_assert(pid > 0);
	batch_fill_words(p, size, c->pieces->offsets[c->range], NEW);
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert_eq(status, 0);
}

/*
 * Where the contents are afterwards that the range had when the event was over for the
 * GPU.
 */
enum where { GONE, IN_PLACE, ELSEWHERE, SEEN };

/**
 * SUBTEST: %s-%s-%s
 * Description: A process that does %arg[1] does not return while a copy by the GPU %arg[2]
 *	%arg[3]; the job finds the contents of before, and the next one those of after.
 *
 * arg[1]:
 *
 * @munmap:		munmap
 * @dontneed:		madvise(MADV_DONTNEED)
 * @pageout:		madvise(MADV_PAGEOUT)
 * @map-over:		mmap over it
 * @move:		mremap to another address
 * @protect:		mprotect away and back
 * @fork-write:		fork and a write
 *
 * arg[2]:
 *
 * @read:		reads the range
 * @write:		writes to the range
 *
 * arg[3]:
 *
 * @before:		and has not begun
 * @within-done:		and is done with the range, but not with others
 * @within-ahead:		and has begun, but not with the range
 */
static const struct event {
	const char *name;
	void (*apply)(struct change *c, void *p, uint64_t size);
	enum where where;
	bool swap;
} events[] = {
	{ "munmap", change_munmap, GONE, false },
	{ "dontneed", change_dontneed, GONE, false },
	{ "pageout", change_pageout, IN_PLACE, true },
	{ "map-over", change_map_over, GONE, false },
	{ "move", change_move, ELSEWHERE, false },
	{ "protect", change_protect, IN_PLACE, false },
	{ "fork-write", change_fork_write, SEEN, false },
};

static const struct direction {
	const char *name;
	bool gpu_writes;
} directions[] = {
	{ "read", false },
	{ "write", true },
};

static const struct moment {
	const char *name;
	unsigned int copies;	/* packets of the job that have been executed */
	unsigned int range;
} moments[] = {
	{ "before", 0, 3 },
	{ "within-done", 1, 3 },
	{ "within-ahead", 1, 32 - 3 },
};

static void apply(struct change *c)
{
	c->event->apply(c, batch_range_ptr(c->pieces, c->range),
			batch_range_size(c->pieces, c->range));
}

/* First word of the destination of the second packet, or of the first. */
static uint32_t *first_word(struct batch_owner *o, bool gpu_writes, unsigned int copy)
{
	unsigned int range = copy ? HALF : 0;

	if (gpu_writes)
		return batch_range_ptr(o->pieces, range);
	return (uint32_t *)((uint8_t *)o->gpu.staging.cpu + o->pieces->offsets[range]);
}

/*
 * In the child: starts a job that copies the BO's pattern to the staging buffer or another
 * one to the BO, and stops it behind so many of its copies.
 */
static void start_held(struct batch_owner *o, int link, bool gpu_writes, unsigned int copies)
{
	unsigned int i;

	memset(o->gpu.staging.cpu, 0xa5, o->bo.size);
	tell(link, getpid());
	hear(link);
	batch_owner_start(o, gpu_writes, GPU_WRITTEN, 1);
	tell(link, 0);
	hear(link);
	for (i = 0; i < copies; i++) {
		volatile uint32_t *word = first_word(o, gpu_writes, i);
		uint32_t before = *word;

		/* how many packets of its own the driver puts before them is its affair */
		while (*word == before) {
			igt_assert(batch_running(&o->gpu, o->fence));
			amd_engine_step(ENGINE, 1);
		}
	}
	/* and not one more */
	if (!gpu_writes)
		igt_assert_eq_u32(*first_word(o, gpu_writes, copies), 0xa5a5a5a5);
	igt_assert(batch_running(&o->gpu, o->fence));
	tell(link, 0);
}

/* In the parent, meanwhile. Returns: the child. */
static pid_t let_start_held(const struct link *link)
{
	pid_t child = hear(link->fd[0]);

	amd_engine_hold(ENGINE);
	tell(link->fd[0], 0);
	hear(link->fd[0]);
	amd_engine_wait_held(ENGINE);
	tell(link->fd[0], 0);
	hear(link->fd[0]);
	return child;
}

/* What the range contained when the event had waited for the GPU. */
static void check_left(const struct change *c, uint32_t seed)
{
	uint64_t offset = c->pieces->offsets[c->range];
	uint64_t size = batch_range_size(c->pieces, c->range);

	switch (c->event->where) {
	case GONE:
		break;
	case IN_PLACE:
		batch_check_range(c->pieces, c->range, seed);
		break;
	case ELSEWHERE:
		batch_check_words(c->elsewhere, size, offset, seed, "moved");
		break;
	case SEEN:
		batch_check_words(c->seen, size, offset, seed, "the child's copy");
		batch_check_range(c->pieces, c->range, NEW);
		break;
	}
}

static void child_inflight(int fd, int link, const struct event *event, bool gpu_writes,
			   const struct moment *moment)
{
	struct change c = { .event = event, .range = moment->range };
	struct batch_owner o;
	unsigned int i;
	uint64_t size;

	batch_owner_init(&o, fd, &layout, OLD);
	c.pieces = o.pieces;
	size = batch_range_size(o.pieces, c.range);
	c.elsewhere = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	c.seen = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	igt_assert(c.elsewhere != MAP_FAILED && c.seen != MAP_FAILED);

	start_held(&o, link, gpu_writes, moment->copies);
	apply(&c);
	igt_assert_f(!batch_running(&o.gpu, o.fence), "the GPU still uses the memory\n");
	tell(link, 0);

	/* the job */
	igt_assert_eq(__batch_wait(&o.gpu, o.fence), 0);
	if (gpu_writes) {
		for (i = 0; i < layout.num_ranges; i++)
			if (i != c.range)
				batch_check_range(o.pieces, i, GPU_WRITTEN);
	} else {
		batch_check_words(o.gpu.staging.cpu, o.bo.size, 0, OLD, "GPU");
	}
	check_left(&c, gpu_writes ? GPU_WRITTEN : OLD);

	/* the next one */
	if (event->where == GONE || event->where == ELSEWHERE)
		batch_pieces_place(o.pieces, c.range);
	batch_fill(o.pieces, NEW);
	batch_read_check(&o.gpu, &o.bo, NEW);
	batch_write_check(&o.gpu, &o.bo, o.pieces, OLD);
	batch_owner_fini(&o);
}

static void require_all(void)
{
	amd_engine_require(ENGINE);
	amd_task_require();
}

static void inflight(int fd, const struct event *event, const struct direction *direction,
		     const struct moment *moment)
{
	struct batch_left left;
	struct batch_gpu gpu;
	struct link link;
	pid_t task;

	require_all();
	igt_require_f(!event->swap || kinds_have_swap(), "no swap\n");
	batch_gpu_init(&gpu, fd, BATCH_PAGE);
	batch_left_begin(&gpu, &left);
	link_init(&link);
	igt_set_timeout(HANG_SECONDS, "a change of memory in flight");
	igt_fork(child, 1)
		child_inflight(fd, link.fd[1], event, direction->gpu_writes, moment);
	link_give(&link);
	task = let_start_held(&link);
	check_blocked(&link, task, WAIT);
	amd_engine_release(ENGINE);
	igt_waitchildren();
	igt_reset_timeout();
	link_fini(&link);
	batch_left_check(&gpu, &left);
	batch_gpu_fini(&gpu);
}

/**
 * SUBTEST: others
 * Description: While a process waits for a job, memory of a batch of another one changes
 *	without waiting, and batches are made and destroyed.
 */
static void child_others(int fd, int link)
{
	struct change c = { .event = &events[1], .range = 3 };
	struct batch_owner o;

	batch_owner_init(&o, fd, &layout, OLD);
	c.pieces = o.pieces;
	start_held(&o, link, false, 0);
	apply(&c);
	tell(link, 0);
	igt_assert_eq(__batch_wait(&o.gpu, o.fence), 0);
	batch_check_words(o.gpu.staging.cpu, o.bo.size, 0, OLD, "GPU");
	batch_owner_fini(&o);
}

static void others(int fd)
{
	static const struct batch_layout small = { 4, 4, 0, 1, BATCH_ANON, BATCH_SHUFFLED };
	struct batch_owner idle;
	struct batch_bo bo;
	struct link link;
	pid_t task;

	require_all();
	batch_owner_init(&idle, fd, &small, OLD);
	link_init(&link);
	igt_set_timeout(HANG_SECONDS, "a change of memory that no job uses");
	igt_fork(child, 1)
		child_others(fd, link.fd[1]);
	link_give(&link);
	task = let_start_held(&link);
	check_blocked(&link, task, WAIT);

	/* each of these returns although the engine is held */
	do_or_die(madvise(batch_range_ptr(idle.pieces, 1), batch_range_size(idle.pieces, 1),
			  MADV_DONTNEED));
	batch_create(&idle.gpu, idle.pieces, BATCH_RW, &bo);
	batch_destroy(&idle.gpu, &bo);
	check_blocked(&link, task, WAIT);

	amd_engine_release(ENGINE);
	igt_waitchildren();
	igt_reset_timeout();
	link_fini(&link);
	batch_owner_fini(&idle);
}

/**
 * SUBTEST: submission-waits
 * Description: A submission that needs a range which an event is taking away waits for
 *	that event, and thereby for the job in flight, and then finds what came after.
 */
struct submission {
	struct batch_owner *o;
	struct batch_gpu gpu;
	int link;
	int error;
};

static void *submit(void *data)
{
	struct submission *s = data;

	/* the first word of the staging buffer is still what memset() left there */
	tell(s->link, syscall(SYS_gettid));
	hear(s->link);
	s->error = __batch_read(&s->gpu, &s->o->bo);
	return NULL;
}

static void child_submission(int fd, int link)
{
	struct change c = { .event = &events[1], .range = 3 };
	struct submission s = { .link = link };
	struct batch_owner o;
	const uint32_t *w;
	pthread_t thread;
	uint64_t i;

	batch_owner_init(&o, fd, &layout, OLD);
	c.pieces = o.pieces;
	s.o = &o;
	s.gpu = o.gpu;
	do_or_die(amdgpu_cs_ctx_create(s.gpu.dev, &s.gpu.ctx));
	batch_buffer_init(&s.gpu, &s.gpu.ib, o.gpu.ib.size);
	batch_buffer_init(&s.gpu, &s.gpu.staging, o.bo.size);
	/* maps both, and the pages of the buffer are there */
	batch_read_check(&s.gpu, &o.bo, OLD);

	start_held(&o, link, false, 0);
	do_or_die(pthread_create(&thread, NULL, submit, &s));
	apply(&c);
	do_or_die(pthread_join(thread, NULL));
	tell(link, 0);
	igt_assert_eq(s.error, 0);
	igt_assert_eq(__batch_wait(&o.gpu, o.fence), 0);

	batch_check_words(o.gpu.staging.cpu, o.bo.size, 0, OLD, "first job");
	w = (const uint32_t *)((uint8_t *)s.gpu.staging.cpu + o.pieces->offsets[c.range]);
	for (i = 0; i < batch_range_size(o.pieces, c.range) / 4; i++)
		igt_assert_eq_u32(w[i], 0);

	batch_buffer_fini(&s.gpu.staging);
	batch_buffer_fini(&s.gpu.ib);
	do_or_die(amdgpu_cs_ctx_free(s.gpu.ctx));
	batch_owner_fini(&o);
}

static void submission_waits(int fd)
{
	struct link link;
	pid_t task, thread;

	require_all();
	link_init(&link);
	igt_set_timeout(HANG_SECONDS, "a submission during an event");
	igt_fork(child, 1)
		child_submission(fd, link.fd[1]);
	link_give(&link);
	task = let_start_held(&link);
	thread = hear(link.fd[0]);
	check_blocked(&link, task, WAIT);
	tell(link.fd[0], 0);
	check_blocked(&link, thread, "mmu_interval_read_begin");
	check_blocked(&link, task, WAIT);
	amd_engine_release(ENGINE);
	igt_waitchildren();
	igt_reset_timeout();
	link_fini(&link);
}

/**
 * SUBTEST: unlisted-%s
 * Description: Memory of a batch has been taken away. A job that does not list the batch,
 *	%arg[1], could use the entries of that memory all the same: it does not begin
 *	before they are cleared, which the SDMA engine does.
 *
 * arg[1]:
 *
 * @gfx:			on the graphics ring
 * @compute:			on a compute ring
 */
static const struct unlisted {
	const char *name;
	uint32_t ip;
} unlisted[] = {
	{ "gfx", AMDGPU_HW_IP_GFX },
	{ "compute", AMDGPU_HW_IP_COMPUTE },
};

/**
 * SUBTEST: unmapped-%s
 * Description: The same when the batch was unmapped before, %arg[1], and its entries were
 *	left for later by AMDGPU_VM_DELAY_UPDATE.
 *
 * arg[1]:
 *
 * @gfx:			and the next job is on the graphics ring
 * @compute:			and the next job is on a compute ring
 */

/* What begins too early is done much sooner; what does not makes the test this long. */
#define EARLY_NS (1000ull * 1000 * 1000)
#define LATE_NS (60 * EARLY_NS)

static void unlisted_waits(int fd, uint32_t ip, bool unmap)
{
	static const struct batch_layout small = { 4, 4, 0, 1, BATCH_ANON, BATCH_SHUFFLED };
	struct batch_owner o;
	struct raw raw;
	uint64_t fence;

	amd_engine_require(ENGINE);
	batch_owner_init(&o, fd, &small, OLD);
	raw_init(&raw, &o.gpu);
	/* the ring works, and nothing is left to do for the jobs' own buffers */
	igt_assert_eq(raw_submit_nop(&raw, &o.bo, ip, &fence), 0);
	igt_assert_eq(raw_wait(&raw, ip, fence, LATE_NS), 0);
	batch_read_check(&o.gpu, &o.bo, OLD);

	if (unmap)
		igt_assert_eq(__batch_va(o.gpu.fd, o.bo.handle, AMDGPU_VA_OP_UNMAP, o.bo.va, 0,
					 o.bo.size, AMDGPU_VM_DELAY_UPDATE), 0);
	do_or_die(madvise(batch_range_ptr(o.pieces, 1), batch_range_size(o.pieces, 1),
			  MADV_DONTNEED));
	igt_set_timeout(HANG_SECONDS, "a job that does not list the batch");
	amd_engine_hold(ENGINE);
	igt_assert_eq(raw_submit_nop(&raw, NULL, ip, &fence), 0);
	igt_assert_eq(raw_wait(&raw, ip, fence, EARLY_NS), -ETIME);
	amd_engine_release(ENGINE);
	igt_assert_eq(raw_wait(&raw, ip, fence, LATE_NS), 0);
	igt_reset_timeout();

	if (unmap)
		igt_assert_eq(__batch_va(o.gpu.fd, o.bo.handle, AMDGPU_VA_OP_MAP, o.bo.va, 0, o.bo.size,
					 AMDGPU_VM_PAGE_READABLE | AMDGPU_VM_PAGE_WRITEABLE), 0);
	batch_fill(o.pieces, NEW);
	batch_read_check(&o.gpu, &o.bo, NEW);
	raw_fini(&raw);
	batch_owner_fini(&o);
}

/**
 * SUBTEST: killed-%s
 * Description: A process that shares its memory, but no files, with another one is killed
 *	while a job is in flight that uses %arg[1] without listing it. The memory stays
 *	until the job is done: the other process waits when it gives it back.
 *
 * arg[1]:
 *
 * @batch:			a batch
 * @userptr:			a userptr BO
 */
struct killed {
	int fd;
	bool batch;
	struct batch_pieces *pieces;
	int working;
	/* the thread that gives the memory back */
	int go;
	int tid;
	int done;
};

static int killed_main(void *data)
{
	struct killed *k = data;
	struct drm_amdgpu_gem_userptr args = {
		.addr = k->pieces->ranges[0].addr,
		.size = k->pieces->size,
		.flags = BATCH_RW,
	};
	struct batch_bo bo = { .size = k->pieces->size };
	struct batch_gpu gpu;
	uint64_t fence;

	batch_gpu_init(&gpu, drm_reopen_driver(k->fd), k->pieces->size);
	if (k->batch) {
		batch_create(&gpu, k->pieces, BATCH_RW, &bo);
	} else {
		do_ioctl(gpu.fd, DRM_IOCTL_AMDGPU_GEM_USERPTR, &args);
		bo.handle = args.handle;
	}
	batch_map(&gpu, &bo);
	batch_read_check(&gpu, &bo, OLD);
	amd_engine_hold(ENGINE);
	igt_assert_eq(__batch_submit(&gpu, NULL, bo.va, gpu.staging.va, bo.size, 1, &fence), 0);
	amd_engine_wait_held(ENGINE);
	__atomic_store_n(&k->working, 1, __ATOMIC_RELEASE);
	for (;;)
		pause();
	return 0;
}

static void *give_back(void *data)
{
	struct killed *k = data;

	while (!__atomic_load_n(&k->go, __ATOMIC_ACQUIRE))
		usleep(1000);
	__atomic_store_n(&k->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	do_or_die(munmap(batch_range_ptr(k->pieces, 0), batch_range_size(k->pieces, 0)));
	__atomic_store_n(&k->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void killed(int fd, bool batch)
{
	static const struct batch_layout one = { 1, 16, 0, 1, BATCH_ANON, BATCH_ASCENDING };
	const size_t size = 1 << 20;
	struct killed k = { .fd = fd, .batch = batch };
	void *stack = malloc(size);
	bool exited = false, blocked = false;
	pthread_t thread;
	int i, tid;
	pid_t pid;

	amd_engine_require(ENGINE);
	igt_assert(stack);
	k.pieces = batch_pieces_alloc(&one);
	batch_fill(k.pieces, OLD);
	do_or_die(pthread_create(&thread, NULL, give_back, &k));
	igt_set_timeout(HANG_SECONDS, "a process that is killed");
	pid = clone(killed_main, (char *)stack + size, CLONE_VM | SIGCHLD, &k);
	igt_assert(pid > 0);
	while (!__atomic_load_n(&k.working, __ATOMIC_ACQUIRE)) {
		igt_assert_eq(waitpid(pid, NULL, WNOHANG), 0);
		usleep(1000);
	}
	do_or_die(kill(pid, SIGKILL));
	/* it has closed its file then, or is about to, if the job is waited for */
	for (i = 0; i < 5000 && !exited && !amd_task_blocked(pid, WAIT); i++) {
		exited = waitpid(pid, NULL, WNOHANG) == pid;
		usleep(1000);
	}

	__atomic_store_n(&k.go, 1, __ATOMIC_RELEASE);
	do {
		usleep(1000);
		tid = __atomic_load_n(&k.tid, __ATOMIC_ACQUIRE);
		blocked = tid && amd_task_blocked(tid, WAIT);
	} while (!blocked && !__atomic_load_n(&k.done, __ATOMIC_ACQUIRE));
	amd_engine_release(ENGINE);
	do_or_die(pthread_join(thread, NULL));
	if (!exited)
		igt_assert_eq(waitpid(pid, NULL, 0), pid);
	igt_reset_timeout();
	igt_assert_f(blocked, "the memory was given back while a job used it\n");
	batch_pieces_free(k.pieces);
	free(stack);
}

int igt_main()
{
	unsigned int e, d, m;
	int fd = -1;

	igt_fixture()
		fd = drm_open_driver_render(DRIVER_AMDGPU);

	for (e = 0; e < ARRAY_SIZE(events); e++)
		for (d = 0; d < ARRAY_SIZE(directions); d++)
			for (m = 0; m < ARRAY_SIZE(moments); m++)
				igt_subtest_f("%s-%s-%s", events[e].name, directions[d].name,
					      moments[m].name)
					inflight(fd, &events[e], &directions[d], &moments[m]);

	igt_subtest("others")
		others(fd);

	igt_subtest("submission-waits")
		submission_waits(fd);

	for (e = 0; e < ARRAY_SIZE(unlisted); e++)
		igt_subtest_f("unlisted-%s", unlisted[e].name)
			unlisted_waits(fd, unlisted[e].ip, false);

	for (e = 0; e < ARRAY_SIZE(unlisted); e++)
		igt_subtest_f("unmapped-%s", unlisted[e].name)
			unlisted_waits(fd, unlisted[e].ip, true);

	for (e = 0; e < 2; e++)
		igt_subtest_f("killed-%s", e ? "userptr" : "batch")
			killed(fd, !e);

	igt_fixture()
		drm_close_driver(fd);
}
