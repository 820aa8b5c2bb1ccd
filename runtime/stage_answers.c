/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parent's answers to init while that sets itself up: the rows of the parent's table from "maps"
 * to "ready", and what is told when init dies instead.
 *
 * At this point we are: the runtime in the host's namespaces with all its rights; init is alive and
 * has run nothing of the container's.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/wait.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/json.h"
#include "common/proc.h"
#include "common/sock.h"
#include "common/str.h"
#include "common/sys.h"
#include "runtime/annotations.h"
#include "runtime/hooks.h"
#include "runtime/idmap.h"
#include "runtime/interrupt.h"
#include "runtime/procattr.h"
#include "runtime/stage_answers.h"
#include "runtime/stage_rows.h"
#include "runtime/tty.h"
#include "spec/spec_docs.h"

static bool is_exec(const struct stage *s)
{
	return s->plan->kind == PLAN_EXEC;
}

/* What became of a child whose end of the socket is closed. */
int stage_tell_death(struct stage *s, struct spawned *child, const char *role, size_t page,
		     struct err *err)
{
	const char *expected = strstr(err->msg, "expected ");
	char last[STEP_NAME_MAX] = "", want[64] = "", name[32];
	int status = spawn_kill_reap(child, STAGE_KILL_MS);
	uint64_t kills = 0;

	if (expected)
		snprintf(want, sizeof(want), ", %s", expected);
	if (s->page)
		snprintf(last, sizeof(last), "%s", s->page + page);
	if (s->cgroup.n && !is_exec(s) && cgroup_oom_kills(&s->cgroup, &kills) >= 0 && kills > 0)
		return err_set(err, ENOMEM,
			       "container init was OOM-killed (memory limit too low?)");
	if (status >= 0 && WIFSIGNALED(status))
		return err_set(err, ECHILD, "%s killed by %s after step '%s'%s", role,
			       signal_name(WTERMSIG(status), name, sizeof(name)), last, want);
	return err_set(err, ECHILD, "%s exited with status %d after step '%s'%s", role,
		       status >= 0 ? WEXITSTATUS(status) : -1, last, want);
}

int stage_expect(struct stage *s, enum sync_type type, struct sync_msg *msg, int *ret_fd,
		 struct err *err)
{
	int r = interrupt_wait(s->interrupt_fd, s->sync_parent, err);

	if (r >= 0)
		r = sync_expect(s->sync_parent, type, msg, ret_fd, err);
	if (r == -ENODATA)
		return stage_tell_death(s, &s->init, "init", STAGE_PAGE_INIT, err);
	return r;
}

int stage_tell(struct stage *s, enum sync_type type, struct err *err)
{
	struct sync_msg msg = { .type = type };
	char buf[SYNC_BYTES_MAX];
	ssize_t n = sync_encode(&msg, buf, sizeof(buf));

	/* Not write(2): a child that died must not be our SIGPIPE. */
	if (n >= 0)
		n = sock_send(s->sync_parent, buf, (size_t)n, NULL, 0);
	if (n == -EPIPE || n == -ECONNRESET) {
		/* It may have left the reason. */
		struct sync_msg fail;
		int r = sync_expect(s->sync_parent, SYNC_FAIL, &fail, NULL, err);

		if (r == 0) {
			*err = fail.err;
			return -fail.err.code;
		}
		if (r != -ENODATA)
			return r;
		*err = (struct err){ 0 }; /* that there is no reason is not the news */
		return stage_tell_death(s, &s->init, "init", STAGE_PAGE_INIT, err);
	}
	return n < 0 ? err_sysn(err, (int)n, "send %s", sync_type_name(type)) : 0;
}

/* The user namespace the mounts are mapped with; a joined one is known before init enters it. */
static int open_user_ns(struct stage *s, struct err *err)
{
	char path[64];
	int fd;

	for (size_t i = 0; i < s->prep.ns.n; i++)
		if (s->prep.ns.v[i].flag == CLONE_NEWUSER)
			return fd_dup(s->prep.ns.v[i].fd);
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)s->init.pid);
	fd = fd_open(path, O_RDONLY | O_CLOEXEC, 0);
	return fd < 0 ? err_sysn(err, fd, "open \"%s\"", path) : fd;
}

static int write_maps(struct stage *s, struct err *err)
{
	CLEANUP_FD int userns = -EBADF;
	int r;

	if (is_exec(s) || !s->plan->ns.user)
		return 0;
	if (s->plan->ns.make & CLONE_NEWUSER) {
		r = idmap_write(&s->plan->ns, s->host, s->init.pid, err);
		if (r < 0)
			return r;
	}
	userns = open_user_ns(s, err);
	if (userns < 0)
		return userns;
	return rootfs_prepare_idmap(s->plan->mounts, &s->prep.rootfs, userns, err);
}

int stage_answer_maps(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	struct sync_msg msg;
	int r = 0;

	if (!stage_waits_for_maps(s))
		return 0;
	/* Behind the helper, whose CHILD_PID must come first, init does not ask. */
	if (!s->prep.helper)
		r = stage_expect(s, SYNC_MAP_REQ, &msg, NULL, err);
	if (r >= 0)
		r = write_maps(s, err);
	return r < 0 ? r : stage_tell(s, SYNC_MAP_OK, err);
}

static int run_hooks(struct stage *s, enum spec_hook_kind kind, const char *status, struct err *err)
{
	struct hooks_run run = {
		.list = &s->plan->spec->hooks[kind],
		.kind = kind,
		.pid = s->init.pid,
		.cancel_fd = s->interrupt_fd,
	};

	if (!run.list->n)
		return 0;
	annotations_hooks(s->plan->spec, &run.stdout_file, &run.stderr_file);
	run.state = stage_state_text(s->arena, &s->state, status);
	return hooks_run(&run, err);
}

int stage_run_hooks(struct stage *s, struct err *err)
{
	struct err lock_err = { 0 };
	int r;

	s->poststop_due = true;
	/* A hook may call us for this very container. */
	state_dir_unlock(&s->dir);
	r = run_hooks(s, HOOK_PRESTART, "creating", err);
	if (r >= 0)
		r = run_hooks(s, HOOK_CREATE_RUNTIME, "creating", err);
	if (state_dir_lock(&s->dir, true, &lock_err) < 0 && r >= 0) {
		*err = lock_err;
		r = -lock_err.code;
	}
	return r;
}

int stage_answer_hooks(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	struct sync_msg msg;
	int r;

	s->poststop_due = true;
	if (!s->plan->hooks_sync)
		return 0;
	r = stage_expect(s, SYNC_HOOKS_REQ, &msg, NULL, err);
	if (r >= 0)
		r = stage_run_hooks(s, err);
	return r < 0 ? r : stage_tell(s, SYNC_HOOKS_OK, err);
}

int stage_hand_console(struct stage *s, int *master, struct err *err)
{
	int r;

	if (s->prep.console_sock < 0) {
		/* In the foreground. Set up before the program can look at it. */
		tty_master_like_host(*master);
		s->tty_master = fd_take(master);
		return 0;
	}
	r = tty_send(s->prep.console_sock, *master, "/dev/ptmx", "console socket", err);
	s->prep.console_sock = fd_close(s->prep.console_sock);
	return r;
}

int stage_answer_console(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	CLEANUP_FD int master = -EBADF;
	struct sync_msg msg;
	int r;

	if (!s->plan->process->terminal)
		return 0;
	r = stage_expect(s, SYNC_TTY_FD, &msg, &master, err);
	if (r < 0)
		return r;
	if (master < 0)
		return err_set(err, EPROTO, "init sent no terminal");
	return stage_hand_console(s, &master, err);
}

/* OCI ContainerProcessState, to the agent that will answer the notifications. */
static int send_listener(struct stage *s, int listener, struct err *err)
{
	const struct spec_seccomp *seccomp = s->plan->process->seccomp.spec;
	CLEANUP_JSON_WRITER struct json_writer *w = json_writer_new(NULL);
	struct spec_state state = {
		.id = s->state.id,
		.status = is_exec(s) ? "running" : "creating",
		.bundle = s->state.bundle,
		.pid = s->state.pid,
		.annotations = &s->state.annotations,
	};
	const char *text;
	size_t n;
	ssize_t sent;

	jw_object(w);
	jw_key(w, "ociVersion");
	jw_string(w, SPEC_VERSION);
	jw_key(w, "fds");
	jw_array(w);
	jw_string(w, "seccompFd");
	jw_end(w);
	jw_key(w, "pid");
	jw_int(w, s->init.pid);
	if (seccomp->listener_metadata) {
		jw_key(w, "metadata");
		jw_string(w, seccomp->listener_metadata);
	}
	jw_key(w, "state");
	spec_state_write(w, &state);
	jw_end(w);
	text = json_writer_text(w, &n);
	sent = sock_send(s->prep.seccomp_sock, text, n, &listener, 1);
	if (sent < 0)
		return err_sysn(err, (int)sent, "linux.seccomp.listenerPath: send to \"%s\"",
				seccomp->listener_path);
	s->prep.seccomp_sock = fd_close(s->prep.seccomp_sock);
	return 0;
}

int stage_answer_listener(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	CLEANUP_FD int listener = -EBADF;
	struct sync_msg msg = { 0 };
	int r;

	if (!s->prep.seccomp.notify)
		return 0;
	r = stage_expect(s, SYNC_SECCOMP_FD, &msg, &listener, err);
	if (r < 0)
		return r;
	if (listener < 0)
		listener = sys_pidfd_getfd(s->init.pidfd, msg.value);
	if (listener < 0)
		return err_sysn(err, listener, "take the seccomp listener from init");
	if (s->prep.seccomp_sock >= 0) {
		r = send_listener(s, listener, err);
		if (r < 0)
			return r;
	}
	return stage_tell(s, SYNC_SECCOMP_OK, err);
}

static int send_pidfd(struct stage *s, struct err *err)
{
	int r;

	if (s->prep.pidfd_sock < 0)
		return 0;
	if (proc_pollable(s->init.pidfd) < 0)
		return err_set(err, ENOSYS, "--pidfd-socket: no pidfds to be had here");
	r = tty_send(s->prep.pidfd_sock, s->init.pidfd, is_exec(s) ? "setns" : "standard",
		     "pidfd socket", err);
	s->prep.pidfd_sock = fd_close(s->prep.pidfd_sock);
	return r;
}

int stage_write_pid_file(const char *path, pid_t pid, struct err *err)
{
	const char *slash = strrchr(path, '/');
	size_t dir = slash ? (size_t)(slash - path) + 1 : 0;
	char tmp[PATH_MAX], text[16];
	CLEANUP_FD int fd = -EBADF;
	int n = snprintf(tmp, sizeof(tmp), "%.*s.%s", (int)dir, path, path + dir), r;

	if (n < 0 || (size_t)n >= sizeof(tmp))
		return err_set(err, ENAMETOOLONG, "pid file \"%s\"", path);
	/* A left-over is an error, as runc has it: somebody else may be writing it. */
	fd = fd_open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return err_sysn(err, fd, "open pid file \"%s\"", tmp);
	n = snprintf(text, sizeof(text), "%d", (int)pid);
	r = io_write_all(fd, text, (size_t)n);
	if (r >= 0 && rename(tmp, path) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(tmp);
	return r < 0 ? err_sysn(err, r, "write pid file \"%s\"", path) : 0;
}

/* Hard limits, a lower oom_score_adj and real-time classes need rights that init gave up, or never
 * had in its user namespace: we set them on it while it waits. */
int stage_answer_ready(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	struct sync_msg msg;
	int r = stage_expect(s, SYNC_READY, &msg, NULL, err);

	if (r >= 0)
		r = rlimits_apply(s->plan->process, s->init.pid, err);
	if (r >= 0 && s->host->euid == 0) /* else done in "place" */
		r = oom_score_adj_apply(s->plan->process, s->init.pid, err);
	if (r >= 0)
		r = sched_apply(s->plan->process, s->init.pid, err);
	if (r >= 0)
		r = send_pidfd(s, err);
	return r;
}
