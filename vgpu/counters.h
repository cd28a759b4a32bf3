/* SPDX-License-Identifier: MIT */
/* A table of named 64-bit counters, for device.c. Any thread may add. */
#ifndef VGPU_COUNTERS_H
#define VGPU_COUNTERS_H

#include "device.h"

#define COUNTER_NAME	160	/* bytes of a name, with its end */

struct counters;

struct counters *counters_create(void);
void counters_destroy(struct counters *c);
/*
 * Add @n to @what and return the new value. @level is that of the first call.
 * When there are very many names of a level, new ones go to one counter for all of them.
 */
uint64_t counters_add(struct counters *c, enum vgpu_log_level level,
		      const char *what, uint64_t n);
uint64_t counters_get(struct counters *c, const char *what);
uint64_t counters_sum(struct counters *c, enum vgpu_log_level level);
/* In order of level, then name; @fn runs without the table's lock. */
void counters_visit(struct counters *c, vgpu_counter_fn fn, void *arg);

#endif
