/* SPDX-License-Identifier: MIT */
/* Shared by the files of the PM4 executor. */
#ifndef VGPU_PM4_INTERNAL_H
#define VGPU_PM4_INTERNAL_H

#include "catalogue.h"
#include "hwregs.h"
#include "pm4.h"

/* One packet stream: the ring or an indirect buffer. */
struct pm4_run {
	struct pm4_env *env;
	struct vgpu *dev;
	struct vgpu_queue *q;
	struct vgpu_client client;	/* of the packets' operands */
	unsigned int depth;		/* 0: ring */
	uint64_t ring_end;		/* read pointer after the ring packet */
	uint64_t done;			/* see struct pm4_saved; of this packet */
	/* Results of a packet. */
	uint32_t skip;			/* dwords to pass over after it */
	bool chain;			/* go on at chain_va, do not return */
	uint64_t chain_va;
	uint32_t chain_dw;
};

/*
 * A packet handler: @p is the body of @n dwords, at least the table's minimum.
 * 0, -ECANCELED (queue is being stopped), or one of
 *   -EPERM   not allowed here: the queue hangs, the guest is told
 *   -EINVAL  malformed: logged and passed over
 */
typedef int (*pm4_handler)(struct pm4_run *run, const uint32_t *p, uint32_t n);

enum pm4_class {
	PM4_UNKNOWN,	/* no such packet: the queue hangs, as hardware does */
	PM4_EXEC,
	PM4_NONE,	/* caches, state or synchronisation we do not have */
	PM4_REFUSE,	/* needs what is not modelled */
};

struct pm4_op {
	const char *name;
	enum pm4_class class;
	pm4_handler fn;
	uint16_t min_dw;	/* of the body */
	bool kiq_only;
};

/* By opcode; pm4_table.c */
extern const struct pm4_op pm4_ops[256];

/*
 * Interrupt vector @src_id with @data0 from this queue, if it is enabled for
 * the queue's pipe: EOP, bad opcode, privileged register or instruction.
 */
void pm4_interrupt(struct pm4_run *run, uint8_t src_id, uint32_t data0);
/* May this stream access register @reg? Counts the refusal. */
bool pm4_reg_allowed(struct pm4_run *run, uint32_t reg);
/* Pointer operands: two dwords, low first. */
static inline uint64_t pm4_addr(const uint32_t *p)
{
	return (uint64_t)p[1] << 32 | p[0];
}

/*
 * The packet of @ndw dwords at @p in words: its name and what it does. At most
 * @len bytes, with the end.
 */
void pm4_decode(const uint32_t *p, uint32_t ndw, char *buf, size_t len);
/* A line of the trace for it, and a record; pm4_trace.c */
void pm4_trace(struct pm4_run *run, const uint32_t *p, uint32_t ndw);

/* pm4.c */
int pm4_indirect_buffer(struct pm4_run *run, const uint32_t *p, uint32_t n);
int pm4_cond_exec(struct pm4_run *run, const uint32_t *p, uint32_t n);
/* pm4_mem.c */
int pm4_write_data(struct pm4_run *run, const uint32_t *p, uint32_t n);
int pm4_copy_data(struct pm4_run *run, const uint32_t *p, uint32_t n);
int pm4_dma_data(struct pm4_run *run, const uint32_t *p, uint32_t n);
int pm4_atomic_mem(struct pm4_run *run, const uint32_t *p, uint32_t n);
int pm4_release_mem(struct pm4_run *run, const uint32_t *p, uint32_t n);
int pm4_protected_fence(struct pm4_run *run, const uint32_t *p, uint32_t n);
int pm4_event_write(struct pm4_run *run, const uint32_t *p, uint32_t n);
/* pm4_wait.c */
int pm4_wait_reg_mem(struct pm4_run *run, const uint32_t *p, uint32_t n);
int pm4_wait_reg_mem64(struct pm4_run *run, const uint32_t *p, uint32_t n);
int pm4_fence_wait_multi(struct pm4_run *run, const uint32_t *p, uint32_t n);
/* pm4_reg.c */
int pm4_set_config_reg(struct pm4_run *run, const uint32_t *p, uint32_t n);
int pm4_set_context_reg(struct pm4_run *run, const uint32_t *p, uint32_t n);
int pm4_set_sh_reg(struct pm4_run *run, const uint32_t *p, uint32_t n);
int pm4_set_uconfig_reg(struct pm4_run *run, const uint32_t *p, uint32_t n);
int pm4_reg_rmw(struct pm4_run *run, const uint32_t *p, uint32_t n);
/* pm4_kiq.c */
int pm4_map_queues(struct pm4_run *run, const uint32_t *p, uint32_t n);
int pm4_unmap_queues(struct pm4_run *run, const uint32_t *p, uint32_t n);
int pm4_query_status(struct pm4_run *run, const uint32_t *p, uint32_t n);
int pm4_invalidate_tlbs(struct pm4_run *run, const uint32_t *p, uint32_t n);

#endif
