/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pumps of one process: its stdout and stderr pipes, or its pty, into the log and to attached
 * clients; its input. Bounded and non-blocking; where the log is full reading stops until it has
 * room. Owns the descriptors; knows neither states nor formats.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/ev.h"
#include "shim/attach.h"
#include "shim/log.h"

struct stdio;

/* Where output goes instead of a log, and what input comes from, if that is not attached clients.
 * The sink is the stdio's from stdio_new on. */
struct stdio_sink {
	/* Takes bytes; fewer than n: no more until stdio_log_room. */
	size_t (*put)(void *user, enum log_stream stream, const char *data, size_t n);
	void (*eof)(void *user, enum log_stream stream); /* every writer has closed it */
	void (*input_room)(void *user);                  /* stdio_input may go on; may be NULL */
	void (*free)(void *user);
	void *user;
	/* What was handed on, and what was thrown away; may be NULL. */
	void (*counts)(void *user, struct log_counts *ret);
	/* A busy stream may be read in larger pieces, with pauses; NULL: never. */
	bool (*may_rest)(void *user);
};

struct stdio_config {
	struct ev *ev;
	bool terminal;
	bool in, out, err;      /* else /dev/null; terminal: in says whether input is passed on */
	struct log_writer *log; /* NULL: none */
	const struct stdio_sink *sink; /* NULL: none; copied */
	bool lossless; /* output waits for attached clients; else they are skipped */
	/* Keeps what comes on stderr (at most STDIO_CAPTURE_MAX) until stdio_capture_end: it may be
	 * the runtime telling why it could not create the container. */
	bool capture;
	/* After stdio_process_exited: all that the process wrote is with the log and the clients. */
	void (*drained)(void *user);
	void *user;
};

#define STDIO_CAPTURE_MAX 4096

MUST_CHECK int stdio_new(const struct stdio_config *config, struct stdio **ret, struct err *err);
void stdio_free(struct stdio *s); /* NULL is fine */

/* The child's ends for the runtime: fd or -EBADF (/dev/null) for 0, 1, 2. A terminal has none. */
int stdio_child_fd(const struct stdio *s, int n);
/* Closes them here; after the runtime was spawned. */
void stdio_close_child(struct stdio *s);

/* The terminal has come: pumps start. The slave is kept until stdio_process_exited. */
void stdio_master_consume(struct stdio *s, int master);
bool stdio_has_master(const struct stdio *s);

/* Ends capturing: what was kept goes the way of all output (true), or only stays to be read
 * (false), after what is in the pipe now has been added. */
void stdio_capture_end(struct stdio *s, bool pass_on);
const char *stdio_captured(const struct stdio *s); /* one line; "" if nothing */

/* The process has been reaped. Reads what it wrote: until EAGAIN or end of file, at most what a
 * pipe holds, so that a grandchild cannot make it last. Then `drained` is called, at once (from
 * here) or later. Pumps go on for grandchildren until stdio_free. */
void stdio_process_exited(struct stdio *s);
/* The exit is due although not all of it could be handed over: clients get their end of file. */
void stdio_drain_timeout(struct stdio *s);

/* The log, or the sink, has room again. */
void stdio_log_room(struct stdio *s);

/* Input for the process; eof: no more will come. */
void stdio_input(struct stdio *s, const void *data, size_t n, bool eof);
bool stdio_input_full(struct stdio *s); /* until the sink's input_room */
/* Every writer of the process's output has closed it, and all of it has been handed on. */
bool stdio_is_over(const struct stdio *s);

/* Of the log, or of the sink. */
struct log_counts stdio_counts(const struct stdio *s);

struct attach_hub *stdio_hub(struct stdio *s);
MUST_CHECK int stdio_resize(struct stdio *s, uint32_t width, uint32_t height); /* no tty: 0 */
void stdio_close_input(struct stdio *s); /* once what waits has been written */
