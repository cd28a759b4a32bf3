// SPDX-License-Identifier: MIT

/**
 * TEST: userptr batch share
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: Memory management tests
 * Functionality: userptr
 * Description: One memory in several BOs, files and address spaces; one file in
 *	several processes
 */

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "igt.h"
#include "lib/amdgpu/amd_userptr_batch_life.h"

IGT_TEST_DESCRIPTION("Who shares what with a batch userptr BO: memory with other BOs, "
		     "the file with other processes");

#define STAGING_SIZE (8ull << 20)

/* seeds of the patterns, in the order in which a subtest uses them */
enum { OLD = 1, NEW, GPU_WRITTEN };

static const struct batch_layout mixed = { 64, 4, 0, 1, BATCH_MIXED, BATCH_SHUFFLED };
static const struct batch_layout large = { 256, 4, 0, 1, BATCH_ANON, BATCH_SHUFFLED };

/* copies in a job that shall still run when the next thing happens */
#define REPEAT_BUSY 64

/*
 * A process opens a file, makes a BO in it and sends the file to the test, which
 * has never had it. Both then say what the other shall do.
 */

/* what comes with the file */
struct passed {
	uint32_t handle;
	uint64_t size;
	bool busy;
};

static void send_file(int sock, int fd, const struct passed *message)
{
	char control[CMSG_SPACE(sizeof(fd))] = {};
	struct iovec iov = { (void *)message, sizeof(*message) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	igt_assert_eq(sendmsg(sock, &msg, 0), sizeof(*message));
}

static int receive_file(int sock, struct passed *message)
{
	char control[CMSG_SPACE(sizeof(int))] = {};
	struct iovec iov = { message, sizeof(*message) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	int fd = -1;

	igt_assert_eq(recvmsg(sock, &msg, 0), sizeof(*message));
	c = CMSG_FIRSTHDR(&msg);
	igt_assert(c && c->cmsg_type == SCM_RIGHTS);
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

/* What the owner shall find when it reads its BO; anything else ends it. */
static void ask(int sock, int expected)
{
	int found;

	igt_assert_eq(write(sock, &expected, sizeof(expected)), sizeof(expected));
	igt_assert_eq(read(sock, &found, sizeof(found)), sizeof(found));
	igt_assert_eq(found, expected);
}

#define DIE_SLOWLY 1	/* exit */
#define DIE_FAST 2	/* SIGKILL */

static void serve(struct batch_owner *o, int sock)
{
	int expected, found;

	while (read(sock, &expected, sizeof(expected)) == sizeof(expected)) {
		if (expected == DIE_SLOWLY)
			exit(0);
		if (expected == DIE_FAST)
			kill(getpid(), SIGKILL);
		found = __batch_read(&o->gpu, &o->bo);
		if (!found)
			batch_check_words(o->gpu.staging.cpu, o->bo.size, 0, OLD, "GPU");
		igt_assert_eq(write(sock, &found, sizeof(found)), sizeof(found));
	}
}

/* a file with a BO of somebody else's memory */
struct received {
	struct batch_gpu *test;		/* a file of the test's own */
	struct batch_gpu gpu;		/* the file received */
	struct passed passed;
	int sock;
	uint64_t used;			/* bytes before there was the BO */
};

static void owner_dies(struct received *r, int how, int status)
{
	igt_assert_eq(write(r->sock, &how, sizeof(how)), sizeof(how));
	igt_assert_eq(__igt_waitchildren(), status);

	/* the memory has gone, the BO is held by the handle in our file */
	igt_assert_eq_u64(batch_used_bytes(r->test), r->used + r->passed.size);
	igt_assert_eq(__batch_read(&r->gpu, &(struct batch_bo) {
			.handle = r->passed.handle,
			.va = r->gpu.staging.va,
			.size = BATCH_PAGE,
		}), -EPERM);
}

static void passed_submit(struct received *r)
{
	struct batch_bo bo = { .handle = r->passed.handle, .size = BATCH_PAGE };

	bo.va = r->gpu.staging.va;
	igt_assert_eq(__batch_read(&r->gpu, &bo), -EPERM);
	ask(r->sock, 0);
}

static void passed_close(struct received *r)
{
	do_or_die(drmCloseBufferHandle(r->gpu.fd, r->passed.handle));
	ask(r->sock, -ENOENT);
}

static void passed_create(struct received *r)
{
	struct batch_pieces *pieces = batch_pieces_alloc(&mixed);
	struct batch_bo bo;

	/* the notifiers wait for the address space of the file, whoever uses it */
	batch_fill(pieces, NEW);
	batch_create(&r->gpu, pieces, BATCH_RW, &bo);
	batch_map(&r->gpu, &bo);
	batch_read_check(&r->gpu, &bo, NEW);
	ask(r->sock, 0);
	batch_write_check(&r->gpu, &bo, pieces, GPU_WRITTEN);
	batch_destroy(&r->gpu, &bo);
	batch_pieces_free(pieces);
}

static void passed_exit(struct received *r) { owner_dies(r, DIE_SLOWLY, 0); }
static void passed_kill(struct received *r) { owner_dies(r, DIE_FAST, 128 + SIGKILL); }

/**
 * SUBTEST: passed-%s
 * Description: A file is sent over a socket to a process that does not have the
 *	memory: %arg[1].
 *
 * arg[1]:
 *
 * @submit:			the receiver cannot submit work with the BO
 * @close:			the receiver closes the handle
 * @create:			the receiver makes a BO of its own memory
 * @exit:			the owner of the memory exits
 * @exit-busy:			the same while the GPU writes to the memory
 * @kill:			the owner of the memory is killed
 * @kill-busy:			the same while the GPU writes to the memory
 */
static const struct pass {
	const char *name;
	void (*receiver)(struct received *r);
	bool busy;
} passes[] = {
	{ "submit", passed_submit, false },
	{ "close", passed_close, false },
	{ "create", passed_create, false },
	{ "exit", passed_exit, false },
	{ "exit-busy", passed_exit, true },
	{ "kill", passed_kill, false },
	{ "kill-busy", passed_kill, true },
};

static void pass(struct batch_gpu *gpu, const struct pass *what)
{
	struct received r = { .test = gpu };
	struct batch_left left;
	int sock[2], fd;

	batch_left_begin(gpu, &left);
	r.used = left.used;
	do_or_die(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sock));
	igt_fork(child, 1) {
		struct passed message;
		struct batch_owner o;

		close(sock[0]);
		batch_owner_init(&o, gpu->fd, &large, OLD);
		if (what->busy)
			batch_owner_start(&o, true, OLD, REPEAT_BUSY);
		memset(&message, 0, sizeof(message));
		message.handle = o.bo.handle;
		message.size = o.bo.size;
		send_file(sock[1], o.fd, &message);
		serve(&o, sock[1]);
	}
	close(sock[1]);
	r.sock = sock[0];

	fd = receive_file(sock[0], &r.passed);
	batch_gpu_init_beside(&r.gpu, fd, STAGING_SIZE);
	what->receiver(&r);
	batch_gpu_fini(&r.gpu);
	close(sock[0]);
	igt_waitchildren();
	/* the last reference of the file */
	drm_close_driver(fd);
	batch_left_check(gpu, &left);
}

/**
 * SUBTEST: leader-exits
 * Description: The thread that started the process ends, its other threads go on
 *	with the BO, and another process still cannot use it.
 */
struct leader {
	struct batch_gpu *gpu;
	struct batch_pieces *pieces;
	struct batch_bo bo;
};

static char process_state(pid_t pid)
{
	char path[64], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, pid);
	f = fopen(path, "r");
	igt_assert(f);
	if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	fclose(f);
	return state;
}

static void *after_leader(void *data)
{
	struct leader *l = data;
	int tries, status;
	pid_t pid;

	for (tries = 0; tries < 1000 && process_state(getpid()) != 'Z'; tries++)
		usleep(10000);
	igt_assert_eq(process_state(getpid()), 'Z');
	batch_read_check(l->gpu, &l->bo, OLD);
	batch_fill(l->pieces, NEW);
	batch_read_check(l->gpu, &l->bo, NEW);

	/* a child of a child, which is none of igt_fork()'s */
	pid = fork();
	if (!pid)
		_exit(__batch_read(l->gpu, &l->bo) == -EPERM ? 0 : 1);
	igt_assert(pid > 0);
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert_eq(status, 0);
	batch_write_check(l->gpu, &l->bo, l->pieces, GPU_WRITTEN);
	exit(0);
}

static void leader_exits(struct batch_gpu *gpu)
{
	struct batch_left left;

	batch_left_begin(gpu, &left);
	igt_fork(child, 1) {
		static struct batch_gpu own;
		static struct leader l;
		pthread_t thread;

		batch_gpu_init(&own, drm_reopen_driver(gpu->fd), STAGING_SIZE);
		l.gpu = &own;
		l.pieces = batch_pieces_alloc(&mixed);
		batch_fill(l.pieces, OLD);
		batch_create(&own, l.pieces, BATCH_RW, &l.bo);
		batch_map(&own, &l.bo);
		igt_assert_eq(pthread_create(&thread, NULL, after_leader, &l), 0);
		pthread_exit(NULL);
	}
	igt_waitchildren();
	batch_left_check(gpu, &left);
}

/*
 * Several BOs of one memory. Each sees the ranges in an order of its own; what
 * the memory should hold is kept by address.
 */

enum kind {
	SAME,			/* ranges in the order of the memory */
	ASCENDING,		/* ranges by address */
	HALF,			/* every second range */
	READONLY,
	PLAIN,			/* one range by GEM_USERPTR */
};

#define PARTIES 4

/**
 * struct view - one BO of the memory
 * @gpu: file that it is in
 * @kind: how it was made
 * @bo: the BO
 * @ranges: its ranges in BO order
 * @num_ranges: number of @ranges
 */
struct view {
	struct batch_gpu *gpu;
	enum kind kind;
	struct batch_bo bo;
	struct drm_amdgpu_gem_userptr_range *ranges;
	unsigned int num_ranges;
};

/**
 * struct memory - what all views are of
 * @pieces: the memory, without gaps
 * @shadow: what it should hold
 */
struct memory {
	struct batch_pieces *pieces;
	uint8_t *shadow;
};

static int by_addr(const void *a, const void *b)
{
	const struct drm_amdgpu_gem_userptr_range *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static void *shadow_of(struct memory *mem, const struct drm_amdgpu_gem_userptr_range *range)
{
	return mem->shadow + (range->addr - (uintptr_t)mem->pieces->base);
}

static void view_init(struct view *v, struct batch_gpu *gpu, enum kind kind,
		      struct memory *mem)
{
	struct drm_amdgpu_gem_userptr_batch args;
	struct batch_pieces *pieces = mem->pieces;
	unsigned int n = pieces->layout.num_ranges, i;

	memset(v, 0, sizeof(*v));
	v->gpu = gpu;
	v->kind = kind;
	v->ranges = calloc(n, sizeof(*v->ranges));
	igt_assert(v->ranges);
	memcpy(v->ranges, pieces->ranges, n * sizeof(*v->ranges));
	v->num_ranges = n;

	if (kind == PLAIN) {
		struct drm_amdgpu_gem_userptr plain = {
			.addr = (uintptr_t)pieces->base,
			.size = pieces->span,
			.flags = BATCH_RW,
		};

		v->ranges[0].addr = plain.addr;
		v->ranges[0].size = plain.size;
		v->num_ranges = 1;
		do_ioctl(gpu->fd, DRM_IOCTL_AMDGPU_GEM_USERPTR, &plain);
		v->bo.handle = plain.handle;
		v->bo.size = plain.size;
		batch_map(gpu, &v->bo);
		return;
	}

	if (kind == ASCENDING)
		qsort(v->ranges, n, sizeof(*v->ranges), by_addr);
	if (kind == HALF) {
		for (i = 0; i < n / 2; i++)
			v->ranges[i] = v->ranges[2 * i];
		v->num_ranges = n / 2;
	}
	batch_args_init(&args, pieces, kind == READONLY ? BATCH_RO : BATCH_RW);
	args.ranges = (uintptr_t)v->ranges;
	args.num_ranges = v->num_ranges;
	igt_assert_eq(__batch_ioctl(gpu->fd, &args), 0);
	v->bo.handle = args.handle;
	v->bo.size = args.size;
	batch_map(gpu, &v->bo);
}

static void view_fini(struct view *v)
{
	batch_destroy(v->gpu, &v->bo);
	free(v->ranges);
}

/* The GPU sees through the view what the memory should hold. */
static void view_check(struct view *v, struct memory *mem)
{
	const uint8_t *seen = v->gpu->staging.cpu;
	unsigned int i;

	batch_read(v->gpu, &v->bo);
	for (i = 0; i < v->num_ranges; i++) {
		igt_assert_f(!memcmp(seen, shadow_of(mem, &v->ranges[i]), v->ranges[i].size),
			     "range %u of a BO of kind %d is wrong\n", i, v->kind);
		seen += v->ranges[i].size;
	}
}

static void memory_check(struct memory *mem)
{
	igt_assert(!memcmp(mem->pieces->base, mem->shadow, mem->pieces->span));
}

/* The GPU writes a new pattern through the view. */
static void view_write(struct view *v, struct memory *mem, uint32_t seed)
{
	uint8_t *p = v->gpu->staging.cpu;
	uint64_t at = 0;
	unsigned int i;

	for (i = 0; i < v->num_ranges; i++) {
		batch_fill_words(p + at, v->ranges[i].size, at, seed);
		memcpy(shadow_of(mem, &v->ranges[i]), p + at, v->ranges[i].size);
		at += v->ranges[i].size;
	}
	batch_write(v->gpu, &v->bo);
	memory_check(mem);
}

static void check_all(struct view *views, unsigned int from, unsigned int n,
		      struct memory *mem)
{
	unsigned int i;

	for (i = from; i < n; i++)
		view_check(&views[i], mem);
}

/* The CPU takes some or all of the memory away and writes the new pages. */
static void memory_renew(struct memory *mem, unsigned int every, uint32_t seed)
{
	struct batch_pieces *pieces = mem->pieces;
	unsigned int i;

	for (i = 0; i < pieces->layout.num_ranges; i += every) {
		do_or_die(munmap(batch_range_ptr(pieces, i), batch_range_size(pieces, i)));
		batch_pieces_place(pieces, i);
		batch_fill_range(pieces, i, seed);
		memcpy(shadow_of(mem, &pieces->ranges[i]), batch_range_ptr(pieces, i),
		       batch_range_size(pieces, i));
	}
}

/**
 * SUBTEST: memory-%s
 * Description: One memory in several BOs, which all see what the others write and
 *	follow when it changes, until they are destroyed one by one: %arg[1].
 *
 * arg[1]:
 *
 * @twice:			two BOs
 * @twice-files:		the same in two files
 * @orders:			ranges in different orders
 * @orders-files:		the same in two files
 * @part:			a BO of a part of the memory
 * @readonly:			a BO that the GPU only reads
 * @plain:			a BO made by GEM_USERPTR
 * @plain-files:		the same in two files
 * @all:			all of that
 * @all-files:			the same in four files
 */
static const struct sharing {
	const char *name;
	unsigned int n;
	struct {
		unsigned int file;
		enum kind kind;
	} party[PARTIES];
} sharings[] = {
	{ "twice", 2, { { 0, SAME }, { 0, SAME } } },
	{ "twice-files", 2, { { 0, SAME }, { 1, SAME } } },
	{ "orders", 2, { { 0, SAME }, { 0, ASCENDING } } },
	{ "orders-files", 2, { { 0, SAME }, { 1, ASCENDING } } },
	{ "part", 2, { { 0, SAME }, { 0, HALF } } },
	{ "readonly", 2, { { 0, SAME }, { 0, READONLY } } },
	{ "plain", 2, { { 0, SAME }, { 0, PLAIN } } },
	{ "plain-files", 2, { { 0, PLAIN }, { 1, SAME } } },
	{ "all", 4, { { 0, SAME }, { 0, PLAIN }, { 0, READONLY }, { 0, HALF } } },
	{ "all-files", 4, { { 0, PLAIN }, { 1, HALF }, { 2, READONLY }, { 3, SAME } } },
};

static void share(struct batch_gpu *test, const struct sharing *what)
{
	static const struct batch_layout layout = {
		128, 4, 0, 0, BATCH_ANON, BATCH_SHUFFLED
	};
	struct batch_gpu gpus[PARTIES];
	struct view views[PARTIES];
	struct batch_left left;
	struct memory mem;
	unsigned int files = 0, i;
	uint32_t seed = NEW;
	uint64_t fence;

	batch_left_begin(test, &left);
	mem.pieces = batch_pieces_alloc(&layout);
	mem.shadow = malloc(mem.pieces->span);
	igt_assert(mem.shadow);
	memory_renew(&mem, 1, OLD);

	for (i = 0; i < what->n; i++) {
		if (what->party[i].file >= files)
			batch_gpu_init(&gpus[files++], drm_reopen_driver(test->fd),
				       mem.pieces->span);
		view_init(&views[i], &gpus[what->party[i].file], what->party[i].kind, &mem);
	}
	check_all(views, 0, what->n, &mem);

	for (i = 0; i < what->n; i++) {
		if (views[i].kind == READONLY)
			continue;
		view_write(&views[i], &mem, seed++);
		check_all(views, 0, what->n, &mem);
	}
	memory_renew(&mem, 3, seed++);
	check_all(views, 0, what->n, &mem);
	memory_renew(&mem, 1, seed++);
	check_all(views, 0, what->n, &mem);

	/* new memory while the GPU writes to the old through each BO in turn */
	for (i = 0; i < what->n; i++) {
		struct view *v = &views[i];

		if (v->kind == READONLY)
			continue;
		batch_fill_words(v->gpu->staging.cpu, v->bo.size, 0, GPU_WRITTEN);
		igt_assert_eq(__batch_submit(v->gpu, &v->bo, v->bo.va, v->gpu->staging.va,
					     v->bo.size, REPEAT_BUSY, &fence), 0);
		memory_renew(&mem, 1, seed++);
		igt_assert_eq(__batch_wait(v->gpu, fence), 0);
		memory_check(&mem);
		check_all(views, 0, what->n, &mem);
	}

	for (i = 0; i < what->n; i++) {
		view_fini(&views[i]);
		check_all(views, i + 1, what->n, &mem);
		memory_renew(&mem, 2, seed++);
		check_all(views, i + 1, what->n, &mem);
	}
	for (i = 0; i < files; i++) {
		int fd = gpus[i].fd;

		batch_gpu_fini(&gpus[i]);
		drm_close_driver(fd);
	}
	free(mem.shadow);
	batch_pieces_free(mem.pieces);
	batch_left_check(test, &left);
}

int igt_main()
{
	struct batch_gpu gpu;
	unsigned int i;
	int fd = -1;

	igt_fixture() {
		fd = drm_open_driver_render(DRIVER_AMDGPU);
		batch_gpu_init(&gpu, fd, STAGING_SIZE);
	}

	for (i = 0; i < ARRAY_SIZE(sharings); i++) {
		igt_describe("One memory in several BOs");
		igt_subtest_f("memory-%s", sharings[i].name)
			share(&gpu, &sharings[i]);
	}

	for (i = 0; i < ARRAY_SIZE(passes); i++) {
		igt_describe("A file in a process that does not have the memory");
		igt_subtest_f("passed-%s", passes[i].name)
			pass(&gpu, &passes[i]);
	}

	igt_describe("Threads go on without the first one");
	igt_subtest("leader-exits")
		leader_exits(&gpu);

	igt_fixture() {
		batch_gpu_fini(&gpu);
		drm_close_driver(fd);
	}
}
