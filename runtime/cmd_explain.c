/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thole explain, thole validate: what becomes of each field of a configuration.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>

#include "common/io.h"
#include "runtime/cmd_make.h"
#include "runtime/command.h"
#include "runtime/explain.h"

#define VALUE_MAX 40

/* ---- as a table ---- */

static const char *value_text(struct arena *arena, const struct json *value)
{
	CLEANUP_JSON_WRITER struct json_writer *w = json_writer_new(NULL);
	const char *text;
	size_t n;

	if (!value)
		return "";
	jw_tree(w, value);
	text = json_writer_text(w, &n);
	if (n <= VALUE_MAX)
		return arena_strndup(arena, text, n);
	for (n = VALUE_MAX - 3; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80;)
		n--;
	return arena_printf(arena, "%.*s...", (int)n, text);
}

/* Names and texts of a hostile file do not reach the terminal as control characters. */
static void add_plain(struct str *out, const char *text)
{
	for (; *text; text++)
		str_add_char(out, (unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
}

static void pad(struct str *out, size_t start, size_t width)
{
	while (out->len - start < width)
		str_add_char(out, ' ');
}

static void print_table(struct arena *arena, const struct explain *e, bool values, struct str *out)
{
	size_t path_width = strlen("FIELD");
	size_t counts[EXPLAIN_STATUS_N] = { 0 };

	for (size_t i = 0; i < e->n_rows; i++)
		path_width = MAX(path_width, strlen(e->rows[i].path));
	path_width = MIN(path_width, (size_t)60);
	for (size_t i = 0; i <= e->n_rows; i++) {
		const struct explain_row *row = i ? &e->rows[i - 1] : NULL;
		size_t start = out->len;

		add_plain(out, row ? row->path : "FIELD");
		pad(out, start, path_width + 2);
		start = out->len;
		if (values) {
			add_plain(out, row ? value_text(arena, row->value) : "VALUE");
			pad(out, start, VALUE_MAX + 2);
			start = out->len;
		}
		str_add(out, row ? explain_status_name(row->status) : "STATUS");
		if (row)
			counts[row->status]++;
		if (!row || *row->reason) {
			pad(out, start, strlen("unsupported") + 2);
			add_plain(out, row ? row->reason : "REASON");
		}
		str_add_char(out, '\n');
	}
	str_addf(out, "\n%zu fields:", e->n_rows);
	for (size_t i = 0; i < EXPLAIN_STATUS_N; i++)
		str_addf(out, "%s %zu %s", i ? "," : "", counts[i],
			 explain_status_name((enum explain_status)i));
	str_add_char(out, '\n');
}

/* ---- as JSON ---- */

static void print_json(const struct explain *e, bool values, struct str *out)
{
	CLEANUP_JSON_WRITER struct json_writer *w = json_writer_new("  ");
	const char *text;
	size_t n;

	jw_object(w);
	jw_key(w, "supported");
	jw_bool(w, e->supported);
	jw_key(w, "fields");
	jw_array(w);
	for (size_t i = 0; i < e->n_rows; i++) {
		const struct explain_row *row = &e->rows[i];

		jw_object(w);
		jw_key(w, "path");
		jw_string(w, row->path);
		if (values && row->value) {
			jw_key(w, "value");
			jw_tree(w, row->value);
		}
		jw_key(w, "status");
		jw_string(w, explain_status_name(row->status));
		if (*row->reason) {
			jw_key(w, "reason");
			jw_string(w, row->reason);
		}
		jw_end(w);
	}
	jw_end(w);
	jw_end(w);
	text = json_writer_text(w, &n);
	str_add_n(out, text, n);
	str_add_char(out, '\n');
}

/* ---- the commands ---- */

static int read_config(const struct command_call *call, struct json **ret, struct err *err)
{
	const char *path = cmd_path(call, "config");
	char *text;
	size_t n;
	int r;

	path = path ? path : "config.json";
	r = io_read_file(AT_FDCWD, path, JSON_BYTES_MAX, call->arena, &text, &n);
	if (r == -ENOENT)
		return err_set(err, ENOENT, "JSON specification file %s not found", path);
	if (r < 0)
		return err_sysn(err, r, "read \"%s\"", path);
	r = json_parse(call->arena, text, n, ret, err);
	return r < 0 ? err_wrap(err, "%s", path) : 0;
}

static int explain(const struct command_call *call, bool values, struct err *err)
{
	const char *bundle = cmd_path(call, "bundle");
	const char *format = option_string(call->options, "format");
	struct plan_request request = {
		/* No container of that name is looked for. */
		.id = "explain",
		.cgroup_manager = call->global->cgroup_manager,
		.rootless_cgroup = call->global->rootless_cgroup,
	};
	struct explain_input in = { .request = &request };
	CLEANUP_STR struct str out = { 0 };
	struct explain e = { 0 };
	char real[PATH_MAX];
	struct host host;
	int r;

	if (format && !str_eq(format, "table") && !str_eq(format, "json"))
		return err_set(err, EINVAL, "invalid format option");
	if (bundle && chdir(bundle) < 0)
		return err_sys(err, "chdir %s", bundle);
	if (!getcwd(real, sizeof(real)))
		return err_sys(err, "find the bundle's path");
	request.bundle = real;
	request.state_dir = arena_printf(call->arena, "%s/explain", call->global->root);
	r = read_config(call, &in.config, err);
	if (r >= 0)
		r = host_probe(call->arena, &host, err);
	if (r >= 0)
		r = host_probe_resctrl(call->arena, &host, err);
	in.host = &host;
	if (r >= 0)
		r = explain_config(call->arena, &in, &e, err);
	if (r < 0)
		return r;
	if (format && str_eq(format, "json"))
		print_json(&e, values, &out);
	else
		print_table(call->arena, &e, values, &out);
	r = io_write_all(STDOUT_FILENO, out.data, out.len);
	if (r < 0)
		return err_sysn(err, r, "write to standard output");
	return e.supported ? 0 : 1;
}

static int run_explain(const struct command_call *call, struct err *err)
{
	return explain(call, true, err);
}

static int run_validate(const struct command_call *call, struct err *err)
{
	return explain(call, false, err);
}

static const struct option options[] = {
	{ .name = "bundle",
	  .alias = "b",
	  .type = OPTION_STRING,
	  .arg = "DIR",
	  .help = "root of the bundle (default: the current directory)" },
	{ .name = "config",
	  .type = OPTION_STRING,
	  .arg = "FILE",
	  .help = "the configuration (default: config.json in the bundle)" },
	{ .name = "format",
	  .alias = "f",
	  .type = OPTION_STRING,
	  .arg = "table|json",
	  .help = "output format (default table)" },
};

const struct command cmd_validate = {
	.name = "validate",
	.args_help = "",
	.help = "check a configuration: which fields are applied, emulated or unsupported here",
	.options = options,
	.n_options = ARRAY_COUNT(options),
	.max_args = 0,
	.error_status = 1,
	.run = run_validate,
};

const struct command cmd_explain = {
	.name = "explain",
	.args_help = "",
	.help = "as validate, with each field's value and what becomes of it",
	.options = options,
	.n_options = ARRAY_COUNT(options),
	.max_args = 0,
	.error_status = 1,
	.run = run_explain,
};
