/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks. See hooks.h. A hook's output is read until the hook itself ends: what it leaves behind may
 * keep the pipes open for ever.
 */
#include "runtime/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/str.h"

/* More does not fit into an error; the rest is read and dropped. */
#define CAPTURE_MAX 700

const char *hooks_kind_name(enum spec_hook_kind kind)
{
	static const char *const names[HOOK_KIND_N] = {
		[HOOK_PRESTART] = "prestart",
		[HOOK_CREATE_RUNTIME] = "createRuntime",
		[HOOK_CREATE_CONTAINER] = "createContainer",
		[HOOK_START_CONTAINER] = "startContainer",
		[HOOK_POSTSTART] = "poststart",
		[HOOK_POSTSTOP] = "poststop",
	};

	return (unsigned int)kind < HOOK_KIND_N ? names[kind] : "unknown";
}

struct capture {
	int fd; /* our end, non-blocking; -EBADF after its end */
	int copy_fd;
	char text[CAPTURE_MAX + 1];
	size_t n;
};

/* The state in three pieces: before the pid, the pid, after it. */
struct input {
	const char *piece[3];
	size_t n[3], done[3];
	char pid[12];
	int fd;
};

struct hook_call {
	const struct spec_hook *hook;
	pid_t pid;
	int pidfd;
	struct input in;
	int in_read; /* kept open until the end: a hook that does not read must not be our SIGPIPE */
	struct capture out, error;
	int cancel_fd;
	uint64_t deadline_ms; /* 0: none */
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_MONOTONIC, &ts) < 0)
		return 0;
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void split_state(struct input *in, const char *state, pid_t pid)
{
	static const char key[] = "\"pid\":0";
	/* A quote inside a value is escaped, so this can only be the member itself. */
	const char *at = strstr(state, key);

	in->piece[0] = state;
	in->n[0] = at ? (size_t)(at - state) + sizeof(key) - 2 : strlen(state);
	snprintf(in->pid, sizeof(in->pid), "%d", (int)pid);
	in->piece[1] = in->pid;
	in->n[1] = at ? strlen(in->pid) : 0;
	in->piece[2] = at ? at + sizeof(key) - 1 : "";
	in->n[2] = strlen(in->piece[2]);
}

static void feed(struct input *in)
{
	for (size_t i = 0; i < ARRAY_COUNT(in->piece); i++)
		while (in->done[i] < in->n[i]) {
			ssize_t n =
				write(in->fd, in->piece[i] + in->done[i], in->n[i] - in->done[i]);

			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0 && errno == EAGAIN)
				return;
			if (n < 0)
				goto done;
			in->done[i] += (size_t)n;
		}
done:
	in->fd = fd_close(in->fd); /* the hook's end of file */
}

static void drain(struct capture *c)
{
	char buf[4096];

	while (c->fd >= 0) {
		ssize_t n = read(c->fd, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			c->fd = fd_close(c->fd);
			return;
		}
		/* Who does not take it (a full disk, a fifo nobody reads) is not waited for. */
		if (c->copy_fd > 0 && write(c->copy_fd, buf, (size_t)n) < 0)
			log_debug("output of a hook: %s", err_strerror(errno));
		n = MIN(n, (ssize_t)(CAPTURE_MAX - c->n));
		memcpy(c->text + c->n, buf, (size_t)n);
		c->n += (size_t)n;
		c->text[c->n] = '\0';
	}
}

static int make_pipe(int *ret_read, int *ret_write, struct err *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, "make a pipe");
	*ret_read = fds[0];
	*ret_write = fds[1];
	return 0;
}

static void call_done(struct hook_call *c)
{
	fd_close(c->in.fd);
	fd_close(c->in_read);
	fd_close(c->out.fd);
	fd_close(c->error.fd);
	fd_close(c->pidfd);
}

/* Non-blocking, for a fifo that nobody reads. */
static int open_append(const char *file, int mode, struct err *err)
{
	int fd = fd_open(file, mode | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY, 0600);

	return fd < 0 ? err_sysn(err, fd, "open \"%s\" for the output of hooks", file) : fd;
}

int hooks_open_file(const char *file, struct err *err)
{
	CLEANUP_FD int fd = open_append(file, O_WRONLY, err);
	struct stat st;

	/* With a reader of its own a fifo whose other readers go sends no SIGPIPE. */
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode))
		return open_append(file, O_RDWR, err);
	return fd < 0 ? fd : fd_take(&fd);
}

/* A pipe whose end is kept for the error or, where the run has a file, that file. */
static int open_output(const char *file, struct capture *c, int *ret_write, struct err *err)
{
	if (!file)
		return make_pipe(&c->fd, ret_write, err);
	*ret_write = open_append(file, O_WRONLY, err);
	if (*ret_write < 0)
		return *ret_write;
	if (fd_nonblock(*ret_write, false) < 0)
		return err_sys(err, "set up \"%s\"", file);
	return 0;
}

static int spawn_hook(struct hook_call *c, const struct hooks_run *run, struct err *err)
{
	static char *empty_env[] = { NULL };
	const struct spec_hook *hook = c->hook;
	char *path_argv[] = { (char *)(uintptr_t)hook->path, NULL };
	CLEANUP_FD int out = -EBADF;
	CLEANUP_FD int error = -EBADF;
	struct proc_fd_map fds[3];
	struct proc_spawn spawn = {
		.path = hook->path,
		.argv = hook->args.n ? hook->args.v : path_argv,
		.envp = hook->has_env ? (hook->env.n ? hook->env.v : empty_env) : run->no_env,
		.fds = fds,
		.n_fds = 3,
	};
	int r = make_pipe(&c->in_read, &c->in.fd, err);

	if (r >= 0)
		r = open_output(run->stdout_file, &c->out, &out, err);
	if (r >= 0)
		r = open_output(run->stderr_file, &c->error, &error, err);
	if (r < 0)
		return r;
	fds[0] = (struct proc_fd_map){ c->in_read, 0 };
	fds[1] = (struct proc_fd_map){ out, 1 };
	fds[2] = (struct proc_fd_map){ error, 2 };
	if (fd_nonblock(c->in.fd, true) < 0 ||
	    (c->out.fd >= 0 && fd_nonblock(c->out.fd, true) < 0) ||
	    (c->error.fd >= 0 && fd_nonblock(c->error.fd, true) < 0))
		return err_sys(err, "set up a pipe");
	c->pid = proc_spawn(&spawn, &c->pidfd, err);
	return c->pid < 0 ? c->pid : 0;
}

/* 1: the hook has ended; 0: call again; -ETIMEDOUT. */
static int pump(struct hook_call *c)
{
	struct pollfd fds[5] = {
		{ .fd = proc_pollable(c->pidfd), .events = POLLIN },
		{ .fd = c->in.fd, .events = POLLOUT },
		{ .fd = c->out.fd, .events = POLLIN },
		{ .fd = c->error.fd, .events = POLLIN },
		{ .fd = c->cancel_fd, .events = POLLIN },
	};
	int timeout = -1;

	if (c->deadline_ms) {
		uint64_t now = now_ms();

		if (now >= c->deadline_ms)
			return -ETIMEDOUT;
		timeout = (int)MIN(c->deadline_ms - now, (uint64_t)60000);
	}
	if (poll(fds, ARRAY_COUNT(fds), timeout) < 0 && errno != EINTR)
		return -errno;
	if (fds[1].revents)
		feed(&c->in);
	if (fds[2].revents)
		drain(&c->out);
	if (fds[3].revents)
		drain(&c->error);
	if (fds[0].revents)
		return 1;
	if (fds[4].revents)
		return -EINTR;
	/* Without pidfds the end of both outputs has to do; where there are none, the wait itself. */
	return fds[0].fd < 0 && c->out.fd < 0 && c->error.fd < 0;
}

static int judge(struct hook_call *c, int status, struct err *err)
{
	char name[32];

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFSIGNALED(status))
		return err_set(err, ECANCELED, "signal: %s, stdout: %s, stderr: %s",
			       signal_name(WTERMSIG(status), name, sizeof(name)), c->out.text,
			       c->error.text);
	return err_set(err, ECANCELED, "exit status %d, stdout: %s, stderr: %s",
		       WEXITSTATUS(status), c->out.text, c->error.text);
}

static int run_one(const struct hooks_run *run, const struct spec_hook *hook, struct err *err)
{
	struct hook_call c = {
		.hook = hook,
		.pidfd = -EBADF,
		.in = { .fd = -EBADF },
		.in_read = -EBADF,
		.out = { .fd = -EBADF, .copy_fd = run->stdout_fd },
		.error = { .fd = -EBADF, .copy_fd = run->stderr_fd },
		.cancel_fd = run->cancel_fd > 0 ? run->cancel_fd : -EBADF,
	};
	int status, r;

	split_state(&c.in, run->state, run->pid);
	if (hook->timeout > 0)
		c.deadline_ms = now_ms() + (uint64_t)hook->timeout * 1000;
	r = spawn_hook(&c, run, err);
	if (r >= 0) {
		do
			r = pump(&c);
		while (r == 0);
		if (r < 0) {
			if (c.pidfd < 0 || proc_signal(c.pidfd, SIGKILL) < 0)
				(void)kill(c.pid, SIGKILL);
		}
		if (proc_wait(c.pid, &status) < 0)
			status = 0;
		drain(&c.out);
		drain(&c.error);
		if (r == -ETIMEDOUT)
			r = err_set(err, ETIMEDOUT, "hook ran past specified timeout of %d.0s",
				    hook->timeout);
		else if (r == -EINTR)
			r = err_set(err, EINTR, "interrupted by a signal");
		else if (r < 0)
			r = err_sysn(err, r, "wait for the hook");
		else
			r = judge(&c, status, err);
	}
	call_done(&c);
	return r;
}

int hooks_run(const struct hooks_run *run, struct err *err)
{
	for (size_t i = 0; i < run->list->n; i++)
		if (run_one(run, &run->list->v[i], err) < 0)
			return err_wrap(err, "error running %s hook #%zu",
					hooks_kind_name(run->kind), i);
	return 0;
}

void hooks_run_warn(const struct hooks_run *run)
{
	for (size_t i = 0; i < run->list->n; i++) {
		struct err err = { 0 };

		if (run_one(run, &run->list->v[i], &err) < 0)
			log_warning("error running %s hook #%zu: %s", hooks_kind_name(run->kind), i,
				    err.msg);
	}
}
