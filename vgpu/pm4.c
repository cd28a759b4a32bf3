/* SPDX-License-Identifier: MIT */
/*
 * The PM4 packet loop: framing, indirect buffers, conditional execution, and
 * what happens to packets that are unknown, malformed or forbidden.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pm4_internal.h"
#include "gc/gc_11_0_0_offset.h"
#include "gc/gc_11_0_0_sh_mask.h"
#include "ivsrcid/gfx/irqsrcs_gfx_11_0_0.h"
#include "nvd.h"
#include "soc15_ih_clientid.h"

/* Dwords of an indirect buffer fetched at once. */
#define IB_WINDOW	2048u
/* A NOP whose count field is all ones is one dword long (gfx_v11_0.c, .nop). */
#define NOP_ONE_DW	(3u << 30 | 0x3FFFu << 16 | PACKET3_NOP << 8)

struct ib {
	uint64_t va;
	uint32_t ndw;
	uint32_t win_pos, win_n;	/* fetched: [win_pos, win_pos + win_n) */
	uint32_t *buf;
};

int pm4_env_init(struct pm4_env *env)
{
	unsigned int i;

	env->ring_buf = malloc(PM4_MAX_DW * sizeof(uint32_t));
	if (!env->ring_buf)
		return -ENOMEM;
	for (i = 0; i < PM4_MAX_DEPTH; i++) {
		env->ib_buf[i] = malloc(PM4_MAX_DW * sizeof(uint32_t));
		if (!env->ib_buf[i]) {
			pm4_env_fini(env);
			return -ENOMEM;
		}
	}
	return 0;
}

void pm4_env_fini(struct pm4_env *env)
{
	unsigned int i;

	free(env->ring_buf);
	env->ring_buf = NULL;
	for (i = 0; i < PM4_MAX_DEPTH; i++) {
		free(env->ib_buf[i]);
		env->ib_buf[i] = NULL;
	}
}

/* Dwords of the packet that begins with @header; 0: not a packet. */
static uint32_t packet_length(uint32_t header)
{
	switch (CP_PACKET_GET_TYPE(header)) {
	case PACKET_TYPE2:
		return 1;
	case PACKET_TYPE3:
		if (header == NOP_ONE_DW)
			return 1;
		return CP_PACKET_GET_COUNT(header) + 2;
	}
	return 0;
}

static bool never(void *arg)
{
	(void)arg;
	return false;
}

/*
 * The enable bit of @src_id's interrupt; both engines have it in the same
 * place (gfx_v11_0_set_gfx_eop_interrupt_state,
 * gfx_v11_0_set_bad_op_fault_state and their like).
 */
#define SAME_ENABLE(field)						\
	_Static_assert(CP_INT_CNTL_RING0__##field##_MASK ==		\
		       CP_ME1_PIPE0_INT_CNTL__##field##_MASK, #field)
SAME_ENABLE(TIME_STAMP_INT_ENABLE);
SAME_ENABLE(OPCODE_ERROR_INT_ENABLE);
SAME_ENABLE(PRIV_REG_INT_ENABLE);

static uint32_t interrupt_enable(uint8_t src_id)
{
	switch (src_id) {
	case GFX_11_0_0__SRCID__CP_EOP_INTERRUPT:
		return CP_INT_CNTL_RING0__TIME_STAMP_INT_ENABLE_MASK;
	case GFX_11_0_0__SRCID__CP_BAD_OPCODE_ERROR:
		return CP_INT_CNTL_RING0__OPCODE_ERROR_INT_ENABLE_MASK;
	case GFX_11_0_0__SRCID__CP_PRIV_REG_FAULT:
		return CP_INT_CNTL_RING0__PRIV_REG_INT_ENABLE_MASK;
	case GFX_11_0_0__SRCID__CP_PRIV_INSTR_FAULT:
		return CP_INT_CNTL_RING0__PRIV_INSTR_INT_ENABLE_MASK;
	}
	return 0;
}

/* Its pipe's interrupt control register; 0: the pipe has none we know. */
static uint32_t interrupt_control(const struct pm4_env *env)
{
	if (env->engine == VGPU_ENGINE_GFX && !env->me && env->pipe < 2)
		return VREG(GC, regCP_INT_CNTL_RING0) + env->pipe;
	if (env->engine == VGPU_ENGINE_COMPUTE && env->me == 1 && env->pipe < 4)
		return VREG(GC, regCP_ME1_PIPE0_INT_CNTL) + env->pipe;
	return 0;
}

void pm4_interrupt(struct pm4_run *run, uint8_t src_id, uint32_t data0)
{
	struct pm4_env *env = run->env;
	uint32_t reg = interrupt_control(env);
	struct vgpu_iv iv = {
		.client_id = SOC21_IH_CLIENTID_GRBM_CP,
		.src_id = src_id,
		.ring_id = pm4_ring_id(env->me, env->pipe, env->queue),
		.vmid = run->client.vmid,
		.pasid = env->pasid,
		.data = { data0 },
	};

	if (reg && !(vgpu_reg_peek(run->dev, reg) & interrupt_enable(src_id))) {
		vgpu_count(run->dev, VGPU_LOG_INFO,
			   "cp: interrupt %u is off for me %u pipe %u", src_id,
			   env->me, env->pipe);
		return;
	}
	vgpu_irq(run->dev, &iv);
}

/*
 * The micro engine stops for good at a packet it cannot run: tell the guest,
 * then wait to be reset. Always -ECANCELED.
 *
 * The compute engine says whose doorbell it is, counted in 8 bytes from the
 * start of the process's page (AMDGPU_CTXID0_DOORBELL_ID_MASK); for a graphics
 * queue the driver reads it from the slot (amdgpu_gfx_handle_priv_fault).
 */
#define DOORBELL_ID(doorbell)	((doorbell) >> 1 & 0x3ff)

static int hang(struct pm4_run *run, uint8_t src_id)
{
	struct pm4_env *env = run->env;

	if (!env->hung || env->hung(env->hung_priv)) {
		vgpu_count(run->dev, VGPU_LOG_GUEST,
			   "cp: queue hung (interrupt %u)", src_id);
		pm4_interrupt(run, src_id,
			      env->user && env->engine == VGPU_ENGINE_COMPUTE ?
			      DOORBELL_ID(env->doorbell) : 0);
	}
	vgpu_queue_wait(run->q, never, NULL);
	return -ECANCELED;
}

static int run_packet(struct pm4_run *run, const uint32_t *p, uint32_t ndw)
{
	const struct pm4_op *op;
	uint32_t header = p[0];
	int r;

	if (CP_PACKET_GET_TYPE(header) == PACKET_TYPE2 || header == NOP_ONE_DW)
		return 0;
	op = &pm4_ops[CP_PACKET3_GET_OPCODE(header)];
	pm4_trace(run, p, ndw);
	switch (op->class) {
	case PM4_NONE:
		return 0;
	case PM4_REFUSE:
		vgpu_count(run->dev, VGPU_LOG_UNIMP, "pm4: %s not modelled",
			   op->name);
		return 0;
	case PM4_UNKNOWN:
		vgpu_count(run->dev, VGPU_LOG_GUEST, "pm4: bad opcode 0x%02x",
			   CP_PACKET3_GET_OPCODE(header));
		return hang(run, GFX_11_0_0__SRCID__CP_BAD_OPCODE_ERROR);
	case PM4_EXEC:
		break;
	}
	if (op->kiq_only && !run->env->kiq) {
		vgpu_count(run->dev, VGPU_LOG_GUEST, "pm4: %s outside the KIQ",
			   op->name);
		/* Only the graphics engine tells privilege from existence. */
		return hang(run, run->env->engine == VGPU_ENGINE_GFX ?
			    GFX_11_0_0__SRCID__CP_PRIV_INSTR_FAULT :
			    GFX_11_0_0__SRCID__CP_BAD_OPCODE_ERROR);
	}
	if (ndw - 1 < op->min_dw) {
		vgpu_count(run->dev, VGPU_LOG_GUEST, "pm4: %s of %u dw is too short",
			   op->name, ndw);
		return 0;
	}
	/* The packet at which the queue was stopped, if it is this one. */
	run->done = 0;
	if (op->fn != pm4_indirect_buffer) {
		run->done = run->env->resume.done;
		run->env->resume.done = 0;
	}
	r = op->fn(run, p + 1, ndw - 1);
	switch (r) {
	case -EPERM:
		return hang(run, GFX_11_0_0__SRCID__CP_PRIV_REG_FAULT);
	case -EINVAL:
		vgpu_count(run->dev, VGPU_LOG_GUEST, "pm4: malformed %s", op->name);
		return 0;
	}
	return r;
}

/* ---- indirect buffers ---- */

/*
 * @n dwords at @pos, which lie inside the buffer; NULL if they cannot be read
 * (the fault was reported).
 */
static const uint32_t *ib_fetch(struct pm4_run *run, struct ib *ib,
				uint32_t pos, uint32_t n)
{
	uint32_t want;

	if (pos >= ib->win_pos && pos + n <= ib->win_pos + ib->win_n)
		return ib->buf + (pos - ib->win_pos);
	want = ib->ndw - pos;
	if (want > IB_WINDOW)
		want = n > IB_WINDOW ? n : IB_WINDOW;
	ib->win_n = 0;
	if (vgpu_mem_read(run->dev, &run->client, ib->va + pos * 4ull, ib->buf,
			  want * sizeof(uint32_t)))
		return NULL;
	ib->win_pos = pos;
	ib->win_n = want;
	return ib->buf;
}

/* The queue stops before the packet at @pos: remember it. */
static int stopped(struct pm4_run *run, const struct ib *ib, uint32_t pos)
{
	struct pm4_saved *s = &run->env->saved, *resume = &run->env->resume;

	/* The innermost level comes first; it may not be entered again yet. */
	if (!s->levels && resume->levels > run->depth)
		*s = *resume;
	else if (s->levels < run->depth)
		s->levels = run->depth;
	/* It did not come as far as the packet that was under way. */
	if (resume->done)
		s->done = resume->done;
	s->at[run->depth - 1] = (struct pm4_position){ ib->va, ib->ndw, pos };
	return -ECANCELED;
}

/*
 * Execute from @pos on. 0, or -ECANCELED. A buffer that cannot be read is left
 * where it faults.
 */
static int run_ib(struct pm4_run *run, struct ib *ib, uint32_t pos)
{
	const uint32_t *p;
	uint32_t n;
	int r;

	while (pos < ib->ndw) {
		/* A chain may be endless. */
		if (vgpu_queue_stopping(run->q))
			return stopped(run, ib, pos);
		p = ib_fetch(run, ib, pos, 1);
		if (!p)
			return 0;
		n = packet_length(*p);
		if (!n) {
			vgpu_count(run->dev, VGPU_LOG_GUEST,
				   "pm4: bad packet type %u",
				   CP_PACKET_GET_TYPE(*p));
			hang(run, GFX_11_0_0__SRCID__CP_BAD_OPCODE_ERROR);
			return stopped(run, ib, pos);
		}
		if (n > ib->ndw - pos) {
			/* NOPs pad; the rest of the buffer is theirs. */
			if (CP_PACKET3_GET_OPCODE(*p) == PACKET3_NOP)
				return 0;
			vgpu_count(run->dev, VGPU_LOG_GUEST,
				   "pm4: packet exceeds its indirect buffer");
			hang(run, GFX_11_0_0__SRCID__CP_BAD_OPCODE_ERROR);
			return stopped(run, ib, pos);
		}
		if (CP_PACKET3_GET_OPCODE(*p) == PACKET3_NOP) {
			pos += n;
			continue;
		}
		if (vgpu_queue_packet(run->q))
			return stopped(run, ib, pos);
		p = ib_fetch(run, ib, pos, n);
		if (!p)
			return 0;
		run->skip = 0;
		r = run_packet(run, p, n);
		if (r)
			return stopped(run, ib, pos);
		if (run->chain) {
			run->chain = false;
			ib->va = run->chain_va;
			ib->ndw = run->chain_dw;
			ib->win_n = 0;
			pos = 0;
			continue;
		}
		n += run->skip;
		pos = n > ib->ndw - pos ? ib->ndw : pos + n;
	}
	return 0;
}

int pm4_indirect_buffer(struct pm4_run *run, const uint32_t *p, uint32_t n)
{
	struct pm4_env *env = run->env;
	uint64_t va = pm4_addr(p) & ~3ull;
	uint32_t ndw = p[2] & 0xFFFFF;
	struct pm4_saved *resume = &env->resume;
	struct pm4_run inner = *run;
	struct ib ib;
	uint32_t pos = 0;

	(void)n;
	if (resume->levels > run->depth) {
		/* Go on where the queue was stopped, maybe down a chain. */
		va = resume->at[run->depth].va & ~3ull;
		ndw = resume->at[run->depth].ndw & 0xFFFFF;
		pos = resume->at[run->depth].pos;
		if (resume->levels == run->depth + 1)
			resume->levels = 0;
	} else if (run->depth && p[2] & PACKET3_INDIRECT_BUFFER__CHAIN(1)) {
		run->chain = true;
		run->chain_va = va;
		run->chain_dw = ndw;
		return 0;
	}
	if (run->depth == PM4_MAX_DEPTH) {
		vgpu_count(run->dev, VGPU_LOG_GUEST,
			   "pm4: indirect buffers nested too deep");
		return hang(run, GFX_11_0_0__SRCID__CP_BAD_OPCODE_ERROR);
	}
	inner.depth++;
	/* The kernel's rings name the VMID; all else inherits. */
	if (!run->depth && !env->user)
		inner.client.vmid = p[2] >> 24 & 0xF;
	ib = (struct ib){ .va = va, .ndw = ndw, .buf = env->ib_buf[run->depth] };
	return run_ib(&inner, &ib, pos);
}

int pm4_cond_exec(struct pm4_run *run, const uint32_t *p, uint32_t n)
{
	uint32_t value;

	(void)n;
	if (vgpu_mem_read32(run->dev, &run->client, pm4_addr(p) & ~3ull, &value))
		return 0;
	if (!value)
		run->skip = p[3] & 0x3FFF;
	return 0;
}

/* ---- the ring ---- */

int pm4_exec(struct vgpu_queue *q, void *priv, uint64_t rptr, uint64_t wptr)
{
	struct pm4_env *env = priv;
	struct pm4_run run = {
		.env = env,
		.dev = env->dev,
		.q = q,
		.client = env->client,
	};
	uint32_t n, header = vgpu_queue_dword(q, rptr);
	int r;

	n = packet_length(header);
	if (!n) {
		vgpu_count(run.dev, VGPU_LOG_GUEST, "pm4: bad packet type %u",
			   CP_PACKET_GET_TYPE(header));
		return hang(&run, GFX_11_0_0__SRCID__CP_BAD_OPCODE_ERROR);
	}
	if (n > wptr - rptr)
		return 0;
	if (CP_PACKET3_GET_OPCODE(header) == PACKET3_NOP)
		return n;
	/* Values from memory: they select dwords of buffers, nothing else. */
	env->resume = (struct pm4_saved){ 0 };
	if (env->saved.rptr == (uint32_t)rptr &&
	    env->saved.levels <= PM4_MAX_DEPTH)
		env->resume = env->saved;
	env->saved.levels = 0;
	env->saved.done = 0;
	r = vgpu_queue_dwords(q, rptr, env->ring_buf, n);
	if (r)
		return r;
	run.ring_end = rptr + n;
	r = run_packet(&run, env->ring_buf, n);
	env->saved.rptr = rptr;
	if (r)
		return r;
	n += run.skip;
	/* What is skipped may not have been written yet. */
	return n <= wptr - rptr ? n : 0;
}
