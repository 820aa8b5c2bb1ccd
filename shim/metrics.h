/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd's metrics messages (io.containerd.cgroups.v1.Metrics and v2) from the files of one
 * container's cgroup. Files that are missing leave their fields out.
 */
#pragma once

#include <stdbool.h>

#include "common/macros.h"
#include "shim/pbw.h"

#define METRICS_V1_TYPE "io.containerd.cgroups.v1.Metrics"
#define METRICS_V2_TYPE "io.containerd.cgroups.v2.Metrics"
#define METRICS_MAX (256u << 10)

enum metrics_v1 {
	METRICS_CPU,
	METRICS_CPUACCT,
	METRICS_MEMORY,
	METRICS_PIDS,
	METRICS_BLKIO,
	METRICS_HUGETLB,
	METRICS_RDMA,
	METRICS_V1_N
};
extern const char *const metrics_controllers[METRICS_V1_N];

/* dir: the cgroup's directory; of each controller, NULL: none. -ENOENT: the cgroup is gone. */
MUST_CHECK int metrics_v2(const char *dir, struct pbw *w);
MUST_CHECK int metrics_v1(const char *const dirs[METRICS_V1_N], struct pbw *w);

/* Shared by the two. */
struct metrics_key {
	const char *name;
	unsigned int field;
};
/* A file of "key value" lines in the directory; text: its content or NULL. */
struct metrics_file {
	char text[16384];
};
bool metrics_read(const char *dir, const char *name, struct metrics_file *ret);
/* The number after `key` at the start of a line; 0 if there is none. */
uint64_t metrics_value(const struct metrics_file *file, const char *key);
void metrics_fields(struct pbw *w, const struct metrics_file *file, const struct metrics_key *keys,
		    size_t n);
/* A file that is one number; "max" and what is as good as that are 2^64 - 1. */
uint64_t metrics_number(const char *dir, const char *name);
