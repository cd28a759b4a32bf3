/* SPDX-License-Identifier: MIT */
/* Atomic operations of the cache (TC_OP_ATOMIC_* in navi10_enum.h). */
#ifndef VGPU_TC_ATOMIC_H
#define VGPU_TC_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

#include "device.h"

struct tc_atomic {
	unsigned int op;	/* TC_OP_ATOMIC_*, with or without return, 32 or 64 */
	uint64_t src;
	uint64_t cmp;		/* of compare-and-swap */
};

/* An integer operation we can do; floating point is not modelled. */
bool tc_atomic_known(unsigned int op);
bool tc_atomic_is_cmpswap(unsigned int op);
/* Operand size in bytes: 4 or 8. */
unsigned int tc_atomic_size(unsigned int op);
/* New value for @old; for vgpu_mem_atomic(), @arg is a struct tc_atomic. */
uint64_t tc_atomic_apply(uint64_t old, void *arg);

/* An operation of an engine on memory. */
struct tc_atomic_access {
	struct vgpu *dev;
	const struct vgpu_client *client;
	uint64_t va;		/* a multiple of the operand's size */
	struct tc_atomic a;
	uint64_t old;		/* what was there, once it was done */
};

/*
 * Do it once, @arg is a struct tc_atomic_access. Returns true if it need not be done
 * again in a loop that lasts until a comparison holds: it holds, or the access faulted.
 * For vgpu_queue_wait().
 */
bool tc_atomic_access(void *arg);

#endif
