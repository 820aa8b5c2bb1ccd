/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/common/tmpdir.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>

#include "common/fd.h"

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static bool is_cloexec(int fd)
{
	return fcntl(fd, F_GETFD) & FD_CLOEXEC;
}

static void test_basics(void **state)
{
	CLEANUP_FD int fd = fd_open("/dev/null", O_RDWR, 0);
	int taken;

	(void)state;
	assert_true(fd >= 3 && is_cloexec(fd));
	taken = fd_take(&fd);
	assert_int_equal(fd, -EBADF);
	assert_true(is_open(taken));
	errno = 77;
	assert_int_equal(fd_close(taken), -EBADF);
	assert_int_equal(fd_close(-1), -EBADF);
	assert_int_equal(errno, 77);
	assert_false(is_open(taken));
	assert_int_equal(fd_open("/nonexistent", O_RDONLY, 0), -ENOENT);
}

static void test_flags(void **state)
{
	CLEANUP_FD int fd = fd_open("/dev/null", O_RDWR, 0);
	CLEANUP_FD int copy = fd_dup(fd);

	(void)state;
	assert_true(copy > fd && is_cloexec(copy));
	assert_int_equal(fd_cloexec(fd, false), 0);
	assert_false(is_cloexec(fd));
	assert_int_equal(fd_cloexec(fd, true), 0);
	assert_true(is_cloexec(fd));
	assert_int_equal(fd_nonblock(fd, true), 0);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(fd_nonblock(fd, false), 0);
	assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(fd_cloexec(-1, true), -EBADF);
	assert_int_equal(fd_nonblock(-1, true), -EBADF);
	assert_string_equal(fd_path(12).s, "/proc/self/fd/12");
}

/* Runs in a child, whose descriptors are its own; the answer is its status. */
static int in_child(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int closed_stdio(void)
{
	int fd;

	close(0);
	close(2);
	if (fd_fix_stdio() < 0)
		return 1;
	if (!is_open(0) || !is_open(1) || !is_open(2))
		return 2;
	if (is_cloexec(0) || is_cloexec(2))
		return 3;
	close(0);
	close(1);
	fd = fd_open("/dev/null", O_RDONLY, 0);
	if (fd < 3 || is_open(0) || is_open(1))
		return 4;
	return 0;
}

static void test_stdio(void **state)
{
	(void)state;
	assert_int_equal(in_child(closed_stdio), 0);
}

static int open_at(int fd)
{
	return dup2(2, fd);
}

static int close_some(void)
{
	int keep[] = { 300, 20, 22, 22 };

	for (int fd = 10; fd < 320; fd++)
		if (open_at(fd) < 0)
			return 1;
	if (fd_close_from(15, keep, ARRAY_COUNT(keep)) < 0)
		return 2;
	for (int fd = 10; fd < 320; fd++)
		if (is_open(fd) != (fd < 15 || fd == 20 || fd == 22 || fd == 300))
			return 3;
	if (!is_open(0) || !is_open(1) || !is_open(2))
		return 4;
	if (fd_close_from(12, NULL, 0) < 0 || is_open(12) || is_open(300) || !is_open(11))
		return 5;
	return 0;
}

static int cloexec_some(void)
{
	for (int fd = 10; fd < 320; fd++)
		if (open_at(fd) < 0)
			return 1;
	if (fd_cloexec_from(15) < 0)
		return 2;
	for (int fd = 10; fd < 320; fd++)
		if (!is_open(fd) || is_cloexec(fd) != (fd >= 15))
			return 3;
	return 0;
}

static void test_ranges(void **state)
{
	(void)state;
	assert_int_equal(in_child(close_some), 0);
	assert_int_equal(in_child(cloexec_some), 0);
}

static void test_ranges_old_kernel(void **state)
{
	(void)state;
	setenv("THOLE_TEST_ENOSYS", "clone3,close_range", 1);
	assert_int_equal(in_child(close_some), 0);
	assert_int_equal(in_child(cloexec_some), 0);
	unsetenv("THOLE_TEST_ENOSYS");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_basics),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_stdio),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_ranges_old_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
