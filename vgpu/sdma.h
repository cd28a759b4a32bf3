/* SPDX-License-Identifier: MIT */
/*
 * Inside of the SDMA engines: shared by sdma.c (registers, queues) and
 * sdma_pkt.c (packets). No other file includes this.
 */
#ifndef VGPU_SDMA_H
#define VGPU_SDMA_H

#include "device.h"
#include "queue.h"

#define SDMA_ENGINES	2
/* The longest fixed part of a packet (COPY_LINEAR_SUBWIN_LARGE is shorter). */
#define SDMA_MAX_DW	20

/* One ring: the kernel's of an engine, or a process's own. */
struct sdma_queue {
	struct vgpu *dev;
	unsigned int engine;		/* instance */
	unsigned int id;		/* queue of the engine, for interrupts */
	struct vgpu_client client;
	uint32_t pasid;
	bool user;
	uint32_t doorbell;		/* dwords; UINT32_MAX: none */
	uint64_t mqd;			/* VMID 0 address; user queues */
	uint64_t fence;			/* of PROTECTED_FENCE, VMID 0 address */
	/*
	 * Dword at which the indirect buffer at the read pointer goes on: what
	 * was done before the queue was stopped is not done twice.
	 */
	uint32_t ib_offset;
	/* Bytes the packet under way has moved; that it need not move again. */
	uint64_t done, skip;
	struct vgpu_queue *q;
	struct sdma_queue *next;
};

/*
 * The packet called @name whose first SDMA_MAX_DW dwords are @p in words, at most
 * @len bytes with the end; sdma_trace.c
 */
void sdma_decode(const uint32_t *p, const char *name, char *buf, size_t len);
/* A vgpu_queue_exec; @priv is a struct sdma_queue. */
int sdma_exec(struct vgpu_queue *q, void *priv, uint64_t rptr, uint64_t wptr);

#endif
