/* SPDX-License-Identifier: MIT */
/* What the device counted, see report.h. */
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

const char *report_level(enum vgpu_log_level level)
{
	static const char *const names[] = {
		[VGPU_LOG_ERROR] = "error",
		[VGPU_LOG_GUEST] = "guest",
		[VGPU_LOG_UNIMP] = "unmodelled",
		[VGPU_LOG_INFO] = "info",
		[VGPU_LOG_TRACE] = "trace",
	};

	return names[level];
}

void report_visit(struct vgpu *dev, vgpu_counter_fn fn, void *arg)
{
	struct vgpu_mem_stats m;

	vgpu_counters(dev, fn, arg);
	vgpu_mem_stats(dev, &m);
	fn(arg, VGPU_LOG_INFO, "gmc: TLB hits", m.hits);
	fn(arg, VGPU_LOG_INFO, "gmc: TLB fills", m.fills);
	fn(arg, VGPU_LOG_INFO, "gmc: TLB flushes", m.flushes);
	fn(arg, VGPU_LOG_INFO, "gmc: stale translations used", m.stale);
	fn(arg, VGPU_LOG_INFO, "gmc: fragments that disagree", m.fragment);
	fn(arg, VGPU_LOG_INFO, "gmc: DMA to unmapped addresses", m.dma_unmapped);
	fn(arg, VGPU_LOG_INFO, "gmc: faults reported", m.faults);
}

static void print_counter(void *arg, enum vgpu_log_level level, const char *what,
			  uint64_t n)
{
	fprintf(arg, "vgpu: %12" PRIu64 "  %-10s  %s\n", n,
		level == VGPU_LOG_INFO ? "" : report_level(level), what);
}

void report_print(struct vgpu *dev, FILE *f)
{
	report_visit(dev, print_counter, f);
}

struct json {
	FILE *f;
	bool more;
};

static void json_counter(void *arg, enum vgpu_log_level level, const char *what,
			 uint64_t n)
{
	struct json *j = arg;

	fprintf(j->f, "%s\n  { \"level\": \"%s\", \"what\": \"", j->more ? "," : "",
		report_level(level));
	for (; *what; what++) {
		if (*what == '"' || *what == '\\')
			fputc('\\', j->f);
		/* Our own texts are ASCII; whatever else there is must not break the file. */
		fputc(*what < ' ' || *what > '~' ? '?' : *what, j->f);
	}
	fprintf(j->f, "\", \"count\": %" PRIu64 " }", n);
	j->more = true;
}

int report_json(struct vgpu *dev, const char *path)
{
	struct json j = { 0 };
	char *tmp;
	int r;

	if (asprintf(&tmp, "%s.tmp.%d", path, (int)getpid()) < 0)
		return -ENOMEM;
	r = -EIO;
	j.f = fopen(tmp, "w");
	if (!j.f) {
		r = -errno;
		goto out;
	}
	fprintf(j.f, "[");
	report_visit(dev, json_counter, &j);
	fprintf(j.f, "\n]\n");
	if (ferror(j.f) | fclose(j.f))
		goto err;
	r = 0;
	if (!rename(tmp, path))
		goto out;
	r = -errno;
err:
	unlink(tmp);
out:
	free(tmp);
	return r;
}
