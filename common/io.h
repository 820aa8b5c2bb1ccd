/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole reads and writes, and files that are replaced atomically. Blocking descriptors only.
 */
#pragma once

#include <sys/types.h>

#include "common/arena.h"
#include "common/err.h"

/* Writes all n bytes, retrying EINTR and short writes. 0 or -errno. */
MUST_CHECK int io_write_all(int fd, const void *data, size_t n);

/* Reads exactly n bytes. 0, -errno, or -ENODATA at an early end of file. */
MUST_CHECK int io_read_exact(int fd, void *data, size_t n);

/* Reads a whole file of at most `limit` bytes into the arena, NUL-terminated; *ret_len without the
 * NUL. -EFBIG above the limit. dirfd/path as openat. */
MUST_CHECK int io_read_file(int dirfd, const char *path, size_t limit, struct arena *arena,
			    char **ret_data, size_t *ret_len);
MUST_CHECK int io_read_fd(int fd, size_t limit, struct arena *arena, char **ret_data,
			  size_t *ret_len);

/* Small kernel files (/proc, /sys, cgroups): reads at most size-1 bytes, strips trailing newlines.
 * Returns the length or -errno. No allocation. */
MUST_CHECK int io_read_small(int dirfd, const char *path, char *buf, size_t size);

/* One write(2) of the whole text to an existing kernel file, O_WRONLY|O_CLOEXEC. 0 or -errno. */
MUST_CHECK int io_write_small(int dirfd, const char *path, const char *text);

/* Writes path.tmp-<pid> beside `path`, then renames over it. No fsync: state lives on tmpfs; with
 * `sync` true the file is fsynced first. */
MUST_CHECK int io_replace_file(int dirfd, const char *path, const void *data, size_t n,
			       mode_t mode);
MUST_CHECK int io_replace_file_sync(int dirfd, const char *path, const void *data, size_t n,
				    mode_t mode);
