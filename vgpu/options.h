/* SPDX-License-Identifier: MIT */
/* The command line of vgpu. */
#ifndef VGPU_OPTIONS_H
#define VGPU_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct options {
	bool help;
	bool list;
	const char *list_what;		/* a part of the list; NULL: all */
	const char *socket;
	const char *control;
	const char *rom, *firmware;	/* files to write */
	const char *counters;		/* file for JSON */
	const char *trace;		/* file, "-": standard output */
	uint32_t trace_mask;		/* 1 << enum vgpu_trace; 0 without --trace */
	const char *record;		/* directory */
	uint64_t vram_mib;
	unsigned int sdma;		/* engines */
	bool strict;
	uint32_t broken;		/* enum vgpu_break */
};

/*
 * 0; -EINVAL: @err says in at most @len bytes what is wrong. Strings stay those of
 * @argv. Not for two threads at a time.
 */
int options_parse(int argc, char **argv, struct options *o, char *err, size_t len);
void options_help(FILE *f);

#endif
