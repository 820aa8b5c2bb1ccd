/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan's writes as unit properties. systemd writes its own view of a unit into the cgroup
 * whenever it likes (daemon-reload, a change of a neighbour), so every limit it knows must be told
 * to it as well; derived from the writes, unified keys and updates included, both say the same.
 */
#include <errno.h>
#include <inttypes.h>

#include "common/macros.h"
#include "runtime/plan_cgroup.h"

#define CPUS_MAX 8192
#define NO_LIMIT UINT64_MAX

struct build {
	struct arena *arena;
	struct plan_cgroup *plan;
	struct err *err;
	unsigned int version;
	bool created;
	bool has_quota, has_period;
	int64_t quota;
	uint64_t period;
};

static int refuse(struct build *b, const struct plan_cgroup_write *w)
{
	return err_set(b->err, EINVAL, "%s: systemd cannot be told the value \"%.64s\"",
		       w->json_path, w->value);
}

static void put(struct build *b, const char *property, uint64_t value)
{
	plan_systemd_put_u64(b->arena, b->plan->systemd, property, value);
}

/* As the kernel reads it: "64M" is possible in a unified key. */
static int parse_size(struct build *b, const char *text, uint64_t *ret)
{
	static const char units[] = "kmgtpe";
	size_t n = strspn(text, "0123456789");
	const char *unit = text[n] ? strchr(units, text[n] | 0x20) : NULL;
	unsigned int shift = unit ? 10 * (unsigned int)(unit - units + 1) : 0;

	if ((text[n] && (!unit || text[n + 1])) ||
	    parse_u64(arena_strndup(b->arena, text, n), 10, ret) < 0 || *ret > UINT64_MAX >> shift)
		return -EINVAL;
	*ret <<= shift;
	return 0;
}

static int put_limit(struct build *b, const struct plan_cgroup_write *w, const char *property)
{
	uint64_t value = NO_LIMIT;

	if (!str_eq(w->value, "max") && !str_eq(w->value, "-1") &&
	    parse_size(b, w->value, &value) < 0)
		return refuse(b, w);
	put(b, property, value);
	return 0;
}

/* ---- cpu ---- */

static int put_weight(struct build *b, const struct plan_cgroup_write *w, const char *property)
{
	uint64_t value;

	if (parse_u64(w->value, 10, &value) < 0 || value < 1)
		return refuse(b, w);
	put(b, property, value);
	return 0;
}

/* Not idle is what a unit with any weight is. */
static int put_idle(struct build *b, const struct plan_cgroup_write *w, const char *property)
{
	if (str_eq(w->value, "1"))
		put(b, property, 0);
	return 0;
}

static int take_quota(struct build *b, const struct plan_cgroup_write *w,
		      const char *property UNUSED)
{
	b->has_quota = true;
	return parse_i64(w->value, 10, &b->quota) < 0 ? refuse(b, w) : 0;
}

static int take_period(struct build *b, const struct plan_cgroup_write *w,
		       const char *property UNUSED)
{
	b->has_period = true;
	return parse_u64(w->value, 10, &b->period) < 0 ? refuse(b, w) : 0;
}

/* cpu.max: "max", "50000", "50000 100000". */
static int take_cpu_max(struct build *b, const struct plan_cgroup_write *w,
			const char *property UNUSED)
{
	size_t n = strcspn(w->value, " ");
	const char *quota = arena_strndup(b->arena, w->value, n);

	b->has_quota = true;
	b->quota = -1;
	if (!str_eq(quota, "max") && parse_i64(quota, 10, &b->quota) < 0)
		return refuse(b, w);
	if (!w->value[n])
		return 0;
	b->has_period = true;
	return parse_u64(w->value + n + 1, 10, &b->period) < 0 ? refuse(b, w) : 0;
}

static void finish_cpu(struct build *b)
{
	uint64_t period = b->has_period ? b->period : 100000, per_sec = NO_LIMIT;

	if (b->has_period && b->period && b->version >= 242)
		put(b, "CPUQuotaPeriodUSec", b->period);
	if (!b->has_quota)
		return;
	if (b->quota > 0 && period && (uint64_t)b->quota < NO_LIMIT / 1000000 - 1) {
		per_sec = (uint64_t)b->quota * 1000000 / period;
		/* Whole percents: systemd keeps no more of it over a daemon-reload. Never less than
		 * what was asked for. */
		if (per_sec % 10000 || !per_sec)
			per_sec += 10000 - per_sec % 10000;
	}
	put(b, "CPUQuotaPerSecUSec", per_sec);
}

/* ---- cpusets ---- */

/* "0-3,7\n" -> one bit each, lowest first. */
static int put_cpus(struct build *b, const struct plan_cgroup_write *w, const char *property)
{
	uint8_t bits[CPUS_MAX / 8] = { 0 };
	struct unit_value *list;
	size_t bytes = 0;

	for (const char *s = w->value; *s;) {
		size_t n = strcspn(s, ","), dash = strcspn(s, ",-");
		uint64_t from, to;

		if (parse_u64(arena_strndup(b->arena, s, dash), 10, &from) < 0)
			return refuse(b, w);
		to = from;
		if (dash < n &&
		    parse_u64(arena_strndup(b->arena, s + dash + 1, n - dash - 1), 10, &to) < 0)
			return refuse(b, w);
		if (from > to || to >= CPUS_MAX)
			return refuse(b, w);
		for (uint64_t i = from; i <= to; i++)
			bits[i / 8] |= (uint8_t)(1u << i % 8);
		bytes = MAX(bytes, (size_t)to / 8 + 1);
		s += n + (s[n] == ',');
	}
	list = plan_systemd_put(b->arena, b->plan->systemd, property);
	*list = (struct unit_value){ .type = 'a', .text = "y", .n = bytes };
	list->items = ARENA_ARRAY(b->arena, bytes, struct unit_value);
	for (size_t i = 0; i < bytes; i++)
		list->items[i] = (struct unit_value){ .type = 'y', .number = bits[i] };
	return 0;
}

/* ---- block devices ---- */

/* "8:16 ..." -> "/dev/block/8:16" and what follows; NULL if it is no device. */
static const char *split_device(struct build *b, const char *value, const char **ret_rest)
{
	size_t n = strcspn(value, " ");
	const char *colon = memchr(value, ':', n);
	uint64_t number;

	if (!colon || !value[n] ||
	    parse_u64(arena_strndup(b->arena, value, (size_t)(colon - value)), 10, &number) < 0 ||
	    parse_u64(arena_strndup(b->arena, colon + 1, n - (size_t)(colon - value) - 1), 10,
		      &number) < 0)
		return NULL;
	*ret_rest = value + n + 1;
	return arena_printf(b->arena, "/dev/block/%.*s", (int)n, value);
}

static void put_device(struct build *b, const char *property, const char *node, uint64_t value)
{
	struct unit_value *list = plan_systemd_append(b->arena, b->plan->systemd, property, "(st)");
	struct unit_value *more = ARENA_ARRAY(b->arena, list->n + 1, struct unit_value);
	struct unit_value *pair = ARENA_ARRAY(b->arena, 2, struct unit_value);

	pair[0] = (struct unit_value){ .type = 's', .text = node };
	pair[1] = (struct unit_value){ .type = 't', .number = value };
	if (list->n)
		memcpy(more, list->items, list->n * sizeof(*more));
	more[list->n++] = (struct unit_value){ .type = '(', .items = pair, .n = 2 };
	list->items = more;
}

/* "100", "default 100" or "8:0 50". */
static int put_io_weight(struct build *b, const struct plan_cgroup_write *w, const char *property)
{
	const char *rest = w->value, *node = split_device(b, w->value, &rest);
	uint64_t weight;

	if (!node && str_starts_with(rest, "default "))
		rest += strlen("default ");
	if (node && str_eq(rest, "default"))
		return 0; /* as the unit's, which is what systemd takes for it anyway */
	if (parse_u64(rest, 10, &weight) < 0 || !weight)
		return refuse(b, w);
	if (node)
		put_device(b,
			   str_starts_with(property, "Block") ? "BlockIODeviceWeight"
							      : "IODeviceWeight",
			   node, weight);
	else
		put(b, property, weight);
	return 0;
}

/* "8:0 1048576"; 0 takes the limit away. */
static int put_throttle(struct build *b, const struct plan_cgroup_write *w, const char *property)
{
	const char *rest, *node = split_device(b, w->value, &rest);
	uint64_t rate;

	if (!node || parse_u64(rest, 10, &rate) < 0)
		return refuse(b, w);
	put_device(b, property, node, rate ? rate : NO_LIMIT);
	return 0;
}

/* "8:0 rbps=1 wbps=max" */
static int put_io_max(struct build *b, const struct plan_cgroup_write *w,
		      const char *property UNUSED)
{
	static const struct {
		const char *key, *property;
	} keys[] = {
		{ "rbps=", "IOReadBandwidthMax" },
		{ "wbps=", "IOWriteBandwidthMax" },
		{ "riops=", "IOReadIOPSMax" },
		{ "wiops=", "IOWriteIOPSMax" },
	};
	const char *s, *node = split_device(b, w->value, &s);

	if (!node)
		return refuse(b, w);
	for (size_t n; *s; s += n + (s[n] == ' ')) {
		uint64_t rate = NO_LIMIT;
		const char *value;
		size_t i = 0;

		n = strcspn(s, " ");
		while (i < ARRAY_COUNT(keys) && !str_starts_with(s, keys[i].key))
			i++;
		if (i == ARRAY_COUNT(keys))
			return refuse(b, w);
		value = arena_strndup(b->arena, s + strlen(keys[i].key), n - strlen(keys[i].key));
		if (!str_eq(value, "max") && parse_u64(value, 10, &rate) < 0)
			return refuse(b, w);
		put_device(b, keys[i].property, node, rate);
	}
	return 0;
}

/* ---- the rest ---- */

/* Only of a new unit; systemd sets memory.oom.group for "kill" and takes it back otherwise. */
static int put_oom_group(struct build *b, const struct plan_cgroup_write *w, const char *property)
{
	if (!b->created)
		return 0;
	*plan_systemd_put(b->arena, b->plan->systemd, property) =
		(struct unit_value){ .type = 's',
				     .text = str_eq(w->value, "1") ? "kill" : "continue" };
	return 0;
}

static const struct {
	const char *file;
	const char *property;
	unsigned int version; /* of systemd, from which on it knows it */
	int (*fn)(struct build *, const struct plan_cgroup_write *, const char *);
} of_v2[] = {
	{ "memory.max", "MemoryMax", 0, put_limit },
	{ "memory.high", "MemoryHigh", 0, put_limit },
	{ "memory.low", "MemoryLow", 0, put_limit },
	{ "memory.min", "MemoryMin", 240, put_limit },
	{ "memory.swap.max", "MemorySwapMax", 0, put_limit },
	{ "memory.zswap.max", "MemoryZSwapMax", 253, put_limit },
	{ "memory.oom.group", "OOMPolicy", 253, put_oom_group },
	{ "pids.max", "TasksMax", 0, put_limit },
	{ "cpu.weight", "CPUWeight", 0, put_weight },
	{ "cpu.idle", "CPUWeight", 252, put_idle },
	{ "cpu.max", NULL, 0, take_cpu_max },
	{ "cpuset.cpus", "AllowedCPUs", 244, put_cpus },
	{ "cpuset.mems", "AllowedMemoryNodes", 244, put_cpus },
	{ "io.weight", "IOWeight", 0, put_io_weight },
	{ "io.max", NULL, 0, put_io_max },
}, of_v1[] = {
	{ "memory.limit_in_bytes", "MemoryLimit", 0, put_limit },
	{ "pids.max", "TasksMax", 0, put_limit },
	{ "cpu.shares", "CPUShares", 0, put_weight },
	{ "cpu.cfs_quota_us", NULL, 0, take_quota },
	{ "cpu.cfs_period_us", NULL, 0, take_period },
	{ "blkio.weight", "BlockIOWeight", 0, put_io_weight },
	{ "blkio.weight_device", "BlockIODeviceWeight", 0, put_io_weight },
	{ "blkio.throttle.read_bps_device", "BlockIOReadBandwidth", 0, put_throttle },
	{ "blkio.throttle.write_bps_device", "BlockIOWriteBandwidth", 0, put_throttle },
};

static int convert(struct build *b, const struct plan_cgroup_write *w, bool v2)
{
	size_t n = v2 ? ARRAY_COUNT(of_v2) : ARRAY_COUNT(of_v1);

	for (size_t i = 0; i < n; i++) {
		const __typeof__(of_v2[0]) *known = v2 ? &of_v2[i] : &of_v1[i];

		if (str_eq(known->file, w->file))
			return b->version < known->version ? 0 : known->fn(b, w, known->property);
	}
	return 0; /* systemd has no say in it */
}

int plan_systemd_resources(struct arena *arena, unsigned int version, bool created,
			   struct plan_cgroup *plan, struct err *err)
{
	struct build b = {
		.arena = arena, .plan = plan, .err = err, .version = version, .created = created
	};

	for (size_t i = 0; i < plan->n_writes; i++) {
		int r = convert(&b, &plan->writes[i], plan->dirs[plan->writes[i].dir].v2);

		if (r < 0)
			return r;
	}
	if (b.has_quota || b.has_period)
		finish_cpu(&b);
	return 0;
}
