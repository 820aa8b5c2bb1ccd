/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The language of `criu swrk`: requests to bytes, bytes to events, and what criu's log says about a
 * failure. A codec and a reader of text; who is asked when is known in checkpoint.c and
 * stage_restore.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"
#include "runtime/criu_plan.h"

/* criu's answers are small; its requests are as long as the list of mounts. */
#define CRIU_ANSWER_MAX 65536

struct criu_features {
	bool mem_track, lazy_pages;
};

enum criu_event_kind {
	CRIU_EVENT_NOTIFY, /* waits for criu_encode_reply */
	CRIU_EVENT_END,    /* of what was asked for */
};
struct criu_event {
	enum criu_event_kind kind;
	char script[40]; /* NOTIFY: "setup-namespaces", ... */
	pid_t pid;       /* NOTIFY: init, 0 if not said; END of a restore: init */
	int fd;          /* NOTIFY: that came with it, -EBADF: none. The receiver's to close */
	bool success;    /* END */
	int error_number;
	char error[256]; /* END: criu's words, "" if it has none */
	struct criu_features features;
};

/* Bytes of the message, in the arena. */
void criu_encode(struct arena *arena, const struct criu_request *request, void **ret,
		 size_t *ret_n);
void criu_encode_features(struct arena *arena, void **ret, size_t *ret_n);
void criu_encode_reply(struct arena *arena, bool success, void **ret, size_t *ret_n);
/* -EBADMSG for what is not an answer. */
MUST_CHECK int criu_decode(const void *data, size_t n, struct criu_event *ret);

/* Sends to and receives from criu. recv: 0 at its end of file, 1 with an event. */
MUST_CHECK int criu_send(int sock, const void *data, size_t n, struct err *err);
MUST_CHECK int criu_recv(int sock, struct criu_event *ret, struct err *err);

/* The last error lines of criu's log (what comes before its closing "... FAILED"), joined by "; ",
 * without times and places in its source. "" if there are none. */
void criu_log_errors(const char *text, size_t n, struct str *out);
/* The same of the end of an open file. */
void criu_log_errors_of(int fd, struct str *out);
