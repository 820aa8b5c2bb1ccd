/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What conmon tells its client: one line of JSON, in one write, over the sync pipe (a
 * SOCK_SEQPACKET, a stream socket or a pipe).
 */
#pragma once

#include "common/str.h"

/* podman reads a packet with a buffer of this size; what is beyond is lost. */
#define CONMON_SYNC_MAX 4096

/* `{"KEY": N}` or `{"KEY": N, "message": "TEXT"}` and a newline. A text that does not fit is cut.
 * Returns its length. buf: CONMON_SYNC_MAX. Pure. */
size_t conmon_sync_format(char *buf, const char *key, int n, const char *message);

/* Writes the line; fd < 0: nobody asked. A client that has gone (EPIPE) is forgotten: *fd is closed. */
void conmon_sync_send(int *fd, const char *key, int n, const char *message);
