/* SPDX-License-Identifier: MIT */
/*
 * The strict TLB. Hardware may keep a translation until it is told to drop it,
 * and may use it for as much as the entry's fragment covers; this one always
 * does. The page tables are still walked at every use: where the result
 * differs from what is cached, the driver has forgotten a flush, or has split
 * a fragment without rewriting the rest of it.
 */
#include "gmc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TLB_SLOTS_MIN	256u
/* 8 GiB in 4 KiB pages per VMID; beyond it everything is dropped. */
#define TLB_SLOTS_MAX	(4u << 20)

int tlb_init(struct tlb *t)
{
	return -pthread_mutex_init(&t->lock, NULL);
}

void tlb_fini(struct tlb *t)
{
	unsigned int i;

	for (i = 0; i < GMC_VMIDS; i++)
		free(t->ctx[i].slot);
	pthread_mutex_destroy(&t->lock);
}

static void ctx_clear(struct tlb_ctx *c)
{
	/* A table that has grown would make each later flush expensive. */
	if (c->slots > TLB_SLOTS_MIN * 16) {
		free(c->slot);
		c->slot = NULL;
		c->slots = 0;
	} else if (c->slot) {
		memset(c->slot, 0, c->slots * sizeof(*c->slot));
	}
	c->used = 0;
	c->shifts = 0;
}

uint32_t tlb_flush(struct tlb *t, uint32_t vmid_mask)
{
	uint32_t n = 0;
	unsigned int i;

	pthread_mutex_lock(&t->lock);
	for (i = 0; i < GMC_VMIDS; i++) {
		if (!(vmid_mask & 1u << i) || !t->ctx[i].used)
			continue;
		n += t->ctx[i].used;
		ctx_clear(&t->ctx[i]);
	}
	pthread_mutex_unlock(&t->lock);
	return n;
}

/* Slot of @key, or the free one where it belongs. */
static struct tlb_entry *probe(const struct tlb_ctx *c, uint64_t key)
{
	uint32_t i = (key * 0x9e3779b97f4a7c15ull) >> 32;

	for (;; i++) {
		struct tlb_entry *e = &c->slot[i & (c->slots - 1)];

		if (!e->base || e->base == key)
			return e;
	}
}

/* Sizes are at least 12, so the key of address 0 is not 0 either. */
static uint64_t key_of(uint64_t va, unsigned int shift)
{
	return (va >> shift << shift) | shift;
}

static struct tlb_entry *lookup(const struct tlb_ctx *c, uint64_t va)
{
	uint64_t shifts = c->used ? c->shifts : 0;
	struct tlb_entry *e;

	for (; shifts; shifts &= shifts - 1) {
		e = probe(c, key_of(va, __builtin_ctzll(shifts)));
		if (e->base)
			return e;
	}
	return NULL;
}

static bool grow(struct tlb_ctx *c)
{
	struct tlb_ctx n = { .slots = c->slots ? c->slots * 2 : TLB_SLOTS_MIN };
	uint32_t i;

	if (n.slots > TLB_SLOTS_MAX)
		return false;
	n.slot = calloc(n.slots, sizeof(*n.slot));
	if (!n.slot)
		return false;
	for (i = 0; i < c->slots; i++)
		if (c->slot[i].base)
			*probe(&n, c->slot[i].base) = c->slot[i];
	free(c->slot);
	c->slot = n.slot;
	c->slots = n.slots;
	return true;
}

static void fill(struct gmc *g, struct tlb_ctx *c, uint64_t va,
		 const struct gmc_xlat *x)
{
	uint64_t key = key_of(va, x->frag);
	struct tlb_entry *e;

	if (c->used >= c->slots / 2 && !grow(c)) {
		vgpu_count(g->dev, VGPU_LOG_INFO, "gmc: strict TLB full, dropped");
		ctx_clear(c);
		if (!c->slots && !grow(c))
			return;
	}
	e = probe(c, key);
	c->used += !e->base;
	*e = (struct tlb_entry){
		.base = key,
		/* May lie below zero: the PTE's own page is what is known. */
		.phys = x->phys - (va & ((1ull << x->frag) - 1)),
		.pte = x->pte,
		.fill = va,
		.system = x->system,
		.readable = x->readable,
		.writable = x->writable,
	};
	c->shifts |= 1ull << x->frag;
	GMC_STAT(g, fills);
}

static struct gmc_xlat from_entry(const struct tlb_entry *e, uint64_t va)
{
	unsigned int frag = e->base & 0xfff;

	return (struct gmc_xlat){
		.phys = e->phys + (va & ((1ull << frag) - 1)),
		.pte = e->pte,
		.shift = GMC_PAGE_SHIFT,
		.frag = frag,
		.system = e->system,
		.readable = e->readable,
		.writable = e->writable,
	};
}

static bool same(enum gmc_fault_kind kind, const struct gmc_xlat *now,
		 const struct gmc_xlat *then, bool write)
{
	return kind == GMC_OK && !now->prt && now->phys == then->phys &&
	       now->system == then->system &&
	       gmc_check(now, write) == gmc_check(then, write);
}

/* The cached @then is used where the tables say @now. */
static void report(struct gmc *g, enum vgpu_hub hub, unsigned int vmid,
		   uint64_t va, bool write, const struct tlb_entry *e,
		   const struct gmc_xlat *then, const struct gmc_xlat *now)
{
	struct gmc_xlat there, cached = from_entry(e, e->fill);
	enum gmc_fault_kind kind = gmc_walk(g, hub, vmid, e->fill, &there);
	bool intact = e->fill >> GMC_PAGE_SHIFT != va >> GMC_PAGE_SHIFT &&
		      same(kind, &there, &cached, write) && there.frag == cached.frag;
	const char *what = intact ? "fragment disagrees with its neighbour" :
				    VGPU_COUNT_STALE + strlen("gmc: ");
	uint64_t seen;

	seen = intact ? GMC_STAT(g, fragment) : GMC_STAT(g, stale);
	vgpu_count(g->dev, VGPU_LOG_GUEST, "gmc: %s", what);
	if (seen >= GMC_LOGGED)
		return;
	vgpu_log(g->dev, VGPU_LOG_GUEST,
		 "gmc: %s: %s vmid %u %s va 0x%llx: entry 0x%llx at va 0x%llx, now 0x%llx",
		 what, gmc_hub_regs[hub].name, vmid, write ? "write" : "read",
		 (unsigned long long)va, (unsigned long long)then->pte,
		 (unsigned long long)e->fill, (unsigned long long)now->pte);
}

enum gmc_fault_kind tlb_translate(struct gmc *g, enum vgpu_hub hub,
				  unsigned int vmid, uint64_t va, bool write,
				  struct gmc_xlat *x)
{
	struct tlb *t = &g->tlb[hub];
	struct tlb_ctx *c = &t->ctx[vmid];
	struct tlb_entry *e, copy;
	struct gmc_xlat cached;
	enum gmc_fault_kind kind;

	va &= GMC_VA_MASK;
	/*
	 * Walk after the look-up: an entry that is cached and changed between
	 * the two was stale at the look-up already or becomes so now, while one
	 * filled after an early walk would look changed and is not.
	 */
	pthread_mutex_lock(&t->lock);
	e = lookup(c, va);
	if (!e) {
		kind = gmc_walk(g, hub, vmid, va, x);
		if (kind == GMC_OK && !x->prt && !x->aperture)
			fill(g, c, va, x);
		pthread_mutex_unlock(&t->lock);
		return kind;
	}
	copy = *e;
	pthread_mutex_unlock(&t->lock);

	GMC_STAT(g, hits);
	cached = from_entry(&copy, va);
	kind = gmc_walk(g, hub, vmid, va, x);
	if (!same(kind, x, &cached, write))
		report(g, hub, vmid, va, write, &copy, &cached, x);
	*x = cached;
	return GMC_OK;
}
