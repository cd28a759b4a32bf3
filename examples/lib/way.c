// SPDX-License-Identifier: MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xf86drm.h>

#include "report.h"
#include "way.h"

/* How often a thing is done in a round that can be done often */
#define SUBMITS		8
#define CHANGES		4
#define BYSTANDERS	16

#define OTHER_PAGES	16
#define HUGE_ALIGN	(2ul << 20)

static const struct {
	const char *name;
	const char *text;
} costs[COSTS] = {
	[COST_YARDSTICK] = { "yardstick", "a fixed piece of work of the CPU" },
	[COST_BARE_ALL] = { "bare-all", "drop all ranges, no BO" },
	[COST_BARE_MPROTECT] = { "bare-mprotect", "mprotect of an unrelated page, no BO" },
	[COST_BARE_MMAP] = { "bare-mmap", "mmap + touch + munmap of 64 KiB, no BO" },
	[COST_BARE_GAP] = { "bare-gap", "drop + touch a page between ranges, no BO" },
	[COST_REGISTER] = { "register", "create the BOs without getting pages" },
	[COST_UNREGISTER] = { "unregister", "close these BOs" },
	[COST_MREMAP] = { "mremap", "arrange the alias by mremap" },
	[COST_ARRANGE] = { "arrange", "arrange the alias by mmap" },
	[COST_CREATE] = { "create", "create the BOs" },
	[COST_MAP] = { "map", "map them to GPU addresses" },
	[COST_LIST] = { "list", "make the list of BOs" },
	[COST_FIRST] = { "first", "first submission" },
	[COST_SUBMIT] = { "submit", "submission, nothing changed" },
	[COST_SUBMIT_DONE] = { "submit-done", "submission, nothing changed, until the GPU is done" },
	[COST_MPROTECT] = { "mprotect", "mprotect of an unrelated page" },
	[COST_MMAP] = { "mmap", "mmap + touch + munmap of 64 KiB" },
	[COST_GAP] = { "gap", "drop + touch a page between ranges" },
	[COST_GAP_SUBMIT] = { "gap-submit", "submission after that" },
	[COST_ONE] = { "one", "drop one range" },
	[COST_ONE_SUBMIT] = { "one-submit", "submission after one range was dropped" },
	[COST_ONE_DONE] = { "one-done", "the same, until the GPU is done" },
	[COST_ALL] = { "all", "drop all ranges in one call" },
	[COST_ALL_SUBMIT] = { "all-submit", "submission after all ranges were dropped" },
	[COST_ALL_DONE] = { "all-done", "the same, until the GPU is done" },
	[COST_EACH] = { "each", "drop all ranges, a call each" },
	[COST_EACH_SUBMIT] = { "each-submit", "submission after all ranges were dropped, a call each" },
	[COST_TEARDOWN] = { "teardown", "unmap and free the BOs" },
	[COST_RELEASE] = { "release", "unmap the alias" },
};

/**
 * struct way - one way to make ranges visible to the GPU, while it is measured
 * @g: the GPU
 * @kind: how
 * @s: the memory
 * @alias: the ranges side by side, or MAP_FAILED
 * @n: number of buffer objects
 * @size: bytes of each
 * @bo: the batch as libdrm knows it
 * @handles: GEM handle of each, 0: none
 * @va: GPU address of the first; all of them are contiguous
 * @va_handle: owner of the address range
 * @list: for submissions
 * @other: memory that has nothing to do with it
 * @us: the results
 * @at: what is being done, for messages
 */
struct way {
	struct gpu *g;
	enum way_kind kind;
	struct shape s;
	uint8_t *alias;
	uint32_t n;
	uint64_t size;
	amdgpu_bo_handle bo;
	uint32_t *handles;
	uint64_t va;
	amdgpu_va_handle va_handle;
	uint32_t list;
	uint8_t *other;
	double *us;
	const char *at;
};

const char *cost_name(enum cost c)
{
	return costs[c].name;
}

const char *cost_text(enum cost c)
{
	return costs[c].text;
}

static void begin(struct way *w, enum cost c)
{
	w->at = costs[c].text;
}

/*
 * libdrm's call for one userptr insists on ANONONLY, which would keep a memfd out, and
 * on getting the pages at once; both are chosen here.
 */
static int create_userptr(struct way *w, uint64_t addr, uint32_t flags, uint32_t *handle)
{
	struct drm_amdgpu_gem_userptr args = {
		.addr = addr,
		.size = w->size,
		.flags = flags,
	};
	int r;

	r = drmCommandWriteRead(w->g->fd, DRM_AMDGPU_GEM_USERPTR, &args, sizeof(args));
	*handle = r ? 0 : args.handle;
	return r;
}

static int create(struct way *w, uint32_t flags)
{
	uint32_t i;
	int r;

	flags |= AMDGPU_GEM_USERPTR_REGISTER;
	switch (w->kind) {
	case WAY_BATCH:
		r = amdgpu_create_bo_from_user_mem_batch(w->g->dev, w->s.ranges, w->s.n, flags,
							 NULL, &w->bo);
		if (r)
			return r;
		return amdgpu_bo_export(w->bo, amdgpu_bo_handle_type_kms, &w->handles[0]);
	case WAY_SINGLES:
		for (i = 0, r = 0; i < w->n && !r; i++)
			r = create_userptr(w, w->s.ranges[i].addr, flags, &w->handles[i]);
		return r;
	case WAY_SPAN:
		return create_userptr(w, (uintptr_t)w->s.base, flags, &w->handles[0]);
	default:
		return create_userptr(w, (uintptr_t)w->alias, flags, &w->handles[0]);
	}
}

static void close_all(struct way *w)
{
	uint32_t i;

	if (w->bo) {
		amdgpu_bo_free(w->bo);
		w->bo = NULL;
		w->handles[0] = 0;
	}
	for (i = 0; i < w->n; i++) {
		if (w->handles[i])
			drmCloseBufferHandle(w->g->fd, w->handles[i]);
		w->handles[i] = 0;
	}
}

/* The GPU sees the ranges at contiguous addresses either way. */
static int va_op(struct way *w, uint32_t op)
{
	struct drm_amdgpu_gem_va args = {
		.operation = op,
		.flags = AMDGPU_VM_PAGE_READABLE | AMDGPU_VM_PAGE_WRITEABLE,
		.map_size = w->size,
	};
	uint32_t i;
	int r = 0;

	for (i = 0; i < w->n && !r; i++) {
		args.handle = w->handles[i];
		args.va_address = w->va + i * w->size;
		r = drmCommandWriteRead(w->g->fd, DRM_AMDGPU_GEM_VA, &args, sizeof(args));
	}
	return r;
}

/* Map the ranges once more, in their order, side by side. */
static int alias_make(struct way *w, int by_mremap)
{
	size_t size = (size_t)w->s.n * PAGE;
	uint8_t *from, *to;
	uint32_t i;
	void *p;
	int err;

	w->alias = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (w->alias == MAP_FAILED)
		return report_fail("%zu bytes of address space: %s", size, strerror(errno));
	for (i = 0; i < w->s.n; i++) {
		from = (uint8_t *)(uintptr_t)w->s.ranges[i].addr;
		to = w->alias + (size_t)i * PAGE;
		/* A size of 0 means: leave the old mapping as it is. Shared memory only. */
		if (by_mremap)
			p = mremap(from, 0, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to);
		else
			p = mmap(to, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
				 w->s.fd, from - w->s.base);
		if (p != MAP_FAILED)
			continue;
		err = errno;
		report_fail("mapping %u of %u of the alias: %s; vm.max_map_count is %lu", i + 1,
			    w->s.n, strerror(err), shape_limit());
		return err == ENOMEM ? SHAPE_IMPOSSIBLE : -1;
	}
	return 0;
}

static void alias_drop(struct way *w)
{
	if (w->alias != MAP_FAILED)
		munmap(w->alias, (size_t)w->s.n * PAGE);
	w->alias = MAP_FAILED;
}

static int submit(struct way *w, struct samples *ioctl, struct samples *done)
{
	double t = now_us();
	int r;

	r = gpu_submit(w->g, w->list);
	if (r)
		return r;
	if (ioctl)
		samples_add(ioctl, now_us() - t);
	r = gpu_wait(w->g);
	if (!r && done)
		samples_add(done, now_us() - t);
	return r;
}

static int submit_once(struct way *w, enum cost ioctl, enum cost done)
{
	struct samples a = {}, b = {};
	int r;

	begin(w, ioctl);
	r = submit(w, &a, &b);
	w->us[ioctl] = samples_median(&a);
	if (done < COSTS)
		w->us[done] = samples_median(&b);
	return r;
}

static void yardstick(struct way *w)
{
	volatile uint32_t sum = 0;
	double t = now_us();
	uint32_t i;

	for (i = 0; i < 100000; i++)
		sum += i * i;
	for (i = 0; i < 500; i++)
		getppid();
	w->us[COST_YARDSTICK] = now_us() - t;
}

/* What the rest of the process does with its memory */
static int bystanders(struct way *w, enum cost prot, enum cost map)
{
	struct samples a = {}, b = {};
	uint8_t *p;
	uint32_t i, k;
	double t;

	for (i = 0; i < BYSTANDERS; i++) {
		t = now_us();
		if (mprotect(w->other + PAGE, PAGE, PROT_READ) ||
		    mprotect(w->other + PAGE, PAGE, PROT_READ | PROT_WRITE))
			return -errno;
		samples_add(&a, now_us() - t);

		t = now_us();
		p = mmap(NULL, OTHER_PAGES * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			return -errno;
		for (k = 0; k < OTHER_PAGES; k++)
			*(volatile uint8_t *)(p + k * PAGE) = 1;
		munmap(p, OTHER_PAGES * PAGE);
		samples_add(&b, now_us() - t);
	}
	w->us[prot] = samples_median(&a);
	w->us[map] = samples_median(&b);
	return 0;
}

/* A change between the ranges; the submission after it only with a buffer object */
static int gap(struct way *w, enum cost change, enum cost after)
{
	struct samples a = {}, b = {};
	uint8_t *p = shape_gap(&w->s);
	uint32_t i;
	double t;
	int r = 0;

	if (!p)
		return 0;
	*(volatile uint8_t *)p = 1;
	for (i = 0; i < CHANGES && !r; i++) {
		t = now_us();
		if (madvise(p, PAGE, MADV_DONTNEED))
			return -errno;
		*(volatile uint8_t *)p = 1;
		samples_add(&a, now_us() - t);
		if (after < COSTS)
			r = submit(w, &b, NULL);
	}
	w->us[change] = samples_median(&a);
	if (after < COSTS)
		w->us[after] = samples_median(&b);
	return r;
}

static int measure_bare(struct way *w)
{
	double t;
	int r;

	begin(w, COST_BARE_ALL);
	t = now_us();
	r = shape_drop_all(&w->s);
	w->us[COST_BARE_ALL] = now_us() - t;
	if (r)
		return r;
	shape_fill(&w->s);

	begin(w, COST_BARE_MPROTECT);
	r = bystanders(w, COST_BARE_MPROTECT, COST_BARE_MMAP);
	if (r)
		return r;
	begin(w, COST_BARE_GAP);
	return gap(w, COST_BARE_GAP, COSTS);
}

/* The second time counts: the first one fills the allocator's and the CPU's caches. */
static int measure_register(struct way *w)
{
	uint32_t i;
	double t;
	int r = 0;

	begin(w, COST_REGISTER);
	for (i = 0; i < 2 && !r; i++) {
		t = now_us();
		r = create(w, 0);
		w->us[COST_REGISTER] = now_us() - t;
		t = now_us();
		close_all(w);
		w->us[COST_UNREGISTER] = now_us() - t;
	}
	return r;
}

/* Up to the first submission, which finishes what mapping began */
static int measure_setup(struct way *w)
{
	double t;
	int r;

	begin(w, COST_CREATE);
	t = now_us();
	r = create(w, AMDGPU_GEM_USERPTR_VALIDATE);
	w->us[COST_CREATE] = now_us() - t;
	if (r)
		return r;

	begin(w, COST_MAP);
	t = now_us();
	r = va_op(w, AMDGPU_VA_OP_MAP);
	w->us[COST_MAP] = now_us() - t;
	if (r)
		return r;

	begin(w, COST_LIST);
	t = now_us();
	r = gpu_list_handles(w->g, w->handles, w->n, &w->list);
	w->us[COST_LIST] = now_us() - t;
	return r ? r : submit_once(w, COST_FIRST, COSTS);
}

static int measure_steady(struct way *w)
{
	struct samples a = {}, b = {};
	uint32_t i;
	int r = 0;

	begin(w, COST_SUBMIT);
	for (i = 0; i < SUBMITS && !r; i++)
		r = submit(w, &a, &b);
	w->us[COST_SUBMIT] = samples_median(&a);
	w->us[COST_SUBMIT_DONE] = samples_median(&b);
	return r;
}

static int measure_one(struct way *w)
{
	struct samples a = {}, b = {}, c = {};
	uint32_t i;
	double t;
	int r = 0;

	begin(w, COST_ONE);
	for (i = 0; i < CHANGES && !r; i++) {
		t = now_us();
		r = shape_drop(&w->s, (uint64_t)w->s.n * i / CHANGES);
		samples_add(&a, now_us() - t);
		if (!r)
			r = submit(w, &b, &c);
	}
	w->us[COST_ONE] = samples_median(&a);
	w->us[COST_ONE_SUBMIT] = samples_median(&b);
	w->us[COST_ONE_DONE] = samples_median(&c);
	return r;
}

static int measure_all(struct way *w, struct round *round)
{
	uint32_t i;
	double t;
	int r;

	begin(w, COST_ALL);
	t = now_us();
	r = shape_drop_all(&w->s);
	w->us[COST_ALL] = now_us() - t;
	if (!r)
		r = submit_once(w, COST_ALL_SUBMIT, COST_ALL_DONE);
	if (r)
		return r;
	round->present = shape_present(&w->s);
	if (!(round->parts & ROUND_EACH))
		return 0;

	begin(w, COST_EACH);
	t = now_us();
	for (i = 0; i < w->s.n && !r; i++)
		r = shape_drop(&w->s, i);
	w->us[COST_EACH] = now_us() - t;
	return r ? r : submit_once(w, COST_EACH_SUBMIT, COSTS);
}

static int measure(struct way *w, struct round *round)
{
	unsigned int parts = round->parts;
	int r = 0;

	if (parts & ROUND_REGISTER)
		r = measure_register(w);
	if (!r)
		r = measure_setup(w);
	if (!r)
		r = measure_steady(w);
	if (!r && (parts & ROUND_BARE)) {
		begin(w, COST_MPROTECT);
		r = bystanders(w, COST_MPROTECT, COST_MMAP);
		if (!r) {
			begin(w, COST_GAP);
			r = gap(w, COST_GAP, COST_GAP_SUBMIT);
		}
	}
	if (!r && (parts & ROUND_ONE))
		r = measure_one(w);
	return r ? r : measure_all(w, round);
}

static void teardown(struct way *w)
{
	double t = now_us();

	if (w->list)
		amdgpu_bo_list_destroy_raw(w->g->dev, w->list);
	/* Of those that were not mapped it fails, which is no news after a failure. */
	va_op(w, AMDGPU_VA_OP_UNMAP);
	close_all(w);
	w->us[COST_TEARDOWN] = now_us() - t;
}

static int alias_measure(struct way *w)
{
	double t;
	int r;

	t = now_us();
	r = alias_make(w, 1);
	w->us[COST_MREMAP] = now_us() - t;
	alias_drop(w);
	if (r)
		return r;
	t = now_us();
	r = alias_make(w, 0);
	w->us[COST_ARRANGE] = now_us() - t;
	return r;
}

static int run_with_memory(struct way *w, struct round *round)
{
	double t;
	int r = 0;

	yardstick(w);
	shape_fill(&w->s);
	if (round->parts & ROUND_BARE)
		r = measure_bare(w);
	if (r)
		return report_fail("%s: %s", w->at, strerror(-r));
	if (w->kind == WAY_ALIAS) {
		r = alias_measure(w);
		if (r)
			return r;
	}

	r = amdgpu_va_range_alloc(w->g->dev, amdgpu_gpu_va_range_general, w->n * w->size,
				  w->n * w->size >= HUGE_ALIGN ? HUGE_ALIGN : 0, 0, &w->va,
				  &w->va_handle, 0);
	if (r)
		return report_fail("GPU addresses: %s", strerror(-r));
	r = measure(w, round);
	if (r)
		report_fail("%s: %s", w->at, strerror(-r));
	teardown(w);
	amdgpu_va_range_free(w->va_handle);

	t = now_us();
	alias_drop(w);
	if (w->kind == WAY_ALIAS)
		w->us[COST_RELEASE] = now_us() - t;
	return r ? -1 : 0;
}

int round_run(struct gpu *g, struct round *r, struct rng *rng)
{
	struct way w = {
		.g = g,
		.kind = r->way,
		.alias = MAP_FAILED,
		.us = r->us,
	};
	uint32_t i;
	int ret;

	for (i = 0; i < COSTS; i++)
		r->us[i] = NAN;
	r->present = 0;
	ret = shape_init(&w.s, r->shape, r->n, rng);
	if (ret)
		goto out_shape;

	w.n = w.kind == WAY_SINGLES ? r->n : 1;
	w.size = w.kind == WAY_SINGLES ? PAGE :
		 w.kind == WAY_SPAN ? shape_span(&w.s) : (uint64_t)r->n * PAGE;
	w.handles = calloc(w.n, sizeof(*w.handles));
	w.other = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!w.handles || w.other == MAP_FAILED) {
		ret = report_fail("out of memory");
		goto out;
	}
	w.other[PAGE] = 1;
	ret = run_with_memory(&w, r);
	alias_drop(&w);
out:
	if (w.other != MAP_FAILED)
		munmap(w.other, 3 * PAGE);
	free(w.handles);
out_shape:
	shape_fini(&w.s);
	return ret;
}
