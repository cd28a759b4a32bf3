/* SPDX-License-Identifier: MIT */
/*
 * A device by its place on the bus, which it keeps while it has no driver and
 * no file.
 */
#ifndef AMD_USERPTR_SLOT_H
#define AMD_USERPTR_SLOT_H

#include <stdbool.h>

/**
 * struct batch_slot - a place on the PCI bus
 * @name: its name there; empty: not known yet
 */
struct batch_slot {
	char name[64];
};

int batch_sysfs_write(const char *path, const char *text);
void batch_slot_find(struct batch_slot *slot, int fd);
bool batch_slot_bound(const struct batch_slot *slot);
void batch_slot_unbind(const struct batch_slot *slot);
void batch_slot_bind(const struct batch_slot *slot);

#endif
