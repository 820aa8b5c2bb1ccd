// SPDX-License-Identifier: Apache-2.0
// Mounts with other ids (uidmap=, gidmap=): a bind mount, or the lower layers of an overlay.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/sys.h"
#include "shim/front_task_mount.h"

/* <sys/mount.h> and <linux/mount.h> cannot both be included with glibc before 2.36. */
int umount2(const char *target, int flags);
#define DETACH 2

#define MAPS_MAX 340 /* the kernel's */

/* "C:H:S,..." as the lines of uid_map. */
static int add_maps(struct str *text, const char *maps, struct err *err)
{
	CLEANUP_FREE char *copy = strdup(maps);
	int n = 0;

	for (char *rest = copy, *one; (one = strsep(&rest, ","));) {
		uint32_t v[3] = { 0 };
		int k = 0;

		for (char *number; (number = strsep(&one, ":")); k++)
			if (k > 2 || parse_u32(number, 10, &v[k]) < 0)
				return err_set(err, EINVAL, "\"%s\" is no id map", maps);
		if (k != 3 || !v[2] || ++n > MAPS_MAX)
			return err_set(err, EINVAL, "\"%s\" is no id map", maps);
		str_addf(text, "%u %u %u\n", v[0], v[1], v[2]);
	}
	return text->data ? 0 : err_set(err, ENOMEM, "out of memory");
}

int front_idmap_open(const struct front_mount_options *o, struct err *err)
{
	CLEANUP_STR struct str uids = { 0 }, gids = { 0 };
	int r;

	if (!o->uid_map || !o->gid_map)
		return err_set(err, EINVAL, "uidmap and gidmap must be given together");
	r = add_maps(&uids, o->uid_map, err);
	if (r >= 0)
		r = add_maps(&gids, o->gid_map, err);
	return r < 0 ? r : proc_user_ns(uids.data, gids.data, err);
}

static uint64_t attributes(unsigned long f)
{
	uint64_t a = MOUNT_ATTR_IDMAP;

	a |= f & MS_RDONLY ? MOUNT_ATTR_RDONLY : 0;
	a |= f & MS_NOSUID ? MOUNT_ATTR_NOSUID : 0;
	a |= f & MS_NODEV ? MOUNT_ATTR_NODEV : 0;
	a |= f & MS_NOEXEC ? MOUNT_ATTR_NOEXEC : 0;
	return a;
}

/* A clone of what is mounted there, with other ids, on `target`. */
static int attach(const char *source, unsigned long flags, int ns, int target, struct err *err)
{
	unsigned int recursive = flags & MS_REC ? AT_RECURSIVE : 0;
	struct sys_mount_attr attr = { .attr_set = attributes(flags), .userns_fd = (uint64_t)ns };
	CLEANUP_FD int tree =
		sys_open_tree(AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive);
	int r;

	if (tree < 0)
		return err_sysn(err, tree, "clone the mount of \"%s\"", source);
	r = sys_mount_setattr(tree, "", AT_EMPTY_PATH | recursive, &attr);
	if (r < 0)
		return err_sysn(err, r, "map the ids of \"%s\"", source);
	r = sys_move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
	return r < 0 ? err_sysn(err, r, "attach the mount of \"%s\"", source) : 0;
}

int front_idmap_bind(const char *source, const struct front_mount_options *o, int target,
		     struct err *err)
{
	CLEANUP_FD int ns = front_idmap_open(o, err);

	return ns < 0 ? ns : attach(source, o->flags, ns, target, err);
}

/* The i-th layer's own directory. */
static int one_lower(struct front_idmap_lowers *l, const char *source, int ns, struct err *err)
{
	CLEANUP_FD int target = -EBADF;
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%zu", l->dir, l->n) >= (int)sizeof(path))
		return err_set(err, ENAMETOOLONG, "\"%s\"", l->dir);
	if (mkdir(path, 0700) < 0)
		return err_sys(err, "mkdir \"%s\"", path);
	l->n++;
	target = fd_open(path, O_PATH | O_DIRECTORY, 0);
	if (target < 0)
		return err_sysn(err, target, "open \"%s\"", path);
	str_addf(&l->list, "%s%s", l->list.len ? ":" : "", path);
	return attach(source, 0, ns, target, err);
}

int front_idmap_lowers(const char *bundle, const char *list, const struct front_mount_options *o,
		       struct front_idmap_lowers *ret, struct err *err)
{
	CLEANUP_FD int ns = front_idmap_open(o, err);
	CLEANUP_STR struct str one = { 0 };
	int r = ns;

	*ret = (struct front_idmap_lowers){ 0 };
	if (r < 0)
		return r;
	if (asprintf(&ret->dir, "%s/.lower", bundle) < 0) {
		ret->dir = NULL;
		return err_set(err, ENOMEM, "out of memory");
	}
	if (mkdir(ret->dir, 0700) < 0)
		return err_sys(err, "mkdir \"%s\"", ret->dir);
	for (const char *p = list; r >= 0; p++) {
		if (*p == '\\' && p[1]) {
			str_add_char(&one, *++p);
		} else if (*p && *p != ':') {
			str_add_char(&one, *p);
		} else {
			if (one.len)
				r = one_lower(ret, one.data, ns, err);
			str_reset(&one);
			if (!*p)
				break;
		}
	}
	return r < 0 ? r : 0;
}

void front_idmap_lowers_done(struct front_idmap_lowers *l)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < l->n; i++) {
		if (snprintf(path, sizeof(path), "%s/%zu", l->dir, i) >= (int)sizeof(path))
			break;
		if (umount2(path, DETACH) < 0 && errno != EINVAL)
			log_warning("unmount \"%s\": %s", path, err_strerror(errno));
		(void)rmdir(path);
	}
	if (l->dir)
		(void)rmdir(l->dir);
	free(l->dir);
	str_done(&l->list);
}
