/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer half of json.h. yajl_gen places commas, colons and white space; opening brackets are
 * held back until the first child, because yajl_gen would spread "[]" over three lines.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <yajl/yajl_gen.h>

#include "common/json.h"

#define LEVELS_MAX (YAJL_MAX_DEPTH - 1)

struct json_writer {
	yajl_gen gen;
	struct str text;
	bool pending; /* the innermost bracket was not given to yajl yet */
	size_t depth;
	bool is_array[LEVELS_MAX];
	char indent[];
};

static void print(void *user, const char *text, size_t n)
{
	struct json_writer *w = user;

	str_add_n(&w->text, text, n);
}

static void *gen_get(UNUSED void *ctx, size_t size)
{
	void *p = malloc(size);

	if (!p)
		arena_out_of_memory();
	return p;
}

static void *gen_resize(UNUSED void *ctx, void *old, size_t size)
{
	void *p = realloc(old, size);

	if (!p)
		arena_out_of_memory();
	return p;
}

static void gen_put(UNUSED void *ctx, void *p)
{
	free(p);
}

struct json_writer *json_writer_new(const char *indent)
{
	static const yajl_alloc_funcs allocators = { gen_get, gen_resize, gen_put, NULL };
	size_t n = indent ? strlen(indent) + 1 : 0;
	struct json_writer *w = calloc(1, sizeof(*w) + n);

	if (!w)
		arena_out_of_memory();
	w->gen = yajl_gen_alloc(&allocators);
	yajl_gen_config(w->gen, yajl_gen_print_callback, print, w);
	if (indent) {
		memcpy(w->indent, indent, n); /* yajl keeps the pointer */
		yajl_gen_config(w->gen, yajl_gen_beautify, 1);
		yajl_gen_config(w->gen, yajl_gen_indent_string, w->indent);
	}
	return w;
}

void json_writer_free(struct json_writer *w)
{
	if (!w)
		return;
	yajl_gen_free(w->gen);
	str_done(&w->text);
	free(w);
}

/* A wrong order of calls is a fault of the program. */
static void check(yajl_gen_status status)
{
	assert(status == yajl_gen_status_ok);
	(void)status;
}

static void flush_pending(struct json_writer *w)
{
	if (!w->pending)
		return;
	w->pending = false;
	check(w->is_array[w->depth - 1] ? yajl_gen_array_open(w->gen) : yajl_gen_map_open(w->gen));
}

static void begin(struct json_writer *w, bool is_array)
{
	flush_pending(w);
	assert(w->depth < LEVELS_MAX);
	w->is_array[w->depth++] = is_array;
	w->pending = true;
}

void jw_object(struct json_writer *w)
{
	begin(w, false);
}

void jw_array(struct json_writer *w)
{
	begin(w, true);
}

void jw_end(struct json_writer *w)
{
	bool is_array;

	assert(w->depth > 0);
	is_array = w->is_array[--w->depth];
	if (w->pending) {
		w->pending = false;
		check(yajl_gen_number(w->gen, is_array ? "[]" : "{}", 2));
	} else {
		check(is_array ? yajl_gen_array_close(w->gen) : yajl_gen_map_close(w->gen));
	}
}

/* How many leading bytes are valid UTF-8. */
static size_t valid_prefix(const char *s, size_t n)
{
	size_t len, i = 0;
	uint32_t rune;

	while (i < n && (len = utf8_decode(s + i, n - i, &rune)))
		i += len;
	return i;
}

void jw_string_n(struct json_writer *w, const char *s, size_t n)
{
	CLEANUP_STR struct str clean = { 0 };
	size_t good = valid_prefix(s, n);

	flush_pending(w);
	if (good == n) {
		check(yajl_gen_string(w->gen, (const unsigned char *)s, n));
		return;
	}
	while (n > 0) {
		str_add_n(&clean, s, good);
		s += good;
		n -= good;
		if (n == 0)
			break;
		str_add(&clean, "\xef\xbf\xbd");
		s++;
		n--;
		good = valid_prefix(s, n);
	}
	check(yajl_gen_string(w->gen, (const unsigned char *)clean.data, clean.len));
}

void jw_key(struct json_writer *w, const char *key)
{
	jw_string_n(w, key, strlen(key));
}

void jw_string(struct json_writer *w, const char *s)
{
	if (s)
		jw_string_n(w, s, strlen(s));
	else
		jw_null(w);
}

void jw_int(struct json_writer *w, int64_t v)
{
	flush_pending(w);
	check(yajl_gen_integer(w->gen, v));
}

void jw_uint(struct json_writer *w, uint64_t v)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)v);

	flush_pending(w);
	check(yajl_gen_number(w->gen, text, (size_t)n));
}

void jw_bool(struct json_writer *w, bool v)
{
	flush_pending(w);
	check(yajl_gen_bool(w->gen, v));
}

void jw_null(struct json_writer *w)
{
	flush_pending(w);
	check(yajl_gen_null(w->gen));
}

static void write_children(struct json_writer *w, const struct json *v)
{
	json_each (child, v) {
		if (v->type == JSON_OBJECT)
			jw_key(w, child->key);
		jw_tree(w, child);
	}
	jw_end(w);
}

void jw_tree(struct json_writer *w, const struct json *v)
{
	switch (v->type) {
	case JSON_BOOL:
		jw_bool(w, v->boolean);
		break;
	case JSON_NUMBER:
		flush_pending(w);
		check(yajl_gen_number(w->gen, v->string, strlen(v->string)));
		break;
	case JSON_STRING:
		jw_string_n(w, v->string, v->count);
		break;
	case JSON_ARRAY:
		jw_array(w);
		write_children(w, v);
		break;
	case JSON_OBJECT:
		jw_object(w);
		write_children(w, v);
		break;
	default:
		jw_null(w);
	}
}

const char *json_writer_text(struct json_writer *w, size_t *ret_len)
{
	size_t len;

	flush_pending(w);
	len = w->text.len;
	/* yajl ends an indented document with a line feed, a compact one without. */
	if (w->depth == 0 && len > 0 && w->text.data[len - 1] == '\n') {
		w->text.data[--len] = '\0';
		w->text.len = len;
	}
	if (ret_len)
		*ret_len = len;
	return w->text.data ? w->text.data : "";
}
