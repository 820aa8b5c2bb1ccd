/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The join helper: clones init from inside an existing user namespace that must own init's new
 * namespaces, or that gives the only right to enter the others; and it clones the process of an exec
 * after it has left everything of the host behind.
 *
 * At this point we are: a child of the runtime with its uid, its namespaces and its capabilities,
 * not dumpable once we enter anything; what runs in the joined namespaces sees us from then on, but
 * gets nothing from us: we hold the runtime's descriptors only until the clone and exit at once.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>

#include "common/fd.h"
#include "runtime/protect.h"
#include "runtime/stage.h"

static int step_placed(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	int r;

	s->sync_parent = fd_close(s->sync_parent);
	s->dir.lock_fd = fd_close(s->dir.lock_fd);
	protect_done(); /* ours must not be the last close */
	/* Init inherits our cgroup, so we must be in the container's before it exists; and once in
	 * the user namespace we could not enter it any more. */
	r = stage_place_self(s, err);
	if (r < 0)
		return r;
	r = sync_wait(s->sync_child, SYNC_MAP_OK);
	return r < 0 ? err_sysn(err, r, "wait for the cgroup") : 0;
}

static int step_join(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	int r;

	if (s->plan->kind != PLAN_EXEC)
		return ns_enter_rest(&s->prep.ns, err);
	/* What we clone is seen in the container's /proc from its first moment, and a container with
	 * CAP_SYS_PTRACE may look into it, dumpable or not: by then neither its descriptors, nor its
	 * root, nor its current directory may be the host's. */
	r = stage_close_fds(s, err);
	if (r >= 0)
		r = ns_enter_process(s->join_pidfd, s->state.pid, s->plan->ns.enter, err);
	s->join_pidfd = fd_close(s->join_pidfd);
	return r;
}

static int step_clone(void *ctx, struct err *err)
{
	struct stage *s = ctx;
	struct spawn_args args = {
		.flags = s->plan->ns.make & ~(uint64_t)(CLONE_NEWCGROUP | CLONE_NEWTIME),
		.cgroup_fd = -EBADF,
		.sibling = true, /* the runtime waits for init, and is its parent */
		.fn = stage_init_main,
		.arg = s,
	};
	int r = spawn_process(&args, &s->init, err);

	if (r < 0)
		return r;
	/* Our pid namespace is still the runtime's: the number is valid there. */
	r = sync_send(s->sync_child, SYNC_CHILD_PID, s->init.pid, NULL);
	return r < 0 ? err_sysn(err, r, "tell init's pid") : 0;
}

static const struct step join_steps[] = {
	{ "placed", step_placed, NULL, WHEN_ALWAYS },
	{ "join", step_join, NULL, WHEN_ALWAYS },
	{ "clone", step_clone, NULL, WHEN_ALWAYS },
};

void stage_join_main(void *arg)
{
	struct stage *s = arg;
	struct err err = { 0 };
	struct step_run run = {
		.role = "join",
		.steps = join_steps,
		.n = ARRAY_COUNT(join_steps),
		.when = WHEN_ALWAYS,
		.ctx = s,
		.last = s->page ? s->page + STAGE_PAGE_HELPER : NULL,
		.trace_fd = s->trace_fd,
	};

	if (step_run_all(&run, &err) < 0) {
		if (sync_send_err(s->sync_child, SYNC_FAIL, 0, &err) < 0)
			_exit(2);
		_exit(1);
	}
	_exit(0);
}
