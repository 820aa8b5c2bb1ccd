/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The proxy of sd_notify: a socket in the state directory that is mounted into the container, and the
 * service manager's, which the container never sees. Only "READY=1" passes, with the pid that the
 * service manager is to follow: what a container says of its host's processes (MAINPID, FDSTORE,
 * BARRIER) is not believed.
 */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "common/err.h"

/* Directory in the state directory, and where the container finds it. */
#define NOTIFY_DIR "notify"
#define NOTIFY_NAME "notify.sock"
#define NOTIFY_INSIDE "/run/notify"

struct notify {
	int fd; /* -EBADF: there is nothing to relay */
	struct sockaddr_un host;
	socklen_t host_len;
};
#define NOTIFY_INIT                                                                                \
	{                                                                                          \
		.fd = -EBADF                                                                       \
	}

/* Is this value of NOTIFY_SOCKET one that we can send to: a path or an abstract name ("@...")? */
bool notify_is_usable(const char *socket);

/* create, run: the directory that is mounted. */
MUST_CHECK int notify_make_dir(int state_fd, struct err *err);
/* Before the program starts: listens, if the container was made with the directory. Replaces what a
 * start that was killed left. */
MUST_CHECK int notify_listen(int state_fd, const char *host, struct notify *ret, struct err *err);
/* Waits until the container is ready or has ended, tells the service manager, waits (30 s at most)
 * until that has seen it, and ends the relay. Failures are warnings: the container runs. */
void notify_wait(struct notify *n, pid_t main_pid, int init_pidfd);
/* Reads a datagram, if there is one: true if it is the news. Then notify_tell, which ends the relay. */
MUST_CHECK bool notify_take_ready(struct notify *n);
void notify_tell(struct notify *n, pid_t main_pid);
void notify_close(struct notify *n);

/* True if a line of the datagram is READY=1. Pure. */
bool notify_is_ready(const char *data, size_t n);
