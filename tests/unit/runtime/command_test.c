/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/common/tmpdir.h"

#include <errno.h>

#include "runtime/command.h"

static const struct option table[] = {
	{ .name = "bundle", .alias = "b", .type = OPTION_STRING, .arg = "DIR", .help = "bundle" },
	{ .name = "env",
	  .alias = "e",
	  .type = OPTION_STRINGS,
	  .arg = "K=V",
	  .help = "environment" },
	{ .name = "preserve-fds", .type = OPTION_INT, .arg = "N", .help = "fds" },
	{ .name = "detach", .alias = "d", .type = OPTION_BOOL, .help = "detach" },
	{ .name = "secret", .type = OPTION_BOOL, .help = "not shown", .hidden = true },
};

struct fixture {
	struct arena arena;
	struct command_parse parse;
	struct err err;
};

static int parse(struct fixture *f, bool stop, const char *const *words)
{
	f->parse = (struct command_parse){
		.options = table,
		.n_options = ARRAY_COUNT(table),
		.stop_at_positional = stop,
		.argv = (char *const *)words,
	};
	f->err = (struct err){ 0 };
	return command_parse(&f->arena, &f->parse, &f->err);
}

#define PARSE(f, stop, ...) parse((f), (stop), (const char *const[]){ __VA_ARGS__, NULL })

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct fixture));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	arena_done(&f->arena);
	free(f);
	return 0;
}

static void test_spellings(void **state)
{
	const char *const *const rows[] = {
		(const char *const[]){ "--bundle", "/b", NULL },
		(const char *const[]){ "--bundle=/b", NULL },
		(const char *const[]){ "-bundle", "/b", NULL },
		(const char *const[]){ "-bundle=/b", NULL },
		(const char *const[]){ "-b", "/b", NULL },
		(const char *const[]){ "-b=/b", NULL },
		(const char *const[]){ "--b", "/b", NULL },
		(const char *const[]){ "-b", "/a", "-b", "/b", NULL },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		assert_int_equal(parse(f, false, rows[i]), 0);
		assert_string_equal(option_string(f->parse.values, "bundle"), "/b");
		assert_true(option_given(f->parse.values, "bundle"));
		assert_int_equal(f->parse.n_args, 0);
	}
}

static void test_values_that_look_odd(void **state)
{
	struct fixture *f = *state;

	/* The word after an option is its value, whatever it is; and "" is one. */
	assert_int_equal(PARSE(f, false, "--bundle", "-d", "--env=", "--env", "A=b,c=d"), 0);
	assert_string_equal(option_string(f->parse.values, "bundle"), "-d");
	assert_false(option_bool(f->parse.values, "detach"));
	assert_string_equal(option_strings(f->parse.values, "env")[0], "");
	assert_string_equal(option_strings(f->parse.values, "env")[1], "A=b,c=d");
	assert_null(option_strings(f->parse.values, "env")[2]);
}

static void test_bools(void **state)
{
	struct fixture *f = *state;
	bool b;

	assert_int_equal(PARSE(f, false, "-d"), 0);
	assert_true(option_bool(f->parse.values, "detach"));
	assert_int_equal(PARSE(f, false, "--detach=false", "x"), 0);
	assert_false(option_bool(f->parse.values, "detach"));
	assert_true(option_given(f->parse.values, "detach"));
	assert_int_equal(PARSE(f, false, "-d=T", "true"), 0);
	assert_true(option_bool(f->parse.values, "detach"));
	assert_string_equal(f->parse.args[0], "true");
	assert_int_equal(PARSE(f, false, "-d=yes"), -EINVAL);
	assert_string_equal(f->err.msg, "invalid boolean value \"yes\" for -detach: parse error");
	assert_false(command_parse_bool("", &b));
	assert_true(command_parse_bool("0", &b) && !b);
}

static void test_ints(void **state)
{
	struct fixture *f = *state;
	int n;

	assert_int_equal(PARSE(f, false, "x"), 0);
	assert_int_equal(option_int(f->parse.values, "preserve-fds", 7, &n, &f->err), 0);
	assert_int_equal(n, 7);
	assert_int_equal(PARSE(f, false, "--preserve-fds", "3"), 0);
	assert_int_equal(option_int(f->parse.values, "preserve-fds", 7, &n, &f->err), 0);
	assert_int_equal(n, 3);
	assert_int_equal(PARSE(f, false, "--preserve-fds=3x"), -EINVAL);
	assert_string_equal(f->err.msg, "invalid value \"3x\" for flag -preserve-fds: parse error");
}

static void test_positionals(void **state)
{
	struct fixture *f = *state;

	/* Flags on either side of the id... */
	assert_int_equal(PARSE(f, false, "-d", "id", "--bundle", "/b", "-"), 0);
	assert_int_equal(f->parse.n_args, 2);
	assert_string_equal(f->parse.args[0], "id");
	assert_string_equal(f->parse.args[1], "-");
	assert_null(f->parse.args[2]);
	assert_string_equal(option_string(f->parse.values, "bundle"), "/b");
	/* ... but not for exec, kill and ps. */
	assert_int_equal(PARSE(f, true, "-d", "id", "sh", "-c", "--bundle", "--"), 0);
	assert_int_equal(f->parse.n_args, 5);
	assert_string_equal(f->parse.args[2], "-c");
	assert_string_equal(f->parse.args[4], "--");
	assert_null(option_string(f->parse.values, "bundle"));
	assert_int_equal(PARSE(f, false, "--", "-d", "-x"), 0);
	assert_int_equal(f->parse.n_args, 2);
	assert_false(option_bool(f->parse.values, "detach"));
}

static void test_errors(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(PARSE(f, false, "--nope=1"), -EINVAL);
	assert_string_equal(f->err.msg, "flag provided but not defined: -nope");
	assert_int_equal(PARSE(f, false, "--bundle"), -EINVAL);
	assert_string_equal(f->err.msg, "flag needs an argument: -bundle");
	assert_int_equal(PARSE(f, false, "---bundle"), -EINVAL);
	assert_string_equal(f->err.msg, "bad flag syntax: ---bundle");
	assert_int_equal(PARSE(f, false, "--=x"), -EINVAL);
	assert_int_equal(PARSE(f, false, "-bund", "x"), -EINVAL);
}

static void test_help(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(PARSE(f, false, "id", "--help", "--nope"), 0);
	assert_true(f->parse.help);
	assert_int_equal(PARSE(f, false, "-h"), 0);
	assert_true(f->parse.help);
	assert_int_equal(PARSE(f, true, "id", "-h"), 0);
	assert_false(f->parse.help);
}

static const struct command command = {
	.name = "frob",
	.args_help = "<container-id>",
	.help = "frobnicate a container",
	.options = table,
	.n_options = ARRAY_COUNT(table),
	.min_args = 1,
	.max_args = 1,
};

static void test_help_text(void **state)
{
	const struct command *const commands[] = { &command, NULL };
	CLEANUP_STR struct str text = { 0 };

	(void)state;
	command_help(&command, &text);
	assert_non_null(strstr(text.data, "thole frob [command options] <container-id>"));
	assert_non_null(strstr(text.data, "--bundle DIR, -b DIR"));
	assert_non_null(strstr(text.data, "--detach, -d "));
	assert_null(strstr(text.data, "secret"));
	str_reset(&text);
	command_help_all(commands, table, ARRAY_COUNT(table), &text);
	assert_non_null(strstr(text.data, "   frob         frobnicate a container\n"));
	assert_ptr_equal(command_find(commands, "frob"), &command);
	assert_null(command_find(commands, "fro"));
}

static void test_counts(void **state)
{
	static const struct {
		int min, max, n;
		const char *text;
	} rows[] = {
		{ 1, 1, 1, NULL },
		{ 1, 1, 0, "thole: \"frob\" requires exactly 1 argument(s)" },
		{ 1, 1, 2, "thole: \"frob\" requires exactly 1 argument(s)" },
		{ 1, 2, 0, "thole: \"frob\" requires a minimum of 1 argument(s)" },
		{ 1, 2, 3, "thole: \"frob\" requires a maximum of 2 argument(s)" },
		{ 1, -1, 99, NULL },
		{ 0, 0, 1, "thole: \"frob\" requires exactly 0 argument(s)" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct command c = command;
		struct err err = { 0 };
		int r;

		c.min_args = rows[i].min;
		c.max_args = rows[i].max;
		r = command_check_args(&c, "thole", rows[i].n, &err);
		assert_int_equal(r, rows[i].text ? -EINVAL : 0);
		assert_string_equal(err.msg, rows[i].text ? rows[i].text : "");
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_spellings),
		TEST(test_values_that_look_odd),
		TEST(test_bools),
		TEST(test_ints),
		TEST(test_positionals),
		TEST(test_errors),
		TEST(test_help),
		cmocka_unit_test(test_help_text),
		cmocka_unit_test(test_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
