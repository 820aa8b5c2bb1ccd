// SPDX-License-Identifier: Apache-2.0
/*
 * Calls and streams of a ttrpc client; see ttrpc_client.h.
 */
#include "shim/ttrpc_client.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include "common/fd.h"

#define READ_SIZE ((size_t)64 << 10)

void ttrpc_client_init(struct ttrpc_client *c, int fd_consume)
{
	*c = (struct ttrpc_client){ .fd = fd_consume };
}

void ttrpc_client_done(struct ttrpc_client *c)
{
	c->fd = fd_close(c->fd);
	ttrpc_decoder_done(&c->decoder);
	str_done(&c->out);
	free(c->in);
	c->in = NULL;
	c->in_len = c->in_off = 0;
}

/* Client ids are odd and increase. */
static uint32_t next_stream(struct ttrpc_client *c)
{
	c->last_stream = c->last_stream == 0 ? 1 : c->last_stream + 2;
	return c->last_stream;
}

static uint8_t *pack(const ProtobufCMessage *message, size_t *ret_len)
{
	uint8_t *buf;

	*ret_len = protobuf_c_message_get_packed_size(message);
	buf = malloc(*ret_len + 1);
	/* A command of ours may end when there is no memory; nothing is half-done by that. */
	if (!buf)
		abort();
	protobuf_c_message_pack(message, buf);
	return buf;
}

uint32_t ttrpc_client_begin(struct ttrpc_client *c, const struct ttrpc_method *method,
			    const ProtobufCMessage *request, uint8_t flags)
{
	uint32_t stream = next_stream(c);
	CLEANUP_FREE uint8_t *buf = NULL;
	size_t n;

	buf = pack(request, &n);
	ttrpc_encode_call(&c->out, stream, flags, method->service, method->method, buf, n, 0);
	return stream;
}

void ttrpc_client_data(struct ttrpc_client *c, uint32_t stream, const ProtobufCMessage *message)
{
	CLEANUP_FREE uint8_t *buf = NULL;
	size_t n;

	buf = pack(message, &n);
	ttrpc_encode(&c->out, stream, TTRPC_DATA, 0, buf, n);
}

int ttrpc_client_flush(struct ttrpc_client *c)
{
	while (c->sent < c->out.len) {
		ssize_t n = send(c->fd, c->out.data + c->sent, c->out.len - c->sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 1;
		if (n < 0)
			return errno == EPIPE ? -ECONNRESET : -errno;
		c->sent += (size_t)n;
	}
	str_reset(&c->out);
	c->sent = 0;
	return 0;
}

static ssize_t receive(struct ttrpc_client *c)
{
	ssize_t n;

	if (!c->in) {
		c->in = malloc(READ_SIZE);
		if (!c->in)
			return -ENOMEM;
	}
	do {
		n = recv(c->fd, c->in, READ_SIZE, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	c->in_len = (size_t)n;
	c->in_off = 0;
	return n;
}

int ttrpc_client_next(struct ttrpc_client *c, struct ttrpc_frame *ret)
{
	ssize_t n;
	bool ready = false;

	for (;;) {
		if (c->in_off == c->in_len) {
			n = receive(c);
			if (n <= 0)
				return (int)n;
		}
		n = ttrpc_decode(&c->decoder, c->in + c->in_off, c->in_len - c->in_off, ret,
				 &ready);
		if (n < 0)
			return (int)n;
		c->in_off += (size_t)n;
		if (ready && ret->oversized)
			return -EMSGSIZE;
		if (ready)
			return 1;
	}
}

static int code_to_errno(int code)
{
	switch (code) {
	case TTRPC_NOT_FOUND:
		return ENOENT;
	case TTRPC_ALREADY_EXISTS:
		return EEXIST;
	case TTRPC_FAILED_PRECONDITION:
		return EBUSY;
	case TTRPC_INVALID_ARGUMENT:
		return EINVAL;
	case TTRPC_PERMISSION_DENIED:
		return EPERM;
	case TTRPC_DEADLINE_EXCEEDED:
		return ETIMEDOUT;
	case TTRPC_UNIMPLEMENTED:
		return ENOSYS;
	default:
		return EIO;
	}
}

int ttrpc_client_reply(const struct ttrpc_frame *frame, const struct ttrpc_method *method,
		       ProtobufCMessage **ret, struct err *err)
{
	CLEANUP_FREE char *text = NULL;
	CLEANUP_FREE uint8_t *payload = NULL;
	ProtobufCMessage *message;
	size_t n;
	int code, r;

	r = ttrpc_reply_decode(frame, &code, &text, &payload, &n);
	if (r < 0)
		return err_sysn(err, r, "answer of the shim to %s", method->method);
	if (code != TTRPC_OK)
		return err_set(err, code_to_errno(code), "%s", text);
	if (!ret || !method->reply)
		return 0;
	message = ttrpc_unpack(method->reply, payload, n);
	if (!message)
		return err_sysn(err, EBADMSG, "answer of the shim to %s", method->method);
	*ret = message;
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Waits for the socket; events as poll's. 0, -ETIMEDOUT, -errno. */
static int wait_ready(const struct ttrpc_client *c, short events, int64_t until)
{
	struct pollfd p = { .fd = c->fd, .events = events };
	int64_t left = until < 0 ? -1 : until - now_ms();
	int n;

	if (until >= 0 && left <= 0)
		return -ETIMEDOUT;
	n = poll(&p, 1, (int)MIN(left, (int64_t)1 << 30));
	return n < 0 && errno != EINTR ? -errno : 0;
}

int ttrpc_client_call(struct ttrpc_client *c, const struct ttrpc_method *method,
		      const ProtobufCMessage *request, int ms, ProtobufCMessage **ret,
		      struct err *err)
{
	uint32_t stream = ttrpc_client_begin(c, method, request, 0);
	int64_t until = ms < 0 ? -1 : now_ms() + ms;
	struct ttrpc_frame frame;
	int r, more;

	for (;;) {
		more = ttrpc_client_flush(c);
		r = more < 0 ? more : ttrpc_client_next(c, &frame);
		if (r > 0 && frame.stream == stream && frame.type == TTRPC_RESPONSE)
			return ttrpc_client_reply(&frame, method, ret, err);
		if (r == 0)
			r = wait_ready(c, more ? POLLIN | POLLOUT : POLLIN, until);
		if (r < 0)
			return err_sysn(err, r, "%s", method->method);
	}
}
