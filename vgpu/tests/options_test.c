/* SPDX-License-Identifier: MIT */
/* The command line of vgpu. */
#include "test.h"

#include <errno.h>

#include "device.h"
#include "list.h"
#include "options.h"

#define MAX_ARGS	8

static const struct good_row {
	const char *args[MAX_ARGS];
	struct options want;
} good_rows[] = {
	{ { "--help" }, { .help = true, .sdma = 1, .vram_mib = 256 } },
	{ { "--list" }, { .list = true, .sdma = 1, .vram_mib = 256 } },
	{ { "--list=pm4" }, { .list = true, .list_what = "pm4", .sdma = 1, .vram_mib = 256 } },
	{ { "--socket", "s" }, { .socket = "s", .sdma = 1, .vram_mib = 256 } },
	{ { "--socket=s", "--strict", "--vram", "64" },
	  { .socket = "s", .strict = true, .sdma = 1, .vram_mib = 64 } },
	{ { "--write-rom", "r", "--write-firmware", "f" },
	  { .rom = "r", .firmware = "f", .sdma = 1, .vram_mib = 256 } },
	{ { "--socket", "s", "--trace", "-" },
	  { .socket = "s", .trace = "-", .trace_mask = VGPU_TRACE_ALL, .sdma = 1, .vram_mib = 256 } },
	{ { "--socket", "s", "--trace-only", "mes,sdma", "--trace", "t" },
	  { .socket = "s", .trace = "t", .sdma = 1, .vram_mib = 256,
	    .trace_mask = 1 << VGPU_TRACE_MES | 1 << VGPU_TRACE_SDMA } },
	{ { "--socket", "s", "--break", "flush,copy" },
	  { .socket = "s", .sdma = 1, .vram_mib = 256,
	    .broken = VGPU_BREAK_FLUSH | VGPU_BREAK_COPY } },
	{ { "--socket", "s", "--control", "c", "--counters", "j", "--record", "r" },
	  { .socket = "s", .control = "c", .counters = "j", .record = "r",
	    .sdma = 1, .vram_mib = 256 } },
	{ { "--sdma", "2", "--socket", "s" }, { .socket = "s", .sdma = 2, .vram_mib = 256 } },
	{ { "--vram", "0x10000", "--socket", "s" }, { .socket = "s", .sdma = 1, .vram_mib = 65536 } },
};

static const struct bad_row {
	const char *args[MAX_ARGS];
	const char *error;
} bad_rows[] = {
	{ { NULL }, "nothing to do" },
	{ { "--strict" }, "nothing to do" },
	{ { "--nonsense" }, "unknown option --nonsense" },
	{ { "-x" }, "unknown option -x" },
	{ { "--socket" }, "--socket needs a value" },
	{ { "--socket", "s", "more" }, "unexpected argument more" },
	{ { "--socket", "s", "--vram", "100" },
	  "--vram: a power of two from 64 to 65536, not '100'" },
	{ { "--socket", "s", "--vram", "32" },
	  "--vram: a power of two from 64 to 65536, not '32'" },
	{ { "--socket", "s", "--vram", "131072" },
	  "--vram: a power of two from 64 to 65536, not '131072'" },
	{ { "--socket", "s", "--vram", "64M" },
	  "--vram: a power of two from 64 to 65536, not '64M'" },
	{ { "--socket", "s", "--vram", "" },
	  "--vram: a power of two from 64 to 65536, not ''" },
	{ { "--socket", "s", "--vram", "-64" },
	  "--vram: a power of two from 64 to 65536, not '-64'" },
	{ { "--socket", "s", "--sdma", "3" }, "--sdma: 1 or 2, not '3'" },
	{ { "--socket", "s", "--sdma", "" }, "--sdma: 1 or 2, not ''" },
	{ { "--socket", "s", "--break", "copy,all" }, "--break: all is unknown" },
	{ { "--socket", "s", "--break", "" }, "--break:  is unknown" },
	{ { "--socket", "s", "--trace", "t", "--trace-only", "sdma,x" },
	  "--trace-only: 'x' is unknown" },
	{ { "--socket", "s", "--trace", "t", "--trace-only", "sdma," },
	  "--trace-only: '' is unknown" },
	{ { "--socket", "s", "--trace-only", "sdma" }, "--trace-only needs --trace" },
	{ { "--write-rom", "r", "--trace", "t" },
	  "there is nothing to watch without --socket" },
	{ { "--record", "r" }, "there is nothing to watch without --socket" },
	{ { "--list=x" }, "--list: 'x' is unknown" },
};

static int parse(const char *const *args, struct options *o, char *err, size_t len)
{
	char *argv[MAX_ARGS + 2] = { "vgpu" };
	int argc = 1;

	while (args[argc - 1]) {
		argv[argc] = (char *)args[argc - 1];
		argc++;
	}
	return options_parse(argc, argv, o, err, len);
}

static void check_string(const char *a, const char *b)
{
	if (!a != !b || (a && strcmp(a, b)))
		test_fail(__FILE__, __LINE__, "%s, not %s", a ? a : "nothing",
			  b ? b : "nothing");
}

static void good(void)
{
	struct options o;
	char err[256];
	size_t i;

	for (i = 0; i < sizeof(good_rows) / sizeof(good_rows[0]); i++) {
		const struct options *want = &good_rows[i].want;

		test_row(good_rows[i].args[0]);
		err[0] = '\0';
		CHECK_EQ(parse(good_rows[i].args, &o, err, sizeof(err)), 0);
		check_string(err, "");
		CHECK_EQ(o.help, want->help);
		CHECK_EQ(o.list, want->list);
		check_string(o.list_what, want->list_what);
		check_string(o.socket, want->socket);
		check_string(o.control, want->control);
		check_string(o.rom, want->rom);
		check_string(o.firmware, want->firmware);
		check_string(o.counters, want->counters);
		check_string(o.trace, want->trace);
		CHECK_EQ(o.trace_mask, want->trace_mask);
		check_string(o.record, want->record);
		CHECK_EQ(o.vram_mib, want->vram_mib);
		CHECK_EQ(o.sdma, want->sdma);
		CHECK_EQ(o.strict, want->strict);
		CHECK_EQ(o.broken, want->broken);
	}
	test_row(NULL);
}

static void bad(void)
{
	struct options o;
	char err[256];
	size_t i;

	for (i = 0; i < sizeof(bad_rows) / sizeof(bad_rows[0]); i++) {
		test_row(bad_rows[i].error);
		err[0] = '\0';
		CHECK_EQ(parse(bad_rows[i].args, &o, err, sizeof(err)), -EINVAL);
		check_string(err, bad_rows[i].error);
	}
	test_row(NULL);
}

/* Each option is in the help, and so are the names that they take. */
static void help(void)
{
	static const char *const words[] = {
		"--socket PATH", "--vram MIB", "--strict", "--control PATH",
		"--counters FILE", "--trace FILE", "--trace-only LIST", "--record DIR",
		"--list[=PART]", "--write-rom FILE", "--write-firmware DIR",
		"--break LIST", "--help", "Exit status", "SIGUSR1", " doorbell ",
		" copy fill flush\n", " registers pm4 ",
	};
	static char text[8192];
	FILE *f = fmemopen(text, sizeof(text), "w");
	size_t i;

	REQUIRE(f);
	options_help(f);
	fclose(f);
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		test_row(words[i]);
		CHECK(strstr(text, words[i]));
	}
	test_row(NULL);
}

/* Each part is printed, and nothing of another. */
static void list(void)
{
	static const char *const heads[] = {
		"### Registers", "### PM4", "### SDMA", "### MES", "### Interrupts",
	};
	static char text[65536];
	size_t i, k;

	for (i = 0; i < 5; i++) {
		FILE *f = fmemopen(text, sizeof(text), "w");

		REQUIRE(f && list_part(i));
		test_row(list_part(i));
		CHECK_EQ(list_print(f, list_part(i)), 0);
		fclose(f);
		for (k = 0; k < 5; k++)
			CHECK_EQ(!!strstr(text, heads[k]), k == i);
	}
	test_row(NULL);
	CHECK(!list_part(5));
}

static const struct test_case tests[] = {
	{ "good", good },
	{ "bad", bad },
	{ "help", help },
	{ "list", list },
};
TEST_MAIN(tests)
