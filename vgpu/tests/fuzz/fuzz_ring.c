/* SPDX-License-Identifier: MIT */
/*
 * Rings: whatever a process or the kernel may write into one. An input is a dword of
 * choices (see ring()), then the ring's contents. An indirect buffer at FUZZ_IB, in VRAM and
 * in RAM, holds the same from half-way on; mutated packets often point there.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "hwregs.h"
#include "gc/gc_11_0_0_offset.h"
#include "gc/gc_11_0_0_sh_mask.h"
#include "nvd.h"
#include "sdma_v6_0_0_pkt_open.h"
#include "v11_structs.h"

#define RING_LOG2	10
#define RING_BYTES	(4u << RING_LOG2)
#define DOORBELL	0x200u
#define ME_FIRMWARE	3

/* First dword of an input. */
#define CHOOSE_STRICT	(1u << 0)
#define CHOOSE_USER	(1u << 1)	/* a process's queue, in VMID 1 */
#define CHOOSE_AGAIN	(1u << 2)	/* unmap half-way, and map again */

static void write_mqd(struct fake_host *h, enum vgpu_engine engine, uint64_t base,
		      uint32_t doorbell)
{
	void *at = h->vram + FUZZ_MQD;
	struct v11_gfx_mqd *g = at;
	struct v11_compute_mqd *c = at;
	struct v11_sdma_mqd *s = at;

	fuzz_mqd_doorbell(at, engine, doorbell);
	switch (engine) {
	case VGPU_ENGINE_GFX:
		g->cp_gfx_hqd_base = base >> 8;
		g->cp_gfx_hqd_base_hi = base >> 40;
		g->cp_gfx_hqd_cntl = RING_LOG2 - 1;
		g->fence_address_lo = FUZZ_DATA;
		g->fence_address_hi = FUZZ_FB >> 32;
		break;
	case VGPU_ENGINE_COMPUTE:
		c->cp_hqd_pq_base_lo = base >> 8;
		c->cp_hqd_pq_base_hi = base >> 40;
		c->cp_hqd_pq_control = RING_LOG2 - 1;
		c->fence_address_lo = FUZZ_DATA;
		c->fence_address_hi = FUZZ_FB >> 32;
		break;
	default:
		s->sdmax_rlcx_rb_base = base >> 8;
		s->sdmax_rlcx_rb_base_hi = base >> 40;
		s->sdmax_rlcx_rb_cntl = VFIELD(SDMA0_QUEUE0_RB_CNTL, RB_SIZE, RING_LOG2);
		s->sdmax_rlcx_f32_dbg0 = FUZZ_DATA;
		s->sdmax_rlcx_f32_dbg1 = FUZZ_FB >> 32;
	}
}

/* The KIQ comes by registers: nobody is there to map it. */
static void start_kiq(struct fake_host *h)
{
	vgpu_reg_write(h->dev, VREG(GC, regGRBM_GFX_CNTL),
		       VFIELD(GRBM_GFX_CNTL, MEID, ME_FIRMWARE) |
		       VFIELD(GRBM_GFX_CNTL, PIPEID, 1));
	vgpu_reg_write(h->dev, VREG(GC, regCP_HQD_PQ_BASE),
		       (uint32_t)((FUZZ_FB + FUZZ_RING) >> 8));
	vgpu_reg_write(h->dev, VREG(GC, regCP_HQD_PQ_BASE_HI),
		       (FUZZ_FB + FUZZ_RING) >> 40);
	vgpu_reg_write(h->dev, VREG(GC, regCP_HQD_PQ_CONTROL), RING_LOG2 - 1);
	vgpu_reg_write(h->dev, VREG(GC, regCP_HQD_PQ_DOORBELL_CONTROL),
		       VFIELD(CP_HQD_PQ_DOORBELL_CONTROL, DOORBELL_EN, 1) |
		       VFIELD(CP_HQD_PQ_DOORBELL_CONTROL, DOORBELL_OFFSET, DOORBELL));
	vgpu_reg_write(h->dev, VREG(GC, regCP_HQD_ACTIVE), 1);
}

static void ring(struct fuzz_in *in, enum vgpu_engine engine, bool kiq)
{
	uint32_t choice = fuzz_u32(in);
	bool user = choice & CHOOSE_USER && !kiq;
	struct fake_host *h = fuzz_host(choice & CHOOSE_STRICT);
	struct vgpu_queue_map m = {
		.mqd_addr = FUZZ_FB + FUZZ_MQD,
		.doorbell = DOORBELL,
		.me = engine == VGPU_ENGINE_COMPUTE,
		.vmid = user,
		.pasid = 7,
		.user = user,
	};
	/* A process sees VRAM behind RAM. */
	uint64_t base = user ? FUZZ_RAM + FUZZ_RING : FUZZ_FB + FUZZ_RING;
	unsigned int shift = engine == VGPU_ENGINE_SDMA ? 2 : 0;
	size_t n, half;

	n = fuzz_bytes(in, h->vram + FUZZ_RING, RING_BYTES - 4) / 4;
	half = n / 2;
	memcpy(h->vram + FUZZ_IB, h->vram + FUZZ_RING + half * 4,
	       RING_BYTES - half * 4);
	/* Processes find it there. */
	memcpy(h->ram + FUZZ_IB, h->vram + FUZZ_IB, RING_BYTES - half * 4);
	if (kiq) {
		/* What MAP_QUEUES finds: one of each kind, a page apart. */
		write_mqd(h, VGPU_ENGINE_COMPUTE, FUZZ_FB + FUZZ_IB, DOORBELL + 1);
		start_kiq(h);
	} else {
		write_mqd(h, engine, base, DOORBELL);
		vgpu_engine_map(h->dev, engine, &m);
	}
	fuzz_queues_run();
	vgpu_doorbell_ring(h->dev, DOORBELL, half << shift, 8);
	fuzz_queues_run();
	if (choice & CHOOSE_AGAIN && !kiq) {
		vgpu_engine_unmap(h->dev, engine, DOORBELL,
				  choice & CHOOSE_USER ? VGPU_UNMAP_RESET :
							 VGPU_UNMAP_SAVE);
		vgpu_engine_map(h->dev, engine, &m);
	}
	vgpu_doorbell_ring(h->dev, DOORBELL, n << shift, 8);
	fuzz_queues_run();
	fuzz_host_end(h);
}

static void run_gfx(struct fuzz_in *in)
{
	ring(in, VGPU_ENGINE_GFX, false);
}

static void run_compute(struct fuzz_in *in)
{
	ring(in, VGPU_ENGINE_COMPUTE, false);
}

static void run_kiq(struct fuzz_in *in)
{
	ring(in, VGPU_ENGINE_COMPUTE, true);
}

static void run_sdma(struct fuzz_in *in)
{
	ring(in, VGPU_ENGINE_SDMA, false);
}

/* ---- packets for the mutator ---- */

static size_t body(struct fuzz_random *r, uint32_t *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		p[i] = fuzz_value(r);
		/* An address is two dwords. */
		if (i + 1 < n && fuzz_rnd(r) % 4 == 0) {
			p[i] = FUZZ_DATA + (fuzz_rnd(r) & 0xff8);
			p[++i] = fuzz_rnd(r) % 2 ? FUZZ_FB >> 32 : 0;
		}
	}
	return n;
}

static size_t pm4_unit(struct fuzz_random *r, uint8_t *buf, size_t max,
		       const uint8_t *known, size_t n_known)
{
	uint32_t p[20], op = known[fuzz_rnd(r) % n_known];
	size_t n = 1 + fuzz_rnd(r) % 9;

	if (fuzz_rnd(r) % 16 == 0)
		op = fuzz_rnd(r) & 0xff;
	body(r, p + 1, n);
	if (op == PACKET3_INDIRECT_BUFFER) {
		n = 3;
		p[1] = FUZZ_IB + (fuzz_rnd(r) & 0xfc);
		p[2] = fuzz_rnd(r) % 2 ? FUZZ_FB >> 32 : 0;
		p[3] = (fuzz_rnd(r) & 0xff) | (fuzz_rnd(r) & 1) << 20 |
		       (fuzz_rnd(r) & 3) << 24;
	}
	p[0] = 3u << 30 | (uint32_t)(n - 1) << 16 | op << 8;
	n = (n + 1) * 4;
	if (n > max)
		return 0;
	memcpy(buf, p, n);
	return n;
}

static size_t gfx_unit(struct fuzz_random *r, uint8_t *buf, size_t max)
{
	static const uint8_t known[] = {
		PACKET3_NOP, PACKET3_ATOMIC_MEM, PACKET3_COND_EXEC,
		PACKET3_WRITE_DATA, PACKET3_WAIT_REG_MEM, PACKET3_INDIRECT_BUFFER,
		PACKET3_COPY_DATA, PACKET3_RELEASE_MEM, PACKET3_DMA_DATA,
		PACKET3_SET_CONFIG_REG, PACKET3_SET_CONTEXT_REG,
		PACKET3_SET_SH_REG, PACKET3_SET_UCONFIG_REG, PACKET3_REG_RMW,
		PACKET3_WAIT_REG_MEM64, 0xd0 /* PROTECTED_FENCE_SIGNAL */,
		0xd1 /* FENCE_WAIT_MULTI */, PACKET3_EVENT_WRITE,
		PACKET3_DISPATCH_DIRECT,
	};

	return pm4_unit(r, buf, max, known, sizeof(known));
}

static size_t kiq_unit(struct fuzz_random *r, uint8_t *buf, size_t max)
{
	static const uint8_t known[] = {
		PACKET3_SET_RESOURCES, PACKET3_MAP_QUEUES, PACKET3_UNMAP_QUEUES,
		PACKET3_QUERY_STATUS, PACKET3_INVALIDATE_TLBS,
		PACKET3_WRITE_DATA, PACKET3_WAIT_REG_MEM, PACKET3_COPY_DATA,
	};
	size_t n = pm4_unit(r, buf, max, known, sizeof(known));
	uint32_t p[7];

	/* Half of the maps find an MQD. */
	memcpy(p, buf, sizeof(p) < n ? sizeof(p) : n);
	if (n && (p[0] >> 8 & 0xff) == PACKET3_MAP_QUEUES && max >= sizeof(p) &&
	    fuzz_rnd(r) % 2) {
		p[0] = 3u << 30 | 5 << 16 | PACKET3_MAP_QUEUES << 8;
		p[1] = (fuzz_rnd(r) % 6) << 26 | (fuzz_rnd(r) & 0x1fe000) | 1 << 29;
		p[2] = (DOORBELL + fuzz_rnd(r) % 4) << 2;
		p[3] = FUZZ_MQD;
		p[4] = FUZZ_FB >> 32;
		p[5] = FUZZ_DATA;
		p[6] = FUZZ_FB >> 32;
		n = sizeof(p);
		memcpy(buf, p, n);
	}
	return n;
}

static size_t sdma_unit(struct fuzz_random *r, uint8_t *buf, size_t max)
{
	/* op, sub-op, dwords (sdma_v6_0_0_pkt_open.h) */
	static const uint8_t known[][3] = {
		{ SDMA_OP_NOP, 0, 1 },
		{ SDMA_OP_COPY, SDMA_SUBOP_COPY_LINEAR, 7 },
		{ SDMA_OP_COPY, SDMA_SUBOP_COPY_LINEAR_SUB_WIND, 13 },
		{ SDMA_OP_WRITE, SDMA_SUBOP_WRITE_LINEAR, 6 },
		{ SDMA_OP_INDIRECT, 0, 6 },
		{ SDMA_OP_FENCE, 0, 4 },
		{ SDMA_OP_FENCE, 3, 1 },
		{ SDMA_OP_TRAP, 0, 2 },
		{ SDMA_OP_POLL_REGMEM, 0, 6 },
		{ SDMA_OP_POLL_REGMEM, SDMA_SUBOP_POLL_REG_WRITE_MEM, 4 },
		{ SDMA_OP_POLL_REGMEM, SDMA_SUBOP_VM_INVALIDATION, 4 },
		{ SDMA_OP_COND_EXE, 0, 5 },
		{ SDMA_OP_ATOMIC, 0, 8 },
		{ SDMA_OP_CONST_FILL, 0, 5 },
		{ SDMA_OP_PTEPDE, SDMA_SUBOP_PTEPDE_GEN, 10 },
		{ SDMA_OP_TIMESTAMP, SDMA_SUBOP_TIMESTAMP_GET, 3 },
		{ SDMA_OP_SRBM_WRITE, 0, 3 },
		{ SDMA_OP_GPUVM_INV, 0, 4 },
		{ SDMA_OP_GCR_REQ, 0, 5 },
	};
	const uint8_t *k = known[fuzz_rnd(r) % ARRAY_SIZE(known)];
	uint32_t p[16];
	size_t n = k[2];

	body(r, p, n);
	p[0] = k[0] | k[1] << 8;
	if (fuzz_rnd(r) % 4 == 0)
		p[0] |= fuzz_value(r) << 16;
	/* Copies and fills of a GiB take their time, and do no more than small ones. */
	if (k[0] == SDMA_OP_COPY || k[0] == SDMA_OP_PTEPDE)
		p[n == 7 ? 1 : n - 1] &= 0x3fff;
	if (k[0] == SDMA_OP_CONST_FILL)
		p[4] &= 0x3fff;
	if (k[0] == SDMA_OP_INDIRECT) {
		p[1] = FUZZ_IB + (fuzz_rnd(r) & 0xe0);
		p[2] = fuzz_rnd(r) % 2 ? FUZZ_FB >> 32 : 0;
		p[3] = fuzz_rnd(r) & 0xff;
	}
	if (n * 4 > max)
		return 0;
	memcpy(buf, p, n * 4);
	return n * 4;
}

const struct fuzz_target fuzz_gfx = {
	.name = "gfx", .run = run_gfx, .unit = gfx_unit, .align = 4, .header = 4,
	.packets = true,
};
const struct fuzz_target fuzz_compute = {
	.name = "compute", .run = run_compute, .unit = gfx_unit, .align = 4, .header = 4,
	.packets = true,
};
const struct fuzz_target fuzz_kiq = {
	.name = "kiq", .run = run_kiq, .unit = kiq_unit, .align = 4, .header = 4,
	.packets = true,
};
const struct fuzz_target fuzz_sdma = {
	.name = "sdma", .run = run_sdma, .unit = sdma_unit, .align = 4, .header = 4,
	.packets = true,
};
