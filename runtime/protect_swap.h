/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exchanging the file that the running program is mapped from, without another execve.
 */
#pragma once

#include "common/err.h"

/* Maps the program's segments anew from `fd` (the same file, opened by another mount) and makes it
 * /proc/self/exe. For a process with one thread. 0, -EXDEV if it is another file, or -errno: then the
 * process runs on as before, and the caller executes it anew instead. */
MUST_CHECK int protect_swap(int fd);
