/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attached clients of one process: output goes out to all of them, input comes in from those
 * that asked for it. A hub with a log behind it is lossy: a slow client is skipped and told how many
 * bytes it missed, the log never waits for it. A hub without (an exec session) is lossless: output
 * waits for its clients; with none of them it is kept up to a limit for the first.
 */
#pragma once

#include <stdbool.h>
#include <time.h>

#include "common/err.h"
#include "shim/log.h"
#include "shim/server.h"

struct attach_hub;

struct attach_owner {
	/* Bytes for the process; eof: no more will come. */
	void (*input)(void *user, const void *data, size_t n, bool eof);
	bool (*input_full)(void *user);  /* stop reading from clients until attach_hub_input_room */
	void (*output_room)(void *user); /* lossless: output that was refused may go on */
	void *user;
};

MUST_CHECK int attach_hub_new(bool lossless, const struct attach_owner *owner,
			      struct attach_hub **ret);
void attach_hub_free(struct attach_hub *hub); /* ends the streams of its clients */

/* The call becomes a client's stream; it is ended by the hub. After all output has ended: it gets
 * what was kept and ends at once. */
void attach_hub_add(struct attach_hub *hub, struct server_call *call, bool want_stdin);

/* False: (lossless only) taken, but no more before output_room. */
bool attach_hub_output(struct attach_hub *hub, enum log_stream stream, const void *data, size_t n);
void attach_hub_eof(struct attach_hub *hub, enum log_stream stream);
/* All output has ended: clients get eof for both streams and their call ends. */
void attach_hub_end(struct attach_hub *hub);
void attach_hub_input_room(struct attach_hub *hub);
