/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill and delete: the end of a container. See container.h.
 */
#include <errno.h>
#include <signal.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/proc.h"
#include "runtime/annotations.h"
#include "runtime/container.h"
#include "runtime/hooks.h"
#include "runtime/stage.h"

/* How long SIGKILL may take to show. */
#define KILL_TIMEOUT_MS 10000
#define CGROUP_TIMEOUT_MS 10000

/* ---- kill ---- */

static int signal_init(const struct state *state, int pidfd, int sig, struct err *err)
{
	int r;

	/* Without a pid namespace of its own the death of init takes nobody along. */
	if (sig == SIGKILL && !state->private_pid_ns && state->cgroup.n) {
		r = cgroup_signal(&state->cgroup, SIGKILL, err);
		return r < 0 ? err_wrap(err, "unable to kill all processes") : 0;
	}
	r = proc_signal(pidfd, sig);
	if (r == -ESRCH)
		return err_set(err, ESRCH, "unable to signal init: os: process already finished");
	return r < 0 ? err_sysn(err, r, "unable to signal init") : 0;
}

static void thaw_if_killed(const struct state *state, enum state_status status, int sig)
{
	struct err err = { 0 };

	/* A frozen v1 cgroup holds even SIGKILL back; on v2 a killed process leaves by itself. */
	if (sig == SIGKILL && status == STATE_PAUSED &&
	    cgroup_freeze(&state->cgroup, false, &err) < 0)
		log_debug("%s", err.msg);
}

/* Callers kill the left-overs of a dead init by `--all`, or as in runc by SIGKILL where init had no
 * pid namespace that ended them with it. */
static int signal_left_overs(struct arena *arena, const struct state *state, int sig, bool all,
			     struct err *err)
{
	pid_t *pids;
	size_t n = 0;
	int r = 0;

	if (!all && (sig != SIGKILL || state->private_pid_ns))
		return err_set(err, ESRCH, "container not running");
	if (state->cgroup.n)
		r = cgroup_pids(arena, &state->cgroup, &pids, &n, err);
	if (r >= 0 && n)
		return cgroup_signal(&state->cgroup, sig, err);
	return r < 0 || all ? r : err_set(err, ESRCH, "container not running");
}

int container_kill(struct arena *arena, const char *root, const char *id, int sig, bool all,
		   struct err *err)
{
	CLEANUP_STATE_DIR struct state_dir dir = STATE_DIR_INIT;
	CLEANUP_FD int pidfd = -EBADF;
	struct state state;
	enum state_status status;
	/* No lock: a signal must reach a container whose creator hangs. */
	int r = state_dir_peek(arena, root, id, &dir, err);

	if (r >= 0)
		r = state_read(arena, &dir, &state, err);
	if (r == -ENODATA)
		return err_set(err, ENOENT, "container does not exist");
	if (r < 0)
		return r;
	status = state_status(&state, &pidfd);
	if (pidfd < 0)
		return signal_left_overs(arena, &state, sig, all, err);
	if (all && !state.private_pid_ns && state.cgroup.n)
		r = cgroup_signal(&state.cgroup, sig, err);
	else
		r = signal_init(&state, pidfd, sig, err);
	if (r >= 0)
		thaw_if_killed(&state, status, sig);
	return r;
}

/* ---- delete ---- */

static int await_end(pid_t pid, int pidfd, struct err *err)
{
	char why[128];
	int r = proc_await_end(pidfd, KILL_TIMEOUT_MS);

	if (r < 0)
		return err_sysn(err, r, "wait for init's end");
	if (r > 0)
		return 0;
	proc_describe(pid, why, sizeof(why));
	return err_set(err, EBUSY, "container init still running (pid %d: %s)", (int)pid, why);
}

static int kill_init(const struct state *state, enum state_status status, int pidfd,
		     struct err *err)
{
	int r;

	if (pidfd < 0)
		return 0;
	r = proc_signal(pidfd, SIGKILL);
	if (r < 0 && r != -ESRCH)
		return err_sysn(err, r, "kill init");
	thaw_if_killed(state, status, SIGKILL);
	return await_end(state->pid, pidfd, err);
}

static bool is_creator_alive(const struct state *state)
{
	int fd = proc_open(state->creator_pid, state->creator_ticks);

	fd_close(fd);
	return fd >= 0;
}

static int may_delete(const struct state *state, enum state_status status, bool force,
		      struct err *err)
{
	if (force || status == STATE_STOPPED || status == STATE_CREATED)
		return 0;
	/* What a killed runtime left behind is nobody's container any more. */
	if (status == STATE_CREATING && !is_creator_alive(state))
		return 0;
	return err_set(err, EBUSY, "cannot delete container %s that is not stopped: %s", state->id,
		       state_status_name(status));
}

int container_destroy(struct arena *arena, struct state_dir *dir, const struct state *state,
		      struct err *err)
{
	struct err spec_err = { 0 };
	struct hooks_run run = { .kind = HOOK_POSTSTOP };
	struct spec *spec = NULL;
	int r;

	/* Before the directory goes; a copy that cannot be read must not keep the container. */
	if (state->pid > 0 && state_read_spec(arena, dir, &spec, &spec_err) < 0) {
		log_debug("poststop hooks are not known: %s", spec_err.msg);
		spec = NULL;
	}
	if (state->cgroup.n) {
		r = cgroup_destroy(&state->cgroup, CGROUP_TIMEOUT_MS, err);
		if (r < 0)
			return r;
	}
	r = rdt_remove(&state->rdt, err);
	if (r >= 0)
		r = state_dir_remove(dir, err);
	if (r < 0 || !spec || spec->hooks[HOOK_POSTSTOP].n == 0)
		return r;
	run.list = &spec->hooks[HOOK_POSTSTOP];
	annotations_hooks(spec, &run.stdout_file, &run.stderr_file);
	run.state = stage_state_text(arena, state, "stopped");
	hooks_run_warn(&run);
	return 0;
}

int container_delete(struct arena *arena, const char *root, const char *id, bool force,
		     struct err *err)
{
	CLEANUP_STATE_DIR struct state_dir dir = STATE_DIR_INIT;
	CLEANUP_FD int pidfd = -EBADF;
	enum state_status status;
	struct state state;
	int r = state_dir_open(arena, root, id, true, &dir, err);

	if (r == -ENOENT && force)
		return 0;
	if (r < 0)
		return r;
	r = state_read(arena, &dir, &state, err);
	if (r == -ENODATA) {
		/* Killed between mkdir and the first state: nothing else exists. */
		r = state_dir_remove(&dir, err);
		if (r < 0 || force)
			return r;
		return err_set(err, ENOENT, "container does not exist");
	}
	if (r < 0 && force) { /* written atomically, so somebody else's doing */
		log_warning(
			"the state of container \"%s\" is damaged (%s): its directory is removed, "
			"its processes and cgroup, if any, are not known",
			id, err->msg);
		return state_dir_remove(&dir, err);
	}
	if (r < 0)
		return r;
	status = state_status(&state, &pidfd);
	r = may_delete(&state, status, force, err);
	if (r >= 0)
		r = kill_init(&state, status, pidfd, err);
	return r < 0 ? r : container_destroy(arena, &dir, &state, err);
}
