/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Id-mapped mounts: the parent puts a user namespace's maps on the detached trees, before init
 * attaches them (an attached one cannot be changed any more).
 */
#include "common/fd.h"
#include "common/proc.h"
#include "common/str.h"
#include "runtime/mount.h"
#include "runtime/rootfs.h"

static void add_maps(struct str *text, const struct spec_idmaps *maps)
{
	for (size_t i = 0; i < maps->n; i++)
		str_addf(text, "%u %u %u\n", maps->v[i].container_id, maps->v[i].host_id,
			 maps->v[i].size);
}

/* A user namespace with the mount's own maps. */
static int make_user_ns(const struct plan_mount *m, struct err *err)
{
	CLEANUP_STR struct str uids = { 0 }, gids = { 0 };

	add_maps(&uids, m->uid_maps);
	add_maps(&gids, m->gid_maps);
	return proc_user_ns(uids.data ? uids.data : "", gids.data ? gids.data : "", err);
}

static int map_tree(const struct plan_mount *m, int tree_fd, int container_ns, struct err *err)
{
	CLEANUP_FD int own_ns = -EBADF;
	struct sys_mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
	int r;

	if (m->uid_maps) {
		own_ns = make_user_ns(m, err);
		if (own_ns < 0)
			return own_ns;
		attr.userns_fd = (uint64_t)own_ns;
	} else if (container_ns >= 0) {
		attr.userns_fd = (uint64_t)container_ns;
	} else {
		return err_set(err, EINVAL, "no mappings and no user namespace");
	}
	r = sys_mount_setattr(tree_fd, "", AT_EMPTY_PATH | (m->idmap_recursive ? AT_RECURSIVE : 0),
			      &attr);
	if (r == -EINVAL)
		return err_sysn(err, r, "id-map the mount (its file system may not support it)");
	return r < 0 ? err_sysn(err, r, "id-map the mount") : 0;
}

int rootfs_prepare_idmap(const struct plan_mounts *plan, struct rootfs_prep *prep, int userns_fd,
			 struct err *err)
{
	for (size_t i = 0; i < plan->n_mounts; i++) {
		const struct plan_mount *m = &plan->mounts[i];
		int r;

		if (!m->idmap)
			continue;
		r = map_tree(m, prep->mounts[i].fd, userns_fd, err);
		if (r < 0)
			return mount_wrap(err, m);
	}
	if (plan->root_mount && plan->root_mount->idmap) {
		if (map_tree(plan->root_mount, prep->root.fd, userns_fd, err) < 0)
			return mount_wrap(err, plan->root_mount);
	}
	return 0;
}
