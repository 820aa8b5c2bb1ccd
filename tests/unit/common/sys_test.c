/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/common/tmpdir.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>

#include "common/fd.h"
#include "common/sys.h"

static void test_hook(void **state)
{
	static const char *const names[] = {
		"clone3",      "openat2",  "open_tree",     "move_mount",
		"fsopen",      "fsmount",  "pidfd_open",    "pidfd_send_signal",
		"close_range", "execveat", "mount_setattr", "prctl"
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		setenv("THOLE_TEST_ENOSYS", names[i], 1);
		assert_int_equal(sys_test_failure(names[i]), -ENOSYS);
		assert_int_equal(sys_test_failure("other"), 0);
	}
	setenv("THOLE_TEST_ENOSYS", "a,openat2,b", 1);
	assert_int_equal(sys_openat2(AT_FDCWD, "/", O_PATH, 0, 0), -ENOSYS);
	assert_int_equal(sys_test_failure("openat"), 0);
	assert_int_equal(sys_test_failure("b"), -ENOSYS);
	unsetenv("THOLE_TEST_ENOSYS");
	setenv("THOLE_TEST_EPERM", "openat2", 1);
	assert_int_equal(sys_openat2(AT_FDCWD, "/", O_PATH, 0, 0), -EPERM);
	unsetenv("THOLE_TEST_EPERM");
}

static void test_calls(void **state)
{
	struct sys_clone_args args = { .exit_signal = SIGCHLD };
	CLEANUP_FD int pidfd = sys_pidfd_open(getpid(), 0);
	CLEANUP_FD int copy = -EBADF, dir = -EBADF;
	int status;
	pid_t pid;

	(void)state;
	if (pidfd == -ENOSYS)
		skip();
	assert_true(pidfd >= 3);
	assert_int_equal(sys_pidfd_send_signal(pidfd, 0), 0);
	assert_int_equal(sys_pidfd_open(-1, 0), -EINVAL);
	copy = sys_pidfd_getfd(pidfd, pidfd);
	assert_true(copy > pidfd);
	dir = sys_openat2(AT_FDCWD, "/", O_PATH | O_CLOEXEC, 0, 0);
	assert_true(dir >= 3);
	pid = sys_clone3(&args, sizeof(args));
	if (pid == 0)
		_exit(sys_execveat(AT_FDCWD, "/nonexistent", (char *[]){ NULL }, environ, 0) ==
				      -ENOENT
			      ? 7
			      : 8);
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 7);
	assert_true(sys_fsopen("no such file system", 0) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hook),
		cmocka_unit_test(test_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
