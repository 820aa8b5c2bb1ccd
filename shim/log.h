/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's log: bytes of a stream in, records of a format out, written by one worker thread
 * behind a bounded queue, so that the loop never sleeps on a disk. Files: log.c (queue, worker),
 * log_frame.c (pure: lines, partials, limits), log_json.c and log_cri.c (pure: record formats),
 * log_file.c (open, tail repair, one writev a batch, roll-back, reopen, rotation).
 *
 * The promise: a record is whole or not there; what could not be written is counted, and told by one
 * marker record when writing works again; nothing here delays the exit of a container.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "common/err.h"
#include "common/ev.h"

enum log_stream { LOG_STDOUT, LOG_STDERR, LOG_STREAM_N };
enum log_format { LOG_FORMAT_JSON, LOG_FORMAT_CRI };

struct log_writer_config {
	const char *path; /* parents are made (0755), file 0640 */
	enum log_format format;
	uint64_t size_max;      /* bytes, 0: no rotation */
	unsigned int files_max; /* files in all, PATH and PATH.1 ...; 0: as many as it takes */
	bool markers;     /* tell losses by a record (own personality); conmon's logs get none */
	bool keep_newest; /* above size_max the file keeps its newest lines and there is no PATH.1 */
	bool no_sync;     /* log_writer_flush leaves the bytes with the kernel */
	bool local_time;  /* times are local, with a numeric zone, as conmon's */
	/* CRI: a line that gets no end for so long is logged as far as it goes (P), a prompt say; 0: it
	 * is held until its end, 16 KiB or the end of the stream. */
	unsigned int partial_ms;
	size_t queue_max; /* bytes waiting for the disk before the reader is stopped; 0: 1 MiB */
};

struct log_counts {
	uint64_t bytes_logged, bytes_dropped; /* container bytes, not record bytes */
	uint64_t bytes_pending;               /* taken, neither written nor dropped so far */
	char drop_reason[96];                 /* of the first loss, "" if none */
};

struct log_writer;

/* Opens the file at once (errors name it), repairs a torn tail; the worker starts at first need.
 * on_room runs in the loop when a put that was refused may be tried again. */
MUST_CHECK int log_writer_new(struct ev *ev, const struct log_writer_config *config,
			      void (*on_room)(void *user), void *user, struct log_writer **ret,
			      struct err *err);

/* Takes bytes of one read(2) made at `when` (CLOCK_REALTIME). Returns how many were taken: fewer
 * than n means the queue is full: stop reading that stream until on_room. Never blocks. */
size_t log_writer_put(struct log_writer *w, enum log_stream stream, const char *data, size_t n,
		      const struct timespec *when);

/* The stream has ended: an unfinished line is written out (JSON: without \n; CRI: P, as cri-logs). */
void log_writer_eof(struct log_writer *w, enum log_stream stream);

/* Asynchronous; done(user, 0 or -errno) runs in the loop once all bytes put before have been
 * written (flush), or all later ones go to a new file (reopen). */
void log_writer_flush(struct log_writer *w, void (*done)(void *user, int result), void *user);
void log_writer_reopen(struct log_writer *w, void (*done)(void *user, int result), void *user);

struct log_counts log_writer_counts(const struct log_writer *w);
/* Ends both streams, gives the worker at most timeout_ms to finish, frees. Bytes that it has not
 * written by then may be lost: counts().bytes_pending, read before, tells how many are waiting. A
 * process that writes with RLIMIT_FSIZE set has to ignore or block SIGXFSZ. */
void log_writer_free(struct log_writer *w, unsigned int timeout_ms);
