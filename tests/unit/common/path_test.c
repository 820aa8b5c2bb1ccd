/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every case runs twice: with openat2 and with the walk that replaces it. Beside fixed cases, random
 * link farms are resolved both ways and must give the same answer.
 */
#include "tests/unit/common/tmpdir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <pthread.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/path.h"

#ifndef RESOLVE_NO_SYMLINKS
#define RESOLVE_NO_SYMLINKS 0x04
#endif
#ifndef RESOLVE_NO_XDEV
#define RESOLVE_NO_XDEV 0x01
#endif

struct farm {
	struct tmpdir *tmp;
	int top, root; /* the temporary directory, and "root" in it */
};

static void make_file(int dir, const char *name, const char *text)
{
	CLEANUP_FD int fd = fd_openat(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static int setup(void **state)
{
	struct farm *farm = calloc(1, sizeof(*farm));

	assert_non_null(farm);
	farm->tmp = tmpdir_new();
	farm->top = fd_open(farm->tmp->path, O_RDONLY | O_DIRECTORY, 0);
	make_file(farm->top, "secret", "host");
	assert_int_equal(mkdirat(farm->top, "root", 0755), 0);
	farm->root = fd_openat(farm->top, "root", O_PATH | O_DIRECTORY, 0);
	assert_int_equal(mkdirat(farm->root, "a", 0755), 0);
	assert_int_equal(mkdirat(farm->root, "a/b", 0755), 0);
	assert_int_equal(mkdirat(farm->root, "etc", 0755), 0);
	make_file(farm->root, "etc/passwd", "inside");
	make_file(farm->root, "secret", "inner");
	*state = farm;
	return 0;
}

static int teardown(void **state)
{
	struct farm *farm = *state;

	fd_close(farm->root);
	fd_close(farm->top);
	tmpdir_free(farm->tmp);
	free(farm);
	unsetenv("THOLE_TEST_ENOSYS");
	return 0;
}

static int setup_walk(void **state)
{
	setenv("THOLE_TEST_ENOSYS", "openat2", 1);
	return setup(state);
}

static void make_link(const struct farm *farm, const char *target, const char *name)
{
	assert_int_equal(symlinkat(target, farm->root, name), 0);
}

/* What a path below the root leads to, relative to the root ("" is the root), or "-errno". */
static const char *where(int root, const char *path, int flags)
{
	static char got[PATH_MAX], base[PATH_MAX];
	CLEANUP_FD int fd = path_open_in_root(root, path, flags);

	if (fd < 0) {
		snprintf(got, sizeof(got), "%d", fd);
		return got;
	}
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(path_of_fd(fd, got, sizeof(got)) > 0);
	assert_true(path_of_fd(root, base, sizeof(base)) > 0);
	assert_true(strncmp(got, base, strlen(base)) == 0);
	assert_true(got[strlen(base)] == '/' || got[strlen(base)] == '\0');
	return got + strlen(base);
}

static void expect(const struct farm *farm, const char *path, const char *result)
{
	assert_string_equal(where(farm->root, path, O_PATH), result);
}

static void expect_error(const struct farm *farm, const char *path, int flags, int code)
{
	CLEANUP_FD int fd = path_open_in_root(farm->root, path, flags);

	assert_int_equal(fd, -code);
}

static void test_plain(void **state)
{
	struct farm *farm = *state;
	char name[300], buf[16] = "";
	int fd;

	expect(farm, "/", "");
	expect(farm, ".", "");
	expect(farm, "/..", "");
	expect(farm, "../../..", "");
	expect(farm, "a/b", "/a/b");
	expect(farm, "//a///b//", "/a/b");
	expect(farm, "/a/./b/..", "/a");
	expect(farm, "a/b/../../etc/passwd", "/etc/passwd");
	expect(farm, "../secret", "/secret");
	expect(farm, "a/../../secret", "/secret");
	expect_error(farm, "", O_PATH, ENOENT);
	expect_error(farm, "none", O_PATH, ENOENT);
	expect_error(farm, "a/none/b", O_PATH, ENOENT);
	expect_error(farm, "a/none/..", O_PATH, ENOENT);
	expect_error(farm, "etc/passwd/", O_PATH, ENOTDIR);
	expect_error(farm, "etc/passwd/.", O_PATH, ENOTDIR);
	expect_error(farm, "etc/passwd/..", O_PATH, ENOTDIR);
	expect_error(farm, "etc/passwd/x", O_PATH, ENOTDIR);
	expect_error(farm, "etc/passwd", O_PATH | O_DIRECTORY, ENOTDIR);
	expect_error(farm, "etc/passwd", O_RDONLY | O_DIRECTORY, ENOTDIR);
	expect_error(farm, "a", O_WRONLY, EISDIR);
	expect_error(farm, "a", O_RDWR | O_CREAT, EINVAL);
	expect_error(farm, "a", O_RDWR | O_TMPFILE, EINVAL);
	memset(name, 'n', sizeof(name));
	name[299] = '\0';
	expect_error(farm, name, O_PATH, ENAMETOOLONG);
	fd = path_open_in_root(farm->root, "/../secret", O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, buf, sizeof(buf)), 5);
	assert_memory_equal(buf, "inner", 5);
	fd_close(fd);
	fd = path_open_in_root(farm->root, "a/b", O_RDONLY | O_DIRECTORY);
	assert_true(path_is_dir(fd));
	fd_close(fd);
	fd = path_open_in_root(farm->root, "a/..", O_RDONLY | O_DIRECTORY);
	assert_true(path_is_dir(fd));
	fd_close(fd);
}

static void test_links(void **state)
{
	struct farm *farm = *state;
	struct stat st;
	int fd;

	make_link(farm, "/", "slash");
	make_link(farm, "/etc", "abs");
	make_link(farm, "../../../../secret", "up");
	make_link(farm, "/../../secret", "absup");
	make_link(farm, "b/..", "a/self");
	make_link(farm, "../etc/", "a/etc");
	make_link(farm, "abs/passwd", "chain");
	make_link(farm, "loop2", "loop1");
	make_link(farm, "loop1", "loop2");
	make_link(farm, "nothing/at/all", "dangling");
	make_link(farm, "etc/passwd/", "filelink");
	expect(farm, "slash/slash/slash", "");
	expect(farm, "abs/passwd", "/etc/passwd");
	expect(farm, "a/b/../../abs/../secret", "/secret");
	expect(farm, "up", "/secret");
	expect(farm, "absup", "/secret");
	expect(farm, "a/self/self/self/b", "/a/b");
	expect(farm, "a/etc/passwd", "/etc/passwd");
	expect(farm, "a/etc/..", "");
	expect(farm, "chain", "/etc/passwd");
	expect_error(farm, "loop1", O_PATH, ELOOP);
	expect_error(farm, "dangling", O_PATH, ENOENT);
	expect_error(farm, "filelink", O_PATH, ENOTDIR);
	expect_error(farm, "chain/", O_PATH, ENOTDIR);
	/* O_NOFOLLOW is about the last name only, and not before a slash */
	fd = path_open_in_root(farm->root, "slash/abs", O_PATH | O_NOFOLLOW);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	fd_close(fd);
	assert_string_equal(where(farm->root, "abs/", O_PATH | O_NOFOLLOW), "/etc");
	expect_error(farm, "abs", O_RDONLY | O_NOFOLLOW, ELOOP);
	expect_error(farm, "abs", O_PATH | O_NOFOLLOW | O_DIRECTORY, ENOTDIR);
	assert_int_equal(path_open_in_root_how(farm->root, "abs", O_PATH, RESOLVE_NO_SYMLINKS),
			 -ELOOP);
	fd = path_open_in_root_how(farm->root, "etc/../a", O_PATH, RESOLVE_NO_SYMLINKS);
	assert_true(fd >= 0);
	fd_close(fd);
}

static void test_link_limit(void **state)
{
	struct farm *farm = *state;
	char target[16], name[16];

	make_link(farm, "etc", "l0");
	for (int i = 1; i <= 40; i++) {
		snprintf(target, sizeof(target), "l%d", i - 1);
		snprintf(name, sizeof(name), "l%d", i);
		make_link(farm, target, name);
	}
	expect(farm, "l39", "/etc");
	expect_error(farm, "l40", O_PATH, ELOOP);
}

static void test_magic(void **state)
{
	struct farm *farm = *state;
	CLEANUP_FD int proc = fd_open("/proc", O_PATH | O_DIRECTORY, 0);
	CLEANUP_FD int host = fd_open("/", O_PATH | O_DIRECTORY, 0);
	char path[64];
	int fd;

	assert_true(proc >= 0 && host >= 0);
	assert_int_equal(path_fs_magic(proc), PROC_SUPER_MAGIC);
	assert_int_equal(path_fs_magic(-1), 0);
	snprintf(path, sizeof(path), "%d/root", (int)getpid());
	assert_int_equal(path_open_in_root(proc, path, O_PATH), -ELOOP);
	snprintf(path, sizeof(path), "self/fd/%d", farm->top);
	assert_int_equal(path_open_in_root(proc, path, O_PATH), -ELOOP);
	assert_int_equal(path_open_in_root(proc, "self/cwd/x", O_PATH), -ELOOP);
	assert_int_equal(path_open_in_root(host, "proc/self/exe", O_RDONLY), -ELOOP);
	/* the link itself may be had */
	fd = path_open_in_root(proc, "self/root", O_PATH | O_NOFOLLOW);
	assert_true(fd >= 0);
	fd_close(fd);
	/* ordinary links in procfs */
	fd = path_open_in_root(proc, "mounts", O_RDONLY);
	assert_true(fd >= 0);
	fd_close(fd);
	fd = path_open_in_root(host, "proc/self/status", O_RDONLY);
	assert_true(fd >= 0);
	fd_close(fd);
}

static void test_mkdirs(void **state)
{
	struct farm *farm = *state;
	struct stat st;
	int fd;

	make_link(farm, "/run", "var");
	make_link(farm, "../../../../out", "esc");
	fd = path_mkdirs_in_root(farm->root, "/x/y/z", 0700);
	assert_true(fd >= 0 && path_is_dir(fd));
	fd_close(fd);
	expect(farm, "x/y/z", "/x/y/z");
	assert_int_equal(fstatat(farm->root, "x/y", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	/* through dangling links, inside */
	fd = path_mkdirs_in_root(farm->root, "var/secrets/deep/", 0755);
	assert_true(fd >= 0);
	fd_close(fd);
	expect(farm, "run/secrets/deep", "/run/secrets/deep");
	fd = path_mkdirs_in_root(farm->root, "esc/in", 0755);
	assert_true(fd >= 0);
	fd_close(fd);
	expect(farm, "out/in", "/out/in");
	assert_int_equal(faccessat(farm->top, "out", F_OK, 0), -1);
	fd = path_mkdirs_in_root(farm->root, "p/../q/../../r", 0755);
	assert_true(fd >= 0);
	fd_close(fd);
	expect(farm, "r", "/r");
	expect(farm, "p", "/p");
	fd = path_mkdirs_in_root(farm->root, "a/b", 0755);
	assert_true(fd >= 0);
	fd_close(fd);
	fd = path_mkdirs_in_root(farm->root, "/", 0755);
	assert_true(fd >= 0);
	fd_close(fd);
	assert_int_equal(path_mkdirs_in_root(farm->root, "etc/passwd", 0755), -ENOTDIR);
	assert_int_equal(path_mkdirs_in_root(farm->root, "etc/passwd/x", 0755), -ENOTDIR);
	assert_int_equal(path_mkdirs_in_root(farm->root, "", 0755), -ENOENT);
}

static void test_create_file(void **state)
{
	struct farm *farm = *state;
	struct stat st;
	int fd;

	make_link(farm, "/../../../etc/made", "flink");
	fd = path_create_file_in_root(farm->root, "n/m/file", 0640);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_true(fcntl(fd, F_GETFL) & O_PATH);
	fd_close(fd);
	expect(farm, "n/m/file", "/n/m/file");
	fd = path_create_file_in_root(farm->root, "flink", 0644);
	assert_true(fd >= 0);
	fd_close(fd);
	expect(farm, "etc/made", "/etc/made");
	fd = path_create_file_in_root(farm->root, "etc/passwd", 0600);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 6);
	fd_close(fd);
	assert_int_equal(path_create_file_in_root(farm->root, "etc/passwd/f", 0600), -ENOTDIR);
}

static void test_parent(void **state)
{
	struct farm *farm = *state;
	static const char *const bad[] = { "/", "", "//", "..", "a/..", "a/.", "a/../" };
	char buf[256], path[PATH_MAX], root[PATH_MAX];
	const char *base;
	int fd;

	make_link(farm, "/etc", "abs");
	assert_true(path_of_fd(farm->root, root, sizeof(root)) > 0);
	fd = path_open_parent_in_root(farm->root, "/abs/new//", false, &base, buf, sizeof(buf));
	assert_true(path_of_fd(fd, path, sizeof(path)) > 0);
	assert_string_equal(path + strlen(root), "/etc");
	assert_string_equal(base, "new");
	fd_close(fd);
	fd = path_open_parent_in_root(farm->root, "name", false, &base, buf, sizeof(buf));
	assert_true(path_of_fd(fd, path, sizeof(path)) > 0);
	assert_string_equal(path, root);
	assert_string_equal(base, "name");
	fd_close(fd);
	assert_int_equal(path_open_parent_in_root(farm->root, "q/w/e", false, &base, buf, 256),
			 -ENOENT);
	fd = path_open_parent_in_root(farm->root, "q/w/e", true, &base, buf, sizeof(buf));
	assert_true(path_of_fd(fd, path, sizeof(path)) > 0);
	assert_string_equal(path + strlen(root), "/q/w");
	fd_close(fd);
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		assert_int_equal(
			path_open_parent_in_root(farm->root, bad[i], true, &base, buf, sizeof(buf)),
			-EINVAL);
	assert_int_equal(path_open_parent_in_root(farm->root, "a/long", false, &base, buf, 4),
			 -ENAMETOOLONG);
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/* A random path of names a..d, dots, double dots, slashes. */
static void random_path(uint32_t *seed, char *buf, size_t size)
{
	static const char *const parts[] = { "a", "b", "c", "d", ".", "..", "..", "", "e" };
	size_t n = 1 + next_random(seed) % 5, len = 0;

	if (next_random(seed) % 3 == 0)
		len = (size_t)snprintf(buf, size, "/");
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(buf + len, size - len, "%s%s", i ? "/" : "",
					parts[next_random(seed) % ARRAY_COUNT(parts)]);
}

static void grow_farm(const struct farm *farm, uint32_t *seed)
{
	char name[64], target[64];

	for (int i = 0; i < 60; i++) {
		random_path(seed, name, sizeof(name));
		random_path(seed, target, sizeof(target));
		if (strstr(name, "..") || name[0] == '/')
			continue;
		switch (next_random(seed) % 4) {
		case 0:
			if (mkdirat(farm->root, name, 0755) < 0)
				continue;
			break;
		case 1:
			fd_close(openat(farm->root, name, O_CREAT | O_NOFOLLOW | O_EXCL | O_CLOEXEC,
					0644));
			break;
		default:
			if (symlinkat(target, farm->root, name) < 0)
				continue;
		}
	}
}

/* openat2 and the walk agree about everything. */
static void test_farms(void **state)
{
	static const int flags[] = { O_PATH, O_PATH | O_NOFOLLOW, O_PATH | O_DIRECTORY, O_RDONLY,
				     O_RDONLY | O_NOFOLLOW };
	struct farm *farm = *state;
	CLEANUP_FD int probe = path_open_in_root_how(farm->root, ".", O_PATH, RESOLVE_NO_XDEV);
	char path[64], dir[16], first[PATH_MAX];
	uint32_t seed = 4711;
	int old = farm->root, flag, same = 0;

	if (probe == -ENOSYS || probe == -EPERM)
		skip();
	for (int round = 0; round < 40; round++) {
		snprintf(dir, sizeof(dir), "farm%d", round);
		assert_int_equal(mkdirat(old, dir, 0755), 0);
		farm->root = fd_openat(old, dir, O_PATH | O_DIRECTORY, 0);
		grow_farm(farm, &seed);
		for (int i = 0; i < 300; i++) {
			random_path(&seed, path, sizeof(path));
			flag = flags[next_random(&seed) % ARRAY_COUNT(flags)];
			unsetenv("THOLE_TEST_ENOSYS");
			snprintf(first, sizeof(first), "%s", where(farm->root, path, flag));
			setenv("THOLE_TEST_ENOSYS", "openat2", 1);
			assert_string_equal(where(farm->root, path, flag), first);
			same += first[0] == '/';
		}
		fd_close(farm->root);
	}
	farm->root = old;
	assert_true(same > 500);
}

/* Many ".." below a deep tree end in an error, not in minutes of work. */
static void test_expensive(void **state)
{
	struct farm *farm = *state;
	char path[PATH_MAX];
	size_t len = 0;
	int fd;

	for (int i = 0; i < 400; i++)
		len += (size_t)snprintf(path + len, sizeof(path) - len, "d/");
	fd = path_mkdirs_in_root(farm->root, path, 0755);
	assert_true(fd >= 0);
	fd_close(fd);
	while (len + 8 < sizeof(path))
		len += (size_t)snprintf(path + len, sizeof(path) - len, "../d/");
	setenv("THOLE_TEST_ENOSYS", "openat2", 1);
	fd = path_open_in_root(farm->root, path, O_PATH);
	assert_true(fd == -ELOOP);
}

struct swapper {
	int dir;
	bool stop;
};

/* Swaps a directory with a link to the host's, as fast as it can. */
static void *swap(void *arg)
{
	struct swapper *s = arg;

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		renameat2(s->dir, "a", s->dir, "evil", RENAME_EXCHANGE);
		renameat2(s->dir, "plain", s->dir, "evilfile", RENAME_EXCHANGE);
		/* and a directory is moved out of the root and back, while ".." is walked */
		renameat2(s->dir, "etc", s->dir, "../moved", 0);
		renameat2(s->dir, "../moved", s->dir, "etc", 0);
	}
	return NULL;
}

static void test_race(void **state)
{
	static const char *const paths[] = { "a/../secret", "a/secret", "etc/../secret",
					     "a/b/../../../secret", "plain" };
	struct farm *farm = *state;
	struct swapper s = { 0 };
	pthread_t thread;
	char buf[8];
	int fd, hits = 0;

	s.dir = fd_openat(farm->top, "root", O_RDONLY | O_DIRECTORY, 0);
	make_link(farm, "../..", "evil");
	make_link(farm, "../secret", "evilfile");
	make_file(farm->root, "plain", "inner");
	assert_int_equal(pthread_create(&thread, NULL, swap, &s), 0);
	for (int i = 0; i < 20000; i++) {
		fd = path_open_in_root(farm->root, paths[i % ARRAY_COUNT(paths)], O_RDONLY);
		if (fd < 0) {
			assert_true(fd == -ENOENT || fd == -EAGAIN || fd == -ENOTDIR);
			continue;
		}
		memset(buf, 0, sizeof(buf));
		assert_int_equal(read(fd, buf, sizeof(buf)), 5);
		assert_memory_equal(buf, "inner", 5);
		fd_close(fd);
		hits++;
	}
	__atomic_store_n(&s.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	fd_close(s.dir);
	assert_true(hits > 100);
}

static void test_kinds(void **state)
{
	CLEANUP_FD int null_fd = fd_open("/dev/null", O_PATH, 0);
	char small[4];

	(void)state;
	assert_true(path_is_chrdev(null_fd, 1, 3));
	assert_false(path_is_chrdev(null_fd, 1, 5));
	assert_false(path_is_dir(null_fd));
	assert_false(path_is_dir(-1));
	assert_int_equal(path_of_fd(null_fd, small, sizeof(small)), -ENAMETOOLONG);
	assert_int_equal(path_of_fd(-1, small, sizeof(small)), -ENOENT);
}

static void test_clean(void **state)
{
	static const struct {
		const char *in, *out;
	} table[] = {
		{ "/", "/" },         { "//", "/" },
		{ "/a//b/", "/a/b" }, { "/a/./b/.", "/a/b" },
		{ "/a/../b", "/b" },  { "/..", "/" },
		{ "/../../a", "/a" }, { "/a/b/../..", "/" },
		{ "/...", "/..." },   { "/.a/..b", "/.a/..b" },
	};
	char buf[16];

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		assert_int_equal(path_clean(table[i].in, buf, sizeof(buf)), strlen(table[i].out));
		assert_string_equal(buf, table[i].out);
	}
	assert_int_equal(path_clean("a", buf, sizeof(buf)), -EINVAL);
	assert_int_equal(path_clean("/abc", buf, 4), -ENAMETOOLONG);
	assert_int_equal(path_clean("/abc", buf, 5), 4);
	assert_int_equal(path_clean("/", buf, 1), -ENAMETOOLONG);
}

#define both(f)                                                                                    \
	cmocka_unit_test_setup_teardown(f, setup, teardown),                                       \
	{                                                                                          \
#f " (walk)", f, setup_walk, teardown, NULL                                        \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		both(test_plain),
		both(test_links),
		both(test_link_limit),
		both(test_magic),
		both(test_mkdirs),
		both(test_create_file),
		both(test_parent),
		both(test_race),
		cmocka_unit_test_setup_teardown(test_farms, setup, teardown),
		cmocka_unit_test_setup_teardown(test_expensive, setup, teardown),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
