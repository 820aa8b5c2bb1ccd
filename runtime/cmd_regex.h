/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --regex of kill and delete: one operation on every container whose id matches.
 */
#pragma once

#include "common/err.h"
#include "runtime/command.h"

#define CMD_REGEX_OPTION                                                                           \
	{                                                                                          \
		.name = "regex", .alias = "r", .type = OPTION_BOOL,                                \
		.help = "the id is an extended regular expression; take every container it "       \
			"matches",                                                                 \
	}

/* One container of that id. */
typedef int cmd_regex_fn(const struct command_call *call, const char *id, struct err *err);

/* Calls fn for args[0] or, with --regex, for all ids that it matches, in their order; none is no
 * error. What fails for one is an error at the end, after the others were taken; a container that
 * went meanwhile is none. */
MUST_CHECK int cmd_regex_run(const struct command_call *call, cmd_regex_fn *fn, struct err *err);
