/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/common/tmpdir.h"

#include <errno.h>

#include "common/log.h"
#include "runtime/annotations.h"

static const struct {
	const char *key, *value;
	int expected;
	const char *text; /* of the error, or of the warning */
} cases[] = {
	{ "run.oci.keep_original_groups", "1", 0, NULL },
	{ "run.oci.systemd.subgroup", "", 0, NULL },
	{ "run.oci.delegate-cgroup", "x", -ENOTSUP, "not supported" },
	{ "run.oci.delegate-cgroup", "", 0, NULL },
	{ "run.oci.hooks.stdout", "/tmp/x", 0, NULL },
	{ "run.oci.hooks.stdout", "x", -EINVAL,
	  "annotations[\"run.oci.hooks.stdout\"]: \"x\" is not an absolute path" },
	{ "run.oci.hooks.stderr", "", -EINVAL, "not an absolute path" },
	{ "run.oci.pidfd_receiver", "x", -EINVAL, "not an absolute path" },
	{ "run.oci.mount_context_type", "rootcontext", 0, NULL },
	{ "run.oci.mount_context_type", "x,dev", -EINVAL, "unknown \"x,dev\"" },
	{ "run.oci.handler", "krun", -ENOTSUP, "annotations[\"run.oci.handler\"]: not supported" },
	{ "run.oci.handler", "", 0, NULL },
	{ "run.oci.seccomp.plugins", "/a:/b", -ENOTSUP, "not supported" },
	{ "run.oci.seccomp_bpf_data", "AAAA", -ENOTSUP, "not supported" },
	{ "run.oci.seccomp_fail_unknown_syscall", "1", -ENOTSUP, "not supported" },
	{ "run.oci.seccomp_fail_unknown_syscall", "0", 0, NULL },
	{ "run.oci.systemd.force_cgroup_v1", "/sys/fs/cgroup/systemd", -ENOTSUP, "not supported" },
	{ "run.oci.nosuch", "1", 0, "annotations[\"run.oci.nosuch\"]: unknown to this runtime" },
	{ "org.example.other", "1", 0, NULL },
};

static void keep(void *user, enum log_level level, const char *text)
{
	char *kept = user;

	assert_int_equal(level, LOG_LEVEL_WARNING);
	snprintf(kept, 256, "%s", text);
}

static void test_each(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct spec_pair pair = { cases[i].key, cases[i].value };
		struct spec spec = { .annotations = { .v = &pair, .n = 1 } };
		struct err err = { 0 };
		char warning[256] = "";
		const char *text;
		int r;

		log_capture(keep, warning);
		r = annotations_apply(&spec, true, &err);
		log_capture(NULL, NULL);
		if (r != cases[i].expected)
			fail_msg("%s=%s: %d, %s", pair.key, pair.value, r, err.msg);
		text = r < 0 ? err.msg : warning;
		if (cases[i].text ? !strstr(text, cases[i].text) : *text != '\0')
			fail_msg("%s=%s: \"%s\"", pair.key, pair.value, text);
	}
}

static void test_seccomp_receiver(void **state)
{
	struct spec_pair pair = { "run.oci.seccomp.receiver", "/run/agent" };
	struct spec spec = { .annotations = { .v = &pair, .n = 1 } };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(annotations_apply(&spec, true, &err), 0);
	assert_null(spec.linux_.seccomp.listener_path);
	spec.linux_.seccomp.given = true;
	assert_int_equal(annotations_apply(&spec, true, &err), 0);
	assert_string_equal(spec.linux_.seccomp.listener_path, "/run/agent");
	/* The specification's own field wins. */
	spec.linux_.seccomp.listener_path = "/run/own";
	assert_int_equal(annotations_apply(&spec, true, &err), 0);
	assert_string_equal(spec.linux_.seccomp.listener_path, "/run/own");
}

static void test_hooks(void **state)
{
	struct spec_pair pairs[] = { { "run.oci.hooks.stderr", "/e" } };
	struct spec spec = { .annotations = { .v = pairs, .n = 1 } };
	const char *out = "", *error = "";

	(void)state;
	annotations_hooks(&spec, &out, &error);
	assert_null(out);
	assert_string_equal(error, "/e");
	assert_non_null(annotations_effect("run.oci.hooks.stderr"));
	assert_null(annotations_effect("org.example"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each),
		cmocka_unit_test(test_seccomp_receiver),
		cmocka_unit_test(test_hooks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
