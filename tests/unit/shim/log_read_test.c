// SPDX-License-Identifier: Apache-2.0
/* Records read back, by table. */
#include "shim/log_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define T "2026-01-02T03:04:05.123456789Z"

static void test_format(void **state)
{
	static const struct {
		const char *line;
		int want; /* -1: neither */
	} rows[] = {
		{ "{\"log\":\"a\\n\"", LOG_FORMAT_JSON },
		{ T " stdout F a", LOG_FORMAT_CRI },
		{ "2026-01-02T03:04:05+01:00 stdout F a", LOG_FORMAT_CRI },
		{ "2026-01-02 03:04:05 stdout F a", -1 },
		{ T, -1 },
		{ "", -1 },
		{ "hello world", -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		enum log_format format = LOG_FORMAT_JSON;
		bool known = log_read_format(rows[i].line, strlen(rows[i].line), &format);

		assert_int_equal(known ? (int)format : -1, rows[i].want);
	}
}

struct row {
	const char *line, *text; /* text NULL: no record */
	enum log_stream stream;
	bool full;
};

static void check(const struct row *row, enum log_format format)
{
	size_t n = strlen(row->line);
	/* A copy of its own size: reading beyond it shows. */
	CLEANUP_FREE char *copy = malloc(n + !n);
	struct log_line line;

	assert_non_null(copy);
	memcpy(copy, row->line, n);
	if (!row->text) {
		assert_false(log_read_line(format, copy, n, &line));
		return;
	}
	assert_true(log_read_line(format, copy, n, &line));
	assert_int_equal(line.stream, row->stream);
	assert_int_equal(line.full, row->full);
	assert_int_equal(line.len, strlen(row->text));
	assert_memory_equal(line.text, row->text, line.len);
	assert_true(line.time_len >= 20);
}

static void test_cri(void **state)
{
	static const struct row rows[] = {
		{ T " stdout F a", "a", LOG_STDOUT, true },
		{ T " stderr P a b ", "a b ", LOG_STDERR, false },
		{ T " stdout F ", "", LOG_STDOUT, true },
		{ T " stdout P:new:tags x", "x", LOG_STDOUT, false },
		{ T " stdout X x", "x", LOG_STDOUT, true },
		{ T " stdout PX x", "x", LOG_STDOUT, true },
		{ "2026-01-02T03:04:05+01:00 stdout F a", "a", LOG_STDOUT, true },
		{ T " stdout F", NULL, 0, false },
		{ T " stdout  x", NULL, 0, false },
		{ T " stdlog F x", NULL, 0, false },
		{ T " stdout", NULL, 0, false },
		{ "03:04:05 stdout F x", NULL, 0, false },
		{ "", NULL, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		check(&rows[i], LOG_FORMAT_CRI);
}

#define TAIL ",\"stream\":\"stdout\",\"time\":\"" T "\"}"

static void test_json(void **state)
{
	static const struct row rows[] = {
		{ "{\"log\":\"a\\n\"" TAIL, "a", LOG_STDOUT, true },
		{ "{\"log\":\"a\"" TAIL, "a", LOG_STDOUT, false },
		{ "{\"log\":\"\\n\"" TAIL, "", LOG_STDOUT, true },
		{ "{\"log\":\"a\\u003c\\u0009\\\"\\\\\\/\\b\\f\\r\\t\\n\"" TAIL,
		  "a<\t\"\\/\b\f\r\t", LOG_STDOUT, true },
		{ "{\"log\":\"\\u00e9\\u20ac\\ud83d\\ude00\"" TAIL,
		  "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", LOG_STDOUT, false },
		{ "{\"log\":\"\\ud83dx\\ude00\"" TAIL, "\xef\xbf\xbdx\xef\xbf\xbd", LOG_STDOUT,
		  false },
		{ "{\"log\":\"\\ud83d\\ud83d\\ude00\"" TAIL, "\xef\xbf\xbd\xf0\x9f\x98\x80",
		  LOG_STDOUT, false },
		{ "{ \"time\" : \"" T "\" , \"stream\" : \"stderr\" , \"log\" : \"b\\n\" }\r", "b",
		  LOG_STDERR, true },
		{ "{\"attrs\":{\"a\":\"}\",\"n\":[1,null]},\"log\":\"b\\n\"" TAIL, "b", LOG_STDOUT,
		  true },
		{ "{\"n\":12,\"log\":\"b\\n\"" TAIL, "b", LOG_STDOUT, true },
		{ "{\"stream\":\"stdout\",\"time\":\"" T "\"}", "", LOG_STDOUT, false },
		{ "{\"log\":\"torn", NULL, 0, false },
		{ "{\"log\":\"a\"" TAIL "x", NULL, 0, false },
		{ "{\"log\":\"\\x\"" TAIL, NULL, 0, false },
		{ "{\"log\":\"\\u12\"" TAIL, NULL, 0, false },
		{ "{\"log\":\"a\\", NULL, 0, false },
		{ "{\"log\":5" TAIL, NULL, 0, false },
		{ "{\"log\":\"a\",\"stream\":\"x\",\"time\":\"" T "\"}", NULL, 0, false },
		{ "{\"log\":\"a\",\"stream\":\"stdout\"}", NULL, 0, false },
		{ "{\"log\":\"a\",\"stream\":\"stdout\",\"time\":\"now\"}", NULL, 0, false },
		{ "{}", NULL, 0, false },
		{ "{\"a\":]}", NULL, 0, false },
		{ "", NULL, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		check(&rows[i], LOG_FORMAT_JSON);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_cri),
		cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
