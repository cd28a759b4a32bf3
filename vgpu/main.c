/* SPDX-License-Identifier: MIT */
/* The vgpu program: options, life of the device, summary. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "blocks.h"
#include "control.h"
#include "images.h"
#include "transport.h"

#define DEFAULT_VRAM_MIB	256

/* Exit status. */
enum {
	OK = 0,
	FAILED = 1,		/* could not start, or lost the client */
	USAGE = 2,
	MODEL_ERROR = 3,	/* the device model was wrong somewhere */
	STALE = 4,		/* the driver used stale translations or DMA addresses */
};

static const struct vgpu_block *const blocks[] = {
	&vgpu_block_nbio, &vgpu_block_mp, &vgpu_block_smu, &vgpu_block_gmc, &vgpu_block_ih,
	&vgpu_block_sdma, &vgpu_block_cp, &vgpu_block_mes, &vgpu_block_plain,
	NULL,
};

static struct transport *transport;
static bool trace;

static const char *const level_names[] = {
	[VGPU_LOG_ERROR] = "error",
	[VGPU_LOG_GUEST] = "guest",
	[VGPU_LOG_UNIMP] = "unmodelled",
	[VGPU_LOG_INFO] = "info",
	[VGPU_LOG_TRACE] = "trace",
};

static const struct {
	const char *name;
	enum vgpu_break what;
} breaks[] = {
	{ "copy", VGPU_BREAK_COPY },
	{ "fill", VGPU_BREAK_FILL },
	{ "flush", VGPU_BREAK_FLUSH },
};

static void log_line(enum vgpu_log_level level, const char *line)
{
	struct timespec now;

	if (level == VGPU_LOG_TRACE && !trace)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	fprintf(stderr, "vgpu: [%5lld.%06ld] %s: %s\n", (long long)now.tv_sec,
		now.tv_nsec / 1000, level_names[level], line);
}

static void on_signal(int sig)
{
	(void)sig;
	transport_stop(transport);
}

static void help(void)
{
	printf(
"usage: vgpu --socket PATH [options]\n"
"A virtual AMD GPU (Navi31 without shader cores) on a vfio-user socket.\n"
"\n"
"  --socket PATH          serve one client there, then exit\n"
"  --vram MIB             size of VRAM, a power of two (default %d)\n"
"  --strict               keep translations until the driver flushes them\n"
"  --control PATH         socket on which engines are held, stepped and counted:\n"
"                         see vgpu-control --help\n"
"  --counters FILE        write all counters to FILE as JSON at exit\n"
"  --trace                log each register access and packet\n"
"  --write-rom FILE       write the VBIOS image for the client's ROM\n"
"  --write-firmware DIR   write the driver's firmware files to DIR/amdgpu\n"
"  --break LIST           fault injection for testing the tests: parts that\n"
"                         do nothing (copy, fill, flush; separated by commas)\n"
"  --help\n"
"\n"
"Exit status: 0 clean; 1 could not run; 2 usage; 3 the model met an error of\n"
"its own; 4 the driver let the device use stale translations (with --strict),\n"
"or DMA addresses that the guest's IOMMU does not map.\n",
	       DEFAULT_VRAM_MIB);
}

static int write_file(const char *path, const void *buf, size_t len)
{
	FILE *f = fopen(path, "wb");
	bool ok;

	if (!f)
		goto err;
	ok = fwrite(buf, 1, len, f) == len;
	if (fclose(f) || !ok)
		goto err;
	return OK;
err:
	fprintf(stderr, "vgpu: %s: %s\n", path, strerror(errno));
	return FAILED;
}

static int write_rom(const char *path)
{
	uint8_t rom[VGPU_VBIOS_SIZE];

	vgpu_vbios_build(rom);
	return write_file(path, rom, sizeof(rom));
}

static int write_firmware(const char *dir)
{
	char path[4096];
	const char *name;
	unsigned int i;
	size_t len;
	void *buf;
	int r;

	/* What is wrong with these two, writing the first file tells. */
	mkdir(dir, 0777);
	snprintf(path, sizeof(path), "%s/amdgpu", dir);
	mkdir(path, 0777);
	for (i = 0; (name = vgpu_firmware_build(i, &buf, &len)); i++) {
		snprintf(path, sizeof(path), "%s/amdgpu/%s", dir, name);
		r = buf ? write_file(path, buf, len) : FAILED;
		free(buf);
		if (r)
			return r;
	}
	return OK;
}

static int parse_breaks(char *list, uint32_t *mask)
{
	char *word, *save = NULL;
	size_t i;

	for (word = strtok_r(list, ",", &save); word;
	     word = strtok_r(NULL, ",", &save)) {
		for (i = 0; i < sizeof(breaks) / sizeof(breaks[0]); i++)
			if (!strcmp(word, breaks[i].name))
				break;
		if (i == sizeof(breaks) / sizeof(breaks[0])) {
			fprintf(stderr, "vgpu: --break: %s is unknown\n", word);
			return -EINVAL;
		}
		*mask |= breaks[i].what;
	}
	return 0;
}

/* ---- summary ---- */

static void print_counter(void *arg, enum vgpu_log_level level,
			  const char *what, uint64_t n)
{
	(void)arg;
	fprintf(stderr, "vgpu: %12" PRIu64 "  %-10s  %s\n", n,
		level == VGPU_LOG_INFO ? "" : level_names[level], what);
}

struct json {
	FILE *f;
	bool first;
};

static void json_counter(void *arg, enum vgpu_log_level level,
			 const char *what, uint64_t n)
{
	struct json *j = arg;

	fprintf(j->f, "%s\n  { \"level\": \"%s\", \"what\": \"",
		j->first ? "" : ",", level_names[level]);
	for (; *what; what++) {
		if (*what == '"' || *what == '\\')
			fputc('\\', j->f);
		fputc((unsigned char)*what < ' ' ? ' ' : *what, j->f);
	}
	fprintf(j->f, "\", \"count\": %" PRIu64 " }", n);
	j->first = false;
}

static int write_counters(struct vgpu *dev, const char *path)
{
	struct json j = { fopen(path, "w"), true };

	if (!j.f)
		goto err;
	fprintf(j.f, "[");
	vgpu_counters(dev, json_counter, &j);
	fprintf(j.f, "\n]\n");
	if (!fclose(j.f))
		return OK;
err:
	fprintf(stderr, "vgpu: %s: %s\n", path, strerror(errno));
	return FAILED;
}

static int summarize(struct vgpu *dev, const char *counters)
{
	struct vgpu_mem_stats mem;
	int r = OK;

	vgpu_mem_stats(dev, &mem);
	vgpu_stat(dev, "gmc: TLB hits", mem.hits);
	vgpu_stat(dev, "gmc: TLB fills", mem.fills);
	vgpu_stat(dev, "gmc: TLB flushes", mem.flushes);
	vgpu_stat(dev, "gmc: stale translations used", mem.stale);
	vgpu_stat(dev, "gmc: fragments that disagree", mem.fragment);
	vgpu_stat(dev, "gmc: DMA to unmapped addresses", mem.dma_unmapped);
	vgpu_stat(dev, "gmc: faults reported", mem.faults);
	vgpu_counters(dev, print_counter, NULL);
	if (counters)
		r = write_counters(dev, counters);
	if (vgpu_counted(dev, VGPU_LOG_ERROR))
		return MODEL_ERROR;
	if (mem.stale || mem.fragment || mem.dma_unmapped)
		return STALE;
	return r;
}

static int serve(const char *path, uint64_t vram_size, struct vgpu_config *cfg,
		 const char *counters, const char *control_path)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct control *control = NULL;
	struct vgpu *dev;
	int r, err;

	/* First: the client may use both as soon as it sees the other one. */
	if (control_path) {
		control = control_create(control_path, &err);
		if (!control) {
			fprintf(stderr, "vgpu: %s: %s\n", control_path, strerror(-err));
			return FAILED;
		}
	}
	transport = transport_create(path, vram_size, log_line);
	if (!transport) {
		control_destroy(control);
		return FAILED;
	}
	cfg->vram_size = vram_size;
	cfg->vram = transport_vram(transport);
	cfg->host = transport_ops();
	cfg->host_opaque = transport;
	cfg->trace = trace;
	r = FAILED;
	dev = vgpu_create(cfg, blocks, &err);
	if (!dev) {
		fprintf(stderr, "vgpu: device: %s\n", strerror(-err));
		control_destroy(control);
		goto out;
	}
	signal(SIGPIPE, SIG_IGN);
	err = control ? control_start(control, dev) : 0;
	if (err)
		fprintf(stderr, "vgpu: control: %s\n", strerror(-err));
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	err = transport_run(transport, dev);
	if (err)
		fprintf(stderr, "vgpu: %s: %s\n", path, strerror(-err));
	control_destroy(control);
	/* Silence the engines before anything is summed up. */
	vgpu_reset(dev);
	r = summarize(dev, counters);
	if (err)
		r = FAILED;
	vgpu_destroy(dev);
out:
	transport_destroy(transport);
	unlink(path);
	return r;
}

int main(int argc, char **argv)
{
	enum { SOCKET = 1, VRAM, STRICT, CONTROL, COUNTERS, TRACE, ROM, FIRMWARE, BREAK, HELP };
	static const struct option options[] = {
		{ "socket", required_argument, NULL, SOCKET },
		{ "vram", required_argument, NULL, VRAM },
		{ "strict", no_argument, NULL, STRICT },
		{ "control", required_argument, NULL, CONTROL },
		{ "counters", required_argument, NULL, COUNTERS },
		{ "trace", no_argument, NULL, TRACE },
		{ "write-rom", required_argument, NULL, ROM },
		{ "write-firmware", required_argument, NULL, FIRMWARE },
		{ "break", required_argument, NULL, BREAK },
		{ "help", no_argument, NULL, HELP },
		{ 0 },
	};
	const char *socket = NULL, *rom = NULL, *firmware = NULL, *counters = NULL;
	const char *control = NULL;
	uint64_t vram = DEFAULT_VRAM_MIB;
	struct vgpu_config cfg = { 0 };
	int c, r = OK;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case SOCKET:
			socket = optarg;
			break;
		case VRAM:
			vram = strtoull(optarg, NULL, 0);
			break;
		case STRICT:
			cfg.strict_tlb = true;
			break;
		case CONTROL:
			control = optarg;
			break;
		case COUNTERS:
			counters = optarg;
			break;
		case TRACE:
			trace = true;
			break;
		case ROM:
			rom = optarg;
			break;
		case FIRMWARE:
			firmware = optarg;
			break;
		case BREAK:
			if (parse_breaks(optarg, &cfg.broken))
				return USAGE;
			break;
		case HELP:
			help();
			return OK;
		default:
			return USAGE;
		}
	}
	if (optind != argc || (!socket && !rom && !firmware)) {
		fprintf(stderr, "vgpu: see vgpu --help\n");
		return USAGE;
	}
	if (vram < 64 || vram > 65536 || (vram & (vram - 1))) {
		fprintf(stderr, "vgpu: --vram: a power of two from 64 to 65536\n");
		return USAGE;
	}
	if (rom)
		r = write_rom(rom);
	if (!r && firmware)
		r = write_firmware(firmware);
	if (!r && socket)
		r = serve(socket, vram << 20, &cfg, counters, control);
	return r;
}
