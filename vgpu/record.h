/* SPDX-License-Identifier: MIT */
/*
 * Samples of what a guest does, as inputs of the fuzzers: of each kind of packet, frame,
 * message and register the first few. tests/seeds/ came about so.
 */
#ifndef VGPU_RECORD_H
#define VGPU_RECORD_H

#include "device.h"

struct record;

struct record *record_create(void);
void record_destroy(struct record *r);
/* For struct vgpu_config, with the record as its opaque. */
void record_add(void *record, enum vgpu_record what, const void *data, size_t len);
/*
 * Write DIR/TARGET/recorded-N, files of less than RECORD_FILE bytes. 0 or a negative errno,
 * *@path (of @len bytes) says for which file.
 */
#define RECORD_FILE	4096u
int record_write(struct record *r, const char *dir, char *path, size_t len);

#endif
