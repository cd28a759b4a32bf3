/* SPDX-License-Identifier: MIT */
#ifndef EXAMPLES_REPORT_H
#define EXAMPLES_REPORT_H

#include <stddef.h>
#include <stdint.h>

/**
 * report_fail - remember why something failed
 * @fmt: like printf, without newline
 *
 * The first reason since report_clear() wins: it is the cause, what follows is
 * the consequence.
 *
 * Returns -1, so that "return report_fail(...)" ends a function.
 */
int report_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** report_reason - the remembered reason, "" if there is none */
const char *report_reason(void);

/** report_clear - forget the remembered reason */
void report_clear(void);

/** now_us - time in microseconds since some fixed point, never going back */
double now_us(void);

/**
 * struct samples - measured values of one thing
 * @v: the values
 * @n: how many there are; values that do not fit are dropped
 */
struct samples {
	double v[64];
	unsigned int n;
};

void samples_add(struct samples *s, double v);

/** samples_median - the median, 0 if there are none; sorts the values */
double samples_median(struct samples *s);

/**
 * struct rng - random numbers that are the same in each run with the same seed
 * @state: any value but 0
 */
struct rng {
	uint64_t state;
};

/** rng_below - a random number from 0 to @n - 1 */
uint32_t rng_below(struct rng *r, uint32_t n);

#endif
