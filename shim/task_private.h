/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by task.c (requests and the table's actions), task_call.c (runtime calls) and task_exit.c
 * (exits, the record). Nobody else includes it.
 */
#pragma once

#include "shim/oom.h"
#include "shim/task.h"

#define TASK_STOPS 8
#define TASK_CALL_MS 180000 /* create and start run hooks */
#define TASK_KILL_MS 30000
#define TASK_CRIU_MS 3600000 /* a checkpoint writes the container's memory, restore reads it */
#define TASK_DRAIN_MS 250    /* what an exit waits for the log at most */
#define TASK_EXIT_FILE_MS 500
#define TASK_SESSIONS_MS 5000 /* what the init's exit waits for those of its sessions at most */

struct task_pending {
	struct task_pending *next;
	struct task_request request;
};

struct task_stop {
	int signal; /* 0: none */
	struct ucred peer;
};

struct task {
	struct task_config config;
	struct task_proc init;
	struct task_proc *execs;
	unsigned int n_execs, last_number;
	unsigned int n_calls; /* of the runtime, in flight */
	struct oom_watch *oom;
	bool oom_told, doomed, forgotten;
	bool exit_waits; /* the init's exit is told after those of its sessions */
	int pending_signal;
	struct task_stop stops[TASK_STOPS]; /* newest first */
	struct exit_record record;
};

/* One event of a process through its table. message: of RT_FAIL. */
void task_step(struct task_proc *proc, enum sup_event event, const char *message);
/* What was put off until the call in flight ended. May free an exec session. */
void task_settle(struct task_proc *proc);
void task_try_forget(struct task *task);

/* Starts the runtime's command for proc->current; feeds RT_FAIL where that is impossible. */
void task_call(struct task_proc *proc);
void task_kill(struct task_proc *proc, struct task_pending *pending);
void task_roll_back(struct task_proc *proc);

void task_proc_exited(void *user, const struct reaper_exit *exit); /* reaper_fn */
void task_take_exit(struct task_proc *proc);
void task_publish(struct task_proc *proc);
void task_stdio_drained(void *user);

void task_emit(struct task_proc *proc, enum event_type type);
void task_reply(struct task_pending *pending, struct task_proc *proc, int code, const char *text);
