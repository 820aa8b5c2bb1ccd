/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime's side of making a container or an exec'd process.
 *
 * At this point we are: the runtime as it was called, in the host's namespaces. Where
 * there are maps to write or a cgroup to enter the child waits for MAP_OK; else both run side by
 * side. It is believed only in typed messages. The container's own code runs after READY_OK at the
 * earliest (hooks are the configuration's, not the image's).
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <time.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/sock.h"
#include "common/str.h"
#include "runtime/cgroup_systemd.h"
#include "runtime/interrupt.h"
#include "runtime/procattr.h"
#include "runtime/protect.h"
#include "runtime/stage_answers.h"
#include "runtime/stage_rows.h"
#include "spec/spec_docs.h"

void stage_setup(struct stage *s)
{
	s->dir = (struct state_dir)STATE_DIR_INIT;
	prep_init(&s->prep);
	s->helper.pidfd = s->init.pidfd = s->holder.pidfd = s->join_pidfd = -EBADF;
	s->sync_parent = s->sync_child = s->tty_master = -EBADF;
	s->interrupt_fd = interrupt_begin();
	s->tty.master = s->tty.slave = -EBADF;
	s->netdev = (struct netdev_moves)NETDEV_MOVES_INIT;
	s->notify = (struct notify)NOTIFY_INIT;
	s->page = step_page_new();
	s->trace_fd = step_trace_open();
}

void stage_done(struct stage *s)
{
	prep_done(&s->prep);
	netdev_moves_done(&s->netdev);
	notify_close(&s->notify);
	s->sync_parent = fd_close(s->sync_parent);
	s->sync_child = fd_close(s->sync_child);
	s->tty_master = fd_close(s->tty_master);
	s->join_pidfd = fd_close(s->join_pidfd);
	s->init.pidfd = fd_close(s->init.pidfd);
	cgroup_systemd_close(s->systemd);
	s->systemd = NULL;
	s->interrupt_fd = fd_close(s->interrupt_fd);
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
	char text[STR_SECOND_SIZE];
	struct timespec ts = { 0 };

	if (clock_gettime(CLOCK_REALTIME, &ts) < 0)
		ts.tv_sec = 0;
	str_format_second(ts.tv_sec, text);
	return arena_printf(arena, "%s.%09ldZ", text, ts.tv_nsec);
}

/* ---- before the clone ---- */

int stage_row_state(void *ctx, struct err *err)
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
	rdt_from_plan(s->plan->rdt, &s->state.rdt);
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

void stage_undo_state(void *ctx)
{
	struct stage *s = ctx;
	struct err err = { 0 };

	if (s->dir.fd >= 0 && state_dir_is_current(&s->dir) && state_dir_remove(&s->dir, &err) < 0)
		log_debug("%s", err.msg);
}

static int step_files(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	int r;

	if (s->plan->kind != PLAN_CREATE)
		r = fifos_make_pipe(&s->prep.fifos, err);
	else
		r = fifos_make(s->dir.fd, &s->prep.fifos, err);
	if (r >= 0 && s->plan->notify)
		r = notify_make_dir(s->dir.fd, err);
	/* run hands nothing over later: the program may speak at once. */
	if (r >= 0 && s->plan->notify && s->plan->kind == PLAN_RUN)
		r = notify_listen(s->dir.fd, s->request->notify_socket, &s->notify, err);
	return r;
}

/* The child that is the first process of systemd's unit. It must not outlive us, nor the lock that
 * it inherits ours. */
static void hold(void *arg)
{
	const pid_t *parent = arg;
	sigset_t none;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != *parent)
		_exit(1);
	(void)!fd_close_from(3, NULL, 0);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	for (;;)
		pause();
}

/* A scope is started with a process in it and ends with its last one, and init is to be born in a
 * cgroup that is ready: limited, with all that the mounts of its making refer to. So a process that
 * does nothing goes ahead and is ended when init is in. */
static int start_unit(struct stage *s, struct err *err)
{
	const struct plan_systemd *plan = s->plan->cgroup->systemd;
	pid_t self = getpid();
	struct spawn_args args = { .cgroup_fd = -EBADF, .fn = hold, .arg = &self };
	int r = plan->is_slice ? 0 : spawn_process(&args, &s->holder, err);

	if (r >= 0)
		r = cgroup_systemd_start(s->systemd, plan, s->holder.pid, s->interrupt_fd, err);
	s->cgroup_made.holder = s->holder.pid;
	return r;
}

int stage_end_holder(struct stage *s, struct err *err)
{
	if (s->holder.pid <= 0)
		return 0;
	(void)spawn_kill_reap(&s->holder, STAGE_KILL_MS);
	return cgroup_holder_gone(s->plan->cgroup, err);
}

int stage_row_cgroup(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	struct err undo = { 0 };
	bool unit = false;
	int r = 0;

	s->tolerate_cgroup = s->plan->cgroup->tolerate_errors;
	if (s->cgroup.n == 0)
		return 0;
	if (s->systemd) {
		r = start_unit(s, err);
		/* Now: nobody would read what the bus goes on telling. */
		cgroup_systemd_close(s->systemd);
		s->systemd = NULL;
		unit = true;
		if (r < 0)
			(void)spawn_kill_reap(&s->holder, STAGE_KILL_MS);
		if (r < 0)
			return r;
	}
	r = cgroup_create(s->plan->cgroup, &s->cgroup_made, err);
	if (r >= 0)
		r = cgroup_delegate(s->plan->cgroup, err);
	if (r < 0 && unit) {
		(void)spawn_kill_reap(&s->holder, STAGE_KILL_MS);
		if (cgroup_destroy(&s->cgroup, 5000, &undo) < 0)
			log_warning("%s", undo.msg);
	}
	return r;
}

void stage_undo_cgroup(void *ctx)
{
	struct stage *s = ctx;
	struct err err = { 0 };

	/* Deleted while our hooks ran, and perhaps created anew: its cgroup is not ours any more. */
	(void)spawn_kill_reap(&s->holder, STAGE_KILL_MS);
	if (!state_dir_is_current(&s->dir))
		return;
	if (s->cgroup.n && cgroup_destroy(&s->cgroup, 5000, &err) < 0)
		log_warning("%s", err.msg);
}

int stage_row_rdt(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	int r = s->plan->rdt ? rdt_create(s->plan->rdt, &s->rdt_made, err) : 0;

	if (r < 0)
		rdt_undo(&s->state.rdt, &s->rdt_made);
	return r;
}

void stage_undo_rdt(void *ctx)
{
	struct stage *s = ctx;

	if (state_dir_is_current(&s->dir))
		rdt_undo(&s->state.rdt, &s->rdt_made);
}

/* In a user namespace of its own the container has no right over a process that is not dumpable and
 * whose memory belongs to ours, so that the quick way is safe: unless we lack rights over its other
 * namespaces, which then only that one gives. Without one, see the helper's "join". */
static bool exec_needs_helper(const struct stage *s)
{
	if (s->plan->ns.enter & CLONE_NEWUSER)
		return s->host->euid != 0;
	return s->plan->ns.enter & CLONE_NEWPID;
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
	if (is_exec(s))
		s->prep.helper = exec_needs_helper(s);
	s->rootfs = ROOTFS_INIT(s->plan->mounts, s->plan->cgroup, &s->prep.rootfs);
	/* Mounts with maps of their own need no namespace of init. */
	if (is_exec(s) || s->plan->ns.user)
		return 0;
	return rootfs_prepare_idmap(s->plan->mounts, &s->prep.rootfs, -EBADF, err);
}

static void undo_prep(void *ctx)
{
	/* Before the cgroup and the state go, which takes descriptors: there may be none left. */
	prep_done(&((struct stage *)ctx)->prep);
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

int stage_clone(struct stage *s, struct spawn_args *args, struct spawned *child, struct err *err)
{
	CLEANUP_FD int cgroup_fd = s->cgroup.n ? cgroup_open_v2(&s->cgroup) : -EBADF;
	int n_tasks = cgroup_open_tasks(&s->cgroup, s->tasks, STAGE_TASKS_MAX), r;

	args->cgroup_fd = cgroup_fd;
	s->n_tasks = n_tasks > 0 ? (size_t)n_tasks : 0;
	s->tasks_open = n_tasks >= 0;
	/* A v2 cgroup that cannot be opened is the parent's to fail on, and not absent. */
	for (size_t i = 0; i < s->cgroup.n; i++)
		s->has_v2 |= s->cgroup.v[i].v2;
	r = spawn_process(args, child, err);
	for (size_t i = 0; i < s->n_tasks; i++)
		fd_close(s->tasks[i]);
	return r;
}

static int clone_child(struct stage *s, struct err *err)
{
	struct spawn_args args = {
		.flags = s->plan->ns.make & ~(uint64_t)(CLONE_NEWCGROUP | CLONE_NEWTIME),
		.fn = stage_init_main,
		.arg = s,
	};

	if (s->prep.helper) {
		args.flags = 0;
		args.fn = stage_join_main;
	}
	return stage_clone(s, &args, s->prep.helper ? &s->helper : &s->init, err);
}

bool stage_is_placed(const struct stage *s, const struct spawned *child)
{
	return s->tasks_open && (!s->has_v2 || child->placed);
}

bool stage_waits_for_maps(const struct stage *s)
{
	/* Devices: their sysctls (net.ipv4.conf.eth0...) are init's to write. */
	return s->prep.helper || (!is_exec(s) && s->plan->ns.user) || s->plan->n_net_devices ||
	       !stage_is_placed(s, &s->init);
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

static void kill_child(const struct stage *s, struct spawned *child)
{
	(void)spawn_kill_reap(child, s->paused ? STAGE_KILL_PAUSED_MS : STAGE_KILL_MS);
}

static void undo_spawn(void *ctx)
{
	struct stage *s = ctx;

	/* A helper that is gone may have left an init we know nothing of: it sees the end of file. */
	s->sync_parent = fd_close(s->sync_parent);
	kill_child(s, &s->helper);
	kill_child(s, &s->init);
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

int stage_place(struct stage *s, const struct spawned *child, struct err *err)
{
	int r = 0;

	if (s->cgroup.n && !stage_is_placed(s, child))
		r = cgroup_add(&s->cgroup, child->pid, child->placed, s->tolerate_cgroup, err);
	if (r < 0 && is_exec(s) && (r == -EBUSY || r == -EOPNOTSUPP))
		r = place_beside_init(s, child->pid, err);
	if (r >= 0)
		r = rdt_add(&s->state.rdt, child->pid, err);
	if (r < 0)
		return r;
	if (s->plan->cpus_final.given &&
	    sched_setaffinity(child->pid, sizeof(cpu_set_t), &s->plan->cpus_final.set) < 0)
		return err_sys(err, "process.execCPUAffinity.final: set affinity");
	/* Once it has joined or changed its ids, the file is root's. */
	return s->host->euid == 0 ? 0 : oom_score_adj_apply(s->plan->process, child->pid, err);
}

static int step_join(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	struct sync_msg msg;
	int r;

	if (!s->prep.helper)
		return 0;
	r = stage_place(s, &s->helper, err);
	if (r >= 0)
		r = stage_tell(s, SYNC_MAP_OK, err);
	if (r < 0)
		return r;
	r = interrupt_wait(s->interrupt_fd, s->sync_parent, err);
	if (r < 0)
		return r;
	r = sync_expect(s->sync_parent, SYNC_CHILD_PID, &msg, NULL, err);
	if (r == -ENODATA)
		return stage_tell_death(s, &s->helper, "the join helper", STAGE_PAGE_HELPER, err);
	if (r < 0)
		return r;
	s->init.pid = msg.value;
	s->init.placed = true; /* as its creator was, with everything else it inherits */
	s->init.pidfd = proc_handle(msg.value);
	r = spawn_wait(&s->helper);
	s->helper.pidfd = fd_close(s->helper.pidfd);
	return r < 0 ? err_sysn(err, r, "wait for the join helper") : 0;
}

/* ---- while init sets itself up ---- */

/* Later changes of the bundle must not reach this container (OCI, "Bundle"). Who finds the pid in the
 * state also finds this. */
int stage_row_config(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	const struct stage_request *req = s->request;
	int r = io_replace_file(s->dir.fd, "config.json", req->config_text, req->config_len, 0600);

	return r < 0 ? err_sysn(err, r, "write \"%s/config.json\"", s->dir.path) : 0;
}

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
	/* The helper is there already, and init with it. */
	int r = s->prep.helper ? 0 : stage_place(s, &s->init, err);

	return r < 0 ? r : stage_end_holder(s, err);
}

int stage_row_devices(void *ctx, struct err *err)
{
	struct stage *s = ctx;

	return s->cgroup.n ? cgroup_create_devices(s->plan->cgroup, &s->cgroup_made, err) : 0;
}

static int step_netdev(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	struct netdev_moves *moves = &s->netdev;

	if (!s->plan->n_net_devices)
		return 0;
	moves->there_ns = ns_open_net(&s->prep.ns, s->init.pid, err);
	if (moves->there_ns < 0)
		return moves->there_ns;
	moves->there = ns_rtnetlink(moves->there_ns, err);
	if (moves->there < 0)
		return moves->there;
	return netdev_move_all(s->arena, s->plan->net_devices, s->plan->n_net_devices, moves, err);
}

static void undo_netdev(void *ctx)
{
	struct stage *s = ctx;

	/* Before init is killed its namespace is held by us anyhow: a device without hardware would
	 * die with that. */
	netdev_move_back(&s->netdev);
	netdev_moves_done(&s->netdev);
}

static int step_tidy(void *ctx UNUSED, struct err *err UNUSED)
{
	protect_done();
	return 0;
}

int stage_row_complete(void *ctx, struct err *err)
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
	int r = interrupt_check(s->interrupt_fd, err);

	if (r >= 0 && s->request->pid_file && !is_exec(s))
		r = stage_write_pid_file(s->request->pid_file, s->init.pid, err);
	/* From here on init outlives us. */
	return r < 0 ? r : stage_tell(s, SYNC_READY_OK, err);
}

static const struct step parent_steps[] = {
	{ "state", stage_row_state, stage_undo_state, WHEN_INIT },
	{ "files", step_files, NULL, WHEN_ALWAYS },
	{ "cgroup", stage_row_cgroup, stage_undo_cgroup, WHEN_INIT },
	{ "rdt", stage_row_rdt, stage_undo_rdt, WHEN_INIT },
	{ "prep", step_prep, undo_prep, WHEN_ALWAYS },
	{ "spawn", step_spawn, undo_spawn, WHEN_ALWAYS },
	{ "join", step_join, NULL, WHEN_ALWAYS },
	/* What init does not wait for is done from here on, while that makes its mounts. */
	{ "config", stage_row_config, NULL, WHEN_INIT },
	/* As early as can be: who finds the state after a crash also finds init. */
	{ "record", step_record, NULL, WHEN_INIT },
	/* Before MAP_OK: init does nothing of its own outside its cgroup. */
	{ "place", step_place, NULL, WHEN_ALWAYS },
	/* Before every hook, and before any code of the container's. */
	{ "devices", stage_row_devices, NULL, WHEN_INIT },
	/* Before MAP_OK and every hook. */
	{ "netdev", step_netdev, undo_netdev, WHEN_INIT },
	{ "maps", stage_answer_maps, NULL, WHEN_ALWAYS },
	{ "tidy", step_tidy, NULL, WHEN_ALWAYS },
	{ "hooks", stage_answer_hooks, NULL, WHEN_INIT },
	{ "console", stage_answer_console, NULL, WHEN_ALWAYS },
	{ "listener", stage_answer_listener, NULL, WHEN_ALWAYS },
	{ "ready", stage_answer_ready, NULL, WHEN_ALWAYS },
	{ "complete", stage_row_complete, NULL, WHEN_INIT },
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
	/* What waits for an execve is not to be held by it; create has nothing left to do, and the
	 * foreground forwards. */
	if (s->plan->kind != PLAN_CREATE && !s->request->foreground)
		interrupt_end(&s->interrupt_fd);
	return 0;
}

int stage_parent_started(struct stage *s, struct err *err)
{
	bool exec = is_exec(s);
	int r = sync_await_report(s->prep.fifos.report_in, proc_pollable(s->init.pidfd),
				  s->interrupt_fd, exec, err);

	s->prep.fifos.report_in = fd_close(s->prep.fifos.report_in);
	if (r < 0) {
		if (exec)
			kill_child(s, &s->init);
		return err_wrap(err, "unable to start container process");
	}
	if (exec && s->request->pid_file)
		r = stage_write_pid_file(s->request->pid_file, s->init.pid, err);
	/* A process that nobody was told of. */
	if (r < 0)
		kill_child(s, &s->init);
	return r;
}

void stage_parent_undo(struct stage *s)
{
	struct step_run run = parent_run(s);

	step_undo_all(&run);
}
