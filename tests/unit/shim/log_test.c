// SPDX-License-Identifier: Apache-2.0
/* The log writer as a whole: queue, worker thread, answers in the loop, losses. */
#include "shim/log.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "common/str.h"

struct fixture {
	char dir[64];
	char path[128];
	struct ev *ev;
	struct log_writer *w;
	unsigned int rooms;
	int answers, result;
};

static const struct timespec t0 = { .tv_sec = 1767323045, .tv_nsec = 123456789 };
#define T0 "2026-01-02T03:04:05.123456789Z"

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err = { 0 };

	assert_non_null(f);
	snprintf(f->dir, sizeof(f->dir), "/tmp/log_test.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/0.log", f->dir);
	assert_int_equal(ev_new(&f->ev, &err), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char path[160];

	log_writer_free(f->w, 5000);
	ev_free(f->ev);
	unlink(f->path);
	for (int i = 1; i < 40; i++) {
		snprintf(path, sizeof(path), "%s.%d", f->path, i);
		unlink(path);
	}
	rmdir(f->dir);
	free(f);
	return 0;
}

static void on_room(void *user)
{
	struct fixture *f = user;

	f->rooms++;
}

static void on_answer(void *user, int result)
{
	struct fixture *f = user;

	f->answers++;
	f->result = result;
}

static void start(struct fixture *f, struct log_writer_config config)
{
	struct err err = { 0 };

	config.path = f->path;
	config.format = LOG_FORMAT_CRI;
	assert_int_equal(log_writer_new(f->ev, &config, on_room, f, &f->w, &err), 0);
}

static void wait_answer(struct fixture *f, int want)
{
	int before = f->answers;

	while (f->answers == before)
		assert_true(ev_step(f->ev, 10000) >= 0);
	assert_int_equal(f->result, want);
}

static void flush(struct fixture *f)
{
	log_writer_flush(f->w, on_answer, f);
	wait_answer(f, 0);
}

static void put(struct fixture *f, const char *text)
{
	size_t n = strlen(text);

	assert_int_equal(log_writer_put(f->w, LOG_STDOUT, text, n, &t0), n);
}

static void read_file(const char *path, struct str *out)
{
	char buf[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	assert_true(fd >= 0);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		str_add_n(out, buf, (size_t)n);
	close(fd);
}

static void expect_file(const char *path, const char *want)
{
	CLEANUP_STR struct str got = { 0 };

	read_file(path, &got);
	assert_string_equal(got.data ? got.data : "", want);
}

static void test_lines(void **state)
{
	struct fixture *f = *state;

	start(f, (struct log_writer_config){ 0 });
	put(f, "a\nb");
	put(f, "c\n");
	assert_int_equal(log_writer_put(f->w, LOG_STDERR, "e", 1, &t0), 1);
	flush(f);
	assert_int_equal(log_writer_counts(f->w).bytes_logged, 5);
	assert_int_equal(log_writer_counts(f->w).bytes_pending, 1);
	log_writer_eof(f->w, LOG_STDERR);
	flush(f);
	assert_int_equal(log_writer_counts(f->w).bytes_pending, 0);
	expect_file(f->path, T0 " stdout F a\n" T0 " stdout F bc\n" T0 " stderr P e\n");
}

static void test_free_writes_the_rest(void **state)
{
	struct fixture *f = *state;

	start(f, (struct log_writer_config){ 0 });
	put(f, "last words");
	log_writer_free(f->w, 5000);
	f->w = NULL;
	expect_file(f->path, T0 " stdout P last words\n");
}

/* Far more than the queue holds: nothing is lost or out of order, and room is told. */
static void test_back_pressure(void **state)
{
	CLEANUP_STR struct str want = { 0 };
	CLEANUP_STR struct str got = { 0 };
	CLEANUP_STR struct str in = { 0 };
	struct fixture *f = *state;
	size_t off = 0;

	start(f, (struct log_writer_config){ .queue_max = 10000 });
	for (int i = 0; i < 20000; i++) {
		str_addf(&in, "line %d\n", i);
		str_addf(&want, T0 " stdout F line %d\n", i);
	}
	while (off < in.len) {
		unsigned int rooms = f->rooms;
		size_t n = MIN((size_t)7777, in.len - off);
		size_t taken = log_writer_put(f->w, LOG_STDOUT, in.data + off, n, &t0);

		assert_true(taken <= n);
		off += taken;
		while (taken < n && f->rooms == rooms)
			assert_true(ev_step(f->ev, 10000) >= 0);
	}
	flush(f);
	read_file(f->path, &got);
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.data, want.data, want.len);
	assert_int_equal(log_writer_counts(f->w).bytes_logged, in.len);
	assert_true(f->rooms > 0);
}

static void test_reopen_is_in_order(void **state)
{
	struct fixture *f = *state;
	char moved[160];

	start(f, (struct log_writer_config){ 0 });
	snprintf(moved, sizeof(moved), "%s.1", f->path);
	put(f, "before\n");
	assert_int_equal(rename(f->path, moved), 0);
	log_writer_reopen(f->w, on_answer, f);
	put(f, "after\n");
	wait_answer(f, 0);
	flush(f);
	expect_file(moved, T0 " stdout F before\n");
	expect_file(f->path, T0 " stdout F after\n");
}

static void test_reopen_error_keeps_the_file(void **state)
{
	struct fixture *f = *state;
	char moved[160];

	start(f, (struct log_writer_config){ 0 });
	snprintf(moved, sizeof(moved), "%s.1", f->path);
	put(f, "before\n");
	flush(f);
	assert_int_equal(rename(f->path, moved), 0);
	assert_int_equal(mkdir(f->path, 0700), 0);
	log_writer_reopen(f->w, on_answer, f);
	wait_answer(f, -EISDIR);
	put(f, "after\n");
	flush(f);
	expect_file(moved, T0 " stdout F before\n" T0 " stdout F after\n");
	assert_int_equal(rmdir(f->path), 0);
}

static void limit_size(rlim_t size)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = size;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void lose(struct fixture *f)
{
	put(f, "kept\n");
	flush(f);
	limit_size(45);
	put(f, "lost\n");
	flush(f);
	put(f, "also\n");
	flush(f);
	limit_size(RLIM_INFINITY);
	assert_int_equal(log_writer_counts(f->w).bytes_dropped, 10);
	assert_string_equal(log_writer_counts(f->w).drop_reason, "file too large");
}

/* The record that tells a loss has the time of now: compared from the first space on. */
static void expect_lines(struct fixture *f, const char *const *want, size_t n)
{
	CLEANUP_STR struct str got = { 0 };
	char *line;

	read_file(f->path, &got);
	line = got.data;
	for (size_t i = 0; i < n; i++) {
		char *end = strchr(line, '\n');

		assert_non_null(end);
		*end = '\0';
		assert_string_equal(strchr(line, ' ') + 1, want[i]);
		line = end + 1;
	}
	assert_string_equal(line, "");
}

static void test_loss_is_told_once(void **state)
{
	static const char *const want[] = { "stdout F kept",
					    "stderr F thole-shim: 10 bytes lost: file too large",
					    "stdout F more", "stdout F end" };
	struct fixture *f = *state;

	start(f, (struct log_writer_config){ .markers = true });
	lose(f);
	put(f, "more\n");
	put(f, "end\n");
	flush(f);
	expect_lines(f, want, ARRAY_COUNT(want));
	assert_int_equal(log_writer_counts(f->w).bytes_logged, 14);
}

static void test_loss_at_the_end_is_told_by_flush(void **state)
{
	static const char *const want[] = { "stdout F kept",
					    "stderr F thole-shim: 10 bytes lost: file too large" };
	struct fixture *f = *state;

	start(f, (struct log_writer_config){ .markers = true });
	lose(f);
	flush(f);
	flush(f);
	expect_lines(f, want, ARRAY_COUNT(want));
}

static void test_no_markers(void **state)
{
	static const char *const want[] = { "stdout F kept", "stdout F more" };
	struct fixture *f = *state;

	start(f, (struct log_writer_config){ 0 });
	lose(f);
	put(f, "more\n");
	flush(f);
	expect_lines(f, want, ARRAY_COUNT(want));
}

/* A disk that hangs (here a fifo that nobody reads): put refuses, free does not wait for ever. */
static void test_hanging_disk(void **state)
{
	struct fixture *f = *state;
	char data[8192], buf[65536];
	struct timespec before, after;
	size_t total = 0, taken;
	int fd, idle = 0;

	memset(data, 'x', sizeof(data));
	for (size_t i = 63; i < sizeof(data); i += 64)
		data[i] = '\n';
	assert_int_equal(mkfifo(f->path, 0600), 0);
	fd = open(f->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	start(f, (struct log_writer_config){ .queue_max = 100000 });
	do {
		taken = log_writer_put(f->w, LOG_STDOUT, data, sizeof(data), &t0);
		total += taken;
	} while (taken == sizeof(data));
	assert_true(total < 2000000);
	clock_gettime(CLOCK_MONOTONIC, &before);
	log_writer_free(f->w, 50);
	f->w = NULL;
	clock_gettime(CLOCK_MONOTONIC, &after);
	assert_true(after.tv_sec - before.tv_sec < 10);
	/* Now it moves again: the worker ends by itself and frees what it had. */
	while (idle < 20) {
		if (read(fd, buf, sizeof(buf)) > 0) {
			idle = 0;
		} else {
			idle++;
			usleep(10000);
		}
	}
	close(fd);
}

static void test_error_names_the_path(void **state)
{
	struct fixture *f = *state;
	struct log_writer_config config = { .path = f->dir };
	struct err err = { 0 };

	assert_int_equal(log_writer_new(f->ev, &config, NULL, NULL, &f->w, &err), -EISDIR);
	assert_non_null(strstr(err.msg, f->dir));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_lines),
		TEST(test_free_writes_the_rest),
		TEST(test_back_pressure),
		TEST(test_reopen_is_in_order),
		TEST(test_reopen_error_keeps_the_file),
		TEST(test_loss_is_told_once),
		TEST(test_loss_at_the_end_is_told_by_flush),
		TEST(test_no_markers),
		TEST(test_hanging_disk),
		TEST(test_error_names_the_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
