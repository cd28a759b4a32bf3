/* SPDX-License-Identifier: MIT */
/* Queue descriptors in registers and memory, see cp_mqd.h. */
#include <errno.h>
#include <string.h>

#include "cp_mqd.h"
#include "hwregs.h"
#include "gc/gc_11_0_0_offset.h"
#include "gc/gc_11_0_0_sh_mask.h"
#include "v11_structs.h"

#define MQD_DW(type, field)	(offsetof(struct type, field) / 4)
#define MQD_FIRST		MQD_DW(v11_compute_mqd, cp_mqd_base_addr_lo)
#define HQD(reg)		((reg) - regCP_MQD_BASE_ADDR)
#define GFX_HQD(reg)		((reg) - regCP_GFX_MQD_BASE_ADDR)
/* Larger rings do not exist: the driver's are megabytes at most. */
#define MAX_SIZE_LOG2		26

/* In a compute MQD the slot's registers follow each other in their order. */
_Static_assert(MQD_DW(v11_compute_mqd, cp_hqd_pq_wptr_hi) - MQD_FIRST ==
	       HQD(regCP_HQD_PQ_WPTR_HI), "compute MQD mirrors the registers");
_Static_assert(MQD_DW(v11_compute_mqd, cp_hqd_pq_doorbell_control) - MQD_FIRST ==
	       HQD(regCP_HQD_PQ_DOORBELL_CONTROL),
	       "compute MQD mirrors the registers");
_Static_assert(HQD(regCP_HQD_DEQUEUE_STATUS) < CP_HQD_REGS, "all in the bank");
_Static_assert(GFX_HQD(regCP_HQD_GFX_STATUS) < CP_GFX_HQD_REGS,
	       "all in the bank");
_Static_assert(sizeof(struct v11_compute_mqd) == 2048 &&
	       sizeof(struct v11_gfx_mqd) == 2048, "MQDs are 512 dwords");

/* A graphics MQD has its own order. */
static const struct {
	uint16_t reg, mqd_dw;
} gfx_map[] = {
#define MAP(reg, field)	{ GFX_HQD(reg), MQD_DW(v11_gfx_mqd, field) }
	MAP(regCP_GFX_MQD_BASE_ADDR, cp_mqd_base_addr),
	MAP(regCP_GFX_MQD_BASE_ADDR_HI, cp_mqd_base_addr_hi),
	MAP(regCP_GFX_HQD_ACTIVE, cp_gfx_hqd_active),
	MAP(regCP_GFX_HQD_VMID, cp_gfx_hqd_vmid),
	MAP(regCP_GFX_HQD_QUEUE_PRIORITY, cp_gfx_hqd_queue_priority),
	MAP(regCP_GFX_HQD_QUANTUM, cp_gfx_hqd_quantum),
	MAP(regCP_GFX_HQD_BASE, cp_gfx_hqd_base),
	MAP(regCP_GFX_HQD_BASE_HI, cp_gfx_hqd_base_hi),
	MAP(regCP_GFX_HQD_RPTR, cp_gfx_hqd_rptr),
	MAP(regCP_GFX_HQD_RPTR_ADDR, cp_gfx_hqd_rptr_addr),
	MAP(regCP_GFX_HQD_RPTR_ADDR_HI, cp_gfx_hqd_rptr_addr_hi),
	MAP(regCP_RB_WPTR_POLL_ADDR_LO, cp_rb_wptr_poll_addr_lo),
	MAP(regCP_RB_WPTR_POLL_ADDR_HI, cp_rb_wptr_poll_addr_hi),
	MAP(regCP_RB_DOORBELL_CONTROL, cp_rb_doorbell_control),
	MAP(regCP_GFX_HQD_OFFSET, cp_gfx_hqd_offset),
	MAP(regCP_GFX_HQD_CNTL, cp_gfx_hqd_cntl),
	MAP(regCP_GFX_HQD_CSMD_RPTR, cp_gfx_hqd_csmd_rptr),
	MAP(regCP_GFX_HQD_WPTR, cp_gfx_hqd_wptr),
	MAP(regCP_GFX_HQD_WPTR_HI, cp_gfx_hqd_wptr_hi),
	MAP(regCP_GFX_HQD_MAPPED, cp_gfx_hqd_mapped),
#undef MAP
};

static uint64_t pair(const uint32_t *regs, unsigned int lo)
{
	return (uint64_t)regs[lo + 1] << 32 | regs[lo];
}

/* The read pointer register has 32 bits: complete it from the write pointer. */
static uint64_t widen_rptr(uint32_t rptr, uint64_t wptr)
{
	return wptr - (uint32_t)((uint32_t)wptr - rptr);
}

static int decode_compute(const uint32_t *regs, struct cp_hqd *hqd)
{
	uint32_t control = regs[HQD(regCP_HQD_PQ_CONTROL)];
	uint32_t db = regs[HQD(regCP_HQD_PQ_DOORBELL_CONTROL)];
	uint32_t size = VFIELD_GET(control, CP_HQD_PQ_CONTROL, QUEUE_SIZE) + 1;

	if (size > MAX_SIZE_LOG2)
		return -EINVAL;
	hqd->size_dw = 1u << size;
	hqd->mqd_addr = pair(regs, 0);
	hqd->base = pair(regs, HQD(regCP_HQD_PQ_BASE)) << 8;
	hqd->wptr = pair(regs, HQD(regCP_HQD_PQ_WPTR_LO));
	hqd->rptr = widen_rptr(regs[HQD(regCP_HQD_PQ_RPTR)], hqd->wptr);
	if (!VFIELD_GET(control, CP_HQD_PQ_CONTROL, NO_UPDATE_RPTR))
		hqd->rptr_report =
			pair(regs, HQD(regCP_HQD_PQ_RPTR_REPORT_ADDR)) & ~3ull;
	hqd->wptr_poll = pair(regs, HQD(regCP_HQD_PQ_WPTR_POLL_ADDR)) & ~7ull;
	hqd->doorbell = VFIELD_GET(db, CP_HQD_PQ_DOORBELL_CONTROL,
				   DOORBELL_OFFSET);
	hqd->doorbell_en = VFIELD_GET(db, CP_HQD_PQ_DOORBELL_CONTROL,
				      DOORBELL_EN);
	return 0;
}

static int decode_gfx(const uint32_t *regs, struct cp_hqd *hqd)
{
	uint32_t cntl = regs[GFX_HQD(regCP_GFX_HQD_CNTL)];
	uint32_t db = regs[GFX_HQD(regCP_RB_DOORBELL_CONTROL)];
	/* In units of eight bytes, as CP_RB0_CNTL. */
	uint32_t size = VFIELD_GET(cntl, CP_GFX_HQD_CNTL, RB_BUFSZ) + 1;

	if (size > MAX_SIZE_LOG2)
		return -EINVAL;
	hqd->size_dw = 1u << size;
	hqd->mqd_addr = pair(regs, 0);
	hqd->base = pair(regs, GFX_HQD(regCP_GFX_HQD_BASE)) << 8;
	hqd->wptr = pair(regs, GFX_HQD(regCP_GFX_HQD_WPTR));
	hqd->rptr = widen_rptr(regs[GFX_HQD(regCP_GFX_HQD_RPTR)], hqd->wptr);
	if (!VFIELD_GET(cntl, CP_GFX_HQD_CNTL, RB_NO_UPDATE))
		hqd->rptr_report =
			pair(regs, GFX_HQD(regCP_GFX_HQD_RPTR_ADDR)) & ~3ull;
	hqd->wptr_poll = pair(regs, GFX_HQD(regCP_RB_WPTR_POLL_ADDR_LO)) & ~7ull;
	hqd->doorbell = VFIELD_GET(db, CP_RB_DOORBELL_CONTROL, DOORBELL_OFFSET);
	hqd->doorbell_en = VFIELD_GET(db, CP_RB_DOORBELL_CONTROL, DOORBELL_EN);
	return 0;
}

int cp_hqd_decode(enum vgpu_engine engine, const uint32_t *regs,
		  struct cp_hqd *hqd)
{
	memset(hqd, 0, sizeof(*hqd));
	return engine == VGPU_ENGINE_GFX ? decode_gfx(regs, hqd) :
					   decode_compute(regs, hqd);
}

int cp_mqd_load(struct vgpu *dev, enum vgpu_engine engine, uint64_t addr,
		uint32_t *regs, struct cp_hqd *hqd)
{
	const struct vgpu_client kernel = { .hub = VGPU_HUB_GC };
	uint32_t mqd[512];
	unsigned int i;
	int r;

	r = vgpu_mem_read(dev, &kernel, addr, mqd, sizeof(mqd));
	if (r)
		return r;
	if (engine == VGPU_ENGINE_GFX) {
		memset(regs, 0, CP_GFX_HQD_REGS * sizeof(*regs));
		for (i = 0; i < ARRAY_SIZE(gfx_map); i++)
			regs[gfx_map[i].reg] = mqd[gfx_map[i].mqd_dw];
		i = MQD_DW(v11_gfx_mqd, fence_address_lo);
	} else {
		memcpy(regs, mqd + MQD_FIRST, CP_HQD_REGS * sizeof(*regs));
		i = MQD_DW(v11_compute_mqd, fence_address_lo);
	}
	r = cp_hqd_decode(engine, regs, hqd);
	hqd->mqd_addr = addr;
	hqd->fence_addr = pair(mqd, i);
	return r;
}

static void put(struct vgpu *dev, uint64_t mqd, size_t dw, uint32_t value)
{
	const struct vgpu_client kernel = { .hub = VGPU_HUB_GC };

	vgpu_mem_write32(dev, &kernel, mqd + dw * 4, value);
}

void cp_mqd_save(struct vgpu *dev, enum vgpu_engine engine, uint64_t addr,
		 uint64_t rptr, uint64_t wptr)
{
	if (engine == VGPU_ENGINE_GFX) {
		put(dev, addr, MQD_DW(v11_gfx_mqd, cp_gfx_hqd_rptr), rptr);
		put(dev, addr, MQD_DW(v11_gfx_mqd, cp_gfx_hqd_wptr), wptr);
		put(dev, addr, MQD_DW(v11_gfx_mqd, cp_gfx_hqd_wptr_hi), wptr >> 32);
	} else {
		put(dev, addr, MQD_DW(v11_compute_mqd, cp_hqd_pq_rptr), rptr);
		put(dev, addr, MQD_DW(v11_compute_mqd, cp_hqd_pq_wptr_lo), wptr);
		put(dev, addr, MQD_DW(v11_compute_mqd, cp_hqd_pq_wptr_hi),
		    wptr >> 32);
	}
}

_Static_assert(MQD_DW(v11_gfx_mqd, reserved_509) + 1 -
	       MQD_DW(v11_gfx_mqd, reserved_492) == CP_MQD_FIRMWARE / 4 &&
	       MQD_DW(v11_compute_mqd, reserved_427) + 1 -
	       MQD_DW(v11_compute_mqd, reserved_410) == CP_MQD_FIRMWARE / 4,
	       "reserved dwords in a row");

size_t cp_mqd_firmware(enum vgpu_engine engine)
{
	return engine == VGPU_ENGINE_GFX ?
		offsetof(struct v11_gfx_mqd, reserved_492) :
		offsetof(struct v11_compute_mqd, reserved_410);
}

void cp_hqd_queue_config(const struct cp_hqd *hqd,
			 const struct vgpu_queue_map *m,
			 struct vgpu_queue_config *cfg)
{
	memset(cfg, 0, sizeof(*cfg));
	cfg->base = hqd->base;
	cfg->size_dw = hqd->size_dw;
	cfg->rptr = hqd->rptr;
	cfg->wptr = hqd->wptr;
	cfg->rptr_report = hqd->rptr_report;
	/* A slot listens where its own register says, whatever firmware was told. */
	if (hqd->doorbell_en && hqd->doorbell == m->doorbell)
		cfg->doorbell = m->doorbell;
	else
		cfg->doorbell = UINT32_MAX;
	/* Firmware is told the kernel's address of the write pointer. */
	cfg->wptr_poll = m->wptr_addr ? m->wptr_addr : hqd->wptr_poll;
	cfg->wptr_poll_kernel = m->wptr_addr;
}
