/* SPDX-License-Identifier: MIT */
/* See gmc_rig.h. */
#include "gmc_rig.h"

#include <errno.h>
#include <string.h>

#include "blocks.h"
#include "hwregs.h"
#include "gc/gc_11_0_0_offset.h"
#include "gc/gc_11_0_0_sh_mask.h"
#include "mmhub/mmhub_3_0_0_offset.h"
#include "oss/osssys_6_0_0_offset.h"
#include "oss/osssys_6_0_0_sh_mask.h"

/* The interrupt ring: first 4 KiB of guest memory, its write pointer behind. */
#define IH_DW_LOG2	10
#define IH_BYTES	(4u << IH_DW_LOG2)

static const struct vgpu_block *const memory_blocks[] = {
	&vgpu_block_gmc, &vgpu_block_ih, NULL,
};

static const struct vgpu_block *const sdma_blocks[] = {
	&vgpu_block_gmc, &vgpu_block_ih, &vgpu_block_sdma, NULL,
};

static void wreg(struct rig *rig, uint32_t reg, uint32_t v)
{
	vgpu_reg_write(rig->dev, reg, v);
}

static void wreg64(struct rig *rig, uint32_t reg, uint64_t v)
{
	wreg(rig, reg, v);
	wreg(rig, reg + 1, v >> 32);
}

static uint64_t table(struct rig *rig, uint64_t bytes)
{
	uint64_t at = rig->next;

	rig->next += bytes;
	memset(rig->h->vram + at, 0, bytes);
	return at;
}

/* Contexts of one hub: dword numbers of context 0's registers. */
static void contexts(struct rig *rig, uint32_t cntl, uint32_t base,
		     uint32_t start, uint32_t end)
{
	uint32_t v;
	int i;

	v = vgpu_reg_read(rig->dev, cntl) | GCVM_CONTEXT1_CNTL__ENABLE_CONTEXT_MASK;
	wreg(rig, cntl, v & ~GCVM_CONTEXT1_CNTL__PAGE_TABLE_DEPTH_MASK);
	wreg64(rig, base, rig->gart | PTE_V);
	wreg64(rig, start, RIG_GART >> 12);
	wreg64(rig, end, (RIG_GART >> 12) + RIG_GART_PAGES - 1);
	for (i = 1; i < 16; i++) {
		v = vgpu_reg_read(rig->dev, cntl + i) |
		    GCVM_CONTEXT1_CNTL__ENABLE_CONTEXT_MASK |
		    VFIELD(GCVM_CONTEXT1_CNTL, PAGE_TABLE_DEPTH, 3);
		wreg(rig, cntl + i, v);
		wreg64(rig, base + 2 * i, rig->root[i] | PTE_V);
		wreg64(rig, start + 2 * i, 0);
		wreg64(rig, end + 2 * i, (1ull << 36) - 1);
	}
}

static int init(struct rig *rig, const struct vgpu_block *const *blocks,
		bool strict, uint32_t broken)
{
	int i;

	memset(rig, 0, sizeof(*rig));
	rig->h = fake_host_create_broken(blocks, RIG_RAM, RIG_VRAM, strict, broken);
	if (!rig->h)
		return -ENOMEM;
	rig->dev = rig->h->dev;
	/* Tables in the upper half of VRAM. */
	rig->next = RIG_VRAM / 2;
	rig->gart = table(rig, RIG_GART_PAGES * 8);
	for (i = 1; i < 16; i++)
		rig->root[i] = table(rig, 4096);
	contexts(rig, VREG(GC, regGCVM_CONTEXT0_CNTL),
		 VREG(GC, regGCVM_CONTEXT0_PAGE_TABLE_BASE_ADDR_LO32),
		 VREG(GC, regGCVM_CONTEXT0_PAGE_TABLE_START_ADDR_LO32),
		 VREG(GC, regGCVM_CONTEXT0_PAGE_TABLE_END_ADDR_LO32));
	contexts(rig, VREG(MMHUB, regMMVM_CONTEXT0_CNTL),
		 VREG(MMHUB, regMMVM_CONTEXT0_PAGE_TABLE_BASE_ADDR_LO32),
		 VREG(MMHUB, regMMVM_CONTEXT0_PAGE_TABLE_START_ADDR_LO32),
		 VREG(MMHUB, regMMVM_CONTEXT0_PAGE_TABLE_END_ADDR_LO32));

	/* As ih_v6_0_irq_init() does. */
	wreg(rig, VREG(OSSSYS, regIH_RB_BASE), (uint32_t)(FAKE_RAM_BASE >> 8));
	wreg(rig, VREG(OSSSYS, regIH_RB_BASE_HI), FAKE_RAM_BASE >> 40);
	wreg(rig, VREG(OSSSYS, regIH_RB_WPTR_ADDR_LO),
	     (uint32_t)(FAKE_RAM_BASE + IH_BYTES));
	wreg(rig, VREG(OSSSYS, regIH_RB_WPTR_ADDR_HI),
	     (FAKE_RAM_BASE + IH_BYTES) >> 32);
	wreg(rig, VREG(OSSSYS, regIH_RB_CNTL),
	     VFIELD(IH_RB_CNTL, RB_ENABLE, 1) | VFIELD(IH_RB_CNTL, MC_SPACE, 2) |
	     VFIELD(IH_RB_CNTL, RB_SIZE, IH_DW_LOG2) |
	     VFIELD(IH_RB_CNTL, WPTR_WRITEBACK_ENABLE, 1) |
	     VFIELD(IH_RB_CNTL, WPTR_OVERFLOW_ENABLE, 1) |
	     VFIELD(IH_RB_CNTL, RPTR_REARM, 1) |
	     VFIELD(IH_RB_CNTL, ENABLE_INTR, 1));
	return 0;
}

int rig_init(struct rig *rig, bool strict, uint32_t broken)
{
	return init(rig, memory_blocks, strict, broken);
}

int rig_init_sdma(struct rig *rig, bool strict)
{
	int r = init(rig, sdma_blocks, strict, 0);

	/* Engines are halted until the driver starts them. */
	if (!r)
		vgpu_reg_write(rig->dev, VREG(GC, regSDMA0_F32_CNTL), 0);
	return r;
}

void rig_fini(struct rig *rig)
{
	fake_host_destroy(rig->h);
}

uint64_t *rig_entry(struct rig *rig, unsigned int vmid, uint64_t va,
		    unsigned int level)
{
	uint64_t *e, at = rig->root[vmid];
	unsigned int l;

	va &= (1ull << 48) - 1;
	for (l = 3; ; l--) {
		e = (uint64_t *)(rig->h->vram + at) + ((va >> (12 + 9 * l)) & 511);
		if (l == level)
			return e;
		if (!(*e & PTE_V))
			*e = table(rig, 4096) | PTE_V;
		at = *e & 0xffffffffffc0ull;
	}
}

void rig_map(struct rig *rig, unsigned int vmid, uint64_t va, uint64_t pte)
{
	uint64_t *e;

	if (vmid)
		e = rig_entry(rig, vmid, va, 0);
	else
		e = (uint64_t *)(rig->h->vram + rig->gart) +
		    ((va - RIG_GART) >> 12);
	__atomic_store_n(e, pte, __ATOMIC_RELEASE);
}

void rig_flush(struct rig *rig, enum vgpu_hub hub, unsigned int vmid)
{
	uint32_t req = VFIELD(GCVM_INVALIDATE_ENG0_REQ, PER_VMID_INVALIDATE_REQ,
			      1u << vmid) |
		       VFIELD(GCVM_INVALIDATE_ENG0_REQ, INVALIDATE_L2_PTES, 1) |
		       VFIELD(GCVM_INVALIDATE_ENG0_REQ, INVALIDATE_L2_PDE0, 1) |
		       VFIELD(GCVM_INVALIDATE_ENG0_REQ, INVALIDATE_L1_PTES, 1);

	wreg(rig, hub == VGPU_HUB_GC ? VREG(GC, regGCVM_INVALIDATE_ENG17_REQ) :
		  VREG(MMHUB, regMMVM_INVALIDATE_ENG17_REQ), req);
}

struct vgpu_client rig_client(unsigned int vmid)
{
	return (struct vgpu_client){ .hub = VGPU_HUB_GC, .vmid = vmid, .cid = 13,
				     .ring_id = 1 };
}

bool rig_iv(struct rig *rig, uint32_t iv[8])
{
	uint32_t wptr;

	memcpy(&wptr, rig->h->ram + IH_BYTES, 4);
	if ((wptr & ~1u) == rig->ih_rptr)
		return false;
	memcpy(iv, rig->h->ram + rig->ih_rptr, 32);
	rig->ih_rptr = (rig->ih_rptr + 32) & (IH_BYTES - 1);
	wreg(rig, VREG(OSSSYS, regIH_RB_RPTR), rig->ih_rptr);
	return true;
}
