/* SPDX-License-Identifier: MIT */
/* Shared by the files of the command processor block. */
#ifndef VGPU_CP_INTERNAL_H
#define VGPU_CP_INTERNAL_H

#include "cp_mqd.h"
#include "hwregs.h"
#include "pm4.h"

/* Queue slots as GRBM_GFX_CNTL selects them: 2 bits ME, 2 pipe, 3 queue. */
#define CP_MES		4u
#define CP_PIPES	4u
#define CP_QUEUES	8u
#define CP_SLOTS	(CP_MES * CP_PIPES * CP_QUEUES)
#define CP_ME_GFX	0
#define CP_ME_FW	3	/* scheduler (pipe 0) and KIQ (pipe 1) */
/* A guest that maps more than this many queues is refused. */
#define CP_MAX_QUEUES	1024

static inline unsigned int cp_slot(unsigned int me, unsigned int pipe,
				   unsigned int queue)
{
	return (me % CP_MES * CP_PIPES + pipe % CP_PIPES) * CP_QUEUES +
		queue % CP_QUEUES;
}

struct cp_queue {
	struct cp_queue *next;
	struct cp *cp;
	struct vgpu_queue *q;
	struct pm4_env env;
	unsigned int slot;
	uint64_t mqd_addr;		/* 0: set up by registers */
	uint32_t *regs;			/* the slot's registers as loaded */
	bool detached;			/* being stopped, not to be found */
	bool hung;			/* by a bad packet; under the register lock */
};

/* All under the register lock. */
struct cp {
	struct vgpu *dev;
	struct cp_queue *queues;
	unsigned int n_queues;
	bool closed;			/* reset in progress: map nothing */
	uint32_t hqd[CP_SLOTS][CP_HQD_REGS];
	uint32_t gfx_hqd[CP_SLOTS][CP_GFX_HQD_REGS];
};

/* cp_queue.c */
extern const struct vgpu_engine_ops cp_gfx_ops, cp_compute_ops;
/* ACTIVE was written 1: start the queue its registers describe. */
void cp_slot_activate(struct cp *cp, enum vgpu_engine engine, unsigned int slot);
/* Stop whatever runs in a slot; ACTIVE reads 0 afterwards. */
void cp_slot_stop(struct cp *cp, unsigned int slot);
/* Stop all queues @match accepts (NULL: all). */
void cp_stop_all(struct cp *cp, bool (*match)(const struct cp_queue *cq,
					      uint32_t arg), uint32_t arg);

/* cp_regs.c */
int cp_register_regs(struct cp *cp);

#endif
