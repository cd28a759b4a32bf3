// SPDX-License-Identifier: MIT
/*
 * Process 1 of the guest: makes a writable root from the read-only tree, loads
 * the driver, runs one command and tells the host how it went. The words of the
 * kernel command line that start with "vm." and the files in the run directory
 * (9p tag "run") say what to do; vm/boot.sh sets them.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "../frame.h"

#define ROOT		"/root"			/* the new root, before it becomes / */
#define RUN		"/run/vm"		/* the run directory in the new root */
#define P9_OPTS		"trans=virtio,version=9p2000.L,msize=524288,cache=loose"
#define MAX_WORDS	4096

static int port = -1;

/* ------------------------------------------------------------------ frames */

static void write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return;
		if (n > 0) {
			p += n;
			len -= n;
		}
	}
}

static void send_frame(enum frame_type type, const void *data, size_t len)
{
	/* one write per frame: a port write is one descriptor for the host */
	static struct {
		struct frame head;
		char data[FRAME_MAX];
	} f;

	if (port < 0)
		return;
	f.head.type = type;
	f.head.len = len;
	memcpy(f.data, data, len);
	write_all(port, &f, sizeof(f.head) + len);
}

static void power_off(void)
{
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

/* refuse: the command cannot be run; say why and end */
static void refuse(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(stderr, "init: %s\n", text);
	send_frame(FRAME_FAILED, text, strlen(text));
	power_off();
}

/* ------------------------------------------------------------------- files */

static char *read_file(const char *path, size_t *len)
{
	size_t size = 0, room = 65536;
	char *buf = malloc(room);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0 || !buf) {
		free(buf);
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	while ((n = read(fd, buf + size, room - size - 1)) > 0) {
		size += n;
		if (room - size < 2) {
			char *more = realloc(buf, room *= 2);

			if (!more)
				break;
			buf = more;
		}
	}
	close(fd);
	buf[size] = 0;
	if (len)
		*len = size;
	return buf;
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		r = -errno;
	close(fd);
	return r;
}

/* split: NUL-separated words of a file, as an argument vector */
static char **split(const char *path)
{
	size_t len = 0, i;
	char *text = read_file(path, &len);
	char **words = calloc(MAX_WORDS + 1, sizeof(*words));
	int n = 0;

	if (!text || !words)
		return NULL;
	for (i = 0; i < len && n < MAX_WORDS; i += strlen(text + i) + 1)
		words[n++] = text + i;
	return words;
}

/* word: value of KEY=VALUE on the kernel command line, or fallback */
static const char *word(const char *key, const char *fallback)
{
	static char *line;
	size_t n = strlen(key);
	char *p, *end;

	if (!line)
		line = read_file("/proc/cmdline", NULL);
	for (p = line; p && *p; p += strcspn(p, " \n"), p += strspn(p, " \n")) {
		if (strncmp(p, key, n) || p[n] != '=')
			continue;
		end = p + strcspn(p, " \n");
		return strndup(p + n + 1, end - p - n - 1);
	}
	return fallback;
}

static void make_dirs(const char *path)
{
	char *copy = strdup(path), *p;

	for (p = copy + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		mkdir(copy, 0755);
		*p = '/';
	}
	mkdir(copy, 0755);
	free(copy);
}

static int try_mount(const char *what, const char *where, const char *type,
		     unsigned long flags, const char *opts)
{
	make_dirs(where);
	if (mount(what, where, type, flags, opts)) {
		fprintf(stderr, "init: mount %s on %s: %s\n", what, where, strerror(errno));
		return -errno;
	}
	return 0;
}

/* ------------------------------------------------------------------- setup */

static int open_port(void)
{
	char path[300], *name;
	struct dirent *e;
	DIR *d;
	int fd = -1;

	d = opendir("/sys/class/virtio-ports");
	while (d && fd < 0 && (e = readdir(d))) {
		snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", e->d_name);
		name = read_file(path, NULL);
		if (name && !strncmp(name, FRAME_PORT, strlen(FRAME_PORT))) {
			snprintf(path, sizeof(path), "/dev/%s", e->d_name);
			fd = open(path, O_RDWR | O_CLOEXEC);
		}
		free(name);
	}
	if (d)
		closedir(d);
	return fd;
}

/* host_dir: show the host's directory with this 9p tag at path in the new root */
static void host_dir(const char *tag, const char *path, const char *opts)
{
	char where[4096];

	snprintf(where, sizeof(where), ROOT "%s", path);
	if (try_mount(tag, where, "9p", strstr(opts, "ro,") == opts ? MS_RDONLY : 0,
		      strchr(opts, ',') + 1))
		refuse("cannot mount the host's %s directory", tag);
}

static void make_root(void)
{
	if (try_mount("root", "/ro", "9p", MS_RDONLY, P9_OPTS) ||
	    try_mount("tmpfs", "/rw", "tmpfs", 0, "mode=0755"))
		refuse("cannot mount the tree");
	mkdir("/rw/upper", 0755);
	mkdir("/rw/work", 0755);
	if (try_mount("overlay", ROOT, "overlay", 0, "lowerdir=/ro,upperdir=/rw/upper,workdir=/rw/work"))
		refuse("cannot make the root file system writable");

	try_mount("/dev", ROOT "/dev", NULL, MS_MOVE, NULL);
	try_mount("/proc", ROOT "/proc", NULL, MS_MOVE, NULL);
	try_mount("/sys", ROOT "/sys", NULL, MS_MOVE, NULL);
	try_mount("tmpfs", ROOT "/run", "tmpfs", 0, "mode=0755");
	try_mount("tmpfs", ROOT "/tmp", "tmpfs", 0, "mode=1777");
	/* the tree's own is closed to the user who runs QEMU, and so to our root */
	try_mount("tmpfs", ROOT "/root", "tmpfs", 0, "mode=0700");
	host_dir("run", RUN, "ro," P9_OPTS);
	host_dir("cache", word("vm.cache", "/cache"), "ro," P9_OPTS);
	host_dir("project", word("vm.project", "/project"), "ro," P9_OPTS);
	if (!strcmp(word("vm.share", "0"), "1"))
		host_dir("share", "/share", "rw,trans=virtio,version=9p2000.L,msize=524288,cache=none");
	if (chdir(ROOT) || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
		refuse("cannot enter the root file system: %s", strerror(errno));
}

static void link_to(const char *target, const char *path)
{
	if (!target || !strcmp(target, path))
		return;
	unlink(path);
	rmdir(path);
	if (symlink(target, path))
		fprintf(stderr, "init: link %s: %s\n", path, strerror(errno));
}

static void loopback_up(void)
{
	struct ifreq req = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	if (ioctl(fd, SIOCSIFFLAGS, &req))
		perror("init: lo");
	close(fd);
}

/*
 * swap_on - swap to compressed memory, so that pages can be taken from a range
 * @mib: size in MiB
 *
 * Writes the swap header itself (layout: union swap_header in the kernel's
 * include/linux/swap.h), which is quicker than starting mkswap and swapon.
 */
static void swap_on(unsigned long mib)
{
	static struct {
		char boot[1024];
		uint32_t version, last_page, bad_pages;
		char rest[4096 - 1024 - 12 - 10];
		char magic[10];
	} __attribute__((packed)) head = { .version = 1, .magic = "SWAPSPACE2" };
	char size[32];
	int fd;

	_Static_assert(sizeof(head) == 4096, "swap header is one page");
	if (!mib)
		return;
	snprintf(size, sizeof(size), "%luM", mib);
	if (write_file("/sys/block/zram0/disksize", size))
		return;
	head.last_page = mib * 256 - 1;
	fd = open("/dev/zram0", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	write_all(fd, &head, sizeof(head));
	fsync(fd);
	close(fd);
	if (swapon("/dev/zram0", 0))
		perror("init: swapon");
}

static void set_up(void)
{
	struct utsname u;
	char path[4200];

	try_mount("devpts", "/dev/pts", "devpts", 0, "mode=0620,ptmxmode=0666");
	try_mount("tmpfs", "/dev/shm", "tmpfs", 0, "mode=1777");
	try_mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	try_mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
	try_mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, NULL);
	link_to("/proc/self/fd", "/dev/fd");
	link_to("/proc/self/fd/0", "/dev/stdin");
	link_to("/proc/self/fd/1", "/dev/stdout");
	link_to("/proc/self/fd/2", "/dev/stderr");
	link_to(word("vm.project", NULL), "/project");
	link_to(word("vm.build", NULL), "/build");

	uname(&u);
	snprintf(path, sizeof(path), "%s/lib/modules/%s", word("vm.kernel", "/"), u.release);
	mkdir("/usr/lib/modules", 0755);
	snprintf(path + 4100, 100, "/usr/lib/modules/%.60s", u.release);
	link_to(path, path + 4100);
	mkdir("/etc/modprobe.d", 0755);
	link_to(RUN "/modprobe.conf", "/etc/modprobe.d/vm.conf");
	snprintf(path, sizeof(path), RUN "/firmware%s", word("vm.firmware", ""));
	write_file("/sys/module/firmware_class/parameters/path", path);
	if (sethostname("vm", 2))
		perror("init: hostname");
	loopback_up();
	swap_on(strtoul(word("vm.swap", "0"), NULL, 0));
}

static int run_quietly(char **argv)
{
	pid_t pid = fork();
	int st;

	if (!pid) {
		execvp(argv[0], argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &st, 0) != pid)
		return -1;
	return WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
}

/* load_driver: the words in RUN/modprobe are its command line; all cards must appear */
static void load_driver(void)
{
	unsigned long gpus = strtoul(word("vm.gpus", "1"), NULL, 0);
	char **argv = split(RUN "/modprobe");
	char path[64];
	int r, i;

	/* the kernel starts us without one */
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	if (!argv || !argv[0])
		return;
	r = run_quietly(argv);
	if (r)
		refuse("modprobe amdgpu failed with status %d", r);
	snprintf(path, sizeof(path), "/dev/dri/renderD%lu", 127 + gpus);
	for (i = 0; i < 100 && access(path, F_OK); i++)
		usleep(10000);
	if (access(path, F_OK))
		refuse("amdgpu is loaded, but drives less than %lu devices", gpus);
}

/* the supervisor presses the power button to wake a guest that sleeps to idle */
static void power_button(void)
{
	char *argv[] = { "/usr/sbin/modprobe", "button", NULL };

	if (run_quietly(argv))
		fprintf(stderr, "init: no power button\n");
}

/* ----------------------------------------------------------------- command */

struct stream {
	int fd;
	enum frame_type type;
};

/* pump - pass what is there; false at end of file */
static bool pump(struct stream *s)
{
	static char buf[FRAME_MAX];
	ssize_t n = read(s->fd, buf, sizeof(buf));

	if (n > 0)
		send_frame(s->type, buf, n);
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return true;
	close(s->fd);
	s->fd = -1;
	return false;
}

static void read_exactly(int fd, void *data, size_t len)
{
	char *p = data;

	while (len) {
		ssize_t n = read(fd, p, len);

		if (n > 0) {
			p += n;
			len -= n;
		} else if (n == 0 || errno != EINTR) {
			/* the host's end is closed for the moment */
			usleep(10000);
		}
	}
}

/* from_host: one frame of input for the terminal */
static void from_host(int tty)
{
	static char data[FRAME_MAX];
	struct frame f;
	uint16_t size[2];

	read_exactly(port, &f, sizeof(f));
	if (f.len > sizeof(data))
		return;
	read_exactly(port, data, f.len);
	if (f.type == FRAME_IN && tty >= 0)
		write_all(tty, data, f.len);
	if (f.type == FRAME_SIZE && tty >= 0 && f.len == sizeof(size)) {
		struct winsize ws = { 0 };

		memcpy(size, data, sizeof(size));
		ws.ws_row = size[0];
		ws.ws_col = size[1];
		ioctl(tty, TIOCSWINSZ, &ws);
	}
}

static int start_tty(pid_t *pid, char **argv, char **env)
{
	int tty = open("/dev/ptmx", O_RDWR | O_CLOEXEC | O_NOCTTY), unlock = 0, n;
	char name[32];

	if (tty < 0 || ioctl(tty, TIOCSPTLCK, &unlock) || ioctl(tty, TIOCGPTN, &n))
		refuse("no terminal: %s", strerror(errno));
	snprintf(name, sizeof(name), "/dev/pts/%d", n);
	*pid = fork();
	if (!*pid) {
		int fd;

		setsid();
		fd = open(name, O_RDWR);
		ioctl(fd, TIOCSCTTY, 0);
		dup2(fd, 0);
		dup2(fd, 1);
		dup2(fd, 2);
		if (fd > 2)
			close(fd);
		execvpe(argv[0], argv, env);
		_exit(errno == ENOENT ? 127 : 126);
	}
	return tty;
}

static void start_piped(pid_t *pid, int *out, int *err, char **argv, char **env)
{
	int o[2], e[2];

	if (pipe2(o, O_CLOEXEC) || pipe2(e, O_CLOEXEC))
		refuse("no pipes: %s", strerror(errno));
	fcntl(o[1], F_SETPIPE_SZ, 1 << 20);
	*pid = fork();
	if (!*pid) {
		int null = open("/dev/null", O_RDONLY);

		setsid();
		dup2(null, 0);
		dup2(o[1], 1);
		dup2(e[1], 2);
		if (null > 2)
			close(null);
		execvpe(argv[0], argv, env);
		fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
		_exit(errno == ENOENT ? 127 : 126);
	}
	close(o[1]);
	close(e[1]);
	*out = o[0];
	*err = e[0];
}

/*
 * run_command - run RUN/argv with the environment RUN/env until it ends
 *
 * Its output goes to the host as it comes. A process that it leaves behind and
 * that still holds the pipes does not keep the VM up: once the command has
 * ended, only what is already in the pipes is passed.
 *
 * Returns: the exit status, 128 + N when signal N ended it.
 */
static uint32_t run_command(void)
{
	char **argv = split(RUN "/argv"), **env = split(RUN "/env");
	struct stream s[2] = { { -1, FRAME_OUT }, { -1, FRAME_ERR } };
	struct timespec now, alive;
	bool ended = false;
	uint32_t status = 0;
	int tty = -1, i;
	pid_t pid, got;

	if (!argv || !argv[0] || !env)
		refuse("no command");
	for (i = 0; env[i]; i++)
		if (!strncmp(env[i], "PATH=", 5))
			putenv(env[i]);
	if (chdir(word("vm.cwd", "/root")) && chdir("/"))
		refuse("no working directory");

	if (!strcmp(word("vm.tty", "0"), "1"))
		s[0].fd = tty = start_tty(&pid, argv, env);
	else
		start_piped(&pid, &s[0].fd, &s[1].fd, argv, env);
	if (pid < 0)
		refuse("fork: %s", strerror(errno));
	for (i = 0; i < 2; i++)
		if (s[i].fd >= 0)
			fcntl(s[i].fd, F_SETFL, O_NONBLOCK);
	clock_gettime(CLOCK_MONOTONIC, &alive);

	for (;;) {
		struct pollfd p[3] = {
			{ .fd = s[0].fd, .events = POLLIN },
			{ .fd = s[1].fd, .events = POLLIN },
			{ .fd = tty >= 0 ? port : -1, .events = POLLIN },
		};
		int n, st;

		/* SIGCHLD is not caught: a short wait finds the end soon enough */
		n = poll(p, 3, ended ? 0 : 20);
		for (i = 0; i < 2 && n > 0; i++)
			if (p[i].revents)
				pump(&s[i]);
		if (n > 0 && (p[2].revents & POLLIN))
			from_host(tty);
		if (ended && n <= 0)
			break;
		if (ended && !(p[0].revents | p[1].revents))
			break;
		while ((got = waitpid(-1, &st, WNOHANG)) > 0) {
			if (got != pid)
				continue;
			ended = true;
			status = WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
		}
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec - alive.tv_sec >= FRAME_ALIVE_S) {
			alive = now;
			send_frame(FRAME_ALIVE, NULL, 0);
		}
	}
	return status;
}

int main(void)
{
	uint32_t status, taint;
	char *text;
	int fd;

	mkdir("/dev", 0755);
	try_mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	try_mount("proc", "/proc", "proc", 0, NULL);
	try_mount("sysfs", "/sys", "sysfs", 0, NULL);
	fd = open("/dev/console", O_RDWR);
	if (fd >= 0) {
		dup2(fd, 0);
		dup2(fd, 1);
		dup2(fd, 2);
		if (fd > 2)
			close(fd);
	}
	port = open_port();
	if (port < 0) {
		fprintf(stderr, "init: no port named %s\n", FRAME_PORT);
		power_off();
	}
	send_frame(FRAME_HELLO, NULL, 0);
	if (!strcmp(word("vm.probe", "0"), "1"))
		status = 0;
	else {
		make_root();
		set_up();
		load_driver();
		power_button();
		status = run_command();

		/* what is left of the command must not write to /share any more */
		kill(-1, SIGKILL);
		text = read_file("/proc/sys/kernel/tainted", NULL);
		taint = text ? strtoul(text, NULL, 10) : 0;
		send_frame(FRAME_TAINT, &taint, sizeof(taint));
		umount2("/share", MNT_DETACH);
		sync();
	}
	send_frame(FRAME_STATUS, &status, sizeof(status));
	power_off();
}
