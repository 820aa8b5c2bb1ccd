/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/common/tmpdir.h"

#include <errno.h>

#include "runtime/explain.h"
#include "spec/spec_walk.h"

/* Hierarchies that no file system has: nobody can tell which files the kernel has there. */
static struct host_hierarchy v1_hierarchies[] = {
	{ .name = "memory", .mount_point = "/nonexistent/memory", .own_path = "/" },
	{ .name = "cpu,cpuacct", .mount_point = "/nonexistent/cpu", .own_path = "/" },
	{ .name = "devices", .mount_point = "/nonexistent/devices", .own_path = "/" },
};
static struct host_hierarchy v2_hierarchies[] = {
	{ .name = "", .mount_point = "/nonexistent", .own_path = "/", .v2 = true },
};
static const struct host v1 = {
	.last_cap = 40,
	.own_caps = ~UINT64_C(0),
	.layout = HOST_CGROUP_V1,
	.hierarchies = v1_hierarchies,
	.n_hierarchies = ARRAY_COUNT(v1_hierarchies),
};
static const struct host v2 = {
	.last_cap = 40,
	.own_caps = ~UINT64_C(0),
	.layout = HOST_CGROUP_V2,
	.hierarchies = v2_hierarchies,
	.n_hierarchies = ARRAY_COUNT(v2_hierarchies),
	.v2_controllers = "cpu io memory pids",
};

/* What every case begins with; the rest of its text closes the object. */
#define HEAD                                                                                       \
	"{\"ociVersion\": \"1.3.0\", \"root\": {\"path\": \"/tmp\"}, "                             \
	"\"process\": {\"args\": [\"x\"], \"cwd\": \"/\"}, "
#define LINUX HEAD "\"linux\": {\"namespaces\": [{\"type\": \"mount\"}], "

static void explain_text(struct arena *arena, const struct host *host, const char *text,
			 struct explain *e)
{
	static const struct plan_request request = {
		.id = "a",
		.bundle = "/",
		.state_dir = "/nonexistent/a",
	};
	struct explain_input in = { .host = host, .request = &request };
	struct err err = { 0 };

	if (json_parse(arena, text, strlen(text), &in.config, &err) < 0 ||
	    explain_config(arena, &in, e, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
}

static const struct explain_row *row_of(const struct explain *e, const char *path)
{
	for (size_t i = 0; i < e->n_rows; i++)
		if (str_eq(e->rows[i].path, path))
			return &e->rows[i];
	return NULL;
}

static const struct {
	const struct host *host;
	const char *text, *path;
	enum explain_status status;
	const char *reason; /* contained; "" : none */
} cases[] = {
	{ &v1, HEAD "\"hostnam\": \"x\"}", "hostnam", EXPLAIN_IGNORED, "no property" },
	{ &v1, HEAD "\"windows\": {\"a\": 1}}", "windows", EXPLAIN_IGNORED, "another platform" },
	{ &v1, HEAD "\"hostname\": \"a\"}", "hostname", EXPLAIN_INVALID, "private UTS" },
	{ &v1, HEAD "\"annotations\": {\"a.b\": \"c\"}}", "annotations[\"a.b\"]", EXPLAIN_APPLIED,
	  "state" },
	{ &v1, HEAD "\"hooks\": {\"prestart\": [{\"path\": \"/nonexistent\"}]}}",
	  "hooks.prestart[0].path", EXPLAIN_UNSUPPORTED, "no such file" },
	{ &v1, HEAD "\"hooks\": {\"startContainer\": [{\"path\": \"/nonexistent\"}]}}",
	  "hooks.startContainer[0].path", EXPLAIN_APPLIED, "in the container" },
	/* Refused by the readers, by the rules between fields, by the plan. */
	{ &v1, LINUX "\"rootfsPropagation\": \"x\"}}", "linux.rootfsPropagation", EXPLAIN_INVALID,
	  "unknown \"x\"" },
	{ &v1, LINUX "\"uidMappings\": [{\"containerID\": 0, \"hostID\": 0, \"size\": 1}]}}",
	  "linux.uidMappings", EXPLAIN_INVALID, "without a user namespace" },
	{ &v1, LINUX "\"resources\": {\"rdma\": {\"m\": {\"hcaHandles\": 1}}}}}",
	  "linux.resources.rdma[\"m\"].hcaHandles", EXPLAIN_UNSUPPORTED,
	  "\"rdma\" is not available" },
	{ &v1, LINUX "\"sysctl\": {\"kernel.panic\": \"1\"}}}", "linux.sysctl[\"kernel.panic\"]",
	  EXPLAIN_INVALID, "not in a separate" },
	/* Demanded: a row of its own. */
	{ &v1, "{\"ociVersion\": \"1.0.0\"}", "root", EXPLAIN_INVALID, "required but missing" },
	{ &v1, "{\"ociVersion\": \"1.0.0\"}", "process", EXPLAIN_INVALID, "must not be empty" },
	{ &v1, LINUX "\"namespaces2\": 1}}", "linux.namespaces2", EXPLAIN_IGNORED, "no property" },
	/* Warned of. */
	{ &v1, LINUX "\"resources\": {\"memory\": {\"useHierarchy\": false}}}}",
	  "linux.resources.memory.useHierarchy", EXPLAIN_IGNORED, "hierarchically" },
	{ &v1, LINUX "\"resources\": {\"memory\": {\"kernelTCP\": 4096}}}}",
	  "linux.resources.memory.kernelTCP", EXPLAIN_IGNORED, "no such limit" },
	/* Cgroups: what is written, as it is or converted. */
	{ &v1, LINUX "\"resources\": {\"cpu\": {\"shares\": 512}}}}", "linux.resources.cpu.shares",
	  EXPLAIN_APPLIED, "cpu.shares: 512" },
	{ &v2, LINUX "\"resources\": {\"cpu\": {\"shares\": 512}}}}", "linux.resources.cpu.shares",
	  EXPLAIN_EMULATED, "cpu.weight: " },
	{ &v2, LINUX "\"resources\": {\"cpu\": {\"quota\": 5000}}}}", "linux.resources.cpu.quota",
	  EXPLAIN_APPLIED, "cpu.max: 5000 100000" },
	{ &v2, LINUX "\"resources\": {\"memory\": {\"limit\": 100000, \"swap\": 300000}}}}",
	  "linux.resources.memory.swap", EXPLAIN_EMULATED, "memory.swap.max: 200000" },
	{ &v2, LINUX "\"resources\": {\"memory\": {\"limit\": -1}}}}",
	  "linux.resources.memory.limit", EXPLAIN_APPLIED, "memory.max: max" },
	{ &v2, LINUX "\"resources\": {\"memory\": {\"swappiness\": 3}}}}",
	  "linux.resources.memory.swappiness", EXPLAIN_UNSUPPORTED, "not possible with cgroup v2" },
	{ &v2, LINUX "\"resources\": {\"unified\": {\"memory.high\": \"1\"}}}}",
	  "linux.resources.unified[\"memory.high\"]", EXPLAIN_APPLIED, "memory.high: 1" },
	{ &v2, LINUX "\"resources\": {\"cpu\": {\"cpus\": \"0\"}}}}", "linux.resources.cpu.cpus",
	  EXPLAIN_UNSUPPORTED, "\"cpuset\" is not available" },
	{ &v2, LINUX "\"resources\": {\"devices\": [{\"allow\": false}]}}}",
	  "linux.resources.devices[0].allow", EXPLAIN_EMULATED, "device program" },
	{ &v2, LINUX "\"resources\": {\"memory\": {}}}}", "linux.resources.memory", EXPLAIN_APPLIED,
	  "" },
};

static void test_fields(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		CLEANUP_ARENA struct arena arena = { 0 };
		const struct explain_row *row;
		struct explain e;

		explain_text(&arena, cases[i].host, cases[i].text, &e);
		row = row_of(&e, cases[i].path);
		if (!row)
			fail_msg("%s: no row %s", cases[i].text, cases[i].path);
		if (row->status != cases[i].status || !strstr(row->reason, cases[i].reason))
			fail_msg("%s: %s (%s), expected %s (%s)", row->path,
				 explain_status_name(row->status), row->reason,
				 explain_status_name(cases[i].status), cases[i].reason);
		if (row->status == EXPLAIN_INVALID || row->status == EXPLAIN_UNSUPPORTED)
			assert_false(e.supported);
	}
}

static void test_every_refusal_is_found(void **state)
{
	static const char *const refused[] = {
		"process.user.uid",      "process.rlimits[0].type",  "process.rlimits[2].type",
		"process.args",          "linux.namespaces[1].type", "linux.resources.memory.swap",
		"mounts[1].destination",
	};
	CLEANUP_ARENA struct arena arena = { 0 };
	struct explain e;
	size_t n = 0;

	(void)state;
	explain_text(&arena, &v1,
		     "{\"ociVersion\": \"1.3.0\", \"root\": {\"path\": \"/tmp\"}, \"process\": {"
		     "\"user\": {\"uid\": -1, \"gid\": 0}, \"args\": [], \"cwd\": \"/\", "
		     "\"rlimits\": [{\"type\": \"X\", \"soft\": 1, \"hard\": 1}, "
		     "{\"type\": \"RLIMIT_AS\", \"soft\": 1, \"hard\": 1}, "
		     "{\"type\": \"RLIMIT_AS\", \"soft\": 1, \"hard\": 1}]}, "
		     "\"mounts\": [{\"destination\": \"/a\", \"type\": \"tmpfs\"}, "
		     "{\"destination\": 1}], "
		     "\"linux\": {\"namespaces\": [{\"type\": \"mount\"}, {\"type\": \"x\"}], "
		     "\"resources\": {\"memory\": {\"swap\": 5, \"limit\": 100000}}}}",
		     &e);
	for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
		const struct explain_row *row = row_of(&e, refused[i]);

		assert_non_null(row);
		if (!explain_is_refused(row))
			fail_msg("%s: %s", refused[i], explain_status_name(row->status));
	}
	for (size_t i = 0; i < e.n_rows; i++)
		n += explain_is_refused(&e.rows[i]);
	assert_int_equal(n, ARRAY_COUNT(refused));
	/* In spite of them the others were judged: there is a plan. */
	assert_non_null(e.plan);
}

struct schema {
	const char *pattern;
	bool found;
	size_t n;
};

static void look(void *user, const struct spec_visit *visit)
{
	struct schema *s = user;

	s->n++;
	assert_true(visit->known);
	s->found = s->found || (s->pattern && explain_matches(s->pattern, visit->pattern));
}

/* A rule for a field that the tables do not have would be a list of its own. */
static void test_rules_are_about_fields(void **state)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	struct schema all = { 0 };

	(void)state;
	spec_walk_schema(&arena, look, &all);
	assert_true(all.n > 150);
	for (size_t i = 0; explain_rule_pattern(i); i++) {
		struct schema s = { .pattern = explain_rule_pattern(i) };

		spec_walk_schema(&arena, look, &s);
		if (!s.found)
			fail_msg("no field is \"%s\"", s.pattern);
	}
}

static void test_patterns(void **state)
{
	(void)state;
	assert_true(explain_matches("hooks.*[].path", "hooks.poststop[].path"));
	assert_true(explain_matches("a.*.*", "a.b.c"));
	assert_false(explain_matches("a.*", "a.b.c"));
	assert_false(explain_matches("a.b", "a.bc"));
	assert_false(explain_matches("a.b", "a"));
}

static void test_not_an_object(void **state)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	struct plan_request request = { .id = "a", .bundle = "/", .state_dir = "/n/a" };
	struct explain_input in = { .host = &v1, .request = &request };
	struct err err = { 0 };
	struct explain e;

	(void)state;
	assert_int_equal(json_parse(&arena, "[1]", 3, &in.config, &err), 0);
	assert_int_equal(explain_config(&arena, &in, &e, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "must be an object, not array"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_every_refusal_is_found),
		cmocka_unit_test(test_rules_are_about_fields),
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_not_an_object),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
