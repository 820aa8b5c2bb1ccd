/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drives the cgroup code against the kernel it runs on and prints TAP. Needs root. Everything is
 * made below /thole-test-cgroup-PID and removed again. cgroup_real.sh starts it once a layout.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "common/arena.h"
#include "common/fd.h"
#include "common/io.h"
#include "common/macros.h"
#include "common/sys.h"
#include "runtime/cgroup.h"
#include "runtime/host.h"
#include "runtime/plan_cgroup.h"

static struct arena arena;
static struct host host;
static char base[64];
static unsigned int n_tests, n_failed;
static volatile unsigned int *shared; /* seen by all children */

static void PRINTF_LIKE(2, 3) check(bool good, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %u - ", good ? "" : "not ", ++n_tests);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	n_failed += !good;
}

/* Something this layout does not have. On the host's own layout that is a gap worth telling; the
 * private ones are poor by nature. */
static void skip(const char *what, const char *why)
{
	if (getenv("CGROUP_HOST"))
		printf("ok %u - %s # SKIP %s\n", ++n_tests, what, why);
	else
		printf("# %s: %s\n", what, why);
}

static void msleep(unsigned int ms)
{
	usleep(ms * 1000);
}

/* ---- making things ---- */

struct box {
	struct spec spec;
	struct plan_cgroup *plan;
	struct cgroup cg;
	struct err err;
	bool live;
};

static struct spec_resources *box_init(struct box *b, const char *name)
{
	*b = (struct box){ .spec.linux_.cgroups_path = arena_printf(&arena, "/%s/%s", base, name) };
	b->spec.linux_.resources.given = true;
	return &b->spec.linux_.resources;
}

static int box_plan(struct box *b)
{
	const struct plan_request request = { .id = "box" };

	return plan_cgroup_build(&arena, &b->spec, &host, &request, &b->plan, &b->err);
}

static int box_create(struct box *b)
{
	int r = box_plan(b);

	if (r < 0)
		return r;
	cgroup_from_plan(&arena, b->plan, &b->cg);
	r = cgroup_create(b->plan, NULL, &b->err);
	b->live = r >= 0;
	return r;
}

/* Destroys it, and removes the parents of its name below the test's base. */
static void box_end(struct box *b)
{
	struct err err;

	if (b->live && cgroup_destroy(&b->cg, 10000, &err) < 0)
		check(false, "destroy: %s", err.msg);
	b->live = false;
	for (size_t i = 0; i < b->cg.n; i++) {
		char *path = arena_strdup(&arena, b->cg.v[i].path), *slash;

		while ((slash = strrchr(path, '/')) && !str_eq(slash + 1, base)) {
			*slash = '\0';
			if (rmdir(path) < 0)
				break;
		}
	}
}

/* A child in the box (by CLONE_INTO_CGROUP where there is a v2 directory) that runs fn. */
static pid_t box_spawn(struct box *b, int (*fn)(void))
{
	CLEANUP_FD int v2 = cgroup_open_v2(&b->cg);
	struct sys_clone_args args = { .exit_signal = SIGCHLD };
	int go[2];
	char byte = 0;
	pid_t pid;

	if (pipe2(go, O_CLOEXEC) < 0)
		return -1;
	if (v2 >= 0) {
		args.flags = SYS_CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)v2;
	}
	pid = sys_clone3(&args, sizeof(args));
	if (pid == 0) {
		close(go[1]);
		if (read(go[0], &byte, 1) != 1)
			_exit(99);
		_exit(fn());
	}
	close(go[0]);
	if (pid > 0 &&
	    (cgroup_add(&b->cg, pid, v2 >= 0, false, &b->err) < 0 || write(go[1], "", 1) != 1)) {
		printf("# spawn: %s\n", b->err.msg);
		kill(pid, SIGKILL);
	}
	close(go[1]);
	return pid;
}

static int reap(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

static int box_run(struct box *b, int (*fn)(void))
{
	pid_t pid = box_spawn(b, fn);
	int status = pid > 0 ? reap(pid) : -1;

	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

static const char *box_file(struct box *b, const char *controller, const char *file)
{
	static char text[4096], path[4096];
	int i = plan_cgroup_dir_find(b->plan, controller);

	if (i < 0)
		return "(no hierarchy)";
	snprintf(path, sizeof(path), "%s/%s", b->plan->dirs[i].path, file);
	if (io_read_small(AT_FDCWD, path, text, sizeof(text)) < 0)
		return "(unreadable)";
	return text;
}

/* Directories below the test's base, in all hierarchies. */
static unsigned int leftovers(void)
{
	unsigned int n = 0;

	for (size_t i = 0; i < host.n_hierarchies; i++) {
		const char *path =
			arena_printf(&arena, "%s/%s", host.hierarchies[i].mount_point, base);

		if (access(path, F_OK) == 0 && rmdir(path) < 0) {
			printf("# left: %s: %s\n", path, strerror(errno));
			n++;
		}
	}
	return n;
}

/* ---- what children do ---- */

static int do_nothing(void)
{
	return 0;
}

static int do_count(void)
{
	for (;;) {
		shared[0]++;
		usleep(1000);
	}
	return 0;
}

static int do_pause(void)
{
	for (;;)
		pause();
	return 0;
}

/* Bit set: the open was allowed. */
static int try_devices(void)
{
	char node[64];
	int result = 0, fd;

	snprintf(node, sizeof(node), "/tmp/thole-test-node-%d", (int)getpid());
	if (mknod(node, S_IFCHR | 0600, makedev(1, 11)) == 0)
		result |= 1;
	fd = open(node, O_RDONLY | O_NONBLOCK);
	result |= fd >= 0 ? 2 : 0;
	close(fd);
	fd = open(node, O_WRONLY | O_NONBLOCK);
	result |= fd >= 0 ? 4 : 0;
	close(fd);
	fd = open("/dev/null", O_RDWR);
	result |= fd >= 0 ? 8 : 0;
	close(fd);
	unlink(node);
	return result;
}

static int eat_memory(void)
{
	size_t n = 128 << 20;
	char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; p != MAP_FAILED && i < n; i += 4096)
		((volatile char *)p)[i] = 1;
	return 0;
}

static int fork_once(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return errno == EAGAIN ? 11 : 1;
	reap(pid);
	return 0;
}

/* Chains of processes that fork and exit for ever, some 60 alive at any time. */
static int fork_bomb(void)
{
	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < 60; i++) {
		if (fork() != 0)
			continue;
		for (;;) {
			pid_t pid = fork();

			if (pid > 0)
				_exit(0);
			shared[1]++;
			usleep(500);
		}
	}
	return do_pause();
}

/* ---- the tests ---- */

static void test_place(void)
{
	CLEANUP_FREE char *text = NULL;
	char *data, path[64];
	bool everywhere = true;
	struct box b;
	size_t len;
	pid_t pid;

	box_init(&b, "place/deep/er");
	check(box_create(&b) >= 0, "create %s", b.err.msg);
	check(!access(b.plan->dirs[0].path, F_OK), "the directory is there");
	pid = box_spawn(&b, do_pause);
	check(pid > 0, "spawn into it");
	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	if (io_read_file(AT_FDCWD, path, 65536, &arena, &data, &len) >= 0) {
		for (size_t i = 0; i < host.n_hierarchies; i++) {
			const char *line = arena_printf(&arena, ":%s:/%s/place/deep/er\n",
							host.hierarchies[i].name, base);

			if (!strstr(data, line)) {
				printf("# not in %s", line);
				everywhere = false;
			}
		}
	}
	check(everywhere, "it is in every hierarchy");
	{
		struct box again;

		box_init(&again, "place/deep/er");
		check(box_create(&again) == -EBUSY &&
			      strstr(again.err.msg, "container's cgroup is not empty: 1 process"),
		      "a used cgroup is refused: %s", again.err.msg);
	}
	check(!access(b.plan->dirs[0].path, F_OK), "and left alone");
	check(cgroup_destroy(&b.cg, 10000, &b.err) >= 0, "destroy kills and removes %s", b.err.msg);
	check(WIFSIGNALED(reap(pid)), "the process was killed");
	check(access(b.plan->dirs[0].path, F_OK) < 0, "the directory is gone");
	for (size_t i = 0; i < b.cg.n; i++) { /* parents stay: ours to remove */
		char *p = arena_strdup(&arena, b.cg.v[i].path);

		everywhere = everywhere && access(p, F_OK) < 0;
		*strrchr(p, '/') = '\0';
		everywhere = everywhere && rmdir(p) == 0;
		*strrchr(p, '/') = '\0';
		everywhere = everywhere && rmdir(p) == 0;
	}
	check(everywhere, "in all hierarchies, and the parents stayed");
}

static void test_devices(void)
{
	static const struct spec_device_rule deny_all = { false, 'a', -1, -1, true, true, true };
	static const struct spec_device_rule read_kmsg = { true, 'c', 1, 11, true, false, false };
	static const struct spec_device_rule wide = { true, 'c', 1, -1, true, true, true };
	static const struct spec_device_rule hole = { false, 'c', 1, 11, false, true, false };
	static const struct spec_device_rule allow_all = { true, 'a', -1, -1, true, true, true };
	struct spec_device_rule rules[3];
	struct spec_resources *r;
	int outside = try_devices(), got;
	struct box b;

	printf("# outside: %d\n", outside);
	r = box_init(&b, "dev");
	r->devices = rules;
	rules[0] = deny_all;
	r->n_devices = 1;
	check(box_create(&b) >= 0, "device rules: deny all %s", b.err.msg);
	got = box_run(&b, try_devices);
	check(got == (outside & (1 | 8)), "only mknod and the defaults are allowed (%d)", got);
	box_end(&b);

	r = box_init(&b, "dev");
	r->devices = rules;
	rules[1] = read_kmsg;
	r->n_devices = 2;
	check(box_create(&b) >= 0, "device rules: allow one for reading %s", b.err.msg);
	got = box_run(&b, try_devices);
	check(got == (outside & (1 | 2 | 8)), "reading is allowed, writing is not (%d)", got);
	box_end(&b);

	r = box_init(&b, "dev");
	r->devices = rules;
	rules[1] = wide;
	rules[2] = hole;
	r->n_devices = 3;
	got = box_create(&b);
	if (host.layout == HOST_CGROUP_V2) {
		check(got >= 0, "device rules: a hole in a wide rule %s", b.err.msg);
		got = box_run(&b, try_devices);
		check(got == (outside & (1 | 2 | 8)), "the last rule wins (%d)", got);
	} else {
		check(got == -ENOTSUP, "a hole that v1 cannot express: %s", b.err.msg);
	}
	box_end(&b);

	r = box_init(&b, "dev");
	r->devices = rules;
	rules[0] = allow_all;
	r->n_devices = 1;
	check(box_create(&b) >= 0, "device rules: allow all %s", b.err.msg);
	got = box_run(&b, try_devices);
	check(got == outside, "everything is allowed (%d)", got);
	box_end(&b);
}

/* An empty cgroup that was left behind is taken over, with its old device program replaced. */
static void test_takeover(void)
{
	static const struct spec_device_rule deny_all = { false, 'a', -1, -1, true, true, true };
	static const struct spec_device_rule allow_all = { true, 'a', -1, -1, true, true, true };
	struct spec_device_rule rule = deny_all;
	int outside = try_devices(), got;
	struct spec_resources *r;
	struct box first, second;

	r = box_init(&first, "old");
	r->devices = &rule;
	r->n_devices = 1;
	check(box_create(&first) >= 0, "a cgroup is left behind %s", first.err.msg);
	rule = allow_all;
	r = box_init(&second, "old");
	r->devices = &rule;
	r->n_devices = 1;
	check(box_create(&second) >= 0, "and taken over %s", second.err.msg);
	got = box_run(&second, try_devices);
	check(got == outside, "with the new device rules (%d)", got);
	first.live = false;
	box_end(&second);
}

static void test_freeze(void)
{
	unsigned int before, after;
	struct box b, below;
	pid_t pid;

	box_init(&b, "ice");
	check(box_create(&b) >= 0, "create for freezing %s", b.err.msg);
	pid = box_spawn(&b, do_count);
	msleep(50);
	check(cgroup_is_frozen(&b.cg) == 0, "not frozen");
	check(cgroup_freeze(&b.cg, true, &b.err) >= 0, "freeze %s", b.err.msg);
	check(cgroup_is_frozen(&b.cg) == 1, "frozen");
	before = shared[0];
	msleep(100);
	check(shared[0] == before && before > 0, "nothing runs");
	box_init(&below, "ice/berg");
	check(box_create(&below) == -EBUSY && strstr(below.err.msg, "unexpectedly frozen"),
	      "a cgroup below a frozen one is refused: %s", below.err.msg);
	check(cgroup_freeze(&b.cg, false, &b.err) >= 0, "thaw %s", b.err.msg);
	msleep(100);
	after = shared[0];
	check(after > before && cgroup_is_frozen(&b.cg) == 0, "it runs again");

	check(cgroup_freeze(&b.cg, true, &b.err) >= 0, "freeze again");
	check(cgroup_signal(&b.cg, SIGKILL, &b.err) >= 0, "kill the frozen %s", b.err.msg);
	check(WIFSIGNALED(reap(pid)), "it died");
	box_end(&b);
	/* A new one: since 6.14 a child cloned into a cgroup that cgroup.kill was used on dies. */
	box_init(&b, "ice");
	check(box_create(&b) >= 0, "create again %s", b.err.msg);
	pid = box_spawn(&b, do_pause);
	check(cgroup_freeze(&b.cg, true, &b.err) >= 0, "freeze for destroy");
	box_end(&b);
	check(WIFSIGNALED(reap(pid)), "destroy kills the frozen too");
	check(cgroup_is_frozen(&b.cg) == 0, "a missing cgroup is not frozen");
}

static void test_bomb(void)
{
	size_t n = 0, m = 0;
	struct box b;
	pid_t pid, *pids;
	uint64_t t0;
	int got;

	box_init(&b, "bomb");
	check(box_create(&b) >= 0, "create for the bomb %s", b.err.msg);
	pid = box_spawn(&b, fork_bomb);
	got = 0;
	for (int i = 0; i < 100 && got >= 0 && n <= 10; i++) {
		msleep(100);
		got = cgroup_pids(&arena, &b.cg, &pids, &n, &b.err);
	}
	check(got >= 0 && n > 10, "the bomb has %zu processes", n);
	check(cgroup_signal(&b.cg, SIGCONT, &b.err) >= 0, "signal all %s", b.err.msg);
	check(cgroup_signal(&b.cg, SIGKILL, &b.err) >= 0, "kill all %s", b.err.msg);
	reap(pid);
	for (t0 = 0; t0 < 100; t0++) {
		if (cgroup_pids(&arena, &b.cg, &pids, &m, &b.err) >= 0 && !m)
			break;
		msleep(20);
	}
	check(m == 0, "all are dead (%zu left)", m);
	box_end(&b);

	box_init(&b, "bomb");
	check(box_create(&b) >= 0, "another bomb %s", b.err.msg);
	pid = box_spawn(&b, fork_bomb);
	msleep(100);
	check(cgroup_destroy(&b.cg, 10000, &b.err) >= 0, "destroy alone ends it %s", b.err.msg);
	reap(pid);
	check(cgroup_pids(&arena, &b.cg, &pids, &m, &b.err) >= 0 && !m, "no cgroup, no processes");
}

/* Frozen from above by v1, a process can neither die nor be thawed by us. */
static void test_stuck(void)
{
	struct cgroup_path above;
	struct cgroup parent = { &above, 1 };
	char *slash, *name;
	struct box b;
	pid_t pid;

	if (!host_hierarchy(&host, "freezer"))
		return;
	box_init(&b, "up/down");
	check(box_create(&b) >= 0, "create below a parent %s", b.err.msg);
	pid = box_spawn(&b, do_pause);
	above = b.cg.v[plan_cgroup_dir_find(b.plan, "freezer")];
	above.path = slash = arena_strdup(&arena, above.path);
	*strrchr(slash, '/') = '\0';
	check(cgroup_freeze(&parent, true, &b.err) >= 0, "freeze the parent %s", b.err.msg);
	name = arena_printf(&arena, "process %d does not end (state ", (int)pid);
	check(cgroup_destroy(&b.cg, 500, &b.err) == -EBUSY && strstr(b.err.msg, name),
	      "told in time: %s", b.err.msg);
	check(cgroup_freeze(&parent, false, &b.err) >= 0, "thaw the parent %s", b.err.msg);
	box_end(&b);
	check(WIFSIGNALED(reap(pid)), "the process is dead");
}

/* Sub-cgroups with processes, many, and deeper than a path may be long. */
static void test_nested(void)
{
	struct cgroup sub;
	struct box b;
	pid_t pid;

	box_init(&b, "nest");
	check(box_create(&b) >= 0, "create for nesting %s", b.err.msg);
	for (size_t i = 0; i < b.cg.n; i++) {
		CLEANUP_FD int fd = fd_open(b.cg.v[i].path, O_RDONLY | O_DIRECTORY, 0);

		mkdirat(fd, "a", 0755);
		mkdirat(fd, "a/b", 0755);
		for (int j = 0; j < 50; j++)
			mkdirat(fd, arena_printf(&arena, "a/x%d", j), 0755);
		for (int depth = 0; depth < 300; depth++) {
			int next;

			mkdirat(fd, "abcdefghijklmnop", 0755);
			next = openat(fd, "abcdefghijklmnop", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			if (next < 0)
				break;
			close(fd);
			fd = next;
		}
	}
	check(cgroup_sub(&arena, &b.cg, "a/./b", &sub, &b.err) >= 0, "sub-cgroup paths");
	check(cgroup_sub(&arena, &b.cg, "../up", &sub, &b.err) < 0, "must be inside: %s",
	      b.err.msg);
	if (cgroup_sub(&arena, &b.cg, "a/b", &sub, &b.err) >= 0 && host.layout != HOST_CGROUP_V1 &&
	    host.layout != HOST_CGROUP_HYBRID) {
		struct box in = { .cg = sub };

		pid = box_spawn(&in, do_pause);
	} else {
		pid = box_spawn(&b, do_pause);
		for (size_t i = 0; i < sub.n; i++)
			if (!strstr(sub.v[i].controllers, "cpuset")) /* empty there */
				(void)!io_write_small(
					AT_FDCWD,
					arena_printf(&arena, "%s/cgroup.procs", sub.v[i].path),
					arena_printf(&arena, "%d", (int)pid));
	}
	b.err.msg[0] = '\0';
	check(cgroup_destroy(&b.cg, 10000, &b.err) >= 0, "destroy the tree %s", b.err.msg);
	check(pid > 0 && WIFSIGNALED(reap(pid)), "its process is dead");
	check(access(b.cg.v[0].path, F_OK) < 0, "it is gone");
}

static bool has(const char *controller)
{
	return host_hierarchy(&host, controller) ||
	       plan_cgroup_has_word(host.v2_controllers, ' ', controller);
}

static void test_memory(void)
{
	bool v1 = host_hierarchy(&host, "memory");
	struct spec_resources *r;
	uint64_t kills = 77;
	struct box b;
	int status;
	pid_t pid;

	if (!has("memory")) {
		r = box_init(&b, "mem");
		r->has_memory_limit = true;
		r->memory_limit = 1 << 25;
		check(box_create(&b) == -ENOENT &&
			      str_eq(b.err.msg, "linux.resources.memory.limit: controller "
						"\"memory\" is not available"),
		      "no memory controller: %s", b.err.msg);
		return skip("memory limits", "no memory controller");
	}
	r = box_init(&b, "mem");
	r->has_memory_limit = r->has_memory_swap = true;
	r->memory_limit = r->memory_swap = 1 << 25;
	check(box_create(&b) >= 0, "memory limit %s", b.err.msg);
	check(str_eq(box_file(&b, v1 ? "memory" : "", v1 ? "memory.limit_in_bytes" : "memory.max"),
		     "33554432"),
	      "the limit is there");
	/* Raised and lowered: the kernel never lets one limit pass the other. */
	for (int shift = 26; shift >= 24; shift -= 2) {
		r->memory_limit = r->memory_swap = 1 << shift;
		check(box_create(&b) >= 0, "limit and swap to 2^%d %s", shift, b.err.msg);
	}
	check(str_eq(box_file(&b, v1 ? "memory" : "", v1 ? "memory.limit_in_bytes" : "memory.max"),
		     "16777216"),
	      "the last limit is there");
	check(cgroup_oom_kills(&b.cg, &kills) >= 0 && kills == 0, "no OOM kill yet");
	pid = box_spawn(&b, eat_memory);
	status = reap(pid);
	check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the eater was killed");
	status = cgroup_oom_kills(&b.cg, &kills);
	check(status >= 0 && kills == 1, "%llu OOM kill counted", (unsigned long long)kills);
	box_end(&b);
	check(cgroup_oom_kills(&b.cg, &kills) == -ENOENT, "no count without a cgroup");
}

static void test_limits(void)
{
	struct spec_resources *r;
	struct box b;
	int got;

	if (has("pids")) {
		r = box_init(&b, "pids");
		r->has_pids_limit = true;
		check(box_create(&b) >= 0, "pids limit 0 %s", b.err.msg);
		got = box_run(&b, fork_once);
		check(got == 11, "starts, and cannot fork (%d)", got);
		box_end(&b);
	} else {
		skip("pids limit", "no pids controller");
	}
	if (has("cpu") && host_hierarchy(&host, "cpu")) {
		r = box_init(&b, "cpu");
		r->has_cpu_shares = r->has_cpu_quota = r->has_cpu_period = r->has_cpu_burst = true;
		r->cpu_shares = 512;
		r->cpu_quota = 20000;
		r->cpu_period = 50000;
		r->cpu_burst = 10000;
		check(box_create(&b) >= 0, "cpu limits %s", b.err.msg);
		check(str_eq(box_file(&b, "cpu", "cpu.shares"), "512"), "shares");
		check(str_eq(box_file(&b, "cpu", "cpu.cfs_quota_us"), "20000"), "quota");
		check(str_eq(box_file(&b, "cpu", "cpu.cfs_period_us"), "50000"), "period");
		check(str_eq(box_file(&b, "cpu", "cpu.cfs_burst_us"), "10000"), "burst");
		box_end(&b);
	}
	if (host_hierarchy(&host, "blkio")) {
		r = box_init(&b, "blk");
		r->has_blkio_weight = true;
		r->blkio_weight = 500;
		check(box_create(&b) >= 0, "blkio weight %s", b.err.msg);
		check(str_eq(box_file(&b, "blkio", "blkio.weight"), "500") ||
			      str_eq(box_file(&b, "blkio", "blkio.bfq.weight"), "500"),
		      "weight");
		box_end(&b);
	}
	if (has("hugetlb") && !host_hierarchy(&host, "hugetlb")) {
		struct spec_hugepage page = { "2MB", 4 << 20 };

		r = box_init(&b, "huge");
		r->hugepages = &page;
		r->n_hugepages = 1;
		check(box_create(&b) >= 0, "hugetlb on v2 %s", b.err.msg);
		check(str_eq(box_file(&b, "", "hugetlb.2MB.max"), "4194304"), "limit");
		check(str_eq(box_file(&b, "", "hugetlb.2MB.rsvd.max"), "4194304"), "reservations");
		got = box_run(&b, do_nothing);
		check(got == 0, "a process runs in it (%d)", got);
		box_end(&b);
	}
}

static void test_cpuset(void)
{
	struct spec_resources *r;
	struct box b;

	if (!has("cpuset"))
		return skip("cpuset", "no cpuset controller");
	r = box_init(&b, "set/of/sets");
	r->cpus = "0";
	check(box_create(&b) >= 0, "cpuset below parents that did not exist %s", b.err.msg);
	check(str_eq(box_file(&b, host_hierarchy(&host, "cpuset") ? "cpuset" : "", "cpuset.cpus"),
		     "0"),
	      "cpus");
	check(box_run(&b, do_nothing) == 0, "a process runs in it");
	box_end(&b);

	r = box_init(&b, "bad/set");
	r->cpus = "4000";
	check(box_create(&b) < 0 &&
		      strstr(b.err.msg, "linux.resources.cpu.cpus: write \"4000\" to \"/"),
	      "a value the kernel refuses: %s", b.err.msg);
	check(access(b.cg.v[0].path, F_OK) < 0, "nothing was left");
}

static void test_undo(void)
{
	bool clean = true;
	struct spec_resources *r;
	struct box b;

	for (size_t i = 0; i < host.n_hierarchies; i++) {
		const char *path =
			arena_printf(&arena, "%s/%s", host.hierarchies[i].mount_point, base);

		rmdir(path);
	}
	r = box_init(&b, "un/do");
	if (host.layout == HOST_CGROUP_V2) {
		static struct spec_pair pair = { "cgroup.max.depth", "nonsense" };

		r->unified = (struct spec_map){ &pair, 1 };
	} else {
		r->has_cpu_shares = r->has_cpu_quota = true;
		r->cpu_shares = 100;
		r->cpu_quota = 1; /* below the kernel's least */
	}
	check(box_create(&b) == -EINVAL, "refused: %s", b.err.msg);
	for (size_t i = 0; i < host.n_hierarchies; i++) {
		const char *path =
			arena_printf(&arena, "%s/%s", host.hierarchies[i].mount_point, base);

		clean = clean && access(path, F_OK) < 0;
	}
	check(clean, "the parents that were made for it are gone too");
}

static void test_delegate(void)
{
	struct spec_namespace ns = { CLONE_NEWCGROUP, "cgroup", NULL };
	struct spec_mount mount = { .destination = "/sys/fs/cgroup",
				    .type = "cgroup",
				    .source = "cgroup" };
	struct stat st = { 0 };
	struct box b;
	int fd;

	if (host.layout != HOST_CGROUP_V2)
		return; /* OCI: not on v1 */
	box_init(&b, "own");
	b.spec.linux_.namespaces = &ns;
	b.spec.linux_.n_namespaces = 1;
	b.spec.mounts = &mount;
	b.spec.n_mounts = 1;
	b.spec.process.user.uid = 4242;
	check(box_create(&b) >= 0 && cgroup_delegate(b.plan, &b.err) >= 0, "delegate %s",
	      b.err.msg);
	fd = cgroup_open_v2(&b.cg);
	check(fstat(fd, &st) == 0 && st.st_uid == 4242, "the directory is the user's");
	check(fstatat(fd, "cgroup.procs", &st, 0) == 0 && st.st_uid == 4242, "and cgroup.procs");
	check(fstatat(fd, "cgroup.max.depth", &st, 0) == 0 && st.st_uid == 0, "and no limit");
	close(fd);
	box_end(&b);
}

/* Joined to the mount point, own_path leads to the directory we are in. */
static void test_own(void)
{
	for (size_t i = 0; i < host.n_hierarchies; i++) {
		const struct host_hierarchy *h = &host.hierarchies[i];
		struct cgroup_path path = {
			.controllers = h->name,
			.path = arena_printf(&arena, "%s%s", h->mount_point, h->own_path),
			.v2 = h->v2,
		};
		struct cgroup cg = { &path, 1 };
		bool found = false;
		struct err err;
		pid_t *pids;
		size_t n = 0;

		if (cgroup_pids(&arena, &cg, &pids, &n, &err) >= 0)
			for (size_t j = 0; j < n; j++)
				found = found || pids[j] == getpid();
		check(found, "own cgroup of \"%s\" is %s", h->name, path.path);
	}
}

/* Without any right to write there: fine as long as nothing is asked for. */
static void test_rootless(void)
{
	struct plan_request request = { .id = "thole-test-rootless", .rootless_cgroup = true };
	struct spec spec = { 0 };
	struct plan_cgroup *plan;
	struct cgroup cg;
	struct err err;

	check(plan_cgroup_build(&arena, &spec, &host, &request, &plan, &err) >= 0, "plan");
	check(cgroup_create(plan, NULL, &err) >= 0, "nothing asked for, nothing made");
	check(access(plan->dirs[0].path, F_OK) < 0, "%s is not there", plan->dirs[0].path);
	cgroup_from_plan(&arena, plan, &cg);
	check(cgroup_add(&cg, getpid(), false, true, &err) >= 0, "nowhere to go");
	check(cgroup_destroy(&cg, 1000, &err) >= 0, "nothing to remove");

	spec.linux_.resources.has_memory_limit = true;
	spec.linux_.resources.memory_limit = 1 << 30;
	if (plan_cgroup_build(&arena, &spec, &host, &request, &plan, &err) >= 0) {
		check(cgroup_create(plan, NULL, &err) < 0 &&
			      strstr(err.msg, "linux.resources.memory.limit: cannot be set"),
		      "a limit is not ignored: %s", err.msg);
	} else {
		check(strstr(err.msg, "linux.resources.memory.limit: controller"),
		      "a limit is not ignored: %s", err.msg);
	}
	spec.linux_.resources.has_memory_limit = false;
	spec.linux_.cgroups_path = "/thole-test-rootless";
	check(plan_cgroup_build(&arena, &spec, &host, &request, &plan, &err) >= 0 &&
		      cgroup_create(plan, NULL, &err) < 0,
	      "a path is not ignored: %s", err.msg);
}

/* A user's own part of the v2 tree: no device program can be loaded, everything else works. */
static void test_delegated(void)
{
	struct plan_request request = { .id = "inside", .rootless_cgroup = true };
	struct spec_pair depth = { "cgroup.max.depth", "3" };
	struct box b = { .spec.linux_.resources.unified = { &depth, 1 } };

	host.in_user_ns = true;
	check(plan_cgroup_build(&arena, &b.spec, &host, &request, &b.plan, &b.err) >= 0, "plan %s",
	      b.err.msg);
	cgroup_from_plan(&arena, b.plan, &b.cg);
	check(cgroup_create(b.plan, NULL, &b.err) >= 0, "create %s %s", b.cg.v[0].path, b.err.msg);
	check(str_eq(box_file(&b, "", "cgroup.max.depth"), "3"), "a limit is set");
	check(box_run(&b, do_nothing) == 0, "a process runs in it %s", b.err.msg);
	check(cgroup_destroy(&b.cg, 1000, &b.err) >= 0, "destroy %s", b.err.msg);
	check(access(b.cg.v[0].path, F_OK) < 0, "it is gone");
	host.in_user_ns = false;
	request.rootless_cgroup = false;
	check(plan_cgroup_build(&arena, &b.spec, &host, &request, &b.plan, &b.err) >= 0 &&
		      cgroup_create(b.plan, NULL, &b.err) == -EPERM &&
		      strstr(b.err.msg, "linux.resources.devices: load the device program"),
	      "as root the device rules must be there: %s", b.err.msg);
	check(access(b.cg.v[0].path, F_OK) < 0, "and nothing is left without them");
}

int main(int argc, char **argv)
{
	static const char *const layouts[] = { "none", "v1", "hybrid", "v2" };
	struct err err = { 0 };

	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	signal(SIGPIPE, SIG_IGN);
	snprintf(base, sizeof(base), "thole-test-cgroup-%d", (int)getpid());
	if (host_probe_cgroups(&arena, &host, &err) < 0) {
		printf("Bail out! %s\n", err.msg);
		return 1;
	}
	check(argc < 2 || str_eq(argv[1], layouts[host.layout]), "layout %s is seen as %s",
	      argc < 2 ? "?" : argv[1], layouts[host.layout]);
	for (size_t i = 0; i < host.n_hierarchies; i++)
		printf("# %s at %s, own %s\n", host.hierarchies[i].name,
		       host.hierarchies[i].mount_point, host.hierarchies[i].own_path);
	if (host.layout == HOST_CGROUP_NONE) {
		printf("1..%u\n", n_tests);
		return n_failed != 0;
	}
	if (argc > 2 && str_eq(argv[2], "once")) { /* for counting system calls */
		struct box b;

		box_init(&b, "once");
		check(box_create(&b) >= 0, "create %s", b.err.msg);
		check(box_run(&b, do_nothing) == 0, "run");
		box_end(&b);
		leftovers();
		return 0;
	}
	if (argc > 2 && str_eq(argv[2], "rootless")) {
		test_rootless();
		printf("1..%u\n", n_tests);
		return n_failed != 0;
	}
	if (argc > 2 && str_eq(argv[2], "delegated"))
		test_delegated();
	if (argc < 3 || !str_eq(argv[2], "adrift"))
		test_own();
	if (argc > 2) {
		printf("1..%u\n", n_tests);
		return n_failed != 0;
	}
	test_place();
	test_devices();
	test_takeover();
	test_freeze();
	test_bomb();
	test_stuck();
	test_nested();
	test_memory();
	test_limits();
	test_cpuset();
	test_undo();
	test_delegate();
	check(leftovers() == 0, "nothing is left");
	printf("1..%u\n", n_tests);
	arena_done(&arena);
	return n_failed != 0;
}
