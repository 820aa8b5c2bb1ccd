/* SPDX-License-Identifier: Apache-2.0 */
/*
 * create, run, start. See container.h.
 */
#include "runtime/container.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/str.h"
#include "runtime/annotations.h"
#include "runtime/cgroup_systemd.h"
#include "runtime/container_fds.h"
#include "runtime/foreground.h"
#include "runtime/hooks.h"
#include "runtime/stage.h"
#include "runtime/stage_restore.h"
#include "spec/spec_read.h"

/* What create and run read and decide before they do anything. */
struct making {
	struct host host;
	struct spec *spec;
	struct plan *plan;
	struct host_systemd systemd_facts;
	struct bus *systemd; /* the stage's, once there is one */
	struct stage_request request;
};

static void log_plan(const struct plan *plan)
{
	CLEANUP_STR struct str text = { 0 };
	char *line, *end;

	plan_print(plan, &text);
	for (line = text.data; line && *line; line = end + 1) {
		end = strchrnul(line, '\n');
		log_debug("%.*s", (int)(end - line), line);
		if (!*end)
			break;
	}
}

static int decide(struct arena *arena, const struct container_create *req, enum plan_kind kind,
		  struct making *m, struct err *err)
{
	struct plan_input in = { .kind = kind, .request = &req->plan };
	const char *text;
	size_t n;
	int r;

	r = spec_read_file(arena, AT_FDCWD, req->config ? req->config : "config.json", &m->spec,
			   &text, &n, err);
	if (r >= 0)
		r = annotations_apply(m->spec, true, err);
	if (r < 0)
		return r;
	r = host_probe(arena, &m->host, err);
	if (r < 0)
		return r;
	if (m->spec->linux_.intel_rdt.given)
		r = host_probe_resctrl(arena, &m->host, err);
	if (r < 0)
		return r;
	if (req->plan.cgroup_manager == CGROUP_MANAGER_SYSTEMD) {
		r = cgroup_systemd_open(arena, req->plan.rootless_cgroup, NULL, &m->systemd,
					&m->systemd_facts, err);
		if (r < 0)
			return r;
		m->host.systemd = &m->systemd_facts;
	}
	in.spec = m->spec;
	in.host = &m->host;
	r = container_fds(req->preserve_fds, true, &in, err);
	if (r >= 0)
		r = plan_build(arena, &in, &m->plan, err);
	if (r < 0)
		return r;
	if (req->debug)
		log_plan(m->plan);
	m->request = (struct stage_request){
		.pid_file = req->pid_file,
		.console_socket = req->plan.console_socket,
		.pidfd_socket = req->pidfd_socket
					? req->pidfd_socket
					: spec_annotation(m->spec, ANNOTATION_PIDFD_RECEIVER),
		.foreground = kind == PLAN_RUN && !req->plan.detach,
		.notify_socket = req->notify_socket,
		.config_text = text,
		.config_len = n,
		.restore = req->restore,
	};
	return 0;
}

static struct stage stage_for(struct arena *arena, const struct container_create *req,
			      const struct making *m)
{
	return (struct stage){
		.arena = arena,
		.plan = m->plan,
		.host = &m->host,
		.request = &m->request,
		.root = req->root,
		.systemd = m->systemd,
		.debug = req->debug,
	};
}

/* OCI 1.3: after a failure that hooks have seen, the container is stopped and its poststop hooks
 * run. */
static void run_poststop(struct stage *s)
{
	struct hooks_run run = {
		.list = &s->plan->spec->hooks[HOOK_POSTSTOP],
		.kind = HOOK_POSTSTOP,
	};

	if (!run.list->n)
		return;
	annotations_hooks(s->plan->spec, &run.stdout_file, &run.stderr_file);
	run.state = stage_state_text(s->arena, &s->state, "stopped");
	hooks_run_warn(&run);
}

static int run_poststart(struct arena *arena, const struct spec *spec, const struct state *state,
			 struct err *err)
{
	struct hooks_run run = {
		.list = &spec->hooks[HOOK_POSTSTART],
		.kind = HOOK_POSTSTART,
		.pid = state->pid,
	};

	if (!run.list->n)
		return 0;
	annotations_hooks(spec, &run.stdout_file, &run.stderr_file);
	run.state = stage_state_text(arena, state, "running");
	return hooks_run(&run, err);
}

static int make(struct stage *s, struct err *err)
{
	int r = s->request->restore ? stage_restore_run(s, err) : stage_parent_run(s, err);

	if (r < 0 && s->poststop_due)
		run_poststop(s);
	return r;
}

int container_create(struct arena *arena, const struct container_create *req, struct err *err)
{
	struct making m = { 0 };
	struct stage s;
	int r = state_check_id(req->plan.id, err);

	if (r >= 0)
		r = decide(arena, req, PLAN_CREATE, &m, err);
	if (r < 0) {
		cgroup_systemd_close(m.systemd);
		return r;
	}
	s = stage_for(arena, req, &m);
	stage_setup(&s);
	r = make(&s, err);
	stage_done(&s);
	return r;
}

/* The container has ended (or must): everything of it goes. */
static void destroy(struct stage *s)
{
	struct err err = { 0 };

	/* Somebody may have been quicker with `delete --force`. */
	if (state_dir_lock(&s->dir, true, &err) < 0)
		return;
	if (s->cgroup.n && cgroup_destroy(&s->cgroup, 10000, &err) < 0)
		log_warning("%s", err.msg);
	if (rdt_remove(&s->state.rdt, &err) < 0)
		log_warning("%s", err.msg);
	if (state_dir_remove(&s->dir, &err) < 0)
		log_warning("%s", err.msg);
	run_poststop(s);
}

static int run_foreground(struct stage *s, struct foreground *fg, bool reap_all, struct err *err)
{
	struct foreground_io io = {
		.tty_master = fd_take(&s->tty_master),
		.reap_all = reap_all,
		.notify = &s->notify,
	};

	for (int i = 0; i < 3; i++)
		io.stdio[i] = fd_take(&s->prep.stdio_parent[i]);
	/* Nothing of the preparation is needed while the container runs. */
	prep_done(&s->prep);
	netdev_moves_done(&s->netdev);
	return foreground_run(fg, &s->init, &io, err);
}

static int run_made(struct stage *s, const struct container_create *req, struct foreground *fg,
		    struct err *err)
{
	int r = req->restore ? 0 : stage_parent_started(s, err);

	if (r >= 0) {
		state_dir_unlock(&s->dir);
		r = run_poststart(s->arena, s->plan->spec, &s->state, err);
	}
	if (r < 0) {
		if (req->restore)
			stage_restore_undo(s);
		else
			stage_parent_undo(s);
		run_poststop(s);
		return r;
	}
	if (req->plan.detach) {
		notify_wait(&s->notify, s->init.pid, s->init.pidfd);
		return 0;
	}
	r = run_foreground(s, fg, !req->no_subreaper, err);
	if (!req->keep)
		destroy(s);
	return r;
}

int container_run(struct arena *arena, const struct container_create *req, struct err *err)
{
	struct foreground fg = FOREGROUND_INIT;
	struct making m = { 0 };
	struct stage s;
	int r = state_check_id(req->plan.id, err);

	if (r >= 0)
		r = decide(arena, req, PLAN_RUN, &m, err);
	if (r < 0) {
		cgroup_systemd_close(m.systemd);
		return r;
	}
	s = stage_for(arena, req, &m);
	/* First: what interrupts the making stays pending, and blocked until the error is told. */
	stage_setup(&s);
	if (!req->plan.detach)
		r = foreground_begin(&fg, !req->no_subreaper, err);
	if (r >= 0)
		r = make(&s, err);
	if (r >= 0)
		r = run_made(&s, req, &fg, err);
	stage_done(&s);
	foreground_end(&fg);
	return r;
}

static int check_start(enum state_status status, struct err *err)
{
	switch (status) {
	case STATE_CREATED:
		return 0;
	case STATE_STOPPED:
		return err_set(err, EINVAL, "cannot start a container that has stopped");
	case STATE_RUNNING:
		return err_set(err, EINVAL, "cannot start an already running container");
	default:
		return err_set(err, EINVAL, "cannot start a container in the %s state",
			       state_status_name(status));
	}
}

static int hand_over(struct state_dir *dir, struct state *state, int pidfd, struct err *err)
{
	CLEANUP_FD int report = -EBADF;
	/* As it is: where that finds no room (a full /run), its successor would find none when it is
	 * too late, and the container would run as "created". */
	int r = state_write(dir, state, err);

	if (r < 0)
		return r;
	/* Init may die between the opening of its fifo and the byte: an error, and not our end. */
	(void)signal(SIGPIPE, SIG_IGN);
	r = fifos_start(dir->fd, &report, err);
	if (r < 0 && proc_await_end(pidfd, 0) > 0)
		return check_start(STATE_STOPPED, err);
	if (r == -ENXIO || r == -ENOENT) {
		/* A start before us was killed between its byte and its record of it: told now. */
		state->started = true;
		r = state_write(dir, state, err);
		return r < 0 ? r : check_start(STATE_RUNNING, err);
	}
	if (r < 0)
		return r;
	state->started = true;
	r = state_write(dir, state, err);
	if (r < 0)
		return r;
	/* A startContainer hook may call us for this very container. */
	state_dir_unlock(dir);
	return sync_await_report(report, proc_pollable(pidfd), -EBADF, false, err);
}

int container_start(struct arena *arena, const char *root, const char *id,
		    const char *notify_socket, struct err *err)
{
	struct notify notify = NOTIFY_INIT;
	CLEANUP_STATE_DIR struct state_dir dir = STATE_DIR_INIT;
	CLEANUP_FD int pidfd = -EBADF;
	struct state state;
	struct spec *spec;
	int r = state_dir_open(arena, root, id, true, &dir, err);

	if (r >= 0)
		r = state_read(arena, &dir, &state, err);
	if (r >= 0)
		r = check_start(state_status(&state, &pidfd), err);
	if (r >= 0)
		r = state_read_spec(arena, &dir, &spec, err);
	if (r >= 0 && notify_socket)
		r = notify_listen(dir.fd, notify_socket, &notify, err);
	if (r >= 0)
		r = hand_over(&dir, &state, pidfd, err);
	if (r >= 0) {
		fifos_unlink(dir.fd);
		r = run_poststart(arena, spec, &state, err);
		/* OCI 1.3: a failing poststart hook stops the container. */
		if (r < 0 &&
		    (proc_signal(pidfd, SIGKILL) < 0 || proc_await_end(pidfd, STAGE_KILL_MS) == 0))
			log_debug("init has not ended by our hand after its poststart hook failed");
	}
	if (r >= 0)
		notify_wait(&notify, state.pid, pidfd);
	notify_close(&notify);
	return r;
}
