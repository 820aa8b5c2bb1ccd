/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The standard streams of one process as containerd's clients name them: the record shared by
 * front_task_io.c (in the loop) and front_task_open.c (opening, which may sleep).
 */
#pragma once

#include "shim/front_task_private.h"

struct front_io_out {
	struct front_io *io;
	int fd;   /* non-blocking; -EBADF: none, or ended */
	int keep; /* our own read end of a fifo: a client that goes and comes back loses nothing */
	struct ev_source *source;
};

struct front_io {
	struct front *front;
	struct task_proc *proc;
	char *id;
	bool terminal;
	struct front_io_out out[LOG_STREAM_N];
	int in_fd, in_keep; /* keep: our own write end, until CloseIO */
	struct ev_source *in_source;
	int logger; /* pidfd of a logging program; -EBADF: none */
};
