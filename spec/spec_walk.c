/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See spec_walk.h.
 */
#include "spec/spec_walk.h"

#include "spec/spec_table.h"

struct walk {
	struct arena *arena;
	spec_visit_fn *fn;
	void *user;
};

/* What stands behind a row: the table of the object, or of a list's or map's elements. */
static const struct spec_table *table_of(const struct spec_field *field, bool *ret_list)
{
	*ret_list = field->read == spec_field_list || field->read == spec_field_object_map ||
		    field->flags & SPEC_LISTED;
	if (*ret_list)
		return ((const struct spec_list *)field->arg)->table;
	return field->read == spec_field_object ? field->arg : NULL;
}

/* Members of a map have names of their own: free texts, not the tables'. */
static bool is_map(const struct spec_field *field)
{
	return field->type == JSON_OBJECT && field->read != spec_field_object;
}

static const struct spec_field *row_of(const struct spec_table *table, const char *name)
{
	for (size_t i = 0; i < table->n; i++)
		if (str_eq(table->rows[i].name, name))
			return &table->rows[i];
	return NULL;
}

static const char *entry_path(struct arena *arena, const char *path, const struct json *entry,
			      size_t index)
{
	CLEANUP_STR struct str text = { 0 };

	if (!entry->key)
		return arena_printf(arena, "%s[%zu]", path, index);
	str_addf(&text, "%s[", path);
	str_add_quoted(&text, entry->key);
	str_add_char(&text, ']');
	return arena_strdup(arena, text.data);
}

static void visit_field(const struct walk *w, const struct spec_visit *at,
			const struct spec_field *field);

static void visit_members(const struct walk *w, const struct spec_visit *at,
			  const struct spec_table *table)
{
	json_each (member, at->value) {
		const struct spec_field *field = row_of(table, member->key);
		const char *dot = *at->path ? "." : "";
		struct spec_visit visit = {
			.path = arena_printf(w->arena, "%s%s%s", at->path, dot, member->key),
			.pattern = arena_printf(w->arena, "%s%s%s", at->pattern, dot, member->key),
			.value = member,
			.parent = at->value,
			.known = field,
			.platform = field && field->read == spec_field_platform,
		};

		if (member->type != JSON_NULL)
			visit_field(w, &visit, field);
	}
}

static void visit_entries(const struct walk *w, const struct spec_visit *at,
			  const struct spec_table *table)
{
	size_t index = 0;

	json_each (entry, at->value) {
		struct spec_visit visit = {
			.path = entry_path(w->arena, at->path, entry, index++),
			.pattern = arena_printf(w->arena, "%s[]", at->pattern),
			.value = entry,
			.parent = at->value,
			.known = true,
		};

		if (entry->type == JSON_NULL)
			continue;
		if (table && entry->type == JSON_OBJECT && entry->child)
			visit_members(w, &visit, table);
		else
			w->fn(w->user, &visit);
	}
}

static void visit_field(const struct walk *w, const struct spec_visit *at,
			const struct spec_field *field)
{
	const struct spec_table *table;
	bool list = false;

	table = field ? table_of(field, &list) : NULL;
	if (!field || !at->value->child || at->value->type != field->type ||
	    (!table && !is_map(field)))
		w->fn(w->user, at);
	else if (table && !list)
		visit_members(w, at, table);
	else
		visit_entries(w, at, table);
}

void spec_walk(struct arena *arena, const struct json *config, spec_visit_fn *fn, void *user)
{
	const struct walk w = { .arena = arena, .fn = fn, .user = user };
	const struct spec_visit root = { .path = "", .pattern = "", .value = config };

	if (config->type == JSON_OBJECT)
		visit_members(&w, &root, &spec_table_config);
}

static void schema_of(const struct walk *w, const char *prefix, const struct spec_table *table)
{
	for (size_t i = 0; i < table->n; i++) {
		const struct spec_field *field = &table->rows[i];
		bool list = false;
		const struct spec_table *below = table_of(field, &list);
		const char *name = arena_printf(w->arena, "%s%s%s%s", prefix, *prefix ? "." : "",
						field->name, list || is_map(field) ? "[]" : "");
		struct spec_visit visit = {
			.path = name,
			.pattern = name,
			.known = true,
			.platform = field->read == spec_field_platform,
		};

		if (below && below->n > 0)
			schema_of(w, name, below);
		else
			w->fn(w->user, &visit);
	}
}

void spec_walk_schema(struct arena *arena, spec_visit_fn *fn, void *user)
{
	const struct walk w = { .arena = arena, .fn = fn, .user = user };

	schema_of(&w, "", &spec_table_config);
}
