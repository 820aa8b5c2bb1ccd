// SPDX-License-Identifier: Apache-2.0
// Console socket, slave, window size.
#include "shim/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/un.h>
#include <termios.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/sock.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

struct tty {
	struct ev *ev;
	int dirfd, listen_fd, conn_fd;
	struct ev_source *listen_source, *conn_source;
	tty_master_fn *fn;
	void *user;
	char name[24]; /* below the registry directory */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

static void drop_conn(struct tty *t)
{
	ev_remove(TAKE_PTR(t->conn_source));
	t->conn_fd = fd_close(t->conn_fd);
}

static void conn_ready(void *user, int fd, uint32_t events UNUSED)
{
	struct tty *t = user;
	char name[PATH_MAX];
	int master = -EBADF;
	size_t n_fds = 1;
	ssize_t n;

	n = sock_recv(fd, name, sizeof(name), &master, &n_fds);
	if (n == -EAGAIN)
		return;
	drop_conn(t);
	if (n < 0 || n_fds != 1) {
		log_warning("console socket: no terminal in the runtime's message");
		return;
	}
	/* A runtime is trusted, but a descriptor that is no terminal would only fail later. */
	if (!isatty(master) || fd_nonblock(master, true) < 0) {
		log_warning("console socket: the runtime sent something that is no terminal");
		fd_close(master);
		return;
	}
	t->fn(t->user, master);
}

static void listen_ready(void *user, int fd, uint32_t events UNUSED)
{
	struct tty *t = user;
	struct ucred peer;
	int conn;

	conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (conn < 0)
		return;
	if (t->conn_fd >= 0 || sock_peer(conn, &peer) < 0 ||
	    (peer.uid != 0 && peer.uid != geteuid()) ||
	    ev_add(t->ev, conn, EPOLLIN, conn_ready, t, &t->conn_source) < 0) {
		fd_close(conn);
		return;
	}
	t->conn_fd = conn;
}

/* runc and its kin connect by path: where the directory's own path is too long, the shim's
 * descriptor of it is not. */
static int choose_path(struct tty *t, const struct tty_place *place)
{
	int n;

	snprintf(t->name, sizeof(t->name), "c%u.sock", place->number);
	n = snprintf(t->path, sizeof(t->path), "%s/%s", place->dir, t->name);
	if (n > 0 && (size_t)n < sizeof(t->path))
		return 0;
	n = snprintf(t->path, sizeof(t->path), "/proc/%d/fd/%d/%s", getpid(), t->dirfd, t->name);
	return n > 0 && (size_t)n < sizeof(t->path) ? 0 : -ENAMETOOLONG;
}

static int start_listening(struct tty *t, const struct tty_place *place, struct err *err)
{
	int r = choose_path(t, place);

	if (r >= 0)
		r = t->listen_fd = sock_listen(t->path, SOCK_STREAM, err);
	else
		r = err_sysn(err, r, "choose a path");
	if (r < 0)
		return r;
	r = fd_nonblock(t->listen_fd, true);
	if (r >= 0)
		r = ev_add(t->ev, t->listen_fd, EPOLLIN, listen_ready, t, &t->listen_source);
	return r < 0 ? err_sysn(err, r, "watch it") : 0;
}

int tty_listen(struct ev *ev, const struct tty_place *place, struct tty **ret, struct err *err)
{
	struct tty *t = calloc(1, sizeof(*t));

	if (!t)
		return err_set(err, ENOMEM, "out of memory");
	*t = (struct tty){ .ev = ev,
			   .dirfd = place->dirfd,
			   .listen_fd = -EBADF,
			   .conn_fd = -EBADF,
			   .fn = place->fn,
			   .user = place->user };
	if (start_listening(t, place, err) < 0) {
		tty_free(t);
		return err_wrap(err, "console socket in \"%s\"", place->dir);
	}
	*ret = t;
	return 0;
}

const char *tty_socket_path(const struct tty *tty)
{
	return tty->path;
}

void tty_poll(struct tty *tty)
{
	if (tty->conn_fd < 0)
		listen_ready(tty, tty->listen_fd, 0);
	if (tty->conn_fd >= 0)
		conn_ready(tty, tty->conn_fd, 0);
}

void tty_free(struct tty *tty)
{
	if (!tty)
		return;
	drop_conn(tty);
	ev_remove(tty->listen_source);
	fd_close(tty->listen_fd);
	(void)unlinkat(tty->dirfd, tty->name, 0);
	free(tty);
}

int tty_open_slave(int master)
{
	/* Not by name: the pty is of the container's devpts. Linux 4.13. */
	int fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int tty_resize(int master, uint32_t width, uint32_t height)
{
	struct winsize size = { .ws_row = (unsigned short)height, .ws_col = (unsigned short)width };

	if (width > 0xffff || height > 0xffff)
		return -ERANGE;
	return ioctl(master, TIOCSWINSZ, &size) < 0 ? -errno : 0;
}
