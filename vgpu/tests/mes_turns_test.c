/* SPDX-License-Identifier: MIT */
/*
 * More queues than slots and more processes than VMIDs: turns, doorbells of
 * queues that are not resident, hung queues that cannot be taken away.
 */
#include <errno.h>

#include "cp_mqd.h"
#include "gc/gc_11_0_0_sh_mask.h"
#include "ivsrcid/gfx/irqsrcs_gfx_11_0_0.h"
#include "mes_rig.h"
#include "pm4.h"
#include "test.h"
#include "v11_structs.h"

#define GFX	MES_QUEUE_TYPE_GFX
#define COMPUTE	MES_QUEUE_TYPE_COMPUTE
#define SDMA	MES_QUEUE_TYPE_SDMA
#define ONE_VMID	0x0100
#define IB	0x800
#define LIST	0xc00
#define SUSPENDED	0x180
/* Add 1 to the dword at @addr. */
#define COUNT(addr) \
	PKT3(PACKET3_ATOMIC_MEM, 7), 0x4f, addr, 0, 1, 0, 0, 0, 0
#define CALL(addr, ndw) \
	PKT3(PACKET3_INDIRECT_BUFFER, 2), addr, 0, ndw
#define BAD_PACKET	PKT3(0x05, 0), 0

/* The interrupt that ring @i's last fence raised; NULL if there was none. */
static const struct vgpu_iv *eop_of(struct rig *rig, unsigned int i)
{
	unsigned int n = fake_iv_count();
	struct rig_ring *r = &rig->rings[i];

	while (n--)
		if (fake_ivs[n].src_id == (r->shift ?
					   GFX_11_0_0__SRCID__SDMA_FENCE :
					   GFX_11_0_0__SRCID__CP_EOP_INTERRUPT) &&
		    fake_ivs[n].data[0] == r->doorbell << r->shift)
			return &fake_ivs[n];
	return NULL;
}

/* Add 1 to @addr and signal the queue's fence, on ring @i. */
static void put_work(struct rig *rig, unsigned int i, uint32_t addr)
{
	if (rig->rings[i].shift)
		RIG_PUT(rig, i, 10 | 0x4fu << 25, addr, 0, 1, 0, 0, 0, 0, 0x305);
	else
		RIG_PUT(rig, i, COUNT(addr), SIGNAL);
}

/* Has the fence of ring @i the value of all that was put? */
static bool signaled(struct rig *rig, unsigned int i)
{
	struct rig_ring *r = &rig->rings[i];

	return fake_mem_get64(r->fence) == r->wptr << r->shift;
}

static void more_processes_than_vmids(void)
{
	static const struct {
		const char *name;
		uint32_t vmids;
		unsigned int processes;
		enum vgpu_engine engine;
		enum MES_QUEUE_TYPE type;
	} rows[] = {
		{ "two for five", 0x0300, 5, VGPU_ENGINE_COMPUTE, COMPUTE },
		{ "one for four", ONE_VMID, 4, VGPU_ENGINE_COMPUTE, COMPUTE },
		{ "eight for nine", USER_VMIDS, 9, VGPU_ENGINE_COMPUTE, COMPUTE },
		{ "fifteen for twelve, eight slots", 0xfffe, 12,
		  VGPU_ENGINE_COMPUTE, COMPUTE },
		{ "one slot for four", USER_VMIDS, 4, VGPU_ENGINE_GFX, GFX },
		{ "two for five, SDMA", 0x0300, 5, VGPU_ENGINE_SDMA, SDMA },
		{ "six slots for eight, SDMA", USER_VMIDS, 8, VGPU_ENGINE_SDMA,
		  SDMA },
	};
	unsigned int row, i, round;

	for (row = 0; row < ARRAY_SIZE(rows); row++) {
		struct rig *rig = mes_start();

		test_row(rows[row].name);
		REQUIRE(rig);
		CHECK_EQ(set_hw_rsrc(rig, rows[row].vmids), 1);
		for (i = 0; i < rows[row].processes; i++) {
			rig_mqd(rig, i, rows[row].engine);
			CHECK_EQ(add(rig, i, rows[row].type, i + 1), 1);
		}
		for (round = 1; round <= 3; round++) {
			for (i = 0; i < rows[row].processes; i++) {
				put_work(rig, i, FLAG + 4 * i);
				rig_ring(rig, i);
			}
			for (i = 0; i < rows[row].processes; i++)
				CHECK_SOON(signaled(rig, i));
		}
		for (i = 0; i < rows[row].processes; i++) {
			const struct vgpu_iv *iv;

			CHECK_EQ(fake_mem_get32(FLAG + 4 * i), 3);
			CHECK_SOON(eop_of(rig, i));
			iv = eop_of(rig, i);
			REQUIRE(iv);
			CHECK_EQ(iv->pasid, 0x8001 + i);
			CHECK(rows[row].vmids >> iv->vmid & 1);
		}
		for (i = 0; i < rows[row].processes; i++)
			CHECK_EQ(rm(rig, i, rows[row].type), 1);
		rig_destroy(rig);
	}
	test_row(NULL);
}

/*
 * Two processes share one VMID; the first waits for what only the second
 * does. What it has done before is not done twice.
 */
static void a_busy_process_makes_room(void)
{
	static const struct {
		const char *name;
		bool in_ib;
		enum vgpu_engine engine;
		enum MES_QUEUE_TYPE type;
		enum vgpu_engine other_engine;
		enum MES_QUEUE_TYPE other_type;
	} rows[] = {
		{ "compute, in the ring", false, VGPU_ENGINE_COMPUTE, COMPUTE,
		  VGPU_ENGINE_COMPUTE, COMPUTE },
		{ "compute, in a buffer", true, VGPU_ENGINE_COMPUTE, COMPUTE,
		  VGPU_ENGINE_COMPUTE, COMPUTE },
		{ "gfx, in a buffer", true, VGPU_ENGINE_GFX, GFX,
		  VGPU_ENGINE_GFX, GFX },
		{ "gfx for compute", true, VGPU_ENGINE_GFX, GFX,
		  VGPU_ENGINE_COMPUTE, COMPUTE },
	};
	static const uint32_t ib[] = {
		COUNT(FLAG + 4), WAIT_MEM(FLAG, 1), COUNT(FLAG + 8),
	};
	unsigned int row, i;

	for (row = 0; row < ARRAY_SIZE(rows); row++) {
		struct rig *rig = mes_start();

		test_row(rows[row].name);
		REQUIRE(rig);
		CHECK_EQ(set_hw_rsrc(rig, ONE_VMID), 1);
		rig_mqd(rig, 0, rows[row].engine);
		rig_mqd(rig, 1, rows[row].other_engine);
		for (i = 0; i < ARRAY_SIZE(ib); i++)
			fake_mem_put32(IB + 4 * i, ib[i]);
		CHECK_EQ(add(rig, 0, rows[row].type, 1), 1);
		if (rows[row].in_ib)
			RIG_PUT(rig, 0, CALL(IB, ARRAY_SIZE(ib)), SIGNAL);
		else
			RIG_PUT(rig, 0, COUNT(FLAG + 4), WAIT_MEM(FLAG, 1),
				COUNT(FLAG + 8), SIGNAL);
		rig_ring(rig, 0);
		CHECK_SOON(fake_mem_get32(FLAG + 4) == 1);
		CHECK_EQ(add(rig, 1, rows[row].other_type, 2), 1);
		for (i = 1; i <= 5; i++)
			CHECK(RIG_RUN(rig, 1, WRITE_MEM(FLAG + 16, i)));
		CHECK_EQ(fake_mem_get64(rig->rings[0].fence), 0);
		CHECK(RIG_RUN(rig, 1, WRITE_MEM(FLAG, 1)));
		CHECK_SOON(fake_mem_get64(rig->rings[0].fence) ==
			   rig->rings[0].wptr);
		CHECK_EQ(fake_mem_get32(FLAG + 4), 1);
		CHECK_EQ(fake_mem_get32(FLAG + 8), 1);
		CHECK(vgpu_counted_event(rig->dev, "mes: busy queues evicted"));
		rig_destroy(rig);
	}
	test_row(NULL);
}

/* Idle queues give way; their doorbells bring them back. */
static void doorbells(void)
{
	struct v11_compute_mqd *mqd;
	struct rig *rig = mes_start();
	unsigned int i, handed;
	struct rig_ring *r;

	REQUIRE(rig);
	CHECK_EQ(set_hw_rsrc(rig, ONE_VMID), 1);
	for (i = 0; i < 3; i++) {
		rig_mqd(rig, i, VGPU_ENGINE_COMPUTE);
		CHECK_EQ(add(rig, i, COMPUTE, i + 1), 1);
	}
	for (i = 0; i < 30; i++)
		CHECK(RIG_RUN(rig, i % 3, WRITE_MEM(FLAG, i), SIGNAL));
	test_row("saved");
	r = &rig->rings[0];
	mqd = (void *)(fake_mem + r->mqd);
	CHECK_EQ(mqd->cp_hqd_pq_rptr, r->wptr);
	CHECK_EQ(mqd->cp_hqd_pq_wptr_lo, r->wptr);
	test_row("nobody else wants it: it stays");
	handed = vgpu_counted_event(rig->dev, "mes: VMIDs handed over");
	CHECK(handed >= 20);
	for (i = 0; i < 30; i++)
		CHECK(RIG_RUN(rig, 2, WRITE_MEM(FLAG, i), SIGNAL));
	CHECK_EQ(vgpu_counted_event(rig->dev, "mes: VMIDs handed over"), handed);
	test_row("rung without news");
	rig_ring(rig, 0);
	CHECK(RIG_RUN(rig, 1, WRITE_MEM(FLAG, 77)));
	CHECK_EQ(fake_mem_get32(FLAG), 77);
	test_row("work announced otherwise");
	{
		union MESAPI__MISC f = { .header = {
			.opcode = MES_SCH_API_MISC } };

		RIG_PUT(rig, 0, WRITE_MEM(FLAG, 78));
		f.opcode = MESAPI_MISC__NOTIFY_WORK_ON_UNMAPPED_QUEUE;
		CHECK_EQ(SEND(rig, f), 1);
		CHECK_SOON(fake_mem_get32(FLAG) == 78);
	}
	test_row("removed: counted, harmless");
	for (i = 0; i < 3; i++)
		CHECK_EQ(rm(rig, i, COMPUTE), 1);
	i = vgpu_counted_event(rig->dev, "core: doorbells without a queue");
	rig_ring(rig, 0);
	vgpu_doorbell_ring(rig->dev, rig->rings[1].doorbell, UINT64_MAX, 8);
	CHECK_EQ(vgpu_counted_event(rig->dev, "core: doorbells without a queue"),
		 i + 2);
	test_row(NULL);
	rig_destroy(rig);
}

static int suspend(struct rig *rig, bool all, unsigned int i)
{
	union MESAPI__SUSPEND f = { .header = { .opcode = MES_SCH_API_SUSPEND } };

	fake_mem_put64(SUSPENDED, 0);
	f.suspend_all_gangs = all;
	f.gang_context_addr = 0x3000000 + i;
	f.suspend_fence_addr = SUSPENDED;
	f.suspend_fence_value = 9;
	return SEND(rig, f);
}

static int resume_all(struct rig *rig)
{
	union MESAPI__RESUME f = { .header = { .opcode = MES_SCH_API_RESUME } };

	f.resume_all_gangs = 1;
	return SEND(rig, f);
}

static int detect(struct rig *rig, enum MES_QUEUE_TYPE type, bool reset_too)
{
	union MESAPI__RESET f = { .header = { .opcode = MES_SCH_API_RESET } };
	unsigned int i;

	for (i = 0; i < 64; i++)
		fake_mem_put32(LIST + 4 * i, ~0u);
	f.hang_detect_only = !reset_too;
	f.hang_detect_then_reset = reset_too;
	f.queue_type = type;
	f.doorbell_offset_addr = LIST;
	return SEND(rig, f);
}

/* A queue that met a bad packet leaves its slot by a reset only. */
static void hung(void)
{
	static const struct {
		const char *name;
		enum vgpu_engine engine;
		enum MES_QUEUE_TYPE type;
		bool by_detection;
	} rows[] = {
		{ "gfx", VGPU_ENGINE_GFX, GFX, false },
		{ "compute", VGPU_ENGINE_COMPUTE, COMPUTE, false },
		{ "gfx, found and reset", VGPU_ENGINE_GFX, GFX, true },
		{ "compute, found and reset", VGPU_ENGINE_COMPUTE, COMPUTE, true },
	};
	/* Of set_hw_rsrc(). */
	const unsigned int slots = 1 + 8 + 6;
	unsigned int row, info;

	for (row = 0; row < ARRAY_SIZE(rows); row++) {
		enum MES_QUEUE_TYPE type = rows[row].type;
		struct rig *rig = mes_start();
		struct rig_ring *r;

		test_row(rows[row].name);
		REQUIRE(rig);
		CHECK_EQ(set_hw_rsrc(rig, ONE_VMID), 1);
		r = rig_mqd(rig, 0, rows[row].engine);
		rig_mqd(rig, 1, VGPU_ENGINE_COMPUTE);
		rig_mqd(rig, 2, VGPU_ENGINE_COMPUTE);
		CHECK_EQ(add(rig, 0, type, 1), 1);
		/* Of the same process, and of another. */
		CHECK_EQ(add(rig, 1, COMPUTE, 1), 1);
		CHECK_EQ(add(rig, 2, COMPUTE, 2), 1);
		RIG_PUT(rig, 0, BAD_PACKET, WRITE_MEM(FLAG, 1), SIGNAL);
		rig_ring(rig, 0);
		CHECK_SOON(fake_iv_count() == 1);
		CHECK_EQ(fake_ivs[0].src_id,
			 GFX_11_0_0__SRCID__CP_BAD_OPCODE_ERROR);
		CHECK_EQ(fake_ivs[0].pasid, 0x8001);
		/* The others go on, but the VMID cannot change hands. */
		CHECK(RIG_RUN(rig, 1, WRITE_MEM(FLAG + 4, 1)));
		RIG_PUT(rig, 2, WRITE_MEM(FLAG + 8, 1));
		rig_ring(rig, 2);
		test_sleep_us(20000);
		CHECK_EQ(fake_mem_get32(FLAG + 8), 0);
		/* Nor can it be preempted. */
		CHECK_EQ(rm(rig, 0, type), 0);
		CHECK_EQ(suspend(rig, false, 0), 0);
		CHECK_EQ(fake_mem_get64(SUSPENDED), 0);
		CHECK_EQ(suspend(rig, false, 1), 1);
		CHECK_EQ(fake_mem_get64(SUSPENDED), 9);
		CHECK_EQ(suspend(rig, true, 0), 0);
		/* It is found, with its slot. */
		CHECK_EQ(detect(rig, type, rows[row].by_detection), 1);
		CHECK_EQ(fake_mem_get32(LIST), r->doorbell);
		CHECK_EQ(fake_mem_get32(LIST + 4), ~0u);
		info = fake_mem_get32(LIST + slots * 4);
		CHECK_EQ(info & 7, type);
		CHECK_EQ(info >> 3 & 15, fake_ivs[0].ring_id & 3);
		CHECK_EQ(info >> 7 & 255, fake_ivs[0].ring_id >> 4);
		if (!rows[row].by_detection)
			CHECK_EQ(reset(rig, 0, type), 1);
		CHECK_EQ(detect(rig, type, false), 1);
		CHECK_EQ(fake_mem_get32(LIST), ~0u);
		CHECK_EQ(resume_all(rig), 1);
		CHECK_SOON(fake_mem_get32(FLAG + 8) == 1);
		CHECK_EQ(rm(rig, 0, type), 1);
		CHECK_EQ(fake_mem_get32(FLAG), 0);
		CHECK_EQ(fake_mem_get64(r->fence), 0);
		/* It begins anew behind what it was reset in. */
		CHECK_EQ(add(rig, 0, type, 1), 1);
		CHECK(RIG_RUN(rig, 0, WRITE_MEM(FLAG, 2), SIGNAL));
		CHECK_EQ(fake_mem_get32(FLAG), 2);
		CHECK_EQ(fake_mem_get64(r->fence), r->wptr);
		rig_destroy(rig);
	}
	test_row(NULL);
}

/* Who has no hope of a slot takes no VMID from anybody. */
static void no_vmid_without_slot(void)
{
	struct rig *rig = mes_start();
	unsigned int i, handed;

	REQUIRE(rig);
	/* One gfx slot, taken by a hung queue. */
	CHECK_EQ(set_hw_rsrc(rig, 0x0700), 1);
	for (i = 0; i < 6; i++) {
		rig_mqd(rig, i, VGPU_ENGINE_GFX);
		CHECK_EQ(add(rig, i, GFX, i + 1), 1);
		if (i)
			continue;
		RIG_PUT(rig, 0, BAD_PACKET);
		rig_ring(rig, 0);
		CHECK_SOON(fake_iv_count() == 1);
	}
	for (i = 1; i < 6; i++) {
		RIG_PUT(rig, i, COUNT(FLAG + 4 * i), SIGNAL);
		rig_ring(rig, i);
	}
	handed = vgpu_counted_event(rig->dev, "mes: VMIDs handed over");
	test_sleep_us(30000);
	CHECK_EQ(vgpu_counted_event(rig->dev, "mes: VMIDs handed over"), handed);
	CHECK_EQ(reset(rig, 0, GFX), 1);
	for (i = 1; i < 6; i++)
		CHECK_SOON(signaled(rig, i));
	rig_destroy(rig);
}

/* Reset of a queue that is in no slot: as good as of one that is. */
static void reset_while_suspended(void)
{
	struct rig *rig = mes_start();
	struct rig_ring *r;

	REQUIRE(rig);
	CHECK_EQ(set_hw_rsrc(rig, USER_VMIDS), 1);
	r = rig_mqd(rig, 0, VGPU_ENGINE_COMPUTE);
	CHECK_EQ(add(rig, 0, COMPUTE, 1), 1);
	RIG_PUT(rig, 0, COUNT(FLAG + 4), WAIT_MEM(FLAG, 1), COUNT(FLAG + 8));
	rig_ring(rig, 0);
	CHECK_SOON(fake_mem_get32(FLAG + 4) == 1);
	CHECK_EQ(suspend(rig, true, 0), 1);
	CHECK_EQ(reset(rig, 0, COMPUTE), 1);
	CHECK_EQ(rm(rig, 0, COMPUTE), 1);
	CHECK_EQ(resume_all(rig), 1);
	CHECK_EQ(add(rig, 0, COMPUTE, 1), 1);
	CHECK(RIG_RUN(rig, 0, COUNT(FLAG + 12), SIGNAL));
	CHECK_EQ(fake_mem_get64(r->fence), r->wptr);
	CHECK_EQ(fake_mem_get32(FLAG + 8), 0);
	CHECK_EQ(fake_mem_get32(FLAG + 12), 1);
	rig_destroy(rig);
}

/* The driver resets compute queues by registers of their slot. */
static void reset_by_registers(void)
{
	struct rig *rig = mes_start();
	unsigned int info;

	REQUIRE(rig);
	CHECK_EQ(set_hw_rsrc(rig, ONE_VMID), 1);
	rig_mqd(rig, 0, VGPU_ENGINE_COMPUTE);
	rig_mqd(rig, 1, VGPU_ENGINE_COMPUTE);
	rig_mqd(rig, 2, VGPU_ENGINE_COMPUTE);
	CHECK_EQ(add(rig, 0, COMPUTE, 1), 1);
	CHECK_EQ(add(rig, 1, COMPUTE, 1), 1);
	CHECK_EQ(add(rig, 2, COMPUTE, 2), 1);
	RIG_PUT(rig, 0, BAD_PACKET);
	rig_ring(rig, 0);
	CHECK_SOON(fake_iv_count() == 1);
	CHECK_EQ(detect(rig, COMPUTE, false), 1);
	info = fake_mem_get32(LIST + 15 * 4);
	rig_select(rig, 1, info >> 3 & 15, info >> 7 & 255);
	CHECK_EQ(vgpu_reg_read(rig->dev, VREG(GC, regCP_HQD_ACTIVE)) & 1, 1);
	vgpu_reg_write(rig->dev, VREG(GC, regCP_HQD_DEQUEUE_REQUEST), 2);
	CHECK_EQ(vgpu_reg_read(rig->dev, VREG(GC, regCP_HQD_ACTIVE)) & 1, 0);
	/* Its neighbour lives; the VMID can change hands; it is not revived. */
	CHECK(RIG_RUN(rig, 1, WRITE_MEM(FLAG, 1)));
	CHECK(RIG_RUN(rig, 2, WRITE_MEM(FLAG, 2)));
	CHECK(RIG_RUN(rig, 1, WRITE_MEM(FLAG, 3)));
	CHECK_EQ(fake_iv_count(), 1);
	CHECK_EQ(rm(rig, 0, COMPUTE), 1);
	rig_destroy(rig);
}

/* A copy that was interrupted goes on where it stood; the next one does not. */
static void the_rest_of_a_copy(void)
{
	static const struct {
		const char *name;
		unsigned int levels;
		uint64_t done;
		uint32_t expect[4];
	} rows[] = {
		{ "in the ring", 0, 8, { 0, 0, 3, 4 } },
		{ "in a buffer", 1, 8, { 0, 0, 3, 4 } },
		{ "none of it", 1, 0, { 1, 2, 3, 4 } },
		{ "more than there is", 0, UINT64_MAX, { 0, 0, 0, 0 } },
	};
	static const uint32_t copies[] = {
		PKT3(PACKET3_DMA_DATA, 5), 0, FLAG + 64, 0, FLAG, 0, 16,
		PKT3(PACKET3_DMA_DATA, 5), 0, FLAG + 64, 0, FLAG + 16, 0, 16,
	};
	unsigned int row, k;

	for (row = 0; row < ARRAY_SIZE(rows); row++) {
		struct pm4_saved saved = { .levels = rows[row].levels,
					   .done = rows[row].done };
		struct rig *rig = mes_start();
		struct rig_ring *r;

		test_row(rows[row].name);
		REQUIRE(rig);
		CHECK_EQ(set_hw_rsrc(rig, USER_VMIDS), 1);
		r = rig_mqd(rig, 0, VGPU_ENGINE_GFX);
		saved.at[0] = (struct pm4_position){ IB, ARRAY_SIZE(copies), 0 };
		memcpy(fake_mem + r->mqd + cp_mqd_firmware(VGPU_ENGINE_GFX),
		       &saved, sizeof(saved));
		for (k = 0; k < 4; k++)
			fake_mem_put32(FLAG + 64 + 4 * k, k + 1);
		for (k = 0; k < ARRAY_SIZE(copies); k++)
			fake_mem_put32(IB + 4 * k, copies[k]);
		if (rows[row].levels)
			RIG_PUT(rig, 0, CALL(IB, ARRAY_SIZE(copies)), SIGNAL);
		else
			rig_put(rig, 0, copies, ARRAY_SIZE(copies));
		CHECK_EQ(add(rig, 0, GFX, 1), 1);
		CHECK_SOON(rig_idle(rig, 0));
		for (k = 0; k < 4; k++) {
			CHECK_EQ(fake_mem_get32(FLAG + 4 * k), rows[row].expect[k]);
			CHECK_EQ(fake_mem_get32(FLAG + 16 + 4 * k), k + 1);
		}
		rig_destroy(rig);
	}
	test_row(NULL);
}

/* What the interrupt of a bad packet says of its queue, and when it is raised. */
static void fault_interrupts(void)
{
	static const struct {
		const char *name;
		enum vgpu_engine engine;
		enum MES_QUEUE_TYPE type;
		uint32_t dw[5];
		unsigned int n;
		uint8_t src_id;
		uint32_t off;		/* bits that are off in the control registers */
		bool silent;
		bool doorbell;		/* the vector says whose it is */
	} rows[] = {
		{ "gfx, opcode", VGPU_ENGINE_GFX, GFX, { BAD_PACKET }, 2, 183 },
		{ "compute, opcode", VGPU_ENGINE_COMPUTE, COMPUTE, { BAD_PACKET },
		  2, 183, 0, false, true },
		{ "gfx, register", VGPU_ENGINE_GFX, GFX,
		  { PKT3(PACKET3_WRITE_DATA, 3), 0, 0x54f, 0, 1 }, 5, 184 },
		{ "compute, register", VGPU_ENGINE_COMPUTE, COMPUTE,
		  { PKT3(PACKET3_WRITE_DATA, 3), 0, 0x54f, 0, 1 }, 5, 184, 0,
		  false, true },
		{ "gfx, instruction", VGPU_ENGINE_GFX, GFX,
		  { PKT3(PACKET3_INVALIDATE_TLBS, 0), 0 }, 2, 185 },
		{ "compute, instruction", VGPU_ENGINE_COMPUTE, COMPUTE,
		  { PKT3(PACKET3_INVALIDATE_TLBS, 0), 0 }, 2, 183, 0, false, true },
		{ "gfx, opcode, off", VGPU_ENGINE_GFX, GFX, { BAD_PACKET }, 2, 183,
		  CP_INT_CNTL_RING0__OPCODE_ERROR_INT_ENABLE_MASK, true },
		{ "compute, register, off", VGPU_ENGINE_COMPUTE, COMPUTE,
		  { PKT3(PACKET3_WRITE_DATA, 3), 0, 0x54f, 0, 1 }, 5, 184,
		  CP_INT_CNTL_RING0__PRIV_REG_INT_ENABLE_MASK, true },
		{ "gfx, instruction, off", VGPU_ENGINE_GFX, GFX,
		  { PKT3(PACKET3_INVALIDATE_TLBS, 0), 0 }, 2, 185,
		  CP_INT_CNTL_RING0__PRIV_INSTR_INT_ENABLE_MASK, true },
		{ "fence, off", VGPU_ENGINE_COMPUTE, COMPUTE, { SIGNAL }, 2, 181,
		  CP_INT_CNTL_RING0__TIME_STAMP_INT_ENABLE_MASK, true },
	};
	unsigned int row;

	for (row = 0; row < ARRAY_SIZE(rows); row++) {
		struct rig *rig = mes_start();
		struct rig_ring *r;

		test_row(rows[row].name);
		REQUIRE(rig);
		rig_interrupts(rig, ~rows[row].off);
		CHECK_EQ(set_hw_rsrc(rig, USER_VMIDS), 1);
		r = rig_mqd(rig, 3, rows[row].engine);
		CHECK_EQ(add(rig, 3, rows[row].type, 5), 1);
		rig_put(rig, 3, rows[row].dw, rows[row].n);
		rig_ring(rig, 3);
		if (rows[row].silent) {
			CHECK_SOON(rig_idle(rig, 3) || detect(rig, rows[row].type,
				   false) != 1 || fake_mem_get32(LIST) != ~0u);
			CHECK_EQ(fake_iv_count(), 0);
			rig_destroy(rig);
			continue;
		}
		CHECK_SOON(fake_iv_count() == 1);
		CHECK_EQ(fake_ivs[0].src_id, rows[row].src_id);
		CHECK_EQ(fake_ivs[0].pasid, 0x8005);
		CHECK_EQ(fake_ivs[0].vmid, 8);
		CHECK_EQ(fake_ivs[0].ring_id >> 2 & 3,
			 rows[row].engine == VGPU_ENGINE_COMPUTE);
		/* In units of 8 bytes, within the process's page. */
		CHECK_EQ(fake_ivs[0].data[0],
			 rows[row].doorbell ? (r->doorbell / 2 & 0x3ff) : 0);
		/* A graphics queue's is read from its slot. */
		rig_select(rig, fake_ivs[0].ring_id >> 2 & 3,
			   fake_ivs[0].ring_id & 3, fake_ivs[0].ring_id >> 4);
		if (rows[row].engine == VGPU_ENGINE_GFX)
			CHECK_EQ(VFIELD_GET(vgpu_reg_read(rig->dev,
					VREG(GC, regCP_RB_DOORBELL_CONTROL)),
					CP_RB_DOORBELL_CONTROL, DOORBELL_OFFSET),
				 r->doorbell);
		rig_destroy(rig);
	}
	test_row(NULL);
}

/* Isolation: processes one after the other, though VMIDs are free. */
static void one_process_at_a_time(void)
{
	static const struct {
		const char *name;
		bool later;
	} rows[] = { { "from the start", false }, { "switched on later", true } };
	unsigned int row, i, n;

	for (row = 0; row < ARRAY_SIZE(rows); row++) {
		union MESAPI_SET_HW_RESOURCES f = { .header = {
			.opcode = MES_SCH_API_SET_HW_RSRC } };
		union MESAPI__MISC m = { .header = {
			.opcode = MES_SCH_API_MISC } };
		struct rig *rig = mes_start();

		test_row(rows[row].name);
		REQUIRE(rig);
		f.vmid_mask_gfxhub = USER_VMIDS;
		f.compute_hqd_mask[0] = 0xff;
		f.limit_single_process = !rows[row].later;
		CHECK_EQ(SEND(rig, f), 1);
		for (i = 0; i < 3; i++) {
			rig_mqd(rig, i, VGPU_ENGINE_COMPUTE);
			CHECK_EQ(add(rig, i, COMPUTE, i + 1), 1);
		}
		m.opcode = MESAPI_MISC__CHANGE_CONFIG;
		m.change_config.opcode =
			MESAPI_MISC__CHANGE_CONFIG_OPTION_LIMIT_SINGLE_PROCESS;
		m.change_config.option.bits.limit_single_process = 1;
		if (rows[row].later)
			CHECK_EQ(SEND(rig, m), 1);
		n = fake_iv_count();
		for (i = 0; i < 9; i++)
			CHECK(RIG_RUN(rig, i % 3, WRITE_MEM(FLAG, i), SIGNAL));
		CHECK_SOON(fake_iv_count() == n + 9);
		for (i = n; i < fake_iv_count(); i++)
			CHECK_EQ(fake_ivs[i].vmid, 8);
		m.change_config.option.bits.limit_single_process = 0;
		CHECK_EQ(SEND(rig, m), 1);
		n = fake_iv_count();
		for (i = 0; i < 3; i++)
			CHECK(RIG_RUN(rig, i, WRITE_MEM(FLAG, i), SIGNAL));
		CHECK_SOON(fake_iv_count() == n + 3);
		CHECK(eop_of(rig, 0)->vmid != eop_of(rig, 1)->vmid &&
		      eop_of(rig, 1)->vmid != eop_of(rig, 2)->vmid);
		rig_destroy(rig);
	}
	test_row(NULL);
}

/* Everything at once: each packet is executed, and once. */
static void many(void)
{
	const unsigned int queues = 13;
	struct rig *rig = mes_start();
	unsigned int i, k, round, sent[13] = { 0 };
	static const enum vgpu_engine engines[] = {
		VGPU_ENGINE_GFX, VGPU_ENGINE_COMPUTE, VGPU_ENGINE_SDMA,
	};
	static const enum MES_QUEUE_TYPE types[] = { GFX, COMPUTE, SDMA };
	uint32_t seed = 7;

	REQUIRE(rig);
	CHECK_EQ(set_hw_rsrc(rig, 0x0e00), 1);
	for (i = 0; i < queues; i++) {
		rig_mqd(rig, i, engines[i % 3]);
		CHECK_EQ(add(rig, i, types[i % 3], 1 + i % 7), 1);
	}
	for (round = 0; round < 400; round++) {
		seed = seed * 1664525 + 1013904223;
		i = (seed >> 16) % queues;
		/* Not more than the ring holds. */
		for (k = 0; k < 20000 && rig->rings[i].wptr -
		     (fake_mem_get32(rig->rings[i].rptr) >> rig->rings[i].shift) >
		     RIG_RING_DW - 64; k++)
			test_sleep_us(100);
		put_work(rig, i, FLAG + 4 * i);
		sent[i]++;
		if (seed >> 8 & 3)
			rig_ring(rig, i);
		if ((seed >> 4 & 31) == 3) {
			CHECK_EQ(rm(rig, i, types[i % 3]), 1);
			CHECK_EQ(add(rig, i, types[i % 3], 1 + i % 7), 1);
		}
		if ((seed >> 4 & 63) == 5) {
			CHECK_EQ(suspend(rig, true, 0), 1);
			CHECK_EQ(resume_all(rig), 1);
		}
	}
	for (i = 0; i < queues; i++)
		rig_ring(rig, i);
	for (i = 0; i < queues; i++) {
		CHECK_SOON(signaled(rig, i));
		CHECK_EQ(fake_mem_get32(FLAG + 4 * i), sent[i]);
	}
	rig_destroy(rig);
}

static const struct test_case tests[] = {
	{ "more processes than VMIDs", more_processes_than_vmids },
	{ "a busy process makes room", a_busy_process_makes_room },
	{ "doorbells", doorbells },
	{ "hung", hung },
	{ "no VMID without a slot", no_vmid_without_slot },
	{ "reset while suspended", reset_while_suspended },
	{ "reset by registers", reset_by_registers },
	{ "the rest of a copy", the_rest_of_a_copy },
	{ "fault interrupts", fault_interrupts },
	{ "one process at a time", one_process_at_a_time },
	{ "many", many },
};

TEST_MAIN(tests)
