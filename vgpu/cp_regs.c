/* SPDX-License-Identifier: MIT */
/*
 * Registers of the graphics core that the driver expects an answer from: queue
 * slots, firmware loading, safe mode, resets.
 */
#include <errno.h>

#include "cp_internal.h"
#include "gc/gc_11_0_0_offset.h"
#include "gc/gc_11_0_0_sh_mask.h"

#define GC(reg)		(GC_BASE(reg##_BASE_IDX) + reg)
#define ONE(reg)	(GC_BASE(reg##_BASE_IDX) + reg), \
			(GC_BASE(reg##_BASE_IDX) + reg)

/*
 * Scheduler firmware: interface version 2 (bits 12 on), firmware version 147,
 * the oldest that gfx_v11_0_sw_init() wants for user queues.
 */
#define MES_VERSION	(2 << 12 | 0x93)
/* Any layout will do for a chip without render targets, but not 0. */
#define ADDR_CONFIG	0x545
/* Reference clock in MHz, as CP_MES_MTIME counts. */
#define REFCLK_MHZ	100

static unsigned int selected(struct cp *cp)
{
	uint32_t v = vgpu_reg_peek(cp->dev, GC(regGRBM_GFX_CNTL));

	return cp_slot(VFIELD_GET(v, GRBM_GFX_CNTL, MEID),
		       VFIELD_GET(v, GRBM_GFX_CNTL, PIPEID),
		       VFIELD_GET(v, GRBM_GFX_CNTL, QUEUEID));
}

/* ---- queue slots, banked by GRBM_GFX_CNTL ---- */

static uint32_t hqd_read(struct vgpu *dev, void *priv, uint32_t reg)
{
	struct cp *cp = priv;

	(void)dev;
	return cp->hqd[selected(cp)][reg - GC(regCP_MQD_BASE_ADDR)];
}

/* The scheduler's own queue is mapped by the KIQ and belongs to mes.c. */
static bool is_scheduler(unsigned int slot)
{
	return slot / CP_QUEUES == CP_ME_FW * CP_PIPES;
}

static void stop_slot(struct cp *cp, unsigned int slot)
{
	if (is_scheduler(slot))
		vgpu_engine_unmap(cp->dev, VGPU_ENGINE_MES, UINT32_MAX,
				  VGPU_UNMAP_DROP);
	cp_slot_stop(cp, slot);
}

static void hqd_write(struct vgpu *dev, void *priv, uint32_t reg, uint32_t value)
{
	struct cp *cp = priv;
	unsigned int slot = selected(cp);
	uint32_t *bank = cp->hqd[slot];
	uint32_t i = reg - GC(regCP_MQD_BASE_ADDR);

	switch (i + regCP_MQD_BASE_ADDR) {
	case regCP_HQD_ACTIVE:
		bank[i] = value;
		if (!(value & 1))
			stop_slot(cp, slot);
		else if (is_scheduler(slot))
			vgpu_count(dev, VGPU_LOG_UNIMP,
				   "cp: scheduler queue set up by registers");
		else
			cp_slot_activate(cp, VGPU_ENGINE_COMPUTE, slot);
		return;
	case regCP_HQD_DEQUEUE_REQUEST:
		if (VFIELD_GET(value, CP_HQD_DEQUEUE_REQUEST, DEQUEUE_REQ))
			stop_slot(cp, slot);
		bank[i] = 0;
		return;
	}
	bank[i] = value;
}

static uint32_t gfx_hqd_read(struct vgpu *dev, void *priv, uint32_t reg)
{
	struct cp *cp = priv;

	(void)dev;
	return cp->gfx_hqd[selected(cp)][reg - GC(regCP_GFX_MQD_BASE_ADDR)];
}

static void gfx_hqd_write(struct vgpu *dev, void *priv, uint32_t reg,
			  uint32_t value)
{
	struct cp *cp = priv;
	unsigned int slot = selected(cp);
	uint32_t *bank = cp->gfx_hqd[slot];
	uint32_t i = reg - GC(regCP_GFX_MQD_BASE_ADDR);

	(void)dev;
	switch (i + regCP_GFX_MQD_BASE_ADDR) {
	case regCP_GFX_HQD_ACTIVE:
		bank[i] = value;
		if (value & 1)
			cp_slot_activate(cp, VGPU_ENGINE_GFX, slot);
		else
			stop_slot(cp, slot);
		return;
	case regCP_GFX_HQD_DEQUEUE_REQUEST:
		if (value & 1)
			stop_slot(cp, slot);
		bank[i] = 0;
		return;
	}
	bank[i] = value;
}

/* ---- resets ---- */

static bool in_vmid_reset(const struct cp_queue *cq, uint32_t v)
{
	uint32_t queues;

	if (cq->env.engine != VGPU_ENGINE_GFX)
		return false;
	queues = cq->env.pipe ? VFIELD_GET(v, CP_VMID_RESET, PIPE1_QUEUES) :
				VFIELD_GET(v, CP_VMID_RESET, PIPE0_QUEUES);
	return queues >> cq->env.queue & 1;
}

static void vmid_reset_write(struct vgpu *dev, void *priv, uint32_t reg,
			     uint32_t value)
{
	cp_stop_all(priv, in_vmid_reset, value);
	vgpu_reg_poke(dev, reg, 0);
}

/* All queues of an SDMA engine are dropped, and it is halted, but frozen no longer. */
#define sdma_soft_reset(dev, sdma)						\
	sdma_reset_by((dev), GC(reg##sdma##_QUEUE_RESET_REQ),			\
		      GC(reg##sdma##_F32_CNTL), GC(reg##sdma##_FREEZE))
static void sdma_reset_by(struct vgpu *dev, uint32_t reset_req, uint32_t f32_cntl,
			  uint32_t freeze)
{
	vgpu_reg_write(dev, reset_req, 0xff);
	vgpu_reg_write(dev, f32_cntl,
		       vgpu_reg_peek(dev, f32_cntl) | SDMA0_F32_CNTL__HALT_MASK);
	vgpu_reg_write(dev, freeze, 0);
}

static void soft_reset_write(struct vgpu *dev, void *priv, uint32_t reg,
			     uint32_t value)
{
	/* Of the command processor and its parts; of shaders, which are not there. */
	const uint32_t cp = GRBM_SOFT_RESET__SOFT_RESET_CP_MASK |
		GRBM_SOFT_RESET__SOFT_RESET_CPF_MASK |
		GRBM_SOFT_RESET__SOFT_RESET_CPC_MASK |
		GRBM_SOFT_RESET__SOFT_RESET_CPG_MASK;
	const uint32_t known = cp | GRBM_SOFT_RESET__SOFT_RESET_GFX_MASK |
		GRBM_SOFT_RESET__SOFT_RESET_SDMA0_MASK |
		GRBM_SOFT_RESET__SOFT_RESET_SDMA1_MASK;

	vgpu_reg_poke(dev, reg, value);
	if (value & ~known)
		vgpu_count(dev, VGPU_LOG_UNIMP,
			   "cp: GRBM_SOFT_RESET bits 0x%x not modelled",
			   value & ~known);
	if (VFIELD_GET(value, GRBM_SOFT_RESET, SOFT_RESET_SDMA0))
		sdma_soft_reset(dev, SDMA0);
	if (VFIELD_GET(value, GRBM_SOFT_RESET, SOFT_RESET_SDMA1))
		sdma_soft_reset(dev, SDMA1);
	if (!(value & cp))
		return;
	vgpu_engine_unmap(dev, VGPU_ENGINE_MES, UINT32_MAX,
				  VGPU_UNMAP_DROP);
	cp_stop_all(priv, NULL, 0);
}

/* Resetting or halting a pipe of the firmware engine ends what runs there. */
static void mes_cntl_write(struct vgpu *dev, void *priv, uint32_t reg,
			   uint32_t value)
{
	bool halt = VFIELD_GET(value, CP_MES_CNTL, MES_HALT);

	vgpu_reg_poke(dev, reg, value);
	if (halt || VFIELD_GET(value, CP_MES_CNTL, MES_PIPE0_RESET))
		vgpu_engine_unmap(dev, VGPU_ENGINE_MES, UINT32_MAX,
				  VGPU_UNMAP_DROP);
	if (halt || VFIELD_GET(value, CP_MES_CNTL, MES_PIPE1_RESET))
		cp_slot_stop(priv, cp_slot(CP_ME_FW, 1, 0));
}

/* ---- small ones ---- */

/* Invalidations are done as soon as they are asked for, caches always primed. */
static uint32_t cache_op_read(struct vgpu *dev, void *priv, uint32_t reg)
{
	(void)priv;
	return vgpu_reg_peek(dev, reg) |
		CP_CPC_IC_OP_CNTL__INVALIDATE_CACHE_COMPLETE_MASK |
		CP_CPC_IC_OP_CNTL__ICACHE_PRIMED_MASK;
}

/* RLC takes the message at once (gfx_v11_0_set_safe_mode waits for that). */
static void safe_mode_write(struct vgpu *dev, void *priv, uint32_t reg,
			    uint32_t value)
{
	(void)priv;
	vgpu_reg_poke(dev, reg, value & ~RLC_SAFE_MODE__CMD_MASK);
}

static uint32_t mtime_read(struct vgpu *dev, void *priv, uint32_t reg)
{
	uint64_t t = vgpu_now(dev) / (1000 / REFCLK_MHZ);

	(void)priv;
	return reg == GC(regCP_MES_MTIME_LO) ? t : t >> 32;
}

/* Status registers of a core that is never busy. */
static void read_only(struct vgpu *dev, void *priv, uint32_t reg, uint32_t value)
{
	(void)dev;
	(void)priv;
	(void)reg;
	(void)value;
}

static const struct vgpu_reg_range cp_ranges[] = {
	{ GC(regCP_MQD_BASE_ADDR), GC(regCP_MQD_BASE_ADDR) + CP_HQD_REGS - 1,
	  hqd_read, hqd_write },
	{ GC(regCP_GFX_MQD_BASE_ADDR),
	  GC(regCP_GFX_MQD_BASE_ADDR) + CP_GFX_HQD_REGS - 1,
	  gfx_hqd_read, gfx_hqd_write },
	{ ONE(regGRBM_GFX_CNTL) },
	{ ONE(regCP_VMID_RESET), .write = vmid_reset_write },
	{ ONE(regGRBM_SOFT_RESET), .write = soft_reset_write },
	{ ONE(regCP_MES_CNTL), .write = mes_cntl_write },
	{ ONE(regCP_ME_IC_OP_CNTL), .read = cache_op_read },
	{ ONE(regCP_PFP_IC_OP_CNTL), .read = cache_op_read },
	{ ONE(regCP_CPC_IC_OP_CNTL), .read = cache_op_read },
	{ ONE(regCP_MES_IC_OP_CNTL), .read = cache_op_read },
	{ ONE(regCP_GFX_RS64_DC_OP_CNTL), .read = cache_op_read },
	{ ONE(regCP_MEC_DC_OP_CNTL), .read = cache_op_read },
	{ ONE(regRLC_SAFE_MODE), .write = safe_mode_write },
	{ ONE(regCP_MES_MTIME_LO), .read = mtime_read },
	{ ONE(regCP_MES_MTIME_HI), .read = mtime_read },
	{ ONE(regCP_MES_GP3_LO), .write = read_only, .reset = MES_VERSION },
	{ ONE(regCP_STAT), .write = read_only },
	{ ONE(regGRBM_STATUS), .write = read_only },
	{ ONE(regGRBM_STATUS2), .write = read_only },
	{ ONE(regGB_ADDR_CONFIG), .reset = ADDR_CONFIG },
};

/*
 * What the driver dumps after a hang (gc_reg_list_11_0, gc_cp_reg_list_11 and
 * gc_gfx_queue_reg_list_11 in gfx_v11_0.c): nothing is busy, stalled or in
 * error. The queue slots, which it dumps, too, are real.
 */
#define IDLE(name)	{ GC_BASE(reg##name##_BASE_IDX) + reg##name, \
			  GC_BASE(reg##name##_BASE_IDX) + reg##name }
static const struct vgpu_reg_range cp_idle_ranges[] = {
	IDLE(CPC_UTCL1_STATUS),
	IDLE(CPF_UTCL1_STATUS),
	IDLE(CPG_UTCL1_STATUS),
	IDLE(CP_BUSY_STAT),
	IDLE(CP_CPC_BUSY_STAT),
	IDLE(CP_CPC_BUSY_STAT2),
	IDLE(CP_CPC_STALLED_STAT1),
	IDLE(CP_CPC_STATUS),
	IDLE(CP_CPF_BUSY_STAT),
	IDLE(CP_CPF_BUSY_STAT2),
	IDLE(CP_CPF_STALLED_STAT1),
	IDLE(CP_CPF_STATUS),
	IDLE(CP_GFX_ERROR),
	IDLE(CP_GFX_HPD_STATUS0),
	IDLE(CP_IB1_BASE_HI),
	IDLE(CP_IB1_BASE_LO),
	IDLE(CP_IB1_BUFSZ),
	IDLE(CP_IB1_CMD_BUFSZ),
	IDLE(CP_IB2_BASE_HI),
	IDLE(CP_IB2_BASE_LO),
	IDLE(CP_IB2_BUFSZ),
	IDLE(CP_IB2_CMD_BUFSZ),
	IDLE(CP_MEC1_INSTR_PNTR),
	IDLE(CP_MES_DEBUG_INTERRUPT_INSTR_PNTR),
	IDLE(CP_MES_HEADER_DUMP),
	IDLE(CP_MES_INSTR_PNTR),
	IDLE(CP_ME_HEADER_DUMP),
	IDLE(CP_ME_INSTR_PNTR),
	IDLE(CP_PFP_HEADER_DUMP),
	IDLE(CP_PFP_INSTR_PNTR),
	IDLE(CP_RB0_BASE),
	IDLE(CP_RB0_RPTR),
	IDLE(CP_RB0_WPTR),
	IDLE(CP_RB1_BASE),
	IDLE(CP_RB1_RPTR),
	IDLE(CP_RB1_WPTR),
	IDLE(CP_STALLED_STAT1),
	IDLE(CP_STALLED_STAT2),
	IDLE(CP_STALLED_STAT3),
	IDLE(GDS_PROTECTION_FAULT),
	IDLE(GDS_VM_PROTECTION_FAULT),
	IDLE(GRBM_STATUS3),
	IDLE(GRBM_STATUS_SE0),
	IDLE(GRBM_STATUS_SE1),
	IDLE(GRBM_STATUS_SE2),
	IDLE(GRBM_STATUS_SE3),
	IDLE(GRBM_STATUS_SE4),
	IDLE(GRBM_STATUS_SE5),
	IDLE(IA_UTCL1_STATUS),
	IDLE(IA_UTCL1_STATUS_2),
	IDLE(PA_CL_CNTL_STATUS),
	IDLE(RLC_UTCL1_STATUS),
	IDLE(RMI_UTCL1_STATUS),
	IDLE(SQC_CACHES),
	IDLE(SQG_STATUS),
	IDLE(WD_UTCL1_STATUS),
	/* Wave reset of a queue: no waves. */
	IDLE(SPI_COMPUTE_QUEUE_RESET),
};

int cp_register_regs(struct cp *cp)
{
	int r;

	r = vgpu_reg_register(cp->dev, cp_idle_ranges,
			      ARRAY_SIZE(cp_idle_ranges), cp);
	if (r)
		return r;
	return vgpu_reg_register(cp->dev, cp_ranges, ARRAY_SIZE(cp_ranges), cp);
}
