/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors of the caller that reach the container: socket activation and --preserve-fds.
 */
#pragma once

#include "common/err.h"
#include "runtime/plan.h"

/* Reads LISTEN_FDS (if LISTEN_PID is ours) and checks that the preserved ones exist and are the
 * caller's, not descriptors that we have opened ourselves. Fills in->listen_fds, preserve_fds. */
MUST_CHECK int container_fds(int preserve, bool listen, struct plan_input *in, struct err *err);
