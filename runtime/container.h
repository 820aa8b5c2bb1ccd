/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations on containers, one call a command. Each opens the state, checks what is allowed in
 * the status found, and runs the stages.
 */
#pragma once

#include "common/arena.h"
#include "common/err.h"
#include "runtime/criu_plan.h"
#include "runtime/plan_request.h"
#include "runtime/state.h"
#include "spec/spec.h"

struct container_create {
	const char *root; /* state root, absolute */
	struct plan_request plan;
	const char *config;                  /* absolute; NULL: config.json in the bundle */
	const char *pid_file, *pidfd_socket; /* absolute or NULL */
	const char *notify_socket;           /* the service manager's, or NULL */
	int preserve_fds;
	bool keep, no_subreaper; /* run */
	bool debug;
	const struct criu_options *restore; /* run: from these images; NULL: anew */
};

/* create. */
MUST_CHECK int container_create(struct arena *arena, const struct container_create *req,
				struct err *err);
/* run and restore: exit status of the container, or 0 with plan.detach. */
MUST_CHECK int container_run(struct arena *arena, const struct container_create *req,
			     struct err *err);
/* start: notify_socket as above; waits until the container is ready then. */
MUST_CHECK int container_start(struct arena *arena, const char *root, const char *id,
			       const char *notify_socket, struct err *err);

struct container_exec {
	const char *root, *id;
	const char
		*process_file; /* --process, absolute; else the fields below change the config's */
	char *const *args;
	const char *cwd, *user, *apparmor, *selinux;
	const char *const *env, *const *caps, *const *gids, *const *cgroups;
	bool tty, no_new_privs, detach, ignore_paused, no_new_keyring, debug;
	const char *pid_file, *console_socket, *pidfd_socket;
	int preserve_fds;
};
/* exec: exit status of the process, or 0 with detach. */
MUST_CHECK int container_exec(struct arena *arena, const struct container_exec *req,
			      struct err *err);

MUST_CHECK int container_kill(struct arena *arena, const char *root, const char *id, int sig,
			      bool all, struct err *err);
MUST_CHECK int container_delete(struct arena *arena, const char *root, const char *id, bool force,
				struct err *err);
/* Ends the container: cgroup, state directory and poststop hooks, in this order. */
MUST_CHECK int container_destroy(struct arena *arena, struct state_dir *dir,
				 const struct state *state, struct err *err);

struct container_checkpoint {
	const char *root, *id;
	struct criu_options criu;
	bool debug;
};
/* The container is gone afterwards, unless it is left running or this is a pre-dump. On error it
 * runs on. */
MUST_CHECK int container_checkpoint(struct arena *arena, const struct container_checkpoint *req,
				    struct err *err);
