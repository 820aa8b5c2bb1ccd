/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is done with a cgroup that lives: list, signal, freeze, count OOM kills, and remove it. The
 * container's processes may do anything meanwhile (fork, make sub-cgroups), so every wait has an
 * end and every loop sleeps.
 */
#include "runtime/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "common/macros.h"
#include "common/proc.h"
#include "runtime/cgroup_backend.h"
#include "runtime/cgroup_systemd.h"

#define FREEZE_TIMEOUT_MS 10000
#define SIGNAL_FREEZE_MS 500
#define KILL_PASSES_MS 2000

static const struct cgroup_path *find(const struct cgroup *cg, const char *controller)
{
	for (size_t i = 0; i < cg->n; i++) {
		const struct cgroup_path *p = &cg->v[i];

		if (*controller ? !p->v2 && plan_cgroup_has_word(p->controllers, ',', controller)
				: p->v2)
			return p;
	}
	return NULL;
}

/* The hierarchy whose list of processes is believed: v2, else the freezer, else any. */
static const struct cgroup_path *nth_choice(const struct cgroup *cg, size_t n)
{
	const struct cgroup_path *v2 = find(cg, ""), *freezer = find(cg, "freezer");

	if (n == 0)
		return v2;
	if (n == 1)
		return freezer;
	n -= 2;
	return n < cg->n && &cg->v[n] != v2 && &cg->v[n] != freezer ? &cg->v[n] : NULL;
}

/* *ret_path: the directory that was found, NULL if there is none at all. */
static int list_pids(const struct cgroup *cg, struct cgroup_pid_list *list,
		     const struct cgroup_path **ret_path)
{
	*ret_path = NULL;
	list->n = 0;
	for (size_t i = 0; i < cg->n + 2; i++) {
		const struct cgroup_path *p = nth_choice(cg, i);
		int r;

		if (!p)
			continue;
		r = cgroup_tree_pids(p->path, list);
		if (r == -ENOENT)
			continue;
		*ret_path = p;
		return r;
	}
	return 0;
}

int cgroup_pids(struct arena *arena, const struct cgroup *cg, pid_t **ret, size_t *ret_n,
		struct err *err)
{
	CLEANUP_PID_LIST struct cgroup_pid_list list = { 0 };
	const struct cgroup_path *p;
	int r = list_pids(cg, &list, &p);

	if (r < 0)
		return err_sysn(err, r, "list the processes of cgroup \"%s\"", p->path);
	*ret = ARENA_ARRAY(arena, list.n, pid_t);
	if (list.n)
		memcpy(*ret, list.v, list.n * sizeof(pid_t));
	*ret_n = list.n;
	return 0;
}

/* ---- freezing ---- */

/* On hybrid the v1 freezer is the one other tools look at. */
static const struct cgroup_path *freezer_of(const struct cgroup *cg)
{
	const struct cgroup_path *p = find(cg, "freezer");

	return p ? p : find(cg, "");
}

static int freeze_path(const struct cgroup_path *p, bool frozen, unsigned int timeout_ms,
		       struct err *err)
{
	return p->v2 ? cgroup_v2_freeze(p->path, frozen, timeout_ms, err)
		     : cgroup_v1_freeze(p->path, frozen, timeout_ms, err);
}

static int frozen_path(const struct cgroup_path *p)
{
	int r = p->v2 ? cgroup_v2_is_frozen(p->path) : cgroup_v1_is_frozen(p->path);

	return r == -ENOENT || r == -ENODEV ? 0 : r;
}

int cgroup_freeze(const struct cgroup *cg, bool frozen, struct err *err)
{
	const struct cgroup_path *p = freezer_of(cg);

	if (!p)
		return err_set(err, ENOENT, "controller \"freezer\" is not available");
	return freeze_path(p, frozen, FREEZE_TIMEOUT_MS, err);
}

int cgroup_is_frozen(const struct cgroup *cg)
{
	const struct cgroup_path *p = freezer_of(cg);

	return p ? frozen_path(p) : 0;
}

/* ---- signals ---- */

static void signal_list(const struct cgroup_pid_list *list, int sig)
{
	pid_t self = getpid();

	for (size_t i = 0; i < list->n; i++) {
		/* One that is gone, or not ours to signal, shows when the cgroup is removed. */
		if (list->v[i] != self && list->v[i] > 1)
			(void)kill(list->v[i], sig);
	}
}

/* Frozen, nobody forks and no pid can be reused between the look and the kill. Where freezing is
 * not possible, SIGKILL goes round until nobody is left. */
static int signal_by_pids(const struct cgroup *cg, const char *path, int sig, uint64_t deadline,
			  struct err *err)
{
	CLEANUP_PID_LIST struct cgroup_pid_list list = { 0 };
	const struct cgroup_path *freezer = freezer_of(cg);
	uint64_t now = cgroup_now_ms();
	unsigned int freeze_ms =
		deadline > now ? (unsigned int)MIN(deadline - now, (uint64_t)SIGNAL_FREEZE_MS) : 0;
	bool was_frozen = freezer && frozen_path(freezer) > 0, caught;
	unsigned int step = 0;
	int r;

	caught = was_frozen || (freezer && freeze_path(freezer, true, freeze_ms, NULL) >= 0);
	r = cgroup_tree_pids(path, &list);
	if (r >= 0)
		signal_list(&list, sig);
	/* A v1 freezer holds back even SIGKILL. */
	if (caught && (sig == SIGKILL || !was_frozen)) {
		int thaw = freeze_path(freezer, false, FREEZE_TIMEOUT_MS, r < 0 ? NULL : err);

		if (thaw < 0 && r >= 0 && thaw != -ENOENT)
			return thaw;
	}
	while (r >= 0 && sig == SIGKILL && !caught && list.n && cgroup_backoff(&step, deadline)) {
		r = cgroup_tree_pids(path, &list);
		if (r >= 0)
			signal_list(&list, sig);
	}
	if (r < 0 && r != -ENOENT)
		return err_sysn(err, r, "list the processes of cgroup \"%s\"", path);
	return 0;
}

static int kill_path(const struct cgroup *cg, const struct cgroup_path *p, uint64_t deadline,
		     struct err *err)
{
	int r = p->v2 ? cgroup_v2_kill(p->path) : -EOPNOTSUPP;

	if (r == -EOPNOTSUPP)
		return signal_by_pids(cg, p->path, SIGKILL, deadline, err);
	if (r == -ENOENT || r == -ENODEV)
		return 0;
	return r < 0 ? err_sysn(err, r, "write \"1\" to \"%s/cgroup.kill\"", p->path) : 0;
}

int cgroup_signal(const struct cgroup *cg, int sig, struct err *err)
{
	CLEANUP_PID_LIST struct cgroup_pid_list list = { 0 };
	const struct cgroup_path *p, *freezer = find(cg, "freezer");
	uint64_t deadline = cgroup_now_ms() + KILL_PASSES_MS;
	int r;

	r = list_pids(cg, &list, &p);
	if (!p || (r >= 0 && !list.n))
		return 0;
	if (sig != SIGKILL)
		return signal_by_pids(cg, p->path, sig, deadline, err);
	r = kill_path(cg, p, deadline, err);
	/* In a hybrid layout cgroup.kill kills, and the v1 freezer still holds the dead. */
	if (r >= 0 && p->v2 && freezer && frozen_path(freezer) > 0)
		r = freeze_path(freezer, false, FREEZE_TIMEOUT_MS, err);
	return r;
}

/* ---- removal ---- */

static int stuck_error(const struct cgroup_path *p, struct err *err)
{
	CLEANUP_PID_LIST struct cgroup_pid_list list = { 0 };
	char path[64], wchan[64] = "";
	uint64_t ticks;
	char state;

	if (cgroup_tree_pids(p->path, &list) < 0 || !list.n)
		return err_set(err, EBUSY,
			       "remove cgroup \"%s\": device or resource busy (no process seen "
			       "in it)",
			       p->path);
	for (size_t i = 0; i < list.n; i++) {
		if (proc_start_time(list.v[i], &ticks, &state) < 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/wchan", (int)list.v[i]);
		if (io_read_small(AT_FDCWD, path, wchan, sizeof(wchan)) <= 0 || str_eq(wchan, "0"))
			snprintf(wchan, sizeof(wchan), "%s", "unknown");
		return err_set(err, EBUSY,
			       "remove cgroup \"%s\": process %d does not end (state %c, wchan %s; "
			       "%zu process(es) in it)",
			       p->path, (int)list.v[i], state, wchan, list.n);
	}
	return err_set(err, EBUSY, "remove cgroup \"%s\": device or resource busy", p->path);
}

static int remove_path(const struct cgroup *cg, const struct cgroup_path *p, uint64_t deadline,
		       struct err *err)
{
	unsigned int step = 0;
	int r = cgroup_tree_remove(p->path);

	while (r == -EBUSY) {
		CLEANUP_PID_LIST struct cgroup_pid_list list = { 0 };

		r = cgroup_tree_pids(p->path, &list);
		if (r < 0 && r != -ENOENT)
			break;
		if (list.n) /* again: somebody may have been on his way in */
			r = kill_path(cg, p, deadline, err);
		if (r < 0 && r != -ENOENT)
			return r;
		if (p->v2 && list.n) {
			r = cgroup_v2_wait_empty(p->path, deadline);
			if (r == -ETIMEDOUT)
				return stuck_error(p, err);
		} else if (!cgroup_backoff(&step, deadline)) {
			return stuck_error(p, err);
		}
		r = cgroup_tree_remove(p->path);
		if (r == -EBUSY && cgroup_now_ms() >= deadline)
			return stuck_error(p, err);
	}
	return r < 0 ? err_sysn(err, r, "remove cgroup \"%s\"", p->path) : 0;
}

/* v2 first, for cgroup.kill; the freezer last, for it helps to kill in the others. All are tried;
 * the first error is told. */
int cgroup_destroy(const struct cgroup *cg, unsigned int timeout_ms, struct err *err)
{
	uint64_t deadline = cgroup_now_ms() + timeout_ms;
	const struct cgroup_path *v2 = find(cg, ""), *freezer = find(cg, "freezer");
	int first = 0, r;

	/* The frozen neither die nor leave. Asked only if the quick way is not open. */
	if (v2) {
		r = cgroup_tree_remove(v2->path);
		if (r == -EBUSY && freezer && frozen_path(freezer) > 0) {
			first = kill_path(cg, v2, deadline, err);
			if (first >= 0)
				first = freeze_path(freezer, false, FREEZE_TIMEOUT_MS, err);
		}
		if (r < 0 && first >= 0)
			first = remove_path(cg, v2, deadline, err);
	}
	for (size_t i = 0; i < cg->n; i++) {
		if (&cg->v[i] == v2 || &cg->v[i] == freezer)
			continue;
		r = remove_path(cg, &cg->v[i], deadline, first < 0 ? NULL : err);
		first = first < 0 ? first : r;
	}
	if (freezer) {
		r = remove_path(cg, freezer, deadline, first < 0 ? NULL : err);
		first = first < 0 ? first : r;
	}
	/* It is gone whether systemd hears of it or not; what is left is at worst a failed unit. */
	if (first >= 0 && cg->unit) {
		struct err told = { 0 };

		if (cgroup_systemd_stop(cg, &told) < 0)
			log_warning("systemd may still know the unit \"%s\" of a container that is "
				    "gone: %s",
				    cg->unit, told.msg);
	}
	return first < 0 ? first : 0;
}

int cgroup_oom_kills(const struct cgroup *cg, uint64_t *ret)
{
	const struct cgroup_path *p = find(cg, "memory");
	CLEANUP_FD int fd = -EBADF;

	/* v1 counts in the victim's own cgroup only, v2 in all above it. */
	if (p)
		return cgroup_tree_sum(p->path, "memory.oom_control", "oom_kill", ret);
	p = find(cg, "");
	if (!p)
		return -ENOENT;
	fd = fd_open(p->path, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	return cgroup_read_key(fd, "memory.events", "oom_kill", ret);
}
