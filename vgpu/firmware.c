/* SPDX-License-Identifier: MIT */
/*
 * Firmware files as the driver wants them (amdgpu_ucode.h), without code: the
 * device's engines are C. What counts are the version numbers, which switch
 * features of the driver on.
 *
 * By the header of its firmware the driver tells the two kinds of micro engines
 * that graphics and compute may have: the older one has two graphics pipes, RS64,
 * as on boards, has one (gfx_v11_0_init_microcode, gfx_v11_0_sw_init).
 */
#include <stdlib.h>
#include <string.h>

#include "kernel_shim.h"
#include "images.h"

#include "amdgpu_ucode.h"

#define PAYLOAD		64	/* bytes; tiny, some are uploaded by register */

/*
 * User queues need pfp 3190, me 3090, mec 3450, mes 147 (gfx_v11_0.c,
 * gfx_v11_0_sw_init) and sdma 27 (sdma_v6_0.c, sdma_v6_0_sw_init).
 */
#define PFP_VERSION	3190
#define ME_VERSION	3090
#define MEC_VERSION	3450
#define MES_VERSION	147
#define SDMA_VERSION	27

/*
 * The driver reads the MES version here, in the code rather than the header
 * (amdgpu_mes_init_microcode(), amdgpu_mes.c).
 */
#define MES_VERSION_AT	(sizeof(union amdgpu_firmware_header) + 24 * 4)

enum kind { GFX, RLC, IMU, MES, SDMA };

static const struct {
	const char *name;
	enum kind kind;
	uint32_t version;
} files[] = {
	{ "gc_11_0_0_pfp.bin", GFX, PFP_VERSION },
	{ "gc_11_0_0_me.bin", GFX, ME_VERSION },
	{ "gc_11_0_0_mec.bin", GFX, MEC_VERSION },
	{ "gc_11_0_0_rlc.bin", RLC, 1 },
	{ "gc_11_0_0_imu.bin", IMU, 1 },
	{ "gc_11_0_0_mes_2.bin", MES, MES_VERSION },
	{ "gc_11_0_0_mes1.bin", MES, MES_VERSION },
	{ "sdma_6_0_0.bin", SDMA, SDMA_VERSION },
};

static void build(union amdgpu_firmware_header *h, enum kind kind,
		  uint32_t version, bool rs64)
{
	const uint32_t payload = sizeof(*h);

	h->common.header_version_major = 1;
	h->common.ucode_version = version;
	h->common.ucode_array_offset_bytes = payload;
	h->common.ucode_size_bytes = PAYLOAD;
	switch (kind) {
	case GFX:
		if (rs64) {
			h->common.header_version_major = 2;
			h->common.header_size_bytes = sizeof(h->gfx_v2_0);
			h->gfx_v2_0.ucode_feature_version = 1;
			h->gfx_v2_0.ucode_size_bytes = PAYLOAD / 2;
			h->gfx_v2_0.ucode_offset_bytes = payload;
			h->gfx_v2_0.data_size_bytes = PAYLOAD / 2;
			h->gfx_v2_0.data_offset_bytes = payload + PAYLOAD / 2;
			break;
		}
		h->common.header_size_bytes = sizeof(h->gfx);
		h->gfx.ucode_feature_version = 1;
		break;
	case RLC:
		h->common.header_version_major = 2;
		h->common.header_size_bytes = sizeof(h->rlc_v2_0);
		break;
	case IMU:
		h->common.header_size_bytes = sizeof(h->imu);
		h->imu.imu_iram_ucode_size_bytes = PAYLOAD / 2;
		h->imu.imu_dram_ucode_size_bytes = PAYLOAD / 2;
		break;
	case MES: {
		struct mes_firmware_header_v1_0 mes = {
			.header = h->common,
			.mes_ucode_version = version,
			.mes_ucode_size_bytes = 4096,
			.mes_ucode_offset_bytes = payload,
			.mes_ucode_data_version = version,
			.mes_ucode_data_size_bytes = 4096,
			.mes_ucode_data_offset_bytes = payload + 4096,
		};

		mes.header.header_size_bytes = sizeof(mes);
		mes.header.ucode_size_bytes = 8192;
		memcpy(h, &mes, sizeof(mes));
		memcpy((uint8_t *)h + MES_VERSION_AT, &version, sizeof(version));
		break;
	}
	case SDMA:
		h->common.header_version_major = 2;
		h->common.header_size_bytes = sizeof(h->sdma_v2_0);
		h->sdma_v2_0.ctx_ucode_size_bytes = PAYLOAD / 2;
		h->sdma_v2_0.ctl_ucode_offset = payload + PAYLOAD / 2;
		h->sdma_v2_0.ctl_ucode_size_bytes = PAYLOAD / 2;
		break;
	}
}

const char *vgpu_firmware_build(bool rs64, unsigned int i, void **buf, size_t *len)
{
	union amdgpu_firmware_header *h;
	size_t payload;

	/* raw[] makes it so; the MES version's place depends on it. */
	_Static_assert(sizeof(*h) == 256, "size of the firmware header union");
	*buf = NULL;
	if (i >= ARRAY_SIZE(files))
		return NULL;
	payload = files[i].kind == MES ? 8192 : PAYLOAD;
	*len = sizeof(*h) + payload;
	h = calloc(1, *len);
	if (h) {
		build(h, files[i].kind, files[i].version, rs64);
		h->common.size_bytes = *len;
	}
	*buf = h;
	return files[i].name;
}
