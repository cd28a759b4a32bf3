/* SPDX-License-Identifier: MIT */
/*
 * A ring buffer with a thread of its own: the frame shared by all engines.
 *
 * The thread sleeps until the write pointer moves, then hands one packet after
 * the other to the engine's exec callback. A packet that waits parks only this
 * queue; stopping a parked queue always succeeds.
 */
#ifndef VGPU_QUEUE_H
#define VGPU_QUEUE_H

#include "device.h"

struct vgpu_queue;

/*
 * Execute the packet whose first dword is at ring position @rptr (dwords,
 * not wrapped). Return its length in dwords, 0 if it is not complete below
 * @wptr, or a negative errno: the queue stops with an error (the engine has
 * reported it to the guest).
 */
typedef int (*vgpu_queue_exec)(struct vgpu_queue *q, void *priv, uint64_t rptr,
			       uint64_t wptr);

struct vgpu_queue_config {
	char name[32];
	struct vgpu_client client;	/* address space of ring and pointers */
	uint64_t base;			/* ring address */
	uint32_t size_dw;		/* power of two */
	uint64_t rptr, wptr;		/* dwords, not wrapped */
	uint64_t rptr_report;		/* address for the read pointer, or 0 */
	unsigned int rptr_shift;	/* report and doorbell unit: dwords << shift */
	uint64_t wptr_poll;		/* write pointer's address, or 0: read at the start */
	bool wptr_poll_kernel;		/* wptr_poll is an address of VMID 0 */
	/* Look at wptr_poll again after so long, besides doorbells; 0: never. */
	unsigned int wptr_poll_us;
	uint32_t doorbell;		/* bound by the queue; UINT32_MAX: none */
	bool user;			/* a process's own; for its gate, see gate.h */
	bool rptr_report_wrapped;	/* report rptr modulo size */
	vgpu_queue_exec exec;
	void *priv;
	/*
	 * Has the driver halted the engine? The queue then neither fetches nor executes
	 * nor polls, and a packet that waits does not look. Optional; needs no lock.
	 */
	bool (*halted)(void *priv);
	/*
	 * vgpu_queue_stop() has not waited for this queue, and now its thread
	 * has ended: @priv is no longer used. Optional.
	 */
	void (*release)(void *priv);
};

struct vgpu_queue *vgpu_queue_start(struct vgpu *dev,
				    const struct vgpu_queue_config *cfg, int *err);
/*
 * Stop at a packet boundary (a parked packet is abandoned and counts as not
 * executed), free the queue. @rptr, @wptr: final pointers in dwords, optional.
 * In a register or doorbell handler too: the register lock is released while
 * waiting.
 *
 * False if the queue's thread still runs: in the queue's own exec callback, where
 * it ends when that returns, and in that of a queue which is being stopped itself,
 * as two queues that stop each other would wait for ever. The pointers are then
 * those of this moment; the queue frees itself, after it has called release().
 */
bool vgpu_queue_stop(struct vgpu_queue *q, uint64_t *rptr, uint64_t *wptr);

/*
 * Read and write pointer in dwords as they are now; returns the error that
 * ended the queue, or 0.
 */
int vgpu_queue_where(struct vgpu_queue *q, uint64_t *rptr, uint64_t *wptr);
/* Has it seen the write pointer in memory? Before, it may look idle and is not. */
bool vgpu_queue_started(struct vgpu_queue *q);

struct vgpu *vgpu_queue_dev(struct vgpu_queue *q);
const struct vgpu_queue_config *vgpu_queue_config(struct vgpu_queue *q);
/* New write pointer in dwords, from a doorbell or a register. */
void vgpu_queue_kick(struct vgpu_queue *q, uint64_t wptr);
/*
 * For exec callbacks: a packet within the ring's packet, such as one of an
 * indirect buffer, is about to begin; waits while the engine is held. 0, or
 * -ECANCELED when the queue is being stopped.
 */
int vgpu_queue_packet(struct vgpu_queue *q);
/* Ring dword at position @pos (not wrapped). For exec callbacks. */
uint32_t vgpu_queue_dword(struct vgpu_queue *q, uint64_t pos);
/*
 * @n ring dwords from @pos on. 0, or the negative errno of ring memory that cannot be read,
 * which exec returns: what cannot be read is not executed.
 */
int vgpu_queue_dwords(struct vgpu_queue *q, uint64_t pos, uint32_t *out, uint32_t n);
/*
 * For exec callbacks: wait until @ready(arg) is true, polling with growing
 * pauses. 0, or -ECANCELED when the queue is being stopped.
 */
int vgpu_queue_wait(struct vgpu_queue *q, bool (*ready)(void *arg), void *arg);
/* True once the queue is being stopped; long packets look here. */
bool vgpu_queue_stopping(struct vgpu_queue *q);

#endif
