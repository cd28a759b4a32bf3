/* SPDX-License-Identifier: MIT */
/* Messages to the scheduler, see mes_rig.h. */
#include "mes_rig.h"

#include <errno.h>

#include "test.h"

static uint64_t seq;

struct rig *mes_start(void)
{
	struct rig *rig = rig_create();
	struct rig_ring *r;
	struct vgpu_queue_map m = { .me = 3 };

	if (!rig)
		return NULL;
	seq = 0;
	r = rig_mqd(rig, MES, VGPU_ENGINE_COMPUTE);
	m.mqd_addr = r->mqd;
	m.wptr_addr = r->wptr_addr;
	m.doorbell = r->doorbell;
	CHECK_EQ(vgpu_engine_map(rig->dev, VGPU_ENGINE_MES, &m), 0);
	return rig;
}

int mes_send(struct rig *rig, void *frame, size_t status)
{
	union MESAPI__QUERY_MES_STATUS query = { 0 };
	struct MES_API_STATUS *s = (void *)((char *)frame + status);
	union MES_API_HEADER *h = frame;
	unsigned int i;

	h->type = MES_API_TYPE_SCHEDULER;
	h->dwsize = API_FRAME_SIZE_IN_DWORDS;
	s->api_completion_fence_addr = FENCE;
	s->api_completion_fence_value = 1;
	fake_mem_put64(FENCE, 0);
	query.header = (union MES_API_HEADER){
		.type = MES_API_TYPE_SCHEDULER,
		.opcode = MES_SCH_API_QUERY_SCHEDULER_STATUS,
		.dwsize = API_FRAME_SIZE_IN_DWORDS,
	};
	query.api_status.api_completion_fence_addr = SEQ;
	query.api_status.api_completion_fence_value = ++seq;
	rig_put(rig, MES, frame, API_FRAME_SIZE_IN_DWORDS);
	rig_put(rig, MES, (void *)&query, API_FRAME_SIZE_IN_DWORDS);
	/* Padding of the ring. */
	RIG_PUT(rig, MES, 0);
	rig_ring(rig, MES);
	for (i = 0; i < 60000; i++) {
		if (fake_mem_get64(SEQ) == seq)
			return fake_mem_get64(FENCE) == 1;
		test_sleep_us(100);
	}
	return -ETIMEDOUT;
}

int set_hw_rsrc(struct rig *rig, uint32_t vmid_mask)
{
	union MESAPI_SET_HW_RESOURCES f = { .header = {
		.opcode = MES_SCH_API_SET_HW_RSRC } };
	unsigned int i;

	f.vmid_mask_gfxhub = vmid_mask;
	f.gfx_hqd_mask[0] = 0x2;
	for (i = 0; i < 4; i++)
		f.compute_hqd_mask[i] = 0xc;
	f.sdma_hqd_mask[0] = 0xfc;
	return SEND(rig, f);
}

int add(struct rig *rig, unsigned int i, enum MES_QUEUE_TYPE type,
	unsigned int process)
{
	union MESAPI__ADD_QUEUE f = { .header = {
		.opcode = MES_SCH_API_ADD_QUEUE } };
	struct rig_ring *r = &rig->rings[i];

	f.process_id = 0x8000 + process;
	/* 2 ms */
	f.process_quantum = 20000;
	f.page_table_base_addr = 0x1000000 * process + 1;
	f.process_context_addr = 0x2000000 * process;
	f.gang_context_addr = 0x3000000 + i;
	f.doorbell_offset = r->doorbell;
	f.mqd_addr = r->mqd;
	f.wptr_addr = r->wptr_addr;
	f.queue_type = type;
	return SEND(rig, f);
}

int rm(struct rig *rig, unsigned int i, enum MES_QUEUE_TYPE type)
{
	union MESAPI__REMOVE_QUEUE f = { .header = {
		.opcode = MES_SCH_API_REMOVE_QUEUE } };

	f.doorbell_offset = rig->rings[i].doorbell;
	f.gang_context_addr = 0x3000000 + i;
	f.queue_type = type;
	return SEND(rig, f);
}

int reset(struct rig *rig, unsigned int i, enum MES_QUEUE_TYPE type)
{
	union MESAPI__RESET f = { .header = { .opcode = MES_SCH_API_RESET } };

	f.reset_queue_only = 1;
	f.doorbell_offset = rig->rings[i].doorbell;
	f.queue_type = type;
	return SEND(rig, f);
}
