/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thole restore
 */
#include <errno.h>

#include "runtime/cmd_criu.h"
#include "runtime/cmd_make.h"
#include "runtime/command.h"

static const struct option options[] = {
	CMD_CRIU_OPTIONS,
	{ .name = "bundle",
	  .alias = "b",
	  .type = OPTION_STRING,
	  .arg = "DIR",
	  .help = "root of the bundle (default: the current directory)" },
	{ .name = "console-socket",
	  .type = OPTION_STRING,
	  .arg = "PATH",
	  .help = "socket that gets the master of the container's terminal" },
	{ .name = "detach",
	  .alias = "d",
	  .type = OPTION_BOOL,
	  .help = "return as soon as the container runs" },
	{ .name = "pid-file",
	  .type = OPTION_STRING,
	  .arg = "FILE",
	  .help = "file to write the pid of the container's init to" },
	{ .name = "no-subreaper",
	  .type = OPTION_BOOL,
	  .help = "do not adopt the container's orphans" },
	{ .name = "no-pivot",
	  .type = OPTION_BOOL,
	  .help = "accepted: criu moves to the root by itself" },
	/* Given by conmon, which passes the words of create. */
	{ .name = "no-new-keyring", .type = OPTION_BOOL, .help = "accepted", .hidden = true },
	{ .name = "tcp-close",
	  .type = OPTION_BOOL,
	  .help = "restore TCP connections as closed ones" },
	{ .name = "lsm-profile",
	  .type = OPTION_STRING,
	  .arg = "TYPE:NAME",
	  .help = "label for the processes: selinux:LABEL or apparmor:NAME" },
	{ .name = "lsm-mount-context",
	  .type = OPTION_STRING,
	  .arg = "CONTEXT",
	  .help = "SELinux context for the mounts" },
};

static const char *text_option(const struct command_call *call, const char *name)
{
	const char *text = option_string(call->options, name);

	return text && *text ? text : NULL;
}

static int run(const struct command_call *call, struct err *err)
{
	struct container_create req = { 0 };
	struct criu_options criu = { .status_fd = -EBADF };
	int r = cmd_criu_options(call, CRIU_RESTORE, &criu, err);

	criu.tcp_close = option_bool(call->options, "tcp-close");
	criu.lsm_profile = text_option(call, "lsm-profile");
	criu.lsm_mount_context = text_option(call, "lsm-mount-context");
	if (r >= 0)
		r = criu_check_options(&criu, CRIU_RESTORE, err);
	if (r >= 0)
		r = cmd_enter_bundle(call, &req, err);
	if (r < 0)
		return r;
	req.plan.detach = option_bool(call->options, "detach");
	req.no_subreaper = option_bool(call->options, "no-subreaper");
	req.restore = &criu;
	return container_run(call->arena, &req, err);
}

const struct command cmd_restore = {
	.name = "restore",
	.args_help = "<container-id>",
	.help = "make a container from what checkpoint has saved, by criu",
	.options = options,
	.n_options = ARRAY_COUNT(options),
	.min_args = 1,
	.max_args = 1,
	.protect_binary = true,
	.error_status = 1,
	.run = run,
};
