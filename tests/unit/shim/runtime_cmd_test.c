// SPDX-License-Identifier: Apache-2.0
// Runtime calls and the reaper, with a shell script as the runtime.
#include "shim/runtime_cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/str.h"

struct fixture {
	char dir[64], path[96];
	struct ev *ev;
	struct reaper *reaper;
	struct runtime runtime;
	int result, calls;
	unsigned int number;
	char message[RUNTIME_MESSAGE_MAX];
	int exits;
	struct reaper_exit exit;
};

static void on_child(void *user, const struct signalfd_siginfo *info)
{
	struct fixture *f = user;

	(void)info;
	reaper_sweep(f->reaper);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err;
	sigset_t set;

	assert_non_null(f);
	assert_int_equal(ev_new(&f->ev, &err), 0);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	assert_int_equal(ev_signals(f->ev, &set, on_child, f), 0);
	assert_int_equal(reaper_new(f->ev, &f->reaper, &err), 0);
	/* Last: where one of those fails (qemu-user) nothing is left behind. */
	snprintf(f->dir, sizeof(f->dir), "/tmp/runtime_cmd_XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/rt", f->dir);
	f->runtime = (struct runtime){
		.ev = f->ev,
		.reaper = f->reaper,
		.path = f->path,
		.dir = f->dir,
	};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	reaper_free(f->reaper);
	ev_free(f->ev);
	unlink(f->path);
	assert_int_equal(rmdir(f->dir), 0); /* the log files are gone */
	free(f);
	return 0;
}

static void script(struct fixture *f, const char *body)
{
	char text[1024];
	int fd = fd_open(f->path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	int n = snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", body);

	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, text, (size_t)n), 0);
	fd_close(fd);
}

static void done(void *user, unsigned int number, int result, const char *message)
{
	struct fixture *f = user;

	f->calls++;
	f->number = number;
	f->result = result;
	snprintf(f->message, sizeof(f->message), "%s", message);
}

static void call(struct fixture *f, const char *body, unsigned int ms)
{
	const char *args[] = { "--flag", "id" };
	struct runtime_request q = {
		.command = "cmd",
		.args = args,
		.n_args = 2,
		.stdio = { -1, -1, -1 },
		.captures = true,
		.ms = ms,
	};
	struct runtime_call *c;
	struct err err = { 0 };
	int n, before = f->calls;

	script(f, body);
	n = runtime_call_start(&f->runtime, &q, done, f, &c, &err);
	assert_true(n > 0);
	while (f->calls == before)
		assert_true(ev_step(f->ev, 5000) >= 0);
	assert_int_equal(f->calls, before + 1);
	assert_int_equal(f->number, n);
}

static void a_call_that_works(void **state)
{
	struct fixture *f = *state;

	call(f, "echo noise; echo noise >&2; exit 0", 5000);
	assert_int_equal(f->result, 0);
	assert_string_equal(f->message, "");
}

static void arguments_in_runc_order(void **state)
{
	static const char *const extra[] = { "--debug" };
	struct fixture *f = *state;
	char want[256];

	f->runtime.args = extra;
	f->runtime.n_args = 1;
	f->runtime.root = "/r";
	call(f, "echo \"$*\" >&2; exit 1", 5000);
	snprintf(want, sizeof(want),
		 "--debug --root /r --log %s/runtime-%u.log --log-format json cmd --flag id",
		 f->dir, f->number);
	assert_string_equal(f->message, want);
	assert_int_equal(f->result, -EIO);
}

static void the_log_explains(void **state)
{
	struct fixture *f = *state;

	call(f,
	     "echo stderr >&2; for l; do case $l in */runtime-*.log) "
	     "echo '{\"level\":\"warning\",\"msg\":\"w\"}' > $l; "
	     "echo '{\"level\":\"error\",\"msg\":\"it \\\"broke\\\"\"}' >> $l;; esac; done; exit 1",
	     5000);
	assert_int_equal(f->result, -EIO);
	assert_string_equal(f->message, "it \"broke\"");
}

static void stderr_explains(void **state)
{
	struct fixture *f = *state;

	call(f, "printf 'one\\ntwo\\033[1m\\n\\n' >&2; exit 3", 5000);
	assert_string_equal(f->message, "one two [1m");
	/* Of a long text the end. */
	call(f, "seq 1 5000 >&2; echo END >&2; exit 3", 5000);
	assert_int_equal(strcmp(f->message + strlen(f->message) - 4, " END"), 0);
	call(f, "exit 3", 5000);
	assert_int_equal(f->result, -EIO);
	assert_string_equal(f->message, "");
	call(f, "kill -9 $$", 5000);
	assert_non_null(strstr(f->message, "was killed by signal 9"));
}

static void a_deadline_kills(void **state)
{
	struct fixture *f = *state;

	call(f, "exec sleep 100", 100);
	assert_int_equal(f->result, -ETIMEDOUT);
	assert_non_null(strstr(f->message, "did not end"));
}

static void a_grandchild_delays_nothing(void **state)
{
	struct fixture *f = *state;

	/* It holds the captured pipe for longer than the test may take. */
	call(f, "sleep 3 & echo why >&2; exit 1", 60000);
	assert_string_equal(f->message, "why");
}

static void a_missing_runtime(void **state)
{
	struct fixture *f = *state;
	struct runtime_request q = { .command = "x", .stdio = { -1, -1, -1 }, .ms = 1000 };
	struct runtime_call *c;
	struct err err = { 0 };

	f->runtime.path = "/nonexistent/rt";
	assert_true(runtime_call_start(&f->runtime, &q, done, f, &c, &err) < 0);
	assert_non_null(strstr(err.msg, "/nonexistent/rt"));
	assert_int_equal(f->calls, 0);
}

static void child_exited(void *user, const struct reaper_exit *exit)
{
	struct fixture *f = user;

	f->exits++;
	f->exit = *exit;
}

static pid_t child(int status)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(status);
	return pid;
}

static bool is_zombie(pid_t pid)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0 && info.si_pid == pid;
}

/* What a create does: its init ends before anybody has read the pid file. */
static void held_zombies_can_be_claimed(void **state)
{
	struct fixture *f = *state;
	struct reaper_child *c;
	pid_t pid;

	reaper_hold(f->reaper);
	pid = child(7);
	assert_true(is_zombie(pid));
	reaper_sweep(f->reaper);
	assert_true(is_zombie(pid));
	assert_int_equal(reaper_watch_consume(f->reaper, pid, -1, child_exited, f, &c), 0);
	reaper_release(f->reaper);
	reaper_sweep(f->reaper);
	assert_int_equal(f->exits, 1);
	assert_int_equal(f->exit.pid, pid);
	assert_int_equal(f->exit.code, CLD_EXITED);
	assert_int_equal(f->exit.status, 7);
	reaper_sweep(f->reaper);
	assert_int_equal(f->exits, 1);
}

static void orphans_do_not_stay(void **state)
{
	struct fixture *f = *state;
	siginfo_t info = { 0 };

	for (int i = 0; i < 50; i++)
		is_zombie(child(i));
	reaper_sweep(f->reaper);
	/* Another test's grandchild may still be alive: no zombie is what counts. */
	(void)waitid(P_ALL, 0, &info, WEXITED | WNOHANG);
	assert_int_equal(info.si_pid, 0);
}

/* A process whose parent is another: its end is seen, its status is not known. */
static void a_stranger_has_no_status(void **state)
{
	struct fixture *f = *state;
	struct reaper_child *c;
	int gate[2], report[2];
	pid_t pid, helper;
	char byte;

	assert_int_equal(pipe(gate), 0);
	assert_int_equal(pipe(report), 0);
	helper = fork();
	if (helper == 0) {
		pid = fork();
		if (pid == 0) {
			close(gate[1]);
			_exit(read(gate[0], &byte, 1) == 0 ? 5 : 6);
		}
		close(gate[1]);
		if (write(report[1], &pid, sizeof(pid)) != sizeof(pid))
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(report[0], &pid, sizeof(pid)), sizeof(pid));
	assert_int_equal(reaper_watch_consume(f->reaper, pid, -1, child_exited, f, &c), 0);
	reaper_sweep(f->reaper);
	assert_int_equal(f->exits, 0);
	close(gate[1]);
	while (!f->exits)
		assert_true(ev_step(f->ev, 5000) >= 0);
	assert_int_equal(f->exit.code, 0);
	close(gate[0]);
	close(report[0]);
	close(report[1]);
	kill(helper, SIGKILL);
	is_zombie(helper);
	is_zombie(pid);
	reaper_sweep(f->reaper);
}

static void log_messages(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "", NULL },
		{ "garbage", NULL },
		{ "{\"level\":\"info\",\"msg\":\"x\"}", NULL },
		{ "{\"msg\":\"x\"}", NULL },
		{ "{\"level\":\"error\",\"msg\":\"runc: no\",\"time\":\"t\"}\n", "runc: no" },
		{ "{ \"msg\": \"crun\", \"level\": \"error\" }", "crun" },
		{ "{\"level\":\"error\",\"msg\":\"1\"}\n{\"level\":\"error\",\"msg\":\"2\"}", "2" },
		{ "{\"level\":\"error\",\"msg\":\"1\"}\n{\"level\":\"warning\",\"msg\":\"2\"}",
		  "1" },
		{ "{\"level\":\"error\",\"msg\":\"a\\nb\\u003c\\u00e4\\\\\"}", "a b<?\\" },
		{ "{\"level\":\"fatal\",\"msg\":\"cut", "cut" },
		{ "{\"level\":\"error\",\"msg\":\"cut\\u00", "cut?" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		char text[256], buf[64];
		bool found;

		snprintf(text, sizeof(text), "%s", cases[i].text);
		found = runtime_log_message(text, buf, sizeof(buf));
		assert_int_equal(found, cases[i].want != NULL);
		if (found)
			assert_string_equal(buf, cases[i].want);
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_call_that_works),        TEST(arguments_in_runc_order),
		TEST(the_log_explains),         TEST(stderr_explains),
		TEST(a_deadline_kills),         TEST(a_grandchild_delays_nothing),
		TEST(a_missing_runtime),        TEST(held_zombies_can_be_claimed),
		TEST(orphans_do_not_stay),      TEST(a_stranger_has_no_status),
		cmocka_unit_test(log_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
