/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Home directories out of hostile passwd files, and executables out of PATH.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/macros.h"
#include "runtime/program.h"

static int home_in(const char *passwd, size_t n, uid_t uid, char *buf, size_t size)
{
	int fd = memfd_create("passwd", MFD_CLOEXEC), r;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, passwd, n), n);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	r = program_passwd_home(fd, uid, buf, size);
	close(fd);
	return r;
}

static void test_passwd(void **state)
{
	static const struct {
		const char *text;
		uid_t uid;
		const char *home; /* NULL: none */
	} cases[] = {
		{ "root:x:0:0:root:/root:/bin/sh\n", 0, "/root" },
		{ "root:x:0:0:root:/root", 0, "/root" },
		{ "a:x:1:1::/a:\nb:x:2:2::/b:\n", 2, "/b" },
		{ "a:x:1:1::/first:\nb:x:1:1::/second:\n", 1, "/first" },
		{ "a:x:1:1::/a:\n", 2, NULL },
		{ "a:x:1\n", 1, NULL },
		{ "a:x:01x:1::/a:\n", 1, NULL },
		{ "a:x:-1:1::/a:\n", 4294967295u, NULL },
		{ "a:x:4294967296:1::/a:\n", 0, NULL },
		{ "a:x:1:1:::\nb:x:1:1::/b:\n", 1, "/b" },
		{ "", 0, NULL },
		{ "\n\n::::::\n", 0, NULL },
	};
	char buf[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		int r = home_in(cases[i].text, strlen(cases[i].text), cases[i].uid, buf,
				sizeof(buf));

		assert_int_equal(r, cases[i].home != NULL);
		if (cases[i].home)
			assert_string_equal(buf, cases[i].home);
	}
}

static void test_passwd_hostile(void **state)
{
	static char big[3 << 20];
	char buf[16];
	size_t n = 0;

	(void)state;
	/* A line longer than the buffer is skipped whole, not split into a second entry. */
	memset(big, 'x', 5000);
	n = 5000;
	memcpy(big + n, ":x:7:7::/evil:\nb:x:7:7::/b:\n", 28);
	n += 28;
	assert_int_equal(home_in(big, n, 7, buf, sizeof(buf)), 1);
	assert_string_equal(buf, "/b");
	/* A home that does not fit is no home. */
	assert_int_equal(home_in("a:x:1:1::/aaaaaaaaaaaaaaaaaaaaaaaa:\n", 36, 1, buf, sizeof(buf)),
			 0);
	/* Zero bytes, and no end. */
	assert_int_equal(home_in("a\0:x:1:1::/a:\n", 15, 1, buf, sizeof(buf)), 0);
	memset(big, '\n', sizeof(big));
	memcpy(big + sizeof(big) - 16, "a:x:1:1::/late:\n", 16);
	assert_int_equal(home_in(big, sizeof(big), 1, buf, sizeof(buf)), 0);
}

static char dir[] = "/tmp/thole-program-XXXXXX";

static int find(const char *name, const char *path, char *buf, struct err *err)
{
	return program_find(name, path, buf, 256, err);
}

static void test_find(void **state)
{
	char buf[256], path[128], want[128];
	struct err err = { 0 };

	(void)state;
	snprintf(path, sizeof(path), "/nonexistent:%s:/bin", dir);
	snprintf(want, sizeof(want), "%s/tool", dir);
	assert_int_equal(find("tool", path, buf, &err), 0);
	assert_string_equal(buf, want);
	/* In PATH, what cannot be executed is passed over. */
	assert_int_equal(find("plain", path, buf, &err), -ENOENT);
	assert_string_equal(err.msg, "exec: \"plain\": executable file not found in $PATH");
	assert_int_equal(find("sub", path, buf, &err), -ENOENT);
	assert_int_equal(find("foo", NULL, buf, &err), -ENOENT);
	assert_string_equal(err.msg, "exec: \"foo\": executable file not found in $PATH");
	assert_int_equal(find("", path, buf, &err), -ENOENT);
	/* With a slash it is used as it is, and the reason is told. */
	assert_int_equal(find("/no/foo", path, buf, &err), -ENOENT);
	assert_string_equal(err.msg, "exec: \"/no/foo\": stat /no/foo: no such file or directory");
	assert_int_equal(find("./sub", path, buf, &err), -EISDIR);
	assert_string_equal(err.msg, "exec: \"./sub\": is a directory");
	assert_int_equal(find("./plain", path, buf, &err), -EACCES);
	assert_string_equal(err.msg, "exec: \"./plain\": permission denied");
	assert_int_equal(find("./tool", path, buf, &err), 0);
	assert_string_equal(buf, "./tool");
	/* Never by accident from the current directory. */
	assert_int_equal(find("tool", "", buf, &err), -ENOENT);
	assert_int_equal(find("tool", ".:/bin", buf, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "relative to current directory"));
}

static int setup(void **state)
{
	int fd;

	(void)state;
	if (!mkdtemp(dir) || chdir(dir) < 0 || mkdir("sub", 0755) < 0)
		return -1;
	fd = open("tool", O_CREAT | O_WRONLY, 0755);
	close(fd);
	fd = open("plain", O_CREAT | O_WRONLY, 0644);
	close(fd);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink("tool");
	unlink("plain");
	rmdir("sub");
	return chdir("/") == 0 && rmdir(dir) == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_passwd),
		cmocka_unit_test(test_passwd_hostile),
		cmocka_unit_test(test_find),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
