// SPDX-License-Identifier: Apache-2.0
// The ring in a file.
#include "shim/front_spool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "common/fd.h"
#include "common/log.h"

void front_spool_init(struct front_spool *s, const char *dir, size_t max)
{
	*s = (struct front_spool){ .dir = dir, .max = max, .fd = -EBADF };
}

/* Where the file system has no O_TMPFILE the name is there for a moment only. */
static int open_file(const char *dir)
{
	char path[PATH_MAX];
	int fd = fd_open(dir, O_RDWR | O_TMPFILE | O_EXCL, 0600);

	if (fd >= 0 || fd == -ENOENT)
		return fd;
	if (snprintf(path, sizeof(path), "%s/.spool-%d", dir, getpid()) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	(void)unlink(path);
	fd = fd_open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd >= 0)
		(void)unlink(path);
	return fd;
}

size_t front_spool_put(struct front_spool *s, const char *data, size_t n)
{
	size_t done = 0;

	n = MIN(n, s->max - s->len);
	if (n && s->fd < 0)
		s->fd = open_file(s->dir);
	if (n && s->fd < 0) {
		log_warning("output for an absent reader cannot be kept in \"%s\": %s", s->dir,
			    err_strerror(-s->fd));
		s->fd = -EBADF;
		return 0;
	}
	while (done < n) {
		size_t end = (s->at + s->len) % s->max, part = MIN(n - done, s->max - end);
		ssize_t r = pwrite(s->fd, data + done, part, (off_t)end);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0) {
			log_warning("output for an absent reader cannot be kept in \"%s\": %s",
				    s->dir, err_strerror(r < 0 ? errno : EIO));
			break;
		}
		s->len += (size_t)r;
		done += (size_t)r;
	}
	return done;
}

ssize_t front_spool_peek(const struct front_spool *s, char *buf, size_t size)
{
	size_t n = MIN(MIN(size, s->len), s->max - s->at);
	ssize_t r;

	if (!n)
		return 0;
	do {
		r = pread(s->fd, buf, n, (off_t)s->at);
	} while (r < 0 && errno == EINTR);
	if (r == 0)
		return -EIO;
	return r < 0 ? -errno : r;
}

void front_spool_drop(struct front_spool *s, size_t n)
{
	s->len -= MIN(n, s->len);
	s->at = s->len ? (s->at + n) % s->max : 0;
	if (!s->len)
		s->fd = fd_close(s->fd);
}

void front_spool_done(struct front_spool *s)
{
	front_spool_drop(s, s->len);
}
