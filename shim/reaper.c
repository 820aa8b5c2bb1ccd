// SPDX-License-Identifier: Apache-2.0
// waitid by pidfd for known children, P_ALL for orphans when nothing is in flight.
#include "shim/reaper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/str.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

struct reaper_child {
	struct reaper *reaper;
	struct reaper_child *next;
	pid_t pid;
	int pidfd;
	struct ev_source *source; /* only for one that is not our child */
	reaper_fn *fn;
	void *user;
};

struct reaper {
	struct ev *ev;
	struct reaper_child *children;
	unsigned int holds;
};

int reaper_new(struct ev *ev, struct reaper **ret, struct err *err)
{
	struct reaper *r;

	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return err_sys(err, "become a child subreaper");
	r = calloc(1, sizeof(*r));
	if (!r)
		return err_set(err, ENOMEM, "out of memory");
	r->ev = ev;
	*ret = r;
	return 0;
}

void reaper_free(struct reaper *r)
{
	if (!r)
		return;
	while (r->children) {
		struct reaper_child *c = r->children;

		r->children = c->next;
		reaper_forget(c);
	}
	free(r);
}

int reaper_watch_consume(struct reaper *r, pid_t pid, int pidfd_in, reaper_fn *fn, void *user,
			 struct reaper_child **ret)
{
	CLEANUP_FD int pidfd = pidfd_in;
	struct reaper_child *c;

	if (pidfd < 0)
		pidfd = proc_handle(pid);
	if (pidfd < 0)
		return pidfd;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->reaper = r;
	c->pid = pid;
	c->pidfd = fd_take(&pidfd);
	c->fn = fn;
	c->user = user;
	c->next = r->children;
	r->children = c;
	*ret = c;
	return 0;
}

void reaper_forget(struct reaper_child *child)
{
	if (!child)
		return;
	for (struct reaper_child **p = &child->reaper->children; *p; p = &(*p)->next) {
		if (*p != child)
			continue;
		*p = child->next;
		break;
	}
	ev_remove(child->source);
	fd_close(child->pidfd);
	free(child);
}

int reaper_signal(const struct reaper_child *child, int sig)
{
	return proc_signal(child->pidfd, sig);
}

void reaper_hold(struct reaper *r)
{
	r->holds++;
}

void reaper_release(struct reaper *r)
{
	if (r->holds)
		r->holds--;
}

static void deliver(struct reaper_child *c, const struct reaper_exit *exit)
{
	reaper_fn *fn = c->fn;
	void *user = c->user;

	reaper_forget(c);
	fn(user, exit);
}

static void foreign_died(void *user, int fd UNUSED, uint32_t events UNUSED)
{
	struct reaper_child *c = user;
	struct reaper_exit exit = { .pid = c->pid };

	deliver(c, &exit);
}

/* The raw call: glibc's waitid has no rusage. 1: reaped, 0: still running, -errno. */
static int wait_one(idtype_t type, id_t id, struct reaper_exit *exit)
{
	siginfo_t info = { 0 };
	int r;

	do {
		r = (int)syscall(SYS_waitid, type, id, &info, WEXITED | WNOHANG, &exit->usage);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	if (!info.si_pid)
		return 0;
	exit->pid = info.si_pid;
	exit->code = info.si_code;
	exit->status = info.si_status;
	return 1;
}

static int wait_child(const struct reaper_child *c, struct reaper_exit *exit)
{
	int r = wait_one((idtype_t)P_PIDFD, (id_t)c->pidfd, exit);

	/* Before Linux 5.4; a handle that is no pidfd. */
	if (r == -EINVAL || r == -EBADF)
		r = wait_one(P_PID, (id_t)c->pid, exit);
	return r;
}

/* Reaps one known child and tells its owner. False: none was ready. */
static bool reap_known(struct reaper *r)
{
	struct reaper_child **p, *c;

	for (p = &r->children; (c = *p); p = &c->next) {
		struct reaper_exit exit = { 0 };
		int n;

		if (c->source)
			continue;
		n = wait_child(c, &exit);
		if (n == 1) {
			*p = c->next;
			deliver(c, &exit);
			return true; /* the list may have changed */
		}
		/* Not our child (yet): while a call is in flight its parent is the runtime. After
		 * that the pidfd tells of the end, and the status is not ours to know. */
		if (n == -ECHILD && !r->holds &&
		    ev_add(r->ev, c->pidfd, EPOLLIN, foreign_died, c, &c->source) < 0)
			log_warning("cannot watch process %d", c->pid);
	}
	return false;
}

void reaper_sweep(struct reaper *r)
{
	struct reaper_exit exit;

	while (reap_known(r))
		;
	while (!r->holds) {
		struct reaper_child *c;

		memset(&exit, 0, sizeof(exit));
		if (wait_one(P_ALL, 0, &exit) != 1)
			break;
		for (c = r->children; c && c->pid != exit.pid; c = c->next)
			;
		if (c)
			deliver(c, &exit);
	}
}

void reaper_kill_unknown(struct reaper *r)
{
	CLEANUP_FD int fd = fd_open("/proc/thread-self/children", O_RDONLY, 0);
	char text[4096];
	ssize_t n;

	if (fd < 0)
		return;
	n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return;
	text[n] = '\0';
	for (char *word = text, *end; *word; word = end) {
		struct reaper_child *c;
		int pid;

		end = word + strcspn(word, " ");
		if (*end)
			*end++ = '\0';
		if (parse_int(word, &pid) < 0)
			continue;
		for (c = r->children; c && c->pid != pid; c = c->next)
			;
		/* Our own child, not reaped: the pid cannot be another's. */
		if (!c)
			kill(pid, SIGKILL);
	}
}
