// SPDX-License-Identifier: MIT

/**
 * TEST: userptr batch pages
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: Memory management tests
 * Functionality: userptr
 * Description: Every kind of CPU memory: what the GPU can use it follows through
 *	what typically happens to that kind, the rest is refused and harms nothing
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <linux/mempolicy.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#if __has_include("test_hmm_uapi.h")
#include "test_hmm_uapi.h"
#endif

#include "igt.h"
#include "lib/amdgpu/amd_userptr_batch.h"
#include "lib/amdgpu/amd_userptr_kinds.h"

IGT_TEST_DESCRIPTION("Kinds of CPU memory below one BO: copies by the GPU, then "
		     "what happens to such memory, then copies again");

#define STAGING_SIZE (32ull << 20)
#define KSM "/sys/kernel/mm/ksm/"

/* seeds of the patterns, in the order in which a subtest uses them */
enum { OLD = 1, NEW, GPU_WRITTEN };

/* module for memory of another device, see dmirror() */
static int hmm_fd = -1;
static bool hmm_loaded;

/*
 * What can happen to a range
 */

static void *ptr(struct batch_pieces *pieces, unsigned int i)
{
	return batch_range_ptr(pieces, i);
}

static uint64_t size(struct batch_pieces *pieces, unsigned int i)
{
	return batch_range_size(pieces, i);
}

static off_t file_offset(struct batch_pieces *pieces, unsigned int i)
{
	return (uint8_t *)ptr(pieces, i) - pieces->base;
}

static void unmap(struct batch_pieces *pieces, unsigned int i)
{
	do_or_die(munmap(ptr(pieces, i), size(pieces, i)));
}

static void page_out(struct batch_pieces *pieces, unsigned int i)
{
	kinds_page_out(ptr(pieces, i), size(pieces, i));
}

static void dontneed(struct batch_pieces *pieces, unsigned int i)
{
	do_or_die(madvise(ptr(pieces, i), size(pieces, i), MADV_DONTNEED));
}

static void store(struct batch_pieces *pieces, unsigned int i)
{
	batch_fill_range(pieces, i, NEW);
}

static void write_file(struct batch_pieces *pieces, unsigned int i, uint32_t seed)
{
	uint64_t bytes = size(pieces, i);
	void *data = malloc(bytes);

	igt_assert(data);
	batch_fill_words(data, bytes, pieces->offsets[i], seed);
	igt_assert(pwrite(pieces->memfd, data, bytes, file_offset(pieces, i)) ==
		   (ssize_t)bytes);
	free(data);
}

static void check_file(struct batch_pieces *pieces, unsigned int i, uint32_t seed)
{
	uint64_t bytes = size(pieces, i);
	void *data = malloc(bytes);

	igt_assert(data);
	igt_assert(pread(pieces->memfd, data, bytes, file_offset(pieces, i)) ==
		   (ssize_t)bytes);
	batch_check_words(data, bytes, pieces->offsets[i], seed, "file");
	free(data);
}

static void write_new(struct batch_pieces *pieces, unsigned int i)
{
	write_file(pieces, i, NEW);
}

/* The file has other contents than the private copy. */
static void write_new_dontneed(struct batch_pieces *pieces, unsigned int i)
{
	write_file(pieces, i, NEW);
	dontneed(pieces, i);
}

static void truncate_all(struct batch_pieces *pieces, unsigned int i)
{
	do_or_die(ftruncate(pieces->memfd, 0));
}

static void extend_all(struct batch_pieces *pieces, unsigned int i)
{
	do_or_die(ftruncate(pieces->memfd, pieces->span));
}

static void punch_hole(struct batch_pieces *pieces, unsigned int i)
{
	do_or_die(fallocate(pieces->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			    file_offset(pieces, i), size(pieces, i)));
}

/* What was written is clean afterwards, and the next write has to be noticed. */
static void write_back(struct batch_pieces *pieces, unsigned int i)
{
	do_or_die(fsync(pieces->memfd));
}

static void reclaim(struct batch_pieces *pieces, unsigned int i)
{
	write_back(pieces, i);
	page_out(pieces, i);
}

static void split(struct batch_pieces *pieces, unsigned int i)
{
	uint8_t *page = (uint8_t *)ptr(pieces, i) + size(pieces, i) / 2;

	do_or_die(mprotect(page, BATCH_PAGE, PROT_READ));
	do_or_die(mprotect(page, BATCH_PAGE, PROT_READ | PROT_WRITE));
}

static void collapse(struct batch_pieces *pieces, unsigned int i)
{
	split(pieces, i);
	igt_require_f(!madvise(ptr(pieces, i), size(pieces, i), MADV_COLLAPSE),
		      "madvise(MADV_COLLAPSE): %s\n", strerror(errno));
}

/* Number of the node that has the page. */
static int node_of(void *page)
{
	int node = -1;

	igt_require_f(!syscall(SYS_move_pages, 0, 1ul, &page, NULL, &node, 0) && node >= 0,
		      "no NUMA: %s\n", strerror(errno ?: -node));
	return node;
}

/* Returns: a node other than the first page's. */
static int other_node(struct batch_pieces *pieces, unsigned int i)
{
	int node = !node_of(ptr(pieces, i));
	char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d", node);
	igt_require_f(!access(path, F_OK), "one NUMA node only (numa=fake=2)\n");
	return node;
}

static void check_node(struct batch_pieces *pieces, unsigned int i, int node)
{
	uint64_t at;

	for (at = 0; at < size(pieces, i); at += BATCH_PAGE)
		igt_assert_eq(node_of((uint8_t *)ptr(pieces, i) + at), node);
}

static void move_pages(struct batch_pieces *pieces, unsigned int i)
{
	unsigned long count = size(pieces, i) / BATCH_PAGE, k;
	int node = other_node(pieces, i);
	void **pages = calloc(count, sizeof(*pages));
	int *nodes = calloc(count, sizeof(*nodes)), *status = calloc(count, sizeof(*status));

	igt_assert(pages && nodes && status);
	for (k = 0; k < count; k++) {
		pages[k] = (uint8_t *)ptr(pieces, i) + k * BATCH_PAGE;
		nodes[k] = node;
	}
	do_or_die(syscall(SYS_move_pages, 0, count, pages, nodes, status, MPOL_MF_MOVE));
	check_node(pieces, i, node);
	free(status);
	free(nodes);
	free(pages);
}

static void bind_node(struct batch_pieces *pieces, unsigned int i)
{
	int node = other_node(pieces, i);
	unsigned long mask = 1ul << node;

	do_or_die(syscall(SYS_mbind, ptr(pieces, i), size(pieces, i), MPOL_BIND, &mask,
			  8 * sizeof(mask), MPOL_MF_MOVE | MPOL_MF_STRICT));
	check_node(pieces, i, node);
}

static void compact(struct batch_pieces *pieces, unsigned int i)
{
	igt_require_f(kinds_write_value("/proc/sys/vm/compact_memory", 1),
		      "no compaction, or not root\n");
}

#ifdef HMM_DMIRROR_READ
/* The kernel's test module stands for another device with memory of its own. */
static void dmirror(struct batch_pieces *pieces, unsigned int i, unsigned long command)
{
	static const char *const load[] = { "modprobe", "-q", "test_hmm", NULL };
	struct hmm_dmirror_cmd cmd = {
		.addr = pieces->ranges[i].addr,
		.npages = size(pieces, i) / BATCH_PAGE,
	};
	void *copy = malloc(size(pieces, i));

	if (hmm_fd < 0) {
		hmm_fd = open("/dev/hmm_dmirror0", O_RDWR | O_CLOEXEC);
		if (hmm_fd < 0 && kinds_run(load)) {
			hmm_loaded = true;
			hmm_fd = open("/dev/hmm_dmirror0", O_RDWR | O_CLOEXEC);
		}
		igt_require_f(hmm_fd >= 0, "no test_hmm module (CONFIG_TEST_HMM): %s\n",
			      strerror(errno));
	}
	igt_assert(copy);
	cmd.ptr = (uintptr_t)copy;
	igt_assert_f(!ioctl(hmm_fd, command, &cmd), "test_hmm: %s\n", strerror(errno));
	igt_assert_eq_u64(cmd.cpages, cmd.npages);
	free(copy);
	igt_assert(!kinds_any_present(ptr(pieces, i), size(pieces, i)));
}

static void to_device(struct batch_pieces *pieces, unsigned int i)
{
	dmirror(pieces, i, HMM_DMIRROR_MIGRATE_TO_DEV);
}

static void to_exclusive(struct batch_pieces *pieces, unsigned int i)
{
	dmirror(pieces, i, HMM_DMIRROR_EXCLUSIVE);
}
#else
static void to_device(struct batch_pieces *pieces, unsigned int i)
{
	igt_skip("built without the interface of the test_hmm module\n");
}

#define to_exclusive to_device
#endif

enum {
	NEEDS_SWAP = 1 << 0,
	READS = 1 << 1,		/* the BO is read-only */
	START_FILE = 1 << 2,	/* the contents come from the file, not by stores */
	START_EMPTY = 1 << 3,	/* nothing is stored at first */
	HITS_ALL = 1 << 4,	/* one call is about all ranges */
	HITS_NONE = 1 << 5,	/* invalidates nothing */
	HITS_MAYBE = 1 << 6,
	DESTROYED = 1 << 7,	/* the BO goes before the pages go */
};

/**
 * SUBTEST: works-%s
 * Description: The GPU reads and writes such memory, something happens to every
 *	second range, and the GPU reads and writes it again: %arg[1].
 *
 * arg[1]:
 *
 * @anon-swap-out:		anonymous, swapped out
 * @anon-unmap:			anonymous, unmapped and mapped anew
 * @anon-untouched:		anonymous and never written: the zero page, until
 *				the CPU writes
 * @thp-swap-out:		transparent huge pages, swapped out
 * @thp-split:			their page table entries are split
 * @thp-collapse:		and become huge again
 * @thp-untouched:		the huge zero page, until the CPU writes
 * @hugetlb-unmap:		hugetlb pages, unmapped and mapped anew
 * @hugetlb-file-punch-hole:	a file of hugetlb pages, holes
 * @hugetlb-file-truncate:	cut off and extended
 * @memfd-swap-out:		shared mapping of a memfd, swapped out
 * @memfd-punch-hole:		holes
 * @memfd-truncate:		cut off and extended
 * @memfd-private-truncate:	private mapping of a memfd; its copies go as well
 * @tmpfs-swap-out:		shared mapping of a file on tmpfs, swapped out
 * @tmpfs-punch-hole:		holes
 * @tmpfs-truncate:		cut off and extended
 * @tmpfs-huge-swap-out:	huge pages on tmpfs, swapped out
 * @tmpfs-huge-punch-hole:	holes
 * @ext4-write-back:		shared mapping of a file on ext4, written to disk
 * @ext4-reclaim:		written to disk and dropped from memory
 * @ext4-write:			written to by write()
 * @ext4-punch-hole:		holes
 * @ext4-truncate:		cut off and extended
 * @ext4-private-write:		private mapping before copy on write, and the file
 *				is written to
 * @ext4-private-reclaim:	dropped from memory
 * @ext4-private-cow:		copied on write by the CPU
 * @ext4-private-cow-write:	after the GPU's copy on write, and the file is
 *				written to
 * @ext4-private-dontneed:	the file's contents come back
 * @dax-write-back:		shared mapping of persistent memory, flushed
 * @dax-write:			written to by write()
 * @dax-punch-hole:		holes
 * @dax-truncate:		cut off and extended
 * @dax-private-cow:		private mapping, copied on write by the CPU
 * @move-pages:			moved to another node by move_pages()
 * @mbind:			the same by mbind()
 * @thp-move-pages:		huge pages, moved to another node
 * @compaction:			memory compaction
 * @device-private:		moved to another device's memory
 * @device-exclusive:		used by another device alone
 */
static const struct work {
	const char *name;
	enum kinds_file file;
	struct batch_layout layout;
	int needs;
	void (*event)(struct batch_pieces *pieces, unsigned int i);
	int contents;		/* of the memory afterwards */
	int file_contents;	/* of the file, for a private mapping */
	void (*restore)(struct batch_pieces *pieces, unsigned int i);
} works[] = {
#define SMALL(memory) { 16, 4, 0, 2, memory, BATCH_SHUFFLED }
#define BIG(memory) { 5, 512, 0, 512, memory, BATCH_SHUFFLED }
	{ "anon-swap-out", KINDS_NONE, SMALL(BATCH_ANON), NEEDS_SWAP, page_out, OLD },
	{ "anon-unmap", KINDS_NONE, SMALL(BATCH_ANON), 0, unmap, BATCH_ZERO, 0,
	  batch_pieces_place },
	{ "anon-untouched", KINDS_NONE, SMALL(BATCH_ANON), READS | START_EMPTY, store, NEW },
	{ "thp-swap-out", KINDS_NONE, BIG(BATCH_THP), NEEDS_SWAP, page_out, OLD },
	{ "thp-split", KINDS_NONE, BIG(BATCH_THP), 0, split, OLD },
	{ "thp-collapse", KINDS_NONE, BIG(BATCH_THP), 0, collapse, OLD },
	{ "thp-untouched", KINDS_NONE, BIG(BATCH_THP), READS | START_EMPTY, store, NEW },
	{ "hugetlb-unmap", KINDS_NONE, BIG(BATCH_HUGETLB), 0, unmap, BATCH_ZERO, 0,
	  batch_pieces_place },
	{ "hugetlb-file-punch-hole", KINDS_HUGETLB, BIG(BATCH_SHARED), 0, punch_hole,
	  BATCH_ZERO },
	{ "hugetlb-file-truncate", KINDS_HUGETLB, BIG(BATCH_SHARED), HITS_ALL, truncate_all,
	  BATCH_ZERO, 0, extend_all },
	{ "memfd-swap-out", KINDS_MEMFD, SMALL(BATCH_SHARED), NEEDS_SWAP, page_out, OLD },
	{ "memfd-punch-hole", KINDS_MEMFD, SMALL(BATCH_SHARED), 0, punch_hole, BATCH_ZERO },
	{ "memfd-truncate", KINDS_MEMFD, SMALL(BATCH_SHARED), HITS_ALL, truncate_all,
	  BATCH_ZERO, 0, extend_all },
	{ "memfd-private-truncate", KINDS_MEMFD, SMALL(BATCH_PRIVATE), HITS_ALL, truncate_all,
	  BATCH_ZERO, BATCH_ZERO, extend_all },
	{ "tmpfs-swap-out", KINDS_TMPFS, SMALL(BATCH_SHARED), NEEDS_SWAP, page_out, OLD },
	{ "tmpfs-punch-hole", KINDS_TMPFS, SMALL(BATCH_SHARED), 0, punch_hole, BATCH_ZERO },
	{ "tmpfs-truncate", KINDS_TMPFS, SMALL(BATCH_SHARED), HITS_ALL, truncate_all,
	  BATCH_ZERO, 0, extend_all },
	{ "tmpfs-huge-swap-out", KINDS_TMPFS_HUGE, BIG(BATCH_SHARED), NEEDS_SWAP, page_out,
	  OLD },
	{ "tmpfs-huge-punch-hole", KINDS_TMPFS_HUGE, BIG(BATCH_SHARED), 0, punch_hole,
	  BATCH_ZERO },
	{ "ext4-write-back", KINDS_EXT4, SMALL(BATCH_SHARED), 0, write_back, OLD },
	{ "ext4-reclaim", KINDS_EXT4, SMALL(BATCH_SHARED), 0, reclaim, OLD },
	{ "ext4-write", KINDS_EXT4, SMALL(BATCH_SHARED), HITS_MAYBE, write_new, NEW },
	{ "ext4-punch-hole", KINDS_EXT4, SMALL(BATCH_SHARED), 0, punch_hole, BATCH_ZERO },
	{ "ext4-truncate", KINDS_EXT4, SMALL(BATCH_SHARED), HITS_ALL, truncate_all,
	  BATCH_ZERO, 0, extend_all },
	{ "ext4-private-write", KINDS_EXT4, SMALL(BATCH_PRIVATE), READS | START_FILE | HITS_NONE,
	  write_new, NEW, NEW },
	{ "ext4-private-reclaim", KINDS_EXT4, SMALL(BATCH_PRIVATE), READS | START_FILE,
	  reclaim, OLD, OLD },
	{ "ext4-private-cow", KINDS_EXT4, SMALL(BATCH_PRIVATE), READS | START_FILE, store,
	  NEW, OLD },
	{ "ext4-private-cow-write", KINDS_EXT4, SMALL(BATCH_PRIVATE), START_FILE | HITS_NONE,
	  write_new, OLD, NEW },
	{ "ext4-private-dontneed", KINDS_EXT4, SMALL(BATCH_PRIVATE), START_FILE,
	  write_new_dontneed, NEW, NEW },
	{ "dax-write-back", KINDS_DAX, SMALL(BATCH_SHARED), 0, write_back, OLD },
	{ "dax-write", KINDS_DAX, SMALL(BATCH_SHARED), HITS_MAYBE, write_new, NEW },
	{ "dax-punch-hole", KINDS_DAX, SMALL(BATCH_SHARED), 0, punch_hole, BATCH_ZERO },
	{ "dax-truncate", KINDS_DAX, SMALL(BATCH_SHARED), HITS_ALL, truncate_all, BATCH_ZERO,
	  0, extend_all },
	{ "dax-private-cow", KINDS_DAX, SMALL(BATCH_PRIVATE), READS | START_FILE, store,
	  NEW, OLD },
	{ "move-pages", KINDS_NONE, SMALL(BATCH_ANON), 0, move_pages, OLD },
	{ "mbind", KINDS_NONE, SMALL(BATCH_ANON), 0, bind_node, OLD },
	{ "thp-move-pages", KINDS_NONE, BIG(BATCH_THP), 0, move_pages, OLD },
	{ "compaction", KINDS_NONE, SMALL(BATCH_ANON), HITS_ALL | HITS_MAYBE, compact, OLD },
	{ "device-private", KINDS_NONE, SMALL(BATCH_ANON), 0, to_device, OLD },
	{ "device-exclusive", KINDS_NONE, SMALL(BATCH_ANON), 0, to_exclusive, OLD },
};

/* Memory of the kind, with its first contents. */
static struct batch_pieces *work_pieces(const struct work *work)
{
	uint64_t bytes = work->layout.num_ranges * work->layout.pages * BATCH_PAGE;
	struct batch_pieces *pieces;
	unsigned int i;

	igt_require_f(!(work->needs & NEEDS_SWAP) || kinds_have_swap(), "no swap\n");
	pieces = batch_pieces_alloc_file(&work->layout, kinds_open(work->file, bytes));
	for (i = 0; i < work->layout.num_ranges; i++) {
		if (work->needs & START_FILE)
			write_file(pieces, i, OLD);
		else if (!(work->needs & START_EMPTY))
			batch_fill_range(pieces, i, OLD);
	}
	if (work->layout.memory == BATCH_THP || work->file == KINDS_TMPFS_HUGE)
		igt_require_f(work->needs & START_EMPTY ||
			      kinds_huge_bytes(pieces->base, pieces->span) == bytes,
			      "the system gives no huge pages\n");
	return pieces;
}

static void works_event(struct batch_gpu *gpu, const struct work *work,
			struct batch_pieces *pieces, const struct batch_bo *bo)
{
	unsigned int n = work->layout.num_ranges, i;
	uint64_t before, after;
	bool counted;

	counted = batch_counter(gpu, "invalidations", &before);
	for (i = 1; i < n; i += 2) {
		work->event(pieces, i);
		if (work->needs & HITS_ALL)
			break;
	}
	if (counted && !(work->needs & HITS_MAYBE)) {
		batch_counter(gpu, "invalidations", &after);
		igt_assert_f(after > before || work->needs & HITS_NONE,
			     "the kernel did not notice\n");
		igt_assert_f(after == before || !(work->needs & HITS_NONE),
			     "the kernel noticed what changes nothing\n");
	}
	if (!work->restore)
		return;

	/* more than once: a failed submission must not make the range look good */
	igt_assert_eq(__batch_read(gpu, bo), -EFAULT);
	igt_assert_eq(__batch_read(gpu, bo), -EFAULT);
	for (i = 1; i < n; i += 2) {
		work->restore(pieces, i);
		if (work->needs & HITS_ALL)
			break;
	}
}

static void works_run(struct batch_gpu *gpu, const struct work *work)
{
	bool reads = work->needs & READS, shared = work->layout.memory == BATCH_SHARED;
	int start = work->needs & START_EMPTY ? BATCH_ZERO : OLD;
	struct batch_pieces *pieces = work_pieces(work);
	unsigned int n = work->layout.num_ranges, i;
	struct batch_bo bo;

	batch_create(gpu, pieces, reads ? BATCH_RO : BATCH_RW, &bo);
	batch_map(gpu, &bo);
	batch_read_check(gpu, &bo, start);
	if (!reads) {
		batch_write_check(gpu, &bo, pieces, GPU_WRITTEN);
		/* back to the first contents, by the GPU as well */
		batch_write_check(gpu, &bo, pieces, start);
	}

	works_event(gpu, work, pieces, &bo);
	/* before the CPU looks, so that the GPU's faults bring the pages */
	batch_read(gpu, &bo);
	for (i = 0; i < n; i++) {
		bool all = work->needs & HITS_ALL && !(work->needs & HITS_MAYBE);
		int seed = all || i % 2 ? work->contents : start;

		batch_check_words((uint8_t *)gpu->staging.cpu + pieces->offsets[i],
				  size(pieces, i), pieces->offsets[i], seed, "GPU");
		batch_check_range(pieces, i, seed);
	}

	if (!reads)
		batch_write_check(gpu, &bo, pieces, GPU_WRITTEN);
	for (i = 1; work->file && i < n; i += 2)
		check_file(pieces, i, !shared ? work->file_contents : GPU_WRITTEN);
	batch_fill(pieces, NEW);
	batch_read_check(gpu, &bo, NEW);
	batch_destroy(gpu, &bo);
	batch_check(pieces, NEW);
	batch_pieces_free(pieces);
}

/**
 * SUBTEST: fragment-%s
 * Description: A huge page is one entry in the page tables of the GPU, or a part
 *	of a larger one, and becomes one again after it was split: %arg[1].
 *
 * arg[1]:
 *
 * @thp:			transparent huge pages
 * @hugetlb:			hugetlb pages
 * @tmpfs-huge:			huge pages on tmpfs
 */
static const struct work fragments[] = {
	{ "thp", KINDS_NONE, BIG(BATCH_THP), 0, split, OLD, 0, collapse },
	{ "hugetlb", KINDS_HUGETLB, BIG(BATCH_SHARED), 0, punch_hole, BATCH_ZERO },
	{ "tmpfs-huge", KINDS_TMPFS_HUGE, BIG(BATCH_SHARED), 0, punch_hole, BATCH_ZERO },
};

/* Submits, and asserts what that writes to the page tables for the ranges. */
static void check_entries(struct batch_gpu *gpu, const struct batch_bo *bo,
			  struct batch_pieces *pieces, struct kinds_trace *trace,
			  uint64_t hit_pages, uint64_t other_pages)
{
	struct kinds_entries all = {};
	unsigned int i;

	batch_read(gpu, bo);
	kinds_trace_read(trace, bo->va, bo->size, &all);
	igt_debug("%llu pages by entries of %llu bytes or more, fragments %llu\n",
		  (unsigned long long)all.pages, (unsigned long long)all.smallest,
		  (unsigned long long)all.fragment);
	i = pieces->layout.num_ranges;
	igt_assert_eq_u64(all.pages, i / 2 * hit_pages + (i + 1) / 2 * other_pages);
	igt_assert_eq_u64(all.smallest, BATCH_HUGE);
	igt_assert_f(all.fragment >= BATCH_HUGE, "a fragment of %#llx\n",
		     (unsigned long long)all.fragment);
}

static void fragment(struct batch_gpu *gpu, const struct work *work)
{
	struct batch_pieces *pieces = work_pieces(work);
	unsigned int n = work->layout.num_ranges, i;
	uint64_t pages = work->layout.pages;
	struct kinds_entries entries;
	struct kinds_trace trace;
	struct batch_bo bo;

	kinds_trace_start(&trace);
	batch_create(gpu, pieces, BATCH_RW, &bo);
	batch_map(gpu, &bo);
	check_entries(gpu, &bo, pieces, &trace, pages, pages);
	batch_check_words(gpu->staging.cpu, bo.size, 0, OLD, "GPU");

	for (i = 1; i < n; i += 2)
		work->event(pieces, i);
	if (work->restore) {
		/* replaced pages: no contiguous memory, so no huge entry */
		for (i = 1; i < n; i += 2) {
			dontneed(pieces, i);
			do_or_die(madvise(ptr(pieces, i), size(pieces, i), MADV_NOHUGEPAGE));
			batch_fill_range(pieces, i, OLD);
		}
		batch_read_check(gpu, &bo, OLD);
		kinds_trace_read(&trace, bo.va, bo.size, &entries);
		igt_assert_eq_u64(entries.pages, n / 2 * pages);
		igt_assert_f(entries.smallest < BATCH_HUGE, "small pages in a huge entry\n");

		for (i = 1; i < n; i += 2) {
			do_or_die(madvise(ptr(pieces, i), size(pieces, i), MADV_HUGEPAGE));
			work->restore(pieces, i);
		}
	}
	/* only what changed is written */
	check_entries(gpu, &bo, pieces, &trace, pages, 0);
	for (i = 0; i < n; i++)
		batch_check_words((uint8_t *)gpu->staging.cpu + pieces->offsets[i],
				  size(pieces, i), pieces->offsets[i],
				  i % 2 ? work->contents : OLD, "GPU");
	batch_write_check(gpu, &bo, pieces, GPU_WRITTEN);
	batch_destroy(gpu, &bo);
	kinds_trace_stop(&trace);
	batch_pieces_free(pieces);
}

/**
 * SUBTEST: kept-%s
 * Description: What the GPU wrote is still there after the kernel took the pages
 *	away, although no page table entry of the CPU was written through: %arg[1].
 *
 * arg[1]:
 *
 * @anon-read-back:		anonymous, swapped out and read back by the CPU
 * @anon-lazily-freed:		anonymous, given up by MADV_FREE
 * @memfd-hole:			a hole of a memfd that the CPU only read
 * @anon-lazily-freed-destroy:	the same, and the BO goes first
 * @memfd-hole-destroy:		the same for the hole
 * @tmpfs-read-back:		a file on tmpfs, swapped out and read back by the CPU
 * @ext4-written-back:		a file on ext4, written to disk before
 */
static void read_all(struct batch_pieces *pieces, unsigned int i)
{
	volatile const uint8_t *p = ptr(pieces, i);
	uint64_t at;

	for (at = 0; at < size(pieces, i); at += BATCH_PAGE)
		p[at];
}

static void page_out_read(struct batch_pieces *pieces, unsigned int i)
{
	page_out(pieces, i);
	read_all(pieces, i);
}

static void give_up(struct batch_pieces *pieces, unsigned int i)
{
	do_or_die(madvise(ptr(pieces, i), size(pieces, i), MADV_FREE));
}

static const struct work kepts[] = {
	{ "anon-read-back", KINDS_NONE, SMALL(BATCH_ANON), NEEDS_SWAP, page_out_read,
	  GPU_WRITTEN, 0, page_out },
	{ "anon-lazily-freed", KINDS_NONE, SMALL(BATCH_ANON), NEEDS_SWAP, give_up,
	  GPU_WRITTEN, 0, page_out },
	{ "memfd-hole", KINDS_MEMFD, SMALL(BATCH_SHARED), NEEDS_SWAP | START_EMPTY, read_all,
	  GPU_WRITTEN, 0, page_out },
	{ "anon-lazily-freed-destroy", KINDS_NONE, SMALL(BATCH_ANON), NEEDS_SWAP | DESTROYED,
	  give_up, GPU_WRITTEN, 0, page_out },
	{ "memfd-hole-destroy", KINDS_MEMFD, SMALL(BATCH_SHARED),
	  NEEDS_SWAP | START_EMPTY | DESTROYED, read_all, GPU_WRITTEN, 0, page_out },
	{ "tmpfs-read-back", KINDS_TMPFS, SMALL(BATCH_SHARED), NEEDS_SWAP, page_out_read,
	  GPU_WRITTEN, 0, page_out },
	{ "ext4-written-back", KINDS_EXT4, SMALL(BATCH_SHARED), 0, write_back,
	  GPU_WRITTEN, 0, reclaim },
};

static void kept(struct batch_gpu *gpu, const struct work *work)
{
	struct batch_pieces *pieces = work_pieces(work);
	unsigned int n = work->layout.num_ranges, i;
	struct batch_bo bo;

	/* before and after the BO takes them, so that it never is what made them dirty */
	for (i = 0; i < n; i++)
		work->event(pieces, i);
	batch_create(gpu, pieces, BATCH_RW, &bo);
	batch_map(gpu, &bo);
	if (!(work->needs & START_EMPTY)) {
		batch_read(gpu, &bo);
		for (i = 0; i < n; i++)
			work->event(pieces, i);
	}

	batch_fill_words(gpu->staging.cpu, bo.size, 0, GPU_WRITTEN);
	batch_write(gpu, &bo);
	if (work->needs & DESTROYED)
		batch_destroy(gpu, &bo);
	/* with no look by the CPU in between */
	for (i = 0; i < n; i++)
		work->restore(pieces, i);
	batch_check(pieces, work->contents);
	for (i = 0; work->file && i < n; i++)
		check_file(pieces, i, work->contents);
	if (!(work->needs & DESTROYED)) {
		batch_read_check(gpu, &bo, work->contents);
		batch_destroy(gpu, &bo);
	}
	batch_pieces_free(pieces);
}

/**
 * SUBTEST: ksm-%s
 * Description: Equal pages that the kernel has merged into one: %arg[1].
 *
 * arg[1]:
 *
 * @read:			a read-only BO reads the merged page and leaves it
 *				merged
 * @write:			a BO that may write gets pages of its own
 * @merge:			pages are merged below a BO that may write
 */
static uint64_t ksm_run, ksm_scan;
static bool ksm_changed;

/* The same contents in every page. */
static void fill_equal(struct batch_pieces *pieces)
{
	uint64_t at;
	unsigned int i;

	for (i = 0; i < pieces->layout.num_ranges; i++)
		for (at = 0; at < size(pieces, i); at += BATCH_PAGE)
			batch_fill_words((uint8_t *)ptr(pieces, i) + at, BATCH_PAGE, 0, OLD);
}

static void check_equal(const void *p, uint64_t bytes, const char *what)
{
	uint64_t at;

	for (at = 0; at < bytes; at += BATCH_PAGE)
		batch_check_words((const uint8_t *)p + at, BATCH_PAGE, 0, OLD, what);
}

static unsigned int count_merged(struct batch_pieces *pieces)
{
	unsigned int i, merged = 0;
	uint64_t at;

	for (i = 0; i < pieces->layout.num_ranges; i++) {
		for (at = 0; at < size(pieces, i); at += BATCH_PAGE) {
			const uint8_t *page = (uint8_t *)ptr(pieces, i) + at;

			merged += kinds_any_present(page, BATCH_PAGE) &&
				  kinds_page_flags(page) >> KPF_KSM & 1;
		}
	}
	return merged;
}

static void ksm_restore(void)
{
	if (!ksm_changed)
		return;
	kinds_write_value(KSM "pages_to_scan", ksm_scan);
	kinds_write_value(KSM "run", ksm_run);
	ksm_changed = false;
}

static void ksm_merge(struct batch_pieces *pieces, unsigned int pages)
{
	unsigned int i, seconds;

	for (i = 0; i < pieces->layout.num_ranges; i++)
		igt_require_f(!madvise(ptr(pieces, i), size(pieces, i), MADV_MERGEABLE),
			      "no KSM: %s\n", strerror(errno));
	igt_require_f(kinds_read_value(KSM "run", &ksm_run) &&
		      kinds_read_value(KSM "pages_to_scan", &ksm_scan) &&
		      kinds_write_value(KSM "pages_to_scan", 1000), "KSM is for root only\n");
	ksm_changed = true;
	igt_assert(kinds_write_value(KSM "run", 1));
	for (seconds = 0; seconds < 60 && count_merged(pieces) < pages; seconds++)
		sleep(1);
	/* so that it stays as it is now */
	igt_assert(kinds_write_value(KSM "run", 0));
	igt_assert_eq(count_merged(pieces), pages);
}

static const struct merge {
	const char *name;
	uint32_t flags;
	bool late;		/* the BO is older */
	bool stays;		/* the pages stay merged when the GPU uses them */
} merges[] = {
	{ "read", BATCH_RO, false, true },
	{ "write", BATCH_RW, false, false },
	{ "merge", BATCH_RW, true, false },
};

static void ksm(struct batch_gpu *gpu, const struct merge *merge)
{
	static const struct batch_layout layout = SMALL(BATCH_ANON);
	struct batch_pieces *pieces = batch_pieces_alloc(&layout);
	unsigned int pages = pieces->size / BATCH_PAGE;
	struct batch_bo bo;

	fill_equal(pieces);
	if (merge->late) {
		batch_create(gpu, pieces, merge->flags, &bo);
		batch_map(gpu, &bo);
		batch_read(gpu, &bo);
	}
	ksm_merge(pieces, pages);
	if (!merge->late) {
		batch_create(gpu, pieces, merge->flags, &bo);
		batch_map(gpu, &bo);
	}
	batch_read(gpu, &bo);
	check_equal(gpu->staging.cpu, bo.size, "GPU");
	igt_assert_eq(count_merged(pieces), merge->stays ? pages : 0);

	/* one page no longer equals the others */
	batch_fill_words(ptr(pieces, 5), BATCH_PAGE, pieces->offsets[5], NEW);
	batch_read(gpu, &bo);
	check_equal(gpu->staging.cpu, pieces->offsets[5], "GPU, before");
	batch_check_words((uint8_t *)gpu->staging.cpu + pieces->offsets[5], BATCH_PAGE,
			  pieces->offsets[5], NEW, "GPU");
	check_equal((uint8_t *)gpu->staging.cpu + pieces->offsets[5] + BATCH_PAGE,
		    bo.size - pieces->offsets[5] - BATCH_PAGE, "GPU, behind");
	if (merge->flags == BATCH_RW)
		batch_write_check(gpu, &bo, pieces, GPU_WRITTEN);
	batch_destroy(gpu, &bo);
	batch_pieces_free(pieces);
	ksm_restore();
}

#undef BIG
#undef SMALL

int igt_main()
{
	struct batch_gpu gpu;
	unsigned int i;
	int fd = -1;

	igt_fixture() {
		fd = drm_open_driver_render(DRIVER_AMDGPU);
		batch_gpu_init(&gpu, fd, STAGING_SIZE);
	}

	for (i = 0; i < ARRAY_SIZE(works); i++) {
		igt_describe("Copies, what happens to such memory, copies again");
		igt_subtest_f("works-%s", works[i].name)
			works_run(&gpu, &works[i]);
	}

	for (i = 0; i < ARRAY_SIZE(fragments); i++) {
		igt_describe("Huge pages are huge for the GPU as well");
		igt_subtest_f("fragment-%s", fragments[i].name)
			fragment(&gpu, &fragments[i]);
	}

	for (i = 0; i < ARRAY_SIZE(kepts); i++) {
		igt_describe("What the GPU wrote is not lost");
		igt_subtest_f("kept-%s", kepts[i].name)
			kept(&gpu, &kepts[i]);
	}

	for (i = 0; i < ARRAY_SIZE(merges); i++) {
		igt_describe("Pages that the kernel has merged");
		igt_subtest_f("ksm-%s", merges[i].name)
			ksm(&gpu, &merges[i]);
	}

	igt_fixture() {
		static const char *const unload[] = { "modprobe", "-q", "-r", "test_hmm", NULL };

		ksm_restore();
		if (hmm_fd >= 0)
			close(hmm_fd);
		if (hmm_loaded)
			kinds_run(unload);
		batch_gpu_fini(&gpu);
		drm_close_driver(fd);
	}
}
