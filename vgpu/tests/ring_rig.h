/* SPDX-License-Identifier: MIT */
/*
 * The kernel's ring of SDMA engine 0 on the rig of gmc_rig.h: real copies through
 * real page tables.
 */
#ifndef VGPU_RING_RIG_H
#define VGPU_RING_RIG_H

#include "gmc_rig.h"

#define RING_LOG2	10
#define RING_DW		(1u << RING_LOG2)
/* Ring, its read pointer, a fence and a buffer: at the end of VRAM. */
#define RING		(RIG_VRAM - 0x10000u)
#define RPTR		(RIG_VRAM - 0x8000u)
#define FENCE		(RIG_VRAM - 0x7000u)
#define IB		(RIG_VRAM - 0x6000u)
#define DOORBELL	0x200u

struct ring_rig {
	struct rig rig;
	uint64_t wptr;		/* dwords */
};

/* As rig_init_sdma(), and the ring is started. */
int ring_init(struct ring_rig *r, bool strict);
void ring_fini(struct ring_rig *r);
/* Packets for the next ring_go(). */
void ring_put(struct ring_rig *r, const uint32_t *dw, unsigned int n);
#define PUT(r, ...) do {						\
	const uint32_t dw_[] = { __VA_ARGS__ };				\
	ring_put(r, dw_, sizeof(dw_) / 4);				\
} while (0)
/* An INDIRECT packet: a buffer of VMID @vmid with @dw, mapped where it says. */
void ring_put_ib(struct ring_rig *r, unsigned int vmid, const uint32_t *dw,
		 unsigned int n);
/* Ring the doorbell. */
void ring_kick(struct ring_rig *r);
/* Has everything been executed? */
bool ring_idle(struct ring_rig *r);
/* Both: ring the doorbell and wait for the end. */
void ring_go(struct ring_rig *r);
uint64_t ring_vram64(struct ring_rig *r, uint64_t at);

#endif
