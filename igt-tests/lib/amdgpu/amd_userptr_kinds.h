/* SPDX-License-Identifier: MIT */
/*
 * Kinds of CPU memory, where their pages are, and what is written to the GPU's
 * page tables for them: for tests of userptrs.
 */
#ifndef AMD_USERPTR_KINDS_H
#define AMD_USERPTR_KINDS_H

#include <stdbool.h>
#include <stdint.h>

/* where the pages of a file come from */
enum kinds_file {
	KINDS_NONE,
	KINDS_MEMFD,
	KINDS_HUGETLB,		/* memfd of hugetlb pages */
	KINDS_TMPFS,
	KINDS_TMPFS_HUGE,	/* tmpfs that prefers huge pages */
	KINDS_EXT4,		/* ext4 on a loop device */
	KINDS_DAX,		/* ext4 on persistent memory, mapped directly */
};

/* entries that the driver wrote to page tables */
struct kinds_trace {
	char dir[96];
};

/**
 * struct kinds_entries - what was written for some GPU addresses
 * @pages: pages of 4 KiB that valid entries were written for
 * @smallest: size in bytes that the smallest of these entries covers
 * @fragment: smallest fragment that one of them claims, in bytes
 */
struct kinds_entries {
	uint64_t pages;
	uint64_t smallest;
	uint64_t fragment;
};

/* pages */
bool kinds_any_present(const void *p, uint64_t size);
uint64_t kinds_page_flags(const void *p);
uint64_t kinds_huge_bytes(const void *p, uint64_t size);
bool kinds_have_swap(void);
void kinds_page_out_once(void *p, uint64_t size);
void kinds_page_out(void *p, uint64_t size);

/* settings of the system */
bool kinds_read_value(const char *path, uint64_t *value);
bool kinds_write_value(const char *path, uint64_t value);
bool kinds_run(const char *const argv[]);

/* files */
int kinds_open(enum kinds_file file, uint64_t size);

/* page tables of the GPU */
void kinds_trace_start(struct kinds_trace *trace);
void kinds_trace_read(struct kinds_trace *trace, uint64_t va, uint64_t size,
		      struct kinds_entries *entries);
void kinds_trace_stop(struct kinds_trace *trace);

#endif
