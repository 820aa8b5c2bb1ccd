/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/common/tmpdir.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/json.h"
#include "common/log.h"

struct fixture {
	struct tmpdir *tmp;
	char path[64], old[64];
	struct arena arena;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->tmp = tmpdir_new();
	snprintf(f->path, sizeof(f->path), "%s/log", f->tmp->path);
	snprintf(f->old, sizeof(f->old), "%s/log.1", f->tmp->path);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	const struct log_config config = { .sink = LOG_SINK_STDERR, .level = LOG_LEVEL_INFO };
	struct fixture *f = *state;

	assert_int_equal(log_open(&config, NULL), 0);
	arena_done(&f->arena);
	tmpdir_free(f->tmp);
	free(f);
	return 0;
}

static void open_log(struct fixture *f, bool json, off_t size_max)
{
	const struct log_config config = {
		.sink = LOG_SINK_FILE,
		.level = LOG_LEVEL_INFO,
		.json = json,
		.path = f->path,
		.size_max = size_max,
	};

	assert_int_equal(log_open(&config, NULL), 0);
}

static char *read_log(struct fixture *f, const char *path)
{
	char *data = NULL;
	size_t n;

	assert_int_equal(io_read_file(AT_FDCWD, path, 1 << 20, &f->arena, &data, &n), 0);
	return data;
}

/* The message of the one JSON line in the file, which is emptied. */
static const char *json_message(struct fixture *f, const char *level)
{
	char *data = read_log(f, f->path);
	struct json *v = NULL;
	struct err err = { 0 };

	assert_true(strlen(data) > 0 && data[strlen(data) - 1] == '\n');
	if (json_parse(&f->arena, data, strlen(data), &v, &err) < 0)
		fail_msg("%s: %s", err.msg, data);
	assert_int_equal(v->count, 3);
	assert_string_equal(json_str(v, "level"), level);
	assert_string_equal(v->child->key, "level");
	assert_string_equal(v->child->next->key, "msg");
	assert_string_equal(v->child->next->next->key, "time");
	assert_int_equal(truncate(f->path, 0), 0);
	return json_str(v, "msg");
}

static void test_json(void **state)
{
	struct fixture *f = *state;
	char big[10000];
	const char *msg;
	struct stat st;

	open_log(f, true, 0);
	assert_true(log_is_file());
	assert_int_equal(log_level_get(), LOG_LEVEL_INFO);
	assert_true(log_fd() >= 3);
	assert_true(fcntl(log_fd(), F_GETFD) & FD_CLOEXEC);
	assert_int_equal(fstat(log_fd(), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644 & ~022);
	errno = 77;
	log_error("a \"%s\" \\ \n\t\x01 \xc3\xa9 end", "b");
	assert_int_equal(errno, 77);
	assert_string_equal(json_message(f, "error"), "a \"b\" \\ \n\t\x01 \xc3\xa9 end");
	log_warning("bad \xff\xc3 bytes");
	assert_string_equal(json_message(f, "warning"), "bad \xef\xbf\xbd\xef\xbf\xbd bytes");
	log_info("x");
	assert_string_equal(json_message(f, "info"), "x");
	log_debug("not seen");
	assert_string_equal(read_log(f, f->path), "");
	/* the worst: all bytes grow sixfold, and it is too long */
	memset(big, 1, sizeof(big));
	big[sizeof(big) - 1] = '\0';
	log_error("%s", big);
	msg = json_message(f, "error");
	assert_int_equal(strlen(msg), 3071);
	assert_string_equal(msg + 3068, "...");
	for (size_t i = 0; i + 3 < sizeof(big); i += 3)
		memcpy(big + i, "\xe2\x82\xac", 3);
	log_error("%s", big);
	msg = json_message(f, "error");
	assert_null(strstr(msg, "\xef\xbf\xbd"));
	assert_string_equal(msg + strlen(msg) - 3, "...");
}

static void test_text(void **state)
{
	struct fixture *f = *state;
	char *data, *tail;

	open_log(f, false, 0);
	log_error("open \"%s\"\n\x1b[0m", "x");
	data = read_log(f, f->path);
	assert_memory_equal(data, "time=\"20", 8);
	tail = strstr(data, "Z\" level=");
	assert_ptr_equal(tail, data + 25);
	assert_string_equal(tail, "Z\" level=error msg=\"open \\\"x\\\"\\n\\x1b[0m\"\n");
	/* appended, never truncated */
	open_log(f, false, 0);
	log_warning("two words");
	tail = strchr(read_log(f, f->path), '\n');
	assert_non_null(strstr(tail, "level=warning msg=\"two words\"\n"));
}

static void test_time(void **state)
{
	struct fixture *f = *state;
	char text[64];
	struct tm tm = { 0 };
	time_t before = time(NULL), then;

	open_log(f, false, 0);
	log_info("x");
	snprintf(text, sizeof(text), "%.20s", read_log(f, f->path) + 6);
	assert_non_null(strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm));
	then = timegm(&tm);
	assert_true(then >= before && then <= time(NULL));
}

static void test_rotation(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	int status;
	pid_t pid;

	open_log(f, false, 1000);
	for (int i = 0; i < 12; i++)
		log_info("message %03d, sixty bytes or so with the time and level", i);
	assert_int_equal(stat(f->path, &st), 0);
	assert_true(st.st_size <= 1000 && st.st_size > 0);
	assert_int_equal(stat(f->old, &st), 0);
	assert_true(st.st_size <= 1000);
	assert_non_null(strstr(read_log(f, f->path), "message 011"));
	assert_non_null(strstr(read_log(f, f->old), "message 000"));
	/* a child writes on, but does not rotate */
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 30; i++)
			log_info("child %03d, sixty bytes or so with the time and level", i);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(stat(f->path, &st), 0);
	assert_true(st.st_size > 2000);
	log_info("parent again");
	assert_non_null(strstr(read_log(f, f->old), "child 029"));
	assert_null(strstr(read_log(f, f->path), "child"));
}

static void test_failure(void **state)
{
	const struct log_config config = { .sink = LOG_SINK_FILE, .path = "/nonexistent/log" };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(log_open(&config, &err), -ENOENT);
	assert_string_equal(err.msg,
			    "open log file \"/nonexistent/log\": no such file or directory");
	assert_false(log_is_file());
	assert_int_equal(log_fd(), -EBADF);
}

/* With nobody there the message is dropped without a word. */
static void test_services(void **state)
{
	struct log_config config = { .sink = LOG_SINK_JOURNALD, .ident = "thole-test" };

	(void)state;
	config.level = LOG_LEVEL_ERROR;
	assert_int_equal(log_open(&config, NULL), 0);
	assert_true(log_is_file());
	log_info("not sent");
	config.sink = LOG_SINK_SYSLOG;
	assert_int_equal(log_open(&config, NULL), 0);
	log_info("not sent");
	assert_int_equal(log_fd(), -EBADF);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_json),     test(test_text),    test(test_time),
		test(test_rotation), test(test_failure), test(test_services),
	};

	umask(022);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
