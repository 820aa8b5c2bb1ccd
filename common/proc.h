/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Other processes: spawning a program with file actions, pidfds, and the identity of a process
 * (pid plus start time) that survives pid reuse. Waiting is done by the program's one owner of it
 * (runtime: spawn.c and hooks.c through proc_wait; shim: reaper.c).
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

/* Child's fd `to` becomes a duplicate of `from`; from < 0 means /dev/null. */
struct proc_fd_map {
	int from, to;
};

struct proc_spawn {
	const char *path; /* absolute, or a name looked up in the caller's PATH */
	char *const *argv;
	char *const *envp;             /* NULL: the caller's environment */
	const char *cwd;               /* NULL: the caller's */
	int cwd_fd;                    /* used if >= 0 and cwd is NULL; 0 means unset */
	const struct proc_fd_map *fds; /* all other fds are closed by close-on-exec */
	size_t n_fds;
	bool new_session;          /* setsid in the child */
	bool new_group;            /* setpgid(0, 0) in the child */
	int death_signal;          /* PR_SET_PDEATHSIG, 0: none */
	const char *oom_score_adj; /* text written in the child, NULL: unchanged */
	char *pid_text; /* in envp or argv: gets the child's pid before its execve; room for 12 */
};

/* clone3/vfork + execve; a failed exec is reported here as -errno with its text. The child gets
 * default signal dispositions and an empty mask. On success *ret_pidfd (close-on-exec) may be NULL
 * if not wanted. Returns the pid. */
MUST_CHECK pid_t proc_spawn(const struct proc_spawn *spawn, int *ret_pidfd, struct err *err);

/* Field 22 of /proc/PID/stat (clock ticks since boot) and the state letter (may be NULL). 0, or
 * -ESRCH if there is no such process. */
MUST_CHECK int proc_start_time(pid_t pid, uint64_t *ret_ticks, char *ret_state);

/* Why it does not end: "state D, wchan refrigerator"; "gone" if there is no such process. */
void proc_describe(pid_t pid, char *buf, size_t size);

/* A handle of a process: a pidfd, or, where the kernel or a filter around us has none, the process's
 * directory in /proc, which never becomes another's. -ESRCH if there is no such process. */
MUST_CHECK int proc_handle(pid_t pid);

/* A handle that is proved by the start time to be the process meant. -ESRCH if it is gone, a zombie,
 * or another process has its pid. */
MUST_CHECK int proc_open(pid_t pid, uint64_t start_ticks);

/* Signals the process of a handle (0: only asks whether it is there). -ESRCH if it is gone. */
MUST_CHECK int proc_signal(int handle, int sig);

/* What can be polled for the end of the process: the handle if it is a pidfd, else -EBADF. */
int proc_pollable(int handle);

/* 1 if the process of the handle has ended, 0 if it has not after timeout_ms. */
MUST_CHECK int proc_await_end(int handle, int timeout_ms);

/* Waits for the child with waitid(P_PID), EINTR retried. Status as waitpid's through ret_status. */
MUST_CHECK int proc_wait(pid_t pid, int *ret_status);

/* Kills with SIGKILL and reaps; ignores errors. For CLEANUP_PID. */
void proc_kill_reap(pid_t pid);
static inline void cleanup_pid_p(pid_t *pid)
{
	if (*pid > 0)
		proc_kill_reap(*pid);
}
#define CLEANUP_PID CLEANUP(cleanup_pid_p)

/* A new user namespace with these lines of uid_map and gid_map: its descriptor, close-on-exec. A child
 * makes it, which is killed and reaped at once: not beside an owner of waiting that takes any child. */
MUST_CHECK int proc_user_ns(const char *uid_map, const char *gid_map, struct err *err);

/* 0..255 as a shell gives it: exit code, or 128 + signal. */
int proc_exit_code(int wait_status);
