// SPDX-License-Identifier: Apache-2.0
// fuse.X and fuse3.X: mounted by mount.fuse or mount.fuse3, whose file system process stays, as a
// child of ours, until it is unmounted. Whether it has worked the mount itself tells: the helper's
// status may be the reaper's.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/path.h"
#include "common/proc.h"
#include "shim/front_task_mount.h"

#define HELPER_MS 30000
#define TEXT_MAX 1024
#define OPTIONS_MAX 128
#define FUSE_MAGIC 0x65735546

bool front_fuse_is(const char *type)
{
	return str_starts_with(type, "fuse.") || str_starts_with(type, "fuse3.");
}

static int spawn(const struct front_mount *m, const char *path, int out, int *ret_pidfd,
		 struct err *err)
{
	const char *subtype = strchr(m->type, '.') + 1;
	const char *argv[OPTIONS_MAX * 2 + 8];
	struct proc_fd_map map[] = { { -1, 0 }, { out, 1 }, { out, 2 } };
	struct proc_spawn ps = {
		.path = str_starts_with(m->type, "fuse3.") ? "mount.fuse3" : "mount.fuse",
		.argv = (char *const *)argv,
		.cwd_fd = -1,
		.fds = map,
		.n_fds = ARRAY_COUNT(map),
		.new_group = true,
	};
	size_t n = 0;

	if (m->n_options > OPTIONS_MAX)
		return err_set(err, E2BIG, "mount options is too long");
	argv[n++] = ps.path;
	argv[n++] = m->source;
	argv[n++] = path;
	for (size_t i = 0; i < m->n_options; i++) {
		argv[n++] = "-o";
		argv[n++] = m->options[i];
	}
	argv[n++] = "-t";
	argv[n++] = subtype;
	argv[n] = NULL;
	return proc_spawn(&ps, ret_pidfd, err);
}

/* Its end; what it says is the error's text. */
static int await(int handle, int in, char *text, size_t size)
{
	struct pollfd p[] = { { .fd = proc_pollable(handle), .events = POLLIN },
			      { .fd = in, .events = POLLIN } };
	size_t len = 0;

	for (;;) {
		int n = poll(p, 2, HELPER_MS);
		ssize_t got = 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ETIMEDOUT;
		if (p[1].revents && len < size - 1)
			got = read(in, text + len, size - 1 - len);
		len += got > 0 ? (size_t)got : 0;
		text[len] = '\0';
		if (got > 0)
			continue;
		if (p[0].revents)
			return 0;
		if (p[0].fd < 0)
			return proc_await_end(handle, HELPER_MS) > 0 ? 0 : -ETIMEDOUT;
		p[1].fd = -1; /* closed, or more than we want: a daemon may keep it */
	}
}

static void flatten(char *text)
{
	size_t n = strlen(text);

	while (n && (unsigned char)text[n - 1] <= ' ')
		text[--n] = '\0';
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
}

int front_fuse_mount(const struct front_mount *m, int target, struct err *err)
{
	CLEANUP_FD int pidfd = -EBADF;
	CLEANUP_FD int in = -EBADF;
	CLEANUP_FD int out = -EBADF;
	CLEANUP_FD int mounted = -EBADF;
	char path[4096], text[TEXT_MAX] = "";
	int p[2], r;

	/* Resolved below the root already: no link is left in it. */
	r = path_of_fd(target, path, sizeof(path));
	if (r < 0)
		return err_sysn(err, r, "path of \"%s\"", m->target);
	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");
	in = p[0];
	out = p[1];
	r = fd_nonblock(in, true);
	if (r >= 0)
		r = spawn(m, path, out, &pidfd, err);
	if (r < 0)
		return r;
	out = fd_close(out);
	r = await(pidfd, in, text, sizeof(text));
	if (r < 0 && proc_signal(pidfd, SIGKILL) == 0)
		log_warning("a mount helper did not end in time");
	mounted = fd_open(path, O_PATH | O_NOFOLLOW, 0);
	if (r == 0 && mounted >= 0 && path_fs_magic(mounted) == FUSE_MAGIC)
		return 0;
	flatten(text);
	return err_set(err, EIO, "mount helper for \"%s\": %s", m->type,
		       r < 0     ? err_strerror(-r)
		       : text[0] ? text
				 : "nothing is mounted");
}
