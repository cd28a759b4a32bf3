/* SPDX-License-Identifier: MIT */
/* Atomic operations, by their numbers in navi10_enum.h. */
#include "test.h"

#include "hwregs.h"
#include "tc_atomic.h"

static const struct atomic_row {
	const char *name;
	unsigned int op;
	uint64_t old, src, cmp, new;
} atomic_rows[] = {
	{ "swap", 0x07, 1, 2, 0, 2 },
	{ "cmpswap, equal", 0x08, 1, 2, 1, 2 },
	{ "cmpswap, not equal", 0x48, 1, 2, 3, 1 },
	{ "cmpswap looks at 32 bits", 0x08, 1, 2, 0x500000001, 2 },
	{ "add wraps", 0x0f, 0xffffffff, 2, 0, 1 },
	{ "add, 64", 0x2f, 0xffffffff, 2, 0, 0x100000001 },
	{ "sub", 0x50, 1, 2, 0, 0xffffffff },
	{ "smin", 0x11, 1, 0xffffffff, 0, 0xffffffff },
	{ "umin", 0x12, 1, 0xffffffff, 0, 1 },
	{ "smax", 0x13, 1, 0xffffffff, 0, 1 },
	{ "umax", 0x14, 1, 0xffffffff, 0, 0xffffffff },
	{ "smax, 64", 0x33, 1, 0xffffffff, 0, 0xffffffff },
	{ "smin, 64", 0x71, 1, ~0ull, 0, ~0ull },
	{ "and", 0x15, 6, 3, 0, 2 },
	{ "or", 0x16, 6, 3, 0, 7 },
	{ "xor", 0x17, 6, 3, 0, 5 },
	{ "inc", 0x18, 4, 5, 0, 5 },
	{ "inc wraps", 0x18, 5, 5, 0, 0 },
	{ "dec", 0x19, 4, 5, 0, 3 },
	{ "dec wraps", 0x59, 0, 5, 0, 5 },
	{ "dec from above", 0x19, 6, 5, 0, 5 },
};

static void atomic_ops(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(atomic_rows); i++) {
		const struct atomic_row *row = &atomic_rows[i];
		struct tc_atomic a = { row->op, row->src, row->cmp };

		test_row(row->name);
		CHECK(tc_atomic_known(row->op));
		CHECK_EQ(tc_atomic_size(row->op), row->op & 0x20 ? 8 : 4);
		CHECK_EQ(tc_atomic_apply(row->old, &a), row->new);
	}
	test_row(NULL);
	CHECK(!tc_atomic_known(0x01));
	CHECK(!tc_atomic_known(0x1a));
}

static const struct test_case tests[] = {
	{ "operations", atomic_ops },
};
TEST_MAIN(tests)
