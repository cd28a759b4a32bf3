/* SPDX-License-Identifier: MIT */
/* Queues: order, wrapping, waits, stopping, what a guest can do wrong. */
#include <errno.h>

#include "fake_host.h"
#include "fake_mem.h"
#include "queue.h"
#include "test.h"

#define RING	0x1000
#define RPTR	0x8000
#define WPTR	0x8008
#define SIZE_DW	64

/* Test packets: low byte is the length in dwords, 0xff.. are special. */
#define PKT_WAIT	0xf0	/* until the flag is set */
#define PKT_ERROR	0xf1
#define PKT_LONG	0xf2	/* claims more than there is */
#define PKT_SELF_STOP	0xf3

static const struct vgpu_block *const no_blocks[] = { NULL };
static uint64_t sum;
static bool flag;
static bool waiting;

static bool flag_set(void *arg)
{
	(void)arg;
	__atomic_store_n(&waiting, true, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&flag, __ATOMIC_SEQ_CST);
}

static int exec(struct vgpu_queue *q, void *priv, uint64_t rptr, uint64_t wptr)
{
	uint32_t dw[SIZE_DW], header = vgpu_queue_dword(q, rptr);
	unsigned int i, n = header & 0xff;
	int r;

	(void)priv;
	switch (n) {
	case PKT_WAIT:
		r = vgpu_queue_wait(q, flag_set, NULL);
		return r ? r : 1;
	case PKT_ERROR:
		return -EIO;
	case PKT_LONG:
		return 1000;
	case PKT_SELF_STOP:
		vgpu_queue_stop(q, NULL, NULL);
		return 1;
	}
	if (n > wptr - rptr)
		return 0;
	r = vgpu_queue_dwords(q, rptr, dw, n);
	if (r)
		return r;
	for (i = 1; i < n; i++)
		__atomic_fetch_add(&sum, dw[i], __ATOMIC_SEQ_CST);
	return n ? n : 1;
}

static uint64_t total(void)
{
	return __atomic_load_n(&sum, __ATOMIC_SEQ_CST);
}

static struct vgpu_queue_config config(void)
{
	fake_mem_reset();
	sum = 0;
	flag = waiting = false;
	return (struct vgpu_queue_config){
		.name = "test", .base = RING, .size_dw = SIZE_DW,
		.rptr_report = RPTR, .doorbell = 4, .exec = exec,
	};
}

static void put(uint64_t pos, uint32_t value)
{
	fake_mem_put32(RING + pos % SIZE_DW * 4, value);
}

static void runs_and_wraps(void)
{
	struct fake_host *h = fake_host_create(no_blocks, 4096, 1 << 20, false);
	struct vgpu_queue_config c = config();
	uint64_t pos = 0, expect = 0, rptr, wptr;
	struct vgpu_queue *q;
	unsigned int i;
	int err;

	REQUIRE(h);
	q = vgpu_queue_start(h->dev, &c, &err);
	REQUIRE(q);
	for (i = 0; i < 200; i++) {
		put(pos, 3);
		put(pos + 1, i);
		put(pos + 2, 1000);
		expect += i + 1000;
		pos += 3;
		vgpu_doorbell_ring(h->dev, 4, pos, 8);
		/* Let it run full at times: up to 16 packets behind. */
		if (i % 16 == 15)
			CHECK_SOON(fake_mem_get64(RPTR) == pos);
	}
	CHECK_SOON(total() == expect);
	vgpu_queue_stop(q, &rptr, &wptr);
	CHECK_EQ(rptr, 600);
	CHECK_EQ(wptr, 600);
	fake_host_destroy(h);
}

static void pointer_forms(void)
{
	static const struct {
		const char *name;
		unsigned int shift;
		bool wrapped;
		uint64_t start;
		uint64_t ring, reported;
	} rows[] = {
		{ "dwords", 0, false, 0, 2, 2 },
		{ "bytes", 2, false, 0, 8, 8 },
		{ "resumed", 2, false, 1000, 4008, 4008 },
		{ "reported wrapped", 0, true, 1000, 1002, 1002 % SIZE_DW },
		{ "written wrapped", 0, false, 1000, 1002 % SIZE_DW, 1002 },
		{ "behind: nearly a ring ahead", 0, false, 1001, 1000, 1064 },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fake_host *h = fake_host_create(no_blocks, 4096, 1 << 20,
						       false);
		struct vgpu_queue_config c = config();
		struct vgpu_queue *q;
		int err;

		test_row(rows[i].name);
		REQUIRE(h);
		c.rptr_shift = rows[i].shift;
		c.rptr_report_wrapped = rows[i].wrapped;
		c.rptr = c.wptr = rows[i].start;
		q = vgpu_queue_start(h->dev, &c, &err);
		REQUIRE(q);
		vgpu_doorbell_ring(h->dev, 4, rows[i].ring, 8);
		CHECK_SOON(fake_mem_get64(RPTR) == rows[i].reported);
		vgpu_queue_stop(q, NULL, NULL);
		fake_host_destroy(h);
	}
}

static void lost_doorbell(void)
{
	struct fake_host *h = fake_host_create(no_blocks, 4096, 1 << 20, false);
	struct vgpu_queue_config c = config();
	struct vgpu_queue *q;
	int err;

	REQUIRE(h);
	put(0, 2);
	put(1, 5);
	fake_mem_put64(WPTR, 2);
	c.wptr_poll = WPTR;
	q = vgpu_queue_start(h->dev, &c, &err);
	REQUIRE(q);
	CHECK_SOON(total() == 5);
	vgpu_queue_stop(q, NULL, NULL);
	fake_host_destroy(h);
}

static void incomplete_packet(void)
{
	struct fake_host *h = fake_host_create(no_blocks, 4096, 1 << 20, false);
	struct vgpu_queue_config c = config();
	struct vgpu_queue *q;
	int err;

	REQUIRE(h);
	q = vgpu_queue_start(h->dev, &c, &err);
	REQUIRE(q);
	put(0, 3);
	put(1, 5);
	vgpu_queue_kick(q, 2);
	test_sleep_us(2000);
	CHECK_EQ(total(), 0);
	put(2, 6);
	vgpu_queue_kick(q, 3);
	CHECK_SOON(total() == 11);
	vgpu_queue_stop(q, NULL, NULL);
	fake_host_destroy(h);
}

static void wait_and_stop(void)
{
	struct fake_host *h = fake_host_create(no_blocks, 4096, 1 << 20, false);
	struct vgpu_queue_config c = config();
	struct vgpu_queue *q;
	uint64_t rptr, wptr;
	int err;

	REQUIRE(h);
	q = vgpu_queue_start(h->dev, &c, &err);
	REQUIRE(q);
	put(0, PKT_WAIT);
	put(1, 2);
	put(2, 7);
	put(3, PKT_WAIT);
	flag = false;
	vgpu_queue_kick(q, 3);
	CHECK_SOON(__atomic_load_n(&waiting, __ATOMIC_SEQ_CST));
	CHECK_EQ(total(), 0);
	__atomic_store_n(&flag, true, __ATOMIC_SEQ_CST);
	CHECK_SOON(total() == 7);

	__atomic_store_n(&flag, false, __ATOMIC_SEQ_CST);
	__atomic_store_n(&waiting, false, __ATOMIC_SEQ_CST);
	vgpu_queue_kick(q, 4);
	CHECK_SOON(__atomic_load_n(&waiting, __ATOMIC_SEQ_CST));
	vgpu_queue_stop(q, &rptr, &wptr);
	CHECK_EQ(rptr, 3);
	CHECK_EQ(wptr, 4);
	/* The doorbell is free again. */
	q = vgpu_queue_start(h->dev, &c, &err);
	CHECK(q);
	if (q)
		vgpu_queue_stop(q, NULL, NULL);
	fake_host_destroy(h);
}

static void halts(void)
{
	static const struct {
		const char *name;
		uint32_t packet;
		uint64_t base, start;
	} rows[] = {
		{ "engine error", PKT_ERROR, RING, 0 },
		{ "length beyond the ring", PKT_LONG, RING, 0 },
		{ "ring unmapped", 0, FAKE_MEM_SIZE + 4096, 0 },
		/* it goes on where the ring begins */
		{ "rest of a packet unmapped", 3, -(uint64_t)SIZE_DW * 2, SIZE_DW - 1 },
	};
	size_t i, k;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fake_host *h = fake_host_create(no_blocks, 4096, 1 << 20,
						       false);
		struct vgpu_queue_config c = config();
		struct vgpu_queue *q;
		uint64_t rptr, at;
		int err;

		test_row(rows[i].name);
		REQUIRE(h);
		c.base = rows[i].base;
		c.rptr = c.wptr = rows[i].start;
		q = vgpu_queue_start(h->dev, &c, &err);
		REQUIRE(q);
		for (k = 0; k < 3; k++) {
			at = c.base + (rows[i].start + k) % SIZE_DW * 4;
			if (at < FAKE_MEM_SIZE)
				fake_mem_put32(at, k ? 7 : rows[i].packet);
		}
		vgpu_queue_kick(q, rows[i].start + 3);
		CHECK_SOON(vgpu_counted(h->dev, VGPU_LOG_GUEST) == 1);
		vgpu_queue_stop(q, &rptr, NULL);
		CHECK_EQ(rptr, rows[i].start);
		CHECK_EQ(total(), 0);
		fake_host_destroy(h);
	}
}

static void nothing(struct vgpu *dev, void *priv, uint32_t index, uint64_t value)
{
	(void)dev;
	(void)priv;
	(void)index;
	(void)value;
}

static void self_stop(void)
{
	struct fake_host *h = fake_host_create(no_blocks, 4096, 1 << 20, false);
	struct vgpu_queue_config c = config();
	struct vgpu_queue *q;
	int err, i;

	REQUIRE(h);
	q = vgpu_queue_start(h->dev, &c, &err);
	REQUIRE(q);
	put(0, PKT_SELF_STOP);
	vgpu_doorbell_ring(h->dev, 4, 1, 8);
	/* It unbinds its doorbell, which then can be had again. */
	for (i = 0; i < 20000; i++) {
		err = vgpu_doorbell_bind(h->dev, 4, nothing, NULL);
		if (!err)
			break;
		test_sleep_us(100);
	}
	CHECK_EQ(err, 0);
	/* The stopped thread ends by itself before the device goes. */
	test_sleep_us(50000);
	fake_host_destroy(h);
}

static void bad_config(void)
{
	static const struct {
		const char *name;
		uint32_t size_dw, doorbell;
		unsigned int shift;
		int err;
	} rows[] = {
		{ "no ring", 0, 4, 0, -EINVAL },
		{ "size not a power of two", 48, 4, 0, -EINVAL },
		{ "shift", 64, 4, 4, -EINVAL },
		{ "doorbell beyond BAR", 64, 1 << 19, 0, -EINVAL },
		{ "doorbell taken", 64, 4, 0, -EBUSY },
		{ "no doorbell", 64, UINT32_MAX, 0, 0 },
	};
	struct fake_host *h = fake_host_create(no_blocks, 4096, 1 << 20, false);
	struct vgpu_queue_config c = config();
	struct vgpu_queue *q, *first;
	size_t i;
	int err;

	REQUIRE(h);
	first = vgpu_queue_start(h->dev, &c, &err);
	REQUIRE(first);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		test_row(rows[i].name);
		c.size_dw = rows[i].size_dw;
		c.doorbell = rows[i].doorbell;
		c.rptr_shift = rows[i].shift;
		q = vgpu_queue_start(h->dev, &c, &err);
		CHECK_EQ(err, rows[i].err);
		CHECK_EQ(!q, !!rows[i].err);
		if (q)
			vgpu_queue_stop(q, NULL, NULL);
	}
	vgpu_queue_stop(first, NULL, NULL);
	fake_host_destroy(h);
}

static const struct test_case cases[] = {
	{ "runs-and-wraps", runs_and_wraps },
	{ "pointer-forms", pointer_forms },
	{ "lost-doorbell", lost_doorbell },
	{ "incomplete-packet", incomplete_packet },
	{ "wait-and-stop", wait_and_stop },
	{ "halts", halts },
	{ "self-stop", self_stop },
	{ "bad-config", bad_config },
};
TEST_MAIN(cases)
