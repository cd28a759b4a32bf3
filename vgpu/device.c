/* SPDX-License-Identifier: MIT */
/*
 * The device core: register file, doorbells, engine table, log and counters.
 *
 * Registers inside the register BAR live in a flat array; those beyond it,
 * which the driver reaches through an index/data pair, in a hash table of
 * bounded size. One recursive lock covers both, doorbells included.
 */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "counters.h"
#include "gate.h"
#include "trace.h"

#define FLAT_REGS	(1u << 17)	/* dwords of a 512 KiB register BAR */
#define SPARSE_BITS	12
#define SPARSE_MAX	(1u << 16)	/* what a guest may make us allocate */
#define DOORBELLS	(1u << 19)	/* dwords of a 2 MiB doorbell BAR */
#define MAX_BLOCKS	16

struct range {
	const struct vgpu_reg_range *r;
	void *priv;
	unsigned int block;		/* number of the one that registered it */
};

struct sparse_reg {
	struct sparse_reg *next;
	uint32_t reg, value;
};

struct doorbell {
	vgpu_doorbell_fn fn;
	void *priv;
};

struct engine {
	const struct vgpu_engine_ops *ops;
	void *priv;
};

struct vgpu {
	struct vgpu_config cfg;
	struct counters *counters;
	struct gates *gates;

	pthread_mutex_t reg_lock;
	uint32_t *flat;
	uint16_t *flat_range;		/* 1 + index in ranges, 0: none */
	struct sparse_reg *sparse[1 << SPARSE_BITS];
	unsigned int n_sparse;
	struct range *ranges;
	size_t n_ranges;
	struct doorbell *doorbells;
	unsigned int doorbells_bound;	/* of them */

	struct engine engines[VGPU_ENGINES];
	const struct vgpu_block *blocks[MAX_BLOCKS];
	void *block_priv[MAX_BLOCKS];
	unsigned int n_blocks;
};

/* How often this thread holds the register lock. Threads serve one device. */
static __thread unsigned int reg_depth;

/* ---- log and counters ---- */

uint64_t vgpu_now(struct vgpu *dev)
{
	return dev->cfg.host->now(dev->cfg.host_opaque);
}

void *vgpu_vram(struct vgpu *dev)
{
	return dev->cfg.vram;
}

uint64_t vgpu_vram_size(struct vgpu *dev)
{
	return dev->cfg.vram_size;
}

unsigned int vgpu_sdma_engines(struct vgpu *dev)
{
	return dev->cfg.sdma_engines ? dev->cfg.sdma_engines : 1;
}

bool vgpu_strict_tlb(struct vgpu *dev)
{
	return dev->cfg.strict_tlb;
}

bool vgpu_broken(struct vgpu *dev, enum vgpu_break what)
{
	return dev->cfg.broken & what;
}

struct gates *vgpu_gates(struct vgpu *dev)
{
	return dev->gates;
}

void *vgpu_block_priv(struct vgpu *dev, const struct vgpu_block *block)
{
	unsigned int i;

	for (i = 0; i < dev->n_blocks; i++)
		if (dev->blocks[i] == block)
			return dev->block_priv[i];
	return NULL;
}

void *vgpu_dma_ptr(struct vgpu *dev, uint64_t addr, size_t *len, bool write)
{
	return dev->cfg.host->dma_ptr(dev->cfg.host_opaque, addr, len, write);
}

void vgpu_dma_lock(struct vgpu *dev)
{
	dev->cfg.host->dma_lock(dev->cfg.host_opaque);
}

void vgpu_dma_unlock(struct vgpu *dev)
{
	dev->cfg.host->dma_unlock(dev->cfg.host_opaque);
}

void vgpu_raise_irq(struct vgpu *dev, unsigned int vector)
{
	dev->cfg.host->raise_irq(dev->cfg.host_opaque, vector);
}

static void emit(struct vgpu *dev, enum vgpu_log_level level, const char *line)
{
	dev->cfg.host->log(dev->cfg.host_opaque, level, line);
}

void vgpu_log(struct vgpu *dev, enum vgpu_log_level level, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	emit(dev, level, line);
}

bool vgpu_tracing(struct vgpu *dev, enum vgpu_trace what)
{
	return dev->cfg.trace >> what & 1;
}

void vgpu_trace(struct vgpu *dev, enum vgpu_trace what, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	if (!vgpu_tracing(dev, what))
		return;
	n = snprintf(line, sizeof(line), "%-8s ", vgpu_trace_name(what));
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - n, fmt, ap);
	va_end(ap);
	emit(dev, VGPU_LOG_TRACE, line);
}

void vgpu_record(struct vgpu *dev, enum vgpu_record what, const void *data, size_t len)
{
	if (dev->cfg.record)
		dev->cfg.record(dev->cfg.record_opaque, what, data, len);
}

/* A step of tests/fuzz/fuzz_regs.c. */
static void record_step(struct vgpu *dev, unsigned int what, uint32_t n, uint64_t value)
{
	uint32_t step[3] = { n << 8 | what, value, value >> 32 };

	vgpu_record(dev, VGPU_RECORD_REG, step, sizeof(step));
}

void vgpu_count(struct vgpu *dev, enum vgpu_log_level level, const char *fmt, ...)
{
	char line[COUNTER_NAME];
	uint64_t n;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	n = counters_add(dev->counters, level, line, 1);
	vgpu_trace(dev, VGPU_TRACE_EVENT, "%s", line);
	if (n <= 3)
		emit(dev, level, line);
	else if (n == 4)
		vgpu_log(dev, level, "%s (further ones are only counted)", line);
}

void vgpu_stat(struct vgpu *dev, const char *what, uint64_t n)
{
	counters_add(dev->counters, VGPU_LOG_INFO, what, n);
}

void vgpu_counters(struct vgpu *dev, vgpu_counter_fn fn, void *arg)
{
	counters_visit(dev->counters, fn, arg);
}

uint64_t vgpu_counted(struct vgpu *dev, enum vgpu_log_level level)
{
	return counters_sum(dev->counters, level);
}

uint64_t vgpu_counted_event(struct vgpu *dev, const char *what)
{
	return counters_get(dev->counters, what);
}

/* ---- register lock ---- */

void vgpu_reg_lock(struct vgpu *dev)
{
	if (!reg_depth)
		pthread_mutex_lock(&dev->reg_lock);
	reg_depth++;
}

void vgpu_reg_unlock(struct vgpu *dev)
{
	reg_depth--;
	if (!reg_depth)
		pthread_mutex_unlock(&dev->reg_lock);
}

unsigned int vgpu_reg_lock_suspend(struct vgpu *dev)
{
	unsigned int depth = reg_depth;

	if (depth) {
		reg_depth = 0;
		pthread_mutex_unlock(&dev->reg_lock);
	}
	return depth;
}

void vgpu_reg_lock_resume(struct vgpu *dev, unsigned int depth)
{
	if (depth) {
		pthread_mutex_lock(&dev->reg_lock);
		reg_depth = depth;
	}
}

/* ---- register storage; the lock is held, for sparse registers ---- */

static struct sparse_reg **sparse_slot(struct vgpu *dev, uint32_t reg)
{
	uint32_t hash = (reg * 2654435761u) >> (32 - SPARSE_BITS);
	struct sparse_reg **p;

	for (p = &dev->sparse[hash]; *p && (*p)->reg != reg; p = &(*p)->next)
		;
	return p;
}

static void store(struct vgpu *dev, uint32_t reg, uint32_t value)
{
	struct sparse_reg **p, *s;

	if (reg < FLAT_REGS) {
		__atomic_store_n(&dev->flat[reg], value, __ATOMIC_RELEASE);
		return;
	}
	p = sparse_slot(dev, reg);
	if (*p) {
		(*p)->value = value;
		return;
	}
	if (!value)
		return;
	s = dev->n_sparse < SPARSE_MAX ? malloc(sizeof(*s)) : NULL;
	if (!s) {
		vgpu_count(dev, VGPU_LOG_ERROR, "core: no room for sparse registers");
		return;
	}
	*s = (struct sparse_reg){ .reg = reg, .value = value };
	*p = s;
	dev->n_sparse++;
}

static uint32_t load(struct vgpu *dev, uint32_t reg)
{
	struct sparse_reg *s;

	if (reg < FLAT_REGS)
		return __atomic_load_n(&dev->flat[reg], __ATOMIC_ACQUIRE);
	s = *sparse_slot(dev, reg);
	return s ? s->value : 0;
}

static bool has_handler(const struct vgpu_reg_range *r)
{
	return r->read || r->write;
}

static struct range *find_range(struct vgpu *dev, uint32_t reg)
{
	struct range *found = NULL;
	size_t i;

	if (reg < FLAT_REGS) {
		i = dev->flat_range[reg];
		return i ? &dev->ranges[i - 1] : NULL;
	}
	/* Few ranges lie out there. */
	for (i = 0; i < dev->n_ranges; i++) {
		struct range *g = &dev->ranges[i];

		if (reg < g->r->first || reg > g->r->last)
			continue;
		if (has_handler(g->r))
			return g;
		found = g;
	}
	return found;
}

static void apply_reset(struct vgpu *dev, const struct vgpu_reg_range *r)
{
	uint32_t i;

	if (!r->reset)
		return;
	for (i = r->first; i <= r->last && i >= r->first; i++)
		store(dev, i, r->reset);
}

static int check_range(struct vgpu *dev, const struct vgpu_reg_range *r)
{
	size_t i;

	if (r->last < r->first || (r->last - r->first >= FLAT_REGS))
		return -EINVAL;
	if (!has_handler(r))
		return 0;
	for (i = 0; i < dev->n_ranges; i++) {
		const struct vgpu_reg_range *o = dev->ranges[i].r;
		char name[64];

		if (!has_handler(o) || o->last < r->first || o->first > r->last)
			continue;
		vgpu_log(dev, VGPU_LOG_ERROR, "core: two handlers for %s",
			 vgpu_reg_name(o->first > r->first ? o->first : r->first,
				       name, sizeof(name)));
		return -EEXIST;
	}
	return 0;
}

int vgpu_reg_register(struct vgpu *dev, const struct vgpu_reg_range *ranges,
		      size_t n, void *priv)
{
	struct range *more;
	uint32_t reg;
	size_t i;
	int r = 0;

	vgpu_reg_lock(dev);
	more = realloc(dev->ranges, (dev->n_ranges + n) * sizeof(*more));
	if (!more || dev->n_ranges + n >= UINT16_MAX) {
		r = -ENOMEM;
		goto out;
	}
	dev->ranges = more;
	for (i = 0; i < n; i++) {
		const struct vgpu_reg_range *g = &ranges[i];

		r = check_range(dev, g);
		if (r)
			goto out;
		dev->ranges[dev->n_ranges] = (struct range){ g, priv, dev->n_blocks };
		dev->n_ranges++;
		for (reg = g->first; reg <= g->last && reg < FLAT_REGS; reg++) {
			struct range *old = find_range(dev, reg);

			if (!old || !has_handler(old->r))
				dev->flat_range[reg] = dev->n_ranges;
		}
		apply_reset(dev, g);
	}
out:
	vgpu_reg_unlock(dev);
	return r;
}

void vgpu_reg_ranges(struct vgpu *dev, vgpu_reg_range_fn fn, void *arg)
{
	size_t i;

	for (i = 0; i < dev->n_ranges; i++)
		fn(arg, dev->blocks[dev->ranges[i].block]->name, dev->ranges[i].r);
}

/* ---- register access ---- */

static void count_unknown(struct vgpu *dev, uint32_t reg, const char *how)
{
	char name[64];

	vgpu_count(dev, VGPU_LOG_UNIMP, "core: unmodelled register %s %s",
		   vgpu_reg_name(reg, name, sizeof(name)), how);
}

uint32_t vgpu_reg_read(struct vgpu *dev, uint32_t reg)
{
	struct range *g;
	char name[64];
	uint32_t value;

	vgpu_reg_lock(dev);
	g = find_range(dev, reg);
	if (g && g->r->read) {
		value = g->r->read(dev, g->priv, reg);
	} else {
		if (!g)
			count_unknown(dev, reg, "read");
		value = load(dev, reg);
	}
	if (vgpu_tracing(dev, VGPU_TRACE_REG))
		vgpu_trace(dev, VGPU_TRACE_REG, "%s -> 0x%x",
			   vgpu_reg_name(reg, name, sizeof(name)), value);
	vgpu_reg_unlock(dev);
	return value;
}

void vgpu_reg_write(struct vgpu *dev, uint32_t reg, uint32_t value)
{
	struct range *g;
	char name[64];

	vgpu_reg_lock(dev);
	if (vgpu_tracing(dev, VGPU_TRACE_REG))
		vgpu_trace(dev, VGPU_TRACE_REG, "%s <- 0x%x",
			   vgpu_reg_name(reg, name, sizeof(name)), value);
	record_step(dev, 0, reg, value);
	g = find_range(dev, reg);
	if (g && g->r->write) {
		g->r->write(dev, g->priv, reg, value);
	} else {
		if (!g)
			count_unknown(dev, reg, "written");
		store(dev, reg, value);
	}
	vgpu_reg_unlock(dev);
}

uint32_t vgpu_reg_peek(struct vgpu *dev, uint32_t reg)
{
	uint32_t value;

	if (reg < FLAT_REGS)
		return load(dev, reg);
	vgpu_reg_lock(dev);
	value = load(dev, reg);
	vgpu_reg_unlock(dev);
	return value;
}

void vgpu_reg_poke(struct vgpu *dev, uint32_t reg, uint32_t value)
{
	if (reg >= FLAT_REGS)
		vgpu_reg_lock(dev);
	store(dev, reg, value);
	if (reg >= FLAT_REGS)
		vgpu_reg_unlock(dev);
}

/* ---- doorbells ---- */

int vgpu_doorbell_bind(struct vgpu *dev, uint32_t index, vgpu_doorbell_fn fn,
		       void *priv)
{
	int r = 0;

	if (index >= DOORBELLS)
		return -EINVAL;
	vgpu_reg_lock(dev);
	if (dev->doorbells[index].fn)
		r = -EBUSY;
	else
		dev->doorbells[index] = (struct doorbell){ fn, priv };
	if (!r && fn)
		dev->doorbells_bound++;
	vgpu_reg_unlock(dev);
	return r;
}

void vgpu_doorbell_unbind(struct vgpu *dev, uint32_t index)
{
	if (index >= DOORBELLS)
		return;
	vgpu_reg_lock(dev);
	if (dev->doorbells[index].fn)
		dev->doorbells_bound--;
	dev->doorbells[index] = (struct doorbell){ 0 };
	vgpu_reg_unlock(dev);
}

unsigned int vgpu_doorbells_bound(struct vgpu *dev)
{
	unsigned int n;

	vgpu_reg_lock(dev);
	n = dev->doorbells_bound;
	vgpu_reg_unlock(dev);
	return n;
}

uint64_t vgpu_dma_ranges(struct vgpu *dev)
{
	return dev->cfg.host->dma_ranges ?
	       dev->cfg.host->dma_ranges(dev->cfg.host_opaque) : 0;
}

void vgpu_doorbell_ring(struct vgpu *dev, uint32_t index, uint64_t value,
			unsigned int size)
{
	struct doorbell *d;

	vgpu_trace(dev, VGPU_TRACE_DOORBELL, "0x%x <- 0x%llx (%u bytes)", index,
		   (unsigned long long)value, size);
	record_step(dev, 2, index, value);
	vgpu_stat(dev, "core: doorbells rung", 1);
	vgpu_reg_lock(dev);
	d = index < DOORBELLS ? &dev->doorbells[index] : NULL;
	if (d && d->fn)
		d->fn(dev, d->priv, index, value);
	/* Its owner may be evicted: the write pointer is read when it returns. */
	else
		vgpu_stat(dev, "core: doorbells without a queue", 1);
	vgpu_reg_unlock(dev);
}

/* ---- engines ---- */

void vgpu_engine_register(struct vgpu *dev, enum vgpu_engine engine,
			  const struct vgpu_engine_ops *ops, void *priv)
{
	dev->engines[engine] = (struct engine){ ops, priv };
}

int vgpu_engine_map(struct vgpu *dev, enum vgpu_engine engine,
		    const struct vgpu_queue_map *m)
{
	struct engine *e;

	if (engine >= VGPU_ENGINES || !dev->engines[engine].ops)
		return -EINVAL;
	e = &dev->engines[engine];
	return e->ops->map(dev, e->priv, m);
}

int vgpu_engine_unmap(struct vgpu *dev, enum vgpu_engine engine,
		      uint32_t doorbell, enum vgpu_unmap how)
{
	struct engine *e;

	if (engine >= VGPU_ENGINES || !dev->engines[engine].ops)
		return -EINVAL;
	e = &dev->engines[engine];
	return e->ops->unmap(dev, e->priv, doorbell, how);
}

int vgpu_engine_state(struct vgpu *dev, enum vgpu_engine engine,
		      uint32_t doorbell, struct vgpu_queue_state *state)
{
	struct engine *e;

	if (engine >= VGPU_ENGINES || !dev->engines[engine].ops ||
	    !dev->engines[engine].ops->state)
		return -EINVAL;
	e = &dev->engines[engine];
	return e->ops->state(dev, e->priv, doorbell, state);
}

int vgpu_engine_discard(struct vgpu *dev, enum vgpu_engine engine,
			const struct vgpu_queue_map *m)
{
	struct engine *e;

	if (engine >= VGPU_ENGINES || !dev->engines[engine].ops ||
	    !dev->engines[engine].ops->discard)
		return -EINVAL;
	e = &dev->engines[engine];
	return e->ops->discard(dev, e->priv, m);
}

/* ---- life ---- */

static void reset_registers(struct vgpu *dev)
{
	struct sparse_reg *s, *next;
	size_t i;

	vgpu_reg_lock(dev);
	memset(dev->flat, 0, FLAT_REGS * sizeof(*dev->flat));
	for (i = 0; i < 1 << SPARSE_BITS; i++) {
		for (s = dev->sparse[i]; s; s = next) {
			next = s->next;
			free(s);
		}
		dev->sparse[i] = NULL;
	}
	dev->n_sparse = 0;
	for (i = 0; i < dev->n_ranges; i++)
		apply_reset(dev, dev->ranges[i].r);
	vgpu_reg_unlock(dev);
}

/*
 * The scheduler, then the engines, then what they use: a packet under way would
 * find its page tables gone, and count as the driver's mistake.
 */
static void reset_blocks(struct vgpu *dev)
{
	unsigned int i;

	for (i = dev->n_blocks; i--; )
		if (dev->blocks[i]->reset)
			dev->blocks[i]->reset(dev, dev->block_priv[i]);
}

void vgpu_reset(struct vgpu *dev)
{
	reset_blocks(dev);
	reset_registers(dev);
}

static int init_core(struct vgpu *dev)
{
	pthread_mutex_init(&dev->reg_lock, NULL);
	dev->counters = counters_create();
	dev->gates = gates_create();
	dev->flat = calloc(FLAT_REGS, sizeof(*dev->flat));
	dev->flat_range = calloc(FLAT_REGS, sizeof(*dev->flat_range));
	dev->doorbells = calloc(DOORBELLS, sizeof(*dev->doorbells));
	if (!dev->counters || !dev->gates || !dev->flat || !dev->flat_range || !dev->doorbells)
		return -ENOMEM;
	return 0;
}

struct vgpu *vgpu_create(const struct vgpu_config *cfg,
			 const struct vgpu_block *const *blocks, int *err)
{
	struct vgpu *dev;
	unsigned int i;

	*err = -ENOMEM;
	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return NULL;
	dev->cfg = *cfg;
	*err = init_core(dev);
	if (*err)
		goto err_destroy;
	for (i = 0; blocks[i]; i++) {
		*err = -E2BIG;
		if (i == MAX_BLOCKS)
			goto err_destroy;
		*err = blocks[i]->init(dev, &dev->block_priv[i]);
		if (*err) {
			vgpu_log(dev, VGPU_LOG_ERROR, "core: block %s: %s",
				 blocks[i]->name, strerror(-*err));
			goto err_destroy;
		}
		dev->blocks[i] = blocks[i];
		dev->n_blocks++;
	}
	vgpu_reset(dev);
	return dev;

err_destroy:
	vgpu_destroy(dev);
	return NULL;
}

void vgpu_destroy(struct vgpu *dev)
{
	unsigned int i;

	/* First stop all queues: their packets use every other block. */
	reset_blocks(dev);
	for (i = dev->n_blocks; i--; )
		if (dev->blocks[i]->fini)
			dev->blocks[i]->fini(dev, dev->block_priv[i]);
	/* Frees the sparse registers; no block is left to hear of it. */
	dev->n_ranges = 0;
	if (dev->flat)
		reset_registers(dev);
	gates_destroy(dev->gates);
	counters_destroy(dev->counters);
	free(dev->ranges);
	free(dev->doorbells);
	free(dev->flat_range);
	free(dev->flat);
	pthread_mutex_destroy(&dev->reg_lock);
	free(dev);
}
