/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clone of container processes, and waiting for them. See spawn.h.
 */
#include "runtime/spawn.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common/fd.h"
#include "common/proc.h"
#include "common/sys.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif

/* Kernels before 5.3, and seccomp profiles of an outer container that answer clone3 with ENOSYS so
 * that everybody falls back. clone(2) knows the same namespaces, but neither the cgroup nor
 * CLONE_CLEAR_SIGHAND (init resets its handlers by itself then, see its first step). */
static pid_t clone_old(uint64_t flags, bool sibling, int *ret_pidfd)
{
	unsigned long f = (unsigned long)flags | CLONE_PIDFD | (sibling ? CLONE_PARENT : SIGCHLD);
	long pid;

	*ret_pidfd = -EBADF;
#if defined(__s390__) || defined(__cris__)
	pid = syscall(SYS_clone, 0UL, f, ret_pidfd, NULL, 0UL);
#else
	pid = syscall(SYS_clone, f, 0UL, ret_pidfd, NULL, 0UL);
#endif
	return pid < 0 ? (pid_t)-errno : (pid_t)pid;
}

/* Why the kernel may refuse CLONE_INTO_CGROUP though the clone itself is possible: before 5.7
 * (EINVAL, E2BIG), a threaded or domain-invalid cgroup (EOPNOTSUPP, EBUSY), a delegated one whose
 * common ancestor is not ours (EACCES), a leaf that just went (ENODEV). */
static bool cgroup_refused(pid_t r)
{
	return r == -EINVAL || r == -E2BIG || r == -EOPNOTSUPP || r == -EBUSY || r == -EACCES ||
	       r == -ENODEV || r == -EPERM;
}

static pid_t clone_new(const struct spawn_args *args, bool into_cgroup, int *ret_pidfd)
{
	struct sys_clone_args ca = {
		/* Handlers of the runtime must not run in the child; ignored ones stay ignored. */
		.flags = args->flags | CLONE_PIDFD | SYS_CLONE_CLEAR_SIGHAND |
			 (args->sibling ? CLONE_PARENT : 0),
		.pidfd = (uint64_t)(uintptr_t)ret_pidfd,
		.exit_signal = args->sibling ? 0 : SIGCHLD,
	};
	/* The kernel of 5.3 takes the first 64 bytes; longer is fine while the rest is zero. */
	size_t size = sizeof(ca);

	if (into_cgroup) {
		ca.flags |= SYS_CLONE_INTO_CGROUP;
		ca.cgroup = (uint64_t)args->cgroup_fd;
	}
	*ret_pidfd = -EBADF;
	return sys_clone3(&ca, size);
}

int spawn_process(const struct spawn_args *args, struct spawned *ret, struct err *err)
{
	bool into = args->cgroup_fd >= 0;
	int pidfd = -EBADF;
	pid_t pid;

	/* Before the clone: the child reads it in its copy of *ret. */
	ret->placed = into;
	pid = clone_new(args, into, &pidfd);
	if (into && cgroup_refused(pid)) {
		ret->placed = false;
		pid = clone_new(args, false, &pidfd);
	}
	/* EPERM: how older outer profiles refuse a call they do not know. */
	if (pid == -ENOSYS || pid == -EINVAL || pid == -EPERM) {
		ret->placed = false;
		pid = clone_old(args->flags, args->sibling, &pidfd);
	}
	if (pid == 0) {
		args->fn(args->arg);
		_exit(255); /* not reached */
	}
	if (pid < 0)
		return err_sysn(err, pid, "clone the container's process");
	ret->pid = pid;
	ret->pidfd = pidfd;
	return 0;
}

int spawn_wait(struct spawned *child)
{
	int status;
	pid_t r;

	do {
		/* __WALL: whatever exit signal a child made with CLONE_PARENT was given. */
		r = waitpid(child->pid, &status, __WALL);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	child->pid = 0;
	return status;
}

int spawn_reap(struct spawned *child, bool all, int *ret_status)
{
	int status, ended = 0;
	pid_t pid;

	while ((pid = waitpid(all ? -1 : child->pid, &status, WNOHANG | __WALL)) > 0) {
		if (pid != child->pid)
			continue;
		child->pid = 0;
		*ret_status = status;
		ended = 1;
		if (!all)
			break;
	}
	return ended;
}

/* True once the child can be reaped; without a pidfd nobody knows, and the wait has no bound. */
static bool ends_in_time(const struct spawned *child, int timeout_ms)
{
	struct pollfd p = { .fd = child->pidfd, .events = POLLIN };
	int r;

	if (child->pidfd < 0)
		return true;
	do
		r = poll(&p, 1, timeout_ms);
	while (r < 0 && errno == EINTR);
	return r != 0;
}

int spawn_kill_reap(struct spawned *child, int timeout_ms)
{
	int status = -1;

	if (child->pid > 0) {
		/* Not reaped yet, so the pid is still the child's; the pidfd is the surer way. */
		if (child->pidfd < 0 || proc_signal(child->pidfd, SIGKILL) < 0)
			(void)kill(child->pid, SIGKILL);
		if (ends_in_time(child, timeout_ms))
			status = spawn_wait(child);
	}
	child->pidfd = fd_close(child->pidfd);
	return status < 0 ? -1 : status;
}
