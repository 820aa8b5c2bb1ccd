/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each v1 controller tells.
 */
#include <unistd.h>

#include "common/macros.h"
#include "common/str.h"
#include "runtime/stats.h"

#define NS_PER_S 1000000000ULL

static int read_cpu(const struct stats_reader *r)
{
	struct stats_pairs pairs;
	const char *text;
	int res = stats_file(r, "cpu.stat", &text);

	if (res < 0)
		return res;
	stats_parse_pairs(r->arena, text, &pairs);
	r->stats->cpu.periods = stats_pair_value(&pairs, "nr_periods");
	r->stats->cpu.throttled_periods = stats_pair_value(&pairs, "nr_throttled");
	r->stats->cpu.throttled_time = stats_pair_value(&pairs, "throttled_time");
	return 0;
}

static int read_cpuacct(const struct stats_reader *r)
{
	uint64_t tick = NS_PER_S / (uint64_t)MAX(sysconf(_SC_CLK_TCK), 1L);
	struct stats_pairs pairs;
	const char *text;
	int res = stats_file(r, "cpuacct.stat", &text);

	if (res < 0)
		return res;
	stats_parse_pairs(r->arena, text, &pairs);
	r->stats->cpu.user = stats_pair_value(&pairs, "user") * tick;
	r->stats->cpu.kernel = stats_pair_value(&pairs, "system") * tick;
	res = stats_file_number(r, "cpuacct.usage", &r->stats->cpu.total);
	if (res < 0)
		return res;
	res = stats_file(r, "cpuacct.usage_percpu", &text);
	if (res < 0)
		return res;
	stats_parse_numbers(r->arena, text, &r->stats->cpu.percpu);
	res = stats_file(r, "cpuacct.usage_all", &text);
	if (res < 0)
		return res;
	stats_parse_usage_all(r->arena, text, 1, &r->stats->cpu.percpu_user);
	stats_parse_usage_all(r->arena, text, 2, &r->stats->cpu.percpu_kernel);
	return 0;
}

static int read_cpuset(const struct stats_reader *r)
{
	struct stats_cpuset *s = &r->stats->cpuset;
	const struct {
		const char *file;
		uint64_t *to;
	} flags[] = {
		{ "cpuset.cpu_exclusive", &s->cpu_exclusive },
		{ "cpuset.mem_hardwall", &s->mem_hardwall },
		{ "cpuset.mem_exclusive", &s->mem_exclusive },
		{ "cpuset.memory_migrate", &s->memory_migrate },
		{ "cpuset.memory_spread_page", &s->spread_page },
		{ "cpuset.memory_spread_slab", &s->spread_slab },
		{ "cpuset.memory_pressure", &s->pressure },
		{ "cpuset.sched_load_balance", &s->load_balance },
	};
	const char *text;
	int res = stats_file(r, "cpuset.cpus", &text);

	if (res < 0)
		return res;
	stats_parse_list(r->arena, text, &s->cpus);
	res = stats_file(r, "cpuset.mems", &text);
	if (res < 0)
		return res;
	stats_parse_list(r->arena, text, &s->mems);
	for (size_t i = 0; i < ARRAY_COUNT(flags); i++) {
		res = stats_file_number(r, flags[i].file, flags[i].to);
		if (res < 0)
			return res;
	}
	res = stats_file(r, "cpuset.sched_relax_domain_level", &text);
	if (res == 0 && parse_i64(arena_strndup(r->arena, text, strcspn(text, "\n")), 10,
				  &s->relax_domain_level) < 0)
		s->relax_domain_level = 0;
	return res;
}

static int read_memory_entry(const struct stats_reader *r, const char *name,
			     struct stats_memory_entry *ret)
{
	const struct {
		const char *file;
		uint64_t *to;
	} files[] = {
		{ "usage_in_bytes", &ret->usage },
		{ "max_usage_in_bytes", &ret->max },
		{ "failcnt", &ret->failcnt },
		{ "limit_in_bytes", &ret->limit },
	};

	for (size_t i = 0; i < ARRAY_COUNT(files); i++) {
		const char *file = arena_printf(r->arena, "%s.%s", name, files[i].file);
		int res = stats_file_number(r, file, files[i].to);

		if (res < 0)
			return res;
	}
	return 0;
}

static int read_memory(const struct stats_reader *r)
{
	const struct {
		const char *name;
		struct stats_memory_entry *to;
	} entries[] = {
		{ "memory", &r->stats->memory.usage },
		{ "memory.memsw", &r->stats->memory.swap },
		{ "memory.kmem", &r->stats->memory.kernel },
		{ "memory.kmem.tcp", &r->stats->memory.kernel_tcp },
	};
	const char *text;
	int res = stats_file(r, "memory.stat", &text);

	if (res < 0)
		return res;
	stats_parse_pairs(r->arena, text, &r->stats->memory.raw);
	r->stats->memory.cache = stats_pair_value(&r->stats->memory.raw, "cache");
	for (size_t i = 0; i < ARRAY_COUNT(entries); i++) {
		res = read_memory_entry(r, entries[i].name, entries[i].to);
		if (res < 0)
			return res;
	}
	return 0;
}

static int read_pids(const struct stats_reader *r)
{
	int res = stats_file_number(r, "pids.current", &r->stats->pids.current);

	if (res >= 0)
		res = stats_file_number(r, "pids.max", &r->stats->pids.limit);
	if (r->stats->pids.limit == UINT64_MAX)
		r->stats->pids.limit = 0;
	return res;
}

struct blkio_file {
	const char *file;
	enum stats_blkio_kind kind;
};

/* bfq with its debugging figures, bfq, cfq (before 5.0), the throttle's own. The first group whose
 * first file says anything is the scheduler in use. */
static const struct blkio_file bfq_debug[] = {
	{ "blkio.bfq.sectors_recursive", BLKIO_SECTORS },
	{ "blkio.bfq.io_service_time_recursive", BLKIO_SERVICE_TIME },
	{ "blkio.bfq.io_wait_time_recursive", BLKIO_WAIT_TIME },
	{ "blkio.bfq.io_merged_recursive", BLKIO_MERGED },
	{ "blkio.bfq.io_queued_recursive", BLKIO_QUEUED },
	{ "blkio.bfq.time_recursive", BLKIO_TIME },
	{ "blkio.bfq.io_serviced_recursive", BLKIO_SERVICED },
	{ "blkio.bfq.io_service_bytes_recursive", BLKIO_SERVICE_BYTES },
};
static const struct blkio_file bfq[] = {
	{ "blkio.bfq.io_serviced_recursive", BLKIO_SERVICED },
	{ "blkio.bfq.io_service_bytes_recursive", BLKIO_SERVICE_BYTES },
};
static const struct blkio_file cfq[] = {
	{ "blkio.sectors_recursive", BLKIO_SECTORS },
	{ "blkio.io_service_time_recursive", BLKIO_SERVICE_TIME },
	{ "blkio.io_wait_time_recursive", BLKIO_WAIT_TIME },
	{ "blkio.io_merged_recursive", BLKIO_MERGED },
	{ "blkio.io_queued_recursive", BLKIO_QUEUED },
	{ "blkio.time_recursive", BLKIO_TIME },
	{ "blkio.io_serviced_recursive", BLKIO_SERVICED },
	{ "blkio.io_service_bytes_recursive", BLKIO_SERVICE_BYTES },
};
static const struct blkio_file throttle_recursive[] = {
	{ "blkio.throttle.io_serviced_recursive", BLKIO_SERVICED },
	{ "blkio.throttle.io_service_bytes_recursive", BLKIO_SERVICE_BYTES },
};
static const struct blkio_file throttle[] = {
	{ "blkio.throttle.io_serviced", BLKIO_SERVICED },
	{ "blkio.throttle.io_service_bytes", BLKIO_SERVICE_BYTES },
};

static const struct {
	const struct blkio_file *v;
	size_t n;
} blkio_groups[] = {
	{ bfq_debug, ARRAY_COUNT(bfq_debug) },
	{ bfq, ARRAY_COUNT(bfq) },
	{ cfq, ARRAY_COUNT(cfq) },
	{ throttle_recursive, ARRAY_COUNT(throttle_recursive) },
	{ throttle, ARRAY_COUNT(throttle) },
};

static int read_blkio(const struct stats_reader *r)
{
	for (size_t g = 0; g < ARRAY_COUNT(blkio_groups); g++) {
		for (size_t i = 0; i < blkio_groups[g].n; i++) {
			const struct blkio_file *f = &blkio_groups[g].v[i];
			const char *text;
			int res = stats_file(r, f->file, &text);

			if (res < 0)
				return res;
			stats_parse_blkio(r->arena, text, &r->stats->blkio.lists[f->kind]);
			if (i == 0 && !r->stats->blkio.lists[f->kind].n)
				break;
			if (i + 1 == blkio_groups[g].n)
				return 0;
		}
	}
	return 0;
}

static int read_hugetlb(const struct stats_reader *r)
{
	const char *const *sizes;
	int res = stats_page_sizes(r, ".usage_in_bytes", &sizes);
	size_t n = 0;

	if (res < 0)
		return res;
	while (sizes[n])
		n++;
	r->stats->hugetlb = ARENA_ARRAY(r->arena, n, struct stats_hugetlb);
	for (size_t i = 0; i < n; i++) {
		struct stats_hugetlb *h = &r->stats->hugetlb[i];
		const char *prefix, *rsvd = ".rsvd";

		h->page_size = sizes[i];
		/* Reservations are what is limited where the kernel can (5.7). */
		do {
			prefix = arena_printf(r->arena, "hugetlb.%s%s", sizes[i], rsvd);
			res = stats_file_number(
				r, arena_printf(r->arena, "%s.usage_in_bytes", prefix), &h->usage);
			if (res < 0)
				return res;
		} while (res && *rsvd && (rsvd = ""));
		res = stats_file_number(r, arena_printf(r->arena, "%s.max_usage_in_bytes", prefix),
					&h->max);
		if (res >= 0)
			res = stats_file_number(r, arena_printf(r->arena, "%s.failcnt", prefix),
						&h->failcnt);
		if (res < 0)
			return res;
		r->stats->n_hugetlb++;
	}
	return 0;
}

int stats_v1_read(const struct stats_reader *r, const char *controller)
{
	static const struct {
		const char *name;
		int (*read)(const struct stats_reader *);
	} readers[] = {
		{ "cpu", read_cpu },         { "cpuacct", read_cpuacct }, { "cpuset", read_cpuset },
		{ "memory", read_memory },   { "pids", read_pids },       { "blkio", read_blkio },
		{ "hugetlb", read_hugetlb },
	};

	for (size_t i = 0; i < ARRAY_COUNT(readers); i++)
		if (str_eq(readers[i].name, controller))
			return readers[i].read(r);
	return 0;
}
