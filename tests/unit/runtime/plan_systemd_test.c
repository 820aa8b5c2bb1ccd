/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans for systemd: which unit and cgroup a cgroupsPath means, the properties that limits, devices
 * and annotations become, and the text form of values, which images may write.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/macros.h"
#include "runtime/plan_cgroup.h"

static struct host_hierarchy v1_list[] = {
	{ "cpu,cpuacct", "/cg/cpu", "/own", false },  { "memory", "/cg/memory", "/", false },
	{ "devices", "/cg/devices", "/", false },     { "pids", "/cg/pids", "/", false },
	{ "cpuset", "/cg/cpuset", "/", false },       { "blkio", "/cg/blkio", "/", false },
	{ "name=systemd", "/cg/systemd", "/", false }
};
static struct host_hierarchy v2_list[] = { { "", "/cg", "/user/login", true } };

struct fixture {
	struct arena arena;
	struct spec spec;
	struct spec_pair annotations[4];
	struct host_systemd facts;
	struct host v1, v2;
	struct plan_request request;
	struct plan_cgroup *plan;
	struct err err;
	struct str text;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->facts = (struct host_systemd){ "unix:path=/b", "", 252 };
	f->v1 = (struct host){ .layout = HOST_CGROUP_V1,
			       .hierarchies = v1_list,
			       .n_hierarchies = ARRAY_COUNT(v1_list),
			       .systemd = &f->facts };
	f->v2 = (struct host){ .layout = HOST_CGROUP_V2,
			       .hierarchies = v2_list,
			       .n_hierarchies = 1,
			       .v2_controllers = "cpuset cpu io memory hugetlb pids",
			       .systemd = &f->facts };
	f->spec.linux_.resources.given = true;
	f->spec.annotations.v = f->annotations;
	f->request.id = "the+id";
	f->request.cgroup_manager = CGROUP_MANAGER_SYSTEMD;
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
	memset(&f->err, 0, sizeof(f->err));
	f->plan = NULL;
	return plan_cgroup_build(&f->arena, &f->spec, host, &f->request, &f->plan, &f->err);
}

/* "dir unit slice" of a path, or the error. */
static const char *place(struct fixture *f, const char *path)
{
	f->spec.linux_.cgroups_path = (char *)path;
	if (build(f, &f->v2) < 0)
		return f->err.msg;
	return arena_printf(&f->arena, "%s %s %s", f->plan->dirs[0].path, f->plan->systemd->unit,
			    f->plan->systemd->slice);
}

/* The value of one property as "type text", "" if it is not set. */
static const char *property(struct fixture *f, const char *name)
{
	const struct plan_systemd *p = f->plan->systemd;
	const char *found = "";

	for (size_t i = 0; i < p->n_props; i++) {
		if (!str_eq(p->props[i].name, name))
			continue;
		assert_string_equal(found, ""); /* once */
		str_reset(&f->text);
		unit_value_signature(&p->props[i].value, &f->text);
		str_add_char(&f->text, ' ');
		unit_value_print(&p->props[i].value, &f->text);
		found = arena_strdup(&f->arena, f->text.data);
	}
	return found;
}

static struct spec_resources *resources(struct fixture *f)
{
	struct spec_resources *r = &f->spec.linux_.resources;

	memset(r, 0, sizeof(*r));
	r->given = true;
	return r;
}

static const char *with_unified(struct fixture *f, const char *key, const char *value,
				const char *name)
{
	struct spec_pair pair = { (char *)key, (char *)value };

	resources(f)->unified = (struct spec_map){ &pair, 1 };
	return build(f, &f->v2) < 0 ? f->err.msg : property(f, name);
}

static const char *with_annotation(struct fixture *f, const char *key, const char *value,
				   const char *name)
{
	f->annotations[0] = (struct spec_pair){ (char *)key, (char *)value };
	f->spec.annotations.n = 1;
	return build(f, &f->v2) < 0 ? f->err.msg : property(f, name);
}

/* ---- places ---- */

static void test_places(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(place(f, NULL),
			    "/cg/system.slice/thole-the\\x2bid.scope thole-the\\x2bid.scope "
			    "system.slice");
	assert_string_equal(place(f, ""), place(f, NULL));
	assert_string_equal(place(f, ":p:n"), "/cg/system.slice/p-n.scope p-n.scope system.slice");
	assert_string_equal(place(f, "a-b-c.slice:p:n"),
			    "/cg/a.slice/a-b.slice/a-b-c.slice/p-n.scope p-n.scope a-b-c.slice");
	assert_string_equal(place(f, "-.slice:p:n"), "/cg/p-n.scope p-n.scope -.slice");
	assert_string_equal(place(f, "a.slice::n"), "/cg/a.slice/-n.scope -n.scope a.slice");
	/* A slice is where its own name says. */
	assert_string_equal(place(f, "a.slice:p:b-c.slice"),
			    "/cg/b.slice/b-c.slice b-c.slice a.slice");

	f->facts.control_group = "/user.slice/user-7.slice/user@7.service";
	f->request.rootless_cgroup = true;
	assert_string_equal(place(f, "x.slice:p:n"), "/cg/user.slice/user-7.slice/user@7.service/"
						     "x.slice/p-n.scope p-n.scope x.slice");
	assert_string_equal(place(f, ":p:n"), "/cg/user.slice/user-7.slice/user@7.service/"
					      "user.slice/p-n.scope p-n.scope user.slice");
	assert_int_equal(build(f, &f->v1), -ENOTSUP);
}

/* crun's annotation: a cgroup below the unit's. */
static void test_subgroup(void **state)
{
	static const char *const bad[] = { ".", "..", "a/b", "/a", "../../x", "a\nb", "a\\x2f" };
	struct fixture *f = *state;

	f->annotations[0] = (struct spec_pair){ "run.oci.systemd.subgroup", "container" };
	f->spec.annotations.n = 1;
	assert_string_equal(place(f, ":p:n"),
			    "/cg/system.slice/p-n.scope/container p-n.scope system.slice");
	plan_systemd_print(f->plan->systemd, &f->text);
	assert_non_null(strstr(f->text.data, "unit p-n.scope slice=system.slice sub=/container\n"));
	/* Slices are not delegated, and on v1 a unit has one cgroup a hierarchy. */
	assert_string_equal(place(f, "a.slice:p:b-c.slice"),
			    "/cg/b.slice/b-c.slice b-c.slice a.slice");
	f->spec.linux_.cgroups_path = ":p:n";
	assert_int_equal(build(f, &f->v1), 0);
	assert_string_equal(f->plan->dirs[6].path, "/cg/systemd/system.slice/p-n.scope");
	f->annotations[0].value = "";
	assert_string_equal(place(f, ":p:n"), "/cg/system.slice/p-n.scope p-n.scope system.slice");
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		f->annotations[0].value = (char *)bad[i];
		assert_non_null(strstr(place(f, ":p:n"), "is no name of a cgroup"));
	}
}

static void test_bad_places(void **state)
{
	static const char *const slices[] = { "a--b.slice", "-a.slice", "a-.slice",
					      "a",          ".slice",   "a/b.slice" };
	static const char *const paths[] = { "/abs/path", "a.slice:p", "a.slice:p:n:m", "x",
					     "a.slice:p:" };
	static const char *const names[] = { "a.slice:p:n/../../x", "a.slice:p:n m", "a.slice:p:n+",
					     "a.slice:p:n\n", "a\xc3\xa4.slice:p:n" };
	char longest[400] = "a.slice:p:";
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_COUNT(slices); i++) {
		const char *msg = place(f, arena_printf(&f->arena, "%s:p:n", slices[i]));

		assert_string_equal(msg,
				    arena_printf(&f->arena, "invalid slice name: %s", slices[i]));
	}
	for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
		const char *msg = place(f, paths[i]);

		assert_non_null(strstr(msg, "expected cgroupsPath to be of format "
					    "\"slice:prefix:name\" for systemd cgroups, got \""));
		assert_int_equal(f->err.code, EINVAL);
	}
	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		assert_non_null(strstr(place(f, names[i]), "cannot be the name of a systemd unit"));
	memset(longest + strlen(longest), 'x', 300);
	assert_non_null(strstr(place(f, longest), "at most 255 bytes"));
}

/* ---- properties ---- */

static const char default_plan[] =
	"unit p-n.scope slice=a.slice\n"
	"property Description s \"thole container the+id\"\n"
	"property Slice s \"a.slice\"\n"
	"property Delegate b true\n"
	"property MemoryAccounting b true\n"
	"property CPUAccounting b true\n"
	"property IOAccounting b true\n"
	"property TasksAccounting b true\n"
	"property DefaultDependencies b false\n"
	"property DevicePolicy s \"strict\"\n"
	"property DeviceAllow a(ss) [(\"char-*\", \"m\"), (\"block-*\", \"m\"), "
	"(\"/dev/char/1:3\", \"rwm\"), (\"/dev/char/1:8\", \"rwm\"), (\"/dev/char/1:7\", \"rwm\"), "
	"(\"/dev/char/5:0\", \"rwm\"), (\"/dev/char/1:5\", \"rwm\"), (\"/dev/char/1:9\", \"rwm\"), "
	"(\"char-136\", \"rwm\"), (\"/dev/char/5:2\", \"rwm\"), (\"/dev/char/10:200\", \"rwm\")]\n";

static void test_default(void **state)
{
	struct fixture *f = *state;

	f->spec.linux_.cgroups_path = (char *)"a.slice:p:n";
	assert_int_equal(build(f, &f->v2), 0);
	plan_systemd_print(f->plan->systemd, &f->text);
	assert_string_equal(f->text.data, default_plan);

	/* A slice has no processes of its own and cannot be delegated. */
	f->spec.linux_.cgroups_path = (char *)"a.slice:p:b.slice";
	assert_int_equal(build(f, &f->v2), 0);
	assert_string_equal(property(f, "Delegate"), "");
	assert_string_equal(property(f, "Slice"), "");
	assert_string_equal(property(f, "Wants"), "as [\"a.slice\"]");

	/* A user's manager cannot set device rules. */
	f->request.rootless_cgroup = true;
	assert_int_equal(build(f, &f->v2), 0);
	assert_string_equal(property(f, "DevicePolicy"), "");
}

static void test_limits_v2(void **state)
{
	struct fixture *f = *state;
	struct spec_resources *r = resources(f);
	struct spec_throttle throttle = { .major = 8, .minor = 16, .rate = 4096 };
	struct spec_weight_device weight = {
		.major = 8, .minor = 0, .has_weight = true, .weight = 500
	};

	r->has_memory_limit = r->has_memory_swap = r->has_memory_reservation = true;
	r->memory_limit = 1 << 20;
	r->memory_swap = 3 << 20;
	r->memory_reservation = 4096;
	r->has_cpu_shares = r->has_cpu_quota = r->has_cpu_period = r->has_pids_limit = true;
	r->cpu_shares = 512;
	r->cpu_quota = 12345;
	r->cpu_period = 50000;
	r->pids_limit = 7;
	r->cpus = (char *)"0-2,9";
	r->mems = (char *)"0";
	r->has_blkio_weight = true;
	r->blkio_weight = 500;
	r->blkio_weight_devices = &weight;
	r->n_blkio_weight_devices = 1;
	r->read_bps = (struct spec_throttles){ &throttle, 1 };
	assert_int_equal(build(f, &f->v2), 0);
	assert_string_equal(property(f, "MemoryMax"), "t 1048576");
	assert_string_equal(property(f, "MemorySwapMax"), "t 2097152");
	assert_string_equal(property(f, "MemoryLow"), "t 4096");
	assert_string_equal(property(f, "CPUWeight"), "t 59");
	/* 24.69 % and no less. */
	assert_string_equal(property(f, "CPUQuotaPerSecUSec"), "t 250000");
	assert_string_equal(property(f, "CPUQuotaPeriodUSec"), "t 50000");
	assert_string_equal(property(f, "TasksMax"), "t 7");
	assert_string_equal(property(f, "AllowedCPUs"), "ay [7, 2]");
	assert_string_equal(property(f, "AllowedMemoryNodes"), "ay [1]");
	assert_string_equal(property(f, "IOWeight"), "t 4950");
	assert_string_equal(property(f, "IODeviceWeight"), "a(st) [(\"/dev/block/8:0\", 4950)]");
	assert_string_equal(property(f, "IOReadBandwidthMax"),
			    "a(st) [(\"/dev/block/8:16\", 4096)]");

	/* An old systemd is told what it knows. */
	f->facts.version = 239;
	assert_int_equal(build(f, &f->v2), 0);
	assert_string_equal(property(f, "AllowedCPUs"), "");
	assert_string_equal(property(f, "CPUQuotaPeriodUSec"), "");
	assert_string_equal(property(f, "CPUQuotaPerSecUSec"), "t 250000");

	r = resources(f);
	r->has_memory_limit = r->has_cpu_quota = r->has_pids_limit = true;
	r->memory_limit = r->cpu_quota = r->pids_limit = -1;
	assert_int_equal(build(f, &f->v2), 0);
	assert_string_equal(property(f, "MemoryMax"), "t 18446744073709551615");
	assert_string_equal(property(f, "TasksMax"), "t 18446744073709551615");
	assert_string_equal(property(f, "CPUQuotaPerSecUSec"), "t 18446744073709551615");
	r->cpu_quota = INT64_MAX;
	assert_int_equal(build(f, &f->v2), 0);
	assert_string_equal(property(f, "CPUQuotaPerSecUSec"), "t 18446744073709551615");
}

static void test_limits_v1(void **state)
{
	struct fixture *f = *state;
	struct spec_resources *r = resources(f);
	struct spec_throttle throttle = { .major = 8, .minor = 16, .rate = 0 };

	r->has_memory_limit = r->has_cpu_shares = r->has_cpu_quota = r->has_pids_limit = true;
	r->memory_limit = 1 << 20;
	r->cpu_shares = 512;
	r->cpu_quota = 50000;
	r->pids_limit = 0;
	r->write_bps = (struct spec_throttles){ &throttle, 1 };
	r->has_blkio_weight = true;
	r->blkio_weight = 500;
	assert_int_equal(build(f, &f->v1), 0);
	assert_string_equal(property(f, "MemoryLimit"), "t 1048576");
	assert_string_equal(property(f, "MemoryMax"), "");
	assert_string_equal(property(f, "CPUShares"), "t 512");
	assert_string_equal(property(f, "CPUQuotaPerSecUSec"), "t 500000");
	assert_string_equal(property(f, "TasksMax"), "t 1");
	assert_string_equal(property(f, "BlockIOWeight"), "t 500");
	assert_string_equal(property(f, "BlockIOWriteBandwidth"),
			    "a(st) [(\"/dev/block/8:16\", 18446744073709551615)]");
	assert_string_equal(property(f, "BlockIOAccounting"), "b true");
	assert_string_equal(f->plan->dirs[6].path,
			    "/cg/systemd/system.slice/thole-the\\x2bid.scope");
}

static void test_unified(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(with_unified(f, "memory.high", "64M", "MemoryHigh"), "t 67108864");
	assert_string_equal(with_unified(f, "memory.min", "max", "MemoryMin"),
			    "t 18446744073709551615");
	assert_string_equal(with_unified(f, "cpu.weight", "77", "CPUWeight"), "t 77");
	assert_string_equal(with_unified(f, "cpu.idle", "1", "CPUWeight"), "t 0");
	assert_string_equal(with_unified(f, "cpu.max", "max", "CPUQuotaPerSecUSec"),
			    "t 18446744073709551615");
	assert_string_equal(with_unified(f, "cpu.max", "20000 40000", "CPUQuotaPerSecUSec"),
			    "t 500000");
	assert_string_equal(with_unified(f, "cpuset.cpus", "3", "AllowedCPUs"), "ay [8]");
	assert_string_equal(with_unified(f, "io.max", "8:0 rbps=max wiops=9", "IOWriteIOPSMax"),
			    "a(st) [(\"/dev/block/8:0\", 9)]");
	assert_string_equal(with_unified(f, "io.weight", "default 55", "IOWeight"), "t 55");
	assert_string_equal(with_unified(f, "memory.oom.group", "1", "OOMPolicy"), "");
	f->facts.version = 253;
	assert_string_equal(with_unified(f, "memory.oom.group", "1", "OOMPolicy"), "s \"kill\"");
	/* What systemd does not know stays ours alone. */
	assert_string_equal(with_unified(f, "hugetlb.2MB.max", "0", "TasksMax"), "");
}

static void test_bad_unified(void **state)
{
	static const struct {
		const char *key, *value;
	} bad[] = {
		{ "memory.max", "" },        { "memory.max", "1X" },
		{ "memory.max", "16E" },     { "memory.max", "1KK" },
		{ "cpu.weight", "0" },       { "cpu.max", "1 2 3" },
		{ "cpu.max", "x" },          { "cpuset.cpus", "0-" },
		{ "cpuset.cpus", "9-1" },    { "cpuset.cpus", "99999999" },
		{ "cpuset.cpus", "0,,1" },   { "io.max", "8:0" },
		{ "io.max", "../x rbps=1" }, { "io.max", "8:0 foo=1" },
		{ "io.weight", "x" },        { "pids.max", "-5" },
		{ "io.max", "8:1a rbps=1" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		const char *msg = with_unified(f, bad[i].key, bad[i].value, "none");

		if (!strstr(msg, "systemd cannot be told the value"))
			fail_msg("%s=%s: \"%s\"", bad[i].key, bad[i].value, msg);
		assert_non_null(strstr(msg, bad[i].key));
	}
}

static void test_update(void **state)
{
	struct fixture *f = *state;
	struct plan_systemd unit = { .unit = "u.scope" };
	struct spec_resources *r = resources(f);
	struct spec_pair pair = { (char *)"memory.oom.group", (char *)"1" };

	assert_int_equal(build(f, &f->v2), 0);
	r->has_memory_limit = true;
	r->memory_limit = 1 << 20;
	r->unified = (struct spec_map){ &pair, 1 };
	f->plan->systemd = &unit;
	assert_int_equal(plan_cgroup_resources(&f->arena, r, f->plan, &f->err), 0);
	assert_int_equal(plan_systemd_resources(&f->arena, 255, false, f->plan, &f->err), 0);
	assert_int_equal(unit.n_props, 1); /* no more than what changes, and no OOMPolicy */
	assert_string_equal(property(f, "MemoryMax"), "t 1048576");
}

/* ---- devices ---- */

static void test_devices(void **state)
{
	struct spec_device_rule rules[] = { { false, 'a', -1, -1, true, true, true },
					    { true, 'b', 8, -1, true, true, false },
					    { true, 'c', -1, 3, true, false, false },
					    { true, 'a', 7, 7, true, false, false },
					    { false, 'b', 8, -1, false, true, false } };
	struct fixture *f = *state;
	struct spec_resources *r = resources(f);
	const char *allow;

	r->devices = rules;
	r->n_devices = ARRAY_COUNT(rules);
	assert_int_equal(build(f, &f->v2), 0);
	allow = property(f, "DeviceAllow");
	assert_non_null(strstr(allow, "[(\"block-8\", \"r\"), (\"char-*\", \"r\"), "
				      "(\"/dev/block/7:7\", \"r\"), (\"/dev/char/7:7\", \"r\"), "));
	/* A hole that a list cannot have is left to the program on the cgroup. */
	rules[4].minor = 1;
	assert_int_equal(build(f, &f->v2), 0);
	assert_non_null(strstr(property(f, "DeviceAllow"), "[(\"block-8\", \"rw\"), "));
	assert_true(f->plan->device_program);

	rules[0].allow = true;
	r->n_devices = 1;
	assert_int_equal(build(f, &f->v2), 0);
	assert_string_equal(property(f, "DevicePolicy"), "s \"auto\"");
	assert_string_equal(property(f, "DeviceAllow"), "a(ss) []");
}

/* ---- annotations ---- */

static void test_annotations(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(
		with_annotation(f, "org.systemd.property.CollectMode", "'inactive'", "CollectMode"),
		"s \"inactive\"");
	assert_string_equal(
		with_annotation(f, "org.systemd.property.After", "['a.service']", "After"),
		"as [\"a.service\"]");
	assert_string_equal(
		with_annotation(f, "org.systemd.property.TimeoutStopSec", "5", "TimeoutStopUSec"),
		"t 5000000");
	assert_string_equal(
		with_annotation(f, "org.systemd.property.TimeoutStopSec", "0.3", "TimeoutStopUSec"),
		"t 300000");
	assert_string_equal(with_annotation(f, "org.systemd.property.TimeoutStopUSec",
					    "uint64 123456789", "TimeoutStopUSec"),
			    "t 123456789");
	/* Ours win over what an image says. */
	assert_string_equal(
		with_annotation(f, "org.systemd.property.DevicePolicy", "'auto'", "DevicePolicy"),
		"s \"strict\"");
	assert_string_not_equal(with_annotation(f, "org.systemd.property.DeviceAllow",
						"[('/dev/sda','rwm')]", "DeviceAllow"),
				"");
	assert_null(strstr(property(f, "DeviceAllow"), "sda"));
	assert_string_equal(with_annotation(f, "org.systemd.other", "(", "Description"),
			    "s \"thole container the+id\"");
}

static void test_bad_annotations(void **state)
{
	static const struct {
		const char *name, *value, *text;
	} bad[] = {
		{ "ab", "true", "no name of a property" },
		{ "A_B_C", "true", "no name of a property" },
		{ "PIDs", "[uint32 1]", "the property is the runtime's" },
		{ "Slice", "'-.slice'", "the property is the runtime's" },
		{ "Delegate", "false", "the property is the runtime's" },
		{ "TimeoutStopSec", "-1", "out of range" },
		{ "TimeoutStopSec", "uint64 18446744073709551615", "out of range" },
		{ "TimeoutStopSec", "1e300", "out of range" },
		{ "TimeoutStopSec", "'5s'", "no number" },
		{ "CollectMode", "inactive", "no number" },
		{ "CollectMode", "", "no value" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		const char *key = arena_printf(&f->arena, "org.systemd.property.%s", bad[i].name);
		const char *msg = with_annotation(f, key, bad[i].value, "none");

		if (!strstr(msg, bad[i].text) || !strstr(msg, key))
			fail_msg("%s=%s: \"%s\"", key, bad[i].value, msg);
	}
}

/* ---- values ---- */

static const char *value(struct fixture *f, const char *text)
{
	struct unit_value v;

	memset(&f->err, 0, sizeof(f->err));
	if (unit_value_parse(&f->arena, text, &v, &f->err) < 0)
		return "";
	str_reset(&f->text);
	unit_value_signature(&v, &f->text);
	str_add_char(&f->text, ' ');
	unit_value_print(&v, &f->text);
	return f->text.data;
}

static void test_values(void **state)
{
	static const struct {
		const char *text, *value;
	} good[] = {
		{ "true", "b true" },
		{ " false\n", "b false" },
		{ "boolean true", "b true" },
		{ "5", "i 5" },
		{ "-2147483648", "i -2147483648" },
		{ "0xff", "i 255" },
		{ "uint64 5", "t 5" },
		{ "uint64 18446744073709551615", "t 18446744073709551615" },
		{ "int64 -9223372036854775808", "x -9223372036854775808" },
		{ "byte 0xff", "y 255" },
		{ "int16 -1", "n -1" },
		{ "1.5", "d 1.5" },
		{ "-1e2", "d -100" },
		{ "double 2", "d 2" },
		{ "'a b'", "s \"a b\"" },
		{ "\"it's\"", "s \"it's\"" },
		{ "'\\u00e4\\U0001f600\\n\\''", "s \"\xc3\xa4\xf0\x9f\x98\x80\\n'\"" },
		{ "objectpath '/a'", "o \"/a\"" },
		{ "['a', 'b']", "as [\"a\", \"b\"]" },
		{ "@as []", "as []" },
		{ "@a(ss) [('a','b')]", "a(ss) [(\"a\", \"b\")]" },
		{ "[uint64 1, 2]", "at [1, 2]" },
		{ "[[1], [2, 3]]", "aai [[1], [2, 3]]" },
		{ "(true, 'x', uint64 3)", "(bst) (true, \"x\", 3)" },
		{ "(1,)", "(i) (1)" },
		{ "@at [1, 2]", "at [1, 2]" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_COUNT(good); i++)
		if (!str_eq(value(f, good[i].text), good[i].value))
			fail_msg("%s: \"%s\" %s", good[i].text, f->text.data, f->err.msg);
}

static void test_bad_values(void **state)
{
	static const char *const bad[] = {
		"",
		"x",
		"truex",
		"tru",
		"1 2",
		"2147483648",
		"byte 256",
		"uint64 -1",
		"010",
		"0x",
		"1.2.3",
		"1e999",
		"'a",
		"'a\\",
		"'\\x41'",
		"'\\u0000'",
		"'\\ud800'",
		"'\\u12'",
		"'\xff'",
		"'a' 'b'",
		"[]",
		"[1",
		"[1,]",
		"[1 2]",
		"[1, 'a']",
		"@as ['a',1]",
		"@a [1]",
		"@z 1",
		"{'a': 1}",
		"<1>",
		"b'abc'",
		"()",
		"(1",
		"(1,2,)",
		"@(ss) ('a',)",
		"@(s) ('a','b')",
		"@ax 'a'",
		"boolean 1",
		"uint64 'a'",
		"string 5",
		"[[[[[[[[[1]]]]]]]]]",
		"@aaaaaaaaaas []",
		"nan",
		"inf",
		"1e",
		".",
		"-",
		"@(",
		"uint64",
		"string",
	};
	struct fixture *f = *state;
	CLEANUP_STR struct str many = { 0 };

	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		if (*value(f, bad[i]))
			fail_msg("%s: \"%s\"", bad[i], f->text.data);
	str_add(&many, "[1");
	for (int i = 0; i < 1100; i++)
		str_add(&many, ",1");
	str_add(&many, "]");
	assert_string_equal(value(f, many.data), "");
	assert_non_null(strstr(f->err.msg, "too many items"));
	for (int i = 0; i < 70000; i++)
		str_add_char(&many, ' ');
	assert_string_equal(value(f, many.data), "");
	assert_int_equal(f->err.code, E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_places, setup, teardown),
		cmocka_unit_test_setup_teardown(test_subgroup, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_places, setup, teardown),
		cmocka_unit_test_setup_teardown(test_default, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits_v2, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits_v1, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unified, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_unified, setup, teardown),
		cmocka_unit_test_setup_teardown(test_update, setup, teardown),
		cmocka_unit_test_setup_teardown(test_devices, setup, teardown),
		cmocka_unit_test_setup_teardown(test_annotations, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_annotations, setup, teardown),
		cmocka_unit_test_setup_teardown(test_values, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_values, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
