/* SPDX-License-Identifier: MIT */
/*
 * The names of IGT's lib/amdgpu/amd_sdma.h that these tests use, made from the
 * kernel's own packet description. In an IGT tree the real file is found.
 */
#ifndef COMPAT_AMD_SDMA_H
#define COMPAT_AMD_SDMA_H

#include "sdma_v6_0_0_pkt_open.h"

#define SDMA_OPCODE_COPY SDMA_OP_COPY
#define SDMA_OPCODE_FENCE SDMA_OP_FENCE
#define SDMA_OPCODE_POLL_REGMEM SDMA_OP_POLL_REGMEM
#define SDMA_COPY_SUB_OPCODE_LINEAR SDMA_SUBOP_COPY_LINEAR
#define SDMA_PACKET(op, sub_op, extra)					\
	(SDMA_PKT_COPY_LINEAR_HEADER_OP(op) |				\
	 SDMA_PKT_COPY_LINEAR_HEADER_SUB_OP(sub_op) |			\
	 (uint32_t)(extra) << 16)

#endif
