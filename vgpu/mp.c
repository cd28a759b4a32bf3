/* SPDX-License-Identifier: MIT */
/*
 * The microprocessors beside the GPU proper: PSP (MP0) with its boot state, and
 * the IMU, which brings GFX out of reset. The SMU (MP1) is in smu.c.
 */
#include "blocks.h"
#include "hwregs.h"

#include "gc/gc_11_0_0_offset.h"
#include "mp/mp_13_0_0_offset.h"

#define C2PMSG_33	VREG(MP0, regMP0_SMN_C2PMSG_33)
#define C2PMSG_81	VREG(MP0, regMP0_SMN_C2PMSG_81)
/* Boot loader ready (amdgpu_discovery.c waits for it). */
#define BOOT_READY	0x80000000u
/* All parts of GFX out of reset (imu_v11_0_wait_for_reset_status()). */
#define OUT_OF_RESET	0x1f

static const struct vgpu_reg_range ranges[] = {
	{ .first = C2PMSG_33, .last = C2PMSG_33, .reset = BOOT_READY },
	/* Sign of life of a secure OS: none, so nothing to reset at probe. */
	{ .first = C2PMSG_81, .last = C2PMSG_81 },
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
