// SPDX-License-Identifier: Apache-2.0
/* The log's file: whole records or none, whatever happens to the file. */
#include "shim/log_file.h"

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
	struct log_file file;
	struct log_batch batch;
	char buf[65536];
	struct log_mark marks[1024];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->dir, sizeof(f->dir), "/tmp/log_file_test.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/0.log", f->dir);
	f->batch = (struct log_batch){
		.buf = f->buf,
		.cap = sizeof(f->buf),
		.marks = f->marks,
		.max_marks = ARRAY_COUNT(f->marks),
	};
	f->file.fd = -EBADF;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = { "0.log", ".0.log.reopen", ".0.log.reopen.1" };
	struct fixture *f = *state;
	char path[160];

	log_file_close(&f->file);
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->dir, names[i]);
		unlink(path);
	}
	for (int i = 1; i < 200; i++) {
		snprintf(path, sizeof(path), "%s.%d", f->path, i);
		unlink(path);
	}
	rmdir(f->dir);
	free(f);
	return 0;
}

static void open_file(struct fixture *f, uint64_t size_max, unsigned int files_max)
{
	struct log_writer_config config = {
		.path = f->path,
		.size_max = size_max,
		.files_max = files_max,
	};
	struct err err = { 0 };

	assert_int_equal(log_file_open(&f->file, &config, &err), 0);
}

static void add(struct fixture *f, const char *record)
{
	size_t n = strlen(record);

	memcpy(f->buf + f->batch.len, record, n);
	f->batch.len += n;
	f->marks[f->batch.n_marks++] = (struct log_mark){
		.end = (uint32_t)f->batch.len,
		.bytes = (uint32_t)n,
	};
}

static size_t flush(struct fixture *f, int *ret_errno)
{
	size_t n = log_file_write(&f->file, &f->batch, ret_errno);

	f->batch.len = f->batch.n_marks = 0;
	f->batch.marker = false;
	return n;
}

static void write_records(struct fixture *f, const char *record, size_t n)
{
	int code;

	for (size_t i = 0; i < n; i++)
		add(f, record);
	assert_int_equal(flush(f, &code), n);
	assert_int_equal(code, 0);
}

static void put_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void expect_file(const char *path, const char *want)
{
	char got[8192];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	assert_true(fd >= 0);
	n = read(fd, got, sizeof(got) - 1);
	assert_true(n >= 0);
	got[n] = '\0';
	close(fd);
	assert_string_equal(got, want);
}

static const char *beside(const struct fixture *f, const char *name, char *buf, size_t size)
{
	snprintf(buf, size, "%s/%s", f->dir, name);
	return buf;
}

static void test_makes_parents(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	char path[256], dir[256];
	struct err err = { 0 };
	mode_t old = umask(077);

	snprintf(path, sizeof(path), "%s/a/b/c.log", f->dir);
	struct log_writer_config config = { .path = path };

	assert_int_equal(log_file_open(&f->file, &config, &err), 0);
	umask(old);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(stat(beside(f, "a/b", dir, sizeof(dir)), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	unlink(path);
	rmdir(beside(f, "a/b", dir, sizeof(dir)));
	rmdir(beside(f, "a", dir, sizeof(dir)));
}

static void test_error_names_the_path(void **state)
{
	struct fixture *f = *state;
	struct log_writer_config config = { .path = f->dir };
	struct err err = { 0 };

	assert_int_equal(log_file_open(&f->file, &config, &err), -EISDIR);
	assert_non_null(strstr(err.msg, f->dir));
}

static void test_repairs_torn_tails(void **state)
{
	static const struct {
		const char *before, *after;
	} rows[] = {
		{ "", "x\n" },    { "whole\n", "whole\nx\n" }, { "whole\ntor", "whole\nx\n" },
		{ "tor", "x\n" }, { "a\nb\nc", "a\nb\nx\n" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		put_file(f->path, rows[i].before);
		open_file(f, 0, 0);
		write_records(f, "x\n", 1);
		expect_file(f->path, rows[i].after);
		log_file_close(&f->file);
	}
}

/* Torn at every length of a record longer than one read. */
static void test_repairs_long_tails(void **state)
{
	struct fixture *f = *state;
	char *text = malloc(60000);
	struct stat st;

	assert_non_null(text);
	for (size_t n = 1; n < 60000; n += 4093) {
		memset(text, 'y', n);
		memcpy(text, "ok\n", MIN(n, (size_t)3));
		text[n - 1] = n > 3 ? 'y' : '\n';
		text[n] = '\0';
		put_file(f->path, text);
		open_file(f, 0, 0);
		assert_int_equal(stat(f->path, &st), 0);
		assert_int_equal(st.st_size, n > 3 ? 3 : n);
		log_file_close(&f->file);
	}
	free(text);
}

/* What is longer than any record is not ours to cut; our next record gets a line of its own. */
static void test_leaves_foreign_tail(void **state)
{
	struct fixture *f = *state;
	size_t n = LOG_RECORD_MAX + 5000;
	char *text = malloc(n + 1);
	struct stat st;

	assert_non_null(text);
	memset(text, 'z', n);
	text[n] = '\0';
	put_file(f->path, text);
	open_file(f, 0, 0);
	write_records(f, "x\n", 2);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_size, n + 5);
	free(text);
}

static void limit_size(rlim_t size)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = size;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The disk is full at every possible byte: only whole records stay, and they are counted. */
static void test_short_write_keeps_whole_records(void **state)
{
	struct fixture *f = *state;
	int code;

	for (size_t room = 0; room <= 12; room++) {
		static const char *const want[] = { "old\n", "old\naaa\n", "old\naaa\nbbb\n",
						    "old\naaa\nbbb\nccc\n" };
		struct stat st;

		put_file(f->path, "old\n");
		open_file(f, 0, 0);
		add(f, "aaa\n");
		add(f, "bbb\n");
		add(f, "ccc\n");
		limit_size(4 + room);
		assert_int_equal(flush(f, &code), room / 4);
		limit_size(RLIM_INFINITY);
		assert_int_equal(code, room < 12 ? EFBIG : 0);
		expect_file(f->path, want[room / 4]);
		/* And the next record is right after them. */
		write_records(f, "next\n", 1);
		assert_int_equal(stat(f->path, &st), 0);
		assert_int_equal(st.st_size, strlen(want[room / 4]) + 5);
		log_file_close(&f->file);
	}
}

static void test_marker_goes_with_its_batch(void **state)
{
	struct fixture *f = *state;
	int code;

	put_file(f->path, "old\n");
	open_file(f, 0, 0);
	add(f, "M\n");
	add(f, "aaa\n");
	f->batch.marker = true;
	limit_size(8);
	assert_int_equal(flush(f, &code), 0);
	limit_size(RLIM_INFINITY);
	assert_int_equal(code, EFBIG);
	expect_file(f->path, "old\n");
}

static void put_more(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* Somebody truncates the file (copytruncate): O_APPEND goes on at its end, nothing of ours is cut. */
static void test_truncated_by_somebody(void **state)
{
	struct fixture *f = *state;

	open_file(f, 0, 0);
	write_records(f, "first\n", 3);
	assert_int_equal(truncate(f->path, 0), 0);
	write_records(f, "second\n", 1);
	expect_file(f->path, "second\n");
	assert_int_equal(truncate(f->path, 3), 0);
	write_records(f, "third\n", 1);
	expect_file(f->path, "sec\nthird\n");
	/* Somebody else's unfinished line is not continued by ours either. */
	put_more(f->path, "foreign");
	write_records(f, "fourth\n", 1);
	expect_file(f->path, "sec\nthird\nforeign\nfourth\n");
}

static void test_torn_file_gets_a_new_line(void **state)
{
	struct fixture *f = *state;

	open_file(f, 0, 0);
	write_records(f, "one\n", 1);
	assert_int_equal(truncate(f->path, 2), 0);
	f->file.torn = true; /* as after a roll-back that was not allowed */
	write_records(f, "two\n", 1);
	write_records(f, "three\n", 1);
	expect_file(f->path, "on\ntwo\nthree\n");
}

static void test_reopen_after_rename(void **state)
{
	struct fixture *f = *state;
	char moved[160];

	open_file(f, 0, 0);
	write_records(f, "one\n", 1);
	assert_int_equal(rename(f->path, beside(f, "0.log.1", moved, sizeof(moved))), 0);
	write_records(f, "two\n", 1);
	assert_int_equal(log_file_reopen(&f->file), 0);
	write_records(f, "three\n", 1);
	expect_file(moved, "one\ntwo\n");
	expect_file(f->path, "three\n");
}

static void test_reopen_keeps_our_file(void **state)
{
	struct fixture *f = *state;
	struct stat before, after;
	char away[160];

	open_file(f, 0, 0);
	write_records(f, "one\n", 1);
	assert_int_equal(stat(f->path, &before), 0);
	/* What an earlier accident left is not overwritten. */
	put_file(beside(f, ".0.log.reopen", away, sizeof(away)), "left\n");
	assert_int_equal(log_file_reopen(&f->file), 0);
	write_records(f, "two\n", 1);
	assert_int_equal(stat(f->path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	expect_file(f->path, "one\ntwo\n");
	expect_file(away, "left\n");
}

static void test_reopen_appends_to_what_is_there(void **state)
{
	struct fixture *f = *state;
	char moved[160];

	open_file(f, 0, 0);
	write_records(f, "one\n", 1);
	assert_int_equal(rename(f->path, beside(f, "0.log.1", moved, sizeof(moved))), 0);
	put_file(f->path, "theirs\ntorn");
	assert_int_equal(log_file_reopen(&f->file), 0);
	write_records(f, "two\n", 1);
	expect_file(f->path, "theirs\ntwo\n");
}

/* A kill between the two renames of a reopen. */
static void test_open_finds_file_renamed_away(void **state)
{
	struct fixture *f = *state;
	char away[160];

	put_file(beside(f, ".0.log.reopen", away, sizeof(away)), "one\n");
	open_file(f, 0, 0);
	write_records(f, "two\n", 1);
	expect_file(f->path, "one\ntwo\n");
	assert_int_equal(access(away, F_OK), -1);
}

/* All files together, oldest first. */
static void collect(const struct fixture *f, struct str *out)
{
	char path[160], buf[65536];

	for (int i = 199; i >= 0; i--) {
		ssize_t n;
		int fd;

		snprintf(path, sizeof(path), i > 0 ? "%s.%d" : "%s", f->path, i);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		n = read(fd, buf, sizeof(buf));
		assert_true(n >= 0);
		str_add_n(out, buf, (size_t)n);
		close(fd);
	}
}

static void test_rotation_keeps_every_byte(void **state)
{
	CLEANUP_STR struct str want = { 0 };
	CLEANUP_STR struct str got = { 0 };
	struct fixture *f = *state;
	char record[64], path[160];
	struct stat st;
	int code;

	open_file(f, 1000, 0);
	for (int i = 0; i < 1000; i++) {
		snprintf(record, sizeof(record), "record %d %.*s\n", i, i % 40,
			 "........................................");
		add(f, record);
		str_add(&want, record);
		if (i % 7 == 0 || i == 999) {
			size_t n = f->batch.n_marks;

			assert_int_equal(flush(f, &code), n);
		}
	}
	collect(f, &got);
	assert_int_equal(got.len, want.len);
	assert_string_equal(got.data, want.data);
	for (int i = 1; i < 20; i++) {
		snprintf(path, sizeof(path), "%s.%d", f->path, i);
		assert_int_equal(stat(path, &st), 0);
		assert_true(st.st_size <= 1000 && st.st_size > 900);
	}
}

static void test_rotation_respects_files_max(void **state)
{
	struct fixture *f = *state;
	char path[160];

	open_file(f, 4, 3);
	for (int i = 0; i < 9; i++) {
		char record[16];

		snprintf(record, sizeof(record), "%d\n", i);
		write_records(f, record, 1);
	}
	expect_file(f->path, "8\n");
	expect_file(beside(f, "0.log.1", path, sizeof(path)), "6\n7\n");
	expect_file(beside(f, "0.log.2", path, sizeof(path)), "4\n5\n");
	assert_int_equal(access(beside(f, "0.log.3", path, sizeof(path)), F_OK), -1);
}

/* A rename that fails leaves a file that is too large, and is tried again from that step. */
static void test_rotation_goes_on_after_failure(void **state)
{
	CLEANUP_STR struct str got = { 0 };
	struct fixture *f = *state;
	char block[160], inner[200];

	open_file(f, 4, 0);
	/* A directory that is not empty cannot be renamed over, and PATH.1 is in the way of PATH. */
	beside(f, "0.log.1", block, sizeof(block));
	write_records(f, "1\n", 2);
	assert_int_equal(mkdir(block, 0700), 0);
	snprintf(inner, sizeof(inner), "%s.2", f->path);
	assert_int_equal(mkdir(inner, 0700), 0);
	f->file.files_max = 3; /* PATH.1 would have to go over PATH.2, both directories */
	snprintf(inner, sizeof(inner), "%s.2/x", f->path);
	put_file(inner, "");
	write_records(f, "2\n", 2);
	expect_file(f->path, "1\n1\n2\n2\n");
	unlink(inner);
	snprintf(inner, sizeof(inner), "%s.2", f->path);
	rmdir(inner);
	rmdir(block);
	write_records(f, "3\n", 1);
	collect(f, &got);
	assert_string_equal(got.data, "1\n1\n2\n2\n3\n");
	expect_file(f->path, "3\n");
}

/* Somebody else rotated: PATH is not ours, so nothing is shifted over their files. */
static void test_rotation_after_somebody_renamed(void **state)
{
	struct fixture *f = *state;
	char moved[160], path[160];

	open_file(f, 4, 3);
	write_records(f, "1\n", 2);
	assert_int_equal(rename(f->path, beside(f, "0.log.1", moved, sizeof(moved))), 0);
	write_records(f, "2\n", 1);
	expect_file(f->path, "2\n");
	expect_file(moved, "1\n1\n");
	assert_int_equal(access(beside(f, "0.log.2", path, sizeof(path)), F_OK), -1);
}

static void test_record_larger_than_size_max(void **state)
{
	CLEANUP_STR struct str got = { 0 };
	struct fixture *f = *state;

	open_file(f, 4, 0);
	write_records(f, "longer than that\n", 3);
	collect(f, &got);
	assert_string_equal(got.data, "longer than that\nlonger than that\nlonger than that\n");
	expect_file(f->path, "longer than that\n");
}

static void test_other_kinds_of_file(void **state)
{
	struct fixture *f = *state;
	struct log_writer_config config = { .path = "/dev/null", .size_max = 1 };
	struct err err = { 0 };

	assert_int_equal(log_file_open(&f->file, &config, &err), 0);
	write_records(f, "gone\n", 10);
	assert_int_equal(log_file_reopen(&f->file), 0);
	assert_int_equal(log_file_flush(&f->file), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_makes_parents),
		TEST(test_error_names_the_path),
		TEST(test_repairs_torn_tails),
		TEST(test_repairs_long_tails),
		TEST(test_leaves_foreign_tail),
		TEST(test_short_write_keeps_whole_records),
		TEST(test_marker_goes_with_its_batch),
		TEST(test_truncated_by_somebody),
		TEST(test_torn_file_gets_a_new_line),
		TEST(test_reopen_after_rename),
		TEST(test_reopen_keeps_our_file),
		TEST(test_reopen_appends_to_what_is_there),
		TEST(test_open_finds_file_renamed_away),
		TEST(test_rotation_keeps_every_byte),
		TEST(test_rotation_respects_files_max),
		TEST(test_rotation_goes_on_after_failure),
		TEST(test_rotation_after_somebody_renamed),
		TEST(test_record_larger_than_size_max),
		TEST(test_other_kinds_of_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
