/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime's side of making a container or an exec'd process.
 *
 * At this point we are: the runtime as it was called, in the host's namespaces. Until MAP_OK the
 * child does nothing; from then on it is believed only in typed messages. The container's own code
 * runs after READY_OK at the earliest (hooks are the configuration's, not the image's).
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/sock.h"
#include "common/str.h"
#include "common/sys.h"
#include "runtime/hooks.h"
#include "runtime/idmap.h"
#include "runtime/procattr.h"
#include "runtime/stage.h"
#include "runtime/tty.h"
#include "spec/spec_docs.h"

void stage_setup(struct stage *s)
{
	s->dir = (struct state_dir)STATE_DIR_INIT;
	prep_init(&s->prep);
	s->helper.pidfd = s->init.pidfd = s->join_pidfd = -EBADF;
	s->sync_parent = s->sync_child = s->tty_master = -EBADF;
	s->tty.master = s->tty.slave = -EBADF;
	s->page = step_page_new();
	s->trace_fd = step_trace_open();
}

void stage_done(struct stage *s)
{
	prep_done(&s->prep);
	s->sync_parent = fd_close(s->sync_parent);
	s->sync_child = fd_close(s->sync_child);
	s->tty_master = fd_close(s->tty_master);
	s->join_pidfd = fd_close(s->join_pidfd);
	s->init.pidfd = fd_close(s->init.pidfd);
	state_dir_close(&s->dir);
	step_page_free(s->page);
	s->page = NULL;
	s->trace_fd = fd_close(s->trace_fd);
}

static bool is_exec(const struct stage *s)
{
	return s->plan->kind == PLAN_EXEC;
}

const char *stage_state_text(struct arena *arena, const struct state *state, const char *status)
{
	CLEANUP_STR struct str text = { 0 };
	struct spec_state doc = {
		.id = state->id,
		.status = status,
		.bundle = state->bundle,
		.annotations = &state->annotations,
	};

	/* The pid is put in by hooks_run; 0 is right for a container that is gone. */
	spec_state_text(&text, &doc);
	return arena_strdup(arena, text.data);
}

static const char *timestamp(struct arena *arena)
{
	struct timespec ts;
	struct tm tm;

	if (clock_gettime(CLOCK_REALTIME, &ts) < 0 || !gmtime_r(&ts.tv_sec, &tm))
		return "1970-01-01T00:00:00Z";
	return arena_printf(arena, "%04d-%02d-%02dT%02d:%02d:%02d.%09ldZ", tm.tm_year + 1900,
			    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
			    ts.tv_nsec);
}

/* ---- before the clone ---- */

static int step_state(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	const struct plan_request *req = s->plan->request;
	int r = state_dir_create(s->arena, s->root, req->id, &s->dir, err);

	if (r < 0)
		return r;
	cgroup_from_plan(s->arena, s->plan->cgroup, &s->cgroup);
	s->state = (struct state){
		.id = req->id,
		.bundle = req->bundle,
		.rootfs = s->plan->mounts->rootfs,
		.created = timestamp(s->arena),
		.creator_pid = getpid(),
		.private_pid_ns = s->plan->ns.private_pid,
		.cgroup_manager = req->cgroup_manager,
		.rootless_cgroup = req->rootless_cgroup,
		.cgroup = s->cgroup,
		.annotations = s->plan->spec->annotations,
		.owner = s->host->euid,
	};
	r = proc_start_time(getpid(), &s->state.creator_ticks, NULL);
	if (r < 0)
		r = err_sysn(err, r, "read the own start time");
	/* With the cgroup's paths before the cgroup is made: whoever finds this directory after a
	 * crash knows all there may be. */
	if (r >= 0)
		r = state_write(&s->dir, &s->state, err);
	if (r < 0) {
		struct err ignored = { 0 };

		if (state_dir_remove(&s->dir, &ignored) < 0)
			log_debug("%s", ignored.msg);
		return r;
	}
	return 0;
}

static void undo_state(void *ctx)
{
	struct stage *s = ctx;
	struct err err = { 0 };

	if (s->dir.fd >= 0 && state_dir_remove(&s->dir, &err) < 0)
		log_debug("%s", err.msg);
}

static int step_files(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	const struct stage_request *req = s->request;
	int r;

	if (s->plan->kind != PLAN_CREATE)
		r = fifos_make_pipe(&s->prep.fifos, err);
	else
		r = fifos_make(s->dir.fd, &s->prep.fifos, err);
	if (r < 0 || is_exec(s))
		return r;
	/* Later changes of the bundle must not reach this container (OCI, "Bundle"). */
	r = io_replace_file(s->dir.fd, "config.json", req->config_text, req->config_len, 0600);
	return r < 0 ? err_sysn(err, r, "write \"%s/config.json\"", s->dir.path) : 0;
}

static int step_cgroup(void *ctx, struct err *err)
{
	struct stage *s = ctx;

	s->tolerate_cgroup = s->plan->cgroup->tolerate_errors;
	if (s->cgroup.n == 0)
		return 0;
	int r = cgroup_create(s->plan->cgroup, err);

	return r < 0 ? r : cgroup_delegate(s->plan->cgroup, err);
}

static void undo_cgroup(void *ctx)
{
	struct stage *s = ctx;
	struct err err = { 0 };

	if (s->cgroup.n && cgroup_destroy(&s->cgroup, 5000, &err) < 0)
		log_warning("%s", err.msg);
}

static int step_prep(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	struct prep_request req = {
		.console_socket = s->request->console_socket,
		.pidfd_socket = s->request->pidfd_socket,
		.pipes = s->request->foreground && !s->plan->process->terminal,
	};
	int r = prep_open(s->arena, s->plan, s->host, &req, &s->prep, err);

	if (r < 0)
		return r;
	/* Without rights over the container's namespaces only its user namespace gives them. */
	if (is_exec(s))
		s->prep.helper = (s->plan->ns.enter & CLONE_NEWUSER) && s->host->euid != 0;
	s->rootfs = ROOTFS_INIT(s->plan->mounts, s->plan->cgroup, &s->prep.rootfs);
	return 0;
}

/* ---- the clone ---- */

static int enter_before_clone(struct stage *s, struct ns_saved *saved, struct err *err)
{
	if (s->prep.helper)
		return 0;
	if (!is_exec(s))
		return ns_enter_early(&s->prep.ns, saved, err);
	if (s->plan->ns.enter & CLONE_NEWPID)
		return ns_enter_pid_of(s->join_pidfd, s->state.pid, saved, err);
	return 0;
}

static int clone_child(struct stage *s, struct err *err)
{
	CLEANUP_FD int cgroup_fd = s->cgroup.n ? cgroup_open_v2(&s->cgroup) : -EBADF;
	int n_tasks = cgroup_open_tasks(&s->cgroup, s->tasks, STAGE_TASKS_MAX), r;
	struct spawned *child = s->prep.helper ? &s->helper : &s->init;
	struct spawn_args args = {
		.flags = s->plan->ns.make & ~(uint64_t)(CLONE_NEWCGROUP | CLONE_NEWTIME),
		.cgroup_fd = cgroup_fd,
		.fn = stage_init_main,
		.arg = s,
	};

	if (s->prep.helper) {
		args.flags = 0;
		args.fn = stage_join_main;
	}
	s->n_tasks = n_tasks > 0 ? (size_t)n_tasks : 0;
	r = spawn_process(&args, child, err);
	for (size_t i = 0; i < s->n_tasks; i++)
		fd_close(s->tasks[i]);
	/* Nothing is left to place: what there is of v2 by clone, v1 by the child's first step. */
	s->placed = r >= 0 && n_tasks >= 0 && (cgroup_fd < 0 || child->placed);
	return r;
}

int stage_place_self(struct stage *s, struct err *err)
{
	size_t n = s->n_tasks;

	s->n_tasks = 0;
	return cgroup_enter(&s->cgroup, s->tasks, n, err);
}

static int step_spawn(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	struct ns_saved saved = { .n = 0 };
	struct err leave = { 0 };
	cpu_set_t own;
	bool has_own = false;
	int fds[2], r;

	r = sock_pair(fds);
	if (r < 0)
		return err_sysn(err, r, "make a socket pair");
	s->sync_parent = fds[0];
	s->sync_child = fds[1];
	if (s->plan->cpus_initial.given) {
		has_own = sched_getaffinity(0, sizeof(own), &own) == 0;
		if (sched_setaffinity(0, sizeof(own), &s->plan->cpus_initial.set) < 0)
			return err_sys(err, "process.execCPUAffinity.initial: set affinity");
	}
	r = enter_before_clone(s, &saved, err);
	if (r >= 0)
		r = clone_child(s, err);
	if (ns_leave(&saved, &leave) < 0) {
		/* Nothing more may be done from foreign namespaces, not even tidying up. */
		log_error("%s", leave.msg);
		_exit(1);
	}
	if (has_own && sched_setaffinity(0, sizeof(own), &own) < 0)
		log_debug("own affinity not restored: %s", err_strerror(errno));
	/* An end of file must be seen when the child's copy goes. */
	s->sync_child = fd_close(s->sync_child);
	s->prep.fifos.report_own = fd_close(s->prep.fifos.report_own);
	s->prep.fifos.report_fd = fd_close(s->prep.fifos.report_fd);
	for (int i = 0; i < 3; i++)
		s->prep.stdio_child[i] = fd_close(s->prep.stdio_child[i]);
	return r;
}

static void undo_spawn(void *ctx)
{
	struct stage *s = ctx;

	/* A helper that is gone may have left an init we know nothing of: it sees the end of file. */
	s->sync_parent = fd_close(s->sync_parent);
	(void)spawn_kill_reap(&s->helper);
	(void)spawn_kill_reap(&s->init);
}

/* The v2 domain may refuse processes because controllers are enabled below it: then init's own
 * cgroup has to do (runc does the same). */
static int place_beside_init(const struct stage *s, pid_t pid, struct err *err)
{
	const struct host_hierarchy *v2 = host_hierarchy(s->host, "");
	char text[4096], path[64], procs[8192];
	char *at, *end;
	struct str pid_text = STR_FIXED(path);
	int r;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)s->state.pid);
	r = io_read_small(AT_FDCWD, path, text, sizeof(text));
	if (r < 0)
		return err_sysn(err, r, "read \"%s\"", path);
	at = str_starts_with(text, "0::") ? text : strstr(text, "\n0::");
	if (!v2 || !at)
		return err_set(err, EBUSY, "the container's cgroup takes no processes");
	at = strchr(at, '/');
	end = at ? strchr(at, '\n') : NULL;
	if (end)
		*end = '\0';
	snprintf(procs, sizeof(procs), "%s%s/cgroup.procs", v2->mount_point, at ? at : "");
	str_addf(&pid_text, "%d", (int)pid);
	r = io_write_small(AT_FDCWD, procs, path);
	return r < 0 ? err_sysn(err, r, "write \"%s\"", procs) : 0;
}

static int place(struct stage *s, const struct spawned *child, struct err *err)
{
	int r = 0;

	if (s->cgroup.n && !s->placed)
		r = cgroup_add(&s->cgroup, child->pid, child->placed, s->tolerate_cgroup, err);
	if (r < 0 && is_exec(s) && (r == -EBUSY || r == -EOPNOTSUPP))
		r = place_beside_init(s, child->pid, err);
	if (r < 0)
		return r;
	if (s->plan->cpus_final.given &&
	    sched_setaffinity(child->pid, sizeof(cpu_set_t), &s->plan->cpus_final.set) < 0)
		return err_sys(err, "process.execCPUAffinity.final: set affinity");
	return 0;
}

/* What became of a child whose end of the socket is closed. */
static int tell_death(struct stage *s, struct spawned *child, const char *role, size_t page,
		      struct err *err)
{
	const char *expected = strstr(err->msg, "expected ");
	char last[STEP_NAME_MAX] = "", want[64] = "", name[32];
	int status = spawn_kill_reap(child);
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

static int expect(struct stage *s, enum sync_type type, struct sync_msg *msg, int *ret_fd,
		  struct err *err)
{
	int r = sync_expect(s->sync_parent, type, msg, ret_fd, err);

	if (r == -ENODATA)
		return tell_death(s, &s->init, "init", STAGE_PAGE_INIT, err);
	return r;
}

static int tell(struct stage *s, enum sync_type type, struct err *err)
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
		return tell_death(s, &s->init, "init", STAGE_PAGE_INIT, err);
	}
	return n < 0 ? err_sysn(err, (int)n, "send %s", sync_type_name(type)) : 0;
}

static int step_join(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	struct sync_msg msg;
	int r;

	if (!s->prep.helper)
		return 0;
	r = place(s, &s->helper, err);
	if (r >= 0)
		r = tell(s, SYNC_MAP_OK, err);
	if (r < 0)
		return r;
	r = sync_expect(s->sync_parent, SYNC_CHILD_PID, &msg, NULL, err);
	if (r == -ENODATA)
		return tell_death(s, &s->helper, "the join helper", STAGE_PAGE_HELPER, err);
	if (r < 0)
		return r;
	s->init.pid = msg.value;
	s->init.placed = true; /* as its creator was, with everything else it inherits */
	s->init.pidfd = sys_pidfd_open(msg.value, 0);
	r = spawn_wait(&s->helper);
	s->helper.pidfd = fd_close(s->helper.pidfd);
	return r < 0 ? err_sysn(err, r, "wait for the join helper") : 0;
}

/* ---- while init sets itself up ---- */

static int step_record(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	int r;

	s->state.pid = s->init.pid;
	r = proc_start_time(s->init.pid, &s->state.start_ticks, NULL);
	if (r < 0)
		return err_sysn(err, r, "read init's start time");
	return state_write(&s->dir, &s->state, err);
}

static int step_place(void *ctx, struct err *err)
{
	struct stage *s = ctx;

	if (s->prep.helper)
		return 0;
	return place(s, &s->init, err);
}

static int write_maps(struct stage *s, struct err *err)
{
	CLEANUP_FD int userns = -EBADF;
	char path[64];
	int r = 0;

	if (s->plan->ns.make & CLONE_NEWUSER)
		r = idmap_write(&s->plan->ns, s->host, s->init.pid, err);
	if (r < 0 || is_exec(s))
		return r;
	if (s->plan->ns.user) {
		snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)s->init.pid);
		userns = fd_open(path, O_RDONLY | O_CLOEXEC, 0);
		if (userns < 0)
			return err_sysn(err, userns, "open \"%s\"", path);
	}
	return rootfs_prepare_idmap(s->plan->mounts, &s->prep.rootfs, userns, err);
}

static int step_maps(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	struct sync_msg msg;
	int r = 0;

	/* Behind the helper, whose CHILD_PID must come first, init does not ask. */
	if (!s->prep.helper)
		r = expect(s, SYNC_MAP_REQ, &msg, NULL, err);
	if (r >= 0)
		r = write_maps(s, err);
	return r < 0 ? r : tell(s, SYNC_MAP_OK, err);
}

static int run_hooks(struct stage *s, enum spec_hook_kind kind, const char *status, struct err *err)
{
	struct hooks_run run = {
		.list = &s->plan->spec->hooks[kind],
		.kind = kind,
		.pid = s->init.pid,
	};

	if (!run.list->n)
		return 0;
	run.state = stage_state_text(s->arena, &s->state, status);
	return hooks_run(&run, err);
}

static int step_hooks(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	struct err lock_err = { 0 };
	struct sync_msg msg;
	int r;

	s->poststop_due = true;
	if (!s->plan->hooks_sync)
		return 0;
	r = expect(s, SYNC_HOOKS_REQ, &msg, NULL, err);
	if (r < 0)
		return r;
	/* A hook may call us for this very container. */
	state_dir_unlock(&s->dir);
	r = run_hooks(s, HOOK_PRESTART, "creating", err);
	if (r >= 0)
		r = run_hooks(s, HOOK_CREATE_RUNTIME, "creating", err);
	if (state_dir_lock(&s->dir, true, &lock_err) < 0 && r >= 0) {
		*err = lock_err;
		r = -lock_err.code;
	}
	return r < 0 ? r : tell(s, SYNC_HOOKS_OK, err);
}

static int step_console(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	CLEANUP_FD int master = -EBADF;
	struct sync_msg msg;
	int r;

	if (!s->plan->process->terminal)
		return 0;
	r = expect(s, SYNC_TTY_FD, &msg, &master, err);
	if (r < 0)
		return r;
	if (master < 0)
		return err_set(err, EPROTO, "init sent no terminal");
	if (s->prep.console_sock < 0) {
		s->tty_master = fd_take(&master);
		return 0;
	}
	r = tty_send(s->prep.console_sock, master, "/dev/ptmx", "console socket", err);
	s->prep.console_sock = fd_close(s->prep.console_sock);
	return r;
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

static int step_listener(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	CLEANUP_FD int listener = -EBADF;
	struct sync_msg msg;
	int r;

	if (!s->prep.seccomp.notify)
		return 0;
	r = expect(s, SYNC_SECCOMP_FD, &msg, NULL, err);
	if (r < 0)
		return r;
	listener = sys_pidfd_getfd(s->init.pidfd, msg.value);
	if (listener < 0)
		return err_sysn(err, listener, "take the seccomp listener from init");
	if (s->prep.seccomp_sock >= 0) {
		r = send_listener(s, listener, err);
		if (r < 0)
			return r;
	}
	return tell(s, SYNC_SECCOMP_OK, err);
}

static int send_pidfd(struct stage *s, struct err *err)
{
	int r;

	if (s->prep.pidfd_sock < 0)
		return 0;
	if (s->init.pidfd < 0)
		return err_set(err, ENOSYS, "--pidfd-socket: this kernel has no pidfds");
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
static int step_ready(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	struct sync_msg msg;
	int r = expect(s, SYNC_READY, &msg, NULL, err);

	if (r >= 0)
		r = rlimits_apply(s->plan->process, s->init.pid, err);
	if (r >= 0)
		r = oom_score_adj_apply(s->plan->process, s->init.pid, err);
	if (r >= 0)
		r = sched_apply(s->plan->process, s->init.pid, err);
	if (r >= 0)
		r = send_pidfd(s, err);
	return r;
}

static int step_complete(void *ctx, struct err *err)
{
	struct stage *s = ctx;

	s->state.complete = true;
	s->state.started = s->plan->kind == PLAN_RUN;
	s->state.created = timestamp(s->arena);
	return state_write(&s->dir, &s->state, err);
}

static int step_release(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	int r = 0;

	if (s->request->pid_file && !is_exec(s))
		r = stage_write_pid_file(s->request->pid_file, s->init.pid, err);
	/* From here on init outlives us. */
	return r < 0 ? r : tell(s, SYNC_READY_OK, err);
}

static const struct step parent_steps[] = {
	{ "state", step_state, undo_state, WHEN_INIT },
	{ "files", step_files, NULL, WHEN_ALWAYS },
	{ "cgroup", step_cgroup, undo_cgroup, WHEN_INIT },
	{ "prep", step_prep, NULL, WHEN_ALWAYS },
	{ "spawn", step_spawn, undo_spawn, WHEN_ALWAYS },
	{ "join", step_join, NULL, WHEN_ALWAYS },
	/* As early as can be: who finds the state after a crash also finds init. */
	{ "record", step_record, NULL, WHEN_INIT },
	/* Before MAP_OK: init does nothing of its own outside its cgroup. */
	{ "place", step_place, NULL, WHEN_ALWAYS },
	{ "maps", step_maps, NULL, WHEN_ALWAYS },
	{ "hooks", step_hooks, NULL, WHEN_INIT },
	{ "console", step_console, NULL, WHEN_ALWAYS },
	{ "listener", step_listener, NULL, WHEN_ALWAYS },
	{ "ready", step_ready, NULL, WHEN_ALWAYS },
	{ "complete", step_complete, NULL, WHEN_INIT },
	{ "release", step_release, NULL, WHEN_ALWAYS },
};

static void note(void *ctx, const char *name, uint64_t ns)
{
	(void)ctx;
	log_debug("step parent:%s took %llu us", name, (unsigned long long)(ns / 1000));
}

static struct step_run parent_run(struct stage *s)
{
	return (struct step_run){
		.role = "parent",
		.steps = parent_steps,
		.n = ARRAY_COUNT(parent_steps),
		.when = is_exec(s) ? WHEN_EXEC : WHEN_INIT,
		.ctx = s,
		.last = s->page,
		.trace_fd = s->trace_fd,
		.note = s->debug ? note : NULL,
	};
}

/* How far the parent came, as runc's callers know the prefixes. */
static int wrap(struct stage *s, struct err *err)
{
	bool spawned = s->page && (str_eq(s->page, "spawn") || s->state.pid > 0);

	if (s->dir.fd < 0 && !is_exec(s) && !spawned && err->code == EEXIST)
		return -err->code;
	if (spawned && !is_exec(s))
		(void)!err_wrap(err, "error during container init");
	return err_wrap(err, "unable to start container process");
}

int stage_parent_run(struct stage *s, struct err *err)
{
	struct step_run run = parent_run(s);

	if (step_run_all(&run, err) < 0)
		return wrap(s, err);
	s->sync_parent = fd_close(s->sync_parent);
	return 0;
}

int stage_parent_started(struct stage *s, struct err *err)
{
	bool exec = is_exec(s);
	int r = sync_await_report(s->prep.fifos.report_in, s->init.pidfd, exec, err);

	s->prep.fifos.report_in = fd_close(s->prep.fifos.report_in);
	if (r < 0) {
		if (exec)
			(void)spawn_kill_reap(&s->init);
		return err_wrap(err, "unable to start container process");
	}
	if (exec && s->request->pid_file)
		return stage_write_pid_file(s->request->pid_file, s->init.pid, err);
	return 0;
}

void stage_parent_undo(struct stage *s)
{
	struct step_run run = parent_run(s);

	step_undo_all(&run);
}
