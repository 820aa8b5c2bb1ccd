// SPDX-License-Identifier: Apache-2.0
/* The ttrpc codec: frames split anywhere, limits, stream ids, calls and replies. */
#include "shim/ttrpc.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "shim/task.pb-c.h"

/* Decodes all of `in`, fed in chunks; writes each frame as "stream:type:flags:data|". */
static void decode_all(const struct str *in, size_t chunk, struct str *out)
{
	struct ttrpc_decoder d = { 0 };

	for (size_t off = 0; off < in->len; off += chunk) {
		size_t n = MIN(chunk, in->len - off), used = 0;

		while (used < n) {
			/* A copy of its own size: reading beyond it shows. */
			CLEANUP_FREE char *copy = malloc(n - used);
			struct ttrpc_frame frame;
			bool ready;
			ssize_t r;

			assert_non_null(copy);
			memcpy(copy, in->data + off + used, n - used);
			r = ttrpc_decode(&d, copy, n - used, &frame, &ready);
			assert_true(r > 0);
			used += (size_t)r;
			if (!ready) {
				assert_int_equal(used, n);
				continue;
			}
			str_addf(out, "%u:%u:%u:", frame.stream, frame.type, frame.flags);
			if (frame.oversized)
				str_addf(out, "oversized %u", frame.length);
			else
				str_add_n(out, (const char *)frame.data, frame.length);
			str_add_char(out, '|');
		}
	}
	ttrpc_decoder_done(&d);
}

static void test_split_at_every_byte(void **state)
{
	static const char want[] = "1:1:0:first|3:3:5:|5:2:0:the third|7:1:2:|";
	CLEANUP_STR struct str in = { 0 };

	(void)state;
	ttrpc_encode(&in, 1, TTRPC_REQUEST, 0, "first", 5);
	ttrpc_encode(&in, 3, TTRPC_DATA, TTRPC_REMOTE_CLOSED | TTRPC_NO_DATA, NULL, 0);
	ttrpc_encode(&in, 5, TTRPC_RESPONSE, 0, "the third", 9);
	ttrpc_encode(&in, 7, TTRPC_REQUEST, TTRPC_REMOTE_OPEN, "", 0);
	for (size_t chunk = 1; chunk <= in.len; chunk++) {
		CLEANUP_STR struct str got = { 0 };

		decode_all(&in, chunk, &got);
		assert_string_equal(got.data, want);
	}
}

static void test_header_bytes(void **state)
{
	static const uint8_t want[] = { 0, 0, 0, 2, 0x01, 0x02, 0x03, 0x05, 1, 2, 'h', 'i' };
	CLEANUP_STR struct str out = { 0 };

	(void)state;
	ttrpc_encode(&out, 0x01020305, TTRPC_REQUEST, TTRPC_REMOTE_OPEN, "hi", 2);
	assert_int_equal(out.len, sizeof(want));
	assert_memory_equal(out.data, want, sizeof(want));
}

/* One byte above the limit is discarded and told; the next frame is read as if nothing had been. */
static void test_oversized(void **state)
{
	CLEANUP_FREE char *big = calloc(1, TTRPC_MESSAGE_MAX + 1);
	CLEANUP_STR struct str in = { 0 };
	static const size_t chunks[] = { 4093, 65536, 1 << 24 };

	(void)state;
	assert_non_null(big);
	ttrpc_encode(&in, 1, TTRPC_REQUEST, 0, big, TTRPC_MESSAGE_MAX + 1);
	ttrpc_encode(&in, 3, TTRPC_REQUEST, 0, "ok", 2);
	for (size_t i = 0; i < ARRAY_COUNT(chunks); i++) {
		CLEANUP_STR struct str got = { 0 };

		decode_all(&in, chunks[i], &got);
		assert_string_equal(got.data, "1:1:0:oversized 4194305|3:1:0:ok|");
	}
}

static void test_largest(void **state)
{
	CLEANUP_FREE char *big = calloc(1, TTRPC_MESSAGE_MAX);
	CLEANUP_STR struct str in = { 0 };
	struct ttrpc_decoder d = { 0 };
	struct ttrpc_frame frame;
	bool ready;

	(void)state;
	assert_non_null(big);
	ttrpc_encode(&in, 1, TTRPC_REQUEST, 0, big, TTRPC_MESSAGE_MAX);
	assert_int_equal(ttrpc_decode(&d, in.data, in.len, &frame, &ready), in.len);
	assert_true(ready);
	assert_false(frame.oversized);
	assert_int_equal(frame.length, TTRPC_MESSAGE_MAX);
	/* The next call gives the memory of the large one back. */
	assert_int_equal(ttrpc_decode(&d, in.data, 3, &frame, &ready), 3);
	assert_true(d.cap <= 4096);
	ttrpc_decoder_done(&d);
}

/* A peer that announces much and sends little costs little. */
static void test_announced_length_costs_nothing(void **state)
{
	static const uint8_t head[] = { 0, 0x40, 0, 0, 0, 0, 0, 1, 1, 0, 'x' };
	struct ttrpc_decoder d = { 0 };
	struct ttrpc_frame frame;
	bool ready;

	(void)state;
	assert_int_equal(ttrpc_decode(&d, head, sizeof(head), &frame, &ready), sizeof(head));
	assert_false(ready);
	assert_true(d.cap <= 4096);
	ttrpc_decoder_done(&d);
}

static void test_conversation(void **state)
{
	static const char even[] = "StreamID must be odd for client initiated streams";
	static const char reused[] = "StreamID cannot be re-used and must increment";
	static const char inactive[] = "StreamID is no longer active";
	static const struct {
		uint8_t type;
		uint32_t stream;
		const char *want;
	} rows[] = {
		{ TTRPC_DATA, 1, inactive },
		{ TTRPC_REQUEST, 0, even },
		{ TTRPC_REQUEST, 2, even },
		{ TTRPC_REQUEST, 1, NULL },
		{ TTRPC_DATA, 1, NULL },
		{ TTRPC_REQUEST, 1, reused },
		{ TTRPC_REQUEST, 7, NULL },
		{ TTRPC_REQUEST, 5, reused },
		{ TTRPC_DATA, 5, NULL },
		{ TTRPC_DATA, 9, inactive },
		{ TTRPC_DATA, 4, inactive },
		{ 77, 4, NULL },
		{ TTRPC_REQUEST, 0xffffffff, NULL },
		{ TTRPC_REQUEST, 0xffffffff, reused },
	};
	struct ttrpc_decoder d = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct ttrpc_frame frame = { .type = rows[i].type, .stream = rows[i].stream };
		const char *got = ttrpc_stream_check(&d, &frame);

		if (rows[i].want)
			assert_string_equal(got ? got : "accepted", rows[i].want);
		else
			assert_null(got);
	}
}

static void frame_of(const struct str *in, struct ttrpc_frame *frame)
{
	frame->data = (const uint8_t *)in->data + TTRPC_HEADER;
	frame->length = (uint32_t)(in->len - TTRPC_HEADER);
}

static void test_call(void **state)
{
	CLEANUP_STR struct str out = { 0 };
	struct ttrpc_frame frame = { 0 };
	struct ttrpc_call call;
	struct err err = { 0 };

	(void)state;
	ttrpc_encode_call(&out, 1, 0, "containerd.task.v2.Task", "State", "\x0a\x01x", 3,
			  5000000000);
	frame_of(&out, &frame);
	assert_int_equal(ttrpc_call_decode(&frame, &call, &err), 0);
	assert_string_equal(call.service, "containerd.task.v2.Task");
	assert_string_equal(call.method, "State");
	assert_int_equal(call.payload_len, 3);
	assert_memory_equal(call.payload, "\x0a\x01x", 3);
	assert_int_equal(call.timeout_nano, 5000000000);
	ttrpc_call_done(&call);
	/* A request as Go's client sends it, with metadata that we do not read. */
	static const char wire[] = "\x0a\x01s\x12\x01m\x2a\x06\x0a\x01k\x12\x01v";

	frame.data = (const uint8_t *)wire;
	frame.length = sizeof(wire) - 1;
	assert_int_equal(ttrpc_call_decode(&frame, &call, &err), 0);
	assert_string_equal(call.service, "s");
	assert_string_equal(call.method, "m");
	assert_int_equal(call.payload_len, 0);
	ttrpc_call_done(&call);
}

static void test_malformed_call(void **state)
{
	static const char *const rows[] = { "\x0a",
					    "\x0a\x7f"
					    "a",
					    "\xff\xff\xff\xff\xff\xff",
					    "\x0a\xff\xff\xff\xff\x0f" };
	struct ttrpc_frame frame = { 0 };
	struct ttrpc_call call;
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		frame.data = (const uint8_t *)rows[i];
		frame.length = (uint32_t)strlen(rows[i]);
		assert_int_equal(ttrpc_call_decode(&frame, &call, &err), -EBADMSG);
		assert_non_null(strstr(err.msg, "unmarshal request error"));
	}
}

/* Two bytes on the wire ask for a struct each: 4 MiB of them must not become 100 MiB. */
static void test_memory_of_a_message_is_limited(void **state)
{
	CLEANUP_FREE uint8_t *wire = malloc(TTRPC_MESSAGE_MAX);
	struct ttrpc_frame frame = { .data = wire, .length = TTRPC_MESSAGE_MAX };
	struct ttrpc_call call;
	struct err err = { 0 };

	(void)state;
	assert_non_null(wire);
	for (size_t i = 0; i < TTRPC_MESSAGE_MAX; i += 2) {
		wire[i] = 0x2a;
		wire[i + 1] = 0;
	}
	assert_int_equal(ttrpc_call_decode(&frame, &call, &err), -EBADMSG);
}

static void test_replies(void **state)
{
	CLEANUP_STR struct str out = { 0 };
	struct ttrpc_frame frame = { 0 };
	char *message;
	uint8_t *payload;
	size_t len;
	int code;

	(void)state;
	ttrpc_encode_reply(&out, 1, TTRPC_OK, NULL, "data", 4);
	assert_int_equal(out.data[8], TTRPC_RESPONSE);
	frame_of(&out, &frame);
	assert_int_equal(ttrpc_reply_decode(&frame, &code, &message, &payload, &len), 0);
	assert_int_equal(code, TTRPC_OK);
	assert_null(message);
	assert_int_equal(len, 4);
	assert_memory_equal(payload, "data", 4);
	free(payload);
	str_reset(&out);
	ttrpc_encode_reply(&out, 1, TTRPC_NOT_FOUND, "container not created: not found", NULL, 0);
	frame_of(&out, &frame);
	assert_int_equal(ttrpc_reply_decode(&frame, &code, &message, &payload, &len), 0);
	assert_int_equal(code, TTRPC_NOT_FOUND);
	assert_string_equal(message, "container not created: not found");
	assert_null(payload);
	free(message);
	/* An Empty result has no bytes at all. */
	str_reset(&out);
	ttrpc_encode_reply(&out, 1, TTRPC_OK, NULL, NULL, 0);
	assert_int_equal(out.len, TTRPC_HEADER);
	frame_of(&out, &frame);
	assert_int_equal(ttrpc_reply_decode(&frame, &code, &message, &payload, &len), 0);
	assert_int_equal(code, TTRPC_OK);
	assert_int_equal(len, 0);
	free(payload);
	frame.data = (const uint8_t *)"\x0a\x7f";
	frame.length = 2;
	assert_int_equal(ttrpc_reply_decode(&frame, &code, &message, &payload, &len), -EBADMSG);
}

/* Field numbers of the task service against bytes written by hand. */
/* A peer in Go refuses a message whose text is not UTF-8. */
static void test_text_of_an_error(void **state)
{
	static const char *const rows[][2] = {
		{ "plain", "plain" },
		{ "caf\xc3\xa9", "caf\xc3\xa9" },
		{ "cut \xc3", "cut ?" },
		{ "\xff\xfe \xe2\x82\xac \xe2\x82", "?? \xe2\x82\xac ??" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct str out = { 0 };
		struct ttrpc_frame frame;
		char *message = NULL;
		uint8_t *payload = NULL;
		size_t n;
		int code;

		ttrpc_encode_reply(&out, 1, TTRPC_UNKNOWN, rows[i][0], NULL, 0);
		frame_of(&out, &frame);
		assert_int_equal(ttrpc_reply_decode(&frame, &code, &message, &payload, &n), 0);
		assert_string_equal(message, rows[i][1]);
		free(message);
		str_done(&out);
	}
}

static void test_task_messages(void **state)
{
	Containerd__Task__V2__KillRequest kill = CONTAINERD__TASK__V2__KILL_REQUEST__INIT;
	Containerd__Task__V2__StateResponse *response;
	static const char wire[] = "\x0a\x01x\x12\x01\x62\x18\x2a\x20\x03\x40\x01\x48\x89\x01"
				   "\x52\x06\x08\x80\x01\x10\xac\x02";
	uint8_t buf[64];

	(void)state;
	kill.id = (char *)"x";
	kill.signal = 9;
	kill.all = true;
	assert_int_equal(containerd__task__v2__kill_request__pack(&kill, buf), 7);
	assert_memory_equal(buf, "\x0a\x01x\x18\x09\x20\x01", 7);
	response = (Containerd__Task__V2__StateResponse *)ttrpc_unpack(
		&containerd__task__v2__state_response__descriptor, wire, sizeof(wire) - 1);
	assert_non_null(response);
	assert_string_equal(response->id, "x");
	assert_string_equal(response->bundle, "b");
	assert_int_equal(response->pid, 42);
	assert_int_equal(response->status, CONTAINERD__TASK__V2__STATUS__STOPPED);
	assert_true(response->terminal);
	assert_int_equal(response->exit_status, 137);
	assert_int_equal(response->exited_at->seconds, 128);
	assert_int_equal(response->exited_at->nanos, 300);
	protobuf_c_message_free_unpacked(&response->base, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split_at_every_byte),
		cmocka_unit_test(test_header_bytes),
		cmocka_unit_test(test_oversized),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_announced_length_costs_nothing),
		cmocka_unit_test(test_conversation),
		cmocka_unit_test(test_call),
		cmocka_unit_test(test_malformed_call),
		cmocka_unit_test(test_memory_of_a_message_is_limited),
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_text_of_an_error),
		cmocka_unit_test(test_task_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
