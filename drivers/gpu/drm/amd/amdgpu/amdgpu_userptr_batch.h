/* SPDX-License-Identifier: MIT */
#ifndef __AMDGPU_USERPTR_BATCH_H__
#define __AMDGPU_USERPTR_BATCH_H__

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>

struct amdgpu_bo;
struct amdgpu_bo_va;
struct amdgpu_device;
struct amdgpu_userptr_batch;
struct amdgpu_vm;
struct drm_device;
struct drm_file;
struct drm_printer;
struct mm_struct;

/**
 * struct amdgpu_userptr_batch_mgr - what a device knows of its batches
 */
struct amdgpu_userptr_batch_mgr {
	/** @lock: Protects @batches. */
	struct mutex lock;
	/** @batches: All batches of the device. */
	struct list_head batches;
	/** @bytes: Sum of their sizes. */
	atomic64_t bytes;
};

/* What the final check of a submission finds; the first is that of any userptr. */
#define AMDGPU_USERPTR_BATCH_CHANGED	BIT(0)
#define AMDGPU_USERPTR_BATCH_STARVED	BIT(1)

#if IS_ENABLED(CONFIG_DRM_AMDGPU_USERPTR)
void amdgpu_userptr_batch_mgr_init(struct amdgpu_device *adev);
void amdgpu_userptr_batch_mgr_unplug(struct amdgpu_device *adev);
int amdgpu_gem_userptr_batch_ioctl(struct drm_device *dev, void *data,
				   struct drm_file *filp);
int amdgpu_userptr_batch_info(struct amdgpu_device *adev, void __user *out, u32 size);
bool amdgpu_userptr_batch_in_vm(struct amdgpu_device *adev, struct amdgpu_vm *vm);
void amdgpu_userptr_batch_fini(struct amdgpu_bo *bo);
struct mm_struct *amdgpu_userptr_batch_mm(struct amdgpu_bo *bo);
int amdgpu_userptr_batch_fault(struct amdgpu_bo *bo, u32 *bad_range);
int amdgpu_userptr_batch_fault_worker(struct amdgpu_bo *bo);
unsigned int amdgpu_userptr_batch_check(struct amdgpu_bo *bo, struct amdgpu_bo_va *bo_va,
					bool bad);
bool amdgpu_userptr_batch_faulted(struct amdgpu_bo *bo);
int amdgpu_userptr_batch_vm_update(struct amdgpu_device *adev,
				   struct amdgpu_bo_va *bo_va, bool clear);
void amdgpu_userptr_batch_fdinfo(struct drm_printer *p, struct amdgpu_device *adev,
				 struct amdgpu_vm *vm);
void amdgpu_userptr_batch_debugfs_init(struct amdgpu_device *adev);
#else
static inline void amdgpu_userptr_batch_mgr_init(struct amdgpu_device *adev) {}
static inline void amdgpu_userptr_batch_mgr_unplug(struct amdgpu_device *adev) {}

static inline int amdgpu_gem_userptr_batch_ioctl(struct drm_device *dev, void *data,
						 struct drm_file *filp)
{
	return -ENODEV;
}

static inline int amdgpu_userptr_batch_info(struct amdgpu_device *adev, void __user *out,
					    u32 size)
{
	return -ENODEV;
}

static inline bool amdgpu_userptr_batch_in_vm(struct amdgpu_device *adev,
					      struct amdgpu_vm *vm)
{
	return false;
}

static inline void amdgpu_userptr_batch_fini(struct amdgpu_bo *bo) {}

static inline struct mm_struct *amdgpu_userptr_batch_mm(struct amdgpu_bo *bo)
{
	return NULL;
}

static inline int amdgpu_userptr_batch_fault(struct amdgpu_bo *bo, u32 *bad_range)
{
	return -ENODEV;
}

static inline int amdgpu_userptr_batch_fault_worker(struct amdgpu_bo *bo)
{
	return -ENODEV;
}

static inline unsigned int amdgpu_userptr_batch_check(struct amdgpu_bo *bo,
						      struct amdgpu_bo_va *bo_va, bool bad)
{
	return AMDGPU_USERPTR_BATCH_CHANGED;
}

static inline bool amdgpu_userptr_batch_faulted(struct amdgpu_bo *bo)
{
	return false;
}

static inline int amdgpu_userptr_batch_vm_update(struct amdgpu_device *adev,
						 struct amdgpu_bo_va *bo_va, bool clear)
{
	return -ENODEV;
}

static inline void amdgpu_userptr_batch_fdinfo(struct drm_printer *p,
					       struct amdgpu_device *adev,
					       struct amdgpu_vm *vm)
{
}

static inline void amdgpu_userptr_batch_debugfs_init(struct amdgpu_device *adev) {}
#endif

#endif
