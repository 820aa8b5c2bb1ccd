/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Golden plans: resources in, writes out, for v1, hybrid and v2; the refusals and their words; the
 * conversions of the spec.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/macros.h"
#include "runtime/plan_cgroup.h"

static struct host_hierarchy v1_list[] = {
	{ "cpu,cpuacct", "/cg/cpu,cpuacct", "/own", false },
	{ "memory", "/cg/memory", "/", false },
	{ "devices", "/cg/devices", "/", false },
	{ "cpuset", "/cg/cpuset", "/", false },
	{ "pids", "/cg/pids", "/", false },
	{ "blkio", "/cg/blkio", "/", false },
	{ "hugetlb", "/cg/hugetlb", "/", false },
	{ "net_cls,net_prio", "/cg/net", "/", false },
	{ "rdma", "/cg/rdma", "/", false },
	{ "name=systemd", "/cg/systemd", "/", false },
};
static const struct host host_v1 = { .layout = HOST_CGROUP_V1,
				     .hierarchies = v1_list,
				     .n_hierarchies = ARRAY_COUNT(v1_list) };

static struct host_hierarchy hybrid_list[] = {
	{ "memory", "/cg/memory", "/", false },
	{ "devices", "/cg/devices", "/", false },
	{ "", "/cg/unified", "/user/x", true },
};
static const struct host host_hybrid = { .layout = HOST_CGROUP_HYBRID,
					 .hierarchies = hybrid_list,
					 .n_hierarchies = ARRAY_COUNT(hybrid_list),
					 .v2_controllers = "hugetlb" };

static struct host_hierarchy v2_list[] = { { "", "/cg", "/user/login", true } };
static const struct host host_v2 = { .layout = HOST_CGROUP_V2,
				     .hierarchies = v2_list,
				     .n_hierarchies = 1,
				     .v2_controllers = "cpuset cpu io memory hugetlb pids rdma" };

struct fixture {
	struct arena arena;
	struct spec spec;
	struct plan_request request;
	struct plan_cgroup *plan;
	struct err err;
	struct str text;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->spec.linux_.cgroups_path = "/c";
	f->spec.linux_.resources.given = true;
	f->request.id = "the-id";
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	arena_done(&f->arena);
	str_done(&f->text);
	free(f);
	return 0;
}

static int build(struct fixture *f, const struct host *host)
{
	f->plan = NULL;
	memset(&f->err, 0, sizeof(f->err));
	return plan_cgroup_build(&f->arena, &f->spec, host, &f->request, &f->plan, &f->err);
}

/* The writes of the plan but those of the device rules, in the form of plan_cgroup_print. */
static const char *writes(struct fixture *f, const struct host *host)
{
	char *out, *line, *save = NULL;
	struct str kept = { 0 };
	const char *result;

	if (build(f, host) < 0)
		return f->err.msg;
	str_reset(&f->text);
	plan_cgroup_print(f->plan, &f->text);
	out = arena_strdup(&f->arena, f->text.data);
	for (line = strtok_r(out, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (str_starts_with(line, "write ") && !strstr(line, " devices.")) {
			str_add(&kept, line + strlen("write "));
			str_add_char(&kept, '\n');
		}
	}
	result = arena_strdup(&f->arena, kept.data ? kept.data : "");
	str_done(&kept);
	return result;
}

static struct spec_resources *resources(struct fixture *f)
{
	struct spec_resources *r = &f->spec.linux_.resources;

	memset(r, 0, sizeof(*r));
	r->given = true;
	return r;
}

/* ---- conversions ---- */

static void test_weights(void **state)
{
	(void)state;
	assert_int_equal(cgroup_weight_from_shares(0), 0);
	assert_int_equal(cgroup_weight_from_shares(1), 1);
	assert_int_equal(cgroup_weight_from_shares(2), 1);
	assert_int_equal(cgroup_weight_from_shares(3), 2);
	assert_int_equal(cgroup_weight_from_shares(512), 59);
	assert_int_equal(cgroup_weight_from_shares(1024), 100);
	assert_int_equal(cgroup_weight_from_shares(2048), 174);
	assert_int_equal(cgroup_weight_from_shares(262143), 10000);
	assert_int_equal(cgroup_weight_from_shares(262144), 10000);
	assert_int_equal(cgroup_weight_from_shares(UINT64_MAX), 10000);
	for (uint64_t s = 3; s < 262144; s += 7)
		assert_true(cgroup_weight_from_shares(s) >= cgroup_weight_from_shares(s - 1));

	assert_int_equal(cgroup_io_weight_from_blkio(0), 0);
	assert_int_equal(cgroup_io_weight_from_blkio(10), 1);
	assert_int_equal(cgroup_io_weight_from_blkio(500), 4950);
	assert_int_equal(cgroup_io_weight_from_blkio(1000), 10000);
}

/* ---- places ---- */

static void test_paths(void **state)
{
	static const struct {
		const char *path, *v1, *v2;
	} rows[] = {
		{ "/a/b", "/cg/cpu,cpuacct/a/b", "/cg/a/b" },
		{ "a/b", "/cg/cpu,cpuacct/own/a/b", "/cg/user/a/b" },
		{ NULL, "/cg/cpu,cpuacct/own/the-id", "/cg/user/the-id" },
		{ "", "/cg/cpu,cpuacct/own/the-id", "/cg/user/the-id" },
		{ "/../../a//./b/../c/", "/cg/cpu,cpuacct/a/c", "/cg/a/c" },
		{ "../../a", "/cg/cpu,cpuacct/own/a", "/cg/user/a" },
		{ "s:p:n", "/cg/cpu,cpuacct/own/s:p:n", "/cg/user/s:p:n" },
		{ "..x/y..", "/cg/cpu,cpuacct/own/..x/y..", "/cg/user/..x/y.." },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		f->spec.linux_.cgroups_path = rows[i].path;
		assert_int_equal(build(f, &host_v1), 0);
		assert_int_equal(f->plan->n_dirs, ARRAY_COUNT(v1_list));
		assert_string_equal(f->plan->dirs[0].path, rows[i].v1);
		assert_int_equal(build(f, &host_v2), 0);
		assert_string_equal(f->plan->dirs[0].path, rows[i].v2);
	}
	f->spec.linux_.cgroups_path = "x";
	assert_int_equal(build(f, &host_hybrid), 0);
	assert_string_equal(f->plan->dirs[2].path, "/cg/unified/user/x/x");
}

static void test_bad_paths(void **state)
{
	static const char *const rows[] = { "/", "/..", ".", "a/..", "a\nb", "a\\b" };
	struct fixture *f = *state;
	char *huge;

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		f->spec.linux_.cgroups_path = rows[i];
		assert_int_equal(build(f, &host_v1), -EINVAL);
		assert_true(str_starts_with(f->err.msg, "linux.cgroupsPath: "));
	}
	huge = arena_alloc(&f->arena, 5001);
	memset(huge, 'x', 5000);
	f->spec.linux_.cgroups_path = huge;
	assert_int_equal(build(f, &host_v2), -ENAMETOOLONG);
}

static void test_managers(void **state)
{
	struct fixture *f = *state;

	f->request.cgroup_manager = CGROUP_MANAGER_DISABLED;
	assert_int_equal(build(f, &host_v1), 0);
	assert_int_equal(f->plan->n_dirs, 0);
	assert_int_equal(f->plan->n_writes, 0);
	assert_false(f->plan->device_program);

	/* The plan is of what systemd said of itself. */
	f->request.cgroup_manager = CGROUP_MANAGER_SYSTEMD;
	f->spec.linux_.cgroups_path = "a.slice:p:n";
	assert_int_equal(build(f, &host_v2), -EINVAL);
}

static void test_tolerance(void **state)
{
	struct fixture *f = *state;
	struct host host = host_v2;

	assert_int_equal(build(f, &host), 0);
	assert_false(f->plan->tolerate_errors || f->plan->device_errors_ok);
	f->request.rootless_cgroup = true;
	assert_int_equal(build(f, &host), 0);
	assert_false(f->plan->tolerate_errors); /* a path was asked for */
	assert_true(f->plan->device_errors_ok);
	f->spec.linux_.cgroups_path = NULL;
	assert_int_equal(build(f, &host), 0);
	assert_true(f->plan->tolerate_errors);
	f->request.rootless_cgroup = false;
	host.in_user_ns = true;
	assert_int_equal(build(f, &host), 0);
	assert_false(f->plan->tolerate_errors);
	assert_true(f->plan->device_errors_ok);
}

static void test_delegate(void **state)
{
	struct spec_namespace ns = { CLONE_NEWCGROUP, "cgroup", NULL };
	struct spec_idmap map = { 0, 100000, 65536 };
	char *ro[] = { (char *)"nosuid", (char *)"ro", NULL };
	struct spec_mount mount = { .destination = "/sys/fs/cgroup", .source = "cgroup" };
	struct fixture *f = *state;

	f->spec.linux_.namespaces = &ns;
	f->spec.linux_.n_namespaces = 1;
	f->spec.mounts = &mount;
	f->spec.n_mounts = 1;
	f->spec.linux_.uid_maps = (struct spec_idmaps){ &map, 1 };
	f->spec.process.user.uid = 7;
	assert_int_equal(build(f, &host_v2), 0);
	assert_true(f->plan->delegate);
	assert_int_equal(f->plan->delegate_uid, 100007);
	assert_int_equal(build(f, &host_v1), 0);
	assert_false(f->plan->delegate);
	mount.options = (struct spec_strings){ ro, 2 };
	assert_int_equal(build(f, &host_v2), 0);
	assert_false(f->plan->delegate);
	mount.options.n = 1;
	ns.path = "/proc/1/ns/cgroup";
	assert_int_equal(build(f, &host_v2), 0);
	assert_false(f->plan->delegate);
	ns.path = NULL;
	f->spec.process.user.uid = 70000;
	assert_int_equal(build(f, &host_v2), 0);
	assert_false(f->plan->delegate); /* not mapped: nobody to give it to */
}

/* ---- limits ---- */

static void test_memory_v2(void **state)
{
	static const struct {
		int64_t limit, swap;
		const char *writes;
	} rows[] = {
		{ 1000, 0, "0 memory.max \"1000\" (linux.resources.memory.limit)\n" },
		{ 1000, 3000,
		  "0 memory.swap.max \"2000\" (linux.resources.memory.swap)\n"
		  "0 memory.max \"1000\" (linux.resources.memory.limit)\n" },
		{ 1000, 1000,
		  "0 memory.swap.max \"0\" optional (linux.resources.memory.swap)\n"
		  "0 memory.max \"1000\" (linux.resources.memory.limit)\n" },
		{ 1000, -1,
		  "0 memory.swap.max \"max\" optional (linux.resources.memory.swap)\n"
		  "0 memory.max \"1000\" (linux.resources.memory.limit)\n" },
		{ -1, 0,
		  "0 memory.swap.max \"max\" optional (linux.resources.memory.limit)\n"
		  "0 memory.max \"max\" (linux.resources.memory.limit)\n" },
		{ 0, -1, "0 memory.swap.max \"max\" optional (linux.resources.memory.swap)\n" },
		{ 0, 0, "" },
		{ 2000, 1000,
		  "linux.resources.memory.swap: memory+swap limit should be >= memory limit" },
		{ 0, 1000,
		  "linux.resources.memory.swap: unable to set swap limit without memory limit" },
		{ -1, 1000,
		  "linux.resources.memory.swap: unable to set swap limit without memory limit" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct spec_resources *r = resources(f);

		r->has_memory_limit = r->has_memory_swap = true;
		r->memory_limit = rows[i].limit;
		r->memory_swap = rows[i].swap;
		assert_string_equal(writes(f, &host_v2), rows[i].writes);
	}
}

static void test_memory_v1(void **state)
{
	struct fixture *f = *state;
	struct spec_resources *r = resources(f);

	r->has_memory_limit = r->has_memory_swap = r->has_memory_reservation = true;
	r->has_memory_swappiness = r->has_disable_oom_killer = r->disable_oom_killer = true;
	r->memory_limit = 1000;
	r->memory_swap = 2000;
	r->memory_reservation = 500;
	r->memory_swappiness = 0;
	r->check_before_update = true;
	assert_string_equal(
		writes(f, &host_v1),
		"1 memory.limit_in_bytes \"1000\" check-usage group=1 "
		"(linux.resources.memory.limit)\n"
		"1 memory.memsw.limit_in_bytes \"2000\" group=1 (linux.resources.memory.swap)\n"
		"1 memory.soft_limit_in_bytes \"500\" (linux.resources.memory.reservation)\n"
		"1 memory.swappiness \"0\" (linux.resources.memory.swappiness)\n"
		"1 memory.oom_control \"1\" (linux.resources.memory.disableOOMKiller)\n");

	r = resources(f);
	r->has_memory_limit = true;
	r->memory_limit = -1;
	assert_string_equal(writes(f, &host_v1),
			    "1 memory.limit_in_bytes \"-1\" group=1 "
			    "(linux.resources.memory.limit)\n"
			    "1 memory.memsw.limit_in_bytes \"-1\" optional group=1 "
			    "(linux.resources.memory.limit)\n");
}

static void test_v1_only(void **state)
{
	struct fixture *f = *state;
	struct spec_resources *r = resources(f);

	r->has_memory_swappiness = true;
	assert_string_equal(writes(f, &host_v2),
			    "linux.resources.memory.swappiness: not possible with cgroup v2");
	r->memory_swappiness = 101;
	assert_int_equal(build(f, &host_v1), -EINVAL);
	r = resources(f);
	r->has_disable_oom_killer = true;
	assert_string_equal(writes(f, &host_v2), ""); /* false is what v2 does */
	r->disable_oom_killer = true;
	assert_int_equal(build(f, &host_v2), -ENOTSUP);
	r = resources(f);
	r->has_cpu_rt_runtime = true;
	r->cpu_rt_runtime = 1000;
	assert_string_equal(writes(f, &host_v2),
			    "linux.resources.cpu.realtimeRuntime: not possible with cgroup v2");
	assert_string_equal(writes(f, &host_v1), "0 cpu.rt_runtime_us \"1000\" group=3 "
						 "(linux.resources.cpu.realtimeRuntime)\n");
}

static void test_cpu(void **state)
{
	struct fixture *f = *state;
	struct spec_resources *r = resources(f);

	r->has_cpu_shares = r->has_cpu_quota = r->has_cpu_period = true;
	r->has_cpu_burst = r->has_cpu_idle = true;
	r->cpu_shares = 1024;
	r->cpu_quota = 50000;
	r->cpu_period = 200000;
	r->cpu_burst = 100;
	r->cpu_idle = 0;
	r->cpus = "0-1";
	r->mems = "0";
	assert_string_equal(writes(f, &host_v1),
			    "0 cpu.shares \"1024\" group=4 (linux.resources.cpu.shares)\n"
			    "0 cpu.idle \"0\" group=4 (linux.resources.cpu.idle)\n"
			    "0 cpu.cfs_period_us \"200000\" group=2 (linux.resources.cpu.period)\n"
			    "0 cpu.cfs_quota_us \"50000\" group=2 (linux.resources.cpu.quota)\n"
			    "0 cpu.cfs_burst_us \"100\" group=2 (linux.resources.cpu.burst)\n"
			    "3 cpuset.cpus \"0-1\" (linux.resources.cpu.cpus)\n"
			    "3 cpuset.mems \"0\" (linux.resources.cpu.mems)\n");
	assert_string_equal(writes(f, &host_v2),
			    "0 cpu.weight \"100\" group=4 (linux.resources.cpu.shares)\n"
			    "0 cpu.idle \"0\" group=4 (linux.resources.cpu.idle)\n"
			    "0 cpu.max \"50000 200000\" group=2 (linux.resources.cpu.quota)\n"
			    "0 cpu.max.burst \"100\" group=2 (linux.resources.cpu.burst)\n"
			    "0 cpuset.cpus \"0-1\" (linux.resources.cpu.cpus)\n"
			    "0 cpuset.mems \"0\" (linux.resources.cpu.mems)\n");
	assert_string_equal(f->plan->v2_required, "cpu cpuset");

	r = resources(f);
	r->has_cpu_quota = true;
	r->cpu_quota = -1;
	assert_string_equal(writes(f, &host_v2),
			    "0 cpu.max \"max 100000\" group=2 (linux.resources.cpu.quota)\n");
	r = resources(f);
	r->has_cpu_shares = true; /* 0: Docker's "not given" */
	assert_string_equal(writes(f, &host_v1), "");
	r->cpu_shares = 1;
	assert_string_equal(writes(f, &host_v1), "linux.resources.cpu.shares: the minimum allowed "
						 "cpu-shares is 2");
	r->cpu_shares = 262145;
	assert_int_equal(build(f, &host_v1), -EINVAL);
	assert_int_equal(build(f, &host_v2), 0);
}

static void test_pids(void **state)
{
	static const struct {
		int64_t limit;
		const char *value;
	} rows[] = { { 100, "100" }, { -1, "max" }, { -5, "max" }, { 0, "1" } };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct spec_resources *r = resources(f);

		r->has_pids_limit = true;
		r->pids_limit = rows[i].limit;
		assert_string_equal(writes(f, &host_v2),
				    arena_printf(&f->arena,
						 "0 pids.max \"%s\" (linux.resources.pids.limit)\n",
						 rows[i].value));
	}
}

static void test_block(void **state)
{
	struct spec_throttle rbps[] = { { 8, 0, 100 }, { 8, 16, 200 } };
	struct spec_throttle wiops[] = { { 8, 16, 0 }, { 8, 32, 300 } };
	struct spec_weight_device weights[] = { { 8, 0, true, false, 500, 0 } };
	struct fixture *f = *state;
	struct spec_resources *r = resources(f);

	r->has_blkio_weight = true;
	r->blkio_weight = 1000;
	r->blkio_weight_devices = weights;
	r->n_blkio_weight_devices = 1;
	r->read_bps = (struct spec_throttles){ rbps, 2 };
	r->write_iops = (struct spec_throttles){ wiops, 2 };
	assert_string_equal(
		writes(f, &host_v2),
		"0 io.bfq.weight \"1000\" optional (linux.resources.blockIO.weight)\n"
		"0 io.weight \"10000\" alternative (linux.resources.blockIO.weight)\n"
		"0 io.bfq.weight \"8:0 500\" optional (linux.resources.blockIO.weightDevice[0])\n"
		"0 io.weight \"8:0 4950\" alternative (linux.resources.blockIO.weightDevice[0])\n"
		"0 io.max \"8:0 rbps=100\" (linux.resources.blockIO.throttleReadBpsDevice[0])\n"
		"0 io.max \"8:16 rbps=200 wiops=max\" "
		"(linux.resources.blockIO.throttleReadBpsDevice[1])\n"
		"0 io.max \"8:32 wiops=300\" "
		"(linux.resources.blockIO.throttleWriteIOPSDevice[1])\n");
	assert_string_equal(
		writes(f, &host_v1),
		"5 blkio.weight \"1000\" optional (linux.resources.blockIO.weight)\n"
		"5 blkio.bfq.weight \"1000\" alternative (linux.resources.blockIO.weight)\n"
		"5 blkio.weight_device \"8:0 500\" optional "
		"(linux.resources.blockIO.weightDevice[0])\n"
		"5 blkio.bfq.weight_device \"8:0 500\" alternative "
		"(linux.resources.blockIO.weightDevice[0])\n"
		"5 blkio.throttle.read_bps_device \"8:0 100\" "
		"(linux.resources.blockIO.throttleReadBpsDevice[0])\n"
		"5 blkio.throttle.read_bps_device \"8:16 200\" "
		"(linux.resources.blockIO.throttleReadBpsDevice[1])\n"
		"5 blkio.throttle.write_iops_device \"8:16 0\" "
		"(linux.resources.blockIO.throttleWriteIOPSDevice[0])\n"
		"5 blkio.throttle.write_iops_device \"8:32 300\" "
		"(linux.resources.blockIO.throttleWriteIOPSDevice[1])\n");
	weights[0].has_leaf_weight = true;
	weights[0].leaf_weight = 10;
	assert_int_equal(build(f, &host_v2), -ENOTSUP);
	assert_int_equal(build(f, &host_v1), 0);
}

static void test_small_ones(void **state)
{
	struct spec_hugepage page = { "2MB", 4096 };
	struct spec_net_priority prio = { "eth0", 5 };
	struct spec_rdma rdma[] = { { "mlx5_1", true, true, 3, 10000 },
				    { "mlx4_0", false, true, 0, 1 } };
	struct fixture *f = *state;
	struct spec_resources *r = resources(f);

	r->hugepages = &page;
	r->n_hugepages = 1;
	assert_string_equal(writes(f, &host_v2), "0 hugetlb.2MB.max \"4096\" "
						 "(linux.resources.hugepageLimits[0].limit)\n"
						 "0 hugetlb.2MB.rsvd.max \"4096\" optional "
						 "(linux.resources.hugepageLimits[0].limit)\n");
	/* Hybrid: the controller sits on the v2 hierarchy, the third one. */
	assert_string_equal(writes(f, &host_hybrid), "2 hugetlb.2MB.max \"4096\" "
						     "(linux.resources.hugepageLimits[0].limit)\n"
						     "2 hugetlb.2MB.rsvd.max \"4096\" optional "
						     "(linux.resources.hugepageLimits[0].limit)\n");
	assert_string_equal(f->plan->v2_required, "hugetlb");
	assert_string_equal(writes(f, &host_v1),
			    "6 hugetlb.2MB.limit_in_bytes \"4096\" "
			    "(linux.resources.hugepageLimits[0].limit)\n"
			    "6 hugetlb.2MB.rsvd.limit_in_bytes \"4096\" optional "
			    "(linux.resources.hugepageLimits[0].limit)\n");
	page.page_size = "../2MB";
	assert_int_equal(build(f, &host_v1), -EINVAL);

	r = resources(f);
	r->has_net_class_id = true;
	r->net_class_id = 1048577;
	r->net_priorities = &prio;
	r->n_net_priorities = 1;
	r->rdma = rdma;
	r->n_rdma = 2;
	assert_string_equal(writes(f, &host_v1),
			    "7 net_cls.classid \"1048577\" (linux.resources.network.classID)\n"
			    "7 net_prio.ifpriomap \"eth0 5\" "
			    "(linux.resources.network.priorities[0])\n"
			    "8 rdma.max \"mlx5_1 hca_handle=3 hca_object=10000\" "
			    "(linux.resources.rdma.mlx5_1)\n"
			    "8 rdma.max \"mlx4_0 hca_object=1\" (linux.resources.rdma.mlx4_0)\n");
	assert_string_equal(writes(f, &host_v2),
			    "linux.resources.network.classID: not possible with cgroup v2");
	assert_string_equal(writes(f, &host_hybrid),
			    "linux.resources.network.classID: controller \"net_cls\" is not "
			    "available");
}

static void test_unified(void **state)
{
	struct spec_pair pairs[] = { { "memory.high", "1000" },
				     { "io.max", "8:0 rbps=1\n8:16 rbps=2" },
				     { "cgroup.max.depth", "3" } };
	struct fixture *f = *state;
	struct spec_resources *r = resources(f);

	r->unified = (struct spec_map){ pairs, 3 };
	assert_string_equal(writes(f, &host_v2),
			    "0 memory.high \"1000\" (linux.resources.unified[\"memory.high\"])\n"
			    "0 io.max \"8:0 rbps=1\" (linux.resources.unified[\"io.max\"])\n"
			    "0 io.max \"8:16 rbps=2\" (linux.resources.unified[\"io.max\"])\n"
			    "0 cgroup.max.depth \"3\" "
			    "(linux.resources.unified[\"cgroup.max.depth\"])\n");
	assert_string_equal(f->plan->v2_required, "memory io");
	assert_int_equal(build(f, &host_v1), -ENOTSUP);
	assert_int_equal(build(f, &host_hybrid), -ENOTSUP);

	r->unified.n = 1;
	pairs[0].key = "misc.max";
	assert_string_equal(writes(f, &host_v2), "linux.resources.unified[\"misc.max\"]: "
						 "controller \"misc\" is not available");
	pairs[0].key = "a/../memory.max";
	assert_int_equal(build(f, &host_v2), -EINVAL);
	pairs[0].key = ".max";
	assert_int_equal(build(f, &host_v2), -EINVAL);
	pairs[0].key = "memory";
	assert_int_equal(build(f, &host_v2), -EINVAL);
	pairs[0].key = "hugetlb.2MB.max";
	assert_int_equal(build(f, &host_hybrid), 0);
}

static void test_not_available(void **state)
{
	struct host host = host_v2;
	struct fixture *f = *state;
	struct spec_resources *r = resources(f);

	host.v2_controllers = NULL;
	assert_int_equal(build(f, &host), 0);
	r->has_memory_reservation = true;
	r->memory_reservation = 1;
	assert_string_equal(writes(f, &host), "linux.resources.memory.reservation: controller "
					      "\"memory\" is not available");
	host = (struct host){ .layout = HOST_CGROUP_NONE };
	assert_int_equal(build(f, &host), -ENOENT);
	resources(f);
	assert_int_equal(build(f, &host), 0);
}

/* ---- devices ---- */

#define RULE(allow, type, major, minor, r, w, m)                                                   \
	{                                                                                          \
		allow, type, major, minor, r, w, m                                                 \
	}
#define DENY_ALL RULE(false, 'a', -1, -1, true, true, true)
#define ALLOW_ALL RULE(true, 'a', -1, -1, true, true, true)

/* The device writes on v1, without the eleven defaults if they follow as expected. */
static const char *devices(struct fixture *f, struct spec_device_rule *rules, size_t n)
{
	struct spec_resources *r = resources(f);
	struct str out = { 0 };
	const char *result;

	r->devices = rules;
	r->n_devices = n;
	if (build(f, &host_v1) < 0)
		return f->err.msg;
	for (size_t i = 0; i < f->plan->n_writes; i++) {
		const struct plan_cgroup_write *w = &f->plan->writes[i];

		if (str_eq(w->json_path, "default device rule")) {
			assert_true(w->may_refuse);
			str_add(&out, "+");
			continue;
		}
		str_addf(&out, "%s %s;", w->file + strlen("devices."), w->value);
	}
	result = arena_strdup(&f->arena, out.data);
	str_done(&out);
	return result;
}

static void test_devices_v1(void **state)
{
	static const struct {
		struct spec_device_rule rules[4];
		size_t n;
		const char *writes;
	} rows[] = {
		{ { DENY_ALL }, 0, "deny a;+++++++++++" },
		{ { DENY_ALL }, 1, "deny a;+++++++++++" },
		{ { DENY_ALL, RULE(true, 'c', 10, 229, true, true, false) },
		  2,
		  "deny a;allow c 10:229 rw;+++++++++++" },
		{ { ALLOW_ALL }, 1, "allow a;" },
		{ { ALLOW_ALL, RULE(false, 'b', 8, -1, false, true, false) },
		  2,
		  "allow a;deny b 8:* w;" },
		/* the defaults give c 1:3 back */
		{ { ALLOW_ALL, RULE(false, 'c', 1, 3, true, true, true) }, 2, "allow a;" },
		/* taken back exactly, and in part */
		{ { DENY_ALL, RULE(true, 'c', 9, 9, true, true, true),
		    RULE(false, 'c', 9, -1, true, false, true) },
		  3,
		  "deny a;allow c 9:9 w;+++++++++++" },
		{ { DENY_ALL, RULE(true, 'c', 9, -1, true, true, true),
		    RULE(false, 'c', 9, 9, true, false, false) },
		  3,
		  "linux.resources.devices[2]: cgroup v1 cannot make an exception inside the wider "
		  "rule before it" },
		/* no overlap: other access bits, other type */
		{ { DENY_ALL, RULE(true, 'c', 9, -1, true, false, false),
		    RULE(false, 'c', 9, 9, false, true, false),
		    RULE(false, 'b', 9, 9, true, true, true) },
		  4,
		  "deny a;allow c 9:* r;+++++++++++" },
		/* a later "all" forgets what was before */
		{ { RULE(true, 'c', 9, 9, true, true, true), DENY_ALL }, 2, "deny a;+++++++++++" },
		/* "all" with fewer access bits is not a reset */
		{ { ALLOW_ALL, RULE(false, 'a', -1, -1, false, true, false) },
		  2,
		  "default device rule: cgroup v1 cannot make an exception inside the wider rule "
		  "before it" },
		{ { DENY_ALL, RULE(true, 'a', -1, -1, true, false, false) },
		  2,
		  "deny a;allow b *:* r;allow c *:* r;+++++++++++" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct spec_device_rule rules[4];

		memcpy(rules, rows[i].rules, sizeof(rules));
		assert_string_equal(devices(f, rules, rows[i].n), rows[i].writes);
	}
}

static void test_devices_v2(void **state)
{
	struct spec_device_rule rules[] = { DENY_ALL, RULE(true, 'c', 9, -1, true, false, false) };
	struct host host = host_hybrid;
	struct fixture *f = *state;
	struct spec_resources *r = resources(f);

	r->devices = rules;
	r->n_devices = 2;
	assert_int_equal(build(f, &host_v2), 0);
	assert_true(f->plan->device_program);
	assert_int_equal(f->plan->n_device_rules, 13);
	str_reset(&f->text);
	plan_cgroup_print(f->plan, &f->text);
	assert_string_equal(f->text.data, "cgroup manager=cgroupfs layout=v2\n"
					  "dir 0 [] /cg/c\n"
					  "device deny a *:* rwm\n"
					  "device allow c 9:* r\n"
					  "device allow c *:* m\n"
					  "device allow b *:* m\n"
					  "device allow c 1:3 rwm\n"
					  "device allow c 1:8 rwm\n"
					  "device allow c 1:7 rwm\n"
					  "device allow c 5:0 rwm\n"
					  "device allow c 1:5 rwm\n"
					  "device allow c 1:9 rwm\n"
					  "device allow c 136:* rwm\n"
					  "device allow c 5:2 rwm\n"
					  "device allow c 10:200 rwm\n");
	/* Hybrid without the v1 controller: the program does it. */
	host.n_hierarchies = 1;
	host.hierarchies = &hybrid_list[2];
	assert_int_equal(build(f, &host), 0);
	assert_true(f->plan->device_program);
	host.hierarchies = &hybrid_list[0];
	assert_int_equal(build(f, &host), -ENOENT);
	rules[1].major = 1LL << 32;
	assert_int_equal(build(f, &host_v2), -ERANGE);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_weights),
		T(test_paths),
		T(test_bad_paths),
		T(test_managers),
		T(test_tolerance),
		T(test_delegate),
		T(test_memory_v2),
		T(test_memory_v1),
		T(test_v1_only),
		T(test_cpu),
		T(test_pids),
		T(test_block),
		T(test_small_ones),
		T(test_unified),
		T(test_not_available),
		T(test_devices_v1),
		T(test_devices_v2),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
