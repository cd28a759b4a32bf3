/* SPDX-License-Identifier: MIT */
/* SDMA: the kernel's rings, and every packet. */
#include "test.h"

#include <stdlib.h>

#include "sdma_rig.h"

/* ---- packets ---- */

#define MAX_DW	16
#define WORDS	8

struct word {
	uint32_t at, value;
};

/* Headers, from sdma_v6_0_0_pkt_open.h and the driver's use of it. */
static const struct packet_row {
	const char *name;
	uint32_t dw[MAX_DW];
	unsigned int n;
	struct word before[WORDS], after[WORDS];
	bool halts;		/* nothing behind it is executed */
	bool process;		/* only halts when a process uses it */
} packet_rows[] = {
	{ "NOP", { 0 }, 1 },
	{ "NOP with payload", { 3 << 16, 0xdead, 0xdead, 0xdead }, 4 },
	{ "COPY_LINEAR", { 1, 11, 0, DATA, 0, DATA + 0x100, 0 }, 7,
	  { { DATA, 1 }, { DATA + 4, 2 }, { DATA + 8, 3 }, { DATA + 12, 4 } },
	  { { DATA + 0x100, 1 }, { DATA + 0x104, 2 }, { DATA + 0x108, 3 },
	    { DATA + 0x10c, 0 } } },
	{ "COPY_LINEAR, unaligned", { 1, 1, 0, DATA + 1, 0, DATA + 0x102, 0 }, 7,
	  { { DATA, 0x44332211 } }, { { DATA + 0x100, 0x33220000 } } },
	{ "COPY_LINEAR, overlap up", { 1, 11, 0, DATA, 0, DATA + 4, 0 }, 7,
	  { { DATA, 1 }, { DATA + 4, 2 }, { DATA + 8, 3 } },
	  { { DATA + 4, 1 }, { DATA + 8, 2 }, { DATA + 12, 3 } } },
	{ "COPY_LINEAR to two places", { 1 | 1 << 27, 3, 0, DATA, 0, DATA + 0x100, 0,
	  DATA + 0x200, 0 }, 9, { { DATA, 7 } },
	  { { DATA + 0x100, 7 }, { DATA + 0x200, 7 } } },
	{ "COPY_LINEAR into a hole", { 1, 3, 0, DATA, 0, NOWHERE, 0 }, 7 },
	/* 2 x 2 dwords from (1, 1) of a 4-wide image to (0, 0) of a 2-wide one */
	{ "COPY_LINEAR_SUB_WIND", { 1 | 4 << 8 | 2u << 29, DATA, 0, 1 | 1 << 16,
	  3 << 13, 15, DATA + 0x100, 0, 0, 1 << 13, 3, 1 | 1 << 16, 0 }, 13,
	  { { DATA + 0x14, 1 }, { DATA + 0x18, 2 }, { DATA + 0x1c, 9 },
	    { DATA + 0x24, 3 }, { DATA + 0x28, 4 } },
	  { { DATA + 0x100, 1 }, { DATA + 0x104, 2 }, { DATA + 0x108, 3 },
	    { DATA + 0x10c, 4 }, { DATA + 0x110, 0 } } },
	{ "WRITE_LINEAR of one", { 2, DATA, 0, 0, 0xdeadbeef }, 5, { { 0 } },
	  { { DATA, 0xdeadbeef } } },
	{ "WRITE_LINEAR of three", { 2, DATA, 0, 2, 1, 2, 3 }, 7, { { 0 } },
	  { { DATA, 1 }, { DATA + 4, 2 }, { DATA + 8, 3 }, { DATA + 12, 0 } } },
	{ "FENCE", { 5 | 3 << 16, DATA, 0, 0x1234 }, 4, { { 0 } },
	  { { DATA, 0x1234 } } },
	{ "POLL_REGMEM of memory", { 8 | 1u << 31 | 3 << 28, DATA, 0, 5, ~0u,
	  0xfff << 16 }, 6, { { DATA, 5 } } },
	{ "POLL_REGMEM, both masked", { 8 | 1u << 31 | 3 << 28, DATA, 0, 0x105, 0xff,
	  0xfff << 16 }, 6, { { DATA, 0x905 } } },
	{ "POLL_REGMEM always", { 8 | 1u << 31, DATA, 0, 5, ~0u, 0 }, 6 },
	{ "POLL_REGMEM <", { 8 | 1u << 31 | 1 << 28, DATA, 0, 5, ~0u, 0 }, 6,
	  { { DATA, 4 } } },
	{ "POLL_REGMEM <=", { 8 | 1u << 31 | 2 << 28, DATA, 0, 5, ~0u, 0 }, 6,
	  { { DATA, 5 } } },
	{ "POLL_REGMEM !=", { 8 | 1u << 31 | 4 << 28, DATA, 0, 5, ~0u, 0 }, 6,
	  { { DATA, 6 } } },
	{ "POLL_REGMEM >=", { 8 | 1u << 31 | 5 << 28, DATA, 0, 5, ~0u, 0 }, 6,
	  { { DATA, 5 } } },
	{ "POLL_REGMEM >", { 8 | 1u << 31 | 6u << 28, DATA, 0, 5, ~0u, 0 }, 6,
	  { { DATA, 6 } } },
	{ "POLL_REGMEM of a page that is gone", { 8 | 1u << 31 | 3 << 28, NOWHERE, 0,
	  5, ~0u, 0 }, 6 },
	{ "COND_EXE, true", { 9, DATA, 0, 1, 5, 2, DATA + 4, 0, 0, 0x77 }, 10,
	  { { DATA, 1 } }, { { DATA + 4, 0x77 } } },
	{ "COND_EXE, false", { 9, DATA, 0, 1, 5, 2, DATA + 4, 0, 0, 0x77 }, 10,
	  { { DATA, 0 } }, { { DATA + 4, 0 } } },
	{ "ATOMIC add", { 10 | 0x4fu << 25, DATA, 0, 5, 0, 0, 0, 0 }, 8,
	  { { DATA, 7 } }, { { DATA, 12 } } },
	{ "ATOMIC 64-bit add", { 10 | 0x6fu << 25, DATA, 0, 1, 0, 0, 0, 0 }, 8,
	  { { DATA, ~0u } }, { { DATA, 0 }, { DATA + 4, 1 } } },
	{ "ATOMIC compare and swap", { 10 | 0x08u << 25, DATA, 0, 9, 0, 7, 0, 0 }, 8,
	  { { DATA, 7 } }, { { DATA, 9 } } },
	{ "ATOMIC compare and swap, not equal", { 10 | 0x08u << 25, DATA, 0, 9, 0, 8,
	  0, 0 }, 8, { { DATA, 7 } }, { { DATA, 7 } } },
	{ "ATOMIC compare and swap, loop", { 10 | 1 << 16 | 0x08u << 25, DATA, 0, 9,
	  0, 7, 0, 0 }, 8, { { DATA, 7 } }, { { DATA, 9 } } },
	{ "CONST_FILL of dwords", { 11 | 2u << 30, DATA, 0, 0x12345678, 7 }, 5,
	  { { DATA + 8, 1 } },
	  { { DATA, 0x12345678 }, { DATA + 4, 0x12345678 }, { DATA + 8, 1 } } },
	{ "CONST_FILL of bytes", { 11, DATA + 1, 0, 0x12345678, 4 }, 5, { { 0 } },
	  { { DATA, 0x78787800 }, { DATA + 4, 0x00007878 } } },
	{ "CONST_FILL of words", { 11 | 1u << 30, DATA + 2, 0, 0x12345678, 3 }, 5,
	  { { 0 } }, { { DATA, 0x56780000 }, { DATA + 4, 0x00005678 } } },
	{ "CONST_FILL of dwords, unaligned", { 11 | 2u << 30, DATA + 3, 0, 0x44332211,
	  7 }, 5, { { 0 } },
	  { { DATA, 0x11000000 }, { DATA + 4, 0x11443322 },
	    { DATA + 8, 0x00443322 } } },
	{ "PTEPDE", { 12, DATA, 0, 0x71, 0x80000000, 0x1000, 1, 0x1000, 0, 2 }, 10,
	  { { 0 } },
	  { { DATA, 0x1071 }, { DATA + 4, 0x80000001 }, { DATA + 8, 0x2071 },
	    { DATA + 16, 0x3071 }, { DATA + 20, 0x80000001 }, { DATA + 24, 0 } } },
	{ "TIMESTAMP set", { 13, 1, 2 }, 3 },
	{ "SRBM_WRITE", { 14 | 0xfu << 28, SOME_REG, 0x55667788 }, 3, .process = true },
	{ "POLL_REGMEM of a register", { 8 | 3 << 28, SOME_REG << 2, 0, 0, ~0u, 0 }, 6,
	  .process = true },
	{ "register to memory", { 8 | 1 << 8, SOME_REG << 2, DATA, 0 }, 4,
	  { { DATA, 9 } }, { { DATA, 0 } }, .process = true },
	{ "GPUVM_INV", { 16, 0x00880008, 0, 0 }, 4, .process = true },
	{ "VM_INVALIDATION", { 8 | 4 << 8 | 3 << 16 | 0x1fu << 24, 0x00f80008, ~0u,
	  8 | 0x1f << 16 }, 4, .process = true },
	{ "GCR_REQ", { 17, 0, 0, 0, 0 }, 5 },
	{ "DUMMY_TRAP", { 32, 0 }, 2 },
	{ "unknown operation", { 3 }, 1, .halts = true },
	{ "unknown sub-operation", { 1 | 1 << 8, 0, 0, 0, 0, 0, 0 }, 7, .halts = true },
	{ "floating-point atomic", { 10 | 0x02u << 25, DATA, 0, 0, 0, 0, 0, 0 }, 8,
	  .halts = true },
	{ "no such invalidate engine", { 8 | 4 << 8 | 18 << 16 | 0x1fu << 24, 0, 0, 8 },
	  4, .halts = true },
	{ "protected fence of the kernel", { 0x305 }, 1, .halts = true },
};

/* What a packet of the ring did: it, or the buffer it is in, is row's. */
static void check_packet(struct fake_host *h, const struct packet_row *row,
			 bool halts)
{
	unsigned int before = complaints(h);
	size_t i;

	PUT(5, FLAG, 0, 0xf1a6);
	ring(h);
	if (halts)
		halted(h, before);
	else
		CHECK_SOON(idle());
	CHECK_EQ(complaints(h) > before, halts);
	CHECK_EQ(fake_mem_get32(FLAG), halts ? 0 : 0xf1a6);
	for (i = 0; i < WORDS && !halts; i++)
		if (row->after[i].at)
			CHECK_EQ(fake_mem_get32(row->after[i].at), row->after[i].value);
}

/* A new ring and clean memory, as the driver after a hang. */
static void restart(struct fake_host *h, const struct packet_row *row)
{
	size_t i;

	wreg(h, VREG(GC, regSDMA0_QUEUE_RESET_REQ), 1);
	fake_mem_reset();
	ring_on(h, 0, true);
	for (i = 0; i < WORDS; i++)
		if (row->before[i].at)
			fake_mem_put32(row->before[i].at, row->before[i].value);
}

/* In the kernel's ring. */
static void in_ring(struct fake_host *h, const struct packet_row *row)
{
	test_row(row->name);
	restart(h, row);
	put(row->dw, row->n);
	check_packet(h, row, row->halts);
}

/* In an indirect buffer of the kernel (VMID 0) or of a process. */
static void in_ib(struct fake_host *h, const struct packet_row *row,
		  unsigned int vmid)
{
	char name[80];
	unsigned int i;

	snprintf(name, sizeof(name), "%s, in a buffer of VMID %u", row->name, vmid);
	test_row(name);
	restart(h, row);
	for (i = 0; i < row->n; i++)
		fake_mem_put32(IB + i * 4, row->dw[i]);
	PUT(4 | vmid << 16, IB, 0, row->n, 0, 0);
	check_packet(h, row, row->halts || (vmid && row->process));
	test_row(NULL);
}

static void packets(void)
{
	struct fake_host *h = start();
	size_t i;

	REQUIRE(h);
	for (i = 0; i < ARRAY_SIZE(packet_rows); i++) {
		vgpu_reg_poke(h->dev, SOME_REG, 0);
		in_ring(h, &packet_rows[i]);
		in_ib(h, &packet_rows[i], 0);
		in_ib(h, &packet_rows[i], 5);
	}
	test_row(NULL);
	fake_host_destroy(h);
}

/* Register packets do what they say, with whole and single bytes. */
static void registers(void)
{
	struct fake_host *h = start();

	REQUIRE(h);
	PUT(14 | 0xfu << 28, SOME_REG, 0x11223344);
	PUT(14 | 0x5u << 28, SOME_REG, 0xaabbccdd);
	PUT(8 | 1 << 8, SOME_REG << 2, DATA, 0);
	/* HDP flush: the request is written, its answer is awaited. */
	PUT(8 | 1 << 26 | 3 << 28, (SOME_REG + 1) << 2, (SOME_REG + 1) << 2, 4, 4, 0);
	ring(h);
	CHECK_SOON(idle());
	CHECK_EQ(fake_mem_get32(DATA), 0x11bb33dd);
	CHECK_EQ(vgpu_reg_peek(h->dev, SOME_REG + 1), 4);
	fake_host_destroy(h);
}

/* A flush is over when it is acknowledged, not when it is asked for. */
static void invalidation(void)
{
	struct fake_host *h = start();

	REQUIRE(h);
	hold_ack = true;
	PUT(8 | 4 << 8 | 3 << 16 | 0x1fu << 24, 0x00f80020, ~0u, 0x20 | 0x1f << 16);
	PUT(5, FLAG, 0, 0xf1a6);
	ring(h);
	CHECK_SOON(vgpu_reg_peek(h->dev, REQ_REG + 3) == 0x00f80020);
	test_sleep_us(5000);
	CHECK_EQ(fake_mem_get32(FLAG), 0);
	vgpu_reg_poke(h->dev, ACK_REG + 3, 0x20);
	CHECK_SOON(fake_mem_get32(FLAG) == 0xf1a6);
	fake_host_destroy(h);

	h = start();
	REQUIRE(h);
	PUT(16, 0x00880008, 0, 0);	/* with page table entries */
	PUT(16, 0x00100010, 0, 0);	/* directories only */
	ring(h);
	CHECK_SOON(idle());
	CHECK_EQ(fake_mem_seen.flush_mask[VGPU_HUB_GC], 8);
	fake_host_destroy(h);
}

static void traps(void)
{
	struct fake_host *h = start();

	REQUIRE(h);
	PUT(6, 0x123);
	ring(h);
	CHECK_SOON(idle());
	REQUIRE(fake_iv_count() == 1);
	CHECK_EQ(fake_ivs[0].client_id, 0x0a);
	CHECK_EQ(fake_ivs[0].src_id, 49);
	CHECK_EQ(fake_ivs[0].ring_id, 0);
	CHECK_EQ(fake_ivs[0].data[0], 0x123);
	wreg(h, VREG(GC, regSDMA0_CNTL), 0);
	PUT(6, 0);
	ring(h);
	CHECK_SOON(idle());
	CHECK_EQ(fake_iv_count(), 1);
	fake_host_destroy(h);

	/* The second engine tells so in the ring's number. */
	h = sdma_host(0);
	REQUIRE(h);
	wreg(h, VREG(GC, regSDMA1_CNTL), 1);
	ring_on(h, 1, true);
	PUT(6, 0);
	ring(h);
	CHECK_SOON(idle());
	REQUIRE(fake_iv_count() == 1);
	CHECK_EQ(fake_ivs[0].ring_id, 0x10);
	fake_host_destroy(h);
}

static void timestamps(void)
{
	struct fake_host *h = start();
	uint64_t a, b;

	REQUIRE(h);
	PUT(13 | 1 << 8, DATA, 0);
	PUT(13 | 2 << 8, DATA + 8, 0);
	ring(h);
	CHECK_SOON(idle());
	a = fake_mem_get64(DATA);
	b = fake_mem_get64(DATA + 8);
	CHECK(a);
	CHECK(b >= a && b - a < 100000000);
	fake_host_destroy(h);
}

/* Packets that wait, released from outside; others cut them short. */
static void waits(void)
{
	static const uint32_t poll[] = { 8 | 1u << 31 | 3 << 28, DATA, 0, 5, ~0u,
					 0xfff << 16 };
	struct fake_host *h = start();

	REQUIRE(h);
	put(poll, 6);
	PUT(5, FLAG, 0, 0xf1a6);
	ring(h);
	test_sleep_us(5000);
	CHECK_EQ(fake_mem_get32(FLAG), 0);
	fake_mem_put32(DATA, 5);
	CHECK_SOON(fake_mem_get32(FLAG) == 0xf1a6);

	/* Compare-and-swap in loop mode waits as well. */
	fake_mem_put32(FLAG, 0);
	PUT(10 | 1 << 16 | 0x08u << 25, DATA, 0, 9, 0, 7, 0, 0);
	PUT(5, FLAG, 0, 0xf1a6);
	ring(h);
	test_sleep_us(5000);
	CHECK_EQ(fake_mem_get32(FLAG), 0);
	fake_mem_put32(DATA, 7);
	CHECK_SOON(fake_mem_get32(FLAG) == 0xf1a6);
	CHECK_EQ(fake_mem_get32(DATA), 9);

	/* A wait that never ends, then the driver resets the queue. */
	fake_mem_put32(FLAG, 0);
	put(poll, 6);
	PUT(5, FLAG, 0, 1);
	ring(h);
	test_sleep_us(2000);
	wreg(h, VREG(GC, regSDMA0_QUEUE_RESET_REQ), 1);
	CHECK_EQ(vgpu_reg_read(h->dev, VREG(GC, regSDMA0_QUEUE_RESET_REQ)), 0);
	fake_mem_put32(DATA, 5);
	test_sleep_us(2000);
	CHECK_EQ(fake_mem_get32(FLAG), 0);
	fake_mem_put32(DATA, 0);
	ring_on(h, 0, true);
	PUT(5, FLAG, 0, 0xf1a6);
	ring(h);
	CHECK_SOON(fake_mem_get32(FLAG) == 0xf1a6);

	/* And one that is under way when the device goes away. */
	put(poll, 6);
	ring(h);
	test_sleep_us(2000);
	fake_host_destroy(h);
}

/* The ring wraps; packets lie over its end, and arrive in pieces. */
static void ring_wraps(void)
{
	struct fake_host *h = start();
	uint32_t i, j;

	REQUIRE(h);
	for (i = 0; i < 200; i++) {
		PUT(2, DATA, 0, 2, i, i + 1, i + 2);
		ring(h);
		if (i % 20 == 19)
			CHECK_SOON(idle());
	}
	CHECK_SOON(idle());
	CHECK_EQ(fake_mem_get32(DATA), 199);
	CHECK_EQ(fake_mem_get32(DATA + 8), 201);
	/* Dword by dword: nothing happens before the last one. */
	fake_mem_put32(DATA, 0);
	for (j = 0; j < 4; j++) {
		const uint32_t dw[] = { 2, DATA, 0, 0 };

		put(&dw[j], 1);
		ring(h);
		test_sleep_us(500);
		CHECK(!idle());
	}
	PUT(0x99);
	ring(h);
	CHECK_SOON(idle());
	CHECK_EQ(fake_mem_get32(DATA), 0x99);
	/* What is skipped has to be there as well. */
	PUT(9, DATA, 0, 1, 4);
	ring(h);
	test_sleep_us(500);
	CHECK(!idle());
	PUT(5, FLAG, 0, 1);
	ring(h);
	CHECK_SOON(idle());
	CHECK_EQ(fake_mem_get32(FLAG), 0);
	fake_host_destroy(h);
}

static const struct ib_row {
	const char *name;
	uint32_t header, dw0, dw1, size;
	bool halts;
} ib_rows[] = {
	{ "empty", 4, 0, 0, 0, false },
	{ "all NOPs", 4, 0, 0, 64, false },
	{ "packet over its end", 4, 2, 0, 3, true },
	{ "NOP over its end", 4, 5 << 16, 0, 3, true },
	{ "nested", 4, 4, 0, 6, true },
	{ "at an address that faults", 4, 0, 0, 64, false },
};

static void buffers(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ib_rows); i++) {
		const struct ib_row *row = &ib_rows[i];
		bool gone = strstr(row->name, "faults");
		struct fake_host *h = start();

		test_row(row->name);
		REQUIRE(h);
		fake_mem_put32(IB, row->dw0);
		fake_mem_put32(IB + 4, row->dw1);
		PUT(row->header | 7 << 16, gone ? NOWHERE : IB, 0, row->size, 0, 0);
		PUT(5, FLAG, 0, 0xf1a6);
		ring(h);
		if (row->halts)
			halted(h, 0);
		else
			CHECK_SOON(idle());
		CHECK_EQ(fake_mem_get32(FLAG), row->halts ? 0 : 0xf1a6);
		fake_host_destroy(h);
	}
	test_row(NULL);
}

/* Packets that begin at one place of a long buffer and end at another. */
static const struct place_row {
	const char *name;
	uint32_t first, last;	/* dwords where the packet begins */
	uint32_t count;		/* dwords it writes */
} place_rows[] = {
	{ "within what is read at once", 0, 3, 3 },
	{ "across the end of it", 246, 258, 3 },
	{ "across the end of a page", 1014, 1026, 3 },
	{ "longer than what is read at once", 100, 101, 700 },
	{ "to the last dword", 4096 - 7, 4096 - 7, 3 },
};

static void places(void)
{
	struct fake_host *h = start();
	uint32_t at, k;
	size_t i;

	REQUIRE(h);
	for (i = 0; i < ARRAY_SIZE(place_rows); i++) {
		const struct place_row *row = &place_rows[i];

		test_row(row->name);
		for (at = row->first; at <= row->last; at++) {
			for (k = 0; k < 4096; k++)
				fake_mem_put32(IB + k * 4, 0);
			fake_mem_put32(IB + at * 4, 2);
			fake_mem_put32(IB + at * 4 + 4, DATA);
			fake_mem_put32(IB + at * 4 + 12, row->count - 1);
			for (k = 0; k < row->count; k++) {
				fake_mem_put32(IB + (at + 4 + k) * 4, at + k);
				fake_mem_put32(DATA + k * 4, 0);
			}
			PUT(4, IB, 0, 4096, 0, 0);
			ring(h);
			CHECK_SOON(idle());
			for (k = 0; k < row->count; k++)
				CHECK_EQ(fake_mem_get32(DATA + k * 4), at + k);
		}
	}
	test_row(NULL);
	CHECK_EQ(complaints(h), 0);
	fake_host_destroy(h);
}

/* What is behind a packet that waits is read when the engine gets there. */
static void read_late(void)
{
	struct fake_host *h = start();
	const uint32_t poll[] = { 8 | 1u << 31 | 3 << 28, DATA, 0, 5, ~0u, 0xfffu << 16 };
	const uint32_t fence[] = { 5 | 3 << 16, DATA + 4, 0, 1 };
	uint32_t k;

	REQUIRE(h);
	for (k = 0; k < 1024; k++)
		fake_mem_put32(IB + k * 4, 0);
	for (k = 0; k < ARRAY_SIZE(poll); k++)
		fake_mem_put32(IB + k * 4, poll[k]);
	for (k = 0; k < ARRAY_SIZE(fence); k++)
		fake_mem_put32(IB + (600 + k) * 4, fence[k]);
	PUT(4, IB, 0, 1024, 0, 0);
	ring(h);
	test_sleep_us(2000);
	fake_mem_put32(IB + 603 * 4, 2);
	fake_mem_put32(DATA, 5);
	CHECK_SOON(idle());
	CHECK_EQ(fake_mem_get32(DATA + 4), 2);
	fake_host_destroy(h);
}

/* The address space is the packet's for the kernel. */
static void address_space(void)
{
	struct fake_host *h = start();

	REQUIRE(h);
	fake_mem_put32(IB, 2);
	fake_mem_put32(IB + 4, NOWHERE);	/* the last access: a fault */
	fake_mem_put32(IB + 16, 1);
	PUT(4 | 7 << 16, IB, 0, 5, 0, 0);
	PUT(8 | 1u << 31 | 3 << 28, DATA, 0, 5, ~0u, 0);	/* holds the ring */
	ring(h);
	CHECK_SOON(fake_mem_seen.faults == 1);
	CHECK_SOON(fake_mem_seen.client.vmid == 0);
	CHECK_EQ(fake_mem_seen.client.cid, 13);
	fake_host_destroy(h);
}

static void broken(void)
{
	struct fake_host *h = start_broken(VGPU_BREAK_COPY);

	REQUIRE(h);
	fake_mem_put32(DATA, 5);
	PUT(1, 3, 0, DATA, 0, DATA + 4, 0);
	ring(h);
	CHECK_SOON(idle());
	CHECK_EQ(fake_mem_get32(DATA + 4), 0);
	fake_host_destroy(h);
	h = start_broken(VGPU_BREAK_FILL);
	REQUIRE(h);
	PUT(11 | 2u << 30, DATA, 0, 5, 3);
	ring(h);
	CHECK_SOON(idle());
	CHECK_EQ(fake_mem_get32(DATA), 0);
	fake_host_destroy(h);
}

/* ---- the life of rings ---- */

static void by_register(void)
{
	struct fake_host *h = start();

	REQUIRE(h);
	ring_on(h, 0, false);
	wreg(h, VREG(GC, regSDMA0_QUEUE0_RB_CNTL), 0);
	ring_on(h, 0, false);
	PUT(5, FLAG, 0, 0xf1a6);
	/* As sdma_v6_0_ring_set_wptr() without a doorbell. */
	wreg(h, VREG(GC, regSDMA0_QUEUE0_RB_WPTR), wptr << 2);
	wreg(h, VREG(GC, regSDMA0_QUEUE0_RB_WPTR_HI), 0);
	CHECK_SOON(idle());
	CHECK_EQ(fake_mem_get32(FLAG), 0xf1a6);
	fake_host_destroy(h);
}

/* The registers of an engine that do not set up its ring. */
static const struct engine_row {
	const char *name;
	uint32_t reg, value, reads;
	bool stands;		/* the ring does not get on */
	unsigned int unimp;
} engine_rows[] = {
	{ "halt", VREG(GC, regSDMA0_F32_CNTL), SDMA0_F32_CNTL__HALT_MASK,
	  SDMA0_F32_CNTL__HALT_MASK, true },
	{ "freeze", VREG(GC, regSDMA0_FREEZE), SDMA0_FREEZE__FREEZE_MASK,
	  SDMA0_FREEZE__FREEZE_MASK | SDMA0_FREEZE__FROZEN_MASK, true },
	{ "frozen, not to be written", VREG(GC, regSDMA0_FREEZE),
	  SDMA0_FREEZE__FROZEN_MASK, 0 },
	{ "preemption by FREEZE", VREG(GC, regSDMA0_FREEZE), SDMA0_FREEZE__PREEMPT_MASK,
	  SDMA0_FREEZE__PREEMPT_MASK, .unimp = 1 },
	{ "the processor alone frozen", VREG(GC, regSDMA0_FREEZE),
	  SDMA0_FREEZE__F32_FREEZE_MASK, SDMA0_FREEZE__F32_FREEZE_MASK, .unimp = 1 },
	{ "preemption of the ring", VREG(GC, regSDMA0_QUEUE0_PREEMPT), 1, 1, .unimp = 1 },
	{ "no preemption", VREG(GC, regSDMA0_QUEUE0_PREEMPT), 0, 0 },
	{ "queue 1", VREG(GC, regSDMA0_QUEUE1_RB_CNTL), 0x15, 0x15, .unimp = 1 },
	{ "queue 7", VREG(GC, regSDMA0_QUEUE7_RB_CNTL), 0x15, 0x15, .unimp = 1 },
	{ "queue 7, off", VREG(GC, regSDMA0_QUEUE7_RB_CNTL), 0x14, 0x14 },
	{ "the other engine's freeze", VREG(GC, regSDMA1_FREEZE),
	  SDMA0_FREEZE__FREEZE_MASK,
	  SDMA0_FREEZE__FREEZE_MASK | SDMA0_FREEZE__FROZEN_MASK },
};

static void engine_registers(void)
{
	const struct engine_row *row;
	struct fake_host *h;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(engine_rows); i++) {
		row = &engine_rows[i];
		test_row(row->name);
		h = start();
		REQUIRE(h);
		wreg(h, row->reg, row->value);
		CHECK_EQ(vgpu_reg_read(h->dev, row->reg), row->reads);
		CHECK_EQ(complaints(h), row->unimp);
		PUT(5, FLAG, 0, 0xf1a6);
		ring(h);
		if (row->stands) {
			test_sleep_us(5000);
			CHECK_EQ(fake_mem_get32(FLAG), 0);
			/* Rung while nobody listened: the register counts. */
			wreg(h, VREG(GC, regSDMA0_QUEUE0_RB_WPTR), wptr << 2);
			wreg(h, row->reg, 0);
		}
		CHECK_SOON(fake_mem_get32(FLAG) == 0xf1a6);
		fake_host_destroy(h);
	}
	test_row(NULL);
}

static void halt_and_go(void)
{
	struct fake_host *h = start();

	REQUIRE(h);
	PUT(5, FLAG, 0, 1);
	ring(h);
	CHECK_SOON(idle());
	wreg(h, VREG(GC, regSDMA0_F32_CNTL), 1);
	CHECK_EQ(vgpu_reg_read(h->dev, VREG(GC, regSDMA0_QUEUE0_RB_RPTR)), 16);
	/* Rung while nobody listens: the register still counts. */
	PUT(5, FLAG, 0, 2);
	ring(h);
	test_sleep_us(2000);
	CHECK_EQ(fake_mem_get32(FLAG), 1);
	wreg(h, VREG(GC, regSDMA0_QUEUE0_RB_WPTR), wptr << 2);
	wreg(h, VREG(GC, regSDMA0_F32_CNTL), 0);
	CHECK_SOON(fake_mem_get32(FLAG) == 2);
	/* Sizes no ring has. */
	wreg(h, VREG(GC, regSDMA0_QUEUE0_RB_CNTL), 0);
	wreg(h, VREG(GC, regSDMA0_QUEUE0_RB_CNTL), 1 | 31 << 1);
	wreg(h, VREG(GC, regSDMA0_QUEUE0_RB_CNTL), 0);
	wreg(h, VREG(GC, regSDMA0_QUEUE0_RB_CNTL), 1);
	CHECK_EQ(fake_host_logs(h, VGPU_LOG_GUEST), 2);
	fake_host_destroy(h);
}

/* A ring whose own packet stops it, and the device. */
static void stops_itself(void)
{
	struct fake_host *h = start();

	REQUIRE(h);
	PUT(14 | 0xfu << 28, VREG(GC, regSDMA0_QUEUE0_RB_CNTL), 0);
	PUT(5, FLAG, 0, 1);
	ring(h);
	test_sleep_us(5000);
	CHECK_EQ(fake_mem_get32(FLAG), 0);
	ring_on(h, 0, true);
	PUT(5, FLAG, 0, 2);
	ring(h);
	CHECK_SOON(fake_mem_get32(FLAG) == 2);
	fake_host_destroy(h);
}

/* ---- robustness ---- */

/* Any dwords at all: no crash, no hang, and the device can be taken down. */
static void garbage(void)
{
	unsigned int seed = 1, i, j;

	for (i = 0; i < 60; i++) {
		struct fake_host *h = start();

		REQUIRE(h);
		srand(seed++);
		for (j = 0; j < 256; j++)
			fake_mem_put32(IB + j * 4, rand() % 3 ? (uint32_t)rand() :
				       (uint32_t)rand() % 18 | (rand() % 5 & 4) << 6);
		for (j = 0; j < 100; j++)
			PUT((uint32_t)rand() % 33 | (uint32_t)(rand() & 0xff) << 16,
			    IB);
		PUT(4 | 3 << 16, IB, 0, 256, 0, 0);
		ring(h);
		test_sleep_us(200);
		fake_host_destroy(h);
	}
}

static const struct test_case tests[] = {
	{ "packets", packets },
	{ "registers", registers },
	{ "invalidation", invalidation },
	{ "traps", traps },
	{ "timestamps", timestamps },
	{ "waits", waits },
	{ "ring-wraps", ring_wraps },
	{ "buffers", buffers },
	{ "places", places },
	{ "read-late", read_late },
	{ "address-space", address_space },
	{ "broken", broken },
	{ "by-register", by_register },
	{ "engine-registers", engine_registers },
	{ "halt-and-go", halt_and_go },
	{ "stops-itself", stops_itself },
	{ "garbage", garbage },
};
TEST_MAIN(tests)
