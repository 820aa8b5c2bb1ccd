/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thole checkpoint
 */
#include <errno.h>
#include <fcntl.h>

#include "runtime/cmd_criu.h"
#include "runtime/command.h"
#include "runtime/container.h"

static const struct option options[] = {
	CMD_CRIU_OPTIONS,
	{ .name = "parent-path",
	  .type = OPTION_STRING,
	  .arg = "DIR",
	  .help = "images of the pre-dump before, relative to the image path" },
	{ .name = "leave-running",
	  .type = OPTION_BOOL,
	  .help = "let the container run on afterwards" },
	{ .name = "tcp-skip-in-flight",
	  .type = OPTION_BOOL,
	  .help = "leave out TCP connections that are being made" },
	{ .name = "link-remap",
	  .type = OPTION_BOOL,
	  .help = "give deleted files that are open a name for the time" },
	{ .name = "status-fd",
	  .type = OPTION_STRING,
	  .arg = "FD",
	  .help = "descriptor that gets a NUL byte when pages can be asked for" },
	{ .name = "page-server",
	  .type = OPTION_STRING,
	  .arg = "ADDRESS:PORT",
	  .help = "page server that the memory goes to" },
	{ .name = "pre-dump",
	  .type = OPTION_BOOL,
	  .help = "dump the memory only and let the container run on" },
};

static int read_own(const struct command_call *call, struct criu_options *o, struct err *err)
{
	const char *server = option_string(call->options, "page-server");
	const char *status = option_string(call->options, "status-fd");

	o->leave_running = option_bool(call->options, "leave-running");
	o->tcp_skip_in_flight = option_bool(call->options, "tcp-skip-in-flight");
	o->link_remap = option_bool(call->options, "link-remap");
	o->pre_dump = option_bool(call->options, "pre-dump");
	o->parent_path = option_string(call->options, "parent-path");
	if (o->parent_path && !*o->parent_path)
		o->parent_path = NULL;
	if (status && *status &&
	    (parse_int(status, &o->status_fd) < 0 || fcntl(o->status_fd, F_GETFD) < 0))
		return err_set(err, EINVAL, "invalid status-fd: \"%s\" is no open descriptor",
			       status);
	if (server && *server)
		return criu_parse_page_server(call->arena, server, o, err);
	return 0;
}

static int run(const struct command_call *call, struct err *err)
{
	struct container_checkpoint req = {
		.root = call->global->root,
		.id = call->args[0],
		.debug = call->global->debug,
	};
	struct criu_options own = { .status_fd = -EBADF };
	enum criu_type type;
	int r = read_own(call, &own, err);

	type = own.pre_dump ? CRIU_PRE_DUMP : CRIU_DUMP;
	if (r >= 0)
		r = cmd_criu_options(call, type, &own, err);
	if (r >= 0)
		r = criu_check_options(&own, type, err);
	if (r < 0)
		return r;
	req.criu = own;
	return container_checkpoint(call->arena, &req, err);
}

const struct command cmd_checkpoint = {
	.name = "checkpoint",
	.args_help = "<container-id>",
	.help = "save a running container to disk, by criu",
	.options = options,
	.n_options = ARRAY_COUNT(options),
	.min_args = 1,
	.max_args = 1,
	.error_status = 1,
	.run = run,
};
