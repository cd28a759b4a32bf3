/* SPDX-License-Identifier: MIT */
/*
 * Test frame: functions that check, often looping over a table of named rows.
 * A test program defines its list and ends with TEST_MAIN(list). Output is
 * TAP, one line per test function; each failed check is a comment before it
 * that names the row.
 */
#ifndef VGPU_TEST_H
#define VGPU_TEST_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct test_case {
	const char *name;
	void (*run)(void);
};

/* Name what the following checks belong to; NULL: the test function itself. */
void test_row(const char *name);
void test_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Run all (or those named in argv); returns the process's exit status. */
int test_main(const struct test_case *cases, size_t n, int argc, char **argv);
/* Checks of the calling test that failed so far. */
unsigned int test_failures(void);

/* The claim of a test; the test goes on when it fails. */
#define CHECK(cond)						\
	do {							\
		if (!(cond))					\
			test_fail(__FILE__, __LINE__, "%s", #cond); \
	} while (0)
/* Integers, compared as uint64_t: CHECK_EQ(r, -EINVAL) works too. */
#define CHECK_EQ(a, b)						\
	do {							\
		uint64_t a_ = (uint64_t)(a), b_ = (uint64_t)(b);	\
								\
		if (a_ != b_)					\
			test_fail(__FILE__, __LINE__,		\
				  "%s == %s: 0x%" PRIx64 " != 0x%" PRIx64, \
				  #a, #b, a_, b_);		\
	} while (0)
#define CHECK_MEM(a, b, len)					\
	do {							\
		if (memcmp(a, b, len))				\
			test_fail(__FILE__, __LINE__,		\
				  "%s differs from %s", #a, #b);	\
	} while (0)
/* Set-up without which the rest is meaningless: leaves the function. */
#define REQUIRE(cond)						\
	do {							\
		if (!(cond)) {					\
			test_fail(__FILE__, __LINE__, "needed: %s", #cond); \
			return;					\
		}						\
	} while (0)
/* Wait up to two seconds for @cond, which another thread makes true. */
#define CHECK_SOON(cond)					\
	do {							\
		int i_;						\
								\
		for (i_ = 0; i_ < 20000 && !(cond); i_++)	\
			test_sleep_us(100);			\
		if (!(cond))					\
			test_fail(__FILE__, __LINE__, "soon: %s", #cond); \
	} while (0)
void test_sleep_us(unsigned int us);

#define TEST_MAIN(list)						\
	int main(int argc, char **argv)				\
	{							\
		return test_main(list, sizeof(list) / sizeof((list)[0]), \
				 argc, argv);			\
	}

#endif
