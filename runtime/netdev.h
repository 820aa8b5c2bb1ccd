/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network devices by rtnetlink (libmnl builds the messages; the socket is a plain one, because
 * mnl_socket_open allocates).
 */
#pragma once

#include "common/err.h"

/* Init, in its own network namespace: brings "lo" up. */
MUST_CHECK int netdev_loopback_up(struct err *err);
