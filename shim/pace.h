/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The read buffer and the pace of one pump. A quiet stream costs 64 bytes and is read at once. A busy
 * one (it fills its pipe, or wakes us thousands of times a second) gets a larger pipe, a larger buffer
 * and a pause after each read (4 ms at most, as long as the pipe needs to fill well), so that each wake-up, each
 * hand-over to the log's worker and each write to the file is of many bytes. After a second that was
 * not busy all is given back.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/ev.h"

#define PACE_CHUNK (16u << 10) /* of one read */

struct pace {
	struct ev *ev;
	struct ev_timer *quiet;
	char *buf; /* `small` while there is nothing to read */
	size_t size;
	bool busy, was_busy; /* now; since the timer was set */
	int fd;              /* whose pipe was made larger, -EBADF: none */
	size_t pipe;         /* its capacity, while busy */
	uint64_t rest;       /* ns, while busy */
	unsigned int turns;  /* since `since` (ns) */
	uint64_t since;
	char small[64]; /* with no memory to be had, output still flows */
};

void pace_init(struct pace *p, struct ev *ev);
void pace_free(struct pace *p); /* before the descriptor is closed, and again is fine */

/* Memory to read into; before a read into an empty buffer. */
void pace_get(struct pace *p);
/* Nothing is left in the buffer. */
void pace_put(struct pace *p);

/* As read(2) into the buffer, but a busy stream's is filled as far as that goes without waiting. */
ssize_t pace_read(struct pace *p, int fd);

/* A wake-up has read n bytes. Returns for how many nanoseconds not to read again, 0: at once. */
uint64_t pace_turn(struct pace *p, int fd, size_t n);
