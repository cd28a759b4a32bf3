// SPDX-License-Identifier: MIT

/**
 * TEST: userptr batch race
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: Memory management tests
 * Functionality: userptr
 * Description: Threads change the memory behind a batch userptr BO while others
 *	submit copies of it: contents are never older than what the CPU had written
 *	before the submission, and nobody keeps anybody from getting on.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "igt.h"
#include "lib/amdgpu/amd_userptr_batch.h"
#include "lib/amdgpu/amd_userptr_batch_debug.h"
#include "lib/amdgpu/amd_userptr_kinds.h"
#include "lib/amdgpu/amd_userptr_raw.h"

IGT_TEST_DESCRIPTION("Memory changes while the GPU is told to use it");

#define STAGING_SIZE (16ull << 20)
#define MAX_RANGES 1024
#define MAX_SUBMITTERS 2
/* rests between changes, in microseconds, and how many may be too short for a copy */
#define SHORTEST_REST 200
#define LONGEST_REST 500000
#define MAX_VAIN_RESTS 32

/*
 * Every word of a page tells which page of the BO it belongs to and in which
 * generation it was written. A range's generations are written by one thread only:
 *
 *	changer					submitter
 *	started = g				before = done
 *	change the mapping			copy by the GPU
 *	write g					after = started
 *	done = g				before <= copied <= after
 */
struct generations {
	atomic_uint started;
	atomic_uint done;
};

static uint32_t word(uint64_t page, unsigned int generation)
{
	return (uint32_t)(page + 1) << 16 | (generation & 0xffff);
}

static void write_words(void *p, uint64_t size, uint64_t offset, unsigned int generation)
{
	uint32_t *w = p;
	uint64_t i;

	for (i = 0; i < size / 4; i++)
		w[i] = word((offset + i * 4) / BATCH_PAGE, generation);
}

struct race {
	struct batch_gpu *gpu;
	struct batch_pieces *pieces;
	struct batch_bo bo;
	const struct change *change;
	struct generations gen[MAX_RANGES];
	atomic_uint changes;		/* done by the changer */
	unsigned int rest;		/* its longest so far, in microseconds */
	atomic_uint submitting;		/* threads */
	atomic_uint copies;		/* done and checked */
	atomic_uint refused;		/* submissions that met a change and were refused */
	atomic_bool stop;
	/* what the first thread to notice something has to say */
	atomic_bool failed;
	char failure[200];
};

static void __attribute__((format(printf, 2, 3)))
fail(struct race *race, const char *format, ...)
{
	va_list args;

	if (atomic_exchange(&race->failed, true))
		return;
	va_start(args, format);
	vsnprintf(race->failure, sizeof(race->failure), format, args);
	va_end(args);
	race->stop = true;
}

/* A subtest that hangs fails; what it waits for takes seconds, or minutes with a debugging kernel. */
static unsigned int hang_seconds(void)
{
	return batch_kernel_is_slow() ? 1000 : 200;
}

/* How much less there is to do with a debugging kernel, where a step is ten times as long. */
static unsigned int share(unsigned int whole)
{
	return batch_kernel_is_slow() ? whole / 6 : whole;
}

/* Signals, such as the one of igt_set_timeout(), are for the thread of the subtest. */
static pthread_t start_thread(void *(*run)(void *), void *data)
{
	pthread_t thread;
	sigset_t all, old;

	sigfillset(&all);
	do_or_die(pthread_sigmask(SIG_BLOCK, &all, &old));
	igt_assert_eq(pthread_create(&thread, NULL, run, data), 0);
	do_or_die(pthread_sigmask(SIG_SETMASK, &old, NULL));
	return thread;
}

/*
 * Changes of a range; size and place stay. They return false on an error.
 */
static bool change_dontneed(void *p, uint64_t size, uint64_t offset, unsigned int generation)
{
	return !madvise(p, size, MADV_DONTNEED);
}

static bool change_pageout(void *p, uint64_t size, uint64_t offset, unsigned int generation)
{
	/* it may stay where it is, that is no error */
	madvise(p, size, MADV_PAGEOUT);
	return true;
}

static bool change_protect(void *p, uint64_t size, uint64_t offset, unsigned int generation)
{
	return !mprotect(p, size, PROT_READ) &&
		!mprotect(p, size, PROT_READ | PROT_WRITE);
}

static bool change_remap(void *p, uint64_t size, uint64_t offset, unsigned int generation)
{
	return !munmap(p, size) &&
		mmap(p, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
		     MAP_FIXED_NOREPLACE, -1, 0) == p;
}

static bool change_map_over(void *p, uint64_t size, uint64_t offset, unsigned int generation)
{
	return mmap(p, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
		    MAP_FIXED, -1, 0) == p;
}

/* The new contents come with the new pages: at no time is there anything else. */
static bool change_move(void *p, uint64_t size, uint64_t offset, unsigned int generation)
{
	void *from = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (from == MAP_FAILED)
		return false;
	write_words(from, size, offset, generation);
	return mremap(from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, p) == p;
}

/**
 * SUBTEST: consistent-%s-%s
 * Description: The GPU never sees contents of a page that were old when the copy was
 *	submitted, while a thread does %arg[1], %arg[2].
 *
 * arg[1]:
 *
 * @dontneed:		madvise(MADV_DONTNEED) and a write
 * @pageout:		madvise(MADV_PAGEOUT) and a write
 * @protect:		mprotect away and back and a write
 * @remap:		munmap, mmap and a write
 * @map-over:		mmap over it and a write
 * @move:		mremap of other memory to its place
 *
 * arg[2]:
 *
 * @one:		with one thread that submits
 * @two:		with two threads that submit
 * @many-ranges:	with two threads and a large batch
 * @big-ranges:		with ranges of many pages each
 */
static const struct change {
	const char *name;
	bool (*apply)(void *p, uint64_t size, uint64_t offset, unsigned int generation);
	bool zero;		/* new pages are seen before they are written */
	int refused;		/* what a submission may say meanwhile */
} changes[] = {
	{ "dontneed", change_dontneed, true, 0 },
	{ "pageout", change_pageout, false, 0 },
	{ "protect", change_protect, false, -EACCES },
	{ "remap", change_remap, true, -EFAULT },
	{ "map-over", change_map_over, true, 0 },
	{ "move", change_move, false, 0 },
};

static const struct shape {
	const char *name;
	struct batch_layout layout;
	unsigned int submitters;
	unsigned int copies;	/* at least */
	unsigned int changes;	/* at least */
} shapes[] = {
	{ "one", { 48, 1, 1, 1, BATCH_ANON, BATCH_SHUFFLED }, 1, 80, 150 },
	{ "two", { 48, 1, 1, 1, BATCH_ANON, BATCH_SHUFFLED }, 2, 120, 150 },
	{ "many-ranges", { 768, 1, 0, 1, BATCH_ANON, BATCH_SHUFFLED }, 2, 50, 150 },
	{ "big-ranges", { 6, 64, 0, 1, BATCH_ANON, BATCH_SHUFFLED }, 2, 50, 150 },
};

static bool change_range(struct race *race, unsigned int i)
{
	struct batch_pieces *pieces = race->pieces;
	struct generations *gen = &race->gen[i];
	void *p = batch_range_ptr(pieces, i);
	uint64_t size = batch_range_size(pieces, i), offset = pieces->offsets[i];
	unsigned int next = gen->done + 1;

	gen->started = next;
	if (!race->change->apply(p, size, offset, next)) {
		fail(race, "%s of range %u: %s", race->change->name, i, strerror(errno));
		return false;
	}
	write_words(p, size, offset, next);
	gen->done = next;
	race->changes++;
	return true;
}

/*
 * Ranges in an order without pattern, so that what went wrong with one stays for a while.
 * There are rests now and then, for a clean batch as well, and where submissions take
 * so long that every one meets a change, rests grow until some get through.
 */
static void *changer(void *data)
{
	unsigned int vain = 0, copies = 0;
	struct race *race = data;
	uint32_t random = 1;

	while (!race->stop) {
		random = random * 1664525 + 1013904223;
		if (!change_range(race, (random >> 8) % race->pieces->layout.num_ranges))
			break;
		if (random >> 30)
			continue;
		usleep(race->rest);
		if (race->copies != copies) {
			copies = race->copies;
			vain = 0;
		} else if (race->submitting && ++vain == MAX_VAIN_RESTS) {
			if (race->rest < LONGEST_REST)
				race->rest *= 2;
			vain = 0;
		}
	}
	return NULL;
}

static bool check_range(struct race *race, const struct batch_gpu *gpu, unsigned int i,
			unsigned int before, unsigned int after)
{
	uint64_t offset = race->pieces->offsets[i], n, size;
	const uint32_t *w = (const uint32_t *)((uint8_t *)gpu->staging.cpu + offset);

	size = batch_range_size(race->pieces, i);
	for (n = 0; n < size / 4; n++) {
		uint64_t page = (offset + n * 4) / BATCH_PAGE;
		/* generations are compared modulo 2^16, as they are written */
		unsigned int age = (after - w[n]) & 0xffff;

		if (w[n] >> 16 == page + 1 && age <= after - before)
			continue;
		if (!w[n] && race->change->zero && after != before)
			continue;
		fail(race, "range %u, page %llu: %#x, generations %u to %u were possible",
		     i, (unsigned long long)page, w[n], before, after);
		return false;
	}
	return true;
}

/* One copy of everything, by the GPU, and a look at it. */
static bool copy_once(struct race *race, struct batch_gpu *gpu)
{
	unsigned int n = race->pieces->layout.num_ranges, i, *before;
	bool good = true;
	uint64_t fence;
	int r;

	before = malloc(n * sizeof(*before));
	for (i = 0; i < n; i++)
		before[i] = race->gen[i].done;
	memset(gpu->staging.cpu, 0xa5, race->bo.size);

	race->submitting++;
	r = __batch_submit(gpu, &race->bo, gpu->staging.va, race->bo.va, race->bo.size,
			   1, &fence);
	race->submitting--;
	if (r == -EBUSY || (r && r == race->change->refused)) {
		race->refused++;
		sched_yield();
		goto out;
	}
	if (!r)
		r = __batch_wait(gpu, fence);
	if (r) {
		fail(race, "submission: %s", strerror(-r));
		good = false;
		goto out;
	}
	for (i = 0; i < n && good; i++)
		good = check_range(race, gpu, i, before[i], race->gen[i].started);
	race->copies++;
out:
	free(before);
	return good;
}

struct submitter {
	struct race *race;
	struct batch_gpu gpu;
	pthread_t thread;
};

static void *submitter(void *data)
{
	struct submitter *s = data;

	while (!s->race->stop && copy_once(s->race, &s->gpu))
		;
	return NULL;
}

/* A context and buffers of its own on the same device, for another thread. */
static void submitter_init(struct submitter *s, struct race *race)
{
	s->race = race;
	s->gpu = *race->gpu;
	do_or_die(amdgpu_cs_ctx_create(s->gpu.dev, &s->gpu.ctx));
	batch_buffer_init(&s->gpu, &s->gpu.ib, race->gpu->ib.size);
	batch_buffer_init(&s->gpu, &s->gpu.staging, race->bo.size);
}

static void submitter_fini(struct submitter *s)
{
	batch_buffer_fini(&s->gpu.staging);
	batch_buffer_fini(&s->gpu.ib);
	do_or_die(amdgpu_cs_ctx_free(s->gpu.ctx));
}

static void race_init(struct race *race, struct batch_gpu *gpu, const struct change *change,
		      const struct batch_layout *layout)
{
	unsigned int i;

	memset(race, 0, sizeof(*race));
	race->gpu = gpu;
	race->change = change;
	race->rest = SHORTEST_REST;
	igt_assert(layout->num_ranges <= MAX_RANGES);
	race->pieces = batch_pieces_alloc(layout);
	for (i = 0; i < layout->num_ranges; i++)
		write_words(batch_range_ptr(race->pieces, i), batch_range_size(race->pieces, i),
			    race->pieces->offsets[i], 0);
	batch_create(gpu, race->pieces, BATCH_RW, &race->bo);
	batch_map(gpu, &race->bo);
}

static void race_fini(struct race *race)
{
	igt_info("%u changes, %u copies, %u refused, rests of %u us\n", race->changes,
		 race->copies, race->refused, race->rest);
	igt_assert_f(!race->failed, "%s\n", race->failure);
	/* whatever happened, now it is at rest */
	igt_assert_f(copy_once(race, race->gpu), "at rest: %s\n", race->failure);
	igt_assert_f(race->copies, "a batch at rest cannot be used\n");
	batch_destroy(race->gpu, &race->bo);
	batch_pieces_free(race->pieces);
}

static void consistent(struct batch_gpu *gpu, const struct change *change,
		       const struct shape *shape)
{
	struct submitter submitters[MAX_SUBMITTERS];
	struct race *race = malloc(sizeof(*race));
	pthread_t thread;
	unsigned int i;

	igt_assert(race);
	race_init(race, gpu, change, &shape->layout);
	for (i = 0; i < shape->submitters; i++)
		submitter_init(&submitters[i], race);

	igt_set_timeout(hang_seconds(), "threads that change and threads that submit");
	thread = start_thread(changer, race);
	for (i = 0; i < shape->submitters; i++)
		submitters[i].thread = start_thread(submitter, &submitters[i]);
	while (!race->failed &&
	       (race->copies < share(shape->copies) ||
		race->changes < share(shape->changes)))
		usleep(1000);
	race->stop = true;
	pthread_join(thread, NULL);
	for (i = 0; i < shape->submitters; i++)
		pthread_join(submitters[i].thread, NULL);
	igt_reset_timeout();

	for (i = 0; i < shape->submitters; i++)
		submitter_fini(&submitters[i]);
	race_fini(race);
	free(race);
}

/**
 * SUBTEST: processes-%s
 * Description: Many processes with some batches each, whose memory changes, at
 *	the same time: %arg[1].
 *
 * arg[1]:
 *
 * @dontneed:		madvise(MADV_DONTNEED) and a write
 * @move:		mremap of other memory
 */
#define PROCESSES 6
#define BATCHES 3

static void process(int fd, const struct change *change, unsigned int child)
{
	static const struct batch_layout layout = { 40, 1, 1, 1, BATCH_ANON, BATCH_SHUFFLED };
	struct race *races = calloc(BATCHES, sizeof(*races));
	pthread_t threads[BATCHES];
	struct batch_gpu gpu;
	unsigned int i, round;

	fd = drm_reopen_driver(fd);
	batch_gpu_init(&gpu, fd, STAGING_SIZE);
	for (i = 0; i < BATCHES; i++) {
		race_init(&races[i], &gpu, change, &layout);
		threads[i] = start_thread(changer, &races[i]);
	}
	for (round = 0; round < share(20); round++)
		for (i = 0; i < BATCHES && !races[i].failed; i++)
			copy_once(&races[i], &gpu);
	for (i = 0; i < BATCHES; i++) {
		races[i].stop = true;
		pthread_join(threads[i], NULL);
		race_fini(&races[i]);
	}
	batch_gpu_fini(&gpu);
	drm_close_driver(fd);
	free(races);
}

static void processes(int fd, const struct change *change)
{
	igt_fork(child, PROCESSES)
		process(fd, change, child);
	igt_waitchildren();
}

/**
 * SUBTEST: livelock-%s
 * Description: Every submission returns although a thread does nothing but
 *	%arg[1], and that thread gets on during each of them.
 *
 * arg[1]:
 *
 * @dontneed:		madvise(MADV_DONTNEED) of some page
 * @map-over:		mmap over some page
 * @move:		mremap to some page
 */
struct unrest {
	const struct change *change;
	uint8_t *p;
	uint64_t pages;
	atomic_uint changes;
	atomic_bool stop, failed;
};

static void *unrest(void *data)
{
	struct unrest *u = data;
	uint64_t page;

	for (page = 0; !u->stop && !u->failed; page = (page + 1) % u->pages) {
		u->failed = !u->change->apply(u->p + page * BATCH_PAGE, BATCH_PAGE,
					      page * BATCH_PAGE, 0);
		u->changes++;
	}
	return NULL;
}

static void livelock(struct batch_gpu *gpu, const struct change *change)
{
	static const struct batch_layout layout = { 2, 512, 0, 1, BATCH_ANON, BATCH_ASCENDING };
	struct batch_pieces *pieces = batch_pieces_alloc(&layout);
	unsigned int i, done = 0, busy = 0, again = 0;
	struct unrest u = { .change = change };
	struct batch_bo bo;
	struct raw raw;
	pthread_t thread;
	int r;

	batch_fill(pieces, 1);
	batch_create(gpu, pieces, BATCH_RW, &bo);
	batch_map(gpu, &bo);
	raw_init(&raw, gpu);
	u.p = batch_range_ptr(pieces, 1);
	u.pages = 16;

	igt_set_timeout(hang_seconds(), "a submission while memory changes");
	thread = start_thread(unrest, &u);
	for (i = 0; i < 6 && !u.failed; i++) {
		unsigned int before = u.changes;

		/* something to do for the submission, and never too little */
		do_or_die(madvise(batch_range_ptr(pieces, 0), batch_range_size(pieces, 0),
				  MADV_DONTNEED));
		r = raw_submit(&raw, &bo);
		done += !r;
		busy += r == -EBUSY;
		again += r == -EAGAIN;
		if (r && r != -EBUSY && r != -EAGAIN) {
			u.stop = true;
			pthread_join(thread, NULL);
			igt_assert_eq(r, 0);
		}
		/* it ends only when nobody keeps the thread from its work */
		while (u.changes == before && !u.failed)
			sched_yield();
	}
	u.stop = true;
	pthread_join(thread, NULL);
	igt_assert(!u.failed);
	igt_info("%u changes; submissions: %u done, %u busy, %u again\n", u.changes, done,
		 busy, again);

	/* whatever was lost before: where nothing changes a submission gets through */
	igt_assert_eq(raw_submit(&raw, &bo), 0);
	/* what was left DIRTY is found */
	batch_fill(pieces, 2);
	batch_read_check(gpu, &bo, 2);
	igt_reset_timeout();
	raw_fini(&raw);
	batch_destroy(gpu, &bo);
	batch_pieces_free(pieces);
}

/**
 * SUBTEST: livelock-reclaim
 * Description: A batch larger than its memory cgroup: bringing one range in throws
 *	another out, for ever. The submission gives up with EBUSY, and succeeds when
 *	there is memory.
 */
#define RECLAIM_BYTES (24ull << 20)
#define RECLAIM_LIMIT (14ull << 20)
#define CGROUP_ROOT "/sys/fs/cgroup"
#define CGROUP CGROUP_ROOT "/igt-userptr-batch"

static bool __attribute__((format(printf, 2, 3)))
write_file(const char *path, const char *format, ...)
{
	va_list args;
	bool good;
	FILE *f;

	f = fopen(path, "w");
	if (!f)
		return false;
	va_start(args, format);
	good = vfprintf(f, format, args) > 0;
	va_end(args);
	return !fclose(f) && good;
}

static void reclaim_child(int fd)
{
	static const struct batch_layout layout = { 96, 64, 0, 1, BATCH_ANON, BATCH_SHUFFLED };
	struct batch_pieces *pieces;
	struct batch_gpu gpu;
	struct batch_bo bo;
	struct raw raw;
	int i;

	/* the buffers are outside of the cgroup's limit */
	fd = drm_reopen_driver(fd);
	batch_gpu_init(&gpu, fd, RECLAIM_BYTES);
	raw_init(&raw, &gpu);
	igt_assert(write_file(CGROUP "/cgroup.procs", "%d", getpid()));

	pieces = batch_pieces_alloc(&layout);
	igt_assert_eq_u64(pieces->size, RECLAIM_BYTES);
	batch_fill(pieces, 1);
	batch_create(&gpu, pieces, AMDGPU_GEM_USERPTR_REGISTER, &bo);
	batch_map(&gpu, &bo);
	for (i = 0; i < 2; i++)
		igt_assert_eq(raw_submit(&raw, &bo), -EBUSY);

	igt_assert(write_file(CGROUP "/memory.max", "max"));
	batch_read_check(&gpu, &bo, 1);
	batch_check(pieces, 1);
	batch_destroy(&gpu, &bo);
	batch_pieces_free(pieces);
	raw_fini(&raw);
	batch_gpu_fini(&gpu);
	drm_close_driver(fd);
}

static void livelock_reclaim(int fd)
{
	bool limited;

	igt_require_f(kinds_have_swap(), "no swap\n");
	/* may be on already, or not be ours to switch on */
	write_file(CGROUP_ROOT "/cgroup.subtree_control", "+memory");
	igt_require_f(!mkdir(CGROUP, 0755) || errno == EEXIST,
		      "no cgroups of version 2 at " CGROUP_ROOT ": %s\n", strerror(errno));
	limited = write_file(CGROUP "/memory.max", "%llu", RECLAIM_LIMIT);
	if (!limited)
		rmdir(CGROUP);
	igt_require_f(limited, "no memory controller\n");

	igt_set_timeout(hang_seconds(), "a submission short of memory");
	igt_fork(child, 1)
		reclaim_child(fd);
	igt_waitchildren();
	igt_reset_timeout();
	do_or_die(rmdir(CGROUP));
}

/**
 * SUBTEST: signal-%s
 * Description: A signal gets through to a submission that brings in a large batch,
 *	%arg[1], and however many come, submission and creation get on.
 *
 * arg[1]:
 *
 * @one-range:		in one range
 * @ranges:		in many ranges
 */
static const struct {
	const char *name;
	struct batch_layout layout;
} signalled[] = {
	{ "one-range", { 1, 49152, 0, 1, BATCH_ANON, BATCH_ASCENDING } },
	{ "ranges", { 12288, 4, 0, 1, BATCH_ANON, BATCH_SHUFFLED } },
};

static void nothing(int sig)
{
}

struct pest {
	pthread_t target;
	unsigned int period;
	atomic_bool stop;
};

static void *pest(void *data)
{
	struct pest *p = data;

	while (!p->stop) {
		if (p->period)
			usleep(p->period);
		pthread_kill(p->target, SIGUSR1);
	}
	return NULL;
}

static void all_away(struct batch_pieces *pieces)
{
	unsigned int i;

	for (i = 0; i < pieces->layout.num_ranges; i++)
		do_or_die(madvise(batch_range_ptr(pieces, i), batch_range_size(pieces, i),
				  MADV_DONTNEED));
}

/* Signals come faster than either can look at all of the memory. */
static void get_on(struct batch_gpu *gpu, struct raw *raw, struct batch_pieces *pieces,
		   const struct batch_bo *bo)
{
	struct pest p = { .target = pthread_self() };
	struct batch_bo another;
	pthread_t thread;
	int r;

	all_away(pieces);
	thread = start_thread(pest, &p);
	do
		r = raw_submit(raw, bo);
	while (r == -EINTR);
	p.stop = true;
	pthread_join(thread, NULL);
	igt_assert_eq(r, 0);

	all_away(pieces);
	p.stop = false;
	thread = start_thread(pest, &p);
	/* drmIoctl() repeats it when it was interrupted */
	batch_create(gpu, pieces, BATCH_RW, &another);
	p.stop = true;
	pthread_join(thread, NULL);
	batch_destroy(gpu, &another);
}

static void signals(struct batch_gpu *gpu, const struct batch_layout *whole)
{
	struct batch_layout layout = *whole;
	struct batch_pieces *pieces;
	struct sigaction action = { .sa_handler = nothing }, old;
	unsigned int period, interrupted = 0;
	struct batch_bo bo;
	struct raw raw;
	int r;

	if (layout.num_ranges > 1)
		layout.num_ranges = share(layout.num_ranges);
	else
		layout.pages = share(layout.pages);
	pieces = batch_pieces_alloc(&layout);
	batch_create(gpu, pieces, AMDGPU_GEM_USERPTR_REGISTER, &bo);
	batch_map(gpu, &bo);
	raw_init(&raw, gpu);
	/* without SA_RESTART: the call returns EINTR */
	do_or_die(sigaction(SIGUSR1, &action, &old));

	igt_set_timeout(hang_seconds(), "a submission that is interrupted");
	for (period = 20000; period >= 200 && !interrupted; period /= 2) {
		struct pest p = { .target = pthread_self(), .period = period };
		pthread_t thread;

		all_away(pieces);
		thread = start_thread(pest, &p);
		while ((r = raw_submit(&raw, &bo)) == -EINTR)
			interrupted++;
		p.stop = true;
		pthread_join(thread, NULL);
		igt_assert_eq(r, 0);
	}
	get_on(gpu, &raw, pieces, &bo);
	igt_reset_timeout();
	igt_info("interrupted %u times, the last period was %u us\n", interrupted, period * 2);
	igt_assert_f(interrupted, "no signal got through\n");

	do_or_die(sigaction(SIGUSR1, &old, NULL));
	raw_fini(&raw);
	batch_destroy(gpu, &bo);
	batch_pieces_free(pieces);
}

/**
 * SUBTEST: waits-%s
 * Description: One call that hits thousands of ranges waits for the GPU once:
 *	%arg[1].
 *
 * arg[1]:
 *
 * @munmap:		munmap
 * @map-over:		mmap over all of it
 * @dontneed:		madvise(MADV_DONTNEED) of adjacent ranges
 */
static void wait_munmap(struct batch_pieces *pieces)
{
	do_or_die(munmap(pieces->base, pieces->span));
	/* what batch_pieces_free() will unmap must not be anyone else's */
	igt_assert(mmap(pieces->base, pieces->span, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
			MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0) == pieces->base);
}

static void wait_map_over(struct batch_pieces *pieces)
{
	igt_assert(mmap(pieces->base, pieces->span, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == pieces->base);
}

static void wait_dontneed(struct batch_pieces *pieces)
{
	do_or_die(madvise(pieces->base, pieces->span, MADV_DONTNEED));
}

static const struct wait_once {
	const char *name;
	void (*apply)(struct batch_pieces *pieces);
	unsigned int gap;
} waits[] = {
	{ "munmap", wait_munmap, 1 },
	{ "map-over", wait_map_over, 1 },
	{ "dontneed", wait_dontneed, 0 },
};

static void wait_once(struct batch_gpu *gpu, const struct wait_once *what)
{
	const struct batch_layout layout = { 4096, 1, 0, what->gap, BATCH_ANON, BATCH_SHUFFLED };
	uint64_t waited[2], invalidated[2];
	struct batch_pieces *pieces;
	struct batch_bo bo;

	pieces = batch_pieces_alloc(&layout);
	batch_fill(pieces, 1);
	batch_create(gpu, pieces, BATCH_RW, &bo);
	batch_map(gpu, &bo);
	batch_read_check(gpu, &bo, 1);

	igt_require_f(batch_counter(gpu, "waits", &waited[0]), "no counters in debugfs\n");
	batch_counter(gpu, "invalidations", &invalidated[0]);
	what->apply(pieces);
	igt_assert(batch_counter(gpu, "waits", &waited[1]));
	batch_counter(gpu, "invalidations", &invalidated[1]);
	igt_assert_eq_u64(invalidated[1] - invalidated[0], layout.num_ranges);
	igt_assert_eq_u64(waited[1] - waited[0], 1);

	batch_destroy(gpu, &bo);
	batch_pieces_free(pieces);
}

static const struct change *find_change(const char *name)
{
	unsigned int i;

	for (i = 0; strcmp(changes[i].name, name); i++)
		;
	return &changes[i];
}

int igt_main()
{
	static const char * const livelocks[] = { "dontneed", "map-over", "move" };
	static const char * const process_changes[] = { "dontneed", "move" };
	struct batch_gpu gpu;
	unsigned int i, j;
	int fd = -1;

	igt_fixture() {
		fd = drm_open_driver_render(DRIVER_AMDGPU);
		batch_gpu_init(&gpu, fd, STAGING_SIZE);
	}

	for (i = 0; i < ARRAY_SIZE(changes); i++)
		for (j = 0; j < ARRAY_SIZE(shapes); j++)
			igt_subtest_f("consistent-%s-%s", changes[i].name, shapes[j].name)
				consistent(&gpu, &changes[i], &shapes[j]);

	for (i = 0; i < ARRAY_SIZE(process_changes); i++)
		igt_subtest_f("processes-%s", process_changes[i])
			processes(fd, find_change(process_changes[i]));

	for (i = 0; i < ARRAY_SIZE(livelocks); i++)
		igt_subtest_f("livelock-%s", livelocks[i])
			livelock(&gpu, find_change(livelocks[i]));

	igt_subtest("livelock-reclaim")
		livelock_reclaim(fd);

	for (i = 0; i < ARRAY_SIZE(signalled); i++)
		igt_subtest_f("signal-%s", signalled[i].name)
			signals(&gpu, &signalled[i].layout);

	for (i = 0; i < ARRAY_SIZE(waits); i++)
		igt_subtest_f("waits-%s", waits[i].name)
			wait_once(&gpu, &waits[i]);

	igt_fixture() {
		batch_gpu_fini(&gpu);
		drm_close_driver(fd);
	}
}
