/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thole: global options, the logger, the command look-up, and the one place that prints an error.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "common/path.h"
#include "common/version.h"
#include "runtime/command.h"
#include "runtime/host.h"
#include "runtime/protect.h"
#include "runtime/seccomp.h"
#include "spec/spec.h"

/* runc's words and status for a command that does not exist. */
#define NO_COMMAND "No help topic for '%s'"
#define NO_COMMAND_STATUS 3

#define STDERR_WAIT_MS 1000

/* Everything main knows about this call. */
struct program {
	struct arena arena;
	char **argv;
	struct global_options global;
	const struct option_values *flags;
	const struct command *command;
};

static void print_text(const char *text, size_t n)
{
	/* Help and version only: a closed stdout is nobody's error. */
	if (io_write_all(STDOUT_FILENO, text, n) < 0)
		return;
}

/* The one place where an error is printed. */
static int fail(const struct err *err, int status)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

	/* One line in the log of a failing call, the error: podman reads the file as one object. */
	log_release(false);
	log_error("%s", err->msg);
	/* It is in the log: nobody has to wait for a reader of stderr who first waits for our end. */
	if (log_is_file() && poll(&p, 1, STDERR_WAIT_MS) > 0)
		dprintf(STDERR_FILENO, "%s\n", err->msg);
	return status;
}

static int usage_error(const struct command *command, const struct err *err, bool bad_flag)
{
	CLEANUP_STR struct str text = { 0 };

	/* Callers (podman) look for the option parser's words in the output, whichever stream. */
	if (bad_flag)
		str_addf(&text, "Incorrect Usage: %s\n\n", err->msg);
	else
		str_add(&text, "Incorrect Usage.\n\n");
	if (command)
		command_help(command, &text);
	else
		command_help_all(command_table, command_globals, command_n_globals, &text);
	print_text(text.data, text.len);
	return fail(err, 1);
}

static int print_help(const struct command *command)
{
	CLEANUP_STR struct str text = { 0 };

	if (command)
		command_help(command, &text);
	else
		command_help_all(command_table, command_globals, command_n_globals, &text);
	print_text(text.data, text.len);
	return 0;
}

static int print_version(struct arena *arena)
{
	CLEANUP_STR struct str text = { 0 };

	str_addf(&text, "thole version %s\n", thole_version);
	str_addf(&text, "commit: %s\n", thole_commit);
	str_addf(&text, "spec: %s\n", SPEC_VERSION);
	str_addf(&text, "libseccomp: %s\n", seccomp_library_version(arena));
	print_text(text.data, text.len);
	return 0;
}

static int choose_level(const struct option_values *flags, enum log_level *ret, struct err *err)
{
	static const char *const words[] = { "debug", "info", "warning", "error" };
	const char *level = option_string(flags, "log-level");

	*ret = LOG_LEVEL_INFO;
	for (size_t i = 0; level && i < ARRAY_COUNT(words); i++) {
		if (str_eq(level, words[i])) {
			*ret = (enum log_level)i;
			level = NULL;
		}
	}
	if (option_bool(flags, "debug"))
		*ret = LOG_LEVEL_DEBUG;
	return level ? err_set(err, EINVAL, "invalid log-level: %s", level) : 0;
}

/* A path, as runc's; or crun's file:PATH, journald:IDENT and syslog:IDENT. */
static void choose_sink(const char *log, struct log_config *config)
{
	config->sink = LOG_SINK_STDERR;
	if (!log || !*log)
		return;
	if (str_starts_with(log, "journald:") || str_starts_with(log, "syslog:")) {
		const char *ident = strchr(log, ':') + 1;

		config->sink = log[0] == 'j' ? LOG_SINK_JOURNALD : LOG_SINK_SYSLOG;
		config->ident = *ident ? ident : "thole";
		return;
	}
	config->sink = LOG_SINK_FILE;
	config->path = str_starts_with(log, "file:") ? log + strlen("file:") : log;
}

static int open_log(const struct option_values *flags, struct err *err)
{
	const char *format = option_string(flags, "log-format");
	struct log_config config = { .ident = "thole" };
	int r = choose_level(flags, &config.level, err);

	if (r < 0)
		return r;
	choose_sink(option_string(flags, "log"), &config);
	if (format && !str_eq(format, "text") && !str_eq(format, "json"))
		return err_set(err, EINVAL, "invalid log-format: %s", format);
	config.json = format && str_eq(format, "json");
	r = log_open(&config, err);
	if (r >= 0)
		log_hold();
	return r;
}

/* Rootless callers, and root of a user namespace that does not say it is root, keep their state
 * below XDG_RUNTIME_DIR (the rule of runc). */
static bool honours_xdg_runtime_dir(void)
{
	const char *user;

	if (geteuid() != 0)
		return true;
	if (!host_in_user_ns())
		return false;
	user = getenv("USER");
	return !user || !str_eq(user, "root");
}

static int choose_root(struct program *p, struct err *err)
{
	const char *given = option_string(p->flags, "root");
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	char clean[PATH_MAX];
	int r;

	p->global.root_given = given != NULL;
	if (!given && xdg && *xdg && honours_xdg_runtime_dir()) {
		const char *root = arena_printf(&p->arena, "%s/thole", xdg);

		/* Sticky, so that nothing that tidies XDG_RUNTIME_DIR prunes it. */
		if (mkdir(root, 0700) < 0 && errno != EEXIST)
			return err_sys(err, "mkdir \"%s\"", root);
		if (chmod(root, 01700) < 0)
			return err_sys(err, "chmod \"%s\"", root);
		p->global.root = root;
		return 0;
	}
	if (!given) {
		p->global.root = COMMAND_DEFAULT_ROOT;
		return 0;
	}
	if (given[0] != '/')
		given = arena_printf(&p->arena, "%s/%s", p->global.cwd, given);
	r = path_clean(given, clean, sizeof(clean));
	if (r < 0)
		return err_sysn(err, r, "option --root \"%s\"", given);
	if (str_eq(clean, "/") || !*option_string(p->flags, "root"))
		return err_set(err, EINVAL, "Option --root argument should not be set to /");
	p->global.root = arena_strdup(&p->arena, clean);
	return 0;
}

static int choose_cgroup_manager(struct program *p, struct err *err)
{
	const char *name = option_string(p->flags, "cgroup-manager");

	p->global.cgroup_manager = CGROUP_MANAGER_FS;
	if (option_bool(p->flags, "systemd-cgroup"))
		p->global.cgroup_manager = CGROUP_MANAGER_SYSTEMD;
	if (!name || str_eq(name, "cgroupfs"))
		return 0;
	if (str_eq(name, "systemd"))
		p->global.cgroup_manager = CGROUP_MANAGER_SYSTEMD;
	else if (str_eq(name, "disabled"))
		p->global.cgroup_manager = CGROUP_MANAGER_DISABLED;
	else
		return err_set(err, EINVAL, "invalid cgroup-manager: %s", name);
	return 0;
}

static int choose_rootless(struct program *p, struct err *err)
{
	const char *text = option_string(p->flags, "rootless");

	if (text && !str_eq(text, "auto")) {
		if (!command_parse_bool(text, &p->global.rootless_cgroup))
			return err_set(err, EINVAL, "invalid rootless value: %s", text);
		p->global.rootless_given = true;
		return 0;
	}
	p->global.rootless_cgroup = geteuid() != 0 || host_in_user_ns();
	return 0;
}

static int choose_globals(struct program *p, struct err *err)
{
	char cwd[PATH_MAX];
	int r;

	/* A caller whose directory was removed (a cleaned-up bundle) must still be able to delete:
	 * only a relative path then fails, by not being found. */
	p->global.cwd = arena_strdup(&p->arena, getcwd(cwd, sizeof(cwd)) ? cwd : "/");
	p->global.debug = option_bool(p->flags, "debug");
	p->global.criu = option_string(p->flags, "criu");
	r = choose_root(p, err);
	if (r >= 0)
		r = choose_cgroup_manager(p, err);
	if (r >= 0)
		r = choose_rootless(p, err);
	return r;
}

/* `thole help [COMMAND]` */
static int help_command(char *const *words)
{
	const struct command *command = words[0] ? command_find(command_table, words[0]) : NULL;
	struct err err = { 0 };

	if (words[0] && !command) {
		(void)err_set(&err, EINVAL, NO_COMMAND, words[0]);
		return fail(&err, NO_COMMAND_STATUS);
	}
	return print_help(command);
}

/* Runs the command whose words (its name first) are given. */
static int run_command(struct program *p, char *const *words)
{
	struct err err = { 0 };
	struct command_parse parse = { 0 };
	struct command_call call = { .arena = &p->arena, .global = &p->global };

	p->command = command_find(command_table, words[0]);
	if (!p->command) {
		(void)err_set(&err, EINVAL, NO_COMMAND, words[0]);
		return fail(&err, NO_COMMAND_STATUS);
	}
	parse.options = p->command->options;
	parse.n_options = p->command->n_options;
	parse.stop_at_positional = p->command->stop_at_positional;
	parse.argv = words + 1;
	if (command_parse(&p->arena, &parse, &err) < 0)
		return usage_error(p->command, &err, true);
	if (parse.help)
		return print_help(p->command);
	if (command_check_args(p->command, p->argv[0], parse.n_args, &err) < 0)
		return usage_error(p->command, &err, false);
	if (choose_globals(p, &err) < 0)
		return fail(&err, 1);

	/* Before anything is read that a container could have written. */
	if (p->command->protect_binary && protect_binary(p->argv, &err) < 0)
		return fail(&err, p->command->error_status);

	call.options = parse.values;
	call.args = parse.args;
	call.n_args = parse.n_args;

	int status = p->command->run(&call, &err);

	if (status < 0)
		return fail(&err, p->command->error_status);
	log_release(true);
	return status;
}

static int run_program(struct program *p)
{
	struct err err = { 0 };
	struct command_parse parse = {
		.options = command_globals,
		.n_options = command_n_globals,
		.stop_at_positional = true,
		.argv = p->argv + 1,
	};

	if (command_parse(&p->arena, &parse, &err) < 0)
		return usage_error(NULL, &err, true);
	p->flags = parse.values;
	if (option_bool(p->flags, "version") || option_bool(p->flags, "V"))
		return print_version(&p->arena);
	if (parse.help || parse.n_args == 0)
		return print_help(NULL);
	if (str_eq(parse.args[0], "help"))
		return help_command(parse.args + 1);
	if (open_log(p->flags, &err) < 0)
		return fail(&err, 1);
	return run_command(p, parse.args);
}

int main(int argc, char **argv)
{
	struct program program = { .argv = argv };
	int status;

	if (argc < 1 || fd_fix_stdio() < 0)
		return 1;
	status = run_program(&program);
	arena_done(&program.arena);
	return status;
}
