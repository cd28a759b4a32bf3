// SPDX-License-Identifier: MIT

/**
 * TEST: userptr batch userq
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: Memory management tests
 * Functionality: userptr
 * Description: Batch userptr BOs in the address space of user queues
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

#include "igt.h"
#include "lib/amdgpu/amd_userptr_batch_life.h"
#include "lib/amdgpu/amd_userptr_view.h"

IGT_TEST_DESCRIPTION("User queues see one BO of many pieces of CPU memory as the CPU "
		     "does, before and after the CPU mappings change");

/* seeds of the patterns; every next step of a subtest has the next seed */
enum { OLD = SCENE_SEED, NEXT };

static const struct batch_layout mixed = { 64, 2, 1, 1, BATCH_MIXED, BATCH_SHUFFLED };
static const struct batch_layout anon = { 64, 2, 1, 1, BATCH_ANON, BATCH_SHUFFLED };
static const struct batch_layout shared = { 64, 2, 1, 1, BATCH_SHARED, BATCH_SHUFFLED };

/**
 * SUBTEST: copy-%s-%s
 * Description: A %arg[2] queue reads and writes every byte of a BO of geometry %arg[1].
 *
 * arg[1]:
 *
 * @one-page:			a single page
 * @adjacent:			ranges without a gap, in another order
 * @sizes:			ranges of different sizes and kinds
 * @thp:			transparent huge pages
 * @many:			thousands of ranges of a page each
 *
 * arg[2]:
 *
 * @gfx:			graphics
 * @compute:			compute
 * @sdma:			SDMA
 */
static const struct geometry {
	const char *name;
	struct batch_layout layout;
} geometries[] = {
	{ "one-page", { 1, 1, 0, 1, BATCH_ANON, BATCH_ASCENDING } },
	{ "adjacent", { 16, 4, 0, 0, BATCH_ANON, BATCH_SHUFFLED } },
	{ "sizes", { 100, 1, 6, 2, BATCH_MIXED, BATCH_SHUFFLED } },
	{ "thp", { 2, 512, 0, 512, BATCH_THP, BATCH_SHUFFLED } },
	{ "many", { 4096, 1, 0, 1, BATCH_ANON, BATCH_SHUFFLED } },
};

static void copy(int fd, const struct batch_layout *layout, enum userq_kind kind)
{
	struct scene s;

	scene_init(&s, fd, layout, true, BATCH_RW, kind);
	view_write(&s.v, &s.q, NEXT);
	/* the CPU's stores need no call to be seen */
	batch_fill(s.v.pieces, OLD);
	memset(s.q.staging.cpu, 0xa5, s.v.pieces->size);
	userq_copy(&s.q, s.q.staging.va, s.v.va, s.v.pieces->size);
	batch_check_words(s.q.staging.cpu, s.v.pieces->size, 0, OLD, "GPU");

	view_change(&s.v, VIEW_REMAP, 1, NEXT + 1);
	view_read(&s.v, &s.q);
	view_write(&s.v, &s.q, NEXT + 2);
	scene_fini(&s);
}

/**
 * SUBTEST: follow-%s-%s
 * Description: A %arg[2] queue follows when %arg[1] happens to one, to some and to all
 *	ranges, and no range is restored that was not invalidated.
 *
 * arg[1]:
 *
 * @dontneed:			madvise(MADV_DONTNEED), and the CPU writes
 * @remap:			munmap, and a new mapping in its place
 * @map-over:			a new mapping over the old one
 * @span:			one madvise(MADV_DONTNEED) over all of the memory
 * @protect:			mprotect away and back, and the CPU writes
 * @fork:			copy on write after a fork
 * @swap-out:			swapped out
 * @swap-out-write:		the same, and the CPU writes
 *
 * arg[2]:
 *
 * @gfx:			graphics
 * @compute:			compute
 * @sdma:			SDMA
 */
enum { INVALIDATIONS, FAULTS, RESTORES, CLEARS, COUNTERS };

static void counters_read(struct batch_gpu *gpu, uint64_t *values)
{
	static const char * const names[COUNTERS] = {
		"invalidations", "faults", "restores", "clears",
	};
	unsigned int i;

	for (i = 0; i < COUNTERS; i++)
		igt_require_f(batch_counter(gpu, names[i], &values[i]),
			      "no counter %s in debugfs\n", names[i]);
}

/*
 * The worker runs when it likes, also between two events of one change: a range may
 * be restored twice, but never without having been invalidated.
 */
static void counters_check(struct batch_gpu *gpu, const uint64_t *before, unsigned int changed)
{
	uint64_t d[COUNTERS];
	unsigned int i;

	counters_read(gpu, d);
	for (i = 0; i < COUNTERS; i++)
		d[i] -= before[i];
	igt_assert_f(d[RESTORES] >= changed && d[RESTORES] <= d[INVALIDATIONS],
		     "%u ranges changed: %llu invalidated, %llu restored\n", changed,
		     (unsigned long long)d[INVALIDATIONS], (unsigned long long)d[RESTORES]);
	igt_assert_f(d[FAULTS] >= changed && d[FAULTS] <= d[INVALIDATIONS],
		     "%u ranges changed: %llu invalidated, %llu faulted\n", changed,
		     (unsigned long long)d[INVALIDATIONS], (unsigned long long)d[FAULTS]);
}

static void follow(int fd, const struct view_change *change, enum userq_kind kind)
{
	/* one, some, all, and all again */
	static const unsigned int steps[] = { 64, 3, 1, 1 };
	const struct batch_layout *layout = change->swap ? &anon : &mixed;
	uint64_t before[COUNTERS];
	uint32_t seed = NEXT;
	struct scene s;
	unsigned int i;

	/* shared memory is neither copied by fork() nor new after madvise() */
	if (change->all)
		layout = &anon;
	scene_init(&s, fd, layout, true, BATCH_RW, kind);
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		counters_read(&s.gpu, before);
		view_change(&s.v, change, steps[i], seed++);
		view_read(&s.v, &s.q);
		counters_check(&s.gpu, before, view_changed(&s.v, change, steps[i]));
		/* work without a change */
		counters_read(&s.gpu, before);
		view_write(&s.v, &s.q, seed++);
		view_read(&s.v, &s.q);
		counters_check(&s.gpu, before, 0);
	}
	scene_fini(&s);
}

/**
 * SUBTEST: order-%s-%s
 * Description: Queue (%arg[2]) and batch come and go in another order: %arg[1].
 *
 * arg[1]:
 *
 * @batch-first:		the batch is there before any queue
 * @changed-first:		the same, and its memory has changed
 * @batch-again:		the batch is closed, another one takes its place
 * @queue-again:		the queue is destroyed, another one takes its place
 * @closed-dirty:		the batch is closed after its memory has changed
 * @unmapped-dirty:		the batch is not mapped while its memory changes
 *
 * arg[2]:
 *
 * @gfx:			graphics
 * @compute:			compute
 * @sdma:			SDMA
 */
static void order_batch_first(struct view *v, struct userq *q)
{
	view_create(v);
	igt_assert_eq(__userq_create(q), 0);
}

static void order_changed_first(struct view *v, struct userq *q)
{
	view_create(v);
	view_change(v, VIEW_REMAP, 2, NEXT);
	igt_assert_eq(__userq_create(q), 0);
}

static void order_batch_again(struct view *v, struct userq *q)
{
	igt_assert_eq(__userq_create(q), 0);
	view_create(v);
	view_read(v, q);
	view_destroy(v);
	view_change(v, VIEW_REMAP, 3, NEXT);
	view_create(v);
}

static void order_queue_again(struct view *v, struct userq *q)
{
	igt_assert_eq(__userq_create(q), 0);
	view_create(v);
	view_read(v, q);
	userq_destroy(q);
	view_change(v, VIEW_REMAP, 3, NEXT);
	igt_assert_eq(__userq_create(q), 0);
}

static void order_closed_dirty(struct view *v, struct userq *q)
{
	igt_assert_eq(__userq_create(q), 0);
	view_create(v);
	view_read(v, q);
	view_change(v, VIEW_REMAP, 3, NEXT);
	view_destroy(v);
	/* nothing is left that could keep the queue from running */
	userq_copy(q, q->staging.va, q->gate.va, BATCH_PAGE);
	view_create(v);
}

static void order_unmapped_dirty(struct view *v, struct userq *q)
{
	igt_assert_eq(__userq_create(q), 0);
	view_create(v);
	view_read(v, q);
	igt_assert_eq(__batch_va(v->gpu->fd, v->handles[0], AMDGPU_VA_OP_UNMAP, v->va, 0,
				 v->pieces->size, 0), 0);
	view_change(v, VIEW_REMAP, 3, NEXT);
	userq_copy(q, q->staging.va, q->gate.va, BATCH_PAGE);
	igt_assert_eq(__batch_va(v->gpu->fd, v->handles[0], AMDGPU_VA_OP_MAP, v->va, 0,
				 v->pieces->size, AMDGPU_VM_PAGE_READABLE |
				 AMDGPU_VM_PAGE_WRITEABLE | AMDGPU_VM_MTYPE_UC), 0);
	userq_settle(v->gpu);
}

static const struct order {
	const char *name;
	void (*apply)(struct view *v, struct userq *q);
} orders[] = {
	{ "batch-first", order_batch_first },
	{ "changed-first", order_changed_first },
	{ "batch-again", order_batch_again },
	{ "queue-again", order_queue_again },
	{ "closed-dirty", order_closed_dirty },
	{ "unmapped-dirty", order_unmapped_dirty },
};

static void order(int fd, const struct order *what, enum userq_kind kind)
{
	struct scene s;

	userq_file_init(&s.gpu, fd);
	userq_require(&s.gpu, kind);
	view_init(&s.v, &s.gpu, &mixed, true, BATCH_RW, OLD);
	userq_prepare(&s.q, &s.gpu, kind, s.v.pieces->size);
	what->apply(&s.v, &s.q);
	view_read(&s.v, &s.q);
	view_write(&s.v, &s.q, NEXT + 1);
	view_change(&s.v, VIEW_DONTNEED, 1, NEXT + 2);
	view_read(&s.v, &s.q);
	scene_fini(&s);
}

/**
 * SUBTEST: together
 * Description: Two queues of each kind, batches, a batch that is only read, userptrs and
 *	ordinary BOs in one address space; memory of all of them changes.
 */
#define MAX_VIEWS 4
#define MAX_QUEUES (2 * USERQ_KINDS)

static void together(int fd)
{
	struct userq q[MAX_QUEUES];
	struct view v[MAX_VIEWS];
	unsigned int n = 0, i, k, c;
	struct batch_gpu gpu;
	uint32_t seed = NEXT;

	userq_file_init(&gpu, fd);
	view_init(&v[0], &gpu, &mixed, true, BATCH_RW, seed++);
	view_init(&v[1], &gpu, &anon, false, BATCH_RW, seed++);
	view_init(&v[2], &gpu, &shared, true, BATCH_RO, seed++);
	view_init(&v[3], &gpu, &anon, true, BATCH_RW, seed++);
	for (i = 0; i < MAX_QUEUES; i++)
		if (userq_supported(&gpu, i % USERQ_KINDS))
			userq_init(&q[n++], &gpu, i % USERQ_KINDS, v[0].pieces->size);
	igt_require_f(n, "no user queues\n");
	for (i = 0; i < MAX_VIEWS; i++)
		view_create(&v[i]);

	for (c = 0; c < 6; c++) {
		/* sometimes one of them, sometimes all */
		for (i = c % 2 ? c % MAX_VIEWS : 0; i < MAX_VIEWS; i += c % 2 ? MAX_VIEWS : 1)
			view_change(&v[i], &view_changes[c % 3], 1 + c % 4, seed++);
		for (i = 0; i < MAX_VIEWS; i++) {
			/* every queue has a BO of its own to look at, all at once */
			for (k = 0; k < n; k++)
				view_emit_read(&v[(i + k) % MAX_VIEWS], &q[k]);
			for (k = 0; k < n; k++)
				userq_submit(&q[k]);
			for (k = 0; k < n; k++)
				userq_wait(&q[k]);
			userq_assert_no_fault(&gpu);
			for (k = 0; k < n; k++)
				view_check_staging(&v[(i + k) % MAX_VIEWS], &q[k]);
		}
		for (i = 0; i < MAX_VIEWS; i++)
			if (!(v[i].flags & AMDGPU_GEM_USERPTR_READONLY))
				view_write(&v[i], &q[(c + i) % n], seed++);
	}

	for (k = 0; k < n; k++)
		userq_fini(&q[k]);
	for (i = 0; i < MAX_VIEWS; i++)
		view_fini(&v[i]);
	userq_file_fini(&gpu);
}

/**
 * SUBTEST: rings-%s
 * Description: Submissions to the kernel's ring and work of a %arg[1] queue over one batch,
 *	in turn, while its memory changes.
 *
 * arg[1]:
 *
 * @gfx:			graphics
 * @compute:			compute
 * @sdma:			SDMA
 */
static void ring_read(struct scene *s)
{
	const struct batch_bo bo = {
		.handle = s->v.handles[0],
		.va = s->v.va,
		.size = s->v.pieces->size,
	};
	unsigned int i;
	uint64_t fence;

	memset(s->q.staging.cpu, 0xa5, bo.size);
	igt_assert_eq(__batch_submit(&s->gpu, &bo, s->q.staging.va, bo.va, bo.size, 1,
				     &fence), 0);
	igt_assert_eq(__batch_wait(&s->gpu, fence), 0);
	for (i = 0; i < s->v.pieces->layout.num_ranges; i++)
		batch_check_words((uint8_t *)s->q.staging.cpu + s->v.pieces->offsets[i],
				  batch_range_size(s->v.pieces, i), s->v.pieces->offsets[i],
				  s->v.seeds[i], "GPU (kernel ring)");
}

static void rings(int fd, enum userq_kind kind)
{
	struct drm_amdgpu_info_hw_ip sdma = {};
	uint32_t seed = NEXT;
	struct scene s;
	unsigned int i;

	scene_init(&s, fd, &mixed, true, BATCH_RW, kind);
	do_or_die(amdgpu_query_hw_ip_info(s.gpu.dev, AMDGPU_HW_IP_DMA, 0, &sdma));
	igt_require_f(sdma.available_rings, "no SDMA ring for kernel submissions\n");
	for (i = 0; i < 6; i++) {
		view_change(&s.v, &view_changes[i % 3], 1 + i % 4, seed++);
		if (i % 2) {
			ring_read(&s);
			view_read(&s.v, &s.q);
		} else {
			view_read(&s.v, &s.q);
			ring_read(&s);
		}
		view_write(&s.v, &s.q, seed++);
		ring_read(&s);
	}
	scene_fini(&s);
}

/**
 * SUBTEST: readonly-%s
 * Description: A %arg[1] queue reads memory that the CPU may only read, through a BO that
 *	is read-only, and follows it.
 *
 * arg[1]:
 *
 * @gfx:			graphics
 * @compute:			compute
 * @sdma:			SDMA
 */
static void readonly(int fd, enum userq_kind kind)
{
	struct scene s;
	unsigned int i;

	scene_init(&s, fd, &mixed, true, BATCH_RO, kind);
	for (i = 0; i < s.v.pieces->layout.num_ranges; i++)
		do_or_die(mprotect(batch_range_ptr(s.v.pieces, i),
				   batch_range_size(s.v.pieces, i), PROT_READ));
	view_read(&s.v, &s.q);
	view_change(&s.v, VIEW_REMAP, 3, NEXT);
	view_read(&s.v, &s.q);
	scene_fini(&s);
}

/**
 * SUBTEST: busy-%s-%s
 * Description: Memory is taken away while a %arg[2] queue has work that %arg[1] it.
 *
 * arg[1]:
 *
 * @reads:			reads: the memory goes when the work is done
 * @writes:			writes: the same
 * @pipeline:			reads, with more work behind it of which each has its fence
 * @unfenced:			reads, without a fence: nobody waits, the queue goes off the
 *				engine in the middle of its work, which goes on with the
 *				new memory
 *
 * arg[2]:
 *
 * @gfx:			graphics
 * @compute:			compute
 * @sdma:			SDMA
 */
static void busy_fenced(struct scene *s, bool gpu_writes, unsigned int jobs)
{
	struct view_taker taker;
	unsigned int i;

	userq_emit_gate(&s->q);
	for (i = 0; i < jobs; i++) {
		if (gpu_writes)
			view_emit_write(&s->v, &s->q, NEXT + 1);
		else
			view_emit_read(&s->v, &s->q);
		userq_submit(&s->q);
	}
	view_taker_start(&taker, &s->v, VIEW_REMAP, NEXT);
	view_taker_blocks(&taker);
	igt_assert(userq_busy(&s->q));
	userq_open_gates(&s->q);
	userq_wait(&s->q);
	userq_assert_no_fault(&s->gpu);
	if (!gpu_writes)
		batch_check_words(s->q.staging.cpu, s->v.pieces->size, 0, OLD, "GPU");
	view_taker_join(&taker);
	/* what the thread wrote came after what the GPU wrote */
	view_check_cpu(&s->v);
}

static void busy_reads(struct scene *s) { busy_fenced(s, false, 1); }
static void busy_writes(struct scene *s) { busy_fenced(s, true, 1); }
static void busy_pipeline(struct scene *s) { busy_fenced(s, false, 16); }

static void busy_unfenced(struct scene *s)
{
	userq_emit_gate(&s->q);
	view_emit_read(&s->v, &s->q);
	userq_ring_bell(&s->q);
	view_change(&s->v, VIEW_REMAP, 1, NEXT);
	userq_open_gates(&s->q);
	/* a fence for what is in the ring already */
	userq_submit(&s->q);
	userq_wait(&s->q);
	userq_assert_no_fault(&s->gpu);
	view_check_staging(&s->v, &s->q);
}

static const struct busy {
	const char *name;
	void (*run)(struct scene *s);
} busies[] = {
	{ "reads", busy_reads },
	{ "writes", busy_writes },
	{ "pipeline", busy_pipeline },
	{ "unfenced", busy_unfenced },
};

static void busy(int fd, const struct busy *what, enum userq_kind kind)
{
	struct scene s;

	scene_init(&s, fd, &shared, true, BATCH_RW, kind);
	what->run(&s);
	view_read(&s.v, &s.q);
	view_write(&s.v, &s.q, NEXT + 2);
	scene_fini(&s);
}

/**
 * SUBTEST: gone-%s-%s
 * Description: While a range is %arg[1], a %arg[2] queue does not run and gets no fences;
 *	other files are not harmed. It goes on when the memory is back.
 *
 * arg[1]:
 *
 * @unmapped:			not mapped
 * @protected:			mapped without access
 * @truncated:			beyond the end of its file
 * @userfault:			to be provided by a userfaultfd handler, which may be the one
 *				who waits for the queue
 *
 * arg[2]:
 *
 * @gfx:			graphics
 * @compute:			compute
 * @sdma:			SDMA
 */

/**
 * SUBTEST: gone-alone-%s
 * Description: Work that was in the ring when a range went goes on when the memory is back,
 *	without a call.
 *
 * arg[1]:
 *
 * @gfx:			graphics
 * @compute:			compute
 * @sdma:			SDMA
 */

/**
 * SUBTEST: gone-end-%s-%s
 * Description: While a range is missing, %arg[1], with a %arg[2] queue.
 *
 * arg[1]:
 *
 * @close-batch:		the batch is closed, and the queue runs again
 * @close-queue:		the queue is destroyed, another one is refused, the batch
 *				closed, another one made
 * @close-file:			the file is closed with all that is in it
 * @exit:			the process exits
 * @kill:			the process is killed
 *
 * arg[2]:
 *
 * @gfx:			graphics
 * @compute:			compute
 * @sdma:			SDMA
 */

/* the range that goes; with ascending order, the last of the file */
static unsigned int last(const struct view *v)
{
	return v->pieces->layout.num_ranges - 1;
}

static void gone_unmapped(struct view *v)
{
	do_or_die(munmap(batch_range_ptr(v->pieces, last(v)),
			 batch_range_size(v->pieces, last(v))));
}

static void gone_protected(struct view *v)
{
	do_or_die(mprotect(batch_range_ptr(v->pieces, last(v)),
			   batch_range_size(v->pieces, last(v)), PROT_NONE));
}

static void gone_truncated(struct view *v)
{
	do_or_die(ftruncate(v->pieces->memfd, (uint8_t *)batch_range_ptr(v->pieces, last(v)) -
			    v->pieces->base));
}

static int userfault = -1;

static void gone_userfault(struct view *v)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register args = {
		.range.start = v->pieces->ranges[last(v)].addr,
		.range.len = v->pieces->ranges[last(v)].size,
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	userfault = syscall(SYS_userfaultfd, O_CLOEXEC);
	igt_require_f(userfault >= 0, "userfaultfd: %s\n", strerror(errno));
	do_or_die(ioctl(userfault, UFFDIO_API, &api));
	do_or_die(ioctl(userfault, UFFDIO_REGISTER, &args));
	do_or_die(madvise(batch_range_ptr(v->pieces, last(v)),
			  batch_range_size(v->pieces, last(v)), MADV_DONTNEED));
}

static void come_back(struct view *v, uint32_t seed)
{
	if (userfault >= 0)
		close(userfault);
	userfault = -1;
	if (v->pieces->memfd >= 0)
		do_or_die(ftruncate(v->pieces->memfd, v->pieces->span));
	batch_pieces_place(v->pieces, last(v));
	batch_fill_range(v->pieces, last(v), seed);
	v->seeds[last(v)] = seed;
}

static const struct gone {
	const char *name;
	void (*apply)(struct view *v);
	struct batch_layout layout;
} gones[] = {
	{ "unmapped", gone_unmapped, { 16, 4, 0, 2, BATCH_ANON, BATCH_SHUFFLED } },
	{ "protected", gone_protected, { 16, 4, 0, 2, BATCH_ANON, BATCH_SHUFFLED } },
	{ "truncated", gone_truncated, { 16, 4, 0, 2, BATCH_SHARED, BATCH_ASCENDING } },
	{ "userfault", gone_userfault, { 16, 4, 0, 2, BATCH_ANON, BATCH_SHUFFLED } },
};

static void gone(int fd, const struct gone *what, enum userq_kind kind)
{
	struct scene s, other;
	unsigned int i;

	scene_init(&other, fd, &mixed, true, BATCH_RW, kind);
	scene_init(&s, fd, &what->layout, true, BATCH_RW, kind);
	what->apply(&s.v);
	view_emit_read(&s.v, &s.q);
	/* more than once: a failed attempt must not make the range look good */
	for (i = 0; i < 3; i++) {
		igt_assert_eq(__userq_submit(&s.q), -EFAULT);
		*s.q.bell = *(uint64_t *)s.q.wptr.cpu;
		view_change(&other.v, VIEW_REMAP, 2, NEXT + i);
		view_read(&other.v, &other.q);
		view_assert_unread(&s.v, &s.q);
	}
	for (i = 0; i < last(&s.v); i++)
		batch_check_range(s.v.pieces, i, OLD);

	come_back(&s.v, NEXT);
	userq_submit(&s.q);
	userq_wait(&s.q);
	userq_assert_no_fault(&s.gpu);
	view_check_staging(&s.v, &s.q);
	view_write(&s.v, &s.q, NEXT + 1);
	view_change(&s.v, VIEW_DONTNEED, 1, NEXT + 2);
	view_read(&s.v, &s.q);
	scene_fini(&s);
	scene_fini(&other);
}

static void gone_alone(int fd, enum userq_kind kind)
{
	struct scene s;
	uint32_t *mark;
	int tries;

	scene_init(&s, fd, &gones[0].layout, true, BATCH_RW, kind);
	/* the queue ends each copy with this word */
	mark = (uint32_t *)s.q.gate.cpu + 1;
	*mark = 0;
	userq_emit_gate(&s.q);
	view_emit_read(&s.v, &s.q);
	userq_emit_copy(&s.q, s.q.gate.va + 4, s.q.gate.va, 4);
	userq_ring_bell(&s.q);
	gone_unmapped(&s.v);
	userq_open_gates(&s.q);
	/* the memory is missing as long as a call says so */
	igt_assert_eq(__userq_signal(&s.q), -EFAULT);
	view_assert_unread(&s.v, &s.q);
	igt_assert_eq(__atomic_load_n(mark, __ATOMIC_ACQUIRE), 0);

	come_back(&s.v, NEXT);
	for (tries = 0; tries < 6000 && !__atomic_load_n(mark, __ATOMIC_ACQUIRE); tries++)
		usleep(10000);
	igt_assert_f(__atomic_load_n(mark, __ATOMIC_ACQUIRE), "the queue does not go on\n");
	view_check_staging(&s.v, &s.q);
	userq_submit(&s.q);
	userq_wait(&s.q);
	view_read(&s.v, &s.q);
	scene_fini(&s);
}

static void end_close_batch(struct scene *s)
{
	view_destroy(&s->v);
	userq_copy(&s->q, s->q.staging.va, s->q.gate.va, BATCH_PAGE);
	come_back(&s->v, NEXT);
	view_create(&s->v);
	view_read(&s->v, &s->q);
	scene_fini(s);
}

static void end_close_queue(struct scene *s)
{
	userq_destroy(&s->q);
	igt_assert_eq(__userq_create(&s->q), -EFAULT);
	view_destroy(&s->v);
	igt_assert_eq(__userq_create(&s->q), 0);
	come_back(&s->v, NEXT);
	view_create(&s->v);
	view_read(&s->v, &s->q);
	scene_fini(s);
}

static void end_close_file(struct scene *s) { drm_close_driver(s->gpu.fd); }
static void end_exit(struct scene *s) { exit(0); }
static void end_kill(struct scene *s) { kill(getpid(), SIGKILL); }

static const struct gone_end {
	const char *name;
	void (*apply)(struct scene *s);
	int status;
} gone_ends[] = {
	{ "close-batch", end_close_batch, 0 },
	{ "close-queue", end_close_queue, 0 },
	{ "close-file", end_close_file, 0 },
	{ "exit", end_exit, 0 },
	{ "kill", end_kill, 128 + SIGKILL },
};

static void gone_end(struct batch_gpu *test, const struct gone_end *what,
		     enum userq_kind kind)
{
	struct batch_left left;

	userq_require(test, kind);
	batch_left_begin(test, &left);
	igt_fork(child, 1) {
		struct scene s;

		scene_init(&s, test->fd, &gones[0].layout, true, BATCH_RW, kind);
		/* work that does not need the BO, which may be closed before it is done */
		userq_emit_copy(&s.q, s.q.staging.va, s.q.gate.va, BATCH_PAGE);
		gone_unmapped(&s.v);
		igt_assert_eq(__userq_submit(&s.q), -EFAULT);
		what->apply(&s);
	}
	igt_assert_eq(__igt_waitchildren(), what->status);
	batch_left_check(test, &left);
}

int igt_main()
{
	struct batch_gpu gpu;
	unsigned int i, k;
	int fd = -1;

	igt_fixture() {
		fd = drm_open_driver_render(DRIVER_AMDGPU);
		batch_gpu_init_queues(&gpu, fd, BATCH_PAGE);
		igt_require_f(gpu.info.max_ranges, "kernel without GEM_USERPTR_BATCH\n");
	}

	for (k = 0; k < USERQ_KINDS; k++) {
		const char *kind = userq_kinds[k].name;

		for (i = 0; i < ARRAY_SIZE(geometries); i++) {
			igt_describe("A user queue copies from and to every byte of the BO");
			igt_subtest_f("copy-%s-%s", geometries[i].name, kind)
				copy(fd, &geometries[i].layout, k);
		}
		for (i = 0; i < VIEW_CHANGES; i++) {
			igt_describe("A user queue follows a change of CPU mappings");
			igt_subtest_f("follow-%s-%s", view_changes[i].name, kind)
				follow(fd, &view_changes[i], k);
		}
		for (i = 0; i < ARRAY_SIZE(orders); i++) {
			igt_describe("Queue and batch come and go in another order");
			igt_subtest_f("order-%s-%s", orders[i].name, kind)
				order(fd, &orders[i], k);
		}
		for (i = 0; i < ARRAY_SIZE(busies); i++) {
			igt_describe("Memory goes while a user queue works on it");
			igt_subtest_f("busy-%s-%s", busies[i].name, kind)
				busy(fd, &busies[i], k);
		}
		for (i = 0; i < ARRAY_SIZE(gones); i++) {
			igt_describe("User queues do not run while memory is missing");
			igt_subtest_f("gone-%s-%s", gones[i].name, kind)
				gone(fd, &gones[i], k);
		}
		igt_describe("User queues run again without a call");
		igt_subtest_f("gone-alone-%s", kind)
			gone_alone(fd, k);
		for (i = 0; i < ARRAY_SIZE(gone_ends); i++) {
			igt_describe("What still works while memory is missing");
			igt_subtest_f("gone-end-%s-%s", gone_ends[i].name, kind)
				gone_end(&gpu, &gone_ends[i], k);
		}
		igt_describe("Read-only memory");
		igt_subtest_f("readonly-%s", kind)
			readonly(fd, k);
		igt_describe("Kernel rings and user queues over one batch");
		igt_subtest_f("rings-%s", kind)
			rings(fd, k);
	}

	igt_describe("Batches, userptrs and user queues of all kinds");
	igt_subtest("together")
		together(fd);

	igt_fixture() {
		batch_gpu_fini(&gpu);
		drm_close_driver(fd);
	}
}
