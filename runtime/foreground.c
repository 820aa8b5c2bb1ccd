/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The foreground. See foreground.h. Our own stdio belongs to the caller and is never made
 * non-blocking (others share the description); so it is written only when poll says so, in pieces
 * that a pipe then takes whole.
 */
#include "runtime/foreground.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>

#include "common/ev.h"
#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "common/proc.h"

#define STREAM_BYTES 32768
#define DRAIN_MIN 65536 /* a pty holds less */
#define PIECE 4096      /* PIPE_BUF: a writable pipe takes it without blocking */

struct front;

/* One direction. Exactly one end is ours (pipe or pty master, non-blocking), the other the
 * caller's. */
struct stream {
	struct front *front;
	int from, to;
	bool to_caller;
	struct ev_source *read, *write; /* NULL: not watched */
	char *buf;                      /* STREAM_BYTES */
	size_t n, done;
	bool ended;
};

enum { IN, OUT, ERR, STREAM_N };

struct front {
	struct ev *ev;
	struct foreground *fg;
	struct spawned *child;
	struct foreground_io *io;
	struct stream streams[STREAM_N];
	struct ev_source *notify;
	int status;
};

static void fill_signals(sigset_t *set)
{
	static const int not_forwarded[] = { SIGKILL, SIGSTOP, SIGSEGV, SIGILL,  SIGFPE,
					     SIGBUS,  SIGTRAP, SIGSYS,  SIGPIPE, SIGURG };

	sigfillset(set);
	for (size_t i = 0; i < ARRAY_COUNT(not_forwarded); i++)
		sigdelset(set, not_forwarded[i]);
}

int foreground_begin(struct foreground *fg, bool subreaper, struct err *err)
{
	sigset_t set;

	fill_signals(&set);
	if (sigprocmask(SIG_BLOCK, &set, &fg->old_mask) < 0)
		return err_sys(err, "block signals");
	fg->blocked = true;
	/* A reader of our stdout that goes is an error of write, not our death. */
	(void)signal(SIGPIPE, SIG_IGN);
	if (subreaper && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return err_sys(err, "become the subreaper");
	return 0;
}

void foreground_end(struct foreground *fg)
{
	tty_host_restore(&fg->host);
	fg->host.fd = fd_close(fg->host.fd);
	if (fg->blocked)
		sigprocmask(SIG_SETMASK, &fg->old_mask, NULL);
	fg->blocked = false;
}

static void on_readable(void *user, int fd, uint32_t events);
static void on_writable(void *user, int fd, uint32_t events);

static void unwatch(struct ev_source **source)
{
	ev_remove(*source);
	*source = NULL;
}

static void watch(struct stream *s, int fd, uint32_t events, struct ev_source **source)
{
	if (*source)
		return;
	/* EPERM: a regular file or /dev/null, always ready; handled by who needs it. */
	if (ev_add(s->front->ev, fd, events, events == EPOLLIN ? on_readable : on_writable, s,
		   source) < 0)
		*source = NULL;
}

/* The container's end of this direction goes; the caller's stays open. */
static void end_stream(struct stream *s)
{
	struct foreground_io *io = s->front->io;

	if (s->ended)
		return;
	s->ended = true;
	unwatch(&s->read);
	unwatch(&s->write);
	if (io->tty_master >= 0)
		return;
	for (int i = 0; i < 3; i++)
		if (io->stdio[i] >= 0 && io->stdio[i] == (s->to_caller ? s->from : s->to))
			io->stdio[i] = fd_close(io->stdio[i]);
}

static bool is_writable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return poll(&p, 1, 0) > 0;
}

/* True if everything is written; false: wait until it can be (or the stream has ended). */
static bool flush(struct stream *s)
{
	while (s->done < s->n) {
		size_t left = s->n - s->done;
		ssize_t w;

		if (s->to_caller && !is_writable(s->to))
			break;
		w = write(s->to, s->buf + s->done, s->to_caller ? MIN(left, (size_t)PIECE) : left);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0 && errno == EAGAIN)
			break;
		if (w < 0) {
			end_stream(s);
			return false;
		}
		s->done += (size_t)w;
	}
	if (s->done < s->n) {
		unwatch(&s->read);
		watch(s, s->to, EPOLLOUT, &s->write);
		return false;
	}
	s->n = s->done = 0;
	unwatch(&s->write);
	return true;
}

static void on_readable(void *user, UNUSED int fd, UNUSED uint32_t events)
{
	struct stream *s = user;
	ssize_t n = read(s->from, s->buf, STREAM_BYTES);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		/* EIO from a pty master: all slaves are closed; from our terminal: it is gone. */
		end_stream(s);
		return;
	}
	s->n = (size_t)n;
	s->done = 0;
	(void)flush(s);
}

static void pull_plain_file(struct stream *s);

static void on_writable(void *user, UNUSED int fd, UNUSED uint32_t events)
{
	struct stream *s = user;

	if (!flush(s))
		return;
	watch(s, s->from, EPOLLIN, &s->read);
	if (!s->read)
		pull_plain_file(s);
}

/* Stdin from a file that epoll does not take: read it as fast as the container does. */
static void pull_plain_file(struct stream *s)
{
	while (!s->ended) {
		ssize_t n = read(s->from, s->buf, STREAM_BYTES);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			end_stream(s);
			return;
		}
		s->n = (size_t)n;
		s->done = 0;
		if (!flush(s))
			return;
	}
}

static void start_stream(struct front *f, int which, int from, int to)
{
	struct stream *s = &f->streams[which];
	int own = which == IN ? to : from;

	s->front = f;
	s->from = from;
	s->to = to;
	s->to_caller = which != IN;
	if (own < 0 || fd_nonblock(own, true) < 0) {
		s->ended = true;
		return;
	}
	watch(s, from, EPOLLIN, &s->read);
	if (!s->read && which == IN)
		pull_plain_file(s);
}

static void start_streams(struct front *f)
{
	struct foreground_io *io = f->io;

	if (io->tty_master >= 0) {
		start_stream(f, IN, STDIN_FILENO, io->tty_master);
		start_stream(f, OUT, io->tty_master, STDOUT_FILENO);
		start_stream(f, ERR, -EBADF, STDERR_FILENO);
		return;
	}
	start_stream(f, IN, STDIN_FILENO, io->stdio[0]);
	start_stream(f, OUT, io->stdio[1], STDOUT_FILENO);
	start_stream(f, ERR, io->stdio[2], STDERR_FILENO);
}

/* What the process wrote is in the pipes when it has been reaped: all of it goes out, whatever its
 * descendants keep open. They may go on writing for ever: not more is read than was in there. */
static void drain(struct stream *s)
{
	ssize_t left = DRAIN_MIN;

	if (s->ended || !s->to_caller)
		return;
	left = MAX(left, (ssize_t)fcntl(s->from, F_GETPIPE_SZ));
	unwatch(&s->read);
	unwatch(&s->write);
	for (;;) {
		ssize_t n;

		if (s->n > s->done && io_write_all(s->to, s->buf + s->done, s->n - s->done) < 0)
			return;
		s->n = s->done = 0;
		if (left <= 0)
			return;
		n = read(s->from, s->buf, STREAM_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		s->n = (size_t)n;
		left -= n;
	}
}

static void reap(struct front *f)
{
	if (spawn_reap(f->child, f->io->reap_all, &f->status))
		ev_stop(f->ev, 1);
}

static void on_signal(void *user, const struct signalfd_siginfo *info)
{
	struct front *f = user;
	int sig = (int)info->ssi_signo;

	if (sig == SIGCHLD) {
		reap(f);
	} else if (sig == SIGWINCH) {
		tty_copy_size(f->fg->host.fd, f->io->tty_master);
	} else if (f->child->pid > 0) {
		if (f->child->pidfd < 0 || proc_signal(f->child->pidfd, sig) < 0)
			(void)kill(f->child->pid, sig);
	}
}

static void end_notify(struct front *f)
{
	ev_remove(f->notify);
	f->notify = NULL;
}

/* It is us whom the service manager is to follow: no barrier, we stay. */
static void on_notify(void *user, UNUSED int fd, UNUSED uint32_t events)
{
	struct front *f = user;

	if (!notify_take_ready(f->io->notify))
		return;
	end_notify(f);
	notify_tell(f->io->notify, getpid());
}

static void watch_notify(struct front *f)
{
	struct notify *n = f->io->notify;

	if (n && n->fd >= 0 && ev_add(f->ev, n->fd, EPOLLIN, on_notify, f, &f->notify) < 0)
		log_warning("the container's notify socket is not watched");
}

static int set_up_terminal(struct front *f, struct err *err)
{
	if (f->io->tty_master < 0)
		return 0;
	tty_host_find(&f->fg->host);
	return tty_host_raw(&f->fg->host, err);
}

int foreground_run(struct foreground *fg, struct spawned *child, struct foreground_io *io,
		   struct err *err)
{
	struct front f = { .fg = fg, .child = child, .io = io };
	char bufs[STREAM_N][STREAM_BYTES]; /* not cleared: most containers say little */
	sigset_t set;
	int r = ev_new(&f.ev, err);

	if (r < 0)
		return r;
	fill_signals(&set);
	r = ev_signals(f.ev, &set, on_signal, &f);
	if (r < 0)
		r = err_sysn(err, r, "watch signals");
	else
		r = set_up_terminal(&f, err);
	if (r >= 0) {
		for (int i = 0; i < STREAM_N; i++)
			f.streams[i].buf = bufs[i];
		start_streams(&f);
		watch_notify(&f);
		reap(&f); /* it may have ended before we looked for SIGCHLD */
		if (f.child->pid > 0)
			(void)ev_run(f.ev);
		drain(&f.streams[OUT]);
		drain(&f.streams[ERR]);
		r = proc_exit_code(f.status);
	}
	for (int i = 0; i < STREAM_N; i++) {
		unwatch(&f.streams[i].read);
		unwatch(&f.streams[i].write);
	}
	end_notify(&f);
	ev_free(f.ev);
	for (int i = 0; i < 3; i++)
		io->stdio[i] = fd_close(io->stdio[i]);
	io->tty_master = fd_close(io->tty_master);
	tty_host_restore(&fg->host);
	return r;
}
