/* SPDX-License-Identifier: MIT */
/*
 * Guest memory by DMA address, see guest_mem.h. The tree is a treap: ordered by
 * address, a heap by random priority, so that it is balanced whatever the
 * guest does. Ranges are not merged: a client takes back what it mapped.
 */
#include "guest_mem.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>

struct mem_file {
	struct mem_file *next;
	dev_t dev;
	ino_t ino;
	uint8_t *base;
	uint64_t size;		/* bytes mapped; the file may have grown */
	uint32_t ranges;	/* that lie in it */
	bool writable;
};

struct range {
	struct range *left, *right;
	uint64_t addr, len;	/* never wraps: addr + len - 1 is valid */
	uint64_t offset;	/* in the file */
	struct mem_file *file;
	uint32_t prio;
	bool writable;
};

struct guest_mem {
	/* Read: while a pointer is in use; write: all below. */
	pthread_rwlock_t lock;
	struct range *root;
	struct mem_file *files;
	uint64_t random;
	struct guest_mem_stats stats;
};

struct guest_mem *guest_mem_create(void)
{
	struct guest_mem *m = calloc(1, sizeof(*m));
	pthread_rwlockattr_t attr;

	if (!m)
		return NULL;
	/*
	 * Engines copy without a pause: readers that are preferred would keep
	 * the guest's CPU, which waits for the unmap to be done, for ever.
	 */
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr,
				      PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&m->lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	/* not to be known by who chooses the addresses; never 0, which stays 0 */
	if (getrandom(&m->random, sizeof(m->random), 0) != sizeof(m->random) || !m->random)
		m->random = 0x9e3779b97f4a7c15ull;
	return m;
}

void guest_mem_destroy(struct guest_mem *m)
{
	if (!m)
		return;
	guest_mem_unmap_all(m);
	pthread_rwlock_destroy(&m->lock);
	free(m);
}

/* ---- tree ---- */

static uint64_t last_of(const struct range *r)
{
	return r->addr + (r->len - 1);
}

static uint32_t next_random(struct guest_mem *m)
{
	m->random ^= m->random << 13;
	m->random ^= m->random >> 7;
	m->random ^= m->random << 17;
	return m->random >> 32;
}

/* Ranges that begin below @addr to @lo, all others to @hi. */
static void split(struct range *r, uint64_t addr, struct range **lo,
		  struct range **hi)
{
	while (r) {
		if (r->addr < addr) {
			*lo = r;
			lo = &r->right;
			r = r->right;
		} else {
			*hi = r;
			hi = &r->left;
			r = r->left;
		}
	}
	*lo = NULL;
	*hi = NULL;
}

/* One tree of two; all of @lo is below all of @hi. */
static struct range *join(struct range *lo, struct range *hi)
{
	struct range *root, **at = &root;

	while (lo && hi) {
		if (lo->prio >= hi->prio) {
			*at = lo;
			at = &lo->right;
			lo = lo->right;
		} else {
			*at = hi;
			at = &hi->left;
			hi = hi->left;
		}
	}
	*at = lo ? lo : hi;
	return root;
}

static void insert(struct guest_mem *m, struct range *r)
{
	struct range *lo, *hi;

	split(m->root, r->addr, &lo, &hi);
	m->root = join(join(lo, r), hi);
}

/* The range that begins last of those that begin at or below @addr. */
static struct range *at_or_below(const struct guest_mem *m, uint64_t addr)
{
	struct range *r = m->root, *found = NULL;

	while (r) {
		if (r->addr <= addr) {
			found = r;
			r = r->right;
		} else {
			r = r->left;
		}
	}
	return found;
}

/* ---- files ---- */

/* The mapping of @fd with at least @size bytes, made if there is none. */
static int get_file(struct guest_mem *m, int fd, uint64_t size,
		    struct mem_file **file)
{
	struct mem_file *f;
	struct stat st;
	void *base;
	int r;

	if (fstat(fd, &st))
		return -errno;
	for (f = m->files; f; f = f->next)
		if (f->dev == st.st_dev && f->ino == st.st_ino && size <= f->size) {
			*file = f;
			return 0;
		}
	/* Accesses beyond a file's end would be signals. */
	if (st.st_size <= 0 || size > (uint64_t)st.st_size)
		return -EINVAL;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	f->size = st.st_size;
	f->writable = true;
	base = mmap(NULL, f->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED && (errno == EACCES || errno == EPERM)) {
		f->writable = false;
		base = mmap(NULL, f->size, PROT_READ, MAP_SHARED, fd, 0);
	}
	if (base == MAP_FAILED) {
		r = -errno;
		free(f);
		return r;
	}
	/* A core of this process is not to hold the guest's memory. */
	madvise(base, f->size, MADV_DONTDUMP);
	f->base = base;
	f->next = m->files;
	m->files = f;
	m->stats.files++;
	*file = f;
	return 0;
}

/* A file that no range lies in any more is unmapped. */
static void put_file(struct guest_mem *m, struct mem_file *f)
{
	struct mem_file **at = &m->files;

	if (f->ranges)
		return;
	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	m->stats.files--;
	munmap(f->base, f->size);
	free(f);
}

/* ---- ranges ---- */

static struct range *new_range(struct guest_mem *m, struct mem_file *f)
{
	struct range *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->prio = next_random(m);
	r->file = f;
	f->ranges++;
	m->stats.ranges++;
	if (m->stats.ranges > m->stats.ranges_max)
		m->stats.ranges_max = m->stats.ranges;
	return r;
}

static void free_range(struct guest_mem *m, struct range *r)
{
	r->file->ranges--;
	put_file(m, r->file);
	m->stats.ranges--;
	free(r);
}

static void free_tree(struct guest_mem *m, struct range *r)
{
	/* As deep as the tree: some 50 levels at most. */
	if (!r)
		return;
	free_tree(m, r->left);
	free_tree(m, r->right);
	free_range(m, r);
}

static int map(struct guest_mem *m, uint64_t addr, uint64_t len, int fd,
	       uint64_t offset, bool writable)
{
	uint64_t last = addr + (len - 1), size;
	struct mem_file *f = NULL;
	struct range *r;
	int err;

	if (!len || last < addr || __builtin_add_overflow(offset, len, &size))
		return -EINVAL;
	r = at_or_below(m, last);
	if (m->stats.ranges >= GUEST_MEM_RANGES_MAX && !(r && last_of(r) >= addr))
		return -ENOSPC;
	err = get_file(m, fd, size, &f);
	if (err)
		return err;
	if (r && last_of(r) >= addr) {
		bool same = r->addr == addr && r->len == len && r->file == f &&
			    r->offset == offset && r->writable == writable;

		put_file(m, f);
		return same ? 0 : -EEXIST;
	}
	r = new_range(m, f);
	if (!r) {
		put_file(m, f);
		return -ENOMEM;
	}
	r->addr = addr;
	r->len = len;
	r->offset = offset;
	r->writable = writable;
	insert(m, r);
	m->stats.maps++;
	return 0;
}

int guest_mem_map(struct guest_mem *m, uint64_t addr, uint64_t len, int fd,
		  uint64_t offset, bool writable)
{
	int r;

	pthread_rwlock_wrlock(&m->lock);
	r = map(m, addr, len, fd, offset, writable);
	if (r)
		m->stats.refused++;
	pthread_rwlock_unlock(&m->lock);
	return r;
}

/* Make @addr a place where no range is across. */
static int cut(struct guest_mem *m, uint64_t addr)
{
	struct range *r = at_or_below(m, addr), *n;

	if (!r || r->addr == addr || last_of(r) < addr)
		return 0;
	if (m->stats.ranges >= GUEST_MEM_RANGES_MAX)
		return -ENOSPC;
	n = new_range(m, r->file);
	if (!n)
		return -ENOMEM;
	n->addr = addr;
	n->len = r->len - (addr - r->addr);
	n->offset = r->offset + (addr - r->addr);
	n->writable = r->writable;
	r->len = addr - r->addr;
	insert(m, n);
	return 0;
}

int guest_mem_unmap(struct guest_mem *m, uint64_t addr, uint64_t len)
{
	struct range *lo, *mid, *hi;
	uint64_t last = addr + (len - 1);
	int r = 0;

	if (!len)
		return 0;
	/* Unmapping up to the end of the address space, or beyond. */
	if (last < addr)
		last = UINT64_MAX;
	pthread_rwlock_wrlock(&m->lock);
	r = cut(m, addr);
	if (!r && last != UINT64_MAX)
		r = cut(m, last + 1);
	if (!r) {
		split(m->root, addr, &lo, &mid);
		hi = NULL;
		if (last != UINT64_MAX)
			split(mid, last + 1, &mid, &hi);
		m->stats.unmaps += !!mid;
		free_tree(m, mid);
		m->root = join(lo, hi);
	}
	pthread_rwlock_unlock(&m->lock);
	return r;
}

void guest_mem_unmap_all(struct guest_mem *m)
{
	pthread_rwlock_wrlock(&m->lock);
	m->stats.unmaps += !!m->root;
	free_tree(m, m->root);
	m->root = NULL;
	pthread_rwlock_unlock(&m->lock);
}

/* ---- use ---- */

void guest_mem_lock(struct guest_mem *m)
{
	pthread_rwlock_rdlock(&m->lock);
}

void guest_mem_unlock(struct guest_mem *m)
{
	pthread_rwlock_unlock(&m->lock);
}

void *guest_mem_ptr(struct guest_mem *m, uint64_t addr, size_t *len, bool write)
{
	const struct range *r = at_or_below(m, addr);
	uint64_t off;

	if (!r || last_of(r) < addr)
		return NULL;
	if (write && !(r->writable && r->file->writable))
		return NULL;
	off = addr - r->addr;
	if (*len > r->len - off)
		*len = r->len - off;
	return r->file->base + r->offset + off;
}

void guest_mem_stats(struct guest_mem *m, struct guest_mem_stats *stats)
{
	pthread_rwlock_rdlock(&m->lock);
	*stats = m->stats;
	pthread_rwlock_unlock(&m->lock);
}
