// SPDX-License-Identifier: MIT

/**
 * TEST: userptr map
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: Memory management tests
 * Functionality: userptr
 * Description: Plain userptr BOs at addresses where nobody looks for their pages
 */

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "igt.h"
#include "lib/amdgpu/amd_engine_control.h"
#include "lib/amdgpu/amd_userptr_raw.h"
#include "lib/amdgpu/amd_userptr_view.h"

IGT_TEST_DESCRIPTION("Neither the GPU nor the kernel uses pages of a userptr BO that "
		     "nobody has looked for, or that are gone");

enum { OLD = SCENE_SEED, NEW, GPU_WRITTEN };

/**
 * SUBTEST: unlisted-%s
 * Description: A userptr BO is mapped after its memory was taken away. A job that does not
 *	list it reaches nothing, even though the memory still exists: %arg[1].
 *
 * arg[1]:
 *
 * @first:			it was mapped nowhere before
 * @second:			it was mapped at another address, and a job has used it there
 * @cleared:			the same, and a job that did not list it has run in between
 */
static const struct unlisted {
	const char *name;
	bool mapped;
	bool cleared;
} unlisted_rows[] = {
	{ "first" },
	{ "second", true },
	{ "cleared", true, true },
};

static void map(struct batch_gpu *gpu, uint32_t handle, uint64_t va, uint64_t size)
{
	igt_assert_eq(__batch_va(gpu->fd, handle, AMDGPU_VA_OP_MAP, va, 0, size,
				 AMDGPU_VM_PAGE_READABLE | AMDGPU_VM_PAGE_WRITEABLE), 0);
}

static void write_unlisted(struct batch_gpu *gpu, uint64_t va, uint64_t size)
{
	uint64_t fence;

	batch_fill_words(gpu->staging.cpu, size, 0, GPU_WRITTEN);
	igt_assert_eq(__batch_submit(gpu, NULL, va, gpu->staging.va, size, 1, &fence), 0);
	igt_assert_eq(__batch_wait(gpu, fence), 0);
}

static void unlisted(int fd, const struct unlisted *row)
{
	static const struct batch_layout layout = { 1, 16, 0, 1, BATCH_SHARED, BATCH_ASCENDING };
	struct batch_pieces *pieces = batch_pieces_alloc(&layout);
	struct drm_amdgpu_gem_userptr args = {
		.addr = pieces->ranges[0].addr,
		.size = pieces->size,
		.flags = BATCH_RW,
	};
	struct batch_bo first = { .size = pieces->size }, late = first;
	amdgpu_va_handle va_handles[2];
	struct batch_gpu gpu;
	void *file;

	batch_gpu_init_rings(&gpu, drm_reopen_driver(fd), pieces->size);
	batch_fill(pieces, OLD);
	do_ioctl(gpu.fd, DRM_IOCTL_AMDGPU_GEM_USERPTR, &args);
	first.handle = late.handle = args.handle;
	do_or_die(amdgpu_va_range_alloc(gpu.dev, amdgpu_gpu_va_range_general, first.size,
					BATCH_PAGE, 0, &first.va, &va_handles[0], 0));
	do_or_die(amdgpu_va_range_alloc(gpu.dev, amdgpu_gpu_va_range_general, late.size,
					BATCH_PAGE, 0, &late.va, &va_handles[1], 0));
	if (row->mapped) {
		map(&gpu, first.handle, first.va, first.size);
		batch_read_check(&gpu, &first, OLD);
	}

	file = mmap(NULL, pieces->span, PROT_READ, MAP_SHARED, pieces->memfd, 0);
	igt_assert(file != MAP_FAILED);
	do_or_die(munmap(batch_range_ptr(pieces, 0), batch_range_size(pieces, 0)));
	if (row->cleared)
		write_unlisted(&gpu, first.va, first.size);
	map(&gpu, late.handle, late.va, late.size);

	/* the GPU reports a fault and goes on */
	write_unlisted(&gpu, late.va, late.size);
	batch_check_words(file, pieces->size, 0, OLD, "file");
	if (row->mapped) {
		write_unlisted(&gpu, first.va, first.size);
		batch_check_words(file, pieces->size, 0, OLD, "file");
	}

	do_or_die(munmap(file, pieces->span));
	batch_pieces_place(pieces, 0);
	batch_write_check(&gpu, &late, pieces, NEW);
	do_or_die(drmCloseBufferHandle(gpu.fd, args.handle));
	do_or_die(amdgpu_va_range_free(va_handles[0]));
	do_or_die(amdgpu_va_range_free(va_handles[1]));
	fd = gpu.fd;
	batch_gpu_fini(&gpu);
	drm_close_driver(fd);
	batch_pieces_free(pieces);
}

/**
 * SUBTEST: beside-%s-%s
 * Description: Memory of %arg[1] goes while a %arg[2] queue still has to read it. A kernel
 *	job of the same file that does not list it changes nothing for the queue.
 *
 * arg[1]:
 *
 * @userptrs:			userptr BOs
 * @batch:			a batch
 *
 * arg[2]:
 *
 * @gfx:			graphics
 * @compute:			compute
 * @sdma:			SDMA
 */
struct submitter {
	struct raw raw;
	int go;
	int tid;
	int done;
};

static void *submit_nop(void *data)
{
	struct submitter *s = data;
	uint64_t fence;
	int r;

	while (!__atomic_load_n(&s->go, __ATOMIC_ACQUIRE))
		usleep(1000);
	__atomic_store_n(&s->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	do {
		r = raw_submit_nop(&s->raw, NULL, AMDGPU_HW_IP_DMA, &fence);
	} while (r == -EAGAIN || r == -EINTR);
	igt_assert_eq(r, 0);
	igt_assert_eq(raw_wait(&s->raw, AMDGPU_HW_IP_DMA, fence, USERQ_TIMEOUT_NS), 0);
	__atomic_store_n(&s->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void submitter_waits(struct submitter *s)
{
	int tid;

	__atomic_store_n(&s->go, 1, __ATOMIC_RELEASE);
	do {
		usleep(1000);
		tid = __atomic_load_n(&s->tid, __ATOMIC_ACQUIRE);
	} while (!__atomic_load_n(&s->done, __ATOMIC_ACQUIRE) &&
		 (!tid || !amd_task_blocked(tid, "dma_fence_")));
}

static void beside(int fd, bool batch, enum userq_kind kind)
{
	static const struct batch_layout layout = { 16, 4, 0, 1, BATCH_SHARED, BATCH_SHUFFLED };
	struct drm_amdgpu_info_hw_ip sdma = {};
	struct submitter submitter = {};
	struct view_taker taker;
	pthread_t thread;
	struct scene s;

	scene_init(&s, fd, &layout, batch, BATCH_RW, kind);
	do_or_die(amdgpu_query_hw_ip_info(s.gpu.dev, AMDGPU_HW_IP_DMA, 0, &sdma));
	igt_require_f(sdma.available_rings, "no SDMA ring for kernel submissions\n");
	raw_init(&submitter.raw, &s.gpu);
	/* while memory goes no thread can be made: that wants the mmap_lock, too */
	do_or_die(pthread_create(&thread, NULL, submit_nop, &submitter));
	userq_emit_gate(&s.q);
	view_emit_read(&s.v, &s.q);
	userq_submit(&s.q);
	view_taker_start(&taker, &s.v, VIEW_REMAP, NEW);
	view_taker_blocks(&taker);

	submitter_waits(&submitter);
	igt_assert(userq_busy(&s.q));
	userq_open_gates(&s.q);
	userq_wait(&s.q);
	userq_assert_no_fault(&s.gpu);
	batch_check_words(s.q.staging.cpu, s.v.pieces->size, 0, OLD, "GPU");
	do_or_die(pthread_join(thread, NULL));
	view_taker_join(&taker);

	view_check_cpu(&s.v);
	view_read(&s.v, &s.q);
	raw_fini(&submitter.raw);
	scene_fini(&s);
}

/**
 * SUBTEST: wptr-%s-%s
 * Description: Where the write pointer of a %arg[2] queue was comes something that the kernel
 *	cannot read: %arg[1]. Then it gives no fence, and does so again when the
 *	write pointer is back.
 *
 * arg[1]:
 *
 * @userptr:			a userptr BO
 * @novalidate:			a userptr BO whose pages were never looked up
 * @prt:			a PRT mapping, which has no BO
 *
 * arg[2]:
 *
 * @gfx:			graphics
 * @compute:			compute
 * @sdma:			SDMA
 */
static const struct wptr {
	const char *name;
	uint32_t userptr;		/* AMDGPU_GEM_USERPTR_* */
	uint32_t mapping;		/* AMDGPU_VM_PAGE_* */
} wptrs[] = {
	{ "userptr", BATCH_RW, AMDGPU_VM_PAGE_READABLE | AMDGPU_VM_PAGE_WRITEABLE },
	{ "novalidate", AMDGPU_GEM_USERPTR_REGISTER,
	  AMDGPU_VM_PAGE_READABLE | AMDGPU_VM_PAGE_WRITEABLE },
	{ "prt", 0, AMDGPU_VM_PAGE_PRT },
};

static void wptr(int fd, const struct wptr *row, enum userq_kind kind)
{
	static const struct batch_layout layout = { 1, 1, 0, 1, BATCH_ANON, BATCH_ASCENDING };
	struct batch_pieces *pieces = batch_pieces_alloc(&layout);
	struct drm_amdgpu_gem_userptr args = {
		.addr = pieces->ranges[0].addr,
		.size = pieces->size,
		.flags = row->userptr,
	};
	struct batch_gpu gpu;
	struct userq q;
	int i;

	userq_file_init(&gpu, fd);
	userq_require(&gpu, kind);
	userq_init(&q, &gpu, kind, BATCH_PAGE);
	userq_copy(&q, q.staging.va, q.gate.va, BATCH_PAGE);
	if (row->userptr)
		do_ioctl(gpu.fd, DRM_IOCTL_AMDGPU_GEM_USERPTR, &args);

	/* at once the queue would be evicted, and what it runs into be looked for */
	igt_assert_eq(__batch_va(gpu.fd, args.handle, AMDGPU_VA_OP_REPLACE, q.wptr.va, 0,
				 BATCH_PAGE, row->mapping | AMDGPU_VM_DELAY_UPDATE), 0);
	for (i = 0; i < 3; i++)
		igt_assert_eq(__userq_signal(&q), -EINVAL);

	igt_assert_eq(__batch_va(gpu.fd, q.wptr.handle, AMDGPU_VA_OP_REPLACE, q.wptr.va, 0,
				 BATCH_PAGE, AMDGPU_VM_PAGE_READABLE |
				 AMDGPU_VM_PAGE_WRITEABLE | AMDGPU_VM_MTYPE_UC), 0);
	userq_settle(&gpu);
	userq_copy(&q, q.staging.va, q.gate.va, BATCH_PAGE);
	if (row->userptr)
		do_or_die(drmCloseBufferHandle(gpu.fd, args.handle));
	userq_fini(&q);
	userq_file_fini(&gpu);
	batch_pieces_free(pieces);
}

int igt_main()
{
	unsigned int i, k;
	int fd = -1;

	igt_fixture()
		fd = drm_open_driver_render(DRIVER_AMDGPU);

	for (i = 0; i < ARRAY_SIZE(unlisted_rows); i++) {
		igt_describe("A job that does not list a BO that was mapped late");
		igt_subtest_f("unlisted-%s", unlisted_rows[i].name)
			unlisted(fd, &unlisted_rows[i]);
	}

	for (i = 0; i < 2; i++) {
		for (k = 0; k < USERQ_KINDS; k++) {
			igt_describe("A kernel job beside a queue that has to be evicted");
			igt_subtest_f("beside-%s-%s", i ? "batch" : "userptrs",
				      userq_kinds[k].name)
				beside(fd, i, k);
		}
	}

	for (i = 0; i < ARRAY_SIZE(wptrs); i++) {
		for (k = 0; k < USERQ_KINDS; k++) {
			igt_describe("Something else in place of a queue's write pointer");
			igt_subtest_f("wptr-%s-%s", wptrs[i].name, userq_kinds[k].name)
				wptr(fd, &wptrs[i], k);
		}
	}

	igt_fixture()
		drm_close_driver(fd);
}
