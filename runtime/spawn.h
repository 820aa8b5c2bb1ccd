/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only clone of container processes: one clone3 with every namespace flag, a pidfd and the
 * cgroup, and what older kernels need instead. Never decides what the child does.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

struct spawn_args {
	uint64_t flags;        /* CLONE_NEW*, without NEWCGROUP and NEWTIME */
	int cgroup_fd;         /* directory for CLONE_INTO_CGROUP, < 0: none */
	bool sibling;          /* CLONE_PARENT: the child becomes the caller's parent's child */
	void (*fn)(void *arg); /* the child's life; does not return */
	void *arg;
};

struct spawned {
	pid_t pid;
	int pidfd;   /* close-on-exec; -EBADF without pidfd support */
	bool placed; /* the kernel put it into cgroup_fd's cgroup; the child knows it too */
};

/* Parent, or the join helper (sibling). The child never returns from fn. */
MUST_CHECK int spawn_process(const struct spawn_args *args, struct spawned *ret, struct err *err);

/* Kills (SIGKILL) and reaps; the only waiting for container processes in set-up. Returns the wait
 * status, -1 if it is not ours to reap or does not end in timeout_ms: a frozen v1 cgroup holds even
 * SIGKILL back, and a process may hang in the kernel. It then dies when it can, without us. */
int spawn_kill_reap(struct spawned *child, int timeout_ms);
/* Without blocking: 1 and *ret_status if the child has ended, else 0. `all` also reaps every other
 * child (the orphans of a subreaper). */
int spawn_reap(struct spawned *child, bool all, int *ret_status);
/* Waits for the end without killing. Wait status or -errno. */
MUST_CHECK int spawn_wait(struct spawned *child);
