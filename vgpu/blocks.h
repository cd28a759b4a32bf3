/* SPDX-License-Identifier: MIT */
/*
 * The IP blocks the device is made of. Only main.c and tests, which put the
 * device together, include this.
 */
#ifndef VGPU_BLOCKS_H
#define VGPU_BLOCKS_H

#include "device.h"

extern const struct vgpu_block vgpu_block_nbio;
extern const struct vgpu_block vgpu_block_mp;
extern const struct vgpu_block vgpu_block_smu;
extern const struct vgpu_block vgpu_block_gmc;
extern const struct vgpu_block vgpu_block_ih;
extern const struct vgpu_block vgpu_block_sdma;
extern const struct vgpu_block vgpu_block_cp;
extern const struct vgpu_block vgpu_block_mes;
extern const struct vgpu_block vgpu_block_plain;

/* All of them, NULL-terminated: the whole device. */
extern const struct vgpu_block *const vgpu_all_blocks[];

#endif
