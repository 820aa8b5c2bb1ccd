/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/common/tmpdir.h"

#include <errno.h>
#include <signal.h>

#include "common/str.h"

static void test_builder(void **state)
{
	CLEANUP_STR struct str s = { 0 };
	char *taken;

	(void)state;
	taken = str_take(&s);
	assert_string_equal(taken, "");
	free(taken);
	str_add(&s, "ab");
	str_add_char(&s, 'c');
	str_add_n(&s, "defg", 2);
	str_addf(&s, "-%d-%0600d", 7, 1);
	assert_int_equal(s.len, 5 + 3 + 600);
	assert_int_equal(strlen(s.data), s.len);
	assert_memory_equal(s.data, "abcde-7-000", 11);
	assert_false(s.overflow);
	taken = str_take(&s);
	assert_int_equal(strlen(taken), 608);
	free(taken);
	assert_int_equal(s.len, 0);
	str_add(&s, "again");
	str_reset(&s);
	str_add(&s, "x");
	assert_string_equal(s.data, "x");
}

static void test_fixed(void **state)
{
	char buf[8];
	struct str s = STR_FIXED(buf);

	(void)state;
	str_add(&s, "1234567");
	assert_false(s.overflow);
	assert_int_equal(s.len, 7);
	str_add_char(&s, '8');
	assert_true(s.overflow);
	assert_string_equal(buf, "1234567");
	str_reset(&s);
	str_add(&s, "123456789");
	assert_true(s.overflow);
	assert_string_equal(buf, "1234567");
	/* once full, always full: no later, shorter piece slips in */
	str_reset(&s);
	str_add(&s, "12345");
	str_add(&s, "abc");
	str_add(&s, "d");
	assert_string_equal(buf, "12345ab");
	str_reset(&s);
	str_addf(&s, "%0300d", 1);
	assert_true(s.overflow);
	assert_string_equal(buf, "0000000");
	assert_int_equal(s.len, 7);
}

static void test_quoted(void **state)
{
	/* As Go's strconv.Quote prints them. */
	static const struct {
		const char *in, *out;
	} table[] = {
		{ "", "\"\"" },
		{ "plain text", "\"plain text\"" },
		{ "a\"b\\c", "\"a\\\"b\\\\c\"" },
		{ "\a\b\f\n\r\t\v", "\"\\a\\b\\f\\n\\r\\t\\v\"" },
		{ "\x01\x1b\x7f", "\"\\x01\\x1b\\x7f\"" },
		{ "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
		  "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"" },
		{ "\xff\xc3", "\"\\xff\\xc3\"" },
		{ "\xc0\x80", "\"\\xc0\\x80\"" },
		{ "\xed\xa0\x80", "\"\\xed\\xa0\\x80\"" },
		{ "\xc2\x85", "\"\\u0085\"" },
		{ "\xc2\xa0", "\"\\u00a0\"" },
		{ "\xe2\x80\xae", "\"\\u202e\"" },
		{ "\xef\xbf\xbd", "\"\xef\xbf\xbd\"" },
		{ "\xf3\xa0\x80\x81", "\"\\U000e0001\"" },
		{ "'/<>&", "\"'/<>&\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		CLEANUP_STR struct str s = { 0 };

		str_add_quoted(&s, table[i].in);
		assert_string_equal(s.data, table[i].out);
	}
}

static void test_utf8(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		uint32_t rune;
	} table[] = {
		{ "a", 1, 'a' },
		{ "\xc2\x80", 2, 0x80 },
		{ "\xdf\xbf", 2, 0x7ff },
		{ "\xe0\xa0\x80", 3, 0x800 },
		{ "\xee\x80\x80", 3, 0xe000 },
		{ "\xf0\x90\x80\x80", 4, 0x10000 },
		{ "\xf4\x8f\xbf\xbf", 4, 0x10ffff },
		{ "\x80", 0, 0 },
		{ "\xc1\xbf", 0, 0 },
		{ "\xe0\x9f\xbf", 0, 0 },
		{ "\xed\xbf\xbf", 0, 0 },
		{ "\xf0\x8f\xbf\xbf", 0, 0 },
		{ "\xf4\x90\x80\x80", 0, 0 },
		{ "\xf8\x88\x80\x80\x80", 0, 0 },
		{ "\xc3", 0, 0 },
		{ "\xe2\x82", 0, 0 },
		{ "\xe2\x28\xa1", 0, 0 },
	};
	uint32_t rune;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		rune = 0;
		assert_int_equal(utf8_decode(table[i].bytes, strlen(table[i].bytes), &rune),
				 table[i].len);
		assert_int_equal(rune, table[i].rune);
	}
	assert_int_equal(utf8_decode("", 0, &rune), 0);
	assert_int_equal(utf8_decode("\0", 1, &rune), 1);
	assert_int_equal(utf8_decode("\xe2\x82\xac", 2, &rune), 0);
}

static void test_numbers(void **state)
{
	static const char *const bad[] = { "",    " 1",  "1 ",  "+1", "0x",  "1a",  "--1",
					   "- 1", "1.0", "1e3", "-",  "\t1", "0x10" };
	uint64_t u;
	uint32_t w;
	int64_t v;
	int n;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		assert_int_equal(parse_u64(bad[i], 10, &u), -EINVAL);
		assert_int_equal(parse_i64(bad[i], 10, &v), -EINVAL);
		assert_int_equal(parse_int(bad[i], &n), -EINVAL);
		assert_int_equal(parse_u32(bad[i], 10, &w), -EINVAL);
	}
	assert_int_equal(parse_u64("-1", 10, &u), -EINVAL);
	assert_int_equal(parse_u64("18446744073709551615", 10, &u), 0);
	assert_true(u == UINT64_MAX);
	assert_int_equal(parse_u64("18446744073709551616", 10, &u), -ERANGE);
	assert_int_equal(parse_i64("-9223372036854775808", 10, &v), 0);
	assert_true(v == INT64_MIN);
	assert_int_equal(parse_i64("-9223372036854775809", 10, &v), -ERANGE);
	assert_int_equal(parse_i64("9223372036854775807", 10, &v), 0);
	assert_true(v == INT64_MAX);
	assert_int_equal(parse_i64("9223372036854775808", 10, &v), -ERANGE);
	assert_int_equal(parse_u32("4294967295", 10, &w), 0);
	assert_int_equal(parse_u32("4294967296", 10, &w), -ERANGE);
	assert_int_equal(parse_int("-2147483648", &n), 0);
	assert_int_equal(n, -2147483647 - 1);
	assert_int_equal(parse_int("2147483648", &n), -ERANGE);
	assert_int_equal(parse_u64("755", 8, &u), 0);
	assert_int_equal(u, 0755);
	assert_int_equal(parse_u64("8", 8, &u), -EINVAL);
	assert_int_equal(parse_u64("fF", 16, &u), 0);
	assert_int_equal(u, 255);
	assert_int_equal(parse_u64("0x1", 16, &u), -EINVAL);
}

static void test_signals(void **state)
{
	char buf[32];

	(void)state;
	assert_int_equal(parse_signal("15"), SIGTERM);
	assert_int_equal(parse_signal("TERM"), SIGTERM);
	assert_int_equal(parse_signal("SIGTERM"), SIGTERM);
	assert_int_equal(parse_signal("sigkill"), SIGKILL);
	assert_int_equal(parse_signal("Hup"), SIGHUP);
	assert_int_equal(parse_signal("0"), 0);
	assert_int_equal(parse_signal("64"), 64);
	assert_int_equal(parse_signal("65"), -EINVAL);
	assert_int_equal(parse_signal("-1"), -EINVAL);
	assert_int_equal(parse_signal(""), -EINVAL);
	assert_int_equal(parse_signal("SIG"), -EINVAL);
	assert_int_equal(parse_signal("SIGSIGTERM"), -EINVAL);
	assert_int_equal(parse_signal("TERM "), -EINVAL);
	assert_int_equal(parse_signal("RTMIN+1"), -EINVAL);
	assert_string_equal(signal_name(SIGTERM, buf, sizeof(buf)), "SIGTERM");
	assert_string_equal(signal_name(SIGABRT, buf, sizeof(buf)), "SIGABRT");
	assert_string_equal(signal_name(40, buf, sizeof(buf)), "signal 40");
	for (int sig = 1; sig < 32; sig++)
		assert_int_equal(parse_signal(signal_name(sig, buf, sizeof(buf))), sig);
}

static void test_seconds(void **state)
{
	static const struct {
		int64_t second;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00" },
		{ -1, "1969-12-31T23:59:59" },
		{ 951782399, "2000-02-28T23:59:59" },
		{ 951782400, "2000-02-29T00:00:00" },
		{ 951868800, "2000-03-01T00:00:00" },
		{ 4107542399, "2100-02-28T23:59:59" },
		{ 4107542400, "2100-03-01T00:00:00" },
		{ 1767225599, "2025-12-31T23:59:59" },
		{ 253402300799, "9999-12-31T23:59:59" },
		{ 253402300800, "9999-01-01T00:00:00" },
	};
	char text[STR_SECOND_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		str_format_second(cases[i].second, text);
		assert_string_equal(text, cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_builder), cmocka_unit_test(test_fixed),
		cmocka_unit_test(test_quoted),  cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_numbers), cmocka_unit_test(test_signals),
		cmocka_unit_test(test_seconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
