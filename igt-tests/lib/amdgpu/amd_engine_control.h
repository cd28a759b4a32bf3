/* SPDX-License-Identifier: MIT */
/*
 * Jobs that are in flight for exactly as long as a test wants, and tasks that must
 * wait for them.
 *
 * Holding an engine is nothing a driver offers. Whoever has a means of his own, a
 * simulator, an emulated device, a debugger with access to the hardware, puts a command
 * into the environment variable IGT_AMD_ENGINE_CONTROL. It is run by the shell with
 * these words behind it, has to exit with 0, and may take up to a minute:
 *
 *	hold ENGINE		no packet of the engine begins any more
 *	wait-held ENGINE	wait until a packet waits there and none is executed
 *	step ENGINE N		execute N packets, those of indirect buffers as well
 *	release ENGINE		go on
 *	count ENGINE		print how many packets have begun since some time
 *
 * ENGINE is "gfx", "comp" or "sdma", each of them all engines of that kind, followed by
 * ".kernel" or ".user" for the rings of the driver or the user queues alone; or "mes",
 * the firmware that schedules the queues.
 *
 * A driver resets an engine that does not move for long: what is held should be released
 * within seconds (or amdgpu.lockup_timeout be raised).
 *
 * What waits for a job that is held may do so with the mmap_lock of its process, and then
 * no thread of that process may be counted on: page faults, mmap(), fork() wait as well.
 * So the memory should be changed in one process and the engine released in another one.
 * These functions themselves only read and write a socket, once
 * amd_engine_require() has been called.
 */
#ifndef AMD_ENGINE_CONTROL_H
#define AMD_ENGINE_CONTROL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

void amd_engine_require(const char *engine);
void amd_engine_hold(const char *engine);
void amd_engine_wait_held(const char *engine);
void amd_engine_step(const char *engine, unsigned int packets);
void amd_engine_release(const char *engine);
uint64_t amd_engine_count(const char *engine);

void amd_task_require(void);
bool amd_task_blocked(pid_t task, const char *where);

#endif
