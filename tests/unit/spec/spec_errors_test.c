/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bad values of single fields: one row a configuration and the exact error it must give. Rules
 * between fields are in spec_check_test.c, floods in spec_limits_test.c.
 */
#include "tests/unit/spec/spec_testing.h"

struct row {
	const char *json, *error;
};

#define VERSION(v) "{'ociVersion':" v ",'root':{'path':'r'},'process':{'cwd':'/','args':['a']}}"
#define TOP(more)                                                                                  \
	"{'ociVersion':'1.3.0','root':{'path':'r'},'process':{'cwd':'/','args':['a']}," more "}"
#define PROCESS(more)                                                                              \
	"{'ociVersion':'1.3.0','root':{'path':'r'},'process':{'cwd':'/','args':['a']," more "}}"
#define LINUX(more) TOP("'linux':{" more "}")
#define RESOURCES(more) LINUX("'resources':{" more "}")
#define SECCOMP(more) LINUX("'seccomp':{'defaultAction':'SCMP_ACT_ALLOW'," more "}")
#define RULE(more) SECCOMP("'syscalls':[{'names':['a'],'action':'SCMP_ACT_ERRNO'},{" more "}]")
#define HOOK(more) TOP("'hooks':{'poststop':[{" more "}]}")
#define X16 "xxxxxxxxxxxxxxxx"
#define X64 X16 X16 X16 X16
#define X128 X64 X64

static void run(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		CLEANUP_ARENA struct arena arena = { 0 };
		struct spec *spec;
		struct err err;

		if (read_json(&arena, rows[i].json, &spec, &err) == 0)
			fail_msg("accepted: %s", rows[i].json);
		assert_null(spec);
		assert_int_equal(err.code, EINVAL);
		assert_error(&err, rows[i].error);
	}
}

static void test_top(void **state)
{
	static const struct row rows[] = {
		{ "null", "config cannot be null" },
		{ "[]", "the configuration must be an object, not array" },
		{ "'x'", "the configuration must be an object, not string" },
		{ "{}", "ociVersion: required but missing" },
		{ "{'ociVersion':'1.0.0'}", "root: required but missing" },
		{ "{'ociVersion':null,'root':{'path':'r'}}", "ociVersion: required but missing" },
		{ VERSION("''"), "ociVersion: must not be empty" },
		{ VERSION("1"), "ociVersion: expected string, got number '1'" },
		{ VERSION("'1'"), "ociVersion: not a semantic version '1'" },
		{ VERSION("'1.0'"), "ociVersion: not a semantic version '1.0'" },
		{ VERSION("'1.0.0.0'"), "ociVersion: not a semantic version '1.0.0.0'" },
		{ VERSION("'1.00.0'"), "ociVersion: not a semantic version '1.00.0'" },
		{ VERSION("'1.0.0-'"), "ociVersion: not a semantic version '1.0.0-'" },
		{ VERSION("'1.0.0-a..b'"), "ociVersion: not a semantic version '1.0.0-a..b'" },
		{ VERSION("'1.0.0-01'"), "ociVersion: not a semantic version '1.0.0-01'" },
		{ VERSION("'1.0.0+'"), "ociVersion: not a semantic version '1.0.0+'" },
		{ VERSION("'1.0.0+a b'"), "ociVersion: not a semantic version '1.0.0+a b'" },
		{ VERSION("'v1.0.0'"), "ociVersion: not a semantic version 'v1.0.0'" },
		{ VERSION("'2.0.0'"), "ociVersion: unsupported, this runtime knows 1.x '2.0.0'" },
		{ VERSION("'0.9.0'"), "ociVersion: unsupported, this runtime knows 1.x '0.9.0'" },
		{ VERSION("'11.0.0'"), "ociVersion: unsupported, this runtime knows 1.x '11.0.0'" },
		{ "{'ociVersion':'1.0.0','root':'r'}", "root: expected object, got string 'r'" },
		{ "{'ociVersion':'1.0.0','root':{}}", "root.path: required but missing" },
		{ "{'ociVersion':'1.0.0','root':{'path':''}}", "root.path: must not be empty" },
		{ "{'ociVersion':'1.0.0','root':{'path':'r','readonly':'true'}}",
		  "root.readonly: expected boolean, got string 'true'" },
		{ "{'ociVersion':'1.0.0','root':{'path':'r'}}",
		  "process property must not be empty" },
		{ TOP("'hostname':7"), "hostname: expected string, got number '7'" },
		{ TOP("'hostname':'" X64 "y'"), "hostname: longer than 64 bytes '" X64 "y'" },
		{ TOP("'domainname':'" X64 "y'"), "domainname: longer than 64 bytes '" X64 "y'" },
		{ TOP("'hostname':'a\\nb'"), "hostname: control character in 'a\\nb'" },
		{ TOP("'annotations':[]"), "annotations: expected object, got array" },
		{ TOP("'annotations':{'':'x'}"), "annotations['']: the name must not be empty" },
		{ TOP("'annotations':{'org.x/y':true}"),
		  "annotations['org.x/y']: expected string, got boolean" },
		{ TOP("'linux':[]"), "linux: expected object, got array" },
		/* hostile names: shortened, escaped */
		{ TOP("'annotations':{'" X128 "\u00e9" X16 "':1}"),
		  "annotations['" X128 "...']: expected string, got number '1'" },
		{ TOP("'annotations':{'a\\u001bb\\'c':1}"),
		  "annotations['a\\x1bb\\'c']: expected string, got number '1'" },
	};

	(void)state;
	run(rows, ARRAY_COUNT(rows));
}

static void test_mounts(void **state)
{
#define MOUNT(more) TOP("'mounts':[{'destination':'/a'},{" more "}]")
	static const struct row rows[] = {
		{ TOP("'mounts':{}"), "mounts: expected array, got object" },
		{ TOP("'mounts':[null]"), "mounts[0]: expected object, got null" },
		{ MOUNT("'type':'proc'"), "mounts[1].destination: required but missing" },
		{ MOUNT("'destination':''"), "mounts[1].destination: must not be empty" },
		{ MOUNT("'destination':'/b','options':'ro'"),
		  "mounts[1].options: expected array, got string 'ro'" },
		{ MOUNT("'destination':'/b','options':['ro',1]"),
		  "mounts[1].options[1]: expected string, got number '1'" },
		{ MOUNT("'destination':'/b','source':false"),
		  "mounts[1].source: expected string, got boolean" },
		{ MOUNT("'destination':'/b','type':'" X128 X128 "'"),
		  "mounts[1].type: longer than 255 bytes '" X128 "...'" },
		{ MOUNT("'destination':'/b','uidMappings':[{'containerID':0,'hostID':0,'size':1}]"),
		  "mounts[1].gidMappings: required, because the other kind of mapping is given" },
		{ MOUNT("'destination':'/b','gidMappings':[{'containerID':0,'hostID':0,'size':1}]"),
		  "mounts[1].uidMappings: required, because the other kind of mapping is given" },
		{ MOUNT("'destination':'/b','gidMappings':[{'containerID':0,'hostID':0,'size':0}]"),
		  "mounts[1].gidMappings[0].size: out of range 1..4294967295 '0'" },
	};

	(void)state;
	run(rows, ARRAY_COUNT(rows));
}

static void test_hooks(void **state)
{
	static const struct row rows[] = {
		{ TOP("'hooks':[]"), "hooks: expected object, got array" },
		{ TOP("'hooks':{'prestart':{}}"), "hooks.prestart: expected array, got object" },
		{ HOOK("'args':[]"), "hooks.poststop[0].path: required but missing" },
		{ HOOK("'path':''"), "hooks.poststop[0].path: must not be empty" },
		{ HOOK("'path':'bin/x'"),
		  "hooks.poststop[0].path: must be an absolute path 'bin/x'" },
		{ HOOK("'path':'/x','timeout':0"),
		  "hooks.poststop[0].timeout: out of range 1..2147483647 '0'" },
		{ HOOK("'path':'/x','timeout':-1"),
		  "hooks.poststop[0].timeout: out of range 1..2147483647 '-1'" },
		{ HOOK("'path':'/x','timeout':2147483648"),
		  "hooks.poststop[0].timeout: out of range 1..2147483647 '2147483648'" },
		{ HOOK("'path':'/x','timeout':1.5"),
		  "hooks.poststop[0].timeout: not an integer '1.5'" },
		{ HOOK("'path':'/x','timeout':1e3"),
		  "hooks.poststop[0].timeout: not an integer '1e3'" },
		{ HOOK("'path':'/x','env':[null]"),
		  "hooks.poststop[0].env[0]: expected string, got null" },
	};

	(void)state;
	run(rows, ARRAY_COUNT(rows));
}

static void test_process(void **state)
{
#define USER(more) PROCESS("'user':{'uid':0,'gid':0," more "}")
#define RLIMIT(more) PROCESS("'rlimits':[{" more "}]")
	static const struct row rows[] = {
		{ "{'process':[]}", "process: expected object, got array" },
		{ PROCESS("'terminal':1"), "process.terminal: expected boolean, got number '1'" },
		{ PROCESS("'consoleSize':{'height':1}"),
		  "process.consoleSize.width: required but missing" },
		{ PROCESS("'consoleSize':{'height':-1,'width':1}"),
		  "process.consoleSize.height: out of range 0..4294967295 '-1'" },
		{ PROCESS("'user':{'uid':0}"), "process.user.gid: required but missing" },
		{ PROCESS("'user':{'gid':0}"), "process.user.uid: required but missing" },
		{ PROCESS("'user':{'uid':4294967295,'gid':0}"),
		  "process.user.uid: out of range 0..4294967294 '4294967295'" },
		{ PROCESS("'user':{'uid':0,'gid':18446744073709551616}"),
		  "process.user.gid: out of range 0..4294967294 '18446744073709551616'" },
		{ PROCESS("'user':{'uid':'root','gid':0}"),
		  "process.user.uid: expected number, got string 'root'" },
		{ USER("'umask':512"), "process.user.umask: out of range 0..511 '512'" },
		{ USER("'additionalGids':[1,4294967295]"),
		  "process.user.additionalGids[1]: out of range 0..4294967294 '4294967295'" },
		{ USER("'additionalGids':['x']"),
		  "process.user.additionalGids[0]: expected number, got string 'x'" },
		{ PROCESS("'capabilities':[]"),
		  "process.capabilities: expected object, got array" },
		{ PROCESS("'capabilities':{'bounding':'CAP_KILL'}"),
		  "process.capabilities.bounding: expected array, got string 'CAP_KILL'" },
		{ RLIMIT("'type':'RLIMIT_FOO','soft':0,'hard':0"),
		  "process.rlimits[0].type: unknown 'RLIMIT_FOO'" },
		{ RLIMIT("'type':'','soft':0,'hard':0"), "process.rlimits[0].type: unknown ''" },
		{ RLIMIT("'type':'RLIMIT_AS','soft':0"),
		  "process.rlimits[0].hard: required but missing" },
		{ RLIMIT("'type':'RLIMIT_AS','soft':-1,'hard':0"),
		  "process.rlimits[0].soft: out of range 0..18446744073709551615 '-1'" },
		{ PROCESS("'apparmorProfile':'a\\nb'"),
		  "process.apparmorProfile: control character in 'a\\nb'" },
		{ PROCESS("'oomScoreAdj':1001"),
		  "process.oomScoreAdj: out of range -1000..1000 '1001'" },
		{ PROCESS("'oomScoreAdj':-1001"),
		  "process.oomScoreAdj: out of range -1000..1000 '-1001'" },
		{ PROCESS("'scheduler':{}"), "process.scheduler.policy: required but missing" },
		{ PROCESS("'scheduler':{'policy':'SCHED_FOO'}"),
		  "process.scheduler.policy: unknown 'SCHED_FOO'" },
		{ PROCESS("'scheduler':{'policy':'SCHED_OTHER','nice':20}"),
		  "process.scheduler.nice: out of range -20..19 '20'" },
		{ PROCESS("'scheduler':{'policy':'SCHED_FIFO','priority':100}"),
		  "process.scheduler.priority: out of range 0..99 '100'" },
		{ PROCESS("'scheduler':{'policy':'SCHED_FIFO','flags':['x']}"),
		  "process.scheduler.flags[0]: unknown 'x'" },
		{ PROCESS("'scheduler':{'policy':'SCHED_FIFO','flags':[7]}"),
		  "process.scheduler.flags[0]: expected string, got number '7'" },
		{ PROCESS("'ioPriority':{'class':'IOPRIO_CLASS_BE'}"),
		  "process.ioPriority.priority: required but missing" },
		{ PROCESS("'ioPriority':{'class':'BE','priority':0}"),
		  "process.ioPriority.class: unknown 'BE'" },
		{ PROCESS("'ioPriority':{'class':'IOPRIO_CLASS_BE','priority':8}"),
		  "process.ioPriority.priority: out of range 0..7 '8'" },
		{ PROCESS("'execCPUAffinity':{'initial':'0-'}"),
		  "process.execCPUAffinity.initial: not a list as 0-3,7 '0-'" },
		{ PROCESS("'execCPUAffinity':{'initial':'3-1'}"),
		  "process.execCPUAffinity.initial: not a list as 0-3,7 '3-1'" },
		{ PROCESS("'execCPUAffinity':{'final':'0,,1'}"),
		  "process.execCPUAffinity.final: not a list as 0-3,7 '0,,1'" },
		{ PROCESS("'execCPUAffinity':{'final':'0-1-2'}"),
		  "process.execCPUAffinity.final: not a list as 0-3,7 '0-1-2'" },
		{ PROCESS("'execCPUAffinity':{'final':'65536'}"),
		  "process.execCPUAffinity.final: not a list as 0-3,7 '65536'" },
		{ PROCESS("'execCPUAffinity':{'final':'all'}"),
		  "process.execCPUAffinity.final: not a list as 0-3,7 'all'" },
	};

	(void)state;
	run(rows, ARRAY_COUNT(rows));
}

static void test_linux(void **state)
{
#define NS(more) LINUX("'namespaces':[{'type':'pid'},{" more "}]")
#define MAPS(more) LINUX("'uidMappings':[{'containerID':10,'hostID':100,'size':10}," more "]")
#define DEVICE(more) LINUX("'devices':[{" more "}]")
	static const struct row rows[] = {
		{ NS("'type':'foo'"), "linux.namespaces[1].type: namespace 'foo' does not exist" },
		{ NS("'type':'net'"), "linux.namespaces[1].type: namespace 'net' does not exist" },
		{ NS("'path':'/x'"), "linux.namespaces[1].type: required but missing" },
		{ NS("'type':'pid'"),
		  "linux.namespaces[1].type: malformed spec file: duplicated ns 'pid'" },
		{ NS("'type':'pid','path':'/x'"),
		  "linux.namespaces[1].type: malformed spec file: duplicated ns 'pid'" },
		{ NS("'type':'ipc','path':'x'"),
		  "linux.namespaces[1].path: must be an absolute path 'x'" },
		{ MAPS("{'containerID':0,'hostID':0}"),
		  "linux.uidMappings[1].size: required but missing" },
		{ MAPS("{'containerID':0,'hostID':0,'size':0}"),
		  "linux.uidMappings[1].size: out of range 1..4294967295 '0'" },
		{ MAPS("{'containerID':0,'hostID':0,'size':4294967296}"),
		  "linux.uidMappings[1].size: out of range 1..4294967295 '4294967296'" },
		{ MAPS("{'containerID':4294967295,'hostID':0,'size':1}"),
		  "linux.uidMappings[1].containerID: out of range 0..4294967294 '4294967295'" },
		{ MAPS("{'containerID':30,'hostID':4294967294,'size':2}"),
		  "linux.uidMappings[1].size: the range goes beyond the last id '2'" },
		{ MAPS("{'containerID':4294967290,'hostID':1,'size':6}"),
		  "linux.uidMappings[1].size: the range goes beyond the last id '6'" },
		{ MAPS("{'containerID':19,'hostID':0,'size':1}"),
		  "linux.uidMappings[1].containerID: the range overlaps that of entry 0" },
		{ MAPS("{'containerID':0,'hostID':0,'size':11}"),
		  "linux.uidMappings[1].containerID: the range overlaps that of entry 0" },
		{ MAPS("{'containerID':20,'hostID':109,'size':1}"),
		  "linux.uidMappings[1].hostID: the range overlaps that of entry 0" },
		{ MAPS("{'containerID':20,'hostID':110,'size':1},{'containerID':9,'hostID':5,"
		       "'size':2}"),
		  "linux.uidMappings[2].containerID: the range overlaps that of entry 0" },
		{ LINUX("'timeOffsets':{'realtime':{'secs':1}}"),
		  "linux.timeOffsets.realtime: unknown clock" },
		{ LINUX("'timeOffsets':{'boottime':{'nanosecs':1000000000}}"),
		  "linux.timeOffsets.boottime.nanosecs: out of range 0..999999999 '1000000000'" },
		{ LINUX("'timeOffsets':{'boottime':{'secs':9223372036854775808}}"),
		  "linux.timeOffsets.boottime.secs: out of range "
		  "-9223372036854775808..9223372036854775807 '9223372036854775808'" },
		{ DEVICE("'type':'x','path':'/d'"), "linux.devices[0].type: unknown 'x'" },
		{ DEVICE("'type':'','path':'/d'"), "linux.devices[0].type: unknown ''" },
		{ DEVICE("'type':'c','path':'d','major':1,'minor':3"),
		  "linux.devices[0].path: must be an absolute path 'd'" },
		{ DEVICE("'type':'c','path':'/d','minor':3"),
		  "linux.devices[0].major: required but missing" },
		{ DEVICE("'type':'b','path':'/d','major':3"),
		  "linux.devices[0].minor: required but missing" },
		{ DEVICE("'type':'c','path':'/d','major':-1,'minor':3"),
		  "linux.devices[0].major: out of range 0..4095 '-1'" },
		{ DEVICE("'type':'c','path':'/d','major':4096,'minor':3"),
		  "linux.devices[0].major: out of range 0..4095 '4096'" },
		{ DEVICE("'type':'c','path':'/d','major':1,'minor':1048576"),
		  "linux.devices[0].minor: out of range 0..1048575 '1048576'" },
		{ DEVICE("'type':'p','path':'/d','fileMode':65536"),
		  "linux.devices[0].fileMode: out of range 0..65535 '65536'" },
		{ DEVICE("'type':'p','path':'/d','uid':4294967295"),
		  "linux.devices[0].uid: out of range 0..4294967294 '4294967295'" },
		{ LINUX("'netDevices':{'eth0/x':{}}"),
		  "linux.netDevices['eth0/x']: not a network device name" },
		{ LINUX("'netDevices':{'':{}}"),
		  "linux.netDevices['']: not a network device name" },
		{ LINUX("'netDevices':{'eth%d':{}}"),
		  "linux.netDevices['eth%d']: not a network device name" },
		{ LINUX("'netDevices':{'eth0':{'name':'" X16 "'}}"),
		  "linux.netDevices.eth0.name: not a network device name '" X16 "'" },
		{ LINUX("'netDevices':{'eth0':{'name':'a%s'}}"),
		  "linux.netDevices.eth0.name: not a network device name 'a%s'" },
		{ LINUX("'netDevices':{'eth0':{'name':'a%d%d'}}"),
		  "linux.netDevices.eth0.name: not a network device name 'a%d%d'" },
		{ LINUX("'netDevices':{'eth0':{'name':'..'}}"),
		  "linux.netDevices.eth0.name: not a network device name '..'" },
		{ LINUX("'netDevices':{'eth0':[]}"),
		  "linux.netDevices.eth0: expected object, got array" },
		{ LINUX("'cgroupsPath':'a\\nb'"),
		  "linux.cgroupsPath: control character in 'a\\nb'" },
		{ LINUX("'rootfsPropagation':'foo'"), "linux.rootfsPropagation: unknown 'foo'" },
		{ LINUX("'sysctl':{'net.x':1}"),
		  "linux.sysctl['net.x']: expected string, got number '1'" },
		{ LINUX("'maskedPaths':['/a','b']"),
		  "linux.maskedPaths[1]: must be an absolute path 'b'" },
		{ LINUX("'readonlyPaths':['']"),
		  "linux.readonlyPaths[0]: must be an absolute path ''" },
	};

	(void)state;
	run(rows, ARRAY_COUNT(rows));
}

static void test_linux_policies(void **state)
{
#define RDT(more) LINUX("'intelRdt':{" more "}")
#define POLICY(more) LINUX("'memoryPolicy':{" more "}")
	static const struct row rows[] = {
		{ RDT("'closID':'a/b'"), "linux.intelRdt.closID: not a directory name 'a/b'" },
		{ RDT("'closID':'..'"), "linux.intelRdt.closID: not a directory name '..'" },
		{ RDT("'memBwSchema':'L3:0=f'"),
		  "linux.intelRdt.memBwSchema: must begin with MB: 'L3:0=f'" },
		{ RDT("'l3CacheSchema':'L3:0=f\\n'"),
		  "linux.intelRdt.l3CacheSchema: control character in 'L3:0=f\\n'" },
		{ RDT("'schemata':['a','b\\nc']"),
		  "linux.intelRdt.schemata[1]: control character in 'b\\nc'" },
		{ LINUX("'personality':{}"), "linux.personality.domain: required but missing" },
		{ LINUX("'personality':{'domain':'BSD'}"),
		  "linux.personality.domain: unknown 'BSD'" },
		{ LINUX("'personality':{'domain':'LINUX','flags':['x']}"),
		  "linux.personality.flags[0]: unknown 'x'" },
		{ POLICY("'nodes':'0'"), "linux.memoryPolicy.mode: required but missing" },
		{ POLICY("'mode':'MPOL_FOO'"), "linux.memoryPolicy.mode: unknown 'MPOL_FOO'" },
		{ POLICY("'mode':'MPOL_BIND'"),
		  "linux.memoryPolicy.nodes: required for 'MPOL_BIND'" },
		{ POLICY("'mode':'MPOL_LOCAL','nodes':'0'"),
		  "linux.memoryPolicy.nodes: must be empty for 'MPOL_LOCAL'" },
		{ POLICY("'mode':'MPOL_BIND','nodes':'a'"),
		  "linux.memoryPolicy.nodes: not a list as 0-3,7 'a'" },
		{ POLICY("'mode':'MPOL_BIND','nodes':'0','flags':['x']"),
		  "linux.memoryPolicy.flags[0]: unknown 'x'" },
		{ POLICY("'mode':'MPOL_BIND','nodes':'0','flags':['MPOL_F_STATIC_NODES',"
			 "'MPOL_F_RELATIVE_NODES']"),
		  "linux.memoryPolicy.flags: MPOL_F_RELATIVE_NODES and MPOL_F_STATIC_NODES "
		  "exclude each other" },
	};

	(void)state;
	run(rows, ARRAY_COUNT(rows));
}

static void test_resources(void **state)
{
#define RULES(more) RESOURCES("'devices':[{" more "}]")
#define BLOCK(more) RESOURCES("'blockIO':{" more "}")
	static const struct row rows[] = {
		{ RULES("'type':'c'"), "linux.resources.devices[0].allow: required but missing" },
		{ RULES("'allow':true,'type':'u'"),
		  "linux.resources.devices[0].type: unknown 'u'" },
		{ RULES("'allow':true,'access':'rwx'"),
		  "linux.resources.devices[0].access: only r, w and m are allowed 'rwx'" },
		{ RULES("'allow':true,'major':-2"),
		  "linux.resources.devices[0].major: out of range -1..4294967295 '-2'" },
		{ RESOURCES("'memory':{'limit':-2}"),
		  "linux.resources.memory.limit: out of range -1..9223372036854775807 '-2'" },
		{ RESOURCES("'memory':{'swap':9223372036854775808}"),
		  "linux.resources.memory.swap: out of range -1..9223372036854775807 "
		  "'9223372036854775808'" },
		{ RESOURCES("'memory':{'swappiness':101}"),
		  "linux.resources.memory.swappiness: out of range 0..100 '101'" },
		{ RESOURCES("'memory':{'disableOOMKiller':0}"),
		  "linux.resources.memory.disableOOMKiller: expected boolean, got number '0'" },
		{ RESOURCES("'cpu':{'shares':-1}"),
		  "linux.resources.cpu.shares: out of range 0..18446744073709551615 '-1'" },
		{ RESOURCES("'cpu':{'shares':0.5}"),
		  "linux.resources.cpu.shares: not an integer '0.5'" },
		{ RESOURCES("'cpu':{'quota':1.5}"),
		  "linux.resources.cpu.quota: not an integer '1.5'" },
		{ RESOURCES("'cpu':{'idle':2}"),
		  "linux.resources.cpu.idle: out of range 0..1 '2'" },
		{ RESOURCES("'cpu':{'cpus':'0\\n1'}"),
		  "linux.resources.cpu.cpus: control character in '0\\n1'" },
		{ RESOURCES("'pids':{'limit':'max'}"),
		  "linux.resources.pids.limit: expected number, got string 'max'" },
		{ BLOCK("'weight':9"),
		  "linux.resources.blockIO.weight: out of range 10..1000 '9'" },
		{ BLOCK("'leafWeight':1001"),
		  "linux.resources.blockIO.leafWeight: out of range 10..1000 '1001'" },
		{ BLOCK("'weightDevice':[{'major':8,'minor':0}]"),
		  "linux.resources.blockIO.weightDevice[0]: weight or leafWeight is required" },
		{ BLOCK("'weightDevice':[{'major':8,'weight':10}]"),
		  "linux.resources.blockIO.weightDevice[0].minor: required but missing" },
		{ BLOCK("'throttleReadBpsDevice':[{'major':8,'minor':0}]"),
		  "linux.resources.blockIO.throttleReadBpsDevice[0].rate: required but missing" },
		{ BLOCK("'throttleWriteIOPSDevice':[{'major':-1,'minor':0,'rate':1}]"),
		  "linux.resources.blockIO.throttleWriteIOPSDevice[0].major: "
		  "out of range 0..4294967295 '-1'" },
		{ RESOURCES("'hugepageLimits':[{'pageSize':'2MB'}]"),
		  "linux.resources.hugepageLimits[0].limit: required but missing" },
		{ RESOURCES("'hugepageLimits':[{'pageSize':'../2MB','limit':1}]"),
		  "linux.resources.hugepageLimits[0].pageSize: not a page size as 2MB '../2MB'" },
		{ RESOURCES("'hugepageLimits':[{'pageSize':'2M','limit':1}]"),
		  "linux.resources.hugepageLimits[0].pageSize: not a page size as 2MB '2M'" },
		{ RESOURCES("'network':{'classID':4294967296}"),
		  "linux.resources.network.classID: out of range 0..4294967295 '4294967296'" },
		{ RESOURCES("'network':{'priorities':[{'priority':1}]}"),
		  "linux.resources.network.priorities[0].name: required but missing" },
		{ RESOURCES("'rdma':{'mlx5':{}}"),
		  "linux.resources.rdma.mlx5: hcaHandles or hcaObjects is required" },
		{ RESOURCES("'rdma':{'a b':{'hcaHandles':1}}"),
		  "linux.resources.rdma['a b']: not a device name" },
		{ RESOURCES("'rdma':{'mlx5':{'hcaHandles':-1}}"),
		  "linux.resources.rdma.mlx5.hcaHandles: out of range 0..4294967295 '-1'" },
		{ RESOURCES("'unified':{'../memory.max':'1'}"),
		  "linux.resources.unified: a file name must have no slash '../memory.max'" },
		{ RESOURCES("'unified':{'memory':'1'}"),
		  "linux.resources.unified: not of the form CONTROLLER.PARAMETER 'memory'" },
		{ RESOURCES("'unified':{'..':'1'}"),
		  "linux.resources.unified: not of the form CONTROLLER.PARAMETER '..'" },
		{ RESOURCES("'unified':{'memory.max':1}"),
		  "linux.resources.unified['memory.max']: expected string, got number '1'" },
	};

	(void)state;
	run(rows, ARRAY_COUNT(rows));
}

static void test_seccomp(void **state)
{
	static const struct row rows[] = {
		{ LINUX("'seccomp':{}"), "linux.seccomp.defaultAction: required but missing" },
		{ LINUX("'seccomp':{'defaultAction':'SCMP_ACT_FOO'}"),
		  "linux.seccomp.defaultAction: unknown 'SCMP_ACT_FOO'" },
		{ SECCOMP("'defaultErrnoRet':1"),
		  "linux.seccomp.defaultErrnoRet: not supported by action 'SCMP_ACT_ALLOW'" },
		{ SECCOMP("'architectures':['SCMP_ARCH_X86','amd64']"),
		  "linux.seccomp.architectures[1]: unknown 'amd64'" },
		{ SECCOMP("'flags':['SECCOMP_FILTER_FLAG_FOO']"),
		  "linux.seccomp.flags[0]: unknown 'SECCOMP_FILTER_FLAG_FOO'" },
		{ SECCOMP("'listenerMetadata':'x'"),
		  "linux.seccomp.listenerMetadata: must not be set without listenerPath" },
		{ RULE("'action':'SCMP_ACT_ALLOW'"),
		  "linux.seccomp.syscalls[1].names: required but missing" },
		{ RULE("'names':[],'action':'SCMP_ACT_ALLOW'"),
		  "linux.seccomp.syscalls[1].names: must not be empty" },
		{ RULE("'names':[''],'action':'SCMP_ACT_ALLOW'"),
		  "linux.seccomp.syscalls[1].names: empty name" },
		{ RULE("'names':['a']"), "linux.seccomp.syscalls[1].action: required but missing" },
		{ RULE("'names':['a'],'action':''"),
		  "linux.seccomp.syscalls[1].action: unknown ''" },
		{ RULE("'names':['a'],'action':'ALLOW'"),
		  "linux.seccomp.syscalls[1].action: unknown 'ALLOW'" },
		{ RULE("'names':['a'],'action':'SCMP_ACT_ALLOW','errnoRet':1"),
		  "linux.seccomp.syscalls[1].errnoRet: not supported by action 'SCMP_ACT_ALLOW'" },
		{ RULE("'names':['a'],'action':'SCMP_ACT_ERRNO','errnoRet':4096"),
		  "linux.seccomp.syscalls[1].errnoRet: out of range 0..4095 '4096'" },
		{ RULE("'names':['a'],'action':'SCMP_ACT_TRACE','errnoRet':65536"),
		  "linux.seccomp.syscalls[1].errnoRet: out of range 0..65535 '65536'" },
		{ RULE("'names':['a'],'action':'SCMP_ACT_LOG','args':[{'index':6,'value':0,"
		       "'op':'SCMP_CMP_EQ'}]"),
		  "linux.seccomp.syscalls[1].args[0].index: out of range 0..5 '6'" },
		{ RULE("'names':['a'],'action':'SCMP_ACT_LOG','args':[{'index':0,'value':0,"
		       "'op':'=='}]"),
		  "linux.seccomp.syscalls[1].args[0].op: unknown '=='" },
		{ RULE("'names':['a'],'action':'SCMP_ACT_LOG','args':[{'index':0,"
		       "'op':'SCMP_CMP_EQ'}]"),
		  "linux.seccomp.syscalls[1].args[0].value: required but missing" },
		{ RULE("'names':['a'],'action':'SCMP_ACT_LOG','args':[{'value':0,"
		       "'op':'SCMP_CMP_EQ'}]"),
		  "linux.seccomp.syscalls[1].args[0].index: required but missing" },
	};

	(void)state;
	run(rows, ARRAY_COUNT(rows));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_top),       cmocka_unit_test(test_mounts),
		cmocka_unit_test(test_hooks),     cmocka_unit_test(test_process),
		cmocka_unit_test(test_linux),     cmocka_unit_test(test_linux_policies),
		cmocka_unit_test(test_resources), cmocka_unit_test(test_seccomp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
