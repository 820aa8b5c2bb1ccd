/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runner of step tables: order, selection, undo, error naming, faults.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/str.h"
#include "runtime/step.h"

struct trail {
	char text[256];
	size_t n;
	int notes;
};

static void leave(void *ctx, char c)
{
	struct trail *t = ctx;

	t->text[t->n++] = c;
	t->text[t->n] = '\0';
}

static int do_a(void *ctx, struct err *err)
{
	(void)err;
	leave(ctx, 'a');
	return 0;
}
static int do_b(void *ctx, struct err *err)
{
	(void)err;
	leave(ctx, 'b');
	return 0;
}
static int do_c(void *ctx, struct err *err)
{
	(void)err;
	leave(ctx, 'c');
	return 0;
}
static int do_fail(void *ctx, struct err *err)
{
	leave(ctx, 'f');
	return err_set(err, EBUSY, "busy");
}
static int do_pass_on(void *ctx, struct err *err)
{
	(void)ctx;
	(void)err_set(err, EIO, "from elsewhere");
	memcpy(err->step, "init:pivot", sizeof("init:pivot"));
	return -EIO;
}
static void undo_a(void *ctx)
{
	leave(ctx, 'A');
}
static void undo_b(void *ctx)
{
	leave(ctx, 'B');
}
static void undo_fail(void *ctx)
{
	leave(ctx, 'F');
}
static void count_note(void *ctx, const char *name, uint64_t ns)
{
	(void)name;
	(void)ns;
	((struct trail *)ctx)->notes++;
}

static const struct step all[] = {
	{ "alpha", do_a, undo_a, 1 },
	{ "beta", do_b, undo_b, 2 },
	{ "gamma", do_c, NULL, 3 },
};
static const struct step failing[] = {
	{ "alpha", do_a, undo_a, 3 },  { "beta", do_b, undo_b, 2 },
	{ "gamma", do_c, NULL, 3 },    { "delta", do_fail, undo_fail, 3 },
	{ "alpha2", do_a, undo_a, 3 },
};

static struct step_run run_of(const struct step *steps, size_t n, unsigned int when,
			      struct trail *t, char *last)
{
	return (struct step_run){
		.role = "test",
		.steps = steps,
		.n = n,
		.when = when,
		.ctx = t,
		.last = last,
		.trace_fd = -1,
	};
}

static void test_order_and_when(void **state)
{
	static const struct {
		unsigned int when;
		const char *trail, *last;
	} cases[] = {
		{ 1, "ac", "gamma" }, { 2, "bc", "gamma" }, { 3, "abc", "gamma" }, { 4, "", "" }
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct trail t = { .n = 0 };
		struct err err = { 0 };
		char last[STEP_NAME_MAX] = "";
		struct step_run run = run_of(all, ARRAY_COUNT(all), cases[i].when, &t, last);

		run.note = count_note;
		assert_int_equal(step_run_all(&run, &err), 0);
		assert_string_equal(t.text, cases[i].trail);
		assert_string_equal(last, cases[i].last);
		assert_int_equal(t.notes, strlen(cases[i].trail));
	}
}

static void test_undo_in_reverse(void **state)
{
	struct trail t = { .n = 0 };
	struct err err = { 0 };
	char last[STEP_NAME_MAX] = "";
	struct step_run run = run_of(failing, ARRAY_COUNT(failing), 3, &t, last);

	(void)state;
	assert_int_equal(step_run_all(&run, &err), -EBUSY);
	/* The failed row is not undone, rows after it are not run. */
	assert_string_equal(t.text, "abcfBA");
	assert_string_equal(err.step, "test:delta");
	assert_string_equal(err.msg, "busy");
	assert_string_equal(last, "gamma");

	t.n = 0;
	run.when = 1;
	assert_int_equal(step_run_all(&run, &err), -EBUSY);
	assert_string_equal(t.text, "acfA");
}

static void test_undo_all(void **state)
{
	struct trail t = { .n = 0 };
	struct step_run run = run_of(failing, ARRAY_COUNT(failing), 3, &t, NULL);

	(void)state;
	step_undo_all(&run);
	assert_string_equal(t.text, "AFBA");
}

static void test_foreign_step_name_stays(void **state)
{
	static const struct step steps[] = { { "expect", do_pass_on, NULL, 1 } };
	struct trail t = { .n = 0 };
	struct err err = { 0 };
	struct step_run run = run_of(steps, 1, 1, &t, NULL);

	(void)state;
	assert_int_equal(step_run_all(&run, &err), -EIO);
	assert_string_equal(err.step, "init:pivot");
}

static void test_trace(void **state)
{
	char path[] = "/tmp/thole-step-XXXXXX", buf[256];
	int fd = mkstemp(path);
	struct trail t = { .n = 0 };
	struct err err = { 0 };
	struct step_run run = run_of(all, ARRAY_COUNT(all), 3, &t, NULL);
	ssize_t n;

	(void)state;
	assert_true(fd >= 0);
	unlink(path);
	run.trace_fd = fd;
	assert_int_equal(step_run_all(&run, &err), 0);
	n = pread(fd, buf, sizeof(buf) - 1, 0);
	assert_true(n > 0);
	buf[n] = '\0';
	assert_true(str_starts_with(buf, "test alpha "));
	assert_non_null(strstr(buf, "\ntest beta "));
	assert_non_null(strstr(buf, "\ntest gamma "));
	close(fd);
}

static void test_shared_page(void **state)
{
	char *page = step_page_new();
	struct trail t = { .n = 0 };
	struct step_run run = run_of(all, ARRAY_COUNT(all), 3, &t, page);
	pid_t pid;
	int status;

	(void)state;
	assert_non_null(page);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct err err = { 0 };

		_exit(step_run_all(&run, &err) < 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_string_equal(page, "gamma");
	step_page_free(page);
}

#ifdef THOLE_TEST
static void test_fault(void **state)
{
	struct trail t = { .n = 0 };
	struct err err = { 0 };
	struct step_run run = run_of(all, ARRAY_COUNT(all), 3, &t, NULL);

	(void)state;
	setenv("FAULT", "test:gamma", 1);
	assert_int_equal(step_run_all(&run, &err), -EIO);
	assert_string_equal(t.text, "abBA");
	assert_string_equal(err.msg, "fault injected at test:gamma");
	t.n = 0;
	setenv("FAULT", "other:gamma", 1);
	assert_int_equal(step_run_all(&run, &err), 0);
	setenv("FAULT", "test:gamm", 1);
	assert_int_equal(step_run_all(&run, &err), 0);
	unsetenv("FAULT");
}

static void test_fault_kill(void **state)
{
	struct trail t = { .n = 0 };
	struct step_run run = run_of(all, ARRAY_COUNT(all), 3, &t, NULL);
	pid_t pid = fork();
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		struct err err = { 0 };

		setenv("FAULT_KILL", "test:beta", 1);
		_exit(step_run_all(&run, &err) < 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_and_when),
		cmocka_unit_test(test_undo_in_reverse),
		cmocka_unit_test(test_undo_all),
		cmocka_unit_test(test_foreign_step_name_stays),
		cmocka_unit_test(test_trace),
		cmocka_unit_test(test_shared_page),
#ifdef THOLE_TEST
		cmocka_unit_test(test_fault),
		cmocka_unit_test(test_fault_kill),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
