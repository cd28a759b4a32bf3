/* SPDX-License-Identifier: MIT */
/* Results of bench, and the file they are written to. */
#ifndef BENCH_OUT_H
#define BENCH_OUT_H

#include <stdint.h>

#include "lib/way.h"

/**
 * struct bench_case - what is measured at each size
 * @name: a word
 * @text: for people
 * @way: how the GPU gets to see the ranges
 * @shape: what memory they lie in
 */
struct bench_case {
	const char *name;
	const char *text;
	enum way_kind way;
	enum shape_kind shape;
};

extern const struct bench_case bench_cases[];
extern const unsigned int bench_n_cases;

/**
 * struct bench_row - one round
 * @c: index in bench_cases
 * @pass: rounds of the same size and pass were neighbours in time
 * @round: what was measured
 */
struct bench_row {
	unsigned int c;
	unsigned int pass;
	struct round round;
};

/**
 * struct bench_hole - what was not measured
 * @c: index in bench_cases
 * @n: ranges
 * @why: reason
 */
struct bench_hole {
	unsigned int c;
	uint32_t n;
	char why[200];
};

/**
 * struct bench_result - all of it; all zero at first
 * @gpu: its name, may be NULL
 */
struct bench_result {
	const char *gpu;
	struct bench_row *rows;
	unsigned int n_rows;
	struct bench_hole *holes;
	unsigned int n_holes;
};

/** bench_add_row - keep the results of a round. Returns 0 or -1 with report_reason() set */
int bench_add_row(struct bench_result *r, unsigned int c, unsigned int pass,
		  const struct round *round);

/** bench_not_run - keep the reason why there are none. Returns 1 */
int bench_not_run(struct bench_result *r, unsigned int c, uint32_t n, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/**
 * bench_write - write the file
 * @r: results
 * @path: the file; it is there only when it is complete
 * @sizes: sizes that were asked for
 * @n_sizes: how many
 * @seconds: how long all took
 *
 * Returns 0 or -1 with report_reason() set.
 */
int bench_write(const struct bench_result *r, const char *path, const uint32_t *sizes,
		unsigned int n_sizes, double seconds);

void bench_free(struct bench_result *r);

#endif
