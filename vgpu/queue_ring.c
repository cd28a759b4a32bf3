/* SPDX-License-Identifier: MIT */
/* Rings and the pointers into them, see queue_ring.h. */
#include <errno.h>

#include "queue_ring.h"

struct vgpu *vgpu_queue_dev(struct vgpu_queue *q)
{
	return q->dev;
}

const struct vgpu_queue_config *vgpu_queue_config(struct vgpu_queue *q)
{
	return &q->cfg;
}

int queue_init(struct vgpu_queue *q, struct vgpu *dev,
	       const struct vgpu_queue_config *cfg)
{
	if (!cfg->size_dw || (cfg->size_dw & (cfg->size_dw - 1)) ||
	    cfg->rptr_shift > 3)
		return -EINVAL;
	q->dev = dev;
	q->cfg = *cfg;
	q->rptr = cfg->rptr;
	q->wptr = cfg->wptr;
	return 0;
}

static void doorbell(struct vgpu *dev, void *priv, uint32_t index, uint64_t value)
{
	struct vgpu_queue *q = priv;

	(void)dev;
	(void)index;
	vgpu_queue_kick(q, value >> q->cfg.rptr_shift);
}

int queue_bind(struct vgpu_queue *q)
{
	if (q->cfg.doorbell == UINT32_MAX)
		return 0;
	return vgpu_doorbell_bind(q->dev, q->cfg.doorbell, doorbell, q);
}

void queue_unbind(struct vgpu_queue *q)
{
	if (q->cfg.doorbell != UINT32_MAX)
		vgpu_doorbell_unbind(q->dev, q->cfg.doorbell);
}

/* Read ring dwords from @pos on, as many as are written and do not wrap. */
static void fetch(struct vgpu_queue *q, uint64_t pos)
{
	uint32_t at = pos & (q->cfg.size_dw - 1);
	uint64_t n = QUEUE_FETCH_DW;
	int r;

	if (n > q->cfg.size_dw - at)
		n = q->cfg.size_dw - at;
	if (n > q->limit - pos)
		n = q->limit - pos;
	r = vgpu_mem_read(q->dev, &q->cfg.client, q->cfg.base + at * 4ull,
			  q->fetch, n * 4);
	if (r)
		q->fetch_error = r;
	q->fetched = pos;
	q->fetched_end = pos + n;
}

uint32_t vgpu_queue_dword(struct vgpu_queue *q, uint64_t pos)
{
	if (pos >= q->limit)
		return 0;
	if (pos < q->fetched || pos >= q->fetched_end)
		fetch(q, pos);
	return q->fetch[pos - q->fetched];
}

int vgpu_queue_dwords(struct vgpu_queue *q, uint64_t pos, uint32_t *out, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n && !q->fetch_error; i++)
		out[i] = vgpu_queue_dword(q, pos + i);
	return q->fetch_error;
}

static void report_rptr(struct vgpu_queue *q)
{
	const struct vgpu_queue_config *c = &q->cfg;
	uint64_t rptr = q->rptr;

	if (!c->rptr_report)
		return;
	if (c->rptr_report_wrapped)
		rptr &= c->size_dw - 1;
	rptr <<= c->rptr_shift;
	if (c->rptr_report & 7)
		vgpu_mem_write32(q->dev, &c->client, c->rptr_report & ~3ull, rptr);
	else
		vgpu_mem_write64(q->dev, &c->client, c->rptr_report, rptr);
}

/*
 * The write pointer in the read pointer's count. Some writers wrap it at the
 * ring's size; no writer can be more than a ring ahead.
 */
static uint64_t unwrap(struct vgpu_queue *q, uint64_t wptr)
{
	uint64_t rptr = __atomic_load_n(&q->rptr, __ATOMIC_ACQUIRE);

	if (wptr - rptr <= q->cfg.size_dw)
		return wptr;
	return rptr + ((wptr - rptr) & (q->cfg.size_dw - 1));
}

int vgpu_queue_where(struct vgpu_queue *q, uint64_t *rptr, uint64_t *wptr)
{
	*rptr = __atomic_load_n(&q->rptr, __ATOMIC_ACQUIRE);
	*wptr = unwrap(q, __atomic_load_n(&q->wptr, __ATOMIC_ACQUIRE));
	return __atomic_load_n(&q->error, __ATOMIC_ACQUIRE);
}

bool vgpu_queue_started(struct vgpu_queue *q)
{
	return __atomic_load_n(&q->started, __ATOMIC_ACQUIRE);
}

bool queue_poll_wptr(struct vgpu_queue *q, uint64_t *wptr)
{
	struct vgpu_client poller = q->cfg.client;

	if (q->cfg.wptr_poll_kernel)
		poller.vmid = 0;
	if (!q->cfg.wptr_poll ||
	    vgpu_mem_read64(q->dev, &poller, q->cfg.wptr_poll, wptr))
		return false;
	*wptr >>= q->cfg.rptr_shift;
	return true;
}

void queue_begin(struct vgpu_queue *q)
{
	report_rptr(q);
	__atomic_store_n(&q->started, true, __ATOMIC_RELEASE);
}

void queue_set_limit(struct vgpu_queue *q, uint64_t wptr)
{
	q->limit = unwrap(q, wptr);
	/* What lay beyond the old limit may have been rewritten since. */
	q->fetched = q->fetched_end = 0;
	q->fetch_error = 0;
}

int queue_execute(struct vgpu_queue *q)
{
	int n;

	/* Fetch first: what cannot be read is not executed. */
	vgpu_queue_dword(q, q->rptr);
	n = q->fetch_error;
	if (!n)
		n = q->cfg.exec(q, q->cfg.priv, q->rptr, q->limit);
	if (n > 0 && (uint64_t)n > q->limit - q->rptr)
		n = -EINVAL;
	return n;
}

void queue_advance(struct vgpu_queue *q, int n)
{
	__atomic_store_n(&q->rptr, q->rptr + n, __ATOMIC_RELEASE);
	vgpu_stat(q->dev, "queue: packets", 1);
	report_rptr(q);
}

void queue_halt(struct vgpu_queue *q, int error)
{
	__atomic_store_n(&q->error, error, __ATOMIC_RELEASE);
}
