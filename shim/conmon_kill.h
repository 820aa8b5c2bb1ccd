/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kills a process with all that came of it, whatever sessions its descendants have opened and whatever
 * they have closed: for an exec whose time is up. They are known by a tag that the kernel passes on
 * by fork and keeps over execve and setsid, that no right and no cgroup is needed for, and that every
 * runtime leaves alone: a soft RLIMIT_RTTIME that nobody else has (of tens of thousands of years, so
 * that it limits nothing). What has thrown the tag away is still known by its parents, its session and
 * the output pipes that it holds.
 */
#pragma once

#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

/* One row of the process table. */
struct conmon_kill_row {
	pid_t pid, ppid, session;
	unsigned long long start; /* ticks since boot */
	int holds_pipe;           /* has one of our pipes open */
	int tagged;
	int marked;
};

struct conmon_kill_of {
	pid_t root;
	uint64_t tag;       /* 0: none */
	const ino_t *pipes; /* inode numbers of the output pipes */
	size_t n_pipes;
};

/* Gives this process, and so what it starts, a new tag. Returns it; 0: not possible (a realtime limit
 * is in force). conmon_kill_untag takes it back from this process. */
uint64_t conmon_kill_tag(struct rlimit *old);
void conmon_kill_untag(const struct rlimit *old);

/* Marks root and all that belongs to it. Returns how many rows are marked. Pure. */
size_t conmon_kill_mark(struct conmon_kill_row *rows, size_t n, pid_t root);

/* Is this the soft limit in the text of /proc/PID/limits? Pure. */
int conmon_kill_has_tag(const char *limits, uint64_t tag);

/* Sleeps for no one: /proc only. */
void conmon_kill_tree(const struct conmon_kill_of *of);
