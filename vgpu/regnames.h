/* SPDX-License-Identifier: MIT */
/* The table that regnames.py makes; regnames.c sorts and searches it. */
#ifndef VGPU_REGNAMES_H
#define VGPU_REGNAMES_H

#include <stdint.h>

struct regname {
	uint32_t reg;		/* dword number */
	const char *name;	/* "IP:REGISTER" */
};

extern struct regname vgpu_regnames[];
extern const unsigned int vgpu_regnames_n;

#endif
