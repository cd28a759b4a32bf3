/* SPDX-License-Identifier: MIT */
/*
 * Memory as engines and the interrupt handler access it: see device.h. An
 * access is cut into units that lie in one translation and one piece of host
 * memory; locks are held for at most MEM_CHUNK bytes, so that invalidations
 * and the guest's changes of its memory map are never kept waiting for long.
 */
#include "gmc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MEM_CHUNK	(2ull << 20)

/* One unit: @ptr is NULL where there is nothing to access. */
struct mem_unit {
	uint8_t *ptr;
	uint64_t len;
	enum gmc_fault_kind fault;
	bool lost;		/* no memory there, whatever the reason */
	bool refused;		/* lost because the DMA address is not mapped */
};

/* First fault of an access, to be reported when no lock is held. */
struct mem_fault {
	enum gmc_fault_kind kind;
	uint64_t va;
	bool write;
};

static void mem_begin(struct gmc *g)
{
	pthread_rwlock_rdlock(&g->inflight);
	vgpu_dma_lock(g->dev);
}

static void mem_end(struct gmc *g)
{
	vgpu_dma_unlock(g->dev);
	pthread_rwlock_unlock(&g->inflight);
}

/*
 * DMA that was not for the device: the guest's IOMMU has not mapped the address,
 * or not for writing. On the bus that is an unsupported request: writes
 * disappear, reads give all ones.
 */
static void dma_lost(struct gmc *g, const char *who, uint64_t addr, bool write)
{
	uint64_t seen = GMC_STAT(g, dma_unmapped);
	size_t len = 1;
	bool there = write && vgpu_dma_ptr(g->dev, addr, &len, false);

	vgpu_count(g->dev, VGPU_LOG_GUEST, "gmc: DMA address not mapped");
	if (seen < GMC_LOGGED)
		vgpu_log(g->dev, VGPU_LOG_GUEST,
			 "gmc: %s of DMA address 0x%llx by %s: %s",
			 write ? "write" : "read", (unsigned long long)addr, who,
			 there ? "mapped for reading only" : "not mapped");
}

static void client_lost(struct gmc *g, const struct vgpu_client *c, uint64_t va,
			uint64_t addr, bool write)
{
	char who[96];

	snprintf(who, sizeof(who), "%s ring 0x%x vmid %u va 0x%llx",
		 gmc_client_name(c), c->ring_id, c->vmid, (unsigned long long)va);
	dma_lost(g, who, addr, write);
}

/* Unit at @va of at most @len bytes. Locks are held. */
static void mem_unit(struct gmc *g, const struct vgpu_client *c, uint64_t va,
		     uint64_t len, bool write, struct mem_unit *u)
{
	unsigned int vmid = c->vmid & (GMC_VMIDS - 1);
	struct gmc_xlat x;
	uint64_t left;
	size_t n;

	*u = (struct mem_unit){ 0 };
	if (g->strict)
		u->fault = tlb_translate(g, c->hub, vmid, va, write, &x);
	else
		u->fault = gmc_walk(g, c->hub, vmid, va, &x, NULL);
	if (!u->fault)
		u->fault = gmc_check(&x, write);

	left = (1ull << x.shift) - (va & ((1ull << x.shift) - 1));
	u->len = len < left ? len : left;
	if (u->fault) {
		u->lost = true;
		return;
	}
	if (x.prt)
		return;
	if (!x.system) {
		if (x.phys >= g->vram_size) {
			/* A stale translation may point anywhere. */
			u->lost = true;
			return;
		}
		left = g->vram_size - x.phys;
		u->len = u->len < left ? u->len : left;
		u->ptr = g->vram + x.phys;
		return;
	}
	n = u->len;
	u->ptr = vgpu_dma_ptr(g->dev, x.phys, &n, write);
	if (u->ptr && n) {
		u->len = n;
		return;
	}
	u->ptr = NULL;
	u->lost = true;
	u->refused = true;
	/* The next page may be mapped again. */
	left = GMC_PAGE_SIZE - (x.phys & (GMC_PAGE_SIZE - 1));
	u->len = u->len < left ? u->len : left;
	client_lost(g, c, va, x.phys, write);
}

static void note(struct mem_fault *f, const struct mem_unit *u, uint64_t va,
		 bool write)
{
	if (u->fault && !f->kind)
		*f = (struct mem_fault){ u->fault, va, write };
}

static void report(struct gmc *g, const struct vgpu_client *c,
		   const struct mem_fault *f)
{
	if (f->kind)
		gmc_fault(g, c, f->va, f->write, f->kind);
}

enum mem_op { MEM_READ, MEM_WRITE, MEM_FILL };

/* Units start at whole dwords of the pattern: pages and fills consist of them. */
static void fill_unit(uint8_t *p, uint64_t len, const uint8_t pattern[4])
{
	uint64_t i, twice;
	uint32_t v;

	memcpy(&v, pattern, 4);
	twice = v | (uint64_t)v << 32;
	if (twice == (twice & 0xff) * 0x0101010101010101ull) {
		memset(p, twice & 0xff, len);
		return;
	}
	for (i = 0; i + 8 <= len; i += 8)
		memcpy(p + i, &twice, 8);
	memcpy(p + i, &twice, len - i);
}

/* Read into, write from, or fill with the four bytes at @buf. */
static int mem_access(struct vgpu *dev, const struct vgpu_client *c, uint64_t va,
		      void *buf, uint64_t len, enum mem_op op)
{
	struct gmc *g = gmc_get(dev);
	struct mem_fault fault = { 0 };
	uint8_t *b = buf;
	int r = 0;

	while (len) {
		uint64_t left = len < MEM_CHUNK ? len : MEM_CHUNK;

		mem_begin(g);
		while (left) {
			struct mem_unit u;

			mem_unit(g, c, va, left, op != MEM_READ, &u);
			note(&fault, &u, va, op != MEM_READ);
			if (u.lost)
				r = -EFAULT;
			if (op == MEM_FILL) {
				if (u.ptr)
					fill_unit(u.ptr, u.len, b);
			} else if (op == MEM_WRITE) {
				if (u.ptr)
					memcpy(u.ptr, b, u.len);
				b += u.len;
			} else {
				if (u.ptr)
					memcpy(b, u.ptr, u.len);
				else
					memset(b, u.refused ? 0xff : 0, u.len);
				b += u.len;
			}
			va += u.len;
			left -= u.len;
			len -= u.len;
		}
		mem_end(g);
	}
	report(g, c, &fault);
	return r;
}

int vgpu_mem_read(struct vgpu *dev, const struct vgpu_client *c, uint64_t va,
		  void *buf, size_t len)
{
	return mem_access(dev, c, va, buf, len, MEM_READ);
}

int vgpu_mem_write(struct vgpu *dev, const struct vgpu_client *c, uint64_t va,
		   const void *buf, size_t len)
{
	return mem_access(dev, c, va, (void *)buf, len, MEM_WRITE);
}

int vgpu_mem_fill(struct vgpu *dev, const struct vgpu_client *c, uint64_t dst,
		  uint32_t pattern, uint64_t len)
{
	if (dst & 3 || len & 3) {
		vgpu_count(dev, VGPU_LOG_GUEST, "gmc: fill not in whole dwords");
		return -EFAULT;
	}
	return mem_access(dev, c, dst, &pattern, len, MEM_FILL);
}

static void copy_unit(const struct mem_unit *d, const struct mem_unit *s,
		      uint64_t doff, uint64_t soff, uint64_t len)
{
	if (!d->ptr)
		return;
	if (s->ptr)
		memmove(d->ptr + doff, s->ptr + soff, len);
	else
		memset(d->ptr + doff, s->refused ? 0xff : 0, len);
}

/*
 * Up to @len bytes from @src to @dst, or, when @back, those that end at
 * @src + @len. Returns how many were copied.
 */
static uint64_t copy_step(struct gmc *g, const struct vgpu_client *c,
			  uint64_t dst, uint64_t src, uint64_t len, bool back,
			  struct mem_fault fault[2], int *r)
{
	struct mem_unit s, d;
	uint64_t n = len, left;

	if (back) {
		/* Within one page on both sides, so that one unit each does. */
		left = ((src + len - 1) & (GMC_PAGE_SIZE - 1)) + 1;
		n = n < left ? n : left;
		left = ((dst + len - 1) & (GMC_PAGE_SIZE - 1)) + 1;
		n = n < left ? n : left;
		src += len - n;
		dst += len - n;
	}
	mem_unit(g, c, src, n, false, &s);
	mem_unit(g, c, dst, n, true, &d);
	note(&fault[0], &s, src, false);
	note(&fault[1], &d, dst, true);
	if (s.lost || d.lost)
		*r = -EFAULT;
	left = s.len < d.len ? s.len : d.len;
	if (back && left < n) {
		/* Host memory is in smaller pieces than pages: not of a guest. */
		vgpu_count(g->dev, VGPU_LOG_ERROR, "gmc: memory piece below a page");
		*r = -EFAULT;
		left = n;
	} else {
		copy_unit(&d, &s, 0, 0, left);
	}
	return left;
}

int vgpu_mem_copy(struct vgpu *dev, const struct vgpu_client *c, uint64_t dst,
		  uint64_t src, uint64_t len)
{
	bool back = dst > src && dst - src < len;
	struct gmc *g = gmc_get(dev);
	struct mem_fault fault[2] = { 0 };
	int r = 0;

	while (len) {
		uint64_t left = len < MEM_CHUNK ? len : MEM_CHUNK, n;

		mem_begin(g);
		while (left) {
			if (back)
				n = copy_step(g, c, dst, src, len, true, fault, &r);
			else
				n = copy_step(g, c, dst, src, left, false, fault, &r);
			if (!back) {
				dst += n;
				src += n;
			}
			len -= n;
			/* A step back ends at a page, not where the chunk does. */
			left -= n < left ? n : left;
		}
		mem_end(g);
	}
	report(g, c, &fault[0]);
	report(g, c, &fault[1]);
	return r;
}

/*
 * A naturally aligned @size bytes at @va, locked; mem_end() follows if 0. If
 * not, @value is what a read gives.
 */
static int mem_word(struct gmc *g, const struct vgpu_client *c, uint64_t va,
		    unsigned int size, bool write, void **p, uint64_t *value)
{
	struct mem_fault fault = { 0 };
	struct mem_unit u;

	mem_begin(g);
	mem_unit(g, c, va, size, write, &u);
	if (!u.lost && (!u.ptr || u.len == size)) {
		*p = u.ptr;
		return 0;
	}
	mem_end(g);
	if (u.refused)
		*value = size == 8 ? UINT64_MAX : UINT32_MAX;
	note(&fault, &u, va, write);
	report(g, c, &fault);
	return -EFAULT;
}

static int aligned(struct vgpu *dev, uint64_t va, unsigned int size)
{
	if (!(va & (size - 1)))
		return 0;
	vgpu_count(dev, VGPU_LOG_GUEST, "gmc: access not naturally aligned");
	return -EFAULT;
}

#define MEM_READ_WORD(bits)						\
int vgpu_mem_read##bits(struct vgpu *dev, const struct vgpu_client *c,	\
			uint64_t va, uint##bits##_t *value)		\
{									\
	struct gmc *g = gmc_get(dev);					\
	uint64_t lost = 0;						\
	void *p;							\
	int r;								\
									\
	*value = 0;							\
	if (aligned(dev, va, bits / 8))					\
		return vgpu_mem_read(dev, c, va, value, bits / 8);	\
	r = mem_word(g, c, va, bits / 8, false, &p, &lost);		\
	if (r) {							\
		*value = lost;						\
		return r;						\
	}								\
	if (p)								\
		*value = __atomic_load_n((uint##bits##_t *)p, __ATOMIC_ACQUIRE); \
	mem_end(g);							\
	return 0;							\
}

#define MEM_WRITE_WORD(bits)						\
int vgpu_mem_write##bits(struct vgpu *dev, const struct vgpu_client *c,	\
			 uint64_t va, uint##bits##_t value)		\
{									\
	struct gmc *g = gmc_get(dev);					\
	uint64_t lost;							\
	void *p;							\
	int r;								\
									\
	if (aligned(dev, va, bits / 8))					\
		return vgpu_mem_write(dev, c, va, &value, bits / 8);	\
	r = mem_word(g, c, va, bits / 8, true, &p, &lost);		\
	if (r)								\
		return r;						\
	if (p)								\
		__atomic_store_n((uint##bits##_t *)p, value, __ATOMIC_RELEASE); \
	mem_end(g);							\
	return 0;							\
}

MEM_READ_WORD(32)
MEM_READ_WORD(64)
MEM_WRITE_WORD(32)
MEM_WRITE_WORD(64)

int vgpu_mem_atomic(struct vgpu *dev, const struct vgpu_client *c, uint64_t va,
		    unsigned int size,
		    uint64_t (*op)(uint64_t old, void *arg), void *arg,
		    uint64_t *old)
{
	struct gmc *g = gmc_get(dev);
	uint64_t seen = 0;
	void *p;
	int r;

	if (old)
		*old = 0;
	if (size != 4 && size != 8)
		return -EFAULT;
	r = aligned(dev, va, size);
	if (!r)
		r = mem_word(g, c, va, size, true, &p, &seen);
	if (r) {
		if (old)
			*old = seen;
		return r;
	}
	if (p && size == 4) {
		uint32_t v = __atomic_load_n((uint32_t *)p, __ATOMIC_ACQUIRE);

		while (!__atomic_compare_exchange_n((uint32_t *)p, &v,
						    (uint32_t)op(v, arg), false,
						    __ATOMIC_ACQ_REL,
						    __ATOMIC_ACQUIRE))
			;
		seen = v;
	} else if (p) {
		seen = __atomic_load_n((uint64_t *)p, __ATOMIC_ACQUIRE);
		while (!__atomic_compare_exchange_n((uint64_t *)p, &seen,
						    op(seen, arg), false,
						    __ATOMIC_ACQ_REL,
						    __ATOMIC_ACQUIRE))
			;
	}
	mem_end(g);
	if (old)
		*old = seen;
	return 0;
}

static int dma_access(struct vgpu *dev, const char *who, uint64_t addr,
		      uint8_t *buf, size_t len, bool write)
{
	struct gmc *g = gmc_get(dev);
	int r = 0;

	vgpu_dma_lock(dev);
	while (len) {
		size_t left = GMC_PAGE_SIZE - (addr & (GMC_PAGE_SIZE - 1));
		size_t n = len;
		void *p = vgpu_dma_ptr(dev, addr, &n, write);

		if (!p || !n) {
			n = len < left ? len : left;
			dma_lost(g, who, addr, write);
			if (!write)
				memset(buf, 0xff, n);
			r = -EFAULT;
		} else if (write) {
			memcpy(p, buf, n);
		} else {
			memcpy(buf, p, n);
		}
		buf += n;
		addr += n;
		len -= n;
	}
	vgpu_dma_unlock(dev);
	return r;
}

int vgpu_dma_read(struct vgpu *dev, const char *who, uint64_t addr, void *buf,
		  size_t len)
{
	return dma_access(dev, who, addr, buf, len, false);
}

int vgpu_dma_write(struct vgpu *dev, const char *who, uint64_t addr,
		   const void *buf, size_t len)
{
	return dma_access(dev, who, addr, (uint8_t *)buf, len, true);
}
