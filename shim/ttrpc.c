// SPDX-License-Identifier: Apache-2.0
/*
 * The ttrpc codec; see ttrpc.h.
 */
#include "shim/ttrpc.h"

#include <errno.h>

#include "shim/log_frame.h"
#include "shim/ttrpc.pb-c.h"

#define BUFFER_FIRST ((size_t)1024)
#define BUFFER_KEEP ((size_t)16 << 10) /* of the decoder's memory between two messages */
#define UNPACK_MEMORY_MAX ((size_t)16 << 20)

static uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_u32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

void ttrpc_decoder_done(struct ttrpc_decoder *d)
{
	free(d->buf);
	*d = (struct ttrpc_decoder){ 0 };
}

static int reserve(struct ttrpc_decoder *d, size_t need)
{
	size_t cap = MAX(d->cap, BUFFER_FIRST);
	uint8_t *bigger;

	/* Grows with what has arrived, not with what the peer announces. */
	while (cap < need)
		cap *= 2;
	if (cap == d->cap)
		return 0;
	bigger = realloc(d->buf, cap);
	if (!bigger)
		return -ENOMEM;
	d->buf = bigger;
	d->cap = cap;
	return 0;
}

/* Forgets a frame that the last call handed out. */
static void forget_frame(struct ttrpc_decoder *d)
{
	if (d->len < TTRPC_HEADER || d->len < TTRPC_HEADER + (size_t)get_u32(d->buf))
		return;
	d->len = 0;
	if (d->cap > BUFFER_KEEP) {
		free(d->buf);
		d->buf = NULL;
		d->cap = 0;
	}
}

/* Takes bytes until the decoder holds `want`. Returns how many, or -ENOMEM. */
static ssize_t take(struct ttrpc_decoder *d, const uint8_t *data, size_t n, size_t want)
{
	size_t len = MIN(n, want - d->len);
	int r = reserve(d, d->len + len);

	if (r < 0)
		return r;
	if (len > 0)
		memcpy(d->buf + d->len, data, len);
	d->len += len;
	return (ssize_t)len;
}

ssize_t ttrpc_decode(struct ttrpc_decoder *d, const void *data, size_t n, struct ttrpc_frame *ret,
		     bool *ret_ready)
{
	const uint8_t *p = data;
	size_t used, length;
	ssize_t r;

	*ret_ready = false;
	forget_frame(d);
	used = MIN(n, d->skip);
	d->skip -= used;
	if (used == n)
		return (ssize_t)used;
	if (d->len < TTRPC_HEADER) {
		r = take(d, p + used, n - used, TTRPC_HEADER);
		if (r < 0)
			return r;
		used += (size_t)r;
		if (d->len < TTRPC_HEADER)
			return (ssize_t)used;
	}
	length = get_u32(d->buf);
	*ret = (struct ttrpc_frame){
		.stream = get_u32(d->buf + 4),
		.type = d->buf[8],
		.flags = d->buf[9],
		.length = (uint32_t)length,
	};
	if (length > TTRPC_MESSAGE_MAX) {
		d->skip = length;
		d->len = 0;
		ret->oversized = *ret_ready = true;
		return (ssize_t)used;
	}
	r = take(d, p + used, n - used, TTRPC_HEADER + length);
	if (r < 0)
		return r;
	used += (size_t)r;
	if (d->len == TTRPC_HEADER + length) {
		ret->data = d->buf + TTRPC_HEADER;
		*ret_ready = true;
	}
	return (ssize_t)used;
}

const char *ttrpc_stream_check(struct ttrpc_decoder *d, const struct ttrpc_frame *frame)
{
	if (frame->type == TTRPC_REQUEST) {
		if (frame->stream % 2 == 0)
			return "StreamID must be odd for client initiated streams";
		if (frame->stream <= d->last_stream)
			return "StreamID cannot be re-used and must increment";
		d->last_stream = frame->stream;
	} else if (frame->type == TTRPC_DATA) {
		if (frame->stream % 2 == 0 || frame->stream > d->last_stream)
			return "StreamID is no longer active";
	}
	return NULL;
}

static void add_header(struct str *out, uint32_t length, uint32_t stream, uint8_t type,
		       uint8_t flags)
{
	uint8_t header[TTRPC_HEADER];

	put_u32(header, length);
	put_u32(header + 4, stream);
	header[8] = type;
	header[9] = flags;
	str_add_n(out, (const char *)header, sizeof(header));
}

void ttrpc_encode(struct str *out, uint32_t stream, uint8_t type, uint8_t flags, const void *data,
		  size_t n)
{
	add_header(out, (uint32_t)n, stream, type, flags);
	if (n > 0)
		str_add_n(out, data, n);
}

/* Packs a message straight into `out`. */
struct str_buffer {
	ProtobufCBuffer base;
	struct str *out;
};

static void buffer_append(ProtobufCBuffer *buffer, size_t n, const uint8_t *data)
{
	struct str_buffer *b = (struct str_buffer *)buffer;

	str_add_n(b->out, (const char *)data, n);
}

static void encode_message(struct str *out, uint32_t stream, uint8_t type, uint8_t flags,
			   const ProtobufCMessage *message)
{
	struct str_buffer buffer = { .base.append = buffer_append, .out = out };

	add_header(out, (uint32_t)protobuf_c_message_get_packed_size(message), stream, type, flags);
	protobuf_c_message_pack_to_buffer(message, &buffer.base);
}

static void *limited_alloc(void *data, size_t size)
{
	size_t *left = data;

	if (size > *left)
		return NULL;
	*left -= size;
	return malloc(size);
}

static void limited_free(void *data, void *p)
{
	(void)data;
	free(p);
}

ProtobufCMessage *ttrpc_unpack(const ProtobufCMessageDescriptor *type, const void *data, size_t n)
{
	size_t left = UNPACK_MEMORY_MAX;
	ProtobufCAllocator allocator = {
		.alloc = limited_alloc,
		.free = limited_free,
		.allocator_data = &left,
	};

	/* The library wants a pointer even for nothing. */
	return protobuf_c_message_unpack(type, &allocator, n, n > 0 ? data : (const void *)"");
}

int ttrpc_call_decode(const struct ttrpc_frame *frame, struct ttrpc_call *ret, struct err *err)
{
	Thole__Ttrpc__Request *request;

	request = (Thole__Ttrpc__Request *)ttrpc_unpack(&thole__ttrpc__request__descriptor,
							frame->data, frame->length);
	if (!request)
		return err_set(err, EBADMSG,
			       "unmarshal request error: malformed message of %u bytes",
			       frame->length);
	*ret = (struct ttrpc_call){
		.service = request->service,
		.method = request->method,
		.payload = request->payload.data,
		.payload_len = request->payload.len,
		.timeout_nano = request->timeout_nano,
		.message = request,
	};
	return 0;
}

void ttrpc_call_done(struct ttrpc_call *call)
{
	if (call->message)
		protobuf_c_message_free_unpacked(call->message, NULL);
	*call = (struct ttrpc_call){ 0 };
}

void ttrpc_encode_call(struct str *out, uint32_t stream, uint8_t flags, const char *service,
		       const char *method, const void *payload, size_t n, int64_t timeout_nano)
{
	Thole__Ttrpc__Request request = THOLE__TTRPC__REQUEST__INIT;

	request.service = (char *)service;
	request.method = (char *)method;
	request.payload = (ProtobufCBinaryData){ .len = n, .data = (uint8_t *)payload };
	request.timeout_nano = timeout_nano;
	encode_message(out, stream, TTRPC_REQUEST, flags, &request.base);
}

/* A peer in Go takes no message with a string that is not UTF-8; a runtime's text may be anything,
 * or cut inside a character. */
static char *clean_text(const char *message)
{
	char *copy = strdup(message);
	size_t n = copy ? strlen(copy) : 0, len;

	for (size_t i = 0; i < n; i += len) {
		len = (unsigned char)copy[i] < 0x80
			      ? 1
			      : log_utf8_length((const unsigned char *)copy + i, n - i);
		if (len)
			continue;
		copy[i] = '?';
		len = 1;
	}
	return copy;
}

void ttrpc_encode_reply(struct str *out, uint32_t stream, int code, const char *message,
			const void *payload, size_t n)
{
	Thole__Ttrpc__Response response = THOLE__TTRPC__RESPONSE__INIT;
	Thole__Ttrpc__Status status = THOLE__TTRPC__STATUS__INIT;
	CLEANUP_FREE char *text = NULL;

	if (code == TTRPC_OK) {
		response.payload = (ProtobufCBinaryData){ .len = n, .data = (uint8_t *)payload };
	} else {
		status.code = code;
		text = message ? clean_text(message) : NULL;
		status.message = text ? text : (char *)"";
		response.status = &status;
	}
	encode_message(out, stream, TTRPC_RESPONSE, 0, &response.base);
}

int ttrpc_reply_decode(const struct ttrpc_frame *frame, int *ret_code, char **ret_message,
		       uint8_t **ret_payload, size_t *ret_len)
{
	Thole__Ttrpc__Response *response;
	char *text = NULL;

	response = (Thole__Ttrpc__Response *)ttrpc_unpack(&thole__ttrpc__response__descriptor,
							  frame->data, frame->length);
	if (!response)
		return -EBADMSG;
	if (response->status && response->status->code != TTRPC_OK) {
		text = strdup(response->status->message);
		if (!text) {
			protobuf_c_message_free_unpacked(&response->base, NULL);
			return -ENOMEM;
		}
		*ret_code = response->status->code;
		*ret_payload = NULL;
		*ret_len = 0;
	} else {
		*ret_code = TTRPC_OK;
		*ret_payload = response->payload.data;
		*ret_len = response->payload.len;
		/* Taken out of the message, so that freeing it leaves it. */
		response->payload = (ProtobufCBinaryData){ 0 };
	}
	*ret_message = text;
	protobuf_c_message_free_unpacked(&response->base, NULL);
	return 0;
}
