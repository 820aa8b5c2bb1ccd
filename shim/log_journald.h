/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Container output to the journal in its native protocol, one datagram a line, with the fields that
 * podman's reader and journalctl know. Non-blocking: where the journal's socket is full, put takes
 * fewer bytes and on_room tells when to go on.
 */
#pragma once

#include <stdbool.h>

#include "common/err.h"
#include "common/ev.h"
#include "common/str.h"
#include "shim/log.h"

#define LOG_JOURNALD_LINE 8192 /* a longer line goes out in pieces, marked as partial */

struct log_journald_config {
	const char *socket;        /* NULL: the system's */
	const char *id;            /* CONTAINER_ID_FULL; more than 12 characters */
	const char *name, *tag;    /* NULL: none */
	const char *const *labels; /* KEY=VALUE, checked by log_journald_check_label */
	size_t n_labels;
	bool no_partial;
	void (*on_room)(void *user);
	void *user;
};

struct log_journald;

/* "KEY=VALUE" with a key of A-Z, 0-9 and _, and one "=" only. 0 or -EINVAL. */
MUST_CHECK int log_journald_check_label(const char *label, struct err *err);

MUST_CHECK int log_journald_new(struct ev *ev, const struct log_journald_config *config,
				struct log_journald **ret, struct err *err);
void log_journald_free(struct log_journald *j); /* unfinished lines go out first */

/* Returns how many bytes were taken; fewer than n: no more until on_room. */
size_t log_journald_put(struct log_journald *j, enum log_stream stream, const char *data, size_t n);
void log_journald_eof(struct log_journald *j, enum log_stream stream);

/* One field in the protocol's form: "KEY=value\n", or with a binary length where the value has a
 * newline. Pure. */
void log_journald_field(struct str *out, const char *key, const char *value, size_t n);
