/* SPDX-License-Identifier: MIT */
/*
 * Gates: where somebody outside may hold the packets of an engine, let some
 * through, and count them (control.h). Every queue passes the gate of its engine
 * before each packet; a held one waits there, as at a packet that waits: it can
 * be stopped, and nobody else is kept from anything.
 *
 * The gates' lock is a leaf: nothing else is taken or waited for under it.
 */
#ifndef VGPU_GATE_H
#define VGPU_GATE_H

#include <stdbool.h>
#include <stdint.h>

#define GATE_NAME	32
#define GATES_MAX	32	/* bits of a selection */

struct gates;
struct gate;

/* The gates that every device has are there from the start. NULL: no memory. */
struct gates *gates_create(void);
void gates_destroy(struct gates *g);

/* ---- for queue.c ---- */

/*
 * The gate of the queue called @queue: its first word, with ".user" if the queue
 * is a process's own, else ".kernel" where there are both. NULL: too many names.
 */
struct gate *gate_of(struct gates *g, const char *queue, bool user);
/*
 * A packet is about to begin. @again: within the one begun before, which then is
 * over, such as a packet of an indirect buffer. False when @stopping(@arg) came
 * true while it waited: the packet must not be executed.
 */
bool gate_enter(struct gate *gate, bool again, bool (*stopping)(void *arg), void *arg);
/* It is over. Not @executed: it will come again, and is not counted. */
void gate_leave(struct gate *gate, bool executed);
/* Have those who wait at @gate look at their @stopping again. */
void gate_wake(struct gate *gate);

/* ---- for control.c: a selection is a mask of gates ---- */

/*
 * Gates that @name means: a gate's name, which may lack the engine's number or all
 * from the dot on ("sdma0.user", "sdma.user", "sdma0", "sdma"), or "all". 0: none.
 */
uint32_t gates_select(struct gates *g, const char *name);
/* From now on no packet begins; those that have begun go on. */
void gates_hold(struct gates *g, uint32_t selection);
void gates_release(struct gates *g, uint32_t selection);
/*
 * Wait until a packet waits at one of the gates, all of which are held, and none
 * is being executed behind any. 0; -EINVAL: not held; -ETIMEDOUT; -ECANCELED:
 * gates_close().
 */
int gates_wait_held(struct gates *g, uint32_t selection, unsigned int timeout_us);
/*
 * Let @n packets through, whichever queue they are of, and wait until they have
 * been executed. Errors as above; *@left: how many have not begun.
 */
int gates_step(struct gates *g, uint32_t selection, uint64_t n,
	       unsigned int timeout_us, uint64_t *left);
/* Packets that have begun since the start. */
uint64_t gates_count(struct gates *g, uint32_t selection);

struct gate_state {
	char name[GATE_NAME];
	bool held;
	unsigned int waiting, running;	/* queues */
	uint64_t packets;
};
/* State of gate number @i in *@s; false when there are not so many. */
bool gates_state(struct gates *g, unsigned int i, struct gate_state *s);
/* All waits of this section end, now and in future. */
void gates_close(struct gates *g);

#endif
