// SPDX-License-Identifier: Apache-2.0
// Pipes, logs, attached clients, window size.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <termios.h>

#include "common/fd.h"
#include "common/log.h"
#include "shim/conmon_monitor.h"

#define LOG_END_MS 10000

/* The clients take a chunk whole or not at all, the log as much as it can; nothing twice. */
static size_t put(void *user, enum log_stream stream, const char *data, size_t n)
{
	struct conmon_monitor *m = user;
	size_t taken;

	if (m->attach && !m->attach_took[stream]) {
		if (!conmon_attach_output(m->attach, stream, data, n))
			return 0;
		m->attach_took[stream] = true;
	}
	taken = conmon_log_put(m->log, stream, data, n);
	if (taken == n)
		m->attach_took[stream] = false;
	return taken;
}

static void eof(void *user, enum log_stream stream)
{
	struct conmon_monitor *m = user;

	conmon_log_eof(m->log, stream);
}

static void input_room(void *user)
{
	struct conmon_monitor *m = user;

	if (m->attach)
		conmon_attach_input_room(m->attach);
}

/* Not while somebody watches. */
static bool may_rest(void *user)
{
	struct conmon_monitor *m = user;

	return !m->attach || !conmon_attach_has_clients(m->attach);
}

static void sink_free(void *user UNUSED)
{
}

static void room(void *user)
{
	struct conmon_monitor *m = user;

	if (m->stdio)
		stdio_log_room(m->stdio);
}

static void input(void *user, const void *data, size_t n)
{
	struct conmon_monitor *m = user;

	if (m->stdio)
		stdio_input(m->stdio, data, n, false);
}

static bool input_full(void *user)
{
	struct conmon_monitor *m = user;

	return m->stdio && stdio_input_full(m->stdio);
}

static void input_end(void *user)
{
	struct conmon_monitor *m = user;

	if (m->stdio && m->o->stdin_open && !m->o->leave_stdin_open)
		stdio_close_input(m->stdio);
}

static void idle(void *user)
{
	struct conmon_monitor *m = user;

	ev_stop(m->ev, 0);
}

static void set_size(struct conmon_monitor *m)
{
	int r = m->stdio && m->has_size ? stdio_resize(m->stdio, m->columns, m->rows) : 0;

	if (r < 0)
		log_warning("resize the terminal: %s", err_strerror(-r));
}

static void resize(void *user, unsigned int rows, unsigned int columns)
{
	struct conmon_monitor *m = user;

	m->rows = rows;
	m->columns = columns;
	m->has_size = true;
	set_size(m);
}

static void reopen(void *user)
{
	struct conmon_monitor *m = user;

	conmon_log_reopen(m->log);
}

void conmon_io_master(struct conmon_monitor *m, int master)
{
	struct termios t;

	/* conmon's clients expect CR LF, whatever the runtime left. */
	if (tcgetattr(master, &t) == 0) {
		t.c_oflag |= ONLCR;
		if (tcsetattr(master, TCSANOW, &t) < 0)
			log_warning("terminal: %s", err_strerror(errno));
	}
	stdio_master_consume(m->stdio, master);
	set_size(m);
}

static int open_sockets(struct conmon_monitor *m, struct err *err)
{
	const struct conmon_options *o = m->o;
	struct conmon_ctl_fns fns = { resize, reopen, m };
	struct conmon_attach_config c = {
		.ev = m->ev,
		.dirfd = m->dirfd,
		.bundle = m->start->bundle,
		.lossy = m->start->logs->n > 0,
		.input = input,
		.input_full = input_full,
		.input_end = input_end,
		.output_room = room,
		.idle = idle,
		.user = m,
	};
	int r;

	if (!o->full_attach && asprintf(&m->link, "%s/%s", o->socket_dir, o->cuuid) < 0)
		return err_set(err, ENOMEM, "out of memory");
	/* What fits into a sockaddr: clients cut the name in the same place. */
	if (m->link && strlen(m->link) == 107)
		m->link[106] = '\0';
	c.link = m->link;
	r = conmon_attach_new(&c, &m->attach, err);
	return r < 0 ? r : conmon_ctl_new(m->ev, m->dirfd, &fns, &m->ctl, err);
}

static void drained(void *user)
{
	conmon_step(user, SUP_IO_EOF, NULL);
}

static int open_stdio(struct conmon_monitor *m, struct err *err)
{
	struct stdio_sink sink = { put, eof, input_room, sink_free, m, .may_rest = may_rest };
	struct stdio_config c = {
		.ev = m->ev,
		.terminal = m->o->terminal,
		.in = m->o->stdin_open || m->o->terminal,
		.out = true,
		.err = true,
		.sink = &sink,
		.lossless = !m->start->logs->n,
		.capture = true,
		.drained = drained,
		.user = m,
	};
	struct stat st;
	int r;

	if (m->start->logs->passthrough) {
		c.in = c.out = c.err = false;
		c.capture = false;
	}
	r = stdio_new(&c, &m->stdio, err);
	for (int i = 0; i < 3 && r == 0; i++) {
		int fd = stdio_child_fd(m->stdio, i);

		if (fd < 0)
			continue;
		/* The container's user may open /dev/stdout anew, whoever that is. */
		if (fchmod(fd, 0777) < 0 || fstat(fd, &st) < 0)
			return err_sys(err, "pipe");
		if (i > 0)
			m->pipes[m->n_pipes++] = st.st_ino;
	}
	return r;
}

int conmon_io_open(struct conmon_monitor *m, struct err *err)
{
	const struct conmon_start *s = m->start;
	int r;

	r = conmon_log_new(m->ev, m->o, s->logs, room, m, &m->log, err);
	if (r == 0 && m->o->sdnotify_socket && m->dirfd >= 0)
		r = conmon_notify_new(m->ev, m->dirfd, m->o->sdnotify_socket, &m->notify, err);
	/* Before the sockets: what a client sends early is kept. */
	if (r == 0)
		r = open_stdio(m, err);
	if (r == 0 && m->dirfd >= 0 && !s->logs->passthrough)
		r = open_sockets(m, err);
	return r;
}

void conmon_io_free(struct conmon_monitor *m)
{
	conmon_attach_free(TAKE_PTR(m->attach));
	conmon_ctl_free(TAKE_PTR(m->ctl));
	conmon_notify_free(TAKE_PTR(m->notify));
	stdio_free(TAKE_PTR(m->stdio));
	conmon_log_free(TAKE_PTR(m->log), LOG_END_MS);
	free(TAKE_PTR(m->link));
}
