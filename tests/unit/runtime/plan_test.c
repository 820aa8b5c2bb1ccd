/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Golden plans: golden/NAME.json in, golden/NAME.plan out, so that a change of behaviour is reviewed
 * as text. GOLDEN_UPDATE=1 writes the plans anew. And what the plan refuses, with its words.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/io.h"
#include "runtime/idmap.h"
#include "runtime/plan.h"
#include "spec/spec_docs.h"
#include "spec/spec_read.h"

#define GOLDEN "tests/unit/runtime/golden"

/* Hosts that never change, whatever this machine is. */
static struct host_hierarchy v1_hierarchies[] = {
	{ "cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct", "/user", false },
	{ "memory", "/sys/fs/cgroup/memory", "/user", false },
	{ "devices", "/sys/fs/cgroup/devices", "/", false },
	{ "pids", "/sys/fs/cgroup/pids", "/", false },
	{ "freezer", "/sys/fs/cgroup/freezer", "/", false },
};
static struct host_hierarchy v2_hierarchies[] = {
	{ "", "/sys/fs/cgroup", "/user.slice/session.scope", true },
};

static struct host make_host(bool v2)
{
	return (struct host){
		.last_cap = 40,
		.own_caps = (UINT64_C(1) << 41) - 1,
		.layout = v2 ? HOST_CGROUP_V2 : HOST_CGROUP_V1,
		.hierarchies = v2 ? v2_hierarchies : v1_hierarchies,
		.v2_controllers = v2 ? "cpuset cpu io memory hugetlb pids" : NULL,
		.n_hierarchies = v2 ? ARRAY_COUNT(v2_hierarchies) : ARRAY_COUNT(v1_hierarchies),
	};
}

static const struct plan_request request = {
	.id = "golden",
	.bundle = "/bundle",
	.state_dir = "/run/thole/golden",
	.no_new_keyring = false,
};

static int build(struct arena *arena, const char *json, bool v2, struct plan **ret, struct err *err)
{
	static struct host host;
	struct plan_input in = { .kind = PLAN_RUN, .host = &host, .request = &request };
	struct spec *spec;
	int r = spec_read(arena, json, strlen(json), &spec, err);

	if (r < 0)
		return r;
	host = make_host(v2);
	in.spec = spec;
	return plan_build(arena, &in, ret, err);
}

static void compare(const char *name, const char *text)
{
	struct arena arena = { 0 };
	char path[128], *golden;
	size_t n;

	snprintf(path, sizeof(path), GOLDEN "/%s.plan", name);
	if (getenv("GOLDEN_UPDATE"))
		assert_int_equal(io_replace_file(AT_FDCWD, path, text, strlen(text), 0644), 0);
	assert_int_equal(io_read_file(AT_FDCWD, path, 1 << 20, &arena, &golden, &n), 0);
	assert_string_equal(text, golden);
	arena_done(&arena);
}

static void golden_of(const char *name, const char *json, bool v2)
{
	CLEANUP_STR struct str text = { 0 };
	struct arena arena = { 0 };
	struct err err = { 0 };
	struct plan *plan;

	if (build(&arena, json, v2, &plan, &err) < 0)
		fail_msg("%s: %s", name, err.msg);
	plan_print(plan, &text);
	compare(name, text.data);
	arena_done(&arena);
}

static void test_default(void **state)
{
	struct spec_default_options options = { .cgroup_namespace = true };
	CLEANUP_STR struct str json = { 0 };

	(void)state;
	spec_default_write(&json, &options);
	golden_of("default-v1", json.data, false);
	golden_of("default-v2", json.data, true);
}

static void test_files(void **state)
{
	static const struct {
		const char *name;
		bool v2;
	} cases[] = { { "full", true }, { "joined", true }, { "hooks", false } };

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct arena arena = { 0 };
		char path[128], *json;
		size_t n;

		snprintf(path, sizeof(path), GOLDEN "/%s.json", cases[i].name);
		assert_int_equal(io_read_file(AT_FDCWD, path, 1 << 20, &arena, &json, &n), 0);
		golden_of(cases[i].name, json, cases[i].v2);
		arena_done(&arena);
	}
}

static void test_exec(void **state)
{
	static const char process_json[] =
		"{\"cwd\":\"/\",\"args\":[\"id\"],\"env\":[\"HOME=/h\",\"A=b\"],"
		"\"user\":{\"uid\":5,\"gid\":6},"
		"\"execCPUAffinity\":{\"initial\":\"0-1\",\"final\":\"3\"}}";
	CLEANUP_STR struct str json = { 0 };
	CLEANUP_STR struct str text = { 0 };
	struct spec_default_options options = { .cgroup_namespace = true };
	struct host host = make_host(true);
	struct plan_input in = { .kind = PLAN_EXEC, .host = &host, .request = &request };
	struct arena arena = { 0 };
	struct err err = { 0 };
	struct spec *spec;
	struct spec_process *process;
	struct plan *plan;

	(void)state;
	spec_default_write(&json, &options);
	assert_int_equal(spec_read(&arena, json.data, json.len, &spec, &err), 0);
	if (spec_read_process(&arena, process_json, strlen(process_json), &process, &err) < 0)
		fail_msg("%s", err.msg);
	in.spec = spec;
	in.process = process;
	in.preserve_fds = 2;
	if (plan_build_exec(&arena, &in, &plan, &err) < 0)
		fail_msg("%s", err.msg);
	assert_null(plan->home);
	assert_true(plan->cpus_initial.given && CPU_ISSET(1, &plan->cpus_initial.set));
	assert_false(CPU_ISSET(2, &plan->cpus_initial.set));
	assert_true(plan->cpus_final.given && CPU_COUNT(&plan->cpus_final.set) == 1);
	plan_print(plan, &text);
	compare("exec", text.data);
	arena_done(&arena);
}

static void test_refusals(void **state)
{
#define CONFIG(rest, linux)                                                                        \
	"{\"ociVersion\":\"1.3.0\",\"root\":{\"path\":\"rootfs\"},\"process\":{\"cwd\":\"/\","     \
	"\"args\":[\"x\"],\"user\":{\"uid\":0,\"gid\":0}}" rest ",\"linux\":{" linux "}}"
#define MOUNT_NS "\"namespaces\":[{\"type\":\"mount\"}]"
#define USER_NS "\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"user\"}]"
	static const struct {
		const char *json, *text;
	} cases[] = {
		{ CONFIG("", MOUNT_NS ",\"intelRdt\":{\"closID\":\"a\"}"),
		  "linux.intelRdt: resctrl is not mounted" },
		{ CONFIG(",\"hostname\":\"h\"", MOUNT_NS), "without a private UTS namespace" },
		{ CONFIG("",
			 MOUNT_NS ",\"uidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":1}],"
				  "\"gidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":1}]"),
		  "linux.uidMappings: given without a user namespace" },
		{ CONFIG("", USER_NS), "linux.uidMappings: required for a new user namespace" },
		{ CONFIG("", MOUNT_NS ",\"timeOffsets\":{\"boottime\":{\"secs\":1}}"),
		  "linux.timeOffsets: given without a new time namespace" },
		{ CONFIG("",
			 MOUNT_NS ",\"memoryPolicy\":{\"mode\":\"MPOL_BIND\",\"nodes\":\"1-\"}"),
		  "linux.memoryPolicy.nodes" },
		{ CONFIG("",
			 MOUNT_NS ",\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\","
				  "\"listenerPath\":\"/s\",\"syscalls\":[{\"names\":[\"execve\"],"
				  "\"action\":\"SCMP_ACT_NOTIFY\"}]}"),
		  "SCMP_ACT_NOTIFY cannot be used for the execve syscall" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct arena arena = { 0 };
		struct err err = { 0 };
		struct plan *plan;

		if (build(&arena, cases[i].json, true, &plan, &err) >= 0)
			fail_msg("case %zu was not refused", i);
		if (!strstr(err.msg, cases[i].text))
			fail_msg("case %zu: %s", i, err.msg);
		arena_done(&arena);
	}
}

/* Every field that a host of that kind has: what each becomes. */
static void test_everything(void **state)
{
	static struct host_hierarchy v1[] = {
		{ "cpuset", "/sys/fs/cgroup/cpuset", "/", false },
		{ "cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct", "/", false },
		{ "memory", "/sys/fs/cgroup/memory", "/", false },
		{ "devices", "/sys/fs/cgroup/devices", "/", false },
		{ "pids", "/sys/fs/cgroup/pids", "/", false },
		{ "blkio", "/sys/fs/cgroup/blkio", "/", false },
		{ "hugetlb", "/sys/fs/cgroup/hugetlb", "/", false },
		{ "net_cls,net_prio", "/sys/fs/cgroup/net_cls,net_prio", "/", false },
		{ "rdma", "/sys/fs/cgroup/rdma", "/", false },
		{ "freezer", "/sys/fs/cgroup/freezer", "/", false },
	};
	static const char *const names[] = { "everything", "everything-v2" };

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		struct host host = make_host(i == 1);
		struct plan_input in = { .kind = PLAN_CREATE, .host = &host, .request = &request };
		CLEANUP_STR struct str text = { 0 };
		struct arena arena = { 0 };
		struct err err = { 0 };
		struct spec *spec;
		struct plan *plan;
		char path[128], *json;
		size_t n;

		host.resctrl = "/sys/fs/resctrl";
		host.apparmor = host.selinux = true;
		if (i == 0) {
			host.hierarchies = v1;
			host.n_hierarchies = ARRAY_COUNT(v1);
		} else {
			host.v2_controllers = "cpuset cpu io memory hugetlb pids rdma misc";
		}
		snprintf(path, sizeof(path), GOLDEN "/%s.json", names[i]);
		assert_int_equal(io_read_file(AT_FDCWD, path, 1 << 20, &arena, &json, &n), 0);
		if (spec_read(&arena, json, n, &spec, &err) < 0)
			fail_msg("%s: %s", names[i], err.msg);
		in.spec = spec;
		if (plan_build(&arena, &in, &plan, &err) < 0)
			fail_msg("%s: %s", names[i], err.msg);
		plan_print(plan, &text);
		compare(names[i], text.data);
		arena_done(&arena);
	}
}

static void test_console_rules(void **state)
{
	static const struct {
		bool terminal, detach, socket, ok;
	} cases[] = {
		{ false, false, false, true }, { true, false, false, true },
		{ false, true, false, true },  { true, true, true, true },
		{ true, true, false, false },  { true, false, true, false },
		{ false, true, true, false },
	};
	static char json[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct plan_request req = request;
		struct host host = make_host(true);
		struct plan_input in = { .kind = PLAN_CREATE, .host = &host, .request = &req };
		struct arena arena = { 0 };
		struct err err = { 0 };
		struct spec *spec;
		struct plan *plan;

		snprintf(json, sizeof(json),
			 "{\"ociVersion\":\"1.3.0\",\"root\":{\"path\":\"rootfs\"},\"process\":{"
			 "\"terminal\":%s,\"cwd\":\"/\",\"args\":[\"x\"],\"user\":{\"uid\":0,"
			 "\"gid\":0}},\"linux\":{" MOUNT_NS "}}",
			 cases[i].terminal ? "true" : "false");
		assert_int_equal(spec_read(&arena, json, strlen(json), &spec, &err), 0);
		in.spec = spec;
		req.detach = cases[i].detach;
		req.console_socket = cases[i].socket ? "/tmp/s" : NULL;
		assert_int_equal(plan_build(&arena, &in, &plan, &err) >= 0, cases[i].ok);
		arena_done(&arena);
	}
}

static void test_lists(void **state)
{
	static const struct {
		const char *text;
		int r;
		unsigned long bits;
	} cases[] = {
		{ "", 0, 0 },
		{ "0", 0, 1 },
		{ "0-3,7", 0, 0x8f },
		{ "63", -EINVAL, 0 },
		{ "31", 0, 1ul << 31 },
		{ "3-1", -EINVAL, 0 },
		{ "1,", -EINVAL, 0 },
		{ ",1", -EINVAL, 0 },
		{ "1-", -EINVAL, 0 },
		{ "a", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "99999999999999999999", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		unsigned long bits[1] = { 0 };
		/* A whole word, of which the caller allows 32 bits. */
		int r = plan_parse_list(cases[i].text, bits, 32);

		assert_int_equal(r, cases[i].r);
		if (r == 0)
			assert_int_equal(bits[0], cases[i].bits);
	}
}

static void test_idmap(void **state)
{
	struct spec_idmap v[] = { { 0, 100000, 1000 }, { 5000, 7, 1 } };
	struct spec_idmaps maps = { .v = v, .n = 2 };
	CLEANUP_STR struct str text = { 0 };

	(void)state;
	assert_int_equal(idmap_to_host(&maps, 0), 100000);
	assert_int_equal(idmap_to_host(&maps, 999), 100999);
	assert_int_equal(idmap_to_host(&maps, 1000), UINT32_MAX);
	assert_int_equal(idmap_to_host(&maps, 5000), 7);
	assert_int_equal(idmap_to_host(&maps, 5001), UINT32_MAX);
	idmap_text(&maps, &text);
	assert_string_equal(text.data, "0 100000 1000\n5000 7 1\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default),       cmocka_unit_test(test_files),
		cmocka_unit_test(test_exec),          cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_console_rules), cmocka_unit_test(test_lists),
		cmocka_unit_test(test_idmap),         cmocka_unit_test(test_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
