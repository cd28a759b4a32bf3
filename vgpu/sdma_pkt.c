/* SPDX-License-Identifier: MIT */
/*
 * SDMA packets. Layouts: sdma_v6_0_0_pkt_open.h; what the driver expects of
 * them: sdma_v6_0.c. A packet we cannot execute stops its queue, as an engine
 * that met an illegal instruction would.
 */
#include "sdma.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "catalogue.h"
#include "hwregs.h"
#include "tc_atomic.h"
#include "gc/gc_11_0_0_offset.h"
#include "gc/gc_11_0_0_sh_mask.h"
#include "ivsrcid/gfx/irqsrcs_gfx_11_0_0.h"
#include "mmhub/mmhub_3_0_0_offset.h"
#include "sdma_v6_0_0_pkt_open.h"
#include "soc15_ih_clientid.h"

/* Field @f ("COPY_LINEAR_COUNT_count") of the packet at @p. */
#define F(p, f)								\
	(((p)[SDMA_PKT_##f##_offset] >> SDMA_PKT_##f##_shift) &		\
	 SDMA_PKT_##f##_mask)
/* An address whose low half is field @f. */
#define ADDR(p, f)							\
	((p)[SDMA_PKT_##f##_offset] |					\
	 (uint64_t)(p)[SDMA_PKT_##f##_offset + 1] << 32)

/*
 * The sub-operation of FENCE that signals a user queue's fence; it has no name
 * in AMD's header. Its dword, 0x305, comes from libdrm.
 */
#define SUBOP_FENCE_PROTECTED	3
/* VM_INVALIDATION: no engine of this hub. */
#define ENG_NONE		0x1f
#define ENGINES_PER_HUB		18
/* Memory is moved in slices, between which the queue can be stopped. */
#define SLICE			(16ull << 20)
#define NS_PER_TICK		10
/* PTEs and fill data prepared at once. */
#define BATCH			512
/* Of an indirect buffer, what is read at once at most, and kept: 1 KiB. */
#define IB_WINDOW		256
#define PAGE			4096

/*
 * An indirect buffer. It is read as the engine gets on: memory that is taken away
 * meanwhile is missed, and the longest buffer needs no more room than the shortest.
 */
struct sdma_ib {
	uint64_t va;
	uint32_t dw;
	uint32_t first, n;		/* what of it @window holds */
	uint32_t window[IB_WINDOW];
};

/* What a packet is executed with. */
struct sdma_run {
	struct sdma_queue *sq;
	struct vgpu_queue *q;
	struct vgpu *dev;
	struct vgpu_client client;	/* address space of this stream */
	struct sdma_ib *ib;		/* NULL: the ring itself */
	uint64_t pos;			/* of the packet: ring dwords or IB index */
	uint64_t left;			/* dwords of the stream from there on */
};

/*
 * Executes the packet whose first dwords are @p. Returns its length, 0 if
 * there is more of it than the stream has, or a negative errno.
 */
typedef int (*sdma_fn)(struct sdma_run *run, const uint32_t *p);

struct sdma_op {
	uint8_t op, sub;
	const char *name;
	uint8_t dw;		/* fixed part, at least the header */
	sdma_fn fn;		/* NULL: accepted without effect */
	bool privileged;	/* refused to processes */
};

/* Have dword @index of the buffer in its window; how many there are from it on. */
static uint32_t ib_window(struct sdma_run *run, uint32_t index)
{
	struct sdma_ib *ib = run->ib;
	uint64_t va = ib->va + index * 4ull;
	uint32_t n;

	if (index < ib->first || index - ib->first >= ib->n) {
		/* not beyond a page, so that a page is missed when the engine gets there */
		n = (PAGE - va % PAGE) / 4;
		if (n > IB_WINDOW)
			n = IB_WINDOW;
		if (n > ib->dw - index)
			n = ib->dw - index;
		/* Pages that fault read as zeros, which are NOPs. */
		vgpu_mem_read(run->dev, &run->client, va, ib->window, n * 4ull);
		ib->first = index;
		ib->n = n;
	}
	return ib->n - (index - ib->first);
}

/* @n dwords of the packet from @index on; 0, or why they cannot be read. */
static int stream_dwords(struct sdma_run *run, uint64_t index, uint32_t *out, uint32_t n)
{
	uint32_t now;

	if (!run->ib)
		return vgpu_queue_dwords(run->q, run->pos + index, out, n);
	for (index += run->pos; n; index += now, out += now, n -= now) {
		now = ib_window(run, index);
		if (now > n)
			now = n;
		memcpy(out, run->ib->window + (index - run->ib->first),
		       now * sizeof(*out));
	}
	return 0;
}

/* ---- copies and fills ---- */

/* Of the next @len bytes, how many were moved before the queue was stopped. */
static uint64_t already(struct sdma_run *run, uint64_t len)
{
	struct sdma_queue *sq = run->sq;
	uint64_t n = sq->skip < len ? sq->skip : len;

	sq->skip -= n;
	sq->done += n;
	return n;
}

static int copy(struct sdma_run *run, uint64_t dst, uint64_t src, uint64_t len)
{
	/* An overlapping copy must see one memmove, not one per slice. */
	bool back = dst > src && dst - src < len;
	uint64_t n;

	if (vgpu_broken(run->dev, VGPU_BREAK_COPY))
		return 0;
	/* also between rows that have nothing left to do */
	if (vgpu_queue_stopping(run->q))
		return -ECANCELED;
	n = already(run, len);
	len -= n;
	if (!back) {
		dst += n;
		src += n;
	}
	vgpu_stat(run->dev, "sdma: bytes copied", len);
	while (len) {
		n = len < SLICE ? len : SLICE;

		if (vgpu_queue_stopping(run->q))
			return -ECANCELED;
		len -= n;
		vgpu_mem_copy(run->dev, &run->client, dst + (back ? len : 0),
			      src + (back ? len : 0), n);
		run->sq->done += n;
		if (!back) {
			dst += n;
			src += n;
		}
	}
	return 0;
}

static int do_copy_linear(struct sdma_run *run, const uint32_t *p)
{
	uint64_t len = F(p, COPY_LINEAR_COUNT_count) + 1ull;
	uint64_t src = ADDR(p, COPY_LINEAR_SRC_ADDR_LO_src_addr_31_0);
	bool broadcast = F(p, COPY_LINEAR_HEADER_broadcast);
	int r;

	if (broadcast && run->left < 9)
		return 0;
	r = copy(run, ADDR(p, COPY_LINEAR_DST_ADDR_LO_dst_addr_31_0), src, len);
	if (!r && broadcast)
		r = copy(run, ADDR(p, COPY_BROADCAST_LINEAR_DST2_ADDR_LO_dst2_addr_31_0),
			 src, len);
	return r ? r : broadcast ? 9 : 7;
}

/* A box of a linear image; pitches and extents are stored minus one. */
static int do_copy_subwin(struct sdma_run *run, const uint32_t *p)
{
	unsigned int es = F(p, COPY_LINEAR_SUBWIN_HEADER_elementsize);
	uint64_t src = ADDR(p, COPY_LINEAR_SUBWIN_SRC_ADDR_LO_src_addr_31_0);
	uint64_t dst = ADDR(p, COPY_LINEAR_SUBWIN_DST_ADDR_LO_dst_addr_31_0);
	uint64_t sp = F(p, COPY_LINEAR_SUBWIN_DW_4_src_pitch) + 1ull;
	uint64_t ss = F(p, COPY_LINEAR_SUBWIN_DW_5_src_slice_pitch) + 1ull;
	uint64_t dp = F(p, COPY_LINEAR_SUBWIN_DW_9_dst_pitch) + 1ull;
	uint64_t ds = F(p, COPY_LINEAR_SUBWIN_DW_10_dst_slice_pitch) + 1ull;
	uint64_t w = F(p, COPY_LINEAR_SUBWIN_DW_11_rect_x) + 1ull;
	uint32_t h = F(p, COPY_LINEAR_SUBWIN_DW_11_rect_y) + 1;
	uint32_t d = F(p, COPY_LINEAR_SUBWIN_DW_12_rect_z) + 1;
	uint32_t y, z;
	int r;

	src += (F(p, COPY_LINEAR_SUBWIN_DW_4_src_z) * ss +
		F(p, COPY_LINEAR_SUBWIN_DW_3_src_y) * sp +
		F(p, COPY_LINEAR_SUBWIN_DW_3_src_x)) << es;
	dst += (F(p, COPY_LINEAR_SUBWIN_DW_9_dst_z) * ds +
		F(p, COPY_LINEAR_SUBWIN_DW_8_dst_y) * dp +
		F(p, COPY_LINEAR_SUBWIN_DW_8_dst_x)) << es;
	for (z = 0; z < d; z++) {
		for (y = 0; y < h; y++) {
			r = copy(run, dst + ((z * ds + y * dp) << es),
				 src + ((z * ss + y * sp) << es), w << es);
			if (r)
				return r;
		}
	}
	return 13;
}

/* Repeat the @size (1, 2, 4) byte @data over @len bytes at @dst, of any alignment. */
static int fill(struct sdma_run *run, uint64_t dst, uint32_t data,
		unsigned int size, uint64_t len)
{
	uint32_t pattern = size == 1 ? (data & 0xff) * 0x01010101u :
			   size == 2 ? (data & 0xffff) * 0x00010001u : data;
	uint8_t bytes[8];
	uint64_t n;

	if (vgpu_broken(run->dev, VGPU_BREAK_FILL))
		return 0;
	vgpu_stat(run->dev, "sdma: bytes filled", len);
	memcpy(bytes, &pattern, 4);
	memcpy(bytes + 4, &pattern, 4);
	if (dst & 3) {
		n = 4 - (dst & 3);
		n = n < len ? n : len;
		vgpu_mem_write(run->dev, &run->client, dst, bytes, n);
		dst += n;
		len -= n;
		/* The pattern continues where the head ended. */
		memmove(bytes, bytes + n, 4);
		memcpy(&pattern, bytes, 4);
	}
	n = already(run, len & ~3ull) & ~3ull;
	dst += n;
	len -= n;
	while (len >= 4) {
		n = len < SLICE ? len & ~3ull : SLICE;
		if (vgpu_queue_stopping(run->q))
			return -ECANCELED;
		vgpu_mem_fill(run->dev, &run->client, dst, pattern, n);
		run->sq->done += n;
		dst += n;
		len -= n;
	}
	if (len)
		vgpu_mem_write(run->dev, &run->client, dst, bytes, len);
	return 0;
}

static int do_const_fill(struct sdma_run *run, const uint32_t *p)
{
	unsigned int log2 = F(p, CONSTANT_FILL_HEADER_fillsize);
	int r;

	r = fill(run, ADDR(p, CONSTANT_FILL_DST_ADDR_LO_dst_addr_31_0),
		 F(p, CONSTANT_FILL_DATA_src_data_31_0), log2 > 2 ? 4 : 1u << log2,
		 F(p, CONSTANT_FILL_COUNT_count) + 1ull);
	return r ? r : 5;
}

static int do_write(struct sdma_run *run, const uint32_t *p)
{
	uint64_t dst = ADDR(p, WRITE_UNTILED_DST_ADDR_LO_dst_addr_31_0);
	uint32_t count = F(p, WRITE_UNTILED_DW_3_count) + 1, i = 0, n;
	uint32_t buf[BATCH];
	int r;

	if (run->left < 4ull + count)
		return 0;
	for (i = 0; i < count; i += n) {
		n = count - i < BATCH ? count - i : BATCH;
		r = stream_dwords(run, 4 + i, buf, n);
		if (r)
			return r;
		/* What others poll for must not appear in pieces. */
		if (count == 1)
			vgpu_mem_write32(run->dev, &run->client, dst, buf[0]);
		else
			vgpu_mem_write(run->dev, &run->client, dst + i * 4ull,
				       buf, n * 4);
	}
	return 4 + count;
}

/* ---- page tables ---- */

/* count + 1 entries {mask | init + i * incr}; amdgpu's set_pte_pde. */
static int do_pte_gen(struct sdma_run *run, const uint32_t *p)
{
	uint64_t dst = ADDR(p, WRITE_INCR_DST_ADDR_LO_dst_addr_31_0);
	uint64_t mask = ADDR(p, WRITE_INCR_MASK_DW0_mask_dw0);
	uint64_t value = ADDR(p, WRITE_INCR_INIT_DW0_init_dw0);
	uint64_t incr = ADDR(p, WRITE_INCR_INCR_DW0_incr_dw0);
	uint64_t count = F(p, WRITE_INCR_COUNT_count) + 1ull, n, i;
	uint64_t buf[BATCH];

	for (; count; count -= n) {
		n = count < BATCH ? count : BATCH;
		for (i = 0; i < n; i++, value += incr)
			buf[i] = mask | value;
		vgpu_mem_write(run->dev, &run->client, dst, buf, n * 8);
		dst += n * 8;
	}
	return 10;
}

/* ---- synchronisation ---- */

static uint8_t ring_id(const struct sdma_queue *sq)
{
	/* sdma_v6_0_process_trap_irq() */
	return sq->engine << 4 | (sq->id & 0xf);
}

static int do_fence(struct sdma_run *run, const uint32_t *p)
{
	vgpu_mem_write32(run->dev, &run->client,
			 ADDR(p, FENCE_ADDR_LO_addr_31_0) & ~3ull,
			 F(p, FENCE_DATA_data));
	return 4;
}

static int do_protected_fence(struct sdma_run *run, const uint32_t *p)
{
	const struct sdma_queue *sq = run->sq;
	struct vgpu_client kernel = run->client;
	struct vgpu_iv iv = {
		.client_id = SOC21_IH_CLIENTID_GFX,
		.src_id = GFX_11_0_0__SRCID__SDMA_FENCE,
		.ring_id = ring_id(sq),
		.vmid = sq->client.vmid,
		.pasid = sq->pasid,
		/* sdma_v6_0_process_fence_irq() */
		.data[0] = VFIELD(SDMA0_QUEUE0_DOORBELL_OFFSET, OFFSET,
				  sq->doorbell),
	};

	(void)p;
	if (run->ib || !sq->user || !sq->fence) {
		vgpu_count(run->dev, VGPU_LOG_GUEST,
			   "sdma: protected fence outside of a user queue's ring");
		return -EINVAL;
	}
	kernel.vmid = 0;
	/* The fence's value is the read pointer behind it, in bytes. */
	vgpu_mem_write64(run->dev, &kernel, sq->fence, (run->pos + 1) << 2);
	vgpu_irq(run->dev, &iv);
	return 1;
}

static int do_trap(struct sdma_run *run, const uint32_t *p)
{
	const struct sdma_queue *sq = run->sq;
	uint32_t cntl = vgpu_reg_peek(run->dev, sq->engine ?
				      VREG(GC, regSDMA1_CNTL) :
				      VREG(GC, regSDMA0_CNTL));
	struct vgpu_iv iv = {
		.client_id = SOC21_IH_CLIENTID_GFX,
		.src_id = GFX_11_0_0__SRCID__SDMA_TRAP,
		.ring_id = ring_id(sq),
		.vmid = run->client.vmid,
		.pasid = sq->pasid,
		.data[0] = F(p, TRAP_INT_CONTEXT_int_context),
	};

	if (VFIELD_GET(cntl, SDMA0_CNTL, TRAP_ENABLE))
		vgpu_irq(run->dev, &iv);
	else
		vgpu_count(run->dev, VGPU_LOG_INFO, "sdma: trap while traps are off");
	return 2;
}

struct poll {
	struct sdma_run *run;
	bool mem;
	uint64_t addr;		/* or register */
	uint32_t ref, mask;
	unsigned int func;
};

static bool poll_ready(void *arg)
{
	struct poll *w = arg;
	uint32_t v, ref = w->ref & w->mask;

	if (w->mem) {
		/* A page that vanished ends the wait: it will not come back. */
		if (vgpu_mem_read32(w->run->dev, &w->run->client, w->addr, &v))
			return true;
	} else {
		v = vgpu_reg_read(w->run->dev, w->addr);
	}
	v &= w->mask;
	switch (w->func) {
	case 1:
		return v < ref;
	case 2:
		return v <= ref;
	case 3:
		return v == ref;
	case 4:
		return v != ref;
	case 5:
		return v >= ref;
	case 6:
		return v > ref;
	}
	return true;
}

static int do_poll_regmem(struct sdma_run *run, const uint32_t *p)
{
	struct poll w = {
		.run = run,
		.mem = F(p, POLL_REGMEM_HEADER_mem_poll),
		.ref = F(p, POLL_REGMEM_VALUE_value),
		.mask = F(p, POLL_REGMEM_MASK_mask),
		.func = F(p, POLL_REGMEM_HEADER_func),
	};
	bool flush = F(p, POLL_REGMEM_HEADER_hdp_flush);
	int r;

	if (w.mem) {
		w.addr = ADDR(p, POLL_REGMEM_ADDR_LO_addr_31_0) & ~3ull;
	} else {
		/* Nor may it have one written for the flush. */
		if (run->client.vmid) {
			vgpu_count(run->dev, VGPU_LOG_GUEST,
				   "sdma: process polls a register");
			return -EPERM;
		}
		/* Register byte offsets: of the poll, and of the flush request. */
		w.addr = F(p, POLL_REGMEM_ADDR_LO_addr_31_0) >> 2;
		if (flush)
			vgpu_reg_write(run->dev,
				       F(p, POLL_REGMEM_ADDR_HI_addr_63_32) >> 2,
				       w.ref);
	}
	/*
	 * However often it may retry: amdgpu and Mesa ask for 0xfff, for ever, and
	 * IGT's amd_deadlock counts on a wait with none to hang, too.
	 */
	r = vgpu_queue_wait(run->q, poll_ready, &w);
	return r ? r : 6;
}

static int do_poll_reg_write_mem(struct sdma_run *run, const uint32_t *p)
{
	uint32_t v = vgpu_reg_read(run->dev,
				   F(p, POLL_REG_WRITE_MEM_SRC_ADDR_addr_31_2));

	vgpu_mem_write32(run->dev, &run->client,
			 ADDR(p, POLL_REG_WRITE_MEM_DST_ADDR_LO_addr_31_0) & ~3ull,
			 v);
	return 4;
}

static int invalidate(struct sdma_run *run, unsigned int eng, uint32_t reg_req,
		      uint32_t reg_ack, uint32_t req, uint32_t ack)
{
	struct poll w = { .run = run, .addr = reg_ack + eng, .ref = ack,
			  .mask = ack, .func = 3 };

	if (eng == ENG_NONE)
		return 0;
	if (eng >= ENGINES_PER_HUB) {
		vgpu_count(run->dev, VGPU_LOG_GUEST, "sdma: no invalidate engine %u",
			   eng);
		return -EINVAL;
	}
	vgpu_reg_write(run->dev, reg_req + eng, req);
	return vgpu_queue_wait(run->q, poll_ready, &w);
}

static int do_vm_invalidation(struct sdma_run *run, const uint32_t *p)
{
	uint32_t req = F(p, VM_INVALIDATION_INVALIDATEREQ_invalidatereq);
	uint32_t ack = F(p, VM_INVALIDATION_ADDRESSRANGEHI_invalidateack);
	int r;

	r = invalidate(run, F(p, VM_INVALIDATION_HEADER_gfx_eng_id),
		       VREG(GC, regGCVM_INVALIDATE_ENG0_REQ),
		       VREG(GC, regGCVM_INVALIDATE_ENG0_ACK), req, ack);
	if (!r)
		r = invalidate(run, F(p, VM_INVALIDATION_HEADER_mm_eng_id),
			       VREG(MMHUB, regMMVM_INVALIDATE_ENG0_REQ),
			       VREG(MMHUB, regMMVM_INVALIDATE_ENG0_ACK), req, ack);
	return r ? r : 4;
}

static int do_gpuvm_inv(struct sdma_run *run, const uint32_t *p)
{
	uint32_t parts = 0;

	/* To drop more than what is asked for would hide that it was not enough. */
	if (F(p, GPUVM_INV_PAYLOAD2_s) ||
	    F(p, GPUVM_INV_PAYLOAD1_clr_protection_fault_status_addr)) {
		vgpu_count(run->dev, VGPU_LOG_UNIMP,
			   "sdma: GPUVM_INV of one page, or of a fault, not modelled");
		return 4;
	}
	if (F(p, GPUVM_INV_PAYLOAD1_l2_ptes) && F(p, GPUVM_INV_PAYLOAD1_l1_ptes))
		parts |= VGPU_TLB_PTES;
	if (F(p, GPUVM_INV_PAYLOAD1_l2_pde0))
		parts |= VGPU_TLB_PDE0;
	if (F(p, GPUVM_INV_PAYLOAD1_l2_pde1))
		parts |= VGPU_TLB_PDE1;
	if (F(p, GPUVM_INV_PAYLOAD1_l2_pde2))
		parts |= VGPU_TLB_PDE2;
	if (parts)
		vgpu_tlb_invalidate(run->dev, VGPU_HUB_GC,
				    F(p, GPUVM_INV_PAYLOAD1_per_vmid_inv_req), parts);
	return 4;
}

static int do_cond_exe(struct sdma_run *run, const uint32_t *p)
{
	uint32_t skip = F(p, COND_EXE_EXEC_COUNT_exec_count), v = 0;

	vgpu_mem_read32(run->dev, &run->client,
			ADDR(p, COND_EXE_ADDR_LO_addr_31_0) & ~3ull, &v);
	if (v == F(p, COND_EXE_REFERENCE_reference))
		return 5;
	/* Not complete below the write pointer: nothing was done, try again. */
	return run->left < 5ull + skip ? 0 : 5 + skip;
}

static int do_atomic(struct sdma_run *run, const uint32_t *p)
{
	struct tc_atomic_access t = {
		.dev = run->dev,
		.client = &run->client,
		.va = ADDR(p, ATOMIC_ADDR_LO_addr_31_0),
		.a = {
			.op = F(p, ATOMIC_HEADER_atomic_op),
			.src = ADDR(p, ATOMIC_SRC_DATA_LO_src_data_31_0),
			.cmp = ADDR(p, ATOMIC_CMP_DATA_LO_cmp_data_31_0),
		},
	};
	int r = 0;

	if (!tc_atomic_known(t.a.op)) {
		vgpu_count(run->dev, VGPU_LOG_UNIMP, "sdma: atomic operation 0x%x",
			   t.a.op);
		return -EINVAL;
	}
	/* Compare-and-swap in loop mode repeats until the comparison holds. */
	if (F(p, ATOMIC_HEADER_loop) && tc_atomic_is_cmpswap(t.a.op))
		r = vgpu_queue_wait(run->q, tc_atomic_access, &t);
	else
		tc_atomic_access(&t);
	return r ? r : 8;
}

/* ---- the rest ---- */

static int do_nop(struct sdma_run *run, const uint32_t *p)
{
	uint32_t n = 1 + F(p, NOP_HEADER_count);

	return run->left < n ? 0 : (int)n;
}

static int do_timestamp_get(struct sdma_run *run, const uint32_t *p)
{
	vgpu_mem_write64(run->dev, &run->client,
			 ADDR(p, TIMESTAMP_GET_WRITE_ADDR_LO_write_addr_31_3) & ~7ull,
			 vgpu_now(run->dev) / NS_PER_TICK);
	return 3;
}

static int do_srbm_write(struct sdma_run *run, const uint32_t *p)
{
	uint32_t reg = F(p, SRBM_WRITE_ADDR_addr), mask = 0, v;
	unsigned int i, bytes = F(p, SRBM_WRITE_HEADER_byte_en);

	for (i = 0; i < 4; i++)
		if (bytes & 1u << i)
			mask |= 0xffu << (8 * i);
	v = F(p, SRBM_WRITE_DATA_data) & mask;
	if (mask != UINT32_MAX)
		v |= vgpu_reg_read(run->dev, reg) & ~mask;
	vgpu_reg_write(run->dev, reg, v);
	return 3;
}

static int do_indirect(struct sdma_run *run, const uint32_t *p);

static const struct sdma_op ops[] = {
	{ SDMA_OP_NOP, 0, "NOP", 1, do_nop },
	{ SDMA_OP_COPY, SDMA_SUBOP_COPY_LINEAR, "COPY_LINEAR", 7, do_copy_linear },
	{ SDMA_OP_COPY, SDMA_SUBOP_COPY_LINEAR_SUB_WIND, "COPY_LINEAR_SUB_WIND",
	  13, do_copy_subwin },
	{ SDMA_OP_WRITE, SDMA_SUBOP_WRITE_LINEAR, "WRITE_LINEAR", 4, do_write },
	{ SDMA_OP_INDIRECT, 0, "INDIRECT", 6, do_indirect },
	{ SDMA_OP_FENCE, 0, "FENCE", 4, do_fence },
	{ SDMA_OP_FENCE, SUBOP_FENCE_PROTECTED, "PROTECTED_FENCE", 1,
	  do_protected_fence },
	{ SDMA_OP_TRAP, 0, "TRAP", 2, do_trap },
	{ SDMA_OP_DUMMY_TRAP, 0, "DUMMY_TRAP", 2, NULL },
	{ SDMA_OP_POLL_REGMEM, 0, "POLL_REGMEM", 6, do_poll_regmem },
	{ SDMA_OP_POLL_REGMEM, SDMA_SUBOP_POLL_REG_WRITE_MEM,
	  "POLL_REG_WRITE_MEM", 4, do_poll_reg_write_mem, true },
	{ SDMA_OP_POLL_REGMEM, SDMA_SUBOP_VM_INVALIDATION, "VM_INVALIDATION", 4,
	  do_vm_invalidation, true },
	{ SDMA_OP_COND_EXE, 0, "COND_EXE", 5, do_cond_exe },
	{ SDMA_OP_ATOMIC, 0, "ATOMIC", 8, do_atomic },
	{ SDMA_OP_CONST_FILL, 0, "CONST_FILL", 5, do_const_fill },
	{ SDMA_OP_PTEPDE, SDMA_SUBOP_PTEPDE_GEN, "PTEPDE_GEN", 10, do_pte_gen },
	/* Time comes from the host: setting it has no effect. */
	{ SDMA_OP_TIMESTAMP, SDMA_SUBOP_TIMESTAMP_SET, "TIMESTAMP_SET", 3, NULL },
	{ SDMA_OP_TIMESTAMP, SDMA_SUBOP_TIMESTAMP_GET, "TIMESTAMP_GET", 3,
	  do_timestamp_get },
	{ SDMA_OP_TIMESTAMP, SDMA_SUBOP_TIMESTAMP_GET_GLOBAL,
	  "TIMESTAMP_GET_GLOBAL", 3, do_timestamp_get },
	{ SDMA_OP_SRBM_WRITE, 0, "SRBM_WRITE", 3, do_srbm_write, true },
	{ SDMA_OP_GPUVM_INV, 0, "GPUVM_INV", 4, do_gpuvm_inv, true },
	/* There are no caches to flush. */
	{ SDMA_OP_GCR_REQ, 0, "GCR_REQ", 5, NULL },
};

bool sdma_item(unsigned int i, struct vgpu_item *item)
{
	if (i >= ARRAY_SIZE(ops))
		return false;
	*item = (struct vgpu_item){
		.code = ops[i].op, .sub = ops[i].sub, .name = ops[i].name,
		.how = ops[i].fn ? VGPU_EXECUTED : VGPU_ACCEPTED,
		.who = ops[i].privileged ? "VMID 0" : NULL,
	};
	return true;
}

static const struct sdma_op *find_op(uint32_t header)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		if (ops[i].op == (header & 0xff) &&
		    ops[i].sub == ((header >> 8) & 0xff))
			return &ops[i];
	return NULL;
}

static void trace(struct sdma_run *run, const struct sdma_op *op, const uint32_t *p)
{
	char text[256];

	vgpu_record(run->dev, VGPU_RECORD_SDMA, p,
		    (run->left < op->dw ? run->left : op->dw) * 4);
	/* Rings are filled up with NOPs, one dword each. */
	if (!vgpu_tracing(run->dev, VGPU_TRACE_SDMA) || op->op == SDMA_OP_NOP)
		return;
	sdma_decode(p, op->name, text, sizeof(text));
	vgpu_trace(run->dev, VGPU_TRACE_SDMA, "%s%s vmid %u: %s",
		   vgpu_queue_config(run->q)->name, run->ib ? " ib" : "",
		   run->client.vmid, text);
}

/* Execute the packet at run->pos; returns as a sdma_fn does. */
static int exec_one(struct sdma_run *run)
{
	uint32_t p[SDMA_MAX_DW] = { 0 };
	const struct sdma_op *op;
	uint64_t n;
	int r;

	r = stream_dwords(run, 0, p, 1);
	if (r)
		return r;
	op = find_op(p[0]);
	if (!op) {
		vgpu_count(run->dev, VGPU_LOG_UNIMP,
			   "sdma: packet op %u sub-op %u", p[0] & 0xff,
			   (p[0] >> 8) & 0xff);
		return -EINVAL;
	}
	if (run->left < op->dw)
		return 0;
	if (op->privileged && run->client.vmid) {
		vgpu_count(run->dev, VGPU_LOG_GUEST, "sdma: process uses %s",
			   op->name);
		return -EPERM;
	}
	/* COPY_LINEAR may have two more, which matter only if they are there. */
	n = op->dw + 2u;
	if (n > run->left)
		n = run->left;
	if (n > SDMA_MAX_DW)
		n = SDMA_MAX_DW;
	r = stream_dwords(run, 0, p, n);
	if (r)
		return r;
	trace(run, op, p);
	if (op->fn)
		r = op->fn(run, p);
	else
		r = op->dw;
	/* The next one begins at its beginning. */
	if (r > 0)
		run->sq->done = run->sq->skip = 0;
	return r;
}

static int exec_ib(struct sdma_run *ring, struct sdma_ib *ib, unsigned int vmid)
{
	struct sdma_run run = *ring;
	int r = 0;

	run.ib = ib;
	run.client.vmid = vmid;
	run.pos = run.sq->ib_offset < ib->dw ? run.sq->ib_offset : 0;
	run.sq->ib_offset = 0;
	for (; run.pos < ib->dw; run.pos += r) {
		run.left = ib->dw - run.pos;
		r = vgpu_queue_packet(run.q);
		if (!r)
			r = vgpu_queue_stopping(run.q) ? -ECANCELED : exec_one(&run);
		if (!r) {
			vgpu_count(run.dev, VGPU_LOG_GUEST,
				   "sdma: packet reaches beyond its indirect buffer");
			r = -EINVAL;
		}
		/* One that halts may be unmapped at that moment, and comes back here. */
		if (r < 0) {
			run.sq->ib_offset = run.pos;
			return r;
		}
	}
	return 0;
}

static int do_indirect(struct sdma_run *run, const uint32_t *p)
{
	struct sdma_ib ib = {
		.va = ADDR(p, INDIRECT_BASE_LO_ib_base_31_0) & ~0x1full,
		.dw = F(p, INDIRECT_IB_SIZE_ib_size),
	};
	unsigned int vmid = run->client.vmid;
	int r;

	if (run->ib) {
		vgpu_count(run->dev, VGPU_LOG_GUEST, "sdma: nested indirect buffer");
		return -EINVAL;
	}
	/* Only the kernel's ring may choose the address space. */
	if (!vmid)
		vmid = F(p, INDIRECT_HEADER_vmid);
	r = exec_ib(run, &ib, vmid);
	return r ? r : 6;
}

int sdma_exec(struct vgpu_queue *q, void *priv, uint64_t rptr, uint64_t wptr)
{
	struct sdma_queue *sq = priv;
	struct sdma_run run = {
		.sq = sq,
		.q = q,
		.dev = sq->dev,
		.client = sq->client,
		.pos = rptr,
		.left = wptr - rptr,
	};

	return exec_one(&run);
}
