// SPDX-License-Identifier: Apache-2.0
/*
 * A size limit with one file only: the newest whole lines go into a new file that takes the place of
 * the full one by rename, so that a reader at no moment finds the log empty or cut inside a line.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/str.h"
#include "shim/log_file.h"

#define COPY_SIZE 4096

/* Where the newest lines begin that are at most `keep` bytes long; the end if there is none. */
static off_t find_start(int fd, off_t size, uint64_t keep)
{
	off_t at = size - (off_t)MIN(keep, (uint64_t)size);
	char buf[COPY_SIZE];

	if (at == 0)
		return 0;
	/* The byte before: the lines may begin just there. */
	for (at--; at < size;) {
		ssize_t n = pread(fd, buf, sizeof(buf), at);
		const char *lf = n > 0 ? memchr(buf, '\n', (size_t)n) : NULL;

		if (n <= 0)
			return size;
		if (lf)
			return at + (lf - buf) + 1;
		at += n;
	}
	return size;
}

static int copy(int from, off_t at, int to)
{
	char buf[COPY_SIZE];
	ssize_t n;

	while ((n = pread(from, buf, sizeof(buf), at)) > 0) {
		int r = io_write_all(to, buf, (size_t)n);

		if (r < 0)
			return r;
		at += n;
	}
	return n < 0 ? -errno : 0;
}

int log_keep_newest(const char *path, int old_fd, uint64_t keep)
{
	CLEANUP_FD int fd = -EBADF;
	char tmp[PATH_MAX];
	struct str s = STR_FIXED(tmp);
	struct stat st;
	int r;

	str_addf(&s, "%s.tmp", path);
	if (s.overflow)
		return -ENAMETOOLONG;
	if (fstat(old_fd, &st) < 0)
		return -errno;
	(void)unlink(tmp); /* of a monitor that was killed */
	fd = fd_open(tmp, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOCTTY, 0640);
	if (fd < 0)
		return fd;
	if (fchmod(fd, st.st_mode & 0777) < 0 || fchown(fd, st.st_uid, st.st_gid) < 0) {
		/* The log matters more than who may read it: 0640 at most was given. */
	}
	r = copy(old_fd, find_start(old_fd, st.st_size, keep), fd);
	if (r == 0 && rename(tmp, path) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlink(tmp);
		return r;
	}
	return fd_take(&fd);
}
