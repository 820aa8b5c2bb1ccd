/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/common/tmpdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/io.h"

static int open_dir(void **state)
{
	struct tmpdir *dir = *state;
	int fd = fd_open(dir->path, O_RDONLY | O_DIRECTORY, 0);

	assert_true(fd >= 0);
	return fd;
}

static int count_entries(void **state)
{
	struct tmpdir *path = *state;
	DIR *dir = opendir(path->path);
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

static void test_pipe(void **state)
{
	char buf[8];
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(io_write_all(fds[1], "12345678", 8), 0);
	assert_int_equal(io_read_exact(fds[0], buf, 8), 0);
	assert_memory_equal(buf, "12345678", 8);
	assert_int_equal(io_write_all(fds[1], "123", 3), 0);
	fd_close(fds[1]);
	assert_int_equal(io_read_exact(fds[0], buf, 8), -ENODATA);
	fd_close(fds[0]);
	assert_int_equal(io_write_all(fds[1], "x", 1), -EBADF);
	assert_int_equal(io_read_exact(fds[1], buf, 1), -EBADF);
}

static void test_read(void **state)
{
	CLEANUP_FD int dir = open_dir(state);
	CLEANUP_ARENA struct arena arena = { 0 };
	char *data;
	size_t n;

	assert_int_equal(io_replace_file(dir, "f", "0123456789", 10, 0600), 0);
	assert_int_equal(io_read_file(dir, "f", 10, &arena, &data, &n), 0);
	assert_int_equal(n, 10);
	assert_string_equal(data, "0123456789");
	assert_int_equal(io_read_file(dir, "f", 9, &arena, &data, &n), -EFBIG);
	assert_int_equal(io_read_file(dir, "f", SIZE_MAX, &arena, &data, &n), 0);
	assert_int_equal(io_read_file(dir, "none", 9, &arena, &data, &n), -ENOENT);
	assert_int_equal(io_replace_file(dir, "f", "", 0, 0600), 0);
	assert_int_equal(io_read_file(dir, "f", 0, &arena, &data, &n), 0);
	assert_string_equal(data, "");
	/* a file whose size the kernel does not know */
	assert_int_equal(io_read_file(AT_FDCWD, "/proc/self/status", 1 << 20, &arena, &data, &n),
			 0);
	assert_true(n > 100 && strlen(data) == n);
	assert_int_equal(io_read_file(AT_FDCWD, "/dev/zero", 100000, &arena, &data, &n), -EFBIG);
	assert_int_equal(io_read_file(dir, ".", 10, &arena, &data, &n), -EISDIR);
}

static void test_small(void **state)
{
	CLEANUP_FD int dir = open_dir(state);
	char buf[6];

	assert_int_equal(io_replace_file(dir, "f", "abc\n\n", 5, 0600), 0);
	assert_int_equal(io_read_small(dir, "f", buf, sizeof(buf)), 3);
	assert_string_equal(buf, "abc");
	assert_int_equal(io_replace_file(dir, "f", "abcdefgh", 8, 0600), 0);
	assert_int_equal(io_read_small(dir, "f", buf, sizeof(buf)), 5);
	assert_string_equal(buf, "abcde");
	assert_int_equal(io_write_small(dir, "f", "XY"), 0);
	assert_int_equal(io_read_small(dir, "f", buf, sizeof(buf)), 5);
	assert_string_equal(buf, "XYcde");
	assert_int_equal(io_write_small(dir, "new", "XY"), -ENOENT);
	assert_int_equal(io_read_small(dir, "new", buf, sizeof(buf)), -ENOENT);
	assert_int_equal(io_write_small(AT_FDCWD, "/dev/full", "x"), -ENOSPC);
}

static void test_replace(void **state)
{
	CLEANUP_FD int dir = open_dir(state);
	struct tmpdir *path = *state;
	char name[64], buf[16];
	mode_t old = umask(077);
	struct stat st;

	assert_int_equal(io_replace_file(dir, "f", "one", 3, 0644), 0);
	assert_int_equal(fstatat(dir, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(io_replace_file_sync(dir, "f", "two", 3, 0600), 0);
	assert_int_equal(io_read_small(dir, "f", buf, sizeof(buf)), 3);
	assert_string_equal(buf, "two");
	/* a left-over of that name is no obstacle, a link of that name is not followed */
	snprintf(name, sizeof(name), "f.tmp-%d", (int)getpid());
	assert_int_equal(symlinkat("victim", dir, name), 0);
	assert_int_equal(io_replace_file(dir, "f", "three", 5, 0600), 0);
	assert_int_equal(faccessat(dir, "victim", F_OK, 0), -1);
	assert_int_equal(io_read_small(dir, "f", buf, sizeof(buf)), 5);
	assert_int_equal(count_entries(state), 1);
	snprintf(name, sizeof(name), "%s/g", path->path);
	assert_int_equal(io_replace_file(AT_FDCWD, name, "x", 1, 0600), 0);
	umask(old);
}

static void test_replace_fails(void **state)
{
	CLEANUP_FD int dir = open_dir(state);
	char *big = calloc(1, 1 << 20);

	assert_non_null(big);
	/* the target is a directory: rename fails, nothing stays */
	assert_int_equal(mkdirat(dir, "d", 0700), 0);
	assert_true(io_replace_file(dir, "d", "x", 1, 0600) < 0);
	assert_int_equal(count_entries(state), 1);
	assert_int_equal(io_replace_file(dir, "no/f", "x", 1, 0600), -ENOENT);
	/* a write that fails half-way */
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(io_replace_file(dir, "f", "old", 3, 0600), 0);
	struct rlimit unlimited, limit;
	getrlimit(RLIMIT_FSIZE, &unlimited);
	limit = (struct rlimit){ 1000, unlimited.rlim_max };
	setrlimit(RLIMIT_FSIZE, &limit);
	assert_int_equal(io_replace_file(dir, "f", big, 1 << 20, 0600), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &unlimited);
	signal(SIGXFSZ, SIG_DFL);
	char buf[8];
	assert_int_equal(io_read_small(dir, "f", buf, sizeof(buf)), 3);
	assert_string_equal(buf, "old");
	assert_int_equal(count_entries(state), 2);
	free(big);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pipe),     tmpdir_test(test_read),
		tmpdir_test(test_small),         tmpdir_test(test_replace),
		tmpdir_test(test_replace_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
