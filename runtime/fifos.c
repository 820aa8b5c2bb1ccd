/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start fifos. See fifos.h.
 */
#include "runtime/fifos.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "runtime/sync.h"

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

struct report {
	char buf[2 * SYNC_BYTES_MAX];
	size_t n;
	bool execing;
};

static int not_ready(const char *why, struct err *err)
{
	return err_set(err, ESRCH,
		       "exec fifo is empty: container init did not signal execve readiness (%s)",
		       why);
}

/* 1: what was waited for is known; 0: more has to come. */
static int take_message(struct report *r, bool to_exec, struct err *err)
{
	struct sync_msg msg;
	ssize_t used = sync_decode(r->buf, r->n, &msg);

	if (used == -ENODATA)
		return 0;
	if (used < 0)
		return err_set(err, EBADMSG, "malformed report from init");
	r->n -= (size_t)used;
	memmove(r->buf, r->buf + used, r->n);
	if (msg.type == SYNC_FAIL) {
		*err = msg.err;
		return -msg.err.code;
	}
	if (msg.type != SYNC_EXECING)
		return err_set(err, EPROTO, "init reported %s, expected EXECING",
			       sync_type_name(msg.type));
	r->execing = true;
	if (!to_exec)
		return 1;
	return r->n ? take_message(r, to_exec, err) : 0;
}

static int read_report(int fd, struct report *r, bool to_exec, struct err *err)
{
	ssize_t n = read(fd, r->buf + r->n, sizeof(r->buf) - r->n);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n < 0)
		return err_sys(err, "read init's report");
	if (n == 0)
		return r->execing ? 1 : not_ready("it ended", err);
	r->n += (size_t)n;
	return take_message(r, to_exec, err);
}

int fifos_await(int report_fd, int pidfd, bool to_exec, struct err *err)
{
	struct report report = { .n = 0 };

	for (;;) {
		struct pollfd fds[2] = {
			{ .fd = report_fd, .events = POLLIN },
			{ .fd = pidfd, .events = POLLIN },
		};
		int r = poll(fds, 2, -1);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return err_sys(err, "wait for init's report");
		if (fds[0].revents) {
			r = read_report(report_fd, &report, to_exec, err);
			if (r != 0)
				return r < 0 ? r : 0;
		} else if (fds[1].revents) {
			return report.execing ? 0 : not_ready("it ended", err);
		}
	}
}
