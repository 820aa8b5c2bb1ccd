/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local sockets: pairs, path sockets whose path may be longer than sun_path (through a directory
 * fd), descriptors in SCM_RIGHTS, peer credentials.
 */
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include "common/err.h"

/* SOCK_SEQPACKET | SOCK_CLOEXEC pair. */
MUST_CHECK int sock_pair(int ret_fds[2]);

/* Connects to / listens on a path of any length up to PATH_MAX. listen: removes a stale socket
 * first, mode 0600, backlog 128. Returns the fd. */
MUST_CHECK int sock_connect(const char *path, int type, struct err *err);
MUST_CHECK int sock_listen(const char *path, int type, struct err *err);

/* One message with at most n_fds descriptors. EINTR retried. Returns bytes or -errno. */
MUST_CHECK ssize_t sock_send(int fd, const void *data, size_t n, const int *fds, size_t n_fds);
/* Received descriptors are close-on-exec and >= 3; *n_fds in: room, out: number received. Extra
 * ones are closed and -EMSGSIZE is returned. 0 means end of file. */
MUST_CHECK ssize_t sock_recv(int fd, void *data, size_t n, int *fds, size_t *n_fds);

MUST_CHECK int sock_peer(int fd, struct ucred *ret);
