/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs one command of an OCI runtime (any that is compatible with runc) without waiting for it, and
 * collects why it failed: the last error of its --log file, else what it printed. Owns the runtime
 * process and its files below the registry directory; knows nothing of states.
 */
#pragma once

#include <stdbool.h>

#include "common/err.h"
#include "common/ev.h"
#include "shim/reaper.h"

#define RUNTIME_MESSAGE_MAX 2048

struct runtime {
	struct ev *ev;
	struct reaper *reaper;
	const char *path;
	const char *root; /* NULL: no --root */
	const char *const *args;
	size_t n_args;
	const char *dir;           /* the registry directory, for the log files */
	const char *oom_score_adj; /* what the children get, NULL: as it is */
	unsigned int last;         /* number of the last call */
};

struct runtime_request {
	const char *command;
	const char *const *args; /* after the command, with the id */
	size_t n_args;
	int stdio[3]; /* < 0: /dev/null; but for 1 and 2 captured for the message, if: */
	bool captures;
	bool holds;      /* create, exec: no unknown zombie is reaped until `done` has returned */
	unsigned int ms; /* deadline; the runtime gets SIGKILL then */
};

/* result: 0, or -errno with the runtime's message in one line ("" if it said nothing at all). */
typedef void runtime_done_fn(void *user, unsigned int number, int result, const char *message);

struct runtime_call;

/* Returns the call's number (> 0) or -errno; `done` is called later, once, never from here. */
MUST_CHECK int runtime_call_start(struct runtime *runtime, const struct runtime_request *request,
				  runtime_done_fn *done, void *user, struct runtime_call **ret,
				  struct err *err);

/* SIGKILL to the runtime process; `done` comes with a failure. */
void runtime_call_kill(struct runtime_call *call);

/* The last error message in a runtime's JSON log, unescaped, one line. False if there is none.
 * Pure; `text` is changed. */
bool runtime_log_message(char *text, char *buf, size_t size);
