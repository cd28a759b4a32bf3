/* SPDX-License-Identifier: MIT */
/*
 * Registers and doorbells: any of them, any value, in any order, with whatever is in memory,
 * and resets in between. An input is a sequence of steps of 12 bytes: what, a number of
 * 24 bits (register, doorbell, address), and a value of 64.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "hwregs.h"
#include "gc/gc_11_0_0_offset.h"
#include "gc/gc_11_0_0_sh_mask.h"
#include "mmhub/mmhub_3_0_0_offset.h"
#include "oss/osssys_6_0_0_offset.h"

#define STEP	12

enum step {
	STEP_WRITE, STEP_READ, STEP_DOORBELL, STEP_POKE, STEP_POKE_RAM,
	STEP_RUN, STEP_RESET, STEPS
};

static void run(struct fuzz_in *in)
{
	struct fake_host *h = fuzz_host(fuzz_u32(in) & 1);

	while (in->len) {
		uint32_t w = fuzz_u32(in), what = w & 0xff, n = w >> 8;
		uint64_t v = fuzz_u64(in);

		switch (what % STEPS) {
		case STEP_WRITE:
			vgpu_reg_write(h->dev, n, v);
			break;
		case STEP_READ:
			vgpu_reg_read(h->dev, n);
			break;
		case STEP_DOORBELL:
			vgpu_doorbell_ring(h->dev, n, v, 8);
			break;
		case STEP_POKE:
			memcpy(h->vram + n % (FUZZ_VRAM / 8) * 8, &v, 8);
			break;
		case STEP_POKE_RAM:
			memcpy(h->ram + n % (FUZZ_RAM / 8) * 8, &v, 8);
			break;
		case STEP_RUN:
			fuzz_queues_run();
			break;
		case STEP_RESET:
			/* Dear, and the same each time. */
			if (v % 16 == 0)
				vgpu_reset(h->dev);
			break;
		}
	}
	fuzz_host_end(h);
}

/* Registers with behaviour and their neighbours. */
static uint32_t some_register(struct fuzz_random *r)
{
	static const uint32_t first[][2] = {
		{ VREG(GC, regSDMA0_QUEUE0_RB_CNTL), 0x80 },
		{ VREG(GC, regSDMA0_F32_CNTL), 1 },
		{ VREG(GC, regSDMA0_QUEUE_RESET_REQ), 1 },
		{ VREG(GC, regCP_MQD_BASE_ADDR), 64 },
		{ VREG(GC, regCP_GFX_MQD_BASE_ADDR), 35 },
		{ VREG(GC, regCP_HQD_ACTIVE), 1 },
		{ VREG(GC, regCP_GFX_HQD_ACTIVE), 1 },
		{ VREG(GC, regGRBM_GFX_CNTL), 1 },
		{ VREG(GC, regCP_VMID_RESET), 1 },
		{ VREG(GC, regGRBM_SOFT_RESET), 1 },
		{ VREG(GC, regCP_MES_CNTL), 1 },
		{ VREG(GC, regGCVM_CONTEXT0_CNTL), 0x300 },
		{ VREG(MMHUB, regMMVM_CONTEXT0_CNTL), 0x300 },
		{ VREG(OSSSYS, regIH_VMID_0_LUT), 0x200 },
		{ 0, 0x20 },			/* NBIO's index and data */
		{ 0x16268, 0x40 },		/* mailboxes */
		{ 0, 1u << 17 },
		{ 0, 1u << 24 },
	};
	unsigned int i = fuzz_rnd(r) % ARRAY_SIZE(first);

	return first[i][0] + fuzz_rnd(r) % first[i][1];
}

static size_t unit(struct fuzz_random *r, uint8_t *buf, size_t max)
{
	static const uint8_t often[] = {
		STEP_WRITE, STEP_WRITE, STEP_WRITE, STEP_WRITE, STEP_WRITE,
		STEP_WRITE, STEP_READ, STEP_DOORBELL, STEP_POKE, STEP_POKE_RAM,
		STEP_RUN, STEP_RESET,
	};
	uint32_t what = often[fuzz_rnd(r) % sizeof(often)], w;
	uint64_t v = fuzz_value(r);

	if (max < STEP)
		return 0;
	if (what == STEP_WRITE || what == STEP_READ)
		w = some_register(r);
	else if (what == STEP_POKE)
		w = (FUZZ_RING + fuzz_rnd(r) % 0x40000) / 8;
	else
		w = fuzz_value(r) % 0x1000;
	if (what >= STEP_POKE)
		v |= (uint64_t)fuzz_value(r) << 32;
	w = w << 8 | what;
	memcpy(buf, &w, 4);
	memcpy(buf + 4, &v, 8);
	return STEP;
}

const struct fuzz_target fuzz_regs = {
	.name = "regs", .run = run, .unit = unit, .align = STEP, .header = 4,
};
