/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thole exec
 */
#include "runtime/cmd_make.h"
#include "runtime/command.h"
#include "runtime/container.h"

static const struct option options[] = {
	{ .name = "process",
	  .alias = "p",
	  .type = OPTION_STRING,
	  .arg = "FILE",
	  .help = "the process as JSON; the options about it are then ignored" },
	{ .name = "tty", .alias = "t", .type = OPTION_BOOL, .help = "give it a terminal" },
	{ .name = "detach",
	  .alias = "d",
	  .type = OPTION_BOOL,
	  .help = "return as soon as the process runs" },
	{ .name = "cwd", .type = OPTION_STRING, .arg = "DIR", .help = "current directory" },
	{ .name = "env",
	  .alias = "e",
	  .type = OPTION_STRINGS,
	  .arg = "NAME=VALUE",
	  .help = "add to the environment" },
	{ .name = "user",
	  .alias = "u",
	  .type = OPTION_STRING,
	  .arg = "UID[:GID]",
	  .help = "user and group, as numbers" },
	{ .name = "additional-gids",
	  .alias = "g",
	  .type = OPTION_STRINGS,
	  .arg = "GID",
	  .help = "add a group" },
	{ .name = "cap",
	  .alias = "c",
	  .type = OPTION_STRINGS,
	  .arg = "CAP",
	  .help = "add a capability" },
	{ .name = "no-new-privs", .type = OPTION_BOOL, .help = "set no_new_privs" },
	{ .name = "process-label",
	  .type = OPTION_STRING,
	  .arg = "LABEL",
	  .help = "SELinux label of the process" },
	{ .name = "apparmor",
	  .type = OPTION_STRING,
	  .arg = "PROFILE",
	  .help = "AppArmor profile of the process" },
	{ .name = "cgroup",
	  .type = OPTION_STRINGS,
	  .arg = "[CTRL[,CTRL]:]PATH",
	  .help = "run in this cgroup below the container's" },
	{ .name = "no-new-keyring",
	  .type = OPTION_BOOL,
	  .help = "keep the caller's session keyring" },
	{ .name = "ignore-paused", .type = OPTION_BOOL, .help = "also in a paused container" },
	{ .name = "pid-file",
	  .type = OPTION_STRING,
	  .arg = "FILE",
	  .help = "file to write the pid of the process to" },
	{ .name = "console-socket",
	  .type = OPTION_STRING,
	  .arg = "PATH",
	  .help = "socket that gets the master of the terminal" },
	{ .name = "pidfd-socket",
	  .type = OPTION_STRING,
	  .arg = "PATH",
	  .help = "socket that gets a pidfd of the process" },
	{ .name = "preserve-fds",
	  .type = OPTION_INT,
	  .arg = "N",
	  .help = "pass N more descriptors, from 3 on" },
};

static int run(const struct command_call *call, struct err *err)
{
	const struct option_values *v = call->options;
	struct container_exec req = {
		.root = call->global->root,
		.debug = call->global->debug,
		.id = call->args[0],
		.args = call->args + 1,
		.process_file = cmd_path(call, "process"),
		.cwd = option_string(v, "cwd"),
		.user = option_string(v, "user"),
		.apparmor = option_string(v, "apparmor"),
		.selinux = option_string(v, "process-label"),
		.env = option_strings(v, "env"),
		.caps = option_strings(v, "cap"),
		.gids = option_strings(v, "additional-gids"),
		.cgroups = option_strings(v, "cgroup"),
		.tty = option_bool(v, "tty"),
		.no_new_privs = option_bool(v, "no-new-privs"),
		.detach = option_bool(v, "detach"),
		.no_new_keyring = option_bool(v, "no-new-keyring"),
		.ignore_paused = option_bool(v, "ignore-paused"),
		.pid_file = cmd_path(call, "pid-file"),
		.console_socket = cmd_path(call, "console-socket"),
		.pidfd_socket = cmd_path(call, "pidfd-socket"),
	};
	int r = option_int(v, "preserve-fds", 0, &req.preserve_fds, err);

	return r < 0 ? r : container_exec(call->arena, &req, err);
}

const struct command cmd_exec = {
	.name = "exec",
	.args_help = "<container-id> <command> [arguments]",
	.help = "run another process in a container",
	.options = options,
	.n_options = ARRAY_COUNT(options),
	.min_args = 1,
	.max_args = -1,
	.stop_at_positional = true,
	.protect_binary = true,
	.error_status = 255,
	.run = run,
};
