/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terminals and descriptor hand-over. See tty.h.
 */
#include "runtime/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "common/fd.h"
#include "common/path.h"
#include "common/sock.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

/* CVE-2025-52565's class: what is opened is checked by its descriptor, and the slave is asked of
 * the master, never looked up by a name in the container. */
static int open_master(struct err *err)
{
	static const char *const names[] = { "/dev/pts/ptmx", "/dev/ptmx" };
	int r = -ENOENT;

	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		CLEANUP_FD int at = fd_open(names[i], O_PATH | O_CLOEXEC, 0);

		if (at < 0) {
			r = at;
			continue;
		}
		if (!path_is_chrdev(at, 5, 2) || path_fs_magic(at) != DEVPTS_SUPER_MAGIC) {
			r = -ENODEV;
			continue;
		}
		fd_close(at);
		at = fd_open(names[i], O_RDWR | O_NOCTTY | O_CLOEXEC, 0);
		if (at < 0) {
			r = at;
			continue;
		}
		/* The name was opened a second time: checked again on what will be used. */
		if (!path_is_chrdev(at, 5, 2) || path_fs_magic(at) != DEVPTS_SUPER_MAGIC) {
			r = -ENODEV;
			continue;
		}
		return fd_take(&at);
	}
	return err_sysn(err, r, "open a terminal at \"/dev/pts/ptmx\" or \"/dev/ptmx\"");
}

int tty_open_pair(const struct plan_process *plan, struct tty_pair *ret, struct err *err)
{
	CLEANUP_FD int master = open_master(err);
	CLEANUP_FD int slave = -EBADF;
	int unlock = 0;

	if (master < 0)
		return master;
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return err_sys(err, "unlock the terminal");
	/* Since 4.13. */
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return err_sys(err, "open the terminal's slave");
	if (plan->has_console_size) {
		struct winsize size = { .ws_row = plan->console_height,
					.ws_col = plan->console_width };

		if (ioctl(master, TIOCSWINSZ, &size) < 0)
			return err_sys(err, "process.consoleSize: set the terminal's size");
	}
	/* The user may reopen its terminal. EINVAL, EPERM: an id that this user namespace cannot
	 * give files to; the open descriptors work all the same. */
	if (fchown(slave, plan->creds.uid, (gid_t)-1) < 0 && errno != EINVAL && errno != EPERM)
		return err_sys(err, "give the terminal to uid %u", plan->creds.uid);
	ret->master = fd_take(&master);
	ret->slave = fd_take(&slave);
	return 0;
}

int tty_make_stdio(int slave, struct err *err)
{
	for (int fd = 0; fd < 3; fd++)
		if (dup2(slave, fd) < 0)
			return err_sys(err, "make the terminal fd %d", fd);
	if (ioctl(0, TIOCSCTTY, 0) < 0)
		return err_sys(err, "make the terminal the controlling one");
	return 0;
}

int tty_connect(const char *path, const char *what, struct err *err)
{
	int fd = sock_connect(path, SOCK_STREAM, err);

	return fd < 0 ? err_wrap(err, "%s", what) : fd;
}

int tty_send(int sock, int fd, const char *payload, const char *what, struct err *err)
{
	ssize_t n = sock_send(sock, payload, strlen(payload), &fd, 1);

	return n < 0 ? err_sysn(err, (int)n, "send to the %s", what) : 0;
}

void tty_host_find(struct tty_host *host)
{
	static const int candidates[] = { STDERR_FILENO, STDOUT_FILENO, STDIN_FILENO };

	for (size_t i = 0; i < ARRAY_COUNT(candidates); i++)
		if (isatty(candidates[i])) {
			host->fd = fd_dup(candidates[i]);
			return;
		}
	host->fd = fd_open("/dev/tty", O_RDWR | O_CLOEXEC, 0);
}

int tty_host_raw(struct tty_host *host, struct err *err)
{
	struct termios raw;

	if (host->fd < 0)
		return 0;
	if (tcgetattr(host->fd, &host->saved) < 0)
		return err_sys(err, "read the mode of the own terminal");
	raw = host->saved;
	cfmakeraw(&raw);
	/* Ours still prints errors: keep the output side as it was. The container's side sends bare
	 * line feeds (see tty_master_like_host), so ONLCR here makes them what a terminal expects. */
	raw.c_oflag = host->saved.c_oflag;
	if (tcsetattr(host->fd, TCSANOW, &raw) < 0)
		return err_sys(err, "make the own terminal raw");
	host->raw = true;
	return 0;
}

void tty_host_restore(struct tty_host *host)
{
	if (host->raw)
		(void)tcsetattr(host->fd, TCSANOW, &host->saved);
	host->raw = false;
}

void tty_copy_size(int from, int to)
{
	struct winsize size;

	if (from >= 0 && to >= 0 && ioctl(from, TIOCGWINSZ, &size) == 0)
		(void)ioctl(to, TIOCSWINSZ, &size);
}

static void clear_onlcr(int master)
{
	struct termios t;

	if (tcgetattr(master, &t) < 0)
		return;
	t.c_oflag &= ~(tcflag_t)ONLCR;
	(void)tcsetattr(master, TCSANOW, &t);
}

void tty_master_like_host(int master)
{
	struct tty_host host = { .fd = -EBADF };

	clear_onlcr(master);
	tty_host_find(&host);
	tty_copy_size(host.fd, master);
	fd_close(host.fd);
}
