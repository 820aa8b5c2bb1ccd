/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime's side of a restore.
 *
 * At this point we are: the runtime as it was called, in the host's namespaces with all its rights.
 * The images are the caller's, as the bundle is. criu works in the container's cgroup and in a mount
 * namespace of its own; it tells us where it is and waits for our answer, so that the state on disk
 * is true before anything of the container's runs.
 */
#include "runtime/stage_restore.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/str.h"
#include "common/sys.h"
#include "runtime/criu_facts.h"
#include "runtime/criu_plan.h"
#include "runtime/interrupt.h"
#include "runtime/mount.h"
#include "runtime/mount_stash.h"
#include "runtime/ns.h"
#include "runtime/protect.h"
#include "runtime/stage_criu.h"
#include "runtime/stage_rows.h"

/* How long a criu that is told to give up may take to kill what it has restored. */
#define GIVE_UP_MS 10000

struct restoring {
	struct criu_run run;
	struct criu_request request;
	struct criu_stdio stdio;
	bool asked;        /* criu waits for our answer */
	mode_t image_mode; /* of the images' directory, if it was opened; else 0 */
};

/* ---- before criu ---- */

static int open_images(struct stage *s, struct err *err)
{
	struct restoring *r = s->restoring;
	int rc = criu_open_directories(&r->run, s->request->restore, err);

	if (rc < 0)
		return rc;
	r->request.images_fd = r->run.images_fd;
	r->request.work_fd = r->run.work_fd;
	return criu_read_descriptors(s->arena, r->request.images_fd, &r->stdio, err);
}

/* The container's root, when criu has made it that in a new user namespace, opens images by the
 * directory's descriptor: it has to have search permission, for the time. The files stay root's. */
static void open_to_root(struct stage *s)
{
	struct restoring *r = s->restoring;
	struct stat st;

	if (!s->plan->ns.user || fstat(r->run.images_fd, &st) < 0 || (st.st_mode & 0001))
		return;
	if (fchmod(r->run.images_fd, (st.st_mode & 07777) | 0011) == 0)
		r->image_mode = st.st_mode & 07777;
}

static void close_to_root(struct restoring *r)
{
	if (r->image_mode && fchmod(r->run.images_fd, r->image_mode) < 0)
		log_warning("chmod of the image path: %s", err_strerror(errno));
	r->image_mode = 0;
}

static int check_idmaps(const struct stage *s, struct err *err)
{
	const struct plan_mounts *plan = s->plan->mounts;

	/* criu makes the user namespace after the mounts are bound. */
	for (size_t i = 0; s->plan->ns.user && i < plan->n_mounts; i++)
		if (plan->mounts[i].idmap && !plan->mounts[i].uid_maps)
			return err_set(err, ENOTSUP,
				       "%s: an idmap without mappings of its own cannot be "
				       "restored",
				       plan->mounts[i].json_path);
	return 0;
}

static int row_prep(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	struct prep_request req = {
		.console_socket = s->request->console_socket,
		.pidfd_socket = s->request->pidfd_socket,
		.pipes = s->request->foreground && !s->plan->process->terminal,
		.no_seccomp = true,
	};
	int r = criu_check_namespaces(s->plan->spec, "restore", err);

	if (r >= 0)
		r = open_images(s, err);
	if (r >= 0)
		r = check_idmaps(s, err);
	if (r >= 0)
		r = prep_open(s->arena, s->plan, s->host, &req, &s->prep, err);
	if (r < 0)
		return r;
	open_to_root(s);
	s->rootfs = ROOTFS_INIT(s->plan->mounts, s->plan->cgroup, &s->prep.rootfs);
	return rootfs_prepare_idmap(s->plan->mounts, &s->prep.rootfs, -EBADF, err);
}

static void undo_prep(void *ctx)
{
	struct stage *s = ctx;

	close_to_root(s->restoring);
	criu_kill(&s->restoring->run); /* at least its directories are open */
	prep_done(&s->prep);
}

/* ---- criu's process ---- */

static int add_fd(struct restoring *r, const char *key, int fd, struct err *err)
{
	if (fd < 0)
		return err_sysn(err, fd, "duplicate a descriptor");
	r->run.keep[r->run.n_keep++] = fd;
	r->request.fds[r->request.n_fds++] = (struct criu_fd){ key, fd };
	return 0;
}

static bool has_key(const struct restoring *r, const char *key)
{
	for (size_t i = 0; i < r->request.n_fds; i++)
		if (str_eq(r->request.fds[i].key, key))
			return true;
	return false;
}

/* Ours for what the images say was the caller's. */
static int hand_stdio(struct stage *s, struct err *err)
{
	/* One file that was all three: output is what matters. */
	static const int order[] = { 1, 2, 0 };
	struct restoring *r = s->restoring;
	int rc = 0;

	for (size_t i = 0; i < ARRAY_COUNT(order) && rc >= 0; i++) {
		int fd = order[i], own = s->prep.stdio_child[fd];
		const char *key = r->stdio.name[fd];

		if (!*key || has_key(r, key))
			continue;
		if (r->stdio.null[fd])
			own = fd_open("/dev/null", O_RDWR, 0);
		else
			own = fd_dup(own >= 0 ? own : fd);
		rc = add_fd(r, key, own, err);
	}
	return rc;
}

static int hand_namespaces(struct stage *s, struct err *err)
{
	struct restoring *r = s->restoring;
	int rc = 0;

	for (size_t i = 0; i < s->prep.ns.n && rc >= 0; i++) {
		uint64_t flag = s->prep.ns.v[i].flag;

		switch (criu_ns_of(s->plan->spec, flag)) {
		case CRIU_NS_EXTERNAL:
			rc = add_fd(r, criu_ns_name(flag), fd_dup(s->prep.ns.v[i].fd), err);
			break;
		case CRIU_NS_JOIN:
			r->run.joins[r->run.n_joins++] = s->prep.ns.v[i].fd;
			break;
		default:
			break;
		}
	}
	return rc;
}

static int row_spawn(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	struct restoring *r = s->restoring;
	const struct criu_options *options = s->request->restore;
	int rc;

	r->run.program = options->program;
	r->run.stage = s;
	/* The directory of all states, and not ours, which root of a user namespace cannot reach. */
	r->run.stash_dir = s->dir.root;
	r->run.interrupt_fd = s->interrupt_fd;
	r->run.trace_fd = s->trace_fd;
	r->run.log_file = r->request.log_file;
	rc = hand_stdio(s, err);
	if (rc >= 0)
		rc = hand_namespaces(s, err);
	if (rc >= 0)
		rc = criu_start(&r->run, err);
	for (int i = 0; i < 3; i++)
		s->prep.stdio_child[i] = fd_close(s->prep.stdio_child[i]);
	return rc;
}

static void undo_spawn(void *ctx)
{
	struct stage *s = ctx;
	struct restoring *r = s->restoring;
	int handle = r->run.child.pidfd;
	struct err err = { 0 };

	/* It kills what it has restored; stopped processes would otherwise stay behind. */
	if (r->asked && criu_reply(s->arena, &r->run, false, &err) < 0)
		log_debug("%s", err.msg);
	r->asked = false;
	close_to_root(r);
	r->run.sock = fd_close(r->run.sock);
	r->run.sync_parent = fd_close(r->run.sync_parent);
	if (r->run.child.pid > 0 && handle >= 0 && proc_await_end(handle, GIVE_UP_MS) > 0)
		criu_finish(&r->run);
	else
		criu_kill(&r->run);
	(void)spawn_kill_reap(&s->init, STAGE_KILL_MS);
}

static int row_place(void *ctx, struct err *err)
{
	struct stage *s = ctx;

	int r = stage_place(s, &s->restoring->run.child, err);

	return r < 0 ? r : stage_end_holder(s, err);
}

/* ---- what criu is asked ---- */

/* A mount below a recursive bind came with it: it is named after where it is. */
static void add_below(struct stage *s, const struct criu_mounts *mounts, const char *source,
		      const char *name)
{
	size_t n = strlen(source);

	for (size_t i = 0; i < mounts->n; i++) {
		const char *point = mounts->v[i].point;

		if (strncmp(point, source, n) != 0 || point[n] != '/')
			continue;
		criu_pairs_add(s->arena, &s->restoring->request.mounts,
			       arena_printf(s->arena, "%s%s", name, point + n), point);
	}
}

static int add_stashed(struct stage *s, const char *name, char kind, size_t i, struct err *err)
{
	char path[PATH_MAX];
	int r = mount_stash_path(path, sizeof(path), s->dir.root, kind, i);

	if (r < 0)
		return err_sysn(err, r, "\"%s\"", s->dir.root);
	criu_pairs_add(s->arena, &s->restoring->request.mounts, name, arena_strdup(s->arena, path));
	return 0;
}

/* Binds of the container's cgroup, named after their places. */
static int add_cgroups(struct stage *s, const struct plan_mount *m, struct err *err)
{
	const struct plan_cgroup *cgroup = s->plan->cgroup;
	int r = 0;

	for (size_t i = 0; i < s->prep.rootfs.n_cgroups && r >= 0; i++) {
		const struct plan_cgroup_dir *dir = &cgroup->dirs[i];
		const char *name = m->destination;

		if (s->prep.rootfs.cgroups[i].state == ROOTFS_PREP_NONE ||
		    dir->v2 != (m->kind == PLAN_MOUNT_CGROUP2))
			continue;
		if (!dir->v2)
			name = arena_printf(s->arena, "%s/%s", name, rootfs_hierarchy_name(dir));
		r = add_stashed(s, name, MOUNT_STASH_CGROUP, i, err);
	}
	return r;
}

static int add_mounts(struct stage *s, struct err *err)
{
	const struct plan_mounts *plan = s->plan->mounts;
	const struct criu_pairs *pairs = &s->restoring->request.mounts;
	struct criu_mounts mounts;
	int r = criu_read_mounts(s->arena, s->restoring->run.child.pid, &mounts, err);

	for (size_t i = 0; i < plan->n_mounts && r >= 0; i++) {
		const struct plan_mount *m = &plan->mounts[i];

		if (m->kind == PLAN_MOUNT_CGROUP1 || m->kind == PLAN_MOUNT_CGROUP2)
			r = add_cgroups(s, m, err);
		if (!criu_mount_is_external(m))
			continue;
		r = add_stashed(s, m->destination, MOUNT_STASH_MOUNT, i, err);
		if (r >= 0)
			add_below(s, &mounts, pairs->v[pairs->n - 1].value, m->destination);
	}
	for (size_t i = 0; plan->bind_devices && i < plan->n_devices && r >= 0; i++)
		r = add_stashed(s, plan->devices[i].path, MOUNT_STASH_DEVICE, i, err);
	return r;
}

/* Images of runc name what hides files; ours need no name for it. */
static void add_masks(struct stage *s)
{
	const struct spec_strings *masked = &s->plan->mounts->masked_paths;

	for (size_t i = 0; i < masked->n; i++)
		criu_pairs_add(s->arena, &s->restoring->request.mounts, masked->v[i], "/dev/null");
}

static void log_request(struct stage *s)
{
	CLEANUP_STR struct str text = { 0 };

	if (!s->debug)
		return;
	criu_request_print(&s->restoring->request, &text);
	log_debug("%s", text.data);
}

static int row_request(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	struct restoring *r = s->restoring;
	int rc = add_mounts(s, err);

	if (rc < 0)
		return rc;
	add_masks(s);
	r->request.root = arena_printf(s->arena, "%s/" MOUNT_STASH_ROOT, s->dir.root);
	/* Where it was dumped may be another container's place by now; ours is where criu is. */
	rc = criu_read_cgroups(s->arena, r->run.child.pid, &r->request.cgroups, err);
	if (rc < 0)
		return rc;
	log_request(s);
	protect_done();
	rc = criu_go(&r->run, err);
	return rc < 0 ? rc : criu_ask(s->arena, &r->run, &r->request, err);
}

/* ---- while criu works ---- */

static int answer(struct stage *s, struct err *err)
{
	s->restoring->asked = false;
	return criu_reply(s->arena, &s->restoring->run, true, err);
}

static int take_console(struct stage *s, struct criu_event *event, struct err *err)
{
	if (event->fd < 0)
		return err_set(err, EPROTO, "criu sent no terminal");
	if (!s->plan->process->terminal || (s->prep.console_sock < 0 && s->tty_master >= 0)) {
		event->fd = fd_close(event->fd);
		return 0;
	}
	return stage_hand_console(s, &event->fd, err);
}

/* Answers notifications until the one named, which is left unanswered. */
static int wait_for(struct stage *s, const char *script, pid_t *ret_pid, struct err *err)
{
	struct restoring *r = s->restoring;

	for (;;) {
		struct criu_event event;
		int rc = criu_next(&r->run, &event, err);

		if (rc < 0)
			return rc;
		if (event.kind == CRIU_EVENT_END) {
			if (!script && event.success)
				return 0;
			return criu_fail(&r->run, &event, "restore the container", err);
		}
		r->asked = true;
		if (event.pid > 0 && ret_pid)
			*ret_pid = event.pid;
		if (str_eq(event.script, "orphan-pts-master"))
			rc = take_console(s, &event, err);
		fd_close(event.fd);
		if (rc < 0)
			return rc;
		if (script && str_eq(event.script, script))
			return 0;
		rc = answer(s, err);
		if (rc < 0)
			return rc;
	}
}

static int record(struct stage *s, pid_t pid, struct err *err)
{
	int r;

	if (pid <= 0)
		return err_set(err, EPROTO, "criu did not say the pid of init");
	s->init.pid = s->state.pid = pid;
	s->init.pidfd = proc_handle(pid);
	r = proc_start_time(pid, &s->state.start_ticks, NULL);
	if (r < 0)
		return err_sysn(err, r, "read init's start time");
	return state_write(&s->dir, &s->state, err);
}

static int row_namespaces(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	pid_t pid = 0;
	int r = wait_for(s, "setup-namespaces", &pid, err);

	if (r >= 0)
		r = record(s, pid, err);
	if (r >= 0)
		r = stage_run_hooks(s, err);
	return r < 0 ? r : answer(s, err);
}

static int row_restored(void *ctx, struct err *err)
{
	return wait_for(ctx, "post-restore", NULL, err);
}

static void readonly_main(void *arg)
{
	static const struct plan_mount ro = { .attr_set = MOUNT_ATTR_RDONLY };
	const struct stage *s = arg;
	struct err err = { 0 };
	/* The host's: what the container has there is its own affair. */
	CLEANUP_FD int proc = fd_open("/proc", O_PATH | O_DIRECTORY, 0);
	int r = proc < 0 ? proc : ns_enter_process(s->init.pidfd, s->init.pid, CLONE_NEWNS, &err);

	if (r >= 0)
		r = fd_open("/", O_PATH | O_DIRECTORY, 0);
	if (r >= 0)
		r = mount_apply_attached(r, &ro, 0, proc, &err);
	_exit(r < 0 ? -r : 0);
}

/* criu before 4.0 restores the root's mount without its flags. */
static int row_readonly(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	struct spawn_args args = { .cgroup_fd = -EBADF, .fn = readonly_main, .arg = s };
	struct spawned child = { .pidfd = -EBADF };
	int r, status;

	if (!s->plan->mounts->rootfs_readonly)
		return 0;
	r = spawn_process(&args, &child, err);
	if (r < 0)
		return r;
	status = spawn_wait(&child);
	fd_close(child.pidfd);
	if (status == 0)
		return 0;
	r = status > 0 && WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
	return err_sysn(err, r, "make the root read-only");
}

static int row_release(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	int r = interrupt_check(s->interrupt_fd, err);

	if (r >= 0 && s->request->pid_file)
		r = stage_write_pid_file(s->request->pid_file, s->init.pid, err);
	if (r >= 0)
		r = answer(s, err);
	if (r >= 0)
		r = wait_for(s, NULL, NULL, err);
	if (r < 0)
		return r;
	close_to_root(s->restoring);
	criu_finish(&s->restoring->run);
	return 0;
}

static const struct step restore_steps[] = {
	{ "state", stage_row_state, stage_undo_state, WHEN_ALWAYS },
	{ "cgroup", stage_row_cgroup, stage_undo_cgroup, WHEN_ALWAYS },
	{ "rdt", stage_row_rdt, stage_undo_rdt, WHEN_ALWAYS },
	{ "prep", row_prep, undo_prep, WHEN_ALWAYS },
	{ "spawn", row_spawn, undo_spawn, WHEN_ALWAYS },
	{ "config", stage_row_config, NULL, WHEN_ALWAYS },
	/* Before criu does anything: what it restores inherits its cgroups. */
	{ "place", row_place, NULL, WHEN_ALWAYS },
	{ "devices", stage_row_devices, NULL, WHEN_ALWAYS },
	{ "request", row_request, NULL, WHEN_ALWAYS },
	/* Init exists, and its namespaces, but nothing in them: the time for hooks that set up a
	 * network. */
	{ "namespaces", row_namespaces, NULL, WHEN_ALWAYS },
	/* All processes are there and stopped. */
	{ "restored", row_restored, NULL, WHEN_ALWAYS },
	{ "readonly", row_readonly, NULL, WHEN_ALWAYS },
	{ "complete", stage_row_complete, NULL, WHEN_ALWAYS },
	{ "release", row_release, NULL, WHEN_ALWAYS },
};

static void note(void *ctx UNUSED, const char *name, uint64_t ns)
{
	log_debug("step restore:%s took %llu us", name, (unsigned long long)(ns / 1000));
}

static struct step_run restore_run(struct stage *s)
{
	return (struct step_run){
		.role = "restore",
		.steps = restore_steps,
		.n = ARRAY_COUNT(restore_steps),
		.when = WHEN_ALWAYS,
		.ctx = s,
		.last = s->page,
		.trace_fd = s->trace_fd,
		.note = s->debug ? note : NULL,
	};
}

static void close_fds(struct restoring *r)
{
	for (size_t i = 0; i < r->run.n_keep; i++)
		fd_close(r->run.keep[i]);
	r->run.n_keep = 0;
}

int stage_restore_run(struct stage *s, struct err *err)
{
	struct restoring *r = ARENA_NEW(s->arena, struct restoring);
	struct step_run run = restore_run(s);
	int rc;

	r->run = (struct criu_run)CRIU_RUN_INIT;
	criu_plan_common(s->request->restore, s->plan->spec, CRIU_RESTORE, &r->request);
	s->restoring = r;
	rc = step_run_all(&run, err);
	close_fds(r);
	if (rc >= 0 && !s->request->foreground)
		interrupt_end(&s->interrupt_fd);
	return rc;
}

void stage_restore_undo(struct stage *s)
{
	struct step_run run = restore_run(s);

	step_undo_all(&run);
}
