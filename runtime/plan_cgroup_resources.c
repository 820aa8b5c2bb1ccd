/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.resources -> the list of writes: which file of which hierarchy gets what. All conversions
 * between the v1 words of the spec and v2 happen here. Zero counts as "not given" where callers
 * send it so (shares, quota, period, memory, block weight), as in runc.
 */
#include "runtime/plan_cgroup.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>

#include "common/log.h"
#include "common/macros.h"

enum { GROUP_NONE, GROUP_MEMORY, GROUP_CPU, GROUP_CPU_RT, GROUP_CPU_WEIGHT };

#define CPU_PERIOD_DEFAULT 100000
#define SHARES_MIN 2
#define SHARES_MAX 262144

struct build {
	struct arena *arena;
	struct plan_cgroup *plan;
	struct err *err;
};

/* Binary logarithm of x >= 1, by squaring; spares a library for one formula. */
static double log2_of(double x)
{
	double result = 0, step = 1;

	while (x >= 2) {
		x /= 2;
		result += 1;
	}
	for (int bit = 0; bit < 52; bit++) {
		step /= 2;
		x *= x;
		if (x >= 2) {
			x /= 2;
			result += step;
		}
	}
	return result;
}

/* ceil(10^((l^2 + 125 l) / 612 - 7 / 34)), l = log2(shares): through (2, 1), (1024, 100) and
 * (262144, 10000), so that the defaults of v1 and v2 meet. The smallest weight whose logarithm
 * reaches the exponent is that ceiling. */
uint64_t cgroup_weight_from_shares(uint64_t shares)
{
	double l, exponent;
	uint64_t low = 1, high = 10000;

	if (!shares)
		return 0;
	if (shares <= SHARES_MIN)
		return 1;
	if (shares >= SHARES_MAX)
		return 10000;
	l = log2_of((double)shares);
	exponent = ((l * l + 125 * l) / 612 - 7.0 / 34) * 3.32192809488736234787 - 1e-12;
	while (low < high) {
		uint64_t middle = (low + high) / 2;

		if (log2_of((double)middle) >= exponent)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

uint64_t cgroup_io_weight_from_blkio(uint16_t weight)
{
	if (!weight)
		return 0;
	if (weight < 10)
		return 1;
	return 1 + ((uint64_t)weight - 10) * 9999 / 990;
}

/* The dir where the controller lives: a v1 hierarchy first, else the v2 one. Names without a v2
 * (or v1) meaning are NULL. Says through ret_v2 which language the files speak. */
static int place(struct build *b, const char *v1, const char *v2, const char *json, bool *ret_v2)
{
	struct plan_cgroup *plan = b->plan;
	int i = v1 ? plan_cgroup_dir_find(plan, v1) : -ENOENT;

	*ret_v2 = false;
	if (i >= 0)
		return i;
	if (plan->layout == HOST_CGROUP_V2 && !v2)
		return err_set(b->err, ENOTSUP, "%s: not possible with cgroup v2", json);
	*ret_v2 = true;
	i = plan_cgroup_dir_find(plan, "");
	if (i < 0 || !v2 || !plan_cgroup_has_word(plan->v2_available, ' ', v2))
		return err_set(b->err, ENOENT, "%s: controller \"%s\" is not available", json,
			       plan->layout == HOST_CGROUP_V2 || !v1 ? v2 : v1);
	if (!plan_cgroup_has_word(plan->v2_required, ' ', v2))
		plan->v2_required = arena_printf(b->arena, "%s%s%s", plan->v2_required,
						 *plan->v2_required ? " " : "", v2);
	return i;
}

static struct plan_cgroup_write *add(struct build *b, int dir, const char *file, const char *json,
				     const char *value)
{
	struct plan_cgroup_write *w = plan_cgroup_add(b->arena, b->plan, (size_t)dir, file, value);

	w->json_path = json;
	return w;
}

static const char *u64(struct build *b, uint64_t value)
{
	return arena_printf(b->arena, "%" PRIu64, value);
}

static const char *i64(struct build *b, int64_t value)
{
	return arena_printf(b->arena, "%" PRId64, value);
}

/* v2 writes "max" where v1 has -1. */
static const char *limit_v2(struct build *b, int64_t value)
{
	return value < 0 ? "max" : i64(b, value);
}

/* ---- memory ---- */

#define MEMORY "linux.resources.memory."

static int memory_limits_v2(struct build *b, const struct spec_resources *r)
{
	int64_t limit = r->has_memory_limit ? r->memory_limit : 0;
	int64_t swap = r->has_memory_swap ? r->memory_swap : 0;
	const char *value = NULL;
	bool v2;
	int dir;

	if (!limit && !swap)
		return 0;
	dir = place(b, NULL, "memory", limit ? MEMORY "limit" : MEMORY "swap", &v2);
	if (dir < 0)
		return dir;
	if (swap < 0 || (limit < 0 && !swap))
		value = "max";
	else if (swap && limit <= 0)
		return err_set(b->err, EINVAL,
			       MEMORY "swap: unable to set swap limit without memory limit");
	else if (swap)
		value = i64(b, swap - limit); /* v2 counts swap alone */
	/* Swap first: with less memory the kernel may have to use it at once. A kernel without
	 * swap accounting has no such file, and then "unlimited" and "none" need no write. */
	if (value)
		add(b, dir, "memory.swap.max", swap ? MEMORY "swap" : MEMORY "limit", value)
			->optional = swap <= 0 || swap == limit;
	if (limit)
		add(b, dir, "memory.max", MEMORY "limit", limit_v2(b, limit))->check_usage =
			r->check_before_update && limit > 0;
	return 0;
}

static void memory_limits_v1(struct build *b, const struct spec_resources *r, int dir)
{
	int64_t limit = r->has_memory_limit ? r->memory_limit : 0;
	int64_t swap = r->has_memory_swap ? r->memory_swap : 0;
	struct plan_cgroup_write *w;

	if (limit) {
		w = add(b, dir, "memory.limit_in_bytes", MEMORY "limit", i64(b, limit));
		w->group = GROUP_MEMORY; /* never above memsw: the order depends on what is set */
		w->check_usage = r->check_before_update && limit > 0;
	}
	if (swap || limit < 0) {
		w = add(b, dir, "memory.memsw.limit_in_bytes",
			swap ? MEMORY "swap" : MEMORY "limit", swap ? i64(b, swap) : "-1");
		w->group = GROUP_MEMORY;
		w->optional = swap <= 0; /* swap accounting can be off */
	}
}

static int memory_others(struct build *b, const struct spec_resources *r)
{
	bool v2;
	int dir;

	if (r->has_memory_reservation && r->memory_reservation) {
		dir = place(b, "memory", "memory", MEMORY "reservation", &v2);
		if (dir < 0)
			return dir;
		add(b, dir, v2 ? "memory.low" : "memory.soft_limit_in_bytes", MEMORY "reservation",
		    v2 ? limit_v2(b, r->memory_reservation) : i64(b, r->memory_reservation));
	}
	if (r->has_memory_swappiness) {
		dir = place(b, "memory", NULL, MEMORY "swappiness", &v2);
		if (dir < 0)
			return dir;
		if (r->memory_swappiness > 100)
			return err_set(b->err, EINVAL,
				       MEMORY "swappiness: %" PRIu64 " is not between 0 and 100",
				       r->memory_swappiness);
		add(b, dir, "memory.swappiness", MEMORY "swappiness", u64(b, r->memory_swappiness));
	}
	if (r->has_disable_oom_killer && r->disable_oom_killer) {
		dir = place(b, "memory", NULL, MEMORY "disableOOMKiller", &v2);
		if (dir < 0)
			return dir;
		add(b, dir, "memory.oom_control", MEMORY "disableOOMKiller", "1");
	}
	return 0;
}

static int plan_memory(struct build *b, const struct spec_resources *r)
{
	int64_t limit = r->has_memory_limit ? r->memory_limit : 0;
	int64_t swap = r->has_memory_swap ? r->memory_swap : 0;
	int dir = plan_cgroup_dir_find(b->plan, "memory"), res;

	/* The kernel took these limits away, runc ignores them. useHierarchy is always so now. */
	if ((r->has_memory_kernel && r->memory_kernel) ||
	    (r->has_memory_kernel_tcp && r->memory_kernel_tcp))
		log_warning(MEMORY "kernel and kernelTCP are ignored");
	if (r->has_use_hierarchy && !r->use_hierarchy)
		log_warning(MEMORY "useHierarchy: memory is always accounted hierarchically");

	if (limit > 0 && swap > 0 && swap < limit)
		return err_set(b->err, EINVAL,
			       MEMORY "swap: memory+swap limit should be >= memory limit");
	if (dir >= 0) {
		memory_limits_v1(b, r, dir);
	} else {
		res = memory_limits_v2(b, r);
		if (res < 0)
			return res;
	}
	return memory_others(b, r);
}

/* ---- cpu ---- */

#define CPU "linux.resources.cpu."

/* The kernel would silently take the nearest value it knows. */
static int check_shares_v1(struct build *b, uint64_t shares)
{
	if (shares < SHARES_MIN)
		return err_set(b->err, EINVAL, CPU "shares: the minimum allowed cpu-shares is %d",
			       SHARES_MIN);
	if (shares > SHARES_MAX)
		return err_set(b->err, EINVAL, CPU "shares: the maximum allowed cpu-shares is %d",
			       SHARES_MAX);
	return 0;
}

static int cpu_weight(struct build *b, const struct spec_resources *r)
{
	struct plan_cgroup_write *w;
	bool v2;
	int dir;

	if (r->has_cpu_shares && r->cpu_shares) {
		dir = place(b, "cpu", "cpu", CPU "shares", &v2);
		if (dir < 0)
			return dir;
		if (!v2 && check_shares_v1(b, r->cpu_shares) < 0)
			return -EINVAL;
		w = add(b, dir, v2 ? "cpu.weight" : "cpu.shares", CPU "shares",
			u64(b, v2 ? cgroup_weight_from_shares(r->cpu_shares) : r->cpu_shares));
		w->group = GROUP_CPU_WEIGHT; /* refused while cpu.idle is 1 */
	}
	if (r->has_cpu_idle) {
		dir = place(b, "cpu", "cpu", CPU "idle", &v2);
		if (dir < 0)
			return dir;
		w = add(b, dir, "cpu.idle", CPU "idle", i64(b, r->cpu_idle));
		w->group = GROUP_CPU_WEIGHT;
	}
	return 0;
}

static int cpu_quota(struct build *b, const struct spec_resources *r)
{
	uint64_t period = r->has_cpu_period ? r->cpu_period : 0;
	int64_t quota = r->has_cpu_quota ? r->cpu_quota : 0;
	const char *json = quota ? CPU "quota" : period ? CPU "period" : CPU "burst";
	bool v2;
	int dir;

	if (!period && !quota && !r->has_cpu_burst)
		return 0;
	dir = place(b, "cpu", "cpu", json, &v2);
	if (dir < 0)
		return dir;
	if (v2 && (period || quota))
		add(b, dir, "cpu.max", json,
		    arena_printf(b->arena, "%s %" PRIu64, quota > 0 ? i64(b, quota) : "max",
				 period ? period : CPU_PERIOD_DEFAULT))
			->group = GROUP_CPU;
	if (!v2 && period)
		add(b, dir, "cpu.cfs_period_us", CPU "period", u64(b, period))->group = GROUP_CPU;
	if (!v2 && quota)
		add(b, dir, "cpu.cfs_quota_us", CPU "quota", i64(b, quota))->group = GROUP_CPU;
	if (r->has_cpu_burst)
		add(b, dir, v2 ? "cpu.max.burst" : "cpu.cfs_burst_us", CPU "burst",
		    u64(b, r->cpu_burst))
			->group = GROUP_CPU;
	return 0;
}

static int cpu_realtime(struct build *b, const struct spec_resources *r)
{
	uint64_t period = r->has_cpu_rt_period ? r->cpu_rt_period : 0;
	int64_t runtime = r->has_cpu_rt_runtime ? r->cpu_rt_runtime : 0;
	bool v2;
	int dir;

	if (!period && !runtime)
		return 0;
	dir = place(b, "cpu", NULL, period ? CPU "realtimePeriod" : CPU "realtimeRuntime", &v2);
	if (dir < 0)
		return dir;
	if (period)
		add(b, dir, "cpu.rt_period_us", CPU "realtimePeriod", u64(b, period))->group =
			GROUP_CPU_RT;
	if (runtime)
		add(b, dir, "cpu.rt_runtime_us", CPU "realtimeRuntime", i64(b, runtime))->group =
			GROUP_CPU_RT;
	return 0;
}

static int plan_cpuset(struct build *b, const struct spec_resources *r)
{
	bool v2;
	int dir;

	if (r->cpus && *r->cpus) {
		dir = place(b, "cpuset", "cpuset", CPU "cpus", &v2);
		if (dir < 0)
			return dir;
		add(b, dir, "cpuset.cpus", CPU "cpus", r->cpus);
	}
	if (r->mems && *r->mems) {
		dir = place(b, "cpuset", "cpuset", CPU "mems", &v2);
		if (dir < 0)
			return dir;
		add(b, dir, "cpuset.mems", CPU "mems", r->mems);
	}
	return 0;
}

static int plan_cpu(struct build *b, const struct spec_resources *r)
{
	int res = cpu_weight(b, r);

	if (res >= 0)
		res = cpu_quota(b, r);
	if (res >= 0)
		res = cpu_realtime(b, r);
	if (res >= 0)
		res = plan_cpuset(b, r);
	return res;
}

/* pids.limit 0 is a real limit: nothing may fork. It is written as 1, because clone3 with
 * CLONE_INTO_CGROUP charges init itself to the cgroup and 0 would refuse it; with init inside,
 * 1 and 0 refuse the same calls. */
static int plan_pids(struct build *b, const struct spec_resources *r)
{
	const char *json = "linux.resources.pids.limit";
	bool v2;
	int dir;

	if (!r->has_pids_limit)
		return 0;
	dir = place(b, "pids", "pids", json, &v2);
	if (dir < 0)
		return dir;
	add(b, dir, "pids.max", json, limit_v2(b, r->pids_limit ? r->pids_limit : 1));
	return 0;
}

/* ---- block I/O ---- */

#define BLOCK "linux.resources.blockIO."

/* Which scheduler's file there is, is known only at the write: bfq's takes the spec's scale. */
static void add_weight(struct build *b, int dir, bool v2, const char *json, const char *device,
		       uint16_t weight)
{
	const char *plain = arena_printf(b->arena, "%s%u", device, weight);
	bool each = *device;

	if (v2) {
		add(b, dir, "io.bfq.weight", json, plain)->optional = true;
		add(b, dir, "io.weight", json,
		    arena_printf(b->arena, "%s%" PRIu64, device,
				 cgroup_io_weight_from_blkio(weight)))
			->alternative = true;
		return;
	}
	add(b, dir, each ? "blkio.weight_device" : "blkio.weight", json, plain)->optional = true;
	add(b, dir, each ? "blkio.bfq.weight_device" : "blkio.bfq.weight", json, plain)
		->alternative = true;
}

static int plan_block_weight(struct build *b, const struct spec_resources *r)
{
	bool v2;
	int dir;

	if (r->has_blkio_weight && r->blkio_weight) {
		dir = place(b, "blkio", "io", BLOCK "weight", &v2);
		if (dir < 0)
			return dir;
		add_weight(b, dir, v2, BLOCK "weight", "", r->blkio_weight);
	}
	if (r->has_blkio_leaf_weight && r->blkio_leaf_weight) {
		dir = place(b, "blkio", NULL, BLOCK "leafWeight", &v2);
		if (dir < 0)
			return dir;
		add(b, dir, "blkio.leaf_weight", BLOCK "leafWeight", u64(b, r->blkio_leaf_weight));
	}
	for (size_t i = 0; i < r->n_blkio_weight_devices; i++) {
		const struct spec_weight_device *d = &r->blkio_weight_devices[i];
		const char *json = arena_printf(b->arena, BLOCK "weightDevice[%zu]", i);
		const char *device =
			arena_printf(b->arena, "%" PRId64 ":%" PRId64 " ", d->major, d->minor);

		dir = place(b, "blkio", d->has_leaf_weight && d->leaf_weight ? NULL : "io", json,
			    &v2);
		if (dir < 0)
			return dir;
		if (d->has_weight && d->weight)
			add_weight(b, dir, v2, json, device, d->weight);
		if (d->has_leaf_weight && d->leaf_weight)
			add(b, dir, "blkio.leaf_weight_device", json,
			    arena_printf(b->arena, "%s%u", device, d->leaf_weight));
	}
	return 0;
}

struct throttle_kind {
	const struct spec_throttles *list;
	const char *json, *v1_file, *v2_key;
};

/* v2: one line a device, all its limits in it, at the place of its first mention. */
static void add_io_max(struct build *b, int dir, const struct throttle_kind *kinds, size_t kind,
		       size_t index)
{
	const struct spec_throttle *first = &kinds[kind].list->v[index];
	char *line;

	for (size_t k = 0; k <= kind; k++) {
		for (size_t i = 0; i < (k < kind ? kinds[k].list->n : index); i++) {
			const struct spec_throttle *t = &kinds[k].list->v[i];

			if (t->major == first->major && t->minor == first->minor)
				return; /* written already */
		}
	}
	line = arena_printf(b->arena, "%" PRId64 ":%" PRId64, first->major, first->minor);
	for (size_t k = kind; k < 4; k++) {
		for (size_t i = 0; i < kinds[k].list->n; i++) {
			const struct spec_throttle *t = &kinds[k].list->v[i];

			if (t->major != first->major || t->minor != first->minor)
				continue;
			/* v1's 0 takes a limit away; v2 refuses 0 and has "max" for it. */
			line = arena_printf(b->arena, "%s %s=%s", line, kinds[k].v2_key,
					    t->rate ? u64(b, t->rate) : "max");
		}
	}
	add(b, dir, "io.max", arena_printf(b->arena, BLOCK "%s[%zu]", kinds[kind].json, index),
	    line);
}

static int plan_block_throttle(struct build *b, const struct spec_resources *r)
{
	const struct throttle_kind kinds[4] = {
		{ &r->read_bps, "throttleReadBpsDevice", "blkio.throttle.read_bps_device", "rbps" },
		{ &r->write_bps, "throttleWriteBpsDevice", "blkio.throttle.write_bps_device",
		  "wbps" },
		{ &r->read_iops, "throttleReadIOPSDevice", "blkio.throttle.read_iops_device",
		  "riops" },
		{ &r->write_iops, "throttleWriteIOPSDevice", "blkio.throttle.write_iops_device",
		  "wiops" },
	};

	for (size_t k = 0; k < ARRAY_COUNT(kinds); k++) {
		for (size_t i = 0; i < kinds[k].list->n; i++) {
			const struct spec_throttle *t = &kinds[k].list->v[i];
			const char *json =
				arena_printf(b->arena, BLOCK "%s[%zu]", kinds[k].json, i);
			bool v2;
			int dir = place(b, "blkio", "io", json, &v2);

			if (dir < 0)
				return dir;
			if (v2)
				add_io_max(b, dir, kinds, k, i);
			else
				add(b, dir, kinds[k].v1_file, json,
				    arena_printf(b->arena, "%" PRId64 ":%" PRId64 " %" PRIu64,
						 t->major, t->minor, t->rate));
		}
	}
	return 0;
}

/* ---- the rest ---- */

/* "2MB", "1GB", "64KB": becomes part of a file's name. */
static bool is_page_size(const char *s)
{
	if (!isdigit((unsigned char)*s))
		return false;
	while (isdigit((unsigned char)*s))
		s++;
	return (*s == 'K' || *s == 'M' || *s == 'G' || *s == 'T') && str_eq(s + 1, "B");
}

static int plan_hugetlb(struct build *b, const struct spec_resources *r)
{
	for (size_t i = 0; i < r->n_hugepages; i++) {
		const struct spec_hugepage *h = &r->hugepages[i];
		const char *json =
			arena_printf(b->arena, "linux.resources.hugepageLimits[%zu].limit", i);
		const char *suffix, *value = u64(b, h->limit);
		bool v2;
		int dir;

		if (!is_page_size(h->page_size))
			return err_set(b->err, EINVAL,
				       "linux.resources.hugepageLimits[%zu].pageSize: "
				       "\"%s\" is no page size like \"2MB\"",
				       i, h->page_size);
		dir = place(b, "hugetlb", "hugetlb", json, &v2);
		if (dir < 0)
			return dir;
		suffix = v2 ? "max" : "limit_in_bytes";
		add(b, dir, arena_printf(b->arena, "hugetlb.%s.%s", h->page_size, suffix), json,
		    value);
		/* Reservations are limited too where the kernel can (5.7). */
		add(b, dir, arena_printf(b->arena, "hugetlb.%s.rsvd.%s", h->page_size, suffix),
		    json, value)
			->optional = true;
	}
	return 0;
}

static int plan_network(struct build *b, const struct spec_resources *r)
{
	bool v2;
	int dir;

	if (r->has_net_class_id && r->net_class_id) {
		const char *json = "linux.resources.network.classID";

		dir = place(b, "net_cls", NULL, json, &v2);
		if (dir < 0)
			return dir;
		add(b, dir, "net_cls.classid", json, u64(b, r->net_class_id));
	}
	for (size_t i = 0; i < r->n_net_priorities; i++) {
		const char *json =
			arena_printf(b->arena, "linux.resources.network.priorities[%zu]", i);

		dir = place(b, "net_prio", NULL, json, &v2);
		if (dir < 0)
			return dir;
		add(b, dir, "net_prio.ifpriomap", json,
		    arena_printf(b->arena, "%s %u", r->net_priorities[i].name,
				 r->net_priorities[i].priority));
	}
	return 0;
}

static int plan_rdma(struct build *b, const struct spec_resources *r)
{
	for (size_t i = 0; i < r->n_rdma; i++) {
		const struct spec_rdma *d = &r->rdma[i];
		const char *json = arena_printf(b->arena, "linux.resources.rdma.%s", d->device);
		char *line = arena_strdup(b->arena, d->device);
		bool v2;
		int dir = place(b, "rdma", "rdma", json, &v2);

		if (dir < 0)
			return dir;
		if (d->has_handles)
			line = arena_printf(b->arena, "%s hca_handle=%u", line, d->hca_handles);
		if (d->has_objects)
			line = arena_printf(b->arena, "%s hca_object=%u", line, d->hca_objects);
		add(b, dir, "rdma.max", json, line);
	}
	return 0;
}

static int unified_key(struct build *b, const char *key, const char *json)
{
	const char *dot = strchr(key, '.');
	const char *controller;
	bool v2;
	int dir;

	if (strchr(key, '/'))
		return err_set(b->err, EINVAL, "%s: must be a file name (no slashes)", json);
	if (!dot || dot == key)
		return err_set(b->err, EINVAL, "%s: must be in the form CONTROLLER.PARAMETER",
			       json);
	controller = arena_strndup(b->arena, key, (size_t)(dot - key));
	dir = plan_cgroup_dir_find(b->plan, "");
	if (str_eq(controller, "cgroup") && dir >= 0)
		return dir;
	if (b->plan->layout != HOST_CGROUP_V2 &&
	    !plan_cgroup_has_word(b->plan->v2_available, ' ', controller))
		return err_set(b->err, ENOTSUP, "%s: \"%s\" is not managed by cgroup v2 here", json,
			       controller);
	return place(b, NULL, controller, json, &v2);
}

/* Last, so that they win. A value of several lines is one write a line, as the kernel reads. */
static int plan_unified(struct build *b, const struct spec_resources *r)
{
	for (size_t i = 0; i < r->unified.n; i++) {
		const char *key = r->unified.v[i].key, *value = r->unified.v[i].value;
		const char *json = arena_printf(b->arena, "linux.resources.unified[\"%s\"]", key);
		int dir = unified_key(b, key, json);

		if (dir < 0)
			return dir;
		do {
			size_t n = strcspn(value, "\n");

			add(b, dir, key, json, arena_strndup(b->arena, value, n));
			value += n + (value[n] == '\n');
		} while (*value);
	}
	return 0;
}

int plan_cgroup_resources(struct arena *arena, const struct spec_resources *resources,
			  struct plan_cgroup *plan, struct err *err)
{
	static int (*const parts[])(struct build *, const struct spec_resources *) = {
		plan_memory,  plan_cpu,     plan_pids, plan_block_weight, plan_block_throttle,
		plan_hugetlb, plan_network, plan_rdma, plan_unified,
	};
	struct build b = { .arena = arena, .plan = plan, .err = err };

	if (!plan->v2_available)
		plan->v2_available = "";
	if (!plan->v2_required)
		plan->v2_required = "";
	for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
		int r = parts[i](&b, resources);

		if (r < 0)
			return r;
	}
	return 0;
}
