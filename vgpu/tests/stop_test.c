/* SPDX-License-Identifier: MIT */
/*
 * Queues of the driver that stop each other, or what stops them, by packets that
 * write registers: nobody may wait for ever. A program that hangs has failed.
 */
#include "gc/gc_11_0_0_sh_mask.h"
#include "mes_rig.h"
#include "test.h"

/*
 * Two queues whose packets stop each other, as often as it takes to hit the
 * moment: both end, and the device with them.
 */
static void mutual_stop(void)
{
	unsigned int round;

	for (round = 0; round < 40; round++) {
		struct rig *rig = rig_create();
		uint32_t gate = 0x200, reset[] = {
			VFIELD(CP_VMID_RESET, PIPE1_QUEUES, 1),
			VFIELD(CP_VMID_RESET, PIPE0_QUEUES, 1),
		};
		unsigned int i;

		REQUIRE(rig);
		for (i = 0; i < 2; i++) {
			struct rig_ring *r = rig_mqd(rig, i, VGPU_ENGINE_GFX);
			struct vgpu_queue_map m = {
				.mqd_addr = r->mqd, .wptr_addr = r->wptr_addr,
				.doorbell = r->doorbell, .pipe = i,
			};

			CHECK_EQ(vgpu_engine_map(rig->dev, VGPU_ENGINE_GFX, &m), 0);
			RIG_PUT(rig, i, PKT3(PACKET3_WAIT_REG_MEM, 5), 3 | 1 << 4,
				gate, 0, 1, 0xffffffff, 4,
				PKT3(PACKET3_WRITE_DATA, 3), 0,
				VREG(GC, regCP_VMID_RESET), 0, reset[i]);
			rig_ring(rig, i);
		}
		test_sleep_us(round * 50);
		fake_mem_put32(gate, 1);
		/* The device goes while they are at it, or when they are done. */
		test_sleep_us(round % 4 * 20000);
		rig_destroy(rig);
	}
}

/* A queue that ends the scheduler which is removing it. */
static void stops_its_stopper(void)
{
	unsigned int round;

	for (round = 0; round < 10; round++) {
		struct rig *rig = mes_start();
		union MESAPI__ADD_QUEUE a = { .header = {
			.opcode = MES_SCH_API_ADD_QUEUE } };
		union MESAPI__REMOVE_QUEUE d = { .header = {
			.opcode = MES_SCH_API_REMOVE_QUEUE,
			.type = MES_API_TYPE_SCHEDULER,
			.dwsize = API_FRAME_SIZE_IN_DWORDS } };
		struct rig_ring *r;

		REQUIRE(rig);
		CHECK_EQ(set_hw_rsrc(rig, USER_VMIDS), 1);
		r = rig_mqd(rig, 0, VGPU_ENGINE_GFX);
		a.map_legacy_kq = 1;
		a.queue_type = MES_QUEUE_TYPE_GFX;
		a.doorbell_offset = r->doorbell;
		a.mqd_addr = r->mqd;
		a.wptr_addr = r->wptr_addr;
		CHECK_EQ(SEND(rig, a), 1);
		RIG_PUT(rig, 0, PKT3(PACKET3_WRITE_DATA, 3), 0,
			VREG(GC, regCP_MES_CNTL), 0, 1u << 30);
		d.unmap_legacy_queue = 1;
		d.queue_type = MES_QUEUE_TYPE_GFX;
		d.doorbell_offset = r->doorbell;
		rig_put(rig, MES, (void *)&d, API_FRAME_SIZE_IN_DWORDS);
		if (round & 1) {
			rig_ring(rig, MES);
			rig_ring(rig, 0);
		} else {
			rig_ring(rig, 0);
			rig_ring(rig, MES);
		}
		test_sleep_us(round % 5 * 5000);
		rig_destroy(rig);
	}
}

static const struct test_case tests[] = {
	{ "mutual stop", mutual_stop },
	{ "stops its stopper", stops_its_stopper },
};

TEST_MAIN(tests)
