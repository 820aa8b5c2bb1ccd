// SPDX-License-Identifier: Apache-2.0
// A container's root file system as the daemon describes it: mounted in the daemon's own namespace,
// so that its snapshotters and its Delete see it.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "common/fd.h"
#include "common/path.h"
#include "common/sys.h"
#include "shim/front_task_mount.h"

/* <sys/mount.h> and <linux/mount.h> cannot both be included with glibc before 2.36. */
int mount(const char *source, const char *target, const char *type, unsigned long flags,
	  const void *data);

#define FSCONFIG_VALUE_MAX 255

static const struct {
	const char *name;
	unsigned long set, clear;
} flags[] = {
	{ "async", 0, MS_SYNCHRONOUS },
	{ "atime", 0, MS_NOATIME },
	{ "bind", MS_BIND, 0 },
	{ "defaults", 0, 0 },
	{ "dev", 0, MS_NODEV },
	{ "diratime", 0, MS_NODIRATIME },
	{ "dirsync", MS_DIRSYNC, 0 },
	{ "exec", 0, MS_NOEXEC },
	{ "mand", MS_MANDLOCK, 0 },
	{ "noatime", MS_NOATIME, 0 },
	{ "nodev", MS_NODEV, 0 },
	{ "nodiratime", MS_NODIRATIME, 0 },
	{ "noexec", MS_NOEXEC, 0 },
	{ "nomand", 0, MS_MANDLOCK },
	{ "norelatime", 0, MS_RELATIME },
	{ "nostrictatime", 0, MS_STRICTATIME },
	{ "nosuid", MS_NOSUID, 0 },
	{ "rbind", MS_BIND | MS_REC, 0 },
	{ "relatime", MS_RELATIME, 0 },
	{ "remount", MS_REMOUNT, 0 },
	{ "ro", MS_RDONLY, 0 },
	{ "rw", 0, MS_RDONLY },
	{ "strictatime", MS_STRICTATIME, 0 },
	{ "suid", 0, MS_NOSUID },
	{ "sync", MS_SYNCHRONOUS, 0 },
};

static bool take_flag(struct front_mount_options *o, const char *word)
{
	for (size_t i = 0; i < ARRAY_COUNT(flags); i++) {
		if (!str_eq(word, flags[i].name))
			continue;
		o->flags = (o->flags & ~flags[i].clear) | flags[i].set;
		return true;
	}
	return false;
}

/* Neither a flag nor one of our own: the file system's. */
static bool is_data(const char *word)
{
	struct front_mount_options ignored = { 0 };

	return !str_eq(word, "loop") && !str_eq(word, "direct-io") &&
	       !str_starts_with(word, "uidmap=") && !str_starts_with(word, "gidmap=") &&
	       !take_flag(&ignored, word);
}

static int read_options(const struct front_mount *m, struct front_mount_options *o, struct err *err)
{
	for (size_t i = 0; i < m->n_options; i++) {
		const char *word = m->options[i];

		if (str_starts_with(word, "X-containerd."))
			return err_set(err, EINVAL,
				       "internal mount option \"%s\" was not consumed by the "
				       "mount manager",
				       word);
		if (str_eq(word, "loop"))
			o->loop = true;
		else if (str_eq(word, "direct-io")) /* the loop device's */
			o->direct_io = true;
		else if (str_starts_with(word, "uidmap="))
			o->uid_map = word + 7;
		else if (str_starts_with(word, "gidmap="))
			o->gid_map = word + 7;
		else if (!take_flag(o, word))
			str_addf(&o->data, "%s%s", o->data.len ? "," : "", word);
	}
	return 0;
}

/* ---- an overlay whose options do not fit into a page ---- */

static int set_string(int fs, const char *key, const char *value)
{
	return sys_fsconfig(fs, FSCONFIG_SET_STRING, key, value, 0);
}

/* Longer paths than fsconfig takes go by descriptor. */
static int set_path(int fs, const char *key, const char *path)
{
	CLEANUP_FD int fd = -EBADF;

	if (strlen(path) <= FSCONFIG_VALUE_MAX)
		return set_string(fs, key, path);
	fd = fd_open(path, O_PATH | O_DIRECTORY, 0);
	return fd < 0 ? fd : set_string(fs, key, fd_path(fd).s);
}

/* Cuts at colons that are not escaped, and takes the escapes away. */
static int set_lowers(int fs, const char *list)
{
	CLEANUP_STR struct str one = { 0 };
	int r = 0;

	for (const char *p = list; r >= 0; p++) {
		if (*p == '\\' && p[1]) {
			str_add_char(&one, *++p);
			continue;
		}
		if (*p && *p != ':') {
			str_add_char(&one, *p);
			continue;
		}
		if (one.len)
			r = set_path(fs, "lowerdir+", one.data);
		str_reset(&one);
		if (!*p)
			break;
	}
	return r;
}

static int set_overlay_option(int fs, const char *word)
{
	CLEANUP_FREE char *key = strdup(word);
	char *value = key ? strchr(key, '=') : NULL;

	if (!key)
		return -ENOMEM;
	if (!value)
		return sys_fsconfig(fs, FSCONFIG_SET_FLAG, key, NULL, 0);
	*value++ = '\0';
	if (str_eq(key, "lowerdir"))
		return set_lowers(fs, value);
	if (str_eq(key, "upperdir") || str_eq(key, "workdir"))
		return set_path(fs, key, value);
	return set_string(fs, key, value);
}

static unsigned int mount_attrs(unsigned long f)
{
	unsigned int a = 0;

	a |= f & MS_NOSUID ? MOUNT_ATTR_NOSUID : 0;
	a |= f & MS_NODEV ? MOUNT_ATTR_NODEV : 0;
	a |= f & MS_NOEXEC ? MOUNT_ATTR_NOEXEC : 0;
	a |= f & MS_NOATIME ? MOUNT_ATTR_NOATIME : 0;
	a |= f & MS_NODIRATIME ? MOUNT_ATTR_NODIRATIME : 0;
	return a;
}

/* lowerdir+ is of Linux 6.7. -EINVAL before. */
static int overlay_new_api(const struct front_mount *m, const struct front_mount_options *o,
			   int target)
{
	CLEANUP_FD int fs = sys_fsopen("overlay", FSOPEN_CLOEXEC);
	CLEANUP_FD int mnt = -EBADF;
	int r = fs < 0 ? fs : set_string(fs, "source", m->source[0] ? m->source : "overlay");

	for (size_t i = 0; r >= 0 && i < m->n_options; i++) {
		if (is_data(m->options[i]))
			r = set_overlay_option(fs, m->options[i]);
	}
	if (r >= 0 && (o->flags & MS_RDONLY))
		r = sys_fsconfig(fs, FSCONFIG_SET_FLAG, "ro", NULL, 0);
	if (r >= 0)
		r = sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	if (r < 0)
		return r;
	mnt = sys_fsmount(fs, FSMOUNT_CLOEXEC, mount_attrs(o->flags));
	if (mnt < 0)
		return mnt;
	return sys_move_mount(mnt, "", target, "",
			      MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

/* Length of the longest directory that all absolute paths of the lower layers are below. */
static size_t common_parent(const char *list)
{
	size_t n = strcspn(list, ":"), at;

	for (const char *p = list; *p; p += at + (p[at] == ':')) {
		size_t k = 0;

		at = strcspn(p, ":");
		while (k < n && k < at && p[k] == list[k])
			k++;
		n = k;
	}
	while (n && list[n - 1] != '/')
		n--;
	return n;
}

/* Older kernels: names relative to the common parent, from a thread with a directory of its own. */
static int overlay_relative(const struct front_mount *m, const struct front_mount_options *o,
			    const char *target)
{
	CLEANUP_STR struct str data = { 0 };
	CLEANUP_FREE char *dir = NULL;

	for (size_t i = 0; i < m->n_options; i++) {
		const char *word = m->options[i];

		if (!is_data(word))
			continue;
		str_addf(&data, "%s", data.len ? "," : "");
		if (dir || !str_starts_with(word, "lowerdir=") || strchr(word, '\\') ||
		    !(dir = strndup(word + 9, common_parent(word + 9))) || !*dir) {
			str_add(&data, word);
			continue;
		}
		str_add(&data, "lowerdir=");
		for (const char *p = word + 9; *p;) {
			size_t n = strcspn(p, ":"), skip = MIN(strlen(dir), n);

			str_addf(&data, "%.*s%s", (int)(n - skip), p + skip, p[n] ? ":" : "");
			p += n + (p[n] == ':');
		}
	}
	if (!dir || data.len >= (size_t)sysconf(_SC_PAGESIZE))
		return -E2BIG;
	/* The worker thread's own from here on; it ends with the job. */
	if (unshare(CLONE_FS) < 0 || chdir(dir) < 0)
		return -errno;
	return mount(m->source, target, m->type, o->flags, data.data) < 0 ? -errno : 0;
}

static int mount_long_overlay(const struct front_mount *m, const struct front_mount_options *o,
			      int target)
{
	int r = overlay_new_api(m, o, target);

	if (r == -EINVAL || r == -ENOSYS)
		r = overlay_relative(m, o, fd_path(target).s);
	return r;
}

/* In a user namespace the flags that its creator's mounts have cannot be taken away. */
static int remount_read_only(const struct front_mount_options *o, const char *target)
{
	unsigned long f = (o->flags & ~(unsigned long)MS_REC) | MS_REMOUNT;
	struct statvfs st;

	if (mount("", target, "", f, NULL) == 0)
		return 0;
	if (errno != EPERM || statvfs(target, &st) < 0)
		return -errno;
	f |= st.f_flag & (ST_NOSUID | ST_NODEV | ST_NOEXEC | ST_NOATIME | ST_NODIRATIME);
	f |= st.f_flag & ST_RELATIME ? MS_RELATIME : 0;
	return mount("", target, "", f, NULL) < 0 ? -errno : 0;
}

static int mount_error(const struct front_mount *m, int r, struct err *err)
{
	if (r == -E2BIG)
		return err_set(err, E2BIG, "mount options is too long");
	return err_sysn(err, r, "mount source: \"%s\", target: \"%s\", fstype: %s", m->source,
			m->target, m->type);
}

static int mount_plain(const struct front_mount *m, const struct front_mount_options *o, int target,
		       struct err *err)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int r = 0;

	if (str_eq(m->type, "overlay") && o->data.len >= page - 512)
		r = mount_long_overlay(m, o, target);
	else if (o->data.len >= page)
		r = -E2BIG;
	else if (mount(m->source, fd_path(target).s, m->type, o->flags, o->data.data) < 0)
		r = -errno;
	return r < 0 ? mount_error(m, r, err) : 0;
}

static int mount_loop(const struct front_mount *m, const struct front_mount_options *o, int target,
		      struct err *err)
{
	struct front_mount with = *m;
	char name[32];
	/* Until it is mounted it must stay in use. */
	CLEANUP_FD int device = front_loop_open(m->source, o, name, sizeof(name), err);

	if (device < 0)
		return device;
	with.source = name;
	return mount_plain(&with, o, target, err);
}

/* The layers are mounted with other ids beside the root file system, and cloned by the overlay. */
static int mount_mapped_overlay(const char *bundle, const struct front_mount *m, int target,
				struct err *err)
{
	CLEANUP_FREE const char **options = calloc(m->n_options + 1, sizeof(*options));
	struct front_mount_options o = { 0 };
	struct front_idmap_lowers lowers = { 0 };
	struct front_mount with = *m;
	CLEANUP_FREE char *list = NULL;
	int r;

	if (!options)
		return err_set(err, ENOMEM, "out of memory");
	r = read_options(m, &o, err);
	memcpy(options, m->options, m->n_options * sizeof(*options));
	with.options = options;
	for (size_t i = 0; r == 0 && i < m->n_options; i++) {
		if (!str_starts_with(m->options[i], "lowerdir=") || list)
			continue;
		r = front_idmap_lowers(bundle, m->options[i] + 9, &o, &lowers, err);
		if (asprintf(&list, "lowerdir=%s", lowers.list.data ? lowers.list.data : "") < 0)
			list = NULL;
		options[i] = list ? list : "";
	}
	str_done(&o.data);
	o = (struct front_mount_options){ 0 };
	if (r == 0)
		r = read_options(&with, &o, err);
	if (r == 0)
		r = mount_plain(&with, &o, target, err);
	front_idmap_lowers_done(&lowers);
	str_done(&o.data);
	return r;
}

static int mount_any(const char *bundle, const struct front_mount *m,
		     const struct front_mount_options *o, int target, struct err *err)
{
	bool mapped = o->uid_map || o->gid_map;

	if (front_fuse_is(m->type))
		return front_fuse_mount(m, target, err);
	if (mapped && str_eq(m->type, "overlay"))
		return mount_mapped_overlay(bundle, m, target, err);
	if (mapped && (o->flags & MS_BIND))
		return front_idmap_bind(m->source, o, target, err);
	if (mapped)
		return err_set(err, ENOTSUP, "uidmap and gidmap are for bind and overlay mounts");
	return o->loop ? mount_loop(m, o, target, err) : mount_plain(m, o, target, err);
}

/* Anew for each look: a mount may be what the next one is in. */
static int open_root(const char *bundle, struct err *err)
{
	char path[PATH_MAX];
	int fd;

	if (snprintf(path, sizeof(path), "%s/rootfs", bundle) >= (int)sizeof(path))
		return err_set(err, ENAMETOOLONG, "\"%s/rootfs\"", bundle);
	if (mkdir(path, 0711) < 0 && errno != EEXIST)
		return err_sys(err, "mkdir \"%s\"", path);
	fd = fd_open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
	return fd < 0 ? err_sysn(err, fd, "open \"%s\"", path) : fd;
}

static int open_target(const char *bundle, const struct front_mount *m, struct err *err)
{
	CLEANUP_FD int root = open_root(bundle, err);
	int r;

	if (root < 0)
		return root;
	r = path_open_in_root(root, m->target[0] ? m->target : "/", O_PATH);
	return r < 0 ? err_sysn(err, r, "open \"%s\"", m->target) : r;
}

static int mount_one(const char *bundle, const struct front_mount *m, struct err *err)
{
	struct front_mount_options o = { 0 };
	CLEANUP_FD int target = -EBADF;
	bool again;
	int r = read_options(m, &o, err);

	if (r == 0)
		r = target = open_target(bundle, m, err);
	if (r >= 0)
		r = mount_any(bundle, m, &o, target, err);
	again = (o.flags & MS_BIND) && (o.flags & MS_RDONLY) && !o.uid_map;
	if (r >= 0 && again) {
		/* The descriptor is of what is below the new mount. */
		fd_close(fd_take(&target));
		r = target = open_target(bundle, m, err);
	}
	if (r >= 0 && again) {
		r = remount_read_only(&o, fd_path(target).s);
		if (r < 0)
			r = mount_error(m, r, err);
	}
	str_done(&o.data);
	return r < 0 ? r : 0;
}

int front_mount_all(const char *bundle, const struct front_mount *mounts, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++)
		if (mount_one(bundle, &mounts[i], err) < 0)
			return err_wrap(err, "failed to mount rootfs component");
	return 0;
}
