/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a log that may be written, rotated and truncated meanwhile: one file as whole lines, the
 * place where its last lines begin, and which file comes after it. Client side only; never writes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"
#include "shim/log_read.h"

#define LOG_ROTATED_MAX 10000u

struct log_reader {
	int fd;
	dev_t dev;
	ino_t ino;
	off_t next; /* where to read on */
	bool format_known;
	enum log_format format;
	char *buf;
	size_t len, off, cap; /* of buf: bytes read, bytes handed out, size */
	bool skip;            /* inside a line that is too long for a record */
};

struct log_filter {
	bool streams[LOG_STREAM_N];
};

/* PATH, or PATH.N for n > 0. 0, -ENOENT, -errno. */
MUST_CHECK int log_reader_open(struct log_reader *reader, const char *path, unsigned int n);
void log_reader_close(struct log_reader *reader);

/* The next record that passes the filter; lines that are no records are skipped, a line without its
 * \n is not there yet. 1, 0: none (any more), -errno. Valid until the next call. */
MUST_CHECK int log_reader_next(struct log_reader *reader, const struct log_filter *filter,
			       struct log_line *ret);

/* Moves to where the last `want` lines of the container begin; returns how many lines there are
 * from there to the end (fewer: the file has no more). -errno. */
MUST_CHECK int64_t log_reader_tail(struct log_reader *reader, const struct log_filter *filter,
				   uint64_t want);

/* The file that goes on where `reader` ends: rotated ones first. 1: opened, 0: there is none, the
 * reader's file is still the log (or nothing has that name just now), -errno. */
MUST_CHECK int log_reader_successor(const struct log_reader *reader, const char *path,
				    struct log_reader *ret);
