/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits, OOM score, scheduling and LSM labels of one process.
 */
#include "runtime/procattr.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/path.h"

#define IOPRIO_TARGET_PROCESS 1
#define IOPRIO_CLASS_SHIFT_BITS 13

int rlimits_apply(const struct plan_process *plan, pid_t pid, struct err *err)
{
	if (plan->rlimits_by_init != (pid == 0))
		return 0;
	for (size_t i = 0; i < plan->n_rlimits; i++) {
		const struct spec_rlimit *limit = &plan->rlimits[i];
		/* The kernel's rlimit64, whatever off_t is: RLIM64_INFINITY is all ones. */
		uint64_t value[2] = { limit->soft, limit->hard };

		if (syscall(SYS_prlimit64, pid, limit->resource, value, NULL) < 0)
			return err_sys(err, "error setting rlimit type %d", limit->resource);
	}
	return 0;
}

int oom_score_adj_apply(const struct plan_process *plan, pid_t pid, struct err *err)
{
	char path[64], text[16];
	int r;

	if (!plan->has_oom_score_adj)
		return 0;
	if (pid == 0)
		snprintf(path, sizeof(path), "/proc/self/oom_score_adj");
	else
		snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
	snprintf(text, sizeof(text), "%d", plan->oom_score_adj);
	r = io_write_small(AT_FDCWD, path, text);
	if (r < 0)
		return err_sysn(err, r, "write oom_score_adj %s to \"%s\"", text, path);
	return 0;
}

/* struct sched_attr of the kernel, version 1 (5.3); <sched.h> of newer C libraries has it too, so
 * the name is our own. */
struct scheduling {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};
#define SCHEDULING_SIZE_V0 48

static int apply_scheduler(const struct spec_scheduler *wanted, pid_t pid, struct err *err)
{
	struct scheduling attr = {
		.size = SCHEDULING_SIZE_V0,
		.policy = wanted->policy,
		.flags = wanted->flags,
		.nice = wanted->nice,
		.priority = (uint32_t)wanted->priority,
		.runtime = wanted->runtime,
		.deadline = wanted->deadline,
		.period = wanted->period,
	};

	if (wanted->flags & (SCHED_FLAG_UTIL_CLAMP_MIN | SCHED_FLAG_UTIL_CLAMP_MAX))
		attr.size = sizeof(attr);
	if (syscall(SYS_sched_setattr, pid, &attr, 0) < 0)
		return err_sys(err, "set scheduler policy %u", wanted->policy);
	return 0;
}

int sched_apply(const struct plan_process *plan, pid_t pid, struct err *err)
{
	int priority;

	if (plan->scheduler.given) {
		int r = apply_scheduler(&plan->scheduler, pid, err);

		if (r < 0)
			return r;
	}
	if (!plan->has_io_priority)
		return 0;
	priority = plan->io_priority_class << IOPRIO_CLASS_SHIFT_BITS | plan->io_priority;
	if (syscall(SYS_ioprio_set, IOPRIO_TARGET_PROCESS, pid, priority) < 0)
		return err_sys(err, "set I/O priority class %d level %d", plan->io_priority_class,
			       plan->io_priority);
	return 0;
}

/* Writes to an attribute of the calling process below its own procfs. A container image cannot
 * have put anything there: symlinks are refused, and so is everything that is not procfs, so that
 * the label is never written to a file of the image's making (CVE-2019-16884, CVE-2019-19921). */
static int write_attr(int proc_fd, const char *pid, const char *attr, const char *text)
{
	char path[64];
	CLEANUP_FD int fd = -EBADF;

	snprintf(path, sizeof(path), "%s/attr/%s", pid, attr);
	fd = path_open_in_root_how(proc_fd, path, O_WRONLY, RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
	if (fd < 0)
		return fd;
	if (path_fs_magic(fd) != PROC_SUPER_MAGIC)
		return -EXDEV;
	/* One write: the kernel takes the label as a whole. */
	ssize_t n = write(fd, text, strlen(text));

	if (n < 0)
		return -errno;
	return (size_t)n == strlen(text) ? 0 : -EIO;
}

int lsm_set_exec(const struct plan_lsm *plan, int proc_fd, struct err *err)
{
	char pid[16], text[1024];
	ssize_t n;
	int r;

	if (!plan->apparmor && !plan->selinux)
		return 0;
	/* Our number in that procfs, which may be of another pid namespace than getpid(). */
	n = readlinkat(proc_fd, "self", pid, sizeof(pid) - 1);
	if (n <= 0)
		return err_sysn(err, n < 0 ? errno : ENOENT, "readlink \"/proc/self\"");
	pid[n] = '\0';

	if (plan->apparmor) {
		n = snprintf(text, sizeof(text), "exec %s", plan->apparmor);
		if ((size_t)n >= sizeof(text))
			return err_set(err, ENAMETOOLONG, "apparmor profile \"%s\"",
				       plan->apparmor);
		/* The directory of AppArmor's own (5.8) works beside other LSMs too. */
		r = write_attr(proc_fd, pid, "apparmor/exec", text);
		if (r == -ENOENT)
			r = write_attr(proc_fd, pid, "exec", text);
		if (r < 0)
			return err_sysn(err, r,
					"unable to apply apparmor profile \"%s\": write "
					"`/proc/self/attr/apparmor/exec`",
					plan->apparmor);
	}
	if (plan->selinux) {
		r = write_attr(proc_fd, pid, "exec", plan->selinux);
		if (r < 0)
			return err_sysn(err, r,
					"unable to apply selinux label \"%s\": write "
					"`/proc/self/attr/exec`",
					plan->selinux);
	}
	return 0;
}
