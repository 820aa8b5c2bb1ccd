/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thole list [-f table|json] [-q]
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "runtime/command.h"
#include "runtime/state.h"
#include "spec/spec_docs.h"

#define PASSWD_MAX (4u << 20)
#define COLUMN_N 6
#define COLUMN_MIN 12
#define COLUMN_PADDING 3

struct entry {
	struct state state;
	enum state_status status;
	pid_t pid;
	const char *owner;
};

/* The name of a uid in the text of /etc/passwd ("name:x:uid:..."), without NSS: a runtime loads no
 * modules of the host. "#uid" if there is none. */
static const char *owner_name(struct arena *arena, const char *passwd, uid_t uid)
{
	for (const char *line = passwd; line && *line;) {
		const char *end = strchrnul(line, '\n');
		const char *name_end = memchr(line, ':', (size_t)(end - line));
		const char *id =
			name_end ? memchr(name_end + 1, ':', (size_t)(end - name_end - 1)) : NULL;
		const char *id_end = id ? memchr(id + 1, ':', (size_t)(end - id - 1)) : NULL;
		uint32_t value;

		if (id_end &&
		    parse_u32(arena_strndup(arena, id + 1, (size_t)(id_end - id - 1)), 10,
			      &value) == 0 &&
		    value == uid)
			return arena_strndup(arena, line, (size_t)(name_end - line));
		line = *end ? end + 1 : end;
	}
	return arena_printf(arena, "#%u", uid);
}

static int read_entry(const struct command_call *call, const char *id, const char *passwd,
		      struct entry *ret, struct err *err)
{
	CLEANUP_STATE_DIR struct state_dir dir = STATE_DIR_INIT;
	CLEANUP_FD int pidfd = -EBADF;
	struct stat st;
	int r = state_dir_peek(call->arena, call->global->root, id, &dir, err);

	if (r >= 0)
		r = state_read(call->arena, &dir, &ret->state, err);
	if (r < 0)
		return r;
	if (fstat(dir.fd, &st) < 0)
		return err_sys(err, "stat \"%s\"", dir.path);
	ret->status = state_status(&ret->state, &pidfd);
	ret->pid = pidfd >= 0 ? ret->state.pid : 0;
	ret->owner = owner_name(call->arena, passwd, st.st_uid);
	return 0;
}

static void print_json(const struct entry *entries, size_t n, struct str *out)
{
	CLEANUP_JSON_WRITER struct json_writer *w = json_writer_new(NULL);
	const char *text;
	size_t len;

	if (n == 0)
		jw_null(w); /* as runc's empty Go slice */
	else
		jw_array(w);
	for (size_t i = 0; i < n; i++) {
		const struct entry *e = &entries[i];
		struct spec_state state = {
			.id = e->state.id,
			.status = state_status_name(e->status),
			.pid = e->pid,
			.bundle = e->state.bundle,
			.rootfs = e->state.rootfs,
			.created = e->state.created,
			.annotations = &e->state.annotations,
			.owner = e->owner,
		};

		spec_state_write(w, &state);
	}
	if (n)
		jw_end(w);
	text = json_writer_text(w, &len);
	str_add_n(out, text, len);
	str_add_char(out, '\n');
}

static void print_table(struct arena *arena, const struct entry *entries, size_t n, struct str *out)
{
	static const char *const header[COLUMN_N] = { "ID",     "PID",     "STATUS",
						      "BUNDLE", "CREATED", "OWNER" };
	const char *(*cells)[COLUMN_N] = arena_array(arena, n + 1, sizeof(*cells));
	size_t width[COLUMN_N] = { 0 };

	memcpy(cells[0], header, sizeof(header));
	for (size_t i = 0; i < n; i++) {
		const struct entry *e = &entries[i];

		cells[i + 1][0] = e->state.id;
		cells[i + 1][1] = arena_printf(arena, "%d", (int)e->pid);
		cells[i + 1][2] = state_status_name(e->status);
		cells[i + 1][3] = e->state.bundle;
		cells[i + 1][4] = e->state.created ? e->state.created : "";
		cells[i + 1][5] = e->owner;
	}
	for (size_t i = 0; i <= n; i++)
		for (size_t c = 0; c < COLUMN_N; c++)
			width[c] = MAX(width[c], strlen(cells[i][c]) + COLUMN_PADDING);
	for (size_t i = 0; i <= n; i++) {
		for (size_t c = 0; c + 1 < COLUMN_N; c++)
			str_addf(out, "%-*s", (int)MAX(width[c], (size_t)COLUMN_MIN), cells[i][c]);
		str_addf(out, "%s\n", cells[i][COLUMN_N - 1]);
	}
}

static size_t read_entries(const struct command_call *call, const struct spec_strings *ids,
			   struct entry *entries)
{
	char *passwd = NULL;
	size_t n = 0, len;

	if (io_read_file(AT_FDCWD, "/etc/passwd", PASSWD_MAX, call->arena, &passwd, &len) < 0)
		passwd = NULL;
	for (size_t i = 0; i < ids->n; i++) {
		struct err err = { 0 };

		if (read_entry(call, ids->v[i], passwd, &entries[n], &err) >= 0)
			n++;
		else if (err.code == ENODATA)
			log_debug("%s", err.msg); /* being made, or half deleted */
		else if (err.code != ENOENT)
			log_warning("container %s: %s", ids->v[i], err.msg);
	}
	return n;
}

static int run_list(const struct command_call *call, struct err *err)
{
	const char *format = option_string(call->options, "format");
	CLEANUP_STR struct str out = { 0 };
	struct spec_strings ids = { 0 };
	struct entry *entries;
	size_t n;
	int r;

	if (!format)
		format = "table";
	if (!str_eq(format, "table") && !str_eq(format, "json"))
		return err_set(err, EINVAL, "invalid format option");
	r = state_list(call->arena, call->global->root, &ids, err);
	if (r < 0 && !(r == -ENOENT && !call->global->root_given))
		return r;
	entries = ARENA_ARRAY(call->arena, ids.n, struct entry);
	n = read_entries(call, &ids, entries);

	if (option_bool(call->options, "quiet"))
		for (size_t i = 0; i < n; i++)
			str_addf(&out, "%s\n", entries[i].state.id);
	else if (str_eq(format, "json"))
		print_json(entries, n, &out);
	else
		print_table(call->arena, entries, n, &out);
	r = io_write_all(STDOUT_FILENO, out.data, out.len);
	if (r < 0)
		return err_sysn(err, r, "write to standard output");
	return 0;
}

static const struct option options[] = {
	{ .name = "format",
	  .alias = "f",
	  .type = OPTION_STRING,
	  .arg = "table|json",
	  .help = "output format (default table)" },
	{ .name = "quiet", .alias = "q", .type = OPTION_BOOL, .help = "print the ids only" },
};

const struct command cmd_list = {
	.name = "list",
	.args_help = "",
	.help = "list the containers below the state root",
	.options = options,
	.n_options = ARRAY_COUNT(options),
	.max_args = 0,
	.error_status = 1,
	.run = run_list,
};
