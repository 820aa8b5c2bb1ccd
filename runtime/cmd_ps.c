/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thole ps [-f table|json] ID [PS ARGUMENTS]
 */
#include <errno.h>
#include <fcntl.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/proc.h"
#include "runtime/cgroup.h"
#include "runtime/command.h"
#include "runtime/state.h"

#define PS_OUTPUT_MAX (64u << 20)

struct pids {
	pid_t *v;
	size_t n;
};

static void print_json(const struct pids *pids, struct str *out)
{
	str_add_char(out, '[');
	for (size_t i = 0; i < pids->n; i++)
		str_addf(out, "%s%d", i ? "," : "", (int)pids->v[i]);
	str_add(out, "]\n");
}

/* The word number `column` of the line; its length, 0 if there are fewer. */
static size_t find_word(const char *line, size_t column, const char **ret)
{
	for (size_t i = 0;; i++) {
		size_t n;

		line += strspn(line, " \t");
		n = strcspn(line, " \t");
		if (n == 0 || i == column) {
			*ret = line;
			return n;
		}
		line += n;
	}
}

static int find_pid_column(const char *header, size_t *ret)
{
	const char *word;
	size_t n;

	for (size_t i = 0; (n = find_word(header, i, &word)) > 0; i++)
		if (n == 3 && memcmp(word, "PID", 3) == 0) {
			*ret = i;
			return 0;
		}
	return -ENOENT;
}

static bool is_ours(const struct pids *pids, const char *word, size_t n)
{
	char text[16];
	int pid;

	if (n == 0 || n >= sizeof(text))
		return false;
	memcpy(text, word, n);
	text[n] = '\0';
	if (parse_int(text, &pid) < 0)
		return false;
	for (size_t i = 0; i < pids->n; i++)
		if (pids->v[i] == pid)
			return true;
	return false;
}

/* The header and the lines of our processes; cuts `text` into lines. */
static int filter_output(char *text, const struct pids *pids, struct str *out, struct err *err)
{
	size_t column = 0;
	bool first = true;

	for (char *line = text, *next; *line; line = next) {
		char *end = strchrnul(line, '\n');
		const char *word;
		size_t n;

		next = *end ? end + 1 : end;
		*end = '\0';
		if (first && find_pid_column(line, &column) < 0)
			return err_set(err, EINVAL, "couldn't find PID field in ps output");
		n = find_word(line, column, &word);
		if (first || is_ours(pids, word, n))
			str_addf(out, "%s\n", line);
		first = false;
	}
	return 0;
}

static int run_ps_program(struct arena *arena, char *const *args, char **ret, struct err *err)
{
	static char name[] = "ps", all[] = "-ef";
	CLEANUP_FD int in = -EBADF, out = -EBADF;
	struct spec_strings argv = { 0 };
	size_t n_args = 0, len;
	int pair[2], status, r;
	pid_t pid;

	while (args[n_args])
		n_args++;
	argv.v = ARENA_ARRAY(arena, n_args + 3, char *);
	argv.v[argv.n++] = name;
	if (n_args == 0)
		argv.v[argv.n++] = all;
	for (size_t i = 0; i < n_args; i++)
		argv.v[argv.n++] = args[i];
	if (pipe2(pair, O_CLOEXEC) < 0)
		return err_sys(err, "pipe for ps");
	in = pair[0];
	out = pair[1];

	struct proc_fd_map fds[] = { { .from = out, .to = STDOUT_FILENO } };
	struct proc_spawn spawn = {
		.path = name, .argv = argv.v, .fds = fds, .n_fds = ARRAY_COUNT(fds)
	};

	pid = proc_spawn(&spawn, NULL, err);
	if (pid < 0)
		return pid;
	fd_close(fd_take(&out));
	r = io_read_fd(in, PS_OUTPUT_MAX, arena, ret, &len);
	fd_close(fd_take(&in)); /* so that a ps that goes on after an error here ends */

	int waited = proc_wait(pid, &status);

	if (r < 0)
		return err_sysn(err, r, "read the output of ps");
	if (waited < 0)
		return err_sysn(err, waited, "wait for ps");
	if (status != 0)
		return err_set(err, EINVAL, "ps: exit status %d", proc_exit_code(status));
	return 0;
}

static int run_ps(const struct command_call *call, struct err *err)
{
	const char *format = option_string(call->options, "format");
	CLEANUP_STATE_DIR struct state_dir dir = STATE_DIR_INIT;
	CLEANUP_STR struct str out = { 0 };
	struct pids pids = { 0 };
	struct state state;
	char nothing[] = "", *text = nothing;
	int r;

	if (format && !str_eq(format, "table") && !str_eq(format, "json"))
		return err_set(err, EINVAL, "invalid format option");
	r = state_dir_peek(call->arena, call->global->root, call->args[0], &dir, err);
	if (r >= 0)
		r = state_read(call->arena, &dir, &state, err);
	if (r >= 0)
		r = cgroup_pids(call->arena, &state.cgroup, &pids.v, &pids.n, err);
	if (r < 0)
		return r;
	if (format && str_eq(format, "json")) {
		print_json(&pids, &out);
	} else {
		r = run_ps_program(call->arena, call->args + 1, &text, err);
		if (r >= 0)
			r = filter_output(text, &pids, &out, err);
		if (r < 0)
			return r;
	}
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
};

const struct command cmd_ps = {
	.name = "ps",
	.args_help = "<container-id> [ps options]",
	.help = "list the processes of a container",
	.options = options,
	.n_options = ARRAY_COUNT(options),
	.min_args = 1,
	.max_args = -1,
	.stop_at_positional = true,
	.error_status = 1,
	.run = run_ps,
};
