/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conmon's attach socket (SOCK_SEQPACKET, `attach` in the bundle) and its clients: packets of one
 * byte stream (2 stdout, 3 stderr) and at most 8192 bytes go out to all of them, raw input comes in.
 * A client has a queue of its own. Where that is full the output waits for it; but where a log is
 * behind the output (`lossy`), a client that takes nothing at all for CONMON_ATTACH_STALL_MS is
 * passed over until it has taken what waits for it, so that it cannot hold up the log.
 */
#pragma once

#include <stdbool.h>

#include "common/err.h"
#include "common/ev.h"
#include "shim/log.h"

#define CONMON_ATTACH_PAYLOAD 8192
#define CONMON_ATTACH_STALL_MS 1000
#define CONMON_ATTACH_QUEUE ((size_t)4 << 20)

struct conmon_attach;

struct conmon_attach_config {
	struct ev *ev;
	int dirfd;          /* the bundle */
	const char *bundle; /* absolute */
	const char *link; /* symlink to make in the socket directory; NULL: none (--full-attach) */
	bool lossy;
	void (*input)(void *user, const void *data, size_t n);
	bool (*input_full)(void *user); /* clients are not read until conmon_attach_input_room */
	void (*input_end)(void *user);  /* a client has closed, or shut down its sending */
	void (*output_room)(void *user);
	void (*idle)(void *user); /* after conmon_attach_end: the last client has all, or is gone */
	void *user;
};

MUST_CHECK int conmon_attach_new(const struct conmon_attach_config *config,
				 struct conmon_attach **ret, struct err *err);
void conmon_attach_free(
	struct conmon_attach *a); /* NULL is fine; unlinks the socket and the link */

/* False: no room at a client that counts; nothing was taken, try again after output_room. */
bool conmon_attach_output(struct conmon_attach *a, enum log_stream stream, const char *data,
			  size_t n);
bool conmon_attach_has_clients(const struct conmon_attach *a);
void conmon_attach_input_room(struct conmon_attach *a);

/* No more output comes and no more clients (the socket and the link are unlinked): each is closed once it has what waits for it. Returns
 * true if none is left (then idle is not called). */
bool conmon_attach_end(struct conmon_attach *a);

/* conmon_socket.c: the listening socket `attach` in the directory; its link, if one is asked for. */
MUST_CHECK int conmon_attach_listen(int dirfd);
MUST_CHECK int conmon_attach_link(const struct conmon_attach_config *config, struct err *err);
