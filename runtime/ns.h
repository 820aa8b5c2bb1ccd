/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Namespaces: opening and proving them, entering existing ones, making the ones that cannot be made
 * by clone (cgroup, time), names. Nothing here allocates.
 */
#pragma once

#include "common/err.h"
#include "runtime/plan.h"

/* Opened by the parent, in the order in which they must be entered. */
struct ns_fds {
	struct {
		uint64_t flag;
		const char *type, *path;
		int fd;
		bool early; /* entered by the parent before the clone (and left after it) */
	} v[PLAN_JOINS_MAX];
	size_t n;
	bool has_user;
	bool helper; /* only the join helper can clone init; then nothing is early */
};
#define NS_FDS_INIT                                                                                \
	{                                                                                          \
		.n = 0                                                                             \
	}

/* Parent: opens every join of the plan, proves its type, drops a user namespace that is the
 * caller's own, and sorts: what is owned outside the joined user namespace first, then it, then
 * the rest. */
MUST_CHECK int ns_open_all(const struct plan_ns *plan, const struct host *host, struct ns_fds *ret,
			   struct err *err);
void ns_close_all(struct ns_fds *fds);

/* Parent: namespaces of the calling process to come back to. */
struct ns_saved {
	uint64_t flags;
	int fds[PLAN_JOINS_MAX];
	uint64_t flag[PLAN_JOINS_MAX];
	size_t n;
};
/* Enters the early ones, remembering the own; ns_leave goes back (an error there is fatal: the
 * caller must not go on in foreign namespaces). */
MUST_CHECK int ns_enter_early(const struct ns_fds *fds, struct ns_saved *ret, struct err *err);
MUST_CHECK int ns_enter_pid_of(int pidfd, pid_t pid, struct ns_saved *ret, struct err *err);
MUST_CHECK int ns_leave(struct ns_saved *saved, struct err *err);

/* Parent: the network namespace that init has or will enter; opened anew. */
MUST_CHECK int ns_open_net(const struct ns_fds *fds, pid_t init, struct err *err);
/* Parent: a rtnetlink socket of that network namespace. Nothing may be done from there: if the own
 * one cannot be entered again the program ends. */
MUST_CHECK int ns_rtnetlink(int net_fd, struct err *err);

/* Child or helper: enters what is not early. Dumpable is switched off first (CVE-2016-9962). */
MUST_CHECK int ns_enter_rest(const struct ns_fds *fds, struct err *err);
/* Child or helper of exec: one setns(pidfd, flags); kernels before 5.8: one by one. Without a mount
 * namespace in flags it enters the root of that process instead. */
MUST_CHECK int ns_enter_process(int pidfd, pid_t pid, uint64_t flags, struct err *err);

/* Init. */
MUST_CHECK int ns_unshare_cgroup(struct err *err);
MUST_CHECK int ns_unshare_time(const struct plan_ns *plan, struct err *err);
MUST_CHECK int ns_set_names(const struct plan_ns *plan, struct err *err);
