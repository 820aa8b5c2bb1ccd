/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conmon's command line as a struct: every option of conmon 2.2, read as GLib reads it (short ones
 * glued, stray operands ignored). Pure: nothing is opened or started.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/arena.h"
#include "common/err.h"

struct conmon_list {
	const char **items;
	size_t n;
};

struct conmon_options {
	bool help, version;
	bool api; /* API 1 */
	const char *bundle, *cid, *cuuid, *name;
	const char *runtime;
	struct conmon_list runtime_args, runtime_opts;
	const char *conmon_pidfile, *container_pidfile;
	bool exec, exec_attach;
	const char *process_spec, *restore;
	const char *exit_dir, *persist_dir;
	const char *exit_command;
	struct conmon_list exit_args;
	int exit_delay; /* seconds */
	struct conmon_list log_paths;
	int64_t log_size_max, log_global_size_max; /* < 0: none */
	const char *log_tag;
	struct conmon_list log_labels;
	bool no_partial_message, log_rotate;
	int log_max_files; /* rotated ones that are kept */
	struct conmon_list log_allow_dirs;
	const char *log_level;
	bool syslog;
	bool stdin_open, leave_stdin_open, terminal;
	bool systemd_cgroup, no_pivot, no_new_keyring;
	const char *socket_dir;
	bool full_attach, sync, no_sync_log;
	int timeout; /* seconds, 0: none */
	bool replace_listen_pid;
	const char *sdnotify_socket;
	const char *seccomp_socket,
		*seccomp_plugins; /* accepted, without effect, as in newer conmon */
};

/* Only words into fields; errors read "option parsing failed: ...". Lists live in the arena, strings
 * in argv. */
MUST_CHECK int conmon_options_parse(int argc, char **argv, struct arena *arena,
				    struct conmon_options *ret, struct err *err);

/* What must be there and what excludes what, conmon's texts. */
MUST_CHECK int conmon_options_check(const struct conmon_options *o, struct err *err);

void conmon_options_help(FILE *to);
