/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's files as text -> figures -> the JSON of `events`, byte for byte; and directories that
 * look like cgroups, read whole.
 */
#include "tests/unit/common/tmpdir.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/io.h"
#include "common/json.h"
#include "runtime/events.h"
#include "runtime/stats.h"

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

static const char *at(struct fixture *f, const char *name)
{
	return arena_printf(&f->arena, "%s/%s", f->tmp->path, name);
}

static void file(struct fixture *f, const char *name, const char *text)
{
	char *path = arena_printf(&f->arena, "%s/%s", f->tmp->path, name);

	for (char *s = path + strlen(f->tmp->path) + 1; (s = strchr(s, '/')); *s++ = '/') {
		*s = '\0';
		(void)mkdir(path, 0755);
	}
	assert_int_equal(io_replace_file(AT_FDCWD, path, text, strlen(text), 0644), 0);
}

static const char *json_of(struct fixture *f, const struct stats *stats)
{
	struct json_writer *w = json_writer_new(NULL);
	const char *text;
	size_t n;

	events_write_stats(w, "c1", stats);
	text = json_writer_text(w, &n);
	text = arena_strndup(&f->arena, text, n);
	json_writer_free(w);
	return text;
}

static void test_pairs(void **state)
{
	struct fixture *f = *state;
	struct stats_pairs p;

	stats_parse_pairs(&f->arena, "b 2\na 18446744073709551615\nodd\nx y\nc -1\n1 2 3\n", &p);
	assert_int_equal(p.n, 2);
	assert_string_equal(p.v[0].key, "a");
	assert_true(p.v[0].value == UINT64_MAX);
	assert_int_equal(stats_pair_value(&p, "b"), 2);
	assert_int_equal(stats_pair_value(&p, "c"), 0);
	stats_parse_pairs(&f->arena, "", &p);
	assert_int_equal(p.n, 0);
}

static void test_numbers(void **state)
{
	struct fixture *f = *state;
	struct stats_numbers n;

	assert_true(stats_parse_number("max\n") == UINT64_MAX);
	assert_int_equal(stats_parse_number("42\n"), 42);
	assert_int_equal(stats_parse_number(""), 0);
	assert_int_equal(stats_parse_number("-1"), 0);
	assert_int_equal(stats_parse_number("99999999999999999999999999999999999999"), 0);

	stats_parse_numbers(&f->arena, "12 34 56 \n", &n);
	assert_int_equal(n.n, 3);
	assert_int_equal(n.v[2], 56);
	stats_parse_list(&f->arena, "0-2,7,9-9\n", &n);
	assert_int_equal(n.n, 5);
	assert_int_equal(n.v[2], 2);
	assert_int_equal(n.v[3], 7);
	assert_int_equal(n.v[4], 9);
	stats_parse_list(&f->arena, "\n", &n);
	assert_int_equal(n.n, 0);
	stats_parse_list(&f->arena, "5-2,0-4000000000,0-99999999,x,-3", &n);
	assert_int_equal(n.n, 0);
	stats_parse_usage_all(&f->arena, "cpu user system\n0 10 20\n1 30 40\n", 2, &n);
	assert_int_equal(n.n, 2);
	assert_int_equal(n.v[1], 40);
}

static void test_blkio(void **state)
{
	struct fixture *f = *state;
	struct stats_blkio_list l, ops;

	stats_parse_blkio(&f->arena, "8:0 Read 1\n8:0 Total 3\n253:16 44\nTotal 3\nx:y Read 4\n",
			  &l);
	assert_int_equal(l.n, 3);
	assert_string_equal(l.v[0].op, "Read");
	assert_int_equal(l.v[2].major, 253);
	assert_int_equal(l.v[2].minor, 16);
	assert_string_equal(l.v[2].op, "");
	assert_int_equal(l.v[2].value, 44);

	stats_parse_io_stat(&f->arena,
			    "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6 cost.usage=7\n"
			    "8:16 \nodd\n",
			    &l, &ops);
	assert_int_equal(l.n, 3);
	assert_int_equal(ops.n, 3);
	assert_string_equal(l.v[1].op, "Write");
	assert_int_equal(l.v[1].value, 2);
	assert_string_equal(ops.v[2].op, "Discard");
	assert_int_equal(ops.v[2].value, 6);
}

static void test_psi(void **state)
{
	struct fixture *f = *state;
	struct stats_psi p;

	stats_parse_psi(&f->arena,
			"some avg10=1.50 avg60=0.00 avg300=10.07 total=123\n"
			"full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
			&p);
	assert_true(p.given);
	assert_string_equal(p.some.avg10, "1.5");
	assert_string_equal(p.some.avg60, "0");
	assert_string_equal(p.some.avg300, "10.07");
	assert_int_equal(p.some.total, 123);
	assert_null(p.full.avg10);
	stats_parse_psi(&f->arena, "some avg10=100.00 avg60=x avg300=1e9", &p);
	assert_string_equal(p.some.avg10, "100");
	assert_string_equal(p.some.avg60, "0");
	assert_string_equal(p.some.avg300, "0");
	stats_parse_psi(&f->arena, "", &p);
	assert_false(p.given);
}

static void test_empty_json(void **state)
{
	struct fixture *f = *state;
	const struct stats s = { 0 };

	assert_string_equal(
		json_of(f, &s),
		"{\"type\":\"stats\",\"id\":\"c1\",\"data\":{\"cpu\":{\"usage\":{\"kernel\":0,"
		"\"user\":0},\"throttling\":{}},\"cpuset\":{\"cpu_exclusive\":0,\"mem_hardwall\":0,"
		"\"mem_exclusive\":0,\"memory_migrate\":0,\"memory_spread_page\":0,"
		"\"memory_spread_slab\":0,\"memory_pressure\":0,\"sched_load_balance\":0,"
		"\"sched_relax_domain_level\":0},\"memory\":{\"usage\":{\"limit\":0,\"failcnt\":0},"
		"\"swap\":{\"limit\":0,\"failcnt\":0},\"kernel\":{\"limit\":0,\"failcnt\":0},"
		"\"kernelTCP\":{\"limit\":0,\"failcnt\":0}},\"pids\":{},\"blkio\":{},"
		"\"hugetlb\":{},\"intel_rdt\":{},\"network_interfaces\":null}}");
}

static void test_oom_json(void **state)
{
	struct json_writer *w = json_writer_new(NULL);
	size_t n;

	(void)state;
	events_write_oom(w, "c\"1");
	assert_string_equal(json_writer_text(w, &n), "{\"type\":\"oom\",\"id\":\"c\\\"1\"}");
	json_writer_free(w);
}

static const struct {
	const char *name, *text;
} v1_files[] = {
	{ "cpu/cpu.stat", "nr_periods 10\nnr_throttled 3\nthrottled_time 5000\n" },
	{ "cpu/cpuacct.usage", "18075887\n" },
	{ "cpu/cpuacct.usage_percpu", "5602002 12473885 \n" },
	{ "cpu/cpuacct.usage_all", "cpu user system\n0 4000000 0\n1 0 12000000\n" },
	{ "cpu/cpuacct.stat", "user 2\nsystem 1\n" },
	{ "cpuset/cpuset.cpus", "0-1\n" },
	{ "cpuset/cpuset.mems", "0\n" },
	{ "cpuset/cpuset.sched_load_balance", "1\n" },
	{ "cpuset/cpuset.sched_relax_domain_level", "-1\n" },
	{ "memory/memory.stat", "rss 3\ncache 40960\n" },
	{ "memory/memory.usage_in_bytes", "659456\n" },
	{ "memory/memory.max_usage_in_bytes", "2256896\n" },
	{ "memory/memory.limit_in_bytes", "67108864\n" },
	{ "memory/memory.failcnt", "7\n" },
	{ "memory/memory.kmem.usage_in_bytes", "100\n" },
	{ "memory/memory.kmem.limit_in_bytes", "9223372036854771712\n" },
	{ "pids/pids.current", "1\n" },
	{ "pids/pids.max", "max\n" },
	{ "blkio/blkio.bfq.io_serviced_recursive", "Total 0\n" },
	{ "blkio/blkio.throttle.io_serviced_recursive", "8:0 Read 3\nTotal 3\n" },
	{ "blkio/blkio.throttle.io_service_bytes_recursive", "8:0 Read 12288\nTotal 12288\n" },
	{ "hugetlb/hugetlb.2MB.usage_in_bytes", "1\n" },
	{ "hugetlb/hugetlb.2MB.rsvd.usage_in_bytes", "2097152\n" },
	{ "hugetlb/hugetlb.2MB.rsvd.max_usage_in_bytes", "4194304\n" },
	{ "hugetlb/hugetlb.2MB.rsvd.failcnt", "2\n" },
	{ "hugetlb/hugetlb.1GB.usage_in_bytes", "0\n" },
};

static void test_v1(void **state)
{
	struct fixture *f = *state;
	struct cgroup_path paths[] = {
		{ "cpu,cpuacct", at(f, "cpu"), false }, { "cpuset", at(f, "cpuset"), false },
		{ "memory", at(f, "memory"), false },   { "pids", at(f, "pids"), false },
		{ "blkio", at(f, "blkio"), false },     { "hugetlb", at(f, "hugetlb"), false },
		{ "freezer", at(f, "gone"), false },
	};
	const struct cgroup cg = { paths, ARRAY_COUNT(paths) };
	struct stats s;

	for (size_t i = 0; i < ARRAY_COUNT(v1_files); i++)
		file(f, v1_files[i].name, v1_files[i].text);
	assert_int_equal(stats_read(&f->arena, &cg, &s, &f->err), 0);
	assert_string_equal(
		json_of(f, &s),
		"{\"type\":\"stats\",\"id\":\"c1\",\"data\":{\"cpu\":{\"usage\":{\"total\":"
		"18075887,"
		"\"percpu\":[5602002,12473885],\"percpu_kernel\":[0,12000000],"
		"\"percpu_user\":[4000000,0],\"kernel\":10000000,\"user\":20000000},"
		"\"throttling\":{\"periods\":10,\"throttledPeriods\":3,\"throttledTime\":5000}},"
		"\"cpuset\":{\"cpus\":[0,1],\"cpu_exclusive\":0,\"mems\":[0],\"mem_hardwall\":0,"
		"\"mem_exclusive\":0,\"memory_migrate\":0,\"memory_spread_page\":0,"
		"\"memory_spread_slab\":0,\"memory_pressure\":0,\"sched_load_balance\":1,"
		"\"sched_relax_domain_level\":-1},\"memory\":{\"cache\":40960,"
		"\"usage\":{\"limit\":67108864,\"usage\":659456,\"max\":2256896,\"failcnt\":7},"
		"\"swap\":{\"limit\":0,\"failcnt\":0},"
		"\"kernel\":{\"limit\":9223372036854771712,\"usage\":100,\"failcnt\":0},"
		"\"kernelTCP\":{\"limit\":0,\"failcnt\":0},\"raw\":{\"cache\":40960,\"rss\":3}},"
		"\"pids\":{\"current\":1},\"blkio\":{"
		"\"ioServiceBytesRecursive\":[{\"major\":8,\"op\":\"Read\",\"value\":12288}],"
		"\"ioServicedRecursive\":[{\"major\":8,\"op\":\"Read\",\"value\":3}]},"
		"\"hugetlb\":{\"1GB\":{\"failcnt\":0},"
		"\"2MB\":{\"usage\":2097152,\"max\":4194304,\"failcnt\":2}},"
		"\"intel_rdt\":{},\"network_interfaces\":null}}");
}

static const struct {
	const char *name, *text;
} v2_files[] = {
	{ "cg/cpu.stat", "usage_usec 8281\nuser_usec 8000\nsystem_usec 281\nnr_periods 4\n"
			 "nr_throttled 2\nthrottled_usec 9\n" },
	{ "cg/cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n" },
	{ "cg/memory.stat", "file 4096\nanon 1\n" },
	{ "cg/memory.current", "10000\n" },
	{ "cg/memory.max", "67108864\n" },
	{ "cg/memory.peak", "20000\n" },
	{ "cg/memory.swap.current", "5\n" },
	{ "cg/memory.swap.max", "100\n" },
	{ "cg/memory.swap.peak", "6\n" },
	{ "cg/memory.pressure", "some avg10=2.20 avg60=0.10 avg300=0.00 total=99\n"
				"full avg10=0.00 avg60=0.00 avg300=0.00 total=1\n" },
	{ "cg/pids.max", "20\n" },
	{ "cg/cgroup.procs", "10\n11\n" },
	{ "cg/io.stat", "8:16 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n" },
	{ "cg/hugetlb.2MB.current", "2097152\n" },
	{ "cg/hugetlb.2MB.events", "max 5\n" },
	{ "cg/hugetlb.2MB.rsvd.current", "0\n" },
};

static void test_v2(void **state)
{
	struct fixture *f = *state;
	struct cgroup_path path = { "", at(f, "cg"), true };
	const struct cgroup cg = { &path, 1 };
	struct stats s;

	for (size_t i = 0; i < ARRAY_COUNT(v2_files); i++)
		file(f, v2_files[i].name, v2_files[i].text);
	assert_int_equal(stats_read(&f->arena, &cg, &s, &f->err), 0);
	assert_string_equal(
		json_of(f, &s),
		"{\"type\":\"stats\",\"id\":\"c1\",\"data\":{\"cpu\":{\"usage\":{\"total\":8281000,"
		"\"kernel\":281000,\"user\":8000000},"
		"\"throttling\":{\"periods\":4,\"throttledPeriods\":2,\"throttledTime\":9000},"
		"\"psi\":{}},\"cpuset\":{\"cpu_exclusive\":0,\"mem_hardwall\":0,"
		"\"mem_exclusive\":0,\"memory_migrate\":0,\"memory_spread_page\":0,"
		"\"memory_spread_slab\":0,\"memory_pressure\":0,\"sched_load_balance\":0,"
		"\"sched_relax_domain_level\":0},\"memory\":{\"cache\":4096,"
		"\"usage\":{\"limit\":67108864,\"usage\":10000,\"max\":20000,\"failcnt\":0},"
		"\"swap\":{\"limit\":67108964,\"usage\":10005,\"failcnt\":0},"
		"\"kernel\":{\"limit\":0,\"failcnt\":0},\"kernelTCP\":{\"limit\":0,\"failcnt\":0},"
		"\"raw\":{\"anon\":1,\"file\":4096},"
		"\"psi\":{\"some\":{\"avg10\":2.2,\"avg60\":0.1,\"avg300\":0,\"total\":99},"
		"\"full\":{\"avg10\":0,\"avg60\":0,\"avg300\":0,\"total\":1}}},"
		"\"pids\":{\"current\":2,\"limit\":20},\"blkio\":{"
		"\"ioServiceBytesRecursive\":[{\"major\":8,\"minor\":16,\"op\":\"Read\","
		"\"value\":4096},{\"major\":8,\"minor\":16,\"op\":\"Write\"},"
		"{\"major\":8,\"minor\":16,\"op\":\"Discard\"}],"
		"\"ioServicedRecursive\":[{\"major\":8,\"minor\":16,\"op\":\"Read\",\"value\":1},"
		"{\"major\":8,\"minor\":16,\"op\":\"Write\"},"
		"{\"major\":8,\"minor\":16,\"op\":\"Discard\"}]},"
		"\"hugetlb\":{\"2MB\":{\"usage\":2097152,\"failcnt\":5}},\"intel_rdt\":{},"
		"\"network_interfaces\":null}}");
}

static void test_v2_unlimited_and_hybrid(void **state)
{
	struct fixture *f = *state;
	struct cgroup_path paths[] = {
		{ "", at(f, "cg"), true },
		{ "pids", at(f, "p"), false },
	};
	struct cgroup cg = { paths, 2 };
	struct stats s;

	file(f, "cg/memory.stat", "file 1\n");
	file(f, "cg/memory.current", "10\n");
	file(f, "cg/memory.max", "max\n");
	file(f, "cg/memory.swap.max", "100\n");
	file(f, "cg/pids.current", "99\n");
	file(f, "p/pids.current", "3\n");
	assert_int_equal(stats_read(&f->arena, &cg, &s, &f->err), 0);
	assert_true(s.memory.swap.limit == UINT64_MAX);
	assert_int_equal(s.memory.swap.usage, 10);
	assert_int_equal(s.pids.current, 3); /* v1 has the controller */
}

static void test_gone(void **state)
{
	struct fixture *f = *state;
	struct cgroup_path path = { "", at(f, "none"), true };
	const struct cgroup cg = { &path, 1 };
	struct stats s;

	assert_int_equal(stats_read(&f->arena, &cg, &s, &f->err), -ENOENT);
}

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
		int r;
	} rows[] = {
		{ "5s", 5000000000, 0 },
		{ "1m30s", 90000000000, 0 },
		{ "1.5h", 5400000000000, 0 },
		{ "300ms", 300000000, 0 },
		{ "0.1s", 100000000, 0 },
		{ ".5s", 500000000, 0 },
		{ "1.s", 1000000000, 0 },
		{ "10us", 10000, 0 },
		{ "10\xc2\xb5s", 10000, 0 },
		{ "7ns", 7, 0 },
		{ "1.9ns", 1, 0 },
		{ "0.123456789s", 123456789, 0 },
		{ "0", 0, 0 },
		{ "-5s", -5000000000, 0 },
		{ "+5s", 5000000000, 0 },
		{ "-0", 0, 0 },
		{ "", 0, -EINVAL },
		{ "5", 0, -EINVAL },
		{ "s", 0, -EINVAL },
		{ ".s", 0, -EINVAL },
		{ "5 s", 0, -EINVAL },
		{ "5s ", 0, -EINVAL },
		{ "--5s", 0, -EINVAL },
		{ "5d", 0, -EINVAL },
		{ "9223372036854775808ns", 0, -ERANGE },
		{ "99999999999999999999h", 0, -ERANGE },
		{ "3000000h", 0, -ERANGE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		int64_t ns = 0;
		int r = events_parse_duration(rows[i].text, &ns);

		if (r != rows[i].r || (r == 0 && ns != rows[i].ns))
			fail_msg("\"%s\": %d, %lld", rows[i].text, r, (long long)ns);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_pairs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_blkio, setup, teardown),
		cmocka_unit_test_setup_teardown(test_psi, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empty_json, setup, teardown),
		cmocka_unit_test(test_oom_json),
		cmocka_unit_test_setup_teardown(test_v1, setup, teardown),
		cmocka_unit_test_setup_teardown(test_v2, setup, teardown),
		cmocka_unit_test_setup_teardown(test_v2_unlimited_and_hybrid, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone, setup, teardown),
		cmocka_unit_test(test_durations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
