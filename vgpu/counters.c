/* SPDX-License-Identifier: MIT */
/* Named counters, see counters.h. Open addressing, never shrinks. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "counters.h"

#define SLOTS	8192
#define LEVELS	(VGPU_LOG_TRACE + 1)
/* Names of a level: a guest can make new ones at will, but leaves room for other levels. */
#define MAX	1024

struct counter {
	char name[COUNTER_NAME];
	enum vgpu_log_level level;
	uint64_t n;
};

struct counters {
	pthread_mutex_t lock;
	struct counter *slot[SLOTS];
	unsigned int used[LEVELS];
};

struct counters *counters_create(void)
{
	struct counters *c = calloc(1, sizeof(*c));

	if (c)
		pthread_mutex_init(&c->lock, NULL);
	return c;
}

void counters_destroy(struct counters *c)
{
	unsigned int i;

	if (!c)
		return;
	for (i = 0; i < SLOTS; i++)
		free(c->slot[i]);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static struct counter **find(struct counters *c, const char *what)
{
	uint32_t hash = 2166136261u;
	const char *p;

	for (p = what; *p; p++)
		hash = (hash ^ (uint8_t)*p) * 16777619u;
	for (hash %= SLOTS; c->slot[hash]; hash = (hash + 1) % SLOTS)
		if (!strncmp(c->slot[hash]->name, what, COUNTER_NAME - 1))
			break;
	return &c->slot[hash];
}

uint64_t counters_add(struct counters *c, enum vgpu_log_level level,
		      const char *what, uint64_t n)
{
	static const char *const beyond[LEVELS] = {
		[VGPU_LOG_ERROR] = "core: errors beyond the table of counters",
		[VGPU_LOG_GUEST] = "core: the guest's mistakes beyond the table of counters",
		[VGPU_LOG_UNIMP] = "core: unmodelled things beyond the table of counters",
		[VGPU_LOG_INFO] = "core: statistics beyond the table of counters",
		[VGPU_LOG_TRACE] = "core: traces beyond the table of counters",
	};
	struct counter **p;
	uint64_t value = 0;

	pthread_mutex_lock(&c->lock);
	p = find(c, what);
	if (!*p && c->used[level] >= MAX - 1) {
		what = beyond[level];
		p = find(c, what);
	}
	if (!*p) {
		*p = calloc(1, sizeof(**p));
		if (!*p)
			goto out;
		snprintf((*p)->name, sizeof((*p)->name), "%s", what);
		(*p)->level = level;
		c->used[level]++;
	}
	(*p)->n += n;
	value = (*p)->n;
out:
	pthread_mutex_unlock(&c->lock);
	return value;
}

uint64_t counters_get(struct counters *c, const char *what)
{
	struct counter *p;
	uint64_t n;

	pthread_mutex_lock(&c->lock);
	p = *find(c, what);
	n = p ? p->n : 0;
	pthread_mutex_unlock(&c->lock);
	return n;
}

uint64_t counters_sum(struct counters *c, enum vgpu_log_level level)
{
	uint64_t sum = 0;
	unsigned int i;

	pthread_mutex_lock(&c->lock);
	for (i = 0; i < SLOTS; i++)
		if (c->slot[i] && c->slot[i]->level == level)
			sum += c->slot[i]->n;
	pthread_mutex_unlock(&c->lock);
	return sum;
}

static int by_level_and_name(const void *a, const void *b)
{
	const struct counter *x = a, *y = b;

	if (x->level != y->level)
		return x->level < y->level ? -1 : 1;
	return strcmp(x->name, y->name);
}

void counters_visit(struct counters *c, vgpu_counter_fn fn, void *arg)
{
	struct counter *copy;
	unsigned int i, n = 0;

	pthread_mutex_lock(&c->lock);
	copy = calloc((size_t)LEVELS * MAX, sizeof(*copy));
	for (i = 0; copy && i < SLOTS; i++)
		if (c->slot[i])
			copy[n++] = *c->slot[i];
	pthread_mutex_unlock(&c->lock);
	if (!copy)
		return;
	qsort(copy, n, sizeof(*copy), by_level_and_name);
	for (i = 0; i < n; i++)
		fn(arg, copy[i].level, copy[i].name, copy[i].n);
	free(copy);
}
