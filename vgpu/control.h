/* SPDX-License-Identifier: MIT */
/*
 * The control channel: a Unix socket on which tests hold, step and count the
 * engines and read the counters. The README has the commands.
 *
 * A request is a line: words with single spaces between, before them optionally
 * a word that begins with '#'. The answer is any number of lines of data and a last
 * one, "ok", "ok VALUE" or "error: WHY"; each begins with that word and a space,
 * if there was one, so that who shares a channel with others, or was interrupted,
 * knows his own answers.
 */
#ifndef VGPU_CONTROL_H
#define VGPU_CONTROL_H

#include "device.h"

struct control;

/* The socket @path, where clients can connect now; NULL: *@err, a negative errno. */
struct control *control_create(const char *path, int *err);
/* Serve clients, a thread for each. 0 or a negative errno. */
int control_start(struct control *c, struct vgpu *dev);
/* Ends all waits and connections. What is held stays held. NULL is fine. */
void control_destroy(struct control *c);

/*
 * One request, without the end of the line: calls @say for each line of the
 * answer. May wait as long as the request asks for.
 */
typedef void (*control_say)(void *arg, const char *line);
void control_request(struct vgpu *dev, const char *request, control_say say,
		     void *arg);

#endif
