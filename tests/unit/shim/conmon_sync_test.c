// SPDX-License-Identifier: Apache-2.0
/* The lines on the sync pipe. */
#include "shim/conmon_sync.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/json.h"

static void expect(const char *key, int n, const char *message, const char *want)
{
	char buf[CONMON_SYNC_MAX];
	size_t len = conmon_sync_format(buf, key, n, message);

	assert_int_equal(len, strlen(want));
	assert_memory_equal(buf, want, len);
}

static void test_lines(void **state UNUSED)
{
	expect("pid", 42, NULL, "{\"pid\": 42}\n");
	expect("data", 0, "", "{\"data\": 0}\n");
	expect("exit_code", -1, "command timed out",
	       "{\"exit_code\": -1, \"message\": \"command timed out\"}\n");
	expect("data", -1, "a\"b\\c/\n\r\t\b\f\x01\x7f\xff",
	       "{\"data\": -1, \"message\": "
	       "\"a\\\"b\\\\c\\/\\n\\r\\t\\b\\f\\u0001\\u007f\xff\"}\n");
}

/* However long the text and wherever it is cut: a whole object that one read of podman's takes. */
static void test_limit(void **state UNUSED)
{
	char buf[CONMON_SYNC_MAX], text[5000];

	for (size_t n = 4000; n < sizeof(text); n += n < 4110 ? 1 : 97) {
		CLEANUP_ARENA struct arena arena = { 0 };
		struct err err = { 0 };
		struct json *json;
		size_t len;

		memset(text, n % 2 ? '\n' : 'x', n);
		text[n - 1] = '\0';
		len = conmon_sync_format(buf, "data", -1, text);
		assert_true(len <= CONMON_SYNC_MAX && len > 3000 && buf[len - 1] == '\n');
		assert_int_equal(json_parse(&arena, buf, len, &json, &err), 0);
		assert_non_null(json_str(json, "message"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
