/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `update`: the values of its options; old and given resources in, what is written and what is kept
 * out, as JSON; and files that get back what they said when a write fails.
 */
#include "tests/unit/common/tmpdir.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/io.h"
#include "common/json.h"
#include "runtime/cgroup.h"
#include "runtime/update.h"
#include "spec/spec_read.h"

struct fixture {
	struct tmpdir *tmp;
	struct arena arena;
	struct err err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->tmp = tmpdir_new();
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	arena_done(&f->arena);
	tmpdir_free(f->tmp);
	free(f);
	return 0;
}

static void test_bytes(void **state)
{
	static const struct {
		const char *text;
		int64_t bytes;
		int r;
	} rows[] = {
		{ "0", 0, 0 },
		{ "1048576", 1048576, 0 },
		{ "7b", 7, 0 },
		{ "7B", 7, 0 },
		{ "1k", 1024, 0 },
		{ "1KB", 1024, 0 },
		{ "1KiB", 1024, 0 },
		{ "64m", 67108864, 0 },
		{ "64 MB", 67108864, 0 },
		{ "2g", 2147483648, 0 },
		{ "1T", 1099511627776, 0 },
		{ "1p", 1125899906842624, 0 },
		{ "1.5k", 1536, 0 },
		{ "0.25GiB", 268435456, 0 },
		{ "1.k", 1024, 0 },
		{ "1.9", 1, 0 },
		{ "-1", -1, 0 },
		{ "9223372036854775807", INT64_MAX, 0 },
		{ "-2", 0, -EINVAL },
		{ "-1m", 0, -EINVAL },
		{ "", 0, -EINVAL },
		{ "m", 0, -EINVAL },
		{ ".5k", 0, -EINVAL },
		{ "1kk", 0, -EINVAL },
		{ "1bb", 0, -EINVAL },
		{ "1ki", 0, -EINVAL },
		{ "1kibi", 0, -EINVAL },
		{ "1  k", 0, -EINVAL },
		{ "1x", 0, -EINVAL },
		{ "0x10", 0, -EINVAL },
		{ "1.2.3k", 0, -EINVAL },
		{ "9223372036854775808", 0, -ERANGE },
		{ "9007199254740992k", 0, -ERANGE },
		{ "8192p", 0, -ERANGE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		int64_t bytes = 0;
		int r = update_parse_bytes(rows[i].text, &bytes);

		if (r != rows[i].r || (r == 0 && bytes != rows[i].bytes))
			fail_msg("\"%s\": %d, %lld", rows[i].text, r, (long long)bytes);
	}
}

static struct spec_resources *read_json(struct fixture *f, const char *text)
{
	struct spec_resources *r;

	if (spec_read_resources(&f->arena, text, strlen(text), &r, &f->err) < 0)
		fail_msg("%s: %s", text, f->err.msg);
	return r;
}

static const char *json_of(struct fixture *f, const struct spec_resources *r)
{
	struct json_writer *w = json_writer_new(NULL);
	const char *text;
	size_t n;

	update_write_json(w, r);
	text = json_writer_text(w, &n);
	text = arena_strndup(&f->arena, text, n);
	json_writer_free(w);
	return text;
}

/* With the empty objects, which are always there, written as in the table below. */
#define NO_MEMORY "\"memory\":{},"
#define NO_CPU "\"cpu\":{},"
#define NO_REST "\"blockIO\":{},\"network\":{}"

static const struct {
	const char *what, *old, *given, *apply, *keep; /* keep NULL: as apply */
} merges[] = {
	{ "nothing", "{}", "{}", "{" NO_MEMORY NO_CPU NO_REST "}", NULL },
	{ "absent keeps the old value, which is written again",
	  "{\"memory\":{\"limit\":100,\"swap\":200},\"cpu\":{\"shares\":5}}",
	  "{\"memory\":{\"reservation\":50}}",
	  "{\"memory\":{\"limit\":100,\"reservation\":50,\"swap\":200},\"cpu\":{\"shares\":5}"
	  "," NO_REST "}",
	  NULL },
	{ "given wins; zero is not given", "{\"memory\":{\"limit\":100,\"swap\":200}}",
	  "{\"memory\":{\"limit\":150,\"swap\":0}}",
	  "{\"memory\":{\"limit\":150,\"swap\":200}," NO_CPU NO_REST "}", NULL },
	{ "cpusets, burst, idle, pids and unified are written only if given",
	  "{\"cpu\":{\"cpus\":\"0\",\"mems\":\"0\",\"burst\":3,\"idle\":1},\"pids\":{\"limit\":5},"
	  "\"unified\":{\"a.b\":\"1\"}}",
	  "{}", "{" NO_MEMORY NO_CPU NO_REST "}",
	  "{" NO_MEMORY "\"cpu\":{\"burst\":3,\"cpus\":\"0\",\"mems\":\"0\",\"idle\":1},"
	  "\"pids\":{\"limit\":5}," NO_REST ",\"unified\":{\"a.b\":\"1\"}}" },
	{ "and if given, alone",
	  "{\"cpu\":{\"cpus\":\"0\"},\"unified\":{\"a.b\":\"1\",\"c.d\":\"2\"}}",
	  "{\"cpu\":{\"mems\":\"1\"},\"pids\":{\"limit\":0},\"unified\":{\"c.d\":\"3\"}}",
	  "{" NO_MEMORY "\"cpu\":{\"mems\":\"1\"},\"pids\":{\"limit\":0}," NO_REST
	  ",\"unified\":{\"c.d\":\"3\"}}",
	  "{" NO_MEMORY "\"cpu\":{\"cpus\":\"0\",\"mems\":\"1\"},\"pids\":{\"limit\":0}," NO_REST
	  ",\"unified\":{\"a.b\":\"1\",\"c.d\":\"3\"}}" },
	{ "quota and period: neither given, neither written",
	  "{\"cpu\":{\"quota\":10,\"period\":20}}", "{\"cpu\":{\"quota\":0}}",
	  "{" NO_MEMORY NO_CPU NO_REST "}",
	  "{" NO_MEMORY "\"cpu\":{\"quota\":10,\"period\":20}," NO_REST "}" },
	{ "one given, the other keeps its value", "{\"cpu\":{\"quota\":10,\"period\":20}}",
	  "{\"cpu\":{\"period\":30}}",
	  "{" NO_MEMORY "\"cpu\":{\"quota\":10,\"period\":30}," NO_REST "}", NULL },
	{ "unlimited memory leaves the swap alone", "{\"memory\":{\"limit\":100,\"swap\":200}}",
	  "{\"memory\":{\"limit\":-1}}", "{\"memory\":{\"limit\":-1}," NO_CPU NO_REST "}", NULL },
	{ "unless that is given", "{\"memory\":{\"limit\":100,\"swap\":200}}",
	  "{\"memory\":{\"limit\":-1,\"swap\":-1}}",
	  "{\"memory\":{\"limit\":-1,\"swap\":-1}," NO_CPU NO_REST "}", NULL },
	{ "idle takes the shares away", "{\"cpu\":{\"shares\":5}}", "{\"cpu\":{\"idle\":1}}",
	  "{" NO_MEMORY "\"cpu\":{\"idle\":1}," NO_REST "}", NULL },
	{ "not if given", "{\"cpu\":{\"shares\":5}}", "{\"cpu\":{\"idle\":0,\"shares\":7}}",
	  "{" NO_MEMORY "\"cpu\":{\"shares\":7,\"idle\":0}," NO_REST "}", NULL },
	{ "device rules never change", "{\"devices\":[{\"allow\":false}]}",
	  "{\"devices\":[{\"allow\":true}]}", "{" NO_MEMORY NO_CPU NO_REST "}", NULL },
	{ "kernel memory is forgotten", "{\"memory\":{\"kernel\":5}}",
	  "{\"memory\":{\"kernel\":6,\"kernelTCP\":7}}", "{" NO_MEMORY NO_CPU NO_REST "}", NULL },
	{ "checkBeforeUpdate stays", "{\"memory\":{\"checkBeforeUpdate\":true}}",
	  "{\"memory\":{\"limit\":5}}",
	  "{\"memory\":{\"limit\":5,\"checkBeforeUpdate\":true}," NO_CPU NO_REST "}", NULL },
	{ "devices of block I/O by their numbers",
	  "{\"blockIO\":{\"weight\":10,\"weightDevice\":[{\"major\":8,\"minor\":0,\"weight\":20}],"
	  "\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":1},"
	  "{\"major\":8,\"minor\":1,\"rate\":2}]}}",
	  "{\"blockIO\":{\"weightDevice\":[{\"major\":8,\"minor\":0,\"weight\":30}],"
	  "\"throttleReadBpsDevice\":[{\"major\":9,\"minor\":0,\"rate\":3},"
	  "{\"major\":8,\"minor\":0,\"rate\":0}]}}",
	  "{" NO_MEMORY NO_CPU "\"blockIO\":{\"weight\":10,"
	  "\"weightDevice\":[{\"major\":8,\"minor\":0,\"weight\":30}],"
	  "\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":0},"
	  "{\"major\":8,\"minor\":1,\"rate\":2},{\"major\":9,\"minor\":0,\"rate\":3}]},"
	  "\"network\":{}}",
	  NULL },
	{ "page sizes, interfaces, rdma devices by their names",
	  "{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":1}],"
	  "\"network\":{\"classID\":1,\"priorities\":[{\"name\":\"eth0\",\"priority\":1}]},"
	  "\"rdma\":{\"mlx0\":{\"hcaHandles\":1}}}",
	  "{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":2},{\"pageSize\":\"1GB\","
	  "\"limit\":3}],\"network\":{\"priorities\":[{\"name\":\"eth0\",\"priority\":2}]},"
	  "\"rdma\":{\"mlx0\":{\"hcaObjects\":2}}}",
	  "{" NO_MEMORY NO_CPU "\"blockIO\":{},\"hugepageLimits\":[{\"pageSize\":\"2MB\","
	  "\"limit\":2},{\"pageSize\":\"1GB\",\"limit\":3}],\"network\":{\"classID\":1,"
	  "\"priorities\":[{\"name\":\"eth0\",\"priority\":2}]},"
	  "\"rdma\":{\"mlx0\":{\"hcaObjects\":2}}}",
	  NULL },
};

static void test_merge(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_COUNT(merges); i++) {
		struct spec_resources apply, keep;
		const char *expected = merges[i].keep ? merges[i].keep : merges[i].apply;

		update_merge(&f->arena, read_json(f, merges[i].old), read_json(f, merges[i].given),
			     &apply, &keep);
		if (!str_eq(json_of(f, &apply), merges[i].apply))
			fail_msg("%s, apply: %s", merges[i].what, json_of(f, &apply));
		if (!str_eq(json_of(f, &keep), expected))
			fail_msg("%s, keep: %s", merges[i].what, json_of(f, &keep));
		/* What is kept reads back as itself. */
		if (!str_eq(json_of(f, read_json(f, expected)), expected))
			fail_msg("%s: reads back as %s", merges[i].what,
				 json_of(f, read_json(f, expected)));
	}
}

/* ---- files ---- */

static void file(struct fixture *f, const char *name, const char *text)
{
	const char *path = arena_printf(&f->arena, "%s/%s", f->tmp->path, name);

	assert_int_equal(io_replace_file(AT_FDCWD, path, text, strlen(text), 0644), 0);
}

static const char *text_of(struct fixture *f, const char *name)
{
	char *path = arena_printf(&f->arena, "%s/%s", f->tmp->path, name), *text;
	size_t n;

	assert_int_equal(io_read_file(AT_FDCWD, path, 4096, &f->arena, &text, &n), 0);
	return text;
}

/* Values are as long as the old ones: a plain file is not cut by a write as a kernel's is. */
static struct plan_cgroup_write writes[] = {
	{ .file = "memory.limit", .value = "222", .group = 1 },
	{ .file = "memory.memsw", .value = "444", .group = 1 },
	{ .file = "blkio.throttle", .value = "8:0 77" },
	{ .file = "blkio.other", .value = "9:1 88" },
	{ .file = "io.max", .value = "8:0 rbps=22" },
	{ .file = "memory.oom_control", .value = "1" },
	{ .file = "cpuset.cpus", .value = "0" },
	{ .file = "rdma.max", .value = "mlx0 hca_handle=2" },
	{ .file = "missing.optional", .value = "1", .optional = true },
	{ .file = "last", .value = "999", .json_path = "linux.resources.last" },
};

static void make_files(struct fixture *f)
{
	file(f, "memory.limit", "111");
	file(f, "memory.memsw", "333");
	file(f, "blkio.throttle", "8:0 11\n9:0 12\n");
	file(f, "blkio.other", "9:11 5\n");
	file(f, "io.max", "8:0 rbps=11\n");
	file(f, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n");
	file(f, "cpuset.cpus", "\n");
	file(f, "rdma.max", "mlx0 hca_handle=1\n");
}

static void test_update_done(void **state)
{
	struct fixture *f = *state;
	struct plan_cgroup_dir dir = { .controllers = "x", .path = f->tmp->path };
	struct plan_cgroup plan = {
		.dirs = &dir, .n_dirs = 1, .writes = writes, .n_writes = ARRAY_COUNT(writes)
	};

	make_files(f);
	file(f, "last", "000");
	assert_int_equal(cgroup_update(&plan, NULL, &f->err), 0);
	assert_string_equal(text_of(f, "memory.limit"), "222");
	assert_string_equal(text_of(f, "blkio.throttle"), "8:0 77\n9:0 12\n");
	assert_string_equal(text_of(f, "last"), "999");
}

static void test_update_undone(void **state)
{
	struct fixture *f = *state;
	struct plan_cgroup_dir dir = { .controllers = "x", .path = f->tmp->path };
	struct plan_cgroup plan = {
		.dirs = &dir, .n_dirs = 1, .writes = writes, .n_writes = ARRAY_COUNT(writes)
	};

	make_files(f); /* "last" is missing, so that its write fails */
	assert_int_equal(cgroup_update(&plan, NULL, &f->err), -ENOENT);
	assert_non_null(strstr(f->err.msg, "linux.resources.last"));
	assert_string_equal(text_of(f, "memory.limit"), "111");
	assert_string_equal(text_of(f, "memory.memsw"), "333");
	assert_string_equal(text_of(f, "blkio.throttle"), "8:0 11\n9:0 12\n");
	/* A device without a limit loses the new one; "9:1" is not "9:11". */
	assert_string_equal(text_of(f, "blkio.other"), "9:1 08\n");
	assert_string_equal(text_of(f, "io.max"), "8:0 rbps=11\n");
	assert_true(str_starts_with(text_of(f, "memory.oom_control"), "0"));
	assert_string_equal(text_of(f, "cpuset.cpus"), "\n");
	assert_string_equal(text_of(f, "rdma.max"), "mlx0 hca_handle=1\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test_setup_teardown(test_merge, setup, teardown),
		cmocka_unit_test_setup_teardown(test_update_done, setup, teardown),
		cmocka_unit_test_setup_teardown(test_update_undone, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
