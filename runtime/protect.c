/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protection of the runtime's own binary. See protect.h. A marker in the environment proves
 * nothing (whoever starts us sets the environment), so the proof is asked of the kernel: is the
 * mount through which /proc/self/exe is reached read-only, or is it a memfd sealed against writing?
 */
#include "runtime/protect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "common/fd.h"
#include "common/sys.h"
#include "runtime/protect_swap.h"

#ifndef ST_RDONLY
#define ST_RDONLY 1
#endif
#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#define ATTR_RDONLY 0x00000001
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* Stops an endless re-exec on a kernel where the proof never succeeds; it never skips anything. */
#define MARKER "THOLE_REEXEC"

static bool is_protected(void)
{
	CLEANUP_FD int fd = fd_open("/proc/self/exe", O_PATH | O_CLOEXEC, 0);
	struct statfs fs;
	int seals;

	if (fd < 0)
		return false;
	/* statfs gives the flags of the mount the descriptor came through, together with those of
	 * the file system; either makes an open for writing fail with EROFS. */
	if (fstatfs(fd, &fs) == 0 && (fs.f_flags & ST_RDONLY))
		return true;
	fd_close(fd);
	fd = fd_open("/proc/self/exe", O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return false;
	seals = fcntl(fd, F_GET_SEALS);
	return seals >= 0 && (seals & F_SEAL_WRITE);
}

/* A private mount of the one file, read-only, in no namespace: it cannot be remounted by anybody,
 * and it lives as long as a process runs from it. Needs CAP_SYS_ADMIN over our mount namespace, and
 * open_tree (5.2) and mount_setattr (5.12). */
static int clone_read_only(void)
{
	struct sys_mount_attr attr = { .attr_set = ATTR_RDONLY };
	CLEANUP_FD int fd = sys_open_tree(AT_FDCWD, "/proc/self/exe", OPEN_TREE_CLONE | O_CLOEXEC);
	int r;

	if (fd < 0)
		return fd;
	r = sys_mount_setattr(fd, "", AT_EMPTY_PATH, &attr);
	return r < 0 ? r : fd_take(&fd);
}

static int copy_file(int from, int to)
{
	struct stat st;
	off_t done = 0;

	if (fstat(from, &st) < 0)
		return -errno;
	while (done < st.st_size) {
		ssize_t n = sendfile(to, from, &done, (size_t)(st.st_size - done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
	}
	return 0;
}

/* Unprivileged callers and old kernels: a sealed copy in memory. */
static int copy_sealed(void)
{
	CLEANUP_FD int from = fd_open("/proc/self/exe", O_RDONLY | O_CLOEXEC, 0);
	CLEANUP_FD int fd = -EBADF;
	int r;

	if (from < 0)
		return from;
	/* MFD_EXEC is known from 6.3; without it kernels with vm.memfd_noexec=1 make it unexecutable. */
	fd = memfd_create("thole", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("thole", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	r = copy_file(from, fd);
	if (r < 0)
		return r;
	/* F_SEAL_EXEC comes with MFD_EXEC; without it chmod of the copy harms nobody. */
	if (fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_EXEC) < 0 && fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return -errno;
	return fd_take(&fd);
}

/* See protect_done. */
static int unused_clone = -EBADF;

void protect_done(void)
{
	unused_clone = fd_close(unused_clone);
}

/* Without an execve, where the kernel lets us; what it says afterwards counts, not what we did. */
static bool swap_to(int clone)
{
	CLEANUP_FD int fd = fd_open(fd_path(clone).s, O_RDONLY | O_CLOEXEC, 0);

	return fd >= 0 && protect_swap(fd) == 0 && is_protected();
}

int protect_binary(char *const argv[], struct err *err)
{
	CLEANUP_FD int fd = -EBADF;
	int r;

	if (is_protected()) {
		if (getenv(MARKER)) {
			unsetenv(MARKER);
			/* execveat names the process by the descriptor. */
			prctl(PR_SET_NAME, "thole");
		}
		return 0;
	}
	if (getenv(MARKER))
		return err_set(err, EPERM, "the runtime's own binary cannot be protected");
	if (setenv(MARKER, "1", 1) < 0)
		return err_sys(err, "environment");
	fd = clone_read_only();
	if (fd >= 0 && swap_to(fd)) {
		unsetenv(MARKER);
		unused_clone = fd_take(&fd);
		return 0;
	}
	if (fd < 0)
		fd = copy_sealed();
	if (fd < 0)
		return err_sysn(err, fd, "protect the runtime's own binary");
	r = sys_execveat(fd, "", argv, environ, AT_EMPTY_PATH);
	if (r == -ENOSYS || r == -EPERM) { /* an old seccomp profile around us */
		execve(fd_path(fd).s, argv, environ);
		r = -errno;
	}
	return err_sysn(err, r, "execute the protected copy of the runtime");
}
