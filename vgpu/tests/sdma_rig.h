/* SPDX-License-Identifier: MIT */
/*
 * SDMA engines over flat memory (fake_mem.h), with a ring of the kernel set up
 * as the driver does. The address space is: ring, buffer, data, as below.
 */
#ifndef VGPU_SDMA_RIG_H
#define VGPU_SDMA_RIG_H

#include "fake_host.h"
#include "fake_mem.h"
#include "hwregs.h"
#include "gc/gc_11_0_0_offset.h"
#include "gc/gc_11_0_0_sh_mask.h"

#define RING		0x10000u
#define RING_LOG2	8
#define RING_DW		(1u << RING_LOG2)
#define RPTR		0x8000u
#define IB		0x20000u
#define DATA		0x40000u
#define DOORBELL	0x200u
#define NOWHERE		FAKE_MEM_SIZE

#define REQ_REG		VREG(GC, regGCVM_INVALIDATE_ENG0_REQ)
#define ACK_REG		VREG(GC, regGCVM_INVALIDATE_ENG0_ACK)
/* Any register of no block. */
#define SOME_REG	0x1234u
/* Written by whatever follows the packet under test. */
#define FLAG		(DATA + 0xff00)

/* Acknowledgements of invalidation requests are held back. */
extern bool hold_ack;
/* Write pointer of the ring in memory, dwords. */
extern uint64_t wptr;

/* A device of SDMA engines and stand-ins; its rings are off. NULL on failure. */
struct fake_host *sdma_host(uint32_t broken);
/* The same with the ring of engine 0 on, and traps. */
struct fake_host *start_broken(uint32_t broken);
struct fake_host *start(void);
void wreg(struct fake_host *h, uint32_t reg, uint32_t v);
/* As sdma_v6_0_gfx_resume_instance(), in its order. */
void ring_on(struct fake_host *h, unsigned int engine, bool doorbell);
/* Append to the ring; then ring its doorbell. */
void put(const uint32_t *dw, unsigned int n);
void ring(struct fake_host *h);
#define PUT(...) do {							\
	const uint32_t dw_[] = { __VA_ARGS__ };				\
	put(dw_, ARRAY_SIZE(dw_));					\
} while (0)
/* Has the ring reached its write pointer? */
bool idle(void);

/* What the device said that the guest did wrong, or we cannot do. */
unsigned int complaints(struct fake_host *h);
/* A packet was refused: wait until that is said, and some more. */
void halted(struct fake_host *h, unsigned int before);

#endif
