/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/common/tmpdir.h"

#include <fcntl.h>
#include <sys/wait.h>

#include "common/io.h"
#include "common/log.h"

static char path[64];

static void open_log(void **state, enum log_level level)
{
	struct tmpdir *dir = *state;
	struct log_config config = { .sink = LOG_SINK_FILE, .level = level, .path = path };
	struct err err = { 0 };

	snprintf(path, sizeof(path), "%s/log", dir->path);
	assert_int_equal(log_open(&config, &err), 0);
}

static void close_log(void)
{
	struct log_config config = { .sink = LOG_SINK_STDERR };
	struct err err = { 0 };

	assert_int_equal(log_open(&config, &err), 0);
}

/* The messages of the file, one letter each, in order. */
static void assert_logged(const char *expected)
{
	char text[16384], found[64] = "";
	size_t n = 0;

	assert_true(io_read_small(AT_FDCWD, path, text, sizeof(text)) >= 0);
	for (char *s = text; (s = strstr(s, "msg=\"")); s += 5)
		found[n++] = s[5];
	found[n] = '\0';
	assert_string_equal(found, expected);
}

static void test_dropped(void **state)
{
	open_log(state, LOG_LEVEL_INFO);
	log_hold();
	log_warning("w");
	log_info("i");
	assert_logged("");
	log_release(false);
	log_error("e");
	assert_logged("e");
	log_warning("v");
	assert_logged("ev");
	close_log();
}

static void test_written(void **state)
{
	open_log(state, LOG_LEVEL_INFO);
	log_hold();
	log_warning("w");
	log_info("i");
	log_error("e"); /* never held */
	assert_logged("e");
	log_release(true);
	assert_logged("ewi");
	log_release(true);
	assert_logged("ewi");
	close_log();
}

static void test_debug_is_not_held(void **state)
{
	open_log(state, LOG_LEVEL_DEBUG);
	log_hold();
	log_warning("w");
	assert_logged("w");
	close_log();
}

static void test_full(void **state)
{
	open_log(state, LOG_LEVEL_INFO);
	log_hold();
	for (int i = 0; i < LOG_HELD_MAX; i++)
		log_warning("w");
	log_release(false);
	log_hold();
	log_warning("x");
	log_release(true);
	assert_logged("x");
	close_log();
}

static void test_child(void **state)
{
	pid_t pid;

	open_log(state, LOG_LEVEL_INFO);
	log_hold();
	log_warning("p");
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		log_warning("c");
		log_release(true); /* the parent's messages are not ours to write */
		_exit(0);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_logged("c");
	log_release(true);
	assert_logged("cp");
	close_log();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tmpdir_test(test_dropped),
		tmpdir_test(test_written),
		tmpdir_test(test_debug_is_not_held),
		tmpdir_test(test_full),
		tmpdir_test(test_child),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
