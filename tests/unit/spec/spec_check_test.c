/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules between fields: one row a configuration and its exact error. Each row has a neighbour in
 * `good` that differs only in what the rule asks.
 */
#include "tests/unit/spec/spec_testing.h"

struct row {
	const char *json, *error;
};

#define CONFIG(process, more)                                                                      \
	"{'ociVersion':'1.3.0','root':{'path':'r'},'process':{" process "}" more "}"
#define PROCESS(more) CONFIG("'cwd':'/','args':['a']," more, "")
#define TOP(more) CONFIG("'cwd':'/','args':['a']", "," more)
#define NS(types, more) TOP("'linux':{'namespaces':[" types "]" more "}")
#define MAP "[{'containerID':0,'hostID':1,'size':1}]"
#define NEW(type) "{'type':'" type "'}"
#define JOIN(type) "{'type':'" type "','path':'/p'}"
#define DEADLINE(more) PROCESS("'scheduler':{'policy':'SCHED_DEADLINE'," more "}")
#define DEADLINE_ERROR "process.scheduler: SCHED_DEADLINE needs 0 < runtime <= deadline <= period"

static const struct row bad[] = {
	/* process */
	{ CONFIG("'args':['a']", ""), "process.cwd: Cwd property must not be empty" },
	{ CONFIG("'args':['a'],'cwd':''", ""), "process.cwd: Cwd property must not be empty" },
	{ CONFIG("'args':['a'],'cwd':'x/y'", ""),
	  "process.cwd: Cwd must be an absolute path 'x/y'" },
	{ CONFIG("'cwd':'/'", ""), "process.args: args must not be empty" },
	{ CONFIG("'cwd':'/','args':[]", ""), "process.args: args must not be empty" },
	{ "{'ociVersion':'1.3.0','root':{'path':'r'},'process':null}",
	  "process property must not be empty" },
	{ PROCESS("'env':['A=1','B']"),
	  "process.env[1]: invalid environment variable: missing '=' 'B'" },
	{ PROCESS("'env':['=secret']"),
	  "process.env[0]: invalid environment variable: name cannot be empty" },
	{ PROCESS("'env':['']"), "process.env[0]: invalid environment variable: missing '=' ''" },
	{ PROCESS("'rlimits':[{'type':'RLIMIT_AS','soft':1,'hard':1},"
		  "{'type':'RLIMIT_AS','soft':1,'hard':1}]"),
	  "process.rlimits[1].type: duplicated 'RLIMIT_AS'" },
	{ PROCESS("'rlimits':[{'type':'RLIMIT_AS','soft':18446744073709551615,'hard':1}]"),
	  "process.rlimits[0].soft: above the hard limit 1 '18446744073709551615'" },
	{ PROCESS("'scheduler':{'policy':'SCHED_FIFO'}"),
	  "process.scheduler.priority: SCHED_FIFO and SCHED_RR take 1..99 '0'" },
	{ PROCESS("'scheduler':{'policy':'SCHED_OTHER','priority':1}"),
	  "process.scheduler.priority: only for SCHED_FIFO and SCHED_RR '1'" },
	{ PROCESS("'scheduler':{'policy':'SCHED_RR','priority':1,'runtime':1}"),
	  "process.scheduler: runtime, deadline and period are only for SCHED_DEADLINE" },
	{ DEADLINE("'deadline':2,'period':3"), DEADLINE_ERROR },
	{ DEADLINE("'runtime':3,'deadline':2,'period':3"), DEADLINE_ERROR },
	{ DEADLINE("'runtime':1,'deadline':4,'period':3"), DEADLINE_ERROR },
	{ PROCESS("'terminal':true,'consoleSize':{'height':65536,'width':1}"),
	  "process.consoleSize: larger than 65535" },
	/* namespaces */
	{ TOP("'hostname':'h'"),
	  "hostname: unable to set hostname without a private UTS namespace 'h'" },
	{ TOP("'domainname':'d'"),
	  "domainname: unable to set domainname without a private UTS namespace 'd'" },
	{ NS(NEW("pid"), ",'uidMappings':" MAP),
	  "linux.uidMappings: given without a user namespace" },
	{ NS(NEW("pid"), ",'gidMappings':" MAP),
	  "linux.gidMappings: given without a user namespace" },
	{ NS(NEW("user"), ",'gidMappings':" MAP),
	  "linux.uidMappings: required for a new user namespace" },
	{ NS(NEW("user"), ",'uidMappings':" MAP),
	  "linux.gidMappings: required for a new user namespace" },
	{ NS(NEW("user"),
	     ",'gidMappings':" MAP ",'uidMappings':[{'containerID':1,'hostID':100000,'size':9}]"),
	  "linux.uidMappings: no mapping for the container's id 0" },
	{ NS(NEW("pid"), ",'maskedPaths':['/a']"),
	  "linux.maskedPaths: given without a mount namespace" },
	{ NS(NEW("pid"), ",'readonlyPaths':['/a']"),
	  "linux.readonlyPaths: given without a mount namespace" },
	{ TOP("'mounts':[{'destination':'/a'}]"), "mounts: given without a mount namespace" },
	{ NS(NEW("pid"), ",'netDevices':{'eth0':{}}"),
	  "linux.netDevices: given without a network namespace" },
	{ NS(NEW("network"), ",'netDevices':{'eth0':{'name':'x'},'eth1':{'name':'x'}}"),
	  "linux.netDevices: two devices with the name 'x'" },
	{ NS(NEW("network"), ",'netDevices':{'eth0':{},'eth1':{'name':'eth0'}}"),
	  "linux.netDevices: two devices with the name 'eth0'" },
	{ NS(NEW("pid"), ",'timeOffsets':{'boottime':{'secs':1}}"),
	  "linux.timeOffsets: given without a new time namespace" },
	{ NS(JOIN("time"), ",'timeOffsets':{'monotonic':{'secs':1}}"),
	  "linux.timeOffsets: given without a new time namespace" },
	/* sysctl */
	{ NS(NEW("ipc"), ",'sysctl':{'kernel.panic':'1'}"),
	  "linux.sysctl: not in a separate kernel namespace 'kernel.panic'" },
	{ NS(NEW("ipc"), ",'sysctl':{'net.core.somaxconn':'1'}"),
	  "linux.sysctl: not in a separate kernel namespace 'net.core.somaxconn'" },
	{ NS(NEW("network"), ",'sysctl':{'kernel.shmmax':'1'}"),
	  "linux.sysctl: not in a separate kernel namespace 'kernel.shmmax'" },
	{ NS(NEW("network"), ",'sysctl':{'network.x':'1'}"),
	  "linux.sysctl: not in a separate kernel namespace 'network.x'" },
	{ NS(NEW("network"), ",'sysctl':{'net/../kernel/core_pattern':'|x'}"),
	  "linux.sysctl: not the name of a sysctl 'net/../kernel/core_pattern'" },
	{ NS(NEW("network"), ",'sysctl':{'net.//.kernel.core_pattern':'|x'}"),
	  "linux.sysctl: not the name of a sysctl 'net.//.kernel.core_pattern'" },
	{ NS(NEW("network"), ",'sysctl':{'net./.x':'1'}"),
	  "linux.sysctl: not the name of a sysctl 'net./.x'" },
	{ NS(NEW("network"), ",'sysctl':{'/net/x':'1'}"),
	  "linux.sysctl: not the name of a sysctl '/net/x'" },
	{ NS(NEW("network"), ",'sysctl':{'net.':'1'}"),
	  "linux.sysctl: not the name of a sysctl 'net.'" },
	{ NS(NEW("network"), ",'sysctl':{'net':'1'}"),
	  "linux.sysctl: not the name of a sysctl 'net'" },
	{ TOP("'hostname':'h','linux':{'namespaces':[{'type':'uts'}],"
	      "'sysctl':{'kernel.hostname':'x'}}"),
	  "linux.sysctl: conflicts with the property of that name 'kernel.hostname'" },
	{ TOP("'domainname':'h','linux':{'namespaces':[{'type':'uts'}],"
	      "'sysctl':{'kernel/domainname':'x'}}"),
	  "linux.sysctl: conflicts with the property of that name 'kernel/domainname'" },
};

static const char *const good[] = {
	PROCESS("'env':['A=','B==']"),
	PROCESS("'rlimits':[{'type':'RLIMIT_AS','soft':1,'hard':18446744073709551615}]"),
	PROCESS("'scheduler':{'policy':'SCHED_FIFO','priority':99}"),
	PROCESS("'scheduler':{'policy':'SCHED_OTHER','nice':19}"),
	DEADLINE("'runtime':2,'deadline':2,'period':2"),
	DEADLINE("'runtime':2,'deadline':3"),
	PROCESS("'terminal':false,'consoleSize':{'height':65536,'width':4294967295}"),
	TOP("'hostname':'h','domainname':'d','linux':{'namespaces':[" JOIN("uts") "]}"),
	NS(NEW("user"), ",'uidMappings':" MAP ",'gidMappings':" MAP),
	NS(JOIN("user"), ",'gidMappings':" MAP),
	TOP("'mounts':[{'destination':'/a'}],'linux':{'namespaces':[" JOIN(
		"mount") "],"
			 "'maskedPaths':['/a'],'readonlyPaths':['/a']}"),
	NS(JOIN("network"), ",'netDevices':{'eth0':{'name':'x%d'},'eth1':{'name':'x%d'}}"),
	NS(NEW("time"), ",'timeOffsets':{'boottime':{'secs':-1},'monotonic':{}}"),
	NS(NEW("ipc"), ",'sysctl':{'kernel.sem':'1','kernel/shm_rmid_forced':'1'}"),
	NS(NEW("uts"), ",'sysctl':{'kernel.hostname':'x','kernel.domainname':'y'}"),
};

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		CLEANUP_ARENA struct arena arena = { 0 };
		struct spec *spec;
		struct err err;

		if (read_json(&arena, bad[i].json, &spec, &err) == 0)
			fail_msg("accepted: %s", bad[i].json);
		assert_int_equal(err.code, EINVAL);
		assert_error(&err, bad[i].error);
	}
}

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
		CLEANUP_ARENA struct arena arena = { 0 };

		assert_non_null(must_read(&arena, good[i]));
	}
}

/* exec builds a process from options and checks it under a name of its own. */
static void test_check_process(void **state)
{
	char name[] = "sh", *argv[] = { name, NULL };
	struct spec_process process = { .given = true, .cwd = "x", .args = { argv, 1 } };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(spec_check_process(&process, "exec", &err), -EINVAL);
	assert_string_equal(err.msg, "exec.cwd: Cwd must be an absolute path \"x\"");
	process.cwd = "/x";
	assert_int_equal(spec_check_process(&process, "exec", &err), 0);
	process.given = false;
	assert_int_equal(spec_check_process(&process, "exec", &err), -EINVAL);
	assert_string_equal(err.msg, "process property must not be empty");
	assert_int_equal(spec_check_process(NULL, "exec", NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_check_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
