/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device nodes, the standard links and the console, in init. /dev is opened once, below the root
 * (an image may have made it a symlink: CVE-2026-41579), and everything is made by that descriptor;
 * what was there before is believed only after fstat.
 */
#include <linux/magic.h>
#include <sys/sysmacros.h>

#include "common/fd.h"
#include "common/path.h"
#include "runtime/rootfs_mount.h"

#ifndef DEVPTS_SUPER_MAGIC
#define DEVPTS_SUPER_MAGIC 0x1cd1
#endif

static mode_t device_type(const struct plan_device *d)
{
	return d->type == 'b' ? S_IFBLK : d->type == 'p' ? S_IFIFO : S_IFCHR;
}

/* An O_PATH descriptor takes no fchmod: go through our own procfs. */
static int set_mode(struct rootfs *r, int fd, mode_t mode)
{
	struct fd_path path = fd_path(fd);

	if (fchmodat(r->proc_fd, path.s + strlen("/proc/"), mode, 0) < 0)
		return -errno;
	return 0;
}

static int make_node(int dir_fd, const char *base, const struct plan_device *d)
{
	dev_t number = d->type == 'p' ? 0 : makedev(d->major, d->minor);

	return mknodat(dir_fd, base, device_type(d) | d->mode, number) < 0 ? -errno : 0;
}

/* A node that was there: right, replaced (the standard ones), or an error (OCI: MUST). */
static int take_existing(struct rootfs *r, int dir_fd, const char *base,
			 const struct plan_device *d, struct err *err)
{
	CLEANUP_FD int fd = -EBADF;
	int rc;

	fd = fd_openat(dir_fd, base, O_PATH | O_NOFOLLOW, 0);
	if (fd < 0)
		return err_sysn(err, fd, "open");
	if (mount_is_device(fd, d)) {
		if (fchownat(fd, "", d->uid, d->gid, AT_EMPTY_PATH) < 0)
			return err_sys(err, "chown");
		rc = set_mode(r, fd, d->mode);
		return rc < 0 ? err_sysn(err, rc, "chmod") : 0;
	}
	if (!d->is_default)
		return err_set(err, EEXIST, "a file is there that is not this device");
	if (unlinkat(dir_fd, base, 0) < 0)
		return err_sys(err, "remove the image's file");
	rc = make_node(dir_fd, base, d);
	return rc < 0 ? err_sysn(err, rc, "mknod") : 0;
}

static int own_node(int dir_fd, const char *base, const struct plan_device *d, struct err *err)
{
	CLEANUP_FD int fd = -EBADF;

	if (!d->uid && !d->gid)
		return 0;
	fd = fd_openat(dir_fd, base, O_PATH | O_NOFOLLOW, 0);
	if (fd < 0 || !mount_is_device(fd, d))
		return err_set(err, ESTALE, "the node was exchanged while it was made");
	if (fchownat(fd, "", d->uid, d->gid, AT_EMPTY_PATH) < 0)
		return err_sys(err, "chown");
	return 0;
}

/* In a user namespace: a file, and the host's node bound on it. The host's node keeps its owner and
 * mode, whoever that is: it is not ours to change. */
static int bind_node(struct rootfs *r, size_t i, int dir_fd, const char *base, struct err *err)
{
	const struct plan_device *d = &r->plan->devices[i];
	struct mount_device_path by_number = mount_device_path(d);
	struct plan_mount m = mount_device_bind();
	CLEANUP_FD int target = -EBADF;
	int rc;

	target = fd_openat(dir_fd, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
	if (target == -EEXIST)
		target = fd_openat(dir_fd, base, O_PATH | O_NOFOLLOW, 0);
	if (target < 0)
		return err_sysn(err, target, "make the mount point");
	struct rootfs_place place = { target, dir_fd, base, NULL };

	m.source = d->path;
	rc = rootfs_attach_source(r, &m, &r->prep->devices[i], &place, err);
	if (rc == -ESTALE || rc == -ENOENT) {
		mount_forget(err);
		m.source = by_number.s;
		rc = rootfs_attach_source(r, &m, &r->prep->devices[i], &place, err);
	}
	return rc;
}

static int make_device(struct rootfs *r, size_t i, int dev_fd, struct err *err)
{
	const struct plan_device *d = &r->plan->devices[i];
	CLEANUP_FD int parent = -EBADF;
	const char *base = d->path + strlen("/dev/");
	char buf[256];
	int dir_fd = dev_fd, rc;

	if (!str_starts_with(d->path, "/dev/") || strchr(base, '/')) {
		parent = path_open_parent_in_root(r->root_fd, d->path, true, &base, buf,
						  sizeof(buf));
		if (parent < 0)
			return err_sysn(err, parent, "open the directory");
		dir_fd = parent;
	}
	if (r->plan->bind_devices && d->type != 'p')
		return bind_node(r, i, dir_fd, base, err);
	rc = make_node(dir_fd, base, d);
	if (rc == -EEXIST)
		return take_existing(r, dir_fd, base, d, err);
	return rc < 0 ? err_sysn(err, rc, "mknod") : own_node(dir_fd, base, d, err);
}

/* ---- links ---- */

static int make_link(int dev_fd, const char *target, const char *name, bool replace)
{
	char now[64];
	ssize_t n;

	if (symlinkat(target, dev_fd, name) == 0)
		return 0;
	if (errno != EEXIST || !replace)
		return errno == EEXIST ? 0 : -errno;
	n = readlinkat(dev_fd, name, now, sizeof(now) - 1);
	if (n > 0) {
		now[n] = '\0';
		if (str_eq(now, target))
			return 0;
	}
	if (unlinkat(dev_fd, name, 0) < 0 || symlinkat(target, dev_fd, name) < 0)
		return -errno;
	return 0;
}

static int make_links(struct rootfs *r, int dev_fd, struct err *err)
{
	static const struct {
		const char *name, *target;
		bool replace;
	} links[] = {
		{ "fd", "/proc/self/fd", false },       { "stdin", "/proc/self/fd/0", false },
		{ "stdout", "/proc/self/fd/1", false }, { "stderr", "/proc/self/fd/2", false },
		{ "ptmx", "pts/ptmx", true },
	};
	int rc;

	for (size_t i = 0; i < ARRAY_COUNT(links); i++) {
		rc = make_link(dev_fd, links[i].target, links[i].name, links[i].replace);
		if (rc < 0)
			return err_sysn(err, rc, "make the link \"/dev/%s\"", links[i].name);
	}
	if (r->proc_fd >= 0 && faccessat(r->proc_fd, "kcore", F_OK, 0) == 0) {
		rc = make_link(dev_fd, "/proc/kcore", "core", false);
		if (rc < 0)
			return err_sysn(err, rc, "make the link \"/dev/core\"");
	}
	return 0;
}

static int make_all(struct rootfs *r, struct err *err)
{
	CLEANUP_FD int dev_fd = -EBADF;

	dev_fd = path_open_in_root(r->root_fd, "/dev", O_PATH | O_DIRECTORY);
	if (dev_fd == -ENOENT)
		dev_fd = path_mkdirs_in_root(r->root_fd, "/dev", 0755);
	if (dev_fd < 0)
		return err_sysn(err, dev_fd, "open \"/dev\" of the container");
	for (size_t i = 0; i < r->plan->n_devices; i++) {
		if (make_device(r, i, dev_fd, err) < 0)
			return err_wrap(err, "device \"%s\"", r->plan->devices[i].path);
	}
	return make_links(r, dev_fd, err);
}

int rootfs_make_devices(struct rootfs *r, struct err *err)
{
	mode_t mask;
	int rc;

	if (!r->plan->setup_dev)
		return 0;
	mask = umask(0);
	rc = make_all(r, err);
	umask(mask);
	return rc;
}

/* ---- console ---- */

static bool is_pty_slave(int fd)
{
	struct stat st;

	/* UNIX98_PTY_SLAVE_MAJOR .. +7 */
	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && major(st.st_rdev) >= 136 &&
	       major(st.st_rdev) <= 143 && path_fs_magic(fd) == DEVPTS_SUPER_MAGIC;
}

int rootfs_attach_console(struct rootfs *r, int slave_fd, struct err *err)
{
	CLEANUP_FD int target = -EBADF, tree = -EBADF;
	int rc;

	if (!r->plan->new_mount_ns)
		return 0;
	/* CVE-2025-52565: what is bound is the descriptor that was proved, never "/dev/pts/0". */
	if (!is_pty_slave(slave_fd))
		return err_set(err, ENOTTY, "console: the descriptor is no pty slave");
	target = path_create_file_in_root(r->root_fd, "/dev/console", 0620);
	if (target < 0)
		return err_sysn(err, target, "create \"/dev/console\"");
	if (path_fs_magic(target) == PROC_SUPER_MAGIC)
		return err_set(err, EPERM, "\"/dev/console\" is inside /proc");
	tree = mount_clone(slave_fd, "", false);
	rc = tree < 0 ? tree : mount_attach(tree, target);
	if (mount_call_missing(rc))
		rc = mount_old_bind(rootfs_old_dir(r), slave_fd, target, false);
	return rc < 0 ? err_sysn(err, rc, "mount \"/dev/console\"") : 0;
}
