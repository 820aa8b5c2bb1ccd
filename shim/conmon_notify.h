/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The relay of sd_notify: a socket in the bundle (notify/notify.sock) that is mounted into the
 * container, and the host's socket. Only messages that tell of the service pass; what would speak
 * for the host's processes (MAINPID, FDSTORE, ...) does not.
 */
#pragma once

#include "common/err.h"
#include "common/ev.h"
#include "common/str.h"

/* Appends the lines of a datagram that may pass, each with a newline between. Pure. */
void conmon_notify_filter(struct str *out, const char *data, size_t n);

struct conmon_notify;

MUST_CHECK int conmon_notify_new(struct ev *ev, int bundle_dirfd, const char *host,
				 struct conmon_notify **ret, struct err *err);
void conmon_notify_free(struct conmon_notify *notify); /* NULL is fine */
