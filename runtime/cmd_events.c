/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thole events
 */
#include <errno.h>

#include "runtime/command.h"
#include "runtime/control.h"
#include "runtime/events.h"

#define INTERVAL_DEFAULT "5s"

static const struct option options[] = {
	{ .name = "interval",
	  .type = OPTION_STRING,
	  .arg = "DURATION",
	  .help = "time between two lines of figures, as 500ms or 1m30s (default " INTERVAL_DEFAULT
		  ")" },
	{ .name = "stats", .type = OPTION_BOOL, .help = "print the figures once and end" },
};

static int run(const struct command_call *call, struct err *err)
{
	const char *interval = option_string(call->options, "interval");
	struct control_events req = {
		.root = call->global->root,
		.id = call->args[0],
		.once = option_bool(call->options, "stats"),
	};
	int64_t ns;

	interval = interval ? interval : INTERVAL_DEFAULT;
	if (events_parse_duration(interval, &ns) < 0)
		return err_set(err, EINVAL, "invalid value \"%s\" for flag -interval: parse error",
			       interval);
	if (ns <= 0)
		return err_set(err, EINVAL, "duration interval must be greater than 0");
	req.interval_ns = (uint64_t)ns;
	return control_events(call->arena, &req, err);
}

const struct command cmd_events = {
	.name = "events",
	.args_help = "<container-id>",
	.help = "print the figures of a container and its out-of-memory events as JSON",
	.options = options,
	.n_options = ARRAY_COUNT(options),
	.min_args = 1,
	.max_args = 1,
	.error_status = 1,
	.run = run,
};
