// SPDX-License-Identifier: MIT
/*
 * Tests amdgpu_create_bo_from_user_mem_batch() without a kernel. Linked with
 * libdrm's amdgpu_bo.c; what that calls is replaced here, and a row of the table
 * says how it answers.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xf86drm.h"
#include "amdgpu_drm.h"
#include "amdgpu_internal.h"

#define HANDLE		7
#define SIZE		0x5000
#define NO_RANGE	AMDGPU_GEM_USERPTR_BATCH_NO_RANGE
#define UNTOUCHED	0xdead
#define READONLY	AMDGPU_GEM_USERPTR_READONLY
#define ANONONLY	AMDGPU_GEM_USERPTR_ANONONLY
#define REGISTER	AMDGPU_GEM_USERPTR_REGISTER

static const struct drm_amdgpu_gem_userptr_range ranges[] = {
	{ 0x10000, 0x1000 }, { 0x20000, 0x4000 },
};

static const struct row {
	const char *name;
	uint32_t flags;		/* passed in */
	int ioctl;		/* what the ioctl returns */
	int knows;		/* the kernel writes to the struct */
	uint32_t kernel_bad;	/* bad_range that it writes */
	int insert;		/* what inserting the handle returns */
	int r;			/* to be returned */
	uint32_t bad;		/* to be found in *bad_range */
} rows[] = {
	{ "success", REGISTER, 0, 1, NO_RANGE, 0, 0, UNTOUCHED },
	{ "no-flag-added", READONLY, 0, 1, NO_RANGE, 0, 0, UNTOUCHED },
	{ "no-flag-removed", 0xffffffff, 0, 1, NO_RANGE, 0, 0, UNTOUCHED },
	{ "bad-range", ANONONLY, -EPERM, 1, 1, 0, -EPERM, 1 },
	{ "bad-batch", REGISTER, -E2BIG, 1, NO_RANGE, 0, -E2BIG, NO_RANGE },
	{ "old-kernel", REGISTER, -EINVAL, 0, 0, 0, -EINVAL, NO_RANGE },
	{ "not-a-gpu", REGISTER, -ENOTTY, 0, 0, 0, -ENOTTY, NO_RANGE },
	{ "no-memory", REGISTER, 0, 1, NO_RANGE, -ENOMEM, -ENOMEM, NO_RANGE },
};

static const struct row *row;
static struct drm_amdgpu_gem_userptr_batch seen;
static unsigned int ioctls, closed;

int drmCommandWriteRead(int fd, unsigned long nr, void *data, unsigned long size)
{
	struct drm_amdgpu_gem_userptr_batch *args = data;

	(void)fd;
	ioctls += nr == DRM_AMDGPU_GEM_USERPTR_BATCH && size == sizeof(*args);
	seen = *args;
	if (row->knows) {
		args->handle = row->ioctl ? 0 : HANDLE;
		args->size = row->ioctl ? 0 : SIZE;
		args->bad_range = row->kernel_bad;
	}
	return row->ioctl;
}

int drmCloseBufferHandle(int fd, uint32_t handle)
{
	(void)fd;
	closed += handle == HANDLE;
	return 0;
}

int handle_table_insert(struct handle_table *table, uint32_t key, void *value)
{
	(void)table;
	(void)value;
	return key == HANDLE ? row->insert : -EBADF;
}

/* Called by other functions of amdgpu_bo.c only */
void handle_table_remove(struct handle_table *table, uint32_t key)
{
	(void)table;
	(void)key;
}

void *handle_table_lookup(struct handle_table *table, uint32_t key)
{
	(void)table;
	(void)key;
	return NULL;
}

uint64_t amdgpu_cs_calculate_timeout(uint64_t timeout)
{
	return timeout;
}

static const char *check(struct amdgpu_device *dev, int with_bad)
{
	struct amdgpu_bo *const none = (struct amdgpu_bo *)&rows, *bo = none;
	uint32_t bad = UNTOUCHED;
	int r;

	ioctls = 0;
	closed = 0;
	r = amdgpu_create_bo_from_user_mem_batch(dev, ranges, 2, row->flags,
						 with_bad ? &bad : NULL, &bo);
	if (r != row->r)
		return "wrong result";
	if (ioctls != 1)
		return "not one ioctl of this kind";
	if (seen.ranges != (uintptr_t)ranges || seen.num_ranges != 2 ||
	    seen.range_stride != sizeof(ranges[0]) || seen.flags != row->flags || seen.pad)
		return "wrong arguments of the ioctl";
	if (with_bad && bad != row->bad)
		return "wrong bad_range";
	if (closed != (row->insert != 0))
		return "handle lost, or closed though in use";
	if (r)
		return bo == none ? NULL : "buffer set though it failed";
	if (bo == none || bo->handle != HANDLE || bo->alloc_size != SIZE || bo->dev != dev)
		return "wrong buffer";
	free(bo);
	return NULL;
}

int main(void)
{
	static struct amdgpu_device dev;
	unsigned int i, failed = 0;
	const char *why;

	pthread_mutex_init(&dev.bo_table_mutex, NULL);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		row = &rows[i];
		why = check(&dev, 1);
		if (!why)
			why = check(&dev, 0);
		printf("%s wrapper-%s%s%s%s\n", why ? "FAIL" : "ok", row->name,
		       why ? " (" : "", why ? why : "", why ? ")" : "");
		failed += why != NULL;
	}
	return failed ? 1 : 0;
}
