/* SPDX-License-Identifier: MIT */
/*
 * Scattered CPU memory of a given geometry and kind, with a pattern in it.
 */
#ifndef AMD_USERPTR_PIECES_H
#define AMD_USERPTR_PIECES_H

#include <stdint.h>
#include <sys/mman.h>

#include <amdgpu_drm.h>

#include "amdgpu_drm_local.h"

/* unit of a layout's numbers; the tests need the CPU page size to be this */
#define BATCH_PAGE 4096ull
#define BATCH_HUGE (2ull << 20)

/* Linux 6.1; not every C library has it */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* contents that are all zero; every other seed gives a pattern of its own */
#define BATCH_ZERO 0

enum batch_memory {
	BATCH_ANON,
	BATCH_THP,		/* anonymous, transparent huge pages */
	BATCH_HUGETLB,
	BATCH_SHARED,		/* memfd, MAP_SHARED */
	BATCH_PRIVATE,		/* memfd, MAP_PRIVATE */
	BATCH_MIXED,		/* anonymous, shared and private in turn */
	BATCH_ONE_VMA,		/* anonymous, the gaps as well */
};

/* how the order in the BO relates to the order of the addresses */
enum batch_order {
	BATCH_ASCENDING,
	BATCH_DESCENDING,
	BATCH_SHUFFLED,
};

/**
 * struct batch_layout - geometry of scattered memory
 * @num_ranges: number of ranges
 * @pages: size of the smallest range in pages
 * @more: sizes vary: range i has i % (@more + 1) times @pages on top
 * @gap: pages between two ranges, inaccessible but for BATCH_ONE_VMA
 * @memory: what the ranges consist of
 * @order: order of the ranges in the BO
 */
struct batch_layout {
	unsigned int num_ranges;
	unsigned int pages;
	unsigned int more;
	unsigned int gap;
	enum batch_memory memory;
	enum batch_order order;
};

/**
 * struct batch_pieces - scattered memory
 * @layout: what it was made from
 * @ranges: address and size of each range, in BO order
 * @offsets: offset of each range in the BO, in bytes
 * @size: sum of the sizes, in bytes
 * @reserved: inaccessible address space in which all lies
 * @base: start of the part of it with the ranges and gaps
 * @span: size of that part in bytes
 * @memfd: file behind the ranges, -1 without one; a range lies in it at its
 *	distance from @base
 */
struct batch_pieces {
	struct batch_layout layout;
	struct drm_amdgpu_gem_userptr_range *ranges;
	uint64_t *offsets;
	uint64_t size;
	uint8_t *reserved;
	uint8_t *base;
	uint64_t span;
	int memfd;
};

struct batch_pieces *batch_pieces_alloc(const struct batch_layout *layout);
struct batch_pieces *batch_pieces_alloc_file(const struct batch_layout *layout, int fd);
void batch_pieces_free(struct batch_pieces *pieces);
void batch_pieces_place(struct batch_pieces *pieces, unsigned int i);
void *batch_range_ptr(const struct batch_pieces *pieces, unsigned int i);
uint64_t batch_range_size(const struct batch_pieces *pieces, unsigned int i);
void batch_fill_words(void *p, uint64_t size, uint64_t offset, uint32_t seed);
void batch_check_words(const void *p, uint64_t size, uint64_t offset,
		       uint32_t seed, const char *what);
void batch_fill(struct batch_pieces *pieces, uint32_t seed);
void batch_fill_range(struct batch_pieces *pieces, unsigned int i, uint32_t seed);
void batch_check(struct batch_pieces *pieces, uint32_t seed);
void batch_check_range(struct batch_pieces *pieces, unsigned int i, uint32_t seed);

#endif
