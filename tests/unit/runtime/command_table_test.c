/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every flag that callers of runc (and of crun, where said) use, in every spelling, against the real
 * tables; and what the tables promise to the helps, the man pages and the completions.
 */
#include "tests/unit/common/tmpdir.h"

#include <errno.h>

#include "runtime/command.h"

enum kind { B, S, N, M }; /* boolean, string, number, repeated */

static const struct flag {
	const char *command; /* NULL: global */
	const char *name, *alias;
	enum kind kind;
} flags[] = {
	{ NULL, "root", NULL, S },
	{ NULL, "log", NULL, S },
	{ NULL, "log-format", NULL, S },
	{ NULL, "log-level", NULL, S }, /* crun */
	{ NULL, "debug", NULL, B },
	{ NULL, "systemd-cgroup", NULL, B },
	{ NULL, "cgroup-manager", NULL, S }, /* crun */
	{ NULL, "rootless", NULL, S },
	{ NULL, "criu", NULL, S },
	{ NULL, "version", "v", B },
	{ NULL, "V", NULL, B }, /* crun */
	{ "create", "bundle", "b", S },
	{ "create", "config", "f", S }, /* crun */
	{ "create", "console-socket", NULL, S },
	{ "create", "pidfd-socket", NULL, S },
	{ "create", "pid-file", NULL, S },
	{ "create", "no-pivot", NULL, B },
	{ "create", "no-new-keyring", NULL, B },
	{ "create", "preserve-fds", NULL, N },
	{ "create", "detach", "d", B },        /* go-runc's option */
	{ "create", "no-subreaper", NULL, B }, /* crun */
	{ "run", "bundle", "b", S },
	{ "run", "config", "f", S },
	{ "run", "console-socket", NULL, S },
	{ "run", "pidfd-socket", NULL, S },
	{ "run", "pid-file", NULL, S },
	{ "run", "no-pivot", NULL, B },
	{ "run", "no-new-keyring", NULL, B },
	{ "run", "preserve-fds", NULL, N },
	{ "run", "detach", "d", B },
	{ "run", "keep", NULL, B },
	{ "run", "no-subreaper", NULL, B },
	{ "checkpoint", "image-path", NULL, S },
	{ "checkpoint", "work-path", NULL, S },
	{ "checkpoint", "tcp-established", NULL, B },
	{ "checkpoint", "ext-unix-sk", NULL, B },
	{ "checkpoint", "shell-job", NULL, B },
	{ "checkpoint", "lazy-pages", NULL, B },
	{ "checkpoint", "file-locks", NULL, B },
	{ "checkpoint", "manage-cgroups-mode", NULL, S },
	{ "checkpoint", "empty-ns", NULL, M },
	{ "checkpoint", "auto-dedup", NULL, B },
	{ "checkpoint", "network-lock", NULL, S },
	{ "checkpoint", "parent-path", NULL, S },
	{ "checkpoint", "leave-running", NULL, B },
	{ "checkpoint", "tcp-skip-in-flight", NULL, B },
	{ "checkpoint", "link-remap", NULL, B },
	{ "checkpoint", "status-fd", NULL, N },
	{ "checkpoint", "page-server", NULL, S },
	{ "checkpoint", "pre-dump", NULL, B },
	{ "restore", "image-path", NULL, S },
	{ "restore", "work-path", NULL, S },
	{ "restore", "tcp-established", NULL, B },
	{ "restore", "ext-unix-sk", NULL, B },
	{ "restore", "shell-job", NULL, B },
	{ "restore", "lazy-pages", NULL, B },
	{ "restore", "file-locks", NULL, B },
	{ "restore", "manage-cgroups-mode", NULL, S },
	{ "restore", "empty-ns", NULL, M },
	{ "restore", "auto-dedup", NULL, B },
	{ "restore", "network-lock", NULL, S },
	{ "restore", "bundle", "b", S },
	{ "restore", "console-socket", NULL, S },
	{ "restore", "detach", "d", B },
	{ "restore", "pid-file", NULL, S },
	{ "restore", "no-subreaper", NULL, B },
	{ "restore", "no-pivot", NULL, B },
	{ "restore", "no-new-keyring", NULL, B },
	{ "restore", "tcp-close", NULL, B },
	{ "restore", "lsm-profile", NULL, S },
	{ "restore", "lsm-mount-context", NULL, S },
	{ "list", "format", "f", S },
	{ "list", "quiet", "q", B },
	{ "ps", "format", "f", S },
	{ "events", "interval", NULL, S },
	{ "events", "stats", NULL, B },
	{ "kill", "all", "a", B },
	{ "kill", "regex", "r", B }, /* crun */
	{ "delete", "force", "f", B },
	{ "delete", "regex", "r", B }, /* crun */
	{ "exec", "process", "p", S },
	{ "exec", "tty", "t", B },
	{ "exec", "detach", "d", B },
	{ "exec", "pid-file", NULL, S },
	{ "exec", "console-socket", NULL, S },
	{ "exec", "pidfd-socket", NULL, S },
	{ "exec", "preserve-fds", NULL, N },
	{ "exec", "cwd", NULL, S },
	{ "exec", "env", "e", M },
	{ "exec", "user", "u", S },
	{ "exec", "additional-gids", "g", M },
	{ "exec", "cap", "c", M },
	{ "exec", "no-new-privs", NULL, B },
	{ "exec", "no-new-keyring", NULL, B },
	{ "exec", "process-label", NULL, S },
	{ "exec", "apparmor", NULL, S },
	{ "exec", "cgroup", NULL, M },
	{ "exec", "ignore-paused", NULL, B },
	{ "update", "resources", "r", S },
	{ "update", "blkio-weight", NULL, S },
	{ "update", "cpu-period", NULL, S },
	{ "update", "cpu-quota", NULL, S },
	{ "update", "cpu-burst", NULL, S },
	{ "update", "cpu-rt-period", NULL, S },
	{ "update", "cpu-rt-runtime", NULL, S },
	{ "update", "cpu-share", NULL, S },
	{ "update", "cpu-idle", NULL, S },
	{ "update", "cpuset-cpus", NULL, S },
	{ "update", "cpuset-mems", NULL, S },
	{ "update", "memory", NULL, S },
	{ "update", "memory-reservation", NULL, S },
	{ "update", "memory-swap", NULL, S },
	{ "update", "kernel-memory", NULL, S },
	{ "update", "kernel-memory-tcp", NULL, S },
	{ "update", "pids-limit", NULL, S },
	{ "update", "l3-cache-schema", NULL, S },
	{ "update", "mem-bw-schema", NULL, S },
	{ "spec", "bundle", "b", S },
	{ "spec", "config", "f", S }, /* crun */
	{ "spec", "rootless", NULL, B },
};

/* Parses "-- with `dashes`" name [= or blank] value for the table of that flag. */
static int parse(struct arena *arena, const struct flag *f, const char *word, const char *value,
		 struct command_parse *p, struct err *err)
{
	const struct command *c = f->command ? command_find(command_table, f->command) : NULL;
	char **argv = ARENA_ARRAY(arena, 4, char *);

	if (f->command && !c)
		fail_msg("there is no command %s", f->command);
	argv[0] = arena_strdup(arena, word);
	argv[1] = value ? arena_strdup(arena, value) : NULL;
	*p = (struct command_parse){
		.options = c ? c->options : command_globals,
		.n_options = c ? c->n_options : command_n_globals,
		.stop_at_positional = !c || c->stop_at_positional,
		.argv = argv,
	};
	return command_parse(arena, p, err);
}

static void check_value(struct arena *arena, const struct flag *f, const char *dashes,
			const char *spelled)
{
	const char *value = f->kind == N ? "3" : "v";

	for (int equals = 0; equals < 2; equals++) {
		struct err err = { 0 };
		struct command_parse p;
		const char *word = equals ? arena_printf(arena, "%s%s=%s", dashes, spelled, value)
					  : arena_printf(arena, "%s%s", dashes, spelled);

		if (parse(arena, f, word, equals ? NULL : value, &p, &err) < 0)
			fail_msg("%s %s: %s", f->command ? f->command : "thole", word, err.msg);
		assert_int_equal(p.n_args, 0);
		assert_string_equal(option_string(p.values, f->name), value);
	}
}

static void check_bool(struct arena *arena, const struct flag *f, const char *dashes,
		       const char *spelled)
{
	static const char *const tails[] = { "", "=true", "=false" };

	for (size_t i = 0; i < ARRAY_COUNT(tails); i++) {
		const char *word = arena_printf(arena, "%s%s%s", dashes, spelled, tails[i]);
		struct err err = { 0 };
		struct command_parse p;

		/* The next word is never its value. */
		if (parse(arena, f, word, "id", &p, &err) < 0)
			fail_msg("%s %s: %s", f->command ? f->command : "thole", word, err.msg);
		assert_int_equal(p.n_args, 1);
		assert_int_equal(option_bool(p.values, f->name), i < 2);
	}
}

static void test_every_flag_in_every_spelling(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(flags); i++) {
		const struct flag *f = &flags[i];
		CLEANUP_ARENA struct arena arena = { 0 };

		for (int spelling = 0; spelling < (f->alias ? 4 : 2); spelling++) {
			const char *dashes = spelling % 2 ? "-" : "--";
			const char *name = spelling < 2 ? f->name : f->alias;

			if (f->kind == B)
				check_bool(&arena, f, dashes, name);
			else
				check_value(&arena, f, dashes, name);
		}
	}
}

static void test_missing_values_and_unknown_flags(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(flags); i++) {
		const struct flag *f = &flags[i];
		CLEANUP_ARENA struct arena arena = { 0 };
		struct command_parse p;
		struct err err = { 0 };
		const char *text;

		/* An abbreviation is not the flag, or a new one would change what it means. */
		if (strlen(f->name) > 3) {
			text = arena_printf(&arena, "--%.*s", (int)strlen(f->name) - 1, f->name);
			assert_int_equal(parse(&arena, f, text, NULL, &p, &err), -EINVAL);
			assert_non_null(strstr(err.msg, "flag provided but not defined: -"));
		}
		if (f->kind == B)
			continue;
		text = arena_printf(&arena, "--%s", f->name);
		assert_int_equal(parse(&arena, f, text, NULL, &p, &err), -EINVAL);
		assert_string_equal(err.msg,
				    arena_printf(&arena, "flag needs an argument: -%s", f->name));
	}
}

static void test_repeated_flags(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(flags); i++) {
		const struct flag *f = &flags[i];
		CLEANUP_ARENA struct arena arena = { 0 };
		const struct command *c =
			f->command ? command_find(command_table, f->command) : NULL;
		struct command_parse p = {
			.options = c ? c->options : command_globals,
			.n_options = c ? c->n_options : command_n_globals,
		};
		char *flag = arena_printf(&arena, "--%s", f->name);
		char first[] = "1,2", second[] = "3";
		char *argv[] = { flag, first, flag, second, NULL };
		struct err err = { 0 };

		/* The comma separates nothing. */
		if (f->kind != M)
			continue;
		p.argv = argv;
		assert_int_equal(command_parse(&arena, &p, &err), 0);
		assert_string_equal(option_strings(p.values, f->name)[0], "1,2");
		assert_string_equal(option_strings(p.values, f->name)[1], "3");
		assert_null(option_strings(p.values, f->name)[2]);
	}
}

static void check_rows(const char *where, const struct option *options, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct option *o = &options[i];

		for (size_t j = 0; j < i; j++)
			if (str_eq(options[j].name, o->name) ||
			    (o->alias && options[j].alias && str_eq(options[j].alias, o->alias)))
				fail_msg("%s: --%s is there twice", where, o->name);
		if (o->hidden)
			continue;
		if (!o->help || !*o->help || (o->type != OPTION_BOOL) != (o->arg != NULL))
			fail_msg("%s: --%s lacks its help or the word of its value", where,
				 o->name);
	}
}

static void test_rows_are_complete(void **state)
{
	(void)state;
	check_rows("thole", command_globals, command_n_globals);
	for (const struct command *const *c = command_table; *c; c++) {
		check_rows((*c)->name, (*c)->options, (*c)->n_options);
		assert_non_null((*c)->help);
		assert_non_null((*c)->run);
		assert_true((*c)->error_status == (str_eq((*c)->name, "exec") ? 255 : 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_flag_in_every_spelling),
		cmocka_unit_test(test_missing_values_and_unknown_flags),
		cmocka_unit_test(test_repeated_flags),
		cmocka_unit_test(test_rows_are_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
