#!/usr/bin/env bats
# SCMP_ACT_NOTIFY: the listener and the container's state go to an agent, which answers; and that every
# flag of a filter reaches the kernel.

load helpers
setup() {
	setup_common
	requires seccomp python3
}
teardown() {
	[ -z "${AGENT:-}" ] || kill "$AGENT" 2>/dev/null
	clean_container
	teardown_common
}

agent() {
	python3 "$TOP/tests/lib/seccomp_agent.py" "$T/agent.sock" >"$T/agent" 2>&1 3>&- &
	AGENT=$!
	wait_for 5 grep -q '{}' "$T/agent"
}
# The Nth connection, through jq.
got() { sed -n "$(($1 + 1))p" "$T/agent" | jq -r "$2"; }
profile() { # [METADATA]
	cfg '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": $p,
		"syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}]}' --arg p "$T/agent.sock"
	[ $# -eq 0 ] || cfg '.linux.seccomp.listenerMetadata = $m' --arg m "$1"
}

@test "notify: create sends the listener with the container's state, once, and the agent answers" {
	agent
	profile 'meta "data"'
	cfg '.annotations = {"a.b": "c"}'
	args syscalls + pause
	ct_create
	wait_for 5 grep -q message "$T/agent"
	[ "$(got 1 '.message.fds | join(",")')" = seccompFd ]
	[ "$(got 1 '.fds | join(",")')" = "anon_inode:seccomp notify" ]
	[ "$(got 1 .closed)" = true ]
	[ "$(got 1 .message.metadata)" = 'meta "data"' ]
	[ "$(got 1 .message.pid)" = "$(cat "$T/pid")" ]
	[ "$(got 1 .message.state.id)" = "$ID" ]
	[ "$(got 1 .message.state.status)" = creating ]
	[ "$(got 1 .message.state.bundle)" = "$BUNDLE" ]
	[ "$(got 1 '.message.state.annotations["a.b"]')" = c ]
	[ "$(got 1 '.message.ociVersion | test("^1\\.")')" = true ]
	[ "$(got 1 '.message.state.ociVersion | test("^1\\.")')" = true ]
	ct_start
	wait_for 5 grep -q 'mkdir Inappropriate ioctl for device' "$T/out"
	rt delete --force "$ID"
	[ "$(grep -c message "$T/agent")" -eq 1 ]
}

@test "notify: exec sends a listener of its own: status running, its own pid" {
	agent
	profile
	args pause
	ct_create
	ct_start
	run rt exec --pid-file "$T/exec" "$ID" /bin/payload syscalls </dev/null
	status_is 0
	has "mkdir Inappropriate ioctl for device"
	[ "$(grep -c message "$T/agent")" -eq 2 ]
	[ "$(got 2 .message.state.status)" = running ]
	[ "$(got 2 .message.pid)" = "$(cat "$T/exec")" ]
	[ "$(got 2 .message.state.pid)" = "$(cat "$T/pid")" ]
	[ "$(got 2 '.message | has("metadata")')" = false ]
	[ "$(got 2 '.fds | length')" = 1 ]
}

@test "notify: before the capabilities go, for a user, and in a user namespace" {
	agent
	profile
	args syscalls
	cfg '.process.noNewPrivileges = false'
	run ct_run
	has "mkdir Inappropriate ioctl for device"
	cfg '.process.noNewPrivileges = true | .process.user = {"uid": 1000, "gid": 1000}'
	run ct_run
	has "mkdir Inappropriate ioctl for device"
	requires userns
	chown -R 100000:100000 "$BUNDLE/rootfs"
	cfg '.linux.namespaces += [{"type":"user"}] | .linux.uidMappings = [{"containerID":0,"hostID":100000,"size":65536}]
		| .linux.gidMappings = .linux.uidMappings'
	run ct_run
	has "mkdir Inappropriate ioctl for device"
	[ "$(grep -c '"seccompFd"' "$T/agent")" -eq 3 ]
}

@test "notify: an agent that is not there fails create, and nothing is left" {
	requires thole
	profile
	run rt --log "$T/log" create --bundle "$BUNDLE" "$ID" </dev/null
	status_is 1
	one_line_with 'linux.seccomp.listenerPath'
	[ ! -e "$STATE/$ID" ]
	[ -z "$(cgroup_dirs)" ]
	# It is not asked where nothing is to be notified.
	cfg 'del(.linux.seccomp.syscalls)'
	run ct_run
	status_is 0
}

@test "notify: without an agent to ask, and for what init needs itself, it is refused" {
	requires thole
	profile
	cfg 'del(.linux.seccomp.listenerPath)'
	run rt --log "$T/log" create --bundle "$BUNDLE" "$ID" </dev/null
	status_is 1
	one_line_with listenerPath
	agent
	for call in write read execve; do
		profile
		cfg '.linux.seccomp.syscalls[0].names += [$c]' --arg c $call
		run rt --log "$T/log" create --bundle "$BUNDLE" "$ID" </dev/null
		status_is 1
		one_line_with "SCMP_ACT_NOTIFY cannot be used for the $call syscall"
	done
	[ "$(grep -c message "$T/agent")" -eq 0 ]
}

# What the kernel was told, by strace; the names are the kernel's.
flags_of() {
	strace -f -qq -e trace=seccomp -o "$T/trace" "$RUNTIME" --root "$STATE" run --bundle "$BUNDLE" "$ID" </dev/null >"$T/out" 2>&1
	sed -n 's/.*seccomp(SECCOMP_SET_MODE_FILTER, \([^,]*\),.*/\1/p' "$T/trace" | tail -n 1
}

@test "flags: each one reaches the kernel, alone and together; absent: SPEC_ALLOW; empty: none" {
	requires thole
	command -v strace >/dev/null || skip "needs strace"
	args id
	cfg '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]}'
	strace -o "$T/probe" -qq -e trace=seccomp true 2>/dev/null || skip "strace may not trace here"
	[ "$(flags_of)" = SECCOMP_FILTER_FLAG_SPEC_ALLOW ]
	cfg '.linux.seccomp.flags = []'
	[ "$(flags_of)" = 0 ]
	for flag in LOG SPEC_ALLOW TSYNC; do
		cfg '.linux.seccomp.flags = ["SECCOMP_FILTER_FLAG_" + $f]' --arg f $flag
		[[ "$(flags_of)" == *SECCOMP_FILTER_FLAG_$flag* ]] || { flags_of; false; }
	done
	cfg '.linux.seccomp.flags = ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]'
	flags=$(flags_of)
	for flag in LOG SPEC_ALLOW TSYNC; do [[ "$flags" == *$flag* ]]; done
	# It says something of listeners only.
	cfg '.linux.seccomp.flags = ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]'
	[ "$(flags_of)" = 0 ]
	agent
	cfg '.linux.seccomp.listenerPath = $p | .linux.seccomp.syscalls[0].action = "SCMP_ACT_NOTIFY"' --arg p "$T/agent.sock"
	flags=$(flags_of)
	[[ "$flags" == *NEW_LISTENER* ]]
	[[ "$flags" == *WAIT_KILLABLE_RECV* || "$flags" == *0x2[08]* ]] || { echo "$flags"; false; }
}
