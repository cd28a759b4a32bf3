/* SPDX-License-Identifier: MIT */
/*
 * A device with the real memory controller and interrupt handler, set up as
 * the driver does, for tests of both: page tables in VRAM, an interrupt ring in
 * guest memory.
 */
#ifndef VGPU_GMC_RIG_H
#define VGPU_GMC_RIG_H

#include "fake_host.h"

#define RIG_RAM		(16u << 20)
#define RIG_VRAM	(64u << 20)
#define RIG_FB		0x8000000000ull	/* VRAM for VMID 0 */
#define RIG_GART	0x7fff00000000ull
#define RIG_GART_PAGES	1024u

/* Entry bits, amdgpu_vm.h; written down again so that the test can disagree. */
#define PTE_V		(1ull << 0)
#define PTE_SYS		(1ull << 1)
#define PTE_R		(1ull << 5)
#define PTE_W		(1ull << 6)
#define PTE_FRAG_OF(n)	((uint64_t)(n) << 7)
#define PTE_PRT_BIT	(1ull << 51)
#define PDE_PTE_BIT	(1ull << 54)
#define PTE_TF_BIT	(1ull << 56)
#define PTE_RAM(off)	(PTE_V | PTE_SYS | PTE_R | PTE_W | (FAKE_RAM_BASE + (off)))
#define PTE_VRAM(off)	(PTE_V | PTE_R | PTE_W | (off))

struct rig {
	struct fake_host *h;
	struct vgpu *dev;
	uint64_t root[16];	/* VRAM offset of each VMID's directory */
	uint64_t gart;		/* of the GART table */
	uint64_t next;		/* first free byte of VRAM for tables */
	uint32_t ih_rptr;	/* bytes */
};

/* 0 or -ENOMEM. @strict: as in struct vgpu_config; @broken: enum vgpu_break. */
int rig_init(struct rig *rig, bool strict, uint32_t broken);
/* The same with the SDMA engines. */
int rig_init_sdma(struct rig *rig, bool strict);
void rig_fini(struct rig *rig);

/*
 * Address of VMID @vmid's entry for @va at @level (0: page table, 3: root) in
 * VRAM; directories above it are made as needed.
 */
uint64_t *rig_entry(struct rig *rig, unsigned int vmid, uint64_t va,
		    unsigned int level);
/* Page-table entry of @va in @vmid := @pte; in VMID 0 a page of the GART. */
void rig_map(struct rig *rig, unsigned int vmid, uint64_t va, uint64_t pte);
/* Invalidate by register as the driver: engine 17, all levels. */
void rig_flush(struct rig *rig, enum vgpu_hub hub, unsigned int vmid);
struct vgpu_client rig_client(unsigned int vmid);

/* Next interrupt vector of ring 0: eight dwords; false if there is none. */
bool rig_iv(struct rig *rig, uint32_t iv[8]);

#endif
