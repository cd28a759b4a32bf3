/* SPDX-License-Identifier: MIT */
/*
 * Queues as a driver sets them up, on fake memory: MQD, ring, pointers,
 * doorbell. For the tests of the command processor and the scheduler.
 */
#ifndef VGPU_CP_RIG_H
#define VGPU_CP_RIG_H

#include "fake_host.h"
#include "fake_mem.h"
#include "hwregs.h"
#include "nvd.h"

#define RIG_RING_DW	1024
/* Each ring has its 64 KiB of fake memory; tests use what is below 64 KiB. */
#define RIG_RINGS	16

struct rig_ring {
	unsigned int index;
	uint64_t mqd, base, rptr, wptr_addr, fence;
	uint32_t doorbell;
	unsigned int shift;		/* of pointers in memory: 2 for SDMA */
	uint64_t wptr;			/* dwords */
};

struct rig {
	struct fake_host *host;
	struct vgpu *dev;
	struct rig_ring rings[RIG_RINGS];
};

/* A device with smu, sdma, cp and mes, memory cleared, all interrupts on; or NULL. */
struct rig *rig_create(void);
void rig_destroy(struct rig *rig);
/* The interrupt control registers of all pipes that have one. */
void rig_interrupts(struct rig *rig, uint32_t enable);

/* Write the MQD of ring @i, which is of @engine GFX, COMPUTE or SDMA. */
struct rig_ring *rig_mqd(struct rig *rig, unsigned int i,
			 enum vgpu_engine engine);
/* rig_mqd() and map it as kernel queue me/pipe 0/queue @i % 8; 0 or errno. */
int rig_map(struct rig *rig, unsigned int i, enum vgpu_engine engine);
/* Append dwords; the write pointer in memory follows. */
void rig_put(struct rig *rig, unsigned int i, const uint32_t *dw, unsigned int n);
/* Ring the doorbell. */
void rig_ring(struct rig *rig, unsigned int i);
/* Has the read pointer in memory reached the write pointer? */
bool rig_idle(struct rig *rig, unsigned int i);
/* Put, ring, wait up to two seconds; false if it did not get through. */
bool rig_run(struct rig *rig, unsigned int i, const uint32_t *dw, unsigned int n);
/* GRBM_GFX_CNTL. */
void rig_select(struct rig *rig, unsigned int me, unsigned int pipe,
		unsigned int queue);

/* PACKET3() of nvd.h shifts a signed 3 into the sign bit. */
#define PKT3(op, count)	(3u << 30 | (uint32_t)(count) << 16 | (op) << 8)

#define RIG_PUT(rig, i, ...) \
	rig_put(rig, i, (const uint32_t[]){ __VA_ARGS__ }, \
		sizeof((const uint32_t[]){ __VA_ARGS__ }) / 4)
#define RIG_RUN(rig, i, ...) \
	rig_run(rig, i, (const uint32_t[]){ __VA_ARGS__ }, \
		sizeof((const uint32_t[]){ __VA_ARGS__ }) / 4)

#endif
