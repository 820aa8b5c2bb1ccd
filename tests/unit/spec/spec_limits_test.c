/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile files: depth, size, counts, duplicates, bytes that are no text. Each must give one clear
 * error quickly and with bounded memory.
 */
#include "tests/unit/spec/spec_testing.h"

#define HEAD "{\"ociVersion\":\"1.3.0\",\"root\":{\"path\":\"r\"},"
#define PROCESS "\"process\":{\"cwd\":\"/\",\"args\":[\"a\"]}"

/* Reads head + n times `item` separated by commas + tail, and gives the error (NULL: accepted). */
static int read_many(const char *head, const char *item, size_t n, const char *tail,
		     struct err *err)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	CLEANUP_STR struct str text = { 0 };
	struct spec *spec;

	str_add(&text, head);
	for (size_t i = 0; i < n; i++)
		str_addf(&text, "%s%s", i > 0 ? "," : "", item);
	str_add(&text, tail);
	memset(err, 0, sizeof(*err));
	return spec_read(&arena, text.data, text.len, &spec, err);
}

static void expect(const char *data, size_t n, int code, const char *want)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	struct spec *spec = NULL;
	struct err err = { 0 };

	assert_int_equal(spec_read(&arena, data, n, &spec, &err), -code);
	assert_null(spec);
	if (!strstr(err.msg, want))
		fail_msg("\"%s\" has no \"%s\"", err.msg, want);
	assert_null(strchr(err.msg, '\n'));
}

static void test_no_json(void **state)
{
	static const struct {
		const char *data;
		size_t n;
		const char *want;
	} rows[] = {
		{ "", 0, "" },
		{ " \n", 2, "" },
		{ "{", 1, "1:" },
		{ "{\"a\":1}x", 8, "1:" },
		{ "{\"a\":1}{}", 9, "1:" },
		{ "{\"a\":tru}", 9, "1:" },
		{ "{'a':1}", 7, "1:" },
		{ "{\"a\":1,}", 8, "1:" },
		{ "{\"a\":\"\xff\"}", 9, "invalid UTF-8" },
		{ "{\"a\":\"\xc0\x80\"}", 10, "invalid UTF-8" },
		{ "{\"a\":\"\xed\xa0\x80\"}", 11, "invalid UTF-8" },
		{ "{\"\xe9\":1}", 7, "invalid UTF-8" },
		{ "{\"a\":\"x\\u0000y\"}", 16, "NUL character" },
		{ "{\"a\\u0000\":1}", 13, "NUL character" },
		{ "{\"a\":\"x\0y\"}", 11, "" },
		{ "{\"a\":1}\0", 8, "" },
		{ "{\"a\":\"\\ud800\"}", 14, "lone surrogate" },
		{ "{\"a\":1,\"a\":2}", 13, "duplicate key \"a\"" },
		{ "{\"x\":{\"a\":1,\"\\u0061\":2}}", 24, "duplicate key \"a\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		/* exactly n bytes, so that reading beyond them is found */
		CLEANUP_FREE char *copy = malloc(rows[i].n + 1);

		memcpy(copy, rows[i].data, rows[i].n);
		expect(copy, rows[i].n, EINVAL, rows[i].want);
	}
}

static void test_depth(void **state)
{
	static const char *const open[] = { "[", "{\"a\":" };
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(open); i++) {
		CLEANUP_ARENA struct arena arena = { 0 };
		CLEANUP_STR struct str text = { 0 };
		struct spec *spec;

		str_add(&text, HEAD "\"x\":");
		for (int depth = 0; depth < 200000; depth++)
			str_add(&text, open[i]);
		memset(&err, 0, sizeof(err));
		assert_int_equal(spec_read(&arena, text.data, text.len, &spec, &err), -E2BIG);
		assert_non_null(strstr(err.msg, "nested deeper than 64 levels"));
	}
}

static void test_size(void **state)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	size_t n = JSON_BYTES_MAX + 1;
	char path[] = "/tmp/thole-test-spec-XXXXXX";
	CLEANUP_FREE char *data = malloc(n);
	struct err err = { 0 };
	struct spec *spec;
	int fd;

	(void)state;
	assert_non_null(data);
	memset(data, ' ', n);
	expect(data, n, EFBIG, "larger than 16777216 bytes");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)n), 0);
	close(fd);
	assert_int_equal(spec_read_file(&arena, AT_FDCWD, path, &spec, NULL, NULL, &err), -EFBIG);
	assert_non_null(strstr(err.msg, ": larger than 16777216 bytes"));
	assert_int_equal(unlink(path), 0);
}

static void test_values(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(read_many(HEAD "\"x\":[", "0", 1000001, "]}", &err), -E2BIG);
	assert_non_null(strstr(err.msg, "more than 1000000 values"));
}

static void test_counts(void **state)
{
	static const struct {
		const char *head, *item, *tail;
		size_t max; /* accepted; one more is not */
		const char *path;
	} rows[] = {
		{ HEAD "\"process\":{\"cwd\":\"/\",\"args\":[", "\"a\"", "]}}", 65536,
		  "process.args" },
		{ HEAD "\"process\":{\"cwd\":\"/\",\"args\":[\"a\"],\"env\":[", "\"a=b\"", "]}}",
		  65536, "process.env" },
		{ HEAD "\"process\":{\"cwd\":\"/\",\"args\":[\"a\"],\"user\":{\"uid\":1,\"gid\":1,"
		       "\"additionalGids\":[",
		  "7", "]}}}", 65536, "process.user.additionalGids" },
		{ HEAD PROCESS ",\"linux\":{\"namespaces\":[{\"type\":\"mount\"}]},\"mounts\":[",
		  "{\"destination\":\"/a\"}", "]}", 10000, "mounts" },
		{ HEAD PROCESS ",\"hooks\":{\"poststop\":[", "{\"path\":\"/a\"}", "]}}", 4096,
		  "hooks.poststop" },
		{ HEAD PROCESS ",\"linux\":{\"resources\":{\"devices\":[", "{\"allow\":true}",
		  "]}}}", 10000, "linux.resources.devices" },
		{ HEAD PROCESS ",\"linux\":{\"seccomp\":{\"defaultAction\":\"SCMP_ACT_LOG\","
			       "\"syscalls\":[",
		  "{\"names\":[\"a\"],\"action\":\"SCMP_ACT_LOG\"}", "]}}}", 4096,
		  "linux.seccomp.syscalls" },
	};
	char want[128];
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		if (read_many(rows[i].head, rows[i].item, rows[i].max, rows[i].tail, &err) < 0)
			fail_msg("%s", err.msg);
		assert_true(read_many(rows[i].head, rows[i].item, rows[i].max + 1, rows[i].tail,
				      &err) < 0);
		snprintf(want, sizeof(want), "%s: %zu entries, at most %zu are allowed",
			 rows[i].path, rows[i].max + 1, rows[i].max);
		assert_string_equal(err.msg, want);
	}
}

/* 340 entries is the kernel's limit; adjacent ranges do not overlap. */
static void test_idmaps(void **state)
{
	(void)state;
	for (unsigned int n = 340; n <= 341; n++) {
		CLEANUP_ARENA struct arena arena = { 0 };
		CLEANUP_STR struct str text = { 0 };
		struct err err = { 0 };
		struct spec *spec;
		int rc;

		str_add(&text, HEAD PROCESS ",\"linux\":{\"namespaces\":[{\"type\":\"user\"}],"
					    "\"gidMappings\":[{\"containerID\":0,\"hostID\":0,"
					    "\"size\":1}],\"uidMappings\":[");
		for (unsigned int i = 0; i < n; i++)
			str_addf(&text, "%s{\"containerID\":%u,\"hostID\":%u,\"size\":10}",
				 i > 0 ? "," : "", i * 10, (n - i) * 10);
		str_add(&text, "]}}");
		rc = spec_read(&arena, text.data, text.len, &spec, &err);
		assert_int_equal(rc, n == 340 ? 0 : -EINVAL);
		if (rc < 0)
			assert_string_equal(err.msg, "linux.uidMappings: 341 entries, at most 340 "
						     "are allowed");
	}
}

static void test_long_strings(void **state)
{
	static const struct {
		const char *head, *tail;
		size_t max;
		const char *want;
	} rows[] = {
		{ HEAD "\"process\":{\"args\":[\"a\"],\"cwd\":\"/", "\"}}", 4094,
		  "process.cwd: longer than 4095 bytes \"/" },
		{ HEAD PROCESS ",\"hooks\":{\"poststop\":[{\"path\":\"/", "\"}]}}", 4094,
		  "hooks.poststop[0].path: longer than 4095 bytes \"/" },
		{ HEAD PROCESS ",\"linux\":{\"cgroupsPath\":\"/", "\"}}", 4094,
		  "linux.cgroupsPath: longer than 4095 bytes \"/" },
		{ HEAD PROCESS ",\"linux\":{\"namespaces\":[{\"type\":\"mount\"}],"
			       "\"maskedPaths\":[\"/",
		  "\"]}}", 4094, "linux.maskedPaths[0]: longer than 4095 bytes \"/" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		for (size_t more = 0; more < 2; more++) {
			CLEANUP_ARENA struct arena arena = { 0 };
			CLEANUP_STR struct str text = { 0 };
			struct err err = { 0 };
			struct spec *spec;
			int rc;

			str_add(&text, rows[i].head);
			for (size_t n = 0; n < rows[i].max + more; n++)
				str_add_char(&text, 'x');
			str_add(&text, rows[i].tail);
			rc = spec_read(&arena, text.data, text.len, &spec, &err);
			assert_int_equal(rc, more ? -EINVAL : 0);
			if (more) {
				assert_true(str_starts_with(err.msg, rows[i].want));
				assert_true(strlen(err.msg) < 300);
			}
		}
	}
}

/* Many unknown names: one bounded warning. A long hostile name does not fill the log either. */
static void test_notices(void **state)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	CLEANUP_STR struct str text = { 0 };
	struct err err = { 0 };
	struct spec *spec;
	char *log;

	(void)state;
	str_add(&text, HEAD "\"process\":{\"cwd\":\"/\",\"args\":[\"a\"],\"capabilities\":{"
			    "\"bounding\":[");
	for (int i = 0; i < 1000; i++)
		str_addf(&text, "%s\"CAP_%d_%s\"", i ? "," : "", i,
			 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
			 "x");
	str_add(&text, "]}}}");
	log_begin(LOG_LEVEL_INFO);
	assert_int_equal(spec_read(&arena, text.data, text.len, &spec, &err), 0);
	log = log_end(&arena);
	assert_int_equal(count_lines(log), 1);
	assert_non_null(strstr(log, " and 984 more"));
	assert_true(strlen(log) < 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_json),      cmocka_unit_test(test_depth),
		cmocka_unit_test(test_size),         cmocka_unit_test(test_values),
		cmocka_unit_test(test_counts),       cmocka_unit_test(test_idmaps),
		cmocka_unit_test(test_long_strings), cmocka_unit_test(test_notices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
