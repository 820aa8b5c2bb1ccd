/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spawning, and the identity of processes. The child of a spawn shares the parent's memory until
 * its execve (the parent's thread sleeps meanwhile), so that it costs no copy of page tables and
 * works beside other threads: it only makes system calls on data prepared before.
 */
#include "common/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/str.h"
#include "common/sys.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif

/* AddressSanitizer keeps its books in the memory that a vfork child would share. */
#if defined(__SANITIZE_ADDRESS__)
#define SPAWN_BY_FORK true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
	__has_feature(memory_sanitizer)
#define SPAWN_BY_FORK true
#endif
#endif
#ifndef SPAWN_BY_FORK
#define SPAWN_BY_FORK false
#endif

#define SPAWN_STACK 32768

enum spawn_step {
	SPAWN_SESSION,
	SPAWN_GROUP,
	SPAWN_DEATH_SIGNAL,
	SPAWN_OOM_SCORE,
	SPAWN_CWD,
	SPAWN_FDS,
	SPAWN_EXEC,
};

/* What the child tells when it fails before or in execve. */
struct spawn_report {
	int code; /* positive errno, 0: nothing to tell */
	enum spawn_step step;
};

struct spawn_child {
	const struct proc_spawn *spawn;
	const char *file; /* the program, absolute */
	char *const *envp;
	int *temps; /* one for each of spawn->fds */
	pid_t parent;
	int report_fd; /* -1: memory is shared, `report` is enough */
	struct spawn_report report;
};

static const char *step_text(enum spawn_step step)
{
	static const char *const texts[] = {
		[SPAWN_SESSION] = "setsid for",
		[SPAWN_GROUP] = "setpgid for",
		[SPAWN_DEATH_SIGNAL] = "set death signal of",
		[SPAWN_OOM_SCORE] = "write oom_score_adj of",
		[SPAWN_CWD] = "chdir for",
		[SPAWN_FDS] = "set up descriptors of",
		[SPAWN_EXEC] = "exec",
	};

	return texts[step];
}

/* First everything is duplicated above all targets, then put in place: so no source is overwritten
 * before its use, however they overlap. */
static int map_fds(const struct spawn_child *child)
{
	const struct proc_spawn *spawn = child->spawn;
	int above = STDERR_FILENO, null_fd = -1, from;

	for (size_t i = 0; i < spawn->n_fds; i++)
		above = MAX(above, spawn->fds[i].to);
	/* Our own way of telling a failure must not be a target. */
	if (child->report_fd >= 0 && child->report_fd <= above)
		return -EBADF;
	for (size_t i = 0; i < spawn->n_fds; i++) {
		from = spawn->fds[i].from;
		if (from < 0 && null_fd < 0)
			null_fd = fd_open("/dev/null", O_RDWR, 0);
		if (from < 0)
			from = null_fd;
		if (from < 0)
			return from;
		child->temps[i] = fcntl(from, F_DUPFD_CLOEXEC, above + 1);
		if (child->temps[i] < 0)
			return -errno;
	}
	for (size_t i = 0; i < spawn->n_fds; i++)
		if (dup2(child->temps[i], spawn->fds[i].to) < 0)
			return -errno;
	return 0;
}

static int change_dir(const struct proc_spawn *spawn)
{
	int r = 0;

	if (spawn->cwd)
		r = chdir(spawn->cwd);
	else if (spawn->cwd_fd > 0)
		r = fchdir(spawn->cwd_fd);
	return r < 0 ? -errno : 0;
}

static int set_death_signal(const struct spawn_child *child)
{
	if (prctl(PR_SET_PDEATHSIG, child->spawn->death_signal) < 0)
		return -errno;
	/* The parent may have died before the call (0: it is in another pid namespace). */
	return getppid() != child->parent && getppid() != 0 ? -ESRCH : 0;
}

/* No stdio here: the memory may be the parent's. */
static void write_pid(char *text, pid_t pid)
{
	char digits[12];
	size_t n = sizeof(digits);

	digits[--n] = '\0';
	do
		digits[--n] = (char)('0' + pid % 10);
	while ((pid /= 10) > 0);
	memcpy(text, digits + n, sizeof(digits) - n);
}

/* All that happens between the clone and the program. Returns only on failure. */
static int child_steps(struct spawn_child *child)
{
	const struct proc_spawn *spawn = child->spawn;
	enum spawn_step *step = &child->report.step;
	sigset_t none;
	int r;

	/* Handlers of the parent must not run in the child, and ignored signals stay ignored over
	 * execve. The mask is still full here. */
	sys_signals_default();
	*step = SPAWN_SESSION;
	if (spawn->new_session && setsid() < 0)
		return -errno;
	*step = SPAWN_GROUP;
	if (spawn->new_group && setpgid(0, 0) < 0)
		return -errno;
	*step = SPAWN_DEATH_SIGNAL;
	r = spawn->death_signal ? set_death_signal(child) : 0;
	if (r < 0)
		return r;
	*step = SPAWN_OOM_SCORE;
	if (spawn->oom_score_adj) {
		r = io_write_small(AT_FDCWD, "/proc/self/oom_score_adj", spawn->oom_score_adj);
		if (r < 0)
			return r;
	}
	*step = SPAWN_CWD;
	r = change_dir(spawn);
	if (r < 0)
		return r;
	*step = SPAWN_FDS;
	r = map_fds(child);
	if (r < 0)
		return r;
	*step = SPAWN_EXEC;
	if (spawn->pid_text)
		write_pid(spawn->pid_text, getpid());
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(child->file, spawn->argv, child->envp);
	return -errno;
}

static int child_main(void *arg)
{
	struct spawn_child *child = arg;

	child->report.code = -child_steps(child);
	if (child->report_fd >= 0 &&
	    io_write_all(child->report_fd, &child->report, sizeof(child->report)) < 0)
		_exit(126);
	_exit(127);
}

/* clone(2) and not clone3: the C library's wrapper knows each architecture's way of starting on a
 * new stack, and the flags used here are old. */
static pid_t clone_shared(struct spawn_child *child, int *ret_pidfd)
{
	char stack[SPAWN_STACK] __attribute__((aligned(16)));
	int flags = CLONE_VM | CLONE_VFORK | SIGCHLD | (ret_pidfd ? CLONE_PIDFD : 0);
	pid_t pid;

	child->report_fd = -1;
	pid = clone(child_main, stack + sizeof(stack), flags, child, ret_pidfd);
	return pid < 0 ? -errno : pid;
}

/* A pipe whose writing end is above every target of the mapping. */
static int report_pipe(const struct proc_spawn *spawn, int *ret_read, int *ret_write)
{
	int fds[2], above = STDERR_FILENO, raised;

	for (size_t i = 0; i < spawn->n_fds; i++)
		above = MAX(above, spawn->fds[i].to);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	raised = fcntl(fds[1], F_DUPFD_CLOEXEC, above + 1);
	if (raised < 0) {
		raised = -errno;
		fd_close(fds[0]);
		fd_close(fds[1]);
		return raised;
	}
	fd_close(fds[1]);
	*ret_read = fds[0];
	*ret_write = raised;
	return 0;
}

static pid_t clone_copied(struct spawn_child *child, int *ret_pidfd)
{
	CLEANUP_FD int read_fd = -EBADF, write_fd = -EBADF;
	struct spawn_report report = { 0 };
	pid_t pid;
	int r;

	r = report_pipe(child->spawn, &read_fd, &write_fd);
	if (r < 0)
		return r;
	child->report_fd = write_fd;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		child_main(child);
	write_fd = fd_close(write_fd);
	/* The end of file without a report: the program runs, or the child was killed. */
	r = io_read_exact(read_fd, &report, sizeof(report));
	if (r == 0)
		child->report = report;
	else
		child->report.code = 0;
	if (ret_pidfd) {
		/* Still our child, hence still its pid. */
		*ret_pidfd = proc_handle(pid);
		if (*ret_pidfd < 0) {
			r = *ret_pidfd;
			proc_kill_reap(pid);
			return r;
		}
	}
	return pid;
}

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	       faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
}

/* Makes a path with a slash absolute, for the child may change its directory first. */
static int from_cwd(const char *path, char *buf, size_t size)
{
	size_t n = 0;

	if (path[0] != '/') {
		if (!getcwd(buf, size - 1))
			return -errno;
		n = strlen(buf);
		buf[n++] = '/';
	}
	if (strlen(path) >= size - n)
		return -ENAMETOOLONG;
	memcpy(buf + n, path, strlen(path) + 1);
	return 0;
}

static int find_program(const char *name, char *buf, size_t size)
{
	const char *dirs = getenv("PATH"), *end;
	char try[PATH_MAX];
	int n;

	if (name[0] == '\0')
		return -ENOENT;
	if (strchr(name, '/'))
		return from_cwd(name, buf, size);
	if (!dirs)
		dirs = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	for (;; dirs = end + 1) {
		end = strchrnul(dirs, ':');
		/* An empty entry would mean the current directory: not for us. */
		n = snprintf(try, sizeof(try), "%.*s/%s", (int)(end - dirs), dirs, name);
		if (end > dirs && n > 0 && (size_t)n < sizeof(try) && is_program(try))
			return from_cwd(try, buf, size);
		if (*end == '\0')
			return -ENOENT;
	}
}

/* Clones with all signals blocked: none may be handled in the child, on shared memory. */
static pid_t spawn_masked(struct spawn_child *child, int *ret_pidfd)
{
	sigset_t all, old;
	pid_t pid = -ENOSYS;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	if (!SPAWN_BY_FORK)
		pid = clone_shared(child, ret_pidfd);
	if (pid == -ENOSYS || pid == -EINVAL || pid == -EPERM)
		pid = clone_copied(child, ret_pidfd);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return pid;
}

pid_t proc_spawn(const struct proc_spawn *spawn, int *ret_pidfd, struct err *err)
{
	CLEANUP_FREE int *temps = calloc(spawn->n_fds + 1, sizeof(int));
	char file[PATH_MAX];
	struct spawn_child child = {
		.spawn = spawn,
		.file = file,
		.envp = spawn->envp ? spawn->envp : environ,
		.temps = temps,
		.parent = getpid(),
		.report_fd = -1,
	};
	CLEANUP_FD int pidfd = -EBADF;
	pid_t pid;
	int r, status;

	if (!temps)
		return err_sysn(err, ENOMEM, "spawn \"%s\"", spawn->path);
	r = find_program(spawn->path, file, sizeof(file));
	if (r < 0)
		return err_sysn(err, r, "exec \"%s\"", spawn->path);
	pid = spawn_masked(&child, ret_pidfd ? &pidfd : NULL);
	if (pid < 0)
		return err_sysn(err, pid, "spawn \"%s\"", spawn->path);
	if (child.report.code) {
		r = proc_wait(pid, &status);
		(void)r;
		return err_sysn(err, child.report.code, "%s \"%s\"", step_text(child.report.step),
				spawn->path);
	}
	if (ret_pidfd)
		*ret_pidfd = fd_take(&pidfd);
	return pid;
}

int proc_start_time(pid_t pid, uint64_t *ret_ticks, char *ret_state)
{
	const int state_field = 3, start_field = 22;
	char path[32], buf[2048], *p, state = '\0';
	int r;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	r = io_read_small(AT_FDCWD, path, buf, sizeof(buf));
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	/* The program's name is in brackets and may itself hold brackets, blanks and line feeds. */
	p = strrchr(buf, ')');
	if (!p)
		return -EBADMSG;
	p++;
	for (int field = state_field; field < start_field; field++) {
		p += strspn(p, " ");
		if (field == state_field)
			state = *p;
		p += strcspn(p, " ");
	}
	p += strspn(p, " ");
	p[strcspn(p, " ")] = '\0';
	if (parse_u64(p, 10, ret_ticks) < 0)
		return -EBADMSG;
	if (ret_state)
		*ret_state = state;
	return 0;
}

void proc_describe(pid_t pid, char *buf, size_t size)
{
	char path[32], wchan[64], state = '?';
	uint64_t ticks;

	if (proc_start_time(pid, &ticks, &state) < 0) {
		snprintf(buf, size, "gone");
		return;
	}
	snprintf(path, sizeof(path), "/proc/%d/wchan", (int)pid);
	if (io_read_small(AT_FDCWD, path, wchan, sizeof(wchan)) <= 0 || str_eq(wchan, "0"))
		snprintf(wchan, sizeof(wchan), "unknown");
	snprintf(buf, size, "state %c, wchan %s", state, wchan);
}

int proc_handle(pid_t pid)
{
	char path[32];
	int fd;

	if (pid <= 0)
		return -ESRCH;
	fd = sys_pidfd_open(pid, 0);
	/* These codes: the number is now a thread's. */
	if (fd == -EINVAL || fd == -ENOENT)
		return -ESRCH;
	if (fd != -ENOSYS && fd != -EPERM)
		return fd;
	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	fd = fd_open(path, O_RDONLY | O_DIRECTORY, 0);
	return fd == -ENOENT ? -ESRCH : fd;
}

int proc_pollable(int handle)
{
	struct stat st;

	/* Poll calls every directory readable. */
	return handle >= 0 && fstat(handle, &st) == 0 && !S_ISDIR(st.st_mode) ? handle : -EBADF;
}

/* The pid behind a handle, by what the kernel says of the handle itself. -ESRCH: it has ended. */
static pid_t handle_pid(int handle)
{
	const bool is_dir = proc_pollable(handle) < 0;
	struct fd_path path = fd_path(handle);
	char info[64], text[2048], *p, *end;
	int r, pid;

	if (is_dir) {
		r = io_read_small(handle, "stat", text, sizeof(text));
		end = r < 0 ? NULL : strrchr(text, ')');
		if (!end || end[1] == '\0' || end[2] == 'Z' || end[2] == 'X')
			return -ESRCH;
		p = text;
	} else {
		snprintf(info, sizeof(info), "/proc/self/fdinfo/%s", strrchr(path.s, '/') + 1);
		r = io_read_small(AT_FDCWD, info, text, sizeof(text));
		if (r < 0)
			return r;
		p = strstr(text, "Pid:");
		if (!p)
			return -EBADF;
		p += strlen("Pid:");
		p += strspn(p, "\t ");
	}
	p[strcspn(p, " \n")] = '\0';
	return parse_int(p, &pid) < 0 || pid <= 0 ? -ESRCH : pid;
}

int proc_signal(int handle, int sig)
{
	/* The kernel takes both kinds of handle. */
	int r = sys_pidfd_send_signal(handle, sig);
	pid_t pid;

	/* EPERM may also be a filter's answer to a call it does not know; then kill(2) tells. */
	if (r != -ENOSYS && r != -EPERM)
		return r;
	pid = handle_pid(handle);
	if (pid < 0)
		return pid;
	return kill(pid, sig) < 0 ? -errno : 0;
}

int proc_await_end(int handle, int timeout_ms)
{
	struct pollfd p = { .fd = proc_pollable(handle), .events = POLLIN };
	const int step = 5;
	int r;

	while (p.fd < 0) {
		r = handle_pid(handle);
		if (r < 0)
			return r == -ESRCH ? 1 : r;
		if (timeout_ms <= 0)
			return 0;
		(void)poll(NULL, 0, MIN(step, timeout_ms));
		timeout_ms -= step;
	}
	do
		r = poll(&p, 1, timeout_ms);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

int proc_open(pid_t pid, uint64_t start_ticks)
{
	CLEANUP_FD int fd = -EBADF;
	uint64_t ticks;
	char state;
	int r;

	/* First the handle, then the proof: from here on the number may be reused, but what we
	 * hold does not change, and a reused number shows another start time. */
	fd = proc_handle(pid);
	if (fd < 0)
		return fd;
	r = proc_start_time(pid, &ticks, &state);
	if (r < 0)
		return r;
	if (ticks != start_ticks || state == 'Z' || state == 'X')
		return -ESRCH;
	return fd_take(&fd);
}

int proc_wait(pid_t pid, int *ret_status)
{
	siginfo_t info;
	int r;

	do {
		info = (siginfo_t){ 0 };
		r = waitid(P_PID, (id_t)pid, &info, WEXITED | __WALL);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	if (info.si_code == CLD_EXITED)
		*ret_status = (info.si_status & 0xff) << 8;
	else
		*ret_status = info.si_status | (info.si_code == CLD_DUMPED ? 0x80 : 0);
	return 0;
}

void proc_kill_reap(pid_t pid)
{
	int saved = errno, status;

	if (pid > 0 && kill(pid, SIGKILL) == 0 && proc_wait(pid, &status) < 0)
		errno = saved;
	errno = saved;
}

static int write_ids(pid_t pid, const char *file, const char *map, struct err *err)
{
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	r = io_write_small(AT_FDCWD, path, map);
	return r < 0 ? err_sysn(err, r, "write %s \"%.*s\"", file, (int)strcspn(map, "\n"), map)
		     : 0;
}

int proc_user_ns(const char *uid_map, const char *gid_map, struct err *err)
{
	struct sys_clone_args args = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
	CLEANUP_PID pid_t pid = -1;
	char path[64];
	int r;

	pid = sys_clone3(&args, sizeof(args));
	if (pid < 0)
		return err_sysn(err, pid, "clone a user namespace");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	r = write_ids(pid, "uid_map", uid_map, err);
	if (r >= 0)
		r = write_ids(pid, "gid_map", gid_map, err);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	r = fd_open(path, O_RDONLY, 0);
	return r < 0 ? err_sysn(err, r, "open the user namespace") : r;
}

int proc_exit_code(int wait_status)
{
	if (WIFSIGNALED(wait_status))
		return 128 + WTERMSIG(wait_status);
	return WEXITSTATUS(wait_status);
}
