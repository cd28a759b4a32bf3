/* SPDX-License-Identifier: MIT */
/* The control channel, see control.h: its socket and clients. */
#include "control.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "gate.h"

#define MAX_CLIENTS	16
#define MAX_REQUEST	256

struct client {
	struct control *c;
	pthread_t thread;
	int fd;
	bool used;		/* thread and fd are there */
	bool deaf;		/* takes no more answers; the thread's own */
	bool over;		/* the thread is about to end; atomic */
};

struct control {
	struct vgpu *dev;
	struct sockaddr_un addr;
	int fd;			/* listens */
	int stop_fd;		/* readable: end */
	bool started;
	pthread_t thread;
	struct client clients[MAX_CLIENTS];	/* the listening thread's */
};

static bool send_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text += n;
		len -= n;
	}
	return true;
}

static void say(void *arg, const char *line)
{
	struct client *cl = arg;
	char out[1024];
	int n = snprintf(out, sizeof(out), "%s\n", line);

	if (!cl->deaf)
		cl->deaf = !send_all(cl->fd, out,
				     n < (int)sizeof(out) ? n : (int)sizeof(out) - 1);
}

/* One client: requests in order, until it or the device goes. */
static void *client_thread(void *arg)
{
	struct client *cl = arg;
	char buf[MAX_REQUEST];
	bool skip = false;
	size_t have = 0;

	for (;;) {
		ssize_t n = recv(cl->fd, buf + have, sizeof(buf) - have, 0);
		char *end;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		have += n;
		while ((end = memchr(buf, '\n', have))) {
			*end = '\0';
			if (!skip)
				control_request(cl->c->dev, buf, say, cl);
			skip = false;
			have -= end + 1 - buf;
			memmove(buf, end + 1, have);
		}
		if (have == sizeof(buf)) {
			if (!skip)
				say(cl, "error: line too long");
			skip = true;
			have = 0;
		}
	}
	/* A client that has no more requests waits for the end of the answers. */
	shutdown(cl->fd, SHUT_RDWR);
	__atomic_store_n(&cl->over, true, __ATOMIC_RELEASE);
	return NULL;
}

static void reap(struct client *cl, bool force)
{
	if (!cl->used || (!force && !__atomic_load_n(&cl->over, __ATOMIC_ACQUIRE)))
		return;
	/* What it asked for is still answered. */
	shutdown(cl->fd, SHUT_RD);
	pthread_join(cl->thread, NULL);
	close(cl->fd);
	cl->used = false;
}

static void take_client(struct control *c)
{
	static const char full[] = "error: too many clients\n";
	/* For one that does not read its answers. */
	const struct timeval patience = { .tv_sec = 2 };
	int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC);
	struct client *cl = NULL;
	unsigned int i;

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	for (i = 0; i < MAX_CLIENTS; i++) {
		reap(&c->clients[i], false);
		if (!c->clients[i].used)
			cl = &c->clients[i];
	}
	if (cl) {
		*cl = (struct client){ .c = c, .fd = fd, .used = true };
		if (!pthread_create(&cl->thread, NULL, client_thread, cl))
			return;
		cl->used = false;
	}
	send_all(fd, full, sizeof(full) - 1);
	close(fd);
}

static void *control_thread(void *arg)
{
	struct control *c = arg;
	struct pollfd fds[] = {
		{ .fd = c->fd, .events = POLLIN },
		{ .fd = c->stop_fd, .events = POLLIN },
	};

	while (poll(fds, 2, -1) < 0 || !fds[1].revents) {
		if (fds[0].revents)
			take_client(c);
		fds[0].revents = 0;
	}
	return NULL;
}

struct control *control_create(const char *path, int *err)
{
	struct control *c;

	*err = -ENAMETOOLONG;
	if (strlen(path) >= sizeof(c->addr.sun_path))
		return NULL;
	*err = -ENOMEM;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->addr.sun_family = AF_UNIX;
	strcpy(c->addr.sun_path, path);
	c->stop_fd = eventfd(0, EFD_CLOEXEC);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->stop_fd < 0 || c->fd < 0)
		goto err;
	if (bind(c->fd, (struct sockaddr *)&c->addr, sizeof(c->addr)))
		goto err;
	if (listen(c->fd, MAX_CLIENTS)) {
		unlink(path);
		goto err;
	}
	return c;

err:
	*err = -errno;
	if (c->fd >= 0)
		close(c->fd);
	if (c->stop_fd >= 0)
		close(c->stop_fd);
	free(c);
	return NULL;
}

int control_start(struct control *c, struct vgpu *dev)
{
	int r;

	c->dev = dev;
	r = -pthread_create(&c->thread, NULL, control_thread, c);
	c->started = !r;
	return r;
}

void control_destroy(struct control *c)
{
	uint64_t one = 1;
	unsigned int i;
	ssize_t n;

	if (!c)
		return;
	if (c->started) {
		gates_close(vgpu_gates(c->dev));
		n = write(c->stop_fd, &one, sizeof(one));
		(void)n;
		pthread_join(c->thread, NULL);
	}
	for (i = 0; i < MAX_CLIENTS; i++)
		reap(&c->clients[i], true);
	unlink(c->addr.sun_path);
	close(c->fd);
	close(c->stop_fd);
	free(c);
}
