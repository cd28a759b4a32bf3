/* SPDX-License-Identifier: MIT */
/* Reading inputs, the device under test, the list of targets; see fuzz.h. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blocks.h"
#include "hwregs.h"
#include "gc/gc_11_0_0_offset.h"
#include "gc/gc_11_0_0_sh_mask.h"
#include "mmhub/mmhub_3_0_0_offset.h"
#include "oss/osssys_6_0_0_offset.h"
#include "oss/osssys_6_0_0_sh_mask.h"
#include "v11_structs.h"

#define PTE_VALID	(1ull << 0)
#define PTE_SYSTEM	(1ull << 1)
#define PTE_RW		(3ull << 5)
#define GART_PAGES	512u
#define IH_RING		0xe0000u	/* in RAM */

/* ---- inputs ---- */

size_t fuzz_bytes(struct fuzz_in *in, void *buf, size_t n)
{
	size_t have = n < in->len ? n : in->len;

	if (have)
		memcpy(buf, in->data, have);
	memset((char *)buf + have, 0, n - have);
	in->data += have;
	in->len -= have;
	return have;
}

#define GET(bits)							\
uint##bits##_t fuzz_u##bits(struct fuzz_in *in)				\
{									\
	uint##bits##_t v;						\
									\
	fuzz_bytes(in, &v, sizeof(v));					\
	return v;							\
}

GET(8)
GET(16)
GET(32)
GET(64)

uint32_t fuzz_rnd(struct fuzz_random *r)
{
	r->state ^= r->state >> 12;
	r->state ^= r->state << 25;
	r->state ^= r->state >> 27;
	return r->state * 2685821657736338717ull >> 32;
}

uint32_t fuzz_value(struct fuzz_random *r)
{
	switch (fuzz_rnd(r) % 12) {
	case 0:
		return 0;
	case 1:
		return fuzz_rnd(r) % 4;
	case 2:
		return UINT32_MAX - fuzz_rnd(r) % 2;
	case 3:
		return 1u << fuzz_rnd(r) % 32;
	case 4:
		return fuzz_rnd(r) & 0xfff;
	case 5:		/* high halves of addresses that mean something */
		return FUZZ_FB >> 32;
	case 6:
		return FUZZ_GART >> 32;
	case 7:
		return FUZZ_DATA + (fuzz_rnd(r) & 0xffc);
	case 8:
		return FUZZ_IB + (fuzz_rnd(r) & 0x3e0);
	case 9:
		return fuzz_rnd(r) % FUZZ_VRAM & ~3u;
	default:
		return fuzz_rnd(r);
	}
}

/* ---- device ---- */

static void reg64(struct fake_host *h, uint32_t lo, uint64_t v)
{
	vgpu_reg_write(h->dev, lo, v);
	vgpu_reg_write(h->dev, lo + 1, v >> 32);
}

/*
 * One table of GART entries, and for users a tree of one entry per level: a
 * root whose first entry leads to a page table of 512 pages.
 */
static void tables(struct fake_host *h)
{
	const struct {
		uint32_t cntl, base, start, end;
	} hubs[] = {
#define HUB(ip, vm) {							\
	VREG(ip, reg##vm##_CONTEXT0_CNTL),				\
	VREG(ip, reg##vm##_CONTEXT0_PAGE_TABLE_BASE_ADDR_LO32),		\
	VREG(ip, reg##vm##_CONTEXT0_PAGE_TABLE_START_ADDR_LO32),	\
	VREG(ip, reg##vm##_CONTEXT0_PAGE_TABLE_END_ADDR_LO32) }
		HUB(GC, GCVM), HUB(MMHUB, MMVM),
	};
	uint64_t *gart = (uint64_t *)(h->vram + FUZZ_TABLES);
	uint64_t *table = gart + 512;
	unsigned int i, k;

	for (i = 0; i < GART_PAGES; i++)
		gart[i] = PTE_VALID | PTE_SYSTEM | PTE_RW |
			  (FAKE_RAM_BASE + (i << 12) % FUZZ_RAM);
	for (i = 0; i < 512; i++)
		table[i] = PTE_VALID | PTE_RW | (i < 256 ?
			   PTE_SYSTEM | (FAKE_RAM_BASE + (i << 12)) :
			   (i - 256ull) << 12);
	for (k = 1; k <= 3; k++)
		table[512 * k] = PTE_VALID | (FUZZ_TABLES + 4096 * k);
	for (i = 0; i < ARRAY_SIZE(hubs); i++) {
		reg64(h, hubs[i].base, FUZZ_TABLES | PTE_VALID);
		reg64(h, hubs[i].start, FUZZ_GART >> 12);
		reg64(h, hubs[i].end, (FUZZ_GART >> 12) + GART_PAGES - 1);
		vgpu_reg_write(h->dev, hubs[i].cntl,
			       GCVM_CONTEXT0_CNTL__ENABLE_CONTEXT_MASK);
		for (k = 1; k <= FUZZ_USER_VMIDS; k++) {
			reg64(h, hubs[i].base + 2 * k,
			      (FUZZ_TABLES + 4096 * 4) | PTE_VALID);
			reg64(h, hubs[i].start + 2 * k, 0);
			reg64(h, hubs[i].end + 2 * k, (1ull << 36) - 1);
			vgpu_reg_write(h->dev, hubs[i].cntl + k,
				       GCVM_CONTEXT1_CNTL__ENABLE_CONTEXT_MASK |
				       VFIELD(GCVM_CONTEXT1_CNTL, PAGE_TABLE_DEPTH, 3) |
				       0x00fffe00);
		}
	}
}

static void interrupts(struct fake_host *h)
{
	uint64_t ring = FAKE_RAM_BASE + IH_RING;

	vgpu_reg_write(h->dev, VREG(OSSSYS, regIH_RB_BASE), ring >> 8);
	vgpu_reg_write(h->dev, VREG(OSSSYS, regIH_RB_BASE_HI), ring >> 40);
	vgpu_reg_write(h->dev, VREG(OSSSYS, regIH_RB_WPTR_ADDR_LO), ring + 4096);
	vgpu_reg_write(h->dev, VREG(OSSSYS, regIH_RB_WPTR_ADDR_HI), ring >> 32);
	vgpu_reg_write(h->dev, VREG(OSSSYS, regIH_RB_CNTL),
		       VFIELD(IH_RB_CNTL, RB_ENABLE, 1) |
		       VFIELD(IH_RB_CNTL, MC_SPACE, 2) |
		       VFIELD(IH_RB_CNTL, RB_SIZE, 10) |
		       VFIELD(IH_RB_CNTL, WPTR_WRITEBACK_ENABLE, 1) |
		       VFIELD(IH_RB_CNTL, ENABLE_INTR, 1));
}

/*
 * To make a device takes longer than most inputs: one is kept for each mode. A reset is all
 * that a guest can do to have a new one, so it must leave nothing behind.
 */
#define INPUTS_PER_DEVICE	256

static struct {
	struct fake_host *h;
	unsigned int inputs;
} kept[2];

static void end_all(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kept); i++)
		if (kept[i].h)
			fake_host_destroy(kept[i].h);
	memset(kept, 0, sizeof(kept));
}

struct fake_host *fuzz_host(bool strict)
{
	static bool registered;
	struct fake_host *h = kept[strict].h;

	if (!registered)
		atexit(end_all);
	registered = true;
	if (h && ++kept[strict].inputs == INPUTS_PER_DEVICE) {
		fake_host_destroy(h);
		h = NULL;
	}
	if (!h) {
		h = fake_host_create(vgpu_all_blocks, FUZZ_RAM, FUZZ_VRAM, strict);
		if (!h) {
			fprintf(stderr, "fuzz: no device\n");
			abort();
		}
		kept[strict].h = h;
		kept[strict].inputs = 0;
	}
	fuzz_queues_begin();
	tables(h);
	interrupts(h);
	return h;
}

void fuzz_host_end(struct fake_host *h)
{
	fuzz_queues_run();
	h->hole_start = h->hole_end = 0;
	h->hole_readable = false;
	vgpu_reset(h->dev);
	memset(h->ram, 0, FUZZ_RAM);
	memset(h->vram, 0, FUZZ_VRAM);
}

void fuzz_mqd_doorbell(void *mqd, enum vgpu_engine engine, uint32_t doorbell)
{
	struct v11_gfx_mqd *g = mqd;
	struct v11_compute_mqd *c = mqd;
	struct v11_sdma_mqd *s = mqd;

	switch (engine) {
	case VGPU_ENGINE_GFX:
		g->cp_rb_doorbell_control = VFIELD(CP_RB_DOORBELL_CONTROL, DOORBELL_EN, 1) |
			VFIELD(CP_RB_DOORBELL_CONTROL, DOORBELL_OFFSET, doorbell);
		break;
	case VGPU_ENGINE_COMPUTE:
		c->cp_hqd_pq_doorbell_control =
			VFIELD(CP_HQD_PQ_DOORBELL_CONTROL, DOORBELL_EN, 1) |
			VFIELD(CP_HQD_PQ_DOORBELL_CONTROL, DOORBELL_OFFSET, doorbell);
		break;
	default:
		s->sdmax_rlcx_doorbell = VFIELD(SDMA0_QUEUE0_DOORBELL, ENABLE, 1);
		s->sdmax_rlcx_doorbell_offset =
			VFIELD(SDMA0_QUEUE0_DOORBELL_OFFSET, OFFSET, doorbell);
	}
}

/* ---- targets ---- */

const struct fuzz_target *const fuzz_targets[] = {
	&fuzz_regs, &fuzz_gfx, &fuzz_compute, &fuzz_kiq, &fuzz_sdma, &fuzz_mes,
	&fuzz_walk, &fuzz_control,
#ifdef FUZZ_TRANSPORT
	&fuzz_socket,
#endif
	NULL,
};

const struct fuzz_target *fuzz_find(const char *name)
{
	unsigned int i;

	for (i = 0; name && fuzz_targets[i]; i++)
		if (!strcmp(fuzz_targets[i]->name, name))
			return fuzz_targets[i];
	return NULL;
}
