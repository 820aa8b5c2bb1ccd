/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mounts of a container that is restored, as criu wants them: not in the container's tree, which
 * criu builds itself, but each at a path of its own from which criu binds it. They live in a mount
 * namespace that only criu has, on a tmpfs there, so that the host sees none of them and nothing is
 * left when criu ends, however it ends.
 */
#pragma once

#include "common/err.h"
#include "runtime/rootfs.h"

/* Room for "<dir>/<kind><number>" behind the directory. */
#define MOUNT_STASH_NAME_MAX 32

/* The path below `dir` of the root, and of the plan's mount or bound device number i. */
#define MOUNT_STASH_ROOT "root"
int mount_stash_path(char *buf, size_t size, const char *dir, char kind, size_t i);
#define MOUNT_STASH_MOUNT 'm'
#define MOUNT_STASH_DEVICE 'd'
#define MOUNT_STASH_CGROUP 'c' /* a directory of the plan's cgroup */

/* Process with a new mount namespace: cuts it off from the host's, covers `dir` (an existing
 * directory) by a tmpfs and attaches there what the parent prepared: the root, every bind and
 * host-side file system, bound devices and cgroups. Mount points that the root lacks are made, as for a new
 * container: an image may be restored on a fresh copy of its root. Allocates nothing. */
MUST_CHECK int mount_stash_all(struct rootfs *r, const char *dir, struct err *err);
