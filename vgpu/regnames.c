/* SPDX-License-Identifier: MIT */
/* Names of registers for logs. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "regnames.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Of several names for one register the alphabetically first is shown. */
static int by_reg(const void *a, const void *b)
{
	const struct regname *x = a, *y = b;

	if (x->reg != y->reg)
		return x->reg < y->reg ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void sort(void)
{
	qsort(vgpu_regnames, vgpu_regnames_n, sizeof(*vgpu_regnames), by_reg);
}

const char *vgpu_reg_name(uint32_t reg, char *buf, size_t len)
{
	unsigned int lo = 0, hi = vgpu_regnames_n, mid;

	pthread_once(&once, sort);
	while (lo < hi) {
		mid = (lo + hi) / 2;
		if (vgpu_regnames[mid].reg < reg)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < vgpu_regnames_n && vgpu_regnames[lo].reg == reg)
		snprintf(buf, len, "%s", vgpu_regnames[lo].name);
	else
		snprintf(buf, len, "0x%x", reg);
	return buf;
}
