// SPDX-License-Identifier: MIT

/**
 * TEST: userptr batch kfd
 * Category: Core
 * Mega feature: General Core features
 * Sub-category: Memory management tests
 * Functionality: userptr
 * Description: Batch userptr BOs and the other interface to user queues, /dev/kfd. Needs a
 *	GPU that KFD takes; no kernel rings.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "igt.h"
#include "lib/amdgpu/amd_userptr_batch_life.h"
#include "lib/amdgpu/amd_userptr_view.h"

IGT_TEST_DESCRIPTION("A file that has batch userptr BOs and an address space that KFD has "
		     "acquired exclude each other");

/* seeds of the patterns */
enum { OLD = SCENE_SEED, NEXT };

/**
 * SUBTEST: acquire
 * Description: KFD does not acquire the address space of a file that has a batch; one that
 *	it has acquired gets no batch, with EOPNOTSUPP.
 */

/* of <linux/kfd_ioctl.h>, which wants a header that distributions have elsewhere */
struct kfd_acquire_vm {
	uint32_t drm_fd;
	uint32_t gpu_id;
};
#define KFD_ACQUIRE_VM _IOW('K', 0x15, struct kfd_acquire_vm)

/* GPU that KFD knows, 0 if there is none */
static uint32_t kfd_gpu(void)
{
	char path[64], number[16];
	uint32_t id = 0;
	int node, fd;

	for (node = 0; node < 16 && !id; node++) {
		snprintf(path, sizeof(path), "/sys/class/kfd/kfd/topology/nodes/%d/gpu_id", node);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			break;
		memset(number, 0, sizeof(number));
		if (read(fd, number, sizeof(number) - 1) > 0)
			id = strtoul(number, NULL, 0);
		close(fd);
	}
	return id;
}

static int kfd_acquire(int kfd, int fd)
{
	struct kfd_acquire_vm args = { .drm_fd = fd, .gpu_id = kfd_gpu() };

	return ioctl(kfd, KFD_ACQUIRE_VM, &args) ? -errno : 0;
}

static void child_acquire(int fd)
{
	static const struct batch_layout layout = { 64, 2, 1, 1, BATCH_ANON, BATCH_SHUFFLED };
	struct drm_amdgpu_gem_userptr_batch args;
	struct batch_gpu gpu;
	struct scene other;
	int kfd, tries, r;
	struct view v;

	kfd = open("/dev/kfd", O_RDWR | O_CLOEXEC);
	igt_assert_f(kfd >= 0, "/dev/kfd: %m\n");
	userq_file_init(&gpu, fd);
	view_init(&v, &gpu, &layout, true, BATCH_RW, OLD);
	view_create(&v);
	igt_assert_eq(kfd_acquire(kfd, gpu.fd), -EBUSY);
	/* a BO that the GPU may still use is freed some time after its handle */
	view_destroy(&v);
	for (tries = 0; tries < 1000; tries++) {
		r = kfd_acquire(kfd, gpu.fd);
		if (r != -EBUSY)
			break;
		usleep(10000);
	}
	igt_assert_eq(r, 0);

	batch_args_init(&args, v.pieces, BATCH_RW);
	igt_assert_eq(__batch_ioctl(gpu.fd, &args), -EOPNOTSUPP);
	igt_assert_eq_u32(args.bad_range, AMDGPU_GEM_USERPTR_BATCH_NO_RANGE);

	/* other files have nothing to do with it */
	scene_init(&other, fd, &layout, true, BATCH_RW, USERQ_SDMA);
	view_change(&other.v, VIEW_REMAP, 1, NEXT);
	view_read(&other.v, &other.q);
	scene_fini(&other);
	view_fini(&v);
	userq_file_fini(&gpu);
	close(kfd);
}

static void acquire(struct batch_gpu *test)
{
	struct batch_left left;

	igt_require_f(kfd_gpu(), "no GPU in KFD\n");
	userq_require(test, USERQ_SDMA);
	batch_left_begin(test, &left);
	/* what KFD knows of a process goes with the process */
	igt_fork(child, 1)
		child_acquire(test->fd);
	igt_waitchildren();
	batch_left_check(test, &left);
}

int igt_main()
{
	struct batch_gpu gpu;
	int fd = -1;

	igt_fixture() {
		fd = drm_open_driver_render(DRIVER_AMDGPU);
		batch_gpu_init_queues(&gpu, fd, BATCH_PAGE);
		igt_require_f(gpu.info.max_ranges, "kernel without GEM_USERPTR_BATCH\n");
	}

	igt_describe("KFD's queues would not stop for what is taken away from a batch");
	igt_subtest("acquire")
		acquire(&gpu);

	igt_fixture() {
		batch_gpu_fini(&gpu);
		drm_close_driver(fd);
	}
}
