/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the v2 directory tells, in the words of v1. In a hybrid layout a controller that is on a v1
 * hierarchy has no say here.
 */
#include "common/macros.h"
#include "runtime/plan_cgroup.h"
#include "runtime/stats.h"

#define NS_PER_US 1000

static int read_cpu(const struct stats_reader *r)
{
	struct stats_pairs pairs;
	const char *text;
	int res = stats_file(r, "cpu.stat", &text);

	if (res < 0)
		return res;
	stats_parse_pairs(r->arena, text, &pairs);
	r->stats->cpu.total = stats_pair_value(&pairs, "usage_usec") * NS_PER_US;
	r->stats->cpu.user = stats_pair_value(&pairs, "user_usec") * NS_PER_US;
	r->stats->cpu.kernel = stats_pair_value(&pairs, "system_usec") * NS_PER_US;
	r->stats->cpu.periods = stats_pair_value(&pairs, "nr_periods");
	r->stats->cpu.throttled_periods = stats_pair_value(&pairs, "nr_throttled");
	r->stats->cpu.throttled_time = stats_pair_value(&pairs, "throttled_usec") * NS_PER_US;
	return 0;
}

/* `name`.current, .max, .peak (5.19). */
static int read_memory_entry(const struct stats_reader *r, const char *name,
			     struct stats_memory_entry *ret)
{
	int res = stats_file_number(r, arena_printf(r->arena, "%s.current", name), &ret->usage);

	if (res >= 0)
		res = stats_file_number(r, arena_printf(r->arena, "%s.max", name), &ret->limit);
	if (res >= 0)
		res = stats_file_number(r, arena_printf(r->arena, "%s.peak", name), &ret->max);
	return res;
}

static uint64_t add_capped(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static int read_memory(const struct stats_reader *r)
{
	struct stats_memory_entry *usage = &r->stats->memory.usage, swap = { 0 };
	const char *text;
	int res = stats_file(r, "memory.stat", &text);

	if (res) /* no memory controller here */
		return res < 0 ? res : 0;
	stats_parse_pairs(r->arena, text, &r->stats->memory.raw);
	r->stats->memory.cache = stats_pair_value(&r->stats->memory.raw, "file");
	res = read_memory_entry(r, "memory", usage);
	if (res >= 0)
		res = read_memory_entry(r, "memory.swap", &swap);
	if (res < 0)
		return res;
	/* v1's swap figures count memory and swap; a peak of both together is not known. */
	r->stats->memory.swap.usage = add_capped(swap.usage, usage->usage);
	r->stats->memory.swap.limit = add_capped(swap.limit, usage->limit);
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

static int read_io(const struct stats_reader *r)
{
	const char *text;
	int res = stats_file(r, "io.stat", &text);

	if (res < 0)
		return res;
	stats_parse_io_stat(r->arena, text, &r->stats->blkio.lists[BLKIO_SERVICE_BYTES],
			    &r->stats->blkio.lists[BLKIO_SERVICED]);
	return 0;
}

static int read_hugetlb(const struct stats_reader *r)
{
	const char *const *sizes;
	int res = stats_page_sizes(r, ".current", &sizes);
	size_t n = 0;

	if (res < 0)
		return res;
	while (sizes[n])
		n++;
	r->stats->hugetlb = ARENA_ARRAY(r->arena, n, struct stats_hugetlb);
	for (size_t i = 0; i < n; i++) {
		struct stats_hugetlb *h = &r->stats->hugetlb[i];
		struct stats_pairs pairs;
		const char *text;

		h->page_size = sizes[i];
		res = stats_file_number(r, arena_printf(r->arena, "hugetlb.%s.current", sizes[i]),
					&h->usage);
		if (res >= 0)
			res = stats_file(r, arena_printf(r->arena, "hugetlb.%s.events", sizes[i]),
					 &text);
		if (res < 0)
			return res;
		stats_parse_pairs(r->arena, text, &pairs);
		h->failcnt = stats_pair_value(&pairs, "max");
		r->stats->n_hugetlb++;
	}
	return 0;
}

/* The kernel keeps these for every v2 cgroup, whatever controllers are enabled. */
static int read_pressures(const struct stats_reader *r)
{
	const struct {
		const char *file;
		struct stats_psi *to;
	} files[] = {
		{ "cpu.pressure", &r->stats->cpu.psi },
		{ "memory.pressure", &r->stats->memory.psi },
		{ "io.pressure", &r->stats->blkio.psi },
	};

	for (size_t i = 0; i < ARRAY_COUNT(files); i++) {
		const char *text;
		int res = stats_file(r, files[i].file, &text);

		if (res < 0)
			return res;
		stats_parse_psi(r->arena, text, files[i].to);
	}
	return 0;
}

int stats_v2_read(const struct stats_reader *r, const char *v1_controllers)
{
	static const struct {
		const char *v1; /* whose figures these would be on v1 */
		int (*read)(const struct stats_reader *);
	} readers[] = {
		{ "cpuacct", read_cpu }, { "memory", read_memory },   { "pids", read_pids },
		{ "blkio", read_io },    { "hugetlb", read_hugetlb },
	};

	for (size_t i = 0; i < ARRAY_COUNT(readers); i++) {
		int res;

		if (plan_cgroup_has_word(v1_controllers, ',', readers[i].v1))
			continue;
		res = readers[i].read(r);
		if (res < 0)
			return res;
	}
	return read_pressures(r);
}
