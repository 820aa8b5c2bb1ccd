// SPDX-License-Identifier: Apache-2.0
/*
 * The table of client commands, their options, and what they share: finding a container, asking its
 * shim, asking without one.
 */
#include "shim/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/proc.h"
#include "shim/client_private.h"

static const struct client_command commands[] = {
	{ "state", "ID", "print what is known of a container as JSON", client_cmd_state, 1 },
	{ "wait", "ID", "wait for its end; print and return its exit status", client_cmd_wait,
	  CLIENT_UNKNOWN },
	{ "exec", "[OPTIONS] ID COMMAND [ARG...]", "run one more process in a container",
	  client_cmd_exec, CLIENT_UNKNOWN },
	{ "attach", "[OPTIONS] ID", "connect to a container's input and output", client_cmd_attach,
	  CLIENT_UNKNOWN },
	{ "kill", "[OPTIONS] ID [SIGNAL]", "send a signal (SIGTERM)", client_cmd_kill, 1 },
	{ "resize", "[OPTIONS] ID [COLUMNS ROWS]", "set the size of a container's terminal",
	  client_cmd_resize, 1 },
	{ "reopen-log", "ID", "write all later output to a new file at the log's path",
	  client_cmd_reopen_log, 1 },
	{ "delete", "[--force] ID", "remove a container that has ended, and its shim",
	  client_cmd_delete, 1 },
	{ "list", "[OPTIONS]", "list the containers", client_cmd_list, 1 },
	{ "logs", "[OPTIONS] ID", "print a container's log", client_cmd_logs, 1 },
};

static const struct client_command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_COUNT(commands); i++)
		if (str_eq(commands[i].name, name))
			return &commands[i];
	return NULL;
}

bool client_is_command(const char *name)
{
	return find_command(name) != NULL;
}

void client_print_commands(void)
{
	for (size_t i = 0; i < ARRAY_COUNT(commands); i++)
		printf("  %-11s %s\n", commands[i].name, commands[i].help);
}

/* ---- options ---- */

struct parse {
	struct client *c;
	const struct client_option *options;
	size_t n_options;
	struct err *err;
	bool help;
};

static void print_option(const struct client_option *o)
{
	CLEANUP_STR struct str left = { 0 };

	if (o->letter)
		str_addf(&left, "-%c, ", o->letter);
	str_addf(&left, "--%s", o->name);
	if (o->value)
		str_addf(&left, " %s", o->value);
	printf("  %-24s %s\n", left.data, o->help);
}

static void print_help(const struct parse *p)
{
	const struct client_command *command = find_command(p->c->command);

	printf("usage: thole-shim %s %s\n\n%s\n\noptions:\n", command->name, command->usage,
	       command->help);
	for (size_t i = 0; i < p->n_options; i++)
		print_option(&p->options[i]);
}

/* `name` ends at n; letter: a short option. */
static const struct client_option *find_option(const struct parse *p, const char *name, size_t n,
					       char letter)
{
	for (size_t i = 0; i < p->n_options; i++) {
		const struct client_option *o = &p->options[i];

		if (letter ? o->letter == letter
			   : name && strlen(o->name) == n && memcmp(o->name, name, n) == 0)
			return o;
	}
	return NULL;
}

static void set_option(const struct client_option *o, const char *value)
{
	if (o->flag)
		*o->flag = true;
	else if (o->text)
		*o->text = value;
	else if (o->list)
		o->list->items[o->list->n++] = value;
}

/* "--name", "--name=value", "--name value". Returns how many arguments it took. */
static int parse_long(const struct parse *p, char *const *argv)
{
	const char *name = argv[0] + 2, *value = strchr(name, '=');
	const struct client_option *o =
		find_option(p, name, value ? (size_t)(value - name) : strlen(name), 0);

	if (!o)
		return err_set(p->err, EINVAL, "%s: unknown option \"%s\"", p->c->command, argv[0]);
	if (value && o->flag)
		return err_set(p->err, EINVAL, "%s: option \"--%s\" takes no value", p->c->command,
			       o->name);
	if (o->flag || value) {
		set_option(o, value ? value + 1 : NULL);
		return 1;
	}
	if (!argv[1])
		return err_set(p->err, EINVAL, "%s: option \"--%s\" needs a value: %s",
			       p->c->command, o->name, o->value);
	set_option(o, argv[1]);
	return 2;
}

/* "-it", "-eK=V", "-e K=V". */
static int parse_short(const struct parse *p, char *const *argv)
{
	for (const char *s = argv[0] + 1; *s; s++) {
		const struct client_option *o = find_option(p, NULL, 0, *s);

		if (!o)
			return err_set(p->err, EINVAL, "%s: unknown option \"-%c\"", p->c->command,
				       *s);
		if (o->flag) {
			set_option(o, NULL);
			continue;
		}
		if (s[1]) {
			set_option(o, s + 1);
			return 1;
		}
		if (!argv[1])
			return err_set(p->err, EINVAL, "%s: option \"-%c\" needs a value: %s",
				       p->c->command, *s, o->value);
		set_option(o, argv[1]);
		return 2;
	}
	return 1;
}

static int parse_all(const struct parse *p, int argc, char **argv, bool stop, int *ret_n)
{
	bool rest = false;
	int n = 0;

	for (int i = 1; i < argc;) {
		int r;

		if (rest || argv[i][0] != '-' || argv[i][1] == '\0') {
			argv[++n] = argv[i++];
			rest |= stop;
			continue;
		}
		if (str_eq(argv[i], "--")) {
			rest = true;
			i++;
			continue;
		}
		r = argv[i][1] == '-' ? parse_long(p, argv + i) : parse_short(p, argv + i);
		if (r < 0)
			return r;
		i += r;
	}
	*ret_n = n;
	return 0;
}

int client_options(struct client *c, int argc, char **argv, const struct client_option *options,
		   size_t n_options, bool stop, int *ret_n, struct err *err)
{
	CLEANUP_FREE struct client_option *all = calloc(n_options + 3, sizeof(*all));
	bool help = false;
	struct parse p = { .c = c, .options = all, .n_options = n_options + 3, .err = err };
	int r;

	if (!all)
		return err_sysn(err, ENOMEM, "options");
	if (n_options > 0)
		memcpy(all, options, n_options * sizeof(*all));
	all[n_options] = (struct client_option){
		.name = "root",
		.value = "DIR",
		.help = "where the shims' directories are (/run/thole-shim)",
		.text = &c->key.root,
	};
	all[n_options + 1] = (struct client_option){
		.name = "namespace",
		.value = "NAME",
		.help = "namespace of the container (" REGISTRY_NS_CLI ")",
		.text = &c->key.ns,
	};
	all[n_options + 2] = (struct client_option){
		.name = "help",
		.letter = 'h',
		.help = "show this",
		.flag = &help,
	};
	r = parse_all(&p, argc, argv, stop, ret_n);
	if (r < 0)
		return r;
	if (help) {
		print_help(&p);
		return -ECANCELED;
	}
	/* It is a part of a path. */
	return c->key.ns ? registry_check_id(c->key.ns, err) : 0;
}

int client_want_operands(const struct client *c, int n, int min, int max, struct err *err)
{
	const struct client_command *command = find_command(c->command);

	if (n >= min && n <= max)
		return 0;
	return err_set(err, EINVAL, "%s: %s arguments; usage: thole-shim %s %s", c->command,
		       n < min ? "too few" : "too many", command->name, command->usage);
}

/* ---- one container ---- */

int client_connect(const struct client *c, struct ttrpc_client *ret, struct err *err)
{
	int fd = registry_connect(&c->key, err);

	if (fd < 0)
		return fd;
	ttrpc_client_init(ret, fd);
	return 0;
}

int client_open(struct client *c, const char *id, struct err *err)
{
	int r;

	c->key.id = id;
	c->dirfd = registry_open(&c->key, err);
	if (c->dirfd < 0)
		return c->dirfd;
	r = registry_info_read(c->dirfd, &c->arena, &c->info, err);
	if (r < 0 && r != -ENOENT)
		return r;
	c->has_info = r == 0;
	r = client_connect(c, &c->rpc, err);
	if (r < 0 && r != -ENOENT && r != -ECONNREFUSED)
		return r;
	c->alive = r == 0;
	return 0;
}

int client_open_operand(struct client *c, int argc, char **argv, struct err *err)
{
	int n = 0;
	int r = client_options(c, argc, argv, NULL, 0, false, &n, err);

	if (r == 0)
		r = client_want_operands(c, n, 1, 1, err);
	return r < 0 ? r : client_open(c, argv[1], err);
}

void client_close(struct client *c)
{
	if (c->alive)
		ttrpc_client_done(&c->rpc);
	c->alive = false;
	c->dirfd = fd_close(c->dirfd);
}

int client_dead(const struct client *c, struct err *err)
{
	return err_set(err, ECONNREFUSED, "%s: the shim of container \"%s\" is dead", c->command,
		       c->key.id);
}

int client_call(struct client *c, const struct ttrpc_method *method,
		const ProtobufCMessage *request, ProtobufCMessage **ret, struct err *err)
{
	if (!c->alive)
		return client_dead(c, err);
	return ttrpc_client_call(&c->rpc, method, request, CLIENT_CALL_MS, ret, err);
}

int client_record(struct client *c, struct exit_record *ret, struct json **ret_json,
		  struct err *err)
{
	struct json *object;
	char *data;
	size_t n;
	int r;

	r = io_read_file(c->dirfd, REGISTRY_RECORD, EXIT_RECORD_MAX, &c->arena, &data, &n);
	if (r < 0)
		return err_sysn(err, r, "exit record of container \"%s\"", c->key.id);
	r = json_parse(&c->arena, data, n, &object, err);
	if (r < 0)
		return err_wrap(err, "exit record of container \"%s\"", c->key.id);
	r = exit_record_parse(object, ret);
	if (r < 0)
		return err_set(err, EINVAL, "exit record of container \"%s\" is damaged",
			       c->key.id);
	if (ret_json)
		*ret_json = object;
	return 0;
}

int client_init_pidfd(const struct client *c)
{
	if (!c->has_info || c->info.pid <= 0)
		return -ESRCH;
	return proc_open(c->info.pid, c->info.start_ticks);
}

/* ---- without a shim ---- */

/* Reads what a child says into `buf`, one line of it, until end of file. */
static void read_output(int fd, char *buf, size_t size)
{
	size_t len = 0;
	char rest[512] = "";
	ssize_t n;

	while ((n = read(fd, len < size - 1 ? buf + len : rest,
			 len < size - 1 ? size - 1 - len : sizeof(rest))) > 0)
		len += len < size - 1 ? (size_t)n : 0;
	while (len > 0 && buf[len - 1] == '\n')
		len--;
	buf[len] = '\0';
	for (char *p = buf; *p; p++)
		if ((unsigned char)*p < 0x20)
			*p = ' ';
}

int client_run_runtime(struct client *c, const char *command, const char *flag, const char *last,
		       struct err *err)
{
	const struct registry_info *info = &c->info;
	CLEANUP_FREE const char **argv = calloc(info->n_runtime_args + 8, sizeof(*argv));
	CLEANUP_FD int in = -EBADF, out = -EBADF;
	int fds[2], status = 0, r;
	char text[1024] = "";
	size_t n = 0;
	pid_t pid;

	if (!argv || pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, "runtime \"%s\"", info->runtime);
	in = fds[0];
	out = fds[1];
	argv[n++] = info->runtime;
	for (size_t i = 0; i < info->n_runtime_args; i++)
		argv[n++] = info->runtime_args[i];
	if (info->runtime_root) {
		argv[n++] = "--root";
		argv[n++] = info->runtime_root;
	}
	argv[n++] = command;
	if (flag)
		argv[n++] = flag;
	argv[n++] = c->key.id;
	argv[n++] = last;

	const struct proc_fd_map map[] = { { -1, 0 }, { out, 1 }, { out, 2 } };
	const struct proc_spawn spawn = {
		.path = info->runtime,
		.argv = (char *const *)argv,
		.fds = map,
		.n_fds = ARRAY_COUNT(map),
	};

	pid = proc_spawn(&spawn, NULL, err);
	if (pid < 0)
		return (int)pid;
	out = fd_close(out);
	read_output(in, text, sizeof(text));
	r = proc_wait(pid, &status);
	if (r < 0)
		return err_sysn(err, r, "runtime \"%s\"", info->runtime);
	if (proc_exit_code(status) != 0)
		return err_set(err, EIO, "%s %s: %s", info->runtime, command,
			       text[0] ? text : "it failed without a word");
	return 0;
}

int client_main(int argc, char **argv)
{
	const struct client_command *command = argc > 1 ? find_command(argv[1]) : NULL;
	struct client c = { .dirfd = -EBADF };
	struct err err = { 0 };
	int r;

	if (!command) {
		fprintf(stderr, "thole-shim: unknown command \"%s\"\n", argc > 1 ? argv[1] : "");
		return 1;
	}
	c.command = command->name;
	r = command->run(&c, argc - 1, argv + 1, &err);
	client_close(&c);
	arena_done(&c.arena);
	if (r == -ECANCELED)
		r = 0;
	/* What was printed may not have reached its reader's disk. */
	if (r >= 0 && fflush(stdout) != 0 && errno != EPIPE)
		r = err_sys(&err, "standard output");
	if (r < 0) {
		fprintf(stderr, "thole-shim: %s\n", err.msg);
		r = command->failure;
	}
	return r;
}
