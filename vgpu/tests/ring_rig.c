/* SPDX-License-Identifier: MIT */
/* See ring_rig.h. */
#include "ring_rig.h"

#include <errno.h>

#include "hwregs.h"
#include "test.h"
#include "gc/gc_11_0_0_offset.h"
#include "gc/gc_11_0_0_sh_mask.h"

static void wreg(struct ring_rig *r, uint32_t reg, uint32_t v)
{
	vgpu_reg_write(r->rig.dev, reg, v);
}

int ring_init(struct ring_rig *r, bool strict)
{
	const uint64_t ring = RIG_FB + RING, rptr = RIG_FB + RPTR;

	if (rig_init_sdma(&r->rig, strict))
		return -ENOMEM;
	r->wptr = 0;
	wreg(r, VREG(GC, regSDMA0_CNTL), 1);
	wreg(r, VREG(GC, regSDMA0_QUEUE0_RB_RPTR_ADDR_HI), rptr >> 32);
	wreg(r, VREG(GC, regSDMA0_QUEUE0_RB_RPTR_ADDR_LO), (uint32_t)rptr);
	wreg(r, VREG(GC, regSDMA0_QUEUE0_RB_BASE), (uint32_t)(ring >> 8));
	wreg(r, VREG(GC, regSDMA0_QUEUE0_RB_BASE_HI), ring >> 40);
	wreg(r, VREG(GC, regSDMA0_QUEUE0_DOORBELL),
	     VFIELD(SDMA0_QUEUE0_DOORBELL, ENABLE, 1));
	wreg(r, VREG(GC, regSDMA0_QUEUE0_DOORBELL_OFFSET), DOORBELL << 2);
	wreg(r, VREG(GC, regSDMA0_F32_CNTL), 0);
	wreg(r, VREG(GC, regSDMA0_QUEUE0_RB_CNTL),
	     VFIELD(SDMA0_QUEUE0_RB_CNTL, RB_SIZE, RING_LOG2) |
	     VFIELD(SDMA0_QUEUE0_RB_CNTL, RPTR_WRITEBACK_ENABLE, 1) |
	     VFIELD(SDMA0_QUEUE0_RB_CNTL, RB_ENABLE, 1));
	return 0;
}

void ring_fini(struct ring_rig *r)
{
	rig_fini(&r->rig);
}

void ring_put(struct ring_rig *r, const uint32_t *dw, unsigned int n)
{
	uint32_t *ring = (uint32_t *)(r->rig.h->vram + RING);

	while (n--)
		__atomic_store_n(&ring[r->wptr++ & (RING_DW - 1)], *dw++,
				 __ATOMIC_RELEASE);
}

void ring_put_ib(struct ring_rig *r, unsigned int vmid, const uint32_t *dw,
		 unsigned int n)
{
	const uint64_t at = vmid ? 0x700000000ull : RIG_FB + IB;

	if (vmid)
		rig_map(&r->rig, vmid, at, PTE_VRAM(IB));
	memcpy(r->rig.h->vram + IB, dw, n * 4);
	PUT(r, 4 | vmid << 16, (uint32_t)at, at >> 32, n, 0, 0);
}

uint64_t ring_vram64(struct ring_rig *r, uint64_t at)
{
	return __atomic_load_n((uint64_t *)(r->rig.h->vram + at), __ATOMIC_ACQUIRE);
}

void ring_kick(struct ring_rig *r)
{
	vgpu_doorbell_ring(r->rig.dev, DOORBELL, r->wptr << 2, 8);
}

bool ring_idle(struct ring_rig *r)
{
	return ring_vram64(r, RPTR) == r->wptr << 2;
}

void ring_go(struct ring_rig *r)
{
	ring_kick(r);
	CHECK_SOON(ring_idle(r));
}
