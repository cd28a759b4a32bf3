/* SPDX-License-Identifier: MIT */
/*
 * CPU memory in N pieces of one page each, laid out in the ways that matter for what
 * a userptr costs. Unlike the pieces of mem.h all are of one size and one kind, so
 * that a time can be divided by their number.
 */
#ifndef EXAMPLES_SHAPE_H
#define EXAMPLES_SHAPE_H

#include <stddef.h>
#include <stdint.h>

#include <amdgpu_drm.h>

#include "mem.h"

enum shape_kind {
	SHAPE_GAPS,	/* one anonymous mapping, each second page is a range */
	SHAPE_SPARSE,	/* one anonymous mapping, each 16th page is a range */
	SHAPE_TOUCHING,	/* one anonymous mapping, each page is a range */
	SHAPE_VMAS,	/* an anonymous mapping for each range, a hole after each */
	SHAPE_MEMFD,	/* one shared mapping of a memfd, each second page is a range */
	SHAPE_KINDS,
};

/** shape_name - a word for a kind of shape */
const char *shape_name(enum shape_kind kind);

/**
 * struct shape - ranges of one page
 * @kind: layout
 * @n: number of ranges
 * @stride: pages from one range to the next in address space
 * @base: lowest range
 * @map: bytes that are mapped or reserved from @base on
 * @fd: memfd or -1
 * @ranges: the ranges, in random order
 */
struct shape {
	enum shape_kind kind;
	uint32_t n;
	uint32_t stride;
	uint8_t *base;
	size_t map;
	int fd;
	struct drm_amdgpu_gem_userptr_range *ranges;
};

/** Returned where a limit of the system is in the way: not a failure. */
#define SHAPE_IMPOSSIBLE 1

/**
 * shape_init - map the memory; no page is touched
 * @s: to be filled
 * @kind: layout
 * @n: number of ranges, at least one
 * @rng: source of the order
 *
 * Pages are small ones: no transparent huge page is made.
 *
 * Returns 0, %SHAPE_IMPOSSIBLE if the process may not have so many mappings, or -1.
 * Sets report_reason() unless it returns 0; shape_fini() is allowed in any case.
 */
int shape_init(struct shape *s, enum shape_kind kind, uint32_t n, struct rng *rng);

void shape_fini(struct shape *s);

/** shape_span - bytes from the lowest to behind the highest range */
size_t shape_span(const struct shape *s);

/** shape_fill - write to each range, so that every page is there */
void shape_fill(const struct shape *s);

/**
 * shape_drop - let the memory of one range go
 * @s: the shape
 * @i: index in @s->ranges
 *
 * MADV_DONTNEED, or for a memfd a hole punched into the file: MADV_DONTNEED would only
 * change this one mapping. The range can be accessed afterwards and is zero.
 *
 * Returns 0 or a negative error code.
 */
int shape_drop(const struct shape *s, uint32_t i);

/** shape_drop_all - the same for all ranges and what lies between them, in one call */
int shape_drop_all(const struct shape *s);

/** shape_gap - a mapped page between two ranges, NULL where there is none */
void *shape_gap(const struct shape *s);

/**
 * shape_present - pages from the lowest to the highest range that are in memory
 *
 * Those between the ranges count as well. Returns 0 if the kernel does not tell.
 */
size_t shape_present(const struct shape *s);

/**
 * shape_limit - the mappings that a process may have (vm.max_map_count), 0: unknown
 */
unsigned long shape_limit(void);

#endif
