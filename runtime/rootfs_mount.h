/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the file-system mechanism: how init attaches one mount, shared by rootfs.c, rootfs_mount.c,
 * mount_cgroup.c, devices.c and mask.c. Nothing here allocates. All of it runs in init only.
 */
#pragma once

#include "runtime/mount.h"
#include "runtime/rootfs.h"

/* Where a mount goes: the target that will be used, and its name for the old calls, which cannot
 * give a descriptor of what they mounted (it is opened again there, and verified). */
struct rootfs_place {
	int target_fd;
	int root_fd; /* `path` is below it; < 0: a path of the host's view */
	const char *path;
	const char *extra; /* one file-system option more, or NULL (rootfs_attach_fs) */
};

/* old_dir of mount.h: "/proc/self/fd" is the host's until pivot, ours afterwards. */
static inline int rootfs_old_dir(const struct rootfs *r)
{
	return r->pivoted ? r->proc_fd : -EBADF;
}

/* Attaches what the parent prepared, or makes it from host_path where the parent could only pin it.
 * On success source->fd is a descriptor of the attached mount. */
MUST_CHECK int rootfs_attach_source(struct rootfs *r, const struct plan_mount *m,
				    struct rootfs_source *source, const struct rootfs_place *place,
				    struct err *err);

/* Makes a file-system mount in init and attaches it. tmpcopyup: the target's content is copied in
 * first. *ret_fd is the attached mount, the caller's. */
MUST_CHECK int rootfs_attach_fs(struct rootfs *r, const struct plan_mount *m,
				const struct rootfs_place *place, int *ret_fd, struct err *err);

/* Opens (creates) the target of a mount below the root and refuses what it must not be.
 * *ret_existed is false if it was created. */
MUST_CHECK int rootfs_open_target(struct rootfs *r, const struct plan_mount *m, bool directory,
				  bool *ret_existed, struct err *err);

/* mount_cgroup.c */
MUST_CHECK int rootfs_mount_cgroup1(struct rootfs *r, const struct plan_mount *m, int *ret_fd,
				    struct err *err);
MUST_CHECK int rootfs_mount_cgroup2(struct rootfs *r, const struct plan_mount *m, struct err *err);

/* rootfs_move.c: --no-pivot. "/" is the container's after it. */
MUST_CHECK int rootfs_move_root(struct rootfs *r, struct err *err);
