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
#include "queue_ring.h"

#define SPINS		50	/* polls of a wait before it sleeps */
#define MAX_PAUSE_US	1000
/* How long a queue that is being stopped waits for one that it stops. */
#define MUTUAL_POLL_US	100
#define MUTUAL_POLLS	500

struct queue {
	struct vgpu_queue q;	/* first; its wptr is written under the lock */
	struct gate *gate;
	pthread_t thread;

	pthread_mutex_t lock;
	pthread_cond_t wake;
	/* Atomic; written under the lock so that no wake-up is lost. */
	bool stopping;
	/* Under the lock. */
	bool orphan;		/* nobody waits for the thread: it frees all itself */
	bool ended;
};

/* The queue whose thread this is. */
static __thread struct queue *self;

static struct queue *of(struct vgpu_queue *q)
{
	return (struct queue *)q;
}

bool vgpu_queue_stopping(struct vgpu_queue *q)
{
	return __atomic_load_n(&of(q)->stopping, __ATOMIC_ACQUIRE);
}

void vgpu_queue_kick(struct vgpu_queue *q, uint64_t wptr)
{
	struct queue *t = of(q);

	pthread_mutex_lock(&t->lock);
	__atomic_store_n(&q->wptr, wptr, __ATOMIC_RELEASE);
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
}

static bool stopping(void *arg)
{
	return vgpu_queue_stopping(arg);
}

static bool halted(struct vgpu_queue *q)
{
	return q->cfg.halted && q->cfg.halted(q->cfg.priv);
}

static bool at_once(void *arg)
{
	(void)arg;
	return true;
}

/* Wait while the engine is halted, then while it is held. */
static bool enter(struct queue *t, bool inner)
{
	return !vgpu_queue_wait(&t->q, at_once, NULL) &&
		gate_enter(t->gate, inner, stopping, &t->q);
}

int vgpu_queue_packet(struct vgpu_queue *q)
{
	return enter(of(q), true) ? 0 : -ECANCELED;
}

/* Execute up to the write pointer; false when the queue is to stop. */
static bool run(struct queue *t, uint64_t wptr)
{
	struct vgpu_queue *q = &t->q;
	int n;

	queue_set_limit(q, wptr);
	while (q->rptr != q->limit) {
		if (vgpu_queue_stopping(q) || !enter(t, false))
			return false;
		n = queue_execute(q);
		gate_leave(t->gate, n > 0);
		if (!n)
			return true;
		if (n < 0) {
			if (n != -ECANCELED || !vgpu_queue_stopping(q))
				vgpu_count(q->dev, VGPU_LOG_GUEST,
					   "queue: %s halted: %s", q->cfg.name,
					   strerror(-n));
			queue_halt(q, n);
			return false;
		}
		queue_advance(q, n);
	}
	return true;
}

static void destroy(struct queue *t)
{
	pthread_cond_destroy(&t->wake);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

/* Sleep until the write pointer is not @seen; returns what it is. */
static uint64_t wait_for_work(struct queue *t, uint64_t seen)
{
	struct vgpu_queue *q = &t->q;
	bool poll = q->cfg.wptr_poll && q->cfg.wptr_poll_us;
	struct timespec until;
	uint64_t wptr;

	pthread_mutex_lock(&t->lock);
	while (!t->stopping && q->wptr == seen) {
		if (!poll) {
			pthread_cond_wait(&t->wake, &t->lock);
			continue;
		}
		until = deadline_us(q->cfg.wptr_poll_us);
		if (pthread_cond_timedwait(&t->wake, &t->lock, &until) !=
		    ETIMEDOUT)
			continue;
		if (halted(q))
			continue;
		pthread_mutex_unlock(&t->lock);
		poll = queue_poll_wptr(q, &wptr);
		pthread_mutex_lock(&t->lock);
		/* A doorbell may have brought a newer one meanwhile. */
		if (poll && (int64_t)(wptr - q->wptr) > 0)
			__atomic_store_n(&q->wptr, wptr, __ATOMIC_RELEASE);
	}
	seen = q->wptr;
	pthread_mutex_unlock(&t->lock);
	return seen;
}

static void *queue_thread(void *arg)
{
	struct queue *t = arg;
	struct vgpu_queue *q = &t->q;
	uint64_t seen, wptr;
	bool alive = true, orphan;

	self = t;
	/* Doorbells rung while nobody listened are lost: look once. */
	if (!vgpu_queue_wait(q, at_once, NULL) && queue_poll_wptr(q, &wptr)) {
		pthread_mutex_lock(&t->lock);
		if (q->wptr == q->cfg.wptr)
			__atomic_store_n(&q->wptr, wptr, __ATOMIC_RELEASE);
		pthread_mutex_unlock(&t->lock);
	}
	queue_begin(q);
	seen = q->rptr;
	while (alive && !vgpu_queue_stopping(q)) {
		seen = wait_for_work(t, seen);
		if (!vgpu_queue_stopping(q))
			alive = run(t, seen);
	}
	pthread_mutex_lock(&t->lock);
	t->ended = true;
	orphan = t->orphan;
	pthread_mutex_unlock(&t->lock);
	if (orphan) {
		if (q->cfg.release)
			q->cfg.release(q->cfg.priv);
		destroy(t);
	}
	return NULL;
}

/* Wait for a wake-up or @us; the queue's lock is not held. */
static void pause_us(struct queue *t, unsigned int us)
{
	struct timespec until = deadline_us(us);

	pthread_mutex_lock(&t->lock);
	if (!t->stopping)
		pthread_cond_timedwait(&t->wake, &t->lock, &until);
	pthread_mutex_unlock(&t->lock);
}

int vgpu_queue_wait(struct vgpu_queue *q, bool (*ready)(void *arg), void *arg)
{
	unsigned int i, us = 10;

	for (i = 0; halted(q) || !ready(arg); i++) {
		if (vgpu_queue_stopping(q))
			return -ECANCELED;
		if (i < SPINS) {
			sched_yield();
			continue;
		}
		pause_us(of(q), us);
		if (us < MAX_PAUSE_US)
			us *= 2;
	}
	return 0;
}

struct vgpu_queue *vgpu_queue_start(struct vgpu *dev,
				    const struct vgpu_queue_config *cfg, int *err)
{
	pthread_condattr_t attr;
	struct queue *t;
	char name[16];

	*err = -ENOMEM;
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	*err = queue_init(&t->q, dev, cfg);
	if (*err)
		goto err_free;
	*err = -ENOMEM;
	t->gate = gate_of(vgpu_gates(dev), cfg->name, cfg->user);
	if (!t->gate)
		goto err_free;
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&t->wake, &attr);
	pthread_condattr_destroy(&attr);

	*err = queue_bind(&t->q);
	if (*err)
		goto err_destroy;
	*err = -pthread_create(&t->thread, NULL, queue_thread, t);
	if (*err)
		goto err_unbind;
	snprintf(name, sizeof(name), "%.15s", cfg->name);
	pthread_setname_np(t->thread, name);
	return &t->q;

err_unbind:
	queue_unbind(&t->q);
err_destroy:
	destroy(t);
	return NULL;
err_free:
	free(t);
	return NULL;
}

/* From now on the thread of @t frees it; false if it has ended already. */
static bool abandon(struct queue *t)
{
	bool ended;

	pthread_mutex_lock(&t->lock);
	ended = t->ended;
	t->orphan = !ended;
	/* once it sees that, it may free itself at any time */
	if (!ended)
		pthread_detach(t->thread);
	pthread_mutex_unlock(&t->lock);
	return !ended;
}

/* Wait for the thread of @t; false if that cannot be, and it is abandoned. */
static bool wait_for_end(struct queue *t)
{
	unsigned int polls = 0;

	/* Nobody waits for who is no queue. */
	if (!self) {
		pthread_join(t->thread, NULL);
		return true;
	}
	while (pthread_tryjoin_np(t->thread, NULL)) {
		if (++polls < SPINS) {
			sched_yield();
			continue;
		}
		if (!vgpu_queue_stopping(&self->q))
			polls = SPINS;
		if (polls > SPINS + MUTUAL_POLLS && abandon(t))
			return false;
		usleep(MUTUAL_POLL_US);
	}
	return true;
}

bool vgpu_queue_stop(struct vgpu_queue *q, uint64_t *rptr, uint64_t *wptr)
{
	struct queue *t = of(q);
	struct vgpu *dev = q->dev;
	unsigned int depth;
	uint64_t r, w;
	bool ended;

	queue_unbind(q);
	pthread_mutex_lock(&t->lock);
	__atomic_store_n(&t->stopping, true, __ATOMIC_RELEASE);
	pthread_cond_broadcast(&t->wake);
	pthread_mutex_unlock(&t->lock);
	/* Once abandoned, it may be gone at any time. */
	vgpu_queue_where(q, &r, &w);
	if (t == self) {
		abandon(t);
		ended = false;
	} else {
		gate_wake(t->gate);
		depth = vgpu_reg_lock_suspend(dev);
		ended = wait_for_end(t);
		vgpu_reg_lock_resume(dev, depth);
	}
	if (ended)
		vgpu_queue_where(q, &r, &w);
	if (rptr)
		*rptr = r;
	if (wptr)
		*wptr = w;
	if (ended)
		destroy(t);
	return ended;
}
