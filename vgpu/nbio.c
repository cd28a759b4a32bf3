/* SPDX-License-Identifier: MIT */
/*
 * The bus interface: indirect access to VRAM and to registers beyond the
 * register BAR, memory size, HDP flush, BIOS scratch registers, and the SMUIO
 * time stamp counter, which lives next door.
 */
#include <errno.h>
#include <string.h>

#include "blocks.h"
#include "hwregs.h"
#include "images.h"

#include "hdp/hdp_6_0_0_offset.h"
#include "nbio/nbio_4_3_0_offset.h"
#include "nbio/nbio_4_3_0_sh_mask.h"
#include "smuio/smuio_13_0_6_offset.h"

#define MM_INDEX	VREG(NBIO, regBIF_BX_PF0_MM_INDEX)
#define MM_DATA		VREG(NBIO, regBIF_BX_PF0_MM_DATA)
#define MM_INDEX_HI	VREG(NBIO, regBIF_BX_PF0_MM_INDEX_HI)
#define PCIE_INDEX2	VREG(NBIO, regBIF_BX0_PCIE_INDEX2)
#define PCIE_DATA2	VREG(NBIO, regBIF_BX0_PCIE_DATA2)
#define RSMU_INDEX	VREG(NBIO, regBIF_BX_PF0_RSMU_INDEX)
#define RSMU_DATA	VREG(NBIO, regBIF_BX_PF0_RSMU_DATA)
#define MEMSIZE		VREG(NBIO, regRCC_DEV0_EPF0_RCC_CONFIG_MEMSIZE)
#define FLUSH_REQ	VREG(NBIO, regBIF_BX_PF0_GPU_HDP_FLUSH_REQ)
#define FLUSH_DONE	VREG(NBIO, regBIF_BX_PF0_GPU_HDP_FLUSH_DONE)
#define TSC_UPPER	VREG(SMUIO, regGOLDEN_TSC_COUNT_UPPER)
#define TSC_LOWER	VREG(SMUIO, regGOLDEN_TSC_COUNT_LOWER)

/* With this bit MM_INDEX addresses VRAM (amdgpu_device_mm_access()). */
#define MM_INDEX_VRAM		0x80000000u
/* Scratch register 7: the VBIOS has initialised the board (atombios.h). */
#define ASIC_INIT_COMPLETE	0x00000200u
/* Where the driver moves the HDP flush registers (soc21.c): two dwords. */
#define HDP_REMAP		(0x7f000 / 4)

/* A data register that an index addresses would recurse. */
static bool is_index_data(uint32_t reg)
{
	return reg == RSMU_DATA || reg == PCIE_DATA2 || reg == MM_DATA;
}

/* ---- VRAM window ---- */

/* Pointer to the dword that MM_INDEX addresses, NULL if it is not VRAM. */
static uint32_t *mm_window(struct vgpu *dev)
{
	uint64_t index = vgpu_reg_peek(dev, MM_INDEX);
	uint64_t addr = (index & ~MM_INDEX_VRAM) |
			(uint64_t)vgpu_reg_peek(dev, MM_INDEX_HI) << 31;

	if (!(index & MM_INDEX_VRAM))
		return NULL;
	if (addr % 4 || addr >= vgpu_vram_size(dev)) {
		vgpu_count(dev, VGPU_LOG_GUEST, "nbio: MM_INDEX beyond VRAM");
		return NULL;
	}
	return (uint32_t *)((uint8_t *)vgpu_vram(dev) + addr);
}

static uint32_t mm_data_read(struct vgpu *dev, void *priv, uint32_t reg)
{
	uint32_t index = vgpu_reg_peek(dev, MM_INDEX), *p = mm_window(dev);

	(void)priv;
	(void)reg;
	if (p)
		return __atomic_load_n(p, __ATOMIC_ACQUIRE);
	if (index & MM_INDEX_VRAM || is_index_data(index / 4))
		return 0;
	return vgpu_reg_read(dev, index / 4);
}

static void mm_data_write(struct vgpu *dev, void *priv, uint32_t reg,
			  uint32_t value)
{
	uint32_t index = vgpu_reg_peek(dev, MM_INDEX), *p = mm_window(dev);

	(void)priv;
	(void)reg;
	if (p)
		__atomic_store_n(p, value, __ATOMIC_RELEASE);
	else if (!(index & MM_INDEX_VRAM) && !is_index_data(index / 4))
		vgpu_reg_write(dev, index / 4, value);
}

/* ---- registers by byte address ---- */

static uint32_t index_read(struct vgpu *dev, void *priv, uint32_t reg)
{
	uint32_t target = vgpu_reg_peek(dev, reg - 1) / 4;

	(void)priv;
	return is_index_data(target) ? 0 : vgpu_reg_read(dev, target);
}

static void index_write(struct vgpu *dev, void *priv, uint32_t reg,
			uint32_t value)
{
	uint32_t target = vgpu_reg_peek(dev, reg - 1) / 4;

	(void)priv;
	if (!is_index_data(target))
		vgpu_reg_write(dev, target, value);
}

/* ---- others ---- */

static uint32_t memsize_read(struct vgpu *dev, void *priv, uint32_t reg)
{
	(void)priv;
	(void)reg;
	return vgpu_vram_size(dev) >> 20;
}

/* Our memory is coherent: a flush is done as soon as it is asked for. */
static uint32_t flush_done_read(struct vgpu *dev, void *priv, uint32_t reg)
{
	(void)dev;
	(void)priv;
	(void)reg;
	return UINT32_MAX;
}

static uint32_t tsc_read(struct vgpu *dev, void *priv, uint32_t reg)
{
	uint64_t ticks = vgpu_now(dev) / (1000000 / VGPU_TSC_KHZ);

	(void)priv;
	return reg == TSC_UPPER ? ticks >> 32 : ticks;
}

#define R(name)		VREG(NBIO, reg##name)
#define STORAGE(name)	{ .first = R(name), .last = R(name) }

static const struct vgpu_reg_range ranges[] = {
	{ .first = MM_INDEX, .last = MM_INDEX },
	{ .first = MM_INDEX_HI, .last = MM_INDEX_HI },
	{ .first = MM_DATA, .last = MM_DATA,
	  .read = mm_data_read, .write = mm_data_write },
	{ .first = PCIE_INDEX2, .last = PCIE_INDEX2 },
	{ .first = PCIE_DATA2, .last = PCIE_DATA2,
	  .read = index_read, .write = index_write },
	{ .first = RSMU_INDEX, .last = RSMU_INDEX },
	{ .first = RSMU_DATA, .last = RSMU_DATA,
	  .read = index_read, .write = index_write },
	{ .first = MEMSIZE, .last = MEMSIZE, .read = memsize_read },
	{ .first = FLUSH_REQ, .last = FLUSH_REQ },
	{ .first = FLUSH_DONE, .last = FLUSH_DONE, .read = flush_done_read },
	{ .first = HDP_REMAP, .last = HDP_REMAP + 1 },
	{ .first = TSC_UPPER, .last = TSC_UPPER, .read = tsc_read },
	{ .first = TSC_LOWER, .last = TSC_LOWER, .read = tsc_read },
	{ .first = R(BIF_BX0_BIOS_SCRATCH_0), .last = R(BIF_BX0_BIOS_SCRATCH_15) },
	{ .first = R(BIF_BX0_BIOS_SCRATCH_7), .last = R(BIF_BX0_BIOS_SCRATCH_7),
	  .reset = ASIC_INIT_COMPLETE },
	/* Read before anything else: 0, not a virtual function (amdgpu_virt.c). */
	STORAGE(RCC_DEV0_EPF0_RCC_IOV_FUNC_IDENTIFIER),
	STORAGE(RCC_STRAP0_RCC_DEV0_EPF0_STRAP0),
	/* Set-up of paths we do not have; kept for reading back. */
	STORAGE(BIF_BX0_REMAP_HDP_MEM_FLUSH_CNTL),
	STORAGE(BIF_BX0_REMAP_HDP_REG_FLUSH_CNTL),
	STORAGE(BIF_BX0_BIF_FB_EN),
	STORAGE(BIF_BX0_INTERRUPT_CNTL),
	STORAGE(BIF_BX0_INTERRUPT_CNTL2),
	STORAGE(BIF_BX0_BIF_DOORBELL_INT_CNTL),
	STORAGE(RCC_DEV0_EPF0_RCC_DOORBELL_APER_EN),
	{ .first = R(BIF_BX_PF0_DOORBELL_SELFRING_GPA_APER_BASE_HIGH),
	  .last = R(BIF_BX_PF0_DOORBELL_SELFRING_GPA_APER_CNTL) },
	STORAGE(S2A_DOORBELL_ENTRY_0_CTRL),
	STORAGE(S2A_DOORBELL_ENTRY_1_CTRL),
	STORAGE(S2A_DOORBELL_ENTRY_2_CTRL),
	STORAGE(S2A_DOORBELL_ENTRY_3_CTRL),
	STORAGE(S2A_DOORBELL_ENTRY_4_CTRL),
	STORAGE(S2A_DOORBELL_ENTRY_5_CTRL),
	{ .first = VREG(HDP, regHDP_NONSURFACE_BASE), .last = VREG(HDP, regHDP_NONSURFACE_BASE) },
	{ .first = VREG(HDP, regHDP_MISC_CNTL), .last = VREG(HDP, regHDP_MISC_CNTL) },
	{ .first = VREG(HDP, regHDP_CLK_CNTL), .last = VREG(HDP, regHDP_CLK_CNTL) },
	{ .first = VREG(HDP, regHDP_MEM_POWER_CTRL), .last = VREG(HDP, regHDP_MEM_POWER_CTRL) },
};

static int init(struct vgpu *dev, void **priv)
{
	*priv = NULL;
	if (vgpu_vram_size(dev) < 2 * VGPU_DISCOVERY_OFFSET)
		return -EINVAL;
	return vgpu_reg_register(dev, ranges, ARRAY_SIZE(ranges), NULL);
}

/* The guest may have overwritten the blob: boards have theirs in flash. */
static void reset(struct vgpu *dev, void *priv)
{
	uint8_t *end = (uint8_t *)vgpu_vram(dev) + vgpu_vram_size(dev);

	(void)priv;
	if (!vgpu_discovery_build(end - VGPU_DISCOVERY_OFFSET,
				  VGPU_DISCOVERY_OFFSET, vgpu_sdma_engines(dev)))
		vgpu_count(dev, VGPU_LOG_ERROR, "nbio: no room for discovery");
}

const struct vgpu_block vgpu_block_nbio = {
	.name = "nbio",
	.init = init,
	.reset = reset,
};
