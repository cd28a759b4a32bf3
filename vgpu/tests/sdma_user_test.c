/* SPDX-License-Identifier: MIT */
/* SDMA: rings of processes, mapped by firmware from their MQDs. */
#include "test.h"

#include <errno.h>

#include "sdma_rig.h"
#include "v11_structs.h"

#define MQD		0x60000u
#define FENCE		0x61000u
#define USER_RPTR	0x62000u
#define USER_WPTR	0x62008u
#define USER_DOORBELL	0x401u

static struct v11_sdma_mqd *mqd(void)
{
	return (struct v11_sdma_mqd *)(fake_mem + MQD);
}

static const struct vgpu_queue_map user_map = {
	.mqd_addr = MQD, .wptr_addr = USER_WPTR, .doorbell = USER_DOORBELL,
	.queue = 2, .vmid = 9, .pasid = 0x8001, .user = true,
};

/* An engine that runs, without a ring of the kernel's. */
static struct fake_host *user_host(void)
{
	struct fake_host *h = sdma_host(0);

	if (h)
		wreg(h, VREG(GC, regSDMA0_F32_CNTL), 0);
	return h;
}

/* As sdma_v6_0_mqd_init(). */
static void set_mqd(void)
{
	struct v11_sdma_mqd *m = mqd();

	m->sdmax_rlcx_rb_cntl = VFIELD(SDMA0_QUEUE0_RB_CNTL, RB_SIZE, RING_LOG2) |
		VFIELD(SDMA0_QUEUE0_RB_CNTL, RPTR_WRITEBACK_ENABLE, 1);
	m->sdmax_rlcx_rb_base = RING >> 8;
	m->sdmax_rlcx_rb_rptr_addr_lo = USER_RPTR;
	m->sdmax_rlcx_rb_wptr_poll_addr_lo = USER_WPTR;
	m->sdmax_rlcx_doorbell = VFIELD(SDMA0_QUEUE0_DOORBELL, ENABLE, 1);
	m->sdmax_rlcx_doorbell_offset = USER_DOORBELL << 2;
	m->sdmax_rlcx_f32_dbg0 = FENCE;
	wptr = 0;
}

static void user_ring(struct fake_host *h)
{
	fake_mem_put64(USER_WPTR, wptr << 2);
	vgpu_doorbell_ring(h->dev, USER_DOORBELL, wptr << 2, 8);
}

static bool user_idle(void)
{
	return fake_mem_get64(USER_RPTR) == wptr << 2;
}

static void user_queues(void)
{
	/* Add one, wait, write. */
	static const uint32_t half[] = {
		10 | 0x4fu << 25, DATA, 0, 1, 0, 0, 0, 0,
		8 | 1u << 31 | 3 << 28, DATA + 4, 0, 5, ~0u, 0,
		5, DATA + 8, 0, 0x99,
	};
	struct fake_host *h = user_host();
	struct vgpu_queue_map m = user_map;
	uint32_t saved;
	size_t i;

	REQUIRE(h);
	set_mqd();
	wreg(h, VREG(GC, regSDMA0_CNTL), 1);
	CHECK_EQ(vgpu_engine_map(h->dev, VGPU_ENGINE_SDMA, &m), 0);
	CHECK_EQ(vgpu_engine_map(h->dev, VGPU_ENGINE_SDMA, &m), -EBUSY);
	fake_mem_put32(IB, 2);
	fake_mem_put32(IB + 4, DATA);
	fake_mem_put32(IB + 16, 0x5150);
	PUT(4, IB, 0, 5, 0, 0);
	PUT(0x305);
	user_ring(h);
	CHECK_SOON(user_idle());
	CHECK_EQ(fake_mem_get32(DATA), 0x5150);
	CHECK_EQ(fake_mem_get64(FENCE), 7 << 2);
	REQUIRE(fake_iv_count() == 1);
	CHECK_EQ(fake_ivs[0].client_id, 0x0a);
	CHECK_EQ(fake_ivs[0].src_id, 67);
	CHECK_EQ(fake_ivs[0].ring_id, 2);
	CHECK_EQ(fake_ivs[0].vmid, 9);
	CHECK_EQ(fake_ivs[0].pasid, 0x8001);
	CHECK_EQ(fake_ivs[0].data[0], USER_DOORBELL << 2);
	CHECK_EQ(fake_mem_seen.client.vmid, 9);

	/* Evicted: pointers are kept; what is rung meanwhile runs afterwards. */
	CHECK_EQ(vgpu_engine_unmap(h->dev, VGPU_ENGINE_SDMA, USER_DOORBELL, false), 0);
	CHECK_EQ(mqd()->sdmax_rlcx_rb_rptr, 28);
	CHECK_EQ(mqd()->sdmax_rlcx_rb_wptr, 28);
	PUT(0x305);
	user_ring(h);
	test_sleep_us(2000);
	CHECK_EQ(fake_mem_get64(FENCE), 28);
	m.vmid = 10;
	CHECK_EQ(vgpu_engine_map(h->dev, VGPU_ENGINE_SDMA, &m), 0);
	CHECK_SOON(user_idle());
	CHECK_EQ(fake_mem_get64(FENCE), 32);
	CHECK_SOON(fake_iv_count() == 2);
	CHECK_EQ(fake_ivs[1].vmid, 10);

	/* Evicted in the midst of a buffer: it goes on where it stood. */
	fake_mem_put32(DATA, 0);
	for (i = 0; i < ARRAY_SIZE(half); i++)
		fake_mem_put32(IB + i * 4, half[i]);
	PUT(4, IB, 0, ARRAY_SIZE(half), 0, 0);
	user_ring(h);
	CHECK_SOON(fake_mem_get32(DATA) == 1);
	CHECK_EQ(vgpu_engine_unmap(h->dev, VGPU_ENGINE_SDMA, USER_DOORBELL, false), 0);
	CHECK_EQ(mqd()->sdmax_rlcx_ib_offset, 8);
	CHECK_EQ(vgpu_engine_map(h->dev, VGPU_ENGINE_SDMA, &m), 0);
	fake_mem_put32(DATA + 4, 5);
	CHECK_SOON(user_idle());
	CHECK_EQ(fake_mem_get32(DATA), 1);
	CHECK_EQ(fake_mem_get32(DATA + 8), 0x99);
	CHECK_EQ(vgpu_engine_unmap(h->dev, VGPU_ENGINE_SDMA, USER_DOORBELL, false), 0);
	CHECK_EQ(mqd()->sdmax_rlcx_ib_offset, 0);
	saved = mqd()->sdmax_rlcx_rb_rptr;
	CHECK_EQ(vgpu_engine_map(h->dev, VGPU_ENGINE_SDMA, &m), 0);

	/*
	 * Reset: stopped in a wait. The buffer it waits in names an address
	 * space, which is not for a process to choose.
	 */
	fake_mem_put32(DATA + 4, 0);
	PUT(4 | 3 << 16, IB + 32, 0, 6, 0, 0);
	user_ring(h);
	CHECK_SOON(fake_mem_seen.client.vmid == 10);
	test_sleep_us(5000);
	CHECK_EQ(fake_mem_seen.client.vmid, 10);
	CHECK_EQ(vgpu_engine_unmap(h->dev, VGPU_ENGINE_SDMA, USER_DOORBELL, true), 0);
	/* It begins behind what it was reset in. */
	CHECK(mqd()->sdmax_rlcx_rb_rptr != saved);
	CHECK_EQ(mqd()->sdmax_rlcx_rb_rptr, wptr << 2);
	CHECK_EQ(mqd()->sdmax_rlcx_ib_offset, 0);
	CHECK_EQ(vgpu_engine_unmap(h->dev, VGPU_ENGINE_SDMA, USER_DOORBELL, true), -ENOENT);

	/* Left mapped when the device goes away. */
	CHECK_EQ(vgpu_engine_map(h->dev, VGPU_ENGINE_SDMA, &m), 0);
	fake_host_destroy(h);
}

/* What only the kernel may do: see the packets of sdma_test.c. */
static const struct {
	const char *name;
	uint32_t dw[4];
} kernel_rows[] = {
	{ "SRBM_WRITE", { 14 | 0xfu << 28, SOME_REG, 0x55667788 } },
	{ "POLL_REGMEM of a register", { 8 | 3 << 28, SOME_REG << 2, 0, 0 } },
	{ "register to memory", { 8 | 1 << 8, SOME_REG << 2, DATA, 0 } },
	{ "GPUVM_INV", { 16, 0x00880008, 0, 0 } },
	{ "VM_INVALIDATION", { 8 | 4 << 8 | 3 << 16 | 0x1fu << 24, 0x00f80008, ~0u,
	  8 | 0x1f << 16 } },
};

/* A process has no more rights in its ring than in a buffer. */
static void privileges(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kernel_rows); i++) {
		struct fake_host *h = user_host();

		test_row(kernel_rows[i].name);
		REQUIRE(h);
		set_mqd();
		CHECK_EQ(vgpu_engine_map(h->dev, VGPU_ENGINE_SDMA, &user_map), 0);
		put(kernel_rows[i].dw, 4);
		PUT(0, 0);
		PUT(5, FLAG, 0, 1);
		user_ring(h);
		halted(h, 0);
		CHECK_EQ(fake_mem_get32(FLAG), 0);
		CHECK_EQ(vgpu_reg_peek(h->dev, SOME_REG), 0);
		CHECK_EQ(fake_mem_seen.flushes, 0);
		fake_host_destroy(h);
	}
	test_row(NULL);
}

static const struct map_row {
	const char *name;
	struct vgpu_queue_map map;
	uint32_t rb_cntl;
	int r;
} map_rows[] = {
	{ "no such engine", { MQD, USER_WPTR, 9, .me = 2 }, 16, -EINVAL },
	{ "no such VMID", { MQD, USER_WPTR, 9, .vmid = 16 }, 16, -EINVAL },
	{ "MQD that faults", { NOWHERE, USER_WPTR, 9, .vmid = 1 }, 16, -EINVAL },
	{ "ring too small", { MQD, USER_WPTR, 9, .vmid = 1 }, 2, -EINVAL },
	{ "ring too large", { MQD, USER_WPTR, 9, .vmid = 1 }, 62, -EINVAL },
	{ "no such doorbell", { MQD, USER_WPTR, 1 << 25, .vmid = 1 }, 16, -EINVAL },
	{ "good", { MQD, USER_WPTR, 9, .vmid = 1 }, 16, 0 },
	{ "good, write pointer from the MQD", { MQD, 0, 9, .vmid = 1 }, 16, 0 },
};

static void refused(void)
{
	struct fake_host *h = user_host();
	size_t i;

	REQUIRE(h);
	for (i = 0; i < ARRAY_SIZE(map_rows); i++) {
		const struct map_row *row = &map_rows[i];

		test_row(row->name);
		fake_mem_reset();
		set_mqd();
		mqd()->sdmax_rlcx_rb_cntl = row->rb_cntl;
		mqd()->sdmax_rlcx_doorbell_offset = row->map.doorbell << 2;
		CHECK_EQ(vgpu_engine_map(h->dev, VGPU_ENGINE_SDMA, &row->map), row->r);
		CHECK_EQ(vgpu_engine_unmap(h->dev, VGPU_ENGINE_SDMA, row->map.doorbell,
					   false), row->r ? -ENOENT : 0);
	}
	test_row(NULL);
	fake_host_destroy(h);
}

/*
 * A copy, a fill or a box that was interrupted goes on where it stood, in the
 * ring and in a buffer; the packet after it begins at its beginning.
 */
static void the_rest(void)
{
	static const struct {
		const char *name;
		uint32_t dw[13];
		unsigned int n;
		uint64_t done;
		uint32_t expect[4];	/* of DATA.., which was zero */
	} rows[] = {
		{ "copy", { 1, 15, 0, IB + 0x100, 0, DATA, 0 }, 7, 8,
		  { 0, 0, 3, 4 } },
		{ "copy, more done than there is",
		  { 1, 15, 0, IB + 0x100, 0, DATA, 0 }, 7, 1000, { 0, 0, 0, 0 } },
		{ "fill", { 11 | 2u << 30, DATA, 0, 7, 15 }, 5, 4,
		  { 0, 7, 7, 7 } },
		/* Two lines of 8 bytes: the first, and half the second. */
		{ "box", { 1 | 4 << 8, IB + 0x100, 0, 0, 7u << 13, 15, DATA, 0, 0,
			   7u << 13, 15, 7 | 1 << 16, 0 }, 13, 12,
		  { 0, 0, 0, 4 } },
	};
	unsigned int i, k, in_ib;

	for (i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
		struct fake_host *h = user_host();

		in_ib = i % 2;
		test_row(rows[i / 2].name);
		REQUIRE(h);
		set_mqd();
		mqd()->sdmax_rlcx_midcmd_data0 = rows[i / 2].done;
		for (k = 0; k < 4; k++)
			fake_mem_put32(IB + 0x100 + 4 * k, k + 1);
		for (k = 0; k < rows[i / 2].n; k++)
			fake_mem_put32(IB + 4 * k, rows[i / 2].dw[k]);
		if (in_ib)
			PUT(4, IB, 0, rows[i / 2].n, 0, 0);
		else
			put(rows[i / 2].dw, rows[i / 2].n);
		PUT(1, 15, 0, IB + 0x100, 0, DATA + 16, 0);
		fake_mem_put64(USER_WPTR, wptr << 2);
		CHECK_EQ(vgpu_engine_map(h->dev, VGPU_ENGINE_SDMA, &user_map), 0);
		CHECK_SOON(user_idle());
		for (k = 0; k < 4; k++) {
			CHECK_EQ(fake_mem_get32(DATA + 4 * k),
				 rows[i / 2].expect[k]);
			CHECK_EQ(fake_mem_get32(DATA + 16 + 4 * k), k + 1);
		}
		CHECK_EQ(vgpu_engine_unmap(h->dev, VGPU_ENGINE_SDMA, USER_DOORBELL,
					   VGPU_UNMAP_SAVE), 0);
		CHECK_EQ(mqd()->sdmax_rlcx_midcmd_data0, 0);
		fake_host_destroy(h);
	}
	test_row(NULL);
}

/* A halt is the engine's: no packet begins, none that waits looks, nothing is polled. */
static void engine_halted(void)
{
	struct fake_host *h = user_host();

	REQUIRE(h);
	set_mqd();
	CHECK_EQ(vgpu_engine_map(h->dev, VGPU_ENGINE_SDMA, &user_map), 0);
	PUT(0, 0);
	user_ring(h);
	CHECK_SOON(user_idle());
	wreg(h, VREG(GC, regSDMA0_F32_CNTL), 1);
	test_row("new work");
	PUT(0, 0, 0);
	user_ring(h);
	test_sleep_us(20000);
	CHECK(!user_idle());
	wreg(h, VREG(GC, regSDMA0_F32_CNTL), 0);
	CHECK_SOON(user_idle());
	test_row("a packet that waits");
	PUT(8 | 1u << 31 | 3 << 28, DATA, 0, 5, ~0u, 0);
	user_ring(h);
	test_sleep_us(5000);
	wreg(h, VREG(GC, regSDMA0_F32_CNTL), 1);
	test_sleep_us(5000);
	fake_mem_put32(DATA, 5);
	test_sleep_us(20000);
	CHECK(!user_idle());
	wreg(h, VREG(GC, regSDMA0_F32_CNTL), 0);
	CHECK_SOON(user_idle());
	test_row("nothing is polled");
	wreg(h, VREG(GC, regSDMA0_F32_CNTL), 1);
	test_sleep_us(20000);
	memset(&fake_mem_seen, 0, sizeof(fake_mem_seen));
	fake_mem_put64(USER_WPTR, (wptr + 1) << 2);
	test_sleep_us(50000);
	CHECK_EQ(fake_mem_seen.client.cid, 0);
	test_row("unmapped meanwhile");
	CHECK_EQ(vgpu_engine_unmap(h->dev, VGPU_ENGINE_SDMA, USER_DOORBELL,
				   VGPU_UNMAP_SAVE), 0);
	test_row(NULL);
	fake_host_destroy(h);
}

/* At an illegal packet an engine answers nothing but a reset. */
static void hung(void)
{
	static const struct {
		const char *name;
		uint32_t dw[2];
		bool by_register;
	} rows[] = {
		{ "unknown packet", { 0x7f, 0 } },
		{ "unknown packet, reset by register", { 0x7f, 0 }, true },
		{ "what only the kernel may", { 14 | 0xfu << 28, SOME_REG } },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fake_host *h = user_host();
		struct vgpu_queue_state st = { 0 };

		test_row(rows[i].name);
		REQUIRE(h);
		set_mqd();
		CHECK_EQ(vgpu_engine_map(h->dev, VGPU_ENGINE_SDMA, &user_map), 0);
		CHECK_EQ(vgpu_engine_state(h->dev, VGPU_ENGINE_SDMA,
					   USER_DOORBELL, &st), 0);
		CHECK(!st.hung && !st.halted);
		put(rows[i].dw, 2);
		PUT(0, 0, 0);
		user_ring(h);
		CHECK_SOON(!vgpu_engine_state(h->dev, VGPU_ENGINE_SDMA,
					      USER_DOORBELL, &st) && st.hung);
		CHECK_EQ(st.rptr, 0);
		CHECK_EQ(st.wptr, wptr << 2);
		CHECK_EQ(vgpu_engine_unmap(h->dev, VGPU_ENGINE_SDMA, USER_DOORBELL,
					   VGPU_UNMAP_SAVE), -ETIMEDOUT);
		if (rows[i].by_register) {
			wreg(h, VREG(GC, regSDMA0_QUEUE_RESET_REQ), 1 << 3);
			CHECK_EQ(vgpu_engine_state(h->dev, VGPU_ENGINE_SDMA,
						   USER_DOORBELL, &st), 0);
			wreg(h, VREG(GC, regSDMA0_QUEUE_RESET_REQ), 1 << 2);
			CHECK_EQ(vgpu_engine_unmap(h->dev, VGPU_ENGINE_SDMA,
						   USER_DOORBELL,
						   VGPU_UNMAP_RESET), -ENOENT);
			CHECK_EQ(vgpu_engine_discard(h->dev, VGPU_ENGINE_SDMA,
						     &user_map), 0);
		} else {
			CHECK_EQ(vgpu_engine_unmap(h->dev, VGPU_ENGINE_SDMA,
						   USER_DOORBELL,
						   VGPU_UNMAP_RESET), 0);
		}
		/* It begins behind what hung. */
		CHECK_EQ(vgpu_engine_map(h->dev, VGPU_ENGINE_SDMA, &user_map), 0);
		PUT(5, FLAG, 0, 0x77, 0x305);
		user_ring(h);
		CHECK_SOON(user_idle());
		CHECK_EQ(fake_mem_get32(FLAG), 0x77);
		CHECK_EQ(fake_mem_get64(FENCE), wptr << 2);
		fake_host_destroy(h);
	}
	test_row(NULL);
}

/* Where the engine polls the write pointer, a doorbell may be missing. */
static void polling(void)
{
	static const struct {
		const char *name;
		uint32_t poll;
		bool runs;
	} rows[] = { { "off", 0, false }, { "on", 1, true } };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fake_host *h = user_host();

		test_row(rows[i].name);
		REQUIRE(h);
		set_mqd();
		mqd()->sdmax_rlcx_rb_cntl |=
			VFIELD(SDMA0_QUEUE0_RB_CNTL, F32_WPTR_POLL_ENABLE,
			       rows[i].poll);
		CHECK_EQ(vgpu_engine_map(h->dev, VGPU_ENGINE_SDMA, &user_map), 0);
		PUT(5, FLAG, 0, 1);
		user_ring(h);
		CHECK_SOON(user_idle());
		PUT(5, FLAG, 0, 2);
		fake_mem_put64(USER_WPTR, wptr << 2);
		if (rows[i].runs)
			CHECK_SOON(user_idle());
		else
			test_sleep_us(50000);
		CHECK_EQ(fake_mem_get32(FLAG), 1 + rows[i].runs);
		/* What lies behind is no write pointer. */
		fake_mem_put64(USER_WPTR, 0);
		test_sleep_us(30000);
		PUT(5, FLAG, 0, 3);
		user_ring(h);
		CHECK_SOON(user_idle());
		CHECK_EQ(fake_mem_get32(FLAG), 3);
		fake_host_destroy(h);
	}
	test_row(NULL);
}

static const struct test_case tests[] = {
	{ "queues", user_queues },
	{ "privileges", privileges },
	{ "refused", refused },
	{ "the rest", the_rest },
	{ "engine halted", engine_halted },
	{ "hung", hung },
	{ "polling", polling },
};
TEST_MAIN(tests)
