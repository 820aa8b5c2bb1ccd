// SPDX-License-Identifier: Apache-2.0
/* The runtime's argv, word by word. */
#include "shim/conmon_runtime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/str.h"

static void expect(const struct conmon_command *c, const char *want)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	CLEANUP_STR struct str s = { 0 };

	for (const char **argv = conmon_command_argv(c, &arena); *argv; argv++)
		str_addf(&s, "%s%s", s.len ? " " : "", *argv);
	assert_string_equal(s.data, want);
}

static void test_argv(void **state UNUSED)
{
	const char *args[] = { "--root=/r", "--log", "/l" }, *opts[] = { "--preserve-fds", "1" };
	struct conmon_options o = {
		.cid = "id",
		.runtime = "/rt",
		.runtime_args = { args, 3 },
		.runtime_opts = { opts, 2 },
		.systemd_cgroup = true,
		.no_pivot = true,
		.no_new_keyring = true,
	};
	struct conmon_command c = { .o = &o, .bundle = "/b", .pid_file = "/p" };

	expect(&c, "/rt --systemd-cgroup --root=/r --log /l create --bundle /b --pid-file /p "
		   "--no-pivot --no-new-keyring --preserve-fds 1 id");
	c.console = "/tmp/s";
	o.restore = "/cp";
	expect(&c, "/rt --systemd-cgroup --root=/r --log /l restore --bundle /b --pid-file /p "
		   "--no-pivot --no-new-keyring --detach --image-path /cp --work-path /b "
		   "--preserve-fds 1 --console-socket /tmp/s id");
	o.restore = NULL;
	o.exec = true;
	o.process_spec = "/proc.json";
	expect(&c, "/rt --root=/r --log /l exec --pid-file /p --process /proc.json --detach "
		   "--preserve-fds 1 --console-socket /tmp/s id");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_argv) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
