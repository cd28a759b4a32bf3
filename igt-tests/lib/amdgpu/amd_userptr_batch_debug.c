// SPDX-License-Identifier: MIT

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "igt.h"
#include "lib/amdgpu/amd_userptr_batch_debug.h"

/**
 * batch_kernel_is_slow:
 *
 * Returns: whether lockdep and the like make everything ten times as slow, so that a
 * part of a long row must be enough.
 */
bool batch_kernel_is_slow(void)
{
	return !access("/proc/lockdep_stats", F_OK);
}

/*
 * Settings
 */

static struct setting {
	char path[192];
	char undo[128];
} settings[32];
static unsigned int num_settings;

/**
 * batch_write_file:
 * @path: file
 * @text: to be written at once
 *
 * Returns: false if that is not possible.
 */
bool batch_write_file(const char *path, const char *text)
{
	size_t length = strlen(text);
	int fd = open(path, O_WRONLY);
	bool good;

	if (fd < 0)
		return false;
	good = write(fd, text, length) == (ssize_t)length;
	close(fd);
	return good;
}

/**
 * batch_read_file:
 * @path: file of one line
 * @text: result, without the end of line
 * @size: bytes at @text
 *
 * Returns: false if it cannot be read.
 */
bool batch_read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, text, size - 1);
	close(fd);
	if (n < 0)
		return false;
	text[n] = 0;
	text[strcspn(text, "\n")] = 0;
	return true;
}

/**
 * batch_read_u64:
 * @path: file of one line
 * @value: the number in it
 *
 * Returns: false if it cannot be read.
 */
bool batch_read_u64(const char *path, uint64_t *value)
{
	char text[64];

	if (!batch_read_file(path, text, sizeof(text)))
		return false;
	*value = strtoull(text, NULL, 0);
	return true;
}

/**
 * batch_settings_restore:
 *
 * Puts back all settings, the last one first. Also called when the program
 * ends, however it ends.
 */
void batch_settings_restore(void)
{
	while (num_settings) {
		struct setting *s = &settings[--num_settings];

		/* nothing can be done about an error here */
		if (s->undo[0] && !batch_write_file(s->path, s->undo))
			fprintf(stderr, "%s: cannot write %s\n", s->path, s->undo);
		else if (!s->undo[0])
			rmdir(s->path);
	}
}

static void restore_at_exit(int sig)
{
	batch_settings_restore();
}

static void remember(const char *path, const char *undo)
{
	static bool installed;
	unsigned int i;

	for (i = 0; i < num_settings; i++)
		if (!strcmp(settings[i].path, path))
			return;
	if (!installed)
		igt_install_exit_handler(restore_at_exit);
	installed = true;
	igt_assert(num_settings < ARRAY_SIZE(settings));
	snprintf(settings[num_settings].path, sizeof(settings[0].path), "%s", path);
	snprintf(settings[num_settings].undo, sizeof(settings[0].undo), "%s", undo);
	num_settings++;
}

/**
 * batch_remove_at_exit:
 * @dir: directory, made for the test
 *
 * Has batch_settings_restore() remove it.
 */
void batch_remove_at_exit(const char *dir)
{
	remember(dir, "");
}

/**
 * batch_setting_undo:
 * @path: file
 * @value: to be written
 * @undo: to be written at the end
 *
 * Returns: false if that is not possible; then there is nothing to undo.
 */
bool batch_setting_undo(const char *path, const char *value, const char *undo)
{
	if (!batch_write_file(path, value))
		return false;
	remember(path, undo);
	return true;
}

/**
 * batch_setting:
 * @path: file of one value
 * @format: of the new value
 *
 * Changes a setting until batch_settings_restore() or the end of the program.
 *
 * Returns: false if the file is missing or does not take the value.
 */
bool batch_setting(const char *path, const char *format, ...)
{
	char old[128], value[128];
	va_list args;

	va_start(args, format);
	vsnprintf(value, sizeof(value), format, args);
	va_end(args);
	if (!batch_read_file(path, old, sizeof(old)))
		return false;
	return batch_setting_undo(path, value, old);
}

static void must_set(const char *dir, const char *name, const char *value)
{
	char path[192];

	snprintf(path, sizeof(path), "%s/%s/%s", igt_debugfs_mount(), dir, name);
	igt_require_f(batch_setting(path, "%s", value),
		      "kernel without %s: see Documentation/fault-injection\n", dir);
}

/*
 * Faults in the kernel, see Documentation/fault-injection/fault-injection.rst
 */

/**
 * batch_fault_select:
 * @fault: kind of faults
 *
 * From now on batch_fault_arm() is about this kind. Skips the subtest if the
 * kernel cannot do it. The page faults of user space count too, so what is
 * under test should have run once before.
 */
void batch_fault_select(enum batch_fault fault)
{
	bool slab = fault == BATCH_FAULT_SLAB, pages = fault == BATCH_FAULT_PAGES;

	/* no cache has the mark that this filter looks for */
	must_set("failslab", "cache-filter", slab ? "N" : "Y");
	must_set("failslab", "ignore-gfp-wait", "N");
	must_set("failslab", "verbose", "0");
	must_set("fail_page_alloc", "min-order", pages ? "0" : "100");
	must_set("fail_page_alloc", "ignore-gfp-wait", "N");
	must_set("fail_page_alloc", "ignore-gfp-highmem", "N");
	must_set("fail_page_alloc", "verbose", "0");
	must_set("fail_usercopy", "verbose", "0");
	igt_require_f(!access("/proc/self/fail-nth", W_OK), "no /proc/self/fail-nth\n");
}

static int fail_nth = -1;

/**
 * batch_fault_arm:
 * @nth: which one
 *
 * Has the @nth allocation or copy from now on fail that the kernel does for
 * this thread. Only one fails.
 */
void batch_fault_arm(unsigned int nth)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%u", nth);

	if (fail_nth < 0)
		fail_nth = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC);
	igt_assert(fail_nth >= 0);
	igt_assert(pwrite(fail_nth, text, n, 0) == n);
}

/**
 * batch_fault_disarm:
 *
 * Returns: whether there was a fault since batch_fault_arm().
 */
bool batch_fault_disarm(void)
{
	char text[16] = {};
	bool pending;

	/* reading and writing this file are user copies and may be what fails */
	if (pread(fail_nth, text, sizeof(text) - 1, 0) < 0) {
		igt_assert_eq(errno, EFAULT);
		errno = 0;
		return false;
	}
	pending = text[0] != '0';
	if (pending && pwrite(fail_nth, "0", 1, 0) != 1)
		igt_assert_eq(errno, EFAULT);
	errno = 0;
	return !pending;
}

/*
 * Errors of functions that the driver offers for this
 */

/**
 * batch_inject_select:
 * @function: name
 * @error: positive error number that it is to return
 *
 * From now on batch_inject_arm() is about this function, whichever process it is
 * called for. Skips the subtest if the kernel cannot do it.
 */
void batch_inject_select(const char *function, int error)
{
	char path[192], undo[128], file[128], text[32];

	snprintf(path, sizeof(path), "%s/fail_function/inject", igt_debugfs_mount());
	igt_require_f(!access(path, W_OK), "kernel without CONFIG_FAIL_FUNCTION\n");
	must_set("fail_function", "verbose", "0");
	must_set("fail_function", "times", "0");
	must_set("fail_function", "interval", "1");
	must_set("fail_function", "space", "0");
	must_set("fail_function", "probability", "100");
	/* a filter by task would never match: the breakpoint is no task's context */
	must_set("fail_function", "task-filter", "N");

	snprintf(undo, sizeof(undo), "!%s", function);
	igt_assert_f(batch_setting_undo(path, function, undo),
		     "%s cannot be made to fail\n", function);
	snprintf(file, sizeof(file), "%s/retval", function);
	snprintf(text, sizeof(text), "%#llx", (unsigned long long)-error);
	snprintf(path, sizeof(path), "%s/fail_function/%s", igt_debugfs_mount(), file);
	igt_assert_f(batch_write_file(path, text), "%s: %s\n", path, strerror(errno));
}

/**
 * batch_inject_arm:
 * @nth: which one
 *
 * Has the @nth call from now on of the selected function fail, and no other.
 */
void batch_inject_arm(unsigned int nth)
{
	char text[16];

	/* what is left of the space is what may be called without an error */
	snprintf(text, sizeof(text), "%u", nth);
	must_set("fail_function", "space", text);
	must_set("fail_function", "times", "1");
}

/**
 * batch_inject_disarm:
 *
 * Returns: whether the function failed since batch_inject_arm().
 */
bool batch_inject_disarm(void)
{
	char path[192];
	uint64_t left;

	snprintf(path, sizeof(path), "%s/fail_function/times", igt_debugfs_mount());
	igt_assert(batch_read_u64(path, &left));
	must_set("fail_function", "times", "0");
	return !left;
}

/**
 * batch_injectable:
 * @seen: called for each function of the driver that can be made to fail
 * @data: for @seen
 *
 * Returns: false if the kernel has no list of them.
 */
bool batch_injectable(void (*seen)(const char *function, void *data), void *data)
{
	char path[192], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/error_injection/list", igt_debugfs_mount());
	f = fopen(path, "r");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, " \t\n")] = 0;
		if (!strncmp(line, "amdgpu_userptr_", strlen("amdgpu_userptr_")))
			seen(line, data);
	}
	fclose(f);
	return true;
}

/*
 * Traces, in an instance of their own
 */

static char trace_dir[128];

static bool trace_file(const char *name, const char *text)
{
	char path[192];

	snprintf(path, sizeof(path), "%s/%s", trace_dir, name);
	return batch_write_file(path, text);
}

/**
 * batch_trace_start:
 *
 * Starts recording the driver's events of batches, until
 * batch_settings_restore(). Skips the subtest if the kernel cannot do it.
 */
void batch_trace_start(void)
{
	static const char * const roots[] = {
		"/sys/kernel/tracing", "/sys/kernel/debug/tracing"
	};
	unsigned int i;

	trace_dir[0] = 0;
	for (i = 0; i < ARRAY_SIZE(roots) && !trace_dir[0]; i++) {
		snprintf(trace_dir, sizeof(trace_dir), "%s/instances/amd_userptr_batch-%d",
			 roots[i], getpid());
		if (mkdir(trace_dir, 0700))
			trace_dir[0] = 0;
	}
	igt_require_f(trace_dir[0], "no tracefs: %s\n", strerror(errno));
	errno = 0;
	batch_remove_at_exit(trace_dir);
	igt_require_f(trace_file("events/amdgpu_userptr/enable", "1"),
		      "kernel without events of batches\n");
	batch_trace_clear();
}

/**
 * batch_trace_clear:
 *
 * Forgets what was recorded.
 */
void batch_trace_clear(void)
{
	char path[192];
	int fd;

	/* it is the truncation that does it */
	snprintf(path, sizeof(path), "%s/trace", trace_dir);
	fd = open(path, O_WRONLY | O_TRUNC);
	igt_assert(fd >= 0);
	close(fd);
}

/**
 * batch_trace_count:
 * @event: name behind "amdgpu_userptr_batch_"
 * @fields: text that the lines have to contain, or NULL
 *
 * Returns: the number of recorded events.
 */
unsigned int batch_trace_count(const char *event, const char *fields)
{
	char path[192], want[64], line[512];
	unsigned int n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/trace", trace_dir);
	snprintf(want, sizeof(want), " amdgpu_userptr_batch_%s: ", event);
	f = fopen(path, "r");
	igt_assert(f);
	while (fgets(line, sizeof(line), f)) {
		/* a word behind the fields keeps 1 from being found in 10 */
		line[strcspn(line, "\n")] = ' ';
		if (strstr(line, want) && (!fields || strstr(line, fields)))
			n++;
	}
	fclose(f);
	return n;
}
