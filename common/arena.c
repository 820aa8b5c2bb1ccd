/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of zeroed memory, handed out from the front. Under AddressSanitizer what was not handed
 * out is poisoned, so that an overrun inside a block is found too.
 */
#include "common/arena.h"

#include <stdio.h>

#include "common/log.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define ARENA_GAP 16
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ARENA_GAP 0
#endif

/* Blocks double from the first to the largest: most arenas are small, and calloc touches it all. */
#define ARENA_FIRST ((size_t)4 << 10)
#define ARENA_BLOCK ((size_t)32 << 10)
#define ARENA_ALIGN ((size_t)16)

struct arena_block {
	struct arena_block *next;
	size_t size, used;
	char data[] __attribute__((aligned(16)));
};

void arena_out_of_memory(void)
{
	static const char text[] = "out of memory\n";

	log_error("out of memory");
	if (log_is_file() && write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(2);
	_exit(1);
}

void arena_done(struct arena *arena)
{
	struct arena_block *block = arena->head, *next;

	for (; block; block = next) {
		next = block->next;
		ASAN_UNPOISON_MEMORY_REGION(block->data, block->size);
		free(block);
	}
	*arena = (struct arena){ 0 };
}

static struct arena_block *block_new(struct arena *arena, size_t size)
{
	struct arena_block *block;
	size_t least = arena->head ? MIN(arena->head->size * 2, ARENA_BLOCK) : ARENA_FIRST;
	size_t room = MAX(size, least - sizeof(*block));

	block = calloc(1, sizeof(*block) + room);
	if (!block)
		arena_out_of_memory();
	block->size = room;
	ASAN_POISON_MEMORY_REGION(block->data, room);
	/* A block for one big thing goes behind the head, whose rest stays usable. */
	if (arena->head && size > ARENA_BLOCK / 2) {
		block->next = arena->head->next;
		arena->head->next = block;
	} else {
		block->next = arena->head;
		arena->head = block;
	}
	return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	struct arena_block *block = arena->head;
	size_t rounded;
	char *p;

	if (size > SIZE_MAX / 2)
		arena_out_of_memory();
	rounded = (MAX(size, (size_t)1) + ARENA_GAP + ARENA_ALIGN - 1) & ~(ARENA_ALIGN - 1);
	if (!block || block->size - block->used < rounded)
		block = block_new(arena, rounded);
	p = block->data + block->used;
	block->used += rounded;
	arena->used += rounded;
	ASAN_UNPOISON_MEMORY_REGION(p, size);
	return p;
}

void *arena_array(struct arena *arena, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		arena_out_of_memory();
	return arena_alloc(arena, bytes);
}

char *arena_strndup(struct arena *arena, const char *s, size_t n)
{
	char *copy = arena_alloc(arena, n + 1);

	if (n)
		memcpy(copy, s, n);
	return copy;
}

char *arena_strdup(struct arena *arena, const char *s)
{
	return arena_strndup(arena, s, strlen(s));
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
	char small[256], *text;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(small, sizeof(small), fmt, args);
	va_end(args);
	if (n < 0)
		return arena_strdup(arena, "");
	if ((size_t)n < sizeof(small))
		return arena_strndup(arena, small, (size_t)n);
	text = arena_alloc(arena, (size_t)n + 1);
	va_start(args, fmt);
	vsnprintf(text, (size_t)n + 1, fmt, args);
	va_end(args);
	return text;
}
