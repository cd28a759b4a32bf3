/* SPDX-License-Identifier: MIT */
/* Names of what a trace shows; the lines themselves come from vgpu_trace(). */
#ifndef VGPU_TRACE_H
#define VGPU_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include "device.h"

/* "reg", "sdma", ...: a word without spaces; NULL beyond the last one. */
const char *vgpu_trace_name(unsigned int what);
/*
 * Names separated by commas to a mask of 1 << enum vgpu_trace. 0; -EINVAL: one
 * of them is unknown, *@bad says which (from @list, up to @bad_len bytes).
 */
int vgpu_trace_parse(const char *list, uint32_t *mask, char *bad, size_t bad_len);

/* Text that grows in a buffer, and is cut where that ends. */
struct trace_text {
	char *buf;
	size_t len, n;
};
void trace_add(struct trace_text *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Register @reg by name. */
void trace_reg(struct trace_text *t, uint32_t reg);
/* Up to four of @n dwords at @p, and how many there are. */
void trace_dwords(struct trace_text *t, const uint32_t *p, uint32_t n);

#endif
