/* SPDX-License-Identifier: MIT */
/*
 * The scheduler: frames of 64 dwords, as the driver writes them into the scheduler's ring.
 * A step whose type is not a message's does something else between two frames: POKE writes
 * memory (MQDs and rings are the guest's, too), RING rings a doorbell.
 */
#include <string.h>

#include "fuzz.h"
#include "hwregs.h"
#include "gc/gc_11_0_0_sh_mask.h"
#include "mes_v11_api_def.h"
#include "v11_structs.h"

#define FRAME		(API_FRAME_SIZE_IN_DWORDS * 4)
#define RING_LOG2	10
#define DOORBELL	0x16u
#define USER_DOORBELL	0x400u
#define MQD(i)		(FUZZ_MQD + 2048 * (i))
#define PROCESS_RING	0x8000u		/* in RAM, 4 KiB for each kind of queue */

enum step { STEP_POKE = 8, STEP_RING = 9 };

/* Doorbells are 8 bytes, two numbers apart. */
static uint32_t doorbell_of(unsigned int mqd)
{
	return USER_DOORBELL + 2 * mqd;
}

/* One queue of each kind that ADD_QUEUE may find, and a ring full of NOPs. */
static void write_mqds(struct fake_host *h)
{
	struct v11_compute_mqd *mes = (void *)(h->vram + MQD(0));
	struct v11_gfx_mqd *g = (void *)(h->vram + MQD(1));
	struct v11_compute_mqd *c = (void *)(h->vram + MQD(2));
	struct v11_sdma_mqd *s = (void *)(h->vram + MQD(3));
	uint64_t ring = FUZZ_FB + FUZZ_RING;

	mes->cp_hqd_pq_base_lo = ring >> 8;
	mes->cp_hqd_pq_base_hi = ring >> 40;
	mes->cp_hqd_pq_control = RING_LOG2 - 1;
	fuzz_mqd_doorbell(mes, VGPU_ENGINE_COMPUTE, DOORBELL);
	g->cp_gfx_hqd_base = PROCESS_RING >> 8;
	g->cp_gfx_hqd_cntl = 8;
	fuzz_mqd_doorbell(g, VGPU_ENGINE_GFX, doorbell_of(1));
	c->cp_hqd_pq_base_lo = (PROCESS_RING + 4096) >> 8;
	c->cp_hqd_pq_control = 8;
	fuzz_mqd_doorbell(c, VGPU_ENGINE_COMPUTE, doorbell_of(2));
	s->sdmax_rlcx_rb_base = (PROCESS_RING + 8192) >> 8;
	s->sdmax_rlcx_rb_cntl = VFIELD(SDMA0_QUEUE0_RB_CNTL, RB_SIZE, 9);
	fuzz_mqd_doorbell(s, VGPU_ENGINE_SDMA, doorbell_of(3));
}

static void poke(struct fake_host *h, const uint32_t *dw)
{
	uint32_t at = dw[1] % (FUZZ_TABLES - FRAME) & ~3u;
	uint8_t *to = dw[1] & 1u << 31 ? h->ram : h->vram;

	memcpy(to + at, dw + 2, FRAME - 8);
}

static void run(struct fuzz_in *in)
{
	struct vgpu_queue_map m = {
		.mqd_addr = FUZZ_FB + MQD(0), .doorbell = DOORBELL, .me = 3,
	};
	uint32_t dw[API_FRAME_SIZE_IN_DWORDS], wptr = 0;
	union MES_API_HEADER header;
	struct fake_host *h = fuzz_host(fuzz_u32(in) & 1);

	write_mqds(h);
	vgpu_engine_map(h->dev, VGPU_ENGINE_MES, &m);
	while (fuzz_bytes(in, dw, sizeof(dw))) {
		header.u32All = dw[0];
		if (header.type == STEP_POKE) {
			poke(h, dw);
		} else if (header.type == STEP_RING) {
			vgpu_doorbell_ring(h->dev, USER_DOORBELL + dw[1] % 8,
					   dw[2], 8);
		} else {
			memcpy(h->vram + FUZZ_RING + wptr * 4 % (4u << RING_LOG2),
			       dw, sizeof(dw));
			/* A frame may claim to be shorter than its 64 dwords. */
			wptr += API_FRAME_SIZE_IN_DWORDS;
			vgpu_doorbell_ring(h->dev, DOORBELL, wptr, 8);
		}
		fuzz_queues_run();
	}
	fuzz_host_end(h);
}

static void queue_fields(struct fuzz_random *r, union MESAPI__ADD_QUEUE *f)
{
	unsigned int mqd;

	f->process_id = 1 + fuzz_rnd(r) % 3;
	f->page_table_base_addr = (FUZZ_TABLES + 4096 * 4) | 1;
	f->process_context_addr = FUZZ_FB + FUZZ_DATA + fuzz_rnd(r) % 4 * 64;
	f->gang_context_addr = FUZZ_FB + FUZZ_DATA + fuzz_rnd(r) % 4 * 64;
	f->queue_type = fuzz_rnd(r) % 4;
	mqd = f->queue_type == MES_QUEUE_TYPE_GFX ? 1 :
	      f->queue_type == MES_QUEUE_TYPE_COMPUTE ? 2 : 3;
	f->mqd_addr = FUZZ_FB + MQD(mqd);
	/* One queue hears only the doorbell that its MQD has. */
	f->doorbell_offset = fuzz_rnd(r) % 4 ? doorbell_of(mqd) :
			     USER_DOORBELL + fuzz_rnd(r) % 8;
	f->wptr_addr = FUZZ_GART + fuzz_rnd(r) % 16 * 8;
	f->is_gang_suspended = fuzz_rnd(r) % 8 == 0;
	f->map_legacy_kq = fuzz_rnd(r) % 4 == 0;
	f->pipe_id = fuzz_rnd(r) % 4;
	f->queue_id = fuzz_rnd(r) % 8;
}

static size_t unit(struct fuzz_random *r, uint8_t *buf, size_t max)
{
	union {
		uint32_t dw[API_FRAME_SIZE_IN_DWORDS];
		union MES_API_HEADER header;
		union MESAPI_SET_HW_RESOURCES set;
		union MESAPI__ADD_QUEUE add;
		union MESAPI__REMOVE_QUEUE remove;
		union MESAPI__SUSPEND suspend;
		union MESAPI__RESUME resume;
		union MESAPI__RESET reset;
		union MESAPI__MISC misc;
	} f = { 0 };
	unsigned int op = fuzz_rnd(r) % 16, i;

	if (max < sizeof(f))
		return 0;
	f.header.type = MES_API_TYPE_SCHEDULER;
	f.header.dwsize = API_FRAME_SIZE_IN_DWORDS;
	switch (op) {
	case 0:
		f.header.opcode = MES_SCH_API_SET_HW_RSRC;
		f.set.vmid_mask_gfxhub = 0xff0e;
		for (i = 0; i < MAX_COMPUTE_PIPES; i++)
			f.set.compute_hqd_mask[i] = 0xc;
		f.set.gfx_hqd_mask[0] = 2;
		f.set.sdma_hqd_mask[0] = 0xfc;
		break;
	case 1 ... 5:
		f.header.opcode = MES_SCH_API_ADD_QUEUE;
		queue_fields(r, &f.add);
		break;
	case 6:
	case 7:
		f.header.opcode = MES_SCH_API_REMOVE_QUEUE;
		f.remove.doorbell_offset = USER_DOORBELL + fuzz_rnd(r) % 8;
		f.remove.queue_type = fuzz_rnd(r) % 4;
		break;
	case 8:
		f.header.opcode = MES_SCH_API_SUSPEND;
		f.suspend.suspend_all_gangs = fuzz_rnd(r) % 2;
		f.suspend.gang_context_addr = FUZZ_FB + FUZZ_DATA + fuzz_rnd(r) % 4 * 64;
		f.suspend.suspend_fence_addr = FUZZ_GART + 512;
		break;
	case 9:
		f.header.opcode = MES_SCH_API_RESUME;
		f.resume.resume_all_gangs = fuzz_rnd(r) % 2;
		f.resume.gang_context_addr = FUZZ_FB + FUZZ_DATA + fuzz_rnd(r) % 4 * 64;
		break;
	case 10:
		f.header.opcode = MES_SCH_API_RESET;
		f.reset.doorbell_offset = USER_DOORBELL + fuzz_rnd(r) % 8;
		f.reset.queue_type = fuzz_rnd(r) % 4;
		f.reset.reset_legacy_gfx = fuzz_rnd(r) % 4 == 0;
		f.reset.doorbell_offset_lp = USER_DOORBELL + fuzz_rnd(r) % 8;
		break;
	case 11:
		f.header.opcode = MES_SCH_API_MISC;
		f.misc.opcode = fuzz_rnd(r) % 10;
		for (i = 0; i < 6; i++)
			((uint32_t *)&f.misc.read_reg)[i] = fuzz_value(r);
		break;
	case 12:
		f.header.type = STEP_POKE;
		f.dw[1] = MQD(fuzz_rnd(r) % 4) + fuzz_rnd(r) % 2048;
		for (i = 2; i < API_FRAME_SIZE_IN_DWORDS; i++)
			f.dw[i] = fuzz_rnd(r) % 4 ? 0 : fuzz_value(r);
		break;
	case 13:
		f.header.type = STEP_RING;
		f.dw[1] = fuzz_rnd(r);
		f.dw[2] = fuzz_value(r);
		break;
	default:
		f.header.opcode = fuzz_rnd(r) % 24;
		for (i = 1; i < API_FRAME_SIZE_IN_DWORDS; i++)
			f.dw[i] = fuzz_value(r);
	}
	memcpy(buf, &f, sizeof(f));
	return sizeof(f);
}

const struct fuzz_target fuzz_mes = {
	.name = "mes", .run = run, .unit = unit, .align = FRAME, .header = 4,
	.packets = true,
};
