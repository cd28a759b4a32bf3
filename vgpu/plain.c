/* SPDX-License-Identifier: MIT */
/*
 * Registers that the driver sets up and that mean nothing here: storage, each
 * group with the reason. What is in no table is counted as unmodelled when it
 * is touched; this list keeps that count for real news.
 */
#include "blocks.h"
#include "hwregs.h"

#include "gc/gc_11_0_0_offset.h"
#include "nbio/nbio_4_3_0_offset.h"

#define ONE(name)	RUN(name, name)
#define RUN(from, to)	{ .first = VREG(GC, reg##from), .last = VREG(GC, reg##to) }
#define NBIO_ONE(name)	{ .first = VREG(NBIO, reg##name), .last = VREG(NBIO, reg##name) }

static const struct vgpu_reg_range ranges[] = {
	/* Where microcode lies and how it is uploaded: our engines are C. */
	RUN(CP_ME_IC_BASE_LO, CP_ME_IC_BASE_CNTL),
	RUN(CP_PFP_IC_BASE_LO, CP_PFP_IC_BASE_CNTL),
	RUN(CP_CPC_IC_BASE_LO, CP_CPC_IC_BASE_CNTL),
	RUN(CP_MES_IC_BASE_LO, CP_MES_IC_BASE_CNTL),
	RUN(CP_MES_MIBOUND_LO, CP_MES_MIBOUND_HI),
	RUN(CP_MES_MDBOUND_LO, CP_MES_MDBOUND_HI),
	RUN(CP_MES_DC_BASE_LO, CP_MES_DC_BASE_HI),
	RUN(CP_GFX_RS64_DC_BASE0_LO, CP_GFX_RS64_DC_BASE1_HI),
	ONE(CP_GFX_RS64_DC_BASE_CNTL),
	RUN(CP_MEC_MDBASE_LO, CP_MEC_MDBASE_HI),
	ONE(CP_MEC_DC_BASE_CNTL),
	ONE(CP_MEC_RS64_PRGRM_CNTR_START),
	ONE(CP_MEC_RS64_PRGRM_CNTR_START_HI),
	ONE(CP_PFP_PRGRM_CNTR_START),
	ONE(CP_PFP_PRGRM_CNTR_START_HI),
	ONE(CP_ME_PRGRM_CNTR_START),
	ONE(CP_ME_PRGRM_CNTR_START_HI),
	ONE(CP_MES_PRGRM_CNTR_START),
	ONE(CP_MES_PRGRM_CNTR_START_HI),
	ONE(CP_HYP_ME_UCODE_ADDR),
	ONE(CP_HYP_PFP_UCODE_ADDR),
	ONE(CP_HYP_MEC1_UCODE_ADDR),
	ONE(RLC_GPM_UCODE_ADDR),
	ONE(RLC_GPM_UCODE_DATA),
	/* Halting and starting the microcode of gfx and compute: cp_queue.c looks here. */
	ONE(CP_ME_CNTL),
	ONE(CP_MEC_CNTL),
	ONE(CP_MEC_RS64_CNTL),
	ONE(CP_GFX_CNTL),
	ONE(CP_MEC_ISA_CNTL),
	ONE(CP_MEC_RS64_INSTR_PNTR),
	/* Which interrupts are on: pm4.c looks here. */
	ONE(CP_INT_CNTL),
	RUN(CP_INT_CNTL_RING0, CP_INT_CNTL_RING1),
	ONE(CP_ME1_PIPE0_INT_CNTL),
	ONE(CP_ME1_PIPE1_INT_CNTL),
	ONE(CP_ME1_PIPE2_INT_CNTL),
	ONE(CP_ME1_PIPE3_INT_CNTL),
	/* Doorbell ranges: each queue has its own doorbell bound. */
	RUN(CP_RB_DOORBELL_RANGE_LOWER, CP_RB_DOORBELL_RANGE_UPPER),
	RUN(CP_MEC_DOORBELL_RANGE_LOWER, CP_MEC_DOORBELL_RANGE_UPPER),
	ONE(CP_RB_WPTR_POLL_CNTL),
	/* Command processor set-up without effect on packets. */
	ONE(CP_MAX_CONTEXT),
	ONE(CP_DEVICE_ID),
	ONE(CP_DEBUG),
	ONE(CPC_PSP_DEBUG),
	ONE(CPG_PSP_DEBUG),
	/* Written and read back by ring tests. */
	RUN(SCRATCH_REG0, SCRATCH_REG7),
	/* What is fused off (zero: nothing), and by which index it is read. */
	ONE(CC_GC_SA_UNIT_DISABLE),
	ONE(GC_USER_SA_UNIT_DISABLE),
	ONE(CC_GC_SHADER_ARRAY_CONFIG),
	ONE(GC_USER_SHADER_ARRAY_CONFIG),
	ONE(CC_RB_BACKEND_DISABLE),
	ONE(GC_USER_RB_BACKEND_DISABLE),
	ONE(CGTS_TCC_DISABLE),
	ONE(CGTS_USER_TCC_DISABLE),
	ONE(GRBM_GFX_INDEX),
	/* Shader memory, data share and caches: there are no shaders. */
	ONE(SH_MEM_BASES),
	ONE(SH_MEM_CONFIG),
	RUN(GDS_VMID0_BASE, GDS_VMID15_SIZE),
	RUN(GDS_GWS_VMID0, GDS_GWS_VMID15),
	RUN(GDS_OA_VMID0, GDS_OA_VMID15),
	ONE(SPI_GDBG_PER_VMID_CNTL),
	ONE(DB_RING_CONTROL),
	ONE(TA_CNTL2),
	ONE(TCP_CNTL),
	ONE(PA_SU_PERFCOUNTER1_LO),
	/* Run list controller: clock and power gating, clear state. */
	ONE(RLC_CNTL),
	ONE(RLC_PG_CNTL),
	ONE(RLC_CP_SCHEDULERS),
	ONE(RLC_CGCG_CGLS_CTRL),
	ONE(RLC_CGCG_CGLS_CTRL_3D),
	ONE(RLC_CGTT_MGCG_OVERRIDE),
	ONE(RLC_SPM_MC_CNTL),
	ONE(RLC_CSIB_ADDR_LO),
	ONE(RLC_CSIB_ADDR_HI),
	ONE(RLC_CSIB_LENGTH),
	ONE(SDMA0_RLC_CGCG_CTRL),
	ONE(GRBM_CNTL),
	/* Link power management of the bus. */
	NBIO_ONE(PCIE_CNTL2),
	NBIO_ONE(CPM_CONTROL),
	/*
	 * Scratch register 7 by the driver's reckoning before it has read the
	 * VBIOS, which says where they are (amdgpu_bios.c, need_post).
	 */
	{ .first = 7, .last = 7 },
};

static int init(struct vgpu *dev, void **priv)
{
	*priv = NULL;
	return vgpu_reg_register(dev, ranges, ARRAY_SIZE(ranges), NULL);
}

const struct vgpu_block vgpu_block_plain = {
	.name = "plain",
	.init = init,
};
