// SPDX-License-Identifier: MIT

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "lib/amdgpu/amd_userptr_pieces.h"

/* Position in the address space of the range that is number i in the BO. */
static unsigned int position(const struct batch_layout *layout, unsigned int i)
{
	unsigned int n = layout->num_ranges, step;

	switch (layout->order) {
	case BATCH_ASCENDING:
		return i;
	case BATCH_DESCENDING:
		return n - 1 - i;
	case BATCH_SHUFFLED:
		break;
	}

	/* multiples of a number prime to n visit every position once */
	for (step = n / 2 + 1; ; step++) {
		unsigned int a = step, b = n;

		while (b) {
			unsigned int t = a % b;

			a = b;
			b = t;
		}
		if (a == 1)
			return (uint64_t)i * step % n;
	}
}

static enum batch_memory memory_of(const struct batch_pieces *pieces, unsigned int i)
{
	static const enum batch_memory turn[] = {
		BATCH_ANON, BATCH_SHARED, BATCH_PRIVATE,
	};

	if (pieces->layout.memory == BATCH_MIXED)
		return turn[i % ARRAY_SIZE(turn)];
	return pieces->layout.memory;
}

/**
 * batch_range_ptr:
 * @pieces: scattered memory
 * @i: number of a range
 *
 * Returns: the CPU address of range @i.
 */
void *batch_range_ptr(const struct batch_pieces *pieces, unsigned int i)
{
	return (void *)(uintptr_t)pieces->ranges[i].addr;
}

/**
 * batch_range_size:
 * @pieces: scattered memory
 * @i: number of a range
 *
 * Returns: the size of range @i in bytes.
 */
uint64_t batch_range_size(const struct batch_pieces *pieces, unsigned int i)
{
	return pieces->ranges[i].size;
}

/**
 * batch_pieces_place:
 * @pieces: scattered memory
 * @i: number of a range
 *
 * Maps fresh memory of the layout's kind at the place of range @i, over
 * whatever is there. Skips the subtest if the system lacks the memory.
 */
void batch_pieces_place(struct batch_pieces *pieces, unsigned int i)
{
	enum batch_memory memory = memory_of(pieces, i);
	uint8_t *want = batch_range_ptr(pieces, i);
	uint64_t size = batch_range_size(pieces, i);
	int flags = MAP_FIXED, fd = -1;
	off_t offset = 0;
	void *p;

	switch (memory) {
	case BATCH_SHARED:
	case BATCH_PRIVATE:
		flags |= memory == BATCH_SHARED ? MAP_SHARED : MAP_PRIVATE;
		fd = pieces->memfd;
		offset = want - pieces->base;
		break;
	case BATCH_HUGETLB:
		flags |= MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB;
		break;
	default:
		flags |= MAP_PRIVATE | MAP_ANONYMOUS;
	}

	p = mmap(want, size, PROT_READ | PROT_WRITE, flags, fd, offset);
	igt_require_f(p != MAP_FAILED || memory != BATCH_HUGETLB,
		      "no hugetlb pages are reserved\n");
	igt_assert_f(p == want, "mmap: %s\n", strerror(errno));

	if (memory == BATCH_THP)
		igt_require_f(!madvise(p, size, MADV_HUGEPAGE),
			      "no transparent huge pages in this kernel\n");
}

/**
 * batch_pieces_alloc_file:
 * @layout: geometry
 * @fd: file to map, closed by batch_pieces_free(); or -1
 *
 * Makes scattered memory of the given geometry. Its contents are undefined.
 * Without @fd a layout that needs a file gets a memfd.
 *
 * Returns: the memory, to be given back by batch_pieces_free().
 */
struct batch_pieces *batch_pieces_alloc_file(const struct batch_layout *layout, int fd)
{
	unsigned int n = layout->num_ranges, i;
	struct batch_pieces *pieces;
	uint64_t *start, *size;
	uint64_t at = 0, offset = 0;
	uint8_t *reserved;

	pieces = calloc(1, sizeof(*pieces));
	igt_assert(pieces);
	pieces->layout = *layout;
	pieces->memfd = fd;
	pieces->ranges = calloc(n, sizeof(*pieces->ranges));
	pieces->offsets = calloc(n, sizeof(*pieces->offsets));
	start = calloc(n, sizeof(*start));
	size = calloc(n, sizeof(*size));
	igt_assert(pieces->ranges && pieces->offsets && start && size);

	for (i = 0; i < n; i++) {
		start[i] = at;
		size[i] = BATCH_PAGE * layout->pages * (1 + i % (layout->more + 1));
		at += size[i] + layout->gap * BATCH_PAGE;
	}
	pieces->span = at;

	/* keeps other mappings out of the gaps, with room for huge alignment */
	reserved = mmap(NULL, at + BATCH_HUGE, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	igt_assert(reserved != MAP_FAILED);
	pieces->reserved = reserved;
	pieces->base = (uint8_t *)(((uintptr_t)reserved + BATCH_HUGE - 1) &
				   ~(uintptr_t)(BATCH_HUGE - 1));

	if (fd < 0 && (layout->memory == BATCH_SHARED || layout->memory == BATCH_PRIVATE ||
		       layout->memory == BATCH_MIXED)) {
		pieces->memfd = memfd_create("userptr-batch", MFD_CLOEXEC);
		igt_assert(pieces->memfd >= 0);
	}
	if (pieces->memfd >= 0)
		do_or_die(ftruncate(pieces->memfd, at));

	for (i = 0; i < n; i++) {
		unsigned int pos = position(layout, i);

		pieces->ranges[i].addr = (uintptr_t)pieces->base + start[pos];
		pieces->ranges[i].size = size[pos];
		pieces->offsets[i] = offset;
		offset += size[pos];
	}
	pieces->size = offset;

	free(size);
	free(start);
	if (layout->memory == BATCH_ONE_VMA) {
		do_or_die(mprotect(pieces->base, pieces->span, PROT_READ | PROT_WRITE));
		return pieces;
	}
	for (i = 0; i < n; i++)
		batch_pieces_place(pieces, i);

	return pieces;
}

/**
 * batch_pieces_alloc:
 * @layout: geometry
 *
 * Makes scattered memory of the given geometry. Its contents are undefined.
 *
 * Returns: the memory, to be given back by batch_pieces_free().
 */
struct batch_pieces *batch_pieces_alloc(const struct batch_layout *layout)
{
	return batch_pieces_alloc_file(layout, -1);
}

/**
 * batch_pieces_free:
 * @pieces: scattered memory
 *
 * Unmaps all of it. A BO may still be made of it.
 */
void batch_pieces_free(struct batch_pieces *pieces)
{
	do_or_die(munmap(pieces->reserved, pieces->span + BATCH_HUGE));
	if (pieces->memfd >= 0)
		close(pieces->memfd);
	free(pieces->offsets);
	free(pieces->ranges);
	free(pieces);
}

/* No two words of a BO, and no word under two seeds, have the same value. */
static uint32_t word(uint64_t offset, uint32_t seed)
{
	if (seed == BATCH_ZERO)
		return 0;
	return (uint32_t)(offset / 4) * 2654435761u + seed * 0x9e3779b9u + 1;
}

/**
 * batch_fill_words:
 * @p: CPU address
 * @size: size in bytes, multiple of 4
 * @offset: offset in the BO of the first byte
 * @seed: which pattern
 *
 * Writes the pattern that the BO should have there.
 */
void batch_fill_words(void *p, uint64_t size, uint64_t offset, uint32_t seed)
{
	uint32_t *w = p;
	uint64_t i;

	for (i = 0; i < size / 4; i++)
		w[i] = word(offset + i * 4, seed);
}

/**
 * batch_check_words:
 * @p: CPU address
 * @size: size in bytes, multiple of 4
 * @offset: offset in the BO of the first byte
 * @seed: which pattern
 * @what: name for messages
 *
 * Asserts that the pattern is there.
 */
void batch_check_words(const void *p, uint64_t size, uint64_t offset,
		       uint32_t seed, const char *what)
{
	const uint32_t *w = p;
	uint64_t i;

	for (i = 0; i < size / 4; i++)
		igt_assert_f(w[i] == word(offset + i * 4, seed),
			     "%s, BO offset %#llx: %#x instead of %#x\n", what,
			     (unsigned long long)(offset + i * 4), w[i],
			     word(offset + i * 4, seed));
}

/**
 * batch_fill_range:
 * @pieces: scattered memory
 * @i: number of a range
 * @seed: which pattern
 */
void batch_fill_range(struct batch_pieces *pieces, unsigned int i, uint32_t seed)
{
	batch_fill_words(batch_range_ptr(pieces, i), batch_range_size(pieces, i),
			 pieces->offsets[i], seed);
}

/**
 * batch_fill:
 * @pieces: scattered memory
 * @seed: which pattern
 */
void batch_fill(struct batch_pieces *pieces, uint32_t seed)
{
	unsigned int i;

	for (i = 0; i < pieces->layout.num_ranges; i++)
		batch_fill_range(pieces, i, seed);
}

/**
 * batch_check_range:
 * @pieces: scattered memory
 * @i: number of a range
 * @seed: which pattern
 *
 * Asserts what the CPU sees in range @i.
 */
void batch_check_range(struct batch_pieces *pieces, unsigned int i, uint32_t seed)
{
	char what[32];

	snprintf(what, sizeof(what), "CPU, range %u", i);
	batch_check_words(batch_range_ptr(pieces, i), batch_range_size(pieces, i),
			  pieces->offsets[i], seed, what);
}

/**
 * batch_check:
 * @pieces: scattered memory
 * @seed: which pattern
 *
 * Asserts what the CPU sees in all ranges.
 */
void batch_check(struct batch_pieces *pieces, uint32_t seed)
{
	unsigned int i;

	for (i = 0; i < pieces->layout.num_ranges; i++)
		batch_check_range(pieces, i, seed);
}
