/* SPDX-License-Identifier: MIT */
/*
 * The transport, spoken to as a vfio-user client does: DMA ranges as messages,
 * seen from the device's side by DMA.
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <vfio-user.h>

#include "blocks.h"
#include "images.h"
#include "transport.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define PAGE		4096ull
#define PAGES		256u
#define BASE		0xfffe0000ull
#define VRAM		(64u << 20)

/* An engine that reads the first page until the device is reset. */
static struct engine {
	struct vgpu *dev;
	pthread_t thread;
	bool runs, stop;
	unsigned int missed;
} engine;

static int engine_init(struct vgpu *dev, void **priv)
{
	engine = (struct engine){ .dev = dev };
	*priv = &engine;
	return 0;
}

static void engine_reset(struct vgpu *dev, void *priv)
{
	(void)dev;
	(void)priv;
	if (!engine.runs)
		return;
	__atomic_store_n(&engine.stop, true, __ATOMIC_RELEASE);
	pthread_join(engine.thread, NULL);
	engine.runs = false;
}

static const struct vgpu_block engine_block = {
	.name = "engine",
	.init = engine_init,
	.reset = engine_reset,
};

static const struct vgpu_block *const blocks[] = {
	&vgpu_block_gmc, &vgpu_block_ih, &engine_block, NULL,
};

struct rig {
	struct transport *t;
	struct vgpu *dev;
	pthread_t thread;
	char dir[32], path[48];
	int sock, ram;
	int served;		/* what transport_run() returned */
	uint16_t id;
};

static void log_line(enum vgpu_log_level level, const char *line)
{
	if (getenv("VGPU_TEST_LOG"))
		printf("# log %d: %s\n", level, line);
}

static void *serve(void *arg)
{
	struct rig *r = arg;

	r->served = transport_run(r->t, r->dev);
	return NULL;
}

/*
 * Send @cmd with @len bytes and, if @fd is not negative, a descriptor; wait for
 * the reply. Returns its error number, or -1 if there is no proper reply.
 */
static int request(struct rig *r, uint16_t cmd, const void *payload, size_t len,
		   int fd)
{
	struct vfio_user_header h = {
		.msg_id = ++r->id, .cmd = cmd, .msg_size = sizeof(h) + len,
	};
	struct iovec iov[2] = {
		{ &h, sizeof(h) }, { (void *)payload, len },
	};
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	struct vfio_user_header reply;
	char rest[4096];
	struct cmsghdr *c;

	if (fd >= 0) {
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	if (sendmsg(r->sock, &msg, MSG_NOSIGNAL) != (ssize_t)(sizeof(h) + len))
		return -1;
	if (recv(r->sock, &reply, sizeof(reply), MSG_WAITALL) != sizeof(reply))
		return -1;
	len = reply.msg_size - sizeof(reply);
	if (reply.msg_id != h.msg_id || reply.msg_size < sizeof(reply) ||
	    len > sizeof(rest))
		return -1;
	if (len && recv(r->sock, rest, len, MSG_WAITALL) != (ssize_t)len)
		return -1;
	return reply.flags.error ? (int)reply.error_no : 0;
}

static int map(struct rig *r, uint64_t addr, uint64_t len, uint64_t offset, int fd)
{
	struct vfio_user_dma_map m = {
		.argsz = sizeof(m),
		.flags = VFIO_USER_F_DMA_REGION_READ | VFIO_USER_F_DMA_REGION_WRITE,
		.offset = offset, .addr = addr, .size = len,
	};

	return request(r, VFIO_USER_DMA_MAP, &m, sizeof(m), fd);
}

static int unmap(struct rig *r, uint64_t addr, uint64_t len, uint32_t flags)
{
	struct vfio_user_dma_unmap u = {
		.argsz = sizeof(u), .flags = flags, .addr = addr, .size = len,
	};

	return request(r, VFIO_USER_DMA_UNMAP, &u, sizeof(u), -1);
}

/* What the device reads at @addr. */
static uint32_t at(struct rig *r, uint64_t addr)
{
	uint32_t v = 0;

	vgpu_dma_read(r->dev, "test", addr, &v, sizeof(v));
	return v;
}

#define NOTHING	UINT32_MAX

static int rig_init(struct rig *r)
{
	struct {
		uint16_t major, minor;
		char json[24];
	} version = { 0, 1, "{\"capabilities\":{}}" };
	struct vgpu_config cfg = { .vram_size = VRAM };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	uint32_t i;
	int err;

	*r = (struct rig){ .dir = "/tmp/transport-XXXXXX", .sock = -1, .ram = -1 };
	if (!mkdtemp(r->dir))
		return -1;
	snprintf(r->path, sizeof(r->path), "%s/gpu", r->dir);
	r->t = transport_create(r->path, VRAM, log_line);
	if (!r->t)
		return -1;
	cfg.vram = transport_vram(r->t);
	cfg.host = transport_ops();
	cfg.host_opaque = r->t;
	r->dev = vgpu_create(&cfg, blocks, &err);
	if (!r->dev || pthread_create(&r->thread, NULL, serve, r))
		return -1;
	r->ram = memfd_create("transport_test", MFD_CLOEXEC);
	if (r->ram < 0 || ftruncate(r->ram, PAGES * PAGE))
		return -1;
	for (i = 0; i < PAGES; i++)
		if (pwrite(r->ram, &i, sizeof(i), i * PAGE) != sizeof(i))
			return -1;
	r->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", r->path);
	if (connect(r->sock, (struct sockaddr *)&addr, sizeof(addr)))
		return -1;
	return request(r, VFIO_USER_VERSION, &version,
		       4 + strlen(version.json) + 1, -1);
}

/* The client goes away; the device must have taken that for the end. */
static void hang_up(struct rig *r)
{
	close(r->sock);
	pthread_join(r->thread, NULL);
	CHECK_EQ(r->served, 0);
}

static void rig_fini(struct rig *r)
{
	vgpu_destroy(r->dev);
	transport_destroy(r->t);
	unlink(r->path);
	rmdir(r->dir);
	close(r->ram);
}

/* Descriptors of this process; each message brings one. */
static unsigned int descriptors(void)
{
	unsigned int n = 0;
	int fd;

	for (fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* As QEMU with an IOMMU: single pages, taken back in larger pieces. */
static void pages(void)
{
	unsigned int open_files;
	struct rig r;
	uint32_t i;

	REQUIRE(!rig_init(&r));
	open_files = descriptors();
	for (i = 0; i < PAGES; i++)
		CHECK_EQ(map(&r, BASE + i * PAGE, PAGE, (PAGES - 1 - i) * PAGE, r.ram), 0);
	CHECK_EQ(map(&r, BASE, PAGE, 0, r.ram), EEXIST);
	CHECK_EQ(descriptors(), open_files);
	for (i = 0; i < PAGES; i++)
		CHECK_EQ(at(&r, BASE + i * PAGE), PAGES - 1 - i);
	CHECK_EQ(unmap(&r, BASE + 8 * PAGE, PAGE, 0), 0);
	CHECK_EQ(at(&r, BASE + 7 * PAGE), PAGES - 8);
	CHECK_EQ(at(&r, BASE + 8 * PAGE), NOTHING);
	CHECK_EQ(unmap(&r, BASE + PAGES / 2 * PAGE, PAGES * PAGE, 0), 0);
	for (i = 0; i < PAGES; i++)
		CHECK_EQ(at(&r, BASE + i * PAGE),
			 i == 8 || i >= PAGES / 2 ? NOTHING : PAGES - 1 - i);
	/* The pages may be mapped once more, to something else. */
	CHECK_EQ(map(&r, BASE + 8 * PAGE, PAGE, 5 * PAGE, r.ram), 0);
	CHECK_EQ(at(&r, BASE + 8 * PAGE), 5);
	CHECK_EQ(unmap(&r, 0, 0, VFIO_DMA_UNMAP_FLAG_ALL), 0);
	CHECK_EQ(at(&r, BASE), NOTHING);
	CHECK_EQ(vgpu_counted(r.dev, VGPU_LOG_ERROR), 0);
	hang_up(&r);
	rig_fini(&r);
}

static const struct bad_row {
	const char *name;
	uint64_t addr, len, offset;
	bool file;
	int error;
	uint32_t seen;		/* at .addr afterwards */
} bad_rows[] = {
	{ "fits", BASE - PAGE, PAGE, 3 * PAGE, true, 0, 3 },
	{ "the same once more", BASE, 4 * PAGE, 0, true, 0, 0 },
	{ "over what is there", BASE, PAGE, 7 * PAGE, true, EEXIST, 0 },
	{ "beyond the file", 0, PAGE, PAGES * PAGE, true, EINVAL, NOTHING },
	{ "empty", 0, 0, 0, true, EINVAL, NOTHING },
	{ "wraps", UINT64_MAX - PAGE + 1, 2 * PAGE, 0, true, EINVAL, NOTHING },
	{ "no file: a device's own memory", 0, PAGE, 0, false, 0, NOTHING },
};

static void answers(void)
{
	struct rig r;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad_rows); i++) {
		const struct bad_row *row = &bad_rows[i];

		test_row(row->name);
		REQUIRE(!rig_init(&r));
		CHECK_EQ(map(&r, BASE, 4 * PAGE, 0, r.ram), 0);
		CHECK_EQ(map(&r, row->addr, row->len, row->offset,
			     row->file ? r.ram : -1), row->error);
		CHECK_EQ(at(&r, row->addr), row->seen);
		CHECK_EQ(at(&r, BASE + 3 * PAGE), 3);
		/* Nothing there is no error: an IOMMU flushes more than it maps. */
		CHECK_EQ(unmap(&r, 1ull << 40, 1ull << 39, 0), 0);
		hang_up(&r);
		rig_fini(&r);
	}
	test_row(NULL);
}

/* What the device counts when it is over. */
static void counted(void *arg, enum vgpu_log_level level, const char *what,
		    uint64_t n)
{
	uint64_t *seen = arg;

	if (!strcmp(what, "transport: DMA ranges mapped"))
		seen[0] = n;
	if (!strcmp(what, "transport: DMA ranges, most at a time"))
		seen[1] = n;
	if (level == VGPU_LOG_ERROR)
		seen[2] += n;
}

static void *engine_run(void *arg)
{
	struct rig *r = arg;

	while (!__atomic_load_n(&engine.stop, __ATOMIC_ACQUIRE))
		engine.missed += at(r, BASE) == NOTHING;
	return NULL;
}

/* The client goes while an engine works. */
static void busy(void)
{
	struct rig r;
	int i;

	for (i = 0; i < 50; i++) {
		REQUIRE(!rig_init(&r));
		CHECK_EQ(map(&r, BASE, PAGE, 0, r.ram), 0);
		REQUIRE(!pthread_create(&engine.thread, NULL, engine_run, &r));
		engine.runs = true;
		hang_up(&r);
		CHECK(!engine.runs);
		CHECK_EQ(engine.missed, 0);
		rig_fini(&r);
	}
}

static void statistics(void)
{
	uint64_t seen[3] = { 0 };
	struct rig r;
	uint32_t i;

	REQUIRE(!rig_init(&r));
	for (i = 0; i < 40; i++)
		CHECK_EQ(map(&r, BASE + i % 20 * PAGE, PAGE, i * PAGE, r.ram),
			 i < 20 ? 0 : EEXIST);
	CHECK_EQ(unmap(&r, BASE, 20 * PAGE, 0), 0);
	CHECK_EQ(map(&r, BASE, PAGE, 0, r.ram), 0);
	hang_up(&r);
	vgpu_counters(r.dev, counted, seen);
	CHECK_EQ(seen[0], 21);
	CHECK_EQ(seen[1], 20);
	/* A mapping that could not be made is an error of the model's. */
	CHECK_EQ(seen[2], 1);
	rig_fini(&r);
}

/* What the driver wrote to VRAM is gone, what the board puts there is there again. */
static void reset_loses_vram(void)
{
	static const struct row {
		const char *name;
		size_t at;
		bool lost;
	} rows[] = {
		{ "first byte", 0, true },
		{ "within", VRAM / 2 + 5, true },
		{ "last before discovery", VRAM - VGPU_DISCOVERY_OFFSET - 1, true },
		{ "discovery", VRAM - VGPU_DISCOVERY_OFFSET, false },
		{ "behind its tables", VRAM - 1, false },
	};
	uint8_t *vram;
	struct rig r;
	size_t i;

	REQUIRE(!rig_init(&r));
	vram = transport_vram(r.t);
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		vram[rows[i].at] = 0xa5;
	CHECK_EQ(request(&r, VFIO_USER_DEVICE_RESET, NULL, 0, -1), 0);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		test_row(rows[i].name);
		CHECK_EQ(vram[rows[i].at], rows[i].lost ? 0 : 0xa5);
	}
	test_row(NULL);
	CHECK_EQ(vgpu_counted(r.dev, VGPU_LOG_ERROR), 0);
	hang_up(&r);
	rig_fini(&r);
}

static const struct test_case tests[] = {
	{ "pages", pages },
	{ "answers", answers },
	{ "busy", busy },
	{ "statistics", statistics },
	{ "reset loses VRAM", reset_loses_vram },
};

TEST_MAIN(tests)
