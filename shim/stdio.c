// SPDX-License-Identifier: Apache-2.0
// Pumps: read, hand on, stop where the log or a lossless client is full; input with a bounded queue.
#include "shim/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "common/fd.h"
#include "common/log.h"
#include "shim/pace.h"
#include "shim/tty.h"

#define WAKE_UP_MAX (8u * PACE_CHUNK) /* bytes, so that others have their turn */
#define INPUT_FULL (64u << 10)        /* from here on clients are not read */
#define INPUT_MAX (8u << 20)          /* above, input is thrown away */
#define TTY_DRAIN (256u << 10)        /* more than a pty buffers */
#define HELD_MAX (128u << 10)         /* of stdout while stderr is captured; then it flows */

struct pump {
	struct stdio *owner;
	int fd; /* -EBADF: never was, or ended */
	struct ev_source *source;
	uint32_t events;
	enum log_stream stream;
	size_t rest, rest_at; /* bytes read but refused by the log, and where they begin */
	struct timespec when; /* of the refused bytes */
	bool full;            /* the log, or a lossless client, takes no more now */
	bool drained;
	struct ev_timer *rest_timer; /* set: not read before */
	struct pace pace;
};

struct stdio {
	struct stdio_config config;
	struct stdio_sink sink; /* put NULL: none */
	struct attach_hub *hub;
	struct pump *pump[LOG_STREAM_N];
	int child[3];
	int slave;
	int in_fd; /* stdin pipe; -EBADF with a terminal: the master is the pump's */
	struct ev_source *in_source;
	char *in;
	size_t in_len, in_at;
	bool in_close, in_over;
	bool capturing, exited, drained;
	size_t n_captured, n_held, held_at;
	char *captured;
	char *held; /* what came on stdout meanwhile: the container's, if the runtime succeeds */
	bool flows; /* too much to be held */
};

static size_t pump_read(struct pump *p, size_t limit);
static void pump_ready(void *user, int fd, uint32_t events);
static void input_flush(struct stdio *s);
static void check_drained(struct stdio *s);

static bool input_waits(const struct stdio *s)
{
	return s->in_len > s->in_at;
}

static void pump_events(struct pump *p)
{
	struct stdio *s = p->owner;
	uint32_t events = 0;

	if (!p->source)
		return;
	if (!p->full && !p->rest_timer)
		events |= EPOLLIN;
	if (s->config.terminal && input_waits(s))
		events |= EPOLLOUT;
	if (events == p->events)
		return;
	p->events = events;
	if (ev_modify(p->source, events) < 0)
		log_warning("cannot watch the container's output");
}

static void pump_close(struct pump *p)
{
	struct stdio *s = p->owner;

	ev_remove(TAKE_PTR(p->source));
	ev_timer_cancel(TAKE_PTR(p->rest_timer));
	pace_free(&p->pace);
	p->fd = fd_close(p->fd);
	if (s->config.log)
		log_writer_eof(s->config.log, p->stream);
	attach_hub_eof(s->hub, p->stream);
	if (s->config.terminal)
		attach_hub_eof(s->hub, LOG_STDERR);
	if (s->sink.put)
		s->sink.eof(s->sink.user, p->stream);
}

/* Hands what is in the buffer to the log. False: it has no room. */
static bool put_rest(struct pump *p)
{
	const struct stdio_sink *sink = &p->owner->sink;
	struct log_writer *log = p->owner->config.log;
	size_t n = p->rest;

	if (!p->rest)
		return true;
	if (sink->put)
		n = sink->put(sink->user, p->stream, p->pace.buf + p->rest_at, p->rest);
	else if (log)
		n = log_writer_put(log, p->stream, p->pace.buf + p->rest_at, p->rest, &p->when);
	p->rest -= n;
	p->rest_at += n;
	return p->rest == 0;
}

static void keep_captured(struct stdio *s, const char *data, size_t n)
{
	/* The end of the text has the reason. */
	if (n > STDIO_CAPTURE_MAX) {
		data += n - STDIO_CAPTURE_MAX;
		n = STDIO_CAPTURE_MAX;
	}
	if (s->n_captured + n > STDIO_CAPTURE_MAX) {
		size_t over = s->n_captured + n - STDIO_CAPTURE_MAX;

		memmove(s->captured, s->captured + over, s->n_captured - over);
		s->n_captured -= over;
	}
	memcpy(s->captured + s->n_captured, data, n);
	s->n_captured += n;
}

static bool holds(const struct pump *p)
{
	return p->stream == LOG_STDOUT && p->owner->capturing && !p->owner->flows;
}

static bool captures(const struct pump *p)
{
	return p->stream == LOG_STDERR && p->owner->capturing;
}

static size_t held_size(const struct pump *p)
{
	return p->stream == LOG_STDOUT ? p->owner->n_held - p->owner->held_at : 0;
}

static bool held_waits(const struct pump *p)
{
	return held_size(p) > 0;
}

/* Not read, stdout would block a runtime that writes more than the pipe holds. Room for one more
 * read, or it flows from here on. */
static void make_room(struct pump *p)
{
	struct stdio *s = p->owner;
	char *grown = s->n_held < HELD_MAX ? realloc(s->held, s->n_held + p->pace.size) : NULL;

	if (grown)
		s->held = grown;
	else
		s->flows = true;
}

/* As read(2): what was held first. */
static ssize_t pump_take(struct pump *p)
{
	struct stdio *s = p->owner;
	size_t n;

	if (holds(p))
		make_room(p);
	if (holds(p) || !held_waits(p))
		return pace_read(&p->pace, p->fd);
	n = MIN(held_size(p), p->pace.size);
	memcpy(p->pace.buf, s->held + s->held_at, n);
	s->held_at += n;
	if (s->held_at == s->n_held) {
		free(TAKE_PTR(s->held));
		s->held_at = s->n_held = 0;
	}
	return (ssize_t)n;
}

/* The n bytes at the start of the buffer were read now. */
static void pump_deliver(struct pump *p, size_t n)
{
	struct stdio *s = p->owner;

	if (captures(p)) {
		keep_captured(s, p->pace.buf, n);
		return;
	}
	if (holds(p)) {
		memcpy(s->held + s->n_held, p->pace.buf, n);
		s->n_held += n;
		return;
	}
	clock_gettime(CLOCK_REALTIME, &p->when);
	for (size_t at = 0; at < n; at += PACE_CHUNK)
		if (!attach_hub_output(s->hub, p->stream, p->pace.buf + at,
				       MIN(n - at, (size_t)PACE_CHUNK)))
			p->full = true;
	p->rest = n;
	p->rest_at = 0;
	if (!put_rest(p))
		p->full = true;
}

static void buffer_put(struct pump *p)
{
	if (!p->rest)
		pace_put(&p->pace);
}

/* Reads until EAGAIN, end of file, or `limit` bytes; sets drained for the first two. Returns how many. */
static size_t pump_read(struct pump *p, size_t limit)
{
	size_t total = 0;

	if (!p->rest)
		pace_get(&p->pace);
	while (p->fd >= 0 && !p->full && total < limit) {
		ssize_t n = pump_take(p);

		if (n < 0 && errno == EAGAIN) {
			p->drained = true;
			break;
		}
		/* stderr too: what has been captured of it comes before its end. */
		if (n <= 0 && (holds(p) || captures(p))) {
			/* Seen again when it is known whose it is; not watching is the only way not
			 * to spin. */
			ev_remove(TAKE_PTR(p->source));
			break;
		}
		if (n <= 0) { /* EIO: every slave of the pty is closed */
			p->drained = true;
			pump_close(p);
			break;
		}
		total += (size_t)n;
		pump_deliver(p, (size_t)n);
	}
	buffer_put(p);
	/* It wrote no more than the pipe held when it ended. */
	if (total >= limit && p->owner->exited)
		p->drained = true;
	return total;
}

static int pump_watch(struct pump *p)
{
	p->events = EPOLLIN;
	return ev_add(p->owner->config.ev, p->fd, p->events, pump_ready, p, &p->source);
}

/* Reads again, if nothing else is against it. */
static void pump_go_on(struct pump *p)
{
	if (p->fd >= 0 && !p->source && pump_watch(p) < 0) {
		p->source = NULL;
		log_warning("cannot watch the container's output");
	}
	pump_events(p);
}

static void rested(void *user)
{
	struct pump *p = user;

	p->rest_timer = NULL;
	if (!p->full)
		pump_go_on(p);
}

static void pump_rest(struct pump *p, size_t n)
{
	struct stdio *s = p->owner;
	/* A client of the sink's is slow itself, and may leave when it hears of the exit (containerd's
	 * do): with a larger pipe the container would end with more unread. */
	bool may = !s->sink.put || (s->sink.may_rest && s->sink.may_rest(s->sink.user));
	bool paced = may && !s->capturing && !s->exited;
	uint64_t ns = paced ? pace_turn(&p->pace, p->fd, n) : 0;

	if (ns && !p->rest_timer && ev_timer_ns(s->config.ev, ns, rested, p, &p->rest_timer) < 0)
		p->rest_timer = NULL;
}

static void pump_ready(void *user, int fd UNUSED, uint32_t events)
{
	struct pump *p = user;
	struct stdio *s = p->owner;

	if (events & EPOLLOUT)
		input_flush(s);
	/* HUP with EPOLLIN off comes although nobody asked: the pump is full. Not watching is the
	 * only way not to spin. */
	if ((events & (EPOLLHUP | EPOLLERR)) && !(p->events & EPOLLIN)) {
		ev_remove(TAKE_PTR(p->source));
		return;
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		pump_rest(p, pump_read(p, WAKE_UP_MAX));
	pump_events(p);
	if (s->exited)
		check_drained(s);
}

/* What made it full may be over. */
static void pump_resume(struct pump *p)
{
	if (!p || !p->full)
		return;
	if (!put_rest(p))
		return;
	buffer_put(p);
	p->full = false;
	if (held_waits(p))
		(void)pump_read(p, held_size(p));
	pump_go_on(p);
}

static void resume_all(struct stdio *s)
{
	for (int i = 0; i < LOG_STREAM_N; i++)
		pump_resume(s->pump[i]);
	if (s->exited && !s->drained)
		stdio_process_exited(s);
}

void stdio_log_room(struct stdio *s)
{
	resume_all(s);
}

static void hub_output_room(void *user)
{
	resume_all(user);
}

static void input_end(struct stdio *s)
{
	ev_remove(TAKE_PTR(s->in_source));
	s->in_fd = fd_close(s->in_fd);
	free(TAKE_PTR(s->in));
	s->in_len = s->in_at = 0;
	s->in_over = true;
}

static int input_fd(const struct stdio *s)
{
	if (!s->config.terminal)
		return s->in_fd;
	return s->pump[LOG_STDOUT] ? s->pump[LOG_STDOUT]->fd : -EBADF;
}

static void input_ready(void *user, int fd UNUSED, uint32_t events)
{
	struct stdio *s = user;

	/* EPOLLERR on a pipe: nobody reads it any more. */
	if (events & EPOLLERR)
		input_end(s);
	else
		input_flush(s);
}

static void input_watch(struct stdio *s)
{
	if (s->config.terminal) {
		if (s->pump[LOG_STDOUT])
			pump_events(s->pump[LOG_STDOUT]);
		return;
	}
	if (!input_waits(s)) {
		ev_remove(TAKE_PTR(s->in_source));
		return;
	}
	if (!s->in_source && s->in_fd >= 0 &&
	    ev_add(s->config.ev, s->in_fd, EPOLLOUT, input_ready, s, &s->in_source) < 0)
		s->in_source = NULL;
}

static void input_flush(struct stdio *s)
{
	int fd = input_fd(s);
	bool was_full = s->in_len - s->in_at >= INPUT_FULL;

	while (fd >= 0 && input_waits(s)) {
		ssize_t n = write(fd, s->in + s->in_at, s->in_len - s->in_at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			input_end(s);
			break;
		}
		s->in_at += (size_t)n;
	}
	if (!input_waits(s)) {
		free(TAKE_PTR(s->in));
		s->in_len = s->in_at = 0;
		if (s->in_close && !s->config.terminal)
			input_end(s);
	}
	input_watch(s);
	if (!was_full || s->in_len - s->in_at >= INPUT_FULL)
		return;
	attach_hub_input_room(s->hub);
	if (s->sink.input_room)
		s->sink.input_room(s->sink.user);
}

void stdio_input(struct stdio *s, const void *data, size_t n, bool eof)
{
	char *grown;

	if (!s->config.in || s->in_over || s->in_close)
		return;
	if (n && s->in_len - s->in_at + n <= INPUT_MAX) {
		if (s->in_at) {
			memmove(s->in, s->in + s->in_at, s->in_len - s->in_at);
			s->in_len -= s->in_at;
			s->in_at = 0;
		}
		grown = realloc(s->in, s->in_len + n);
		if (grown) {
			memcpy(grown + s->in_len, data, n);
			s->in = grown;
			s->in_len += n;
		}
	}
	if (eof)
		s->in_close = true;
	input_flush(s);
}

static void hub_input(void *user, const void *data, size_t n, bool eof)
{
	stdio_input(user, data, n, eof);
}

bool stdio_input_full(struct stdio *s)
{
	return s->in_len - s->in_at >= INPUT_FULL;
}

static bool hub_input_full(void *user)
{
	return stdio_input_full(user);
}

static struct pump *pump_new(struct stdio *s, enum log_stream stream, int fd_consume)
{
	struct pump *p = calloc(1, sizeof(*p));

	if (!p) {
		fd_close(fd_consume);
		return NULL;
	}
	pace_init(&p->pace, s->config.ev);
	p->owner = s;
	p->stream = stream;
	p->fd = fd_consume;
	if (pump_watch(p) < 0) {
		fd_close(p->fd);
		free(p);
		return NULL;
	}
	s->pump[stream] = p;
	return p;
}

static int make_output(struct stdio *s, enum log_stream stream)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	s->child[stream == LOG_STDOUT ? 1 : 2] = p[1];
	if (fd_nonblock(p[0], true) < 0 || !pump_new(s, stream, p[0]))
		return -ENOMEM;
	pump_events(s->pump[stream]);
	return 0;
}

static int make_input(struct stdio *s)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	s->child[0] = p[0];
	s->in_fd = p[1];
	return fd_nonblock(p[1], true);
}

int stdio_new(const struct stdio_config *config, struct stdio **ret, struct err *err)
{
	struct stdio *s = calloc(1, sizeof(*s));
	struct attach_owner owner = { hub_input, hub_input_full, hub_output_room, s };
	int r;

	if (!s)
		return err_set(err, ENOMEM, "out of memory");
	s->config = *config;
	s->capturing = config->capture && !config->terminal;
	s->child[0] = s->child[1] = s->child[2] = -EBADF;
	s->slave = s->in_fd = -EBADF;
	r = attach_hub_new(config->lossless, &owner, &s->hub);
	if (r == 0 && s->capturing) {
		s->captured = malloc(STDIO_CAPTURE_MAX + 1);
		r = s->captured ? 0 : -ENOMEM;
	}
	if (r == 0 && !config->terminal && config->in)
		r = make_input(s);
	if (r == 0 && !config->terminal && config->out)
		r = make_output(s, LOG_STDOUT);
	if (r == 0 && !config->terminal && config->err)
		r = make_output(s, LOG_STDERR);
	if (r < 0) {
		stdio_free(s);
		return err_sysn(err, r, "make the pipes");
	}
	/* Only now: where this fails, it stays the caller's. */
	if (config->sink)
		s->sink = *config->sink;
	*ret = s;
	return 0;
}

void stdio_free(struct stdio *s)
{
	if (!s)
		return;
	stdio_close_child(s);
	for (int i = 0; i < LOG_STREAM_N; i++) {
		if (!s->pump[i])
			continue;
		ev_remove(s->pump[i]->source);
		ev_timer_cancel(s->pump[i]->rest_timer);
		pace_free(&s->pump[i]->pace);
		fd_close(s->pump[i]->fd);
		free(s->pump[i]);
	}
	ev_remove(s->in_source);
	fd_close(s->in_fd);
	fd_close(s->slave);
	free(s->in);
	free(s->captured);
	free(s->held);
	attach_hub_free(s->hub);
	if (s->sink.put)
		s->sink.free(s->sink.user);
	free(s);
}

int stdio_child_fd(const struct stdio *s, int n)
{
	return s->child[n];
}

void stdio_close_child(struct stdio *s)
{
	for (int i = 0; i < 3; i++)
		s->child[i] = fd_close(s->child[i]);
}

void stdio_master_consume(struct stdio *s, int master)
{
	if (!s->config.terminal || s->pump[LOG_STDOUT] || s->exited) {
		fd_close(master);
		return;
	}
	s->slave = tty_open_slave(master);
	if (s->slave < 0)
		log_warning("the terminal's other side cannot be kept open");
	if (!pump_new(s, LOG_STDOUT, master)) {
		log_error("out of memory: the terminal's output is lost");
		return;
	}
	input_flush(s);
}

bool stdio_has_master(const struct stdio *s)
{
	return s->pump[LOG_STDOUT] != NULL;
}

void stdio_capture_end(struct stdio *s, bool pass_on)
{
	struct pump *p = s->pump[LOG_STDERR];
	size_t n = s->n_captured;

	if (!s->capturing)
		return;
	if (!pass_on && p)
		(void)pump_read(p, WAKE_UP_MAX);
	s->capturing = false;
	if (!pass_on) {
		free(TAKE_PTR(s->held));
		s->held_at = s->n_held = 0;
		return;
	}
	for (size_t at = 0, part; p && at < n; at += part) {
		pace_get(&p->pace);
		part = MIN(n - at, p->pace.size);
		memcpy(p->pace.buf, s->captured + at, part);
		pump_deliver(p, part);
		if (p->rest)
			break; /* 4 KiB are never too much for an empty log */
	}
	if (p)
		buffer_put(p);
	free(TAKE_PTR(s->captured));
	s->n_captured = 0;
	for (int i = 0; i < LOG_STREAM_N; i++) {
		p = s->pump[i];
		/* Hung up while nobody was listening. */
		if (p && p->fd >= 0 && !p->source && pump_watch(p) < 0)
			p->source = NULL;
		if (p && held_waits(p))
			pump_read(p, held_size(p));
		if (p)
			pump_events(p);
	}
}

const char *stdio_captured(const struct stdio *s)
{
	size_t n = s->n_captured;

	if (!s->captured)
		return "";
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s->captured[i] < ' ' || s->captured[i] == 0x7f)
			s->captured[i] = ' ';
	while (n && s->captured[n - 1] == ' ')
		n--;
	s->captured[n] = '\0';
	return s->captured;
}

static void set_drained(struct stdio *s)
{
	s->drained = true;
	for (int i = 0; i < LOG_STREAM_N; i++)
		if (s->pump[i] && s->pump[i]->fd >= 0 && s->config.log)
			log_writer_eof(s->config.log, (enum log_stream)i);
	attach_hub_end(s->hub);
}

static void check_drained(struct stdio *s)
{
	if (s->drained)
		return;
	for (int i = 0; i < LOG_STREAM_N; i++) {
		struct pump *p = s->pump[i];

		if (p && (p->rest || held_waits(p) || (p->fd >= 0 && !p->drained)))
			return;
	}
	set_drained(s);
	s->config.drained(s->config.user);
}

static size_t capacity(const struct stdio *s, const struct pump *p)
{
	int n = s->config.terminal ? -1 : fcntl(p->fd, F_GETPIPE_SZ);

	return (n > 0 ? (size_t)n : TTY_DRAIN) + held_size(p);
}

void stdio_process_exited(struct stdio *s)
{
	if (s->drained)
		return;
	s->exited = true;
	input_end(s);
	/* From here on the pty may hang up: what is in it can still be read. */
	s->slave = fd_close(s->slave);
	for (int i = 0; i < LOG_STREAM_N; i++) {
		struct pump *p = s->pump[i];

		if (!p)
			continue;
		/* An EAGAIN seen earlier says nothing of what was written since. */
		p->drained = p->fd < 0;
		if (p->fd >= 0)
			(void)pump_read(p, capacity(s, p));
		pump_events(p);
	}
	check_drained(s);
}

void stdio_drain_timeout(struct stdio *s)
{
	if (!s->drained && !s->config.lossless)
		set_drained(s);
}

bool stdio_is_over(const struct stdio *s)
{
	for (int i = 0; i < LOG_STREAM_N; i++)
		if (s->pump[i] &&
		    (s->pump[i]->fd >= 0 || s->pump[i]->rest || held_waits(s->pump[i])))
			return false;
	return true;
}

struct log_counts stdio_counts(const struct stdio *s)
{
	struct log_counts counts = { 0 };

	if (s->config.log)
		return log_writer_counts(s->config.log);
	if (s->sink.put && s->sink.counts)
		s->sink.counts(s->sink.user, &counts);
	return counts;
}

struct attach_hub *stdio_hub(struct stdio *s)
{
	return s->hub;
}

int stdio_resize(struct stdio *s, uint32_t width, uint32_t height)
{
	if (!s->config.terminal || !s->pump[LOG_STDOUT] || s->pump[LOG_STDOUT]->fd < 0)
		return 0;
	return tty_resize(s->pump[LOG_STDOUT]->fd, width, height);
}

void stdio_close_input(struct stdio *s)
{
	s->in_close = true;
	input_flush(s);
}
