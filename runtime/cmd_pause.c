/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thole pause
 */
#include "runtime/command.h"
#include "runtime/control.h"

static int run(const struct command_call *call, struct err *err)
{
	return control_pause(call->arena, call->global->root, call->args[0], err);
}

const struct command cmd_pause = {
	.name = "pause",
	.args_help = "<container-id>",
	.help = "freeze all processes of a container",
	.min_args = 1,
	.max_args = 1,
	.error_status = 1,
	.run = run,
};
