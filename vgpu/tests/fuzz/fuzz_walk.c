/* SPDX-License-Identifier: MIT */
/*
 * The memory controller: any contents of page tables and context registers, any address.
 * An input is a sequence of steps of 16 bytes: what, hub, VMID, size, then a number of 32
 * and one of 64 bits.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "hwregs.h"
#include "gc/gc_11_0_0_offset.h"
#include "gc/gc_11_0_0_sh_mask.h"

#define STEP		16
/* One access: more only takes longer. The rarer ones cross what is done at once. */
#define MAX_LEN		(65536u)
#define MAX_LEN_RARE	(3u << 20)

enum step {
	STEP_CONTEXT,		/* one register of a context or aperture */
	STEP_VRAM, STEP_RAM,	/* one entry of a table */
	STEP_MAP,		/* a leaf where the set-up's tables lead */
	STEP_READ, STEP_WRITE, STEP_COPY, STEP_FILL,
	STEP_WORD, STEP_ATOMIC,
	STEP_FLUSH, STEP_VMID, STEP_HOLE, STEP_DMA,
	STEPS
};

static uint64_t add(uint64_t old, void *arg)
{
	return old + *(uint64_t *)arg;
}

static void context(struct fake_host *h, uint8_t size, uint32_t a, uint64_t b)
{
	static const uint32_t first[] = {
		VREG(GC, regGCVM_CONTEXT0_CNTL),
		VREG(GC, regGCVM_CONTEXT0_PAGE_TABLE_BASE_ADDR_LO32),
		VREG(GC, regGCVM_CONTEXT0_PAGE_TABLE_START_ADDR_LO32),
		VREG(GC, regGCVM_CONTEXT0_PAGE_TABLE_END_ADDR_LO32),
		VREG(GC, regGCMC_VM_FB_LOCATION_BASE) - 16,
		VREG(GC, regGCMC_VM_AGP_TOP) - 8,
		VREG(GC, regGCVM_L2_CNTL),
		VREG(GC, regGCVM_INVALIDATE_ENG0_SEM),
	};

	vgpu_reg_write(h->dev, first[size % ARRAY_SIZE(first)] + a % 64, b);
}

static void step(struct fake_host *h, struct fuzz_in *in)
{
	static uint8_t buf[MAX_LEN_RARE];
	uint8_t what = fuzz_u8(in), hub = fuzz_u8(in), vmid = fuzz_u8(in);
	uint8_t size = fuzz_u8(in);
	uint32_t a = fuzz_u32(in);
	uint64_t b = fuzz_u64(in), old;
	struct vgpu_client c = {
		.hub = hub & 1 ? VGPU_HUB_MM : VGPU_HUB_GC,
		.vmid = vmid & 15, .cid = hub >> 1, .ring_id = size,
	};
	size_t len = (a >> (size & 31)) % (size == 0x40 ? MAX_LEN_RARE : MAX_LEN) + 1;

	switch (what % STEPS) {
	case STEP_CONTEXT:
		context(h, size, a, b);
		break;
	case STEP_VRAM:
		memcpy(h->vram + a % (FUZZ_VRAM / 8) * 8, &b, 8);
		break;
	case STEP_RAM:
		memcpy(h->ram + a % (FUZZ_RAM / 8) * 8, &b, 8);
		break;
	case STEP_MAP:
		memcpy(h->vram + FUZZ_TABLES + a % 2560 * 8, &b, 8);
		break;
	case STEP_READ:
		vgpu_mem_read(h->dev, &c, b, buf, len);
		break;
	case STEP_WRITE:
		vgpu_mem_write(h->dev, &c, b, buf, len);
		break;
	case STEP_COPY:
		/* Overlap both ways. */
		vgpu_mem_copy(h->dev, &c, b, b + (int32_t)a, len);
		break;
	case STEP_FILL:
		vgpu_mem_fill(h->dev, &c, b, a, len & ~3ull);
		break;
	case STEP_WORD:
		if (size & 1)
			vgpu_mem_read64(h->dev, &c, b, &old);
		else
			vgpu_mem_write32(h->dev, &c, b, a);
		break;
	case STEP_ATOMIC:
		vgpu_mem_atomic(h->dev, &c, b, size & 1 ? 8 : size & 2 ? 4 : size,
				add, &b, &old);
		break;
	case STEP_FLUSH:
		vgpu_tlb_flush(h->dev, c.hub, a);
		break;
	case STEP_VMID:
		vgpu_vmid_set(h->dev, vmid, b, a);
		break;
	case STEP_HOLE:
		h->hole_start = FAKE_RAM_BASE + (a % FUZZ_RAM & ~4095u);
		h->hole_end = h->hole_start + (size << 12);
		h->hole_readable = hub & 1;
		break;
	case STEP_DMA:
		if (size & 1)
			vgpu_dma_write(h->dev, "fuzz", b, buf, a % 65536);
		else
			vgpu_dma_read(h->dev, "fuzz", b, buf, a % 65536);
		break;
	}
}

static void run(struct fuzz_in *in)
{
	struct fake_host *h = fuzz_host(fuzz_u32(in) & 1);

	while (in->len)
		step(h, in);
	fuzz_host_end(h);
}

static uint64_t entry(struct fuzz_random *r)
{
	uint64_t e = fuzz_rnd(r) & 0x7f;

	e |= (uint64_t)(fuzz_rnd(r) % 32) << 7;
	switch (fuzz_rnd(r) % 5) {
	case 0:
		e |= FAKE_RAM_BASE + (fuzz_rnd(r) % FUZZ_RAM & ~4095u) + 2;
		break;
	case 1:
		e |= fuzz_rnd(r) % FUZZ_VRAM & ~4095u;
		break;
	case 2:
		e |= (FUZZ_TABLES + fuzz_rnd(r) % 5 * 4096) | 1;
		break;
	case 3:
		e |= (uint64_t)fuzz_rnd(r) << 20;
		break;
	}
	if (fuzz_rnd(r) % 3 == 0)
		e |= 1ull << (48 + fuzz_rnd(r) % 16);
	return e;
}

static uint64_t address(struct fuzz_random *r)
{
	switch (fuzz_rnd(r) % 7) {
	case 0:
		return FUZZ_FB + fuzz_rnd(r) % (FUZZ_VRAM + 8192);
	case 1:
		return FUZZ_GART + fuzz_rnd(r) % (512 * 4096 + 8192);
	case 2:
		return fuzz_rnd(r) % (2u << 20);
	case 3:
		return (1ull << fuzz_rnd(r) % 64) - fuzz_rnd(r) % 3;
	case 4:
		return -(uint64_t)(fuzz_rnd(r) & 0x1fff);
	default:
		return (uint64_t)fuzz_rnd(r) << (fuzz_rnd(r) % 32);
	}
}

static size_t unit(struct fuzz_random *r, uint8_t *buf, size_t max)
{
	uint8_t what = fuzz_rnd(r) % STEPS;
	uint32_t a = fuzz_value(r);
	uint64_t b;

	if (max < STEP)
		return 0;
	switch (what) {
	case STEP_CONTEXT:
		b = fuzz_value(r);
		break;
	case STEP_VRAM:
	case STEP_RAM:
	case STEP_MAP:
	case STEP_VMID:
		b = entry(r);
		break;
	default:
		b = address(r);
		if (fuzz_rnd(r) % 2)
			a = fuzz_rnd(r) & 0x3fff;
	}
	buf[0] = what;
	buf[1] = fuzz_rnd(r);
	buf[2] = fuzz_rnd(r) % 4;
	buf[3] = fuzz_rnd(r) % 4 ? 0 : fuzz_rnd(r);
	memcpy(buf + 4, &a, 4);
	memcpy(buf + 8, &b, 8);
	return STEP;
}

const struct fuzz_target fuzz_walk = {
	.name = "walk", .run = run, .unit = unit, .align = STEP, .header = 4,
};
