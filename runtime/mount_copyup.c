/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmpcopyup: what the image has below a tmpfs's mount point is copied into it, before it is
 * attached. By descriptors only, with O_NOFOLLOW, so that a tree that changes meanwhile cannot lead
 * outside; buffers on the stack, since init does not allocate.
 */
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "common/fd.h"
#include "common/io.h"
#include "runtime/mount.h"

#define DEPTH_MAX 64
#define NAMES_MAX 8192
#define VALUE_MAX 16384

struct copy {
	int from, to; /* directories */
	unsigned int depth;
};

struct entry {
	uint64_t ino;
	int64_t off;
	unsigned short reclen;
	unsigned char type;
	char name[];
};

static int copy_xattrs(int from, int to)
{
	char names[NAMES_MAX], value[VALUE_MAX];
	ssize_t n = flistxattr(from, names, sizeof(names));

	if (n < 0)
		return errno == ENOTSUP ? 0 : -errno;
	for (const char *name = names; name < names + n; name += strlen(name) + 1) {
		ssize_t len = fgetxattr(from, name, value, sizeof(value));

		if (len < 0 && (errno == ENODATA || errno == ENOTSUP))
			continue;
		if (len < 0)
			return -errno;
		/* tmpfs knows no user.* before 6.6, and an overlay's own are not the file's. */
		if (str_starts_with(name, "trusted.overlay.") ||
		    str_starts_with(name, "user.overlay."))
			continue;
		if (fsetxattr(to, name, value, (size_t)len, 0) < 0 && errno != ENOTSUP &&
		    !(errno == EPERM && str_starts_with(name, "trusted.")))
			return -errno;
	}
	return 0;
}

/* Owner first: changing it clears the set-id bits and security.capability. */
static int copy_metadata(int from, int to, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	int r;

	if (fchown(to, st->st_uid, st->st_gid) < 0)
		return -errno;
	r = copy_xattrs(from, to);
	if (r < 0)
		return r;
	if (fchmod(to, st->st_mode & 07777) < 0 || futimens(to, times) < 0)
		return -errno;
	return 0;
}

static int copy_by_read(int from, int to)
{
	char buf[16384];
	ssize_t n;
	int r;

	while ((n = read(from, buf, sizeof(buf))) > 0) {
		r = io_write_all(to, buf, (size_t)n);
		if (r < 0)
			return r;
	}
	return n < 0 ? -errno : 0;
}

static int copy_data(int from, int to)
{
	ssize_t n;

	do
		n = copy_file_range(from, NULL, to, NULL, 1u << 30, 0);
	while (n > 0);
	if (n == 0)
		return 0;
	do
		n = sendfile(to, from, NULL, 1u << 30);
	while (n > 0);
	return n == 0 ? 0 : copy_by_read(from, to);
}

static int copy_file(const struct copy *c, const char *name)
{
	CLEANUP_FD int from = -EBADF, to = -EBADF;
	struct stat st;
	int r;

	from = fd_openat(c->from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (from < 0)
		return from;
	if (fstat(from, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ESTALE;
	to = fd_openat(c->to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (to < 0)
		return to;
	r = copy_data(from, to);
	return r < 0 ? r : copy_metadata(from, to, &st);
}

static int copy_link(const struct copy *c, const char *name, const struct stat *st)
{
	char target[4096];
	ssize_t n = readlinkat(c->from, name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	if (symlinkat(target, c->to, name) < 0 ||
	    fchownat(c->to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

static int copy_special(const struct copy *c, const char *name, const struct stat *st)
{
	if (mknodat(c->to, name, st->st_mode, st->st_rdev) < 0 ||
	    fchownat(c->to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

static int copy_directory(const struct copy *c, struct err *err);

static int copy_below(const struct copy *c, const char *name, struct err *err)
{
	CLEANUP_FD int from = -EBADF, to = -EBADF;
	struct copy below = { .depth = c->depth + 1 };

	if (below.depth > DEPTH_MAX)
		return err_set(err, ELOOP, "more than %d directories deep", DEPTH_MAX);
	from = fd_openat(c->from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (from < 0)
		return err_sysn(err, from, "open");
	if (mkdirat(c->to, name, 0700) < 0)
		return err_sys(err, "mkdir");
	to = fd_openat(c->to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (to < 0)
		return err_sysn(err, to, "open");
	below.from = from;
	below.to = to;
	return copy_directory(&below, err);
}

static int copy_entry(const struct copy *c, const char *name, struct err *err)
{
	struct stat st;
	int r;

	if (fstatat(c->from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(err, "copy up \"%s\"", name);
	switch (st.st_mode & S_IFMT) {
	case S_IFDIR:
		r = copy_below(c, name, err);
		/* The outermost and the innermost name tell enough of a path. */
		return r < 0 && c->depth == 0 ? err_wrap(err, "copy up below \"%s\"", name) : r;
	case S_IFREG:
		r = copy_file(c, name);
		break;
	case S_IFLNK:
		r = copy_link(c, name, &st);
		break;
	default:
		r = copy_special(c, name, &st);
	}
	return r < 0 ? err_sysn(err, r, "copy up \"%s\"", name) : 0;
}

static int copy_directory(const struct copy *c, struct err *err)
{
	char buf[4096] __attribute__((aligned(8)));
	struct stat st;
	long n;
	int r;

	/* opendir would allocate. */
	while ((n = syscall(SYS_getdents64, c->from, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < n;) {
			const struct entry *e = (const struct entry *)(buf + at);

			at += e->reclen;
			if (str_eq(e->name, ".") || str_eq(e->name, ".."))
				continue;
			r = copy_entry(c, e->name, err);
			if (r < 0)
				return r;
		}
	}
	if (n < 0)
		return err_sys(err, "read the directory");
	if (fstat(c->from, &st) < 0)
		return err_sys(err, "fstat");
	/* The top directory's mode is the mount's own business (mode=). */
	if (c->depth == 0)
		return 0;
	r = copy_metadata(c->from, c->to, &st);
	return r < 0 ? err_sysn(err, r, "copy the metadata") : 0;
}

int mount_copy_up(int from_fd, int to_fd, struct err *err)
{
	CLEANUP_FD int from = -EBADF, to = -EBADF;
	struct copy c = { 0 };

	/* Both are O_PATH: reading needs a descriptor of its own. */
	from = fd_openat(from_fd, ".", O_RDONLY | O_DIRECTORY, 0);
	to = fd_openat(to_fd, ".", O_RDONLY | O_DIRECTORY, 0);
	if (from < 0 || to < 0)
		return err_sysn(err, from < 0 ? from : to, "open for copying up");
	c.from = from;
	c.to = to;
	return copy_directory(&c, err);
}
