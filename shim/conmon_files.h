/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files by which conmon tells its clients: its pid, the exit status, an OOM kill; and the exit
 * command. All written by rename, so that nobody reads half of one.
 */
#pragma once

#include "common/err.h"
#include "shim/conmon_options.h"

MUST_CHECK int conmon_files_pid(const char *path, pid_t pid);

/* Files without a name in PERSIST and EXITDIR, whose space is taken when the disk is full later:
 * descriptors, -EBADF where there is none to be had. */
struct conmon_files_spare {
	int persist, exit;
};
void conmon_files_reserve(const struct conmon_options *o, struct conmon_files_spare *ret);

/* PERSIST/exit, then EXITDIR/CID: the status, no newline. A failure is logged; the other one is
 * written all the same. The spare files are closed. */
void conmon_files_exit(const struct conmon_options *o, int status,
		       struct conmon_files_spare *spare);

/* Empty `oom` in the bundle and in the persist directory, where podman and CRI-O look. */
void conmon_files_oom(const char *bundle, const struct conmon_options *o);

/* Runs the exit command, if there is one, after its delay, and waits for it. The process is no
 * subreaper any more afterwards. oom_score_adj: what it gets, NULL: as it is. */
void conmon_files_exit_command(const struct conmon_options *o, const char *oom_score_adj);
