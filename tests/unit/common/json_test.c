/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/common/tmpdir.h"

#include <errno.h>

#include "common/json.h"

static struct json *parse_ok(struct arena *arena, const char *text)
{
	struct json *v = NULL;
	struct err err = { 0 };
	int r = json_parse(arena, text, strlen(text), &v, &err);

	if (r < 0)
		print_error("%s: %s\n", text, err.msg);
	assert_int_equal(r, 0);
	return v;
}

static void expect_fail(const char *text, size_t n, int code, const char *msg)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	/* exactly as long as it is, so that reading beyond shows */
	CLEANUP_FREE char *copy = malloc(n ? n : 1);
	struct json *v = NULL;
	struct err err = { 0 };

	assert_non_null(copy);
	memcpy(copy, text, n);
	assert_int_equal(json_parse(&arena, copy, n, &v, &err), -code);
	assert_int_equal(err.code, code);
	if (msg)
		assert_string_equal(err.msg, msg);
	assert_null(strchr(err.msg, '\n'));
	assert_null(v);
}

static void test_tree(void **state)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	const struct json *v, *list;
	char seen[16] = "";

	(void)state;
	v = parse_ok(&arena,
		     " {\"a\": 1, \"b\": [true, false, null, \"x\\n\\u00e9\\ud83d\\ude00\"],"
		     "\"c\": {\"d\": -1.5e3}, \"n\": null, \"\": \"\"}\n\t ");
	assert_int_equal(v->type, JSON_OBJECT);
	assert_int_equal(v->count, 5);
	assert_null(v->key);
	json_each (member, v)
		snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%s,", member->key);
	assert_string_equal(seen, "a,b,c,n,,");
	list = json_get(v, "b");
	assert_int_equal(list->count, 4);
	assert_true(list->child->boolean);
	assert_false(list->child->next->boolean);
	assert_int_equal(list->child->next->next->type, JSON_NULL);
	assert_string_equal(list->child->next->next->next->string, "x\n\xc3\xa9\xf0\x9f\x98\x80");
	assert_int_equal(list->child->next->next->next->count, 8);
	assert_string_equal(json_get(json_get(v, "c"), "d")->string, "-1.5e3");
	assert_null(json_get(v, "n"));
	assert_null(json_get(v, "zz"));
	assert_null(json_get(list, "a"));
	assert_null(json_get(NULL, "a"));
	assert_string_equal(json_str(v, ""), "");
	assert_null(json_str(v, "a"));
	assert_null(json_str(NULL, "a"));
	assert_int_equal(parse_ok(&arena, "5")->type, JSON_NUMBER);
	assert_int_equal(parse_ok(&arena, "\"s\"")->count, 1);
	assert_int_equal(parse_ok(&arena, "[]")->count, 0);
	assert_null(parse_ok(&arena, "{}")->child);
	assert_string_equal(json_type_name(JSON_STRING), "string");
	assert_string_equal(json_type_name(JSON_BOOL), "boolean");
}

static void test_errors(void **state)
{
	static const struct {
		const char *text, *msg;
		int code;
	} table[] = {
		{ "", NULL, EINVAL },
		{ "  ", NULL, EINVAL },
		{ "{", NULL, EINVAL },
		{ "{\"a\"", NULL, EINVAL },
		{ "[1,]", NULL, EINVAL },
		{ "{\"a\":1,}", NULL, EINVAL },
		{ "{a:1}", NULL, EINVAL },
		{ "[1 2]", NULL, EINVAL },
		{ "{} x", NULL, EINVAL },
		{ "{}{}", NULL, EINVAL },
		{ "[01]", NULL, EINVAL },
		{ "[+1]", NULL, EINVAL },
		{ "[.5]", NULL, EINVAL },
		{ "[1.]", NULL, EINVAL },
		{ "[NaN]", NULL, EINVAL },
		{ "[tru]", NULL, EINVAL },
		{ "'a'", NULL, EINVAL },
		{ "// c\n1", NULL, EINVAL },
		{ "/* c */ 1", NULL, EINVAL },
		{ "\xef\xbb\xbf{}", NULL, EINVAL },
		{ "\"a\nb\"", NULL, EINVAL },
		{ "\"\\x41\"", NULL, EINVAL },
		{ "\"\\u12\"", NULL, EINVAL },
		{ "\"abc", NULL, EINVAL },
		{ "\"\\u0000\"", "1:9: NUL character in string", EINVAL },
		{ "{\"a\\u0000b\":1}", NULL, EINVAL },
		{ "\"\xff\"", "1:4: invalid UTF-8 in string", EINVAL },
		{ "\"\xc0\x80\"", "1:5: invalid UTF-8 in string", EINVAL },
		{ "\"\xed\xa0\x80\"", "1:6: invalid UTF-8 in string", EINVAL },
		{ "{\"\xff\":1}", NULL, EINVAL },
		{ "\"\\ud800\"", "1:2: lone surrogate in string", EINVAL },
		{ "[\n \"a\\udc00\"]", "2:4: lone surrogate in string", EINVAL },
		{ "\"\\ud800\\u0041\"", "1:2: lone surrogate in string", EINVAL },
		{ "\"\\ud800\\ud800\"", "1:2: lone surrogate in string", EINVAL },
		{ "{\"a\":1,\n\"b\":2,\n  \"a\":3}", "3:6: duplicate key \"a\"", EINVAL },
		{ "{\"\\u0061\":1,\"a\":1}", NULL, EINVAL },
		{ "{\"x\\ny\":1,\"x\\ny\":1}", "1:17: duplicate key \"x\\ny\"", EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(table); i++)
		expect_fail(table[i].text, strlen(table[i].text), table[i].code, table[i].msg);
	expect_fail("{}\0", 3, EINVAL, NULL);
	expect_fail("\"a\0b\"", 5, EINVAL, NULL);
	expect_fail("\\", 1, EINVAL, NULL);
	expect_fail("\"\\u", 3, EINVAL, NULL);
	expect_fail("\"\\ud800\\", 8, EINVAL, "1:2: lone surrogate in string");
}

/* The text names line and column, and says why. */
static void test_position(void **state)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	const char *text = "{\n  \"a\": 1,\n  \"b\": ]\n}";
	struct json *v = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(json_parse(&arena, text, strlen(text), &v, &err), -EINVAL);
	assert_memory_equal(err.msg, "3:", 2);
	assert_non_null(strstr(err.msg, "parse error: unallowed token at this point in JSON text"));
	/* escaped backslashes are no escapes of what follows */
	assert_string_equal(parse_ok(&arena, "\"\\\\ud800\"")->string, "\\ud800");
	/* same keys in different objects are no duplicates */
	parse_ok(&arena, "[{\"a\":{\"a\":1}},{\"a\":1}]");
}

static char *repeat(const char *open, const char *middle, const char *close, size_t n)
{
	struct str s = { 0 };

	for (size_t i = 0; i < n; i++)
		str_add(&s, open);
	str_add(&s, middle);
	for (size_t i = 0; i < n; i++)
		str_add(&s, close);
	return str_take(&s);
}

static void test_limits(void **state)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	CLEANUP_FREE char *deep = repeat("[", "", "]", JSON_DEPTH_MAX);
	CLEANUP_FREE char *deeper = repeat("[", "", "]", JSON_DEPTH_MAX + 1);
	CLEANUP_FREE char *objects = repeat("{\"a\":", "1", "}", JSON_DEPTH_MAX + 1);
	CLEANUP_FREE char *unclosed = repeat("[", "", "", 100000);
	CLEANUP_FREE char *many = repeat("1,", "1]", "", JSON_NODES_MAX - 2);
	CLEANUP_FREE char *large = calloc(1, JSON_BYTES_MAX + 1);

	(void)state;
	parse_ok(&arena, deep);
	expect_fail(deeper, strlen(deeper), E2BIG, "1:66: nested deeper than 64 levels");
	expect_fail(objects, strlen(objects), E2BIG, NULL);
	expect_fail(unclosed, strlen(unclosed), E2BIG, NULL);
	{
		CLEANUP_STR struct str s = { 0 };

		str_add_char(&s, '[');
		str_add(&s, many);
		parse_ok(&arena, s.data);
		str_reset(&s);
		str_add(&s, "[1,");
		str_add(&s, many);
		expect_fail(s.data, s.len, E2BIG, NULL);
	}
	assert_non_null(large);
	memset(large, ' ', JSON_BYTES_MAX + 1);
	expect_fail(large, JSON_BYTES_MAX + 1, EFBIG, "document larger than 16777216 bytes");
}

static void many_keys(struct str *s, size_t n, const char *last)
{
	str_add_char(s, '{');
	for (size_t i = 0; i < n; i++)
		str_addf(s, "\"key%zu\":%zu,", (i * 7919) % n, i);
	str_addf(s, "\"%s\":1}", last);
}

static void test_many_keys(void **state)
{
	static const size_t sizes[] = { 30, 31, 32, 33, 34, 100, 200000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
		CLEANUP_ARENA struct arena arena = { 0 };
		CLEANUP_STR struct str s = { 0 };

		many_keys(&s, sizes[i], "last");
		assert_int_equal(parse_ok(&arena, s.data)->count, sizes[i] + 1);
		for (size_t key = 0; key < sizes[i]; key += 1 + sizes[i] / 3) {
			char last[32];
			struct json *v = NULL;
			struct err err = { 0 };

			str_reset(&s);
			snprintf(last, sizeof(last), "key%zu", key);
			many_keys(&s, sizes[i], last);
			assert_int_equal(json_parse(&arena, s.data, s.len, &v, &err), -EINVAL);
			assert_non_null(strstr(err.msg, ": duplicate key \"key"));
			assert_non_null(strstr(err.msg, last));
		}
	}
}

static int to_i64(struct arena *arena, const char *text, int64_t *ret)
{
	return json_to_i64(parse_ok(arena, text), ret);
}

static int to_u64(struct arena *arena, const char *text, uint64_t *ret)
{
	return json_to_u64(parse_ok(arena, text), ret);
}

static void test_numbers(void **state)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	int64_t i = 7;
	uint64_t u = 7;

	(void)state;
	assert_int_equal(to_i64(&arena, "-9223372036854775808", &i), 0);
	assert_true(i == INT64_MIN);
	assert_int_equal(to_i64(&arena, "9223372036854775808", &i), -ERANGE);
	assert_int_equal(to_u64(&arena, "18446744073709551615", &u), 0);
	assert_true(u == UINT64_MAX);
	assert_int_equal(to_u64(&arena, "18446744073709551616", &u), -ERANGE);
	assert_int_equal(to_u64(&arena, "-1", &u), -ERANGE);
	assert_int_equal(to_u64(&arena, "-1.5", &u), -EINVAL);
	assert_int_equal(to_u64(&arena, "1e3", &u), -EINVAL);
	assert_int_equal(to_u64(&arena, "5.0", &u), -EINVAL);
	assert_int_equal(to_i64(&arena, "5.0", &i), -EINVAL);
	assert_int_equal(to_i64(&arena, "\"5\"", &i), -EINVAL);
	assert_int_equal(to_u64(&arena, "\"5\"", &u), -EINVAL);
	assert_int_equal(json_to_i64(NULL, &i), -EINVAL);
	assert_int_equal(json_to_u64(NULL, &u), -EINVAL);
	assert_true(i == INT64_MIN && u == UINT64_MAX);
}

static void write_sample(struct json_writer *w)
{
	jw_object(w);
	jw_key(w, "text");
	jw_string(w, "a/b \"q\" \\ \n\x01\xc3\xa9");
	jw_key(w, "bad");
	jw_string(w, "x\xffy\xc3");
	jw_key(w, "null");
	jw_string(w, NULL);
	jw_key(w, "list");
	jw_array(w);
	jw_int(w, INT64_MIN);
	jw_uint(w, UINT64_MAX);
	jw_bool(w, true);
	jw_null(w);
	jw_array(w);
	jw_end(w);
	jw_object(w);
	jw_end(w);
	jw_end(w);
	jw_end(w);
}

static void test_writer(void **state)
{
	CLEANUP_JSON_WRITER struct json_writer *compact = json_writer_new(NULL);
	CLEANUP_JSON_WRITER struct json_writer *pretty = json_writer_new("  ");
	CLEANUP_JSON_WRITER struct json_writer *empty = json_writer_new("\t");
	CLEANUP_ARENA struct arena arena = { 0 };
	size_t n = 0;

	(void)state;
	assert_string_equal(json_writer_text(empty, &n), "");
	jw_array(empty);
	jw_end(empty);
	assert_string_equal(json_writer_text(empty, &n), "[]");
	assert_int_equal(n, 2);
	write_sample(compact);
	assert_string_equal(
		json_writer_text(compact, &n),
		"{\"text\":\"a/b \\\"q\\\" \\\\ \\n\\u0001\xc3\xa9\","
		"\"bad\":\"x\xef\xbf\xbdy\xef\xbf\xbd\",\"null\":null,"
		"\"list\":[-9223372036854775808,18446744073709551615,true,null,[],{}]}");
	assert_int_equal(strlen(json_writer_text(compact, NULL)), n);
	write_sample(pretty);
	assert_string_equal(json_writer_text(pretty, &n),
			    "{\n"
			    "  \"text\": \"a/b \\\"q\\\" \\\\ \\n\\u0001\xc3\xa9\",\n"
			    "  \"bad\": \"x\xef\xbf\xbdy\xef\xbf\xbd\",\n"
			    "  \"null\": null,\n"
			    "  \"list\": [\n"
			    "    -9223372036854775808,\n"
			    "    18446744073709551615,\n"
			    "    true,\n"
			    "    null,\n"
			    "    [],\n"
			    "    {}\n"
			    "  ]\n"
			    "}");
	parse_ok(&arena, json_writer_text(pretty, NULL));
}

static void test_round_trip(void **state)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	CLEANUP_JSON_WRITER struct json_writer *w = json_writer_new(NULL);
	const char *text = "{\"a\":[1,-2.50e+10,\"\\u0001\\\"/\",true,false,null,{},[]],\"\":"
			   "{\"k\":18446744073709551616}}";

	(void)state;
	jw_tree(w, parse_ok(&arena, text));
	assert_string_equal(json_writer_text(w, NULL), text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree),      cmocka_unit_test(test_errors),
		cmocka_unit_test(test_position),  cmocka_unit_test(test_limits),
		cmocka_unit_test(test_many_keys), cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_writer),    cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
