/* SPDX-License-Identifier: MIT */
/* The SMU's mailbox, as smu_cmn.c of the driver uses it. */
#include "blocks.h"
#include "fake_host.h"
#include "fake_mem.h"
#include "hwregs.h"
#include "test.h"

#include "mp/mp_15_0_8_offset.h"
#include "smu_v15_0_8_pmfw.h"
#include "smu_v15_0_8_ppsmc.h"

#define MSG	VREG(MP1, regMP1_SMN_C2PMSG_40)
#define RESP	VREG(MP1, regMP1_SMN_C2PMSG_41)
#define ARG	VREG(MP1, regMP1_SMN_C2PMSG_42)
#define TABLES	0x3000
#define UNTOUCHED	0x55

static const struct vgpu_block *const blocks[] = { &vgpu_block_smu, NULL };

static uint32_t response(struct fake_host *h)
{
	return vgpu_reg_read(h->dev, RESP);
}

/* As __smu_msg_v1_send() and the poll after it; returns the response. */
static uint32_t send(struct fake_host *h, uint32_t message, uint32_t low, uint32_t high)
{
	vgpu_reg_write(h->dev, RESP, 0);
	vgpu_reg_write(h->dev, ARG, low);
	vgpu_reg_write(h->dev, ARG + 1, high);
	vgpu_reg_write(h->dev, MSG, message);
	CHECK_SOON(response(h));
	return response(h);
}

static void messages(void)
{
	static const struct {
		const char *name;
		uint32_t message, response, argument;
	} rows[] = {
		{ "test", PPSMC_MSG_TestMessage, 1, UNTOUCHED },
		{ "version", PPSMC_MSG_GetSmuVersion, 1, 0x540000 },
		{ "interface version", PPSMC_MSG_GetDriverIfVersion, 1, 0x7d0000 },
		{ "features", PPSMC_MSG_GetEnabledSmuFeatures, 1, 0 },
		{ "metrics version", PPSMC_MSG_GetMetricsVersion, 1, SMU_METRICS_TABLE_VERSION },
		{ "no reset but mode 2", PPSMC_MSG_GfxDriverReset, 0xfe, UNTOUCHED },
		{ "table without an address", PPSMC_MSG_GetMetricsTable, 0xfd, UNTOUCHED },
		{ "not modelled", PPSMC_MSG_ResetSDMA, 0xfe, UNTOUCHED },
		{ "zero", 0, 0xfe, UNTOUCHED },
		{ "unknown", PPSMC_Message_Count, 0xfe, UNTOUCHED },
		{ "highest", UINT32_MAX, 0xfe, UNTOUCHED },
	};
	struct fake_host *h = fake_host_create(blocks, 4096, 4096, false);
	size_t i;

	REQUIRE(h);
	CHECK_EQ(response(h), 1);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		test_row(rows[i].name);
		CHECK_EQ(send(h, rows[i].message, UNTOUCHED, 0), rows[i].response);
		CHECK_EQ(vgpu_reg_read(h->dev, ARG), rows[i].argument);
	}
	CHECK_EQ(vgpu_reg_read(h->dev, 0x3b10024 / 4), 1);
	fake_host_destroy(h);
}

/* A limit that was set is the one that is read, until a reset. */
static void power_limit(void)
{
	static const struct {
		const char *name;
		uint32_t set, response, limit;
	} rows[] = {
		{ "lower", 60, 1, 60 },
		{ "beyond the highest", 101, 0xfd, 60 },
		{ "back", 100, 1, 100 },
		{ "none", 0, 1, 0 },
	};
	struct fake_host *h = fake_host_create(blocks, 4096, 4096, false);
	size_t i;

	REQUIRE(h);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		test_row(rows[i].name);
		CHECK_EQ(send(h, PPSMC_MSG_SetPptLimit, rows[i].set, 0), rows[i].response);
		CHECK_EQ(send(h, PPSMC_MSG_GetPptLimit, UNTOUCHED, 0), 1);
		CHECK_EQ(vgpu_reg_read(h->dev, ARG), rows[i].limit);
	}
	test_row("reset");
	vgpu_reset(h->dev);
	CHECK_EQ(send(h, PPSMC_MSG_GetPptLimit, UNTOUCHED, 0), 1);
	CHECK_EQ(vgpu_reg_read(h->dev, ARG), 100);
	fake_host_destroy(h);
}

static void tables(void)
{
	static const struct {
		const char *name;
		uint32_t message;
		size_t size;
	} rows[] = {
		{ "static", PPSMC_MSG_GetStaticMetricsTable, sizeof(StaticMetricsTable_t) },
		{ "metrics", PPSMC_MSG_GetMetricsTable, sizeof(MetricsTable_t) },
		{ "system", PPSMC_MSG_GetSystemMetricsTable, sizeof(SystemMetricsTable_t) },
	};
	const StaticMetricsTable_t *t = (void *)(fake_mem + TABLES);
	struct fake_host *h;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		test_row(rows[i].name);
		h = fake_host_create(blocks, 4096, 4096, false);
		REQUIRE(h);
		fake_mem_reset();
		memset(fake_mem, 0xff, 2 * TABLES);
		CHECK_EQ(send(h, PPSMC_MSG_SetDriverDramAddr, TABLES, 0), 1);
		CHECK_EQ(send(h, rows[i].message, 0, 0), 1);
		CHECK_EQ(fake_mem_seen.client.vmid, 0);
		CHECK_EQ(fake_mem_seen.client.hub, VGPU_HUB_MM);
		/* All of it was written, and nothing else. */
		CHECK_EQ(fake_mem[TABLES - 1], 0xff);
		CHECK_EQ(fake_mem[TABLES + rows[i].size - 1], 0);
		CHECK_EQ(fake_mem[TABLES + rows[i].size], 0xff);
		if (!i) {
			CHECK_EQ(t->MaxGfxclkFrequency, t->MinGfxclkFrequency);
			CHECK_EQ(t->PPT1Max, 0);
		}
		test_row("table beyond memory");
		CHECK_EQ(send(h, PPSMC_MSG_SetDriverDramAddr, 0, 1), 1);
		CHECK_EQ(send(h, rows[i].message, 0, 0), 0xff);
		test_row("address forgotten by a reset");
		vgpu_reset(h->dev);
		CHECK_EQ(send(h, rows[i].message, 0, 0), 0xfd);
		fake_host_destroy(h);
	}
}

/* A message before the answer to the last one: counted, and the device lives on. */
static void impatient(void)
{
	struct fake_host *h = fake_host_create(blocks, 4096, 4096, false);
	unsigned int i;

	REQUIRE(h);
	for (i = 0; i < 1000; i++)
		vgpu_reg_write(h->dev, MSG, PPSMC_MSG_TestMessage);
	CHECK(vgpu_counted(h->dev, VGPU_LOG_GUEST));
	vgpu_reset(h->dev);
	CHECK_EQ(send(h, PPSMC_MSG_TestMessage, 0, 0), 1);
	fake_host_destroy(h);
}

static const struct test_case cases[] = {
	{ "messages", messages },
	{ "power-limit", power_limit },
	{ "tables", tables },
	{ "impatient", impatient },
};
TEST_MAIN(cases)
