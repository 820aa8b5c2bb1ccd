/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start fifos. See fifos.h.
 */
#include "runtime/fifos.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/fd.h"

static int make_one(int dir_fd, const char *name, struct err *err)
{
	int fd;

	if (mkfifoat(dir_fd, name, 0600) < 0)
		return err_sys(err, "make \"%s\"", name);
	/* Both directions: init neither blocks in open, nor reads an end of file, nor gets SIGPIPE,
	 * whoever comes and goes at the other end. */
	fd = fd_openat(dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0);
	return fd < 0 ? err_sysn(err, fd, "open \"%s\"", name) : fd;
}

int fifos_make(int dir_fd, struct fifos *ret, struct err *err)
{
	int r = make_one(dir_fd, FIFO_EXEC, err);

	if (r < 0)
		return r;
	ret->exec_fd = r;
	r = make_one(dir_fd, FIFO_REPORT, err);
	if (r < 0)
		return r;
	ret->report_fd = r;
	return 0;
}

int fifos_make_pipe(struct fifos *ret, struct err *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, "make the report pipe");
	ret->report_in = fds[0];
	ret->report_fd = fds[1];
	ret->report_own = fd_dup(fds[0]);
	if (ret->report_own < 0)
		return err_sysn(err, ret->report_own, "duplicate the report pipe");
	return 0;
}

void fifos_close(struct fifos *f)
{
	f->exec_fd = fd_close(f->exec_fd);
	f->report_fd = fd_close(f->report_fd);
	f->report_own = fd_close(f->report_own);
	f->report_in = fd_close(f->report_in);
}

int fifos_start(int dir_fd, int *ret_report, struct err *err)
{
	CLEANUP_FD int report =
		fd_openat(dir_fd, FIFO_REPORT, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW, 0);
	CLEANUP_FD int byte =
		fd_openat(dir_fd, FIFO_EXEC, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW, 0);

	if (byte < 0)
		return err_sysn(err, byte, "open \"%s\"", FIFO_EXEC);
	if (report < 0)
		return err_sysn(err, report, "open \"%s\"", FIFO_REPORT);
	if (write(byte, "0", 1) != 1)
		return err_sys(err, "write \"%s\"", FIFO_EXEC);
	*ret_report = fd_take(&report);
	return 0;
}

void fifos_unlink(int dir_fd)
{
	(void)unlinkat(dir_fd, FIFO_EXEC, 0);
	(void)unlinkat(dir_fd, FIFO_REPORT, 0);
}
