/* SPDX-License-Identifier: MIT */
/*
 * What a guest can do to the whole device: any register, any doorbell, any
 * memory contents, resets in between. Nothing is claimed but that the device
 * neither crashes nor hangs, which sanitizers and the time limit watch.
 * VGPU_FUZZ_SEED repeats a run, VGPU_FUZZ_ROUNDS makes it longer.
 */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "blocks.h"
#include "fake_host.h"
#include "hwregs.h"
#include "test.h"

#include "gc/gc_11_0_0_offset.h"

#define RAM	(4u << 20)
#define VRAM	(4u << 20)
/* Where the device has VRAM, see gmc.c. */
#define FB_BASE	0x8000000000ull

static uint64_t state;

/* xorshift64*: the same numbers on every machine. */
static uint32_t rnd(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 2685821657736338717ull >> 32;
}

/* Values that matter more often than chance would have it. */
static uint32_t value(void)
{
	switch (rnd() % 9) {
	case 0:
		return 0;
	case 1:
		return 1;
	case 2:
		return UINT32_MAX;
	case 3:
		return 1u << rnd() % 32;
	case 4:
		return rnd() & 0xfff;
	case 5:		/* halves of addresses in VRAM */
		return FB_BASE >> 32;
	case 6:
		return rnd() % VRAM & ~3;
	default:
		return rnd();
	}
}

static uint64_t parameter(const char *name, uint64_t fallback)
{
	const char *s = getenv(name);

	return s ? strtoull(s, NULL, 0) : fallback;
}

static void seed(void)
{
	state = parameter("VGPU_FUZZ_SEED", time(NULL)) | 1;
	printf("# VGPU_FUZZ_SEED=%llu\n", (unsigned long long)state);
	fflush(stdout);
}

/* Packets of both engines' shapes over all of memory. */
static void fill(struct fake_host *h)
{
	uint32_t *vram = (uint32_t *)h->vram, *ram = (uint32_t *)h->ram;
	size_t i;

	for (i = 0; i < VRAM / 4; i++)
		vram[i] = rnd() % 2 ? 0xc0000000 | (rnd() & 0xff00) |
				      (rnd() % 8) << 16 : value();
	for (i = 0; i < RAM / 4; i++)
		ram[i] = rnd() % 2 ? (rnd() & 0x3f0f0013) : value();
}

static uint32_t some_register(void)
{
	switch (rnd() % 4) {
	case 0:		/* SDMA queues */
		return VREG(GC, regSDMA0_QUEUE0_RB_CNTL) + rnd() % 0x300;
	case 1:		/* queue descriptors */
		return VREG(GC, regCP_MQD_BASE_ADDR) + rnd() % 0x80;
	case 2:
		return rnd() % (512 * 1024 / 4);
	default:	/* memory hubs, interrupt ring, selection of a queue */
		switch (rnd() % 4) {
		case 0:
			return VREG(GC, regGCVM_CONTEXT0_CNTL) + rnd() % 0x200;
		case 1:
			return 0x1a000 + rnd() % 0x1000;
		case 2:
			return 0x10a0 + rnd() % 0x200;
		default:
			return VREG(GC, regGRBM_GFX_CNTL);
		}
	}
}

static void registers_and_doorbells(void)
{
	uint64_t rounds = parameter("VGPU_FUZZ_ROUNDS", 30000), i;
	struct fake_host *h;

	seed();
	h = fake_host_create(vgpu_all_blocks, RAM, VRAM, rnd() % 2);
	REQUIRE(h);
	fill(h);
	for (i = 0; i < rounds; i++) {
		switch (rnd() % 16) {
		case 0:
			vgpu_doorbell_ring(h->dev, rnd() % 0x400,
					   rnd() % 4 ? rnd() % 256 : rnd(), 8);
			break;
		case 1:
			vgpu_reg_read(h->dev, some_register());
			break;
		case 2:
			if (rnd() % 256 == 0)
				vgpu_reset(h->dev);
			break;
		default:
			vgpu_reg_write(h->dev, some_register(), value());
		}
	}
	vgpu_reset(h->dev);
	fake_host_destroy(h);
}

static void show(void *arg, enum vgpu_log_level level, const char *what,
		 uint64_t n)
{
	(void)arg;
	printf("# %llu %d %s\n", (unsigned long long)n, level, what);
}

#define RING_DW		1024

/* Packets of the right length and mostly known kinds; the rest is chance. */
static void pm4_ring(uint32_t *ring)
{
	static const uint8_t known[] = {
		0x10, 0x1e, 0x22, 0x37, 0x3c, 0x3f, 0x40, 0x42, 0x46, 0x49, 0x50,
		0x58, 0x69, 0x76, 0x79, 0x90, 0x98, 0xa0, 0xa2, 0xa3, 0xa4, 0xd0,
	};
	unsigned int at = 0, n;
	uint32_t op;

	while (at + 20 < RING_DW) {
		op = rnd() % 16 ? known[rnd() % sizeof(known)] : rnd() & 0xff;
		n = rnd() % 16;
		ring[at++] = 0xc0000000 | n << 16 | op << 8;
		for (n++; n; n--)
			ring[at++] = value();
	}
	while (at < RING_DW)
		ring[at++] = 0xffff1000;
}

/* Length in dwords of the packets sdma_v6_0.c emits, by opcode. */
static void sdma_ring(uint32_t *ring)
{
	static const uint8_t length[] = {
		1, 7, 5, 0, 6, 4, 2, 0, 6, 5, 8, 5, 10, 3, 3, 0, 5, 5,
	};
	unsigned int at = 0, n;
	uint32_t op;

	while (at + 20 < RING_DW) {
		op = rnd() % sizeof(length);
		n = length[op] ? length[op] : 1;
		ring[at++] = op | (rnd() % 4 ? 0 : rnd() & 0xff00) |
			     (rnd() % 4 ? 0 : rnd() & 0xffff0000);
		for (n--; n; n--)
			ring[at++] = value();
	}
	memset(ring + at, 0, (RING_DW - at) * sizeof(*ring));
}

static void packets(void)
{
	uint64_t rounds = parameter("VGPU_FUZZ_ROUNDS", 30000) / 300, i;
	const uint32_t pm4 = 0x10000, sdma = 0x20000;
	uint64_t executed = 0;
	struct fake_host *h;
	unsigned int j;

	seed();
	for (i = 0; i < rounds; i++) {
		h = fake_host_create(vgpu_all_blocks, RAM, VRAM, rnd() % 2);
		REQUIRE(h);
		fill(h);
		pm4_ring((uint32_t *)(h->vram + pm4));
		sdma_ring((uint32_t *)(h->vram + sdma));
		vgpu_reg_write(h->dev, VREG(GC, regSDMA0_F32_CNTL), 0);
		vgpu_reg_write(h->dev, VREG(GC, regSDMA0_QUEUE0_RB_BASE),
			       (FB_BASE + sdma) >> 8);
		vgpu_reg_write(h->dev, VREG(GC, regSDMA0_QUEUE0_RB_CNTL), 1 | 10 << 1);
		vgpu_reg_write(h->dev, VREG(GC, regGRBM_GFX_CNTL), rnd() & 0x7f);
		vgpu_reg_write(h->dev, VREG(GC, regCP_HQD_PQ_BASE),
			       (FB_BASE + pm4) >> 8);
		vgpu_reg_write(h->dev, VREG(GC, regCP_HQD_PQ_CONTROL), 9);
		vgpu_reg_write(h->dev, VREG(GC, regCP_HQD_PQ_DOORBELL_CONTROL),
			       1u << 30 | 0x18 << 2);
		vgpu_reg_write(h->dev, VREG(GC, regCP_HQD_ACTIVE), 1);
		for (j = 0; j < 10; j++) {
			vgpu_reg_write(h->dev, VREG(GC, regSDMA0_QUEUE0_RB_WPTR),
				       rnd() % (RING_DW * 4) & ~3);
			vgpu_reg_write(h->dev, VREG(GC, regSDMA0_QUEUE0_RB_WPTR_HI), 0);
			vgpu_doorbell_ring(h->dev, 0x18, rnd() % RING_DW, 8);
			test_sleep_us(rnd() % 200);
		}
		vgpu_reset(h->dev);
		executed += vgpu_counted_event(h->dev, "queue: packets");
		if (getenv("VGPU_TEST_COUNTERS"))
			vgpu_counters(h->dev, show, NULL);
		fake_host_destroy(h);
	}
	/* Otherwise this tests nothing. */
	CHECK(executed > rounds);
}

static const struct test_case cases[] = {
	{ "registers-and-doorbells", registers_and_doorbells },
	{ "packets", packets },
};
TEST_MAIN(cases)
