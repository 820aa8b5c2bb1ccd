// SPDX-License-Identifier: Apache-2.0
/* What passes of a notify message. */
#include "shim/conmon_notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void expect(const char *in, const char *want)
{
	CLEANUP_STR struct str out = { 0 };

	conmon_notify_filter(&out, in, strlen(in));
	assert_string_equal(out.data ? out.data : "", want);
}

static void test_filter(void **state UNUSED)
{
	expect("READY=1", "READY=1");
	expect("READY=1\nMAINPID=7\r\nSTATUS=a b\n", "READY=1\nSTATUS=a b");
	expect("READY=10\nREADY=\nready=1\n FDSTORE=1", "");
	expect("WATCHDOG=trigger\nWATCHDOG=1\nRELOADING=1\nSTOPPING=1",
	       "WATCHDOG=trigger\nWATCHDOG=1\nRELOADING=1\nSTOPPING=1");
	expect("ERRNO=2\nBUSERROR=x\nMONOTONIC_USEC=5\nEXTEND_TIMEOUT_USEC=9",
	       "ERRNO=2\nBUSERROR=x\nMONOTONIC_USEC=5");
	expect("", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_filter) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
