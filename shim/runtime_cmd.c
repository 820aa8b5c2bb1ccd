// SPDX-License-Identifier: Apache-2.0
// argv, spawn, deadline, captured text, result of one runtime command.
#include "shim/runtime_cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/wait.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/str.h"

#define CAPTURE_MAX 4096
#define LOG_TAIL 8192
#define ARGV_MAX 256
#define READS_MAX 64 /* in one wake-up, so that others have their turn */

struct runtime_call {
	struct runtime *runtime;
	struct reaper_child *child;
	struct ev_source *source;
	struct ev_timer *timer;
	runtime_done_fn *done;
	void *user;
	unsigned int number;
	int fd; /* read end of the captured output */
	bool holds, timed_out;
	unsigned int ms;
	size_t captured;
	char command[24];
	char text[CAPTURE_MAX];
};

/* One line, without control bytes. */
static void flatten(char *text)
{
	size_t n = strlen(text);

	while (n && (unsigned char)text[n - 1] <= ' ')
		text[--n] = '\0';
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
}

static char unescape_hex(const char *p)
{
	char hex[5] = { 0 };
	uint32_t v;

	memcpy(hex, p, strnlen(p, 4));
	if (strlen(hex) != 4 || parse_u32(hex, 16, &v) < 0)
		return '?';
	return v >= 0x20 && v < 0x7f ? (char)v : v == '\n' ? '\n' : '?';
}

/* Unescapes the JSON string at p (after its quote) into buf. */
static void unescape(const char *p, char *buf, size_t size)
{
	size_t n = 0;

	for (; *p && *p != '"' && n + 1 < size; p++) {
		if (*p != '\\') {
			buf[n++] = *p;
			continue;
		}
		if (!*++p)
			break;
		if (*p == 'u') {
			buf[n++] = unescape_hex(p + 1);
			p += strnlen(p + 1, 4);
		} else {
			buf[n++] = *p == 'n' ? '\n' : *p == 't' ? ' ' : *p == 'r' ? ' ' : *p;
		}
	}
	buf[n] = '\0';
	flatten(buf);
}

/* The text after `"key"`, blanks, a colon, blanks and a quote. NULL if not there. */
static const char *string_member(const char *line, const char *key)
{
	const char *p = strstr(line, key);

	if (!p)
		return NULL;
	p += strlen(key);
	p += strspn(p, " ");
	if (*p++ != ':')
		return NULL;
	p += strspn(p, " ");
	return *p == '"' ? p + 1 : NULL;
}

/* No JSON tree here: the shim may be short of memory when it asks why a kill failed. */
bool runtime_log_message(char *text, char *buf, size_t size)
{
	bool found = false;

	for (char *line = text, *end; *line; line = end) {
		const char *level, *msg;

		end = line + strcspn(line, "\n");
		if (*end)
			*end++ = '\0';
		level = string_member(line, "\"level\"");
		msg = string_member(line, "\"msg\"");
		if (!msg || !level)
			continue;
		if (!str_starts_with(level, "error\"") && !str_starts_with(level, "fatal\""))
			continue;
		unescape(msg, buf, size);
		found = true;
	}
	return found;
}

static void log_file_path(const struct runtime *rt, unsigned int number, char *buf, size_t size)
{
	snprintf(buf, size, "%s/runtime-%u.log", rt->dir, number);
}

/* Not inlined: its buffers would be part of every call's stack. */
__attribute__((noinline)) static bool log_file_message(struct runtime_call *c, char *buf,
						       size_t size)
{
	char path[PATH_MAX], text[LOG_TAIL];
	CLEANUP_FD int fd = -EBADF;
	ssize_t n;
	off_t end;

	log_file_path(c->runtime, c->number, path, sizeof(path));
	fd = fd_open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0);
	if (fd < 0)
		return false;
	end = lseek(fd, 0, SEEK_END);
	n = pread(fd, text, sizeof(text) - 1,
		  end > (off_t)sizeof(text) - 1 ? end - (off_t)sizeof(text) + 1 : 0);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return runtime_log_message(text, buf, size);
}

static void capture(struct runtime_call *c)
{
	ssize_t n = -1;

	for (int i = 0; i < READS_MAX; i++) {
		/* The end of the text has the reason: make room by forgetting the older half. */
		if (c->captured >= sizeof(c->text) - 1) {
			size_t half = sizeof(c->text) / 2;

			memmove(c->text, c->text + half, c->captured - half);
			c->captured -= half;
		}
		n = read(c->fd, c->text + c->captured, sizeof(c->text) - 1 - c->captured);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		c->captured += (size_t)n;
	}
	if (n == 0) {
		ev_remove(TAKE_PTR(c->source));
		c->fd = fd_close(c->fd);
	}
	c->text[c->captured] = '\0';
}

static void capture_ready(void *user, int fd UNUSED, uint32_t events UNUSED)
{
	capture(user);
}

static int result_of(struct runtime_call *c, const struct reaper_exit *exit, char *msg, size_t size)
{
	size_t n;

	msg[0] = '\0';
	if (c->timed_out) {
		snprintf(msg, size, "%s %s did not end within %u s", c->runtime->path, c->command,
			 c->ms / 1000);
		return -ETIMEDOUT;
	}
	if (exit->code == CLD_EXITED && exit->status == 0)
		return 0;
	if (log_file_message(c, msg, size))
		return -EIO;
	for (size_t i = 0; i < c->captured; i++)
		if (!c->text[i])
			c->text[i] = ' ';
	flatten(c->text);
	n = strlen(c->text);
	memcpy(msg, c->text + (n < size ? 0 : n - size + 1), MIN(n, size - 1));
	msg[MIN(n, size - 1)] = '\0';
	if (!msg[0] && exit->code != CLD_EXITED)
		snprintf(msg, size, "%s %s was killed by signal %d", c->runtime->path, c->command,
			 exit->status);
	return -EIO;
}

__attribute__((noinline)) static void call_free(struct runtime_call *c)
{
	char path[PATH_MAX];

	log_file_path(c->runtime, c->number, path, sizeof(path));
	(void)unlink(path);
	ev_timer_cancel(c->timer);
	ev_remove(c->source);
	fd_close(c->fd);
	free(c);
}

static void call_exited(void *user, const struct reaper_exit *exit)
{
	struct runtime_call *c = user;
	struct reaper *reaper = c->runtime->reaper;
	char msg[RUNTIME_MESSAGE_MAX];
	bool holds = c->holds;
	int r;

	/* Grandchildren of the runtime may hold the pipe: what it wrote itself is there now. */
	if (c->fd >= 0)
		capture(c);
	r = result_of(c, exit, msg, sizeof(msg));
	log_debug("runtime call %u %s: %s", c->number, c->command,
		  r == 0   ? "ok"
		  : msg[0] ? msg
			   : "failed without a message");
	c->done(c->user, c->number, r, msg);
	call_free(c);
	if (holds)
		reaper_release(reaper);
	/* No recursion: called from a sweep, which goes on with what is now allowed. */
}

static void deadline(void *user)
{
	struct runtime_call *c = user;

	c->timer = NULL;
	c->timed_out = true;
	runtime_call_kill(c);
}

void runtime_call_kill(struct runtime_call *call)
{
	if (reaper_signal(call->child, SIGKILL) < 0)
		log_debug("runtime call %u has ended already", call->number);
}

static void build_argv(const struct runtime *rt, const struct runtime_request *q, const char *log,
		       const char **argv)
{
	size_t n = 0;

	argv[n++] = rt->path;
	for (size_t i = 0; i < rt->n_args; i++)
		argv[n++] = rt->args[i];
	if (rt->root) {
		argv[n++] = "--root";
		argv[n++] = rt->root;
	}
	argv[n++] = "--log";
	argv[n++] = log;
	argv[n++] = "--log-format";
	argv[n++] = "json";
	argv[n++] = q->command;
	for (size_t i = 0; i < q->n_args; i++)
		argv[n++] = q->args[i];
	argv[n] = NULL;
}

static pid_t spawn(struct runtime_call *c, const struct runtime_request *q, int pipe_fd,
		   int *ret_pidfd, struct err *err)
{
	const char *argv[ARGV_MAX + 16];
	/* A process that stays may not get the pipe: nobody reads it once the runtime is gone. */
	int spare = q->captures ? pipe_fd : -1;
	struct proc_fd_map map[3] = {
		{ q->stdio[0] >= 0 ? q->stdio[0] : -1, 0 },
		{ q->stdio[1] >= 0 ? q->stdio[1] : spare, 1 },
		{ q->stdio[2] >= 0 ? q->stdio[2] : spare, 2 },
	};
	struct proc_spawn ps = {
		.path = c->runtime->path,
		.argv = (char *const *)argv,
		.cwd_fd = -1,
		.fds = map,
		.n_fds = ARRAY_COUNT(map),
		.new_group = true,
		.oom_score_adj = c->runtime->oom_score_adj,
	};
	char log[PATH_MAX];

	log_file_path(c->runtime, c->number, log, sizeof(log));
	build_argv(c->runtime, q, log, argv);
	return proc_spawn(&ps, ret_pidfd, err);
}

static int call_spawn(struct runtime_call *c, const struct runtime_request *q, struct err *err)
{
	CLEANUP_FD int rd = -EBADF;
	CLEANUP_FD int wr = -EBADF;
	CLEANUP_FD int pidfd = -EBADF;
	int p[2], r;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");
	rd = p[0];
	wr = p[1];
	r = fd_nonblock(rd, true);
	if (r < 0)
		return err_sysn(err, r, "pipe");
	pid = spawn(c, q, wr, &pidfd, err);
	if (pid < 0)
		return pid;
	r = reaper_watch_consume(c->runtime->reaper, pid, fd_take(&pidfd), call_exited, c,
				 &c->child);
	if (r < 0) {
		kill(pid, SIGKILL); /* our child, not reaped; the sweep takes it */
		return err_sysn(err, r, "watch the runtime");
	}
	c->fd = fd_take(&rd);
	/* Without the source or the timer the call still ends with the process. */
	if (ev_add(c->runtime->ev, c->fd, EPOLLIN, capture_ready, c, &c->source) < 0 ||
	    ev_timer(c->runtime->ev, q->ms, deadline, c, &c->timer) < 0)
		log_warning("runtime call %u is not watched fully: out of memory", c->number);
	return 0;
}

int runtime_call_start(struct runtime *runtime, const struct runtime_request *request,
		       runtime_done_fn *done, void *user, struct runtime_call **ret,
		       struct err *err)
{
	struct runtime_call *c;
	int r;

	if (runtime->n_args + request->n_args > ARGV_MAX)
		return err_set(err, E2BIG, "too many arguments for the runtime");
	c = calloc(1, sizeof(*c));
	if (!c)
		return err_set(err, ENOMEM, "out of memory");
	c->runtime = runtime;
	c->done = done;
	c->user = user;
	c->fd = -EBADF;
	c->holds = request->holds;
	c->ms = request->ms;
	c->number = ++runtime->last;
	snprintf(c->command, sizeof(c->command), "%s", request->command);
	if (c->holds)
		reaper_hold(runtime->reaper);
	r = call_spawn(c, request, err);
	if (r < 0) {
		if (c->holds)
			reaper_release(runtime->reaper);
		free(c);
		return r;
	}
	*ret = c;
	return (int)c->number;
}
