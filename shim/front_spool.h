/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that wait for an absent reader: a ring in a file that has no name, made in a given directory
 * at first need and given back when it is empty. Bounded; knows neither fifos nor the loop.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "common/macros.h"

struct front_spool {
	const char *dir; /* the owner's */
	size_t max;      /* 0: it takes nothing */
	size_t at, len;  /* the first byte's place in the ring, and how many there are */
	int fd;          /* -EBADF: no file */
};

void front_spool_init(struct front_spool *s, const char *dir, size_t max);
/* Takes as much as there is room for, in order. Fewer than n: it is full, or (warned of) the disk
 * is. */
size_t front_spool_put(struct front_spool *s, const char *data, size_t n);
/* Copies the oldest bytes without taking them out. Their number, or -errno. */
MUST_CHECK ssize_t front_spool_peek(const struct front_spool *s, char *buf, size_t size);
/* The n oldest bytes have gone to the reader; an empty spool gives its file back. */
void front_spool_drop(struct front_spool *s, size_t n);
void front_spool_done(struct front_spool *s);
