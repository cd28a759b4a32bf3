// SPDX-License-Identifier: MIT

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "igt.h"
#include "lib/amdgpu/amd_userptr_slot.h"

#define DRIVER_DIR "/sys/bus/pci/drivers/amdgpu"

/**
 * batch_sysfs_write:
 * @path: a file in sysfs
 * @text: what to write to it
 *
 * Returns: 0 or a negative error number.
 */
int batch_sysfs_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), r = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		r = -errno;
	close(fd);
	return r;
}

/**
 * batch_slot_find:
 * @slot: to be filled in
 * @fd: a file of the device
 */
void batch_slot_find(struct batch_slot *slot, int fd)
{
	char path[64], device[PATH_MAX];
	struct stat st;
	ssize_t n;

	do_or_die(fstat(fd, &st));
	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/device",
		 major(st.st_rdev), minor(st.st_rdev));
	n = readlink(path, device, sizeof(device) - 1);
	igt_assert(n > 0);
	device[n] = 0;
	snprintf(slot->name, sizeof(slot->name), "%s", strrchr(device, '/') + 1);
}

/**
 * batch_slot_bound:
 * @slot: a place
 *
 * Returns: whether the driver has the device there.
 */
bool batch_slot_bound(const struct batch_slot *slot)
{
	char path[128];

	snprintf(path, sizeof(path), DRIVER_DIR "/%s", slot->name);
	return !access(path, F_OK);
}

/**
 * batch_slot_unbind:
 * @slot: a place
 *
 * Takes the driver from the device. Files that are open stay and are of no use.
 */
void batch_slot_unbind(const struct batch_slot *slot)
{
	igt_assert_eq(batch_sysfs_write(DRIVER_DIR "/unbind", slot->name), 0);
	igt_assert(!batch_slot_bound(slot));
}

/**
 * batch_slot_bind:
 * @slot: a place
 *
 * Gives the device to the driver. All files of its last time must be closed: sysfs
 * has room for one device in a slot, and the old one goes with its last file.
 */
void batch_slot_bind(const struct batch_slot *slot)
{
	igt_assert_eq(batch_sysfs_write(DRIVER_DIR "/bind", slot->name), 0);
	igt_assert(batch_slot_bound(slot));
}
