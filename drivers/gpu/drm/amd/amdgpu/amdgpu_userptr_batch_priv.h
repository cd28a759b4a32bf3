/* SPDX-License-Identifier: MIT */
#ifndef __AMDGPU_USERPTR_BATCH_PRIV_H__
#define __AMDGPU_USERPTR_BATCH_PRIV_H__

#include <linux/hmm-dma.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>

#include "amdgpu_userptr_range.h"

struct amdgpu_userptr_batch;
struct device;
struct pci_p2pdma_map_state;

/* How long a batch may keep changing before a submission gives up, in ms. */
#define AMDGPU_USERPTR_BATCH_TIMEOUT	1000

/**
 * struct amdgpu_userptr_notifier - notifier of ranges that touch or overlap
 */
struct amdgpu_userptr_notifier {
	/** @base: What mm calls, on ranges' lowest to highest address. */
	struct mmu_interval_notifier base;
	/** @batch: Owner; constant. */
	struct amdgpu_userptr_batch *batch;
	/** @seq: Sequence number before the walk under way; batch's fault_lock. */
	unsigned long seq;
	/** @first: Position of the first range in the order of addresses; constant. */
	u32 first;
	/** @last: First position behind its ranges; constant. */
	u32 last;
};

/**
 * struct amdgpu_userptr_counters - what happened to a batch since its creation
 *
 * All in ranges, except @walks, @waits and @updates. Read without lock.
 */
struct amdgpu_userptr_counters {
	/** @invalidations: Made DIRTY by a notifier; notifier lock. */
	u64 invalidations;
	/** @waits: Waits of notifiers for the GPU; notifier lock. */
	u64 waits;
	/** @faults: Made FAULTED; notifier lock. */
	u64 faults;
	/** @walks: Walks over the CPU page tables; batch's fault_lock. */
	u64 walks;
	/** @restores: Made BOUND; notifier lock. */
	u64 restores;
	/** @clears: GPU page table entries cleared; notifier lock. */
	u64 clears;
	/** @updates: Updates of GPU page tables; VM root PD reservation. */
	u64 updates;
};

/**
 * struct amdgpu_userptr_batch - many pieces of CPU memory behind one BO
 *
 * Locks, outermost first. The first three are never taken in a notifier
 * callback, the last two never held while memory is allocated with more than
 * GFP_ATOMIC, because reclaim calls the notifiers:
 *
 * 1. @fault_lock, then mmap_lock: inside hmm_range_fault_unlocked_timeout, or
 *    in the restore worker for one hmm_range_fault
 * 2. reservation of the VM's root PD, of the BO
 * 3. &amdgpu_userptr_batch_mgr.lock
 * 4. i_mmap_rwsem, anon_vma lock, fs_reclaim, mmu_notifier_invalidate_range_start
 * 5. @dma_lock
 * 6. adev->notifier_lock
 *
 * Lockdep is told this order when a batch is created, and that of the last two
 * among the other locks of the driver in amdgpu_lockdep_init().
 */
struct amdgpu_userptr_batch {
	/** @bo: The BO, which owns the batch. */
	struct amdgpu_bo *bo;
	/** @adev: Device. */
	struct amdgpu_device *adev;
	/** @mm: Address space of the ranges; the notifiers keep the struct. */
	struct mm_struct *mm;
	/** @pid: Thread group that created it, for debugfs. */
	pid_t pid;
	/** @flags: AMDGPU_GEM_USERPTR_*; constant. */
	u32 flags;
	/** @accounted: Bytes counted in &amdgpu_userptr_batch_mgr.bytes. */
	u64 accounted;

	/**
	 * @created: The ioctl that creates it has nothing left to fault. Set
	 * before there is a handle.
	 */
	bool created;

	/** @ranges: The ranges and their states. */
	struct amdgpu_userptr_ranges ranges;
	/** @notifiers: Array of notifiers in the order of addresses. */
	struct amdgpu_userptr_notifier *notifiers;
	/** @num_notifiers: Number of notifiers inserted; constant after creation. */
	u32 num_notifiers;

	/** @fault_lock: One thread at a time faults ranges of a batch. */
	struct mutex fault_lock;
	/** @worker: It is the restore worker of user queues; @fault_lock. */
	bool worker;

	/**
	 * @dma_lock: Covers DMA mapping and unmapping. A range is mapped only
	 * after &amdgpu_userptr_range.dma was set under the notifier lock, so
	 * that a notifier either sees that there is something to unmap and
	 * waits here, or keeps the range from being mapped.
	 */
	struct mutex dma_lock;
	/**
	 * @dma: Page frame numbers and DMA addresses, one a page of the BO. The
	 * page frame numbers of a DIRTY range belong to the holder of
	 * @fault_lock, those of a range with &amdgpu_userptr_range.dma set to
	 * the holder of @dma_lock.
	 */
	struct hmm_dma_map dma;
	/** @unplugged: Nothing may be mapped any more; @dma_lock. */
	bool unplugged;

	/** @finish: Second pass of the invalidation @event. */
	struct mmu_interval_notifier_finish finish;
	/**
	 * @event: The invalidation that @finish is queued for, which tells all
	 * notifiers hit by one munmap that one of them already waits for all;
	 * NULL if none; notifier lock.
	 */
	const struct mmu_notifier_range *event;

	/**
	 * @vm_generation: Generation of the page tables that
	 * &amdgpu_userptr_range.vm is about; VM root PD reservation.
	 */
	u64 vm_generation;

	/**
	 * @lost: Submissions have failed the final check since @lost_first, none
	 * has passed it; notifier lock.
	 */
	bool lost;
	/** @lost_first: When the first of them failed, in jiffies; notifier lock. */
	unsigned long lost_first;
	/** @lost_last: When the last of them failed, in jiffies; notifier lock. */
	unsigned long lost_last;

	/** @stat: Counters. */
	struct amdgpu_userptr_counters stat;

#if IS_ENABLED(CONFIG_DRM_AMDGPU_USERPTR_INVAL_INJECT)
	/** @inject_checks: Final checks that were passed; notifier lock. */
	u32 inject_checks;
	/** @inject_start: First address of the injected event; notifier lock. */
	unsigned long inject_start;
	/** @inject_end: First address behind it, 0 if none; notifier lock. */
	unsigned long inject_end;
#endif

	/** @node: Link in &amdgpu_userptr_batch_mgr.batches. */
	struct list_head node;
};

int amdgpu_userptr_batch_insert_notifiers(struct amdgpu_userptr_batch *batch,
					  u32 *bad_range);
void amdgpu_userptr_batch_remove_notifiers(struct amdgpu_userptr_batch *batch);
#if IS_ENABLED(CONFIG_DRM_AMDGPU_USERPTR_INVAL_INJECT)
bool amdgpu_userptr_batch_inject(struct amdgpu_userptr_batch *batch);
void amdgpu_userptr_batch_injected(struct amdgpu_userptr_batch *batch);
#else
static inline bool amdgpu_userptr_batch_inject(struct amdgpu_userptr_batch *batch)
{
	return false;
}

static inline void amdgpu_userptr_batch_injected(struct amdgpu_userptr_batch *batch) {}
#endif

#if IS_ENABLED(CONFIG_DRM_AMDGPU_USERPTR)
void amdgpu_userptr_batch_set_lock_class(struct mutex *dma_lock);
#else
static inline void amdgpu_userptr_batch_set_lock_class(struct mutex *dma_lock) {}
#endif

void amdgpu_userptr_batch_quiesce(struct amdgpu_userptr_batch *batch,
				  unsigned long start, unsigned long end);

bool amdgpu_userptr_batch_dma_direct(struct device *dev);
int amdgpu_userptr_batch_dma_init(struct amdgpu_userptr_batch *batch);
void amdgpu_userptr_batch_dma_release(struct amdgpu_userptr_batch *batch);
void amdgpu_userptr_batch_dma_fini(struct amdgpu_userptr_batch *batch);
int amdgpu_userptr_batch_dma_map(struct amdgpu_userptr_batch *batch,
				 struct amdgpu_userptr_range *r,
				 struct pci_p2pdma_map_state *p2pdma);
void amdgpu_userptr_batch_dma_unmap(struct amdgpu_userptr_batch *batch,
				    struct amdgpu_userptr_range *r);

#endif
