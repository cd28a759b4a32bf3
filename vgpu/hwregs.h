/* SPDX-License-Identifier: MIT */
/*
 * AMD's own register, packet and firmware-interface headers, from the kernel
 * tree the project is built against (meson option "linux"), and where the
 * registers of each IP lie on our device.
 *
 * The bases are ours to choose: the driver learns them from the discovery
 * blob. GC[1] must be 0xA000, because PM4's SET_UCONFIG_REG counts from dword
 * 0xC000 (nvd.h, PACKET3_SET_UCONFIG_REG_START).
 */
#ifndef VGPU_HWREGS_H
#define VGPU_HWREGS_H

#include "kernel_shim.h"	/* types and macros those headers expect */

/* Base of segment i of each IP in dwords; constant expressions. */
#define GC_BASE(i)	((i) == 0 ? 0x1260 : (i) == 1 ? 0xA000 : (i) == 2 ? 0x1C000 : 0x2402C00)
#define MMHUB_BASE(i)	0x1A000
#define ATHUB_BASE(i)	0xC00
#define OSSSYS_BASE(i)	0x10A0
#define HDP_BASE(i)	0xF20
#define NBIO_BASE(i)	((i) == 0 ? 0 : (i) == 1 ? 0x14 : (i) == 2 ? 0xD20 : \
			 (i) == 3 ? 0x10400 : (i) == 4 ? 0x241B000 : 0)
#define MP0_BASE(i)	0x16000
#define MP1_BASE(i)	0x16000
#define SMUIO_BASE(i)	((i) == 0 ? 0x16800 : 0x16A00)

/* Dword number of register @name (a reg* of the IP's *_offset.h). */
#define VREG(ip, name)	(ip##_BASE(name##_BASE_IDX) + name)
/* Field access with the *_sh_mask.h names. */
#define VFIELD_GET(v, reg, field) \
	(((v) & reg##__##field##_MASK) >> reg##__##field##__SHIFT)
#define VFIELD(reg, field, v) \
	(((uint32_t)(v) << reg##__##field##__SHIFT) & reg##__##field##_MASK)

#endif
