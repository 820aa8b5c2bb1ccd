// SPDX-License-Identifier: Apache-2.0
// Set-up as a table of steps with undo, the report, signals, the end.
#include "shim/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/json.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/sock.h"
#include "common/str.h"
#include "shim/memory.h"
#include "shim/oom.h"
#include "shim/overlay.h"
#include "shim/registry.h"
#include "shim/service.h"
#include "shim/start.h"

#define SHIM_LOG_MAX (1 << 20)
#define LOG_END_MS 2000
#define REPLY_END_MS 1000

struct shim {
	const struct front_options *o;
	struct registry_key key;
	int report_fd, dirfd;
	struct ev_source *report_source;
	char *dir, *socket, *record; /* paths */
	char oom_score_adj[16];      /* as we found it */
	struct overlay overlay;
	bool has_overlay, log_existed;
	size_t log_parent_kept; /* length of the part of log_path's directory that was there */
	struct ev *ev;
	struct reaper *reaper;
	struct log_writer *log;
	struct events events;
	struct runtime runtime;
	struct task *task;
	struct service_task served;
	struct service service;
	struct server *server;
	char started_at[40];
	uint64_t start_ticks; /* of the container's init */
	bool reported, running, failed;
	char failure[RUNTIME_MESSAGE_MAX + 128];
};

static char *dup_path(const struct registry_key *key, const char *name)
{
	char path[PATH_MAX];

	return registry_path(key, name, path, sizeof(path)) < 0 ? NULL : strdup(path);
}

/* --- the steps of the set-up --- */

static void undo_registry(struct shim *s)
{
	struct err err = { 0 };

	if (registry_remove(&s->key, &err) < 0)
		log_error("%s", err.msg);
}

static int step_registry(struct shim *s, struct err *err)
{
	s->dirfd = registry_create(&s->key, err);
	if (s->dirfd < 0)
		return s->dirfd;
	s->dir = dup_path(&s->key, NULL);
	s->socket = dup_path(&s->key, REGISTRY_SOCKET);
	s->record = dup_path(&s->key, REGISTRY_RECORD);
	if (s->dir && s->socket && s->record)
		return 0;
	/* Not by set_up: a failure here may also be that the directory is another shim's. */
	undo_registry(s);
	return err_set(err, ENOMEM, "out of memory");
}

static int step_messages(struct shim *s, struct err *err)
{
	char path[PATH_MAX];
	struct log_config c = {
		.sink = LOG_SINK_FILE,
		.level = LOG_LEVEL_INFO,
		.path = s->o->log,
		.ident = "thole-shim",
	};

	if (s->o->log && str_eq(s->o->log, "journald")) {
		c.sink = LOG_SINK_JOURNALD;
	} else if (s->o->log && str_eq(s->o->log, "syslog")) {
		c.sink = LOG_SINK_SYSLOG;
	} else if (!s->o->log) {
		if (registry_path(&s->key, REGISTRY_LOG, path, sizeof(path)) < 0)
			return err_set(err, ENAMETOOLONG, "the path of \"%s\" is too long",
				       s->o->id);
		c.path = path;
		c.size_max = SHIM_LOG_MAX;
	}
	return log_open(&c, err);
}

static int step_cgroup(struct shim *s, struct err *err)
{
	return s->o->shim_cgroup ? oom_enter_cgroup(s->o->shim_cgroup, err) : 0;
}

static bool write_adj(int value)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", value);
	return io_write_small(AT_FDCWD, "/proc/self/oom_score_adj", text) == 0;
}

/* As low as it may: how far that is nobody tells, so it is found by halving. */
static int step_oom_score(struct shim *s, struct err *err UNUSED)
{
	int low = -1000, high;

	if (io_read_small(AT_FDCWD, "/proc/self/oom_score_adj", s->oom_score_adj,
			  sizeof(s->oom_score_adj)) < 0 ||
	    parse_int(s->oom_score_adj, &high) < 0) {
		s->oom_score_adj[0] = '\0';
		return 0;
	}
	if (write_adj(low))
		return 0;
	while (high - low > 1) {
		int middle = low + (high - low) / 2;

		if (write_adj(middle))
			high = middle;
		else
			low = middle;
	}
	return 0;
}

static int step_overlay(struct shim *s, struct err *err)
{
	if (!s->o->lower)
		return 0;
	s->overlay = (struct overlay){
		.lower = s->o->lower,
		.bundle = s->o->bundle,
		.target = s->o->rootfs,
	};
	s->has_overlay = true;
	return overlay_mount(&s->overlay, err);
}

static void undo_overlay(struct shim *s)
{
	if (s->has_overlay)
		overlay_undo(&s->overlay);
}

static void on_signal(void *user, const struct signalfd_siginfo *info)
{
	struct shim *s = user;

	if (info->ssi_signo == SIGCHLD)
		reaper_sweep(s->reaper);
	else if (info->ssi_signo == SIGTERM && s->task)
		task_forward_signal(s->task, SIGTERM);
	else
		log_info("signal %u ignored", info->ssi_signo);
}

static int step_loop(struct shim *s, struct err *err)
{
	/* Every signal whose default is our end and that may come from somebody. */
	static const int signals[] = { SIGCHLD, SIGTERM, SIGINT,  SIGHUP,    SIGQUIT, SIGUSR1,
				       SIGUSR2, SIGALRM, SIGPROF, SIGVTALRM, SIGIO,   SIGPWR };
	sigset_t set;
	int r;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a log beyond RLIMIT_FSIZE is an error of write, not our end */
	r = ev_new(&s->ev, err);
	if (r < 0)
		return r;
	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_COUNT(signals); i++)
		sigaddset(&set, signals[i]);
	r = ev_signals(s->ev, &set, on_signal, s);
	if (r < 0)
		return err_sysn(err, r, "watch for signals");
	return reaper_new(s->ev, &s->reaper, err);
}

static void log_room(void *user)
{
	struct shim *s = user;

	if (s->task)
		task_log_room(s->task);
}

/* How much of the log's directory was there before: roll-back takes away what was made. */
static void look_at_log(struct shim *s)
{
	char path[PATH_MAX];
	size_t n = strlen(s->o->log_path);

	s->log_existed = access(s->o->log_path, F_OK) == 0;
	if (n >= sizeof(path))
		return;
	memcpy(path, s->o->log_path, n + 1);
	for (char *slash = strrchr(path, '/'); slash && slash != path; slash = strrchr(path, '/')) {
		*slash = '\0';
		if (access(path, F_OK) == 0)
			break;
	}
	s->log_parent_kept = strlen(path);
}

static int step_log(struct shim *s, struct err *err)
{
	struct log_writer_config c = {
		.path = s->o->log_path,
		.format = s->o->log_format,
		.size_max = s->o->log_size_max,
		.files_max = s->o->log_max_files,
		.markers = true,
	};

	look_at_log(s);
	return log_writer_new(s->ev, &c, log_room, s, &s->log, err);
}

static void undo_log(struct shim *s)
{
	char path[PATH_MAX];
	size_t n = strlen(s->o->log_path);

	if (s->log)
		log_writer_free(s->log, LOG_END_MS);
	s->log = NULL;
	if (s->log_existed || n >= sizeof(path))
		return;
	memcpy(path, s->o->log_path, n + 1);
	(void)unlink(path);
	for (char *slash = strrchr(path, '/'); slash; slash = strrchr(path, '/')) {
		*slash = '\0';
		if (strlen(path) <= s->log_parent_kept || rmdir(path) < 0)
			break;
	}
}

static void fill_info(struct shim *s, struct registry_info *i)
{
	*i = (struct registry_info){
		.id = s->o->id,
		.bundle = s->o->bundle,
		.runtime = s->o->runtime,
		.runtime_root = s->o->runtime_root,
		.runtime_args = s->o->runtime_args,
		.n_runtime_args = s->o->n_runtime_args,
		.log_path = s->o->log_path,
		.log_format = s->o->log_format == LOG_FORMAT_CRI ? "cri" : "json",
		.exit_file = s->o->exit_file,
		.started_at = s->started_at[0] ? s->started_at : NULL,
		.terminal = s->o->terminal,
		.has_stdin = s->o->has_stdin,
		.pid = s->task ? task_init(s->task)->pid : 0,
		.shim_pid = getpid(),
	};
	/* Taken once, before start: later the process may be gone and its pid another's. */
	if (i->pid && !s->start_ticks && proc_start_time(i->pid, &s->start_ticks, NULL) < 0)
		s->start_ticks = 0;
	i->start_ticks = s->start_ticks;
	if (proc_start_time(i->shim_pid, &i->shim_start_ticks, NULL) < 0)
		i->shim_start_ticks = 0;
}

static int write_info(struct shim *s)
{
	struct registry_info info;

	fill_info(s, &info);
	return registry_info_write(s->dirfd, &info);
}

static int step_info(struct shim *s, struct err *err)
{
	int r = write_info(s);

	/* A state directory that is full later must not cost the exit status. */
	if (r == 0)
		r = exit_record_reserve(s->dirfd, REGISTRY_RECORD);
	return r < 0 ? err_sysn(err, r, "write \"%s/%s\"", s->dir, REGISTRY_INFO) : 0;
}

static void forgotten(void *user);
static void ended(void *user);

static int step_task(struct shim *s, struct err *err)
{
	struct task_config c = {
		.ev = s->ev,
		.reaper = s->reaper,
		.runtime = &s->runtime,
		.events = &s->events,
		.log = s->log,
		.id = s->o->id,
		.bundle = s->o->bundle,
		.dir = s->dir,
		.dirfd = s->dirfd,
		.exit_file = s->o->exit_file,
		.terminal = s->o->terminal,
		.has_stdin = s->o->has_stdin,
		.forgotten = forgotten,
		.ended = ended,
		.user = s,
	};

	s->runtime = (struct runtime){
		.ev = s->ev,
		.reaper = s->reaper,
		.path = s->o->runtime,
		.root = s->o->runtime_root,
		.args = s->o->runtime_args,
		.n_args = s->o->n_runtime_args,
		.dir = s->dir,
		.oom_score_adj = s->oom_score_adj[0] ? s->oom_score_adj : NULL,
	};
	return task_new(&c, &s->task, err);
}

static int step_server(struct shim *s, struct err *err)
{
	int fd, r;

	s->served = (struct service_task){
		.task = s->task,
		.log = s->log,
		.id = s->o->id,
		.bundle = s->o->bundle,
		.log_path = s->o->log_path,
		.log_format = s->o->log_format == LOG_FORMAT_CRI ? "cri" : "json",
		.record = s->record,
		.dirfd = s->dirfd,
	};
	s->service.tasks = &s->served;
	r = events_subscribe(&s->events, service_on_event, &s->service);
	if (r < 0)
		return err_sysn(err, r, "events");
	fd = sock_listen(s->socket, SOCK_STREAM, err);
	if (fd < 0)
		return fd;
	return server_new(s->ev, fd, service_list, service_list_n, &s->service, &s->server, err);
}

static void undo_files(struct shim *s)
{
	if (s->o->pid_file && s->running)
		(void)unlink(s->o->pid_file);
}

static const struct step {
	const char *name;
	int (*run)(struct shim *s, struct err *err);
	void (*undo)(struct shim *s);
} steps[] = {
	{ "registry", step_registry, undo_registry },
	{ "messages", step_messages, NULL },
	{ "cgroup", step_cgroup, NULL },
	{ "oom_score_adj", step_oom_score, NULL },
	{ "overlay", step_overlay, undo_overlay }, /* before the first thread */
	{ "loop", step_loop, NULL },
	{ "log", step_log, undo_log },
	{ "info", step_info, undo_files },
	{ "task", step_task, NULL },
	{ "server", step_server, NULL },
};

static void undo_steps(struct shim *s, size_t n)
{
	while (n--)
		if (steps[n].undo)
			steps[n].undo(s);
}

/* --- the report --- */

static void send_report(struct shim *s, char kind, const char *text, size_t n)
{
	char buf[START_TEXT_MAX];

	n = MIN(n, sizeof(buf) - 1);
	buf[0] = kind;
	memcpy(buf + 1, text, n);
	if (sock_send(s->report_fd, buf, n + 1, NULL, 0) < 0)
		log_warning("the launcher is gone");
}

static void fail(struct shim *s, const char *text)
{
	if (s->failed)
		return;
	s->failed = true;
	snprintf(s->failure, sizeof(s->failure), "%s", text);
	log_error("%s", text);
}

static void report_close(struct shim *s)
{
	ev_remove(TAKE_PTR(s->report_source));
	s->report_fd = fd_close(s->report_fd);
}

static void report_ready(void *user, int fd, uint32_t events UNUSED)
{
	struct shim *s = user;
	size_t no_fds = 0;
	char ack = 0;
	ssize_t n = sock_recv(fd, &ack, 1, NULL, &no_fds);

	if (n == -EAGAIN)
		return;
	report_close(s);
	if (n == 1 && ack == START_ACK && s->reported) {
		memory_give_back(); /* here little is on the stack */
		return;
	}
	fail(s, "the launcher died before the container was reported");
	task_front_gone(s->task);
}

static void report_running(struct shim *s)
{
	CLEANUP_JSON_WRITER struct json_writer *w = json_writer_new(NULL);
	const char *text;
	size_t n;

	jw_object(w);
	jw_key(w, "id");
	jw_string(w, s->o->id);
	jw_key(w, "pid");
	jw_int(w, task_init(s->task)->pid);
	jw_key(w, "shim_pid");
	jw_int(w, getpid());
	jw_key(w, "socket");
	jw_string(w, s->socket);
	jw_key(w, "log_path");
	jw_string(w, s->o->log_path);
	jw_end(w);
	text = json_writer_text(w, &n);
	s->reported = true;
	send_report(s, START_OK, text, n);
}

static int write_pid_file(struct shim *s)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d", task_init(s->task)->pid);

	return io_replace_file(AT_FDCWD, s->o->pid_file, text, (size_t)n, 0644);
}

static void started(void *user, struct task_proc *p, int code, const char *text)
{
	struct shim *s = user;
	struct err err = { 0 };
	int r;

	if (s->failed)
		return;
	if (code) {
		fail(s, text);
		task_front_gone(s->task);
		return;
	}
	s->running = true;
	exit_record_time(&p->started_at, s->started_at, sizeof(s->started_at));
	r = write_info(s);
	if (r < 0)
		log_warning("write \"%s/%s\": %s", s->dir, REGISTRY_INFO, err_strerror(-r));
	r = s->o->pid_file ? write_pid_file(s) : 0;
	if (r < 0) {
		err_sysn(&err, r, "write the pid file \"%s\"", s->o->pid_file);
		fail(s, err.msg);
		task_front_gone(s->task);
		return;
	}
	report_running(s);
}

static void created(void *user, struct task_proc *p, int code, const char *text)
{
	struct task_request q = { .event = SUP_REQ_START, .done = started, .user = user };
	struct shim *s = user;

	if (s->failed)
		return;
	if (code) { /* the supervisor rolls back by itself */
		fail(s, text);
		return;
	}
	/* Should the shim die from here on, `delete` knows whom to look for. */
	if (write_info(s) < 0)
		log_warning("write \"%s/%s\" with the container's pid", s->dir, REGISTRY_INFO);
	task_request(p, &q);
}

/* --- the end --- */

static void forgotten(void *user)
{
	struct shim *s = user;

	/* A rolled back container keeps its directory until everything else has gone. */
	if (!s->failed)
		undo_registry(s);
}

static void stop(void *user)
{
	struct shim *s = user;

	ev_stop(s->ev, 0);
}

static void ended(void *user)
{
	struct shim *s = user;

	service_stop(&s->service);
	server_when_idle(s->server, REPLY_END_MS, stop, s);
}

static void finish(struct shim *s)
{
	if (s->failed) {
		server_free(TAKE_PTR(s->server));
		reaper_kill_unknown(s->reaper);
		undo_steps(s, ARRAY_COUNT(steps));
		if (s->report_fd >= 0)
			send_report(s, START_FAIL, s->failure, strlen(s->failure));
		return;
	}
	server_free(TAKE_PTR(s->server));
	log_writer_free(TAKE_PTR(s->log), LOG_END_MS);
	if (s->has_overlay) {
		/* What the container has written stays with its bundle. */
		s->overlay.made_upper = s->overlay.made_work = false;
		undo_overlay(s);
	}
}

static int set_up(struct shim *s)
{
	struct err err = { 0 };
	size_t i;
	int r = 0;

	for (i = 0; i < ARRAY_COUNT(steps) && r >= 0; i++)
		r = steps[i].run(s, &err);
	if (r >= 0)
		r = ev_add(s->ev, s->report_fd, EPOLLIN | EPOLLRDHUP, report_ready, s,
			   &s->report_source);
	if (r >= 0)
		return 0;
	if (!err.msg[0])
		err_sysn(&err, r, "set-up");
	log_error("%s", err.msg);
	server_free(TAKE_PTR(s->server));
	/* The first step's own failure may be that the directory is another shim's. */
	if (i > 1)
		undo_steps(s, i);
	send_report(s, START_FAIL, err.msg, strlen(err.msg));
	return r;
}

static void detach(void)
{
	CLEANUP_FD int null = fd_open("/dev/null", O_RDWR, 0);

	(void)setsid();
	umask(022);
	if (chdir("/") < 0)
		log_debug("cannot leave the current directory");
	for (int fd = 0; null >= 0 && fd < 3; fd++)
		if (dup2(null, fd) < 0)
			log_debug("cannot give up descriptor %d", fd);
	/* The notification socket of whoever started us is not the runtime's business. */
	(void)unsetenv("NOTIFY_SOCKET");
#ifdef __GLIBC__
	mallopt(M_ARENA_MAX, 1); /* a thread's own arena costs more than it has to hold */
#endif
}

int daemon_run(const struct front_options *options, int report_fd_consume)
{
	struct task_request q = { .event = SUP_REQ_CREATE, .done = created };
	struct shim s = {
		.o = options,
		.key = { options->root, NULL, options->id },
		.report_fd = report_fd_consume,
		.dirfd = -EBADF,
	};
	int keep[] = { report_fd_consume };

	if (fd_close_from(3, keep, ARRAY_COUNT(keep)) < 0)
		log_debug("cannot close inherited descriptors");
	detach();
	if (set_up(&s) < 0)
		return 1;
	q.user = &s;
	task_request(task_init(s.task), &q);
	(void)ev_run(s.ev);
	finish(&s);
	return 0;
}
