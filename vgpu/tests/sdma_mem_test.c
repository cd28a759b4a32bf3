/* SPDX-License-Identifier: MIT */
/* SDMA with the real memory controller and interrupt handler. */
#include "test.h"

#include <stdlib.h>

#include "blocks.h"
#include "gmc_rig.h"
#include "hwregs.h"
#include "gc/gc_11_0_0_offset.h"
#include "gc/gc_11_0_0_sh_mask.h"

#define VMID		4
#define VA		0x200000000ull
#define RING_LOG2	10
#define RING_DW		(1u << RING_LOG2)
/* Ring, its read pointer, a fence and a buffer: at the end of VRAM. */
#define RING		(RIG_VRAM - 0x10000u)
#define RPTR		(RIG_VRAM - 0x8000u)
#define FENCE		(RIG_VRAM - 0x7000u)
#define IB		(RIG_VRAM - 0x6000u)
#define DOORBELL	0x200u

static uint64_t wptr;

static void wreg(struct rig *rig, uint32_t reg, uint32_t v)
{
	vgpu_reg_write(rig->dev, reg, v);
}

static bool start(struct rig *rig)
{
	const uint64_t ring = RIG_FB + RING, rptr = RIG_FB + RPTR;

	if (rig_init_sdma(rig, true))
		return false;
	wptr = 0;
	wreg(rig, VREG(GC, regSDMA0_CNTL), 1);
	wreg(rig, VREG(GC, regSDMA0_QUEUE0_RB_RPTR_ADDR_HI), rptr >> 32);
	wreg(rig, VREG(GC, regSDMA0_QUEUE0_RB_RPTR_ADDR_LO), (uint32_t)rptr);
	wreg(rig, VREG(GC, regSDMA0_QUEUE0_RB_BASE), (uint32_t)(ring >> 8));
	wreg(rig, VREG(GC, regSDMA0_QUEUE0_RB_BASE_HI), ring >> 40);
	wreg(rig, VREG(GC, regSDMA0_QUEUE0_DOORBELL),
	     VFIELD(SDMA0_QUEUE0_DOORBELL, ENABLE, 1));
	wreg(rig, VREG(GC, regSDMA0_QUEUE0_DOORBELL_OFFSET), DOORBELL << 2);
	wreg(rig, VREG(GC, regSDMA0_F32_CNTL), 0);
	wreg(rig, VREG(GC, regSDMA0_QUEUE0_RB_CNTL),
	     VFIELD(SDMA0_QUEUE0_RB_CNTL, RB_SIZE, RING_LOG2) |
	     VFIELD(SDMA0_QUEUE0_RB_CNTL, RPTR_WRITEBACK_ENABLE, 1) |
	     VFIELD(SDMA0_QUEUE0_RB_CNTL, RB_ENABLE, 1));
	return true;
}

static void put(struct rig *rig, const uint32_t *dw, unsigned int n)
{
	uint32_t *ring = (uint32_t *)(rig->h->vram + RING);

	while (n--)
		__atomic_store_n(&ring[wptr++ & (RING_DW - 1)], *dw++,
				 __ATOMIC_RELEASE);
}

#define PUT(rig, ...) do {						\
	const uint32_t dw_[] = { __VA_ARGS__ };				\
	put(rig, dw_, ARRAY_SIZE(dw_));					\
} while (0)

static uint64_t vram64(struct rig *rig, uint64_t at)
{
	return __atomic_load_n((uint64_t *)(rig->h->vram + at), __ATOMIC_ACQUIRE);
}

/* Ring the doorbell and wait for the end. */
static void go(struct rig *rig)
{
	vgpu_doorbell_ring(rig->dev, DOORBELL, wptr << 2, 8);
	CHECK_SOON(vram64(rig, RPTR) == wptr << 2);
}

/* A buffer for VMID @vmid with the dwords @dw, mapped where it says. */
static void put_ib(struct rig *rig, unsigned int vmid, const uint32_t *dw,
		   unsigned int n)
{
	const uint64_t at = vmid ? 0x700000000ull : RIG_FB + IB;

	if (vmid)
		rig_map(rig, vmid, at, PTE_VRAM(IB));
	memcpy(rig->h->vram + IB, dw, n * 4);
	PUT(rig, 4 | vmid << 16, (uint32_t)at, at >> 32, n, 0, 0);
}

/* More than one slice of a copy, over each other, both ways. */
static void slices(void)
{
	const uint32_t len = 20 << 20, shift = 1 << 20;
	struct rig rig;
	uint8_t *want;
	uint32_t i;

	want = malloc(len + shift);
	REQUIRE(want && start(&rig));
	for (i = 0; i < len + shift; i++)
		want[i] = i * 2654435761u >> 24;
	memcpy(rig.h->vram, want, len + shift);
	PUT(&rig, 1, len - 1, 0, (uint32_t)RIG_FB, RIG_FB >> 32,
	    (uint32_t)RIG_FB + shift, RIG_FB >> 32);
	go(&rig);
	memmove(want + shift, want, len);
	CHECK_MEM(rig.h->vram, want, len + shift);
	PUT(&rig, 1, len - 1, 0, (uint32_t)RIG_FB + shift, RIG_FB >> 32,
	    (uint32_t)RIG_FB, RIG_FB >> 32);
	go(&rig);
	memmove(want, want + shift, len);
	CHECK_MEM(rig.h->vram, want, len + shift);
	/* The same amount of zeros. */
	PUT(&rig, 11 | 2u << 30, (uint32_t)RIG_FB, RIG_FB >> 32, 0, len - 1);
	go(&rig);
	memset(want, 0, len);
	CHECK_MEM(rig.h->vram, want, len + shift);
	rig_fini(&rig);
	free(want);
}

static const struct space_row {
	const char *name;
	unsigned int vmid;
	bool mapped;
	bool fault;
} space_rows[] = {
	{ "its own page", VMID, true, false },
	{ "another's page", VMID + 1, true, true },
	{ "no page", VMID, false, true },
};

/* What a process does happens in its address space, and so do its faults. */
static void spaces(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(space_rows); i++) {
		const struct space_row *row = &space_rows[i];
		const uint32_t fill[] = { 11 | 2u << 30, (uint32_t)VA, VA >> 32,
					  0x12345678, 0xfff };
		struct rig rig;
		uint32_t iv[8];

		test_row(row->name);
		REQUIRE(start(&rig));
		if (row->mapped)
			rig_map(&rig, VMID, VA, PTE_RAM(0x8000));
		put_ib(&rig, row->vmid, fill, ARRAY_SIZE(fill));
		PUT(&rig, 5, (uint32_t)(RIG_FB + FENCE), RIG_FB >> 32, 0xf1a6);
		PUT(&rig, 6, 0);
		go(&rig);
		CHECK_EQ((uint32_t)vram64(&rig, FENCE), 0xf1a6);
		CHECK_EQ(*(uint32_t *)(rig.h->ram + 0x8ffc),
			 row->fault ? 0 : 0x12345678);
		if (row->fault) {
			REQUIRE(rig_iv(&rig, iv));
			CHECK_EQ(iv[0], 0x0a | row->vmid << 24);
			CHECK_EQ(iv[4], VA >> 12);
			CHECK_EQ(iv[5], 0x20);
		}
		/* The engine goes on: fence, then the trap. */
		REQUIRE(rig_iv(&rig, iv));
		CHECK_EQ(iv[0], 0x0a | 49 << 8);
		CHECK(!rig_iv(&rig, iv));
		rig_fini(&rig);
	}
	test_row(NULL);
}

/* The driver's way to change a page: write the entry, invalidate, go on. */
static void update(void)
{
	uint64_t pte = PTE_RAM(0x9000), entry;
	const uint32_t fill[] = { 11 | 2u << 30, (uint32_t)VA, VA >> 32, 7, 0xfff };
	struct vgpu_mem_stats s;
	struct rig rig;
	int flush;

	for (flush = 1; flush >= 0; flush--) {
		REQUIRE(start(&rig));
		rig_map(&rig, VMID, VA, PTE_RAM(0x8000));
		entry = (uint8_t *)rig_entry(&rig, VMID, VA, 0) - rig.h->vram + RIG_FB;
		put_ib(&rig, VMID, fill, ARRAY_SIZE(fill));
		go(&rig);
		PUT(&rig, 12, (uint32_t)entry, entry >> 32, (uint32_t)pte & 0xfff, 0,
		    (uint32_t)pte & ~0xfffu, pte >> 32, 0x1000, 0, 0);
		if (flush)
			PUT(&rig, 8 | 4 << 8 | 6 << 16 | 0x1fu << 24,
			    0x00f80000 | 1u << VMID, ~0u, 1u << VMID | 0x1f << 16);
		put_ib(&rig, VMID, fill, ARRAY_SIZE(fill));
		go(&rig);
		CHECK_EQ(*(uint32_t *)(rig.h->ram + 0x9000), flush ? 7 : 0);
		vgpu_mem_stats(rig.dev, &s);
		CHECK_EQ(!!s.stale, !flush);
		CHECK_EQ(s.fragment + s.faults + s.dma_unmapped, 0);
		rig_fini(&rig);
	}
}

static const struct test_case tests[] = {
	{ "slices", slices },
	{ "spaces", spaces },
	{ "update", update },
};
TEST_MAIN(tests)
