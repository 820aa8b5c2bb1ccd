/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kills a process with all that came of it, whatever sessions its descendants have opened: for an
 * exec whose time is up. Descendants whose parents have ended meanwhile are found by the session of
 * the process, and by the output pipes that they still hold.
 */
#pragma once

#include <sys/types.h>

/* One row of the process table. */
struct conmon_kill_row {
	pid_t pid, ppid, session;
	unsigned long long start; /* ticks since boot */
	int holds_pipe;           /* has one of our pipes open */
	int marked;
};

/* Marks root and all that belongs to it. Returns how many rows are marked. Pure. */
size_t conmon_kill_mark(struct conmon_kill_row *rows, size_t n, pid_t root);

/* pipes: inode numbers of the exec's output pipes. Sleeps for no one: /proc only. */
void conmon_kill_tree(pid_t root, const ino_t *pipes, size_t n_pipes);
