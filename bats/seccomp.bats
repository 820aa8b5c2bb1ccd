#!/usr/bin/env bats
# Seccomp: actions, arguments, errno, the engines' default profile, refusals.

load helpers
setup() { setup_common; }
teardown() { clean_container; teardown_common; }

@test "errno, allow, arguments" {
	cfg '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"], "syscalls": [
		{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28},
		{"names": ["unshare"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 0, "op": "SCMP_CMP_EQ"}]},
		{"names": ["kexec_load"], "action": "SCMP_ACT_ERRNO", "errnoRet": 11}]}'
	args syscalls + caps
	run ct_run
	status_is 0
	has "mkdir No space left on device"
	has "unshare Operation not permitted"
	has "kexec Resource temporarily unavailable"
	has "getcwd ok"
	has "Seccomp:	2"
}

@test "defaultErrnoRet" {
	cfg '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir","mkdirat"], "action": "SCMP_ACT_ERRNO"}]}'
	args syscalls
	run ct_run
	has "mkdir Operation not permitted"
}

@test "kill takes the whole process" {
	cfg '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir","mkdirat"], "action": "SCMP_ACT_KILL_PROCESS"}]}
		| del(.linux.namespaces[] | select(.type == "pid"))'
	args syscalls
	run ct_run
	status_is 159
}

@test "the engines' default profile" {
	[ -e "$TOP/tests/data/seccomp-default.json" ]
	cfg '.linux.seccomp = $p[0]' --slurpfile p "$TOP/tests/data/seccomp-default.json"
	args syscalls + id
	for i in 1 2 3; do
		run ct_run
		status_is 0
		has "getcwd ok"
		has "kexec Operation not permitted"
		has "uid 0 0 0"
	done
}

@test "a syscall newer than the profile gives ENOSYS, so that programs fall back" {
	requires thole
	cfg '.linux.seccomp = $p[0]' --slurpfile p "$TOP/tests/data/seccomp-default.json"
	args syscalls
	run ct_run
	has "unknown Function not implemented"
}

@test "the cache: a damaged file is compiled anew" {
	requires thole
	cfg '.linux.seccomp = $p[0]' --slurpfile p "$TOP/tests/data/seccomp-default.json"
	args syscalls
	ct_run >/dev/null
	f=$(find "$STATE/.cache/seccomp" -type f)
	[ "$(printf '%s\n' "$f" | wc -l)" -eq 1 ]
	[ "$(stat -c %a "$f")" = 600 ]
	head -c 4000 /dev/urandom >"$f"
	run ct_run
	status_is 0
	has "getcwd ok"
	: >"$f"
	run ct_run
	status_is 0
}

@test "without no_new_privs the filter is set before the capabilities go" {
	cfg '.process.noNewPrivileges = false | .linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls":
		[{"names": ["mkdir","mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}'
	args syscalls + caps
	run ct_run
	status_is 0
	has "mkdir No space left on device"
	has "NoNewPrivs:	0"
}

@test "unknown words are errors, unknown syscalls are not" {
	cfg '.linux.seccomp = {"defaultAction": "SCMP_ACT_NOSUCH"}'
	run ct_run
	status_is 1
	has "SCMP_ACT_NOSUCH"
	cfg '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["no_such_syscall"], "action": "SCMP_ACT_ERRNO"}]}'
	args id
	run ct_run
	status_is 0
	requires thole
	cfg '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_NOSUCH"]}'
	run ct_run
	status_is 1
	has "SCMP_ARCH_NOSUCH"
	cfg '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_NOSUCH"]}'
	run ct_run
	status_is 1
	has "SECCOMP_FILTER_FLAG_NOSUCH"
}

@test "flags the kernel knows" {
	cfg '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"],
		"syscalls": [{"names": ["mkdir","mkdirat"], "action": "SCMP_ACT_ERRNO"}]}'
	args syscalls
	run ct_run
	status_is 0
	has "mkdir Operation not permitted"
}
