/* SPDX-License-Identifier: MIT */
/*
 * The IP discovery blob: which IP blocks there are, their versions and where
 * their registers lie (include/discovery.h; read by amdgpu_discovery.c).
 *
 * Left out on purpose: display, video, PCIE, UMC.
 */
#include <string.h>

#include "hwregs.h"
#include "images.h"

#include "discovery.h"
#include "soc15_hw_ip.h"

#define MAX_BASES	6

struct ip_row {
	uint16_t hw_id;
	uint8_t major, minor, revision;
	uint8_t n;		/* as many as the highest base index used, plus 1 */
	uint32_t base[MAX_BASES];
};

#define BASES4(ip)	{ ip##_BASE(0), ip##_BASE(1), ip##_BASE(2), ip##_BASE(3) }

static const struct ip_row ips[] = {
	{ GC_HWID, 11, 0, 0, 4, BASES4(GC) },
	/* SDMA registers are GC's in this generation; only the count matters. */
	{ SDMA0_HWID, 6, 0, 0, 4, BASES4(GC) },
	{ MMHUB_HWID, 3, 0, 0, 1, { MMHUB_BASE(0) } },
	{ ATHUB_HWID, 3, 0, 0, 1, { ATHUB_BASE(0) } },
	{ OSSSYS_HWID, 6, 0, 0, 1, { OSSSYS_BASE(0) } },
	{ HDP_HWID, 6, 0, 0, 1, { HDP_BASE(0) } },
	{ NBIF_HWID, 4, 3, 0, 6, { NBIO_BASE(0), NBIO_BASE(1), NBIO_BASE(2),
				   NBIO_BASE(3), NBIO_BASE(4), NBIO_BASE(5) } },
	{ MP0_HWID, 13, 0, 0, 1, { MP0_BASE(0) } },
	/* Why 15.0.8: see smu.c. With no SMU the driver dereferences a NULL handle. */
	{ MP1_HWID, 15, 0, 8, 4, { MP1_BASE(0), MP1_BASE(1), MP1_BASE(2),
				   MP1_BASE(3) } },
	{ SMUIO_HWID, 13, 0, 6, 2, { SMUIO_BASE(0), SMUIO_BASE(1) } },
};

static uint16_t byte_sum(const void *buf, size_t len)
{
	const uint8_t *p = buf;
	uint16_t sum = 0;

	while (len--)
		sum += *p++;
	return sum;
}

/* Instance number @instance of the IP in @row. */
static uint8_t *put_ip(uint8_t *p, const struct ip_row *row, unsigned int instance)
{
	ip_v3 ip = {
		.hw_id = row->hw_id,
		.instance_number = instance,
		.num_base_address = row->n,
		.major = row->major,
		.minor = row->minor,
		.revision = row->revision,
	};

	memcpy(p, &ip, sizeof(ip));
	p += sizeof(ip);
	memcpy(p, row->base, row->n * sizeof(uint32_t));
	return p + row->n * sizeof(uint32_t);
}

static size_t put_ip_table(uint8_t *at, size_t offset, unsigned int sdma)
{
	ip_discovery_header *header = (void *)at;
	die_header *die = (void *)(header + 1);
	uint8_t *p = (uint8_t *)(die + 1);
	unsigned int k;
	size_t i;

	header->signature = DISCOVERY_TABLE_SIGNATURE;
	header->version = 3;
	header->num_dies = 1;
	header->die_info[0].die_offset = offset + ((uint8_t *)die - at);
	die->num_ips = ARRAY_SIZE(ips) + sdma - 1;
	for (i = 0; i < ARRAY_SIZE(ips); i++)
		for (k = 0; k < (ips[i].hw_id == SDMA0_HWID ? sdma : 1); k++)
			p = put_ip(p, &ips[i], k);
	header->size = p - at;
	return header->size;
}

/* One shader engine with one workgroup processor: the least the driver takes. */
static size_t put_gc_table(uint8_t *at)
{
	struct gc_info_v1_0 gc = {
		.header = {
			.table_id = GC_TABLE_ID,
			.version_major = 1,
			.size = sizeof(gc),
		},
		.gc_num_se = 1,
		.gc_num_wgp0_per_sa = 1,
		.gc_num_rb_per_se = 1,
		.gc_num_gl2c = 1,
		.gc_num_gprs = 1024,
		.gc_num_max_gs_thds = 32,
		.gc_gs_table_depth = 32,
		.gc_gsprim_buff_depth = 1792,
		.gc_parameter_cache_depth = 512,
		.gc_double_offchip_lds_buffer = 1,
		.gc_wave_size = 32,
		.gc_max_waves_per_simd = 16,
		.gc_max_scratch_slots_per_cu = 32,
		.gc_lds_size = 64,
		.gc_num_sc_per_se = 1,
		.gc_num_sa_per_se = 1,
		.gc_num_packer_per_sc = 1,
		.gc_num_gl2a = 1,
	};

	memcpy(at, &gc, sizeof(gc));
	return sizeof(gc);
}

static size_t put_harvest_table(uint8_t *at)
{
	harvest_table harvest = { .header.signature = HARVEST_TABLE_SIGNATURE };

	memcpy(at, &harvest, sizeof(harvest));
	return sizeof(harvest);
}

static void add_table(uint8_t *blob, table id, size_t *end, size_t size)
{
	binary_header *header = (void *)blob;

	header->table_list[id] = (table_info){
		.offset = *end,
		.checksum = byte_sum(blob + *end, size),
		.size = size,
	};
	*end += (size + 7) & ~7ul;
}

size_t vgpu_discovery_build(void *buf, size_t len, unsigned int sdma)
{
	uint8_t blob[4096] __attribute__((aligned(8))) = { 0 };
	const size_t summed = offsetof(binary_header, binary_checksum) +
			      sizeof(uint16_t);
	binary_header *header = (void *)blob;
	size_t end = (sizeof(*header) + 7) & ~7ul;

	_Static_assert(sizeof(ip_v3) + MAX_BASES * 4 < 64, "IP row is small");
	_Static_assert(sizeof(blob) > sizeof(*header) + (ARRAY_SIZE(ips) + 1) * 64 +
		       sizeof(struct gc_info_v1_0) + sizeof(harvest_table) + 256,
		       "blob buffer is large enough");
	header->binary_signature = BINARY_SIGNATURE;
	header->version_major = 1;
	add_table(blob, IP_DISCOVERY, &end, put_ip_table(blob + end, end, sdma));
	add_table(blob, GC, &end, put_gc_table(blob + end));
	add_table(blob, HARVEST_INFO, &end, put_harvest_table(blob + end));
	header->binary_size = end;
	header->binary_checksum = byte_sum(blob + summed, end - summed);
	if (end > len)
		return 0;
	memcpy(buf, blob, end);
	return end;
}
