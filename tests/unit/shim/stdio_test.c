// SPDX-License-Identifier: Apache-2.0
// The pumps with a real log file, pipes and a pty; children are played by this process.
#include "shim/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <termios.h>

#include <cmocka.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/str.h"

struct fixture {
	char path[64];
	struct ev *ev;
	struct log_writer *log;
	struct stdio *s;
	int drained, flushed;
};

static void on_room(void *user)
{
	struct fixture *f = user;

	if (f->s)
		stdio_log_room(f->s);
}

static void on_drained(void *user)
{
	((struct fixture *)user)->drained++;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct log_writer_config c = { .format = LOG_FORMAT_CRI, .markers = true };
	struct err err;

	assert_non_null(f);
	snprintf(f->path, sizeof(f->path), "/tmp/stdio_test_%d.log", getpid());
	unlink(f->path);
	c.path = f->path;
	assert_int_equal(ev_new(&f->ev, &err), 0);
	assert_int_equal(log_writer_new(f->ev, &c, on_room, f, &f->log, &err), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	stdio_free(f->s);
	if (f->log)
		log_writer_free(f->log, 2000);
	ev_free(f->ev);
	unlink(f->path);
	free(f);
	return 0;
}

static void make(struct fixture *f, bool terminal, bool in, bool capture)
{
	struct stdio_config c = {
		.ev = f->ev,
		.terminal = terminal,
		.in = in,
		.out = true,
		.err = true,
		.log = f->log,
		.capture = capture,
		.drained = on_drained,
		.user = f,
	};
	struct err err;

	assert_int_equal(stdio_new(&c, &f->s, &err), 0);
}

/* The child's end, as the runtime would inherit it. */
static int inherit(struct fixture *f, int n)
{
	int fd = fd_dup(stdio_child_fd(f->s, n));

	assert_true(fd >= 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(io_write_all(fd, text, strlen(text)), 0);
}

static void on_flushed(void *user, int result)
{
	struct fixture *f = user;

	assert_int_equal(result, 0);
	f->flushed++;
}

/* What the log has, without the times: "stdout F text\n" ... */
static void check_log(struct fixture *f, const char *want)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	CLEANUP_STR struct str got = { 0 };
	char *data;
	size_t n;

	f->flushed = 0;
	log_writer_flush(f->log, on_flushed, f);
	while (!f->flushed)
		assert_true(ev_step(f->ev, 5000) >= 0);
	assert_int_equal(io_read_file(AT_FDCWD, f->path, 1 << 20, &arena, &data, &n), 0);
	for (char *line = data, *end; *line; line = end) {
		end = line + strcspn(line, "\n");
		if (*end)
			*end++ = '\0';
		assert_non_null(strchr(line, ' '));
		str_addf(&got, "%s\n", strchr(line, ' ') + 1);
	}
	assert_string_equal(got.data ? got.data : "", want);
}

static void steps(struct fixture *f)
{
	for (int i = 0; i < 10; i++)
		assert_true(ev_step(f->ev, 0) >= 0);
}

static void both_streams(void **state)
{
	struct fixture *f = *state;
	int out, err;

	make(f, false, false, false);
	assert_true(stdio_child_fd(f->s, 0) < 0);
	out = inherit(f, 1);
	err = inherit(f, 2);
	stdio_close_child(f->s);
	say(out, "one\n");
	steps(f);
	say(err, "two\n");
	steps(f);
	close(out);
	close(err);
	steps(f);
	assert_int_equal(f->drained, 0);
	stdio_process_exited(f->s);
	assert_int_equal(f->drained, 1);
	check_log(f, "stdout F one\nstderr F two\n");
}

/* The last line is there at the exit, without a newline, though another holds the pipe. */
static void a_grandchild_holds_the_pipe(void **state)
{
	struct fixture *f = *state;
	int out;

	make(f, false, false, false);
	out = inherit(f, 1);
	stdio_close_child(f->s);
	say(out, "a\nlast");
	stdio_process_exited(f->s);
	assert_int_equal(f->drained, 1);
	check_log(f, "stdout F a\nstdout P last\n");
	say(out, "later\n");
	steps(f);
	check_log(f, "stdout F a\nstdout P last\nstdout F later\n");
	assert_int_equal(f->drained, 1);
	close(out);
}

/* A writer that never stops cannot make the exit wait. */
static void a_noisy_grandchild(void **state)
{
	struct fixture *f = *state;
	static char block[1024];
	int out;

	memset(block, 'x', sizeof(block));
	block[sizeof(block) - 1] = '\n';
	make(f, false, false, false);
	out = inherit(f, 1);
	stdio_close_child(f->s);
	assert_int_equal(fd_nonblock(out, true), 0);
	while (write(out, block, sizeof(block)) > 0)
		;
	stdio_process_exited(f->s);
	for (int i = 0; i < 200 && !f->drained; i++) {
		while (write(out, block, sizeof(block)) > 0)
			;
		assert_true(ev_step(f->ev, 10) >= 0);
	}
	assert_int_equal(f->drained, 1);
	close(out);
}

static void captured_text_explains(void **state)
{
	struct fixture *f = *state;
	int out, err;

	make(f, false, false, true);
	out = inherit(f, 1);
	err = inherit(f, 2);
	stdio_close_child(f->s);
	say(err, "bad\tthing\n");
	steps(f);
	say(err, "happened\n\n");
	stdio_capture_end(f->s, false);
	assert_string_equal(stdio_captured(f->s), "bad thing happened");
	check_log(f, "");
	close(out);
	close(err);
}

static void captured_text_is_not_lost(void **state)
{
	struct fixture *f = *state;
	int out, err;

	make(f, false, false, true);
	out = inherit(f, 1);
	err = inherit(f, 2);
	stdio_close_child(f->s);
	say(err, "warning\n");
	say(out, "hook\n");
	close(out); /* hung up while nobody reads it */
	steps(f);
	stdio_capture_end(f->s, true);
	steps(f);
	say(err, "run\n");
	close(err);
	steps(f);
	stdio_process_exited(f->s);
	assert_int_equal(f->drained, 1);
	check_log(f, "stderr F warning\nstdout F hook\nstderr F run\n");
}

/* A runtime, or what it starts, may write more than a pipe holds before the call ends: nobody may
 * block for it, and nothing is lost or mixed up. */
static void much_output_while_capturing(void **state)
{
	struct fixture *f = *state;
	CLEANUP_STR struct str want = { 0 };
	char line[1000];
	int out, n = 0;

	make(f, false, false, true);
	out = inherit(f, 1);
	stdio_close_child(f->s);
	assert_int_equal(fd_nonblock(out, true), 0);
	for (int i = 0; n < 400; i++) {
		assert_true(i < 10000);
		assert_true(ev_step(f->ev, 0) >= 0);
		snprintf(line, sizeof(line), "%0*d\n", 998, n);
		if (write(out, line, 999) < 0) {
			assert_int_equal(errno, EAGAIN);
			continue;
		}
		str_addf(&want, "stdout F %0*d\n", 998, n++);
	}
	stdio_capture_end(f->s, true);
	close(out);
	for (int i = 0; i < 1000 && !stdio_is_over(f->s); i++)
		assert_true(ev_step(f->ev, 10) >= 0);
	assert_true(stdio_is_over(f->s));
	stdio_process_exited(f->s);
	check_log(f, want.data);
}

/* What a runtime that failed has said on stdout is not the container's output. */
static void held_output_of_a_failure_is_dropped(void **state)
{
	struct fixture *f = *state;
	int out;

	make(f, false, false, true);
	out = inherit(f, 1);
	stdio_close_child(f->s);
	say(out, "usage: runtime\n");
	steps(f);
	stdio_capture_end(f->s, false);
	check_log(f, "");
	close(out);
}

static void closed_input_is_end_of_file(void **state)
{
	struct fixture *f = *state;
	char byte;
	int in;

	make(f, false, true, false);
	in = inherit(f, 0);
	stdio_close_child(f->s);
	assert_int_equal(fd_nonblock(in, true), 0);
	assert_int_equal(read(in, &byte, 1), -1);
	assert_int_equal(errno, EAGAIN);
	stdio_close_input(f->s);
	assert_int_equal(read(in, &byte, 1), 0);
	close(in);
}

static void a_terminal(void **state)
{
	struct fixture *f = *state;
	struct termios t;
	char name[64];
	int master, slave;

	make(f, true, true, true);
	assert_true(stdio_child_fd(f->s, 1) < 0);
	master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	assert_true(master >= 0);
	assert_int_equal(grantpt(master) | unlockpt(master), 0);
	assert_int_equal(ptsname_r(master, name, sizeof(name)), 0);
	slave = open(name, O_RDWR | O_NOCTTY);
	assert_true(slave >= 0);
	assert_int_equal(tcgetattr(slave, &t), 0);
	cfmakeraw(&t);
	assert_int_equal(tcsetattr(slave, TCSANOW, &t), 0);
	assert_false(stdio_has_master(f->s));
	stdio_master_consume(f->s, master);
	assert_true(stdio_has_master(f->s));
	assert_int_equal(stdio_resize(f->s, 80, 25), 0);
	assert_int_equal(stdio_resize(f->s, 80000, 25), -ERANGE);
	say(slave, "hi\n");
	steps(f);
	/* Nobody has it open but the shim's own slave: no hang-up, no spinning. */
	close(slave);
	steps(f);
	slave = open(name, O_RDWR | O_NOCTTY);
	say(slave, "end\n");
	close(slave);
	stdio_process_exited(f->s);
	for (int i = 0; i < 100 && !f->drained; i++)
		assert_true(ev_step(f->ev, 10) >= 0);
	assert_int_equal(f->drained, 1);
	check_log(f, "stdout F hi\nstdout F end\n");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(both_streams),
		TEST(a_grandchild_holds_the_pipe),
		TEST(a_noisy_grandchild),
		TEST(captured_text_explains),
		TEST(captured_text_is_not_lost),
		TEST(much_output_while_capturing),
		TEST(held_output_of_a_failure_is_dropped),
		TEST(closed_input_is_end_of_file),
		TEST(a_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
