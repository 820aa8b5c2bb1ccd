/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thole run
 */
#include "runtime/cmd_make.h"
#include "runtime/command.h"

static const struct option options[] = {
	CMD_MAKE_OPTIONS,
	{ .name = "detach",
	  .alias = "d",
	  .type = OPTION_BOOL,
	  .help = "return as soon as the container runs" },
	{ .name = "keep", .type = OPTION_BOOL, .help = "do not delete the container at its end" },
	{ .name = "no-subreaper",
	  .type = OPTION_BOOL,
	  .help = "do not adopt the container's orphans" },
};

static int run(const struct command_call *call, struct err *err)
{
	struct container_create req = { 0 };
	int r = cmd_make_request(call, &req, err);

	if (r < 0)
		return r;
	req.plan.detach = option_bool(call->options, "detach");
	req.keep = option_bool(call->options, "keep");
	req.no_subreaper = option_bool(call->options, "no-subreaper");
	return container_run(call->arena, &req, err);
}

const struct command cmd_run = {
	.name = "run",
	.args_help = "<container-id>",
	.help = "create a container and start it",
	.options = options,
	.n_options = ARRAY_COUNT(options),
	.min_args = 1,
	.max_args = 1,
	.protect_binary = true,
	.error_status = 1,
	.run = run,
};
