// SPDX-License-Identifier: MIT
/*
 * Range arithmetic and range states of batch userptr.
 */

#include <kunit/test.h>

#include <linux/mm.h>
#include <linux/module.h>
#include <linux/prandom.h>

#include "amdgpu_userptr_range.h"

#define P(n)		((u64)(n) << PAGE_SHIFT)
#define MAX_RANGES	16
#define NO_LIMIT	U32_MAX

/* In pages, ends with a size of zero. */
struct range_pages {
	u64 addr;
	u64 size;
};

static void add_all(struct kunit *test, struct amdgpu_userptr_ranges *rs,
		    const struct range_pages *p)
{
	for (; p->size; p++)
		KUNIT_ASSERT_EQ(test, 0, amdgpu_userptr_ranges_add(rs, P(p->addr),
								   P(p->size), NO_LIMIT));
}

static int range_test_init(struct kunit *test)
{
	struct amdgpu_userptr_ranges *rs;

	rs = kunit_kzalloc(test, sizeof(*rs), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, rs);
	KUNIT_ASSERT_EQ(test, 0, amdgpu_userptr_ranges_init(rs, MAX_RANGES));
	test->priv = rs;
	return 0;
}

static void range_test_exit(struct kunit *test)
{
	if (test->priv)
		amdgpu_userptr_ranges_fini(test->priv);
}

/* ---- adding: every bound, from both sides ---- */

struct add_case {
	const char *name;
	u64 addr, size;
	u64 max_pages;
	int result;
};

static const struct add_case add_cases[] = {
	{ "one page", P(1), P(1), NO_LIMIT, 0 },
	{ "address zero", 0, P(1), NO_LIMIT, 0 },
	{ "size zero", P(1), 0, NO_LIMIT, -EINVAL },
	{ "size one byte", P(1), 1, NO_LIMIT, -EINVAL },
	{ "size page - 1", P(1), PAGE_SIZE - 1, NO_LIMIT, -EINVAL },
	{ "size page + 1", P(1), PAGE_SIZE + 1, NO_LIMIT, -EINVAL },
	{ "address page - 1", PAGE_SIZE - 1, P(1), NO_LIMIT, -EINVAL },
	{ "address page + 1", PAGE_SIZE + 1, P(1), NO_LIMIT, -EINVAL },
	{ "end is the last page", P((ULONG_MAX >> PAGE_SHIFT) - 1), P(1), NO_LIMIT, 0 },
	{ "end wraps to zero", P(ULONG_MAX >> PAGE_SHIFT), P(1), NO_LIMIT, -EINVAL },
	{ "end wraps", P(ULONG_MAX >> PAGE_SHIFT), P(2), NO_LIMIT, -EINVAL },
	{ "huge size wraps", P(1), P(ULONG_MAX >> PAGE_SHIFT), NO_LIMIT, -EINVAL },
	{ "at the limit", P(1), P(8), 8, 0 },
	{ "beyond the limit", P(1), P(9), 8, -E2BIG },
	{ "limit zero", P(1), P(1), 0, -E2BIG },
	{ "most pages", P(1), P(U32_MAX), U64_MAX, 0 },
	{ "one page too many", P(1), P(1ull << 32), U64_MAX, -E2BIG },
};

static void add_case_desc(const struct add_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(add, add_cases, add_case_desc);

static void add(struct kunit *test)
{
	const struct add_case *c = test->param_value;
	struct amdgpu_userptr_ranges *rs = test->priv;

	KUNIT_EXPECT_EQ(test, c->result,
			amdgpu_userptr_ranges_add(rs, c->addr, c->size, c->max_pages));
	KUNIT_EXPECT_EQ(test, c->result ? 0 : 1, rs->count);
	KUNIT_EXPECT_EQ(test, c->result ? 0 : c->size >> PAGE_SHIFT, (u64)rs->npages);
	KUNIT_EXPECT_EQ(test, rs->count, rs->num[AMDGPU_USERPTR_DIRTY]);
}

static void add_sum_at_limit(struct kunit *test)
{
	struct amdgpu_userptr_ranges *rs = test->priv;

	KUNIT_EXPECT_EQ(test, 0, amdgpu_userptr_ranges_add(rs, P(1), P(3), 4));
	KUNIT_EXPECT_EQ(test, -E2BIG, amdgpu_userptr_ranges_add(rs, P(9), P(2), 4));
	KUNIT_EXPECT_EQ(test, 0, amdgpu_userptr_ranges_add(rs, P(9), P(1), 4));
	KUNIT_EXPECT_EQ(test, -E2BIG, amdgpu_userptr_ranges_add(rs, P(9), P(1), 4));
	KUNIT_EXPECT_EQ(test, 2, rs->count);
	KUNIT_EXPECT_EQ(test, 4, rs->npages);
	KUNIT_EXPECT_EQ(test, 3, rs->range[1].first_page);
}

static void add_sum_overflow(struct kunit *test)
{
	struct amdgpu_userptr_ranges *rs = test->priv;

	KUNIT_EXPECT_EQ(test, 0, amdgpu_userptr_ranges_add(rs, P(1), P(U32_MAX), U64_MAX));
	KUNIT_EXPECT_EQ(test, -E2BIG, amdgpu_userptr_ranges_add(rs, P(1), P(1), U64_MAX));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			amdgpu_userptr_ranges_add(rs, 0, U64_MAX & PAGE_MASK, U64_MAX));
}

/* ---- coalescing ---- */

struct coalesce_case {
	const char *name;
	struct range_pages ranges[MAX_RANGES];
	/* start and end of each interval, in pages */
	struct { u64 start, end; u32 count; } intervals[MAX_RANGES];
};

static const struct coalesce_case coalesce_cases[] = {
	{ "single", { { 5, 2 } }, { { 5, 7, 1 } } },
	{ "apart", { { 5, 2 }, { 9, 1 } }, { { 5, 7, 1 }, { 9, 10, 1 } } },
	{ "one page apart", { { 5, 2 }, { 8, 1 } }, { { 5, 7, 1 }, { 8, 9, 1 } } },
	{ "adjacent", { { 5, 2 }, { 7, 1 } }, { { 5, 8, 2 } } },
	{ "adjacent, reversed", { { 7, 1 }, { 5, 2 } }, { { 5, 8, 2 } } },
	{ "overlap by one", { { 5, 2 }, { 6, 4 } }, { { 5, 10, 2 } } },
	{ "inside", { { 5, 9 }, { 7, 1 } }, { { 5, 14, 2 } } },
	{ "inside, then adjacent to the outer", { { 5, 9 }, { 7, 1 }, { 14, 1 } },
	  { { 5, 15, 3 } } },
	{ "inside, then behind the inner only", { { 5, 9 }, { 7, 1 }, { 15, 1 } },
	  { { 5, 14, 2 }, { 15, 16, 1 } } },
	{ "twice the same", { { 5, 2 }, { 5, 2 } }, { { 5, 7, 2 } } },
	{ "same start", { { 5, 2 }, { 5, 4 }, { 5, 1 } }, { { 5, 9, 3 } } },
	{ "shuffled pages", { { 3, 1 }, { 1, 1 }, { 4, 1 }, { 2, 1 } }, { { 1, 5, 4 } } },
	{ "two groups", { { 9, 1 }, { 1, 1 }, { 10, 2 }, { 2, 1 } },
	  { { 1, 3, 2 }, { 9, 12, 2 } } },
};

static void coalesce_case_desc(const struct coalesce_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(coalesce, coalesce_cases, coalesce_case_desc);

static void coalesce(struct kunit *test)
{
	const struct coalesce_case *c = test->param_value;
	struct amdgpu_userptr_ranges *rs = test->priv;
	struct amdgpu_userptr_interval iv;
	u32 pos, n = 0, expected = 0;

	add_all(test, rs, c->ranges);
	while (c->intervals[expected].count)
		expected++;

	KUNIT_EXPECT_EQ(test, expected, amdgpu_userptr_ranges_sort(rs));
	for (pos = 0; pos < rs->count; n++) {
		KUNIT_ASSERT_LT(test, n, expected);
		KUNIT_EXPECT_EQ(test, pos, n ? iv.first + iv.count : 0);
		pos = amdgpu_userptr_ranges_interval(rs, pos, &iv);
		KUNIT_EXPECT_EQ(test, P(c->intervals[n].start), (u64)iv.start);
		KUNIT_EXPECT_EQ(test, P(c->intervals[n].end), (u64)iv.end);
		KUNIT_EXPECT_EQ(test, c->intervals[n].count, iv.count);
	}
	KUNIT_EXPECT_EQ(test, expected, n);
}

/* ---- who is hit: the search agrees with looking at every range ---- */

static void overlap_sweep(struct kunit *test)
{
	static const struct range_pages ranges[] = {
		{ 10, 4 }, { 11, 1 }, { 12, 6 }, { 30, 1 }, { 18, 2 }, { 12, 1 }, { 31, 3 }, {}
	};
	struct amdgpu_userptr_ranges *rs = test->priv;
	struct amdgpu_userptr_interval iv;
	u64 start, end;
	u32 pos, next, i, expected, found;

	add_all(test, rs, ranges);
	amdgpu_userptr_ranges_sort(rs);

	for (start = 8; start < 36; start++) {
		for (end = start + 1; end < 37; end++) {
			for (i = 0, expected = 0; i < rs->count; i++)
				if (ranges[i].addr < end &&
				    ranges[i].addr + ranges[i].size > start)
					expected |= BIT(i);

			for (pos = 0, found = 0; pos < rs->count; pos = next) {
				next = amdgpu_userptr_ranges_interval(rs, pos, &iv);
				for (i = pos - 1;
				     (i = amdgpu_userptr_ranges_overlap(rs, i + 1, next, P(start),
									P(end))) < next;)
					found |= BIT(rs->by_addr[i]);
			}
			KUNIT_EXPECT_EQ_MSG(test, expected, found,
					    "pages %llu to %llu", start, end);
		}
	}
}

static void starts(struct kunit *test)
{
	static const struct range_pages ranges[] = { { 9, 1 }, { 3, 5 }, { 70, 2 }, { 1, 1 }, {} };
	struct amdgpu_userptr_ranges *rs = test->priv;

	add_all(test, rs, ranges);
	KUNIT_ASSERT_EQ(test, 4, amdgpu_userptr_ranges_sort(rs));
	KUNIT_EXPECT_EQ(test, BIT(0) | BIT(1) | BIT(6) | BIT(8), rs->starts[0]);
}

static void page_to_range(struct kunit *test)
{
	static const struct range_pages ranges[] = { { 9, 1 }, { 3, 5 }, { 70, 2 }, { 1, 1 }, {} };
	static const u32 expected[] = { 0, 1, 1, 1, 1, 1, 2, 2, 3 };
	struct amdgpu_userptr_ranges *rs = test->priv;
	u32 page;

	add_all(test, rs, ranges);
	KUNIT_ASSERT_EQ(test, ARRAY_SIZE(expected), rs->npages);
	for (page = 0; page < rs->npages; page++)
		KUNIT_EXPECT_EQ(test, expected[page], amdgpu_userptr_ranges_at_page(rs, page));
}

/* ---- windows ---- */

struct window_case {
	const char *name;
	struct range_pages ranges[MAX_RANGES];
	u32 bound;	/* bit mask of ranges that are not DIRTY */
	unsigned long max_pages, max_gap;
	/* first position and number of positions of each window */
	struct { u32 first, count; } windows[MAX_RANGES];
};

static const struct window_case window_cases[] = {
	{ "clean", { { 1, 1 }, { 2, 1 } }, 0x3, 64, 4, {} },
	{ "adjacent", { { 1, 1 }, { 2, 1 }, { 3, 1 } }, 0, 64, 4, { { 0, 3 } } },
	{ "gap at the limit", { { 1, 1 }, { 6, 1 } }, 0, 64, 4, { { 0, 2 } } },
	{ "gap beyond", { { 1, 1 }, { 7, 1 } }, 0, 64, 4, { { 0, 1 }, { 1, 1 } } },
	{ "size at the limit", { { 1, 4 }, { 5, 4 } }, 0, 8, 4, { { 0, 2 } } },
	{ "size beyond", { { 1, 4 }, { 5, 5 } }, 0, 8, 4, { { 0, 1 }, { 1, 1 } } },
	{ "large alone", { { 1, 100 }, { 101, 1 } }, 0, 8, 4, { { 0, 1 }, { 1, 1 } } },
	{ "one DIRTY between", { { 1, 1 }, { 2, 1 }, { 3, 1 } }, 0x5, 64, 4, { { 1, 1 } } },
	{ "one BOUND between", { { 1, 1 }, { 2, 1 }, { 3, 1 } }, 0x2, 64, 4, { { 0, 3 } } },
	{ "BOUND ones make a gap", { { 1, 1 }, { 2, 5 }, { 7, 1 } }, 0x2, 64, 4,
	  { { 0, 1 }, { 2, 1 } } },
	{ "alias inside", { { 1, 9 }, { 3, 1 }, { 10, 1 } }, 0, 64, 0, { { 0, 3 } } },
};

static void window_case_desc(const struct window_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(window, window_cases, window_case_desc);

static void window(struct kunit *test)
{
	const struct window_case *c = test->param_value;
	struct amdgpu_userptr_ranges *rs = test->priv;
	struct amdgpu_userptr_interval win;
	u32 i, pos = 0, n = 0;

	add_all(test, rs, c->ranges);
	amdgpu_userptr_ranges_sort(rs);
	for (i = 0; i < rs->count; i++) {
		if (!(c->bound & BIT(i)))
			continue;
		amdgpu_userptr_range_set_state(rs, i, AMDGPU_USERPTR_FAULTED);
		amdgpu_userptr_range_set_state(rs, i, AMDGPU_USERPTR_BOUND);
	}

	while (amdgpu_userptr_ranges_window(rs, pos, c->max_pages, c->max_gap, &win)) {
		KUNIT_ASSERT_LT(test, n, MAX_RANGES);
		KUNIT_EXPECT_EQ(test, c->windows[n].first, win.first);
		KUNIT_EXPECT_EQ(test, c->windows[n].count, win.count);
		pos = win.first + win.count;
		n++;
	}
	KUNIT_ASSERT_LT(test, n, MAX_RANGES);
	KUNIT_EXPECT_EQ(test, 0, c->windows[n].count);
}

/* ---- states ---- */

static void states_are_counted(struct kunit *test)
{
	static const struct range_pages ranges[] = { { 1, 1 }, { 2, 1 }, { 3, 1 }, {} };
	struct amdgpu_userptr_ranges *rs = test->priv;

	add_all(test, rs, ranges);
	amdgpu_userptr_ranges_sort(rs);
	KUNIT_EXPECT_FALSE(test, amdgpu_userptr_ranges_clean(rs));

	for (u32 i = 0; i < rs->count; i++)
		amdgpu_userptr_range_set_state(rs, i, AMDGPU_USERPTR_FAULTED);
	KUNIT_EXPECT_EQ(test, 0, rs->num[AMDGPU_USERPTR_DIRTY]);
	KUNIT_EXPECT_EQ(test, 3, rs->num[AMDGPU_USERPTR_FAULTED]);
	KUNIT_EXPECT_FALSE(test, amdgpu_userptr_ranges_clean(rs));

	for (u32 i = 0; i < rs->count; i++)
		amdgpu_userptr_range_set_state(rs, i, AMDGPU_USERPTR_BOUND);
	KUNIT_EXPECT_TRUE(test, amdgpu_userptr_ranges_clean(rs));
	KUNIT_EXPECT_EQ(test, rs->count, find_first_bit(rs->unbound, rs->count));

	amdgpu_userptr_range_set_state(rs, 1, AMDGPU_USERPTR_DIRTY);
	KUNIT_EXPECT_FALSE(test, amdgpu_userptr_ranges_clean(rs));
	KUNIT_EXPECT_EQ(test, 1, find_first_bit(rs->unbound, rs->count));
	KUNIT_EXPECT_EQ(test, 1, rs->num[AMDGPU_USERPTR_DIRTY]);
	KUNIT_EXPECT_EQ(test, 2, rs->num[AMDGPU_USERPTR_BOUND]);

	/* Marking twice counts once. */
	amdgpu_userptr_range_set_state(rs, 1, AMDGPU_USERPTR_DIRTY);
	KUNIT_EXPECT_EQ(test, 1, rs->num[AMDGPU_USERPTR_DIRTY]);
}

/* Everything that is kept about states must agree, whatever came before. */
static void check_states(struct kunit *test, const struct amdgpu_userptr_ranges *rs)
{
	u32 num[AMDGPU_USERPTR_STATES] = {};

	for (u32 i = 0; i < rs->count; i++) {
		const struct amdgpu_userptr_range *r = &rs->range[i];

		num[r->state]++;
		KUNIT_ASSERT_EQ(test, i, rs->by_addr[r->pos]);
		KUNIT_ASSERT_EQ(test, r->state == AMDGPU_USERPTR_DIRTY,
				test_bit(r->pos, rs->dirty));
		KUNIT_ASSERT_EQ(test, r->state != AMDGPU_USERPTR_BOUND,
				test_bit(i, rs->unbound));
	}
	for (u32 s = 0; s < AMDGPU_USERPTR_STATES; s++)
		KUNIT_ASSERT_EQ(test, num[s], rs->num[s]);
	KUNIT_ASSERT_EQ(test, num[AMDGPU_USERPTR_BOUND] == rs->count,
			amdgpu_userptr_ranges_clean(rs));
}

static void states_random_walk(struct kunit *test)
{
	static const struct range_pages ranges[] = {
		{ 9, 2 }, { 1, 1 }, { 4, 3 }, { 5, 1 }, { 20, 1 }, { 1, 1 }, { 2, 2 }, {}
	};
	struct amdgpu_userptr_ranges *rs = test->priv;
	u32 seed = 1;

	add_all(test, rs, ranges);
	amdgpu_userptr_ranges_sort(rs);
	check_states(test, rs);

	for (u32 step = 0; step < 10000; step++) {
		struct amdgpu_userptr_range *r;
		u32 i;

		seed = seed * 1664525 + 1013904223;
		i = (seed >> 8) % rs->count;
		r = &rs->range[i];
		/* One in three is an invalidation, the others go forward. */
		if ((seed >> 24) % 3 == 0)
			amdgpu_userptr_range_set_state(rs, i, AMDGPU_USERPTR_DIRTY);
		else if (r->state == AMDGPU_USERPTR_DIRTY)
			amdgpu_userptr_range_set_state(rs, i, AMDGPU_USERPTR_FAULTED);
		else
			amdgpu_userptr_range_set_state(rs, i, AMDGPU_USERPTR_BOUND);
		check_states(test, rs);
	}
}

/* ---- larger sets ---- */

static void many_shuffled_pages(struct kunit *test)
{
	const u32 count = 65536;
	struct amdgpu_userptr_ranges rs;
	struct amdgpu_userptr_interval iv;
	u32 i;

	KUNIT_ASSERT_EQ(test, 0, amdgpu_userptr_ranges_init(&rs, count));
	/* An odd factor permutes the numbers below a power of two. */
	for (i = 0; i < count; i++)
		KUNIT_ASSERT_EQ(test, 0,
				amdgpu_userptr_ranges_add(&rs, P((i * 40503u) % count), P(1),
							  NO_LIMIT));
	KUNIT_EXPECT_EQ(test, 1, amdgpu_userptr_ranges_sort(&rs));
	KUNIT_EXPECT_EQ(test, count, amdgpu_userptr_ranges_interval(&rs, 0, &iv));
	KUNIT_EXPECT_EQ(test, P(count), (u64)iv.end);
	for (i = 0; i < count; i += 997)
		KUNIT_EXPECT_EQ(test, i, amdgpu_userptr_ranges_overlap(&rs, 0, count, P(i),
								       P(i + 1)));
	amdgpu_userptr_ranges_fini(&rs);
}

static struct kunit_case range_cases[] = {
	KUNIT_CASE_PARAM(add, add_gen_params),
	KUNIT_CASE(add_sum_at_limit),
	KUNIT_CASE(add_sum_overflow),
	KUNIT_CASE_PARAM(coalesce, coalesce_gen_params),
	KUNIT_CASE(overlap_sweep),
	KUNIT_CASE(starts),
	KUNIT_CASE(page_to_range),
	KUNIT_CASE_PARAM(window, window_gen_params),
	KUNIT_CASE(states_are_counted),
	KUNIT_CASE(states_random_walk),
	KUNIT_CASE_SLOW(many_shuffled_pages),
	{}
};

static struct kunit_suite range_suite = {
	.name = "amdgpu_userptr_range",
	.init = range_test_init,
	.exit = range_test_exit,
	.test_cases = range_cases,
};

kunit_test_suite(range_suite);

MODULE_DESCRIPTION("KUnit tests for amdgpu batch userptr ranges");
MODULE_LICENSE("Dual MIT/GPL");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
