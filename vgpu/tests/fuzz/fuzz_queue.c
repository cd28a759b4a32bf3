/* SPDX-License-Identifier: MIT */
/*
 * queue.c for fuzzers: queues without threads. One executes when fuzz_queues_run() says so,
 * on the caller's thread. A packet that waits is asked a few times; then its queue counts as
 * being stopped, as it would be in the end, and executes nothing more.
 *
 * Threads of other blocks may start and stop queues meanwhile, as they do with queue.c. The
 * lock is a leaf, not held while a packet is executed.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "fuzz.h"
#include "queue_ring.h"

/* Limits of one input. Without them a loop in a guest's buffer is a hang. */
#define MAX_PACKETS	4000
#define MAX_CHECKS	1000	/* of vgpu_queue_stopping() */
#define MAX_BYTES	(32u << 20)	/* copied and filled; more only takes longer */
#define MAX_POLLS	3	/* of one wait */

struct queue {
	struct vgpu_queue q;	/* first; its wptr is atomic */
	struct queue *next;
	/* Under the lock; dead atomic. */
	uint64_t seen;		/* write pointer that was dealt with */
	bool running;
	pthread_t runner;
	bool dead;		/* executes nothing more */
	bool orphan;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t idle = PTHREAD_COND_INITIALIZER;
static struct queue *queues;
static unsigned int packets, checks;
static uint64_t bytes;
static __thread bool eager, busy;

void fuzz_queues_eager(bool on)
{
	eager = on;
}

void fuzz_queues_begin(void)
{
	packets = 0;
	checks = 0;
	bytes = 0;
}

unsigned int fuzz_queues_packets(void)
{
	return packets;
}

/* In the place of the functions without "__wrap_", see meson.build. */
int __real_vgpu_mem_copy(struct vgpu *dev, const struct vgpu_client *c, uint64_t dst,
			 uint64_t src, uint64_t len);
int __real_vgpu_mem_fill(struct vgpu *dev, const struct vgpu_client *c, uint64_t dst,
			 uint32_t pattern, uint64_t len);
int __wrap_vgpu_mem_copy(struct vgpu *dev, const struct vgpu_client *c, uint64_t dst,
			 uint64_t src, uint64_t len);
int __wrap_vgpu_mem_fill(struct vgpu *dev, const struct vgpu_client *c, uint64_t dst,
			 uint32_t pattern, uint64_t len);

int __wrap_vgpu_mem_copy(struct vgpu *dev, const struct vgpu_client *c, uint64_t dst,
			 uint64_t src, uint64_t len)
{
	bytes += len;
	return bytes > MAX_BYTES ? -EFAULT : __real_vgpu_mem_copy(dev, c, dst, src, len);
}

int __wrap_vgpu_mem_fill(struct vgpu *dev, const struct vgpu_client *c, uint64_t dst,
			 uint32_t pattern, uint64_t len)
{
	bytes += len;
	return bytes > MAX_BYTES ? -EFAULT : __real_vgpu_mem_fill(dev, c, dst, pattern, len);
}

static struct queue *of(struct vgpu_queue *q)
{
	return (struct queue *)q;
}

static void kill_queue(struct vgpu_queue *q)
{
	__atomic_store_n(&of(q)->dead, true, __ATOMIC_RELEASE);
}

bool vgpu_queue_stopping(struct vgpu_queue *q)
{
	if (++checks > MAX_CHECKS)
		kill_queue(q);
	return __atomic_load_n(&of(q)->dead, __ATOMIC_ACQUIRE);
}

int vgpu_queue_packet(struct vgpu_queue *q)
{
	return vgpu_queue_stopping(q) ? -ECANCELED : 0;
}

void vgpu_queue_kick(struct vgpu_queue *q, uint64_t wptr)
{
	__atomic_store_n(&q->wptr, wptr, __ATOMIC_RELEASE);
	if (eager && !busy)
		fuzz_queues_run();
}

int vgpu_queue_wait(struct vgpu_queue *q, bool (*ready)(void *arg), void *arg)
{
	unsigned int i;

	for (i = 0; i < MAX_POLLS; i++)
		if (ready(arg))
			return 0;
	kill_queue(q);
	return -ECANCELED;
}

static void unlink_queue(struct queue *f)
{
	struct queue **p;

	for (p = &queues; *p != f; p = &(*p)->next)
		;
	*p = f->next;
}

/* Up to the write pointer. */
static void execute(struct queue *f)
{
	struct vgpu_queue *q = &f->q;
	uint64_t wptr;
	int n;

	if (!q->started) {
		/* the first look at the write pointer in memory, as queue_thread() does */
		if (queue_poll_wptr(q, &wptr) &&
		    __atomic_load_n(&q->wptr, __ATOMIC_ACQUIRE) == q->cfg.wptr)
			__atomic_store_n(&q->wptr, wptr, __ATOMIC_RELEASE);
		queue_begin(q);
	}
	f->seen = __atomic_load_n(&q->wptr, __ATOMIC_ACQUIRE);
	queue_set_limit(q, f->seen);
	while (q->rptr != q->limit && !vgpu_queue_stopping(q)) {
		if (++packets > MAX_PACKETS)
			kill_queue(q);
		n = queue_execute(q);
		if (!n)
			break;
		if (n < 0) {
			queue_halt(q, n);
			kill_queue(q);
			break;
		}
		queue_advance(q, n);
	}
}

/* The lock is held. */
static struct queue *next(void)
{
	struct queue *f;

	for (f = queues; f; f = f->next)
		if (!f->running && !__atomic_load_n(&f->dead, __ATOMIC_ACQUIRE) &&
		    (!f->q.started ||
		     f->seen != __atomic_load_n(&f->q.wptr, __ATOMIC_ACQUIRE)))
			break;
	return f;
}

void fuzz_queues_run(void)
{
	struct queue *f;

	busy = true;
	pthread_mutex_lock(&lock);
	/* A packet may start and stop queues: begin anew after each queue. */
	while ((f = next())) {
		f->running = true;
		f->runner = pthread_self();
		pthread_mutex_unlock(&lock);
		execute(f);
		pthread_mutex_lock(&lock);
		f->running = false;
		if (f->orphan) {
			unlink_queue(f);
			pthread_mutex_unlock(&lock);
			if (f->q.cfg.release)
				f->q.cfg.release(f->q.cfg.priv);
			free(f);
			pthread_mutex_lock(&lock);
		}
		pthread_cond_broadcast(&idle);
	}
	pthread_mutex_unlock(&lock);
	busy = false;
}

struct vgpu_queue *vgpu_queue_start(struct vgpu *dev,
				    const struct vgpu_queue_config *cfg, int *err)
{
	struct queue *f;

	*err = -ENOMEM;
	f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	*err = queue_init(&f->q, dev, cfg);
	if (!*err)
		*err = queue_bind(&f->q);
	if (*err) {
		free(f);
		return NULL;
	}
	pthread_mutex_lock(&lock);
	f->next = queues;
	queues = f;
	pthread_mutex_unlock(&lock);
	return &f->q;
}

bool vgpu_queue_stop(struct vgpu_queue *q, uint64_t *rptr, uint64_t *wptr)
{
	struct queue *f = of(q);
	unsigned int depth;
	uint64_t r, w;
	bool orphan;

	queue_unbind(q);
	kill_queue(q);
	pthread_mutex_lock(&lock);
	if (f->running && pthread_equal(f->runner, pthread_self())) {
		f->orphan = true;
	} else {
		depth = vgpu_reg_lock_suspend(q->dev);
		while (f->running)
			pthread_cond_wait(&idle, &lock);
		unlink_queue(f);
		pthread_mutex_unlock(&lock);
		vgpu_reg_lock_resume(q->dev, depth);
		pthread_mutex_lock(&lock);
	}
	vgpu_queue_where(q, &r, &w);
	if (rptr)
		*rptr = r;
	if (wptr)
		*wptr = w;
	orphan = f->orphan;
	pthread_mutex_unlock(&lock);
	if (!orphan)
		free(f);
	return !orphan;
}
