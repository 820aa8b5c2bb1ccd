/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's root in init: propagation, attaching it at root.path, the private procfs, the
 * working directory, and becoming "/".
 */
#include "runtime/rootfs.h"

#include <linux/magic.h>

#include "common/fd.h"
#include "common/path.h"
#include "runtime/rootfs_mount.h"

static bool is_shared(const struct rootfs *r)
{
	return r->plan->root_propagation & MS_SHARED;
}

int rootfs_set_propagation(struct rootfs *r, struct err *err)
{
	unsigned long flags = MS_SLAVE | MS_REC;

	if (!r->plan->new_mount_ns)
		return 0;
	/* Whatever else is asked for is for the new root, after pivot: until then nothing of ours may
	 * reach the host, but private or unbindable mounts could not be bound or followed. */
	if (is_shared(r))
		flags = (unsigned long)r->plan->root_propagation;
	else if (r->plan->root_propagation & (MS_PRIVATE | MS_UNBINDABLE))
		flags = MS_PRIVATE | MS_REC;
	if (mount(NULL, "/", NULL, flags, NULL) < 0)
		return err_sys(err, "set the propagation of \"/\"");
	return 0;
}

/* The mount that root.path is on must not be shared, or attaching the root would show on the host
 * and pivot_root would refuse. Which directory is its root only the kernel knows: ask upwards. */
static int make_parent_private(const char *rootfs, struct err *err)
{
	char path[4096];
	size_t n = strlen(rootfs);

	if (n >= sizeof(path))
		return err_set(err, ENAMETOOLONG, "root.path \"%s\"", rootfs);
	memcpy(path, rootfs, n + 1);
	for (;;) {
		if (mount(NULL, path, NULL, MS_PRIVATE, NULL) == 0)
			return 0;
		if (errno != EINVAL || str_eq(path, "/"))
			return err_sys(err, "make the mount of root.path private");
		while (n > 1 && path[n - 1] != '/')
			n--;
		while (n > 1 && path[n - 1] == '/')
			n--;
		path[n] = '\0';
	}
}

static int attach_root_mount(struct rootfs *r, struct rootfs_place *place, struct err *err)
{
	const struct plan_mount *m = r->plan->root_mount;
	struct rootfs_source *source = &r->prep->root;
	bool userxattr = str_eq(m->type, "overlay") && r->plan->new_user_ns;
	int rc = -ENOSYS, fd = -EBADF;

	for (size_t i = 0; i < m->fs_options.n; i++)
		userxattr &= !str_eq(m->fs_options.v[i], "userxattr");
	if (source->state != ROOTFS_PREP_NONE)
		rc = rootfs_attach_source(r, m, source, place, err);
	if (m->kind == PLAN_MOUNT_HOST_FS && mount_call_missing(rc)) {
		mount_forget(err);
		source->fd = fd_close(source->fd); /* an upper directory is in use once only */
		place->extra = userxattr ? "userxattr" : NULL;
		rc = rootfs_attach_fs(r, m, place, &fd, err);
		if (rc >= 0)
			source->fd = fd;
	}
	return rc < 0 ? mount_wrap(err, m) : 0;
}

int rootfs_attach_root(struct rootfs *r, struct err *err)
{
	struct plan_mount bind = mount_root_bind(r->plan);
	CLEANUP_FD int target = -EBADF;
	int rc;

	if (!r->plan->new_mount_ns) {
		r->root_fd = r->prep->root.fd;
		return 0;
	}
	if (is_shared(r)) {
		rc = make_parent_private(r->plan->rootfs, err);
		if (rc < 0)
			return rc;
	}
	target = fd_open(r->plan->rootfs, O_PATH | O_DIRECTORY, 0);
	if (target < 0)
		return err_sysn(err, target, "invalid rootfs: open %s", r->plan->rootfs);
	struct rootfs_place place = { target, -EBADF, r->plan->rootfs, NULL };

	if (r->plan->root_mount)
		rc = attach_root_mount(r, &place, err);
	else
		rc = rootfs_attach_source(r, &bind, &r->prep->root, &place, err);
	if (rc < 0)
		return err_wrap(err, "root \"%s\"", r->plan->rootfs);
	r->root_fd = r->prep->root.fd;
	return 0;
}

/* The flags of the plan's own /proc, so that this procfs can become it without a call more. */
static uint64_t proc_attrs(const struct plan_mounts *plan)
{
	for (size_t i = 0; i < plan->n_mounts; i++) {
		if (str_eq(plan->mounts[i].destination, "/proc") &&
		    !(plan->mounts[i].attr_set & MOUNT_ATTR_RDONLY))
			return plan->mounts[i].attr_set;
	}
	return MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
}

int rootfs_open_proc(struct rootfs *r, struct err *err)
{
	static const struct spec_strings none;
	struct mount_fs fs = {
		.type = "proc",
		.source = "proc",
		.options = &none,
		.attrs = proc_attrs(r->plan),
	};
	int fd = mount_fs_make(&fs, err);

	if (fd >= 0) {
		r->proc_fd = fd;
		r->proc_is_own = true;
		return 0;
	}
	/* No right to a procfs of our own (no new pid namespace in a user namespace), or no call: the
	 * host's is still at /proc. */
	mount_forget(err);
	fd = fd_open("/proc", O_PATH | O_DIRECTORY, 0);
	if (fd < 0)
		return err_sysn(err, fd, "open \"/proc\"");
	if (path_fs_magic(fd) != PROC_SUPER_MAGIC) {
		fd_close(fd);
		return err_set(err, ENODEV, "the host's \"/proc\" is not procfs");
	}
	r->proc_fd = fd;
	return 0;
}

int rootfs_make_cwd(struct rootfs *r, struct err *err)
{
	const char *cwd = r->plan->cwd;
	CLEANUP_FD int fd = -EBADF;
	mode_t mask;

	if (!cwd || str_eq(cwd, "/"))
		return 0;
	fd = path_open_in_root(r->root_fd, cwd, O_PATH);
	if (fd != -ENOENT)
		return 0; /* anything else is told, better, when the process enters it */
	mask = umask(0);
	fd = path_mkdirs_in_root(r->root_fd, cwd, 0755);
	umask(mask);
	if (fd == -EROFS || fd == -EACCES || fd == -EPERM)
		return 0;
	if (fd < 0)
		return err_sysn(err, fd, "make cwd \"%s\"", cwd);
	if ((r->plan->cwd_uid || r->plan->cwd_gid) &&
	    fchownat(fd, "", r->plan->cwd_uid, r->plan->cwd_gid, AT_EMPTY_PATH) < 0)
		return err_sys(err, "chown cwd \"%s\"", cwd);
	return 0;
}

/* ---- becoming "/" ---- */

/* Unmounting a peer would unmount it on the host: the old root becomes a slave first. "." is the new
 * root's own directory, which mount(2) takes as it is; the old one needs its descriptor. */
static int detach_shared(int old_fd, struct err *err)
{
	if (fchdir(old_fd) < 0)
		return err_sys(err, "chdir to the old root");
	if (mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return err_sys(err, "make the old root a slave");
	return 0;
}

static int pivot(struct rootfs *r, struct err *err)
{
	CLEANUP_FD int old_fd = -EBADF;
	int rc;

	if (is_shared(r)) {
		old_fd = fd_open("/", O_PATH | O_DIRECTORY, 0);
		if (old_fd < 0)
			return err_sysn(err, old_fd, "open the old root");
	}
	if (fchdir(r->root_fd) < 0)
		return err_sys(err, "chdir to the root");
	/* The old root lands on top of the new one, where "." still is the new one's mount point: no
	 * directory for it is needed in the image (pivot_root(2)). */
	rc = sys_pivot_root(".", ".");
	if (rc < 0)
		return err_sysn(err, rc, "pivot_root");
	rc = old_fd >= 0 ? detach_shared(old_fd, err) : 0;
	if (rc < 0)
		return rc;
	if (umount2(".", MNT_DETACH) < 0)
		return err_sys(err, "unmount the old root");
	return 0;
}

static int change_root(struct rootfs *r, struct err *err)
{
	if (fchdir(r->root_fd) < 0)
		return err_sys(err, "chdir to the root");
	if (chroot(".") < 0)
		return err_sys(err, "chroot");
	return 0;
}

int rootfs_pivot(struct rootfs *r, struct err *err)
{
	int rc;

	if (!r->plan->new_mount_ns)
		rc = change_root(r, err);
	else if (r->plan->no_pivot)
		rc = rootfs_move_root(r, err);
	else
		rc = pivot(r, err);
	if (rc < 0)
		return rc;
	if (chdir("/") < 0)
		return err_sys(err, "chdir \"/\"");
	r->pivoted = true;
	return 0;
}
