/* SPDX-License-Identifier: MIT */
/* NBIO, MP and the generated images, as the driver looks at them. */
#include <errno.h>
#include <stdlib.h>

#include "blocks.h"
#include "fake_host.h"
#include "hwregs.h"
#include "images.h"
#include "test.h"

#include "amdgpu_ucode.h"
#include "atomfirmware.h"
#include "discovery.h"
#include "nbio/nbio_4_3_0_offset.h"
#include "soc15_hw_ip.h"

#define VRAM	(4u << 20)

static const struct vgpu_block *const blocks[] = {
	&vgpu_block_nbio, &vgpu_block_mp, &vgpu_block_smu, NULL,
};

/* Byte offsets in the register BAR as the driver uses them. */
enum {
	MM_INDEX = 0x00, MM_DATA = 0x04, MM_INDEX_HI = 0x18,
	PCIE_INDEX2 = 0x38, PCIE_DATA2 = 0x3c, RSMU_INDEX = 0x50, RSMU_DATA = 0x54,
};

static uint32_t rd(struct fake_host *h, uint32_t byte)
{
	return vgpu_reg_read(h->dev, byte / 4);
}

static void wr(struct fake_host *h, uint32_t byte, uint32_t value)
{
	vgpu_reg_write(h->dev, byte / 4, value);
}

static void boot_values(void)
{
	static const struct {
		const char *name;
		uint32_t byte, mask, value;
	} rows[] = {
		{ "not a virtual function", 0x3794, ~0u, 0 },
		{ "memory size in MiB", 0x378c, ~0u, VRAM >> 20 },
		{ "revision", 0x34d8, ~0u, 0 },
		{ "HDP flush done", 0x389c, ~0u, ~0u },
		{ "board initialised", VREG(NBIO, regBIF_BX0_BIOS_SCRATCH_7) * 4, 0x200, 0x200 },
		{ "PSP boot loader ready", 0x58184, 0x80000000, 0x80000000 },
		{ "no secure OS", 0x58244, ~0u, 0 },
	};
	struct fake_host *h = fake_host_create(blocks, 4096, VRAM, false);
	size_t i;

	REQUIRE(h);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		test_row(rows[i].name);
		CHECK_EQ(rd(h, rows[i].byte) & rows[i].mask, rows[i].value);
	}
	CHECK_EQ(vgpu_counted(h->dev, VGPU_LOG_UNIMP), 0);
	fake_host_destroy(h);
}

static void vram_window(void)
{
	static const struct {
		const char *name;
		uint64_t addr;
		bool exists;
	} rows[] = {
		{ "start", 0, true },
		{ "last dword", VRAM - 4, true },
		{ "end", VRAM, false },
		{ "unaligned", 2, false },
		{ "beyond 2 GiB", 0x80000000, false },
		{ "highest", 0x7ffffffffffffffc, false },
	};
	struct fake_host *h = fake_host_create(blocks, 4096, VRAM, false);
	size_t i;

	REQUIRE(h);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		test_row(rows[i].name);
		wr(h, MM_INDEX, (uint32_t)rows[i].addr | 0x80000000);
		wr(h, MM_INDEX_HI, rows[i].addr >> 31);
		wr(h, MM_DATA, 0x1234 + i);
		CHECK_EQ(rd(h, MM_DATA), rows[i].exists ? 0x1234 + i : 0);
		if (rows[i].exists)
			CHECK_EQ(*(uint32_t *)(h->vram + rows[i].addr), 0x1234 + i);
	}
	fake_host_destroy(h);
}

static void index_pairs(void)
{
	static const struct {
		const char *name;
		uint32_t index, data, target;
	} rows[] = {
		{ "RSMU", RSMU_INDEX, RSMU_DATA, 0x141e900 },
		{ "PCIE2", PCIE_INDEX2, PCIE_DATA2, 0x3b10500 },
		{ "MM", MM_INDEX, MM_DATA, 0x120 },
	};
	struct fake_host *h = fake_host_create(blocks, 4096, VRAM, false);
	size_t i;

	REQUIRE(h);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		test_row(rows[i].name);
		wr(h, rows[i].index, rows[i].target);
		CHECK_EQ(rd(h, rows[i].index), rows[i].target);
		wr(h, rows[i].data, 77 + i);
		CHECK_EQ(rd(h, rows[i].data), 77 + i);
		CHECK_EQ(vgpu_reg_peek(h->dev, rows[i].target / 4), 77 + i);
		/* The pair on itself ends. */
		wr(h, rows[i].index, rows[i].data);
		wr(h, rows[i].data, 5);
		CHECK_EQ(rd(h, rows[i].data), 0);
	}
	/* A ring of pairs ends, too. */
	wr(h, MM_INDEX, RSMU_DATA);
	wr(h, RSMU_INDEX, PCIE_DATA2);
	wr(h, PCIE_INDEX2, MM_DATA);
	CHECK_EQ(rd(h, MM_DATA), 0);
	wr(h, RSMU_INDEX, 0x3b10024);
	CHECK_EQ(rd(h, RSMU_DATA) & 1, 1);
	fake_host_destroy(h);
}

static void time_stamp(void)
{
	struct fake_host *h = fake_host_create(blocks, 4096, VRAM, false);
	uint64_t a, b;

	REQUIRE(h);
	a = (uint64_t)rd(h, 0x5a8b4) << 32 | rd(h, 0x5a8b8);
	test_sleep_us(20000);
	b = (uint64_t)rd(h, 0x5a8b4) << 32 | rd(h, 0x5a8b8);
	CHECK(b - a >= 20 * VGPU_TSC_KHZ);
	CHECK(b - a < 2000 * VGPU_TSC_KHZ);
	fake_host_destroy(h);
}

static uint16_t sum(const uint8_t *p, size_t len)
{
	uint16_t s = 0;

	while (len--)
		s += *p++;
	return s;
}

/* The checks of amdgpu_discovery.c on the blob at the end of VRAM. */
static void discovery(void)
{
	struct fake_host *h = fake_host_create(blocks, 4096, VRAM, false);
	const binary_header *header;
	const ip_discovery_header *ip;
	const die_header *die;
	const uint8_t *blob, *p;
	uint32_t bases[1 << 8] = { 0 };
	unsigned int i;
	uint8_t small[64];

	REQUIRE(h);
	/* Reset restores what a guest overwrote. */
	memset(h->vram + VRAM - 65536, 0xff, 65536);
	vgpu_reset(h->dev);
	blob = h->vram + VRAM - 65536;
	header = (const void *)blob;
	CHECK_EQ(header->binary_signature, BINARY_SIGNATURE);
	CHECK_EQ(sum(blob + 10, header->binary_size - 10), header->binary_checksum);
	for (i = IP_DISCOVERY; i <= HARVEST_INFO; i++) {
		const table_info *t = &header->table_list[i];

		CHECK_EQ(sum(blob + t->offset, t->size), t->checksum);
	}
	ip = (const void *)(blob + header->table_list[IP_DISCOVERY].offset);
	CHECK_EQ(ip->signature, DISCOVERY_TABLE_SIGNATURE);
	CHECK_EQ(ip->version, 3);
	CHECK_EQ(ip->num_dies, 1);
	die = (const void *)(blob + ip->die_info[0].die_offset);
	p = (const uint8_t *)(die + 1);
	for (i = 0; i < die->num_ips; i++) {
		const ip_v3 *v = (const void *)p;

		CHECK(v->num_base_address > 0);
		if (v->hw_id < ARRAY_SIZE(bases))
			bases[v->hw_id] = v->num_base_address;
		p += sizeof(*v) + v->num_base_address * 4;
	}
	/* The IP list ends where the table does. */
	CHECK_EQ(p - blob, header->table_list[IP_DISCOVERY].offset + ip->size);
	CHECK_EQ(bases[GC_HWID], 4);
	CHECK_EQ(bases[NBIF_HWID], 6);
	CHECK_EQ(bases[MP1_HWID], 4);
	CHECK_EQ(vgpu_discovery_build(small, sizeof(small), 1), 0);
	fake_host_destroy(h);
}

/* As many SDMA engines as were asked for, numbered from 0. */
static void engines(void)
{
	uint8_t blob[4096] __attribute__((aligned(8)));
	const binary_header *header = (const void *)blob;
	const ip_discovery_header *ip;
	const die_header *die;
	unsigned int i, n, want;
	const uint8_t *p;

	for (want = 1; want <= 2; want++) {
		CHECK(vgpu_discovery_build(blob, sizeof(blob), want));
		ip = (const void *)(blob + header->table_list[IP_DISCOVERY].offset);
		die = (const void *)(blob + ip->die_info[0].die_offset);
		p = (const uint8_t *)(die + 1);
		for (i = n = 0; i < die->num_ips; i++) {
			const ip_v3 *v = (const void *)p;

			if (v->hw_id == SDMA0_HWID)
				CHECK_EQ(v->instance_number, n++);
			p += sizeof(*v) + v->num_base_address * 4;
		}
		CHECK_EQ(n, want);
		CHECK_EQ(p - blob, header->table_list[IP_DISCOVERY].offset + ip->size);
	}
}

static uint16_t get16(const uint8_t *p)
{
	return p[0] | p[1] << 8;
}

/* The checks of pci/rom.c, amdgpu_bios.c and atom.c. */
static void vbios(void)
{
	uint8_t rom[VGPU_VBIOS_SIZE];
	const struct atom_firmware_info_v3_1 *fw;
	const struct atom_gfx_info_v2_2 *gfx;
	unsigned int header, data, pcir, init;

	vgpu_vbios_build(rom);
	CHECK_EQ(get16(rom), 0xaa55);
	CHECK_EQ(rom[2] * 512, sizeof(rom));
	pcir = get16(rom + 0x18);
	CHECK_MEM(rom + pcir, "PCIR", 4);
	CHECK_EQ(get16(rom + pcir + 0x10) * 512, sizeof(rom));
	CHECK_EQ(rom[pcir + 0x15], 0x80);
	CHECK_MEM(rom + 0x30, " 761295520", 10);
	header = get16(rom + 0x48);
	CHECK_MEM(rom + header + 4, "ATOM", 4);
	data = get16(rom + header + 0x20);
	CHECK(get16(rom + data) >= 0x34);
	fw = (const void *)(rom + get16(rom + data + 4 + 4 * 2));
	CHECK_EQ(fw->table_header.format_revision, 3);
	CHECK_EQ(fw->bios_scratch_reg_startaddr,
		 VREG(NBIO, regBIF_BX0_BIOS_SCRATCH_0));
	CHECK_EQ(fw->firmware_capability, 0);
	gfx = (const void *)(rom + get16(rom + data + 4 + 14 * 2));
	CHECK_EQ(gfx->rlc_gpu_timer_refclk * 10, VGPU_TSC_KHZ);
	/* asic_init, the first command: resets the graphics core, and lets it go. */
	init = get16(rom + get16(rom + header + 0x1e) + 4);
	CHECK_EQ(get16(rom + init), 6 + 2 * 8 + 1);
	CHECK_MEM(rom + init + 6, ((uint8_t[]){ 1, 5, 0x08, 0x20, 1, 0, 0, 0,
						1, 5, 0x08, 0x20, 0, 0, 0, 0, 91 }), 17);
	/* No indirect I/O methods. */
	CHECK(rom[get16(rom + data + 0x32) + 4] != 1);
	CHECK_EQ(sum(rom, sizeof(rom)) & 0xff, 0);
}

static void firmware(void)
{
	static const struct {
		const char *name;
		uint16_t major, major_rs64;
		uint32_t version;	/* at least, for user queues */
	} rows[] = {
		{ "gc_11_0_0_pfp.bin", 1, 2, 3190 },
		{ "gc_11_0_0_me.bin", 1, 2, 3090 },
		{ "gc_11_0_0_mec.bin", 1, 2, 3450 },
		{ "gc_11_0_0_rlc.bin", 2, 2, 0 },
		{ "gc_11_0_0_imu.bin", 1, 1, 0 },
		{ "gc_11_0_0_mes_2.bin", 1, 1, 147 },
		{ "gc_11_0_0_mes1.bin", 1, 1, 147 },
		{ "sdma_6_0_0.bin", 2, 2, 27 },
	};
	const struct gfx_firmware_header_v2_0 *gfx;
	const struct common_firmware_header *h;
	const char *name;
	size_t i, k, len;
	bool rs64;
	void *buf;

	for (k = 0; k < 2 * ARRAY_SIZE(rows); k++) {
		i = k / 2;
		rs64 = k % 2;
		test_row(rows[i].name);
		name = vgpu_firmware_build(rs64, i, &buf, &len);
		REQUIRE(name && buf);
		CHECK(!strcmp(name, rows[i].name));
		h = buf;
		CHECK_EQ(h->size_bytes, len);
		CHECK_EQ(h->header_version_major,
			 rs64 ? rows[i].major_rs64 : rows[i].major);
		gfx = buf;
		if (rs64 && rows[i].major_rs64 != rows[i].major) {
			CHECK(gfx->ucode_size_bytes && gfx->data_size_bytes);
			CHECK(gfx->ucode_offset_bytes + gfx->ucode_size_bytes <=
			      gfx->data_offset_bytes);
			CHECK(gfx->data_offset_bytes + gfx->data_size_bytes <= len);
		}
		CHECK(h->ucode_version >= rows[i].version);
		CHECK(h->ucode_size_bytes > 0);
		CHECK(h->ucode_array_offset_bytes + h->ucode_size_bytes <= len);
		if (strstr(name, "mes"))
			CHECK_EQ(((uint32_t *)buf)[352 / 4] & 0xfff, 147);
		free(buf);
	}
	test_row(NULL);
	CHECK(!vgpu_firmware_build(false, ARRAY_SIZE(rows), &buf, &len));
}

static const struct test_case cases[] = {
	{ "boot-values", boot_values },
	{ "vram-window", vram_window },
	{ "index-pairs", index_pairs },
	{ "time-stamp", time_stamp },
	{ "discovery", discovery },
	{ "engines", engines },
	{ "vbios", vbios },
	{ "firmware", firmware },
};
TEST_MAIN(cases)
