/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process roles and what they share. One struct stage is filled before the clone; the child
 * works on its copy. stage_parent.c, stage_join.c and stage_init.c each own one table of steps.
 */
#pragma once

#include <limits.h>

#include "common/arena.h"
#include "common/err.h"
#include "runtime/criu_plan.h"
#include "runtime/netdev_move.h"
#include "runtime/notify.h"
#include "runtime/prep.h"
#include "runtime/spawn.h"
#include "runtime/state.h"
#include "runtime/sync.h"
#include "runtime/tty.h"

#define WHEN_INIT 1u
#define WHEN_EXEC 2u
#define WHEN_ALWAYS (WHEN_INIT | WHEN_EXEC)

/* More v1 hierarchies than the kernel has controllers, and a few named ones. */
#define STAGE_TASKS_MAX 32

struct stage_request {
	const char *pid_file; /* absolute */
	const char *console_socket, *pidfd_socket;
	bool foreground;
	const char *notify_socket; /* run: where the proxy sends */
	const char *config_text;   /* the bytes of config.json, kept in the state directory */
	size_t config_len;
	const struct criu_options *restore; /* NULL: the container is new */
};

struct restoring; /* stage_restore.c */

struct stage {
	struct arena *arena;
	const struct plan *plan;
	const struct host *host;
	const struct stage_request *request;
	const char *root; /* of the states */

	struct state_dir dir; /* init only */
	struct state state;   /* exec: as read */
	struct cgroup cgroup; /* the container's, or exec's sub-cgroup */
	struct cgroup_made cgroup_made;
	struct rdt_made rdt_made;
	struct netdev_moves netdev;
	struct bus *systemd;   /* NULL: another cgroup manager */
	struct spawned holder; /* keeps systemd's unit until init is in it */
	bool tolerate_cgroup;
	int tasks[STAGE_TASKS_MAX]; /* v1: the child places itself through these */
	size_t n_tasks;
	bool tasks_open; /* there is none that only the parent can enter for it */
	bool has_v2;
	bool poststop_due; /* hooks saw the container: poststop hooks follow its end */

	struct notify notify; /* run */
	struct prep prep;
	struct rootfs rootfs; /* the child's view */
	struct spawned helper, init;
	int join_pidfd;   /* exec: the container's init */
	bool paused;      /* exec: it was frozen when we came */
	int interrupt_fd; /* see interrupt.h */
	int sync_parent, sync_child;
	int tty_master; /* foreground with a terminal, after the console step */
	char *page;     /* last completed steps, see STAGE_PAGE_* */
	struct restoring *restoring;
	int trace_fd;
	bool debug;

	/* The child's own. */
	struct tty_pair tty;
	bool reports;           /* past READY_OK: failures go to the report pipe or fifo */
	bool cwd_denied;        /* chdir as root was refused: the user tries again */
	char program[PATH_MAX]; /* what execve gets */
};

/* How long a killed child may take: in a frozen v1 cgroup nobody has to wait to know the answer. */
#define STAGE_KILL_MS 10000
#define STAGE_KILL_PAUSED_MS 100

#define STAGE_PAGE_HELPER 64
#define STAGE_PAGE_INIT 128

void stage_setup(struct stage *s);
void stage_done(struct stage *s);

/* Parent: makes the container (up to READY_OK) or the exec'd process; undone whole on failure. */
MUST_CHECK int stage_parent_run(struct stage *s, struct err *err);
/* Parent of run and exec, afterwards: EXECING (exec: the execve itself) was seen. */
MUST_CHECK int stage_parent_started(struct stage *s, struct err *err);
/* Undoes everything that stage_parent_run did. */
void stage_parent_undo(struct stage *s);

/* spec_state_text of the container in that status, for hooks. */
const char *stage_state_text(struct arena *arena, const struct state *state, const char *status);
/* "NN" without newline, by a temporary file beside it. */
MUST_CHECK int stage_write_pid_file(const char *path, pid_t pid, struct err *err);

/* Clone and the child's first step put it into every cgroup: nothing is left for the parent. */
bool stage_is_placed(const struct stage *s, const struct spawned *child);
/* Init must wait for its id maps, its cgroup or its network devices: MAP_REQ and MAP_OK are exchanged. Both sides see the
 * same facts. Without them init needs nothing that the parent does only after the clone, and runs
 * on beside it. */
bool stage_waits_for_maps(const struct stage *s);

/* First row of every child: into the container's v1 cgroups (the v2 one was entered by clone). */
MUST_CHECK int stage_place_self(struct stage *s, struct err *err);

/* Child: closes everything but what the steps to come still need. */
MUST_CHECK int stage_close_fds(struct stage *s, struct err *err);

void stage_init_main(void *arg) NORETURN;
void stage_join_main(void *arg) NORETURN;
