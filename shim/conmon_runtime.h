/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime's command as conmon builds it (create, restore, exec), its environment, and its start.
 * Nothing of the shim's own (--root, --log): what the client gives in --runtime-arg is all.
 */
#pragma once

#include "common/err.h"
#include "shim/conmon_options.h"

struct conmon_command {
	const struct conmon_options *o;
	const char *bundle, *pid_file;
	const char *console; /* socket, with a terminal */
};

/* argv in the order of conmon; NULL at its end, items live in the arena or are the options'. Pure. */
const char **conmon_command_argv(const struct conmon_command *c, struct arena *arena);

struct conmon_spawn {
	int stdio[3]; /* < 0: /dev/null */
	bool inherit; /* passthrough: our own stdio */
	const char *oom_score_adj;
	pid_t monitor; /* LISTEN_PID naming it becomes the runtime's own pid */
};

/* Starts it; returns the pid. *ret_pidfd is the caller's. */
MUST_CHECK pid_t conmon_command_spawn(const struct conmon_command *c,
				      const struct conmon_spawn *spawn, int *ret_pidfd,
				      struct err *err);
