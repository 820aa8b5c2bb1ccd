/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/common/tmpdir.h"

#include <errno.h>

#include "common/err.h"

static void test_set(void **state)
{
	struct err err = { .step = "old" };

	(void)state;
	assert_int_equal(err_set(&err, EINVAL, "field \"%s\"", "x"), -EINVAL);
	assert_int_equal(err.code, EINVAL);
	assert_string_equal(err.msg, "field \"x\"");
	assert_string_equal(err.step, "");
	/* from its own text */
	assert_int_equal(err_set(&err, EPERM, "a %s b", err.msg), -EPERM);
	assert_string_equal(err.msg, "a field \"x\" b");
}

static void test_null(void **state)
{
	(void)state;
	errno = ENOENT;
	assert_int_equal(err_sys(NULL, "x"), -ENOENT);
	assert_int_equal(err_set(NULL, EPERM, "x"), -EPERM);
	assert_int_equal(err_sysn(NULL, -EPERM, "x"), -EPERM);
	assert_true(err_wrap(NULL, "x") < 0);
}

static void test_sys(void **state)
{
	struct err err;

	(void)state;
	errno = ENOENT;
	assert_int_equal(err_sys(&err, "open \"%s\"", "/x"), -ENOENT);
	assert_string_equal(err.msg, "open \"/x\": no such file or directory");
	assert_int_equal(errno, ENOENT);
	assert_int_equal(err_sysn(&err, -EACCES, "a"), -EACCES);
	assert_string_equal(err.msg, "a: permission denied");
	assert_int_equal(err_sysn(&err, EACCES, "a"), -EACCES);
	/* a lost errno is still a failure */
	assert_int_equal(err_sysn(&err, 0, "a"), -EIO);
	errno = 0;
	assert_int_equal(err_sys(&err, "a"), -EIO);
}

static void test_wrap(void **state)
{
	struct err err;

	(void)state;
	err_set(&err, EBUSY, "inner");
	assert_int_equal(err_wrap(&err, "outer %d", 1), -EBUSY);
	assert_int_equal(err_wrap(&err, "top"), -EBUSY);
	assert_string_equal(err.msg, "top: outer 1: inner");
}

static void test_long(void **state)
{
	char text[4000];
	struct err err;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	err_set(&err, EBUSY, "%s", text);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
	assert_string_equal(err.msg + sizeof(err.msg) - 4, "...");
	err_wrap(&err, "more");
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
	assert_memory_equal(err.msg, "more: xxx", 9);
	assert_string_equal(err.msg + sizeof(err.msg) - 4, "...");
	err_wrap(&err, "%s", text);
	assert_string_equal(err.msg + sizeof(err.msg) - 4, "...");
	err_sysn(&err, EBUSY, "%s", text);
	assert_string_equal(err.msg + sizeof(err.msg) - 4, "...");
}

/* Whatever is cut off, no half character is left. */
static void test_long_utf8(void **state)
{
	char text[4000];
	struct err err;
	size_t n;

	(void)state;
	for (size_t shift = 0; shift < 4; shift++) {
		memset(text, 'a', shift);
		for (n = shift; n + 4 < sizeof(text); n += 4)
			memcpy(text + n, "\xf0\x9f\x98\x80", 4);
		text[n] = '\0';
		err_set(&err, EBUSY, "%s", text);
		n = strlen(err.msg);
		assert_true(n < sizeof(err.msg) && n > sizeof(err.msg) - 8);
		assert_int_equal((n - 3 - shift) % 4, 0);
		assert_string_equal(err.msg + n - 3, "...");
	}
}

/* The table against the C library's texts, where they are in English and glibc's. */
static void test_strerror(void **state)
{
	const char *libc;
	int known = 0;

	(void)state;
	assert_string_equal(err_strerror(-ENOENT), "no such file or directory");
	assert_string_equal(err_strerror(0), "success");
	assert_string_equal(err_strerror(9999), "unknown error");
	for (int code = 1; code < 134; code++) {
		if (strcmp(err_strerror(code), "unknown error") == 0)
			continue;
		known++;
		libc = strerror(code);
#ifdef __GLIBC__
		assert_string_equal(err_strerror(code) + 1, libc + 1);
#else
		(void)libc;
#endif
	}
	assert_true(known > 90);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),      cmocka_unit_test(test_null),
		cmocka_unit_test(test_sys),      cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_long),     cmocka_unit_test(test_long_utf8),
		cmocka_unit_test(test_strerror),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
