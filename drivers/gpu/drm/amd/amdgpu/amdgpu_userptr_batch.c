// SPDX-License-Identifier: MIT
/**
 * DOC: Batch userptr
 *
 * %DRM_IOCTL_AMDGPU_GEM_USERPTR_BATCH makes one BO of many ranges of CPU memory.
 * No page is pinned. Each group of ranges that touch or overlap has an MMU
 * interval notifier, each range a state of its own, see
 * &enum amdgpu_userptr_state. What an event takes away is marked DIRTY, and only
 * that is faulted, DMA mapped and written to the page tables again with the next
 * submission. A submission with a clean batch looks at one counter.
 *
 * The BO is placed in GTT for good; TTM only keeps the array of DMA addresses.
 * It belongs to the VM of the file that created it.
 */

#include <linux/error-injection.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

#include <drm/amdgpu_drm.h>
#include <drm/drm_debugfs.h>
#include <drm/drm_drv.h>
#include <drm/drm_file.h>

#include "amdgpu.h"
#include "amdgpu_gem.h"
#include "amdgpu_ttm.h"
#include "amdgpu_userptr_batch.h"
#include "amdgpu_userptr_batch_priv.h"

#define CREATE_TRACE_POINTS
#include "amdgpu_userptr_batch_trace.h"

#define AMDGPU_USERPTR_BATCH_FLAGS (AMDGPU_GEM_USERPTR_READONLY | \
				    AMDGPU_GEM_USERPTR_ANONONLY | \
				    AMDGPU_GEM_USERPTR_VALIDATE | \
				    AMDGPU_GEM_USERPTR_REGISTER)

/* The array is copied in pieces of this many bytes. */
#define AMDGPU_USERPTR_BATCH_COPY	SZ_16K

static uint amdgpu_userptr_batch_max_ranges = 262144;
module_param_named(userptr_batch_max_ranges, amdgpu_userptr_batch_max_ranges, uint, 0644);
MODULE_PARM_DESC(userptr_batch_max_ranges,
		 "Most ranges of one userptr batch (default 262144)");

static ullong amdgpu_userptr_batch_max_mib;
module_param_named(userptr_batch_max_mib, amdgpu_userptr_batch_max_mib, ullong, 0644);
MODULE_PARM_DESC(userptr_batch_max_mib,
		 "Most MiB that all userptr batches of a device hold (default 0 = size of GTT)");

/* Limit of all batches of a device in bytes. */
static u64 amdgpu_userptr_batch_max_bytes(struct amdgpu_device *adev)
{
	u64 mib = READ_ONCE(amdgpu_userptr_batch_max_mib);
	u64 gtt = adev->mman.gtt_mgr.manager.size;

	/* What does not fit into GTT would drive everyone else out of it first */
	return mib ? min(min(mib, U64_MAX >> 20) << 20, gtt) : gtt;
}

/**
 * amdgpu_userptr_batch_mgr_init - prepare a device for batches
 *
 * @adev: device
 */
void amdgpu_userptr_batch_mgr_init(struct amdgpu_device *adev)
{
	mutex_init(&adev->userptr_batch.lock);
	INIT_LIST_HEAD(&adev->userptr_batch.batches);
	atomic64_set(&adev->userptr_batch.bytes, 0);
}

/**
 * amdgpu_userptr_batch_info - answer %AMDGPU_INFO_GEM_USERPTR_BATCH
 *
 * @adev: device
 * @out: where &struct drm_amdgpu_info_gem_userptr_batch goes
 * @size: how much of it the caller knows, in bytes
 *
 * Returns: 0, -EFAULT, -EOPNOTSUPP if the device may need bounce buffers
 */
int amdgpu_userptr_batch_info(struct amdgpu_device *adev, void __user *out, u32 size)
{
	struct drm_amdgpu_info_gem_userptr_batch info = {
		.max_ranges = READ_ONCE(amdgpu_userptr_batch_max_ranges),
		.max_bytes = amdgpu_userptr_batch_max_bytes(adev),
		.used_bytes = atomic64_read(&adev->userptr_batch.bytes),
		.flags = AMDGPU_USERPTR_BATCH_FLAGS,
		.range_size = sizeof(struct drm_amdgpu_gem_userptr_range),
	};

	if (!amdgpu_userptr_batch_dma_direct(adev->dev))
		return -EOPNOTSUPP;
	return copy_to_user(out, &info, min_t(size_t, size, sizeof(info))) ? -EFAULT : 0;
}

/**
 * amdgpu_userptr_batch_mm - address space that a batch is part of
 *
 * @bo: BO with a batch
 *
 * Returns: address space, to compare with; the BO holds a reference of the
 * struct but not of its users
 */
struct mm_struct *amdgpu_userptr_batch_mm(struct amdgpu_bo *bo)
{
	return bo->userptr_batch->mm;
}

/**
 * amdgpu_userptr_batch_check - may the GPU run with these pages?
 *
 * @bo: BO with a batch
 * @bo_va: its place in the VM, or NULL if its handle was closed since it came into the list
 * @bad: a BO before it in the list of the submission was not valid
 *
 * The notifier lock is held from before the call until the fence of the job is
 * in the reservation objects. An invalidation comes either before, and is seen
 * here, or after, and waits for that fence. The restore worker of user queues does
 * not call this: it looks at the VM's list of BOs that need an update, onto which
 * whatever is marked DIRTY puts the BO.
 *
 * Libraries repeat a submission that failed with -EAGAIN, and a thread that never rests
 * could make all of them fail here. So after a deadline of such failures alone one gets
 * another error, and its owner a chance to do something else.
 *
 * Returns: 0 if every range is BOUND, otherwise %AMDGPU_USERPTR_BATCH_CHANGED, and with it
 * %AMDGPU_USERPTR_BATCH_STARVED if all submissions of the last second failed
 */
unsigned int amdgpu_userptr_batch_check(struct amdgpu_bo *bo, struct amdgpu_bo_va *bo_va,
					bool bad)
{
	unsigned long timeout = msecs_to_jiffies(AMDGPU_USERPTR_BATCH_TIMEOUT);
	struct amdgpu_userptr_batch *batch = bo->userptr_batch;

	lockdep_assert_held(&batch->adev->notifier_lock);

	/* No job of this VM reaches it, and nobody will ever bind it again */
	if (!bo_va)
		return 0;

	if (amdgpu_userptr_ranges_clean(&batch->ranges) &&
	    !amdgpu_userptr_batch_inject(batch)) {
		/*
		 * If two batches keep each other's submissions from getting on,
		 * at least the later one must not forget it.
		 */
		if (!bad)
			batch->lost = false;
		return 0;
	}

	if (!batch->lost)
		batch->lost_first = jiffies;
	batch->lost_last = jiffies;
	batch->lost = !time_after(jiffies, batch->lost_first + timeout);
	if (batch->lost)
		return AMDGPU_USERPTR_BATCH_CHANGED;
	return AMDGPU_USERPTR_BATCH_CHANGED | AMDGPU_USERPTR_BATCH_STARVED;
}

/**
 * amdgpu_userptr_batch_faulted - is there nothing to fault?
 *
 * @bo: BO with a batch
 *
 * Returns: true if no range is DIRTY, which may change at any time
 */
bool amdgpu_userptr_batch_faulted(struct amdgpu_bo *bo)
{
	return !READ_ONCE(bo->userptr_batch->ranges.num[AMDGPU_USERPTR_DIRTY]);
}

/**
 * amdgpu_userptr_batch_set_lock_class - make a lock count as a batch's dma_lock
 *
 * @dma_lock: lock of a batch, or one that stands for it in amdgpu_lockdep_init()
 */
void amdgpu_userptr_batch_set_lock_class(struct mutex *dma_lock)
{
	static struct lock_class_key key;

	lockdep_set_class(dma_lock, &key);
}

/* Notifiers take these locks with reclaim under way; tell lockdep right now. */
static void amdgpu_userptr_batch_prime_lockdep(struct amdgpu_userptr_batch *batch)
{
	if (!IS_ENABLED(CONFIG_LOCKDEP))
		return;

	mutex_lock(&batch->adev->userptr_batch.lock);
	fs_reclaim_acquire(GFP_KERNEL);
	mutex_lock(&batch->dma_lock);
	might_lock(&batch->adev->notifier_lock);
	mutex_unlock(&batch->dma_lock);
	fs_reclaim_release(GFP_KERNEL);
	mutex_unlock(&batch->adev->userptr_batch.lock);
}

static struct amdgpu_userptr_batch *
amdgpu_userptr_batch_alloc(struct amdgpu_device *adev, u32 num_ranges, u32 flags)
{
	struct amdgpu_userptr_batch *batch;
	int r;

	batch = kzalloc_obj(*batch, AMDGPU_USERPTR_GFP);
	if (!batch)
		return ERR_PTR(-ENOMEM);

	r = amdgpu_userptr_ranges_init(&batch->ranges, num_ranges);
	if (r) {
		kfree(batch);
		return ERR_PTR(r);
	}
	batch->adev = adev;
	batch->mm = current->mm;
	batch->pid = task_tgid_nr(current);
	batch->flags = flags;
	INIT_LIST_HEAD(&batch->node);
	mutex_init(&batch->fault_lock);
	mutex_init(&batch->dma_lock);
	amdgpu_userptr_batch_set_lock_class(&batch->dma_lock);
	amdgpu_userptr_batch_prime_lockdep(batch);
	return batch;
}

/* Undo whatever was done of the creation. No GPU uses the batch any more. */
static void amdgpu_userptr_batch_free(struct amdgpu_userptr_batch *batch)
{
	struct amdgpu_userptr_batch_mgr *mgr = &batch->adev->userptr_batch;

	/* What never got a BO was never seen by anyone. */
	if (batch->bo)
		trace_amdgpu_userptr_batch_destroy(batch);

	/*
	 * As long as anything is DMA mapped, somebody must tell us of the end of
	 * the pages, and amdgpu_userptr_batch_mgr_unplug must find it.
	 */
	amdgpu_userptr_batch_dma_release(batch);

	mutex_lock(&mgr->lock);
	list_del_init(&batch->node);
	mutex_unlock(&mgr->lock);

	amdgpu_userptr_batch_remove_notifiers(batch);
	amdgpu_userptr_batch_dma_fini(batch);

	atomic64_sub(batch->accounted, &mgr->bytes);
	kvfree(batch->notifiers);
	amdgpu_userptr_ranges_fini(&batch->ranges);
	mutex_destroy(&batch->dma_lock);
	mutex_destroy(&batch->fault_lock);
	kfree(batch);
}

/**
 * amdgpu_userptr_batch_fini - the BO goes away
 *
 * @bo: BO, with or without a batch, idle
 *
 * Called when TTM destroys the page array, not when the last handle is closed:
 * until the GPU is done with the BO the notifiers must wait for it.
 */
void amdgpu_userptr_batch_fini(struct amdgpu_bo *bo)
{
	if (!bo->userptr_batch)
		return;

	amdgpu_userptr_batch_free(bo->userptr_batch);
	bo->userptr_batch = NULL;
}

/* Append @count elements of @stride bytes at @data. */
static int amdgpu_userptr_batch_add(struct amdgpu_userptr_batch *batch,
				    const void *data, u32 count, u32 stride,
				    u64 max_pages, u32 *bad_range)
{
	struct drm_amdgpu_gem_userptr_range range;
	u32 i;
	int r;

	for (i = 0; i < count; i++, data += stride) {
		memcpy(&range, data, sizeof(range));
		if (memchr_inv(data + sizeof(range), 0, stride - sizeof(range))) {
			r = -EINVAL;
			goto bad;
		}

		range.addr = untagged_addr(range.addr);
		r = amdgpu_userptr_ranges_add(&batch->ranges, range.addr, range.size,
					      max_pages);
		if (r)
			goto bad;
		if (!access_ok((void __user *)(uintptr_t)range.addr, range.size)) {
			r = -EFAULT;
			goto bad;
		}
	}
	return 0;

bad:
	*bad_range += i;
	return r;
}

/* Read the array of ranges in pieces, however large it is. */
static noinline int amdgpu_userptr_batch_copy(struct amdgpu_userptr_batch *batch,
					      const struct drm_amdgpu_gem_userptr_batch *args,
					      u32 *bad_range)
{
	u64 max_pages = amdgpu_userptr_batch_max_bytes(batch->adev) >> PAGE_SHIFT;
	u32 stride = args->range_stride, step = AMDGPU_USERPTR_BATCH_COPY / stride;
	u32 done, n;
	void *buf;
	int r = 0;

	buf = kmalloc(step * stride, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;

	for (done = 0; done < args->num_ranges; done += n) {
		n = min(step, args->num_ranges - done);
		*bad_range = done;
		if (copy_from_user(buf, u64_to_user_ptr(args->ranges) + (u64)done * stride,
				   n * stride)) {
			*bad_range = AMDGPU_GEM_USERPTR_BATCH_NO_RANGE;
			r = -EFAULT;
			break;
		}
		r = amdgpu_userptr_batch_add(batch, buf, n, stride, max_pages, bad_range);
		if (r)
			break;
		if (fatal_signal_pending(current)) {
			*bad_range = AMDGPU_GEM_USERPTR_BATCH_NO_RANGE;
			r = -EINTR;
			break;
		}
		cond_resched();
	}

	kfree(buf);
	if (!r)
		*bad_range = AMDGPU_GEM_USERPTR_BATCH_NO_RANGE;
	return r;
}
ALLOW_ERROR_INJECTION(amdgpu_userptr_batch_copy, ERRNO);

/* Count the bytes of a batch, fail beyond the limit of the device. */
static noinline int amdgpu_userptr_batch_account(struct amdgpu_userptr_batch *batch)
{
	u64 limit = amdgpu_userptr_batch_max_bytes(batch->adev);
	u64 size = (u64)batch->ranges.npages << PAGE_SHIFT;
	atomic64_t *bytes = &batch->adev->userptr_batch.bytes;
	s64 used = atomic64_read(bytes);

	/* Who does not fit must not keep out who does, not even for a moment */
	do {
		if (size > limit || used > limit - size)
			return -E2BIG;
	} while (!atomic64_try_cmpxchg(bytes, &used, used + size));
	batch->accounted = size;
	return 0;
}
ALLOW_ERROR_INJECTION(amdgpu_userptr_batch_account, ERRNO);

/* Everything that needs no BO and no device: ranges, accounting, notifiers. */
static struct amdgpu_userptr_batch *
amdgpu_userptr_batch_create(struct amdgpu_device *adev,
			    const struct drm_amdgpu_gem_userptr_batch *args,
			    u32 *bad_range)
{
	struct amdgpu_userptr_batch *batch;
	int num_notifiers, r;

	batch = amdgpu_userptr_batch_alloc(adev, args->num_ranges, args->flags);
	if (IS_ERR(batch))
		return batch;

	r = amdgpu_userptr_batch_copy(batch, args, bad_range);
	if (r)
		goto err_free;

	r = amdgpu_userptr_batch_account(batch);
	if (r)
		goto err_free;

	num_notifiers = amdgpu_userptr_ranges_sort(&batch->ranges);
	if (num_notifiers < 0) {
		r = num_notifiers;
		goto err_free;
	}

	batch->notifiers = amdgpu_userptr_calloc(num_notifiers, sizeof(*batch->notifiers));
	if (!batch->notifiers) {
		r = -ENOMEM;
		goto err_free;
	}

	return batch;

err_free:
	amdgpu_userptr_batch_free(batch);
	return ERR_PTR(r);
}

/*
 * Hand the batch over to the BO's page array, which frees it from then on, and
 * place the BO in GTT, which it leaves only when GTT is short.
 */
static noinline int amdgpu_userptr_batch_attach(struct amdgpu_userptr_batch *batch,
						struct amdgpu_bo *bo)
{
	struct ttm_operation_ctx ctx = { true, false };
	int r;

	r = amdgpu_bo_reserve(bo, false);
	if (r)
		return r;

	bo->userptr_batch = batch;
	/* The address only says that it is a userptr, which zero would not. */
	r = amdgpu_ttm_tt_set_userptr(&bo->tbo, PAGE_SIZE, batch->flags);
	if (r) {
		bo->userptr_batch = NULL;
		goto out_unreserve;
	}
	batch->bo = bo;

	amdgpu_bo_placement_from_domain(bo, AMDGPU_GEM_DOMAIN_GTT);
	r = ttm_bo_validate(&bo->tbo, &bo->placement, &ctx);

out_unreserve:
	amdgpu_bo_unreserve(bo);
	return r;
}
ALLOW_ERROR_INJECTION(amdgpu_userptr_batch_attach, ERRNO);

/**
 * amdgpu_userptr_batch_in_vm - does a VM have batches?
 *
 * @adev: device
 * @vm: VM, root PD reserved
 *
 * What a batch loses is not taken away from KFD's queues. So KFD cannot acquire a VM
 * that has batches, and a VM that KFD acquired gets none.
 *
 * Returns: true if there are batches that belong to @vm
 */
bool amdgpu_userptr_batch_in_vm(struct amdgpu_device *adev, struct amdgpu_vm *vm)
{
	struct amdgpu_userptr_batch *batch;
	bool found = false;

	dma_resv_assert_held(vm->root.bo->tbo.base.resv);

	mutex_lock(&adev->userptr_batch.lock);
	list_for_each_entry(batch, &adev->userptr_batch.batches, node) {
		found = batch->bo->parent == vm->root.bo;
		if (found)
			break;
	}
	mutex_unlock(&adev->userptr_batch.lock);
	return found;
}

/* Make the batch one of the device's and the VM's. */
static int amdgpu_userptr_batch_publish(struct amdgpu_userptr_batch *batch,
					struct amdgpu_vm *vm)
{
	struct amdgpu_userptr_batch_mgr *mgr = &batch->adev->userptr_batch;
	int r;

	r = amdgpu_bo_reserve(vm->root.bo, false);
	if (r)
		return r;

	if (vm->is_compute_context) {
		r = -EOPNOTSUPP;
	} else {
		mutex_lock(&mgr->lock);
		list_add_tail(&batch->node, &mgr->batches);
		mutex_unlock(&mgr->lock);
	}
	amdgpu_bo_unreserve(vm->root.bo);
	return r;
}

static int amdgpu_userptr_batch_check_args(const struct drm_amdgpu_gem_userptr_batch *args)
{
	if (args->flags & ~AMDGPU_USERPTR_BATCH_FLAGS || args->pad || !args->num_ranges)
		return -EINVAL;
	/* Room for the struct to grow, and at least one element in a piece. */
	if (args->range_stride < sizeof(struct drm_amdgpu_gem_userptr_range) ||
	    args->range_stride % 8 || args->range_stride > AMDGPU_USERPTR_BATCH_COPY)
		return -EINVAL;
	if (!(args->flags & (AMDGPU_GEM_USERPTR_READONLY | AMDGPU_GEM_USERPTR_REGISTER)))
		return -EACCES;
	if (args->num_ranges > READ_ONCE(amdgpu_userptr_batch_max_ranges))
		return -E2BIG;
	return 0;
}

/**
 * amdgpu_gem_userptr_batch_ioctl - %DRM_IOCTL_AMDGPU_GEM_USERPTR_BATCH
 *
 * @dev: DRM device
 * @data: &struct drm_amdgpu_gem_userptr_batch
 * @filp: DRM file
 *
 * Returns: 0 or a negative errno, see the uAPI; then nothing is left behind
 */
int amdgpu_gem_userptr_batch_ioctl(struct drm_device *dev, void *data,
				   struct drm_file *filp)
{
	struct amdgpu_device *adev = drm_to_adev(dev);
	struct drm_amdgpu_gem_userptr_batch *args = data;
	struct amdgpu_fpriv *fpriv = filp->driver_priv;
	struct amdgpu_userptr_batch *batch;
	struct drm_gem_object *gobj;
	struct amdgpu_bo *bo;
	int r, idx;

	args->handle = 0;
	args->size = 0;
	args->bad_range = AMDGPU_GEM_USERPTR_BATCH_NO_RANGE;

	r = amdgpu_userptr_batch_check_args(args);
	if (r)
		return r;

	batch = amdgpu_userptr_batch_create(adev, args, &args->bad_range);
	if (IS_ERR(batch))
		return PTR_ERR(batch);

	/*
	 * The device cannot go away between the allocation of IOVA and the
	 * entry in the list by which amdgpu_userptr_batch_mgr_unplug frees it.
	 */
	if (!drm_dev_enter(dev, &idx)) {
		r = -ENODEV;
		goto err_free;
	}

	r = amdgpu_userptr_batch_dma_init(batch);
	if (r)
		goto err_release;

	r = amdgpu_gem_object_create(adev, (u64)batch->ranges.npages << PAGE_SHIFT, 0,
				     AMDGPU_GEM_DOMAIN_CPU,
				     AMDGPU_GEM_CREATE_NO_CPU_ACCESS,
				     ttm_bo_type_device, NULL, &gobj,
				     fpriv->xcp_id + 1);
	if (r)
		goto err_release;

	bo = gem_to_amdgpu_bo(gobj);
	bo->preferred_domains = AMDGPU_GEM_DOMAIN_GTT;
	bo->allowed_domains = AMDGPU_GEM_DOMAIN_GTT;
	bo->parent = amdgpu_bo_ref(fpriv->vm.root.bo);
	batch->vm_generation = fpriv->vm.generation;

	r = amdgpu_userptr_batch_attach(batch, bo);
	if (!r)
		r = amdgpu_userptr_batch_publish(batch, &fpriv->vm);
	if (r) {
		amdgpu_userptr_batch_dma_release(batch);
		if (!bo->userptr_batch)
			amdgpu_userptr_batch_free(batch);
	}
	drm_dev_exit(idx);
	if (r)
		goto out_put;

	r = amdgpu_userptr_batch_insert_notifiers(batch, &args->bad_range);
	if (r)
		goto out_put;

	if (args->flags & AMDGPU_GEM_USERPTR_VALIDATE) {
		r = amdgpu_userptr_batch_fault(bo, &args->bad_range);
		if (r)
			goto out_put;
	}

	batch->created = true;
	r = drm_gem_handle_create(filp, gobj, &args->handle);
	if (r)
		goto out_put;
	args->size = amdgpu_bo_size(bo);
	trace_amdgpu_userptr_batch_create(batch);

out_put:
	/* On success the handle holds it now. */
	drm_gem_object_put(gobj);
	return r;

err_release:
	amdgpu_userptr_batch_dma_release(batch);
	drm_dev_exit(idx);
err_free:
	amdgpu_userptr_batch_free(batch);
	return r;
}

/**
 * amdgpu_userptr_batch_fdinfo - memory of a file's batches
 *
 * @p: printer
 * @adev: device
 * @vm: VM of the file
 *
 * CPU memory that batches make visible for the GPU. It belongs to the process,
 * GTT only counts the address space that it takes.
 */
void amdgpu_userptr_batch_fdinfo(struct drm_printer *p, struct amdgpu_device *adev,
				 struct amdgpu_vm *vm)
{
	struct amdgpu_userptr_batch *batch;
	u64 pages = 0, ranges = 0;

	mutex_lock(&adev->userptr_batch.lock);
	list_for_each_entry(batch, &adev->userptr_batch.batches, node) {
		if (batch->bo->parent != vm->root.bo)
			continue;
		pages += batch->ranges.npages;
		ranges += batch->ranges.count;
	}
	mutex_unlock(&adev->userptr_batch.lock);

	drm_printf(p, "amd-userptr-batch:\t%llu KiB\n", pages << (PAGE_SHIFT - 10));
	drm_printf(p, "amd-userptr-batch-ranges:\t%llu\n", ranges);
}

#if IS_ENABLED(CONFIG_DEBUG_FS)
static int amdgpu_userptr_batch_show(struct seq_file *m, void *unused)
{
	struct amdgpu_device *adev = m->private;
	struct amdgpu_userptr_batch *batch;

	mutex_lock(&adev->userptr_batch.lock);
	seq_printf(m, "bytes %lld limit %llu\n",
		   atomic64_read(&adev->userptr_batch.bytes),
		   amdgpu_userptr_batch_max_bytes(adev));
	list_for_each_entry(batch, &adev->userptr_batch.batches, node) {
		const struct amdgpu_userptr_ranges *rs = &batch->ranges;
		const struct amdgpu_userptr_counters *st = &batch->stat;

		seq_printf(m, "batch pid %d flags 0x%x ranges %u notifiers %u pages %u",
			   batch->pid, batch->flags, rs->count, batch->num_notifiers,
			   rs->npages);
		seq_printf(m, " dirty %u faulted %u bound %u",
			   READ_ONCE(rs->num[AMDGPU_USERPTR_DIRTY]),
			   READ_ONCE(rs->num[AMDGPU_USERPTR_FAULTED]),
			   READ_ONCE(rs->num[AMDGPU_USERPTR_BOUND]));
		seq_printf(m, " invalidations %llu waits %llu faults %llu walks %llu",
			   st->invalidations, st->waits, st->faults, st->walks);
		seq_printf(m, " restores %llu clears %llu updates %llu\n",
			   st->restores, st->clears, st->updates);
	}
	mutex_unlock(&adev->userptr_batch.lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(amdgpu_userptr_batch);

/**
 * amdgpu_userptr_batch_debugfs_init - create the list of batches in debugfs
 *
 * @adev: device
 */
void amdgpu_userptr_batch_debugfs_init(struct amdgpu_device *adev)
{
	debugfs_create_file("amdgpu_userptr_batch", 0444,
			    adev_to_drm(adev)->primary->debugfs_root, adev,
			    &amdgpu_userptr_batch_fops);
}
#else
void amdgpu_userptr_batch_debugfs_init(struct amdgpu_device *adev)
{
}
#endif
