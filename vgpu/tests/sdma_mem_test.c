/* SPDX-License-Identifier: MIT */
/* SDMA with the real memory controller and interrupt handler. */
#include "test.h"

#include <stdlib.h>

#include "hwregs.h"
#include "ring_rig.h"

#define VMID		4
#define VA		0x200000000ull

/* More than one slice of a copy, over each other, both ways. */
static void slices(void)
{
	const uint32_t len = 20 << 20, shift = 1 << 20;
	struct ring_rig r;
	uint8_t *want;
	uint32_t i;

	want = malloc(len + shift);
	REQUIRE(want && !ring_init(&r, true));
	for (i = 0; i < len + shift; i++)
		want[i] = i * 2654435761u >> 24;
	memcpy(r.rig.h->vram, want, len + shift);
	PUT(&r, 1, len - 1, 0, (uint32_t)RIG_FB, RIG_FB >> 32,
	    (uint32_t)RIG_FB + shift, RIG_FB >> 32);
	ring_go(&r);
	memmove(want + shift, want, len);
	CHECK_MEM(r.rig.h->vram, want, len + shift);
	PUT(&r, 1, len - 1, 0, (uint32_t)RIG_FB + shift, RIG_FB >> 32,
	    (uint32_t)RIG_FB, RIG_FB >> 32);
	ring_go(&r);
	memmove(want, want + shift, len);
	CHECK_MEM(r.rig.h->vram, want, len + shift);
	/* The same amount of zeros. */
	PUT(&r, 11 | 2u << 30, (uint32_t)RIG_FB, RIG_FB >> 32, 0, len - 1);
	ring_go(&r);
	memset(want, 0, len);
	CHECK_MEM(r.rig.h->vram, want, len + shift);
	ring_fini(&r);
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
		struct ring_rig r;
		uint32_t iv[8];

		test_row(row->name);
		REQUIRE(!ring_init(&r, true));
		if (row->mapped)
			rig_map(&r.rig, VMID, VA, PTE_RAM(0x8000));
		ring_put_ib(&r, row->vmid, fill, ARRAY_SIZE(fill));
		PUT(&r, 5, (uint32_t)(RIG_FB + FENCE), RIG_FB >> 32, 0xf1a6);
		PUT(&r, 6, 0);
		ring_go(&r);
		CHECK_EQ((uint32_t)ring_vram64(&r, FENCE), 0xf1a6);
		CHECK_EQ(*(uint32_t *)(r.rig.h->ram + 0x8ffc),
			 row->fault ? 0 : 0x12345678);
		if (row->fault) {
			REQUIRE(rig_iv(&r.rig, iv));
			CHECK_EQ(iv[0], 0x0a | row->vmid << 24);
			CHECK_EQ(iv[4], VA >> 12);
			CHECK_EQ(iv[5], 0x20);
		}
		/* The engine goes on: fence, then the trap. */
		REQUIRE(rig_iv(&r.rig, iv));
		CHECK_EQ(iv[0], 0x0a | 49 << 8);
		CHECK(!rig_iv(&r.rig, iv));
		ring_fini(&r);
	}
	test_row(NULL);
}

/* The driver's way to change a page: write the entry, invalidate, go on. */
static void update(void)
{
	uint64_t pte = PTE_RAM(0x9000), entry;
	const uint32_t fill[] = { 11 | 2u << 30, (uint32_t)VA, VA >> 32, 7, 0xfff };
	struct vgpu_mem_stats s;
	struct ring_rig r;
	int flush;

	for (flush = 1; flush >= 0; flush--) {
		REQUIRE(!ring_init(&r, true));
		rig_map(&r.rig, VMID, VA, PTE_RAM(0x8000));
		entry = (uint8_t *)rig_entry(&r.rig, VMID, VA, 0) - r.rig.h->vram + RIG_FB;
		ring_put_ib(&r, VMID, fill, ARRAY_SIZE(fill));
		ring_go(&r);
		PUT(&r, 12, (uint32_t)entry, entry >> 32, (uint32_t)pte & 0xfff, 0,
		    (uint32_t)pte & ~0xfffu, pte >> 32, 0x1000, 0, 0);
		if (flush)
			PUT(&r, 8 | 4 << 8 | 6 << 16 | 0x1fu << 24,
			    0x00f80000 | 1u << VMID, ~0u, 1u << VMID | 0x1f << 16);
		ring_put_ib(&r, VMID, fill, ARRAY_SIZE(fill));
		ring_go(&r);
		CHECK_EQ(*(uint32_t *)(r.rig.h->ram + 0x9000), flush ? 7 : 0);
		vgpu_mem_stats(r.rig.dev, &s);
		CHECK_EQ(!!s.stale, !flush);
		CHECK_EQ(s.fragment + s.faults + s.dma_unmapped, 0);
		ring_fini(&r);
	}
}

static const struct test_case tests[] = {
	{ "slices", slices },
	{ "spaces", spaces },
	{ "update", update },
};
TEST_MAIN(tests)
