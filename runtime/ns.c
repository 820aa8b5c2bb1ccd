/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entering and making namespaces. See ns.h.
 */
#include "runtime/ns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/str.h"

/* Depth limit of user namespaces in the kernel. */
#define USER_NS_DEPTH 32

static bool same_file(int a, int b)
{
	struct stat sa, sb;

	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
}

static int open_one(const struct plan_join *join, struct err *err)
{
	CLEANUP_FD int fd = fd_open(join->path, O_RDONLY | O_CLOEXEC, 0);
	int type;

	if (fd < 0)
		return err_sysn(err, fd, "linux.namespaces: open %s namespace \"%s\"", join->type,
				join->path);
	type = ioctl(fd, NS_GET_NSTYPE);
	if (type < 0)
		return err_set(err, EINVAL, "linux.namespaces: \"%s\" is not a namespace",
			       join->path);
	if ((uint64_t)(unsigned int)type != join->flag)
		return err_set(err, EINVAL,
			       "linux.namespaces: \"%s\" is not a %s namespace but a %s one",
			       join->path, join->type, plan_ns_name((unsigned int)type));
	return fd_take(&fd);
}

static bool is_own_user_ns(int fd)
{
	CLEANUP_FD int own = fd_open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC, 0);

	return own >= 0 && same_file(fd, own);
}

/* Is the namespace owned by that user namespace or one below it? Then the right to enter it comes
 * only with entering that. */
static bool is_owned_below(int fd, int user_fd)
{
	CLEANUP_FD int owner = ioctl(fd, NS_GET_USERNS);

	for (int depth = 0; owner >= 0 && depth < USER_NS_DEPTH; depth++) {
		int parent;

		if (same_file(owner, user_fd))
			return true;
		parent = ioctl(owner, NS_GET_PARENT);
		fd_close(owner);
		owner = parent;
	}
	return false;
}

static void append(struct ns_fds *fds, const struct plan_join *join, int fd)
{
	fds->v[fds->n].flag = join->flag;
	fds->v[fds->n].type = join->type;
	fds->v[fds->n].path = join->path;
	fds->v[fds->n].early = false;
	fds->v[fds->n++].fd = fd;
}

/* Which process enters what (the reasons are in ns.h's callers' order of steps):
 * - a new user namespace loses the rights over namespaces owned outside it, so they are entered
 *   before the clone;
 * - a pid namespace is entered by children only, so by whoever clones init. */
static int choose_early(const struct plan_ns *plan, const struct host *host, struct ns_fds *fds,
			struct err *err)
{
	bool admin = host->own_caps >> CAP_SYS_ADMIN & 1;
	bool user_is_made = plan->make & CLONE_NEWUSER;

	fds->helper = fds->has_user &&
		      ((plan->make & ~(uint64_t)(CLONE_NEWCGROUP | CLONE_NEWTIME)) || !admin);
	if (fds->helper)
		return 0;
	for (size_t i = 0; i < fds->n; i++) {
		if (user_is_made && fds->v[i].flag == CLONE_NEWNS)
			return err_set(err, EINVAL,
				       "linux.namespaces: an existing mount namespace cannot be "
				       "joined with a new user namespace");
		fds->v[i].early = user_is_made || fds->v[i].flag == CLONE_NEWPID;
	}
	return 0;
}

int ns_open_all(const struct plan_ns *plan, const struct host *host, struct ns_fds *ret,
		struct err *err)
{
	int fds[PLAN_JOINS_MAX], user = -1;
	bool after[PLAN_JOINS_MAX] = { false };

	ret->n = 0;
	ret->has_user = ret->helper = false;
	for (size_t i = 0; i < plan->n_joins; i++) {
		fds[i] = open_one(&plan->joins[i], err);
		if (fds[i] < 0) {
			while (i-- > 0)
				fd_close(fds[i]);
			return -err->code;
		}
		if (plan->joins[i].flag == CLONE_NEWUSER)
			user = (int)i;
	}
	/* Entering the own user namespace again is EINVAL, and there is nothing to do. */
	if (user >= 0 && is_own_user_ns(fds[user]))
		fds[user] = fd_close(fds[user]);
	else
		ret->has_user = user >= 0;

	for (size_t i = 0; ret->has_user && i < plan->n_joins; i++)
		after[i] = (int)i != user && is_owned_below(fds[i], fds[user]);
	for (size_t i = 0; i < plan->n_joins; i++)
		if ((int)i != user && !after[i])
			append(ret, &plan->joins[i], fds[i]);
	if (ret->has_user)
		append(ret, &plan->joins[user], fds[user]);
	for (size_t i = 0; i < plan->n_joins; i++)
		if (after[i])
			append(ret, &plan->joins[i], fds[i]);
	return choose_early(plan, host, ret, err);
}

void ns_close_all(struct ns_fds *fds)
{
	for (size_t i = 0; i < fds->n; i++)
		fds->v[i].fd = fd_close(fds->v[i].fd);
	fds->n = 0;
}

static void no_dumps(void)
{
	/* CVE-2016-9962: what is in the namespace already must not trace us or open our
	 * descriptors through /proc. execve of the container's program ends it. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static int save_own(uint64_t flag, struct ns_saved *saved, struct err *err)
{
	char path[40];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/ns/%s", plan_ns_name(flag));
	fd = fd_open(path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return err_sysn(err, fd, "open \"%s\"", path);
	saved->flags |= flag;
	saved->flag[saved->n] = flag;
	saved->fds[saved->n++] = fd;
	return 0;
}

int ns_enter_early(const struct ns_fds *fds, struct ns_saved *ret, struct err *err)
{
	for (size_t i = 0; i < fds->n; i++) {
		int r;

		if (!fds->v[i].early)
			continue;
		no_dumps();
		r = save_own(fds->v[i].flag, ret, err);
		if (r < 0)
			return r;
		if (setns(fds->v[i].fd, (int)fds->v[i].flag) < 0)
			return err_sys(err, "join %s namespace \"%s\"", fds->v[i].type,
				       fds->v[i].path);
	}
	return 0;
}

static int open_of(pid_t pid, uint64_t flag, struct err *err)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, plan_ns_name(flag));
	fd = fd_open(path, O_RDONLY | O_CLOEXEC, 0);
	return fd < 0 ? err_sysn(err, fd, "open \"%s\"", path) : fd;
}

int ns_enter_pid_of(int pidfd, pid_t pid, struct ns_saved *ret, struct err *err)
{
	CLEANUP_FD int fd = -EBADF;
	int r;

	no_dumps();
	r = save_own(CLONE_NEWPID, ret, err);
	if (r < 0)
		return r;
	if (pidfd >= 0 && setns(pidfd, CLONE_NEWPID) == 0)
		return 0;
	/* Before 5.8 setns takes no pidfd. */
	fd = open_of(pid, CLONE_NEWPID, err);
	if (fd < 0)
		return fd;
	if (setns(fd, CLONE_NEWPID) < 0)
		return err_sys(err, "join the container's pid namespace");
	return 0;
}

int ns_leave(struct ns_saved *saved, struct err *err)
{
	int r = 0;

	while (saved->n-- > 0) {
		if (setns(saved->fds[saved->n], (int)saved->flag[saved->n]) < 0)
			r = err_sys(err, "return to the own %s namespace",
				    plan_ns_name(saved->flag[saved->n]));
		fd_close(saved->fds[saved->n]);
	}
	saved->n = 0;
	return r;
}

int ns_open_net(const struct ns_fds *fds, pid_t init, struct err *err)
{
	for (size_t i = 0; i < fds->n; i++)
		if (fds->v[i].flag == CLONE_NEWNET && fds->v[i].fd >= 0) {
			int fd = fd_dup(fds->v[i].fd);

			return fd < 0 ? err_sysn(err, fd, "duplicate a descriptor") : fd;
		}
	return open_of(init, CLONE_NEWNET, err);
}

int ns_rtnetlink(int net_fd, struct err *err)
{
	struct ns_saved saved = { .n = 0 };
	struct err leave = { 0 };
	int fd = -EBADF, r;

	no_dumps();
	r = save_own(CLONE_NEWNET, &saved, err);
	if (r < 0)
		return r;
	if (setns(net_fd, CLONE_NEWNET) < 0)
		r = err_sys(err, "enter the container's network namespace");
	else
		fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (r >= 0 && fd < 0)
		r = err_sys(err, "open rtnetlink socket in the container's network namespace");
	if (ns_leave(&saved, &leave) < 0) {
		log_error("%s", leave.msg);
		_exit(1);
	}
	return r < 0 ? r : fd;
}

int ns_enter_rest(const struct ns_fds *fds, struct err *err)
{
	for (size_t i = 0; i < fds->n; i++) {
		if (fds->v[i].early || fds->v[i].fd < 0)
			continue;
		no_dumps();
		if (setns(fds->v[i].fd, (int)fds->v[i].flag) < 0)
			return err_sys(err, "join %s namespace \"%s\"", fds->v[i].type,
				       fds->v[i].path);
	}
	return 0;
}

/* Kernels before 5.8, and a container that shares a namespace with us though its configuration
 * lists it (its own user namespace again is EINVAL for setns). */
static int enter_one_by_one(int pidfd, pid_t pid, uint64_t flags, struct err *err)
{
	/* The user namespace first (it gives the rights), the mount namespace last (it takes our
	 * /proc away). */
	static const uint64_t order[] = { CLONE_NEWUSER, CLONE_NEWIPC, CLONE_NEWUTS,
					  CLONE_NEWNET,  CLONE_NEWPID, CLONE_NEWCGROUP,
					  CLONE_NEWTIME, CLONE_NEWNS };
	int fds[ARRAY_COUNT(order)], r = 0;

	for (size_t i = 0; i < ARRAY_COUNT(order); i++) {
		CLEANUP_FD int own = -EBADF;

		fds[i] = -EBADF;
		if (!(flags & order[i]))
			continue;
		fds[i] = open_of(pid, order[i], err);
		if (fds[i] < 0)
			r = fds[i];
		own = open_of(getpid(), order[i], NULL);
		if (fds[i] >= 0 && own >= 0 && order[i] != CLONE_NEWPID && same_file(fds[i], own))
			fds[i] = fd_close(fds[i]);
	}
	/* They were that process's only if it still lives. */
	if (r >= 0 && pidfd >= 0 && proc_signal(pidfd, 0) == -ESRCH)
		r = err_set(err, ESRCH, "join the container: it has ended");
	for (size_t i = 0; i < ARRAY_COUNT(order); i++) {
		if (r >= 0 && fds[i] >= 0 && setns(fds[i], (int)order[i]) < 0)
			r = err_sys(err, "join the container's %s namespace",
				    plan_ns_name(order[i]));
		fd_close(fds[i]);
	}
	return r;
}

static int enter_all(int pidfd, pid_t pid, uint64_t flags, struct err *err)
{
	if (!flags || (pidfd >= 0 && setns(pidfd, (int)flags) == 0))
		return 0;
	if (pidfd >= 0 && errno != EINVAL)
		return err_sys(err, "join the container's namespaces");
	return enter_one_by_one(pidfd, pid, flags, err);
}

/* The root of a process that has only a chroot. */
static int open_root(int pidfd, pid_t pid, struct err *err)
{
	CLEANUP_FD int fd = -EBADF;
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
	fd = fd_open(path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		return err_sysn(err, fd, "open \"%s\"", path);
	/* It was that process's only if that still lives. */
	r = pidfd >= 0 ? proc_signal(pidfd, 0) : 0;
	return r < 0 ? err_sysn(err, r, "join the container") : fd_take(&fd);
}

int ns_enter_process(int pidfd, pid_t pid, uint64_t flags, struct err *err)
{
	CLEANUP_FD int root = -EBADF;
	int r;

	no_dumps();
	/* Joining a mount namespace enters its root; without one of its own the container would be
	 * left for the host's. Opened while /proc still is the host's. */
	if (!(flags & CLONE_NEWNS)) {
		root = open_root(pidfd, pid, err);
		if (root < 0)
			return root;
	}
	r = enter_all(pidfd, pid, flags, err);
	if (r < 0 || root < 0)
		return r;
	if (fchdir(root) < 0 || chroot(".") < 0)
		return err_sys(err, "enter the container's root");
	return 0;
}

int ns_unshare_cgroup(struct err *err)
{
	if (unshare(CLONE_NEWCGROUP) < 0)
		return err_sys(err, "make a cgroup namespace");
	return 0;
}

static int write_offset(int fd, const char *clock, const struct spec_time_offset *offset,
			struct err *err)
{
	char buf[96];
	struct str line = STR_FIXED(buf);

	if (!offset->given)
		return 0;
	str_addf(&line, "%s %lld %u\n", clock, (long long)offset->secs, offset->nanosecs);
	if (write(fd, line.data, line.len) < 0)
		return err_sys(err, "linux.timeOffsets.%s: write %lld s %u ns", clock,
			       (long long)offset->secs, offset->nanosecs);
	return 0;
}

int ns_unshare_time(const struct plan_ns *plan, struct err *err)
{
	CLEANUP_FD int offsets = -EBADF;
	CLEANUP_FD int ns = -EBADF;
	int r;

	/* Opened before the id changes: afterwards we are not dumpable and the file is not ours.
	 * The right to write it is checked against who opened it, when it is written. */
	offsets = fd_open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC, 0);
	if (offsets < 0)
		return err_sysn(err, offsets, "open \"/proc/self/timens_offsets\"");
	if (unshare(CLONE_NEWTIME) < 0)
		return err_sys(err, "make a time namespace");
	r = write_offset(offsets, "monotonic", &plan->monotonic, err);
	if (r >= 0)
		r = write_offset(offsets, "boottime", &plan->boottime, err);
	if (r < 0)
		return r;
	/* unshare only makes it for our children, and only kernels from 6.1 enter it at execve.
	 * Joining one's own time_for_children enters it at once, on every kernel that has time
	 * namespaces (5.6). No fork, and none of the clocks can be set any more. */
	ns = fd_open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC, 0);
	if (ns < 0)
		return err_sysn(err, ns, "open \"/proc/self/ns/time_for_children\"");
	if (setns(ns, CLONE_NEWTIME) < 0)
		return err_sys(err, "enter the new time namespace");
	return 0;
}

int ns_set_names(const struct plan_ns *plan, struct err *err)
{
	if (plan->hostname && sethostname(plan->hostname, strlen(plan->hostname)) < 0)
		return err_sys(err, "hostname: sethostname \"%s\"", plan->hostname);
	if (plan->domainname && setdomainname(plan->domainname, strlen(plan->domainname)) < 0)
		return err_sys(err, "domainname: setdomainname \"%s\"", plan->domainname);
	return 0;
}
