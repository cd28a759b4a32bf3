/* SPDX-License-Identifier: MIT */
/* The vgpu program: life of the device, logs, summary. */
#include <errno.h>
#include <pthread.h>
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
#include "list.h"
#include "options.h"
#include "record.h"
#include "report.h"
#include "transport.h"

/* Exit status. */
enum {
	OK = 0,
	FAILED = 1,		/* could not start, or lost the client */
	USAGE = 2,
	MODEL_ERROR = 3,	/* the device model was wrong somewhere */
	STALE = 4,		/* the driver used stale translations or DMA addresses */
};

static struct transport *transport;
static FILE *trace;		/* NULL: none */

static int complain(const char *what, int err)
{
	fprintf(stderr, "vgpu: %s: %s\n", what, strerror(-err));
	return FAILED;
}

static void log_line(enum vgpu_log_level level, const char *line)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (level != VGPU_LOG_TRACE)
		fprintf(stderr, "vgpu: [%5lld.%06ld] %s: %s\n", (long long)now.tv_sec,
			now.tv_nsec / 1000, report_level(level), line);
	else if (trace)
		fprintf(trace, "[%5lld.%06ld] %s\n", (long long)now.tv_sec,
			now.tv_nsec / 1000, line);
}

static void on_signal(int sig)
{
	(void)sig;
	transport_stop(transport);
}

static int write_file(const char *path, const void *buf, size_t len)
{
	FILE *f = fopen(path, "wb");
	bool ok;

	if (!f)
		return complain(path, -errno);
	ok = fwrite(buf, 1, len, f) == len;
	if (fclose(f) || !ok)
		return complain(path, -errno);
	return OK;
}

static int write_rom(const char *path)
{
	uint8_t rom[VGPU_VBIOS_SIZE];

	vgpu_vbios_build(rom);
	return write_file(path, rom, sizeof(rom));
}

/* Firmware of one kind to @dir/amdgpu. */
static int write_firmware_set(const char *dir, bool rs64)
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
	for (i = 0; (name = vgpu_firmware_build(rs64, i, &buf, &len)); i++) {
		snprintf(path, sizeof(path), "%s/amdgpu/%s", dir, name);
		r = buf ? write_file(path, buf, len) : FAILED;
		free(buf);
		if (r)
			return r;
	}
	return OK;
}

static int write_firmware(const char *dir)
{
	char path[4096];
	int r;

	r = write_firmware_set(dir, false);
	if (r)
		return r;
	snprintf(path, sizeof(path), "%s/rs64", dir);
	return write_firmware_set(path, true);
}

/* ---- reports while it runs ---- */

/* A thread for SIGUSR1, which all others have blocked: a handler may not do this much. */
struct reporter {
	pthread_t thread;
	bool started;
	bool over;		/* atomic */
	struct vgpu *dev;
	const char *path;	/* JSON file; NULL: print */
};

static int report(struct vgpu *dev, const char *path)
{
	int err;

	if (trace)
		fflush(trace);
	if (!path) {
		report_print(dev, stderr);
		return OK;
	}
	err = report_json(dev, path);
	return err ? complain(path, err) : OK;
}

static void usr1(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGUSR1);
}

static void *reporter_thread(void *arg)
{
	struct reporter *r = arg;
	sigset_t set;
	int sig;

	usr1(&set);
	while (!sigwait(&set, &sig) && !__atomic_load_n(&r->over, __ATOMIC_ACQUIRE))
		report(r->dev, r->path);
	return NULL;
}

static void reporter_start(struct reporter *r, struct vgpu *dev, const char *path)
{
	*r = (struct reporter){ .dev = dev, .path = path };
	r->started = !pthread_create(&r->thread, NULL, reporter_thread, r);
}

static void reporter_stop(struct reporter *r)
{
	if (!r->started)
		return;
	__atomic_store_n(&r->over, true, __ATOMIC_RELEASE);
	pthread_kill(r->thread, SIGUSR1);
	pthread_join(r->thread, NULL);
}

/* ---- the device's life ---- */

static int summarize(struct vgpu *dev, const char *counters)
{
	struct vgpu_mem_stats mem;
	int r = OK;

	report_print(dev, stderr);
	if (counters)
		r = report(dev, counters);
	if (vgpu_counted(dev, VGPU_LOG_ERROR))
		return MODEL_ERROR;
	vgpu_mem_stats(dev, &mem);
	if (mem.stale || mem.fragment || mem.dma_unmapped)
		return STALE;
	return r;
}

/* What is to be open before a client comes; 0, or FAILED and what is wrong was said. */
static int open_trace(const struct options *o)
{
	if (!o->trace)
		return OK;
	trace = strcmp(o->trace, "-") ? fopen(o->trace, "w") : stdout;
	return trace ? OK : complain(o->trace, -errno);
}

static int close_record(struct record *record, const struct options *o)
{
	char path[4096];
	int err;

	if (!record)
		return OK;
	err = record_write(record, o->record, path, sizeof(path));
	record_destroy(record);
	return err ? complain(path, err) : OK;
}

static int run(const struct options *o, struct control *control, struct record *record)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct vgpu_config cfg = {
		.vram_size = o->vram_mib << 20,
		.sdma_engines = o->sdma,
		.vram = transport_vram(transport),
		.host = transport_ops(),
		.host_opaque = transport,
		.strict_tlb = o->strict,
		.trace = o->trace_mask,
		.broken = o->broken,
		.record = record ? record_add : NULL,
		.record_opaque = record,
	};
	struct reporter reporter;
	struct vgpu *dev;
	int r, err;

	dev = vgpu_create(&cfg, vgpu_all_blocks, &err);
	if (!dev) {
		control_destroy(control);
		return complain("device", err);
	}
	err = control ? control_start(control, dev) : 0;
	if (err)
		complain("control", err);
	reporter_start(&reporter, dev, o->counters);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	err = transport_run(transport, dev);
	if (err)
		complain(o->socket, err);
	control_destroy(control);
	reporter_stop(&reporter);
	/* Silence the engines before anything is summed up. */
	vgpu_reset(dev);
	r = summarize(dev, o->counters);
	vgpu_destroy(dev);
	return err ? FAILED : r;
}

static int serve(const struct options *o)
{
	struct control *control = NULL;
	struct record *record = NULL;
	sigset_t set;
	int r, err;

	/* Before any thread is there. */
	usr1(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	r = open_trace(o);
	if (r)
		return r;
	if (o->record) {
		record = record_create();
		if (!record)
			return complain(o->record, -ENOMEM);
	}
	/* First: the client may use both as soon as it sees the other one. */
	if (o->control) {
		control = control_create(o->control, &err);
		if (!control) {
			record_destroy(record);
			return complain(o->control, err);
		}
	}
	transport = transport_create(o->socket, o->vram_mib << 20, log_line);
	if (transport) {
		r = run(o, control, record);
		transport_destroy(transport);
		unlink(o->socket);
	} else {
		control_destroy(control);
		r = FAILED;
	}
	err = close_record(record, o);
	if (trace && fclose(trace))
		err = complain(o->trace, -errno);
	return r ? r : err;
}

int main(int argc, char **argv)
{
	struct options o;
	char err[256];
	int r = OK;

	if (options_parse(argc, argv, &o, err, sizeof(err))) {
		fprintf(stderr, "vgpu: %s (vgpu --help)\n", err);
		return USAGE;
	}
	if (o.help) {
		options_help(stdout);
		return OK;
	}
	if (o.list) {
		r = list_print(stdout, o.list_what);
		return r ? complain("list", r) : OK;
	}
	if (o.rom)
		r = write_rom(o.rom);
	if (!r && o.firmware)
		r = write_firmware(o.firmware);
	if (!r && o.socket)
		r = serve(&o);
	return r;
}
