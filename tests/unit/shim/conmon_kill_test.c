// SPDX-License-Identifier: Apache-2.0
/* Who came of a process. */
#include "shim/conmon_kill.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/macros.h"

static void test_mark(void **state UNUSED)
{
	struct conmon_kill_row rows[] = {
		{ 90, 80, 90, 100, 0, 0, 0 }, /* grandchild in a session of its own, listed first */
		{ 80, 50, 80, 90, 0, 0, 0 },  /* child that called setsid */
		{ 50, 10, 50, 80, 0, 0, 0 },  /* the process */
		{ 51, 1, 50, 85, 0, 0, 0 },   /* orphan of its session */
		{ 52, 1, 52, 86, 1, 0, 0 },   /* orphan with our pipe */
		{ 10, 1, 10, 20, 0, 0, 0 },   /* the monitor's like: parent */
		{ 11, 10, 11, 95, 0, 0, 0 },  /* a sibling */
		{ 12, 1, 12, 30, 1, 0,
		  0 }, /* older, holds the pipe (a logger that we were given) */
		{ 53, 52, 53, 99, 0, 0, 0 }, /* child of the orphan */
		{ 54, 1, 54, 99, 0, 1, 0 },  /* orphan, own session, nothing open: by its tag */
		{ 55, 54, 55, 99, 0, 0, 0 }, /* its child, which has another limit */
	};
	static const int want[] = { 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1 };

	assert_int_equal(conmon_kill_mark(rows, ARRAY_COUNT(rows), 50), 8);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		assert_int_equal(rows[i].marked, want[i]);
	/* Once more: nobody is new. */
	assert_int_equal(conmon_kill_mark(rows, ARRAY_COUNT(rows), 50), 0);
}

/* The process has gone: nothing may be taken for its offspring by chance. */
static void test_gone(void **state UNUSED)
{
	struct conmon_kill_row rows[] = { { 12, 1, 12, 30, 1, 0, 0 }, { 13, 1, 13, 31, 0, 0, 0 } };

	assert_int_equal(conmon_kill_mark(rows, ARRAY_COUNT(rows), 50), 0);
}

static void test_tag(void **state UNUSED)
{
	static const char text[] =
		"Limit                     Soft Limit           Hard Limit           Units     \n"
		"Max realtime priority     2305843009213693999  0                    \n"
		"Max realtime timeout      2305843009213693999  unlimited            us        \n";
	struct rlimit old, now;
	uint64_t tag;

	assert_int_equal(conmon_kill_has_tag(text, 2305843009213693999u), 1);
	assert_int_equal(conmon_kill_has_tag(text, 230584300921369399u), 0);
	assert_int_equal(conmon_kill_has_tag(text, 0), 0);
	assert_int_equal(conmon_kill_has_tag("", 2305843009213693999u), 0);
	tag = conmon_kill_tag(&old);
	assert_true(tag > 0);
	assert_int_equal(getrlimit(RLIMIT_RTTIME, &now), 0);
	assert_true(now.rlim_cur == tag && now.rlim_max == old.rlim_max);
	conmon_kill_untag(&old);
	assert_int_equal(getrlimit(RLIMIT_RTTIME, &now), 0);
	assert_true(now.rlim_cur == old.rlim_cur);
}

/* A limit that somebody has set stays. */
static void test_no_tag(void **state UNUSED)
{
	struct rlimit old, set = { 200000, RLIM_INFINITY };

	assert_int_equal(setrlimit(RLIMIT_RTTIME, &set), 0);
	assert_int_equal(conmon_kill_tag(&old), 0);
	set.rlim_cur = RLIM_INFINITY;
	assert_int_equal(setrlimit(RLIMIT_RTTIME, &set), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mark),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_tag),
		cmocka_unit_test(test_no_tag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
