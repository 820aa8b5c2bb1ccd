/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notifications of a container's cgroup: out of memory, and its end. On v1 an eventfd registered in
 * memory.oom_control, which the kernel also signals when the cgroup is removed; on v2 the events
 * files, which wake poll with POLLPRI. Nothing here waits.
 */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/fd.h"
#include "runtime/cgroup.h"

struct cgroup_watch {
	int oom_fd;    /* v1: the eventfd; v2: memory.events */
	int events_fd; /* v2: cgroup.events */
	bool v2;
	const char *path; /* of the hierarchy watched; the cgroup's */
	uint64_t kills;   /* v2: what memory.events said last */
};
#define CGROUP_WATCH_INIT                                                                          \
	{                                                                                          \
		.oom_fd = -EBADF, .events_fd = -EBADF                                              \
	}
void cgroup_watch_close(struct cgroup_watch *w);
#define CLEANUP_CGROUP_WATCH CLEANUP(cgroup_watch_close)

/* Watches from now on. Without any controller that tells of memory, only the end is watched, and on
 * v1 not even that: -ENODATA, without an error text. */
MUST_CHECK int cgroup_watch_open(const struct cgroup *cg, struct cgroup_watch *ret,
				 struct err *err);

#define CGROUP_WATCH_FDS 2
/* What to give to poll; -1 where there is nothing. */
void cgroup_watch_fds(const struct cgroup_watch *w, struct pollfd fds[CGROUP_WATCH_FDS]);

/* After poll returned: *ret_ooms is how many there were since the last call. 1 if the cgroup is gone
 * or (v2) has no process any more, 0, -errno. */
MUST_CHECK int cgroup_watch_read(struct cgroup_watch *w, const struct pollfd fds[CGROUP_WATCH_FDS],
				 uint64_t *ret_ooms);
