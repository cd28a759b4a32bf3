// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "report.h"
#include "shape.h"

static const struct {
	const char *name;
	uint32_t stride;
} kinds[SHAPE_KINDS] = {
	[SHAPE_GAPS] = { "gaps", 2 },
	[SHAPE_SPARSE] = { "sparse", 16 },
	[SHAPE_TOUCHING] = { "touching", 1 },
	[SHAPE_VMAS] = { "vmas", 2 },
	[SHAPE_MEMFD] = { "memfd", 2 },
};

const char *shape_name(enum shape_kind kind)
{
	return kinds[kind].name;
}

unsigned long shape_limit(void)
{
	FILE *f = fopen("/proc/sys/vm/max_map_count", "r");
	unsigned long n = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%lu", &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

size_t shape_span(const struct shape *s)
{
	return ((size_t)(s->n - 1) * s->stride + 1) * PAGE;
}

static int map_one(struct shape *s)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;

	if (s->kind == SHAPE_MEMFD) {
		s->fd = memfd_create("ranges", MFD_CLOEXEC);
		if (s->fd < 0 || ftruncate(s->fd, s->map))
			return report_fail("memfd: %s", strerror(errno));
		flags = MAP_SHARED;
	}
	s->base = mmap(NULL, s->map, PROT_READ | PROT_WRITE, flags, s->fd, 0);
	if (s->base == MAP_FAILED)
		return report_fail("mmap of %zu bytes: %s", s->map, strerror(errno));
	madvise(s->base, s->map, MADV_NOHUGEPAGE);
	return 0;
}

/* The hole behind each mapping keeps the kernel from merging it with the next. */
static int map_each(struct shape *s)
{
	size_t step = (size_t)s->stride * PAGE;
	uint32_t i;
	int err;
	void *p;

	s->base = mmap(NULL, s->map, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (s->base == MAP_FAILED)
		return report_fail("%zu bytes of address space: %s", s->map, strerror(errno));
	munmap(s->base, s->map);

	for (i = 0; i < s->n; i++) {
		p = mmap(s->base + i * step, PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		if (p != MAP_FAILED)
			continue;
		err = errno;
		report_fail("mapping %u of %u: %s; vm.max_map_count is %lu", i + 1, s->n,
			    strerror(err), shape_limit());
		return err == ENOMEM ? SHAPE_IMPOSSIBLE : -1;
	}
	return 0;
}

int shape_init(struct shape *s, enum shape_kind kind, uint32_t n, struct rng *rng)
{
	struct drm_amdgpu_gem_userptr_range swap;
	uint32_t i, k;
	int r;

	memset(s, 0, sizeof(*s));
	s->kind = kind;
	s->n = n;
	s->stride = kinds[kind].stride;
	s->map = (size_t)n * s->stride * PAGE;
	s->fd = -1;
	s->base = MAP_FAILED;
	s->ranges = calloc(n, sizeof(*s->ranges));
	if (!s->ranges)
		return report_fail("out of memory");

	r = kind == SHAPE_VMAS ? map_each(s) : map_one(s);
	if (r)
		return r;

	for (i = 0; i < n; i++) {
		s->ranges[i].addr = (uintptr_t)s->base + (uint64_t)i * s->stride * PAGE;
		s->ranges[i].size = PAGE;
	}
	for (i = n - 1; i > 0; i--) {
		k = rng_below(rng, i + 1);
		swap = s->ranges[i];
		s->ranges[i] = s->ranges[k];
		s->ranges[k] = swap;
	}
	return 0;
}

void shape_fini(struct shape *s)
{
	/* Holes in it do not matter. */
	if (s->base != MAP_FAILED)
		munmap(s->base, s->map);
	if (s->fd >= 0)
		close(s->fd);
	free(s->ranges);
	s->base = MAP_FAILED;
	s->fd = -1;
	s->ranges = NULL;
}

void shape_fill(const struct shape *s)
{
	uint32_t i;

	for (i = 0; i < s->n; i++)
		*(volatile uint32_t *)(uintptr_t)s->ranges[i].addr = i + 1;
}

static int drop(const struct shape *s, uint8_t *addr, size_t size)
{
	int r;

	if (s->kind == SHAPE_MEMFD)
		r = fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      addr - s->base, size);
	else
		r = madvise(addr, size, MADV_DONTNEED);
	/* Over the holes between mappings it goes on, and only then says ENOMEM. */
	if (r && s->kind == SHAPE_VMAS && errno == ENOMEM)
		r = 0;
	return r ? -errno : 0;
}

int shape_drop(const struct shape *s, uint32_t i)
{
	return drop(s, (uint8_t *)(uintptr_t)s->ranges[i].addr, PAGE);
}

int shape_drop_all(const struct shape *s)
{
	return drop(s, s->base, shape_span(s));
}

void *shape_gap(const struct shape *s)
{
	if (s->n < 2 || s->stride < 2 || s->kind == SHAPE_VMAS)
		return NULL;
	return s->base + ((size_t)(s->n / 2) * s->stride - 1) * PAGE;
}

size_t shape_present(const struct shape *s)
{
	size_t pages = shape_span(s) / PAGE, step = s->kind == SHAPE_VMAS ? 1 : pages, i, n = 0;
	unsigned char *vec = malloc(pages);

	if (!vec)
		return 0;
	/* Holes between mappings are no pages, and an error for mincore(). */
	memset(vec, 0, pages);
	for (i = 0; i < pages; i += step)
		mincore(s->base + i * PAGE, step * PAGE, vec + i);
	for (i = 0; i < pages; i++)
		n += vec[i] & 1;
	free(vec);
	return n;
}
