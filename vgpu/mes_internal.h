/* SPDX-License-Identifier: MIT */
/* Shared by the files of the scheduler block. */
#ifndef VGPU_MES_INTERNAL_H
#define VGPU_MES_INTERNAL_H

#include <pthread.h>

#include "cp_mqd.h"
#include "hwregs.h"
#include "mes_v11_api_def.h"

#define MES_VMIDS	16
/* Queues a guest can make us remember. */
#define MES_MAX_QUEUES	1024
/* Pipes of all engines of one kind, at most. */
#define MES_PIPES	MAX_COMPUTE_PIPES
/* mes_schedule(): nothing is due before something happens. */
#define MES_NEVER	UINT64_MAX

enum mes_queue_state {
	MES_RESIDENT,		/* mapped; a user queue has a VMID and a slot */
	MES_WAITING,		/* for a VMID and a slot */
	MES_IDLE,		/* had nothing to do; a doorbell makes it wait */
	MES_SUSPENDED,		/* until RESUME */
	MES_RESET,		/* killed; waits for its REMOVE_QUEUE */
};

struct mes_queue {
	struct mes_queue *next;
	struct mes *mes;
	enum mes_queue_state state;
	enum vgpu_engine engine;
	struct vgpu_queue_map map;	/* vmid 0: a user queue that has none */
	uint64_t gang_addr;
	uint64_t process_addr;
	uint64_t pd_addr;
	uint64_t quantum;		/* ns; of its process */
	unsigned int slot_pipe;		/* index into the engine's masks */
	uint64_t since;			/* resident: since when, ns */
	uint64_t turn;			/* waiting: the lower the earlier */
	bool bound;			/* its doorbell rings here */
	bool rung;			/* atomic; by the doorbell handler */
};

/*
 * A VMID and the process that has it, also when none of its queues is mapped:
 * it keeps the VMID, and what the TLB holds for it, until another process
 * needs it.
 */
struct mes_vmid {
	bool usable;		/* ours by SET_HW_RSRC */
	bool taken;
	uint64_t pd_addr;
	uint64_t process_addr;
	uint32_t pasid;
	unsigned int queues;	/* resident ones */
	uint64_t since;		/* when the first of these became resident, ns */
};

/*
 * Locks, in this order: lock, the register lock, kick_lock. A handler, which
 * has the register lock, must not take lock.
 */
struct mes {
	struct vgpu *dev;
	struct vgpu_queue *q;		/* under the register lock, as: */
	bool stopping;			/* its thread may still run */
	uint64_t mqd_addr;
	uint32_t doorbell;
	struct vgpu_queue *exec;	/* for waits of the frame in work */

	/* Tables: frames and the scheduling thread change them. */
	pthread_mutex_t lock;
	uint32_t gfx_hqd_mask[MAX_GFX_PIPES];
	uint32_t compute_hqd_mask[MAX_COMPUTE_PIPES];
	uint32_t sdma_hqd_mask[MAX_SDMA_PIPES];
	uint32_t slots_used[VGPU_ENGINES][MES_PIPES];
	unsigned int next_slot[VGPU_ENGINES];
	bool single_process;		/* isolation: one VMID at a time */
	struct mes_vmid vmids[MES_VMIDS];
	uint64_t turns;
	struct mes_queue *queues;
	unsigned int n_queues;

	/* The scheduling thread's sleep. */
	pthread_t thread;
	pthread_mutex_t kick_lock;
	pthread_cond_t kick;
	bool kicked, quit;
};

/*
 * Frame handlers (mes_frames.c, mes_sched.c). 0: the frame's own fence is
 * written; negative: it is not, by which the driver sees the failure.
 * -ECANCELED: the queue is being stopped. Those of mes_sched.c are called with
 * mes.lock held.
 */
int mes_misc(struct mes *mes, const union MESAPI__MISC *f);
int mes_set_hw_resources(struct mes *mes, const union MESAPI_SET_HW_RESOURCES *f);
int mes_add_queue(struct mes *mes, const union MESAPI__ADD_QUEUE *f);
int mes_remove_queue(struct mes *mes, const union MESAPI__REMOVE_QUEUE *f);
int mes_suspend(struct mes *mes, const union MESAPI__SUSPEND *f);
int mes_resume(struct mes *mes, const union MESAPI__RESUME *f);
int mes_reset_queue(struct mes *mes, const union MESAPI__RESET *f);
int mes_update_root(struct mes *mes, const union MESAPI__UPDATE_ROOT_PAGE_TABLE *f);
/* Forget all queues and processes; mes.lock is held. */
void mes_forget(struct mes *mes);

/*
 * mes_slots.c: which queues have a VMID and a slot. mes.lock is held.
 *
 * Make @q, which is not resident, resident if there is room or can be made:
 * 0, -EAGAIN (it has to wait), or what vgpu_engine_map() returns.
 */
int mes_make_resident(struct mes *mes, struct mes_queue *q);
/*
 * Take @q from its slot and set it to @state; no doorbell reaches it any more.
 * One that registers have reset meanwhile is MES_RESET, whatever @state.
 * 0, or -ETIMEDOUT for VGPU_UNMAP_SAVE of a hung queue: it stays resident.
 */
int mes_unmap(struct mes *mes, struct mes_queue *q, enum vgpu_unmap how,
	      enum mes_queue_state state);
/* @q is to become resident when its turn comes. */
void mes_wait(struct mes *mes, struct mes_queue *q);
/* One process at a time, or as many as there are VMIDs. */
void mes_limit(struct mes *mes, bool single_process);
/* There may be work for queues whose doorbells nobody heard. */
void mes_look(struct mes *mes);
/*
 * Give VMIDs and slots to those who wait; returns after how many ns to call
 * it again, or MES_NEVER.
 */
uint64_t mes_schedule(struct mes *mes);
/* Have mes_schedule() called soon. Needs no lock, takes mes.kick_lock. */
void mes_kick(struct mes *mes);

extern const struct vgpu_client mes_client;

/* "ADD_QUEUE"; NULL if there is no such message. */
const char *mes_message_name(unsigned int op);
/* The frame of 64 dwords at @dw in words, at most @len bytes with the end; mes_trace.c */
void mes_decode(const uint32_t *dw, char *buf, size_t len);

#endif
