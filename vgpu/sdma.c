/* SPDX-License-Identifier: MIT */
/*
 * SDMA engines: the kernel's ring of each, run by registers
 * (sdma_v6_0_gfx_resume_instance), and processes' rings, which firmware maps
 * from their MQDs (sdma_v6_0_mqd_init).
 */
#include "sdma.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hwregs.h"
#include "gc/gc_11_0_0_default.h"
#include "gc/gc_11_0_0_offset.h"
#include "gc/gc_11_0_0_sh_mask.h"
#include "v11_structs.h"

/* GCVM_L2_PROTECTION_FAULT_STATUS.CID, see gfxhub_client_ids. */
#define CID_SDMA0	13
/* Smallest and largest RB_SIZE we accept, log2 of dwords. */
#define RB_SIZE_MIN	3
#define RB_SIZE_MAX	26
/* How often the write pointer in memory is looked at, where that is on. */
#define WPTR_POLL_US	10000
/* A process may fill the doorbell BAR with queues, but not our memory. */
#define MAX_USER_QUEUES	4096

/* Distance from engine 0's registers to engine 1's; see sdma_v6_0.c. */
#define REG(engine, name)	\
	(VREG(GC, regSDMA0_##name) + \
	 (engine) * (VREG(GC, regSDMA1_##name) - VREG(GC, regSDMA0_##name)))

struct sdma {
	struct vgpu *dev;
	/* The kernel's ring of each engine, NULL while it does not run; the register lock. */
	struct sdma_queue *kernel[SDMA_ENGINES];
	/* Protects the list; not held while a queue is started or stopped. */
	pthread_mutex_t lock;
	struct sdma_queue *user;
	unsigned int n_user;
	unsigned int left;	/* atomic: threads that may still run, unlisted */
};

extern const struct vgpu_block vgpu_block_sdma;

/* As vgpu_queue_stop(); of a queue whose release() is the one below. */
static bool stop_queue(struct sdma *s, struct sdma_queue *sq, uint64_t *rptr,
		       uint64_t *wptr)
{
	bool ended;

	__atomic_add_fetch(&s->left, 1, __ATOMIC_ACQ_REL);
	ended = vgpu_queue_stop(sq->q, rptr, wptr);
	if (ended)
		__atomic_sub_fetch(&s->left, 1, __ATOMIC_ACQ_REL);
	return ended;
}

/*
 * A packet of a ring may write the register that stops the ring, and another start it again
 * before that packet's thread is gone: each start has a struct of its own.
 */
static void release(void *priv)
{
	struct sdma_queue *sq = priv;
	struct vgpu *dev = sq->dev;
	struct sdma *s = vgpu_block_priv(dev, &vgpu_block_sdma);

	free(sq);
	__atomic_sub_fetch(&s->left, 1, __ATOMIC_ACQ_REL);
}

/* ---- the kernel's rings ---- */

static uint64_t reg64(struct vgpu *dev, uint32_t lo, uint32_t hi)
{
	return vgpu_reg_peek(dev, lo) | (uint64_t)vgpu_reg_peek(dev, hi) << 32;
}

static void poke64(struct vgpu *dev, uint32_t lo, uint32_t hi, uint64_t v)
{
	vgpu_reg_poke(dev, lo, lower_32_bits(v));
	vgpu_reg_poke(dev, hi, upper_32_bits(v));
}

static int ring_dwords(uint32_t rb_cntl, uint32_t *dw)
{
	unsigned int log2 = VFIELD_GET(rb_cntl, SDMA0_QUEUE0_RB_CNTL, RB_SIZE);

	if (log2 < RB_SIZE_MIN || log2 > RB_SIZE_MAX)
		return -EINVAL;
	*dw = 1u << log2;
	return 0;
}

/* The register lock is held. */
static int kernel_start(struct sdma *s, unsigned int e)
{
	struct vgpu *dev = s->dev;
	uint32_t cntl = vgpu_reg_peek(dev, REG(e, QUEUE0_RB_CNTL));
	struct vgpu_queue_config cfg = {
		.client = { .hub = VGPU_HUB_GC, .cid = CID_SDMA0 + e, .ring_id = e << 4 },
		.base = reg64(dev, REG(e, QUEUE0_RB_BASE),
			      REG(e, QUEUE0_RB_BASE_HI)) << 8,
		.rptr = reg64(dev, REG(e, QUEUE0_RB_RPTR),
			      REG(e, QUEUE0_RB_RPTR_HI)) >> 2,
		.wptr = reg64(dev, REG(e, QUEUE0_RB_WPTR),
			      REG(e, QUEUE0_RB_WPTR_HI)) >> 2,
		.rptr_shift = 2,
		.doorbell = UINT32_MAX,
		.exec = sdma_exec,
		.release = release,
	};
	struct sdma_queue *sq;
	int r;

	r = ring_dwords(cntl, &cfg.size_dw);
	if (r)
		return r;
	/*
	 * The write pointer's shadow in memory is not polled: it is stale when
	 * the driver restarts the ring, and doorbells are never lost here.
	 */
	if (VFIELD_GET(cntl, SDMA0_QUEUE0_RB_CNTL, RPTR_WRITEBACK_ENABLE))
		cfg.rptr_report = reg64(dev, REG(e, QUEUE0_RB_RPTR_ADDR_LO),
					REG(e, QUEUE0_RB_RPTR_ADDR_HI)) & ~3ull;
	if (VFIELD_GET(vgpu_reg_peek(dev, REG(e, QUEUE0_DOORBELL)),
		       SDMA0_QUEUE0_DOORBELL, ENABLE))
		cfg.doorbell = VFIELD_GET(vgpu_reg_peek(dev,
							REG(e, QUEUE0_DOORBELL_OFFSET)),
					  SDMA0_QUEUE0_DOORBELL_OFFSET, OFFSET);
	snprintf(cfg.name, sizeof(cfg.name), "sdma%u", e);

	sq = calloc(1, sizeof(*sq));
	if (!sq)
		return -ENOMEM;
	/* The driver starts the ring anew, never in the midst of a buffer. */
	*sq = (struct sdma_queue){
		.dev = dev,
		.engine = e,
		.client = cfg.client,
		.doorbell = UINT32_MAX,
	};
	cfg.priv = sq;
	sq->q = vgpu_queue_start(dev, &cfg, &r);
	if (!sq->q) {
		free(sq);
		return r;
	}
	s->kernel[e] = sq;
	return 0;
}

/* The register lock is held, but released while the queue ends. */
static void kernel_stop(struct sdma *s, unsigned int e)
{
	struct sdma_queue *sq = s->kernel[e];
	uint64_t rptr, wptr;

	if (!sq)
		return;
	s->kernel[e] = NULL;
	if (stop_queue(s, sq, &rptr, &wptr))
		free(sq);
	poke64(s->dev, REG(e, QUEUE0_RB_RPTR), REG(e, QUEUE0_RB_RPTR_HI), rptr << 2);
	poke64(s->dev, REG(e, QUEUE0_RB_WPTR), REG(e, QUEUE0_RB_WPTR_HI), wptr << 2);
}

/* The whole engine stands: halted (sdma_v6_0_enable) or frozen (sdma_v6_0_soft_reset). */
static bool engine_stands(struct vgpu *dev, unsigned int e)
{
	return VFIELD_GET(vgpu_reg_peek(dev, REG(e, F32_CNTL)), SDMA0_F32_CNTL, HALT) ||
	       VFIELD_GET(vgpu_reg_peek(dev, REG(e, FREEZE)), SDMA0_FREEZE, FREEZE);
}

/* Start or stop the ring as the registers now want it. */
static void kernel_update(struct sdma *s, unsigned int e)
{
	bool enabled = VFIELD_GET(vgpu_reg_peek(s->dev, REG(e, QUEUE0_RB_CNTL)),
				  SDMA0_QUEUE0_RB_CNTL, RB_ENABLE);
	int r;

	if (!enabled || engine_stands(s->dev, e)) {
		kernel_stop(s, e);
	} else if (!s->kernel[e]) {
		r = kernel_start(s, e);
		if (r)
			vgpu_count(s->dev, VGPU_LOG_GUEST,
				   "sdma: ring of engine %u refused: %s", e,
				   strerror(-r));
	}
}

static unsigned int engine_of(uint32_t reg)
{
	/* The second engine's registers follow the first's in both segments. */
	return reg >= VREG(GC, regSDMA1_UCODE_ADDR) ||
	       (reg >= VREG(GC, regSDMA1_DEC_START) &&
		reg < VREG(GC, regSDMA0_UCODE_ADDR));
}

static void run_write(struct vgpu *dev, void *priv, uint32_t reg, uint32_t value)
{
	vgpu_reg_poke(dev, reg, value);
	kernel_update(priv, engine_of(reg));
}

/* Done at once: what is to be frozen reads as frozen. */
static void freeze_write(struct vgpu *dev, void *priv, uint32_t reg, uint32_t value)
{
	const uint32_t rest = SDMA0_FREEZE__PREEMPT_MASK | SDMA0_FREEZE__F32_FREEZE_MASK;
	unsigned int e = engine_of(reg);

	if (value & rest)
		vgpu_count(dev, VGPU_LOG_UNIMP, "sdma: FREEZE bits 0x%x not modelled",
			   value & rest);
	value &= ~SDMA0_FREEZE__FROZEN_MASK;
	if (VFIELD_GET(value, SDMA0_FREEZE, FREEZE))
		value |= SDMA0_FREEZE__FROZEN_MASK;
	vgpu_reg_poke(dev, reg, value);
	kernel_update(priv, e);
}

/* What the driver asks for when debugfs preempts a job (sdma_v6_0_ring_preempt_ib). */
static void preempt_write(struct vgpu *dev, void *priv, uint32_t reg, uint32_t value)
{
	(void)priv;
	vgpu_reg_poke(dev, reg, value);
	if (VFIELD_GET(value, SDMA0_QUEUE0_PREEMPT, IB_PREEMPT))
		vgpu_count(dev, VGPU_LOG_UNIMP,
			   "sdma: preemption of the ring of engine %u not modelled",
			   engine_of(reg));
}

/* All queues but the first are mapped by firmware, from MQDs. */
static void queue_write(struct vgpu *dev, void *priv, uint32_t reg, uint32_t value)
{
	(void)priv;
	vgpu_reg_poke(dev, reg, value);
	if (VFIELD_GET(value, SDMA0_QUEUE1_RB_CNTL, RB_ENABLE))
		vgpu_count(dev, VGPU_LOG_UNIMP,
			   "sdma: queue of engine %u set up by registers",
			   engine_of(reg));
}

/* The high half comes last (sdma_v6_0_ring_set_wptr). */
static void wptr_hi_write(struct vgpu *dev, void *priv, uint32_t reg,
			  uint32_t value)
{
	unsigned int e = engine_of(reg);
	struct sdma *s = priv;

	vgpu_reg_poke(dev, reg, value);
	if (s->kernel[e])
		vgpu_queue_kick(s->kernel[e]->q,
				reg64(dev, REG(e, QUEUE0_RB_WPTR), reg) >> 2);
}

static void user_reset(struct sdma *s, unsigned int e, uint32_t queues);

/* Drop what the queue does, wherever it stands (mes_v11_0_reset_queue_mmio). */
static void reset_write(struct vgpu *dev, void *priv, uint32_t reg, uint32_t value)
{
	unsigned int e = engine_of(reg);
	uint32_t cntl = REG(e, QUEUE0_RB_CNTL);

	if (VFIELD_GET(value, SDMA0_QUEUE_RESET_REQ, QUEUE0_RESET)) {
		kernel_stop(priv, e);
		vgpu_reg_poke(dev, cntl, vgpu_reg_peek(dev, cntl) &
			      ~SDMA0_QUEUE0_RB_CNTL__RB_ENABLE_MASK);
		vgpu_count(dev, VGPU_LOG_INFO, "sdma: queue of engine %u reset", e);
	}
	user_reset(priv, e, value & ~1u);
	/* Done at once: the request bits read zero. */
	vgpu_reg_poke(dev, reg, 0);
}

#define SPAN(sdma, first, last)	\
	VREG(GC, reg##sdma##_##first), VREG(GC, reg##sdma##_##last)
#define QUEUE_RANGE(sdma, n)						\
	{ SPAN(sdma, QUEUE##n##_RB_CNTL, QUEUE##n##_RB_CNTL),		\
	  NULL, queue_write, regSDMA0_QUEUE##n##_RB_CNTL_DEFAULT }
#define ENGINE_RANGES(sdma)						\
	{ SPAN(sdma, QUEUE0_RB_CNTL, QUEUE0_RB_CNTL),			\
	  NULL, run_write, regSDMA0_QUEUE0_RB_CNTL_DEFAULT },		\
	{ SPAN(sdma, QUEUE0_RB_WPTR_HI, QUEUE0_RB_WPTR_HI),		\
	  NULL, wptr_hi_write },					\
	{ SPAN(sdma, F32_CNTL, F32_CNTL), NULL,				\
	  run_write, regSDMA0_F32_CNTL_DEFAULT },			\
	{ SPAN(sdma, QUEUE_RESET_REQ, QUEUE_RESET_REQ),			\
	  NULL, reset_write },						\
	{ SPAN(sdma, FREEZE, FREEZE), NULL, freeze_write },		\
	{ SPAN(sdma, QUEUE0_PREEMPT, QUEUE0_PREEMPT),			\
	  NULL, preempt_write },					\
	QUEUE_RANGE(sdma, 1), QUEUE_RANGE(sdma, 2),			\
	QUEUE_RANGE(sdma, 3), QUEUE_RANGE(sdma, 4),			\
	QUEUE_RANGE(sdma, 5), QUEUE_RANGE(sdma, 6),			\
	QUEUE_RANGE(sdma, 7),						\
	/* Always idle to the driver: it asks before power-off only. */	\
	{ SPAN(sdma, STATUS_REG, STATUS_REG), NULL, NULL,		\
	  regSDMA0_STATUS_REG_DEFAULT },				\
	{ SPAN(sdma, QUEUE0_CONTEXT_STATUS, QUEUE0_CONTEXT_STATUS), NULL, NULL, \
	  regSDMA0_QUEUE0_CONTEXT_STATUS_DEFAULT },			\
	/* Stored: what the driver sets up, and what its dumps read. */	\
	{ SPAN(sdma, CNTL, CNTL) },					\
	{ SPAN(sdma, CHICKEN_BITS, CHICKEN_BITS) },			\
	{ SPAN(sdma, RB_RPTR_FETCH, SEM_WAIT_FAIL_TIMER_CNTL) },	\
	{ SPAN(sdma, STATUS1_REG, STATUS1_REG) },			\
	{ SPAN(sdma, UCODE_CHECKSUM, UCODE_CHECKSUM) },			\
	{ SPAN(sdma, WATCHDOG_CNTL, QUEUE_STATUS0) },			\
	{ SPAN(sdma, STATUS2_REG, STATUS2_REG) },			\
	{ SPAN(sdma, UTCL1_CNTL, UTCL1_WR_XNACK1) },			\
	{ SPAN(sdma, RLC_CGCG_CTRL, RLC_CGCG_CTRL) },			\
	{ SPAN(sdma, STATUS3_REG, STATUS3_REG) },			\
	{ SPAN(sdma, INT_STATUS, INT_STATUS) },				\
	{ SPAN(sdma, STATUS4_REG, STATUS4_REG) },			\
	{ SPAN(sdma, STATUS5_REG, STATUS5_REG) },			\
	{ SPAN(sdma, STATUS6_REG, STATUS6_REG) },			\
	{ SPAN(sdma, QUEUE0_RB_CNTL, QUEUE7_MIDCMD_CNTL) },		\
	{ SPAN(sdma, UCODE_ADDR, UCODE_DATA) },				\
	{ SPAN(sdma, BROADCAST_UCODE_ADDR, BROADCAST_UCODE_DATA) }

static const struct vgpu_reg_range sdma_ranges[] = {
	ENGINE_RANGES(SDMA0),
	ENGINE_RANGES(SDMA1),
};

/* ---- processes' rings ---- */

static const struct vgpu_client kernel_client = {
	.hub = VGPU_HUB_GC, .cid = CID_SDMA0,
};

static uint64_t pair(uint32_t lo, uint32_t hi)
{
	return lo | (uint64_t)hi << 32;
}

static int user_config(const struct vgpu_queue_map *m,
		       const struct v11_sdma_mqd *mqd, struct vgpu_queue_config *cfg)
{
	*cfg = (struct vgpu_queue_config){
		.client = kernel_client,
		.base = pair(mqd->sdmax_rlcx_rb_base,
			     mqd->sdmax_rlcx_rb_base_hi) << 8,
		.rptr = pair(mqd->sdmax_rlcx_rb_rptr,
			     mqd->sdmax_rlcx_rb_rptr_hi) >> 2,
		.wptr = pair(mqd->sdmax_rlcx_rb_wptr,
			     mqd->sdmax_rlcx_rb_wptr_hi) >> 2,
		.rptr_shift = 2,
		.wptr_poll = m->wptr_addr,
		.wptr_poll_kernel = m->wptr_addr,
		.doorbell = UINT32_MAX,
		.user = m->user,
		.exec = sdma_exec,
	};
	cfg->client.vmid = m->vmid;
	/* The queue listens where its own register says. */
	if (VFIELD_GET(mqd->sdmax_rlcx_doorbell, SDMA0_QUEUE0_DOORBELL, ENABLE) &&
	    VFIELD_GET(mqd->sdmax_rlcx_doorbell_offset, SDMA0_QUEUE0_DOORBELL_OFFSET,
		       OFFSET) == m->doorbell)
		cfg->doorbell = m->doorbell;
	/* sdma_v6_0_mqd_init() sets it for users' queues. */
	if (VFIELD_GET(mqd->sdmax_rlcx_rb_cntl, SDMA0_QUEUE0_RB_CNTL,
		       F32_WPTR_POLL_ENABLE))
		cfg->wptr_poll_us = WPTR_POLL_US;
	if (!m->wptr_addr)
		cfg->wptr_poll = pair(mqd->sdmax_rlcx_rb_wptr_poll_addr_lo,
				      mqd->sdmax_rlcx_rb_wptr_poll_addr_hi);
	if (VFIELD_GET(mqd->sdmax_rlcx_rb_cntl, SDMA0_QUEUE0_RB_CNTL,
		       RPTR_WRITEBACK_ENABLE))
		cfg->rptr_report = pair(mqd->sdmax_rlcx_rb_rptr_addr_lo,
					mqd->sdmax_rlcx_rb_rptr_addr_hi) & ~3ull;
	return ring_dwords(mqd->sdmax_rlcx_rb_cntl, &cfg->size_dw);
}

static struct sdma_queue *user_take(struct sdma *s, uint32_t doorbell)
{
	struct sdma_queue **p, *sq = NULL;

	pthread_mutex_lock(&s->lock);
	for (p = &s->user; *p; p = &(*p)->next) {
		if (doorbell != UINT32_MAX && (*p)->doorbell != doorbell)
			continue;
		sq = *p;
		*p = sq->next;
		s->n_user--;
		break;
	}
	pthread_mutex_unlock(&s->lock);
	return sq;
}

/* The register lock is held, but released while a queue ends. */
static void user_reset(struct sdma *s, unsigned int e, uint32_t queues)
{
	struct sdma_queue *sq;

	do {
		pthread_mutex_lock(&s->lock);
		for (sq = s->user; sq; sq = sq->next)
			if (sq->engine == e && sq->id < 8 && queues >> sq->id & 1)
				break;
		pthread_mutex_unlock(&s->lock);
		/* Another thread may have taken it by now. */
		sq = sq ? user_take(s, sq->doorbell) : NULL;
		if (sq && stop_queue(s, sq, NULL, NULL))
			free(sq);
	} while (sq);
}

/* The driver halts the engine, not its own ring alone. */
static bool halted(void *priv)
{
	struct sdma_queue *sq = priv;

	return engine_stands(sq->dev, sq->engine);
}

static int sdma_map(struct vgpu *dev, void *priv, const struct vgpu_queue_map *m)
{
	struct vgpu_queue_config cfg;
	struct v11_sdma_mqd mqd;
	struct sdma *s = priv;
	struct sdma_queue *sq;
	int r;

	if (m->me >= SDMA_ENGINES || m->vmid > 15)
		return -EINVAL;
	if (vgpu_mem_read(dev, &kernel_client, m->mqd_addr, &mqd, sizeof(mqd)))
		return -EINVAL;
	r = user_config(m, &mqd, &cfg);
	if (r)
		return r;
	if (cfg.doorbell != m->doorbell)
		vgpu_count(dev, VGPU_LOG_GUEST, "sdma: doorbell not enabled in the MQD");
	cfg.client.cid += m->me;

	sq = calloc(1, sizeof(*sq));
	if (!sq)
		return -ENOMEM;
	sq->dev = dev;
	sq->engine = m->me;
	/* Queue 0 is the kernel's: its traps mean kernel fences. */
	sq->id = m->queue ? m->queue : 1;
	sq->user = m->user;
	sq->pasid = m->pasid;
	sq->doorbell = m->doorbell;
	sq->mqd = m->mqd_addr;
	sq->fence = pair(mqd.sdmax_rlcx_f32_dbg0, mqd.sdmax_rlcx_f32_dbg1);
	sq->ib_offset = mqd.sdmax_rlcx_ib_offset;
	sq->skip = pair(mqd.sdmax_rlcx_midcmd_data0,
			mqd.sdmax_rlcx_midcmd_data1);
	cfg.client.ring_id = sq->engine << 4 | (sq->id & 0xf);
	sq->client = cfg.client;
	cfg.priv = sq;
	cfg.release = release;
	cfg.halted = halted;
	snprintf(cfg.name, sizeof(cfg.name), "sdma%u.%x", sq->engine, m->doorbell);

	/* The start binds a doorbell; who resets a queue by register has this lock first. */
	vgpu_reg_lock(dev);
	pthread_mutex_lock(&s->lock);
	r = s->n_user < MAX_USER_QUEUES ? 0 : -ENOSPC;
	if (!r) {
		/* Does not wait; the thread it makes never takes this lock. */
		sq->q = vgpu_queue_start(dev, &cfg, &r);
		if (sq->q) {
			sq->next = s->user;
			s->user = sq;
			s->n_user++;
			r = 0;
		}
	}
	pthread_mutex_unlock(&s->lock);
	vgpu_reg_unlock(dev);
	if (r)
		free(sq);
	return r;
}

/* Save where the queue stopped, for the next sdma_map() of the same MQD. */
static void mqd_save(struct sdma_queue *sq, uint64_t rptr, uint64_t wptr)
{
	uint32_t p[4] = {
		lower_32_bits(rptr << 2), upper_32_bits(rptr << 2),
		lower_32_bits(wptr << 2), upper_32_bits(wptr << 2),
	};

	_Static_assert(offsetof(struct v11_sdma_mqd, sdmax_rlcx_rb_wptr_hi) ==
		       offsetof(struct v11_sdma_mqd, sdmax_rlcx_rb_rptr) + 12,
		       "pointers are four dwords in a row");
	vgpu_mem_write(sq->dev, &kernel_client, sq->mqd +
		       offsetof(struct v11_sdma_mqd, sdmax_rlcx_rb_rptr),
		       p, sizeof(p));
	vgpu_mem_write32(sq->dev, &kernel_client, sq->mqd +
			 offsetof(struct v11_sdma_mqd, sdmax_rlcx_ib_offset),
			 sq->ib_offset);
	/* How far the packet there has come: our use of these registers. */
	p[0] = lower_32_bits(sq->done + sq->skip);
	p[1] = upper_32_bits(sq->done + sq->skip);
	vgpu_mem_write(sq->dev, &kernel_client, sq->mqd +
		       offsetof(struct v11_sdma_mqd, sdmax_rlcx_midcmd_data0),
		       p, 8);
}

/* The mapped queue with this doorbell. */
static int sdma_state(struct vgpu *dev, void *priv, uint32_t doorbell,
		      struct vgpu_queue_state *st)
{
	struct sdma *s = priv;
	struct sdma_queue *sq;
	int error;

	(void)dev;
	pthread_mutex_lock(&s->lock);
	for (sq = s->user; sq && sq->doorbell != doorbell; sq = sq->next)
		;
	if (sq) {
		error = vgpu_queue_where(sq->q, &st->rptr, &st->wptr);
		st->rptr <<= 2;
		st->wptr <<= 2;
		st->size = vgpu_queue_config(sq->q)->size_dw * 4ull;
		st->starting = !vgpu_queue_started(sq->q);
		st->halted = error;
		st->hung = error == -EINVAL || error == -EPERM;
	}
	pthread_mutex_unlock(&s->lock);
	return sq ? 0 : -ENOENT;
}

static int sdma_unmap(struct vgpu *dev, void *priv, uint32_t doorbell,
		      enum vgpu_unmap how)
{
	struct vgpu_queue_state st;
	struct sdma_queue *sq;
	uint64_t rptr, wptr;

	/* An engine that stands at an illegal instruction saves nothing. */
	if (how == VGPU_UNMAP_SAVE && !sdma_state(dev, priv, doorbell, &st) &&
	    st.hung)
		return -ETIMEDOUT;
	sq = doorbell == UINT32_MAX ? NULL : user_take(priv, doorbell);
	if (!sq)
		return -ENOENT;
	/* One that could not be waited for frees itself, unsaved. */
	if (!stop_queue(priv, sq, &rptr, &wptr))
		return 0;
	/* A queue that was reset begins behind what hung. */
	if (how == VGPU_UNMAP_RESET) {
		rptr = wptr;
		sq->ib_offset = 0;
		sq->done = sq->skip = 0;
	}
	if (how != VGPU_UNMAP_DROP)
		mqd_save(sq, rptr, wptr);
	free(sq);
	return 0;
}

static int sdma_discard(struct vgpu *dev, void *priv,
			const struct vgpu_queue_map *m)
{
	struct sdma_queue sq = { .dev = dev, .mqd = m->mqd_addr };
	struct v11_sdma_mqd mqd;
	uint64_t wptr;

	(void)priv;
	if (vgpu_mem_read(dev, &kernel_client, m->mqd_addr, &mqd, sizeof(mqd)))
		return -EFAULT;
	wptr = pair(mqd.sdmax_rlcx_rb_wptr, mqd.sdmax_rlcx_rb_wptr_hi);
	if (m->wptr_addr && vgpu_mem_read64(dev, &kernel_client,
					    m->wptr_addr & ~7ull, &wptr))
		return -EFAULT;
	mqd_save(&sq, wptr >> 2, wptr >> 2);
	return 0;
}

static const struct vgpu_engine_ops sdma_ops = {
	.map = sdma_map,
	.unmap = sdma_unmap,
	.state = sdma_state,
	.discard = sdma_discard,
};

/* ---- block ---- */

static void sdma_reset(struct vgpu *dev, void *priv)
{
	struct sdma_queue *sq;
	struct sdma *s = priv;
	unsigned int e;

	vgpu_reg_lock(dev);
	for (e = 0; e < SDMA_ENGINES; e++)
		kernel_stop(s, e);
	vgpu_reg_unlock(dev);
	while ((sq = user_take(s, UINT32_MAX)))
		if (stop_queue(s, sq, NULL, NULL))
			free(sq);
}

static int sdma_init(struct vgpu *dev, void **priv)
{
	struct sdma *s;
	int r;

	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->dev = dev;
	r = -pthread_mutex_init(&s->lock, NULL);
	if (r)
		goto err_free;
	r = vgpu_reg_register(dev, sdma_ranges, ARRAY_SIZE(sdma_ranges), s);
	if (r)
		goto err_lock;
	vgpu_engine_register(dev, VGPU_ENGINE_SDMA, &sdma_ops, s);
	*priv = s;
	return 0;

err_lock:
	pthread_mutex_destroy(&s->lock);
err_free:
	free(s);
	return r;
}

static void sdma_fini(struct vgpu *dev, void *priv)
{
	struct sdma *s = priv;

	sdma_reset(dev, s);
	while (__atomic_load_n(&s->left, __ATOMIC_ACQUIRE))
		usleep(100);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

const struct vgpu_block vgpu_block_sdma = {
	.name = "sdma",
	.init = sdma_init,
	.fini = sdma_fini,
	.reset = sdma_reset,
};
