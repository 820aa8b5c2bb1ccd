// SPDX-License-Identifier: Apache-2.0
// Connections, dispatch, replies, limits.
#include "shim/server.h"

#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/sock.h"
#include "common/str.h"
#include "shim/ttrpc.h"

#define CONNS_MAX 512                   /* an exec has three */
#define CALLS_MAX 1024                  /* under way, a connection: Waits for sessions */
#define STREAM_MAX (256u << 10)         /* waiting for a slow client of a stream */
#define OUT_MAX (TTRPC_MESSAGE_MAX * 2) /* waiting at all; above: disconnect */
#define IN_BIG (64u << 10)              /* half a message; from here on it counts */
#define IN_MAX (16u << 20)              /* half messages of all clients */
#define ACCEPTS_MAX 16                  /* in one wake-up */
#define TRIM_FRAMES 64                  /* after so many the heap is looked at */
#define ACCEPT_AGAIN_MS 100             /* no descriptor to be had */
#define ENVELOPE 64                     /* more than a reply adds to its payload and text */

struct conn {
	struct server *server;
	struct conn *next;
	int fd;
	uint32_t events;
	struct ev_source *source;
	struct ucred peer;
	struct ttrpc_decoder decoder;
	struct str out;
	size_t sent; /* of out */
	struct server_call *calls;
	unsigned int n_calls, paused;
	bool busy, dead, was_full, eof;
};

struct server_call {
	struct conn *conn; /* NULL: the client is gone */
	struct server_call *next;
	struct ucred peer;
	uint32_t stream;
	struct ev_timer *timer;
	const struct server_stream *watch;
	void *user;
	bool paused, streaming, room;
};

struct server {
	struct ev *ev;
	int fd;
	struct ev_source *source;
	const struct server_service *services;
	size_t n_services, n_conns, n_frames;
	void *user;
	struct conn *conns;
	void (*idle)(void *user);
	void *idle_user;
	struct ev_timer *idle_timer, *accept_timer;
};

static void conn_write(struct conn *c);

static void call_gone(struct server_call *call)
{
	call->conn = NULL;
	ev_timer_cancel(TAKE_PTR(call->timer));
	if (call->watch && call->watch->on_gone)
		call->watch->on_gone(call->user);
}

/* Many requests leave holes in the heap; one long-lived client and its own do not count. */
static void trim(struct server *s)
{
	if (s->n_conns > 2 || s->n_frames < TRIM_FRAMES)
		return;
	s->n_frames = 0;
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

static void conn_free(struct conn *c)
{
	struct server *s = c->server;

	while (c->calls) {
		struct server_call *call = c->calls;

		c->calls = call->next;
		call_gone(call); /* may end, and so free, the call */
	}
	for (struct conn **p = &s->conns; *p; p = &(*p)->next) {
		if (*p == c) {
			*p = c->next;
			break;
		}
	}
	s->n_conns--;
	ev_remove(c->source);
	fd_close(c->fd);
	ttrpc_decoder_done(&c->decoder);
	str_done(&c->out);
	free(c);
	trim(s);
}

/* The client will send no more, and has got all it asked for. */
static bool conn_over(const struct conn *c)
{
	return c->eof && !c->calls && c->out.len == c->sent;
}

/* Not while one of its frames is handled: marks, and the reader frees. */
static void conn_kill(struct conn *c)
{
	c->dead = true;
	if (!c->busy)
		conn_free(c);
}

static void check_idle(void *user)
{
	struct server *s = user;

	for (struct conn *c = s->conns; c; c = c->next)
		if (c->out.len > c->sent)
			return;
	if (s->idle) {
		void (*fn)(void *user) = s->idle;

		s->idle = NULL;
		ev_timer_cancel(TAKE_PTR(s->idle_timer));
		fn(s->idle_user);
	}
}

static void conn_events(struct conn *c)
{
	size_t waiting = c->out.len - c->sent;
	uint32_t events = waiting ? EPOLLOUT : 0;

	/* Who does not read the answers may not ask more. */
	if (!c->paused && !c->eof && waiting < STREAM_MAX)
		events |= EPOLLIN;
	if (events == c->events)
		return;
	c->events = events;
	if (ev_modify(c->source, events) < 0)
		log_warning("cannot watch a client's connection");
}

/* Memory for n more bytes. str ends the program when there is none; a client is not worth that. */
static bool out_reserve(struct conn *c, size_t n)
{
	size_t want = c->out.len + n + TTRPC_HEADER + ENVELOPE;
	char *data;

	if (c->sent) {
		memmove(c->out.data, c->out.data + c->sent, c->out.len - c->sent);
		c->out.len -= c->sent;
		want -= c->sent;
		c->sent = 0;
	}
	if (want > OUT_MAX)
		return false;
	if (want < c->out.cap)
		return true;
	want = MAX(want + 1, c->out.cap * 2);
	data = realloc(c->out.data, want);
	if (!data)
		return false;
	c->out.data = data;
	c->out.cap = want;
	return true;
}

static void conn_write(struct conn *c)
{
	while (c->sent < c->out.len) {
		ssize_t n = send(c->fd, c->out.data + c->sent, c->out.len - c->sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			c->dead = true;
			return;
		}
		c->sent += (size_t)n;
	}
	if (c->sent == c->out.len) {
		str_done(&c->out);
		c->sent = 0;
	}
	if (c->out.len - c->sent >= STREAM_MAX)
		c->was_full = true;
	conn_events(c);
}

static void call_unlink(struct server_call *call)
{
	struct conn *c = call->conn;

	for (struct server_call **p = &c->calls; *p; p = &(*p)->next) {
		if (*p == call) {
			*p = call->next;
			break;
		}
	}
	c->n_calls--;
	if (call->paused)
		server_resume(call);
}

static void call_free(struct server_call *call)
{
	ev_timer_cancel(call->timer);
	free(call);
}

static void finish(struct server_call *call, int code, const char *text, const void *payload,
		   size_t n)
{
	struct conn *c = call->conn;

	if (!c) {
		call_free(call);
		return;
	}
	call_unlink(call);
	if (out_reserve(c, n + (text ? strlen(text) : 0)))
		ttrpc_encode_reply(&c->out, call->stream, code, text, payload, n);
	else
		c->dead = true;
	call_free(call);
	if (!c->dead)
		conn_write(c);
	if (c->dead || conn_over(c))
		conn_kill(c);
}

void server_reply(struct server_call *call, const void *payload, size_t n)
{
	finish(call, TTRPC_OK, NULL, payload, n);
}

void server_error(struct server_call *call, int code, const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	finish(call, code, text, NULL, 0);
}

const struct ucred *server_peer(const struct server_call *call)
{
	return &call->peer;
}

bool server_is_gone(const struct server_call *call)
{
	return !call->conn;
}

void server_watch(struct server_call *call, const struct server_stream *stream, void *user)
{
	call->watch = stream;
	call->user = user;
	if (stream && (stream->on_data || stream->on_room))
		call->streaming = true;
}

size_t server_room(const struct server_call *call)
{
	size_t waiting;

	if (!call->conn)
		return 0;
	waiting = call->conn->out.len - call->conn->sent;
	return waiting >= STREAM_MAX ? 0 : STREAM_MAX - waiting;
}

bool server_send(struct server_call *call, const void *payload, size_t n)
{
	struct conn *c = call->conn;

	if (!c || c->dead || !out_reserve(c, n))
		return false;
	ttrpc_encode(&c->out, call->stream, TTRPC_DATA, 0, payload, n);
	conn_write(c);
	if (c->out.len - c->sent >= STREAM_MAX)
		c->was_full = true;
	/* A dead connection is freed by its next event, not under the feet of the sender. */
	return !c->dead;
}

void server_pause(struct server_call *call)
{
	if (!call->conn || call->paused)
		return;
	call->paused = true;
	call->conn->paused++;
	conn_events(call->conn);
}

void server_resume(struct server_call *call)
{
	if (!call->conn || !call->paused)
		return;
	call->paused = false;
	call->conn->paused--;
	conn_events(call->conn);
}

static void timed_out(void *user)
{
	struct server_call *call = user;
	struct conn *c = call->conn;
	static const char text[] = "context deadline exceeded";

	call->timer = NULL;
	call_unlink(call);
	if (out_reserve(c, sizeof(text)))
		ttrpc_encode_reply(&c->out, call->stream, TTRPC_DEADLINE_EXCEEDED, text, NULL, 0);
	call_gone(call);
	conn_write(c);
	if (c->dead)
		conn_kill(c);
}

static void refuse(struct conn *c, uint32_t stream, int code, const char *text)
{
	if (out_reserve(c, strlen(text)))
		ttrpc_encode_reply(&c->out, stream, code, text, NULL, 0);
	else
		c->dead = true;
}

static const struct server_method *find_method(const struct server *s, const char *service,
					       const char *method, bool *ret_service)
{
	*ret_service = false;
	for (size_t i = 0; i < s->n_services; i++) {
		if (!str_eq(s->services[i].name, service))
			continue;
		*ret_service = true;
		for (size_t k = 0; k < s->services[i].n; k++)
			if (str_eq(s->services[i].methods[k].name, method))
				return &s->services[i].methods[k];
	}
	return NULL;
}

static struct server_call *call_new(struct conn *c, const struct ttrpc_frame *frame,
				    int64_t timeout_nano)
{
	struct server_call *call;

	if (c->n_calls >= CALLS_MAX)
		return NULL;
	call = calloc(1, sizeof(*call));
	if (!call)
		return NULL;
	if (timeout_nano > 0 && ev_timer(c->server->ev, ((uint64_t)timeout_nano + 999999) / 1000000,
					 timed_out, call, &call->timer) < 0) {
		free(call);
		return NULL;
	}
	call->conn = c;
	call->peer = c->peer;
	call->stream = frame->stream;
	call->next = c->calls;
	c->calls = call;
	c->n_calls++;
	return call;
}

static void dispatch(struct conn *c, const struct ttrpc_frame *frame)
{
	const struct server_method *m;
	struct ttrpc_call req = { 0 };
	struct server_call *call;
	struct err err = { 0 };
	bool known;
	char text[300];

	if (ttrpc_call_decode(frame, &req, &err) < 0) {
		refuse(c, frame->stream, TTRPC_INVALID_ARGUMENT, err.msg);
		return;
	}
	m = find_method(c->server, req.service, req.method, &known);
	if (!m) {
		snprintf(text, sizeof(text), "%s %.256s", known ? "method" : "service",
			 known ? req.method : req.service);
		refuse(c, frame->stream, TTRPC_UNIMPLEMENTED, text);
	} else {
		call = call_new(c, frame, req.timeout_nano);
		if (call)
			m->fn(c->server->user, call, req.payload, req.payload_len);
		else
			refuse(c, frame->stream, TTRPC_RESOURCE_EXHAUSTED, "too many calls");
	}
	ttrpc_call_done(&req);
}

static void stream_data(struct conn *c, const struct ttrpc_frame *frame)
{
	struct server_call *call;
	bool closed = frame->flags & TTRPC_REMOTE_CLOSED;

	for (call = c->calls; call && call->stream != frame->stream; call = call->next)
		;
	if (!call || !call->streaming) {
		refuse(c, frame->stream, TTRPC_INVALID_ARGUMENT, "StreamID is no longer active");
		return;
	}
	if (call->watch && call->watch->on_data)
		call->watch->on_data(call->user, frame->data,
				     frame->flags & TTRPC_NO_DATA ? 0 : frame->length, closed);
}

static void handle(struct conn *c, const struct ttrpc_frame *frame)
{
	char text[128];

	c->server->n_frames++;
	if (frame->oversized) {
		snprintf(text, sizeof(text), "message length %u exceed maximum message size of %u",
			 frame->length, TTRPC_MESSAGE_MAX);
		refuse(c, frame->stream, TTRPC_RESOURCE_EXHAUSTED, text);
	} else if (frame->type == TTRPC_DATA) {
		stream_data(c, frame);
	} else if (frame->type != TTRPC_REQUEST) {
		return; /* unknown types are ignored */
	} else if (frame->stream % 2 == 0) {
		refuse(c, frame->stream, TTRPC_INVALID_ARGUMENT,
		       "StreamID must be odd for client initiated streams");
	} else if (frame->stream <= c->decoder.last_stream) {
		refuse(c, frame->stream, TTRPC_INVALID_ARGUMENT,
		       "StreamID cannot be re-used and must increment");
	} else {
		c->decoder.last_stream = frame->stream;
		dispatch(c, frame);
	}
}

static void feed(struct conn *c, const uint8_t *data, size_t n)
{
	while (n && !c->dead) {
		struct ttrpc_frame frame;
		bool ready = false;
		ssize_t used = ttrpc_decode(&c->decoder, data, n, &frame, &ready);

		if (used < 0) {
			c->dead = true;
			return;
		}
		data += used;
		n -= (size_t)used;
		if (ready)
			handle(c, &frame);
		else if (!used)
			return;
	}
}

/* Half messages are kept for their peers, but not any amount: the one who keeps most has to go. */
static void bound_input(struct conn *c)
{
	struct conn *most = NULL;
	size_t sum = 0;

	if (c->decoder.cap < IN_BIG)
		return;
	for (struct conn *other = c->server->conns; other; other = other->next) {
		sum += other->decoder.cap;
		if (other != c && (!most || other->decoder.cap > most->decoder.cap))
			most = other;
	}
	if (sum <= IN_MAX)
		return;
	log_warning("the clients' unfinished messages are too large: one is disconnected");
	if (most)
		conn_kill(most);
	else
		c->dead = true;
}

static void conn_read(struct conn *c)
{
	uint8_t buf[8192];
	ssize_t n = read(c->fd, buf, sizeof(buf));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0)
		c->dead = true;
	if (n == 0)
		/* Half closed: what is under way is answered. Nothing under way: gone. */
		c->eof = true;
	if (n > 0)
		feed(c, buf, (size_t)n);
	if (n > 0 && !c->dead)
		bound_input(c);
}

static void tell_room(struct conn *c)
{
	if (!c->was_full || c->out.len - c->sent > STREAM_MAX / 2)
		return;
	c->was_full = false;
	for (struct server_call *call = c->calls; call; call = call->next)
		call->room = true;
	/* From the start after each: what is told may end any of the calls. */
	for (struct server_call *call = c->calls; call;) {
		if (!call->room || !call->watch || !call->watch->on_room) {
			call = call->next;
			continue;
		}
		call->room = false;
		call->watch->on_room(call->user);
		call = c->calls;
	}
}

static void conn_ready(void *user, int fd UNUSED, uint32_t events)
{
	struct conn *c = user;
	struct server *s = c->server;

	c->busy = true;
	if (events & EPOLLIN)
		conn_read(c);
	if (!c->dead)
		conn_write(c);
	if (!c->dead)
		tell_room(c);
	/* HUP: both directions are closed, nobody is left to answer to. */
	if ((events & (EPOLLERR | EPOLLHUP)) || conn_over(c))
		c->dead = true;
	c->busy = false;
	if (c->dead)
		conn_free(c);
	if (s->idle)
		check_idle(s);
}

/* The oldest connection on which nothing was ever asked: others wait for its place. */
static bool drop_silent(struct server *s)
{
	struct conn *oldest = NULL;

	for (struct conn *c = s->conns; c; c = c->next) /* newest first */
		if (!c->decoder.last_stream && !c->busy)
			oldest = c;
	if (oldest)
		conn_free(oldest);
	return oldest != NULL;
}

static void accept_ready(void *user, int fd, uint32_t events UNUSED);

static void accept_again(void *user)
{
	struct server *s = user;

	s->accept_timer = NULL;
	if (ev_add(s->ev, s->fd, EPOLLIN, accept_ready, s, &s->source) < 0)
		s->source = NULL;
	if (!s->source && ev_timer(s->ev, ACCEPT_AGAIN_MS, accept_again, s, &s->accept_timer) < 0)
		log_error("cannot watch the socket any more");
}

/* The socket stays readable: without a pause the loop would spin. */
static void accept_failed(struct server *s, int code)
{
	if (code == EAGAIN || code == EINTR || code == ECONNABORTED || drop_silent(s))
		return;
	log_warning("accept a client: %s", err_strerror(code));
	if (ev_timer(s->ev, ACCEPT_AGAIN_MS, accept_again, s, &s->accept_timer) == 0)
		ev_remove(TAKE_PTR(s->source));
}

static void conn_new(struct server *s, int conn)
{
	struct conn *c;

	if (s->n_conns >= CONNS_MAX)
		(void)drop_silent(s);
	c = s->n_conns < CONNS_MAX ? calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		fd_close(conn);
		return;
	}
	c->server = s;
	c->fd = conn;
	c->events = EPOLLIN;
	/* CVE-2020-15257: the path and its directory's mode are not the only fence. */
	if (sock_peer(conn, &c->peer) < 0 || (c->peer.uid != 0 && c->peer.uid != geteuid()) ||
	    ev_add(s->ev, conn, EPOLLIN, conn_ready, c, &c->source) < 0) {
		fd_close(conn);
		free(c);
		return;
	}
	c->next = s->conns;
	s->conns = c;
	s->n_conns++;
}

static void accept_ready(void *user, int fd, uint32_t events UNUSED)
{
	struct server *s = user;

	for (int i = 0; i < ACCEPTS_MAX; i++) {
		int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (conn < 0) {
			accept_failed(s, errno);
			return;
		}
		conn_new(s, conn);
	}
}

int server_new(struct ev *ev, int listen_fd_consume, const struct server_service *services,
	       size_t n, void *user, struct server **ret, struct err *err)
{
	CLEANUP_FD int fd = listen_fd_consume;
	struct server *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_set(err, ENOMEM, "out of memory");
	r = fd_nonblock(fd, true);
	if (r == 0)
		r = ev_add(ev, fd, EPOLLIN, accept_ready, s, &s->source);
	if (r < 0) {
		free(s);
		return err_sysn(err, r, "watch the socket");
	}
	s->ev = ev;
	s->fd = fd_take(&fd);
	s->services = services;
	s->n_services = n;
	s->user = user;
	*ret = s;
	return 0;
}

static void idle_time_is_up(void *user)
{
	struct server *s = user;
	void (*fn)(void *user) = s->idle;

	s->idle_timer = NULL;
	s->idle = NULL;
	fn(s->idle_user);
}

void server_when_idle(struct server *server, unsigned int ms, void (*fn)(void *user), void *user)
{
	server->idle = fn;
	server->idle_user = user;
	if (ev_timer(server->ev, ms, idle_time_is_up, server, &server->idle_timer) < 0) {
		server->idle = NULL;
		fn(user);
		return;
	}
	check_idle(server);
}

void server_free(struct server *server)
{
	if (!server)
		return;
	ev_timer_cancel(server->idle_timer);
	ev_timer_cancel(server->accept_timer);
	while (server->conns) {
		struct conn *c = server->conns;

		server->conns = c->next;
		conn_free(c);
	}
	ev_remove(server->source);
	fd_close(server->fd);
	free(server);
}
