/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes protobuf fields one after another into a buffer of the caller's, for messages that are
 * tables of numbers. Never allocates; what does not fit is told by `overflow`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pbw {
	uint8_t *data;
	size_t len, cap;
	bool overflow;
};

void pbw_u64(struct pbw *w, unsigned int field, uint64_t v); /* 0 is not written */
void pbw_double(struct pbw *w, unsigned int field, double v);
void pbw_string(struct pbw *w, unsigned int field, const char *s); /* "" is not written */
/* A message within: what is written between the two calls. */
size_t pbw_begin(struct pbw *w, unsigned int field);
void pbw_end(struct pbw *w, size_t begun);
