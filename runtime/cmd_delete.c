/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thole delete
 */
#include "runtime/cmd_regex.h"
#include "runtime/command.h"
#include "runtime/container.h"

static const struct option options[] = {
	{ .name = "force",
	  .alias = "f",
	  .type = OPTION_BOOL,
	  .help = "kill the container first if it still runs" },
	CMD_REGEX_OPTION,
};

static int delete (const struct command_call *call, const char *id, struct err *err)
{
	return container_delete(call->arena, call->global->root, id,
				option_bool(call->options, "force"), err);
}

static int run(const struct command_call *call, struct err *err)
{
	return cmd_regex_run(call, delete, err);
}

const struct command cmd_delete = {
	.name = "delete",
	.args_help = "<container-id>",
	.help = "remove everything that a container holds",
	.options = options,
	.n_options = ARRAY_COUNT(options),
	.min_args = 1,
	.max_args = 1,
	.error_status = 1,
	.run = run,
};
