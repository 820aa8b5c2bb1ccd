/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bounded queue between the loop and the log's worker: entries in blocks of memory that come
 * with need and go when the worker is idle. No locks here: log.c holds one around each call.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "shim/log.h"

enum log_entry_kind { LOG_ENTRY_DATA, LOG_ENTRY_EOF, LOG_ENTRY_FLUSH, LOG_ENTRY_REOPEN };

struct log_request; /* of log.c: who asked for a flush or reopen */

struct log_entry {
	uint32_t len; /* bytes in data */
	uint8_t kind, stream;
	struct timespec when;
	struct log_request *request;
	char data[];
};

struct log_block {
	struct log_block *next;
	size_t used, cap, payload;
	char data[] __attribute__((aligned(16)));
};

struct log_queue {
	struct log_block *head, *tail;
	struct log_block *spare; /* large blocks, kept while there is much to do */
	size_t payload;          /* bytes of DATA in blocks not given to log_queue_free_block */
};

/* Appends; returns how many of n were taken (all, unless memory is short). */
size_t log_queue_put(struct log_queue *q, const struct log_entry *head, const char *data, size_t n);
/* Takes the whole chain of blocks. */
struct log_block *log_queue_take(struct log_queue *q);
/* Iterates: *pos starts at 0; NULL at the end. */
struct log_entry *log_block_next(struct log_block *block, size_t *pos);
void log_queue_free_block(struct log_queue *q, struct log_block *block);
/* Gives the spare memory back. */
void log_queue_trim(struct log_queue *q);
void log_queue_done(struct log_queue *q);
