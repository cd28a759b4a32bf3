/* SPDX-License-Identifier: MIT */
/*
 * Inside of the memory controller: shared by gmc.c (registers, faults),
 * gmc_walk.c (page tables), gmc_tlb.c (the strict TLB) and mem.c (accesses).
 * No other file includes this.
 *
 * Locks, taken in this order, all inside the register lock:
 *   gmc.inflight  read: while a translation is in use; write: to flush. So a
 *                 flush is complete when no access uses a dropped translation
 *                 any more, which is what the invalidate engines' ACK promises.
 *   the DMA lock  held with gmc.inflight while guest memory is accessed
 *   tlb.lock      contents of one hub's TLB
 *   gmc.fault_lock  fault registers; never taken inside the ones above
 */
#ifndef VGPU_GMC_H
#define VGPU_GMC_H

#include <pthread.h>

#include "device.h"

#define GMC_PAGE_SHIFT	12
#define GMC_PAGE_SIZE	(1ull << GMC_PAGE_SHIFT)
/* Virtual addresses have 48 bits, sign-extended by user space (amdgpu_gmc.h). */
#define GMC_VA_MASK	((1ull << 48) - 1)
#define GMC_VMIDS	16
#define GMC_HUBS	2
/* Invalidate engines per hub (gfxhub_v3_0_program_invalidation). */
#define GMC_ENGINES	18

/* Dword numbers of one hub's registers; those per context: context 0's. */
struct gmc_hub_regs {
	const char *name;
	uint32_t fb_base, fb_top, fb_offset;
	uint32_t agp_base, agp_bot, agp_top;
	uint32_t sys_low, sys_high;
	uint32_t ctx_cntl;		/* + vmid */
	uint32_t ctx_disable;		/* a bit for each */
	uint32_t pt_base, pt_start, pt_end;	/* LO; HI follows; + 2 * vmid */
	uint32_t sem, req, ack;		/* + engine */
	uint32_t l2_cntl2;
	uint32_t fault_cntl, fault_status, fault_addr;	/* ADDR: LO, HI */
	uint32_t vmid_lut;		/* + vmid, in the interrupt handler block */
	uint8_t iv_client;		/* of fault interrupts */
};
extern const struct gmc_hub_regs gmc_hub_regs[GMC_HUBS];

/* Why a translation failed, in the order of GCVM_CONTEXT1_CNTL's enable bits. */
enum gmc_fault_kind {
	GMC_OK,
	GMC_FAULT_RANGE,	/* outside of the context, or context is off */
	GMC_FAULT_PDE,		/* directory entry invalid or not understood */
	GMC_FAULT_VALID,	/* page table entry invalid */
	GMC_FAULT_READ,
	GMC_FAULT_WRITE,
	GMC_FAULTS,
};

/* A translation of one virtual address and those that follow it. */
struct gmc_xlat {
	uint64_t phys;		/* of the address: DMA or VRAM offset */
	uint64_t pte;		/* the entry it comes from; 0 in an aperture */
	uint8_t shift;		/* log2 of the naturally aligned range of VAs */
	uint8_t frag;		/* the same, by the entry's FRAG field; >= shift */
	bool system;		/* DMA address, else VRAM */
	bool prt;		/* reads zero, drops writes */
	bool aperture;		/* not from a page table: never cached */
	bool readable, writable;
};

/* Levels of page tables that PAGE_TABLE_DEPTH can ask for, the root's included. */
#define GMC_LEVELS	8
/* Directories whose entries are cached: PDE0 (of level 1) to PDE2. */
#define GMC_PDES	3

/* The directory entries by which a walk came to its result. */
struct gmc_path {
	uint32_t levels;	/* bit n: pde[n] was followed, valid as it was */
	uint64_t pde[GMC_LEVELS];
	uint8_t shift[GMC_LEVELS];	/* log2 of the VAs that it covers */
};

struct tlb_entry {
	uint64_t base;		/* first VA | shift; 0: free slot */
	uint64_t phys;		/* of the first VA; may be "negative" */
	uint64_t pte;
	uint64_t fill;		/* VA whose use filled the entry */
	uint8_t system, readable, writable;
};

/* Translations of one VMID: open hash, grown by doubling, emptied at once. */
struct tlb_ctx {
	struct tlb_entry *slot;
	uint32_t slots, used;
	uint64_t shifts;	/* bit n: entries of size 1 << n may exist */
};

struct tlb {
	pthread_mutex_t lock;
	uint64_t slots;		/* in all of the tables below */
	struct tlb_ctx ctx[GMC_VMIDS];
	/* Directory entries, [0] those of level 1; .pte is the entry. */
	struct tlb_ctx pde[GMC_VMIDS][GMC_PDES];
};

struct gmc {
	struct vgpu *dev;
	uint8_t *vram;
	uint64_t vram_size;
	bool strict;
	pthread_rwlock_t inflight;
	struct tlb tlb[GMC_HUBS];
	pthread_mutex_t fault_lock;
	struct vgpu_mem_stats stats;	/* atomic */
	struct vgpu_reg_range *ranges;
};

struct gmc *gmc_get(struct vgpu *dev);
#define GMC_STAT(g, field)	\
	__atomic_fetch_add(&(g)->stats.field, 1, __ATOMIC_RELAXED)
/* Events of one kind that are logged in detail; all are counted. */
#define GMC_LOGGED	32

/*
 * Translate @va for VMID @vmid of @hub by the page tables as they are now.
 * Permissions are in @x, not judged. @path: optional, how. Caller holds
 * gmc.inflight and the DMA lock.
 */
enum gmc_fault_kind gmc_walk(struct gmc *g, enum vgpu_hub hub, unsigned int vmid,
			     uint64_t va, struct gmc_xlat *x, struct gmc_path *path);
/* The same from the table on to which the entry @pde of level @level points. */
enum gmc_fault_kind gmc_walk_from(struct gmc *g, enum vgpu_hub hub,
				  unsigned int vmid, uint64_t va, unsigned int level,
				  uint64_t pde, struct gmc_xlat *x);
/* What access rights say: GMC_OK, GMC_FAULT_READ or GMC_FAULT_WRITE. */
enum gmc_fault_kind gmc_check(const struct gmc_xlat *x, bool write);

int tlb_init(struct tlb *t);
void tlb_fini(struct tlb *t);
/*
 * Drop @parts (enum vgpu_tlb_part) of all VMIDs in @vmid_mask. Caller holds
 * gmc.inflight for writing.
 */
void tlb_flush(struct tlb *t, uint32_t vmid_mask, uint32_t parts);
/*
 * As gmc_walk(), but by the cached translation if there is one, however old.
 * Counts and reports the use of one that the page tables no longer contain.
 */
enum gmc_fault_kind tlb_translate(struct gmc *g, enum vgpu_hub hub,
				  unsigned int vmid, uint64_t va, bool write,
				  struct gmc_xlat *x);

/* "SDMA0": by @c->cid as the driver decodes it. */
const char *gmc_client_name(const struct vgpu_client *c);
/* Set the fault registers and raise the interrupt. Caller holds no lock. */
void gmc_fault(struct gmc *g, const struct vgpu_client *c, uint64_t va,
	       bool write, enum gmc_fault_kind kind);

#endif
