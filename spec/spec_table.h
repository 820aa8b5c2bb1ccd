/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine of spec_read: one row a field {name, type, handler, offset, limits, flags}, one table
 * an object. The engine looks members up, checks their type, calls the handler, sets the has_*
 * flag, demands what is required and names the JSON path in every error. For spec/ only.
 *
 * The JSON tree lives in the same arena as the spec, so that strings are shared with it.
 * null counts as absent everywhere, an empty string wherever a string is optional.
 */
#pragma once

#include <limits.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/json.h"
#include "spec/spec.h"

/* Limits on arrays and maps: far above what any caller sends, so that a hostile file is bounded. */
#define SPEC_ARGS_MAX 65536u
#define SPEC_GIDS_MAX 65536u /* NGROUPS_MAX */
#define SPEC_MOUNTS_MAX 10000u
#define SPEC_DEVICES_MAX 10000u
#define SPEC_LIST_MAX 4096u
#define SPEC_MAP_MAX 10000u
#define SPEC_IDMAPS_MAX 340u /* UID_GID_MAP_MAX_EXTENTS of the kernel */
/* (uid_t)-1 means "leave as it is" to setresuid and chown, so it is no id. */
#define SPEC_ID_MAX (UINT32_MAX - 1)

#define SPEC_PATH_DEPTH 16
#define SPEC_NOTICE_MAX 16

struct spec_frame { /* a member's name, or an index if the name is NULL */
	const char *name;
	size_t index;
};

struct spec_notice { /* names for one warning; more than fit are only counted */
	const char *names[SPEC_NOTICE_MAX];
	size_t n;
};

struct spec_reader {
	struct arena *arena;
	struct err *err;
	struct spec_frame frames[SPEC_PATH_DEPTH];
	size_t depth;
	struct spec_notice platform, caps, relative;
};

enum spec_field_flag {
	SPEC_REQUIRED = 1u << 0,
	SPEC_ZERO_ABSENT = 1u << 1, /* number: 0 is what callers send for unset */
	SPEC_ABSOLUTE = 1u << 2,    /* string: a path that begins with "/" */
	SPEC_ONE_LINE = 1u << 3,    /* string: no control characters; it goes into a kernel file */
	SPEC_NONEMPTY = 1u << 4,    /* array: at least one entry */
	SPEC_LISTED = 1u << 5,      /* a handler of its own, but arg is a struct spec_list */
};

struct spec_field;
/* Reads v into *out. 1: taken, 0: counts as absent, < 0: error recorded. */
typedef int spec_field_fn(struct spec_reader *r, const struct json *v, void *out,
			  const struct spec_field *field);

struct spec_field {
	const char *name;
	enum json_type type; /* JSON_TYPE_N: any */
	spec_field_fn *read;
	size_t offset; /* of the value, in the object's struct */
	size_t has;    /* offset of the bool to set; 0: none (it is never the first member) */
	int64_t min;   /* numbers: lowest value */
	uint64_t
		max; /* numbers: highest, strings: bytes, arrays and maps: entries; 0: the type's */
	const void *arg; /* handler's: struct spec_table, spec_list, spec_words */
	unsigned int flags;
};

struct spec_table {
	const struct spec_field *rows;
	size_t n; /* at most 64 */
	/* Rules and defaults of the whole object; `seen` has a bit for each row taken. May be NULL. */
	int (*finish)(struct spec_reader *r, void *base, uint64_t seen);
	const char *unknown; /* reason to refuse unknown members; NULL: told at debug level */
};

struct spec_list { /* an array of objects, stored as {T *v; size_t n} */
	const struct spec_table *table;
	size_t size;
};

struct spec_word {
	const char *word;
	int64_t value;
};
struct spec_words {
	const struct spec_word *v;
	size_t n;
};

/* Row of a member of struct S; OF: of the object's own struct, for objects without one. */
#define SPEC_ROW(S, name_, type_, read_, member_, ...)                                             \
	{                                                                                          \
		.name = (name_), .type = JSON_##type_, .read = (read_),                            \
		.offset = offsetof(S, member_), ##__VA_ARGS__                                      \
	}
#define SPEC_ROW_OF(name_, type_, read_, ...)                                                      \
	{                                                                                          \
		.name = (name_), .type = JSON_##type_, .read = (read_), .offset = 0, ##__VA_ARGS__ \
	}
/* Row of an array or map stored as a pointer with its count behind it (checked here). */
#define SPEC_ROW_LIST(S, name_, type_, read_, v_, n_, ...)                                         \
	{                                                                                          \
		.name = (name_), .type = JSON_##type_, .read = (read_),                            \
		.offset = offsetof(S, v_) +                                                        \
			  0 * sizeof(char[offsetof(S, n_) == offsetof(S, v_) + sizeof(void *)      \
						  ? 1                                              \
						  : -1]),                                          \
		##__VA_ARGS__                                                                      \
	}
#define SPEC_TABLE(rows_, ...)                                                                     \
	{                                                                                          \
		.rows = (rows_), .n = ARRAY_COUNT(rows_), ##__VA_ARGS__                            \
	}
#define SPEC_WORDS(v_)                                                                             \
	{                                                                                          \
		.v = (v_), .n = ARRAY_COUNT(v_)                                                    \
	}

/* ---- the engine ---- */

void spec_path_push(struct spec_reader *r, const char *name);
void spec_path_push_index(struct spec_reader *r, size_t index);
void spec_path_pop(struct spec_reader *r);

/* Errors at the current path: "PATH: REASON" and "PATH: REASON "VALUE"" (a string is shortened, its
 * control bytes escaped). Return -EINVAL. */
int spec_fail(struct spec_reader *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
int spec_fail_value(struct spec_reader *r, const char *value, const char *fmt, ...)
	PRINTF_LIKE(3, 4);
/* As above for the member `name` of the current object. */
int spec_fail_member(struct spec_reader *r, const char *name, const char *value, const char *fmt,
		     ...) PRINTF_LIKE(4, 5);
/* `path: reason "value"` for the cross-field checks, which have no reader. */
int spec_fail_at(struct err *err, const char *value, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Adds a name to a warning unless it is there already. */
void spec_notice_add(struct spec_notice *notice, const char *name);

/* Reads object v into base. */
MUST_CHECK int spec_table_read(struct spec_reader *r, const struct spec_table *table,
			       const struct json *v, void *base);
/* True if the row of that name was taken; for finish functions. */
bool spec_seen(const struct spec_table *table, uint64_t seen, const char *name);
/* Checks the type of v, refusing it at the current path. */
MUST_CHECK int spec_expect(struct spec_reader *r, const struct json *v, enum json_type type);
/* Value of a word, refused with "unknown" at the current path. Index into the list or < 0. */
MUST_CHECK int spec_word_find(struct spec_reader *r, const struct spec_words *words,
			      const char *word);

/* ---- handlers; the type in brackets is what out points to ---- */

spec_field_fn spec_field_bool;     /* bool */
spec_field_fn spec_field_string;   /* const char * */
spec_field_fn spec_field_i64;      /* int64_t; min is 0 unless given */
spec_field_fn spec_field_u64;      /* uint64_t */
spec_field_fn spec_field_i32;      /* int, int32_t; min is 0 unless given */
spec_field_fn spec_field_u32;      /* uint32_t */
spec_field_fn spec_field_u16;      /* uint16_t */
spec_field_fn spec_field_u32_list; /* {uint32_t *, size_t} */
spec_field_fn spec_field_strings;  /* struct spec_strings */
spec_field_fn spec_field_paths;    /* struct spec_strings of absolute paths */
spec_field_fn spec_field_map;      /* struct spec_map */
spec_field_fn spec_field_object;   /* arg: struct spec_table; out: its struct */
spec_field_fn spec_field_list;     /* arg: struct spec_list; {T *, size_t} */
spec_field_fn
	spec_field_object_map; /* the same from an object; T begins with the const char * key */
spec_field_fn spec_field_word; /* arg: struct spec_words; int or uint32_t */
spec_field_fn spec_field_word_text; /* arg: struct spec_words; const char * */
spec_field_fn spec_field_word_list; /* arg: struct spec_words; struct spec_strings */
spec_field_fn spec_field_flags;     /* arg: struct spec_words; uint64_t, or'ed */
spec_field_fn spec_field_cpu_list;  /* const char *, "0-3,7" */
spec_field_fn spec_field_platform;  /* nothing: an object of another platform */

spec_field_fn spec_field_idmaps; /* struct spec_idmaps, checked as the kernel does (spec_linux.c) */

/* ---- the tables of the single files ---- */

extern const struct spec_table spec_table_config;    /* struct spec */
extern const struct spec_table spec_table_process;   /* struct spec_process */
extern const struct spec_table spec_table_mount;     /* struct spec_mount */
extern const struct spec_table spec_table_hooks;     /* struct spec_hook_list[HOOK_KIND_N] */
extern const struct spec_table spec_table_linux;     /* struct spec_linux */
extern const struct spec_table spec_table_resources; /* struct spec_resources */
extern const struct spec_table spec_table_seccomp;   /* struct spec_seccomp */
