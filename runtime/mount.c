/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trees, attributes, attaching, and mount(2) onto a descriptor. File-system contexts: mount_fs.c.
 */
#include "runtime/mount.h"

#include <sys/statvfs.h>

#include "common/fd.h"

int mount_clone(int dirfd, const char *path, bool recursive)
{
	unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;

	if (recursive)
		flags |= AT_RECURSIVE;
	if (!*path)
		flags |= AT_EMPTY_PATH;
	return sys_open_tree(dirfd, path, flags);
}

int mount_attach(int tree_fd, int target_fd)
{
	return sys_move_mount(tree_fd, "", target_fd, "",
			      MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

int mount_set_attr(int fd, bool recursive, uint64_t set, uint64_t clr, uint64_t propagation)
{
	struct sys_mount_attr attr = {
		.attr_set = set,
		.attr_clr = clr,
		.propagation = propagation,
	};

	return sys_mount_setattr(fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr);
}

/* ---- attributes of a plan's mount ---- */

struct attr_call {
	bool recursive;
	uint64_t set, clr, propagation;
};

/* A call that reaches the same mounts as the one before it is merged with it, so that the usual
 * mount costs one call. Two propagations never merge: slave, then shared, is both. */
static void add_call(struct attr_call *calls, size_t *n, struct attr_call call)
{
	struct attr_call *last = *n ? &calls[*n - 1] : NULL;

	if (!call.set && !call.clr && !call.propagation)
		return;
	if (last && last->recursive == call.recursive && !(last->propagation && call.propagation)) {
		last->set = (last->set & ~call.clr) | call.set;
		last->clr |= call.clr;
		last->propagation |= call.propagation;
		return;
	}
	calls[(*n)++] = call;
}

static size_t attr_calls(const struct plan_mount *m, uint64_t base, struct attr_call *calls)
{
	bool rec = m->recursive, final = m->propagation & (MS_PRIVATE | MS_UNBINDABLE);
	size_t n = 0;

	/* Private and unbindable leave nothing of what was before; the others add to it. */
	if (!(final && (m->propagation_recursive || !rec)))
		add_call(calls, &n, (struct attr_call){ rec, 0, 0, base });
	add_call(calls, &n,
		 (struct attr_call){ rec && m->propagation_recursive, 0, 0, m->propagation });
	add_call(calls, &n, (struct attr_call){ false, m->attr_set, m->attr_clr, 0 });
	add_call(calls, &n, (struct attr_call){ rec, m->rec_set, m->rec_clr, 0 });
	return n;
}

int mount_apply(int fd, const struct plan_mount *m, uint64_t base)
{
	struct attr_call calls[4];
	size_t n = attr_calls(m, base, calls);

	for (size_t i = 0; i < n; i++) {
		int r = mount_set_attr(fd, calls[i].recursive, calls[i].set, calls[i].clr,
				       calls[i].propagation);

		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- mount(2) ---- */

struct name_map {
	uint64_t attr;
	unsigned long ms, st;
};

static const struct name_map attr_map[] = {
	{ MOUNT_ATTR_RDONLY, MS_RDONLY, ST_RDONLY },
	{ MOUNT_ATTR_NOSUID, MS_NOSUID, ST_NOSUID },
	{ MOUNT_ATTR_NODEV, MS_NODEV, ST_NODEV },
	{ MOUNT_ATTR_NOEXEC, MS_NOEXEC, ST_NOEXEC },
	{ MOUNT_ATTR_NOATIME, MS_NOATIME, ST_NOATIME },
	{ MOUNT_ATTR_NODIRATIME, MS_NODIRATIME, ST_NODIRATIME },
	{ MOUNT_ATTR_STRICTATIME, MS_STRICTATIME, 0 },
	{ MOUNT_ATTR_NOSYMFOLLOW, MS_NOSYMFOLLOW, 8192 },
};

unsigned long mount_ms_flags(uint64_t attrs)
{
	unsigned long flags = 0;

	for (size_t i = 0; i < ARRAY_COUNT(attr_map); i++) {
		if (attrs & attr_map[i].attr)
			flags |= attr_map[i].ms;
	}
	if (!(attrs & MOUNT_ATTR__ATIME))
		flags |= MS_RELATIME;
	return flags;
}

uint64_t mount_attrs_of(int fd)
{
	struct statvfs vfs;
	uint64_t attrs = 0;

	if (fstatvfs(fd, &vfs) < 0)
		return 0;
	for (size_t i = 0; i < ARRAY_COUNT(attr_map); i++) {
		if (vfs.f_flag & attr_map[i].st)
			attrs |= attr_map[i].attr;
	}
	if (!(vfs.f_flag & (ST_NOATIME | ST_RELATIME)))
		attrs |= MOUNT_ATTR_STRICTATIME;
	return attrs;
}

bool mount_same_file(int a, int b)
{
	struct stat sa, sb;

	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
}

/* mount(2) with both ends named through procfs; source_fd < 0: none is needed. */
static int old_call(int old_dir, int source_fd, int target_fd, unsigned long flags,
		    const char *data)
{
	struct fd_path from = fd_path(source_fd), to = fd_path(target_fd);
	size_t skip = 0;
	int r = 0;

	if (old_dir >= 0) {
		if (fchdir(old_dir) < 0)
			return -errno;
		skip = strlen("/proc/");
	}
	if (mount(source_fd >= 0 ? from.s + skip : NULL, to.s + skip, NULL, flags, data) < 0)
		r = -errno;
	if (old_dir >= 0 && chdir("/") < 0 && r == 0)
		r = -errno;
	return r;
}

int mount_old_bind(int old_dir, int source_fd, int target_fd, bool recursive)
{
	return old_call(old_dir, source_fd, target_fd, MS_BIND | (recursive ? MS_REC : 0), NULL);
}

int mount_old_flags(int old_dir, int target_fd, unsigned long flags, const char *data)
{
	return old_call(old_dir, -EBADF, target_fd, flags, data);
}

/* In a user namespace the flags that a mount came with are locked: a remount that would drop one is
 * EPERM. Then keep them, unless dropping it is what was asked for. */
static int remount_attrs(int fd, uint64_t set, uint64_t clr, int old_dir)
{
	uint64_t now = mount_attrs_of(fd), want = (now & ~clr) | set;
	int r = mount_old_flags(old_dir, fd, MS_REMOUNT | MS_BIND | mount_ms_flags(want), NULL);

	if (r != -EPERM || (clr & now & ~(uint64_t)MOUNT_ATTR__ATIME))
		return r;
	want = ((now | set) & ~(uint64_t)MOUNT_ATTR__ATIME) | (now & MOUNT_ATTR__ATIME);
	return mount_old_flags(old_dir, fd, MS_REMOUNT | MS_BIND | mount_ms_flags(want), NULL);
}

int mount_apply_attached(int fd, const struct plan_mount *m, uint64_t base, int old_dir,
			 struct err *err)
{
	struct attr_call calls[4];
	size_t n = attr_calls(m, base, calls);
	int r = mount_apply(fd, m, base), first = r;

	if (!mount_call_missing(r))
		return r < 0 ? err_sysn(err, r, "set mount attributes") : 0;
	for (size_t i = 0; i < n; i++) {
		const struct attr_call *c = &calls[i];

		if (c->propagation) {
			r = mount_old_flags(old_dir, fd,
					    c->propagation | (c->recursive ? MS_REC : 0), NULL);
			if (r < 0)
				return err_sysn(err, r, "set mount propagation");
		}
		if (!c->set && !c->clr)
			continue;
		if (c->recursive)
			return first == -ENOSYS
				       ? err_set(err, ENOSYS,
						 "recursive mount attributes need mount_setattr "
						 "(kernel 5.12)")
				       : err_sysn(err, first, "set recursive mount attributes");
		r = remount_attrs(fd, c->set, c->clr, old_dir);
		if (r < 0)
			return err_sysn(err, r, "set mount flags");
	}
	return 0;
}
