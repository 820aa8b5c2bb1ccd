/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ttrpc server of the shim: the listening socket, who may connect (root and the shim's own
 * uid), connections, calls that are answered later, streams. Non-blocking and bounded: a client
 * that does not read is disconnected or, on a stream, told by server_room. Knows no service.
 *
 * A handler owns its call until it ends it with server_reply or server_error, also when the client
 * has gone: then they only free it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/err.h"
#include "common/ev.h"

struct server;
struct server_call;

typedef void server_method_fn(void *user, struct server_call *call, const uint8_t *payload,
			      size_t n);

struct server_method {
	const char *name;
	server_method_fn *fn;
};

struct server_service {
	const char *name;
	const struct server_method *methods;
	size_t n;
};

struct server_stream { /* what may happen to a call that is under way; each may be NULL */
	void (*on_data)(void *user, const uint8_t *payload, size_t n, bool closed);
	void (*on_room)(void *user); /* server_room has become large again */
	void (*on_gone)(void *user); /* the client is gone or its time is up: end the call */
};

/* The listening socket becomes the server's, on failure too. Services stay the caller's. */
MUST_CHECK int server_new(struct ev *ev, int listen_fd_consume,
			  const struct server_service *services, size_t n, void *user,
			  struct server **ret, struct err *err);
void server_free(struct server *server); /* closes everything; calls must have been ended */

/* Calls fn(user) in the loop once everything that was answered has been sent, at most after ms. */
void server_when_idle(struct server *server, unsigned int ms, void (*fn)(void *user), void *user);

void server_reply(struct server_call *call, const void *payload, size_t n);
void server_error(struct server_call *call, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

const struct ucred *server_peer(const struct server_call *call);
bool server_is_gone(const struct server_call *call);
void server_watch(struct server_call *call, const struct server_stream *stream, void *user);

/* Bytes a stream may still send before it should wait for on_room. */
size_t server_room(const struct server_call *call);
/* One data message of a stream. False: the client is gone, or has more than it may have waiting. */
bool server_send(struct server_call *call, const void *payload, size_t n);
/* Stops and resumes reading what this call's client sends. */
void server_pause(struct server_call *call);
void server_resume(struct server_call *call);
