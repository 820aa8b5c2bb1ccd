/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only place that resolves paths below a root that somebody else controls. Everything returns
 * an O_PATH (or better) descriptor resolved with openat2(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
 * where openat2 is missing, a component-by-component O_PATH|O_NOFOLLOW walk gives the same answer.
 * Callers act on the descriptor. No allocation: all of it may run in the init child.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

/* Opens `path` below root_fd (absolute and ".." stay inside). flags as open(2), O_CLOEXEC is added.
 * -errno: ENOENT, ENOTDIR, ELOOP, ... */
MUST_CHECK int path_open_in_root(int root_fd, const char *path, int flags);

/* As above with extra RESOLVE_* bits, e.g. RESOLVE_NO_SYMLINKS for /proc and /sys. */
MUST_CHECK int path_open_in_root_how(int root_fd, const char *path, int flags, uint64_t resolve);

/* Opens the directory, creating what is missing (each component by mkdirat on its parent's fd,
 * which was itself resolved in the root; symlinks in the existing part are followed inside). */
MUST_CHECK int path_mkdirs_in_root(int root_fd, const char *path, mode_t mode);

/* Opens (O_PATH) the file, creating it empty, and its parent directories, if missing. */
MUST_CHECK int path_create_file_in_root(int root_fd, const char *path, mode_t mode);

/* Opens the parent directory of `path` (created if missing) and returns the last component through
 * ret_base (points into path). -EINVAL for "/" and for a last component of "..". */
MUST_CHECK int path_open_parent_in_root(int root_fd, const char *path, bool create,
					const char **ret_base, char *base_buf, size_t base_size);

/* The absolute path the descriptor stands for (readlink of /proc/self/fd/N). Length or -errno. */
MUST_CHECK int path_of_fd(int fd, char *buf, size_t size);

/* The file system's magic number of what the descriptor stands for, 0 on error (then errno). */
uint32_t path_fs_magic(int fd);

/* True if fd is a directory, or a character device with that number. */
bool path_is_dir(int fd);
bool path_is_chrdev(int fd, unsigned int major, unsigned int minor);

/* Lexically cleans an absolute path ("//", ".", "..") into buf. -ENAMETOOLONG. */
MUST_CHECK int path_clean(const char *path, char *buf, size_t size);
