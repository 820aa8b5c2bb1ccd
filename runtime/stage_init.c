/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Init of a container, and the process of an exec: one table of steps, in an order of which every
 * row depends on rows before it.
 *
 * At this point we are: a copy of the runtime, child of the runtime, in the new namespaces (those
 * of clone) or still in the host's (exec, joins), with the runtime's uid and all its capabilities
 * (in a new user namespace: unmapped, with all capabilities over that namespace only). Before
 * "mounts" nothing of the container can influence us except what shares a joined namespace; from
 * "pivot" on every path is the image's; from "credentials" on we have only what the container has.
 * Nothing here allocates.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/path.h"
#include "common/str.h"
#include "common/sys.h"
#include "runtime/creds.h"
#include "runtime/hooks.h"
#include "runtime/netdev.h"
#include "runtime/procattr.h"
#include "runtime/program.h"
#include "runtime/protect.h"
#include "runtime/stage.h"
#include "runtime/tty.h"

static bool is_exec(const struct stage *s)
{
	return s->plan->kind == PLAN_EXEC;
}

static int lost_parent(int r, enum sync_type type, struct err *err)
{
	return err_sysn(err, r, "wait for %s", sync_type_name(type));
}

static int ask(struct stage *s, enum sync_type request, int value, enum sync_type answer,
	       struct err *err)
{
	int r = sync_send(s->sync_child, request, value, NULL);

	if (r < 0)
		return err_sysn(err, r, "send %s", sync_type_name(request));
	r = sync_wait(s->sync_child, answer);
	return r < 0 ? lost_parent(r, answer, err) : 0;
}

/* ---- 1, 2: identity and namespaces ---- */

static void end_by_signal(int sig)
{
	_exit(128 + sig); /* ends in a fault where the profile refuses that */
}

/* The kernel keeps these from a pid 1 that has no handler: a created container could not be ended
 * by SIGTERM, and one sent to `run` just before the execve would be lost. execve undoes them. */
static void end_by_signals(void)
{
	static const int ending[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };
	struct sigaction action = { .sa_handler = end_by_signal };

	if (getpid() != 1)
		return;
	for (size_t i = 0; i < ARRAY_COUNT(ending); i++)
		(void)sigaction(ending[i], &action, NULL);
}

static int step_session(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	sigset_t none;

	/* While we hold these, nobody sees our parent's end of file or its unlocking. */
	s->sync_parent = fd_close(s->sync_parent);
	protect_done(); /* ours must not be the last close */
	s->dir.lock_fd = fd_close(s->dir.lock_fd);
	s->dir.fd = fd_close(s->dir.fd);
	s->prep.fifos.report_in = fd_close(s->prep.fifos.report_in);
	for (int i = 0; i < 3; i++)
		s->prep.stdio_parent[i] = fd_close(s->prep.stdio_parent[i]);
	/* What the caller ignores (SIGPIPE, SIGHUP below nohup) and what the foreground blocks is
	 * not the container's business; both survive execve. */
	sys_signals_default();
	if (!is_exec(s))
		end_by_signals();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* EPERM only where we lead a session already. */
	if (setsid() < 0 && errno != EPERM)
		return err_sys(err, "setsid");
	return 0;
}

static int step_place(void *ctx, struct err *err)
{
	/* A fork and two closes are all that is charged elsewhere. */
	return stage_place_self(ctx, err);
}

static int step_maps(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	int r;

	if (!stage_waits_for_maps(s))
		return 0;
	/* Both the cgroup and the id maps: nothing is done outside the one or without the other. */
	if (!s->prep.helper)
		return ask(s, SYNC_MAP_REQ, 0, SYNC_MAP_OK, err);
	r = sync_wait(s->sync_child, SYNC_MAP_OK);
	return r < 0 ? lost_parent(r, SYNC_MAP_OK, err) : 0;
}

static int step_join(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	int r;

	/* The helper entered everything before it cloned us. */
	if (s->prep.helper)
		return 0;
	if (!is_exec(s))
		return ns_enter_rest(&s->prep.ns, err);
	/* Ours is the container's pid namespace already, by our parent's setns before the clone. */
	r = ns_enter_process(s->join_pidfd, s->state.pid,
			     s->plan->ns.enter & ~(uint64_t)CLONE_NEWPID, err);
	s->join_pidfd = fd_close(s->join_pidfd);
	return r;
}

static int step_time(void *ctx, struct err *err)
{
	struct stage *s = ctx;

	/* Before the uid changes (the file of offsets must still be ours to open), and before any
	 * clock is read for the container. */
	if (!(s->plan->ns.make & CLONE_NEWTIME))
		return 0;
	return ns_unshare_time(&s->plan->ns, err);
}

static int step_sources(void *ctx, struct err *err)
{
	/* While our uid still is the host's, which can reach the sources: in our own mount namespace
	 * the flags of the host's mounts are locked against the container's root, in the trees that
	 * the parent cloned they are not. */
	return rootfs_open_sources(&((struct stage *)ctx)->rootfs, err);
}

static int step_identity(void *ctx, struct err *err)
{
	struct stage *s = ctx;

	/* CVE-2016-9962's class, also where no id changes: what comes into our pid namespace before
	 * the start (an exec) must not read the runtime's environment or open its descriptors. Not
	 * for a parent without rights, who has to write our oom_score_adj and get the listener. */
	if (s->host->euid == 0 && (s->host->own_caps >> CAP_SYS_PTRACE & 1) &&
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(err, "set not dumpable");
	/* After the maps: before them every id is 65534. */
	if (!s->plan->ns.user || !s->plan->ns.root_mapped)
		return 0;
	return creds_become_root(err);
}

static int step_keyring(void *ctx, struct err *err)
{
	struct stage *s = ctx;

	/* After setresuid, or the keyring would belong to 65534. */
	if (!s->plan->process->creds.keyring)
		return 0;
	return creds_join_keyring(s->plan->process->creds.keyring, err);
}

static int step_cgroupns(void *ctx, struct err *err)
{
	struct stage *s = ctx;

	/* Only now, in the container's cgroup: it becomes the root of the namespace. */
	if (!(s->plan->ns.make & CLONE_NEWCGROUP))
		return 0;
	return ns_unshare_cgroup(err);
}

/* ---- 3: names, loopback ---- */

static int step_names(void *ctx, struct err *err)
{
	struct stage *s = ctx;

	return ns_set_names(&s->plan->ns, err);
}

static int step_loopback(void *ctx, struct err *err)
{
	struct stage *s = ctx;

	return s->plan->ns.make & CLONE_NEWNET ? netdev_loopback_up(err) : 0;
}

/* ---- 4: the root ---- */

static int step_propagation(void *ctx, struct err *err)
{
	/* Before the first mount, or it would show on the host. */
	return rootfs_set_propagation(&((struct stage *)ctx)->rootfs, err);
}

static int step_root(void *ctx, struct err *err)
{
	return rootfs_attach_root(&((struct stage *)ctx)->rootfs, err);
}

static int step_proc(void *ctx, struct err *err)
{
	/* Our own procfs instance before anything is masked: what it shows no mount can fake. */
	return rootfs_open_proc(&((struct stage *)ctx)->rootfs, err);
}

static int step_mounts(void *ctx, struct err *err)
{
	return rootfs_mount_all(&((struct stage *)ctx)->rootfs, err);
}

static int step_devices(void *ctx, struct err *err)
{
	/* After the mounts: /dev is usually one of them. */
	return rootfs_make_devices(&((struct stage *)ctx)->rootfs, err);
}

static int step_cwd(void *ctx, struct err *err)
{
	/* Created below the root by descriptor, as root, and before the root is read-only. */
	return rootfs_make_cwd(&((struct stage *)ctx)->rootfs, err);
}

/* ---- 5, 6: hooks, pivot ---- */

static int step_hooks(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	struct hooks_run run = {
		.list = &s->plan->spec->hooks[HOOK_CREATE_CONTAINER],
		.kind = HOOK_CREATE_CONTAINER,
		.state = s->plan->creating_state,
		.pid = getpid(),
		.stdout_fd = s->prep.hooks_out,
		.stderr_fd = s->prep.hooks_err,
	};
	int r = 0;

	/* The runtime's hooks see a container with all its mounts; then ours, still with the host's
	 * paths (OCI: their path is the runtime's). */
	if (s->plan->hooks_sync)
		r = ask(s, SYNC_HOOKS_REQ, 0, SYNC_HOOKS_OK, err);
	if (r >= 0 && run.list->n)
		r = hooks_run(&run, err);
	if (!s->plan->spec->hooks[HOOK_START_CONTAINER].n) {
		s->prep.hooks_out = fd_close(s->prep.hooks_out);
		s->prep.hooks_err = fd_close(s->prep.hooks_err);
	}
	return r;
}

static int step_pivot(void *ctx, struct err *err)
{
	return rootfs_pivot(&((struct stage *)ctx)->rootfs, err);
}

/* ---- 7: terminal ---- */

static int step_console(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	int r;

	if (!s->plan->process->terminal)
		return 0;
	/* From the container's own devpts, so after the pivot; bound on /dev/console before the
	 * root may become read-only. */
	r = tty_open_pair(s->plan->process, &s->tty, err);
	if (r >= 0 && !is_exec(s))
		r = rootfs_attach_console(&s->rootfs, s->tty.slave, err);
	if (r < 0)
		return r;
	r = sync_send_fd(s->sync_child, SYNC_TTY_FD, 0, s->tty.master);
	if (r < 0)
		return err_sysn(err, r, "hand the terminal over");
	/* A copy of the master in the container would keep the terminal from hanging up. */
	s->tty.master = fd_close(s->tty.master);
	return 0;
}

/* ---- 8, 9: sysctl, protected paths ---- */

static int step_sysctl(void *ctx, struct err *err)
{
	return rootfs_write_sysctl(&((struct stage *)ctx)->rootfs, err);
}

static int step_protect(void *ctx, struct err *err)
{
	return rootfs_protect_paths(&((struct stage *)ctx)->rootfs, err);
}

/* ---- 10: what the process inherits ---- */

static int step_personality(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	const struct plan_memory_policy *policy = &s->plan->memory_policy;

	if (s->plan->has_personality && personality(s->plan->personality) < 0)
		return err_sys(err, "linux.personality: 0x%lx", s->plan->personality);
#ifdef SYS_set_mempolicy
	if (policy->given && syscall(SYS_set_mempolicy, policy->mode,
				     policy->max_node ? policy->nodes : NULL, policy->max_node) < 0)
		return err_sys(err, "linux.memoryPolicy: set_mempolicy");
#else
	if (policy->given)
		return err_set(err, ENOSYS, "linux.memoryPolicy: not known to this machine");
#endif
	return 0;
}

/* The user must be able to reopen /dev/stdout. Pipes and sockets only: they are the caller's channel
 * to this process, while a file or a device (the host's /dev/null!) belongs to others too. EPERM and
 * EINVAL: an owner or an id that our user namespace does not know; the descriptor works all the
 * same. */
static void give_stdio(uint32_t uid)
{
	for (int fd = 0; fd < 3; fd++) {
		struct stat st;

		if (fstat(fd, &st) < 0 || !(S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)) ||
		    st.st_uid == uid)
			continue;
		if (fchown(fd, uid, (gid_t)-1) < 0)
			continue;
	}
}

/* The caller's /dev/null is a file of the host's mounts, which a checkpoint could not name and which
 * would hold them. The container's own does as well; where it has none, the caller's has to do. */
static void take_own_null(void)
{
	CLEANUP_FD int own = -EBADF;

	for (int fd = 0; fd < 3; fd++) {
		if (!path_is_chrdev(fd, 1, 3))
			continue;
		if (own < 0)
			own = fd_open("/dev/null", O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
		/* What the image has under that name is believed only if it is the device. */
		if (own < 0 || !path_is_chrdev(own, 1, 3) || dup2(own, fd) < 0)
			return;
	}
}

/* Late, because the steps before may still have something to say on the runtime's stderr. */
static int step_stdio(void *ctx, struct err *err)
{
	struct stage *s = ctx;

	if (s->tty.slave >= 0)
		return tty_make_stdio(s->tty.slave, err);
	for (int fd = 0; fd < 3; fd++)
		if (s->prep.stdio_child[fd] >= 0 && dup2(s->prep.stdio_child[fd], fd) < 0)
			return err_sys(err, "make the pipe fd %d", fd);
	give_stdio(s->plan->process->creds.uid);
	take_own_null();
	return 0;
}

int stage_close_fds(struct stage *s, struct err *err)
{
	/* CVE-2024-21626's class: nothing of the host stays open where the container may look, and
	 * close-on-exec would not be enough for that. What is kept is close-on-exec from birth. */
	int keep[] = { s->sync_child,           s->prep.fifos.exec_fd,
		       s->prep.fifos.report_fd, s->prep.fifos.report_own,
		       s->rootfs.proc_fd,       s->join_pidfd,
		       s->prep.stdio_child[0],  s->prep.stdio_child[1],
		       s->prep.stdio_child[2],  s->prep.hooks_out,
		       s->prep.hooks_err,       s->trace_fd };
	int r = fd_close_from(3 + (int)s->plan->keep_fds, keep, ARRAY_COUNT(keep));

	return r < 0 ? err_sysn(err, r, "close descriptors") : 0;
}

static int step_fds(void *ctx, struct err *err)
{
	struct stage *s = ctx;

	/* They are fds 0, 1, 2 now. */
	s->tty.slave = fd_close(s->tty.slave);
	for (int fd = 0; fd < 3; fd++)
		s->prep.stdio_child[fd] = fd_close(s->prep.stdio_child[fd]);
	return stage_close_fds(s, err);
}

/* ---- 11, 12: labels, no_new_privs, early seccomp ---- */

static int step_lsm(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	const struct plan_lsm *lsm = &s->plan->process->lsm;
	int r;

	/* Before no_new_privs, which forbids most transitions. CVE-2019-16884: through a procfs
	 * that we made. */
	if (!lsm->apparmor && !lsm->selinux) {
		r = 0;
	} else {
		r = s->rootfs.proc_fd >= 0 ? 0 : rootfs_open_proc(&s->rootfs, err);
		if (r >= 0)
			r = lsm_set_exec(lsm, s->rootfs.proc_fd, err);
	}
	s->rootfs.proc_fd = fd_close(s->rootfs.proc_fd);
	return r;
}

static int step_no_new_privs(void *ctx, struct err *err)
{
	return creds_no_new_privs(&((struct stage *)ctx)->plan->process->creds, err);
}

static int load_seccomp(struct stage *s, struct err *err)
{
	bool in_reach;
	int r;

	if (!s->prep.seccomp.filter)
		return 0;
	/* A parent without rights cannot take a descriptor of ours once we have joined or changed
	 * our ids; nor can any where one of the calls is missing (asked without an effect). */
	in_reach = s->host->own_caps >> CAP_SYS_PTRACE & 1 || prctl(PR_GET_DUMPABLE) == 1;
	if (s->prep.seccomp.notify && in_reach)
		in_reach = sys_pidfd_getfd(-1, 0) == -EBADF && sys_pidfd_open(-1, 0) == -EINVAL;
	r = seccomp_load_program(&s->prep.seccomp, err);
	if (r < 0 || !s->prep.seccomp.notify)
		return r;
	if (!in_reach) {
		r = sync_send_fd(s->sync_child, SYNC_SECCOMP_FD, r, r);
		if (r >= 0)
			r = sync_wait(s->sync_child, SYNC_SECCOMP_OK);
		return r < 0 ? err_sysn(err, r, "hand the seccomp listener over") : 0;
	}
	/* From now on only read, write and execve are sure to get through, so the number is told
	 * and the parent takes the descriptor. */
	return ask(s, SYNC_SECCOMP_FD, r, SYNC_SECCOMP_OK, err);
}

static int step_seccomp_early(void *ctx, struct err *err)
{
	struct stage *s = ctx;

	/* Without no_new_privs loading needs CAP_SYS_ADMIN, which the next steps may drop. */
	return s->plan->process->creds.no_new_privs ? 0 : load_seccomp(s, err);
}

/* ---- 13: credentials ---- */

static int change_dir(const char *cwd, struct err *err)
{
	if (chdir(cwd) < 0)
		return err_sys(err, "chdir to cwd (\"%s\") set in config.json failed", cwd);
	return 0;
}

/* Only where the parent will have no right to (see plan_process); else nothing. */
static int step_limits(void *ctx, struct err *err)
{
	return rlimits_apply(((struct stage *)ctx)->plan->process, 0, err);
}

static int step_chdir(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	int r = change_dir(s->plan->process->cwd, err);

	/* As root first: the user may have no search right on the way. But root may be the one who
	 * has none (root squashing): then the user tries. */
	s->cwd_denied = r == -EACCES || r == -EPERM;
	return s->cwd_denied ? 0 : r;
}

static int step_credentials(void *ctx, struct err *err)
{
	return creds_apply(&((struct stage *)ctx)->plan->process->creds, err);
}

static int step_check_cwd(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	char buf[PATH_MAX];
	long n;
	int r = s->cwd_denied ? change_dir(s->plan->process->cwd, err) : 0;

	if (r < 0)
		return r;
	/* CVE-2024-21626: a cwd such as /proc/self/fd/N leads out of the root, and then the kernel's
	 * answer does not begin with a slash. */
	n = syscall(SYS_getcwd, buf, sizeof(buf));
	if (n < 0 && errno != ENAMETOOLONG && errno != ERANGE)
		return err_sys(err, "find the current directory");
	if (n > 0 && buf[0] != '/')
		return err_set(err, EPERM,
			       "current working directory is outside of container mount namespace "
			       "root -- possible container breakout detected");
	return 0;
}

/* ---- 14, 15: HOME, the program ---- */

static int step_home(void *ctx, struct err *err)
{
	struct stage *s = ctx;

	if (!s->plan->home)
		return 0;
	return program_home(s->plan->process->creds.uid, s->plan->home, PLAN_HOME_MAX, err);
}

static int step_lookup(void *ctx, struct err *err)
{
	struct stage *s = ctx;

	/* At create, so that a missing program fails create and not start; as the user, whose
	 * rights decide; before seccomp, which may refuse stat. */
	return program_find(s->plan->process->args.v[0], s->plan->path_env, s->program,
			    sizeof(s->program), err);
}

/* ---- 16 to 20: seccomp, hand-shake, exec ---- */

static int step_seccomp(void *ctx, struct err *err)
{
	struct stage *s = ctx;

	/* As late as possible, so that the profile need not allow what the steps before do. */
	return s->plan->process->creds.no_new_privs ? load_seccomp(s, err) : 0;
}

static int step_ready(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	int r = ask(s, SYNC_READY, 0, SYNC_READY_OK, err);

	/* Until here the end of our creator is ours. */
	s->reports = r >= 0;
	return r;
}

static int step_wait(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	char byte;
	ssize_t n;

	if (s->plan->kind != PLAN_CREATE)
		return 0;
	do {
		n = read(s->prep.fifos.exec_fd, &byte, 1);
	} while (n < 0 && errno == EINTR);
	return n == 1 ? 0 : err_sys(err, "wait for the start");
}

static int step_start_hooks(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	struct hooks_run run = {
		.list = &s->plan->spec->hooks[HOOK_START_CONTAINER],
		.kind = HOOK_START_CONTAINER,
		.state = s->plan->created_state,
		.pid = getpid(),
		.no_env = s->plan->env,
		.stdout_fd = s->prep.hooks_out,
		.stderr_fd = s->prep.hooks_err,
	};

	return run.list->n ? hooks_run(&run, err) : 0;
}

static int step_report(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	int r = sync_send(s->prep.fifos.report_fd, SYNC_EXECING, 0, NULL);

	return r < 0 ? err_sysn(err, r, "report the start") : 0;
}

static int step_exec(void *ctx, struct err *err)
{
	struct stage *s = ctx;

	execve(s->program, s->plan->process->args.v, s->plan->env);
	return err_sys(err, "exec %s", s->plan->process->args.v[0]);
}

static const struct step init_steps[] = {
	{ "session", step_session, NULL, WHEN_ALWAYS },
	{ "place", step_place, NULL, WHEN_ALWAYS },
	{ "maps", step_maps, NULL, WHEN_ALWAYS },
	{ "join", step_join, NULL, WHEN_ALWAYS },
	{ "time", step_time, NULL, WHEN_INIT },
	{ "sources", step_sources, NULL, WHEN_INIT },
	{ "identity", step_identity, NULL, WHEN_ALWAYS },
	{ "keyring", step_keyring, NULL, WHEN_ALWAYS },
	{ "cgroupns", step_cgroupns, NULL, WHEN_INIT },
	{ "names", step_names, NULL, WHEN_INIT },
	{ "loopback", step_loopback, NULL, WHEN_INIT },
	{ "propagation", step_propagation, NULL, WHEN_INIT },
	{ "root", step_root, NULL, WHEN_INIT },
	{ "proc", step_proc, NULL, WHEN_INIT },
	{ "mounts", step_mounts, NULL, WHEN_INIT },
	{ "devices", step_devices, NULL, WHEN_INIT },
	{ "cwd", step_cwd, NULL, WHEN_INIT },
	{ "hooks", step_hooks, NULL, WHEN_INIT },
	{ "pivot", step_pivot, NULL, WHEN_INIT },
	{ "console", step_console, NULL, WHEN_ALWAYS },
	{ "sysctl", step_sysctl, NULL, WHEN_INIT },
	{ "protect", step_protect, NULL, WHEN_INIT },
	{ "personality", step_personality, NULL, WHEN_ALWAYS },
	{ "stdio", step_stdio, NULL, WHEN_ALWAYS },
	{ "fds", step_fds, NULL, WHEN_ALWAYS },
	{ "lsm", step_lsm, NULL, WHEN_ALWAYS },
	{ "no_new_privs", step_no_new_privs, NULL, WHEN_ALWAYS },
	{ "limits", step_limits, NULL, WHEN_ALWAYS },
	{ "seccomp_early", step_seccomp_early, NULL, WHEN_ALWAYS },
	{ "chdir", step_chdir, NULL, WHEN_ALWAYS },
	{ "credentials", step_credentials, NULL, WHEN_ALWAYS },
	{ "check_cwd", step_check_cwd, NULL, WHEN_ALWAYS },
	{ "home", step_home, NULL, WHEN_ALWAYS },
	{ "lookup", step_lookup, NULL, WHEN_ALWAYS },
	{ "seccomp", step_seccomp, NULL, WHEN_ALWAYS },
	{ "ready", step_ready, NULL, WHEN_ALWAYS },
	{ "wait", step_wait, NULL, WHEN_INIT },
	{ "start_hooks", step_start_hooks, NULL, WHEN_INIT },
	{ "report", step_report, NULL, WHEN_ALWAYS },
	{ "exec", step_exec, NULL, WHEN_ALWAYS },
};

static void note(void *ctx, const char *name, uint64_t ns)
{
	struct stage *s = ctx;
	struct err err = { 0 };

	/* By the parent's log: our stderr becomes the container's. */
	if (s->reports)
		return;
	(void)!err_set(&err, EINPROGRESS, "step init:%s took %llu us", name,
		       (unsigned long long)(ns / 1000));
	if (sync_send_err(s->sync_child, SYNC_LOG, LOG_LEVEL_DEBUG, &err) < 0)
		return;
}

static void give_up(struct stage *s, const struct err *err) NORETURN;
static void give_up(struct stage *s, const struct err *err)
{
	bool in_exec = str_eq(err->step, "init:exec") || str_eq(err->step, "exec:exec");

	if (!s->reports) {
		if (sync_send_err(s->sync_child, SYNC_FAIL, 0, err) < 0)
			_exit(2);
	} else if (in_exec && !is_exec(s)) {
		/* `start` has gone, or calls it started: the text is the container's own. */
		struct str text = STR_FIXED(s->program);

		str_addf(&text, "%s\n", err->msg);
		if (write(STDERR_FILENO, text.data, text.len) < 0)
			_exit(255);
	} else if (sync_send_err(s->prep.fifos.report_fd, SYNC_FAIL, 0, err) < 0) {
		_exit(255);
	}
	_exit(s->reports ? 255 : 1);
}

void stage_init_main(void *arg)
{
	struct stage *s = arg;
	struct err err = { 0 };
	struct step_run run = {
		.role = is_exec(s) ? "exec" : "init",
		.steps = init_steps,
		.n = ARRAY_COUNT(init_steps),
		.when = is_exec(s) ? WHEN_EXEC : WHEN_INIT,
		.ctx = s,
		.last = s->page ? s->page + STAGE_PAGE_INIT : NULL,
		.trace_fd = s->trace_fd,
		.note = s->debug ? note : NULL,
	};

	if (step_run_all(&run, &err) < 0)
		give_up(s, &err);
	_exit(255);
}
