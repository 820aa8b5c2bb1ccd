// SPDX-License-Identifier: Apache-2.0
/* conmon's command line, by table. */
#include "shim/conmon_options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define WORDS_MAX 24

struct result {
	struct arena arena;
	struct conmon_options o;
	struct err err;
	int r;
};

static void parse(struct result *res, const char *const *words)
{
	static char *argv[WORDS_MAX];
	int argc = 1;

	*res = (struct result){ 0 };
	argv[0] = (char *)"conmon";
	for (; words[argc - 1]; argc++)
		argv[argc] = (char *)words[argc - 1];
	res->r = conmon_options_parse(argc, argv, &res->arena, &res->o, &res->err);
}

#define PARSE(res, ...) parse(res, (const char *const[]){ __VA_ARGS__, NULL })

static void test_podman_words(void **state UNUSED)
{
	struct result res;

	/* --api-version takes no value: the 1 is a stray, as are other operands. */
	PARSE(&res, "--api-version", "1", "-c", "id", "-u", "uu", "-r", "/rt", "-b/bundle", "-it",
	      "--exit-command-arg", "--root", "--exit-command-arg=b", "-l", "k8s-file:/x", "-s",
	      "--log-size-max", "10240", "stray");
	assert_int_equal(res.r, 0);
	assert_true(res.o.api);
	assert_string_equal(res.o.cid, "id");
	assert_string_equal(res.o.bundle, "/bundle");
	assert_true(res.o.stdin_open && res.o.terminal && res.o.systemd_cgroup);
	assert_int_equal(res.o.exit_args.n, 2);
	assert_string_equal(res.o.exit_args.items[0], "--root");
	assert_string_equal(res.o.exit_args.items[1], "b");
	assert_int_equal(res.o.log_size_max, 10240);
	assert_int_equal(res.o.log_global_size_max, -1);
	assert_int_equal(conmon_options_check(&res.o, &res.err), 0);
	arena_done(&res.arena);
}

static void test_aliases_and_glued(void **state UNUSED)
{
	struct result res;

	PARSE(&res, "--pidfile=/p", "--restore-arg", "--tcp-established", "-0", "/persist", "-T5",
	      "-tic", "x", "-?");
	assert_int_equal(res.r, 0);
	assert_string_equal(res.o.container_pidfile, "/p");
	assert_string_equal(res.o.runtime_opts.items[0], "--tcp-established");
	assert_string_equal(res.o.persist_dir, "/persist");
	assert_int_equal(res.o.timeout, 5);
	assert_true(res.o.terminal && res.o.stdin_open && res.o.help);
	assert_string_equal(res.o.cid, "x");
	arena_done(&res.arena);
}

static void test_refused(void **state UNUSED)
{
	static const struct {
		const char *words[3], *text;
	} bad[] = {
		{ { "--nosuch" }, "option parsing failed: Unknown option --nosuch" },
		{ { "-x" }, "option parsing failed: Unknown option -x" },
		{ { "--sync=1" }, "option parsing failed: Unknown option --sync=1" },
		{ { "--cid" }, "option parsing failed: Missing argument for --cid" },
		{ { "-c" }, "option parsing failed: Missing argument for -c" },
		{ { "-T", "many" },
		  "option parsing failed: Cannot parse integer value \"many\" for --timeout" },
	};
	struct result res;

	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		parse(&res, bad[i].words);
		assert_int_equal(res.r, -22);
		assert_string_equal(res.err.msg, bad[i].text);
		arena_done(&res.arena);
	}
}

static void test_needed(void **state UNUSED)
{
	static const struct {
		const char *words[12], *text;
	} bad[] = {
		{ { "-u", "u" }, "Container ID not provided. Use --cid" },
		{ { "-c", "../x" }, "Container ID \"../x\" is no name" },
		{ { "-c", "i" }, "Container UUID not provided. Use --cuuid" },
		{ { "-c", "i", "-u", "u" }, "Runtime path not provided. Use --runtime" },
		{ { "-c", "i", "-e", "-r", "/r" },
		  "Exec process spec path not provided. Use --exec-process-spec" },
		{ { "-c", "i", "-e", "-r", "/r", "--restore", "/d" },
		  "Cannot use 'exec' and 'restore' at the same time" },
		{ { "-c", "i", "-u", "u", "-r", "/r" }, "Log driver not provided. Use --log-path" },
		{ { "-c", "i", "-u", "u", "-r", "/r", "--exit-delay=-1" },
		  "Delay must be greater or equal to 0" },
		{ { "-c", "i", "-u", "u", "-r", "/r", "-lx", "--log-rotate", "--log-max-files=0" },
		  "--log-max-files must be at least 1" },
		{ { "-c", "i", "-e", "-r", "/r", "--exec-process-spec=p", "--exec-attach" },
		  "Attach can only be specified for a non-legacy exec session" },
		{ { "-c", "i", "-u", "u", "-r", "/r", "--exec-attach" },
		  "Attach can only be specified with exec" },
	};
	struct result res;

	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		parse(&res, bad[i].words);
		assert_int_equal(res.r, 0);
		assert_true(conmon_options_check(&res.o, &res.err) < 0);
		assert_string_equal(res.err.msg, bad[i].text);
		arena_done(&res.arena);
	}
	/* CRI-O's exec has no uuid. */
	PARSE(&res, "-c", "i", "-e", "-r", "/r", "--exec-process-spec=p", "-l", "x");
	assert_int_equal(conmon_options_check(&res.o, &res.err), 0);
	arena_done(&res.arena);
}

static void test_help(void **state UNUSED)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	conmon_options_help(f);
	fclose(f);
	/* What CRI-O looks for. */
	assert_non_null(strstr(text, "--log-global-size-max"));
	assert_null(strstr(text, "restore-arg"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_podman_words), cmocka_unit_test(test_aliases_and_glued),
		cmocka_unit_test(test_refused),      cmocka_unit_test(test_needed),
		cmocka_unit_test(test_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
