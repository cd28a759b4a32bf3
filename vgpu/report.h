/* SPDX-License-Identifier: MIT */
/* What the device counted: for people, and as JSON. */
#ifndef VGPU_REPORT_H
#define VGPU_REPORT_H

#include <stdio.h>

#include "device.h"

const char *report_level(enum vgpu_log_level level);
/* All counters, and those of the memory model, which it keeps itself. */
void report_visit(struct vgpu *dev, vgpu_counter_fn fn, void *arg);
/* A line for each. */
void report_print(struct vgpu *dev, FILE *f);
/*
 * An array of objects, { "level": "guest", "what": "...", "count": 1 }, in the file @path,
 * which is replaced when all of it is written. 0 or a negative errno.
 */
int report_json(struct vgpu *dev, const char *path);

#endif
