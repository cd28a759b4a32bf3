/* SPDX-License-Identifier: MIT */
/*
 * Which user queues are resident. A resident queue has a slot of its engine
 * alone, and its process a VMID; there are fewer of both than a guest may have
 * queues and processes. A queue with nothing to do loses its slot, and a
 * process whose queues have nothing to do its VMID, when another needs it; one
 * that works loses it after its quantum (ADD_QUEUE's process_quantum). What is
 * lost is saved in the queue's MQD, from which it goes on when it gets its turn.
 *
 * The doorbell of a queue that is not resident rings here and makes it wait
 * for its turn.
 */
#include <errno.h>
#include <string.h>

#include "mes_internal.h"

/* How often the queues that have what others wait for are looked at. */
#define LOOK_NS		1000000ull

/* ---- slots ---- */

static const uint32_t *slot_masks(const struct mes *mes, enum vgpu_engine engine,
				  unsigned int *pipes)
{
	switch (engine) {
	case VGPU_ENGINE_GFX:
		*pipes = MAX_GFX_PIPES;
		return mes->gfx_hqd_mask;
	case VGPU_ENGINE_COMPUTE:
		*pipes = MAX_COMPUTE_PIPES;
		return mes->compute_hqd_mask;
	default:
		*pipes = MAX_SDMA_PIPES;
		return mes->sdma_hqd_mask;
	}
}

static bool any_slot(const struct mes *mes, enum vgpu_engine engine)
{
	unsigned int pipes, i;
	const uint32_t *mask = slot_masks(mes, engine, &pipes);

	for (i = 0; i < pipes; i++)
		if (mask[i])
			return true;
	return false;
}

static bool free_slot_of(const struct mes *mes, enum vgpu_engine engine)
{
	unsigned int pipes, i;
	const uint32_t *mask = slot_masks(mes, engine, &pipes);

	for (i = 0; i < pipes; i++)
		if (mask[i] & ~mes->slots_used[engine][i])
			return true;
	return false;
}

/* The next free slot in turn, for @q; false if there is none. */
static bool take_slot(struct mes *mes, struct mes_queue *q)
{
	struct vgpu_queue_map *m = &q->map;
	unsigned int pipes, i, at, pipe;
	const uint32_t *mask = slot_masks(mes, q->engine, &pipes);
	uint32_t *used = mes->slots_used[q->engine];

	for (i = 1; i <= pipes * 32; i++) {
		at = (mes->next_slot[q->engine] + i) % (pipes * 32);
		/* Consecutive queues go to different pipes. */
		pipe = at % pipes;
		if (!(mask[pipe] & ~used[pipe] & 1u << at / pipes))
			continue;
		mes->next_slot[q->engine] = at;
		used[pipe] |= 1u << at / pipes;
		q->slot_pipe = pipe;
		m->queue = at / pipes;
		m->pipe = 0;
		m->me = 0;
		if (q->engine == VGPU_ENGINE_GFX) {
			m->pipe = pipe;
		} else if (q->engine == VGPU_ENGINE_COMPUTE) {
			/* Four pipes per engine; their numbers begin at 1. */
			m->me = 1 + pipe / 4;
			m->pipe = pipe % 4;
		} else {
			m->me = pipe;
		}
		return true;
	}
	return false;
}

static void free_slot(struct mes *mes, struct mes_queue *q)
{
	mes->slots_used[q->engine][q->slot_pipe] &= ~(1u << q->map.queue);
}

/* ---- what resident queues are doing ---- */

enum activity { HUNG, STARTING, BUSY, IDLE };

static enum activity activity(struct mes *mes, struct mes_queue *q, uint64_t now)
{
	struct vgpu_queue_state st;

	/* Gone: registers have reset it. */
	if (vgpu_engine_state(mes->dev, q->engine, q->map.doorbell, &st))
		return IDLE;
	if (st.hung)
		return HUNG;
	/* On a busy host that takes its time, which is not of its quantum. */
	if (st.starting) {
		q->since = now;
		if (q->map.user)
			mes->vmids[q->map.vmid].since = now;
		return STARTING;
	}
	return st.halted || st.rptr == st.wptr ? IDLE : BUSY;
}

/* Of all resident queues of a VMID together: what forbids most. */
static enum activity vmid_activity(struct mes *mes, unsigned int vmid,
				   uint64_t now)
{
	enum activity a, least = IDLE;
	struct mes_queue *q;

	for (q = mes->queues; q; q = q->next) {
		if (q->state != MES_RESIDENT || q->map.vmid != vmid ||
		    !q->map.user)
			continue;
		a = activity(mes, q, now);
		if (a < least)
			least = a;
	}
	return least;
}

/* May what was taken at @since be taken away now? */
static bool yields(enum activity a, uint64_t since, uint64_t quantum,
		   uint64_t now)
{
	return a == IDLE || (a == BUSY && now - since >= quantum);
}

/* ---- doorbells of queues that are not resident ---- */

/* With the register lock held. */
static void doorbell(struct vgpu *dev, void *priv, uint32_t index, uint64_t value)
{
	struct mes_queue *q = priv;

	(void)index;
	(void)value;
	vgpu_stat(dev, "mes: doorbells of queues that were not resident", 1);
	__atomic_store_n(&q->rung, true, __ATOMIC_RELEASE);
	mes_kick(q->mes);
}

static void listen(struct mes *mes, struct mes_queue *q)
{
	if (!q->bound)
		q->bound = !vgpu_doorbell_bind(mes->dev, q->map.doorbell,
					       doorbell, q);
}

static void stop_listening(struct mes *mes, struct mes_queue *q)
{
	if (q->bound)
		vgpu_doorbell_unbind(mes->dev, q->map.doorbell);
	q->bound = false;
}

/* ---- residency ---- */

int mes_unmap(struct mes *mes, struct mes_queue *q, enum vgpu_unmap how,
	      enum mes_queue_state state)
{
	int r;

	stop_listening(mes, q);
	if (q->state == MES_RESIDENT) {
		/* It may be gone already: registers can reset it, too. */
		r = vgpu_engine_unmap(mes->dev, q->engine, q->map.doorbell, how);
		if (r == -ETIMEDOUT)
			return r;
		if (r)
			state = MES_RESET;
		if (q->map.user) {
			free_slot(mes, q);
			mes->vmids[q->map.vmid].queues--;
		}
	} else if (how == VGPU_UNMAP_RESET && q->state != MES_RESET) {
		vgpu_engine_discard(mes->dev, q->engine, &q->map);
	}
	q->state = state;
	return 0;
}

void mes_wait(struct mes *mes, struct mes_queue *q)
{
	q->state = MES_WAITING;
	q->turn = ++mes->turns;
	listen(mes, q);
	mes_kick(mes);
}

/*
 * Take the slot from a queue in favour of another. It waits for its next turn
 * if it has something to do: that includes what was rung in between, when
 * nobody heard it, and is seen by the write pointer in memory.
 */
static int evict(struct mes *mes, struct mes_queue *q)
{
	struct vgpu_queue_state st = { 0 };
	bool work = false;
	uint64_t wptr;
	int r;

	if (!vgpu_engine_state(mes->dev, q->engine, q->map.doorbell, &st))
		work = !st.halted && st.rptr != st.wptr;
	r = mes_unmap(mes, q, VGPU_UNMAP_SAVE, MES_IDLE);
	if (r || q->state == MES_RESET)
		return r;
	__atomic_store_n(&q->rung, false, __ATOMIC_RELAXED);
	listen(mes, q);
	if (q->map.wptr_addr &&
	    !vgpu_mem_read64(mes->dev, &mes_client, q->map.wptr_addr & ~7ull,
			     &wptr))
		/* Some writers wrap it. */
		work |= wptr != st.wptr && wptr != (st.wptr & (st.size - 1));
	if (work)
		mes_wait(mes, q);
	vgpu_stat(mes->dev, work ? "mes: busy queues evicted" :
				   "mes: idle queues evicted", 1);
	return 0;
}

/* A queue of @engine that has to make room; NULL: none yet. */
static struct mes_queue *slot_victim(struct mes *mes, enum vgpu_engine engine,
				     uint64_t now)
{
	struct mes_queue *q, *best = NULL;
	bool idle, best_idle = false;
	enum activity a;

	for (q = mes->queues; q; q = q->next) {
		if (q->state != MES_RESIDENT || !q->map.user ||
		    q->engine != engine)
			continue;
		a = activity(mes, q, now);
		if (!yields(a, q->since, q->quantum, now))
			continue;
		idle = a == IDLE;
		if (best && (best_idle > idle ||
			     (best_idle == idle && best->since <= q->since)))
			continue;
		best = q;
		best_idle = idle;
	}
	return best;
}

static bool usable(const struct mes *mes, unsigned int vmid)
{
	unsigned int i;

	if (!mes->vmids[vmid].usable)
		return false;
	/* Isolation: only the first. */
	for (i = 1; mes->single_process && i < vmid; i++)
		if (mes->vmids[i].usable)
			return false;
	return true;
}

static bool owns(const struct mes_vmid *v, const struct mes_queue *q)
{
	return v->taken && v->process_addr == q->process_addr &&
	       v->pasid == q->map.pasid && v->pd_addr == q->pd_addr;
}

/* The longest of the quanta of the queues that use @vmid. */
static uint64_t vmid_quantum(struct mes *mes, unsigned int vmid)
{
	struct mes_queue *q;
	uint64_t longest = 0;

	for (q = mes->queues; q; q = q->next)
		if (q->state == MES_RESIDENT && q->map.user &&
		    q->map.vmid == vmid && q->quantum > longest)
			longest = q->quantum;
	return longest;
}

/* Take all queues of @vmid from their slots. */
static int clear_vmid(struct mes *mes, unsigned int vmid)
{
	struct mes_queue *q;
	int r, first = 0;

	for (q = mes->queues; q; q = q->next) {
		if (q->state != MES_RESIDENT || !q->map.user ||
		    q->map.vmid != vmid)
			continue;
		r = evict(mes, q);
		if (r && !first)
			first = r;
	}
	return first;
}

/*
 * A VMID for the process of @q: its own, a free one, that of a process without
 * resident queues, or that of one that has to make room. 0: none yet.
 */
static unsigned int get_vmid(struct mes *mes, struct mes_queue *q, uint64_t now)
{
	unsigned int i, best = 0, best_rank = 0, rank;
	struct mes_vmid *v;
	enum activity a;

	for (i = 1; i < MES_VMIDS; i++)
		if (usable(mes, i) && owns(&mes->vmids[i], q))
			return i;
	for (i = 1; i < MES_VMIDS; i++) {
		v = &mes->vmids[i];
		if (!usable(mes, i))
			continue;
		if (!v->taken) {
			rank = 4;
		} else if (!v->queues) {
			rank = 3;
		} else {
			a = vmid_activity(mes, i, now);
			if (!yields(a, v->since, vmid_quantum(mes, i), now))
				continue;
			rank = a == IDLE ? 2 : 1;
		}
		if (best && (best_rank > rank || (best_rank == rank &&
				mes->vmids[best].since <= v->since)))
			continue;
		best = i;
		best_rank = rank;
	}
	if (!best)
		return 0;
	v = &mes->vmids[best];
	if (v->queues && clear_vmid(mes, best))
		return 0;
	if (best_rank <= 3)
		vgpu_stat(mes->dev, "mes: VMIDs handed over", 1);
	v->taken = true;
	v->process_addr = q->process_addr;
	v->pasid = q->map.pasid;
	v->pd_addr = q->pd_addr;
	v->since = now;
	/* The one before has left its translations in the TLB. */
	vgpu_vmid_set(mes->dev, best, v->pd_addr, v->pasid);
	vgpu_tlb_flush(mes->dev, VGPU_HUB_GC, 1u << best);
	return best;
}

int mes_make_resident(struct mes *mes, struct mes_queue *q)
{
	uint64_t now = vgpu_now(mes->dev);
	struct mes_queue *victim;
	struct mes_vmid *v;
	unsigned int vmid;
	int r;

	if (!any_slot(mes, q->engine))
		return -ENOSPC;
	/* First of all: a VMID without a slot would only be taken from others. */
	if (!free_slot_of(mes, q->engine) && !slot_victim(mes, q->engine, now))
		return -EAGAIN;
	vmid = get_vmid(mes, q, now);
	if (!vmid)
		return -EAGAIN;
	if (!take_slot(mes, q)) {
		victim = slot_victim(mes, q->engine, now);
		if (!victim || evict(mes, victim) || !take_slot(mes, q))
			return -EAGAIN;
	}
	q->map.vmid = vmid;
	stop_listening(mes, q);
	/* Its thread looks at the write pointer in memory first. */
	__atomic_store_n(&q->rung, false, __ATOMIC_RELAXED);
	r = vgpu_engine_map(mes->dev, q->engine, &q->map);
	if (r) {
		free_slot(mes, q);
		return r == -EAGAIN ? -EIO : r;
	}
	q->state = MES_RESIDENT;
	q->since = now;
	v = &mes->vmids[vmid];
	if (!v->queues++)
		v->since = now;
	return 0;
}

void mes_limit(struct mes *mes, bool single_process)
{
	unsigned int i;

	mes->single_process = single_process;
	for (i = 1; i < MES_VMIDS; i++)
		if (mes->vmids[i].queues && !usable(mes, i))
			clear_vmid(mes, i);
	mes_kick(mes);
}

void mes_look(struct mes *mes)
{
	struct mes_queue *q;

	for (q = mes->queues; q; q = q->next)
		if (q->state == MES_IDLE)
			mes_wait(mes, q);
}

/* ---- turns ---- */

/* Who waits longest, of those behind @turn. */
static struct mes_queue *next_waiting(struct mes *mes, uint64_t turn)
{
	struct mes_queue *q, *best = NULL;

	for (q = mes->queues; q; q = q->next)
		if (q->state == MES_WAITING && q->turn > turn &&
		    (!best || q->turn < best->turn))
			best = q;
	return best;
}

uint64_t mes_schedule(struct mes *mes)
{
	uint64_t turn = 0, last, due = MES_NEVER;
	struct mes_queue *q;
	int r;

	for (q = mes->queues; q; q = q->next)
		if (q->state == MES_IDLE &&
		    __atomic_load_n(&q->rung, __ATOMIC_ACQUIRE))
			mes_wait(mes, q);
	/* Those that are evicted on the way have their turn another time. */
	last = mes->turns;
	while ((q = next_waiting(mes, turn)) && q->turn <= last) {
		turn = q->turn;
		r = mes_make_resident(mes, q);
		if (r == -EAGAIN) {
			due = LOOK_NS;
		} else if (r) {
			vgpu_count(mes->dev, VGPU_LOG_GUEST,
				   "mes: a queue that waited cannot be mapped: %s",
				   strerror(-r));
			mes_unmap(mes, q, VGPU_UNMAP_DROP, MES_RESET);
		}
	}
	if (next_waiting(mes, 0))
		due = LOOK_NS;
	return due;
}
