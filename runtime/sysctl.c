/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the plan's sysctls, in init, through its own verified procfs: no link, no mount on top of
 * it (CVE-2025-52881), never by a path of the container.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>

#include "common/fd.h"
#include "common/path.h"
#include "common/sys.h"
#include "runtime/rootfs.h"

/* Both on the same mount. Nothing leads back onto it once ".." and links are out, so that the end of
 * a walk tells about all of it. */
static bool is_same_mount(int a, int b)
{
	uint64_t id_a, id_b;

	return sys_mount_id(a, &id_a) == 0 && sys_mount_id(b, &id_b) == 0 && id_a == id_b;
}

/* Without openat2 (an old seccomp profile): look first, then open what was looked at. */
static int open_checked(int proc_fd, const char *path)
{
	CLEANUP_FD int fd = -EBADF;
	struct fd_path self;

	fd = path_open_in_root_how(proc_fd, path, O_PATH, RESOLVE_NO_SYMLINKS);
	if (fd < 0)
		return fd;
	if (!is_same_mount(fd, proc_fd))
		return -EXDEV;
	self = fd_path(fd);
	return fd_openat(proc_fd, self.s + strlen("/proc/"), O_WRONLY, 0);
}

int rootfs_write_sysctl(struct rootfs *r, struct err *err)
{
	for (size_t i = 0; i < r->plan->sysctl.n; i++) {
		const struct spec_pair *p = &r->plan->sysctl.v[i];
		CLEANUP_FD int fd = -EBADF;
		char path[512];
		ssize_t n;

		if (snprintf(path, sizeof(path), "sys/%s", p->key) >= (int)sizeof(path))
			return err_set(err, ENAMETOOLONG, "sysctl \"%s\"", p->key);
		fd = path_open_in_root_how(r->proc_fd, path, O_WRONLY,
					   RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
		if (fd == -ENOSYS)
			fd = open_checked(r->proc_fd, path);
		if (fd < 0)
			return err_sysn(err, fd, "open sysctl \"%s\"", p->key);
		/* One write: the kernel takes the value from the first one. */
		n = write(fd, p->value, strlen(p->value));
		if (n < 0)
			return err_sys(err, "write sysctl \"%s\" = \"%s\"", p->key, p->value);
	}
	return 0;
}
