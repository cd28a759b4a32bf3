/* SPDX-License-Identifier: MIT */
/*
 * What a queue is, whoever runs it: its ring, its pointers, how a packet is
 * fetched and executed. When that is done is up to whoever embeds a struct
 * vgpu_queue: queue.c with a thread each, the fuzzers with none.
 */
#ifndef VGPU_QUEUE_RING_H
#define VGPU_QUEUE_RING_H

#include "queue.h"

#define QUEUE_FETCH_DW	256	/* dwords read from the ring at once */

struct vgpu_queue {
	struct vgpu *dev;
	struct vgpu_queue_config cfg;
	/* Atomic; whoever embeds this says how a new one is noticed. */
	uint64_t wptr;

	/* Written by who executes, atomic; others may look. */
	uint64_t rptr;
	int error;		/* why nothing is executed any more */
	bool started;		/* it has looked at the write pointer in memory */

	/* Of who executes alone. */
	int fetch_error;
	uint64_t limit;		/* the write pointer exec is called with */
	uint64_t fetched, fetched_end;
	uint32_t fetch[QUEUE_FETCH_DW];
};

/* For a zeroed @q: 0, or -EINVAL for a size or a shift no ring has. */
int queue_init(struct vgpu_queue *q, struct vgpu *dev,
	       const struct vgpu_queue_config *cfg);
/* Bind its doorbell, if it has one; 0 or a negative errno. */
int queue_bind(struct vgpu_queue *q);
void queue_unbind(struct vgpu_queue *q);
/* The write pointer in memory, in dwords; false: it has none, or it faults. */
bool queue_poll_wptr(struct vgpu_queue *q, uint64_t *wptr);
/* It has been looked at in memory; tell the guest where we are. */
void queue_begin(struct vgpu_queue *q);
/* From now on up to @wptr. */
void queue_set_limit(struct vgpu_queue *q, uint64_t wptr);
/*
 * Execute the packet at the read pointer, which is below the limit. Its length
 * in dwords, 0 if it is not complete, or why the queue executes nothing more.
 */
int queue_execute(struct vgpu_queue *q);
/* After a packet of @n dwords. */
void queue_advance(struct vgpu_queue *q, int n);
/* After @error of queue_execute(). */
void queue_halt(struct vgpu_queue *q, int error);

#endif
