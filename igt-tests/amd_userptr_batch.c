// SPDX-License-Identifier: MIT

/**
 * TEST: userptr batch
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: Memory management tests
 * Functionality: userptr
 * Description: GPU access to scattered CPU memory through one BO, while the
 *	CPU changes its mappings
 */

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "lib/amdgpu/amd_userptr_batch.h"
#include "lib/amdgpu/amd_userptr_kinds.h"

IGT_TEST_DESCRIPTION("One BO from many pieces of CPU memory: what the GPU sees "
		     "and writes, before and after the CPU mappings change");

#define STAGING_SIZE (32ull << 20)

/* seeds of the patterns, in the order in which a subtest uses them */
enum { OLD = 1, NEW, GPU_WRITTEN };

/**
 * SUBTEST: copy-%s
 * Description: The GPU reads and writes every byte of a BO of geometry %arg[1].
 *
 * arg[1]:
 *
 * @one-page:			a single page
 * @one-range:			one range of many pages
 * @few:			some ranges of some pages
 * @adjacent:			ranges without a gap
 * @adjacent-shuffled:		ranges without a gap, in another order
 * @descending:			ranges from the highest address down
 * @shuffled:			ranges in no order
 * @sizes:			ranges of different sizes, in no order
 * @many:			thousands of ranges of a page each
 * @large:			ranges of several MiB
 * @thp:			transparent huge pages
 * @hugetlb:			hugetlb pages
 * @memfd-shared:		a shared mapping of a memfd
 * @memfd-private:		a private mapping of a memfd
 * @mixed:			anonymous and file memory in one BO
 * @mixed-many:			thousands of ranges of all kinds and sizes
 */
static const struct {
	const char *name;
	struct batch_layout layout;
} layouts[] = {
	{ "one-page",		{ 1, 1, 0, 1, BATCH_ANON, BATCH_ASCENDING } },
	{ "one-range",		{ 1, 64, 0, 1, BATCH_ANON, BATCH_ASCENDING } },
	{ "few",		{ 16, 4, 0, 3, BATCH_ANON, BATCH_ASCENDING } },
	{ "adjacent",		{ 16, 4, 0, 0, BATCH_ANON, BATCH_ASCENDING } },
	{ "adjacent-shuffled",	{ 16, 4, 0, 0, BATCH_ANON, BATCH_SHUFFLED } },
	{ "descending",		{ 64, 2, 0, 1, BATCH_ANON, BATCH_DESCENDING } },
	{ "shuffled",		{ 64, 2, 0, 1, BATCH_ANON, BATCH_SHUFFLED } },
	{ "sizes",		{ 100, 1, 6, 2, BATCH_ANON, BATCH_SHUFFLED } },
	{ "many",		{ 4096, 1, 0, 1, BATCH_ANON, BATCH_SHUFFLED } },
	{ "large",		{ 4, 1536, 0, 1, BATCH_ANON, BATCH_SHUFFLED } },
	{ "thp",		{ 4, 512, 0, 512, BATCH_THP, BATCH_SHUFFLED } },
	{ "hugetlb",		{ 4, 512, 0, 512, BATCH_HUGETLB, BATCH_SHUFFLED } },
	{ "memfd-shared",	{ 64, 2, 0, 1, BATCH_SHARED, BATCH_SHUFFLED } },
	{ "memfd-private",	{ 64, 2, 0, 1, BATCH_PRIVATE, BATCH_SHUFFLED } },
	{ "mixed",		{ 64, 2, 3, 1, BATCH_MIXED, BATCH_SHUFFLED } },
	{ "mixed-many",		{ 2048, 1, 3, 1, BATCH_MIXED, BATCH_SHUFFLED } },
};

static void copy(struct batch_gpu *gpu, const struct batch_layout *layout)
{
	struct batch_pieces *pieces = batch_pieces_alloc(layout);
	struct batch_bo bo;

	batch_fill(pieces, OLD);
	batch_create(gpu, pieces, BATCH_RW, &bo);
	batch_map(gpu, &bo);
	batch_read_check(gpu, &bo, OLD);
	batch_write_check(gpu, &bo, pieces, GPU_WRITTEN);
	/* the CPU's stores need no call to be seen */
	batch_fill(pieces, NEW);
	batch_read_check(gpu, &bo, NEW);
	batch_destroy(gpu, &bo);
	batch_check(pieces, NEW);
	batch_pieces_free(pieces);
}

/*
 * What can happen to a range. The contents afterwards are OLD where the event
 * keeps them; events after which stale pages would look right all the same
 * have a twin that writes.
 */

static uint8_t *middle(struct batch_pieces *pieces, unsigned int i)
{
	uint64_t pages = batch_range_size(pieces, i) / BATCH_PAGE;

	return (uint8_t *)batch_range_ptr(pieces, i) + pages / 2 * BATCH_PAGE;
}

static uint64_t middle_offset(struct batch_pieces *pieces, unsigned int i)
{
	return pieces->offsets[i] + (middle(pieces, i) -
				     (uint8_t *)batch_range_ptr(pieces, i));
}

static void fill_middle(struct batch_pieces *pieces, unsigned int i)
{
	batch_fill_words(middle(pieces, i), BATCH_PAGE,
			 middle_offset(pieces, i), NEW);
}

static void dontneed(struct batch_pieces *pieces, unsigned int i)
{
	do_or_die(madvise(batch_range_ptr(pieces, i),
			  batch_range_size(pieces, i), MADV_DONTNEED));
}

static void dontneed_write(struct batch_pieces *pieces, unsigned int i)
{
	dontneed(pieces, i);
	batch_fill_range(pieces, i, NEW);
}

static void dontneed_page(struct batch_pieces *pieces, unsigned int i)
{
	do_or_die(madvise(middle(pieces, i), BATCH_PAGE, MADV_DONTNEED));
}

static void remap(struct batch_pieces *pieces, unsigned int i)
{
	do_or_die(munmap(batch_range_ptr(pieces, i), batch_range_size(pieces, i)));
	batch_pieces_place(pieces, i);
	batch_fill_range(pieces, i, NEW);
}

static void map_over_page(struct batch_pieces *pieces, unsigned int i)
{
	void *p = middle(pieces, i);

	igt_assert(mmap(p, BATCH_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p);
	fill_middle(pieces, i);
}

static void map_file_over(struct batch_pieces *pieces, unsigned int i)
{
	void *p = batch_range_ptr(pieces, i);
	uint64_t size = batch_range_size(pieces, i);
	int fd = memfd_create("over", MFD_CLOEXEC);

	igt_assert(fd >= 0);
	do_or_die(ftruncate(fd, size));
	igt_assert(mmap(p, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			fd, 0) == p);
	close(fd);
	batch_fill_range(pieces, i, NEW);
}

static void move_over(struct batch_pieces *pieces, unsigned int i)
{
	void *p = batch_range_ptr(pieces, i), *from;
	uint64_t size = batch_range_size(pieces, i);

	from = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	igt_assert(from != MAP_FAILED);
	batch_fill_words(from, size, pieces->offsets[i], NEW);
	igt_assert(mremap(from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, p) == p);
}

static void protect(struct batch_pieces *pieces, unsigned int i)
{
	void *p = batch_range_ptr(pieces, i);
	uint64_t size = batch_range_size(pieces, i);

	do_or_die(mprotect(p, size, PROT_NONE));
	do_or_die(mprotect(p, size, PROT_READ | PROT_WRITE));
}

static void protect_write(struct batch_pieces *pieces, unsigned int i)
{
	protect(pieces, i);
	batch_fill_range(pieces, i, NEW);
}

/* The parent's stores go to new pages, the child keeps the old ones. */
static void fork_write(struct batch_pieces *pieces, unsigned int i)
{
	int written[2];
	char c = 0;

	do_or_die(pipe(written));
	igt_fork(child, 1) {
		igt_assert_eq(read(written[0], &c, 1), 1);
		batch_check_range(pieces, i, OLD);
	}
	batch_fill_range(pieces, i, NEW);
	igt_assert_eq(write(written[1], &c, 1), 1);
	igt_waitchildren();
	close(written[0]);
	close(written[1]);
}

static void swap_out(struct batch_pieces *pieces, unsigned int i)
{
	kinds_page_out(batch_range_ptr(pieces, i), batch_range_size(pieces, i));
}

static void swap_out_write(struct batch_pieces *pieces, unsigned int i)
{
	swap_out(pieces, i);
	batch_fill_range(pieces, i, NEW);
}

static void punch_hole(struct batch_pieces *pieces, unsigned int i)
{
	do_or_die(fallocate(pieces->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			    (uint8_t *)batch_range_ptr(pieces, i) - pieces->base,
			    batch_range_size(pieces, i)));
}

static void write_file(struct batch_pieces *pieces, unsigned int i)
{
	uint64_t size = batch_range_size(pieces, i);
	off_t at = (uint8_t *)batch_range_ptr(pieces, i) - pieces->base;
	void *data = malloc(size);

	igt_assert(data);
	batch_fill_words(data, size, pieces->offsets[i], NEW);
	igt_assert(pwrite(pieces->memfd, data, size, at) == (ssize_t)size);
	free(data);
}

static void collapse_write(struct batch_pieces *pieces, unsigned int i)
{
	void *p = batch_range_ptr(pieces, i);
	uint64_t size = batch_range_size(pieces, i);

	/* allowed only now, see START_SMALL */
	do_or_die(madvise(p, size, MADV_HUGEPAGE));
	igt_require_f(!madvise(p, size, MADV_COLLAPSE),
		      "madvise(MADV_COLLAPSE): %s\n", strerror(errno));
	batch_fill_range(pieces, i, NEW);
}

enum {
	NEEDS_SWAP = 1 << 0,
	START_SMALL = 1 << 1,		/* no huge pages at first */
	HITS_NONE = 1 << 2,		/* invalidates nothing */
	HITS_ALL = 1 << 3,		/* invalidates the other ranges as well */
};

/**
 * SUBTEST: invalidate-%s-%s
 * Description: The GPU follows when %arg[1] happens to %arg[2] of the ranges of
 *	a BO, and still sees the others.
 *
 * arg[1]:
 *
 * @dontneed:			madvise(MADV_DONTNEED)
 * @dontneed-write:		the same, and the CPU writes
 * @dontneed-page:		the same for one page of a range
 * @remap:			munmap, and a new mapping in its place
 * @map-over-page:		a new mapping over one page of a range
 * @map-file-over:		a mapping of a file over anonymous memory
 * @move-over:			mremap of other memory to the place of a range
 * @protect:			mprotect away and back
 * @protect-write:		the same, and the CPU writes
 * @fork-write:			copy on write after a fork
 * @swap-out:			swapped out
 * @swap-out-write:		the same, and the CPU writes
 * @shared-remap:		like remap, memfd
 * @shared-punch-hole:		a hole in the memfd
 * @shared-write-file:		a write to the memfd, which invalidates nothing
 * @shared-swap-out-write:	like swap-out-write, memfd
 * @private-dontneed:		like dontneed, private mapping of a memfd: the
 *				file's contents come back
 * @thp-map-over-page:		one page of a huge page replaced
 * @thp-dontneed-write:		like dontneed-write, huge pages
 * @thp-swap-out-write:		like swap-out-write, huge pages
 * @collapse-write:		small pages become a huge page, and the CPU writes
 * @hugetlb-dontneed-write:	like dontneed-write, hugetlb
 *
 * arg[2]:
 *
 * @front:			the first
 * @end:			the last
 * @one:			one in the middle
 * @either-side:		the first and the last
 * @alternate:			every second
 * @all:			all
 */
static const struct event {
	const char *name;
	void (*apply)(struct batch_pieces *pieces, unsigned int i);
	int contents;		/* afterwards */
	int contents_middle;	/* afterwards, of the middle page */
	int needs;
	struct batch_layout layout;
} events[] = {
#define SMALL(memory) { 16, 4, 0, 2, memory, BATCH_SHUFFLED }
#define BIG(memory) { 5, 512, 0, 512, memory, BATCH_SHUFFLED }
	{ "dontneed", dontneed, BATCH_ZERO, BATCH_ZERO, 0, SMALL(BATCH_ANON) },
	{ "dontneed-write", dontneed_write, NEW, NEW, 0, SMALL(BATCH_ANON) },
	{ "dontneed-page", dontneed_page, OLD, BATCH_ZERO, 0, SMALL(BATCH_ANON) },
	{ "remap", remap, NEW, NEW, 0, SMALL(BATCH_ANON) },
	{ "map-over-page", map_over_page, OLD, NEW, 0, SMALL(BATCH_ANON) },
	{ "map-file-over", map_file_over, NEW, NEW, 0, SMALL(BATCH_ANON) },
	{ "move-over", move_over, NEW, NEW, 0, SMALL(BATCH_ANON) },
	{ "protect", protect, OLD, OLD, 0, SMALL(BATCH_ANON) },
	{ "protect-write", protect_write, NEW, NEW, 0, SMALL(BATCH_ANON) },
	{ "fork-write", fork_write, NEW, NEW, HITS_ALL, SMALL(BATCH_ANON) },
	{ "swap-out", swap_out, OLD, OLD, NEEDS_SWAP, SMALL(BATCH_ANON) },
	{ "swap-out-write", swap_out_write, NEW, NEW, NEEDS_SWAP, SMALL(BATCH_ANON) },
	{ "shared-remap", remap, NEW, NEW, 0, SMALL(BATCH_SHARED) },
	{ "shared-punch-hole", punch_hole, BATCH_ZERO, BATCH_ZERO, 0, SMALL(BATCH_SHARED) },
	{ "shared-write-file", write_file, NEW, NEW, HITS_NONE, SMALL(BATCH_SHARED) },
	{ "shared-swap-out-write", swap_out_write, NEW, NEW, NEEDS_SWAP, SMALL(BATCH_SHARED) },
	{ "private-dontneed", dontneed, BATCH_ZERO, BATCH_ZERO, 0, SMALL(BATCH_PRIVATE) },
	{ "thp-map-over-page", map_over_page, OLD, NEW, 0, BIG(BATCH_THP) },
	{ "thp-dontneed-write", dontneed_write, NEW, NEW, 0, BIG(BATCH_THP) },
	{ "thp-swap-out-write", swap_out_write, NEW, NEW, NEEDS_SWAP, BIG(BATCH_THP) },
	{ "collapse-write", collapse_write, NEW, NEW, START_SMALL, BIG(BATCH_ANON) },
	{ "hugetlb-dontneed-write", dontneed_write, NEW, NEW, 0, BIG(BATCH_HUGETLB) },
#undef BIG
#undef SMALL
};

static bool is_front(unsigned int i, unsigned int n) { return i == 0; }
static bool is_end(unsigned int i, unsigned int n) { return i == n - 1; }
static bool is_middle(unsigned int i, unsigned int n) { return i == n / 2; }
static bool is_side(unsigned int i, unsigned int n) { return i == 0 || i == n - 1; }
static bool is_odd(unsigned int i, unsigned int n) { return i % 2; }
static bool is_any(unsigned int i, unsigned int n) { return true; }

static const struct place {
	const char *name;
	bool (*holds)(unsigned int i, unsigned int n);
} places[] = {
	{ "front", is_front },
	{ "end", is_end },
	{ "one", is_middle },
	{ "either-side", is_side },
	{ "alternate", is_odd },
	{ "all", is_any },
};

static void invalidate(struct batch_gpu *gpu, const struct event *event,
		       const struct place *place)
{
	unsigned int n = event->layout.num_ranges, hit = 0, i;
	uint64_t faulted_before, faulted_after;
	struct batch_pieces *pieces;
	struct batch_bo bo;

	igt_require_f(!(event->needs & NEEDS_SWAP) || kinds_have_swap(), "no swap\n");

	pieces = batch_pieces_alloc(&event->layout);
	if (event->needs & START_SMALL)
		do_or_die(madvise(pieces->base, pieces->span, MADV_NOHUGEPAGE));
	batch_fill(pieces, OLD);
	batch_create(gpu, pieces, BATCH_RW, &bo);
	batch_map(gpu, &bo);
	batch_read_check(gpu, &bo, OLD);

	igt_require_f(batch_counter(gpu, "faults", &faulted_before),
		      "no counters in debugfs\n");
	for (i = 0; i < n; i++) {
		if (!place->holds(i, n))
			continue;
		event->apply(pieces, i);
		hit++;
	}

	/* before the CPU looks, so that the GPU's faults bring the pages */
	batch_read(gpu, &bo);
	for (i = 0; i < n; i++) {
		int seed = place->holds(i, n) ? event->contents : OLD;
		int seed_middle = place->holds(i, n) ? event->contents_middle : OLD;
		uint64_t start = pieces->offsets[i], mid = middle_offset(pieces, i);
		uint64_t end = start + batch_range_size(pieces, i);
		const uint8_t *seen = gpu->staging.cpu;

		batch_check_words(seen + start, mid - start, start, seed, "GPU");
		batch_check_words(seen + mid, BATCH_PAGE, mid, seed_middle, "GPU, middle");
		mid += BATCH_PAGE;
		batch_check_words(seen + mid, end - mid, mid, seed, "GPU");
	}
	batch_counter(gpu, "faults", &faulted_after);
	if (event->needs & HITS_NONE)
		hit = 0;
	if (event->needs & HITS_ALL)
		hit = n;
	igt_assert_eq_u64(faulted_after - faulted_before, hit);

	batch_write_check(gpu, &bo, pieces, GPU_WRITTEN);
	batch_destroy(gpu, &bo);
	batch_pieces_free(pieces);
}

/**
 * SUBTEST: invalidate-span
 * Description: One call that takes away the memory of many ranges at once.
 */
static void invalidate_span(struct batch_gpu *gpu)
{
	static const struct batch_layout layout = { 512, 2, 0, 0, BATCH_ANON, BATCH_SHUFFLED };
	struct batch_pieces *pieces = batch_pieces_alloc(&layout);
	uint64_t half = pieces->span / 2;
	struct batch_bo bo;
	unsigned int i;

	batch_fill(pieces, OLD);
	batch_create(gpu, pieces, BATCH_RW, &bo);
	batch_map(gpu, &bo);
	batch_read_check(gpu, &bo, OLD);

	do_or_die(madvise(pieces->base + half, pieces->span - half, MADV_DONTNEED));
	batch_read(gpu, &bo);
	for (i = 0; i < layout.num_ranges; i++) {
		uint64_t at = pieces->offsets[i];
		bool gone = (uint8_t *)batch_range_ptr(pieces, i) >= pieces->base + half;

		batch_check_words((uint8_t *)gpu->staging.cpu + at,
				  batch_range_size(pieces, i), at,
				  gone ? BATCH_ZERO : OLD, "GPU");
	}
	batch_write_check(gpu, &bo, pieces, GPU_WRITTEN);
	batch_destroy(gpu, &bo);
	batch_pieces_free(pieces);
}

/**
 * SUBTEST: gone-%s
 * Description: A submission fails while a range is %arg[1]; nothing else is
 *	harmed, and the BO works again when the memory is back.
 *
 * arg[1]:
 *
 * @unmapped:			not mapped
 * @protected:			mapped without access
 * @truncated:			beyond the end of its file
 */
static void gone_unmapped(struct batch_pieces *pieces, unsigned int i)
{
	do_or_die(munmap(batch_range_ptr(pieces, i), batch_range_size(pieces, i)));
}

static void gone_protected(struct batch_pieces *pieces, unsigned int i)
{
	do_or_die(mprotect(batch_range_ptr(pieces, i), batch_range_size(pieces, i),
			   PROT_NONE));
}

static void gone_truncated(struct batch_pieces *pieces, unsigned int i)
{
	do_or_die(ftruncate(pieces->memfd,
			    (uint8_t *)batch_range_ptr(pieces, i) - pieces->base));
}

static const struct gone {
	const char *name;
	void (*apply)(struct batch_pieces *pieces, unsigned int i);
	struct batch_layout layout;
} gones[] = {
	{ "unmapped", gone_unmapped, { 16, 4, 0, 2, BATCH_ANON, BATCH_SHUFFLED } },
	{ "protected", gone_protected, { 16, 4, 0, 2, BATCH_ANON, BATCH_SHUFFLED } },
	/* ascending: the last range is at the end of the file */
	{ "truncated", gone_truncated, { 16, 4, 0, 2, BATCH_SHARED, BATCH_ASCENDING } },
};

static void gone(struct batch_gpu *gpu, const struct gone *what)
{
	unsigned int n = what->layout.num_ranges, last = n - 1, i;
	struct batch_pieces *pieces = batch_pieces_alloc(&what->layout);
	struct batch_bo bo, other;
	uint64_t fence;

	batch_fill(pieces, OLD);
	batch_create(gpu, pieces, BATCH_RW, &bo);
	batch_map(gpu, &bo);
	batch_read_check(gpu, &bo, OLD);

	what->apply(pieces, last);
	/* more than once: a failed submission must not make the range look good */
	for (i = 0; i < 3; i++)
		igt_assert_eq(__batch_read(gpu, &bo), -EFAULT);
	for (i = 0; i < last; i++)
		batch_check_range(pieces, i, OLD);

	/* work without this BO goes on */
	igt_assert_eq(__batch_submit(gpu, NULL, gpu->staging.va, gpu->staging.va +
				     BATCH_PAGE, BATCH_PAGE, 1, &fence), 0);
	igt_assert_eq(__batch_wait(gpu, fence), 0);

	/* and a new BO of the memory that is gone is refused */
	igt_assert_eq(__batch_create(gpu->fd, pieces, BATCH_RW, &other), -EFAULT);

	if (pieces->memfd >= 0)
		do_or_die(ftruncate(pieces->memfd, pieces->span));
	batch_pieces_place(pieces, last);
	batch_fill_range(pieces, last, OLD);
	batch_read_check(gpu, &bo, OLD);
	batch_write_check(gpu, &bo, pieces, GPU_WRITTEN);
	batch_destroy(gpu, &bo);
	batch_pieces_free(pieces);
}

/**
 * SUBTEST: readonly
 * Description: The GPU reads memory that the CPU may only read, through a BO
 *	that is read-only.
 */
static void readonly(struct batch_gpu *gpu)
{
	static const struct batch_layout layout = { 64, 2, 0, 1, BATCH_MIXED, BATCH_SHUFFLED };
	struct batch_pieces *pieces = batch_pieces_alloc(&layout);
	struct batch_bo bo;
	unsigned int i;

	batch_fill(pieces, OLD);
	for (i = 0; i < layout.num_ranges; i++)
		do_or_die(mprotect(batch_range_ptr(pieces, i),
				   batch_range_size(pieces, i), PROT_READ));
	batch_create(gpu, pieces, AMDGPU_GEM_USERPTR_READONLY, &bo);
	batch_map(gpu, &bo);
	batch_read_check(gpu, &bo, OLD);

	/* a read-only BO follows changes as well */
	for (i = 0; i < layout.num_ranges; i += 3)
		remap(pieces, i);
	batch_read(gpu, &bo);
	for (i = 0; i < layout.num_ranges; i++)
		batch_check_words((uint8_t *)gpu->staging.cpu + pieces->offsets[i],
				  batch_range_size(pieces, i), pieces->offsets[i],
				  i % 3 ? OLD : NEW, "GPU");
	batch_destroy(gpu, &bo);
	batch_pieces_free(pieces);
}

/**
 * SUBTEST: unlisted
 * Description: A job that does not list the BO reaches what is there, and never
 *	what was taken away, even though the memory still exists.
 */
static void unlisted(struct batch_gpu *gpu)
{
	static const struct batch_layout layout = { 8, 2, 0, 1, BATCH_SHARED, BATCH_SHUFFLED };
	struct batch_pieces *pieces = batch_pieces_alloc(&layout);
	const unsigned int gone = 3;
	struct batch_bo bo;
	uint64_t fence;
	uint8_t *file;
	unsigned int i;

	batch_fill(pieces, OLD);
	batch_create(gpu, pieces, BATCH_RW, &bo);
	batch_map(gpu, &bo);
	batch_read_check(gpu, &bo, OLD);

	file = mmap(NULL, pieces->span, PROT_READ, MAP_SHARED, pieces->memfd, 0);
	igt_assert(file != MAP_FAILED);
	do_or_die(munmap(batch_range_ptr(pieces, gone), batch_range_size(pieces, gone)));

	/* the GPU reports a fault for one range and goes on */
	batch_fill_words(gpu->staging.cpu, bo.size, 0, GPU_WRITTEN);
	igt_assert_eq(__batch_submit(gpu, NULL, bo.va, gpu->staging.va, bo.size, 1,
				     &fence), 0);
	igt_assert_eq(__batch_wait(gpu, fence), 0);
	for (i = 0; i < layout.num_ranges; i++)
		batch_check_words(file + ((uint8_t *)batch_range_ptr(pieces, i) - pieces->base),
				  batch_range_size(pieces, i), pieces->offsets[i],
				  i == gone ? OLD : GPU_WRITTEN, "file");

	do_or_die(munmap(file, pieces->span));
	batch_pieces_place(pieces, gone);
	batch_write_check(gpu, &bo, pieces, NEW);
	batch_destroy(gpu, &bo);
	batch_pieces_free(pieces);
}

/**
 * SUBTEST: alias-%s
 * Description: The GPU sees one memory through two places of a BO: %arg[1].
 *
 * arg[1]:
 *
 * @same:			the same range twice
 * @overlap:			ranges that overlap by half
 * @nested:			a range within another
 */
static const struct alias {
	const char *name;
	uint64_t start[2], size[2];	/* of the two ranges, in pages */
} aliases[] = {
	{ "same", { 0, 0 }, { 8, 8 } },
	{ "overlap", { 0, 4 }, { 8, 8 } },
	{ "nested", { 0, 2 }, { 8, 3 } },
};

static void alias(struct batch_gpu *gpu, const struct alias *alias)
{
	static const struct batch_layout layout = { 2, 16, 0, 1, BATCH_ANON, BATCH_ASCENDING };
	struct batch_pieces *pieces = batch_pieces_alloc(&layout);
	uint64_t addr = pieces->ranges[0].addr, at[2], size, fence;
	uint8_t *cpu = gpu->staging.cpu;
	struct batch_bo bo;
	int i, round;

	/* both ranges in the memory of the first */
	for (i = 0; i < 2; i++) {
		pieces->ranges[i].addr = addr + alias->start[i] * BATCH_PAGE;
		pieces->ranges[i].size = alias->size[i] * BATCH_PAGE;
	}
	pieces->size = pieces->ranges[0].size + pieces->ranges[1].size;
	pieces->offsets[1] = pieces->ranges[0].size;
	/* where the common pages are in each, and how many */
	at[0] = (alias->start[1] - alias->start[0]) * BATCH_PAGE;
	at[1] = pieces->offsets[1];
	size = pieces->size - at[1];
	if (size > pieces->ranges[0].size - at[0])
		size = pieces->ranges[0].size - at[0];

	batch_create(gpu, pieces, BATCH_RW, &bo);
	batch_map(gpu, &bo);
	for (round = 0; round < 4; round++) {
		int from = round % 2, to = 1 - from;

		/* each round has a pattern, the second half has new pages */
		if (round == 2)
			dontneed(pieces, 0);
		batch_fill_words(cpu, size, 0, OLD + round);
		igt_assert_eq(__batch_submit(gpu, &bo, bo.va + at[from],
					     gpu->staging.va, size, 1, &fence), 0);
		igt_assert_eq(__batch_wait(gpu, fence), 0);
		memset(cpu, 0xa5, size);
		igt_assert_eq(__batch_submit(gpu, &bo, gpu->staging.va,
					     bo.va + at[to], size, 1, &fence), 0);
		igt_assert_eq(__batch_wait(gpu, fence), 0);
		batch_check_words(cpu, size, 0, OLD + round, "GPU, other place");
		batch_check_words((void *)(uintptr_t)pieces->ranges[1].addr, size, 0,
				  OLD + round, "CPU");
	}
	batch_destroy(gpu, &bo);
	batch_pieces_free(pieces);
}

/**
 * SUBTEST: clean-submission
 * Description: Submissions of a BO whose memory did not change fault nothing,
 *	whatever happens to memory beside it.
 */
static void clean_submission(struct batch_gpu *gpu)
{
	static const struct batch_layout layout = { 256, 2, 0, 2, BATCH_MIXED, BATCH_SHUFFLED };
	struct batch_pieces *pieces = batch_pieces_alloc(&layout);
	uint64_t faulted[2], invalidated[2];
	struct batch_bo bo;
	unsigned int i;

	batch_fill(pieces, OLD);
	batch_create(gpu, pieces, BATCH_RW, &bo);
	batch_map(gpu, &bo);
	batch_read_check(gpu, &bo, OLD);
	igt_require_f(batch_counter(gpu, "faults", &faulted[0]) &&
		      batch_counter(gpu, "invalidations", &invalidated[0]),
		      "no counters in debugfs\n");

	for (i = 0; i < 16; i++) {
		/* in the gaps, right beside ranges */
		uint8_t *beside = (uint8_t *)batch_range_ptr(pieces, i) +
				  batch_range_size(pieces, i);

		igt_assert(mmap(beside, BATCH_PAGE, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == beside);
		*beside = i;
		do_or_die(madvise(beside, BATCH_PAGE, MADV_DONTNEED));
		do_or_die(munmap(beside, BATCH_PAGE));
		batch_read_check(gpu, &bo, OLD);
	}

	batch_counter(gpu, "faults", &faulted[1]);
	batch_counter(gpu, "invalidations", &invalidated[1]);
	igt_assert_eq_u64(faulted[1] - faulted[0], 0);
	igt_assert_eq_u64(invalidated[1] - invalidated[0], 0);
	batch_destroy(gpu, &bo);
	batch_pieces_free(pieces);
}

/**
 * SUBTEST: busy-%s
 * Description: What the CPU does to the memory while the GPU works on it waits
 *	for the GPU: %arg[1].
 *
 * arg[1]:
 *
 * @read-remap:			new memory while the GPU reads
 * @write-remap:		new memory while the GPU writes
 * @read-dontneed:		zeroes while the GPU reads
 * @write-dontneed:		zeroes while the GPU writes
 * @read-destroy:		the BO and its memory go while the GPU reads
 * @write-destroy:		the BO and its memory go while the GPU writes
 */
static const struct busy {
	const char *name;
	bool gpu_writes;
	bool destroy;
	void (*apply)(struct batch_pieces *pieces, unsigned int i);
	int contents;	/* that the CPU sees after the event and after the GPU */
} busies[] = {
	{ "read-remap", false, false, remap, NEW },
	{ "write-remap", true, false, remap, NEW },
	{ "read-dontneed", false, false, dontneed, BATCH_ZERO },
	{ "write-dontneed", true, false, dontneed, BATCH_ZERO },
	{ "read-destroy", false, true, remap, NEW },
	{ "write-destroy", true, true, remap, NEW },
};

/* Returns: whether the GPU was still at work when the event began. */
static bool busy_once(struct batch_gpu *gpu, const struct busy *busy, unsigned int repeat)
{
	static const struct batch_layout layout = { 256, 4, 0, 1, BATCH_ANON, BATCH_SHUFFLED };
	struct batch_pieces *pieces = batch_pieces_alloc(&layout);
	struct amdgpu_cs_fence status = {
		.context = gpu->ctx,
		.ip_type = AMDGPU_HW_IP_DMA,
	};
	uint32_t expired = 0;
	struct batch_bo bo;
	unsigned int i;

	batch_fill(pieces, OLD);
	batch_fill_words(gpu->staging.cpu, pieces->size, 0, GPU_WRITTEN);
	batch_create(gpu, pieces, BATCH_RW, &bo);
	batch_map(gpu, &bo);
	igt_assert_eq(__batch_submit(gpu, &bo,
				     busy->gpu_writes ? bo.va : gpu->staging.va,
				     busy->gpu_writes ? gpu->staging.va : bo.va,
				     bo.size, repeat, &status.fence), 0);
	do_or_die(amdgpu_cs_query_fence_status(&status, 0, 0, &expired));

	/* the GPU address stays reserved, so nothing else can be mapped there */
	if (busy->destroy)
		do_or_die(drmCloseBufferHandle(gpu->fd, bo.handle));
	for (i = 0; i < layout.num_ranges; i++)
		busy->apply(pieces, i);
	igt_assert_eq(__batch_wait(gpu, status.fence), 0);

	batch_check(pieces, busy->contents);
	if (!busy->gpu_writes)
		batch_check_words(gpu->staging.cpu, pieces->size, 0, OLD, "GPU");
	if (busy->destroy)
		do_or_die(amdgpu_va_range_free(bo.va_handle));
	else
		batch_destroy(gpu, &bo);
	batch_pieces_free(pieces);
	return !expired;
}

static void busy(struct batch_gpu *gpu, const struct busy *busy)
{
	unsigned int repeat;

	for (repeat = 16; repeat <= 1024; repeat *= 4)
		if (busy_once(gpu, busy, repeat))
			return;
	igt_skip("the GPU is too fast to be caught at work\n");
}

int igt_main()
{
	struct batch_gpu gpu;
	unsigned int i, k;
	int fd = -1;

	igt_fixture() {
		fd = drm_open_driver_render(DRIVER_AMDGPU);
		batch_gpu_init(&gpu, fd, STAGING_SIZE);
	}

	for (i = 0; i < ARRAY_SIZE(layouts); i++) {
		igt_describe("GPU copies from and to every byte of the BO");
		igt_subtest_f("copy-%s", layouts[i].name)
			copy(&gpu, &layouts[i].layout);
	}

	for (i = 0; i < ARRAY_SIZE(events); i++) {
		for (k = 0; k < ARRAY_SIZE(places); k++) {
			igt_describe("The GPU follows a change of CPU mappings");
			igt_subtest_f("invalidate-%s-%s", events[i].name,
				      places[k].name)
				invalidate(&gpu, &events[i], &places[k]);
		}
	}

	igt_describe("One call takes the memory of many ranges");
	igt_subtest("invalidate-span")
		invalidate_span(&gpu);

	for (i = 0; i < ARRAY_SIZE(gones); i++) {
		igt_describe("Missing memory fails submissions until it is back");
		igt_subtest_f("gone-%s", gones[i].name)
			gone(&gpu, &gones[i]);
	}

	igt_describe("Read-only memory");
	igt_subtest("unlisted")
		unlisted(&gpu);

	igt_subtest("readonly")
		readonly(&gpu);

	for (i = 0; i < ARRAY_SIZE(aliases); i++) {
		igt_describe("The same memory at two places of the BO");
		igt_subtest_f("alias-%s", aliases[i].name)
			alias(&gpu, &aliases[i]);
	}

	igt_describe("Unchanged memory costs no faults");
	igt_subtest("clean-submission")
		clean_submission(&gpu);

	for (i = 0; i < ARRAY_SIZE(busies); i++) {
		igt_describe("Changes of CPU mappings wait for the GPU");
		igt_subtest_f("busy-%s", busies[i].name)
			busy(&gpu, &busies[i]);
	}

	igt_fixture() {
		batch_gpu_fini(&gpu);
		drm_close_driver(fd);
	}
}
