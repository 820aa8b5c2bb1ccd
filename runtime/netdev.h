/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network devices by rtnetlink (libmnl builds the messages; the socket is a plain one, because
 * mnl_socket_open allocates).
 */
#pragma once

#include <linux/netlink.h>

#include "common/err.h"

/* Sends the request (its nlmsg_seq must not be 0) and reads until its acknowledgement; 0 or -errno as
 * the kernel says. What comes before that is given to `each`, if there is one; a dump that changed
 * while it was read is -EINTR. */
typedef void (*netdev_each)(void *user, const struct nlmsghdr *message);
MUST_CHECK int netdev_request(int fd, const struct nlmsghdr *request, netdev_each each, void *user);

/* Init, in its own network namespace: brings "lo" up. */
MUST_CHECK int netdev_loopback_up(struct err *err);
