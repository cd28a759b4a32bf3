/* SPDX-License-Identifier: MIT */
/* Atomic operations, see tc_atomic.h. */
#include "tc_atomic.h"

#include "hwregs.h"
#include "navi10_enum.h"

/* Two bits select the variant, the rest the operation. */
#define VARIANT_NORTN	(TC_OP_ATOMIC_ADD_32 - TC_OP_ATOMIC_ADD_RTN_32)
#define VARIANT_64	(TC_OP_ATOMIC_ADD_RTN_64 - TC_OP_ATOMIC_ADD_RTN_32)
_Static_assert(VARIANT_NORTN == 0x40 && VARIANT_64 == 0x20,
	       "variants are bits");

static unsigned int base_op(unsigned int op)
{
	return op & ~(VARIANT_NORTN | VARIANT_64);
}

bool tc_atomic_known(unsigned int op)
{
	op = base_op(op);
	return op == TC_OP_ATOMIC_SWAP_RTN_32 ||
	       op == TC_OP_ATOMIC_CMPSWAP_RTN_32 ||
	       (op >= TC_OP_ATOMIC_ADD_RTN_32 && op <= TC_OP_ATOMIC_DEC_RTN_32);
}

bool tc_atomic_is_cmpswap(unsigned int op)
{
	return base_op(op) == TC_OP_ATOMIC_CMPSWAP_RTN_32;
}

unsigned int tc_atomic_size(unsigned int op)
{
	return op & VARIANT_64 ? 8 : 4;
}

static int64_t sext(uint64_t v, bool wide)
{
	return wide ? (int64_t)v : (int32_t)v;
}

uint64_t tc_atomic_apply(uint64_t old, void *arg)
{
	const struct tc_atomic *a = arg;
	bool wide = tc_atomic_size(a->op) == 8;
	uint64_t mask = wide ? UINT64_MAX : UINT32_MAX;
	uint64_t src = a->src & mask;

	old &= mask;
	switch (base_op(a->op)) {
	case TC_OP_ATOMIC_SWAP_RTN_32:
		return src;
	case TC_OP_ATOMIC_CMPSWAP_RTN_32:
		return old == (a->cmp & mask) ? src : old;
	case TC_OP_ATOMIC_ADD_RTN_32:
		return (old + src) & mask;
	case TC_OP_ATOMIC_SUB_RTN_32:
		return (old - src) & mask;
	case TC_OP_ATOMIC_SMIN_RTN_32:
		return sext(src, wide) < sext(old, wide) ? src : old;
	case TC_OP_ATOMIC_UMIN_RTN_32:
		return src < old ? src : old;
	case TC_OP_ATOMIC_SMAX_RTN_32:
		return sext(src, wide) > sext(old, wide) ? src : old;
	case TC_OP_ATOMIC_UMAX_RTN_32:
		return src > old ? src : old;
	case TC_OP_ATOMIC_AND_RTN_32:
		return old & src;
	case TC_OP_ATOMIC_OR_RTN_32:
		return old | src;
	case TC_OP_ATOMIC_XOR_RTN_32:
		return old ^ src;
	case TC_OP_ATOMIC_INC_RTN_32:	/* wraps to 0 above src */
		return old >= src ? 0 : old + 1;
	case TC_OP_ATOMIC_DEC_RTN_32:	/* wraps to src below 0 and above src */
		return !old || old > src ? src : old - 1;
	}
	return old;
}

bool tc_atomic_access(void *arg)
{
	struct tc_atomic_access *t = arg;
	unsigned int size = tc_atomic_size(t->a.op);
	uint64_t mask = size == 8 ? UINT64_MAX : UINT32_MAX;

	return vgpu_mem_atomic(t->dev, t->client, t->va, size, tc_atomic_apply,
			       &t->a, &t->old) ||
	       t->old == (t->a.cmp & mask);
}
