// SPDX-License-Identifier: Apache-2.0
// Attach clients over SOCK_SEQPACKET: queues, back-pressure, stalls.
#include "shim/conmon_attach.h"

#include <errno.h>
#include <sys/socket.h>

#include "common/fd.h"
#include "common/log.h"

#define CLIENTS_MAX 64
#define INPUT_PACKET 32768
#define SENDS_MAX 64 /* in one wake-up, so that others have their turn */

struct packet {
	struct packet *next;
	size_t n;
	char data[];
};

struct client {
	struct conmon_attach *a;
	struct client *next;
	int fd;
	struct ev_source *source;
	uint32_t events;
	struct packet *head, **tail;
	size_t queued;
	bool in_over;  /* it sends no more */
	bool progress; /* has taken something since the timer was set */
	bool stalled;  /* passed over until its queue is empty */
	uint64_t missed;
};

struct conmon_attach {
	struct conmon_attach_config config;
	int fd;
	struct ev_source *source;
	struct ev_timer *timer;
	struct client *clients;
	unsigned int n_clients;
	bool refused; /* output waits for room */
	bool ended;
};

static void client_ready(void *user, int fd, uint32_t events);

static void client_events(struct client *c)
{
	uint32_t events = 0;

	if (!c->in_over && !c->a->config.input_full(c->a->config.user))
		events |= EPOLLIN;
	if (c->head)
		events |= EPOLLOUT;
	if (c->source && events == c->events)
		return;
	c->events = events;
	if (c->source ? ev_modify(c->source, events) < 0
		      : ev_add(c->a->config.ev, c->fd, events, client_ready, c, &c->source) < 0)
		log_warning("cannot watch an attached client");
}

static void free_queue(struct client *c)
{
	while (c->head) {
		struct packet *p = c->head;

		c->head = p->next;
		free(p);
	}
	c->tail = &c->head;
	c->queued = 0;
}

static void client_free(struct client *c)
{
	struct conmon_attach *a = c->a;

	for (struct client **p = &a->clients; *p; p = &(*p)->next) {
		if (*p == c) {
			*p = c->next;
			break;
		}
	}
	a->n_clients--;
	ev_remove(c->source);
	fd_close(c->fd);
	free_queue(c);
	free(c);
}

static bool is_full(const struct client *c)
{
	return !c->stalled && c->queued >= CONMON_ATTACH_QUEUE;
}

static void input_over(struct client *c)
{
	if (c->in_over)
		return;
	c->in_over = true;
	c->a->config.input_end(c->a->config.user);
}

/* After room was made or a client has gone. */
static void check_room(struct conmon_attach *a)
{
	if (a->ended && !a->clients) {
		a->config.idle(a->config.user);
		return;
	}
	if (!a->refused)
		return;
	for (struct client *c = a->clients; c; c = c->next)
		if (is_full(c))
			return;
	a->refused = false;
	ev_timer_cancel(TAKE_PTR(a->timer));
	a->config.output_room(a->config.user);
}

static void drop(struct client *c)
{
	struct conmon_attach *a = c->a;

	input_over(c);
	client_free(c);
	check_room(a);
}

/* 1: sent, 0: not now, -errno: the client is no more. */
static int send_packet(const struct client *c, const char *data, size_t n)
{
	ssize_t r;

	do {
		r = send(c->fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (r < 0 && errno == EINTR);
	if (r >= 0)
		return 1;
	return errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM ? 0 : -errno;
}

/* False: the client was dropped. */
static bool flush(struct client *c)
{
	int r = 1;

	for (int i = 0; i < SENDS_MAX && c->head && r == 1; i++) {
		struct packet *p = c->head;

		r = send_packet(c, p->data, p->n);
		if (r != 1)
			break;
		c->progress = true;
		c->head = p->next;
		if (!c->head)
			c->tail = &c->head;
		c->queued -= p->n;
		free(p);
	}
	if (!c->head && c->stalled) {
		c->stalled = false;
		log_warning("an attached client has missed %llu bytes",
			    (unsigned long long)c->missed);
		c->missed = 0;
	}
	if (r < 0 || (c->a->ended && !c->head)) {
		drop(c);
		return false;
	}
	client_events(c);
	return true;
}

static void client_read(struct client *c)
{
	struct conmon_attach *a = c->a;
	char buf[INPUT_PACKET];
	ssize_t n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n > 0)
		a->config.input(a->config.user, buf, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		input_over(c);
	client_events(c);
}

static void client_ready(void *user, int fd UNUSED, uint32_t events)
{
	struct client *c = user;
	struct conmon_attach *a = c->a;

	if ((events & EPOLLIN) && !c->in_over)
		client_read(c);
	if (events & (EPOLLHUP | EPOLLERR)) {
		/* Closed on both sides; what it sent before that is still there to be read, once there
		 * is room for it. Until then not watching is the only way not to spin. */
		if (c->in_over)
			drop(c);
		else if (!(c->events & EPOLLIN))
			ev_remove(TAKE_PTR(c->source));
		return;
	}
	if ((events & EPOLLOUT) && flush(c))
		check_room(a);
}

/* Returns whether there was one. */
static bool accept_one(struct conmon_attach *a)
{
	int conn = accept4(a->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *c;

	if (conn < 0)
		return false;
	c = a->n_clients < CLIENTS_MAX ? calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		log_warning("an attaching client is refused: too many");
		fd_close(conn);
		return true;
	}
	*c = (struct client){ .a = a, .fd = conn, .events = EPOLLIN };
	c->tail = &c->head;
	if (ev_add(a->config.ev, conn, c->events, client_ready, c, &c->source) < 0) {
		fd_close(conn);
		free(c);
		return true;
	}
	c->next = a->clients;
	a->clients = c;
	a->n_clients++;
	client_events(c);
	return true;
}

static void accept_ready(void *user, int fd UNUSED, uint32_t events UNUSED)
{
	(void)accept_one(user);
}

static void stall_check(void *user);

static void arm(struct conmon_attach *a)
{
	if (!a->config.lossy || a->timer)
		return;
	for (struct client *c = a->clients; c; c = c->next)
		c->progress = false;
	if (ev_timer(a->config.ev, CONMON_ATTACH_STALL_MS, stall_check, a, &a->timer) < 0)
		a->timer = NULL;
}

static void stall_check(void *user)
{
	struct conmon_attach *a = user;

	a->timer = NULL;
	for (struct client *c = a->clients; c; c = c->next)
		if (is_full(c) && !c->progress)
			c->stalled = true;
	check_room(a);
	if (a->refused)
		arm(a);
}

static void enqueue(struct client *c, enum log_stream stream, const char *data, size_t n)
{
	struct packet *p = malloc(sizeof(*p) + n + 1);

	if (!p) {
		c->missed += n;
		c->stalled = true;
		return;
	}
	p->next = NULL;
	p->n = n + 1;
	p->data[0] = stream == LOG_STDOUT ? 2 : 3;
	memcpy(p->data + 1, data, n);
	*c->tail = p;
	c->tail = &p->next;
	c->queued += p->n;
}

bool conmon_attach_output(struct conmon_attach *a, enum log_stream stream, const char *data,
			  size_t n)
{
	/* Whoever has connected before this output was written gets it, whichever the loop saw first. */
	while (a->fd >= 0 && !a->clients && accept_one(a))
		;
	for (struct client *c = a->clients; c; c = c->next) {
		if (is_full(c)) {
			a->refused = true;
			arm(a);
			return false;
		}
	}
	a->refused = false;
	for (struct client *c = a->clients, *next; c; c = next) {
		next = c->next;
		if (c->stalled) {
			c->missed += n;
			continue;
		}
		for (size_t at = 0, part; at < n && !c->stalled; at += part) {
			part = MIN(n - at, (size_t)CONMON_ATTACH_PAYLOAD);
			enqueue(c, stream, data + at, part);
		}
		(void)flush(c);
	}
	return true;
}

bool conmon_attach_has_clients(const struct conmon_attach *a)
{
	return a->clients;
}

void conmon_attach_input_room(struct conmon_attach *a)
{
	for (struct client *c = a->clients; c; c = c->next)
		client_events(c);
}

bool conmon_attach_end(struct conmon_attach *a)
{
	/* Unlinked now: what is there later may be the next monitor's, of a restart. */
	if (a->fd >= 0) {
		(void)unlinkat(a->config.dirfd, "attach", 0);
		if (a->config.link)
			(void)unlink(a->config.link);
	}
	ev_remove(TAKE_PTR(a->source));
	a->fd = fd_close(a->fd);
	ev_timer_cancel(TAKE_PTR(a->timer));
	a->refused = false;
	for (struct client *c = a->clients, *next; c; c = next) {
		next = c->next;
		c->in_over = true;
		if (!c->head)
			client_free(c);
		else
			client_events(c);
	}
	a->ended = true;
	return !a->clients;
}

int conmon_attach_new(const struct conmon_attach_config *config, struct conmon_attach **ret,
		      struct err *err)
{
	struct conmon_attach *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return err_set(err, ENOMEM, "out of memory");
	a->config = *config;
	r = a->fd = conmon_attach_listen(config->dirfd);
	if (r >= 0)
		r = ev_add(config->ev, a->fd, EPOLLIN, accept_ready, a, &a->source);
	if (r < 0)
		err_sysn(err, r, "attach socket in \"%s\"", config->bundle);
	else
		r = conmon_attach_link(config, err);
	if (r < 0) {
		conmon_attach_free(a);
		return r;
	}
	*ret = a;
	return 0;
}

void conmon_attach_free(struct conmon_attach *a)
{
	if (!a)
		return;
	(void)conmon_attach_end(a);
	while (a->clients)
		client_free(a->clients);
	free(a);
}
