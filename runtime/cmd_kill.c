/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thole kill
 */
#include <errno.h>
#include <signal.h>

#include "common/str.h"
#include "runtime/command.h"
#include "runtime/container.h"

static const struct option options[] = {
	{ .name = "all",
	  .alias = "a",
	  .type = OPTION_BOOL,
	  .help = "signal what is left of a container whose init has ended, too" },
};

static int run(const struct command_call *call, struct err *err)
{
	const char *name = call->n_args > 1 ? call->args[1] : "SIGTERM";
	int sig = parse_signal(name);

	if (sig < 0)
		return err_set(err, EINVAL, "unknown signal \"%s\"", name);
	return container_kill(call->arena, call->global->root, call->args[0], sig,
			      option_bool(call->options, "all"), err);
}

const struct command cmd_kill = {
	.name = "kill",
	.args_help = "<container-id> [signal]",
	.help = "send a signal to a container's init (default SIGTERM)",
	.options = options,
	.n_options = ARRAY_COUNT(options),
	.min_args = 1,
	.max_args = 2,
	.stop_at_positional = true,
	.error_status = 1,
	.run = run,
};
