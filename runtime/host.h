/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facts about the kernel, the caller and the cgroup layout, gathered once before the plan is built.
 * Cheap: a handful of system calls, no mountinfo scan on the common layouts. Kernel calls that may
 * be missing are not probed here: their users see ENOSYS and take their fallback.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/arena.h"
#include "common/err.h"

enum host_cgroup_layout { HOST_CGROUP_NONE, HOST_CGROUP_V1, HOST_CGROUP_HYBRID, HOST_CGROUP_V2 };

struct host_hierarchy {
	const char *name; /* as in /proc/self/cgroup: "cpu,cpuacct", "name=systemd"; "" for v2 */
	const char *mount_point; /* /sys/fs/cgroup/memory, /sys/fs/cgroup/unified, ... */
	/* The caller's cgroup as a path below mount_point: "/", "/a/b"; no "..". "/" too where the
	 * caller's cgroup lies outside what is mounted there. */
	const char *own_path;
	bool v2;
};

/* What the systemd manager says of itself; asked only where it is to make the cgroup. */
struct host_systemd {
	const char *address; /* of the bus that it was reached by */
	const char *
		control_group; /* its own cgroup, below which all its units are: "", "/user.slice/..." */
	unsigned int version;
};

struct host {
	uid_t euid;
	gid_t egid;
	bool in_user_ns;        /* /proc/self/uid_map is not the whole range */
	bool apparmor, selinux; /* enabled on this kernel */
	int last_cap;           /* as /proc/sys/kernel/cap_last_cap */
	uint64_t own_caps;      /* effective set of the caller */

	enum host_cgroup_layout layout;
	struct host_hierarchy *hierarchies;
	size_t n_hierarchies;
	const char *v2_controllers;         /* the v2 root's, "cpu io memory"; "" or NULL: none */
	const char *resctrl;                /* its mount point; NULL: not mounted, or not asked */
	const struct host_systemd *systemd; /* NULL: not asked */
};

/* Fills everything; strings live in the arena. Errors only where nothing sensible can follow. */
MUST_CHECK int host_probe(struct arena *arena, struct host *ret, struct err *err);

/* True if the caller is in a user namespace other than the first: /proc/self/uid_map is not the one
 * line that maps everything. An unreadable map counts as the first namespace. */
bool host_in_user_ns(void);

/* The cgroup part of host_probe (host_cgroup.c). */
MUST_CHECK int host_probe_cgroups(struct arena *arena, struct host *host, struct err *err);

/* Fills host->resctrl, by mountinfo. Only for who needs it. (host_cgroup.c) */
MUST_CHECK int host_probe_resctrl(struct arena *arena, struct host *host, struct err *err);

/* The hierarchy that has that v1 controller or, for "", the v2 one; NULL if none is mounted. */
const struct host_hierarchy *host_hierarchy(const struct host *host, const char *controller);
