// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "job.h"

#define MAX_NAMES	24
#define MAX_BATCHES	2

/**
 * struct counters - what the kernel tells about the batches of this process
 * @name: of each counter
 * @v: value of each counter, for each batch
 * @n: number of counters
 * @batches: number of batches, the oldest first
 */
struct counters {
	char name[MAX_NAMES][24];
	char v[MAX_NAMES][MAX_BATCHES][24];
	unsigned int n;
	unsigned int batches;
};

/* A line is "batch pid N flags N name N name N ...". */
static void parse(struct counters *c, char *line)
{
	char *name, *value, *save;
	unsigned int n = 0;

	name = strtok_r(line, " \n", &save);
	if (!name || strcmp(name, "batch") || c->batches == MAX_BATCHES)
		return;
	while ((name = strtok_r(NULL, " \n", &save)) && n < MAX_NAMES) {
		value = strtok_r(NULL, " \n", &save);
		if (!value)
			break;
		if (!strcmp(name, "pid") && atoi(value) != getpid())
			return;
		if (!strcmp(name, "pid") || !strcmp(name, "flags"))
			continue;
		snprintf(c->name[n], sizeof(c->name[n]), "%s", name);
		snprintf(c->v[n][c->batches], sizeof(c->v[n][0]), "%s", value);
		n++;
	}
	c->n = n;
	c->batches++;
}

static int read_counters(struct job *j, struct counters *c, char *path, size_t len)
{
	struct stat st;
	char line[512];
	FILE *f;

	memset(c, 0, sizeof(*c));
	path[0] = 0;
	if (fstat(j->gpu.fd, &st))
		return -1;
	snprintf(path, len, "/sys/kernel/debug/dri/%u/amdgpu_userptr_batch",
		 minor(st.st_rdev));
	f = fopen(path, "r");
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		parse(c, line);
	fclose(f);
	return 0;
}

int job_counter(struct job *j, const char *name, uint64_t *v)
{
	static struct counters c;
	char path[96];
	unsigned int i;

	if (read_counters(j, &c, path, sizeof(path)) || !c.batches)
		return -1;
	for (i = 0; i < c.n; i++)
		if (!strcmp(c.name[i], name)) {
			*v = strtoull(c.v[i][0], NULL, 10);
			return 0;
		}
	return -1;
}

void job_counters(struct job *j)
{
	static struct counters c;
	unsigned int i, b;
	char path[96];

	if (read_counters(j, &c, path, sizeof(path))) {
		printf("\nkernel's counters: %s cannot be read\n", path);
		return;
	}
	printf("\n%-28s %10s %16s\n", "kernel's counters", "batch", "read-only batch");
	for (i = 0; i < c.n; i++) {
		printf("%-28s", c.name[i]);
		for (b = 0; b < c.batches; b++)
			printf(" %*s", b ? 16 : 10, c.v[i][b]);
		printf("\n");
	}
}
