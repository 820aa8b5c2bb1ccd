/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel's log says of OOM kills: for a cgroup that is gone before its counter could be
 * read, as systemd takes away a scope with its last process.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* Is this record of /dev/kmsg the kernel's word that the process, in the cgroup `path` (as in
 * /proc/PID/cgroup) or below it, was the victim of an OOM kill? */
bool oom_log_is_kill(const char *record, pid_t pid, const char *path);

/* Is there such a record? False also where the log cannot be read: then nobody knows. */
bool oom_log_has_kill(pid_t pid, const char *path);
