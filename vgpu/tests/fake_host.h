/* SPDX-License-Identifier: MIT */
/*
 * A host without a guest: RAM at a fixed DMA address, VRAM, recorded
 * interrupts and log lines. Replaces transport.c in unit tests.
 */
#ifndef VGPU_FAKE_HOST_H
#define VGPU_FAKE_HOST_H

#include "device.h"

/* DMA address of the first byte of fake guest memory. */
#define FAKE_RAM_BASE	0x100000000ull

struct fake_host {
	uint8_t *ram;
	size_t ram_size;
	uint8_t *vram;
	size_t vram_size;
	/* A hole in guest memory: [hole_start, hole_end) as DMA addresses. */
	uint64_t hole_start, hole_end;
	bool hole_readable;	/* mapped, but for reading only */
	struct vgpu *dev;

	/* Changed by any thread: read through the functions below. */
	unsigned int irqs[64];
	unsigned int logs[VGPU_LOG_TRACE + 1];
	char last_log[256];	/* last line of level ERROR, GUEST or UNIMP */
};

/*
 * A device made of @blocks (NULL-terminated) on a new fake host; @strict: see
 * struct vgpu_config. Sizes in bytes. NULL on failure.
 */
struct fake_host *fake_host_create(const struct vgpu_block *const *blocks,
				   size_t ram_size, size_t vram_size,
				   bool strict);
/* The same with faults injected: @broken is a mask of enum vgpu_break. */
struct fake_host *fake_host_create_broken(const struct vgpu_block *const *blocks,
					  size_t ram_size, size_t vram_size,
					  bool strict, uint32_t broken);
void fake_host_destroy(struct fake_host *h);
unsigned int fake_host_irqs(struct fake_host *h, unsigned int vector);
unsigned int fake_host_logs(struct fake_host *h, enum vgpu_log_level level);

#endif
