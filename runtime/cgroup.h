/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cgroups: the only writer of /sys/fs/cgroup. Makes, limits, freezes, kills and removes the
 * container's cgroup; backends cgroup_v1.c, cgroup_v2.c, cgroup_bpf.c (device programs). Works from
 * the plan on create, and from the paths recorded in the state everywhere else.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/arena.h"
#include "common/err.h"
#include "runtime/plan_cgroup.h"

/* The identity of a container's cgroup: one directory a hierarchy; kept in state.json. */
struct cgroup_path {
	const char *controllers; /* "" is v2 */
	const char *path;
	bool v2;
};
struct cgroup {
	struct cgroup_path *v;
	size_t n;
	/* systemd's unit, NULL: the cgroup is ours alone */
	const char *unit;
	const char *bus; /* address of the manager's bus */
	bool user;       /* the manager is the user's */
};

/* From the plan; strings stay the plan's. */
void cgroup_from_plan(struct arena *arena, const struct plan_cgroup *plan, struct cgroup *ret);

/* What the making of the v2 directory came to. */
struct cgroup_made {
	/* Given by the caller: a process that keeps the cgroup, which systemd has made, until the
	 * container's is in it. 0: none. */
	pid_t holder;
	bool existed;
	int skipped; /* -errno: it could not be made, which the plan tolerates */
};

/* Makes the directories (parents get what they need enabled), refuses a cgroup that has processes
 * (`container's cgroup is not empty: N process(es) found`) or is frozen, applies every limit and the
 * device rules before any process is there. With ret_made the device program of v2 is left to
 * cgroup_create_devices. On error nothing that was made is left. */
MUST_CHECK int cgroup_create(const struct plan_cgroup *plan, struct cgroup_made *ret_made,
			     struct err *err);
/* Loading the program takes the kernel longer than all the rest; so it may be done while the first
 * process, of which nothing is the container's yet, makes its mounts. */
MUST_CHECK int cgroup_create_devices(const struct plan_cgroup *plan, const struct cgroup_made *made,
				     struct err *err);

/* The holder has gone: the number of processes, until now one more, is limited as the plan says. */
MUST_CHECK int cgroup_holder_gone(const struct plan_cgroup *plan, struct err *err);

/* Writes the plan's limits into a cgroup in use: directories and device rules are left alone. On
 * error what was there before is written back. `systemd`: the manager of the plan's unit, told the
 * same; NULL if it has none. */
struct bus;
MUST_CHECK int cgroup_update(const struct plan_cgroup *plan, struct bus *systemd, struct err *err);

/* Directory fd for CLONE_INTO_CGROUP (the v2 or hybrid-v2 directory), -ENOENT if there is none, -ENOTSUP
 * if this kernel would do it by halves: then the process has to be moved. */
MUST_CHECK int cgroup_open_v2(const struct cgroup *cg);

/* Moves pid into every hierarchy; `placed_v2`: clone3 has put it into the v2 one already. */
MUST_CHECK int cgroup_add(const struct cgroup *cg, pid_t pid, bool placed_v2, bool tolerate,
			  struct err *err);

/* The quick way on v1: a process that writes "0" to `tasks` moves itself, and for that the kernel (5.15)
 * takes no lock that waits for a grace period of RCU; cgroup.procs costs about a millisecond a
 * hierarchy. Parent: opens the `tasks` of the v1 hierarchies (at most max); the number of them, or
 * -errno with none open (then cgroup_add has to do). Child: enters all, closing them. */
MUST_CHECK int cgroup_open_tasks(const struct cgroup *cg, int *fds, size_t max);
MUST_CHECK int cgroup_enter(const struct cgroup *cg, const int *fds, size_t n, struct err *err);

/* OCI cgroup ownership: chowns the directory and the delegate files. */
MUST_CHECK int cgroup_delegate(const struct plan_cgroup *plan, struct err *err);

/* All pids below the cgroup (recursive), each once. Missing cgroup: 0 pids. */
MUST_CHECK int cgroup_pids(struct arena *arena, const struct cgroup *cg, pid_t **ret, size_t *ret_n,
			   struct err *err);

/* Sends `sig` to everything in it; SIGKILL by cgroup.kill, else freeze, signal, thaw. */
MUST_CHECK int cgroup_signal(const struct cgroup *cg, int sig, struct err *err);

MUST_CHECK int cgroup_freeze(const struct cgroup *cg, bool frozen, struct err *err);
MUST_CHECK int
cgroup_is_frozen(const struct cgroup *cg); /* 1, 0; a missing cgroup is 0; or -errno */

/* Removes the directories and everything below (processes are killed first), waiting at most
 * timeout_ms for the kernel to let go, by notification, never spinning. Parents stay. A unit of
 * systemd's is stopped and its failure forgotten; a systemd that cannot be told is warned of. The error
 * names the directory, and a pid with its state if one is stuck. */
MUST_CHECK int cgroup_destroy(const struct cgroup *cg, unsigned int timeout_ms, struct err *err);

/* Number of OOM kills the kernel counted in it: memory.events / memory.oom_control. -ENOENT. */
MUST_CHECK int cgroup_oom_kills(const struct cgroup *cg, uint64_t *ret);

/* Makes cgroup paths relative to the container's (exec --cgroup): "[ctrl[,ctrl]:]PATH". */
MUST_CHECK int cgroup_sub(struct arena *arena, const struct cgroup *cg, const char *arg,
			  struct cgroup *ret, struct err *err);
