/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of criu: the process that becomes `criu swrk`, and the conversation with it. checkpoint.c
 * and stage_restore.c say what is asked and how notifications are answered.
 */
#pragma once

#include "common/arena.h"
#include "common/err.h"
#include "runtime/criu.h"
#include "runtime/spawn.h"
#include "runtime/stage.h"

#define CRIU_JOINS_MAX 4

struct criu_run {
	/* Set by the caller before criu_start. */
	const char *program;       /* absolute */
	int joins[CRIU_JOINS_MAX]; /* namespaces that criu runs in; the caller's to close */
	size_t n_joins;
	int keep[CRIU_FDS_MAX]; /* descriptors that stay open in criu, the caller's to close */
	size_t n_keep;
	struct stage *stage;   /* restore: its cgroup and mounts; NULL: neither */
	const char *stash_dir; /* restore: see mount_stash.h */
	int interrupt_fd;      /* ends a wait with an error; < 0: nothing does */
	int trace_fd;
	const struct criu_options *options; /* their directories; NULL: none are asked for */
	int images_fd, work_fd; /* the directories, under these numbers in criu too; closed here */
	const char *log_file;   /* below the work directory */

	struct spawned child;
	int sock;                    /* to criu */
	int output;                  /* what criu prints before it has a log */
	int sync_parent, sync_child; /* until criu runs */
};
#define CRIU_RUN_INIT                                                                              \
	{                                                                                          \
		.interrupt_fd = -EBADF, .trace_fd = -EBADF, .images_fd = -EBADF,                   \
		.work_fd = -EBADF, .sock = -EBADF, .output = -EBADF, .sync_parent = -EBADF,        \
		.sync_child = -EBADF, .child = { .pidfd = -EBADF },                                \
	}

/* Absolute path of criu: as given, else found in PATH or the system's directories. */
MUST_CHECK int criu_find(struct arena *arena, const char *given, const char **ret, struct err *err);

/* Opens the two directories of the options. */
MUST_CHECK int criu_open_directories(struct criu_run *run, const struct criu_options *options,
				     struct err *err);
/* Clones the child, which stops where everything is ready but the execve; criu_go lets it on. */
MUST_CHECK int criu_start(struct criu_run *run, struct err *err);
MUST_CHECK int criu_go(struct criu_run *run, struct err *err);
/* Ends the conversation and waits for criu. */
void criu_finish(struct criu_run *run);
/* The same by force. */
void criu_kill(struct criu_run *run);

MUST_CHECK int criu_ask(struct arena *arena, struct criu_run *run,
			const struct criu_request *request, struct err *err);
MUST_CHECK int criu_reply(struct arena *arena, struct criu_run *run, bool success, struct err *err);
/* The next event. criu's end without one is an error. */
MUST_CHECK int criu_next(struct criu_run *run, struct criu_event *ret, struct err *err);
/* The error of an event that says so: what criu logged. `what`: "checkpoint", "restore". */
MUST_CHECK int criu_fail(struct criu_run *run, const struct criu_event *event, const char *what,
			 struct err *err);

/* A run of its own that asks what criu and the kernel can do. */
MUST_CHECK int criu_ask_features(struct arena *arena, const char *program,
				 struct criu_features *ret, struct err *err);
/* Refuses options that need what they cannot. */
MUST_CHECK int criu_check_features(struct arena *arena, const struct criu_options *options,
				   struct err *err);
