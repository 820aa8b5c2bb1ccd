/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ttrpc client over one connected socket: calls that are waited for, with a deadline, and calls
 * and streams under way in a poll loop of the caller. Never blocks but in ttrpc_client_call. Used by
 * the client commands only, not by the daemon.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "common/err.h"
#include "shim/ttrpc.h"

#define TTRPC_CLIENT_FOREVER (-1)

struct ttrpc_client {
	int fd;
	uint32_t last_stream;
	struct ttrpc_decoder decoder;
	struct str out; /* not sent yet, from `sent` on */
	size_t sent;
	uint8_t *in; /* received, not decoded yet */
	size_t in_len, in_off;
};

struct ttrpc_method {
	const char *service, *method;
	const ProtobufCMessageDescriptor *reply; /* NULL: the payload is of no interest */
};

/* The socket becomes the client's. */
void ttrpc_client_init(struct ttrpc_client *c, int fd_consume);
void ttrpc_client_done(struct ttrpc_client *c);

/* One call, answered within `ms`. *ret (NULL: not wanted) is freed by
 * protobuf_c_message_free_unpacked(m, NULL). An error of the server is its text and an errno:
 * NOT_FOUND -ENOENT, ALREADY_EXISTS -EEXIST, FAILED_PRECONDITION -EBUSY, INVALID_ARGUMENT -EINVAL,
 * PERMISSION_DENIED -EPERM, DEADLINE_EXCEEDED -ETIMEDOUT, UNIMPLEMENTED -ENOSYS, others -EIO.
 * -ECONNRESET: the server has gone. */
MUST_CHECK int ttrpc_client_call(struct ttrpc_client *c, const struct ttrpc_method *method,
				 const ProtobufCMessage *request, int ms, ProtobufCMessage **ret,
				 struct err *err);

/* Starts a call (flags 0) or a stream (TTRPC_REMOTE_OPEN); returns its stream id. */
uint32_t ttrpc_client_begin(struct ttrpc_client *c, const struct ttrpc_method *method,
			    const ProtobufCMessage *request, uint8_t flags);
void ttrpc_client_data(struct ttrpc_client *c, uint32_t stream, const ProtobufCMessage *message);

/* Sends what can be sent without waiting. 1: more waits (poll for POLLOUT), 0: all sent, -errno. */
MUST_CHECK int ttrpc_client_flush(struct ttrpc_client *c);

/* The next frame without waiting, valid until the next call. 1, 0: none yet (poll for POLLIN), -errno;
 * -ECONNRESET at end of file. */
MUST_CHECK int ttrpc_client_next(struct ttrpc_client *c, struct ttrpc_frame *ret);

/* What a RESPONSE frame says, as ttrpc_client_call tells it. */
MUST_CHECK int ttrpc_client_reply(const struct ttrpc_frame *frame,
				  const struct ttrpc_method *method, ProtobufCMessage **ret,
				  struct err *err);
