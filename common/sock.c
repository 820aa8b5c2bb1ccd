/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local sockets. A path that does not fit into sun_path is reached through an O_PATH descriptor.
 */
#include "common/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "common/fd.h"

#define SOCK_FDS_MAX 253 /* the kernel's SCM_MAX_FD */
#define SOCK_BACKLOG 512

union control {
	struct cmsghdr align;
	char data[CMSG_SPACE(sizeof(int) * SOCK_FDS_MAX)];
};

int sock_pair(int ret_fds[2])
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	ret_fds[0] = fds[0];
	ret_fds[1] = fds[1];
	return 0;
}

/* False if the path does not fit. */
static bool fill_addr(struct sockaddr_un *addr, const char *path)
{
	size_t n = strlen(path);

	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (n == 0 || n >= sizeof(addr->sun_path))
		return false;
	memcpy(addr->sun_path, path, n + 1);
	return true;
}

static int connect_addr(int fd, const struct sockaddr_un *addr)
{
	int r;

	/* A local connect that a signal interrupts has not begun. */
	do
		r = connect(fd, (const struct sockaddr *)addr, sizeof(*addr));
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

static int connect_path(int fd, const char *path)
{
	CLEANUP_FD int target = -EBADF;
	struct sockaddr_un addr;

	if (fill_addr(&addr, path))
		return connect_addr(fd, &addr);
	/* connect follows the link below /proc to the socket itself. */
	target = fd_open(path, O_PATH, 0);
	if (target < 0)
		return target;
	fill_addr(&addr, fd_path(target).s);
	return connect_addr(fd, &addr);
}

static int new_socket(int type)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

int sock_connect(const char *path, int type, struct err *err)
{
	CLEANUP_FD int fd = new_socket(type);
	int r;

	if (fd < 0)
		return err_sysn(err, fd, "socket");
	r = connect_path(fd, path);
	if (r < 0)
		return err_sysn(err, r, "connect to \"%s\"", path);
	return fd_take(&fd);
}

/* 0 if nothing of that name exists any more, -EADDRINUSE if somebody listens there. */
static int remove_stale(const char *path, int type)
{
	CLEANUP_FD int probe = -EBADF;
	struct stat st;
	int r;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	probe = new_socket((type & ~SOCK_CLOEXEC) | SOCK_NONBLOCK);
	if (probe < 0)
		return probe;
	r = connect_path(probe, path);
	/* EAGAIN: its queue is full; EPROTOTYPE: it listens with another type. */
	if (r == 0 || r == -EAGAIN || r == -EPROTOTYPE)
		return -EADDRINUSE;
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

static int bind_addr(int fd, const struct sockaddr_un *addr)
{
	return bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 ? -errno : 0;
}

/* The name alone may be longer than sun_path: bound under a short one, then renamed. */
static int bind_long(int fd, const char *path)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	CLEANUP_FD int dir = -EBADF;
	struct sockaddr_un addr;
	char text[PATH_MAX];
	int n, r;

	n = snprintf(text, sizeof(text), "%.*s", (int)(base - path), path);
	if (n < 0 || (size_t)n >= sizeof(text))
		return -ENAMETOOLONG;
	dir = fd_open(n ? text : ".", O_PATH | O_DIRECTORY, 0);
	if (dir < 0)
		return dir;
	snprintf(text, sizeof(text), "%s/%s", fd_path(dir).s, base);
	if (fill_addr(&addr, text))
		return bind_addr(fd, &addr);
	snprintf(text, sizeof(text), "%s/.sock-%ld", fd_path(dir).s, syscall(SYS_gettid));
	fill_addr(&addr, text);
	unlinkat(dir, strrchr(text, '/') + 1, 0);
	r = bind_addr(fd, &addr);
	if (r >= 0 && renameat(dir, strrchr(text, '/') + 1, dir, base) < 0) {
		r = -errno;
		unlinkat(dir, strrchr(text, '/') + 1, 0);
	}
	return r;
}

int sock_listen(const char *path, int type, struct err *err)
{
	CLEANUP_FD int fd = -EBADF;
	struct sockaddr_un addr;
	int r;

	r = remove_stale(path, type);
	if (r < 0)
		return err_sysn(err, r, "listen on \"%s\"", path);
	fd = new_socket(type);
	if (fd < 0)
		return err_sysn(err, fd, "socket");
	/* bind takes the mode from here: nobody else can connect in between, whatever the umask. */
	if (fchmod(fd, 0600) < 0)
		return err_sys(err, "set mode of \"%s\"", path);
	r = fill_addr(&addr, path) ? bind_addr(fd, &addr) : bind_long(fd, path);
	if (r < 0)
		return err_sysn(err, r, "bind \"%s\"", path);
	if ((type & 0xf) != SOCK_DGRAM && listen(fd, SOCK_BACKLOG) < 0) {
		r = -errno;
		unlink(path);
		return err_sysn(err, r, "listen on \"%s\"", path);
	}
	return fd_take(&fd);
}

ssize_t sock_send(int fd, const void *data, size_t n, const int *fds, size_t n_fds)
{
	struct iovec iov = { .iov_base = (void *)data, .iov_len = n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control;
	struct cmsghdr *cmsg;
	ssize_t r;

	if (n_fds > SOCK_FDS_MAX)
		return -EINVAL;
	if (n_fds > 0) {
		memset(&control, 0, CMSG_SPACE(sizeof(int) * n_fds));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * n_fds);
	}
	do
		r = sendmsg(fd, &msg, MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

/* Takes one received descriptor into fds[*n], raised above stderr; closes it if there is no room. */
static int take_fd(int fd, int *fds, size_t room, size_t *n)
{
	int raised;

	if (*n == room) {
		fd_close(fd);
		return -EMSGSIZE;
	}
	if (fd <= STDERR_FILENO) {
		raised = fd_dup(fd);
		fd_close(fd);
		if (raised < 0)
			return raised;
		fd = raised;
	}
	fds[(*n)++] = fd;
	return 0;
}

/* Everything that came is either in fds or closed. */
static int take_fds(struct msghdr *msg, int *fds, size_t room, size_t *n)
{
	size_t count;
	int fd, r = 0, one;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			one = take_fd(fd, fds, room, n);
			if (one < 0)
				r = one;
		}
	}
	return r;
}

ssize_t sock_recv(int fd, void *data, size_t n, int *fds, size_t *n_fds)
{
	struct iovec iov = { .iov_base = data, .iov_len = n };
	union control control;
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	size_t room = n_fds ? *n_fds : 0, got = 0;
	ssize_t bytes;
	int r;

	if (n_fds)
		*n_fds = 0;
	do
		bytes = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	while (bytes < 0 && errno == EINTR);
	if (bytes < 0)
		return -errno;
	r = take_fds(&msg, fds, room, &got);
	if (r >= 0 && (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		r = -EMSGSIZE;
	if (r < 0) {
		while (got > 0)
			fd_close(fds[--got]);
		return r;
	}
	if (n_fds)
		*n_fds = got;
	return bytes;
}

int sock_peer(int fd, struct ucred *ret)
{
	struct ucred cred;
	socklen_t n = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) < 0)
		return -errno;
	*ret = cred;
	return 0;
}
