/* SPDX-License-Identifier: MIT */
/*
 * What a copy of 1 GiB costs the device: `meson test --benchmark`. For each kind
 * of mapping the seconds of processor time of the first copy, which fills the TLB, and
 * of the second one. Nothing is judged.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "gmc_rig.h"

#define VMID	3
#define SRC	(1ull << 34)
#define DST	(1ull << 35)
#define GIB	(1ull << 30)
#define HUGE	(2ull << 20)
/* As much as the driver writes into one packet. */
#define PACKET	(2ull << 20)

enum kind { VRAM_2M, VRAM_4K, RAM_2M, RAM_4K, RAM_64K };

static const char *const names[] = {
	"VRAM, 2 MiB entries", "VRAM, 4 KiB entries", "GTT, 2 MiB entries",
	"GTT, 4 KiB entries", "GTT, 64 KiB fragments",
};

static const struct {
	enum kind src, dst;
} rows[] = {
	{ VRAM_2M, RAM_4K }, { RAM_4K, VRAM_2M }, { RAM_4K, RAM_4K },
	{ RAM_64K, RAM_64K }, { RAM_2M, RAM_2M }, { VRAM_2M, VRAM_2M },
	{ VRAM_4K, VRAM_4K },
};

/* 1 GiB of addresses, over 4 MiB of memory at @at again and again. */
static void map(struct rig *rig, uint64_t va, enum kind kind, uint64_t at)
{
	const uint64_t window = 2 * HUGE;
	uint64_t off, pte;

	for (off = 0; off < GIB; off += pte) {
		uint64_t mem = at + off % window;

		if (kind == VRAM_2M || kind == RAM_2M) {
			*rig_entry(rig, VMID, va + off, 1) = PDE_PTE_BIT |
				(kind == VRAM_2M ? PTE_VRAM(mem) : PTE_RAM(mem));
			pte = HUGE;
			continue;
		}
		rig_map(rig, VMID, va + off, (kind == RAM_64K ? PTE_FRAG_OF(4) : 0) |
			(kind == VRAM_4K ? PTE_VRAM(mem) : PTE_RAM(mem)));
		pte = 4096;
	}
}

static double cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static double copy(struct rig *rig)
{
	struct vgpu_client c = rig_client(VMID);
	double start = cpu();
	uint64_t off;

	for (off = 0; off < GIB; off += PACKET)
		if (vgpu_mem_copy(rig->dev, &c, DST + off, SRC + off, PACKET))
			exit(1);
	return cpu() - start;
}

int main(void)
{
	unsigned int i;

	printf("%-24s%-24s%8s%8s   seconds for 1 GiB\n", "from", "to", "first", "again");
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rig rig;
		double first;

		if (rig_init(&rig, true, 0))
			return 1;
		map(&rig, SRC, rows[i].src, 4 << 20);
		map(&rig, DST, rows[i].dst, 8 << 20);
		first = copy(&rig);
		printf("%-24s%-24s%8.3f%8.3f\n", names[rows[i].src], names[rows[i].dst],
		       first, copy(&rig));
		rig_fini(&rig);
	}
	return 0;
}
