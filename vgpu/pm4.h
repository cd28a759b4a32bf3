/* SPDX-License-Identifier: MIT */
/*
 * The PM4 executor: what the command processor's micro engines do with the
 * packets of one queue. Opcodes and fields: amdgpu/nvd.h. There are no shader
 * cores and no caches: packets that only drive those are accepted without
 * effect, packets that would start shaders are counted and refused.
 */
#ifndef VGPU_PM4_H
#define VGPU_PM4_H

#include "device.h"
#include "queue.h"

/* Longest packet: header and 2^14 body dwords (nvd.h, PACKET3). */
#define PM4_MAX_DW	(1u + (1u << 14))
/* Indirect buffers deep: ring -> IB1 -> IB2, and one spare. */
#define PM4_MAX_DEPTH	3

/*
 * Where a queue was stopped within the indirect buffers of the packet at its
 * read pointer, outermost first: what was done before is not done twice.
 */
struct pm4_position {
	uint64_t va;
	uint32_t ndw, pos;
};
struct pm4_saved {
	uint32_t levels;		/* 0: at the packet itself */
	uint32_t rptr;			/* to which packet it belongs */
	uint64_t done;			/* bytes that packet has moved already */
	struct pm4_position at[PM4_MAX_DEPTH];
};

/* What the executor must know of the queue it works for. */
struct pm4_env {
	struct vgpu *dev;
	struct vgpu_client client;	/* the queue's own address space */
	enum vgpu_engine engine;
	uint8_t me, pipe, queue;
	uint32_t pasid;
	uint32_t doorbell;		/* dwords */
	bool user;			/* a process writes the ring itself */
	bool kiq;			/* may map and unmap queues */
	uint64_t fence_addr;		/* of PROTECTED_FENCE_SIGNAL, VMID 0 */
	/* In: where to go on. Out, once the queue has stopped: where it did. */
	struct pm4_saved saved;
	/* Scratch of the executor, see pm4_env_init(). */
	uint32_t *ring_buf;
	uint32_t *ib_buf[PM4_MAX_DEPTH];
	uint64_t atomic_ret;		/* COPY_DATA can fetch it */
	struct pm4_saved resume;	/* what is left to be entered again */
	/*
	 * The queue is about to hang on a bad packet; optional. False if it is
	 * being taken away: it meets the packet when it runs again.
	 */
	bool (*hung)(void *priv);
	void *hung_priv;
};

/* Allocates the scratch; 0 or -ENOMEM. */
int pm4_env_init(struct pm4_env *env);
void pm4_env_fini(struct pm4_env *env);

/* A vgpu_queue_exec; @priv is a struct pm4_env. */
int pm4_exec(struct vgpu_queue *q, void *priv, uint64_t rptr, uint64_t wptr);

/* ring_id of interrupt vectors (gfx_v11_0_eop_irq): pipe | me << 2 | queue << 4 */
static inline uint8_t pm4_ring_id(unsigned int me, unsigned int pipe,
				  unsigned int queue)
{
	return (pipe & 3) | (me & 3) << 2 | (queue & 7) << 4;
}

#endif
