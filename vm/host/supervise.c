// SPDX-License-Identifier: MIT
/*
 * Runs QEMU and looks after it: passes the guest's frames on to stdout and stderr,
 * writes the console to a log, and says how it ended.
 *
 *	supervise [-t SECONDS] [-a SECONDS] [-w SECONDS] [-d PID]... [-i] -c LOG -r REPORT -- QEMU...
 *
 * -t  end the VM after this many seconds in all (default: never)
 * -a  the VM is lost when no frame came for so long (default 180, 0: never);
 *     the console does not count: a kernel can print although nothing else works
 * -w  press the machine's power button when no frame came for so long (default 8, 0:
 *     never). A guest that sleeps to idle wakes up; QEMU's clock wakes it from S3 only.
 * -d  a process that serves a device, up to four times: its end is the VM's end
 * -i  interactive: the terminal is the guest's
 *
 * QEMU gets the frame channel as descriptor 3, a monitor for people ("readline") as
 * descriptor 4 and the console as its stdout. The
 * REPORT file has one line: "status N", "failed TEXT" (the guest could not run the
 * command), "qemu TEXT" (QEMU did not start a guest) or "lost TEXT"; and then
 * "taint N" and "note TEXT" lines. Exit status: 0 when the report was written.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "../frame.h"

#define QEMU_FRAME_FD	3
#define QEMU_MONITOR_FD	4
#define FIRST_FREE_FD	10	/* above those that have a meaning for QEMU */
#define DYING_S		30	/* how long a dying kernel may take */
#define DEVICES		4

static struct termios cooked;
static bool raw;
static volatile sig_atomic_t resized = 1;

struct vm {
	pid_t qemu;
	int frames, monitor, console, log;
	int devices[DEVICES];
	unsigned int num_devices;
	FILE *report;
	bool hello, done;
	double dead;			/* when the kernel said that it is dying */
	char why[300];			/* why it is lost, once that is known */
	/* a frame as it comes in */
	struct frame head;
	char data[FRAME_MAX + 1];
	size_t got;
	/* the console's current line, to be searched */
	char line[512];
	size_t line_len;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void restore_tty(void)
{
	if (raw)
		tcsetattr(0, TCSADRAIN, &cooked);
	raw = false;
}

static void on_end(int sig)
{
	restore_tty();
	signal(sig, SIG_DFL);
	raise(sig);
}

static void on_resize(int sig)
{
	(void)sig;
	resized = 1;
}

static void write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EAGAIN) {
			struct pollfd w = { .fd = fd, .events = POLLOUT };

			poll(&w, 1, 1000);
		} else if (n < 0 && errno != EINTR) {
			return;
		} else if (n > 0) {
			p += n;
			len -= n;
		}
	}
}

static void handle(struct vm *vm)
{
	uint32_t n = 0;

	vm->data[vm->head.len] = 0;
	if (vm->head.len >= sizeof(n))
		memcpy(&n, vm->data, sizeof(n));
	switch (vm->head.type) {
	case FRAME_HELLO:
		vm->hello = true;
		break;
	case FRAME_ALIVE:
		break;
	case FRAME_OUT:
		write_all(1, vm->data, vm->head.len);
		break;
	case FRAME_ERR:
		write_all(2, vm->data, vm->head.len);
		break;
	case FRAME_NOTE:
		fprintf(vm->report, "note %s\n", vm->data);
		break;
	case FRAME_TAINT:
		fprintf(vm->report, "taint %u\n", n);
		break;
	case FRAME_FAILED:
		fprintf(vm->report, "failed %s\n", vm->data);
		vm->done = true;
		break;
	case FRAME_STATUS:
		fprintf(vm->report, "status %u\n", n);
		vm->done = true;
		break;
	default:
		fprintf(vm->report, "note unknown frame %#x from the guest\n", vm->head.type);
	}
}

/* from_guest: read what is there; false at the end of the stream */
static bool from_guest(struct vm *vm)
{
	size_t want;
	char *to;
	ssize_t n;

	if (vm->got < sizeof(vm->head)) {
		to = (char *)&vm->head + vm->got;
		want = sizeof(vm->head) - vm->got;
	} else {
		to = vm->data + vm->got - sizeof(vm->head);
		want = sizeof(vm->head) + vm->head.len - vm->got;
	}
	n = read(vm->frames, to, want);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	if (n == 0)
		return false;
	vm->got += n;
	if (vm->got < sizeof(vm->head))
		return true;
	if (vm->head.len > FRAME_MAX) {
		snprintf(vm->why, sizeof(vm->why), "the guest sent a malformed frame");
		return false;
	}
	if (vm->got == sizeof(vm->head) + vm->head.len) {
		handle(vm);
		vm->got = 0;
	}
	return true;
}

/* what the kernel prints when it is about to die, worst first */
static const char * const deaths[] = {
	"Kernel panic - not syncing", "kernel BUG at", "Oops:", "BUG: unable to handle",
	"general protection fault", "watchdog: BUG: soft lockup",
};

static void console_char(struct vm *vm, char c)
{
	size_t i;

	if (c != '\n' && vm->line_len < sizeof(vm->line) - 1) {
		vm->line[vm->line_len++] = c;
		return;
	}
	vm->line[vm->line_len] = 0;
	vm->line_len = 0;
	for (i = 0; i < sizeof(deaths) / sizeof(deaths[0]) && !vm->why[0]; i++) {
		char *at = strstr(vm->line, deaths[i]);

		if (at) {
			at[strcspn(at, "\r")] = 0;
			snprintf(vm->why, sizeof(vm->why), "%.250s", at);
			vm->dead = now();
		}
	}
}

static bool from_console(struct vm *vm)
{
	char buf[4096];
	ssize_t n = read(vm->console, buf, sizeof(buf)), i;

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	if (n == 0)
		return false;
	write_all(vm->log, buf, n);
	for (i = 0; i < n; i++)
		console_char(vm, buf[i]);
	return true;
}

static void to_guest(struct vm *vm, enum frame_type type, const void *data, uint32_t len)
{
	struct frame f = { .type = type, .len = len };

	write_all(vm->frames, &f, sizeof(f));
	write_all(vm->frames, data, len);
}

static void make_raw(void)
{
	struct termios t;

	if (tcgetattr(0, &cooked))
		return;
	t = cooked;
	cfmakeraw(&t);
	raw = !tcsetattr(0, TCSADRAIN, &t);
	atexit(restore_tty);
}

static void send_size(struct vm *vm)
{
	struct winsize ws;
	uint16_t size[2];

	resized = 0;
	if (ioctl(0, TIOCGWINSZ, &ws))
		return;
	size[0] = ws.ws_row;
	size[1] = ws.ws_col;
	to_guest(vm, FRAME_SIZE, size, sizeof(size));
}

/*
 * start - start QEMU
 *
 * Returns: 0, or -errno: also that of the exec, which the child passes back through a
 * pipe that a successful exec closes.
 */
static int start(struct vm *vm, char **argv)
{
	int frames[2], monitor[2], console[2], failed[2], err = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, frames) ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, monitor) ||
	    pipe2(console, O_CLOEXEC) || pipe2(failed, O_CLOEXEC))
		return -errno;
	vm->qemu = fork();
	if (vm->qemu < 0)
		return -errno;
	if (!vm->qemu) {
		int f = fcntl(frames[1], F_DUPFD_CLOEXEC, FIRST_FREE_FD);
		int m = fcntl(monitor[1], F_DUPFD_CLOEXEC, FIRST_FREE_FD);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		err = fcntl(failed[1], F_DUPFD_CLOEXEC, FIRST_FREE_FD);
		dup2(open("/dev/null", O_RDONLY), 0);
		dup2(console[1], 1);
		dup2(console[1], 2);
		dup2(f, QEMU_FRAME_FD);
		dup2(m, QEMU_MONITOR_FD);
		execvp(argv[0], argv);
		write_all(err, &errno, sizeof(errno));
		_exit(127);
	}
	close(frames[1]);
	close(monitor[1]);
	close(console[1]);
	close(failed[1]);
	if (read(failed[0], &err, sizeof(err)) == sizeof(err)) {
		waitpid(vm->qemu, NULL, 0);
		return -err;
	}
	close(failed[0]);
	vm->monitor = monitor[0];
	vm->frames = frames[0];
	vm->console = console[0];
	return 0;
}

/*
 * press_button - press and release the power button
 *
 * The guest has nobody who would power off for it. What the monitor prints meanwhile
 * is of no interest, but must not fill its socket.
 */
static void press_button(struct vm *vm)
{
	static const char text[] = "system_powerdown\n";
	char buf[4096];

	while (recv(vm->monitor, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
	/* a monitor that does not read is the monitor of a QEMU that hangs */
	if (send(vm->monitor, text, strlen(text), MSG_DONTWAIT) < 0 && errno != EAGAIN)
		perror("supervise: power button");
}

static void run(struct vm *vm, double limit, double silence, double wake, bool interactive)
{
	enum { FIRST_DEVICE = 3 };
	double begin = now(), heard = begin, pressed = begin, ended = 0;
	char buf[4096];
	ssize_t n;

	for (;;) {
		struct pollfd p[] = {
			{ .fd = vm->frames, .events = POLLIN },
			{ .fd = vm->console, .events = POLLIN },
			{ .fd = interactive && vm->hello && !vm->done ? 0 : -1, .events = POLLIN },
			[FIRST_DEVICE ... FIRST_DEVICE + DEVICES - 1] = { .fd = -1 },
		};
		unsigned int i;

		for (i = 0; i < vm->num_devices; i++) {
			p[FIRST_DEVICE + i].fd = vm->devices[i];
			p[FIRST_DEVICE + i].events = POLLIN;
		}

		if (interactive && vm->hello && resized)
			send_size(vm);
		if (poll(p, FIRST_DEVICE + vm->num_devices, 500) < 0 && errno != EINTR)
			return;
		if (p[0].revents) {
			heard = now();
			if (!from_guest(vm)) {
				close(vm->frames);
				vm->frames = -1;
				if (vm->why[0] && !vm->dead)
					return;
			}
		}
		if (p[1].revents && !from_console(vm)) {
			close(vm->console);
			vm->console = -1;
		}
		for (i = 0; i < vm->num_devices; i++) {
			if (!p[FIRST_DEVICE + i].revents || vm->done)
				continue;
			snprintf(vm->why, sizeof(vm->why), "the virtual GPU's process ended");
			return;
		}
		if (p[2].revents) {
			n = read(0, buf, sizeof(buf));
			if (n > 0)
				to_guest(vm, FRAME_IN, buf, n);
			else if (n == 0)
				interactive = false;
		}
		if (vm->frames < 0 && vm->console < 0)
			return;
		if (wake && vm->hello && !vm->done && now() - heard > wake && now() - pressed > wake) {
			press_button(vm);
			pressed = now();
		}
		/* the power-off may take a moment, but not for ever */
		if (vm->done && !ended)
			ended = now();
		if (ended && now() - ended > 20)
			return;
		if (!vm->done && limit && now() - begin > limit) {
			snprintf(vm->why, sizeof(vm->why), "not finished after %.0f s", limit);
			return;
		}
		/* a panic reboots and so ends QEMU at once; or it never will */
		if (!vm->done && vm->dead && now() - vm->dead > DYING_S && now() - heard > DYING_S)
			return;
		if (!vm->done && silence && now() - heard > silence) {
			if (!vm->why[0])
				snprintf(vm->why, sizeof(vm->why), "no sign of life for %.0f s", silence);
			return;
		}
	}
}

int main(int argc, char **argv)
{
	static struct vm vm;
	const char *log = NULL, *report = NULL;
	double limit = 0, silence = 180, wake = 8;
	bool interactive = false;
	int c, st;

	while ((c = getopt(argc, argv, "+t:a:w:d:ic:r:")) != -1) {
		switch (c) {
		case 't':
			limit = atof(optarg);
			break;
		case 'a':
			silence = atof(optarg);
			break;
		case 'w':
			wake = atof(optarg);
			break;
		case 'd':
			if (vm.num_devices == DEVICES)
				return 2;
			/* one that cannot be watched is not: poll() leaves out what is negative */
			vm.devices[vm.num_devices] = syscall(SYS_pidfd_open, atoi(optarg), 0);
			if (vm.devices[vm.num_devices++] < 0)
				fprintf(stderr, "supervise: cannot watch the virtual GPU: %s\n", strerror(errno));
			break;
		case 'i':
			interactive = true;
			break;
		case 'c':
			log = optarg;
			break;
		case 'r':
			report = optarg;
			break;
		default:
			return 2;
		}
	}
	if (!log || !report || optind == argc)
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, on_end);
	signal(SIGINT, on_end);
	signal(SIGHUP, on_end);
	signal(SIGWINCH, on_resize);
	vm.log = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	vm.report = fopen(report, "we");
	if (vm.log < 0 || !vm.report) {
		perror("supervise: log");
		return 1;
	}
	if (interactive)
		make_raw();
	st = start(&vm, argv + optind);
	if (st) {
		restore_tty();
		fprintf(vm.report, "qemu %s: %s\n", argv[optind], strerror(-st));
		return fclose(vm.report) ? 1 : 0;
	}
	run(&vm, limit, silence, wake, interactive);
	if (vm.why[0] || !vm.done)
		kill(vm.qemu, SIGKILL);
	else if (vm.frames >= 0 || vm.console >= 0)
		kill(vm.qemu, SIGTERM);
	waitpid(vm.qemu, &st, 0);
	restore_tty();

	if (!vm.done && !vm.hello && WIFEXITED(st) && WEXITSTATUS(st))
		fprintf(vm.report, "qemu it ended with status %d before the guest ran\n", WEXITSTATUS(st));
	else if (!vm.done)
		fprintf(vm.report, "lost %s\n", vm.why[0] ? vm.why : "it ended without a status");
	return fclose(vm.report) ? 1 : 0;
}
