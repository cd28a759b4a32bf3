/* SPDX-License-Identifier: MIT */
/* Scheduler frames in words, for traces; layouts: mes_v11_api_def.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "catalogue.h"
#include "mes_internal.h"
#include "trace.h"

/* MISC operations; which of them are executed, mes_misc() decides: mes_test.c compares. */
static const struct {
	const char *name;
	enum vgpu_how how;
} misc_ops[] = {
	[MESAPI_MISC__WRITE_REG] = { "WRITE_REG", VGPU_EXECUTED },
	[MESAPI_MISC__INV_GART] = { "INV_GART", VGPU_EXECUTED },
	[MESAPI_MISC__QUERY_STATUS] = { "QUERY_STATUS", VGPU_ACCEPTED },
	[MESAPI_MISC__READ_REG] = { "READ_REG", VGPU_EXECUTED },
	[MESAPI_MISC__WAIT_REG_MEM] = { "WAIT_REG_MEM", VGPU_EXECUTED },
	[MESAPI_MISC__SET_SHADER_DEBUGGER] = { "SET_SHADER_DEBUGGER", VGPU_ACCEPTED },
	[MESAPI_MISC__NOTIFY_WORK_ON_UNMAPPED_QUEUE] =
		{ "NOTIFY_WORK_ON_UNMAPPED_QUEUE", VGPU_EXECUTED },
	[MESAPI_MISC__NOTIFY_TO_UNMAP_PROCESSES] =
		{ "NOTIFY_TO_UNMAP_PROCESSES", VGPU_REFUSED },
	[MESAPI_MISC__CHANGE_CONFIG] = { "CHANGE_CONFIG", VGPU_EXECUTED },
	[MESAPI_MISC__LAUNCH_CLEANER_SHADER] = { "LAUNCH_CLEANER_SHADER", VGPU_ACCEPTED },
};
_Static_assert(ARRAY_SIZE(misc_ops) == MESAPI_MISC__MAX, "all of them");

bool mes_misc_item(unsigned int i, struct vgpu_item *item)
{
	if (i >= ARRAY_SIZE(misc_ops))
		return false;
	*item = (struct vgpu_item){
		.code = i, .name = misc_ops[i].name, .how = misc_ops[i].how,
	};
	return true;
}

static const char *queue_type(enum MES_QUEUE_TYPE type)
{
	switch (type) {
	case MES_QUEUE_TYPE_GFX:
		return "gfx";
	case MES_QUEUE_TYPE_COMPUTE:
		return "compute";
	case MES_QUEUE_TYPE_SDMA:
		return "sdma";
	default:
		return "?";
	}
}

static void misc(struct trace_text *t, const union MESAPI__MISC *f)
{
	unsigned int op = f->opcode;

	if (op < ARRAY_SIZE(misc_ops))
		trace_add(t, " %s ", misc_ops[op].name);
	else
		trace_add(t, " %u ", op);
	switch (op) {
	case MESAPI_MISC__WRITE_REG:
		trace_reg(t, f->write_reg.reg_offset);
		trace_add(t, " <- 0x%x", f->write_reg.reg_value);
		break;
	case MESAPI_MISC__READ_REG:
		trace_reg(t, f->read_reg.reg_offset);
		trace_add(t, " -> 0x%" PRIx64, f->read_reg.buffer_addr);
		break;
	case MESAPI_MISC__WAIT_REG_MEM:
		trace_reg(t, f->wait_reg_mem.reg_offset1);
		if (f->wait_reg_mem.op == WRM_OPERATION__WR_WAIT_WR_REG) {
			trace_add(t, " <- 0x%x, until ", f->wait_reg_mem.reference);
			trace_reg(t, f->wait_reg_mem.reg_offset2);
		}
		trace_add(t, " & 0x%x == 0x%x", f->wait_reg_mem.mask,
			  f->wait_reg_mem.reference);
		break;
	}
}

static void add_queue(struct trace_text *t, const union MESAPI__ADD_QUEUE *f)
{
	trace_add(t, " %s doorbell 0x%x MQD 0x%" PRIx64, queue_type(f->queue_type),
		  f->doorbell_offset, f->mqd_addr);
	if (f->map_legacy_kq)
		trace_add(t, " of the kernel, pipe %u queue %u", f->pipe_id, f->queue_id);
	else
		trace_add(t, " pasid %u root 0x%" PRIx64 " gang 0x%" PRIx64 "%s",
			  f->process_id, f->page_table_base_addr, f->gang_context_addr,
			  f->is_gang_suspended ? ", suspended" : "");
}

static void remove_queue(struct trace_text *t, const union MESAPI__REMOVE_QUEUE *f)
{
	if (f->preempt_legacy_gfx_queue)
		trace_add(t, " preempt gfx pipe %u queue %u", f->pipe_id, f->queue_id);
	else
		trace_add(t, " %s doorbell 0x%x%s",
			  f->unmap_legacy_gfx_queue ? "gfx" : queue_type(f->queue_type),
			  f->doorbell_offset, f->unmap_legacy_gfx_queue ||
			  f->unmap_legacy_queue ? " of the kernel" : "");
}

static void reset(struct trace_text *t, const union MESAPI__RESET *f)
{
	if (f->hang_detect_only || f->hang_detect_then_reset)
		trace_add(t, " hang detection");
	else if (f->reset_legacy_gfx)
		trace_add(t, " gfx doorbell 0x%x of the kernel", f->doorbell_offset_lp);
	else
		trace_add(t, " %s doorbell 0x%x", queue_type(f->queue_type),
			  f->doorbell_offset);
}

static void gang(struct trace_text *t, bool all, uint64_t addr)
{
	if (all)
		trace_add(t, " all gangs");
	else
		trace_add(t, " gang 0x%" PRIx64, addr);
}

void mes_decode(const uint32_t *dw, char *buf, size_t len)
{
	union {
		uint32_t dw[API_FRAME_SIZE_IN_DWORDS];
		union MES_API_HEADER header;
		union MESAPI_SET_HW_RESOURCES set;
		union MESAPI__ADD_QUEUE add;
		union MESAPI__REMOVE_QUEUE remove;
		union MESAPI__SUSPEND suspend;
		union MESAPI__RESUME resume;
		union MESAPI__RESET reset;
		union MESAPI__UPDATE_ROOT_PAGE_TABLE root;
		union MESAPI__MISC misc;
	} f;
	struct trace_text t = { buf, len, 0 };
	const char *name;

	memcpy(f.dw, dw, sizeof(f.dw));
	name = mes_message_name(f.header.opcode);
	if (name)
		trace_add(&t, "%s", name);
	else
		trace_add(&t, "message %u", f.header.opcode);
	switch (f.header.opcode) {
	case MES_SCH_API_SET_HW_RSRC:
		trace_add(&t, " vmids 0x%x of GC, 0x%x of MM", f.set.vmid_mask_gfxhub,
			  f.set.vmid_mask_mmhub);
		break;
	case MES_SCH_API_ADD_QUEUE:
		add_queue(&t, &f.add);
		break;
	case MES_SCH_API_REMOVE_QUEUE:
		remove_queue(&t, &f.remove);
		break;
	case MES_SCH_API_SUSPEND:
		gang(&t, f.suspend.suspend_all_gangs, f.suspend.gang_context_addr);
		trace_add(&t, ", fence 0x%" PRIx64 " <- 0x%x",
			  f.suspend.suspend_fence_addr, f.suspend.suspend_fence_value);
		break;
	case MES_SCH_API_RESUME:
		gang(&t, f.resume.resume_all_gangs, f.resume.gang_context_addr);
		break;
	case MES_SCH_API_RESET:
		reset(&t, &f.reset);
		break;
	case MES_SCH_API_MISC:
		misc(&t, &f.misc);
		break;
	case MES_SCH_API_UPDATE_ROOT_PAGE_TABLE:
		trace_add(&t, " process 0x%" PRIx64 " root 0x%" PRIx64,
			  f.root.process_context_addr, f.root.page_table_base_addr);
		break;
	}
}
