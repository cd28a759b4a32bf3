/* SPDX-License-Identifier: MIT */
/*
 * Ring buffers with a thread each, see queue.h.
 *
 * The queue's lock is a leaf: it protects the sleep of the thread and is never
 * held across a call to anything else, so a doorbell may be rung under any lock.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deadline.h"
#include "gate.h"
#include "queue.h"

#define FETCH_DW	256	/* dwords read from the ring at once */
#define SPINS		50	/* polls of a wait before it sleeps */
#define MAX_PAUSE_US	1000
/* How long a queue that is being stopped waits for one that it stops. */
#define MUTUAL_POLL_US	100
#define MUTUAL_POLLS	500

struct vgpu_queue {
	struct vgpu *dev;
	struct vgpu_queue_config cfg;
	struct gate *gate;
	pthread_t thread;

	pthread_mutex_t lock;
	pthread_cond_t wake;
	/* Atomic; written under the lock so that no wake-up is lost. */
	uint64_t wptr;
	bool stopping;
	/* Under the lock. */
	bool orphan;		/* nobody waits for the thread: it frees all itself */
	bool ended;

	/* Written by the thread, atomic; others may look. */
	uint64_t rptr;
	int error;		/* why the thread executes nothing any more */
	bool started;		/* it has looked at the write pointer in memory */

	/* The thread's own. */
	int fetch_error;
	uint64_t limit;		/* the write pointer exec was called with */
	uint64_t fetched, fetched_end;
	uint32_t fetch[FETCH_DW];
};

/* The queue whose thread this is. */
static __thread struct vgpu_queue *self;

struct vgpu *vgpu_queue_dev(struct vgpu_queue *q)
{
	return q->dev;
}

const struct vgpu_queue_config *vgpu_queue_config(struct vgpu_queue *q)
{
	return &q->cfg;
}

bool vgpu_queue_stopping(struct vgpu_queue *q)
{
	return __atomic_load_n(&q->stopping, __ATOMIC_ACQUIRE);
}

void vgpu_queue_kick(struct vgpu_queue *q, uint64_t wptr)
{
	pthread_mutex_lock(&q->lock);
	__atomic_store_n(&q->wptr, wptr, __ATOMIC_RELEASE);
	pthread_cond_signal(&q->wake);
	pthread_mutex_unlock(&q->lock);
}

static void doorbell(struct vgpu *dev, void *priv, uint32_t index, uint64_t value)
{
	struct vgpu_queue *q = priv;

	(void)dev;
	(void)index;
	vgpu_queue_kick(q, value >> q->cfg.rptr_shift);
}

/* Read ring dwords from @pos on, as many as are written and do not wrap. */
static void fetch(struct vgpu_queue *q, uint64_t pos)
{
	uint32_t at = pos & (q->cfg.size_dw - 1);
	uint64_t n = FETCH_DW;
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

static bool stopping(void *arg)
{
	return vgpu_queue_stopping(arg);
}

int vgpu_queue_packet(struct vgpu_queue *q)
{
	return gate_enter(q->gate, true, stopping, q) ? 0 : -ECANCELED;
}

bool vgpu_queue_started(struct vgpu_queue *q)
{
	return __atomic_load_n(&q->started, __ATOMIC_ACQUIRE);
}

/* Execute up to the write pointer; false when the queue is to stop. */
static bool run(struct vgpu_queue *q, uint64_t wptr)
{
	int n;

	q->limit = unwrap(q, wptr);
	/* What lay beyond the old limit may have been rewritten since. */
	q->fetched = q->fetched_end = 0;
	q->fetch_error = 0;
	while (q->rptr != q->limit) {
		if (vgpu_queue_stopping(q) ||
		    !gate_enter(q->gate, false, stopping, q))
			return false;
		/* Fetch first: what cannot be read is not executed. */
		vgpu_queue_dword(q, q->rptr);
		n = q->fetch_error;
		if (!n)
			n = q->cfg.exec(q, q->cfg.priv, q->rptr, q->limit);
		gate_leave(q->gate, n > 0);
		if (!n)
			return true;
		if (n > 0 && (uint64_t)n > q->limit - q->rptr)
			n = -EINVAL;
		if (n < 0) {
			if (n != -ECANCELED || !vgpu_queue_stopping(q))
				vgpu_count(q->dev, VGPU_LOG_GUEST,
					   "queue: %s halted: %s", q->cfg.name,
					   strerror(-n));
			__atomic_store_n(&q->error, n, __ATOMIC_RELEASE);
			return false;
		}
		__atomic_store_n(&q->rptr, q->rptr + n, __ATOMIC_RELEASE);
		vgpu_stat(q->dev, "queue: packets", 1);
		report_rptr(q);
	}
	return true;
}

static void destroy(struct vgpu_queue *q)
{
	pthread_cond_destroy(&q->wake);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

/* The write pointer in memory, in dwords; false: it has none, or it faults. */
static bool poll_wptr(struct vgpu_queue *q, uint64_t *wptr)
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

/* Sleep until the write pointer is not @seen; returns what it is. */
static uint64_t wait_for_work(struct vgpu_queue *q, uint64_t seen)
{
	bool poll = q->cfg.wptr_poll && q->cfg.wptr_poll_us;
	struct timespec until;
	uint64_t wptr;

	pthread_mutex_lock(&q->lock);
	while (!q->stopping && q->wptr == seen) {
		if (!poll) {
			pthread_cond_wait(&q->wake, &q->lock);
			continue;
		}
		until = deadline_us(q->cfg.wptr_poll_us);
		if (pthread_cond_timedwait(&q->wake, &q->lock, &until) !=
		    ETIMEDOUT)
			continue;
		pthread_mutex_unlock(&q->lock);
		poll = poll_wptr(q, &wptr);
		pthread_mutex_lock(&q->lock);
		/* A doorbell may have brought a newer one meanwhile. */
		if (poll && (int64_t)(wptr - q->wptr) > 0)
			__atomic_store_n(&q->wptr, wptr, __ATOMIC_RELEASE);
	}
	seen = q->wptr;
	pthread_mutex_unlock(&q->lock);
	return seen;
}

static void *queue_thread(void *arg)
{
	struct vgpu_queue *q = arg;
	uint64_t seen, wptr;
	bool alive = true, orphan;

	self = q;
	/* Doorbells rung while nobody listened are lost: look once. */
	if (poll_wptr(q, &wptr)) {
		pthread_mutex_lock(&q->lock);
		if (q->wptr == q->cfg.wptr)
			__atomic_store_n(&q->wptr, wptr, __ATOMIC_RELEASE);
		pthread_mutex_unlock(&q->lock);
	}
	report_rptr(q);
	__atomic_store_n(&q->started, true, __ATOMIC_RELEASE);
	seen = q->rptr;
	while (alive && !vgpu_queue_stopping(q)) {
		seen = wait_for_work(q, seen);
		if (!vgpu_queue_stopping(q))
			alive = run(q, seen);
	}
	pthread_mutex_lock(&q->lock);
	q->ended = true;
	orphan = q->orphan;
	pthread_mutex_unlock(&q->lock);
	if (orphan) {
		if (q->cfg.release)
			q->cfg.release(q->cfg.priv);
		destroy(q);
	}
	return NULL;
}

/* Wait for a wake-up or @us; the queue's lock is not held. */
static void pause_us(struct vgpu_queue *q, unsigned int us)
{
	struct timespec until = deadline_us(us);

	pthread_mutex_lock(&q->lock);
	if (!q->stopping)
		pthread_cond_timedwait(&q->wake, &q->lock, &until);
	pthread_mutex_unlock(&q->lock);
}

int vgpu_queue_wait(struct vgpu_queue *q, bool (*ready)(void *arg), void *arg)
{
	unsigned int i, us = 10;

	for (i = 0; !ready(arg); i++) {
		if (vgpu_queue_stopping(q))
			return -ECANCELED;
		if (i < SPINS) {
			sched_yield();
			continue;
		}
		pause_us(q, us);
		if (us < MAX_PAUSE_US)
			us *= 2;
	}
	return 0;
}

struct vgpu_queue *vgpu_queue_start(struct vgpu *dev,
				    const struct vgpu_queue_config *cfg, int *err)
{
	pthread_condattr_t attr;
	struct vgpu_queue *q;
	char name[16];

	*err = -EINVAL;
	if (!cfg->size_dw || (cfg->size_dw & (cfg->size_dw - 1)) ||
	    cfg->rptr_shift > 3)
		return NULL;
	*err = -ENOMEM;
	q = calloc(1, sizeof(*q));
	if (!q)
		return NULL;
	q->dev = dev;
	q->cfg = *cfg;
	q->rptr = cfg->rptr;
	q->wptr = cfg->wptr;
	q->gate = gate_of(vgpu_gates(dev), cfg->name, cfg->user);
	if (!q->gate) {
		free(q);
		return NULL;
	}
	pthread_mutex_init(&q->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&q->wake, &attr);
	pthread_condattr_destroy(&attr);

	if (cfg->doorbell != UINT32_MAX) {
		*err = vgpu_doorbell_bind(dev, cfg->doorbell, doorbell, q);
		if (*err)
			goto err_destroy;
	}
	*err = -pthread_create(&q->thread, NULL, queue_thread, q);
	if (*err)
		goto err_unbind;
	snprintf(name, sizeof(name), "%.15s", cfg->name);
	pthread_setname_np(q->thread, name);
	return q;

err_unbind:
	if (cfg->doorbell != UINT32_MAX)
		vgpu_doorbell_unbind(dev, cfg->doorbell);
err_destroy:
	destroy(q);
	return NULL;
}

/* From now on the thread of @q frees it; false if it has ended already. */
static bool abandon(struct vgpu_queue *q)
{
	bool ended;

	pthread_mutex_lock(&q->lock);
	ended = q->ended;
	q->orphan = !ended;
	pthread_mutex_unlock(&q->lock);
	if (!ended)
		pthread_detach(q->thread);
	return !ended;
}

/* Wait for the thread of @q; false if that cannot be, and it is abandoned. */
static bool wait_for_end(struct vgpu_queue *q)
{
	unsigned int polls = 0;

	/* Nobody waits for who is no queue. */
	if (!self) {
		pthread_join(q->thread, NULL);
		return true;
	}
	while (pthread_tryjoin_np(q->thread, NULL)) {
		if (++polls < SPINS) {
			sched_yield();
			continue;
		}
		if (!vgpu_queue_stopping(self))
			polls = SPINS;
		if (polls > SPINS + MUTUAL_POLLS && abandon(q))
			return false;
		usleep(MUTUAL_POLL_US);
	}
	return true;
}

bool vgpu_queue_stop(struct vgpu_queue *q, uint64_t *rptr, uint64_t *wptr)
{
	struct vgpu *dev = q->dev;
	unsigned int depth;
	uint64_t r, w;
	bool ended;

	if (q->cfg.doorbell != UINT32_MAX)
		vgpu_doorbell_unbind(q->dev, q->cfg.doorbell);
	pthread_mutex_lock(&q->lock);
	__atomic_store_n(&q->stopping, true, __ATOMIC_RELEASE);
	pthread_cond_broadcast(&q->wake);
	pthread_mutex_unlock(&q->lock);
	/* Once abandoned, it may be gone at any time. */
	vgpu_queue_where(q, &r, &w);
	if (q == self) {
		abandon(q);
		ended = false;
	} else {
		gate_wake(q->gate);
		depth = vgpu_reg_lock_suspend(dev);
		ended = wait_for_end(q);
		vgpu_reg_lock_resume(dev, depth);
	}
	if (ended)
		vgpu_queue_where(q, &r, &w);
	if (rptr)
		*rptr = r;
	if (wptr)
		*wptr = w;
	if (ended)
		destroy(q);
	return ended;
}
