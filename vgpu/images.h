/* SPDX-License-Identifier: MIT */
/*
 * What a board carries besides registers, made by us from the kernel's own
 * structure definitions: IP discovery blob, VBIOS image, firmware files. None
 * of it contains code: nothing executes it.
 */
#ifndef VGPU_IMAGES_H
#define VGPU_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The driver looks for the blob this far below the end of VRAM and reserves it
 * (DISCOVERY_TMR_OFFSET in amdgpu_discovery.h). */
#define VGPU_DISCOVERY_OFFSET	(64u << 10)
#define VGPU_VBIOS_SIZE		4096
/* Frequency of the golden time stamp counter, told by the VBIOS. */
#define VGPU_TSC_KHZ		100000

/*
 * Write the blob of a device with @sdma SDMA engines, 1 or 2; returns its size in bytes, 0 if it
 * does not fit @len.
 */
size_t vgpu_discovery_build(void *buf, size_t len, unsigned int sdma);
/* Write an expansion ROM image of VGPU_VBIOS_SIZE bytes. */
void vgpu_vbios_build(uint8_t rom[VGPU_VBIOS_SIZE]);
/*
 * Image number @i (from 0) of the firmware files for micro engines of the older
 * kind or @rs64: its name, NULL if there is none; @buf is malloc()ed, NULL
 * without memory.
 */
const char *vgpu_firmware_build(bool rs64, unsigned int i, void **buf, size_t *len);

#endif
