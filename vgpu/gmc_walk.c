/* SPDX-License-Identifier: MIT */
/*
 * Page tables of GFX11: apertures of VMID 0, the GART, and up to four levels
 * of tables for all others. Entry bits: amdgpu_vm.h and the comment above
 * gmc_v11_0_get_vm_pde().
 */
#include "gmc.h"

#include "hwregs.h"
#include "gc/gc_11_0_0_offset.h"
#include "gc/gc_11_0_0_sh_mask.h"

#define PTE_VALID	(1ull << 0)
#define PTE_SYSTEM	(1ull << 1)
#define PTE_READ	(1ull << 5)
#define PTE_WRITE	(1ull << 6)
#define PTE_FRAG(e)	(((e) >> 7) & 0x1f)
#define PTE_PRT		(1ull << 51)
#define PDE_IS_PTE	(1ull << 54)
#define PTE_FURTHER	(1ull << 56)
#define PTE_ADDR	0x0000fffffffff000ull
#define PDE_ADDR	0x0000ffffffffffc0ull
/* GCMC_VM_FB_LOCATION_BASE, AGP_* and FB_OFFSET count 16 MiB. */
#define FB_SHIFT	24
/* GCMC_VM_SYSTEM_APERTURE_*_ADDR count 256 KiB. */
#define SYS_SHIFT	18
/* Entries per table below the root: GCVM_CONTEXT1_CNTL.PAGE_TABLE_BLOCK_SIZE + 9. */
#define BLOCK_SHIFT	9

static uint64_t reg64(struct gmc *g, uint32_t lo)
{
	return vgpu_reg_peek(g->dev, lo) |
	       (uint64_t)vgpu_reg_peek(g->dev, lo + 1) << 32;
}

/* Entry at physical address @addr; false if there is no memory. */
static bool read_entry(struct gmc *g, const struct gmc_hub_regs *r, uint64_t addr,
		       bool system, uint64_t *e)
{
	size_t len = sizeof(*e);
	const uint64_t *p;

	if (addr & 7)
		return false;
	if (!system) {
		if (addr > g->vram_size - sizeof(*e))
			return false;
		p = (const uint64_t *)(g->vram + addr);
	} else {
		p = vgpu_dma_ptr(g->dev, addr, &len, false);
		if (!p || len < sizeof(*e)) {
			if (GMC_STAT(g, dma_unmapped) < GMC_LOGGED)
				vgpu_log(g->dev, VGPU_LOG_GUEST,
					 "gmc: read of DMA address 0x%llx by %s walker: not mapped",
					 (unsigned long long)addr, r->name);
			vgpu_count(g->dev, VGPU_LOG_GUEST,
				   "gmc: page table outside of mapped memory");
			return false;
		}
	}
	*e = __atomic_load_n(p, __ATOMIC_ACQUIRE);
	return true;
}

static bool aperture(struct gmc *g, const struct gmc_hub_regs *r, uint64_t va,
		     struct gmc_xlat *x)
{
	uint64_t base, top;

	base = (uint64_t)vgpu_reg_peek(g->dev, r->sys_low) << SYS_SHIFT;
	top = (((uint64_t)vgpu_reg_peek(g->dev, r->sys_high) + 1) << SYS_SHIFT) - 1;
	if (va < base || va > top)
		return false;

	x->aperture = true;
	x->readable = true;
	x->writable = true;
	x->shift = GMC_PAGE_SHIFT;

	base = (uint64_t)vgpu_reg_peek(g->dev, r->fb_base) << FB_SHIFT;
	top = (((uint64_t)vgpu_reg_peek(g->dev, r->fb_top) + 1) << FB_SHIFT) - 1;
	if (va >= base && va <= top) {
		x->phys = va - base;
		/* One 2 MiB unit at a time: bounds how long locks are held. */
		x->shift = 21;
		return x->phys < g->vram_size;
	}

	base = (uint64_t)vgpu_reg_peek(g->dev, r->agp_bot) << FB_SHIFT;
	top = (((uint64_t)vgpu_reg_peek(g->dev, r->agp_top) + 1) << FB_SHIFT) - 1;
	if (va >= base && va <= top) {
		x->phys = va - base +
			  ((uint64_t)vgpu_reg_peek(g->dev, r->agp_base) << FB_SHIFT);
		x->system = true;
		return true;
	}
	return false;
}

/* A leaf entry @e that covers 1 << @shift bytes of virtual addresses. */
static enum gmc_fault_kind leaf(struct gmc *g, uint64_t e, unsigned int shift,
				uint64_t fb_offset, uint64_t off,
				struct gmc_xlat *x)
{
	unsigned int frag = PTE_FRAG(e) + GMC_PAGE_SHIFT;

	x->pte = e;
	x->shift = shift;
	x->frag = frag > shift ? frag : shift;
	if (x->frag > 47)
		x->frag = 47;
	if (!(e & PTE_VALID)) {
		x->prt = e & PTE_PRT;
		x->readable = x->writable = x->prt;
		return x->prt ? GMC_OK : GMC_FAULT_VALID;
	}
	/* Set only with gmc.translate_further, which GFX11 never has. */
	if (e & PTE_FURTHER) {
		vgpu_count(g->dev, VGPU_LOG_UNIMP, "gmc: translate-further entry");
		return GMC_FAULT_PDE;
	}
	x->system = e & PTE_SYSTEM;
	x->readable = e & PTE_READ;
	x->writable = e & PTE_WRITE;
	/*
	 * The entry's address need not be aligned to what the entry covers: the
	 * driver sets the largest level the VA's alignment allows.
	 */
	x->phys = (e & PTE_ADDR) + (off & ((1ull << shift) - 1));
	if (!x->system) {
		x->phys -= fb_offset;
		if (x->phys >= g->vram_size) {
			vgpu_count(g->dev, VGPU_LOG_GUEST,
				   "gmc: page table entry beyond VRAM");
			return GMC_FAULT_VALID;
		}
	}
	return GMC_OK;
}

/* A context's address space, as its registers describe it. */
struct context {
	uint64_t start;
	unsigned int depth;	/* level of the root */
	unsigned int block;	/* log2 of the entries of a page table */
};

static bool in_context(struct gmc *g, const struct gmc_hub_regs *r, unsigned int vmid,
		       uint64_t va, struct context *c)
{
	uint32_t cntl = vgpu_reg_peek(g->dev, r->ctx_cntl + vmid);
	uint64_t end;

	if (!(cntl & GCVM_CONTEXT1_CNTL__ENABLE_CONTEXT_MASK) ||
	    vgpu_reg_peek(g->dev, r->ctx_disable) >> vmid & 1)
		return false;
	c->start = reg64(g, r->pt_start + 2 * vmid) << GMC_PAGE_SHIFT;
	end = ((reg64(g, r->pt_end + 2 * vmid) + 1) << GMC_PAGE_SHIFT) - 1;
	c->depth = VFIELD_GET(cntl, GCVM_CONTEXT1_CNTL, PAGE_TABLE_DEPTH);
	c->block = VFIELD_GET(cntl, GCVM_CONTEXT1_CNTL, PAGE_TABLE_BLOCK_SIZE) +
		   BLOCK_SHIFT;
	return va >= c->start && va <= end;
}

/* From the table of @level, to which @e points; level 0 is the page table. */
static enum gmc_fault_kind descend(struct gmc *g, const struct gmc_hub_regs *r,
				   const struct context *c, uint64_t va,
				   unsigned int level, uint64_t e,
				   struct gmc_xlat *x, struct gmc_path *path)
{
	uint64_t fb_offset = (uint64_t)vgpu_reg_peek(g->dev, r->fb_offset) << FB_SHIFT;
	uint64_t off = va - c->start, index, table;
	unsigned int shift;

	for (;; level--) {
		bool system = e & PTE_SYSTEM;

		if (!(e & PTE_VALID))
			return GMC_FAULT_PDE;
		shift = GMC_PAGE_SHIFT +
			(level ? c->block + (level - 1) * BLOCK_SHIFT : 0);
		index = off >> shift;
		/* The root alone is as large as the context needs. */
		if (level < c->depth)
			index &= (1ull << (level ? BLOCK_SHIFT : c->block)) - 1;
		table = e & PDE_ADDR;
		if (!system)
			table -= fb_offset;
		if (!read_entry(g, r, table + index * 8, system, &e))
			return GMC_FAULT_PDE;
		x->pte = e;
		if (!level || (e & PDE_IS_PTE))
			break;
		if (!(e & PTE_VALID) && (e & PTE_PRT))
			break;
		if (path && (e & PTE_VALID)) {
			path->levels |= 1u << level;
			path->pde[level] = e;
			path->shift[level] = shift;
		}
	}
	return leaf(g, e, shift, fb_offset, off, x);
}

static const struct gmc_xlat nowhere = {
	.frag = GMC_PAGE_SHIFT, .shift = GMC_PAGE_SHIFT,
};

enum gmc_fault_kind gmc_walk(struct gmc *g, enum vgpu_hub hub, unsigned int vmid,
			     uint64_t va, struct gmc_xlat *x, struct gmc_path *path)
{
	const struct gmc_hub_regs *r = &gmc_hub_regs[hub];
	struct context c;

	*x = nowhere;
	if (path)
		path->levels = 0;
	va &= GMC_VA_MASK;
	if (!vmid) {
		if (aperture(g, r, va, x))
			return GMC_OK;
		*x = nowhere;
	}
	if (!in_context(g, r, vmid, va, &c))
		return GMC_FAULT_RANGE;
	return descend(g, r, &c, va, c.depth, reg64(g, r->pt_base + 2 * vmid), x, path);
}

enum gmc_fault_kind gmc_walk_from(struct gmc *g, enum vgpu_hub hub,
				  unsigned int vmid, uint64_t va, unsigned int level,
				  uint64_t pde, struct gmc_xlat *x)
{
	const struct gmc_hub_regs *r = &gmc_hub_regs[hub];
	struct context c;

	*x = nowhere;
	va &= GMC_VA_MASK;
	if (!in_context(g, r, vmid, va, &c) || !level)
		return GMC_FAULT_RANGE;
	return descend(g, r, &c, va, level - 1, pde, x, NULL);
}

enum gmc_fault_kind gmc_check(const struct gmc_xlat *x, bool write)
{
	if (write)
		return x->writable ? GMC_OK : GMC_FAULT_WRITE;
	return x->readable ? GMC_OK : GMC_FAULT_READ;
}
