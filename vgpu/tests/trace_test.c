/* SPDX-License-Identifier: MIT */
/* Lines of the trace: packets and frames in words, and what of it is shown. */
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "blocks.h"
#include "catalogue.h"
#include "mes_internal.h"
#include "pm4_internal.h"
#include "record.h"
#include "report.h"
#include "sdma.h"
#include "trace.h"
#include "gc/gc_11_0_0_offset.h"
#include "ivsrcid/gfx/irqsrcs_gfx_11_0_0.h"
#include "nvd.h"
#include "sdma_v6_0_0_pkt_open.h"
#include "soc15_ih_clientid.h"

#define PKT3(op, count)	(3u << 30 | (uint32_t)(count) << 16 | (op) << 8)
#define LO	0x00001000
#define HI	0x80

static void check_text(const char *got, const char *want)
{
	if (strcmp(got, want))
		test_fail(__FILE__, __LINE__, "\"%s\", not \"%s\"", got, want);
}

/* ---- PM4 ---- */

static const struct pm4_row {
	uint32_t p[12];
	unsigned int n;
	const char *text;
} pm4_rows[] = {
	{ { PKT3(PACKET3_WRITE_DATA, 3), 5 << 8, LO, HI, 7 }, 5,
	  "WRITE_DATA mem 0x8000001000 <- 0x7" },
	{ { PKT3(PACKET3_WRITE_DATA, 3), 0, VREG(GC, regSCRATCH_REG0), 0, 7 }, 5,
	  "WRITE_DATA GC:SCRATCH_REG0 <- 0x7" },
	{ { PKT3(PACKET3_WRITE_DATA, 8), 5 << 8, LO, HI, 1, 2, 3, 4, 5, 6 }, 10,
	  "WRITE_DATA mem 0x8000001000 <- 0x1 0x2 0x3 0x4 ... (6 dwords)" },
	{ { PKT3(PACKET3_WRITE_DATA, 1), 5 << 8, LO }, 3,
	  "WRITE_DATA, too short: 3 dw" },
	{ { PKT3(PACKET3_COPY_DATA, 4), 0 | 5 << 8, VREG(GC, regSCRATCH_REG0), 0, LO, HI }, 6,
	  "COPY_DATA GC:SCRATCH_REG0 -> mem 0x8000001000" },
	{ { PKT3(PACKET3_COPY_DATA, 4), 5 | 1 << 16, 9, 0, VREG(GC, regSCRATCH_REG0), 0 }, 6,
	  "COPY_DATA 64 bits 0x9 -> GC:SCRATCH_REG0" },
	{ { PKT3(PACKET3_DMA_DATA, 5), 0, LO, HI, 0, 1, 4096 }, 7,
	  "DMA_DATA 4096 bytes 0x8000001000 -> 0x100000000" },
	{ { PKT3(PACKET3_DMA_DATA, 5), 2u << 29, 0xdead, 0, LO, HI, 64 }, 7,
	  "DMA_DATA 64 bytes of 0xdead -> 0x8000001000" },
	{ { PKT3(PACKET3_ATOMIC_MEM, 7), 0x2f, LO, HI, 1, 0, 2, 0, 0 }, 9,
	  "ATOMIC_MEM op 0x2f at 0x8000001000 data 0x1 compare 0x2" },
	{ { PKT3(PACKET3_RELEASE_MEM, 6), 0, 1u << 29 | 2 << 24, LO, HI, 5, 0, 0 }, 8,
	  "RELEASE_MEM 0x8000001000 <- 32 bits 0x5, interrupt" },
	{ { PKT3(PACKET3_WAIT_REG_MEM, 5), 3 | 1 << 4, LO, HI, 5, 0xff, 4 }, 7,
	  "WAIT_REG_MEM until mem 0x8000001000 & 0xff == 0x5" },
	{ { PKT3(PACKET3_WAIT_REG_MEM, 5), 3 | 1 << 6, VREG(GC, regSCRATCH_REG0),
	    VREG(GC, regSCRATCH_REG1), 1, 1, 4 }, 7,
	  "WAIT_REG_MEM GC:SCRATCH_REG0 <- 0x1, until GC:SCRATCH_REG1 & 0x1 == 0x1" },
	{ { PKT3(PACKET3_INDIRECT_BUFFER, 2), LO, HI, 16 | 3 << 24 }, 4,
	  "INDIRECT_BUFFER 0x8000001000, 16 dw, vmid 3" },
	{ { PKT3(PACKET3_COND_EXEC, 3), LO, HI, 0, 4 }, 5,
	  "COND_EXEC unless mem 0x8000001000: skip 4 dw" },
	{ { PKT3(PACKET3_SET_UCONFIG_REG, 1), VREG(GC, regSCRATCH_REG0) - 0xc000, 3 }, 3,
	  "SET_UCONFIG_REG GC:SCRATCH_REG0 <- 0x3" },
	{ { PKT3(PACKET3_MAP_QUEUES, 5), 4u << 26 | 1 << 16, 0x20 << 2, LO, HI, 0, 0 }, 7,
	  "MAP_QUEUES engine 4 queue 0.1.0, doorbell 0x20, MQD 0x8000001000" },
	{ { PKT3(PACKET3_UNMAP_QUEUES, 4), 1 | 1u << 29, 0x20 << 2, 0, 0, 0 }, 6,
	  "UNMAP_QUEUES reset, engine 0, 1 queues, doorbell 0x20" },
	{ { PKT3(PACKET3_INVALIDATE_TLBS, 0), 9 << 5 }, 2, "INVALIDATE_TLBS pasid 9" },
	{ { PKT3(PACKET3_CLEAR_STATE, 0), 0 }, 2, "CLEAR_STATE (no effect)" },
	{ { PKT3(PACKET3_DISPATCH_DIRECT, 3), 0 }, 5, "DISPATCH_DIRECT: not modelled" },
	{ { PKT3(0xff, 0), 0 }, 2, "0xff: no such packet" },
};

static void pm4(void)
{
	char text[256], small[8];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(pm4_rows); i++) {
		test_row(pm4_rows[i].text);
		pm4_decode(pm4_rows[i].p, pm4_rows[i].n, text, sizeof(text));
		check_text(text, pm4_rows[i].text);
	}
	test_row(NULL);
	/* What does not fit is cut, here as anywhere. */
	pm4_decode(pm4_rows[0].p, pm4_rows[0].n, small, sizeof(small));
	check_text(small, "WRITE_D");
}

/* ---- SDMA ---- */

static const struct sdma_row {
	const char *name;
	uint32_t p[SDMA_MAX_DW];
	const char *text;
} sdma_rows[] = {
	{ "COPY_LINEAR", { SDMA_OP_COPY, 4095, 0, LO, HI, 0, 1 },
	  "COPY_LINEAR 4096 bytes 0x8000001000 -> 0x100000000" },
	{ "WRITE_LINEAR", { SDMA_OP_WRITE, LO, HI, 1, 7, 8 },
	  "WRITE_LINEAR 0x8000001000 <- 0x7 ... (2 dwords)" },
	{ "INDIRECT", { SDMA_OP_INDIRECT | 5 << 16, LO, HI, 32 },
	  "INDIRECT 0x8000001000, 32 dw, vmid 5" },
	{ "FENCE", { SDMA_OP_FENCE, LO, HI, 3 }, "FENCE 0x8000001000 <- 0x3" },
	{ "PROTECTED_FENCE", { SDMA_OP_FENCE | 3 << 8 }, "PROTECTED_FENCE" },
	{ "TRAP", { SDMA_OP_TRAP, 2 }, "TRAP context 0x2" },
	{ "POLL_REGMEM", { SDMA_OP_POLL_REGMEM | 3u << 28 | 1u << 31, LO, HI, 1, 0xff },
	  "POLL_REGMEM until mem 0x8000001000 & 0xff == 0x1" },
	{ "POLL_REGMEM", { SDMA_OP_POLL_REGMEM | 3u << 28, VREG(GC, regSCRATCH_REG0) << 2, 0,
	    1, 3 }, "POLL_REGMEM until GC:SCRATCH_REG0 & 0x3 == 0x1" },
	{ "VM_INVALIDATION", { SDMA_OP_POLL_REGMEM | SDMA_SUBOP_VM_INVALIDATION << 8 |
	    4 << 16 | 0x1f << 24, 0x10, 0, 0x10 },
	  "VM_INVALIDATION engine 4 of GC, 31 of MM, request 0x10, until 0x10" },
	{ "COND_EXE", { SDMA_OP_COND_EXE, LO, HI, 1, 8 },
	  "COND_EXE if mem 0x8000001000 is not 0x1: skip 8 dw" },
	{ "CONST_FILL", { SDMA_OP_CONST_FILL, LO, HI, 0xaa, 255 },
	  "CONST_FILL 0x8000001000 <- 256 bytes of 0xaa" },
	{ "PTEPDE_GEN", { SDMA_OP_PTEPDE, LO, HI, 0x71, 0, 0x5000, 0, 0x1000, 0, 7 },
	  "PTEPDE_GEN 0x8000001000 <- 8 entries 0x71 | 0x5000 + 0x1000" },
	{ "SRBM_WRITE", { SDMA_OP_SRBM_WRITE | 0xfu << 28, VREG(GC, regSCRATCH_REG0), 5 },
	  "SRBM_WRITE GC:SCRATCH_REG0 <- 0x5" },
	{ "GCR_REQ", { SDMA_OP_GCR_REQ }, "GCR_REQ" },
};

static void sdma(void)
{
	char text[256];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sdma_rows); i++) {
		test_row(sdma_rows[i].text);
		sdma_decode(sdma_rows[i].p, sdma_rows[i].name, text, sizeof(text));
		check_text(text, sdma_rows[i].text);
	}
	test_row(NULL);
}

/* ---- MES ---- */

union frame {
	uint32_t dw[API_FRAME_SIZE_IN_DWORDS];
	union MES_API_HEADER header;
	union MESAPI_SET_HW_RESOURCES set;
	union MESAPI__ADD_QUEUE add;
	union MESAPI__REMOVE_QUEUE remove;
	union MESAPI__SUSPEND suspend;
	union MESAPI__RESET reset;
	union MESAPI__MISC misc;
};

#define HEAD(op)	.header = { .type = MES_API_TYPE_SCHEDULER, .opcode = op, .dwsize = 64 }

static const struct mes_row {
	union frame f;
	const char *text;
} mes_rows[] = {
	{ { .set = { HEAD(MES_SCH_API_SET_HW_RSRC), .vmid_mask_gfxhub = 0xff00,
		     .vmid_mask_mmhub = 0xfe00 } },
	  "SET_HW_RSRC vmids 0xff00 of GC, 0xfe00 of MM" },
	{ { .add = { HEAD(MES_SCH_API_ADD_QUEUE), .queue_type = MES_QUEUE_TYPE_SDMA,
		     .doorbell_offset = 0x400, .mqd_addr = 0x1000, .process_id = 3,
		     .page_table_base_addr = 0x2001, .gang_context_addr = 0x3000 } },
	  "ADD_QUEUE sdma doorbell 0x400 MQD 0x1000 pasid 3 root 0x2001 gang 0x3000" },
	{ { .add = { HEAD(MES_SCH_API_ADD_QUEUE), .queue_type = MES_QUEUE_TYPE_GFX,
		     .doorbell_offset = 0x16, .mqd_addr = 0x1000, .map_legacy_kq = 1,
		     .pipe_id = 1, .queue_id = 2 } },
	  "ADD_QUEUE gfx doorbell 0x16 MQD 0x1000 of the kernel, pipe 1 queue 2" },
	{ { .remove = { HEAD(MES_SCH_API_REMOVE_QUEUE), .doorbell_offset = 0x400,
			.queue_type = MES_QUEUE_TYPE_COMPUTE } },
	  "REMOVE_QUEUE compute doorbell 0x400" },
	{ { .suspend = { HEAD(MES_SCH_API_SUSPEND), .gang_context_addr = 0x3000,
			 .suspend_fence_addr = 0x4000, .suspend_fence_value = 1 } },
	  "SUSPEND gang 0x3000, fence 0x4000 <- 0x1" },
	{ { .reset = { HEAD(MES_SCH_API_RESET), .doorbell_offset = 0x400,
		       .queue_type = MES_QUEUE_TYPE_SDMA } },
	  "RESET sdma doorbell 0x400" },
	{ { .misc = { HEAD(MES_SCH_API_MISC), .opcode = MESAPI_MISC__WRITE_REG,
		      .write_reg = { VREG(GC, regSCRATCH_REG0), 5 } } },
	  "MISC WRITE_REG GC:SCRATCH_REG0 <- 0x5" },
	{ { .misc = { HEAD(MES_SCH_API_MISC), .opcode = MESAPI_MISC__WAIT_REG_MEM,
		      .wait_reg_mem = { WRM_OPERATION__WR_WAIT_WR_REG, 1, 3,
					VREG(GC, regSCRATCH_REG0),
					VREG(GC, regSCRATCH_REG1) } } },
	  "MISC WAIT_REG_MEM GC:SCRATCH_REG0 <- 0x1, until GC:SCRATCH_REG1 & 0x3 == 0x1" },
	{ { .misc = { HEAD(MES_SCH_API_MISC), .opcode = 99 } }, "MISC 99 " },
	{ { HEAD(99) }, "message 99" },
};

static void mes(void)
{
	char text[256];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(mes_rows); i++) {
		test_row(mes_rows[i].text);
		mes_decode(mes_rows[i].f.dw, text, sizeof(text));
		check_text(text, mes_rows[i].text);
	}
	test_row(NULL);
}

/* ---- the device's own lines ---- */

struct host {
	pthread_mutex_t lock;
	char line[VGPU_TRACES][256];	/* the last one of each kind */
	unsigned int lines, records;
	uint8_t recorded[64];
};

static void *no_ptr(void *opaque, uint64_t addr, size_t *len, bool write)
{
	(void)opaque;
	(void)addr;
	(void)len;
	(void)write;
	return NULL;
}

static void nothing(void *opaque)
{
	(void)opaque;
}

static void no_irq(void *opaque, unsigned int vector)
{
	(void)opaque;
	(void)vector;
}

static uint64_t no_time(void *opaque)
{
	(void)opaque;
	return 0;
}

static void log_line(void *opaque, enum vgpu_log_level level, const char *line)
{
	struct host *h = opaque;
	unsigned int i;
	size_t n;

	if (level != VGPU_LOG_TRACE)
		return;
	pthread_mutex_lock(&h->lock);
	h->lines++;
	for (i = 0; i < VGPU_TRACES; i++) {
		n = strlen(vgpu_trace_name(i));
		if (!strncmp(line, vgpu_trace_name(i), n) && line[n] == ' ')
			snprintf(h->line[i], sizeof(h->line[i]), "%s",
				 line + n + strspn(line + n, " "));
	}
	pthread_mutex_unlock(&h->lock);
}

static void record(void *opaque, enum vgpu_record what, const void *data, size_t len)
{
	struct host *h = opaque;

	if (what != VGPU_RECORD_REG || len > sizeof(h->recorded))
		return;
	memcpy(h->recorded, data, len);
	h->records++;
}

static struct vgpu *device(struct host *h, uint32_t trace)
{
	static const struct vgpu_host_ops ops = {
		no_ptr, nothing, nothing, no_irq, no_time, log_line,
	};
	static uint64_t vram[(1 << 20) / 8];
	struct vgpu_config cfg = {
		.vram_size = sizeof(vram), .vram = vram, .host = &ops,
		.host_opaque = h, .trace = trace, .record = record, .record_opaque = h,
	};
	int err;

	*h = (struct host){ .lock = PTHREAD_MUTEX_INITIALIZER };
	return vgpu_create(&cfg, vgpu_all_blocks, &err);
}

static void provoke(struct vgpu *dev)
{
	struct vgpu_client c = { .hub = VGPU_HUB_GC, .vmid = 3, .cid = 13, .ring_id = 1 };
	struct vgpu_iv iv = { .client_id = SOC21_IH_CLIENTID_GFX,
			      .src_id = GFX_11_0_0__SRCID__SDMA_TRAP, .vmid = 3 };
	uint32_t v;

	vgpu_reg_write(dev, VREG(GC, regSCRATCH_REG0), 0xabc);
	vgpu_doorbell_ring(dev, 0x123, 0x40, 8);
	vgpu_mem_read32(dev, &c, 0x5000, &v);
	vgpu_irq(dev, &iv);
	vgpu_tlb_flush(dev, VGPU_HUB_MM, 8);
	vgpu_count(dev, VGPU_LOG_GUEST, "test: an event");
}

static const struct line_row {
	enum vgpu_trace what;
	const char *text;
} line_rows[] = {
	{ VGPU_TRACE_REG, "GC:SCRATCH_REG0 <- 0xabc" },
	{ VGPU_TRACE_DOORBELL, "0x123 <- 0x40 (8 bytes)" },
	{ VGPU_TRACE_FAULT,
	  "GC SDMA0 ring 0x1 vmid 3 read va 0x5000: out of range" },
	{ VGPU_TRACE_IRQ,
	  "SDMA_TRAP (client 0xa src 49) ring 0x0 vmid 3 pasid 0 data 0x0 0x0" },
	{ VGPU_TRACE_TLB, "flush MMHUB vmids 0x8" },
	{ VGPU_TRACE_EVENT, "test: an event" },
};

static void lines(void)
{
	struct vgpu *dev;
	struct host h;
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(line_rows); i++) {
		test_row(line_rows[i].text);
		/* All kinds are on, then this one alone. */
		dev = device(&h, VGPU_TRACE_ALL);
		REQUIRE(dev);
		provoke(dev);
		check_text(h.line[line_rows[i].what], line_rows[i].text);
		vgpu_destroy(dev);
		dev = device(&h, 1 << line_rows[i].what);
		REQUIRE(dev);
		provoke(dev);
		check_text(h.line[line_rows[i].what], line_rows[i].text);
		for (k = 0; k < VGPU_TRACES; k++)
			CHECK(k == line_rows[i].what || !*h.line[k]);
		vgpu_destroy(dev);
	}
	test_row(NULL);
	/* Off means off; records come anyway, as the fuzzer reads them. */
	dev = device(&h, 0);
	REQUIRE(dev);
	vgpu_reg_write(dev, VREG(GC, regSCRATCH_REG0), 0xabc);
	CHECK_EQ(h.lines, 0);
	CHECK_EQ(h.records, 1);
	CHECK_EQ(*(uint32_t *)h.recorded, VREG(GC, regSCRATCH_REG0) << 8);
	CHECK_EQ(*(uint32_t *)(h.recorded + 4), 0xabc);
	vgpu_destroy(dev);
}

static const struct parse_row {
	const char *list;
	int r;
	uint32_t mask;
	const char *bad;
} parse_rows[] = {
	{ "reg", 0, 1 << VGPU_TRACE_REG, "" },
	{ "event,reg,reg", 0, 1 << VGPU_TRACE_REG | 1u << VGPU_TRACE_EVENT, "" },
	{ "", -EINVAL, 0, "" },
	{ "re", -EINVAL, 0, "re" },
	{ "regs", -EINVAL, 0, "regs" },
	{ "reg,,mes", -EINVAL, 0, "" },
	{ "mes,nothing", -EINVAL, 0, "nothing" },
};

static void parse(void)
{
	uint32_t mask;
	char bad[32];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(parse_rows); i++) {
		test_row(parse_rows[i].list);
		bad[0] = '\0';
		CHECK_EQ(vgpu_trace_parse(parse_rows[i].list, &mask, bad, sizeof(bad)),
			 parse_rows[i].r);
		if (!parse_rows[i].r)
			CHECK_EQ(mask, parse_rows[i].mask);
		check_text(bad, parse_rows[i].bad);
	}
	test_row(NULL);
	for (i = 0; i < VGPU_TRACES; i++)
		CHECK(vgpu_trace_name(i));
	CHECK(!vgpu_trace_name(VGPU_TRACES));
	check_text(vgpu_irq_name(1, 2), "?");
}

/* ---- reports and records ---- */

static size_t slurp(const char *path, char *buf, size_t len)
{
	FILE *f = fopen(path, "rb");
	size_t n = f ? fread(buf, 1, len - 1, f) : 0;

	if (f)
		fclose(f);
	buf[n] = '\0';
	return n;
}

static void json(void)
{
	char dir[] = "/tmp/vgpu-report-XXXXXX", path[64];
	static char text[16384];
	struct vgpu *dev;
	struct host h;

	REQUIRE(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/counters", dir);
	dev = device(&h, 0);
	REQUIRE(dev);
	vgpu_count(dev, VGPU_LOG_UNIMP, "say \"no\" \\ \t \xff");
	vgpu_count(dev, VGPU_LOG_GUEST, "test: an event");
	vgpu_count(dev, VGPU_LOG_GUEST, "test: an event");
	CHECK_EQ(report_json(dev, path), 0);
	slurp(path, text, sizeof(text));
	CHECK(!strncmp(text, "[\n  { \"level\": \"guest\", \"what\": \"test: an event\", "
		       "\"count\": 2 },\n", 62));
	CHECK(strstr(text, "{ \"level\": \"unmodelled\", \"what\": "
		     "\"say \\\"no\\\" \\\\ ? ?\", \"count\": 1 }"));
	CHECK(strstr(text, "{ \"level\": \"info\", \"what\": \"gmc: faults reported\", "
		     "\"count\": 0 }\n]\n"));
	/* Once more over the old one; nothing else is left there. */
	CHECK_EQ(report_json(dev, path), 0);
	CHECK_EQ(remove(path), 0);
	CHECK_EQ(remove(dir), 0);
	CHECK_EQ(report_json(dev, path), -ENOENT);
	vgpu_destroy(dev);
}

static void records(void)
{
	char dir[] = "/tmp/vgpu-record-XXXXXX", path[256];
	static char text[2 * RECORD_FILE];
	struct record *r = record_create();
	uint32_t step[3] = { 0 }, packet[300] = { 0 };
	unsigned int i;

	REQUIRE(r && mkdtemp(dir));
	/* Of each register two; then the next file. */
	for (i = 0; i < 1000; i++) {
		step[0] = (i / 4) << 8;
		step[1] = i;
		record_add(r, VGPU_RECORD_REG, step, sizeof(step));
	}
	/* Too long for an input, and nothing at all. */
	record_add(r, VGPU_RECORD_GFX, packet, sizeof(packet));
	record_add(r, VGPU_RECORD_GFX, packet, 0);
	CHECK_EQ(record_write(r, dir, path, sizeof(path)), 0);
	snprintf(path, sizeof(path), "%s/regs/recorded-0", dir);
	i = slurp(path, text, sizeof(text));
	CHECK(i < RECORD_FILE && i > RECORD_FILE - 16);
	CHECK_EQ(i % 12, 4);
	CHECK_EQ(*(uint32_t *)(text + 4 + 4), 0);
	CHECK_EQ(*(uint32_t *)(text + 4 + 12 + 4), 1);
	CHECK_EQ(*(uint32_t *)(text + 4 + 24 + 4), 4);
	snprintf(path, sizeof(path), "%s/regs/recorded-1", dir);
	CHECK_EQ(i + slurp(path, text, sizeof(text)), 2 * 4 + 500 * 12);
	snprintf(path, sizeof(path), "%s/gfx/recorded-0", dir);
	CHECK_EQ(slurp(path, text, sizeof(text)), 0);
	snprintf(path, sizeof(path), "rm -r %s", dir);
	CHECK_EQ(system(path), 0);
	CHECK_EQ(record_write(r, "/nonexistent/dir", path, sizeof(path)), -ENOENT);
	check_text(path, "/nonexistent/dir/regs/recorded-0");
	record_destroy(r);
}

static const struct test_case tests[] = {
	{ "pm4", pm4 },
	{ "sdma", sdma },
	{ "mes", mes },
	{ "lines", lines },
	{ "parse", parse },
	{ "json", json },
	{ "records", records },
};
TEST_MAIN(tests)
