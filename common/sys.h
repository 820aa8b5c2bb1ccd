/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw system calls that the C library of Debian 11 lacks, and one hook for the tests: with
 * THOLE_TEST_ENOSYS / THOLE_TEST_EPERM (comma lists of names, builds with -DTHOLE_TEST only) a call
 * fails as an old kernel or an old seccomp profile makes it fail. All return >= 0 or -errno.
 */
#pragma once

#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/macros.h"

struct sys_clone_args { /* struct clone_args of the kernel, v2 (5.7) */
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	uint64_t set_tid, set_tid_size, cgroup;
};
struct sys_mount_attr {
	uint64_t attr_set, attr_clr, propagation, userns_fd;
};

#define SYS_CLONE_INTO_CGROUP 0x200000000ULL
#define SYS_CLONE_CLEAR_SIGHAND 0x100000000ULL

/* fork-like clone3 (no new stack): 0 in the child, pid in the parent. */
MUST_CHECK pid_t sys_clone3(struct sys_clone_args *args, size_t size);
MUST_CHECK int sys_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode,
			   uint64_t resolve);
MUST_CHECK int sys_open_tree(int dirfd, const char *path, unsigned int flags);
MUST_CHECK int sys_move_mount(int from_fd, const char *from, int to_fd, const char *to,
			      unsigned int flags);
MUST_CHECK int sys_mount_setattr(int dirfd, const char *path, unsigned int flags,
				 struct sys_mount_attr *attr);
MUST_CHECK int sys_fsopen(const char *fsname, unsigned int flags);
MUST_CHECK int sys_fsconfig(int fd, unsigned int cmd, const char *key, const void *value, int aux);
MUST_CHECK int sys_fsmount(int fd, unsigned int flags, unsigned int attrs);
MUST_CHECK int sys_pidfd_open(pid_t pid, unsigned int flags);
MUST_CHECK int sys_pidfd_send_signal(int pidfd, int sig);
MUST_CHECK int sys_pidfd_getfd(int pidfd, int fd);
struct epoll_event;
struct timespec;
MUST_CHECK int sys_epoll_pwait2(int fd, struct epoll_event *events, int n,
				const struct timespec *timeout);
MUST_CHECK int sys_close_range(unsigned int first, unsigned int last, unsigned int flags);
MUST_CHECK int sys_pivot_root(const char *new_root, const char *put_old);
MUST_CHECK int sys_execveat(int dirfd, const char *path, char *const argv[], char *const envp[],
			    int flags);
/* renameat2 with RENAME_NOREPLACE (3.15); -EINVAL: the file system does not know the flag. */
MUST_CHECK int sys_rename_noreplace(const char *from, const char *to);
/* The id of the mount that the descriptor is on (statx, 5.8); -ENODATA before. */
MUST_CHECK int sys_mount_id(int fd, uint64_t *id);
/* prctl(PR_SET_MM_MAP) with the kernel's struct prctl_mm_map (3.18). */
MUST_CHECK int sys_set_mm_map(const void *map, size_t size);

/* The hook itself: 0, -ENOSYS or -EPERM for the call (or for the other thing) of that name. */
#ifdef THOLE_TEST
MUST_CHECK int sys_test_failure(const char *name);
#else
#define sys_test_failure(name) 0
#endif

/* Default disposition for every signal, also for the two that the C library keeps for itself and does
 * not let sigaction touch: posix_spawn in GNU make, say, leaves them ignored for its children. */
void sys_signals_default(void);
