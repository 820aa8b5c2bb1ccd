// SPDX-License-Identifier: Apache-2.0
/*
 * Blocks of queued log bytes; see log_queue.h.
 */
#include "shim/log_queue.h"

#include <sys/mman.h>

/* Small blocks come from malloc; large ones are mapped, so that freeing gives them back at once
 * whatever the heap's state. */
#define BLOCK_SMALL ((size_t)4096 - 64)
#define BLOCK_LARGE ((size_t)264 << 10) /* a busy pump's read in one piece */
#define ENTRY_ALIGN 16u

static size_t entry_size(size_t n)
{
	return (sizeof(struct log_entry) + n + ENTRY_ALIGN - 1) & ~(size_t)(ENTRY_ALIGN - 1);
}

static struct log_block *block_new(struct log_queue *q, bool large)
{
	size_t size = large ? BLOCK_LARGE : BLOCK_SMALL;
	struct log_block *block = q->spare;

	if (large && block) {
		q->spare = block->next;
	} else if (large) {
		block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			     0);
		if (block == MAP_FAILED)
			return NULL;
	} else {
		block = malloc(size);
		if (!block)
			return NULL;
	}
	block->next = NULL;
	block->used = block->payload = 0;
	block->cap = size - sizeof(*block);
	return block;
}

static void block_free(struct log_block *block)
{
	if (block->cap > BLOCK_SMALL)
		munmap(block, BLOCK_LARGE);
	else
		free(block);
}

size_t log_queue_put(struct log_queue *q, const struct log_entry *head, const char *data, size_t n)
{
	size_t done = 0;

	do {
		struct log_block *block = q->tail;
		size_t need = entry_size(n > done ? 1 : 0), len;
		struct log_entry *entry;

		if (!block || block->cap - block->used < need) {
			/* A queue that is not empty means that much is coming. */
			block = block_new(q, q->head || entry_size(n) > BLOCK_SMALL / 2);
			if (!block)
				break;
			if (q->tail)
				q->tail->next = block;
			else
				q->head = block;
			q->tail = block;
		}
		len = MIN(n - done, block->cap - block->used - sizeof(*entry));
		entry = (struct log_entry *)(void *)(block->data + block->used);
		*entry = *head;
		entry->len = (uint32_t)len;
		if (len > 0)
			memcpy(entry->data, data + done, len);
		block->used = MIN(block->used + entry_size(len), block->cap);
		block->payload += len;
		q->payload += len;
		done += len;
		if (n == 0)
			return 1;
	} while (done < n);
	return done;
}

struct log_block *log_queue_take(struct log_queue *q)
{
	struct log_block *chain = q->head;

	q->head = q->tail = NULL;
	return chain;
}

struct log_entry *log_block_next(struct log_block *block, size_t *pos)
{
	struct log_entry *entry;

	/* What is left at the end may be too small for an entry. */
	if (*pos + sizeof(*entry) > block->used)
		return NULL;
	entry = (struct log_entry *)(void *)(block->data + *pos);
	*pos += entry_size(entry->len);
	return entry;
}

void log_queue_free_block(struct log_queue *q, struct log_block *block)
{
	q->payload -= block->payload;
	if (block->cap <= BLOCK_SMALL) {
		block_free(block);
		return;
	}
	block->next = q->spare;
	q->spare = block;
}

void log_queue_trim(struct log_queue *q)
{
	for (struct log_block *block; (block = q->spare);) {
		q->spare = block->next;
		block_free(block);
	}
}

void log_queue_done(struct log_queue *q)
{
	struct log_block *block = log_queue_take(q), *next;

	for (; block; block = next) {
		next = block->next;
		block_free(block);
	}
	log_queue_trim(q);
}
