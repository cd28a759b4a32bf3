/* SPDX-License-Identifier: MIT */
/*
 * The frame of the fuzzers: one program holds all targets. An input is a
 * script, a sequence of steps that a target reads by fuzz_u8() and its like;
 * where the input ends, they give zeros.
 *
 * Queues execute on the caller's thread (fuzz_queue.c), so that an input does
 * the same each time, but for the threads of power management and of the
 * scheduler. tests/fuzz_test.c is the one with threads.
 */
#ifndef VGPU_FUZZ_H
#define VGPU_FUZZ_H

#include "fake_host.h"

/* The largest input worth having; seeds are smaller. */
#define FUZZ_MAX	4096u

#define FUZZ_RAM	(1u << 20)
#define FUZZ_VRAM	(2u << 20)
/* Where VMID 0 sees VRAM (gmc.c) and, by the GART, all of RAM. */
#define FUZZ_FB		0x8000000000ull
#define FUZZ_GART	0x7fff00000000ull
/* VMIDs 1 to 3 see RAM at 0 and the first MiB of VRAM behind it. */
#define FUZZ_USER_VMIDS	3

/* Offsets in VRAM. Below FUZZ_TABLES is room for what a target wants. */
#define FUZZ_RING	0x10000u
#define FUZZ_IB		0x20000u
#define FUZZ_MQD	0x30000u	/* 2 KiB each */
#define FUZZ_DATA	0x40000u
#define FUZZ_TABLES	0x100000u

struct fuzz_in {
	const uint8_t *data;
	size_t len;
};

uint8_t fuzz_u8(struct fuzz_in *in);
uint16_t fuzz_u16(struct fuzz_in *in);
uint32_t fuzz_u32(struct fuzz_in *in);
uint64_t fuzz_u64(struct fuzz_in *in);
/* Up to @n bytes to @buf, zeros behind; returns how many there were. */
size_t fuzz_bytes(struct fuzz_in *in, void *buf, size_t n);

struct fuzz_random {
	uint64_t state;
};

uint32_t fuzz_rnd(struct fuzz_random *r);
/* A dword that matters more often than chance would have it. */
uint32_t fuzz_value(struct fuzz_random *r);

struct fuzz_target {
	const char *name;
	void (*run)(struct fuzz_in *in);
	/*
	 * One well-formed unit (packet, frame, step) of at most @max bytes, for
	 * the mutator to insert; returns its length.
	 */
	size_t (*unit)(struct fuzz_random *r, uint8_t *buf, size_t max);
	/* Units begin at multiples of this, after the header of so many bytes. */
	unsigned int align, header;
	/* Units are what a queue executes: of a kept input at least one must be. */
	bool packets;
};

extern const struct fuzz_target fuzz_regs, fuzz_gfx, fuzz_compute, fuzz_kiq,
				fuzz_sdma, fuzz_mes, fuzz_walk, fuzz_control, fuzz_socket;
/* NULL-terminated. Without libvfio-user there is no fuzz_socket. */
extern const struct fuzz_target *const fuzz_targets[];
const struct fuzz_target *fuzz_find(const char *name);

/*
 * The whole device on a fake host, as after a reset, with the apertures and page tables
 * above; fuzz_host_end() gives it back. Ends the program if there is no memory for it.
 */
struct fake_host *fuzz_host(bool strict);
void fuzz_host_end(struct fake_host *h);
/* The queue of the MQD at @mqd hears this doorbell, once it is mapped with it. */
void fuzz_mqd_doorbell(void *mqd, enum vgpu_engine engine, uint32_t doorbell);

/* ---- fuzz_queue.c ---- */

/* Let queues execute what they have, one after the other, within limits. */
void fuzz_queues_run(void);
/*
 * @on: a queue executes at once when its write pointer moves, for a target whose steps are
 * not its own calls.
 */
void fuzz_queues_eager(bool on);
/* A new input: all limits begin anew. */
void fuzz_queues_begin(void);
/* How many packets were executed since, by all queues. */
unsigned int fuzz_queues_packets(void);

#endif
