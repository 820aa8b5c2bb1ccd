/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A counted string builder and the checked number parsers. A builder either owns growing heap
 * memory or writes into a fixed buffer (then it never allocates, and `overflow` tells). Formatting
 * for hostile bytes (quoting, escaping) lives here too.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/macros.h"

struct str {
	char *data; /* NUL-terminated whenever non-NULL */
	size_t len, cap;
	bool fixed, overflow;
};

#define STR_FIXED(buf) ((struct str){ .data = (buf), .cap = sizeof(buf), .fixed = true })

void str_done(struct str *s);
void str_reset(struct str *s); /* empty, memory kept */
void str_add(struct str *s, const char *text);
void str_add_n(struct str *s, const char *data, size_t n);
void str_add_char(struct str *s, char c);
void str_addf(struct str *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Go %q quoting, as runc's text log uses for msg. */
void str_add_quoted(struct str *s, const char *text);
/* Hands the heap buffer over ("" if empty); the builder is empty afterwards. Caller frees. */
char *str_take(struct str *s);
#define CLEANUP_STR CLEANUP(str_done)

/* Decodes one UTF-8 character of at most n bytes strictly (no overlong forms, no surrogates).
 * Returns its length, 0 if the bytes are not valid or n is 0. */
size_t utf8_decode(const char *data, size_t n, uint32_t *ret_rune);

/* "YYYY-MM-DDTHH:MM:SS" of seconds since 1970, UTC; the year is kept within four digits. Not gmtime_r:
 * that takes the lock of the time zone, which a forked child may find held, and reads its file. */
#define STR_SECOND_SIZE 20
void str_format_second(int64_t second, char ret[STR_SECOND_SIZE]);

/* Checked parsers: whole string, no sign for unsigned, no leading blanks. 0 or -EINVAL, -ERANGE. */
MUST_CHECK int parse_u64(const char *s, int base, uint64_t *ret);
MUST_CHECK int parse_i64(const char *s, int base, int64_t *ret);
MUST_CHECK int parse_u32(const char *s, int base, uint32_t *ret);
MUST_CHECK int parse_int(const char *s, int *ret);

/* Signal number from "15", "TERM", "SIGTERM", any case, RTMIN+n not known. -EINVAL if unknown. */
MUST_CHECK int parse_signal(const char *s);
/* "SIGTERM", or "signal N" through the caller's buffer for numbers without a name. */
const char *signal_name(int sig, char *buf, size_t size);
