/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/common/tmpdir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/proc.h"
#include "runtime/state.h"

struct fixture {
	struct tmpdir *tmp;
	struct arena arena;
	const char *root;
	struct err err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->tmp = tmpdir_new();
	f->root = arena_printf(&f->arena, "%s/a/root", f->tmp->path);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	tmpdir_free(f->tmp);
	arena_done(&f->arena);
	free(f);
	return 0;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void test_ids(void **state)
{
	static const char *const good[] = { "a", "A_b+c-d.e", "..a", "0", ".x" };
	static const char *const bad[] = {
		".", "..", "a/b", "a b", "/", "\xc3\xa4", "a\n", ".cache"
	};
	char name[NAME_MAX + 2];
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(good); i++)
		assert_int_equal(state_check_id(good[i], &err), 0);
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		assert_int_equal(state_check_id(bad[i], &err), -EINVAL);
		assert_string_equal(err.msg, "invalid container ID format");
	}
	assert_int_equal(state_check_id("", &err), -EINVAL);
	assert_string_equal(err.msg, "container id cannot be empty");
	memset(name, 'a', sizeof(name));
	name[NAME_MAX] = '\0';
	assert_int_equal(state_check_id(name, &err), 0);
	name[NAME_MAX] = 'a';
	name[NAME_MAX + 1] = '\0';
	assert_int_equal(state_check_id(name, &err), -EINVAL);
}

static void test_create(void **state)
{
	struct fixture *f = *state;
	struct state_dir dir = STATE_DIR_INIT, again = STATE_DIR_INIT;
	mode_t old = umask(077);

	assert_int_equal(state_dir_create(&f->arena, f->root, "c1", &dir, &f->err), 0);
	umask(old);
	assert_int_equal(mode_of(f->root), 0700);
	assert_int_equal(mode_of(dir.path), 0711);
	assert_int_equal(state_dir_create(&f->arena, f->root, "c1", &again, &f->err), -EEXIST);
	assert_string_equal(f->err.msg, "container with given ID already exists");
	state_dir_close(&dir);
	assert_int_equal(state_dir_open(&f->arena, f->root, "c2", false, &again, &f->err), -ENOENT);
	assert_string_equal(f->err.msg, "container does not exist");
	assert_int_equal(state_dir_open(&f->arena, f->root, "../root", false, &again, &f->err),
			 -EINVAL);
}

static void test_not_a_directory(void **state)
{
	struct fixture *f = *state;
	struct state_dir dir = STATE_DIR_INIT;

	assert_int_equal(state_dir_create(&f->arena, f->root, "c1", &dir, &f->err), 0);
	state_dir_close(&dir);
	assert_int_equal(symlink("c1", arena_printf(&f->arena, "%s/link", f->root)), 0);
	assert_int_equal(state_dir_peek(&f->arena, f->root, "link", &dir, &f->err), -ENOENT);
}

/* A child that has the lock for a moment; what it does to the directory decides what we get. */
static pid_t lock_holder(struct fixture *f, const char *id, bool remove)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct state_dir dir = STATE_DIR_INIT;

		if (state_dir_open(&f->arena, f->root, id, true, &dir, &f->err) < 0)
			_exit(1);
		if (write(ready[1], "x", 1) != 1)
			_exit(2);
		usleep(100000);
		if (remove && state_dir_remove(&dir, &f->err) < 0)
			_exit(3);
		_exit(0); /* without unlocking: a crash */
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void reap(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_lock(void **state)
{
	struct fixture *f = *state;
	struct state_dir dir = STATE_DIR_INIT, peek = STATE_DIR_INIT;
	pid_t pid;

	assert_int_equal(state_dir_create(&f->arena, f->root, "c1", &dir, &f->err), 0);
	state_dir_close(&dir);
	pid = lock_holder(f, "c1", false);
	/* A reader does not wait. */
	assert_int_equal(state_dir_peek(&f->arena, f->root, "c1", &peek, &f->err), 0);
	assert_int_equal(kill(pid, 0), 0);
	state_dir_close(&peek);
	assert_int_equal(state_dir_open(&f->arena, f->root, "c1", true, &dir, &f->err), 0);
	reap(pid);
	state_dir_unlock(&dir);
	pid = lock_holder(f, "c1", true);
	/* Deleted while we waited: the lock on a directory that is gone is worth nothing. */
	assert_int_equal(state_dir_lock(&dir, true, &f->err), -ENOENT);
	state_dir_close(&dir);
	reap(pid);
}

/* The child that becomes the container shares the lock until it closes it; the parent's unlock must
 * not wait for that. */
static void test_lock_is_not_inherited(void **state)
{
	struct fixture *f = *state;
	struct state_dir dir = STATE_DIR_INIT;
	int probe;
	pid_t pid;

	assert_int_equal(state_dir_create(&f->arena, f->root, "c1", &dir, &f->err), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		pause();
		_exit(0);
	}
	state_dir_close(&dir);
	probe = fd_open(arena_printf(&f->arena, "%s/c1", f->root), O_RDONLY | O_DIRECTORY, 0);
	assert_true(probe >= 0);
	assert_int_equal(flock(probe, LOCK_EX | LOCK_NB), 0);
	close(probe);
	proc_kill_reap(pid);
}

static void fill(struct state *s)
{
	static struct cgroup_path paths[] = {
		{ .controllers = "memory", .path = "/sys/fs/cgroup/memory/x" },
		{ .controllers = "", .path = "/sys/fs/cgroup/unified/x", .v2 = true },
	};
	static struct spec_pair annotations[] = { { "a.b", "c \"d\"\n" }, { "e", "" } };

	*s = (struct state){
		.id = "c1",
		.bundle = "/b \xc3\xa4",
		.rootfs = "/b/rootfs",
		.created = "2026-01-02T03:04:05.123456789Z",
		.complete = true,
		.started = true,
		.pid = 4711,
		.start_ticks = UINT64_MAX,
		.creator_pid = 4710,
		.creator_ticks = 5,
		.private_pid_ns = true,
		.cgroup_manager = CGROUP_MANAGER_DISABLED,
		.rootless_cgroup = true,
		.cgroup = { paths, ARRAY_COUNT(paths) },
		.annotations = { annotations, ARRAY_COUNT(annotations) },
		.owner = 1000,
	};
}

static void test_write_read(void **state)
{
	struct fixture *f = *state;
	CLEANUP_STATE_DIR struct state_dir dir = STATE_DIR_INIT;
	struct state in, out;

	fill(&in);
	assert_int_equal(state_dir_create(&f->arena, f->root, "c1", &dir, &f->err), 0);
	assert_int_equal(state_read(&f->arena, &dir, &out, &f->err), -ENODATA);
	assert_non_null(strstr(f->err.msg, "does not exist"));
	assert_int_equal(state_write(&dir, &in, &f->err), 0);
	assert_int_equal(mode_of(arena_printf(&f->arena, "%s/state.json", dir.path)), 0600);
	assert_int_equal(state_read(&f->arena, &dir, &out, &f->err), 0);
	assert_string_equal(out.id, in.id);
	assert_string_equal(out.bundle, in.bundle);
	assert_string_equal(out.rootfs, in.rootfs);
	assert_string_equal(out.created, in.created);
	assert_true(out.complete && out.started && out.private_pid_ns && out.rootless_cgroup);
	assert_int_equal(out.pid, in.pid);
	assert_true(out.start_ticks == UINT64_MAX);
	assert_int_equal(out.creator_pid, 4710);
	assert_int_equal(out.creator_ticks, 5);
	assert_int_equal(out.cgroup_manager, CGROUP_MANAGER_DISABLED);
	assert_int_equal(out.cgroup.n, 2);
	assert_string_equal(out.cgroup.v[1].path, "/sys/fs/cgroup/unified/x");
	assert_true(out.cgroup.v[1].v2 && !out.cgroup.v[0].v2);
	assert_int_equal(out.annotations.n, 2);
	assert_string_equal(out.annotations.v[0].value, "c \"d\"\n");
	assert_int_equal(out.owner, 1000);
}

static void test_damaged_state(void **state)
{
	static const char *const texts[] = {
		"",
		"{",
		"[]",
		"null",
		"{}",
		"{\"version\":2,\"id\":\"c1\",\"bundle\":\"/b\"}",
		"{\"version\":1,\"id\":\"c1\",\"bundle\":\"/b\",\"init\":{\"pid\":-1}}",
	};
	struct fixture *f = *state;
	CLEANUP_STATE_DIR struct state_dir dir = STATE_DIR_INIT;
	struct state out;

	assert_int_equal(state_dir_create(&f->arena, f->root, "c1", &dir, &f->err), 0);
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		assert_int_equal(
			io_replace_file(dir.fd, "state.json", texts[i], strlen(texts[i]), 0600), 0);
		assert_true(state_read(&f->arena, &dir, &out, &f->err) < 0);
		assert_non_null(strstr(f->err.msg, "c1/state.json"));
	}
}

static void test_remove(void **state)
{
	struct fixture *f = *state;
	struct state_dir dir = STATE_DIR_INIT;
	struct state s;

	fill(&s);
	assert_int_equal(state_dir_create(&f->arena, f->root, "c1", &dir, &f->err), 0);
	assert_int_equal(state_write(&dir, &s, &f->err), 0);
	assert_int_equal(mkfifoat(dir.fd, "exec.fifo", 0600), 0);
	/* What a crash in the middle of a replacement leaves. */
	assert_int_equal(io_replace_file(dir.fd, "state.json.tmp-77", "x", 1, 0600), 0);
	assert_int_equal(mkdirat(dir.fd, "surprise", 0700), 0);
	assert_true(state_dir_remove(&dir, &f->err) < 0);
	assert_non_null(strstr(f->err.msg, "/c1\": directory not empty"));
	assert_int_equal(unlinkat(dir.fd, "surprise", AT_REMOVEDIR), 0);
	assert_int_equal(state_dir_remove(&dir, &f->err), 0);
	assert_int_equal(state_dir_peek(&f->arena, f->root, "c1", &dir, &f->err), -ENOENT);
}

static void test_list(void **state)
{
	struct fixture *f = *state;
	struct spec_strings ids;

	assert_int_equal(state_list(&f->arena, f->root, &ids, &f->err), -ENOENT);
	for (int i = 199; i >= 0; i--) {
		struct state_dir dir = STATE_DIR_INIT;
		char id[16];

		snprintf(id, sizeof(id), "c%03d", i);
		assert_int_equal(state_dir_create(&f->arena, f->root, id, &dir, &f->err), 0);
		state_dir_close(&dir);
	}
	/* Neither the cache nor a file is a container. */
	assert_int_equal(mkdir(arena_printf(&f->arena, "%s/.cache", f->root), 0700), 0);
	assert_int_equal(
		io_replace_file(AT_FDCWD, arena_printf(&f->arena, "%s/file", f->root), "", 0, 0600),
		0);
	assert_int_equal(state_list(&f->arena, f->root, &ids, &f->err), 0);
	assert_int_equal(ids.n, 200);
	assert_string_equal(ids.v[0], "c000");
	assert_string_equal(ids.v[199], "c199");
	assert_null(ids.v[200]);
}

static void test_status(void **state)
{
	struct state s = { .complete = true };
	int pidfd = 0;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		pause();
		_exit(0);
	}
	assert_int_equal(state_status(&s, &pidfd), STATE_STOPPED);
	assert_int_equal(pidfd, -EBADF);
	s.pid = pid;
	assert_int_equal(proc_start_time(pid, &s.start_ticks, NULL), 0);
	assert_int_equal(state_status(&s, &pidfd), STATE_CREATED);
	assert_true(pidfd >= 0);
	close(pidfd);
	s.started = true;
	assert_int_equal(state_status(&s, NULL), STATE_RUNNING);
	s.complete = false;
	assert_int_equal(state_status(&s, NULL), STATE_CREATING);
	s.complete = true;
	/* The pid is somebody else's now. */
	s.start_ticks++;
	assert_int_equal(state_status(&s, NULL), STATE_STOPPED);
	s.start_ticks--;
	assert_int_equal(kill(pid, SIGKILL), 0);
	siginfo_t info;
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	/* A zombie is dead. */
	assert_int_equal(state_status(&s, &pidfd), STATE_STOPPED);
	assert_int_equal(pidfd, -EBADF);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_status_of_a_dead_creator(void **state)
{
	struct state s = { .creator_pid = getpid() };

	(void)state;
	assert_int_equal(proc_start_time(getpid(), &s.creator_ticks, NULL), 0);
	assert_int_equal(state_status(&s, NULL), STATE_CREATING);
	s.creator_ticks++;
	assert_int_equal(state_status(&s, NULL), STATE_STOPPED);
	assert_string_equal(state_status_name(STATE_PAUSED), "paused");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids),
		TEST(test_create),
		TEST(test_not_a_directory),
		TEST(test_lock),
		TEST(test_lock_is_not_inherited),
		TEST(test_write_read),
		TEST(test_damaged_state),
		TEST(test_remove),
		TEST(test_list),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_status_of_a_dead_creator),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
