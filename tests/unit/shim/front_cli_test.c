// SPDX-License-Identifier: Apache-2.0
// Options of `start`.
#include "shim/front_cli.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/fd.h"
#include "common/io.h"

static char bundle[64], config[80];

static int setup(void **state)
{
	static const char text[] = "{\"root\":{\"path\":\"fs\"}}";
	int fd;

	(void)state;
	snprintf(bundle, sizeof(bundle), "/tmp/front_cli_XXXXXX");
	assert_non_null(mkdtemp(bundle));
	snprintf(config, sizeof(config), "%s/config.json", bundle);
	fd = fd_open(config, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, text, strlen(text)), 0);
	fd_close(fd);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(config);
	return rmdir(bundle);
}

#define ARGS_MAX 32

/* `line`: words; B stands for the bundle. */
static int parse(struct arena *arena, const char *line, struct front_options *o, struct err *err)
{
	char *argv[ARGS_MAX] = { (char *)"start" }, *copy = arena_strdup(arena, line);
	int argc = 1;

	for (char *word; (word = strsep(&copy, " "));)
		if (*word)
			argv[argc++] = str_eq(word, "B") ? bundle : word;
	memset(err, 0, sizeof(*err));
	return front_cli_parse(argc, argv, arena, o, err);
}

static void the_least(void **state)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	struct front_options o;
	struct err err;
	char path[128];

	(void)state;
	assert_int_equal(parse(&arena, "--id a --bundle B --runtime /bin/sh", &o, &err), 0);
	assert_string_equal(o.id, "a");
	assert_string_equal(o.bundle, bundle);
	assert_string_equal(o.runtime, "/bin/sh");
	snprintf(path, sizeof(path), "%s/container.log", bundle);
	assert_string_equal(o.log_path, path);
	assert_int_equal(o.log_format, LOG_FORMAT_JSON);
	assert_null(o.runtime_root);
	assert_null(o.log);
	assert_null(o.lower);
	assert_false(o.terminal || o.has_stdin);
}

static void the_most(void **state)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	struct front_options o;
	struct err err;
	char cwd[PATH_MAX], path[PATH_MAX + 64];

	(void)state;
	assert_int_equal(
		parse(&arena,
		      "--id a --bundle B --runtime sh --runtime-root /rr --runtime-arg --x "
		      "--runtime-arg y --root /r --shim-cgroup /cg --log journald "
		      "--log-path rel.log --log-format cri --log-size-max 1000",
		      &o, &err),
		0);
	assert_int_equal(o.runtime[0], '/');
	assert_string_equal(o.runtime_root, "/rr");
	assert_int_equal(o.n_runtime_args, 2);
	assert_string_equal(o.runtime_args[0], "--x");
	assert_string_equal(o.runtime_args[1], "y");
	assert_string_equal(o.root, "/r");
	assert_string_equal(o.shim_cgroup, "/cg");
	assert_string_equal(o.log, "journald");
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	snprintf(path, sizeof(path), "%s/rel.log", cwd);
	assert_string_equal(o.log_path, path);
	assert_int_equal(o.log_format, LOG_FORMAT_CRI);
	assert_int_equal(o.log_size_max, 1000);
	assert_int_equal(parse(&arena,
			       "--id a --bundle B --runtime sh --terminal --stdin --pid-file /p "
			       "--exit-file /e --lower /a:/b --log-max-files 3",
			       &o, &err),
			 0);
	assert_true(o.terminal && o.has_stdin);
	assert_string_equal(o.lower, "/a:/b");
	snprintf(path, sizeof(path), "%s/fs", bundle);
	assert_string_equal(o.rootfs, path);
	assert_int_equal(o.log_max_files, 3);
}

static void pod_logs(void **state)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	struct front_options o;
	struct err err;

	(void)state;
	assert_int_equal(parse(&arena,
			       "--id a --bundle B --runtime sh --pod ns_name_uid --container c "
			       "--attempt 2",
			       &o, &err),
			 0);
	assert_string_equal(o.log_path, "/var/log/pods/ns_name_uid/c/2.log");
	assert_int_equal(o.log_format, LOG_FORMAT_JSON);
	assert_int_equal(parse(&arena,
			       "--id a --bundle B --runtime sh --pod p --container c "
			       "--log-format cri",
			       &o, &err),
			 0);
	assert_string_equal(o.log_path, "/var/log/pods/p/c/0.log");
	assert_int_equal(o.log_format, LOG_FORMAT_CRI);
}

static void refusals(void **state)
{
	static const struct {
		const char *line, *want;
	} cases[] = {
		{ "--bundle B", "--id is needed" },
		{ "--id", "option \"--id\" needs a value" },
		{ "--id a", "--bundle is needed" },
		{ "--id ../a --bundle B", "container id \"../a\": invalid character" },
		{ "--id a --bundle /nonexistent", "bundle \"/nonexistent\"" },
		{ "--id a --bundle /tmp", "\"/tmp/config.json\"" },
		{ "--id a --bundle B extra", "unexpected argument \"extra\"" },
		{ "--id a --bundle B --what", "unknown option \"--what\"" },
		{ "--id a --bun B", "unknown option \"--bun\"" },
		{ "--id a --bundle B --runtime-ro=/x", "unknown option \"--runtime-ro=/x\"" },
		{ "--id a --bundle B --std", "unknown option \"--std\"" },
		{ "--id a --bundle B --runtime /nonexistent", "\"/nonexistent\": no such program" },
		{ "--id a --bundle B --runtime no-such-thing", "not found in PATH" },
		{ "--id a --bundle B --runtime sh --log-format x", "neither json nor cri" },
		{ "--id a --bundle B --runtime sh --log-size-max 1k", "--log-size-max" },
		{ "--id a --bundle B --runtime sh --log-max-files 0", "--log-max-files" },
		{ "--id a --bundle B --runtime sh --container c", "need --pod" },
		{ "--id a --bundle B --runtime sh --pod p", "--container" },
		{ "--id a --bundle B --runtime sh --pod .. --container c", "--pod" },
		{ "--id a --bundle B --runtime sh --pod p --container a/b", "--container" },
		{ "--id a --bundle B --runtime sh --pod p --container c --attempt x", "--attempt" },
		{ "--id a --bundle B --runtime sh --pod p --container c --log-path /x", "exclude" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		CLEANUP_ARENA struct arena arena = { 0 };
		struct front_options o;
		struct err err;

		assert_true(parse(&arena, cases[i].line, &o, &err) < 0);
		if (!strstr(err.msg, cases[i].want))
			fail_msg("%s: \"%s\" lacks \"%s\"", cases[i].line, err.msg, cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_least),
		cmocka_unit_test(the_most),
		cmocka_unit_test(pod_logs),
		cmocka_unit_test(refusals),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
