/* SPDX-License-Identifier: MIT */
/*
 * A VBIOS image: an expansion ROM that satisfies PCI firmware and the driver's
 * ATOM parser (atom.c, amdgpu_bios.c, amdgpu_atomfirmware.c). It has one
 * command, asic_init, which the driver runs to bring the device up after it was reset.
 */
#include <string.h>

#include "hwregs.h"
#include "images.h"

#include "atomfirmware.h"
#include "gc/gc_11_0_0_offset.h"
#include "gc/gc_11_0_0_sh_mask.h"
#include "nbio/nbio_4_3_0_offset.h"

/* Where things lie in the image; those marked "fixed" the parser dictates. */
#define ROM_LENGTH	0x02	/* fixed: in units of 512 bytes */
#define ROM_ENTRY	0x03	/* fixed: where a PC BIOS jumps to */
#define ROM_PCIR_PTR	0x18	/* fixed (PCI 3.0, 6.3.1) */
#define ROM_ATI_MAGIC	0x30	/* fixed: ATOM_ATI_MAGIC_PTR in atom.h */
#define ROM_HEADER_PTR	0x48	/* fixed: ATOM_ROM_TABLE_PTR in atom.h */
#define ROM_DATE	0x50	/* fixed: OFFSET_TO_VBIOS_DATE in atom.h */
#define ROM_PART_NUMBER	0x80	/* fixed: OFFSET_TO_VBIOS_PART_NUMBER */
#define ROM_PCIR	0xb0
#define ROM_CONFIG_NAME	0x100
#define ROM_HEADER	0x200
#define ROM_COMMANDS	0x240
#define ROM_DATA	0x300
#define ROM_FIRMWARE	0x380
#define ROM_GFX		0x400
#define ROM_SMU		0x480
#define ROM_IIO		0x4c0
#define ROM_ASIC_INIT	0x4e0

/* Command tables, atom.h: ATOM_CT_CODE_PTR, and operations with their argument byte. */
#define COMMAND_CODE	6
#define OP_MOVE_REG	1
#define MOVE_IMM_DWORD	5	/* ATOM_ARG_IMM, ATOM_SRC_DWORD */
#define OP_END		91

/* The scratch registers' dword number; the driver learns it from here. */
#define SCRATCH_START	VREG(NBIO, regBIF_BX0_BIOS_SCRATCH_0)

static void put16(uint8_t *rom, unsigned int at, uint16_t value)
{
	rom[at] = value & 0xff;
	rom[at + 1] = value >> 8;
}

static void put_string(uint8_t *rom, unsigned int at, const char *s)
{
	memcpy(rom + at, s, strlen(s) + 1);
}

static void put_pci_header(uint8_t *rom)
{
	rom[0] = 0x55;
	rom[1] = 0xaa;
	rom[ROM_LENGTH] = VGPU_VBIOS_SIZE / 512;
	rom[ROM_ENTRY] = 0xcb;		/* RETF, should a BIOS run it */
	put16(rom, ROM_PCIR_PTR, ROM_PCIR);
	memcpy(rom + ROM_PCIR, "PCIR", 4);
	put16(rom, ROM_PCIR + 0x04, 0x1002);
	put16(rom, ROM_PCIR + 0x06, 0x744c);
	put16(rom, ROM_PCIR + 0x0a, 0x18);	/* length of this structure */
	rom[ROM_PCIR + 0x0e] = 0x80;		/* class: display, other */
	rom[ROM_PCIR + 0x0f] = 0x03;
	put16(rom, ROM_PCIR + 0x10, VGPU_VBIOS_SIZE / 512);
	rom[ROM_PCIR + 0x15] = 0x80;		/* last image */
}

/*
 * Version 2.1 of the command, as amdgpu_atomfirmware_asic_init() wants it.
 *
 * It stops whatever the graphics core does. Mode 1, the driver's reset of boards without
 * an integrated SMU, has no other effect on this device: the secure processor would do
 * it, and when firmware is loaded directly the driver talks to none (psp_gpu_reset()).
 */
static void put_asic_init(uint8_t *rom)
{
	static const uint8_t values[] = { GRBM_SOFT_RESET__SOFT_RESET_CP_MASK, 0 };
	const struct atom_common_table_header header = {
		COMMAND_CODE + sizeof(values) * 8 + 1, 2, 1
	};
	unsigned int i, at = ROM_ASIC_INIT + COMMAND_CODE;
	const unsigned int slot = sizeof(header) +
		offsetof(struct atom_master_list_of_command_functions_v2_1,
			 asic_init);

	put16(rom, ROM_COMMANDS + slot, ROM_ASIC_INIT);
	memcpy(rom + ROM_ASIC_INIT, &header, sizeof(header));
	/* No workspace, no parameters (zero). */
	for (i = 0; i < sizeof(values); i++) {
		rom[at] = OP_MOVE_REG;
		rom[at + 1] = MOVE_IMM_DWORD;
		put16(rom, at + 2, VREG(GC, regGRBM_SOFT_RESET));
		put16(rom, at + 4, values[i]);
		put16(rom, at + 6, 0);
		at += 8;
	}
	rom[at] = OP_END;
}

static void put_tables(uint8_t *rom)
{
	struct atom_rom_header_v2_2 header = {
		.table_header = { sizeof(header), 2, 2 },
		.atom_bios_string = { 'A', 'T', 'O', 'M' },
		.configfilenameoffset = ROM_CONFIG_NAME,
		.masterhwfunction_offset = ROM_COMMANDS,
		.masterdatatable_offset = ROM_DATA,
	};
	struct atom_common_table_header commands = {
		.structuresize = ROM_DATA - ROM_COMMANDS,
		.format_revision = 2,
		.content_revision = 1,
	};
	struct {
		struct atom_common_table_header header;
		struct atom_master_list_of_data_tables_v2_1 list;
	} __packed data = {
		.header = { sizeof(data), 2, 1 },
		.list = {
			.firmwareinfo = ROM_FIRMWARE,
			.gfx_info = ROM_GFX,
			.smu_info = ROM_SMU,
			/* Its first byte is not ATOM_IIO_START: no methods. */
			.indirectioaccess = ROM_IIO,
		},
	};
	struct atom_firmware_info_v3_1 firmware = {
		.table_header = { sizeof(firmware), 3, 1 },
		.firmware_revision = 1,
		.bootup_sclk_in10khz = 50000,
		.bootup_mclk_in10khz = 100000,
		.bios_scratch_reg_startaddr = SCRATCH_START,
	};
	struct atom_gfx_info_v2_2 gfx = {
		.table_header = { sizeof(gfx), 2, 2 },
		.max_shader_engines = 1,
		.max_cu_per_sh = 2,
		.max_sh_per_se = 1,
		.max_backends_per_se = 1,
		.rlc_gpu_timer_refclk = VGPU_TSC_KHZ / 10,
	};
	struct atom_smu_info_v3_1 smu = {
		.table_header = { sizeof(smu), 3, 1 },
		.core_refclk_10khz = VGPU_TSC_KHZ / 10,
	};

	_Static_assert(ROM_HEADER + sizeof(header) <= ROM_COMMANDS, "overlap");
	_Static_assert(ROM_DATA + sizeof(data) <= ROM_FIRMWARE, "overlap");
	_Static_assert(ROM_FIRMWARE + sizeof(firmware) <= ROM_GFX, "overlap");
	_Static_assert(ROM_GFX + sizeof(gfx) <= ROM_SMU, "overlap");
	_Static_assert(ROM_SMU + sizeof(smu) <= ROM_IIO, "overlap");
	memcpy(rom + ROM_HEADER, &header, sizeof(header));
	memcpy(rom + ROM_COMMANDS, &commands, sizeof(commands));
	memcpy(rom + ROM_DATA, &data, sizeof(data));
	memcpy(rom + ROM_FIRMWARE, &firmware, sizeof(firmware));
	memcpy(rom + ROM_GFX, &gfx, sizeof(gfx));
	memcpy(rom + ROM_SMU, &smu, sizeof(smu));
	put16(rom, ROM_IIO, 8);
	put_asic_init(rom);
}

void vgpu_vbios_build(uint8_t rom[VGPU_VBIOS_SIZE])
{
	uint8_t sum = 0;
	unsigned int i;

	memset(rom, 0, VGPU_VBIOS_SIZE);
	put_pci_header(rom);
	put_string(rom, ROM_ATI_MAGIC, " 761295520");
	put16(rom, ROM_HEADER_PTR, ROM_HEADER);
	put_string(rom, ROM_DATE, "01/01/26 00:00");
	put_string(rom, ROM_PART_NUMBER, "VGPU-NAVI31");
	/* Two strings, the second (the change list) empty. */
	put_string(rom, ROM_CONFIG_NAME, "virtual");
	put_tables(rom);
	/* The bytes of an expansion ROM add up to zero. */
	for (i = 0; i < VGPU_VBIOS_SIZE; i++)
		sum += rom[i];
	rom[VGPU_VBIOS_SIZE - 1] = -sum;
}
