/* SPDX-License-Identifier: MIT */
/* Test frame, see test.h. */
#include "test.h"

#include <stdarg.h>
#include <time.h>

static const char *row;
static unsigned int failures;

void test_row(const char *name)
{
	row = name;
}

unsigned int test_failures(void)
{
	return failures;
}

void test_fail(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	failures++;
	printf("# %s:%d: ", file, line);
	if (row)
		printf("[%s] ", row);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

void test_sleep_us(unsigned int us)
{
	struct timespec ts = { us / 1000000, (us % 1000000) * 1000L };

	nanosleep(&ts, NULL);
}

static bool selected(const char *name, int argc, char **argv)
{
	int i;

	if (argc < 2)
		return true;
	for (i = 1; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return false;
}

int test_main(const struct test_case *cases, size_t n, int argc, char **argv)
{
	unsigned int ran = 0, bad = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if (!selected(cases[i].name, argc, argv))
			continue;
		failures = 0;
		row = NULL;
		cases[i].run();
		printf("%sok %u - %s\n", failures ? "not " : "", ++ran,
		       cases[i].name);
		fflush(stdout);
		bad += !!failures;
	}
	printf("1..%u\n", ran);
	return bad || !ran;
}
