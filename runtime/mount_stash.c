/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See mount_stash.h.
 */
#include "runtime/mount_stash.h"

#include <limits.h>
#include <stdio.h>

#include "common/fd.h"
#include "common/path.h"
#include "common/str.h"
#include "runtime/rootfs_mount.h"

int mount_stash_path(char *buf, size_t size, const char *dir, char kind, size_t i)
{
	int n = snprintf(buf, size, "%s/%c%zu", dir, kind, i);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* An empty file or directory to mount on. */
static int make_point(const char *path, bool directory, struct err *err)
{
	int fd;

	if (directory && mkdir(path, 0711) < 0)
		return err_sys(err, "mkdir \"%s\"", path);
	fd = fd_open(path, directory ? O_PATH | O_DIRECTORY : O_RDONLY | O_CREAT | O_EXCL, 0600);
	return fd < 0 ? err_sysn(err, fd, "open \"%s\"", path) : fd;
}

static int stash(struct rootfs *r, const struct plan_mount *m, struct rootfs_source *source,
		 const char *path, struct err *err)
{
	bool made_here = source->state == ROOTFS_PREP_NONE;
	CLEANUP_FD int target = make_point(path, made_here || path_is_dir(source->fd), err);
	struct rootfs_place place = { target, -EBADF, path, NULL };
	int fd = -EBADF, rc;

	if (target < 0)
		return target;
	if (!made_here)
		return rootfs_attach_source(r, m, source, &place, err);
	rc = rootfs_attach_fs(r, m, &place, &fd, err);
	if (rc >= 0)
		*source = (struct rootfs_source){ fd, ROOTFS_PREP_TREE };
	return rc;
}

static int stash_root(struct rootfs *r, const char *dir, struct err *err)
{
	const struct plan_mount bind = mount_root_bind(r->plan);
	const struct plan_mount *m = r->plan->root_mount ? r->plan->root_mount : &bind;
	char path[PATH_MAX];
	int rc;

	if (snprintf(path, sizeof(path), "%s/" MOUNT_STASH_ROOT, dir) >= (int)sizeof(path))
		return err_set(err, ENAMETOOLONG, "\"%s\"", dir);
	rc = stash(r, m, &r->prep->root, path, err);
	if (rc < 0)
		return err_wrap(err, "root \"%s\"", r->plan->rootfs);
	r->root_fd = r->prep->root.fd;
	return 0;
}

static int stash_mounts(struct rootfs *r, const char *dir, struct err *err)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < r->plan->n_mounts; i++) {
		const struct plan_mount *m = &r->plan->mounts[i];
		int rc;

		if (m->kind != PLAN_MOUNT_BIND && m->kind != PLAN_MOUNT_HOST_FS)
			continue;
		rc = mount_stash_path(path, sizeof(path), dir, MOUNT_STASH_MOUNT, i);
		if (rc < 0)
			return err_sysn(err, rc, "\"%s\"", dir);
		rc = stash(r, m, &r->prep->mounts[i], path, err);
		if (rc < 0)
			return mount_wrap(err, m);
	}
	return 0;
}

static int stash_devices(struct rootfs *r, const char *dir, struct err *err)
{
	struct plan_mount bind = mount_device_bind();
	char path[PATH_MAX];

	for (size_t i = 0; r->plan->bind_devices && i < r->plan->n_devices; i++) {
		const struct plan_device *d = &r->plan->devices[i];
		int rc;

		if (d->type == 'p')
			continue;
		rc = mount_stash_path(path, sizeof(path), dir, MOUNT_STASH_DEVICE, i);
		if (rc < 0)
			return err_sysn(err, rc, "\"%s\"", dir);
		bind.source = d->path;
		rc = stash(r, &bind, &r->prep->devices[i], path, err);
		if (rc < 0)
			return err_wrap(err, "device \"%s\"", d->path);
	}
	return 0;
}

/* Without a cgroup namespace the container sees its cgroup by a bind. */
static int stash_cgroups(struct rootfs *r, const char *dir, struct err *err)
{
	const struct plan_mount bind = { .kind = PLAN_MOUNT_BIND };
	char path[PATH_MAX];

	for (size_t i = 0; i < r->prep->n_cgroups; i++) {
		struct rootfs_source *source = &r->prep->cgroups[i];
		int rc;

		if (source->state == ROOTFS_PREP_NONE)
			continue;
		rc = mount_stash_path(path, sizeof(path), dir, MOUNT_STASH_CGROUP, i);
		if (rc < 0)
			return err_sysn(err, rc, "\"%s\"", dir);
		rc = stash(r, &bind, source, path, err);
		if (rc < 0)
			return err_wrap(err, "cgroup hierarchy \"%s\"",
					r->cgroup->dirs[i].controllers);
	}
	return 0;
}

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && path[n] == '/';
}

/* What is mounted on a mount of the container's is criu's to make: it has that file system's
 * content in the image. */
static bool is_on_root(const struct rootfs *r, const struct plan_mount *m)
{
	for (size_t i = 0; i < r->plan->n_mounts; i++)
		if (is_below(m->destination, r->plan->mounts[i].destination))
			return false;
	return true;
}

static int make_points(struct rootfs *r, struct err *err)
{
	for (size_t i = 0; i < r->plan->n_mounts; i++) {
		const struct plan_mount *m = &r->plan->mounts[i];
		const struct rootfs_source *source = &r->prep->mounts[i];
		bool directory = source->fd < 0 || path_is_dir(source->fd), existed;
		int fd;

		if (m->kind == PLAN_MOUNT_REMOUNT || !is_on_root(r, m))
			continue;
		fd = rootfs_open_target(r, m, directory, &existed, err);
		if (fd < 0)
			return mount_wrap(err, m);
		fd_close(fd);
	}
	return 0;
}

int mount_stash_all(struct rootfs *r, const char *dir, struct err *err)
{
	int rc;

	/* Changes of the host's mounts may still come in: the container's slaves want them. */
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return err_sys(err, "make the mounts of criu's namespace slaves");
	/* Root of a new user namespace must get through. */
	if (mount("tmpfs", dir, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=711") < 0)
		return err_sys(err, "mount a tmpfs on \"%s\"", dir);
	if (mount(NULL, dir, NULL, MS_PRIVATE, NULL) < 0)
		return err_sys(err, "make \"%s\" private", dir);
	rc = stash_root(r, dir, err);
	if (rc >= 0)
		rc = stash_mounts(r, dir, err);
	if (rc >= 0)
		rc = stash_devices(r, dir, err);
	if (rc >= 0)
		rc = stash_cgroups(r, dir, err);
	return rc < 0 ? rc : make_points(r, err);
}
