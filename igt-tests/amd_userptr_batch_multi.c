// SPDX-License-Identifier: MIT

/**
 * TEST: userptr batch multi
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: Multi-GPU tests
 * Functionality: userptr
 * Description: One memory in batch userptr BOs of two devices, and what the loss of
 *	one device means for the other.
 */

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "lib/amdgpu/amd_userptr_batch_life.h"
#include "lib/amdgpu/amd_userptr_slot.h"

IGT_TEST_DESCRIPTION("Batch userptr BOs of two devices do not disturb each other");

#define NUM_GPUS 2
#define STAGING_SIZE (8ull << 20)
/* copies of the memory in a job that shall still run when the next thing happens */
#define REPEAT 64
/* how often a device is taken away */
#define TIMES 3

/* seeds of the patterns, in the order in which a subtest uses them */
enum { OLD = 1, NEW, GPU_WRITTEN };

static const struct batch_layout mixed = { 64, 4, 0, 1, BATCH_MIXED, BATCH_SHUFFLED };
static const struct batch_layout large = { 256, 4, 0, 1, BATCH_MIXED, BATCH_SHUFFLED };

/**
 * struct user - one device, with a BO of the memory that both have
 * @fd: file
 * @slot: where the device is
 * @gpu: device on @fd
 * @bo: BO, mapped
 * @fence: job in flight
 */
struct user {
	int fd;
	struct batch_slot slot;
	struct batch_gpu gpu;
	struct batch_bo bo;
	uint64_t fence;
};

static struct batch_slot slots[NUM_GPUS];

/* The devices are there, whatever the subtest before has left. */
static void users_open(struct user *users)
{
	unsigned int i;

	for (i = 0; i < NUM_GPUS; i++)
		if (slots[i].name[0] && !batch_slot_bound(&slots[i]))
			batch_slot_bind(&slots[i]);
	for (i = 0; i < NUM_GPUS; i++) {
		memset(&users[i], 0, sizeof(users[i]));
		users[i].fd = __drm_open_driver_another(i, DRIVER_AMDGPU);
		igt_require_f(users[i].fd >= 0, "this needs two devices of the driver\n");
		batch_slot_find(&users[i].slot, users[i].fd);
		slots[i] = users[i].slot;
	}
}

static void user_begin(struct user *u, struct batch_pieces *pieces)
{
	batch_gpu_init(&u->gpu, u->fd, pieces->size);
	batch_create(&u->gpu, pieces, BATCH_RW, &u->bo);
	batch_map(&u->gpu, &u->bo);
}

static void user_end(struct user *u)
{
	batch_destroy(&u->gpu, &u->bo);
	batch_gpu_fini(&u->gpu);
	drm_close_driver(u->fd);
}

/**
 * struct watch - looks that a device holds nothing more in the end than before
 * @fd: file, not the one of the work: each file has GPU addresses of its own
 * @gpu: device on @fd
 * @left: what it held
 */
struct watch {
	int fd;
	struct batch_gpu gpu;
	struct batch_left left;
};

static void watch_begin(struct watch *w, int fd)
{
	w->fd = drm_reopen_driver(fd);
	batch_gpu_init(&w->gpu, w->fd, STAGING_SIZE);
	batch_left_begin(&w->gpu, &w->left);
}

static void watch_end(struct watch *w)
{
	batch_left_check(&w->gpu, &w->left);
	batch_gpu_fini(&w->gpu);
	drm_close_driver(w->fd);
}

/* What libdrm holds of a device that answers no call any more. */
static void user_abandon(struct user *u)
{
	amdgpu_bo_free(u->gpu.staging.bo);
	amdgpu_bo_free(u->gpu.ib.bo);
	amdgpu_cs_ctx_free(u->gpu.ctx);
	amdgpu_device_deinitialize(u->gpu.dev);
	close(u->fd);
}

/* A job that takes some time; what it writes is there already. */
static void user_start(struct user *u, bool gpu_writes, uint32_t seed)
{
	uint64_t staging = u->gpu.staging.va;

	if (gpu_writes)
		batch_fill_words(u->gpu.staging.cpu, u->bo.size, 0, seed);
	igt_assert_eq(__batch_submit(&u->gpu, &u->bo, gpu_writes ? u->bo.va : staging,
				     gpu_writes ? staging : u->bo.va, u->bo.size,
				     REPEAT, &u->fence), 0);
}

static void replace(struct batch_pieces *pieces, uint32_t seed)
{
	unsigned int i;

	for (i = 0; i < pieces->layout.num_ranges; i++) {
		do_or_die(munmap(batch_range_ptr(pieces, i), batch_range_size(pieces, i)));
		batch_pieces_place(pieces, i);
	}
	batch_fill(pieces, seed);
}

/* Each writes, and everybody finds it; then the memory goes, and nobody clings to it. */
static void users_work(struct user *users, struct batch_pieces *pieces)
{
	unsigned int i, k;

	for (i = 0; i < NUM_GPUS; i++) {
		batch_write_check(&users[i].gpu, &users[i].bo, pieces, GPU_WRITTEN + i);
		for (k = 0; k < NUM_GPUS; k++)
			batch_read_check(&users[k].gpu, &users[k].bo, GPU_WRITTEN + i);
	}
	replace(pieces, NEW);
	for (i = 0; i < NUM_GPUS; i++)
		batch_read_check(&users[i].gpu, &users[i].bo, NEW);
}

/**
 * SUBTEST: same-memory
 * Description: One memory is in a batch of each device. What the CPU and either
 *	device write all of them find, also after the memory was replaced.
 */
static void same_memory(void)
{
	struct batch_pieces *pieces;
	struct user users[NUM_GPUS];
	unsigned int i;

	users_open(users);
	pieces = batch_pieces_alloc(&mixed);
	batch_fill(pieces, OLD);
	for (i = 0; i < NUM_GPUS; i++)
		user_begin(&users[i], pieces);
	for (i = 0; i < NUM_GPUS; i++)
		batch_read_check(&users[i].gpu, &users[i].bo, OLD);
	users_work(users, pieces);
	for (i = 0; i < NUM_GPUS; i++)
		user_end(&users[i]);
	batch_pieces_free(pieces);
}

/**
 * SUBTEST: busy-%s
 * Description: The memory is replaced while both devices %arg[1]; both follow.
 *
 * arg[1]:
 *
 * @reading:			read it
 * @writing:			write to it
 * @either:			use it, one reading, one writing
 */
static const struct busy {
	const char *name;
	bool writes[NUM_GPUS];
} busy[] = {
	{ "reading", { false, false } },
	{ "writing", { true, true } },
	{ "either", { true, false } },
};

static void replace_busy(const struct busy *what)
{
	struct watch watches[NUM_GPUS];
	struct batch_pieces *pieces;
	struct user users[NUM_GPUS];
	unsigned int i;

	users_open(users);
	for (i = 0; i < NUM_GPUS; i++)
		watch_begin(&watches[i], users[i].fd);
	pieces = batch_pieces_alloc(&large);
	batch_fill(pieces, OLD);
	for (i = 0; i < NUM_GPUS; i++)
		user_begin(&users[i], pieces);
	for (i = 0; i < NUM_GPUS; i++)
		user_start(&users[i], what->writes[i], OLD);

	/* waits for both, so that what is new is not overwritten */
	replace(pieces, NEW);
	for (i = 0; i < NUM_GPUS; i++)
		igt_assert_eq(__batch_wait(&users[i].gpu, users[i].fence), 0);
	batch_check(pieces, NEW);
	users_work(users, pieces);

	for (i = 0; i < NUM_GPUS; i++) {
		user_end(&users[i]);
		watch_end(&watches[i]);
	}
	batch_pieces_free(pieces);
}

/**
 * SUBTEST: unbind-%s
 * Description: A device with a batch is taken from the driver and given back, three
 *	times, while the other one, which has the same memory, %arg[1]. The other one
 *	does not notice.
 *
 * arg[1]:
 *
 * @idle:			does nothing
 * @reading:			reads it
 * @writing:			writes to it
 */
static const struct unbind {
	const char *name;
	bool busy, writes;
} unbinds[] = {
	{ "idle", false, false },
	{ "reading", true, false },
	{ "writing", true, true },
};

static void unbind_other(const struct unbind *what)
{
	struct batch_pieces *pieces;
	struct user users[NUM_GPUS];
	struct user *stays = &users[0], *goes = &users[1];
	struct watch watch;
	unsigned int times;
	unsigned long taint;

	igt_require_f(!geteuid(), "only root may do this\n");
	users_open(users);
	drm_close_driver(goes->fd);
	taint = batch_kernel_taint();
	watch_begin(&watch, stays->fd);
	pieces = batch_pieces_alloc(&large);
	batch_fill(pieces, OLD);
	user_begin(stays, pieces);

	for (times = 0; times < TIMES; times++) {
		goes->fd = __drm_open_driver_another(1, DRIVER_AMDGPU);
		igt_assert(goes->fd >= 0);
		user_begin(goes, pieces);
		batch_read_check(&goes->gpu, &goes->bo, OLD);
		if (what->busy)
			user_start(stays, what->writes, OLD);
		batch_slot_unbind(&goes->slot);

		if (what->busy)
			igt_assert_eq(__batch_wait(&stays->gpu, stays->fence), 0);
		batch_read_check(&stays->gpu, &stays->bo, OLD);
		batch_write_check(&stays->gpu, &stays->bo, pieces, GPU_WRITTEN);
		replace(pieces, NEW);
		batch_read_check(&stays->gpu, &stays->bo, NEW);
		user_abandon(goes);
		batch_slot_bind(&goes->slot);
		replace(pieces, OLD);
		batch_read_check(&stays->gpu, &stays->bo, OLD);
	}

	/* and the one that came back is as good */
	goes->fd = __drm_open_driver_another(1, DRIVER_AMDGPU);
	igt_assert(goes->fd >= 0);
	user_begin(goes, pieces);
	users_work(users, pieces);
	igt_assert_eq_u64(batch_used_bytes(&goes->gpu), goes->bo.size);
	user_end(goes);
	user_end(stays);
	watch_end(&watch);
	batch_pieces_free(pieces);
	igt_assert_eq_u64(batch_kernel_taint(), taint);
}

int igt_main()
{
	unsigned int i;

	igt_describe("Both devices see one memory");
	igt_subtest("same-memory")
		same_memory();

	for (i = 0; i < ARRAY_SIZE(busy); i++) {
		igt_describe("Both devices are waited for");
		igt_subtest_f("busy-%s", busy[i].name)
			replace_busy(&busy[i]);
	}

	for (i = 0; i < ARRAY_SIZE(unbinds); i++) {
		igt_describe("One device goes, the other works on");
		igt_subtest_f("unbind-%s", unbinds[i].name)
			unbind_other(&unbinds[i]);
	}
}
