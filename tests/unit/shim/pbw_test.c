// SPDX-License-Identifier: Apache-2.0
// The protobuf writer against protobuf-c, and the metrics of a directory of files.
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "common/io.h"
#include "shim/metrics.h"
#include "shim/task.pb-c.h"

static void test_fields(void **state)
{
	Containerd__Task__V2__DeleteResponse *m;
	uint8_t buf[64];
	struct pbw w = { .data = buf, .cap = sizeof(buf) };
	size_t at;

	(void)state;
	pbw_u64(&w, 1, 0); /* a default */
	pbw_u64(&w, 2, 300);
	at = pbw_begin(&w, 3);
	pbw_u64(&w, 1, 1700000000);
	pbw_u64(&w, 2, 127);
	pbw_end(&w, at);
	assert_false(w.overflow);
	m = containerd__task__v2__delete_response__unpack(NULL, w.len, w.data);
	assert_non_null(m);
	assert_int_equal(m->pid, 0);
	assert_int_equal(m->exit_status, 300);
	assert_int_equal(m->exited_at->seconds, 1700000000);
	assert_int_equal(m->exited_at->nanos, 127);
	containerd__task__v2__delete_response__free_unpacked(m, NULL);
}

static void test_text(void **state)
{
	uint8_t buf[32];
	struct pbw w = { .data = buf, .cap = sizeof(buf) };

	(void)state;
	pbw_string(&w, 3, "");
	assert_int_equal(w.len, 0);
	pbw_string(&w, 3, "2MB");
	pbw_double(&w, 1, 1.0);
	assert_int_equal(w.len, 14);
	assert_memory_equal(buf,
			    "\x1a\x03"
			    "2MB\x09\0\0\0\0\0\0\xf0\x3f",
			    14);
}

static void test_overflow(void **state)
{
	(void)state;
	for (size_t cap = 0; cap < 12; cap++) {
		uint8_t *buf = malloc(cap ? cap : 1);
		struct pbw w = { .data = buf, .cap = cap };
		size_t at = pbw_begin(&w, 1);

		pbw_u64(&w, 1, UINT64_MAX);
		pbw_end(&w, at);
		assert_true(w.overflow);
		assert_true(w.len <= cap);
		free(buf);
	}
}

static void put(const char *dir, const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(io_replace_file(AT_FDCWD, path, text, strlen(text), 0600), 0);
}

static const char *const names[] = { "memory.stat",
				     "memory.current",
				     "memory.max",
				     "pids.current",
				     "cpu.stat",
				     "io.stat",
				     "memory.events",
				     "cpu.pressure",
				     "hugetlb.2MB.current",
				     "hugetlb.2MB.max",
				     "hugetlb.2MB.rsvd.current" };

/* Wire bytes of a field with a small number, anywhere. */
static bool has(const struct pbw *w, const char *bytes, size_t n)
{
	for (size_t i = 0; i + n <= w->len; i++)
		if (memcmp(w->data + i, bytes, n) == 0)
			return true;
	return false;
}

static void test_metrics_v2(void **state)
{
	char dir[] = "/tmp/metrics_XXXXXX", path[64];
	uint8_t *buf = malloc(METRICS_MAX);
	struct pbw w = { .data = buf, .cap = METRICS_MAX };

	(void)state;
	assert_non_null(mkdtemp(dir));
	put(dir, "memory.stat", "anon 100\nfile 3\nanon_thp 5\nworkingset_refault_anon 9\n");
	put(dir, "memory.current", "70\n");
	put(dir, "memory.max", "max\n");
	put(dir, "pids.current", "6\n");
	put(dir, "cpu.stat", "usage_usec 33\nuser_usec 44\n");
	put(dir, "io.stat", "8:16 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n");
	put(dir, "memory.events", "low 0\noom 1\noom_kill 2\n");
	put(dir, "cpu.pressure", "some avg10=1.00 avg60=0.00 avg300=0.00 total=9\n");
	put(dir, "hugetlb.2MB.current", "2\n");
	put(dir, "hugetlb.2MB.max", "4\n");
	put(dir, "hugetlb.2MB.rsvd.current", "5\n");
	assert_int_equal(metrics_v2(dir, &w), 0);
	assert_true(has(&w, "\x08\x06", 2));                         /* pids.current */
	assert_true(has(&w, "\x08\x21\x10\x2c", 4));                 /* cpu */
	assert_true(has(&w, "\x08\x64\x10\x03\x50\x05", 6));         /* anon, file, anon_thp */
	assert_true(has(&w, "\xb8\x02\x09", 3));                     /* field 39 */
	assert_true(has(&w, "\x80\x02\x46\x88\x02\xff\xff\xff", 8)); /* usage, no limit */
	assert_true(has(&w, "\x08\x08\x10\x10\x18\x01\x20\x02\x28\x03\x30\x04", 12));
	assert_true(has(&w, "\x20\x01\x28\x02", 4)); /* oom, oom_kill */
	assert_true(has(&w,
			"\x08\x02\x10\x04\x1a\x03"
			"2MB",
			9));
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	w.len = 0;
	assert_int_equal(metrics_v2(dir, &w), 0); /* nothing there: nothing told */
	rmdir(dir);
	assert_int_equal(metrics_v2(dir, &w), -2);
	free(buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_metrics_v2),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
