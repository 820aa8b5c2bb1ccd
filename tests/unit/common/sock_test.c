/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/common/tmpdir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/sock.h"

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_messages(void **state)
{
	char buf[8];
	int pair[2];

	(void)state;
	assert_int_equal(sock_pair(pair), 0);
	assert_int_equal(sock_send(pair[0], "abc", 3, NULL, 0), 3);
	assert_int_equal(sock_send(pair[0], "123456789", 9, NULL, 0), 9);
	assert_int_equal(sock_recv(pair[1], buf, sizeof(buf), NULL, NULL), 3);
	assert_memory_equal(buf, "abc", 3);
	/* cut: told, not given */
	assert_int_equal(sock_recv(pair[1], buf, sizeof(buf), NULL, NULL), -EMSGSIZE);
	fd_close(pair[0]);
	assert_int_equal(sock_recv(pair[1], buf, sizeof(buf), NULL, NULL), 0);
	assert_int_equal(sock_send(pair[1], "x", 1, NULL, 0), -EPIPE);
	fd_close(pair[1]);
}

static void test_fds(void **state)
{
	int pair[2], fds[4], many[10], before;
	size_t n = 4;
	char buf[8];

	(void)state;
	assert_int_equal(sock_pair(pair), 0);
	before = count_fds();
	many[0] = fd_open("/dev/null", O_RDWR, 0);
	for (int i = 1; i < 10; i++)
		many[i] = many[0];
	assert_int_equal(sock_send(pair[0], "x", 1, many, 2), 1);
	assert_int_equal(sock_recv(pair[1], buf, sizeof(buf), fds, &n), 1);
	assert_int_equal(n, 2);
	assert_true(fds[0] >= 3 && (fcntl(fds[0], F_GETFD) & FD_CLOEXEC));
	assert_true(fds[1] != fds[0] && (fcntl(fds[1], F_GETFD) & FD_CLOEXEC));
	fd_close(fds[0]);
	fd_close(fds[1]);
	/* none in a message */
	n = 4;
	assert_int_equal(sock_send(pair[0], "x", 1, NULL, 0), 1);
	assert_int_equal(sock_recv(pair[1], buf, sizeof(buf), fds, &n), 1);
	assert_int_equal(n, 0);
	/* too many, or not wanted at all: refused, and nothing leaks */
	n = 4;
	assert_int_equal(sock_send(pair[0], "x", 1, many, 10), 1);
	assert_int_equal(sock_recv(pair[1], buf, sizeof(buf), fds, &n), -EMSGSIZE);
	assert_int_equal(n, 0);
	assert_int_equal(sock_send(pair[0], "x", 1, many, 1), 1);
	assert_int_equal(sock_recv(pair[1], buf, sizeof(buf), NULL, NULL), -EMSGSIZE);
	n = 4;
	assert_int_equal(sock_send(pair[0], "123456789", 9, many, 2), 9);
	assert_int_equal(sock_recv(pair[1], buf, sizeof(buf), fds, &n), -EMSGSIZE);
	fd_close(many[0]);
	assert_int_equal(count_fds(), before);
	assert_int_equal(sock_send(pair[0], "x", 1, many, 1000), -EINVAL);
	fd_close(pair[0]);
	fd_close(pair[1]);
}

/* Listens, connects, speaks, and finds the peer's credentials. */
static void check_path(const char *path, int type)
{
	CLEANUP_FD int listener = -EBADF, client = -EBADF, server = -EBADF;
	mode_t old = umask(0);
	struct err err = { 0 };
	struct ucred cred;
	struct stat st;
	char buf[4];

	listener = sock_listen(path, type, &err);
	umask(old);
	if (listener < 0)
		print_error("%s\n", err.msg);
	assert_true(listener >= 3);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	client = sock_connect(path, type, &err);
	if (client < 0)
		print_error("%s\n", err.msg);
	assert_true(client >= 3);
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(server >= 0);
	assert_int_equal(sock_send(client, "hi", 2, NULL, 0), 2);
	assert_int_equal(sock_recv(server, buf, sizeof(buf), NULL, NULL), 2);
	assert_int_equal(sock_peer(server, &cred), 0);
	assert_int_equal(cred.pid, getpid());
	assert_int_equal(cred.uid, getuid());
}

static void test_paths(void **state)
{
	struct tmpdir *tmp = *state;
	char path[PATH_MAX], name[256];
	size_t n;

	snprintf(path, sizeof(path), "%s/s", tmp->path);
	check_path(path, SOCK_STREAM);
	/* now stale: taken over */
	check_path(path, SOCK_SEQPACKET);
	/* a long name in a short directory */
	memset(name, 'n', 250);
	name[250] = '\0';
	snprintf(path, sizeof(path), "%s/%s", tmp->path, name);
	check_path(path, SOCK_STREAM);
	check_path(path, SOCK_STREAM);
	/* long directories */
	n = (size_t)snprintf(path, sizeof(path), "%s", tmp->path);
	for (int i = 0; i < 4; i++) {
		n += (size_t)snprintf(path + n, sizeof(path) - n, "/d%s", name);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	snprintf(path + n, sizeof(path) - n, "/s");
	check_path(path, SOCK_STREAM);
	snprintf(path + n, sizeof(path) - n, "/%s", name);
	check_path(path, SOCK_STREAM);
}

static void test_relative(void **state)
{
	struct tmpdir *tmp = *state;
	char old[PATH_MAX], name[201];

	memset(name, 'r', sizeof(name));
	name[200] = '\0';
	assert_non_null(getcwd(old, sizeof(old)));
	assert_int_equal(chdir(tmp->path), 0);
	check_path("sock", SOCK_STREAM);
	check_path(name, SOCK_STREAM);
	assert_int_equal(chdir(old), 0);
}

static void test_refusals(void **state)
{
	struct tmpdir *tmp = *state;
	CLEANUP_FD int live = -EBADF, file = -EBADF;
	char path[128], text[256];
	struct err err = { 0 };

	snprintf(path, sizeof(path), "%s/s", tmp->path);
	assert_int_equal(sock_connect(path, SOCK_STREAM, &err), -ENOENT);
	snprintf(text, sizeof(text), "connect to \"%s\": no such file or directory", path);
	assert_string_equal(err.msg, text);
	live = sock_listen(path, SOCK_STREAM, &err);
	assert_true(live >= 0);
	assert_int_equal(sock_listen(path, SOCK_STREAM, &err), -EADDRINUSE);
	assert_int_equal(sock_listen(path, SOCK_SEQPACKET, &err), -EADDRINUSE);
	snprintf(path, sizeof(path), "%s/file", tmp->path);
	file = fd_open(path, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(sock_listen(path, SOCK_STREAM, &err), -EEXIST);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(sock_connect(path, SOCK_STREAM, &err), -ECONNREFUSED);
	assert_true(sock_listen("/nonexistent/s", SOCK_STREAM, &err) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages), cmocka_unit_test(test_fds),
		tmpdir_test(test_paths),         tmpdir_test(test_relative),
		tmpdir_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
