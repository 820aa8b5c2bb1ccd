// SPDX-License-Identifier: Apache-2.0
/*
 * Client commands with a session: exec and attach.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/random.h>

#include "common/io.h"
#include "shim/client_private.h"

#define PROCESS_TYPE "types.containerd.io/opencontainers/runtime-spec/1/Process"
#define ATTACH_URI "attach:"

struct exec {
	bool terminal, with_stdin;
	struct client_list env;
	const char *user, *cwd, *detach_keys;
	char id[32];
	char **args;
	int n_args;
};

/* ---- the process, as the container's own with what was asked for ---- */

static int read_process(struct client *c, const struct json **ret, struct err *err)
{
	char path[PATH_MAX];
	struct json *config;
	char *data;
	size_t n;
	int r;

	if (!c->has_info ||
	    snprintf(path, sizeof(path), "%s/config.json", c->info.bundle) >= (int)sizeof(path))
		return err_set(err, EINVAL, "the bundle of container \"%s\" is not known",
			       c->key.id);
	r = io_read_file(-1, path, JSON_BYTES_MAX, &c->arena, &data, &n);
	if (r < 0)
		return err_sysn(err, r, "read \"%s\"", path);
	r = json_parse(&c->arena, data, n, &config, err);
	if (r < 0)
		return err_wrap(err, "%s", path);
	*ret = json_get(config, "process");
	if (!*ret || (*ret)->type != JSON_OBJECT)
		return err_set(err, EINVAL, "\"%s\" has no process to take the defaults from",
			       path);
	return 0;
}

/* Is the variable `text` ("K=V") set again by -e? */
static bool is_replaced(const struct exec *e, const char *text)
{
	size_t n = strcspn(text, "=");

	for (size_t i = 0; i < e->env.n; i++)
		if (strncmp(e->env.items[i], text, n) == 0 && e->env.items[i][n] == '=')
			return true;
	return false;
}

static void put_env(struct json_writer *w, const struct exec *e, const struct json *env)
{
	jw_key(w, "env");
	jw_array(w);
	json_each (it, env)
		if (it->type == JSON_STRING && !is_replaced(e, it->string))
			jw_string_n(w, it->string, it->count);
	for (size_t i = 0; i < e->env.n; i++)
		jw_string(w, e->env.items[i]);
	jw_end(w);
}

static int put_user(struct json_writer *w, const char *text, const struct json *user,
		    struct err *err)
{
	const char *colon = strchr(text, ':');
	CLEANUP_STR struct str uid = { 0 };
	uint32_t id, group = 0;

	str_add_n(&uid, text, colon ? (size_t)(colon - text) : strlen(text));
	if (parse_u32(uid.data, 10, &id) < 0 || id == UINT32_MAX ||
	    (colon && (parse_u32(colon + 1, 10, &group) < 0 || group == UINT32_MAX)))
		return err_set(err, EINVAL, "exec: user \"%s\" is not UID[:GID] in numbers", text);
	jw_key(w, "user");
	jw_object(w);
	jw_key(w, "uid");
	jw_uint(w, id);
	if (colon) {
		jw_key(w, "gid");
		jw_uint(w, group);
	}
	json_each (it, user) {
		if (str_eq(it->key, "uid") || (colon && str_eq(it->key, "gid")))
			continue;
		jw_key(w, it->key);
		jw_tree(w, it);
	}
	jw_end(w);
	return 0;
}

static void put_size(struct json_writer *w)
{
	uint32_t width, height;

	if (!client_term_size(STDIN_FILENO, &width, &height))
		return;
	jw_key(w, "consoleSize");
	jw_object(w);
	jw_key(w, "height");
	jw_uint(w, height);
	jw_key(w, "width");
	jw_uint(w, width);
	jw_end(w);
}

/* Members that exec sets itself. */
static bool is_ours(const struct exec *e, const char *key)
{
	return str_eq(key, "args") || str_eq(key, "terminal") || str_eq(key, "consoleSize") ||
	       str_eq(key, "env") || str_eq(key, "commandLine") ||
	       (e->user && str_eq(key, "user")) || (e->cwd && str_eq(key, "cwd"));
}

static int put_process(struct json_writer *w, const struct exec *e, const struct json *process,
		       struct err *err)
{
	int r = 0;

	jw_object(w);
	jw_key(w, "terminal");
	jw_bool(w, e->terminal);
	if (e->terminal)
		put_size(w);
	if (e->user)
		r = put_user(w, e->user, json_get(process, "user"), err);
	if (r < 0)
		return r;
	jw_key(w, "args");
	jw_array(w);
	for (int i = 0; i < e->n_args; i++)
		jw_string(w, e->args[i]);
	jw_end(w);
	put_env(w, e, json_get(process, "env"));
	if (e->cwd) {
		jw_key(w, "cwd");
		jw_string(w, e->cwd);
	}
	json_each (it, process) {
		if (is_ours(e, it->key))
			continue;
		jw_key(w, it->key);
		jw_tree(w, it);
	}
	jw_end(w);
	return 0;
}

/* ---- exec ---- */

static int register_exec(struct client *c, const struct exec *e, struct err *err)
{
	static const struct ttrpc_method method = { CLIENT_TASK, "Exec", NULL };
	Containerd__Task__V2__ExecProcessRequest request =
		CONTAINERD__TASK__V2__EXEC_PROCESS_REQUEST__INIT;
	Google__Protobuf__Any spec = GOOGLE__PROTOBUF__ANY__INIT;
	CLEANUP_JSON_WRITER struct json_writer *w = json_writer_new(NULL);
	const struct json *process = NULL;
	const char *text;
	size_t n;
	int r;

	if (!w)
		return err_sysn(err, ENOMEM, "exec");
	r = read_process(c, &process, err);
	if (r == 0)
		r = put_process(w, e, process, err);
	if (r < 0)
		return r;
	text = json_writer_text(w, &n);
	spec.type_url = (char *)PROCESS_TYPE;
	spec.value = (ProtobufCBinaryData){ .len = n, .data = (uint8_t *)text };
	request.id = (char *)c->key.id;
	request.exec_id = (char *)e->id;
	request.terminal = e->terminal;
	request.stdin_path = (char *)(e->with_stdin ? ATTACH_URI : "");
	request.stdout_path = (char *)ATTACH_URI;
	request.stderr_path = (char *)(e->terminal ? "" : ATTACH_URI);
	request.spec = &spec;
	return client_call(c, &method, &request.base, NULL, err);
}

static int start_exec(struct client *c, const char *exec_id, struct err *err)
{
	static const struct ttrpc_method method = { CLIENT_TASK, "Start", NULL };
	Containerd__Task__V2__StartRequest request = CONTAINERD__TASK__V2__START_REQUEST__INIT;

	request.id = (char *)c->key.id;
	request.exec_id = (char *)exec_id;
	return client_call(c, &method, &request.base, NULL, err);
}

/* Forgets the session; while its process runs (after detaching) it stays. */
static void delete_exec(struct client *c, const char *exec_id)
{
	static const struct ttrpc_method method = { CLIENT_TASK, "Delete", NULL };
	Containerd__Task__V2__DeleteRequest request = CONTAINERD__TASK__V2__DELETE_REQUEST__INIT;
	struct err ignored;

	request.id = (char *)c->key.id;
	request.exec_id = (char *)exec_id;
	(void)!client_call(c, &method, &request.base, NULL, &ignored);
}

static void make_id(char *buf, size_t size)
{
	uint64_t n = 0;

	if (getrandom(&n, sizeof(n), 0) != (ssize_t)sizeof(n))
		n = (uint64_t)getpid();
	snprintf(buf, size, "exec-%016llx", (unsigned long long)n);
}

static int check_exec(const struct exec *e, struct err *err)
{
	struct client_keys keys;

	for (size_t i = 0; i < e->env.n; i++)
		if (!strchr(e->env.items[i], '=') || e->env.items[i][0] == '=')
			return err_set(err, EINVAL, "exec: environment \"%s\" is not NAME=VALUE",
				       e->env.items[i]);
	if (e->cwd && e->cwd[0] != '/')
		return err_set(err, EINVAL, "exec: working directory \"%s\" is not absolute",
			       e->cwd);
	return client_keys_parse(&keys, e->detach_keys, err);
}

static int run_exec(struct client *c, struct exec *e, struct err *err)
{
	struct client_session session = {
		.c = c,
		.exec_id = e->id,
		.with_stdin = e->with_stdin,
		.terminal = e->terminal,
		.forward = true,
		.detach_keys = e->detach_keys,
		.start = start_exec,
	};
	int r;

	make_id(e->id, sizeof(e->id));
	r = register_exec(c, e, err);
	if (r < 0)
		return r;
	r = client_session_run(&session, err);
	delete_exec(c, e->id);
	return r;
}

int client_cmd_exec(struct client *c, int argc, char **argv, struct err *err)
{
	struct exec e = { .detach_keys = CLIENT_KEYS_DEFAULT };
	const struct client_option options[] = {
		{ "tty", 't', NULL, "give it a terminal", .flag = &e.terminal },
		{ "interactive", 'i', NULL, "pass standard input on", .flag = &e.with_stdin },
		{ "env", 'e', "NAME=VALUE", "add to the environment", .list = &e.env },
		{ "user", 'u', "UID[:GID]", "run as", .text = &e.user },
		{ "cwd", 'w', "DIR", "working directory in the container", .text = &e.cwd },
		{ "detach-keys", 0, "KEYS", "leave it running (" CLIENT_KEYS_DEFAULT ")",
		  .text = &e.detach_keys },
	};
	int n, r;

	e.env.items = ARENA_ARRAY(&c->arena, (size_t)argc, const char *);
	r = client_options(c, argc, argv, options, ARRAY_COUNT(options), true, &n, err);
	if (r == 0)
		r = client_want_operands(c, n, 2, INT_MAX, err);
	if (r == 0)
		r = check_exec(&e, err);
	if (r == 0)
		r = client_open(c, argv[1], err);
	if (r < 0)
		return r;
	if (!c->alive)
		return client_dead(c, err);
	e.args = argv + 2;
	e.n_args = n - 1;
	return run_exec(c, &e, err);
}

/* ---- attach ---- */

int client_cmd_attach(struct client *c, int argc, char **argv, struct err *err)
{
	struct client_session session = { .c = c, .exec_id = "" };
	const char *keys = CLIENT_KEYS_DEFAULT;
	bool no_stdin = false;
	const struct client_option options[] = {
		{ "no-stdin", 0, NULL, "only show its output", .flag = &no_stdin },
		{ "sig-proxy", 0, NULL, "pass signals on instead of ending",
		  .flag = &session.forward },
		{ "detach-keys", 0, "KEYS", "leave a terminal (" CLIENT_KEYS_DEFAULT ")",
		  .text = &keys },
	};
	struct client_view view = { .status = "unknown" };
	int n, r;

	r = client_options(c, argc, argv, options, ARRAY_COUNT(options), false, &n, err);
	if (r == 0)
		r = client_want_operands(c, n, 1, 1, err);
	if (r == 0)
		r = client_open(c, argv[1], err);
	if (r == 0)
		r = client_view(c, CLIENT_VIEW_MS, &view, err);
	if (r < 0)
		return r;
	if (str_eq(view.status, "stopped"))
		return err_set(err, ESRCH, "container \"%s\" is not running", c->key.id);
	if (!c->alive)
		return client_dead(c, err);
	session.detach_keys = keys;
	session.terminal = c->has_info && c->info.terminal;
	/* Input that the container was not started with goes nowhere: leave it to others. */
	session.with_stdin = !no_stdin && (session.terminal || (c->has_info && c->info.has_stdin));
	return client_session_run(&session, err);
}
