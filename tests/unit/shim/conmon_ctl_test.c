// SPDX-License-Identifier: Apache-2.0
/* Commands of the control fifos, cut at every byte. */
#include "shim/conmon_ctl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/log.h"
#include "common/str.h"

static void resize(void *user, unsigned int rows, unsigned int columns)
{
	str_addf(user, "%ux%u;", rows, columns);
}

static void reopen(void *user)
{
	str_add(user, "reopen;");
}

static void feed(const char *text, size_t cut, bool winsz, const char *want)
{
	CLEANUP_STR struct str out = { 0 };
	struct conmon_ctl_fns fns = { resize, reopen, &out };
	struct conmon_ctl_parser p = { .winsz = winsz };

	conmon_ctl_parse(&p, text, cut, &fns);
	conmon_ctl_parse(&p, text + cut, strlen(text) - cut, &fns);
	assert_string_equal(out.data ? out.data : "", want);
}

static void test_every_cut(void **state UNUSED)
{
	static const struct {
		const char *text, *want;
	} vectors[] = {
		{ "1 24 80\n", "24x80;" },
		{ "1 24 80\n2 0 0\n1 1 1000\n", "24x80;reopen;1x1000;" },
		{ "1 24 80", "" },
		{ "1 1001 80\n1 2 3\n", "2x3;" },
		{ "3 0 0\n\n1 -1 80\n1 2\n1 2 3 4\nx\n2 0 0\n", "reopen;" },
		{ "1  24\t80\r\n", "24x80;" },
		{ "1 4294967320 80\n1 99999999999999999999 1\n", "" },
	};

	for (size_t i = 0; i < ARRAY_COUNT(vectors); i++)
		for (size_t cut = 0; cut <= strlen(vectors[i].text); cut++)
			feed(vectors[i].text, cut, false, vectors[i].want);
	feed("24 80\n1 24 80\n", 3, true, "24x80;");
}

static void test_too_long(void **state UNUSED)
{
	char text[600];

	memset(text, '1', sizeof(text));
	memcpy(text + 500, "\n1 24 80\n", 10);
	for (size_t cut = 0; cut <= strlen(text); cut += 7)
		feed(text, cut, false, "24x80;");
}

/* What is wrong is told in the log: not here. */
static int quiet(void **state UNUSED)
{
	struct log_config c = { .sink = LOG_SINK_FILE, .path = "/dev/null" };
	struct err err = { 0 };

	return log_open(&c, &err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_too_long),
	};

	return cmocka_run_group_tests(tests, quiet, NULL);
}
