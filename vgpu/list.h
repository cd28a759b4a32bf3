/* SPDX-License-Identifier: MIT */
/* The list of what is modelled and what is refused, from the tables the device works with. */
#ifndef VGPU_LIST_H
#define VGPU_LIST_H

#include <stdio.h>

/* Name of part @i: "registers", "pm4", ...; NULL beyond the last. */
const char *list_part(unsigned int i);
/* Print @part, NULL: all parts, as Markdown. 0 or a negative errno. */
int list_print(FILE *f, const char *part);

#endif
