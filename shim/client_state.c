// SPDX-License-Identifier: Apache-2.0
/*
 * Client commands that look: state, wait, list.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include "common/fd.h"
#include "shim/client_private.h"

static const char *status_name(Containerd__Task__V2__Status status)
{
	switch (status) {
	case CONTAINERD__TASK__V2__STATUS__CREATED:
		return "created";
	case CONTAINERD__TASK__V2__STATUS__RUNNING:
		return "running";
	case CONTAINERD__TASK__V2__STATUS__STOPPED:
		return "stopped";
	case CONTAINERD__TASK__V2__STATUS__PAUSED:
		return "paused";
	case CONTAINERD__TASK__V2__STATUS__PAUSING:
		return "pausing";
	default:
		return "unknown";
	}
}

static int ask_state(struct client *c, int ms, struct client_view *ret, struct err *err)
{
	static const struct ttrpc_method method = {
		CLIENT_TASK, "State", &containerd__task__v2__state_response__descriptor
	};
	Containerd__Task__V2__StateRequest request = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
	Containerd__Task__V2__StateResponse *response;
	ProtobufCMessage *message = NULL;
	int r;

	request.id = (char *)c->key.id;
	r = ttrpc_client_call(&c->rpc, &method, &request.base, ms, &message, err);
	if (r < 0)
		return r;
	response = (Containerd__Task__V2__StateResponse *)message;
	ret->status = status_name(response->status);
	ret->pid = response->status == CONTAINERD__TASK__V2__STATUS__STOPPED ? 0
									     : (pid_t)response->pid;
	protobuf_c_message_free_unpacked(message, NULL);
	return 0;
}

int client_view(struct client *c, int ms, struct client_view *ret, struct err *err)
{
	struct exit_record record;
	struct client_view view = { .status = "stopped" };
	int r, fd;

	if (c->alive) {
		r = ask_state(c, ms, ret, err);
		if (r != -ECONNRESET)
			return r;
		/* It died, or was deleted, while we asked. */
		ttrpc_client_done(&c->rpc);
		c->alive = false;
	}
	r = client_record(c, &record, NULL, err);
	if (r < 0 && r != -ENOENT)
		return r;
	if (r < 0) {
		fd = client_init_pidfd(c);
		if (fd >= 0) {
			view.status = "running";
			view.pid = c->info.pid;
			fd_close(fd);
		}
	}
	*ret = view;
	return 0;
}

/* ---- state ---- */

static void put_string(struct json_writer *w, const char *key, const char *value)
{
	jw_key(w, key);
	jw_string(w, value);
}

static void put_info(struct json_writer *w, const struct client *c)
{
	const struct registry_info *info = &c->info;

	jw_key(w, "shim_pid");
	jw_int(w, c->alive ? info->shim_pid : 0);
	jw_key(w, "shim_alive");
	jw_bool(w, c->alive);
	put_string(w, "bundle", info->bundle);
	put_string(w, "runtime", info->runtime);
	put_string(w, "log_path", info->log_path);
	put_string(w, "log_format", info->log_format);
	jw_key(w, "terminal");
	jw_bool(w, info->terminal);
	put_string(w, "started_at", info->started_at);
}

/* The record's keys but those that are there already. */
static void put_record(struct json_writer *w, const struct json *record)
{
	json_each (it, record) {
		if (str_eq(it->key, "id") || str_eq(it->key, "pid") ||
		    str_eq(it->key, "started_at"))
			continue;
		jw_key(w, it->key);
		jw_tree(w, it);
	}
}

int client_cmd_state(struct client *c, int argc, char **argv, struct err *err)
{
	CLEANUP_JSON_WRITER struct json_writer *w = NULL;
	struct client_view view = { 0 };
	struct exit_record record;
	struct json *json = NULL;
	int r;

	r = client_open_operand(c, argc, argv, err);
	if (r == 0)
		r = client_view(c, CLIENT_VIEW_MS, &view, err);
	if (r < 0)
		return r;
	r = client_record(c, &record, &json, err);
	if (r < 0 && r != -ENOENT)
		return r;
	w = json_writer_new("  ");
	if (!w)
		return err_sysn(err, ENOMEM, "state");
	jw_object(w);
	put_string(w, "id", c->key.id);
	put_string(w, "namespace", c->key.ns ? c->key.ns : REGISTRY_NS_CLI);
	put_string(w, "status", view.status);
	jw_key(w, "pid");
	jw_int(w, view.pid);
	put_info(w, c);
	if (json)
		put_record(w, json);
	else
		put_string(w, "exit_code", NULL);
	jw_end(w);
	printf("%s\n", json_writer_text(w, NULL));
	return 0;
}

/* ---- wait ---- */

/* Without a shim: until the process has ended. 0 or -errno. */
static int wait_process(const struct client *c, struct err *err)
{
	CLEANUP_FD int fd = client_init_pidfd(c);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (fd == -ESRCH)
		return 0;
	if (fd < 0)
		return err_sysn(err, fd, "process %d of container \"%s\"", (int)c->info.pid,
				c->key.id);
	while (poll(&p, 1, -1) < 0)
		if (errno != EINTR)
			return err_sys(err, "poll");
	return 0;
}

static int wait_shim(struct client *c, uint32_t *ret_status, struct err *err)
{
	static const struct ttrpc_method method = {
		CLIENT_TASK, "Wait", &containerd__task__v2__wait_response__descriptor
	};
	Containerd__Task__V2__WaitRequest request = CONTAINERD__TASK__V2__WAIT_REQUEST__INIT;
	ProtobufCMessage *message = NULL;
	int r;

	request.id = (char *)c->key.id;
	r = ttrpc_client_call(&c->rpc, &method, &request.base, TTRPC_CLIENT_FOREVER, &message, err);
	if (r < 0)
		return r;
	*ret_status = ((Containerd__Task__V2__WaitResponse *)message)->exit_status;
	protobuf_c_message_free_unpacked(message, NULL);
	return 0;
}

int client_cmd_wait(struct client *c, int argc, char **argv, struct err *err)
{
	struct exit_record record = { 0 };
	uint32_t status = CLIENT_UNKNOWN;
	bool known = false;
	int r;

	r = client_open_operand(c, argc, argv, err);
	if (r < 0)
		return r;
	if (c->alive) {
		r = wait_shim(c, &status, err);
		if (r < 0 && r != -ECONNRESET)
			return r;
		known = r == 0;
	}
	if (!known) {
		r = wait_process(c, err);
		if (r < 0)
			return r;
	}
	/* The record also says that a status is not known; the protocol cannot. */
	r = client_record(c, &record, NULL, err);
	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0) {
		known = record.has_status;
		status = (uint32_t)record.exit_code;
	}
	if (!known) {
		printf("unknown\n");
		return CLIENT_UNKNOWN;
	}
	printf("%u\n", status);
	return (int)(status & 0xff);
}

/* ---- list ---- */

struct list {
	struct client *c;
	bool quiet;
	struct json_writer *json;
	const char **ids;
	size_t n, cap;
	struct err *err;
};

static int add_id(void *user, const char *id)
{
	struct list *list = user;

	if (list->n == list->cap) {
		size_t cap = MAX(list->cap * 2, (size_t)16);
		const char **ids = ARENA_ARRAY(&list->c->arena, cap, const char *);

		if (list->n > 0)
			memcpy(ids, list->ids, list->n * sizeof(*ids));
		list->ids = ids;
		list->cap = cap;
	}
	list->ids[list->n++] = arena_strdup(&list->c->arena, id);
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void list_one(const struct list *list, const struct client *c,
		     const struct client_view *view)
{
	const char *bundle = c->info.bundle ? c->info.bundle : "";
	const char *started = c->info.started_at ? c->info.started_at : "";

	if (list->json) {
		jw_object(list->json);
		put_string(list->json, "id", c->key.id);
		put_string(list->json, "status", view->status);
		jw_key(list->json, "pid");
		jw_int(list->json, view->pid);
		put_info(list->json, c);
		jw_end(list->json);
	} else {
		printf("%-24s %-8d %-9s %-6s %-30s %s\n", c->key.id, (int)view->pid, view->status,
		       c->alive ? "alive" : "dead", started, bundle);
	}
}

/* A container that cannot be looked at is shown as such and does not hide the others. */
static void list_container(const struct list *list, const char *id)
{
	struct client c = { .command = "list", .key = list->c->key, .dirfd = -EBADF };
	struct client_view view = { .status = "unknown" };
	struct err ignored;

	if (list->quiet) {
		printf("%s\n", id);
		return;
	}
	if (client_open(&c, id, &ignored) == 0 && client_view(&c, 2000, &view, &ignored) < 0)
		view = (struct client_view){ .status = "unknown" };
	/* Deleted since the directory was read. */
	if (c.dirfd >= 0)
		list_one(list, &c, &view);
	client_close(&c);
	arena_done(&c.arena);
}

int client_cmd_list(struct client *c, int argc, char **argv, struct err *err)
{
	CLEANUP_JSON_WRITER struct json_writer *w = NULL;
	struct list list = { .c = c };
	const char *format = "table";
	const struct client_option options[] = {
		{ "quiet", 'q', NULL, "print ids only", .flag = &list.quiet },
		{ "format", 'f', "table|json", "how to print (table)", .text = &format },
	};
	int n, r;

	r = client_options(c, argc, argv, options, ARRAY_COUNT(options), false, &n, err);
	if (r == 0)
		r = client_want_operands(c, n, 0, 0, err);
	if (r < 0)
		return r;
	if (!str_eq(format, "table") && !str_eq(format, "json"))
		return err_set(err, EINVAL, "list: unknown format \"%s\"", format);
	r = registry_list(c->key.root, c->key.ns, add_id, &list, err);
	if (r < 0)
		return r;
	if (list.n > 0)
		qsort(list.ids, list.n, sizeof(*list.ids), compare);
	if (str_eq(format, "json") && !list.quiet) {
		list.json = w = json_writer_new("  ");
		if (!w)
			return err_sysn(err, ENOMEM, "list");
		jw_array(w);
	} else if (!list.quiet) {
		printf("%-24s %-8s %-9s %-6s %-30s %s\n", "ID", "PID", "STATUS", "SHIM", "STARTED",
		       "BUNDLE");
	}
	for (size_t i = 0; i < list.n; i++)
		list_container(&list, list.ids[i]);
	if (w) {
		jw_end(w);
		printf("%s\n", json_writer_text(w, NULL));
	}
	return 0;
}
