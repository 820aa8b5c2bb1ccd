/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the files that mount a container's root file system: front_task_mount.c (options, the
 * mount itself, long overlays), front_task_loop.c, front_task_idmap.c and front_task_fuse.c. All of it
 * may sleep and runs beside the loop.
 */
#pragma once

#include "common/str.h"
#include "shim/front_task_private.h"

struct front_mount_options {
	unsigned long flags; /* MS_* */
	struct str data;     /* joined with commas */
	bool loop, direct_io;
	const char *uid_map, *gid_map; /* "C:H:S,..."; NULL: none */
};

/* A block device for the file; gone by itself after its last use. The device's descriptor, to be
 * kept open until it is mounted; its name in buf. */
MUST_CHECK int front_loop_open(const char *file, const struct front_mount_options *o, char *buf,
			       size_t size, struct err *err);

/* A user namespace with the mount's maps. Descriptor. */
MUST_CHECK int front_idmap_open(const struct front_mount_options *o, struct err *err);
/* A bind mount with these ids on the directory behind `target`. */
MUST_CHECK int front_idmap_bind(const char *source, const struct front_mount_options *o, int target,
				struct err *err);

struct front_idmap_lowers { /* the lower layers of an overlay, mounted with other ids for a moment */
	char *dir;          /* below the bundle; NULL: none */
	size_t n;
	struct str list; /* for lowerdir= */
};
MUST_CHECK int front_idmap_lowers(const char *bundle, const char *list,
				  const struct front_mount_options *o,
				  struct front_idmap_lowers *ret, struct err *err);
/* The overlay has clones of them. */
void front_idmap_lowers_done(struct front_idmap_lowers *lowers);

/* fuse.X and fuse3.X: by their helper programs. */
bool front_fuse_is(const char *type);
MUST_CHECK int front_fuse_mount(const struct front_mount *m, int target, struct err *err);
