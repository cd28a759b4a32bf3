// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/swap.h>
#include <unistd.h>

#include "swap.h"

#define ZRAM	"/dev/zram0"
#define SYSFS	"/sys/block/zram0/"

static uint64_t swap_free(void)
{
	unsigned long long kib = 0;
	char line[128];
	FILE *f;

	f = fopen("/proc/meminfo", "r");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "SwapFree: %llu", &kib) == 1)
			break;
	fclose(f);
	return kib << 10;
}

static int write_text(const char *path, const char *text)
{
	ssize_t n = -1;
	int fd;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = write(fd, text, strlen(text));
		close(fd);
	}
	return n < 0 ? -1 : 0;
}

/* Is the device unused? Only then it may become ours. */
static int zram_unused(void)
{
	unsigned long long size = 1;
	FILE *f;

	f = fopen(SYSFS "disksize", "r");
	if (!f)
		return 0;
	if (fscanf(f, "%llu", &size) != 1)
		size = 1;
	fclose(f);
	return !size;
}

const char *swap_get(struct swap *s, uint64_t bytes, int may_make)
{
	char size[32];

	s->ours = 0;
	if (swap_free() >= bytes)
		return NULL;
	if (geteuid() || !may_make)
		return "no swap space";
	if (access(SYSFS, F_OK) && system("modprobe zram 2>/dev/null"))
		return "no swap space and no zram device";
	if (!zram_unused())
		return "no swap space, and " ZRAM " is in use";

	snprintf(size, sizeof(size), "%llu", (unsigned long long)bytes * 2);
	if (write_text(SYSFS "disksize", size))
		return "no swap space: " SYSFS "disksize cannot be set";
	if (system("mkswap " ZRAM " >/dev/null 2>&1") || swapon(ZRAM, 0)) {
		write_text(SYSFS "reset", "1");
		return "no swap space: mkswap or swapon of " ZRAM " failed";
	}
	s->ours = 1;
	return NULL;
}

void swap_put(struct swap *s)
{
	if (!s->ours)
		return;
	swapoff(ZRAM);
	write_text(SYSFS "reset", "1");
	s->ours = 0;
}
