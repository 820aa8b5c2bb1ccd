// SPDX-License-Identifier: Apache-2.0
// Requests and events of the container and its sessions, and the actions of the table's cells.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/json.h"
#include "common/log.h"
#include "common/str.h"
#include "shim/task_private.h"
#include "shim/ttrpc.h"

#define EXECS_MAX 1024
#define QUEUE_MAX 32

int task_new(const struct task_config *config, struct task **ret, struct err *err)
{
	struct task *t = calloc(1, sizeof(*t));

	if (!t)
		return err_set(err, ENOMEM, "out of memory");
	t->config = *config;
	t->init.task = t;
	t->init.table = &sup_init_table;
	t->init.terminal = config->terminal;
	t->init.in = config->has_stdin;
	t->init.out = t->init.err = true;
	t->record.oom_killed = -1;
	*ret = t;
	return 0;
}

static void proc_done(struct task_proc *p)
{
	char name[48];

	reaper_forget(TAKE_PTR(p->child));
	tty_free(TAKE_PTR(p->tty));
	stdio_free(TAKE_PTR(p->stdio));
	if (p->sink.put)
		p->sink.free(p->sink.user);
	for (int i = 0; i < 3; i++)
		free(TAKE_PTR(p->uri[i]));
	ev_timer_cancel(TAKE_PTR(p->timer));
	while (p->queue) {
		struct task_pending *q = p->queue;

		p->queue = q->next;
		task_reply(q, p, TTRPC_NOT_FOUND, "process already finished: not found");
	}
	if (!p->exec_id)
		return;
	snprintf(name, sizeof(name), "exec-%u.json", p->number);
	(void)unlinkat(p->task->config.dirfd, name, 0);
	snprintf(name, sizeof(name), "exec-%u.pid", p->number);
	(void)unlinkat(p->task->config.dirfd, name, 0);
}

static void exec_free(struct task_proc *p)
{
	for (struct task_proc **q = &p->task->execs; *q; q = &(*q)->next) {
		if (*q == p) {
			*q = p->next;
			break;
		}
	}
	p->task->n_execs--;
	proc_done(p);
	free(p->exec_id);
	free(p);
}

void task_free(struct task *t)
{
	if (!t)
		return;
	while (t->execs)
		exec_free(t->execs);
	proc_done(&t->init);
	oom_watch_free(t->oom);
	free(t);
}

struct task_proc *task_init(struct task *task)
{
	return &task->init;
}

struct task_proc *task_find(struct task *task, const char *exec_id)
{
	if (!exec_id || !exec_id[0])
		return &task->init;
	for (struct task_proc *p = task->execs; p; p = p->next)
		if (str_eq(p->exec_id, exec_id))
			return p;
	return NULL;
}

struct task_proc *task_find_pid(struct task *task, pid_t pid)
{
	struct task_proc *p = task->init.pid == pid ? &task->init : task->execs;

	while (p && p->pid != pid)
		p = p->next;
	return p;
}

unsigned int task_exit_status(const struct task_proc *p)
{
	struct exit_record r = { 0 };

	exit_record_set_status(&r, p->exit.code, p->exit.status);
	return p->reaped && r.has_status ? (unsigned int)r.exit_code : 255;
}

void task_emit(struct task_proc *p, enum event_type type)
{
	struct event e = {
		.type = type,
		.id = p->task->config.id,
		.exec_id = p->exec_id,
		.pid = p->pid,
		/* A restored container that was never started had no process and no end. */
		.exit_status = type == EVENT_EXIT || (type == EVENT_DELETE && p->pid)
				       ? task_exit_status(p)
				       : 0,
		.when = p->finished_at,
	};

	events_emit(p->task->config.events, &e);
}

void task_reply(struct task_pending *q, struct task_proc *p, int code, const char *text)
{
	if (!q)
		return;
	if (q->request.done)
		q->request.done(q->request.user, p, code, text);
	free(q);
}

static void enqueue(struct task_proc *p, struct task_pending *q)
{
	struct task_pending **tail = &p->queue;

	if (p->n_queue >= QUEUE_MAX) {
		task_reply(q, p, TTRPC_RESOURCE_EXHAUSTED, "too many requests are waiting");
		return;
	}
	while (*tail)
		tail = &(*tail)->next;
	*tail = q;
	p->n_queue++;
}

/* The event that follows from a call that has ended well. */
static void tell_success(struct task_proc *p, enum sup_event request)
{
	switch (request) {
	case SUP_REQ_CREATE:
		task_emit(p, EVENT_CREATE);
		break;
	case SUP_REQ_START:
		task_emit(p, p->exec_id ? EVENT_EXEC_STARTED : EVENT_START);
		break;
	case SUP_REQ_PAUSE:
		task_emit(p, EVENT_PAUSED);
		break;
	case SUP_REQ_RESUME:
		task_emit(p, EVENT_RESUMED);
		break;
	default:
		break;
	}
}

static void reply_ok(struct task_proc *p, struct task_pending *q)
{
	enum sup_event what = q ? q->request.event : SUP_EVENT_N;

	if (!p->exec_id && (what == SUP_REQ_DELETE || p->task->doomed) && p->state == SUP_DELETED) {
		/* Answered when the exit, too, has been told. */
		p->current = q;
		p->delete_done = true;
		task_try_forget(p->task);
		return;
	}
	tell_success(p, what);
	task_reply(q, p, TTRPC_OK, NULL);
	if (what == SUP_REQ_START && !p->exec_id && p->task->pending_signal) {
		int sig = p->task->pending_signal;

		p->task->pending_signal = 0;
		task_forward_signal(p->task, sig);
	}
}

static const char *failure_prefix(const struct task_proc *p, enum sup_event what)
{
	switch (what) {
	case SUP_REQ_CREATE:
		return "OCI runtime create failed: ";
	case SUP_REQ_START:
		if (p->exec_id)
			return "OCI runtime exec failed: ";
		return p->task->config.restores ? "OCI runtime restore failed: "
						: "OCI runtime start failed: ";
	case SUP_REQ_CHECKPOINT:
		return TASK_CHECKPOINT_FAILED;
	case SUP_REQ_PAUSE:
		return "OCI runtime pause failed: ";
	case SUP_REQ_RESUME:
		return "OCI runtime resume failed: ";
	case SUP_REQ_DELETE:
		return "failed to delete task: ";
	default:
		return "";
	}
}

static void reply_fail(struct task_proc *p, struct task_pending *q, const char *message)
{
	char text[RUNTIME_MESSAGE_MAX + 64];
	enum sup_event what = q ? q->request.event : SUP_EVENT_N;

	/* It may have killed the init before it failed. */
	if (!p->exec_id && what == SUP_REQ_DELETE)
		p->state = p->reaped ? SUP_EXITED : p->before_delete;
	/* A restore is not tried again: there is nothing to wait for. */
	if (!p->exec_id && what == SUP_REQ_START && p->task->config.restores && !p->pid)
		p->published = true;
	snprintf(text, sizeof(text), "%s%s", failure_prefix(p, what), message ? message : "");
	log_warning("%s", text);
	task_reply(q, p, TTRPC_UNKNOWN, text);
}

static void tell_oom(struct task_proc *p)
{
	if (p->task->oom_told)
		return;
	p->task->oom_told = true;
	task_emit(p, EVENT_OOM);
}

static void perform(struct task_proc *p, const struct sup_cell *c, struct task_pending *q,
		    const char *message)
{
	/* Exactly one of these takes a request, if there is one. */
	if (c->actions & SUP_REFUSE)
		task_reply(TAKE_PTR(q), p, c->code, c->refusal);
	if (c->actions & SUP_QUEUE)
		enqueue(p, TAKE_PTR(q));
	if (c->actions & SUP_CALL) {
		p->current = TAKE_PTR(q);
		task_call(p);
	}
	if (c->actions & SUP_KILL)
		task_kill(p, TAKE_PTR(q));
	if (c->actions & SUP_HOLD_EXIT)
		p->exit_held = true;
	if (c->actions & SUP_REPLY_OK)
		reply_ok(p, q ? TAKE_PTR(q) : TAKE_PTR(p->current));
	if (c->actions & SUP_REPLY_FAIL)
		reply_fail(p, TAKE_PTR(p->current), message);
	if (c->actions & SUP_EXIT)
		task_take_exit(p);
	if (c->actions & SUP_PUBLISH)
		task_publish(p);
	if (c->actions & SUP_TELL_OOM)
		tell_oom(p);
	if (c->actions & SUP_DOOM)
		p->task->doomed = true;
	if (c->actions & SUP_ROLL_BACK)
		task_roll_back(p);
}

static void step(struct task_proc *p, enum sup_event event, struct task_pending *q,
		 const char *message)
{
	const struct sup_cell *c = sup_step(p->table, p->state, event);

	log_debug("%s: %s in %s -> %s", p->exec_id ? p->exec_id : p->task->config.id,
		  sup_event_name(event), sup_state_name(p->state), sup_state_name(c->next));
	/* Two calls that change a state without showing it (update) must not overlap either. */
	if ((c->actions & SUP_CALL) && p->call) {
		enqueue(p, q);
		return;
	}
	if (c->next == SUP_DELETING && p->state != SUP_DELETING)
		p->before_delete = p->state;
	p->state = c->next;
	perform(p, c, q, message);
}

void task_step(struct task_proc *proc, enum sup_event event, const char *message)
{
	step(proc, event, NULL, message);
}

static bool in_between(const struct task_proc *p)
{
	return p->call != NULL;
}

void task_settle(struct task_proc *p)
{
	if (in_between(p))
		return;
	if (p->exit_held) {
		p->exit_held = false;
		step(p, SUP_PROC_EXIT, NULL, NULL);
	}
	if (p->task->doomed && !p->exec_id && p->state != SUP_DELETING && p->state != SUP_DELETED &&
	    !p->call)
		step(p, SUP_FRONT_GONE, NULL, NULL);
	while (p->queue && !in_between(p) && p->state != SUP_DELETED) {
		struct task_pending *q = p->queue;

		p->queue = q->next;
		p->n_queue--;
		q->next = NULL;
		step(p, q->request.event, q, NULL);
	}
	if (p->exec_id && p->state == SUP_DELETED && !p->call)
		exec_free(p);
}

void task_request(struct task_proc *p, const struct task_request *request)
{
	struct task_pending *q = calloc(1, sizeof(*q));

	if (!q) {
		if (request->done)
			request->done(request->user, p, TTRPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	q->request = *request;
	step(p, request->event, q, NULL);
	task_settle(p);
}

static int refuse(char *text, size_t size, int code, const char *fmt, const char *arg)
{
	snprintf(text, size, "%s%s", fmt, arg);
	return code;
}

/* A client that was killed never deletes its session. */
static void forget_oldest(struct task *t)
{
	struct task_proc *oldest = NULL;

	for (struct task_proc *p = t->execs; p; p = p->next) /* newest first */
		if (p->state == SUP_EXITED && p->published && !p->call && !p->queue && !p->is_used)
			oldest = p;
	if (oldest)
		exec_free(oldest);
}

/* The request's word on the terminal counts, not the process's. What is no JSON goes on as it is: the
 * runtime tells what is wrong. */
static int write_process(const struct task *t, const char *name, const struct task_exec *x)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	CLEANUP_JSON_WRITER struct json_writer *w = NULL;
	const char *text = x->process;
	const struct json *terminal;
	size_t n = x->process_len;
	struct json *json;

	if (json_parse(&arena, text, n, &json, NULL) == 0 && json->type == JSON_OBJECT) {
		terminal = json_get(json, "terminal");
		if ((terminal && terminal->boolean) != x->terminal) {
			w = json_writer_new(NULL);
			jw_object(w);
			json_each (it, json) {
				if (str_eq(it->key, "terminal"))
					continue;
				jw_key(w, it->key);
				jw_tree(w, it);
			}
			jw_key(w, "terminal");
			jw_bool(w, x->terminal);
			jw_end(w);
			text = json_writer_text(w, &n);
			if (!text)
				return -ENOMEM;
		}
	}
	return io_replace_file(t->config.dirfd, name, text, n, 0600);
}

int task_add_exec(struct task *t, const struct task_exec *x, char *text, size_t size)
{
	const struct sup_cell *c = sup_step(&sup_init_table, t->init.state, SUP_REQ_EXEC);
	struct task_proc *p;
	char name[48];

	if (c->actions & SUP_REFUSE)
		return refuse(text, size, c->code, c->refusal, "");
	/* There is nothing yet that a session could be in. */
	if (t->config.restores && t->init.state == SUP_CREATED)
		return refuse(text, size, TTRPC_UNKNOWN, "cannot exec in a created state", "");
	if (task_find(t, x->exec_id)) {
		snprintf(text, size, "id %s: already exists", x->exec_id);
		return TTRPC_ALREADY_EXISTS;
	}
	if (t->n_execs >= EXECS_MAX)
		forget_oldest(t);
	if (t->n_execs >= EXECS_MAX)
		return refuse(text, size, TTRPC_RESOURCE_EXHAUSTED, "too many exec sessions", "");
	p = calloc(1, sizeof(*p));
	if (p)
		p->exec_id = strdup(x->exec_id);
	if (!p || !p->exec_id) {
		free(p);
		return refuse(text, size, TTRPC_RESOURCE_EXHAUSTED, "out of memory", "");
	}
	p->task = t;
	p->table = &sup_exec_table;
	p->state = SUP_CREATED;
	p->terminal = x->terminal;
	p->in = x->in;
	p->out = x->out;
	p->err = x->err;
	for (int i = 0; i < 3; i++)
		p->uri[i] = x->uri[i] ? strdup(x->uri[i]) : NULL;
	p->number = ++t->last_number;
	p->next = t->execs;
	t->execs = p;
	t->n_execs++;
	snprintf(name, sizeof(name), "exec-%u.json", p->number);
	if (write_process(t, name, x) < 0) {
		exec_free(p);
		return refuse(text, size, TTRPC_UNKNOWN, "cannot write the process of ",
			      x->exec_id);
	}
	task_emit(p, EVENT_EXEC_ADDED);
	return 0;
}

void task_front_gone(struct task *t)
{
	step(&t->init, SUP_FRONT_GONE, NULL, NULL);
	task_settle(&t->init);
}

static void forwarded(void *user, struct task_proc *p UNUSED, int code, const char *text)
{
	struct task *t = user;

	/* Not created yet: kept for when it runs. */
	if (code == TTRPC_FAILED_PRECONDITION)
		return;
	t->pending_signal = 0;
	if (code)
		log_info("signal not forwarded: %s", text);
}

void task_forward_signal(struct task *t, int sig)
{
	struct task_request r = {
		.event = SUP_REQ_KILL, .signal = sig, .done = forwarded, .user = t
	};

	t->pending_signal = sig;
	task_request(&t->init, &r);
}

void task_log_room(struct task *t)
{
	if (t->init.stdio)
		stdio_log_room(t->init.stdio);
}

void task_try_forget(struct task *t)
{
	struct task_proc *p = &t->init;

	if (!p->delete_done || t->forgotten || (p->pid && !p->published))
		return;
	t->forgotten = true;
	task_emit(p, EVENT_DELETE);
	/* Whoever hears of the delete may use the id again at once. */
	t->config.forgotten(t->config.user);
	task_reply(TAKE_PTR(p->current), p, TTRPC_OK, NULL);
	t->config.ended(t->config.user);
}
