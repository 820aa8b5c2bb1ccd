// SPDX-License-Identifier: Apache-2.0
// containerd's task service over the task: unpack, ask, answer.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "common/str.h"
#include "common/version.h"
#include "shim/log_frame.h"
#include "shim/oom.h"
#include "shim/service.h"
#include "shim/task.pb-c.h"
#include "shim/ttrpc.h"

#define ATTACH_URI "attach:"
#define PIDS_MAX 4096
#define NO_TIME                                                                                    \
	(-62135596800) /* the year 1: what Go takes for none; a field left out is 1970 to it */

/* Unpacks into `m`, or answers and returns from the handler. The generated functions have a type
 * each, so this cannot be a function. */
#define UNPACK(m, type, fn)                                                                        \
	type *m = fn(NULL, n, payload);                                                            \
	if (!m) {                                                                                  \
		server_error(call, TTRPC_INVALID_ARGUMENT, "unmarshal request error: " #fn);       \
		return;                                                                            \
	}

void service_reply_message(struct server_call *call, const ProtobufCMessage *m)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *buf = malloc(n + 1);

	if (!buf) {
		server_error(call, TTRPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	protobuf_c_message_pack(m, buf);
	server_reply(call, buf, n);
	free(buf);
}

struct service_task *service_task_by_id(struct service *s, const char *id)
{
	for (struct service_task *t = s->tasks; t; t = t->next)
		if (str_eq(t->id, id))
			return t;
	return NULL;
}

struct service_task *service_task_of(struct service *s, const struct task_proc *p)
{
	struct service_task *t = s->tasks;

	while (t && t->task != p->task)
		t = t->next;
	return t;
}

struct task_proc *service_find(struct service *s, struct server_call *call, const char *id,
			       const char *exec_id)
{
	struct service_task *t = service_task_by_id(s, id);
	struct task_proc *p;

	if (!t) {
		server_error(call, TTRPC_NOT_FOUND, "container not created: not found");
		return NULL;
	}
	p = task_find(t->task, exec_id);
	if (!p)
		server_error(call, TTRPC_NOT_FOUND, "process does not exist %s: not found",
			     exec_id);
	return p;
}

/* A request whose answer is Empty, or made of the process. */
struct deferred {
	struct server_call *call;
	void (*answer)(struct server_call *call, const struct task_proc *p);
};

static void answer_empty(struct server_call *call, const struct task_proc *p UNUSED)
{
	server_reply(call, NULL, 0);
}

static void deferred_done(void *user, struct task_proc *p, int code, const char *text)
{
	struct deferred *d = user;

	if (code)
		server_error(d->call, code, "%s", text ? text : "");
	else
		d->answer(d->call, p);
	free(d);
}

static void ask(struct server_call *call, struct task_proc *p, struct task_request *q,
		void (*answer)(struct server_call *call, const struct task_proc *p))
{
	struct deferred *d = malloc(sizeof(*d));

	if (!d) {
		server_error(call, TTRPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	*d = (struct deferred){ call, answer };
	q->done = deferred_done;
	q->user = d;
	task_request(p, q);
}

static Containerd__Task__V2__Status wire_status(const struct task_proc *p)
{
	const struct task_proc *init = task_init(p->task);

	if (p->exec_id && p->state == SUP_RUNNING && init->state == SUP_PAUSED)
		return CONTAINERD__TASK__V2__STATUS__PAUSED;
	switch (p->state) {
	case SUP_NEW:
	case SUP_CREATING:
	case SUP_CREATED:
	case SUP_STARTING:
		return CONTAINERD__TASK__V2__STATUS__CREATED;
	case SUP_PAUSING:
		return CONTAINERD__TASK__V2__STATUS__PAUSING;
	case SUP_PAUSED:
	case SUP_RESUMING:
		return CONTAINERD__TASK__V2__STATUS__PAUSED;
	case SUP_EXITED:
	case SUP_DELETING:
	case SUP_DELETED:
		/* Whoever sees it stopped finds the exit record. */
		return p->published ? CONTAINERD__TASK__V2__STATUS__STOPPED
				    : CONTAINERD__TASK__V2__STATUS__RUNNING;
	default:
		return CONTAINERD__TASK__V2__STATUS__RUNNING;
	}
}

Google__Protobuf__Timestamp *service_time(Google__Protobuf__Timestamp *to,
					  const struct timespec *from)
{
	google__protobuf__timestamp__init(to);
	to->seconds = from->tv_sec ? from->tv_sec : NO_TIME;
	to->nanos = (int32_t)from->tv_nsec;
	return to;
}

static char *stream_uri(const struct task_proc *p, bool wanted, char *uri)
{
	if (uri)
		return uri;
	return (char *)(p->exec_id && wanted ? ATTACH_URI : "");
}

static void do_state(void *user, struct server_call *call, const uint8_t *payload, size_t n)
{
	Containerd__Task__V2__StateResponse r = CONTAINERD__TASK__V2__STATE_RESPONSE__INIT;
	static const struct timespec none;
	const struct timespec *end = &none;
	Google__Protobuf__Timestamp when;
	struct service *s = user;
	struct task_proc *p;

	UNPACK(m, Containerd__Task__V2__StateRequest, containerd__task__v2__state_request__unpack);
	p = service_find(s, call, m->id, m->exec_id);
	if (p) {
		r.id = p->exec_id ? p->exec_id : m->id;
		r.bundle = (char *)service_task_of(s, p)->bundle;
		r.pid = (uint32_t)p->pid;
		r.status = wire_status(p);
		r.terminal = p->terminal;
		r.stdin_path = stream_uri(p, p->in, p->uri[0]);
		r.stdout_path = stream_uri(p, p->out, p->uri[1]);
		r.stderr_path = stream_uri(p, p->err, p->uri[2]);
		if (r.status == CONTAINERD__TASK__V2__STATUS__STOPPED) {
			r.exit_status = task_exit_status(p);
			end = &p->finished_at;
		}
		r.exited_at = service_time(&when, end);
		service_reply_message(call, &r.base);
	}
	containerd__task__v2__state_request__free_unpacked(m, NULL);
}

static void do_create(void *user UNUSED, struct server_call *call, const uint8_t *payload UNUSED,
		      size_t n UNUSED)
{
	/* This shim was started for one container, which it has made itself. */
	server_error(call, TTRPC_ALREADY_EXISTS, "task already exists");
}

static void answer_start(struct server_call *call, const struct task_proc *p)
{
	Containerd__Task__V2__StartResponse r = CONTAINERD__TASK__V2__START_RESPONSE__INIT;

	r.pid = (uint32_t)p->pid;
	service_reply_message(call, &r.base);
}

void service_start(struct service *s, struct server_call *call, struct task_proc *p)
{
	struct task_request q = { .event = SUP_REQ_START };

	if (p->exec_id && task_init(p->task)->state != SUP_RUNNING &&
	    task_init(p->task)->state != SUP_CREATED) {
		server_error(call, TTRPC_FAILED_PRECONDITION,
			     "container %s init process is not running: failed precondition",
			     service_task_of(s, p)->id);
		return;
	}
	ask(call, p, &q, answer_start);
}

static void do_start(void *user, struct server_call *call, const uint8_t *payload, size_t n)
{
	struct service *s = user;
	struct task_proc *p;

	UNPACK(m, Containerd__Task__V2__StartRequest, containerd__task__v2__start_request__unpack);
	p = service_find(s, call, m->id, m->exec_id);
	containerd__task__v2__start_request__free_unpacked(m, NULL);
	if (p)
		service_start(s, call, p);
}

void service_reply_delete(struct server_call *call, const struct task_proc *p)
{
	Containerd__Task__V2__DeleteResponse r = CONTAINERD__TASK__V2__DELETE_RESPONSE__INIT;
	Google__Protobuf__Timestamp when;

	r.pid = (uint32_t)p->pid;
	r.exit_status = p->reaped ? task_exit_status(p) : 0;
	r.exited_at = service_time(&when, &p->finished_at);
	service_reply_message(call, &r.base);
}

static void do_delete(void *user, struct server_call *call, const uint8_t *payload, size_t n)
{
	struct task_request q = { .event = SUP_REQ_DELETE };
	struct service *s = user;
	struct task_proc *p;

	UNPACK(m, Containerd__Task__V2__DeleteRequest,
	       containerd__task__v2__delete_request__unpack);
	p = service_find(s, call, m->id, m->exec_id);
	containerd__task__v2__delete_request__free_unpacked(m, NULL);
	if (p)
		ask(call, p, &q, service_reply_delete);
}

static void do_pause(void *user, struct server_call *call, const uint8_t *payload, size_t n)
{
	struct task_request q = { .event = SUP_REQ_PAUSE };
	struct service *s = user;
	struct task_proc *p;

	UNPACK(m, Containerd__Task__V2__PauseRequest, containerd__task__v2__pause_request__unpack);
	p = service_find(s, call, m->id, NULL);
	containerd__task__v2__pause_request__free_unpacked(m, NULL);
	if (p)
		ask(call, p, &q, answer_empty);
}

static void do_resume(void *user, struct server_call *call, const uint8_t *payload, size_t n)
{
	struct task_request q = { .event = SUP_REQ_RESUME };
	struct service *s = user;
	struct task_proc *p;

	UNPACK(m, Containerd__Task__V2__ResumeRequest,
	       containerd__task__v2__resume_request__unpack);
	p = service_find(s, call, m->id, NULL);
	containerd__task__v2__resume_request__free_unpacked(m, NULL);
	if (p)
		ask(call, p, &q, answer_empty);
}

static void do_kill(void *user, struct server_call *call, const uint8_t *payload, size_t n)
{
	struct task_request q = { .event = SUP_REQ_KILL };
	struct service *s = user;
	struct task_proc *p;

	UNPACK(m, Containerd__Task__V2__KillRequest, containerd__task__v2__kill_request__unpack);
	p = service_find(s, call, m->id, m->exec_id);
	q.signal = m->signal <= 64 ? (int)m->signal : -1;
	q.all = m->all;
	q.has_peer = true;
	containerd__task__v2__kill_request__free_unpacked(m, NULL);
	if (!p) /* answered: the call is gone */
		return;
	q.peer = *server_peer(call);
	if (q.signal < 0)
		server_error(call, TTRPC_INVALID_ARGUMENT, "unknown signal");
	else
		ask(call, p, &q, answer_empty);
}

/* It is told in events and answers, which must be text. */
static bool is_exec_id(const char *id)
{
	size_t n = strlen(id), len;

	for (size_t i = 0; i < n; i += len) {
		len = (unsigned char)id[i] < 0x80
			      ? id[i] >= ' ' && id[i] != 0x7f
			      : log_utf8_length((const unsigned char *)id + i, n - i);
		if (!len)
			return false;
	}
	return n > 0 && n <= 255;
}

/* True if the stream goes to attached clients; *ret_ok false for a URI nobody knows. */
static bool wants(struct service *s, const char *uri, const char **ret_uri, bool *ret_ok)
{
	if (!uri[0])
		return false;
	if (str_eq(uri, ATTACH_URI))
		return true;
	*ret_uri = uri;
	*ret_ok = *ret_ok && s->any_uri;
	return true;
}

static void do_exec(void *user, struct server_call *call, const uint8_t *payload, size_t n)
{
	struct service *s = user;
	struct task_proc *p;
	struct task_exec x;
	char text[512];
	bool ok = true;
	int code;

	UNPACK(m, Containerd__Task__V2__ExecProcessRequest,
	       containerd__task__v2__exec_process_request__unpack);
	x = (struct task_exec){
		.exec_id = m->exec_id,
		.terminal = m->terminal,
		.process = m->spec ? m->spec->value.data : NULL,
		.process_len = m->spec ? m->spec->value.len : 0,
	};
	x.in = wants(s, m->stdin_path, &x.uri[0], &ok);
	x.out = wants(s, m->stdout_path, &x.uri[1], &ok);
	x.err = wants(s, m->stderr_path, &x.uri[2], &ok);
	if (!ok) {
		server_error(call, TTRPC_INVALID_ARGUMENT,
			     "stdio of an exec session is \"attach:\" or empty: invalid argument");
	} else if (!is_exec_id(m->exec_id) || !x.process_len) {
		server_error(call, TTRPC_INVALID_ARGUMENT,
			     "an exec session needs an id and a process: invalid argument");
	} else if ((p = service_find(s, call, m->id, NULL))) {
		code = task_add_exec(p->task, &x, text, sizeof(text));
		if (code)
			server_error(call, code, "%s", text);
		else
			server_reply(call, NULL, 0);
	}
	containerd__task__v2__exec_process_request__free_unpacked(m, NULL);
}

static void do_resize(void *user, struct server_call *call, const uint8_t *payload, size_t n)
{
	struct service *s = user;
	struct task_proc *p;
	int r = 0;

	UNPACK(m, Containerd__Task__V2__ResizePtyRequest,
	       containerd__task__v2__resize_pty_request__unpack);
	p = service_find(s, call, m->id, m->exec_id);
	if (p && p->stdio)
		r = stdio_resize(p->stdio, m->width, m->height);
	containerd__task__v2__resize_pty_request__free_unpacked(m, NULL);
	if (p && r < 0)
		server_error(call, TTRPC_INVALID_ARGUMENT, "resize: %s", err_strerror(-r));
	else if (p)
		server_reply(call, NULL, 0);
}

static void do_close_io(void *user, struct server_call *call, const uint8_t *payload, size_t n)
{
	struct service *s = user;
	struct task_proc *p;

	UNPACK(m, Containerd__Task__V2__CloseIORequest,
	       containerd__task__v2__close_iorequest__unpack);
	p = service_find(s, call, m->id, m->exec_id);
	if (p && p->stdio && m->close_stdin)
		stdio_close_input(p->stdio);
	containerd__task__v2__close_iorequest__free_unpacked(m, NULL);
	if (p)
		server_reply(call, NULL, 0);
}

/* An update: its file lives until the call of the runtime has ended. */
struct update {
	struct server_call *call;
	int dirfd;
	char file[32];
};

static void update_done(void *user, struct task_proc *p UNUSED, int code, const char *text)
{
	struct update *u = user;

	(void)unlinkat(u->dirfd, u->file, 0);
	if (code)
		server_error(u->call, code, "%s", text ? text : "");
	else
		server_reply(u->call, NULL, 0);
	free(u);
}

static void do_update(void *user, struct server_call *call, const uint8_t *payload, size_t n)
{
	struct task_request q = { .event = SUP_REQ_UPDATE, .done = update_done };
	struct service *s = user;
	struct update *u;
	struct task_proc *p;
	int r = -EINVAL;

	UNPACK(m, Containerd__Task__V2__UpdateTaskRequest,
	       containerd__task__v2__update_task_request__unpack);
	p = service_find(s, call, m->id, NULL);
	u = p ? malloc(sizeof(*u)) : NULL;
	if (u) {
		*u = (struct update){ call, service_task_of(s, p)->dirfd, "" };
		/* A name each: one may wait while another is under way. */
		snprintf(u->file, sizeof(u->file), "update-%u.json", ++s->last_update);
		if (m->resources)
			r = io_replace_file(u->dirfd, u->file, m->resources->value.data,
					    m->resources->value.len, 0600);
	}
	containerd__task__v2__update_task_request__free_unpacked(m, NULL);
	if (!p)
		return;
	if (!u) {
		server_error(call, TTRPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	if (r < 0) {
		server_error(call, TTRPC_INVALID_ARGUMENT, "resources: %s", err_strerror(-r));
		free(u);
		return;
	}
	q.file = u->file;
	q.user = u;
	task_request(p, &q);
}

struct service_waiter {
	struct service_waiter *next;
	struct service *service;
	struct server_call *call;
	struct task_proc *proc;
};

static void reply_wait(struct server_call *call, const struct task_proc *p)
{
	Containerd__Task__V2__WaitResponse r = CONTAINERD__TASK__V2__WAIT_RESPONSE__INIT;
	Google__Protobuf__Timestamp when;

	r.exit_status = task_exit_status(p);
	r.exited_at = service_time(&when, &p->finished_at);
	service_reply_message(call, &r.base);
}

static void waiter_unlink(struct service_waiter *w)
{
	for (struct service_waiter **p = &w->service->waiters; *p; p = &(*p)->next) {
		if (*p == w) {
			*p = w->next;
			break;
		}
	}
}

static void waiter_gone(void *user)
{
	struct service_waiter *w = user;

	waiter_unlink(w);
	server_watch(w->call, NULL, NULL);
	server_reply(w->call, NULL, 0);
	free(w);
}

static const struct server_stream waiter_fns = { .on_gone = waiter_gone };

static struct service_waiter *take_waiter(struct service *s, const struct task_proc *p)
{
	for (struct service_waiter **at = &s->waiters, *w; (w = *at); at = &w->next) {
		if (w->proc != p)
			continue;
		*at = w->next;
		return w;
	}
	return NULL;
}

void service_release(struct service *s, const struct task_proc *p)
{
	struct service_waiter *w;

	/* One at a time: an answer may end a connection, and with it other waiters. */
	while ((w = take_waiter(s, p))) {
		server_watch(w->call, NULL, NULL);
		reply_wait(w->call, p);
		free(w);
	}
}

void service_release_task(struct service *s, const struct task *t)
{
	struct service_waiter *w = s->waiters;

	while (w) {
		if (w->proc->task != t) {
			w = w->next;
			continue;
		}
		service_release(s, w->proc);
		w = s->waiters;
	}
}

void service_on_event(void *user, const struct event *event)
{
	struct service *s = user;
	struct service_task *t;
	struct task_proc *p;

	log_info("event %s %s%s%s pid %d status %u", event_topic(event->type), event->id,
		 event->exec_id ? " " : "", event->exec_id ? event->exec_id : "", event->pid,
		 event->exit_status);
	if (event->type != EVENT_EXIT)
		return;
	t = service_task_by_id(s, event->id);
	p = t ? task_find(t->task, event->exec_id) : NULL;
	if (p)
		service_release(s, p);
}

static void do_wait(void *user, struct server_call *call, const uint8_t *payload, size_t n)
{
	struct service *s = user;
	struct service_waiter *w;
	struct task_proc *p;

	UNPACK(m, Containerd__Task__V2__WaitRequest, containerd__task__v2__wait_request__unpack);
	p = service_find(s, call, m->id, m->exec_id);
	containerd__task__v2__wait_request__free_unpacked(m, NULL);
	if (!p)
		return;
	if (p->published) {
		reply_wait(call, p);
		return;
	}
	w = malloc(sizeof(*w));
	if (!w) {
		server_error(call, TTRPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	*w = (struct service_waiter){ s->waiters, s, call, p };
	s->waiters = w;
	server_watch(call, &waiter_fns, w);
}

void service_stop(struct service *s)
{
	while (s->waiters) {
		struct service_waiter *w = s->waiters;

		s->waiters = w->next;
		server_watch(w->call, NULL, NULL);
		server_error(w->call, TTRPC_NOT_FOUND, "container not created: not found");
		free(w);
	}
}

/* Process ids of the container's own cgroup; the text of cgroup.procs. */
static ssize_t read_procs(pid_t pid, char *buf, size_t size)
{
	static const char *const controllers[] = { "pids", "memory", "devices", NULL };
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_COUNT(controllers); i++) {
		CLEANUP_FD int fd = -EBADF;
		ssize_t n;

		if (oom_cgroup_path(pid, controllers[i], "cgroup.procs", path, sizeof(path)) < 0)
			continue;
		fd = fd_open(path, O_RDONLY, 0);
		n = fd < 0 ? fd : read(fd, buf, size - 1);
		if (n < 0)
			continue;
		buf[n] = '\0';
		return n;
	}
	return -ENOENT;
}

static void do_pids(void *user, struct server_call *call, const uint8_t *payload, size_t n)
{
	Containerd__Task__V2__PidsResponse r = CONTAINERD__TASK__V2__PIDS_RESPONSE__INIT;
	Containerd__Task__V2__ProcessInfo *info = NULL, **list = NULL;
	size_t room = PIDS_MAX * 8;
	struct service *s = user;
	struct task_proc *p;
	char *text;

	UNPACK(m, Containerd__Task__V2__PidsRequest, containerd__task__v2__pids_request__unpack);
	p = service_find(s, call, m->id, NULL);
	containerd__task__v2__pids_request__free_unpacked(m, NULL);
	if (!p)
		return;
	text = malloc(room);
	info = calloc(PIDS_MAX, sizeof(*info));
	list = calloc(PIDS_MAX, sizeof(void *));
	if (!text || !info || !list) {
		server_error(call, TTRPC_RESOURCE_EXHAUSTED, "out of memory");
	} else {
		if (p->reaped || read_procs(p->pid, text, room) < 0)
			text[0] = '\0';
		r.processes = list;
		for (char *w = text, *end; *w && r.n_processes < PIDS_MAX; w = end) {
			int pid;

			end = w + strcspn(w, "\n");
			if (*end)
				*end++ = '\0';
			if (parse_int(w, &pid) < 0)
				continue;
			list[r.n_processes] = &info[r.n_processes];
			containerd__task__v2__process_info__init(&info[r.n_processes]);
			info[r.n_processes++].pid = (uint32_t)pid;
		}
		service_reply_message(call, &r.base);
	}
	free(text);
	free(info);
	free(list);
}

static void do_connect(void *user, struct server_call *call, const uint8_t *payload, size_t n)
{
	Containerd__Task__V2__ConnectResponse r = CONTAINERD__TASK__V2__CONNECT_RESPONSE__INIT;
	struct service_task *t;

	UNPACK(m, Containerd__Task__V2__ConnectRequest,
	       containerd__task__v2__connect_request__unpack);
	r.shim_pid = (uint32_t)getpid();
	t = service_task_by_id(user, m->id);
	r.task_pid = t ? (uint32_t)task_init(t->task)->pid : 0;
	containerd__task__v2__connect_request__free_unpacked(m, NULL);
	service_reply_message(call, &r.base);
}

static void do_shutdown(void *user UNUSED, struct server_call *call, const uint8_t *payload UNUSED,
			size_t n UNUSED)
{
	/* As long as the container is here it is a no-op; after its delete this shim ends by
	 * itself. */
	server_reply(call, NULL, 0);
}

const struct server_method service_task_methods[SERVICE_TASK_METHODS] = {
	{ "State", do_state },      { "Create", do_create },    { "Start", do_start },
	{ "Delete", do_delete },    { "Pids", do_pids },        { "Pause", do_pause },
	{ "Resume", do_resume },    { "Kill", do_kill },        { "Exec", do_exec },
	{ "ResizePty", do_resize }, { "CloseIO", do_close_io }, { "Update", do_update },
	{ "Wait", do_wait },        { "Connect", do_connect },  { "Shutdown", do_shutdown },
};
const size_t service_task_methods_n = ARRAY_COUNT(service_task_methods);

server_method_fn *service_task_method(const char *name)
{
	for (size_t i = 0; i < ARRAY_COUNT(service_task_methods); i++)
		if (str_eq(service_task_methods[i].name, name))
			return service_task_methods[i].fn;
	return NULL;
}
