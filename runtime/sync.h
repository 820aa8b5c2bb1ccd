/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The typed messages between the runtime and the processes it makes, over SOCK_SEQPACKET until
 * READY_OK and over the report pipe or fifo after it. A pure codec and the few calls that move the
 * bytes; after the container's seccomp filter is loaded only read(2) and write(2) are used. Says
 * nothing about who may send what when: the stages name the message that they expect.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"
#include "runtime/step.h"

enum sync_type {
	SYNC_NONE,
	SYNC_MAP_REQ,    /* init -> parent: I exist; place me, write my id maps */
	SYNC_MAP_OK,     /* parent -> init, helper */
	SYNC_CHILD_PID,  /* helper -> parent: value is init's pid */
	SYNC_HOOKS_REQ,  /* init -> parent: the mounts are made */
	SYNC_HOOKS_OK,   /* parent -> init */
	SYNC_TTY_FD,     /* init -> parent, with the pty's master */
	SYNC_SECCOMP_FD, /* init -> parent: value is the listener's number in init */
	SYNC_SECCOMP_OK, /* parent -> init */
	SYNC_READY,      /* init -> parent: all but the start is done */
	SYNC_READY_OK,   /* parent -> init; from here init outlives its creator */
	SYNC_EXECING,    /* init -> report: execve comes next */
	SYNC_LOG,        /* init -> parent: err.msg for the log, value is the level */
	SYNC_FAIL,       /* init -> parent or report: err says why */
	SYNC_TYPE_N
};

struct sync_msg {
	enum sync_type type;
	int value;
	char step[STEP_NAME_MAX];
	struct err err; /* FAIL and LOG only */
};

#define SYNC_BYTES_MAX 2048

const char *sync_type_name(enum sync_type type); /* "READY" */

/* Pure codec. encode: bytes written, -ENOBUFS. decode: bytes used, -EBADMSG for anything that is
 * not exactly one well-formed message, -ENODATA when more bytes are needed. */
MUST_CHECK ssize_t sync_encode(const struct sync_msg *msg, void *buf, size_t size);
MUST_CHECK ssize_t sync_decode(const void *buf, size_t n, struct sync_msg *ret);

/* One message by write(2). -EPIPE if the other end is gone and SIGPIPE is ignored or blocked. */
MUST_CHECK int sync_send(int fd, enum sync_type type, int value, const char *step);
MUST_CHECK int sync_send_fd(int fd, enum sync_type type, int value, int passed_fd);
/* A failure with its whole error object; for FAIL and, with the text as message, for LOG. */
MUST_CHECK int sync_send_err(int fd, enum sync_type type, int value, const struct err *err);

/* Reads the next message. 0 at end of file, 1 with *ret set (and *ret_fd if one was passed and
 * ret_fd is not NULL), -errno with err set. */
MUST_CHECK int sync_recv(int fd, struct sync_msg *ret, int *ret_fd, struct err *err);

/* The next message must be `want`: LOG goes to the logger and is skipped, FAIL becomes err (its own
 * code is returned), another type is an error naming both. End of file: -ENODATA, err says so;
 * the parent replaces that text by how its child died. */
MUST_CHECK int sync_expect(int fd, enum sync_type want, struct sync_msg *ret, int *ret_fd,
			   struct err *err);

/* Child: as sync_expect by read(2) alone, for after seccomp; anything else than `want` is
 * -errno. */
MUST_CHECK int sync_wait(int fd, enum sync_type want);

/* Waits for EXECING on the report (pidfd: init's, its death ends the wait; interrupt_fd: see
 * interrupt.h, -EINTR; either may be < 0). FAIL becomes err; `to_exec` also waits for the execve
 * itself: end of file, or FAIL. */
MUST_CHECK int sync_await_report(int report_fd, int pidfd, int interrupt_fd, bool to_exec,
				 struct err *err);
