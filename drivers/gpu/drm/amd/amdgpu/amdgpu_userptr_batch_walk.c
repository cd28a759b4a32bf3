// SPDX-License-Identifier: MIT
/**
 * DOC: Batch userptr page walks
 *
 * What makes a range FAULTED.
 *
 * The walk follows the protocol of mmu_interval_read_begin(), with many
 * notifiers below one walk::
 *
 *	do
 *		for each notifier of the window
 *			seq = mmu_interval_read_begin()
 *		hmm_range_fault_unlocked_timeout(), one walk with any of the
 *			notifiers, which looks at pages but does not fault
 *		for each run of pages that are missing in a range
 *			hmm_range_fault_unlocked_timeout(), which faults
 *	while pages were missing
 *	lock(notifier_lock)
 *	for each DIRTY range that was asked for
 *		if (!mmu_interval_read_retry(its notifier, seq))
 *			DIRTY -> FAULTED
 *	unlock(notifier_lock)
 *
 * A range whose notifier was hit in between stays DIRTY and is looked at again
 * in the next pass. Passes go on until nothing is DIRTY or the deadline is over;
 * each pass makes progress for all ranges that are left alone. Who keeps
 * changing the memory is never held up by this: no lock is held between two
 * walks but the batch's own fault_lock, which notifiers do not take.
 */

#include <linux/error-injection.h>
#include <linux/hmm.h>
#include <linux/oom.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/userfaultfd_k.h>

#include <drm/amdgpu_drm.h>

#include "amdgpu.h"
#include "amdgpu_userptr_batch.h"
#include "amdgpu_userptr_batch_priv.h"
#include "amdgpu_userptr_batch_trace.h"

/*
 * What a walk has at least, in ms, however late it is: HMM looks at the clock before
 * its first try, and on a busy machine that may be some time after it was told.
 */
#define AMDGPU_USERPTR_WALK_TIMEOUT	100
/* A single event in a first pass that took long is no reason to give up. */
#define AMDGPU_USERPTR_PASSES		3
/* Largest window with several ranges, which bounds the array for its pages. */
#define AMDGPU_USERPTR_WINDOW_PAGES	2048
/* Gap in pages at which two walks get cheaper than one over the gap. */
#define AMDGPU_USERPTR_WINDOW_GAP	16
/* Longest part of a single range that one walk holds the mmap_lock for. */
#define AMDGPU_USERPTR_CHUNK_PAGES	(SZ_64M >> PAGE_SHIFT)
/* Longest walk that faults. Each fault may let it begin again. */
#define AMDGPU_USERPTR_FAULT_PAGES	32

/*
 * The same as hmm_range_fault_unlocked_timeout(), but never waits for user space. Pages
 * that a userfaultfd handler would have to bring are missing: the handler may be a thread
 * of the process whose end waits for the worker.
 */
static int amdgpu_userptr_walk_worker(struct hmm_range *range, unsigned long deadline)
{
	struct mm_struct *mm = range->notifier->mm;
	struct vm_area_struct *vma;
	int r;

	do {
		VMA_ITERATOR(vmi, mm, range->start);

		range->notifier_seq = mmu_interval_read_begin(range->notifier);
		mmap_read_lock(mm);
		r = check_stable_address_space(mm) ? -EFAULT : 0;
		for_each_vma_range(vmi, vma, range->end)
			if (range->default_flags && userfaultfd_armed(vma))
				r = -EFAULT;
		if (!r)
			r = hmm_range_fault(range);
		mmap_read_unlock(mm);
	} while (r == -EBUSY && time_before(jiffies, deadline));
	return r;
}

/* One walk over @npages, which faults what @req asks for. */
static int amdgpu_userptr_walk(struct amdgpu_userptr_batch *batch,
			       struct amdgpu_userptr_notifier *n,
			       unsigned long start, unsigned long npages,
			       unsigned long *pfns, unsigned long req,
			       unsigned long deadline, unsigned long *seq)
{
	struct hmm_range range = {
		.notifier = &n->base,
		.start = start,
		.end = start + (npages << PAGE_SHIFT),
		.hmm_pfns = pfns,
		.default_flags = req,
	};
	long left = deadline - jiffies;
	long least = msecs_to_jiffies(AMDGPU_USERPTR_WALK_TIMEOUT);
	int r;

	batch->stat.walks++;
	if (batch->worker)
		r = amdgpu_userptr_walk_worker(&range, jiffies + max(left, least));
	else
		r = hmm_range_fault_unlocked_timeout(&range, max(left, least));
	switch (r) {
	case 0:
		/* It walked from start again after the last change of its seq. */
		if (seq)
			*seq = range.notifier_seq;
		return 0;
	case -EPERM:
		return -EACCES;
	case -EINVAL:
		return -EFAULT;
	default:
		return r;
	}
}

/*
 * Every part of the range must be anonymous memory. What becomes something else after this
 * is an event if it was mapped, so a hole is refused.
 */
static int amdgpu_userptr_check_anon(struct amdgpu_userptr_batch *batch,
				     const struct amdgpu_userptr_range *range)
{
	unsigned long end = amdgpu_userptr_range_end(range), addr = range->addr;
	struct vm_area_struct *vma;
	int r;

	VMA_ITERATOR(vmi, batch->mm, range->addr);

	r = mmap_read_lock_killable(batch->mm);
	if (r)
		return r;

	for_each_vma_range(vmi, vma, end) {
		if (vma->vm_start > addr)
			break;
		if (vma->vm_file) {
			r = -EPERM;
			break;
		}
		addr = vma->vm_end;
	}
	mmap_read_unlock(batch->mm);
	if (!r && addr < end)
		r = -EFAULT;
	return r;
}

/* Notifier that watches the range at a position. */
static struct amdgpu_userptr_notifier *
amdgpu_userptr_notifier_at(struct amdgpu_userptr_batch *batch, u32 pos)
{
	u32 lo = 0, hi = batch->num_notifiers;

	while (hi - lo > 1) {
		u32 mid = lo + (hi - lo) / 2;

		if (batch->notifiers[mid].first <= pos)
			lo = mid;
		else
			hi = mid;
	}
	return &batch->notifiers[lo];
}

/* What a page must be like; as request, what it is faulted for. */
static unsigned long amdgpu_userptr_req(const struct amdgpu_userptr_batch *batch)
{
	return batch->flags & AMDGPU_GEM_USERPTR_READONLY ?
		HMM_PFN_REQ_FAULT : HMM_PFN_REQ_FAULT | HMM_PFN_REQ_WRITE;
}

static bool amdgpu_userptr_pfn_good(const struct amdgpu_userptr_batch *batch,
				    unsigned long pfn)
{
	unsigned long need = HMM_PFN_VALID;

	if (!(batch->flags & AMDGPU_GEM_USERPTR_READONLY))
		need |= HMM_PFN_WRITE;
	return (pfn & (need | HMM_PFN_ERROR)) == need;
}

/* Look at the pages of a range, without faulting, in parts if it is long. */
static int amdgpu_userptr_snapshot_range(struct amdgpu_userptr_batch *batch,
					 struct amdgpu_userptr_notifier *n,
					 const struct amdgpu_userptr_range *range,
					 unsigned long deadline)
{
	unsigned long *pfns = &batch->dma.pfn_list[range->first_page];
	u32 done, step;
	int r;

	for (done = 0; done < range->npages; done += step) {
		step = min_t(u32, range->npages - done, AMDGPU_USERPTR_CHUNK_PAGES);
		r = amdgpu_userptr_walk(batch, n,
					range->addr + ((unsigned long)done << PAGE_SHIFT),
					step, pfns + done, 0, deadline, NULL);
		if (r)
			return r;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/* Look at the pages of a window with several ranges, by way of a scratch array. */
static int amdgpu_userptr_snapshot_window(struct amdgpu_userptr_batch *batch,
					  struct amdgpu_userptr_notifier *n,
					  const struct amdgpu_userptr_interval *win,
					  unsigned long *scratch, unsigned long deadline)
{
	unsigned long npages = (win->end - win->start) >> PAGE_SHIFT;
	struct amdgpu_userptr_range *range;
	u32 pos;
	int r;

	memset(scratch, 0, npages * sizeof(*scratch));
	r = amdgpu_userptr_walk(batch, n, win->start, npages, scratch, 0, deadline, NULL);
	if (r)
		return r;

	for (pos = win->first; pos < win->first + win->count; pos++) {
		range = &batch->ranges.range[batch->ranges.by_addr[pos]];
		if (range->walk)
			memcpy(&batch->dma.pfn_list[range->first_page],
			       scratch + ((range->addr - win->start) >> PAGE_SHIFT),
			       range->npages * sizeof(*scratch));
	}
	return 0;
}

/*
 * May a signal end it? Whoever comes back begins where not all pages of a range, or of a
 * window, are known, and has to get on however many signals come. So looking, which does
 * not wait, is done to its end, and faulting goes on until @enough, that is for as long as
 * the look took. While the batch is created nothing would be left of what is known.
 */
static bool amdgpu_userptr_interrupted(const struct amdgpu_userptr_batch *batch,
				       ktime_t enough)
{
	if (!signal_pending(current))
		return false;
	return fatal_signal_pending(current) ||
		(batch->created && ktime_after(ktime_get(), enough));
}

/*
 * Fault the pages of a range that the snapshot did not find. A walk that faults
 * brings in everything from its first missing page to its end, and starts anew when
 * a fault gives the mmap_lock up; so it is over missing pages only, and short.
 *
 * Returns: 1 if pages were missing, 0 if not, or a negative errno
 */
static int amdgpu_userptr_fault_missing(struct amdgpu_userptr_batch *batch,
					struct amdgpu_userptr_notifier *n,
					const struct amdgpu_userptr_range *range,
					unsigned long deadline, ktime_t enough)
{
	unsigned long *pfns = &batch->dma.pfn_list[range->first_page];
	int r, missing = 0;
	u32 i, len;

	for (i = 0; i < range->npages; i += len) {
		len = 1;
		if (amdgpu_userptr_pfn_good(batch, pfns[i]))
			continue;
		while (len < AMDGPU_USERPTR_FAULT_PAGES && i + len < range->npages &&
		       !amdgpu_userptr_pfn_good(batch, pfns[i + len]))
			len++;
		missing = 1;
		r = amdgpu_userptr_walk(batch, n,
					range->addr + ((unsigned long)i << PAGE_SHIFT), len,
					pfns + i, amdgpu_userptr_req(batch), deadline, NULL);
		if (r)
			return r;
		if (amdgpu_userptr_interrupted(batch, enough))
			return -ERESTARTSYS;
	}
	return missing;
}

/* Are all pages there, or has one gone that had been faulted? */
static bool amdgpu_userptr_range_good(struct amdgpu_userptr_batch *batch,
				      const struct amdgpu_userptr_range *range)
{
	u32 i;

	for (i = 0; i < range->npages; i++)
		if (!amdgpu_userptr_pfn_good(batch, batch->dma.pfn_list[range->first_page + i]))
			return false;
	return true;
}

/* A range that cannot be faulted, and why. */
struct amdgpu_userptr_bad {
	u32 range;
	int error;
};

/*
 * Not an error of the whole: memory that keeps changing and memory that is not there
 * leave a range DIRTY, the others shall have their pages all the same.
 */
static bool amdgpu_userptr_leave_dirty(struct amdgpu_userptr_bad *bad, u32 idx, int r)
{
	if (r == -EBUSY)
		return true;
	if (r != -EFAULT && r != -EACCES && r != -EPERM && r != -EHWPOISON)
		return false;
	if (!bad->error || idx < bad->range) {
		bad->range = idx;
		bad->error = r;
	}
	return true;
}

/*
 * Choose what to walk: DIRTY ranges that may be walked. One that became so after the
 * window was made may end behind it, if ranges overlap; it is for the next pass.
 *
 * Returns: how many
 */
static int amdgpu_userptr_window_choose(struct amdgpu_userptr_batch *batch,
					const struct amdgpu_userptr_interval *win)
{
	struct amdgpu_userptr_range *range;
	int wanted = 0;
	u32 pos;

	for (pos = win->first; pos < win->first + win->count; pos++) {
		range = &batch->ranges.range[batch->ranges.by_addr[pos]];
		/* With the state comes the sequence number of the event, which is read next */
		range->walk = smp_load_acquire(&range->state) == AMDGPU_USERPTR_DIRTY &&
			amdgpu_userptr_range_end(range) <= win->end;
		wanted += range->walk;
	}
	return wanted;
}

/*
 * Begin to look at the window: from here on events count. What kind of memory there is
 * counts from here on, too.
 */
static int amdgpu_userptr_window_begin(struct amdgpu_userptr_batch *batch,
				       const struct amdgpu_userptr_interval *win,
				       struct amdgpu_userptr_bad *bad)
{
	struct amdgpu_userptr_notifier *n = amdgpu_userptr_notifier_at(batch, win->first);
	struct amdgpu_userptr_range *range;
	u32 pos, idx;
	int r;

	do {
		n->seq = mmu_interval_read_begin(&n->base);
	} while ((n++)->last < win->first + win->count);

	if (!(batch->flags & AMDGPU_GEM_USERPTR_ANONONLY))
		return 0;

	for (pos = win->first; pos < win->first + win->count; pos++) {
		idx = batch->ranges.by_addr[pos];
		range = &batch->ranges.range[idx];
		if (!range->walk)
			continue;
		r = amdgpu_userptr_check_anon(batch, range);
		if (r && !amdgpu_userptr_leave_dirty(bad, idx, r))
			return r;
		range->walk = !r;
	}
	return 0;
}

/*
 * Look at the chosen ranges, and fault what is missing unless it is the @last look.
 * Those whose pages are not to be had are not chosen any more.
 *
 * Returns: 0 if the pages of the others are known, 1 if they must be looked at again,
 * or a negative errno
 */
static int amdgpu_userptr_window_walk(struct amdgpu_userptr_batch *batch,
				      const struct amdgpu_userptr_interval *win,
				      unsigned long *scratch, unsigned long deadline,
				      bool last, struct amdgpu_userptr_bad *bad)
{
	struct amdgpu_userptr_notifier *n = amdgpu_userptr_notifier_at(batch, win->first);
	struct amdgpu_userptr_range *range;
	u32 pos, idx = batch->ranges.by_addr[win->first];
	ktime_t begun = ktime_get(), enough;
	int r, again = 0;

	r = amdgpu_userptr_window_begin(batch, win, bad);
	if (r)
		return r;

	range = &batch->ranges.range[idx];
	if (win->count == 1 && !range->walk)
		return 0;
	if (win->count == 1 && range->npages <= AMDGPU_USERPTR_FAULT_PAGES &&
	    !batch->worker && !(batch->flags & AMDGPU_GEM_USERPTR_ANONONLY)) {
		/* Nothing to gain from looking first. */
		r = amdgpu_userptr_walk(batch, n, range->addr, range->npages,
					&batch->dma.pfn_list[range->first_page],
					amdgpu_userptr_req(batch), deadline, &n->seq);
		range->walk = !r;
		return r && !amdgpu_userptr_leave_dirty(bad, idx, r) ? r : 0;
	}

	if (win->count == 1)
		r = amdgpu_userptr_snapshot_range(batch, n, range, deadline);
	else
		r = amdgpu_userptr_snapshot_window(batch, n, win, scratch, deadline);
	if (r)
		return r;
	enough = ktime_get();
	enough = ktime_add(enough, ktime_sub(enough, begun));

	for (pos = win->first; pos < win->first + win->count; pos++) {
		idx = batch->ranges.by_addr[pos];
		range = &batch->ranges.range[idx];
		if (pos >= n->last)
			n++;
		if (!range->walk)
			continue;
		if (last) {
			range->walk = amdgpu_userptr_range_good(batch, range);
			continue;
		}
		r = amdgpu_userptr_fault_missing(batch, n, range, deadline, enough);
		if (r > 0) {
			again = 1;
			continue;
		}
		range->walk = !r;
		if (r == -EBUSY && time_after(jiffies, deadline))
			return r;
		if (r && !amdgpu_userptr_leave_dirty(bad, idx, r))
			return r;
	}
	return again;
}

/*
 * Fault the DIRTY ranges of a window. Those whose notifier was hit meanwhile
 * stay DIRTY, this is no error.
 */
static int amdgpu_userptr_fault_window(struct amdgpu_userptr_batch *batch,
				       const struct amdgpu_userptr_interval *win,
				       unsigned long *scratch, unsigned long deadline,
				       struct amdgpu_userptr_bad *bad)
{
	struct amdgpu_userptr_notifier *n;
	struct amdgpu_userptr_range *range;
	u32 pos, idx;
	int r, i;

	if (!amdgpu_userptr_window_choose(batch, win))
		return 0;

	/*
	 * Faults are events themselves when they copy a page, so the last look must
	 * be one that faults nothing. Whoever keeps taking the pages away is not
	 * waited for here.
	 */
	for (i = 0, r = 1; i < 3 && r > 0; i++)
		r = amdgpu_userptr_window_walk(batch, win, scratch, deadline, i == 2, bad);
	if (r)
		return r;

	mutex_lock(&batch->adev->notifier_lock);
	n = amdgpu_userptr_notifier_at(batch, win->first);
	for (pos = win->first; pos < win->first + win->count; pos++) {
		if (pos >= n->last)
			n++;
		idx = batch->ranges.by_addr[pos];
		range = &batch->ranges.range[idx];
		/* What is still mapped awaits amdgpu_userptr_batch_quiesce. */
		if (!range->walk || range->state != AMDGPU_USERPTR_DIRTY || range->dma ||
		    mmu_interval_read_retry(&n->base, n->seq))
			continue;
		amdgpu_userptr_range_set_state(&batch->ranges, idx,
					       AMDGPU_USERPTR_FAULTED);
		batch->stat.faults++;
	}
	mutex_unlock(&batch->adev->notifier_lock);
	return 0;
}

/*
 * Fault what is DIRTY, once. If ranges cannot be faulted, all others are, and the
 * lowest index of a bad one is found.
 */
static int amdgpu_userptr_fault_pass(struct amdgpu_userptr_batch *batch,
				     unsigned long *scratch, unsigned long deadline,
				     u32 *bad_range)
{
	struct amdgpu_userptr_bad bad = {};
	struct amdgpu_userptr_interval win;
	u32 pos = 0;
	int r = 0;

	while (amdgpu_userptr_ranges_window(&batch->ranges, pos,
					    AMDGPU_USERPTR_WINDOW_PAGES,
					    AMDGPU_USERPTR_WINDOW_GAP, &win)) {
		pos = win.first + win.count;
		r = amdgpu_userptr_fault_window(batch, &win, scratch, deadline, &bad);
		/* What was busy stays DIRTY and must not delay the others for long. */
		if (r == -EBUSY && !time_after(jiffies, deadline))
			r = 0;
		if (!r && amdgpu_userptr_interrupted(batch, 0))
			r = -ERESTARTSYS;
		if (r)
			break;
		cond_resched();
	}
	/* Whoever is interrupted time and again must hear of it, too. */
	if (bad.error && (!r || r == -EBUSY || r == -ERESTARTSYS)) {
		*bad_range = bad.range;
		r = bad.error;
	}
	return r;
}

/*
 * Begin a submission. If the last one that failed the final check did so longer ago than
 * the deadline, its owner has given up, and what failed before does not count.
 */
static void amdgpu_userptr_batch_begin(struct amdgpu_userptr_batch *batch)
{
	unsigned long timeout = msecs_to_jiffies(AMDGPU_USERPTR_BATCH_TIMEOUT);

	mutex_lock(&batch->adev->notifier_lock);
	if (batch->lost && time_after(jiffies, batch->lost_last + timeout))
		batch->lost = false;
	mutex_unlock(&batch->adev->notifier_lock);
}

/*
 * One thread at a time. The restore worker gets no signals, and who holds the lock may
 * wait for user space, which may wait for the worker: so that waits until @deadline only.
 */
static int amdgpu_userptr_fault_lock(struct amdgpu_userptr_batch *batch, bool worker,
				     unsigned long deadline)
{
	if (!worker)
		return mutex_lock_interruptible(&batch->fault_lock) ? -ERESTARTSYS : 0;

	while (!mutex_trylock(&batch->fault_lock)) {
		if (time_after(jiffies, deadline))
			return -EBUSY;
		usleep_range(500, 1000);
	}
	return 0;
}

/* Make every DIRTY range FAULTED; for @worker nothing waits for user space. */
static int amdgpu_userptr_fault_dirty(struct amdgpu_userptr_batch *batch, bool worker,
				      u32 *bad_range)
{
	unsigned long timeout = msecs_to_jiffies(AMDGPU_USERPTR_BATCH_TIMEOUT);
	unsigned long deadline, *scratch;
	u32 bad = AMDGPU_GEM_USERPTR_BATCH_NO_RANGE;
	u64 faults, walks;
	int r, pass;

	if (!READ_ONCE(batch->ranges.num[AMDGPU_USERPTR_DIRTY]))
		return 0;

	if (!worker)
		amdgpu_userptr_batch_begin(batch);

	if (!mmget_not_zero(batch->mm)) /* Happens during process shutdown */
		return -ESRCH;

	r = amdgpu_userptr_fault_lock(batch, worker, jiffies + timeout);
	if (r)
		goto out_mmput;
	batch->worker = worker;

	scratch = kvmalloc_array(AMDGPU_USERPTR_WINDOW_PAGES, sizeof(*scratch),
				 GFP_KERNEL);
	if (!scratch) {
		r = -ENOMEM;
		goto out_unlock;
	}

	/*
	 * One deadline for all. It limits how often memory may change under us,
	 * not how long it takes to bring it in: a pass that nobody disturbs is
	 * never too late.
	 */
	deadline = jiffies + timeout;
	faults = batch->stat.faults;
	walks = batch->stat.walks;
	for (pass = 1;; pass++) {
		amdgpu_userptr_batch_injected(batch);
		r = amdgpu_userptr_fault_pass(batch, scratch, deadline, &bad);
		if (r || !READ_ONCE(batch->ranges.num[AMDGPU_USERPTR_DIRTY]))
			break;
		if (pass >= AMDGPU_USERPTR_PASSES && time_after(jiffies, deadline)) {
			r = -EBUSY;
			break;
		}
	}
	trace_amdgpu_userptr_batch_fault(batch, batch->stat.faults - faults,
					 batch->stat.walks - walks, bad, r);

	kvfree(scratch);
out_unlock:
	mutex_unlock(&batch->fault_lock);
out_mmput:
	mmput(batch->mm);
	if (bad_range)
		*bad_range = bad;
	return r;
}

/**
 * amdgpu_userptr_batch_fault - make every DIRTY range FAULTED
 *
 * @bo: BO with a batch, not reserved
 * @bad_range: on error the lowest index of the ranges it is about, if any; of those that
 *	were looked at before the walk was interrupted
 *
 * Free if nothing is DIRTY. Ranges may be DIRTY again when this returns; that
 * is found by amdgpu_userptr_batch_check under the notifier lock.
 *
 * Returns: 0, -EFAULT for a hole or memory that cannot be accessed, -EACCES for
 * a read-only mapping that the GPU should write to, -EPERM for file memory with
 * %AMDGPU_GEM_USERPTR_ANONONLY, -EBUSY if the memory kept changing until the
 * deadline, -ESRCH if the process has gone, -ERESTARTSYS, -EINTR, -ENOMEM
 */
noinline int amdgpu_userptr_batch_fault(struct amdgpu_bo *bo, u32 *bad_range)
{
	return amdgpu_userptr_fault_dirty(bo->userptr_batch, false, bad_range);
}
ALLOW_ERROR_INJECTION(amdgpu_userptr_batch_fault, ERRNO);

/**
 * amdgpu_userptr_batch_fault_worker - the same for the restore worker of user queues
 *
 * @bo: BO with a batch, not reserved
 *
 * Memory that user space would have to bring is missing, because user space may wait for
 * the worker.
 *
 * Returns: as amdgpu_userptr_batch_fault
 */
int amdgpu_userptr_batch_fault_worker(struct amdgpu_bo *bo)
{
	return amdgpu_userptr_fault_dirty(bo->userptr_batch, true, NULL);
}
