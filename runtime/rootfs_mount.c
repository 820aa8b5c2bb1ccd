/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan's mounts, one after the other, in init before pivot: the host's tree is still at "/", the
 * container's root is attached at root.path. Other containers may be changing shared volumes below
 * the root right now: targets are resolved once, by path.c, and used by descriptor.
 */
#include "runtime/rootfs_mount.h"

#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/xattr.h>

#include "common/fd.h"
#include "common/path.h"

/* ---- targets ---- */

static bool is_proc(const char *destination)
{
	return str_eq(destination, "/proc") || str_starts_with(destination, "/proc/");
}

static bool is_strict(const struct plan_mount *m)
{
	/* CVE-2023-27561: a symlink in the image must not decide where procfs and sysfs are. */
	return str_eq(m->type, "proc") || str_eq(m->type, "sysfs") || is_proc(m->destination) ||
	       str_eq(m->destination, "/sys");
}

static int create_target(struct rootfs *r, const struct plan_mount *m, bool directory)
{
	int fd = directory ? path_mkdirs_in_root(r->root_fd, m->destination, 0755)
			   : path_create_file_in_root(r->root_fd, m->destination, 0644);

	if (fd < 0 || !is_strict(m))
		return fd;
	fd_close(fd);
	return path_open_in_root_how(r->root_fd, m->destination, O_PATH, RESOLVE_NO_SYMLINKS);
}

int rootfs_open_target(struct rootfs *r, const struct plan_mount *m, bool directory,
		       bool *ret_existed, struct err *err)
{
	CLEANUP_FD int fd = -EBADF;

	*ret_existed = true;
	fd = path_open_in_root_how(r->root_fd, m->destination, O_PATH,
				   is_strict(m) ? RESOLVE_NO_SYMLINKS : 0);
	if (fd == -ENOENT) {
		*ret_existed = false;
		fd = create_target(r, m, directory);
	}
	if (fd == -ELOOP && is_strict(m))
		return err_set(err, ELOOP, "the target must not be or go through a symbolic link");
	if (fd < 0)
		return err_sysn(err, fd, "%s the target", *ret_existed ? "open" : "create");
	/* A link somewhere else in the image that leads into procfs: nothing may hide parts of it. */
	if (!is_proc(m->destination) && path_fs_magic(fd) == PROC_SUPER_MAGIC)
		return err_set(err, EPERM, "the target is inside /proc");
	return fd_take(&fd);
}

/* ---- attaching what the parent prepared ---- */

static int reopen(const struct rootfs_place *place)
{
	if (place->root_fd < 0)
		return fd_open(place->path, O_PATH, 0);
	return path_open_in_root(place->root_fd, place->path, O_PATH);
}

/* move_mount says EINVAL where mount(2) said ENOTDIR, which callers know. */
static int wrong_kind(int rc, int source_fd, int target_fd)
{
	return rc == -EINVAL && path_is_dir(source_fd) != path_is_dir(target_fd) ? -ENOTDIR : rc;
}

static void keep_fd(struct rootfs_source *source, int fd)
{
	fd_close(source->fd);
	source->fd = fd;
	source->state = ROOTFS_PREP_TREE;
}

/* Replaces the parent's descriptor by one of the same file in our own mount namespace. */
static int open_own(const struct plan_mount *m, struct rootfs_source *source, struct err *err)
{
	CLEANUP_FD int fd = -EBADF;

	if (source->state == ROOTFS_PREP_OPEN)
		return 0;
	fd = fd_open(m->source, O_PATH, 0);
	if (fd < 0)
		return err_sysn(err, fd, "open \"%s\"", m->source);
	if (!mount_same_file(fd, source->fd))
		return err_set(err, ESTALE, "\"%s\" was exchanged since it was looked at",
			       m->source);
	fd_close(source->fd);
	*source = (struct rootfs_source){ fd_take(&fd), ROOTFS_PREP_OPEN };
	return 0;
}

static void open_early(const struct plan_mount *m, struct rootfs_source *source)
{
	if (source->state == ROOTFS_PREP_PIN)
		(void)!open_own(m, source, NULL); /* told where it is used */
	else if (source->state == ROOTFS_PREP_LOCKED && open_own(m, source, NULL) < 0)
		source->state = ROOTFS_PREP_TREE; /* out of our reach: the parent's clone it is */
}

int rootfs_open_sources(struct rootfs *r, struct err *err UNUSED)
{
	struct plan_mount root = mount_root_bind(r->plan);

	if (!r->plan->new_user_ns)
		return 0;
	if (!r->plan->root_mount && r->plan->new_mount_ns)
		open_early(&root, &r->prep->root);
	for (size_t i = 0; i < r->plan->n_mounts; i++) {
		if (r->plan->mounts[i].kind == PLAN_MOUNT_BIND)
			open_early(&r->plan->mounts[i], &r->prep->mounts[i]);
	}
	return 0;
}

static int bind_old(struct rootfs *r, const struct plan_mount *m, struct rootfs_source *source,
		    const struct rootfs_place *place, struct err *err)
{
	CLEANUP_FD int fd = -EBADF;
	int rc = mount_old_bind(rootfs_old_dir(r), source->fd, place->target_fd, m->recursive);

	if (rc < 0)
		return err_sysn(err, rc, "bind mount");
	fd = reopen(place);
	if (fd < 0)
		return err_sysn(err, fd, "open the new mount");
	if (!mount_same_file(fd, source->fd))
		return err_set(err, ESTALE, "the target was exchanged while it was mounted on");
	rc = mount_apply_attached(fd, m, mount_base_propagation(r->plan), rootfs_old_dir(r), err);
	if (rc < 0)
		return rc;
	keep_fd(source, fd_take(&fd));
	return 0;
}

/* The parent could only pin the source: clone it in our own mount namespace. */
static int attach_by_path(struct rootfs *r, const struct plan_mount *m,
			  struct rootfs_source *source, const struct rootfs_place *place,
			  struct err *err)
{
	CLEANUP_FD int tree = -EBADF;
	int rc = open_own(m, source, err);

	if (rc < 0)
		return rc;
	tree = mount_clone(source->fd, "", m->recursive);
	if (tree < 0 && !mount_call_missing(tree))
		return err_sysn(err, tree, "clone \"%s\"", m->source);
	rc = tree < 0 ? tree : mount_attach(tree, place->target_fd);
	if (mount_call_missing(rc))
		return bind_old(r, m, source, place, err);
	if (rc < 0)
		return err_sysn(err, wrong_kind(rc, tree, place->target_fd), "attach");
	rc = mount_apply_attached(tree, m, mount_base_propagation(r->plan), rootfs_old_dir(r), err);
	if (rc < 0)
		return rc;
	keep_fd(source, fd_take(&tree));
	return 0;
}

int rootfs_attach_source(struct rootfs *r, const struct plan_mount *m, struct rootfs_source *source,
			 const struct rootfs_place *place, struct err *err)
{
	int rc;

	if (source->state == ROOTFS_PREP_LOCKED)
		open_early(m, source);
	if (source->state != ROOTFS_PREP_PIN && source->state != ROOTFS_PREP_OPEN) {
		rc = mount_attach(source->fd, place->target_fd);
		if (rc == 0 && source->state == ROOTFS_PREP_BARE)
			return mount_apply_attached(source->fd, m, mount_base_propagation(r->plan),
						    rootfs_old_dir(r), err);
		if (rc == 0)
			return 0;
		rc = wrong_kind(rc, source->fd, place->target_fd);
		if (!mount_call_missing(rc) || m->kind != PLAN_MOUNT_BIND || m->idmap)
			return err_sysn(err, rc, "attach");
	}
	return attach_by_path(r, m, source, place, err);
}

/* ---- file systems made by init ---- */

static int fs_old(struct rootfs *r, const struct plan_mount *m, const struct rootfs_place *place,
		  int *ret_fd, struct err *err)
{
	struct mount_fs fs = mount_fs_of(m, place->extra);
	CLEANUP_FD int fd = -EBADF;
	struct stat below, above;
	int rc = mount_old_fs(&fs, rootfs_old_dir(r), place->target_fd, err);

	if (rc < 0)
		return rc;
	fd = reopen(place);
	if (fd < 0)
		return err_sysn(err, fd, "open the new mount");
	if (fstat(place->target_fd, &below) < 0 || fstat(fd, &above) < 0 ||
	    below.st_dev == above.st_dev)
		return err_set(err, ESTALE, "the target was exchanged while it was mounted on");
	if (m->tmpcopyup) {
		rc = mount_copy_up(place->target_fd, fd, err);
		if (rc < 0)
			return rc;
	}
	if (m->propagation) {
		struct plan_mount only = { .propagation = m->propagation };

		rc = mount_apply_attached(fd, &only, 0, rootfs_old_dir(r), err);
		if (rc < 0)
			return rc;
	}
	*ret_fd = fd_take(&fd);
	return 0;
}

static int finish_fs(struct rootfs *r, const struct plan_mount *m, int fd,
		     const struct rootfs_place *place, struct err *err)
{
	struct plan_mount only = { .propagation = m->propagation };
	int rc;

	if (m->tmpcopyup) {
		rc = mount_copy_up(place->target_fd, fd, err);
		if (rc < 0)
			return rc;
	}
	rc = wrong_kind(mount_attach(fd, place->target_fd), fd, place->target_fd);
	if (rc < 0)
		return err_sysn(err, rc, "attach");
	return m->propagation ? mount_apply_attached(fd, &only, 0, rootfs_old_dir(r), err) : 0;
}

int rootfs_attach_fs(struct rootfs *r, const struct plan_mount *m, const struct rootfs_place *place,
		     int *ret_fd, struct err *err)
{
	CLEANUP_FD int fd = -EBADF;
	struct mount_fs fs = mount_fs_of(m, place->extra);
	int rc;

	if (mount_fs_needs_old(&fs))
		return fs_old(r, m, place, ret_fd, err);
	fd = mount_fs_make(&fs, err);
	if (mount_call_missing(fd)) {
		mount_forget(err);
		return fs_old(r, m, place, ret_fd, err);
	}
	if (fd < 0)
		return fd;
	rc = finish_fs(r, m, fd, place, err);
	if (mount_call_missing(rc)) {
		mount_forget(err);
		fd = fd_close(fd);
		return fs_old(r, m, place, ret_fd, err);
	}
	if (rc < 0)
		return rc;
	*ret_fd = fd_take(&fd);
	return 0;
}

/* Without recursive attributes the host's cgroups below /sys would stay writable: cover them. */
static int hide_sysfs_cgroups(struct rootfs *r, const struct plan_mount *m, struct err *err)
{
	struct plan_mount empty = {
		.kind = PLAN_MOUNT_INIT_FS,
		.type = "tmpfs",
		.source = "tmpfs",
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
			    MOUNT_ATTR_NOEXEC,
	};
	CLEANUP_FD int target = -EBADF, fd = -EBADF;
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/fs/cgroup", m->destination) >= (int)sizeof(path))
		return err_set(err, ENAMETOOLONG, "the target");
	target = path_open_in_root(r->root_fd, path, O_PATH | O_DIRECTORY);
	if (target == -ENOENT)
		return 0;
	if (target < 0)
		return err_sysn(err, target, "open \"%s\"", path);
	struct rootfs_place place = { target, r->root_fd, path, "mode=755" };

	return rootfs_attach_fs(r, &empty, &place, &fd, err);
}

/* In a user namespace that does not own the network namespace sysfs cannot be mounted: show the
 * host's instead, read-only throughout (CVE-2023-25809: the host's cgroups are below it). */
static int bind_sysfs(struct rootfs *r, const struct plan_mount *in,
		      const struct rootfs_place *place, int *ret_fd, struct err *err)
{
	bool plain = mount_call_missing(mount_set_attr(place->target_fd, true, 0, 0, 0));
	struct rootfs_source source = { -EBADF, ROOTFS_PREP_PIN };
	struct plan_mount m = *in;
	int rc;

	m.kind = PLAN_MOUNT_BIND;
	m.source = "/sys";
	m.recursive = true;
	m.attr_set |= MOUNT_ATTR_RDONLY;
	m.rec_set = plain ? 0 : MOUNT_ATTR_RDONLY;
	source.fd = fd_open("/sys", O_PATH | O_DIRECTORY, 0);
	if (source.fd < 0 || path_fs_magic(source.fd) != SYSFS_MAGIC) {
		fd_close(source.fd);
		return err_set(err, EPERM, "sysfs is not permitted here and the host has no /sys");
	}
	rc = attach_by_path(r, &m, &source, place, err);
	if (rc >= 0 && plain)
		rc = hide_sysfs_cgroups(r, in, err);
	if (rc < 0) {
		fd_close(source.fd);
		return rc;
	}
	*ret_fd = source.fd;
	return 0;
}

static const char *find_option(const struct plan_mount *m, const char *prefix)
{
	for (size_t i = 0; i < m->fs_options.n; i++) {
		if (str_starts_with(m->fs_options.v[i], prefix))
			return m->fs_options.v[i];
	}
	return NULL;
}

/* What a mount needs to be told that only the target knows, or the namespaces. */
static const char *extra_option(struct rootfs *r, const struct plan_mount *m, int target_fd,
				bool existed, char buf[32])
{
	struct stat st;

	if (str_eq(m->type, "overlay") && r->plan->new_user_ns && !find_option(m, "userxattr"))
		return "userxattr";
	if (!existed || !str_eq(m->type, "tmpfs") || find_option(m, "mode=") ||
	    fstat(target_fd, &st) < 0)
		return NULL;
	snprintf(buf, 32, "mode=%04o", st.st_mode & 07777);
	return buf;
}

/* mqueue takes no context option: its root gets the label as a file does. */
static int label_mqueue(struct rootfs *r, int fd, struct err *err)
{
	struct fd_path path = fd_path(fd);
	const char *label = r->plan->mount_label;

	if (setxattr(path.s, "security.selinux", label, strlen(label) + 1, 0) < 0)
		return err_sys(err, "label the mqueue");
	return 0;
}

static bool is_own_proc(const struct rootfs *r, const struct plan_mount *m)
{
	return r->proc_is_own && m->kind == PLAN_MOUNT_INIT_FS && str_eq(m->type, "proc") &&
	       str_eq(m->destination, "/proc") && !m->fs_options.n && !m->sb_flags &&
	       !m->propagation && !(m->attr_set & MOUNT_ATTR_RDONLY);
}

static int mount_fs_in_init(struct rootfs *r, const struct plan_mount *m,
			    struct rootfs_source *source, struct err *err)
{
	CLEANUP_FD int target = -EBADF;
	char buf[32];
	const char *extra;
	bool existed;
	int rc, fd = -EBADF;

	target = rootfs_open_target(r, m, true, &existed, err);
	if (target < 0)
		return target;
	if (is_own_proc(r, m) && mount_attach(r->proc_fd, target) == 0) {
		r->proc_is_own = false;
		return 0;
	}
	extra = extra_option(r, m, target, existed, buf);
	struct rootfs_place place = { target, r->root_fd, m->destination, extra };

	rc = rootfs_attach_fs(r, m, &place, &fd, err);
	if (rc == -EPERM && str_eq(m->type, "sysfs") && r->plan->new_user_ns) {
		mount_forget(err);
		rc = bind_sysfs(r, m, &place, &fd, err);
	}
	if (rc >= 0 && r->plan->mount_label && str_eq(m->type, "mqueue"))
		rc = label_mqueue(r, fd, err);
	if (rc < 0) {
		fd_close(fd);
		return rc;
	}
	keep_fd(source, fd);
	return 0;
}

/* ---- one mount of each kind ---- */

static int mount_source(struct rootfs *r, const struct plan_mount *m, struct rootfs_source *source,
			struct err *err)
{
	CLEANUP_FD int target = -EBADF;
	bool existed;

	target = rootfs_open_target(r, m, path_is_dir(source->fd), &existed, err);
	if (target < 0)
		return target;
	return rootfs_attach_source(
		r, m, source, &(struct rootfs_place){ target, r->root_fd, m->destination, NULL },
		err);
}

static int mount_again(struct rootfs *r, const struct plan_mount *m, struct err *err)
{
	CLEANUP_FD int target = -EBADF;
	struct plan_mount only = { .propagation = m->propagation,
				   .propagation_recursive = m->propagation_recursive,
				   .rec_set = m->rec_set,
				   .rec_clr = m->rec_clr,
				   .recursive = true };
	char data[4096];
	struct str s = STR_FIXED(data);
	unsigned long flags = MS_REMOUNT | mount_ms_flags(m->attr_set) | m->sb_flags;
	int rc;

	target = path_open_in_root(r->root_fd, m->destination, O_PATH);
	if (target < 0)
		return err_sysn(err, target, "open the target");
	for (size_t i = 0; i < m->fs_options.n; i++)
		str_addf(&s, "%s%s", i ? "," : "", m->fs_options.v[i]);
	if (s.overflow)
		return err_set(err, E2BIG, "the options are longer than a page");
	if (!m->fs_options.n && !m->sb_flags)
		flags |= MS_BIND; /* only this mount, whoever else uses the file system */
	rc = mount_old_flags(rootfs_old_dir(r), target, flags, s.len ? data : NULL);
	if (rc == -EPERM) /* locked flags of a user namespace: keep them */
		rc = mount_old_flags(rootfs_old_dir(r), target,
				     flags | mount_ms_flags(mount_attrs_of(target) & ~m->attr_clr),
				     s.len ? data : NULL);
	if (rc < 0)
		return err_sysn(err, rc, "remount");
	return mount_apply_attached(target, &only, 0, rootfs_old_dir(r), err);
}

static int mount_one(struct rootfs *r, size_t i, struct err *err)
{
	const struct plan_mount *m = &r->plan->mounts[i];
	struct rootfs_source *source = &r->prep->mounts[i];
	int rc = 0, fd = -EBADF;

	switch (m->kind) {
	case PLAN_MOUNT_BIND:
		rc = mount_source(r, m, source, err);
		break;
	case PLAN_MOUNT_HOST_FS:
		if (source->state != ROOTFS_PREP_NONE)
			rc = mount_source(r, m, source, err);
		/* Made, but move_mount is missing: once more, with the old call. An overlay's upper
		 * directory can be in use once only. */
		if (mount_call_missing(rc)) {
			mount_forget(err);
			source->fd = fd_close(source->fd);
		}
		if (source->state == ROOTFS_PREP_NONE || mount_call_missing(rc))
			rc = mount_fs_in_init(r, m, source, err);
		break;
	case PLAN_MOUNT_INIT_FS:
		rc = mount_fs_in_init(r, m, source, err);
		break;
	case PLAN_MOUNT_CGROUP1:
		rc = rootfs_mount_cgroup1(r, m, &fd, err);
		fd_close(fd);
		break;
	case PLAN_MOUNT_CGROUP2:
		rc = rootfs_mount_cgroup2(r, m, err);
		break;
	case PLAN_MOUNT_REMOUNT:
		rc = mount_again(r, m, err);
		break;
	}
	return rc < 0 ? mount_wrap(err, m) : 0;
}

int rootfs_mount_all(struct rootfs *r, struct err *err)
{
	mode_t mask = umask(0);
	int rc = 0;

	for (size_t i = 0; i < r->plan->n_mounts && rc >= 0; i++)
		rc = mount_one(r, i, err);
	umask(mask);
	return rc;
}
