/* SPDX-License-Identifier: MIT */
/* DMA that the guest's IOMMU does not allow: refused, counted, and by whom. */
#include "test.h"

#include <errno.h>

#include "gmc_rig.h"
#include "hwregs.h"
#include "gc/gc_11_0_0_sh_mask.h"
#include "v11_structs.h"

#define VMID	3
#define VA	0x123456789000ull

/* By address, as the interrupt handler does. */
static void dma(void)
{
	uint8_t buf[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, back[8];
	struct vgpu_mem_stats s;
	struct rig rig;

	REQUIRE(!rig_init(&rig, false, 0));
	rig.h->hole_start = FAKE_RAM_BASE + 0x30000;
	rig.h->hole_end = FAKE_RAM_BASE + 0x31000;
	CHECK_EQ(vgpu_dma_write(rig.dev, "test", FAKE_RAM_BASE + 0x2fff8, buf, 8), 0);
	CHECK_EQ(vgpu_dma_read(rig.dev, "test", FAKE_RAM_BASE + 0x2fff8, back, 8), 0);
	CHECK_MEM(back, buf, 8);
	memset(rig.h->ram + 0x30000, 9, 8);
	CHECK_EQ(vgpu_dma_read(rig.dev, "test", FAKE_RAM_BASE + 0x2fffc, back, 8), -EFAULT);
	CHECK_EQ(back[3], 8);
	CHECK_EQ(back[4], 0xff);
	CHECK_EQ(back[7], 0xff);
	CHECK_EQ(vgpu_dma_write(rig.dev, "test", 0, buf, 8), -EFAULT);
	vgpu_mem_stats(rig.dev, &s);
	CHECK_EQ(s.dma_unmapped, 2);
	rig_fini(&rig);
}

/* What the bus refuses: each kind of access, the value read, who is blamed. */
static void u_read32(struct rig *r, struct vgpu_client *c)
{
	uint32_t v = 0;

	CHECK_EQ(vgpu_mem_read32(r->dev, c, VA + 8, &v), -EFAULT);
	CHECK_EQ(v, UINT32_MAX);
}
static void u_read64(struct rig *r, struct vgpu_client *c)
{
	uint64_t v = 0;

	CHECK_EQ(vgpu_mem_read64(r->dev, c, VA + 8, &v), -EFAULT);
	CHECK_EQ(v, UINT64_MAX);
}
static void u_read(struct rig *r, struct vgpu_client *c)
{
	uint8_t buf[16] = { 0 };

	CHECK_EQ(vgpu_mem_read(r->dev, c, VA + 8 - sizeof(buf), buf, sizeof(buf)),
		 -EFAULT);
	CHECK_EQ(buf[0], 0x11);
	CHECK_EQ(buf[7], 0x11);
	CHECK_EQ(buf[8], 0xff);
	CHECK_EQ(buf[15], 0xff);
}
static void u_write32(struct rig *r, struct vgpu_client *c)
{
	CHECK_EQ(vgpu_mem_write32(r->dev, c, VA + 8, 1), -EFAULT);
}
static void u_fill(struct rig *r, struct vgpu_client *c)
{
	CHECK_EQ(vgpu_mem_fill(r->dev, c, VA + 8, 1, 64), -EFAULT);
}
static void u_copy_from(struct rig *r, struct vgpu_client *c)
{
	CHECK_EQ(vgpu_mem_copy(r->dev, c, VA - 4096, VA + 8, 4), -EFAULT);
	CHECK_EQ(*(uint32_t *)(r->h->ram + 0x5000), UINT32_MAX);
}
static void u_copy_to(struct rig *r, struct vgpu_client *c)
{
	CHECK_EQ(vgpu_mem_copy(r->dev, c, VA + 8, VA - 4096, 4), -EFAULT);
}
static uint64_t add_one(uint64_t old, void *arg)
{
	(void)arg;
	return old + 1;
}
static void u_atomic(struct rig *r, struct vgpu_client *c)
{
	uint64_t old = 0;

	CHECK_EQ(vgpu_mem_atomic(r->dev, c, VA + 8, 4, add_one, NULL, &old), -EFAULT);
	CHECK_EQ(old, UINT32_MAX);
}

static const struct refused_row {
	const char *name;
	void (*access)(struct rig *r, struct vgpu_client *c);
	bool readable;		/* mapped, but for reading only */
	const char *log;
} refused_rows[] = {
	{ "read of 4", u_read32, false, "read of DMA address 0x100006008 by SDMA0" },
	{ "read of 8", u_read64, false, "read of DMA address 0x100006008 by SDMA0" },
	{ "read across", u_read, false, "read of DMA address 0x100006000 by SDMA0" },
	{ "write", u_write32, false, "write of DMA address 0x100006008 by SDMA0" },
	{ "fill", u_fill, false, "write of DMA address 0x100006008 by SDMA0" },
	{ "copy from", u_copy_from, false, "read of DMA address 0x100006008 by SDMA0" },
	{ "copy to", u_copy_to, false, "write of DMA address 0x100006008 by SDMA0" },
	{ "atomic", u_atomic, false, "write of DMA address 0x100006008 by SDMA0" },
	{ "write of read-only", u_write32, true, "mapped for reading only" },
};

static void refused(void)
{
	struct vgpu_client c = rig_client(VMID);
	struct vgpu_mem_stats s;
	struct rig rig;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(refused_rows); i++) {
		const struct refused_row *row = &refused_rows[i];

		test_row(row->name);
		REQUIRE(!rig_init(&rig, true, 0));
		rig_map(&rig, VMID, VA - 4096, PTE_RAM(0x5000));
		rig_map(&rig, VMID, VA, PTE_RAM(0x6000));
		memset(rig.h->ram + 0x5000, 0x11, 4096);
		memset(rig.h->ram + 0x6000, 0x22, 4096);
		rig.h->hole_start = FAKE_RAM_BASE + 0x6000;
		rig.h->hole_end = FAKE_RAM_BASE + 0x7000;
		rig.h->hole_readable = row->readable;
		row->access(&rig, &c);
		CHECK(strstr(rig.h->last_log, row->log));
		CHECK_EQ(rig.h->ram[0x6008], 0x22);
		vgpu_mem_stats(rig.dev, &s);
		CHECK_EQ(s.dma_unmapped, 1);
		CHECK_EQ(s.faults, 0);
		CHECK_EQ(vgpu_counted_event(rig.dev, "gmc: DMA address not mapped"), 1);
		rig_fini(&rig);
	}
	test_row(NULL);
}

/* A page table in memory that the IOMMU took away: the walk ends in a fault. */
static void walker(void)
{
	struct vgpu_client c = rig_client(VMID);
	struct vgpu_mem_stats s;
	struct rig rig;
	uint32_t v;

	REQUIRE(!rig_init(&rig, false, 0));
	((uint64_t *)(rig.h->ram + 0x9000))[(VA >> 12) & 511] = PTE_RAM(0x5000);
	*rig_entry(&rig, VMID, VA, 1) = PTE_V | PTE_SYS | (FAKE_RAM_BASE + 0x9000);
	CHECK_EQ(vgpu_mem_read32(rig.dev, &c, VA, &v), 0);
	rig.h->hole_start = FAKE_RAM_BASE + 0x9000;
	rig.h->hole_end = FAKE_RAM_BASE + 0xa000;
	CHECK_EQ(vgpu_mem_read32(rig.dev, &c, VA, &v), -EFAULT);
	vgpu_mem_stats(rig.dev, &s);
	CHECK_EQ(s.dma_unmapped, 1);
	CHECK_EQ(s.faults, 1);
	CHECK_EQ(vgpu_counted_event(rig.dev, "gmc: page table outside of mapped memory"), 1);
	rig_fini(&rig);
}

/* ---- a user queue, of which the IOMMU has taken away a part ---- */

#define USER_VMID	9
#define USER_VA		0x400000000ull
#define USER_DOORBELL	0x401u
#define USER_MQD	0x100000u	/* in VRAM */
#define RING_LOG2	10
/* Pages of the process, and their numbers in guest memory from 0x10 on. */
enum { RING, WPTR, RPTR, IB, SRC, DST, FENCE, PAGES };
#define AT(page)	(USER_VA + (page) * 4096ull)
#define RAM(rig, page)	((uint32_t *)((rig)->h->ram + (0x10 + (page)) * 4096))

static const struct user_row {
	const char *name;
	unsigned int page;
	bool copied;		/* the copy is made all the same */
	const char *log;	/* the last line of the log */
} user_rows[] = {
	{ "nothing", PAGES, true, NULL },
	{ "ring", RING, false, "queue: sdma0.401 halted: Bad address" },
	{ "write pointer", WPTR, true,
	  "read of DMA address 0x100011000 by SDMA0 ring 0x2 vmid 9" },
	{ "read pointer", RPTR, true,
	  "write of DMA address 0x100012000 by SDMA0 ring 0x2 vmid 9" },
	/* It reads as ones, which are no packet. */
	{ "buffer", IB, false, "queue: sdma0.401 halted: Invalid argument" },
	{ "source", SRC, false, "read of DMA address 0x100014000 by SDMA0 ring 0x2 vmid 9" },
	{ "destination", DST, false,
	  "write of DMA address 0x100015000 by SDMA0 ring 0x2 vmid 9" },
	{ "fence", FENCE, true, "write of DMA address 0x100016000 by SDMA0 ring 0x2 vmid 0" },
};

static int user_start(struct rig *rig)
{
	const struct vgpu_queue_map map = {
		.mqd_addr = RIG_FB + USER_MQD, .doorbell = USER_DOORBELL, .queue = 2,
		.vmid = USER_VMID, .pasid = 0x8001, .user = true,
	};
	struct v11_sdma_mqd *m = (struct v11_sdma_mqd *)(rig->h->vram + USER_MQD);

	/* As sdma_v6_0_mqd_init(); the fence is the kernel's, in its GART. */
	m->sdmax_rlcx_doorbell = VFIELD(SDMA0_QUEUE0_DOORBELL, ENABLE, 1);
	m->sdmax_rlcx_doorbell_offset = USER_DOORBELL << 2;
	m->sdmax_rlcx_rb_cntl = VFIELD(SDMA0_QUEUE0_RB_CNTL, RB_SIZE, RING_LOG2) |
		VFIELD(SDMA0_QUEUE0_RB_CNTL, RPTR_WRITEBACK_ENABLE, 1);
	m->sdmax_rlcx_rb_base = AT(RING) >> 8;
	m->sdmax_rlcx_rb_rptr_addr_lo = (uint32_t)AT(RPTR);
	m->sdmax_rlcx_rb_rptr_addr_hi = AT(RPTR) >> 32;
	m->sdmax_rlcx_rb_wptr_poll_addr_lo = (uint32_t)AT(WPTR);
	m->sdmax_rlcx_rb_wptr_poll_addr_hi = AT(WPTR) >> 32;
	m->sdmax_rlcx_f32_dbg0 = (uint32_t)RIG_GART;
	m->sdmax_rlcx_f32_dbg1 = RIG_GART >> 32;
	return vgpu_engine_map(rig->dev, VGPU_ENGINE_SDMA, &map);
}

/* A buffer with a copy of 64 bytes, then a fence of the queue. */
static uint64_t user_job(struct rig *rig)
{
	const uint32_t copy[] = { 1, 63, 0, (uint32_t)AT(SRC), AT(SRC) >> 32,
				  (uint32_t)AT(DST), AT(DST) >> 32, 0 };
	const uint32_t ring[] = { 4, (uint32_t)AT(IB), AT(IB) >> 32, 8, 0, 0, 0x305 };

	memcpy(RAM(rig, IB), copy, sizeof(copy));
	memcpy(RAM(rig, RING), ring, sizeof(ring));
	memset(RAM(rig, SRC), 0x5a, 64);
	return sizeof(ring);
}

static void user_queue(void)
{
	struct vgpu_mem_stats s;
	struct rig rig;
	unsigned int page;
	uint64_t wptr;
	size_t i;

	for (i = 0; i < sizeof(user_rows) / sizeof(user_rows[0]); i++) {
		const struct user_row *row = &user_rows[i];

		test_row(row->name);
		REQUIRE(!rig_init_sdma(&rig, true));
		for (page = 0; page < PAGES; page++)
			rig_map(&rig, page == FENCE ? 0 : USER_VMID,
				page == FENCE ? RIG_GART : AT(page),
				PTE_RAM((0x10 + page) * 4096));
		wptr = user_job(&rig);
		if (row->page < PAGES) {
			rig.h->hole_start = FAKE_RAM_BASE + (0x10 + row->page) * 4096;
			rig.h->hole_end = rig.h->hole_start + 4096;
		}
		REQUIRE(!user_start(&rig));
		vgpu_doorbell_ring(rig.dev, USER_DOORBELL, wptr, 8);
		if (row->log)
			CHECK_SOON(strstr(rig.h->last_log, row->log));
		if (row->copied)
			CHECK_SOON(__atomic_load_n(RAM(&rig, DST), __ATOMIC_ACQUIRE) ==
				   0x5a5a5a5a);
		/* It can be taken away, whatever it met. */
		CHECK_EQ(vgpu_engine_unmap(rig.dev, VGPU_ENGINE_SDMA, USER_DOORBELL,
					   VGPU_UNMAP_RESET), 0);
		CHECK_EQ(*RAM(&rig, DST) == 0x5a5a5a5a, row->copied);
		vgpu_mem_stats(rig.dev, &s);
		CHECK_EQ(!!s.dma_unmapped, !!row->log);
		CHECK_EQ(s.faults + s.stale + s.fragment, 0);
		rig_fini(&rig);
	}
	test_row(NULL);
}

static const struct test_case tests[] = {
	{ "user-queue", user_queue },
	{ "by-address", dma },
	{ "refused", refused },
	{ "walker", walker },
};

TEST_MAIN(tests)
