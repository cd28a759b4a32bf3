/* SPDX-License-Identifier: MIT */
/* SDMA packets in words, for traces. Layouts: sdma_v6_0_0_pkt_open.h, as in sdma_pkt.c. */
#include "sdma.h"

#include <inttypes.h>

#include "hwregs.h"
#include "sdma_v6_0_0_pkt_open.h"
#include "trace.h"

#define F(p, f)								\
	(((p)[SDMA_PKT_##f##_offset] >> SDMA_PKT_##f##_shift) &		\
	 SDMA_PKT_##f##_mask)
#define ADDR(p, f)							\
	((p)[SDMA_PKT_##f##_offset] |					\
	 (uint64_t)(p)[SDMA_PKT_##f##_offset + 1] << 32)

static void poll_regmem(struct trace_text *t, const uint32_t *p)
{
	static const char *const compare[] = {
		"always", "<", "<=", "==", "!=", ">=", ">", "always",
	};

	if (F(p, POLL_REGMEM_HEADER_hdp_flush)) {
		trace_add(t, " ");
		trace_reg(t, F(p, POLL_REGMEM_ADDR_HI_addr_63_32) >> 2);
		trace_add(t, " <- 0x%x,", F(p, POLL_REGMEM_VALUE_value));
	}
	trace_add(t, " until ");
	if (F(p, POLL_REGMEM_HEADER_mem_poll))
		trace_add(t, "mem 0x%" PRIx64, ADDR(p, POLL_REGMEM_ADDR_LO_addr_31_0));
	else
		trace_reg(t, F(p, POLL_REGMEM_ADDR_LO_addr_31_0) >> 2);
	trace_add(t, " & 0x%x %s 0x%x", F(p, POLL_REGMEM_MASK_mask),
		  compare[F(p, POLL_REGMEM_HEADER_func) & 7],
		  F(p, POLL_REGMEM_VALUE_value));
}

static void decode_poll(struct trace_text *t, const uint32_t *p, unsigned int sub)
{
	switch (sub) {
	case SDMA_SUBOP_POLL_REG_WRITE_MEM:
		trace_add(t, " ");
		trace_reg(t, F(p, POLL_REG_WRITE_MEM_SRC_ADDR_addr_31_2));
		trace_add(t, " -> mem 0x%" PRIx64,
			  ADDR(p, POLL_REG_WRITE_MEM_DST_ADDR_LO_addr_31_0));
		break;
	case SDMA_SUBOP_VM_INVALIDATION:
		trace_add(t, " engine %u of GC, %u of MM, request 0x%x, until 0x%x",
			  F(p, VM_INVALIDATION_HEADER_gfx_eng_id),
			  F(p, VM_INVALIDATION_HEADER_mm_eng_id),
			  F(p, VM_INVALIDATION_INVALIDATEREQ_invalidatereq),
			  F(p, VM_INVALIDATION_ADDRESSRANGEHI_invalidateack));
		break;
	default:
		poll_regmem(t, p);
	}
}

static void decode_copy(struct trace_text *t, const uint32_t *p, unsigned int sub)
{
	if (sub == SDMA_SUBOP_COPY_LINEAR_SUB_WIND)
		trace_add(t, " %u x %u x %u of 0x%" PRIx64 " -> 0x%" PRIx64,
			  F(p, COPY_LINEAR_SUBWIN_DW_11_rect_x) + 1,
			  F(p, COPY_LINEAR_SUBWIN_DW_11_rect_y) + 1,
			  F(p, COPY_LINEAR_SUBWIN_DW_12_rect_z) + 1,
			  ADDR(p, COPY_LINEAR_SUBWIN_SRC_ADDR_LO_src_addr_31_0),
			  ADDR(p, COPY_LINEAR_SUBWIN_DST_ADDR_LO_dst_addr_31_0));
	else
		trace_add(t, " %u bytes 0x%" PRIx64 " -> 0x%" PRIx64,
			  F(p, COPY_LINEAR_COUNT_count) + 1,
			  ADDR(p, COPY_LINEAR_SRC_ADDR_LO_src_addr_31_0),
			  ADDR(p, COPY_LINEAR_DST_ADDR_LO_dst_addr_31_0));
}

void sdma_decode(const uint32_t *p, const char *name, char *buf, size_t len)
{
	struct trace_text t = { buf, len, 0 };
	unsigned int sub = p[0] >> 8 & 0xff;

	trace_add(&t, "%s", name);
	switch (p[0] & 0xff) {
	case SDMA_OP_COPY:
		decode_copy(&t, p, sub);
		break;
	case SDMA_OP_WRITE:
		trace_add(&t, " 0x%" PRIx64 " <- 0x%x%s (%u dwords)",
			  ADDR(p, WRITE_UNTILED_DST_ADDR_LO_dst_addr_31_0), p[4],
			  F(p, WRITE_UNTILED_DW_3_count) ? " ..." : "",
			  F(p, WRITE_UNTILED_DW_3_count) + 1);
		break;
	case SDMA_OP_INDIRECT:
		trace_add(&t, " 0x%" PRIx64 ", %u dw, vmid %u",
			  ADDR(p, INDIRECT_BASE_LO_ib_base_31_0),
			  F(p, INDIRECT_IB_SIZE_ib_size), F(p, INDIRECT_HEADER_vmid));
		break;
	case SDMA_OP_FENCE:
		if (!sub)
			trace_add(&t, " 0x%" PRIx64 " <- 0x%x",
				  ADDR(p, FENCE_ADDR_LO_addr_31_0), F(p, FENCE_DATA_data));
		break;
	case SDMA_OP_TRAP:
		trace_add(&t, " context 0x%x", F(p, TRAP_INT_CONTEXT_int_context));
		break;
	case SDMA_OP_POLL_REGMEM:
		decode_poll(&t, p, sub);
		break;
	case SDMA_OP_COND_EXE:
		trace_add(&t, " if mem 0x%" PRIx64 " is not 0x%x: skip %u dw",
			  ADDR(p, COND_EXE_ADDR_LO_addr_31_0),
			  F(p, COND_EXE_REFERENCE_reference),
			  F(p, COND_EXE_EXEC_COUNT_exec_count));
		break;
	case SDMA_OP_ATOMIC:
		trace_add(&t, " op 0x%x at 0x%" PRIx64 " data 0x%" PRIx64,
			  F(p, ATOMIC_HEADER_atomic_op), ADDR(p, ATOMIC_ADDR_LO_addr_31_0),
			  ADDR(p, ATOMIC_SRC_DATA_LO_src_data_31_0));
		break;
	case SDMA_OP_CONST_FILL:
		trace_add(&t, " 0x%" PRIx64 " <- %u bytes of 0x%x",
			  ADDR(p, CONSTANT_FILL_DST_ADDR_LO_dst_addr_31_0),
			  F(p, CONSTANT_FILL_COUNT_count) + 1,
			  F(p, CONSTANT_FILL_DATA_src_data_31_0));
		break;
	case SDMA_OP_PTEPDE:
		trace_add(&t, " 0x%" PRIx64 " <- %u entries 0x%" PRIx64 " | 0x%" PRIx64
			  " + 0x%" PRIx64, ADDR(p, WRITE_INCR_DST_ADDR_LO_dst_addr_31_0),
			  F(p, WRITE_INCR_COUNT_count) + 1,
			  ADDR(p, WRITE_INCR_MASK_DW0_mask_dw0),
			  ADDR(p, WRITE_INCR_INIT_DW0_init_dw0),
			  ADDR(p, WRITE_INCR_INCR_DW0_incr_dw0));
		break;
	case SDMA_OP_SRBM_WRITE:
		trace_add(&t, " ");
		trace_reg(&t, F(p, SRBM_WRITE_ADDR_addr));
		trace_add(&t, " <- 0x%x", F(p, SRBM_WRITE_DATA_data));
		break;
	case SDMA_OP_GPUVM_INV:
		trace_add(&t, " vmids 0x%x", F(p, GPUVM_INV_PAYLOAD1_per_vmid_inv_req));
		break;
	}
}
