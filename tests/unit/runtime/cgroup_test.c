/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cgroup code on a fake tree: ordinary directories and files in place of a cgroup mount. What
 * needs the kernel's own behaviour is in tests/integration/cgroup_driver.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/io.h"
#include "common/macros.h"
#include "runtime/cgroup.h"
#include "runtime/cgroup_backend.h"
#include "spec/spec_read.h"

struct fixture {
	struct arena arena;
	char root[32];
	struct plan_cgroup plan;
	struct plan_cgroup_dir dirs[3];
	struct plan_cgroup_write writes[4];
	struct cgroup cg;
	struct err err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->root, sizeof(f->root), "/tmp/thole-cgroup-XXXXXX");
	assert_non_null(mkdtemp(f->root));
	f->plan.dirs = f->dirs;
	f->plan.writes = f->writes;
	f->plan.v2_available = f->plan.v2_required = "";
	*state = f;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	nftw(f->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	arena_done(&f->arena);
	free(f);
	return 0;
}

static const char *at(struct fixture *f, const char *path)
{
	return arena_printf(&f->arena, "%s/%s", f->root, path);
}

static void make_dirs(struct fixture *f, const char *path)
{
	char *p = (char *)at(f, path);

	for (char *slash = p + strlen(f->root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		(void)mkdir(p, 0755);
		*slash = '/';
	}
	assert_true(mkdir(p, 0755) == 0 || errno == EEXIST);
}

static void make_file(struct fixture *f, const char *path, const char *text)
{
	FILE *file = fopen(at(f, path), "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static const char *content(struct fixture *f, const char *path)
{
	char buf[4096];

	if (io_read_small(AT_FDCWD, at(f, path), buf, sizeof(buf)) < 0)
		return "(none)";
	return arena_strdup(&f->arena, buf);
}

static bool exists(struct fixture *f, const char *path)
{
	return access(at(f, path), F_OK) == 0;
}

static struct plan_cgroup_dir *add_dir(struct fixture *f, const char *controllers,
				       const char *mount, const char *path)
{
	struct plan_cgroup_dir *dir = &f->dirs[f->plan.n_dirs++];

	make_dirs(f, mount);
	*dir = (struct plan_cgroup_dir){
		.controllers = controllers,
		.mount_point = at(f, mount),
		.path = arena_printf(&f->arena, "%s/%s/%s", f->root, mount, path),
		.v2 = !*controllers,
	};
	cgroup_from_plan(&f->arena, &f->plan, &f->cg);
	return dir;
}

static struct plan_cgroup_write *add_write(struct fixture *f, size_t dir, const char *file,
					   const char *value)
{
	struct plan_cgroup_write *w = &f->writes[f->plan.n_writes++];

	*w = (struct plan_cgroup_write){
		.dir = dir, .file = file, .value = value, .json_path = "linux.resources.x"
	};
	return w;
}

static int create(struct fixture *f)
{
	f->err = (struct err){ 0 };
	return cgroup_create(&f->plan, NULL, &f->err);
}

/* ---- create ---- */

static void test_create(void **state)
{
	struct fixture *f = *state;

	add_dir(f, "memory", "memory", "a/b/c");
	add_dir(f, "pids", "pids", "a/b/c");
	assert_int_equal(create(f), 0);
	assert_true(exists(f, "memory/a/b/c"));
	assert_true(exists(f, "pids/a/b/c"));
}

static void test_undo(void **state)
{
	struct fixture *f = *state;

	add_dir(f, "memory", "memory", "a/b/c");
	add_dir(f, "pids", "pids", "a/b/c");
	make_dirs(f, "memory/a");
	add_write(f, 1, "pids.max", "5");
	assert_int_equal(create(f), -ENOENT);
	assert_non_null(strstr(f->err.msg,
			       "linux.resources.x: controller \"pids\" is not available, or the "
			       "kernel lacks it: no \"pids.max\" in \"/tmp/thole-cgroup-"));
	assert_true(exists(f, "memory/a"));
	assert_false(exists(f, "memory/a/b"));
	assert_false(exists(f, "pids/a"));
	/* What was there before is not removed. */
	make_dirs(f, "pids/a/b/c");
	assert_int_equal(create(f), -ENOENT);
	assert_true(exists(f, "pids/a/b/c"));
	assert_false(exists(f, "memory/a/b"));
}

static void test_unmakeable(void **state)
{
	struct fixture *f = *state;

	add_dir(f, "memory", "memory", "c");
	add_dir(f, "pids", "pids", "file/c");
	make_file(f, "pids/file", "");
	assert_int_equal(create(f), -ENOTDIR);
	assert_non_null(strstr(f->err.msg, "make cgroup \"/tmp/thole-cgroup-"));
	assert_false(exists(f, "memory/c"));
}

static void test_writes(void **state)
{
	struct fixture *f = *state;

	add_dir(f, "blkio", "blkio", "c");
	make_dirs(f, "blkio/c");
	make_file(f, "blkio/c/new", "");
	make_file(f, "blkio/c/same", "");
	add_write(f, 0, "old", "1")->optional = true;
	add_write(f, 0, "new", "2")->alternative = true;
	add_write(f, 0, "same", "3");
	add_write(f, 0, "same", "4");
	assert_int_equal(create(f), 0);
	assert_string_equal(content(f, "blkio/c/new"), "2");
	assert_string_equal(content(f, "blkio/c/same"), "34"); /* one descriptor, two writes */

	make_file(f, "blkio/c/old", "");
	make_file(f, "blkio/c/new", "");
	assert_int_equal(create(f), 0);
	assert_string_equal(content(f, "blkio/c/old"), "1");
	assert_string_equal(content(f, "blkio/c/new"), "");
}

static void test_write_refused(void **state)
{
	struct fixture *f = *state;

	add_dir(f, "memory", "memory", "c");
	make_dirs(f, "memory/c");
	/* No space is left on this device, ever. */
	assert_int_equal(symlink("/dev/full", at(f, "memory/c/memory.limit")), 0);
	add_write(f, 0, "memory.limit", "12");
	assert_int_equal(create(f), -ENOSPC);
	assert_non_null(strstr(f->err.msg, "linux.resources.x: write \"12\" to \"/tmp/"));
	assert_non_null(strstr(f->err.msg, "/memory/c/memory.limit\": no space left on device"));
	/* A group gives up when a pass gets nothing through. */
	f->writes[0].group = 1;
	make_file(f, "memory/c/other", "");
	add_write(f, 0, "other", "7")->group = 1;
	assert_int_equal(create(f), -ENOSPC);
	assert_string_equal(content(f, "memory/c/other"), "7");
}

static void test_check_usage(void **state)
{
	struct fixture *f = *state;

	add_dir(f, "memory", "memory", "c");
	make_dirs(f, "memory/c");
	make_file(f, "memory/c/memory.limit", "");
	make_file(f, "memory/c/memory.usage_in_bytes", "4096\n");
	add_write(f, 0, "memory.limit", "4095")->check_usage = true;
	assert_int_equal(create(f), -EBUSY);
	assert_string_equal(f->err.msg, "linux.resources.x: 4095 is below the 4096 bytes in use");
	f->writes[0].value = "4096";
	assert_int_equal(create(f), 0);
}

static void test_used(void **state)
{
	struct fixture *f = *state;

	add_dir(f, "freezer", "freezer", "c");
	make_dirs(f, "freezer/c/sub");
	make_file(f, "freezer/c/sub/cgroup.procs", "4000001\n4000002\n");
	assert_int_equal(create(f), -EBUSY);
	assert_non_null(strstr(f->err.msg,
			       "container's cgroup is not empty: 2 process(es) found in \"/tmp"));
	make_file(f, "freezer/c/sub/cgroup.procs", "");
	assert_int_equal(create(f), 0);
	make_file(f, "freezer/c/freezer.state", "FREEZING\n");
	assert_int_equal(create(f), -EBUSY);
	assert_non_null(strstr(f->err.msg, "container's cgroup unexpectedly frozen"));
	make_file(f, "freezer/c/freezer.state", "THAWED\n");
	assert_int_equal(create(f), 0);
}

static void test_frozen_v2(void **state)
{
	struct fixture *f = *state;

	add_dir(f, "", "cg", "c");
	make_dirs(f, "cg/c");
	make_file(f, "cg/c/cgroup.events", "populated 0\nfrozen 1\n");
	assert_int_equal(cgroup_is_frozen(&f->cg), 1);
	assert_int_equal(create(f), -EBUSY);
	make_file(f, "cg/c/cgroup.events", "populated 0\nfrozen 0\n");
	assert_int_equal(cgroup_is_frozen(&f->cg), 0);
	assert_int_equal(create(f), 0);
}

static void test_enable(void **state)
{
	struct fixture *f = *state;

	add_dir(f, "", "cg", "a/c");
	make_dirs(f, "cg/a/c");
	make_file(f, "cg/cgroup.subtree_control", "");
	make_file(f, "cg/a/cgroup.subtree_control", "");
	make_file(f, "cg/a/c/cgroup.controllers", "");
	f->plan.layout = HOST_CGROUP_V2;
	f->plan.v2_available = "cpu memory";
	assert_int_equal(create(f), 0);
	assert_string_equal(content(f, "cg/cgroup.subtree_control"), "+cpu +memory");
	assert_string_equal(content(f, "cg/a/cgroup.subtree_control"), "+cpu +memory");
	/* All there: nobody is written to. */
	make_file(f, "cg/cgroup.subtree_control", "");
	make_file(f, "cg/a/c/cgroup.controllers", "cpu memory\n");
	assert_int_equal(create(f), 0);
	assert_string_equal(content(f, "cg/cgroup.subtree_control"), "");
	/* In a hybrid layout only what is needed. */
	make_file(f, "cg/a/c/cgroup.controllers", "");
	f->plan.layout = HOST_CGROUP_HYBRID;
	assert_int_equal(create(f), 0);
	assert_string_equal(content(f, "cg/cgroup.subtree_control"), "");
	f->plan.v2_required = "memory";
	assert_int_equal(create(f), 0);
	assert_string_equal(content(f, "cg/cgroup.subtree_control"), "+memory");
	/* Below a threaded cgroup. */
	make_file(f, "cg/a/c/cgroup.type", "domain invalid\n");
	assert_int_equal(create(f), -EOPNOTSUPP);
	assert_non_null(strstr(f->err.msg, "its type is \"domain invalid\""));
}

static void test_cpuset(void **state)
{
	struct fixture *f = *state;

	add_dir(f, "cpuset", "cpuset", "a/b/c");
	make_dirs(f, "cpuset/a/b/c");
	make_file(f, "cpuset/cpuset.cpus", "0-3\n");
	make_file(f, "cpuset/cpuset.mems", "0\n");
	make_file(f, "cpuset/a/cpuset.cpus", "1\n");
	make_file(f, "cpuset/a/cpuset.mems", "\n");
	for (const char *const *p = (const char *const[]){ "cpuset/a/b", "cpuset/a/b/c", NULL }; *p;
	     p++) {
		make_file(f, arena_printf(&f->arena, "%s/cpuset.cpus", *p), "");
		make_file(f, arena_printf(&f->arena, "%s/cpuset.mems", *p), "");
	}
	assert_int_equal(create(f), 0);
	assert_string_equal(content(f, "cpuset/a/cpuset.cpus"), "1");
	assert_string_equal(content(f, "cpuset/a/b/cpuset.cpus"), "1");
	assert_string_equal(content(f, "cpuset/a/b/c/cpuset.cpus"), "1");
	assert_string_equal(content(f, "cpuset/a/cpuset.mems"), "0");
	assert_string_equal(content(f, "cpuset/a/b/c/cpuset.mems"), "0");
	make_file(f, "cpuset/cpuset.mems", "\n");
	make_file(f, "cpuset/a/cpuset.mems", "");
	make_file(f, "cpuset/a/b/cpuset.mems", "");
	make_file(f, "cpuset/a/b/c/cpuset.mems", "");
	assert_int_equal(create(f), -ENOSPC);
}

/* ---- life and end ---- */

static void test_add(void **state)
{
	struct fixture *f = *state;

	add_dir(f, "memory", "memory", "c");
	add_dir(f, "", "cg", "c");
	make_dirs(f, "memory/c");
	make_dirs(f, "cg/c");
	make_file(f, "memory/c/cgroup.procs", "");
	assert_int_equal(cgroup_add(&f->cg, 4242, false, false, &f->err), -ENOENT);
	assert_non_null(strstr(f->err.msg, "move process 4242 into cgroup \"/tmp/"));
	assert_int_equal(cgroup_add(&f->cg, 4242, false, true, &f->err), 0);
	make_file(f, "cg/c/cgroup.procs", "");
	make_file(f, "memory/c/cgroup.procs", "");
	assert_int_equal(cgroup_add(&f->cg, 4242, true, false, &f->err), 0);
	assert_string_equal(content(f, "memory/c/cgroup.procs"), "4242");
	assert_string_equal(content(f, "cg/c/cgroup.procs"), "");
}

static void test_pids(void **state)
{
	struct fixture *f = *state;
	FILE *big;
	pid_t *pids;
	size_t n;

	add_dir(f, "memory", "memory", "c");
	assert_int_equal(cgroup_pids(&f->arena, &f->cg, &pids, &n, &f->err), 0);
	assert_int_equal(n, 0);
	make_dirs(f, "memory/c/x/y");
	make_dirs(f, "memory/c/z");
	make_file(f, "memory/c/cgroup.procs", "30\n0\n7\n");
	make_file(f, "memory/c/x/y/cgroup.procs", "7\n100\n");
	make_file(f, "memory/c/z/cgroup.procs", "1\n");
	assert_int_equal(cgroup_pids(&f->arena, &f->cg, &pids, &n, &f->err), 0);
	assert_int_equal(n, 4);
	assert_int_equal(pids[0], 1);
	assert_int_equal(pids[1], 7);
	assert_int_equal(pids[2], 30);
	assert_int_equal(pids[3], 100);

	/* More than one buffer of them, so that a number is cut in two. */
	big = fopen(at(f, "memory/c/z/cgroup.procs"), "w");
	for (int i = 0; i < 20000; i++)
		fprintf(big, "%d\n", 100000 + i);
	fclose(big);
	assert_int_equal(cgroup_pids(&f->arena, &f->cg, &pids, &n, &f->err), 0);
	assert_int_equal(n, 20003);
	for (size_t i = 0; i < 20000; i++)
		assert_int_equal(pids[3 + i], 100000 + i);
}

static void test_freeze_v1(void **state)
{
	struct fixture *f = *state;

	add_dir(f, "freezer", "freezer", "c");
	assert_int_equal(cgroup_is_frozen(&f->cg), 0);
	make_dirs(f, "freezer/c");
	make_file(f, "freezer/c/freezer.state", "");
	assert_int_equal(cgroup_freeze(&f->cg, true, &f->err), 0);
	assert_string_equal(content(f, "freezer/c/freezer.state"), "FROZEN");
	assert_int_equal(cgroup_is_frozen(&f->cg), 1);
	assert_int_equal(cgroup_freeze(&f->cg, false, &f->err), 0);
	assert_string_equal(content(f, "freezer/c/freezer.state"), "THAWED");
}

static void test_freeze_timeout(void **state)
{
	struct fixture *f = *state;
	uint64_t start = cgroup_now_ms(), took;

	add_dir(f, "freezer", "freezer", "c");
	make_dirs(f, "freezer/c");
	/* Takes everything and never says FROZEN. */
	assert_int_equal(symlink("/dev/null", at(f, "freezer/c/freezer.state")), 0);
	assert_int_equal(cgroup_v1_freeze(f->dirs[0].path, true, 300, &f->err), -ETIMEDOUT);
	took = cgroup_now_ms() - start;
	assert_true(took >= 300 && took < 5000);
}

static void test_destroy(void **state)
{
	struct fixture *f = *state;
	uint64_t start;

	add_dir(f, "memory", "memory", "a/c");
	add_dir(f, "freezer", "freezer", "a/c");
	assert_int_equal(cgroup_destroy(&f->cg, 100, &f->err), 0);
	make_dirs(f, "memory/a/c/1/2/3");
	make_dirs(f, "memory/a/c/1/4");
	make_dirs(f, "memory/a/c/5");
	make_dirs(f, "freezer/a/c");
	assert_int_equal(cgroup_destroy(&f->cg, 100, &f->err), 0);
	assert_false(exists(f, "memory/a/c"));
	assert_false(exists(f, "freezer/a/c"));
	assert_true(exists(f, "memory/a"));
	assert_true(exists(f, "freezer/a"));

	/* One that cannot go: told, in time, and the others are gone nevertheless. */
	make_dirs(f, "memory/a/c/1");
	make_dirs(f, "freezer/a/c");
	make_file(f, "memory/a/c/1/stays", "");
	start = cgroup_now_ms();
	assert_int_equal(cgroup_destroy(&f->cg, 100, &f->err), -EBUSY);
	assert_true(cgroup_now_ms() - start < 3000);
	assert_non_null(strstr(f->err.msg, "remove cgroup \"/tmp/thole-cgroup-"));
	assert_non_null(strstr(f->err.msg, "no process seen in it"));
	assert_false(exists(f, "freezer/a/c"));
}

/* A symlink inside is neither followed nor removed. */
static void test_destroy_symlink(void **state)
{
	struct fixture *f = *state;

	add_dir(f, "memory", "memory", "c");
	make_dirs(f, "memory/c");
	make_dirs(f, "outside/dir");
	assert_int_equal(symlink(at(f, "outside"), at(f, "memory/c/link")), 0);
	assert_int_equal(cgroup_destroy(&f->cg, 20, &f->err), -EBUSY);
	assert_true(exists(f, "outside/dir"));
}

static void test_oom(void **state)
{
	struct fixture *f = *state;
	uint64_t n = 0;

	add_dir(f, "memory", "memory", "c");
	assert_int_equal(cgroup_oom_kills(&f->cg, &n), -ENOENT);
	make_dirs(f, "memory/c/sub");
	make_file(f, "memory/c/memory.oom_control",
		  "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
	make_file(f, "memory/c/sub/memory.oom_control", "oom_kill_disable 0\noom_kill 3\n");
	assert_int_equal(cgroup_oom_kills(&f->cg, &n), 0);
	assert_int_equal(n, 5);

	f->plan.n_dirs = 0;
	add_dir(f, "", "cg", "c");
	make_dirs(f, "cg/c");
	assert_int_equal(cgroup_oom_kills(&f->cg, &n), -ENOENT);
	make_file(f, "cg/c/memory.events", "low 0\noom 9\noom_kill 4\noom_group_kill 1\n");
	assert_int_equal(cgroup_oom_kills(&f->cg, &n), 0);
	assert_int_equal(n, 4);
}

static void test_sub(void **state)
{
	static struct cgroup_path v[] = { { "cpu,cpuacct", "/cg/cpu/c", false },
					  { "memory", "/cg/memory/c", false },
					  { "", "/cg/unified/c", true } };
	static const struct {
		const char *arg, *cpu, *memory, *v2; /* cpu NULL: refused */
	} rows[] = {
		{ "x/y", "/cg/cpu/c/x/y", "/cg/memory/c/x/y", "/cg/unified/c/x/y" },
		{ "/x//./y/", "/cg/cpu/c/x/y", "/cg/memory/c/x/y", "/cg/unified/c/x/y" },
		{ "/", "/cg/cpu/c", "/cg/memory/c", "/cg/unified/c" },
		{ "cpu:x", "/cg/cpu/c/x", "/cg/memory/c", "/cg/unified/c" },
		{ "cpuacct,memory:x", "/cg/cpu/c/x", "/cg/memory/c/x", "/cg/unified/c" },
		{ "..", NULL, NULL, NULL },
		{ "x/../../y", NULL, NULL, NULL },
		{ "memory:../other", NULL, NULL, NULL },
		{ "pids:x", NULL, NULL, NULL },
		{ ":x", NULL, NULL, NULL },
		{ "cpu,:x", NULL, NULL, NULL },
	};
	struct fixture *f = *state;
	const struct cgroup cg = { v, 3 };
	struct cgroup sub;

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		int r = cgroup_sub(&f->arena, &cg, rows[i].arg, &sub, &f->err);

		if (!rows[i].cpu) {
			assert_int_equal(r, -EINVAL);
			assert_non_null(strstr(f->err.msg, rows[i].arg));
			continue;
		}
		assert_int_equal(r, 0);
		assert_string_equal(sub.v[0].path, rows[i].cpu);
		assert_string_equal(sub.v[1].path, rows[i].memory);
		assert_string_equal(sub.v[2].path, rows[i].v2);
	}
}

/* ---- from the configuration to the files: what no machine of the tests has ---- */

static const char rare_v1[] =
	"{\"ociVersion\":\"1.3.0\",\"root\":{\"path\":\"r\"},"
	"\"process\":{\"cwd\":\"/"
	"\",\"args\":[\"x\"],\"user\":{\"uid\":0,\"gid\":0}},\"linux\":{\"cgroupsPath\":\"/"
	"c\","
	"\"namespaces\":[{\"type\":\"mount\"}],\"resources\":{"
	"\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":4194304}],"
	"\"network\":{\"classID\":1048577,\"priorities\":[{\"name\":\"eth0\",\"priority\":"
	"5}]},"
	"\"rdma\":{\"mlx5_1\":{\"hcaHandles\":3,\"hcaObjects\":10000}},"
	"\"blockIO\":{\"weight\":500,\"leafWeight\":300,"
	"\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":1}]}}}}";
static const char rare_v2[] =
	"{\"ociVersion\":\"1.3.0\",\"root\":{\"path\":\"r\"},"
	"\"process\":{\"cwd\":\"/"
	"\",\"args\":[\"x\"],\"user\":{\"uid\":0,\"gid\":0}},\"linux\":{\"cgroupsPath\":\"/"
	"c\","
	"\"namespaces\":[{\"type\":\"mount\"}],\"resources\":{"
	"\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":4194304}],"
	"\"rdma\":{\"mlx5_1\":{\"hcaHandles\":3}},\"cpu\":{\"burst\":7,\"idle\":1},"
	"\"blockIO\":{\"weight\":500,"
	"\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":0,\"rate\":4}]}}}}";

static int create_from(struct fixture *f, const char *json, const struct host *host)
{
	static const struct plan_request request = { .id = "c", .bundle = "/b" };
	struct cgroup_made made = { 0 };
	struct plan_cgroup *plan;
	struct spec *spec;

	f->err = (struct err){ 0 };
	if (spec_read(&f->arena, json, strlen(json), &spec, &f->err) < 0 ||
	    plan_cgroup_build(&f->arena, spec, host, &request, &plan, &f->err) < 0)
		fail_msg("%s", f->err.msg);
	/* A directory takes no device program: those are for later. */
	return cgroup_create(plan, &made, &f->err);
}

static void test_rare_v1(void **state)
{
	static const char *const names[] = { "hugetlb", "net_cls,net_prio", "rdma", "blkio" };
	struct fixture *f = *state;
	struct host_hierarchy hierarchies[ARRAY_COUNT(names)];
	struct host host = { .layout = HOST_CGROUP_V1,
			     .hierarchies = hierarchies,
			     .n_hierarchies = ARRAY_COUNT(names),
			     .v2_controllers = "" };

	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		hierarchies[i] = (struct host_hierarchy){ names[i], at(f, names[i]), "/", false };
		make_dirs(f, arena_printf(&f->arena, "%s/c", names[i]));
	}
	make_file(f, "hugetlb/c/hugetlb.2MB.limit_in_bytes", "");
	make_file(f, "net_cls,net_prio/c/net_cls.classid", "");
	make_file(f, "net_cls,net_prio/c/net_prio.ifpriomap", "");
	make_file(f, "rdma/c/rdma.max", "");
	make_file(f, "blkio/c/blkio.bfq.weight", "");
	make_file(f, "blkio/c/blkio.leaf_weight", "");
	make_file(f, "blkio/c/blkio.throttle.read_bps_device", "");
	/* A kernel without reservations has the limit only. */
	if (create_from(f, rare_v1, &host) < 0)
		fail_msg("%s", f->err.msg);
	assert_string_equal(content(f, "hugetlb/c/hugetlb.2MB.limit_in_bytes"), "4194304");
	assert_false(exists(f, "hugetlb/c/hugetlb.2MB.rsvd.limit_in_bytes"));
	assert_string_equal(content(f, "net_cls,net_prio/c/net_cls.classid"), "1048577");
	assert_string_equal(content(f, "net_cls,net_prio/c/net_prio.ifpriomap"), "eth0 5");
	assert_string_equal(content(f, "rdma/c/rdma.max"), "mlx5_1 hca_handle=3 hca_object=10000");
	assert_string_equal(content(f, "blkio/c/blkio.bfq.weight"), "500");
	assert_string_equal(content(f, "blkio/c/blkio.leaf_weight"), "300");
	assert_string_equal(content(f, "blkio/c/blkio.throttle.read_bps_device"), "8:0 1");
	make_file(f, "hugetlb/c/hugetlb.2MB.rsvd.limit_in_bytes", "");
	assert_int_equal(create_from(f, rare_v1, &host), 0);
	assert_string_equal(content(f, "hugetlb/c/hugetlb.2MB.rsvd.limit_in_bytes"), "4194304");
	/* What the kernel does not have is told, not left out. */
	assert_int_equal(unlink(at(f, "rdma/c/rdma.max")), 0);
	assert_true(create_from(f, rare_v1, &host) < 0);
	assert_non_null(strstr(f->err.msg, "linux.resources.rdma.mlx5_1"));
}

static void test_rare_v2(void **state)
{
	struct fixture *f = *state;
	struct host_hierarchy v2 = { "", at(f, "v2"), "/", true };
	struct host host = { .layout = HOST_CGROUP_V2,
			     .hierarchies = &v2,
			     .n_hierarchies = 1,
			     .v2_controllers = "cpu io hugetlb rdma" };
	static const char *const files[] = { "hugetlb.2MB.max", "hugetlb.2MB.rsvd.max",
					     "rdma.max",        "cpu.max.burst",
					     "cpu.idle",        "io.weight",
					     "io.max",          "cgroup.controllers" };

	make_dirs(f, "v2/c");
	make_file(f, "v2/cgroup.controllers", "cpu io hugetlb rdma\n");
	make_file(f, "v2/cgroup.subtree_control", "cpu io hugetlb rdma\n");
	for (size_t i = 0; i < ARRAY_COUNT(files); i++)
		make_file(f, arena_printf(&f->arena, "v2/c/%s", files[i]), "");
	if (create_from(f, rare_v2, &host) < 0)
		fail_msg("%s", f->err.msg);
	assert_string_equal(content(f, "v2/c/hugetlb.2MB.max"), "4194304");
	assert_string_equal(content(f, "v2/c/hugetlb.2MB.rsvd.max"), "4194304");
	assert_string_equal(content(f, "v2/c/rdma.max"), "mlx5_1 hca_handle=3");
	assert_string_equal(content(f, "v2/c/cpu.max.burst"), "7");
	assert_string_equal(content(f, "v2/c/cpu.idle"), "1");
	assert_string_equal(content(f, "v2/c/io.weight"), "4950");
	assert_string_equal(content(f, "v2/c/io.max"), "8:0 wiops=4");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_rare_v1),       T(test_rare_v2),
		T(test_create),        T(test_undo),
		T(test_unmakeable),    T(test_writes),
		T(test_write_refused), T(test_check_usage),
		T(test_used),          T(test_frozen_v2),
		T(test_enable),        T(test_cpuset),
		T(test_add),           T(test_pids),
		T(test_freeze_v1),     T(test_freeze_timeout),
		T(test_destroy),       T(test_destroy_symlink),
		T(test_oom),           T(test_sub),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
