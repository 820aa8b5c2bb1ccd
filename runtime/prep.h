/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parent opens and makes on the host before the clone: detached mounts, namespaces by
 * path, sockets, the compiled seccomp program, pipes for stdio. Everything in it is inherited by
 * the child, which closes what it does not need before it waits.
 */
#pragma once

#include "common/arena.h"
#include "common/err.h"
#include "runtime/cgroup.h"
#include "runtime/fifos.h"
#include "runtime/ns.h"
#include "runtime/plan.h"
#include "runtime/rootfs.h"
#include "runtime/seccomp.h"

struct prep {
	struct rootfs_prep rootfs;
	struct seccomp_program seccomp;
	struct ns_fds ns;
	struct fifos fifos;
	int console_sock, pidfd_sock, seccomp_sock;
	int stdio_child[3], stdio_parent[3]; /* pipes of a foreground process; -EBADF: inherit */
	int hooks_out, hooks_err; /* files for the output of init's hooks; -EBADF: none */
	bool helper;              /* init is cloned by the join helper */
};

void prep_init(struct prep *prep);
void prep_done(struct prep *prep);

struct prep_request {
	const char *console_socket, *pidfd_socket;
	bool pipes;      /* make stdio pipes */
	bool no_seccomp; /* restore: criu loads the filters of its images */
};

MUST_CHECK int prep_open(struct arena *arena, const struct plan *plan, const struct host *host,
			 const struct prep_request *req, struct prep *prep, struct err *err);
