// SPDX-License-Identifier: Apache-2.0
// The server over a socket pair of its own: dispatch, late answers, limits, streams, attach.
#include "shim/server.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "common/fd.h"
#include "common/sock.h"
#include "common/str.h"
#include "shim/attach.h"
#include "shim/shim.pb-c.h"
#include "shim/ttrpc.h"

struct fixture {
	char path[64];
	struct ev *ev;
	struct server *server;
	struct server_call *late, *flood[3];
	size_t n_flood;
	struct attach_hub *hub;
	int fd, gone, rooms, idle;
	struct str input;
	bool input_eof, input_full;
	struct ttrpc_decoder decoder;
	struct str in; /* received, not decoded */
	size_t in_at;
};

static void do_echo(void *user, struct server_call *call, const uint8_t *payload, size_t n)
{
	(void)user;
	server_reply(call, payload, n);
}

static void do_fail(void *user, struct server_call *call, const uint8_t *payload, size_t n)
{
	(void)user;
	(void)payload;
	(void)n;
	server_error(call, TTRPC_NOT_FOUND, "no %s", "such thing");
}

static void late_gone(void *user)
{
	struct fixture *f = user;

	f->gone++;
	server_reply(TAKE_PTR(f->late), NULL, 0);
}

static const struct server_stream late_fns = { .on_gone = late_gone };

static void do_late(void *user, struct server_call *call, const uint8_t *payload, size_t n)
{
	struct fixture *f = user;

	(void)payload;
	(void)n;
	f->late = call;
	server_watch(call, &late_fns, f);
}

static void do_attach(void *user, struct server_call *call, const uint8_t *payload, size_t n)
{
	struct fixture *f = user;

	(void)payload;
	attach_hub_add(f->hub, call, n > 0);
}

/* Fills the client's connection, so that `room` is called when it has read. */
static void flood_room(void *user)
{
	struct fixture *f = user;

	f->rooms++;
	for (size_t i = 0; i < ARRAY_COUNT(f->flood); i++) {
		if (!f->flood[i])
			continue;
		server_watch(f->flood[i], NULL, NULL);
		server_reply(TAKE_PTR(f->flood[i]), NULL, 0);
	}
}

static void flood_gone(void *user)
{
	struct fixture *f = user;

	for (size_t i = 0; i < ARRAY_COUNT(f->flood); i++)
		if (f->flood[i] && server_is_gone(f->flood[i]))
			server_reply(TAKE_PTR(f->flood[i]), NULL, 0);
}

static const struct server_stream flood_fns = { .on_room = flood_room, .on_gone = flood_gone };

static void do_flood(void *user, struct server_call *call, const uint8_t *payload, size_t n)
{
	static const char block[64 << 10];
	struct fixture *f = user;

	(void)payload;
	f->flood[f->n_flood++] = call;
	server_watch(call, &flood_fns, f);
	while (n && server_room(call))
		assert_true(server_send(call, block, sizeof(block)));
}

static const struct server_method methods[] = {
	{ "Flood", do_flood }, { "Echo", do_echo },     { "Fail", do_fail },
	{ "Late", do_late },   { "Attach", do_attach },
};
static const struct server_service services[] = { { "a.B", methods, ARRAY_COUNT(methods) } };

static int connect_to(struct fixture *f)
{
	struct err err;
	int fd = sock_connect(f->path, SOCK_STREAM, &err);

	assert_true(fd >= 0);
	assert_int_equal(fd_nonblock(fd, true), 0);
	return fd;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err;
	int fd;

	assert_non_null(f);
	snprintf(f->path, sizeof(f->path), "/tmp/server_test_%d.sock", getpid());
	assert_int_equal(ev_new(&f->ev, &err), 0);
	fd = sock_listen(f->path, SOCK_STREAM, &err);
	assert_true(fd >= 0);
	assert_int_equal(
		server_new(f->ev, fd, services, ARRAY_COUNT(services), f, &f->server, &err), 0);
	f->fd = connect_to(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	attach_hub_free(f->hub);
	server_free(f->server);
	ev_free(f->ev);
	fd_close(f->fd);
	str_done(&f->in);
	str_done(&f->input);
	ttrpc_decoder_done(&f->decoder);
	unlink(f->path);
	free(f);
	return 0;
}

static void send_all(struct fixture *f, struct str *out)
{
	size_t at = 0;

	while (at < out->len) {
		ssize_t n = send(f->fd, out->data + at, out->len - at, MSG_NOSIGNAL);

		if (n > 0)
			at += (size_t)n;
		else
			assert_int_equal(errno, EAGAIN);
		assert_true(ev_step(f->ev, 0) >= 0);
	}
	str_done(out);
}

static void request(struct fixture *f, uint32_t stream, const char *service, const char *method,
		    const char *payload, int64_t timeout)
{
	struct str out = { 0 };

	ttrpc_encode_call(&out, stream, 0, service, method, payload, strlen(payload), timeout);
	send_all(f, &out);
}

/* The next frame for the client. False: none within a while, or the end. */
static bool receive(struct fixture *f, struct ttrpc_frame *ret)
{
	char buf[4096];
	bool ready = false;

	for (int i = 0; i < 200; i++) {
		ssize_t n;

		while (f->in_at < f->in.len) {
			n = ttrpc_decode(&f->decoder, f->in.data + f->in_at, f->in.len - f->in_at,
					 ret, &ready);
			assert_true(n >= 0);
			f->in_at += (size_t)n;
			if (ready)
				return true;
		}
		str_reset(&f->in);
		f->in_at = 0;
		n = read(f->fd, buf, sizeof(buf));
		if (n == 0)
			return false;
		if (n > 0)
			str_add_n(&f->in, buf, (size_t)n);
		else
			assert_true(ev_step(f->ev, 5) >= 0);
	}
	return false;
}

static void expect(struct fixture *f, uint32_t stream, int code, const char *text)
{
	CLEANUP_FREE uint8_t *payload = NULL;
	CLEANUP_FREE char *message = NULL;
	struct ttrpc_frame frame;
	int got;
	size_t n;

	assert_true(receive(f, &frame));
	assert_int_equal(frame.type, TTRPC_RESPONSE);
	assert_int_equal(frame.stream, stream);
	assert_int_equal(ttrpc_reply_decode(&frame, &got, &message, &payload, &n), 0);
	assert_int_equal(got, code);
	if (code == TTRPC_OK) {
		assert_int_equal(n, strlen(text));
		assert_int_equal(n ? memcmp(payload, text, n) : 0, 0);
	} else {
		assert_string_equal(message, text);
	}
}

static void dispatch(void **state)
{
	struct fixture *f = *state;

	request(f, 1, "a.B", "Echo", "hello", 0);
	expect(f, 1, TTRPC_OK, "hello");
	request(f, 3, "a.B", "Fail", "", 0);
	expect(f, 3, TTRPC_NOT_FOUND, "no such thing");
	request(f, 5, "a.B", "Nope", "", 0);
	expect(f, 5, TTRPC_UNIMPLEMENTED, "method Nope");
	request(f, 7, "x.Y", "Echo", "", 0);
	expect(f, 7, TTRPC_UNIMPLEMENTED, "service x.Y");
}

static void stream_ids(void **state)
{
	struct fixture *f = *state;
	struct str out = { 0 };

	request(f, 2, "a.B", "Echo", "", 0);
	expect(f, 2, TTRPC_INVALID_ARGUMENT, "StreamID must be odd for client initiated streams");
	request(f, 5, "a.B", "Echo", "", 0);
	expect(f, 5, TTRPC_OK, "");
	request(f, 3, "a.B", "Echo", "", 0);
	expect(f, 3, TTRPC_INVALID_ARGUMENT, "StreamID cannot be re-used and must increment");
	ttrpc_encode(&out, 99, TTRPC_DATA, 0, "x", 1);
	send_all(f, &out);
	expect(f, 99, TTRPC_INVALID_ARGUMENT, "StreamID is no longer active");
	ttrpc_encode(&out, 7, TTRPC_REQUEST, 0, "\xff\xff\xff", 3);
	send_all(f, &out);
	{
		struct ttrpc_frame frame;

		assert_true(receive(f, &frame));
		assert_int_equal(frame.stream, 7);
	}
}

static void answers_in_any_order(void **state)
{
	struct fixture *f = *state;

	request(f, 1, "a.B", "Late", "", 0);
	request(f, 3, "a.B", "Echo", "first", 0);
	expect(f, 3, TTRPC_OK, "first");
	assert_non_null(f->late);
	server_reply(TAKE_PTR(f->late), "second", 6);
	expect(f, 1, TTRPC_OK, "second");
}

static void a_call_times_out(void **state)
{
	struct fixture *f = *state;

	request(f, 1, "a.B", "Late", "", 20000000);
	expect(f, 1, TTRPC_DEADLINE_EXCEEDED, "context deadline exceeded");
	assert_int_equal(f->gone, 1);
	request(f, 3, "a.B", "Echo", "on", 0);
	expect(f, 3, TTRPC_OK, "on");
}

static void a_client_that_goes(void **state)
{
	struct fixture *f = *state;

	request(f, 1, "a.B", "Late", "", 0);
	while (!f->late)
		assert_true(ev_step(f->ev, 1000) >= 0);
	f->fd = fd_close(f->fd);
	while (!f->gone)
		assert_true(ev_step(f->ev, 1000) >= 0);
	assert_null(f->late);
}

static void half_closed_is_answered(void **state)
{
	struct fixture *f = *state;

	request(f, 1, "a.B", "Late", "", 0);
	while (!f->late)
		assert_true(ev_step(f->ev, 1000) >= 0);
	assert_int_equal(shutdown(f->fd, SHUT_WR), 0);
	assert_true(ev_step(f->ev, 100) >= 0);
	assert_int_equal(f->gone, 0);
	server_reply(TAKE_PTR(f->late), "x", 1);
	expect(f, 1, TTRPC_OK, "x");
}

static void garbage_is_survived(void **state)
{
	struct fixture *f = *state;
	struct str out = { 0 };
	uint32_t x = 1;

	for (int i = 0; i < 5000; i++) {
		x = x * 1664525 + 1013904223;
		str_add_char(&out, (char)(x >> 24));
	}
	(void)send(f->fd, out.data, out.len, MSG_NOSIGNAL);
	str_done(&out);
	for (int i = 0; i < 20; i++)
		assert_true(ev_step(f->ev, 5) >= 0);
	fd_close(f->fd);
	f->fd = connect_to(f);
	request(f, 1, "a.B", "Echo", "alive", 0);
	/* The decoder belongs to a connection. */
	ttrpc_decoder_done(&f->decoder);
	f->decoder = (struct ttrpc_decoder){ 0 };
	str_reset(&f->in);
	f->in_at = 0;
	expect(f, 1, TTRPC_OK, "alive");
}

static void went_idle(void *user)
{
	((struct fixture *)user)->idle++;
}

static void idle_waits_for_answers(void **state)
{
	struct fixture *f = *state;

	request(f, 1, "a.B", "Late", "", 0);
	while (!f->late)
		assert_true(ev_step(f->ev, 1000) >= 0);
	server_reply(TAKE_PTR(f->late), "bye", 3);
	server_when_idle(f->server, 1000, went_idle, f);
	expect(f, 1, TTRPC_OK, "bye");
	assert_int_equal(f->idle, 1);
}

/* --- attach --- */

/* The first that hears of the room ends all the others of its connection. */
static void room_may_end_other_calls(void **state)
{
	struct fixture *f = *state;
	char buf[65536];

	request(f, 1, "a.B", "Flood", "", 0);
	request(f, 3, "a.B", "Flood", "", 0);
	request(f, 5, "a.B", "Flood", "x", 0);
	for (int i = 0; i < 1000 && !f->rooms; i++) {
		assert_true(ev_step(f->ev, 0) >= 0);
		while (f->n_flood == 3 && read(f->fd, buf, sizeof(buf)) > 0)
			;
	}
	assert_int_equal(f->rooms, 1);
	for (size_t i = 0; i < ARRAY_COUNT(f->flood); i++)
		assert_null(f->flood[i]);
}

/* Silent clients give way to new ones; one that has asked something does not. */
static void silent_clients_give_way(void **state)
{
	struct fixture *f = *state;
	struct rlimit limit;
	int crowd[700];

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_cur < 2048)
		skip();
	request(f, 1, "a.B", "Echo", "first", 0);
	expect(f, 1, TTRPC_OK, "first");
	for (size_t i = 0; i < ARRAY_COUNT(crowd); i++) {
		crowd[i] = connect_to(f);
		assert_true(ev_step(f->ev, 0) >= 0);
	}
	request(f, 3, "a.B", "Echo", "still here", 0);
	expect(f, 3, TTRPC_OK, "still here");
	fd_close(f->fd);
	ttrpc_decoder_done(&f->decoder);
	f->fd = connect_to(f);
	request(f, 1, "a.B", "Echo", "a new one", 0);
	expect(f, 1, TTRPC_OK, "a new one");
	for (size_t i = 0; i < ARRAY_COUNT(crowd); i++)
		fd_close(crowd[i]);
}

static void hub_input(void *user, const void *data, size_t n, bool eof)
{
	struct fixture *f = user;

	str_add_n(&f->input, data, n);
	f->input_eof |= eof;
}

static bool hub_full(void *user)
{
	return ((struct fixture *)user)->input_full;
}

static void hub_room(void *user)
{
	((struct fixture *)user)->rooms++;
}

static void make_hub(struct fixture *f, bool lossless)
{
	struct attach_owner owner = { hub_input, hub_full, hub_room, f };

	assert_int_equal(attach_hub_new(lossless, &owner, &f->hub), 0);
}

struct got {
	struct str out[3];
	uint64_t dropped;
	bool eof[3], ended;
};

static void collect(struct fixture *f, struct got *g)
{
	struct ttrpc_frame frame;

	while (!g->ended && receive(f, &frame)) {
		Thole__Shim__V1__AttachData *m;

		if (frame.type == TTRPC_RESPONSE) {
			g->ended = true;
			return;
		}
		m = thole__shim__v1__attach_data__unpack(NULL, frame.length, frame.data);
		assert_non_null(m);
		str_add_n(&g->out[m->stream], (char *)m->data.data, m->data.len);
		g->dropped += m->dropped;
		g->eof[m->stream] |= m->eof;
		thole__shim__v1__attach_data__free_unpacked(m, NULL);
	}
}

static void got_done(struct got *g)
{
	for (int i = 0; i < 3; i++)
		str_done(&g->out[i]);
}

static void attach(struct fixture *f, uint32_t stream)
{
	struct str out = { 0 };

	ttrpc_encode_call(&out, stream, TTRPC_REMOTE_OPEN, "a.B", "Attach", "i", 1, 0);
	send_all(f, &out);
	for (int i = 0; i < 5; i++)
		assert_true(ev_step(f->ev, 0) >= 0);
}

static void input(struct fixture *f, uint32_t stream, const char *text, bool eof)
{
	Thole__Shim__V1__AttachData m = THOLE__SHIM__V1__ATTACH_DATA__INIT;
	struct str out = { 0 };
	uint8_t buf[256];

	m.data.data = (uint8_t *)text;
	m.data.len = strlen(text);
	m.eof = eof;
	ttrpc_encode(&out, stream, TTRPC_DATA, 0, buf, thole__shim__v1__attach_data__pack(&m, buf));
	send_all(f, &out);
	for (int i = 0; i < 5; i++)
		assert_true(ev_step(f->ev, 0) >= 0);
}

static void early_output_is_kept(void **state)
{
	struct fixture *f = *state;
	struct got g = { 0 };

	make_hub(f, true);
	assert_true(attach_hub_output(f->hub, LOG_STDOUT, "early", 5));
	assert_true(attach_hub_output(f->hub, LOG_STDERR, "err", 3));
	attach(f, 1);
	assert_true(attach_hub_output(f->hub, LOG_STDOUT, " late", 5));
	attach_hub_end(f->hub);
	collect(f, &g);
	assert_string_equal(g.out[1].data, "early late");
	assert_string_equal(g.out[2].data, "err");
	assert_true(g.eof[1] && g.eof[2] && g.ended);
	got_done(&g);
}

static void input_comes_in(void **state)
{
	struct fixture *f = *state;

	make_hub(f, true);
	attach(f, 1);
	input(f, 1, "abc", false);
	assert_string_equal(f->input.data, "abc");
	assert_false(f->input_eof);
	f->input_full = true;
	input(f, 1, "def", false);
	/* Paused now: what follows is not read before there is room. */
	input(f, 1, "ghi", true);
	assert_string_equal(f->input.data, "abcdef");
	f->input_full = false;
	attach_hub_input_room(f->hub);
	for (int i = 0; i < 5; i++)
		assert_true(ev_step(f->ev, 0) >= 0);
	assert_string_equal(f->input.data, "abcdefghi");
	assert_true(f->input_eof);
}

/* A client that stops reading: the lossy hub goes on and tells it later what it missed. */
static void a_slow_client_is_skipped(void **state)
{
	struct fixture *f = *state;
	struct got g = { 0 };
	static char block[8192];
	const size_t total = 1000 * sizeof(block);

	make_hub(f, false);
	attach(f, 1);
	for (int i = 0; i < 1000; i++)
		assert_true(attach_hub_output(f->hub, LOG_STDOUT, block, sizeof(block)));
	attach_hub_end(f->hub);
	collect(f, &g);
	assert_true(g.ended);
	assert_true(g.dropped > 0);
	assert_int_equal(g.out[1].len + g.dropped, total);
	assert_true(g.out[1].len < (2u << 20));
	got_done(&g);
}

/* An exec session: output waits instead, and nothing is lost. */
static void a_session_waits(void **state)
{
	struct fixture *f = *state;
	struct got g = { 0 };
	static char block[8192];
	size_t sent = 0;

	make_hub(f, true);
	attach(f, 1);
	do {
		sent += sizeof(block);
	} while (attach_hub_output(f->hub, LOG_STDOUT, block, sizeof(block)) && sent < (64u << 20));
	assert_true(sent < (2u << 20));
	assert_int_equal(f->rooms, 0);
	collect(f, &g); /* until nothing more comes */
	assert_int_equal(f->rooms, 1);
	assert_int_equal(g.out[1].len, sent);
	assert_int_equal(g.dropped, 0);
	got_done(&g);
}

static void a_session_goes_on_alone(void **state)
{
	struct fixture *f = *state;
	static char block[8192];

	make_hub(f, true);
	attach(f, 1);
	while (attach_hub_output(f->hub, LOG_STDOUT, block, sizeof(block)))
		;
	f->fd = fd_close(f->fd);
	while (!f->rooms)
		assert_true(ev_step(f->ev, 1000) >= 0);
	for (int i = 0; i < 1000; i++)
		assert_true(attach_hub_output(f->hub, LOG_STDOUT, block, sizeof(block)));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(room_may_end_other_calls),
		TEST(silent_clients_give_way),
		TEST(dispatch),
		TEST(stream_ids),
		TEST(answers_in_any_order),
		TEST(a_call_times_out),
		TEST(a_client_that_goes),
		TEST(half_closed_is_answered),
		TEST(garbage_is_survived),
		TEST(idle_waits_for_answers),
		TEST(early_output_is_kept),
		TEST(input_comes_in),
		TEST(a_slow_client_is_skipped),
		TEST(a_session_waits),
		TEST(a_session_goes_on_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
