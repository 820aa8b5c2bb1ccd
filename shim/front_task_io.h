/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The standard streams of one process as containerd's clients name them: the record shared by
 * front_task_io.c (in the loop), front_task_open.c (opening, which may sleep), front_task_out.c (one
 * output) and front_task_watch.c (readers that are away).
 */
#pragma once

#include "shim/front_spool.h"
#include "shim/front_task_private.h"

struct front_io_out {
	struct front_io *io;
	int fd;              /* non-blocking; -EBADF: none, or all has been handed over */
	unsigned int n_open; /* streams of the process that still write here */
	bool fifo;
	bool away; /* a fifo that nobody reads: output is spooled */
	bool said; /* that output is dropped */
	/* After the end: a read end of our own, so that what the reader has not taken yet is not
	 * lost with it. */
	int keep;
	struct ev_source *source; /* waits for room */
	struct front_spool spool;
	uint64_t passed, dropped; /* bytes */
	/* front_task_watch.c's */
	struct front_io_out *next_watched;
	bool watched;
	int watch; /* inotify's number, or -1 */
	uint32_t poked;
};

struct front_io {
	struct front *front;
	struct task_proc *proc;
	char *id, *dir;
	bool terminal, drops;
	struct front_io_out out[LOG_STREAM_N];
	struct front_io_out *to[LOG_STREAM_N]; /* both may go to one */
	int in_fd, in_keep;                    /* keep: our own write end, until CloseIO */
	struct ev_source *in_source;
	int logger; /* pidfd of a logging program; -EBADF: none */
};

/* ---- front_task_out.c: one output; all in the loop ---- */

/* Takes bytes; fewer than n: no more until stdio_log_room, which is called from the loop. */
size_t front_out_put(struct front_io_out *o, const char *data, size_t n);
/* A stream that goes here has ended. */
void front_out_end(struct front_io_out *o);
/* A reader is there and has not got everything yet. */
bool front_out_is_busy(const struct front_io_out *o);
/* Somebody may have come (0), or has opened or closed the fifo (IN_*). */
void front_out_look(struct front_io_out *o, uint32_t what);
void front_out_free(struct front_io_out *o);

/* ---- front_task_watch.c ---- */

/* front_out_look is called for each IN_OPEN and IN_CLOSE of the fifo behind fd, and by
 * front_watch_kick. Without inotify (its instances are few) only by the latter. */
void front_watch_add(struct front_io_out *o, int fd);
void front_watch_remove(struct front_io_out *o);
