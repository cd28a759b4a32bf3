/* SPDX-License-Identifier: MIT */
/* The control channel, see control.h: its commands. */
#include "control.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate.h"
#include "report.h"

#define MAX_WORDS	4
#define MAX_LINE	512
/* A wait without a limit of its own; and the longest one. */
#define DEFAULT_SECONDS	60
#define MAX_SECONDS	3600
#define MAX_STEP	1000000

struct request {
	struct vgpu *dev;
	struct gates *gates;
	control_say say;
	void *arg;
	const char *tag;	/* "" or "#... " */
	unsigned int n;		/* words, with the command */
	char *word[MAX_WORDS];
	uint32_t selection;	/* word 1, for commands about engines */
};

static void __attribute__((format(printf, 2, 3)))
answer(struct request *r, const char *fmt, ...)
{
	char line[MAX_LINE];
	va_list ap;
	int n;

	n = snprintf(line, sizeof(line), "%s", r->tag);
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - n, fmt, ap);
	va_end(ap);
	r->say(r->arg, line);
}

/* A number from 1 to @max in word @i; false: it is none, and that was said. */
static bool number(struct request *r, unsigned int i, uint64_t max, uint64_t *v)
{
	char *end;

	errno = 0;
	*v = strtoull(r->word[i], &end, 10);
	if (!errno && !*end && r->word[i][0] != '-' && *v && *v <= max)
		return true;
	answer(r, "error: %s: a number from 1 to %" PRIu64, r->word[i], max);
	return false;
}

/* The limit of a wait in word @i, if there is one, in microseconds. */
static bool limit(struct request *r, unsigned int i, unsigned int *us)
{
	uint64_t seconds = DEFAULT_SECONDS;

	if (r->n > i && !number(r, i, MAX_SECONDS, &seconds))
		return false;
	*us = seconds * 1000000;
	return true;
}

/* What the gates of the selection look like, for a message. */
static void describe(struct request *r, char *buf, size_t len)
{
	struct gate_state s;
	unsigned int i;
	size_t n = 0;

	buf[0] = '\0';
	for (i = 0; gates_state(r->gates, i, &s); i++) {
		if (!(r->selection & 1u << i) || n >= len)
			continue;
		n += snprintf(buf + n, len - n, "%s%s: %u waiting, %u running",
			      n ? "; " : "", s.name, s.waiting, s.running);
	}
}

static void result(struct request *r, int err, const char *what)
{
	char state[256];

	describe(r, state, sizeof(state));
	switch (err) {
	case 0:
		answer(r, "ok");
		return;
	case -EINVAL:
		answer(r, "error: %s is not held", r->word[1]);
		return;
	case -ETIMEDOUT:
		answer(r, "error: %s within the time (%s)", what, state);
		return;
	default:
		answer(r, "error: the virtual GPU ends");
	}
}

static void do_hold(struct request *r)
{
	gates_hold(r->gates, r->selection);
	answer(r, "ok");
}

static void do_release(struct request *r)
{
	gates_release(r->gates, r->selection);
	answer(r, "ok");
}

static void do_wait_held(struct request *r)
{
	unsigned int us;

	if (limit(r, 2, &us))
		result(r, gates_wait_held(r->gates, r->selection, us),
		       "no packet waits there");
}

static void do_step(struct request *r)
{
	uint64_t n, left;
	unsigned int us;
	char what[64];
	int err;

	if (!number(r, 2, MAX_STEP, &n) || !limit(r, 3, &us))
		return;
	err = gates_step(r->gates, r->selection, n, us, &left);
	snprintf(what, sizeof(what), "%" PRIu64 " of %" PRIu64 " packets did not begin",
		 left, n);
	result(r, err, left ? what : "a packet did not end");
}

static void do_count(struct request *r)
{
	answer(r, "ok %" PRIu64, gates_count(r->gates, r->selection));
}

static void do_engines(struct request *r)
{
	struct gate_state s;
	unsigned int i;

	for (i = 0; gates_state(r->gates, i, &s); i++)
		answer(r, "%s %s waiting %u running %u packets %" PRIu64, s.name,
		       s.held ? "held" : "free", s.waiting, s.running, s.packets);
	answer(r, "ok");
}

static void say_counter(void *arg, enum vgpu_log_level level, const char *what,
			uint64_t n)
{
	answer(arg, "%" PRIu64 " %s %s", n, report_level(level), what);
}

static void do_counters(struct request *r)
{
	report_visit(r->dev, say_counter, r);
	say_counter(r, VGPU_LOG_INFO, "core: doorbells bound now",
		    vgpu_doorbells_bound(r->dev));
	say_counter(r, VGPU_LOG_INFO, "core: DMA ranges mapped now",
		    vgpu_dma_ranges(r->dev));
	answer(r, "ok");
}

static const struct command {
	const char *name;
	const char *args;	/* for the message */
	unsigned int min, max;	/* words behind the command */
	bool engine;		/* the first of them names one */
	void (*run)(struct request *r);
} commands[] = {
	{ "hold", "ENGINE", 1, 1, true, do_hold },
	{ "release", "ENGINE", 1, 1, true, do_release },
	{ "wait-held", "ENGINE [SECONDS]", 1, 2, true, do_wait_held },
	{ "step", "ENGINE PACKETS [SECONDS]", 2, 3, true, do_step },
	{ "count", "ENGINE", 1, 1, true, do_count },
	{ "engines", "", 0, 0, false, do_engines },
	{ "counters", "", 0, 0, false, do_counters },
};

static void unknown_engine(struct request *r)
{
	struct gate_state s;
	char names[256];
	unsigned int i;
	size_t n = 0;

	for (i = 0; gates_state(r->gates, i, &s) && n < sizeof(names); i++)
		n += snprintf(names + n, sizeof(names) - n, " %s", s.name);
	answer(r, "error: no engine %s; there are%s", r->word[1], names);
}

static void execute(struct request *r)
{
	const struct command *c = NULL;
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(r->word[0], commands[i].name))
			c = &commands[i];
	if (!c) {
		answer(r, "error: unknown command %s", r->word[0]);
		return;
	}
	if (r->n - 1 < c->min || r->n - 1 > c->max) {
		answer(r, "error: usage: %s%s%s", c->name, *c->args ? " " : "", c->args);
		return;
	}
	if (c->engine) {
		r->selection = gates_select(r->gates, r->word[1]);
		if (!r->selection) {
			unknown_engine(r);
			return;
		}
	}
	c->run(r);
}

void control_request(struct vgpu *dev, const char *request, control_say say,
		     void *arg)
{
	struct request r = {
		.dev = dev, .gates = vgpu_gates(dev), .say = say, .arg = arg,
		.tag = "",
	};
	char line[MAX_LINE], tag[64], *word, *save = NULL;
	size_t i;

	snprintf(line, sizeof(line), "%s", request);
	/* What is no text does not come back in a message. */
	for (i = 0; line[i]; i++)
		if (line[i] < ' ' || line[i] > '~')
			line[i] = ' ';
	word = strtok_r(line, " ", &save);
	if (word && word[0] == '#') {
		snprintf(tag, sizeof(tag), "%.40s ", word);
		r.tag = tag;
		word = strtok_r(NULL, " ", &save);
	}
	for (; word && r.n < MAX_WORDS; word = strtok_r(NULL, " ", &save))
		r.word[r.n++] = word;
	if (word)
		answer(&r, "error: too many words");
	else if (r.n)
		execute(&r);
	else if (*r.tag)
		answer(&r, "error: no command");
}
