/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals that end the making of a container. See interrupt.h.
 */
#include "runtime/interrupt.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#include "common/fd.h"
#include "common/str.h"

static const int ending[] = { SIGTERM, SIGINT, SIGHUP };

int interrupt_begin(void)
{
	struct sigaction action;
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_COUNT(ending); i++)
		/* A blocked signal becomes pending even where it is ignored (nohup). */
		if (sigaction(ending[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			sigaddset(&set, ending[i]);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd >= 0 && sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		fd = fd_close(fd);
	return fd < 0 ? -EBADF : fd;
}

static int interrupted(struct err *err)
{
	sigset_t pending;
	char name[32];

	sigemptyset(&pending);
	(void)sigpending(&pending);
	for (size_t i = 0; i < ARRAY_COUNT(ending); i++)
		if (sigismember(&pending, ending[i]) == 1)
			return err_set(err, EINTR, "interrupted by %s",
				       signal_name(ending[i], name, sizeof(name)));
	return err_set(err, EINTR, "interrupted by a signal");
}

int interrupt_check(int fd, struct err *err)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return fd >= 0 && poll(&p, 1, 0) > 0 ? interrupted(err) : 0;
}

int interrupt_wait(int fd, int other, struct err *err)
{
	struct pollfd p[] = {
		{ .fd = other, .events = POLLIN },
		{ .fd = fd, .events = POLLIN },
	};
	int r;

	do
		r = poll(p, ARRAY_COUNT(p), -1);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return err_sys(err, "wait for a message");
	/* What failed by itself is the better reason. */
	return p[0].revents ? 0 : interrupted(err);
}

void interrupt_end(int *fd)
{
	sigset_t set;

	if (*fd < 0)
		return;
	*fd = fd_close(*fd);
	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_COUNT(ending); i++)
		sigaddset(&set, ending[i]);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}
