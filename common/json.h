/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON by yajl: a parser into a tree in an arena, with limits, and a writer. The parser refuses
 * duplicate keys, invalid UTF-8, NUL in strings, trailing garbage (white space is fine), nesting
 * deeper than JSON_DEPTH_MAX, more than JSON_NODES_MAX values. Numbers stay text in the tree, so
 * that no precision is lost; the accessors convert with range checks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/str.h"

#define JSON_DEPTH_MAX 64
#define JSON_NODES_MAX 1000000
#define JSON_BYTES_MAX (16u << 20)

enum json_type {
	JSON_NULL,
	JSON_BOOL,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
	JSON_TYPE_N
};

struct json {
	enum json_type type;
	bool boolean;
	const char *key;    /* in an object: the member's name; else NULL */
	const char *string; /* STRING: text; NUMBER: its text as written */
	size_t count;       /* ARRAY, OBJECT: number of children; STRING: bytes */
	struct json *child; /* first child, in document order */
	struct json *next;  /* next sibling */
};

/* Parses n bytes. Error text: "<line>:<column>: <reason>" or names the duplicated key. */
MUST_CHECK int json_parse(struct arena *arena, const char *data, size_t n, struct json **ret,
			  struct err *err);

/* Member by name, NULL if absent or JSON null. */
const struct json *json_get(const struct json *object, const char *key);
const char *json_type_name(enum json_type type); /* "string", "number", ... */

/* 0, -EINVAL (not an integer number), -ERANGE. Accepts 1e3 and 5.0 as runc's Go does not: no. */
MUST_CHECK int json_to_i64(const struct json *v, int64_t *ret);
MUST_CHECK int json_to_u64(const struct json *v, uint64_t *ret);
/* String or NULL when absent, null or another type. */
const char *json_str(const struct json *object, const char *key);

#define json_each(it, parent)                                                                      \
	for (const struct json *it = (parent) ? (parent)->child : NULL; it; it = it->next)

/* Writer. Indent NULL: compact, one line; else each level is indented with that text. */
struct json_writer;
struct json_writer *json_writer_new(const char *indent); /* free with json_writer_free */
void json_writer_free(struct json_writer *w);
void jw_object(struct json_writer *w); /* begin */
void jw_array(struct json_writer *w);
void jw_end(struct json_writer *w); /* closes the innermost array or object */
void jw_key(struct json_writer *w, const char *key);
void jw_string(struct json_writer *w, const char *s);             /* NULL writes null */
void jw_string_n(struct json_writer *w, const char *s, size_t n); /* invalid UTF-8 becomes U+FFFD */
void jw_int(struct json_writer *w, int64_t v);
void jw_uint(struct json_writer *w, uint64_t v);
void jw_bool(struct json_writer *w, bool v);
void jw_null(struct json_writer *w);
void jw_tree(struct json_writer *w, const struct json *v); /* a parsed value, as it was */
/* Text so far; owned by the writer. */
const char *json_writer_text(struct json_writer *w, size_t *ret_len);
static inline void cleanup_json_writer_p(struct json_writer **w)
{
	json_writer_free(*w);
}
#define CLEANUP_JSON_WRITER CLEANUP(cleanup_json_writer_p)
