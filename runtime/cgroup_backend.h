/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What cgroup.c and cgroup_end.c ask of the two kinds of hierarchy, of the tree walker and of the
 * device programs. Nobody else includes this but their tests. `path` is an absolute directory of
 * one hierarchy.
 */
#pragma once

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/arena.h"
#include "common/err.h"
#include "runtime/plan_cgroup.h"

/* CLOCK_MONOTONIC in milliseconds. */
uint64_t cgroup_now_ms(void);

/* Waiting where the kernel gives no notification: sleeps, longer each time, never past the
 * deadline. False: the deadline has passed. Start with *step_us = 0. */
bool cgroup_backoff(unsigned int *step_us, uint64_t deadline_ms);

/* Does the plan's writes, no more; cgroup.c. */
MUST_CHECK int cgroup_write_limits(const struct plan_cgroup *plan, struct err *err);

/* ---- cgroup_tree.c: a directory and all below it, by descriptor, never through a symlink ---- */

struct cgroup_pid_list { /* heap; cgroup_pid_list_done frees */
	pid_t *v;
	size_t n, cap;
};
void cgroup_pid_list_done(struct cgroup_pid_list *list);
#define CLEANUP_PID_LIST CLEANUP(cgroup_pid_list_done)

/* All pids of the tree, sorted, each once, none invisible (0). -ENOENT: no such cgroup. */
MUST_CHECK int cgroup_tree_pids(const char *path, struct cgroup_pid_list *ret);

/* Adds up `key` of `file` over the whole tree (v1 counters are not hierarchical). */
MUST_CHECK int cgroup_tree_sum(const char *path, const char *file, const char *key, uint64_t *ret);

/* Removes the tree, deepest first. 0 (also if it is not there), -EBUSY: processes are left. */
MUST_CHECK int cgroup_tree_remove(const char *path);

/* The number after `key` in a flat keyed file. -ENOENT, -ENODATA if the key is not in it. */
MUST_CHECK int cgroup_read_key(int dirfd, const char *file, const char *key, uint64_t *ret);

/* ---- cgroup_v1.c ---- */

/* A cpuset can hold processes only once it has cpus and mems; gives them to `path`, and to those
 * parents that lack them, from the nearest ancestor that has some. `fresh`: we have just made it,
 * so it is known to be empty. */
MUST_CHECK int cgroup_v1_cpuset_init(const char *mount_point, const char *path, bool fresh,
				     struct err *err);

MUST_CHECK int cgroup_v1_freeze(const char *path, bool frozen, unsigned int timeout_ms,
				struct err *err);
MUST_CHECK int cgroup_v1_is_frozen(const char *path); /* 1, 0, -errno */

/* ---- cgroup_v2.c ---- */

/* Enables controllers in every parent of dir->path, top down. A required one that cannot be had is
 * an error that says why; so is a place that cannot hold processes (threaded). */
MUST_CHECK int cgroup_v2_enable(const struct plan_cgroup *plan, const struct plan_cgroup_dir *dir,
				struct err *err);

MUST_CHECK int cgroup_v2_freeze(const char *path, bool frozen, unsigned int timeout_ms,
				struct err *err);
/* cgroup.events: 1, 0, -errno. */
MUST_CHECK int cgroup_v2_is_frozen(const char *path);
MUST_CHECK int cgroup_v2_is_populated(const char *path);

/* Does a process that the caller clones into it get the cpuset's processors and memory nodes? */
bool cgroup_v2_clone_is_whole(const char *path);

/* cgroup.kill (5.14). -EOPNOTSUPP: the kernel has none. */
MUST_CHECK int cgroup_v2_kill(const char *path);

/* Sleeps until no process is in the tree. 0, -ETIMEDOUT, -errno. */
MUST_CHECK int cgroup_v2_wait_empty(const char *path, uint64_t deadline_ms);

/* ---- cgroup_bpf.c ---- */

/* Number of instructions that cgroup_bpf_build may write for n rules. */
size_t cgroup_bpf_size(size_t n_rules);

/* The program for the ordered rules: for each access bit the last matching rule decides. Returns
 * the number of instructions, 0 if everything is allowed and no program is needed. */
size_t cgroup_bpf_build(const struct spec_device_rule *rules, size_t n, struct bpf_insn *out);

/* Loads and attaches it to the v2 directory, in place of what is attached there already if
 * `replace`. */
MUST_CHECK int cgroup_bpf_attach(const char *path, const struct spec_device_rule *rules, size_t n,
				 bool replace, struct err *err);
