/* SPDX-License-Identifier: MIT */
/*
 * The ways to let the GPU see many ranges of CPU memory at contiguous addresses, and
 * what each step of their life costs.
 */
#ifndef EXAMPLES_WAY_H
#define EXAMPLES_WAY_H

#include <stdint.h>

#include "gpu.h"
#include "shape.h"

enum way_kind {
	WAY_BATCH,	/* one batch userptr BO of all ranges */
	WAY_SINGLES,	/* a userptr BO for each range */
	WAY_SPAN,	/* one userptr BO from the lowest to the highest range, gaps included */
	WAY_ALIAS,	/* the ranges of a memfd mapped once more, side by side, and one
			 * userptr BO of that */
	WAY_KINDS,
};

/**
 * enum cost - what is measured, in microseconds
 *
 * In the order in which it happens. "Submission" is the time in the ioctl; ..._DONE is
 * the time from before the ioctl until the GPU has signalled the end of the job.
 */
enum cost {
	/* what the machine does without any of this */
	COST_YARDSTICK,		/* a fixed piece of work of the CPU: shows a disturbed round */
	COST_BARE_ALL,		/* shape_drop_all() */
	COST_BARE_MPROTECT,	/* mprotect of an unrelated page, there and back */
	COST_BARE_MMAP,		/* mmap, touch and munmap of unrelated 64 KiB */
	COST_BARE_GAP,		/* MADV_DONTNEED and touch of a page between two ranges */
	/* notifiers and book-keeping alone */
	COST_REGISTER,		/* create without getting pages */
	COST_UNREGISTER,	/* close that */
	/* the life of the buffer objects */
	COST_MREMAP,		/* alias: arranging by mremap(), for comparison */
	COST_ARRANGE,		/* alias: arranging by mmap() */
	COST_CREATE,		/* create with getting pages */
	COST_MAP,		/* map to GPU addresses */
	COST_LIST,		/* make the list of BOs for submissions */
	COST_FIRST,		/* first submission */
	COST_SUBMIT,		/* submission, nothing changed */
	COST_SUBMIT_DONE,
	COST_MPROTECT,		/* as COST_BARE_*, beside the buffer objects */
	COST_MMAP,
	COST_GAP,
	COST_GAP_SUBMIT,	/* submission after COST_GAP */
	COST_ONE,		/* shape_drop() of one range */
	COST_ONE_SUBMIT,	/* submission after that */
	COST_ONE_DONE,
	COST_ALL,		/* shape_drop_all() */
	COST_ALL_SUBMIT,
	COST_ALL_DONE,
	COST_EACH,		/* shape_drop() of each range, one after the other */
	COST_EACH_SUBMIT,
	COST_TEARDOWN,		/* free list, addresses and BOs */
	COST_RELEASE,		/* alias: take the second mapping away */
	COSTS,
};

/** cost_name - a word for a cost, as in "one-submit" */
const char *cost_name(enum cost c);

/** cost_text - what is measured, for people */
const char *cost_text(enum cost c);

/* Parts of a round that can be left out, they take most of its time. */
#define ROUND_BARE	(1u << 0)	/* COST_BARE_*, COST_MPROTECT, COST_MMAP, COST_GAP* */
#define ROUND_REGISTER	(1u << 1)	/* COST_REGISTER, COST_UNREGISTER */
#define ROUND_ONE	(1u << 2)	/* COST_ONE* */
#define ROUND_EACH	(1u << 3)	/* COST_EACH* */
#define ROUND_ALL_PARTS	(ROUND_BARE | ROUND_REGISTER | ROUND_ONE | ROUND_EACH)

/**
 * struct round - the order for one measurement, and its result
 * @way: how
 * @shape: which memory; WAY_ALIAS needs %SHAPE_MEMFD
 * @n: number of ranges
 * @parts: ROUND_*
 * @us: each cost in microseconds, NAN where it was not measured. Where a thing is done
 *      several times in a round it is their median
 * @present: pages in memory, between the ranges as well, when all ranges were dropped and
 *      brought back by a submission. Ideally @n
 */
struct round {
	enum way_kind way;
	enum shape_kind shape;
	uint32_t n;
	unsigned int parts;
	double us[COSTS];
	size_t present;
};

/**
 * round_run - map memory, make buffer objects of it, measure, take all of it away
 * @g: the GPU
 * @r: the order, and the result
 * @rng: source of the order of the ranges
 *
 * Returns 0, %SHAPE_IMPOSSIBLE if a limit of the system is in the way, or -1. Sets
 * report_reason() unless it returns 0.
 */
int round_run(struct gpu *g, struct round *r, struct rng *rng);

#endif
