/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terminals: the console socket on which a runtime hands over the pty master, the slave that keeps
 * the pty from hanging up, and the window size. Does not pump bytes.
 */
#pragma once

#include <stdint.h>

#include "common/err.h"
#include "common/ev.h"

struct tty;

/* Takes the master: non-blocking, close-on-exec, a terminal for certain. */
typedef void tty_master_fn(void *user, int master_consume);

struct tty_place {
	const char *dir; /* the registry directory */
	int dirfd;
	unsigned int number; /* one terminal each has it */
	tty_master_fn *fn;
	void *user;
};
/* Listens below that directory. The socket's path always fits into sun_path. */
MUST_CHECK int tty_listen(struct ev *ev, const struct tty_place *place, struct tty **ret,
			  struct err *err);
const char *tty_socket_path(const struct tty *tty);
/* Takes what has arrived and was not seen by the loop yet; before the end of a runtime call is
 * taken up, whose last act may have been to send it. */
void tty_poll(struct tty *tty);
void tty_free(struct tty *tty); /* NULL is fine */

/* One slave of the master (TIOCGPTPEER), so that hang-up neither spins nor needs a
 * timer. fd or -errno. */
MUST_CHECK int tty_open_slave(int master);
MUST_CHECK int tty_resize(int master, uint32_t width, uint32_t height);
