/* SPDX-License-Identifier: MIT */
/* MISC messages of the scheduler: register accesses on the driver's behalf. */
#include <errno.h>

#include "mes_internal.h"

/*
 * The driver gives up on a message after 2.1 s; a scheduler stuck for longer
 * would only poison every later one.
 */
#define WAIT_NS		4000000000ull

struct reg_wait {
	struct vgpu *dev;
	uint32_t reg, ref, mask;
	uint64_t until;
	bool timed_out;
};

static bool reg_ready(void *arg)
{
	struct reg_wait *w = arg;

	/* The reference has bits outside the mask (amdgpu_gmc.c). */
	if ((vgpu_reg_read(w->dev, w->reg) & w->mask) == (w->ref & w->mask))
		return true;
	w->timed_out = vgpu_now(w->dev) > w->until;
	return w->timed_out;
}

static int wait_reg_mem(struct mes *mes, const struct WAIT_REG_MEM *m)
{
	struct reg_wait w = {
		.dev = mes->dev,
		.reg = m->reg_offset1,
		.ref = m->reference,
		.mask = m->mask,
		.until = vgpu_now(mes->dev) + WAIT_NS,
	};
	int r;

	switch (m->op) {
	case WRM_OPERATION__WAIT_REG_MEM:
		break;
	case WRM_OPERATION__WR_WAIT_WR_REG:
		vgpu_reg_write(mes->dev, m->reg_offset1, m->reference);
		w.reg = m->reg_offset2;
		break;
	default:
		return -EINVAL;
	}
	r = vgpu_queue_wait(mes->exec, reg_ready, &w);
	if (r)
		return r;
	return w.timed_out ? -ETIMEDOUT : 0;
}

int mes_misc(struct mes *mes, const union MESAPI__MISC *f)
{
	switch (f->opcode) {
	case MESAPI_MISC__WRITE_REG:
		vgpu_reg_write(mes->dev, f->write_reg.reg_offset,
			       f->write_reg.reg_value);
		return 0;
	case MESAPI_MISC__READ_REG:
		if (f->read_reg.buffer_addr & 3)
			return -EINVAL;
		return vgpu_mem_write32(mes->dev, &mes_client,
					f->read_reg.buffer_addr,
					vgpu_reg_read(mes->dev,
						      f->read_reg.reg_offset));
	case MESAPI_MISC__WAIT_REG_MEM:
		return wait_reg_mem(mes, &f->wait_reg_mem);
	case MESAPI_MISC__INV_GART:
		vgpu_tlb_flush(mes->dev, VGPU_HUB_GC, 1);
		vgpu_tlb_flush(mes->dev, VGPU_HUB_MM, 1);
		return 0;
	case MESAPI_MISC__CHANGE_CONFIG:
		if (f->change_config.opcode !=
		    MESAPI_MISC__CHANGE_CONFIG_OPTION_LIMIT_SINGLE_PROCESS) {
			vgpu_count(mes->dev, VGPU_LOG_UNIMP,
				   "mes: CHANGE_CONFIG option %u not modelled",
				   f->change_config.opcode);
			return -ENOSYS;
		}
		pthread_mutex_lock(&mes->lock);
		mes_limit(mes, f->change_config.option.bits.limit_single_process);
		pthread_mutex_unlock(&mes->lock);
		return 0;
	case MESAPI_MISC__NOTIFY_WORK_ON_UNMAPPED_QUEUE:
		pthread_mutex_lock(&mes->lock);
		mes_look(mes);
		pthread_mutex_unlock(&mes->lock);
		return 0;
	case MESAPI_MISC__QUERY_STATUS:
	/* Debugger, shader cleaning: there are no shaders. */
	case MESAPI_MISC__LAUNCH_CLEANER_SHADER:
	case MESAPI_MISC__SET_SHADER_DEBUGGER:
		return 0;
	default:
		vgpu_count(mes->dev, VGPU_LOG_UNIMP,
			   "mes: MISC operation %u not modelled", f->opcode);
		return -ENOSYS;
	}
}
