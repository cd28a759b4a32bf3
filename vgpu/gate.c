/* SPDX-License-Identifier: MIT */
/* Gates in front of the engines' packets, see gate.h. */
#include "gate.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deadline.h"

struct gate {
	struct gates *all;
	uint32_t bit;
	struct gate_state s;
};

/* Packets that gates_step() has promised to let through. */
struct step {
	struct step *next;
	uint32_t selection;
	uint64_t left;
};

struct gates {
	pthread_mutex_t lock;
	/* Any change that somebody may wait for; few do, and rarely. */
	pthread_cond_t changed;
	unsigned int watchers;
	bool closed;
	struct step *steps;
	unsigned int n;
	struct gate gate[GATES_MAX];
};

/* Engines of this device: they can be held before they have a queue. */
static const char *const engines[] = {
	"gfx.kernel", "gfx.user", "comp.kernel", "comp.user",
	"sdma0.kernel", "sdma0.user", "sdma1.kernel", "sdma1.user",
	"kiq", "mes",
};

static struct gate *add(struct gates *g, const char *name)
{
	struct gate *gate = &g->gate[g->n];

	if (g->n == GATES_MAX)
		return NULL;
	gate->all = g;
	gate->bit = 1u << g->n++;
	snprintf(gate->s.name, sizeof(gate->s.name), "%s", name);
	return gate;
}

struct gates *gates_create(void)
{
	struct gates *g = calloc(1, sizeof(*g));
	pthread_condattr_t attr;
	size_t i;

	if (!g)
		return NULL;
	pthread_mutex_init(&g->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&g->changed, &attr);
	pthread_condattr_destroy(&attr);
	for (i = 0; i < sizeof(engines) / sizeof(engines[0]); i++)
		add(g, engines[i]);
	return g;
}

void gates_destroy(struct gates *g)
{
	if (!g)
		return;
	pthread_cond_destroy(&g->changed);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

static void changed(struct gates *g)
{
	if (g->watchers)
		pthread_cond_broadcast(&g->changed);
}

/* ---- queues ---- */

static struct gate *find(struct gates *g, const char *name)
{
	unsigned int i;

	for (i = 0; i < g->n; i++)
		if (!strcmp(g->gate[i].s.name, name))
			return &g->gate[i];
	return NULL;
}

struct gate *gate_of(struct gates *g, const char *queue, bool user)
{
	int word = strcspn(queue, ". ");
	char name[GATE_NAME];
	struct gate *gate;

	snprintf(name, sizeof(name), "%.*s.%s", word < 16 ? word : 16, queue,
		 user ? "user" : "kernel");
	pthread_mutex_lock(&g->lock);
	gate = find(g, name);
	if (!gate) {
		/* Firmware's own, which has no users. */
		*strchr(name, '.') = '\0';
		gate = find(g, name);
	}
	if (!gate)
		gate = add(g, name);
	pthread_mutex_unlock(&g->lock);
	return gate;
}

static bool take_step(struct gate *gate)
{
	struct step *s;

	for (s = gate->all->steps; s; s = s->next) {
		if (s->left && s->selection & gate->bit) {
			s->left--;
			return true;
		}
	}
	return false;
}

bool gate_enter(struct gate *gate, bool again, bool (*stopping)(void *arg), void *arg)
{
	struct gates *g = gate->all;
	bool go = true;

	pthread_mutex_lock(&g->lock);
	if (again) {
		gate->s.running--;
		changed(g);
	}
	while (gate->s.held && !take_step(gate)) {
		if (stopping(arg)) {
			go = false;
			break;
		}
		gate->s.waiting++;
		changed(g);
		g->watchers++;
		pthread_cond_wait(&g->changed, &g->lock);
		g->watchers--;
		gate->s.waiting--;
	}
	/* The packet around this one is not over because this one is refused. */
	if (go || again)
		gate->s.running++;
	if (go)
		gate->s.packets++;
	pthread_mutex_unlock(&g->lock);
	return go;
}

void gate_leave(struct gate *gate, bool executed)
{
	struct gates *g = gate->all;

	pthread_mutex_lock(&g->lock);
	gate->s.running--;
	if (!executed)
		gate->s.packets--;
	changed(g);
	pthread_mutex_unlock(&g->lock);
}

void gate_wake(struct gate *gate)
{
	struct gates *g = gate->all;

	pthread_mutex_lock(&g->lock);
	changed(g);
	pthread_mutex_unlock(&g->lock);
}

/* ---- control ---- */

static bool matches(const char *gate, const char *name)
{
	while (*name && *name == *gate) {
		name++;
		gate++;
	}
	/* Engines of a kind differ in their numbers. */
	if (!*name || *name == '.')
		while (isdigit((unsigned char)*gate))
			gate++;
	return *name ? !strcmp(gate, name) : !*gate || *gate == '.';
}

uint32_t gates_select(struct gates *g, const char *name)
{
	uint32_t selection = 0;
	unsigned int i;

	pthread_mutex_lock(&g->lock);
	for (i = 0; i < g->n; i++)
		if (!strcmp(name, "all") || matches(g->gate[i].s.name, name))
			selection |= g->gate[i].bit;
	pthread_mutex_unlock(&g->lock);
	return selection;
}

static void set_held(struct gates *g, uint32_t selection, bool held)
{
	unsigned int i;

	pthread_mutex_lock(&g->lock);
	for (i = 0; i < g->n; i++)
		if (selection & g->gate[i].bit)
			g->gate[i].s.held = held;
	changed(g);
	pthread_mutex_unlock(&g->lock);
}

void gates_hold(struct gates *g, uint32_t selection)
{
	set_held(g, selection, true);
}

void gates_release(struct gates *g, uint32_t selection)
{
	set_held(g, selection, false);
}

/* The sums over a selection; .held: all are. */
static struct gate_state sum(struct gates *g, uint32_t selection)
{
	struct gate_state r = { .held = true };
	unsigned int i;

	for (i = 0; i < g->n; i++) {
		const struct gate_state *s = &g->gate[i].s;

		if (!(selection & g->gate[i].bit))
			continue;
		r.held &= s->held;
		r.waiting += s->waiting;
		r.running += s->running;
		r.packets += s->packets;
	}
	return r;
}

/*
 * Wait, with the lock held, until nothing runs behind @selection, and @step is
 * used up or, without one, a packet waits.
 */
static int settle(struct gates *g, uint32_t selection, const struct step *step,
		  unsigned int timeout_us)
{
	struct timespec until = deadline_us(timeout_us);
	int r = 0;

	g->watchers++;
	for (;;) {
		struct gate_state s = sum(g, selection);

		if (!s.held) {
			r = -EINVAL;
			break;
		}
		if (!s.running && (step ? !step->left : s.waiting)) {
			r = 0;
			break;
		}
		if (g->closed)
			r = -ECANCELED;
		/* After a time-out this was the last look. */
		if (r)
			break;
		r = -pthread_cond_timedwait(&g->changed, &g->lock, &until);
	}
	g->watchers--;
	return r;
}

int gates_wait_held(struct gates *g, uint32_t selection, unsigned int timeout_us)
{
	int r;

	pthread_mutex_lock(&g->lock);
	r = settle(g, selection, NULL, timeout_us);
	pthread_mutex_unlock(&g->lock);
	return r;
}

int gates_step(struct gates *g, uint32_t selection, uint64_t n,
	       unsigned int timeout_us, uint64_t *left)
{
	struct step step = { .selection = selection, .left = n }, **p;
	int r;

	pthread_mutex_lock(&g->lock);
	for (p = &g->steps; *p; p = &(*p)->next)
		;
	*p = &step;
	pthread_cond_broadcast(&g->changed);
	r = settle(g, selection, &step, timeout_us);
	for (p = &g->steps; *p != &step; p = &(*p)->next)
		;
	*p = step.next;
	pthread_mutex_unlock(&g->lock);
	*left = step.left;
	return r;
}

uint64_t gates_count(struct gates *g, uint32_t selection)
{
	struct gate_state s;

	pthread_mutex_lock(&g->lock);
	s = sum(g, selection);
	pthread_mutex_unlock(&g->lock);
	return s.packets;
}

bool gates_state(struct gates *g, unsigned int i, struct gate_state *s)
{
	bool there;

	pthread_mutex_lock(&g->lock);
	there = i < g->n;
	if (there)
		*s = g->gate[i].s;
	pthread_mutex_unlock(&g->lock);
	return there;
}

void gates_close(struct gates *g)
{
	pthread_mutex_lock(&g->lock);
	g->closed = true;
	changed(g);
	pthread_mutex_unlock(&g->lock);
}
