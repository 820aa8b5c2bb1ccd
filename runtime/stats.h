/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The figures of a container's cgroup, in the units and with the names that `events` prints. The
 * parsers are pure: a kernel file's text in, numbers out; the readers (stats_v1.c, stats_v2.c) open
 * the files. Changes nothing. What the kernel does not tell stays zero or empty.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "runtime/cgroup.h"

struct stats_numbers {
	uint64_t *v;
	size_t n;
};

struct stats_pair {
	const char *key;
	uint64_t value;
};
struct stats_pairs { /* sorted by key */
	struct stats_pair *v;
	size_t n;
};

struct stats_psi_line {
	/* JSON numbers: the kernel's "1.50" as "1.5", "0.00" as "0". */
	const char *avg10, *avg60, *avg300;
	uint64_t total; /* microseconds */
};
struct stats_psi {
	bool given;
	struct stats_psi_line some, full; /* avg10 NULL: no such line, or all zero */
};

struct stats_memory_entry {
	uint64_t limit, usage, max, failcnt;
};

struct stats_blkio_entry {
	uint64_t major, minor;
	const char *op; /* "Read", "Write", ... "" for files without operations */
	uint64_t value;
};
struct stats_blkio_list {
	struct stats_blkio_entry *v;
	size_t n;
};

enum stats_blkio_kind { /* in the order of the JSON */
			BLKIO_SERVICE_BYTES,
			BLKIO_SERVICED,
			BLKIO_QUEUED,
			BLKIO_SERVICE_TIME,
			BLKIO_WAIT_TIME,
			BLKIO_MERGED,
			BLKIO_TIME,
			BLKIO_SECTORS,
			BLKIO_KIND_N
};

struct stats_hugetlb {
	const char *page_size;
	uint64_t usage, max, failcnt;
};

struct stats_cpuset {
	struct stats_numbers cpus, mems;
	uint64_t cpu_exclusive, mem_hardwall, mem_exclusive, memory_migrate;
	uint64_t spread_page, spread_slab, pressure, load_balance;
	int64_t relax_domain_level;
};

struct stats_schemata {
	const char **lines;
	size_t n;
	const char *l3, *mb; /* of the lines; NULL: none */
};
struct stats_rdt_node {
	const char *name;
	uint64_t mbm_total, mbm_local, llc; /* bytes */
};
struct stats_rdt {
	const char *cbm_mask; /* NULL: the cache cannot be divided */
	uint64_t min_cbm_bits, l3_closids;
	bool bandwidth; /* can be divided */
	uint64_t bandwidth_gran, delay_linear, min_bandwidth, mb_closids;
	struct stats_schemata root, own;
	bool mbm, cmt; /* the kernel counts the bandwidth, the occupancy */
	struct stats_rdt_node *nodes;
	size_t n_nodes;
};

struct stats {
	struct { /* nanoseconds */
		uint64_t total, kernel, user;
		struct stats_numbers percpu, percpu_kernel, percpu_user;
		uint64_t periods, throttled_periods, throttled_time;
		struct stats_psi psi;
	} cpu;
	struct stats_cpuset cpuset;
	struct {
		uint64_t cache;
		struct stats_memory_entry usage, swap, kernel, kernel_tcp;
		struct stats_pairs raw;
		struct stats_psi psi;
	} memory;
	struct {
		uint64_t current, limit;
	} pids;
	struct {
		struct stats_blkio_list lists[BLKIO_KIND_N];
		struct stats_psi psi;
	} blkio;
	struct stats_hugetlb *hugetlb; /* sorted by page size's text */
	size_t n_hugetlb;
	struct stats_rdt rdt;
};

/* Reads everything; v1 hierarchies first, the v2 directory for what they do not have. -ENOENT if
 * the cgroup is gone from every hierarchy. */
MUST_CHECK int stats_read(struct arena *arena, const struct cgroup *cg, struct stats *ret,
			  struct err *err);

/* Adds what resctrl tells of a class and of a monitoring group, the class's own if mon is NULL; nothing
 * if clos is NULL or has gone. After stats_read. */
MUST_CHECK int stats_read_rdt(struct arena *arena, const char *clos, const char *mon,
			      struct stats *stats, struct err *err);

/* ---- parsers; all give what they understood of odd input and never fail ---- */

/* "KEY NUMBER" lines, sorted. */
void stats_parse_pairs(struct arena *arena, const char *text, struct stats_pairs *ret);
/* 0 if the key is not there. */
uint64_t stats_pair_value(const struct stats_pairs *pairs, const char *key);
/* One number; "max" is UINT64_MAX; anything else is 0. */
uint64_t stats_parse_number(const char *text);
/* "12 34 56" */
void stats_parse_numbers(struct arena *arena, const char *text, struct stats_numbers *ret);
/* "0-2,7": every number of the list. */
void stats_parse_list(struct arena *arena, const char *text, struct stats_numbers *ret);
/* Column `column` (1: user, 2: system) of cpuacct.usage_all, a line a cpu under a heading. */
void stats_parse_usage_all(struct arena *arena, const char *text, size_t column,
			   struct stats_numbers *ret);
/* "8:0 Read 4096", "8:0 4096"; totals are left out. */
void stats_parse_blkio(struct arena *arena, const char *text, struct stats_blkio_list *ret);
/* v2's io.stat, in the words of v1: bytes and operations. */
void stats_parse_io_stat(struct arena *arena, const char *text, struct stats_blkio_list *ret_bytes,
			 struct stats_blkio_list *ret_ops);
/* cpu.pressure and its like. */
void stats_parse_psi(struct arena *arena, const char *text, struct stats_psi *ret);

/* ---- between stats.c and its readers ---- */

struct stats_reader {
	struct arena *arena;
	const char *dir; /* of one hierarchy */
	int fd;
	struct stats *stats;
	struct err *err;
};

/* The whole file; "" if the kernel has none, or not for this cgroup. 0, 1: there is none, -errno
 * with err set. */
MUST_CHECK int stats_file(const struct stats_reader *r, const char *file, const char **ret);
MUST_CHECK int stats_file_number(const struct stats_reader *r, const char *file, uint64_t *ret);
/* The page sizes P of the directory's files hugetlb.P<suffix>, sorted; NULL-terminated. */
MUST_CHECK int stats_page_sizes(const struct stats_reader *r, const char *suffix,
				const char *const **ret);

/* What one controller of v1 tells. */
MUST_CHECK int stats_v1_read(const struct stats_reader *r, const char *controller);
/* What the v2 directory tells, except for the v1 controllers in the comma list. */
MUST_CHECK int stats_v2_read(const struct stats_reader *r, const char *v1_controllers);
