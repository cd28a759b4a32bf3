/* SPDX-License-Identifier: MIT */
/*
 * The part of IGT's interface that these tests use, declared by hand.
 *
 * Distributions ship libigt.so but not its headers. In an IGT tree the real
 * "igt.h" is found instead and this file is not used. The functions are those
 * that libigt.so.0 exports (IGT 2.x); the macros give the control flow that
 * the library expects: it leaves a subtest by siglongjmp() to the buffer that
 * the subtest set.
 */
#ifndef COMPAT_IGT_H
#define COMPAT_IGT_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <xf86drm.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* drmtest.h */
#define DRIVER_AMDGPU (1 << 3)
int drm_open_driver_render(int chipset);
int __drm_open_driver_render(int chipset);
int __drm_open_driver_another(int idx, int chipset);
int drm_close_driver(int fd);
int drm_reopen_driver(int fd);

/* ioctl_wrappers.h */
extern __thread int (*igt_ioctl)(int fd, unsigned long request, void *arg);

/* igt_debugfs.h */
int igt_debugfs_open(int fd, const char *name, int flags);
const char *igt_debugfs_mount(void);

/* igt_core.h: entering and leaving blocks */
struct option;
typedef int (*igt_opt_handler_t)(int opt, int opt_index, void *data);

extern jmp_buf igt_subtest_jmpbuf;

int igt_subtest_init_parse_opts(int *argc, char **argv,
				const char *extra_short_opts,
				const struct option *extra_long_opts,
				const char *help_str,
				igt_opt_handler_t extra_opt_handler,
				void *handler_data);
void igt_exit(void) __attribute__((noreturn));
bool __igt_fixture(void);
void __igt_fixture_complete(void);
bool __igt_run_subtest(const char *name, const char *file, const int line);
void __igt_subtest_group_save(int *save, int *desc);
void __igt_subtest_group_restore(int save, int desc);
void igt_success(void);
void igt_describe_f(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define __compat_cat(a, b) a##b
#define __compat_cat2(a, b) __compat_cat(a, b)
#define __compat_name(what) __compat_cat2(__compat_##what##_, __LINE__)

#define IGT_TEST_DESCRIPTION(text) const char *__igt_test_description = text

#define igt_main()							\
	main(int argc, char **argv);					\
	static void __compat_main(void);				\
	int main(int argc, char **argv)					\
	{								\
		igt_subtest_init_parse_opts(&argc, argv, NULL, NULL,	\
					    NULL, NULL, NULL);		\
		__compat_main();					\
		igt_exit();						\
	}								\
	static void __compat_main(void)

/* a block that runs once unless the library says no, and may be left by a jump */
#define igt_fixture()							\
	for (volatile bool __compat_name(once) = true;			\
	     __compat_name(once) && __igt_fixture() &&			\
	     sigsetjmp(igt_subtest_jmpbuf, 1) == 0;			\
	     __compat_name(once) = false, __igt_fixture_complete())

#define igt_subtest(name)						\
	for (; __igt_run_subtest(name, __FILE__, __LINE__) &&		\
	       sigsetjmp(igt_subtest_jmpbuf, 1) == 0; igt_success())

#define igt_subtest_f(...)						\
	for (char __compat_name(name)[256];				\
	     snprintf(__compat_name(name), sizeof(__compat_name(name)),	\
		      __VA_ARGS__),					\
	     __igt_run_subtest(__compat_name(name), __FILE__, __LINE__) && \
	     sigsetjmp(igt_subtest_jmpbuf, 1) == 0; igt_success())

#define igt_subtest_group()						\
	for (int __compat_name(once) = 1, __compat_name(save) = 0,	\
	     __compat_name(desc) = 0;					\
	     __compat_name(once) &&					\
	     (__igt_subtest_group_save(&__compat_name(save),		\
				       &__compat_name(desc)), 1);	\
	     __compat_name(once) = 0,					\
	     __igt_subtest_group_restore(__compat_name(save),		\
					 __compat_name(desc)))

#define igt_describe(text) igt_describe_f("%s", text)

/* igt_core.h: results */
void __igt_fail_assert(const char *domain, const char *file, const int line,
		       const char *func, const char *assertion,
		       const char *format, ...)
	__attribute__((noreturn, format(printf, 6, 7)));
void __igt_skip_check(const char *file, const int line, const char *func,
		      const char *check, const char *format, ...)
	__attribute__((noreturn, format(printf, 5, 6)));
void igt_skip(const char *format, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

#define igt_assert_f(expr, ...)						\
	do {								\
		if (!(expr))						\
			__igt_fail_assert(NULL, __FILE__, __LINE__,	\
					  __func__, #expr, __VA_ARGS__); \
	} while (0)
#define igt_assert(expr) igt_assert_f(expr, NULL)

#define __compat_assert_cmp(type, format, a, op, b)			\
	do {								\
		type __a = (a), __b = (b);				\
		if (!(__a op __b))					\
			__igt_fail_assert(NULL, __FILE__, __LINE__,	\
					  __func__, #a " " #op " " #b,	\
					  "error: " format ", " format "\n", \
					  __a, __b);			\
	} while (0)
#define igt_assert_eq(a, b) __compat_assert_cmp(int, "%d", a, ==, b)
#define igt_assert_neq(a, b) __compat_assert_cmp(int, "%d", a, !=, b)
#define igt_assert_lt(a, b) __compat_assert_cmp(int, "%d", a, <, b)
#define igt_assert_eq_u32(a, b) __compat_assert_cmp(uint32_t, "%#x", a, ==, b)
#define igt_assert_eq_u64(a, b)						\
	__compat_assert_cmp(unsigned long long, "%#llx", a, ==, b)
#define igt_assert_neq_u64(a, b)					\
	__compat_assert_cmp(unsigned long long, "%#llx", a, !=, b)

#define do_or_die(expr) igt_assert((expr) == 0)

#define igt_require_f(expr, ...)					\
	do {								\
		if (!(expr))						\
			__igt_skip_check(__FILE__, __LINE__, __func__,	\
					 #expr, __VA_ARGS__);		\
	} while (0)
#define igt_require(expr) igt_require_f(expr, NULL)

#define do_ioctl(fd, request, arg)					\
	do {								\
		igt_assert_eq(igt_ioctl(fd, request, arg), 0);		\
		errno = 0;						\
	} while (0)

#define do_ioctl_err(fd, request, arg, error)				\
	do {								\
		igt_assert_eq(igt_ioctl(fd, request, arg), -1);		\
		igt_assert_eq(errno, error);				\
		errno = 0;						\
	} while (0)

/* igt_core.h: children; a failed assertion in one fails the subtest */
bool __igt_fork(void);
void igt_waitchildren(void);
/* 0, what a child exited with, or 128 + the signal that ended it */
int __igt_waitchildren(void);
#define igt_fork(child, count)						\
	for (int child = 0; child < (count); child++)			\
		for (; __igt_fork(); exit(0))

/* igt_core.h: called when the program ends, also by a signal, but not in children */
typedef void (*igt_exit_handler_t)(int sig);
void igt_install_exit_handler(igt_exit_handler_t fn);

/* igt_core.h: messages */
enum igt_log_level {
	IGT_LOG_DEBUG,
	IGT_LOG_INFO,
	IGT_LOG_WARN,
	IGT_LOG_CRITICAL,
	IGT_LOG_NONE,
};

void igt_log(const char *domain, enum igt_log_level level,
	     const char *format, ...) __attribute__((format(printf, 3, 4)));
#define igt_debug(...) igt_log(NULL, IGT_LOG_DEBUG, __VA_ARGS__)
#define igt_info(...) igt_log(NULL, IGT_LOG_INFO, __VA_ARGS__)
#define igt_warn(...) igt_log(NULL, IGT_LOG_WARN, __VA_ARGS__)

/* igt_aux.h: sleep and wake up again, or only pretend to */
enum igt_suspend_state {
	SUSPEND_STATE_FREEZE,
	SUSPEND_STATE_STANDBY,
	SUSPEND_STATE_S3,
	SUSPEND_STATE_DISK,
};

enum igt_suspend_test {
	SUSPEND_TEST_NONE,
	SUSPEND_TEST_FREEZER,
	SUSPEND_TEST_DEVICES,
	SUSPEND_TEST_PLATFORM,
	SUSPEND_TEST_PROCESSORS,
	SUSPEND_TEST_CORE,
};

void igt_system_suspend_autoresume(enum igt_suspend_state state,
				   enum igt_suspend_test test);
void igt_set_autoresume_delay(int delay_secs);

/* igt_aux.h: the subtest fails after so many seconds */
void igt_set_timeout(unsigned int seconds, const char *op);
void igt_reset_timeout(void);

#endif
