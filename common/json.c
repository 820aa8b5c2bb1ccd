/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser: yajl finds the tokens, the callbacks build the tree and enforce what yajl does not
 * (depth, number of values, duplicate keys, strict UTF-8, no NUL). The writer is json_write.c.
 */
#include "common/json.h"

#include <errno.h>
#include <stdio.h>
#include <yajl/yajl_parse.h>

#define KEYS_SCANNED 32 /* up to here a new key is compared with those before it */

struct frame {
	struct json *node, *last;
	const char *key; /* read, its value not yet */
};

struct parser {
	struct arena *arena;
	struct json *root;
	size_t nodes, depth;
	struct frame stack[JSON_DEPTH_MAX];
	int code; /* why a callback refused: -errno and text */
	char reason[400];
};

static int refuse(struct parser *p, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Returns 0, which tells yajl to stop. */
static int refuse(struct parser *p, int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(p->reason, sizeof(p->reason), fmt, args);
	va_end(args);
	p->code = code;
	return 0;
}

/* Large objects only: sorted, equal keys are neighbours, whatever order an attacker chose. */
static int compare_keys(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int refuse_duplicate(struct parser *p, const char *key)
{
	struct str quoted = { 0 };

	str_add_quoted(&quoted, key);
	refuse(p, -EINVAL, "duplicate key %s", quoted.data);
	str_done(&quoted);
	return 0;
}

static int check_many_keys(struct parser *p, const struct json *object)
{
	CLEANUP_FREE const char **keys = calloc(object->count, sizeof(*keys));
	size_t n = 0;

	if (!keys)
		arena_out_of_memory();
	json_each (member, object)
		keys[n++] = member->key;
	qsort(keys, n, sizeof(*keys), compare_keys);
	for (size_t i = 1; i < n; i++)
		if (str_eq(keys[i - 1], keys[i]))
			return refuse_duplicate(p, keys[i]);
	return 1;
}

static int check_string(struct parser *p, const char *data, size_t n)
{
	uint32_t rune;
	size_t len;

	for (size_t i = 0; i < n; i += len) {
		len = utf8_decode(data + i, n - i, &rune);
		if (len == 0)
			return refuse(p, -EINVAL, "invalid UTF-8 in string");
		if (rune == 0)
			return refuse(p, -EINVAL, "NUL character in string");
	}
	return 1;
}

/* A new value in its place in the tree; NULL when there are too many. */
static struct json *add_node(struct parser *p, enum json_type type)
{
	struct frame *frame = p->depth ? &p->stack[p->depth - 1] : NULL;
	struct json *node;

	if (++p->nodes > JSON_NODES_MAX) {
		refuse(p, -E2BIG, "more than %d values", JSON_NODES_MAX);
		return NULL;
	}
	node = ARENA_NEW(p->arena, struct json);
	node->type = type;
	if (!frame) {
		p->root = node;
		return node;
	}
	node->key = frame->key;
	frame->key = NULL;
	if (frame->last)
		frame->last->next = node;
	else
		frame->node->child = node;
	frame->last = node;
	frame->node->count++;
	return node;
}

static int on_null(void *user)
{
	return add_node(user, JSON_NULL) != NULL;
}

static int on_boolean(void *user, int value)
{
	struct json *node = add_node(user, JSON_BOOL);

	if (node)
		node->boolean = value;
	return node != NULL;
}

static int on_number(void *user, const char *text, size_t n)
{
	struct parser *p = user;
	struct json *node = add_node(p, JSON_NUMBER);

	if (node)
		node->string = arena_strndup(p->arena, text, n);
	return node != NULL;
}

static int on_string(void *user, const unsigned char *text, size_t n)
{
	struct parser *p = user;
	struct json *node;

	if (!check_string(p, (const char *)text, n))
		return 0;
	node = add_node(p, JSON_STRING);
	if (!node)
		return 0;
	node->string = arena_strndup(p->arena, (const char *)text, n);
	node->count = n;
	return 1;
}

static int on_key(void *user, const unsigned char *text, size_t n)
{
	struct parser *p = user;
	struct frame *frame = &p->stack[p->depth - 1];

	if (!check_string(p, (const char *)text, n))
		return 0;
	frame->key = arena_strndup(p->arena, (const char *)text, n);
	if (frame->node->count >= KEYS_SCANNED)
		return 1;
	json_each (member, frame->node)
		if (str_eq(member->key, frame->key))
			return refuse_duplicate(p, frame->key);
	return 1;
}

static int start(struct parser *p, enum json_type type)
{
	struct json *node;

	if (p->depth == JSON_DEPTH_MAX)
		return refuse(p, -E2BIG, "nested deeper than %d levels", JSON_DEPTH_MAX);
	node = add_node(p, type);
	if (!node)
		return 0;
	p->stack[p->depth++] = (struct frame){ .node = node };
	return 1;
}

static int on_start_map(void *user)
{
	return start(user, JSON_OBJECT);
}

static int on_start_array(void *user)
{
	return start(user, JSON_ARRAY);
}

static int on_end_array(void *user)
{
	struct parser *p = user;

	p->depth--;
	return 1;
}

static int on_end_map(void *user)
{
	struct parser *p = user;
	const struct json *object = p->stack[--p->depth].node;

	return object->count > KEYS_SCANNED ? check_many_keys(p, object) : 1;
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_boolean,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_start_map,
	.yajl_map_key = on_key,
	.yajl_end_map = on_end_map,
	.yajl_start_array = on_start_array,
	.yajl_end_array = on_end_array,
};

/* yajl does not look whether it got memory. */
static void *yajl_get(UNUSED void *ctx, size_t size)
{
	void *p = malloc(size);

	if (!p)
		arena_out_of_memory();
	return p;
}

static void *yajl_resize(UNUSED void *ctx, void *old, size_t size)
{
	void *p = realloc(old, size);

	if (!p)
		arena_out_of_memory();
	return p;
}

static void yajl_put(UNUSED void *ctx, void *p)
{
	free(p);
}

static yajl_alloc_funcs allocators = { yajl_get, yajl_resize, yajl_put, NULL };

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits of "\uXXXX" at p, or -1 if there is no such escape. */
static int unicode_escape(const char *p, const char *end)
{
	int value = 0, digit;

	if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		digit = hex_digit(p[i]);
		if (digit < 0)
			return -1;
		value = value << 4 | digit;
	}
	return value;
}

/* yajl turns half of a surrogate pair into '?' or into invalid UTF-8 without a word; so they are
 * looked for before. Returns the offset of the first one, n if all is well. */
static size_t find_lone_surrogate(const char *data, size_t n)
{
	const char *end = data + n, *p = data;
	int first, second;

	while ((p = memchr(p, '\\', (size_t)(end - p)))) {
		first = unicode_escape(p, end);
		if (first < 0xd800 || first > 0xdfff) {
			p += MIN((ptrdiff_t)2, end - p);
			continue;
		}
		second = unicode_escape(p + 6, end);
		if (first > 0xdbff || second < 0xdc00 || second > 0xdfff)
			return (size_t)(p - data);
		p += 12;
	}
	return n;
}

static int fail_at(const char *data, size_t offset, int code, const char *reason, struct err *err)
{
	size_t line = 1, column = 1;

	for (size_t i = 0; i < offset; i++, column++)
		if (data[i] == '\n') {
			line++;
			column = 0;
		}
	return err_set(err, -code, "%zu:%zu: %s", line, column, reason);
}

/* yajl's own text, without its trailing stop and line feed. */
static int fail_yajl(yajl_handle yajl, const char *data, size_t offset, struct err *err)
{
	unsigned char *text = yajl_get_error(yajl, 0, (const unsigned char *)data, offset);
	size_t len = strlen((const char *)text);
	int r;

	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '.'))
		text[--len] = '\0';
	r = fail_at(data, offset, -EINVAL, (const char *)text, err);
	yajl_free_error(yajl, text);
	return r;
}

static int run_yajl(struct parser *p, yajl_handle yajl, const char *data, size_t n, struct err *err)
{
	yajl_status status;
	size_t offset;

	status = yajl_parse(yajl, (const unsigned char *)data, n);
	offset = yajl_get_bytes_consumed(yajl);
	if (status == yajl_status_ok) {
		status = yajl_complete_parse(yajl);
		offset = n;
	}
	if (status == yajl_status_ok)
		return 0;
	offset = MIN(offset, n);
	if (p->code < 0)
		return fail_at(data, offset, p->code, p->reason, err);
	return fail_yajl(yajl, data, offset, err);
}

int json_parse(struct arena *arena, const char *data, size_t n, struct json **ret, struct err *err)
{
	struct parser p;
	yajl_handle yajl;
	size_t lone;
	int r;

	if (n > JSON_BYTES_MAX)
		return err_set(err, EFBIG, "document larger than %u bytes", JSON_BYTES_MAX);
	lone = find_lone_surrogate(data, n);
	if (lone < n)
		return fail_at(data, lone, -EINVAL, "lone surrogate in string", err);
	p.arena = arena;
	p.root = NULL;
	p.nodes = p.depth = 0;
	p.code = 0;
	yajl = yajl_alloc(&callbacks, &allocators, &p);
	if (!yajl)
		arena_out_of_memory();
	/* check_string is stricter than yajl (overlong forms, surrogates). */
	yajl_config(yajl, yajl_dont_validate_strings, 1);
	r = run_yajl(&p, yajl, data, n, err);
	yajl_free(yajl);
	if (r < 0)
		return r;
	*ret = p.root;
	return 0;
}

const struct json *json_get(const struct json *object, const char *key)
{
	if (!object || object->type != JSON_OBJECT)
		return NULL;
	json_each (member, object)
		if (str_eq(member->key, key))
			return member->type == JSON_NULL ? NULL : member;
	return NULL;
}

const char *json_type_name(enum json_type type)
{
	static const char *const names[JSON_TYPE_N] = {
		[JSON_NULL] = "null",     [JSON_BOOL] = "boolean", [JSON_NUMBER] = "number",
		[JSON_STRING] = "string", [JSON_ARRAY] = "array",  [JSON_OBJECT] = "object",
	};

	return type < JSON_TYPE_N ? names[type] : "unknown";
}

int json_to_i64(const struct json *v, int64_t *ret)
{
	return v && v->type == JSON_NUMBER ? parse_i64(v->string, 10, ret) : -EINVAL;
}

int json_to_u64(const struct json *v, uint64_t *ret)
{
	uint64_t ignored;

	if (!v || v->type != JSON_NUMBER)
		return -EINVAL;
	/* An integer all the same, only too small. */
	if (v->string[0] == '-')
		return parse_u64(v->string + 1, 10, &ignored) == -EINVAL ? -EINVAL : -ERANGE;
	return parse_u64(v->string, 10, ret);
}

const char *json_str(const struct json *object, const char *key)
{
	const struct json *v = json_get(object, key);

	return v && v->type == JSON_STRING ? v->string : NULL;
}
