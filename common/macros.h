/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiler attributes and the few macros every file uses. Owns nothing, calls nothing outside libc.
 */
#pragma once

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define NONNULL(...) __attribute__((nonnull(__VA_ARGS__)))
#define NORETURN __attribute__((noreturn))
#define UNUSED __attribute__((unused))
#define CLEANUP(f) __attribute__((cleanup(f)))

#define ARRAY_COUNT(a)                                                                             \
	(sizeof(a) / sizeof((a)[0]) +                                                              \
	 0 * sizeof(char[1 -                                                                       \
			 2 * __builtin_types_compatible_p(__typeof__(a), __typeof__(&(a)[0]))]))

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* Hands the pointer over: the variable is NULL afterwards, so its cleanup does nothing. */
#define TAKE_PTR(p)                                                                                \
	({                                                                                         \
		__typeof__(p) taken_ = (p);                                                        \
		(p) = NULL;                                                                        \
		taken_;                                                                            \
	})

static inline void cleanup_free_p(void *p)
{
	void **pp = p;

	free(*pp);
}

#define CLEANUP_FREE CLEANUP(cleanup_free_p)

static inline int str_eq(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static inline int str_starts_with(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}
