/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the bytes of a stream to whole records of a format, without I/O: line splitting, 16 KiB
 * pieces, the time of each record, and the batch in which records wait for one write. Used by the
 * log's worker thread only. Never touches a file; a record has no \n but its last byte.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "shim/log.h"

#define LOG_PIECE_MAX 16384u /* bytes of a line in one record */
#define LOG_TIME_MAX 36

/* Where a record ends in the batch, and how many bytes of the container it carries. */
struct log_mark {
	uint32_t end, bytes;
};

/* Memory is the caller's. cap must have room for the largest record (LOG_RECORD_MAX). */
struct log_batch {
	char *buf;
	size_t len, cap;
	struct log_mark *marks;
	size_t n_marks, max_marks;
	bool marker; /* the first record tells a loss: it stays in the file only with its chunk */
};

#define LOG_RECORD_MAX (6u * LOG_PIECE_MAX + 128u)

struct log_record {
	enum log_stream stream;
	const char *text; /* without the line's \n */
	size_t len;
	bool full; /* the line ends with this record */
	const char *time;
	size_t time_len;
};

/* What differs between the formats. */
struct log_format_ops {
	/* Writes the record with its final \n, at most expand * len + overhead bytes. */
	size_t (*record)(char *out, const struct log_record *record);
	size_t expand, overhead;
	bool trim_zeros; /* of the fraction of the second */
	bool first_time; /* all pieces of a line carry the first one's time */
	/* 1: a piece of exactly LOG_PIECE_MAX is held until it is known whether \n follows. */
	size_t look_ahead;
	bool keep_utf8; /* a piece does not end inside a UTF-8 sequence */
};
extern const struct log_format_ops log_json_ops, log_cri_ops;

/* A line whose end has not been seen. */
struct log_pending {
	char *data;
	size_t len, cap;
	bool continued;              /* earlier pieces of this line are out */
	struct timespec first, last; /* time of the first piece; of the bytes held */
};

struct log_framer {
	const struct log_format_ops *ops;
	struct log_pending pending[LOG_STREAM_N];
	int64_t second; /* cached below; starts unset */
	bool second_valid;
	char second_text[20];
	bool local_time; /* local, with a numeric zone (also for UTC); set after init */
	char zone[7];
};

void log_framer_init(struct log_framer *f, enum log_format format);
void log_framer_done(struct log_framer *f);
/* Gives back the memory of lines that are not held. */
void log_framer_trim(struct log_framer *f);

/* Returns the bytes consumed; fewer than n: the batch is full, write it out and call again. When
 * memory is short a held line goes out early as a piece; nothing is lost. */
size_t log_frame_put(struct log_framer *f, struct log_batch *batch, enum log_stream stream,
		     const char *data, size_t n, const struct timespec *when);
/* Writes out what is held of an unfinished line, which goes on. False: the batch is full. */
bool log_frame_flush(struct log_framer *f, struct log_batch *batch, enum log_stream stream);
/* Writes out an unfinished line. False: the batch is full. */
bool log_frame_eof(struct log_framer *f, struct log_batch *batch, enum log_stream stream);
/* The record that tells a loss, first in an empty batch. */
void log_frame_marker(struct log_framer *f, struct log_batch *batch, uint64_t lost,
		      const char *reason);

/* Length of the valid sequence above ASCII at s (left >= 1 bytes), 0 if it is not one. As Go: no
 * surrogates, nothing overlong, nothing above U+10FFFF. */
size_t log_utf8_length(const unsigned char *s, size_t left);

/* RFC 3339, in UTC with "Z" unless local_time is set; returns the length. buf: LOG_TIME_MAX. */
size_t log_frame_time(struct log_framer *f, const struct timespec *when, char *buf);
