/* SPDX-License-Identifier: MIT */
/* Packets that wait; they park their own queue only. */
#include <errno.h>
#include <inttypes.h>

#include "pm4_internal.h"
#include "nvd.h"

struct wait {
	struct pm4_run *run;
	unsigned int function;
	bool mem, wide;
	uint64_t addr;
	uint64_t ref, mask;
};

/*
 * The reference is masked, too: the driver waits for all bits of a VMID's
 * acknowledge with a reference wider than the mask (amdgpu_gmc.c).
 */
static bool compare(unsigned int function, uint64_t value, uint64_t ref)
{
	switch (function) {
	case PACKET3_WAIT_REG_MEM__FUNCTION__ALWAYS_PASS:
		return true;
	case PACKET3_WAIT_REG_MEM__FUNCTION__LESS_THAN_REF_VALUE:
		return value < ref;
	case PACKET3_WAIT_REG_MEM__FUNCTION__LESS_THAN_EQUAL_TO_THE_REF_VALUE:
		return value <= ref;
	case PACKET3_WAIT_REG_MEM__FUNCTION__EQUAL_TO_THE_REFERENCE_VALUE:
		return value == ref;
	case PACKET3_WAIT_REG_MEM__FUNCTION__NOT_EQUAL_REFERENCE_VALUE:
		return value != ref;
	case PACKET3_WAIT_REG_MEM__FUNCTION__GREATER_THAN_OR_EQUAL_REFERENCE_VALUE:
		return value >= ref;
	case PACKET3_WAIT_REG_MEM__FUNCTION__GREATER_THAN_REFERENCE_VALUE:
		return value > ref;
	}
	return true;
}

static bool satisfied(void *arg)
{
	struct wait *w = arg;
	struct vgpu *dev = w->run->dev;
	uint64_t value = 0;
	uint32_t v32;
	int r = 0;

	if (!w->mem) {
		value = vgpu_reg_read(dev, w->addr);
	} else if (w->wide) {
		r = vgpu_mem_read64(dev, &w->run->client, w->addr, &value);
	} else {
		r = vgpu_mem_read32(dev, &w->run->client, w->addr, &v32);
		value = v32;
	}
	/* The fault was reported; nobody will ever write there. */
	if (r)
		return true;
	return compare(w->function, value & w->mask, w->ref & w->mask);
}

int pm4_wait_reg_mem(struct pm4_run *run, const uint32_t *p, uint32_t n)
{
	struct wait w = {
		.run = run,
		.function = p[0] & 7,
		.mem = p[0] >> 4 & 3,
		.addr = pm4_addr(p + 1) & ~3ull,
		.ref = p[3],
		.mask = p[4],
	};

	(void)n;
	switch (p[0] >> 6 & 3) {
	case PACKET3_WAIT_REG_MEM__OPERATION__WAIT_REG_MEM:
	case PACKET3_WAIT_REG_MEM__OPERATION__WAIT_MEM_PREEMPTABLE:
		if (w.mem)
			break;
		w.addr = p[1] & 0x3FFFF;
		if (!pm4_reg_allowed(run, w.addr))
			return -EPERM;
		break;
	case PACKET3_WAIT_REG_MEM__OPERATION__WR_WAIT_WR_REG:
		/* Write the reference to the first, wait for the second. */
		if (!pm4_reg_allowed(run, p[1] & 0x3FFFF) ||
		    !pm4_reg_allowed(run, p[2] & 0x3FFFF))
			return -EPERM;
		vgpu_reg_write(run->dev, p[1] & 0x3FFFF, p[3]);
		w.mem = false;
		w.addr = p[2] & 0x3FFFF;
		break;
	default:
		return -EINVAL;
	}
	return vgpu_queue_wait(run->q, satisfied, &w);
}

int pm4_wait_reg_mem64(struct pm4_run *run, const uint32_t *p, uint32_t n)
{
	struct wait w = {
		.run = run,
		.function = p[0] & 7,
		.mem = true,
		.wide = true,
		.addr = pm4_addr(p + 1) & ~7ull,
		.ref = pm4_addr(p + 3),
		.mask = pm4_addr(p + 5),
	};

	(void)n;
	if (!(p[0] >> 4 & 3))
		return -EINVAL;
	return vgpu_queue_wait(run->q, satisfied, &w);
}

/*
 * A control dword, then for each fence its address and value: wait until all
 * have reached it. Not in nvd.h; layout as Mesa's user queues emit it.
 */
int pm4_fence_wait_multi(struct pm4_run *run, const uint32_t *p, uint32_t n)
{
	struct wait w = {
		.run = run,
		.function =
		PACKET3_WAIT_REG_MEM__FUNCTION__GREATER_THAN_OR_EQUAL_REFERENCE_VALUE,
		.mem = true,
		.wide = true,
		.mask = UINT64_MAX,
	};
	uint32_t i;
	int r;

	if ((n - 1) % 4)
		return -EINVAL;
	for (i = 1; i < n; i += 4) {
		w.addr = pm4_addr(p + i) & ~7ull;
		w.ref = pm4_addr(p + i + 2);
		if (!satisfied(&w))
			vgpu_trace(run->dev, VGPU_TRACE_PM4,
				   "fence %u at 0x%" PRIx64 " is waited for: 0x%" PRIx64,
				   i / 4, w.addr, w.ref);
		r = vgpu_queue_wait(run->q, satisfied, &w);
		if (r)
			return r;
	}
	return 0;
}
