// SPDX-License-Identifier: MIT

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/loop.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "igt.h"
#include "lib/amdgpu/amd_userptr_kinds.h"

#define PAGE 4096ull
#define HUGE_PAGES "/sys/kernel/mm/hugepages/hugepages-2048kB"

/*
 * Pages
 */

/* Reads one 64-bit word of a file of such words. */
static bool read_word(const char *path, uint64_t index, uint64_t *word)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return false;
	ok = pread(fd, word, sizeof(*word), index * sizeof(*word)) == sizeof(*word);
	close(fd);
	return ok;
}

/**
 * kinds_any_present:
 * @p: CPU address
 * @size: size in bytes
 *
 * Returns: whether the CPU's page tables have any of the pages.
 */
bool kinds_any_present(const void *p, uint64_t size)
{
	uint64_t pages = size / PAGE, i, *map;
	bool present = false;
	int fd;

	map = calloc(pages, sizeof(*map));
	fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	igt_assert(map && fd >= 0);
	igt_assert(pread(fd, map, pages * sizeof(*map), (uintptr_t)p / PAGE *
			 sizeof(*map)) == (ssize_t)(pages * sizeof(*map)));
	close(fd);
	for (i = 0; i < pages; i++)
		present |= map[i] >> 63; /* Documentation/admin-guide/mm/pagemap.rst */
	free(map);
	return present;
}

/**
 * kinds_page_flags:
 * @p: CPU address of a page that is present
 *
 * Skips if the caller may not see page frame numbers.
 *
 * Returns: KPF_* of linux/kernel-page-flags.h, as bits.
 */
uint64_t kinds_page_flags(const void *p)
{
	uint64_t entry, flags = 0;

	igt_assert(read_word("/proc/self/pagemap", (uintptr_t)p / PAGE, &entry));
	igt_assert_f(entry >> 63, "%p is not present\n", p);
	entry &= (1ull << 55) - 1;
	igt_require_f(entry && read_word("/proc/kpageflags", entry, &flags),
		      "page flags are for root only\n");
	return flags;
}

/**
 * kinds_huge_bytes:
 * @p: CPU address
 * @size: size in bytes
 *
 * Returns: how much of the mappings in that span consists of huge page table
 * entries, in bytes.
 */
uint64_t kinds_huge_bytes(const void *p, uint64_t size)
{
	uint64_t start = 0, end = 0, kib, sum = 0;
	char line[512], name[32];
	FILE *f = fopen("/proc/self/smaps", "r");

	igt_assert(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &start, &end) == 2)
			continue;
		if (end <= (uintptr_t)p || start >= (uintptr_t)p + size ||
		    sscanf(line, "%31[^:]: %" SCNu64 " kB", name, &kib) != 2)
			continue;
		if (!strcmp(name, "AnonHugePages") || !strcmp(name, "ShmemPmdMapped") ||
		    !strcmp(name, "FilePmdMapped"))
			sum += kib << 10;
	}
	fclose(f);
	return sum;
}

/**
 * kinds_have_swap:
 *
 * Returns: whether there is swap space.
 */
bool kinds_have_swap(void)
{
	FILE *f = fopen("/proc/swaps", "r");
	char line[256];
	int lines = 0;

	if (!f)
		return false;
	while (fgets(line, sizeof(line), f))
		lines++;
	fclose(f);
	return lines > 1;
}

/**
 * kinds_page_out_once:
 * @p: CPU address
 * @size: size in bytes
 *
 * Has the pages written to swap or to their file, and freed. Somebody may bring them
 * back at once.
 *
 * New pages wait in a list of the CPU that touched them first, and cannot go
 * before that CPU has emptied it, which madvise() does on the CPU that it runs
 * on. So it is called on every CPU in turn.
 */
void kinds_page_out_once(void *p, uint64_t size)
{
	cpu_set_t all, one;
	int cpu;

	do_or_die(sched_getaffinity(0, sizeof(all), &all));
	for (cpu = 0; cpu < CPU_SETSIZE && kinds_any_present(p, size); cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		do_or_die(sched_setaffinity(0, sizeof(one), &one));
		do_or_die(madvise(p, size, MADV_PAGEOUT));
	}
	do_or_die(sched_setaffinity(0, sizeof(all), &all));
}

/**
 * kinds_page_out:
 * @p: CPU address
 * @size: size in bytes
 *
 * The same for pages that nobody brings back. One that stays after some rounds is
 * pinned.
 */
void kinds_page_out(void *p, uint64_t size)
{
	int round;

	for (round = 0; round < 10 && kinds_any_present(p, size); round++)
		kinds_page_out_once(p, size);
	igt_assert_f(!kinds_any_present(p, size), "the pages at %p stay\n", p);
}

/*
 * Settings of the system
 */

/**
 * kinds_read_value:
 * @path: file with a number
 * @value: result
 *
 * Returns: false if the file cannot be read.
 */
bool kinds_read_value(const char *path, uint64_t *value)
{
	FILE *f = fopen(path, "r");
	bool ok = f && fscanf(f, "%" SCNu64, value) == 1;

	if (f)
		fclose(f);
	return ok;
}

/**
 * kinds_write_value:
 * @path: file that takes a number
 * @value: the number
 *
 * Returns: false if the file cannot be written.
 */
bool kinds_write_value(const char *path, uint64_t value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return false;
	ok = dprintf(fd, "%" PRIu64 "\n", value) > 0;
	close(fd);
	return ok;
}

/**
 * kinds_run:
 * @argv: program and arguments, ends with NULL
 *
 * Runs a program. Its output goes where ours goes.
 *
 * Returns: whether it succeeded.
 */
bool kinds_run(const char *const argv[])
{
	pid_t pid = fork();
	int status = 0;

	igt_assert(pid >= 0);
	if (!pid) {
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	igt_assert(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

/*
 * Files. File systems are mounted only until a file of theirs is open, so that
 * they go with the file, whatever becomes of the test.
 */

/* Mounts a file system and opens an unnamed file in it. */
static int open_in(const char *source, const char *type, const char *options)
{
	char dir[] = "/tmp/userptr-XXXXXX";
	int fd = -1, error;

	igt_assert(mkdtemp(dir));
	error = mount(source, dir, type, 0, options) ? errno : 0;
	if (!error) {
		fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		error = fd < 0 ? errno : 0;
		umount2(dir, MNT_DETACH);
	}
	rmdir(dir);
	igt_require_f(fd >= 0, "no %s (%s): %s\n", type, options, strerror(error));
	return fd;
}

static void make_ext4(const char *path)
{
	const char *const argv[] = { "mkfs.ext4", "-q", "-F", "-b", "4096", path, NULL };

	igt_require_f(kinds_run(argv), "mkfs.ext4 fails\n");
}

/* ext4 in a memfd behind a loop device that frees itself. */
static int open_ext4(uint64_t size)
{
	struct loop_config config = { .info.lo_flags = LO_FLAGS_AUTOCLEAR };
	int control, number, image, loop = -1, fd;
	char path[64];

	image = memfd_create("ext4", 0);
	igt_assert(image >= 0);
	/* what ext4 needs for itself is less than half */
	do_or_die(ftruncate(image, 2 * size + (32 << 20)));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", image);
	make_ext4(path);

	control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	igt_require_f(control >= 0, "no loop devices: %s\n", strerror(errno));
	config.fd = image;
	do {
		if (loop >= 0)
			close(loop);
		number = ioctl(control, LOOP_CTL_GET_FREE);
		igt_require_f(number >= 0, "no free loop device: %s\n", strerror(errno));
		snprintf(path, sizeof(path), "/dev/loop%d", number);
		loop = open(path, O_RDWR | O_CLOEXEC);
		igt_require_f(loop >= 0, "%s: %s\n", path, strerror(errno));
		/* somebody else may have been faster */
	} while (ioctl(loop, LOOP_CONFIGURE, &config) && errno == EBUSY);

	fd = open_in(path, "ext4", "");
	close(loop);
	close(control);
	close(image);
	return fd;
}

/*
 * A block device on memory that the kernel's command line (memmap=) declared
 * persistent. What is on it does not outlive the machine's next start, so it
 * may be overwritten; other persistent memory may not.
 */
static bool find_volatile_pmem(char *path, size_t size)
{
	DIR *dir = opendir("/sys/block");
	struct dirent *entry;
	bool found = false;

	if (!dir)
		return false;
	while (!found && (entry = readdir(dir))) {
		char link[PATH_MAX], name[300];

		if (strncmp(entry->d_name, "pmem", 4))
			continue;
		snprintf(name, sizeof(name), "/sys/block/%s", entry->d_name);
		if (!realpath(name, link) || !strstr(link, "/e820_pmem"))
			continue;
		snprintf(path, size, "/dev/%s", entry->d_name);
		found = true;
	}
	closedir(dir);
	return found;
}

static int open_dax(void)
{
	struct statx stat;
	char path[300];
	int fd;

	igt_require_f(find_volatile_pmem(path, sizeof(path)),
		      "no memory was declared persistent (memmap=64M!512M)\n");
	/* a device that is in use cannot be opened like that */
	fd = open(path, O_RDWR | O_EXCL | O_CLOEXEC);
	igt_require_f(fd >= 0, "%s: %s\n", path, strerror(errno));
	close(fd);
	make_ext4(path);
	fd = open_in(path, "ext4", "dax=always");
	do_or_die(statx(fd, "", AT_EMPTY_PATH, 0, &stat));
	igt_require_f(stat.stx_attributes & STATX_ATTR_DAX, "ext4 without DAX\n");
	return fd;
}

/**
 * kinds_open:
 * @file: kind of file
 * @size: bytes that will be mapped
 *
 * Skips if the system has no such files, or only for root.
 *
 * Returns: a new empty file without a name, to be closed; -1 for KINDS_NONE
 */
int kinds_open(enum kinds_file file, uint64_t size)
{
	uint64_t free_pages = 0;
	int fd = -1;

	switch (file) {
	case KINDS_NONE:
		return -1;
	case KINDS_MEMFD:
		fd = memfd_create("userptr", MFD_CLOEXEC);
		break;
	case KINDS_HUGETLB:
		igt_require_f(kinds_read_value(HUGE_PAGES "/free_hugepages", &free_pages) &&
			      free_pages << 21 >= size, "no hugetlb pages are reserved\n");
		fd = memfd_create("userptr", MFD_CLOEXEC | MFD_HUGETLB);
		break;
	case KINDS_TMPFS:
		return open_in("none", "tmpfs", "");
	case KINDS_TMPFS_HUGE:
		return open_in("none", "tmpfs", "huge=always");
	case KINDS_EXT4:
		return open_ext4(size);
	case KINDS_DAX:
		return open_dax();
	}
	igt_assert_f(fd >= 0, "memfd_create: %s\n", strerror(errno));
	return fd;
}

/*
 * Page tables of the GPU, by the driver's trace event of each write to them, in
 * a trace buffer of our own.
 */

static void trace_path(const struct kinds_trace *trace, const char *name, char *path,
		       size_t size)
{
	snprintf(path, size, "%s/%s", trace->dir, name);
}

/**
 * kinds_trace_start:
 * @trace: to be initialized
 *
 * Begins to record what is written to page tables. Skips without tracefs.
 */
void kinds_trace_start(struct kinds_trace *trace)
{
	char path[160];

	snprintf(trace->dir, sizeof(trace->dir),
		 "/sys/kernel/tracing/instances/userptr-%d", getpid());
	igt_require_f(!mkdir(trace->dir, 0700) || errno == EEXIST, "no tracefs: %s\n",
		      strerror(errno));
	trace_path(trace, "events/amdgpu/amdgpu_vm_update_ptes/enable", path, sizeof(path));
	if (kinds_write_value(path, 1))
		return;
	rmdir(trace->dir);
	igt_skip("the driver's trace events are not there\n");
}

/**
 * kinds_trace_read:
 * @trace: running
 * @va: GPU address in bytes
 * @size: bytes
 * @entries: what was written for these addresses since the last call
 */
void kinds_trace_read(struct kinds_trace *trace, uint64_t va, uint64_t size,
		      struct kinds_entries *entries)
{
	uint64_t first = va / PAGE, last = (va + size) / PAGE;
	uint64_t start, end, flags, incr, fragment;
	char path[160], line[1024];
	const char *at;
	int pid;
	FILE *f;

	memset(entries, 0, sizeof(*entries));
	trace_path(trace, "trace", path, sizeof(path));
	f = fopen(path, "r");
	igt_assert(f);
	while (fgets(line, sizeof(line), f)) {
		at = strstr(line, "amdgpu_vm_update_ptes: pid:");
		if (!at || sscanf(at, "amdgpu_vm_update_ptes: pid:%d vm_ctx:%*s start:%" SCNx64
				  " end:%" SCNx64 ", flags:%" SCNx64 ", incr:%" SCNu64, &pid,
				  &start, &end, &flags, &incr) != 5)
			continue;
		/* 0: before the first submission of a process */
		if ((pid && pid != getpid()) || end <= first || start >= last)
			continue;
		/* AMDGPU_PTE_VALID; AMDGPU_PTE_FRAG: power of two of pages of 4 KiB */
		if (!(flags & 1))
			continue;
		fragment = PAGE << (flags >> 7 & 0x1f);
		if (!entries->pages || incr < entries->smallest)
			entries->smallest = incr;
		if (!entries->pages || fragment < entries->fragment)
			entries->fragment = fragment;
		entries->pages += (end < last ? end : last) - (start > first ? start : first);
	}
	fclose(f);
	/* opening it so empties the buffer */
	f = fopen(path, "w");
	igt_assert(f);
	fclose(f);
}

/**
 * kinds_trace_stop:
 * @trace: running
 */
void kinds_trace_stop(struct kinds_trace *trace)
{
	char path[160];

	trace_path(trace, "events/amdgpu/amdgpu_vm_update_ptes/enable", path, sizeof(path));
	kinds_write_value(path, 0);
	do_or_die(rmdir(trace->dir));
}
