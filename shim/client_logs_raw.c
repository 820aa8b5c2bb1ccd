// SPDX-License-Identifier: Apache-2.0
// `logs` of a container whose output containerd sends to a plain file (file://): bytes as they are,
// without streams and times; the last lines, and what is appended until the container ends.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/io.h"
#include "shim/client_private.h"

#define CHUNK (64u << 10)

/* Where the last n lines begin. The \n at the very end begins none. */
static off_t tail_offset(int fd, uint64_t n)
{
	off_t end = lseek(fd, 0, SEEK_END);
	char buf[4096];

	for (off_t at = end; n && at > 0;) {
		off_t part = MIN(at, (off_t)sizeof(buf));

		at -= part;
		if (pread(fd, buf, (size_t)part, at) != part)
			return 0;
		for (off_t i = part - 1; i >= 0; i--)
			if (buf[i] == '\n' && at + i + 1 < end && !--n)
				return at + i + 1;
	}
	return n ? 0 : end;
}

static int print_escaped(struct str *out, const char *data, size_t n)
{
	int r;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)data[i];

		if ((c < 0x20 && c != '\t' && c != '\n') || c == 0x7f)
			str_addf(out, "\\x%02x", c);
		else
			str_add_char(out, data[i]);
	}
	r = io_write_all(STDOUT_FILENO, out->data, out->len);
	str_reset(out);
	return r;
}

static int print_rest(const struct client_raw_log *l, int fd)
{
	CLEANUP_STR struct str out = { 0 };
	CLEANUP_FREE char *buf = malloc(CHUNK);
	struct stat st;
	ssize_t n;
	int r = 0;

	if (!buf)
		return -ENOMEM;
	/* Cut short by somebody: from its beginning. */
	if (fstat(fd, &st) == 0 && st.st_size < lseek(fd, 0, SEEK_CUR))
		(void)lseek(fd, 0, SEEK_SET);
	while (r == 0 && (n = read(fd, buf, CHUNK)) > 0)
		r = l->escape ? print_escaped(&out, buf, (size_t)n)
			      : io_write_all(STDOUT_FILENO, buf, (size_t)n);
	return r;
}

static int follow(const struct client_raw_log *l, int fd)
{
	CLEANUP_FD int inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char events[4096];

	if (inotify < 0 || inotify_add_watch(inotify, fd_path(fd).s, IN_MODIFY) < 0)
		return -errno;
	for (;;) {
		/* Asked before the last look, so that nothing is missed. */
		bool ended = l->ended(l->user);
		struct pollfd p[2] = {
			{ .fd = inotify, .events = POLLIN },
			{ .fd = l->wait_fd, .events = POLLIN },
		};
		int r;

		while (read(inotify, events, sizeof(events)) > 0)
			;
		r = print_rest(l, fd);
		if (r < 0 || ended)
			return r;
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return -errno;
	}
}

int client_raw_log_print(const struct client_raw_log *l)
{
	CLEANUP_FD int fd = fd_open(l->path, O_RDONLY | O_NONBLOCK, 0);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -EINVAL;
	if (l->tail != UINT64_MAX)
		(void)lseek(fd, tail_offset(fd, l->tail), SEEK_SET);
	return l->follow ? follow(l, fd) : print_rest(l, fd);
}

int client_logs_elsewhere(const struct client *c, struct err *err)
{
	const char *format = c->info.log_format, *path = c->info.log_path;

	if (str_eq(format, "fifo"))
		return err_set(err, ENOENT,
			       "the output of container \"%s\" goes to the client of containerd "
			       "that reads \"%s\"",
			       c->key.id, path);
	if (str_eq(format, "logger"))
		return err_set(err, ENOENT,
			       "the output of container \"%s\" goes to the logging program of "
			       "\"%s\"",
			       c->key.id, path);
	if (str_eq(format, "none"))
		return err_set(err, ENOENT, "nobody wants the output of container \"%s\"",
			       c->key.id);
	return 0;
}
