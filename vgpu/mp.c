/* SPDX-License-Identifier: MIT */
/*
 * The microprocessors beside the GPU proper: PSP (MP0) with its boot state,
 * SMU (MP1) with its mailbox, and the IMU, which brings GFX out of reset.
 *
 * There is nothing to manage: power states change nothing here, tables are not
 * filled in. A message is answered in the handler.
 */
#include "blocks.h"
#include "hwregs.h"

#include "gc/gc_11_0_0_offset.h"
#include "gc/gc_11_0_0_sh_mask.h"
#include "mp/mp_13_0_0_offset.h"
#include "smu13_driver_if_v13_0_4.h"
#include "smu_v13_0_4_ppsmc.h"

#define C2PMSG_33	VREG(MP0, regMP0_SMN_C2PMSG_33)
#define C2PMSG_81	VREG(MP0, regMP0_SMN_C2PMSG_81)
/* The mailbox (pm/swsmu/smu13/smu_v13_0_4_ppt.c). */
#define SMU_MESSAGE	VREG(MP0, regMP1_SMN_C2PMSG_66)
#define SMU_ARGUMENT	VREG(MP0, regMP1_SMN_C2PMSG_82)
#define SMU_RESPONSE	VREG(MP0, regMP1_SMN_C2PMSG_90)
/* MP1_FIRMWARE_FLAGS by its SMN address: interrupts enabled, so it runs. */
#define SMU_FLAGS	(0x3b10028 / 4)
#define SMU_FLAGS_10024	(0x3b10024 / 4)
/* Boot loader ready (amdgpu_discovery.c waits for it). */
#define BOOT_READY	0x80000000u
/* All parts of GFX out of reset (imu_v11_0_wait_for_reset_status()). */
#define OUT_OF_RESET	0x1f

static void smu_message(struct vgpu *dev, void *priv, uint32_t reg,
			uint32_t value)
{
	uint32_t response = PPSMC_Result_OK;

	(void)priv;
	vgpu_reg_poke(dev, reg, value);
	vgpu_stat(dev, "mp: SMU messages", 1);
	switch (value) {
	case PPSMC_MSG_GetPmfwVersion:
		vgpu_reg_poke(dev, SMU_ARGUMENT, 0x00540000);
		break;
	case PPSMC_MSG_GetDriverIfVersion:
		vgpu_reg_poke(dev, SMU_ARGUMENT, SMU13_0_4_DRIVER_IF_VERSION);
		break;
	case PPSMC_MSG_GetEnabledSmuFeatures:
	case PPSMC_MSG_GetGfxclkFrequency:
	case PPSMC_MSG_GetFclkFrequency:
		vgpu_reg_poke(dev, SMU_ARGUMENT, 0);
		break;
	case PPSMC_MSG_GfxDeviceDriverReset:
		/* Mode 2: the graphics core only; memory keeps its contents. */
		vgpu_reg_write(dev, VREG(GC, regGRBM_SOFT_RESET),
			       GRBM_SOFT_RESET__SOFT_RESET_CP_MASK);
		vgpu_reg_write(dev, VREG(GC, regGRBM_SOFT_RESET), 0);
		break;
	default:
		if (value && value < PPSMC_Message_Count)
			break;
		vgpu_count(dev, VGPU_LOG_UNIMP, "mp: SMU message 0x%x", value);
		response = PPSMC_Result_UnknownCmd;
	}
	vgpu_reg_poke(dev, SMU_RESPONSE, response);
}

static const struct vgpu_reg_range ranges[] = {
	{ .first = C2PMSG_33, .last = C2PMSG_33, .reset = BOOT_READY },
	/* Sign of life of a secure OS: none, so nothing to reset at probe. */
	{ .first = C2PMSG_81, .last = C2PMSG_81 },
	{ .first = SMU_MESSAGE, .last = SMU_MESSAGE, .write = smu_message },
	{ .first = SMU_ARGUMENT, .last = SMU_ARGUMENT },
	{ .first = SMU_RESPONSE, .last = SMU_RESPONSE, .reset = PPSMC_Result_OK },
	{ .first = SMU_FLAGS_10024, .last = SMU_FLAGS_10024, .reset = 1 },
	{ .first = SMU_FLAGS, .last = SMU_FLAGS, .reset = 1 },
	{ .first = VREG(GC, regGFX_IMU_GFX_RESET_CTRL),
	  .last = VREG(GC, regGFX_IMU_GFX_RESET_CTRL), .reset = OUT_OF_RESET },
	/* IMU memories are filled a dword at a time; nobody reads them. */
	{ .first = VREG(GC, regGFX_IMU_I_RAM_ADDR), .last = VREG(GC, regGFX_IMU_I_RAM_DATA) },
	{ .first = VREG(GC, regGFX_IMU_D_RAM_ADDR), .last = VREG(GC, regGFX_IMU_D_RAM_DATA) },
	{ .first = VREG(GC, regGFX_IMU_RLC_RAM_INDEX), .last = VREG(GC, regGFX_IMU_RLC_RAM_DATA) },
	{ .first = VREG(GC, regGFX_IMU_C2PMSG_ACCESS_CTRL0),
	  .last = VREG(GC, regGFX_IMU_C2PMSG_ACCESS_CTRL1) },
	{ .first = VREG(GC, regGFX_IMU_C2PMSG_16), .last = VREG(GC, regGFX_IMU_C2PMSG_16) },
	{ .first = VREG(GC, regGFX_IMU_SCRATCH_10), .last = VREG(GC, regGFX_IMU_SCRATCH_10) },
	{ .first = VREG(GC, regGFX_IMU_CORE_CTRL), .last = VREG(GC, regGFX_IMU_CORE_CTRL) },
};

static int init(struct vgpu *dev, void **priv)
{
	*priv = NULL;
	return vgpu_reg_register(dev, ranges, ARRAY_SIZE(ranges), NULL);
}

const struct vgpu_block vgpu_block_mp = {
	.name = "mp",
	.init = init,
};
