/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file-system mechanism: what the parent prepares before the clone, and what init does with it.
 * Files: mount.c (one mount by fd: detach, create, attach; old-call fallbacks), mount_prep.c (the
 * parent), rootfs.c (root, propagation, pivot), devices.c (nodes, links, console), mask.c (masked
 * and read-only paths), sysctl.c, mount_idmap.c. Everything marked "init" does not allocate.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>

#include "common/err.h"
#include "runtime/cgroup.h"
#include "runtime/plan_mounts.h"

/* What the parent could do with a host-side source. */
enum rootfs_prep_state {
	ROOTFS_PREP_NONE, /* init makes the mount itself */
	ROOTFS_PREP_TREE, /* detached, attributes and propagation set */
	ROOTFS_PREP_BARE, /* detached; init sets them after attaching (no mount_setattr) */
	ROOTFS_PREP_PIN, /* O_PATH pin only (no right or no call): init opens the source by path and
			   * compares device and inode with the pin */
	ROOTFS_PREP_LOCKED, /* TREE, but in a user namespace and with flags or mounts of the host
			     * that only a clone of init's own copy keeps locked */
	ROOTFS_PREP_OPEN,   /* O_PATH in init's own mount namespace, proved (rootfs_open_sources) */
};
struct rootfs_source {
	int fd; /* -EBADF with NONE */
	enum rootfs_prep_state state;
};

/* Made by the parent, inherited by init over the clone. */
struct rootfs_prep {
	struct rootfs_source root;     /* detached tree of the root (root.path, or the overlay) */
	struct rootfs_source *mounts;  /* one a plan mount */
	struct rootfs_source *devices; /* one a plan device: detached bind of the host's node */
	struct rootfs_source *cgroups; /* one a hierarchy, without a cgroup namespace */
	size_t n_mounts, n_devices, n_cgroups;
};

/* Parent, before the clone. Opens every host-side source; errors name mounts[N] and its source
 * (`error mounting "SRC" to rootfs at "DST": ...: no such file or directory`). The cgroup is open
 * already: binds of the container's own cgroup (no cgroup namespace) are detached here too. */
MUST_CHECK int rootfs_prepare(struct arena *arena, const struct plan_mounts *plan,
			      const struct plan_cgroup *cgroup, struct rootfs_prep *ret,
			      struct err *err);
/* Parent, after the id maps are written and before MAP_OK. userns_fd: /proc/PID/ns/user of init or
 * -EBADF without a user namespace. */
MUST_CHECK int rootfs_prepare_idmap(const struct plan_mounts *plan, struct rootfs_prep *prep,
				    int userns_fd, struct err *err);
void rootfs_prep_done(struct rootfs_prep *prep);

/* The name of a v1 hierarchy below its mount: "/sys/fs/cgroup/cpu,cpuacct" -> "cpu,cpuacct". */
const char *rootfs_hierarchy_name(const struct plan_cgroup_dir *dir);

/* Init's view while it builds the tree. */
struct rootfs {
	const struct plan_mounts *plan;
	const struct plan_cgroup *cgroup;
	struct rootfs_prep *prep;
	int root_fd; /* of the attached root; belongs to prep, or is init's own: never close it */
	int proc_fd; /* init's own fsopened procfs, O_PATH; -EBADF until rootfs_open_proc. It becomes the
		      * container's /proc where that has no options, so look up with RESOLVE_NO_XDEV
		      * (path_open_in_root_how): what is mounted on top of it is then refused. */
	bool proc_is_own; /* fsopened by us and not attached yet */
	bool pivoted;
};
/* Start value of a struct rootfs. */
#define ROOTFS_INIT(plan_, cgroup_, prep_)                                                         \
	((struct rootfs){ .plan = (plan_),                                                         \
			  .cgroup = (cgroup_),                                                     \
			  .prep = (prep_),                                                         \
			  .root_fd = -EBADF,                                                       \
			  .proc_fd = -EBADF })

/* Init with a new user namespace, before it changes its ids: it still is the host's user, who may
 * reach the sources by their paths, and its copies of the host's mounts are locked (what the host
 * mounted read-only stays so). Optional for correctness of everything else; no-op without a user
 * namespace. */
MUST_CHECK int rootfs_open_sources(struct rootfs *r, struct err *err);
/* Init, in the order of the step table. */
MUST_CHECK int rootfs_set_propagation(struct rootfs *r, struct err *err);
MUST_CHECK int rootfs_attach_root(struct rootfs *r, struct err *err);
MUST_CHECK int rootfs_open_proc(struct rootfs *r, struct err *err);
MUST_CHECK int rootfs_mount_all(struct rootfs *r, struct err *err);
MUST_CHECK int rootfs_make_devices(struct rootfs *r, struct err *err);
MUST_CHECK int rootfs_make_cwd(struct rootfs *r, struct err *err);
MUST_CHECK int rootfs_pivot(struct rootfs *r,
			    struct err *err); /* "/" is the container's after it */
/* Binds the pty's slave (verified to be one by its fd) on /dev/console of the new root. */
MUST_CHECK int rootfs_attach_console(struct rootfs *r, int slave_fd, struct err *err);
MUST_CHECK int rootfs_write_sysctl(struct rootfs *r, struct err *err);
MUST_CHECK int rootfs_protect_paths(struct rootfs *r,
				    struct err *err); /* masks, read-only, root ro */
