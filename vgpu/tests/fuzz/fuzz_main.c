/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer's entry points. VGPU_FUZZ names the target: all of them are one program, since
 * they consist of the same files.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static const struct fuzz_target *target;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t len, size_t max,
			       unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t len, size_t max);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	unsigned int i;

	(void)argc;
	(void)argv;
	target = fuzz_find(getenv("VGPU_FUZZ"));
	if (target)
		return 0;
	fprintf(stderr, "VGPU_FUZZ must be one of:");
	for (i = 0; fuzz_targets[i]; i++)
		fprintf(stderr, " %s", fuzz_targets[i]->name);
	fprintf(stderr, "\n");
	exit(2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_in in = { data, len };

	target->run(&in);
	return 0;
}

/* A multiple of the target's alignment, behind the header. */
static size_t boundary(struct fuzz_random *r, size_t len)
{
	if (len <= target->header)
		return len;
	return target->header + fuzz_rnd(r) %
		((len - target->header) / target->align + 1) * target->align;
}

/* Half of the mutations keep to packets: put one in, take one out, copy one. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t len, size_t max,
			       unsigned int seed)
{
	struct fuzz_random r = { seed * 2654435761ull | 1 };
	uint8_t unit[512];
	size_t at, n, room;
	uint32_t v;

	fuzz_rnd(&r);
	if (len < target->header) {
		memset(data + len, 0, target->header - len);
		len = target->header;
	}
	at = boundary(&r, len);
	switch (fuzz_rnd(&r) % 8) {
	case 0 ... 2:
		room = max - len;
		n = target->unit(&r, unit, room < sizeof(unit) ? room : sizeof(unit));
		memmove(data + at + n, data + at, len - at);
		memcpy(data + at, unit, n);
		return len + n;
	case 3:		/* over what is there */
		room = max - at;
		n = target->unit(&r, unit, room < sizeof(unit) ? room : sizeof(unit));
		memcpy(data + at, unit, n);
		return at + n > len ? at + n : len;
	case 4:
		n = boundary(&r, len);
		if (n <= at)
			return len;
		memmove(data + at, data + n, len - n);
		return len - (n - at);
	case 5:		/* one dword */
		if (len - at < 4)
			return len;
		at += fuzz_rnd(&r) % (len - at - 3) & ~3u;
		v = fuzz_value(&r);
		memcpy(data + at, &v, 4);
		return len;
	default:
		return LLVMFuzzerMutate(data, len, max);
	}
}
