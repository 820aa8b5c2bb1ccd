#!/usr/bin/env bats
# Every step made to fail, and the runtime killed at every step: one error line that names the step,
# a state that tells the truth, nothing left after delete --force. Needs the build with fault hooks.

load helpers
setup() {
	setup_common
	requires debug_build thole
	RUNTIME=$DEBUG_RUNTIME
}
teardown() { clean_container; teardown_common; }

# The steps of a run, as "role:step" lines.
steps() { THOLE_TRACE=$1 rt run --bundle "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1; awk '{print $1 ":" $2}' "$1" | sort -u; }
# create with a fault; a container that lives on must not keep the test's pipe.
faulty_create() { env "$1" "$RUNTIME" --root "$STATE" create --bundle "$BUNDLE" "$ID" </dev/null >/dev/null 2>"$T/err"; }

@test "every step of create, failing in turn" {
	args id
	cfg '.linux.namespaces += [{"type":"cgroup"}] | .linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW",
		"syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]} | .process.cwd = "/tmp"'
	steps "$T/trace" >"$T/steps"
	[ "$(wc -l <"$T/steps")" -ge 15 ]
	before=$(wc -l </proc/self/mountinfo)
	while read -r s; do
		case $s in exec:* | join:*) continue ;; esac
		run env FAULT="$s" "$RUNTIME" --root "$STATE" run --bundle "$BUNDLE" "$ID" </dev/null
		[ "$status" -ne 0 ] || { echo "step $s did not fail"; false; }
		[ "$(printf '%s\n' "$output" | grep -c .)" -eq 1 ] || { echo "$s: $output"; false; }
		has "${s#*:}"
		[ ! -e "$STATE/$ID" ] || { echo "$s: state left"; false; }
		[ -z "$(cgroup_dirs)" ] || { echo "$s: cgroup left"; false; }
	done <"$T/steps"
	[ "$(wc -l </proc/self/mountinfo)" -eq "$before" ]
}

@test "the runtime killed at every step: the state is true, delete --force cleans up" {
	args sleep 60
	cfg '.linux.namespaces += [{"type":"cgroup"}]'
	args id
	steps "$T/trace" >"$T/steps"
	args sleep 60
	while read -r s; do
		case $s in exec:* | join:*) continue ;; esac
		faulty_create FAULT_KILL="$s" || true
		[ -e "$STATE/$ID" ] || continue
		st=$(rt state "$ID" 2>/dev/null | jq -r .status 2>/dev/null) || st=unreadable
		case $st in creating | created | stopped | unreadable) ;; *) echo "$s: status $st"; false ;; esac
		run rt list
		status_is 0
		run rt delete --force "$ID"
		status_is 0
		[ ! -e "$STATE/$ID" ] || { echo "$s: state left"; false; }
		[ -z "$(cgroup_dirs)" ] || { echo "$s: cgroup left"; false; }
	done <"$T/steps"
}

@test "init killed at every step: create says which was the last" {
	args id
	steps "$T/trace" >"$T/steps"
	while read -r s; do
		case $s in init:*) ;; *) continue ;; esac
		if faulty_create FAULT_KILL="$s"; then # a step after READY
			rt delete --force "$ID"
			continue
		fi
		[ "$(grep -c . "$T/err")" -eq 1 ] || { echo "$s: $(cat "$T/err")"; false; }
		[ ! -e "$STATE/$ID" ]
		[ -z "$(cgroup_dirs)" ]
	done <"$T/steps"
}

@test "kill -9 of the runtime at random moments" {
	args sleep 60
	mkdir -p "$STATE" # the first may be killed before it makes it, and then list fails
	for i in $(seq 30); do
		"$TOP/bin/thole" --root "$STATE" create --bundle "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1 &
		p=$!
		sleep "0.00$((RANDOM % 10))"
		kill -9 $p 2>/dev/null || true
		wait $p 2>/dev/null || true
		rt list >/dev/null
		rt delete --force "$ID"
		[ ! -e "$STATE/$ID" ] || { echo "state left at round $i"; false; }
		[ -z "$(cgroup_dirs)" ] || { echo "cgroup left at round $i"; false; }
	done
}
