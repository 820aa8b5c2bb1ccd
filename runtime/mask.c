/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Masked and read-only paths, and the read-only root: the last of the mounts, in init after pivot.
 * Everything is a mount by descriptor; what hides a file is proved to be the null device
 * (CVE-2025-31133), what hides directories is one read-only tmpfs.
 */
#include <linux/magic.h>
#include <sys/sysmacros.h>

#include "common/fd.h"
#include "common/path.h"
#include "runtime/rootfs_mount.h"

struct mask {
	struct rootfs *r;
	int null_fd; /* the container's /dev/null, verified */
	int tmp_fd;  /* the empty directory: attached already, so that it can be cloned */
};

/* A clone of source (old calls: a bind), attached at the target. */
static int clone_to(struct rootfs *r, int source_fd, int target_fd)
{
	CLEANUP_FD int tree = -EBADF;
	int rc;

	tree = mount_clone(source_fd, "", false);
	rc = tree < 0 ? tree : mount_attach(tree, target_fd);
	if (mount_call_missing(rc))
		rc = mount_old_bind(rootfs_old_dir(r), source_fd, target_fd, false);
	return rc;
}

static int mask_file(struct mask *mask, int target_fd, struct err *err)
{
	int rc;

	if (mask->null_fd < 0) {
		mask->null_fd =
			path_open_in_root(mask->r->root_fd, "/dev/null", O_PATH | O_NOFOLLOW);
		if (mask->null_fd < 0)
			return err_sysn(err, mask->null_fd, "open \"/dev/null\"");
	}
	if (!path_is_chrdev(mask->null_fd, 1, 3))
		return err_set(err, ENODEV,
			       "\"/dev/null\" of the container is not the null device");
	rc = clone_to(mask->r, mask->null_fd, target_fd);
	return rc < 0 ? err_sysn(err, rc, "mount \"/dev/null\"") : 0;
}

static int mask_directory(struct mask *mask, int target_fd, const char *path, struct err *err)
{
	static const struct spec_strings none;
	struct plan_mount m = {
		.kind = PLAN_MOUNT_INIT_FS,
		.type = "tmpfs",
		.source = "tmpfs",
		.destination = path,
		.sb_flags = MS_RDONLY,
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
			    MOUNT_ATTR_NOEXEC,
		.fs_options = none,
	};
	struct rootfs_place place = { target_fd, mask->r->root_fd, path, NULL };
	const char *label = mask->r->plan->mount_label;
	char buf[512] = "context=\"";
	int rc;

	if (mask->tmp_fd >= 0) {
		rc = clone_to(mask->r, mask->tmp_fd, target_fd);
		return rc < 0 ? err_sysn(err, rc, "mount an empty directory") : 0;
	}
	if (label && strlen(label) < sizeof(buf) - 16) {
		memcpy(buf + strlen(buf), label, strlen(label) + 1);
		memcpy(buf + strlen(buf), "\"", 2);
		place.extra = buf;
	}
	return rootfs_attach_fs(mask->r, &m, &place, &mask->tmp_fd, err);
}

static int mask_path(struct mask *mask, const char *path, struct err *err)
{
	CLEANUP_FD int target = -EBADF;
	struct stat st;

	target = path_open_in_root(mask->r->root_fd, path, O_PATH);
	if (target == -ENOENT || target == -ENOTDIR)
		return 0; /* nothing to hide */
	if (target < 0)
		return err_sysn(err, target, "open");
	if (fstat(target, &st) < 0)
		return err_sys(err, "fstat");
	return S_ISDIR(st.st_mode) ? mask_directory(mask, target, path, err)
				   : mask_file(mask, target, err);
}

/* The old way makes the bind first and the flag second; both by descriptor. */
static int readonly_old(struct rootfs *r, const char *path, int target_fd, struct err *err)
{
	struct plan_mount m = { .attr_set = MOUNT_ATTR_RDONLY };
	CLEANUP_FD int fd = -EBADF;
	int rc = mount_old_bind(rootfs_old_dir(r), target_fd, target_fd, true);

	if (rc < 0)
		return err_sysn(err, rc, "bind mount");
	fd = path_open_in_root(r->root_fd, path, O_PATH);
	if (fd < 0 || !mount_same_file(fd, target_fd))
		return err_set(err, ESTALE, "the path was exchanged while it was mounted on");
	return mount_apply_attached(fd, &m, 0, rootfs_old_dir(r), err);
}

static int readonly_path(struct rootfs *r, const char *path, struct err *err)
{
	struct plan_mount m = { .recursive = true, .rec_set = MOUNT_ATTR_RDONLY };
	CLEANUP_FD int target = -EBADF, tree = -EBADF;
	int rc;

	target = path_open_in_root(r->root_fd, path, O_PATH);
	if (target == -ENOENT || target == -ENOTDIR)
		return 0;
	if (target < 0)
		return err_sysn(err, target, "open");
	tree = mount_clone(target, "", true);
	/* Read-only before it is attached: there is no moment in which it is not. */
	rc = tree < 0 ? tree : mount_apply(tree, &m, 0);
	if (rc >= 0)
		rc = mount_attach(tree, target);
	if (mount_call_missing(rc))
		return readonly_old(r, path, target, err);
	return rc < 0 ? err_sysn(err, rc, "mount read-only") : 0;
}

/* tmpfs and /dev whose mount points had to be made first. */
static int late_readonly(struct rootfs *r, struct err *err)
{
	static const struct plan_mount ro = { .attr_set = MOUNT_ATTR_RDONLY };

	for (size_t i = 0; i < r->plan->n_mounts; i++) {
		const struct plan_mount *m = &r->plan->mounts[i];

		if (!m->late_readonly)
			continue;
		if (mount_apply_attached(r->prep->mounts[i].fd, &ro, 0, rootfs_old_dir(r), err) < 0)
			return err_wrap(err, "%s: make \"%s\" read-only", m->json_path,
					m->destination);
	}
	return 0;
}

static int mask_all(struct rootfs *r, struct err *err)
{
	struct mask mask = { .r = r, .null_fd = -EBADF, .tmp_fd = -EBADF };
	int rc = 0;

	for (size_t i = 0; i < r->plan->masked_paths.n && rc >= 0; i++) {
		rc = mask_path(&mask, r->plan->masked_paths.v[i], err);
		if (rc < 0)
			rc = err_wrap(err, "mask \"%s\"", r->plan->masked_paths.v[i]);
	}
	fd_close(mask.null_fd);
	fd_close(mask.tmp_fd);
	return rc;
}

int rootfs_protect_paths(struct rootfs *r, struct err *err)
{
	static const struct plan_mount ro = { .attr_set = MOUNT_ATTR_RDONLY };
	int rc = late_readonly(r, err);

	for (size_t i = 0; i < r->plan->readonly_paths.n && rc >= 0; i++) {
		rc = readonly_path(r, r->plan->readonly_paths.v[i], err);
		if (rc < 0)
			rc = err_wrap(err, "read-only path \"%s\"", r->plan->readonly_paths.v[i]);
	}
	if (rc >= 0)
		rc = mask_all(r, err);
	/* Last of the mounts: nothing can be bound from an unbindable tree. */
	if (rc >= 0 && r->plan->root_propagation_given &&
	    mount(NULL, "/", NULL, (unsigned long)r->plan->root_propagation, NULL) < 0)
		rc = err_sys(err, "apply linux.rootfsPropagation");
	if (rc >= 0 && r->plan->rootfs_readonly) {
		rc = mount_apply_attached(r->root_fd, &ro, 0, rootfs_old_dir(r), err);
		if (rc < 0)
			rc = err_wrap(err, "make the root read-only");
	}
	return rc;
}
