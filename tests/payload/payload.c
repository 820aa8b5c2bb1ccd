/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program that runs inside test containers: static, no image needed. `payload COMMAND ARGS...`;
 * several commands are joined by the argument "+": each runs in turn, the last one's status is the
 * process's. Output is plain "key value" lines that a test can compare.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int die(const char *what)
{
	fprintf(stderr, "payload: %s: %s\n", what, strerror(errno));
	return 1;
}

static int cat_file(const char *path)
{
	char buf[65536];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return die(path);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		fwrite(buf, 1, (size_t)n, stdout);
	close(fd);
	return n < 0 ? die(path) : 0;
}

/* Prints the lines of /proc/self/status that begin with one of the given words. */
static int status_lines(const char *const *words)
{
	char line[4096];
	FILE *f = fopen("/proc/self/status", "re");

	if (!f)
		return die("/proc/self/status");
	while (fgets(line, sizeof(line), f))
		for (size_t i = 0; words[i]; i++)
			if (strncmp(line, words[i], strlen(words[i])) == 0)
				fputs(line, stdout);
	fclose(f);
	return 0;
}

static int cmd_id(int argc, char **argv)
{
	gid_t groups[256];
	int n = getgroups(256, groups);
	uid_t r, e, s;
	gid_t gr, ge, gs;

	(void)argc, (void)argv;
	if (getresuid(&r, &e, &s) || getresgid(&gr, &ge, &gs))
		return die("getresuid");
	printf("uid %u %u %u\ngid %u %u %u\ngroups", r, e, s, gr, ge, gs);
	for (int i = 0; i < n; i++)
		printf(" %u", groups[i]);
	mode_t m = umask(0);
	umask(m);
	printf("\numask %04o\npid %d\nppid %d\nsid %d\n", m, getpid(), getppid(), getsid(0));
	return 0;
}

static int cmd_caps(int argc, char **argv)
{
	static const char *const words[] = { "Cap", "NoNewPrivs", "Seccomp:", NULL };

	(void)argc, (void)argv;
	return status_lines(words);
}

static int cmd_cat(int argc, char **argv)
{
	int rc = 0;

	for (int i = 1; i < argc; i++)
		rc |= cat_file(argv[i]);
	return rc;
}

static int cmd_mounts(int argc, char **argv)
{
	(void)argc, (void)argv;
	return cat_file("/proc/self/mountinfo");
}

static int cmd_env(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (char **e = environ; *e; e++)
		puts(*e);
	return 0;
}

static int cmd_args(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		puts(argv[i]);
	return 0;
}

static int cmd_cwd(int argc, char **argv)
{
	char buf[4096];

	(void)argc, (void)argv;
	if (!getcwd(buf, sizeof(buf)))
		return die("getcwd");
	puts(buf);
	return 0;
}

static int cmd_fds(int argc, char **argv)
{
	struct dirent *e;
	DIR *d = opendir("/proc/self/fd");

	(void)argc, (void)argv;
	if (!d)
		return die("/proc/self/fd");
	while ((e = readdir(d))) {
		char path[300], link[4096];
		if (e->d_name[0] == '.' || atoi(e->d_name) == dirfd(d))
			continue;
		snprintf(path, sizeof(path), "/proc/self/fd/%s", e->d_name);
		ssize_t n = readlink(path, link, sizeof(link) - 1);
		link[n < 0 ? 0 : n] = 0;
		printf("fd %s %s\n", e->d_name, link);
	}
	closedir(d);
	return 0;
}

static int cmd_stat(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct stat st;
		if (lstat(argv[i], &st)) {
			printf("%s missing %s\n", argv[i], strerror(errno));
			continue;
		}
		printf("%s type %o mode %04o uid %u gid %u", argv[i], st.st_mode & S_IFMT,
		       st.st_mode & 07777, st.st_uid, st.st_gid);
		if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
			printf(" dev %u:%u", (unsigned)(st.st_rdev >> 8 & 0xfff),
			       (unsigned)(st.st_rdev & 0xff));
		if (S_ISLNK(st.st_mode)) {
			char link[4096];
			ssize_t n = readlink(argv[i], link, sizeof(link) - 1);
			link[n < 0 ? 0 : n] = 0;
			printf(" -> %s", link);
		}
		putchar('\n');
	}
	return 0;
}

static int cmd_ls(int argc, char **argv)
{
	struct dirent **list;
	int n = scandir(argc > 1 ? argv[1] : ".", &list, NULL, alphasort);

	if (n < 0)
		return die(argv[1]);
	for (int i = 0; i < n; i++)
		if (strcmp(list[i]->d_name, ".") && strcmp(list[i]->d_name, ".."))
			puts(list[i]->d_name);
	return 0;
}

static int cmd_write(int argc, char **argv)
{
	int fd = argc > 2 ? open(argv[1], O_WRONLY | O_CREAT | O_CLOEXEC, 0644) : -1;

	if (fd < 0 || write(fd, argv[2], strlen(argv[2])) < 0) {
		printf("write %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	printf("write %s: ok\n", argv[1]);
	close(fd);
	return 0;
}

static int cmd_ns(int argc, char **argv)
{
	static const char *const names[] = { "cgroup", "ipc",  "mnt",  "net",
					     "pid",    "time", "user", "uts" };
	(void)argc, (void)argv;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char path[64], link[64];
		snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		ssize_t n = readlink(path, link, sizeof(link) - 1);
		if (n > 0) {
			link[n] = 0;
			puts(link);
		}
	}
	return 0;
}

static int cmd_uname(int argc, char **argv)
{
	struct utsname u;

	(void)argc, (void)argv;
	if (uname(&u))
		return die("uname");
	printf("nodename %s\ndomainname %s\nmachine %s\n", u.nodename, u.domainname, u.machine);
	return 0;
}

static int cmd_rlimits(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit r;
		if (getrlimit((__rlimit_resource_t)i, &r) == 0)
			printf("rlimit %d %ju %ju\n", i, (uintmax_t)r.rlim_cur,
			       (uintmax_t)r.rlim_max);
	}
	return 0;
}

static int cmd_isatty(int argc, char **argv)
{
	struct winsize w = { 0 };

	(void)argc, (void)argv;
	printf("tty %d %d %d\n", isatty(0), isatty(1), isatty(2));
	if (ioctl(0, TIOCGWINSZ, &w) == 0)
		printf("size %u %u\n", w.ws_row, w.ws_col);
	printf("name %s\n", ttyname(0) ? ttyname(0) : "none");
	return 0;
}

static void on_winch(int sig)
{
	(void)sig;
}
/*
 * Prints the window size, and then each of N changes. A size that nobody has set yet is waited for (runc
 * sets it when the process runs already), and a signal without a change counts for nothing.
 */
static int cmd_winch(int argc, char **argv)
{
	struct winsize w = { 0 }, last = { 0 };
	sigset_t block, old;

	sigemptyset(&block);
	sigaddset(&block, SIGWINCH);
	sigprocmask(SIG_BLOCK, &block, &old);
	signal(SIGWINCH, on_winch);
	for (int left = argc > 1 ? atoi(argv[1]) : 1; left >= 0; left--) {
		while (ioctl(0, TIOCGWINSZ, &w) == 0 && !memcmp(&w, &last, sizeof(w)))
			sigsuspend(&old);
		last = w;
		printf("size %u %u\n", w.ws_row, w.ws_col);
		fflush(stdout);
	}
	return 0;
}

static void nap(double seconds)
{
	struct timespec t = { (time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9) };

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

static int cmd_sleep(int argc, char **argv)
{
	nap(argc > 1 ? atof(argv[1]) : 1);
	return 0;
}

static int cmd_pause(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (;;)
		pause();
	return 0;
}

static volatile sig_atomic_t last_sig;
static void on_sig(int sig)
{
	last_sig = sig;
}
/*
 * Waits for a signal, prints its number, exits with 40 + number modulo 100. Not for those that do nothing
 * by default: a terminal's change, and what a Go runtime sends itself and passes on.
 */
static int cmd_catch(int argc, char **argv)
{
	sigset_t block, old;

	(void)argc, (void)argv;
	sigfillset(&block);
	sigprocmask(SIG_BLOCK, &block, &old);
	for (int s = 1; s < 32; s++)
		if (s != SIGKILL && s != SIGSTOP && s != SIGCHLD && s != SIGWINCH && s != SIGURG)
			signal(s, on_sig);
	printf("ready\n");
	fflush(stdout);
	while (!last_sig)
		sigsuspend(&old);
	printf("signal %d\n", last_sig);
	return 40 + last_sig;
}

static int cmd_exit(int argc, char **argv)
{
	return argc > 1 ? atoi(argv[1]) : 0;
}

static int cmd_kill(int argc, char **argv)
{
	signal(argc > 1 ? atoi(argv[1]) : SIGKILL, SIG_DFL);
	kill(getpid(), argc > 1 ? atoi(argv[1]) : SIGKILL);
	/* pid 1 of a namespace ignores what it has no handler for */
	return 99;
}

/* lines N [WIDTH [STREAM]]: N numbered lines padded to WIDTH on stdout (1) or stderr (2). */
static int cmd_lines(int argc, char **argv)
{
	long n = argc > 1 ? atol(argv[1]) : 10;
	int width = argc > 2 ? atoi(argv[2]) : 0;
	FILE *f = argc > 3 && atoi(argv[3]) == 2 ? stderr : stdout;

	setvbuf(f, NULL, _IOFBF, 65536);
	for (long i = 1; i <= n; i++) {
		int len = fprintf(f, "line %ld", i);
		for (; len < width; len++)
			putc('x', f);
		putc('\n', f);
	}
	return fflush(f) ? die("write") : 0;
}

/* bytes N: N bytes without a newline. */
static int cmd_bytes(int argc, char **argv)
{
	static char buf[65536];
	long n = argc > 1 ? atol(argv[1]) : 1;

	memset(buf, 'y', sizeof(buf));
	while (n > 0) {
		ssize_t w = write(1, buf, n < (long)sizeof(buf) ? (size_t)n : sizeof(buf));
		if (w < 0)
			return die("write");
		n -= w;
	}
	return 0;
}

/* flood BYTES WIDTH: lines of WIDTH bytes, 0: no newline at all, 64 KiB a write. */
static int cmd_flood(int argc, char **argv)
{
	static char buf[65536];
	long n = argc > 1 ? atol(argv[1]) : 1;
	size_t width = argc > 2 ? (size_t)atol(argv[2]) : 0;
	size_t size = width ? sizeof(buf) / width * width : sizeof(buf);

	memset(buf, 'x', sizeof(buf));
	for (size_t i = width; width && i <= size; i += width)
		buf[i - 1] = '\n';
	while (n > 0) {
		ssize_t w = write(1, buf, size);
		if (w < 0)
			return die("write");
		n -= w;
	}
	return 0;
}

/* count FILE: a number that grows, in the first line of FILE (never empty) and on stdout. */
static int cmd_count(int argc, char **argv)
{
	struct timespec pause = { 0, 20000000 };
	char text[32];

	if (argc < 2)
		return die("count FILE");
	for (long i = 1;; i++) {
		int n = snprintf(text, sizeof(text), "%ld\n", i);
		int fd = open(argv[1], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

		if (fd < 0 || write(fd, text, (size_t)n) != n)
			return die(argv[1]);
		close(fd);
		/* Nobody has to listen. */
		if (write(1, text, (size_t)n) < 0)
			errno = 0;
		nanosleep(&pause, NULL);
	}
}
/* talk PORT FILE: one connection to 127.0.0.1; sends a growing number a line, and keeps in FILE the
 * last that came back. Ends with the connection. */
static int cmd_talk(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct timespec pause = { 0, 20000000 };
	char text[32], back[32];
	int sock;

	if (argc < 3)
		return die("talk PORT FILE");
	to.sin_port = htons((uint16_t)atoi(argv[1]));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0 || connect(sock, (struct sockaddr *)&to, sizeof(to)) < 0)
		return die("connect");
	for (long i = 1;; i++) {
		int n = snprintf(text, sizeof(text), "%ld\n", i), fd, at = 0;

		if (write(sock, text, (size_t)n) != n)
			return die("send");
		while (at < n) {
			ssize_t got = read(sock, back + at, (size_t)(n - at));

			if (got <= 0)
				return die("receive");
			at += (int)got;
		}
		if (memcmp(text, back, (size_t)n) != 0)
			return die("another number came back");
		fd = open(argv[2], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		if (fd < 0 || write(fd, back, (size_t)n) != n)
			return die(argv[2]);
		close(fd);
		nanosleep(&pause, NULL);
	}
}
/* lock FILE: takes a lock (flock) and keeps it. */
static int cmd_lock(int argc, char **argv)
{
	int fd = open(argc > 1 ? argv[1] : "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	return fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 ? die("lock") : 0;
}
static int cmd_echo(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		printf("%s%s", i > 1 ? " " : "", argv[i]);
	putchar('\n');
	return 0;
}

static int cmd_print(int argc, char **argv) /* no newline */
{
	for (int i = 1; i < argc; i++)
		fputs(argv[i], stdout);
	return 0;
}

static int cmd_stderr(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		fprintf(stderr, "%s\n", argv[i]);
	return 0;
}

static int cmd_stdin(int argc, char **argv) /* copies stdin to stdout */
{
	char buf[4096];
	ssize_t n;

	(void)argc, (void)argv;
	while ((n = read(0, buf, sizeof(buf))) > 0)
		if (write(1, buf, (size_t)n) != n)
			return die("write");
	return n < 0 ? die("read") : 0;
}

/* eat N [SECONDS]: touches N MiB and keeps them, for a second if nothing is said. */
static int cmd_eat(int argc, char **argv)
{
	size_t n = (size_t)(argc > 1 ? atol(argv[1]) : 64) << 20;
	char *p = malloc(n);

	if (!p)
		return die("malloc");
	for (size_t i = 0; i < n; i += 4096)
		((volatile char *)p)[i] = 1;
	printf("eaten\n");
	fflush(stdout);
	nap(argc > 2 ? atof(argv[2]) : 1);
	free(p);
	return 0;
}

static int cmd_forks(int argc, char **argv) /* starts N sleeping children; prints how many it got */
{
	int want = argc > 1 ? atoi(argv[1]) : 10, got = 0;

	for (int i = 0; i < want; i++) {
		pid_t p = fork();
		if (p == 0)
			for (;;)
				pause();
		if (p < 0)
			break;
		got++;
	}
	printf("forks %d of %d\n", got, want);
	fflush(stdout);
	if (argc > 2)
		nap(atof(argv[2]));
	return 0;
}

static int cmd_bomb(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (;;)
		if (fork() < 0)
			nap(0.01);
	return 0;
}

/* orphans N: double-forks N processes that exit at once and are left to init. */
static int cmd_orphans(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 100;

	for (int i = 0; i < n; i++) {
		pid_t p = fork();
		if (p == 0) {
			if (fork() == 0)
				_exit(i & 0x7f);
			_exit(0);
		}
		if (p > 0)
			waitpid(p, NULL, 0);
	}
	printf("orphans %d\n", n);
	return 0;
}

/* leave SECONDS: leaves a grandchild with our stdout behind and goes on. */
static int cmd_leave(int argc, char **argv)
{
	fflush(stdout);
	if (fork() == 0) {
		setsid();
		nap(argc > 1 ? atof(argv[1]) : 5);
		printf("grandchild done\n");
		fflush(stdout);
		_exit(0);
	}
	return 0;
}

static int cmd_spin(int argc, char **argv) /* burns cpu for N seconds of wall time */
{
	struct timespec a, b;
	double want = argc > 1 ? atof(argv[1]) : 1;

	clock_gettime(CLOCK_MONOTONIC, &a);
	do
		clock_gettime(CLOCK_MONOTONIC, &b);
	while ((double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9 < want);
	return 0;
}

static int cmd_open(int argc, char **argv) /* opens each path for reading, says what happens */
{
	for (int i = 1; i < argc; i++) {
		char c;
		int fd = open(argv[i], O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : read(fd, &c, 1);
		printf("open %s: %s\n", argv[i],
		       n < 0    ? strerror(errno)
		       : n == 0 ? "empty"
				: "readable");
		if (fd >= 0)
			close(fd);
	}
	return 0;
}

static int cmd_syscalls(int argc, char **argv) /* what a seccomp profile lets through */
{
	(void)argc, (void)argv;
	printf("mkdir %s\n", mkdir("/tmp-payload", 0700) ? strerror(errno) : "ok");
	printf("getcwd %s\n", getcwd((char[4096]){ 0 }, 4096) ? "ok" : strerror(errno));
	printf("unshare %s\n", unshare(0) ? strerror(errno) : "ok");
	printf("mount %s\n",
	       mount("none", "/", NULL, MS_REMOUNT | MS_BIND, NULL) ? strerror(errno) : "ok");
	printf("kexec %s\n", syscall(SYS_kexec_load, 0, 0, NULL, 0) ? strerror(errno) : "ok");
	printf("unknown %s\n", syscall(2000) ? strerror(errno) : "ok");
	return 0;
}

static int cmd_remount(int argc, char **argv) /* try to make a mount writable */
{
	if (argc < 2)
		return 2;
	printf("remount %s %s\n", argv[1],
	       mount("none", argv[1], NULL, MS_REMOUNT | MS_BIND, NULL) ? strerror(errno) : "ok");
	return 0;
}

static int cmd_spam(int argc, char **argv) /* leaves a child that writes for ever */
{
	static char buf[65536];

	(void)argc, (void)argv;
	memset(buf, 'y', sizeof(buf));
	for (int i = 0; i < 8; i++)
		if (fork() == 0)
			for (;;)
				if (write(1, buf, sizeof(buf)) < 0)
					_exit(0);
	usleep(20000);
	return 3;
}

static int cmd_mknod(int argc, char **argv) /* mknod PATH MAJOR MINOR, then open it */
{
	if (argc < 4)
		return 2;
	dev_t dev = (dev_t)((unsigned)atoi(argv[2]) << 8 | (unsigned)atoi(argv[3]));
	if (mknod(argv[1], S_IFCHR | 0600, dev)) {
		printf("mknod: %s\n", strerror(errno));
		return 0;
	}
	int fd = open(argv[1], O_RDWR | O_CLOEXEC);
	printf("open: %s\n", fd < 0 ? strerror(errno) : "ok");
	unlink(argv[1]);
	return 0;
}

static int cmd_time(int argc, char **argv)
{
	struct timespec m, b;

	(void)argc, (void)argv;
	clock_gettime(CLOCK_MONOTONIC, &m);
	clock_gettime(CLOCK_BOOTTIME, &b);
	printf("monotonic %jd\nboottime %jd\n", (intmax_t)m.tv_sec, (intmax_t)b.tv_sec);
	return 0;
}

static int cmd_oom(int argc, char **argv)
{
	(void)argc, (void)argv;
	return cat_file("/proc/self/oom_score_adj");
}

/* Sends its arguments, a line each, to $NOTIFY_SOCKET, as sd_notify does. */
static int cmd_notify(int argc, char **argv)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char text[4096] = "";

	if (!path) {
		printf("notify: no NOTIFY_SOCKET\n");
		return 0;
	}
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	for (int i = 1; i < argc; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
			 i > 1 ? "\n" : "", argv[i]);
	if (sendto(fd, text, strlen(text), 0, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		printf("notify: %s\n", strerror(errno));
	else
		printf("notify: sent\n");
	close(fd);
	return 0;
}

static const struct {
	const char *name;
	int (*fn)(int argc, char **argv);
} commands[] = {
	{ "id", cmd_id },           { "caps", cmd_caps },         { "cat", cmd_cat },
	{ "mounts", cmd_mounts },   { "env", cmd_env },           { "args", cmd_args },
	{ "cwd", cmd_cwd },         { "fds", cmd_fds },           { "stat", cmd_stat },
	{ "ls", cmd_ls },           { "write", cmd_write },       { "ns", cmd_ns },
	{ "uname", cmd_uname },     { "rlimits", cmd_rlimits },   { "isatty", cmd_isatty },
	{ "winch", cmd_winch },     { "sleep", cmd_sleep },       { "pause", cmd_pause },
	{ "catch", cmd_catch },     { "exit", cmd_exit },         { "kill", cmd_kill },
	{ "lines", cmd_lines },     { "bytes", cmd_bytes },       { "echo", cmd_echo },
	{ "print", cmd_print },     { "stderr", cmd_stderr },     { "stdin", cmd_stdin },
	{ "eat", cmd_eat },         { "forks", cmd_forks },       { "bomb", cmd_bomb },
	{ "orphans", cmd_orphans }, { "leave", cmd_leave },       { "spin", cmd_spin },
	{ "open", cmd_open },       { "syscalls", cmd_syscalls }, { "mknod", cmd_mknod },
	{ "time", cmd_time },       { "oom", cmd_oom },           { "remount", cmd_remount },
	{ "spam", cmd_spam },       { "notify", cmd_notify },     { "flood", cmd_flood },
	{ "count", cmd_count },     { "talk", cmd_talk },         { "lock", cmd_lock },
};

int main(int argc, char **argv)
{
	int rc = 0;

	for (int i = 1; i < argc;) {
		int end = i;
		while (end < argc && strcmp(argv[end], "+") != 0)
			end++;
		argv[end] = NULL;
		size_t k = 0;
		while (k < sizeof(commands) / sizeof(*commands) &&
		       strcmp(commands[k].name, argv[i]))
			k++;
		if (k == sizeof(commands) / sizeof(*commands)) {
			fprintf(stderr, "payload: unknown command %s\n", argv[i]);
			return 2;
		}
		rc = commands[k].fn(end - i, argv + i);
		fflush(stdout);
		i = end + 1;
	}
	return rc;
}
