// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "job.h"
#include "lib/swap.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25	/* include/uapi/asm-generic/mman-common.h */
#endif

#define KIND(k)		(1u << MEM_##k)
#define ALL_KINDS	((1u << MEM_KINDS) - 1)
/* What a child of fork() has a copy of, once one of both writes */
#define COPIED_KINDS	(KIND(ANON) | KIND(ANON_VMA) | KIND(PRIVATE) | KIND(THP))

typedef int (*piece_fn)(struct job *j, struct piece *p);

/*
 * Call @fn for every @every-th piece of each kind in @kinds: the same ones in each
 * call. Adds their number to @count unless that is NULL.
 */
static int for_some(struct job *j, struct batch *b, uint32_t kinds, uint32_t every,
		    piece_fn fn, uint32_t *count)
{
	uint32_t seen[MEM_KINDS] = {}, i;
	struct piece *p;

	for (i = 0; i < b->mem.n; i++) {
		p = &b->mem.p[i];
		if (!(kinds & 1u << p->kind) || seen[p->kind]++ % every)
			continue;
		if (fn(j, p))
			return -1;
		if (count)
			++*count;
	}
	return 0;
}

static int for_both(struct job *j, uint32_t kinds, uint32_t every, piece_fn fn, uint32_t *count)
{
	return for_some(j, &j->rw, kinds, every, fn, count) ||
	       for_some(j, &j->ro, kinds, every, fn, count) ? -1 : 0;
}

static int failed(const char *what, const struct piece *p)
{
	return report_fail("%s of range %u (%s): %s", what, p->id, mem_kind_name(p->kind),
			   strerror(errno));
}

/* The mapping is new: it shows the memfd, or nothing yet. */
static void forget(struct piece *p)
{
	if (p->kind != MEM_SHARED && p->kind != MEM_READONLY)
		p->gen = 0;
}

/* The CPU writes to half of the pieces; the others stay as the step left them. */
static int rewrite_half(struct job *j, struct piece *p)
{
	if (p->id % 2)
		piece_fill(p, j->gen);
	return 0;
}

static int step_first_use(struct job *j, uint32_t *changed)
{
	uint32_t i;

	job_gen(j);
	for (i = 0; i < j->rw.mem.n; i++)
		piece_fill(&j->rw.mem.p[i], j->gen);
	for (i = 0; i < j->ro.mem.n; i++)
		piece_fill(&j->ro.mem.p[i], j->gen);
	*changed = j->rw.mem.n + j->ro.mem.n;
	return 0;
}

static int step_unchanged(struct job *j, uint32_t *changed)
{
	uint64_t walks[2], changes[2];

	if (job_counter(j, "walks", &walks[0]) || job_counter(j, "invalidations", &changes[0])) {
		snprintf(j->note, sizeof(j->note), "the kernel's counters cannot be read");
		return STEP_SKIPPED;
	}
	if (job_gpu_reads(j, &j->rw) || job_gpu_writes(j, &j->rw))
		return -1;
	if (job_counter(j, "walks", &walks[1]) || job_counter(j, "invalidations", &changes[1]))
		return report_fail("the kernel's counters are gone");
	/* The system may have moved a page meanwhile; then there is work to do. */
	if (changes[1] == changes[0] && walks[1] != walks[0])
		return report_fail("the kernel looked at the pages again though nothing changed");
	if (walks[1] == walks[0])
		snprintf(j->note, sizeof(j->note), "no look at any page");
	return 0;
}

static int unmap(struct job *j, struct piece *p)
{
	return munmap(p->addr, p->size) ? failed("munmap", p) : 0;
}

static int remap(struct job *j, struct piece *p)
{
	forget(p);
	return piece_map(p, 0);
}

static int step_remap(struct job *j, uint32_t *changed)
{
	int r;

	r = for_some(j, &j->rw, ALL_KINDS, 16, unmap, changed);
	if (!r)
		r = job_refused(j, &j->rw, -EFAULT);
	if (!r)
		r = job_gpu_reads(j, &j->ro);
	/* Before anything else of this program is mapped into the holes */
	if (for_some(j, &j->rw, ALL_KINDS, 16, remap, NULL) || r)
		return -1;

	r = for_some(j, &j->ro, ALL_KINDS, 16, unmap, changed);
	if (!r)
		r = job_refused(j, &j->ro, -EFAULT);
	if (for_some(j, &j->ro, ALL_KINDS, 16, remap, NULL) || r)
		return -1;

	snprintf(j->note, sizeof(j->note), "no submission while they were missing");
	job_gen(j);
	return for_both(j, ALL_KINDS, 16, rewrite_half, NULL);
}

static int dontneed(struct job *j, struct piece *p)
{
	forget(p);
	return madvise(p->addr, p->size, MADV_DONTNEED) ? failed("MADV_DONTNEED", p) : 0;
}

static int step_dontneed(struct job *j, uint32_t *changed)
{
	uint32_t kinds = ALL_KINDS & ~KIND(HUGETLB);

	job_gen(j);
	return for_both(j, kinds, 4, dontneed, changed) ||
	       for_both(j, kinds, 4, rewrite_half, NULL) ? -1 : 0;
}

static int punch(struct job *j, struct piece *p)
{
	p->gen = 0;
	return fallocate(p->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, p->file_offset,
			 p->size) ? failed("hole punch", p) : 0;
}

static int step_punch(struct job *j, uint32_t *changed)
{
	uint32_t kinds = KIND(SHARED) | KIND(READONLY);

	job_gen(j);
	return for_both(j, kinds, 4, punch, changed) ||
	       for_both(j, kinds, 4, rewrite_half, NULL) ? -1 : 0;
}

/* Pages of the pieces that step_swap() handles, and how many are not in RAM */
static struct {
	uint32_t all, out;
	uint64_t bytes;
} pages;

static int count_pages(struct job *j, struct piece *p)
{
	pages.bytes += p->size;
	pages.all += p->size / PAGE;
	pages.out += piece_pages_out(p);
	return 0;
}

static int page_out(struct job *j, struct piece *p)
{
	return madvise(p->addr, p->size, MADV_PAGEOUT) ? failed("MADV_PAGEOUT", p) : 0;
}

static int step_swap(struct job *j, uint32_t *changed)
{
	/* Pages that are mapped twice, or in a hugetlb pool, are not swapped out. */
	uint32_t kinds = ALL_KINDS & ~(KIND(HUGETLB) | KIND(READONLY)), tries;
	struct swap swap;
	const char *why;
	int r = -1;

	memset(&pages, 0, sizeof(pages));
	if (for_both(j, kinds, 4, count_pages, changed))
		return -1;
	why = swap_get(&swap, pages.bytes + (16 << 20), j->setup);
	if (why) {
		snprintf(j->note, sizeof(j->note), "%s", why);
		return STEP_SKIPPED;
	}

	/* A page that some CPU has just touched may need a second try. */
	for (tries = 0; tries < 3 && pages.out < pages.all; tries++) {
		if (for_both(j, kinds, 4, page_out, NULL))
			goto out;
		memset(&pages, 0, sizeof(pages));
		if (for_both(j, kinds, 4, count_pages, NULL))
			goto out;
	}
	snprintf(j->note, sizeof(j->note), "%u of %u pages left RAM", pages.out, pages.all);
	if (pages.out < pages.all / 2) {
		report_fail("swap: only %s", j->note);
		goto out;
	}
	/* Only here is the swap space sure to exist. */
	r = job_check(j);
out:
	swap_put(&swap);
	return r;
}

static int check_copy(struct job *j, struct piece *p)
{
	return pattern_check(p->cpu, p, "child after fork");
}

static int step_fork(struct job *j, uint32_t *changed)
{
	int go[2], r, status;
	pid_t pid;
	char c;

	if (pipe(go))
		return report_fail("pipe: %s", strerror(errno));
	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		close(go[0]);
		close(go[1]);
		return report_fail("fork: %s", strerror(errno));
	}
	if (!pid) {
		/* It must keep what was there when it began, whoever writes then. */
		close(go[1]);
		if (read(go[0], &c, 1) != 1)
			_exit(0);
		r = for_both(j, COPIED_KINDS, 1, check_copy, NULL);
		if (r)
			fprintf(stderr, "%s\n", report_reason());
		_exit(r ? 1 : 0);
	}

	close(go[0]);
	job_gen(j);
	r = for_both(j, COPIED_KINDS, 2, rewrite_half, NULL);
	if (!r)
		r = job_check(j);
	if (!r)
		r = write(go[1], "c", 1) == 1 ? 0 : report_fail("pipe: %s", strerror(errno));
	close(go[1]);
	if (waitpid(pid, &status, 0) != pid || status)
		r = report_fail("fork: the child does not have the contents it started with");
	if (!r)
		snprintf(j->note, sizeof(j->note), "the child kept its contents");
	*changed = j->rw.mem.n + j->ro.mem.n;
	return r;
}

static int protect_read(struct job *j, struct piece *p)
{
	return mprotect(p->addr, p->size, PROT_READ) ? failed("mprotect", p) : 0;
}

static int protect_none(struct job *j, struct piece *p)
{
	return mprotect(p->addr, p->size, PROT_NONE) ? failed("mprotect", p) : 0;
}

static int protect_back(struct job *j, struct piece *p)
{
	return mprotect(p->addr, p->size, piece_prot(p)) ? failed("mprotect", p) : 0;
}

static int step_protect(struct job *j, uint32_t *changed)
{
	/* Read-only memory is good enough for a batch that the GPU only reads. */
	if (for_both(j, ALL_KINDS, 8, protect_read, changed) ||
	    job_refused(j, &j->rw, -EACCES) || job_gpu_reads(j, &j->ro) ||
	    for_both(j, ALL_KINDS, 8, protect_back, NULL) || job_gpu_reads(j, &j->rw))
		return -1;
	if (for_both(j, ALL_KINDS, 8, protect_none, NULL) ||
	    job_refused(j, &j->rw, -EFAULT) || job_refused(j, &j->ro, -EFAULT) ||
	    for_both(j, ALL_KINDS, 8, protect_back, NULL))
		return -1;
	snprintf(j->note, sizeof(j->note), "no submission without the access it needs");
	return 0;
}

/* Memory that step_move() moved away, as pieces */
static struct {
	struct piece *p;
	uint32_t n;
} moved;

static int move(struct job *j, struct piece *p)
{
	void *m;

	/* The old place stays mapped, and is empty. */
	m = mremap(p->addr, p->size, p->size, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	if (m == MAP_FAILED)
		return failed("mremap", p);
	moved.p[moved.n] = *p;
	moved.p[moved.n++].cpu = m;
	forget(p);
	return 0;
}

static int step_move(struct job *j, uint32_t *changed)
{
	uint32_t kinds = KIND(ANON) | KIND(ANON_VMA) | KIND(THP), i;
	int r;

	moved.n = 0;
	moved.p = calloc(j->rw.mem.n + j->ro.mem.n, sizeof(*moved.p));
	if (!moved.p)
		return report_fail("out of memory");
	job_gen(j);
	r = for_both(j, kinds, 8, move, changed);
	if (!r)
		r = for_both(j, kinds, 8, rewrite_half, NULL);
	if (!r)
		r = job_check(j);
	/* What the GPU wrote must not have gone to where the memory is now. */
	for (i = 0; i < moved.n; i++) {
		if (!r)
			r = pattern_check(moved.p[i].cpu, &moved.p[i], "CPU in moved memory");
		munmap(moved.p[i].cpu, moved.p[i].size);
	}
	free(moved.p);
	if (!r)
		snprintf(j->note, sizeof(j->note), "the GPU stays at the address");
	return r;
}

static int split(struct job *j, struct piece *p)
{
	size_t page = rng_below(&j->rng, p->size / PAGE) * (size_t)PAGE;

	if (madvise(p->addr + page, PAGE, MADV_DONTNEED))
		return failed("MADV_DONTNEED", p);
	piece_fill(p, j->gen);
	return 0;
}

static int step_split(struct job *j, uint32_t *changed)
{
	job_gen(j);
	return for_both(j, KIND(THP), 1, split, changed);
}

static int collapse(struct job *j, struct piece *p)
{
	/* Fails if no huge page is free; what counts is that contents are right. */
	madvise(p->addr, p->size, MADV_COLLAPSE);
	return 0;
}

static int step_collapse(struct job *j, uint32_t *changed)
{
	return for_both(j, KIND(THP), 1, collapse, changed);
}

const struct step job_steps[] = {
	{ "first use", step_first_use },
	{ "nothing", step_unchanged },
	{ "munmap, then mapped again", step_remap },
	{ "MADV_DONTNEED", step_dontneed },
	{ "hole punched into memfd", step_punch },
	{ "swapped out", step_swap },
	{ "fork, parent writes", step_fork },
	{ "mprotect and back", step_protect },
	{ "mremap to elsewhere", step_move },
	{ "huge page split", step_split },
	{ "huge page collapsed", step_collapse },
};

const unsigned int job_n_steps = sizeof(job_steps) / sizeof(job_steps[0]);
