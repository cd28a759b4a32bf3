/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the main job share. main-job.c makes the batches and prints,
 * job-check.c moves and compares contents, job-steps.c changes the memory below
 * the batches, job-time.c compares with one userptr BO per range.
 */
#ifndef EXAMPLES_JOB_H
#define EXAMPLES_JOB_H

#include "lib/gpu.h"
#include "lib/mem.h"

/**
 * struct batch - one BO of many ranges
 * @mem: the ranges
 * @buf: the BO and its GPU address
 * @list: buffers of a submission that uses it
 * @readonly: the GPU only reads it
 */
struct batch {
	struct pieces mem;
	struct gpu_buf buf;
	uint32_t list;
	int readonly;
};

/**
 * struct job - the main job
 * @gpu: the GPU
 * @rw: the batch that the GPU reads and writes
 * @ro: the smaller batch that the GPU only reads
 * @mirror: ordinary GPU memory as large as @rw, the other side of all copies
 * @mirror_list: buffers of a submission that uses nothing but @mirror
 * @rng: random numbers
 * @gen: the last generation of contents that was used
 * @setup: the system may be changed: huge pages reserved, swap space made
 * @note: what the current step has to say, for the table
 */
struct job {
	struct gpu gpu;
	struct batch rw, ro;
	struct gpu_buf mirror;
	uint32_t mirror_list;
	struct rng rng;
	uint8_t gen;
	int setup;
	char note[80];
};

/** job_gen - the next generation of contents */
uint8_t job_gen(struct job *j);

/**
 * batch_create - make one BO of the pieces in @b->mem and map it to a GPU address
 * @j: the job; the mirror must exist
 * @b: the batch
 *
 * Returns 0 or -1 with report_reason() set.
 */
int batch_create(struct job *j, struct batch *b);

void batch_destroy(struct job *j, struct batch *b);

/**
 * job_gpu_reads - the GPU copies a whole batch to the mirror
 *
 * Each range must show the generation that its piece has. Returns 0 or -1 with
 * report_reason() set.
 */
int job_gpu_reads(struct job *j, struct batch *b);

/**
 * job_gpu_writes - the GPU copies the mirror, with a new generation, to the batch
 *
 * Afterwards the CPU must find it in each piece. Returns 0 or -1 with
 * report_reason() set.
 */
int job_gpu_writes(struct job *j, struct batch *b);

/** job_check - all of the above for both batches */
int job_check(struct job *j);

/**
 * job_refused - a submission with a batch must fail, one without must not
 * @j: the job
 * @b: the batch
 * @err: the error it must fail with, negative
 *
 * Returns 0 or -1 with report_reason() set.
 */
int job_refused(struct job *j, struct batch *b, int err);

/**
 * struct step - one way to change the memory below the batches
 * @name: what is done
 * @run: do it, and let each piece know what it must hold now. Counts the changed
 *       ranges. Returns 0, %STEP_SKIPPED with the reason in @job.note, or -1 with
 *       report_reason() set. job_check() follows
 */
struct step {
	const char *name;
	int (*run)(struct job *j, uint32_t *changed);
};

#define STEP_SKIPPED 1

extern const struct step job_steps[];
extern const unsigned int job_n_steps;

/**
 * job_time - compare with one userptr BO per range, print a table
 * @j: the job
 * @n: ranges of the comparison
 * @many: ranges of a second, larger batch that is only measured; 0: none
 * @rounds: how often each thing is measured
 *
 * Returns 0 or -1 with report_reason() set.
 */
int job_time(struct job *j, uint32_t n, uint32_t many, uint32_t rounds);

/**
 * job_counter - what the kernel has counted for the batch that the GPU writes to
 * @j: the job
 * @name: of the counter, as in the kernel's file
 * @v: returned value
 *
 * Returns 0 or -1 if it cannot be read.
 */
int job_counter(struct job *j, const char *name, uint64_t *v);

/**
 * job_counters - print what the kernel counted for our batches
 *
 * From debugfs, which only root may read: without it, that is said.
 */
void job_counters(struct job *j);

#endif
