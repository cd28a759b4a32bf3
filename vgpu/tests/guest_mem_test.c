/* SPDX-License-Identifier: MIT */
/* Guest memory by DMA address: what is mapped, where, and since when not. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest_mem.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define PAGE		4096ull
#define FILE_PAGES	256

/* A file whose every page holds its number and @tag. */
static int make_file(uint32_t tag)
{
	int fd = memfd_create("guest_mem_test", MFD_CLOEXEC);
	uint32_t i, v;

	if (fd < 0 || ftruncate(fd, FILE_PAGES * PAGE))
		return -1;
	for (i = 0; i < FILE_PAGES; i++) {
		v = tag + i;
		if (pwrite(fd, &v, sizeof(v), i * PAGE) != sizeof(v))
			return -1;
	}
	return fd;
}

/* What the page at @addr holds; -1: not mapped (for writing if @write). */
static int64_t at(struct guest_mem *m, uint64_t addr, bool write)
{
	size_t len = 4;
	uint32_t *p;
	int64_t v;

	guest_mem_lock(m);
	p = guest_mem_ptr(m, addr, &len, write);
	v = p && len == 4 ? (int64_t)*p : -1;
	guest_mem_unlock(m);
	return v;
}

static uint32_t ranges(struct guest_mem *m)
{
	struct guest_mem_stats s;

	guest_mem_stats(m, &s);
	return s.ranges;
}

/* ---- one request ---- */

#define A	0x100000000ull	/* where 16 pages from page 32 of the file are */
#define TOP	(UINT64_MAX - PAGE + 1)

static const struct map_row {
	const char *name;
	uint64_t addr, len, offset;
	int r;
} map_rows[] = {
	{ "behind", A + 16 * PAGE, PAGE, 0, 0 },
	{ "before", A - PAGE, PAGE, 0, 0 },
	{ "far", 0, PAGE, 0, 0 },
	{ "last page of the address space", TOP, PAGE, 0, 0 },
	{ "last page of the file", 0, PAGE, (FILE_PAGES - 1) * PAGE, 0 },
	{ "the same again", A, 16 * PAGE, 32 * PAGE, 0 },
	{ "another offset", A, 16 * PAGE, 33 * PAGE, -EEXIST },
	{ "first page of it", A, PAGE, 32 * PAGE, -EEXIST },
	{ "last page of it", A + 15 * PAGE, PAGE, 47 * PAGE, -EEXIST },
	{ "around it", A - PAGE, 18 * PAGE, 31 * PAGE, -EEXIST },
	{ "across its start", A - PAGE, 2 * PAGE, 0, -EEXIST },
	{ "across its end", A + 15 * PAGE, 2 * PAGE, 0, -EEXIST },
	{ "empty", A + 64 * PAGE, 0, 0, -EINVAL },
	{ "beyond the address space", TOP, 2 * PAGE, 0, -EINVAL },
	{ "beyond the file", 0, 2 * PAGE, (FILE_PAGES - 1) * PAGE, -EINVAL },
	{ "offset beyond everything", 0, PAGE, UINT64_MAX - 1, -EINVAL },
};

static void map(void)
{
	struct guest_mem_stats s;
	struct guest_mem *m;
	size_t i;
	int fd = make_file(1000);

	REQUIRE(fd >= 0);
	for (i = 0; i < ARRAY_SIZE(map_rows); i++) {
		const struct map_row *row = &map_rows[i];

		test_row(row->name);
		m = guest_mem_create();
		REQUIRE(m);
		CHECK_EQ(guest_mem_map(m, A, 16 * PAGE, fd, 32 * PAGE, true), 0);
		CHECK_EQ(guest_mem_map(m, row->addr, row->len, fd, row->offset, true),
			 row->r);
		guest_mem_stats(m, &s);
		CHECK_EQ(s.refused, !!row->r);
		CHECK_EQ(s.files, 1);
		CHECK_EQ(s.ranges, row->r || row->addr == A ? 1 : 2);
		if (!row->r)
			CHECK_EQ(at(m, row->addr, true), 1000 + row->offset / PAGE);
		CHECK_EQ(at(m, A, true), 1032);
		CHECK_EQ(at(m, A + 15 * PAGE, true), 1047);
		guest_mem_destroy(m);
	}
	test_row(NULL);
	close(fd);
}

/* 16 single pages at A, or one range of 16. */
static const struct unmap_row {
	const char *name;
	bool whole;
	uint64_t addr, len;
	uint32_t gone;		/* mask of pages */
	uint32_t ranges;
} unmap_rows[] = {
	{ "one page", false, A + 3 * PAGE, PAGE, 1 << 3, 15 },
	{ "all pages at once", false, A, 16 * PAGE, 0xffff, 0 },
	{ "more than there is", false, A - 64 * PAGE, 128 * PAGE, 0xffff, 0 },
	{ "half of the pages", false, A + 8 * PAGE, 64 * PAGE, 0xff00, 8 },
	{ "where nothing is", false, A + 16 * PAGE, PAGE, 0, 16 },
	{ "nothing", false, A, 0, 0, 16 },
	{ "the whole address space but a byte", false, 0, UINT64_MAX, 0xffff, 0 },
	{ "up to the end", false, A + PAGE, UINT64_MAX - A - PAGE + 1, 0xfffe, 1 },
	{ "beyond the end", false, A + PAGE, UINT64_MAX, 0xfffe, 1 },
	{ "the range", true, A, 16 * PAGE, 0xffff, 0 },
	{ "its first page", true, A, PAGE, 0x0001, 1 },
	{ "its last page", true, A + 15 * PAGE, PAGE, 0x8000, 1 },
	{ "a page inside it", true, A + 5 * PAGE, PAGE, 1 << 5, 2 },
	{ "across its start", true, A - PAGE, 3 * PAGE, 3, 1 },
	{ "across its end", true, A + 14 * PAGE, 9 * PAGE, 0xc000, 1 },
	{ "right before it", true, A - PAGE, PAGE, 0, 1 },
};

static void unmap(void)
{
	int fd = make_file(1000);
	struct guest_mem_stats s;
	struct guest_mem *m;
	size_t i, j;

	REQUIRE(fd >= 0);
	for (i = 0; i < ARRAY_SIZE(unmap_rows); i++) {
		const struct unmap_row *row = &unmap_rows[i];

		test_row(row->name);
		m = guest_mem_create();
		REQUIRE(m);
		if (row->whole)
			CHECK_EQ(guest_mem_map(m, A, 16 * PAGE, fd, 0, true), 0);
		for (j = 0; j < 16 && !row->whole; j++)
			CHECK_EQ(guest_mem_map(m, A + j * PAGE, PAGE, fd, j * PAGE,
					       true), 0);
		CHECK_EQ(guest_mem_unmap(m, row->addr, row->len), 0);
		for (j = 0; j < 16; j++)
			CHECK_EQ(at(m, A + j * PAGE, true),
				 row->gone & 1u << j ? -1 : (int64_t)(1000 + j));
		guest_mem_stats(m, &s);
		CHECK_EQ(s.ranges, row->ranges);
		CHECK_EQ(s.files, !!row->ranges);
		CHECK_EQ(s.unmaps, !!row->gone);
		guest_mem_destroy(m);
	}
	test_row(NULL);
	close(fd);
}

/* How far one pointer reaches, and for what. */
static void reach(void)
{
	struct guest_mem *m = guest_mem_create();
	int fd = make_file(0);
	uint8_t *p, *q;
	size_t len;

	REQUIRE(m && fd >= 0);
	CHECK_EQ(guest_mem_map(m, A, 2 * PAGE, fd, 0, true), 0);
	CHECK_EQ(guest_mem_map(m, A + 2 * PAGE, PAGE, fd, 8 * PAGE, false), 0);
	guest_mem_lock(m);
	len = 64;
	p = guest_mem_ptr(m, A, &len, true);
	CHECK_EQ(len, 64);
	len = 64 * PAGE;
	q = guest_mem_ptr(m, A + PAGE + 4, &len, true);
	CHECK_EQ(len, PAGE - 4);
	CHECK_EQ(q - p, PAGE + 4);
	len = 64;
	CHECK(!guest_mem_ptr(m, A + 2 * PAGE, &len, true));
	CHECK(guest_mem_ptr(m, A + 2 * PAGE, &len, false) == p + 8 * PAGE);
	CHECK(!guest_mem_ptr(m, A + 3 * PAGE, &len, false));
	CHECK(!guest_mem_ptr(m, A - 1, &len, false));
	CHECK(!guest_mem_ptr(m, UINT64_MAX, &len, false));
	guest_mem_unlock(m);
	guest_mem_destroy(m);
	close(fd);
}

/* Each file is mapped once, as long as a range lies in it. */
static void files(void)
{
	int fd[2] = { make_file(100), make_file(5000) }, again, ro, pipes[2];
	struct guest_mem *m = guest_mem_create();
	struct guest_mem_stats s;
	char path[64];

	REQUIRE(m && fd[0] >= 0 && fd[1] >= 0);
	again = dup(fd[0]);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd[1]);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	REQUIRE(again >= 0 && ro >= 0 && !pipe(pipes));
	CHECK_EQ(guest_mem_map(m, A, PAGE, fd[0], 0, true), 0);
	CHECK_EQ(guest_mem_map(m, A + PAGE, PAGE, again, PAGE, true), 0);
	guest_mem_stats(m, &s);
	CHECK_EQ(s.files, 1);
	CHECK_EQ(guest_mem_map(m, 0, PAGE, ro, 7 * PAGE, true), 0);
	guest_mem_stats(m, &s);
	CHECK_EQ(s.files, 2);
	/* The client may say so, but it opened the file for reading. */
	CHECK_EQ(at(m, 0, true), -1);
	CHECK_EQ(at(m, 0, false), 5007);
	/* The same place in another file is not the same. */
	CHECK_EQ(guest_mem_map(m, A, PAGE, fd[1], 0, true), -EEXIST);
	CHECK_EQ(guest_mem_unmap(m, A, PAGE), 0);
	CHECK_EQ(at(m, A + PAGE, true), 101);
	CHECK_EQ(guest_mem_unmap(m, A + PAGE, PAGE), 0);
	guest_mem_stats(m, &s);
	CHECK_EQ(s.files, 1);

	/* One that grew is mapped a second time, at its new size. */
	CHECK_EQ(guest_mem_map(m, A, PAGE, fd[0], 0, true), 0);
	CHECK_EQ(guest_mem_map(m, A + PAGE, PAGE, fd[0], FILE_PAGES * PAGE, true), -EINVAL);
	CHECK_EQ(ftruncate(fd[0], 2 * FILE_PAGES * PAGE), 0);
	CHECK_EQ(guest_mem_map(m, A + PAGE, PAGE, fd[0], FILE_PAGES * PAGE, true), 0);
	CHECK_EQ(at(m, A + PAGE, true), 0);
	CHECK_EQ(at(m, A, true), 100);

	CHECK_EQ(guest_mem_map(m, 64 * PAGE, PAGE, -1, 0, true), -EBADF);
	CHECK_EQ(guest_mem_map(m, 64 * PAGE, PAGE, pipes[0], 0, true), -EINVAL);
	guest_mem_unmap_all(m);
	guest_mem_stats(m, &s);
	CHECK_EQ(s.files, 0);
	CHECK_EQ(s.ranges, 0);
	CHECK_EQ(s.ranges_max, 3);
	guest_mem_destroy(m);
	close(fd[0]);
	close(fd[1]);
	close(again);
	close(ro);
	close(pipes[0]);
	close(pipes[1]);
}

/* ---- many requests, against an array of pages ---- */

#define SPACE	1024		/* pages of address space */

static uint32_t rnd(uint64_t *state, uint32_t below)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (*state >> 33) % below;
}

static void random_requests(void)
{
	static int64_t model[SPACE];
	struct guest_mem *m = guest_mem_create();
	int fd = make_file(0), step, r;
	uint32_t first, n, page, i, mapped = 0;
	uint64_t state = 1;
	bool over;

	REQUIRE(m && fd >= 0);
	memset(model, -1, sizeof(model));
	for (step = 0; step < 20000 && !test_failures(); step++) {
		/* Small maps and few large unmaps, so that it fills and empties. */
		n = 1 + rnd(&state, rnd(&state, 16) ? 4 : 64);
		first = rnd(&state, SPACE - n);
		page = rnd(&state, FILE_PAGES - n);
		over = false;
		for (i = first; i < first + n; i++)
			over |= model[i] >= 0;
		if (rnd(&state, 3)) {
			r = guest_mem_map(m, A + first * PAGE, n * PAGE, fd,
					  page * PAGE, true);
			/* By chance it may be exactly what there is. */
			if (!over)
				CHECK_EQ(r, 0);
			else if (r)
				CHECK_EQ(r, -EEXIST);
			for (i = 0; i < n && !r; i++) {
				CHECK(!over || model[first + i] == page + i);
				model[first + i] = page + i;
			}
		} else {
			CHECK_EQ(guest_mem_unmap(m, A + first * PAGE, n * PAGE), 0);
			for (i = first; i < first + n; i++)
				model[i] = -1;
		}
		for (i = 0; i < 16; i++) {
			page = rnd(&state, SPACE);
			CHECK_EQ(at(m, A + page * PAGE, true), model[page]);
		}
	}
	for (i = 0; i < SPACE; i++) {
		CHECK_EQ(at(m, A + i * PAGE, true), model[i]);
		mapped += model[i] >= 0;
	}
	/* It must have been a real mixture. */
	CHECK(mapped > SPACE / 8 && mapped < SPACE * 7 / 8);
	guest_mem_destroy(m);
	close(fd);
}

/*
 * As many single pages as an IOMMU makes, in an order that would make a list of
 * a plain tree. All are gone by one request.
 */
static void many(void)
{
	struct guest_mem *m = guest_mem_create();
	uint32_t i, n = 200000;
	int fd = make_file(0);

	REQUIRE(m && fd >= 0);
	for (i = 0; i < n; i++)
		if (guest_mem_map(m, A + i * PAGE, PAGE, fd, i % FILE_PAGES * PAGE, true))
			break;
	CHECK_EQ(i, n);
	CHECK_EQ(ranges(m), n);
	for (i = 0; i < n; i += 997)
		CHECK_EQ(at(m, A + i * PAGE, true), i % FILE_PAGES);
	CHECK_EQ(guest_mem_unmap(m, A, (uint64_t)n * PAGE), 0);
	CHECK_EQ(ranges(m), 0);
	guest_mem_destroy(m);
	close(fd);
}

/* ---- engines at work ---- */

struct reader {
	struct guest_mem *m;
	bool stop;
	uint64_t wrong, seen;
};

/* A page is there with its own contents, or not at all. */
static void *read_pages(void *arg)
{
	struct reader *rd = arg;
	uint64_t state = (uintptr_t)&state;

	while (!__atomic_load_n(&rd->stop, __ATOMIC_ACQUIRE)) {
		uint32_t page = rnd(&state, FILE_PAGES);
		int64_t v = at(rd->m, A + page * PAGE, false);

		if (v >= 0) {
			__atomic_fetch_add(&rd->seen, 1, __ATOMIC_RELAXED);
			if (v != page)
				__atomic_fetch_add(&rd->wrong, 1, __ATOMIC_RELAXED);
		}
	}
	return NULL;
}

/*
 * The last unmap takes the file's mapping with it: an access that is still
 * going on when it returns would be a signal, not a wrong value.
 */
static void concurrent(void)
{
	struct reader rd = { .m = guest_mem_create() };
	int fd = make_file(0), round;
	pthread_t t[2];
	uint32_t i;

	REQUIRE(rd.m && fd >= 0);
	for (i = 0; i < 2; i++)
		REQUIRE(!pthread_create(&t[i], NULL, read_pages, &rd));
	for (round = 0; round < 200 || !__atomic_load_n(&rd.seen, __ATOMIC_RELAXED);
	     round++) {
		for (i = 0; i < FILE_PAGES; i++)
			guest_mem_map(rd.m, A + i * PAGE, PAGE, fd, i * PAGE, true);
		guest_mem_unmap(rd.m, A, FILE_PAGES / 2 * PAGE);
		guest_mem_unmap(rd.m, A, FILE_PAGES * PAGE);
	}
	__atomic_store_n(&rd.stop, true, __ATOMIC_RELEASE);
	for (i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	CHECK_EQ(rd.wrong, 0);
	guest_mem_destroy(rd.m);
	close(fd);
}

static const struct test_case tests[] = {
	{ "map", map },
	{ "unmap", unmap },
	{ "reach", reach },
	{ "files", files },
	{ "random", random_requests },
	{ "many", many },
	{ "concurrent", concurrent },
};

TEST_MAIN(tests)
