// SPDX-License-Identifier: Apache-2.0
// The exit record as text, and read back.
#include "shim/exit_record.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/io.h"

static void unknown_is_null(void **state)
{
	struct exit_record r = { .id = "a", .oom_killed = -1 };
	CLEANUP_STR struct str out = { 0 };

	(void)state;
	exit_record_format(&r, &out);
	assert_string_equal(out.data,
			    "{\"id\":\"a\",\"pid\":null,\"exit_code\":null,\"signal\":null,"
			    "\"core_dumped\":null,\"seccomp_killed\":null,\"oom_killed\":null,"
			    "\"started_at\":null,\"finished_at\":null,\"cpu_time_ns\":null,"
			    "\"peak_memory_bytes\":null,\"bytes_logged\":0,\"bytes_dropped\":0,"
			    "\"drop_reason\":null,\"stopped_by\":null}\n");
}

static struct exit_record full(void)
{
	struct exit_record r = {
		.id = "c1",
		.pid = 42,
		.oom_killed = 1,
		.has_started = true,
		.started_at = { 1767323045, 5 },
		.has_finished = true,
		.finished_at = { 1767323046, 999999999 },
		.has_cpu_time = true,
		.cpu_time_ns = UINT64_MAX,
		.has_peak_memory = true,
		.peak_memory_bytes = 4096,
		.bytes_logged = 7,
		.bytes_dropped = 8,
		.drop_reason = "no \"space\" left\non device",
		.has_stopped_by = true,
		.stop_pid = 1,
		.stop_uid = 4294967294u,
		.stop_signal = 15,
	};

	exit_record_set_status(&r, CLD_DUMPED, SIGSYS);
	return r;
}

static void all_is_known(void **state)
{
	struct exit_record r = full();
	CLEANUP_STR struct str out = { 0 };

	(void)state;
	exit_record_format(&r, &out);
	assert_string_equal(
		out.data,
		"{\"id\":\"c1\",\"pid\":42,\"exit_code\":159,\"signal\":31,\"core_dumped\":true,"
		"\"seccomp_killed\":true,\"oom_killed\":true,"
		"\"started_at\":\"2026-01-02T03:04:05.000000005Z\","
		"\"finished_at\":\"2026-01-02T03:04:06.999999999Z\","
		"\"cpu_time_ns\":18446744073709551615,\"peak_memory_bytes\":4096,"
		"\"bytes_logged\":7,\"bytes_dropped\":8,"
		"\"drop_reason\":\"no \\\"space\\\" left\\u000aon device\","
		"\"stopped_by\":{\"pid\":1,\"uid\":4294967294,\"signal\":15}}\n");
}

static void status_of_exits(void **state)
{
	struct exit_record r = { 0 };

	(void)state;
	exit_record_set_status(&r, CLD_EXITED, 0);
	assert_true(r.has_status && r.exit_code == 0 && r.signal == 0 && !r.core_dumped);
	exit_record_set_status(&r, CLD_KILLED, SIGKILL);
	assert_true(r.has_status && r.exit_code == 137 && r.signal == 9 && !r.seccomp_killed);
	/* Never 0 when nobody knows. */
	exit_record_set_status(&r, 0, 0);
	assert_false(r.has_status);
}

static void read_back(void **state)
{
	struct exit_record in = full(), out;
	CLEANUP_ARENA struct arena arena = { 0 };
	CLEANUP_STR struct str text = { 0 }, again = { 0 };
	struct json *json;
	struct err err;

	(void)state;
	exit_record_format(&in, &text);
	assert_int_equal(json_parse(&arena, text.data, text.len, &json, &err), 0);
	assert_int_equal(exit_record_parse(json, &out), 0);
	exit_record_format(&out, &again);
	assert_string_equal(text.data, again.data);
}

static void damaged(void **state)
{
	static const char *const texts[] = { "[]", "{}", "{\"id\":1}", "null" };
	struct exit_record out;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		CLEANUP_ARENA struct arena arena = { 0 };
		struct json *json;

		assert_int_equal(json_parse(&arena, texts[i], strlen(texts[i]), &json, &err), 0);
		assert_int_equal(exit_record_parse(json, &out), -EINVAL);
	}
}

/* The longest id and reason, all of it escaped, still fit the buffer on the stack. */
static void largest_fits(void **state)
{
	struct exit_record r = full();
	char dir[] = "/tmp/exit_record_XXXXXX", path[64], text[EXIT_RECORD_MAX + 1];

	(void)state;
	memset(r.id, 'x', sizeof(r.id) - 1);
	memset(r.drop_reason, 1, sizeof(r.drop_reason) - 1);
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/record", dir);
	assert_int_equal(exit_record_write(&r, AT_FDCWD, path), 0);
	assert_true(io_read_small(AT_FDCWD, path, text, sizeof(text)) > 0);
	assert_int_equal(text[strlen(text) - 1], '}');
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unknown_is_null), cmocka_unit_test(all_is_known),
		cmocka_unit_test(status_of_exits), cmocka_unit_test(read_back),
		cmocka_unit_test(damaged),         cmocka_unit_test(largest_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
