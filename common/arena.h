/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One-free memory for spec and plan: allocate, never free singly, free all at the end. Memory is
 * zeroed and aligned to 16 bytes. When the system is out of memory the program ends with one line
 * on stderr (the runtime may: nothing is half-made while the plan is built; the shim uses arenas
 * only with a byte limit checked by its callers and only before the container runs).
 */
#pragma once

#include <stdarg.h>
#include <stdint.h>

#include "common/macros.h"

struct arena_block;

struct arena {
	struct arena_block *head;
	size_t used; /* bytes handed out, for limits and figures */
};

/* A zeroed struct arena is ready for use; arena_done frees everything and leaves it so. */
void arena_done(struct arena *arena);

void *arena_alloc(struct arena *arena, size_t size) __attribute__((malloc, returns_nonnull));
/* n elements of `size` bytes, overflow checked. n == 0 gives a valid pointer. */
void *arena_array(struct arena *arena, size_t n, size_t size) __attribute__((returns_nonnull));
char *arena_strdup(struct arena *arena, const char *s) __attribute__((returns_nonnull));
char *arena_strndup(struct arena *arena, const char *s, size_t n) __attribute__((returns_nonnull));
char *arena_printf(struct arena *arena, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Ends the program with one line on stderr; for the few other places that cannot go on either. */
NORETURN void arena_out_of_memory(void);

#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, n, type) ((type *)arena_array((arena), (n), sizeof(type)))
#define CLEANUP_ARENA CLEANUP(arena_done)
