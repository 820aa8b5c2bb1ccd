/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See explain.h.
 */
#include "runtime/explain.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/log.h"
#include "runtime/annotations.h"
#include "spec/spec_read.h"
#include "spec/spec_walk.h"

/* So many fields may be refused one after the other before the rest is left as it is. */
#define REFUSALS_MAX 256
#define WARNINGS_MAX 64

struct warnings {
	struct arena *arena;
	const char *v[WARNINGS_MAX];
	size_t n;
};

const char *explain_status_name(enum explain_status status)
{
	static const char *const names[EXPLAIN_STATUS_N] = {
		[EXPLAIN_APPLIED] = "applied", [EXPLAIN_EMULATED] = "emulated",
		[EXPLAIN_IGNORED] = "ignored", [EXPLAIN_UNSUPPORTED] = "unsupported",
		[EXPLAIN_INVALID] = "invalid",
	};

	return names[status];
}

void explain_set(struct explain *e, struct explain_row *row, enum explain_status status,
		 const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	row->status = status;
	row->reason = arena_strdup(e->arena, text);
}

/* ---- the rows ---- */

static void count_row(void *user, const struct spec_visit *visit UNUSED)
{
	(*(size_t *)user)++;
}

static void add_row(void *user, const struct spec_visit *visit)
{
	struct explain *e = user;

	e->rows[e->n_rows++] = (struct explain_row){
		.path = visit->path,
		.pattern = visit->pattern,
		.value = visit->value,
		.parent = visit->parent,
		.known = visit->known,
		.platform = visit->platform,
		.reason = "",
	};
}

/* ---- places in the tree, by the paths of error texts ---- */

struct place {
	struct json *node, *parent;
	size_t length; /* of the path in the text */
};

/* Length of the step "NAME", `["NAME"]` or "[INDEX]" to the child at the start of text, 0 if it is
 * another's. */
static size_t match_step(struct arena *arena, const struct json *child, size_t index,
			 const char *text, bool first)
{
	CLEANUP_STR struct str step = { 0 };

	if (!child->key) {
		const char *number = arena_printf(arena, "[%zu]", index);

		return str_starts_with(text, number) ? strlen(number) : 0;
	}
	str_addf(&step, "%s%s", first ? "" : ".", child->key);
	if (!str_starts_with(text, step.data) ||
	    (text[step.len] && !strchr(".[: ", text[step.len]))) {
		str_reset(&step);
		str_add_char(&step, '[');
		str_add_quoted(&step, child->key);
		str_add_char(&step, ']');
		if (!str_starts_with(text, step.data))
			return 0;
	}
	return step.len;
}

/* The deepest node whose path begins the text. */
static struct place find_place(struct arena *arena, struct json *parent, const char *text,
			       bool first)
{
	struct place none = { 0 };
	size_t index = 0;

	for (struct json *child = parent->child; child; child = child->next) {
		size_t n = match_step(arena, child, index++, text, first);
		struct place deeper;

		if (n == 0)
			continue;
		deeper = find_place(arena, child, text + n, false);
		if (!deeper.node)
			return (struct place){ .node = child, .parent = parent, .length = n };
		deeper.length += n;
		return deeper;
	}
	return none;
}

const struct json *explain_find(const struct explain *e, const char *path)
{
	struct place at = find_place(e->arena, e->config, path, true);

	return at.node && !strchr(".[", path[at.length] ? path[at.length] : ':') ? at.node : NULL;
}

bool explain_is_below(const struct json *node, const struct json *top)
{
	if (node == top)
		return true;
	for (const struct json *child = top->child; child; child = child->next)
		if (explain_is_below(node, child))
			return true;
	return false;
}

/* A text about a whole map often quotes the entry that it means. */
static struct place narrow(struct place at, const char *text)
{
	for (struct json *child = at.node ? at.node->child : NULL; child; child = child->next) {
		CLEANUP_STR struct str key = { 0 };

		if (!child->key)
			return at;
		str_add_quoted(&key, child->key);
		if (strstr(text + at.length, key.data))
			return (struct place){ .node = child,
					       .parent = at.node,
					       .length = at.length };
	}
	return at;
}

/* Texts that callers know and that therefore begin without a path. */
static const char *known_text(struct arena *arena, const char *text)
{
	static const struct {
		const char *begin, *path;
	} table[] = {
		{ "process property must not be empty", "process" },
		{ "Cwd ", "process.cwd" },
		{ "args must not be empty", "process.args" },
		{ "selinux label is specified", "process.selinuxLabel" },
		{ "cannot set any additional groups", "process.user.additionalGids" },
		{ "expected cgroupsPath", "linux.cgroupsPath" },
		{ "cgroup manager ", "linux.cgroupsPath" },
		{ "rootless container requires user namespaces", "linux.namespaces" },
		{ "config cannot be null", "" },
	};

	for (size_t i = 0; i < ARRAY_COUNT(table); i++)
		if (str_starts_with(text, table[i].begin))
			return arena_printf(arena, "%s: %s", table[i].path, text);
	return text;
}

static const char *without_path(const char *text, size_t length)
{
	text += MIN(length, strlen(text));
	return text + strspn(text, ": ");
}

bool explain_is_refused(const struct explain_row *row)
{
	return row->status == EXPLAIN_UNSUPPORTED || row->status == EXPLAIN_INVALID;
}

static void mark(struct explain *e, const struct place *at, enum explain_status status,
		 const char *reason)
{
	for (size_t i = 0; i < e->n_rows; i++)
		if (!explain_is_refused(&e->rows[i]) &&
		    explain_is_below(e->rows[i].value, at->node))
			explain_set(e, &e->rows[i], status, "%s", reason);
}

static void unlink_node(struct json *parent, const struct json *node)
{
	struct json **at = &parent->child;

	while (*at != node)
		at = &(*at)->next;
	/* The next round's texts count what is left, and so does find_place. */
	*at = node->next;
	parent->count--;
}

/* A row for what is not there: "linux.uidMappings: required for a new user namespace". */
static void add_missing(struct explain *e, const char *text, enum explain_status status)
{
	const char *colon = strstr(text, ": ");
	size_t n = colon ? (size_t)(colon - text) : 0;
	struct explain_row row = {
		.path = n && !memchr(text, ' ', n) ? arena_strndup(e->arena, text, n) : "config",
		.pattern = "",
		.known = true,
	};

	explain_set(e, &row, status, "%s", str_eq(row.path, "config") ? text : colon + 2);
	e->rows[e->n_rows++] = row; /* REFUSALS_MAX of them have room */
}

/* Was the member that is missing in the object one that was refused before? */
static bool was_refused(const struct explain *e, const struct json *object, const char *member)
{
	size_t n = strcspn(member, ".[: ");

	for (size_t i = 0; i < e->n_rows; i++) {
		const struct explain_row *row = &e->rows[i];
		const char *key = row->value ? row->value->key : NULL;

		if (explain_is_refused(row) && row->parent == object && key && strlen(key) == n &&
		    memcmp(key, member, n) == 0)
			return true;
	}
	return false;
}

/* What is demanded gets a stand-in, once, so that the rest can be judged: the row is there already. */
static bool stand_in(struct explain *e, struct json *parent, const char *text)
{
	static const struct {
		const char *path, *value;
	} table[] = {
		{ "ociVersion:", "\"" SPEC_VERSION "\"" },
		{ "root:", "{\"path\": \"rootfs\"}" },
		{ "root.path:", "\"rootfs\"" },
		{ "process:", "{\"args\": [\"sh\"], \"cwd\": \"/\"}" },
		{ "process.args:", "[\"sh\"]" },
		{ "process.cwd:", "\"/\"" },
		{ "linux.uidMappings:", "[{\"containerID\": 0, \"hostID\": 0, \"size\": 1}]" },
		{ "linux.gidMappings:", "[{\"containerID\": 0, \"hostID\": 0, \"size\": 1}]" },
	};
	struct json *value = NULL, **end = &parent->child;
	struct err err = { 0 };
	size_t i = 0;

	while (i < ARRAY_COUNT(table) && !str_starts_with(text, table[i].path))
		i++;
	if (i == ARRAY_COUNT(table) ||
	    json_parse(e->arena, table[i].value, strlen(table[i].value), &value, &err) < 0)
		return false;
	const char *name = strrchr(table[i].path, '.');
	name = name ? name + 1 : table[i].path;
	value->key = arena_strndup(e->arena, name, strlen(name) - 1);
	for (; *end; end = &(*end)->next)
		if (str_eq((*end)->key, value->key))
			return false;
	*end = value;
	parent->count++;
	return true;
}

/* Notes what the text refuses and takes it out of the tree; false: there is nothing to take out. */
static bool refuse(struct explain *e, enum explain_status status, const struct err *err)
{
	const char *text = known_text(e->arena, err->msg);
	struct place at = find_place(e->arena, e->config, text, true);

	if (!at.node) {
		const char *member = text + strspn(text, ".");

		if (!was_refused(e, e->config, member))
			add_missing(e, text, status);
		return stand_in(e, e->config, text);
	}
	if (text[at.length] != '.') {
		at = narrow(at, text);
		mark(e, &at, status, without_path(text, at.length));
	} else if (!was_refused(e, at.node, text + at.length + 1)) {
		add_missing(e, text, status);
	}
	if (text[at.length] == '.' && stand_in(e, at.node, text))
		return true;
	/* Without the member it cannot be judged as a whole. */
	unlink_node(at.parent, at.node);
	return true;
}

/* ---- reading and planning, again and again ---- */

static void keep_warning(void *user, enum log_level level, const char *text)
{
	struct warnings *w = user;

	if (level == LOG_LEVEL_WARNING && w->n < WARNINGS_MAX)
		w->v[w->n++] = arena_strdup(w->arena, text);
}

static int build(struct explain *e, const struct explain_input *in, enum explain_status *status,
		 struct err *err)
{
	struct plan_input input = {
		.kind = PLAN_RUN,
		.host = in->host,
		.request = in->request,
	};
	static const struct host_systemd assumed = { "", "", 252 };
	struct spec *spec = NULL;
	struct plan *plan = NULL;
	struct host host;
	int r;

	*status = EXPLAIN_INVALID;
	r = spec_read_tree(e->arena, in->config, &spec, err);
	if (r < 0)
		return r;
	e->spec = input.spec = spec;
	*status = EXPLAIN_UNSUPPORTED;
	r = annotations_apply(spec, true, err);
	if (r < 0)
		return r;
	/* Explaining asks no daemon: the plan is that of a systemd at the root of the tree. */
	host = *in->host;
	if (!host.systemd)
		host.systemd = &assumed;
	input.host = &host;
	r = plan_build(e->arena, &input, &plan, err);
	if (r >= 0)
		e->plan = plan;
	return r;
}

static void read_and_plan(struct explain *e, const struct explain_input *in, struct warnings *w)
{
	for (size_t i = 0; i < REFUSALS_MAX; i++) {
		enum explain_status status = EXPLAIN_INVALID;
		struct err err = { 0 };

		w->n = 0;
		if (build(e, in, &status, &err) >= 0 || !refuse(e, status, &err))
			return;
	}
}

static void apply_warnings(struct explain *e, const struct warnings *w)
{
	for (size_t i = 0; i < w->n; i++) {
		struct place at = find_place(e->arena, e->config, w->v[i], true);

		for (size_t k = 0; at.node && k < e->n_rows; k++)
			if (e->rows[k].status == EXPLAIN_APPLIED &&
			    explain_is_below(e->rows[k].value, at.node))
				explain_set(e, &e->rows[k], EXPLAIN_IGNORED, "%s",
					    without_path(w->v[i], at.length));
	}
}

static void apply_tables(struct explain *e)
{
	for (size_t i = 0; i < e->n_rows; i++) {
		struct explain_row *row = &e->rows[i];

		if (explain_is_refused(row))
			continue;
		if (!row->known)
			explain_set(e, row, EXPLAIN_IGNORED, "no property of the specification");
		else if (row->platform)
			explain_set(e, row, EXPLAIN_IGNORED, "of another platform");
	}
}

int explain_config(struct arena *arena, const struct explain_input *in, struct explain *ret,
		   struct err *err)
{
	struct explain e = {
		.arena = arena,
		.host = in->host,
		.config = in->config,
		.bundle = in->request->bundle,
		.supported = true,
	};
	struct warnings warnings = { .arena = arena };
	size_t n = 0;

	if (in->config->type != JSON_OBJECT)
		return err_set(err, EINVAL, "the configuration must be an object, not %s",
			       json_type_name(in->config->type));
	spec_walk(arena, in->config, count_row, &n);
	e.rows = ARENA_ARRAY(arena, n + REFUSALS_MAX, struct explain_row);
	spec_walk(arena, in->config, add_row, &e);
	apply_tables(&e);

	log_capture(keep_warning, &warnings);
	read_and_plan(&e, in, &warnings);
	log_capture(NULL, NULL);
	explain_apply_rules(&e);
	apply_warnings(&e, &warnings);
	for (size_t i = 0; i < e.n_rows; i++)
		e.supported = e.supported && !explain_is_refused(&e.rows[i]);
	*ret = e;
	return 0;
}
