/* SPDX-License-Identifier: MIT */
/*
 * The strict TLB, which keeps directory entries as well. Hardware may keep a translation until it is told to drop it,
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
/* All VMIDs of a hub together, 320 MiB: two of them may have that much at a time. */
#define TLB_SLOTS_ALL	(8u << 20)

int tlb_init(struct tlb *t)
{
	return -pthread_mutex_init(&t->lock, NULL);
}

void tlb_fini(struct tlb *t)
{
	unsigned int i, l;

	for (i = 0; i < GMC_VMIDS; i++) {
		free(t->ctx[i].slot);
		for (l = 0; l < GMC_PDES; l++)
			free(t->pde[i][l].slot);
	}
	pthread_mutex_destroy(&t->lock);
}

static void ctx_clear(struct tlb *t, struct tlb_ctx *c)
{
	/* A table that has grown would make each later flush expensive. */
	if (c->slots > TLB_SLOTS_MIN * 16) {
		free(c->slot);
		c->slot = NULL;
		t->slots -= c->slots;
		c->slots = 0;
	} else if (c->slot) {
		memset(c->slot, 0, c->slots * sizeof(*c->slot));
	}
	c->used = 0;
	c->shifts = 0;
}

void tlb_flush(struct tlb *t, uint32_t vmid_mask, uint32_t parts)
{
	unsigned int i, l;

	pthread_mutex_lock(&t->lock);
	for (i = 0; i < GMC_VMIDS; i++) {
		if (!(vmid_mask & 1u << i))
			continue;
		if (parts & VGPU_TLB_PTES && t->ctx[i].used)
			ctx_clear(t, &t->ctx[i]);
		for (l = 0; l < GMC_PDES; l++)
			if (parts & VGPU_TLB_PDE0 << l && t->pde[i][l].used)
				ctx_clear(t, &t->pde[i][l]);
	}
	pthread_mutex_unlock(&t->lock);
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

static bool grow(struct tlb *t, struct tlb_ctx *c)
{
	struct tlb_ctx n = { .slots = c->slots ? c->slots * 2 : TLB_SLOTS_MIN };
	uint32_t i;

	if (n.slots > TLB_SLOTS_MAX)
		return false;
	/* The smallest table anyone may have. */
	if (c->slots && t->slots + c->slots > TLB_SLOTS_ALL)
		return false;
	n.slot = calloc(n.slots, sizeof(*n.slot));
	if (!n.slot)
		return false;
	for (i = 0; i < c->slots; i++)
		if (c->slot[i].base)
			*probe(&n, c->slot[i].base) = c->slot[i];
	free(c->slot);
	t->slots += n.slots - c->slots;
	c->slot = n.slot;
	c->slots = n.slots;
	return true;
}

/* A place for @new, which replaces what is there under the same key. */
static void put(struct gmc *g, struct tlb *t, struct tlb_ctx *c,
		const struct tlb_entry *new)
{
	struct tlb_entry *e;

	if (c->used >= c->slots / 2 && !grow(t, c)) {
		vgpu_count(g->dev, VGPU_LOG_INFO, "gmc: strict TLB full, dropped");
		ctx_clear(t, c);
		if (!c->slots && !grow(t, c))
			return;
	}
	e = probe(c, new->base);
	c->used += !e->base;
	*e = *new;
	c->shifts |= 1ull << (new->base & 0xfff);
}

static void fill(struct gmc *g, struct tlb *t, struct tlb_ctx *c, uint64_t va,
		 const struct gmc_xlat *x)
{
	struct tlb_entry e = {
		.base = key_of(va, x->frag),
		/* May lie below zero: the PTE's own page is what is known. */
		.phys = x->phys - (va & ((1ull << x->frag) - 1)),
		.pte = x->pte,
		.fill = va,
		.system = x->system,
		.readable = x->readable,
		.writable = x->writable,
	};

	put(g, t, c, &e);
	GMC_STAT(g, fills);
}

/* Keep what @path went by; what is kept already stays as it is. */
static void fill_pdes(struct gmc *g, struct tlb *t, unsigned int vmid, uint64_t va,
		      const struct gmc_path *path)
{
	unsigned int l;

	for (l = 1; l <= GMC_PDES; l++) {
		struct tlb_ctx *c = &t->pde[vmid][l - 1];
		struct tlb_entry e = { .pte = path->pde[l], .fill = va };

		if (!(path->levels & 1u << l) || lookup(c, va))
			continue;
		e.base = key_of(va, path->shift[l]);
		put(g, t, c, &e);
	}
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
	enum gmc_fault_kind kind = gmc_walk(g, hub, vmid, e->fill, &there, NULL);
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

/*
 * The walk that found @now, by way of @path, would have begun at the lowest
 * directory entry that is kept. Where that one is another by now and leads
 * elsewhere, report it and change @now into that. False: it did not happen.
 */
static bool by_old_pde(struct gmc *g, enum vgpu_hub hub, unsigned int vmid,
		       uint64_t va, bool write, const struct gmc_path *path,
		       enum gmc_fault_kind *kind, struct gmc_xlat *now)
{
	const struct tlb_entry *e = NULL;
	enum gmc_fault_kind then;
	struct gmc_xlat x;
	uint64_t pde = 0;
	unsigned int l;

	for (l = 1; l <= GMC_PDES && !e; l++)
		e = lookup(&g->tlb[hub].pde[vmid][l - 1], va);
	if (!e)
		return false;
	l--;
	if (path->levels & 1u << l)
		pde = path->pde[l];
	if (pde == e->pte)
		return false;
	then = gmc_walk_from(g, hub, vmid, va, l, e->pte, &x);
	if (then == *kind && (then != GMC_OK || same(*kind, now, &x, write)))
		return false;
	vgpu_count(g->dev, VGPU_LOG_GUEST, VGPU_COUNT_STALE);
	if (GMC_STAT(g, stale) < GMC_LOGGED)
		vgpu_log(g->dev, VGPU_LOG_GUEST,
			 "%s: %s vmid %u %s va 0x%llx: directory entry PDE%u 0x%llx, now 0x%llx: page table entry 0x%llx, now 0x%llx",
			 VGPU_COUNT_STALE, gmc_hub_regs[hub].name, vmid,
			 write ? "write" : "read", (unsigned long long)va, l - 1,
			 (unsigned long long)e->pte, (unsigned long long)pde,
			 (unsigned long long)x.pte, (unsigned long long)now->pte);
	*kind = then;
	*now = x;
	return true;
}

/* Nothing is cached for @va itself; the TLB's lock is held. */
static enum gmc_fault_kind miss(struct gmc *g, enum vgpu_hub hub, unsigned int vmid,
				uint64_t va, bool write, struct gmc_xlat *x)
{
	struct tlb *t = &g->tlb[hub];
	enum gmc_fault_kind kind;
	struct gmc_path path;
	bool old;

	kind = gmc_walk(g, hub, vmid, va, x, &path);
	if (x->aperture)
		return kind;
	old = by_old_pde(g, hub, vmid, va, write, &path, &kind, x);
	if (kind != GMC_OK || x->prt)
		return kind;
	fill(g, t, &t->ctx[vmid], va, x);
	if (!old)
		fill_pdes(g, t, vmid, va, &path);
	return kind;
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
		kind = miss(g, hub, vmid, va, write, x);
		pthread_mutex_unlock(&t->lock);
		return kind;
	}
	copy = *e;
	pthread_mutex_unlock(&t->lock);

	GMC_STAT(g, hits);
	cached = from_entry(&copy, va);
	kind = gmc_walk(g, hub, vmid, va, x, NULL);
	if (!same(kind, x, &cached, write))
		report(g, hub, vmid, va, write, &copy, &cached, x);
	*x = cached;
	return GMC_OK;
}
