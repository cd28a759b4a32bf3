// SPDX-License-Identifier: MIT

/**
 * TEST: userptr batch inject
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: Memory management tests
 * Functionality: userptr
 * Description: Batch userptr BOs while something in the kernel goes wrong: that
 *	a call fails with the right error, leaves nothing behind, and works when
 *	it is tried again
 */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "lib/amdgpu/amd_userptr_batch.h"
#include "lib/amdgpu/amd_userptr_batch_debug.h"
#include "lib/amdgpu/amd_userptr_batch_life.h"

IGT_TEST_DESCRIPTION("Errors in the middle of everything that is done for one BO of "
		     "many pieces of CPU memory: nothing is left behind, the next "
		     "attempt works");

#define STAGING_SIZE (4ull << 20)

/* seeds of the patterns, in the order in which a subtest uses them */
enum { OLD = 1, NEW, GPU_WRITTEN };

/*
 * What is made to fail, the last of four steps in the life of a BO. The steps
 * before it run without a fault.
 */

/**
 * struct attempt - a BO on its way
 * @gpu: device
 * @pieces: the memory
 * @flags: AMDGPU_GEM_USERPTR_* for the creation
 * @bo: the BO, as far as it exists
 * @fence: the job, if it was submitted
 */
struct attempt {
	struct batch_gpu *gpu;
	struct batch_pieces *pieces;
	uint32_t flags;
	struct batch_bo bo;
	uint64_t fence;
};

static int create(struct attempt *a)
{
	return __batch_create(a->gpu->fd, a->pieces, a->flags, &a->bo);
}

static void reserve(struct attempt *a)
{
	do_or_die(amdgpu_va_range_alloc(a->gpu->dev, amdgpu_gpu_va_range_general,
					a->bo.size, BATCH_HUGE, 0, &a->bo.va,
					&a->bo.va_handle, 0));
}

static void to_map(struct attempt *a)
{
	igt_assert_eq(create(a), 0);
	reserve(a);
}

static int map_flags(struct attempt *a, uint32_t flags)
{
	return __batch_va(a->gpu->fd, a->bo.handle, AMDGPU_VA_OP_MAP, a->bo.va, 0,
			  a->bo.size, flags | AMDGPU_VM_PAGE_READABLE |
			  AMDGPU_VM_PAGE_WRITEABLE);
}

static int map(struct attempt *a)
{
	return map_flags(a, 0);
}

/*
 * Map what was just created. amdgpu_gem_object_open() of Linux 7.3 does not say so
 * when it cannot allocate a BO's place in the VM; then GEM_VA finds none.
 */
static void map_created(struct attempt *a, bool faulted)
{
	int r;

	reserve(a);
	r = map(a);
	if (r == -ENOENT && faulted) {
		do_or_die(drmCloseBufferHandle(a->gpu->fd, a->bo.handle));
		do_or_die(amdgpu_va_range_free(a->bo.va_handle));
		to_map(a);
		r = map(a);
	}
	igt_assert_eq(r, 0);
}

/* All that GEM_VA can put off is left to the submission. */
static void to_first(struct attempt *a)
{
	to_map(a);
	igt_assert_eq(map_flags(a, AMDGPU_VM_DELAY_UPDATE), 0);
}

static bool is_hit(unsigned int i)
{
	return i % 3 == 0;
}

/* A third of the ranges has to be brought back. */
static void to_restore(struct attempt *a)
{
	unsigned int i;

	to_map(a);
	igt_assert_eq(map(a), 0);
	batch_read_check(a->gpu, &a->bo, OLD);
	for (i = 0; i < a->pieces->layout.num_ranges; i++) {
		if (!is_hit(i))
			continue;
		do_or_die(madvise(batch_range_ptr(a->pieces, i),
				  batch_range_size(a->pieces, i), MADV_DONTNEED));
		batch_fill_range(a->pieces, i, NEW);
	}
}

/* Waiting comes later, without a fault. */
static int submit(struct attempt *a)
{
	struct batch_gpu *gpu = a->gpu;

	memset(gpu->staging.cpu, 0xa5, a->bo.size);
	return __batch_submit(gpu, &a->bo, gpu->staging.va, a->bo.va, a->bo.size, 1,
			      &a->fence);
}

static const struct step {
	const char *name;
	void (*prepare)(struct attempt *a);
	int (*run)(struct attempt *a);
	bool bo_exists;		/* before it runs */
	bool submits;
	bool restores;
} steps[] = {
	{ "create", NULL, create, false, false, false },
	{ "map", to_map, map, true, false, false },
	{ "first", to_first, submit, true, true, false },
	{ "restore", to_restore, submit, true, true, true },
};

enum { CREATE, MAP, FIRST, RESTORE };

/* What the GPU sees, after the step or after all of them. */
static void check_seen(struct attempt *a, bool restored)
{
	struct batch_pieces *pieces = a->pieces;
	unsigned int i;

	for (i = 0; i < pieces->layout.num_ranges; i++)
		batch_check_words((uint8_t *)a->gpu->staging.cpu + pieces->offsets[i],
				  batch_range_size(pieces, i), pieces->offsets[i],
				  restored && is_hit(i) ? NEW : OLD, "GPU");
}

/*
 * Nothing was copied, in neither direction. But the job runs when all that failed is
 * to tell user space its number, see close_unseen().
 */
static void check_untouched(struct attempt *a, bool restored, int error)
{
	const uint8_t *staging = a->gpu->staging.cpu;
	uint64_t i;

	for (i = 0; i < a->bo.size && error != -EFAULT; i++)
		igt_assert_f(staging[i] == 0xa5, "GPU wrote to byte %llu\n",
			     (unsigned long long)i);
	for (i = 0; i < a->pieces->layout.num_ranges; i++)
		batch_check_range(a->pieces, i, restored && is_hit(i) ? NEW : OLD);
}

/* No notifier of a call that failed watches the memory any more. */
static void check_unwatched(struct attempt *a)
{
	struct batch_pieces *pieces = a->pieces;
	unsigned int i;

	batch_trace_clear();
	for (i = 0; i < pieces->layout.num_ranges && i < 64; i++) {
		do_or_die(mprotect(batch_range_ptr(pieces, i),
				   batch_range_size(pieces, i), PROT_READ));
		do_or_die(mprotect(batch_range_ptr(pieces, i),
				   batch_range_size(pieces, i), PROT_READ | PROT_WRITE));
	}
	igt_assert_eq_u32(batch_trace_count("invalidate", NULL), 0);
	igt_assert_eq_u32(batch_trace_count("create", NULL), 0);
}

/*
 * DRM's last act is to copy the result to user space. When only that fails, the BO
 * is there, and so it would be with any ioctl that makes one.
 */
static void close_unseen(struct batch_gpu *gpu, const struct batch_left *before)
{
	struct drm_amdgpu_gem_list_handles_entry entries[64] = {};
	struct drm_amdgpu_gem_list_handles list = {
		.entries = (uintptr_t)entries,
		.num_entries = ARRAY_SIZE(entries),
	};
	unsigned int i;

	if (batch_count_handles(gpu->fd) != before->handles + 1)
		return;
	do_ioctl(gpu->fd, DRM_IOCTL_AMDGPU_GEM_LIST_HANDLES, &list);
	for (i = 0; i < list.num_entries; i++)
		if (entries[i].gem_handle != gpu->ib.handle &&
		    entries[i].gem_handle != gpu->staging.handle)
			do_or_die(drmCloseBufferHandle(gpu->fd, entries[i].gem_handle));
}

/**
 * struct source - where errors come from
 * @arm: has the call or allocation fail that is number nth from now on
 * @disarm: returns whether it came to that
 * @errors: what may come of it, ends with 0
 * @certain: every error must be returned, none can be worked around
 */
struct source {
	void (*arm)(unsigned int nth);
	bool (*disarm)(void);
	int errors[4];
	bool certain;
};

static bool is_error(const struct source *source, int r)
{
	unsigned int i;

	for (i = 0; source->errors[i]; i++)
		if (r == -source->errors[i])
			return true;
	return false;
}

/*
 * Have the first, the second, ... error happen, until none is left. The GPU copies
 * through the BO unless @use is false.
 */
static void sweep(struct batch_gpu *gpu, const struct source *source,
		  const struct step *step, const struct batch_layout *layout,
		  uint32_t flags, bool use)
{
	struct attempt a = { .gpu = gpu, .flags = flags };
	unsigned int nth, faults = 0, failures = 0;
	struct batch_left before;
	bool faulted = true;
	int r;

	a.pieces = batch_pieces_alloc(layout);
	if (use)
		batch_fill(a.pieces, OLD);

	for (nth = 0; faulted; nth++) {
		batch_left_begin(gpu, &before);
		if (step->prepare)
			step->prepare(&a);

		/* the first round is without, so that user space has its pages */
		if (nth)
			source->arm(nth);
		r = step->run(&a);
		faulted = !nth;
		if (nth)
			faulted = source->disarm();
		else
			igt_assert_eq(r, 0);

		if (nth && faulted)
			faults++;
		if (r) {
			failures++;
			igt_debug("%s: fault %u: %d\n", step->name, nth, r);
			igt_assert_f(faulted, "error %d without a fault\n", r);
			igt_assert_f(is_error(source, r), "fault %u: error %d\n", nth, r);
			if (!step->bo_exists) {
				if (r == -EFAULT)
					close_unseen(gpu, &before);
				batch_left_check(gpu, &before);
				check_unwatched(&a);
			}
			if (step->submits)
				check_untouched(&a, step->restores, r);
			igt_assert_eq(step->run(&a), 0);
		} else if (nth && source->certain) {
			igt_assert_f(!faulted, "fault %u had no effect\n", nth);
		}
		if (step->submits) {
			igt_assert_eq(__batch_wait(gpu, a.fence), 0);
			check_seen(&a, step->restores);
		}

		/* whatever went wrong, from here on all must be well */
		if (use) {
			if (!step->bo_exists)
				map_created(&a, !r && faulted);
			batch_read(gpu, &a.bo);
			check_seen(&a, step->restores);
			batch_write_check(gpu, &a.bo, a.pieces, GPU_WRITTEN);
		}
		batch_destroy(gpu, &a.bo);
		batch_left_check(gpu, &before);
		if (use)
			batch_fill(a.pieces, OLD);
	}
	igt_info("%u faults, %u of them failed the call\n", faults, failures);
	igt_assert_f(faults, "there was nothing to fail\n");
	batch_pieces_free(a.pieces);
}

/**
 * SUBTEST: inject-%s
 * Description: A function of the driver fails, every one of its calls in turn:
 *	%arg[1].
 *
 * arg[1]:
 *
 * @amdgpu_userptr_ranges_init:		at creation
 * @amdgpu_userptr_batch_copy:		at creation
 * @amdgpu_userptr_batch_account:	at creation
 * @amdgpu_userptr_ranges_sort:		at creation
 * @amdgpu_userptr_batch_dma_init:	at creation
 * @amdgpu_userptr_batch_attach:	at creation
 * @amdgpu_userptr_insert_notifier:	at creation
 * @amdgpu_userptr_batch_fault:		at creation
 * @amdgpu_userptr_batch_fault-first:	in the first submission
 * @amdgpu_userptr_batch_fault-restore:	in a submission that restores ranges
 * @amdgpu_userptr_batch_dma_map-map:	when the BO is mapped, which it survives
 * @amdgpu_userptr_batch_dma_map-first:	in the first submission
 * @amdgpu_userptr_batch_dma_map-restore: in a submission that restores ranges
 * @amdgpu_userptr_update_flush_span-map: when the BO is mapped, which it survives
 * @amdgpu_userptr_update_flush_span-first: in the first submission
 * @amdgpu_userptr_update_flush_span-restore: in a submission that restores ranges
 */
static const struct injection {
	const char *function;
	int step;
	int error;		/* 0: ENOMEM */
} injections[] = {
	{ "amdgpu_userptr_ranges_init", CREATE },
	{ "amdgpu_userptr_batch_copy", CREATE },
	/* has no other error, which compilers know */
	{ "amdgpu_userptr_batch_account", CREATE, E2BIG },
	{ "amdgpu_userptr_ranges_sort", CREATE },
	{ "amdgpu_userptr_batch_dma_init", CREATE },
	{ "amdgpu_userptr_batch_attach", CREATE },
	{ "amdgpu_userptr_insert_notifier", CREATE },
	{ "amdgpu_userptr_batch_fault", CREATE },
	{ "amdgpu_userptr_batch_fault", FIRST },
	{ "amdgpu_userptr_batch_fault", RESTORE },
	{ "amdgpu_userptr_batch_dma_map", MAP },
	{ "amdgpu_userptr_batch_dma_map", FIRST },
	{ "amdgpu_userptr_batch_dma_map", RESTORE },
	{ "amdgpu_userptr_update_flush_span", MAP },
	{ "amdgpu_userptr_update_flush_span", FIRST },
	{ "amdgpu_userptr_update_flush_span", RESTORE },
};

static void inject(struct batch_gpu *gpu, const struct injection *what)
{
	static const struct batch_layout layout = {
		12, 2, 2, 1, BATCH_MIXED, BATCH_SHUFFLED
	};
	struct source source = {
		.arm = batch_inject_arm,
		.disarm = batch_inject_disarm,
		.errors = { what->error ?: ENOMEM },
		/* errors of page table updates are not GEM_VA's */
		.certain = what->step != MAP,
	};

	batch_trace_start();
	batch_inject_select(what->function, source.errors[0]);
	sweep(gpu, &source, &steps[what->step], &layout, BATCH_RW, true);
	batch_settings_restore();
}

/**
 * SUBTEST: inject-complete
 * Description: Each function of the driver that can be made to fail has a
 *	subtest, and each of these subtests has a function.
 */
static void found(const char *function, void *data)
{
	bool *seen = data, known = false;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(injections); i++) {
		if (strcmp(injections[i].function, function))
			continue;
		known = seen[i] = true;
	}
	igt_assert_f(known, "no subtest makes %s fail\n", function);
}

static void inject_complete(void)
{
	bool seen[ARRAY_SIZE(injections)] = {};
	unsigned int i;

	igt_require_f(batch_injectable(found, seen),
		      "kernel without CONFIG_FUNCTION_ERROR_INJECTION\n");
	for (i = 0; i < ARRAY_SIZE(injections); i++)
		igt_assert_f(seen[i], "%s cannot be made to fail\n",
			     injections[i].function);
}

/**
 * SUBTEST: failslab-sweep-%s
 * Description: Objects of the slab allocator are not to be had, each in turn, at
 *	%arg[1].
 *
 * arg[1]:
 *
 * @create-one:			creation with one range
 * @create-many:		creation with so many ranges that the arrays are
 *				several pages
 * @create-large:		creation with an array larger than any slab
 * @map-one:			GEM_VA, one range
 * @map-many:			GEM_VA, many ranges
 */

/**
 * SUBTEST: fail-page-alloc-sweep-%s
 * Description: The same with pages, at %arg[1].
 *
 * arg[1]:
 *
 * @create-one:			creation with one range
 * @create-many:		creation with so many ranges that the arrays are
 *				several pages
 * @create-large:		creation with an array larger than any slab
 * @map-one:			GEM_VA, one range
 * @map-many:			GEM_VA, many ranges
 */

/**
 * SUBTEST: usercopy-sweep-%s
 * Description: The same with copies from and to user memory, at %arg[1].
 *
 * arg[1]:
 *
 * @create-one:			creation with one range
 * @create-many:		creation with so many ranges that the arrays are
 *				several pages
 * @create-large:		creation with an array larger than any slab
 * @map-one:			GEM_VA, one range
 * @map-many:			GEM_VA, many ranges
 * @first-one:			the first submission, one range
 * @first-many:			the first submission, many ranges
 * @restore-many:		a submission that restores a third of the ranges
 */
static const struct {
	const char *name;
	enum batch_fault fault;
	int errors[4];
} faults[] = {
	/* handle_mm_fault() tells hmm_range_fault() no more than that it failed */
	{ "failslab", BATCH_FAULT_SLAB, { ENOMEM, EFAULT } },
	{ "fail-page-alloc", BATCH_FAULT_PAGES, { ENOMEM, EFAULT } },
	{ "usercopy", BATCH_FAULT_USERCOPY, { EFAULT } },
};

/*
 * Linux 7.3 itself does not survive all of it, whatever the BO is made of. When a
 * submission's chunks cannot be allocated, amdgpu_cs_parser_fini() follows a NULL
 * pointer; so submissions only lose user copies here, and functions above. When
 * page tables need a second job, from about a hundred pages on, and that cannot be
 * allocated, amdgpu_vm_pte_update_flags() drops the error and the next update
 * crashes; so BOs that are mapped have less.
 */
static const struct shape {
	const char *name;
	int step;
	bool large;		/* no VALIDATE, and no use by the GPU */
	struct batch_layout layout;
} shapes[] = {
	{ "one", CREATE, false, { 1, 16, 0, 1, BATCH_ANON, BATCH_ASCENDING } },
	{ "many", CREATE, false, { 300, 1, 0, 1, BATCH_ANON, BATCH_SHUFFLED } },
	{ "large", CREATE, true, { 40000, 1, 0, 1, BATCH_ONE_VMA, BATCH_SHUFFLED } },
	{ "one", MAP, false, { 1, 16, 0, 1, BATCH_ANON, BATCH_ASCENDING } },
	{ "many", MAP, false, { 48, 1, 0, 1, BATCH_ANON, BATCH_SHUFFLED } },
	{ "one", FIRST, false, { 1, 16, 0, 1, BATCH_ANON, BATCH_ASCENDING } },
	{ "many", FIRST, false, { 48, 1, 0, 1, BATCH_ANON, BATCH_SHUFFLED } },
	{ "many", RESTORE, false, { 48, 1, 0, 1, BATCH_ANON, BATCH_SHUFFLED } },
};

static void fault(struct batch_gpu *gpu, unsigned int i, const struct shape *shape)
{
	struct source source = {
		.arm = batch_fault_arm,
		.disarm = batch_fault_disarm,
	};

	memcpy(source.errors, faults[i].errors, sizeof(source.errors));
	batch_trace_start();
	batch_fault_select(faults[i].fault);
	sweep(gpu, &source, &steps[shape->step], &shape->layout,
	      shape->large ? AMDGPU_GEM_USERPTR_REGISTER : BATCH_RW, !shape->large);
	batch_settings_restore();
}

/**
 * SUBTEST: forced-invalidation-%s
 * Description: Ranges are taken away at the last moment of %arg[1] submission;
 *	it is tried again, and the GPU sees the right memory.
 *
 * arg[1]:
 *
 * @every:			every
 * @second:			every second
 * @third:			every third
 */
static const struct forced {
	const char *name;
	unsigned int every;
} forced[] = {
	{ "every", 1 },
	{ "second", 2 },
	{ "third", 3 },
};

static const char inval_inject[] = BATCH_PARAMETERS "userptr_batch_inval_inject";

/* No submission gets through, and drmIoctl() goes on trying, until it ends. */
static void read_until_it_ends(struct batch_gpu *gpu, struct batch_bo *bo)
{
	igt_fork(child, 1) {
		usleep(200000);
		igt_assert(batch_write_file(inval_inject, "0"));
	}
	batch_read_check(gpu, bo, OLD);
	igt_waitchildren();
}

static void forced_invalidation(struct batch_gpu *gpu, const struct forced *how)
{
	static const struct batch_layout layout = {
		64, 2, 0, 1, BATCH_MIXED, BATCH_SHUFFLED
	};
	struct batch_pieces *pieces = batch_pieces_alloc(&layout);
	unsigned int submissions = 0, i;
	uint64_t before, after, want;
	struct batch_bo bo;

	batch_fill(pieces, OLD);
	batch_create(gpu, pieces, BATCH_RW, &bo);
	batch_map(gpu, &bo);
	batch_read_check(gpu, &bo, OLD);
	igt_require_f(batch_counter(gpu, "invalidations", &before),
		      "no counters in debugfs\n");
	igt_require_f(batch_setting(inval_inject, "%u", how->every),
		      "kernel without CONFIG_DRM_AMDGPU_USERPTR_INVAL_INJECT\n");

	if (how->every == 1) {
		read_until_it_ends(gpu, &bo);
		want = layout.num_ranges;
	} else {
		for (i = 0; i < 12; i++, submissions += 2) {
			batch_fill(pieces, OLD + 2 * i);
			batch_read_check(gpu, &bo, OLD + 2 * i);
			batch_write_check(gpu, &bo, pieces, OLD + 2 * i + 1);
		}
		/* one half of the ranges, the next time the other */
		want = (submissions - 1) / (how->every - 1) * layout.num_ranges / 2;
	}
	batch_counter(gpu, "invalidations", &after);
	batch_settings_restore();
	igt_info("%llu ranges invalidated\n", (unsigned long long)(after - before));
	igt_assert(after - before >= want);

	/* and then it is over */
	batch_fill(pieces, NEW);
	batch_read_check(gpu, &bo, NEW);
	batch_counter(gpu, "invalidations", &before);
	igt_assert_eq_u64(before, after);
	batch_destroy(gpu, &bo);
	batch_pieces_free(pieces);
}

/**
 * SUBTEST: forced-invalidation-for-ever
 * Description: When no submission ever gets through, the one that libdrm repeats
 *	ends with EBUSY all the same, and the next ones work as soon as they can.
 */
static void forced_for_ever(struct batch_gpu *gpu)
{
	static const struct batch_layout layout = {
		64, 2, 0, 1, BATCH_MIXED, BATCH_SHUFFLED
	};
	struct batch_pieces *pieces = batch_pieces_alloc(&layout);
	struct batch_bo bo;

	batch_fill(pieces, OLD);
	batch_create(gpu, pieces, BATCH_RW, &bo);
	batch_map(gpu, &bo);
	batch_read_check(gpu, &bo, OLD);
	igt_require_f(batch_setting(inval_inject, "%u", 1),
		      "kernel without CONFIG_DRM_AMDGPU_USERPTR_INVAL_INJECT\n");
	igt_set_timeout(100, "a submission that cannot get through");
	igt_assert_eq(__batch_read(gpu, &bo), -EBUSY);
	igt_assert_eq(__batch_read(gpu, &bo), -EBUSY);
	igt_reset_timeout();
	batch_settings_restore();

	batch_fill(pieces, NEW);
	batch_read_check(gpu, &bo, NEW);
	batch_destroy(gpu, &bo);
	batch_pieces_free(pieces);
}

int igt_main()
{
	struct batch_gpu gpu;
	unsigned int i, k;
	int fd = -1;

	igt_fixture() {
		fd = drm_open_driver_render(DRIVER_AMDGPU);
		batch_gpu_init(&gpu, fd, STAGING_SIZE);
	}

	igt_describe("Subtests for all functions that can be made to fail");
	igt_subtest("inject-complete")
		inject_complete();

	for (i = 0; i < ARRAY_SIZE(injections); i++) {
		int step = injections[i].step;

		igt_describe("Each call of a function of the driver fails in turn");
		igt_subtest_f("inject-%s%s%s", injections[i].function,
			      step == CREATE ? "" : "-",
			      step == CREATE ? "" : steps[step].name)
			inject(&gpu, &injections[i]);
	}

	for (i = 0; i < ARRAY_SIZE(faults); i++) {
		for (k = 0; k < ARRAY_SIZE(shapes); k++) {
			if (steps[shapes[k].step].submits &&
			    faults[i].fault != BATCH_FAULT_USERCOPY)
				continue;
			igt_describe("Each allocation or user copy fails in turn");
			igt_subtest_f("%s-sweep-%s-%s", faults[i].name,
				      steps[shapes[k].step].name, shapes[k].name)
				fault(&gpu, i, &shapes[k]);
		}
	}

	for (i = 0; i < ARRAY_SIZE(forced); i++) {
		igt_describe("Ranges are taken away just before the GPU starts");
		igt_subtest_f("forced-invalidation-%s", forced[i].name)
			forced_invalidation(&gpu, &forced[i]);
	}

	igt_describe("A submission that never gets through ends");
	igt_subtest("forced-invalidation-for-ever")
		forced_for_ever(&gpu);

	igt_fixture() {
		batch_settings_restore();
		batch_gpu_fini(&gpu);
		drm_close_driver(fd);
	}
}
