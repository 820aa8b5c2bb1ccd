/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens, duplicates and closes descriptors. Nothing here allocates: most of it runs in children.
 */
#include "common/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "common/str.h"
#include "common/sys.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4u
#endif

int fd_close(int fd)
{
	int saved = errno;

	/* After EINTR the descriptor is gone on Linux; a second try could close somebody else's. */
	if (fd >= 0)
		close(fd);
	errno = saved;
	return -EBADF;
}

int fd_take(int *fd)
{
	int taken = *fd;

	*fd = -EBADF;
	return taken;
}

/* Moves a fresh descriptor out of the way of stdin, stdout and stderr. */
static int raise_fd(int fd)
{
	int r;

	if (fd < 0)
		return -errno;
	if (fd > STDERR_FILENO)
		return fd;
	r = fd_dup(fd);
	fd_close(fd);
	return r;
}

int fd_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	int fd;

	do
		fd = openat(dirfd, path, flags | O_CLOEXEC, mode);
	while (fd < 0 && errno == EINTR);
	return raise_fd(fd);
}

int fd_open(const char *path, int flags, mode_t mode)
{
	return fd_openat(AT_FDCWD, path, flags, mode);
}

int fd_fix_stdio(void)
{
	int fd;

	for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++) {
		if (fcntl(i, F_GETFD) >= 0)
			continue;
		if (errno != EBADF)
			return -errno;
		/* The lowest free number is i. Not close-on-exec: these three are inherited. */
		fd = open("/dev/null", O_RDWR);
		if (fd < 0)
			return -errno;
		if (fd != i) {
			fd_close(fd);
			return -EBADF;
		}
	}
	return 0;
}

int fd_cloexec(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFD);

	if (flags < 0)
		return -errno;
	if (on == !!(flags & FD_CLOEXEC))
		return 0;
	return fcntl(fd, F_SETFD, flags ^ FD_CLOEXEC) < 0 ? -errno : 0;
}

int fd_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	if (on == !!(flags & O_NONBLOCK))
		return 0;
	return fcntl(fd, F_SETFL, flags ^ O_NONBLOCK) < 0 ? -errno : 0;
}

int fd_dup(int fd)
{
	int r = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

	return r < 0 ? -errno : r;
}

static bool is_kept(int fd, const int *keep, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (keep[i] == fd)
			return true;
	return false;
}

struct dirent_head { /* struct linux_dirent64 */
	uint64_t ino;
	int64_t off;
	unsigned short reclen;
	unsigned char type;
	char name[];
};

/* One descriptor found by the walk below: closed, or (keep NULL) marked close-on-exec. */
static int walk_one(int fd, const int *keep, size_t n)
{
	if (!keep)
		return fd_cloexec(fd, true);
	if (!is_kept(fd, keep, n))
		fd_close(fd);
	return 0;
}

/*
 * For kernels without close_range (before 5.9, the flag before 5.11) and for seccomp profiles that
 * do not know it. readdir allocates, hence the raw call. procfs lists descriptors by number, so
 * that closing some on the way skips none.
 */
static int walk_proc(int first, const int *keep, size_t n)
{
	char buf[2048] __attribute__((aligned(8)));
	CLEANUP_FD int dir = fd_open("/proc/self/fd", O_RDONLY | O_DIRECTORY, 0);
	const struct dirent_head *entry;
	long got;
	int fd, r;

	if (dir < 0)
		return dir;
	for (;;) {
		got = syscall(SYS_getdents64, dir, buf, sizeof(buf));
		if (got <= 0)
			return got < 0 ? -errno : 0;
		for (long at = 0; at < got; at += entry->reclen) {
			entry = (const struct dirent_head *)(const void *)(buf + at);
			if (parse_int(entry->name, &fd) < 0 || fd < first || fd == dir)
				continue;
			r = walk_one(fd, keep, n);
			if (r < 0)
				return r;
		}
	}
}

int fd_cloexec_from(int first)
{
	int r = sys_close_range((unsigned int)first, UINT_MAX, CLOSE_RANGE_CLOEXEC);

	return r < 0 ? walk_proc(first, NULL, 0) : 0;
}

/* The smallest kept descriptor >= from, or -1. */
static int next_kept(int from, const int *keep, size_t n)
{
	int best = -1;

	for (size_t i = 0; i < n; i++)
		if (keep[i] >= from && (best < 0 || keep[i] < best))
			best = keep[i];
	return best;
}

int fd_close_from(int first, const int *keep, size_t n)
{
	static const int none[1] = { -1 };
	int kept, r = 0;

	for (int from = first; r >= 0; from = kept + 1) {
		kept = next_kept(from, keep, n);
		if (kept < 0) {
			r = sys_close_range((unsigned int)from, UINT_MAX, 0);
			break;
		}
		if (kept > from)
			r = sys_close_range((unsigned int)from, (unsigned int)kept - 1, 0);
	}
	return r < 0 ? walk_proc(first, n ? keep : none, n) : 0;
}

struct fd_path fd_path(int fd)
{
	struct fd_path path;

	snprintf(path.s, sizeof(path.s), "/proc/self/fd/%d", fd);
	return path;
}
