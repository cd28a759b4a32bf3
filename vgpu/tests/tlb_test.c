/* SPDX-License-Identifier: MIT */
/* The strict TLB: what is cached, for how long, and what is said about it. */
#include "test.h"

#include <errno.h>
#include <pthread.h>

#include "hwregs.h"
#include "pm4.h"
#include "ring_rig.h"
#include "gc/gc_11_0_0_offset.h"
#include "gc/gc_11_0_0_sh_mask.h"
#include "mmhub/mmhub_3_0_0_offset.h"
#include "oss/osssys_6_0_0_offset.h"
#include "nvd.h"

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

/* ---- each way to invalidate, and what it leaves ---- */

/*
 * Three address spaces with a translation each, all changed by then. What a
 * way drops is a mask of these.
 */
#define GC3	1u
#define GC4	2u
#define MM3	4u
#define ALL3	(GC3 | GC4 | MM3)

static const struct vgpu_client spaces[] = {
	{ .hub = VGPU_HUB_GC, .vmid = 3 },
	{ .hub = VGPU_HUB_GC, .vmid = 4 },
	{ .hub = VGPU_HUB_MM, .vmid = 3 },
};

/* A ring of packets for the command processor, executed by the real thing. */
#define PM4_RING	0x2000000u
#define PM4_DOORBELL	0x300u

struct way_rig {
	struct ring_rig r;
	struct pm4_env env;
	struct vgpu_queue *q;
	uint32_t wptr;
};

static int way_init(struct way_rig *w)
{
	struct vgpu_queue_config cfg = {
		.name = "kiq", .base = RIG_FB + PM4_RING, .size_dw = 1024,
		.doorbell = PM4_DOORBELL, .exec = pm4_exec, .priv = &w->env,
	};
	int r;

	memset(w, 0, sizeof(*w));
	r = ring_init(&w->r, true);
	if (r)
		return r;
	w->env = (struct pm4_env){ .dev = w->r.rig.dev, .kiq = true,
				   .engine = VGPU_ENGINE_COMPUTE };
	r = pm4_env_init(&w->env);
	if (r)
		return r;
	w->q = vgpu_queue_start(w->r.rig.dev, &cfg, &r);
	/* As the driver leaves them: the process of VMID 3 has PASID 0x33. */
	vgpu_reg_write(w->r.rig.dev, VREG(OSSSYS, regIH_VMID_0_LUT) + 3, 0x33);
	vgpu_reg_write(w->r.rig.dev, VREG(OSSSYS, regIH_VMID_0_LUT) + 4, 0x44);
	vgpu_reg_write(w->r.rig.dev, VREG(OSSSYS, regIH_VMID_0_LUT_MM) + 3, 0x33);
	return w->q ? 0 : r;
}

static void way_fini(struct way_rig *w)
{
	vgpu_queue_stop(w->q, NULL, NULL);
	pm4_env_fini(&w->env);
	ring_fini(&w->r);
}

static void pm4(struct way_rig *w, const uint32_t *dw, unsigned int n)
{
	uint32_t *ring = (uint32_t *)(w->r.rig.h->vram + PM4_RING);
	uint64_t rptr, wptr;

	memcpy(ring + w->wptr, dw, n * 4);
	w->wptr += n;
	vgpu_doorbell_ring(w->r.rig.dev, PM4_DOORBELL, w->wptr, 8);
	CHECK_SOON(!vgpu_queue_where(w->q, &rptr, &wptr) && rptr == w->wptr);
}

#define PM4(w, ...) do {						\
	const uint32_t dw_[] = { __VA_ARGS__ };				\
	pm4(w, dw_, ARRAY_SIZE(dw_));					\
} while (0)

/* PACKET3() shifts a signed number. */
#define P3(op, n)	(3u << 30 | (op) << 8 | (n) << 16)
#define FULL	0xf8u		/* all five kinds of entries, in bits 19 to 23 */
#define REQ(vmids, what)	((what) << 16 | (vmids))
#define GC_REQ(e)	(VREG(GC, regGCVM_INVALIDATE_ENG0_REQ) + (e))
#define GC_ACK(e)	(VREG(GC, regGCVM_INVALIDATE_ENG0_ACK) + (e))
#define MM_REQ(e)	(VREG(MMHUB, regMMVM_INVALIDATE_ENG0_REQ) + (e))
#define MM_ACK(e)	(VREG(MMHUB, regMMVM_INVALIDATE_ENG0_ACK) + (e))

enum how {
	NOTHING, REG_GC, REG_MM, L2_CNTL, SERVICE, VMID_SET, RESET,
	SDMA_INV, SDMA_WRITE, SDMA_GPUVM_INV, SDMA_HDP,
	PM4_WRITE, PM4_WR_WAIT, PM4_PASID, PM4_ACQUIRE, PM4_RELEASE,
};

static const struct way {
	const char *name;
	enum how how;
	uint32_t arg;		/* request, or header bits */
	uint32_t engine;	/* or: page bit */
	unsigned int drops;
} ways[] = {
	{ "nothing", NOTHING, 0, 0, 0 },
	{ "register, legacy", REG_GC, REQ(8, FULL), 17, GC3 },
	{ "register, lightweight", REG_GC, REQ(8, FULL | 1), 17, GC3 },
	{ "register, heavyweight", REG_GC, REQ(8, FULL | 2), 17, GC3 },
	{ "register, first engine", REG_GC, REQ(8, FULL), 0, GC3 },
	{ "register, other VMID", REG_GC, REQ(0x10, FULL), 5, GC4 },
	{ "register, VMID without entries", REG_GC, REQ(0x20, FULL), 5, 0 },
	{ "register, two VMIDs", REG_GC, REQ(0x18, FULL), 5, GC3 | GC4 },
	{ "register, all VMIDs", REG_GC, REQ(0xffff, FULL), 5, GC3 | GC4 },
	{ "register, no VMID", REG_GC, REQ(0, FULL), 5, 0 },
	{ "register, L2 entries only", REG_GC, REQ(8, 0x08), 5, 0 },
	{ "register, L1 entries only", REG_GC, REQ(8, 0x80), 5, 0 },
	{ "register, no directories", REG_GC, REQ(8, 0x88), 5, GC3 },
	{ "register, directories only", REG_GC, REQ(8, 0x70), 5, 0 },
	{ "register, MM hub", REG_MM, REQ(8, FULL), 17, MM3 },
	{ "register, MM hub, other VMID", REG_MM, REQ(0x10, FULL), 17, 0 },
	{ "GC hub's whole cache", L2_CNTL, 3, 0, GC3 | GC4 },
	{ "GC hub's L1 caches", L2_CNTL, 1, 0, 0 },
	{ "GC hub's L2 cache", L2_CNTL, 2, 0, 0 },
	{ "firmware, VMID", SERVICE, 8, 0, GC3 },
	{ "firmware hands the VMID on", VMID_SET, 3, 0, GC3 },
	{ "device reset", RESET, 0, 0, ALL3 },
	{ "SDMA, GC engine", SDMA_INV, 6 << 16 | 0x1fu << 24, 0, GC3 },
	{ "SDMA, MM engine", SDMA_INV, 0x1f << 16 | 6u << 24, 0, MM3 },
	{ "SDMA, both engines", SDMA_INV, 6 << 16 | 7u << 24, 0, GC3 | MM3 },
	{ "SDMA, no engine", SDMA_INV, 0x1f << 16 | 0x1fu << 24, 0, 0 },
	{ "SDMA, register write", SDMA_WRITE, REQ(8, FULL), 3, GC3 },
	{ "SDMA, GPUVM_INV", SDMA_GPUVM_INV, REQ(8, FULL), 0, GC3 },
	{ "SDMA, GPUVM_INV of directories", SDMA_GPUVM_INV, REQ(8, 0x70), 0, 0 },
	{ "SDMA, GPUVM_INV of other VMID", SDMA_GPUVM_INV, REQ(0x10, FULL), 0, GC4 },
	{ "SDMA, GPUVM_INV of one page", SDMA_GPUVM_INV, REQ(8, FULL), 1, 0 },
	{ "SDMA, GPUVM_INV of a fault", SDMA_GPUVM_INV, REQ(8, FULL | 0x100), 0, 0 },
	{ "SDMA, caches only", SDMA_HDP, 0, 0, 0 },
	{ "PM4, register write", PM4_WRITE, REQ(8, FULL), 4, GC3 },
	{ "PM4, write and wait", PM4_WR_WAIT, REQ(8, FULL), 4, GC3 },
	{ "PM4, PASID, one hub", PM4_PASID, PACKET3_INVALIDATE_TLBS_PASID(0x33), 0, GC3 },
	{ "PM4, PASID, all hubs", PM4_PASID, PACKET3_INVALIDATE_TLBS_PASID(0x33) |
	  PACKET3_INVALIDATE_TLBS_ALL_HUB(1), 0, GC3 | MM3 },
	{ "PM4, PASID, heavyweight", PM4_PASID, PACKET3_INVALIDATE_TLBS_PASID(0x33) |
	  PACKET3_INVALIDATE_TLBS_FLUSH_TYPE(2), 0, GC3 },
	{ "PM4, other PASID", PM4_PASID, PACKET3_INVALIDATE_TLBS_PASID(0x44) |
	  PACKET3_INVALIDATE_TLBS_ALL_HUB(1), 0, GC4 },
	{ "PM4, unknown PASID", PM4_PASID, PACKET3_INVALIDATE_TLBS_PASID(0x55) |
	  PACKET3_INVALIDATE_TLBS_ALL_HUB(1), 0, 0 },
	/* Caches of data: the driver may not take them for a flush. */
	{ "PM4, ACQUIRE_MEM", PM4_ACQUIRE, 0xffffffff, 0, 0 },
	{ "PM4, RELEASE_MEM", PM4_RELEASE, 0, 0, 0 },
};

static void wreg(struct way_rig *w, uint32_t reg, uint32_t v)
{
	vgpu_reg_write(w->r.rig.dev, reg, v);
}

/* What the registers held before a device reset, without a word about flushes. */
static void set_up_again(struct way_rig *w)
{
	struct rig *rig = &w->r.rig;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(spaces); i++) {
		bool gc = spaces[i].hub == VGPU_HUB_GC;
		unsigned int vmid = spaces[i].vmid;
		uint32_t base = (gc ? VREG(GC, regGCVM_CONTEXT0_PAGE_TABLE_BASE_ADDR_LO32) :
				 VREG(MMHUB, regMMVM_CONTEXT0_PAGE_TABLE_BASE_ADDR_LO32)) +
				2 * vmid;
		uint32_t end = (gc ? VREG(GC, regGCVM_CONTEXT0_PAGE_TABLE_END_ADDR_LO32) :
				VREG(MMHUB, regMMVM_CONTEXT0_PAGE_TABLE_END_ADDR_LO32)) +
			       2 * vmid;

		wreg(w, (gc ? CNTL(0) : VREG(MMHUB, regMMVM_CONTEXT0_CNTL)) + vmid,
		     1 | VFIELD(GCVM_CONTEXT1_CNTL, PAGE_TABLE_DEPTH, 3));
		wreg(w, base, (uint32_t)(rig->root[vmid] | PTE_V));
		wreg(w, base + 1, rig->root[vmid] >> 32);
		wreg(w, end, 0xffffffff);
		wreg(w, end + 1, 0xf);
	}
}

static void invalidate(struct way_rig *w, const struct way *t)
{
	struct rig *rig = &w->r.rig;

	switch (t->how) {
	case NOTHING:
		break;
	case REG_GC:
		wreg(w, GC_REQ(t->engine), t->arg);
		CHECK_EQ(vgpu_reg_read(rig->dev, GC_ACK(t->engine)), t->arg & 0xffff);
		break;
	case REG_MM:
		wreg(w, MM_REQ(t->engine), t->arg);
		CHECK_EQ(vgpu_reg_read(rig->dev, MM_ACK(t->engine)), t->arg & 0xffff);
		break;
	case L2_CNTL:
		wreg(w, VREG(GC, regGCVM_L2_CNTL2), t->arg);
		break;
	case SERVICE:
		vgpu_tlb_flush(rig->dev, VGPU_HUB_GC, t->arg);
		break;
	case VMID_SET:
		vgpu_vmid_set(rig->dev, t->arg, rig->root[t->arg] | PTE_V, 0x8001);
		break;
	case RESET:
		vgpu_reset(rig->dev);
		set_up_again(w);
		break;
	case SDMA_INV:
		PUT(&w->r, 8 | 4 << 8 | t->arg, REQ(8, FULL), ~0u, 8 | 0x1f << 16);
		ring_go(&w->r);
		break;
	case SDMA_WRITE:
		PUT(&w->r, 14 | 0xfu << 28, GC_REQ(t->engine), t->arg);
		ring_go(&w->r);
		break;
	case SDMA_GPUVM_INV:
		PUT(&w->r, 16, t->arg, t->engine, 0);
		ring_go(&w->r);
		break;
	case SDMA_HDP:
		PUT(&w->r, 17, 0, 0xffffffff, 0xffffffff, 0xffffffff);
		ring_go(&w->r);
		break;
	case PM4_WRITE:
		PM4(w, P3(PACKET3_WRITE_DATA, 3), 1 << 16, GC_REQ(t->engine), 0,
		    t->arg);
		break;
	case PM4_WR_WAIT:
		PM4(w, P3(PACKET3_WAIT_REG_MEM, 5), 3 | 1 << 6, GC_REQ(t->engine),
		    GC_ACK(t->engine), t->arg, 8, 0x20);
		break;
	case PM4_PASID:
		PM4(w, P3(PACKET3_INVALIDATE_TLBS, 0), t->arg);
		break;
	case PM4_ACQUIRE:
		PM4(w, P3(PACKET3_ACQUIRE_MEM, 6), t->arg, t->arg, 0xffffff, 0, 0, 0,
		    t->arg);
		break;
	case PM4_RELEASE:
		PM4(w, P3(PACKET3_RELEASE_MEM, 6), 0xfff << 12 | 0x14, 0, 0, 0, 0, 0, 0);
		break;
	}
}

static void every_way(void)
{
	struct vgpu_mem_stats s;
	struct way_rig w;
	unsigned int k;
	uint32_t v;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		const struct way *t = &ways[i];
		unsigned int stale = 0;

		test_row(t->name);
		REQUIRE(!way_init(&w));
		*(uint32_t *)(w.r.rig.h->ram + 0x5000) = OLD;
		*(uint32_t *)(w.r.rig.h->ram + 0x6000) = NEW;
		rig_map(&w.r.rig, 3, VA, PTE_RAM(0x5000));
		rig_map(&w.r.rig, 4, VA, PTE_RAM(0x5000));
		for (k = 0; k < ARRAY_SIZE(spaces); k++) {
			CHECK_EQ(vgpu_mem_read32(w.r.rig.dev, &spaces[k], VA, &v), 0);
			CHECK_EQ(v, OLD);
		}
		rig_map(&w.r.rig, 3, VA, PTE_RAM(0x6000));
		rig_map(&w.r.rig, 4, VA, PTE_RAM(0x6000));
		invalidate(&w, t);
		for (k = 0; k < ARRAY_SIZE(spaces); k++) {
			bool drops = t->drops & 1u << k;

			CHECK_EQ(vgpu_mem_read32(w.r.rig.dev, &spaces[k], VA, &v), 0);
			CHECK_EQ(v, drops ? NEW : OLD);
			stale += !drops;
			vgpu_mem_stats(w.r.rig.dev, &s);
			CHECK_EQ(s.stale, stale);
		}
		CHECK_EQ(s.fragment + s.faults + s.dma_unmapped, 0);
		way_fini(&w);
	}
	test_row(NULL);
}

/* ---- directory entries ---- */

/* A page in the same 2 MiB, 1 GiB and 512 GiB as VA. */
static const uint64_t neighbour[] = {
	[0] = VA + 0x1000, [1] = VA + (2ull << 20), [2] = VA + (1ull << 30),
};

/*
 * The entry of level @level above VA is kept after a use of VA; it is changed to point to
 * other tables, in which the neighbour has another page. Which requests let the neighbour
 * be found where it is?
 */
static const struct pde_row {
	const char *name;
	unsigned int level;	/* of the entry that changes, 1 to 3 */
	uint32_t req;		/* kinds of entries; 0: no request */
	uint32_t vmids;
	bool gone;		/* it becomes invalid instead */
	bool found;
} pde_rows[] = {
	{ "PDE0, no request", 1, 0, 0, false, false },
	{ "PDE1, no request", 2, 0, 0, false, false },
	{ "PDE2, no request", 3, 0, 0, false, false },
	{ "PDE0, everything", 1, FULL, 8, false, true },
	{ "PDE1, everything", 2, FULL, 8, false, true },
	{ "PDE2, everything", 3, FULL, 8, false, true },
	{ "PDE0, page table entries only", 1, 0x88, 8, false, false },
	{ "PDE0, but PDE0", 1, 0xe8, 8, false, false },
	{ "PDE0, but the others", 1, 0x10, 8, false, true },
	{ "PDE1, but PDE1", 2, 0xd8, 8, false, false },
	{ "PDE1, but the others", 2, 0x20, 8, false, true },
	{ "PDE2, but PDE2", 3, 0xb8, 8, false, false },
	{ "PDE2, but the others", 3, 0x40, 8, false, true },
	{ "PDE0, other VMID", 1, FULL, 0x10, false, false },
	{ "PDE0 gone, no request", 1, 0, 0, true, false },
	{ "PDE0 gone, everything", 1, FULL, 8, true, true },
	{ "PDE1 gone, no request", 2, 0, 0, true, false },
};

static void directories(void)
{
	struct vgpu_client c = rig_client(VMID);
	struct vgpu_mem_stats s;
	struct rig rig;
	uint32_t v;
	size_t i;
	int r;

	for (i = 0; i < ARRAY_SIZE(pde_rows); i++) {
		const struct pde_row *t = &pde_rows[i];
		uint64_t other = neighbour[t->level - 1], *e;

		test_row(t->name);
		REQUIRE(!rig_init(&rig, true, 0));
		*(uint32_t *)(rig.h->ram + 0x5000) = OLD;
		*(uint32_t *)(rig.h->ram + 0x6000) = NEW;
		rig_map(&rig, VMID, VA, PTE_RAM(0x7000));
		rig_map(&rig, VMID, other, PTE_RAM(0x5000));
		CHECK_EQ(vgpu_mem_read32(rig.dev, &c, VA, &v), 0);
		e = rig_entry(&rig, VMID, VA, t->level);
		*e = 0;
		if (!t->gone)
			rig_map(&rig, VMID, other, PTE_RAM(0x6000));
		if (t->req)
			vgpu_reg_write(rig.dev, GC_REQ(2), REQ(t->vmids, t->req));
		r = vgpu_mem_read32(rig.dev, &c, other, &v);
		CHECK_EQ(r, t->gone && t->found ? -EFAULT : 0);
		if (!r)
			CHECK_EQ(v, t->found ? NEW : OLD);
		vgpu_mem_stats(rig.dev, &s);
		CHECK_EQ(s.stale, !t->found);
		CHECK_EQ(vgpu_counted_event(rig.dev, VGPU_COUNT_STALE), !t->found);
		rig_fini(&rig);
	}
	test_row(NULL);
}

/*
 * What the driver does without a request: a directory entry that appears, one whose tables
 * say the same, as when a page table was copied and moved and nobody looked meanwhile.
 */
static void directories_silent(void)
{
	struct vgpu_client c = rig_client(VMID);
	struct vgpu_mem_stats s;
	struct rig rig;
	uint64_t *e;
	uint32_t v;

	REQUIRE(!rig_init(&rig, true, 0));
	*(uint32_t *)(rig.h->ram + 0x5000) = OLD;
	rig_map(&rig, VMID, VA, PTE_RAM(0x7000));
	CHECK_EQ(vgpu_mem_read32(rig.dev, &c, VA, &v), 0);
	/* Appears, in the same 1 GiB. */
	CHECK_EQ(vgpu_mem_read32(rig.dev, &c, neighbour[1], &v), -EFAULT);
	rig_map(&rig, VMID, neighbour[1], PTE_RAM(0x5000));
	CHECK_EQ(vgpu_mem_read32(rig.dev, &c, neighbour[1], &v), 0);
	CHECK_EQ(v, OLD);
	/* Says the same. */
	e = rig_entry(&rig, VMID, VA, 1);
	rig_map(&rig, VMID, neighbour[0], PTE_RAM(0x5000));
	*e = 0;
	rig_map(&rig, VMID, neighbour[0], PTE_RAM(0x5000));
	CHECK_EQ(vgpu_mem_read32(rig.dev, &c, neighbour[0], &v), 0);
	CHECK_EQ(v, OLD);
	vgpu_mem_stats(rig.dev, &s);
	CHECK_EQ(s.stale + s.fragment, 0);
	rig_fini(&rig);
}

static const struct test_case tests[] = {
	{ "strict", strict },
	{ "every-way", every_way },
	{ "directories", directories },
	{ "directories-silent", directories_silent },
	{ "lenient", lenient },
	{ "appears", appears },
	{ "fragments", fragments },
	{ "many", many },
	{ "flush-waits", flush_waits },
};
TEST_MAIN(tests)
