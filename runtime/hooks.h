/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the hooks of one kind in order: state on stdin, bounded capture of their output, timeouts.
 * Does not allocate, so that init runs its hooks with it too.
 */
#pragma once

#include "common/err.h"
#include "spec/spec.h"

struct hooks_run {
	const struct spec_hook_list *list;
	enum spec_hook_kind kind;
	const char *state;   /* compact JSON in which pid is 0 */
	pid_t pid;           /* put in its place */
	char *const *no_env; /* environment of a hook without "env"; NULL: the caller's */
	/* Files that output is appended to instead of being kept for the error; NULL: none. */
	const char *stdout_file, *stderr_file;
	/* As well as being kept, what the hook says is written there: the same files, for hooks of init's.
	 * Those may be programs of the image, which must not hold a file of the host's. <= 0: none */
	int stdout_fd, stderr_fd;
	int cancel_fd; /* readable: the hook is killed and has failed; <= 0: none */
};

/* 0, or `error running NAME hook #I: ...` for the first that fails. */
MUST_CHECK int hooks_run(const struct hooks_run *run, struct err *err);
/* Runs all, warning for each that fails (poststop). */
void hooks_run_warn(const struct hooks_run *run);

/* The file that output of hooks is appended to, mode 0600: a descriptor that does not block. */
MUST_CHECK int hooks_open_file(const char *file, struct err *err);

const char *hooks_kind_name(enum spec_hook_kind kind); /* "createRuntime" */
