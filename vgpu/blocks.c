/* SPDX-License-Identifier: MIT */
/* The device: its blocks in the order of their initialisation. */
#include "blocks.h"

const struct vgpu_block *const vgpu_all_blocks[] = {
	&vgpu_block_nbio, &vgpu_block_mp, &vgpu_block_smu, &vgpu_block_gmc, &vgpu_block_ih,
	&vgpu_block_sdma, &vgpu_block_cp, &vgpu_block_mes, &vgpu_block_plain,
	NULL,
};
