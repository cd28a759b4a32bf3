/* SPDX-License-Identifier: MIT */
/* Memory controller: page walks, accesses, registers, faults. */
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "blocks.h"
#include "gmc_rig.h"
#include "hwregs.h"
#include "gc/gc_11_0_0_offset.h"
#include "gc/gc_11_0_0_sh_mask.h"
#include "mmhub/mmhub_3_0_0_offset.h"
#include "oss/osssys_6_0_0_offset.h"

#define VMID	3
#define VA	0x123456789000ull
#define VA_2M	0x123456800000ull
#define VA_1G	0x123480000000ull
#define STATUS	VREG(GC, regGCVM_L2_PROTECTION_FAULT_STATUS)
#define CNTL(n)	(VREG(GC, regGCVM_CONTEXT0_CNTL) + (n))

static uint64_t stat_faults(struct rig *rig)
{
	struct vgpu_mem_stats s;

	vgpu_mem_stats(rig->dev, &s);
	return s.faults;
}

/* ---- walker ---- */

static void set_level(struct rig *rig, uint64_t va, unsigned int level,
		      uint64_t entry)
{
	*rig_entry(rig, VMID, va, level) = entry;
}

static void w_system(struct rig *r) { rig_map(r, VMID, VA, PTE_RAM(0x5000)); }
static void w_vram(struct rig *r) { rig_map(r, VMID, VA, PTE_VRAM(0x7000)); }
static void w_snooped(struct rig *r)
{
	rig_map(r, VMID, VA, PTE_RAM(0x5000) | 1ull << 2 | 1ull << 4 | 3ull << 48 |
		PTE_FRAG_OF(4));
}
static void w_2m(struct rig *r)
{
	set_level(r, VA_2M, 1, PTE_VRAM(0x200000) | PDE_PTE_BIT);
}
static void w_2m_off(struct rig *r)
{
	set_level(r, VA_2M, 1, PTE_VRAM(0x3000) | PDE_PTE_BIT);
}
static void w_1g_off(struct rig *r)
{
	set_level(r, VA_1G, 2, PTE_RAM(0x2000) | PDE_PTE_BIT);
}
static void w_invalid(struct rig *r) { rig_map(r, VMID, VA, 0); }
static void w_noretry(struct rig *r)
{
	/* AMDGPU_VM_NORETRY_FLAGS: what unmapped pages contain. */
	rig_map(r, VMID, VA, 1ull << 4 | PDE_PTE_BIT | PTE_TF_BIT);
}
static void w_2m_unmapped(struct rig *r) { set_level(r, VA_2M, 1, PDE_PTE_BIT); }
static void w_prt(struct rig *r) { rig_map(r, VMID, VA, PTE_PRT_BIT); }
static void w_prt_2m(struct rig *r)
{
	set_level(r, VA_2M, 1, PTE_PRT_BIT | PDE_PTE_BIT);
}
static void w_prt_pde(struct rig *r) { set_level(r, VA_2M, 1, PTE_PRT_BIT); }
static void w_ro(struct rig *r) { rig_map(r, VMID, VA, PTE_RAM(0x5000) & ~PTE_W); }
static void w_wo(struct rig *r) { rig_map(r, VMID, VA, PTE_RAM(0x5000) & ~PTE_R); }
static void w_pde0(struct rig *r)
{
	w_system(r);
	set_level(r, VA, 1, 0);
}
static void w_pde1(struct rig *r)
{
	w_system(r);
	set_level(r, VA, 2, 0);
}
static void w_root(struct rig *r)
{
	w_system(r);
	vgpu_reg_write(r->dev, VREG(GC, regGCVM_CONTEXT0_PAGE_TABLE_BASE_ADDR_LO32) +
		       2 * VMID, 0);
}
static void w_table_beyond(struct rig *r)
{
	w_system(r);
	set_level(r, VA, 1, PTE_V | RIG_VRAM);
}
static void w_table_nowhere(struct rig *r)
{
	w_system(r);
	set_level(r, VA, 1, PTE_V | PTE_SYS | 0xdead0000ull);
}
static void w_table_ram(struct rig *r)
{
	uint64_t *t = (uint64_t *)(r->h->ram + 0x9000);

	w_system(r);
	t[(VA >> 12) & 511] = PTE_RAM(0x5000);
	set_level(r, VA, 1, PTE_V | PTE_SYS | (FAKE_RAM_BASE + 0x9000));
}
static void w_beyond(struct rig *r) { rig_map(r, VMID, VA, PTE_VRAM(RIG_VRAM)); }
static void w_hole(struct rig *r) { rig_map(r, VMID, VA, PTE_V | PTE_SYS | PTE_R | 0x1000); }
static void w_further(struct rig *r) { rig_map(r, VMID, VA, PTE_RAM(0x5000) | PTE_TF_BIT); }
static void w_off(struct rig *r)
{
	w_system(r);
	vgpu_reg_write(r->dev, CNTL(VMID), 0);
}
static void w_disabled(struct rig *r)
{
	w_system(r);
	vgpu_reg_write(r->dev, VREG(GC, regGCVM_CONTEXTS_DISABLE), 1 << VMID);
}
static void w_other_disabled(struct rig *r)
{
	w_system(r);
	vgpu_reg_write(r->dev, VREG(GC, regGCVM_CONTEXTS_DISABLE), 0xffff & ~(1 << VMID));
}
static void w_short(struct rig *r)
{
	uint32_t end = VREG(GC, regGCVM_CONTEXT0_PAGE_TABLE_END_ADDR_LO32) + 2 * VMID;

	w_system(r);
	vgpu_reg_write(r->dev, end, (uint32_t)(VA >> 12) - 1);
	vgpu_reg_write(r->dev, end + 1, (VA >> 12) >> 32);
}
static void w_depth1(struct rig *r)
{
	uint64_t *pt = (uint64_t *)(r->h->vram + 0x10000);
	uint64_t *pd = (uint64_t *)(r->h->vram + r->root[VMID]);
	uint32_t v = vgpu_reg_read(r->dev, CNTL(VMID));

	v &= ~GCVM_CONTEXT1_CNTL__PAGE_TABLE_DEPTH_MASK;
	vgpu_reg_write(r->dev, CNTL(VMID),
		       v | VFIELD(GCVM_CONTEXT1_CNTL, PAGE_TABLE_DEPTH, 1));
	pd[1] = PTE_V | 0x10000;
	pt[2] = PTE_RAM(0x5000);
}
static void w_start(struct rig *r)
{
	uint32_t start = VREG(GC, regGCVM_CONTEXT0_PAGE_TABLE_START_ADDR_LO32) +
			 2 * VMID;

	/* Tables count from the context's first page. */
	rig_map(r, VMID, 0x1000, PTE_RAM(0x5000));
	vgpu_reg_write(r->dev, start, (uint32_t)(VA >> 12) - 1);
	vgpu_reg_write(r->dev, start + 1, (VA >> 12) >> 32);
}
static void w_gart(struct rig *r)
{
	rig_map(r, 0, RIG_GART, PTE_RAM(0x5000));
	rig_map(r, 0, RIG_GART + (RIG_GART_PAGES - 1) * 4096ull, PTE_VRAM(0x7000));
}
static void w_none(struct rig *r) { (void)r; }
static void w_no_aperture(struct rig *r)
{
	vgpu_reg_write(r->dev, VREG(GC, regGCMC_VM_SYSTEM_APERTURE_LOW_ADDR), 1);
	vgpu_reg_write(r->dev, VREG(GC, regGCMC_VM_SYSTEM_APERTURE_HIGH_ADDR), 0);
}
static void w_agp(struct rig *r)
{
	vgpu_reg_write(r->dev, VREG(GC, regGCMC_VM_AGP_BASE), FAKE_RAM_BASE >> 24);
	vgpu_reg_write(r->dev, VREG(GC, regGCMC_VM_AGP_BOT), 0x9000);
	vgpu_reg_write(r->dev, VREG(GC, regGCMC_VM_AGP_TOP), 0x9000);
	vgpu_reg_write(r->dev, VREG(GC, regGCMC_VM_SYSTEM_APERTURE_HIGH_ADDR),
		       (0x9001000000ull >> 18) - 1);
}

enum where { NOWHERE, RAM, VRAM, ZERO };

/* Faults as the PERMISSION_FAULTS, WALKER_ERROR, MAPPING_ERROR fields. */
#define NO_FAULT	0
#define F_INVALID_R	0x030
#define F_INVALID_W	0x050
#define F_WALK_R	0x132
#define F_RANGE_R	0x032
#define F_READ		0x020
#define F_WRITE		0x040
#define F_FIELDS	0x1f2

static const struct walk_row {
	const char *name;
	void (*setup)(struct rig *rig);
	unsigned int vmid;
	uint64_t va;
	bool write;
	enum where where;
	uint64_t off;
	uint32_t fault;
	bool lost;		/* refused by the bus: a fault the guest does not see */
} walk_rows[] = {
	{ "page in system memory", w_system, VMID, VA + 0x10, false, RAM, 0x5010 },
	{ "last dword of a page", w_system, VMID, VA + 0xffc, false, RAM, 0x5ffc },
	{ "page in VRAM", w_vram, VMID, VA + 8, false, VRAM, 0x7008 },
	{ "bits without meaning here", w_snooped, VMID, VA, true, RAM, 0x5000 },
	{ "sign-extended address", w_system, VMID, VA | 0xffffull << 48, false, RAM,
	  0x5000 },
	{ "next page is not mapped", w_system, VMID, VA + 0x1000, false, NOWHERE, 0,
	  F_INVALID_R },
	{ "2 MiB leaf", w_2m, VMID, VA_2M + 0x123450, false, VRAM, 0x323450 },
	{ "2 MiB leaf, unaligned address", w_2m_off, VMID, VA_2M + 0x1ff004, false,
	  VRAM, 0x202004 },
	{ "1 GiB leaf, unaligned address", w_1g_off, VMID, VA_1G + 0x345678, false,
	  RAM, 0x347678 },
	{ "invalid entry, read", w_invalid, VMID, VA, false, NOWHERE, 0, F_INVALID_R },
	{ "invalid entry, write", w_invalid, VMID, VA, true, NOWHERE, 0, F_INVALID_W },
	{ "unmapped entry", w_noretry, VMID, VA, false, NOWHERE, 0, F_INVALID_R },
	{ "unmapped directory leaf", w_2m_unmapped, VMID, VA_2M + 0x3000, false,
	  NOWHERE, 0, F_INVALID_R },
	{ "PRT read", w_prt, VMID, VA, false, ZERO },
	{ "PRT write", w_prt, VMID, VA, true, ZERO },
	{ "PRT in directory", w_prt_2m, VMID, VA_2M + 0x5000, false, ZERO },
	{ "PRT in directory, not marked a leaf", w_prt_pde, VMID, VA_2M, false, ZERO },
	{ "read of read-only", w_ro, VMID, VA, false, RAM, 0x5000 },
	{ "write of read-only", w_ro, VMID, VA, true, NOWHERE, 0, F_WRITE },
	{ "read of write-only", w_wo, VMID, VA, false, NOWHERE, 0, F_READ },
	{ "write of write-only", w_wo, VMID, VA, true, RAM, 0x5000 },
	{ "no PDE0", w_pde0, VMID, VA, false, NOWHERE, 0, F_WALK_R },
	{ "no PDE1", w_pde1, VMID, VA, false, NOWHERE, 0, F_WALK_R },
	{ "no root", w_root, VMID, VA, false, NOWHERE, 0, F_WALK_R },
	{ "table beyond VRAM", w_table_beyond, VMID, VA, false, NOWHERE, 0, F_WALK_R },
	{ "table where no memory is", w_table_nowhere, VMID, VA, false, NOWHERE, 0,
	  F_WALK_R },
	{ "table in system memory", w_table_ram, VMID, VA, false, RAM, 0x5000 },
	{ "page beyond VRAM", w_beyond, VMID, VA, false, NOWHERE, 0, F_INVALID_R },
	{ "DMA address not mapped", w_hole, VMID, VA, false, NOWHERE, 0, NO_FAULT, true },
	{ "translate further", w_further, VMID, VA, false, NOWHERE, 0, F_WALK_R },
	{ "context off", w_off, VMID, VA, false, NOWHERE, 0, F_RANGE_R },
	{ "context disabled", w_disabled, VMID, VA, false, NOWHERE, 0, F_RANGE_R },
	{ "other contexts disabled", w_other_disabled, VMID, VA + 0x10, false, RAM, 0x5010 },
	{ "beyond the context", w_short, VMID, VA, false, NOWHERE, 0, F_RANGE_R },
	{ "two levels", w_depth1, VMID, 0x202000, false, RAM, 0x5000 },
	{ "context with a start", w_start, VMID, VA, false, RAM, 0x5000 },
	{ "first page of the GART", w_gart, 0, RIG_GART + 4, false, RAM, 0x5004 },
	{ "last page of the GART", w_gart, 0,
	  RIG_GART + RIG_GART_PAGES * 4096ull - 4, true, VRAM, 0x7ffc },
	{ "behind the GART", w_gart, 0, RIG_GART + RIG_GART_PAGES * 4096ull, false,
	  NOWHERE, 0, F_RANGE_R },
	{ "GART page not mapped", w_gart, 0, RIG_GART + 4096, false, NOWHERE, 0,
	  F_INVALID_R },
	{ "start of VRAM", w_none, 0, RIG_FB, false, VRAM, 0 },
	{ "end of VRAM", w_none, 0, RIG_FB + RIG_VRAM - 4, true, VRAM, RIG_VRAM - 4 },
	{ "behind VRAM", w_none, 0, RIG_FB + RIG_VRAM, false, NOWHERE, 0, F_RANGE_R },
	{ "before VRAM", w_none, 0, RIG_FB - 4, false, NOWHERE, 0, F_RANGE_R },
	{ "VRAM without aperture", w_no_aperture, 0, RIG_FB, false, NOWHERE, 0,
	  F_RANGE_R },
	{ "VRAM aperture is VMID 0's", w_none, VMID, RIG_FB, false, NOWHERE, 0,
	  F_WALK_R },
	{ "AGP aperture", w_agp, 0, 0x9000005000ull, false, RAM, 0x5000 },
};

static void walk_one(const struct walk_row *row, bool strict)
{
	struct vgpu_client c = rig_client(row->vmid);
	uint32_t v = 0, *at = NULL, status;
	struct rig rig;
	int r;

	REQUIRE(!rig_init(&rig, strict, 0));
	/* What a wrong address would find. */
	memset(rig.h->vram, 0x55, 4096);
	memset(rig.h->ram, 0x55, 4096);
	row->setup(&rig);
	if (row->where == RAM)
		at = (uint32_t *)(rig.h->ram + row->off);
	if (row->where == VRAM)
		at = (uint32_t *)(rig.h->vram + row->off);
	if (at)
		*at = 0x600df00d;
	if (row->write) {
		r = vgpu_mem_write32(rig.dev, &c, row->va, 0xabcd1234);
		if (at)
			CHECK_EQ(*at, 0xabcd1234);
	} else {
		r = vgpu_mem_read32(rig.dev, &c, row->va, &v);
		CHECK_EQ(v, at ? 0x600df00d : row->lost ? 0xffffffff : 0);
	}
	CHECK_EQ(r, row->where == NOWHERE ? -EFAULT : 0);
	status = vgpu_reg_read(rig.dev, STATUS);
	CHECK_EQ(status & F_FIELDS, row->fault);
	CHECK_EQ(stat_faults(&rig), !!row->fault);
	if (row->fault) {
		CHECK_EQ(VFIELD_GET(status, GCVM_L2_PROTECTION_FAULT_STATUS, VMID),
			 row->vmid);
		CHECK_EQ(VFIELD_GET(status, GCVM_L2_PROTECTION_FAULT_STATUS, RW),
			 row->write);
		CHECK_EQ(VFIELD_GET(status, GCVM_L2_PROTECTION_FAULT_STATUS, CID), 13);
	}
	rig_fini(&rig);
}

static void walker(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(walk_rows); i++) {
		char name[80];

		snprintf(name, sizeof(name), "%s", walk_rows[i].name);
		test_row(name);
		walk_one(&walk_rows[i], false);
		snprintf(name, sizeof(name), "%s, strict", walk_rows[i].name);
		walk_one(&walk_rows[i], true);
	}
	test_row(NULL);
}

/* ---- accesses ---- */

#define PAGES	16

/* PAGES pages at VA, scattered over RAM and VRAM in reverse order. */
static uint8_t *scatter(struct rig *rig, unsigned int page)
{
	unsigned int n = PAGES - 1 - page;

	return n & 1 ? rig->h->vram + 0x100000 + n * 4096 :
		       rig->h->ram + 0x100000 + n * 4096;
}

static void map_scattered(struct rig *rig)
{
	unsigned int i, n;

	for (i = 0; i < PAGES; i++) {
		n = PAGES - 1 - i;
		rig_map(rig, VMID, VA + i * 4096ull,
			n & 1 ? PTE_VRAM(0x100000 + n * 4096ull) :
				PTE_RAM(0x100000 + n * 4096ull));
	}
}

/* What the pages contain, in order of virtual addresses. */
static void gather(struct rig *rig, uint8_t *buf)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		memcpy(buf + i * 4096, scatter(rig, i), 4096);
}

static const struct move_row {
	const char *name;
	uint64_t dst, src, len;
} move_rows[] = {
	{ "one byte", 0x8001, 0x1fff, 1 },
	{ "a page", 0x8000, 0, 4096 },
	{ "unaligned over pages", 0x8123, 0x0ffd, 0x3456 },
	{ "forward overlap", 0x1000, 0x1800, 0x9000 },
	{ "backward overlap", 0x1801, 0x1000, 0x9003 },
	{ "backward overlap by a byte", 1, 0, 0xf000 },
	{ "backward, not overlapping", 0x9000, 0x1000, 0x3000 },
	{ "onto itself", 0x2000, 0x2000, 0x2000 },
	{ "nothing", 0x2000, 0x1000, 0 },
};

static void copies(void)
{
	static uint8_t want[PAGES * 4096], got[PAGES * 4096];
	struct vgpu_client c = rig_client(VMID);
	struct rig rig;
	size_t i, j;

	REQUIRE(!rig_init(&rig, true, 0));
	map_scattered(&rig);
	for (i = 0; i < ARRAY_SIZE(move_rows); i++) {
		const struct move_row *m = &move_rows[i];

		test_row(m->name);
		for (j = 0; j < sizeof(want); j++)
			want[j] = rand();
		CHECK_EQ(vgpu_mem_write(rig.dev, &c, VA, want, sizeof(want)), 0);
		gather(&rig, got);
		CHECK_MEM(got, want, sizeof(want));
		memmove(want + m->dst, want + m->src, m->len);
		CHECK_EQ(vgpu_mem_copy(rig.dev, &c, VA + m->dst, VA + m->src, m->len), 0);
		gather(&rig, got);
		CHECK_MEM(got, want, sizeof(want));
		memset(got, 0, sizeof(got));
		CHECK_EQ(vgpu_mem_read(rig.dev, &c, VA, got, sizeof(got)), 0);
		CHECK_MEM(got, want, sizeof(want));
	}
	test_row(NULL);
	rig_fini(&rig);
}

/* Longer than what is moved at once, in both directions. */
static void long_copies(void)
{
	const uint64_t len = 5 << 20, shift = 0x1235;
	struct vgpu_client c = rig_client(VMID);
	uint8_t *want = malloc(len + shift);
	struct rig rig;
	uint64_t i;

	REQUIRE(want && !rig_init(&rig, true, 0));
	set_level(&rig, VA_1G, 2, PTE_RAM(0x2000) | PDE_PTE_BIT);
	for (i = 0; i < len + shift; i++)
		want[i] = i * 2654435761u >> 24;
	memcpy(rig.h->ram + 0x2000, want, len + shift);
	memmove(want + shift, want, len);
	CHECK_EQ(vgpu_mem_copy(rig.dev, &c, VA_1G + shift, VA_1G, len), 0);
	CHECK_MEM(rig.h->ram + 0x2000, want, len + shift);
	memmove(want, want + shift, len);
	CHECK_EQ(vgpu_mem_copy(rig.dev, &c, VA_1G, VA_1G + shift, len), 0);
	CHECK_MEM(rig.h->ram + 0x2000, want, len + shift);
	rig_fini(&rig);
	free(want);
}

/* The frame buffer registers count 16 MiB, VRAM need not. */
static void odd_vram(void)
{
	static const struct vgpu_block *const blocks[] = {
		&vgpu_block_gmc, &vgpu_block_ih, NULL,
	};
	struct fake_host *h = fake_host_create(blocks, 4096, 17 << 20, false);
	struct vgpu_client c = rig_client(0);
	struct vgpu_mem_stats s;
	uint32_t v;

	REQUIRE(h);
	CHECK_EQ(vgpu_reg_read(h->dev, VREG(GC, regGCMC_VM_FB_LOCATION_TOP)), 0x8001);
	CHECK_EQ(vgpu_mem_read32(h->dev, &c, RIG_FB + (17 << 20) - 4, &v), 0);
	CHECK_EQ(vgpu_mem_read32(h->dev, &c, RIG_FB + (17 << 20), &v), -EFAULT);
	CHECK_EQ(vgpu_mem_read32(h->dev, &c, RIG_FB + (32 << 20) - 4, &v), -EFAULT);
	vgpu_mem_stats(h->dev, &s);
	CHECK_EQ(s.faults, 2);
	fake_host_destroy(h);
}

static void fills(void)
{
	static const uint32_t patterns[] = { 0, 0x5a5a5a5a, 0x12345678 };
	struct vgpu_client c = rig_client(VMID);
	uint8_t got[PAGES * 4096];
	struct rig rig;
	size_t i, j;
	uint32_t v;

	REQUIRE(!rig_init(&rig, false, 0));
	map_scattered(&rig);
	for (i = 0; i < ARRAY_SIZE(patterns); i++) {
		CHECK_EQ(vgpu_mem_fill(rig.dev, &c, VA, 0x77777777, PAGES * 4096), 0);
		CHECK_EQ(vgpu_mem_fill(rig.dev, &c, VA + 0xff4, patterns[i], 0x2014), 0);
		gather(&rig, got);
		for (j = 0; j < sizeof(got); j += 4) {
			memcpy(&v, got + j, 4);
			CHECK_EQ(v, j >= 0xff4 && j < 0xff4 + 0x2014 ? patterns[i] :
				 0x77777777);
		}
	}
	CHECK_EQ(vgpu_mem_fill(rig.dev, &c, VA + 1, 0, 4), -EFAULT);
	CHECK_EQ(vgpu_mem_fill(rig.dev, &c, VA, 0, 3), -EFAULT);
	rig_fini(&rig);
}

/* A hole in the middle: the rest is done, one fault per side is reported. */
static void partial(void)
{
	struct vgpu_client c = rig_client(VMID);
	uint32_t addr = VREG(GC, regGCVM_L2_PROTECTION_FAULT_ADDR_LO32);
	uint8_t buf[3 * 4096], zero[4096] = { 0 };
	struct rig rig;

	memset(buf, 0xee, sizeof(buf));
	REQUIRE(!rig_init(&rig, true, 0));
	rig_map(&rig, VMID, VA, PTE_RAM(0x20000));
	rig_map(&rig, VMID, VA + 0x2000, PTE_RAM(0x22000));
	memset(rig.h->ram + 0x20000, 1, 0x3000);
	CHECK_EQ(vgpu_mem_read(rig.dev, &c, VA, buf, sizeof(buf)), -EFAULT);
	CHECK_MEM(buf, rig.h->ram + 0x20000, 4096);
	CHECK_MEM(buf + 4096, zero, 4096);
	CHECK_MEM(buf + 8192, rig.h->ram + 0x22000, 4096);
	CHECK_EQ(stat_faults(&rig), 1);
	memset(buf, 2, sizeof(buf));
	CHECK_EQ(vgpu_mem_write(rig.dev, &c, VA, buf, sizeof(buf)), -EFAULT);
	CHECK_EQ(rig.h->ram[0x20fff], 2);
	CHECK_EQ(rig.h->ram[0x21000], 1);
	CHECK_EQ(rig.h->ram[0x22000], 2);
	CHECK_EQ(stat_faults(&rig), 2);
	/* From one hole into another: a fault of each side, of its first page. */
	vgpu_reg_write(rig.dev, VREG(GC, regGCVM_L2_PROTECTION_FAULT_CNTL), 1);
	CHECK_EQ(vgpu_mem_read(rig.dev, &c, VA + 0x6000, buf, 0x2000), -EFAULT);
	CHECK_EQ(vgpu_reg_read(rig.dev, addr), (uint32_t)(VA >> 12) + 6);
	CHECK_EQ(vgpu_mem_copy(rig.dev, &c, VA + 0x5000, VA + 0x1000, 0x2000), -EFAULT);
	CHECK_EQ(stat_faults(&rig), 5);
	/* What could not be read arrives as zeros. */
	rig_map(&rig, VMID, VA + 0x5000, PTE_RAM(0x25000));
	memset(rig.h->ram + 0x25000, 7, 4096);
	CHECK_EQ(vgpu_mem_copy(rig.dev, &c, VA + 0x5000, VA + 0x1000, 0x1000), -EFAULT);
	CHECK_MEM(rig.h->ram + 0x25000, zero, 4096);
	rig_fini(&rig);
}

static uint64_t add_arg(uint64_t old, void *arg)
{
	return old + *(uint64_t *)arg;
}

static void words(void)
{
	struct vgpu_client c = rig_client(VMID);
	uint64_t v64, old, one = 1;
	struct rig rig;
	uint32_t v32;

	REQUIRE(!rig_init(&rig, true, 0));
	map_scattered(&rig);
	CHECK_EQ(vgpu_mem_write64(rig.dev, &c, VA + 8, 0x1122334455667788ull), 0);
	CHECK_EQ(vgpu_mem_read64(rig.dev, &c, VA + 8, &v64), 0);
	CHECK_EQ(v64, 0x1122334455667788ull);
	CHECK_EQ(vgpu_mem_read32(rig.dev, &c, VA + 12, &v32), 0);
	CHECK_EQ(v32, 0x11223344);
	CHECK_EQ(vgpu_mem_write32(rig.dev, &c, VA + 8, 0xffffffff), 0);
	CHECK_EQ(vgpu_mem_atomic(rig.dev, &c, VA + 8, 4, add_arg, &one, &old), 0);
	CHECK_EQ(old, 0xffffffff);
	CHECK_EQ(vgpu_mem_read64(rig.dev, &c, VA + 8, &v64), 0);
	CHECK_EQ(v64, 0x1122334400000000ull);
	CHECK_EQ(vgpu_mem_atomic(rig.dev, &c, VA + 8, 8, add_arg, &one, &old), 0);
	CHECK_EQ(old, 0x1122334400000000ull);
	CHECK_EQ(vgpu_mem_atomic(rig.dev, &c, VA + 12, 8, add_arg, &one, &old), -EFAULT);
	CHECK_EQ(vgpu_mem_atomic(rig.dev, &c, VA, 2, add_arg, &one, NULL), -EFAULT);
	/* Unaligned words are done, if not at once, also across pages. */
	CHECK_EQ(vgpu_mem_write64(rig.dev, &c, VA + 0xffd, 0x0102030405060708ull), 0);
	CHECK_EQ(vgpu_mem_read64(rig.dev, &c, VA + 0xffd, &v64), 0);
	CHECK_EQ(v64, 0x0102030405060708ull);
	CHECK_EQ(scatter(&rig, 1)[0], 5);
	rig_fini(&rig);
}

#define ADDS	2000

static void *adder(void *arg)
{
	struct vgpu_client c = rig_client(VMID);
	struct rig *rig = arg;
	uint64_t one = 1;
	int i;

	for (i = 0; i < ADDS; i++)
		vgpu_mem_atomic(rig->dev, &c, VA, 8, add_arg, &one, NULL);
	return NULL;
}

/* Engines and the guest's CPUs add to the same word. */
static void atomics(void)
{
	pthread_t t[2];
	struct rig rig;
	uint64_t *p;
	int i;

	REQUIRE(!rig_init(&rig, true, 0));
	map_scattered(&rig);
	p = (uint64_t *)scatter(&rig, 0);
	for (i = 0; i < 2; i++)
		REQUIRE(!pthread_create(&t[i], NULL, adder, &rig));
	for (i = 0; i < ADDS; i++)
		__atomic_fetch_add(p, 1, __ATOMIC_SEQ_CST);
	for (i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	CHECK_EQ(*p, 3 * ADDS);
	rig_fini(&rig);
}

/* ---- registers and faults ---- */

static void engines(void)
{
	uint32_t sem = VREG(MMHUB, regMMVM_INVALIDATE_ENG5_SEM);
	uint32_t req = VREG(MMHUB, regMMVM_INVALIDATE_ENG5_REQ);
	uint32_t ack = VREG(MMHUB, regMMVM_INVALIDATE_ENG5_ACK);
	struct rig rig;

	REQUIRE(!rig_init(&rig, true, 0));
	CHECK_EQ(vgpu_reg_read(rig.dev, sem), 1);
	CHECK_EQ(vgpu_reg_read(rig.dev, sem), 0);
	CHECK_EQ(vgpu_reg_read(rig.dev, sem + 1), 1);
	vgpu_reg_write(rig.dev, sem, 0);
	CHECK_EQ(vgpu_reg_read(rig.dev, sem), 1);
	vgpu_reg_write(rig.dev, req, 0x00f80006);
	CHECK_EQ(vgpu_reg_read(rig.dev, ack), 6);
	CHECK_EQ(vgpu_reg_read(rig.dev, ack + 1), 0);
	/* A new request takes the old acknowledgement back. */
	vgpu_reg_write(rig.dev, req, 0x00f80001);
	CHECK_EQ(vgpu_reg_read(rig.dev, ack), 1);
	/* Read-only, and said so. */
	vgpu_reg_write(rig.dev, ack, 0xffff);
	CHECK_EQ(vgpu_reg_read(rig.dev, ack), 1);
	CHECK(fake_host_logs(rig.h, VGPU_LOG_GUEST));
	CHECK_EQ(vgpu_reg_read(rig.dev, VREG(GC, regGCMC_VM_FB_LOCATION_BASE)), 0x8000);
	CHECK_EQ(vgpu_reg_read(rig.dev, VREG(MMHUB, regMMMC_VM_FB_LOCATION_BASE)), 0x8000);
	rig_fini(&rig);
}

static void faults(void)
{
	struct vgpu_client c = rig_client(VMID);
	uint32_t cntl = VREG(GC, regGCVM_L2_PROTECTION_FAULT_CNTL);
	uint32_t lo = VREG(GC, regGCVM_L2_PROTECTION_FAULT_ADDR_LO32);
	uint32_t iv[8], v, status;
	struct rig rig;

	REQUIRE(!rig_init(&rig, false, 0));
	vgpu_reg_write(rig.dev, VREG(OSSSYS, regIH_VMID_0_LUT) + VMID, 0x8005);
	CHECK_EQ(vgpu_mem_write32(rig.dev, &c, 0x823456789abcull, 1), -EFAULT);
	status = vgpu_reg_read(rig.dev, STATUS);
	CHECK_EQ(vgpu_reg_read(rig.dev, lo), 0x23456789);
	CHECK_EQ(vgpu_reg_read(rig.dev, lo + 1), 8);
	CHECK_EQ(status & 1, 0);
	REQUIRE(rig_iv(&rig, iv));
	CHECK_EQ(iv[0], 0x0a | 1 << 16 | VMID << 24);
	CHECK_EQ(iv[3], 0x8005);
	CHECK_EQ(iv[4], 0x23456789);
	CHECK_EQ(iv[5], 8 | 0x20);
	CHECK_EQ(fake_host_irqs(rig.h, 0), 1);

	/* The second is not seen in the registers but for MORE_FAULTS. */
	CHECK_EQ(vgpu_mem_read32(rig.dev, &c, 0x1000, &v), -EFAULT);
	CHECK_EQ(vgpu_reg_read(rig.dev, STATUS), status | 1);
	CHECK_EQ(vgpu_reg_read(rig.dev, lo), 0x23456789);
	REQUIRE(rig_iv(&rig, iv));
	CHECK_EQ(iv[4], 1);
	CHECK_EQ(iv[5], 0x40);

	/* As the driver clears it; the bit itself is not kept. */
	vgpu_reg_write(rig.dev, cntl, vgpu_reg_read(rig.dev, cntl) | 1);
	CHECK_EQ(vgpu_reg_read(rig.dev, STATUS), 0);
	CHECK_EQ(vgpu_reg_read(rig.dev, cntl) & 1, 0);
	CHECK_EQ(vgpu_mem_read32(rig.dev, &c, 0x1000, &v), -EFAULT);
	CHECK_EQ(vgpu_reg_read(rig.dev, lo), 1);
	CHECK(rig_iv(&rig, iv));

	/* No vector with the context's interrupts off, but the registers tell. */
	vgpu_reg_write(rig.dev, cntl, vgpu_reg_read(rig.dev, cntl) | 1);
	vgpu_reg_write(rig.dev, CNTL(VMID), vgpu_reg_read(rig.dev, CNTL(VMID)) &
		       ~(GCVM_CONTEXT1_CNTL__PDE0_PROTECTION_FAULT_ENABLE_INTERRUPT_MASK |
			 GCVM_CONTEXT1_CNTL__VALID_PROTECTION_FAULT_ENABLE_INTERRUPT_MASK));
	CHECK_EQ(vgpu_mem_read32(rig.dev, &c, 0x1000, &v), -EFAULT);
	CHECK(vgpu_reg_read(rig.dev, STATUS));
	CHECK(!rig_iv(&rig, iv));

	/* The other hub has its own registers, table and client number. */
	c.hub = VGPU_HUB_MM;
	vgpu_reg_write(rig.dev, VREG(OSSSYS, regIH_VMID_0_LUT_MM) + VMID, 0x8006);
	CHECK_EQ(vgpu_mem_read32(rig.dev, &c, 0x1000, &v), -EFAULT);
	CHECK(vgpu_reg_read(rig.dev, VREG(MMHUB, regMMVM_L2_PROTECTION_FAULT_STATUS)));
	REQUIRE(rig_iv(&rig, iv));
	CHECK_EQ(iv[0], 0x12 | 1 << 16 | VMID << 24 | 1u << 31);
	CHECK_EQ(iv[3], 0x8006);
	rig_fini(&rig);
}

static void vmid_set(void)
{
	uint32_t base = VREG(GC, regGCVM_CONTEXT0_PAGE_TABLE_BASE_ADDR_LO32);
	struct rig rig;

	REQUIRE(!rig_init(&rig, true, 0));
	vgpu_vmid_set(rig.dev, 9, 0x123456001ull, 0x8123);
	CHECK_EQ(vgpu_reg_read(rig.dev, base + 18), 0x23456001);
	CHECK_EQ(vgpu_reg_read(rig.dev, base + 19), 1);
	CHECK_EQ(vgpu_reg_read(rig.dev, VREG(OSSSYS, regIH_VMID_0_LUT) + 9), 0x8123);
	vgpu_vmid_set(rig.dev, 0, 1, 1);
	vgpu_vmid_set(rig.dev, 16, 1, 1);
	CHECK_EQ(fake_host_logs(rig.h, VGPU_LOG_ERROR), 2);
	CHECK_EQ(vgpu_reg_read(rig.dev, base), rig.gart | PTE_V);
	rig_fini(&rig);
}

/* ---- robustness ---- */

struct storm {
	struct rig *rig;
	int stop;
};

/* The guest at work on its tables and registers, without any sense. */
static void *storm(void *arg)
{
	struct storm *s = arg;
	struct vgpu *dev = s->rig->dev;
	unsigned int seed = 7;

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		uint64_t *e = (uint64_t *)s->rig->h->vram +
			      rand_r(&seed) % (RIG_VRAM / 8);
		uint64_t v = (uint64_t)rand_r(&seed) << 33 ^
			     (uint64_t)rand_r(&seed) << 11 ^ rand_r(&seed);

		__atomic_store_n(e, v & 0x0174000003ffffffull, __ATOMIC_RELEASE);
		switch (rand_r(&seed) % 16) {
		case 0:
			vgpu_reg_write(dev, CNTL(rand_r(&seed) % 16), rand_r(&seed));
			break;
		case 1:
			/* Base, start and end of all contexts. */
			vgpu_reg_write(dev, VREG(GC, regGCVM_CONTEXT0_PAGE_TABLE_BASE_ADDR_LO32) +
				       rand_r(&seed) % 96, rand_r(&seed) % RIG_VRAM);
			break;
		case 2:
			rig_flush(s->rig, VGPU_HUB_GC, rand_r(&seed) % 16);
			break;
		case 3:
			vgpu_reg_write(dev, VREG(GC, regGCMC_VM_SYSTEM_APERTURE_HIGH_ADDR),
				       rand_r(&seed));
			break;
		}
	}
	return NULL;
}

static void any_tables(void)
{
	struct storm s = { 0 };
	unsigned int i, seed = 3;
	pthread_t thread;
	struct rig rig;

	REQUIRE(!rig_init(&rig, true, 0));
	s.rig = &rig;
	REQUIRE(!pthread_create(&thread, NULL, storm, &s));
	for (i = 0; i < 20000; i++) {
		struct vgpu_client c = rig_client(rand_r(&seed) % 16);
		uint64_t va = (uint64_t)rand_r(&seed) << (rand_r(&seed) % 18);
		uint64_t to = (uint64_t)rand_r(&seed) << (rand_r(&seed) % 18);
		uint8_t buf[256];
		uint32_t v;

		if (!c.vmid && i & 1)
			va += RIG_FB;
		switch (rand_r(&seed) % 5) {
		case 0:
			vgpu_mem_read(rig.dev, &c, va, buf, sizeof(buf));
			break;
		case 1:
			vgpu_mem_copy(rig.dev, &c, to, va, rand_r(&seed) % 20000);
			break;
		case 2:
			vgpu_mem_read32(rig.dev, &c, va, &v);
			break;
		case 3:
			vgpu_mem_write64(rig.dev, &c, va, i);
			break;
		case 4:
			vgpu_mem_fill(rig.dev, &c, va & ~3ull, i, 8192);
			break;
		}
	}
	__atomic_store_n(&s.stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	rig_fini(&rig);
}

static const struct test_case tests[] = {
	{ "walker", walker },
	{ "copies", copies },
	{ "long-copies", long_copies },
	{ "odd-vram", odd_vram },
	{ "fills", fills },
	{ "partial", partial },
	{ "words", words },
	{ "atomics", atomics },
	{ "engines", engines },
	{ "faults", faults },
	{ "vmid-set", vmid_set },
	{ "any-tables", any_tables },
};
TEST_MAIN(tests)
