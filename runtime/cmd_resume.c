/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thole resume
 */
#include "runtime/command.h"
#include "runtime/control.h"

static int run(const struct command_call *call, struct err *err)
{
	return control_resume(call->arena, call->global->root, call->args[0], err);
}

const struct command cmd_resume = {
	.name = "resume",
	.args_help = "<container-id>",
	.help = "let the processes of a paused container go on",
	.min_args = 1,
	.max_args = 1,
	.error_status = 1,
	.run = run,
};
