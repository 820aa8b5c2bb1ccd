/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conmon's monitor of one container or exec session: the supervisor's table driven by one process,
 * with conmon's pipes, files and sockets around it. conmon_monitor.c owns the life of it;
 * conmon_io.c what goes in and out; conmon_call.c the runtime's call.
 */
#pragma once

#include <stdbool.h>

#include "shim/conmon_attach.h"
#include "shim/conmon_ctl.h"
#include "shim/conmon_files.h"
#include "shim/conmon_log.h"
#include "shim/conmon_notify.h"
#include "shim/conmon_options.h"
#include "shim/oom.h"
#include "shim/reaper.h"
#include "shim/stdio.h"
#include "shim/supervisor.h"
#include "shim/tty.h"

#define CONMON_FDS_MAX 1024
#define CONMON_MESSAGE_MAX 2048

/* What was inherited, and found out before the monitor was forked. */
struct conmon_start {
	const struct conmon_options *o;
	const struct conmon_log_spec *logs;
	const char *bundle;               /* absolute; NULL: none (an exec without -b) */
	const char *pid_file;             /* of the runtime */
	int sync_fd, start_fd, attach_fd; /* -EBADF: none */
	int *inherited;                   /* closed before the exit is told */
	size_t n_inherited;
};

/* Returns the exit status of the process. */
int conmon_monitor_run(const struct conmon_start *start);

/* --- shared by the three files --- */

struct conmon_monitor {
	const struct conmon_start *start;
	const struct conmon_options *o;
	struct ev *ev;
	struct reaper *reaper;
	const struct sup_table *table;
	enum sup_state state;
	int dirfd; /* the bundle */
	char oom_score_adj[16];

	struct conmon_log *log;
	struct stdio *stdio;
	struct conmon_attach *attach;
	struct conmon_ctl *ctl;
	struct conmon_notify *notify;
	char *link;
	bool attach_took[LOG_STREAM_N]; /* the bytes that will come again */
	unsigned int rows, columns;
	bool has_size;

	struct reaper_child *runtime, *child;
	struct tty *tty;
	char *tty_dir;
	int tty_dirfd;
	int message_fd; /* the runtime's stderr, with a terminal */
	struct ev_source *message_source, *start_source;
	char message[CONMON_MESSAGE_MAX];
	size_t n_message;
	uint64_t tag;   /* of what the call starts, see conmon_kill.h */
	ino_t pipes[2]; /* of the output */
	size_t n_pipes;

	struct oom_watch *oom;
	struct ev_timer *timer; /* the timeout, later the drain's */
	struct ev_timer *give_back;
	pid_t pid;
	bool timed_out, failed, told_oom;
	int sync_fd, attach_fd;
	struct conmon_files_spare spare;
	int status; /* the process's; -1: unknown or timed out */
};

/* One event through the table. message: of RT_FAIL. */
void conmon_step(struct conmon_monitor *m, enum sup_event event, const char *message);

/* conmon_io.c */
MUST_CHECK int conmon_io_open(struct conmon_monitor *m, struct err *err); /* logs, sockets, pipes */
void conmon_io_master(struct conmon_monitor *m, int master_consume);
void conmon_io_free(struct conmon_monitor *m);

/* conmon_call.c */
MUST_CHECK int conmon_call_start(struct conmon_monitor *m, struct err *err);
void conmon_call_free(struct conmon_monitor *m);
