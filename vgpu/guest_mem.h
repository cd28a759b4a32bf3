/* SPDX-License-Identifier: MIT */
/*
 * The guest's memory by DMA address: which addresses the client mapped for the
 * device, and where they are in this process.
 *
 * Without an IOMMU in the guest there are a few ranges, as large as the guest's
 * RAM. With one there is a range for each page the guest maps, so there may be
 * 100,000s, in any order. All of them lie in a few files whose descriptors come
 * with each range: a file is mapped once, as a whole, and a range is an entry
 * in a balanced tree.
 */
#ifndef VGPU_GUEST_MEM_H
#define VGPU_GUEST_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bounds what a guest can make this process allocate: 16 GiB in 4 KiB pages. */
#define GUEST_MEM_RANGES_MAX	(4u << 20)

struct guest_mem;

struct guest_mem_stats {
	uint64_t maps, unmaps;		/* requests that changed something */
	uint64_t refused;		/* requests to map that failed */
	uint32_t ranges, ranges_max;	/* now, and most at any time */
	uint32_t files;			/* mapped into this process */
};

/* NULL: no memory. */
struct guest_mem *guest_mem_create(void);
void guest_mem_destroy(struct guest_mem *m);

/*
 * Let the @len bytes at DMA address @addr be those of the file @fd at @offset,
 * for writing only if @writable. @fd stays the caller's. The same once more
 * is no error. Returns 0; -EINVAL: empty, or beyond the address space or the
 * file; -EEXIST: some of it is mapped otherwise; -ENOSPC: too many ranges;
 * -ENOMEM, or what fstat() or mmap() fail with: then nothing has changed.
 */
int guest_mem_map(struct guest_mem *m, uint64_t addr, uint64_t len, int fd,
		  uint64_t offset, bool writable);
/*
 * Unmap whatever there is in the @len bytes at @addr. Ranges that reach out of
 * that are cut: a client may unmap at once what it mapped in pieces, and the
 * other way round. No access uses the memory any more when this returns, so
 * the caller must not hold guest_mem_lock(). Returns 0, -ENOMEM or -ENOSPC
 * (cutting one range into two): then nothing has changed.
 */
int guest_mem_unmap(struct guest_mem *m, uint64_t addr, uint64_t len);
void guest_mem_unmap_all(struct guest_mem *m);

/* Around guest_mem_ptr() and all use of its result; shared, not recursive. */
void guest_mem_lock(struct guest_mem *m);
void guest_mem_unlock(struct guest_mem *m);
/*
 * Where the byte at @addr is, and how many of @*len bytes from there lie in the
 * same range; NULL if it is not mapped, or not writable and @write is set.
 */
void *guest_mem_ptr(struct guest_mem *m, uint64_t addr, size_t *len, bool write);

void guest_mem_stats(struct guest_mem *m, struct guest_mem_stats *stats);

#endif
