/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All commands and the global options. A command's own options are in its cmd_*.c. See command.h.
 */
#include "runtime/command.h"

const struct command *const command_table[] = {
	&cmd_create, &cmd_start,    &cmd_run,        &cmd_state,   &cmd_kill,
	&cmd_delete, &cmd_list,     &cmd_exec,       &cmd_ps,      &cmd_pause,
	&cmd_resume, &cmd_update,   &cmd_checkpoint, &cmd_restore, &cmd_events,
	&cmd_spec,   &cmd_features, &cmd_validate,   &cmd_explain, NULL,
};

const struct option command_globals[] = {
	{ .name = "root",
	  .type = OPTION_STRING,
	  .arg = "DIR",
	  .help = "directory for the containers' state (default " COMMAND_DEFAULT_ROOT ")" },
	{ .name = "log",
	  .type = OPTION_STRING,
	  .arg = "FILE",
	  .help = "append the messages to this file, or send them to journald:NAME or syslog:NAME "
		  "(default stderr)" },
	{ .name = "log-format",
	  .type = OPTION_STRING,
	  .arg = "text|json",
	  .help = "format of the messages (default text)" },
	{ .name = "log-level",
	  .type = OPTION_STRING,
	  .arg = "debug|info|warning|error",
	  .help = "least important messages to show (default info)" },
	{ .name = "debug", .type = OPTION_BOOL, .help = "log debug messages too" },
	{ .name = "systemd-cgroup",
	  .type = OPTION_BOOL,
	  .help = "let systemd manage the cgroup; cgroupsPath is slice:prefix:name" },
	{ .name = "cgroup-manager",
	  .type = OPTION_STRING,
	  .arg = "cgroupfs|systemd|disabled",
	  .help = "who makes the container's cgroup (default cgroupfs)" },
	{ .name = "rootless",
	  .type = OPTION_STRING,
	  .arg = "true|false|auto",
	  .help = "tolerate cgroup permission errors (default auto)" },
	{ .name = "criu",
	  .type = OPTION_STRING,
	  .arg = "PATH",
	  .help = "the criu program (default: criu, looked up in PATH)" },
	/* Shown by the helps themselves, as --help is. */
	{ .name = "version", .alias = "v", .type = OPTION_BOOL, .help = "", .hidden = true },
	{ .name = "V", .type = OPTION_BOOL, .help = "", .hidden = true },
};
const size_t command_n_globals = ARRAY_COUNT(command_globals);
