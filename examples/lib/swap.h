/* SPDX-License-Identifier: MIT */
#ifndef EXAMPLES_SWAP_H
#define EXAMPLES_SWAP_H

#include <stdint.h>

/**
 * struct swap - swap space for the program
 * @ours: it was set up here and is to be removed
 */
struct swap {
	int ours;
};

/**
 * swap_get - make sure that @bytes can be swapped out
 * @s: to be filled
 * @bytes: how much
 * @may_make: without swap space, root may make some of a zram device
 *
 * Returns NULL or the reason why there is none.
 */
const char *swap_get(struct swap *s, uint64_t bytes, int may_make);

/** swap_put - remove what swap_get() set up */
void swap_put(struct swap *s);

#endif
