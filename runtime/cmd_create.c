/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thole create
 */
#include "runtime/cmd_make.h"
#include "runtime/command.h"

static const struct option options[] = {
	CMD_MAKE_OPTIONS,
	/* create always detaches and is nobody's subreaper; callers of other runtimes say so. */
	{ .name = "detach", .alias = "d", .type = OPTION_BOOL, .help = "", .hidden = true },
	{ .name = "no-subreaper", .type = OPTION_BOOL, .help = "", .hidden = true },
};

static int run(const struct command_call *call, struct err *err)
{
	struct container_create req = { 0 };
	int r = cmd_make_request(call, &req, err);

	if (r < 0)
		return r;
	req.plan.detach = true;
	return container_create(call->arena, &req, err);
}

const struct command cmd_create = {
	.name = "create",
	.args_help = "<container-id>",
	.help = "create a container",
	.options = options,
	.n_options = ARRAY_COUNT(options),
	.min_args = 1,
	.max_args = 1,
	.protect_binary = true,
	.error_status = 1,
	.run = run,
};
