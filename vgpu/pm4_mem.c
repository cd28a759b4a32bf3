/* SPDX-License-Identifier: MIT */
/*
 * Packets that move data: memory, registers, fences. Operand layouts follow
 * nvd.h and what gfx_v11_0.c emits.
 */
#include <errno.h>

#include "pm4_internal.h"
#include "tc_atomic.h"
#include "ivsrcid/gfx/irqsrcs_gfx_11_0_0.h"
#include "nvd.h"

/* Reference clock of Navi31 in MHz: the unit of GPU counters (soc21_get_xclk). */
#define REFCLK_MHZ	100

static uint64_t gpu_clock(struct vgpu *dev)
{
	return vgpu_now(dev) / (1000 / REFCLK_MHZ);
}

/* ---- WRITE_DATA ---- */

static int write_regs(struct pm4_run *run, uint32_t reg, const uint32_t *data,
		      uint32_t n, bool one_addr)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		if (!pm4_reg_allowed(run, reg))
			return -EPERM;
		vgpu_reg_write(run->dev, reg, data[i]);
		if (!one_addr)
			reg++;
	}
	return 0;
}

int pm4_write_data(struct pm4_run *run, const uint32_t *p, uint32_t n)
{
	bool one_addr = p[0] & WR_ONE_ADDR;
	uint64_t va = pm4_addr(p + 1) & ~3ull;
	uint32_t i;

	switch (p[0] >> 8 & 0xF) {
	case PACKET3_WRITE_DATA__DST_SEL__MEM_MAPPED_REGISTER:
		return write_regs(run, p[1] & 0x3FFFF, p + 3, n - 3, one_addr);
	case 1:	/* memory, in order with registers */
	case PACKET3_WRITE_DATA__DST_SEL__TC_L2:
	case PACKET3_WRITE_DATA__DST_SEL__MEMORY:
		break;
	default:
		vgpu_count(run->dev, VGPU_LOG_UNIMP,
			   "pm4: WRITE_DATA to destination %u not modelled",
			   p[0] >> 8 & 0xF);
		return 0;
	}
	/* Faults were reported; the engine goes on. */
	if (one_addr) {
		for (i = 3; i < n; i++)
			vgpu_mem_write32(run->dev, &run->client, va, p[i]);
	} else if (n == 4) {
		vgpu_mem_write32(run->dev, &run->client, va, p[3]);
	} else {
		vgpu_mem_write(run->dev, &run->client, va, p + 3, (n - 3) * 4);
	}
	return 0;
}

/* ---- COPY_DATA ---- */

static int copy_source(struct pm4_run *run, const uint32_t *p, bool wide,
		       uint64_t *value)
{
	uint64_t va = pm4_addr(p + 1);
	uint32_t reg = p[1] & 0x3FFFF, v32 = 0;

	*value = 0;
	switch (p[0] & 0xF) {
	case PACKET3_COPY_DATA__SRC_SEL__MEM_MAPPED_REGISTER:
	case PACKET3_COPY_DATA__SRC_SEL__PERFCOUNTERS:
		if (!pm4_reg_allowed(run, reg) ||
		    (wide && !pm4_reg_allowed(run, reg + 1)))
			return -EPERM;
		*value = vgpu_reg_read(run->dev, reg);
		if (wide)
			*value |= (uint64_t)vgpu_reg_read(run->dev, reg + 1) << 32;
		return 0;
	case PACKET3_COPY_DATA__SRC_SEL__TC_L2_OBSOLETE:
	case PACKET3_COPY_DATA__SRC_SEL__TC_L2:
		if (wide)
			vgpu_mem_read64(run->dev, &run->client, va & ~7ull, value);
		else
			vgpu_mem_read32(run->dev, &run->client, va & ~3ull, &v32);
		*value |= v32;
		return 0;
	case PACKET3_COPY_DATA__SRC_SEL__IMMEDIATE_DATA:
		*value = wide ? va : p[1];
		return 0;
	case PACKET3_COPY_DATA__SRC_SEL__ATOMIC_RETURN_DATA:
		*value = run->env->atomic_ret;
		return 0;
	case PACKET3_COPY_DATA__SRC_SEL__GPU_CLOCK_COUNT:
	case PACKET3_COPY_DATA__SRC_SEL__SYSTEM_CLOCK_COUNT:
		*value = gpu_clock(run->dev);
		return 0;
	}
	vgpu_count(run->dev, VGPU_LOG_UNIMP,
		   "pm4: COPY_DATA from source %u not modelled", p[0] & 0xF);
	return -ENOSYS;
}

int pm4_copy_data(struct pm4_run *run, const uint32_t *p, uint32_t n)
{
	bool wide = p[0] & PACKET3_COPY_DATA__COUNT_SEL(1);
	uint64_t va = pm4_addr(p + 3), value;
	uint32_t reg = p[3] & 0x3FFFF;
	int r;

	(void)n;
	r = copy_source(run, p, wide, &value);
	if (r)
		return r == -ENOSYS ? 0 : r;
	switch (p[0] >> 8 & 0xF) {
	case PACKET3_COPY_DATA__DST_SEL__MEM_MAPPED_REGISTER:
	case PACKET3_COPY_DATA__DST_SEL__PERFCOUNTERS:
	case PACKET3_COPY_DATA__DST_SEL__MEM_MAPPED_REG_DC:
		if (!pm4_reg_allowed(run, reg) ||
		    (wide && !pm4_reg_allowed(run, reg + 1)))
			return -EPERM;
		vgpu_reg_write(run->dev, reg, value);
		if (wide)
			vgpu_reg_write(run->dev, reg + 1, value >> 32);
		return 0;
	case 1:
	case PACKET3_COPY_DATA__DST_SEL__TC_L2:
	case PACKET3_COPY_DATA__DST_SEL__TC_L2_OBSOLETE:
		if (wide)
			vgpu_mem_write64(run->dev, &run->client, va & ~7ull, value);
		else
			vgpu_mem_write32(run->dev, &run->client, va & ~3ull, value);
		return 0;
	}
	vgpu_count(run->dev, VGPU_LOG_UNIMP,
		   "pm4: COPY_DATA to destination %u not modelled",
		   p[0] >> 8 & 0xF);
	return 0;
}

/* ---- DMA_DATA ---- */

enum { DMA_ADDR, DMA_GDS, DMA_DATA, DMA_ADDR_L2 };	/* SRC_SEL */
#define DMA_NOWHERE	2				/* DST_SEL */

/*
 * Done in slices, so that a queue with a long copy can be stopped. An
 * overlapping copy is left whole: slices would change its meaning.
 */
#define DMA_SLICE	(4u << 20)

static bool overlap(uint64_t a, uint64_t b, uint64_t len)
{
	return a < b + len && b < a + len;
}

int pm4_dma_data(struct pm4_run *run, const uint32_t *p, uint32_t n)
{
	unsigned int src_sel = p[0] >> 29 & 3, dst_sel = p[0] >> 20 & 3;
	uint64_t src = pm4_addr(p + 1), dst = pm4_addr(p + 3);
	uint32_t len = p[5] & 0x3FFFFFF, step;
	int r = 0;

	(void)n;
	if (dst_sel == DMA_NOWHERE)
		return 0;
	if (src_sel == DMA_GDS || dst_sel == DMA_GDS ||
	    p[5] & (PACKET3_DMA_DATA_CMD_SAS | PACKET3_DMA_DATA_CMD_DAS |
		    PACKET3_DMA_DATA_CMD_SAIC | PACKET3_DMA_DATA_CMD_DAIC)) {
		vgpu_count(run->dev, VGPU_LOG_UNIMP,
			   "pm4: DMA_DATA other than memory to memory not modelled");
		return 0;
	}
	if (src_sel == DMA_DATA && (len & 3 || dst & 3))
		return -EINVAL;
	/* The rest of one that was interrupted. */
	if (run->done >= len)
		run->done = len;
	len -= run->done;
	src += run->done;
	dst += run->done;
	for (; len && !r; len -= step, src += step, dst += step,
	     run->done += step) {
		step = len;
		if (step > DMA_SLICE &&
		    (src_sel == DMA_DATA || !overlap(src, dst, len)))
			step = DMA_SLICE;
		if (vgpu_queue_stopping(run->q)) {
			run->env->saved.done = run->done;
			return -ECANCELED;
		}
		if (src_sel != DMA_DATA) {
			if (vgpu_broken(run->dev, VGPU_BREAK_COPY))
				continue;
			r = vgpu_mem_copy(run->dev, &run->client, dst, src, step);
			vgpu_stat(run->dev, "pm4: bytes copied", step);
		} else {
			if (vgpu_broken(run->dev, VGPU_BREAK_FILL))
				continue;
			r = vgpu_mem_fill(run->dev, &run->client, dst, p[1], step);
			vgpu_stat(run->dev, "pm4: bytes filled", step);
		}
	}
	return 0;
}

/* ---- ATOMIC_MEM ---- */

int pm4_atomic_mem(struct pm4_run *run, const uint32_t *p, uint32_t n)
{
	struct tc_atomic_access t = {
		.dev = run->dev,
		.client = &run->client,
		.va = pm4_addr(p + 1),
		.a = {
			.op = p[0] & 0x7F,
			.src = pm4_addr(p + 3),
			.cmp = pm4_addr(p + 5),
		},
		.old = run->env->atomic_ret,
	};
	int r = 0;

	(void)n;
	if (!tc_atomic_known(t.a.op)) {
		vgpu_count(run->dev, VGPU_LOG_UNIMP,
			   "pm4: ATOMIC_MEM operation 0x%02x not modelled",
			   t.a.op);
		return 0;
	}
	if (t.va % tc_atomic_size(t.a.op))
		return -EINVAL;
	if (tc_atomic_is_cmpswap(t.a.op) && (p[0] >> 8 & 0xF) ==
	    PACKET3_ATOMIC_MEM__COMMAND__LOOP_UNTIL_COMPARE_SATISFIED)
		r = vgpu_queue_wait(run->q, tc_atomic_access, &t);
	else
		tc_atomic_access(&t);
	run->env->atomic_ret = t.old;
	return r;
}

/* ---- fences ---- */

static void eop_interrupt(struct pm4_run *run, uint32_t context)
{
	struct pm4_env *env = run->env;

	/* gfx_v11_0_eop_irq: a user queue is known by its doorbell */
	pm4_interrupt(run, GFX_11_0_0__SRCID__CP_EOP_INTERRUPT,
		      env->user ? env->doorbell : context);
}

enum { FENCE_DISCARD, FENCE_DATA32, FENCE_DATA64, FENCE_GPU_CLOCK,
       FENCE_SYS_CLOCK };			/* RELEASE_MEM DATA_SEL */
enum { INT_NONE, INT_ALWAYS, INT_AFTER_WRITE, INT_WRITE_ONLY };	/* RELEASE_MEM INT_SEL */

int pm4_release_mem(struct pm4_run *run, const uint32_t *p, uint32_t n)
{
	unsigned int data_sel = p[1] >> 29 & 7, int_sel = p[1] >> 24 & 7;
	uint64_t va = pm4_addr(p + 2);

	switch (data_sel) {
	case FENCE_DISCARD:
		break;
	case FENCE_DATA32:
		vgpu_mem_write32(run->dev, &run->client, va & ~3ull, p[4]);
		break;
	case FENCE_DATA64:
		vgpu_mem_write64(run->dev, &run->client, va & ~7ull,
				 pm4_addr(p + 4));
		break;
	case FENCE_GPU_CLOCK:
	case FENCE_SYS_CLOCK:
		vgpu_mem_write64(run->dev, &run->client, va & ~7ull,
				 gpu_clock(run->dev));
		break;
	default:
		vgpu_count(run->dev, VGPU_LOG_UNIMP,
			   "pm4: RELEASE_MEM data %u not modelled", data_sel);
		break;
	}
	if (int_sel == INT_ALWAYS || int_sel == INT_AFTER_WRITE)
		eop_interrupt(run, n > 6 ? p[6] : 0);
	else if (int_sel > INT_WRITE_ONLY)
		vgpu_count(run->dev, VGPU_LOG_UNIMP,
			   "pm4: RELEASE_MEM interrupt %u not modelled", int_sel);
	return 0;
}

/*
 * Signal the user queue's own fence: the queue's read pointer goes to an
 * address only the kernel may set, so that a process cannot forge its
 * completion (amdgpu_userq_fence_driver_process compares it with the write
 * pointer it saw). Unit: dwords, as the write pointer.
 */
int pm4_protected_fence(struct pm4_run *run, const uint32_t *p, uint32_t n)
{
	struct pm4_env *env = run->env;
	struct vgpu_client kernel = env->client;

	(void)p;
	(void)n;
	if (!env->user || !env->fence_addr) {
		vgpu_count(run->dev, VGPU_LOG_GUEST,
			   "pm4: protected fence on a queue without one");
		return 0;
	}
	kernel.vmid = 0;
	vgpu_mem_write64(run->dev, &kernel, env->fence_addr & ~7ull,
			 run->ring_end);
	eop_interrupt(run, 0);
	return 0;
}

/* There is nothing to flush; counters of what shaders and draws did are not written. */
int pm4_event_write(struct pm4_run *run, const uint32_t *p, uint32_t n)
{
	(void)p;
	if (n >= 3)
		vgpu_count(run->dev, VGPU_LOG_UNIMP,
			   "pm4: EVENT_WRITE to memory not modelled");
	return 0;
}
