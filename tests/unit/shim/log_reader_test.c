// SPDX-License-Identifier: Apache-2.0
/* The log's reader: last lines, torn tails, truncation, rotation under its feet. */
#include "shim/log_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "common/str.h"

#define T "2026-01-02T03:04:05.123456789Z"

static const struct log_filter both = { { true, true } }, only_err = { { false, true } };

struct fixture {
	char dir[64];
	char path[128];
	struct log_reader reader;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->dir, sizeof(f->dir), "/tmp/log_reader_test.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/0.log", f->dir);
	f->reader.fd = -EBADF;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char path[160];

	log_reader_close(&f->reader);
	unlink(f->path);
	for (int i = 1; i < 9; i++) {
		snprintf(path, sizeof(path), "%s.%d", f->path, i);
		unlink(path);
	}
	rmdir(f->dir);
	free(f);
	return 0;
}

static void add(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* A record for each letter: lower case is stdout, upper case stderr; '+' behind it: partial. */
static void add_records(const char *path, const char *letters)
{
	CLEANUP_STR struct str out = { 0 };

	for (const char *p = letters; *p; p++) {
		bool partial = p[1] == '+';

		str_addf(&out, T " %s %c %c\n", *p >= 'a' ? "stdout" : "stderr",
			 partial ? 'P' : 'F', *p);
		p += partial;
	}
	add(path, out.data);
}

/* What is read now, in letters. */
static void expect(struct log_reader *reader, const struct log_filter *filter, const char *want)
{
	CLEANUP_STR struct str got = { 0 };
	struct log_line line;

	while (log_reader_next(reader, filter, &line) > 0) {
		str_add_n(&got, line.text, line.len);
		if (!line.full)
			str_add_char(&got, '+');
	}
	assert_string_equal(got.data ? got.data : "", want);
}

static void test_reads_on(void **state)
{
	struct fixture *f = *state;

	add_records(f->path, "abA");
	assert_int_equal(log_reader_open(&f->reader, f->path, 0), 0);
	expect(&f->reader, &both, "abA");
	expect(&f->reader, &both, "");
	/* A record in two writes is there once it is whole. */
	add(f->path, T " stdout");
	expect(&f->reader, &both, "");
	add(f->path, " F c\n" T " stdout F d\n" T " st");
	expect(&f->reader, &both, "cd");
}

static void test_skips_what_is_no_record(void **state)
{
	struct fixture *f = *state;
	CLEANUP_STR struct str huge = { 0 };

	for (int i = 0; i < 3000000; i++)
		str_add_char(&huge, 'x');
	add(f->path, "noise\n");
	add_records(f->path, "a");
	add(f->path, T " stdo" T " stdout F torn\n");
	add(f->path, huge.data);
	add(f->path, "\n");
	add_records(f->path, "bC");
	assert_int_equal(log_reader_open(&f->reader, f->path, 0), 0);
	expect(&f->reader, &both, "abC");
}

static void test_tail(void **state)
{
	static const struct {
		const char *records;
		uint64_t want;
		const struct log_filter *filter;
		int64_t found;
		const char *read;
	} rows[] = {
		{ "abcd", 2, &both, 2, "cd" },      { "abcd", 0, &both, 0, "" },
		{ "abcd", 4, &both, 4, "abcd" },    { "abcd", 9, &both, 4, "abcd" },
		{ "aAbBcd", 1, &only_err, 1, "B" }, { "aAbBcd", 2, &only_err, 2, "AB" },
		{ "aAb", 5, &only_err, 1, "A" },    { "ab+c+d", 1, &both, 1, "b+c+d" },
		{ "ab+c+", 1, &both, 1, "b+c+" },   { "ab+c+", 2, &both, 2, "ab+c+" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		unlink(f->path);
		add_records(f->path, rows[i].records);
		assert_int_equal(log_reader_open(&f->reader, f->path, 0), 0);
		assert_int_equal(log_reader_tail(&f->reader, rows[i].filter, rows[i].want),
				 rows[i].found);
		expect(&f->reader, rows[i].filter, rows[i].read);
		log_reader_close(&f->reader);
	}
}

static void test_tail_of_much(void **state)
{
	CLEANUP_STR struct str text = { 0 };
	struct fixture *f = *state;

	for (int i = 0; i < 20000; i++)
		str_addf(&text, T " stdout F %c\n", 'a' + i % 26);
	str_add(&text, T " stdout F torn");
	add(f->path, text.data);
	for (uint64_t want = 1; want < 20000; want = want * 7 + 1) {
		struct log_line line;
		uint64_t n = 0;

		assert_int_equal(log_reader_open(&f->reader, f->path, 0), 0);
		assert_int_equal(log_reader_tail(&f->reader, &both, want), want);
		while (log_reader_next(&f->reader, &both, &line) > 0)
			n++;
		assert_int_equal(n, want);
		log_reader_close(&f->reader);
	}
}

static void test_truncation(void **state)
{
	struct fixture *f = *state;

	add_records(f->path, "abc");
	assert_int_equal(log_reader_open(&f->reader, f->path, 0), 0);
	expect(&f->reader, &both, "abc");
	assert_int_equal(truncate(f->path, 0), 0);
	expect(&f->reader, &both, "");
	add_records(f->path, "d");
	expect(&f->reader, &both, "d");
}

static void rotate(const struct fixture *f, unsigned int n)
{
	char from[160], to[160];

	for (; n > 0; n--) {
		snprintf(to, sizeof(to), "%s.%u", f->path, n);
		snprintf(from, sizeof(from), n > 1 ? "%s.%u" : "%s", f->path, n - 1);
		rename(from, to);
	}
}

/* Steps through successors until there is none. */
static void follow(struct fixture *f, const char *want)
{
	CLEANUP_STR struct str got = { 0 };
	struct log_reader next;
	struct log_line line;
	int r;

	for (;;) {
		while (log_reader_next(&f->reader, &both, &line) > 0)
			str_add_n(&got, line.text, line.len);
		r = log_reader_successor(&f->reader, f->path, &next);
		assert_true(r >= 0);
		if (r == 0)
			break;
		log_reader_close(&f->reader);
		f->reader = next;
	}
	assert_string_equal(got.data ? got.data : "", want);
}

/* Several rotations between two looks: all files between are read, in order, none twice. */
static void test_rotations(void **state)
{
	struct fixture *f = *state;

	add_records(f->path, "a");
	rotate(f, 4);
	add_records(f->path, "b");
	assert_int_equal(log_reader_open(&f->reader, f->path, 0), 0);
	follow(f, "b");
	add_records(f->path, "c");
	rotate(f, 4);
	add_records(f->path, "d");
	rotate(f, 4);
	add_records(f->path, "e");
	follow(f, "cde");
	follow(f, "");
}

/* PATH is away for a moment, and comes back: nothing is read again. */
static void test_renamed_away_and_back(void **state)
{
	struct fixture *f = *state;
	char away[160];

	snprintf(away, sizeof(away), "%s/.0.log.reopen", f->dir);
	add_records(f->path, "a");
	assert_int_equal(log_reader_open(&f->reader, f->path, 0), 0);
	follow(f, "a");
	assert_int_equal(rename(f->path, away), 0);
	follow(f, "");
	assert_int_equal(rename(away, f->path), 0);
	add_records(f->path, "b");
	follow(f, "b");
}

static void set_mtime(const char *path, time_t when)
{
	const struct timespec times[2] = { { .tv_sec = when }, { .tv_sec = when } };

	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* Moved to a name that is not ours (kubelet), or deleted: older rotated files are not read again. */
static void test_moved_elsewhere(void **state)
{
	struct fixture *f = *state;
	char moved[160], first[160];

	snprintf(first, sizeof(first), "%s.1", f->path);
	snprintf(moved, sizeof(moved), "%s/elsewhere", f->dir);
	add_records(first, "o");
	set_mtime(first, 1000);
	add_records(f->path, "a");
	set_mtime(f->path, 2000);
	assert_int_equal(log_reader_open(&f->reader, f->path, 0), 0);
	follow(f, "a");
	assert_int_equal(rename(f->path, moved), 0);
	add_records(f->path, "b");
	follow(f, "b");
	unlink(moved);
}

/* A writer killed in the middle of a rotation leaves a number without a file. */
static void test_gap(void **state)
{
	struct fixture *f = *state;
	char from[160], to[160];

	add_records(f->path, "a");
	assert_int_equal(log_reader_open(&f->reader, f->path, 0), 0);
	rotate(f, 4);
	add_records(f->path, "b");
	rotate(f, 4);
	add_records(f->path, "c");
	snprintf(from, sizeof(from), "%s.2", f->path);
	snprintf(to, sizeof(to), "%s.3", f->path);
	assert_int_equal(rename(from, to), 0);
	follow(f, "abc");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_reads_on),
		TEST(test_skips_what_is_no_record),
		TEST(test_tail),
		TEST(test_tail_of_much),
		TEST(test_truncation),
		TEST(test_rotations),
		TEST(test_gap),
		TEST(test_renamed_away_and_back),
		TEST(test_moved_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
