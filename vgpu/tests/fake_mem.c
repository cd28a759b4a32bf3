/* SPDX-License-Identifier: MIT */
/* Flat memory and recorded interrupts, see fake_mem.h. */
#include "fake_mem.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

uint8_t fake_mem[FAKE_MEM_SIZE] __attribute__((aligned(4096)));
struct fake_mem_seen fake_mem_seen;
struct vgpu_iv fake_ivs[FAKE_IVS];
static unsigned int iv_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void fake_mem_reset(void)
{
	memset(fake_mem, 0, sizeof(fake_mem));
	memset(&fake_mem_seen, 0, sizeof(fake_mem_seen));
	memset(fake_ivs, 0, sizeof(fake_ivs));
	__atomic_store_n(&iv_count, 0, __ATOMIC_SEQ_CST);
}

uint32_t fake_mem_get32(uint64_t addr)
{
	return __atomic_load_n((uint32_t *)(fake_mem + addr), __ATOMIC_ACQUIRE);
}

void fake_mem_put32(uint64_t addr, uint32_t value)
{
	__atomic_store_n((uint32_t *)(fake_mem + addr), value, __ATOMIC_RELEASE);
}

uint64_t fake_mem_get64(uint64_t addr)
{
	return __atomic_load_n((uint64_t *)(fake_mem + addr), __ATOMIC_ACQUIRE);
}

void fake_mem_put64(uint64_t addr, uint64_t value)
{
	__atomic_store_n((uint64_t *)(fake_mem + addr), value, __ATOMIC_RELEASE);
}

unsigned int fake_iv_count(void)
{
	return __atomic_load_n(&iv_count, __ATOMIC_ACQUIRE);
}

void vgpu_irq(struct vgpu *dev, const struct vgpu_iv *iv)
{
	(void)dev;
	pthread_mutex_lock(&lock);
	fake_ivs[iv_count % FAKE_IVS] = *iv;
	__atomic_store_n(&iv_count, iv_count + 1, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&lock);
}

static int access_ok(const struct vgpu_client *c, uint64_t va, uint64_t len)
{
	bool ok = va < FAKE_MEM_SIZE && len <= FAKE_MEM_SIZE - va;

	pthread_mutex_lock(&lock);
	fake_mem_seen.client = *c;
	fake_mem_seen.faults += !ok;
	pthread_mutex_unlock(&lock);
	return ok ? 0 : -EFAULT;
}

int vgpu_mem_read(struct vgpu *dev, const struct vgpu_client *c, uint64_t va,
		  void *buf, size_t len)
{
	int r = access_ok(c, va, len);

	(void)dev;
	if (r) {
		memset(buf, 0, len);
		return r;
	}
	memcpy(buf, fake_mem + va, len);
	return 0;
}

int vgpu_mem_write(struct vgpu *dev, const struct vgpu_client *c, uint64_t va,
		   const void *buf, size_t len)
{
	int r = access_ok(c, va, len);

	(void)dev;
	if (!r)
		memcpy(fake_mem + va, buf, len);
	return r;
}

int vgpu_mem_copy(struct vgpu *dev, const struct vgpu_client *c, uint64_t dst,
		  uint64_t src, uint64_t len)
{
	int r = access_ok(c, src, len) ? : access_ok(c, dst, len);

	(void)dev;
	if (!r)
		memmove(fake_mem + dst, fake_mem + src, len);
	return r;
}

int vgpu_mem_fill(struct vgpu *dev, const struct vgpu_client *c, uint64_t dst,
		  uint32_t pattern, uint64_t len)
{
	int r = access_ok(c, dst, len);
	uint64_t i;

	(void)dev;
	for (i = 0; !r && i + 4 <= len; i += 4)
		memcpy(fake_mem + dst + i, &pattern, 4);
	return r;
}

int vgpu_mem_read32(struct vgpu *dev, const struct vgpu_client *c, uint64_t va,
		    uint32_t *value)
{
	int r = access_ok(c, va, 4);

	(void)dev;
	*value = r ? 0 : fake_mem_get32(va);
	return r;
}

int vgpu_mem_read64(struct vgpu *dev, const struct vgpu_client *c, uint64_t va,
		    uint64_t *value)
{
	int r = access_ok(c, va, 8);

	(void)dev;
	*value = r ? 0 : fake_mem_get64(va);
	return r;
}

int vgpu_mem_write32(struct vgpu *dev, const struct vgpu_client *c, uint64_t va,
		     uint32_t value)
{
	int r = access_ok(c, va, 4);

	(void)dev;
	if (!r)
		fake_mem_put32(va, value);
	return r;
}

int vgpu_mem_write64(struct vgpu *dev, const struct vgpu_client *c, uint64_t va,
		     uint64_t value)
{
	int r = access_ok(c, va, 8);

	(void)dev;
	if (!r)
		fake_mem_put64(va, value);
	return r;
}

int vgpu_mem_atomic(struct vgpu *dev, const struct vgpu_client *c, uint64_t va,
		    unsigned int size,
		    uint64_t (*op)(uint64_t old, void *arg), void *arg,
		    uint64_t *old)
{
	int r = access_ok(c, va, size);
	uint64_t value = 0;

	(void)dev;
	if (!r) {
		pthread_mutex_lock(&lock);
		value = size == 8 ? fake_mem_get64(va) : fake_mem_get32(va);
		if (size == 8)
			fake_mem_put64(va, op(value, arg));
		else
			fake_mem_put32(va, op(value, arg));
		pthread_mutex_unlock(&lock);
	}
	if (old)
		*old = value;
	return r;
}

void vgpu_tlb_invalidate(struct vgpu *dev, enum vgpu_hub hub, uint32_t vmid_mask,
			 uint32_t parts)
{
	if (parts & VGPU_TLB_PTES)
		vgpu_tlb_flush(dev, hub, vmid_mask);
}

void vgpu_tlb_flush(struct vgpu *dev, enum vgpu_hub hub, uint32_t vmid_mask)
{
	(void)dev;
	pthread_mutex_lock(&lock);
	fake_mem_seen.flushes++;
	fake_mem_seen.flush_mask[hub] |= vmid_mask;
	pthread_mutex_unlock(&lock);
}

void vgpu_vmid_set(struct vgpu *dev, unsigned int vmid, uint64_t pd_addr,
		   uint32_t pasid)
{
	(void)dev;
	if (vmid >= 16)
		return;
	fake_mem_seen.pd_addr[vmid] = pd_addr;
	fake_mem_seen.pasid[vmid] = pasid;
}
