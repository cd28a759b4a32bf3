/* SPDX-License-Identifier: MIT */
/* See sdma_rig.h. */
#include "sdma_rig.h"

#include "blocks.h"
#include "test.h"

/* Stands in for the invalidate engines, whose acknowledgement can be held. */
bool hold_ack;

static void req_write(struct vgpu *dev, void *priv, uint32_t reg, uint32_t value)
{
	(void)priv;
	vgpu_reg_poke(dev, reg, value);
	if (!hold_ack)
		vgpu_reg_poke(dev, reg - REQ_REG + ACK_REG, value & 0xffff);
}

static const struct vgpu_reg_range inv_ranges[] = {
	{ VREG(GC, regGCVM_INVALIDATE_ENG0_REQ),
	  VREG(GC, regGCVM_INVALIDATE_ENG17_REQ), NULL, req_write, 0 },
	{ VREG(GC, regGCVM_INVALIDATE_ENG0_ACK),
	  VREG(GC, regGCVM_INVALIDATE_ENG17_ACK) },
	{ SOME_REG, SOME_REG + 1 },
};

static int inv_init(struct vgpu *dev, void **priv)
{
	(void)priv;
	return vgpu_reg_register(dev, inv_ranges, ARRAY_SIZE(inv_ranges), NULL);
}

static const struct vgpu_block inv_block = { .name = "inv", .init = inv_init };

static const struct vgpu_block *const blocks[] = {
	&vgpu_block_sdma, &inv_block, NULL,
};

uint64_t wptr;

void wreg(struct fake_host *h, uint32_t reg, uint32_t v)
{
	vgpu_reg_write(h->dev, reg, v);
}

void ring_on(struct fake_host *h, unsigned int engine, bool doorbell)
{
	uint32_t o = engine * 0x600;
	uint32_t cntl = VREG(GC, regSDMA0_QUEUE0_RB_CNTL) + o;

	wreg(h, cntl, VFIELD(SDMA0_QUEUE0_RB_CNTL, RB_SIZE, RING_LOG2));
	wreg(h, VREG(GC, regSDMA0_QUEUE0_RB_RPTR) + o, 0);
	wreg(h, VREG(GC, regSDMA0_QUEUE0_RB_RPTR_HI) + o, 0);
	wreg(h, VREG(GC, regSDMA0_QUEUE0_RB_WPTR) + o, 0);
	wreg(h, VREG(GC, regSDMA0_QUEUE0_RB_WPTR_HI) + o, 0);
	wreg(h, VREG(GC, regSDMA0_QUEUE0_RB_RPTR_ADDR_HI) + o, 0);
	wreg(h, VREG(GC, regSDMA0_QUEUE0_RB_RPTR_ADDR_LO) + o, RPTR);
	wreg(h, VREG(GC, regSDMA0_QUEUE0_RB_BASE) + o, RING >> 8);
	wreg(h, VREG(GC, regSDMA0_QUEUE0_RB_BASE_HI) + o, 0);
	wreg(h, VREG(GC, regSDMA0_QUEUE0_DOORBELL) + o,
	     VFIELD(SDMA0_QUEUE0_DOORBELL, ENABLE, doorbell));
	wreg(h, VREG(GC, regSDMA0_QUEUE0_DOORBELL_OFFSET) + o,
	     VFIELD(SDMA0_QUEUE0_DOORBELL_OFFSET, OFFSET, DOORBELL));
	wreg(h, VREG(GC, regSDMA0_F32_CNTL) + engine * 0x20, 0);
	wreg(h, cntl, VFIELD(SDMA0_QUEUE0_RB_CNTL, RB_SIZE, RING_LOG2) |
	     VFIELD(SDMA0_QUEUE0_RB_CNTL, RPTR_WRITEBACK_ENABLE, 1) |
	     VFIELD(SDMA0_QUEUE0_RB_CNTL, RB_ENABLE, 1));
	wptr = 0;
}

struct fake_host *sdma_host(uint32_t broken)
{
	fake_mem_reset();
	hold_ack = false;
	return fake_host_create_broken(blocks, 4096, 1 << 20, false, broken);
}

struct fake_host *start_broken(uint32_t broken)
{
	struct fake_host *h = sdma_host(broken);

	if (!h)
		return NULL;
	wreg(h, VREG(GC, regSDMA0_CNTL), 1);
	ring_on(h, 0, true);
	return h;
}

struct fake_host *start(void)
{
	return start_broken(0);
}

void put(const uint32_t *dw, unsigned int n)
{
	while (n--)
		fake_mem_put32(RING + (wptr++ & (RING_DW - 1)) * 4, *dw++);
}

void ring(struct fake_host *h)
{
	vgpu_doorbell_ring(h->dev, DOORBELL, wptr << 2, 8);
}

bool idle(void)
{
	return fake_mem_get64(RPTR) == wptr << 2;
}

unsigned int complaints(struct fake_host *h)
{
	return fake_host_logs(h, VGPU_LOG_GUEST) + fake_host_logs(h, VGPU_LOG_UNIMP);
}

void halted(struct fake_host *h, unsigned int before)
{
	CHECK_SOON(complaints(h) > before);
	test_sleep_us(500);
}
