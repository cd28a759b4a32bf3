/* SPDX-License-Identifier: MIT */
/* A host without a guest, see fake_host.h. */
#include "fake_host.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void *dma_ptr(void *opaque, uint64_t addr, size_t *len, bool write)
{
	struct fake_host *h = opaque;
	uint64_t off, left;

	if (addr < FAKE_RAM_BASE || addr - FAKE_RAM_BASE >= h->ram_size)
		return NULL;
	if (addr >= h->hole_start && addr < h->hole_end &&
	    (write || !h->hole_readable))
		return NULL;
	off = addr - FAKE_RAM_BASE;
	left = h->ram_size - off;
	if (h->hole_end > h->hole_start && addr < h->hole_start &&
	    left > h->hole_start - addr)
		left = h->hole_start - addr;
	if (*len > left)
		*len = left;
	return h->ram + off;
}

/* One lock for all fake hosts: no test needs more. */
static pthread_rwlock_t dma_rwlock = PTHREAD_RWLOCK_INITIALIZER;

static void dma_lock(void *opaque)
{
	(void)opaque;
	pthread_rwlock_rdlock(&dma_rwlock);
}

static void dma_unlock(void *opaque)
{
	(void)opaque;
	pthread_rwlock_unlock(&dma_rwlock);
}

static void raise_irq(void *opaque, unsigned int vector)
{
	struct fake_host *h = opaque;

	if (vector < sizeof(h->irqs) / sizeof(h->irqs[0]))
		__atomic_fetch_add(&h->irqs[vector], 1, __ATOMIC_SEQ_CST);
}

static uint64_t now(void *opaque)
{
	struct timespec ts;

	(void)opaque;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static void log_line(void *opaque, enum vgpu_log_level level, const char *line)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct fake_host *h = opaque;

	pthread_mutex_lock(&lock);
	h->logs[level]++;
	if (level <= VGPU_LOG_UNIMP)
		snprintf(h->last_log, sizeof(h->last_log), "%s", line);
	if (getenv("VGPU_TEST_LOG"))
		printf("# log %d: %s\n", level, line);
	pthread_mutex_unlock(&lock);
}

static const struct vgpu_host_ops ops = {
	.dma_ptr = dma_ptr,
	.dma_lock = dma_lock,
	.dma_unlock = dma_unlock,
	.raise_irq = raise_irq,
	.now = now,
	.log = log_line,
};

struct fake_host *fake_host_create(const struct vgpu_block *const *blocks,
				   size_t ram_size, size_t vram_size,
				   bool strict)
{
	return fake_host_create_broken(blocks, ram_size, vram_size, strict, 0);
}

struct fake_host *fake_host_create_broken(const struct vgpu_block *const *blocks,
					  size_t ram_size, size_t vram_size,
					  bool strict, uint32_t broken)
{
	struct vgpu_config cfg = { .host = &ops, .strict_tlb = strict,
				   .broken = broken };
	struct fake_host *h;
	int err;

	h = calloc(1, sizeof(*h));
	if (!h)
		return NULL;
	h->ram_size = ram_size;
	h->vram_size = vram_size;
	h->ram = calloc(1, ram_size);
	h->vram = calloc(1, vram_size);
	if (!h->ram || !h->vram)
		goto err_free;
	cfg.vram = h->vram;
	cfg.vram_size = vram_size;
	cfg.host_opaque = h;
	cfg.trace = getenv("VGPU_TEST_LOG") ? VGPU_TRACE_ALL : 0;
	h->dev = vgpu_create(&cfg, blocks, &err);
	if (!h->dev)
		goto err_free;
	return h;

err_free:
	free(h->vram);
	free(h->ram);
	free(h);
	return NULL;
}

void fake_host_destroy(struct fake_host *h)
{
	vgpu_destroy(h->dev);
	free(h->vram);
	free(h->ram);
	free(h);
}

unsigned int fake_host_irqs(struct fake_host *h, unsigned int vector)
{
	return __atomic_load_n(&h->irqs[vector], __ATOMIC_SEQ_CST);
}

unsigned int fake_host_logs(struct fake_host *h, enum vgpu_log_level level)
{
	return __atomic_load_n(&h->logs[level], __ATOMIC_SEQ_CST);
}
