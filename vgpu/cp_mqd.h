/* SPDX-License-Identifier: MIT */
/*
 * Queue descriptors: the registers of a hardware queue slot (HQD) and their
 * image in memory (MQD, v11_structs.h). Shared by the command processor and
 * the scheduler, whose queue is described by a compute MQD.
 */
#ifndef VGPU_CP_MQD_H
#define VGPU_CP_MQD_H

#include "device.h"
#include "queue.h"

/* Registers of a slot, from CP_MQD_BASE_ADDR resp. CP_GFX_MQD_BASE_ADDR on. */
#define CP_HQD_REGS	64
#define CP_GFX_HQD_REGS	35

/* What a queue needs of its slot, decoded. Pointers count dwords. */
struct cp_hqd {
	uint64_t mqd_addr;
	uint64_t base;
	uint32_t size_dw;
	uint64_t rptr, wptr;
	uint64_t rptr_report;		/* 0: not to be reported */
	uint64_t wptr_poll;
	uint32_t doorbell;		/* dword index */
	bool doorbell_en;
	uint64_t fence_addr;		/* only in the MQD */
};

/*
 * Load the MQD at @addr (VMID 0) as @engine GFX or COMPUTE; @regs receives
 * the slot's registers (CP_HQD_REGS or CP_GFX_HQD_REGS). 0, -EFAULT, -EINVAL.
 */
int cp_mqd_load(struct vgpu *dev, enum vgpu_engine engine, uint64_t addr,
		uint32_t *regs, struct cp_hqd *hqd);
/* Decode a slot's registers. 0 or -EINVAL (ring size). */
int cp_hqd_decode(enum vgpu_engine engine, const uint32_t *regs,
		  struct cp_hqd *hqd);
/* Write the read and write pointer back to the MQD at @addr. */
void cp_mqd_save(struct vgpu *dev, enum vgpu_engine engine, uint64_t addr,
		 uint64_t rptr, uint64_t wptr);
/*
 * Offset in bytes of CP_MQD_FIRMWARE bytes in the MQD that nobody else uses:
 * reserved, and zeroed when the driver makes the MQD.
 */
#define CP_MQD_FIRMWARE	(18 * 4)
size_t cp_mqd_firmware(enum vgpu_engine engine);
/*
 * The queue to start for @hqd, mapped as @m says; the caller fills in client,
 * exec and priv. It has no doorbell if @hqd does not have the one that @m names.
 */
void cp_hqd_queue_config(const struct cp_hqd *hqd,
			 const struct vgpu_queue_map *m,
			 struct vgpu_queue_config *cfg);

#endif
