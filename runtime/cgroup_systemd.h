/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The systemd cgroup manager: the container's cgroup is that of a transient unit, so that systemd
 * knows of it and leaves it alone. The unit's directories are filled (limits, device rules, other
 * hierarchies) and removed by cgroup.c as ever; this file tells systemd the same.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "common/arena.h"
#include "common/err.h"
#include "runtime/cgroup.h"
#include "runtime/host.h"
#include "runtime/plan_systemd.h"

struct bus;

/* Connects to the manager and asks for the facts that the plan needs. The bus is closed by
 * cgroup_systemd_close. `address`: of an earlier connection, or NULL. */
MUST_CHECK int cgroup_systemd_open(struct arena *arena, bool user, const char *address,
				   struct bus **ret, struct host_systemd *ret_facts,
				   struct err *err);
void cgroup_systemd_close(struct bus *bus);

/* --rootless=auto in a user namespace: is the manager to be used that of an ordinary user? */
bool cgroup_systemd_is_rootless(void);

/* Starts the unit with `holder` as its first process, which keeps it until init is in it (a slice
 * needs none). What another unit of that name has left, failed, is cleared; -EEXIST if that lives.
 * interrupt_fd: see bus.h. On error there is no such unit of ours. */
MUST_CHECK int cgroup_systemd_start(struct bus *bus, const struct plan_systemd *plan, pid_t holder,
				    int interrupt_fd, struct err *err);
/* Tells the unit the plan's properties. */
MUST_CHECK int cgroup_systemd_update(struct bus *bus, const struct plan_systemd *plan,
				     struct err *err);
/* Has systemd move the process into the unit, where the caller itself has no right to. */
MUST_CHECK int cgroup_systemd_attach(const struct cgroup *cg, pid_t pid, struct err *err);
/* Stops the unit and forgets its failure; after its processes have ended. A unit that is gone is no
 * error. */
MUST_CHECK int cgroup_systemd_stop(const struct cgroup *cg, struct err *err);
