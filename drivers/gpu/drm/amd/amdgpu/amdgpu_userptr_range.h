/* SPDX-License-Identifier: MIT */
#ifndef __AMDGPU_USERPTR_RANGE_H__
#define __AMDGPU_USERPTR_RANGE_H__

#include <linux/gfp_types.h>
#include <linux/types.h>

/*
 * For memory whose size user space decides: charged to its memory cgroup, and when
 * there is no room the ioctl fails, nobody is killed and no stack is dumped.
 */
#define AMDGPU_USERPTR_GFP	(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/**
 * enum amdgpu_userptr_state - what the driver knows of the pages of a range
 *
 * ::
 *
 *                 fault                    bind
 *      DIRTY ---------------> FAULTED ---------------> BOUND
 *        ^                       |                       |
 *        +-----------------------+-----------------------+
 *                           invalidate
 *
 * @AMDGPU_USERPTR_DIRTY: No page is known, the range must be faulted.
 * @AMDGPU_USERPTR_FAULTED: The page frame numbers are current, the page tables
 *	of the GPU do not have them yet.
 * @AMDGPU_USERPTR_BOUND: The page tables of the GPU are current.
 * @AMDGPU_USERPTR_STATES: Number of states.
 */
enum amdgpu_userptr_state {
	AMDGPU_USERPTR_DIRTY,
	AMDGPU_USERPTR_FAULTED,
	AMDGPU_USERPTR_BOUND,
	AMDGPU_USERPTR_STATES
};

/* What the GPU's page tables hold, or are about to. */
#define AMDGPU_USERPTR_VM_PTE	0x1	/* valid entries, maybe stale ones */
#define AMDGPU_USERPTR_VM_BIND	0x2	/* entries are being written */
#define AMDGPU_USERPTR_VM_CLEAR	0x4	/* entries are being cleared */

/* How the pages are DMA mapped. */
#define AMDGPU_USERPTR_DMA_MAYBE	0x1	/* they may be mapped */
#define AMDGPU_USERPTR_DMA_LINKED	0x2	/* all are, into the IOVA; dma_lock */

/**
 * struct amdgpu_userptr_range - one piece of CPU memory, as user space gave it
 */
struct amdgpu_userptr_range {
	/** @addr: CPU address of the first byte, page aligned; constant. */
	unsigned long addr;
	/**
	 * @max_end: Highest end address of this range and of all that come
	 * before it in the order of addresses; constant after sorting. It never
	 * falls from one range to the next, so it can be searched.
	 */
	unsigned long max_end;
	/** @first_page: Where the range starts in the BO, in pages; constant. */
	u32 first_page;
	/** @npages: Size in pages; constant. */
	u32 npages;
	/** @pos: Position in the order of addresses; constant after sorting. */
	u32 pos;
	/** @state: &enum amdgpu_userptr_state; notifier lock. */
	u8 state;
	/** @dma: AMDGPU_USERPTR_DMA_*; notifier lock and batch's dma_lock. */
	u8 dma;
	/** @walk: The range is part of the walk under way; batch's fault_lock. */
	u8 walk;
	/** @vm: AMDGPU_USERPTR_VM_*; reservation of the VM's root PD. */
	u8 vm;
};

/**
 * struct amdgpu_userptr_ranges - all ranges of a batch
 */
struct amdgpu_userptr_ranges {
	/** @count: Number of ranges. */
	u32 count;
	/** @npages: Sum of the sizes in pages. */
	u32 npages;
	/** @num: Number of ranges per state; notifier lock. */
	u32 num[AMDGPU_USERPTR_STATES];
	/** @range: Array of ranges in the order of the BO. */
	struct amdgpu_userptr_range *range;
	/** @by_addr: Indices of @range in the order of addresses. */
	u32 *by_addr;
	/** @starts: One bit for each page of the BO, set where a range starts. */
	unsigned long *starts;
	/** @unbound: One bit for each range that is not BOUND; notifier lock. */
	unsigned long *unbound;
	/**
	 * @dirty: One bit for each position in the order of addresses whose
	 * range is DIRTY; notifier lock.
	 */
	unsigned long *dirty;
};

/**
 * struct amdgpu_userptr_interval - ranges that touch or overlap, or a window
 */
struct amdgpu_userptr_interval {
	/** @start: Lowest address. */
	unsigned long start;
	/** @end: First address behind it. */
	unsigned long end;
	/** @first: Position of the first range in the order of addresses. */
	u32 first;
	/** @count: Number of positions. */
	u32 count;
};

void *amdgpu_userptr_calloc(size_t n, size_t size);
int amdgpu_userptr_ranges_init(struct amdgpu_userptr_ranges *rs, u32 max_ranges);
void amdgpu_userptr_ranges_fini(struct amdgpu_userptr_ranges *rs);
int amdgpu_userptr_ranges_add(struct amdgpu_userptr_ranges *rs, u64 addr, u64 size,
			      u64 max_pages);
int amdgpu_userptr_ranges_sort(struct amdgpu_userptr_ranges *rs);
u32 amdgpu_userptr_ranges_interval(const struct amdgpu_userptr_ranges *rs, u32 pos,
				   struct amdgpu_userptr_interval *iv);
bool amdgpu_userptr_ranges_window(const struct amdgpu_userptr_ranges *rs, u32 pos,
				  unsigned long max_pages, unsigned long max_gap,
				  struct amdgpu_userptr_interval *win);
u32 amdgpu_userptr_ranges_overlap(const struct amdgpu_userptr_ranges *rs, u32 pos,
				  u32 last, unsigned long start, unsigned long end);
u32 amdgpu_userptr_ranges_at_page(const struct amdgpu_userptr_ranges *rs, u32 page);
void amdgpu_userptr_range_set_state(struct amdgpu_userptr_ranges *rs, u32 i,
				    enum amdgpu_userptr_state state);

/**
 * amdgpu_userptr_range_end - first address behind a range
 *
 * @r: range
 *
 * Returns: the address
 */
static inline unsigned long amdgpu_userptr_range_end(const struct amdgpu_userptr_range *r)
{
	return r->addr + ((unsigned long)r->npages << PAGE_SHIFT);
}

/**
 * amdgpu_userptr_ranges_clean - is nothing left to do before the GPU may run?
 *
 * @rs: ranges
 *
 * A hint without the notifier lock, the truth with it.
 *
 * Returns: true if all ranges are BOUND
 */
static inline bool amdgpu_userptr_ranges_clean(const struct amdgpu_userptr_ranges *rs)
{
	return READ_ONCE(rs->num[AMDGPU_USERPTR_BOUND]) == rs->count;
}

#endif
