// SPDX-License-Identifier: Apache-2.0
// The overlay mount by the new mount API, with mount(2) as the fallback of older kernels.
#include "shim/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"
#include "common/sys.h"

/* <sys/mount.h> and <linux/mount.h> cannot both be included with glibc before 2.36. */
int mount(const char *source, const char *target, const char *type, unsigned long flags,
	  const void *data);
int umount2(const char *target, int flags);
#define MNT_DETACH_ 2

#define LOWERS_MAX 500

struct layers {
	int fd[LOWERS_MAX];
	size_t n;
	int upper, work;
};

static void layers_done(struct layers *l)
{
	for (size_t i = 0; i < l->n; i++)
		fd_close(l->fd[i]);
	fd_close(l->upper);
	fd_close(l->work);
}

static int open_dir(const char *path, struct err *err)
{
	int fd = fd_open(path, O_PATH | O_DIRECTORY, 0);

	return fd < 0 ? err_sysn(err, fd, "open \"%s\"", path) : fd;
}

/* Cuts the next name out of the list. False: none is left. */
static bool next_lower(const char **list, char *buf, size_t size)
{
	const char *p = *list;
	size_t n = 0;

	if (!*p)
		return false;
	for (; *p && *p != ':' && n + 1 < size; p++) {
		if (p[0] == '\\' && (p[1] == ':' || p[1] == '\\'))
			p++;
		buf[n++] = *p;
	}
	buf[n] = '\0';
	*list = *p ? p + 1 : p;
	return true;
}

static int open_lowers(struct layers *l, const char *list, struct err *err)
{
	char path[PATH_MAX];

	while (next_lower(&list, path, sizeof(path))) {
		int fd;

		if (!path[0])
			return err_set(err, EINVAL, "--lower: an empty name in the list");
		if (l->n == LOWERS_MAX)
			return err_set(err, E2BIG, "--lower: more than %d directories", LOWERS_MAX);
		fd = open_dir(path, err);
		if (fd < 0)
			return fd;
		l->fd[l->n++] = fd;
	}
	return l->n ? 0 : err_set(err, EINVAL, "--lower: no directory given");
}

static int make_dir(const char *path, mode_t mode, bool *ret_made, struct err *err)
{
	if (mkdir(path, mode) == 0) {
		*ret_made = true;
		return 0;
	}
	return errno == EEXIST ? 0 : err_sys(err, "mkdir \"%s\"", path);
}

static int make_layer(const char *bundle, const char *name, bool *ret_made, struct err *err)
{
	char path[PATH_MAX];
	int r;

	if (snprintf(path, sizeof(path), "%s/%s", bundle, name) >= (int)sizeof(path))
		return err_set(err, ENAMETOOLONG, "\"%s/%s\"", bundle, name);
	r = make_dir(path, 0755, ret_made, err);
	return r < 0 ? r : open_dir(path, err);
}

static int set_dir(int fs, const char *key, int fd)
{
	/* By descriptor path: any length (fsconfig takes 255 bytes) and any character. */
	struct fd_path path = fd_path(fd);

	return sys_fsconfig(fs, FSCONFIG_SET_STRING, key, path.s, 0);
}

/* lowerdir+ is of Linux 6.7. -EINVAL before. */
static int mount_new_api(const struct layers *l, int target)
{
	CLEANUP_FD int fs = sys_fsopen("overlay", FSOPEN_CLOEXEC);
	CLEANUP_FD int mnt = -EBADF;
	int r = fs < 0 ? fs : 0;

	for (size_t i = 0; r >= 0 && i < l->n; i++)
		r = set_dir(fs, "lowerdir+", l->fd[i]);
	if (r >= 0)
		r = set_dir(fs, "upperdir", l->upper);
	if (r >= 0)
		r = set_dir(fs, "workdir", l->work);
	if (r >= 0)
		r = sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	if (r < 0)
		return r;
	mnt = sys_fsmount(fs, FSMOUNT_CLOEXEC, 0);
	if (mnt < 0)
		return mnt;
	return sys_move_mount(mnt, "", target, "",
			      MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

static int mount_old_api(const struct layers *l, const char *target)
{
	CLEANUP_STR struct str data = { 0 };

	str_add(&data, "lowerdir=");
	for (size_t i = 0; i < l->n; i++)
		str_addf(&data, "%s%s", i ? ":" : "", fd_path(l->fd[i]).s);
	str_addf(&data, ",upperdir=%s,workdir=%s", fd_path(l->upper).s, fd_path(l->work).s);
	if (data.len >= (size_t)sysconf(_SC_PAGESIZE))
		return -E2BIG;
	return mount("overlay", target, "overlay", 0, data.data) < 0 ? -errno : 0;
}

static int do_mount(struct overlay *o, struct layers *l, struct err *err)
{
	CLEANUP_FD int target = -EBADF;
	int r;

	r = open_lowers(l, o->lower, err);
	if (r < 0)
		return r;
	l->upper = make_layer(o->bundle, "upper", &o->made_upper, err);
	if (l->upper < 0)
		return l->upper;
	l->work = make_layer(o->bundle, "work", &o->made_work, err);
	if (l->work < 0)
		return l->work;
	r = make_dir(o->target, 0755, &o->made_target, err);
	if (r < 0)
		return r;
	target = open_dir(o->target, err);
	if (target < 0)
		return target;
	r = mount_new_api(l, target);
	if (r == -EINVAL || r == -ENOSYS || r == -EPERM)
		r = mount_old_api(l, o->target);
	return r < 0 ? err_sysn(err, r, "mount the overlay on \"%s\"", o->target) : 0;
}

int overlay_mount(struct overlay *overlay, struct err *err)
{
	struct layers layers = { .upper = -EBADF, .work = -EBADF };
	int r;

	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(err, "make a mount namespace");
	/* Mounts of the host still arrive, ours do not leave. */
	if (mount(NULL, "/", NULL, 1UL << 19 | 1UL << 14 /* MS_SLAVE | MS_REC */, NULL) < 0)
		return err_sys(err, "make the mount namespace a slave");
	r = do_mount(overlay, &layers, err);
	layers_done(&layers);
	return r;
}

static int remove_one(const char *path, const struct stat *st UNUSED, int type UNUSED,
		      struct FTW *ftw UNUSED)
{
	if (remove(path) < 0)
		log_debug("cannot remove \"%s\"", path);
	return 0;
}

static void remove_layer(const char *bundle, const char *name)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", bundle, name) < (int)sizeof(path))
		(void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

void overlay_undo(const struct overlay *overlay)
{
	(void)umount2(overlay->target, MNT_DETACH_);
	if (overlay->made_upper)
		remove_layer(overlay->bundle, "upper");
	if (overlay->made_work)
		remove_layer(overlay->bundle, "work");
	if (overlay->made_target)
		(void)rmdir(overlay->target);
}
