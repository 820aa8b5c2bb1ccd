#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes every step of every role fail, and kills the process at every step, and asserts after each:
# exactly one error line (which names the step), no process, no cgroup, no mount, no state left; and
# after a kill of the runtime, that state and list tell the truth and delete --force cleans up.
#
#   step_faults.sh [THOLE BUNDLE]      (THOLE built with -DTHOLE_TEST, as root)
#
# BUNDLE/config.json has linux.cgroupsPath below /thole-test-..., terminal false.
set -u
if [ $# -eq 0 ]; then # as a test: the debug build, a bundle of its own, one TAP line
	own=$(mktemp -d /tmp/thole-faults.XXXXXX)
	mkdir -p "$own"/rootfs/{bin,dev,proc,sys,etc}
	cp build/release/payload/payload "$own/rootfs/bin/"
	ln "$own/rootfs/bin/payload" "$own/rootfs/bin/true"
	bin/thole spec --bundle "$own"
	jq '.process.terminal = false | .process.rlimits = [] | .process.args = ["/bin/payload", "sleep", "300"]
		| .linux.cgroupsPath = "/thole-test-faults/c"' "$own/config.json" >"$own/c"
	mv "$own/c" "$own/config.json"
	echo 1..1
	if out=$("$0" "$PWD/build/debug/bin/thole" "$own" 2>&1); then echo "ok 1 $(tail -n 1 <<<"$out")"; else
		grep -v ^ok <<<"$out" | sed 's/^/# /' | tail -n 20
		echo "not ok 1 every step fails in turn"
	fi
	rm -rf "$own"
	find /sys/fs/cgroup -maxdepth 2 -type d -name thole-test-faults -exec rmdir {} + 2>/dev/null
	exit
fi
thole=$1 bundle=$2
root=$(mktemp -d /tmp/thole-faults.XXXXXX)
log=$root/log
failed=0 passed=0
id=faults-$$
T=("$thole" --root "$root/state")
cgroup=$(sed -n 's/.*"cgroupsPath": *"\([^"]*\)".*/\1/p' "$bundle/config.json")

fail() {
	echo "not ok: $*"
	failed=$((failed + 1))
}

steps() { # role -> its step names, from a trace of a whole life
	awk -v r="$1" '$1 == r { print $2 }' "$root/trace"
}

left() { # prints what is left over
	local d
	for d in "$root"/state/*; do
		[ -e "$d" ] && echo "state $d"
	done
	for d in /sys/fs/cgroup"$cgroup" /sys/fs/cgroup/*"$cgroup"; do
		[ -e "$d" ] && echo "cgroup $d"
	done
	grep -F "$bundle" /proc/self/mountinfo
	return 0
}

check_clean() {
	local what=$1 rest
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		rest=$(left)
		[ -z "$rest" ] && return
		sleep 0.1
	done
	fail "$what: left over: $rest"
}

fault_in_make() { # command role step
	local what="FAULT=$2:$3 $1" lines
	FAULT=$2:$3 timeout 20 "${T[@]}" "$1" --bundle "$bundle" "$id" </dev/null >"$log.out" 2>"$log"
	local rc=$?
	lines=$(grep -c . "$log")
	if [ $rc -ne 1 ]; then
		# After READY_OK a created init is on its own: create has succeeded, start fails.
		if [ $rc -eq 0 ] && [ "$1" = create ]; then
			# A failing execve is the container's own: start does not wait for it.
			timeout 20 "${T[@]}" start "$id" 2>"$log" && [ "$3" != exec ] &&
				fail "$what: start succeeded"
			timeout 20 "${T[@]}" delete --force "$id" || fail "$what: delete"
		elif [ "$3" = exec ] && [ $rc -eq 255 ]; then
			grep -q "fault injected at $2:$3" "$log" || fail "$what: no message: $(cat "$log")"
		else
			fail "$what: exit status $rc: $(cat "$log")"
		fi
	else
		[ "$lines" -eq 1 ] || fail "$what: $lines lines: $(cat "$log")"
		grep -q "fault injected at $2:$3" "$log" || fail "$what: step not named: $(cat "$log")"
	fi
	check_clean "$what"
	timeout 20 "${T[@]}" delete --force "$id" 2>/dev/null
	passed=$((passed + 1))
}

kill_in_create() { # role step
	local what="FAULT_KILL=$1:$2 create" rc
	{ FAULT_KILL=$1:$2 timeout 20 "${T[@]}" create --bundle "$bundle" "$id" </dev/null \
		>"$log.out" 2>"$log"; } 2>/dev/null
	rc=$?
	case $1 in
	init)
		# The runtime lives: it must tell and clean; after READY_OK the container is stopped.
		if [ $rc -eq 0 ]; then
			timeout 20 "${T[@]}" start "$id" 2>"$log" && [ "$2" != exec ] &&
				fail "$what: start succeeded"
			sleep 0.1
			timeout 20 "${T[@]}" state "$id" | grep -q '"stopped"' || fail "$what: not stopped"
			timeout 20 "${T[@]}" delete "$id" || fail "$what: delete"
		else
			[ "$(grep -c . "$log")" -eq 1 ] || fail "$what: lines: $(cat "$log")"
			grep -Eq 'killed by SIG(KILL|ILL|TRAP)' "$log" || fail "$what: $(cat "$log")"
		fi
		;;
	parent)
		[ $rc -eq 137 ] || fail "$what: exit status $rc"
		sleep 0.05
		timeout 20 "${T[@]}" list >"$log" 2>&1 || fail "$what: list: $(cat "$log")"
		if [ -e "$root/state/$id/state.json" ]; then
			timeout 20 "${T[@]}" state "$id" >"$log" 2>&1 || fail "$what: state: $(cat "$log")"
			grep -Eq '"(creating|stopped|created)"' "$log" || fail "$what: state: $(cat "$log")"
		fi
		timeout 20 "${T[@]}" delete --force "$id" 2>"$log" || fail "$what: delete --force: $(cat "$log")"
		;;
	esac
	check_clean "$what"
	timeout 20 "${T[@]}" delete --force "$id" 2>/dev/null
	passed=$((passed + 1))
}

fault_in_exec() { # role step
	local what="FAULT=$1:$2 exec"
	FAULT=$1:$2 timeout 20 "${T[@]}" exec "$id" true </dev/null >"$log.out" 2>"$log"
	local rc=$?
	[ $rc -eq 255 ] || fail "$what: exit status $rc: $(cat "$log")"
	[ "$(grep -c . "$log")" -eq 1 ] || fail "$what: lines: $(cat "$log")"
	grep -q "fault injected at $1:$2" "$log" || fail "$what: $(cat "$log")"
	passed=$((passed + 1))
}

kill_in_exec() { # role step
	local what="FAULT_KILL=$1:$2 exec" rc
	{ FAULT_KILL=$1:$2 timeout 20 "${T[@]}" exec "$id" true </dev/null \
		>"$log.out" 2>"$log"; } 2>/dev/null
	rc=$?
	if [ "$1" = parent ]; then
		[ $rc -eq 137 ] || fail "$what: exit status $rc: $(cat "$log")"
	elif [ $rc -ne 255 ] && { [ "$2" != exec ] || [ $rc -ne 137 ]; }; then
		fail "$what: exit status $rc: $(cat "$log")"
	fi
	timeout 20 "${T[@]}" state "$id" | grep -q '"running"' || fail "$what: container harmed"
	passed=$((passed + 1))
}

cleanup() {
	timeout 20 "${T[@]}" delete --force "$id" 2>/dev/null
	rm -rf "$root"
}
trap cleanup EXIT

# The names of the steps come from traces of a run and an exec that succeed.
THOLE_TRACE=$root/trace timeout 20 "${T[@]}" create --bundle "$bundle" "$id" </dev/null >"$log.out" 2>&1 ||
	{ echo "cannot create: $(cat "$log.out")"; exit 1; }
timeout 20 "${T[@]}" start "$id" || exit 1
THOLE_TRACE=$root/trace.exec timeout 20 "${T[@]}" exec "$id" true </dev/null || exit 1

parent_exec=$(awk '$1 == "parent" { print $2 }' "$root/trace.exec")
for step in $parent_exec; do
	fault_in_exec parent "$step"
	kill_in_exec parent "$step"
done
for step in $(awk '$1 == "exec" { print $2 }' "$root/trace.exec") exec; do
	fault_in_exec exec "$step"
	kill_in_exec exec "$step"
done
for step in $(awk '$1 == "join" { print $2 }' "$root/trace.exec"); do
	fault_in_exec join "$step"
	kill_in_exec join "$step"
done
timeout 20 "${T[@]}" delete --force "$id"
check_clean "exec"

for step in $(steps parent); do
	fault_in_make create parent "$step"
	fault_in_make run parent "$step"
	kill_in_create parent "$step"
done
for step in $(steps init | sort -u) exec; do
	fault_in_make create init "$step"
	fault_in_make run init "$step"
	kill_in_create init "$step"
done
echo "$passed cases, $failed failed"
[ $failed -eq 0 ]
