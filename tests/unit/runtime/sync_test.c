/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The codec of the messages, and what each receiver makes of the wrong ones.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/sock.h"
#include "runtime/fifos.h"
#include "runtime/sync.h"

static void test_round_trip(void **state)
{
	(void)state;
	for (int type = SYNC_NONE + 1; type < SYNC_TYPE_N; type++) {
		struct sync_msg in = { .type = (enum sync_type)type, .value = -7 }, out;
		char buf[SYNC_BYTES_MAX];
		ssize_t n;

		memcpy(in.step, "pivot", 6);
		(void)err_set(&in.err, EACCES, "no \"%s\"", "entry");
		n = sync_encode(&in, buf, sizeof(buf));
		assert_true(n > 0);
		assert_int_equal(sync_decode(buf, (size_t)n, &out), n);
		assert_int_equal(out.type, type);
		assert_int_equal(out.value, -7);
		assert_string_equal(out.step, "pivot");
		if (type == SYNC_FAIL || type == SYNC_LOG) {
			assert_int_equal(out.err.code, EACCES);
			assert_string_equal(out.err.msg, "no \"entry\"");
		} else {
			assert_string_equal(out.err.msg, "");
		}
		/* Every shorter piece asks for more, and never is a message. */
		for (size_t cut = 0; cut < (size_t)n; cut += 13)
			assert_int_equal(sync_decode(buf, cut, &out), -ENODATA);
		assert_non_null(sync_type_name((enum sync_type)type));
	}
}

static void test_malformed(void **state)
{
	struct sync_msg in = { .type = SYNC_FAIL }, out;
	char good[SYNC_BYTES_MAX], buf[SYNC_BYTES_MAX];
	ssize_t n;

	(void)state;
	(void)err_set(&in.err, EIO, "x");
	n = sync_encode(&in, good, sizeof(good));
	assert_int_equal(sync_encode(&in, good, 100), -ENOBUFS);

	memcpy(buf, good, sizeof(buf));
	buf[0] ^= 1; /* magic */
	assert_int_equal(sync_decode(buf, (size_t)n, &out), -EBADMSG);
	memcpy(buf, good, sizeof(buf));
	buf[4] = SYNC_TYPE_N; /* type */
	assert_int_equal(sync_decode(buf, (size_t)n, &out), -EBADMSG);
	buf[4] = SYNC_NONE;
	assert_int_equal(sync_decode(buf, (size_t)n, &out), -EBADMSG);
	memcpy(buf, good, sizeof(buf));
	memset(buf + 12, 'x', STEP_NAME_MAX); /* a step without an end */
	assert_int_equal(sync_decode(buf, (size_t)n, &out), -EBADMSG);
	memcpy(buf, good, sizeof(buf));
	memset(buf + n - (ssize_t)sizeof(in.err.msg), 'x', sizeof(in.err.msg));
	assert_int_equal(sync_decode(buf, (size_t)n, &out), -EBADMSG);
	/* A failure without a code would be a success to its reader. */
	in.err.code = 0;
	n = sync_encode(&in, buf, sizeof(buf));
	assert_int_equal(sync_decode(buf, (size_t)n, &out), -EBADMSG);
}

static void test_expect(void **state)
{
	struct sync_msg msg;
	struct err err = { 0 }, fail = { 0 };
	int fds[2], passed = -EBADF;

	(void)state;
	assert_int_equal(sock_pair(fds), 0);
	assert_int_equal(sync_send(fds[1], SYNC_READY, 3, "seccomp"), 0);
	assert_int_equal(sync_expect(fds[0], SYNC_READY, &msg, NULL, &err), 0);
	assert_int_equal(msg.value, 3);
	assert_string_equal(msg.step, "seccomp");

	/* The wrong one: both are named. */
	assert_int_equal(sync_send(fds[1], SYNC_MAP_REQ, 0, NULL), 0);
	assert_int_equal(sync_expect(fds[0], SYNC_READY, &msg, NULL, &err), -EPROTO);
	assert_string_equal(err.msg, "init sent MAP_REQ, expected READY");

	/* A failure keeps its code, text and step. */
	(void)err_set(&fail, ENOTDIR, "mounts[3]: no");
	memcpy(fail.step, "init:mounts", 12);
	assert_int_equal(sync_send_err(fds[1], SYNC_FAIL, 0, &fail), 0);
	assert_int_equal(sync_expect(fds[0], SYNC_READY, &msg, NULL, &err), -ENOTDIR);
	assert_string_equal(err.msg, "mounts[3]: no");
	assert_string_equal(err.step, "init:mounts");

	/* A log entry is skipped. */
	assert_int_equal(sync_send_err(fds[1], SYNC_LOG, LOG_LEVEL_DEBUG, &fail), 0);
	assert_int_equal(sync_send(fds[1], SYNC_EXECING, 0, NULL), 0);
	assert_int_equal(sync_expect(fds[0], SYNC_EXECING, &msg, NULL, &err), 0);

	/* Descriptors: taken where one is expected, closed where not. */
	assert_int_equal(sync_send_fd(fds[1], SYNC_TTY_FD, 0, fds[0]), 0);
	assert_int_equal(sync_expect(fds[0], SYNC_TTY_FD, &msg, &passed, &err), 0);
	assert_true(passed >= 3);
	close(passed);
	assert_int_equal(sync_send_fd(fds[1], SYNC_TTY_FD, 0, fds[0]), 0);
	assert_int_equal(sync_expect(fds[0], SYNC_READY, &msg, NULL, &err), -EPROTO);
	assert_int_equal(fcntl(passed, F_GETFD), -1);

	/* Garbage. */
	assert_int_equal(write(fds[1], "hello", 5), 5);
	assert_int_equal(sync_expect(fds[0], SYNC_READY, &msg, NULL, &err), -EBADMSG);

	/* The end of file is no answer. */
	close(fds[1]);
	assert_int_equal(sync_expect(fds[0], SYNC_READY, &msg, NULL, &err), -ENODATA);
	assert_string_equal(err.msg, "end of file, expected READY");
	close(fds[0]);
}

/* The child sends its reason and dies with our message unread. */
static void test_reason_of_the_dead(void **state)
{
	struct sync_msg msg;
	struct err err = { 0 }, fail = { 0 };
	int fds[2];

	(void)state;
	assert_int_equal(sock_pair(fds), 0);
	(void)err_set(&fail, EIO, "why");
	assert_int_equal(sync_send_err(fds[1], SYNC_FAIL, 0, &fail), 0);
	assert_int_equal(sync_send(fds[0], SYNC_MAP_OK, 0, NULL), 0);
	close(fds[1]);
	assert_int_equal(sync_expect(fds[0], SYNC_READY, &msg, NULL, &err), -EIO);
	assert_string_equal(err.msg, "why");
	assert_int_equal(sync_expect(fds[0], SYNC_READY, &msg, NULL, &err), -ENODATA);
	close(fds[0]);
}

static void test_wait(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(sock_pair(fds), 0);
	assert_int_equal(sync_send(fds[1], SYNC_READY_OK, 0, NULL), 0);
	assert_int_equal(sync_wait(fds[0], SYNC_READY_OK), 0);
	assert_int_equal(sync_send(fds[1], SYNC_MAP_OK, 0, NULL), 0);
	assert_int_equal(sync_wait(fds[0], SYNC_READY_OK), -EPROTO);
	close(fds[1]);
	assert_int_equal(sync_wait(fds[0], SYNC_READY_OK), -ENODATA);
	close(fds[0]);
}

/* ---- what start makes of init's report ---- */

struct report_case {
	bool execing, fail, to_exec;
	int expected;
};

static void test_report(void **state)
{
	static const struct report_case cases[] = {
		{ true, false, false, 0 },       /* start: execve comes next */
		{ true, false, true, 0 },        /* exec: and the end of file says it came */
		{ false, true, false, -ENOENT }, /* a hook failed */
		{ true, true, true, -ENOENT },   /* execve failed */
		{ true, true, false, 0 },        /* start does not wait for that */
		{ false, false, false, -ESRCH }, /* an end of file alone is no success */
		{ false, false, true, -ESRCH },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fifos f = FIFOS_INIT;
		struct err err = { 0 }, fail = { 0 };

		assert_int_equal(fifos_make_pipe(&f, &err), 0);
		if (cases[i].execing)
			assert_int_equal(sync_send(f.report_fd, SYNC_EXECING, 0, NULL), 0);
		if (cases[i].fail) {
			(void)err_set(&fail, ENOENT, "gone");
			assert_int_equal(sync_send_err(f.report_fd, SYNC_FAIL, 0, &fail), 0);
		}
		f.report_fd = fd_close(f.report_fd);
		f.report_own = fd_close(f.report_own);
		assert_int_equal(sync_await_report(f.report_in, -1, -1, cases[i].to_exec, &err),
				 cases[i].expected);
		if (cases[i].expected == -ENOENT)
			assert_string_equal(err.msg, "gone");
		if (cases[i].expected == -ESRCH)
			assert_non_null(strstr(err.msg, "exec fifo is empty"));
		fifos_close(&f);
	}
}

static void test_fifos(void **state)
{
	char dir[] = "/tmp/thole-fifos-XXXXXX";
	struct fifos f = FIFOS_INIT;
	struct err err = { 0 };
	int dir_fd, report = -EBADF;
	char byte;

	(void)state;
	assert_non_null(mkdtemp(dir));
	dir_fd = fd_open(dir, O_RDONLY | O_DIRECTORY, 0);
	assert_true(dir_fd >= 0);
	assert_int_equal(fifos_start(dir_fd, &report, &err), -ENOENT);
	assert_int_equal(fifos_make(dir_fd, &f, &err), 0);
	assert_int_equal(fifos_start(dir_fd, &report, &err), 0);
	assert_int_equal(read(f.exec_fd, &byte, 1), 1);
	close(report);
	/* Init is gone: nobody holds the fifo. */
	fifos_close(&f);
	assert_int_equal(fifos_start(dir_fd, &report, &err), -ENXIO);
	fifos_unlink(dir_fd);
	assert_int_equal(rmdir(dir), 0);
	close(dir_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_expect),     cmocka_unit_test(test_reason_of_the_dead),
		cmocka_unit_test(test_wait),       cmocka_unit_test(test_report),
		cmocka_unit_test(test_fifos),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
