// SPDX-License-Identifier: MIT
/**
 * DOC: Batch userptr page tables
 *
 * What makes a range BOUND: DMA mapping and GPU page tables, of the ranges that
 * changed and of no others.
 *
 * A VM update first takes a snapshot under the notifier lock: ranges that are
 * FAULTED will be bound, ranges that have entries but are not BOUND will be
 * cleared. Before that it takes the BO off the VM's list of BOs that need an
 * update, so whatever is invalidated from then on puts it there again and keeps
 * amdgpu_cs_submit() from going on. After the update, ranges that are still
 * FAULTED become BOUND; the others have stale entries, which no job has seen
 * and the next update clears.
 */

#include <linux/error-injection.h>
#include <linux/pci-p2pdma.h>

#include <drm/ttm/ttm_tt.h>

#include "amdgpu.h"
#include "amdgpu_sync.h"
#include "amdgpu_userptr_batch.h"
#include "amdgpu_userptr_batch_priv.h"
#include "amdgpu_userptr_batch_trace.h"
#include "amdgpu_vm.h"

/* A part of a mapping to write or to clear, in pages of the BO. */
struct amdgpu_userptr_span {
	struct amdgpu_bo_va_mapping *mapping;
	u64 first;
	u64 end;
	bool valid;
};

/* An update of all mappings of a batch in a VM. */
struct amdgpu_userptr_update {
	struct amdgpu_device *adev;
	struct amdgpu_userptr_batch *batch;
	struct amdgpu_bo_va *bo_va;
	struct amdgpu_sync sync;
	struct dma_fence **last_update;
	/* Entries that are valid now change: the TLB must be flushed. */
	bool flush;
	/* Entries may be written, not only cleared. */
	bool writes;
	/* Contents of the page tables is unknown, clear what is not written. */
	bool lost;
	/* Not yet written, because it may still grow or be the last one. */
	struct amdgpu_userptr_span span;
};

/*
 * Take the snapshot: what will be bound, what cleared. Map what will be bound.
 */
static int amdgpu_userptr_update_begin(struct amdgpu_userptr_update *up)
{
	struct amdgpu_userptr_batch *batch = up->batch;
	struct amdgpu_userptr_ranges *rs = &batch->ranges;
	struct pci_p2pdma_map_state p2pdma = {};
	struct amdgpu_userptr_range *r;
	int ret = 0;
	u32 i;

	mutex_lock(&batch->dma_lock);

	mutex_lock(&batch->adev->notifier_lock);
	amdgpu_vm_bo_idle(&up->bo_va->base);
	for_each_set_bit(i, rs->unbound, rs->count) {
		r = &rs->range[i];
		/* Valid entries change either way. */
		up->flush |= r->vm & AMDGPU_USERPTR_VM_PTE;
		if (up->writes && r->state == AMDGPU_USERPTR_FAULTED) {
			r->vm |= AMDGPU_USERPTR_VM_BIND;
			r->dma |= AMDGPU_USERPTR_DMA_MAYBE;
		} else if (r->vm & AMDGPU_USERPTR_VM_PTE) {
			r->vm |= AMDGPU_USERPTR_VM_CLEAR;
		}
	}
	mutex_unlock(&batch->adev->notifier_lock);

	if (up->writes) {
		for_each_set_bit(i, rs->unbound, rs->count) {
			r = &rs->range[i];
			if (!(r->vm & AMDGPU_USERPTR_VM_BIND))
				continue;
			ret = amdgpu_userptr_batch_dma_map(batch, r, &p2pdma);
			if (ret)
				break;
		}
	}

	mutex_unlock(&batch->dma_lock);
	return ret;
}

/* Account for what was done; on an error nothing is sure but the worst. */
static void amdgpu_userptr_update_end(struct amdgpu_userptr_update *up, int ret)
{
	struct amdgpu_userptr_batch *batch = up->batch;
	struct amdgpu_userptr_ranges *rs = &batch->ranges;
	struct amdgpu_userptr_range *r;
	u32 i;

	mutex_lock(&batch->adev->notifier_lock);
	for_each_set_bit(i, rs->unbound, rs->count) {
		r = &rs->range[i];
		if (r->vm & AMDGPU_USERPTR_VM_BIND) {
			r->vm |= AMDGPU_USERPTR_VM_PTE;
			/*
			 * Invalidated and faulted again meanwhile, it is FAULTED
			 * too, but what was mapped and written is not its pages.
			 */
			if (!ret && r->state == AMDGPU_USERPTR_FAULTED && r->dma) {
				amdgpu_userptr_range_set_state(rs, i,
							       AMDGPU_USERPTR_BOUND);
				batch->stat.restores++;
			}
		} else if ((r->vm & AMDGPU_USERPTR_VM_CLEAR) && !ret) {
			r->vm &= ~AMDGPU_USERPTR_VM_PTE;
			batch->stat.clears++;
		}
		r->vm &= ~(AMDGPU_USERPTR_VM_BIND | AMDGPU_USERPTR_VM_CLEAR);
	}
	if (ret)
		amdgpu_vm_bo_invalidate(batch->bo, false);
	mutex_unlock(&batch->adev->notifier_lock);
}

/* Write or clear the pending span. Only the last one flushes the TLB. */
static noinline int amdgpu_userptr_update_flush_span(struct amdgpu_userptr_update *up, bool last)
{
	struct amdgpu_userptr_span *span = &up->span;
	struct amdgpu_bo_va_mapping *mapping = span->mapping;
	struct amdgpu_bo *bo = up->batch->bo;
	struct ttm_resource *mem = span->valid ? bo->tbo.resource : NULL;
	struct amdgpu_vm *vm = up->bo_va->base.vm;
	u64 flags, from, to;
	int r;

	if (!mapping)
		return 0;

	flags = amdgpu_ttm_tt_pte_flags(up->adev, bo->tbo.ttm, mem);
	/* The mapping may allow less than the BO. */
	if (!(mapping->flags & AMDGPU_VM_PAGE_READABLE))
		flags &= ~AMDGPU_PTE_READABLE;
	if (!(mapping->flags & AMDGPU_VM_PAGE_WRITEABLE))
		flags &= ~AMDGPU_PTE_WRITEABLE;
	amdgpu_gmc_get_vm_pte(up->adev, vm, bo, mapping->flags, &flags);

	/*
	 * Pages of two ranges may be neighbours in memory. If they shared a
	 * fragment, or even a huge entry, a later change of one range would
	 * leave the other's entry wrong.
	 */
	from = max(span->first << PAGE_SHIFT, mapping->offset) - mapping->offset;
	to = min(((span->end << PAGE_SHIFT) - mapping->offset) / AMDGPU_GPU_PAGE_SIZE,
		 mapping->last - mapping->start + 1);
	r = amdgpu_vm_update_pages(up->adev, vm, false, false, last && up->flush,
				   true, &up->sync,
				   mapping->start + from / AMDGPU_GPU_PAGE_SIZE,
				   mapping->start + to - 1,
				   flags, mapping->offset + from, 0, mem,
				   mem ? bo->tbo.ttm->dma_address : NULL,
				   up->batch->ranges.starts, up->last_update);
	up->batch->stat.updates++;
	span->mapping = NULL;
	return r;
}
ALLOW_ERROR_INJECTION(amdgpu_userptr_update_flush_span, ERRNO);

/* Add pages of a mapping to the pending span, or begin a new one. */
static int amdgpu_userptr_update_span(struct amdgpu_userptr_update *up,
				      struct amdgpu_bo_va_mapping *mapping,
				      u64 first, u64 end, bool valid)
{
	struct amdgpu_userptr_span *span = &up->span;
	int r;

	if (span->mapping == mapping && span->end == first && span->valid == valid) {
		span->end = end;
		return 0;
	}

	r = amdgpu_userptr_update_flush_span(up, false);
	if (r)
		return r;
	*span = (struct amdgpu_userptr_span) {
		.mapping = mapping,
		.first = first,
		.end = end,
		.valid = valid,
	};
	return 0;
}

/*
 * Bring one mapping up to date. @fresh: not only the ranges that changed, because
 * it has never been written or its page tables were lost.
 */
static int amdgpu_userptr_update_mapping(struct amdgpu_userptr_update *up,
					 struct amdgpu_bo_va_mapping *mapping, bool fresh)
{
	struct amdgpu_userptr_ranges *rs = &up->batch->ranges;
	u64 size = (mapping->last - mapping->start + 1) * AMDGPU_GPU_PAGE_SIZE;
	u64 first = mapping->offset >> PAGE_SHIFT;
	u64 end = DIV_ROUND_UP(mapping->offset + size, PAGE_SIZE);
	struct amdgpu_userptr_range *range;
	bool write, clear;
	u32 i;
	int r;

	for (i = amdgpu_userptr_ranges_at_page(rs, first); i < rs->count; i++) {
		if (!fresh) {
			i = find_next_bit(rs->unbound, rs->count, i);
			if (i >= rs->count)
				break;
		}
		range = &rs->range[i];
		if (range->first_page >= end)
			break;

		/*
		 * A range that leaves BOUND just now gets stale entries; they
		 * do no harm, see above.
		 */
		write = (range->vm & AMDGPU_USERPTR_VM_BIND) ||
			(fresh && up->writes &&
			 READ_ONCE(range->state) == AMDGPU_USERPTR_BOUND);
		clear = (range->vm & AMDGPU_USERPTR_VM_CLEAR) || up->lost;
		if (!write && !clear)
			continue;
		r = amdgpu_userptr_update_span(up, mapping,
					       max_t(u64, range->first_page, first),
					       min_t(u64, range->first_page +
						     range->npages, end), write);
		if (r)
			return r;
	}
	return 0;
}

/**
 * amdgpu_userptr_batch_vm_update - bring the page tables of a VM up to date
 *
 * @adev: device
 * @bo_va: BO with a batch in a VM, whose root PD is reserved
 * @clear: the BO is not reserved; entries may only be cleared
 *
 * Takes the place of amdgpu_vm_bo_update() and costs nothing for a clean batch.
 *
 * Returns: 0 or a negative errno; then the next update does it all again
 */
int amdgpu_userptr_batch_vm_update(struct amdgpu_device *adev,
				   struct amdgpu_bo_va *bo_va, bool clear)
{
	struct amdgpu_bo *bo = bo_va->base.bo;
	struct amdgpu_userptr_batch *batch = bo->userptr_batch;
	struct amdgpu_vm *vm = bo_va->base.vm;
	struct amdgpu_userptr_update up = {
		.adev = adev,
		.batch = batch,
		.bo_va = bo_va,
	};
	struct amdgpu_userptr_counters before = batch->stat;
	struct amdgpu_bo_va_mapping *mapping;
	int r;

	dma_resv_assert_held(vm->root.bo->tbo.base.resv);
	if (!clear)
		dma_resv_assert_held(bo->tbo.base.resv);

	if (amdgpu_userptr_ranges_clean(&batch->ranges) && !bo_va->base.moved &&
	    (clear || list_empty(&bo_va->invalids)) &&
	    batch->vm_generation == vm->generation)
		return 0;

	/* The page tables were lost in a reset, nothing in them counts. */
	if (batch->vm_generation != vm->generation) {
		list_splice_init(&bo_va->valids, &bo_va->invalids);
		up.lost = true;
	}
	up.writes = !clear && bo->tbo.resource->mem_type == TTM_PL_TT;

	amdgpu_sync_create(&up.sync);
	r = amdgpu_userptr_update_begin(&up);
	if (r)
		goto out_end;

	/*
	 * For entries that were valid all jobs of the VM must wait, those too that do
	 * not have the BO in their lists, and they look at nothing but this fence.
	 */
	up.last_update = clear || up.flush || up.lost ? &vm->last_update :
							 &bo_va->last_pt_update;
	if (up.flush) {
		/* Jobs of the VM that run now may use the entries we change. */
		r = amdgpu_sync_resv(adev, &up.sync, vm->root.bo->tbo.base.resv,
				     AMDGPU_SYNC_EQ_OWNER, vm);
		if (r)
			goto out_end;
	}
	if (!clear) {
		r = amdgpu_sync_resv(adev, &up.sync, bo->tbo.base.resv,
				     AMDGPU_SYNC_EXPLICIT, vm);
		if (r)
			goto out_end;
	}
	up.flush |= up.lost;

	list_for_each_entry(mapping, &bo_va->valids, list) {
		r = amdgpu_userptr_update_mapping(&up, mapping, false);
		if (r)
			goto out_end;
	}
	list_for_each_entry(mapping, &bo_va->invalids, list) {
		r = amdgpu_userptr_update_mapping(&up, mapping, up.writes || up.lost);
		if (r)
			goto out_end;
	}
	r = amdgpu_userptr_update_flush_span(&up, true);
	if (r)
		goto out_end;
	/* Not before: what fails is lost the next time, too */
	batch->vm_generation = vm->generation;
	if (up.writes)
		list_splice_init(&bo_va->invalids, &bo_va->valids);

out_end:
	amdgpu_userptr_update_end(&up, r);
	trace_amdgpu_userptr_batch_restore(batch, batch->stat.restores - before.restores,
					   batch->stat.clears - before.clears,
					   batch->stat.updates - before.updates,
					   up.flush, r);
	amdgpu_sync_free(&up.sync);
	return r;
}
