/* SPDX-License-Identifier: MIT */
/* PM4 packets: what each does to memory, registers and interrupts. */
#include <errno.h>
#include <stdlib.h>

#include "cp_rig.h"
#include "gc/gc_11_0_0_offset.h"
#include "oss/osssys_6_0_0_offset.h"
#include "soc21_enum.h"
#include "test.h"

#define A	0x100		/* where rows have their effect */
#define B	0x200
#define IB	0x1000
#define IB2	0x2000
#define SCRATCH	VREG(GC, regSCRATCH_REG0)
#define BAD	FAKE_MEM_SIZE	/* first address that faults */

#define MAX_DW	24
#define P(...)	{ __VA_ARGS__ }
/* Body for packets by hand; n is the number of body dwords. */
#define OP(op, n)	PKT3(op, (n) - 1)
#define WRITE_MEM(addr, value) \
	OP(PACKET3_WRITE_DATA, 4), WRITE_DATA_DST_SEL(5), addr, 0, value
#define CONFIG	0xC000	/* PACKET3_SET_UCONFIG_REG_START */

struct row {
	const char *name;
	uint32_t dw[MAX_DW];
	unsigned int n;		/* dwords; 0: up to the last non-zero one */
	uint64_t at, expect;	/* 64 bits at address @at afterwards */
	unsigned int ivs, faults;
	unsigned int refused;	/* counted as not modelled, as is each access to SCRATCH */
};

#define ATOMIC(op, src, cmp) \
	P(OP(PACKET3_ATOMIC_MEM, 8), op, A, 0, src, 0, cmp, 0, 1), 9

static const struct row rows[] = {
	{ "write", P(WRITE_MEM(A, 7)), .at = A, .expect = 7 },
	{ "write several", P(OP(PACKET3_WRITE_DATA, 5), 5 << 8, A, 0, 1, 2),
	  .at = A, .expect = 0x200000001 },
	{ "write to one address",
	  P(OP(PACKET3_WRITE_DATA, 5), 5 << 8 | WR_ONE_ADDR, A, 0, 1, 2),
	  .at = A, .expect = 2 },
	{ "write through L2", P(OP(PACKET3_WRITE_DATA, 4), 2 << 8, A, 0, 3),
	  .at = A, .expect = 3 },
	{ "write in register order",
	  P(OP(PACKET3_WRITE_DATA, 4), 1 << 8, A, 0, 4), .at = A, .expect = 4 },
	{ "write nowhere known", P(OP(PACKET3_WRITE_DATA, 4), 3 << 8, A, 0, 4), .refused = 1 },
	{ "write faults", P(WRITE_MEM(BAD, 7)), .faults = 1 },
	{ "write register and copy it back",
	  P(OP(PACKET3_WRITE_DATA, 4), 0, SCRATCH, 0, 0x55,
	    OP(PACKET3_COPY_DATA, 5), 5 << 8, SCRATCH, 0, A, 0), 11,
	  .at = A, .expect = 0x55, .refused = 2 },
	{ "uconfig register",
	  P(OP(PACKET3_SET_UCONFIG_REG, 2), 0x40, 0x66,
	    OP(PACKET3_COPY_DATA, 5), 5 << 8, SCRATCH, 0, A, 0), 9,
	  .at = A, .expect = 0x66, .refused = 2 },
	{ "uconfig out of range", P(OP(PACKET3_SET_UCONFIG_REG, 2), 0x4000, 1) },
	{ "context register out of range",
	  P(OP(PACKET3_SET_CONTEXT_REG, 3), 0x3ff, 1, 1) },
	{ "register read-modify-write",
	  P(OP(PACKET3_SET_UCONFIG_REG, 2), 0x40, 0xff,
	    OP(PACKET3_REG_RMW, 3), SCRATCH, 0xf0, 0x1,
	    OP(PACKET3_COPY_DATA, 5), 5 << 8, SCRATCH, 0, A, 0), 13,
	  .at = A, .expect = 0xf1, .refused = 4 },
	{ "copy immediate, 64 bits",
	  P(OP(PACKET3_COPY_DATA, 5), 5 | 2 << 8 | 1 << 16, 1, 2, A, 0), 6,
	  .at = A, .expect = 0x200000001 },
	{ "copy immediate, 32 bits",
	  P(OP(PACKET3_COPY_DATA, 5), 5 | 2 << 8, 1, 2, A, 0), 6,
	  .at = A, .expect = 1 },
	{ "copy memory, 64 bits",
	  P(OP(PACKET3_COPY_DATA, 5), 1 | 5 << 8 | 1 << 16, B, 0, A, 0), 6,
	  .at = A, .expect = 0x1122334455667788 },
	{ "copy memory, 32 bits",
	  P(OP(PACKET3_COPY_DATA, 5), 2 | 5 << 8, B, 0, A, 0), 6,
	  .at = A, .expect = 0x55667788 },
	{ "copy from where it faults",
	  P(OP(PACKET3_COPY_DATA, 5), 2 | 5 << 8, BAD, 0, A, 0), 6,
	  .at = A, .expect = 0, .faults = 1 },
	{ "copy from an unknown source",
	  P(OP(PACKET3_COPY_DATA, 5), 15 | 5 << 8, B, 0, A, 0), 6, .at = A, .refused = 1 },
	{ "DMA copy", P(OP(PACKET3_DMA_DATA, 6), 0, B, 0, A, 0, 8), .at = A,
	  .expect = 0x1122334455667788 },
	{ "DMA copy of odd length", P(OP(PACKET3_DMA_DATA, 6), 0, B, 0, A, 0, 3),
	  .at = A, .expect = 0x667788 },
	{ "DMA fill",
	  P(OP(PACKET3_DMA_DATA, 6), 2u << 29, 0xabcd, 0, A, 0, 8), .at = A,
	  .expect = 0x0000abcd0000abcd },
	{ "DMA fill of odd length",
	  P(OP(PACKET3_DMA_DATA, 6), 2u << 29, 0xabcd, 0, A, 0, 7), .at = A },
	{ "DMA to nowhere", P(OP(PACKET3_DMA_DATA, 6), 2 << 20, B, 0, A, 0, 8),
	  .at = A },
	{ "DMA to registers",
	  P(OP(PACKET3_DMA_DATA, 6), 0, B, 0, A, 0, 8 | 1 << 27), .at = A, .refused = 1 },
	{ "DMA faults", P(OP(PACKET3_DMA_DATA, 6), 0, BAD, 0, A, 0, 8),
	  .at = A, .faults = 1 },
	{ "conditional execution, skipped",
	  P(OP(PACKET3_COND_EXEC, 4), A + 8, 0, 0, 5, WRITE_MEM(A, 1)), .at = A },
	{ "conditional execution, taken",
	  P(OP(PACKET3_COND_EXEC, 4), B, 0, 0, 5, WRITE_MEM(A, 1)),
	  .at = A, .expect = 1 },
	{ "wait: equal under mask, reference wider",
	  P(OP(PACKET3_WAIT_REG_MEM, 6), 3 | 1 << 4, B, 0, 0xffffff88, 0xff, 4,
	    WRITE_MEM(A, 1)), .at = A, .expect = 1 },
	{ "wait: less", P(OP(PACKET3_WAIT_REG_MEM, 6), 1 | 1 << 4, B, 0,
			  0x55667789, 0xffffffff, 4, WRITE_MEM(A, 1)),
	  .at = A, .expect = 1 },
	{ "wait: greater or equal",
	  P(OP(PACKET3_WAIT_REG_MEM, 6), 5 | 1 << 4, B, 0, 0x55667788,
	    0xffffffff, 4, WRITE_MEM(A, 1)), .at = A, .expect = 1 },
	{ "wait: not equal",
	  P(OP(PACKET3_WAIT_REG_MEM, 6), 4 | 1 << 4, B, 0, 1, 0xffffffff, 4,
	    WRITE_MEM(A, 1)), .at = A, .expect = 1 },
	{ "wait: write one register, wait for another",
	  P(OP(PACKET3_WAIT_REG_MEM, 6), 3 | 1 << 6, SCRATCH, SCRATCH, 9,
	    0xffffffff, 4, WRITE_MEM(A, 1)), .at = A, .expect = 1, .refused = 2 },
	{ "wait where it faults",
	  P(OP(PACKET3_WAIT_REG_MEM, 6), 3 | 1 << 4, BAD, 0, 1, 1, 4,
	    WRITE_MEM(A, 1)), .at = A, .expect = 1, .faults = 1 },
	{ "wait, 64 bits",
	  P(OP(PACKET3_WAIT_REG_MEM64, 8), 5 | 1 << 4, B, 0, 0x55667788,
	    0x11223344, 0xffffffff, 0xffffffff, 4, WRITE_MEM(A, 1)),
	  .at = A, .expect = 1 },
	{ "wait for fences",
	  P(OP(PACKET3_NOP + 0xC1, 9), 0, B, 0, 1, 0, B, 0, 2, 1,
	    WRITE_MEM(A, 1)), .at = A, .expect = 1 },
	{ "release, 32 bits", P(OP(PACKET3_RELEASE_MEM, 7), 0x514, 1u << 29, A, 0,
				5, 6, 0), 8, .at = A, .expect = 5 },
	{ "release, 64 bits", P(OP(PACKET3_RELEASE_MEM, 7), 0x514, 2u << 29, A, 0,
				5, 6, 0), 8, .at = A, .expect = 0x600000005 },
	{ "release with interrupt",
	  P(OP(PACKET3_RELEASE_MEM, 7), 0x514, 2u << 29 | 2 << 24, A, 0, 5, 6, 0),
	  8, .at = A, .expect = 0x600000005, .ivs = 1 },
	{ "release, interrupt only",
	  P(OP(PACKET3_RELEASE_MEM, 7), 0x514, 1 << 24, A, 0, 5, 6, 0),
	  8, .at = A, .ivs = 1 },
	{ "release with an interrupt of another kind",
	  P(OP(PACKET3_RELEASE_MEM, 7), 0x514, 1u << 29 | 5 << 24, A, 0, 5, 6, 0), 8,
	  .at = A, .expect = 5, .refused = 1 },
	{ "protected fence on a kernel queue", P(OP(0xD0, 1), 0), 2 },
	{ "dispatch is refused", P(OP(PACKET3_DISPATCH_DIRECT, 4), 1, 1, 1, 1), .refused = 1 },
	{ "draw is refused", P(OP(PACKET3_DRAW_INDEX_AUTO, 2), 3, 2), .refused = 1 },
	{ "event that writes to memory is refused",
	  P(OP(PACKET3_EVENT_WRITE, 3), 0x15 | 1 << 8, A, 0), 4,
	  .at = A, .refused = 1 },
	{ "predicate is refused",
	  P(OP(PACKET3_SET_PREDICATION, 3), 3 << 16, A, 0, WRITE_MEM(A, 1)),
	  .at = A, .expect = 1, .refused = 1 },
	{ "cache and state packets",
	  P(OP(PACKET3_ACQUIRE_MEM, 7), 0, 0, 0, 0, 0, 0, 0,
	    OP(PACKET3_CONTEXT_CONTROL, 2), 0, 0, OP(PACKET3_PFP_SYNC_ME, 1), 0,
	    0x80000000, WRITE_MEM(A, 1)), .at = A, .expect = 1 },
	{ "NOPs", P(OP(PACKET3_NOP, 3), 1, 2, 3, 0xffff1000, WRITE_MEM(A, 1)),
	  .at = A, .expect = 1 },
	{ "too short", P(OP(PACKET3_WRITE_DATA, 2), 5 << 8, A, WRITE_MEM(A, 1)),
	  .at = A, .expect = 1 },
	{ "atomic add", ATOMIC(TC_OP_ATOMIC_ADD_RTN_32, 3, 0), A, 13 },
	{ "atomic add, no return", ATOMIC(TC_OP_ATOMIC_ADD_32, 3, 0), A, 13 },
	{ "atomic add, 64 bits", ATOMIC(TC_OP_ATOMIC_ADD_RTN_64, 3, 0), A, 13 },
	{ "atomic sub", ATOMIC(TC_OP_ATOMIC_SUB_RTN_32, 3, 0), A, 7 },
	{ "atomic sub below 0", ATOMIC(TC_OP_ATOMIC_SUB_32, 11, 0), A, 0xffffffff },
	{ "atomic swap", ATOMIC(TC_OP_ATOMIC_SWAP_RTN_32, 3, 0), A, 3 },
	{ "atomic compare, equal", ATOMIC(TC_OP_ATOMIC_CMPSWAP_RTN_32, 3, 10), A, 3 },
	{ "atomic compare, not equal",
	  ATOMIC(TC_OP_ATOMIC_CMPSWAP_RTN_32, 3, 11), A, 10 },
	{ "atomic signed min", ATOMIC(TC_OP_ATOMIC_SMIN_RTN_32, -1u, 0), A, -1u },
	{ "atomic unsigned min", ATOMIC(TC_OP_ATOMIC_UMIN_RTN_32, -1u, 0), A, 10 },
	{ "atomic signed max", ATOMIC(TC_OP_ATOMIC_SMAX_32, -1u, 0), A, 10 },
	{ "atomic unsigned max", ATOMIC(TC_OP_ATOMIC_UMAX_32, -1u, 0), A, -1u },
	{ "atomic and", ATOMIC(TC_OP_ATOMIC_AND_RTN_32, 6, 0), A, 2 },
	{ "atomic or", ATOMIC(TC_OP_ATOMIC_OR_RTN_32, 5, 0), A, 15 },
	{ "atomic xor", ATOMIC(TC_OP_ATOMIC_XOR_RTN_32, 6, 0), A, 12 },
	{ "atomic inc", ATOMIC(TC_OP_ATOMIC_INC_RTN_32, 20, 0), A, 11 },
	{ "atomic inc wraps", ATOMIC(TC_OP_ATOMIC_INC_RTN_32, 10, 0), A, 0 },
	{ "atomic dec", ATOMIC(TC_OP_ATOMIC_DEC_RTN_32, 20, 0), A, 9 },
	{ "atomic dec wraps", ATOMIC(TC_OP_ATOMIC_DEC_RTN_32, 5, 0), A, 5 },
	{ "atomic unknown", ATOMIC(0x3f, 5, 0), A, 10, .refused = 1 },
};

static unsigned int length(const struct row *r)
{
	unsigned int n = MAX_DW;

	if (r->n)
		return r->n;
	while (n && !r->dw[n - 1])
		n--;
	return n;
}

static void put_ib(uint64_t va, const uint32_t *dw, unsigned int n)
{
	while (n--)
		fake_mem_put32(va + n * 4, dw[n]);
}

enum where { IN_RING, IN_IB, IN_NESTED_IB, IN_CHAINED_IB, WHERES };

static void run_row(struct rig *rig, const struct row *r, enum where where)
{
	unsigned int ivs = fake_iv_count(), faults = fake_mem_seen.faults;
	uint64_t refused = vgpu_counted(rig->dev, VGPU_LOG_UNIMP);
	unsigned int n = length(r);
	const uint32_t nested[] = { OP(PACKET3_INDIRECT_BUFFER, 3), IB, 0,
				    n | (where == IN_CHAINED_IB) << 20 };
	bool atomic = r->dw[0] >> 8 == (OP(PACKET3_ATOMIC_MEM, 8) >> 8);

	fake_mem_put64(A, atomic ? 10 : 0);
	fake_mem_put64(A + 8, 0);
	fake_mem_put64(B, 0x1122334455667788);
	put_ib(IB, r->dw, n);
	put_ib(IB2, nested, 4);
	switch (where) {
	case IN_RING:
		CHECK(rig_run(rig, 0, r->dw, n));
		break;
	case IN_IB:
		CHECK(RIG_RUN(rig, 0, OP(PACKET3_INDIRECT_BUFFER, 3), IB, 0, n));
		break;
	default:
		CHECK(RIG_RUN(rig, 0, OP(PACKET3_INDIRECT_BUFFER, 3), IB2, 0, 4));
	}
	if (r->at)
		CHECK_EQ(fake_mem_get64(r->at), r->expect);
	CHECK_EQ(fake_iv_count() - ivs, r->ivs);
	CHECK_EQ(fake_mem_seen.faults - faults, r->faults);
	CHECK_EQ(vgpu_counted(rig->dev, VGPU_LOG_UNIMP) - refused, r->refused);
}

static void packets(void)
{
	struct rig *rig = rig_create();
	enum where where;
	size_t i;

	REQUIRE(rig);
	CHECK_EQ(rig_map(rig, 0, VGPU_ENGINE_GFX), 0);
	for (where = 0; where < WHERES; where++)
		for (i = 0; i < ARRAY_SIZE(rows); i++) {
			test_row(rows[i].name);
			run_row(rig, &rows[i], where);
		}
	test_row(NULL);
	rig_destroy(rig);
}

static void eop_interrupt(void)
{
	struct rig *rig = rig_create();
	struct vgpu_queue_map m = { .me = 1, .pipe = 2, .queue = 5, .vmid = 9,
				    .pasid = 77, .user = true };
	struct rig_ring *r;

	REQUIRE(rig);
	r = rig_mqd(rig, 0, VGPU_ENGINE_COMPUTE);
	m.mqd_addr = r->mqd;
	m.wptr_addr = r->wptr_addr;
	m.doorbell = r->doorbell;
	CHECK_EQ(vgpu_engine_map(rig->dev, VGPU_ENGINE_COMPUTE, &m), 0);

	test_row("release");
	CHECK(RIG_RUN(rig, 0, OP(PACKET3_RELEASE_MEM, 7), 0x514, 2 << 24, 0, 0,
		      0, 0, 0));
	CHECK_EQ(fake_iv_count(), 1);
	CHECK_EQ(fake_ivs[0].client_id, 0x14);
	CHECK_EQ(fake_ivs[0].src_id, 181);
	CHECK_EQ(fake_ivs[0].ring_id, 2 | 1 << 2 | 5 << 4);
	CHECK_EQ(fake_ivs[0].vmid, 9);
	CHECK_EQ(fake_ivs[0].pasid, 77);
	CHECK_EQ(fake_ivs[0].data[0], r->doorbell);

	test_row("protected fence");
	CHECK(RIG_RUN(rig, 0, WRITE_MEM(A, 1), OP(0xD0, 1), 0));
	CHECK_EQ(fake_mem_get64(r->fence), r->wptr);
	CHECK_EQ(fake_mem_get64(r->rptr), r->wptr);
	CHECK_EQ(fake_iv_count(), 2);
	CHECK_EQ(fake_ivs[1].data[0], r->doorbell);

	test_row("a fence counts what is before it");
	RIG_PUT(rig, 0, OP(0xD0, 1), 0);
	CHECK(RIG_RUN(rig, 0, WRITE_MEM(A, 2)));
	CHECK_EQ(fake_mem_get64(r->fence), r->wptr - 5);
	test_row(NULL);
	rig_destroy(rig);
}

static void address_spaces(void)
{
	static const struct {
		const char *name;
		bool user, nested;
		uint32_t vmid, expect;
	} cases[] = {
		{ "kernel ring, kernel buffer", false, false, 0, 0 },
		{ "kernel ring, process's buffer", false, false, 6, 6 },
		{ "nested inherits", false, true, 6, 6 },
		{ "user ring keeps its own", true, false, 6, 3 },
	};
	const uint32_t write[] = { WRITE_MEM(A, 1) };
	/* The inner packet's VMID must not count. */
	const uint32_t inner[] = { OP(PACKET3_INDIRECT_BUFFER, 3), IB, 0,
				   ARRAY_SIZE(write) };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rig *rig = rig_create();
		struct vgpu_queue_map m = { .user = cases[i].user };
		struct rig_ring *r;

		test_row(cases[i].name);
		REQUIRE(rig);
		r = rig_mqd(rig, 0, VGPU_ENGINE_GFX);
		fake_mem_put32(r->mqd + 139 * 4, 0);	/* no read pointer */
		m.mqd_addr = r->mqd;
		m.wptr_addr = r->wptr_addr;
		m.doorbell = r->doorbell;
		m.vmid = cases[i].user ? 3 : 0;
		CHECK_EQ(vgpu_engine_map(rig->dev, VGPU_ENGINE_GFX, &m), 0);
		put_ib(IB, write, ARRAY_SIZE(write));
		put_ib(IB2, inner, ARRAY_SIZE(inner));
		RIG_PUT(rig, 0, OP(PACKET3_INDIRECT_BUFFER, 3),
			cases[i].nested ? IB2 : IB, 0,
			(cases[i].nested ? ARRAY_SIZE(inner) :
					   ARRAY_SIZE(write)) |
			cases[i].vmid << 24);
		rig_ring(rig, 0);
		CHECK_SOON(fake_mem_get32(A) == 1);
		CHECK_EQ(fake_mem_seen.client.vmid, cases[i].expect);
		CHECK_EQ(fake_mem_seen.client.hub, VGPU_HUB_GC);
		rig_destroy(rig);
	}
	test_row(NULL);
}

/* What stops a queue for good; it can be reset, others run on. */
static void hangs(void)
{
	static const struct {
		const char *name;
		uint32_t dw[8];
		unsigned int n;
		uint8_t src_id;
		bool user;
	} cases[] = {
		{ "unknown opcode", P(OP(0xf2, 2), 0, 0), 3, 183 },
		{ "type 0", P(0), 1, 183 },
		{ "type 1", P(0x40000000), 1, 183 },
		{ "KIQ packet", P(OP(PACKET3_MAP_QUEUES, 6), 0, 0, 0, 0, 0, 0), 7, 185 },
		{ "privileged write",
		  P(OP(PACKET3_WRITE_DATA, 4), 0, 0x54f, 0, 1), 5, 184, true },
		{ "privileged read",
		  P(OP(PACKET3_COPY_DATA, 5), 5 << 8, 0x54f, 0, A, 0), 6, 184,
		  true },
		{ "privileged wait",
		  P(OP(PACKET3_WAIT_REG_MEM, 6), 0, 0x54f, 0, 0, 0, 4), 7, 184,
		  true },
		{ "privileged configuration",
		  P(OP(PACKET3_SET_CONFIG_REG, 2), 1, 1), 3, 184, true },
		{ "too deep",
		  P(OP(PACKET3_INDIRECT_BUFFER, 3), IB, 0, 4), 4, 183 },
		{ "packet beyond its buffer",
		  P(OP(PACKET3_INDIRECT_BUFFER, 3), IB, 0, 3), 4, 183 },
	};
	const uint32_t self[] = { OP(PACKET3_INDIRECT_BUFFER, 3), IB, 0, 4 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rig *rig = rig_create();
		struct vgpu_queue_map m = { .user = cases[i].user };
		struct rig_ring *r;

		test_row(cases[i].name);
		REQUIRE(rig);
		put_ib(IB, self, ARRAY_SIZE(self));
		r = rig_mqd(rig, 0, VGPU_ENGINE_GFX);
		m.mqd_addr = r->mqd;
		m.wptr_addr = r->wptr_addr;
		m.doorbell = r->doorbell;
		CHECK_EQ(vgpu_engine_map(rig->dev, VGPU_ENGINE_GFX, &m), 0);
		CHECK_EQ(rig_map(rig, 1, VGPU_ENGINE_GFX), 0);
		rig_put(rig, 0, cases[i].dw, cases[i].n);
		rig_ring(rig, 0);
		CHECK_SOON(fake_iv_count() == 1);
		CHECK_EQ(fake_ivs[0].src_id, cases[i].src_id);
		CHECK(!rig_idle(rig, 0));
		CHECK(RIG_RUN(rig, 1, WRITE_MEM(A, 1)));
		CHECK_EQ(vgpu_engine_unmap(rig->dev, VGPU_ENGINE_GFX, r->doorbell,
					   true), 0);
		CHECK_EQ(vgpu_engine_map(rig->dev, VGPU_ENGINE_GFX, &m), 0);
		CHECK(RIG_RUN(rig, 0, WRITE_MEM(A, 2)));
		CHECK_EQ(fake_mem_get32(A), 2);
		rig_destroy(rig);
	}
	test_row(NULL);
}

static void waits_end(void)
{
	struct rig *rig = rig_create();

	REQUIRE(rig);
	CHECK_EQ(rig_map(rig, 0, VGPU_ENGINE_GFX), 0);
	test_row("memory");
	RIG_PUT(rig, 0, OP(PACKET3_WAIT_REG_MEM, 6), 3 | 1 << 4, A, 0, 5,
		0xffffffff, 4, WRITE_MEM(B, 1));
	rig_ring(rig, 0);
	test_sleep_us(3000);
	CHECK_EQ(fake_mem_get32(B), 0);
	fake_mem_put32(A, 5);
	CHECK_SOON(fake_mem_get32(B) == 1);
	test_row("register");
	RIG_PUT(rig, 0, OP(PACKET3_WAIT_REG_MEM, 6), 3, SCRATCH, 0, 5,
		0xffffffff, 4, WRITE_MEM(B, 2));
	rig_ring(rig, 0);
	test_sleep_us(1000);
	CHECK_EQ(fake_mem_get32(B), 1);
	vgpu_reg_write(rig->dev, SCRATCH, 5);
	CHECK_SOON(fake_mem_get32(B) == 2);
	test_row("atomic compare in a loop");
	RIG_PUT(rig, 0, OP(PACKET3_ATOMIC_MEM, 8),
		TC_OP_ATOMIC_CMPSWAP_RTN_32 | 1 << 8, A, 0, 9, 0, 8, 0, 1,
		WRITE_MEM(B, 3));
	rig_ring(rig, 0);
	test_sleep_us(1000);
	CHECK_EQ(fake_mem_get32(B), 2);
	fake_mem_put32(A, 8);
	CHECK_SOON(fake_mem_get32(B) == 3);
	CHECK_EQ(fake_mem_get32(A), 9);
	test_row("fences in turn");
	RIG_PUT(rig, 0, OP(0xD1, 9), 0, A, 0, 100, 0, A + 8, 0, 200, 0,
		WRITE_MEM(B, 4));
	rig_ring(rig, 0);
	fake_mem_put64(A, 100);
	test_sleep_us(1000);
	CHECK_EQ(fake_mem_get32(B), 3);
	fake_mem_put64(A + 8, 1000);
	CHECK_SOON(fake_mem_get32(B) == 4);
	test_row(NULL);
	rig_destroy(rig);
}

/* A queue that is unmapped and mapped again does nothing twice. */
static void preemption(void)
{
	static const uint32_t work[] = {
		OP(PACKET3_ATOMIC_MEM, 8), TC_OP_ATOMIC_ADD_32, A, 0, 1, 0, 0, 0, 1,
		OP(PACKET3_WAIT_REG_MEM, 6), 3 | 1 << 4, B, 0, 1, 0xffffffff, 4,
		OP(PACKET3_ATOMIC_MEM, 8), TC_OP_ATOMIC_ADD_32, A, 0, 16, 0, 0, 0, 1,
	};
	static const struct {
		const char *name;
		enum vgpu_engine engine;
		uint32_t flags;		/* of the inner buffer's packet */
		unsigned int times;
		bool reset;
		uint32_t expect;
	} cases[] = {
		{ "gfx", VGPU_ENGINE_GFX, 0, 1, false, 17 + 256 },
		{ "compute", VGPU_ENGINE_COMPUTE, 0, 1, false, 17 + 256 },
		{ "chained", VGPU_ENGINE_GFX, 1 << 20, 1, false, 17 },
		{ "many times", VGPU_ENGINE_COMPUTE, 0, 200, false, 17 + 256 },
		{ "reset", VGPU_ENGINE_GFX, 0, 1, true, 1 },
	};
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const uint32_t outer[] = {
			OP(PACKET3_INDIRECT_BUFFER, 3), IB, 0,
			ARRAY_SIZE(work) | cases[i].flags,
			OP(PACKET3_ATOMIC_MEM, 8), TC_OP_ATOMIC_ADD_32, A, 0,
			256, 0, 0, 0, 1,
		};
		struct rig *rig = rig_create();
		struct vgpu_queue_map m = { .user = true, .vmid = 3 };
		struct rig_ring *r;

		test_row(cases[i].name);
		REQUIRE(rig);
		r = rig_mqd(rig, 0, cases[i].engine);
		m.mqd_addr = r->mqd;
		m.wptr_addr = r->wptr_addr;
		m.doorbell = r->doorbell;
		put_ib(IB, work, ARRAY_SIZE(work));
		put_ib(IB2, outer, ARRAY_SIZE(outer));
		CHECK_EQ(vgpu_engine_map(rig->dev, cases[i].engine, &m), 0);
		RIG_PUT(rig, 0, OP(PACKET3_INDIRECT_BUFFER, 3), IB2, 0,
			ARRAY_SIZE(outer));
		rig_ring(rig, 0);
		CHECK_SOON(fake_mem_get32(A) == 1);
		for (k = 0; k < cases[i].times; k++) {
			CHECK_EQ(vgpu_engine_unmap(rig->dev, cases[i].engine,
						   r->doorbell, cases[i].reset), 0);
			CHECK_EQ(vgpu_engine_map(rig->dev, cases[i].engine, &m), 0);
			/* Anywhere between before the start and the wait. */
			test_sleep_us(k % 8 * 20);
		}
		fake_mem_put32(B, 1);
		CHECK_SOON(rig_idle(rig, 0));
		CHECK_EQ(fake_mem_get32(A), cases[i].expect);
		/* What comes next is not mistaken for what was stopped. */
		CHECK(RIG_RUN(rig, 0, OP(PACKET3_INDIRECT_BUFFER, 3), IB2, 0,
			      ARRAY_SIZE(outer)));
		CHECK_EQ(fake_mem_get32(A), cases[i].expect + 17 +
			 (cases[i].flags ? 0 : 256));
		rig_destroy(rig);
	}
	test_row(NULL);
}

/* Streams without end can be stopped. */
static void endless(void)
{
	static const uint32_t chain[] = { WRITE_MEM(A, 1),
		OP(PACKET3_INDIRECT_BUFFER, 3), IB, 0, 9 | 1 << 20 };
	struct rig *rig = rig_create();

	REQUIRE(rig);
	CHECK_EQ(rig_map(rig, 0, VGPU_ENGINE_GFX), 0);
	put_ib(IB, chain, ARRAY_SIZE(chain));
	RIG_PUT(rig, 0, OP(PACKET3_INDIRECT_BUFFER, 3), IB, 0, 9);
	rig_ring(rig, 0);
	CHECK_SOON(fake_mem_get32(A) == 1);
	CHECK_EQ(vgpu_engine_unmap(rig->dev, VGPU_ENGINE_GFX,
				   rig->rings[0].doorbell, false), 0);
	rig_destroy(rig);
}

static void tlb_invalidation(void)
{
	struct rig *rig = rig_create();
	uint32_t lut = VREG(OSSSYS, regIH_VMID_0_LUT);

	REQUIRE(rig);
	rig_mqd(rig, 0, VGPU_ENGINE_COMPUTE);
	/* A queue of engine 3 is the KIQ. */
	struct vgpu_queue_map m = {
		.me = 3, .pipe = 1, .mqd_addr = rig->rings[0].mqd,
		.wptr_addr = rig->rings[0].wptr_addr,
		.doorbell = rig->rings[0].doorbell,
	};
	CHECK_EQ(vgpu_engine_map(rig->dev, VGPU_ENGINE_COMPUTE, &m), 0);
	vgpu_reg_poke(rig->dev, lut + 3, 0x8001);
	vgpu_reg_poke(rig->dev, lut + 4, 0x8002);
	vgpu_reg_poke(rig->dev, lut + 12, 0x8001);
	CHECK(RIG_RUN(rig, 0, OP(PACKET3_INVALIDATE_TLBS, 1),
		      PACKET3_INVALIDATE_TLBS_PASID(0x8001)));
	CHECK_EQ(fake_mem_seen.flush_mask[VGPU_HUB_GC], 1 << 3 | 1 << 12);
	CHECK_EQ(fake_mem_seen.flush_mask[VGPU_HUB_MM], 0);
	rig_destroy(rig);
}

/*
 * Hostile streams: random dwords, and random bodies behind true headers, in
 * ring and buffer. Nothing to see but that the device lives and can be reset.
 */
static uint32_t seed;

static uint32_t rnd(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed ^ seed >> 15;
}

static uint32_t hostile_dword(void)
{
	switch (rnd() % 8) {
	case 0:
		return rnd();
	case 1:
		return rnd() % 16;
	case 2:
		return rnd() % FAKE_MEM_SIZE & ~3u;
	case 3:
		return 0;
	case 4:
		return 0xffffffff;
	default:
		return PKT3(rnd() % 256, rnd() % 12);
	}
}

static void hostile(void)
{
	static const enum vgpu_engine engines[] = {
		VGPU_ENGINE_GFX, VGPU_ENGINE_COMPUTE,
	};
	unsigned int round, i;

	for (round = 0; round < 400; round++) {
		struct rig *rig = rig_create();
		struct vgpu_queue_map m = { .user = round & 1, .vmid = round % 16 };
		struct rig_ring *r;
		char name[32];

		REQUIRE(rig);
		snprintf(name, sizeof(name), "seed %u", round);
		test_row(name);
		seed = round;
		r = rig_mqd(rig, 0, engines[round / 2 % 2]);
		/* Any queue, the KIQ as well. */
		m.me = round / 4 % 4;
		m.pipe = m.me == 3;
		m.mqd_addr = r->mqd;
		m.wptr_addr = r->wptr_addr;
		m.doorbell = r->doorbell;
		for (i = 0; i < 0x4000; i += 4)
			fake_mem_put32(IB + i, hostile_dword());
		/* Where to go on comes from memory, too. */
		for (i = 0; i < 18; i++)
			fake_mem_put32(r->mqd + (m.me ? 410 : 492) * 4 + i * 4,
				       i ? hostile_dword() : rnd() % 8);
		CHECK_EQ(vgpu_engine_map(rig->dev, engines[round / 2 % 2], &m), 0);
		for (i = 0; i < 60; i++) {
			uint32_t dw = hostile_dword();

			if (i % 20 == 10)
				RIG_PUT(rig, 0, OP(PACKET3_INDIRECT_BUFFER, 3),
					IB + i * 64, 0,
					(rnd() & 0xf00000) | 0x800);
			rig_put(rig, 0, &dw, 1);
		}
		rig_ring(rig, 0);
		test_sleep_us(500);
		vgpu_reset(rig->dev);
		CHECK_EQ(rig_map(rig, 1, VGPU_ENGINE_GFX), 0);
		CHECK(RIG_RUN(rig, 1, WRITE_MEM(A, 2)));
		rig_destroy(rig);
	}
	test_row(NULL);
}

static const struct test_case tests[] = {
	{ "packets", packets },
	{ "end-of-pipe interrupt", eop_interrupt },
	{ "address spaces", address_spaces },
	{ "hangs", hangs },
	{ "waits end", waits_end },
	{ "preemption", preemption },
	{ "endless streams", endless },
	{ "TLB invalidation", tlb_invalidation },
	{ "hostile streams", hostile },
};

TEST_MAIN(tests)
