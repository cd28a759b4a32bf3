/* SPDX-License-Identifier: MIT */
/*
 * What libvfio-user receives. Bodies have room behind them. Some of the library's handlers look at
 * fields of a message before they compare its length with what they need (handle_dma_map()
 * and is_valid_unmap() in lib/libvfio-user.c): a short message then reads zeros, not
 * somebody else's memory.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <private.h>
#include <tran_sock.h>

#include "transport.h"

/* More than any fixed part of a message has. */
#define ROOM	256

/* A message as a step of tests/fuzz/fuzz_socket.c. */
static void record(struct vgpu *dev, const vfu_msg_t *msg)
{
	uint8_t step[7 + 1024] = {
		/* One descriptor, of its first kind, is like another. */
		msg->hdr.cmd, msg->in.nr_fds ? 8 : 0, 0,
		msg->in.iov.iov_len, msg->in.iov.iov_len >> 8,
	};

	if (!dev || msg->in.iov.iov_len >= sizeof(step) - 7)
		return;
	memcpy(step + 7, msg->in.iov.iov_base, msg->in.iov.iov_len);
	vgpu_record(dev, VGPU_RECORD_SOCKET, step, 7 + msg->in.iov.iov_len);
}

/*
 * When the client has gone the library first forgets the guest's memory and then resets
 * the device. What engines do in between would count as the guest's mistake.
 */
static int get_request_header(vfu_ctx_t *vfu, struct vfio_user_header *hdr, int *fds,
			      size_t *nr_fds)
{
	int r = tran_sock_ops.get_request_header(vfu, hdr, fds, nr_fds);
	struct vgpu *dev = transport_dev(vfu_get_private(vfu));
	int err = errno;

	if (r < 0 && (err == ENOMSG || err == ECONNRESET) && dev)
		vgpu_reset(dev);
	errno = err;
	return r;
}

static int recv_body(vfu_ctx_t *vfu, vfu_msg_t *msg)
{
	size_t len = msg->in.iov.iov_len;
	int r = tran_sock_ops.recv_body(vfu, msg);
	void *more;

	if (r < 0)
		return r;
	more = realloc(msg->in.iov.iov_base, len + ROOM);
	/* The caller frees the old one. */
	if (!more)
		return -1;
	memset((char *)more + len, 0, ROOM);
	msg->in.iov.iov_base = more;
	record(transport_dev(vfu_get_private(vfu)), msg);
	return r;
}

void transport_recv_init(void *ctx)
{
	static struct transport_ops ops;
	vfu_ctx_t *vfu = ctx;

	ops = tran_sock_ops;
	ops.get_request_header = get_request_header;
	ops.recv_body = recv_body;
	vfu->tran = &ops;
}
