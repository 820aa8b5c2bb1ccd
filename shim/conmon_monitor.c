// SPDX-License-Identifier: Apache-2.0
// From the start pipe to the exit command.
#include "shim/conmon_monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "common/str.h"
#include "shim/conmon_files.h"
#include "shim/conmon_kill.h"
#include "shim/conmon_sync.h"
#include "shim/memory.h"

#define DRAIN_MS 30000 /* what an exit waits for a log that takes nothing */
#define KILLED_MS 5000 /* what a timeout waits for the end of what it killed */

static const char *key(const struct conmon_monitor *m)
{
	return m->o->api ? "data" : m->o->exec ? "exit_code" : "pid";
}

static void tell_oom(void *user)
{
	struct conmon_monitor *m = user;

	if (!m->told_oom)
		conmon_files_oom(m->start->bundle, m->o);
	m->told_oom = true;
}

static void on_oom(void *user)
{
	conmon_step(user, SUP_OOM, NULL);
}

static void timeout(void *user)
{
	struct conmon_monitor *m = user;
	const struct conmon_kill_of of = { m->pid, m->tag, m->pipes, m->n_pipes };

	m->timer = NULL;
	if (m->timed_out) {
		/* It cannot even be killed: the client waits no longer. */
		conmon_step(m, SUP_PROC_EXIT, NULL);
		return;
	}
	m->timed_out = true;
	conmon_kill_tree(&of);
	if (ev_timer(m->ev, KILLED_MS, timeout, m, &m->timer) < 0)
		m->timer = NULL;
}

static void give_back(void *user)
{
	struct conmon_monitor *m = user;

	m->give_back = NULL;
	memory_give_back();
}

/* The process is there: told to whoever asked. */
static void report(struct conmon_monitor *m)
{
	if (!m->o->exec && oom_watch_new(m->ev, m->pid, on_oom, m, &m->oom) < 0)
		log_warning("the container's OOM kills cannot be watched");
	if (!m->o->exec || m->o->api)
		conmon_sync_send(&m->sync_fd, key(m), m->pid, NULL);
	if (m->o->timeout > 0 &&
	    ev_timer(m->ev, (uint64_t)m->o->timeout * 1000, timeout, m, &m->timer) < 0)
		log_error("out of memory: there is no time-out");
	conmon_call_free(m);
	/* From the loop, where little is on the stack. */
	if (ev_timer(m->ev, 0, give_back, m, &m->give_back) < 0)
		m->give_back = NULL;
}

static void fail(struct conmon_monitor *m, const char *message)
{
	m->failed = true;
	m->status = 1;
	if (message && message[0])
		log_error("%s", message);
	conmon_sync_send(&m->sync_fd, key(m), -1, message);
	ev_stop(m->ev, 0);
}

static void drain_over(void *user)
{
	struct conmon_monitor *m = user;

	m->timer = NULL;
	log_error("output is lost: the log takes nothing");
	conmon_step(m, SUP_DRAIN_TIMEOUT, NULL);
}

static void take_exit(struct conmon_monitor *m)
{
	ev_timer_cancel(TAKE_PTR(m->timer));
	if (m->timed_out)
		m->status = -1;
	if (oom_watch_read(m->oom, m->status == 128 + SIGKILL).oom_killed == 1)
		tell_oom(m);
	/* An attached client of an exec is waited for as long as it takes. */
	if (m->start->logs->n && ev_timer(m->ev, DRAIN_MS, drain_over, m, &m->timer) < 0)
		m->timer = NULL;
	stdio_process_exited(m->stdio);
}

/* The log is complete. */
static void flushed(void *user)
{
	struct conmon_monitor *m = user;
	bool last;

	/* Ports and the like that were handed down are free before anybody hears of the exit. */
	for (size_t i = 0; i < m->start->n_inherited; i++)
		fd_close(m->start->inherited[i]);
	conmon_files_exit(m->o, m->status, &m->spare);
	if (m->o->exec)
		conmon_sync_send(&m->sync_fd, key(m), m->status,
				 m->timed_out ? "command timed out" : NULL);
	last = !m->attach || conmon_attach_end(m->attach);
	conmon_notify_free(TAKE_PTR(m->notify));
	conmon_files_exit_command(m->o, m->oom_score_adj[0] ? m->oom_score_adj : NULL);
	/* Else a client has output waiting: it gets it, and ends the loop. */
	if (last)
		ev_stop(m->ev, 0);
}

static void publish(struct conmon_monitor *m)
{
	ev_timer_cancel(TAKE_PTR(m->timer));
	conmon_log_flush(m->log, flushed, m);
}

void conmon_step(struct conmon_monitor *m, enum sup_event event, const char *message)
{
	const struct sup_cell *cell = sup_step(m->table, m->state, event);
	struct err err = { 0 };

	log_debug("%s: %s", sup_state_name(m->state), sup_event_name(event));
	m->state = cell->next;
	if (cell->actions & SUP_REPLY_FAIL) {
		fail(m, message);
		return;
	}
	if (cell->actions & SUP_TELL_OOM)
		tell_oom(m);
	if (cell->actions & SUP_REPLY_OK)
		report(m);
	if (cell->actions & SUP_EXIT)
		take_exit(m);
	else if (cell->actions & SUP_PUBLISH)
		publish(m);
	if (cell->actions & SUP_CALL && conmon_call_start(m, &err) < 0)
		conmon_step(m, SUP_RT_FAIL, err.msg);
}

static void begin(struct conmon_monitor *m)
{
	conmon_step(m, m->o->exec ? SUP_REQ_START : SUP_REQ_CREATE, NULL);
}

/* The second word on the start pipe: the client is attached. Its end counts too. */
static void start_ready(void *user, int fd, uint32_t events UNUSED)
{
	struct conmon_monitor *m = user;
	char buf[8192];
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	ev_remove(TAKE_PTR(m->start_source));
	fd_close(fd);
	begin(m);
}

static int wait_for_client(struct conmon_monitor *m, struct err *err)
{
	int fd = m->start->start_fd, r;

	conmon_sync_send(&m->attach_fd, "data", 0, NULL);
	if (fd < 0) {
		begin(m);
		return 0;
	}
	r = ev_add(m->ev, fd, EPOLLIN, start_ready, m, &m->start_source);
	return r < 0 ? err_sysn(err, r, "watch the start pipe") : 0;
}

static void on_signal(void *user, const struct signalfd_siginfo *info)
{
	struct conmon_monitor *m = user;
	struct reaper_child *to = m->child ? m->child : m->runtime;

	if (info->ssi_signo == SIGCHLD || info->ssi_signo == SIGHUP) {
		reaper_sweep(m->reaper);
		return;
	}
	if (to && reaper_signal(to, (int)info->ssi_signo) < 0)
		reaper_sweep(m->reaper);
	if (!to && m->start_source) /* nothing runs yet, and nothing shall */
		fail(m, "killed before the start");
}

static int open_loop(struct conmon_monitor *m, struct err *err)
{
	static const int signals[] = { SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGHUP };
	sigset_t set;
	int r;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	r = ev_new(&m->ev, err);
	if (r < 0)
		return r;
	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_COUNT(signals); i++)
		sigaddset(&set, signals[i]);
	r = ev_signals(m->ev, &set, on_signal, m);
	return r < 0 ? err_sysn(err, r, "watch for signals") : reaper_new(m->ev, &m->reaper, err);
}

/* Best effort: a monitor that the kernel kills for memory leaves its container to nobody. */
static void oom_score(struct conmon_monitor *m)
{
	static const char path[] = "/proc/self/oom_score_adj";

	if (io_read_small(AT_FDCWD, path, m->oom_score_adj, sizeof(m->oom_score_adj)) < 0 ||
	    io_write_small(AT_FDCWD, path, "-1000") < 0)
		m->oom_score_adj[0] = '\0'; /* nothing was changed */
}

static int set_up(struct conmon_monitor *m, struct err *err)
{
	int r = open_loop(m, err);

	if (r < 0)
		return r;
	oom_score(m);
	/* A full state directory must not cost the exit status. */
	conmon_files_reserve(m->o, &m->spare);
	if (m->start->bundle) {
		m->dirfd = fd_open(m->start->bundle, O_PATH | O_DIRECTORY, 0);
		if (m->dirfd < 0)
			return err_sysn(err, m->dirfd, "open the bundle \"%s\"", m->start->bundle);
	}
	r = conmon_io_open(m, err);
	if (r < 0)
		return r;
	/* A pid file of an earlier run says nothing of this one's success. */
	if (unlink(m->start->pid_file) < 0 && errno != ENOENT)
		return err_sys(err, "remove the old pid file \"%s\"", m->start->pid_file);
	if (m->o->exec_attach)
		return wait_for_client(m, err);
	begin(m);
	return 0;
}

int conmon_monitor_run(const struct conmon_start *start)
{
	struct conmon_monitor m = {
		.start = start,
		.o = start->o,
		.table = start->o->exec ? &sup_exec_table : &sup_init_table,
		.state = start->o->exec ? SUP_CREATED : SUP_NEW,
		.dirfd = -EBADF,
		.tty_dirfd = -EBADF,
		.message_fd = -EBADF,
		.sync_fd = start->sync_fd,
		.attach_fd = start->attach_fd,
		.spare = { -EBADF, -EBADF },
		.status = -1,
	};
	struct err err = { 0 };
	int r;

#ifdef __GLIBC__
	mallopt(M_ARENA_MAX, 1); /* a thread's own arena costs more than it has to hold */
#endif
	r = set_up(&m, &err);
	if (r < 0) {
		log_error("%s", err.msg);
		conmon_sync_send(&m.sync_fd, key(&m), -1, err.msg);
		conmon_io_free(&m);
		return 1;
	}
	if (!m.failed)
		(void)ev_run(m.ev);
	conmon_call_free(&m);
	conmon_io_free(&m);
	oom_watch_free(m.oom);
	if (m.failed)
		conmon_files_exit_command(m.o, m.oom_score_adj[0] ? m.oom_score_adj : NULL);
	return m.status;
}
