/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime as the container's front: forwards signals, copies stdio through pipes or the
 * terminal, follows window sizes, and waits for the process. Owns the caller's terminal mode and
 * restores it on every way out.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>

#include "common/err.h"
#include "runtime/notify.h"
#include "runtime/spawn.h"
#include "runtime/tty.h"

struct foreground {
	struct tty_host host;
	sigset_t old_mask;
	bool blocked;
};
#define FOREGROUND_INIT                                                                            \
	{                                                                                          \
		.host = TTY_HOST_INIT                                                              \
	}

/* Before the clone: blocks what will be forwarded, so that no signal is lost, and becomes the
 * subreaper if asked. */
MUST_CHECK int foreground_begin(struct foreground *fg, bool subreaper, struct err *err);

struct foreground_io {
	int stdio[3];          /* parent's ends of the pipes; -EBADF: none; closed here */
	int tty_master;        /* -EBADF: none; closed here */
	struct notify *notify; /* NULL, or relayed until the container is ready */
	bool reap_all;         /* subreaper: orphans are reaped too */
};
/* Until the process ends and its output is copied. Exit status 0..255, or -errno. */
MUST_CHECK int foreground_run(struct foreground *fg, struct spawned *child,
			      struct foreground_io *io, struct err *err);
void foreground_end(struct foreground *fg);
