/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sd_notify. See notify.h.
 */
#include "runtime/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/sock.h"

#define DATAGRAM_MAX 8192
#define BARRIER_MS 30000
#define SEND_SECONDS 5 /* its queue may be full */

bool notify_is_usable(const char *socket)
{
	return socket && (socket[0] == '/' || socket[0] == '@') && socket[1] &&
	       strlen(socket) < sizeof(((struct sockaddr_un *)0)->sun_path);
}

int notify_make_dir(int state_fd, struct err *err)
{
	/* The umask may take the search bits of the container's user. */
	if (mkdirat(state_fd, NOTIFY_DIR, 0755) < 0 || fchmodat(state_fd, NOTIFY_DIR, 0755, 0) < 0)
		return err_sys(err, "make \"" NOTIFY_DIR "\" in the state directory");
	return 0;
}

static void set_host(struct notify *n, const char *host)
{
	n->host = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(n->host.sun_path, host, strlen(host));
	n->host_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(host));
	if (host[0] == '@')
		n->host.sun_path[0] = '\0';
	else
		n->host_len++;
}

int notify_listen(int state_fd, const char *host, struct notify *ret, struct err *err)
{
	struct sockaddr_un own = { .sun_family = AF_UNIX };
	CLEANUP_FD int dir = fd_openat(state_fd, NOTIFY_DIR, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
	CLEANUP_FD int fd = -EBADF;

	if (dir == -ENOENT) /* made without one */
		return 0;
	if (dir < 0)
		return err_sysn(err, dir, "open \"" NOTIFY_DIR "\" in the state directory");
	/* Nobody in the container can put anything there: the mount is read-only. */
	if (unlinkat(dir, NOTIFY_NAME, 0) < 0 && errno != ENOENT)
		return err_sys(err, "remove the old \"" NOTIFY_NAME "\"");
	snprintf(own.sun_path, sizeof(own.sun_path), "%s/" NOTIFY_NAME, fd_path(dir).s);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof(own)) < 0)
		return err_sys(err, "make the notify socket");
	/* The container's user, whoever that is. */
	if (fchmodat(dir, NOTIFY_NAME, 0777, 0) < 0)
		return err_sys(err, "chmod the notify socket");
	set_host(ret, host);
	ret->fd = fd_take(&fd);
	return 0;
}

void notify_close(struct notify *n)
{
	n->fd = fd_close(n->fd);
}

bool notify_is_ready(const char *data, size_t n)
{
	static const char ready[] = "READY=1";

	for (size_t at = 0, end; at < n; at = end + 1) {
		for (end = at; end < n && data[end] != '\n';)
			end++;
		if (end - at == sizeof(ready) - 1 && memcmp(data + at, ready, end - at) == 0)
			return true;
	}
	return false;
}

static int tell(const struct notify *n, const char *text, int fd)
{
	CLEANUP_FD int out = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const struct timeval patience = { .tv_sec = SEND_SECONDS };

	if (out < 0 || setsockopt(out, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    connect(out, (const struct sockaddr *)&n->host, n->host_len) < 0)
		return -errno;
	ssize_t r = sock_send(out, text, strlen(text), &fd, fd >= 0 ? 1 : 0);

	return r < 0 ? (int)r : 0;
}

bool notify_take_ready(struct notify *n)
{
	char data[DATAGRAM_MAX];
	/* Descriptors that come along have no room: the kernel closes them. */
	ssize_t got = recv(n->fd, data, sizeof(data), MSG_DONTWAIT);

	return got > 0 && notify_is_ready(data, (size_t)got);
}

static void send_ready(const struct notify *n, pid_t main_pid)
{
	char text[64];
	int r;

	snprintf(text, sizeof(text), "READY=1\nMAINPID=%d\n", (int)main_pid);
	r = tell(n, text, -EBADF);
	if (r < 0)
		log_warning("the service manager at NOTIFY_SOCKET was not told: %s",
			    err_strerror(-r));
}

void notify_tell(struct notify *n, pid_t main_pid)
{
	send_ready(n, main_pid);
	notify_close(n);
}

/* The service manager looks a sender up in /proc: it must have read the message before we are gone. */
static void wait_until_seen(const struct notify *n)
{
	struct pollfd p = { .events = POLLIN };
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return;
	r = tell(n, "BARRIER=1", fds[1]);
	fd_close(fds[1]);
	p.fd = fds[0];
	while (r >= 0 && poll(&p, 1, BARRIER_MS) < 0 && errno == EINTR)
		;
	fd_close(fds[0]);
}

void notify_wait(struct notify *n, pid_t main_pid, int init_pidfd)
{
	struct pollfd p[] = { { .fd = n->fd, .events = POLLIN },
			      { .fd = proc_pollable(init_pidfd), .events = POLLIN } };

	while (n->fd >= 0) {
		if (poll(p, ARRAY_COUNT(p), -1) < 0) {
			if (errno == EINTR)
				continue;
			log_warning("wait for the container to be ready: %s", err_strerror(errno));
			break;
		}
		if (notify_take_ready(n)) {
			send_ready(n, main_pid);
			wait_until_seen(n);
			break;
		}
		/* What it sent before its end has been read. */
		if (p[1].revents && !(p[0].revents & POLLIN))
			break;
	}
	notify_close(n);
}
