// SPDX-License-Identifier: Apache-2.0
// The runtime calls of the container and its sessions: arguments, results, the claimed pid.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "common/io.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/str.h"
#include "shim/task_private.h"
#include "shim/ttrpc.h"

#define PARENTS_MAX 64

struct paths {
	char pid[PATH_MAX], process[PATH_MAX];
};

static void proc_paths(const struct task_proc *p, struct paths *ret)
{
	const char *dir = p->task->config.dir;

	if (!p->exec_id) {
		snprintf(ret->pid, sizeof(ret->pid), "%s/init.pid", dir);
		return;
	}
	snprintf(ret->pid, sizeof(ret->pid), "%s/exec-%u.pid", dir, p->number);
	snprintf(ret->process, sizeof(ret->process), "%s/exec-%u.json", dir, p->number);
}

/* -1: not to be had. */
static int parent_of(int pid)
{
	char path[32], text[512], *p;
	int parent;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (io_read_small(AT_FDCWD, path, text, sizeof(text)) < 0)
		return -1;
	p = strrchr(text, ')'); /* the name may hold anything */
	if (!p || strlen(p) < 5)
		return -1;
	p += 4; /* the state, and the blanks around it */
	p[strcspn(p, " ")] = '\0';
	return parse_int(p, &parent) < 0 ? -1 : parent;
}

/* What a wrong pid file names would be signalled, and killed by a roll-back. A runtime may keep a
 * process of its own between us and the container's. */
static bool is_below_us(int pid)
{
	int self = getpid();

	for (int i = 0; i < PARENTS_MAX && pid > 1; i++) {
		pid = parent_of(pid);
		if (pid == self)
			return true;
	}
	return false;
}

/* The pid file has been written; as nothing unknown was reaped since, the pid is its process. */
static int claim(struct task_proc *p, struct err *err)
{
	char name[32] = "init.pid", text[32];
	int pid, r;

	if (p->exec_id)
		snprintf(name, sizeof(name), "exec-%u.pid", p->number);
	r = io_read_small(p->task->config.dirfd, name, text, sizeof(text));
	if (r < 0)
		return err_sysn(err, r, "read the pid file of the runtime");
	if (parse_int(text, &pid) < 0 || pid <= 0)
		return err_set(err, EINVAL, "the pid file of the runtime has \"%s\"", text);
	if (!is_below_us(pid))
		return err_set(err, ESRCH, "the pid file of the runtime has %d: not its process",
			       pid);
	r = reaper_watch_consume(p->task->config.reaper, pid, -EBADF, task_proc_exited, p,
				 &p->child);
	if (r < 0)
		return err_sysn(err, r, "claim process %d", pid);
	p->pid = pid;
	return 0;
}

static void on_oom(void *user)
{
	struct task_proc *p = user;

	task_step(p, SUP_OOM, NULL);
}

static int claim_created(struct task_proc *p, struct err *err)
{
	int r = claim(p, err);

	if (r < 0)
		return r;
	if (p->tty)
		tty_poll(p->tty);
	tty_free(TAKE_PTR(p->tty));
	if (p->terminal && !stdio_has_master(p->stdio))
		return err_set(err, EPROTO, "the runtime sent no terminal");
	/* Before start, so that no OOM kill is missed; without it the counters are unknown. */
	if (!p->exec_id && oom_watch_new(p->task->config.ev, p->pid, on_oom, p, &p->task->oom) < 0)
		log_warning("the container's cgroup counters cannot be watched");
	return 0;
}

static bool makes_process(const struct task_proc *p, enum sup_event what)
{
	if (p->exec_id || p->task->config.restores)
		return what == SUP_REQ_START;
	return what == SUP_REQ_CREATE;
}

/* The end of a long text has the reason. */
static const char *last_part(const char *text)
{
	size_t n = strlen(text);

	return n < RUNTIME_MESSAGE_MAX ? text : text + n - RUNTIME_MESSAGE_MAX + 1;
}

/* An earlier call has done it and could not say so (it was killed): the container is what it was to be,
 * which else nothing could tell us, and no other call would get it out of there. */
static bool was_done_before(const struct task_proc *p, enum sup_event what, const char *message)
{
	uint64_t ticks;
	char state;

	if (what == SUP_REQ_RESUME)
		return strstr(message, "not paused") != NULL;
	/* Neither running nor at its end. */
	return what == SUP_REQ_PAUSE && strstr(message, "not running") && !p->reaped &&
	       proc_start_time(p->pid, &ticks, &state) == 0 && state != 'Z' && state != 'X';
}

static void call_done(void *user, unsigned int number UNUSED, int result, const char *message)
{
	struct task_proc *p = user;
	enum sup_event what = p->current ? p->current->request.event : SUP_REQ_DELETE;
	struct err err = { 0 };
	char generic[64];

	p->call = NULL;
	p->task->n_calls--;
	if (result == 0 && makes_process(p, what)) {
		result = claim_created(p, &err);
		message = err.msg;
	}
	if (makes_process(p, what)) {
		tty_free(TAKE_PTR(p->tty));
		stdio_capture_end(p->stdio, result == 0);
	}
	if (result < 0 && what == SUP_REQ_START)
		memset(&p->started_at, 0, sizeof(p->started_at));
	/* A runtime that does not log to --log has told the container's stderr. */
	if (result < 0 && !message[0] && makes_process(p, what))
		message = last_part(stdio_captured(p->stdio));
	if (result < 0 && !message[0]) {
		snprintf(generic, sizeof(generic), "the runtime failed and said nothing");
		message = generic;
	}
	/* Its directory: a `delete` of the binary has been faster. */
	if (result < 0 && what == SUP_REQ_DELETE &&
	    (strstr(message, "does not exist") ||
	     (access(p->task->config.dir, F_OK) < 0 && errno == ENOENT)))
		result = 0;
	if (result < 0 && was_done_before(p, what, message))
		result = 0;
	/* Its clients have nothing to wait for. */
	if (result < 0 && p->exec_id && p->stdio)
		stdio_process_exited(p->stdio);
	/* Rolling back: whatever it says, there is nothing more to try but the kill. */
	if (result < 0 && p->task->doomed && !p->exec_id && p->state == SUP_DELETING) {
		log_warning("roll-back: %s", message);
		if (p->child && reaper_signal(p->child, SIGKILL) < 0)
			log_debug("the container's init is gone already");
		result = 0;
	}
	task_step(p, result < 0 ? SUP_RT_FAIL : SUP_RT_OK, message);
	task_settle(p);
}

/* The result of runtime_call_start. */
static int counted(struct task *t, int r)
{
	t->n_calls += r >= 0;
	return r;
}

bool task_is_busy(const struct task *t)
{
	return t->n_calls > 0;
}

/* criu may have gigabytes to write or to read. */
static unsigned int time_limit(const char *command)
{
	return str_eq(command, "checkpoint") || str_eq(command, "restore") ? TASK_CRIU_MS
									   : TASK_CALL_MS;
}

static int start_call(struct task_proc *p, const char *command, const char *const *args, size_t n,
		      struct err *err)
{
	struct runtime_request q = {
		.command = command,
		.args = args,
		.n_args = n,
		.stdio = { -EBADF, -EBADF, -EBADF },
		.captures = true,
		.ms = time_limit(command),
	};

	return counted(p->task, runtime_call_start(p->task->config.runtime, &q, call_done, p,
						   &p->call, err));
}

int task_open_stdio(struct task_proc *p, struct err *err)
{
	const struct task_config *c = &p->task->config;
	struct stdio_config sc = {
		.ev = c->ev,
		.terminal = p->terminal,
		.in = p->in,
		.out = p->out,
		.err = p->err,
		.log = p->exec_id ? NULL : c->log,
		.sink = p->sink.put ? &p->sink : NULL,
		.lossless = p->exec_id && !p->sink.put,
		.capture = p->err,
		.drained = task_stdio_drained,
		.user = p,
	};

	int r;

	if (p->stdio)
		return 0;
	r = stdio_new(&sc, &p->stdio, err);
	if (r >= 0)
		p->sink.put = NULL; /* it is stdio's now */
	return r;
}

/* The container's user may not be root, and has to be able to open /dev/stdout anew. */
static void give_pipes(const struct task_proc *p)
{
	const struct task_config *c = &p->task->config;

	if (!c->io_uid && !c->io_gid)
		return;
	for (int i = 0; i < 3; i++) {
		int fd = stdio_child_fd(p->stdio, i);

		if (fd >= 0 && fchown(fd, c->io_uid, c->io_gid) < 0)
			log_debug("cannot give descriptor %d to the container's user", i);
	}
}

static void got_master(void *user, int master)
{
	struct task_proc *p = user;

	stdio_master_consume(p->stdio, master);
}

static const char *process_command(const struct task_proc *p)
{
	if (p->exec_id)
		return "exec";
	return p->task->config.restores ? "restore" : "create";
}

/* create or restore, and exec for a session. */
static int call_process(struct task_proc *p, struct err *err)
{
	const struct task_config *c = &p->task->config;
	const char *args[14 + TASK_CREATE_ARGS_MAX];
	struct paths path;
	size_t n = 0;
	int r;

	proc_paths(p, &path);
	/* The first one has used up the streams' other ends. */
	if (c->restores && !p->exec_id && p->stdio)
		return err_set(err, EALREADY, "it has been tried before");
	r = task_open_stdio(p, err);
	if (r < 0)
		return r;
	give_pipes(p);
	if (p->exec_id) {
		args[n++] = "--process";
		args[n++] = path.process;
		args[n++] = "--detach";
	} else {
		args[n++] = "--bundle";
		args[n++] = c->bundle;
		for (size_t i = 0; i < MIN(c->n_create_args, (size_t)TASK_CREATE_ARGS_MAX); i++)
			args[n++] = c->create_args[i];
		if (c->restores) {
			args[n++] = "--detach";
			args[n++] = "--no-subreaper"; /* that is us */
		}
	}
	args[n++] = "--pid-file";
	args[n++] = path.pid;
	if (p->terminal) {
		const struct tty_place place = { .dir = c->dir,
						 .dirfd = c->dirfd,
						 .number = p->number,
						 .fn = got_master,
						 .user = p };

		r = tty_listen(c->ev, &place, &p->tty, err);
		if (r < 0)
			return r;
		args[n++] = "--console-socket";
		args[n++] = tty_socket_path(p->tty);
	}
	args[n++] = c->id;
	struct runtime_request q = {
		.command = process_command(p),
		.args = args,
		.n_args = n,
		.stdio = { stdio_child_fd(p->stdio, 0), stdio_child_fd(p->stdio, 1),
			   stdio_child_fd(p->stdio, 2) },
		.captures = p->terminal, /* the process gets the pty */
		.holds = true,
		.ms = time_limit(process_command(p)),
	};
	r = counted(p->task, runtime_call_start(c->runtime, &q, call_done, p, &p->call, err));
	stdio_close_child(p->stdio);
	return r;
}

static int call_command(struct task_proc *p, struct err *err)
{
	const struct task_config *c = &p->task->config;
	const struct task_request *q = &p->current->request;
	const char *id[] = { c->id };
	char file[PATH_MAX];

	switch (q->event) {
	case SUP_REQ_CREATE:
		return call_process(p, err);
	case SUP_REQ_START:
		if (makes_process(p, SUP_REQ_START))
			return call_process(p, err);
		return start_call(p, "start", id, 1, err);
	case SUP_REQ_PAUSE:
		return start_call(p, "pause", id, 1, err);
	case SUP_REQ_RESUME:
		return start_call(p, "resume", id, 1, err);
	case SUP_REQ_UPDATE: {
		const char *args[] = { "--resources", file, c->id };

		snprintf(file, sizeof(file), "%s/%s", c->dir, q->file);
		return start_call(p, "update", args, ARRAY_COUNT(args), err);
	}
	case SUP_REQ_CHECKPOINT: {
		const char *args[TASK_CHECKPOINT_ARGS_MAX + 1];
		size_t n = MIN(q->n_args, (size_t)TASK_CHECKPOINT_ARGS_MAX);

		for (size_t i = 0; i < n; i++)
			args[i] = q->args[i];
		args[n++] = c->id;
		return start_call(p, "checkpoint", args, n, err);
	}
	case SUP_REQ_DELETE: {
		/* A created container has a live init: plain delete refuses that with some. */
		const char *args[] = { "--force", c->id };

		if (p->before_delete == SUP_CREATED)
			return start_call(p, "delete", args, ARRAY_COUNT(args), err);
		return start_call(p, "delete", id, 1, err);
	}
	default:
		return err_set(err, ENOSYS, "%s is not supported", sup_event_name(q->event));
	}
}

void task_call(struct task_proc *p)
{
	struct err err = { 0 };

	if (p->current->request.event == SUP_REQ_CREATE && p->task->config.restores) {
		task_step(p, SUP_RT_OK, NULL);
		return;
	}
	/* Before the call: a short process has ended when its runtime has. */
	if (p->current->request.event == SUP_REQ_START)
		clock_gettime(CLOCK_REALTIME, &p->started_at);
	if (call_command(p, &err) >= 0)
		return;
	p->call = NULL;
	tty_free(TAKE_PTR(p->tty));
	task_step(p, SUP_RT_FAIL, err.msg);
}

void task_roll_back(struct task_proc *p)
{
	const char *args[] = { "--force", p->task->config.id };
	struct err err = { 0 };

	p->task->doomed = true;
	/* Nothing was created. */
	if (p->state == SUP_DELETED) {
		p->delete_done = true;
		task_try_forget(p->task);
		return;
	}
	if (p->call) /* DELETING takes it from there */
		return;
	if (start_call(p, "delete", args, ARRAY_COUNT(args), &err) >= 0)
		return;
	log_error("roll-back: %s", err.msg);
	if (p->child && reaper_signal(p->child, SIGKILL) < 0)
		log_debug("the container's init is gone already");
	p->state = SUP_DELETED;
	p->delete_done = true;
	task_try_forget(p->task);
}

struct kill_call {
	struct task_proc *proc;
	struct task_pending *pending;
	struct runtime_call *call;
};

static void remember_stop(struct task *t, const struct task_request *q)
{
	if (!q->has_peer || !q->signal || q->signal == SIGCONT)
		return;
	memmove(t->stops + 1, t->stops, sizeof(t->stops) - sizeof(t->stops[0]));
	t->stops[0] = (struct task_stop){ q->signal, q->peer };
}

static void forget_stop(struct task *t, const struct task_request *q)
{
	for (size_t i = 0; i < TASK_STOPS; i++) {
		if (t->stops[i].signal != q->signal || t->stops[i].peer.pid != q->peer.pid)
			continue;
		t->stops[i].signal = 0;
		return;
	}
}

/* Words of runc, crun, youki and thole for a process that is not there to be signalled. */
static bool says_finished(const char *message)
{
	static const char *const words[] = { "process already finished", "container not running",
					     "no such process",          "is not running",
					     "process not found",        "not running",
					     "No such process",          "init is stopped" };

	for (size_t i = 0; i < ARRAY_COUNT(words); i++)
		if (strstr(message, words[i]))
			return true;
	return false;
}

static void kill_done(void *user, unsigned int number UNUSED, int result, const char *message)
{
	struct kill_call *k = user;
	struct task_proc *p = k->proc;
	char text[RUNTIME_MESSAGE_MAX + 64];

	p->task->n_calls--;
	if (result < 0 && !p->reaped)
		forget_stop(p->task, &k->pending->request);
	if (result == 0) {
		task_reply(k->pending, p, TTRPC_OK, NULL);
	} else if (says_finished(message)) {
		task_reply(k->pending, p, TTRPC_NOT_FOUND, "process already finished: not found");
	} else if (strstr(message, "does not exist")) {
		task_reply(k->pending, p, TTRPC_NOT_FOUND, "no such container: not found");
	} else {
		snprintf(text, sizeof(text), "unknown error after kill: %s", message);
		task_reply(k->pending, p, TTRPC_UNKNOWN, text);
	}
	free(k);
}

static void kill_exec(struct task_proc *p, struct task_pending *q)
{
	int r = p->child ? reaper_signal(p->child, q->request.signal) : -ESRCH;
	char text[128];

	if (r == -ESRCH) {
		task_reply(q, p, TTRPC_NOT_FOUND,
			   "exec kill error: process already finished: not found");
	} else if (r < 0) {
		snprintf(text, sizeof(text), "exec kill error: unknown error after kill: %s",
			 err_strerror(-r));
		task_reply(q, p, TTRPC_UNKNOWN, text);
	} else {
		task_reply(q, p, TTRPC_OK, NULL);
	}
}

void task_kill(struct task_proc *p, struct task_pending *q)
{
	struct kill_call *k;
	struct err err = { 0 };
	const char *args[3];
	char sig[16];
	struct runtime_request rq = {
		.command = "kill",
		.args = args,
		.stdio = { -EBADF, -EBADF, -EBADF },
		.captures = true,
		.ms = TASK_KILL_MS,
	};

	if (p->exec_id) {
		kill_exec(p, q);
		return;
	}
	snprintf(sig, sizeof(sig), "%d", q->request.signal);
	if (q->request.all)
		args[rq.n_args++] = "--all";
	args[rq.n_args++] = p->task->config.id;
	args[rq.n_args++] = sig;
	k = calloc(1, sizeof(*k));
	if (!k) {
		task_reply(q, p, TTRPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	k->proc = p;
	k->pending = q;
	/* Before the call: the init may be reaped before the runtime is. */
	remember_stop(p->task, &q->request);
	if (counted(p->task, runtime_call_start(p->task->config.runtime, &rq, kill_done, k,
						&k->call, &err)) >= 0)
		return;
	forget_stop(p->task, &q->request);
	task_reply(q, p, TTRPC_UNKNOWN, err.msg);
	free(k);
}
