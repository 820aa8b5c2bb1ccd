/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads and writes that are complete or failed, never in between.
 */
#include "common/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "common/fd.h"

int io_write_all(int fd, const void *data, size_t n)
{
	const char *p = data;
	ssize_t r;

	while (n > 0) {
		r = write(fd, p, n);
		if (r < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

static ssize_t read_some(int fd, void *data, size_t n)
{
	ssize_t r;

	do
		r = read(fd, data, n);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

int io_read_exact(int fd, void *data, size_t n)
{
	char *p = data;
	ssize_t r;

	while (n > 0) {
		r = read_some(fd, p, n);
		if (r < 0)
			return (int)r;
		if (r == 0)
			return -ENODATA;
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

/* The size to begin with: what a regular file says (one more byte sees its end), else a page. */
static size_t first_size(int fd, size_t limit)
{
	struct stat st;
	size_t size = 4096;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
	    (uintmax_t)st.st_size < SIZE_MAX)
		size = (size_t)st.st_size + 1;
	return limit < SIZE_MAX ? MIN(size, limit + 1) : size;
}

int io_read_fd(int fd, size_t limit, struct arena *arena, char **ret_data, size_t *ret_len)
{
	size_t cap = first_size(fd, limit), len = 0;
	char *data = arena_alloc(arena, cap + 1), *bigger;
	ssize_t r;

	for (;;) {
		r = read_some(fd, data + len, cap - len);
		if (r < 0)
			return (int)r;
		len += (size_t)r;
		if (len > limit)
			return -EFBIG;
		if (r == 0)
			break;
		if (len < cap)
			continue;
		cap = limit < SIZE_MAX ? MIN(cap * 2, limit + 1) : cap * 2;
		bigger = arena_alloc(arena, cap + 1);
		memcpy(bigger, data, len);
		data = bigger;
	}
	data[len] = '\0';
	*ret_data = data;
	*ret_len = len;
	return 0;
}

int io_read_file(int dirfd, const char *path, size_t limit, struct arena *arena, char **ret_data,
		 size_t *ret_len)
{
	CLEANUP_FD int fd = fd_openat(dirfd, path, O_RDONLY | O_NOCTTY, 0);

	if (fd < 0)
		return fd;
	return io_read_fd(fd, limit, arena, ret_data, ret_len);
}

int io_read_small(int dirfd, const char *path, char *buf, size_t size)
{
	CLEANUP_FD int fd = fd_openat(dirfd, path, O_RDONLY | O_NOCTTY, 0);
	size_t len = 0;
	ssize_t r;

	if (fd < 0)
		return fd;
	while (len < size - 1) {
		r = read_some(fd, buf + len, size - 1 - len);
		if (r < 0)
			return (int)r;
		if (r == 0)
			break;
		len += (size_t)r;
	}
	while (len > 0 && buf[len - 1] == '\n')
		len--;
	buf[len] = '\0';
	return (int)len;
}

int io_write_small(int dirfd, const char *path, const char *text)
{
	CLEANUP_FD int fd = fd_openat(dirfd, path, O_WRONLY | O_NOCTTY, 0);
	size_t n = strlen(text);
	ssize_t r;

	if (fd < 0)
		return fd;
	do
		r = write(fd, text, n);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return (size_t)r == n ? 0 : -EIO;
}

static int fill_file(int fd, const void *data, size_t n, mode_t mode, bool sync)
{
	int r;

	/* The mode is what the caller says, whatever the umask. */
	if (fchmod(fd, mode) < 0)
		return -errno;
	r = io_write_all(fd, data, n);
	if (r < 0)
		return r;
	return sync && fsync(fd) < 0 ? -errno : 0;
}

struct replacement {
	const void *data;
	size_t n;
	mode_t mode;
	bool sync;
};

static int replace_file(int dirfd, const char *path, const struct replacement *with)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
	CLEANUP_FD int fd = -EBADF;
	char temp[PATH_MAX];
	int r;

	/* The thread's number: two threads may replace the same file. */
	r = snprintf(temp, sizeof(temp), "%s.tmp-%ld", path, syscall(SYS_gettid));
	if (r < 0 || (size_t)r >= sizeof(temp))
		return -ENAMETOOLONG;
	fd = fd_openat(dirfd, temp, flags, 0600);
	if (fd == -EEXIST) {
		/* Left by a dead process that had our number. */
		if (unlinkat(dirfd, temp, 0) < 0)
			return -errno;
		fd = fd_openat(dirfd, temp, flags, 0600);
	}
	if (fd < 0)
		return fd;
	r = fill_file(fd, with->data, with->n, with->mode, with->sync);
	if (r >= 0 && renameat(dirfd, temp, dirfd, path) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dirfd, temp, 0);
	return r;
}

int io_replace_file(int dirfd, const char *path, const void *data, size_t n, mode_t mode)
{
	return replace_file(dirfd, path, &(struct replacement){ data, n, mode, false });
}

int io_replace_file_sync(int dirfd, const char *path, const void *data, size_t n, mode_t mode)
{
	return replace_file(dirfd, path, &(struct replacement){ data, n, mode, true });
}
