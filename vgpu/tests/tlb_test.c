/* SPDX-License-Identifier: MIT */
/* The strict TLB: what is cached, for how long, and what is said about it. */
#include "test.h"

#include <errno.h>
#include <pthread.h>

#include "gmc_rig.h"
#include "hwregs.h"
#include "gc/gc_11_0_0_offset.h"
#include "gc/gc_11_0_0_sh_mask.h"

#define VMID	3
#define VA	0x123456789000ull
#define VA_2M	0x123456800000ull
#define VA_1G	0x123480000000ull
#define CNTL(n)	(VREG(GC, regGCVM_CONTEXT0_CNTL) + (n))

static void set_level(struct rig *rig, uint64_t va, unsigned int level,
		      uint64_t entry)
{
	*rig_entry(rig, VMID, va, level) = entry;
}

#define NEW	0x77777777u
#define OLD	0x11111111u

static void t_none(struct rig *r) { (void)r; }
static void t_move(struct rig *r) { rig_map(r, VMID, VA, PTE_RAM(0x6000)); }
static void t_unmap(struct rig *r) { rig_map(r, VMID, VA, 0); }
static void t_same(struct rig *r) { rig_map(r, VMID, VA, PTE_RAM(0x5000) | PTE_FRAG_OF(3)); }
static void t_gone(struct rig *r) { set_level(r, VA, 1, 0); }
static void t_ro(struct rig *r) { rig_map(r, VMID, VA, PTE_RAM(0x5000) & ~PTE_W); }
static void t_flush(struct rig *r)
{
	t_move(r);
	rig_flush(r, VGPU_HUB_GC, VMID);
}
static void t_flush_other(struct rig *r)
{
	t_move(r);
	rig_flush(r, VGPU_HUB_GC, VMID + 1);
}
static void t_flush_mm(struct rig *r)
{
	t_move(r);
	rig_flush(r, VGPU_HUB_MM, VMID);
}
static void t_flush_pde(struct rig *r)
{
	t_move(r);
	vgpu_reg_write(r->dev, VREG(GC, regGCVM_INVALIDATE_ENG3_REQ),
		       VFIELD(GCVM_INVALIDATE_ENG0_REQ, PER_VMID_INVALIDATE_REQ,
			      1u << VMID) |
		       VFIELD(GCVM_INVALIDATE_ENG0_REQ, INVALIDATE_L2_PDE0, 1));
}
static void t_flush_early(struct rig *r)
{
	rig_flush(r, VGPU_HUB_GC, VMID);
	t_move(r);
}
static void t_flush_all(struct rig *r)
{
	t_move(r);
	vgpu_reg_write(r->dev, VREG(GC, regGCVM_L2_CNTL2), 3);
}
static void t_service(struct rig *r)
{
	t_move(r);
	vgpu_tlb_flush(r->dev, VGPU_HUB_GC, 1u << VMID);
}
static void t_base(struct rig *r)
{
	uint64_t keep;

	/* Another process's tables, without a flush. */
	rig_map(r, VMID + 1, VA, PTE_RAM(0x6000));
	keep = r->root[VMID + 1] | PTE_V;
	vgpu_reg_write(r->dev, VREG(GC, regGCVM_CONTEXT0_PAGE_TABLE_BASE_ADDR_LO32) +
		       2 * VMID, (uint32_t)keep);
}
static void t_vmid_set(struct rig *r)
{
	rig_map(r, VMID + 1, VA, PTE_RAM(0x6000));
	vgpu_vmid_set(r->dev, VMID, r->root[VMID + 1] | PTE_V, 0x8001);
}
static void t_reset(struct rig *r)
{
	t_move(r);
	vgpu_reset(r->dev);
	/* The registers are gone as well. */
	t_vmid_set(r);
	vgpu_reg_write(r->dev, CNTL(VMID), 1 | VFIELD(GCVM_CONTEXT1_CNTL,
						      PAGE_TABLE_DEPTH, 3));
	vgpu_reg_write(r->dev, VREG(GC, regGCVM_CONTEXT0_PAGE_TABLE_END_ADDR_HI32) +
		       2 * VMID, 0xf);
}

static const struct tlb_row {
	const char *name;
	void (*change)(struct rig *rig);
	bool write;		/* second use */
	uint32_t value;		/* it reads, or where it writes is NEW */
	unsigned int stale;
	uint32_t broken;
} tlb_rows[] = {
	{ "nothing changed", t_none, false, OLD, 0 },
	{ "moved, no flush", t_move, false, OLD, 1 },
	{ "moved, no flush, write", t_move, true, OLD, 1 },
	{ "unmapped, no flush", t_unmap, false, OLD, 1 },
	{ "same page, other fragment", t_same, false, OLD, 0 },
	{ "directory gone, no flush", t_gone, false, OLD, 1 },
	{ "made read-only, read", t_ro, false, OLD, 0 },
	{ "made read-only, write", t_ro, true, OLD, 1 },
	{ "moved and flushed", t_flush, false, NEW, 0 },
	{ "moved and flushed, write", t_flush, true, NEW, 0 },
	{ "flush of another VMID", t_flush_other, false, OLD, 1 },
	{ "flush of the other hub", t_flush_mm, false, OLD, 1 },
	{ "flush of directories only", t_flush_pde, false, OLD, 1 },
	{ "flush before the change", t_flush_early, false, NEW, 0 },
	{ "flush of everything", t_flush_all, false, NEW, 0 },
	{ "flush by firmware", t_service, false, NEW, 0 },
	{ "other base, no flush", t_base, false, OLD, 1 },
	{ "VMID set up anew", t_vmid_set, false, NEW, 0 },
	{ "device reset", t_reset, false, NEW, 0 },
	{ "flush that does nothing", t_flush, false, OLD, 1, VGPU_BREAK_FLUSH },
};

static void strict(void)
{
	struct vgpu_client c = rig_client(VMID);
	struct vgpu_mem_stats s;
	struct rig rig;
	uint32_t v;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(tlb_rows); i++) {
		const struct tlb_row *t = &tlb_rows[i];
		uint32_t *old, *new;

		test_row(t->name);
		REQUIRE(!rig_init(&rig, true, t->broken));
		old = (uint32_t *)(rig.h->ram + 0x5000);
		new = (uint32_t *)(rig.h->ram + 0x6000);
		*old = OLD;
		*new = NEW;
		rig_map(&rig, VMID, VA, PTE_RAM(0x5000));
		CHECK_EQ(vgpu_mem_read32(rig.dev, &c, VA, &v), 0);
		CHECK_EQ(v, OLD);
		t->change(&rig);
		if (t->write) {
			CHECK_EQ(vgpu_mem_write32(rig.dev, &c, VA, 5), 0);
			CHECK_EQ(*old, t->value == OLD ? 5 : OLD);
			CHECK_EQ(*new, t->value == OLD ? NEW : 5);
		} else {
			CHECK_EQ(vgpu_mem_read32(rig.dev, &c, VA, &v), 0);
			CHECK_EQ(v, t->value);
		}
		vgpu_mem_stats(rig.dev, &s);
		CHECK_EQ(s.stale, t->stale);
		CHECK_EQ(s.fragment, 0);
		CHECK_EQ(vgpu_counted_event(rig.dev, VGPU_COUNT_STALE), t->stale);
		rig_fini(&rig);
	}
	test_row(NULL);
}

/* Without the strict TLB the tables alone count. */
static void lenient(void)
{
	struct vgpu_client c = rig_client(VMID);
	struct vgpu_mem_stats s;
	struct rig rig;
	uint32_t v;

	REQUIRE(!rig_init(&rig, false, 0));
	*(uint32_t *)(rig.h->ram + 0x6000) = NEW;
	rig_map(&rig, VMID, VA, PTE_RAM(0x5000));
	CHECK_EQ(vgpu_mem_read32(rig.dev, &c, VA, &v), 0);
	t_move(&rig);
	CHECK_EQ(vgpu_mem_read32(rig.dev, &c, VA, &v), 0);
	CHECK_EQ(v, NEW);
	vgpu_mem_stats(rig.dev, &s);
	CHECK_EQ(s.stale + s.hits + s.fills, 0);
	rig_fini(&rig);
}

/* A mapping that appears needs no flush; a fault is not remembered. */
static void appears(void)
{
	struct vgpu_client c = rig_client(VMID);
	struct vgpu_mem_stats s;
	struct rig rig;
	uint32_t v;

	REQUIRE(!rig_init(&rig, true, 0));
	*(uint32_t *)(rig.h->ram + 0x6000) = NEW;
	CHECK_EQ(vgpu_mem_read32(rig.dev, &c, VA, &v), -EFAULT);
	t_move(&rig);
	CHECK_EQ(vgpu_mem_read32(rig.dev, &c, VA, &v), 0);
	CHECK_EQ(v, NEW);
	vgpu_mem_stats(rig.dev, &s);
	CHECK_EQ(s.stale, 0);
	rig_fini(&rig);
}

/* An entry of a 64 KiB fragment answers for all of its pages. */
static void fragments(void)
{
	struct vgpu_client c = rig_client(VMID);
	const uint64_t base = 0x10000;
	struct vgpu_mem_stats s;
	struct rig rig;
	uint32_t v;
	int i;

	REQUIRE(!rig_init(&rig, true, 0));
	for (i = 0; i < 16; i++)
		rig_map(&rig, VMID, base + i * 4096, PTE_FRAG_OF(4) |
			PTE_RAM(0x40000 + i * 4096));
	*(uint32_t *)(rig.h->ram + 0x43000) = OLD;
	*(uint32_t *)(rig.h->ram + 0x60000) = NEW;
	CHECK_EQ(vgpu_mem_read32(rig.dev, &c, base + 0xf000, &v), 0);
	CHECK_EQ(vgpu_mem_read32(rig.dev, &c, base + 0x3000, &v), 0);
	CHECK_EQ(v, OLD);
	vgpu_mem_stats(rig.dev, &s);
	CHECK_EQ(s.fills, 1);
	CHECK_EQ(s.hits, 1);
	/* One page replaced and flushed, its neighbours' fragments kept. */
	rig_map(&rig, VMID, base + 0x3000, PTE_RAM(0x60000));
	rig_flush(&rig, VGPU_HUB_GC, VMID);
	CHECK_EQ(vgpu_mem_read32(rig.dev, &c, base + 0x2000, &v), 0);
	CHECK_EQ(vgpu_mem_read32(rig.dev, &c, base + 0x3000, &v), 0);
	CHECK_EQ(v, OLD);
	vgpu_mem_stats(rig.dev, &s);
	CHECK_EQ(s.fragment, 1);
	CHECK_EQ(s.stale, 0);
	/* Rewritten with fragments that fit: right again. */
	for (i = 0; i < 16; i++)
		if (i != 3)
			rig_map(&rig, VMID, base + i * 4096, PTE_RAM(0x40000 + i * 4096));
	rig_flush(&rig, VGPU_HUB_GC, VMID);
	CHECK_EQ(vgpu_mem_read32(rig.dev, &c, base + 0x2000, &v), 0);
	CHECK_EQ(vgpu_mem_read32(rig.dev, &c, base + 0x3000, &v), 0);
	CHECK_EQ(v, NEW);
	vgpu_mem_stats(rig.dev, &s);
	CHECK_EQ(s.fragment, 1);
	CHECK_EQ(s.stale, 0);
	rig_fini(&rig);
}

/* Thousands of entries of different sizes stay apart. */
static void many(void)
{
	struct vgpu_client c = rig_client(VMID);
	struct vgpu_mem_stats s;
	struct rig rig;
	uint32_t v, i;

	REQUIRE(!rig_init(&rig, true, 0));
	for (i = 0; i < 3000; i++) {
		rig_map(&rig, VMID, i * 4096ull, PTE_RAM(i * 4096ull));
		*(uint32_t *)(rig.h->ram + i * 4096 + 4092) = i;
	}
	set_level(&rig, VA_2M, 1, PTE_RAM(0) | PDE_PTE_BIT);
	set_level(&rig, VA_1G, 2, PTE_RAM(4096) | PDE_PTE_BIT);
	for (i = 0; i < 6000; i++) {
		uint32_t n = (i * 7919) % 3000;

		CHECK_EQ(vgpu_mem_read32(rig.dev, &c, n * 4096ull + 4092, &v), 0);
		CHECK_EQ(v, n);
		CHECK_EQ(vgpu_mem_read32(rig.dev, &c, VA_2M + (n % 512) * 4096ull + 4092,
					 &v), 0);
		CHECK_EQ(v, n % 512);
		CHECK_EQ(vgpu_mem_read32(rig.dev, &c, VA_1G + (n % 2999) * 4096ull + 4092,
					 &v), 0);
		CHECK_EQ(v, n % 2999 + 1);
	}
	vgpu_mem_stats(rig.dev, &s);
	CHECK_EQ(s.fills, 3002);
	CHECK_EQ(s.hits, 18000 - 3002);
	CHECK_EQ(s.stale + s.fragment, 0);
	rig_fini(&rig);
}

/* ---- what a flush waits for ---- */

struct slow {
	struct rig *rig;
	int entered, leave, flushed;
};

static uint64_t slow_op(uint64_t old, void *arg)
{
	struct slow *s = arg;

	__atomic_store_n(&s->entered, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&s->leave, __ATOMIC_SEQ_CST))
		test_sleep_us(100);
	return old;
}

static void *slow_access(void *arg)
{
	struct vgpu_client c = rig_client(VMID);
	struct slow *s = arg;

	vgpu_mem_atomic(s->rig->dev, &c, VA, 4, slow_op, s, NULL);
	return NULL;
}

static void *flusher(void *arg)
{
	struct slow *s = arg;

	rig_flush(s->rig, VGPU_HUB_GC, VMID);
	__atomic_store_n(&s->flushed, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/* A flush is over when no access by the old translations is under way. */
static void flush_waits(void)
{
	uint32_t ack = VREG(GC, regGCVM_INVALIDATE_ENG17_ACK);
	pthread_t access, flush;
	struct slow s = { 0 };
	struct rig rig;

	REQUIRE(!rig_init(&rig, true, 0));
	s.rig = &rig;
	rig_map(&rig, VMID, VA, PTE_RAM(0x5000));
	rig_flush(&rig, VGPU_HUB_GC, VMID);
	CHECK_EQ(vgpu_reg_peek(rig.dev, ack), 1u << VMID);
	REQUIRE(!pthread_create(&access, NULL, slow_access, &s));
	CHECK_SOON(__atomic_load_n(&s.entered, __ATOMIC_SEQ_CST));
	REQUIRE(!pthread_create(&flush, NULL, flusher, &s));
	test_sleep_us(20000);
	CHECK_EQ(__atomic_load_n(&s.flushed, __ATOMIC_SEQ_CST), 0);
	CHECK_EQ(vgpu_reg_peek(rig.dev, ack), 0);
	__atomic_store_n(&s.leave, 1, __ATOMIC_SEQ_CST);
	CHECK_SOON(__atomic_load_n(&s.flushed, __ATOMIC_SEQ_CST));
	CHECK_EQ(vgpu_reg_peek(rig.dev, ack), 1u << VMID);
	pthread_join(access, NULL);
	pthread_join(flush, NULL);
	rig_fini(&rig);
}

static const struct test_case tests[] = {
	{ "strict", strict },
	{ "lenient", lenient },
	{ "appears", appears },
	{ "fragments", fragments },
	{ "many", many },
	{ "flush-waits", flush_waits },
};
TEST_MAIN(tests)
