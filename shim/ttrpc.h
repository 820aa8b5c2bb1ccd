/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ttrpc framing and calls, without I/O: bytes in, messages out, bounded. The same code serves the
 * server side, the client side and the fuzzer. Header: u32 BE length, u32 BE stream, type, flags.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "common/err.h"
#include "common/str.h"

#define TTRPC_MESSAGE_MAX (4u << 20)
#define TTRPC_HEADER 10

enum ttrpc_type { TTRPC_REQUEST = 1, TTRPC_RESPONSE = 2, TTRPC_DATA = 3 };
enum { TTRPC_REMOTE_CLOSED = 1, TTRPC_REMOTE_OPEN = 2, TTRPC_NO_DATA = 4 };

enum ttrpc_code { /* google.rpc codes */
		  TTRPC_OK,
		  TTRPC_CANCELED,
		  TTRPC_UNKNOWN,
		  TTRPC_INVALID_ARGUMENT,
		  TTRPC_DEADLINE_EXCEEDED,
		  TTRPC_NOT_FOUND,
		  TTRPC_ALREADY_EXISTS,
		  TTRPC_PERMISSION_DENIED,
		  TTRPC_RESOURCE_EXHAUSTED,
		  TTRPC_FAILED_PRECONDITION,
		  TTRPC_ABORTED,
		  TTRPC_OUT_OF_RANGE,
		  TTRPC_UNIMPLEMENTED,
		  TTRPC_INTERNAL,
		  TTRPC_UNAVAILABLE,
		  TTRPC_DATA_LOSS,
		  TTRPC_UNAUTHENTICATED
};

struct ttrpc_frame {
	uint32_t stream;
	uint8_t type, flags;
	const uint8_t *data; /* points into the decoder until the next call */
	uint32_t length;
	bool oversized; /* data was discarded: answer RESOURCE_EXHAUSTED on that stream */
};

struct ttrpc_decoder { /* zeroed: ready */
	uint8_t *buf;
	size_t len, cap;
	size_t skip;          /* bytes of an oversized message still to be discarded */
	uint32_t last_stream; /* server side: client streams must be odd and increase */
};
void ttrpc_decoder_done(struct ttrpc_decoder *d);
/* Feeds bytes; returns how many were consumed (all, or fewer when a frame is ready), -ENOMEM. */
MUST_CHECK ssize_t ttrpc_decode(struct ttrpc_decoder *d, const void *data, size_t n,
				struct ttrpc_frame *ret, bool *ret_ready);
/* The server's rules for stream ids: a request opens an odd id above all before it, data goes to one
 * that was opened. NULL, or the text that answers (INVALID_ARGUMENT) a frame which breaks them; the
 * frame is then not to be acted on. Whether a stream is still open only the server knows. */
const char *ttrpc_stream_check(struct ttrpc_decoder *d, const struct ttrpc_frame *frame);
/* Appends one framed message. */
void ttrpc_encode(struct str *out, uint32_t stream, uint8_t type, uint8_t flags, const void *data,
		  size_t n);

/* Unpacks a message with a limit on the memory it may take (a few bytes on the wire can ask for
 * many); NULL: malformed, or above it. Freed by protobuf_c_message_free_unpacked(m, NULL). */
ProtobufCMessage *ttrpc_unpack(const ProtobufCMessageDescriptor *type, const void *data, size_t n);

struct ttrpc_call { /* a decoded request; strings live until ttrpc_call_done */
	char *service, *method;
	uint8_t *payload;
	size_t payload_len;
	int64_t timeout_nano;
	void *message; /* owner of the above */
};
MUST_CHECK int ttrpc_call_decode(const struct ttrpc_frame *frame, struct ttrpc_call *ret,
				 struct err *err);
void ttrpc_call_done(struct ttrpc_call *call);
void ttrpc_encode_call(struct str *out, uint32_t stream, uint8_t flags, const char *service,
		       const char *method, const void *payload, size_t n, int64_t timeout_nano);
/* code TTRPC_OK: payload; else the status with its text. */
void ttrpc_encode_reply(struct str *out, uint32_t stream, int code, const char *message,
			const void *payload, size_t n);
/* 0 and, for ret_code TTRPC_OK, the payload (caller frees, NULL if empty), else the message (caller
 * frees, never NULL); -EBADMSG, -ENOMEM. */
MUST_CHECK int ttrpc_reply_decode(const struct ttrpc_frame *frame, int *ret_code,
				  char **ret_message, uint8_t **ret_payload, size_t *ret_len);
