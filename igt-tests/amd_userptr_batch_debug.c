// SPDX-License-Identifier: MIT

/**
 * TEST: userptr batch debug
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: Memory management tests
 * Functionality: userptr
 * Description: What batch userptr BOs cost and how that can be seen: counters,
 *	events, accounting, limits, very many ranges
 */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "igt.h"
#include "lib/amdgpu/amd_userptr_batch.h"
#include "lib/amdgpu/amd_userptr_batch_debug.h"
#include "lib/amdgpu/amd_userptr_batch_life.h"

IGT_TEST_DESCRIPTION("The driver's own account of BOs made of many pieces of CPU "
		     "memory, and whether it did no more than it had to");

#define STAGING_SIZE (32ull << 20)

/* seeds of the patterns, in the order in which a subtest uses them */
enum { OLD = 1, NEW, GPU_WRITTEN };

/*
 * Counters in debugfs, see struct amdgpu_userptr_counters of the driver
 */

enum { INVALIDATIONS, WAITS, FAULTS, WALKS, RESTORES, CLEARS, UPDATES, COUNTERS };

static const char * const counter_names[COUNTERS] = {
	"invalidations", "waits", "faults", "walks", "restores", "clears", "updates",
};

struct counters {
	uint64_t value[COUNTERS];
};

static void counters_read(struct batch_gpu *gpu, struct counters *c)
{
	unsigned int i;

	for (i = 0; i < COUNTERS; i++)
		igt_require_f(batch_counter(gpu, counter_names[i], &c->value[i]),
			      "no counter %s in debugfs\n", counter_names[i]);
}

/* What happened since the last call with the same @last. */
static void counters_since(struct batch_gpu *gpu, struct counters *last,
			   struct counters *delta)
{
	struct counters now;
	unsigned int i;

	counters_read(gpu, &now);
	for (i = 0; i < COUNTERS; i++)
		delta->value[i] = now.value[i] - last->value[i];
	*last = now;
}

static void check_counters(const struct counters *delta, const struct counters *want,
			   const char *when)
{
	unsigned int i;

	for (i = 0; i < COUNTERS; i++)
		igt_assert_f(delta->value[i] == want->value[i],
			     "%s: %llu %s instead of %llu\n", when,
			     (unsigned long long)delta->value[i], counter_names[i],
			     (unsigned long long)want->value[i]);
}

static void check_event(const char *event, unsigned int want, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Events of this name: so many, and all with these fields. */
static void check_event(const char *event, unsigned int want, const char *format, ...)
{
	char fields[128];
	va_list args;

	va_start(args, format);
	vsnprintf(fields, sizeof(fields), format, args);
	va_end(args);
	igt_assert_f(batch_trace_count(event, NULL) == want &&
		     batch_trace_count(event, fields) == want,
		     "event %s: %u, %u with \"%s\", instead of %u\n", event,
		     batch_trace_count(event, NULL), batch_trace_count(event, fields),
		     fields, want);
}

static void check_no_event(void)
{
	static const char * const events[] = {
		"create", "fault", "invalidate", "restore", "destroy",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(events); i++)
		check_event(events[i], 0, " ");
}

/**
 * SUBTEST: restore-only-changed-%s-%s
 * Description: When the memory of %arg[2] of the ranges, which are %arg[1], was
 *	taken away, then this many are invalidated, faulted and restored, with no
 *	more updates of page tables than they have runs in the BO, and one flush
 *	of the TLB. A submission without changes costs nothing.
 *
 * arg[1]:
 *
 * @apart:			not neighbours
 * @touching:			neighbours, so that one notifier watches all
 * @far:			far from each other, in another order than in the BO
 *
 * arg[2]:
 *
 * @one:			one
 * @some:			some, which do not touch each other in the BO
 * @half:			every second
 * @half-adjacent:		half, one behind the other in the BO
 * @all:			all
 */
#define CHANGED_RANGES 64

static const struct geometry {
	const char *name;
	struct batch_layout layout;
	bool near;		/* one walk can look at neighbours */
} geometries[] = {
	{ "apart", { CHANGED_RANGES, 2, 0, 2, BATCH_ANON, BATCH_ASCENDING }, true },
	{ "touching", { CHANGED_RANGES, 2, 0, 0, BATCH_ANON, BATCH_ASCENDING }, true },
	{ "far", { CHANGED_RANGES, 2, 0, 64, BATCH_ANON, BATCH_SHUFFLED }, false },
};

static const struct choice {
	const char *name;
	unsigned int first, step, count;
} choices[] = {
	{ "one", CHANGED_RANGES / 3, 1, 1 },
	{ "some", 2, CHANGED_RANGES / 6, 6 },
	{ "half", 1, 2, CHANGED_RANGES / 2 },
	{ "half-adjacent", CHANGED_RANGES / 4, 1, CHANGED_RANGES / 2 },
	{ "all", 0, 1, CHANGED_RANGES },
};

static void restore_only_changed(struct batch_gpu *gpu, const struct geometry *geometry,
				 const struct choice *choice)
{
	unsigned int k = choice->count, runs = choice->step == 1 ? 1 : k, i, tries;
	struct counters last, delta, clean = {};
	const struct batch_layout *layout = &geometry->layout;
	struct batch_pieces *pieces = batch_pieces_alloc(layout);
	bool hit[CHANGED_RANGES] = {};
	struct batch_bo bo;
	uint64_t value;

	batch_trace_start();
	batch_fill(pieces, OLD);
	batch_create(gpu, pieces, BATCH_RW, &bo);
	check_event("create", 1, " ranges=%u ", layout->num_ranges);
	check_event("fault", 1, " faults=%u ", layout->num_ranges);
	batch_map(gpu, &bo);
	batch_read_check(gpu, &bo, OLD);
	check_event("restore", 1, " restores=%u clears=0 updates=1 flush=0 ret=0 ",
		    layout->num_ranges);

	counters_read(gpu, &last);
	batch_trace_clear();
	for (i = 0; i < k; i++) {
		unsigned int n = choice->first + i * choice->step;

		hit[n] = true;
		do_or_die(madvise(batch_range_ptr(pieces, n),
				  batch_range_size(pieces, n), MADV_DONTNEED));
	}
	counters_since(gpu, &last, &delta);
	check_counters(&delta, &(struct counters){ .value = {
		[INVALIDATIONS] = k, [WAITS] = k } }, "madvise");
	check_event("invalidate", k, " ranges=1 wait=1 ");
	batch_counter(gpu, "dirty", &value);
	igt_assert_eq_u64(value, k);

	batch_trace_clear();
	batch_read(gpu, &bo);
	counters_since(gpu, &last, &delta);
	igt_info("%u ranges: %llu walks, %llu updates\n", k,
		 (unsigned long long)delta.value[WALKS],
		 (unsigned long long)delta.value[UPDATES]);
	igt_assert(delta.value[WALKS] >= 1);
	/* what is missing is faulted piece by piece, between two looks at all of it */
	igt_assert(delta.value[WALKS] <= k + 2 * (geometry->near ? runs : k));
	delta.value[WALKS] = 0;
	check_counters(&delta, &(struct counters){ .value = {
		[FAULTS] = k, [RESTORES] = k, [UPDATES] = runs } }, "restore");
	check_event("fault", 1, " faults=%u ", k);
	check_event("restore", 1, " restores=%u clears=0 updates=%u flush=1 ret=0 ", k, runs);
	check_event("invalidate", 0, " ");

	for (i = 0; i < layout->num_ranges; i++)
		batch_check_words((uint8_t *)gpu->staging.cpu + pieces->offsets[i],
				  batch_range_size(pieces, i), pieces->offsets[i],
				  hit[i] ? BATCH_ZERO : OLD, "GPU");

	batch_trace_clear();
	for (i = 0; i < 8; i++)
		batch_write_check(gpu, &bo, pieces, GPU_WRITTEN + i);
	counters_since(gpu, &last, &delta);
	check_counters(&delta, &clean, "clean submission");
	check_no_event();

	batch_destroy(gpu, &bo);
	for (tries = 0; tries < 100 && !batch_trace_count("destroy", NULL); tries++)
		usleep(100000);
	check_event("destroy", 1, " ranges=%u ", layout->num_ranges);
	batch_settings_restore();
	batch_pieces_free(pieces);
}

/*
 * Memory cgroup
 */

#define CGROUP_ROOT "/sys/fs/cgroup"

static char cgroup_dir[96];

static void cgroup_path(char *path, size_t size, const char *name)
{
	snprintf(path, size, "%s/%s", cgroup_dir, name);
}

/* Makes a cgroup for a child of the subtest. */
static void cgroup_create(void)
{
	char text[512];

	igt_require_f(batch_read_file(CGROUP_ROOT "/cgroup.controllers", text, sizeof(text)) &&
		      strstr(text, "memory"), "no cgroup2 with memory controller\n");
	igt_require_f(batch_read_file(CGROUP_ROOT "/cgroup.subtree_control", text,
				      sizeof(text)) &&
		      (strstr(text, "memory") ||
		       batch_setting_undo(CGROUP_ROOT "/cgroup.subtree_control", "+memory",
					  "-memory")),
		      "the memory controller cannot be switched on\n");
	snprintf(cgroup_dir, sizeof(cgroup_dir), CGROUP_ROOT "/amd_userptr_batch-%d", getpid());
	do_or_die(mkdir(cgroup_dir, 0755));
	batch_remove_at_exit(cgroup_dir);
}

static void cgroup_set(const char *name, const char *value)
{
	char path[160];

	cgroup_path(path, sizeof(path), name);
	igt_assert_f(batch_write_file(path, value), "%s: %s\n", path, strerror(errno));
}

/* The kernel's memory that the cgroup pays for, in bytes. */
static uint64_t cgroup_kernel(void)
{
	unsigned long long bytes = ~0ull;
	char path[160], line[128];
	FILE *f;

	/* the kernel sums up what its CPUs counted every two seconds */
	sleep(3);
	cgroup_path(path, sizeof(path), "memory.stat");
	f = fopen(path, "r");
	igt_assert(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "kernel %llu", &bytes) == 1)
			break;
	fclose(f);
	igt_assert(bytes != ~0ull);
	return bytes;
}

/* A BO as it is after its first submission. */
static void make_used(struct batch_gpu *gpu, struct batch_pieces *pieces, struct batch_bo *bo)
{
	uint64_t fence;

	batch_create(gpu, pieces, BATCH_RW, bo);
	batch_map(gpu, bo);
	igt_assert_eq(__batch_submit(gpu, bo, gpu->staging.va, bo->va, BATCH_PAGE, 1,
				     &fence), 0);
	igt_assert_eq(__batch_wait(gpu, fence), 0);
}

/* Returns: what the cgroup pays for a BO of this geometry, in bytes per page of the BO. */
static double cost(int fd, const struct batch_layout *layout, unsigned int copies)
{
	struct batch_pieces *pieces = batch_pieces_alloc(layout);
	struct batch_bo bo[copies], first;
	struct batch_gpu gpu;
	uint64_t before, after;
	unsigned int i;
	double cost;

	batch_gpu_init(&gpu, fd, BATCH_PAGE);
	memset(pieces->base, OLD, pieces->span);
	/* what is paid once, for the process or the VM */
	make_used(&gpu, pieces, &first);
	before = cgroup_kernel();
	for (i = 0; i < copies; i++)
		make_used(&gpu, pieces, &bo[i]);
	after = cgroup_kernel();
	igt_assert(after > before);
	for (i = 0; i < copies; i++)
		batch_destroy(&gpu, &bo[i]);
	batch_destroy(&gpu, &first);
	batch_gpu_fini(&gpu);
	cost = (double)(after - before) / copies / (pieces->size / BATCH_PAGE);
	batch_pieces_free(pieces);
	return cost;
}

/**
 * SUBTEST: memcg-budget
 * Description: A mapped and used BO costs the memory cgroup at most 24 bytes per
 *	page and 160 bytes per range, however many, and it does pay that.
 */
static void memcg_budget(int fd)
{
	static const struct batch_layout few = { 1, 16384, 0, 0, BATCH_ANON, BATCH_ASCENDING };
	/* how many, in one BO: arrays that fill pages and huge pages, and that do not */
	static const unsigned int many[] = { 1000, 10000, 20000, 65536 };
	/* KASAN's memory for each 8 bytes is charged as well */
	double most = batch_kernel_is_slow() ? 160 * 9 / 8 : 160;
	unsigned int i;

	cgroup_create();
	igt_fork(child, 1) {
		int own = drm_reopen_driver(fd);
		double page, range;

		cgroup_set("cgroup.procs", "0");
		page = cost(own, &few, 16);
		igt_info("%.1f bytes per page\n", page);
		igt_assert(page >= 8 && page <= 24);
		for (i = 0; i < ARRAY_SIZE(many); i++) {
			const struct batch_layout layout = {
				many[i], 1, 0, 1, BATCH_ONE_VMA, BATCH_SHUFFLED
			};

			/* what a page of its own does not explain */
			range = cost(own, &layout, 1 + 20000 / many[i]) - page;
			igt_info("%u ranges: %.1f bytes per range\n", many[i], range);
			igt_assert(range >= 16 && range <= most);
		}
		drm_close_driver(own);
	}
	igt_waitchildren();
	batch_settings_restore();
}

/**
 * SUBTEST: memcg-limit
 * Description: Without room in the memory cgroup the ioctl fails with -ENOMEM,
 *	leaves nothing behind and does the process no harm.
 */
static void memcg_limit(int fd)
{
	static const struct batch_layout layout = {
		65536, 1, 0, 1, BATCH_ONE_VMA, BATCH_SHUFFLED
	};
	unsigned int room;

	cgroup_create();
	igt_fork(child, 1) {
		struct batch_pieces *pieces = batch_pieces_alloc(&layout);
		int own = drm_reopen_driver(fd);
		struct batch_left left;
		struct batch_gpu gpu;
		struct batch_bo bo;
		char path[160], text[32];
		uint64_t used;

		cgroup_set("cgroup.procs", "0");
		cgroup_set("memory.swap.max", "0");
		batch_gpu_init(&gpu, own, BATCH_PAGE);
		memset(pieces->base, OLD, pieces->span);
		make_used(&gpu, pieces, &bo);
		batch_destroy(&gpu, &bo);
		batch_left_begin(&gpu, &left);

		/* from nearly nothing to nearly enough */
		for (room = 1; room <= 8; room++) {
			cgroup_path(path, sizeof(path), "memory.current");
			igt_assert(batch_read_u64(path, &used));
			snprintf(text, sizeof(text), "%llu",
				 (unsigned long long)used + (room << 20));
			cgroup_set("memory.max", text);
			igt_assert_eq(__batch_create(own, pieces, BATCH_RW, &bo), -ENOMEM);
			batch_left_check(&gpu, &left);
		}
		cgroup_set("memory.max", "max");
		make_used(&gpu, pieces, &bo);
		batch_destroy(&gpu, &bo);
		batch_left_check(&gpu, &left);
		batch_gpu_fini(&gpu);
		drm_close_driver(own);
	}
	igt_waitchildren();
	batch_settings_restore();
}

/*
 * Limits and accounting
 */

static uint64_t fdinfo_value(int fd, const char *name)
{
	char path[64], line[256];
	uint64_t value = 0;
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "r");
	igt_assert(f);
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, name, strlen(name)) || line[strlen(name)] != ':')
			continue;
		value = strtoull(line + strlen(name) + 1, NULL, 0);
		found = true;
	}
	fclose(f);
	igt_assert_f(found, "no %s in fdinfo\n", name);
	return value;
}

static void check_fdinfo(int fd, uint64_t bytes, uint64_t ranges)
{
	igt_assert_eq_u64(fdinfo_value(fd, "amd-userptr-batch"), bytes / 1024);
	igt_assert_eq_u64(fdinfo_value(fd, "amd-userptr-batch-ranges"), ranges);
}

/**
 * SUBTEST: fdinfo
 * Description: A file's fdinfo shows the memory and the ranges of its own BOs.
 */
static void fdinfo(int fd)
{
	static const struct batch_layout layouts[] = {
		{ 16, 2, 3, 1, BATCH_MIXED, BATCH_SHUFFLED },
		{ 300, 1, 0, 1, BATCH_ANON, BATCH_SHUFFLED },
	};
	struct batch_owner owner[2];
	struct batch_left left;
	struct batch_bo bo;
	unsigned int i;

	for (i = 0; i < 2; i++)
		batch_owner_init(&owner[i], fd, &layouts[i], OLD);
	batch_left_begin(&owner[0].gpu, &left);
	for (i = 0; i < 2; i++)
		check_fdinfo(owner[i].fd, owner[i].pieces->size, layouts[i].num_ranges);
	check_fdinfo(fd, 0, 0);

	/* a second one in the first file; not mapped counts as well */
	batch_create(&owner[0].gpu, owner[1].pieces, BATCH_RW, &bo);
	check_fdinfo(owner[0].fd, owner[0].pieces->size + owner[1].pieces->size,
		     layouts[0].num_ranges + layouts[1].num_ranges);
	check_fdinfo(owner[1].fd, owner[1].pieces->size, layouts[1].num_ranges);
	batch_destroy(&owner[0].gpu, &bo);
	batch_left_check(&owner[0].gpu, &left);
	check_fdinfo(owner[0].fd, owner[0].pieces->size, layouts[0].num_ranges);

	batch_owner_fini(&owner[0]);
	check_fdinfo(owner[1].fd, owner[1].pieces->size, layouts[1].num_ranges);
	batch_owner_fini(&owner[1]);
	check_fdinfo(fd, 0, 0);
}

/**
 * SUBTEST: limits-ranges
 * Description: The module parameter for the ranges of a BO is told by the query
 *	and holds.
 */
static void limits_ranges(struct batch_gpu *gpu)
{
	static const struct batch_layout layout = { 9, 2, 0, 1, BATCH_ANON, BATCH_SHUFFLED };
	struct batch_pieces *pieces = batch_pieces_alloc(&layout);
	uint64_t before = gpu->info.max_ranges;
	unsigned int limit;
	struct batch_bo bo;

	batch_fill(pieces, OLD);
	for (limit = layout.num_ranges + 1; limit >= layout.num_ranges - 1; limit--) {
		igt_require_f(batch_setting(BATCH_PARAMETERS "userptr_batch_max_ranges",
					    "%u", limit), "no such module parameter\n");
		batch_query(gpu);
		igt_assert_eq_u64(gpu->info.max_ranges, limit);
		if (limit < layout.num_ranges) {
			igt_assert_eq(__batch_create(gpu->fd, pieces, BATCH_RW, &bo), -E2BIG);
			continue;
		}
		batch_create(gpu, pieces, BATCH_RW, &bo);
		batch_map(gpu, &bo);
		batch_read_check(gpu, &bo, OLD);
		batch_destroy(gpu, &bo);
	}
	batch_settings_restore();
	batch_query(gpu);
	igt_assert_eq_u64(gpu->info.max_ranges, before);
	batch_create(gpu, pieces, BATCH_RW, &bo);
	batch_destroy(gpu, &bo);
	batch_pieces_free(pieces);
}

static int create_bytes(int fd, uint64_t bytes, struct batch_bo *bo,
			struct batch_pieces **pieces)
{
	const struct batch_layout layout = {
		1, bytes / BATCH_PAGE, 0, 1, BATCH_ANON, BATCH_ASCENDING
	};

	*pieces = batch_pieces_alloc(&layout);
	batch_fill(*pieces, OLD);
	return __batch_create(fd, *pieces, BATCH_RW, bo);
}

/**
 * SUBTEST: limits-bytes
 * Description: The module parameter for the bytes of all BOs of a device is told
 *	by the query and holds, over several files. BOs that exist outlive a lower
 *	limit.
 */
static void limits_bytes(struct batch_gpu *gpu)
{
	static const char parameter[] = BATCH_PARAMETERS "userptr_batch_max_mib";
	uint64_t before = gpu->info.max_bytes, used = batch_used_bytes(gpu);
	uint64_t mib = (used >> 20) + 4, room = (mib << 20) - used, part;
	int other = drm_reopen_driver(gpu->fd);
	struct batch_pieces *pieces[3];
	struct batch_bo bo[3];

	igt_require_f(batch_setting(parameter, "%llu", (unsigned long long)mib),
		      "no such module parameter\n");
	batch_query(gpu);
	igt_assert_eq_u64(gpu->info.max_bytes, mib << 20);

	part = room / 2 & ~(BATCH_PAGE - 1);
	igt_assert_eq(create_bytes(gpu->fd, part, &bo[0], &pieces[0]), 0);
	/* a page too many, just enough, and then nothing more */
	igt_assert_eq(create_bytes(other, room - part + BATCH_PAGE, &bo[1], &pieces[1]), -E2BIG);
	batch_pieces_free(pieces[1]);
	igt_assert_eq(create_bytes(other, room - part, &bo[1], &pieces[1]), 0);
	igt_assert_eq_u64(batch_used_bytes(gpu), mib << 20);
	igt_assert_eq(create_bytes(gpu->fd, BATCH_PAGE, &bo[2], &pieces[2]), -E2BIG);

	/* below what is in use */
	igt_assert(batch_setting(parameter, "%llu", (unsigned long long)mib - 1));
	batch_map(gpu, &bo[0]);
	batch_read_check(gpu, &bo[0], OLD);
	batch_destroy(gpu, &bo[0]);
	igt_assert_eq(__batch_create(gpu->fd, pieces[2], BATCH_RW, &bo[2]), 0);
	batch_destroy(gpu, &bo[2]);

	do_or_die(drmCloseBufferHandle(other, bo[1].handle));
	igt_assert_eq_u64(batch_used_bytes(gpu), used);
	batch_settings_restore();
	batch_query(gpu);
	igt_assert_eq_u64(gpu->info.max_bytes, before);
	drm_close_driver(other);
	batch_pieces_free(pieces[0]);
	batch_pieces_free(pieces[1]);
	batch_pieces_free(pieces[2]);
}

/**
 * SUBTEST: ranges-%s
 * Description: A BO of %arg[1] works, and all of its memory may go at once.
 *
 * arg[1]:
 *
 * @65536:			65536 ranges
 * @65536-vmas:			65536 ranges in mappings of their own; 8192 with a debugging
 *				kernel, which takes 10 ms for each of them
 * @262144:			262144 ranges, which is the default limit
 */
static const struct scale {
	const char *name;
	struct batch_layout layout;
} scales[] = {
	{ "65536", { 65536, 1, 0, 1, BATCH_ONE_VMA, BATCH_SHUFFLED } },
	{ "65536-vmas", { 65536, 1, 0, 1, BATCH_ANON, BATCH_SHUFFLED } },
	{ "262144", { 262144, 1, 0, 1, BATCH_ONE_VMA, BATCH_SHUFFLED } },
};

/* Enough of a page to know which one it is. */
#define MARK 64

static void mark_pages(uint8_t *p, uint64_t bytes, uint64_t offset, uint32_t seed)
{
	uint64_t at;

	for (at = 0; at < bytes; at += BATCH_PAGE)
		batch_fill_words(p + at, MARK, offset + at, seed);
}

static void check_pages(uint8_t *p, uint64_t bytes, uint64_t offset, uint32_t seed,
			const char *what)
{
	uint64_t at;

	for (at = 0; at < bytes; at += BATCH_PAGE)
		batch_check_words(p + at, MARK, offset + at, seed, what);
}

/* Copies all of a BO that is larger than the staging buffer. */
static void copy_pages(struct batch_gpu *gpu, const struct batch_bo *bo, uint32_t seed,
		       bool gpu_writes)
{
	uint64_t at, n, fence, staging = gpu->staging.va;

	for (at = 0; at < bo->size; at += n) {
		n = bo->size - at < gpu->staging.size ? bo->size - at : gpu->staging.size;
		if (gpu_writes)
			mark_pages(gpu->staging.cpu, n, at, seed);
		else
			memset(gpu->staging.cpu, 0xa5, n);
		igt_assert_eq(__batch_submit(gpu, bo, gpu_writes ? bo->va + at : staging,
					     gpu_writes ? staging : bo->va + at, n, 1,
					     &fence), 0);
		igt_assert_eq(__batch_wait(gpu, fence), 0);
		if (!gpu_writes)
			check_pages(gpu->staging.cpu, n, at, seed, "GPU");
	}
}

static void ranges(struct batch_gpu *gpu, const struct scale *scale)
{
	struct batch_layout layout = scale->layout;
	unsigned int i, n = layout.num_ranges;
	uint64_t bytes = (uint64_t)n * layout.pages * BATCH_PAGE;
	struct counters last, delta;
	struct batch_pieces *pieces;
	struct batch_left left;
	struct batch_bo bo;

	igt_require_f(gpu->info.max_ranges >= n, "at most %llu ranges\n",
		      (unsigned long long)gpu->info.max_ranges);
	igt_require_f((uint64_t)sysconf(_SC_AVPHYS_PAGES) * BATCH_PAGE > bytes + (1ull << 30),
		      "not enough free memory\n");
	if (layout.memory != BATCH_ONE_VMA) {
		igt_require_f(batch_setting("/proc/sys/vm/max_map_count", "%u", 3 * n),
			      "not so many mappings\n");
		if (batch_kernel_is_slow())
			n = layout.num_ranges = 8192;
	}

	batch_left_begin(gpu, &left);
	pieces = batch_pieces_alloc(&layout);
	for (i = 0; i < n; i++)
		mark_pages(batch_range_ptr(pieces, i), batch_range_size(pieces, i),
			   pieces->offsets[i], OLD);
	batch_create(gpu, pieces, BATCH_RW, &bo);
	batch_map(gpu, &bo);
	copy_pages(gpu, &bo, OLD, false);

	counters_read(gpu, &last);
	do_or_die(madvise(pieces->base, pieces->span, MADV_DONTNEED));
	counters_since(gpu, &last, &delta);
	igt_assert_eq_u64(delta.value[INVALIDATIONS], n);
	/* one event for each mapping that was hit */
	igt_assert_eq_u64(delta.value[WAITS], layout.memory == BATCH_ONE_VMA ? 1 : n);

	copy_pages(gpu, &bo, BATCH_ZERO, false);
	counters_since(gpu, &last, &delta);
	igt_info("%u ranges: %llu walks\n", n, (unsigned long long)delta.value[WALKS]);
	igt_assert_eq_u64(delta.value[FAULTS], n);
	igt_assert_eq_u64(delta.value[RESTORES], n);
	igt_assert_eq_u64(delta.value[UPDATES], 1);

	copy_pages(gpu, &bo, GPU_WRITTEN, true);
	for (i = 0; i < n; i++)
		check_pages(batch_range_ptr(pieces, i), batch_range_size(pieces, i),
			    pieces->offsets[i], GPU_WRITTEN, "CPU");
	batch_destroy(gpu, &bo);
	batch_left_check(gpu, &left);
	batch_pieces_free(pieces);
	batch_settings_restore();
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

	for (i = 0; i < ARRAY_SIZE(geometries); i++) {
		for (k = 0; k < ARRAY_SIZE(choices); k++) {
			igt_describe("Only what changed is faulted and written");
			igt_subtest_f("restore-only-changed-%s-%s", geometries[i].name,
				      choices[k].name)
				restore_only_changed(&gpu, &geometries[i], &choices[k]);
		}
	}

	igt_describe("Memory that a BO costs");
	igt_subtest("memcg-budget")
		memcg_budget(fd);

	igt_describe("No memory left for a BO");
	igt_subtest("memcg-limit")
		memcg_limit(fd);

	igt_describe("What fdinfo tells");
	igt_subtest("fdinfo")
		fdinfo(fd);

	igt_describe("Limits are policy, and hold");
	igt_subtest("limits-ranges")
		limits_ranges(&gpu);
	igt_subtest("limits-bytes")
		limits_bytes(&gpu);

	for (i = 0; i < ARRAY_SIZE(scales); i++) {
		igt_describe("Very many ranges");
		igt_subtest_f("ranges-%s", scales[i].name)
			ranges(&gpu, &scales[i]);
	}

	igt_fixture() {
		batch_settings_restore();
		batch_gpu_fini(&gpu);
		drm_close_driver(fd);
	}
}
