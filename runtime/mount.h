/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One mount by descriptor: make it detached, set its attributes, attach it; and the same with the
 * calls of before the new mount API, for kernels and seccomp profiles that lack it. Knows nothing of
 * the order of a container's mounts (rootfs.c). Never resolves a path below the rootfs: targets are
 * O_PATH descriptors from path.c. Nothing here allocates: all of it may run in init.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "common/err.h"
#include "common/sys.h"
#include "runtime/plan_mounts.h"

/* Kernel constants that older C library headers lack. */
#ifndef MOUNT_ATTR_RDONLY
#define MOUNT_ATTR_RDONLY 0x00000001
#define MOUNT_ATTR_NOSUID 0x00000002
#define MOUNT_ATTR_NODEV 0x00000004
#define MOUNT_ATTR_NOEXEC 0x00000008
#define MOUNT_ATTR__ATIME 0x00000070
#define MOUNT_ATTR_RELATIME 0x00000000
#define MOUNT_ATTR_NOATIME 0x00000010
#define MOUNT_ATTR_STRICTATIME 0x00000020
#define MOUNT_ATTR_NODIRATIME 0x00000080
#endif
#ifndef MOUNT_ATTR_IDMAP
#define MOUNT_ATTR_IDMAP 0x00100000
#endif
#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif
#ifndef MOVE_MOUNT_F_EMPTY_PATH
#define MOVE_MOUNT_F_EMPTY_PATH 0x00000004
#define MOVE_MOUNT_T_EMPTY_PATH 0x00000040
#endif
#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#define OPEN_TREE_CLOEXEC O_CLOEXEC
#endif
#ifndef FSOPEN_CLOEXEC
#define FSOPEN_CLOEXEC 1
#endif
#ifndef FSMOUNT_CLOEXEC
#define FSMOUNT_CLOEXEC 1
#endif
#ifndef FSCONFIG_SET_FLAG
#define FSCONFIG_SET_FLAG 0
#define FSCONFIG_SET_STRING 1
#define FSCONFIG_CMD_CREATE 6
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif
#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif
#ifndef MS_LAZYTIME
#define MS_LAZYTIME (1 << 25)
#endif

/* The call does not exist, or a seccomp profile older than it says EPERM: worth the older way. */
static inline bool mount_call_missing(int r)
{
	return r == -ENOSYS || r == -EPERM;
}

/* Drops the record of a failure that another way has made good. */
static inline void mount_forget(struct err *err)
{
	if (err)
		*err = (struct err){ 0 };
}

/* A detached clone of what `path` (below dirfd; "" is dirfd itself) stands for. fd or -errno. */
MUST_CHECK int mount_clone(int dirfd, const char *path, bool recursive);

/* Attaches a detached tree (or a file-system mount) at the target. 0 or -errno. */
MUST_CHECK int mount_attach(int tree_fd, int target_fd);

/* mount_setattr on the mount that fd is the root of. 0 or -errno. */
MUST_CHECK int mount_set_attr(int fd, bool recursive, uint64_t set, uint64_t clr,
			      uint64_t propagation);

/* All of the plan's attributes and propagation on the tree, `base` (MS_SLAVE, MS_PRIVATE or 0)
 * applied to the whole tree first. 0 or -errno; -ENOSYS and -EPERM as the kernel gives them. */
MUST_CHECK int mount_apply(int fd, const struct plan_mount *m, uint64_t base);

/* The same for a mount that is attached in the caller's mount namespace; falls back to mount(2) with
 * MS_REMOUNT | MS_BIND through old_dir (see mount_old), and keeps what a user namespace has locked.
 */
MUST_CHECK int mount_apply_attached(int fd, const struct plan_mount *m, uint64_t base, int old_dir,
				    struct err *err);

/* A new file-system mount, detached, with the attributes. Errors carry the kernel's own text. fd,
 * -ENOSYS or -EPERM (fsopen itself missing, or no right), or -errno. */
struct mount_fs {
	const char *type, *source;
	const struct spec_strings *options; /* "key" or "key=value" */
	const char *extra;                  /* one option more, or NULL */
	unsigned long sb_flags;             /* MS_* */
	uint64_t attrs;                     /* MOUNT_ATTR_* */
};
MUST_CHECK int mount_fs_make(const struct mount_fs *fs, struct err *err);

/* True if the new API cannot carry the options (values of 256 bytes and more, iversion). */
bool mount_fs_needs_old(const struct mount_fs *fs);

/*
 * mount(2) onto a descriptor. The target is named through procfs: old_dir < 0 uses "/proc/self/fd"
 * of the caller's view (before pivot: the host's), else old_dir is a verified procfs that becomes
 * the working directory for the call ("/" afterwards).
 */
MUST_CHECK int mount_old_bind(int old_dir, int source_fd, int target_fd, bool recursive);
MUST_CHECK int mount_old_flags(int old_dir, int target_fd, unsigned long flags, const char *data);
MUST_CHECK int mount_old_fs(const struct mount_fs *fs, int old_dir, int target_fd, struct err *err);

unsigned long mount_ms_flags(uint64_t attrs); /* MOUNT_ATTR_* -> MS_* */
uint64_t mount_attrs_of(int fd);              /* MOUNT_ATTR_* of the mount fd is on, by statvfs */
bool mount_same_file(int a, int b);           /* same device and inode */

/* Copies what is below the directory from_fd into to_fd (tmpcopyup), metadata included. */
MUST_CHECK int mount_copy_up(int from_fd, int to_fd, struct err *err);

/* ---- shared by the parent (mount_prep.c) and init (rootfs_mount.c) ---- */

struct rootfs_source;

/* What every host-side tree becomes before the mount's own propagation: never a peer of the host's
 * mounts, unless rootfsPropagation asks for that. */
uint64_t mount_base_propagation(const struct plan_mounts *plan);
/* The root's own bind as a plan mount (propagation, recursion). */
struct plan_mount mount_root_bind(const struct plan_mounts *plan);
/* The mount that supplies a device node in a user namespace. */
struct plan_mount mount_device_bind(void);
/* "/dev/char/5:0": where a node is found whose path inside is not the host's. */
struct mount_device_path {
	char s[48];
};
struct mount_device_path mount_device_path(const struct plan_device *device);
bool mount_is_device(int fd, const struct plan_device *device);
/* The file system of a plan's mount, as mount_fs_make takes it. */
struct mount_fs mount_fs_of(const struct plan_mount *m, const char *extra);
int mount_wrap(struct err *err, const struct plan_mount *m);
