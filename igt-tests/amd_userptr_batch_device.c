// SPDX-License-Identifier: MIT

/**
 * TEST: userptr batch device
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: Reset tests
 * Functionality: userptr
 * Description: What becomes of batch userptr BOs when the device is reset, suspended
 *	or unbound, and when the module is to go. Disturbs everybody who uses the
 *	device.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "igt.h"
#include "igt_kmod.h"
#include "lib/amdgpu/amd_userptr_batch_debug.h"
#include "lib/amdgpu/amd_userptr_batch_life.h"
#include "lib/amdgpu/amd_userptr_slot.h"
#include "lib/amdgpu/amd_userptr_view.h"

IGT_TEST_DESCRIPTION("Batch userptr BOs live through resets and suspends, and their "
		     "memory through the loss of the device");

#define STAGING_SIZE (8ull << 20)
#define MODULE "amdgpu"

/* seeds of the patterns, in the order in which a subtest uses them */
enum { OLD = 1, NEW, GPU_WRITTEN };

static const struct batch_layout mixed = { 64, 4, 0, 1, BATCH_MIXED, BATCH_SHUFFLED };
static const struct batch_layout large = { 256, 4, 0, 1, BATCH_MIXED, BATCH_SHUFFLED };

/* copies of the memory in a job that shall still run when the device goes */
#define REPEAT 64

/*
 * The device, by its place on the bus: it has no driver at times.
 */

static struct batch_slot slot;

/*
 * The device is what it was, whatever the subtest before has left. The function without
 * underscores would keep another file open until the program ends.
 */
static int open_device(void)
{
	int fd;

	if (slot.name[0] && !batch_slot_bound(&slot))
		batch_slot_bind(&slot);
	fd = __drm_open_driver_render(DRIVER_AMDGPU);
	igt_require_f(fd >= 0, "no device of this driver\n");
	return fd;
}

static void need_root(void)
{
	igt_require_f(!geteuid(), "only root may do this\n");
}

static void batch_works(struct batch_gpu *gpu)
{
	struct batch_pieces *pieces = batch_pieces_alloc(&mixed);
	struct batch_bo bo;

	batch_fill(pieces, OLD);
	batch_create(gpu, pieces, BATCH_RW, &bo);
	batch_map(gpu, &bo);
	batch_read_check(gpu, &bo, OLD);
	batch_write_check(gpu, &bo, pieces, GPU_WRITTEN);
	batch_destroy(gpu, &bo);
	batch_pieces_free(pieces);
}

static void replace(struct batch_pieces *pieces)
{
	unsigned int i;

	for (i = 0; i < pieces->layout.num_ranges; i++) {
		do_or_die(munmap(batch_range_ptr(pieces, i), batch_range_size(pieces, i)));
		batch_pieces_place(pieces, i);
	}
	batch_fill(pieces, NEW);
}

/*
 * What a batch does when it happens.
 */

static void be_idle(struct batch_owner *o) { }

static void be_unused(struct batch_owner *o)
{
	batch_destroy(&o->gpu, &o->bo);
	batch_create(&o->gpu, o->pieces, BATCH_RW, &o->bo);
	batch_map(&o->gpu, &o->bo);
}

static void be_dirty(struct batch_owner *o)
{
	unsigned int i;

	/* some ranges only, the others stay in the page tables */
	for (i = 0; i < o->pieces->layout.num_ranges; i += 3) {
		do_or_die(madvise(batch_range_ptr(o->pieces, i),
				  batch_range_size(o->pieces, i), MADV_DONTNEED));
		batch_fill_range(o->pieces, i, OLD);
	}
}

static void be_closed(struct batch_owner *o)
{
	do_or_die(drmCloseBufferHandle(o->fd, o->bo.handle));
	o->bo.handle = 0;
}

/*
 * Starts a job and waits until the engine is at it: with lockdep the driver warns of a job
 * that is handed over when a reset begins.
 */
static void start(struct batch_owner *o, bool gpu_writes)
{
	volatile uint32_t *first = gpu_writes ? batch_range_ptr(o->pieces, 0) : o->gpu.staging.cpu;
	int i;

	*first = 0;
	/* what is there already, because nobody knows how far the GPU gets */
	batch_owner_start(o, gpu_writes, OLD, REPEAT);
	for (i = 0; i < 20000 && !*first; i++)
		usleep(1000);
	igt_assert_neq(*first, 0);
}

static void be_reading(struct batch_owner *o)
{
	start(o, false);
}

static void be_writing(struct batch_owner *o)
{
	start(o, true);
}

static const struct condition {
	const char *name;
	void (*make)(struct batch_owner *o);
	bool slow;		/* also where a row takes long */
} conditions[] = {
	{ "idle", be_idle, true },
	{ "unused", be_unused, false },
	{ "dirty", be_dirty, true },
	{ "closed", be_closed, false },
	{ "reading", be_reading, true },
	{ "writing", be_writing, true },
};

/* A batch and the page tables behind it are still right and still follow. */
static void owner_works(struct batch_owner *o)
{
	if (o->fence)
		__batch_wait(&o->gpu, o->fence);
	if (!o->bo.handle) {
		batch_works(&o->gpu);
		return;
	}
	batch_read_check(&o->gpu, &o->bo, OLD);
	batch_write_check(&o->gpu, &o->bo, o->pieces, GPU_WRITTEN);
	replace(o->pieces);
	batch_read_check(&o->gpu, &o->bo, NEW);
	batch_write_check(&o->gpu, &o->bo, o->pieces, OLD);
	batch_works(&o->gpu);
}

static int copy_one_page(struct batch_gpu *gpu)
{
	uint64_t va = gpu->staging.va, fence;
	int r = __batch_submit(gpu, NULL, va, va, BATCH_PAGE, 1, &fence);

	return r ?: __batch_wait(gpu, fence);
}

/*
 * Contexts do not survive the loss of the GPU's own memory. Nor do those that are made
 * before the driver notices that the reset has cancelled updates of page tables, which is
 * when a submission comes after one that waited for them.
 */
static void renew_context(struct batch_gpu *gpu)
{
	int i, r = -ECANCELED;

	for (i = 0; i < 3 && r == -ECANCELED; i++) {
		do_or_die(amdgpu_cs_ctx_free(gpu->ctx));
		do_or_die(amdgpu_cs_ctx_create(gpu->dev, &gpu->ctx));
		r = copy_one_page(gpu) ?: copy_one_page(gpu);
	}
	igt_assert_eq(r, 0);
}

/**
 * SUBTEST: reset-%s
 * Description: The device is reset while a batch %arg[1]; it works afterwards.
 *
 * arg[1]:
 *
 * @idle:			is idle
 * @unused:			has never been used by the GPU
 * @dirty:			has been invalidated in part
 * @closed:			has lost its handle
 * @reading:			is read by the GPU
 * @writing:			is written by the GPU
 */
static void reset(const struct condition *what)
{
	int fd = open_device(), recover;
	struct batch_left left;
	struct batch_gpu gpu;
	struct batch_owner o;
	char result[32] = "";

	need_root();
	batch_gpu_init(&gpu, fd, STAGING_SIZE);
	recover = igt_debugfs_open(fd, "amdgpu_gpu_recover", O_RDONLY);
	igt_require_f(recover >= 0, "no amdgpu_gpu_recover in debugfs\n");

	batch_left_begin(&gpu, &left);
	batch_owner_init(&o, fd, &large, OLD);
	what->make(&o);
	/*
	 * Lockdep has the driver warn of whoever is about to give the hardware a job
	 * when it is reset: let updates of page tables be over.
	 */
	if (!o.fence)
		igt_assert_eq(copy_one_page(&o.gpu), 0);
	igt_assert(read(recover, result, sizeof(result) - 1) > 0);
	close(recover);
	igt_assert_eq(atoi(result), 0);

	renew_context(&o.gpu);
	o.fence = 0;
	owner_works(&o);
	batch_owner_fini(&o);
	batch_left_check(&gpu, &left);
	batch_gpu_fini(&gpu);
	drm_close_driver(fd);
}

/**
 * SUBTEST: suspend-%s-%s
 * Description: The machine is suspended (%arg[1]) while a batch %arg[2]; it works
 *	afterwards.
 *
 * arg[1]:
 *
 * @freezer:			only processes are frozen
 * @devices:			to idle, but only the devices
 * @core:			to memory, but for the last step
 * @s2idle:			to idle, until the clock wakes it
 * @s3:				to memory, until the clock wakes it
 *
 * arg[2]:
 *
 * @idle:			is idle
 * @dirty:			has been invalidated in part
 * @reading:			is read by the GPU
 * @writing:			is written by the GPU
 */
static const struct level {
	const char *name;
	enum igt_suspend_state state;
	enum igt_suspend_test test;
} levels[] = {
	{ "freezer", SUSPEND_STATE_FREEZE, SUSPEND_TEST_FREEZER },
	{ "devices", SUSPEND_STATE_FREEZE, SUSPEND_TEST_DEVICES },
	{ "core", SUSPEND_STATE_S3, SUSPEND_TEST_CORE },
	{ "s2idle", SUSPEND_STATE_FREEZE, SUSPEND_TEST_NONE },
	{ "s3", SUSPEND_STATE_S3, SUSPEND_TEST_NONE },
};

/* how long the kernel stays in a state that it only tests; may be missing */
#define TEST_DELAY "/sys/module/suspend/parameters/pm_test_delay"

static void suspend(const struct level *level, const struct condition *what)
{
	char delay[16] = "";
	int fd = open_device();
	struct batch_left left;
	struct batch_gpu gpu;
	struct batch_owner o;

	need_root();
	batch_gpu_init(&gpu, fd, STAGING_SIZE);
	batch_left_begin(&gpu, &left);
	batch_owner_init(&o, fd, &large, OLD);
	what->make(&o);
	batch_read_file(TEST_DELAY, delay, sizeof(delay));
	batch_sysfs_write(TEST_DELAY, "1");
	igt_set_autoresume_delay(5);
	igt_system_suspend_autoresume(level->state, level->test);
	batch_sysfs_write(TEST_DELAY, delay);
	owner_works(&o);
	batch_owner_fini(&o);
	batch_left_check(&gpu, &left);
	batch_gpu_fini(&gpu);
	drm_close_driver(fd);
}

/**
 * SUBTEST: unbind-%s
 * Description: The driver is taken from the device while a batch %arg[1]. The file is
 *	of no use any more, the memory is as before, and a driver that is bound anew
 *	works.
 *
 * arg[1]:
 *
 * @idle:			is idle
 * @unused:			has never been used by the GPU
 * @dirty:			has been invalidated in part
 * @closed:			has lost its handle
 * @reading:			is read by the GPU
 * @writing:			is written by the GPU
 */
/* What libdrm holds of a device that answers no call any more. */
static void abandon(struct batch_owner *o)
{
	amdgpu_bo_free(o->gpu.staging.bo);
	amdgpu_bo_free(o->gpu.ib.bo);
	amdgpu_cs_ctx_free(o->gpu.ctx);
	amdgpu_device_deinitialize(o->gpu.dev);
	close(o->fd);
}

/* A driver that is bound anew has nothing of the batches before, and works. */
static void works_anew(unsigned long taint)
{
	int fd = open_device();
	struct batch_gpu gpu;

	batch_gpu_init(&gpu, fd, STAGING_SIZE);
	igt_assert_eq_u64(batch_used_bytes(&gpu), 0);
	igt_assert(batch_count_listed(&gpu) <= 0);
	batch_works(&gpu);
	batch_gpu_fini(&gpu);
	drm_close_driver(fd);
	igt_assert_eq_u64(batch_kernel_taint(), taint);
}

static void unbind_alive(const struct condition *what)
{
	int fd = open_device();
	struct batch_pieces *pieces;
	struct batch_owner o;
	unsigned long taint;
	struct batch_bo bo;
	uint64_t fence;

	need_root();
	taint = batch_kernel_taint();
	batch_owner_init(&o, fd, &large, OLD);
	drm_close_driver(fd);
	what->make(&o);
	batch_slot_unbind(&slot);

	/* the notifiers have nothing to wait for, and let go of nothing twice */
	igt_set_timeout(60, "memory is not given back after the device has gone");
	pieces = o.pieces;
	batch_check(pieces, OLD);
	replace(pieces);
	igt_reset_timeout();
	igt_assert_eq(__batch_create(o.fd, pieces, BATCH_RW, &bo), -ENODEV);
	igt_assert_eq(__batch_submit(&o.gpu, &o.bo, o.gpu.staging.va, o.bo.va,
				     BATCH_PAGE, 1, &fence), -ENODEV);
	batch_check(pieces, NEW);

	abandon(&o);
	replace(pieces);
	batch_slot_bind(&slot);
	replace(pieces);
	batch_check(pieces, NEW);
	batch_pieces_free(pieces);

	works_anew(taint);
}

/**
 * SUBTEST: unbind-queue-%s
 * Description: The driver is taken from the device while a user queue has work that it
 *	cannot finish, with memory that the queue can reach. Nothing waits for that work for
 *	ever: %arg[1].
 *
 * arg[1]:
 *
 * @batch:			a batch is unmapped, and the process exits
 * @batch-exit:			the process with a batch exits
 * @userptr:			plain userptrs are unmapped, and the process exits
 * @userptr-exit:		the process with plain userptrs exits
 */
static const struct unfinished {
	const char *name;
	bool batch;
	bool change;
} unfinished[] = {
	{ "batch", true, true },
	{ "batch-exit", true, false },
	{ "userptr", false, true },
	{ "userptr-exit", false, false },
};

static void child_unbind(const struct unfinished *what)
{
	static const struct batch_layout layout = { 16, 4, 0, 1, BATCH_ANON, BATCH_SHUFFLED };
	struct scene s;
	int fd = open_device();

	scene_init(&s, fd, &layout, what->batch, BATCH_RW, USERQ_COMPUTE);
	userq_emit_gate(&s.q);
	view_emit_read(&s.v, &s.q);
	userq_submit(&s.q);
	batch_slot_unbind(&slot);
	if (what->change)
		view_change(&s.v, VIEW_REMAP, 1, NEW);
	/* libdrm's destructors would talk to the device */
	_exit(0);
}

static void unbind_queue(const struct unfinished *what)
{
	int fd = open_device();
	struct batch_gpu gpu;
	unsigned long taint;

	need_root();
	taint = batch_kernel_taint();
	batch_gpu_init_queues(&gpu, fd, BATCH_PAGE);
	userq_require(&gpu, USERQ_COMPUTE);
	batch_gpu_fini(&gpu);
	drm_close_driver(fd);

	igt_set_timeout(60, "work of a device that has gone");
	igt_fork(child, 1)
		child_unbind(what);
	igt_waitchildren();
	igt_reset_timeout();

	works_anew(taint);
}

/*
 * The module. What it was loaded with is found by loading it once more while
 * nothing is probed: parameters that are not as before were given.
 */

#define PARAMETERS "/sys/module/" MODULE "/parameters"

struct parameter {
	char name[256];
	char value[256];
};

struct parameters {
	struct parameter *list;
	unsigned int n;
};

static void parameters_read(struct parameters *p)
{
	char path[PATH_MAX];
	struct dirent *e;
	DIR *dir;

	memset(p, 0, sizeof(*p));
	dir = opendir(PARAMETERS);
	igt_assert(dir);
	while ((e = readdir(dir))) {
		struct parameter *one;

		if (e->d_name[0] == '.')
			continue;
		p->list = realloc(p->list, (p->n + 1) * sizeof(*p->list));
		igt_assert(p->list);
		one = &p->list[p->n];
		snprintf(one->name, sizeof(one->name), "%s", e->d_name);
		snprintf(path, sizeof(path), PARAMETERS "/%s", e->d_name);
		p->n += batch_read_file(path, one->value, sizeof(one->value));
	}
	closedir(dir);
}

/* Returns: "name=value name=value", for those of @p that are not as in @defaults. */
static char *parameters_given(const struct parameters *p, const struct parameters *defaults)
{
	char *text = calloc(1, p->n * sizeof(*p->list) + 1);
	unsigned int i, k;

	igt_assert(text);
	for (i = 0; i < p->n; i++) {
		for (k = 0; k < defaults->n; k++)
			if (!strcmp(p->list[i].name, defaults->list[k].name))
				break;
		if (k < defaults->n && strcmp(p->list[i].value, defaults->list[k].value)) {
			if (*text)
				strcat(text, " ");
			strcat(text, p->list[i].name);
			strcat(text, "=");
			strcat(text, p->list[i].value);
		}
	}
	return text;
}

/* Returns: 0 or a negative error number. */
static int unload(void)
{
	return syscall(SYS_delete_module, MODULE, O_NONBLOCK) ? -errno : 0;
}

static int references(void)
{
	char text[32];

	return batch_read_file("/sys/module/" MODULE "/refcnt", text, sizeof(text)) ?
	       atoi(text) : -1;
}

/* The last reference of a device may go in a worker of the kernel. */
static int unload_soon(void)
{
	int tries, r;

	for (tries = 0; tries < 100; tries++) {
		r = unload();
		if (r != -EWOULDBLOCK)
			break;
		usleep(100000);
	}
	return r;
}

static void load_with(const struct parameters *before)
{
	struct parameters defaults;
	char *given;

	igt_assert_eq(batch_sysfs_write("/sys/bus/pci/drivers_autoprobe", "0"), 0);
	igt_assert_eq(igt_kmod_load(MODULE, NULL), 0);
	parameters_read(&defaults);
	given = parameters_given(before, &defaults);
	igt_info("parameters: %s\n", given);
	igt_assert_eq(unload_soon(), 0);
	igt_assert_eq(batch_sysfs_write("/sys/bus/pci/drivers_autoprobe", "1"), 0);
	igt_assert_eq(igt_kmod_load(MODULE, given), 0);
	free(given);
	free(defaults.list);
}

/**
 * SUBTEST: module-in-use
 * Description: The module cannot be unloaded while there is a batch, which does not
 *	notice.
 */
static void module_in_use(void)
{
	int fd = open_device(), i;
	struct batch_left left;
	struct batch_owner o;
	struct batch_gpu gpu;

	need_root();
	batch_gpu_init(&gpu, fd, STAGING_SIZE);
	batch_left_begin(&gpu, &left);
	batch_owner_init(&o, fd, &large, OLD);
	be_writing(&o);
	for (i = 0; i < 3; i++)
		igt_assert_eq(unload(), -EWOULDBLOCK);
	owner_works(&o);
	batch_owner_fini(&o);
	batch_left_check(&gpu, &left);
	batch_gpu_fini(&gpu);
	drm_close_driver(fd);
}

/**
 * SUBTEST: module-%s
 * Description: The module can be unloaded after %arg[1], loaded again, and works;
 *	memory that was in batches is of no interest to it any more.
 *
 * arg[1]:
 *
 * @closed:			the file with a batch was closed
 * @closed-busy:		the same while the GPU wrote to the memory
 * @killed:			the process with the batch was killed
 * @killed-busy:		the same while the GPU wrote to the memory
 * @unbound:			the device was unbound, and the file closed later
 */
enum last { CLOSED, KILLED, UNBOUND };

static const struct departure {
	const char *name;
	enum last last;
	bool busy;
} departures[] = {
	{ "closed", CLOSED, false },
	{ "closed-busy", CLOSED, true },
	{ "killed", KILLED, false },
	{ "killed-busy", KILLED, true },
	{ "unbound", UNBOUND, false },
};

static void depart_killed(int fd, bool busy)
{
	igt_fork(child, 1) {
		struct batch_owner o;

		batch_owner_init(&o, fd, &large, OLD);
		if (busy)
			be_writing(&o);
		kill(getpid(), SIGKILL);
	}
	igt_assert_eq(__igt_waitchildren(), 128 + SIGKILL);
	drm_close_driver(fd);
}

static void module_unload(const struct departure *what)
{
	int fd = open_device();
	struct parameters before;
	struct batch_owner o = {};
	unsigned long taint;

	need_root();
	taint = batch_kernel_taint();
	if (what->last == KILLED) {
		depart_killed(fd, what->busy);
	} else {
		batch_owner_init(&o, fd, &large, OLD);
		drm_close_driver(fd);
		if (what->busy)
			be_writing(&o);
		if (what->last == UNBOUND) {
			batch_slot_unbind(&slot);
			igt_assert_eq(unload(), -EWOULDBLOCK);
			abandon(&o);
		} else {
			batch_owner_release(&o);
		}
	}

	parameters_read(&before);
	igt_require_f(references() <= 1 || what->busy,
		      "the module is in use by something else\n");
	igt_assert_eq(unload_soon(), 0);
	if (o.pieces) {
		replace(o.pieces);
		batch_pieces_free(o.pieces);
	}

	load_with(&before);
	free(before.list);
	works_anew(taint);
}

int igt_main()
{
	unsigned int i, k;

	igt_fixture() {
		int fd = open_device();

		batch_slot_find(&slot, fd);
		drm_close_driver(fd);
	}

	/* the least disturbing first */
	igt_describe("A module in use stays");
	igt_subtest("module-in-use")
		module_in_use();

	for (i = 0; i < ARRAY_SIZE(conditions); i++) {
		igt_describe("Batches live through a reset");
		igt_subtest_f("reset-%s", conditions[i].name)
			reset(&conditions[i]);
	}

	for (i = 0; i < ARRAY_SIZE(conditions); i++) {
		igt_describe("Memory outlives the device");
		igt_subtest_f("unbind-%s", conditions[i].name)
			unbind_alive(&conditions[i]);
	}
	for (i = 0; i < ARRAY_SIZE(unfinished); i++) {
		igt_describe("Memory outlives work that nobody will finish");
		igt_subtest_f("unbind-queue-%s", unfinished[i].name)
			unbind_queue(&unfinished[i]);
	}

	for (i = 0; i < ARRAY_SIZE(departures); i++) {
		igt_describe("Nothing holds the module");
		igt_subtest_f("module-%s", departures[i].name)
			module_unload(&departures[i]);
	}

	/* last: not every emulated machine is quite the same after S3 */
	for (k = 0; k < ARRAY_SIZE(levels); k++) {
		for (i = 0; i < ARRAY_SIZE(conditions); i++) {
			if (!conditions[i].slow)
				continue;
			igt_describe("Batches live through a suspend");
			igt_subtest_f("suspend-%s-%s", levels[k].name, conditions[i].name)
				suspend(&levels[k], &conditions[i]);
		}
	}
}
