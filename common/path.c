/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resolves paths below a root whose content is hostile and may change at any moment. Two ways:
 *
 * 1. openat2(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS), where the kernel has it.
 * 2. A walk, one component at a time, that lets the kernel follow nothing: each name is opened with
 *    O_PATH | O_NOFOLLOW below the descriptor of the directory before it, the targets of symlinks
 *    are put in front of what is left of the path, and ".." is never given to the kernel (a
 *    directory moved out of the root would lead it outside): it takes the last name off the list of
 *    names walked, which is then walked anew from the root.
 *
 * The walk also creates what is missing, which openat2 cannot do below a hostile root.
 */
#include "common/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "common/fd.h"
#include "common/sys.h"

#ifndef RESOLVE_NO_MAGICLINKS
#define RESOLVE_NO_MAGICLINKS 0x02
#endif
#ifndef RESOLVE_NO_SYMLINKS
#define RESOLVE_NO_SYMLINKS 0x04
#endif
#ifndef RESOLVE_IN_ROOT
#define RESOLVE_IN_ROOT 0x10
#endif
#ifndef SECURITYFS_MAGIC
#define SECURITYFS_MAGIC 0x73636673
#endif
#define AAFS_MAGIC_NUMBER 0x5a3c69f0 /* apparmorfs */
#define PROC_ROOT_INODE 1

#define LINKS_MAX 40
#define STEPS_MAX 65536 /* opens in one walk: a link farm of ".." may not keep us for minutes */
#define RETRIES_MAX 32
#define DIR_MODE 0755

enum create { CREATE_NOTHING, CREATE_DIRS, CREATE_FILE };

struct walk_how {
	int flags;
	uint64_t resolve;
	enum create create;
	mode_t mode;
};

struct walk {
	const struct walk_how *how;
	int root;
	int cur;  /* directory (or last file) reached; -EBADF: the root, or `stale` */
	bool dir; /* what was reached is a directory */
	bool stale;
	int links, steps;
	size_t pos, done_len;
	char rest[2 * PATH_MAX]; /* what is left, ends at the end of the array, NUL included */
	char done[PATH_MAX];     /* names walked, "a/b/c", free of links and dots */
};

static int cur_fd(const struct walk *w)
{
	return w->cur >= 0 ? w->cur : w->root;
}

static void enter_consume(struct walk *w, int fd, bool dir)
{
	fd_close(w->cur);
	w->cur = fd;
	w->dir = dir;
}

static void enter_root(struct walk *w)
{
	enter_consume(w, -EBADF, true);
	w->done_len = 0;
	w->done[0] = '\0';
	w->stale = false;
}

/* Puts text in front of what is left. */
static int push(struct walk *w, const char *text, size_t n)
{
	if (n > w->pos)
		return -ENAMETOOLONG;
	w->pos -= n;
	memcpy(w->rest + w->pos, text, n);
	return 0;
}

static int step_open(struct walk *w, int dir, const char *name, int flags)
{
	if (++w->steps > STEPS_MAX)
		return -ELOOP;
	return fd_openat(dir, name, flags | O_PATH | O_NOFOLLOW, 0);
}

/* After "..": walks the names again that lead to where we are. */
static int refresh(struct walk *w)
{
	char name[NAME_MAX + 1];
	const char *p = w->done;
	size_t n;
	int fd;

	if (!w->stale)
		return 0;
	enter_consume(w, -EBADF, true);
	for (; *p; p += n + (p[n] == '/')) {
		n = strcspn(p, "/");
		memcpy(name, p, n);
		name[n] = '\0';
		fd = step_open(w, cur_fd(w), name, O_DIRECTORY);
		/* It was a directory a moment ago: the tree changes, the caller begins anew. */
		if (fd == -ENOENT || fd == -ENOTDIR)
			return -EAGAIN;
		if (fd < 0)
			return fd;
		enter_consume(w, fd, true);
	}
	w->stale = false;
	return 0;
}

static void go_up(struct walk *w)
{
	char *slash;

	if (w->done_len == 0)
		return;
	slash = memrchr(w->done, '/', w->done_len);
	w->done_len = slash ? (size_t)(slash - w->done) : 0;
	w->done[w->done_len] = '\0';
	w->stale = true;
}

static int remember(struct walk *w, const char *name, size_t n)
{
	if (w->done_len + n + 2 > sizeof(w->done))
		return -ENAMETOOLONG;
	if (w->done_len > 0)
		w->done[w->done_len++] = '/';
	memcpy(w->done + w->done_len, name, n + 1);
	w->done_len += n;
	return 0;
}

/*
 * Links that jump instead of naming a path (/proc/PID/root and the like). Those in procfs's own
 * root directory ("self", "mounts") are ordinary. Of the others some are ordinary too; they are
 * refused all the same, where openat2 would follow them.
 */
static bool is_magic(int dir, int link)
{
	struct stat st;

	switch (path_fs_magic(link)) {
	case PROC_SUPER_MAGIC:
		return fstat(dir, &st) < 0 || st.st_ino != PROC_ROOT_INODE ||
		       path_fs_magic(dir) != PROC_SUPER_MAGIC;
	case SECURITYFS_MAGIC:
	case AAFS_MAGIC_NUMBER:
	case 0: /* cannot be told: refused */
		return true;
	default:
		return false;
	}
}

static int follow(struct walk *w, int link)
{
	char target[PATH_MAX];
	ssize_t n;
	int r;

	if ((w->how->resolve & RESOLVE_NO_SYMLINKS) || ++w->links > LINKS_MAX ||
	    is_magic(cur_fd(w), link))
		return -ELOOP;
	n = readlinkat(link, "", target, sizeof(target));
	if (n < 0)
		return -errno;
	if (n == 0)
		return -ENOENT;
	if ((size_t)n == sizeof(target))
		return -ENAMETOOLONG;
	r = push(w, target, (size_t)n);
	if (r < 0)
		return r;
	if (target[0] == '/')
		enter_root(w);
	return 0;
}

/* Makes the missing name. Somebody who was quicker is fine: what he made is looked at as well. */
static int create_name(const struct walk *w, const char *name, bool last)
{
	const struct walk_how *how = w->how;
	int r;

	if (how->create == CREATE_NOTHING)
		return -ENOENT;
	if (how->create == CREATE_FILE && last)
		r = mknodat(cur_fd(w), name, S_IFREG | how->mode, 0);
	else
		r = mkdirat(cur_fd(w), name, how->create == CREATE_FILE ? DIR_MODE : how->mode);
	return r < 0 && errno != EEXIST ? -errno : 0;
}

static int open_name(struct walk *w, const char *name, bool last)
{
	int fd = step_open(w, cur_fd(w), name, 0), r;

	if (fd != -ENOENT)
		return fd;
	r = create_name(w, name, last);
	if (r < 0)
		return r;
	fd = step_open(w, cur_fd(w), name, 0);
	return fd == -ENOENT ? -EAGAIN : fd;
}

/* The last name, already seen to be no symlink: opened as the caller wants it. Only the name is
 * used again, below a directory that is held, and never through a link. */
static int open_last(struct walk *w, const char *name)
{
	int fd = fd_openat(cur_fd(w), name, w->how->flags | O_NOFOLLOW, 0);

	return fd == -ELOOP || fd == -ENOENT ? -EAGAIN : fd;
}

/* One proper name. Returns a descriptor if it ended the walk, -EINPROGRESS if the walk goes on. */
static int step_name(struct walk *w, const char *name, size_t n, bool last)
{
	CLEANUP_FD int fd = -EBADF;
	struct stat st;
	int r;

	r = refresh(w);
	if (r < 0)
		return r;
	fd = open_name(w, name, last);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode) && !(last && (w->how->flags & O_NOFOLLOW))) {
		r = follow(w, fd);
		return r < 0 ? r : -EINPROGRESS;
	}
	if (last && (w->how->flags & O_DIRECTORY) && !S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if (last && !(w->how->flags & O_PATH))
		return S_ISLNK(st.st_mode) ? -ELOOP : open_last(w, name);
	if (last)
		return fd_take(&fd);
	r = remember(w, name, n);
	if (r < 0)
		return r;
	enter_consume(w, fd_take(&fd), S_ISDIR(st.st_mode));
	return -EINPROGRESS;
}

/* Nothing is left of the path, and its end was no name ("/", "a/", "a/..") : a directory. */
static int finish(struct walk *w)
{
	int r = refresh(w);

	if (r < 0)
		return r;
	if (w->cur >= 0 && (w->how->flags & O_PATH))
		return fd_take(&w->cur);
	return fd_openat(cur_fd(w), ".", w->how->flags, 0);
}

static int step(struct walk *w)
{
	char name[NAME_MAX + 1];
	size_t slashes = strspn(w->rest + w->pos, "/"), n;

	w->pos += slashes;
	if (!w->dir && slashes)
		return -ENOTDIR;
	n = strcspn(w->rest + w->pos, "/");
	if (n == 0)
		return finish(w);
	if (n > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, w->rest + w->pos, n);
	name[n] = '\0';
	w->pos += n;
	if (str_eq(name, "."))
		return -EINPROGRESS;
	if (str_eq(name, "..")) {
		go_up(w);
		return -EINPROGRESS;
	}
	return step_name(w, name, n, w->rest[w->pos] == '\0');
}

static int walk_once(int root_fd, const char *path, const struct walk_how *how)
{
	struct walk w;
	int r;

	w.how = how;
	w.root = root_fd;
	w.cur = -EBADF;
	w.dir = true;
	w.stale = false;
	w.links = w.steps = 0;
	w.done_len = 0;
	w.done[0] = '\0';
	w.pos = sizeof(w.rest) - 1;
	w.rest[w.pos] = '\0';
	r = push(&w, path, strlen(path));
	while (r >= 0 || r == -EINPROGRESS) {
		r = step(&w);
		if (r >= 0)
			break;
	}
	fd_close(w.cur);
	return r;
}

static int walk(int root_fd, const char *path, const struct walk_how *how)
{
	int r = -EAGAIN;

	if (path[0] == '\0')
		return -ENOENT;
	if (strlen(path) >= PATH_MAX)
		return -ENAMETOOLONG;
	for (int i = 0; r == -EAGAIN && i < RETRIES_MAX; i++)
		r = walk_once(root_fd, path, how);
	return r;
}

int path_open_in_root_how(int root_fd, const char *path, int flags, uint64_t resolve)
{
	struct walk_how how = { .flags = flags, .resolve = resolve };
	int r = -EAGAIN;

	if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE)
		return -EINVAL;
	/* open ignores the other flags beside O_PATH, openat2 refuses them. */
	if (flags & O_PATH)
		how.flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW;
	resolve |= RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
	/* EAGAIN: some rename or mount anywhere on the machine met our "..". */
	for (int i = 0; (r == -EAGAIN || r == -EINTR) && i < RETRIES_MAX; i++)
		r = sys_openat2(root_fd, path, (uint64_t)(how.flags | O_CLOEXEC), 0, resolve);
	/* ENOSYS: before 5.6; EPERM: a seccomp profile older than the call; EAGAIN: the walk does
	 * not depend on what others rename. */
	if (r != -ENOSYS && r != -EPERM && r != -EAGAIN)
		return r;
	if (resolve & ~(uint64_t)(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS))
		return r;
	return walk(root_fd, path, &how);
}

int path_open_in_root(int root_fd, const char *path, int flags)
{
	return path_open_in_root_how(root_fd, path, flags, 0);
}

int path_mkdirs_in_root(int root_fd, const char *path, mode_t mode)
{
	struct walk_how how = { .flags = O_PATH | O_DIRECTORY,
				.create = CREATE_DIRS,
				.mode = mode };
	int r = path_open_in_root(root_fd, path, how.flags);

	return r == -ENOENT ? walk(root_fd, path, &how) : r;
}

int path_create_file_in_root(int root_fd, const char *path, mode_t mode)
{
	struct walk_how how = { .flags = O_PATH, .create = CREATE_FILE, .mode = mode };
	int r = path_open_in_root(root_fd, path, how.flags);

	return r == -ENOENT ? walk(root_fd, path, &how) : r;
}

int path_open_parent_in_root(int root_fd, const char *path, bool create, const char **ret_base,
			     char *base_buf, size_t base_size)
{
	char parent[PATH_MAX];
	size_t end = strlen(path), start;
	int fd;

	if (end >= sizeof(parent))
		return -ENAMETOOLONG;
	while (end > 0 && path[end - 1] == '/')
		end--;
	for (start = end; start > 0 && path[start - 1] != '/'; start--)
		;
	if (end - start >= base_size)
		return -ENAMETOOLONG;
	memcpy(base_buf, path + start, end - start);
	base_buf[end - start] = '\0';
	if (str_eq(base_buf, "") || str_eq(base_buf, ".") || str_eq(base_buf, ".."))
		return -EINVAL;
	memcpy(parent, path, start);
	parent[start] = '\0';
	if (start == 0)
		memcpy(parent, "/", 2);
	fd = create ? path_mkdirs_in_root(root_fd, parent, DIR_MODE)
		    : path_open_in_root(root_fd, parent, O_PATH | O_DIRECTORY);
	if (fd >= 0)
		*ret_base = base_buf;
	return fd;
}

int path_of_fd(int fd, char *buf, size_t size)
{
	ssize_t n = readlink(fd_path(fd).s, buf, size);

	if (n < 0)
		return -errno;
	if ((size_t)n >= size)
		return -ENAMETOOLONG;
	buf[n] = '\0';
	return (int)n;
}

uint32_t path_fs_magic(int fd)
{
	struct statfs st;
	int r;

	do
		r = fstatfs(fd, &st);
	while (r < 0 && errno == EINTR);
	return r < 0 ? 0 : (uint32_t)st.f_type;
}

bool path_is_dir(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

bool path_is_chrdev(int fd, unsigned int major, unsigned int minor)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(major, minor);
}

int path_clean(const char *path, char *buf, size_t size)
{
	size_t len = 0, n;

	if (path[0] != '/')
		return -EINVAL;
	if (size < 2)
		return -ENAMETOOLONG;
	for (; *path; path += n) {
		path += strspn(path, "/");
		n = strcspn(path, "/");
		if (n == 0 || (n == 1 && path[0] == '.'))
			continue;
		if (n == 2 && path[0] == '.' && path[1] == '.') {
			while (len > 0 && buf[--len] != '/')
				;
			continue;
		}
		if (n + 2 > size - len)
			return -ENAMETOOLONG;
		buf[len++] = '/';
		memcpy(buf + len, path, n);
		len += n;
	}
	if (len == 0)
		buf[len++] = '/';
	buf[len] = '\0';
	return (int)len;
}
