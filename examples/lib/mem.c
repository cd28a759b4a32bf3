// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mem.h"

static const struct {
	const char *name;
	size_t align;
	bool memfd;	/* backed by a memfd */
	bool own_vma;	/* mapped piece by piece */
} kinds[MEM_KINDS] = {
	[MEM_ANON] = { "anonymous", PAGE, false, false },
	[MEM_ANON_VMA] = { "anonymous, own mapping", PAGE, false, true },
	[MEM_SHARED] = { "memfd, shared", PAGE, true, false },
	[MEM_PRIVATE] = { "memfd, private", PAGE, true, true },
	[MEM_READONLY] = { "memfd, read-only", PAGE, true, false },
	[MEM_THP] = { "transparent huge", HUGE, false, false },
	[MEM_HUGETLB] = { "reserved huge", HUGE, false, true },
};

const char *mem_kind_name(enum mem_kind kind)
{
	return kinds[kind].name;
}

int piece_prot(const struct piece *p)
{
	return p->kind == MEM_READONLY ? PROT_READ : PROT_READ | PROT_WRITE;
}

/* The flags for mmap(), without MAP_FIXED */
static int map_flags(enum mem_kind kind)
{
	switch (kind) {
	case MEM_SHARED:
	case MEM_READONLY:
		return MAP_SHARED;
	case MEM_PRIVATE:
		return MAP_PRIVATE;
	case MEM_HUGETLB:
		return MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB;
	default:
		return MAP_PRIVATE | MAP_ANONYMOUS;
	}
}

int piece_map(const struct piece *p, int over)
{
	void *m;

	m = mmap(p->addr, p->size, piece_prot(p),
		 map_flags(p->kind) | (over ? MAP_FIXED : MAP_FIXED_NOREPLACE), p->fd,
		 p->fd < 0 ? 0 : p->file_offset);
	if (m == MAP_FAILED)
		return report_fail("mmap of range %u (%s): %s", p->id,
				   mem_kind_name(p->kind), strerror(errno));
	/* Only a wish: small pages do as well. */
	if (p->kind == MEM_THP)
		madvise(m, p->size, MADV_HUGEPAGE);
	return 0;
}

static uint64_t word(const struct piece *p, uint8_t gen)
{
	return (uint64_t)gen << 56 | (uint64_t)p->id << 32;
}

void pattern_fill(void *dst, const struct piece *p, uint8_t gen)
{
	uint64_t base = word(p, gen), *w = dst;
	size_t i;

	if (!gen) {
		memset(dst, 0, p->size);
		return;
	}
	for (i = 0; i < p->size / 8; i++)
		w[i] = base + i * 8;
}

void piece_fill(struct piece *p, uint8_t gen)
{
	pattern_fill(p->cpu, p, gen);
	p->gen = gen;
}

static void describe(char *s, size_t len, uint64_t w)
{
	if (!w)
		snprintf(s, len, "zero");
	else
		snprintf(s, len, "generation %u of range %u at 0x%x", (unsigned int)(w >> 56),
			 (unsigned int)(w >> 32 & 0xffffff), (unsigned int)w);
}

int pattern_check(const void *src, const struct piece *p, const char *who)
{
	uint64_t base = p->gen ? word(p, p->gen) : 0, step = p->gen ? 8 : 0, bad = 0;
	const uint64_t *w = src;
	char want[64], found[64];
	size_t i;

	/* No branch in the loop: it is most of what the program does. */
	for (i = 0; i < p->size / 8; i++)
		bad |= w[i] ^ (base + i * step);
	if (!bad)
		return 0;

	for (i = 0; w[i] == base + i * step; i++)
		;
	describe(want, sizeof(want), base + i * step);
	describe(found, sizeof(found), w[i]);
	return report_fail("%s: range %u (%s), page %zu: wanted %s, found %s", who, p->id,
			   mem_kind_name(p->kind), i * 8 / PAGE, want, found);
}

uint32_t piece_pages_out(const struct piece *p)
{
	unsigned char in[HUGE / PAGE];
	size_t done, part, i;
	uint32_t out = 0;

	for (done = 0; done < p->size; done += part) {
		part = p->size - done < HUGE ? p->size - done : HUGE;
		if (mincore(p->addr + done, part, in))
			return 0;
		for (i = 0; i < part / PAGE; i++)
			out += !(in[i] & 1);
	}
	return out;
}

static int may_reserve = 1;

void mem_may_reserve(int yes)
{
	may_reserve = yes;
}

/* Change the system's number of reserved huge pages by @pages */
static void hugetlb_add(long pages)
{
	FILE *f = fopen("/proc/sys/vm/nr_hugepages", "r+");
	long have;

	if (!f)
		return;
	if (fscanf(f, "%ld", &have) == 1) {
		rewind(f);
		fprintf(f, "%ld\n", have + pages);
	}
	fclose(f);
}

static bool hugetlb_try(size_t bytes)
{
	void *m = mmap(NULL, bytes, PROT_READ | PROT_WRITE, map_flags(MEM_HUGETLB), -1, 0);

	if (m == MAP_FAILED)
		return false;
	munmap(m, bytes);
	return true;
}

/* Reserve huge pages; true if a mapping of @bytes of them is possible */
static bool hugetlb_reserve(struct pieces *ps, size_t bytes)
{
	if (hugetlb_try(bytes))
		return true;
	if (!may_reserve)
		return false;
	hugetlb_add(bytes / HUGE);
	if (hugetlb_try(bytes)) {
		ps->hugetlb_added += bytes / HUGE;
		return true;
	}
	hugetlb_add(-(long)(bytes / HUGE));
	return false;
}

/*
 * Reserve address space for pieces of a kind. With a memfd, the file is as long as
 * the arena and a piece lies at the same offset in both.
 */
static struct arena *arena_alloc(struct pieces *ps, enum mem_kind kind, size_t size)
{
	struct arena *a = &ps->arenas[ps->n_arenas];

	if (ps->n_arenas == sizeof(ps->arenas) / sizeof(ps->arenas[0])) {
		report_fail("too many rows of memory kinds");
		return NULL;
	}
	a->fd = -1;
	a->cpu = NULL;
	a->size = size + HUGE;
	a->map = mmap(NULL, a->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		      -1, 0);
	if (a->map == MAP_FAILED)
		goto err;
	a->addr = (uint8_t *)(((uintptr_t)a->map + HUGE - 1) & -(uintptr_t)HUGE);

	if (kinds[kind].memfd) {
		a->fd = memfd_create(mem_kind_name(kind), MFD_CLOEXEC);
		if (a->fd < 0 || ftruncate(a->fd, a->size))
			goto err_map;
	}
	if (kind == MEM_READONLY) {
		a->cpu = mmap(NULL, a->size, PROT_READ | PROT_WRITE, MAP_SHARED, a->fd, 0);
		if (a->cpu == MAP_FAILED)
			goto err_map;
	}
	ps->n_arenas++;
	return a;

err_map:
	report_fail("memory (%s): %s", mem_kind_name(kind), strerror(errno));
	if (a->fd >= 0)
		close(a->fd);
	munmap(a->map, a->size);
err:
	report_fail("address space: %s", strerror(errno));
	return NULL;
}

/* Space behind a piece that is not part of the batch */
static size_t gap(uint32_t i, size_t align)
{
	return i % 8 == 7 ? 0 : align;
}

/* Place and map all pieces of one row; @p is where they go */
static int row_alloc(struct pieces *ps, struct piece *p, uint32_t n, enum mem_kind kind,
		     size_t size)
{
	size_t align = kinds[kind].align, total = 0, at = 0;
	struct piece whole = { .kind = kind };
	struct arena *a;
	uint32_t i;

	for (i = 0; i < n; i++)
		total += size + gap(i, align);
	a = arena_alloc(ps, kind, total);
	if (!a)
		return -1;
	if (!kinds[kind].own_vma) {
		whole.addr = a->addr;
		whole.size = total;
		whole.fd = a->fd;
		if (piece_map(&whole, 1))
			return -1;
	}
	for (i = 0; i < n; i++) {
		p[i].addr = a->addr + at;
		p[i].cpu = (a->cpu ? a->cpu : a->addr) + at;
		p[i].size = size;
		p[i].kind = kind;
		p[i].fd = a->fd;
		p[i].file_offset = at;
		if (kinds[kind].own_vma && piece_map(&p[i], 1))
			return -1;
		at += size + gap(i, align);
	}
	return 0;
}

int pieces_alloc(struct pieces *ps, uint32_t n, const struct mem_mix *mix, uint32_t rows,
		 uint32_t first_id, struct rng *rng)
{
	enum mem_kind kind;
	uint32_t r, i, k, made = 0;
	struct piece swap;

	memset(ps, 0, sizeof(*ps));
	ps->p = calloc(n, sizeof(*ps->p));
	if (!ps->p)
		return report_fail("out of memory");
	ps->n = n;

	for (r = 0; r < rows; r++) {
		k = (uint64_t)mix[r].share * n / 4096;
		if (r == rows - 1)
			k = n - made;
		else if (!k)
			k = 1;
		kind = mix[r].kind;
		if (kind == MEM_HUGETLB && !hugetlb_reserve(ps, k * mix[r].size))
			kind = MEM_THP;
		if (row_alloc(ps, ps->p + made, k, kind, mix[r].size)) {
			pieces_free(ps);
			return -1;
		}
		made += k;
	}

	for (i = n - 1; i > 0; i--) {
		k = rng_below(rng, i + 1);
		swap = ps->p[i];
		ps->p[i] = ps->p[k];
		ps->p[k] = swap;
	}
	for (i = 0; i < n; i++) {
		ps->p[i].id = first_id + i;
		ps->p[i].offset = ps->bytes;
		ps->bytes += ps->p[i].size;
	}
	return 0;
}

void pieces_free(struct pieces *ps)
{
	uint32_t i;

	for (i = 0; i < ps->n_arenas; i++) {
		munmap(ps->arenas[i].map, ps->arenas[i].size);
		if (ps->arenas[i].cpu)
			munmap(ps->arenas[i].cpu, ps->arenas[i].size);
		if (ps->arenas[i].fd >= 0)
			close(ps->arenas[i].fd);
	}
	if (ps->hugetlb_added)
		hugetlb_add(-(long)ps->hugetlb_added);
	free(ps->p);
	memset(ps, 0, sizeof(*ps));
}
