/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Under AddressSanitizer proc_spawn forks; build with BUILD=debug to test the shared-memory child.
 */
#include "tests/unit/common/tmpdir.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/proc.h"
#include "common/sys.h"

static char *const sh_env[] = { (char *)"PATH=/usr/bin:/bin", NULL };

static int wait_code(pid_t pid)
{
	int status;

	assert_int_equal(proc_wait(pid, &status), 0);
	return proc_exit_code(status);
}

/* Runs a shell script with its stdout in a pipe; returns its output. */
static const char *shell(struct proc_spawn *spawn, const char *script, int *ret_code)
{
	static char out[4096];
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)script, NULL };
	struct proc_fd_map maps[16] = { { -1, 0 } };
	struct err err = { 0 };
	size_t n = 0;
	ssize_t got;
	pid_t pid;
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_true(spawn->n_fds < 14);
	for (size_t i = 0; i < spawn->n_fds; i++)
		maps[2 + i] = spawn->fds[i];
	maps[1] = (struct proc_fd_map){ fds[1], 1 };
	spawn->path = "/bin/sh";
	spawn->argv = argv;
	spawn->fds = maps;
	spawn->n_fds += 2;
	pid = proc_spawn(spawn, NULL, &err);
	if (pid < 0)
		print_error("%s\n", err.msg);
	assert_true(pid > 0);
	fd_close(fds[1]);
	while ((got = read(fds[0], out + n, sizeof(out) - 1 - n)) > 0)
		n += (size_t)got;
	fd_close(fds[0]);
	out[n] = '\0';
	*ret_code = wait_code(pid);
	return out;
}

static void test_run(void **state)
{
	struct proc_spawn spawn = { .envp = sh_env, .cwd = "/usr" };
	char *const argv[] = { (char *)"true", NULL };
	struct err err = { 0 };
	int code, pidfd = -1;
	pid_t pid;

	(void)state;
	assert_string_equal(shell(&spawn, "pwd; echo $PATH; read x; echo $?; exit 7", &code),
			    "/usr\n/usr/bin:/bin\n1\n");
	assert_int_equal(code, 7);
	/* looked up in PATH, with a pidfd */
	spawn = (struct proc_spawn){ .path = "true", .argv = argv };
	pid = proc_spawn(&spawn, &pidfd, &err);
	assert_true(pid > 0 && pidfd >= 3);
	assert_true(fcntl(pidfd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(wait_code(pid), 0);
	assert_int_equal(sys_pidfd_send_signal(pidfd, 0), -ESRCH);
	fd_close(pidfd);
}

static void expect_failure(const struct proc_spawn *spawn, int code, const char *msg)
{
	struct err err = { 0 };
	int pidfd = -77, status;

	assert_int_equal(proc_spawn(spawn, &pidfd, &err), -code);
	assert_int_equal(err.code, code);
	assert_string_equal(err.msg, msg);
	assert_int_equal(pidfd, -77);
	/* no child is left */
	assert_int_equal(waitpid(-1, &status, WNOHANG | __WALL), -1);
	assert_int_equal(errno, ECHILD);
}

static void test_failures(void **state)
{
	char *const argv[] = { (char *)"x", NULL };
	struct proc_fd_map bad = { 999, 5 };
	struct proc_spawn spawn = { .path = "/nonexistent", .argv = argv };

	(void)state;
	expect_failure(&spawn, ENOENT, "exec \"/nonexistent\": no such file or directory");
	spawn.path = "no-such-program-anywhere";
	expect_failure(&spawn, ENOENT,
		       "exec \"no-such-program-anywhere\": no such file or directory");
	spawn.path = "/etc/passwd";
	expect_failure(&spawn, EACCES, "exec \"/etc/passwd\": permission denied");
	spawn.path = "";
	expect_failure(&spawn, ENOENT, "exec \"\": no such file or directory");
	spawn.path = "/bin/true";
	spawn.cwd = "/nonexistent";
	expect_failure(&spawn, ENOENT, "chdir for \"/bin/true\": no such file or directory");
	spawn.cwd = NULL;
	spawn.fds = &bad;
	spawn.n_fds = 1;
	expect_failure(&spawn, EBADF, "set up descriptors of \"/bin/true\": bad file descriptor");
	spawn.n_fds = 0;
	spawn.oom_score_adj = "nonsense";
	expect_failure(&spawn, EINVAL, "write oom_score_adj of \"/bin/true\": invalid argument");
}

static int text_fd(const char *text)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(io_write_all(fds[1], text, strlen(text)), 0);
	fd_close(fds[1]);
	return fds[0];
}

/* Targets among the numbers that come next, in the order that hurts most. */
static void test_fds_next_free(void **state)
{
	struct proc_spawn spawn = { .envp = sh_env, .n_fds = 10 };
	struct proc_fd_map maps[10];
	char script[200] = "cat", text[2] = "";
	int sources[10], code;

	(void)state;
	for (int i = 0; i < 10; i++) {
		text[0] = (char)('0' + i);
		sources[i] = text_fd(text);
	}
	for (int i = 0; i < 10; i++) {
		maps[i] = (struct proc_fd_map){ sources[i], sources[9] + 10 - i };
		snprintf(script + strlen(script), sizeof(script) - strlen(script),
			 " /proc/self/fd/%d", maps[i].to);
	}
	spawn.fds = maps;
	assert_string_equal(shell(&spawn, script, &code), "0123456789");
	for (int i = 0; i < 10; i++)
		fd_close(sources[i]);
}

/* Sources and targets that overlap, in a circle. */
static void test_fds(void **state)
{
	int a = text_fd("A"), b = text_fd("B"), c = text_fd("C"), code;
	struct proc_fd_map maps[] = { { a, b }, { b, c }, { c, a }, { -1, 9 } };
	struct proc_spawn spawn = { .envp = sh_env, .fds = maps, .n_fds = 4 };
	char script[200];

	(void)state;
	snprintf(script, sizeof(script), "cat <&%d; cat <&%d; cat <&%d; cat <&9; echo .", a, b, c);
	assert_string_equal(shell(&spawn, script, &code), "CAB.\n");
	assert_int_equal(code, 0);
	/* nothing else is open in it; 3 is the directory that the shell itself reads */
	spawn = (struct proc_spawn){ .envp = sh_env, .fds = maps + 3, .n_fds = 1 };
	assert_string_equal(shell(&spawn, "cd /proc/$$/fd; echo *", &code), "0 1 2 3 9\n");
	snprintf(script, sizeof(script), "test -e /proc/self/fd/%d", a);
	spawn = (struct proc_spawn){ .envp = sh_env };
	shell(&spawn, script, &code);
	assert_int_equal(code, 1);
	/* a descriptor onto itself loses close-on-exec in the child only */
	fd_close(b);
	b = text_fd("self");
	struct proc_fd_map same = { b, b };
	spawn = (struct proc_spawn){ .envp = sh_env, .fds = &same, .n_fds = 1 };
	snprintf(script, sizeof(script), "cat <&%d", b);
	assert_string_equal(shell(&spawn, script, &code), "self");
	assert_true(fcntl(b, F_GETFD) & FD_CLOEXEC);
	fd_close(a);
	fd_close(b);
	fd_close(c);
}

static void test_signals(void **state)
{
	struct proc_spawn spawn = { .envp = sh_env };
	sigset_t set, old;
	const char *out;
	char *line;
	int code;

	(void)state;
	signal(SIGUSR1, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, &old);
	out = shell(&spawn, "grep -E '^Sig(Blk|Ign)' /proc/self/status", &code);
	line = strstr(out, "SigBlk:");
	assert_non_null(line);
	assert_non_null(strstr(line, "0000000000000000\nSigIgn:\t0000000000000000\n"));
	/* the parent's are as they were */
	sigprocmask(SIG_SETMASK, NULL, &set);
	assert_true(sigismember(&set, SIGUSR2));
	assert_false(sigismember(&set, SIGTERM));
	assert_ptr_equal(signal(SIGPIPE, SIG_DFL), SIG_IGN);
	signal(SIGUSR1, SIG_DFL);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

static void test_options(void **state)
{
	struct proc_spawn spawn = { .envp = sh_env, .new_session = true, .oom_score_adj = "321" };
	char expected[64];
	int code, dir;

	(void)state;
	/* fields 5 and 6 of stat: process group and session are the shell's own pid */
	assert_string_equal(shell(&spawn,
				  "cat /proc/self/oom_score_adj; set -- $(cat /proc/$$/stat);"
				  "test $5 = $$ && test $6 = $$ && echo session",
				  &code),
			    "321\nsession\n");
	spawn = (struct proc_spawn){ .envp = sh_env, .new_group = true };
	snprintf(expected, sizeof(expected), "group %d\n", (int)getsid(0));
	assert_string_equal(
		shell(&spawn, "set -- $(cat /proc/$$/stat); test $5 = $$ && echo group $6", &code),
		expected);
	dir = fd_open("/usr/bin", O_PATH | O_DIRECTORY, 0);
	spawn = (struct proc_spawn){ .envp = sh_env, .cwd_fd = dir };
	assert_string_equal(shell(&spawn, "pwd", &code), "/usr/bin\n");
	fd_close(dir);
}

static void test_death_signal(void **state)
{
	char *const argv[] = { (char *)"sleep", (char *)"100", NULL };
	struct proc_spawn spawn = { .path = "sleep", .argv = argv, .death_signal = SIGKILL };
	struct err err = { 0 };
	int fds[2], status;
	pid_t middle, pid;
	char state_char;
	uint64_t ticks;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	middle = fork();
	if (middle == 0) {
		pid = proc_spawn(&spawn, NULL, &err);
		_exit(io_write_all(fds[1], &pid, sizeof(pid)) < 0);
	}
	assert_int_equal(io_read_exact(fds[0], &pid, sizeof(pid)), 0);
	assert_true(pid > 0);
	assert_int_equal(waitpid(middle, &status, 0), middle);
	for (int i = 0; i < 200; i++) {
		if (proc_start_time(pid, &ticks, &state_char) == -ESRCH || state_char == 'Z')
			break;
		usleep(10000);
	}
	assert_true(proc_start_time(pid, &ticks, &state_char) == -ESRCH || state_char == 'Z');
	fd_close(fds[0]);
	fd_close(fds[1]);
}

static void test_old_kernel(void **state)
{
	(void)state;
	setenv("THOLE_TEST_ENOSYS", "clone3", 1);
	test_run(state);
	test_failures(state);
	unsetenv("THOLE_TEST_ENOSYS");
}

static void check_handle(bool is_pidfd, bool waits)
{
	char *const argv[] = { (char *)"sleep", (char *)"60", NULL };
	struct proc_spawn spawn = { .path = "sleep", .argv = argv };
	pid_t pid = proc_spawn(&spawn, NULL, NULL);
	CLEANUP_FD int fd = -EBADF;
	uint64_t ticks;
	int status;

	assert_true(pid > 0);
	assert_int_equal(proc_start_time(pid, &ticks, NULL), 0);
	assert_int_equal(proc_open(pid, ticks + 1), -ESRCH);
	fd = proc_open(pid, ticks);
	assert_true(fd >= 3);
	assert_int_equal(proc_pollable(fd), is_pidfd ? fd : -EBADF);
	assert_int_equal(proc_signal(fd, 0), 0);
	assert_int_equal(proc_await_end(fd, 20), 0);
	assert_int_equal(proc_signal(fd, SIGTERM), 0);
	if (waits) /* a zombie has ended, too */
		assert_int_equal(proc_await_end(fd, 10000), 1);
	assert_int_equal(proc_wait(pid, &status), 0);
	assert_int_equal(status, SIGTERM);
	assert_int_equal(proc_await_end(fd, 10000), 1);
	assert_int_equal(proc_signal(fd, 0), -ESRCH);
	assert_int_equal(proc_open(pid, ticks), -ESRCH);
}

static void test_handle(void **state)
{
	static const char *const how[] = { "THOLE_TEST_ENOSYS", "THOLE_TEST_EPERM" };

	(void)state;
	check_handle(true, true);
	for (size_t i = 0; i < ARRAY_COUNT(how); i++) {
		setenv(how[i], "pidfd_open", 1);
		check_handle(false, true);
		setenv(how[i], "pidfd_send_signal", 1);
		check_handle(true, true);
		setenv(how[i], "pidfd_open,pidfd_send_signal", 1);
		check_handle(false, false);
		unsetenv(how[i]);
	}
	assert_int_equal(proc_handle(0), -ESRCH);
	assert_int_equal(proc_handle(-1), -ESRCH);
}

/* Spawning beside threads that allocate and spawn as well. */
static void *spawn_many(void *arg)
{
	char *const argv[] = { (char *)"true", NULL };
	struct proc_spawn spawn = { .path = "/bin/true", .argv = argv };
	int status, *failed = arg;

	for (int i = 0; i < 50; i++) {
		pid_t pid = proc_spawn(&spawn, NULL, NULL);

		free(malloc(1000));
		if (pid < 0 || proc_wait(pid, &status) < 0 || status != 0)
			++*failed;
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[3];
	int failed[3] = { 0 };

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, spawn_many, &failed[i]), 0);
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(failed[i], 0);
	}
}

static void test_identity(void **state)
{
	uint64_t own, ticks;
	char state_char = 0;
	siginfo_t info;
	pid_t pid;
	int fd;

	(void)state;
	assert_int_equal(proc_start_time(getpid(), &own, &state_char), 0);
	assert_int_equal(state_char, 'R');
	/* a name made to confuse the reader of stat */
	assert_int_equal(prctl(PR_SET_NAME, ") Z 1 (\n 1 2"), 0);
	assert_int_equal(proc_start_time(getpid(), &ticks, &state_char), 0);
	assert_true(ticks == own && state_char == 'R');
	prctl(PR_SET_NAME, "proc_test");
	fd = proc_open(getpid(), own);
	assert_true(fd >= 3);
	fd_close(fd);
	assert_int_equal(proc_open(getpid(), own + 1), -ESRCH);
	assert_int_equal(proc_open(0, 1), -ESRCH);
	assert_int_equal(proc_open(-1, 1), -ESRCH);
	assert_int_equal(proc_start_time(0x7ffffffe, &ticks, NULL), -ESRCH);
	pid = fork();
	if (pid == 0)
		_exit(3);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(proc_start_time(pid, &ticks, &state_char), 0);
	assert_int_equal(state_char, 'Z');
	assert_int_equal(proc_open(pid, ticks), -ESRCH);
	assert_int_equal(wait_code(pid), 3);
	assert_int_equal(proc_open(pid, ticks), -ESRCH);
}

static void test_wait(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0) {
		for (;;)
			pause();
	}
	kill(pid, SIGTERM);
	assert_int_equal(proc_wait(pid, &status), 0);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGTERM);
	assert_int_equal(proc_exit_code(status), 143);
	assert_int_equal(proc_wait(pid, &status), -ECHILD);
	pid = fork();
	if (pid == 0)
		_exit(255);
	assert_int_equal(wait_code(pid), 255);
	pid = fork();
	if (pid == 0) {
		for (;;)
			pause();
	}
	proc_kill_reap(pid);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(proc_exit_code(SIGSEGV | 0x80), 139);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_run),          cmocka_unit_test(test_failures),
		cmocka_unit_test(test_fds),          cmocka_unit_test(test_fds_next_free),
		cmocka_unit_test(test_signals),      cmocka_unit_test(test_options),
		cmocka_unit_test(test_death_signal), cmocka_unit_test(test_old_kernel),
		cmocka_unit_test(test_threads),      cmocka_unit_test(test_identity),
		cmocka_unit_test(test_wait),         cmocka_unit_test(test_handle),
	};

	/* What the caller of the test left open must not show up in the children. */
	if (fd_cloexec_from(STDERR_FILENO + 1) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
