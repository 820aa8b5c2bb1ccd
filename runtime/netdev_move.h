/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.netDevices: devices of the runtime's network namespace become the container's, with their
 * permanent global addresses, under a new name if one is asked for, and up. Afterwards they are not
 * managed any more, and not moved back when the container ends (OCI 1.3); only while the container is
 * being made a failure moves them back. Parent only.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>

#include "common/arena.h"
#include "common/err.h"
#include "spec/spec.h"

struct netdev_moved;

struct netdev_moves {
	int host, there;       /* rtnetlink sockets of the two namespaces */
	int host_ns, there_ns; /* owned */
	struct netdev_moved *v;
	size_t n;
};
#define NETDEV_MOVES_INIT                                                                          \
	{                                                                                          \
		.host = -EBADF, .there = -EBADF, .host_ns = -EBADF, .there_ns = -EBADF             \
	}

/* Moves every device into the network namespace there_ns, in which the socket `there` was opened;
 * both are moves' own from now on. On failure whatever was moved is back. */
MUST_CHECK int netdev_move_all(struct arena *arena, const struct spec_net_device *devices, size_t n,
			       struct netdev_moves *moves, struct err *err);
/* Undoes it: names, addresses, state and master as they were. What fails is a warning. */
void netdev_move_back(struct netdev_moves *moves);
void netdev_moves_done(struct netdev_moves *moves);

/* The first free name of a template "eth%d" by what is_taken says; a name without %d is itself. -ENFILE:
 * none is free, -ENAMETOOLONG, -EEXIST: the name is taken. */
MUST_CHECK int netdev_choose_name(const char *wanted,
				  bool (*is_taken)(void *user, const char *name), void *user,
				  char ret[16]);
