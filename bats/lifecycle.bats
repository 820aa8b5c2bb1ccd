#!/usr/bin/env bats
# create, start, state, list, ps, kill, delete: states, refusals and their texts.

load helpers
setup() { setup_common; }
teardown() { clean_container; teardown_common; }

@test "create and start: states in order" {
	args echo started + sleep 30
	ct_create
	[ "$(ct_status)" = created ]
	[ "$(cat "$T/pid")" -gt 0 ]
	[ ! -s "$T/out" ]
	ct_start
	is_status running
	wait_for 5 grep -q started "$T/out"
	rt kill "$ID" 9
	wait_for 10 is_status stopped
	[ "$(rt state "$ID" | jq .pid)" -eq 0 ]
	rt delete "$ID"
}

@test "state: the OCI document" {
	args sleep 30
	cfg '.annotations = {"a.b/c": "d"}'
	ct_create
	rt state "$ID" >"$T/state.json"
	jq -e --arg id "$ID" --arg b "$BUNDLE" '.id == $id and .bundle == $b and .status == "created"
		and .pid > 0 and .annotations["a.b/c"] == "d" and .rootfs == $b + "/rootfs"
		and (.created | test("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z$")) and (.ociVersion | startswith("1."))' "$T/state.json"
}

@test "create: a second container of that id is refused" {
	args sleep 30
	ct_create
	run rt create --bundle "$BUNDLE" "$ID"
	status_is 1
	has "already exists"
	is_status created
}

@test "ids: grammar" {
	requires runc_like
	for id in '' . .. a/b 'a b' "$(printf 'a\nb')" '../x' 'a;b'; do
		run rt create --bundle "$BUNDLE" "$id"
		status_is 1
	done
	[ ! -e "$STATE" ] || [ -z "$(ls -A "$STATE")" ]
}

@test "unknown id: every command says that it does not exist" {
	for c in state start "kill" "delete" "ps"; do
		run rt $c nosuch
		status_is 1
		has "does not exist"
	done
	run rt exec nosuch /bin/true
	[ "$status" -ne 0 ]
	has "does not exist"
}

@test "delete --force of an unknown id is fine" {
	requires runc_like
	run rt delete --force nosuch
	status_is 0
}

@test "start: twice is refused" {
	requires runc_like
	args sleep 30
	ct_create
	ct_start
	run ct_start
	status_is 1
	has "cannot start an already running container"
}

@test "start: a stopped container is refused" {
	requires runc_like
	args exit 0
	ct_create
	ct_start
	wait_for 10 is_status stopped
	run ct_start
	status_is 1
	has "cannot start a container that has stopped"
}

@test "kill: of a stopped container" {
	requires runc_like
	args exit 0
	ct_create
	ct_start
	wait_for 10 is_status stopped
	run rt kill "$ID" TERM
	status_is 1
	has "container not running"
}

@test "kill: names, numbers, any case, default TERM" {
	for s in "" TERM SIGTERM sigterm 15; do
		args catch
		ct_create
		ct_start
		wait_for 5 grep -q ready "$T/out"
		# shellcheck disable=SC2086
		rt kill "$ID" $s
		wait_for 10 grep -q "signal 15" "$T/out"
		wait_for 10 is_status stopped
		rt delete "$ID"
	done
}

@test "kill KILL: the left-overs of a dead init without a pid namespace" {
	requires thole # and runc from 1.2 on
	cfg 'del(.linux.namespaces[] | select(.type == "pid"))'
	args pause
	ct_create
	ct_start
	rt exec -d --pid-file "$T/other" "$ID" /bin/payload pause </dev/null >/dev/null 2>&1
	kill -9 "$(cat "$T/pid")"
	wait_for 5 is_status stopped
	run rt kill "$ID" TERM
	status_is 1
	has "container not running"
	other=$(cat "$T/other")
	[ -e "/proc/$other" ]
	rt kill "$ID" KILL
	gone() { [ ! -e "/proc/$other" ] || [ "$(awk '/^State/{print $2}' "/proc/$other/status")" = Z ]; }
	wait_for 5 gone
}

@test "kill: an unknown signal" {
	args sleep 30
	ct_create
	run rt kill "$ID" NOSUCH
	status_is 1
	is_status created
}

@test "kill: an empty signal is the default" {
	requires runc_like
	args catch
	ct_create
	ct_start
	wait_for 5 grep -q ready "$T/out"
	rt kill "$ID" ""
	wait_for 10 grep -q "signal 15" "$T/out"
}

@test "kill: a created container is ended by what ends any other process, too" {
	requires runc_like
	for s in TERM INT HUP QUIT; do
		args pause
		ct_create
		rt kill "$ID" $s
		wait_for 10 is_status stopped
		run ct_start
		status_is 1
		rt delete "$ID"
	done
	# Not by what it could ignore; and the program itself has none of these handlers.
	args catch
	ct_create
	rt kill "$ID" USR1
	is_status created
	ct_start
	wait_for 5 grep -q ready "$T/out"
	rt kill "$ID" TERM
	wait_for 10 grep -q "signal 15" "$T/out"
}

@test "kill: a created container whose seccomp profile refuses exit_group" {
	requires thole seccomp
	cfg '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["exit_group"], "action": "SCMP_ACT_ERRNO"}]}'
	args pause
	ct_create
	rt kill "$ID" TERM
	wait_for 10 is_status stopped
}

@test "kill: of a created container, then delete" {
	args sleep 30
	ct_create
	rt kill "$ID" KILL
	wait_for 10 is_status stopped
	rt delete "$ID"
}

@test "delete: of a created container kills it" {
	args sleep 30
	ct_create
	pid=$(cat "$T/pid")
	rt delete "$ID" || rt delete --force "$ID"
	[ ! -d "/proc/$pid" ] || [ "$(awk '/State/{print $2}' "/proc/$pid/status")" = Z ]
	[ ! -e "$STATE/$ID" ]
}

@test "delete --force: a running container with a fork bomb inside" {
	args bomb
	requires pids
	cfg '.linux.resources.pids = {"limit": 200}'
	ct_create
	ct_start
	sleep 0.3
	rt delete --force "$ID"
	[ -z "$(cgroup_dirs)" ]
}

@test "delete: without a pid namespace the leftovers die too" {
	cfg 'del(.linux.namespaces[] | select(.type == "pid"))'
	args forks 5
	ct_create
	ct_start
	wait_for 10 is_status stopped
	grep -q "forks 5 of 5" "$T/out"
	rt delete "$ID"
	[ -z "$(cgroup_dirs)" ]
}

@test "kill --all: every process of a container without a pid namespace; of a dead init the left-overs" {
	cfg 'del(.linux.namespaces[] | select(.type == "pid"))'
	args pause
	ct_create
	ct_start
	rt exec -d "$ID" /bin/payload pause </dev/null >/dev/null 2>&1
	rt exec -d "$ID" /bin/payload pause </dev/null >/dev/null 2>&1
	wait_for 5 several
	before=$(rt ps -f json "$ID" | jq '.[]')
	kill -9 "$(cat "$T/pid")"
	wait_for 5 is_status stopped
	wait_for 5 kill_all
	for p in $before; do
		[ ! -e "/proc/$p" ] || [ "$(awk '/^State/{print $2}' "/proc/$p/status")" = Z ]
	done
	# Nothing is left to be signalled: no error (callers retry).
	run rt kill --all "$ID" KILL
	status_is 0
}
several() { [ "$(rt ps -f json "$ID" | jq length)" -ge 3 ]; }
kill_all() {
	rt kill --all "$ID" KILL
	[ "$(cat /sys/fs/cgroup/pids"$CG"/cgroup.procs 2>/dev/null || cat /sys/fs/cgroup"$CG"/cgroup.procs)" = "" ]
}

@test "list: table, json, -q" {
	args sleep 30
	ct_create
	run rt list -q
	[ "$output" = "$ID" ]
	rt list --format json | jq -e --arg id "$ID" '.[0].id == $id and .[0].status == "created"'
	run rt list
	has "STATUS"
	has "$ID"
	[ "$(printf '%s\n' "$output" | wc -l)" -eq 2 ]
}

@test "ps: json holds every pid of the container" {
	args forks 3 30
	ct_create
	ct_start
	wait_for 5 grep -q forks "$T/out"
	[ "$(rt ps --format json "$ID" | jq length)" -eq 4 ]
	rt ps --format json "$ID" | jq -e --argjson p "$(cat "$T/pid")" 'index($p) != null'
}

@test "ps: table of ps itself" {
	requires runc_like
	args sleep 30
	ct_create
	ct_start
	run rt ps "$ID"
	status_is 0
	has PID
	has "$(cat "$T/pid")"
	run rt ps "$ID" -o pid,comm
	has COMMAND
}

@test "a changed config.json does not change the container" {
	args echo first
	ct_create
	args echo second
	ct_start
	wait_for 10 is_status stopped
	grep -q first "$T/out"
	! grep -q second "$T/out"
}

@test "fifty containers one after the other and side by side" {
	requires thole
	args sleep 60
	local i pids=()
	for i in $(seq 25); do
		cfg '.linux.cgroupsPath = $c' --arg c "$CG/$i"
		rt run -d --bundle "$BUNDLE" "$ID-$i" </dev/null >/dev/null 2>&1 &
		pids+=($!)
		# the runtime has read its configuration once the state is there
		wait_for 10 test -e "$STATE/$ID-$i"
		sleep 0.02
	done
	for i in "${pids[@]}"; do wait "$i"; done
	[ "$(rt list -q | wc -l)" -eq 25 ]
	for i in $(seq 25); do rt delete --force "$ID-$i" & done
	wait
	run rt list -q
	[ -z "$output" ]
	find /sys/fs/cgroup -maxdepth 3 -type d -path "*$CG" -exec rmdir {} +
}
