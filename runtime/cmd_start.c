/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thole start
 */
#include "runtime/cmd_make.h"
#include "runtime/command.h"
#include "runtime/container.h"

static int run(const struct command_call *call, struct err *err)
{
	return container_start(call->arena, call->global->root, call->args[0], cmd_notify_socket(),
			       err);
}

const struct command cmd_start = {
	.name = "start",
	.args_help = "<container-id>",
	.help = "run the program of a created container",
	.min_args = 1,
	.max_args = 1,
	.error_status = 1,
	.run = run,
};
