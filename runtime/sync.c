/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages between the runtime and its children. See sync.h. The wire form is the fixed header, and
 * the whole error object for FAIL and LOG; both ends are one binary, so no byte order or version.
 */
#include "runtime/sync.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/sock.h"
#include "common/str.h"
#include "runtime/interrupt.h"

#define SYNC_MAGIC 0x74686f6cu

struct wire {
	uint32_t magic, type;
	int32_t value;
	char step[STEP_NAME_MAX];
};

_Static_assert(sizeof(struct wire) + sizeof(struct err) <= SYNC_BYTES_MAX, "a message fits");

static const char *const type_names[SYNC_TYPE_N] = {
	[SYNC_NONE] = "NONE",
	[SYNC_MAP_REQ] = "MAP_REQ",
	[SYNC_MAP_OK] = "MAP_OK",
	[SYNC_CHILD_PID] = "CHILD_PID",
	[SYNC_HOOKS_REQ] = "HOOKS_REQ",
	[SYNC_HOOKS_OK] = "HOOKS_OK",
	[SYNC_TTY_FD] = "TTY_FD",
	[SYNC_SECCOMP_FD] = "SECCOMP_FD",
	[SYNC_SECCOMP_OK] = "SECCOMP_OK",
	[SYNC_READY] = "READY",
	[SYNC_READY_OK] = "READY_OK",
	[SYNC_EXECING] = "EXECING",
	[SYNC_LOG] = "LOG",
	[SYNC_FAIL] = "FAIL",
};

const char *sync_type_name(enum sync_type type)
{
	return (unsigned int)type < SYNC_TYPE_N ? type_names[type] : "an unknown message";
}

static bool carries_err(uint32_t type)
{
	return type == SYNC_FAIL || type == SYNC_LOG;
}

ssize_t sync_encode(const struct sync_msg *msg, void *buf, size_t size)
{
	struct wire wire = { .magic = SYNC_MAGIC, .type = msg->type, .value = msg->value };
	size_t need = sizeof(wire) + (carries_err(msg->type) ? sizeof(msg->err) : 0);

	if (size < need)
		return -ENOBUFS;
	memcpy(wire.step, msg->step, sizeof(wire.step));
	memcpy(buf, &wire, sizeof(wire));
	if (need > sizeof(wire))
		memcpy((char *)buf + sizeof(wire), &msg->err, sizeof(msg->err));
	return (ssize_t)need;
}

ssize_t sync_decode(const void *buf, size_t n, struct sync_msg *ret)
{
	struct wire wire;
	size_t need = sizeof(wire);

	if (n < sizeof(wire))
		return -ENODATA;
	memcpy(&wire, buf, sizeof(wire));
	if (wire.magic != SYNC_MAGIC || wire.type == SYNC_NONE || wire.type >= SYNC_TYPE_N)
		return -EBADMSG;
	if (!memchr(wire.step, '\0', sizeof(wire.step)))
		return -EBADMSG;
	ret->err.code = 0;
	ret->err.step[0] = ret->err.msg[0] = '\0';
	if (carries_err(wire.type)) {
		need += sizeof(ret->err);
		if (n < need)
			return -ENODATA;
		memcpy(&ret->err, (const char *)buf + sizeof(wire), sizeof(ret->err));
		if (!memchr(ret->err.step, '\0', sizeof(ret->err.step)) ||
		    !memchr(ret->err.msg, '\0', sizeof(ret->err.msg)) || ret->err.code < 0 ||
		    (wire.type == SYNC_FAIL && ret->err.code == 0))
			return -EBADMSG;
	}
	ret->type = wire.type;
	ret->value = wire.value;
	memcpy(ret->step, wire.step, sizeof(ret->step));
	return (ssize_t)need;
}

static int write_packet(int fd, const void *data, size_t n)
{
	ssize_t w;

	do {
		w = write(fd, data, n);
	} while (w < 0 && errno == EINTR);
	if (w < 0)
		return -errno;
	return (size_t)w == n ? 0 : -EIO;
}

int sync_send(int fd, enum sync_type type, int value, const char *step)
{
	struct sync_msg msg = { .type = type, .value = value };
	char buf[sizeof(struct wire)];
	ssize_t n;

	if (step)
		memcpy(msg.step, step, MIN(strlen(step), sizeof(msg.step) - 1));
	n = sync_encode(&msg, buf, sizeof(buf));
	return n < 0 ? (int)n : write_packet(fd, buf, (size_t)n);
}

int sync_send_fd(int fd, enum sync_type type, int value, int passed_fd)
{
	struct sync_msg msg = { .type = type, .value = value };
	char buf[sizeof(struct wire)];
	ssize_t n = sync_encode(&msg, buf, sizeof(buf));

	if (n >= 0)
		n = sock_send(fd, buf, (size_t)n, &passed_fd, 1);
	return n < 0 ? (int)n : 0;
}

int sync_send_err(int fd, enum sync_type type, int value, const struct err *err)
{
	struct sync_msg msg = { .type = type, .value = value, .err = *err };
	char buf[SYNC_BYTES_MAX];
	ssize_t n;

	if (type == SYNC_FAIL && msg.err.code <= 0)
		msg.err.code = EIO;
	memcpy(msg.step, err->step, sizeof(msg.step) - 1);
	n = sync_encode(&msg, buf, sizeof(buf));
	return n < 0 ? (int)n : write_packet(fd, buf, (size_t)n);
}

int sync_recv(int fd, struct sync_msg *ret, int *ret_fd, struct err *err)
{
	char buf[SYNC_BYTES_MAX];
	CLEANUP_FD int passed = -EBADF;
	size_t n_fds = 1;
	ssize_t n = sock_recv(fd, buf, sizeof(buf), &passed, &n_fds);
	ssize_t used;

	/* A child that died with our message unread: the kernel tells that once, before what the
	 * child had still sent, which may be its reason. */
	if (n == -ECONNRESET) {
		n_fds = 1;
		n = sock_recv(fd, buf, sizeof(buf), &passed, &n_fds);
	}
	if (n_fds == 0)
		passed = -EBADF;
	if (n == 0 || n == -ECONNRESET)
		return 0;
	if (n < 0)
		return err_sysn(err, (int)n, "read from init's socket");
	used = sync_decode(buf, (size_t)n, ret);
	if (used != n)
		return err_set(err, EBADMSG, "malformed message of %zd bytes from init", n);
	if (ret_fd)
		*ret_fd = fd_take(&passed);
	return 1;
}

int sync_expect(int fd, enum sync_type want, struct sync_msg *ret, int *ret_fd, struct err *err)
{
	for (;;) {
		int r = sync_recv(fd, ret, ret_fd, err);

		if (r < 0)
			return r;
		if (r == 0)
			return err_set(err, ENODATA, "end of file, expected %s",
				       sync_type_name(want));
		if (ret->type == want)
			return 0;
		if (ret_fd && *ret_fd >= 0)
			*ret_fd = fd_close(*ret_fd);
		if (ret->type == SYNC_LOG) {
			log_msg((enum log_level)(unsigned int)ret->value % LOG_LEVEL_N, "%s",
				ret->err.msg);
			continue;
		}
		if (ret->type == SYNC_FAIL) {
			if (err)
				*err = ret->err;
			return -ret->err.code;
		}
		return err_set(err, EPROTO, "init sent %s, expected %s", sync_type_name(ret->type),
			       sync_type_name(want));
	}
}

int sync_wait(int fd, enum sync_type want)
{
	char buf[SYNC_BYTES_MAX];
	struct sync_msg msg;
	ssize_t n;

	do {
		n = read(fd, buf, sizeof(buf));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -ENODATA;
	if (sync_decode(buf, (size_t)n, &msg) != n || msg.type != want)
		return -EPROTO;
	return 0;
}

/* ---- init's report after READY_OK ---- */

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

int sync_await_report(int report_fd, int pidfd, int interrupt_fd, bool to_exec, struct err *err)
{
	struct report report = { .n = 0 };

	for (;;) {
		struct pollfd fds[3] = {
			{ .fd = report_fd, .events = POLLIN },
			{ .fd = pidfd, .events = POLLIN },
			{ .fd = interrupt_fd, .events = POLLIN },
		};
		int r = poll(fds, ARRAY_COUNT(fds), -1);

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
		} else {
			r = interrupt_check(interrupt_fd, err);
			if (r < 0)
				return r;
		}
	}
}
