/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of a container's log: whole records in, appended by one write a batch; repair of a torn
 * tail, roll-back of a short write, reopen, rotation by size. Everything here may sleep on a disk:
 * worker thread only. Knows nothing of formats but that each record ends with its only \n.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"
#include "shim/log_frame.h"

struct log_file {
	char *path;
	int fd;
	dev_t dev;
	ino_t ino;
	bool regular; /* else (fifo, terminal, /dev/null): no repair, roll-back, reopen, rotation */
	off_t end;    /* where our last write left the end of the file */
	bool torn;    /* the file ends inside a record that could not be taken back */
	uint64_t size_max;
	unsigned int files_max;
	bool keep_newest; /* above size_max: the newest lines stay, in a new file of that name */
};

/* A new file in the place of PATH with the newest whole lines of old_fd's, at most `keep` bytes of
 * them. Returns its descriptor, opened as the log is, or -errno (then nothing has changed). */
MUST_CHECK int log_keep_newest(const char *path, int old_fd, uint64_t keep);

/* Opens for appending, made (0640, parents 0755) where missing, never truncated but for the torn
 * last record. An error names the path. On failure nothing is left to close. */
MUST_CHECK int log_file_open(struct log_file *file, const struct log_writer_config *config,
			     struct err *err);
void log_file_close(struct log_file *file);

/* Appends the batch's records, rotating between them where size_max asks for it. Returns how many
 * were written whole; fewer than all: *ret_errno says why, and the file ends after a whole record
 * (or the next write starts a new line, if somebody else changed the file meanwhile). */
size_t log_file_write(struct log_file *file, const struct log_batch *batch, int *ret_errno);

/* All later records go to a new file at the path. Where the path still names our file, that one
 * goes on, renamed away and back so that watchers of the directory see the name appear. 0 or
 * -errno; then the old file stays in use. */
MUST_CHECK int log_file_reopen(struct log_file *file);

/* fdatasync. 0 or -errno. */
MUST_CHECK int log_file_flush(struct log_file *file);
