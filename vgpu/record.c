/* SPDX-License-Identifier: MIT */
/* Samples for the fuzzers, see record.h. */
#include "record.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILES		4	/* of a kind */
#define KEYS		65536	/* a power of two; of different units, by hash */
#define HEADER		4	/* an input begins with choices; zeros are fine */

static const struct {
	const char *target;
	unsigned int samples;	/* of each unit */
} kinds[VGPU_RECORDS] = {
	[VGPU_RECORD_REG] = { "regs", 2 },
	[VGPU_RECORD_GFX] = { "gfx", 4 },
	[VGPU_RECORD_COMPUTE] = { "compute", 4 },
	[VGPU_RECORD_KIQ] = { "kiq", 4 },
	[VGPU_RECORD_SDMA] = { "sdma", 6 },
	[VGPU_RECORD_MES] = { "mes", 4 },
	[VGPU_RECORD_SOCKET] = { "socket", 6 },
};

struct record {
	pthread_mutex_t lock;
	uint8_t seen[KEYS];
	struct {
		uint8_t data[FILES][RECORD_FILE];
		size_t len[FILES];
		unsigned int file;	/* that is being filled */
	} kind[VGPU_RECORDS];
};

struct record *record_create(void)
{
	struct record *r = calloc(1, sizeof(*r));

	if (r)
		pthread_mutex_init(&r->lock, NULL);
	return r;
}

void record_destroy(struct record *r)
{
	if (r)
		pthread_mutex_destroy(&r->lock);
	free(r);
}

/* What makes two units the same, from their first dwords. */
static uint32_t key(enum vgpu_record what, const void *data, size_t len)
{
	uint32_t dw[8] = { 0 };

	memcpy(dw, data, len < sizeof(dw) ? len : sizeof(dw));
	switch (what) {
	case VGPU_RECORD_REG:		/* which register or doorbell */
		return dw[0];
	case VGPU_RECORD_SDMA:		/* operation, sub-operation */
		return dw[0] & 0xffff;
	case VGPU_RECORD_MES:		/* header; MISC's operation */
		return dw[0] ^ dw[1] << 24;
	case VGPU_RECORD_SOCKET:	/* command, length */
		return dw[0] ^ dw[1];
	default:			/* opcode, length */
		return dw[0];
	}
}

void record_add(void *record, enum vgpu_record what, const void *data, size_t len)
{
	struct record *r = record;
	uint32_t k = (key(what, data, len) * 31u + what) * 2654435761u >> 16;
	unsigned int f;

	if (!len || len > RECORD_FILE / 4)
		return;
	pthread_mutex_lock(&r->lock);
	f = r->kind[what].file;
	if (r->seen[k] >= kinds[what].samples)
		goto out;
	if (f < FILES && HEADER + r->kind[what].len[f] + len >= RECORD_FILE)
		f = ++r->kind[what].file;
	if (f == FILES)
		goto out;
	r->seen[k]++;
	memcpy(r->kind[what].data[f] + HEADER + r->kind[what].len[f], data, len);
	r->kind[what].len[f] += len;
out:
	pthread_mutex_unlock(&r->lock);
}

static int write_file(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(path, "wb");
	size_t n;

	if (!f)
		return -errno;
	n = fwrite(data, 1, len, f);
	return fclose(f) || n != len ? -EIO : 0;
}

int record_write(struct record *r, const char *dir, char *path, size_t len)
{
	unsigned int k, f;
	int err = 0;

	mkdir(dir, 0777);
	pthread_mutex_lock(&r->lock);
	for (k = 0; k < VGPU_RECORDS && !err; k++) {
		snprintf(path, len, "%s/%s", dir, kinds[k].target);
		mkdir(path, 0777);
		for (f = 0; f < FILES && r->kind[k].len[f] && !err; f++) {
			snprintf(path, len, "%s/%s/recorded-%u", dir, kinds[k].target, f);
			err = write_file(path, r->kind[k].data[f],
					 HEADER + r->kind[k].len[f]);
		}
	}
	pthread_mutex_unlock(&r->lock);
	return err;
}
