// SPDX-License-Identifier: Apache-2.0
// Standard streams of a process: its outputs together, its input, its logger's end.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/proc.h"
#include "shim/front_task_io.h"

#define INPUT_CHUNK (16u << 10)
#define LOGGER_END_MS 12000

static size_t sink_put(void *user, enum log_stream stream, const char *data, size_t n)
{
	const struct front_io *io = user;

	return front_out_put(io->to[stream], data, n);
}

static void sink_eof(void *user, enum log_stream stream)
{
	const struct front_io *io = user;

	front_out_end(io->to[stream]);
}

static void sink_counts(void *user, struct log_counts *ret)
{
	const struct front_io *io = user;

	for (int i = 0; i < LOG_STREAM_N; i++) {
		ret->bytes_logged += io->out[i].passed;
		ret->bytes_dropped += io->out[i].dropped;
		ret->bytes_pending += io->out[i].spool.len;
	}
	if (ret->bytes_dropped)
		snprintf(ret->drop_reason, sizeof(ret->drop_reason), "nobody read the output");
}

static void input_watch(struct front_io *io);

static void input_end(struct front_io *io)
{
	ev_remove(TAKE_PTR(io->in_source));
	io->in_fd = fd_close(io->in_fd);
	io->in_keep = fd_close(io->in_keep);
}

static void input_ready(void *user, int fd, uint32_t events UNUSED)
{
	struct front_io *io = user;
	struct stdio *stdio = io->proc->stdio;
	char buf[INPUT_CHUNK];
	ssize_t n;

	if (!stdio) {
		input_end(io);
		return;
	}
	n = read(fd, buf, sizeof(buf));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		input_end(io);
		/* A terminal's end of file is a character that its user types. */
		if (!io->terminal)
			stdio_input(stdio, NULL, 0, true);
		return;
	}
	stdio_input(stdio, buf, (size_t)n, false);
	if (stdio_input_full(stdio))
		ev_remove(TAKE_PTR(io->in_source));
}

static void input_watch(struct front_io *io)
{
	int r;

	if (io->in_source || io->in_fd < 0)
		return;
	r = ev_add(io->front->ev, io->in_fd, EPOLLIN, input_ready, io, &io->in_source);
	/* A regular file is always ready: all of it at once, as far as there is room. */
	while (r == -EPERM && io->in_fd >= 0 && !stdio_input_full(io->proc->stdio))
		input_ready(io, io->in_fd, 0);
}

static void sink_room(void *user)
{
	input_watch(user);
}

static void sink_free(void *user)
{
	front_io_free(user);
}

void front_io_give(struct front_io *io, struct task_proc *p)
{
	io->proc = p;
	p->in = io->in_fd >= 0;
	p->out = p->terminal || io->to[LOG_STDOUT]->fd >= 0;
	p->err = !p->terminal && io->to[LOG_STDERR]->fd >= 0;
	io->to[LOG_STDOUT]->n_open += p->out;
	io->to[LOG_STDERR]->n_open += p->err;
	p->sink = (struct stdio_sink){ sink_put, sink_eof,    sink_room, sink_free,
				       io,       sink_counts, NULL };
}

/* Of a process that front_io_give was called for; the stdio's sink is freed after the process. */
static struct front_io *io_of(const struct task_proc *p)
{
	return p->sink.user;
}

void front_io_start_input(struct task_proc *p)
{
	if (io_of(p) && p->stdio)
		input_watch(io_of(p));
}

bool front_io_is_busy(const struct task_proc *p)
{
	const struct front_io *io = io_of(p);

	for (int i = 0; io && i < LOG_STREAM_N; i++)
		if (front_out_is_busy(&io->out[i]))
			return true;
	return false;
}

bool front_io_close_input(struct task_proc *p)
{
	struct front_io *io = io_of(p);

	if (!io || (io->in_fd < 0 && io->in_keep < 0))
		return false;
	/* The end comes when the client, too, has closed it. */
	io->in_keep = fd_close(io->in_keep);
	return true;
}

struct logger_end {
	int pidfd;
};

static void logger_late(void *user)
{
	struct logger_end *end = user;

	if (proc_signal(end->pidfd, SIGKILL) == 0)
		log_warning("a logging program did not end in time");
	fd_close(end->pidfd);
	free(end);
}

/* It ends by itself at the end of its input; one that does not is ended. */
static void logger_finish(struct front_io *io)
{
	struct logger_end *end = malloc(sizeof(*end));
	struct ev_timer *timer;

	if (end)
		end->pidfd = io->logger;
	if (end && ev_timer(io->front->ev, LOGGER_END_MS, logger_late, end, &timer) == 0)
		return;
	free(end);
	fd_close(io->logger);
}

void front_io_free(struct front_io *io)
{
	if (!io)
		return;
	for (int i = 0; i < LOG_STREAM_N; i++)
		front_out_free(&io->out[i]);
	ev_remove(io->in_source);
	fd_close(io->in_fd);
	fd_close(io->in_keep);
	if (io->logger >= 0)
		logger_finish(io);
	free(io->id);
	free(io->dir);
	free(io);
}
