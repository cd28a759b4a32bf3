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
#include "queue.h"

#define FETCH_DW	64
/* Limits of one input. Without them a loop in a guest's buffer is a hang. */
#define MAX_PACKETS	4000
#define MAX_CHECKS	1000	/* of vgpu_queue_stopping() */
#define MAX_BYTES	(32u << 20)	/* copied and filled; more only takes longer */
#define MAX_POLLS	3	/* of one wait */

struct vgpu_queue {
	struct vgpu_queue *next;
	struct vgpu *dev;
	struct vgpu_queue_config cfg;
	/* Under the lock; wptr and dead atomic. */
	uint64_t wptr;
	uint64_t seen;		/* write pointer that was dealt with */
	bool running;
	pthread_t runner;
	bool dead;		/* executes nothing more */
	/* The runner's; others may look at the first two. */
	uint64_t rptr;
	int error;
	bool started, orphan;
	uint64_t limit;
	int fetch_error;
	uint64_t fetched, fetched_end;
	uint32_t fetch[FETCH_DW];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t idle = PTHREAD_COND_INITIALIZER;
static struct vgpu_queue *queues;
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

struct vgpu *vgpu_queue_dev(struct vgpu_queue *q)
{
	return q->dev;
}

const struct vgpu_queue_config *vgpu_queue_config(struct vgpu_queue *q)
{
	return &q->cfg;
}

static uint64_t unwrap(struct vgpu_queue *q, uint64_t wptr)
{
	uint64_t rptr = __atomic_load_n(&q->rptr, __ATOMIC_ACQUIRE);

	if (wptr - rptr <= q->cfg.size_dw)
		return wptr;
	return rptr + ((wptr - rptr) & (q->cfg.size_dw - 1));
}

static void kill_queue(struct vgpu_queue *q)
{
	__atomic_store_n(&q->dead, true, __ATOMIC_RELEASE);
}

bool vgpu_queue_started(struct vgpu_queue *q)
{
	return __atomic_load_n(&q->started, __ATOMIC_ACQUIRE);
}

int vgpu_queue_where(struct vgpu_queue *q, uint64_t *rptr, uint64_t *wptr)
{
	*rptr = __atomic_load_n(&q->rptr, __ATOMIC_ACQUIRE);
	*wptr = unwrap(q, __atomic_load_n(&q->wptr, __ATOMIC_ACQUIRE));
	return __atomic_load_n(&q->error, __ATOMIC_ACQUIRE);
}

bool vgpu_queue_stopping(struct vgpu_queue *q)
{
	if (++checks > MAX_CHECKS)
		kill_queue(q);
	return __atomic_load_n(&q->dead, __ATOMIC_ACQUIRE);
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

static void doorbell(struct vgpu *dev, void *priv, uint32_t index, uint64_t value)
{
	struct vgpu_queue *q = priv;

	(void)dev;
	(void)index;
	vgpu_queue_kick(q, value >> q->cfg.rptr_shift);
}

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

int vgpu_queue_wait(struct vgpu_queue *q, bool (*ready)(void *arg), void *arg)
{
	unsigned int i;

	for (i = 0; i < MAX_POLLS; i++)
		if (ready(arg))
			return 0;
	kill_queue(q);
	return -ECANCELED;
}

static void report_rptr(struct vgpu_queue *q)
{
	uint64_t rptr = q->rptr;

	if (!q->cfg.rptr_report)
		return;
	if (q->cfg.rptr_report_wrapped)
		rptr &= q->cfg.size_dw - 1;
	vgpu_mem_write64(q->dev, &q->cfg.client, q->cfg.rptr_report & ~7ull,
			 rptr << q->cfg.rptr_shift);
}

static void unlink_queue(struct vgpu_queue *q)
{
	struct vgpu_queue **p;

	for (p = &queues; *p != q; p = &(*p)->next)
		;
	*p = q->next;
}

/* The first look at the write pointer in memory, as queue_thread() does. */
static void look_once(struct vgpu_queue *q)
{
	struct vgpu_client poller = q->cfg.client;
	uint64_t wptr;

	__atomic_store_n(&q->started, true, __ATOMIC_RELEASE);
	if (q->cfg.wptr_poll_kernel)
		poller.vmid = 0;
	if (q->cfg.wptr_poll &&
	    !vgpu_mem_read64(q->dev, &poller, q->cfg.wptr_poll, &wptr) &&
	    __atomic_load_n(&q->wptr, __ATOMIC_ACQUIRE) == q->cfg.wptr)
		__atomic_store_n(&q->wptr, wptr >> q->cfg.rptr_shift, __ATOMIC_RELEASE);
	report_rptr(q);
}

/* Up to the write pointer. */
static void execute(struct vgpu_queue *q)
{
	int n = 0;

	if (!q->started)
		look_once(q);
	q->seen = __atomic_load_n(&q->wptr, __ATOMIC_ACQUIRE);
	q->limit = unwrap(q, q->seen);
	q->fetched = q->fetched_end = 0;
	q->fetch_error = 0;
	while (q->rptr != q->limit && !vgpu_queue_stopping(q)) {
		if (++packets > MAX_PACKETS)
			kill_queue(q);
		vgpu_queue_dword(q, q->rptr);
		n = q->fetch_error;
		if (!n)
			n = q->cfg.exec(q, q->cfg.priv, q->rptr, q->limit);
		if (!n)
			break;
		if (n > 0 && (uint64_t)n > q->limit - q->rptr)
			n = -EINVAL;
		if (n < 0) {
			__atomic_store_n(&q->error, n, __ATOMIC_RELEASE);
			kill_queue(q);
			break;
		}
		__atomic_store_n(&q->rptr, q->rptr + n, __ATOMIC_RELEASE);
		report_rptr(q);
	}
}

/* The lock is held. */
static struct vgpu_queue *next(void)
{
	struct vgpu_queue *q;

	for (q = queues; q; q = q->next)
		if (!q->running && !__atomic_load_n(&q->dead, __ATOMIC_ACQUIRE) &&
		    (!q->started ||
		     q->seen != __atomic_load_n(&q->wptr, __ATOMIC_ACQUIRE)))
			break;
	return q;
}

void fuzz_queues_run(void)
{
	struct vgpu_queue *q;

	busy = true;
	pthread_mutex_lock(&lock);
	/* A packet may start and stop queues: begin anew after each queue. */
	while ((q = next())) {
		q->running = true;
		q->runner = pthread_self();
		pthread_mutex_unlock(&lock);
		execute(q);
		pthread_mutex_lock(&lock);
		q->running = false;
		if (q->orphan) {
			unlink_queue(q);
			pthread_mutex_unlock(&lock);
			if (q->cfg.release)
				q->cfg.release(q->cfg.priv);
			free(q);
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
	struct vgpu_queue *q;

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
	if (cfg->doorbell != UINT32_MAX) {
		*err = vgpu_doorbell_bind(dev, cfg->doorbell, doorbell, q);
		if (*err) {
			free(q);
			return NULL;
		}
	}
	*err = 0;
	pthread_mutex_lock(&lock);
	q->next = queues;
	queues = q;
	pthread_mutex_unlock(&lock);
	return q;
}

bool vgpu_queue_stop(struct vgpu_queue *q, uint64_t *rptr, uint64_t *wptr)
{
	unsigned int depth;
	bool orphan;

	if (q->cfg.doorbell != UINT32_MAX)
		vgpu_doorbell_unbind(q->dev, q->cfg.doorbell);
	kill_queue(q);
	pthread_mutex_lock(&lock);
	if (q->running && pthread_equal(q->runner, pthread_self())) {
		q->orphan = true;
	} else {
		depth = vgpu_reg_lock_suspend(q->dev);
		while (q->running)
			pthread_cond_wait(&idle, &lock);
		unlink_queue(q);
		pthread_mutex_unlock(&lock);
		vgpu_reg_lock_resume(q->dev, depth);
		pthread_mutex_lock(&lock);
	}
	if (rptr)
		*rptr = q->rptr;
	if (wptr)
		*wptr = unwrap(q, q->wptr);
	orphan = q->orphan;
	pthread_mutex_unlock(&lock);
	if (!orphan)
		free(q);
	return !orphan;
}
