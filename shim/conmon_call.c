// SPDX-License-Identifier: Apache-2.0
// The runtime's call: console socket, start, its words when it fails, the claimed pid.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "common/str.h"
#include "shim/conmon_kill.h"
#include "shim/conmon_monitor.h"
#include "shim/conmon_runtime.h"

static void got_master(void *user, int master)
{
	conmon_io_master(user, master);
}

static int open_console(struct conmon_monitor *m, struct err *err)
{
	const char *tmp = getenv("TMPDIR");

	if (asprintf(&m->tty_dir, "%s/conmon-term.XXXXXX", tmp && tmp[0] ? tmp : "/tmp") < 0)
		return err_set(err, ENOMEM, "out of memory");
	if (!mkdtemp(m->tty_dir)) {
		err_sys(err, "make the console socket's directory \"%s\"", m->tty_dir);
		free(TAKE_PTR(m->tty_dir));
		return -err->code;
	}
	m->tty_dirfd = fd_open(m->tty_dir, O_PATH | O_DIRECTORY, 0);
	if (m->tty_dirfd < 0)
		return err_sysn(err, m->tty_dirfd, "open \"%s\"", m->tty_dir);
	const struct tty_place place = {
		.dir = m->tty_dir, .dirfd = m->tty_dirfd, .fn = got_master, .user = m
	};

	return tty_listen(m->ev, &place, &m->tty, err);
}

static void close_console(struct conmon_monitor *m)
{
	tty_free(TAKE_PTR(m->tty));
	m->tty_dirfd = fd_close(m->tty_dirfd);
	if (m->tty_dir)
		(void)rmdir(m->tty_dir);
	free(TAKE_PTR(m->tty_dir));
}

/* With a terminal only the runtime itself writes here. The end of the text has the reason. */
static void read_message(void *user, int fd, uint32_t events UNUSED)
{
	struct conmon_monitor *m = user;
	ssize_t n;

	for (int i = 0; i < 16; i++) {
		if (m->n_message >= sizeof(m->message) - 1) {
			size_t half = sizeof(m->message) / 2;

			memmove(m->message, m->message + half, m->n_message - half);
			m->n_message -= half;
		}
		n = read(fd, m->message + m->n_message, sizeof(m->message) - 1 - m->n_message);
		if (n <= 0)
			break;
		m->n_message += (size_t)n;
	}
	if (n == 0)
		ev_remove(TAKE_PTR(m->message_source));
}

static void close_message(struct conmon_monitor *m)
{
	ev_remove(TAKE_PTR(m->message_source));
	m->message_fd = fd_close(m->message_fd);
}

static const char *message_of(struct conmon_monitor *m)
{
	if (!m->o->terminal)
		return stdio_captured(m->stdio);
	if (m->message_fd >= 0)
		read_message(m, m->message_fd, 0);
	while (m->n_message && (unsigned char)m->message[m->n_message - 1] <= ' ')
		m->n_message--;
	for (size_t i = 0; i < m->n_message; i++)
		if (!m->message[i])
			m->message[i] = ' ';
	m->message[m->n_message] = '\0';
	return m->message;
}

static void child_exited(void *user, const struct reaper_exit *exit)
{
	struct conmon_monitor *m = user;

	/* Not our child, or reaped by somebody else: unknown is not 0. */
	if (!m->timed_out && exit->code)
		m->status = exit->code == CLD_EXITED ? exit->status : 128 + exit->status;
	m->child = NULL;
	conmon_step(m, SUP_PROC_EXIT, NULL);
}

/* The pid file has been written; as nothing unknown was reaped since, the pid is its process. */
static int claim(struct conmon_monitor *m, struct err *err)
{
	const char *path = m->start->pid_file;
	char text[32];
	int pid, r;

	r = io_read_small(AT_FDCWD, path, text, sizeof(text));
	if (r < 0)
		return err_sysn(err, r, "read the runtime's pid file \"%s\"", path);
	if (parse_int(text, &pid) < 0 || pid <= 0)
		return err_set(err, EINVAL, "the runtime's pid file \"%s\" has \"%s\"", path, text);
	if (m->tty)
		tty_poll(m->tty);
	if (m->o->terminal && !stdio_has_master(m->stdio))
		return err_set(err, EPROTO, "Runtime did not set up terminal");
	r = reaper_watch_consume(m->reaper, pid, -EBADF, child_exited, m, &m->child);
	if (r < 0)
		return err_sysn(err, r, "claim process %d", pid);
	m->pid = pid;
	return 0;
}

static void runtime_exited(void *user, const struct reaper_exit *exit)
{
	struct conmon_monitor *m = user;
	bool good = exit->code == CLD_EXITED && exit->status == 0;
	const char *message = NULL;
	struct err err = { 0 };
	int r = good || m->o->exec ? claim(m, &err) : -EIO;

	m->runtime = NULL;
	stdio_capture_end(m->stdio, r == 0);
	if (r < 0) {
		message = message_of(m);
		if (message[0])
			log_warning("runtime stderr: %s", message);
		else if (err.msg[0])
			message = err.msg;
		if (!m->o->exec && !good)
			log_error("Failed to create container: exit status %d",
				  exit->code == CLD_EXITED ? exit->status : 128 + exit->status);
	}
	close_message(m);
	close_console(m);
	conmon_step(m, r < 0 ? SUP_RT_FAIL : SUP_RT_OK, message);
	reaper_release(m->reaper);
}

/* stdin and stdout are /dev/null with a terminal; what the runtime has to say comes by its stderr. */
static int open_message(struct conmon_monitor *m, int *ret_write, struct err *err)
{
	int p[2], r;

	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");
	*ret_write = p[1];
	m->message_fd = p[0];
	r = fd_nonblock(p[0], true);
	if (r == 0)
		r = ev_add(m->ev, p[0], EPOLLIN, read_message, m, &m->message_source);
	return r < 0 ? err_sysn(err, r, "pipe") : 0;
}

int conmon_call_start(struct conmon_monitor *m, struct err *err)
{
	struct conmon_command c = {
		.o = m->o,
		.bundle = m->start->bundle,
		.pid_file = m->start->pid_file,
	};
	struct conmon_spawn spawn = {
		.inherit = m->start->logs->passthrough,
		.oom_score_adj = m->oom_score_adj[0] ? m->oom_score_adj : NULL,
		.monitor = getpid(),
	};
	struct rlimit limit;
	CLEANUP_FD int message_fd = -EBADF;
	CLEANUP_FD int pidfd = -EBADF;
	int r = 0;
	pid_t pid;

	for (int i = 0; i < 3; i++)
		spawn.stdio[i] = stdio_child_fd(m->stdio, i);
	if (m->o->terminal) {
		r = open_message(m, &message_fd, err);
		spawn.stdio[2] = message_fd;
		if (r == 0)
			r = open_console(m, err);
		c.console = m->tty ? tty_socket_path(m->tty) : NULL;
	}
	if (r < 0)
		return r;
	reaper_hold(m->reaper);
	m->tag = m->o->timeout > 0 ? conmon_kill_tag(&limit) : 0;
	pid = conmon_command_spawn(&c, &spawn, &pidfd, err);
	if (m->tag)
		conmon_kill_untag(&limit);
	stdio_close_child(m->stdio);
	if (pid < 0) {
		reaper_release(m->reaper);
		return pid;
	}
	r = reaper_watch_consume(m->reaper, pid, fd_take(&pidfd), runtime_exited, m, &m->runtime);
	if (r < 0) {
		kill(pid, SIGKILL); /* our child, not reaped */
		reaper_release(m->reaper);
		return err_sysn(err, r, "watch the runtime");
	}
	return 0;
}

void conmon_call_free(struct conmon_monitor *m)
{
	close_message(m);
	close_console(m);
}
