// SPDX-License-Identifier: Apache-2.0
// Version 1: a directory for each controller.
#include <dirent.h>
#include <errno.h>
#include <stdio.h>

#include "common/str.h"
#include "shim/metrics.h"

/* Ticks of cpuacct.stat. */
#define NS_PER_S 1000000000ull

const char *const metrics_controllers[METRICS_V1_N] = {
	[METRICS_CPU] = "cpu",   [METRICS_CPUACCT] = "cpuacct", [METRICS_MEMORY] = "memory",
	[METRICS_PIDS] = "pids", [METRICS_BLKIO] = "blkio",     [METRICS_HUGETLB] = "hugetlb",
	[METRICS_RDMA] = "rdma",
};

static const struct metrics_key memory_keys[] = {
	{ "cache", 1 },
	{ "rss", 2 },
	{ "rss_huge", 3 },
	{ "mapped_file", 4 },
	{ "dirty", 5 },
	{ "writeback", 6 },
	{ "pgpgin", 7 },
	{ "pgpgout", 8 },
	{ "pgfault", 9 },
	{ "pgmajfault", 10 },
	{ "inactive_anon", 11 },
	{ "active_anon", 12 },
	{ "inactive_file", 13 },
	{ "active_file", 14 },
	{ "unevictable", 15 },
	{ "hierarchical_memory_limit", 16 },
	{ "hierarchical_memsw_limit", 17 },
	{ "total_cache", 18 },
	{ "total_rss", 19 },
	{ "total_rss_huge", 20 },
	{ "total_mapped_file", 21 },
	{ "total_dirty", 22 },
	{ "total_writeback", 23 },
	{ "total_pgpgin", 24 },
	{ "total_pgpgout", 25 },
	{ "total_pgfault", 26 },
	{ "total_pgmajfault", 27 },
	{ "total_inactive_anon", 28 },
	{ "total_active_anon", 29 },
	{ "total_inactive_file", 30 },
	{ "total_active_file", 31 },
	{ "total_unevictable", 32 },
};

static void put_cpu(struct pbw *w, const char *cpu, const char *acct, struct metrics_file *f)
{
	uint64_t tick = NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
	size_t outer = pbw_begin(w, 3), at;

	at = pbw_begin(w, 1);
	pbw_u64(w, 1, metrics_number(acct, "cpuacct.usage"));
	if (metrics_read(acct, "cpuacct.stat", f)) {
		pbw_u64(w, 2, metrics_value(f, "system") * tick);
		pbw_u64(w, 3, metrics_value(f, "user") * tick);
	}
	if (metrics_read(acct, "cpuacct.usage_percpu", f)) {
		char *rest = f->text;
		uint64_t v;

		/* One by one, which decodes as well as packed. */
		for (char *word; (word = strsep(&rest, " "));)
			if (parse_u64(word, 10, &v) == 0)
				pbw_u64(w, 4, v);
	}
	pbw_end(w, at);
	at = pbw_begin(w, 2);
	if (metrics_read(cpu, "cpu.stat", f)) {
		pbw_u64(w, 1, metrics_value(f, "nr_periods"));
		pbw_u64(w, 2, metrics_value(f, "nr_throttled"));
		pbw_u64(w, 3, metrics_value(f, "throttled_time"));
	}
	pbw_end(w, at);
	pbw_end(w, outer);
}

static void put_entry(struct pbw *w, unsigned int field, const char *dir, const char *prefix)
{
	static const char *const names[] = { "limit_in_bytes", "usage_in_bytes",
					     "max_usage_in_bytes", "failcnt" };
	size_t at = pbw_begin(w, field);
	char name[64];

	for (unsigned int i = 0; i < ARRAY_COUNT(names); i++) {
		snprintf(name, sizeof(name), "%s.%s", prefix, names[i]);
		pbw_u64(w, i + 1, metrics_number(dir, name));
	}
	pbw_end(w, at);
}

static void put_memory(struct pbw *w, const char *dir, struct metrics_file *f)
{
	size_t at = pbw_begin(w, 4);

	if (metrics_read(dir, "memory.stat", f))
		metrics_fields(w, f, memory_keys, ARRAY_COUNT(memory_keys));
	put_entry(w, 33, dir, "memory");
	put_entry(w, 34, dir, "memory.memsw");
	put_entry(w, 35, dir, "memory.kmem");
	put_entry(w, 36, dir, "memory.kmem.tcp");
	pbw_end(w, at);
	at = pbw_begin(w, 9);
	if (metrics_read(dir, "memory.oom_control", f)) {
		pbw_u64(w, 1, metrics_value(f, "oom_kill_disable"));
		pbw_u64(w, 2, metrics_value(f, "under_oom"));
		pbw_u64(w, 3, metrics_value(f, "oom_kill"));
	}
	pbw_end(w, at);
}

/* Lines "8:0 Read 4096"; the sums at the end have no device. */
static void put_blkio(struct pbw *w, const char *dir, struct metrics_file *f)
{
	static const struct metrics_key files[] = {
		{ "blkio.throttle.io_service_bytes_recursive", 1 },
		{ "blkio.throttle.io_serviced_recursive", 2 },
	};
	size_t outer = pbw_begin(w, 5);

	for (size_t i = 0; i < ARRAY_COUNT(files); i++) {
		char *line, *rest = f->text;

		if (!metrics_read(dir, files[i].name, f))
			continue;
		while ((line = strsep(&rest, "\n"))) {
			unsigned int major, minor;
			unsigned long long value;
			char op[32];
			size_t at;

			if (sscanf(line, "%u:%u %31s %llu", &major, &minor, op, &value) != 4)
				continue;
			at = pbw_begin(w, files[i].field);
			pbw_string(w, 1, op);
			pbw_u64(w, 3, major);
			pbw_u64(w, 4, minor);
			pbw_u64(w, 5, value);
			pbw_end(w, at);
		}
	}
	pbw_end(w, outer);
}

static void put_hugetlb(struct pbw *w, const char *dir)
{
	DIR *d = dir ? opendir(dir) : NULL;
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char page[32], name[80];
		size_t at;

		if (sscanf(e->d_name, "hugetlb.%31[0-9A-Z].usage_in_byte%*1[s]", page) != 1 ||
		    strlen(e->d_name) != strlen(page) + 23)
			continue;
		at = pbw_begin(w, 1);
		pbw_u64(w, 1, metrics_number(dir, e->d_name));
		snprintf(name, sizeof(name), "hugetlb.%s.max_usage_in_bytes", page);
		pbw_u64(w, 2, metrics_number(dir, name));
		snprintf(name, sizeof(name), "hugetlb.%s.failcnt", page);
		pbw_u64(w, 3, metrics_number(dir, name));
		pbw_string(w, 4, page);
		pbw_end(w, at);
	}
	if (d)
		closedir(d);
}

int metrics_v1(const char *const dirs[METRICS_V1_N], struct pbw *w)
{
	struct metrics_file *f;
	bool there = false;
	size_t at;

	for (size_t i = 0; i < METRICS_V1_N; i++)
		there = there || (dirs[i] && access(dirs[i], F_OK) == 0);
	if (!there)
		return -ENOENT;
	f = malloc(sizeof(*f));
	if (!f)
		return -ENOMEM;
	put_hugetlb(w, dirs[METRICS_HUGETLB]);
	at = pbw_begin(w, 2);
	pbw_u64(w, 1, metrics_number(dirs[METRICS_PIDS], "pids.current"));
	/* containerd's v1 metrics tell 0 for no limit. */
	if (metrics_number(dirs[METRICS_PIDS], "pids.max") != UINT64_MAX)
		pbw_u64(w, 2, metrics_number(dirs[METRICS_PIDS], "pids.max"));
	pbw_end(w, at);
	put_cpu(w, dirs[METRICS_CPU], dirs[METRICS_CPUACCT], f);
	put_memory(w, dirs[METRICS_MEMORY], f);
	put_blkio(w, dirs[METRICS_BLKIO], f);
	free(f);
	return w->overflow ? -EOVERFLOW : 0;
}
