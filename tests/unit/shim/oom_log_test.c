// SPDX-License-Identifier: Apache-2.0
// Records of the kernel's log that tell of OOM kills, and such as only look like it.
#include "shim/oom_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/macros.h"

#define HEAD                                                                                       \
	"oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=c,mems_allowed=0,oom_memcg="

static const struct {
	const char *record;
	bool kill;
} cases[] = {
	{ "6,812,70215331,-;" HEAD
	  "/s.slice/a.scope,task_memcg=/s.slice/a.scope,task=eat,pid=42,uid=0\n",
	  true },
	{ "6,812,70215331,-,caller=T42;" HEAD
	  "/s.slice,task_memcg=/s.slice/a.scope/b,task=x,pid=42,uid=7\n"
	  " SUBSYSTEM=x\n",
	  true },
	/* Global. */
	{ "6,1,2,-;oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/"
	  ",mems_allowed=0,global_oom,"
	  "task_memcg=/s.slice/a.scope,task=eat,pid=42,uid=0",
	  true },
	/* Another process; another cgroup. */
	{ "6,1,2,-;" HEAD "/s.slice/a.scope,task_memcg=/s.slice/a.scope,task=eat,pid=421,uid=0\n",
	  false },
	{ "6,1,2,-;" HEAD "/s.slice/a.scope,task_memcg=/s.slice/a.scope,task=eat,pid=4,uid=0\n",
	  false },
	{ "6,1,2,-;" HEAD "/s.slice/a.scope,task_memcg=/s.slice/a.scope2,task=eat,pid=42,uid=0\n",
	  false },
	{ "6,1,2,-;" HEAD "/s.slice/a.scope,task_memcg=/a.scope,task=eat,pid=42,uid=0\n", false },
	/* A program's name is its own choice. */
	{ "6,1,2,-;" HEAD
	  "/s.slice/a.scope,task_memcg=/s.slice/a.scope,task=,pid=42,uid=0,pid=43,uid=0\n",
	  false },
	{ "6,1,2,-;" HEAD
	  "/s.slice/a.scope,task_memcg=/s.slice/a.scope,task=,pid=43,uid=0,pid=42,uid=0\n",
	  true },
	{ "6,1,2,-;" HEAD
	  "/s.slice/a.scope,task_memcg=/s.slice/a.scope,task=,pid=42,uid=x,pid=43,uid=0\n",
	  false },
	/* Not the kernel's own words, or others of it. */
	{ "12,1,2,-;" HEAD "/s.slice/a.scope,task_memcg=/s.slice/a.scope,task=eat,pid=42,uid=0\n",
	  false },
	{ "14,1,2,-;" HEAD "/s.slice/a.scope,task_memcg=/s.slice/a.scope,task=eat,pid=42,uid=0\n",
	  false },
	{ "6,1,2,-;x " HEAD "/s.slice/a.scope,task_memcg=/s.slice/a.scope,task=eat,pid=42,uid=0\n",
	  false },
	{ "6,1,2,-;Memory cgroup out of memory: Killed process 42 (eat)\n", false },
	/* Cut short. */
	{ "6,1,2,-;" HEAD "/s.slice/a.scope,task_memcg=/s.slice/a.scope,task=eat,pid=42,", false },
	{ "6,1,2,-;" HEAD "/s.slice/a.scope,pid=42,uid=0\n", false },
	{ "6,1,2,-;oom-kill:", false },
	{ "6,1,2,-;", false },
	{ "6", false },
	{ "", false },
};

static void test_records(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
		if (oom_log_is_kill(cases[i].record, 42, "/s.slice/a.scope") != cases[i].kill)
			fail_msg("%s", cases[i].record);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
