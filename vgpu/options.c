/* SPDX-License-Identifier: MIT */
/* The command line of vgpu, see options.h. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "list.h"
#include "trace.h"

#define DEFAULT_VRAM_MIB	256

static const struct {
	const char *name;
	enum vgpu_break what;
} breaks[] = {
	{ "copy", VGPU_BREAK_COPY },
	{ "fill", VGPU_BREAK_FILL },
	{ "flush", VGPU_BREAK_FLUSH },
};

void options_help(FILE *f)
{
	unsigned int i;

	fprintf(f,
"usage: vgpu --socket PATH [OPTIONS]\n"
"       vgpu --list[=PART]\n"
"A virtual AMD GPU, a Navi31 without shader cores, on a vfio-user socket. It serves one\n"
"client, such as QEMU's vfio-user-pci, until that goes; then it prints what it counted.\n"
"\n"
"  --socket PATH          socket of the device\n"
"  --vram MIB             size of VRAM, a power of two from 64 to 65536 (default %d)\n"
"  --sdma N               SDMA engines, 1 (default) or 2\n"
"  --write-rom FILE       write the VBIOS image, for the client's romfile\n"
"  --write-firmware DIR   write the firmware files that the driver asks for to DIR/amdgpu\n"
"                         (these two also without --socket)\n"
"\n"
"What the driver does wrong:\n"
"  --strict               keep translations until the driver flushes them, use them as\n"
"                         hardware would, and count uses of those that no longer hold\n"
"  --counters FILE        write all counters to FILE as JSON, at the end and at SIGUSR1\n"
"                         (without FILE, SIGUSR1 prints them)\n"
"  --control PATH         socket on which engines are held, stepped and counted:\n"
"                         see vgpu-control --help\n"
"\n"
"What happens:\n"
"  --trace FILE           a line for each event, to FILE; -: to standard output\n"
"  --trace-only LIST      of these kinds only, separated by commas:\n"
"                        ", DEFAULT_VRAM_MIB);
	for (i = 0; vgpu_trace_name(i); i++)
		fprintf(f, " %s", vgpu_trace_name(i));
	fprintf(f, "\n"
"  --record DIR           keep samples of what the guest does, as seeds for the fuzzers\n"
"  --list[=PART]          print what is modelled and what is refused, as Markdown. Parts:\n"
"                        ");
	for (i = 0; list_part(i); i++)
		fprintf(f, " %s", list_part(i));
	fprintf(f, "\n"
"\n"
"For testing the tests:\n"
"  --break LIST           parts that report success and do nothing, separated by commas:\n"
"                        ");
	for (i = 0; i < sizeof(breaks) / sizeof(breaks[0]); i++)
		fprintf(f, " %s", breaks[i].name);
	fprintf(f, "\n"
"\n"
"  --help                 this\n"
"\n"
"Exit status: 0 clean; 1 could not run; 2 usage; 3 the model met an error of\n"
"its own; 4 the driver let the device use stale translations (with --strict),\n"
"or DMA addresses that the guest's IOMMU does not map.\n");
}

static int parse_breaks(const char *list, uint32_t *mask, char *err, size_t len)
{
	size_t i, n;

	for (;; list += n + 1) {
		n = strcspn(list, ",");
		for (i = 0; i < sizeof(breaks) / sizeof(breaks[0]); i++)
			if (strlen(breaks[i].name) == n &&
			    !memcmp(breaks[i].name, list, n))
				break;
		if (i == sizeof(breaks) / sizeof(breaks[0])) {
			snprintf(err, len, "--break: %.*s is unknown", (int)n, list);
			return -EINVAL;
		}
		*mask |= breaks[i].what;
		if (!list[n])
			return 0;
	}
}

static int parse_vram(const char *s, uint64_t *mib, char *err, size_t len)
{
	char *end;

	errno = 0;
	*mib = strtoull(s, &end, 0);
	if (!errno && *s != '-' && end != s && !*end && *mib >= 64 && *mib <= 65536 &&
	    !(*mib & (*mib - 1)))
		return 0;
	snprintf(err, len, "--vram: a power of two from 64 to 65536, not '%s'", s);
	return -EINVAL;
}

static int parse_sdma(const char *s, unsigned int *n, char *err, size_t len)
{
	if (strcmp(s, "1") && strcmp(s, "2")) {
		snprintf(err, len, "--sdma: 1 or 2, not '%s'", s);
		return -EINVAL;
	}
	*n = *s - '0';
	return 0;
}

static int parse_trace_only(const char *s, uint32_t *mask, char *err, size_t len)
{
	char bad[32];
	int r = vgpu_trace_parse(s, mask, bad, sizeof(bad));

	if (r)
		snprintf(err, len, "--trace-only: '%s' is unknown", bad);
	return r;
}

static int parse_list(const char *what, char *err, size_t len)
{
	unsigned int i;

	for (i = 0; what && list_part(i); i++)
		if (!strcmp(what, list_part(i)))
			return 0;
	if (!what)
		return 0;
	snprintf(err, len, "--list: '%s' is unknown", what);
	return -EINVAL;
}

/* What belongs together is there together. */
static int check(const struct options *o, uint32_t only, char *err, size_t len)
{
	if (o->help || o->list)
		return 0;
	if (only && !o->trace)
		snprintf(err, len, "--trace-only needs --trace");
	else if (!o->socket && (o->trace || o->record || o->counters || o->control))
		snprintf(err, len, "there is nothing to watch without --socket");
	else if (!o->socket && !o->rom && !o->firmware)
		snprintf(err, len, "nothing to do");
	else
		return 0;
	return -EINVAL;
}

int options_parse(int argc, char **argv, struct options *o, char *err, size_t len)
{
	enum { SOCKET = 1, VRAM, SDMA, STRICT, CONTROL, COUNTERS, TRACE, TRACE_ONLY, RECORD,
	       LIST, ROM, FIRMWARE, BREAK, HELP };
	static const struct option options[] = {
		{ "socket", required_argument, NULL, SOCKET },
		{ "vram", required_argument, NULL, VRAM },
		{ "sdma", required_argument, NULL, SDMA },
		{ "strict", no_argument, NULL, STRICT },
		{ "control", required_argument, NULL, CONTROL },
		{ "counters", required_argument, NULL, COUNTERS },
		{ "trace", required_argument, NULL, TRACE },
		{ "trace-only", required_argument, NULL, TRACE_ONLY },
		{ "record", required_argument, NULL, RECORD },
		{ "list", optional_argument, NULL, LIST },
		{ "write-rom", required_argument, NULL, ROM },
		{ "write-firmware", required_argument, NULL, FIRMWARE },
		{ "break", required_argument, NULL, BREAK },
		{ "help", no_argument, NULL, HELP },
		{ 0 },
	};
	uint32_t only = 0;
	int c, r = 0;

	*o = (struct options){ .vram_mib = DEFAULT_VRAM_MIB, .sdma = 1 };
	/* Begin anew, and leave it to us to complain. */
	optind = 0;
	opterr = 0;
	while (!r && (c = getopt_long(argc, argv, "+:", options, NULL)) != -1) {
		switch (c) {
		case SOCKET:
			o->socket = optarg;
			break;
		case VRAM:
			r = parse_vram(optarg, &o->vram_mib, err, len);
			break;
		case SDMA:
			r = parse_sdma(optarg, &o->sdma, err, len);
			break;
		case STRICT:
			o->strict = true;
			break;
		case CONTROL:
			o->control = optarg;
			break;
		case COUNTERS:
			o->counters = optarg;
			break;
		case TRACE:
			o->trace = optarg;
			break;
		case TRACE_ONLY:
			r = parse_trace_only(optarg, &only, err, len);
			break;
		case RECORD:
			o->record = optarg;
			break;
		case LIST:
			o->list = true;
			o->list_what = optarg;
			r = parse_list(optarg, err, len);
			break;
		case ROM:
			o->rom = optarg;
			break;
		case FIRMWARE:
			o->firmware = optarg;
			break;
		case BREAK:
			r = parse_breaks(optarg, &o->broken, err, len);
			break;
		case HELP:
			o->help = true;
			break;
		case ':':
			snprintf(err, len, "%s needs a value", argv[optind - 1]);
			return -EINVAL;
		default:
			snprintf(err, len, "unknown option %s", argv[optind - 1]);
			return -EINVAL;
		}
	}
	if (r)
		return r;
	if (optind != argc) {
		snprintf(err, len, "unexpected argument %s", argv[optind]);
		return -EINVAL;
	}
	if (o->trace)
		o->trace_mask = only ? only : VGPU_TRACE_ALL;
	return check(o, only, err, len);
}
