/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `start`: the launcher, which forks the daemon, waits for its report and prints it. Messages over
 * a SOCK_SEQPACKET pair: the daemon sends START_OK or START_FAIL with a text; the launcher answers
 * START_ACK once it has printed the line. End of file before that, on either side, means that the
 * other has died: the daemon rolls everything back.
 */
#pragma once

#include "shim/front_cli.h"

enum { START_OK = 'O', START_FAIL = 'E', START_ACK = 'A' };

#define START_TEXT_MAX 16384

/* Returns the launcher's exit status. */
int start_main(const struct front_options *options);
