/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shim's own command line: options of `start` into a struct, and the choice between `start` and
 * the client commands. Starts nothing itself.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "shim/log.h"

struct front_options { /* paths are absolute; strings live in the arena */
	const char *id, *bundle;
	const char *rootfs; /* root.path of config.json; only with lower */
	const char *runtime, *runtime_root;
	const char **runtime_args;
	size_t n_runtime_args;
	const char *root, *shim_cgroup;
	const char *log; /* NULL, "journald", "syslog", or a path */
	const char *log_path;
	enum log_format log_format;
	uint64_t log_size_max;
	unsigned int log_max_files;
	const char *pid_file, *exit_file, *lower;
	bool terminal, has_stdin;
};

/* argv[0] is "start". Checks everything that can be checked without doing anything. */
MUST_CHECK int front_cli_parse(int argc, char **argv, struct arena *arena,
			       struct front_options *ret, struct err *err);

/* main of the front end: returns the exit status. */
int front_cli_main(int argc, char **argv);
