/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ownership of descriptors. Every descriptor is close-on-exec from birth and, once past start-up,
 * above 2. close() is never retried.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "common/macros.h"

/* Closes fd if >= 0; keeps errno. Returns -EBADF, so `fd = fd_close(fd)` forgets it. */
int fd_close(int fd);

static inline void cleanup_fd_p(int *fd)
{
	fd_close(*fd);
}

/* Starts at -EBADF: `CLEANUP_FD int fd = -EBADF;` */
#define CLEANUP_FD CLEANUP(cleanup_fd_p)

/* Hands the descriptor over: the variable is -EBADF afterwards. */
int fd_take(int *fd);

/* open(2) with O_CLOEXEC, result >= 3. -errno on failure. */
MUST_CHECK int fd_open(const char *path, int flags, mode_t mode);
MUST_CHECK int fd_openat(int dirfd, const char *path, int flags, mode_t mode);

/* Makes sure fds 0, 1, 2 exist (on /dev/null), to be called first in main. */
MUST_CHECK int fd_fix_stdio(void);

MUST_CHECK int fd_cloexec(int fd, bool on);
MUST_CHECK int fd_nonblock(int fd, bool on);

/* Duplicate, close-on-exec, >= 3. */
MUST_CHECK int fd_dup(int fd);

/* Marks every fd >= first close-on-exec (close_range, else /proc/self/fd). For children. */
MUST_CHECK int fd_cloexec_from(int first);

/* Closes every fd >= first except those in `keep` (n entries, any order). */
MUST_CHECK int fd_close_from(int first, const int *keep, size_t n);

/* "/proc/self/fd/N" for the few calls that take no descriptor. */
struct fd_path {
	char s[32];
};
struct fd_path fd_path(int fd);
