// SPDX-License-Identifier: MIT
/*
 * Measures what it costs to let the GPU see N ranges of CPU memory: in one batch userptr,
 * in N userptrs, in one userptr of contiguous memory, and in the other ways that were
 * proposed. Writes one row of times for each round; report.py makes tables of them.
 *
 * All cases take turns, so that a slow moment of the machine hits all alike, and ratios
 * are made of rounds that were neighbours in time.
 */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/way.h"
#include "out.h"

#define EXIT_SKIP	77
#define EXIT_USAGE	2
#define MAX_SIZES	16
#define MAX_RANGES	(1u << 20)
/* Rounds that may fail before nothing is tried any more */
#define MAX_FAILURES	8
/* Size of the rounds that come first and are not counted */
#define WARM_UP		256

/*
 * Slow cases come last: their time at a small size tells whether a larger one is
 * worth trying.
 */
const struct bench_case bench_cases[] = {
	{ "batch", "one batch; every second page of one mapping", WAY_BATCH, SHAPE_GAPS },
	{ "singles", "a userptr for each of these ranges", WAY_SINGLES, SHAPE_GAPS },
	{ "contiguous", "one userptr; contiguous memory of the same size",
	  WAY_SPAN, SHAPE_TOUCHING },
	{ "span", "one userptr from the lowest to the highest range of the batch, with the gaps",
	  WAY_SPAN, SHAPE_GAPS },
	{ "batch-touching", "one batch; every page of one mapping", WAY_BATCH, SHAPE_TOUCHING },
	{ "batch-sparse", "one batch; every 16th page of one mapping", WAY_BATCH, SHAPE_SPARSE },
	{ "batch-vmas", "one batch; a mapping for each range", WAY_BATCH, SHAPE_VMAS },
	{ "batch-memfd", "one batch; every second page of a memfd", WAY_BATCH, SHAPE_MEMFD },
	{ "alias", "one userptr; the same pages of a memfd mapped once more, side by side",
	  WAY_ALIAS, SHAPE_MEMFD },
};

const unsigned int bench_n_cases = sizeof(bench_cases) / sizeof(bench_cases[0]);

#define CASES (sizeof(bench_cases) / sizeof(bench_cases[0]))

/**
 * struct options - the command line
 * @device: device file, NULL: the first one of amdgpu
 * @out: file to be written
 * @sizes: numbers of ranges, ascending
 * @n_sizes: how many
 * @seconds: how long all of it should take
 * @limit: how long a single round may take, seconds
 * @max_rounds: most rounds of a size
 */
struct options {
	const char *device;
	const char *out;
	uint32_t sizes[MAX_SIZES];
	unsigned int n_sizes;
	double seconds;
	double limit;
	unsigned int max_rounds;
};

/**
 * struct bench - a run
 * @o: options
 * @gpu: the GPU
 * @rng: random numbers
 * @result: what was measured
 * @start: now_us() at the start
 * @seconds: of a round of each case at each size, 0: not known, negative: not to be run
 * @warm: the same for the rounds at the start
 * @warm_n: their size
 * @max_ranges: what the kernel allows
 * @failures: rounds that failed
 * @passes: how many there will be, for people
 */
struct bench {
	struct options o;
	struct gpu gpu;
	struct rng rng;
	struct bench_result result;
	double start;
	double seconds[CASES][MAX_SIZES];
	double warm[CASES];
	uint32_t warm_n;
	uint32_t max_ranges;
	unsigned int failures;
	char passes[16];
};

static void usage(FILE *f)
{
	fprintf(f,
		"usage: bench [options] [RANGES,RANGES...]\n"
		"Measures batch userptr and its alternatives (default: 1,16,256,1024,4096,65536 ranges).\n"
		"  -o, --output FILE    where the times go, as JSON (bench-samples.json)\n"
		"  -t, --seconds S      about how long to measure (240)\n"
		"  -l, --limit S        leave out what takes longer than that in one round (120)\n"
		"  -r, --rounds N       at most so many rounds of each size (15)\n"
		"      --device PATH    device file (the first render node of amdgpu)\n"
		"  -h, --help           this text\n"
		"exit status: 0 measured, 1 something failed (the rest is in FILE), %d no GPU or kernel for it, %d wrong usage\n",
		EXIT_SKIP, EXIT_USAGE);
}

static int number(const char *s, double min, double max, double *v)
{
	char *end;

	*v = strtod(s, &end);
	return end != s && !*end && *v >= min && *v <= max ? 0 : -1;
}

static int parse_sizes(const char *s, struct options *o)
{
	unsigned long n, last = 0;
	char *end;

	for (o->n_sizes = 0; o->n_sizes < MAX_SIZES; s = end + 1) {
		n = strtoul(s, &end, 10);
		if (end == s || n <= last || n > MAX_RANGES)
			return -1;
		last = n;
		o->sizes[o->n_sizes++] = n;
		if (!*end)
			return 0;
		if (*end != ',')
			return -1;
	}
	return -1;
}

/* Returns -1 to go on, or the exit status. */
static int parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "seconds", required_argument, NULL, 't' },
		{ "limit", required_argument, NULL, 'l' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "device", required_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{}
	};
	double v = 0;
	int c, bad = 0;

	while ((c = getopt_long(argc, argv, "o:t:l:r:h", longs, NULL)) != -1) {
		switch (c) {
		case 'o':
			o->out = optarg;
			break;
		case 't':
			bad |= number(optarg, 0, 86400, &o->seconds);
			break;
		case 'l':
			bad |= number(optarg, 0, 86400, &o->limit);
			break;
		case 'r':
			bad |= number(optarg, 1, 1000, &v);
			o->max_rounds = v;
			break;
		case 'd':
			o->device = optarg;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			bad = 1;
		}
	}
	if (!bad && optind < argc)
		bad = parse_sizes(argv[optind++], o);
	if (bad || optind < argc) {
		usage(stderr);
		return EXIT_USAGE;
	}
	return -1;
}

static double elapsed(const struct bench *b)
{
	return (now_us() - b->start) / 1e6;
}

static void progress(const struct bench *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* A line, at most one in two seconds: it is for people who wait. */
static void progress(const struct bench *b, const char *fmt, ...)
{
	static double last;
	va_list ap;

	if (now_us() - last < 2e6)
		return;
	last = now_us();
	fprintf(stderr, "bench: %4.0f s: ", elapsed(b));
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

/* What a round must take at least, from what a smaller one took; 0: no idea */
static double expected(const struct bench *b, unsigned int c, unsigned int size,
		       double *from, uint32_t *from_n)
{
	int i;

	*from = b->warm[c];
	*from_n = b->warm_n;
	for (i = size; i >= 0; i--) {
		if (b->seconds[c][i] <= 0 || b->o.sizes[i] < *from_n)
			continue;
		*from = b->seconds[c][i];
		*from_n = b->o.sizes[i];
		break;
	}
	return *from * b->o.sizes[size] / *from_n;
}

/* Is there a reason not to try? Then it is noted. */
static int unwanted(struct bench *b, unsigned int c, unsigned int size)
{
	uint32_t n = b->o.sizes[size], from_n;
	double s, from;

	if (bench_cases[c].way == WAY_BATCH && n > b->max_ranges)
		return bench_not_run(&b->result, c, n, "the kernel allows %u ranges", b->max_ranges);
	s = expected(b, c, size, &from, &from_n);
	if (s > b->o.limit)
		return bench_not_run(&b->result, c, n,
				     "a round would take at least %.0f s (%u ranges took %.1f s), the limit is %.0f s",
				     s, from_n, from, b->o.limit);
	return 0;
}

/*
 * One round of one case; its time into @seconds, or -1 if there is no point in another.
 * Returns 0, or -1 to give up.
 */
static int one_round(struct bench *b, unsigned int c, uint32_t n, int pass, double *seconds)
{
	struct round r = {
		.way = bench_cases[c].way,
		.shape = bench_cases[c].shape,
		.n = n,
		.parts = ROUND_ALL_PARTS,
	};
	double t = now_us();
	int ret;

	ret = round_run(&b->gpu, &r, &b->rng);
	*seconds = (now_us() - t) / 1e6;
	if (ret == SHAPE_IMPOSSIBLE) {
		if (pass >= 0)
			bench_not_run(&b->result, c, n, "%s", report_reason());
		report_clear();
		*seconds = -1;
		return 0;
	}
	if (ret) {
		/* The others are worth measuring, unless the GPU is gone. */
		bench_not_run(&b->result, c, n, "FAILED: %s", report_reason());
		*seconds = -1;
		if (++b->failures == MAX_FAILURES)
			return -1;
		report_clear();
		return 0;
	}
	return pass < 0 ? 0 : bench_add_row(&b->result, c, pass, &r);
}

/* All cases of one size, each time another one first */
static int one_pass(struct bench *b, unsigned int size, unsigned int pass)
{
	unsigned int i, c;
	double *s;

	for (i = 0; i < CASES; i++) {
		c = (i + pass) % CASES;
		s = &b->seconds[c][size];
		if (*s < 0)
			continue;
		if (!pass && unwanted(b, c, size)) {
			*s = -1;
			continue;
		}
		progress(b, "pass %u of %s, %u ranges, %s", pass + 1, b->passes, b->o.sizes[size],
			 bench_cases[c].name);
		if (one_round(b, c, b->o.sizes[size], pass, s))
			return -1;
	}
	return 0;
}

/*
 * Share the time that is left evenly among the sizes, the cheap ones first, because
 * what they do not need is for the others. Three rounds are the least, unless all of
 * it would take half as long again as it should.
 */
static void plan(const struct bench *b, unsigned int *rounds)
{
	double left = b->o.seconds - elapsed(b), over = b->o.seconds / 2;
	double cost[MAX_SIZES], share;
	unsigned int i, k, c, best, n;

	for (i = 0; i < b->o.n_sizes; i++) {
		rounds[i] = 0;
		cost[i] = 1e-6;
		for (c = 0; c < CASES; c++)
			if (b->seconds[c][i] > 0)
				cost[i] += b->seconds[c][i];
	}
	for (k = b->o.n_sizes; k > 0; k--) {
		best = MAX_SIZES;
		for (i = 0; i < b->o.n_sizes; i++)
			if (!rounds[i] && (best == MAX_SIZES || cost[i] < cost[best]))
				best = i;
		share = left > 0 ? left / k / cost[best] : 0;
		n = share < b->o.max_rounds ? 1 + share : b->o.max_rounds;
		if (n < 3)
			n = 3;
		if (n > b->o.max_rounds)
			n = b->o.max_rounds;
		while (n > 1 && (n - 1) * cost[best] > left + over)
			n--;
		rounds[best] = n;
		left -= (n - 1) * cost[best];
	}
}

static int run(struct bench *b)
{
	unsigned int rounds[MAX_SIZES], most = 1, pass, i, c;

	b->warm_n = b->o.sizes[b->o.n_sizes - 1];
	if (b->warm_n > WARM_UP)
		b->warm_n = WARM_UP;
	progress(b, "warming up");
	strcpy(b->passes, "?");
	for (c = 0; c < CASES; c++)
		if (one_round(b, c, b->warm_n, -1, &b->warm[c]))
			return -1;

	for (i = 0; i < b->o.n_sizes; i++)
		if (one_pass(b, i, 0))
			return -1;
	plan(b, rounds);
	for (i = 0; i < b->o.n_sizes; i++)
		if (rounds[i] > most)
			most = rounds[i];
	snprintf(b->passes, sizeof(b->passes), "%u", most);
	/* Rounds of a size that has fewer are spread over the whole time. */
	for (pass = 1; pass < most; pass++) {
		for (i = 0; i < b->o.n_sizes; i++) {
			if ((rounds[i] - 1) * pass / (most - 1) ==
			    (rounds[i] - 1) * (pass - 1) / (most - 1))
				continue;
			if (one_pass(b, i, pass))
				return -1;
		}
	}
	return 0;
}

static int probe(struct bench *b)
{
	struct drm_amdgpu_info_gem_userptr_batch info = {};
	int r;

	r = amdgpu_query_info(b->gpu.dev, AMDGPU_INFO_GEM_USERPTR_BATCH, sizeof(info), &info);
	if (r) {
		report_fail("the kernel has no GEM_USERPTR_BATCH (%s)", strerror(-r));
		return GPU_ABSENT;
	}
	b->max_ranges = info.max_ranges;
	b->result.gpu = amdgpu_get_marketing_name(b->gpu.dev);
	return 0;
}

int main(int argc, char **argv)
{
	static struct bench b = {
		.o = {
			.out = "bench-samples.json",
			.sizes = { 1, 16, 256, 1024, 4096, 65536 },
			.n_sizes = 6,
			.seconds = 240,
			.limit = 120,
			.max_rounds = 15,
		},
		.rng = { .state = 1 },
	};
	int r;

	r = parse(argc, argv, &b.o);
	if (r >= 0)
		return r;
	if (sysconf(_SC_PAGESIZE) != PAGE) {
		printf("bench: skipped: pages are not %u bytes here\n", PAGE);
		return EXIT_SKIP;
	}

	b.start = now_us();
	r = gpu_open(&b.gpu, b.o.device);
	if (!r) {
		r = probe(&b);
		if (!r)
			r = run(&b);
		if (!r)
			r = bench_write(&b.result, b.o.out, b.o.sizes, b.o.n_sizes, elapsed(&b));
		bench_free(&b.result);
		gpu_close(&b.gpu);
	}
	if (r == GPU_ABSENT) {
		printf("bench: skipped: %s\n", report_reason());
		return EXIT_SKIP;
	}
	if (r)
		fprintf(stderr, "bench: failed: %s\n", report_reason());
	else if (b.failures)
		fprintf(stderr, "bench: %u rounds failed\n", b.failures);
	return r || b.failures;
}
