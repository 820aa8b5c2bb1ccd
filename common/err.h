/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The error object: fixed size, no malloc, safe in a forked child, and small enough to travel whole
 * in one SOCK_SEQPACKET packet. It is filled where the failure is known, wrapped on the way up, and
 * printed once by the outermost layer. Texts are lower case, name the object in quotes, have no
 * final stop and no "failed to". A message that does not fit ends in "...".
 */
#pragma once

#include "common/macros.h"

struct err {
	int code;      /* a positive errno value; 0: no error recorded */
	char step[40]; /* step of a step table that failed, "" if none */
	char msg[1900];
};

/* Records `code` (positive errno) and the formatted text. Returns -code. Null `err` is allowed. */
int err_set(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* As err_set with code = errno, and appends ": <strerror(errno)>" (lower case first letter, as Go). */
int err_sys(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* As err_sys with the errno given; `code` may be negative (-errno) or positive. */
int err_sysn(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts "<text>: " in front of the message. Returns -err->code, so `return err_wrap(...)` works. */
int err_wrap(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Text of an errno value as callers match it ("no such file or directory"): lower case first
 * letter, never allocates, safe after fork. */
const char *err_strerror(int code);
