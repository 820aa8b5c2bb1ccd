// SPDX-License-Identifier: Apache-2.0
// Pid, exit and oom files; exit command.
#include "shim/conmon_files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <time.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "common/proc.h"

#define NUMBER_MAX 16

static int write_number(const char *path, int n)
{
	char text[NUMBER_MAX];
	int len = snprintf(text, sizeof(text), "%d", n);

	return io_replace_file(AT_FDCWD, path, text, (size_t)len, 0644);
}

int conmon_files_pid(const char *path, pid_t pid)
{
	return write_number(path, pid);
}

static int reserve(const char *dir)
{
	CLEANUP_FD int fd = dir ? fd_open(dir, O_WRONLY | O_TMPFILE, 0644) : -EBADF;

	return fd >= 0 && posix_fallocate(fd, 0, NUMBER_MAX) == 0 ? fd_take(&fd) : -EBADF;
}

void conmon_files_reserve(const struct conmon_options *o, struct conmon_files_spare *ret)
{
	ret->persist = reserve(o->persist_dir);
	ret->exit = reserve(o->exit_dir);
}

static int write_spare(int spare, const char *path, int n)
{
	char text[NUMBER_MAX];
	int len = snprintf(text, sizeof(text), "%d", n);
	int r = io_write_all(spare, text, (size_t)len);

	if (r < 0)
		return r;
	if (ftruncate(spare, len) < 0)
		return -errno;
	if (linkat(AT_FDCWD, fd_path(spare).s, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	(void)unlink(path);
	return linkat(AT_FDCWD, fd_path(spare).s, AT_FDCWD, path, AT_SYMLINK_FOLLOW) < 0 ? -errno
											 : 0;
}

static void exit_file(const char *dir, const char *name, int status, int spare_consume)
{
	CLEANUP_FD int spare = spare_consume;
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s", dir, name);
	int r = n > 0 && (size_t)n < sizeof(path) ? write_number(path, status) : -ENAMETOOLONG;

	if ((r == -ENOSPC || r == -EDQUOT) && spare >= 0)
		r = write_spare(spare, path, status);
	if (r < 0)
		log_error("write the exit file \"%s/%s\": %s", dir, name, err_strerror(-r));
}

void conmon_files_exit(const struct conmon_options *o, int status, struct conmon_files_spare *spare)
{
	if (o->persist_dir)
		exit_file(o->persist_dir, "exit", status, fd_take(&spare->persist));
	if (o->exit_dir)
		exit_file(o->exit_dir, o->cid, status, fd_take(&spare->exit));
}

static void oom_file(const char *dir)
{
	char path[PATH_MAX];
	int n, fd = -ENAMETOOLONG;

	if (!dir)
		return;
	n = snprintf(path, sizeof(path), "%s/oom", dir);
	if (n > 0 && (size_t)n < sizeof(path))
		fd = fd_open(path, O_WRONLY | O_CREAT | O_NOFOLLOW, 0666);
	if (fd < 0)
		log_error("write \"%s/oom\": %s", dir, err_strerror(-fd));
	fd_close(fd);
}

void conmon_files_oom(const char *bundle, const struct conmon_options *o)
{
	oom_file(bundle);
	oom_file(o->persist_dir);
}

void conmon_files_exit_command(const struct conmon_options *o, const char *oom_score_adj)
{
	struct timespec delay = { .tv_sec = o->exit_delay };
	struct proc_fd_map map[] = { { -1, 0 }, { -1, 1 }, { -1, 2 } };
	struct err err = { 0 };
	const char **argv;
	int status;
	pid_t pid;

	if (!o->exit_command)
		return;
	/* What the command leaves behind is not ours to wait for. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) < 0)
		log_debug("this process stays a subreaper");
	while (o->exit_delay > 0 && clock_nanosleep(CLOCK_MONOTONIC, 0, &delay, &delay) == EINTR)
		;
	argv = calloc(o->exit_args.n + 2, sizeof(*argv));
	if (!argv) {
		log_error("exit command: out of memory");
		return;
	}
	argv[0] = o->exit_command;
	for (size_t i = 0; i < o->exit_args.n; i++)
		argv[i + 1] = o->exit_args.items[i];
	struct proc_spawn spawn = {
		.path = o->exit_command,
		.argv = (char *const *)argv,
		.cwd_fd = -1,
		.fds = map,
		.n_fds = ARRAY_COUNT(map),
		.oom_score_adj = oom_score_adj,
	};
	pid = proc_spawn(&spawn, NULL, &err);
	free(argv);
	if (pid < 0)
		log_error("exit command: %s", err.msg);
	else if (proc_wait(pid, &status) < 0)
		log_error("exit command: its end cannot be waited for");
}
