// SPDX-License-Identifier: MIT
/*
 * Stands in for libdrm, kernel and GPU, so that the main job itself can be tested:
 * that it passes when all is well and fails when something is not. FAKE_GPU in the
 * environment names what is wrong, see faults[].
 *
 * GPU addresses are looked up in a list, memory is accessed with process_vm_readv()
 * and _writev() on the process itself: these fail where the CPU could not access.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <xf86drm.h>
#include <amdgpu.h>
#include <amdgpu_drm.h>

#include "sdma_v6_0_0_pkt_open.h"

#define MAX_BOS		8192
#define MAX_LISTS	64

struct amdgpu_bo {
	uint64_t size;
	uint64_t va;
	void *cpu;				/* ordinary memory */
	struct drm_amdgpu_gem_userptr_range *ranges;	/* or userptr */
	uint32_t n_ranges;
	uint32_t flags;
	uint8_t *old;				/* what the GPU saw first, for FAULT_STALE */
};

static enum {
	FAULT_NONE,
	FAULT_COPY,	/* copy packets do nothing */
	FAULT_STALE,	/* the first range stays what it was at the first submission */
	FAULT_LOST,	/* what the GPU writes to the first range gets lost */
	FAULT_MISSING,	/* a submission passes though memory is missing */
	FAULT_ORDER,	/* ranges 0 and 1 of a batch are exchanged if equally large */
	FAULT_KERNEL,	/* the kernel does not know the ioctl */
	FAULT_BUSY,	/* submissions with more than 32 buffers fail */
} fault;

static const char *const faults[] = {
	"none", "copy", "stale", "lost", "missing", "order", "kernel", "busy",
};

static struct amdgpu_bo bos[MAX_BOS];
static struct {
	uint32_t n;
	uint32_t *bo;
} lists[MAX_LISTS];
static uint64_t next_va = 1ULL << 32;
static uint64_t seq;

drmVersionPtr drmGetVersion(int fd)
{
	static drmVersion v = { .name = (char *)"amdgpu" };

	return &v;
}

void drmFreeVersion(drmVersionPtr v)
{

}

int drmGetDevices2(uint32_t flags, drmDevicePtr devices[], int max)
{

	return 0;
}

void drmFreeDevices(drmDevicePtr devices[], int count)
{

}

int amdgpu_device_initialize(int fd, uint32_t *major, uint32_t *minor, amdgpu_device_handle *dev)
{
	const char *name = getenv("FAKE_GPU");
	unsigned int i;

	for (i = 0; name && i < sizeof(faults) / sizeof(faults[0]); i++)
		if (!strcmp(name, faults[i]))
			fault = i;
	*major = 3;
	*minor = 65;
	*dev = NULL;
	return 0;
}

int amdgpu_device_deinitialize(amdgpu_device_handle dev)
{
	uint32_t i;

	for (i = 0; i < MAX_BOS; i++)
		if (bos[i].size)
			abort();	/* a buffer was not freed */
	return 0;
}

const char *amdgpu_get_marketing_name(amdgpu_device_handle dev)
{

	return "none";
}

int amdgpu_query_hw_ip_info(amdgpu_device_handle dev, unsigned type, unsigned instance,
			    struct drm_amdgpu_info_hw_ip *info)
{

	memset(info, 0, sizeof(*info));
	info->hw_ip_version_major = 6;
	info->available_rings = 1;
	return 0;
}

int amdgpu_query_info(amdgpu_device_handle dev, unsigned id, unsigned size, void *value)
{
	struct drm_amdgpu_info_gem_userptr_batch info = {
		.max_ranges = 1 << 16,
		.max_bytes = 1ULL << 34,
	};

	if (id != AMDGPU_INFO_GEM_USERPTR_BATCH || fault == FAULT_KERNEL)
		return -EINVAL;
	memcpy(value, &info, size);
	return 0;
}

int amdgpu_cs_ctx_create(amdgpu_device_handle dev, amdgpu_context_handle *ctx)
{

	*ctx = NULL;
	return 0;
}

int amdgpu_cs_ctx_free(amdgpu_context_handle ctx)
{

	return 0;
}

static struct amdgpu_bo *new_bo(uint64_t size)
{
	uint32_t i;

	/* 0 is no handle */
	for (i = 1; i < MAX_BOS; i++) {
		if (bos[i].size)
			continue;
		bos[i].size = size;
		return &bos[i];
	}
	return NULL;
}

int amdgpu_bo_alloc(amdgpu_device_handle dev, struct amdgpu_bo_alloc_request *req,
		    amdgpu_bo_handle *bo)
{

	*bo = new_bo(req->alloc_size);
	(*bo)->cpu = mmap(NULL, req->alloc_size, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return 0;
}

int amdgpu_bo_free(amdgpu_bo_handle bo)
{
	if (bo->cpu)
		munmap(bo->cpu, bo->size);
	free(bo->old);
	free(bo->ranges);
	memset(bo, 0, sizeof(*bo));
	return 0;
}

int amdgpu_bo_cpu_map(amdgpu_bo_handle bo, void **cpu)
{
	*cpu = bo->cpu;
	return 0;
}

int amdgpu_bo_cpu_unmap(amdgpu_bo_handle bo)
{

	return 0;
}

int amdgpu_bo_export(amdgpu_bo_handle bo, enum amdgpu_bo_handle_type type, uint32_t *handle)
{

	*handle = bo - bos;
	return 0;
}

int amdgpu_va_range_alloc(amdgpu_device_handle dev, enum amdgpu_gpu_va_range type, uint64_t size,
			  uint64_t align, uint64_t required, uint64_t *va,
			  amdgpu_va_handle *handle, uint64_t flags)
{

	*va = next_va;
	*handle = NULL;
	next_va += size;
	return 0;
}

int amdgpu_va_range_free(amdgpu_va_handle handle)
{

	return 0;
}

int amdgpu_bo_va_op_raw(amdgpu_device_handle dev, amdgpu_bo_handle bo, uint64_t offset,
			uint64_t size, uint64_t addr, uint64_t flags, uint32_t op)
{

	bo->va = op == AMDGPU_VA_OP_MAP ? addr : 0;
	return 0;
}

int amdgpu_bo_va_op(amdgpu_bo_handle bo, uint64_t offset, uint64_t size, uint64_t addr,
		    uint64_t flags, uint32_t op)
{
	return amdgpu_bo_va_op_raw(NULL, bo, offset, size, addr, flags, op);
}

int amdgpu_create_bo_from_user_mem_batch(amdgpu_device_handle dev,
					 const struct drm_amdgpu_gem_userptr_range *ranges,
					 uint32_t n, uint32_t flags, uint32_t *bad,
					 amdgpu_bo_handle *bo)
{
	uint64_t size = 0;
	uint32_t i;

	for (i = 0; i < n; i++)
		size += ranges[i].size;
	*bo = new_bo(size);
	(*bo)->ranges = calloc(n, sizeof(*ranges));
	memcpy((*bo)->ranges, ranges, n * sizeof(*ranges));
	(*bo)->n_ranges = n;
	(*bo)->flags = flags;
	if (fault == FAULT_ORDER && n > 1 && ranges[0].size == ranges[1].size) {
		(*bo)->ranges[0] = ranges[1];
		(*bo)->ranges[1] = ranges[0];
	}
	return 0;
}

int amdgpu_create_bo_from_user_mem(amdgpu_device_handle dev, void *cpu, uint64_t size,
				   amdgpu_bo_handle *bo)
{
	struct drm_amdgpu_gem_userptr_range range = { (uintptr_t)cpu, size };

	return amdgpu_create_bo_from_user_mem_batch(dev, &range, 1, 0, NULL, bo);
}

/* The two ioctls that programs use without libdrm's wrappers */
int drmCommandWriteRead(int fd, unsigned long cmd, void *data, unsigned long size)
{
	struct drm_amdgpu_gem_userptr *u = data;
	struct drm_amdgpu_gem_va *va = data;
	amdgpu_bo_handle bo;
	int r;

	if (cmd == DRM_AMDGPU_GEM_VA)
		return amdgpu_bo_va_op_raw(NULL, &bos[va->handle], va->offset_in_bo, va->map_size,
					   va->va_address, va->flags, va->operation);
	if (cmd != DRM_AMDGPU_GEM_USERPTR)
		return -EINVAL;
	r = amdgpu_create_bo_from_user_mem(NULL, (void *)(uintptr_t)u->addr, u->size, &bo);
	u->handle = r ? 0 : bo - bos;
	return r;
}

int drmCloseBufferHandle(int fd, uint32_t handle)
{
	return amdgpu_bo_free(&bos[handle]);
}

int amdgpu_bo_list_create_raw(amdgpu_device_handle dev, uint32_t n,
			      struct drm_amdgpu_bo_list_entry *e, uint32_t *list)
{
	uint32_t i, l;

	for (l = 1; lists[l].bo; l++)
		;
	lists[l].bo = calloc(n, sizeof(uint32_t));
	lists[l].n = n;
	for (i = 0; i < n; i++)
		lists[l].bo[i] = e[i].bo_handle;
	*list = l;
	return 0;
}

int amdgpu_bo_list_destroy_raw(amdgpu_device_handle dev, uint32_t list)
{

	free(lists[list].bo);
	memset(&lists[list], 0, sizeof(lists[list]));
	return 0;
}

static bool cpu_access(void *buf, uint64_t addr, size_t n, bool write)
{
	struct iovec local = { buf, n }, remote = { (void *)(uintptr_t)addr, n };

	return (write ? process_vm_writev(getpid(), &local, 1, &remote, 1, 0) :
			process_vm_readv(getpid(), &local, 1, &remote, 1, 0)) == (ssize_t)n;
}

/* What the kernel does with a userptr BO of a submission: get the pages. */
static int validate(struct amdgpu_bo *bo)
{
	uint64_t w, size;
	uint32_t i;

	for (i = 0; i < bo->n_ranges; i++) {
		if (!cpu_access(&w, bo->ranges[i].addr, sizeof(w), false))
			return fault == FAULT_MISSING ? 0 : -EFAULT;
		if (!(bo->flags & AMDGPU_GEM_USERPTR_READONLY) &&
		    !cpu_access(&w, bo->ranges[i].addr, sizeof(w), true))
			return fault == FAULT_MISSING ? 0 : -EACCES;
	}
	if (fault == FAULT_STALE && bo->n_ranges && !bo->old) {
		size = bo->ranges[0].size;
		bo->old = malloc(size);
		cpu_access(bo->old, bo->ranges[0].addr, size, false);
	}
	return 0;
}

/* Move up to @n bytes between @buf and GPU address @va, return how many. */
static size_t gpu_access(uint8_t *buf, uint64_t va, size_t n, bool write)
{
	struct amdgpu_bo *bo;
	uint64_t off, size;
	uint32_t i, k;

	for (i = 0; i < MAX_BOS; i++)
		if (bos[i].size && bos[i].va && va >= bos[i].va && va < bos[i].va + bos[i].size)
			break;
	if (i == MAX_BOS)
		abort();	/* a VM fault */
	bo = &bos[i];
	off = va - bo->va;
	if (!bo->n_ranges) {
		if (n > bo->size - off)
			n = bo->size - off;
		if (write)
			memcpy((uint8_t *)bo->cpu + off, buf, n);
		else
			memcpy(buf, (uint8_t *)bo->cpu + off, n);
		return n;
	}

	for (k = 0; off >= bo->ranges[k].size; k++)
		off -= bo->ranges[k].size;
	size = bo->ranges[k].size - off;
	if (n > size)
		n = size;
	if (!k && bo->old) {
		if (write)
			memcpy(bo->old + off, buf, n);
		else
			memcpy(buf, bo->old + off, n);
		if (!write)
			return n;
	}
	if (!k && write && fault == FAULT_LOST)
		return n;
	cpu_access(buf, bo->ranges[k].addr + off, n, write);
	return n;
}

static void copy(uint64_t dst, uint64_t src, size_t n)
{
	/* Not allocated: that could be put where the program has just unmapped. */
	static uint8_t buf[2 << 20];
	size_t at;

	for (at = 0; at < n; )
		at += gpu_access(buf + at, src + at, n - at, false);
	for (at = 0; at < n; )
		at += gpu_access(buf + at, dst + at, n - at, true);
}

int amdgpu_cs_submit_raw2(amdgpu_device_handle dev, amdgpu_context_handle ctx, uint32_t list,
			  int n, struct drm_amdgpu_cs_chunk *chunks, uint64_t *seq_no)
{
	const struct drm_amdgpu_cs_chunk_ib *ib =
		(const void *)(uintptr_t)chunks[0].chunk_data;
	uint32_t i, *p, *end;
	int r;

	if (fault == FAULT_BUSY && lists[list].n > 32)
		return -EBUSY;
	for (i = 0; i < lists[list].n; i++) {
		r = validate(&bos[lists[list].bo[i]]);
		if (r)
			return r;
	}
	p = calloc(1, ib->ib_bytes);
	gpu_access((uint8_t *)p, ib->va_start, ib->ib_bytes, false);
	for (i = 0, end = p; end < p + ib->ib_bytes / 4; ) {
		if ((*end & 0xff) != SDMA_OP_COPY) {
			end++;
			continue;
		}
		if (fault != FAULT_COPY)
			copy(end[5] | (uint64_t)end[6] << 32, end[3] | (uint64_t)end[4] << 32,
			     end[1] + 1);
		end += 7;
	}
	free(p);
	*seq_no = ++seq;
	return 0;
}

int amdgpu_cs_query_fence_status(struct amdgpu_cs_fence *fence, uint64_t timeout, uint64_t flags,
				 uint32_t *expired)
{

	*expired = 1;
	return 0;
}
