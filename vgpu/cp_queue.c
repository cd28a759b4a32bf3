/* SPDX-License-Identifier: MIT */
/*
 * Graphics and compute queues: mapping, unmapping, slots.
 *
 * A user queue is known by its doorbell and has a thread of its own, so more
 * of them may be mapped than there are slots: several can share one. Kernel
 * queues have their slot alone.
 */
#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "cp_internal.h"
#include "gc/gc_11_0_0_offset.h"
#include "gc/gc_11_0_0_sh_mask.h"

/* Client ids of L2_PROTECTION_FAULT_STATUS (gfxhub_v3_0.c). */
#define CID_CPC		5
#define CID_CPG		6

/* Firmware's own memory of a queue: accessed as the kernel's. */
static const struct vgpu_client firmware = { .hub = VGPU_HUB_GC };
_Static_assert(sizeof(struct pm4_saved) <= CP_MQD_FIRMWARE, "fits in the MQD");

/* The queue whose packets this thread executes: it cannot stop itself. */
static __thread struct cp_queue *running;

static int exec(struct vgpu_queue *q, void *priv, uint64_t rptr, uint64_t wptr)
{
	struct cp_queue *cq = priv;
	int r;

	running = cq;
	r = pm4_exec(q, &cq->env, rptr, wptr);
	running = NULL;
	return r;
}

/* gfx_v11_0_cp_gfx_enable, gfx_v11_0_cp_compute_enable */
static bool halted(void *priv)
{
	const struct cp_queue *cq = priv;
	struct vgpu *dev = cq->cp->dev;

	if (cq->env.engine == VGPU_ENGINE_GFX)
		return vgpu_reg_peek(dev, VREG(GC, regCP_ME_CNTL)) &
			(CP_ME_CNTL__ME_HALT_MASK | CP_ME_CNTL__PFP_HALT_MASK);
	return VFIELD_GET(vgpu_reg_peek(dev, VREG(GC, regCP_MEC_CNTL)),
			  CP_MEC_CNTL, MEC_ME1_HALT) ||
		VFIELD_GET(vgpu_reg_peek(dev, VREG(GC, regCP_MEC_RS64_CNTL)),
			   CP_MEC_RS64_CNTL, MEC_HALT);
}

/* ---- slots; the register lock is held ---- */

static uint32_t *slot_regs(struct cp *cp, enum vgpu_engine engine,
			   unsigned int slot)
{
	return engine == VGPU_ENGINE_GFX ? cp->gfx_hqd[slot] : cp->hqd[slot];
}

static size_t slot_bytes(enum vgpu_engine engine)
{
	return (engine == VGPU_ENGINE_GFX ? CP_GFX_HQD_REGS : CP_HQD_REGS) *
		sizeof(uint32_t);
}

static uint32_t *slot_active(struct cp *cp, enum vgpu_engine engine,
			     unsigned int slot)
{
	uint32_t *regs = slot_regs(cp, engine, slot);

	return engine == VGPU_ENGINE_GFX ?
		&regs[regCP_GFX_HQD_ACTIVE - regCP_GFX_MQD_BASE_ADDR] :
		&regs[regCP_HQD_ACTIVE - regCP_MQD_BASE_ADDR];
}

static struct cp_queue *in_slot(struct cp *cp, unsigned int slot)
{
	struct cp_queue *cq;

	for (cq = cp->queues; cq; cq = cq->next)
		if (cq->slot == slot && !cq->detached)
			return cq;
	return NULL;
}

/*
 * A hung queue's slot shows its own registers: the driver reads the doorbell
 * back (gfx_v11_0_userq_priv_fault_work). One that unmap() has detached no
 * longer has a slot, and must not hang: unmap() has promised that it can be
 * preempted.
 */
static bool hung(void *priv)
{
	struct cp_queue *cq = priv;
	struct cp *cp = cq->cp;

	vgpu_reg_lock(cp->dev);
	cq->hung = !cq->detached;
	if (cq->hung) {
		memcpy(slot_regs(cp, cq->env.engine, cq->slot), cq->regs,
		       slot_bytes(cq->env.engine));
		*slot_active(cp, cq->env.engine, cq->slot) = 1;
	}
	vgpu_reg_unlock(cp->dev);
	return cq->hung;
}

/* ---- life of a queue ---- */

static void free_queue(struct cp_queue *cq)
{
	pm4_env_fini(&cq->env);
	free(cq->regs);
	free(cq);
}

/* A queue that was detached and whose thread has ended. */
static void forget(struct cp_queue *cq)
{
	struct cp *cp = cq->cp;
	struct cp_queue **p;

	vgpu_reg_lock(cp->dev);
	for (p = &cp->queues; *p != cq; p = &(*p)->next)
		;
	*p = cq->next;
	if (!in_slot(cp, cq->slot))
		*slot_active(cp, cq->env.engine, cq->slot) = 0;
	free_queue(cq);
	/* The last thing: see cp_fini(). */
	cp->n_queues--;
	vgpu_reg_unlock(cp->dev);
}

static void release(void *priv)
{
	forget(priv);
}

static struct cp_queue *new_queue(struct cp *cp, enum vgpu_engine engine,
				  const struct vgpu_queue_map *m,
				  const struct cp_hqd *hqd, const uint32_t *regs,
				  const struct pm4_saved *saved)
{
	struct cp_queue *cq;

	cq = calloc(1, sizeof(*cq));
	if (!cq)
		return NULL;
	cq->cp = cp;
	cq->slot = cp_slot(m->me, m->pipe, m->queue);
	cq->mqd_addr = m->mqd_addr;
	cq->env = (struct pm4_env){
		.dev = cp->dev,
		.client = {
			.hub = VGPU_HUB_GC,
			.vmid = m->vmid & 0xF,
			.cid = engine == VGPU_ENGINE_GFX ? CID_CPG : CID_CPC,
			.ring_id = pm4_ring_id(m->me, m->pipe, m->queue),
		},
		.engine = engine,
		.me = m->me,
		.pipe = m->pipe,
		.queue = m->queue,
		.pasid = m->pasid,
		.doorbell = m->doorbell,
		.user = m->user,
		.kiq = m->me == CP_ME_FW,
		.fence_addr = hqd->fence_addr,
		.saved = *saved,
		.hung = hung,
		.hung_priv = cq,
	};
	cq->regs = malloc(slot_bytes(engine));
	if (!cq->regs || pm4_env_init(&cq->env)) {
		free_queue(cq);
		return NULL;
	}
	memcpy(cq->regs, regs, slot_bytes(engine));
	return cq;
}

static int start(struct cp *cp, enum vgpu_engine engine,
		 const struct vgpu_queue_map *m, const struct cp_hqd *hqd,
		 const uint32_t *regs, const struct pm4_saved *saved)
{
	struct vgpu_queue_config cfg;
	struct cp_queue *cq;
	int r = -EBUSY;

	cq = new_queue(cp, engine, m, hqd, regs, saved);
	if (!cq)
		return -ENOMEM;
	cp_hqd_queue_config(hqd, m, &cfg);
	if (cfg.doorbell != m->doorbell)
		vgpu_count(cp->dev, VGPU_LOG_GUEST, "cp: doorbell not enabled in the MQD");
	cfg.client = cq->env.client;
	cfg.exec = exec;
	cfg.priv = cq;
	cfg.release = release;
	/* The firmware's pipes have CP_MES_CNTL, which ends what runs there. */
	if (m->me != CP_ME_FW)
		cfg.halted = halted;
	cfg.user = m->user;
	snprintf(cfg.name, sizeof(cfg.name), "%s %u.%u.%u%s",
		 m->me == CP_ME_FW ? "kiq" :
		 engine == VGPU_ENGINE_GFX ? "gfx" : "comp",
		 m->me, m->pipe, m->queue, m->user ? " user" : "");

	vgpu_reg_lock(cp->dev);
	if (cp->closed || (!m->user && in_slot(cp, cq->slot)))
		goto err_unlock;
	r = -ENOSPC;
	if (cp->n_queues == CP_MAX_QUEUES)
		goto err_unlock;
	cq->q = vgpu_queue_start(cp->dev, &cfg, &r);
	if (!cq->q)
		goto err_unlock;
	cq->next = cp->queues;
	cp->queues = cq;
	cp->n_queues++;
	memcpy(slot_regs(cp, engine, cq->slot), regs, slot_bytes(engine));
	*slot_active(cp, engine, cq->slot) = 1;
	vgpu_reg_unlock(cp->dev);
	vgpu_trace(cp->dev, VGPU_TRACE_QUEUE,
		   "mapped %s, doorbell 0x%x, vmid %u, ring 0x%llx + 0x%x dw, at %llu of %llu",
		   cfg.name, m->doorbell, m->vmid, (unsigned long long)cfg.base,
		   cfg.size_dw, (unsigned long long)cfg.rptr,
		   (unsigned long long)cfg.wptr);
	return 0;

err_unlock:
	vgpu_reg_unlock(cp->dev);
	free_queue(cq);
	return r;
}

static void save(struct cp *cp, enum vgpu_engine engine, uint64_t mqd_addr,
		 uint64_t rptr, uint64_t wptr, const struct pm4_saved *saved)
{
	cp_mqd_save(cp->dev, engine, mqd_addr, rptr, wptr);
	vgpu_mem_write(cp->dev, &firmware, mqd_addr + cp_mqd_firmware(engine),
		       saved, sizeof(*saved));
}

/*
 * Stop @cq, which the caller found and detached under the register lock, and
 * free it.
 */
static void stop(struct cp *cp, struct cp_queue *cq, enum vgpu_unmap how)
{
	uint64_t rptr, wptr;

	/* One that could not be waited for comes to release(), unsaved. */
	if (!vgpu_queue_stop(cq->q, &rptr, &wptr))
		return;
	/* A queue that was reset begins behind what hung. */
	if (how == VGPU_UNMAP_RESET) {
		rptr = wptr;
		cq->env.saved = (struct pm4_saved){ 0 };
	}
	if (how != VGPU_UNMAP_DROP && cq->mqd_addr)
		save(cp, cq->env.engine, cq->mqd_addr, rptr, wptr,
		     &cq->env.saved);
	vgpu_trace(cp->dev, VGPU_TRACE_QUEUE,
		   "unmapped %s %u.%u.%u, doorbell 0x%x, at %llu of %llu%s",
		   cq->env.engine == VGPU_ENGINE_GFX ? "gfx" : "comp",
		   cq->env.me, cq->env.pipe, cq->env.queue, cq->env.doorbell,
		   (unsigned long long)rptr, (unsigned long long)wptr,
		   how == VGPU_UNMAP_RESET ? ", reset" : "");

	forget(cq);
}

/* May the calling thread stop @cq? */
static bool stoppable(struct cp *cp, struct cp_queue *cq)
{
	if (cq != running)
		return true;
	vgpu_count(cp->dev, VGPU_LOG_GUEST, "cp: a queue tried to stop itself");
	return false;
}

static void stop_locked(struct cp *cp, struct cp_queue *cq)
{
	unsigned int depth;

	cq->detached = true;
	depth = vgpu_reg_lock_suspend(cp->dev);
	stop(cp, cq, VGPU_UNMAP_DROP);
	vgpu_reg_lock_resume(cp->dev, depth);
}

void cp_slot_stop(struct cp *cp, unsigned int slot)
{
	struct cp_queue *cq;

	vgpu_reg_lock(cp->dev);
	while ((cq = in_slot(cp, slot)) && stoppable(cp, cq))
		stop_locked(cp, cq);
	*slot_active(cp, VGPU_ENGINE_GFX, slot) = 0;
	*slot_active(cp, VGPU_ENGINE_COMPUTE, slot) = 0;
	vgpu_reg_unlock(cp->dev);
}

void cp_stop_all(struct cp *cp, bool (*match)(const struct cp_queue *cq,
					      uint32_t arg), uint32_t arg)
{
	struct cp_queue *cq;

	vgpu_reg_lock(cp->dev);
	for (cq = cp->queues; cq; ) {
		if (cq->detached || (match && !match(cq, arg)) ||
		    !stoppable(cp, cq)) {
			cq = cq->next;
			continue;
		}
		stop_locked(cp, cq);
		/* The list may have changed meanwhile. */
		cq = cp->queues;
	}
	vgpu_reg_unlock(cp->dev);
}

void cp_slot_activate(struct cp *cp, enum vgpu_engine engine, unsigned int slot)
{
	struct vgpu_queue_map m = {
		.me = slot / (CP_PIPES * CP_QUEUES),
		.pipe = slot / CP_QUEUES % CP_PIPES,
		.queue = slot % CP_QUEUES,
	};
	const struct pm4_saved afresh = { 0 };
	struct cp_hqd hqd;
	uint32_t *regs = slot_regs(cp, engine, slot);
	int r;

	r = cp_hqd_decode(engine, regs, &hqd);
	/*
	 * The write pointer is the slot's: polling is off (CP_PQ_WPTR_POLL_CNTL),
	 * and in memory the KIQ's is from before the last reset, with it the
	 * packets that map the scheduler.
	 */
	hqd.wptr_poll = 0;
	if (!r) {
		m.doorbell = hqd.doorbell_en ? hqd.doorbell : UINT32_MAX;
		/* The driver may restart a slot without stopping it first. */
		cp_slot_stop(cp, slot);
		r = start(cp, engine, &m, &hqd, regs, &afresh);
	}
	if (r)
		vgpu_count(cp->dev, VGPU_LOG_GUEST,
			   "cp: cannot activate a queue by registers: %s",
			   strerror(-r));
}

/* ---- services for KIQ and scheduler ---- */

static int map(struct cp *cp, enum vgpu_engine engine,
	       const struct vgpu_queue_map *m)
{
	uint32_t regs[CP_HQD_REGS];
	struct pm4_saved saved;
	struct cp_hqd hqd;
	int r;

	r = cp_mqd_load(cp->dev, engine, m->mqd_addr, regs, &hqd);
	if (r)
		return r;
	r = vgpu_mem_read(cp->dev, &firmware, m->mqd_addr +
			  cp_mqd_firmware(engine), &saved, sizeof(saved));
	if (r)
		return r;
	return start(cp, engine, m, &hqd, regs, &saved);
}

/* The mapped queue with this doorbell; the register lock is held. */
static struct cp_queue *find(struct cp *cp, enum vgpu_engine engine,
			     uint32_t doorbell)
{
	struct cp_queue *cq;

	for (cq = cp->queues; cq; cq = cq->next)
		if (cq->env.engine == engine && cq->env.doorbell == doorbell &&
		    !cq->env.kiq && !cq->detached)
			return cq;
	return NULL;
}

/*
 * A micro engine that has met a bad packet does not answer a request to
 * preempt its queue.
 */
static int unmap(struct cp *cp, enum vgpu_engine engine, uint32_t doorbell,
		 enum vgpu_unmap how)
{
	struct cp_queue *cq;
	int r = -ENOENT;

	vgpu_reg_lock(cp->dev);
	cq = find(cp, engine, doorbell);
	if (cq) {
		r = cq->hung && how == VGPU_UNMAP_SAVE ? -ETIMEDOUT : 0;
		cq->detached = !r;
	}
	vgpu_reg_unlock(cp->dev);
	if (!r)
		stop(cp, cq, how);
	return r;
}

static int state(struct cp *cp, enum vgpu_engine engine, uint32_t doorbell,
		 struct vgpu_queue_state *st)
{
	struct cp_queue *cq;

	vgpu_reg_lock(cp->dev);
	cq = find(cp, engine, doorbell);
	if (cq) {
		/* It cannot go away: that takes its being detached first. */
		st->halted = vgpu_queue_where(cq->q, &st->rptr, &st->wptr);
		st->size = vgpu_queue_config(cq->q)->size_dw;
		st->starting = !vgpu_queue_started(cq->q);
		st->hung = cq->hung;
	}
	vgpu_reg_unlock(cp->dev);
	return cq ? 0 : -ENOENT;
}

static int discard(struct cp *cp, enum vgpu_engine engine,
		   const struct vgpu_queue_map *m)
{
	const struct pm4_saved afresh = { 0 };
	uint32_t regs[CP_HQD_REGS];
	struct cp_hqd hqd;
	uint64_t wptr;
	int r;

	r = cp_mqd_load(cp->dev, engine, m->mqd_addr, regs, &hqd);
	if (r)
		return r;
	wptr = hqd.wptr;
	if (m->wptr_addr)
		r = vgpu_mem_read64(cp->dev, &firmware, m->wptr_addr & ~7ull,
				    &wptr);
	if (!r)
		save(cp, engine, m->mqd_addr, wptr, wptr, &afresh);
	return r;
}

#define ENGINE_OPS(name, ENGINE)					\
static int map_##name(struct vgpu *dev, void *priv,			\
		      const struct vgpu_queue_map *m)			\
{									\
	(void)dev;							\
	return map(priv, ENGINE, m);					\
}									\
									\
static int unmap_##name(struct vgpu *dev, void *priv, uint32_t doorbell, \
			enum vgpu_unmap how)				\
{									\
	(void)dev;							\
	return unmap(priv, ENGINE, doorbell, how);			\
}									\
									\
static int state_##name(struct vgpu *dev, void *priv, uint32_t doorbell, \
			struct vgpu_queue_state *st)			\
{									\
	(void)dev;							\
	return state(priv, ENGINE, doorbell, st);			\
}									\
									\
static int discard_##name(struct vgpu *dev, void *priv,			\
			  const struct vgpu_queue_map *m)		\
{									\
	(void)dev;							\
	return discard(priv, ENGINE, m);				\
}									\
									\
const struct vgpu_engine_ops cp_##name##_ops = {			\
	map_##name, unmap_##name, state_##name, discard_##name,		\
}

ENGINE_OPS(gfx, VGPU_ENGINE_GFX);
ENGINE_OPS(compute, VGPU_ENGINE_COMPUTE);
