/* SPDX-License-Identifier: MIT */
/* Interrupt handler: vectors, both rings, overflow, doorbell. */
#include "test.h"

#include "blocks.h"
#include "fake_host.h"
#include "hwregs.h"
#include "oss/osssys_6_0_0_offset.h"
#include "oss/osssys_6_0_0_sh_mask.h"

#define R(name)		VREG(OSSSYS, reg##name)
#define C(field, v)	VFIELD(IH_RB_CNTL, field, v)
/* 256 bytes: eight vectors, of which seven fit. */
#define RING_LOG2_DW	6
#define RING_BYTES	(4u << RING_LOG2_DW)
#define RING0		0x1000
#define WPTR0		(RING0 + RING_BYTES)
#define RING1		0x3000
#define DOORBELL	0x2f0
/* The offsets are the driver's: ih_v6_0_rb_cntl() and enable_ring(). */
#define CNTL		(C(RB_ENABLE, 1) | C(MC_SPACE, 2) | C(MC_SNOOP, 1) | \
			 C(RB_SIZE, RING_LOG2_DW) | C(WPTR_WRITEBACK_ENABLE, 1) | \
			 C(RPTR_REARM, 1))

static const struct vgpu_block *const blocks[] = {
	&vgpu_block_gmc, &vgpu_block_ih, NULL,
};

static struct fake_host *start(uint32_t cntl)
{
	struct fake_host *h = fake_host_create(blocks, 1 << 20, 16 << 20, true);

	if (!h)
		return NULL;
	vgpu_reg_write(h->dev, R(IH_RB_BASE), (uint32_t)((FAKE_RAM_BASE + RING0) >> 8));
	vgpu_reg_write(h->dev, R(IH_RB_BASE_HI), (FAKE_RAM_BASE + RING0) >> 40);
	vgpu_reg_write(h->dev, R(IH_RB_WPTR_ADDR_LO), (uint32_t)(FAKE_RAM_BASE + WPTR0));
	vgpu_reg_write(h->dev, R(IH_RB_WPTR_ADDR_HI), (FAKE_RAM_BASE + WPTR0) >> 32);
	vgpu_reg_write(h->dev, R(IH_DOORBELL_RPTR), VFIELD(IH_DOORBELL_RPTR, ENABLE, 1) |
		       VFIELD(IH_DOORBELL_RPTR, OFFSET, DOORBELL));
	vgpu_reg_write(h->dev, R(IH_RB_CNTL), cntl);
	return h;
}

static uint32_t ram(struct fake_host *h, uint32_t at)
{
	return __atomic_load_n((uint32_t *)(h->ram + at), __ATOMIC_ACQUIRE);
}

static void raise_data(struct fake_host *h, uint32_t data)
{
	struct vgpu_iv iv = { .client_id = 0x14, .src_id = 181, .data = { data } };

	vgpu_irq(h->dev, &iv);
}

static const struct vector_row {
	const char *name;
	struct vgpu_iv iv;
	uint32_t dw0, dw3;
} vector_rows[] = {
	{ "all zero", { 0 }, 0, 0 },
	{ "SDMA trap", { .client_id = 0x0a, .src_id = 49, .ring_id = 0x10 },
	  0x0010310a, 0 },
	{ "EOP of a process", { .client_id = 0x14, .src_id = 181, .ring_id = 4,
	  .vmid = 9, .pasid = 0x8001, .data = { 0x1234, 2, 3, 4 } },
	  0x0904b514, 0x8001 },
	{ "MM hub", { .client_id = 0x12, .vmid = 15, .vmid_mm = true,
	  .data = { ~0u, ~0u, ~0u, ~0u } }, 0x8f000012, 0 },
	{ "too wide fields", { .vmid = 0x1f, .pasid = 0x12345 }, 0x0f000000, 0x2345 },
};

static void vectors(void)
{
	struct fake_host *h = start(CNTL | C(ENABLE_INTR, 1));
	uint32_t at = 0;
	uint64_t before, tick, last = 0;
	size_t i, d;

	REQUIRE(h);
	for (i = 0; i < ARRAY_SIZE(vector_rows); i++, at += 32) {
		const struct vector_row *row = &vector_rows[i];

		test_row(row->name);
		before = vgpu_now(h->dev) / 10;
		vgpu_irq(h->dev, &row->iv);
		CHECK_EQ(ram(h, WPTR0), at + 32);
		CHECK_EQ(vgpu_reg_read(h->dev, R(IH_RB_WPTR)), at + 32);
		CHECK_EQ(ram(h, RING0 + at), row->dw0);
		tick = ram(h, RING0 + at + 4) |
		       (uint64_t)ram(h, RING0 + at + 8) << 32;
		CHECK_EQ(tick >> 48, 0);
		CHECK(tick - (before & ((1ull << 48) - 1)) < 100000000);
		CHECK(tick >= last);
		last = tick;
		CHECK_EQ(ram(h, RING0 + at + 12), row->dw3);
		for (d = 0; d < 4; d++)
			CHECK_EQ(ram(h, RING0 + at + 16 + d * 4), row->iv.data[d]);
	}
	test_row(NULL);
	fake_host_destroy(h);
}

/*
 * One message until the guest has looked, another if there is more then.
 * False if we were too slow for the device to take it for the same moment.
 */
static bool one_moment(void)
{
	struct fake_host *h = start(CNTL | C(ENABLE_INTR, 1));
	unsigned int irqs[5];
	uint64_t since;
	bool fast;

	if (!h)
		return true;
	since = vgpu_now(h->dev);
	raise_data(h, 1);
	irqs[0] = fake_host_irqs(h, 0);
	raise_data(h, 2);
	raise_data(h, 3);
	irqs[1] = fake_host_irqs(h, 0);
	vgpu_doorbell_ring(h->dev, DOORBELL, 64, 4);
	irqs[2] = fake_host_irqs(h, 0);
	vgpu_doorbell_ring(h->dev, DOORBELL, 96, 4);
	irqs[3] = fake_host_irqs(h, 0);
	raise_data(h, 4);
	irqs[4] = fake_host_irqs(h, 0);
	fast = vgpu_now(h->dev) - since < 8000000;
	if (fast) {
		CHECK_EQ(irqs[0], 1);
		CHECK_EQ(irqs[1], 1);
		CHECK_EQ(irqs[2], 2);
		CHECK_EQ(irqs[3], 2);
		CHECK_EQ(irqs[4], 3);
	}
	fake_host_destroy(h);
	return fast;
}

static void messages(void)
{
	int i;

	for (i = 0; i < 100 && !one_moment(); i++)
		;
	CHECK(i < 100);
}

static void message_again(void)
{
	struct fake_host *h = start(CNTL | C(ENABLE_INTR, 1));

	REQUIRE(h);
	raise_data(h, 1);
	/* A guest that missed it is told again with a later vector. */
	test_sleep_us(15000);
	raise_data(h, 2);
	CHECK_EQ(fake_host_irqs(h, 0), 2);
	/* The register does what the doorbell does. */
	vgpu_reg_write(h->dev, R(IH_RB_RPTR), 32);
	CHECK_EQ(fake_host_irqs(h, 0), 3);
	vgpu_reg_write(h->dev, R(IH_RB_RPTR), 64);
	CHECK_EQ(fake_host_irqs(h, 0), 3);
	/* Pointers count whole vectors within the ring. */
	vgpu_reg_write(h->dev, R(IH_RB_RPTR), RING_BYTES + 65);
	CHECK_EQ(vgpu_reg_read(h->dev, R(IH_RB_RPTR)), 64);
	fake_host_destroy(h);
}

static const struct off_row {
	const char *name;
	uint32_t cntl;
	uint32_t wptr;		/* after one vector */
	unsigned int irqs;
} off_rows[] = {
	{ "on", CNTL | C(ENABLE_INTR, 1), 32, 1 },
	{ "interrupt off", CNTL, 32, 0 },
	{ "ring off", (CNTL | C(ENABLE_INTR, 1)) & ~C(RB_ENABLE, 1), 0, 0 },
	{ "ring too small", (CNTL & ~C(RB_SIZE, 31)) | C(RB_SIZE, 2), 0, 0 },
	{ "ring too large", (CNTL & ~C(RB_SIZE, 31)) | C(RB_SIZE, 31), 0, 0 },
};

static void off(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(off_rows); i++) {
		struct fake_host *h = start(off_rows[i].cntl);

		test_row(off_rows[i].name);
		REQUIRE(h);
		raise_data(h, 1);
		CHECK_EQ(ram(h, WPTR0), off_rows[i].wptr);
		CHECK_EQ(fake_host_irqs(h, 0), off_rows[i].irqs);
		fake_host_destroy(h);
	}
	test_row(NULL);
}

/* What came while interrupts were off is told when they are turned on. */
static void turned_on(void)
{
	struct fake_host *h = start(CNTL);

	REQUIRE(h);
	raise_data(h, 1);
	CHECK_EQ(fake_host_irqs(h, 0), 0);
	vgpu_reg_write(h->dev, R(IH_RB_CNTL), CNTL | C(ENABLE_INTR, 1));
	CHECK_EQ(fake_host_irqs(h, 0), 1);
	fake_host_destroy(h);
}

static void wraps(void)
{
	struct fake_host *h = start(CNTL | C(ENABLE_INTR, 1));
	uint32_t i;

	REQUIRE(h);
	for (i = 1; i <= 20; i++) {
		raise_data(h, i);
		CHECK_EQ(ram(h, RING0 + (i - 1) % 8 * 32 + 16), i);
		CHECK_EQ(ram(h, WPTR0), i % 8 * 32);
		vgpu_doorbell_ring(h->dev, DOORBELL, i % 8 * 32, 4);
	}
	CHECK_EQ(fake_host_irqs(h, 0), 20);
	fake_host_destroy(h);
}

/* As ih_v6_0_get_wptr() finds and clears it. */
static void overflow(void)
{
	uint32_t cntl = CNTL | C(ENABLE_INTR, 1) | C(WPTR_OVERFLOW_ENABLE, 1);
	struct fake_host *h = start(cntl);
	uint32_t i;

	REQUIRE(h);
	for (i = 1; i <= 7; i++)
		raise_data(h, i);
	CHECK_EQ(ram(h, WPTR0), 7 * 32);
	raise_data(h, 8);
	CHECK_EQ(ram(h, WPTR0), 0 | 1);
	CHECK_EQ(vgpu_reg_read(h->dev, R(IH_RB_WPTR)), 1);
	CHECK_EQ(ram(h, RING0 + 7 * 32 + 16), 8);
	raise_data(h, 9);
	CHECK_EQ(ram(h, WPTR0), 32 | 1);
	vgpu_doorbell_ring(h->dev, DOORBELL, 64, 4);
	vgpu_reg_write(h->dev, R(IH_RB_CNTL), cntl | C(WPTR_OVERFLOW_CLEAR, 1));
	CHECK_EQ(ram(h, WPTR0), 32);
	vgpu_reg_write(h->dev, R(IH_RB_CNTL), cntl);
	CHECK_EQ(ram(h, WPTR0), 32);
	fake_host_destroy(h);

	/* Without the enable bit vectors are lost instead. */
	h = start(CNTL | C(ENABLE_INTR, 1));
	REQUIRE(h);
	for (i = 1; i <= 9; i++)
		raise_data(h, i);
	CHECK_EQ(ram(h, WPTR0), 7 * 32);
	CHECK_EQ(ram(h, RING0 + 7 * 32 + 16), 0);
	fake_host_destroy(h);
}

static const struct ring1_row {
	const char *name;
	uint8_t client, src;
	bool to_ring1;
} ring1_rows[] = {
	{ "page fault", 0x0a, 0, true },
	{ "other source of the client", 0x0a, 49, false },
	{ "other client", 0x12, 0, false },
	{ "a client taken whole", 0x0c, 77, true },
	{ "another source", 0x0d, 7, true },
	{ "not that source", 0x0d, 0, false },
};

static void ring1(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ring1_rows); i++) {
		const struct ring1_row *row = &ring1_rows[i];
		struct vgpu_iv iv = { .client_id = row->client, .src_id = row->src,
				      .data = { 0x55 } };
		struct fake_host *h = start(CNTL | C(ENABLE_INTR, 1));

		test_row(row->name);
		REQUIRE(h);
		vgpu_reg_write(h->dev, R(IH_RB_BASE_RING1),
			       (uint32_t)((FAKE_RAM_BASE + RING1) >> 8));
		vgpu_reg_write(h->dev, R(IH_RB_BASE_HI_RING1),
			       (FAKE_RAM_BASE + RING1) >> 40);
		vgpu_reg_write(h->dev, R(IH_RB_CNTL_RING1), CNTL);
		/* As ih_v6_0_irq_init(), and one more in another slot. */
		vgpu_reg_write(h->dev, R(IH_RING1_CLIENT_CFG_INDEX), 0);
		vgpu_reg_write(h->dev, R(IH_RING1_CLIENT_CFG_DATA), 0x1000a);
		vgpu_reg_write(h->dev, R(IH_RING1_CLIENT_CFG_INDEX), 5);
		CHECK_EQ(vgpu_reg_read(h->dev, R(IH_RING1_CLIENT_CFG_DATA)), 0);
		vgpu_reg_write(h->dev, R(IH_RING1_CLIENT_CFG_DATA), 0x0c);
		vgpu_reg_write(h->dev, R(IH_RING1_CLIENT_CFG_INDEX), 7);
		vgpu_reg_write(h->dev, R(IH_RING1_CLIENT_CFG_DATA), 0x1070d);
		vgpu_irq(h->dev, &iv);
		CHECK_EQ(fake_host_irqs(h, 0), 1);
		CHECK_EQ(ram(h, WPTR0), 32);
		CHECK_EQ(vgpu_reg_read(h->dev, R(IH_RB_WPTR_RING1)),
			 row->to_ring1 ? 32 : 0);
		if (row->to_ring1) {
			/* ih_v6_0_self_irq(): ring in ring_id, pointer in data. */
			CHECK_EQ(ram(h, RING0), 0x00010000);
			CHECK_EQ(ram(h, RING0 + 16), 32);
			CHECK_EQ(ram(h, RING1), row->client | row->src << 8);
			CHECK_EQ(ram(h, RING1 + 16), 0x55);
		} else {
			CHECK_EQ(ram(h, RING0), row->client | row->src << 8);
			CHECK_EQ(ram(h, RING0 + 16), 0x55);
		}
		fake_host_destroy(h);
	}
	test_row(NULL);
}

static void disabled_and_reset(void)
{
	struct fake_host *h = start(CNTL | C(ENABLE_INTR, 1));

	REQUIRE(h);
	raise_data(h, 1);
	/* As ih_v6_0_toggle_ring_interrupts(false). */
	vgpu_reg_write(h->dev, R(IH_RB_CNTL), CNTL & ~C(RB_ENABLE, 1));
	vgpu_reg_write(h->dev, R(IH_RB_RPTR), 0);
	vgpu_reg_write(h->dev, R(IH_RB_WPTR), 0);
	raise_data(h, 2);
	vgpu_reg_write(h->dev, R(IH_RB_CNTL), CNTL | C(ENABLE_INTR, 1));
	raise_data(h, 3);
	CHECK_EQ(ram(h, WPTR0), 32);
	CHECK_EQ(ram(h, RING0 + 16), 3);
	CHECK_EQ(fake_host_irqs(h, 0), 2);

	vgpu_reset(h->dev);
	CHECK_EQ(vgpu_reg_read(h->dev, R(IH_RB_CNTL)), 0);
	raise_data(h, 4);
	CHECK_EQ(fake_host_irqs(h, 0), 2);
	/* Nobody listens to the doorbell any more: another may take it. */
	vgpu_doorbell_ring(h->dev, DOORBELL, 32, 4);
	CHECK_EQ(vgpu_reg_read(h->dev, R(IH_RB_RPTR)), 0);
	fake_host_destroy(h);
}

/* The ring may be anywhere; what is not there is counted, not fatal. */
static void nowhere(void)
{
	struct fake_host *h = start(CNTL | C(ENABLE_INTR, 1));
	struct vgpu_mem_stats s;

	REQUIRE(h);
	vgpu_reg_write(h->dev, R(IH_RB_BASE), 0);
	vgpu_reg_write(h->dev, R(IH_RB_BASE_HI), 0);
	raise_data(h, 1);
	vgpu_mem_stats(h->dev, &s);
	CHECK_EQ(s.dma_unmapped, 1);
	vgpu_reg_write(h->dev, R(IH_RB_CNTL), (CNTL & ~C(MC_SPACE, 7)) | C(MC_SPACE, 4));
	raise_data(h, 2);
	CHECK(fake_host_logs(h, VGPU_LOG_UNIMP));
	fake_host_destroy(h);
}

static const struct test_case tests[] = {
	{ "vectors", vectors },
	{ "messages", messages },
	{ "message-again", message_again },
	{ "off", off },
	{ "turned-on", turned_on },
	{ "wraps", wraps },
	{ "overflow", overflow },
	{ "ring1", ring1 },
	{ "disabled-and-reset", disabled_and_reset },
	{ "nowhere", nowhere },
};
TEST_MAIN(tests)
