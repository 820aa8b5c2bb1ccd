/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime's own binary (CVE-2019-5736): a process of a container that gets hold of
 * /proc/PID/exe of the runtime must not be able to write the host's file. The running program is
 * exchanged for a read-only detached clone of its file; where that cannot be done, owns the one re-exec
 * of the program from the clone, or from a sealed memfd.
 */
#pragma once

#include "common/err.h"

/* Called first thing by main for commands with protect_binary set, before anything hostile is read
 * and while the process has one thread. Returns 0 if the running binary cannot be written through
 * /proc/self/exe already or now; else executes it anew with the same argv and environment and does
 * not return; or an error. */
MUST_CHECK int protect_binary(char *const argv[], struct err *err);

/* Closes the descriptor of the clone, which the program no longer needs. The last close of a detached
 * mount waits for a grace period of RCU: so not where somebody waits for us. */
void protect_done(void);
