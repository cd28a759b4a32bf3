// SPDX-License-Identifier: MIT
/**
 * DOC: Batch userptr DMA mappings
 *
 * A batch has one address space for DMA, allocated when it is created: one IOVA as
 * large as the BO where an IOMMU translates, so that mapping a range allocates
 * no address and unmapping it is one operation; else an address for each page.
 * Ranges are mapped and unmapped one by one.
 *
 * struct hmm_dma_map is filled in here and not by hmm_dma_map_alloc(), which has
 * no way to charge the arrays to the memory cgroup of the caller.
 */

#include <linux/error-injection.h>
#include <linux/hmm.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/pci-p2pdma.h>
#include <linux/slab.h>

#include <drm/amdgpu_drm.h>
#include <drm/ttm/ttm_tt.h>

#include "amdgpu.h"
#include "amdgpu_userptr_batch.h"
#include "amdgpu_userptr_batch_priv.h"

/**
 * amdgpu_userptr_batch_dma_direct - can a device reach the memory of processes?
 *
 * @dev: the GPU
 *
 * The CPU does not know when the GPU writes: no bouncing, no syncing.
 *
 * Returns: false if the device may need bounce buffers
 */
bool amdgpu_userptr_batch_dma_direct(struct device *dev)
{
#ifdef CONFIG_DMA_NEED_SYNC
	if (!dev_dma_skip_sync(dev))
		return false;
#endif
	return !dma_addressing_limited(dev);
}

/**
 * amdgpu_userptr_batch_dma_init - allocate what DMA mapping needs
 *
 * @batch: batch, all ranges added
 *
 * Returns: 0, -ENOMEM, -EOPNOTSUPP if the device can only reach bounce buffers
 */
int amdgpu_userptr_batch_dma_init(struct amdgpu_userptr_batch *batch)
{
	struct device *dev = batch->adev->dev;
	struct hmm_dma_map *map = &batch->dma;
	u32 npages = batch->ranges.npages;

	if (!amdgpu_userptr_batch_dma_direct(dev))
		return -EOPNOTSUPP;

	map->dma_entry_size = PAGE_SIZE;
	map->pfn_list = amdgpu_userptr_calloc(npages, sizeof(*map->pfn_list));
	if (!map->pfn_list)
		return -ENOMEM;

	if (dma_iova_try_alloc(dev, &map->state, 0, (size_t)npages << PAGE_SHIFT) ||
	    !dma_need_unmap(dev))
		return 0;

	map->dma_list = amdgpu_userptr_calloc(npages, sizeof(*map->dma_list));
	return map->dma_list ? 0 : -ENOMEM;
}
ALLOW_ERROR_INJECTION(amdgpu_userptr_batch_dma_init, ERRNO);

static enum dma_data_direction
amdgpu_userptr_dma_direction(const struct amdgpu_userptr_batch *batch)
{
	return batch->flags & AMDGPU_GEM_USERPTR_READONLY ? DMA_TO_DEVICE :
							    DMA_BIDIRECTIONAL;
}

/* Pages of other devices are not mapped like memory. */
static bool amdgpu_userptr_range_has_p2pdma(const unsigned long *pfns, u32 npages)
{
	u32 i;

	if (!IS_ENABLED(CONFIG_PCI_P2PDMA))
		return false;

	for (i = 0; i < npages; i++)
		if (is_pci_p2pdma_page(hmm_pfn_to_page(pfns[i])))
			return true;
	return false;
}

/* Map a range into its part of the IOVA, runs of neighbours at once. */
static int amdgpu_userptr_dma_link(struct amdgpu_userptr_batch *batch,
				   struct amdgpu_userptr_range *r)
{
	const unsigned long *pfns = &batch->dma.pfn_list[r->first_page];
	enum dma_data_direction dir = amdgpu_userptr_dma_direction(batch);
	size_t base = (size_t)r->first_page << PAGE_SHIFT;
	struct dma_iova_state *state = &batch->dma.state;
	struct device *dev = batch->adev->dev;
	u32 i, n;
	int ret;

	for (i = 0; i < r->npages; i += n) {
		phys_addr_t paddr = hmm_pfn_to_phys(pfns[i]);

		for (n = 1; i + n < r->npages; n++)
			if (hmm_pfn_to_phys(pfns[i + n]) != paddr + ((u64)n << PAGE_SHIFT))
				break;
		ret = dma_iova_link(dev, state, paddr, base + ((size_t)i << PAGE_SHIFT),
				    (size_t)n << PAGE_SHIFT, dir,
				    DMA_ATTR_REQUIRE_COHERENT);
		if (ret)
			goto err_unlink;
	}

	ret = dma_iova_sync(dev, state, base, (size_t)r->npages << PAGE_SHIFT);
	if (!ret)
		return 0;

err_unlink:
	if (i)
		dma_iova_unlink(dev, state, base, (size_t)i << PAGE_SHIFT, dir,
				DMA_ATTR_REQUIRE_COHERENT);
	return ret;
}

/**
 * amdgpu_userptr_batch_dma_map - DMA map the pages of a range
 *
 * @batch: batch
 * @r: range whose &amdgpu_userptr_range.dma was set under the notifier lock
 * @p2pdma: state of the caller's series of calls, zeroed at first
 *
 * The addresses go to TTM's array. On an error nothing of the range is mapped.
 *
 * Returns: 0, -ENOMEM, -EFAULT for memory of another device that this one cannot reach,
 * -ENODEV if the device has gone
 */
int amdgpu_userptr_batch_dma_map(struct amdgpu_userptr_batch *batch,
				 struct amdgpu_userptr_range *r,
				 struct pci_p2pdma_map_state *p2pdma)
{
	dma_addr_t *addrs = &batch->bo->tbo.ttm->dma_address[r->first_page];
	struct hmm_dma_map *map = &batch->dma;
	u32 i;
	int ret;

	lockdep_assert_held(&batch->dma_lock);
	dma_resv_assert_held(batch->bo->tbo.base.resv);

	if (batch->unplugged)
		return -ENODEV;
	/* An update failed after it had mapped the range. */
	if (r->dma & AMDGPU_USERPTR_DMA_LINKED)
		return 0;

	if (dma_use_iova(&map->state) &&
	    !amdgpu_userptr_range_has_p2pdma(&map->pfn_list[r->first_page], r->npages)) {
		ret = amdgpu_userptr_dma_link(batch, r);
		if (ret)
			return ret;
		WRITE_ONCE(r->dma, r->dma | AMDGPU_USERPTR_DMA_LINKED);
		for (i = 0; i < r->npages; i++)
			addrs[i] = map->state.addr + ((u64)(r->first_page + i) << PAGE_SHIFT);
		return 0;
	}

	for (i = 0; i < r->npages; i++) {
		addrs[i] = hmm_dma_map_pfn(batch->adev->dev, map, r->first_page + i, p2pdma);
		if (addrs[i] == DMA_MAPPING_ERROR) {
			amdgpu_userptr_batch_dma_unmap(batch, r);
			/* Memory of another device that this one cannot reach */
			if (p2pdma->map == PCI_P2PDMA_MAP_NOT_SUPPORTED)
				return -EFAULT;
			return -ENOMEM;
		}
	}
	return 0;
}
ALLOW_ERROR_INJECTION(amdgpu_userptr_batch_dma_map, ERRNO);

/*
 * The GPU may have written to all pages that it could write to. The CPU's page
 * table does not tell: an entry may be writable and clean, for shared memory that
 * was only read and for memory given up by MADV_FREE, and then reclaim drops the
 * page. Like ib_umem_odp_unmap_dma_pages(), this relies on dma_lock instead of
 * the folio lock, which a notifier's caller may or may not hold: who takes the page
 * away waits here. Where a file system wants to know of writes, the folio is
 * dirty already as long as an entry is writable.
 */
static void amdgpu_userptr_mark_dirty(struct amdgpu_userptr_batch *batch,
				      const struct amdgpu_userptr_range *r)
{
	const unsigned long *pfns = &batch->dma.pfn_list[r->first_page];
	struct folio *folio, *last = NULL;
	u32 i;

	if (batch->flags & AMDGPU_GEM_USERPTR_READONLY)
		return;

	for (i = 0; i < r->npages; i++) {
		if (!(pfns[i] & HMM_PFN_WRITE))
			continue;
		folio = page_folio(hmm_pfn_to_page(pfns[i]));
		if (folio != last && !folio_test_dirty(folio) && !folio_is_zone_device(folio))
			folio_mark_dirty(folio);
		last = folio;
	}
}

/**
 * amdgpu_userptr_batch_dma_unmap - take the DMA mapping of a range away
 *
 * @batch: batch
 * @r: range, mapped, in part or not at all
 *
 * The device cannot reach the pages any more when this returns, and what it wrote
 * is not lost.
 */
void amdgpu_userptr_batch_dma_unmap(struct amdgpu_userptr_batch *batch,
				    struct amdgpu_userptr_range *r)
{
	struct device *dev = batch->adev->dev;
	u32 i;

	lockdep_assert_held(&batch->dma_lock);

	amdgpu_userptr_mark_dirty(batch, r);

	if (r->dma & AMDGPU_USERPTR_DMA_LINKED) {
		dma_iova_unlink(dev, &batch->dma.state, (size_t)r->first_page << PAGE_SHIFT,
				(size_t)r->npages << PAGE_SHIFT,
				amdgpu_userptr_dma_direction(batch),
				DMA_ATTR_REQUIRE_COHERENT);
		WRITE_ONCE(r->dma, r->dma & ~AMDGPU_USERPTR_DMA_LINKED);
		return;
	}

	for (i = 0; i < r->npages; i++)
		hmm_dma_unmap_pfn(dev, &batch->dma, r->first_page + i);
}

/**
 * amdgpu_userptr_batch_dma_release - unmap all for good
 *
 * @batch: batch, of which only the ranges need to be there
 *
 * Nothing can be mapped any more after this.
 */
void amdgpu_userptr_batch_dma_release(struct amdgpu_userptr_batch *batch)
{
	struct amdgpu_userptr_range *r;
	u32 i;

	mutex_lock(&batch->dma_lock);
	batch->unplugged = true;
	for (i = 0; batch->dma.pfn_list && i < batch->ranges.count; i++) {
		r = &batch->ranges.range[i];
		if (!READ_ONCE(r->dma))
			continue;
		amdgpu_userptr_batch_dma_unmap(batch, r);
		mutex_lock(&batch->adev->notifier_lock);
		r->dma = 0;
		mutex_unlock(&batch->adev->notifier_lock);
	}
	if (dma_use_iova(&batch->dma.state)) {
		dma_iova_free(batch->adev->dev, &batch->dma.state);
		memset(&batch->dma.state, 0, sizeof(batch->dma.state));
	}
	mutex_unlock(&batch->dma_lock);
}

/**
 * amdgpu_userptr_batch_dma_fini - free what amdgpu_userptr_batch_dma_init allocated
 *
 * @batch: batch without notifiers, all unmapped
 */
void amdgpu_userptr_batch_dma_fini(struct amdgpu_userptr_batch *batch)
{
	kvfree(batch->dma.pfn_list);
	kvfree(batch->dma.dma_list);
}

/**
 * amdgpu_userptr_batch_mgr_unplug - the device goes away, its batches stay
 *
 * @adev: device that does no DMA any more
 *
 * Batches live until their last file is closed, DMA mappings must not.
 */
void amdgpu_userptr_batch_mgr_unplug(struct amdgpu_device *adev)
{
	struct amdgpu_userptr_batch *batch;

	mutex_lock(&adev->userptr_batch.lock);
	list_for_each_entry(batch, &adev->userptr_batch.batches, node)
		amdgpu_userptr_batch_dma_release(batch);
	mutex_unlock(&adev->userptr_batch.lock);
}
