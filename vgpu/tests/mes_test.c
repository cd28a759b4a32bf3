/* SPDX-License-Identifier: MIT */
/* Scheduler: messages, completion, queues, gangs, VMIDs. */
#include <errno.h>

#include "catalogue.h"
#include "mes_rig.h"
#include "test.h"

#define SCRATCH	VREG(GC, regSCRATCH_REG0)

static void every_message_answers(void)
{
	static const struct {
		const char *name;
		unsigned int opcode;
		size_t status;
		int expect;
	} rows[] = {
#define ROW(op, type, expect) \
	{ #op, MES_SCH_API_##op, offsetof(union type, api_status), expect }
		ROW(SET_HW_RSRC, MESAPI_SET_HW_RESOURCES, 1),
		ROW(SET_HW_RSRC_1, MESAPI_SET_HW_RESOURCES_1, 1),
		ROW(SET_SCHEDULING_CONFIG, MESAPI__SET_SCHEDULING_CONFIG, 1),
		ROW(PERFORM_YIELD, MESAPI__PERFORM_YIELD, 1),
		ROW(SET_GANG_PRIORITY_LEVEL, MESAPI__CHANGE_GANG_PRIORITY_LEVEL, 1),
		ROW(SUSPEND, MESAPI__SUSPEND, 1),
		ROW(RESUME, MESAPI__RESUME, 1),
		ROW(SET_LOG_BUFFER, MESAPI__SET_LOGGING_BUFFER, 1),
		ROW(CHANGE_GANG_PRORITY, MESAPI__CHANGE_GANG_PRIORITY_LEVEL, 1),
		ROW(QUERY_SCHEDULER_STATUS, MESAPI__QUERY_MES_STATUS, 1),
		/* Of queues that are not there: nothing to do. */
		ROW(REMOVE_QUEUE, MESAPI__REMOVE_QUEUE, 1),
		ROW(RESET, MESAPI__RESET, 1),
		/* What cannot be done shows as failure, not as silence. */
		ROW(PROGRAM_GDS, MESAPI__PROGRAM_GDS, 0),
		ROW(SET_DEBUG_VMID, MESAPI__SET_DEBUG_VMID, 0),
		ROW(AMD_LOG, MESAPI_AMD_LOG, 0),
		ROW(UPDATE_ROOT_PAGE_TABLE, MESAPI__UPDATE_ROOT_PAGE_TABLE, 0),
		ROW(ADD_QUEUE, MESAPI__ADD_QUEUE, 0),
		{ "unknown", 0x77, 8, 0 },
		{ "gap in the numbers", 17, 8, 0 },
#undef ROW
	};
	struct rig *rig = mes_start();
	unsigned int i;

	REQUIRE(rig);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		uint32_t frame[API_FRAME_SIZE_IN_DWORDS] = { rows[i].opcode << 4 };

		test_row(rows[i].name);
		CHECK_EQ(mes_send(rig, frame, rows[i].status), rows[i].expect);
	}
	test_row(NULL);
	rig_destroy(rig);
}

/* What the list of operations says of each is what happens. */
static void misc_list(void)
{
	union MESAPI__MISC f = { .header = { .opcode = MES_SCH_API_MISC } };
	struct rig *rig = mes_start();
	struct vgpu_item item;
	unsigned int i;

	REQUIRE(rig);
	for (i = 0; mes_misc_item(i, &item); i++) {
		test_row(item.name);
		f.opcode = item.code;
		CHECK_EQ(SEND(rig, f), item.how != VGPU_REFUSED);
	}
	CHECK_EQ(i, MESAPI_MISC__MAX);
	f.opcode = i;
	CHECK_EQ(SEND(rig, f), 0);
	test_row(NULL);
	rig_destroy(rig);
}

static void misc(void)
{
	struct rig *rig = mes_start();
	union MESAPI__MISC f = { .header = { .opcode = MES_SCH_API_MISC } };

	REQUIRE(rig);
	test_row("write register");
	f.opcode = MESAPI_MISC__WRITE_REG;
	f.write_reg.reg_offset = SCRATCH;
	f.write_reg.reg_value = 0x1234;
	CHECK_EQ(SEND(rig, f), 1);
	CHECK_EQ(vgpu_reg_read(rig->dev, SCRATCH), 0x1234);
	test_row("read register");
	f.opcode = MESAPI_MISC__READ_REG;
	f.read_reg.reg_offset = SCRATCH;
	f.read_reg.buffer_addr = FLAG;
	CHECK_EQ(SEND(rig, f), 1);
	CHECK_EQ(fake_mem_get32(FLAG), 0x1234);
	test_row("read register to nowhere");
	f.read_reg.buffer_addr = FAKE_MEM_SIZE;
	CHECK_EQ(SEND(rig, f), 0);
	test_row("write one, wait for the other");
	f.opcode = MESAPI_MISC__WAIT_REG_MEM;
	f.wait_reg_mem.op = WRM_OPERATION__WR_WAIT_WR_REG;
	/* The reference is wider than the mask. */
	f.wait_reg_mem.reference = 0xff0001;
	f.wait_reg_mem.mask = 1;
	f.wait_reg_mem.reg_offset1 = SCRATCH;
	f.wait_reg_mem.reg_offset2 = SCRATCH;
	CHECK_EQ(SEND(rig, f), 1);
	CHECK_EQ(vgpu_reg_read(rig->dev, SCRATCH), 0xff0001);
	test_row("wait in vain");
	f.wait_reg_mem.op = WRM_OPERATION__WAIT_REG_MEM;
	f.wait_reg_mem.reference = 2;
	f.wait_reg_mem.mask = 2;
	CHECK_EQ(SEND(rig, f), 0);
	test_row("invalidate GART");
	f.opcode = MESAPI_MISC__INV_GART;
	CHECK_EQ(SEND(rig, f), 1);
	CHECK_EQ(fake_mem_seen.flush_mask[VGPU_HUB_GC], 1);
	CHECK_EQ(fake_mem_seen.flush_mask[VGPU_HUB_MM], 1);
	test_row("change configuration");
	f.opcode = MESAPI_MISC__CHANGE_CONFIG;
	CHECK_EQ(SEND(rig, f), 1);
	test_row("unknown");
	f.opcode = 99;
	CHECK_EQ(SEND(rig, f), 0);
	test_row(NULL);
	rig_destroy(rig);
}

static void kernel_queues(void)
{
	static const struct {
		const char *name;
		enum vgpu_engine engine;
		enum MES_QUEUE_TYPE type;
		uint8_t ring_id;
	} rows[] = {
		{ "gfx", VGPU_ENGINE_GFX, MES_QUEUE_TYPE_GFX, 1 | 0 << 2 | 2 << 4 },
		{ "compute", VGPU_ENGINE_COMPUTE, MES_QUEUE_TYPE_COMPUTE,
		  1 | 1 << 2 | 2 << 4 },
	};
	struct rig *rig = mes_start();
	unsigned int i;

	REQUIRE(rig);
	CHECK_EQ(set_hw_rsrc(rig, USER_VMIDS), 1);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rig_ring *r = rig_mqd(rig, i, rows[i].engine);
		union MESAPI__ADD_QUEUE a = { .header = {
			.opcode = MES_SCH_API_ADD_QUEUE } };
		union MESAPI__REMOVE_QUEUE d = { .header = {
			.opcode = MES_SCH_API_REMOVE_QUEUE } };
		union MESAPI__RESET z = { .header = {
			.opcode = MES_SCH_API_RESET } };

		test_row(rows[i].name);
		a.map_legacy_kq = 1;
		a.pipe_id = 1;
		a.queue_id = 2;
		a.queue_type = rows[i].type;
		a.doorbell_offset = r->doorbell;
		a.mqd_addr = r->mqd;
		a.wptr_addr = r->wptr_addr;
		CHECK_EQ(SEND(rig, a), 1);
		CHECK_EQ(SEND(rig, a), 0);	/* twice */
		CHECK(RIG_RUN(rig, i, PKT3(PACKET3_RELEASE_MEM, 6), 0x514,
			      1u << 29 | 2 << 24, FLAG, 0, 4 + i, 0, 0));
		CHECK_EQ(fake_mem_get32(FLAG), 4 + i);
		CHECK_EQ(fake_ivs[fake_iv_count() - 1].ring_id, rows[i].ring_id);

		/* Hung, reset: comes back empty, in its slot. */
		RIG_PUT(rig, i, WAIT_MEM(FLAG, 77), WRITE_MEM(FLAG, 78));
		rig_ring(rig, i);
		z.queue_type = rows[i].type;
		if (rows[i].type == MES_QUEUE_TYPE_GFX) {
			z.reset_legacy_gfx = 1;
			z.doorbell_offset_lp = r->doorbell;
		} else {
			z.reset_queue_only = 1;
			z.doorbell_offset = r->doorbell;
		}
		CHECK_EQ(SEND(rig, z), 1);
		CHECK(RIG_RUN(rig, i, WRITE_MEM(FLAG + 4, 5)));
		CHECK_EQ(fake_mem_get32(FLAG + 4), 5);
		CHECK_EQ(fake_mem_get32(FLAG), 4 + i);

		d.unmap_legacy_queue = 1;
		d.queue_type = rows[i].type;
		d.doorbell_offset = r->doorbell;
		CHECK_EQ(SEND(rig, d), 1);
		CHECK_EQ(SEND(rig, d), 1);	/* reset by registers before */
		RIG_PUT(rig, i, WRITE_MEM(FLAG + 4, 6));
		rig_ring(rig, i);
		test_sleep_us(1000);
		CHECK_EQ(fake_mem_get32(FLAG + 4), 5);
		CHECK_EQ(SEND(rig, a), 1);
		CHECK_SOON(fake_mem_get32(FLAG + 4) == 6);
	}
	test_row(NULL);
	rig_destroy(rig);
}

/* A user queue's life: submission, eviction, restore. */
static void user_queue(void)
{
	struct rig *rig = mes_start();
	struct rig_ring *r;
	unsigned int i;

	REQUIRE(rig);
	CHECK_EQ(set_hw_rsrc(rig, USER_VMIDS), 1);
	r = rig_mqd(rig, 0, VGPU_ENGINE_GFX);
	/* Rung while unmapped: found when it is mapped. */
	RIG_PUT(rig, 0, WRITE_MEM(FLAG, 1), PKT3(0xD0, 0), 0);
	CHECK_EQ(add(rig, 0, MES_QUEUE_TYPE_GFX, 1), 1);
	CHECK_SOON(fake_mem_get64(r->fence) == 7);
	CHECK_EQ(fake_mem_get32(FLAG), 1);
	CHECK_EQ(fake_mem_seen.pd_addr[8], 0x1000001);
	CHECK_EQ(fake_mem_seen.pasid[8], 0x8001);
	CHECK_EQ(fake_mem_seen.flush_mask[VGPU_HUB_GC], 1 << 8);
	CHECK_SOON(fake_iv_count() == 1);
	CHECK_EQ(fake_ivs[0].ring_id >> 4, 1);
	CHECK_EQ(fake_ivs[0].data[0], r->doorbell);
	CHECK_EQ(fake_ivs[0].vmid, 8);

	fake_mem_seen.flush_mask[VGPU_HUB_GC] = 0;
	for (i = 2; i < 5; i++) {
		CHECK_EQ(rm(rig, 0, MES_QUEUE_TYPE_GFX), 1);
		RIG_PUT(rig, 0, WRITE_MEM(FLAG, i), PKT3(0xD0, 0), 0);
		rig_ring(rig, 0);
		test_sleep_us(500);
		CHECK_EQ(fake_mem_get32(FLAG), i - 1);
		CHECK_EQ(add(rig, 0, MES_QUEUE_TYPE_GFX, 1), 1);
		CHECK_SOON(fake_mem_get64(r->fence) == 7 * i);
		CHECK_EQ(fake_mem_get32(FLAG), i);
	}
	/* The process kept its VMID: flushing is the driver's. */
	CHECK_EQ(fake_mem_seen.flush_mask[VGPU_HUB_GC], 0);
	CHECK_EQ(rm(rig, 0, MES_QUEUE_TYPE_GFX), 1);
	RIG_PUT(rig, 0, WRITE_MEM(FLAG, 9));
	rig_ring(rig, 0);
	test_sleep_us(500);
	CHECK_EQ(fake_mem_get32(FLAG), 4);
	rig_destroy(rig);
}

static void vmids(void)
{
	struct rig *rig = mes_start();
	unsigned int i;

	REQUIRE(rig);
	/* Three VMIDs; 0 is never given away. */
	CHECK_EQ(set_hw_rsrc(rig, 0x0e01 & ~0x400), 1);
	for (i = 0; i < 6; i++)
		rig_mqd(rig, i, VGPU_ENGINE_COMPUTE);
	test_row("one per process");
	CHECK_EQ(add(rig, 0, MES_QUEUE_TYPE_COMPUTE, 1), 1);
	CHECK_EQ(add(rig, 1, MES_QUEUE_TYPE_COMPUTE, 2), 1);
	CHECK_EQ(add(rig, 2, MES_QUEUE_TYPE_COMPUTE, 1), 1);
	CHECK_EQ(fake_mem_seen.pasid[9], 0x8001);
	CHECK_EQ(fake_mem_seen.pasid[11], 0x8002);
	test_row("changes hands, with a flush");
	CHECK_EQ(rm(rig, 0, MES_QUEUE_TYPE_COMPUTE), 1);
	CHECK_EQ(rm(rig, 2, MES_QUEUE_TYPE_COMPUTE), 1);
	fake_mem_seen.flush_mask[VGPU_HUB_GC] = 0;
	CHECK_EQ(add(rig, 3, MES_QUEUE_TYPE_COMPUTE, 3), 1);
	CHECK_EQ(fake_mem_seen.pasid[9], 0x8003);
	CHECK_EQ(fake_mem_seen.pd_addr[9], 0x3000001);
	CHECK_EQ(fake_mem_seen.flush_mask[VGPU_HUB_GC], 1 << 9);
	test_row("a new root page table");
	{
		union MESAPI__UPDATE_ROOT_PAGE_TABLE f = { .header = {
			.opcode = MES_SCH_API_UPDATE_ROOT_PAGE_TABLE } };

		f.process_context_addr = 0x2000000 * 2;
		f.page_table_base_addr = 0x7000001;
		CHECK_EQ(SEND(rig, f), 1);
		CHECK_EQ(fake_mem_seen.pd_addr[11], 0x7000001);
	}
	test_row(NULL);
	rig_destroy(rig);
}

static void gangs(void)
{
	static const struct {
		const char *name;
		bool all;
	} rows[] = { { "one gang", false }, { "all gangs", true } };
	struct rig *rig = mes_start();
	unsigned int i;

	REQUIRE(rig);
	CHECK_EQ(set_hw_rsrc(rig, USER_VMIDS), 1);
	rig_mqd(rig, 0, VGPU_ENGINE_COMPUTE);
	rig_mqd(rig, 1, VGPU_ENGINE_COMPUTE);
	CHECK_EQ(add(rig, 0, MES_QUEUE_TYPE_COMPUTE, 1), 1);
	CHECK_EQ(add(rig, 1, MES_QUEUE_TYPE_COMPUTE, 1), 1);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		union MESAPI__SUSPEND s = { .header = {
			.opcode = MES_SCH_API_SUSPEND } };
		union MESAPI__RESUME u = { .header = {
			.opcode = MES_SCH_API_RESUME } };

		test_row(rows[i].name);
		fake_mem_put64(FLAG + 16, 0);
		s.suspend_all_gangs = rows[i].all;
		s.gang_context_addr = 0x3000000;
		s.suspend_fence_addr = FLAG + 16;
		s.suspend_fence_value = 9;
		CHECK_EQ(SEND(rig, s), 1);
		CHECK_EQ(fake_mem_get64(FLAG + 16), 9);
		RIG_PUT(rig, 0, WRITE_MEM(FLAG, i + 1));
		rig_ring(rig, 0);
		if (!rows[i].all)
			CHECK(RIG_RUN(rig, 1, WRITE_MEM(FLAG + 4, i + 1)));
		test_sleep_us(1000);
		CHECK_EQ(fake_mem_get32(FLAG), i);
		u.resume_all_gangs = rows[i].all;
		u.gang_context_addr = 0x3000000;
		CHECK_EQ(SEND(rig, u), 1);
		CHECK_SOON(fake_mem_get32(FLAG) == i + 1);
	}
	test_row(NULL);
	rig_destroy(rig);
}

/* mes_userq_reset(): RESET, then REMOVE_QUEUE of the same queue. */
static void user_queue_reset(void)
{
	struct rig *rig = mes_start();
	union MESAPI__RESET f = { .header = { .opcode = MES_SCH_API_RESET } };

	REQUIRE(rig);
	CHECK_EQ(set_hw_rsrc(rig, USER_VMIDS), 1);
	rig_mqd(rig, 0, VGPU_ENGINE_GFX);
	CHECK_EQ(add(rig, 0, MES_QUEUE_TYPE_GFX, 1), 1);
	RIG_PUT(rig, 0, WAIT_MEM(FLAG, 1), WRITE_MEM(FLAG + 4, 1));
	rig_ring(rig, 0);
	f.reset_queue_only = 1;
	f.doorbell_offset = rig->rings[0].doorbell;
	f.queue_type = MES_QUEUE_TYPE_GFX;
	CHECK_EQ(SEND(rig, f), 1);
	fake_mem_put32(FLAG, 1);
	test_sleep_us(2000);
	CHECK_EQ(fake_mem_get32(FLAG + 4), 0);
	CHECK_EQ(rm(rig, 0, MES_QUEUE_TYPE_GFX), 1);
	/* The process does not know, and is caught again. */
	CHECK_EQ(SEND(rig, f), 1);
	CHECK_EQ(rm(rig, 0, MES_QUEUE_TYPE_GFX), 1);
	/* Detection finds nothing: queues that wait can be unmapped. */
	f.reset_queue_only = 0;
	f.hang_detect_then_reset = 1;
	CHECK_EQ(SEND(rig, f), 1);
	rig_destroy(rig);
}

static void firmware_restarts(void)
{
	struct rig *rig = mes_start();
	struct vgpu_queue_map m = { .me = 3 };

	REQUIRE(rig);
	CHECK_EQ(set_hw_rsrc(rig, USER_VMIDS), 1);
	rig_mqd(rig, 0, VGPU_ENGINE_GFX);
	CHECK_EQ(add(rig, 0, MES_QUEUE_TYPE_GFX, 1), 1);
	m.mqd_addr = rig->rings[MES].mqd;
	m.wptr_addr = rig->rings[MES].wptr_addr;
	m.doorbell = rig->rings[MES].doorbell;
	CHECK_EQ(vgpu_engine_map(rig->dev, VGPU_ENGINE_MES, &m), -EBUSY);
	vgpu_reg_write(rig->dev, VREG(GC, regCP_MES_CNTL), 1u << 30);
	rig_mqd(rig, MES, VGPU_ENGINE_COMPUTE);
	CHECK_EQ(vgpu_engine_map(rig->dev, VGPU_ENGINE_MES, &m), 0);
	/* It knows of nothing; the doorbell is free again. */
	CHECK_EQ(add(rig, 0, MES_QUEUE_TYPE_GFX, 1), 0);
	CHECK_EQ(set_hw_rsrc(rig, USER_VMIDS), 1);
	CHECK_EQ(add(rig, 0, MES_QUEUE_TYPE_GFX, 1), 1);
	rig_destroy(rig);
}

static void hostile(void)
{
	struct rig *rig = mes_start();
	uint32_t frame[API_FRAME_SIZE_IN_DWORDS];
	uint32_t seed = 1;
	unsigned int round, i;

	REQUIRE(rig);
	CHECK_EQ(set_hw_rsrc(rig, USER_VMIDS), 1);
	for (i = 0; i < 8; i++)
		rig_mqd(rig, i, i & 1 ? VGPU_ENGINE_GFX : VGPU_ENGINE_COMPUTE);
	for (round = 0; round < 1500; round++) {
		for (i = 0; i < ARRAY_SIZE(frame); i++) {
			seed = seed * 1664525 + 1013904223;
			switch (seed >> 28 & 3) {
			case 0:
				frame[i] = seed;
				break;
			case 1:
				frame[i] = (seed >> 8 & 0x3f) << 16;
				break;
			case 2:
				frame[i] = 0x100 + (seed >> 8 & 0xf);
				break;
			default:
				frame[i] = seed >> 8 & 3;
			}
		}
		frame[0] = 1 | (round % 20) << 4 | (round & 64 ? 64 : seed >> 8 & 0xff) << 12;
		/* Waits are tested above; each would take seconds. */
		if (round % 20 == MES_SCH_API_MISC && frame[1] == 4)
			frame[1] = 0;
		rig_put(rig, MES, frame, ARRAY_SIZE(frame));
		if (round % 4 == 3) {
			rig_ring(rig, MES);
			test_sleep_us(20);
		}
		if (round % 8 == 7)
			for (i = 0; i < 50 && !rig_idle(rig, MES); i++)
				test_sleep_us(100);
	}
	vgpu_reset(rig->dev);
	rig_destroy(rig);
}

static const struct test_case tests[] = {
	{ "every message answers", every_message_answers },
	{ "misc-list", misc_list },
	{ "misc", misc },
	{ "kernel queues", kernel_queues },
	{ "user queue", user_queue },
	{ "VMIDs", vmids },
	{ "gangs", gangs },
	{ "user queue reset", user_queue_reset },
	{ "firmware restarts", firmware_restarts },
	{ "hostile messages", hostile },
};

TEST_MAIN(tests)
