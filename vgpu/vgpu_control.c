/* SPDX-License-Identifier: MIT */
/*
 * vgpu-control: one command to the virtual GPU, from the guest or the host. In
 * the guest the channel is a virtio port, which one process at a time may open;
 * on the host it is the socket of vgpu --control.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PORT		"org.amdgpu.vgpu.control"
#define PORTS		"/sys/class/virtio-ports"
/* Longer than any wait that the other side does unasked. */
#define PATIENCE_MS	120000
#define BUSY_MS		20

enum { OK = 0, REFUSED = 1, FAILED = 2 };

static void __attribute__((format(printf, 1, 2))) complain(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "vgpu-control: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static void help(void)
{
	printf(
"usage: vgpu-control [--socket PATH | --port NAME] COMMAND...\n"
"Hold, step and count the engines of the virtual GPU.\n"
"\n"
"  hold ENGINE                  no packet of it begins any more\n"
"  wait-held ENGINE [SECONDS]   until a packet waits there and none is executed\n"
"  step ENGINE N [SECONDS]      execute N packets of a held engine\n"
"  release ENGINE\n"
"  count ENGINE                 packets begun since the start\n"
"  engines                      all of them, and their state\n"
"  counters                     what the device has counted\n"
"\n"
"  ENGINE is gfx, comp, sdma0, sdma1, sdma (both), each with .kernel or .user\n"
"  behind it for the rings of the driver or of processes only; kiq, mes; all.\n"
"\n"
"  --socket PATH   that of vgpu --control (on the host)\n"
"  --port NAME     virtio port in a guest (default %s)\n"
"\n"
"Exit status: 0 done; 1 refused, for the reason given; 2 no channel, or usage.\n",
	       PORT);
}

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

static int open_socket(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		complain("%s: too long for a socket", path);
		return -1;
	}
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	complain("%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* The device of the port @name, "" if there is none. */
static void find_port(const char *name, char *dev, size_t len)
{
	char path[320], text[128];
	struct dirent *d;
	DIR *dir = opendir(PORTS);
	FILE *f;

	dev[0] = '\0';
	while (dir && (d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), PORTS "/%s/name", d->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fgets(text, sizeof(text), f)) {
			text[strcspn(text, "\n")] = '\0';
			if (!strcmp(text, name))
				snprintf(dev, len, "/dev/%.60s", d->d_name);
		}
		fclose(f);
	}
	if (dir)
		closedir(dir);
}

static int open_port(const char *name)
{
	long long until = now_ms() + PATIENCE_MS;
	char dev[80];
	int fd;

	find_port(name, dev, sizeof(dev));
	if (!dev[0]) {
		complain("no virtio port %s: --socket PATH on the host", name);
		return -1;
	}
	/* Another of us may be using it. */
	while ((fd = open(dev, O_RDWR | O_CLOEXEC)) < 0 &&
	       (errno == EBUSY || errno == EINTR) && now_ms() < until)
		poll(NULL, 0, BUSY_MS);
	if (fd < 0)
		complain("%s: %s", dev, strerror(errno));
	return fd;
}

static bool write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text += n;
		len -= n;
	}
	return true;
}

/* One line of an answer; -1: more follow, else the exit status. */
static int take_line(const char *line, const char *tag)
{
	size_t n = strlen(tag);

	/* What is left of somebody who did not wait for his answer. */
	if (strncmp(line, tag, n))
		return -1;
	line += n;
	if (!strncmp(line, "error: ", 7)) {
		complain("%s", line + 7);
		return REFUSED;
	}
	if (!strcmp(line, "ok"))
		return OK;
	if (!strncmp(line, "ok ", 3)) {
		printf("%s\n", line + 3);
		return OK;
	}
	printf("%s\n", line);
	return -1;
}

static int converse(int fd, const char *tag, const char *request)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char buf[4096], *end;
	size_t have = 0;
	ssize_t n;
	int r;

	if (!write_all(fd, request, strlen(request)))
		goto lost;
	for (;;) {
		r = poll(&p, 1, PATIENCE_MS);
		if (r < 0 && errno == EINTR)
			continue;
		if (!r) {
			complain("no answer");
			return FAILED;
		}
		n = read(fd, buf + have, sizeof(buf) - have);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			goto lost;
		have += n;
		while ((end = memchr(buf, '\n', have))) {
			*end = '\0';
			r = take_line(buf, tag);
			if (r >= 0)
				return r;
			have -= end + 1 - buf;
			memmove(buf, end + 1, have);
		}
		if (have == sizeof(buf))
			have = 0;
	}
lost:
	complain("the virtual GPU is not there");
	return FAILED;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "port", required_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *path = NULL, *port = PORT;
	char tag[64], request[256];
	struct timespec t;
	size_t n;
	int c, fd, r;

	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		switch (c) {
		case 's':
			path = optarg;
			break;
		case 'p':
			port = optarg;
			break;
		case 'h':
			help();
			return OK;
		default:
			return FAILED;
		}
	}
	if (optind == argc) {
		complain("no command; see vgpu-control --help");
		return FAILED;
	}
	clock_gettime(CLOCK_MONOTONIC, &t);
	snprintf(tag, sizeof(tag), "#%d.%lld.%ld ", (int)getpid(), (long long)t.tv_sec,
		 t.tv_nsec);
	/* The first line end finishes what an interrupted one of us began. */
	n = snprintf(request, sizeof(request), "\n%s", tag);
	for (; optind < argc; optind++) {
		if (n < sizeof(request))
			n += snprintf(request + n, sizeof(request) - n, "%s%s",
				      argv[optind], optind + 1 < argc ? " " : "\n");
		if (n >= sizeof(request) || strchr(argv[optind], '\n')) {
			complain("too long a command, or a line end in it");
			return FAILED;
		}
	}
	fd = path ? open_socket(path) : open_port(port);
	if (fd < 0)
		return FAILED;
	r = converse(fd, tag, request);
	close(fd);
	return r;
}
