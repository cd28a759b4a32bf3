/* SPDX-License-Identifier: MIT */
/* When a timed wait ends. */
#ifndef VGPU_DEADLINE_H
#define VGPU_DEADLINE_H

#include <stdint.h>
#include <time.h>

/*
 * The time @us microseconds from now, for pthread_cond_timedwait() on a condition whose
 * clock is CLOCK_MONOTONIC.
 */
static inline struct timespec deadline_us(unsigned int us)
{
	struct timespec t;
	uint64_t ns;

	clock_gettime(CLOCK_MONOTONIC, &t);
	ns = t.tv_nsec + us * 1000ull;
	t.tv_sec += ns / 1000000000;
	t.tv_nsec = ns % 1000000000;
	return t;
}

#endif
