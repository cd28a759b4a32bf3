/* SPDX-License-Identifier: MIT */
/*
 * What the scheduler knows of queues and gangs, and the messages about them.
 * Which of the queues run is decided in mes_slots.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mes_internal.h"
#include "transport.h"

static int engine_of(enum MES_QUEUE_TYPE type, enum vgpu_engine *engine)
{
	switch (type) {
	case MES_QUEUE_TYPE_GFX:
		*engine = VGPU_ENGINE_GFX;
		return 0;
	case MES_QUEUE_TYPE_COMPUTE:
		*engine = VGPU_ENGINE_COMPUTE;
		return 0;
	case MES_QUEUE_TYPE_SDMA:
		*engine = VGPU_ENGINE_SDMA;
		return 0;
	default:
		return -EINVAL;
	}
}

int mes_set_hw_resources(struct mes *mes, const union MESAPI_SET_HW_RESOURCES *f)
{
	unsigned int i;

	memcpy(mes->gfx_hqd_mask, f->gfx_hqd_mask, sizeof(mes->gfx_hqd_mask));
	memcpy(mes->compute_hqd_mask, f->compute_hqd_mask,
	       sizeof(mes->compute_hqd_mask));
	memcpy(mes->sdma_hqd_mask, f->sdma_hqd_mask, sizeof(mes->sdma_hqd_mask));
	/* VMID 0 is the kernel's, whatever the mask says. */
	for (i = 1; i < MES_VMIDS; i++)
		mes->vmids[i].usable = f->vmid_mask_gfxhub >> i & 1;
	mes_limit(mes, f->limit_single_process);
	return 0;
}

int mes_update_root(struct mes *mes, const union MESAPI__UPDATE_ROOT_PAGE_TABLE *f)
{
	struct mes_queue *q;
	int r = -ENOENT;
	unsigned int i;

	for (q = mes->queues; q; q = q->next) {
		if (!q->map.user || q->process_addr != f->process_context_addr)
			continue;
		q->pd_addr = f->page_table_base_addr;
		r = 0;
	}
	for (i = 1; i < MES_VMIDS; i++) {
		struct mes_vmid *v = &mes->vmids[i];

		if (!v->taken || v->process_addr != f->process_context_addr)
			continue;
		v->pd_addr = f->page_table_base_addr;
		vgpu_vmid_set(mes->dev, i, v->pd_addr, v->pasid);
		vgpu_tlb_flush(mes->dev, VGPU_HUB_GC, 1u << i);
		r = 0;
	}
	return r;
}

/* ---- queues ---- */

static struct mes_queue *find(struct mes *mes, enum vgpu_engine engine,
			      uint32_t doorbell)
{
	struct mes_queue *q;

	for (q = mes->queues; q; q = q->next)
		if (q->engine == engine && q->map.doorbell == doorbell)
			return q;
	return NULL;
}

/*
 * Kernel queues have the slots the driver gives them, all at once; a user
 * queue is to run as soon as it may.
 */
static int map_queue(struct mes *mes, struct mes_queue *q)
{
	int r;

	if (q->map.user) {
		r = mes_make_resident(mes, q);
		if (r != -EAGAIN)
			return r;
		mes_wait(mes, q);
		return 0;
	}
	r = vgpu_engine_map(mes->dev, q->engine, &q->map);
	if (!r)
		q->state = MES_RESIDENT;
	return r;
}

static void forget_queue(struct mes *mes, struct mes_queue *q)
{
	struct mes_queue **p;

	for (p = &mes->queues; *p != q; p = &(*p)->next)
		;
	*p = q->next;
	mes->n_queues--;
	free(q);
	/* Others may have waited for what it had. */
	mes_kick(mes);
}

void mes_forget(struct mes *mes)
{
	struct mes_queue *q;

	while ((q = mes->queues)) {
		mes_unmap(mes, q, VGPU_UNMAP_DROP, MES_RESET);
		forget_queue(mes, q);
	}
	memset(mes->vmids, 0, sizeof(mes->vmids));
	memset(mes->slots_used, 0, sizeof(mes->slots_used));
	memset(mes->next_slot, 0, sizeof(mes->next_slot));
	memset(mes->gfx_hqd_mask, 0, sizeof(mes->gfx_hqd_mask));
	memset(mes->compute_hqd_mask, 0, sizeof(mes->compute_hqd_mask));
	memset(mes->sdma_hqd_mask, 0, sizeof(mes->sdma_hqd_mask));
	mes->single_process = false;
}

/* Quanta are given in units of 100 ns (mes_userq_map). */
static uint64_t quantum_ns(uint64_t quantum)
{
	const uint64_t least = 1000000, most = 1000000000;

	if (quantum < least / 100)
		return least;
	return quantum > most / 100 ? most : quantum * 100;
}

int mes_add_queue(struct mes *mes, const union MESAPI__ADD_QUEUE *f)
{
	bool kernel = f->map_legacy_kq || f->map_kiq_utility_queue;
	enum vgpu_engine engine;
	struct mes_queue *q;
	int r;

	r = engine_of(f->queue_type, &engine);
	if (r)
		return r;
	if (find(mes, engine, f->doorbell_offset))
		return -EBUSY;
	/* beyond the doorbells, and what stands for none */
	if (f->doorbell_offset >= VGPU_BAR_DOORBELL_SIZE / 4)
		return -EINVAL;
	if (mes->n_queues == MES_MAX_QUEUES)
		return -ENOSPC;
	q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	q->mes = mes;
	q->engine = engine;
	q->map = (struct vgpu_queue_map){
		.mqd_addr = f->mqd_addr,
		.wptr_addr = f->wptr_addr,
		.doorbell = f->doorbell_offset,
		.user = !kernel,
	};
	if (kernel) {
		/* The driver numbers pipes and queues of its own rings. */
		q->map.me = engine == VGPU_ENGINE_COMPUTE;
		q->map.pipe = f->pipe_id;
		q->map.queue = f->queue_id;
	} else {
		q->gang_addr = f->gang_context_addr;
		q->process_addr = f->process_context_addr;
		q->map.pasid = f->process_id;
		q->pd_addr = f->page_table_base_addr;
		q->quantum = quantum_ns(f->process_quantum);
	}
	/* It is run as PM4, which hangs at the first packet. */
	if (f->is_aql_queue)
		vgpu_count(mes->dev, VGPU_LOG_UNIMP, "mes: AQL queue not modelled");
	q->state = MES_SUSPENDED;
	q->next = mes->queues;
	mes->queues = q;
	mes->n_queues++;
	if (!f->is_gang_suspended)
		r = map_queue(mes, q);
	if (r) {
		forget_queue(mes, q);
		return r;
	}
	vgpu_stat(mes->dev, kernel ? "mes: kernel queues added" :
				     "mes: user queues added", 1);
	return 0;
}

/*
 * The driver resets and removes queues that a reset, by message or by
 * registers, has removed already (mes_userq_reset, amdgpu_gfx_mes_reset_queue)
 * and takes a refusal for a broken scheduler: nothing to do is success.
 */
static int absent(struct mes *mes, const char *what)
{
	vgpu_count(mes->dev, VGPU_LOG_INFO, "mes: absent queue %s", what);
	return 0;
}

int mes_remove_queue(struct mes *mes, const union MESAPI__REMOVE_QUEUE *f)
{
	bool kernel = f->unmap_legacy_gfx_queue || f->unmap_legacy_queue ||
		      f->unmap_kiq_utility_queue;
	enum vgpu_engine engine;
	struct mes_queue *q;
	int r;

	/*
	 * Preempting a kernel queue: what it executes is short, and the driver
	 * waits for a fence of the ring itself (amdgpu_gfx_ring_preempt_ib).
	 */
	if (f->preempt_legacy_gfx_queue) {
		vgpu_count(mes->dev, VGPU_LOG_UNIMP,
			   "mes: preemption of a kernel queue not modelled");
		return 0;
	}
	if (f->unmap_legacy_gfx_queue) {
		engine = VGPU_ENGINE_GFX;
	} else {
		r = engine_of(f->queue_type, &engine);
		if (r)
			return r;
	}
	q = find(mes, engine, f->doorbell_offset);
	if (!q)
		return absent(mes, "removed");
	r = mes_unmap(mes, q, VGPU_UNMAP_SAVE, MES_SUSPENDED);
	if (r)
		return r;
	forget_queue(mes, q);
	vgpu_stat(mes->dev, kernel ? "mes: kernel queues removed" :
				     "mes: user queues removed", 1);
	return 0;
}

/* ---- gangs ---- */

static bool in_gang(const struct mes_queue *q, bool all, uint64_t gang,
		    uint32_t doorbell)
{
	if (!q->map.user)
		return false;
	return all || (gang ? q->gang_addr == gang :
			      q->map.doorbell == doorbell);
}

/*
 * A gang with a hung queue cannot be suspended: the message fails, from which
 * the driver takes that it has to look for hung queues. All others are.
 */
int mes_suspend(struct mes *mes, const union MESAPI__SUSPEND *f)
{
	struct mes_queue *q;
	int r, first = 0;

	for (q = mes->queues; q; q = q->next) {
		if (q->state == MES_SUSPENDED || q->state == MES_RESET ||
		    !in_gang(q, f->suspend_all_gangs, f->gang_context_addr,
			     f->doorbell_offset))
			continue;
		r = mes_unmap(mes, q, VGPU_UNMAP_SAVE, MES_SUSPENDED);
		if (r && !first)
			first = r;
	}
	mes_kick(mes);
	if (!first && f->suspend_fence_addr)
		vgpu_mem_write64(mes->dev, &mes_client,
				 f->suspend_fence_addr & ~7ull,
				 f->suspend_fence_value);
	return first;
}

int mes_resume(struct mes *mes, const union MESAPI__RESUME *f)
{
	struct mes_queue *q;
	int r, first = 0;

	for (q = mes->queues; q; q = q->next) {
		if (q->state != MES_SUSPENDED ||
		    !in_gang(q, f->resume_all_gangs, f->gang_context_addr,
			     f->doorbell_offset))
			continue;
		r = map_queue(mes, q);
		if (r && !first)
			first = r;
	}
	return first;
}

/* ---- reset ---- */

/* A kernel queue comes back empty: the driver writes anew what it wants. */
static int reset_kernel_queue(struct mes *mes, struct mes_queue *q)
{
	mes_unmap(mes, q, VGPU_UNMAP_RESET, MES_RESET);
	return map_queue(mes, q);
}

/* Slots the driver has lent us: how many doorbells fit into its list. */
static unsigned int slots(const struct mes *mes)
{
	unsigned int i, n = 0;

	for (i = 0; i < MAX_GFX_PIPES; i++)
		n += __builtin_popcount(mes->gfx_hqd_mask[i]);
	for (i = 0; i < MAX_COMPUTE_PIPES; i++)
		n += __builtin_popcount(mes->compute_hqd_mask[i]);
	for (i = 0; i < MAX_SDMA_PIPES; i++)
		n += __builtin_popcount(mes->sdma_hqd_mask[i]);
	return n;
}

/*
 * List the hung queues of one kind: an array of doorbells, then as long a one
 * of struct amdgpu_mes_hung_queue_hqd_info (amdgpu_mes_init,
 * amdgpu_mes_detect_and_reset_hung_queues). The driver has filled both with
 * "none".
 */
static int detect_hung(struct mes *mes, const union MESAPI__RESET *f,
		       enum vgpu_engine engine)
{
	unsigned int n = 0, size = slots(mes);
	struct vgpu_queue_state st;
	struct mes_queue *q;
	uint64_t list = f->doorbell_offset_addr & ~3ull;
	int r;

	for (q = mes->queues; q; q = q->next) {
		if (q->state != MES_RESIDENT || q->engine != engine)
			continue;
		if (vgpu_engine_state(mes->dev, engine, q->map.doorbell, &st) ||
		    !st.hung)
			continue;
		vgpu_count(mes->dev, VGPU_LOG_INFO, "mes: hung queues found");
		if (list && n < size) {
			r = vgpu_mem_write32(mes->dev, &mes_client,
					     list + n * 4, q->map.doorbell);
			if (!r)
				r = vgpu_mem_write32(mes->dev, &mes_client,
						     list + (size + n) * 4,
						     (f->queue_type & 7) |
						     (q->map.pipe & 15) << 3 |
						     (uint32_t)q->map.queue << 7);
			if (r)
				return r;
			n++;
		}
		if (!f->hang_detect_then_reset)
			continue;
		if (q->map.user)
			mes_unmap(mes, q, VGPU_UNMAP_RESET, MES_RESET);
		else
			reset_kernel_queue(mes, q);
	}
	mes_kick(mes);
	return 0;
}

int mes_reset_queue(struct mes *mes, const union MESAPI__RESET *f)
{
	enum vgpu_engine engine;
	struct mes_queue *q;
	int r;

	if (f->reset_legacy_gfx) {
		q = find(mes, VGPU_ENGINE_GFX, f->doorbell_offset_lp);
		return q ? reset_kernel_queue(mes, q) : absent(mes, "reset");
	}
	r = engine_of(f->queue_type, &engine);
	if (r)
		return r;
	if (f->hang_detect_only || f->hang_detect_then_reset)
		return detect_hung(mes, f, engine);
	q = find(mes, engine, f->doorbell_offset);
	if (!q)
		return absent(mes, "reset");
	if (!q->map.user)
		return reset_kernel_queue(mes, q);
	mes_unmap(mes, q, VGPU_UNMAP_RESET, MES_RESET);
	mes_kick(mes);
	vgpu_stat(mes->dev, "mes: user queues reset", 1);
	return 0;
}
