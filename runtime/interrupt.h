/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What SIGTERM, SIGINT and SIGHUP do while a container is being made: they are not our death in the
 * middle of a step but a reason to fail, so that everything done so far is undone. Owns their mask
 * from interrupt_begin to interrupt_end; never forwards them (see foreground.h).
 */
#pragma once

#include "common/err.h"

/* Parent. Blocks those of the three that are not ignored and returns a signalfd that shows them
 * (close-on-exec), or -EBADF: then they kill as ever. */
int interrupt_begin(void);
/* 0, or -EINTR with `interrupted by SIGTERM` if one is pending; it stays pending. fd < 0: 0. */
MUST_CHECK int interrupt_check(int fd, struct err *err);
/* Waits until `other` can be read or has ended (0), or as interrupt_check. */
MUST_CHECK int interrupt_wait(int fd, int other, struct err *err);
/* Closes *fd and lets them kill again. */
void interrupt_end(int *fd);
