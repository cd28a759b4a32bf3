// SPDX-License-Identifier: MIT

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "lib/amdgpu/amd_sdma.h"
#include "lib/amdgpu/amd_userptr_batch.h"
#include "lib/amdgpu/amd_userptr_raw.h"

/* what every SDMA since GFX9 copies with one packet (its count has 22 bits) */
#define COPY_MAX (2ull << 20)
#define COPY_DWORDS 7
/* IBs of SDMA are padded to this */
#define IB_ALIGN_DWORDS 8
#define IB_SIZE (256ull << 10)
/* generous: emulated devices on busy machines */
#define FENCE_TIMEOUT_NS (120ull * 1000 * 1000 * 1000)

/*
 * Memory
 */

/* Position in the address space of the range that is number i in the BO. */
static unsigned int position(const struct batch_layout *layout, unsigned int i)
{
	unsigned int n = layout->num_ranges, step;

	switch (layout->order) {
	case BATCH_ASCENDING:
		return i;
	case BATCH_DESCENDING:
		return n - 1 - i;
	case BATCH_SHUFFLED:
		break;
	}

	/* multiples of a number prime to n visit every position once */
	for (step = n / 2 + 1; ; step++) {
		unsigned int a = step, b = n;

		while (b) {
			unsigned int t = a % b;

			a = b;
			b = t;
		}
		if (a == 1)
			return (uint64_t)i * step % n;
	}
}

static enum batch_memory memory_of(const struct batch_pieces *pieces, unsigned int i)
{
	static const enum batch_memory turn[] = {
		BATCH_ANON, BATCH_SHARED, BATCH_PRIVATE,
	};

	if (pieces->layout.memory == BATCH_MIXED)
		return turn[i % ARRAY_SIZE(turn)];
	return pieces->layout.memory;
}

/**
 * batch_range_ptr:
 * @pieces: scattered memory
 * @i: number of a range
 *
 * Returns: the CPU address of range @i.
 */
void *batch_range_ptr(const struct batch_pieces *pieces, unsigned int i)
{
	return (void *)(uintptr_t)pieces->ranges[i].addr;
}

/**
 * batch_range_size:
 * @pieces: scattered memory
 * @i: number of a range
 *
 * Returns: the size of range @i in bytes.
 */
uint64_t batch_range_size(const struct batch_pieces *pieces, unsigned int i)
{
	return pieces->ranges[i].size;
}

/**
 * batch_pieces_place:
 * @pieces: scattered memory
 * @i: number of a range
 *
 * Maps fresh memory of the layout's kind at the place of range @i, over
 * whatever is there. Skips the subtest if the system lacks the memory.
 */
void batch_pieces_place(struct batch_pieces *pieces, unsigned int i)
{
	enum batch_memory memory = memory_of(pieces, i);
	uint8_t *want = batch_range_ptr(pieces, i);
	uint64_t size = batch_range_size(pieces, i);
	int flags = MAP_FIXED, fd = -1;
	off_t offset = 0;
	void *p;

	switch (memory) {
	case BATCH_SHARED:
	case BATCH_PRIVATE:
		flags |= memory == BATCH_SHARED ? MAP_SHARED : MAP_PRIVATE;
		fd = pieces->memfd;
		offset = want - pieces->base;
		break;
	case BATCH_HUGETLB:
		flags |= MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB;
		break;
	default:
		flags |= MAP_PRIVATE | MAP_ANONYMOUS;
	}

	p = mmap(want, size, PROT_READ | PROT_WRITE, flags, fd, offset);
	igt_require_f(p != MAP_FAILED || memory != BATCH_HUGETLB,
		      "no hugetlb pages are reserved\n");
	igt_assert_f(p == want, "mmap: %s\n", strerror(errno));

	if (memory == BATCH_THP)
		igt_require_f(!madvise(p, size, MADV_HUGEPAGE),
			      "no transparent huge pages in this kernel\n");
}

/**
 * batch_pieces_alloc_file:
 * @layout: geometry
 * @fd: file to map, closed by batch_pieces_free(); or -1
 *
 * Makes scattered memory of the given geometry. Its contents are undefined.
 * Without @fd a layout that needs a file gets a memfd.
 *
 * Returns: the memory, to be given back by batch_pieces_free().
 */
struct batch_pieces *batch_pieces_alloc_file(const struct batch_layout *layout, int fd)
{
	unsigned int n = layout->num_ranges, i;
	struct batch_pieces *pieces;
	uint64_t *start, *size;
	uint64_t at = 0, offset = 0;
	uint8_t *reserved;

	pieces = calloc(1, sizeof(*pieces));
	igt_assert(pieces);
	pieces->layout = *layout;
	pieces->memfd = fd;
	pieces->ranges = calloc(n, sizeof(*pieces->ranges));
	pieces->offsets = calloc(n, sizeof(*pieces->offsets));
	start = calloc(n, sizeof(*start));
	size = calloc(n, sizeof(*size));
	igt_assert(pieces->ranges && pieces->offsets && start && size);

	for (i = 0; i < n; i++) {
		start[i] = at;
		size[i] = BATCH_PAGE * layout->pages * (1 + i % (layout->more + 1));
		at += size[i] + layout->gap * BATCH_PAGE;
	}
	pieces->span = at;

	/* keeps other mappings out of the gaps, with room for huge alignment */
	reserved = mmap(NULL, at + BATCH_HUGE, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	igt_assert(reserved != MAP_FAILED);
	pieces->reserved = reserved;
	pieces->base = (uint8_t *)(((uintptr_t)reserved + BATCH_HUGE - 1) &
				   ~(uintptr_t)(BATCH_HUGE - 1));

	if (fd < 0 && (layout->memory == BATCH_SHARED || layout->memory == BATCH_PRIVATE ||
		       layout->memory == BATCH_MIXED)) {
		pieces->memfd = memfd_create("userptr-batch", MFD_CLOEXEC);
		igt_assert(pieces->memfd >= 0);
	}
	if (pieces->memfd >= 0)
		do_or_die(ftruncate(pieces->memfd, at));

	for (i = 0; i < n; i++) {
		unsigned int pos = position(layout, i);

		pieces->ranges[i].addr = (uintptr_t)pieces->base + start[pos];
		pieces->ranges[i].size = size[pos];
		pieces->offsets[i] = offset;
		offset += size[pos];
	}
	pieces->size = offset;

	free(size);
	free(start);
	if (layout->memory == BATCH_ONE_VMA) {
		do_or_die(mprotect(pieces->base, pieces->span, PROT_READ | PROT_WRITE));
		return pieces;
	}
	for (i = 0; i < n; i++)
		batch_pieces_place(pieces, i);

	return pieces;
}

/**
 * batch_pieces_alloc:
 * @layout: geometry
 *
 * Makes scattered memory of the given geometry. Its contents are undefined.
 *
 * Returns: the memory, to be given back by batch_pieces_free().
 */
struct batch_pieces *batch_pieces_alloc(const struct batch_layout *layout)
{
	return batch_pieces_alloc_file(layout, -1);
}

/**
 * batch_pieces_free:
 * @pieces: scattered memory
 *
 * Unmaps all of it. A BO may still be made of it.
 */
void batch_pieces_free(struct batch_pieces *pieces)
{
	do_or_die(munmap(pieces->reserved, pieces->span + BATCH_HUGE));
	if (pieces->memfd >= 0)
		close(pieces->memfd);
	free(pieces->offsets);
	free(pieces->ranges);
	free(pieces);
}

/* No two words of a BO, and no word under two seeds, have the same value. */
static uint32_t word(uint64_t offset, uint32_t seed)
{
	if (seed == BATCH_ZERO)
		return 0;
	return (uint32_t)(offset / 4) * 2654435761u + seed * 0x9e3779b9u + 1;
}

/**
 * batch_fill_words:
 * @p: CPU address
 * @size: size in bytes, multiple of 4
 * @offset: offset in the BO of the first byte
 * @seed: which pattern
 *
 * Writes the pattern that the BO should have there.
 */
void batch_fill_words(void *p, uint64_t size, uint64_t offset, uint32_t seed)
{
	uint32_t *w = p;
	uint64_t i;

	for (i = 0; i < size / 4; i++)
		w[i] = word(offset + i * 4, seed);
}

/**
 * batch_check_words:
 * @p: CPU address
 * @size: size in bytes, multiple of 4
 * @offset: offset in the BO of the first byte
 * @seed: which pattern
 * @what: name for messages
 *
 * Asserts that the pattern is there.
 */
void batch_check_words(const void *p, uint64_t size, uint64_t offset,
		       uint32_t seed, const char *what)
{
	const uint32_t *w = p;
	uint64_t i;

	for (i = 0; i < size / 4; i++)
		igt_assert_f(w[i] == word(offset + i * 4, seed),
			     "%s, BO offset %#llx: %#x instead of %#x\n", what,
			     (unsigned long long)(offset + i * 4), w[i],
			     word(offset + i * 4, seed));
}

/**
 * batch_fill_range:
 * @pieces: scattered memory
 * @i: number of a range
 * @seed: which pattern
 */
void batch_fill_range(struct batch_pieces *pieces, unsigned int i, uint32_t seed)
{
	batch_fill_words(batch_range_ptr(pieces, i), batch_range_size(pieces, i),
			 pieces->offsets[i], seed);
}

/**
 * batch_fill:
 * @pieces: scattered memory
 * @seed: which pattern
 */
void batch_fill(struct batch_pieces *pieces, uint32_t seed)
{
	unsigned int i;

	for (i = 0; i < pieces->layout.num_ranges; i++)
		batch_fill_range(pieces, i, seed);
}

/**
 * batch_check_range:
 * @pieces: scattered memory
 * @i: number of a range
 * @seed: which pattern
 *
 * Asserts what the CPU sees in range @i.
 */
void batch_check_range(struct batch_pieces *pieces, unsigned int i, uint32_t seed)
{
	char what[32];

	snprintf(what, sizeof(what), "CPU, range %u", i);
	batch_check_words(batch_range_ptr(pieces, i), batch_range_size(pieces, i),
			  pieces->offsets[i], seed, what);
}

/**
 * batch_check:
 * @pieces: scattered memory
 * @seed: which pattern
 *
 * Asserts what the CPU sees in all ranges.
 */
void batch_check(struct batch_pieces *pieces, uint32_t seed)
{
	unsigned int i;

	for (i = 0; i < pieces->layout.num_ranges; i++)
		batch_check_range(pieces, i, seed);
}

/*
 * Device
 */

/**
 * batch_buffer_init:
 * @gpu: device
 * @b: to be initialized, its contents are undefined
 * @size: size in bytes
 */
void batch_buffer_init(struct batch_gpu *gpu, struct batch_buffer *b, uint64_t size)
{
	struct amdgpu_bo_alloc_request request = {
		.alloc_size = size,
		.phys_alignment = BATCH_PAGE,
		.preferred_heap = AMDGPU_GEM_DOMAIN_GTT,
	};

	b->size = size;
	do_or_die(amdgpu_bo_alloc(gpu->dev, &request, &b->bo));
	do_or_die(amdgpu_bo_export(b->bo, amdgpu_bo_handle_type_kms, &b->handle));
	do_or_die(amdgpu_bo_cpu_map(b->bo, &b->cpu));
	do_or_die(amdgpu_va_range_alloc(gpu->dev, amdgpu_gpu_va_range_general,
					size, BATCH_PAGE, 0, &b->va, &b->va_handle, 0));
	do_or_die(amdgpu_bo_va_op(b->bo, 0, size, b->va, 0, AMDGPU_VA_OP_MAP));
}

/**
 * batch_buffer_fini:
 * @b: buffer
 */
void batch_buffer_fini(struct batch_buffer *b)
{
	do_or_die(amdgpu_bo_va_op(b->bo, 0, b->size, b->va, 0, AMDGPU_VA_OP_UNMAP));
	do_or_die(amdgpu_va_range_free(b->va_handle));
	do_or_die(amdgpu_bo_cpu_unmap(b->bo));
	do_or_die(amdgpu_bo_free(b->bo));
}

/*
 * The first notifier of a process makes mm_take_all_locks() take a lock of each VMA, and
 * lockdep counts no more than 2047 of a kind. So it is inserted before there are so many.
 */
static void first_notifier(int fd)
{
	static uint8_t page[BATCH_PAGE] __attribute__((aligned(BATCH_PAGE)));
	struct drm_amdgpu_gem_userptr userptr = {
		.addr = (uintptr_t)page, .size = BATCH_PAGE, .flags = AMDGPU_GEM_USERPTR_REGISTER,
	};

	if (access("/proc/lockdep_stats", F_OK))
		return;
	do_ioctl(fd, DRM_IOCTL_AMDGPU_GEM_USERPTR, &userptr);
	do_or_die(drmCloseBufferHandle(fd, userptr.handle));
}

/* libdrm has it since 2.4.121, IGT asks for less */
extern int amdgpu_device_initialize2(int fd, bool deduplicate_device, uint32_t *major_version,
				     uint32_t *minor_version, amdgpu_device_handle *device_handle)
	__attribute__((weak));

static void gpu_init(struct batch_gpu *gpu, int fd, uint64_t staging_size,
		     uint64_t leave, bool rings)
{
	struct drm_amdgpu_info_hw_ip sdma = {};
	struct amdgpu_gpu_info info = {};
	uint32_t major, minor;
	int r;

	igt_require_f(getpagesize() == BATCH_PAGE, "pages of %d bytes\n", getpagesize());
	memset(gpu, 0, sizeof(*gpu));
	gpu->fd = fd;
	first_notifier(fd);
	igt_require_f(amdgpu_device_initialize2, "libdrm_amdgpu is older than 2.4.121\n");
	/* not deduplicated: in a child process the parent's is another file */
	do_or_die(amdgpu_device_initialize2(fd, false, &major, &minor, &gpu->dev));
	r = amdgpu_query_info(gpu->dev, AMDGPU_INFO_GEM_USERPTR_BATCH, sizeof(gpu->info), &gpu->info);
	igt_require_f(!r || !rings, "kernel without GEM_USERPTR_BATCH\n");
	do_or_die(amdgpu_query_gpu_info(gpu->dev, &info));
	igt_require_f(info.family_id >= AMDGPU_FAMILY_AI,
		      "SDMA packets of family %u are not known here\n", info.family_id);
	do_or_die(amdgpu_query_hw_ip_info(gpu->dev, AMDGPU_HW_IP_DMA, 0, &sdma));
	igt_require_f(sdma.available_rings || !rings, "no SDMA ring for kernel submissions\n");

	if (leave) {
		uint64_t va;

		do_or_die(amdgpu_va_range_alloc(gpu->dev, amdgpu_gpu_va_range_general,
						leave, BATCH_PAGE, 0, &va, &gpu->left, 0));
	}
	do_or_die(amdgpu_cs_ctx_create(gpu->dev, &gpu->ctx));
	batch_buffer_init(gpu, &gpu->ib, IB_SIZE);
	batch_buffer_init(gpu, &gpu->staging, staging_size);
}

/**
 * batch_gpu_init:
 * @gpu: to be initialized
 * @fd: render node; stays the caller's
 * @staging_size: size in bytes of the buffer that is the other end of copies
 *
 * Skips if the kernel has no batch userptr or the GPU no SDMA of a known kind.
 */
void batch_gpu_init(struct batch_gpu *gpu, int fd, uint64_t staging_size)
{
	gpu_init(gpu, fd, staging_size, 0, true);
}

/**
 * batch_gpu_init_queues:
 * @gpu: to be initialized
 * @fd: render node; stays the caller's
 * @staging_size: size in bytes of the buffer that is the other end of copies
 *
 * For tests of user queues: the kernel may have no rings for submissions, and no
 * batch userptr, which leaves @gpu->info empty.
 */
void batch_gpu_init_queues(struct batch_gpu *gpu, int fd, uint64_t staging_size)
{
	gpu_init(gpu, fd, staging_size, 0, false);
}

/**
 * batch_gpu_init_beside:
 * @gpu: to be initialized
 * @fd: render node that another process has initialized as well
 * @staging_size: size in bytes of the buffer that is the other end of copies
 *
 * Both processes share the GPU's address space and hand out addresses without
 * knowing of each other; this one leaves the first GiB to the other.
 */
void batch_gpu_init_beside(struct batch_gpu *gpu, int fd, uint64_t staging_size)
{
	gpu_init(gpu, fd, staging_size, 1ull << 30, true);
}

/**
 * batch_gpu_fini:
 * @gpu: device
 */
void batch_gpu_fini(struct batch_gpu *gpu)
{
	batch_buffer_fini(&gpu->staging);
	batch_buffer_fini(&gpu->ib);
	if (gpu->left)
		do_or_die(amdgpu_va_range_free(gpu->left));
	do_or_die(amdgpu_cs_ctx_free(gpu->ctx));
	do_or_die(amdgpu_device_deinitialize(gpu->dev));
}

/**
 * batch_query:
 * @gpu: device
 *
 * Reads limits and use anew into @gpu->info.
 */
void batch_query(struct batch_gpu *gpu)
{
	do_or_die(amdgpu_query_info(gpu->dev, AMDGPU_INFO_GEM_USERPTR_BATCH,
				    sizeof(gpu->info), &gpu->info));
}

/**
 * batch_used_bytes:
 * @gpu: device
 *
 * Returns: the bytes that the kernel accounts to all batches of the device.
 */
uint64_t batch_used_bytes(struct batch_gpu *gpu)
{
	batch_query(gpu);
	return gpu->info.used_bytes;
}

/**
 * batch_count_handles:
 * @fd: render node
 *
 * Returns: the number of GEM handles that are open in @fd.
 */
unsigned int batch_count_handles(int fd)
{
	struct drm_amdgpu_gem_list_handles list = {};

	/* without room for entries the kernel only says how many there are */
	igt_assert_f(!drmIoctl(fd, DRM_IOCTL_AMDGPU_GEM_LIST_HANDLES, &list) ||
		     errno == EAGAIN, "GEM_LIST_HANDLES: %s\n", strerror(errno));
	return list.num_entries;
}

/**
 * batch_counter:
 * @gpu: device
 * @name: word in the debugfs file, followed there by its value
 * @value: sum over all batches
 *
 * Returns: false if the kernel does not show this counter.
 */
bool batch_counter(struct batch_gpu *gpu, const char *name, uint64_t *value)
{
	size_t length = strlen(name);
	bool found = false;
	char line[1024];
	FILE *f;
	int fd;

	*value = 0;
	fd = igt_debugfs_open(gpu->fd, "amdgpu_userptr_batch", O_RDONLY);
	if (fd < 0)
		return false;
	f = fdopen(fd, "r");
	igt_assert(f);
	while (fgets(line, sizeof(line), f)) {
		char *at = line;

		while ((at = strstr(at, name))) {
			bool whole = at == line || at[-1] == ' ' || at[-1] == '\t';

			at += length;
			if (!whole || *at != ' ')
				continue;
			*value += strtoull(at, NULL, 0);
			found = true;
			break;
		}
	}
	fclose(f);
	return found;
}

/*
 * The BO
 */

/**
 * batch_args_init:
 * @args: to be filled
 * @pieces: scattered memory
 * @flags: AMDGPU_GEM_USERPTR_*
 */
void batch_args_init(struct drm_amdgpu_gem_userptr_batch *args,
		     const struct batch_pieces *pieces, uint32_t flags)
{
	memset(args, 0, sizeof(*args));
	args->ranges = (uintptr_t)pieces->ranges;
	args->num_ranges = pieces->layout.num_ranges;
	args->range_stride = sizeof(*pieces->ranges);
	args->flags = flags;
}

/**
 * __batch_ioctl:
 * @fd: render node
 * @args: argument of the ioctl
 *
 * Returns: 0 or a negative error number.
 */
int __batch_ioctl(int fd, struct drm_amdgpu_gem_userptr_batch *args)
{
	int r = drmIoctl(fd, DRM_IOCTL_AMDGPU_GEM_USERPTR_BATCH, args) ? -errno : 0;

	errno = 0;
	return r;
}

/**
 * __batch_create:
 * @fd: render node
 * @pieces: scattered memory
 * @flags: AMDGPU_GEM_USERPTR_*
 * @bo: result
 *
 * Returns: 0 or a negative error number.
 */
int __batch_create(int fd, const struct batch_pieces *pieces, uint32_t flags,
		   struct batch_bo *bo)
{
	struct drm_amdgpu_gem_userptr_batch args;
	int r;

	memset(bo, 0, sizeof(*bo));
	batch_args_init(&args, pieces, flags);
	r = __batch_ioctl(fd, &args);
	if (r)
		return r;
	bo->handle = args.handle;
	bo->size = args.size;
	return 0;
}

/**
 * batch_create:
 * @gpu: device
 * @pieces: scattered memory
 * @flags: AMDGPU_GEM_USERPTR_*
 * @bo: result, not mapped
 */
void batch_create(struct batch_gpu *gpu, const struct batch_pieces *pieces,
		  uint32_t flags, struct batch_bo *bo)
{
	igt_assert_eq(__batch_create(gpu->fd, pieces, flags, bo), 0);
	igt_assert_neq(bo->handle, 0);
	igt_assert_eq_u64(bo->size, pieces->size);
}

/**
 * __batch_va:
 * @fd: render node
 * @handle: GEM handle
 * @operation: AMDGPU_VA_OP_*
 * @va: GPU address
 * @offset: offset in the BO, in bytes
 * @size: bytes
 * @flags: AMDGPU_VM_PAGE_*
 *
 * Returns: 0 or a negative error number.
 */
int __batch_va(int fd, uint32_t handle, uint32_t operation, uint64_t va,
	       uint64_t offset, uint64_t size, uint32_t flags)
{
	struct drm_amdgpu_gem_va args = {
		.handle = handle,
		.operation = operation,
		.flags = flags,
		.va_address = va,
		.offset_in_bo = offset,
		.map_size = size,
	};
	int r = drmIoctl(fd, DRM_IOCTL_AMDGPU_GEM_VA, &args) ? -errno : 0;

	errno = 0;
	return r;
}

/**
 * batch_map:
 * @gpu: device
 * @bo: BO
 *
 * Maps all of @bo at a GPU address of its own, by one call.
 */
void batch_map(struct batch_gpu *gpu, struct batch_bo *bo)
{
	do_or_die(amdgpu_va_range_alloc(gpu->dev, amdgpu_gpu_va_range_general,
					bo->size, BATCH_HUGE, 0, &bo->va,
					&bo->va_handle, 0));
	igt_assert_eq(__batch_va(gpu->fd, bo->handle, AMDGPU_VA_OP_MAP, bo->va,
				 0, bo->size, AMDGPU_VM_PAGE_READABLE |
				 AMDGPU_VM_PAGE_WRITEABLE), 0);
}

/**
 * batch_unmap:
 * @gpu: device
 * @bo: BO
 */
void batch_unmap(struct batch_gpu *gpu, struct batch_bo *bo)
{
	igt_assert_eq(__batch_va(gpu->fd, bo->handle, AMDGPU_VA_OP_UNMAP, bo->va,
				 0, bo->size, 0), 0);
	do_or_die(amdgpu_va_range_free(bo->va_handle));
	bo->va = 0;
	bo->va_handle = NULL;
}

/**
 * batch_destroy:
 * @gpu: device
 * @bo: BO, mapped or not
 */
void batch_destroy(struct batch_gpu *gpu, struct batch_bo *bo)
{
	if (bo->va)
		batch_unmap(gpu, bo);
	do_or_die(drmCloseBufferHandle(gpu->fd, bo->handle));
	bo->handle = 0;
}

/*
 * Copies by the GPU
 */

static unsigned int emit_copy(uint32_t *ib, uint64_t dst, uint64_t src, uint32_t size)
{
	ib[0] = SDMA_PACKET(SDMA_OPCODE_COPY, SDMA_COPY_SUB_OPCODE_LINEAR, 0);
	ib[1] = size - 1;
	ib[2] = 0;
	ib[3] = (uint32_t)src;
	ib[4] = (uint32_t)(src >> 32);
	ib[5] = (uint32_t)dst;
	ib[6] = (uint32_t)(dst >> 32);
	return COPY_DWORDS;
}

/**
 * __batch_submit:
 * @gpu: device
 * @bo: batch BO that is part of the submission, or NULL
 * @dst: GPU address to write to
 * @src: GPU address to read from
 * @size: bytes, multiple of 4
 * @repeat: how often the GPU does the same copy
 * @fence: number of the submission
 *
 * Starts a copy. No other copy of @gpu may be in flight.
 *
 * Returns: 0 or a negative error number.
 */
int __batch_submit(struct batch_gpu *gpu, const struct batch_bo *bo, uint64_t dst,
		   uint64_t src, uint64_t size, unsigned int repeat,
		   uint64_t *fence)
{
	struct raw_job job;
	uint32_t *dwords = gpu->ib.cpu;
	unsigned int n = 0;

	while (repeat--) {
		uint64_t done, now;

		for (done = 0; done < size; done += now) {
			now = size - done < COPY_MAX ? size - done : COPY_MAX;
			igt_assert(n + COPY_DWORDS + IB_ALIGN_DWORDS <= IB_SIZE / 4);
			n += emit_copy(dwords + n, dst + done, src + done, now);
		}
	}
	while (n % IB_ALIGN_DWORDS)
		dwords[n++] = 0; /* NOP */

	raw_job_init(&job, gpu, bo, AMDGPU_HW_IP_DMA, n);
	return amdgpu_cs_submit_raw2(gpu->dev, gpu->ctx, 0, ARRAY_SIZE(job.chunks),
				     job.chunks, fence);
}

/**
 * __batch_wait:
 * @gpu: device
 * @fence: number of a submission
 *
 * Returns: 0 when it is done, -ETIME when it takes too long, or another
 * negative error number.
 */
int __batch_wait(struct batch_gpu *gpu, uint64_t fence)
{
	struct amdgpu_cs_fence status = {
		.context = gpu->ctx,
		.ip_type = AMDGPU_HW_IP_DMA,
		.fence = fence,
	};
	uint32_t expired = 0;
	int r;

	r = amdgpu_cs_query_fence_status(&status, FENCE_TIMEOUT_NS, 0, &expired);
	if (r)
		return r;
	return expired ? 0 : -ETIME;
}

/**
 * __batch_read:
 * @gpu: device
 * @bo: mapped BO
 *
 * Copies all of @bo to the staging buffer by the GPU, and waits for it. The
 * staging buffer holds no pattern before.
 *
 * Returns: 0 or a negative error number of the submission.
 */
int __batch_read(struct batch_gpu *gpu, const struct batch_bo *bo)
{
	uint64_t fence;
	int r;

	igt_assert(bo->size <= gpu->staging.size);
	memset(gpu->staging.cpu, 0xa5, bo->size);
	r = __batch_submit(gpu, bo, gpu->staging.va, bo->va, bo->size, 1, &fence);
	if (!r)
		igt_assert_eq(__batch_wait(gpu, fence), 0);
	return r;
}

/**
 * batch_read:
 * @gpu: device
 * @bo: mapped BO
 *
 * Copies all of @bo to the staging buffer by the GPU.
 */
void batch_read(struct batch_gpu *gpu, const struct batch_bo *bo)
{
	igt_assert_eq(__batch_read(gpu, bo), 0);
}

/**
 * batch_write:
 * @gpu: device
 * @bo: mapped BO
 *
 * Copies the staging buffer over all of @bo by the GPU.
 */
void batch_write(struct batch_gpu *gpu, const struct batch_bo *bo)
{
	uint64_t fence;

	igt_assert(bo->size <= gpu->staging.size);
	igt_assert_eq(__batch_submit(gpu, bo, bo->va, gpu->staging.va, bo->size,
				     1, &fence), 0);
	igt_assert_eq(__batch_wait(gpu, fence), 0);
}

/**
 * batch_read_check:
 * @gpu: device
 * @bo: mapped BO
 * @seed: which pattern
 *
 * Asserts what the GPU sees in @bo.
 */
void batch_read_check(struct batch_gpu *gpu, const struct batch_bo *bo, uint32_t seed)
{
	batch_read(gpu, bo);
	batch_check_words(gpu->staging.cpu, bo->size, 0, seed, "GPU");
}

/**
 * batch_write_check:
 * @gpu: device
 * @bo: mapped BO
 * @pieces: memory that it was made from
 * @seed: which pattern
 *
 * Has the GPU write a pattern to @bo and asserts that the CPU sees it.
 */
void batch_write_check(struct batch_gpu *gpu, const struct batch_bo *bo,
		       struct batch_pieces *pieces, uint32_t seed)
{
	batch_fill_words(gpu->staging.cpu, bo->size, 0, seed);
	batch_write(gpu, bo);
	batch_check(pieces, seed);
}
