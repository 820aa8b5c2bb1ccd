/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks: state, environment, failures, limits. Runs /bin/sh, needs no rights.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/macros.h"
#include "runtime/hooks.h"

static char dir[] = "/tmp/thole-hooks-XXXXXX";

static int run_script(const char *script, int timeout, const char *state, char **env,
		      struct err *err)
{
	char *argv[] = { (char *)(uintptr_t) "hook", (char *)(uintptr_t) "-c",
			 (char *)(uintptr_t)script, NULL };
	size_t n_env = 0;
	struct spec_hook hook = {
		.path = "/bin/sh",
		.args = { .v = argv, .n = 3 },
		.timeout = timeout,
	};
	struct spec_hook_list list = { .v = &hook, .n = 1 };
	struct hooks_run run = {
		.list = &list,
		.kind = HOOK_CREATE_RUNTIME,
		.state = state,
		.pid = 4321,
	};

	while (env && env[n_env])
		n_env++;
	hook.env = (struct spec_strings){ .v = env, .n = n_env };
	hook.has_env = env != NULL;
	return hooks_run(&run, err);
}

static void read_out(char *buf, size_t size)
{
	int fd = open("out", O_RDONLY);
	ssize_t n = read(fd, buf, size - 1);

	close(fd);
	assert_true(n >= 0);
	buf[n] = '\0';
}

static void test_state_and_pid(void **state)
{
	struct err err = { 0 };
	char buf[256];

	(void)state;
	assert_int_equal(run_script("cat > out", 0, "{\"id\":\"\\\"pid\\\":0\",\"pid\":0,\"x\":1}",
				    NULL, &err),
			 0);
	read_out(buf, sizeof(buf));
	assert_string_equal(buf, "{\"id\":\"\\\"pid\\\":0\",\"pid\":4321,\"x\":1}");
}

static void test_state_not_read(void **state)
{
	struct err err = { 0 };
	static char big[300000];

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	/* More than a pipe holds, never read: no hang, no SIGPIPE, and the hook is content. */
	assert_int_equal(run_script("exit 0", 5, big, NULL, &err), 0);
	assert_int_equal(run_script("cat | wc -c > out", 5, big, NULL, &err), 0);
	read_out(big, sizeof(big));
	assert_int_equal(strtoul(big, NULL, 10), sizeof(big) - 1);
}

static void test_env(void **state)
{
	char a[] = "A=1";
	char *given[] = { a, NULL }, *empty[] = { NULL };
	struct err err = { 0 };
	char buf[256];

	(void)state;
	setenv("INHERITED", "yes", 1);
	assert_int_equal(run_script("echo $A.$INHERITED > out", 0, "{}", given, &err), 0);
	read_out(buf, sizeof(buf));
	assert_string_equal(buf, "1.\n");
	assert_int_equal(run_script("echo $A.$INHERITED > out", 0, "{}", empty, &err), 0);
	read_out(buf, sizeof(buf));
	assert_string_equal(buf, ".\n");
	assert_int_equal(run_script("echo $A.$INHERITED > out", 0, "{}", NULL, &err), 0);
	read_out(buf, sizeof(buf));
	assert_string_equal(buf, ".yes\n");
}

static void test_failures(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_true(run_script("echo o; echo e >&2; exit 3", 0, "{}", NULL, &err) < 0);
	assert_string_equal(err.msg, "error running createRuntime hook #0: exit status 3, stdout: "
				     "o\n, stderr: e\n");
	assert_true(run_script("kill -9 $$", 0, "{}", NULL, &err) < 0);
	assert_non_null(strstr(err.msg, "createRuntime hook #0: signal: SIGKILL"));
	/* Output without end is read and dropped. */
	assert_true(run_script("head -c 1000000 /dev/zero | tr '\\0' x; exit 1", 10, "{}", NULL,
			       &err) < 0);
	assert_non_null(strstr(err.msg, "exit status 1, stdout: xxx"));
}

static void test_timeout(void **state)
{
	struct timespec a, b;
	struct err err = { 0 };

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &a);
	assert_int_equal(run_script("exec sleep 30", 1, "{}", NULL, &err), -ETIMEDOUT);
	clock_gettime(CLOCK_MONOTONIC, &b);
	assert_true(b.tv_sec - a.tv_sec < 10);
	assert_string_equal(err.msg, "error running createRuntime hook #0: hook ran past specified "
				     "timeout of 1.0s");
}

static void test_grandchild(void **state)
{
	struct err err = { 0 };

	(void)state;
	/* It keeps stdout open for long after the hook; the hook is over all the same. */
	assert_int_equal(run_script("sleep 5 & exit 0", 4, "{}", NULL, &err), 0);
}

static void test_missing(void **state)
{
	struct spec_hook hooks[] = { { .path = "/bin/true" }, { .path = "/no/such/hook" } };
	struct spec_hook_list list = { .v = hooks, .n = 2 };
	struct hooks_run run = { .list = &list, .kind = HOOK_POSTSTOP, .state = "{}" };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(hooks_run(&run, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "error running poststop hook #1: "));
	assert_non_null(strstr(err.msg, "no such file or directory"));
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	unlink("out");
	return chdir("/") == 0 && rmdir(dir) == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_state_and_pid), cmocka_unit_test(test_state_not_read),
		cmocka_unit_test(test_env),           cmocka_unit_test(test_failures),
		cmocka_unit_test(test_timeout),       cmocka_unit_test(test_grandchild),
		cmocka_unit_test(test_missing),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
