/* SPDX-License-Identifier: MIT */
/*
 * The socket: what a vfio-user client may send, through libvfio-user and transport.c. An
 * input is a sequence of steps: command, kind and number of descriptors, flags, length of the
 * payload, a length for lies, the payload. A thread plays the client: it writes all of that and
 * reads what comes back.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <vfio-user.h>

#include "blocks.h"
#include "fuzz.h"
#include "transport.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define VRAM		(64u << 20)
#define MAX_STEPS	64
#define MAX_FDS		3

/* First dword of an input. */
#define CHOOSE_STRICT		(1u << 0)
#define CHOOSE_NO_VERSION	(1u << 1)	/* the input brings its own */

/* Flags of a step. */
#define STEP_RAW	(1u << 0)	/* without a header of ours */
#define STEP_LIE	(1u << 1)	/* the header gives another length */
#define STEP_NO_REPLY	(1u << 2)
#define STEP_REPLY	(1u << 3)
#define STEP_ERROR	(1u << 4)

/* A message with its descriptors, as it goes out. */
struct message {
	size_t at, len;		/* in struct client.buf */
	unsigned int fds;
	int fd;
};

struct client {
	int sock;
	uint8_t buf[2 * FUZZ_MAX];
	size_t len;
	struct message m[MAX_STEPS + 1];
	unsigned int n;
};

static char path[64];
static int fds[8];

static void log_line(enum vgpu_log_level level, const char *line)
{
	(void)level;
	(void)line;
}

static void remove_dir(void)
{
	*strrchr(path, '/') = '\0';
	rmdir(path);
}

static void set_up(void)
{
	char dir[] = "/tmp/vgpu-fuzz-XXXXXX", name[64];
	int pipes[2];

	if (*path)
		return;
	fds[0] = memfd_create("ram", MFD_CLOEXEC);
	fds[2] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fds[5] = memfd_create("empty", MFD_CLOEXEC);
	if (fds[0] < 0 || fds[2] < 0 || fds[5] < 0 || ftruncate(fds[0], FUZZ_RAM) ||
	    pipe(pipes) || !mkdtemp(dir)) {
		fprintf(stderr, "fuzz: %s\n", strerror(errno));
		abort();
	}
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fds[0]);
	fds[1] = open(name, O_RDONLY | O_CLOEXEC);
	fds[3] = pipes[0];
	fds[4] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fds[6] = open("/dev/zero", O_RDWR | O_CLOEXEC);
	fds[7] = pipes[1];
	snprintf(path, sizeof(path), "%s/gpu", dir);
	signal(SIGPIPE, SIG_IGN);
	atexit(remove_dir);
}

static void append(struct client *c, const void *p, size_t len)
{
	if (len > sizeof(c->buf) - c->len)
		len = sizeof(c->buf) - c->len;
	memcpy(c->buf + c->len, p, len);
	c->len += len;
}

static void add_message(struct client *c, uint8_t cmd, uint8_t flags, uint16_t lie,
			int fd, unsigned int n_fds, const void *payload, size_t len)
{
	struct vfio_user_header h = {
		.msg_id = c->n, .cmd = cmd, .msg_size = sizeof(h) + len,
		.flags.type = flags & STEP_REPLY ? VFIO_USER_F_TYPE_REPLY :
						   VFIO_USER_F_TYPE_COMMAND,
		.flags.no_reply = !!(flags & STEP_NO_REPLY),
		.flags.error = !!(flags & STEP_ERROR),
	};
	struct message *m = &c->m[c->n++];

	if (flags & STEP_LIE)
		h.msg_size = lie;
	*m = (struct message){ .at = c->len, .fd = fd, .fds = n_fds };
	if (!(flags & STEP_RAW))
		append(c, &h, sizeof(h));
	append(c, payload, len);
	m->len = c->len - m->at;
}

static void script(struct client *c, struct fuzz_in *in, bool version)
{
	static const uint8_t hello[] = "\0\0\1\0{\"capabilities\":{}}";
	uint8_t payload[1024];

	if (version)
		add_message(c, VFIO_USER_VERSION, 0, 0, -1, 0, hello, sizeof(hello));
	while (in->len && c->n < ARRAY_SIZE(c->m)) {
		uint8_t cmd = fuzz_u8(in), fd = fuzz_u8(in), flags = fuzz_u8(in);
		uint16_t len = fuzz_u16(in) % sizeof(payload), lie = fuzz_u16(in);
		unsigned int n = fd >> 4;

		n = fd & 8 ? (n > MAX_FDS ? MAX_FDS : n ? n : 1) : 0;
		fuzz_bytes(in, payload, len);
		add_message(c, cmd, flags, lie, fds[fd & 7], n, payload, len);
	}
}

static ssize_t send_part(struct client *c, const struct message *m, size_t done)
{
	struct iovec iov = { c->buf + m->at + done, m->len - done };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(MAX_FDS * sizeof(int))];
	} control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	unsigned int i;

	if (m->fds && !done) {
		struct cmsghdr *h = &control.align;

		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(m->fds * sizeof(int));
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(m->fds * sizeof(int));
		for (i = 0; i < m->fds; i++)
			memcpy(CMSG_DATA(h) + i * sizeof(int), &m->fd, sizeof(int));
	}
	return sendmsg(c->sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void *play(void *arg)
{
	static char sink[65536];
	struct client *c = arg;
	unsigned int i = 0;
	size_t done = 0;
	ssize_t n;

	for (;;) {
		struct pollfd p = {
			.fd = c->sock, .events = POLLIN | (i < c->n ? POLLOUT : 0),
		};

		if (poll(&p, 1, -1) < 0)
			continue;
		if (p.revents & (POLLIN | POLLHUP | POLLERR)) {
			n = recv(c->sock, sink, sizeof(sink), MSG_DONTWAIT);
			if (!n || (n < 0 && errno != EAGAIN && errno != EINTR))
				break;
		}
		if (i < c->n && p.revents & POLLOUT) {
			n = send_part(c, &c->m[i], done);
			if (n < 0 && errno != EAGAIN && errno != EINTR)
				break;
			done += n > 0 ? n : 0;
			if (done == c->m[i].len) {
				done = 0;
				i++;
			}
			if (i == c->n)
				shutdown(c->sock, SHUT_WR);
		}
	}
	return NULL;
}

static void serve(struct client *c, bool strict)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct vgpu_config cfg = { .vram_size = VRAM, .strict_tlb = strict };
	struct transport *t = transport_create(path, VRAM, log_line);
	struct vgpu *dev = NULL;
	pthread_t thread;
	int err;

	if (!t)
		abort();
	cfg.vram = transport_vram(t);
	cfg.host = transport_ops();
	cfg.host_opaque = t;
	dev = vgpu_create(&cfg, vgpu_all_blocks, &err);
	c->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (!dev || c->sock < 0 ||
	    connect(c->sock, (struct sockaddr *)&addr, sizeof(addr)) ||
	    pthread_create(&thread, NULL, play, c))
		abort();
	fuzz_queues_begin();
	fuzz_queues_eager(true);
	transport_run(t, dev);
	fuzz_queues_eager(false);
	vgpu_destroy(dev);
	transport_destroy(t);
	pthread_join(thread, NULL);
	close(c->sock);
	unlink(path);
}

static void run(struct fuzz_in *in)
{
	static struct client c;
	uint32_t choice = fuzz_u32(in);

	set_up();
	c = (struct client){ 0 };
	script(&c, in, !(choice & CHOOSE_NO_VERSION));
	/* Nothing to send would be nothing to end with. */
	if (c.n)
		serve(&c, choice & CHOOSE_STRICT);
}

/* ---- messages for the mutator ---- */

static size_t payload_of(struct fuzz_random *r, uint8_t cmd, uint8_t *to, uint8_t *fd)
{
	union {
		struct vfio_user_dma_map map;
		struct vfio_user_dma_unmap unmap;
		struct vfio_user_region_access access;
		struct vfio_irq_set irqs;
		struct vfio_region_info region;
		uint32_t dw[64];
	} p = { 0 };
	static const uint8_t irq_sizes[] = { 0, 1, 4, 0 };
	size_t len, i;

	switch (cmd) {
	case VFIO_USER_DMA_MAP:
		p.map.argsz = len = sizeof(p.map);
		p.map.flags = fuzz_rnd(r) % 4;
		p.map.offset = fuzz_rnd(r) % 3 ? 0 : fuzz_value(r);
		p.map.addr = FAKE_RAM_BASE + (fuzz_rnd(r) % 4 << 12);
		p.map.size = fuzz_rnd(r) % 3 ? FUZZ_RAM : fuzz_value(r);
		*fd = 8 | (fuzz_rnd(r) % 4 ? 0 : fuzz_rnd(r) % 8);
		break;
	case VFIO_USER_DMA_UNMAP:
		p.unmap.argsz = len = sizeof(p.unmap);
		p.unmap.addr = FAKE_RAM_BASE + (fuzz_rnd(r) % 4 << 12);
		p.unmap.size = fuzz_rnd(r) % 2 ? 4096 : FUZZ_RAM;
		p.unmap.flags = fuzz_rnd(r) % 4;
		break;
	case VFIO_USER_REGION_READ:
	case VFIO_USER_REGION_WRITE:
		p.access.region = fuzz_rnd(r) % 10;
		p.access.offset = fuzz_value(r);
		if (fuzz_rnd(r) % 2)
			p.access.offset &= 0x7fffc;
		p.access.count = fuzz_rnd(r) % 4 ? 4 << fuzz_rnd(r) % 2 : fuzz_value(r);
		len = sizeof(p.access);
		if (cmd == VFIO_USER_REGION_WRITE) {
			for (i = len / 4; i < len / 4 + 4; i++)
				p.dw[i] = fuzz_value(r);
			len += p.access.count < 16 ? p.access.count : 16;
		}
		break;
	case VFIO_USER_DEVICE_SET_IRQS:
		p.irqs.flags = 1 << fuzz_rnd(r) % 3 | 8 << fuzz_rnd(r) % 3;
		p.irqs.index = fuzz_rnd(r) % 6;
		p.irqs.start = fuzz_rnd(r) % 4 ? 0 : fuzz_value(r);
		p.irqs.count = fuzz_rnd(r) % 4 ? 1 : fuzz_value(r);
		len = sizeof(p.irqs) + irq_sizes[fuzz_rnd(r) % 4];
		p.irqs.argsz = len;
		*fd = fuzz_rnd(r) % 2 ? 8 | 2 : 0;
		break;
	default:
		len = fuzz_rnd(r) % 9 * 4;
		p.dw[0] = len;
		for (i = 1; i < len / 4; i++)
			p.dw[i] = fuzz_value(r);
		if (cmd == VFIO_USER_DEVICE_GET_REGION_INFO)
			p.region.index = fuzz_rnd(r) % 12;
	}
	memcpy(to, &p, len);
	return len;
}

static size_t unit(struct fuzz_random *r, uint8_t *buf, size_t max)
{
	static const uint8_t often[] = {
		VFIO_USER_DMA_MAP, VFIO_USER_DMA_UNMAP, VFIO_USER_REGION_READ,
		VFIO_USER_REGION_WRITE, VFIO_USER_REGION_WRITE,
		VFIO_USER_DEVICE_SET_IRQS, VFIO_USER_DEVICE_GET_INFO,
		VFIO_USER_DEVICE_GET_REGION_INFO, VFIO_USER_DEVICE_GET_IRQ_INFO,
		VFIO_USER_DEVICE_RESET, VFIO_USER_DIRTY_PAGES,
		VFIO_USER_DEVICE_GET_REGION_IO_FDS, VFIO_USER_DMA_READ,
	};
	uint8_t cmd = often[fuzz_rnd(r) % sizeof(often)];
	uint16_t len, lie = fuzz_rnd(r) % 4 ? fuzz_rnd(r) % 128 : fuzz_rnd(r);
	uint8_t payload[256], fd = 0;

	len = payload_of(r, cmd, payload, &fd);
	if (max < len + 7u)
		return 0;
	buf[0] = cmd;
	buf[1] = fd;
	buf[2] = fuzz_rnd(r) % 8 ? 0 : fuzz_rnd(r) % 32;
	memcpy(buf + 3, &len, 2);
	memcpy(buf + 5, &lie, 2);
	memcpy(buf + 7, payload, len);
	return len + 7;
}

const struct fuzz_target fuzz_socket = {
	.name = "socket", .run = run, .unit = unit, .align = 1, .header = 4,
};
