/* SPDX-License-Identifier: MIT */
/* Command processor: registers, slots, mapping by registers, KIQ and services. */
#include <errno.h>

#include "cp_rig.h"
#include "gc/gc_11_0_0_offset.h"
#include "gc/gc_11_0_0_sh_mask.h"
#include "mp/mp_15_0_8_offset.h"
#include "smu_v15_0_8_ppsmc.h"
#include "test.h"
#include "v11_structs.h"

#define KIQ	15	/* ring of the rig that plays it */
#define FLAG	0x100
#define SCRATCH	VREG(GC, regSCRATCH_REG0)

#define WRITE_MEM(addr, value) \
	PKT3(PACKET3_WRITE_DATA, 3), WRITE_DATA_DST_SEL(5) | WR_CONFIRM, \
	addr, 0, value
#define WAIT_MEM(addr, value) \
	PKT3(PACKET3_WAIT_REG_MEM, 5), 3 | 1 << 4, addr, 0, value, \
	0xffffffff, 4

#define GC(reg)	(GC_BASE(reg##_BASE_IDX) + reg)

static void registers(void)
{
	static const struct {
		const char *name;
		uint32_t reg, write, expect;
	} rows[] = {
		{ "CP_STAT is idle", GC(regCP_STAT), 0xffffffff, 0 },
		{ "GRBM_STATUS is idle", GC(regGRBM_STATUS), 0x80000000, 0 },
		{ "safe mode is taken", GC(regRLC_SAFE_MODE), 3, 2 },
		{ "ME cache", GC(regCP_ME_IC_OP_CNTL), 1, 0x23 },
		{ "PFP cache", GC(regCP_PFP_IC_OP_CNTL), 0, 0x22 },
		{ "CPC cache", GC(regCP_CPC_IC_OP_CNTL), 0x11, 0x33 },
		{ "VMID reset ends", GC(regCP_VMID_RESET), 0xfffffffe, 0 },
		{ "scheduler version", GC(regCP_MES_GP3_LO), 0, 0x2093 },
		{ "address config", GC(regGB_ADDR_CONFIG), 0x545, 0x545 },
		{ "index mutex", GC(regCP_GFX_INDEX_MUTEX), 9, 9 },
	};
	struct rig *rig = rig_create();
	size_t i;

	REQUIRE(rig);
	CHECK_EQ(vgpu_reg_read(rig->dev, GC(regGB_ADDR_CONFIG)), 0x545);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		test_row(rows[i].name);
		vgpu_reg_write(rig->dev, rows[i].reg, rows[i].write);
		CHECK_EQ(vgpu_reg_read(rig->dev, rows[i].reg), rows[i].expect);
	}
	test_row(NULL);
	rig_destroy(rig);
}

static void slots_are_banked(void)
{
	struct rig *rig = rig_create();
	unsigned int me, pipe, queue;

	REQUIRE(rig);
	for (me = 0; me < 4; me++)
		for (pipe = 0; pipe < 4; pipe++)
			for (queue = 0; queue < 8; queue++) {
				rig_select(rig, me, pipe, queue);
				vgpu_reg_write(rig->dev, GC(regCP_HQD_PQ_BASE),
					       me << 8 | pipe << 4 | queue);
				vgpu_reg_write(rig->dev, GC(regCP_GFX_HQD_BASE),
					       0x1000 | me << 8 | pipe << 4 | queue);
			}
	for (me = 0; me < 4; me++)
		for (pipe = 0; pipe < 4; pipe++)
			for (queue = 0; queue < 8; queue++) {
				rig_select(rig, me, pipe, queue);
				CHECK_EQ(vgpu_reg_read(rig->dev,
						       GC(regCP_HQD_PQ_BASE)),
					 me << 8 | pipe << 4 | queue);
				CHECK_EQ(vgpu_reg_read(rig->dev,
						       GC(regCP_GFX_HQD_BASE)),
					 0x1000 | me << 8 | pipe << 4 | queue);
			}
	vgpu_reset(rig->dev);
	CHECK_EQ(vgpu_reg_read(rig->dev, GC(regCP_HQD_PQ_BASE)), 0);
	rig_destroy(rig);
}

/* As mes_v11_0_queue_init_register() does. */
static void start_kiq(struct rig *rig)
{
	struct rig_ring *r = rig_mqd(rig, KIQ, VGPU_ENGINE_COMPUTE);
	struct v11_compute_mqd *m = (void *)(fake_mem + r->mqd);

	rig_select(rig, 3, 1, 0);
	vgpu_reg_write(rig->dev, GC(regCP_HQD_PQ_BASE), m->cp_hqd_pq_base_lo);
	vgpu_reg_write(rig->dev, GC(regCP_HQD_PQ_RPTR_REPORT_ADDR),
		       m->cp_hqd_pq_rptr_report_addr_lo);
	vgpu_reg_write(rig->dev, GC(regCP_HQD_PQ_CONTROL), m->cp_hqd_pq_control);
	vgpu_reg_write(rig->dev, GC(regCP_HQD_PQ_WPTR_POLL_ADDR),
		       m->cp_hqd_pq_wptr_poll_addr_lo);
	vgpu_reg_write(rig->dev, GC(regCP_HQD_PQ_DOORBELL_CONTROL),
		       m->cp_hqd_pq_doorbell_control);
	vgpu_reg_write(rig->dev, GC(regCP_HQD_ACTIVE), 1);
}

static void kiq_by_registers(void)
{
	struct rig *rig = rig_create();

	REQUIRE(rig);
	start_kiq(rig);
	CHECK_EQ(vgpu_reg_read(rig->dev, GC(regCP_HQD_ACTIVE)), 1);
	/* gfx_v11_0_ring_test_ring() */
	vgpu_reg_write(rig->dev, SCRATCH, 0xCAFEDEAD);
	CHECK(RIG_RUN(rig, KIQ, PKT3(PACKET3_WRITE_DATA, 3), WR_ONE_ADDR,
		      SCRATCH, 0, 0xDEADBEEF));
	CHECK_EQ(vgpu_reg_read(rig->dev, SCRATCH), 0xDEADBEEF);

	vgpu_reg_write(rig->dev, GC(regCP_HQD_DEQUEUE_REQUEST), 1);
	CHECK_EQ(vgpu_reg_read(rig->dev, GC(regCP_HQD_ACTIVE)), 0);
	CHECK_EQ(vgpu_reg_read(rig->dev, GC(regCP_HQD_DEQUEUE_REQUEST)), 0);
	RIG_PUT(rig, KIQ, WRITE_MEM(FLAG, 1));
	rig_ring(rig, KIQ);
	test_sleep_us(2000);
	CHECK_EQ(fake_mem_get32(FLAG), 0);

	/* Again, from the start: the old ring and pointer do not count. */
	vgpu_reg_write(rig->dev, GC(regCP_HQD_ACTIVE), 1);
	test_sleep_us(1000);
	CHECK_EQ(fake_mem_get32(FLAG), 0);
	rig_mqd(rig, KIQ, VGPU_ENGINE_COMPUTE);
	CHECK(RIG_RUN(rig, KIQ, WRITE_MEM(FLAG, 2)));
	CHECK_EQ(fake_mem_get32(FLAG), 2);

	/* Stopping its pipe ends it, starting over is possible. */
	vgpu_reg_write(rig->dev, GC(regCP_MES_CNTL), 1u << 30);
	CHECK_EQ(vgpu_reg_read(rig->dev, GC(regCP_HQD_ACTIVE)), 0);
	start_kiq(rig);
	CHECK(RIG_RUN(rig, KIQ, WRITE_MEM(FLAG, 3)));
	CHECK_EQ(fake_mem_get32(FLAG), 3);
	rig_destroy(rig);
}

static void kiq_maps_queues(void)
{
	static const struct {
		const char *name;
		enum vgpu_engine engine;
		uint32_t eng_sel, me;
	} rows[] = {
		{ "compute", VGPU_ENGINE_COMPUTE, 0, 1 },
		{ "gfx", VGPU_ENGINE_GFX, 4, 0 },
	};
	struct rig *rig = rig_create();
	unsigned int i;

	REQUIRE(rig);
	start_kiq(rig);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rig_ring *r = rig_mqd(rig, i, rows[i].engine);

		test_row(rows[i].name);
		CHECK(RIG_RUN(rig, KIQ, PKT3(PACKET3_MAP_QUEUES, 5),
			      PACKET3_MAP_QUEUES_QUEUE(i) |
			      PACKET3_MAP_QUEUES_ME(rows[i].me) |
			      PACKET3_MAP_QUEUES_ENGINE_SEL(rows[i].eng_sel) |
			      PACKET3_MAP_QUEUES_NUM_QUEUES(1),
			      PACKET3_MAP_QUEUES_DOORBELL_OFFSET(r->doorbell),
			      r->mqd, 0, r->wptr_addr, 0));
		CHECK(RIG_RUN(rig, i, WRITE_MEM(FLAG + 4 * i, 5)));
		CHECK_EQ(fake_mem_get32(FLAG + 4 * i), 5);

		CHECK(RIG_RUN(rig, KIQ, PKT3(PACKET3_UNMAP_QUEUES, 4),
			      PACKET3_UNMAP_QUEUES_ENGINE_SEL(rows[i].eng_sel) |
			      PACKET3_UNMAP_QUEUES_NUM_QUEUES(1),
			      PACKET3_UNMAP_QUEUES_DOORBELL_OFFSET0(r->doorbell),
			      0, 0, 0,
			      PKT3(PACKET3_QUERY_STATUS, 5), 0, 0,
			      FLAG + 0x40, 0, i + 1, 0));
		CHECK_EQ(fake_mem_get32(FLAG + 0x40), i + 1);
		RIG_PUT(rig, i, WRITE_MEM(FLAG + 4 * i, 6));
		rig_ring(rig, i);
		test_sleep_us(1000);
		CHECK_EQ(fake_mem_get32(FLAG + 4 * i), 5);
	}
	test_row(NULL);
	/* The scheduler's queue, and its end by the firmware's halt. */
	rig_mqd(rig, 2, VGPU_ENGINE_COMPUTE);
	CHECK(RIG_RUN(rig, KIQ, PKT3(PACKET3_MAP_QUEUES, 5),
		      PACKET3_MAP_QUEUES_ME(2) |
		      PACKET3_MAP_QUEUES_ENGINE_SEL(5) |
		      PACKET3_MAP_QUEUES_NUM_QUEUES(1),
		      PACKET3_MAP_QUEUES_DOORBELL_OFFSET(rig->rings[2].doorbell),
		      rig->rings[2].mqd, 0, rig->rings[2].wptr_addr, 0));
	CHECK_EQ(vgpu_engine_unmap(rig->dev, VGPU_ENGINE_MES,
				   rig->rings[2].doorbell, false), 0);
	CHECK_EQ(vgpu_engine_unmap(rig->dev, VGPU_ENGINE_MES, UINT32_MAX, true),
		 -ENOENT);
	rig_destroy(rig);
}

/* The KIQ maps the one queue that a packet names, and says so of all else. */
static void kiq_refuses(void)
{
	static const struct {
		const char *name;
		uint32_t selection;
	} rows[] = {
		{ "no queue", 0 },
		{ "two queues", PACKET3_MAP_QUEUES_NUM_QUEUES(2) },
		{ "any slot", PACKET3_MAP_QUEUES_NUM_QUEUES(1) | PACKET3_MAP_QUEUES_QUEUE_SEL(1) },
	};
	struct rig *rig = rig_create();
	struct rig_ring *r;
	unsigned int i;

	REQUIRE(rig);
	start_kiq(rig);
	r = rig_mqd(rig, 0, VGPU_ENGINE_COMPUTE);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		test_row(rows[i].name);
		CHECK(RIG_RUN(rig, KIQ, PKT3(PACKET3_MAP_QUEUES, 5),
			      PACKET3_MAP_QUEUES_ME(1) | rows[i].selection,
			      PACKET3_MAP_QUEUES_DOORBELL_OFFSET(r->doorbell),
			      r->mqd, 0, r->wptr_addr, 0));
		CHECK_EQ(vgpu_counted(rig->dev, VGPU_LOG_UNIMP), i + 1);
		CHECK_EQ(vgpu_engine_unmap(rig->dev, VGPU_ENGINE_COMPUTE, r->doorbell,
					   VGPU_UNMAP_DROP), -ENOENT);
	}
	test_row(NULL);
	rig_destroy(rig);
}

/* Pointers survive an unmapping; a reset passes over what hung. */
static void unmap_and_reset(void)
{
	static const struct {
		const char *name;
		enum vgpu_engine engine;
		bool reset;
		uint32_t expect;
	} rows[] = {
		{ "gfx", VGPU_ENGINE_GFX, false, 1 },
		{ "compute", VGPU_ENGINE_COMPUTE, false, 1 },
		{ "gfx reset", VGPU_ENGINE_GFX, true, 0 },
		{ "compute reset", VGPU_ENGINE_COMPUTE, true, 0 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rig *rig = rig_create();
		struct rig_ring *r = &rig->rings[0];
		struct vgpu_queue_map m;

		test_row(rows[i].name);
		REQUIRE(rig);
		CHECK_EQ(rig_map(rig, 0, rows[i].engine), 0);
		CHECK(RIG_RUN(rig, 0, WRITE_MEM(FLAG + 8, 1)));
		/* Hangs, and something after it. */
		RIG_PUT(rig, 0, WRITE_MEM(FLAG + 12, 1), WAIT_MEM(FLAG, 77),
			WRITE_MEM(FLAG + 4, 1));
		rig_ring(rig, 0);
		CHECK_SOON(fake_mem_get32(FLAG + 12) == 1);
		CHECK_EQ(vgpu_engine_unmap(rig->dev, rows[i].engine, r->doorbell,
					   rows[i].reset), 0);
		CHECK_EQ(vgpu_engine_unmap(rig->dev, rows[i].engine, r->doorbell,
					   rows[i].reset), -ENOENT);
		CHECK_EQ(fake_mem_get32(FLAG + 4), 0);
		fake_mem_put32(FLAG, 77);
		m = (struct vgpu_queue_map){
			.mqd_addr = r->mqd, .wptr_addr = r->wptr_addr,
			.doorbell = r->doorbell, .user = true, .vmid = 5,
		};
		CHECK_EQ(vgpu_engine_map(rig->dev, rows[i].engine, &m), 0);
		CHECK(RIG_RUN(rig, 0, WRITE_MEM(FLAG + 16, 9)));
		CHECK_EQ(fake_mem_get32(FLAG + 4), rows[i].expect);
		CHECK_EQ(fake_mem_get32(FLAG + 16), 9);
		rig_destroy(rig);
	}
	test_row(NULL);
}

/*
 * A bad packet that a queue comes to as it is unmapped: either it hangs and
 * stays, or it goes and has not met the packet yet. Who is first is left to
 * chance, over many rounds.
 */
static void unmap_as_it_hangs(void)
{
	static const struct {
		const char *name;
		enum vgpu_engine engine;
	} rows[] = {
		{ "gfx", VGPU_ENGINE_GFX },
		{ "compute", VGPU_ENGINE_COMPUTE },
	};
	unsigned int i, round, before;
	struct vgpu_queue_state st;
	int r;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		test_row(rows[i].name);
		for (round = 0; round < 200; round++) {
			struct rig *rig = rig_create();
			uint32_t doorbell;

			REQUIRE(rig);
			CHECK_EQ(rig_map(rig, 0, rows[i].engine), 0);
			doorbell = rig->rings[0].doorbell;
			CHECK_SOON(!vgpu_engine_state(rig->dev, rows[i].engine,
						      doorbell, &st) &&
				   !st.starting);
			RIG_PUT(rig, 0, WRITE_MEM(FLAG, 1), PKT3(0x05, 0), 0);
			before = fake_iv_count();
			rig_ring(rig, 0);
			test_sleep_us(round % 20 * 4);
			r = vgpu_engine_unmap(rig->dev, rows[i].engine,
					      doorbell, VGPU_UNMAP_SAVE);
			if (r) {
				CHECK_EQ(r, -ETIMEDOUT);
				CHECK_SOON(fake_iv_count() == before + 1);
				CHECK_EQ(vgpu_engine_unmap(rig->dev,
							   rows[i].engine, doorbell,
							   VGPU_UNMAP_RESET), 0);
			} else {
				CHECK_EQ(fake_iv_count(), before);
			}
			rig_destroy(rig);
		}
	}
	test_row(NULL);
}

/* What the driver halts does not go on, and goes on afterwards. */
static void engine_halted(void)
{
	static const struct {
		const char *name;
		enum vgpu_engine engine;
		uint32_t reg, halt;
	} rows[] = {
		{ "gfx ME", VGPU_ENGINE_GFX, GC(regCP_ME_CNTL),
		  CP_ME_CNTL__ME_HALT_MASK },
		{ "gfx PFP", VGPU_ENGINE_GFX, GC(regCP_ME_CNTL),
		  CP_ME_CNTL__PFP_HALT_MASK },
		{ "compute", VGPU_ENGINE_COMPUTE, GC(regCP_MEC_CNTL),
		  CP_MEC_CNTL__MEC_ME1_HALT_MASK },
		{ "compute, RS64", VGPU_ENGINE_COMPUTE, GC(regCP_MEC_RS64_CNTL),
		  CP_MEC_RS64_CNTL__MEC_HALT_MASK },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rig *rig = rig_create();

		test_row(rows[i].name);
		REQUIRE(rig);
		CHECK_EQ(rig_map(rig, 0, rows[i].engine), 0);
		CHECK(RIG_RUN(rig, 0, WRITE_MEM(FLAG, 1)));
		RIG_PUT(rig, 0, WAIT_MEM(FLAG, 2), WRITE_MEM(FLAG + 4, 1));
		rig_ring(rig, 0);
		test_sleep_us(2000);
		vgpu_reg_write(rig->dev, rows[i].reg, rows[i].halt);
		test_sleep_us(2000);
		fake_mem_put32(FLAG, 2);
		test_sleep_us(10000);
		CHECK_EQ(fake_mem_get32(FLAG + 4), 0);
		vgpu_reg_write(rig->dev, rows[i].reg, 0);
		CHECK_SOON(fake_mem_get32(FLAG + 4) == 1);
		vgpu_reg_write(rig->dev, rows[i].reg, rows[i].halt);
		RIG_PUT(rig, 0, WRITE_MEM(FLAG + 4, 2));
		rig_ring(rig, 0);
		test_sleep_us(10000);
		CHECK_EQ(fake_mem_get32(FLAG + 4), 1);
		CHECK_EQ(vgpu_engine_unmap(rig->dev, rows[i].engine,
					   rig->rings[0].doorbell,
					   VGPU_UNMAP_SAVE), 0);
		rig_destroy(rig);
	}
	test_row(NULL);
}

/* The doorbell of mapping and MQD. */
static void set_doorbell(struct vgpu_queue_map *m, uint32_t doorbell)
{
	struct v11_compute_mqd *mqd = (void *)(fake_mem + m->mqd_addr);

	m->doorbell = doorbell;
	mqd->cp_hqd_pq_doorbell_control = 1u << 30 | doorbell << 2;
}

static void refusals(void)
{
	struct rig *rig = rig_create();
	struct vgpu_queue_map m = { .doorbell = 0x300, .mqd_addr = 0x20000 };
	struct v11_compute_mqd *mqd;

	REQUIRE(rig);
	CHECK_EQ(rig_map(rig, 0, VGPU_ENGINE_COMPUTE), 0);
	test_row("slot taken");
	rig_mqd(rig, 1, VGPU_ENGINE_COMPUTE);
	m.me = 1;
	CHECK_EQ(vgpu_engine_map(rig->dev, VGPU_ENGINE_COMPUTE, &m), -EBUSY);
	test_row("doorbell taken");
	m.queue = 3;
	set_doorbell(&m, rig->rings[0].doorbell);
	CHECK_EQ(vgpu_engine_map(rig->dev, VGPU_ENGINE_COMPUTE, &m), -EBUSY);
	test_row("no such doorbell");
	set_doorbell(&m, 1u << 25);
	CHECK_EQ(vgpu_engine_map(rig->dev, VGPU_ENGINE_COMPUTE, &m), -EINVAL);
	test_row("MQD not readable");
	m.doorbell = 0x302;
	m.mqd_addr = FAKE_MEM_SIZE - 16;
	CHECK_EQ(vgpu_engine_map(rig->dev, VGPU_ENGINE_COMPUTE, &m), -EFAULT);
	test_row("absurd ring size");
	m.mqd_addr = 0x20000;
	mqd = (void *)(fake_mem + m.mqd_addr);
	mqd->cp_hqd_pq_control = 0x3f;
	CHECK_EQ(vgpu_engine_map(rig->dev, VGPU_ENGINE_COMPUTE, &m), -EINVAL);
	test_row("KIQ packet on another queue hangs it");
	RIG_PUT(rig, 0, PKT3(PACKET3_QUERY_STATUS, 5), 0, 0, FLAG, 0, 1, 0);
	rig_ring(rig, 0);
	CHECK_SOON(fake_iv_count() == 1);
	CHECK_EQ(fake_ivs[0].src_id, 183);
	CHECK_EQ(fake_mem_get32(FLAG), 0);
	test_row(NULL);
	rig_destroy(rig);
}

/* Where the MQD has the number of the doorbell; of CP's queues also whether it is on. */
static uint32_t *doorbell_control(const struct rig_ring *r, enum vgpu_engine engine)
{
	void *mqd = fake_mem + r->mqd;

	switch (engine) {
	case VGPU_ENGINE_GFX:
		return &((struct v11_gfx_mqd *)mqd)->cp_rb_doorbell_control;
	case VGPU_ENGINE_SDMA:
		return &((struct v11_sdma_mqd *)mqd)->sdmax_rlcx_doorbell_offset;
	default:
		return &((struct v11_compute_mqd *)mqd)->cp_hqd_pq_doorbell_control;
	}
}

/* The MQD says whether a queue hears its doorbell. */
static void deaf(void)
{
	static const struct {
		const char *name;
		uint32_t enable, off;	/* by how much the MQD's doorbell is another one */
		bool hears;
	} rows[] = {
		{ "enabled", 1, 0, true },
		{ "not enabled", 0, 0, false },
		{ "another one", 1, 2, false },
	};
	static const enum vgpu_engine engines[] = {
		VGPU_ENGINE_GFX, VGPU_ENGINE_COMPUTE, VGPU_ENGINE_SDMA,
	};
	static const char *const counts[] = {
		"cp: doorbell not enabled in the MQD", "cp: doorbell not enabled in the MQD",
		"sdma: doorbell not enabled in the MQD",
	};
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		for (k = 0; k < ARRAY_SIZE(engines); k++) {
			struct rig *rig = rig_create();
			struct vgpu_queue_map m = { .me = engines[k] == VGPU_ENGINE_COMPUTE };
			struct v11_sdma_mqd *sdma;
			struct rig_ring *r;

			test_row(rows[i].name);
			REQUIRE(rig);
			r = rig_mqd(rig, 0, engines[k]);
			m.mqd_addr = r->mqd;
			m.doorbell = r->doorbell;
			*doorbell_control(r, engines[k]) =
				rows[i].enable << 30 | (r->doorbell + rows[i].off) << 2;
			sdma = (void *)(fake_mem + r->mqd);
			if (engines[k] == VGPU_ENGINE_SDMA)
				sdma->sdmax_rlcx_doorbell =
					VFIELD(SDMA0_QUEUE0_DOORBELL, ENABLE, rows[i].enable);
			CHECK_EQ(vgpu_engine_map(rig->dev, engines[k], &m), 0);
			CHECK_EQ(vgpu_counted_event(rig->dev, counts[k]), !rows[i].hears);
			vgpu_doorbell_ring(rig->dev, r->doorbell, 0, 8);
			CHECK_EQ(vgpu_counted_event(rig->dev, "core: doorbells without a queue"),
				 !rows[i].hears);
			rig_destroy(rig);
		}
	}
	test_row(NULL);
}

static void queue_limit(void)
{
	struct rig *rig = rig_create();
	struct vgpu_queue_map m = { .user = true, .me = 1, .vmid = 3 };
	unsigned int i;
	int r = 0;

	REQUIRE(rig);
	m.mqd_addr = rig_mqd(rig, 0, VGPU_ENGINE_COMPUTE)->mqd;
	for (i = 0; i < 2000 && !r; i++) {
		set_doorbell(&m, 0x1000 + i);
		r = vgpu_engine_map(rig->dev, VGPU_ENGINE_COMPUTE, &m);
	}
	CHECK_EQ(r, -ENOSPC);
	CHECK(i > 1000);
	/* A slot shared by so many is emptied in one go. */
	rig_select(rig, 1, 0, 0);
	vgpu_reg_write(rig->dev, GC(regCP_HQD_DEQUEUE_REQUEST), 2);
	CHECK_EQ(vgpu_engine_map(rig->dev, VGPU_ENGINE_COMPUTE, &m), 0);
	rig_destroy(rig);
}

static void resets(void)
{
	struct rig *rig = rig_create();
	struct vgpu_queue_map m = { .me = 3 };
	struct vgpu_queue_state st;

	REQUIRE(rig);
	test_row("VMID reset picks gfx queues by pipe and slot");
	CHECK_EQ(rig_map(rig, 0, VGPU_ENGINE_GFX), 0);
	CHECK_EQ(rig_map(rig, 1, VGPU_ENGINE_GFX), 0);
	RIG_PUT(rig, 0, WAIT_MEM(FLAG, 1));
	rig_ring(rig, 0);
	vgpu_reg_write(rig->dev, GC(regCP_VMID_RESET), 1u << 16);
	rig_select(rig, 0, 0, 0);
	CHECK_EQ(vgpu_reg_read(rig->dev, GC(regCP_GFX_HQD_ACTIVE)) & 1, 0);
	rig_select(rig, 0, 0, 1);
	CHECK_EQ(vgpu_reg_read(rig->dev, GC(regCP_GFX_HQD_ACTIVE)) & 1, 1);
	CHECK(RIG_RUN(rig, 1, WRITE_MEM(FLAG + 4, 1)));
	test_row("soft reset stops all");
	vgpu_reg_write(rig->dev, GC(regGRBM_SOFT_RESET), 1);
	CHECK_EQ(vgpu_reg_read(rig->dev, GC(regCP_GFX_HQD_ACTIVE)) & 1, 0);
	test_row("mode 2 reset by the SMU, scheduler included");
	start_kiq(rig);
	rig_mqd(rig, 3, VGPU_ENGINE_COMPUTE);
	m.mqd_addr = rig->rings[3].mqd;
	m.doorbell = rig->rings[3].doorbell;
	CHECK_EQ(vgpu_engine_map(rig->dev, VGPU_ENGINE_MES, &m), 0);
	vgpu_reg_write(rig->dev, VREG(MP1, regMP1_SMN_C2PMSG_41), 0);
	vgpu_reg_write(rig->dev, VREG(MP1, regMP1_SMN_C2PMSG_42),
		       PPSMC_RESET_TYPE_DRIVER_MODE_2_RESET);
	vgpu_reg_write(rig->dev, VREG(MP1, regMP1_SMN_C2PMSG_40),
		       PPSMC_MSG_GfxDriverReset);
	CHECK_SOON(vgpu_reg_read(rig->dev, VREG(MP1, regMP1_SMN_C2PMSG_41)) ==
		   PPSMC_Result_OK);
	rig_select(rig, 3, 1, 0);
	CHECK_EQ(vgpu_reg_read(rig->dev, GC(regCP_HQD_ACTIVE)) & 1, 0);
	CHECK_EQ(vgpu_engine_map(rig->dev, VGPU_ENGINE_MES, &m), 0);
	test_row("soft reset of SDMA");
	CHECK_EQ(rig_map(rig, 4, VGPU_ENGINE_SDMA), 0);
	vgpu_reg_write(rig->dev, GC(regSDMA0_FREEZE), SDMA0_FREEZE__FREEZE_MASK);
	vgpu_reg_write(rig->dev, GC(regGRBM_SOFT_RESET),
		       GRBM_SOFT_RESET__SOFT_RESET_SDMA0_MASK);
	CHECK_EQ(vgpu_reg_read(rig->dev, GC(regSDMA0_FREEZE)), 0);
	CHECK_EQ(vgpu_engine_state(rig->dev, VGPU_ENGINE_SDMA,
				   rig->rings[4].doorbell, &st), -ENOENT);
	CHECK(vgpu_reg_read(rig->dev, GC(regSDMA0_F32_CNTL)) & 1);
	test_row("a waiting queue does not stop the device's reset");
	CHECK_EQ(rig_map(rig, 2, VGPU_ENGINE_COMPUTE), 0);
	RIG_PUT(rig, 2, WAIT_MEM(FLAG, 1));
	rig_ring(rig, 2);
	vgpu_reset(rig->dev);
	CHECK_EQ(rig_map(rig, 2, VGPU_ENGINE_COMPUTE), 0);
	CHECK(RIG_RUN(rig, 2, WRITE_MEM(FLAG + 8, 4)));
	test_row("a queue cannot stop itself");
	RIG_PUT(rig, 2, PKT3(PACKET3_WRITE_DATA, 3), 0,
		GC(regGRBM_GFX_CNTL), 0, 1 << 2 | 2 << 8,
		PKT3(PACKET3_WRITE_DATA, 3), 0,
		GC(regCP_HQD_DEQUEUE_REQUEST), 0, 1);
	CHECK(RIG_RUN(rig, 2, WRITE_MEM(FLAG + 12, 4)));
	CHECK_EQ(fake_mem_get32(FLAG + 12), 4);
	test_row(NULL);
	rig_destroy(rig);
}

static const struct test_case tests[] = {
	{ "registers", registers },
	{ "slots are banked", slots_are_banked },
	{ "KIQ by registers", kiq_by_registers },
	{ "KIQ maps queues", kiq_maps_queues },
	{ "KIQ refuses", kiq_refuses },
	{ "unmap and reset", unmap_and_reset },
	{ "unmap as it hangs", unmap_as_it_hangs },
	{ "engine halted", engine_halted },
	{ "refusals", refusals },
	{ "deaf", deaf },
	{ "queue limit", queue_limit },
	{ "resets", resets },
};

TEST_MAIN(tests)
