// SPDX-License-Identifier: Apache-2.0
// The events' queue and its one sender: in order, one in flight, kept until the daemon has said that
// it took it; over a connection that is made anew for as long as the daemon is away.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"
#include "shim/front_event.h"
#include "shim/front_task_private.h"
#include "shim/memory.h"
#include "shim/ttrpc.h"

#define EVENTS_SERVICE "containerd.services.events.ttrpc.v1.Events"
#define ANSWER_MS 5000
#define RETRY_MS 100
#define RETRY_MAX_MS 2000
#define MANY 100       /* events: their memory is given back when they have gone */
#define REFUSALS_MAX 5 /* of one event by a daemon that is there */

struct front_publisher {
	struct front *front;
	struct event_queue queue;
	int fd;
	uint32_t stream;
	struct ev_source *source;
	struct ev_timer *timer; /* of the answer, or of the next try */
	struct ttrpc_decoder decoder;
	uint8_t *out;
	size_t out_len, out_at;
	bool in_flight, many;
	unsigned int wait_ms, refusals;
	void (*idle)(void *user);
	void *idle_user;
	struct ev_timer *idle_timer;
};

static void send_next(struct front_publisher *p);

static void disconnect(struct front_publisher *p)
{
	ev_timer_cancel(TAKE_PTR(p->timer));
	ev_remove(TAKE_PTR(p->source));
	p->fd = fd_close(p->fd);
	ttrpc_decoder_done(&p->decoder);
	free(TAKE_PTR(p->out));
	p->out_len = p->out_at = 0;
	p->in_flight = p->queue.head_in_flight = false;
	p->stream = 0;
}

static void try_again(void *user)
{
	struct front_publisher *p = user;

	p->timer = NULL;
	send_next(p);
}

static void later(struct front_publisher *p)
{
	disconnect(p);
	p->wait_ms = p->wait_ms ? MIN(p->wait_ms * 2, RETRY_MAX_MS) : RETRY_MS;
	if (ev_timer(p->front->ev, p->wait_ms, try_again, p, &p->timer) < 0)
		p->timer = NULL; /* the next event, or the daemon's next call, tries again */
}

static void no_answer(void *user)
{
	struct front_publisher *p = user;

	p->timer = NULL;
	log_warning("the daemon does not answer to an event");
	later(p);
}

static void check_idle(struct front_publisher *p)
{
	void (*fn)(void *user) = p->idle;

	if (!fn || p->queue.first)
		return;
	p->idle = NULL;
	ev_timer_cancel(TAKE_PTR(p->idle_timer));
	fn(p->idle_user);
}

static void answered(struct front_publisher *p, const struct ttrpc_frame *frame)
{
	CLEANUP_FREE char *text = NULL;
	CLEANUP_FREE uint8_t *payload = NULL;
	size_t n;
	int code;

	if (frame->type != TTRPC_RESPONSE || frame->stream != p->stream || !p->in_flight)
		return;
	p->in_flight = p->queue.head_in_flight = false;
	ev_timer_cancel(TAKE_PTR(p->timer));
	if (ttrpc_reply_decode(frame, &code, &text, &payload, &n) < 0 || code != TTRPC_OK) {
		log_warning("the daemon refuses an event: %s", text ? text : "no answer");
		if (++p->refusals < REFUSALS_MAX) {
			later(p);
			return;
		}
	}
	p->refusals = 0;
	p->wait_ms = 0;
	p->many = p->many || p->queue.n > MANY;
	event_queue_pop(&p->queue);
	if (p->many && !p->queue.first) {
		p->many = false;
		memory_give_back();
	}
	send_next(p);
}

static void flush(struct front_publisher *p)
{
	while (p->out_at < p->out_len) {
		ssize_t n = send(p->fd, p->out + p->out_at, p->out_len - p->out_at,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			later(p);
			return;
		}
		p->out_at += (size_t)n;
	}
	if (ev_modify(p->source, p->out_at < p->out_len ? EPOLLIN | EPOLLOUT : EPOLLIN) < 0)
		later(p);
}

static void receive(struct front_publisher *p)
{
	uint8_t buf[1024];
	ssize_t n = recv(p->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		/* The daemon ends: no try before there is something to tell. */
		if (p->queue.first)
			later(p);
		else
			disconnect(p);
		return;
	}
	for (ssize_t at = 0; at < n && p->fd >= 0;) {
		struct ttrpc_frame frame;
		bool ready = false;
		ssize_t used =
			ttrpc_decode(&p->decoder, buf + at, (size_t)(n - at), &frame, &ready);

		if (used < 0) {
			later(p);
			return;
		}
		at += used;
		if (ready)
			answered(p, &frame);
		else if (!used)
			return;
	}
}

static void ready(void *user, int fd UNUSED, uint32_t events)
{
	struct front_publisher *p = user;

	if (events & EPOLLOUT)
		flush(p);
	if (p->fd >= 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		receive(p);
	check_idle(p);
}

static int dial(struct front_publisher *p)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *path = p->front->ttrpc_address;
	CLEANUP_FD int fd = -EBADF;

	if (str_starts_with(path, "unix://"))
		path += 7;
	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* Local: at once, or not (EAGAIN: the daemon's backlog is full). */
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	if (ev_add(p->front->ev, fd, EPOLLIN, ready, p, &p->source) < 0)
		return -ENOMEM;
	p->fd = fd_take(&fd);
	return 0;
}

static void send_next(struct front_publisher *p)
{
	CLEANUP_FREE uint8_t *data = NULL;
	struct str frame = { 0 };
	size_t n;

	if (p->in_flight || p->timer || !p->queue.first)
		return;
	if ((p->fd < 0 && dial(p) < 0) ||
	    event_queue_encode(&p->queue, p->front->ns, &data, &n) < 0) {
		later(p);
		return;
	}
	p->stream = p->stream ? p->stream + 2 : 1;
	ttrpc_encode_call(&frame, p->stream, 0, EVENTS_SERVICE, "Forward", data, n,
			  (int64_t)ANSWER_MS * 1000000);
	free(p->out);
	p->out_len = frame.len;
	p->out_at = 0;
	p->out = (uint8_t *)str_take(&frame);
	p->in_flight = p->queue.head_in_flight = true;
	if (ev_timer(p->front->ev, ANSWER_MS, no_answer, p, &p->timer) < 0)
		p->timer = NULL;
	flush(p);
}

/* Nothing is told of what the daemon never heard of: a container whose creation has failed, a
 * session that never ran. */
static bool is_told(struct front_container *c, const struct event *event)
{
	if (event->type == EVENT_CREATE)
		c->told = true;
	return c->told && (event->type != EVENT_EXIT || event->pid);
}

void front_publisher_event(void *user, const struct event *event)
{
	struct front *front = user;
	struct front_container *c = front_container_find(front, event->id);
	struct front_publisher *p = front->publisher;
	struct front_event_create create = { 0 };

	if (!c || !is_told(c, event) || !front->ttrpc_address || !front->ttrpc_address[0])
		return;
	create.bundle = c->bundle;
	create.terminal = c->terminal;
	create.checkpoint = c->checkpoint;
	create.mounts = c->mounts;
	create.n_mounts = c->n_mounts;
	memcpy(create.uri, c->uri, sizeof(create.uri));
	if (event_queue_push(&p->queue, front->ns, event, &create) < 0)
		log_error("out of memory: event %s of \"%s\" is lost", event_topic(event->type),
			  event->id);
	send_next(p);
}

void front_publisher_kick(struct front_publisher *p)
{
	if (p->in_flight || !p->queue.first)
		return;
	ev_timer_cancel(TAKE_PTR(p->timer));
	p->wait_ms = 0;
	send_next(p);
}

static void idle_late(void *user)
{
	struct front_publisher *p = user;
	void (*fn)(void *user) = p->idle;

	p->idle_timer = NULL;
	p->idle = NULL;
	log_warning("%zu events were not taken by the daemon", p->queue.n);
	fn(p->idle_user);
}

void front_publisher_when_idle(struct front_publisher *p, unsigned int ms, void (*fn)(void *user),
			       void *user)
{
	p->idle = fn;
	p->idle_user = user;
	if (p->queue.first && ev_timer(p->front->ev, ms, idle_late, p, &p->idle_timer) < 0) {
		p->idle = NULL;
		fn(user);
		return;
	}
	check_idle(p);
}

int front_publisher_new(struct front *front, struct front_publisher **ret)
{
	struct front_publisher *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->front = front;
	p->fd = -EBADF;
	*ret = p;
	return 0;
}

void front_publisher_free(struct front_publisher *p)
{
	if (!p)
		return;
	disconnect(p);
	ev_timer_cancel(p->idle_timer);
	event_queue_done(&p->queue);
	free(p);
}
