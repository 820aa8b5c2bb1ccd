/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading log records back: one line of either format in, stream, time, text and whether the line
 * goes on out. Pure and bounded; the input may be anything. The text of a JSON record is unescaped
 * in place.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "shim/log.h"

struct log_line {
	enum log_stream stream;
	const char *time; /* as it was written */
	size_t time_len;
	char *text; /* without the line's \n; may hold any byte */
	size_t len;
	bool full; /* the line ends here */
};

/* Which format a file's first line has. False: neither. */
bool log_read_format(const char *line, size_t n, enum log_format *ret);

/* Parses line[0..n) (without its \n). False: not a record, to be skipped. What *ret points to lies in
 * `line`, which is changed. */
bool log_read_line(enum log_format format, char *line, size_t n, struct log_line *ret);
