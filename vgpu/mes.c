/* SPDX-License-Identifier: MIT */
/*
 * The scheduler firmware (MES): its queue and the framing of its messages.
 *
 * A message is a frame of 64 dwords; each type keeps the fence that reports
 * completion at an offset of its own (mes_v11_api_def.h). The driver follows
 * every frame by a QUERY_SCHEDULER_STATUS with the ring's fence, and takes a
 * frame whose own fence is unwritten by then for failed
 * (mes_v11_0_submit_pkt_and_poll_completion).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blocks.h"
#include "catalogue.h"
#include "deadline.h"
#include "mes_internal.h"

#define FRAME_DW	API_FRAME_SIZE_IN_DWORDS

const struct vgpu_client mes_client = { .hub = VGPU_HUB_GC };

union frame {
	uint32_t dw[FRAME_DW];
	union MES_API_HEADER header;
	union MESAPI__MISC misc;
	union MESAPI_SET_HW_RESOURCES set_hw_rsrc;
	union MESAPI__ADD_QUEUE add_queue;
	union MESAPI__REMOVE_QUEUE remove_queue;
	union MESAPI__SUSPEND suspend;
	union MESAPI__RESUME resume;
	union MESAPI__RESET reset;
	union MESAPI__UPDATE_ROOT_PAGE_TABLE update_root;
};

_Static_assert(sizeof(union frame) == FRAME_DW * 4, "no frame is longer");

static int do_misc(struct mes *mes, const union frame *f)
{
	return mes_misc(mes, &f->misc);
}

static int do_set_hw_rsrc(struct mes *mes, const union frame *f)
{
	int r;

	pthread_mutex_lock(&mes->lock);
	r = mes_set_hw_resources(mes, &f->set_hw_rsrc);
	pthread_mutex_unlock(&mes->lock);
	return r;
}

static int do_add_queue(struct mes *mes, const union frame *f)
{
	int r;

	pthread_mutex_lock(&mes->lock);
	r = mes_add_queue(mes, &f->add_queue);
	pthread_mutex_unlock(&mes->lock);
	return r;
}

static int do_remove_queue(struct mes *mes, const union frame *f)
{
	int r;

	pthread_mutex_lock(&mes->lock);
	r = mes_remove_queue(mes, &f->remove_queue);
	pthread_mutex_unlock(&mes->lock);
	return r;
}

static int do_suspend(struct mes *mes, const union frame *f)
{
	int r;

	pthread_mutex_lock(&mes->lock);
	r = mes_suspend(mes, &f->suspend);
	pthread_mutex_unlock(&mes->lock);
	return r;
}

static int do_resume(struct mes *mes, const union frame *f)
{
	int r;

	pthread_mutex_lock(&mes->lock);
	r = mes_resume(mes, &f->resume);
	pthread_mutex_unlock(&mes->lock);
	return r;
}

static int do_reset(struct mes *mes, const union frame *f)
{
	int r;

	pthread_mutex_lock(&mes->lock);
	r = mes_reset_queue(mes, &f->reset);
	pthread_mutex_unlock(&mes->lock);
	return r;
}

static int do_update_root(struct mes *mes, const union frame *f)
{
	int r;

	pthread_mutex_lock(&mes->lock);
	r = mes_update_root(mes, &f->update_root);
	pthread_mutex_unlock(&mes->lock);
	return r;
}

/* Scheduling policy: the quanta of ADD_QUEUE alone count; see mes_slots.c. */
static int do_nothing(struct mes *mes, const union frame *f)
{
	(void)mes;
	(void)f;
	return 0;
}

/* Accepted by name only. */
static int do_unmodelled(struct mes *mes, const union frame *f)
{
	vgpu_count(mes->dev, VGPU_LOG_UNIMP, "mes: message %u not modelled",
		   f->header.opcode);
	return -ENOSYS;
}

static const struct {
	const char *name;
	int (*fn)(struct mes *mes, const union frame *f);
	size_t status;		/* offset of its struct MES_API_STATUS */
} messages[] = {
#define MSG(op, type, handler) \
	[MES_SCH_API_##op] = { #op, handler, offsetof(union type, api_status) }
	MSG(SET_HW_RSRC, MESAPI_SET_HW_RESOURCES, do_set_hw_rsrc),
	MSG(SET_HW_RSRC_1, MESAPI_SET_HW_RESOURCES_1, do_nothing),
	MSG(SET_SCHEDULING_CONFIG, MESAPI__SET_SCHEDULING_CONFIG, do_nothing),
	MSG(ADD_QUEUE, MESAPI__ADD_QUEUE, do_add_queue),
	MSG(REMOVE_QUEUE, MESAPI__REMOVE_QUEUE, do_remove_queue),
	MSG(PERFORM_YIELD, MESAPI__PERFORM_YIELD, do_nothing),
	MSG(SET_GANG_PRIORITY_LEVEL, MESAPI__CHANGE_GANG_PRIORITY_LEVEL,
	    do_nothing),
	MSG(SUSPEND, MESAPI__SUSPEND, do_suspend),
	MSG(RESUME, MESAPI__RESUME, do_resume),
	MSG(RESET, MESAPI__RESET, do_reset),
	MSG(SET_LOG_BUFFER, MESAPI__SET_LOGGING_BUFFER, do_nothing),
	MSG(CHANGE_GANG_PRORITY, MESAPI__CHANGE_GANG_PRIORITY_LEVEL, do_nothing),
	MSG(QUERY_SCHEDULER_STATUS, MESAPI__QUERY_MES_STATUS, do_nothing),
	MSG(PROGRAM_GDS, MESAPI__PROGRAM_GDS, do_unmodelled),
	MSG(SET_DEBUG_VMID, MESAPI__SET_DEBUG_VMID, do_unmodelled),
	MSG(MISC, MESAPI__MISC, do_misc),
	MSG(UPDATE_ROOT_PAGE_TABLE, MESAPI__UPDATE_ROOT_PAGE_TABLE,
	    do_update_root),
	MSG(AMD_LOG, MESAPI_AMD_LOG, do_unmodelled),
#undef MSG
};

const char *mes_message_name(unsigned int op)
{
	return op < ARRAY_SIZE(messages) ? messages[op].name : NULL;
}

bool mes_item(unsigned int i, struct vgpu_item *item)
{
	if (i >= ARRAY_SIZE(messages))
		return false;
	*item = (struct vgpu_item){
		.code = i, .name = messages[i].name,
		.how = messages[i].fn == do_nothing ? VGPU_ACCEPTED :
		       messages[i].fn == do_unmodelled ? VGPU_REFUSED : VGPU_EXECUTED,
	};
	return true;
}

static void complete(struct mes *mes, const union frame *f, size_t offset)
{
	struct MES_API_STATUS s;

	memcpy(&s, (const char *)f + offset, sizeof(s));
	if (!s.api_completion_fence_addr)
		return;
	if (s.api_completion_fence_addr & 7) {
		vgpu_count(mes->dev, VGPU_LOG_GUEST, "mes: unaligned fence address");
		return;
	}
	vgpu_mem_write64(mes->dev, &mes_client, s.api_completion_fence_addr,
			 s.api_completion_fence_value);
}

static void trace(struct mes *mes, const union frame *f)
{
	char text[256];

	vgpu_record(mes->dev, VGPU_RECORD_MES, f, sizeof(*f));
	if (!vgpu_tracing(mes->dev, VGPU_TRACE_MES))
		return;
	mes_decode(f->dw, text, sizeof(text));
	vgpu_trace(mes->dev, VGPU_TRACE_MES, "%s", text);
}

/* 0, or -ECANCELED. */
static int message(struct mes *mes, const union frame *f)
{
	unsigned int op = f->header.opcode;
	int r;

	if (op >= ARRAY_SIZE(messages) || !messages[op].fn) {
		vgpu_count(mes->dev, VGPU_LOG_GUEST, "mes: unknown message %u", op);
		return 0;
	}
	trace(mes, f);
	r = messages[op].fn(mes, f);
	if (r == -ECANCELED)
		return r;
	if (r)
		vgpu_count(mes->dev, VGPU_LOG_GUEST, "mes: %s failed: %s",
			   messages[op].name, strerror(-r));
	else
		complete(mes, f, messages[op].status);
	return 0;
}

static int exec(struct vgpu_queue *q, void *priv, uint64_t rptr, uint64_t wptr)
{
	struct mes *mes = priv;
	union frame f = { 0 };
	unsigned int n;
	int r;

	f.dw[0] = vgpu_queue_dword(q, rptr);
	/* The ring is padded with zeros (mes_v11_0_ring_funcs). */
	if (!f.dw[0])
		return 1;
	n = f.header.dwsize;
	if (f.header.type != MES_API_TYPE_SCHEDULER || !n || n > FRAME_DW) {
		vgpu_count(mes->dev, VGPU_LOG_GUEST, "mes: not a message");
		return 1;
	}
	if (n > wptr - rptr)
		return 0;
	r = vgpu_queue_dwords(q, rptr, f.dw, n);
	if (r)
		return r;
	mes->exec = q;
	r = message(mes, &f);
	return r ? r : (int)n;
}

/* ---- the scheduler's own queue ---- */

static void ended(void *priv)
{
	struct mes *mes = priv;

	vgpu_reg_lock(mes->dev);
	mes->stopping = false;
	vgpu_reg_unlock(mes->dev);
}

static int map(struct vgpu *dev, void *priv, const struct vgpu_queue_map *m)
{
	struct vgpu_queue_config cfg;
	uint32_t regs[CP_HQD_REGS];
	struct mes *mes = priv;
	struct cp_hqd hqd;
	int r;

	r = cp_mqd_load(dev, VGPU_ENGINE_COMPUTE, m->mqd_addr, regs, &hqd);
	if (r)
		return r;
	cp_hqd_queue_config(&hqd, m, &cfg);
	if (cfg.doorbell != m->doorbell)
		vgpu_count(dev, VGPU_LOG_GUEST, "mes: doorbell not enabled in the MQD");
	cfg.client = mes_client;
	cfg.exec = exec;
	cfg.priv = mes;
	cfg.release = ended;
	snprintf(cfg.name, sizeof(cfg.name), "mes");

	vgpu_reg_lock(dev);
	r = mes->q || mes->stopping ? -EBUSY : 0;
	mes->stopping |= !r;
	vgpu_reg_unlock(dev);
	if (r)
		return r;
	/* A fresh start of the firmware. */
	pthread_mutex_lock(&mes->lock);
	mes_forget(mes);
	pthread_mutex_unlock(&mes->lock);

	vgpu_reg_lock(dev);
	mes->stopping = false;
	mes->mqd_addr = m->mqd_addr;
	mes->doorbell = m->doorbell;
	mes->q = vgpu_queue_start(dev, &cfg, &r);
	if (mes->q)
		r = 0;
	vgpu_reg_unlock(dev);
	return r;
}

static struct vgpu_queue *detach(struct mes *mes, uint32_t doorbell)
{
	struct vgpu_queue *q = NULL;

	vgpu_reg_lock(mes->dev);
	if (mes->q && (doorbell == UINT32_MAX || doorbell == mes->doorbell)) {
		q = mes->q;
		mes->q = NULL;
		mes->stopping = true;
	}
	vgpu_reg_unlock(mes->dev);
	return q;
}

/*
 * @doorbell UINT32_MAX: whatever queue there is. The queues that the scheduler
 * has mapped stay: hardware's do, too, when the firmware stops.
 */
static int unmap(struct vgpu *dev, void *priv, uint32_t doorbell,
		 enum vgpu_unmap how)
{
	struct mes *mes = priv;
	struct vgpu_queue *q = detach(mes, doorbell);
	uint64_t rptr, wptr;

	if (!q)
		return -ENOENT;
	/* One that cannot be waited for comes to ended(). */
	if (!vgpu_queue_stop(q, &rptr, &wptr))
		return 0;
	if (how == VGPU_UNMAP_SAVE)
		cp_mqd_save(dev, VGPU_ENGINE_COMPUTE, mes->mqd_addr, rptr, wptr);
	vgpu_reg_lock(dev);
	mes->stopping = false;
	vgpu_reg_unlock(dev);
	return 0;
}

static const struct vgpu_engine_ops mes_ops = { map, unmap };

/* ---- the block ---- */

void mes_kick(struct mes *mes)
{
	pthread_mutex_lock(&mes->kick_lock);
	mes->kicked = true;
	pthread_cond_signal(&mes->kick);
	pthread_mutex_unlock(&mes->kick_lock);
}

/* Sleep until there is something to do or @ns passed; false: end. */
static bool sleep_until_kicked(struct mes *mes, uint64_t ns)
{
	struct timespec until = deadline_us(ns / 1000);
	bool quit;
	int r = 0;

	pthread_mutex_lock(&mes->kick_lock);
	while (!mes->kicked && !mes->quit && !r) {
		if (ns == MES_NEVER)
			pthread_cond_wait(&mes->kick, &mes->kick_lock);
		else
			r = pthread_cond_timedwait(&mes->kick, &mes->kick_lock,
						   &until);
	}
	mes->kicked = false;
	quit = mes->quit;
	pthread_mutex_unlock(&mes->kick_lock);
	return !quit;
}

/* Turns of the queues: as long as the scheduler's own queue is mapped. */
static void *scheduling(void *arg)
{
	uint64_t ns = MES_NEVER;
	struct mes *mes = arg;
	bool active;

	while (sleep_until_kicked(mes, ns)) {
		vgpu_reg_lock(mes->dev);
		active = mes->q;
		vgpu_reg_unlock(mes->dev);
		ns = MES_NEVER;
		if (!active)
			continue;
		pthread_mutex_lock(&mes->lock);
		ns = mes_schedule(mes);
		pthread_mutex_unlock(&mes->lock);
	}
	return NULL;
}

static int mes_init(struct vgpu *dev, void **priv)
{
	pthread_condattr_t attr;
	struct mes *mes;
	int r;

	mes = calloc(1, sizeof(*mes));
	if (!mes)
		return -ENOMEM;
	mes->dev = dev;
	pthread_mutex_init(&mes->lock, NULL);
	pthread_mutex_init(&mes->kick_lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&mes->kick, &attr);
	pthread_condattr_destroy(&attr);
	r = -pthread_create(&mes->thread, NULL, scheduling, mes);
	if (r) {
		pthread_cond_destroy(&mes->kick);
		pthread_mutex_destroy(&mes->kick_lock);
		pthread_mutex_destroy(&mes->lock);
		free(mes);
		return r;
	}
	vgpu_engine_register(dev, VGPU_ENGINE_MES, &mes_ops, mes);
	*priv = mes;
	return 0;
}

static void mes_reset(struct vgpu *dev, void *priv)
{
	struct mes *mes = priv;

	unmap(dev, mes, UINT32_MAX, VGPU_UNMAP_DROP);
	pthread_mutex_lock(&mes->lock);
	mes_forget(mes);
	pthread_mutex_unlock(&mes->lock);
}

static void mes_fini(struct vgpu *dev, void *priv)
{
	struct mes *mes = priv;
	bool left;

	mes_reset(dev, mes);
	do {
		vgpu_reg_lock(dev);
		left = mes->stopping;
		vgpu_reg_unlock(dev);
	} while (left && !usleep(100));
	pthread_mutex_lock(&mes->kick_lock);
	mes->quit = true;
	pthread_cond_signal(&mes->kick);
	pthread_mutex_unlock(&mes->kick_lock);
	pthread_join(mes->thread, NULL);
	pthread_cond_destroy(&mes->kick);
	pthread_mutex_destroy(&mes->kick_lock);
	pthread_mutex_destroy(&mes->lock);
	free(mes);
}

const struct vgpu_block vgpu_block_mes = {
	.name = "mes",
	.init = mes_init,
	.fini = mes_fini,
	.reset = mes_reset,
};
