// SPDX-License-Identifier: MIT
/**
 * DOC: Userptr range arithmetic
 *
 * The ranges of a batch in two orders. In the order of the BO they follow each
 * other without gap, this is what the GPU sees. In the order of addresses they
 * lie anywhere, may touch, overlap or repeat; this is what the MMU notifiers
 * and the page walks see. Nothing here knows of devices, locks or pages.
 */

#include <linux/bitmap.h>
#include <linux/error-injection.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/vmalloc.h>

#include <kunit/visibility.h>

#include "amdgpu_userptr_range.h"

/**
 * amdgpu_userptr_calloc - zeroed memory for an array whose size user space decides
 *
 * @n: elements
 * @size: bytes of one
 *
 * kvcalloc would round up to a power of two, and beyond 2 MiB to whole huge pages:
 * twice what is needed in the worst case, all charged to the caller. And it would
 * compact memory for contiguous pages that nobody needs.
 *
 * Returns: memory for kvfree, or NULL
 */
void *amdgpu_userptr_calloc(size_t n, size_t size)
{
	if (size_mul(n, size) <= PAGE_SIZE)
		return kcalloc(n, size, AMDGPU_USERPTR_GFP);
	return __vcalloc(n, size, AMDGPU_USERPTR_GFP);
}

/**
 * amdgpu_userptr_ranges_init - allocate room for ranges
 *
 * @rs: ranges
 * @max_ranges: how many, checked against the limit by the caller
 *
 * Returns: 0 or -ENOMEM
 */
int amdgpu_userptr_ranges_init(struct amdgpu_userptr_ranges *rs, u32 max_ranges)
{
	memset(rs, 0, sizeof(*rs));

	rs->range = amdgpu_userptr_calloc(max_ranges, sizeof(*rs->range));
	rs->by_addr = amdgpu_userptr_calloc(max_ranges, sizeof(*rs->by_addr));
	rs->unbound = amdgpu_userptr_calloc(BITS_TO_LONGS(max_ranges), sizeof(long));
	rs->dirty = amdgpu_userptr_calloc(BITS_TO_LONGS(max_ranges), sizeof(long));
	if (!rs->range || !rs->by_addr || !rs->unbound || !rs->dirty) {
		amdgpu_userptr_ranges_fini(rs);
		return -ENOMEM;
	}
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(amdgpu_userptr_ranges_init);
ALLOW_ERROR_INJECTION(amdgpu_userptr_ranges_init, ERRNO);

/**
 * amdgpu_userptr_ranges_fini - free what amdgpu_userptr_ranges_init allocated
 *
 * @rs: ranges, may be zeroed memory
 */
void amdgpu_userptr_ranges_fini(struct amdgpu_userptr_ranges *rs)
{
	kvfree(rs->range);
	kvfree(rs->by_addr);
	kvfree(rs->unbound);
	kvfree(rs->dirty);
	kvfree(rs->starts);
	memset(rs, 0, sizeof(*rs));
}
EXPORT_SYMBOL_IF_KUNIT(amdgpu_userptr_ranges_fini);

/**
 * amdgpu_userptr_ranges_add - append a range
 *
 * @rs: ranges, with room for one more
 * @addr: CPU address in bytes
 * @size: size in bytes
 * @max_pages: limit of the sum of all sizes in pages
 *
 * Returns: 0, -EINVAL if @addr or @size is not page aligned, @size is zero or
 * a sum overflows, -E2BIG if the limit is exceeded
 */
int amdgpu_userptr_ranges_add(struct amdgpu_userptr_ranges *rs, u64 addr, u64 size,
			      u64 max_pages)
{
	struct amdgpu_userptr_range *r = &rs->range[rs->count];
	u64 end, npages;

	if (!size || !PAGE_ALIGNED(addr) || !PAGE_ALIGNED(size))
		return -EINVAL;
	if (check_add_overflow(addr, size, &end) || end > ULONG_MAX)
		return -EINVAL;
	/* Neither the BO nor the sum of all sizes may wrap around in bytes. */
	if (check_add_overflow(size, (u64)rs->npages << PAGE_SHIFT, &npages))
		return -EINVAL;
	npages >>= PAGE_SHIFT;
	/* Page numbers in a BO have 32 bits here: 16 TiB with 4 KiB pages. */
	if (npages > min_t(u64, max_pages, U32_MAX))
		return -E2BIG;

	*r = (struct amdgpu_userptr_range) {
		.addr = addr,
		.first_page = rs->npages,
		.npages = size >> PAGE_SHIFT,
		.state = AMDGPU_USERPTR_DIRTY,
	};
	rs->by_addr[rs->count] = rs->count;
	__set_bit(rs->count, rs->unbound);
	rs->num[AMDGPU_USERPTR_DIRTY]++;
	rs->npages = npages;
	rs->count++;
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(amdgpu_userptr_ranges_add);

static int amdgpu_userptr_ranges_cmp(const void *a, const void *b, const void *priv)
{
	const struct amdgpu_userptr_range *range = priv;
	const u32 ia = *(const u32 *)a, ib = *(const u32 *)b;

	if (range[ia].addr != range[ib].addr)
		return range[ia].addr < range[ib].addr ? -1 : 1;
	/* sort_r is not stable; keep the result independent of its ways. */
	return ia < ib ? -1 : ia > ib;
}

/**
 * amdgpu_userptr_ranges_sort - find the order of addresses
 *
 * @rs: ranges, all added
 *
 * Returns: number of intervals, that is of groups of ranges that touch or
 * overlap each other; -ENOMEM
 */
int amdgpu_userptr_ranges_sort(struct amdgpu_userptr_ranges *rs)
{
	unsigned long max_end = 0;
	u32 pos, intervals = 0;

	rs->starts = amdgpu_userptr_calloc(BITS_TO_LONGS(rs->npages), sizeof(long));
	if (!rs->starts)
		return -ENOMEM;

	sort_r(rs->by_addr, rs->count, sizeof(*rs->by_addr),
	       amdgpu_userptr_ranges_cmp, NULL, rs->range);

	for (pos = 0; pos < rs->count; pos++) {
		struct amdgpu_userptr_range *r = &rs->range[rs->by_addr[pos]];

		if (!pos || r->addr > max_end)
			intervals++;
		max_end = max(max_end, amdgpu_userptr_range_end(r));
		r->max_end = max_end;
		r->pos = pos;
		__set_bit(r->first_page, rs->starts);
	}
	bitmap_fill(rs->dirty, rs->count);
	return intervals;
}
EXPORT_SYMBOL_IF_KUNIT(amdgpu_userptr_ranges_sort);
ALLOW_ERROR_INJECTION(amdgpu_userptr_ranges_sort, ERRNO);

/**
 * amdgpu_userptr_ranges_interval - the interval that starts at a position
 *
 * @rs: sorted ranges
 * @pos: position in the order of addresses, 0 or a value returned before
 * @iv: result
 *
 * Returns: position of the next interval, @rs->count if there is none
 */
u32 amdgpu_userptr_ranges_interval(const struct amdgpu_userptr_ranges *rs, u32 pos,
				   struct amdgpu_userptr_interval *iv)
{
	const struct amdgpu_userptr_range *r = &rs->range[rs->by_addr[pos]];

	iv->start = r->addr;
	iv->end = r->max_end;
	iv->first = pos;
	while (++pos < rs->count) {
		r = &rs->range[rs->by_addr[pos]];
		if (r->addr > iv->end)
			break;
		iv->end = r->max_end;
	}
	iv->count = pos - iv->first;
	return pos;
}
EXPORT_SYMBOL_IF_KUNIT(amdgpu_userptr_ranges_interval);

/**
 * amdgpu_userptr_ranges_window - DIRTY ranges that one page walk should cover
 *
 * @rs: sorted ranges
 * @pos: position in the order of addresses to start looking at
 * @max_pages: size limit of a window with more than one range
 * @max_gap: ranges further apart than this many pages get windows of their own,
 *	because looking at the pages between them costs more than a new walk
 * @win: result; not all ranges at its positions are DIRTY
 *
 * Returns: false if no range from @pos on is DIRTY
 */
bool amdgpu_userptr_ranges_window(const struct amdgpu_userptr_ranges *rs, u32 pos,
				  unsigned long max_pages, unsigned long max_gap,
				  struct amdgpu_userptr_interval *win)
{
	const struct amdgpu_userptr_range *r;

	win->count = 0;
	for_each_set_bit_from(pos, rs->dirty, rs->count) {
		r = &rs->range[rs->by_addr[pos]];
		if (!win->count) {
			win->first = pos;
			win->start = r->addr;
			win->end = amdgpu_userptr_range_end(r);
		} else {
			unsigned long end = max(win->end, amdgpu_userptr_range_end(r));

			if ((end - win->start) >> PAGE_SHIFT > max_pages ||
			    (r->addr > win->end &&
			     (r->addr - win->end) >> PAGE_SHIFT > max_gap))
				break;
			win->end = end;
		}
		win->count = pos - win->first + 1;
	}
	return win->count;
}
EXPORT_SYMBOL_IF_KUNIT(amdgpu_userptr_ranges_window);

/**
 * amdgpu_userptr_ranges_overlap - next range that overlaps an address range
 *
 * @rs: sorted ranges
 * @pos: position in the order of addresses to start at
 * @last: first position behind the interval
 * @start: first address
 * @end: first address behind
 *
 * Returns: position, @last if there is none
 */
u32 amdgpu_userptr_ranges_overlap(const struct amdgpu_userptr_ranges *rs, u32 pos,
				  u32 last, unsigned long start, unsigned long end)
{
	const struct amdgpu_userptr_range *r;
	u32 hi = last;

	/* No range before the first one with max_end > start reaches start. */
	while (pos < hi) {
		u32 mid = pos + (hi - pos) / 2;

		if (rs->range[rs->by_addr[mid]].max_end > start)
			hi = mid;
		else
			pos = mid + 1;
	}

	/* Those behind it may still end before start, inside a longer one. */
	for (; pos < last; pos++) {
		r = &rs->range[rs->by_addr[pos]];
		if (r->addr >= end)
			break;
		if (amdgpu_userptr_range_end(r) > start)
			return pos;
	}
	return last;
}
EXPORT_SYMBOL_IF_KUNIT(amdgpu_userptr_ranges_overlap);

/**
 * amdgpu_userptr_ranges_at_page - range that holds a page of the BO
 *
 * @rs: ranges, at least one
 * @page: page of the BO, less than @rs->npages
 *
 * Returns: index in the order of the BO
 */
u32 amdgpu_userptr_ranges_at_page(const struct amdgpu_userptr_ranges *rs, u32 page)
{
	u32 lo = 0, hi = rs->count;

	while (hi - lo > 1) {
		u32 mid = lo + (hi - lo) / 2;

		if (rs->range[mid].first_page <= page)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}
EXPORT_SYMBOL_IF_KUNIT(amdgpu_userptr_ranges_at_page);

/**
 * amdgpu_userptr_range_set_state - the one place that changes a state
 *
 * @rs: sorted ranges
 * @i: index in the order of the BO
 * @state: new state
 *
 * The caller holds the notifier lock.
 */
void amdgpu_userptr_range_set_state(struct amdgpu_userptr_ranges *rs, u32 i,
				    enum amdgpu_userptr_state state)
{
	struct amdgpu_userptr_range *r = &rs->range[i];

	/* A range gets to BOUND by way of FAULTED only. */
	WARN_ON_ONCE(state == AMDGPU_USERPTR_BOUND && r->state == AMDGPU_USERPTR_DIRTY);

	rs->num[r->state]--;
	if (state == AMDGPU_USERPTR_DIRTY)
		set_bit(r->pos, rs->dirty);
	else
		clear_bit(r->pos, rs->dirty);
	/* Pairs with amdgpu_userptr_window_choose() */
	smp_store_release(&r->state, state);
	WRITE_ONCE(rs->num[state], rs->num[state] + 1);
	if (state == AMDGPU_USERPTR_BOUND)
		clear_bit(i, rs->unbound);
	else
		set_bit(i, rs->unbound);
}
EXPORT_SYMBOL_IF_KUNIT(amdgpu_userptr_range_set_state);
