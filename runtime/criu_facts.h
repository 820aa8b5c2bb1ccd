/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facts that a checkpoint or a restore needs and that only the machine knows: the mounts, cgroups and
 * stdio of a process, and descriptors.json in the images, where runc keeps the names of stdio too.
 * What a container shows in them (mount points, file names) is its own invention: it is compared
 * with what was asked for and never opened by name.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "common/arena.h"
#include "common/err.h"
#include "runtime/criu_plan.h"

struct criu_mount {
	uint64_t id;
	unsigned int major, minor;
	const char *point; /* unescaped, as that process sees it */
	const char *type;
};
struct criu_mounts {
	struct criu_mount *v;
	size_t n;
};

/* /proc/PID/mountinfo. */
MUST_CHECK int criu_read_mounts(struct arena *arena, pid_t pid, struct criu_mounts *ret,
				struct err *err);
/* The same from text. -EBADMSG for a line that the kernel would not write. */
MUST_CHECK int criu_parse_mounts(struct arena *arena, const char *text, struct criu_mounts *ret);
const struct criu_mount *criu_mount_by_id(const struct criu_mounts *mounts, uint64_t id);

/* /proc/PID/cgroup: controllers ("" is v2) -> path. */
MUST_CHECK int criu_read_cgroups(struct arena *arena, pid_t pid, struct criu_pairs *ret,
				 struct err *err);

/* "mnt_id" of /proc/PID/fdinfo/FD; pid 0: our own. -errno. */
MUST_CHECK int criu_mount_id(pid_t pid, int fd, uint64_t *ret);

/* A process's stdio: how it is named in images and to criu. */
struct criu_stdio {
	const char *name[3];     /* "pipe:[123]", "file[18:3]", "/dev/null"; "": closed */
	const char *external[3]; /* what criu is told to leave outside, or NULL */
	bool null[3];            /* external: the host's /dev/null, and so any other does */
};
/* A file that is on none of the container's mounts (the caller's /dev/null, a log file) can be
 * given back by its name only. */
MUST_CHECK int criu_read_stdio(struct arena *arena, pid_t pid, const struct criu_mounts *mounts,
			       struct criu_stdio *ret, struct err *err);
/* Can a restore hand its own stdio over in its place? */
bool criu_is_inherited(const char *name);

MUST_CHECK int criu_write_descriptors(int images_fd, const struct criu_stdio *stdio,
				      struct err *err);
/* All names "" where the images have none. Names that are none of criu_is_inherited become "". */
MUST_CHECK int criu_read_descriptors(struct arena *arena, int images_fd, struct criu_stdio *ret,
				     struct err *err);
