/* SPDX-License-Identifier: MIT */
/*
 * Interrupt handler: vectors from all blocks go to a ring in guest memory, and
 * one message-signalled interrupt tells the guest to look. Follows what
 * ih_v6_0.c programs and amdgpu_ih.c reads.
 *
 * Ring 1 takes what IH_RING1_CLIENT_CFG selects (the driver: page faults of
 * the GC hub). It raises no interrupt of its own; a vector in ring 0, from
 * client IH, tells its write pointer (ih_v6_0_self_irq).
 */
#include "device.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "hwregs.h"
#include "oss/osssys_6_0_0_offset.h"
#include "oss/osssys_6_0_0_sh_mask.h"
#include "soc15_ih_clientid.h"

#define IV_BYTES	32u
#define RINGS		2
#define CFG_SLOTS	8u		/* IH_RING1_CLIENT_CFG_INDEX has 3 bits */
/* IH_RB_CNTL.MC_SPACE: by DMA address (ih_v6_0_rb_cntl, use_bus_addr). */
#define MC_SPACE_BUS	2
/* The driver takes one tick for 10 ns (IH time stamps count REFCLK). */
#define NS_PER_TICK	10
/* A guest that did not react to an interrupt by then is told again. */
#define IRQ_AGAIN_NS	10000000ull

#define VECTOR		0

extern const struct vgpu_block vgpu_block_ih;

/* Dword numbers; 0: ring 1 has no such register. */
struct ih_regs {
	uint32_t cntl, base, base_hi, rptr, wptr, doorbell;
	uint32_t wptr_addr_lo, wptr_addr_hi;
};

static const struct ih_regs ring_regs[RINGS] = {
	{
		.cntl = VREG(OSSSYS, regIH_RB_CNTL),
		.base = VREG(OSSSYS, regIH_RB_BASE),
		.base_hi = VREG(OSSSYS, regIH_RB_BASE_HI),
		.rptr = VREG(OSSSYS, regIH_RB_RPTR),
		.wptr = VREG(OSSSYS, regIH_RB_WPTR),
		.doorbell = VREG(OSSSYS, regIH_DOORBELL_RPTR),
		.wptr_addr_lo = VREG(OSSSYS, regIH_RB_WPTR_ADDR_LO),
		.wptr_addr_hi = VREG(OSSSYS, regIH_RB_WPTR_ADDR_HI),
	}, {
		.cntl = VREG(OSSSYS, regIH_RB_CNTL_RING1),
		.base = VREG(OSSSYS, regIH_RB_BASE_RING1),
		.base_hi = VREG(OSSSYS, regIH_RB_BASE_HI_RING1),
		.rptr = VREG(OSSSYS, regIH_RB_RPTR_RING1),
		.wptr = VREG(OSSSYS, regIH_RB_WPTR_RING1),
		.doorbell = VREG(OSSSYS, regIH_DOORBELL_RPTR_RING1),
	},
};

struct ih_ring {
	uint32_t rptr, wptr;	/* bytes */
	bool overflow;
	bool bound;		/* doorbell */
	uint32_t doorbell;
};

struct ih {
	struct vgpu *dev;
	/* Protects all below; taken inside the register lock. */
	pthread_mutex_t lock;
	struct ih_ring ring[RINGS];
	uint32_t client_cfg[CFG_SLOTS];
	uint64_t raised_ns;	/* when the guest was last interrupted */
};

static uint32_t ring_cntl(struct ih *ih, unsigned int n)
{
	return vgpu_reg_peek(ih->dev, ring_regs[n].cntl);
}

/* Bytes; 0 if the ring is off or too small to hold a vector. */
static uint32_t ring_size(uint32_t cntl)
{
	unsigned int log2_dw = VFIELD_GET(cntl, IH_RB_CNTL, RB_SIZE);

	/* IH_RB_WPTR.OFFSET has 18 bits: larger rings cannot be addressed. */
	if (!VFIELD_GET(cntl, IH_RB_CNTL, RB_ENABLE) || log2_dw < 4 || log2_dw > 16)
		return 0;
	return 4u << log2_dw;
}

/*
 * The driver gives GPU addresses (MC space 4) only when the PSP loads firmware,
 * which this device has not.
 */
static void ih_write(struct ih *ih, unsigned int n, uint64_t addr,
		     const void *buf, size_t len)
{
	uint32_t space = VFIELD_GET(ring_cntl(ih, n), IH_RB_CNTL, MC_SPACE);

	if (space == MC_SPACE_BUS)
		vgpu_dma_write(ih->dev, n ? "IH ring 1" : "IH ring 0", addr, buf, len);
	else
		vgpu_count(ih->dev, VGPU_LOG_UNIMP, "ih: ring in MC space %u", space);
}

/* Make the write pointer visible: register, and for ring 0 its memory copy. */
static void publish_wptr(struct ih *ih, unsigned int n)
{
	const struct ih_regs *r = &ring_regs[n];
	struct ih_ring *ring = &ih->ring[n];
	uint32_t v = ring->wptr;
	uint64_t addr;

	if (ring->overflow)
		v |= IH_RB_WPTR__RB_OVERFLOW_MASK;
	vgpu_reg_poke(ih->dev, r->wptr, v);
	if (!r->wptr_addr_lo ||
	    !VFIELD_GET(ring_cntl(ih, n), IH_RB_CNTL, WPTR_WRITEBACK_ENABLE))
		return;
	addr = vgpu_reg_peek(ih->dev, r->wptr_addr_lo) |
	       (uint64_t)vgpu_reg_peek(ih->dev, r->wptr_addr_hi) << 32;
	/* The vectors must be there before the pointer says so. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	ih_write(ih, n, addr, &v, sizeof(v));
}

/* One vector into ring @n; false if it was lost. */
static bool push(struct ih *ih, unsigned int n, const struct vgpu_iv *iv)
{
	const struct ih_regs *r = &ring_regs[n];
	struct ih_ring *ring = &ih->ring[n];
	uint32_t cntl = ring_cntl(ih, n), size = ring_size(cntl), next;
	uint64_t tick = vgpu_now(ih->dev) / NS_PER_TICK, base;
	/* amdgpu_ih_decode_iv_helper() */
	uint32_t dw[IV_BYTES / 4] = {
		iv->client_id | iv->src_id << 8 | iv->ring_id << 16 |
			(iv->vmid & 0xfu) << 24 | (uint32_t)iv->vmid_mm << 31,
		lower_32_bits(tick),
		upper_32_bits(tick) & 0xffff,
		iv->pasid & 0xffff,
		iv->data[0], iv->data[1], iv->data[2], iv->data[3],
	};

	if (!size) {
		vgpu_count(ih->dev, VGPU_LOG_INFO, "ih: vector while ring %u is off", n);
		return false;
	}
	next = (ring->wptr + IV_BYTES) & (size - 1);
	if (next == ring->rptr) {
		if (!VFIELD_GET(cntl, IH_RB_CNTL, WPTR_OVERFLOW_ENABLE)) {
			vgpu_count(ih->dev, VGPU_LOG_INFO, "ih: ring %u full", n);
			return false;
		}
		vgpu_count(ih->dev, VGPU_LOG_INFO, "ih: ring %u overflowed", n);
		ring->overflow = true;
	}
	base = (uint64_t)vgpu_reg_peek(ih->dev, r->base) << 8 |
	       (uint64_t)(vgpu_reg_peek(ih->dev, r->base_hi) & 0xff) << 40;
	ih_write(ih, n, base + (ring->wptr & (size - 1)), dw, sizeof(dw));
	ring->wptr = next;
	publish_wptr(ih, n);
	return true;
}

/* Caller holds the lock. */
static void interrupt(struct ih *ih)
{
	if (!VFIELD_GET(ring_cntl(ih, 0), IH_RB_CNTL, ENABLE_INTR))
		return;
	ih->raised_ns = vgpu_now(ih->dev);
	vgpu_raise_irq(ih->dev, VECTOR);
}

static bool to_ring1(struct ih *ih, const struct vgpu_iv *iv)
{
	unsigned int i;

	if (!ring_size(ring_cntl(ih, 1)))
		return false;
	for (i = 0; i < CFG_SLOTS; i++) {
		uint32_t cfg = ih->client_cfg[i];

		if (!cfg)
			continue;
		if (VFIELD_GET(cfg, IH_RING1_CLIENT_CFG_DATA, CLIENT_ID) !=
		    iv->client_id)
			continue;
		if (!VFIELD_GET(cfg, IH_RING1_CLIENT_CFG_DATA,
				SOURCE_ID_MATCH_ENABLE) ||
		    VFIELD_GET(cfg, IH_RING1_CLIENT_CFG_DATA, SOURCE_ID) ==
		    iv->src_id)
			return true;
	}
	return false;
}

void vgpu_irq(struct vgpu *dev, const struct vgpu_iv *iv)
{
	struct ih *ih = vgpu_block_priv(dev, &vgpu_block_ih);
	struct vgpu_iv self = { .client_id = SOC21_IH_CLIENTID_IH, .ring_id = 1 };
	struct ih_ring *ring = &ih->ring[0];
	bool idle;

	vgpu_trace(dev, VGPU_TRACE_IRQ,
		   "%s (client 0x%x src %u) ring 0x%x vmid %u pasid %u data 0x%x 0x%x",
		   vgpu_irq_name(iv->client_id, iv->src_id), iv->client_id,
		   iv->src_id, iv->ring_id, iv->vmid, iv->pasid, iv->data[0],
		   iv->data[1]);
	vgpu_stat(dev, "ih: vectors", 1);
	pthread_mutex_lock(&ih->lock);
	if (to_ring1(ih, iv)) {
		if (!push(ih, 1, iv))
			goto out;
		self.data[0] = ih->ring[1].wptr;
		iv = &self;
	}
	idle = ring->rptr == ring->wptr;
	/*
	 * A guest that has not finished with the ring looks again by itself, or
	 * is interrupted when it moves the read pointer (rptr_moved).
	 */
	if (push(ih, 0, iv) &&
	    (idle || vgpu_now(dev) - ih->raised_ns > IRQ_AGAIN_NS))
		interrupt(ih);
out:
	pthread_mutex_unlock(&ih->lock);
}

/* The guest consumed vectors: IH_RB_CNTL.RPTR_REARM, on with MSI. */
static void rptr_moved(struct ih *ih, unsigned int n, uint32_t value)
{
	uint32_t size;

	pthread_mutex_lock(&ih->lock);
	size = ring_size(ring_cntl(ih, n));
	ih->ring[n].rptr = value & (size ? size - 1 : 0) & ~(IV_BYTES - 1);
	vgpu_reg_poke(ih->dev, ring_regs[n].rptr, ih->ring[n].rptr);
	if (!n && size && ih->ring[0].rptr != ih->ring[0].wptr)
		interrupt(ih);
	pthread_mutex_unlock(&ih->lock);
}

/* ---- registers ---- */

static unsigned int ring_of(uint32_t reg)
{
	return reg >= VREG(OSSSYS, regIH_RB_CNTL_RING1);
}

static void cntl_write(struct vgpu *dev, void *priv, uint32_t reg, uint32_t value)
{
	unsigned int n = ring_of(reg);
	struct ih *ih = priv;
	uint32_t old;

	pthread_mutex_lock(&ih->lock);
	old = vgpu_reg_peek(dev, reg);
	vgpu_reg_poke(dev, reg, value);
	/* Edge-triggered, see ih_v6_0_toggle_ring_interrupts(). */
	if (VFIELD_GET(value & ~old, IH_RB_CNTL, WPTR_OVERFLOW_CLEAR) &&
	    ih->ring[n].overflow) {
		ih->ring[n].overflow = false;
		publish_wptr(ih, n);
	}
	if (!n && VFIELD_GET(value & ~old, IH_RB_CNTL, ENABLE_INTR) &&
	    ih->ring[0].rptr != ih->ring[0].wptr)
		interrupt(ih);
	pthread_mutex_unlock(&ih->lock);
}

static void rptr_write(struct vgpu *dev, void *priv, uint32_t reg, uint32_t value)
{
	(void)dev;
	rptr_moved(priv, ring_of(reg), value);
}

static void wptr_write(struct vgpu *dev, void *priv, uint32_t reg, uint32_t value)
{
	unsigned int n = ring_of(reg);
	struct ih *ih = priv;

	pthread_mutex_lock(&ih->lock);
	ih->ring[n].wptr = value & IH_RB_WPTR__OFFSET_MASK & ~(IV_BYTES - 1);
	vgpu_reg_poke(dev, reg, ih->ring[n].wptr);
	pthread_mutex_unlock(&ih->lock);
}

static void doorbell_rung(struct vgpu *dev, void *priv, uint32_t index,
			  uint64_t value)
{
	struct ih *ih = priv;
	unsigned int n;

	(void)dev;
	for (n = 0; n < RINGS; n++)
		if (ih->ring[n].bound && ih->ring[n].doorbell == index)
			rptr_moved(ih, n, value);
}

static void unbind(struct ih *ih, unsigned int n)
{
	if (ih->ring[n].bound)
		vgpu_doorbell_unbind(ih->dev, ih->ring[n].doorbell);
	ih->ring[n].bound = false;
}

/* The register lock, held here, is what protects the doorbell fields. */
static void doorbell_write(struct vgpu *dev, void *priv, uint32_t reg,
			   uint32_t value)
{
	unsigned int n = ring_of(reg);
	struct ih *ih = priv;
	int r;

	vgpu_reg_poke(dev, reg, value);
	unbind(ih, n);
	if (!VFIELD_GET(value, IH_DOORBELL_RPTR, ENABLE))
		return;
	ih->ring[n].doorbell = VFIELD_GET(value, IH_DOORBELL_RPTR, OFFSET);
	r = vgpu_doorbell_bind(dev, ih->ring[n].doorbell, doorbell_rung, ih);
	if (r)
		vgpu_count(dev, VGPU_LOG_GUEST, "ih: doorbell 0x%x refused: %s",
			   ih->ring[n].doorbell, strerror(-r));
	else
		ih->ring[n].bound = true;
}

static uint32_t cfg_index(struct vgpu *dev)
{
	return VFIELD_GET(vgpu_reg_peek(dev, VREG(OSSSYS,
						  regIH_RING1_CLIENT_CFG_INDEX)),
			  IH_RING1_CLIENT_CFG_INDEX, INDEX);
}

static uint32_t cfg_read(struct vgpu *dev, void *priv, uint32_t reg)
{
	struct ih *ih = priv;
	uint32_t v;

	(void)reg;
	pthread_mutex_lock(&ih->lock);
	v = ih->client_cfg[cfg_index(dev)];
	pthread_mutex_unlock(&ih->lock);
	return v;
}

static void cfg_write(struct vgpu *dev, void *priv, uint32_t reg, uint32_t value)
{
	struct ih *ih = priv;

	(void)reg;
	pthread_mutex_lock(&ih->lock);
	ih->client_cfg[cfg_index(dev)] = value;
	pthread_mutex_unlock(&ih->lock);
}

#define ONE(name)	VREG(OSSSYS, name), VREG(OSSSYS, name)

static const struct vgpu_reg_range ih_ranges[] = {
	{ VREG(OSSSYS, regIH_VMID_0_LUT), VREG(OSSSYS, regIH_VMID_15_LUT_MM) },
	{ ONE(regIH_RB_CNTL), NULL, cntl_write },
	{ ONE(regIH_RB_RPTR), NULL, rptr_write },
	{ ONE(regIH_RB_WPTR), NULL, wptr_write },
	{ ONE(regIH_DOORBELL_RPTR), NULL, doorbell_write },
	{ ONE(regIH_RB_BASE) },
	{ ONE(regIH_RB_BASE_HI) },
	{ ONE(regIH_RB_WPTR_ADDR_LO) },
	{ ONE(regIH_RB_WPTR_ADDR_HI) },
	{ ONE(regIH_RB_CNTL_RING1), NULL, cntl_write },
	{ ONE(regIH_RB_RPTR_RING1), NULL, rptr_write },
	{ ONE(regIH_RB_WPTR_RING1), NULL, wptr_write },
	{ ONE(regIH_DOORBELL_RPTR_RING1), NULL, doorbell_write },
	{ ONE(regIH_RB_BASE_RING1) },
	{ ONE(regIH_RB_BASE_HI_RING1) },
	{ ONE(regIH_RING1_CLIENT_CFG_INDEX) },
	{ ONE(regIH_RING1_CLIENT_CFG_DATA), cfg_read, cfg_write },
	/* Stored: flood and storm control, chicken bits, power. */
	{ ONE(regIH_CNTL) },
	{ ONE(regIH_CNTL2) },
	{ ONE(regIH_CHICKEN) },
	{ ONE(regIH_STORM_CLIENT_LIST_CNTL) },
	{ ONE(regIH_INT_FLOOD_CNTL) },
	{ ONE(regIH_MSI_STORM_CTRL) },
	{ ONE(regIH_CLK_CTRL) },
	{ ONE(regIH_MEM_POWER_CTRL) },
};

static int ih_init(struct vgpu *dev, void **priv)
{
	struct ih *ih;
	int r;

	ih = calloc(1, sizeof(*ih));
	if (!ih)
		return -ENOMEM;
	ih->dev = dev;
	r = -pthread_mutex_init(&ih->lock, NULL);
	if (r)
		goto err_free;
	r = vgpu_reg_register(dev, ih_ranges, ARRAY_SIZE(ih_ranges), ih);
	if (r)
		goto err_lock;
	*priv = ih;
	return 0;

err_lock:
	pthread_mutex_destroy(&ih->lock);
err_free:
	free(ih);
	return r;
}

static void ih_reset(struct vgpu *dev, void *priv)
{
	struct ih *ih = priv;
	unsigned int n;

	vgpu_reg_lock(dev);
	for (n = 0; n < RINGS; n++)
		unbind(ih, n);
	pthread_mutex_lock(&ih->lock);
	memset(ih->ring, 0, sizeof(ih->ring));
	memset(ih->client_cfg, 0, sizeof(ih->client_cfg));
	pthread_mutex_unlock(&ih->lock);
	vgpu_reg_unlock(dev);
}

static void ih_fini(struct vgpu *dev, void *priv)
{
	struct ih *ih = priv;

	ih_reset(dev, ih);
	pthread_mutex_destroy(&ih->lock);
	free(ih);
}

const struct vgpu_block vgpu_block_ih = {
	.name = "ih",
	.init = ih_init,
	.fini = ih_fini,
	.reset = ih_reset,
};
