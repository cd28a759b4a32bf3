// SPDX-License-Identifier: MIT

/**
 * TEST: userptr batch life
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: Memory management tests
 * Functionality: userptr
 * Description: How batch userptr BOs end, and who may use them: processes that
 *	fork, execute, exit or are killed, and everything a BO consists of in any
 *	order. Nothing is left behind.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "igt.h"
#include "lib/amdgpu/amd_userptr_batch_life.h"
#include "lib/amdgpu/amd_userptr_raw.h"

IGT_TEST_DESCRIPTION("Batch userptr BOs end with the process, the file, the handle "
		     "or the memory, in any order, and belong to one process only");

#define STAGING_SIZE (8ull << 20)

/* tells the program that it has been executed anew, by which file and handle */
#define AFTER_EXEC "USERPTR_BATCH_AFTER_EXEC"

/* seeds of the patterns, in the order in which a subtest uses them */
enum { OLD = 1, NEW, GPU_WRITTEN };

/* memory of each kind, and enough of it to keep the GPU busy */
static const struct batch_layout mixed = { 64, 4, 0, 1, BATCH_MIXED, BATCH_SHUFFLED };
static const struct batch_layout large = { 256, 4, 0, 1, BATCH_ANON, BATCH_SHUFFLED };

/* how long a job is, in copies of the memory, until the GPU is caught at work */
#define REPEAT_MIN 16
#define REPEAT_MAX 1024

static void send_char(int fd, char c)
{
	igt_assert_eq(write(fd, &c, 1), 1);
}

/* Returns: the character, 0 when the other side has gone. */
static char receive_char(int fd)
{
	char c = 0;

	return read(fd, &c, 1) == 1 ? c : 0;
}

static void take_away(struct batch_pieces *pieces)
{
	unsigned int i;

	for (i = 0; i < pieces->layout.num_ranges; i++)
		do_or_die(munmap(batch_range_ptr(pieces, i), batch_range_size(pieces, i)));
}

/* Other memory at the same addresses. */
static void replace(struct batch_pieces *pieces)
{
	unsigned int i;

	take_away(pieces);
	for (i = 0; i < pieces->layout.num_ranges; i++)
		batch_pieces_place(pieces, i);
	batch_fill(pieces, NEW);
}

/* Returns: what a submission of @handle says; no GPU address is used. */
static int try_submit(struct batch_gpu *gpu, uint32_t handle)
{
	const struct batch_bo bo = { .handle = handle };
	uint64_t fence;
	int r;

	r = __batch_submit(gpu, &bo, gpu->staging.va, gpu->staging.va + BATCH_PAGE,
			   BATCH_PAGE, 1, &fence);
	if (!r)
		igt_assert_eq(__batch_wait(gpu, fence), 0);
	return r;
}

/**
 * SUBTEST: end-%s-%s
 * Description: A process that ends with batches leaves nothing in the kernel; it
 *	%arg[1] while the batch %arg[2].
 *
 * arg[1]:
 *
 * @exit:			exits
 * @kill:			is killed
 * @kill-threads:		is killed while a thread submits and waits
 * @exec:			executes another program
 *
 * arg[2]:
 *
 * @idle:			is idle
 * @unused:			has never been used by the GPU
 * @dirty:			has been invalidated
 * @gone:			has lost its memory
 * @closed:			has lost its handle
 * @many:			is one of many of the same memory
 * @reading:			is read by the GPU
 * @writing:			is written by the GPU
 */
static void *submit_for_ever(void *data)
{
	struct batch_owner *o = data;
	struct batch_gpu gpu;

	/* buffers of its own, in the same file */
	batch_gpu_init_beside(&gpu, o->fd, o->pieces->size);
	for (;;)
		__batch_read(&gpu, &o->bo);
	return NULL;
}

static void end_exit(struct batch_owner *o) { exit(0); }
static void end_kill(struct batch_owner *o) { kill(getpid(), SIGKILL); }

static void end_kill_threads(struct batch_owner *o)
{
	pthread_t thread;

	igt_assert_eq(pthread_create(&thread, NULL, submit_for_ever, o), 0);
	usleep(50000);
	kill(getpid(), SIGKILL);
}

static void end_exec(struct batch_owner *o)
{
	do_or_die(fcntl(o->fd, F_SETFD, FD_CLOEXEC));
	execlp("true", "true", NULL);
	igt_assert_f(false, "execlp: %s\n", strerror(errno));
}

static const struct ending {
	const char *name;
	void (*end)(struct batch_owner *o);
	int status;		/* as __igt_waitchildren() tells it */
} endings[] = {
	{ "exit", end_exit, 0 },
	{ "kill", end_kill, 128 + SIGKILL },
	{ "kill-threads", end_kill_threads, 128 + SIGKILL },
	{ "exec", end_exec, 0 },
};

static void be_idle(struct batch_owner *o, unsigned int repeat) { }

static void be_unused(struct batch_owner *o, unsigned int repeat)
{
	batch_destroy(&o->gpu, &o->bo);
	batch_create(&o->gpu, o->pieces, BATCH_RW, &o->bo);
	batch_map(&o->gpu, &o->bo);
}

static void be_dirty(struct batch_owner *o, unsigned int repeat) { replace(o->pieces); }
static void be_gone(struct batch_owner *o, unsigned int repeat) { take_away(o->pieces); }

static void be_closed(struct batch_owner *o, unsigned int repeat)
{
	batch_owner_start(o, true, GPU_WRITTEN, repeat);
	do_or_die(drmCloseBufferHandle(o->fd, o->bo.handle));
	/* the number may be another BO's soon */
	o->bo.handle = 0;
}

static void be_many(struct batch_owner *o, unsigned int repeat)
{
	struct batch_bo bo;
	int i;

	for (i = 0; i < 8; i++) {
		batch_create(&o->gpu, o->pieces, BATCH_RW, &bo);
		batch_map(&o->gpu, &bo);
		batch_read_check(&o->gpu, &bo, OLD);
	}
}

static void be_reading(struct batch_owner *o, unsigned int repeat)
{
	batch_owner_start(o, false, 0, repeat);
}

static void be_writing(struct batch_owner *o, unsigned int repeat)
{
	batch_owner_start(o, true, GPU_WRITTEN, repeat);
}

static const struct condition {
	const char *name;
	void (*make)(struct batch_owner *o, unsigned int repeat);
} conditions[] = {
	{ "idle", be_idle },
	{ "unused", be_unused },
	{ "dirty", be_dirty },
	{ "gone", be_gone },
	{ "closed", be_closed },
	{ "many", be_many },
	{ "reading", be_reading },
	{ "writing", be_writing },
};

/* Returns: whether the GPU had to be at work and was not. */
static bool end_once(struct batch_gpu *gpu, const struct ending *how,
		     const struct condition *what, unsigned int repeat)
{
	int report[2];
	char said;

	do_or_die(pipe(report));
	igt_fork(child, 1) {
		struct batch_owner o;
		bool idle;

		batch_owner_init(&o, gpu->fd, &large, OLD);
		what->make(&o, repeat);
		idle = o.fence && !batch_running(&o.gpu, o.fence);
		send_char(report[1], idle ? 'i' : 'r');
		how->end(&o);
	}
	close(report[1]);
	said = receive_char(report[0]);
	close(report[0]);
	igt_assert_eq(__igt_waitchildren(), how->status);
	igt_assert(said);
	return said == 'i';
}

static void end_process(struct batch_gpu *gpu, const struct ending *how,
			const struct condition *what)
{
	struct batch_left left;
	unsigned int repeat;

	for (repeat = REPEAT_MIN; repeat <= REPEAT_MAX; repeat *= 4) {
		bool idle;

		batch_left_begin(gpu, &left);
		idle = end_once(gpu, how, what, repeat);
		batch_left_check(gpu, &left);
		if (!idle)
			return;
	}
	igt_skip("the GPU is too fast to be caught at work\n");
}

/**
 * SUBTEST: order-%s-%s
 * Description: Memory, mapping, handle and file of a BO go in the order %arg[1],
 *	while the GPU %arg[2]; what comes to the place of the memory is not
 *	touched by the GPU.
 *
 * arg[1]:
 *
 * @memory-mapping-handle-file:	memory, GPU mapping, handle, file
 * @mapping-memory-handle-file:	GPU mapping, memory, handle, file
 * @mapping-handle-memory-file:	GPU mapping, handle, memory, file
 * @mapping-handle-file-memory:	GPU mapping, handle, file, memory
 * @memory-handle-file:		memory, handle, file
 * @handle-memory-file:		handle, memory, file
 * @handle-file-memory:		handle, file, memory
 * @memory-file:		memory, file
 * @file-memory:		file, memory
 *
 * arg[2]:
 *
 * @idle:			is idle
 * @reading:			reads it
 * @writing:			writes it
 */
static const struct order {
	const char *name;
	/* m: memory, v: GPU mapping, h: handle, f: file; w: wait for the GPU */
	const char *steps;
} orders[] = {
	{ "memory-mapping-handle-file", "mvhwf" },
	{ "mapping-memory-handle-file", "vmhwf" },
	{ "mapping-handle-memory-file", "vhmwf" },
	{ "mapping-handle-file-memory", "vhfm" },
	{ "memory-handle-file", "mhwf" },
	{ "handle-memory-file", "hmwf" },
	{ "handle-file-memory", "hfm" },
	{ "memory-file", "mf" },
	{ "file-memory", "fm" },
};

static const struct work {
	const char *name;
	bool busy, gpu_writes;
} works[] = {
	{ "idle", false, false },
	{ "reading", true, false },
	{ "writing", true, true },
};

/* Returns: whether the GPU was at work as it should when the first thing went. */
static bool order_once(struct batch_gpu *gpu, const struct order *order,
		       const struct work *work, unsigned int repeat)
{
	struct batch_left left;
	struct batch_owner o;
	bool running = true;
	const char *step;

	batch_left_begin(gpu, &left);
	batch_owner_init(&o, gpu->fd, &large, OLD);
	if (work->busy) {
		batch_owner_start(&o, work->gpu_writes, GPU_WRITTEN, repeat);
		running = batch_running(&o.gpu, o.fence);
	}

	for (step = order->steps; *step; step++) {
		switch (*step) {
		case 'm':
			replace(o.pieces);
			break;
		case 'v':
			batch_unmap(&o.gpu, &o.bo);
			break;
		case 'h':
			do_or_die(drmCloseBufferHandle(o.fd, o.bo.handle));
			break;
		case 'f':
			batch_owner_release(&o);
			break;
		case 'w':
			if (!work->busy)
				break;
			igt_assert_eq(__batch_wait(&o.gpu, o.fence), 0);
			if (!work->gpu_writes)
				batch_check_words(o.gpu.staging.cpu, o.pieces->size,
						  0, OLD, "GPU");
		}
	}

	/* the BO has gone only when the GPU is done with it */
	batch_left_check(gpu, &left);
	batch_check(o.pieces, NEW);
	batch_pieces_free(o.pieces);
	return running;
}

static void order(struct batch_gpu *gpu, const struct order *order, const struct work *work)
{
	unsigned int repeat;

	for (repeat = REPEAT_MIN; repeat <= REPEAT_MAX; repeat *= 4)
		if (order_once(gpu, order, work, repeat))
			return;
	igt_skip("the GPU is too fast to be caught at work\n");
}

/**
 * SUBTEST: inherit-%s
 * Description: A process that has inherited the file does something with it:
 *	%arg[1].
 *
 * arg[1]:
 *
 * @nothing:			exits
 * @submit:			cannot submit work with its parent's memory
 * @create:			makes a BO of its own memory, which its parent
 *				cannot use
 * @close:			closes its parent's handle
 * @exec:			executes another program, which cannot submit
 *				work with the parent's memory
 * @same-memory:		shares the memory with its parent and can submit
 */
static void inherit_nothing(struct batch_gpu *gpu, struct batch_bo *bo, int report) { }

static void inherit_submit(struct batch_gpu *gpu, struct batch_bo *bo, int report)
{
	igt_assert_eq(__batch_read(gpu, bo), -EPERM);
	igt_assert_eq(try_submit(gpu, bo->handle), -EPERM);
}

static void inherit_create(struct batch_gpu *gpu, struct batch_bo *bo, int report)
{
	struct batch_pieces *pieces = batch_pieces_alloc(&mixed);
	struct batch_bo own;

	batch_fill(pieces, NEW);
	batch_create(gpu, pieces, BATCH_RW, &own);
	batch_map(gpu, &own);
	batch_read_check(gpu, &own, NEW);
	igt_assert_eq(__batch_read(gpu, bo), -EPERM);
	igt_assert_eq(write(report, &own.handle, sizeof(own.handle)),
		      sizeof(own.handle));
}

static void inherit_close(struct batch_gpu *gpu, struct batch_bo *bo, int report)
{
	do_or_die(drmCloseBufferHandle(gpu->fd, bo->handle));
}

static void execute_self(int fd, uint32_t handle)
{
	char value[64];

	do_or_die(fcntl(fd, F_SETFD, 0));
	snprintf(value, sizeof(value), "%d %u", fd, handle);
	do_or_die(setenv(AFTER_EXEC, value, 1));
	execl("/proc/self/exe", "after-exec", NULL);
	igt_assert_f(false, "execl: %s\n", strerror(errno));
}

static void inherit_exec(struct batch_gpu *gpu, struct batch_bo *bo, int report)
{
	execute_self(gpu->fd, bo->handle);
}

/* What the executed program does. Returns: its exit status. */
static int after_exec(const char *value)
{
	struct drm_amdgpu_bo_list_entry entry = {};
	uint32_t major, minor, list;
	amdgpu_device_handle dev;
	int fd, r;

	if (sscanf(value, "%d %u", &fd, &entry.bo_handle) != 2)
		return 2;
	r = amdgpu_device_initialize(fd, &major, &minor, &dev);
	if (r) {
		fprintf(stderr, "after exec: the file is not usable: %d\n", r);
		return 3;
	}
	/* each submission begins with this */
	r = amdgpu_bo_list_create_raw(dev, 1, &entry, &list);
	if (r != -EPERM) {
		fprintf(stderr, "after exec: a list with the BO returned %d\n", r);
		return 4;
	}
	return 0;
}

struct same_memory {
	struct batch_gpu *gpu;
	struct batch_bo *bo;
	int r;
};

static int same_memory_main(void *data)
{
	struct same_memory *s = data;

	s->r = __batch_read(s->gpu, s->bo);
	return 0;
}

static void inherit_same_memory(struct batch_gpu *gpu, struct batch_bo *bo)
{
	struct same_memory s = { gpu, bo, -1 };
	size_t size = 1 << 20;
	void *stack = malloc(size);
	int status;
	pid_t pid;

	igt_assert(stack);
	pid = clone(same_memory_main, (char *)stack + size,
		    CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, &s);
	igt_assert(pid > 0);
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert_eq(status, 0);
	igt_assert_eq(s.r, 0);
	free(stack);
}

static const struct inherit {
	const char *name;
	/* in the child, which then exits */
	void (*child)(struct batch_gpu *gpu, struct batch_bo *bo, int report);
	int parent;		/* what the parent's next submission returns */
	bool creates;
} inherits[] = {
	{ "nothing", inherit_nothing, 0, false },
	{ "submit", inherit_submit, 0, false },
	{ "create", inherit_create, 0, true },
	{ "close", inherit_close, -ENOENT, false },
	{ "exec", inherit_exec, 0, false },
	{ "same-memory", NULL, 0, false },
};

static void inherit(struct batch_gpu *gpu, const struct inherit *what)
{
	struct batch_pieces *pieces = batch_pieces_alloc(&mixed);
	struct batch_left left;
	struct batch_bo bo;
	int report[2];

	batch_left_begin(gpu, &left);
	batch_fill(pieces, OLD);
	batch_create(gpu, pieces, BATCH_RW, &bo);
	batch_map(gpu, &bo);
	batch_read_check(gpu, &bo, OLD);

	do_or_die(pipe(report));
	if (what->child) {
		igt_fork(child, 1)
			what->child(gpu, &bo, report[1]);
		igt_waitchildren();
	} else {
		inherit_same_memory(gpu, &bo);
	}

	if (what->creates) {
		uint32_t handle;

		/* its memory has gone with the process, the BO has not */
		igt_assert_eq(read(report[0], &handle, sizeof(handle)), sizeof(handle));
		igt_assert_eq(try_submit(gpu, handle), -EPERM);
		igt_assert(batch_used_bytes(gpu) > left.used + bo.size);
		do_or_die(drmCloseBufferHandle(gpu->fd, handle));
	}
	close(report[0]);
	close(report[1]);

	igt_assert_eq(__batch_read(gpu, &bo), what->parent);
	if (!what->parent) {
		batch_check_words(gpu->staging.cpu, bo.size, 0, OLD, "GPU");
		batch_write_check(gpu, &bo, pieces, GPU_WRITTEN);
		batch_destroy(gpu, &bo);
	} else {
		do_or_die(amdgpu_va_range_free(bo.va_handle));
	}
	batch_left_check(gpu, &left);
	batch_pieces_free(pieces);
}

/**
 * SUBTEST: cow-%s-%s
 * Description: After a fork the GPU goes on with the parent's memory and the child
 *	keeps what was there: %arg[1], %arg[2].
 *
 * arg[1]:
 *
 * @gpu-writes:			the GPU writes after the fork
 * @gpu-writing:		the GPU writes before and while the fork happens
 * @cpu-writes:			the parent writes after the fork and the GPU reads
 * @child-writes:		the child writes, which the GPU does not see
 * @child-exits:		the child exits, then the GPU writes
 * @forks-twice:		two forks with a GPU write after each
 *
 * arg[2]:
 *
 * @anon:			anonymous memory
 * @thp:			transparent huge pages
 * @private:			a private mapping of a memfd
 */
struct cow_child {
	int go, done;		/* one character each way */
};

/* A child that looks at its memory when it is told to. */
static struct cow_child cow_fork(struct batch_pieces *pieces, int seed, bool child_writes)
{
	int go[2], done[2];

	do_or_die(pipe(go));
	do_or_die(pipe(done));
	igt_fork(child, 1) {
		close(go[1]);
		close(done[0]);
		if (child_writes)
			batch_fill(pieces, NEW);
		send_char(done[1], 'r');
		if (receive_char(go[0]) == 'c')
			batch_check(pieces, child_writes ? NEW : seed);
	}
	close(go[0]);
	close(done[1]);
	igt_assert_eq(receive_char(done[0]), 'r');
	return (struct cow_child){ go[1], done[0] };
}

static void cow_end(struct cow_child *child, bool check)
{
	send_char(child->go, check ? 'c' : 'x');
	igt_waitchildren();
	close(child->go);
	close(child->done);
}

static bool cow_gpu_writes(struct batch_owner *o, unsigned int repeat)
{
	struct cow_child child = cow_fork(o->pieces, OLD, false);

	batch_write_check(&o->gpu, &o->bo, o->pieces, GPU_WRITTEN);
	cow_end(&child, true);
	return true;
}

/*
 * The fork waits for the GPU before pages become common, so the child has all
 * that the job has written and the job is over.
 */
static bool cow_gpu_writing(struct batch_owner *o, unsigned int repeat)
{
	struct cow_child child;
	bool running;

	batch_owner_start(o, true, GPU_WRITTEN, repeat);
	running = batch_running(&o->gpu, o->fence);
	child = cow_fork(o->pieces, GPU_WRITTEN, false);
	igt_assert(!batch_running(&o->gpu, o->fence));
	batch_write_check(&o->gpu, &o->bo, o->pieces, OLD);
	cow_end(&child, true);
	return running;
}

static bool cow_cpu_writes(struct batch_owner *o, unsigned int repeat)
{
	struct cow_child child = cow_fork(o->pieces, OLD, false);

	batch_fill(o->pieces, NEW);
	batch_read_check(&o->gpu, &o->bo, NEW);
	cow_end(&child, true);
	return true;
}

static bool cow_child_writes(struct batch_owner *o, unsigned int repeat)
{
	struct cow_child child = cow_fork(o->pieces, OLD, true);

	batch_read_check(&o->gpu, &o->bo, OLD);
	batch_write_check(&o->gpu, &o->bo, o->pieces, GPU_WRITTEN);
	cow_end(&child, true);
	return true;
}

static bool cow_child_exits(struct batch_owner *o, unsigned int repeat)
{
	struct cow_child child = cow_fork(o->pieces, OLD, false);

	cow_end(&child, false);
	batch_write_check(&o->gpu, &o->bo, o->pieces, GPU_WRITTEN);
	return true;
}

static bool cow_forks_twice(struct batch_owner *o, unsigned int repeat)
{
	struct cow_child first, second;

	first = cow_fork(o->pieces, OLD, false);
	batch_write_check(&o->gpu, &o->bo, o->pieces, GPU_WRITTEN);
	second = cow_fork(o->pieces, GPU_WRITTEN, false);
	batch_write_check(&o->gpu, &o->bo, o->pieces, NEW);
	send_char(first.go, 'c');
	cow_end(&second, true);
	close(first.go);
	close(first.done);
	return true;
}

static const struct cow {
	const char *name;
	/* Returns: false if the GPU was not caught at work */
	bool (*run)(struct batch_owner *o, unsigned int repeat);
} cows[] = {
	{ "gpu-writes", cow_gpu_writes },
	{ "gpu-writing", cow_gpu_writing },
	{ "cpu-writes", cow_cpu_writes },
	{ "child-writes", cow_child_writes },
	{ "child-exits", cow_child_exits },
	{ "forks-twice", cow_forks_twice },
};

static const struct {
	const char *name;
	struct batch_layout layout;
} cow_layouts[] = {
	{ "anon", { 64, 4, 0, 1, BATCH_ANON, BATCH_SHUFFLED } },
	{ "thp", { 2, 512, 0, 512, BATCH_THP, BATCH_SHUFFLED } },
	{ "private", { 64, 4, 0, 1, BATCH_PRIVATE, BATCH_SHUFFLED } },
};

static void cow(struct batch_gpu *gpu, const struct cow *cow,
		const struct batch_layout *layout)
{
	unsigned int repeat;
	bool caught = false;

	for (repeat = REPEAT_MIN; repeat <= REPEAT_MAX && !caught; repeat *= 4) {
		struct batch_left left;
		struct batch_owner o;

		batch_left_begin(gpu, &left);
		batch_owner_init(&o, gpu->fd, layout, OLD);
		caught = cow->run(&o, repeat);
		batch_owner_fini(&o);
		batch_left_check(gpu, &left);
	}
	if (!caught)
		igt_skip("the GPU is too fast to be caught at work\n");
}

/**
 * SUBTEST: listed-%s
 * Description: A list of BOs that was made before the batch was closed is still good for
 *	submissions: %arg[1].
 *
 * arg[1]:
 *
 * @unmapped:			the batch was never mapped
 * @used:			jobs have used it
 * @changed:			jobs have used it, and its memory has changed since
 */
static const struct listed {
	const char *name;
	bool used;
	bool changed;
} listeds[] = {
	{ "unmapped" },
	{ "used", true },
	{ "changed", true, true },
};

/* as raw_submit(), but with a list that the kernel keeps */
static int submit_with_list(struct raw *raw, uint32_t list)
{
	struct raw_job job;
	uint64_t ib = (uintptr_t)&job.chunks[1];
	union drm_amdgpu_cs args = {
		.in.ctx_id = raw->ctx,
		.in.bo_list_handle = list,
		.in.num_chunks = 1,
		.in.chunks = (uintptr_t)&ib,
	};

	/* NOPs */
	memset(raw->gpu->ib.cpu, 0, 64);
	raw_job_init(&job, raw->gpu, NULL, AMDGPU_HW_IP_DMA, 16);
	return ioctl(raw->gpu->fd, DRM_IOCTL_AMDGPU_CS, &args) ? -errno : 0;
}

static void listed(struct batch_gpu *gpu, const struct listed *row)
{
	static const struct batch_layout layout = { 8, 2, 1, 1, BATCH_ANON, BATCH_SHUFFLED };
	struct batch_pieces *pieces = batch_pieces_alloc(&layout);
	union drm_amdgpu_bo_list list;
	struct batch_bo bo;
	struct raw_job job;
	struct raw raw;
	int i, r;

	raw_init(&raw, gpu);
	batch_fill(pieces, OLD);
	batch_create(gpu, pieces, BATCH_RW, &bo);
	if (row->used) {
		batch_map(gpu, &bo);
		batch_read_check(gpu, &bo, OLD);
	}
	raw_job_init(&job, gpu, &bo, AMDGPU_HW_IP_DMA, 16);
	list.in = job.list;
	list.in.operation = AMDGPU_BO_LIST_OP_CREATE;
	do_ioctl(gpu->fd, DRM_IOCTL_AMDGPU_BO_LIST, &list);
	batch_destroy(gpu, &bo);
	if (row->changed)
		replace(pieces);

	for (i = 0; i < 3; i++) {
		do {
			r = submit_with_list(&raw, list.out.list_handle);
		} while (r == -EAGAIN || r == -EINTR);
		igt_assert_eq(r, 0);
	}

	list.in.list_handle = list.out.list_handle;
	list.in.operation = AMDGPU_BO_LIST_OP_DESTROY;
	do_ioctl(gpu->fd, DRM_IOCTL_AMDGPU_BO_LIST, &list);
	raw_fini(&raw);
	batch_pieces_free(pieces);
}

int igt_main()
{
	struct batch_gpu gpu;
	unsigned int i, k;
	int fd = -1;

	/* a library's exit handler wants to be told of the end of a test */
	if (getenv(AFTER_EXEC))
		_exit(after_exec(getenv(AFTER_EXEC)));

	igt_fixture() {
		fd = drm_open_driver_render(DRIVER_AMDGPU);
		batch_gpu_init(&gpu, fd, STAGING_SIZE);
	}

	for (i = 0; i < ARRAY_SIZE(endings); i++) {
		for (k = 0; k < ARRAY_SIZE(conditions); k++) {
			igt_describe("A process ends and leaves nothing behind");
			igt_subtest_f("end-%s-%s", endings[i].name, conditions[k].name)
				end_process(&gpu, &endings[i], &conditions[k]);
		}
	}

	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		for (k = 0; k < ARRAY_SIZE(works); k++) {
			igt_describe("Memory, mapping, handle and file go in any order");
			igt_subtest_f("order-%s-%s", orders[i].name, works[k].name)
				order(&gpu, &orders[i], &works[k]);
		}
	}

	for (i = 0; i < ARRAY_SIZE(listeds); i++) {
		igt_describe("A list has a BO that was closed");
		igt_subtest_f("listed-%s", listeds[i].name)
			listed(&gpu, &listeds[i]);
	}

	for (i = 0; i < ARRAY_SIZE(inherits); i++) {
		igt_describe("A child that has inherited the file");
		igt_subtest_f("inherit-%s", inherits[i].name)
			inherit(&gpu, &inherits[i]);
	}

	for (i = 0; i < ARRAY_SIZE(cows); i++) {
		for (k = 0; k < ARRAY_SIZE(cow_layouts); k++) {
			igt_describe("The GPU stays with the parent's memory");
			igt_subtest_f("cow-%s-%s", cows[i].name, cow_layouts[k].name)
				cow(&gpu, &cows[i], &cow_layouts[k].layout);
		}
	}

	igt_fixture() {
		batch_gpu_fini(&gpu);
		drm_close_driver(fd);
	}
}
