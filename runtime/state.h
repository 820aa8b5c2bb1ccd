/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state directory <root>/<id> (0711): state.json (replaced atomically), config.json (the bytes
 * create was given), resources.json (after an update), exec.fifo, report.fifo. The lock is an flock
 * of the directory itself. Says what is true by pidfd and start time, never by a bare pid. After a
 * crash of the creator at any point the status is "creating" while init lives, then "stopped"; a
 * directory without state.json is what is left of a crash before the clone; `delete --force`
 * removes either.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/arena.h"
#include "common/err.h"
#include "runtime/cgroup.h"
#include "runtime/plan_request.h"
#include "runtime/rdt.h"
#include "spec/spec.h"

enum state_status {
	STATE_CREATING,
	STATE_CREATED,
	STATE_RUNNING,
	STATE_PAUSED,
	STATE_STOPPED,
	STATE_STATUS_N
};

struct state { /* what state.json holds */
	const char *id, *bundle, *rootfs;
	const char *created; /* RFC 3339 with nanoseconds, UTC */
	bool complete;       /* false: still "creating" (or the creator died) */
	bool started;        /* `start` has handed over the byte */
	pid_t pid;           /* 0 before the clone */
	uint64_t start_ticks;
	pid_t creator_pid; /* the runtime that is creating it, with its start time */
	uint64_t creator_ticks;
	bool private_pid_ns;
	enum cgroup_manager cgroup_manager;
	bool rootless_cgroup;
	struct cgroup cgroup;
	struct rdt rdt;
	struct spec_map annotations;
	uid_t owner;
};

/* An opened state directory, with its lock held. A forked child shares the lock with its parent: it
 * closes lock_fd early and never calls state_dir_close, which unlocks. */
struct state_dir {
	const char *root, *path; /* <root>, <root>/<id>; in the arena */
	int fd;                  /* O_DIRECTORY */
	int lock_fd;             /* another description of it, flocked; -EBADF: no lock (peek) */
};
#define STATE_DIR_INIT                                                                             \
	{                                                                                          \
		.fd = -EBADF, .lock_fd = -EBADF                                                    \
	}
void state_dir_close(struct state_dir *dir);
#define CLEANUP_STATE_DIR CLEANUP(state_dir_close)

/* Grammar of runc; text `invalid container ID format` / `container id cannot be empty`. */
MUST_CHECK int state_check_id(const char *id, struct err *err);

/* Makes <root> (0700) and <root>/<id>, locks it. -EEXIST: `container with given ID already exists`. */
MUST_CHECK int state_dir_create(struct arena *arena, const char *root, const char *id,
				struct state_dir *ret, struct err *err);
/* -ENOENT: `container does not exist`. Waits for the lock (shared or exclusive). */
MUST_CHECK int state_dir_open(struct arena *arena, const char *root, const char *id, bool exclusive,
			      struct state_dir *ret, struct err *err);
/* As open, but takes no lock and never waits: for those who only read. state.json is replaced
 * atomically, so they see one state or the next. */
MUST_CHECK int state_dir_peek(struct arena *arena, const char *root, const char *id,
			      struct state_dir *ret, struct err *err);
/* Gives the lock up and takes it again, e.g. around hooks that call the runtime. -ENOENT from
 * state_dir_lock: the container was deleted meanwhile. */
void state_dir_unlock(struct state_dir *dir);
MUST_CHECK int state_dir_lock(struct state_dir *dir, bool exclusive, struct err *err);
/* Is it still the one of that name? False: the container was deleted, and what has the name now, its
 * cgroup too, belongs to somebody else. */
bool state_dir_is_current(const struct state_dir *dir);
/* Removes the directory and all it holds (known names only, no recursion into surprises). */
MUST_CHECK int state_dir_remove(struct state_dir *dir, struct err *err);

MUST_CHECK int state_write(const struct state_dir *dir, const struct state *state, struct err *err);
/* -ENODATA if there is no state.json yet. */
MUST_CHECK int state_read(struct arena *arena, const struct state_dir *dir, struct state *ret,
			  struct err *err);

/* The truth now: checks init's liveness and the freezer. *ret_pidfd (may be NULL) is an open pidfd
 * of a living init, else -EBADF. Never fails: an unreadable fact counts as not running. */
enum state_status state_status(const struct state *state, int *ret_pidfd);
const char *state_status_name(enum state_status status);

/* The saved configuration of the container. */
MUST_CHECK int state_read_spec(struct arena *arena, const struct state_dir *dir, struct spec **ret,
			       struct err *err);
/* All ids below root, sorted. -ENOENT if there is no such root. */
MUST_CHECK int state_list(struct arena *arena, const char *root, struct spec_strings *ret,
			  struct err *err);
