/* SPDX-License-Identifier: MIT */
/*
 * Packets of the kernel interface queue, which maps and unmaps the others.
 * Layouts: nvd.h and gfx11_kiq_*() in gfx_v11_0.c.
 */
#include <errno.h>
#include <string.h>

#include "pm4_internal.h"
#include "nvd.h"
#include "oss/osssys_6_0_0_offset.h"

/* ENGINE_SEL as gfx11_kiq_map_queues() uses it. */
static int engine_of(uint32_t eng_sel, enum vgpu_engine *engine)
{
	switch (eng_sel) {
	case 0:
		*engine = VGPU_ENGINE_COMPUTE;
		return 0;
	case 2:
	case 3:
		*engine = VGPU_ENGINE_SDMA;
		return 0;
	case 4:
		*engine = VGPU_ENGINE_GFX;
		return 0;
	case 5:
		*engine = VGPU_ENGINE_MES;
		return 0;
	}
	return -EINVAL;
}

int pm4_map_queues(struct pm4_run *run, const uint32_t *p, uint32_t n)
{
	struct vgpu_queue_map m = {
		.mqd_addr = pm4_addr(p + 2),
		.wptr_addr = pm4_addr(p + 4),
		.doorbell = p[1] >> 2 & 0x3FFFFFF,
		.me = p[0] >> 18 & 7,
		.pipe = p[0] >> 16 & 3,
		.queue = p[0] >> 13 & 7,
		.vmid = p[0] >> 8 & 0xF,
	};
	enum vgpu_engine engine;
	int r;

	(void)n;
	r = engine_of(p[0] >> 26 & 7, &engine);
	if (r)
		return r;
	/* Anything else leaves it to firmware where a queue goes. */
	if (p[0] >> 29 != 1 || p[0] >> 4 & 3) {
		vgpu_count(run->dev, VGPU_LOG_UNIMP,
			   "kiq: MAP_QUEUES other than of one named queue not modelled");
		return 0;
	}
	/* The packet numbers the scheduler's engine 2; registers call it 3. */
	if (engine == VGPU_ENGINE_MES)
		m.me = 3;
	r = vgpu_engine_map(run->dev, engine, &m);
	if (r)
		vgpu_count(run->dev, VGPU_LOG_GUEST,
			   "kiq: cannot map queue, engine %u: %s", engine,
			   strerror(-r));
	return 0;
}

enum { PREEMPT_QUEUES, RESET_QUEUES, DISABLE_PROCESS_QUEUES,
       PREEMPT_QUEUES_NO_UNMAP };

int pm4_unmap_queues(struct pm4_run *run, const uint32_t *p, uint32_t n)
{
	unsigned int action = p[0] & 3, num = p[0] >> 29, i;
	enum vgpu_engine engine;
	int r;

	if (action == PREEMPT_QUEUES_NO_UNMAP) {
		/* What runs is short: it counts as preempted at its end. */
		vgpu_mem_write32(run->dev, &run->client, pm4_addr(p + 2) & ~3ull,
				 p[4]);
		return 0;
	}
	r = engine_of(p[0] >> 26 & 7, &engine);
	if (r)
		return r;
	if (p[0] >> 4 & 3) {
		vgpu_count(run->dev, VGPU_LOG_UNIMP,
			   "kiq: UNMAP_QUEUES by process not modelled");
		return 0;
	}
	for (i = 0; i < num && i + 1 < n; i++) {
		uint32_t doorbell = p[1 + i] >> 2 & 0x3FFFFFF;

		r = vgpu_engine_unmap(run->dev, engine, doorbell,
				      action == RESET_QUEUES ?
				      VGPU_UNMAP_RESET : VGPU_UNMAP_SAVE);
		if (r)
			vgpu_count(run->dev, VGPU_LOG_GUEST,
				   "kiq: cannot unmap queue, engine %u: %s",
				   engine, strerror(-r));
	}
	return 0;
}

/* The packets before it were executed: write the fence. */
int pm4_query_status(struct pm4_run *run, const uint32_t *p, uint32_t n)
{
	(void)n;
	vgpu_mem_write64(run->dev, &run->client, pm4_addr(p + 2) & ~7ull,
			 pm4_addr(p + 4));
	return 0;
}

int pm4_invalidate_tlbs(struct pm4_run *run, const uint32_t *p, uint32_t n)
{
	uint32_t pasid = p[0] >> 5 & 0xFFFF, gc = 0, mm = 0;
	unsigned int vmid;

	(void)n;
	for (vmid = 1; vmid < 16; vmid++) {
		if ((vgpu_reg_peek(run->dev, VREG(OSSSYS, regIH_VMID_0_LUT) +
				   vmid) & 0xFFFF) == pasid)
			gc |= 1u << vmid;
		if ((vgpu_reg_peek(run->dev, VREG(OSSSYS, regIH_VMID_0_LUT_MM) +
				   vmid) & 0xFFFF) == pasid)
			mm |= 1u << vmid;
	}
	if (gc)
		vgpu_tlb_flush(run->dev, VGPU_HUB_GC, gc);
	if (mm && p[0] & PACKET3_INVALIDATE_TLBS_ALL_HUB(1))
		vgpu_tlb_flush(run->dev, VGPU_HUB_MM, mm);
	return 0;
}
