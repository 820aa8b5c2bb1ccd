/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw system calls. Each makes exactly one call; what to do without it is its callers' business.
 */
#include "common/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/stat.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* One number on every architecture (424 and above), for headers older than the call. */
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif
#ifndef SYS_open_tree
#define SYS_open_tree 428
#endif
#ifndef SYS_move_mount
#define SYS_move_mount 429
#endif
#ifndef SYS_fsopen
#define SYS_fsopen 430
#endif
#ifndef SYS_fsconfig
#define SYS_fsconfig 431
#endif
#ifndef SYS_fsmount
#define SYS_fsmount 432
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

#ifdef THOLE_TEST
static bool is_listed(const char *list, const char *name)
{
	size_t n = strlen(name), len;

	for (; list; list = list[len] ? list + len + 1 : NULL) {
		len = strcspn(list, ",");
		if (len == n && memcmp(list, name, n) == 0)
			return true;
	}
	return false;
}

int sys_test_failure(const char *name)
{
	if (is_listed(getenv("THOLE_TEST_ENOSYS"), name))
		return -ENOSYS;
	if (is_listed(getenv("THOLE_TEST_EPERM"), name))
		return -EPERM;
	return 0;
}
#endif

#define CALL(name, ...)                                                                            \
	({                                                                                         \
		long r_ = sys_test_failure(#name);                                                 \
		if (r_ == 0) {                                                                     \
			r_ = syscall(SYS_##name, __VA_ARGS__);                                     \
			if (r_ < 0)                                                                \
				r_ = -errno;                                                       \
		}                                                                                  \
		(int)r_;                                                                           \
	})

struct open_how_v0 { /* struct open_how of the kernel (5.6) */
	uint64_t flags, mode, resolve;
};

pid_t sys_clone3(struct sys_clone_args *args, size_t size)
{
	/* An older clone3 (before 5.7) does not know the flag. */
	if (args->flags & SYS_CLONE_INTO_CGROUP && sys_test_failure("clone_into_cgroup") < 0)
		return -EINVAL;
	return CALL(clone3, args, size);
}

int sys_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	struct open_how_v0 how = { flags, mode, resolve };

	return CALL(openat2, dirfd, path, &how, sizeof(how));
}

int sys_open_tree(int dirfd, const char *path, unsigned int flags)
{
	return CALL(open_tree, dirfd, path, flags);
}

int sys_move_mount(int from_fd, const char *from, int to_fd, const char *to, unsigned int flags)
{
	return CALL(move_mount, from_fd, from, to_fd, to, flags);
}

int sys_mount_setattr(int dirfd, const char *path, unsigned int flags, struct sys_mount_attr *attr)
{
	return CALL(mount_setattr, dirfd, path, flags, attr, sizeof(*attr));
}

int sys_fsopen(const char *fsname, unsigned int flags)
{
	return CALL(fsopen, fsname, flags);
}

int sys_fsconfig(int fd, unsigned int cmd, const char *key, const void *value, int aux)
{
	return CALL(fsconfig, fd, cmd, key, value, aux);
}

int sys_fsmount(int fd, unsigned int flags, unsigned int attrs)
{
	return CALL(fsmount, fd, flags, attrs);
}

int sys_pidfd_open(pid_t pid, unsigned int flags)
{
	return CALL(pidfd_open, pid, flags);
}

int sys_pidfd_send_signal(int pidfd, int sig)
{
	return CALL(pidfd_send_signal, pidfd, sig, NULL, 0);
}

int sys_pidfd_getfd(int pidfd, int fd)
{
	return CALL(pidfd_getfd, pidfd, fd, 0);
}

int sys_epoll_pwait2(int fd, struct epoll_event *events, int n, const struct timespec *timeout)
{
	return CALL(epoll_pwait2, fd, events, n, timeout, NULL, 0);
}

int sys_close_range(unsigned int first, unsigned int last, unsigned int flags)
{
	return CALL(close_range, first, last, flags);
}

int sys_pivot_root(const char *new_root, const char *put_old)
{
	return CALL(pivot_root, new_root, put_old);
}

int sys_execveat(int dirfd, const char *path, char *const argv[], char *const envp[], int flags)
{
	return CALL(execveat, dirfd, path, argv, envp, flags);
}

int sys_rename_noreplace(const char *from, const char *to)
{
	return CALL(renameat2, AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
}

int sys_mount_id(int fd, uint64_t *id)
{
	struct statx st;
	int r = CALL(statx, fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st);

	if (r < 0)
		return r;
	*id = st.stx_mnt_id;
	return st.stx_mask & STATX_MNT_ID ? 0 : -ENODATA;
}

int sys_set_mm_map(const void *map, size_t size)
{
	return CALL(prctl, PR_SET_MM, PR_SET_MM_MAP, map, size, 0);
}

void sys_signals_default(void)
{
	/* All zeroes is SIG_DFL, no flags, no mask in every architecture's struct of the kernel. */
	static const char zero[256];

	for (int sig = 1; sig < _NSIG; sig++)
		(void)syscall(SYS_rt_sigaction, sig, zero, NULL, _NSIG / 8);
}
