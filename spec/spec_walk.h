/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A walk over the fields of a configuration by the readers' own tables: what is there, what the
 * tables know of it. Reads nothing into structs and judges no value.
 */
#pragma once

#include "common/arena.h"
#include "common/json.h"

struct spec_visit {
	const char *path;    /* "mounts[3].type", as the errors of the readers write it */
	const char *pattern; /* "mounts[].type": without indexes and names of map entries */
	const struct json *value, *parent; /* parent: the object or array that it is in */
	bool known;                        /* there is a row for it */
	bool platform;                     /* its row says that it is another platform's */
};
typedef void spec_visit_fn(void *user, const struct spec_visit *visit);

/* Calls fn for every field that is set, in document order: objects and lists of objects are
 * descended into, an empty one, a list of plain values and what is not known are one field. null is
 * none. Strings live in the arena. */
void spec_walk(struct arena *arena, const struct json *config, spec_visit_fn *fn, void *user);

/* Calls fn with the pattern of every field that the tables have (value and parent are NULL). */
void spec_walk_schema(struct arena *arena, spec_visit_fn *fn, void *user);
