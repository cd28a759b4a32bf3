/* SPDX-License-Identifier: MIT */
/*
 * What the guest's init and the host's supervisor say to each other over one
 * virtio-serial port. One stream for everything keeps the order: whatever the
 * command wrote is on the host before its exit status is.
 */
#ifndef VM_FRAME_H
#define VM_FRAME_H

#include <stdint.h>

#define FRAME_PORT	"vm.frames"	/* name of the virtio-serial port */
#define FRAME_MAX	32768		/* largest payload, bytes */

enum frame_type {
	/* guest to host */
	FRAME_HELLO = 'h',	/* init runs; no payload */
	FRAME_ALIVE = 'a',	/* every FRAME_ALIVE_S seconds; no payload */
	FRAME_OUT = 'o',	/* bytes of the command's stdout */
	FRAME_ERR = 'e',	/* bytes of the command's stderr */
	FRAME_NOTE = 'n',	/* one line of text about the VM */
	FRAME_FAILED = 'f',	/* one line: why the command was not run */
	FRAME_TAINT = 't',	/* uint32_t: kernel taint mask after the command */
	FRAME_STATUS = 's',	/* uint32_t: exit status, 128 + N for signal N; the last frame */
	/* host to guest */
	FRAME_IN = 'i',		/* bytes typed at the terminal */
	FRAME_SIZE = 'w',	/* 2 x uint16_t: rows and columns of the terminal */
};

#define FRAME_ALIVE_S	5

struct frame {
	uint32_t type;		/* enum frame_type */
	uint32_t len;		/* bytes of payload that follow */
};

_Static_assert(sizeof(struct frame) == 8, "frame header");

#endif
