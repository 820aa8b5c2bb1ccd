/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What init asks the container's file system about the program it will become: the home directory
 * in passwd, and the executable in PATH. Runs inside, after the pivot, as the user; bounded, and
 * without any C library look-up (no NSS: CVE-2019-14271). Allocates nothing.
 */
#pragma once

#include <sys/types.h>

#include "common/err.h"

/* Writes "HOME=<directory>" into buf: from /etc/passwd's entry of that uid, "/" if there is none. */
MUST_CHECK int program_home(uid_t uid, char *buf, size_t size, struct err *err);

/* Finds `name` as execvp would, in `path` ("" and relative entries are refused as Go's LookPath
 * does; NULL: not set), and says why not in the words callers match. */
MUST_CHECK int program_find(const char *name, const char *path, char *buf, size_t size,
			    struct err *err);

/* The home directory of `uid` in passwd text read through `next` (one read(2)-like call); exported
 * for its test. Returns 1 with buf filled, 0 if there is no such entry. */
MUST_CHECK int program_passwd_home(int fd, uid_t uid, char *buf, size_t size);
