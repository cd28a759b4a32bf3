/* SPDX-License-Identifier: MIT */
/*
 * What blocks say of the packets and messages they know, from the tables they work with:
 * for "vgpu --list", list.c.
 */
#ifndef VGPU_CATALOGUE_H
#define VGPU_CATALOGUE_H

#include <stdbool.h>

enum vgpu_how {
	VGPU_EXECUTED,
	VGPU_ACCEPTED,		/* without effect: it needs nothing here */
	VGPU_REFUSED,		/* counted, and not executed */
};

struct vgpu_item {
	unsigned int code, sub;
	const char *name;
	enum vgpu_how how;
	const char *who;	/* who may use it, if not everybody; or NULL */
};

/* Item number @i in *@item, in the order of codes; false beyond the last. */
bool pm4_item(unsigned int i, struct vgpu_item *item);
bool sdma_item(unsigned int i, struct vgpu_item *item);
bool mes_item(unsigned int i, struct vgpu_item *item);
bool mes_misc_item(unsigned int i, struct vgpu_item *item);

#endif
