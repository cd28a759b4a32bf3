// SPDX-License-Identifier: MIT

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "igt.h"
#include "lib/amdgpu/amd_engine_control.h"

#define VARIABLE "IGT_AMD_ENGINE_CONTROL"
#define MAX_HELD 8

/* what is to be released at the end, however the program ends */
static char held[MAX_HELD][32];
/*
 * A shell that runs the command for each line that it reads, in this process's stead. Not
 * its child: IGT wants none at the end, which is the shell's end as well.
 */
static int shell = -1;

static bool start_shell(const char *program)
{
	char name[] = "sh", option[] = "-c", script[512];
	char *argv[] = { name, option, script, NULL };
	posix_spawn_file_actions_t actions;
	int fds[2], status = 1, r;
	pid_t pid;

	if (snprintf(script, sizeof(script), "exec 3<&0; while read -r w <&3; do "
		     "%s $w </dev/null 3<&-; echo \"= $?\"; done &", program) >=
	    (int)sizeof(script) ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return false;
	r = posix_spawn_file_actions_init(&actions);
	if (!r) {
		r = posix_spawn_file_actions_adddup2(&actions, fds[1], STDIN_FILENO);
		if (!r)
			r = posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
		if (!r)
			r = posix_spawn(&pid, "/bin/sh", &actions, NULL, argv, environ);
		posix_spawn_file_actions_destroy(&actions);
	}
	close(fds[1]);
	while (!r && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r || status) {
		close(fds[0]);
		return false;
	}
	shell = fds[0];
	return true;
}

/*
 * Has the command run with @words behind it; the first line that it prints goes to
 * @out. Returns what it exited with, 127 if it could not be run. Also called in signal
 * handlers.
 */
static int run(const char *words, char *out, size_t size)
{
	char line[128], last = '\n', c;
	size_t n = strlen(words), i = 0;
	unsigned int lines = 0;

	out[0] = 0;
	if (shell < 0 || send(shell, words, n, MSG_NOSIGNAL) != (ssize_t)n ||
	    send(shell, &last, 1, MSG_NOSIGNAL) != 1)
		return 127;
	for (;;) {
		ssize_t r = recv(shell, &c, 1, 0);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return 127;
		if (c != '\n') {
			if (i < sizeof(line) - 1)
				line[i++] = c;
			continue;
		}
		line[i] = 0;
		i = 0;
		if (line[0] == '=' && line[1] == ' ')
			return atoi(line + 2);
		if (!lines++ && strlen(line) < size)
			strcpy(out, line);
	}
}

static void command(const char *what, const char *engine, char *out, size_t size)
{
	char words[64];

	snprintf(words, sizeof(words), "%s %s", what, engine);
	igt_assert_f(!run(words, out, size), "%s %s: refused, see stderr\n",
		     getenv(VARIABLE), words);
}

static void release_held(void)
{
	char words[64], out[16];
	unsigned int i;

	for (i = 0; i < MAX_HELD; i++) {
		if (!held[i][0])
			continue;
		strcpy(words, "release ");
		strcat(words, held[i]);
		run(words, out, sizeof(out));
		held[i][0] = 0;
	}
}

static void release_at_exit(int sig)
{
	release_held();
}

/**
 * amd_engine_require:
 * @engine: name
 *
 * Skips the subtest if there is no means to hold the engine. Releases what a failed
 * subtest of this program left held. To be called first, before children are started.
 */
void amd_engine_require(const char *engine)
{
	const char *program = getenv(VARIABLE);
	char words[64], out[64];

	igt_require_f(program && *program, "no means to hold an engine: " VARIABLE
		      " is not set\n");
	if (shell < 0) {
		igt_assert_f(start_shell(program), "no shell for " VARIABLE "\n");
		igt_install_exit_handler(release_at_exit);
	}
	release_held();
	snprintf(words, sizeof(words), "count %s", engine);
	igt_require_f(!run(words, out, sizeof(out)), "%s (" VARIABLE ") does not know %s\n",
		      program, engine);
}

/**
 * amd_engine_hold:
 * @engine: name
 *
 * From now on none of its packets begins; one that has begun goes on. It is
 * released when the program ends, but not when a child does that called this.
 */
void amd_engine_hold(const char *engine)
{
	unsigned int i, slot = MAX_HELD;
	char out[64];

	for (i = MAX_HELD; i--; )
		if (!held[i][0] || !strcmp(held[i], engine))
			slot = i;
	igt_assert(slot < MAX_HELD && strlen(engine) < sizeof(held[0]));
	strcpy(held[slot], engine);
	command("hold", engine, out, sizeof(out));
}

/**
 * amd_engine_wait_held:
 * @engine: name
 *
 * Waits until one of its packets waits to begin, and none is being executed.
 */
void amd_engine_wait_held(const char *engine)
{
	char out[64];

	command("wait-held", engine, out, sizeof(out));
}

/**
 * amd_engine_step:
 * @engine: name
 * @packets: how many
 *
 * Lets packets of the held engine through and waits until they are over. There
 * must be as many.
 */
void amd_engine_step(const char *engine, unsigned int packets)
{
	char words[64], out[64];

	snprintf(words, sizeof(words), "%s %u", engine, packets);
	command("step", words, out, sizeof(out));
}

/**
 * amd_engine_release:
 * @engine: name
 */
void amd_engine_release(const char *engine)
{
	unsigned int i;
	char out[64];

	command("release", engine, out, sizeof(out));
	for (i = 0; i < MAX_HELD; i++)
		if (!strcmp(held[i], engine))
			held[i][0] = 0;
}

/**
 * amd_engine_count:
 * @engine: name
 *
 * Returns: the number of packets that have begun, from some time on.
 */
uint64_t amd_engine_count(const char *engine)
{
	char out[64];

	command("count", engine, out, sizeof(out));
	return strtoull(out, NULL, 0);
}

/*
 * Tasks that wait
 */

/* A file of the task in /proc; "" if there is none, or not for us. */
static void task_file(pid_t task, const char *name, char *text, size_t size)
{
	char path[64];
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)task, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, size - 1);
		close(fd);
	}
	text[n > 0 ? n : 0] = 0;
	errno = 0;
}

/**
 * amd_task_require:
 *
 * Skips the subtest if it cannot be seen where in the kernel a task waits.
 */
void amd_task_require(void)
{
	char text[4096];

	task_file(syscall(SYS_gettid), "stack", text, sizeof(text));
	igt_require_f(text[0], "no /proc/N/stack: needs root and CONFIG_STACKTRACE\n");
}

/**
 * amd_task_blocked:
 * @task: a process or a thread
 * @where: part of the name of a kernel function
 *
 * Returns: whether the task sleeps in that function.
 */
bool amd_task_blocked(pid_t task, const char *where)
{
	char stat[512], stack[4096], *state;

	task_file(task, "stat", stat, sizeof(stat));
	task_file(task, "stack", stack, sizeof(stack));
	/* behind the name, which may contain anything */
	state = strrchr(stat, ')');
	return state && (state[2] == 'S' || state[2] == 'D') && strstr(stack, where);
}
