/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is set on a process from outside or by itself before exec, besides credentials: rlimits,
 * oom_score_adj, scheduler and I/O priority (by the parent, which has the rights), LSM exec labels
 * (by init, through its own verified procfs).
 */
#pragma once

#include "common/err.h"
#include "runtime/plan_process.h"

/* Called by both: by the parent with init's pid, and by init (pid 0) before creds_apply; the plan
 * says which of them does it, the other call does nothing.
 * "error setting rlimit type 7: operation not permitted" as runc. */
MUST_CHECK int rlimits_apply(const struct plan_process *plan, pid_t pid, struct err *err);
/* Parent. pid 0 is the caller. */
MUST_CHECK int oom_score_adj_apply(const struct plan_process *plan, pid_t pid, struct err *err);
MUST_CHECK int sched_apply(const struct plan_process *plan, pid_t pid, struct err *err);
/* Init. proc_fd: its verified procfs. */
MUST_CHECK int lsm_set_exec(const struct plan_lsm *plan, int proc_fd, struct err *err);
