// SPDX-License-Identifier: MIT
/**
 * DOC: Batch userptr notifiers
 *
 * What makes a range DIRTY.
 *
 * The notifiers mark under the notifier lock and wait for the GPU outside it,
 * once per batch and event: amdgpu_userptr_invalidate_start marks,
 * amdgpu_userptr_invalidate_finish waits and gives the DMA mapping back.
 */

#include <linux/error-injection.h>
#include <linux/hmm.h>
#include <linux/module.h>

#include <drm/amdgpu_drm.h>

#include "amdgpu.h"
#include "amdgpu_userptr_batch.h"
#include "amdgpu_userptr_batch_priv.h"
#include "amdgpu_userptr_batch_trace.h"

/* First notifier that reaches behind @start. Notifiers do not overlap. */
static struct amdgpu_userptr_notifier *
amdgpu_userptr_notifier_behind(struct amdgpu_userptr_batch *batch, unsigned long start)
{
	u32 lo = 0, hi = batch->num_notifiers;

	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;

		if (batch->notifiers[mid].base.interval_tree.last >= start)
			hi = mid;
		else
			lo = mid + 1;
	}
	return &batch->notifiers[lo];
}

/**
 * amdgpu_userptr_batch_quiesce - wait for the GPU, then unmap what was taken away
 *
 * @batch: batch
 * @start: first address of the event
 * @end: first address behind it
 *
 * Waits until no job of the VM runs any more. The ranges stay DIRTY all the
 * time: they can become FAULTED only after mmu_interval_read_begin() has seen the
 * end of the invalidation.
 */
void amdgpu_userptr_batch_quiesce(struct amdgpu_userptr_batch *batch,
				  unsigned long start, unsigned long end)
{
	const struct amdgpu_userptr_ranges *rs = &batch->ranges;
	struct amdgpu_userptr_notifier *n;
	struct amdgpu_userptr_range *r;
	long ret;
	u32 pos;

	/*
	 * All fences, because the BO may be used without being listed, and
	 * those of the root PD, which has the jobs of the whole VM.
	 */
	ret = dma_resv_wait_timeout(batch->bo->parent->tbo.base.resv,
				    DMA_RESV_USAGE_BOOKKEEP, false,
				    MAX_SCHEDULE_TIMEOUT);
	if (ret <= 0)
		dev_err(batch->adev->dev, "(%ld) failed to wait for user bo\n", ret);

	mutex_lock(&batch->dma_lock);
	for (n = amdgpu_userptr_notifier_behind(batch, start);
	     n < &batch->notifiers[batch->num_notifiers]; n++) {
		if (n->base.interval_tree.start >= end)
			break;
		for (pos = amdgpu_userptr_ranges_overlap(rs, n->first, n->last, start, end);
		     pos < n->last;
		     pos = amdgpu_userptr_ranges_overlap(rs, pos + 1, n->last, start, end)) {
			r = &rs->range[rs->by_addr[pos]];
			if (!READ_ONCE(r->dma))
				continue;
			amdgpu_userptr_batch_dma_unmap(batch, r);
			mutex_lock(&batch->adev->notifier_lock);
			r->dma = 0;
			mutex_unlock(&batch->adev->notifier_lock);
		}
	}
	mutex_unlock(&batch->dma_lock);
}

/* Make the ranges of a notifier DIRTY that lie in [@start, @end). */
static u32 amdgpu_userptr_mark(struct amdgpu_userptr_notifier *n, unsigned long start,
			       unsigned long end, bool *mapped)
{
	struct amdgpu_userptr_batch *batch = n->batch;
	struct amdgpu_userptr_ranges *rs = &batch->ranges;
	struct amdgpu_userptr_range *r;
	u32 pos, marked = 0;

	lockdep_assert_held(&batch->adev->notifier_lock);

	for (pos = amdgpu_userptr_ranges_overlap(rs, n->first, n->last, start, end);
	     pos < n->last;
	     pos = amdgpu_userptr_ranges_overlap(rs, pos + 1, n->last, start, end)) {
		r = &rs->range[rs->by_addr[pos]];
		*mapped |= !!r->dma;
		if (r->state == AMDGPU_USERPTR_DIRTY)
			continue;
		amdgpu_userptr_range_set_state(rs, rs->by_addr[pos], AMDGPU_USERPTR_DIRTY);
		marked++;
	}
	batch->stat.invalidations += marked;

	/* Even jobs that do not list the BO must not be submitted before. */
	if (marked)
		amdgpu_vm_bo_invalidate(batch->bo, false);
	return marked;
}

#if IS_ENABLED(CONFIG_DRM_AMDGPU_USERPTR_INVAL_INJECT)
static uint amdgpu_userptr_batch_inval_inject;
module_param_named(userptr_batch_inval_inject, amdgpu_userptr_batch_inval_inject, uint, 0644);
MODULE_PARM_DESC(userptr_batch_inval_inject,
		 "Invalidate half of a userptr batch at every Nth final check of a submission (default 0 = never)");

/**
 * amdgpu_userptr_batch_inject - behave as if an event came at the last moment
 *
 * @batch: batch whose submission passed the final check
 *
 * Nobody waits for the GPU here, amdgpu_userptr_batch_injected does it before
 * the ranges are faulted again.
 *
 * Returns: true if ranges are DIRTY now
 */
bool amdgpu_userptr_batch_inject(struct amdgpu_userptr_batch *batch)
{
	u32 every = READ_ONCE(amdgpu_userptr_batch_inval_inject), half, n;
	const struct amdgpu_userptr_ranges *rs = &batch->ranges;
	bool mapped = false;

	lockdep_assert_held(&batch->adev->notifier_lock);

	if (!every || batch->inject_end || ++batch->inject_checks % every)
		return false;

	/* One half by address, then the other. */
	half = rs->count / 2;
	if (half && batch->inject_checks / every % 2) {
		batch->inject_start = 0;
		batch->inject_end = rs->range[rs->by_addr[half]].addr;
	} else {
		batch->inject_start = rs->range[rs->by_addr[half]].addr;
		batch->inject_end = ULONG_MAX;
	}
	for (n = 0; n < batch->num_notifiers; n++)
		amdgpu_userptr_mark(&batch->notifiers[n], batch->inject_start,
				    batch->inject_end, &mapped);
	return !amdgpu_userptr_ranges_clean(rs);
}

/**
 * amdgpu_userptr_batch_injected - the second half of an injected event
 *
 * @batch: batch whose fault_lock is held; the holder plays notifier
 */
void amdgpu_userptr_batch_injected(struct amdgpu_userptr_batch *batch)
{
	if (!READ_ONCE(batch->inject_end))
		return;

	amdgpu_userptr_batch_quiesce(batch, batch->inject_start, batch->inject_end);

	mutex_lock(&batch->adev->notifier_lock);
	batch->inject_end = 0;
	mutex_unlock(&batch->adev->notifier_lock);
}
#endif

/**
 * amdgpu_userptr_invalidate_start - mark the ranges that an event takes away
 *
 * @mni: notifier that was hit
 * @event: details, the same object for all notifiers hit by one event
 * @cur_seq: value for mmu_interval_set_seq()
 * @finish: set if a second pass is wanted
 *
 * Returns: false if the caller cannot sleep
 */
static bool amdgpu_userptr_invalidate_start(struct mmu_interval_notifier *mni,
					    const struct mmu_notifier_range *event,
					    unsigned long cur_seq,
					    struct mmu_interval_notifier_finish **finish)
{
	struct amdgpu_userptr_notifier *n =
		container_of(mni, struct amdgpu_userptr_notifier, base);
	struct amdgpu_userptr_batch *batch = n->batch;
	bool mapped = false, alone = false;
	u32 marked;

	if (!mmu_notifier_range_blockable(event))
		return false;

	mutex_lock(&batch->adev->notifier_lock);

	mmu_interval_set_seq(mni, cur_seq);

	marked = amdgpu_userptr_mark(n, event->start, event->end, &mapped);

	/*
	 * What was never mapped no GPU has seen. Otherwise the first notifier
	 * of an event queues the second pass for the whole batch; another
	 * event at the same time finds @finish in use and waits right here.
	 */
	if (mapped && batch->event != event) {
		if (!batch->event) {
			batch->event = event;
			*finish = &batch->finish;
		} else {
			alone = true;
		}
		batch->stat.waits++;
	}

	mutex_unlock(&batch->adev->notifier_lock);

	trace_amdgpu_userptr_batch_invalidate(batch, event->start, event->end, marked,
					      alone || *finish);
	/* Other notifiers that this event hits may not have marked yet. */
	if (alone)
		amdgpu_userptr_batch_quiesce(batch,
					     max(event->start, mni->interval_tree.start),
					     min(event->end, mni->interval_tree.last + 1));
	return true;
}

/**
 * amdgpu_userptr_invalidate_finish - wait for the GPU, once for all notifiers
 *
 * @finish: member of the batch
 */
static void amdgpu_userptr_invalidate_finish(struct mmu_interval_notifier_finish *finish)
{
	struct amdgpu_userptr_batch *batch =
		container_of(finish, struct amdgpu_userptr_batch, finish);

	/* The event belongs to our caller and this pass, nobody changes it. */
	amdgpu_userptr_batch_quiesce(batch, batch->event->start, batch->event->end);

	mutex_lock(&batch->adev->notifier_lock);
	batch->event = NULL;
	mutex_unlock(&batch->adev->notifier_lock);
}

static const struct mmu_interval_notifier_ops amdgpu_userptr_notifier_ops = {
	.invalidate_start = amdgpu_userptr_invalidate_start,
	.invalidate_finish = amdgpu_userptr_invalidate_finish,
};

/* One notifier; a function of its own so that a test can make any one fail. */
static noinline int amdgpu_userptr_insert_notifier(struct amdgpu_userptr_notifier *n,
						   const struct amdgpu_userptr_interval *iv)
{
	return mmu_interval_notifier_insert(&n->base, n->batch->mm, iv->start,
					    iv->end - iv->start,
					    &amdgpu_userptr_notifier_ops);
}
ALLOW_ERROR_INJECTION(amdgpu_userptr_insert_notifier, ERRNO);

/**
 * amdgpu_userptr_batch_insert_notifiers - start following the ranges
 *
 * @batch: batch with sorted ranges and room for the notifiers
 * @bad_range: set on failure to a range of the interval that failed
 *
 * Returns: 0 or a negative errno; then no notifier is left
 */
int amdgpu_userptr_batch_insert_notifiers(struct amdgpu_userptr_batch *batch,
					  u32 *bad_range)
{
	struct amdgpu_userptr_interval iv;
	struct amdgpu_userptr_notifier *n;
	u32 pos = 0;
	int r;

	while (pos < batch->ranges.count) {
		pos = amdgpu_userptr_ranges_interval(&batch->ranges, pos, &iv);

		n = &batch->notifiers[batch->num_notifiers];
		n->batch = batch;
		n->first = iv.first;
		n->last = pos;
		r = amdgpu_userptr_insert_notifier(n, &iv);
		if (r) {
			*bad_range = batch->ranges.by_addr[iv.first];
			amdgpu_userptr_batch_remove_notifiers(batch);
			return r;
		}
		batch->num_notifiers++;
		cond_resched();
	}
	return 0;
}

/**
 * amdgpu_userptr_batch_remove_notifiers - stop following the ranges
 *
 * @batch: batch
 *
 * No callback runs any more when this returns.
 */
void amdgpu_userptr_batch_remove_notifiers(struct amdgpu_userptr_batch *batch)
{
	while (batch->num_notifiers) {
		struct amdgpu_userptr_notifier *n =
			&batch->notifiers[--batch->num_notifiers];

		mmu_interval_notifier_remove(&n->base);
		cond_resched();
	}
}
