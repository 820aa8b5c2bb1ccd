/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handlers of the types that many fields share: numbers in their range, strings, lists, maps,
 * nested objects, enumerated words. Each gets its limits from the row.
 */
#include <errno.h>
#include <inttypes.h>

#include "spec/spec_table.h"

#define CPU_MAX 65535

int spec_field_bool(struct spec_reader *r, const struct json *v, void *out,
		    const struct spec_field *field)
{
	(void)r;
	(void)field;
	*(bool *)out = v->boolean;
	return 1;
}

/* ---- numbers ---- */

static bool is_integer(const char *text)
{
	if (*text == '-')
		text++;
	return *text != '\0' && text[strspn(text, "0123456789")] == '\0';
}

static int read_signed(struct spec_reader *r, const struct json *v, const struct spec_field *field,
		       int64_t type_max, int64_t *ret)
{
	int64_t max = field->max ? (int64_t)field->max : type_max;
	int64_t value = 0;

	if (!is_integer(v->string))
		return spec_fail_value(r, v->string, "not an integer");
	if (json_to_i64(v, &value) < 0 || value < field->min || value > max)
		return spec_fail_value(r, v->string, "out of range %" PRId64 "..%" PRId64,
				       field->min, max);
	if (value == 0 && (field->flags & SPEC_ZERO_ABSENT))
		return 0;
	*ret = value;
	return 1;
}

static int read_unsigned(struct spec_reader *r, const struct json *v,
			 const struct spec_field *field, uint64_t type_max, uint64_t *ret)
{
	uint64_t max = field->max ? field->max : type_max, min = (uint64_t)field->min;
	uint64_t value = 0;
	bool fits;

	if (!is_integer(v->string))
		return spec_fail_value(r, v->string, "not an integer");
	fits = json_to_u64(v, &value) == 0;
	if (fits && value == 0 && (field->flags & SPEC_ZERO_ABSENT))
		return 0;
	if (!fits || value < min || value > max)
		return spec_fail_value(r, v->string, "out of range %" PRIu64 "..%" PRIu64, min,
				       max);
	*ret = value;
	return 1;
}

int spec_field_i64(struct spec_reader *r, const struct json *v, void *out,
		   const struct spec_field *field)
{
	return read_signed(r, v, field, INT64_MAX, out);
}

int spec_field_u64(struct spec_reader *r, const struct json *v, void *out,
		   const struct spec_field *field)
{
	return read_unsigned(r, v, field, UINT64_MAX, out);
}

int spec_field_i32(struct spec_reader *r, const struct json *v, void *out,
		   const struct spec_field *field)
{
	int64_t value = 0;
	int rc = read_signed(r, v, field, INT32_MAX, &value);

	if (rc > 0)
		*(int32_t *)out = (int32_t)value;
	return rc;
}

int spec_field_u32(struct spec_reader *r, const struct json *v, void *out,
		   const struct spec_field *field)
{
	uint64_t value = 0;
	int rc = read_unsigned(r, v, field, UINT32_MAX, &value);

	if (rc > 0)
		*(uint32_t *)out = (uint32_t)value;
	return rc;
}

int spec_field_u16(struct spec_reader *r, const struct json *v, void *out,
		   const struct spec_field *field)
{
	uint64_t value = 0;
	int rc = read_unsigned(r, v, field, UINT16_MAX, &value);

	if (rc > 0)
		*(uint16_t *)out = (uint16_t)value;
	return rc;
}

/* ---- strings ---- */

static bool has_control(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

static int check_string(struct spec_reader *r, const struct json *v, const struct spec_field *field)
{
	if (field->max && v->count > field->max)
		return spec_fail_value(r, v->string, "longer than %" PRIu64 " bytes", field->max);
	if ((field->flags & SPEC_ABSOLUTE) && v->string[0] != '/')
		return spec_fail_value(r, v->string, "must be an absolute path");
	if ((field->flags & SPEC_ONE_LINE) && has_control(v->string))
		return spec_fail_value(r, v->string, "control character in");
	return 0;
}

int spec_field_string(struct spec_reader *r, const struct json *v, void *out,
		      const struct spec_field *field)
{
	int rc;

	if (v->count == 0)
		return field->flags & SPEC_REQUIRED ? spec_fail(r, "must not be empty") : 0;
	rc = check_string(r, v, field);
	if (rc < 0)
		return rc;
	*(const char **)out = v->string;
	return 1;
}

/* "0-3,7" as the kernel and taskset write it: no blanks, no strides. */
static bool is_cpu_list(const char *s)
{
	for (;;) {
		unsigned long bound[2] = { 0, 0 };
		size_t n = 0;

		do {
			size_t digits = strspn(s, "0123456789");

			if (digits == 0 || digits > 5)
				return false;
			for (; digits > 0; digits--)
				bound[n] = bound[n] * 10 + (unsigned long)(*s++ - '0');
			if (bound[n] > CPU_MAX)
				return false;
		} while (n++ == 0 && *s == '-' && s++);
		if (n == 2 && bound[1] < bound[0])
			return false;
		if (*s == '\0')
			return true;
		if (*s++ != ',')
			return false;
	}
}

int spec_field_cpu_list(struct spec_reader *r, const struct json *v, void *out,
			const struct spec_field *field)
{
	int rc = spec_field_string(r, v, out, field);

	if (rc > 0 && !is_cpu_list(v->string))
		return spec_fail_value(r, v->string, "not a list as 0-3,7");
	return rc;
}

/* ---- arrays and maps ---- */

struct any_list { /* what a {T *v; size_t n} member looks like */
	void *v;
	size_t n;
};

static void store_list(void *out, void *v, size_t n)
{
	struct any_list list = { .v = v, .n = n };

	memcpy(out, &list, sizeof(list));
}

static int check_count(struct spec_reader *r, const struct json *v, const struct spec_field *field)
{
	uint64_t max = field->max ? field->max : SPEC_LIST_MAX;

	if (v->count > max)
		return spec_fail(r, "%zu entries, at most %" PRIu64 " are allowed", v->count, max);
	if (v->count == 0 && (field->flags & SPEC_NONEMPTY))
		return spec_fail(r, "must not be empty");
	return 0;
}

int spec_field_u32_list(struct spec_reader *r, const struct json *v, void *out,
			const struct spec_field *field)
{
	static const struct spec_field element = { .max = SPEC_ID_MAX };
	uint32_t *list;
	size_t n = 0;
	int rc = check_count(r, v, field);

	if (rc < 0)
		return rc;
	list = ARENA_ARRAY(r->arena, v->count, uint32_t);
	json_each (it, v) {
		spec_path_push_index(r, n);
		rc = spec_expect(r, it, JSON_NUMBER);
		if (rc == 0)
			rc = spec_field_u32(r, it, &list[n++], &element);
		if (rc < 0)
			return rc;
		spec_path_pop(r);
	}
	store_list(out, list, n);
	return 1;
}

static int read_strings(struct spec_reader *r, const struct json *v, void *out,
			const struct spec_field *field, const struct spec_field *element)
{
	char **list;
	size_t n = 0;
	int rc = check_count(r, v, field);

	if (rc < 0)
		return rc;
	list = ARENA_ARRAY(r->arena, v->count + 1, char *);
	json_each (it, v) {
		spec_path_push_index(r, n);
		rc = spec_expect(r, it, JSON_STRING);
		if (rc == 0)
			rc = check_string(r, it, element);
		if (rc < 0)
			return rc;
		spec_path_pop(r);
		list[n++] = (char *)it->string; /* the arena's, writable as an argv asks */
	}
	store_list(out, list, n);
	return 1;
}

int spec_field_strings(struct spec_reader *r, const struct json *v, void *out,
		       const struct spec_field *field)
{
	const struct spec_field element = { .flags = field->flags & SPEC_ONE_LINE };

	return read_strings(r, v, out, field, &element);
}

int spec_field_paths(struct spec_reader *r, const struct json *v, void *out,
		     const struct spec_field *field)
{
	static const struct spec_field element = { .max = PATH_MAX - 1, .flags = SPEC_ABSOLUTE };

	return read_strings(r, v, out, field, &element);
}

int spec_field_map(struct spec_reader *r, const struct json *v, void *out,
		   const struct spec_field *field)
{
	struct spec_pair *pairs;
	size_t n = 0;
	int rc = check_count(r, v, field);

	if (rc < 0)
		return rc;
	pairs = ARENA_ARRAY(r->arena, v->count, struct spec_pair);
	json_each (it, v) {
		if (it->type == JSON_NULL)
			continue;
		spec_path_push(r, it->key);
		if (it->key[0] == '\0')
			return spec_fail(r, "the name must not be empty");
		rc = spec_expect(r, it, JSON_STRING);
		if (rc < 0)
			return rc;
		spec_path_pop(r);
		pairs[n++] = (struct spec_pair){ .key = it->key, .value = it->string };
	}
	store_list(out, pairs, n);
	return 1;
}

/* ---- objects ---- */

int spec_field_object(struct spec_reader *r, const struct json *v, void *out,
		      const struct spec_field *field)
{
	int rc = spec_table_read(r, field->arg, v, out);

	return rc < 0 ? rc : 1;
}

int spec_field_list(struct spec_reader *r, const struct json *v, void *out,
		    const struct spec_field *field)
{
	const struct spec_list *list = field->arg;
	char *elements;
	size_t n = 0;
	int rc = check_count(r, v, field);

	if (rc < 0)
		return rc;
	elements = arena_array(r->arena, v->count, list->size);
	json_each (it, v) {
		spec_path_push_index(r, n);
		rc = spec_table_read(r, list->table, it, elements + n * list->size);
		if (rc < 0)
			return rc;
		spec_path_pop(r);
		n++;
	}
	store_list(out, elements, n);
	return 1;
}

int spec_field_object_map(struct spec_reader *r, const struct json *v, void *out,
			  const struct spec_field *field)
{
	const struct spec_list *list = field->arg;
	char *elements;
	size_t n = 0;
	int rc = check_count(r, v, field);

	if (rc < 0)
		return rc;
	elements = arena_array(r->arena, v->count, list->size);
	json_each (it, v) {
		char *element = elements + n * list->size;

		if (it->type == JSON_NULL)
			continue;
		spec_path_push(r, it->key);
		*(const char **)element = it->key;
		rc = spec_table_read(r, list->table, it, element);
		if (rc < 0)
			return rc;
		spec_path_pop(r);
		n++;
	}
	store_list(out, elements, n);
	return 1;
}

/* ---- words ---- */

int spec_word_find(struct spec_reader *r, const struct spec_words *words, const char *word)
{
	for (size_t i = 0; i < words->n; i++)
		if (str_eq(words->v[i].word, word))
			return (int)i;
	return spec_fail_value(r, word, "unknown");
}

/* Index of the word + 1, 0 if it is empty and so absent. */
static int read_word(struct spec_reader *r, const struct json *v, const struct spec_field *field)
{
	int i;

	if (v->count == 0 && !(field->flags & SPEC_REQUIRED))
		return 0;
	i = spec_word_find(r, field->arg, v->string);
	return i < 0 ? i : i + 1;
}

int spec_field_word(struct spec_reader *r, const struct json *v, void *out,
		    const struct spec_field *field)
{
	const struct spec_words *words = field->arg;
	int i = read_word(r, v, field);

	if (i <= 0)
		return i;
	*(int32_t *)out = (int32_t)words->v[i - 1].value;
	return 1;
}

int spec_field_word_text(struct spec_reader *r, const struct json *v, void *out,
			 const struct spec_field *field)
{
	const struct spec_words *words = field->arg;
	int i = read_word(r, v, field);

	if (i <= 0)
		return i;
	*(const char **)out = words->v[i - 1].word;
	return 1;
}

int spec_field_word_list(struct spec_reader *r, const struct json *v, void *out,
			 const struct spec_field *field)
{
	size_t n = 0;
	int rc = spec_field_strings(r, v, out, field);

	if (rc < 0)
		return rc;
	json_each (it, v) {
		spec_path_push_index(r, n++);
		rc = spec_word_find(r, field->arg, it->string);
		if (rc < 0)
			return rc;
		spec_path_pop(r);
	}
	return 1;
}

int spec_field_flags(struct spec_reader *r, const struct json *v, void *out,
		     const struct spec_field *field)
{
	const struct spec_words *words = field->arg;
	uint64_t flags = 0;
	size_t n = 0;
	int rc = check_count(r, v, field);

	if (rc < 0)
		return rc;
	json_each (it, v) {
		spec_path_push_index(r, n++);
		rc = spec_expect(r, it, JSON_STRING);
		if (rc == 0)
			rc = spec_word_find(r, words, it->string);
		if (rc < 0)
			return rc;
		flags |= (uint64_t)words->v[rc].value;
		spec_path_pop(r);
	}
	*(uint64_t *)out = flags;
	return 1;
}

int spec_field_platform(struct spec_reader *r, const struct json *v, void *out,
			const struct spec_field *field)
{
	(void)out;
	(void)field;
	spec_notice_add(&r->platform, v->key);
	return 1;
}
