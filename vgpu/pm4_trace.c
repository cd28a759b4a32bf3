/* SPDX-License-Identifier: MIT */
/*
 * PM4 packets in words, for traces, and the list of them. Fields as the handlers read them:
 * pm4_mem.c, pm4_reg.c, pm4_wait.c, pm4_kiq.c.
 */
#include <inttypes.h>
#include <stdio.h>

#include "pm4_internal.h"
#include "nvd.h"
#include "trace.h"

/* Opcodes that nvd.h lacks, as in pm4_table.c. */
#define OP_FENCE_WAIT_MULTI	0xD1

struct packet {
	struct trace_text *t;
	const uint32_t *p;	/* body */
	uint32_t n;		/* its dwords, at least the table's minimum */
};

static const char *compare_name(uint32_t function)
{
	static const char *const names[] = {
		"always", "<", "<=", "==", "!=", ">=", ">", "always",
	};

	return names[function & 7];
}

static void write_data(const struct packet *k)
{
	const uint32_t *p = k->p;

	if (p[0] >> 8 & 0xF)
		trace_add(k->t, " mem 0x%" PRIx64, pm4_addr(p + 1));
	else
		trace_add(k->t, " ");
	if (!(p[0] >> 8 & 0xF))
		trace_reg(k->t, p[1] & 0x3FFFF);
	trace_add(k->t, " <-");
	trace_dwords(k->t, p + 3, k->n - 3);
}

static void copy_data(const struct packet *k)
{
	const uint32_t *p = k->p;
	uint32_t src = p[0] & 0xF, dst = p[0] >> 8 & 0xF;

	trace_add(k->t, p[0] & PACKET3_COPY_DATA__COUNT_SEL(1) ? " 64 bits " : " ");
	if (src == PACKET3_COPY_DATA__SRC_SEL__MEM_MAPPED_REGISTER)
		trace_reg(k->t, p[1] & 0x3FFFF);
	else if (src == PACKET3_COPY_DATA__SRC_SEL__IMMEDIATE_DATA)
		trace_add(k->t, "0x%x", p[1]);
	else if (src == PACKET3_COPY_DATA__SRC_SEL__GPU_CLOCK_COUNT)
		trace_add(k->t, "clock");
	else
		trace_add(k->t, "source %u 0x%" PRIx64, src, pm4_addr(p + 1));
	trace_add(k->t, " -> ");
	if (dst == PACKET3_COPY_DATA__DST_SEL__MEM_MAPPED_REGISTER)
		trace_reg(k->t, p[3] & 0x3FFFF);
	else
		trace_add(k->t, "mem 0x%" PRIx64, pm4_addr(p + 3));
}

static void dma_data(const struct packet *k)
{
	const uint32_t *p = k->p;

	trace_add(k->t, " %u bytes ", p[5] & 0x3FFFFFF);
	if ((p[0] >> 29 & 3) == 2)
		trace_add(k->t, "of 0x%x", p[1]);
	else
		trace_add(k->t, "0x%" PRIx64, pm4_addr(p + 1));
	trace_add(k->t, " -> 0x%" PRIx64, pm4_addr(p + 3));
}

static void atomic_mem(const struct packet *k)
{
	trace_add(k->t, " op 0x%x at 0x%" PRIx64 " data 0x%" PRIx64 " compare 0x%" PRIx64,
		  k->p[0] & 0x7F, pm4_addr(k->p + 1), pm4_addr(k->p + 3),
		  pm4_addr(k->p + 5));
}

static void release_mem(const struct packet *k)
{
	static const char *const data[] = {
		"nothing", "32 bits", "64 bits", "clock", "clock", "?", "?", "?",
	};
	const uint32_t *p = k->p;

	trace_add(k->t, " 0x%" PRIx64 " <- %s 0x%" PRIx64 "%s", pm4_addr(p + 2),
		  data[p[1] >> 29], pm4_addr(p + 4),
		  p[1] >> 24 & 3 ? ", interrupt" : "");
}

static void wait_reg_mem(const struct packet *k)
{
	const uint32_t *p = k->p;

	trace_add(k->t, " ");
	if ((p[0] >> 6 & 3) == PACKET3_WAIT_REG_MEM__OPERATION__WR_WAIT_WR_REG) {
		trace_reg(k->t, p[1] & 0x3FFFF);
		trace_add(k->t, " <- 0x%x, until ", p[3]);
		trace_reg(k->t, p[2] & 0x3FFFF);
	} else if (p[0] >> 4 & 3) {
		trace_add(k->t, "until mem 0x%" PRIx64, pm4_addr(p + 1));
	} else {
		trace_add(k->t, "until ");
		trace_reg(k->t, p[1] & 0x3FFFF);
	}
	trace_add(k->t, " & 0x%x %s 0x%x", p[4], compare_name(p[0]), p[3] & p[4]);
}

static void wait_reg_mem64(const struct packet *k)
{
	trace_add(k->t, " until mem 0x%" PRIx64 " & 0x%" PRIx64 " %s 0x%" PRIx64,
		  pm4_addr(k->p + 1), pm4_addr(k->p + 5), compare_name(k->p[0]),
		  pm4_addr(k->p + 3));
}

static void fence_wait_multi(const struct packet *k)
{
	uint32_t i;

	for (i = 1; i + 3 < k->n; i += 4)
		trace_add(k->t, " until mem 0x%" PRIx64 " >= 0x%" PRIx64,
			  pm4_addr(k->p + i), pm4_addr(k->p + i + 2));
}

static void indirect_buffer(const struct packet *k)
{
	trace_add(k->t, " 0x%" PRIx64 ", %u dw, vmid %u%s", pm4_addr(k->p),
		  k->p[2] & 0xFFFFF, k->p[2] >> 24 & 0xF,
		  k->p[2] & PACKET3_INDIRECT_BUFFER__CHAIN(1) ? ", chain" : "");
}

static void cond_exec(const struct packet *k)
{
	trace_add(k->t, " unless mem 0x%" PRIx64 ": skip %u dw", pm4_addr(k->p),
		  k->p[3] & 0x3FFF);
}

static void set_regs(const struct packet *k, uint32_t start)
{
	trace_add(k->t, " ");
	trace_reg(k->t, start + (k->p[0] & 0xFFFF));
	trace_add(k->t, " <-");
	trace_dwords(k->t, k->p + 1, k->n - 1);
}

static void reg_rmw(const struct packet *k)
{
	trace_add(k->t, " ");
	trace_reg(k->t, k->p[0] & 0x3FFFF);
	trace_add(k->t, " & 0x%x | 0x%x", k->p[1], k->p[2]);
}

static void map_queues(const struct packet *k)
{
	const uint32_t *p = k->p;

	trace_add(k->t, " engine %u queue %u.%u.%u, doorbell 0x%x, MQD 0x%" PRIx64,
		  p[0] >> 26 & 7, p[0] >> 18 & 7, p[0] >> 16 & 3, p[0] >> 13 & 7,
		  p[1] >> 2 & 0x3FFFFFF, pm4_addr(p + 2));
}

static void unmap_queues(const struct packet *k)
{
	static const char *const actions[] = {
		"preempt", "reset", "disable process", "preempt, not unmap",
	};

	trace_add(k->t, " %s, engine %u, %u queues, doorbell 0x%x", actions[k->p[0] & 3],
		  k->p[0] >> 26 & 7, k->p[0] >> 29, k->p[1] >> 2 & 0x3FFFFFF);
}

static void query_status(const struct packet *k)
{
	trace_add(k->t, " 0x%" PRIx64 " <- 0x%" PRIx64, pm4_addr(k->p + 2),
		  pm4_addr(k->p + 4));
}

static void invalidate_tlbs(const struct packet *k)
{
	trace_add(k->t, " pasid %u", k->p[0] >> 5 & 0xFFFF);
}

static void decode_body(const struct packet *k, unsigned int op)
{
	switch (op) {
	case PACKET3_WRITE_DATA:
		return write_data(k);
	case PACKET3_COPY_DATA:
		return copy_data(k);
	case PACKET3_DMA_DATA:
		return dma_data(k);
	case PACKET3_ATOMIC_MEM:
		return atomic_mem(k);
	case PACKET3_RELEASE_MEM:
		return release_mem(k);
	case PACKET3_WAIT_REG_MEM:
		return wait_reg_mem(k);
	case PACKET3_WAIT_REG_MEM64:
		return wait_reg_mem64(k);
	case OP_FENCE_WAIT_MULTI:
		return fence_wait_multi(k);
	case PACKET3_INDIRECT_BUFFER:
		return indirect_buffer(k);
	case PACKET3_COND_EXEC:
		return cond_exec(k);
	case PACKET3_SET_CONFIG_REG:
		return set_regs(k, PACKET3_SET_CONFIG_REG_START);
	case PACKET3_SET_CONTEXT_REG:
	case PACKET3_SET_CONTEXT_REG_INDEX:
		return set_regs(k, PACKET3_SET_CONTEXT_REG_START);
	case PACKET3_SET_SH_REG:
	case PACKET3_SET_SH_REG_INDEX:
		return set_regs(k, PACKET3_SET_SH_REG_START);
	case PACKET3_SET_UCONFIG_REG:
	case PACKET3_SET_UCONFIG_REG_INDEX:
		return set_regs(k, PACKET3_SET_UCONFIG_REG_START);
	case PACKET3_REG_RMW:
		return reg_rmw(k);
	case PACKET3_MAP_QUEUES:
		return map_queues(k);
	case PACKET3_UNMAP_QUEUES:
		return unmap_queues(k);
	case PACKET3_QUERY_STATUS:
		return query_status(k);
	case PACKET3_INVALIDATE_TLBS:
		return invalidate_tlbs(k);
	}
}

void pm4_decode(const uint32_t *p, uint32_t ndw, char *buf, size_t len)
{
	unsigned int code = CP_PACKET3_GET_OPCODE(p[0]);
	const struct pm4_op *op = &pm4_ops[code];
	struct trace_text t = { buf, len, 0 };
	struct packet k = { &t, p + 1, ndw - 1 };

	if (op->name)
		trace_add(&t, "%s", op->name);
	else
		trace_add(&t, "0x%02x", code);
	switch (op->class) {
	case PM4_EXEC:
		if (k.n < op->min_dw)
			trace_add(&t, ", too short: %u dw", ndw);
		else
			decode_body(&k, code);
		break;
	case PM4_NONE:
		trace_add(&t, " (no effect)");
		break;
	case PM4_REFUSE:
		trace_add(&t, ": not modelled");
		break;
	case PM4_UNKNOWN:
		trace_add(&t, ": no such packet");
		break;
	}
}

static enum vgpu_record record_of(const struct pm4_env *env)
{
	return env->kiq ? VGPU_RECORD_KIQ :
	       env->engine == VGPU_ENGINE_GFX ? VGPU_RECORD_GFX : VGPU_RECORD_COMPUTE;
}

void pm4_trace(struct pm4_run *run, const uint32_t *p, uint32_t ndw)
{
	char text[256], level[16] = "";

	vgpu_record(run->dev, record_of(run->env), p, ndw * 4);
	if (!vgpu_tracing(run->dev, VGPU_TRACE_PM4))
		return;
	if (run->depth)
		snprintf(level, sizeof(level), " ib%u", run->depth);
	pm4_decode(p, ndw, text, sizeof(text));
	vgpu_trace(run->dev, VGPU_TRACE_PM4, "%s%s vmid %u: %s",
		   vgpu_queue_config(run->q)->name, level, run->client.vmid, text);
}

bool pm4_item(unsigned int i, struct vgpu_item *item)
{
	unsigned int code;

	for (code = 0; code < ARRAY_SIZE(pm4_ops); code++)
		if (pm4_ops[code].class != PM4_UNKNOWN && !i--)
			break;
	if (code == ARRAY_SIZE(pm4_ops))
		return false;
	*item = (struct vgpu_item){
		.code = code, .name = pm4_ops[code].name,
		.how = pm4_ops[code].class == PM4_EXEC ? VGPU_EXECUTED :
		       pm4_ops[code].class == PM4_NONE ? VGPU_ACCEPTED : VGPU_REFUSED,
		.who = pm4_ops[code].kiq_only ? "KIQ" : NULL,
	};
	return true;
}
