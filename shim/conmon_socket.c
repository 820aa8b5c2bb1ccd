// SPDX-License-Identifier: Apache-2.0
// The attach socket in the bundle and the link that leads to it.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "common/fd.h"
#include "shim/conmon_attach.h"

#define BACKLOG 10

int conmon_attach_link(const struct conmon_attach_config *config, struct err *err)
{
	if (!config->link)
		return 0;
	if (unlink(config->link) < 0 && errno != ENOENT)
		return err_sys(err, "remove \"%s\"", config->link);
	if (symlink(config->bundle, config->link) < 0)
		return err_sys(err, "link \"%s\" to \"%s\"", config->link, config->bundle);
	return 0;
}

int conmon_attach_listen(int dirfd)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	CLEANUP_FD int fd = -EBADF;

	/* The path is short, whatever the bundle's. */
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/attach", fd_path(dirfd).s);
	if (unlinkat(dirfd, "attach", 0) < 0 && errno != ENOENT)
		return -errno;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* bind takes the mode from the socket's inode: nobody else gets in even for a moment. */
	if (fchmod(fd, 0700) < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    fchmodat(dirfd, "attach", 0700, 0) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return fd_take(&fd);
}
