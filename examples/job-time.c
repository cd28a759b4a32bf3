// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "job.h"
#include "lib/way.h"

/* What the main job shows; bench/ measures more. */
static const enum cost shown[] = {
	COST_CREATE, COST_MAP, COST_SUBMIT, COST_ALL, COST_ALL_SUBMIT, COST_TEARDOWN,
};

#define SHOWN (sizeof(shown) / sizeof(shown[0]))

/* The ways that are compared */
enum column {
	SINGLES,
	BATCH,
	LARGE,
	COLUMNS,
};

int job_time(struct job *j, uint32_t n, uint32_t many, uint32_t rounds)
{
	const uint32_t ranges[COLUMNS] = { [SINGLES] = n, [BATCH] = n, [LARGE] = many };
	static struct samples t[COLUMNS][SHOWN];
	double median[COLUMNS];
	struct round round;
	uint32_t i, c, k;

	/* Taken in turns, so that a slow moment of the machine hits all alike. */
	for (i = 0; i < rounds; i++) {
		for (c = 0; c < COLUMNS; c++) {
			if (!ranges[c])
				continue;
			round = (struct round) {
				.way = c == SINGLES ? WAY_SINGLES : WAY_BATCH,
				.shape = SHAPE_GAPS,
				.n = ranges[c],
			};
			if (round_run(&j->gpu, &round, &j->rng))
				return report_fail("timing of %u ranges", ranges[c]);
			for (k = 0; k < SHOWN; k++)
				samples_add(&t[c][k], round.us[shown[k]]);
		}
	}

	printf("\nmilliseconds, median of %u rounds; 4 KiB ranges\n", rounds);
	printf("%-42s %6u userptrs  batch of %-6u   ratio", "", n, n);
	if (many)
		printf("  batch of %-6u", many);
	printf("\n");
	for (k = 0; k < SHOWN; k++) {
		for (c = 0; c < COLUMNS; c++)
			median[c] = samples_median(&t[c][k]) / 1e3;
		printf("%-42s %15.3f  %15.3f %7.1f", cost_text(shown[k]), median[SINGLES],
		       median[BATCH], median[BATCH] > 0 ? median[SINGLES] / median[BATCH] : 0);
		if (many)
			printf("  %15.3f", median[LARGE]);
		printf("\n");
	}
	return 0;
}
