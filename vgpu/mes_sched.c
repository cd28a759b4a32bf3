/* SPDX-License-Identifier: MIT */
/*
 * What the scheduler knows of queues, gangs and processes. Every mapped queue
 * runs at once; a process has one VMID for all its queues.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mes_internal.h"

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
	return 0;
}

/* ---- VMIDs ---- */

/*
 * The VMID of the process in @f, given to it if need be; 0: none is free.
 *
 * A process keeps its VMID, and with it the translations cached for it, while
 * no other needs it, even when none of its queues is mapped: firmware may do
 * so, hence the driver must flush what it changes meanwhile. Only a VMID that
 * changes hands is flushed here.
 */
static unsigned int get_vmid(struct mes *mes, const union MESAPI__ADD_QUEUE *f)
{
	unsigned int i, best = 0;
	struct mes_vmid *v;

	for (i = 1; i < MES_VMIDS; i++) {
		v = &mes->vmids[i];
		if (v->usable && v->taken &&
		    v->process_addr == f->process_context_addr &&
		    v->pasid == f->process_id &&
		    v->pd_addr == f->page_table_base_addr)
			return i;
	}
	for (i = 1; i < MES_VMIDS; i++) {
		v = &mes->vmids[i];
		if (!v->usable || v->queues)
			continue;
		if (!v->taken) {
			best = i;
			break;
		}
		if (!best || v->last_use < mes->vmids[best].last_use)
			best = i;
	}
	if (!best)
		return 0;
	v = &mes->vmids[best];
	v->taken = true;
	v->process_addr = f->process_context_addr;
	v->pasid = f->process_id;
	v->pd_addr = f->page_table_base_addr;
	vgpu_vmid_set(mes->dev, best, v->pd_addr, v->pasid);
	vgpu_tlb_flush(mes->dev, VGPU_HUB_GC, 1u << best);
	return best;
}

static void use_vmid(struct mes *mes, unsigned int vmid, int n)
{
	if (!vmid)
		return;
	mes->vmids[vmid].queues += n;
	mes->vmids[vmid].last_use = ++mes->clock;
}

int mes_update_root(struct mes *mes, const union MESAPI__UPDATE_ROOT_PAGE_TABLE *f)
{
	unsigned int i;

	for (i = 1; i < MES_VMIDS; i++) {
		struct mes_vmid *v = &mes->vmids[i];

		if (!v->taken || v->process_addr != f->process_context_addr)
			continue;
		v->pd_addr = f->page_table_base_addr;
		vgpu_vmid_set(mes->dev, i, v->pd_addr, v->pasid);
		vgpu_tlb_flush(mes->dev, VGPU_HUB_GC, 1u << i);
		return 0;
	}
	return -ENOENT;
}

/* ---- slots ---- */

/* The next slot of @mask, an array of @pipes masks by pipe, in turn. */
static int pick_slot(struct mes *mes, enum vgpu_engine engine,
		     const uint32_t *mask, unsigned int pipes, uint8_t *pipe,
		     uint8_t *queue)
{
	unsigned int i, at;

	for (i = 1; i <= pipes * 32; i++) {
		at = (mes->next_slot[engine] + i) % (pipes * 32);
		/* Consecutive queues go to different pipes. */
		if (!(mask[at % pipes] >> (at / pipes) & 1))
			continue;
		mes->next_slot[engine] = at;
		*pipe = at % pipes;
		*queue = at / pipes;
		return 0;
	}
	return -ENOSPC;
}

static int place(struct mes *mes, struct mes_queue *q)
{
	struct vgpu_queue_map *m = &q->map;

	switch (q->engine) {
	case VGPU_ENGINE_GFX:
		m->me = 0;
		return pick_slot(mes, q->engine, mes->gfx_hqd_mask,
				 MAX_GFX_PIPES, &m->pipe, &m->queue);
	case VGPU_ENGINE_COMPUTE:
		/* Four pipes per compute engine; engine numbers begin at 1. */
		if (pick_slot(mes, q->engine, mes->compute_hqd_mask,
			      MAX_COMPUTE_PIPES, &m->pipe, &m->queue))
			return -ENOSPC;
		m->me = 1 + m->pipe / 4;
		m->pipe %= 4;
		return 0;
	default:
		m->me = 0;
		return pick_slot(mes, q->engine, mes->sdma_hqd_mask,
				 MAX_SDMA_PIPES, &m->pipe, &m->queue);
	}
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

static int map_queue(struct mes *mes, struct mes_queue *q)
{
	int r;

	r = vgpu_engine_map(mes->dev, q->engine, &q->map);
	if (r)
		return r;
	q->state = MES_MAPPED;
	use_vmid(mes, q->map.vmid, 1);
	return 0;
}

static void unmap_queue(struct mes *mes, struct mes_queue *q,
			enum mes_queue_state state)
{
	if (q->state == MES_MAPPED) {
		/* It may be gone already: registers can reset it, too. */
		vgpu_engine_unmap(mes->dev, q->engine, q->map.doorbell,
				  state == MES_RESET);
		use_vmid(mes, q->map.vmid, -1);
	}
	q->state = state;
}

static void drop_queue(struct mes *mes, struct mes_queue *q)
{
	struct mes_queue **p;

	unmap_queue(mes, q, MES_SUSPENDED);
	for (p = &mes->queues; *p != q; p = &(*p)->next)
		;
	*p = q->next;
	mes->n_queues--;
	free(q);
}

void mes_forget(struct mes *mes, bool unmap)
{
	struct mes_queue *q;

	while ((q = mes->queues)) {
		if (!unmap)
			q->state = MES_SUSPENDED;
		drop_queue(mes, q);
	}
	memset(mes->vmids, 0, sizeof(mes->vmids));
	memset(mes->next_slot, 0, sizeof(mes->next_slot));
	memset(mes->gfx_hqd_mask, 0, sizeof(mes->gfx_hqd_mask));
	memset(mes->compute_hqd_mask, 0, sizeof(mes->compute_hqd_mask));
	memset(mes->sdma_hqd_mask, 0, sizeof(mes->sdma_hqd_mask));
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
	if (mes->n_queues == MES_MAX_QUEUES)
		return -ENOSPC;
	q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
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
		q->map.vmid = get_vmid(mes, f);
		r = -ENOSPC;
		if (!q->map.vmid)
			goto err_free;
		r = place(mes, q);
		if (r)
			goto err_free;
	}
	if (f->is_gang_suspended)
		q->state = MES_SUSPENDED;
	else
		r = map_queue(mes, q);
	if (r)
		goto err_free;
	q->next = mes->queues;
	mes->queues = q;
	mes->n_queues++;
	vgpu_stat(mes->dev, kernel ? "mes: kernel queues added" :
				     "mes: user queues added", 1);
	return 0;

err_free:
	free(q);
	return r;
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
	if (f->preempt_legacy_gfx_queue)
		return 0;
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
	drop_queue(mes, q);
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

int mes_suspend(struct mes *mes, const union MESAPI__SUSPEND *f)
{
	struct mes_queue *q;

	for (q = mes->queues; q; q = q->next)
		if (q->state == MES_MAPPED &&
		    in_gang(q, f->suspend_all_gangs, f->gang_context_addr,
			    f->doorbell_offset))
			unmap_queue(mes, q, MES_SUSPENDED);
	if (f->suspend_fence_addr)
		vgpu_mem_write64(mes->dev, &mes_client,
				 f->suspend_fence_addr & ~7ull,
				 f->suspend_fence_value);
	return 0;
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
	unmap_queue(mes, q, MES_RESET);
	return map_queue(mes, q);
}

int mes_reset_queue(struct mes *mes, const union MESAPI__RESET *f)
{
	enum vgpu_engine engine;
	struct mes_queue *q;
	int r;

	/*
	 * Nothing hangs by itself here: what waits can be unmapped. The driver
	 * has filled the list of hung queues with "none".
	 */
	if (f->hang_detect_only || f->hang_detect_then_reset)
		return 0;
	if (f->reset_legacy_gfx) {
		q = find(mes, VGPU_ENGINE_GFX, f->doorbell_offset_lp);
		return q ? reset_kernel_queue(mes, q) : absent(mes, "reset");
	}
	r = engine_of(f->queue_type, &engine);
	if (r)
		return r;
	q = find(mes, engine, f->doorbell_offset);
	if (!q)
		return absent(mes, "reset");
	if (!q->map.user)
		return reset_kernel_queue(mes, q);
	unmap_queue(mes, q, MES_RESET);
	return 0;
}
