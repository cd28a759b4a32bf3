/* SPDX-License-Identifier: MIT */
/*
 * The control channel: an input is what one client sends. The gates are closed, so that
 * requests which wait for packets, of which there are none, end at once.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"
#include "fuzz.h"
#include "gate.h"

static char dir[] = "/tmp/vgpu-control-XXXXXX";

static void remove_dir(void)
{
	rmdir(dir);
}

static void run(struct fuzz_in *in)
{
	static char sink[65536];
	static bool made;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct fake_host *h = fuzz_host(false);
	struct control *c;
	int sock, err;

	if (!made && (!mkdtemp(dir) || atexit(remove_dir)))
		abort();
	made = true;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/c", dir);
	gates_close(vgpu_gates(h->dev));
	c = control_create(addr.sun_path, &err);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!c || control_start(c, h->dev) || sock < 0 ||
	    connect(sock, (struct sockaddr *)&addr, sizeof(addr))) {
		fprintf(stderr, "fuzz: %s: %s\n", addr.sun_path, strerror(errno));
		abort();
	}
	if (in->len && send(sock, in->data, in->len, MSG_NOSIGNAL) < 0)
		in->len = 0;
	shutdown(sock, SHUT_WR);
	while (recv(sock, sink, sizeof(sink), 0) > 0)
		;
	close(sock);
	control_destroy(c);
	gates_release(vgpu_gates(h->dev), UINT32_MAX);
	fuzz_host_end(h);
}

static size_t unit(struct fuzz_random *r, uint8_t *buf, size_t max)
{
	static const char *const words[] = {
		"hold", "release", "wait-held", "step", "count", "engines", "counters",
	};
	static const char *const args[] = {
		"", " all", " sdma", " sdma0.user", " gfx", " mes", " nothing", " 1",
		" 18446744073709551616", " -1", " sdma 3", " all 4 1", " a b c d e",
	};
	int n;

	n = snprintf((char *)buf, max, "%s%s%s\n", fuzz_rnd(r) % 4 ? "" : "#7 ",
		     words[fuzz_rnd(r) % 7], args[fuzz_rnd(r) % 13]);
	return n > 0 && (size_t)n < max ? n : 0;
}

const struct fuzz_target fuzz_control = {
	.name = "control", .run = run, .unit = unit, .align = 1, .header = 0,
};
