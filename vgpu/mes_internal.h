/* SPDX-License-Identifier: MIT */
/* Shared by the files of the scheduler block. */
#ifndef VGPU_MES_INTERNAL_H
#define VGPU_MES_INTERNAL_H

#include "cp_mqd.h"
#include "hwregs.h"
#include "mes_v11_api_def.h"

#define MES_VMIDS	16
/* Queues and processes a guest can make us remember. */
#define MES_MAX_QUEUES	1024

enum mes_queue_state {
	MES_MAPPED,
	MES_SUSPENDED,		/* unmapped until RESUME */
	MES_RESET,		/* killed; waits for its REMOVE_QUEUE */
};

struct mes_queue {
	struct mes_queue *next;
	enum mes_queue_state state;
	enum vgpu_engine engine;
	struct vgpu_queue_map map;
	uint64_t gang_addr;
	uint64_t process_addr;
};

/* A VMID and the process that has it, also when none of its queues is mapped. */
struct mes_vmid {
	bool usable;		/* ours by SET_HW_RSRC */
	bool taken;
	uint64_t pd_addr;
	uint64_t process_addr;
	uint32_t pasid;
	unsigned int queues;	/* mapped ones */
	uint64_t last_use;
};

/*
 * The tables belong to the queue's thread; other threads look at them only
 * while it does not run.
 */
struct mes {
	struct vgpu *dev;
	struct vgpu_queue *q;		/* under the register lock, as: */
	bool stopping;			/* its thread may still run */
	uint64_t mqd_addr;
	uint32_t doorbell;
	struct vgpu_queue *exec;	/* for waits of the frame in work */

	uint32_t gfx_hqd_mask[MAX_GFX_PIPES];
	uint32_t compute_hqd_mask[MAX_COMPUTE_PIPES];
	uint32_t sdma_hqd_mask[MAX_SDMA_PIPES];
	unsigned int next_slot[VGPU_ENGINES];
	struct mes_vmid vmids[MES_VMIDS];
	uint64_t clock;
	struct mes_queue *queues;
	unsigned int n_queues;
};

/*
 * Frame handlers (mes_frames.c, mes_sched.c). 0: the frame's own fence is
 * written; negative: it is not, by which the driver sees the failure.
 * -ECANCELED: the queue is being stopped.
 */
int mes_misc(struct mes *mes, const union MESAPI__MISC *f);
int mes_set_hw_resources(struct mes *mes, const union MESAPI_SET_HW_RESOURCES *f);
int mes_add_queue(struct mes *mes, const union MESAPI__ADD_QUEUE *f);
int mes_remove_queue(struct mes *mes, const union MESAPI__REMOVE_QUEUE *f);
int mes_suspend(struct mes *mes, const union MESAPI__SUSPEND *f);
int mes_resume(struct mes *mes, const union MESAPI__RESUME *f);
int mes_reset_queue(struct mes *mes, const union MESAPI__RESET *f);
int mes_update_root(struct mes *mes, const union MESAPI__UPDATE_ROOT_PAGE_TABLE *f);
/* Forget all queues and processes; with @unmap their engines are told. */
void mes_forget(struct mes *mes, bool unmap);

extern const struct vgpu_client mes_client;

#endif
