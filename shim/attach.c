// SPDX-License-Identifier: Apache-2.0
// Fan-out to attached clients, fan-in of their input.
#include "shim/attach.h"

#include <errno.h>

#include "common/log.h"
#include "shim/shim.pb-c.h"

#define CLIENTS_MAX 16
#define EARLY_MAX (64u << 10)

struct client {
	struct attach_hub *hub;
	struct client *next;
	struct server_call *call;
	bool want_stdin;
	uint64_t dropped;
};

struct early { /* output before the first client */
	struct early *next;
	enum log_stream stream;
	size_t n;
	char data[];
};

struct attach_hub {
	struct attach_owner owner;
	bool lossless, had_client, ended, eof[LOG_STREAM_N], full;
	struct client *clients;
	unsigned int n_clients;
	struct early *early, **early_tail;
	size_t early_bytes;
	uint64_t early_dropped;
};

int attach_hub_new(bool lossless, const struct attach_owner *owner, struct attach_hub **ret)
{
	struct attach_hub *hub = calloc(1, sizeof(*hub));

	if (!hub)
		return -ENOMEM;
	hub->owner = *owner;
	hub->lossless = lossless;
	hub->early_tail = &hub->early;
	*ret = hub;
	return 0;
}

static void client_free(struct client *c)
{
	for (struct client **p = &c->hub->clients; *p; p = &(*p)->next) {
		if (*p == c) {
			*p = c->next;
			break;
		}
	}
	c->hub->n_clients--;
	free(c);
}

static void client_end(struct client *c)
{
	server_watch(c->call, NULL, NULL);
	server_reply(c->call, NULL, 0);
	client_free(c);
}

static bool send_message(struct client *c, const Thole__Shim__V1__AttachData *m)
{
	size_t n = thole__shim__v1__attach_data__get_packed_size(m);
	uint8_t *buf = malloc(n + 1);
	bool ok;

	if (!buf)
		return false;
	thole__shim__v1__attach_data__pack(m, buf);
	ok = server_send(c->call, buf, n);
	free(buf);
	return ok;
}

static Thole__Shim__V1__Stream wire_stream(enum log_stream stream)
{
	return stream == LOG_STDOUT ? THOLE__SHIM__V1__STREAM__STDOUT
				    : THOLE__SHIM__V1__STREAM__STDERR;
}

static void client_output(struct client *c, enum log_stream stream, const void *data, size_t n)
{
	Thole__Shim__V1__AttachData m = THOLE__SHIM__V1__ATTACH_DATA__INIT;

	if (!c->hub->lossless && server_room(c->call) < n) {
		c->dropped += n;
		return;
	}
	m.stream = wire_stream(stream);
	m.data.data = (uint8_t *)data;
	m.data.len = n;
	m.dropped = c->dropped;
	if (send_message(c, &m))
		c->dropped = 0;
	else
		c->dropped += n;
}

static void client_eof(struct client *c, enum log_stream stream)
{
	Thole__Shim__V1__AttachData m = THOLE__SHIM__V1__ATTACH_DATA__INIT;

	m.stream = wire_stream(stream);
	m.eof = true;
	m.dropped = c->dropped;
	if (send_message(c, &m))
		c->dropped = 0;
}

static void on_data(void *user, const uint8_t *payload, size_t n, bool closed)
{
	struct client *c = user;
	struct attach_hub *hub = c->hub;
	Thole__Shim__V1__AttachData *m = NULL;
	bool eof = false;

	/* A client that only closes its half has not ended the process's input: others, and it
	 * itself on another day, may go on. Only an eof message does. */
	if (!c->want_stdin || (closed && !n))
		return;
	m = thole__shim__v1__attach_data__unpack(NULL, n, payload);
	if (!m)
		return;
	eof = m->eof;
	if (m->stream == THOLE__SHIM__V1__STREAM__STDIN && (m->data.len || eof))
		hub->owner.input(hub->owner.user, m->data.data, m->data.len, eof);
	thole__shim__v1__attach_data__free_unpacked(m, NULL);
	if (hub->owner.input_full(hub->owner.user))
		server_pause(c->call);
}

/* Tells the owner once all clients have room. */
static void check_room(struct attach_hub *hub)
{
	if (!hub->full)
		return;
	for (struct client *c = hub->clients; c; c = c->next)
		if (server_room(c->call) == 0)
			return;
	hub->full = false;
	hub->owner.output_room(hub->owner.user);
}

static void on_room(void *user)
{
	check_room(((struct client *)user)->hub);
}

static void on_gone(void *user)
{
	struct client *c = user;
	struct attach_hub *hub = c->hub;

	client_end(c);
	check_room(hub);
}

static const struct server_stream stream_fns = {
	.on_data = on_data,
	.on_room = on_room,
	.on_gone = on_gone,
};

static void free_early(struct attach_hub *hub)
{
	while (hub->early) {
		struct early *e = hub->early;

		hub->early = e->next;
		free(e);
	}
	hub->early_tail = &hub->early;
	hub->early_bytes = 0;
}

static void send_early(struct attach_hub *hub, struct client *c)
{
	for (struct early *e = hub->early; e; e = e->next)
		client_output(c, e->stream, e->data, e->n);
	c->dropped += hub->early_dropped;
	hub->early_dropped = 0;
	free_early(hub);
}

void attach_hub_add(struct attach_hub *hub, struct server_call *call, bool want_stdin)
{
	struct client *c = NULL;

	if (hub->n_clients < CLIENTS_MAX)
		c = calloc(1, sizeof(*c));
	if (!c) {
		server_error(call, 8, "too many attached clients");
		return;
	}
	*c = (struct client){ .hub = hub, .call = call, .want_stdin = want_stdin };
	c->next = hub->clients;
	hub->clients = c;
	hub->n_clients++;
	server_watch(call, &stream_fns, c);
	send_early(hub, c);
	hub->had_client = true;
	for (int s = 0; s < LOG_STREAM_N; s++)
		if (hub->eof[s])
			client_eof(c, (enum log_stream)s);
	if (hub->ended)
		client_end(c);
	check_room(hub);
}

static bool keep_early(struct attach_hub *hub, enum log_stream stream, const void *data, size_t n)
{
	struct early *e;

	if (!hub->lossless || hub->had_client)
		return true; /* nobody listens (any more) */
	e = hub->early_bytes + n <= EARLY_MAX ? malloc(sizeof(*e) + n) : NULL;
	if (!e) {
		hub->early_dropped += n;
		return true;
	}
	e->next = NULL;
	e->stream = stream;
	e->n = n;
	memcpy(e->data, data, n);
	*hub->early_tail = e;
	hub->early_tail = &e->next;
	hub->early_bytes += n;
	return true;
}

bool attach_hub_output(struct attach_hub *hub, enum log_stream stream, const void *data, size_t n)
{
	if (hub->ended)
		return true;
	if (!hub->clients)
		return keep_early(hub, stream, data, n);
	for (struct client *c = hub->clients, *next; c; c = next) {
		next = c->next;
		client_output(c, stream, data, n);
		if (hub->lossless && !server_is_gone(c->call) && server_room(c->call) == 0)
			hub->full = true;
	}
	return !hub->full;
}

void attach_hub_eof(struct attach_hub *hub, enum log_stream stream)
{
	if (hub->eof[stream])
		return;
	hub->eof[stream] = true;
	for (struct client *c = hub->clients; c; c = c->next)
		client_eof(c, stream);
}

static void end_clients(struct attach_hub *hub)
{
	struct client *c;

	while ((c = hub->clients)) {
		hub->clients = c->next;
		client_end(c);
	}
}

void attach_hub_end(struct attach_hub *hub)
{
	if (hub->ended)
		return;
	for (int s = 0; s < LOG_STREAM_N; s++)
		attach_hub_eof(hub, (enum log_stream)s);
	hub->ended = true;
	end_clients(hub);
}

void attach_hub_input_room(struct attach_hub *hub)
{
	for (struct client *c = hub->clients; c; c = c->next)
		server_resume(c->call);
}

void attach_hub_free(struct attach_hub *hub)
{
	if (!hub)
		return;
	end_clients(hub);
	free_early(hub);
	free(hub);
}
