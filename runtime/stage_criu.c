/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process that becomes criu.
 *
 * At this point we are: a child of the runtime with all its rights, in the host's namespaces but for
 * a mount namespace of our own (restore) and those that criu must take for the host's; nothing of
 * the container runs with us. criu gets its socket, the descriptors that restored processes
 * inherit, and no other.
 */
#include "runtime/stage_criu.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>

#include "common/fd.h"
#include "common/sock.h"
#include "common/str.h"
#include "common/sys.h"
#include "runtime/interrupt.h"
#include "runtime/mount_stash.h"
#include "runtime/program.h"
#include "runtime/stage_rows.h"

/* ---- the child ---- */

static int step_session(void *ctx, struct err *err)
{
	struct criu_run *run = ctx;
	sigset_t none;

	run->sync_parent = fd_close(run->sync_parent);
	if (run->stage) {
		run->stage->dir.lock_fd = fd_close(run->stage->dir.lock_fd);
		for (int i = 0; i < 3; i++)
			run->stage->prep.stdio_parent[i] =
				fd_close(run->stage->prep.stdio_parent[i]);
	}
	sys_signals_default();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* A ^C of the caller's terminal must not end a dump in the middle. */
	if (setsid() < 0 && errno != EPERM)
		return err_sys(err, "setsid");
	return 0;
}

static int step_place(void *ctx, struct err *err)
{
	struct criu_run *run = ctx;

	return run->stage ? stage_place_self(run->stage, err) : 0;
}

static int step_join(void *ctx, struct err *err)
{
	struct criu_run *run = ctx;

	for (size_t i = 0; i < run->n_joins; i++)
		if (setns(run->joins[i], 0) < 0)
			return err_sys(err, "join a namespace of the container");
	return 0;
}

static int step_mounts(void *ctx, struct err *err)
{
	struct criu_run *run = ctx;

	return run->stash_dir ? mount_stash_all(&run->stage->rootfs, run->stash_dir, err) : 0;
}

static int reopen(const char *path, int as, struct err *err)
{
	CLEANUP_FD int fd = fd_open(path, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0)
		return err_sysn(err, fd, "open \"%s\"", path);
	if (dup3(fd, as, O_CLOEXEC) < 0)
		return err_sys(err, "duplicate a descriptor");
	return 0;
}

/* In this mount namespace: criu mounts below the work directory, its current one. */
static int step_images(void *ctx, struct err *err)
{
	struct criu_run *run = ctx;
	int r;

	if (!run->options)
		return 0;
	r = reopen(run->options->image_path, run->images_fd, err);
	return r < 0 ? r : reopen(run->options->work_path, run->work_fd, err);
}

static int step_ready(void *ctx, struct err *err)
{
	struct criu_run *run = ctx;
	int fds[2], r;

	/* Ours, and not the parent's: criu looks for the directories among the descriptors of the
	 * process that made its socket. */
	r = sock_pair(fds);
	if (r < 0)
		return err_sysn(err, r, "make a socket pair");
	run->sock = fds[0];
	r = sync_send_fd(run->sync_child, SYNC_READY, 0, fds[1]);
	fd_close(fds[1]);
	if (r >= 0)
		r = sync_wait(run->sync_child, SYNC_READY_OK);
	return r < 0 ? err_sysn(err, r, "wait for READY_OK") : 0;
}

static int step_exec(void *ctx, struct err *err)
{
	struct criu_run *run = ctx;
	CLEANUP_FD int null_fd = fd_open("/dev/null", O_RDWR, 0);
	char number[16];
	char name[] = "criu", mode[] = "swrk", *argv[] = { name, mode, number, NULL };
	int r = fd_cloexec_from(3);

	snprintf(number, sizeof(number), "%d", run->sock);
	if (r >= 0)
		r = fd_cloexec(run->sock, false);
	if (r >= 0 && run->options)
		r = fd_cloexec(run->images_fd, false);
	if (r >= 0 && run->options)
		r = fd_cloexec(run->work_fd, false);
	for (size_t i = 0; i < run->n_keep && r >= 0; i++)
		r = fd_cloexec(run->keep[i], false);
	if (r >= 0)
		r = null_fd;
	if (r < 0)
		return err_sysn(err, r, "set up criu's descriptors");
	if (dup2(null_fd, 0) < 0 || dup2(run->output, 1) < 0 || dup2(run->output, 2) < 0)
		return err_sys(err, "set up criu's descriptors");
	execv(run->program, argv);
	return err_sys(err, "exec \"%s\"", run->program);
}

static const struct step criu_steps[] = {
	{ "session", step_session, NULL, WHEN_ALWAYS },
	{ "place", step_place, NULL, WHEN_ALWAYS },
	{ "join", step_join, NULL, WHEN_ALWAYS },
	/* Before the next may hide them. */
	{ "images", step_images, NULL, WHEN_ALWAYS },
	/* The parent reads in our mountinfo what came with recursive binds. */
	{ "mounts", step_mounts, NULL, WHEN_ALWAYS },
	{ "ready", step_ready, NULL, WHEN_ALWAYS },
	{ "exec", step_exec, NULL, WHEN_ALWAYS },
};

static void child_main(void *arg)
{
	struct criu_run *run = arg;
	struct err err = { 0 };
	struct step_run steps = {
		.role = "criu",
		.steps = criu_steps,
		.n = ARRAY_COUNT(criu_steps),
		.when = WHEN_ALWAYS,
		.ctx = run,
		.trace_fd = run->trace_fd,
	};

	if (step_run_all(&steps, &err) < 0 &&
	    sync_send_err(run->sync_child, SYNC_FAIL, 0, &err) < 0)
		_exit(2);
	_exit(1);
}

/* ---- the parent ---- */

int criu_find(struct arena *arena, const char *given, const char **ret, struct err *err)
{
	static const char system_dirs[] = "/usr/local/sbin:/usr/sbin:/sbin";
	const char *name = given && *given ? given : "criu", *path = getenv("PATH");
	char found[PATH_MAX];
	struct err first = { 0 };
	int r = program_find(name, path ? path : "", found, sizeof(found), &first);

	if (r < 0 && !strchr(name, '/'))
		r = program_find(name, system_dirs, found, sizeof(found), err);
	if (r < 0) {
		*err = first;
		return err_wrap(err, "criu is needed to checkpoint and restore");
	}
	*ret = arena_strdup(arena, found);
	return 0;
}

static int make_channels(struct criu_run *run, struct err *err)
{
	int fds[2], r = sock_pair(fds);

	if (r < 0)
		return err_sysn(err, r, "make a socket pair");
	run->sync_parent = fds[0];
	run->sync_child = fds[1];
	run->output = memfd_create("criu-output", MFD_CLOEXEC);
	return run->output < 0 ? err_sys(err, "make a file for criu's output") : 0;
}

int criu_open_directories(struct criu_run *run, const struct criu_options *options, struct err *err)
{
	run->images_fd = fd_open(options->image_path, O_RDONLY | O_DIRECTORY, 0);
	if (run->images_fd < 0)
		return err_sysn(err, run->images_fd, "open the image path \"%s\"",
				options->image_path);
	run->work_fd = fd_open(options->work_path, O_RDONLY | O_DIRECTORY, 0);
	if (run->work_fd < 0)
		return err_sysn(err, run->work_fd, "open the work path \"%s\"", options->work_path);
	run->options = options;
	return 0;
}

int criu_start(struct criu_run *run, struct err *err)
{
	struct spawn_args args = {
		.flags = run->stash_dir ? CLONE_NEWNS : 0,
		.cgroup_fd = -EBADF,
		.fn = child_main,
		.arg = run,
	};
	struct sync_msg msg;
	int r = make_channels(run, err);

	if (r >= 0)
		r = run->stage ? stage_clone(run->stage, &args, &run->child, err)
			       : spawn_process(&args, &run->child, err);
	run->sync_child = fd_close(run->sync_child);
	if (r < 0)
		return r;
	r = sync_expect(run->sync_parent, SYNC_READY, &msg, &run->sock, err);
	if (r == -ENODATA)
		return err_set(err, ECHILD, "the process that becomes criu died");
	if (r >= 0 && run->sock < 0)
		return err_set(err, EPROTO, "the process that becomes criu sent no socket");
	return r;
}

int criu_go(struct criu_run *run, struct err *err)
{
	int r = sync_send(run->sync_parent, SYNC_READY_OK, 0, NULL);

	if (r < 0)
		return err_sysn(err, r, "send READY_OK");
	/* FAIL, or closed by the execve. */
	struct sync_msg msg;

	r = sync_recv(run->sync_parent, &msg, NULL, err);
	if (r > 0 && msg.type == SYNC_FAIL) {
		*err = msg.err;
		r = -msg.err.code;
	}
	run->sync_parent = fd_close(run->sync_parent);
	return r < 0 ? r : 0;
}

static void close_all(struct criu_run *run)
{
	run->sync_parent = fd_close(run->sync_parent);
	run->sync_child = fd_close(run->sync_child);
	run->sock = fd_close(run->sock);
}

static void close_rest(struct criu_run *run)
{
	run->output = fd_close(run->output);
	run->images_fd = fd_close(run->images_fd);
	run->work_fd = fd_close(run->work_fd);
}

void criu_finish(struct criu_run *run)
{
	close_all(run);
	if (run->child.pid > 0)
		(void)!spawn_wait(&run->child);
	run->child.pidfd = fd_close(run->child.pidfd);
	close_rest(run);
}

void criu_kill(struct criu_run *run)
{
	close_all(run);
	(void)spawn_kill_reap(&run->child, STAGE_KILL_MS);
	close_rest(run);
}

static int send_message(struct criu_run *run, const void *data, size_t n, struct err *err)
{
	int r = criu_send(run->sock, data, n, err);

	/* It died before it read: what it printed says more. */
	if (r == -EPIPE || r == -ECONNRESET) {
		struct criu_event gone = { .error_number = 0 };

		return criu_fail(run, &gone, "start", err);
	}
	return r;
}

int criu_ask(struct arena *arena, struct criu_run *run, const struct criu_request *request,
	     struct err *err)
{
	void *data;
	size_t n;

	criu_encode(arena, request, &data, &n);
	return send_message(run, data, n, err);
}

int criu_reply(struct arena *arena, struct criu_run *run, bool success, struct err *err)
{
	void *data;
	size_t n;

	criu_encode_reply(arena, success, &data, &n);
	return send_message(run, data, n, err);
}

int criu_next(struct criu_run *run, struct criu_event *ret, struct err *err)
{
	struct criu_event gone = { .error_number = 0 };
	int r = interrupt_wait(run->interrupt_fd, run->sock, err);

	if (r >= 0)
		r = criu_recv(run->sock, ret, err);
	return r == 0 ? criu_fail(run, &gone, "finish its work", err) : r;
}

int criu_fail(struct criu_run *run, const struct criu_event *event, const char *what,
	      struct err *err)
{
	CLEANUP_STR struct str why = { 0 };
	CLEANUP_FD int log = -EBADF;
	bool logged;

	if (run->options)
		log = fd_openat(run->work_fd, run->log_file, O_RDONLY | O_NOFOLLOW, 0);
	criu_log_errors_of(log, &why);
	logged = run->options && why.len > 0;
	if (!logged)
		criu_log_errors_of(run->output, &why);
	if (!why.len && event->error[0])
		str_add(&why, event->error);
	if (!why.len && event->error_number)
		str_add(&why, err_strerror(event->error_number));
	return err_set(err, event->error_number > 0 ? event->error_number : EIO,
		       "criu could not %s%s%.1200s%s%s%s%s%s", what, why.len ? ": " : "",
		       why.len ? why.data : "", logged ? " (log file: " : "",
		       logged ? run->options->work_path : "", logged ? "/" : "",
		       logged ? run->log_file : "", logged ? ")" : "");
}

int criu_ask_features(struct arena *arena, const char *program, struct criu_features *ret,
		      struct err *err)
{
	struct criu_run run = CRIU_RUN_INIT;
	struct criu_event event = { .fd = -EBADF };
	void *data;
	size_t n;
	int r;

	run.program = program;
	r = criu_start(&run, err);
	if (r >= 0)
		r = criu_go(&run, err);
	if (r >= 0) {
		criu_encode_features(arena, &data, &n);
		r = send_message(&run, data, n, err);
	}
	if (r >= 0)
		r = criu_next(&run, &event, err);
	fd_close(event.fd);
	if (r >= 0 && (event.kind != CRIU_EVENT_END || !event.success))
		r = criu_fail(&run, &event, "say what it can do", err);
	if (r >= 0)
		*ret = event.features;
	criu_finish(&run);
	return r < 0 ? r : 0;
}

int criu_check_features(struct arena *arena, const struct criu_options *options, struct err *err)
{
	struct criu_features can = { 0 };
	int r;

	if (!options->pre_dump && !options->lazy_pages)
		return 0;
	r = criu_ask_features(arena, options->program, &can, err);
	if (r < 0)
		return r;
	if (options->pre_dump && !can.mem_track)
		return err_set(err, ENOTSUP,
			       "--pre-dump: this kernel or criu cannot track changes of memory");
	if (options->lazy_pages && !can.lazy_pages)
		return err_set(err, ENOTSUP,
			       "--lazy-pages: this kernel or criu has no userfaultfd to use");
	return 0;
}
