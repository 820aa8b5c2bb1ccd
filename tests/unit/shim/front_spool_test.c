// SPDX-License-Identifier: Apache-2.0
// The spool of an absent reader: order around the ring's end, its limit, no name left behind.
#include "shim/front_spool.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

static char dir[64];

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/front_spool_test_%d", getpid());
	return mkdir(dir, 0700);
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(dir); /* fails where something was left */
}

/* Numbered bytes go in and out in pieces of every size; what comes out is what went in. */
static void order_around_the_end(void **state)
{
	struct front_spool s;
	unsigned char next_in = 0, next_out = 0;
	char buf[100];

	(void)state;
	front_spool_init(&s, dir, 97);
	for (size_t round = 0; round < 2000; round++) {
		size_t want = round * 31 % 60, got;

		for (size_t i = 0; i < want; i++)
			buf[i] = (char)(next_in + i);
		got = front_spool_put(&s, buf, want);
		assert_true(got == want || s.len == 97);
		next_in = (unsigned char)(next_in + got);
		ssize_t n = front_spool_peek(&s, buf, round * 17 % 50 + 1);
		assert_true(n >= 0);
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal((unsigned char)buf[i], next_out++);
		front_spool_drop(&s, (size_t)n);
	}
	front_spool_done(&s);
	assert_int_equal(s.fd, -EBADF);
}

static void it_is_bounded(void **state)
{
	struct front_spool s;
	char data[1000] = "first";

	(void)state;
	front_spool_init(&s, dir, 600);
	assert_int_equal(front_spool_put(&s, data, sizeof(data)), 600);
	assert_int_equal(front_spool_put(&s, data, sizeof(data)), 0);
	front_spool_drop(&s, 100);
	assert_int_equal(front_spool_put(&s, data, sizeof(data)), 100);
	front_spool_done(&s);
	front_spool_init(&s, dir, 0);
	assert_int_equal(front_spool_put(&s, data, 1), 0);
	assert_int_equal(front_spool_peek(&s, data, 1), 0);
}

static void an_empty_one_has_no_file(void **state)
{
	struct front_spool s;
	char buf[8];

	(void)state;
	front_spool_init(&s, dir, 100);
	assert_int_equal(s.fd, -EBADF);
	assert_int_equal(front_spool_put(&s, "abc", 3), 3);
	assert_true(s.fd >= 3);
	assert_int_equal(front_spool_peek(&s, buf, sizeof(buf)), 3);
	assert_memory_equal(buf, "abc", 3);
	front_spool_drop(&s, 3);
	assert_int_equal(s.fd, -EBADF);
}

static void a_directory_that_is_gone(void **state)
{
	struct front_spool s;

	(void)state;
	front_spool_init(&s, "/nosuch", 100);
	assert_int_equal(front_spool_put(&s, "abc", 3), 0);
	assert_int_equal(s.fd, -EBADF);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(order_around_the_end),
		TEST(it_is_bounded),
		TEST(an_empty_one_has_no_file),
		TEST(a_directory_that_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
