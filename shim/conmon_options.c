// SPDX-License-Identifier: Apache-2.0
// One table of options: parser and help.
#include "shim/conmon_options.h"

#include <errno.h>
#include <stddef.h>

#include "common/str.h"

enum kind { FLAG, TEXT, INT, INT64, LIST };

struct option {
	const char *name;
	char letter; /* 0: none */
	enum kind kind;
	size_t field;
	const char *help; /* NULL: not in the help */
};

#define F(member) offsetof(struct conmon_options, member)

/* clang-format off */
static const struct option options[] = {
	{ "api-version", 0, FLAG, F(api), "Conmon API version to use" },
	{ "bundle", 'b', TEXT, F(bundle), "Location of the OCI Bundle path" },
	{ "cid", 'c', TEXT, F(cid), "Identification of Container" },
	{ "conmon-pidfile", 'P', TEXT, F(conmon_pidfile), "PID file for the conmon process" },
	{ "container-pidfile", 'p', TEXT, F(container_pidfile), "PID file for the initial pid inside of container" },
	{ "pidfile", 0, TEXT, F(container_pidfile), NULL },
	{ "cuuid", 'u', TEXT, F(cuuid), "Container UUID" },
	{ "exec", 'e', FLAG, F(exec), "Exec a command into a running container" },
	{ "exec-attach", 0, FLAG, F(exec_attach), "Attach to an exec session" },
	{ "exec-process-spec", 0, TEXT, F(process_spec), "Path to the process spec for execution" },
	{ "exit-command", 0, TEXT, F(exit_command), "Path to the program to execute when the container terminates its execution" },
	{ "exit-command-arg", 0, LIST, F(exit_args), "Additional arg to pass to the exit command; may be repeated" },
	{ "exit-delay", 0, INT, F(exit_delay), "Delay before invoking the exit command (in seconds)" },
	{ "exit-dir", 0, TEXT, F(exit_dir), "Path to the directory where exit files are written" },
	{ "full-attach", 0, FLAG, F(full_attach), "Put the attach socket into the bundle, whatever the length of its path" },
	{ "help", 'h', FLAG, F(help), "Show help options" },
	{ "leave-stdin-open", 0, FLAG, F(leave_stdin_open), "Leave stdin open when attached client disconnects" },
	{ "log-allowlist-dir", 0, LIST, F(log_allow_dirs), "Directory in which logs may be rotated; may be repeated" },
	{ "log-global-size-max", 0, INT64, F(log_global_size_max), "Maximum size of all log files" },
	{ "log-label", 0, LIST, F(log_labels), "Additional label (KEY=VALUE) for the journal; may be repeated" },
	{ "log-level", 0, TEXT, F(log_level), "Print debug logs based on log level" },
	{ "log-max-files", 0, INT, F(log_max_files), "Number of rotated log files to keep" },
	{ "log-path", 'l', LIST, F(log_paths), "Log file path: DRIVER:PATH or PATH; may be repeated" },
	{ "log-rotate", 0, FLAG, F(log_rotate), "Rotate the log at its maximum size instead of shortening it" },
	{ "log-size-max", 0, INT64, F(log_size_max), "Maximum size of log file" },
	{ "log-tag", 0, TEXT, F(log_tag), "Additional tag to use for logging" },
	{ "name", 'n', TEXT, F(name), "Container name" },
	{ "no-container-partial-message", 0, FLAG, F(no_partial_message), "Do not set CONTAINER_PARTIAL_MESSAGE" },
	{ "no-new-keyring", 0, FLAG, F(no_new_keyring), "Do not create a new session keyring for the container" },
	{ "no-pivot", 0, FLAG, F(no_pivot), "Do not use pivot_root" },
	{ "no-sync-log", 0, FLAG, F(no_sync_log), "Do not sync the log to the disk when the container exits" },
	{ "persist-dir", '0', TEXT, F(persist_dir), "Persistent directory for a container that can be used for storing container data" },
	{ "replace-listen-pid", 0, FLAG, F(replace_listen_pid), "Replace LISTEN_PID with the pid of the runtime" },
	{ "restore", 0, TEXT, F(restore), "Restore a container from a checkpoint" },
	{ "runtime", 'r', TEXT, F(runtime), "Path to the runtime" },
	{ "runtime-arg", 0, LIST, F(runtime_args), "Additional arg for the runtime, before its command; may be repeated" },
	{ "runtime-opt", 0, LIST, F(runtime_opts), "Additional option for the runtime's command; may be repeated" },
	{ "restore-arg", 0, LIST, F(runtime_opts), NULL },
	{ "sdnotify-socket", 0, TEXT, F(sdnotify_socket), "Path to the host's sd-notify socket to relay messages to" },
	{ "seccomp-notify-plugins", 0, TEXT, F(seccomp_plugins), NULL },
	{ "seccomp-notify-socket", 0, TEXT, F(seccomp_socket), NULL },
	{ "socket-dir-path", 0, TEXT, F(socket_dir), "Location of container attach sockets" },
	{ "stdin", 'i', FLAG, F(stdin_open), "Open up a pipe to pass stdin to the container" },
	{ "sync", 0, FLAG, F(sync), "Do not fork away: this process is the monitor" },
	{ "syslog", 0, FLAG, F(syslog), "Log to syslog as well" },
	{ "systemd-cgroup", 's', FLAG, F(systemd_cgroup), "Enable systemd cgroup manager, rather then use the cgroupfs directly" },
	{ "terminal", 't', FLAG, F(terminal), "Allocate a pseudo-TTY. The default is false" },
	{ "timeout", 'T', INT, F(timeout), "Kill container after specified timeout in seconds" },
	{ "version", 0, FLAG, F(version), "Print the version and exit" },
};
/* clang-format on */

static const struct option *find(const char *name, size_t n)
{
	for (size_t i = 0; i < ARRAY_COUNT(options); i++)
		if (strlen(options[i].name) == n && strncmp(options[i].name, name, n) == 0)
			return &options[i];
	return NULL;
}

static const struct option *find_letter(char letter)
{
	if (letter == '?')
		letter = 'h';
	for (size_t i = 0; i < ARRAY_COUNT(options); i++)
		if (options[i].letter && options[i].letter == letter)
			return &options[i];
	return NULL;
}

struct words {
	int argc, at;
	char **argv;
	struct conmon_options *o;
	struct arena *arena;
};

/* A list has room for as many values as there are words. */
static void add(struct words *w, struct conmon_list *list, const char *value)
{
	if (!list->items)
		list->items = ARENA_ARRAY(w->arena, (size_t)w->argc, const char *);
	list->items[list->n++] = value;
}

static int store(struct words *w, const struct option *option, const char *value, struct err *err)
{
	char *field = (char *)w->o + option->field;
	int r = 0;

	switch (option->kind) {
	case FLAG:
		*(bool *)field = true;
		break;
	case TEXT:
		*(const char **)field = value;
		break;
	case LIST:
		add(w, (struct conmon_list *)(void *)field, value);
		break;
	case INT:
		r = parse_int(value, (int *)(void *)field);
		break;
	case INT64:
		r = parse_i64(value, 10, (int64_t *)(void *)field);
		break;
	}
	if (r < 0)
		return err_set(err, EINVAL,
			       "option parsing failed: Cannot parse integer value \"%s\" for --%s",
			       value, option->name);
	return 0;
}

static int missing(const char *option, struct err *err)
{
	return err_set(err, EINVAL, "option parsing failed: Missing argument for %s", option);
}

static int unknown(const char *option, struct err *err)
{
	return err_set(err, EINVAL, "option parsing failed: Unknown option %s", option);
}

static int long_option(struct words *w, struct err *err)
{
	const char *word = w->argv[w->at], *name = word + 2;
	size_t n = strcspn(name, "=");
	const struct option *option = find(name, n);
	const char *value = name[n] ? name + n + 1 : NULL;

	if (!option || (option->kind == FLAG && value))
		return unknown(word, err);
	if (option->kind != FLAG && !value) {
		if (w->at + 1 >= w->argc)
			return missing(word, err);
		value = w->argv[++w->at];
	}
	return store(w, option, value, err);
}

static int short_options(struct words *w, struct err *err)
{
	const char *word = w->argv[w->at];

	for (const char *p = word + 1; *p; p++) {
		const struct option *option = find_letter(*p);
		const char *value = NULL;
		int r;

		if (!option)
			return unknown(word, err);
		if (option->kind != FLAG) {
			value = p[1] ? p + 1 : w->at + 1 < w->argc ? w->argv[++w->at] : NULL;
			if (!value)
				return missing(word, err);
		}
		r = store(w, option, value, err);
		if (r < 0 || value)
			return r;
	}
	return 0;
}

int conmon_options_parse(int argc, char **argv, struct arena *arena, struct conmon_options *ret,
			 struct err *err)
{
	struct words w = { .argc = argc, .argv = argv, .arena = arena, .o = ret };
	int r = 0;

	*ret = (struct conmon_options){
		.log_size_max = -1,
		.log_global_size_max = -1,
		.log_max_files = 1,
		.socket_dir = "/var/run/crio",
	};
	for (w.at = 1; w.at < argc && r == 0; w.at++) {
		const char *word = argv[w.at];

		if (str_eq(word, "--"))
			break;
		if (str_starts_with(word, "--"))
			r = long_option(&w, err);
		else if (word[0] == '-' && word[1])
			r = short_options(&w, err);
		/* Anything else is ignored: podman writes "--api-version 1", where 1 is a stray. */
	}
	return r;
}

void conmon_options_help(FILE *to)
{
	fputs("Usage:\n  conmon [OPTION…]\n\nMonitors one container or one exec session: thole's "
	      "conmon\n\nOptions:\n",
	      to);
	for (size_t i = 0; i < ARRAY_COUNT(options); i++) {
		const struct option *o = &options[i];

		if (!o->help)
			continue;
		if (o->letter)
			fprintf(to, "  -%c, --%-30s %s\n", o->letter, o->name, o->help);
		else
			fprintf(to, "  --%-34s %s\n", o->name, o->help);
	}
}

static int check_mode(const struct conmon_options *o, struct err *err)
{
	if (!o->cid)
		return err_set(err, EINVAL, "Container ID not provided. Use --cid");
	if (!o->cid[0] || strchr(o->cid, '/') || o->cid[0] == '.')
		return err_set(err, EINVAL, "Container ID \"%s\" is no name", o->cid);
	if (o->exec && o->restore)
		return err_set(err, EINVAL, "Cannot use 'exec' and 'restore' at the same time");
	if (!o->cuuid && !(o->exec && !o->api))
		return err_set(err, EINVAL, "Container UUID not provided. Use --cuuid");
	if (!o->runtime)
		return err_set(err, EINVAL, "Runtime path not provided. Use --runtime");
	if (o->exec && !o->process_spec)
		return err_set(err, EINVAL,
			       "Exec process spec path not provided. Use --exec-process-spec");
	if (o->exec_attach && !o->exec)
		return err_set(err, EINVAL, "Attach can only be specified with exec");
	if (o->exec_attach && !o->api)
		return err_set(err, EINVAL,
			       "Attach can only be specified for a non-legacy exec session");
	if (o->exit_delay < 0)
		return err_set(err, EINVAL, "Delay must be greater or equal to 0");
	if (o->timeout < 0)
		return err_set(err, EINVAL, "Timeout must be greater or equal to 0");
	return 0;
}

int conmon_options_check(const struct conmon_options *o, struct err *err)
{
	int r = check_mode(o, err);

	if (r < 0)
		return r;
	if (!o->log_paths.n)
		return err_set(err, EINVAL, "Log driver not provided. Use --log-path");
	if (o->log_max_files < 0 || (o->log_rotate && o->log_max_files == 0))
		return err_set(err, EINVAL, "--log-max-files must be at least %d",
			       o->log_rotate ? 1 : 0);
	/* The exit file's name, and the socket's symlink. */
	if (o->cuuid && (!o->cuuid[0] || strchr(o->cuuid, '/') || o->cuuid[0] == '.'))
		return err_set(err, EINVAL, "Container UUID \"%s\" is no name", o->cuuid);
	return 0;
}
