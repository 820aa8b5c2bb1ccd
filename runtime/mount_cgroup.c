/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container sees on /sys/fs/cgroup, in init. With a cgroup namespace the file system itself,
 * which the namespace roots at the container's cgroup; without one a bind of that cgroup, so that a
 * container never sees the host's tree.
 */

#include "common/fd.h"
#include "common/path.h"
#include "common/str.h"
#include "runtime/rootfs_mount.h"

#define CGROUP_ATTRS (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

static const struct spec_strings no_options;

/* An empty read-only directory: better than the host's tree showing through /sys. */
static int hide(struct rootfs *r, const struct plan_mount *in, const struct rootfs_place *at,
		struct err *err)
{
	struct rootfs_place place = *at;
	struct plan_mount m = *in;
	int fd = -EBADF, rc;

	m.kind = PLAN_MOUNT_INIT_FS;
	m.type = m.source = "tmpfs";
	m.fs_options = no_options;
	m.attr_set |= MOUNT_ATTR_RDONLY;
	place.extra = "mode=755";
	rc = rootfs_attach_fs(r, &m, &place, &fd, err);
	fd_close(fd);
	return rc;
}

/* The container's cgroup of that hierarchy, detached by the parent or found by its path. */
static int bind_dir(struct rootfs *r, const struct plan_mount *in, size_t i,
		    const struct rootfs_place *place, struct err *err)
{
	struct rootfs_source own = { -EBADF, ROOTFS_PREP_PIN };
	struct rootfs_source *source = &r->prep->cgroups[i];
	struct plan_mount m = *in;
	int rc;

	m.kind = PLAN_MOUNT_BIND;
	m.source = r->cgroup->dirs[i].path;
	m.recursive = false;
	m.attr_set |= CGROUP_ATTRS;
	if (source->state == ROOTFS_PREP_NONE) {
		own.fd = fd_open(m.source, O_PATH | O_DIRECTORY, 0);
		if (own.fd < 0)
			return own.fd;
		source = &own;
	} else if (source->state == ROOTFS_PREP_TREE) {
		source->state = ROOTFS_PREP_BARE; /* its flags are this mount's */
	}
	rc = rootfs_attach_source(r, &m, source, place, err);
	fd_close(own.fd);
	return rc;
}

static int find_v2(const struct plan_cgroup *cgroup)
{
	for (size_t i = 0; cgroup && i < cgroup->n_dirs; i++) {
		if (cgroup->dirs[i].v2)
			return (int)i;
	}
	return -ENOENT;
}

int rootfs_mount_cgroup2(struct rootfs *r, const struct plan_mount *in, struct err *err)
{
	CLEANUP_FD int target = -EBADF, fd = -EBADF;
	struct plan_mount m = *in;
	int dir = find_v2(r->cgroup), rc = -EPERM;
	bool existed;

	target = rootfs_open_target(r, in, true, &existed, err);
	if (target < 0)
		return target;
	struct rootfs_place place = { target, r->root_fd, in->destination, NULL };

	m.type = "cgroup2";
	if (r->plan->new_cgroup_ns)
		rc = rootfs_attach_fs(r, &m, &place, &fd, err);
	/* EPERM: the user namespace does not own the cgroup namespace; EBUSY: v1 has it. */
	if (rc != -EPERM && rc != -EBUSY)
		return rc;
	mount_forget(err);
	if (dir < 0 || bind_dir(r, &m, (size_t)dir, &place, err) < 0) {
		mount_forget(err);
		return hide(r, in, &place, err);
	}
	return 0;
}

/* ---- v1 ---- */

const char *rootfs_hierarchy_name(const struct plan_cgroup_dir *dir)
{
	const char *slash = strrchr(dir->mount_point, '/');

	return slash ? slash + 1 : dir->mount_point;
}

/* cpu -> cpu,cpuacct: the names that programs look for. */
static int link_controllers(int tmpfs_fd, const struct plan_cgroup_dir *dir)
{
	const char *name = rootfs_hierarchy_name(dir), *p = dir->controllers;

	while (*p && !strchr(dir->controllers, '=')) {
		size_t n = strcspn(p, ",");
		char link[64];

		if (n < sizeof(link)) {
			memcpy(link, p, n);
			link[n] = '\0';
			if (!str_eq(link, name) && symlinkat(name, tmpfs_fd, link) < 0 &&
			    errno != EEXIST)
				return -errno;
		}
		p += n + (p[n] == ',');
	}
	return 0;
}

static int mount_hierarchy(struct rootfs *r, const struct plan_mount *in, size_t i,
			   const struct rootfs_place *place, struct err *err)
{
	const struct plan_cgroup_dir *dir = &r->cgroup->dirs[i];
	CLEANUP_FD int fd = -EBADF;
	char words[256], *v[16];
	struct plan_mount m = *in;

	if (!r->plan->new_cgroup_ns) {
		int rc = bind_dir(r, in, i, place, err);

		return rc == -ENOENT ? 0 : rc;
	}
	m.type = "cgroup";
	m.source = "cgroup";
	m.attr_set |= CGROUP_ATTRS;
	m.fs_options = (struct spec_strings){ .v = v, .n = 0 };
	if (strlen(dir->controllers) >= sizeof(words))
		return err_set(err, E2BIG, "cgroup hierarchy \"%s\"", dir->controllers);
	memcpy(words, dir->controllers, strlen(dir->controllers) + 1);
	if (str_starts_with(words, "name="))
		v[m.fs_options.n++] = (char *)"none";
	for (char *w = words; *w && m.fs_options.n < ARRAY_COUNT(v);) {
		size_t n = strcspn(w, ",");
		bool last = !w[n];

		v[m.fs_options.n++] = w;
		w[n] = '\0';
		w += last ? n : n + 1;
	}
	return rootfs_attach_fs(r, &m, place, &fd, err);
}

static int mount_hierarchies(struct rootfs *r, const struct plan_mount *m, int tmpfs_fd,
			     struct err *err)
{
	for (size_t i = 0; r->cgroup && i < r->cgroup->n_dirs; i++) {
		const struct plan_cgroup_dir *dir = &r->cgroup->dirs[i];
		CLEANUP_FD int target = -EBADF;
		int rc;

		if (dir->v2)
			continue;
		if (mkdirat(tmpfs_fd, rootfs_hierarchy_name(dir), 0755) < 0 && errno != EEXIST)
			return err_sys(err, "make \"%s\"", rootfs_hierarchy_name(dir));
		/* The tmpfs is new and ours alone: its names are what we made them. */
		target = fd_openat(tmpfs_fd, rootfs_hierarchy_name(dir), O_PATH | O_NOFOLLOW, 0);
		if (target < 0)
			return err_sysn(err, target, "open \"%s\"", rootfs_hierarchy_name(dir));
		struct rootfs_place place = { target, tmpfs_fd, rootfs_hierarchy_name(dir), NULL };

		rc = mount_hierarchy(r, m, i, &place, err);
		if (rc < 0)
			return err_wrap(err, "cgroup hierarchy \"%s\"", dir->controllers);
		rc = link_controllers(tmpfs_fd, dir);
		if (rc < 0)
			return err_sysn(err, rc, "link the controllers of \"%s\"",
					dir->controllers);
	}
	return 0;
}

int rootfs_mount_cgroup1(struct rootfs *r, const struct plan_mount *in, int *ret_fd,
			 struct err *err)
{
	CLEANUP_FD int target = -EBADF, fd = -EBADF;
	struct plan_mount base = *in;
	bool existed;
	int rc;

	target = rootfs_open_target(r, in, true, &existed, err);
	if (target < 0)
		return target;
	base.kind = PLAN_MOUNT_INIT_FS;
	base.type = base.source = "tmpfs";
	base.fs_options = no_options;
	base.attr_set = (in->attr_set | CGROUP_ATTRS) & ~(uint64_t)MOUNT_ATTR_RDONLY;
	struct rootfs_place place = { target, r->root_fd, in->destination, "mode=755" };

	rc = rootfs_attach_fs(r, &base, &place, &fd, err);
	if (rc >= 0)
		rc = mount_hierarchies(r, in, fd, err);
	if (rc < 0)
		return rc;
	if (in->attr_set & MOUNT_ATTR_RDONLY) {
		struct plan_mount ro = { .attr_set = MOUNT_ATTR_RDONLY };

		rc = mount_apply_attached(fd, &ro, 0, rootfs_old_dir(r), err);
		if (rc < 0)
			return rc;
	}
	*ret_fd = fd_take(&fd);
	return 0;
}
