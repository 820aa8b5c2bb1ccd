/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command table: one row a command, one row an option; parsing and help come from it. Grammar
 * as runc's: --flag V, --flag=V, -flag V, -f V; booleans --flag, --flag=true|false; repeated
 * options collect.
 */
#pragma once

#include <stdbool.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/str.h"
#include "runtime/plan_request.h"

enum option_type { OPTION_BOOL, OPTION_STRING, OPTION_INT, OPTION_STRINGS };

struct option {
	const char *name;  /* without dashes */
	const char *alias; /* another spelling ("b" for bundle), or NULL */
	enum option_type type;
	/* The argument's word in help, NULL for BOOL. The completions take it at its word: FILE, PATH,
	 * DIR, or the values themselves, as "table|json". */
	const char *arg;
	const char *help; /* one line */
	bool hidden;
};

struct option_values; /* filled by the parser; asked by name */
bool option_bool(const struct option_values *v, const char *name);
const char *option_string(const struct option_values *v, const char *name); /* NULL: not given */
bool option_given(const struct option_values *v, const char *name);
/* NULL-terminated list of a repeated option's values, in order; never NULL. */
const char *const *option_strings(const struct option_values *v, const char *name);
MUST_CHECK int option_int(const struct option_values *v, const char *name, int fallback, int *ret,
			  struct err *err);

struct global_options {
	const char *root; /* absolute */
	bool debug;
	bool root_given;
	enum cgroup_manager cgroup_manager;
	bool rootless_cgroup; /* decided from --rootless and the caller's identity */
	bool rootless_given;  /* --rootless is not auto */
	const char *cwd;      /* at start, for relative paths */
	const char *criu;     /* --criu: the program, NULL: looked up */
};

struct command_call {
	struct arena *arena;
	const struct global_options *global;
	const struct option_values *options;
	char *const *args; /* positionals, NULL-terminated */
	int n_args;
};

struct command {
	const char *name;
	const char *args_help; /* "<container-id>", which the completions know */
	const char *help;
	const struct option *options;
	size_t n_options;
	int min_args, max_args;  /* max -1: any */
	bool stop_at_positional; /* exec, ps, kill: flags end at the first positional */
	bool protect_binary; /* runs container code's neighbour: re-exec from a read-only clone */
	int error_status;    /* exit status on failure: 1, exec 255 */
	/* >= 0: exit status; < 0: err was filled and is printed by main. */
	int (*run)(const struct command_call *call, struct err *err);
};

/* One run of the parser: the table and the words in, the values out. */
struct command_parse {
	const struct option *options;
	size_t n_options;
	bool stop_at_positional;
	char *const *argv; /* the words after the program's or the command's name */

	struct option_values *values;
	char *const *args; /* positionals, NULL-terminated */
	int n_args;
	bool help; /* -h or --help was given; nothing else was checked after it */
};

/* Reads the words; values live in the arena, texts stay argv's. -EINVAL with the text of the option
 * parser that callers know ("flag needs an argument: -x", "flag provided but not defined: -x"). */
MUST_CHECK int command_parse(struct arena *arena, struct command_parse *parse, struct err *err);

/* True, and *ret, for the boolean words of Go's strconv.ParseBool. */
bool command_parse_bool(const char *text, bool *ret);

/* NULL if there is no command of that name. */
const struct command *command_find(const struct command *const *table, const char *name);

/* Checks the number of positionals; text as runc's, with argv0 in front. */
MUST_CHECK int command_check_args(const struct command *command, const char *argv0, int n_args,
				  struct err *err);

/* The help texts, built from the tables. `table` ends with NULL. */
void command_help(const struct command *command, struct str *out);
void command_help_all(const struct command *const *table, const struct option *globals,
		      size_t n_globals, struct str *out);

/* Every command, ending with NULL, and the global options (command_table.c): all there is to parse,
 * to show in a help, a man page or a completion. */
extern const struct command *const command_table[];
extern const struct option command_globals[];
extern const size_t command_n_globals;
#define COMMAND_DEFAULT_ROOT "/run/thole"

extern const struct command cmd_create, cmd_start, cmd_run, cmd_state, cmd_kill, cmd_delete;
extern const struct command cmd_list, cmd_exec, cmd_ps, cmd_spec, cmd_features;
extern const struct command cmd_validate, cmd_explain;
extern const struct command cmd_pause, cmd_resume, cmd_update, cmd_events;
extern const struct command cmd_checkpoint, cmd_restore;
