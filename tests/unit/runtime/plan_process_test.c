/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/common/tmpdir.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "runtime/plan_process.h"
#include "spec/spec_read.h"

#define BIT(name) (1ULL << spec_capability(name))

struct fixture {
	struct tmpdir *tmp;
	struct arena arena;
	struct host host;
	struct plan_request request;
	struct spec *spec;
	struct plan_process *plan;
	struct err err;
	const char *log;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct log_config log = { .sink = LOG_SINK_FILE, .level = LOG_LEVEL_INFO };

	assert_non_null(f);
	f->tmp = tmpdir_new();
	f->log = arena_printf(&f->arena, "%s/log", f->tmp->path);
	log.path = f->log;
	assert_int_equal(log_open(&log, &f->err), 0);
	f->host = (struct host){ .last_cap = 40, .own_caps = (1ULL << 41) - 1 };
	f->request = (struct plan_request){ .id = "c1", .state_dir = "/run/thole/c1" };
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct log_config log = { .sink = LOG_SINK_STDERR };
	struct fixture *f = *state;

	assert_int_equal(log_open(&log, &f->err), 0);
	tmpdir_free(f->tmp);
	arena_done(&f->arena);
	free(f);
	return 0;
}

/* Builds from a configuration whose process and linux objects get these members. */
static int build(struct fixture *f, const char *process, const char *linux_)
{
	const char *text =
		arena_printf(&f->arena,
			     "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"rootfs\"},\"process\":"
			     "{\"cwd\":\"/\","
			     "\"args\":[\"sh\"],\"user\":{\"uid\":0,\"gid\":0}%s%s},\"linux\":{"
			     "%s}}",
			     *process ? "," : "", process, linux_);

	f->err = (struct err){ 0 };
	if (spec_read(&f->arena, text, strlen(text), &f->spec, &f->err) < 0)
		fail_msg("spec: %s", f->err.msg);
	return plan_process_build(&f->arena, f->spec, &f->spec->process, &f->host, &f->request,
				  &f->plan, &f->err);
}

/* How often the log has the text. */
static int logged(struct fixture *f, const char *needle)
{
	char *text;
	size_t n;
	int count = 0;

	assert_int_equal(io_read_file(AT_FDCWD, f->log, 1 << 20, &f->arena, &text, &n), 0);
	for (const char *s = text; (s = strstr(s, needle)); s++)
		count++;
	return count;
}

static void test_no_caps_object(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(build(f, "", ""), 0);
	assert_true(f->plan->creds.bounding == 0 && f->plan->creds.effective == 0);
	assert_true(f->plan->creds.permitted == 0 && f->plan->creds.inheritable == 0);
	assert_int_equal(logged(f, "level=warning"), 0);
}

static void test_caps_consistent(void **state)
{
	struct fixture *f = *state;
	uint64_t kill = BIT("CAP_KILL"), chown = BIT("CAP_CHOWN");

	assert_int_equal(build(f,
			       "\"capabilities\":{\"bounding\":[\"CAP_KILL\"],"
			       "\"permitted\":[\"CAP_KILL\"],"
			       "\"effective\":[\"CAP_KILL\",\"CAP_CHOWN\"],"
			       "\"inheritable\":[\"CAP_KILL\",\"CAP_CHOWN\"],"
			       "\"ambient\":[\"CAP_KILL\",\"CAP_CHOWN\"]}",
			       ""),
			 0);
	assert_true(f->plan->creds.bounding == kill && f->plan->creds.permitted == kill);
	assert_true(f->plan->creds.effective == kill && f->plan->creds.inheritable == kill);
	assert_true(f->plan->creds.ambient == kill);
	assert_true(chown != kill);
	assert_int_equal(logged(f, "level=warning"), 1);
	assert_int_equal(logged(f, "CAP_CHOWN"), 1);
	assert_int_equal(logged(f, "CAP_KILL"), 0);
}

#define ALL_SETS(caps)                                                                             \
	"\"capabilities\":{\"bounding\":[" caps "],\"permitted\":[" caps "],\"effective\":[" caps  \
	"]}"

static void test_ungrantable(void **state)
{
	struct fixture *f = *state;
	uint64_t resource = BIT("CAP_SYS_RESOURCE");

	f->host.own_caps &= ~resource;
	assert_int_equal(build(f, ALL_SETS("\"CAP_KILL\",\"CAP_SYS_RESOURCE\""), ""), 0);
	assert_true(f->plan->creds.permitted == BIT("CAP_KILL"));
	assert_true(f->plan->creds.bounding == BIT("CAP_KILL"));
	assert_int_equal(logged(f, "cannot be granted, ignored: CAP_SYS_RESOURCE"), 1);
	/* Nor could we set the limits of a process of another uid. */
	assert_true(f->plan->rlimits_by_init);
	f->host.own_caps |= resource;
	assert_int_equal(build(f, "", ""), 0);
	assert_false(f->plan->rlimits_by_init);
	f->host.own_caps &= ~resource;
	/* In a user namespace of its own the container's root has every capability. */
	assert_int_equal(build(f, ALL_SETS("\"CAP_SYS_RESOURCE\""),
			       "\"namespaces\":[{\"type\":\"user\"}],"
			       "\"uidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":1}],"
			       "\"gidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":1}]"),
			 0);
	assert_true(f->plan->creds.permitted == resource);
	assert_int_equal(logged(f, "level=warning"), 1);
}

static void test_unknown_to_the_kernel(void **state)
{
	struct fixture *f = *state;

	f->host.last_cap = spec_capability("CAP_AUDIT_READ");
	assert_int_equal(build(f, ALL_SETS("\"CAP_BPF\",\"CAP_KILL\""), ""), 0);
	assert_true(f->plan->creds.bounding == BIT("CAP_KILL"));
	assert_int_equal(logged(f, "ignored: CAP_BPF"), 1);
}

static void test_groups(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(build(f, "", ""), 0);
	assert_false(f->plan->creds.skip_setgroups);
	assert_int_equal(f->plan->creds.n_gids, 0);
	assert_string_equal(f->plan->creds.keyring, "_ses.c1");
	f->request.no_new_keyring = true;
	assert_int_equal(build(f, "", ""), 0);
	assert_null(f->plan->creds.keyring);
}

static void test_seccomp(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(build(f, "", ""), 0);
	assert_null(f->plan->seccomp.spec);
	assert_int_equal(build(f, "", "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\"}"), 0);
	assert_non_null(f->plan->seccomp.spec);
	assert_string_equal(f->plan->seccomp.cache_dir, "/run/thole/.cache/seccomp");
	assert_int_equal(f->plan->seccomp.flags, SECCOMP_FILTER_FLAG_SPEC_ALLOW);
	/* An empty list is not an absent one. */
	assert_int_equal(
		build(f, "", "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[]}"), 0);
	assert_int_equal(f->plan->seccomp.flags, 0);
	assert_int_equal(build(f, "",
			       "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":["
			       "\"SECCOMP_FILTER_FLAG_LOG\",\"SECCOMP_FILTER_FLAG_TSYNC\","
			       "\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\"]}"),
			 0);
	assert_int_equal(f->plan->seccomp.flags,
			 SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_TSYNC);
}

#define NOTIFY(name)                                                                               \
	"\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"/l\",\"syscalls\":[" \
	"{\"names\":[\"mkdir\",\"" name "\"],\"action\":\"SCMP_ACT_NOTIFY\"}]}"

static void test_notify(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(build(f, "", NOTIFY("chmod")), 0);
	assert_true(f->plan->seccomp.has_notify);
	assert_int_equal(build(f, "", NOTIFY("write")), -EINVAL);
	assert_string_equal(f->err.msg, "linux.seccomp.syscalls[0]: SCMP_ACT_NOTIFY cannot be used "
					"for the write syscall");
	assert_int_equal(build(f, "", NOTIFY("read")), -EINVAL);
	assert_int_equal(build(f, "", NOTIFY("execve")), -EINVAL);
}

static void test_labels(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(build(f, "\"apparmorProfile\":\"docker-default\"", ""), -ENOTSUP);
	assert_non_null(strstr(f->err.msg, "docker-default"));
	assert_int_equal(build(f, "\"apparmorProfile\":\"unconfined\"", ""), 0);
	assert_null(f->plan->lsm.apparmor);
	assert_int_equal(build(f, "\"selinuxLabel\":\"a:b:c\"", ""), -ENOTSUP);
	assert_string_equal(f->err.msg, "selinux label is specified in config, but selinux is "
					"disabled or not supported");
	f->host.apparmor = f->host.selinux = true;
	assert_int_equal(
		build(f, "\"apparmorProfile\":\"docker-default\",\"selinuxLabel\":\"a:b:c\"", ""),
		0);
	assert_string_equal(f->plan->lsm.apparmor, "docker-default");
	assert_string_equal(f->plan->lsm.selinux, "a:b:c");
}

static void test_console(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(build(f, "\"consoleSize\":{\"height\":25,\"width\":80}", ""), 0);
	assert_false(f->plan->has_console_size);
	assert_int_equal(
		build(f, "\"terminal\":true,\"consoleSize\":{\"height\":25,\"width\":80}", ""), 0);
	assert_true(f->plan->has_console_size && f->plan->terminal);
	assert_int_equal(f->plan->console_width, 80);
}

static void test_print(void **state)
{
	struct fixture *f = *state;
	CLEANUP_STR struct str out = { 0 };

	assert_int_equal(
		build(f,
		      "\"noNewPrivileges\":true,\"oomScoreAdj\":-5,\"rlimits\":[{\"type\":"
		      "\"RLIMIT_NOFILE\",\"soft\":1,\"hard\":2}],\"env\":[\"A=\\n\"]," ALL_SETS(
			      "\"CAP_KILL\""),
		      ""),
		0);
	plan_process_print(f->plan, &out);
	assert_string_equal(out.data, "process\n"
				      "  args[0] \"sh\"\n"
				      "  env[0] \"A=\\n\"\n"
				      "  cwd /\n"
				      "  user 0:0\n"
				      "  caps.bounding 0x20\n"
				      "  caps.effective 0x20\n"
				      "  caps.permitted 0x20\n"
				      "  caps.inheritable 0\n"
				      "  caps.ambient 0\n"
				      "  no_new_privs\n"
				      "  keyring _ses.c1\n"
				      "  rlimit RLIMIT_NOFILE soft 1 hard 2\n"
				      "  oom_score_adj -5\n");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_no_caps_object), TEST(test_caps_consistent),
		TEST(test_ungrantable),    TEST(test_unknown_to_the_kernel),
		TEST(test_groups),         TEST(test_seccomp),
		TEST(test_notify),         TEST(test_labels),
		TEST(test_console),        TEST(test_print),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
