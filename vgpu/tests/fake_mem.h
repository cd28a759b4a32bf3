/* SPDX-License-Identifier: MIT */
/*
 * Stand-ins for gmc.c and ih.c in tests of the other blocks: the vgpu_mem_*
 * services over one flat buffer, and recorded interrupt vectors. A test that
 * uses the real blocks does not link this.
 */
#ifndef VGPU_FAKE_MEM_H
#define VGPU_FAKE_MEM_H

#include "device.h"

/* Every address space is [0, FAKE_MEM_SIZE); beyond it accesses fault. */
#define FAKE_MEM_SIZE	(4u << 20)
extern uint8_t fake_mem[FAKE_MEM_SIZE];

/* What the last access, flush and VMID set-up asked for. */
struct fake_mem_seen {
	struct vgpu_client client;
	unsigned int faults;
	unsigned int flushes;
	uint32_t flush_mask[2];		/* by enum vgpu_hub */
	uint64_t pd_addr[16];		/* by VMID */
	uint32_t pasid[16];
};
extern struct fake_mem_seen fake_mem_seen;

#define FAKE_IVS	64
/* Interrupt vectors in the order they were raised, modulo FAKE_IVS. */
extern struct vgpu_iv fake_ivs[FAKE_IVS];
unsigned int fake_iv_count(void);

/* Dwords as a guest's CPU sees them: ordered against the engines. */
uint32_t fake_mem_get32(uint64_t addr);
void fake_mem_put32(uint64_t addr, uint32_t value);
uint64_t fake_mem_get64(uint64_t addr);
void fake_mem_put64(uint64_t addr, uint64_t value);
/* Zero memory and records. */
void fake_mem_reset(void);

#endif
