/* SPDX-License-Identifier: MIT */
/* The control channel, on a real copy engine. */
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"
#include "hwregs.h"
#include "ring_rig.h"
#include "gc/gc_11_0_0_offset.h"

#define VMID	5
#define VA	0x300000000ull

struct answer {
	unsigned int lines;
	char last[600];
};

static void hear(void *arg, const char *line)
{
	struct answer *a = arg;

	a->lines++;
	snprintf(a->last, sizeof(a->last), "%s", line);
}

static const char *ask(struct ring_rig *r, const char *request)
{
	static struct answer a;

	a = (struct answer){ 0 };
	control_request(r->rig.dev, request, hear, &a);
	return a.last;
}

#define CHECK_ASK(r, request, want)					\
	do {								\
		const char *said_ = ask(r, request);			\
									\
		if (strcmp(said_, want))				\
			test_fail(__FILE__, __LINE__, "%s: %s, not %s",	\
				  request, said_, want);		\
	} while (0)

static const struct {
	const char *request, *answer;
	unsigned int lines;
} requests[] = {
	{ "", "", 0 },
	{ "   ", "", 0 },
	{ "#1", "#1 error: no command", 1 },
	{ "hold sdma0", "ok", 1 },
	{ "#7.a hold sdma0", "#7.a ok", 1 },
	{ "hold sdma0.user", "ok", 1 },
	{ "hold sdma", "ok", 1 },
	{ "hold sdma.user", "ok", 1 },
	{ "hold comp.kernel", "ok", 1 },
	{ "release all", "ok", 1 },
	{ "count gfx", "ok 0", 1 },
	{ "engines", "ok", 11 },
	{ "counters", "ok", 10 },
	{ "hold", "error: usage: hold ENGINE", 1 },
	{ "hold sdma0 now", "error: usage: hold ENGINE", 1 },
	{ "step sdma0", "error: usage: step ENGINE PACKETS [SECONDS]", 1 },
	{ "a b c d e", "error: too many words", 1 },
	{ "counters now", "error: usage: counters", 1 },
	{ "halt sdma0", "error: unknown command halt", 1 },
	{ "hold sdma2", "error: no engine sdma2; there are gfx.kernel gfx.user "
	  "comp.kernel comp.user sdma0.kernel sdma0.user sdma1.kernel sdma1.user kiq mes", 1 },
	{ "hold sdma0.us", NULL, 1 },
	{ "hold sdma.", NULL, 1 },
	{ "hold .user", NULL, 1 },
	{ "hold mes.user", NULL, 1 },
	{ "hold 0", NULL, 1 },
	{ "hold s", NULL, 1 },
	{ "\x01\xff hold \x80 sdma0", "ok", 1 },
	{ "release sdma0", "ok", 1 },
	{ "wait-held sdma0 0", "error: 0: a number from 1 to 3600", 1 },
	{ "wait-held sdma0 1x", "error: 1x: a number from 1 to 3600", 1 },
	{ "wait-held sdma0", "error: sdma0 is not held", 1 },
	{ "step sdma0 1", "error: sdma0 is not held", 1 },
	{ "step sdma0 -1", "error: -1: a number from 1 to 1000000", 1 },
	{ "step sdma0 99999999999999999999",
	  "error: 99999999999999999999: a number from 1 to 1000000", 1 },
};

static void bad_and_good(void)
{
	struct ring_rig r;
	struct answer a;
	size_t i;

	REQUIRE(!ring_init(&r, true));
	for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		test_row(requests[i].request);
		a = (struct answer){ 0 };
		control_request(r.rig.dev, requests[i].request, hear, &a);
		if (requests[i].answer)
			CHECK(!strcmp(a.last, requests[i].answer));
		else
			CHECK(!strncmp(a.last, "error: no engine ", 17));
		CHECK(a.lines >= requests[i].lines);
		CHECK(requests[i].lines == 8 || a.lines == requests[i].lines);
	}
	test_row(NULL);
	ring_fini(&r);
}

/* Three fills of a dword each in a buffer, then a fence in the ring. */
static void put_job(struct ring_rig *r)
{
	uint32_t ib[15];
	unsigned int i;

	rig_map(&r->rig, VMID, VA, PTE_RAM(0x8000));
	for (i = 0; i < 3; i++) {
		const uint32_t fill[] = { 11 | 2u << 30, (uint32_t)VA + 4 * i, VA >> 32,
					  i + 1, 3 };

		memcpy(ib + 5 * i, fill, sizeof(fill));
	}
	ring_put_ib(r, VMID, ib, 15);
	PUT(r, 5, (uint32_t)(RIG_FB + FENCE), RIG_FB >> 32, 0xf1a6);
	ring_kick(r);
}

static unsigned int filled(struct ring_rig *r)
{
	uint32_t *p = (uint32_t *)(r->rig.h->ram + 0x8000);
	unsigned int n = 0;

	while (n < 3 && __atomic_load_n(&p[n], __ATOMIC_ACQUIRE) == n + 1)
		n++;
	return n;
}

/* How far a job of five packets is after which commands. */
static const struct {
	const char *request, *answer;
	unsigned int filled;
	bool fence;
} steps[] = {
	{ "wait-held sdma0", "ok", 0, false },
	{ "count sdma0", "ok 0", 0, false },
	{ "step sdma0 1", "ok", 0, false },		/* into the buffer */
	{ "step sdma0.kernel 1", "ok", 1, false },
	{ "wait-held sdma", "error: sdma is not held", 1, false },
	{ "step sdma0 2", "ok", 3, false },
	{ "count sdma0", "ok 4", 3, false },
	{ "step sdma0 2 1", "error: 1 of 2 packets did not begin within the time "
	  "(sdma0.kernel: 0 waiting, 0 running; sdma0.user: 0 waiting, 0 running)", 3, true },
	{ "wait-held sdma0 1", "error: no packet waits there within the time "
	  "(sdma0.kernel: 0 waiting, 0 running; sdma0.user: 0 waiting, 0 running)", 3, true },
	{ "count sdma0", "ok 5", 3, true },
	{ "count sdma", "ok 5", 3, true },
	{ "count sdma.kernel", "ok 5", 3, true },
	{ "count sdma.user", "ok 0", 3, true },
	{ "count sdma1", "ok 0", 3, true },
};

static void stepping(void)
{
	struct ring_rig r;
	size_t i;

	REQUIRE(!ring_init(&r, true));
	CHECK_ASK(&r, "hold sdma0", "ok");
	put_job(&r);
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		test_row(steps[i].request);
		/* What waits holds nothing that a flush waits for. */
		rig_flush(&r.rig, VGPU_HUB_GC, VMID);
		CHECK_ASK(&r, steps[i].request, steps[i].answer);
		CHECK_EQ(filled(&r), steps[i].filled);
		CHECK_EQ((uint32_t)ring_vram64(&r, FENCE) == 0xf1a6, steps[i].fence);
	}
	test_row(NULL);
	/* The promise that was not used is not kept for later. */
	put_job(&r);
	CHECK_ASK(&r, "wait-held sdma0", "ok");
	CHECK_ASK(&r, "count sdma0", "ok 5");
	CHECK_ASK(&r, "release sdma0", "ok");
	CHECK_SOON(ring_idle(&r));
	CHECK_ASK(&r, "count all", "ok 10");
	ring_fini(&r);
}

/* Other engines, and other queues of the same engine, go on. */
static void selections(void)
{
	static const char *const others[] = { "sdma1", "sdma0.user", "gfx", "mes" };
	struct ring_rig r;
	size_t i;

	REQUIRE(!ring_init(&r, true));
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		char request[64];

		test_row(others[i]);
		snprintf(request, sizeof(request), "hold %s", others[i]);
		CHECK_ASK(&r, request, "ok");
		put_job(&r);
		CHECK_SOON(ring_idle(&r));
	}
	test_row(NULL);
	ring_fini(&r);
}

/* What is held can be taken off, within a buffer too, and goes on there later. */
static void stop_held(void)
{
	const uint32_t cntl = VREG(GC, regSDMA0_QUEUE0_RB_CNTL);
	struct ring_rig r;
	uint32_t v;
	int inside;

	for (inside = 0; inside < 2; inside++) {
		REQUIRE(!ring_init(&r, true));
		CHECK_ASK(&r, "hold sdma0", "ok");
		put_job(&r);
		CHECK_ASK(&r, "wait-held sdma0", "ok");
		if (inside)
			CHECK_ASK(&r, "step sdma0 2", "ok");
		v = vgpu_reg_read(r.rig.dev, cntl);
		vgpu_reg_write(r.rig.dev, cntl, v & ~1u);
		CHECK_EQ(filled(&r), inside);
		CHECK_ASK(&r, "wait-held sdma0 1", "error: no packet waits there within the "
			  "time (sdma0.kernel: 0 waiting, 0 running; "
			  "sdma0.user: 0 waiting, 0 running)");
		CHECK_ASK(&r, "release sdma0", "ok");
		/* The driver starts a ring anew; the packet is still there. */
		vgpu_reg_write(r.rig.dev, cntl, v);
		ring_kick(&r);
		CHECK_SOON(ring_idle(&r));
		CHECK_EQ(filled(&r), 3);
		ring_fini(&r);
	}
}

/* ---- the socket ---- */

struct peer {
	struct control *c;
	char path[64];
};

static int peer_connect(const struct peer *p)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", p->path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool peer_start(struct peer *p, struct ring_rig *r)
{
	int err;

	snprintf(p->path, sizeof(p->path), "/tmp/vgpu-control-test.%d", (int)getpid());
	unlink(p->path);
	p->c = control_create(p->path, &err);
	return p->c && !control_start(p->c, r->rig.dev);
}

/* The next @n bytes; shorter at the end of the connection. */
static void expect(int fd, const char *want)
{
	char got[256] = "";
	size_t have = 0, len = strlen(want);
	ssize_t n;

	while (have < len && (n = recv(fd, got + have, len - have, 0)) > 0)
		have += n;
	if (strcmp(got, want))
		test_fail(__FILE__, __LINE__, "said: %s, not %s", got, want);
}

static void say(int fd, const char *text)
{
	CHECK_EQ(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void socket_talk(void)
{
	char longer[400];
	struct ring_rig r;
	struct peer p;
	int a, b;

	REQUIRE(!ring_init(&r, true));
	REQUIRE(peer_start(&p, &r));
	a = peer_connect(&p);
	b = peer_connect(&p);
	REQUIRE(a >= 0 && b >= 0);
	/* In pieces, several at once, one that is no command. */
	say(a, "hold sd");
	say(b, "\n#b count all\n");
	expect(b, "#b ok 0\n");
	say(a, "ma0\n#1 count all\nnothing\n");
	expect(a, "ok\n#1 ok 0\nerror: unknown command nothing\n");
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	say(a, longer);
	say(a, "\ncount all\n");
	expect(a, "error: line too long\nok 0\n");
	/* One waits, the other is served; what the one waits for comes. */
	say(a, "wait-held sdma0\n");
	say(b, "count all\n");
	expect(b, "ok 0\n");
	put_job(&r);
	expect(a, "ok\n");
	/* A client that goes leaves what is held. */
	close(a);
	say(b, "step sdma0 1\nwait-held sdma0\n");
	expect(b, "ok\nok\n");
	/* The end does not wait for a wait. */
	say(b, "#z wait-held sdma1 3600\n#z hold sdma1\n#z wait-held sdma1 3600\n");
	expect(b, "#z error: sdma1 is not held\n#z ok\n");
	control_destroy(p.c);
	expect(b, "#z error: the virtual GPU ends\n");
	CHECK(access(p.path, F_OK));
	close(b);
	ring_fini(&r);
}

/* As "echo count all | nc -U": nothing more to ask is no reason not to be answered. */
static void half_closed(void)
{
	struct timeval limit = { .tv_sec = 5 };
	struct ring_rig r;
	struct peer p;
	char c;
	int fd;

	REQUIRE(!ring_init(&r, true));
	REQUIRE(peer_start(&p, &r));
	fd = peer_connect(&p);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	say(fd, "count all\n");
	shutdown(fd, SHUT_WR);
	expect(fd, "ok 0\n");
	CHECK_EQ(recv(fd, &c, 1, 0), 0);
	close(fd);
	control_destroy(p.c);
	ring_fini(&r);
}

static void many_clients(void)
{
	struct ring_rig r;
	struct peer p;
	int fd[17], i;

	REQUIRE(!ring_init(&r, true));
	REQUIRE(peer_start(&p, &r));
	for (i = 0; i < 16; i++) {
		fd[i] = peer_connect(&p);
		say(fd[i], "count all\n");
		expect(fd[i], "ok 0\n");
	}
	fd[16] = peer_connect(&p);
	expect(fd[16], "error: too many clients\n");
	close(fd[16]);
	close(fd[3]);
	/* The place is free again as soon as its thread has noticed. */
	for (i = 0; i < 2000; i++) {
		char c = 0;

		fd[3] = peer_connect(&p);
		send(fd[3], "count all\n", 10, MSG_NOSIGNAL);
		if (recv(fd[3], &c, 1, 0) == 1 && c == 'o')
			break;
		close(fd[3]);
		test_sleep_us(1000);
	}
	CHECK(i < 2000);
	for (i = 0; i < 16; i++)
		close(fd[i]);
	control_destroy(p.c);
	ring_fini(&r);
}

static void bad_path(void)
{
	static const struct {
		const char *path;
		int err;
	} rows[] = {
		{ "/nonexistent/socket", -ENOENT },
		{ "/tmp", -EADDRINUSE },
		{ "/tmp/0123456789012345678901234567890123456789012345678901234567890"
		  "12345678901234567890123456789012345678901234567", -ENAMETOOLONG },
	};
	size_t i;
	int err;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		test_row(rows[i].path);
		err = 0;
		CHECK(!control_create(rows[i].path, &err));
		CHECK_EQ(err, rows[i].err);
	}
	test_row(NULL);
	control_destroy(NULL);
}

static const struct test_case tests[] = {
	{ "requests", bad_and_good },
	{ "stepping", stepping },
	{ "selections", selections },
	{ "stop-held", stop_held },
	{ "socket", socket_talk },
	{ "half-closed", half_closed },
	{ "many-clients", many_clients },
	{ "bad-path", bad_path },
};
TEST_MAIN(tests)
