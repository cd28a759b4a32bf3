// SPDX-License-Identifier: MIT
/*
 * The main job: thousands of scattered pieces of CPU memory as one GPU buffer.
 *
 * Read in this order to learn the interface: batch_create() in job-check.c makes
 * one buffer of many ranges, gpu_buf_map() in lib/gpu.c gives it one GPU address,
 * job_gpu_reads() and job_gpu_writes() let the GPU copy through that address.
 * job-steps.c then does to the memory what programs and the kernel do to memory,
 * and after each step the GPU must see the memory as the CPU does.
 *
 * Nothing here knows what GPU it runs on.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "job.h"

#define EXIT_SKIP	77
#define EXIT_USAGE	2

struct options {
	const char *device;
	uint32_t ranges;
	uint32_t singles;
	uint32_t rounds;
	uint64_t seed;
	int no_skip;
	int no_setup;
};

static const struct mem_mix rw_mix[] = {
	{ MEM_THP, HUGE, 4 },
	{ MEM_HUGETLB, HUGE, 2 },
	{ MEM_ANON, 64 << 10, 64 },
	{ MEM_SHARED, 64 << 10, 64 },
	{ MEM_ANON, 16 << 10, 256 },
	{ MEM_SHARED, 16 << 10, 256 },
	{ MEM_PRIVATE, 16 << 10, 128 },
	{ MEM_PRIVATE, PAGE, 512 },
	{ MEM_ANON_VMA, PAGE, 768 },
	{ MEM_SHARED, PAGE, 1024 },
	{ MEM_ANON, PAGE, 0 },
};

static const struct mem_mix ro_mix[] = {
	{ MEM_READONLY, 64 << 10, 64 },
	{ MEM_READONLY, PAGE, 1536 },
	{ MEM_SHARED, PAGE, 1024 },
	{ MEM_ANON, PAGE, 0 },
};

#define ROWS(mix)	(sizeof(mix) / sizeof((mix)[0]))
#define MIN_RANGES	(16 * ROWS(ro_mix))
#define FIRST_RO_ID	0x800000

static void usage(FILE *f)
{
	fprintf(f,
		"usage: main-job [options]\n"
		"Makes one GPU buffer of many scattered pieces of memory, copies through it both\n"
		"ways while the memory changes, and compares with one userptr BO per piece.\n"
		"  -n, --ranges N    ranges of the batch (4096, at least %zu)\n"
		"  -s, --singles N   ranges of the comparison (1024; 0: no comparison)\n"
		"  -r, --rounds N    how often the comparison is measured (3)\n"
		"      --seed N      order of the ranges (1)\n"
		"      --device PATH device file (the first render node of amdgpu)\n"
		"      --no-skip     fail if a step cannot be done here\n"
		"      --no-setup    do not reserve huge pages or make swap space (root only)\n"
		"  -h, --help        this text\n"
		"exit status: 0 passed, 1 failed, %d no GPU or kernel for it, %d wrong usage\n",
		MIN_RANGES, EXIT_SKIP, EXIT_USAGE);
}

static int number(const char *s, unsigned long long min, unsigned long long max,
		  unsigned long long *v)
{
	char *end;

	errno = 0;
	*v = strtoull(s, &end, 0);
	return !errno && end != s && !*end && *v >= min && *v <= max ? 0 : -1;
}

/* Returns -1 to go on, or the exit status. */
static int parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "ranges", required_argument, NULL, 'n' },
		{ "singles", required_argument, NULL, 's' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "seed", required_argument, NULL, 'S' },
		{ "device", required_argument, NULL, 'd' },
		{ "no-skip", no_argument, NULL, 'N' },
		{ "no-setup", no_argument, NULL, 'K' },
		{ "help", no_argument, NULL, 'h' },
		{}
	};
	unsigned long long v = 0;
	int c, bad = 0;

	while ((c = getopt_long(argc, argv, "n:s:r:h", longs, NULL)) != -1) {
		switch (c) {
		case 'n':
			bad |= number(optarg, MIN_RANGES, 1 << 20, &v);
			o->ranges = v;
			break;
		case 's':
			bad |= number(optarg, 0, 1 << 20, &v);
			o->singles = v;
			break;
		case 'r':
			bad |= number(optarg, 1, 50, &v);
			o->rounds = v;
			break;
		case 'S':
			bad |= number(optarg, 1, UINT64_MAX, &v);
			o->seed = v;
			break;
		case 'd':
			o->device = optarg;
			break;
		case 'N':
			o->no_skip = 1;
			break;
		case 'K':
			o->no_setup = 1;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			bad = 1;
		}
	}
	if (bad || optind < argc) {
		usage(stderr);
		return EXIT_USAGE;
	}
	return -1;
}

/* Can the kernel do it at all? 0, -1, or %GPU_ABSENT if not */
static int probe(struct job *j, const struct options *o)
{
	struct drm_amdgpu_info_gem_userptr_batch info = {};
	const char *name = amdgpu_get_marketing_name(j->gpu.dev);
	int r;

	printf("GPU: %s, SDMA %u.%u\n", name ? name : "of AMD, without a name",
	       j->gpu.sdma.hw_ip_version_major, j->gpu.sdma.hw_ip_version_minor);
	r = amdgpu_query_info(j->gpu.dev, AMDGPU_INFO_GEM_USERPTR_BATCH, sizeof(info), &info);
	if (r) {
		report_fail("the kernel has no GEM_USERPTR_BATCH (%s)", strerror(-r));
		return GPU_ABSENT;
	}
	printf("limits: %llu ranges per batch, %llu MiB in all batches, %llu in use\n",
	       (unsigned long long)info.max_ranges, (unsigned long long)info.max_bytes >> 20,
	       (unsigned long long)info.used_bytes >> 20);
	if (o->ranges > info.max_ranges)
		return report_fail("%u ranges are more than the kernel allows", o->ranges);
	return 0;
}

static int setup(struct job *j, const struct options *o)
{
	int r;

	j->setup = !o->no_setup;
	mem_may_reserve(j->setup);
	if (pieces_alloc(&j->rw.mem, o->ranges, rw_mix, ROWS(rw_mix), 1, &j->rng) ||
	    pieces_alloc(&j->ro.mem, o->ranges / 16, ro_mix, ROWS(ro_mix), FIRST_RO_ID, &j->rng))
		return -1;
	j->ro.readonly = 1;

	/* The other side of the copies, large enough for either batch */
	r = gpu_buf_alloc(&j->gpu, &j->mirror, j->rw.mem.bytes > j->ro.mem.bytes ?
			  j->rw.mem.bytes : j->ro.mem.bytes, AMDGPU_GEM_DOMAIN_GTT);
	if (!r)
		r = gpu_list(&j->gpu, &j->mirror.bo, 1, &j->mirror_list);
	if (r)
		return report_fail("GPU memory: %s", strerror(-r));
	if (batch_create(j, &j->rw))
		return -1;
	return batch_create(j, &j->ro);
}

static void cleanup(struct job *j)
{
	batch_destroy(j, &j->ro);
	batch_destroy(j, &j->rw);
	if (j->mirror_list)
		amdgpu_bo_list_destroy_raw(j->gpu.dev, j->mirror_list);
	gpu_buf_free(&j->mirror);
	pieces_free(&j->ro.mem);
	pieces_free(&j->rw.mem);
}

static void print_batch(const char *name, const struct batch *b)
{
	uint64_t bytes[MEM_KINDS] = {};
	uint32_t n[MEM_KINDS] = {}, i;

	for (i = 0; i < b->mem.n; i++) {
		n[b->mem.p[i].kind]++;
		bytes[b->mem.p[i].kind] += b->mem.p[i].size;
	}
	printf("%s: %u ranges, %.1f MiB, at GPU address 0x%llx\n", name, b->mem.n,
	       b->mem.bytes / 1048576.0, (unsigned long long)b->buf.va);
	for (i = 0; i < MEM_KINDS; i++)
		if (n[i])
			printf("  %-24s %5u ranges %7.1f MiB\n", mem_kind_name(i), n[i],
			       bytes[i] / 1048576.0);
}

static int run_steps(struct job *j, const struct options *o)
{
	uint32_t changed;
	unsigned int i;
	double t;
	int r;

	printf("\n%-28s %8s  %-7s %7s\n", "what happens to the memory", "ranges", "result", "ms");
	for (i = 0; i < job_n_steps; i++) {
		changed = 0;
		j->note[0] = 0;
		t = now_us();
		r = job_steps[i].run(j, &changed);
		if (r == STEP_SKIPPED && o->no_skip)
			r = report_fail("%s: %s", job_steps[i].name, j->note);
		if (!r)
			r = job_check(j);
		printf("%-28s %8u  %-7s %7.0f  %s\n", job_steps[i].name, changed,
		       r == STEP_SKIPPED ? "skipped" : r ? "FAILED" : "right",
		       (now_us() - t) / 1e3, j->note);
		if (r < 0)
			return -1;
	}
	return 0;
}

static int run(struct job *j, const struct options *o)
{
	int r;

	r = probe(j, o);
	if (r)
		return r;
	r = setup(j, o);
	if (r)
		goto out;
	print_batch("batch", &j->rw);
	print_batch("read-only batch", &j->ro);

	r = run_steps(j, o);
	if (!r && o->singles)
		r = job_time(j, o->singles, o->ranges > o->singles ? o->ranges : 0, o->rounds);
	job_counters(j);
out:
	cleanup(j);
	return r;
}

int main(int argc, char **argv)
{
	struct options o = { .ranges = 4096, .singles = 1024, .rounds = 3, .seed = 1 };
	static struct job j;
	int r;

	r = parse(argc, argv, &o);
	if (r >= 0)
		return r;
	/* One line at a time, also into a pipe: it is watched while it runs. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (sysconf(_SC_PAGESIZE) != PAGE) {
		printf("main job: skipped: pages are not %u bytes here\n", PAGE);
		return EXIT_SKIP;
	}

	j.rng.state = o.seed;
	r = gpu_open(&j.gpu, o.device);
	if (!r) {
		r = run(&j, &o);
		gpu_close(&j.gpu);
	}
	if (r == GPU_ABSENT) {
		printf("main job: skipped: %s\n", report_reason());
		return EXIT_SKIP;
	}
	if (r)
		printf("main job: FAIL: %s\n", report_reason());
	else
		printf("main job: PASS\n");
	return r ? 1 : 0;
}
