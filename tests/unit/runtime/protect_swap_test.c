/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/common/tmpdir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/statfs.h>
#include <sys/wait.h>

#include "common/fd.h"
#include "common/sys.h"
#include "runtime/protect_swap.h"

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			fprintf(stderr, "line %d: %s\n", __LINE__, #x);                            \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static int initialised = 1, zero;
static const char *const relocated[] = { "one", "two" };
static const char *volatile const *table = relocated;

static bool exe_is_read_only(void)
{
	struct statfs fs;

	return statfs("/proc/self/exe", &fs) == 0 && (fs.f_flags & 1);
}

static int open_clone(void)
{
	struct sys_mount_attr read_only = { .attr_set = 1 };
	CLEANUP_FD int tree = sys_open_tree(AT_FDCWD, "/proc/self/exe", 1 | O_CLOEXEC);

	if (tree < 0 || sys_mount_setattr(tree, "", AT_EMPTY_PATH, &read_only) < 0)
		return -EPERM;
	return fd_open(fd_path(tree).s, O_RDONLY, 0);
}

/* "rw-p" and the like. */
static const char *mode_at(const void *address)
{
	static char mode[8];
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		unsigned long start, end;

		CHECK(sscanf(line, "%lx-%lx %7s", &start, &end, mode) == 3);
		if (start <= (unsigned long)address && (unsigned long)address < end)
			break;
	}
	fclose(f);
	return mode;
}

int main(void);

static void in_child(void)
{
	int fd = open_clone(), status, r;
	pid_t pid;

	if (fd < 0)
		_exit(77);
	initialised = 5;
	zero = 6;
	if (exe_is_read_only())
		_exit(77);
	/* What the kernel refuses leaves a process that runs on. */
	setenv("THOLE_TEST_EPERM", "prctl", 1);
	r = protect_swap(fd);
	if (r == -EXDEV)
		_exit(77); /* /proc/self/exe is an emulator */
	CHECK(r == -EPERM);
	unsetenv("THOLE_TEST_EPERM");
	CHECK(!exe_is_read_only() && initialised == 5);
	CHECK(protect_swap(fd) == 0);
	CHECK(exe_is_read_only());
	CHECK(open("/proc/self/exe", O_WRONLY | O_CLOEXEC) < 0);
	CHECK(initialised == 5 && zero == 6);
	CHECK(strcmp(table[1], "two") == 0);
	initialised = zero = 7;
	CHECK(initialised == 7 && zero == 7);
	CHECK(strcmp(mode_at(&initialised), "rw-p") == 0);
	CHECK(strcmp(mode_at(relocated), "r--p") == 0);
	CHECK(strcmp(mode_at((const void *)(uintptr_t)main), "r-xp") == 0);
	pid = fork();
	if (pid == 0)
		_exit(exe_is_read_only() ? 3 : 4);
	CHECK(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 3);
	_exit(0);
}

static void test_swap(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		in_child();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip(); /* needs rights over the mount namespace */
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_bad_fd(void **state)
{
	CLEANUP_FD int other = fd_open("/bin/sh", O_RDONLY, 0);
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(protect_swap(-EBADF) < 0 && protect_swap(other) < 0 && initialised == 1 ? 0
											      : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_swap),
		cmocka_unit_test(test_bad_fd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
