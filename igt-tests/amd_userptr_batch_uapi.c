// SPDX-License-Identifier: MIT

/**
 * TEST: userptr batch uapi
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: uapi
 * Functionality: userptr
 * Description: Arguments, limits and errors of batch userptr BOs
 */

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "lib/amdgpu/amd_userptr_batch.h"

IGT_TEST_DESCRIPTION("What the ioctl that makes one BO from many pieces of CPU "
		     "memory accepts and refuses, and that it leaves nothing behind");

#define STAGING_SIZE (1ull << 20)

/* the same for 32-bit and 64-bit programs */
_Static_assert(sizeof(struct drm_amdgpu_gem_userptr_range) == 16, "size");
_Static_assert(sizeof(struct drm_amdgpu_gem_userptr_batch) == 40, "size");
_Static_assert(offsetof(struct drm_amdgpu_gem_userptr_batch, size) == 32, "offset");
_Static_assert(sizeof(struct drm_amdgpu_info_gem_userptr_batch) == 32, "size");

#define NONE AMDGPU_GEM_USERPTR_BATCH_NO_RANGE
#define WIDE 64		/* a stride of a later, larger range struct */

/* what all subtests start from; four ranges, so that two lie between others */
static const struct batch_layout small = {
	4, 4, 0, 2, BATCH_ANON, BATCH_SHUFFLED
};

/**
 * struct attempt - a call that is valid until a table row spoils it
 * @gpu: device
 * @pieces: the memory
 * @args: argument of the ioctl; its array is @pieces' own
 * @map: freed after the call
 * @map_size: bytes at @map
 */
struct attempt {
	struct batch_gpu *gpu;
	struct batch_pieces *pieces;
	struct drm_amdgpu_gem_userptr_batch args;
	void *map;
	size_t map_size;
};

static struct drm_amdgpu_gem_userptr_range *range(struct attempt *t, unsigned int i)
{
	return &t->pieces->ranges[i];
}

static void *attempt_map(struct attempt *t, size_t size, int prot)
{
	t->map_size = size;
	t->map = mmap(NULL, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		      -1, 0);
	igt_assert(t->map != MAP_FAILED);
	return t->map;
}

/* The same array, its elements further apart; the tails are zero. */
static uint8_t *widen(struct attempt *t, uint32_t stride)
{
	uint8_t *wide = attempt_map(t, BATCH_PAGE, PROT_READ | PROT_WRITE);
	unsigned int i;

	for (i = 0; i < t->args.num_ranges; i++)
		memcpy(wide + i * stride, range(t, i), sizeof(*range(t, i)));
	t->args.ranges = (uintptr_t)wide;
	t->args.range_stride = stride;
	return wide;
}

static void no_ranges(struct attempt *t) { t->args.num_ranges = 0; }
static void no_array(struct attempt *t) { t->args.ranges = 0; }
static void kernel_array(struct attempt *t) { t->args.ranges = ~0ull << 47; }
static void stride_zero(struct attempt *t) { t->args.range_stride = 0; }
static void stride_small(struct attempt *t) { t->args.range_stride = 8; }
static void stride_odd(struct attempt *t) { widen(t, WIDE); t->args.range_stride = 20; }
static void tail_not_zero(struct attempt *t) { widen(t, WIDE)[2 * WIDE + 16] = 1; }
static void tail_end_not_zero(struct attempt *t) { widen(t, WIDE)[4 * WIDE - 1] = 1; }
static void flag_unknown(struct attempt *t) { t->args.flags |= 1u << 31; }
static void flag_next(struct attempt *t) { t->args.flags |= AMDGPU_GEM_USERPTR_REGISTER << 1; }
static void flags_none(struct attempt *t) { t->args.flags = 0; }
static void flags_validate(struct attempt *t) { t->args.flags = AMDGPU_GEM_USERPTR_VALIDATE; }
static void stride_huge(struct attempt *t) { t->args.range_stride = 1u << 31; }
static void pad(struct attempt *t) { t->args.pad = 1; }
static void addr_odd(struct attempt *t) { range(t, 2)->addr += 1; }
static void addr_half(struct attempt *t) { range(t, 2)->addr += BATCH_PAGE / 2; }
static void size_odd(struct attempt *t) { range(t, 1)->size += 8; }
static void size_zero(struct attempt *t) { range(t, 3)->size = 0; }
static void size_zero_first(struct attempt *t) { range(t, 0)->size = 0; }
static void addr_zero(struct attempt *t) { range(t, 1)->addr = 0; }
static void addr_kernel(struct attempt *t) { range(t, 2)->addr = ~0ull << 47; }

static void wraps(struct attempt *t)
{
	range(t, 2)->size = -range(t, 2)->addr;
	range(t, 2)->size += BATCH_PAGE;
}

static void ends_at_wrap(struct attempt *t) { range(t, 2)->size = -range(t, 2)->addr; }

static void array_unmapped(struct attempt *t)
{
	void *map = attempt_map(t, BATCH_PAGE, PROT_NONE);

	t->args.ranges = (uintptr_t)map;
}

/* the last element lies on a page that cannot be read */
static void array_end_unmapped(struct attempt *t)
{
	uint8_t *map = attempt_map(t, 2 * BATCH_PAGE, PROT_READ | PROT_WRITE);
	size_t bytes = t->args.num_ranges * sizeof(*range(t, 0));
	uint8_t *array = map + BATCH_PAGE - bytes + sizeof(*range(t, 0));

	memcpy(array, t->pieces->ranges, bytes);
	do_or_die(mprotect(map + BATCH_PAGE, BATCH_PAGE, PROT_NONE));
	t->args.ranges = (uintptr_t)array;
}

static void hole(struct attempt *t)
{
	do_or_die(munmap((void *)(uintptr_t)(range(t, 2)->addr + BATCH_PAGE), BATCH_PAGE));
}

static void unmapped(struct attempt *t)
{
	do_or_die(munmap((void *)(uintptr_t)range(t, 1)->addr, range(t, 1)->size));
}

static void unmapped_all(struct attempt *t)
{
	unsigned int i;

	for (i = 0; i < t->args.num_ranges; i++)
		do_or_die(munmap((void *)(uintptr_t)range(t, i)->addr, range(t, i)->size));
}

static void cpu_readonly(struct attempt *t)
{
	do_or_die(mprotect((void *)(uintptr_t)range(t, 1)->addr, range(t, 1)->size,
			   PROT_READ));
}

static void cpu_readonly_page(struct attempt *t)
{
	do_or_die(mprotect((void *)(uintptr_t)(range(t, 3)->addr + BATCH_PAGE),
			   BATCH_PAGE, PROT_READ));
}

static void file_among_anon(struct attempt *t)
{
	void *p = (void *)(uintptr_t)range(t, 2)->addr;
	int fd = memfd_create("file", MFD_CLOEXEC);

	igt_assert(fd >= 0);
	do_or_die(ftruncate(fd, range(t, 2)->size));
	igt_assert(mmap(p, range(t, 2)->size, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_FIXED, fd, 0) == p);
	close(fd);
	t->args.flags |= AMDGPU_GEM_USERPTR_ANONONLY;
}

static void ranges_max(struct attempt *t) { t->args.num_ranges = UINT32_MAX; }

static void ranges_over_limit(struct attempt *t)
{
	t->args.num_ranges = t->gpu->info.max_ranges + 1;
}

static void bytes_over_limit(struct attempt *t)
{
	uint64_t size = t->gpu->info.max_bytes - t->gpu->info.used_bytes + BATCH_PAGE;
	void *map = attempt_map(t, size, PROT_READ | PROT_WRITE);

	range(t, 2)->addr = (uintptr_t)map;
	range(t, 2)->size = size;
}

/* each range is below the limit, the sum is not */
static void sum_over_limit(struct attempt *t)
{
	uint64_t size = (t->gpu->info.max_bytes / 2 + BATCH_PAGE) & ~(BATCH_PAGE - 1);
	void *map = attempt_map(t, size, PROT_READ | PROT_WRITE);

	range(t, 1)->addr = (uintptr_t)map;
	range(t, 1)->size = size;
	*range(t, 3) = *range(t, 1);
}

/**
 * SUBTEST: bad-input-%s
 * Description: Refused with the right error and range, and nothing left behind:
 *	%arg[1].
 *
 * arg[1]:
 *
 * @no-ranges:			zero ranges
 * @no-array:			the array at address zero
 * @kernel-array:		the array at an address of the kernel
 * @array-unmapped:		the array in inaccessible memory
 * @array-end-unmapped:		the last element in inaccessible memory
 * @stride-zero:		stride of zero
 * @stride-small:		stride below the size of an element
 * @stride-odd:			stride that breaks the alignment
 * @stride-huge:		stride that no struct will ever need
 * @tail-not-zero:		an element with data that the kernel does not know
 * @tail-end-not-zero:		the same in the last byte
 * @flag-unknown:		the highest flag
 * @flag-next:			the flag after the last
 * @flags-none:			writable and not followed
 * @flags-validate:		the same with VALIDATE
 * @pad:			a pad that is not zero
 * @addr-odd:			address not aligned to anything
 * @addr-half:			address not aligned to a page
 * @addr-zero:			address zero
 * @addr-kernel:		address of the kernel
 * @size-odd:			size not aligned to a page
 * @size-zero:			size of zero, last range
 * @size-zero-first:		size of zero, first range
 * @wraps:			address plus size overflows
 * @ends-at-wrap:		address plus size is zero
 * @hole:			a page of a range is not mapped
 * @unmapped:			a range is not mapped
 * @unmapped-all:		no range is mapped
 * @cpu-readonly:		a range that the CPU may only read
 * @cpu-readonly-page:		a page that the CPU may only read
 * @file-among-anon:		a file, and ANONONLY
 * @ranges-max:			as many ranges as the field holds
 * @ranges-over-limit:		one range more than the limit
 * @bytes-over-limit:		one page more than the limit
 * @sum-over-limit:		together more than the limit
 */
static const struct bad {
	const char *name;
	void (*spoil)(struct attempt *t);
	int error;
	uint32_t range;
} bads[] = {
	{ "no-ranges", no_ranges, EINVAL, NONE },
	{ "no-array", no_array, EFAULT, NONE },
	{ "kernel-array", kernel_array, EFAULT, NONE },
	{ "array-unmapped", array_unmapped, EFAULT, NONE },
	{ "array-end-unmapped", array_end_unmapped, EFAULT, NONE },
	{ "stride-zero", stride_zero, EINVAL, NONE },
	{ "stride-small", stride_small, EINVAL, NONE },
	{ "stride-odd", stride_odd, EINVAL, NONE },
	{ "stride-huge", stride_huge, EINVAL, NONE },
	{ "tail-not-zero", tail_not_zero, EINVAL, 2 },
	{ "tail-end-not-zero", tail_end_not_zero, EINVAL, 3 },
	{ "flag-unknown", flag_unknown, EINVAL, NONE },
	{ "flag-next", flag_next, EINVAL, NONE },
	{ "flags-none", flags_none, EACCES, NONE },
	{ "flags-validate", flags_validate, EACCES, NONE },
	{ "pad", pad, EINVAL, NONE },
	{ "addr-odd", addr_odd, EINVAL, 2 },
	{ "addr-half", addr_half, EINVAL, 2 },
	{ "addr-zero", addr_zero, EFAULT, 1 },
	{ "addr-kernel", addr_kernel, EFAULT, 2 },
	{ "size-odd", size_odd, EINVAL, 1 },
	{ "size-zero", size_zero, EINVAL, 3 },
	{ "size-zero-first", size_zero_first, EINVAL, 0 },
	{ "wraps", wraps, EINVAL, 2 },
	{ "ends-at-wrap", ends_at_wrap, EINVAL, 2 },
	{ "hole", hole, EFAULT, 2 },
	{ "unmapped", unmapped, EFAULT, 1 },
	{ "unmapped-all", unmapped_all, EFAULT, 0 },
	{ "cpu-readonly", cpu_readonly, EACCES, 1 },
	{ "cpu-readonly-page", cpu_readonly_page, EACCES, 3 },
	{ "file-among-anon", file_among_anon, EPERM, 2 },
	{ "ranges-max", ranges_max, E2BIG, NONE },
	{ "ranges-over-limit", ranges_over_limit, E2BIG, NONE },
	{ "bytes-over-limit", bytes_over_limit, E2BIG, 2 },
	{ "sum-over-limit", sum_over_limit, E2BIG, 3 },
};

static void must_work(struct batch_gpu *gpu)
{
	struct batch_pieces *pieces = batch_pieces_alloc(&small);
	struct batch_bo bo;

	batch_fill(pieces, 1);
	batch_create(gpu, pieces, BATCH_RW, &bo);
	batch_map(gpu, &bo);
	batch_read_check(gpu, &bo, 1);
	batch_write_check(gpu, &bo, pieces, 2);
	batch_destroy(gpu, &bo);
	batch_pieces_free(pieces);
}

static void bad_input(struct batch_gpu *gpu, const struct bad *bad)
{
	unsigned int handles = batch_count_handles(gpu->fd), i;
	struct attempt t = { .gpu = gpu };
	uint64_t used;

	must_work(gpu);
	used = batch_used_bytes(gpu);

	t.pieces = batch_pieces_alloc(&small);
	batch_args_init(&t.args, t.pieces, BATCH_RW);
	bad->spoil(&t);
	/* what is counted or listed twice shows at the second time */
	for (i = 0; i < 2; i++) {
		/* outputs that the kernel must have written itself */
		t.args.bad_range = 12345;
		igt_assert_eq(__batch_ioctl(gpu->fd, &t.args), -bad->error);
		igt_assert_eq_u32(t.args.bad_range, bad->range);
		igt_assert_eq_u64(batch_used_bytes(gpu), used);
		igt_assert_eq(batch_count_handles(gpu->fd), handles);
	}
	if (t.map)
		do_or_die(munmap(t.map, t.map_size));
	batch_pieces_free(t.pieces);

	must_work(gpu);
	igt_assert_eq_u64(batch_used_bytes(gpu), used);
	igt_assert_eq(batch_count_handles(gpu->fd), handles);
}

/**
 * SUBTEST: good-input-%s
 * Description: Accepted, and the GPU sees the memory: %arg[1].
 *
 * arg[1]:
 *
 * @plain:			nothing special
 * @no-validate:		pages wait for the first submission
 * @anononly:			anonymous memory, as demanded
 * @readonly:			no REGISTER, because the GPU only reads
 * @wide-stride:		a larger element with a tail of zeroes
 * @array-at-end:		the array ends where accessible memory ends
 */
static void nothing(struct attempt *t) { }
static void no_validate(struct attempt *t) { t->args.flags &= ~AMDGPU_GEM_USERPTR_VALIDATE; }
static void anononly(struct attempt *t) { t->args.flags |= AMDGPU_GEM_USERPTR_ANONONLY; }
static void ro(struct attempt *t) { t->args.flags = AMDGPU_GEM_USERPTR_READONLY; }
static void wide_stride(struct attempt *t) { widen(t, WIDE); }

static void array_at_end(struct attempt *t)
{
	uint8_t *map = attempt_map(t, 2 * BATCH_PAGE, PROT_READ | PROT_WRITE);
	size_t bytes = t->args.num_ranges * sizeof(*range(t, 0));

	memcpy(map + BATCH_PAGE - bytes, t->pieces->ranges, bytes);
	do_or_die(mprotect(map + BATCH_PAGE, BATCH_PAGE, PROT_NONE));
	t->args.ranges = (uintptr_t)map + BATCH_PAGE - bytes;
}

static const struct good {
	const char *name;
	void (*vary)(struct attempt *t);
} goods[] = {
	{ "plain", nothing },
	{ "no-validate", no_validate },
	{ "anononly", anononly },
	{ "readonly", ro },
	{ "wide-stride", wide_stride },
	{ "array-at-end", array_at_end },
};

static void good_input(struct batch_gpu *gpu, const struct good *good)
{
	struct attempt t = { .gpu = gpu };
	uint64_t used = batch_used_bytes(gpu);
	struct batch_bo bo = {};

	t.pieces = batch_pieces_alloc(&small);
	batch_fill(t.pieces, 1);
	batch_args_init(&t.args, t.pieces, BATCH_RW);
	good->vary(&t);
	igt_assert_eq(__batch_ioctl(gpu->fd, &t.args), 0);
	igt_assert_eq_u32(t.args.bad_range, NONE);
	igt_assert_eq_u64(t.args.size, t.pieces->size);
	igt_assert_eq_u64(batch_used_bytes(gpu), used + t.pieces->size);

	/* the array is the caller's again */
	if (t.map)
		do_or_die(munmap(t.map, t.map_size));
	bo.handle = t.args.handle;
	bo.size = t.args.size;
	batch_map(gpu, &bo);
	batch_read_check(gpu, &bo, 1);
	if (!(t.args.flags & AMDGPU_GEM_USERPTR_READONLY))
		batch_write_check(gpu, &bo, t.pieces, 2);
	batch_destroy(gpu, &bo);
	igt_assert_eq_u64(batch_used_bytes(gpu), used);
	batch_pieces_free(t.pieces);
}

/**
 * SUBTEST: no-validate-unmapped
 * Description: Without VALIDATE memory may be missing until the first
 *	submission.
 */
static void no_validate_unmapped(struct batch_gpu *gpu)
{
	struct batch_pieces *pieces = batch_pieces_alloc(&small);
	struct batch_bo bo;

	do_or_die(munmap(batch_range_ptr(pieces, 2), batch_range_size(pieces, 2)));
	batch_create(gpu, pieces, AMDGPU_GEM_USERPTR_REGISTER, &bo);
	batch_map(gpu, &bo);
	igt_assert_eq(__batch_read(gpu, &bo), -EFAULT);
	batch_pieces_place(pieces, 2);
	batch_fill(pieces, 1);
	batch_read_check(gpu, &bo, 1);
	batch_destroy(gpu, &bo);
	batch_pieces_free(pieces);
}

/**
 * SUBTEST: info
 * Description: The query tells usable limits and what batches hold.
 */
static void info(struct batch_gpu *gpu)
{
	struct drm_amdgpu_info_gem_userptr_batch before;
	struct batch_pieces *pieces = batch_pieces_alloc(&small);
	struct batch_bo bo[3];
	unsigned int i;

	batch_query(gpu);
	before = gpu->info;
	/* limits that the named use cannot live with are a bug, not a policy */
	igt_assert(before.max_ranges >= 4096);
	igt_assert(before.max_bytes >= 256ull << 20);
	igt_assert(before.used_bytes <= before.max_bytes);
	igt_assert_eq_u32(before.flags, AMDGPU_GEM_USERPTR_READONLY |
			  AMDGPU_GEM_USERPTR_ANONONLY | AMDGPU_GEM_USERPTR_VALIDATE |
			  AMDGPU_GEM_USERPTR_REGISTER);
	igt_assert_eq_u32(before.range_size, sizeof(struct drm_amdgpu_gem_userptr_range));

	for (i = 0; i < ARRAY_SIZE(bo); i++) {
		batch_create(gpu, pieces, BATCH_RW, &bo[i]);
		igt_assert_eq_u64(batch_used_bytes(gpu),
				  before.used_bytes + (i + 1) * pieces->size);
	}
	for (i = 0; i < ARRAY_SIZE(bo); i++)
		batch_destroy(gpu, &bo[i]);
	batch_query(gpu);
	igt_assert(!memcmp(&before, &gpu->info, sizeof(before)));
	batch_pieces_free(pieces);
}

/**
 * SUBTEST: refused-%s
 * Description: Not possible with a BO of CPU memory: %arg[1].
 *
 * arg[1]:
 *
 * @export:			sharing it as a dma-buf
 * @mmap:			mapping it into the CPU's address space
 * @placement:			changing where it is preferably placed
 */
static int try_export(int fd, uint32_t handle)
{
	struct drm_prime_handle args = { .handle = handle, .flags = DRM_CLOEXEC | DRM_RDWR };

	return drmIoctl(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &args);
}

static int try_mmap(int fd, uint32_t handle)
{
	union drm_amdgpu_gem_mmap args = { .in.handle = handle };

	return drmIoctl(fd, DRM_IOCTL_AMDGPU_GEM_MMAP, &args);
}

static int try_placement(int fd, uint32_t handle)
{
	/* where both BOs are anyway: statistics do not survive a real change */
	struct drm_amdgpu_gem_op args = {
		.handle = handle,
		.op = AMDGPU_GEM_OP_SET_PLACEMENT,
		.value = AMDGPU_GEM_DOMAIN_GTT,
	};

	return drmIoctl(fd, DRM_IOCTL_AMDGPU_GEM_OP, &args);
}

static const struct refused {
	const char *name;
	int (*attempt)(int fd, uint32_t handle);
} refusals[] = {
	{ "export", try_export },
	{ "mmap", try_mmap },
	{ "placement", try_placement },
};

static void refused(struct batch_gpu *gpu, const struct refused *what)
{
	struct batch_pieces *pieces = batch_pieces_alloc(&small);
	struct batch_bo bo;

	batch_fill(pieces, 1);
	batch_create(gpu, pieces, BATCH_RW, &bo);
	batch_map(gpu, &bo);
	/* possible with any other BO */
	igt_assert_eq(what->attempt(gpu->fd, gpu->staging.handle), 0);
	igt_assert_eq(what->attempt(gpu->fd, bo.handle), -1);
	igt_assert_eq(errno, EPERM);
	errno = 0;
	batch_read_check(gpu, &bo, 1);
	batch_destroy(gpu, &bo);
	batch_pieces_free(pieces);
}

/**
 * SUBTEST: many-batches
 * Description: Many small BOs at once, destroyed in another order.
 */
static void many_batches(struct batch_gpu *gpu)
{
	struct batch_pieces *pieces[64];
	struct batch_bo bo[ARRAY_SIZE(pieces)];
	uint64_t used = batch_used_bytes(gpu);
	unsigned int n = ARRAY_SIZE(pieces), i, k;

	for (i = 0; i < n; i++) {
		pieces[i] = batch_pieces_alloc(&small);
		batch_fill(pieces[i], i + 1);
		batch_create(gpu, pieces[i], BATCH_RW, &bo[i]);
		batch_map(gpu, &bo[i]);
	}
	for (i = 0; i < n; i++) {
		k = i * 37 % n;
		batch_read_check(gpu, &bo[k], k + 1);
		batch_destroy(gpu, &bo[k]);
		batch_pieces_free(pieces[k]);
	}
	igt_assert_eq_u64(batch_used_bytes(gpu), used);
}

int igt_main()
{
	struct batch_gpu gpu;
	unsigned int i;
	int fd = -1;

	igt_fixture() {
		fd = drm_open_driver_render(DRIVER_AMDGPU);
		batch_gpu_init(&gpu, fd, STAGING_SIZE);
	}

	for (i = 0; i < ARRAY_SIZE(bads); i++) {
		igt_describe("Refused with the right error, nothing left behind");
		igt_subtest_f("bad-input-%s", bads[i].name)
			bad_input(&gpu, &bads[i]);
	}

	for (i = 0; i < ARRAY_SIZE(goods); i++) {
		igt_describe("Accepted and usable");
		igt_subtest_f("good-input-%s", goods[i].name)
			good_input(&gpu, &goods[i]);
	}

	igt_describe("Memory may be missing until the first submission");
	igt_subtest("no-validate-unmapped")
		no_validate_unmapped(&gpu);

	igt_describe("Limits and use as user space sees them");
	igt_subtest("info")
		info(&gpu);

	for (i = 0; i < ARRAY_SIZE(refusals); i++) {
		igt_describe("Not possible with CPU memory");
		igt_subtest_f("refused-%s", refusals[i].name)
			refused(&gpu, &refusals[i]);
	}

	igt_describe("Many BOs at once");
	igt_subtest("many-batches")
		many_batches(&gpu);

	igt_fixture() {
		batch_gpu_fini(&gpu);
		drm_close_driver(fd);
	}
}
