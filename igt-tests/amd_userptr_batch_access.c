// SPDX-License-Identifier: MIT

/**
 * TEST: userptr batch access
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: Memory management tests
 * Functionality: userptr
 * Description: CPU memory that the GPU may not use, or not for writing, or only
 *	when another thread provides it
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "igt.h"
#include "lib/amdgpu/amd_userptr_batch.h"

IGT_TEST_DESCRIPTION("CPU memory without the access that the GPU wants, and memory "
		     "that user space provides when it is touched");

#define STAGING_SIZE (4ull << 20)

/* seeds of the patterns, in the order in which a subtest uses them */
enum { OLD = 1, NEW, GPU_WRITTEN };

static const struct batch_layout anon = { 5, 2, 0, 2, BATCH_ANON, BATCH_SHUFFLED };
static const struct batch_layout shared = { 5, 2, 0, 2, BATCH_SHARED, BATCH_SHUFFLED };

/* the range with the memory in question */
#define BAD 3

/**
 * SUBTEST: readonly-gpu-write
 * Description: The GPU cannot write through a read-only BO: a page fault of the
 *	GPU, and the memory is what it was.
 */
static void readonly_gpu_write(struct batch_gpu *gpu)
{
	struct batch_pieces *pieces = batch_pieces_alloc(&anon);
	struct drm_amdgpu_info_gpuvm_fault fault = {};
	unsigned int tries;
	struct batch_bo bo;
	uint64_t fence;

	batch_fill(pieces, OLD);
	batch_create(gpu, pieces, BATCH_RO, &bo);
	batch_map(gpu, &bo);
	batch_read_check(gpu, &bo, OLD);

	batch_fill_words(gpu->staging.cpu, bo.size, 0, GPU_WRITTEN);
	igt_assert_eq(__batch_submit(gpu, &bo, bo.va, gpu->staging.va, BATCH_PAGE, 1, &fence), 0);
	/* hardware may need a reset afterwards, which cancels the job */
	igt_assert_neq(__batch_wait(gpu, fence), -ETIME);
	batch_check(pieces, OLD);
	/* the interrupt of the fault may come later than the end of the job */
	for (tries = 0; !fault.status && tries < 1000; tries++) {
		usleep(10000);
		do_or_die(amdgpu_query_info(gpu->dev, AMDGPU_INFO_GPUVM_FAULT,
					    sizeof(fault), &fault));
	}
	igt_assert_f(fault.addr >= bo.va && fault.addr < bo.va + BATCH_PAGE,
		     "the GPU's fault is at %#llx, the write was to %#llx\n",
		     (unsigned long long)fault.addr, (unsigned long long)bo.va);
	batch_read_check(gpu, &bo, OLD);
	batch_destroy(gpu, &bo);
	batch_pieces_free(pieces);
}

/**
 * SUBTEST: split-%s
 * Description: Nothing stays in the page tables of a mapping that was cut in two, when the
 *	parts go without having been used: %arg[1].
 *
 * arg[1]:
 *
 * @close:			the BO is closed
 * @unmap:			they are unmapped
 */
static void split(struct batch_gpu *gpu, bool close_it)
{
	struct batch_pieces *pieces = batch_pieces_alloc(&anon);
	uint64_t fence, hole, size;
	uint32_t *old;
	struct batch_bo bo;

	batch_fill(pieces, OLD);
	batch_create(gpu, pieces, BATCH_RW, &bo);
	batch_map(gpu, &bo);
	batch_read_check(gpu, &bo, OLD);
	size = bo.size;

	hole = size / 2 & ~(uint64_t)(BATCH_PAGE - 1);
	igt_assert_eq(__batch_va(gpu->fd, 0, AMDGPU_VA_OP_CLEAR, bo.va + hole, 0, BATCH_PAGE, 0),
		      0);
	if (!close_it) {
		igt_assert_eq(__batch_va(gpu->fd, bo.handle, AMDGPU_VA_OP_UNMAP, bo.va, 0,
					 hole, 0), 0);
		igt_assert_eq(__batch_va(gpu->fd, bo.handle, AMDGPU_VA_OP_UNMAP,
					 bo.va + hole + BATCH_PAGE, 0,
					 size - hole - BATCH_PAGE, 0), 0);
	}
	do_or_die(drmCloseBufferHandle(gpu->fd, bo.handle));

	/* before and behind the hole, without a BO: faults, and no contents */
	old = malloc(size);
	igt_assert(old);
	batch_fill_words(old, size, 0, OLD);
	memset(gpu->staging.cpu, 0xa5, size);
	igt_assert_eq(__batch_submit(gpu, NULL, gpu->staging.va, bo.va, BATCH_PAGE, 1, &fence), 0);
	igt_assert_neq(__batch_wait(gpu, fence), -ETIME);
	igt_assert_eq(__batch_submit(gpu, NULL, gpu->staging.va + size - BATCH_PAGE,
				     bo.va + size - BATCH_PAGE, BATCH_PAGE, 1, &fence), 0);
	igt_assert_neq(__batch_wait(gpu, fence), -ETIME);
	igt_assert_f(memcmp(gpu->staging.cpu, old, BATCH_PAGE) &&
		     memcmp((uint8_t *)gpu->staging.cpu + size - BATCH_PAGE,
			    (uint8_t *)old + size - BATCH_PAGE, BATCH_PAGE),
		     "the GPU reads memory that no BO has\n");
	free(old);
	do_or_die(amdgpu_va_range_free(bo.va_handle));
	batch_pieces_free(pieces);
}

/**
 * SUBTEST: refused-%s
 * Description: A BO with such memory is refused and nothing of it stays; without
 *	VALIDATE its submissions are. With other memory in its place both work: %arg[1].
 *
 * arg[1]:
 *
 * @prot-none:			mapped without access
 * @write-only:			mapped for writing only
 * @read-only:			mapped for reading, the BO may write
 * @read-only-file:		a file that is open for reading only
 * @beyond-file:		mapping beyond the end of its file
 * @half-mapped:		only the first page is mapped
 * @gpu-buffer:			CPU mapping of a buffer of the GPU (VM_PFNMAP)
 * @pci-bar:			registers of a PCI device (VM_IO)
 */
static void *map_at(void *at, int prot, int flags, int fd, off_t offset)
{
	void *p = mmap(at, BATCH_PAGE, prot, flags | MAP_FIXED, fd, offset);

	if (fd >= 0)
		close(fd);
	igt_assert_f(p == at, "mmap: %s\n", strerror(errno));
	return p;
}

static int memfd_of(uint64_t bytes)
{
	int fd = memfd_create("refused", MFD_CLOEXEC);

	igt_assert(fd >= 0);
	do_or_die(ftruncate(fd, bytes));
	return fd;
}

static void *bad_prot_none(struct batch_gpu *gpu, void *at)
{
	return map_at(at, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void *bad_write_only(struct batch_gpu *gpu, void *at)
{
	return map_at(at, PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void *bad_read_only(struct batch_gpu *gpu, void *at)
{
	return map_at(at, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void *bad_read_only_file(struct batch_gpu *gpu, void *at)
{
	int fd = memfd_of(BATCH_PAGE), ro;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	igt_assert(ro >= 0);
	close(fd);
	return map_at(at, PROT_READ, MAP_SHARED, ro, 0);
}

static void *bad_beyond_file(struct batch_gpu *gpu, void *at)
{
	return map_at(at, PROT_READ | PROT_WRITE, MAP_SHARED, memfd_of(BATCH_PAGE),
		      BATCH_PAGE);
}

static void *bad_half_mapped(struct batch_gpu *gpu, void *at)
{
	do_or_die(munmap((uint8_t *)at + BATCH_PAGE, BATCH_PAGE));
	return at;
}

/* The mapping that the library made, because its offset is a secret of libdrm's. */
static void *bad_gpu_buffer(struct batch_gpu *gpu, void *at)
{
	return gpu->staging.cpu;
}

/* Of the GPU itself; nothing is read or written there. */
static void *bad_pci_bar(struct batch_gpu *gpu, void *at)
{
	char path[96];
	struct stat stat;
	int fd;

	do_or_die(fstat(gpu->fd, &stat));
	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/device/resource0",
		 major(stat.st_rdev), minor(stat.st_rdev));
	fd = open(path, O_RDWR | O_CLOEXEC);
	igt_require_f(fd >= 0, "%s: %s\n", path, strerror(errno));
	return map_at(at, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

static const struct refused {
	const char *name;
	void *(*make)(struct batch_gpu *gpu, void *at);
	int error;
	bool reads;		/* a read-only BO may use it */
} refuseds[] = {
	{ "prot-none", bad_prot_none, -EFAULT },
	{ "write-only", bad_write_only, -EFAULT },
	{ "read-only", bad_read_only, -EACCES, true },
	{ "read-only-file", bad_read_only_file, -EACCES, true },
	{ "beyond-file", bad_beyond_file, -EFAULT },
	{ "half-mapped", bad_half_mapped, -EFAULT },
	{ "gpu-buffer", bad_gpu_buffer, -EFAULT },
	{ "pci-bar", bad_pci_bar, -EFAULT },
};

/* Asserts that a BO of the memory works. Its contents are OLD. */
static void check_works(struct batch_gpu *gpu, struct batch_pieces *pieces)
{
	struct batch_bo bo;

	batch_create(gpu, pieces, BATCH_RW, &bo);
	batch_map(gpu, &bo);
	batch_read_check(gpu, &bo, OLD);
	batch_write_check(gpu, &bo, pieces, GPU_WRITTEN);
	batch_destroy(gpu, &bo);
}

/* Asserts that a BO is refused because of range BAD, and that nothing stays of it. */
static void check_refused(struct batch_gpu *gpu, struct batch_pieces *pieces, int error)
{
	unsigned int handles = batch_count_handles(gpu->fd);
	uint64_t bytes = batch_used_bytes(gpu), batches[2] = {};
	struct drm_amdgpu_gem_userptr_batch args;

	batch_counter(gpu, "ranges", &batches[0]);
	batch_args_init(&args, pieces, BATCH_RW);
	igt_assert_eq(__batch_ioctl(gpu->fd, &args), error);
	igt_assert_eq_u32(args.bad_range, BAD);
	igt_assert_eq_u32(args.handle, 0);
	igt_assert_eq_u32(batch_count_handles(gpu->fd), handles);
	igt_assert_eq_u64(batch_used_bytes(gpu), bytes);
	batch_counter(gpu, "ranges", &batches[1]);
	igt_assert_eq_u64(batches[1], batches[0]);
}

static void refused(struct batch_gpu *gpu, const struct refused *refused)
{
	struct batch_pieces *pieces = batch_pieces_alloc(&anon);
	uint64_t addr = pieces->ranges[BAD].addr, fence;
	struct batch_bo bo;
	unsigned int i;
	void *bad;

	batch_fill(pieces, OLD);
	bad = refused->make(gpu, batch_range_ptr(pieces, BAD));
	pieces->ranges[BAD].addr = (uintptr_t)bad;
	check_refused(gpu, pieces, refused->error);

	/* without VALIDATE it is found out later */
	batch_create(gpu, pieces, AMDGPU_GEM_USERPTR_REGISTER, &bo);
	batch_map(gpu, &bo);
	igt_assert_eq(__batch_read(gpu, &bo), refused->error);
	igt_assert_eq(__batch_read(gpu, &bo), refused->error);
	for (i = 0; i < anon.num_ranges; i++)
		if (i != BAD)
			batch_check_range(pieces, i, OLD);
	/* work without this BO goes on */
	igt_assert_eq(__batch_submit(gpu, NULL, gpu->staging.va, gpu->staging.va + BATCH_PAGE,
				     BATCH_PAGE, 1, &fence), 0);
	igt_assert_eq(__batch_wait(gpu, fence), 0);

	if (refused->reads) {
		struct batch_bo reader;

		batch_create(gpu, pieces, BATCH_RO, &reader);
		batch_map(gpu, &reader);
		batch_read(gpu, &reader);
		batch_check_words(gpu->staging.cpu, pieces->offsets[BAD], 0, OLD, "GPU");
		batch_destroy(gpu, &reader);
	}

	/* the BO itself works when there is other memory at the address */
	if (pieces->ranges[BAD].addr == addr) {
		batch_pieces_place(pieces, BAD);
		batch_fill_range(pieces, BAD, OLD);
		batch_read_check(gpu, &bo, OLD);
		batch_write_check(gpu, &bo, pieces, GPU_WRITTEN);
	}
	batch_destroy(gpu, &bo);

	pieces->ranges[BAD].addr = addr;
	batch_fill(pieces, OLD);
	check_works(gpu, pieces);
	batch_pieces_free(pieces);
}

/*
 * Memory that user space provides (Documentation/admin-guide/mm/userfaultfd.rst)
 */

enum answer {
	SERVE,
	SIGNAL,		/* interrupt the main thread first */
	CLOSE,		/* end userfaultfd instead, which lets the kernel do it */
	KILL,		/* kill our own process */
};

/* A thread that answers page faults. */
struct server {
	struct batch_pieces *pieces;
	enum answer answer;
	uint32_t seed;		/* of what it provides */
	int uffd;
	int stop[2];
	pthread_t thread, main;
	unsigned int served;	/* to be read while no page fault is possible */
	bool failed;
};

static bool serve(struct server *s, const struct uffd_msg *msg)
{
	uint64_t addr = msg->arg.pagefault.address & ~(BATCH_PAGE - 1);
	struct uffdio_writeprotect allow = { .range = { addr, BATCH_PAGE } };
	struct uffdio_continue map = { .range = { addr, BATCH_PAGE } };
	uint8_t page[BATCH_PAGE] __attribute__((aligned(8)));
	struct uffdio_copy copy = {
		.dst = addr,
		.src = (uintptr_t)page,
		.len = BATCH_PAGE,
	};
	unsigned int i;

	s->served++;
	if (msg->arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP)
		return !ioctl(s->uffd, UFFDIO_WRITEPROTECT, &allow);
	if (msg->arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_MINOR)
		return !ioctl(s->uffd, UFFDIO_CONTINUE, &map);

	for (i = 0; i < s->pieces->layout.num_ranges; i++) {
		uint64_t at = addr - s->pieces->ranges[i].addr;

		if (at >= s->pieces->ranges[i].size)
			continue;
		batch_fill_words(page, BATCH_PAGE, s->pieces->offsets[i] + at, s->seed);
		return !ioctl(s->uffd, UFFDIO_COPY, &copy);
	}
	return false;
}

static void *server_thread(void *data)
{
	struct server *s = data;
	struct pollfd fds[2] = {
		{ .fd = s->uffd, .events = POLLIN },
		{ .fd = s->stop[0], .events = POLLIN },
	};
	struct uffd_msg msg;

	while (!s->failed) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents)
			break;
		if (read(s->uffd, &msg, sizeof(msg)) != sizeof(msg))
			continue;
		if (s->answer == KILL) {
			kill(getpid(), SIGKILL);
		} else if (s->answer == CLOSE) {
			close(s->uffd);
			s->uffd = -1;
			break;
		} else if (s->answer == SIGNAL && !s->served) {
			pthread_kill(s->main, SIGUSR1);
		}
		s->failed = !serve(s, &msg);
	}
	/* lets everybody go on who waits for an answer */
	if (s->failed)
		close(s->uffd);
	return NULL;
}

static void server_start(struct server *s, struct batch_pieces *pieces, int flags,
			 uint64_t features, uint64_t mode, enum answer answer)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	unsigned int i;

	memset(s, 0, sizeof(*s));
	s->pieces = pieces;
	s->answer = answer;
	s->seed = OLD;
	s->main = pthread_self();
	s->uffd = syscall(SYS_userfaultfd, flags | O_CLOEXEC | O_NONBLOCK);
	igt_require_f(s->uffd >= 0, "no userfaultfd: %s\n", strerror(errno));
	igt_require_f(!ioctl(s->uffd, UFFDIO_API, &api), "userfaultfd without features %#llx\n",
		      (unsigned long long)features);
	for (i = 0; i < pieces->layout.num_ranges; i++) {
		struct uffdio_register reg = {
			.range = { pieces->ranges[i].addr, pieces->ranges[i].size },
			.mode = mode,
		};

		igt_require_f(!ioctl(s->uffd, UFFDIO_REGISTER, &reg),
			      "userfaultfd without mode %#llx: %s\n",
			      (unsigned long long)mode, strerror(errno));
	}
	do_or_die(pipe(s->stop));
	do_or_die(pthread_create(&s->thread, NULL, server_thread, s));
}

/* Returns: number of page faults that were answered. */
static unsigned int server_stop(struct server *s)
{
	close(s->stop[1]);
	do_or_die(pthread_join(s->thread, NULL));
	close(s->stop[0]);
	igt_assert_f(!s->failed, "the page faults could not be answered\n");
	close(s->uffd);
	return s->served;
}

static void write_protect(struct server *s)
{
	unsigned int i;

	for (i = 0; i < s->pieces->layout.num_ranges; i++) {
		struct uffdio_writeprotect protect = {
			.range = { s->pieces->ranges[i].addr, s->pieces->ranges[i].size },
			.mode = UFFDIO_WRITEPROTECT_MODE_WP,
		};

		do_or_die(ioctl(s->uffd, UFFDIO_WRITEPROTECT, &protect));
	}
}

static void on_signal(int number)
{
}

/**
 * SUBTEST: userfault-%s
 * Description: Memory registered with userfaultfd: %arg[1].
 *
 * arg[1]:
 *
 * @missing:			a thread provides pages, again after they were
 *				given back
 * @interrupted:		a signal comes while the page is waited for
 * @closed:			nobody provides them, userfaultfd is closed: zero
 * @minor:			a thread maps pages of a memfd that are there
 * @write-protect:		a thread lifts write protection
 * @write-protect-read:		write protection is nothing to a read-only BO
 */
static const struct userfault {
	const char *name;
	const struct batch_layout *layout;
	uint32_t flags;
	uint64_t features;
	uint64_t mode;
	enum answer answer;
	bool serves;		/* each page */
	int contents;
} userfaults[] = {
	{ "missing", &anon, BATCH_RW, 0, UFFDIO_REGISTER_MODE_MISSING, SERVE, true, OLD },
	{ "interrupted", &anon, BATCH_RW, 0, UFFDIO_REGISTER_MODE_MISSING, SIGNAL, true, OLD },
	{ "closed", &anon, BATCH_RW, 0, UFFDIO_REGISTER_MODE_MISSING, CLOSE, false,
	  BATCH_ZERO },
	{ "minor", &shared, BATCH_RW, UFFD_FEATURE_MINOR_SHMEM, UFFDIO_REGISTER_MODE_MINOR,
	  SERVE, true, OLD },
	{ "write-protect", &anon, BATCH_RW, UFFD_FEATURE_PAGEFAULT_FLAG_WP,
	  UFFDIO_REGISTER_MODE_WP, SERVE, true, OLD },
	{ "write-protect-read", &anon, BATCH_RO, UFFD_FEATURE_PAGEFAULT_FLAG_WP,
	  UFFDIO_REGISTER_MODE_WP, SERVE, false, OLD },
};

static void userfault(struct batch_gpu *gpu, const struct userfault *fault)
{
	bool missing = fault->mode == UFFDIO_REGISTER_MODE_MISSING;
	bool protect = fault->mode == UFFDIO_REGISTER_MODE_WP;
	struct sigaction action = { .sa_handler = on_signal };
	struct batch_pieces *pieces = batch_pieces_alloc(fault->layout);
	unsigned int pages = pieces->size / BATCH_PAGE, i, round;
	struct batch_bo bo = {};
	struct server server;

	do_or_die(sigaction(SIGUSR1, &action, NULL));
	if (!missing)
		batch_fill(pieces, OLD);
	/* the file keeps the pages that go from the page tables */
	if (fault->mode == UFFDIO_REGISTER_MODE_MINOR)
		do_or_die(madvise(pieces->base, pieces->span, MADV_DONTNEED));
	server_start(&server, pieces, 0, fault->features, fault->mode, fault->answer);
	if (protect)
		write_protect(&server);

	for (round = 0; round < 2; round++) {
		server.served = 0;
		if (!round) {
			/* faults in the ioctl first, then in a submission */
			batch_create(gpu, pieces, fault->flags, &bo);
			batch_map(gpu, &bo);
		}
		batch_read_check(gpu, &bo, fault->contents);
		igt_assert_eq_u32(server.served, fault->serves ? pages : 0);
		if (fault->flags == BATCH_RW) {
			batch_write_check(gpu, &bo, pieces, GPU_WRITTEN);
			batch_write_check(gpu, &bo, pieces, fault->contents);
		}
		/* what takes such memory away */
		if (protect)
			write_protect(&server);
		else
			for (i = 0; i < fault->layout->num_ranges; i++)
				do_or_die(madvise(batch_range_ptr(pieces, i),
						  batch_range_size(pieces, i), MADV_DONTNEED));
	}
	batch_destroy(gpu, &bo);
	server_stop(&server);
	batch_pieces_free(pieces);
}

/**
 * SUBTEST: userfault-refused-%s
 * Description: Memory registered with userfaultfd in a way that is an error for
 *	the kernel's own page faults: %arg[1].
 *
 * arg[1]:
 *
 * @sigbus:			no waiting, a signal instead
 * @user-mode-only:		only page faults of user space are handed on
 */
static const struct {
	const char *name;
	int flags;
	uint64_t features;
} userfault_refuseds[] = {
	{ "sigbus", 0, UFFD_FEATURE_SIGBUS },
	{ "user-mode-only", UFFD_USER_MODE_ONLY, 0 },
};

static void userfault_refused(struct batch_gpu *gpu, int flags, uint64_t features)
{
	struct batch_pieces *pieces = batch_pieces_alloc(&anon), only = *pieces;
	struct server server;

	batch_fill(pieces, OLD);
	do_or_die(madvise(batch_range_ptr(pieces, BAD), batch_range_size(pieces, BAD),
			  MADV_DONTNEED));
	only.ranges = &pieces->ranges[BAD];
	only.layout.num_ranges = 1;
	server_start(&server, &only, flags, features, UFFDIO_REGISTER_MODE_MISSING, SERVE);
	check_refused(gpu, pieces, -EFAULT);
	igt_assert_eq_u32(server_stop(&server), 0);

	batch_fill_range(pieces, BAD, OLD);
	check_works(gpu, pieces);
	batch_pieces_free(pieces);
}

/**
 * SUBTEST: userfault-killed
 * Description: A process is killed while the ioctl waits for a page that nobody
 *	provides. It ends and nothing of the BO stays.
 */
static void userfault_killed(struct batch_gpu *gpu)
{
	struct batch_pieces *pieces = batch_pieces_alloc(&anon);
	uint64_t bytes = batch_used_bytes(gpu);
	struct server server;
	struct batch_bo bo;
	int status;
	pid_t pid;

	/* the one who may skip is the parent */
	server_start(&server, pieces, 0, 0, UFFDIO_REGISTER_MODE_MISSING, SERVE);
	server_stop(&server);

	pid = fork();
	igt_assert(pid >= 0);
	if (!pid) {
		int fd = drm_reopen_driver(gpu->fd);

		server_start(&server, pieces, 0, 0, UFFDIO_REGISTER_MODE_MISSING, KILL);
		__batch_create(fd, pieces, BATCH_RW, &bo);
		_exit(1);
	}
	igt_assert(waitpid(pid, &status, 0) == pid);
	igt_assert_f(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
		     "the child ended with status %#x\n", status);
	igt_assert_eq_u64(batch_used_bytes(gpu), bytes);
	batch_fill(pieces, OLD);
	check_works(gpu, pieces);
	batch_pieces_free(pieces);
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

	igt_describe("A write by the GPU is a page fault of the GPU");
	igt_subtest("readonly-gpu-write")
		readonly_gpu_write(&gpu);

	for (i = 0; i < 2; i++) {
		igt_describe("What is left of a mapping leaves no entries behind");
		igt_subtest_f("split-%s", i ? "unmap" : "close")
			split(&gpu, !i);
	}

	for (i = 0; i < ARRAY_SIZE(refuseds); i++) {
		igt_describe("Refused until other memory is in its place");
		igt_subtest_f("refused-%s", refuseds[i].name)
			refused(&gpu, &refuseds[i]);
	}

	for (i = 0; i < ARRAY_SIZE(userfaults); i++) {
		igt_describe("Pages come from another thread");
		igt_subtest_f("userfault-%s", userfaults[i].name)
			userfault(&gpu, &userfaults[i]);
	}

	for (i = 0; i < ARRAY_SIZE(userfault_refuseds); i++) {
		igt_describe("Pages that are not for the kernel");
		igt_subtest_f("userfault-refused-%s", userfault_refuseds[i].name)
			userfault_refused(&gpu, userfault_refuseds[i].flags,
					  userfault_refuseds[i].features);
	}

	igt_describe("A process that waits for a page can be killed");
	igt_subtest("userfault-killed")
		userfault_killed(&gpu);

	igt_fixture() {
		batch_gpu_fini(&gpu);
		drm_close_driver(fd);
	}
}
