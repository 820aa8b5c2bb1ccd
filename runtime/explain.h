/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of each field of a configuration on this host. Three sources, and no list of fields
 * of its own: the readers' tables say what is there, the plan says what is refused, warned of and
 * written (built as create would, once more without a field that it refused), and the rules of
 * explain_rules.c look at what only the kernel or the file system knows. Changes nothing.
 */
#pragma once

#include "common/arena.h"
#include "common/err.h"
#include "common/json.h"
#include "runtime/host.h"
#include "runtime/plan.h"

enum explain_status {
	EXPLAIN_APPLIED,
	EXPLAIN_EMULATED,    /* done in another way, or converted */
	EXPLAIN_IGNORED,     /* accepted without an effect */
	EXPLAIN_UNSUPPORTED, /* create would fail */
	EXPLAIN_INVALID,     /* against the specification; create would fail */
	EXPLAIN_STATUS_N
};
const char *explain_status_name(enum explain_status status);

struct explain_row {
	const char *path, *pattern; /* as in spec_walk.h */
	const struct json *value, *parent;
	bool known, platform;
	enum explain_status status;
	const char *reason; /* "" : as it is said */
};

struct explain {
	struct arena *arena;
	const struct host *host;
	const char *bundle; /* absolute */
	struct json *config;
	const struct spec *spec; /* without what was refused; NULL if nothing could be read */
	const struct plan *plan; /* NULL if none could be built */
	struct explain_row *rows;
	size_t n_rows;
	bool supported; /* no row is unsupported or invalid */
};

struct explain_input {
	const struct host *host;
	const struct plan_request *request; /* as for run in the foreground: no console socket */
	struct json *config;                /* what is refused is taken out of it */
};

/* Fills *ret; everything lives in the arena. A configuration that is refused is no error here. */
MUST_CHECK int explain_config(struct arena *arena, const struct explain_input *in,
			      struct explain *ret, struct err *err);

bool explain_is_refused(const struct explain_row *row);
/* The node of that path, as errors and plans write it (a text may follow); NULL: none. */
const struct json *explain_find(const struct explain *e, const char *path);
bool explain_is_below(const struct json *node, const struct json *top);

/* explain_rules.c */
void explain_apply_rules(struct explain *e);
/* The n-th rule's pattern, NULL after the last: for the test that all of them are fields. */
const char *explain_rule_pattern(size_t n);
/* True if the pattern is the rule's; "*" stands for one name. */
bool explain_matches(const char *rule, const char *pattern);
void explain_set(struct explain *e, struct explain_row *row, enum explain_status status,
		 const char *fmt, ...) PRINTF_LIKE(4, 5);
