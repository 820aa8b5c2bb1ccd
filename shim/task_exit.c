// SPDX-License-Identifier: Apache-2.0
// The end of a process: status, what is left in its pipes, the exit record, told once.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "common/io.h"
#include "common/log.h"
#include "shim/registry.h"
#include "shim/task_private.h"
#include "shim/worker.h"

/* The kernel does it where the init had a pid namespace of its own. */
static void kill_rest(struct task_proc *p)
{
	struct task_pending *q = calloc(1, sizeof(*q));

	if (!q)
		return;
	q->request.event = SUP_REQ_KILL;
	q->request.signal = SIGKILL;
	q->request.all = true;
	task_kill(p, q);
}

void task_proc_exited(void *user, const struct reaper_exit *exit)
{
	struct task_proc *p = user;

	p->child = NULL; /* forgotten by the reaper */
	p->exit = *exit;
	p->reaped = true;
	clock_gettime(CLOCK_REALTIME, &p->finished_at);
	if (!p->exec_id) {
		/* Now: a runtime's delete may take the cgroup away at any time. */
		struct oom_usage u = oom_watch_read(p->task->oom, exit->code == CLD_KILLED &&
									  exit->status == SIGKILL);
		struct exit_record *r = &p->task->record;

		r->oom_killed = u.oom_killed;
		r->has_cpu_time = u.has_cpu;
		r->cpu_time_ns = u.cpu_ns;
		r->has_peak_memory = u.has_peak;
		r->peak_memory_bytes = u.peak_bytes;
		if (u.oom_killed > 0)
			task_step(p, SUP_OOM, NULL);
		if (p->task->config.kill_all && p->state != SUP_CREATING)
			kill_rest(p);
	}
	task_step(p, SUP_PROC_EXIT, NULL);
	task_settle(p);
}

/* Where the cgroup's counters are not to be had: the process and what it waited for. */
static void usage_fallback(struct exit_record *r, const struct reaper_exit *exit)
{
	const struct rusage *u = &exit->usage;

	if (!exit->code)
		return;
	if (!r->has_cpu_time) {
		r->has_cpu_time = true;
		r->cpu_time_ns =
			((uint64_t)u->ru_utime.tv_sec + (uint64_t)u->ru_stime.tv_sec) * 1000000000 +
			((uint64_t)u->ru_utime.tv_usec + (uint64_t)u->ru_stime.tv_usec) * 1000;
	}
	if (!r->has_peak_memory) {
		r->has_peak_memory = true;
		r->peak_memory_bytes = (uint64_t)u->ru_maxrss * 1024;
	}
}

/* Whoever sent the signal it died of; one that exited by itself: whoever signalled it last. */
static void fill_stop(struct task *t)
{
	struct exit_record *r = &t->record;

	for (size_t i = 0; i < TASK_STOPS && !r->has_stopped_by; i++) {
		const struct task_stop *s = &t->stops[i];

		if (!s->signal || (r->signal && r->signal != s->signal))
			continue;
		r->has_stopped_by = true;
		r->stop_pid = s->peer.pid;
		r->stop_uid = s->peer.uid;
		r->stop_signal = s->signal;
	}
}

static void fill_counts(struct exit_record *r, const struct log_counts *counts)
{
	r->bytes_logged = counts->bytes_logged;
	r->bytes_dropped = counts->bytes_dropped;
	memcpy(r->drop_reason, counts->drop_reason, sizeof(r->drop_reason));
	r->drop_reason[sizeof(r->drop_reason) - 1] = '\0';
}

static void fill_record(struct task_proc *p)
{
	struct task *t = p->task;
	struct exit_record *r = &t->record;
	struct log_counts counts = { 0 };

	if (p->stdio)
		counts = stdio_counts(p->stdio);
	memcpy(r->id, t->config.id, MIN(strlen(t->config.id), sizeof(r->id) - 1));
	r->pid = p->pid;
	exit_record_set_status(r, p->exit.code, p->exit.status);
	r->has_started = p->started_at.tv_sec != 0;
	r->started_at = p->started_at;
	r->has_finished = true;
	r->finished_at = p->finished_at;
	usage_fallback(r, &p->exit);
	fill_stop(t);
	fill_counts(r, &counts);
}

static void announce_now(struct task_proc *p)
{
	if (p->published)
		return;
	p->published = true;
	ev_timer_cancel(TAKE_PTR(p->timer));
	task_emit(p, EVENT_EXIT);
	if (!p->exec_id)
		task_try_forget(p->task);
}

/* Is there a session whose exit has to be told before the init's? */
static bool sessions_end(const struct task *t)
{
	for (const struct task_proc *p = t->execs; p; p = p->next) {
		if (p->published)
			continue;
		if (p->call || (p->pid && (p->reaped || t->config.kill_all)))
			return true;
	}
	return false;
}

static void sessions_late(void *user)
{
	struct task_proc *p = user;

	p->timer = NULL;
	log_warning("sessions outlive the container's init");
	announce_now(p);
}

/* Clients take the exit of the init for the end of everything: it is the last one. */
static void announce(struct task_proc *p)
{
	struct task *t = p->task;

	if (!p->exec_id && !p->published && sessions_end(t)) {
		t->exit_waits = true;
		if (p->timer ||
		    ev_timer(t->config.ev, TASK_SESSIONS_MS, sessions_late, p, &p->timer) == 0)
			return;
	}
	announce_now(p);
	if (p->exec_id && t->exit_waits && !sessions_end(t)) {
		t->exit_waits = false;
		announce_now(&t->init);
	}
}

static int write_exit_file(void *arg)
{
	struct task_proc *p = arg;

	return exit_record_write(&p->task->record, AT_FDCWD, p->task->config.exit_file);
}

static void exit_file_written(void *user, int result)
{
	struct task_proc *p = user;

	if (result < 0)
		log_error("write the exit file \"%s\": %s", p->task->config.exit_file,
			  err_strerror(-result));
	announce(p);
}

static void exit_file_late(void *user)
{
	struct task_proc *p = user;

	p->timer = NULL;
	log_warning("the exit file \"%s\" takes long", p->task->config.exit_file);
	announce(p);
}

void task_publish(struct task_proc *p)
{
	const struct task_config *c = &p->task->config;
	int r;

	if (p->publishing)
		return;
	p->publishing = true;
	ev_timer_cancel(TAKE_PTR(p->timer));
	/* Rolled back: nobody has heard of this container, and nothing of it stays. */
	if (p->exec_id || p->task->doomed) {
		announce(p);
		return;
	}
	fill_record(p);
	r = exit_record_write(&p->task->record, c->dirfd, REGISTRY_RECORD);
	if (r < 0)
		log_error("write the exit record: %s", err_strerror(-r));
	if (!c->exit_file) {
		announce(p);
		return;
	}
	if (ev_timer(c->ev, TASK_EXIT_FILE_MS, exit_file_late, p, &p->timer) < 0)
		p->timer = NULL;
	worker_run(c->ev, write_exit_file, p, exit_file_written, p);
}

static void drain_late(void *user)
{
	struct task_proc *p = user;

	p->timer = NULL;
	if (p->stdio)
		stdio_drain_timeout(p->stdio);
	task_step(p, SUP_DRAIN_TIMEOUT, NULL);
	task_settle(p);
}

/* The disk was slower than the exit may be: now the counts are those of the whole output. */
static void amend_record(struct task_proc *p)
{
	struct exit_record *r = &p->task->record;
	struct log_counts counts = log_writer_counts(p->task->config.log);

	if (p->task->doomed || p->task->forgotten || p->state == SUP_DELETED ||
	    (r->bytes_logged == counts.bytes_logged && r->bytes_dropped == counts.bytes_dropped))
		return;
	fill_counts(r, &counts);
	if (exit_record_write(r, p->task->config.dirfd, REGISTRY_RECORD) < 0)
		log_warning("the exit record keeps counts that are too low");
}

static void flushed(void *user, int result UNUSED)
{
	struct task_proc *p = user;

	if (p->publishing)
		amend_record(p);
	task_step(p, SUP_IO_EOF, NULL);
	task_settle(p);
}

void task_stdio_drained(void *user)
{
	struct task_proc *p = user;

	/* Not for durability: so that the record's counts are those of the whole output. */
	if (!p->exec_id && p->task->config.log)
		log_writer_flush(p->task->config.log, flushed, p);
	else
		task_step(p, SUP_IO_EOF, NULL);
}

void task_take_exit(struct task_proc *p)
{
	if (p->draining)
		return;
	p->draining = true;
	if (ev_timer(p->task->config.ev, TASK_DRAIN_MS, drain_late, p, &p->timer) < 0)
		p->timer = NULL;
	if (p->stdio)
		stdio_process_exited(p->stdio);
	else
		task_step(p, SUP_IO_EOF, NULL);
	/* No timer to be had: better early than never. */
	if (!p->timer && !p->publishing)
		task_step(p, SUP_DRAIN_TIMEOUT, NULL);
}
