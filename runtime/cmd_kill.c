/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thole kill
 */
#include <errno.h>
#include <signal.h>

#include "common/str.h"
#include "runtime/cmd_regex.h"
#include "runtime/command.h"
#include "runtime/container.h"

static const struct option options[] = {
	{ .name = "all",
	  .alias = "a",
	  .type = OPTION_BOOL,
	  .help = "all processes where the pid namespace is shared, or init has ended" },
	CMD_REGEX_OPTION,
};

static int kill_one(const struct command_call *call, const char *id, struct err *err)
{
	const char *name = call->n_args > 1 && *call->args[1] ? call->args[1] : "SIGTERM";
	int sig = parse_signal(name);

	if (sig < 0)
		return err_set(err, EINVAL, "unknown signal \"%s\"", name);
	return container_kill(call->arena, call->global->root, id, sig,
			      option_bool(call->options, "all"), err);
}

static int run(const struct command_call *call, struct err *err)
{
	return cmd_regex_run(call, kill_one, err);
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
