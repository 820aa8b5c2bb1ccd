/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parent's part, before the clone: every mount that has a host side is made here, detached, or
 * pinned where the parent lacks the right or the call. Nothing of it shows in any mount namespace.
 */
#include <linux/magic.h>
#include <stdio.h>
#include <sys/sysmacros.h>

#include "common/fd.h"
#include "common/path.h"
#include "runtime/mount.h"
#include "runtime/rootfs.h"

#define PROC_ROOT_INODE 1

uint64_t mount_base_propagation(const struct plan_mounts *plan)
{
	if (plan->root_propagation & MS_SHARED)
		return 0;
	if (plan->root_propagation & (MS_PRIVATE | MS_UNBINDABLE))
		return MS_PRIVATE;
	return MS_SLAVE;
}

struct plan_mount mount_root_bind(const struct plan_mounts *plan)
{
	struct plan_mount m = {
		.kind = PLAN_MOUNT_BIND,
		.json_path = "root.path",
		.source = plan->rootfs,
		.destination = "/",
		.recursive = true,
	};

	/* Even with a shared "/" the root itself is no peer of the host's mount it is a clone of, or
	 * each mount of the container would appear in root.path on the host. */
	if (plan->root_propagation & MS_SHARED)
		m.propagation = MS_PRIVATE;
	return m;
}

struct plan_mount mount_device_bind(void)
{
	/* A mount made on top of a peer would reach the host's node. */
	return (struct plan_mount){ .kind = PLAN_MOUNT_BIND, .propagation = MS_PRIVATE };
}

struct mount_device_path mount_device_path(const struct plan_device *device)
{
	struct mount_device_path path;

	snprintf(path.s, sizeof(path.s), "/dev/%s/%u:%u", device->type == 'b' ? "block" : "char",
		 device->major, device->minor);
	return path;
}

bool mount_is_device(int fd, const struct plan_device *device)
{
	struct stat st;
	mode_t type = device->type == 'b' ? S_IFBLK : device->type == 'p' ? S_IFIFO : S_IFCHR;

	if (fstat(fd, &st) < 0 || (st.st_mode & S_IFMT) != type)
		return false;
	return type == S_IFIFO || st.st_rdev == makedev(device->major, device->minor);
}

struct mount_fs mount_fs_of(const struct plan_mount *m, const char *extra)
{
	return (struct mount_fs){
		.type = m->type,
		.source = m->source,
		.options = &m->fs_options,
		.extra = extra,
		.sb_flags = m->sb_flags,
		.attrs = m->attr_set,
	};
}

int mount_wrap(struct err *err, const struct plan_mount *m)
{
	return err_wrap(err, "%s: error mounting \"%s\" to rootfs at \"%s\"", m->json_path,
			m->source ? m->source : m->type, m->destination);
}

/* Clones the tree; where the parent may not, pins what the path means now. */
static int open_source(const char *path, bool recursive, struct rootfs_source *ret)
{
	int fd = mount_clone(AT_FDCWD, path, recursive);

	if (fd >= 0) {
		*ret = (struct rootfs_source){ fd, ROOTFS_PREP_TREE };
		return 0;
	}
	if (!mount_call_missing(fd))
		return fd;
	fd = fd_open(path, O_PATH, 0);
	if (fd < 0)
		return fd;
	*ret = (struct rootfs_source){ fd, ROOTFS_PREP_PIN };
	return 0;
}

static int apply(struct rootfs_source *source, const struct plan_mount *m, uint64_t base,
		 struct err *err)
{
	int r;

	if (source->state != ROOTFS_PREP_TREE)
		return 0;
	r = mount_apply(source->fd, m, base);
	if (mount_call_missing(r)) {
		source->state = ROOTFS_PREP_BARE;
		return 0;
	}
	return r < 0 ? err_sysn(err, r, "set mount attributes") : 0;
}

/* A clone made here does not keep a user namespace from clearing the host's own flags, or from
 * uncovering what the host has mounted over; a clone of the copy that the user namespace got does.
 * Peers of the host (rootfsPropagation shared) exist only here. */
static bool needs_lock(const struct plan_mounts *plan, const struct plan_mount *m, int fd)
{
	const uint64_t flags =
		MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

	if (!plan->new_user_ns || !plan->new_mount_ns || m->idmap || !mount_base_propagation(plan))
		return false;
	/* The root is always recursive, and rarely has anything mounted below it on the host. */
	return (m->recursive && !str_eq(m->destination, "/")) || (mount_attrs_of(fd) & flags);
}

/* A whole one: a directory of it would hide /proc/self from those who write labels there. */
static bool is_procfs(int fd)
{
	struct stat st;

	return path_fs_magic(fd) == PROC_SUPER_MAGIC && fstat(fd, &st) == 0 &&
	       st.st_ino == PROC_ROOT_INODE;
}

static int prepare_bind(const struct plan_mounts *plan, const struct plan_mount *m,
			struct rootfs_source *ret, struct err *err)
{
	int r = open_source(m->source, m->recursive, ret);
	bool locked;

	if (r < 0)
		return err_sysn(err, r, "open \"%s\"", m->source);
	if (str_eq(m->destination, "/proc") && !is_procfs(ret->fd))
		return err_set(err, EINVAL, "only procfs may be mounted on \"/proc\"");
	if (m->idmap && ret->state != ROOTFS_PREP_TREE)
		return err_set(err, ENOTSUP,
			       "id-mapped mounts need open_tree and mount_setattr, and the right "
			       "to use them");
	locked = needs_lock(plan, m, ret->fd);
	r = apply(ret, m, mount_base_propagation(plan), err);
	if (r >= 0 && locked && ret->state == ROOTFS_PREP_TREE)
		ret->state = ROOTFS_PREP_LOCKED;
	return r;
}

static int prepare_fs(const struct plan_mount *m, struct rootfs_source *ret, struct err *err)
{
	struct mount_fs fs = mount_fs_of(m, NULL);
	int r;

	if (mount_fs_needs_old(&fs))
		return 0; /* init makes it by mount(2), before pivot */
	r = mount_fs_make(&fs, err);
	if (mount_call_missing(r)) {
		mount_forget(err);
		return 0;
	}
	if (r < 0)
		return r;
	*ret = (struct rootfs_source){ r, ROOTFS_PREP_TREE };
	if (!m->propagation)
		return 0;
	return apply(ret, m, 0, err);
}

static int prepare_mount(const struct plan_mounts *plan, const struct plan_mount *m,
			 struct rootfs_source *ret, struct err *err)
{
	int r = 0;

	if (m->kind == PLAN_MOUNT_BIND)
		r = prepare_bind(plan, m, ret, err);
	else if (m->kind == PLAN_MOUNT_HOST_FS)
		r = prepare_fs(m, ret, err);
	return r < 0 ? mount_wrap(err, m) : 0;
}

static int prepare_root(const struct plan_mounts *plan, struct rootfs_source *ret, struct err *err)
{
	struct plan_mount bind = mount_root_bind(plan);
	struct stat st;
	bool locked;
	int r;

	if (plan->root_mount) {
		if (stat(plan->rootfs, &st) < 0)
			return err_sys(err, "invalid rootfs: stat %s", plan->rootfs);
		return prepare_mount(plan, plan->root_mount, ret, err);
	}
	if (!plan->new_mount_ns) {
		r = fd_open(plan->rootfs, O_PATH | O_DIRECTORY, 0);
		*ret = (struct rootfs_source){ r, ROOTFS_PREP_PIN };
	} else {
		r = open_source(plan->rootfs, true, ret);
	}
	if (r < 0)
		return err_sysn(err, r, "invalid rootfs: stat %s", plan->rootfs);
	if (!path_is_dir(ret->fd))
		return err_set(err, ENOTDIR, "invalid rootfs: %s is not a directory", plan->rootfs);
	locked = needs_lock(plan, &bind, ret->fd);
	r = apply(ret, &bind, mount_base_propagation(plan), err);
	if (r >= 0 && locked && ret->state == ROOTFS_PREP_TREE)
		ret->state = ROOTFS_PREP_LOCKED;
	return r < 0 ? err_wrap(err, "root.path \"%s\"", plan->rootfs) : 0;
}

static int prepare_device(const struct plan_device *d, struct rootfs_source *ret, struct err *err)
{
	struct mount_device_path by_number = mount_device_path(d);
	const char *paths[] = { d->path, by_number.s };
	struct plan_mount bind = mount_device_bind();

	for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
		int r = open_source(paths[i], false, ret);

		if (r < 0)
			continue;
		if (mount_is_device(ret->fd, d))
			return apply(ret, &bind, 0, err);
		ret->fd = fd_close(ret->fd);
		ret->state = ROOTFS_PREP_NONE;
	}
	return err_set(err, ENODEV,
		       "device \"%s\": the host has no node %c %u:%u there to bind in the user "
		       "namespace",
		       d->path, d->type, d->major, d->minor);
}

/* Without a cgroup namespace the container sees its own cgroup by a bind of it. */
static int prepare_cgroups(const struct plan_mounts *plan, const struct plan_cgroup *cgroup,
			   struct rootfs_prep *prep, struct err *err)
{
	struct plan_mount bind = { .kind = PLAN_MOUNT_BIND, .recursive = false };
	bool wanted = false;

	for (size_t i = 0; i < plan->n_mounts; i++)
		wanted |= plan->mounts[i].kind == PLAN_MOUNT_CGROUP1 ||
			  plan->mounts[i].kind == PLAN_MOUNT_CGROUP2;
	if (!wanted || !cgroup)
		return 0;
	for (size_t i = 0; i < cgroup->n_dirs; i++) {
		int r = open_source(cgroup->dirs[i].path, false, &prep->cgroups[i]);

		if (r == -ENOENT)
			continue; /* tolerated by the cgroup manager: nothing of it to show */
		if (r < 0)
			return err_sysn(err, r, "open cgroup \"%s\"", cgroup->dirs[i].path);
		r = apply(&prep->cgroups[i], &bind, MS_PRIVATE, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A joined network namespace may be the host's own: then its sysctls are the host's. */
static int check_net_ns(const struct plan_mounts *plan, struct err *err)
{
	struct stat own, joined;

	if (!plan->net_ns_path)
		return 0;
	if (stat("/proc/self/ns/net", &own) < 0 || stat(plan->net_ns_path, &joined) < 0)
		return err_sys(err, "stat network namespace \"%s\"", plan->net_ns_path);
	if (own.st_dev == joined.st_dev && own.st_ino == joined.st_ino)
		return err_set(err, EINVAL,
			       "linux.sysctl: net sysctls are not allowed in the host's network "
			       "namespace");
	return 0;
}

static struct rootfs_source *no_sources(struct arena *arena, size_t n)
{
	struct rootfs_source *v = ARENA_ARRAY(arena, n, struct rootfs_source);

	for (size_t i = 0; i < n; i++)
		v[i].fd = -EBADF;
	return v;
}

static int prepare_all(const struct plan_mounts *plan, const struct plan_cgroup *cgroup,
		       struct rootfs_prep *prep, struct err *err)
{
	int r = check_net_ns(plan, err);

	if (r >= 0)
		r = prepare_root(plan, &prep->root, err);
	for (size_t i = 0; i < plan->n_mounts && r >= 0; i++)
		r = prepare_mount(plan, &plan->mounts[i], &prep->mounts[i], err);
	for (size_t i = 0; plan->bind_devices && i < plan->n_devices && r >= 0; i++) {
		if (plan->devices[i].type != 'p')
			r = prepare_device(&plan->devices[i], &prep->devices[i], err);
	}
	if (r >= 0 && !plan->new_cgroup_ns)
		r = prepare_cgroups(plan, cgroup, prep, err);
	return r;
}

int rootfs_prepare(struct arena *arena, const struct plan_mounts *plan,
		   const struct plan_cgroup *cgroup, struct rootfs_prep *ret, struct err *err)
{
	size_t n_cgroups = cgroup ? cgroup->n_dirs : 0;
	struct rootfs_prep prep = {
		.root = { .fd = -EBADF },
		.mounts = no_sources(arena, plan->n_mounts),
		.devices = no_sources(arena, plan->n_devices),
		.cgroups = no_sources(arena, n_cgroups),
		.n_mounts = plan->n_mounts,
		.n_devices = plan->n_devices,
		.n_cgroups = n_cgroups,
	};
	int r = prepare_all(plan, cgroup, &prep, err);

	if (r < 0) {
		rootfs_prep_done(&prep);
		return r;
	}
	*ret = prep;
	return 0;
}

static void close_all(struct rootfs_source *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		v[i].fd = fd_close(v[i].fd);
}

void rootfs_prep_done(struct rootfs_prep *prep)
{
	if (!prep->mounts)
		return; /* never filled */
	close_all(&prep->root, 1);
	close_all(prep->mounts, prep->n_mounts);
	close_all(prep->devices, prep->n_devices);
	close_all(prep->cgroups, prep->n_cgroups);
}
