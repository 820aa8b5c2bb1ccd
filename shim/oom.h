/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's counters of the container's own cgroup: OOM kills, cpu time, peak memory. The files
 * are opened before the container is started and read through their descriptors, so that nobody's
 * parent or sibling is ever read; a counter that cannot be read is unknown. Also the one place that
 * knows where cgroup hierarchies are mounted.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"
#include "common/ev.h"

struct oom_watch;

struct oom_usage {
	int oom_killed; /* 1, 0, -1: unknown */
	bool has_cpu, has_peak;
	uint64_t cpu_ns, peak_bytes;
};

/* Opens the counters of the process's cgroups and takes down where they stand. on_oom(user) is
 * called when the OOM kill counter has grown (cgroup v2 tells at once; v1 is read at the end). */
MUST_CHECK int oom_watch_new(struct ev *ev, pid_t pid, void (*on_oom)(void *user), void *user,
			     struct oom_watch **ret);
/* After the process's end; by_kill: it died of SIGKILL. NULL: all unknown. If the cgroup is gone already
 * its OOM kills are those that were told, or logged by the kernel (of the process itself only). */
struct oom_usage oom_watch_read(const struct oom_watch *watch, bool by_kill);
void oom_watch_free(struct oom_watch *watch);

/* Path of `file` in the process's cgroup of a v1 controller, or of the v2 hierarchy (controller
 * NULL). 0, -ENOENT (no such hierarchy), -ENAMETOOLONG. */
MUST_CHECK int oom_cgroup_path(pid_t pid, const char *controller, const char *file, char *buf,
			       size_t size);

/* Moves this process into the cgroup `path` of every hierarchy, making it where it is missing. */
MUST_CHECK int oom_enter_cgroup(const char *path, struct err *err);
