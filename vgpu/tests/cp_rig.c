/* SPDX-License-Identifier: MIT */
/* Driver-like set-up of queues, see cp_rig.h. */
#include "cp_rig.h"

#include <stdlib.h>
#include <string.h>

#include "blocks.h"
#include "gc/gc_11_0_0_offset.h"
#include "gc/gc_11_0_0_sh_mask.h"
#include "test.h"
#include "v11_structs.h"

static const struct vgpu_block *const blocks[] = {
	&vgpu_block_smu, &vgpu_block_sdma, &vgpu_block_cp, &vgpu_block_mes, NULL,
};

struct rig *rig_create(void)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	if (!rig)
		return NULL;
	fake_mem_reset();
	rig->host = fake_host_create(blocks, 4096, 1 << 20, false);
	if (!rig->host) {
		free(rig);
		return NULL;
	}
	rig->dev = rig->host->dev;
	/* Halted at first, unlike the others. */
	vgpu_reg_write(rig->dev, VREG(GC, regSDMA0_F32_CNTL), 0);
	vgpu_reg_write(rig->dev, VREG(GC, regSDMA1_F32_CNTL), 0);
	rig_interrupts(rig, ~0u);
	return rig;
}

void rig_destroy(struct rig *rig)
{
	fake_host_destroy(rig->host);
	free(rig);
}

void rig_interrupts(struct rig *rig, uint32_t enable)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		vgpu_reg_poke(rig->dev, VREG(GC, regCP_INT_CNTL_RING0) + i, enable);
	for (i = 0; i < 4; i++)
		vgpu_reg_poke(rig->dev, VREG(GC, regCP_ME1_PIPE0_INT_CNTL) + i,
			      enable);
}

static void set_gfx(struct rig_ring *r, uint32_t size_log2)
{
	struct v11_gfx_mqd *m = (void *)(fake_mem + r->mqd);

	m->cp_mqd_base_addr = r->mqd;
	m->cp_gfx_hqd_base = r->base >> 8;
	m->cp_gfx_hqd_rptr_addr = r->rptr;
	m->cp_rb_wptr_poll_addr_lo = r->wptr_addr;
	m->cp_rb_doorbell_control = 1u << 30 | r->doorbell << 2;
	m->cp_gfx_hqd_cntl = size_log2 - 1;
	m->cp_gfx_hqd_active = 1;
	m->fence_address_lo = r->fence;
}

static void set_compute(struct rig_ring *r, uint32_t size_log2)
{
	struct v11_compute_mqd *m = (void *)(fake_mem + r->mqd);

	m->header = 0xC0310800;
	m->cp_mqd_base_addr_lo = r->mqd;
	m->cp_hqd_pq_base_lo = r->base >> 8;
	m->cp_hqd_pq_rptr_report_addr_lo = r->rptr;
	m->cp_hqd_pq_wptr_poll_addr_lo = r->wptr_addr;
	m->cp_hqd_pq_doorbell_control = 1u << 30 | r->doorbell << 2;
	m->cp_hqd_pq_control = size_log2 - 1;
	m->fence_address_lo = r->fence;
}

/* As sdma_v6_0_mqd_init(), but for polling. */
static void set_sdma(struct rig_ring *r, uint32_t size_log2)
{
	struct v11_sdma_mqd *m = (void *)(fake_mem + r->mqd);

	m->sdmax_rlcx_rb_cntl = VFIELD(SDMA0_QUEUE0_RB_CNTL, RB_SIZE, size_log2) |
		VFIELD(SDMA0_QUEUE0_RB_CNTL, RPTR_WRITEBACK_ENABLE, 1);
	m->sdmax_rlcx_rb_base = r->base >> 8;
	m->sdmax_rlcx_rb_rptr_addr_lo = r->rptr;
	m->sdmax_rlcx_rb_wptr_poll_addr_lo = r->wptr_addr;
	m->sdmax_rlcx_doorbell = VFIELD(SDMA0_QUEUE0_DOORBELL, ENABLE, 1);
	m->sdmax_rlcx_doorbell_offset = r->doorbell << 2;
	m->sdmax_rlcx_f32_dbg0 = r->fence;
	r->shift = 2;
}

struct rig_ring *rig_mqd(struct rig *rig, unsigned int i, enum vgpu_engine engine)
{
	struct rig_ring *r = &rig->rings[i];
	uint64_t at = (i + 1) * 0x10000ull;

	*r = (struct rig_ring){
		.index = i,
		.mqd = at, .base = at + 0x1000, .rptr = at + 0x8000,
		.wptr_addr = at + 0x8010, .fence = at + 0x8020,
		.doorbell = 0x100 + 2 * i,
	};
	memset(fake_mem + at, 0, 0x10000);
	if (engine == VGPU_ENGINE_GFX)
		set_gfx(r, __builtin_ctz(RIG_RING_DW));
	else if (engine == VGPU_ENGINE_SDMA)
		set_sdma(r, __builtin_ctz(RIG_RING_DW));
	else
		set_compute(r, __builtin_ctz(RIG_RING_DW));
	return r;
}

int rig_map(struct rig *rig, unsigned int i, enum vgpu_engine engine)
{
	struct rig_ring *r = rig_mqd(rig, i, engine);
	struct vgpu_queue_map m = {
		.mqd_addr = r->mqd,
		.wptr_addr = r->wptr_addr,
		.doorbell = r->doorbell,
		.me = engine == VGPU_ENGINE_COMPUTE,
		.pipe = i / 8,
		.queue = i % 8,
	};

	return vgpu_engine_map(rig->dev, engine, &m);
}

void rig_put(struct rig *rig, unsigned int i, const uint32_t *dw, unsigned int n)
{
	struct rig_ring *r = &rig->rings[i];
	unsigned int k;

	for (k = 0; k < n; k++)
		fake_mem_put32(r->base + (r->wptr + k) % RIG_RING_DW * 4, dw[k]);
	r->wptr += n;
	fake_mem_put64(r->wptr_addr, r->wptr << r->shift);
}

void rig_ring(struct rig *rig, unsigned int i)
{
	struct rig_ring *r = &rig->rings[i];

	vgpu_doorbell_ring(rig->dev, r->doorbell, r->wptr << r->shift, 8);
}

bool rig_idle(struct rig *rig, unsigned int i)
{
	struct rig_ring *r = &rig->rings[i];

	return fake_mem_get32(r->rptr) == (uint32_t)(r->wptr << r->shift);
}

bool rig_run(struct rig *rig, unsigned int i, const uint32_t *dw, unsigned int n)
{
	unsigned int k;

	rig_put(rig, i, dw, n);
	rig_ring(rig, i);
	for (k = 0; k < 20000 && !rig_idle(rig, i); k++)
		test_sleep_us(100);
	return rig_idle(rig, i);
}

void rig_select(struct rig *rig, unsigned int me, unsigned int pipe,
		unsigned int queue)
{
	vgpu_reg_write(rig->dev, VREG(GC, regGRBM_GFX_CNTL),
		       pipe | me << 2 | queue << 8);
}
