// SPDX-License-Identifier: Apache-2.0
// What both versions share, and version 2.
#include "shim/metrics.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/str.h"

bool metrics_read(const char *dir, const char *name, struct metrics_file *ret)
{
	char path[PATH_MAX];

	ret->text[0] = '\0';
	if (!dir || snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return false;
	if (io_read_small(AT_FDCWD, path, ret->text, sizeof(ret->text)) >= 0)
		return true;
	ret->text[0] = '\0';
	return false;
}

uint64_t metrics_value(const struct metrics_file *file, const char *key)
{
	size_t n = strlen(key);
	char number[24];
	uint64_t v;

	for (const char *line = file->text; *line;
	     line += strcspn(line, "\n"), line += *line == '\n') {
		if (strncmp(line, key, n) != 0 || line[n] != ' ')
			continue;
		snprintf(number, sizeof(number), "%.*s", (int)MIN(strcspn(line + n + 1, "\n"), 23u),
			 line + n + 1);
		return parse_u64(number, 10, &v) == 0 ? v : 0;
	}
	return 0;
}

void metrics_fields(struct pbw *w, const struct metrics_file *file, const struct metrics_key *keys,
		    size_t n)
{
	for (size_t i = 0; i < n; i++)
		pbw_u64(w, keys[i].field, metrics_value(file, keys[i].name));
}

uint64_t metrics_number(const char *dir, const char *name)
{
	char path[PATH_MAX], text[32];
	uint64_t v;

	if (!dir || snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path) ||
	    io_read_small(AT_FDCWD, path, text, sizeof(text)) < 0)
		return 0;
	if (str_eq(text, "max"))
		return UINT64_MAX;
	return parse_u64(text, 10, &v) == 0 ? v : 0;
}

static const struct metrics_key cpu_keys[] = {
	{ "usage_usec", 1 },   { "user_usec", 2 },      { "system_usec", 3 }, { "nr_periods", 4 },
	{ "nr_throttled", 5 }, { "throttled_usec", 6 }, { "nr_bursts", 8 },   { "burst_usec", 9 },
};

static const struct metrics_key memory_keys[] = {
	{ "anon", 1 },
	{ "file", 2 },
	{ "kernel_stack", 3 },
	{ "slab", 4 },
	{ "sock", 5 },
	{ "shmem", 6 },
	{ "file_mapped", 7 },
	{ "file_dirty", 8 },
	{ "file_writeback", 9 },
	{ "anon_thp", 10 },
	{ "inactive_anon", 11 },
	{ "active_anon", 12 },
	{ "inactive_file", 13 },
	{ "active_file", 14 },
	{ "unevictable", 15 },
	{ "slab_reclaimable", 16 },
	{ "slab_unreclaimable", 17 },
	{ "pgfault", 18 },
	{ "pgmajfault", 19 },
	{ "workingset_refault", 20 },
	{ "workingset_activate", 21 },
	{ "workingset_nodereclaim", 22 },
	{ "pgrefill", 23 },
	{ "pgscan", 24 },
	{ "pgsteal", 25 },
	{ "pgactivate", 26 },
	{ "pgdeactivate", 27 },
	{ "pglazyfree", 28 },
	{ "pglazyfreed", 29 },
	{ "thp_fault_alloc", 30 },
	{ "thp_collapse_alloc", 31 },
	{ "workingset_refault_anon", 39 },
	{ "workingset_refault_file", 40 },
	{ "workingset_activate_anon", 41 },
	{ "workingset_activate_file", 42 },
};

static const struct metrics_key event_keys[] = {
	{ "low", 1 }, { "high", 2 },     { "max", 3 },
	{ "oom", 4 }, { "oom_kill", 5 }, { "oom_group_kill", 6 },
};

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=0" and the same for "full". */
static void put_pressure(struct pbw *w, unsigned int field, const char *dir, const char *name)
{
	char path[PATH_MAX], text[256];
	size_t outer;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path) ||
	    io_read_small(AT_FDCWD, path, text, sizeof(text)) < 0)
		return;
	outer = pbw_begin(w, field);
	for (const char *line = text; line; line = strchr(line, '\n')) {
		double a10, a60, a300;
		unsigned long long total;
		char kind[8];
		size_t inner;

		line += *line == '\n';
		if (sscanf(line, "%7s avg10=%lf avg60=%lf avg300=%lf total=%llu", kind, &a10, &a60,
			   &a300, &total) != 5)
			continue;
		inner = pbw_begin(w, str_eq(kind, "some") ? 1 : 2);
		pbw_double(w, 1, a10);
		pbw_double(w, 2, a60);
		pbw_double(w, 3, a300);
		pbw_u64(w, 4, total);
		pbw_end(w, inner);
	}
	pbw_end(w, outer);
}

static void put_memory(struct pbw *w, const char *dir, struct metrics_file *f)
{
	size_t at = pbw_begin(w, 4);

	if (metrics_read(dir, "memory.stat", f))
		metrics_fields(w, f, memory_keys, ARRAY_COUNT(memory_keys));
	pbw_u64(w, 32, metrics_number(dir, "memory.current"));
	pbw_u64(w, 33, metrics_number(dir, "memory.max"));
	pbw_u64(w, 34, metrics_number(dir, "memory.swap.current"));
	pbw_u64(w, 35, metrics_number(dir, "memory.swap.max"));
	pbw_u64(w, 36, metrics_number(dir, "memory.peak"));
	pbw_u64(w, 37, metrics_number(dir, "memory.swap.peak"));
	put_pressure(w, 38, dir, "memory.pressure");
	pbw_end(w, at);
}

static void put_io(struct pbw *w, const char *dir, struct metrics_file *f)
{
	static const struct metrics_key keys[] = {
		{ "rbytes", 3 }, { "wbytes", 4 }, { "rios", 5 }, { "wios", 6 }
	};
	size_t outer = pbw_begin(w, 6);
	char *line, *rest = f->text;

	if (!metrics_read(dir, "io.stat", f))
		f->text[0] = '\0';
	while ((line = strsep(&rest, "\n"))) {
		unsigned int major, minor;
		size_t inner;

		if (sscanf(line, "%u:%u ", &major, &minor) != 2)
			continue;
		inner = pbw_begin(w, 1);
		pbw_u64(w, 1, major);
		pbw_u64(w, 2, minor);
		for (char *word; (word = strsep(&line, " "));) {
			char *value = strchr(word, '=');
			uint64_t v;

			if (!value || parse_u64(value + 1, 10, &v) < 0)
				continue;
			*value = '\0';
			for (size_t i = 0; i < ARRAY_COUNT(keys); i++)
				if (str_eq(word, keys[i].name))
					pbw_u64(w, keys[i].field, v);
		}
		pbw_end(w, inner);
	}
	put_pressure(w, 2, dir, "io.pressure");
	pbw_end(w, outer);
}

/* hugetlb.<size>.current */
static void put_hugetlb(struct pbw *w, const char *dir, struct metrics_file *f)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char page[32], name[64];
		size_t at;

		if (sscanf(e->d_name, "hugetlb.%31[0-9A-Z].curren%*1[t]", page) != 1 ||
		    strlen(e->d_name) != strlen(page) + 16)
			continue;
		at = pbw_begin(w, 7);
		pbw_u64(w, 1, metrics_number(dir, e->d_name));
		snprintf(name, sizeof(name), "hugetlb.%s.max", page);
		pbw_u64(w, 2, metrics_number(dir, name));
		pbw_string(w, 3, page);
		snprintf(name, sizeof(name), "hugetlb.%s.events", page);
		if (metrics_read(dir, name, f))
			pbw_u64(w, 4, metrics_value(f, "max"));
		pbw_end(w, at);
	}
	if (d)
		closedir(d);
}

int metrics_v2(const char *dir, struct pbw *w)
{
	struct metrics_file *f;
	size_t at;

	if (access(dir, F_OK) < 0)
		return -ENOENT;
	f = malloc(sizeof(*f));
	if (!f)
		return -ENOMEM;
	at = pbw_begin(w, 1);
	pbw_u64(w, 1, metrics_number(dir, "pids.current"));
	pbw_u64(w, 2, metrics_number(dir, "pids.max"));
	pbw_end(w, at);
	at = pbw_begin(w, 2);
	if (metrics_read(dir, "cpu.stat", f))
		metrics_fields(w, f, cpu_keys, ARRAY_COUNT(cpu_keys));
	put_pressure(w, 7, dir, "cpu.pressure");
	pbw_end(w, at);
	put_memory(w, dir, f);
	put_io(w, dir, f);
	put_hugetlb(w, dir, f);
	at = pbw_begin(w, 8);
	if (metrics_read(dir, "memory.events", f))
		metrics_fields(w, f, event_keys, ARRAY_COUNT(event_keys));
	pbw_end(w, at);
	free(f);
	return w->overflow ? -EOVERFLOW : 0;
}
