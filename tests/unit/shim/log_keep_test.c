// SPDX-License-Identifier: Apache-2.0
/* The newest whole lines stay, whatever the limit. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/str.h"
#include "shim/log_file.h"

static char dir[] = "/tmp/log_keep_test.XXXXXX", path[64];

static void keep(const char *text, size_t n, uint64_t limit, const char *want)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	char *now;
	size_t len;
	int fd = fd_open(path, O_RDWR | O_CREAT | O_TRUNC, 0600), kept;

	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, text, n), 0);
	kept = log_keep_newest(path, fd, limit);
	assert_true(kept >= 0);
	/* What is written from now on goes behind it. */
	assert_int_equal(io_write_all(kept, "next\n", 5), 0);
	assert_int_equal(io_read_file(AT_FDCWD, path, 1 << 20, &arena, &now, &len), 0);
	assert_int_equal(len, strlen(want) + 5);
	assert_memory_equal(now, want, strlen(want));
	fd_close(fd);
	fd_close(kept);
}

static void test_every_limit(void **state UNUSED)
{
	static const char text[] = "one\ntwo\nthree\n";

	for (uint64_t limit = 0; limit < 20; limit++)
		keep(text, strlen(text), limit,
		     limit >= 14   ? text
		     : limit >= 10 ? text + 4
		     : limit >= 6  ? text + 8
				   : "");
}

static void test_long(void **state UNUSED)
{
	CLEANUP_STR struct str s = { 0 };

	for (int i = 0; i < 20000; i++)
		str_addf(&s, "line %05d\n", i);
	keep(s.data, s.len, 100005, s.data + s.len - 9091 * 11);
	/* One line, longer than all that may stay. */
	str_reset(&s);
	for (int i = 0; i < 20000; i++)
		str_add_char(&s, 'x');
	str_add_char(&s, '\n');
	keep(s.data, s.len, 5000, "");
}

static int set_up(void **state UNUSED)
{
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/log", dir);
	return 0;
}

static int tear_down(void **state UNUSED)
{
	unlink(path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_limit),
		cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
