/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container and its exec sessions: the records, and what the supervisor's table orders done
 * with them (runtime calls, pumps, signals, the exit record). Front ends ask through task_request
 * and hear through callbacks and events; nothing here knows ttrpc messages or options.
 */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>
#include <time.h>

#include "common/err.h"
#include "common/ev.h"
#include "shim/events.h"
#include "shim/exit_record.h"
#include "shim/log.h"
#include "shim/reaper.h"
#include "shim/runtime_cmd.h"
#include "shim/stdio.h"
#include "shim/supervisor.h"
#include "shim/tty.h"

struct task;

struct task_config {
	struct ev *ev;
	struct reaper *reaper;
	struct runtime *runtime;
	struct events *events;
	struct log_writer *log;
	const char *id, *bundle;
	const char *dir; /* the registry directory */
	int dirfd;
	const char *exit_file; /* NULL: none */
	bool terminal, has_stdin;
	/* The container is restored from a checkpoint, when it is started: no call for create. */
	bool restores;
	const char *const *create_args; /* options for create or restore, beside the usual ones */
	size_t n_create_args;           /* at most TASK_CREATE_ARGS_MAX */
	uid_t io_uid; /* who gets the pipes of the standard streams; 0, 0: left alone */
	gid_t io_gid;
	/* The container has no pid namespace of its own: what its init leaves is killed. */
	bool kill_all;
	void (*forgotten)(void *user); /* deleted or rolled back: take away what is left of it */
	void (*ended)(void *user);     /* ... and that has been answered */
	void *user;
};

#define TASK_CREATE_ARGS_MAX 8

/* What a checkpoint's answer begins with that is the runtime's and no refusal. */
#define TASK_CHECKPOINT_FAILED "OCI runtime checkpoint failed: "
#define TASK_CHECKPOINT_ARGS_MAX 40

struct task_pending;

/* Read by front ends, changed only by task*.c. */
struct task_proc {
	struct task *task;
	struct task_proc *next;
	const struct sup_table *table;
	char *exec_id; /* NULL: the init */
	enum sup_state state;
	pid_t pid;
	bool terminal;
	bool in, out, err; /* exec: which of its streams clients want */
	bool reaped, published;
	struct reaper_exit exit;
	struct timespec started_at, finished_at; /* zero: not yet, or never */
	struct stdio *stdio;                     /* NULL before create or exec's start */
	/* Set by a front end that is about to delete it: it is not forgotten to make room. */
	bool is_used;
	/* Set by a front end, with `in`, `out` and `err`, before create or exec's start: taken over
	 * by stdio, else (stdio NULL at the end) freed with the process. */
	struct stdio_sink sink;
	char *uri
		[3]; /* what its creator asked for as standard streams, for the front end; NULL: nothing */

	unsigned int number; /* names its files in the registry directory */
	enum sup_state before_delete;
	struct reaper_child *child;
	struct tty *tty;
	struct runtime_call *call;
	struct task_pending *current, *queue;
	unsigned int n_queue;
	struct ev_timer *timer;
	bool exit_held, draining, publishing, delete_done, needs_reply;
};

/* code: google.rpc; 0 is success. text: what a client is told, NULL on success. */
typedef void task_done_fn(void *user, struct task_proc *proc, int code, const char *text);

struct task_request {
	enum sup_event event; /* SUP_REQ_*, but for create's exec: see task_add_exec */
	int signal;           /* KILL */
	bool all;
	bool has_peer; /* KILL: it came through the socket */
	struct ucred peer;
	/* UPDATE: name of the resources' file in the registry directory; alive until `done`. */
	const char *file;
	/* CHECKPOINT: the command's options; alive until `done`. */
	const char *const *args;
	size_t n_args; /* at most TASK_CHECKPOINT_ARGS_MAX */
	task_done_fn
		*done; /* NULL: nobody waits. Called once, perhaps before task_request returns */
	void *user;
};

struct task_exec {
	const char *exec_id;
	bool terminal, in, out, err;
	const char *uri[3];  /* copied; NULL: none */
	const void *process; /* JSON of the OCI process */
	size_t process_len;
};

MUST_CHECK int task_new(const struct task_config *config, struct task **ret, struct err *err);
/* A call of the runtime is in flight, which comes back to the task: it must not be freed. */
bool task_is_busy(const struct task *task);
void task_free(struct task *task);

struct task_proc *task_init(struct task *task);
struct task_proc *task_find_pid(struct task *task, pid_t pid); /* NULL: none that we know */
/* exec_id NULL or "": the init. NULL: there is none of that name. */
struct task_proc *task_find(struct task *task, const char *exec_id);

void task_request(struct task_proc *proc, const struct task_request *request);
/* Registers a session. 0, or a google.rpc code with its text. */
MUST_CHECK int task_add_exec(struct task *task, const struct task_exec *exec, char *text,
			     size_t size);

/* Makes the pumps of a session that is not started yet, so that a client can be attached first. */
MUST_CHECK int task_open_stdio(struct task_proc *proc, struct err *err);

/* The front end that asked for the container is gone before it runs. */
void task_front_gone(struct task *task);
/* A signal that the shim got: to the init, as soon as there is one. */
void task_forward_signal(struct task *task, int sig);
void task_log_room(struct task *task);

/* Exit status as clients know it: code or 128 + signal, 255 if unknown. */
unsigned int task_exit_status(const struct task_proc *proc);
