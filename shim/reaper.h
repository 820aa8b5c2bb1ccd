/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only owner of waiting in the shim. Known processes are reaped by pidfd. Zombies that nobody
 * knows (orphans of the container, the shim being their subreaper) are reaped too, but not while
 * a hold is taken: a create or exec is in flight then, one of them may be the process whose pid
 * file has not been read, and as long as it is not reaped its pid cannot be used again.
 */
#pragma once

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "common/err.h"
#include "common/ev.h"

struct reaper;
struct reaper_child;

struct reaper_exit {
	pid_t pid;
	int code;   /* si_code: CLD_EXITED, CLD_KILLED, CLD_DUMPED; 0: the status is unknown */
	int status; /* exit code or signal */
	struct rusage usage; /* zero if unknown */
};

/* The child is forgotten before fn is called. fn may watch, forget, hold and release. */
typedef void reaper_fn(void *user, const struct reaper_exit *exit);

/* Makes this process a child subreaper. */
MUST_CHECK int reaper_new(struct ev *ev, struct reaper **ret, struct err *err);
void reaper_free(struct reaper *reaper);

/* pidfd < 0: it is opened here. On failure too the pidfd is closed. Never calls fn itself. -ESRCH:
 * no such process, not even as a zombie. */
MUST_CHECK int reaper_watch_consume(struct reaper *reaper, pid_t pid, int pidfd, reaper_fn *fn,
				    void *user, struct reaper_child **ret);
void reaper_forget(struct reaper_child *child); /* NULL is fine */

/* -errno of pidfd_send_signal. */
MUST_CHECK int reaper_signal(const struct reaper_child *child, int sig);

void reaper_hold(struct reaper *reaper);
void reaper_release(struct reaper *reaper); /* the caller sweeps when it has claimed */

/* Reaps what can be reaped now. Called on SIGCHLD and after a claim. */
void reaper_sweep(struct reaper *reaper);

/* SIGKILL for every child that is not watched: roll-back of a create that left processes. */
void reaper_kill_unknown(struct reaper *reaper);
