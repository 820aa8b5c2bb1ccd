// SPDX-License-Identifier: Apache-2.0
/* The client against a server that answers as told: order, errors, deadlines, a server that goes. */
#include "shim/ttrpc_client.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "shim/task.pb-c.h"

static const struct ttrpc_method start_method = {
	"containerd.task.v2.Task", "Start", &containerd__task__v2__start_response__descriptor
};

struct fixture {
	struct ttrpc_client c;
	int server;
	Containerd__Task__V2__StartRequest request;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fds[2];

	assert_non_null(f);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	ttrpc_client_init(&f->c, fds[0]);
	f->server = fds[1];
	f->request = (Containerd__Task__V2__StartRequest)CONTAINERD__TASK__V2__START_REQUEST__INIT;
	f->request.id = (char *)"c1";
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	ttrpc_client_done(&f->c);
	close(f->server);
	free(f);
	return 0;
}

/* Answers are written before the call: the server's side of the pair keeps them. */
static void send_bytes(const struct fixture *f, const struct str *bytes)
{
	assert_int_equal(send(f->server, bytes->data, bytes->len, 0), bytes->len);
}

static void test_answer(void **state)
{
	CLEANUP_STR struct str bytes = { 0 };
	struct fixture *f = *state;
	ProtobufCMessage *message = NULL;
	struct ttrpc_decoder d = { 0 };
	struct ttrpc_frame frame;
	struct ttrpc_call call;
	struct err err = { 0 };
	char in[256];
	bool ready;
	ssize_t n;

	/* Data of a stream and the answer to another call in between. */
	ttrpc_encode(&bytes, 1, TTRPC_DATA, 0, "x", 1);
	ttrpc_encode_reply(&bytes, 7, TTRPC_OK, NULL, "\x08\x07", 2);
	ttrpc_encode_reply(&bytes, 1, TTRPC_OK, NULL, "\x08\x2a", 2);
	send_bytes(f, &bytes);
	assert_int_equal(
		ttrpc_client_call(&f->c, &start_method, &f->request.base, 5000, &message, &err), 0);
	assert_int_equal(((Containerd__Task__V2__StartResponse *)message)->pid, 42);
	protobuf_c_message_free_unpacked(message, NULL);
	n = recv(f->server, in, sizeof(in), 0);
	assert_true(n > 0);
	assert_int_equal(ttrpc_decode(&d, in, (size_t)n, &frame, &ready), n);
	assert_true(ready);
	assert_int_equal(frame.stream, 1);
	assert_int_equal(ttrpc_call_decode(&frame, &call, &err), 0);
	assert_string_equal(call.service, "containerd.task.v2.Task");
	assert_string_equal(call.method, "Start");
	ttrpc_call_done(&call);
	ttrpc_decoder_done(&d);
}

static void test_errors(void **state)
{
	static const struct {
		int code, want;
	} rows[] = {
		{ TTRPC_NOT_FOUND, -ENOENT },
		{ TTRPC_ALREADY_EXISTS, -EEXIST },
		{ TTRPC_FAILED_PRECONDITION, -EBUSY },
		{ TTRPC_UNIMPLEMENTED, -ENOSYS },
		{ TTRPC_UNKNOWN, -EIO },
		{ TTRPC_DEADLINE_EXCEEDED, -ETIMEDOUT },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		CLEANUP_STR struct str bytes = { 0 };
		struct err err = { 0 };

		ttrpc_encode_reply(&bytes, (uint32_t)(2 * i + 1), rows[i].code, "the text", NULL,
				   0);
		send_bytes(f, &bytes);
		assert_int_equal(
			ttrpc_client_call(&f->c, &start_method, &f->request.base, 5000, NULL, &err),
			rows[i].want);
		assert_string_equal(err.msg, "the text");
	}
}

static void test_deadline(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };

	assert_int_equal(ttrpc_client_call(&f->c, &start_method, &f->request.base, 30, NULL, &err),
			 -ETIMEDOUT);
	assert_non_null(strstr(err.msg, "Start"));
}

static void test_server_goes(void **state)
{
	CLEANUP_STR struct str bytes = { 0 };
	struct fixture *f = *state;
	struct err err = { 0 };

	/* In the middle of its answer. */
	ttrpc_encode_reply(&bytes, 1, TTRPC_OK, NULL, "\x08\x2a", 2);
	bytes.len--;
	send_bytes(f, &bytes);
	shutdown(f->server, SHUT_RDWR);
	assert_int_equal(ttrpc_client_call(&f->c, &start_method, &f->request.base,
					   TTRPC_CLIENT_FOREVER, NULL, &err),
			 -ECONNRESET);
}

static void test_malformed_answer(void **state)
{
	CLEANUP_STR struct str bytes = { 0 };
	struct fixture *f = *state;
	ProtobufCMessage *message = NULL;
	struct err err = { 0 };

	ttrpc_encode_reply(&bytes, 1, TTRPC_OK, NULL, "\x0a\x7f", 2);
	send_bytes(f, &bytes);
	assert_int_equal(
		ttrpc_client_call(&f->c, &start_method, &f->request.base, 5000, &message, &err),
		-EBADMSG);
	assert_null(message);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_answer),      TEST(test_errors),           TEST(test_deadline),
		TEST(test_server_goes), TEST(test_malformed_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
