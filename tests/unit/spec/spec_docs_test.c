/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The documents: the default configuration is read back by our own reader, state and features are
 * compared as text.
 */
#include "tests/unit/spec/spec_testing.h"

#include <sched.h>

#include "spec/spec_docs.h"

static struct spec *default_spec(struct arena *arena, struct spec_default_options options,
				 const char **ret_text)
{
	CLEANUP_STR struct str text = { 0 };
	struct err err = { 0 };
	struct spec *spec = NULL;

	spec_default_write(&text, &options);
	log_begin(LOG_LEVEL_DEBUG);
	if (spec_read(arena, text.data, text.len, &spec, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(log_end(arena), "");
	*ret_text = arena_strdup(arena, text.data);
	return spec;
}

static bool has_option(const struct spec_mount *mount, const char *prefix)
{
	for (size_t i = 0; i < mount->options.n; i++)
		if (str_starts_with(mount->options.v[i], prefix))
			return true;
	return false;
}

static void test_default(void **state)
{
	static const char *const destinations[] = { "/proc",         "/dev",        "/dev/pts",
						    "/dev/shm",      "/dev/mqueue", "/sys",
						    "/sys/fs/cgroup" };
	static const uint64_t caps = 1 << 5 | 1 << 10 | 1 << 29;
	CLEANUP_ARENA struct arena arena = { 0 };
	const struct spec_process *p;
	const char *text;
	struct spec *s = default_spec(&arena, (struct spec_default_options){ 0 }, &text);

	(void)state;
	p = &s->process;
	assert_true(str_starts_with(text, "{\n\t\"ociVersion\": \"1.3.0\",\n\t\"process\": {\n"
					  "\t\t\"terminal\": true,\n\t\t\"user\": {\n"
					  "\t\t\t\"uid\": 0,\n"));
	assert_string_equal(text + strlen(text) - 3, "\n}\n");
	assert_true(p->terminal && p->no_new_privileges);
	assert_string_equal(p->args.v[0], "sh");
	assert_int_equal(p->env.n, 2);
	assert_string_equal(p->cwd, "/");
	assert_int_equal(p->caps.bounding, caps);
	assert_int_equal(p->caps.effective, caps);
	assert_int_equal(p->caps.permitted, caps);
	assert_false(p->caps.has_ambient || p->caps.has_inheritable);
	assert_int_equal(p->n_rlimits, 1);
	assert_int_equal(p->rlimits[0].soft, 1024);
	assert_string_equal(s->root_path, "rootfs");
	assert_true(s->root_readonly);
	assert_string_equal(s->hostname, "thole");
	assert_int_equal(s->n_mounts, ARRAY_COUNT(destinations));
	for (size_t i = 0; i < s->n_mounts; i++)
		assert_string_equal(s->mounts[i].destination, destinations[i]);
	assert_true(has_option(&s->mounts[2], "gid=5"));
	assert_int_equal(s->linux_.n_namespaces, 5);
	assert_null(spec_namespace(s, CLONE_NEWCGROUP));
	assert_int_equal(s->linux_.resources.n_devices, 1);
	assert_false(s->linux_.resources.devices[0].allow);
	assert_int_equal(s->linux_.masked_paths.n, 10);
	assert_int_equal(s->linux_.readonly_paths.n, 5);
}

static void test_default_rootless(void **state)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	const char *text;
	struct spec *s = default_spec(
		&arena,
		(struct spec_default_options){
			.rootless = true, .euid = 1000, .egid = 1001, .cgroup_namespace = true },
		&text);

	(void)state;
	assert_null(spec_namespace(s, CLONE_NEWNET));
	assert_non_null(spec_namespace(s, CLONE_NEWUSER));
	assert_non_null(spec_namespace(s, CLONE_NEWCGROUP));
	assert_int_equal(s->linux_.uid_maps.v[0].host_id, 1000);
	assert_int_equal(s->linux_.gid_maps.v[0].host_id, 1001);
	assert_int_equal(s->linux_.gid_maps.v[0].size, 1);
	assert_false(s->linux_.resources.given);
	for (size_t i = 0; i < s->n_mounts; i++)
		assert_false(has_option(&s->mounts[i], "gid=") ||
			     has_option(&s->mounts[i], "uid="));
	assert_string_equal(s->mounts[5].destination, "/sys");
	assert_string_equal(s->mounts[5].type, "none");
	assert_string_equal(s->mounts[5].source, "/sys");
	assert_true(has_option(&s->mounts[5], "rbind") && has_option(&s->mounts[5], "ro"));
	assert_true(has_option(&s->mounts[2], "mode=0620"));
}

static void test_state(void **state)
{
	struct spec_pair pairs[] = { { "k", "v" }, { "quote\"", "" } };
	const struct spec_map annotations = { pairs, 2 }, none = { 0 };
	struct spec_state s = { .id = "c1", .status = "running", .bundle = "/b", .pid = 7 };
	CLEANUP_STR struct str text = { 0 };

	(void)state;
	s.annotations = &none;
	spec_state_text(&text, &s);
	assert_string_equal(text.data, "{\"ociVersion\":\"1.3.0\",\"id\":\"c1\",\"pid\":7,"
				       "\"status\":\"running\",\"bundle\":\"/b\"}");
	str_reset(&text);
	s.rootfs = "/b/rootfs";
	s.created = "2026-01-02T03:04:05.000000006Z";
	s.owner = "";
	s.annotations = &annotations;
	s.pid = 0;
	spec_state_text(&text, &s);
	assert_string_equal(text.data,
			    "{\"ociVersion\":\"1.3.0\",\"id\":\"c1\",\"pid\":0,"
			    "\"status\":\"running\",\"bundle\":\"/b\",\"rootfs\":\"/b/rootfs\","
			    "\"created\":\"2026-01-02T03:04:05.000000006Z\","
			    "\"annotations\":{\"k\":\"v\",\"quote\\\"\":\"\"},\"owner\":\"\"}");
}

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void test_features(void **state)
{
	const struct spec_features f = {
		.libseccomp = "2.5.4",
		.seccomp = true,
		.selinux = true,
		.cgroup_rdma = true,
		.net_devices = true,
		.memory_policy = true,
		.idmap = true,
		.namespaces = LIST("cgroup", "pid"),
		.capabilities = LIST("CAP_KILL"),
		.mount_options = LIST("ro"),
		.seccomp_actions = LIST("SCMP_ACT_ALLOW"),
		.seccomp_operators = LIST("SCMP_CMP_EQ"),
		.seccomp_archs = LIST("SCMP_ARCH_X86"),
		.seccomp_known_flags = LIST("A", "B"),
		.seccomp_supported_flags = LIST("A"),
		.memory_policy_modes = LIST("MPOL_BIND"),
		.memory_policy_flags = LIST("MPOL_F_STATIC_NODES"),
		.hooks = LIST("prestart"),
	};
	/* compact, so that the shape is seen at a glance */
	static const char want[] =
		"{'ociVersionMin':'1.0.0','ociVersionMax':'1.3.0','hooks':['prestart'],"
		"'mountOptions':['ro'],'linux':{'namespaces':['cgroup','pid'],"
		"'capabilities':['CAP_KILL'],'cgroup':{'v1':true,'v2':true,'systemd':false,"
		"'systemdUser':false,'rdma':true},'seccomp':{'enabled':true,"
		"'actions':['SCMP_ACT_ALLOW'],'operators':['SCMP_CMP_EQ'],"
		"'archs':['SCMP_ARCH_X86'],'knownFlags':['A','B'],'supportedFlags':['A']},"
		"'apparmor':{'enabled':false},'selinux':{'enabled':true},"
		"'intelRdt':{'enabled':false},'memoryPolicy':{'modes':['MPOL_BIND'],"
		"'flags':['MPOL_F_STATIC_NODES']},'mountExtensions':{'idmap':{'enabled':true}},"
		"'netDevices':{'enabled':true}},"
		"'annotations':{'io.github.seccomp.libseccomp.version':'2.5.4'},"
		"'potentiallyUnsafeConfigAnnotations':['bundle','org.systemd.property.',"
		"'org.criu.config','run.oci.hooks.stdout','run.oci.hooks.stderr',"
		"'run.oci.pidfd_receiver','run.oci.seccomp.receiver']}";
	CLEANUP_JSON_WRITER struct json_writer *w = json_writer_new(NULL);
	CLEANUP_ARENA struct arena arena = { 0 };
	CLEANUP_STR struct str text = { 0 };
	struct err err = { 0 };
	struct json *tree;
	size_t len;

	(void)state;
	spec_features_write(&text, &f);
	assert_true(str_starts_with(text.data, "{\n    \"ociVersionMin\": \"1.0.0\",\n"));
	assert_int_equal(text.data[text.len - 1], '\n');
	assert_int_equal(json_parse(&arena, text.data, text.len, &tree, &err), 0);
	jw_tree(w, tree);
	assert_string_equal(json_writer_text(w, &len), json_text(&arena, want));
}

/* What the caller does not know is omitted, not shown as empty. */
static void test_features_empty(void **state)
{
	const struct spec_features f = { .checkpoint = true, .intel_rdt = true };
	CLEANUP_ARENA struct arena arena = { 0 };
	CLEANUP_STR struct str text = { 0 };
	const struct json *linux_;
	struct err err = { 0 };
	struct json *tree;

	(void)state;
	spec_features_write(&text, &f);
	assert_int_equal(json_parse(&arena, text.data, text.len, &tree, &err), 0);
	linux_ = json_get(tree, "linux");
	assert_null(json_get(tree, "hooks"));
	assert_null(json_get(linux_, "namespaces"));
	assert_null(json_get(linux_, "memoryPolicy"));
	assert_true(json_get(json_get(linux_, "intelRdt"), "monitoring")->boolean);
	assert_null(json_get(json_get(linux_, "seccomp"), "actions"));
	assert_string_equal(json_str(json_get(tree, "annotations"),
				     "org.opencontainers.runc.checkpoint.enabled"),
			    "true");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default),        cmocka_unit_test(test_default_rootless),
		cmocka_unit_test(test_state),          cmocka_unit_test(test_features),
		cmocka_unit_test(test_features_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
