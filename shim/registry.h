/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shim's directory on tmpfs, ROOT/NAMESPACE/ID (0700): "socket", "info" (JSON, all that is
 * needed to look after the container when the shim is dead), "record" (the exit record, once there
 * is one), "shim.log". Used by the daemon and by every client command. Never talks ttrpc.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/arena.h"
#include "common/err.h"

#define REGISTRY_NS_CLI "default"
#define REGISTRY_SOCKET "socket"
#define REGISTRY_INFO "info"
#define REGISTRY_RECORD "record"
#define REGISTRY_LOG "shim.log"

/* Where one container's directory is. Strings stay the caller's. */
struct registry_key {
	const char *root; /* NULL: registry_root_default() */
	const char *ns;   /* NULL: REGISTRY_NS_CLI */
	const char *id;
};

struct registry_info {
	const char *id, *bundle;
	const char *runtime;      /* absolute path */
	const char *runtime_root; /* NULL: the runtime's own default, no --root is passed */
	const char *const *runtime_args;
	size_t n_runtime_args;
	const char *log_path, *log_format; /* "json" or "cri" */
	const char *exit_file;             /* NULL: none */
	const char *started_at;            /* RFC 3339, NULL before the container runs */
	bool terminal, has_stdin;
	pid_t pid; /* of the container's init, 0 before create has succeeded */
	uint64_t start_ticks;
	pid_t shim_pid;
	uint64_t shim_start_ticks;
};

/* "/run/thole-shim", or $XDG_RUNTIME_DIR/thole-shim for other users than root. */
MUST_CHECK int registry_root_default(char *buf, size_t size);

/* OCI runtime ids: 1..255 of [A-Za-z0-9_+.-], not "." nor "..". 0 or -EINVAL. */
MUST_CHECK int registry_check_id(const char *id, struct err *err);

/* Absolute path of a file of the directory (name NULL: the directory). -ENAMETOOLONG. */
MUST_CHECK int registry_path(const struct registry_key *key, const char *name, char *buf,
			     size_t size);

/* Makes the directory and its parents; -EEXIST: the id is in use. Returns a directory fd. */
MUST_CHECK int registry_create(const struct registry_key *key, struct err *err);
/* Directory fd. -ENOENT: container "ID" does not exist. */
MUST_CHECK int registry_open(const struct registry_key *key, struct err *err);
/* Removes the files and the directory (and the namespace's directory when empty). Not being there
 * is success. */
MUST_CHECK int registry_remove(const struct registry_key *key, struct err *err);
/* Calls fn for each id, sorted by nothing; fn < 0 stops and is returned. A missing root is empty. */
MUST_CHECK int registry_list(const char *root, const char *ns,
			     int (*fn)(void *user, const char *id), void *user, struct err *err);

MUST_CHECK int registry_info_write(int dirfd, const struct registry_info *info);
/* Strings live in the arena. -ENOENT: the daemon died before it wrote one. */
MUST_CHECK int registry_info_read(int dirfd, struct arena *arena, struct registry_info *ret,
				  struct err *err);

/* Connects to the shim (SOCK_STREAM, blocking). -ENOENT or -ECONNREFUSED: no shim is alive there. */
MUST_CHECK int registry_connect(const struct registry_key *key, struct err *err);
