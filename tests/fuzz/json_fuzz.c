/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever the parser accepts must come out of the writer and be accepted again as the same tree,
 * compact and indented.
 */
#include <assert.h>
#include <stdint.h>

#include "common/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const struct json *a, const struct json *b)
{
	const struct json *x, *y;

	assert(a->type == b->type && a->count == b->count && a->boolean == b->boolean);
	assert(!a->key == !b->key && (!a->key || str_eq(a->key, b->key)));
	assert(!a->string == !b->string && (!a->string || str_eq(a->string, b->string)));
	for (x = a->child, y = b->child; x && y; x = x->next, y = y->next)
		check_same(x, y);
	assert(!x && !y);
}

static void check_written(struct arena *arena, const struct json *v, const char *indent)
{
	CLEANUP_JSON_WRITER struct json_writer *w = json_writer_new(indent);
	struct json *again = NULL;
	struct err err = { 0 };
	const char *text;
	size_t n;

	jw_tree(w, v);
	text = json_writer_text(w, &n);
	assert(strlen(text) == n);
	if (n > JSON_BYTES_MAX)
		return;
	assert(json_parse(arena, text, n, &again, &err) == 0);
	check_same(v, again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	struct json *v = NULL;
	struct err err = { 0 };
	int64_t i;
	uint64_t u;

	if (json_parse(&arena, (const char *)data, size, &v, &err) < 0) {
		assert(!v && err.code > 0 && err.msg[0] && !strchr(err.msg, '\n'));
		return 0;
	}
	assert(v && !v->key && !v->next);
	if (json_to_i64(v, &i) == 0 && i >= 0)
		assert(json_to_u64(v, &u) == 0 || v->string[0] == '-');
	check_written(&arena, v, NULL);
	check_written(&arena, v, "  ");
	return 0;
}
