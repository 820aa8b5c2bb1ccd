/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terminals: the container's pty, made by init from the container's own devpts and handed out as a
 * descriptor, and the caller's terminal in raw mode. Also sends descriptors to the callers' sockets
 * (console, pidfd), whose receivers expect one message with one descriptor.
 */
#pragma once

#include <stdbool.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "common/err.h"
#include "runtime/plan_process.h"

struct tty_pair {
	int master, slave;
};

/* Init, inside: opens the container's ptmx, proves that it is devpts's, unlocks, sets the size and
 * the owner of the slave. */
MUST_CHECK int tty_open_pair(const struct plan_process *plan, struct tty_pair *ret,
			     struct err *err);
/* Makes the slave fds 0, 1, 2 and the controlling terminal. */
MUST_CHECK int tty_make_stdio(int slave, struct err *err);

/* Parent. Connected before the clone, so that a wrong path fails early. */
MUST_CHECK int tty_connect(const char *path, const char *what, struct err *err);
MUST_CHECK int tty_send(int sock, int fd, const char *payload, const char *what, struct err *err);

/* The caller's own terminal. */
struct tty_host {
	int fd; /* < 0: there is none */
	bool raw;
	struct termios saved;
};

#define TTY_HOST_INIT                                                                              \
	{                                                                                          \
		.fd = -EBADF                                                                       \
	}
/* First terminal of stderr, stdout, stdin, else /dev/tty. */
void tty_host_find(struct tty_host *host);
MUST_CHECK int tty_host_raw(struct tty_host *host, struct err *err);
/* Restores; safe to call twice. */
void tty_host_restore(struct tty_host *host);
void tty_copy_size(int from, int to);
/* Foreground: the container's terminal gets the size of ours, and ONLCR off (the raw terminal
 * outside would add a second carriage return). */
void tty_master_like_host(int master);
