/* SPDX-License-Identifier: MIT */
/* DMA that the guest's IOMMU does not allow: refused, counted, and by whom. */
#include "test.h"

#include <errno.h>

#include "gmc_rig.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
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

static const struct test_case tests[] = {
	{ "by-address", dma },
	{ "refused", refused },
	{ "walker", walker },
};

TEST_MAIN(tests)
