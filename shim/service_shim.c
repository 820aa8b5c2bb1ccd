// SPDX-License-Identifier: Apache-2.0
// Our own service: what this shim is, its log, attached clients; and the list of all services.
#include <errno.h>

#include "shim/service.h"
#include "shim/shim.pb-c.h"
#include "shim/ttrpc.h"

/* The container a message is about; NULL: the call has been answered. */
static struct service_task *find(struct service *s, struct server_call *call, const char *id)
{
	struct task_proc *p = service_find(s, call, id, NULL);

	return p ? service_task_of(s, p) : NULL;
}

static void bad_request(struct server_call *call)
{
	server_error(call, TTRPC_INVALID_ARGUMENT, "unmarshal request error");
}

static void do_info(void *user, struct server_call *call, const uint8_t *payload, size_t n)
{
	Thole__Shim__V1__InfoResponse r = THOLE__SHIM__V1__INFO_RESPONSE__INIT;
	Thole__Shim__V1__InfoRequest *m = thole__shim__v1__info_request__unpack(NULL, n, payload);
	struct service_task *s;

	if (!m) {
		bad_request(call);
		return;
	}
	s = find(user, call, m->id);
	if (s) {
		r.id = (char *)s->id;
		r.pid = (uint32_t)task_init(s->task)->pid;
		r.shim_pid = (uint32_t)getpid();
		r.log_path = (char *)s->log_path;
		r.log_format = (char *)s->log_format;
		r.bundle = (char *)s->bundle;
		r.record = (char *)s->record;
		r.terminal = task_init(s->task)->terminal;
		service_reply_message(call, &r.base);
	}
	thole__shim__v1__info_request__free_unpacked(m, NULL);
}

static void reopened(void *user, int result)
{
	struct server_call *call = user;

	if (result < 0)
		server_error(call, TTRPC_UNKNOWN, "reopen the log: %s", err_strerror(-result));
	else
		server_reply(call, NULL, 0);
}

static void do_reopen(void *user, struct server_call *call, const uint8_t *payload, size_t n)
{
	Thole__Shim__V1__ReopenLogRequest *m =
		thole__shim__v1__reopen_log_request__unpack(NULL, n, payload);
	struct service_task *s;

	if (!m) {
		bad_request(call);
		return;
	}
	s = find(user, call, m->id);
	thole__shim__v1__reopen_log_request__free_unpacked(m, NULL);
	if (s && !s->log)
		server_error(call, TTRPC_FAILED_PRECONDITION,
			     "the container's log is not kept by the shim: failed precondition");
	else if (s)
		log_writer_reopen(s->log, reopened, call);
}

static void do_attach(void *user, struct server_call *call, const uint8_t *payload, size_t n)
{
	Thole__Shim__V1__AttachRequest *m =
		thole__shim__v1__attach_request__unpack(NULL, n, payload);
	struct service *s = user;
	struct err err = { 0 };
	struct task_proc *p;
	bool want_stdin;

	if (!m) {
		bad_request(call);
		return;
	}
	p = service_find(s, call, m->id, m->exec_id);
	want_stdin = m->with_stdin;
	thole__shim__v1__attach_request__free_unpacked(m, NULL);
	if (!p)
		return;
	if (!p->stdio && !p->exec_id) {
		server_error(call, TTRPC_FAILED_PRECONDITION,
			     "container must be created: failed precondition");
		return;
	}
	if (task_open_stdio(p, &err) < 0) {
		server_error(call, TTRPC_UNKNOWN, "%s", err.msg);
		return;
	}
	attach_hub_add(stdio_hub(p->stdio), call, want_stdin);
}

static void do_logs(void *user, struct server_call *call, const uint8_t *payload, size_t n)
{
	Thole__Shim__V1__LogsResponse r = THOLE__SHIM__V1__LOGS_RESPONSE__INIT;
	Thole__Shim__V1__LogsRequest *m = thole__shim__v1__logs_request__unpack(NULL, n, payload);
	struct service_task *s;

	if (!m) {
		bad_request(call);
		return;
	}
	s = find(user, call, m->id);
	if (s) {
		r.path = (char *)s->log_path;
		r.format = (char *)s->log_format;
		r.running = !task_init(s->task)->published;
		if (s->log)
			r.pending = log_writer_counts(s->log).bytes_pending;
		service_reply_message(call, &r.base);
	}
	thole__shim__v1__logs_request__free_unpacked(m, NULL);
}

const struct server_method service_shim_methods[] = {
	{ "Info", do_info },
	{ "ReopenLog", do_reopen },
	{ "Attach", do_attach },
	{ "Logs", do_logs },
};
const size_t service_shim_methods_n = ARRAY_COUNT(service_shim_methods);

const struct server_service service_list[] = {
	{ "containerd.task.v2.Task", service_task_methods, SERVICE_TASK_METHODS },
	{ "containerd.task.v3.Task", service_task_methods, SERVICE_TASK_METHODS },
	{ "thole.shim.v1.Shim", service_shim_methods, ARRAY_COUNT(service_shim_methods) },
};
const size_t service_list_n = ARRAY_COUNT(service_list);
