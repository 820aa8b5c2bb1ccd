// SPDX-License-Identifier: Apache-2.0
// The registry directory in a temporary root.
#include "shim/registry.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "common/fd.h"
#include "common/sock.h"

static char root[64];

static int make_root(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/registry_XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
	(void)state;
	return rmdir(root); /* fails if anything was left behind */
}

static void ids(void **state)
{
	static const char *const good[] = { "a", "A-b_c.d+1", "..." };
	static const char *const bad[] = { "", ".", "..", "a/b", "a b", "\xc3\xa4", "a\n" };
	char longest[257];
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(good); i++)
		assert_int_equal(registry_check_id(good[i], &err), 0);
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		assert_int_equal(registry_check_id(bad[i], &err), -EINVAL);
	memset(longest, 'x', 256);
	longest[256] = '\0';
	assert_int_equal(registry_check_id(longest, &err), -EINVAL);
	assert_int_equal(registry_check_id(longest + 1, &err), 0);
}

static void one_owner(void **state)
{
	struct registry_key key = { root, NULL, "c1" };
	struct err err = { 0 };
	struct stat st;
	int fd, again;

	(void)state;
	assert_int_equal(registry_open(&key, &err), -ENOENT);
	assert_string_equal(err.msg, "container \"c1\" does not exist");
	fd = registry_create(&key, &err);
	assert_true(fd >= 3);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(registry_create(&key, &err), -EEXIST);
	assert_non_null(strstr(err.msg, "\"c1\""));
	again = registry_open(&key, &err);
	assert_true(again >= 3);
	fd_close(again);
	fd_close(fd);
	assert_int_equal(registry_remove(&key, &err), 0);
	assert_int_equal(registry_remove(&key, &err), 0);
}

/* A directory that cannot be opened is nobody's: the next shim of that name would find it. */
static void not_opened(void **state)
{
	const struct registry_key key = { root, "ns", "x" };
	struct rlimit old, none = { 0 };
	struct err err = { 0 };
	char path[128];
	struct stat st;
	int r;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	r = registry_create(&key, &err);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(r, -EMFILE);
	snprintf(path, sizeof(path), "%s/ns/x", root);
	assert_int_equal(lstat(path, &st), -1);
	assert_int_equal(registry_remove(&key, &err), 0);
	snprintf(path, sizeof(path), "%s/ns", root);
	(void)rmdir(path);
}

static void info_comes_back(void **state)
{
	static const char *const args[] = { "--debug", "--x=\"y\"" };
	struct registry_key key = { root, "ns", "c2" };
	struct registry_info in = {
		.id = "c2",
		.bundle = "/b u",
		.runtime = "/bin/rt",
		.runtime_root = NULL,
		.runtime_args = args,
		.n_runtime_args = 2,
		.log_path = "/l",
		.log_format = "cri",
		.exit_file = "/e",
		.terminal = true,
		.pid = 77,
		.start_ticks = 1234567890123,
		.shim_pid = 78,
		.shim_start_ticks = 5,
	};
	struct registry_info out;
	CLEANUP_ARENA struct arena arena = { 0 };
	CLEANUP_FD int fd = -EBADF;
	struct err err = { 0 };

	(void)state;
	fd = registry_create(&key, &err);
	assert_true(fd >= 0);
	assert_int_equal(registry_info_read(fd, &arena, &out, &err), -ENOENT);
	assert_int_equal(registry_info_write(fd, &in), 0);
	assert_int_equal(registry_info_read(fd, &arena, &out, &err), 0);
	assert_string_equal(out.id, "c2");
	assert_string_equal(out.bundle, "/b u");
	assert_null(out.runtime_root);
	assert_int_equal(out.n_runtime_args, 2);
	assert_string_equal(out.runtime_args[1], "--x=\"y\"");
	assert_string_equal(out.exit_file, "/e");
	assert_null(out.started_at);
	assert_true(out.terminal && !out.has_stdin);
	assert_int_equal(out.pid, 77);
	assert_int_equal(out.start_ticks, 1234567890123);
	assert_int_equal(registry_remove(&key, &err), 0);
}

static void damaged_info(void **state)
{
	static const char *const texts[] = { "", "{", "{}", "[1]", "{\"id\":\"a\"}" };
	struct registry_key key = { root, NULL, "c3" };
	struct err err = { 0 };
	int fd;

	(void)state;
	fd = registry_create(&key, &err);
	assert_true(fd >= 0);
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		CLEANUP_ARENA struct arena arena = { 0 };
		struct registry_info out;
		int f = fd_openat(fd, REGISTRY_INFO, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		assert_true(f >= 0);
		assert_int_equal(write(f, texts[i], strlen(texts[i])), strlen(texts[i]));
		fd_close(f);
		err.msg[0] = '\0';
		assert_true(registry_info_read(fd, &arena, &out, &err) < 0);
		assert_true(err.msg[0]);
	}
	fd_close(fd);
	assert_int_equal(registry_remove(&key, &err), 0);
}

static int count(void *user, const char *id)
{
	(void)id;
	return ++*(int *)user == 2 ? -ECANCELED : 0;
}

static void listing(void **state)
{
	struct registry_key a = { root, NULL, "a" }, b = { root, NULL, "b" };
	struct err err = { 0 };
	int n = 0;

	(void)state;
	assert_int_equal(registry_list(root, NULL, count, &n, &err), 0);
	assert_int_equal(n, 0);
	fd_close(registry_create(&a, &err));
	assert_int_equal(registry_list(root, NULL, count, &n, &err), 0);
	assert_int_equal(n, 1);
	fd_close(registry_create(&b, &err));
	n = 0;
	assert_int_equal(registry_list(root, NULL, count, &n, &err), -ECANCELED);
	assert_int_equal(registry_remove(&a, &err), 0);
	assert_int_equal(registry_remove(&b, &err), 0);
}

static void connecting(void **state)
{
	struct registry_key key = { root, NULL, "c4" };
	char path[PATH_MAX];
	struct err err = { 0 };
	int fd, server, client;

	(void)state;
	assert_int_equal(registry_connect(&key, &err), -ENOENT);
	fd = registry_create(&key, &err);
	assert_true(fd >= 0);
	assert_int_equal(registry_path(&key, REGISTRY_SOCKET, path, sizeof(path)), 0);
	server = sock_listen(path, SOCK_STREAM, &err);
	assert_true(server >= 0);
	client = registry_connect(&key, &err);
	assert_true(client >= 0);
	fd_close(client);
	fd_close(server);
	/* The shim died: its socket is there, nobody listens. */
	assert_int_equal(registry_connect(&key, &err), -ECONNREFUSED);
	fd_close(fd);
	assert_int_equal(registry_remove(&key, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids),          cmocka_unit_test(one_owner),
		cmocka_unit_test(not_opened),   cmocka_unit_test(info_comes_back),
		cmocka_unit_test(damaged_info), cmocka_unit_test(listing),
		cmocka_unit_test(connecting),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}
