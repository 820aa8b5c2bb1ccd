// SPDX-License-Identifier: Apache-2.0
// Busy and quiet streams: buffer, pipe and pause.
#include "shim/pace.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/fd.h"
#include "common/io.h"

struct fixture {
	struct ev *ev;
	struct pace p;
	int pipe[2];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err;

	assert_non_null(f);
	assert_int_equal(ev_new(&f->ev, &err), 0);
	assert_int_equal(pipe2(f->pipe, O_CLOEXEC | O_NONBLOCK), 0);
	pace_init(&f->p, f->ev);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	pace_free(&f->p);
	ev_free(f->ev);
	fd_close(f->pipe[0]);
	fd_close(f->pipe[1]);
	free(f);
	return 0;
}

static void a_quiet_stream_costs_nothing(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(f->p.size, sizeof(f->p.small));
	pace_get(&f->p);
	assert_int_equal(f->p.size, PACE_CHUNK);
	assert_int_equal(write(f->pipe[1], "word", 4), 4);
	assert_int_equal(pace_read(&f->p, f->pipe[0]), 4);
	assert_memory_equal(f->p.buf, "word", 4);
	/* Now and then a line: read at once, each time. */
	for (int i = 0; i < 20; i++)
		assert_int_equal(pace_turn(&f->p, f->pipe[0], 4), 0);
	pace_put(&f->p);
	assert_int_equal(f->p.size, sizeof(f->p.small));
	assert_int_equal(fcntl(f->pipe[0], F_GETPIPE_SZ), 65536);
}

static void a_full_pipe_is_made_larger(void **state)
{
	struct fixture *f = *state;
	static char data[65536];
	ssize_t n;

	assert_true(pace_turn(&f->p, f->pipe[0], 65536) > 0);
	assert_int_equal(fcntl(f->pipe[0], F_GETPIPE_SZ), 262144);
	for (int i = 0; i < 3; i++)
		assert_int_equal(write(f->pipe[1], data, sizeof(data)), sizeof(data));
	/* The pause finds what the stream needs. */
	for (int i = 0; i < 20; i++)
		assert_true(pace_turn(&f->p, f->pipe[0], 262144) <= 250000);
	for (int i = 0; i < 20; i++)
		assert_true(pace_turn(&f->p, f->pipe[0], 4096) <= 4000000);
	assert_int_equal(pace_turn(&f->p, f->pipe[0], 100000), 4000000);
	pace_get(&f->p);
	n = pace_read(&f->p, f->pipe[0]);
	assert_int_equal(n, 3 * 65536); /* in one buffer */
	pace_put(&f->p);
	assert_int_equal(f->p.size, 262144); /* kept while it is busy */
	/* As long as it is busy in each second it stays so; after one that was not, all goes. */
	assert_true(pace_turn(&f->p, f->pipe[0], 65536) > 0);
	assert_true(ev_step(f->ev, 5000) >= 0);
	assert_true(f->p.busy);
	while (f->p.busy)
		assert_true(ev_step(f->ev, 5000) >= 0);
	pace_put(&f->p);
	assert_int_equal(f->p.size, sizeof(f->p.small));
	assert_int_equal(fcntl(f->pipe[0], F_GETPIPE_SZ), 65536);
	assert_null(f->p.quiet);
	assert_int_equal(pace_turn(&f->p, f->pipe[0], 1), 0);
}

static void many_small_writes_are_busy_too(void **state)
{
	struct fixture *f = *state;
	uint64_t rest = 0;

	for (int i = 0; i < 1000000 && !rest; i++)
		rest = pace_turn(&f->p, f->pipe[0], 10);
	assert_true(rest > 0);
}

static void a_terminal_has_no_pipe(void **state)
{
	struct fixture *f = *state;
	int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(pace_turn(&f->p, fd, 65536) > 0);
	assert_int_equal(f->p.fd, -EBADF);
	pace_free(&f->p);
	assert_false(f->p.busy);
	fd_close(fd);
}

int main(void)
{
#define test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		test(a_quiet_stream_costs_nothing),
		test(a_full_pipe_is_made_larger),
		test(many_small_writes_are_busy_too),
		test(a_terminal_has_no_pipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
