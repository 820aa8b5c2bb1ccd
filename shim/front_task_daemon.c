// SPDX-License-Identifier: Apache-2.0
// The process that stays: one for all containers of a pod.
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "common/str.h"
#include "shim/front_task_private.h"
#include "shim/memory.h"

#define IDLE_MS 1000

static void on_signal(void *user, const struct signalfd_siginfo *info)
{
	struct front *f = user;

	if (info->ssi_signo == SIGCHLD) {
		reaper_sweep(f->reaper);
	} else if (info->ssi_signo == SIGUSR1) {
		for (const struct front_container *c = f->containers; c; c = c->next)
			log_info("container %s: %s, pid %d", c->id,
				 sup_state_name(task_init(c->task)->state),
				 task_init(c->task)->pid);
	} else if (f->containers) {
		/* Their exits would be nobody's. */
		log_warning("signal %u ignored: there are containers", info->ssi_signo);
	} else {
		ev_stop(f->ev, 0);
	}
}

static int watch_signals(struct front *f, struct err *err)
{
	static const int wanted[] = { SIGCHLD, SIGTERM, SIGINT, SIGUSR1 };
	sigset_t set;
	int r;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* an error of write, not our end */
	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_COUNT(wanted); i++)
		sigaddset(&set, wanted[i]);
	r = ev_signals(f->ev, &set, on_signal, f);
	return r < 0 ? err_sysn(err, r, "watch for signals") : 0;
}

static void idle(void *user)
{
	struct front *f = user;

	f->idle = NULL;
	memory_give_back();
}

/* Whatever has happened, a little later it is over. */
static void idle_later(struct front *f)
{
	if (!f->idle && ev_timer(f->ev, IDLE_MS, idle, f, &f->idle) < 0)
		log_debug("memory is not given back");
}

static void on_event(void *user, const struct event *event)
{
	struct front *f = user;
	struct service_task *t = service_task_by_id(&f->service, event->id);
	struct task_proc *p = t ? task_find(t->task, event->exec_id) : NULL;

	idle_later(f);
	/* Input of a session may come from now on. */
	if (p && event->type == EVENT_EXEC_STARTED)
		front_io_start_input(p);
}

static int set_up(struct front *f, int listen_fd, struct err *err)
{
	CLEANUP_FD int fd = listen_fd;
	const struct server_service *services;
	size_t n;
	int r = ev_new(&f->ev, err);

	if (r >= 0)
		r = watch_signals(f, err);
	if (r >= 0)
		r = reaper_new(f->ev, &f->reaper, err);
	if (r >= 0)
		r = front_publisher_new(f, &f->publisher);
	if (r < 0)
		return r;
	/* The status is there before anybody hears of the event. */
	r = events_subscribe(&f->events, service_on_event, &f->service);
	if (r == 0)
		r = events_subscribe(&f->events, front_publisher_event, f);
	if (r == 0)
		r = events_subscribe(&f->events, on_event, f);
	if (r < 0)
		return err_sysn(err, r, "events");
	f->service.any_uri = true;
	services = front_services(&n);
	return server_new(f->ev, fd_take(&fd), services, n, f, &f->server, err);
}

/* The bundle's "log" is the daemon's ear, a fifo. Where there is none the messages go nowhere. */
static void detach(const struct front_args *args)
{
	struct log_config config = {
		.sink = LOG_SINK_STDERR,
		.level = args->debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
		.ident = "containerd-shim-thole-v2",
	};
	CLEANUP_FD int null = fd_open("/dev/null", O_RDWR, 0);
	CLEANUP_FD int ear = fd_open("log", O_WRONLY | O_NONBLOCK, 0);
	struct stat st;

	if (ear >= 0 && (fstat(ear, &st) < 0 || !S_ISFIFO(st.st_mode)))
		ear = fd_close(ear);
	(void)setsid();
	umask(022);
	for (int fd = 0; null >= 0 && fd < 3; fd++)
		if (dup2(fd == 2 && ear >= 0 ? ear : null, fd) < 0)
			log_debug("cannot give up descriptor %d", fd);
	if (log_open(&config, NULL) < 0)
		log_debug("messages stay as they are");
	if (chdir("/") < 0)
		log_debug("cannot leave the current directory");
#ifdef __GLIBC__
	mallopt(M_ARENA_MAX, 1); /* a thread's own arena costs more than it has to hold */
#endif
}

int front_task_daemon(const struct front_daemon_config *config, int listen_fd_consume,
		      int report_fd_consume)
{
	struct front f = {
		.ns = config->args->ns,
		.socket = config->socket,
		.ttrpc_address = config->ttrpc_address,
		.watch.fd = -EBADF,
	};
	int keep[] = { listen_fd_consume, report_fd_consume };
	struct err err = { 0 };
	int r;

	if (fd_close_from(3, keep, ARRAY_COUNT(keep)) < 0)
		log_debug("cannot close inherited descriptors");
	detach(config->args);
	r = set_up(&f, listen_fd_consume, &err);
	if (r < 0) {
		log_error("%s", err.msg[0] ? err.msg : err_strerror(-r));
		(void)unlink(config->socket);
		return 1;
	}
	if (write(report_fd_consume, "", 1) != 1)
		log_debug("the launcher is gone");
	fd_close(report_fd_consume);
#ifdef __GLIBC__
	malloc_trim(0);
#endif
	(void)ev_run(f.ev);
	/* After Shutdown it may be our successor's. */
	if (!f.stopping)
		(void)unlink(config->socket);
	server_free(f.server);
	front_publisher_free(f.publisher);
	return 0;
}
