/* SPDX-License-Identifier: MIT */
/* Register file, doorbells, counters, life of the device. */
#include <errno.h>
#include <pthread.h>

#include "fake_host.h"
#include "test.h"

static uint32_t last_write;

static uint32_t read_reg(struct vgpu *dev, void *priv, uint32_t reg)
{
	(void)dev;
	(void)priv;
	return reg + 1;
}

static void write_reg(struct vgpu *dev, void *priv, uint32_t reg, uint32_t value)
{
	(void)priv;
	last_write = value;
	vgpu_reg_poke(dev, reg, ~value);
}

static const struct vgpu_reg_range ranges[] = {
	{ .first = 0x100, .last = 0x10f, .reset = 7 },
	{ .first = 0x104, .last = 0x105, .read = read_reg },
	{ .first = 0x106, .last = 0x106, .write = write_reg, .reset = 9 },
	{ .first = 0x500000, .last = 0x500003, .reset = 5 },
	{ .first = 0x500002, .last = 0x500002, .read = read_reg },
};

static int resets;

static int block_init(struct vgpu *dev, void **priv)
{
	*priv = &resets;
	return vgpu_reg_register(dev, ranges, sizeof(ranges) / sizeof(ranges[0]),
				 NULL);
}

static void block_reset(struct vgpu *dev, void *priv)
{
	(void)dev;
	(*(int *)priv)++;
}

static const struct vgpu_block block = {
	.name = "test", .init = block_init, .reset = block_reset,
};
static const struct vgpu_block *const blocks[] = { &block, NULL };

static void registers(void)
{
	static const struct {
		const char *name;
		uint32_t reg;
		uint32_t write;
		uint32_t reset, then;
		unsigned int unknown;
	} rows[] = {
		{ "storage", 0x100, 3, 7, 3, 0 },
		{ "storage, last", 0x10f, 3, 7, 3, 0 },
		{ "read handler", 0x104, 3, 0x105, 0x105, 0 },
		{ "write handler", 0x106, 3, 9, ~3u, 0 },
		{ "unknown", 0x110, 3, 0, 3, 3 },
		{ "last of BAR", 0x1ffff, 3, 0, 3, 3 },
		{ "sparse unknown", 0x20000, 3, 0, 3, 3 },
		{ "sparse storage", 0x500000, 3, 5, 3, 0 },
		{ "sparse handler over storage", 0x500002, 3, 0x500003, 0x500003, 0 },
		{ "highest", 0xffffffff, 3, 0, 3, 3 },
	};
	struct fake_host *h = fake_host_create(blocks, 4096, 1 << 20, false);
	uint64_t before;
	size_t i;

	REQUIRE(h);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		test_row(rows[i].name);
		before = vgpu_counted(h->dev, VGPU_LOG_UNIMP);
		CHECK_EQ(vgpu_reg_read(h->dev, rows[i].reg), rows[i].reset);
		vgpu_reg_write(h->dev, rows[i].reg, rows[i].write);
		CHECK_EQ(vgpu_reg_read(h->dev, rows[i].reg), rows[i].then);
		CHECK_EQ(vgpu_counted(h->dev, VGPU_LOG_UNIMP) - before,
			 rows[i].unknown);
		vgpu_reset(h->dev);
		CHECK_EQ(vgpu_reg_read(h->dev, rows[i].reg), rows[i].reset);
	}
	test_row(NULL);
	CHECK_EQ(last_write, 3);
	CHECK(resets >= 1);
	fake_host_destroy(h);
}

static void range_errors(void)
{
	static const struct {
		const char *name;
		struct vgpu_reg_range range;
		int result;
	} rows[] = {
		{ "storage over handler", { 0x100, 0x106, NULL, NULL, 0 }, 0 },
		{ "handler over handler", { 0x103, 0x104, read_reg, NULL, 0 }, -EEXIST },
		{ "backwards", { 5, 4, NULL, NULL, 0 }, -EINVAL },
		{ "huge", { 0, 0xffffffff, read_reg, NULL, 0 }, -EINVAL },
	};
	struct fake_host *h = fake_host_create(blocks, 4096, 1 << 20, false);
	size_t i;

	REQUIRE(h);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		test_row(rows[i].name);
		CHECK_EQ(vgpu_reg_register(h->dev, &rows[i].range, 1, NULL),
			 rows[i].result);
	}
	CHECK_EQ(vgpu_reg_read(h->dev, 0x104), 0x105);
	fake_host_destroy(h);
}

static void sparse_is_bounded(void)
{
	static const struct vgpu_block *const none[] = { NULL };
	struct fake_host *h = fake_host_create(none, 4096, 1 << 20, false);
	uint32_t i;

	REQUIRE(h);
	for (i = 0; i < 70000; i++)
		vgpu_reg_poke(h->dev, 0x1000000 + i * 16, i);
	CHECK_EQ(vgpu_reg_peek(h->dev, 0x1000000 + 60000 * 16), 60000);
	CHECK(vgpu_counted(h->dev, VGPU_LOG_ERROR) > 0);
	fake_host_destroy(h);
}

static void names(void)
{
	static const struct {
		uint32_t reg;
		const char *name;
	} rows[] = {
		{ 0x30100 / 4, "GC:SCRATCH_REG0" },
		{ 0xde3, "NBIO:RCC_DEV0_EPF0_RCC_CONFIG_MEMSIZE" },
		{ 0x16061, "MP0:MP0_SMN_C2PMSG_33" },
		{ 0x4484 / 4, "OSSSYS:IH_RB_BASE" },
		{ 0xfffffff0, "0xfffffff0" },
	};
	char buf[64];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		test_row(rows[i].name);
		vgpu_reg_name(rows[i].reg, buf, sizeof(buf));
		if (strcmp(buf, rows[i].name))
			test_fail(__FILE__, __LINE__, "is called %s", buf);
	}
}

static uint64_t rung;

static void bell(struct vgpu *dev, void *priv, uint32_t index, uint64_t value)
{
	(void)dev;
	(void)priv;
	rung = value + index;
}

static void doorbells(void)
{
	struct fake_host *h = fake_host_create(blocks, 4096, 1 << 20, false);

	REQUIRE(h);
	CHECK_EQ(vgpu_doorbell_bind(h->dev, 5, bell, NULL), 0);
	CHECK_EQ(vgpu_doorbell_bind(h->dev, 5, bell, NULL), -EBUSY);
	CHECK_EQ(vgpu_doorbell_bind(h->dev, 1 << 19, bell, NULL), -EINVAL);
	vgpu_doorbell_ring(h->dev, 5, 1ull << 40, 8);
	CHECK_EQ(rung, (1ull << 40) + 5);
	vgpu_doorbell_unbind(h->dev, 5);
	vgpu_doorbell_ring(h->dev, 5, 1, 4);
	vgpu_doorbell_ring(h->dev, UINT32_MAX, 1, 4);
	CHECK_EQ(rung, (1ull << 40) + 5);
	CHECK_EQ(vgpu_counted_event(h->dev, "core: doorbells without a queue"), 2);
	CHECK_EQ(vgpu_doorbell_bind(h->dev, 5, bell, NULL), 0);
	fake_host_destroy(h);
}

static void counters(void)
{
	struct fake_host *h = fake_host_create(blocks, 4096, 1 << 20, false);
	int i;

	REQUIRE(h);
	for (i = 0; i < 10; i++)
		vgpu_count(h->dev, VGPU_LOG_GUEST, "event %d", i % 2);
	/* Three as they are, one that says it was the last. */
	CHECK_EQ(fake_host_logs(h, VGPU_LOG_GUEST), 8);
	CHECK_EQ(vgpu_counted(h->dev, VGPU_LOG_GUEST), 10);
	CHECK_EQ(vgpu_counted_event(h->dev, "event 1"), 5);
	for (i = 0; i < 6000; i++)
		vgpu_count(h->dev, VGPU_LOG_GUEST, "name %d", i);
	CHECK_EQ(vgpu_counted(h->dev, VGPU_LOG_GUEST), 6010);
	/* Many names of one level neither hide nor change what others count. */
	vgpu_count(h->dev, VGPU_LOG_UNIMP, "one more");
	CHECK_EQ(vgpu_counted(h->dev, VGPU_LOG_UNIMP), 1);
	CHECK_EQ(vgpu_counted_event(h->dev, "one more"), 1);
	CHECK_EQ(vgpu_counted(h->dev, VGPU_LOG_GUEST), 6010);
	vgpu_stat(h->dev, "stat", 1ull << 40);
	vgpu_stat(h->dev, "stat", 2);
	fake_host_destroy(h);
}

static int fail_init(struct vgpu *dev, void **priv)
{
	(void)dev;
	(void)priv;
	return -ENODEV;
}

static void failing_block(void)
{
	static const struct vgpu_block bad = { .name = "bad", .init = fail_init };
	static const struct vgpu_block *const list[] = { &block, &bad, NULL };

	CHECK(!fake_host_create(list, 4096, 1 << 20, false));
}

static const struct test_case cases[] = {
	{ "registers", registers },
	{ "range-errors", range_errors },
	{ "sparse-is-bounded", sparse_is_bounded },
	{ "names", names },
	{ "doorbells", doorbells },
	{ "counters", counters },
	{ "failing-block", failing_block },
};
TEST_MAIN(cases)
