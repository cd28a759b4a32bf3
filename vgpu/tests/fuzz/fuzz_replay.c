/* SPDX-License-Identifier: MIT */
/*
 * Inputs kept in files, run once more without libFuzzer: what was found once is not to come
 * back, whichever compiler there is. Arguments: directory with one folder per target.
 */
#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fuzz.h"
#include "test.h"

static const char *seeds;

static void run_file(const struct fuzz_target *t, const char *path)
{
	static uint8_t buf[FUZZ_MAX];
	struct fuzz_in in = { .data = buf };
	FILE *f = fopen(path, "rb");

	test_row(path);
	REQUIRE(f);
	in.len = fread(buf, 1, sizeof(buf), f);
	CHECK(feof(f) || fgetc(f) == EOF);	/* none is longer */
	fclose(f);
	t->run(&in);
	CHECK(!t->packets || fuzz_queues_packets());
}

static unsigned int run_folder(const struct fuzz_target *t)
{
	char dir[3072], path[4096];
	unsigned int n = 0;
	struct dirent *e;
	DIR *d;

	snprintf(dir, sizeof(dir), "%s/%s", seeds, t->name);
	d = opendir(dir);
	if (!d)
		return 0;
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		run_file(t, path);
		n++;
	}
	closedir(d);
	return n;
}

int main(int argc, char **argv)
{
	unsigned int i, failed = 0;

	seeds = argc > 1 ? argv[1] : ".";
	for (i = 0; fuzz_targets[i]; i++) {
		unsigned int before = test_failures(), n;

		n = run_folder(fuzz_targets[i]);
		failed += test_failures() != before || !n;
		printf("%sok %u - %s (%u inputs)\n",
		       test_failures() != before || !n ? "not " : "", i + 1,
		       fuzz_targets[i]->name, n);
		fflush(stdout);
	}
	printf("1..%u\n", i);
	return !!failed;
}
