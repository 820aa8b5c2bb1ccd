/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table engine: paths, errors, notices, member dispatch. The handlers of the common types are
 * in spec_field.c.
 */
#include "spec/spec_table.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/log.h"

#define VALUE_BYTES_MAX 128

void spec_path_push(struct spec_reader *r, const char *name)
{
	assert(r->depth < SPEC_PATH_DEPTH);
	r->frames[r->depth++] = (struct spec_frame){ .name = name };
}

void spec_path_push_index(struct spec_reader *r, size_t index)
{
	assert(r->depth < SPEC_PATH_DEPTH);
	r->frames[r->depth++] = (struct spec_frame){ .index = index };
}

void spec_path_pop(struct spec_reader *r)
{
	assert(r->depth > 0);
	r->depth--;
}

/* Hostile text of any length: shortened, at a character boundary, and quoted. */
static void add_value(struct str *out, const char *value)
{
	size_t n = strlen(value);
	char buf[VALUE_BYTES_MAX + 4];

	if (n <= VALUE_BYTES_MAX) {
		str_add_quoted(out, value);
		return;
	}
	n = VALUE_BYTES_MAX;
	while (n > 0 && ((unsigned char)value[n] & 0xc0) == 0x80)
		n--;
	snprintf(buf, sizeof(buf), "%.*s...", (int)n, value);
	str_add_quoted(out, buf);
}

static bool is_plain_name(const char *name)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

	return name[0] != '\0' && name[strspn(name, plain)] == '\0' &&
	       strlen(name) <= VALUE_BYTES_MAX;
}

static void add_path(struct str *out, const struct spec_reader *r, const char *member)
{
	for (size_t i = 0; i < r->depth + (member ? 1 : 0); i++) {
		const char *name = i < r->depth ? r->frames[i].name : member;

		if (!name) {
			str_addf(out, "[%zu]", r->frames[i].index);
		} else if (is_plain_name(name)) {
			str_addf(out, "%s%s", i > 0 ? "." : "", name);
		} else {
			str_add_char(out, '[');
			add_value(out, name);
			str_add_char(out, ']');
		}
	}
}

PRINTF_LIKE(4, 0)
static int fail_va(struct spec_reader *r, const char *member, const char *value, const char *fmt,
		   va_list ap)
{
	CLEANUP_STR struct str text = { 0 };
	char reason[256];

	if (vsnprintf(reason, sizeof(reason), fmt, ap) < 0)
		reason[0] = '\0';
	add_path(&text, r, member);
	str_addf(&text, "%s%s", text.len > 0 ? ": " : "", reason);
	if (value) {
		str_add_char(&text, ' ');
		add_value(&text, value);
	}
	return err_set(r->err, EINVAL, "%s", text.data);
}

int spec_fail(struct spec_reader *r, const char *fmt, ...)
{
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = fail_va(r, NULL, NULL, fmt, ap);
	va_end(ap);
	return rc;
}

int spec_fail_value(struct spec_reader *r, const char *value, const char *fmt, ...)
{
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = fail_va(r, NULL, value, fmt, ap);
	va_end(ap);
	return rc;
}

int spec_fail_member(struct spec_reader *r, const char *name, const char *value, const char *fmt,
		     ...)
{
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = fail_va(r, name, value, fmt, ap);
	va_end(ap);
	return rc;
}

int spec_fail_at(struct err *err, const char *value, const char *fmt, ...)
{
	CLEANUP_STR struct str text = { 0 };
	char head[512];
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(head, sizeof(head), fmt, ap) < 0)
		head[0] = '\0';
	va_end(ap);
	str_add(&text, head);
	if (value) {
		str_add_char(&text, ' ');
		add_value(&text, value);
	}
	return err_set(err, EINVAL, "%s", text.data);
}

void spec_notice_add(struct spec_notice *notice, const char *name)
{
	for (size_t i = 0; i < MIN(notice->n, (size_t)SPEC_NOTICE_MAX); i++)
		if (str_eq(notice->names[i], name))
			return;
	if (notice->n < SPEC_NOTICE_MAX)
		notice->names[notice->n] = name;
	notice->n++;
}

bool spec_seen(const struct spec_table *table, uint64_t seen, const char *name)
{
	for (size_t i = 0; i < table->n; i++)
		if (str_eq(table->rows[i].name, name))
			return seen >> i & 1;
	assert(!"spec_seen: no such row");
	return false;
}

int spec_expect(struct spec_reader *r, const struct json *v, enum json_type type)
{
	const char *got = json_type_name(v->type), *expected = json_type_name(type);

	if (v->type == type || type == JSON_TYPE_N)
		return 0;
	if (v->type == JSON_STRING || v->type == JSON_NUMBER)
		return spec_fail_value(r, v->string, "expected %s, got %s", expected, got);
	return spec_fail(r, "expected %s, got %s", expected, got);
}

static int read_unknown(struct spec_reader *r, const struct spec_table *table, const struct json *v)
{
	if (table->unknown)
		return spec_fail(r, "%s", table->unknown);
	if (log_level_get() <= LOG_LEVEL_DEBUG) {
		CLEANUP_STR struct str path = { 0 };

		add_path(&path, r, NULL);
		log_debug("ignoring unknown property %s (%s)", path.data, json_type_name(v->type));
	}
	return 0;
}

/* One member. Sets its bit in *seen if it was taken. */
static int read_member(struct spec_reader *r, const struct spec_table *table, const struct json *v,
		       void *base, uint64_t *seen)
{
	const struct spec_field *field = table->rows, *end = table->rows + table->n;
	int rc;

	while (field < end && !str_eq(field->name, v->key))
		field++;
	if (field == end)
		return read_unknown(r, table, v);
	rc = spec_expect(r, v, field->type);
	if (rc < 0)
		return rc;
	rc = field->read(r, v, (char *)base + field->offset, field);
	if (rc <= 0)
		return rc;
	if (field->has)
		*(bool *)((char *)base + field->has) = true;
	*seen |= UINT64_C(1) << (field - table->rows);
	return 0;
}

int spec_table_read(struct spec_reader *r, const struct spec_table *table, const struct json *v,
		    void *base)
{
	uint64_t seen = 0;
	int rc;

	assert(table->n <= 64);
	rc = spec_expect(r, v, JSON_OBJECT);
	if (rc < 0)
		return rc;
	json_each (member, v) {
		if (member->type == JSON_NULL)
			continue;
		spec_path_push(r, member->key);
		rc = read_member(r, table, member, base, &seen);
		if (rc < 0)
			return rc;
		spec_path_pop(r);
	}
	for (size_t i = 0; i < table->n; i++)
		if ((table->rows[i].flags & SPEC_REQUIRED) && !(seen >> i & 1))
			return spec_fail_member(r, table->rows[i].name, NULL,
						"required but missing");
	return table->finish ? table->finish(r, base, seen) : 0;
}
