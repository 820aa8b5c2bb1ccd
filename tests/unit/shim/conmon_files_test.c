// SPDX-License-Identifier: Apache-2.0
// The exit files, also on a file system that has become full.
#include "shim/conmon_files.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "common/fd.h"
#include "common/io.h"

static void check(const char *path, const char *want)
{
	char text[16];

	assert_true(io_read_small(AT_FDCWD, path, text, sizeof(text)) >= 0);
	assert_string_equal(text, want);
}

/* A small tmpfs of our own, in a mount namespace that ends with the test. */
static int setup(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNS) < 0 || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/mnt", "tmpfs", 0, "size=64k") < 0) {
		print_message("# skip kernel-facing: no mount namespace\n");
		return 0;
	}
	return mkdir("/mnt/p", 0700) | mkdir("/mnt/e", 0700);
}

static void fill(void)
{
	char zero[4096] = { 0 };
	int fd = fd_open("/mnt/full", O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	while (write(fd, zero, sizeof(zero)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	fd_close(fd);
}

static void exit_files_on_a_full_disk(void **state)
{
	struct conmon_options o = { .persist_dir = (char *)"/mnt/p",
				    .exit_dir = (char *)"/mnt/e",
				    .cid = (char *)"id" };
	struct conmon_files_spare spare;
	struct stat st;

	(void)state;
	if (stat("/mnt/e", &st) < 0)
		skip();
	conmon_files_reserve(&o, &spare);
	assert_true(spare.persist >= 0 && spare.exit >= 0);
	fill();
	conmon_files_exit(&o, 137, &spare);
	check("/mnt/p/exit", "137");
	check("/mnt/e/id", "137");
	assert_int_equal(spare.exit, -EBADF);
	assert_int_equal(stat("/mnt/e/id", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
}

static void exit_files_with_room(void **state)
{
	struct conmon_options o = { .exit_dir = (char *)"/mnt/e", .cid = (char *)"id" };
	struct conmon_files_spare spare;
	struct stat st;

	(void)state;
	if (stat("/mnt/e", &st) < 0)
		skip();
	(void)unlink("/mnt/full");
	conmon_files_reserve(&o, &spare);
	assert_int_equal(spare.persist, -EBADF);
	conmon_files_exit(&o, 3, &spare);
	check("/mnt/e/id", "3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exit_files_on_a_full_disk),
		cmocka_unit_test(exit_files_with_room),
	};
	void *state = NULL;

	umask(022);
	if (setup(&state))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
