// SPDX-License-Identifier: MIT
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "out.h"

/* Changes when a reader of the file would have to. */
#define FORMAT	1

static void *grow(void *p, unsigned int n, size_t size)
{
	/* At powers of two */
	if (n & (n - 1))
		return p;
	p = reallocarray(p, n ? 2ul * n : 1, size);
	if (!p)
		report_fail("out of memory");
	return p;
}

int bench_add_row(struct bench_result *r, unsigned int c, unsigned int pass,
		  const struct round *round)
{
	struct bench_row *rows = grow(r->rows, r->n_rows, sizeof(*rows));

	if (!rows)
		return -1;
	r->rows = rows;
	rows += r->n_rows++;
	rows->c = c;
	rows->pass = pass;
	rows->round = *round;
	return 0;
}

int bench_not_run(struct bench_result *r, unsigned int c, uint32_t n, const char *fmt, ...)
{
	struct bench_hole *holes = grow(r->holes, r->n_holes, sizeof(*holes));
	va_list ap;

	if (!holes)
		return 1;
	r->holes = holes;
	holes += r->n_holes++;
	holes->c = c;
	holes->n = n;
	va_start(ap, fmt);
	vsnprintf(holes->why, sizeof(holes->why), fmt, ap);
	va_end(ap);
	fprintf(stderr, "bench: %s, %u ranges: not run: %s\n", bench_cases[c].name, n,
		holes->why);
	return 1;
}

void bench_free(struct bench_result *r)
{
	free(r->rows);
	free(r->holes);
	memset(r, 0, sizeof(*r));
}

static void string(FILE *f, const char *s)
{
	fputc('"', f);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fprintf(f, "\\%c", *s);
		else if ((unsigned char)*s < ' ')
			fprintf(f, "\\u%04x", *s);
		else
			fputc(*s, f);
	}
	fputc('"', f);
}

static void member(FILE *f, const char *name, const char *value)
{
	fprintf(f, "  \"%s\": ", name);
	string(f, value);
	fputs(",\n", f);
}

static void write_head(FILE *f, const struct bench_result *r, const uint32_t *sizes,
		       unsigned int n_sizes, double seconds)
{
	struct utsname u;
	unsigned int i;

	fprintf(f, "{\n  \"format\": %u,\n", FORMAT);
	member(f, "gpu", r->gpu ? r->gpu : "without a name");
	if (!uname(&u))
		member(f, "kernel", u.release);
	fprintf(f, "  \"cpus\": %ld,\n  \"max_map_count\": %lu,\n  \"seconds\": %.1f,\n",
		sysconf(_SC_NPROCESSORS_ONLN), shape_limit(), seconds);

	fputs("  \"sizes\": [", f);
	for (i = 0; i < n_sizes; i++)
		fprintf(f, "%s%u", i ? ", " : "", sizes[i]);
	fputs("],\n  \"costs\": {", f);
	for (i = 0; i < COSTS; i++) {
		fprintf(f, "%s\n    \"%s\": ", i ? "," : "", cost_name(i));
		string(f, cost_text(i));
	}
	fputs("\n  },\n  \"cases\": {", f);
	for (i = 0; i < bench_n_cases; i++) {
		fprintf(f, "%s\n    \"%s\": ", i ? "," : "", bench_cases[i].name);
		string(f, bench_cases[i].text);
	}
	fputs("\n  },\n", f);
}

static void write_rows(FILE *f, const struct bench_result *r)
{
	const struct bench_row *row;
	const char *comma;
	unsigned int i, k;

	fputs("  \"rows\": [", f);
	for (i = 0; i < r->n_rows; i++) {
		row = &r->rows[i];
		fprintf(f, "%s\n    {\"case\": \"%s\", \"ranges\": %u, \"pass\": %u, \"present\": %zu, \"us\": {",
			i ? "," : "", bench_cases[row->c].name, row->round.n, row->pass,
			row->round.present);
		for (k = 0, comma = ""; k < COSTS; k++) {
			if (isnan(row->round.us[k]))
				continue;
			fprintf(f, "%s\"%s\": %.3f", comma, cost_name(k), row->round.us[k]);
			comma = ", ";
		}
		fputs("}}", f);
	}
	fputs("\n  ],\n  \"not_run\": [", f);
	for (i = 0; i < r->n_holes; i++) {
		fprintf(f, "%s\n    {\"case\": \"%s\", \"ranges\": %u, \"why\": ", i ? "," : "",
			bench_cases[r->holes[i].c].name, r->holes[i].n);
		string(f, r->holes[i].why);
		fputc('}', f);
	}
	fputs("\n  ]\n}\n", f);
}

int bench_write(const struct bench_result *r, const char *path, const uint32_t *sizes,
		unsigned int n_sizes, double seconds)
{
	char tmp[4096];
	FILE *f;
	int bad;

	if (snprintf(tmp, sizeof(tmp), "%s.tmp", path) >= (int)sizeof(tmp))
		return report_fail("%s: %s", path, strerror(ENAMETOOLONG));
	f = fopen(tmp, "w");
	if (!f)
		return report_fail("%s: %s", tmp, strerror(errno));
	write_head(f, r, sizes, n_sizes, seconds);
	write_rows(f, r);
	bad = ferror(f);
	if (fclose(f) || bad || rename(tmp, path)) {
		unlink(tmp);
		return report_fail("%s: %s", path, strerror(errno));
	}
	return 0;
}
