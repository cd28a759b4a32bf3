/* SPDX-License-Identifier: MIT */
/* The scheduler as the driver talks to it: messages, user queues. */
#ifndef VGPU_MES_RIG_H
#define VGPU_MES_RIG_H

#include "cp_rig.h"
#include "gc/gc_11_0_0_offset.h"
#include "mes_v11_api_def.h"

#define MES	14		/* ring of the rig that plays the scheduler's */
#define FENCE	0x100		/* a message's own fence */
#define SEQ	0x108		/* the ring's fence */
#define FLAG	0x200
#define WRITE_MEM(addr, value) \
	PKT3(PACKET3_WRITE_DATA, 3), 5 << 8, addr, 0, value
#define WAIT_MEM(addr, value) \
	PKT3(PACKET3_WAIT_REG_MEM, 5), 3 | 1 << 4, addr, 0, value, 0xffffffff, 4
/* PROTECTED_FENCE_SIGNAL, see pm4_table.c. */
#define SIGNAL	PKT3(0xD0, 0), 0
#define USER_VMIDS	0xff00

/* A rig whose scheduler runs; NULL on failure. */
struct rig *mes_start(void);
/*
 * Send @frame as mes_v11_0_submit_pkt_and_poll_completion() does; its status
 * is at offset @status. 1: done, 0: failed, negative: no answer.
 */
int mes_send(struct rig *rig, void *frame, size_t status);
#define SEND(rig, f)	mes_send(rig, &(f), offsetof(typeof(f), api_status))

/* SET_HW_RSRC: one gfx slot, eight for compute, six for SDMA. */
int set_hw_rsrc(struct rig *rig, uint32_t vmid_mask);
/*
 * A user queue on ring @i, which has its MQD, of process @process (1, 2, ..),
 * a gang of its own.
 */
int add(struct rig *rig, unsigned int i, enum MES_QUEUE_TYPE type,
	unsigned int process);
int rm(struct rig *rig, unsigned int i, enum MES_QUEUE_TYPE type);
/* RESET of one queue by its doorbell. */
int reset(struct rig *rig, unsigned int i, enum MES_QUEUE_TYPE type);

#endif
