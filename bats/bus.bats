#!/usr/bin/env bats
# The systemd cgroup manager against a bus whose systemd is a script (tests/lib/fake-systemd): what it
# is told, and every way in which its answers can fail. The real one is in systemd.bats.

load helpers
setup() {
	setup_common
	requires root thole debug_build python3
	command -v dbus-daemon >/dev/null || skip "needs dbus-daemon"
	# With a time-out that a test can wait for.
	RUNTIME=$DEBUG_RUNTIME
	export THOLE_TEST_SYSTEMD_TIMEOUT=2000
	SLICE=thole_test$$.slice UNIT=t-$ID.scope
	CG=/$SLICE/$UNIT
	FAKE=$T/fake
	mkdir "$FAKE"
	mode ok
	cfg '.linux.cgroupsPath = $p | .process.args = ["/bin/payload", "sleep", "60"]' --arg p "$SLICE:t:$ID"
	"$TOP/tests/lib/fake-systemd" "$FAKE" >"$T/fake.log" 2>&1 3>&- &
	FAKE_PID=$!
	export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$FAKE/bus
	wait_for 20 test -e "$FAKE/ready"
}
teardown() {
	[ -z "${FAKE:-}" ] || mode ok
	clean_container
	if [ -n "${FAKE_PID:-}" ]; then
		kill "$FAKE_PID"
		wait "$FAKE_PID" || true
	fi
	unset DBUS_SYSTEM_BUS_ADDRESS
	teardown_common && ok=1
	[ -z "${SLICE:-}" ] || find /sys/fs/cgroup -maxdepth 3 -depth -path "*/$SLICE*" -type d -exec rmdir {} + || true
	[ "${ok:-0}" = 1 ]
}
mode() { echo "$*" >"$FAKE/mode"; }
systemd() { rt --systemd-cgroup "$@"; }
sd_create() { systemd create --bundle "$BUNDLE" "$@" "$ID" </dev/null >"$T/out" 2>"$T/err"; }
calls() { jq -r .call "$FAKE/calls" 2>/dev/null | grep -cx "$1" || true; }
# The last call of that name, through a filter.
call() { jq -s -c "map(select(.call == \"$1\")) | last | $2" "$FAKE/calls"; }
# What create said, as it reads without the log's quoting.
told() { output=$(sed 's/\\"/"/g' "$T/err"); }
# The error of a create that fails: one line, and nothing is left of it.
refused() { # TEXT
	run sd_create
	[ "$status" -ne 0 ] || { echo "it was created"; false; }
	told
	one_line_with "$1"
	[ ! -e "$STATE/$ID" ]
	[ -z "$(cgroup_dirs)" ] || { cgroup_dirs; false; }
	! pgrep -P $$ -f "thole.*create.*$ID"
}

@test "a scope is started with its first process, and init is born in it" {
	cfg '.annotations = {"org.systemd.property.TimeoutStopSec": "7", "org.systemd.property.After": "[\"a.service\"]"}'
	sd_create
	[ "$(call StartTransientUnit '[.unit, .mode]')" = "[\"$UNIT\",\"replace\"]" ]
	[ "$(call StartTransientUnit '.props | [.Slice, .Delegate, .DefaultDependencies, .TimeoutStopUSec, .After]')" = \
		"[\"$SLICE\",true,false,7000000,[\"a.service\"]]" ]
	[ "$(call StartTransientUnit '.props.PIDs | length')" = 1 ]
	[ "$(call StartTransientUnit '.props.DevicePolicy')" = '"strict"' ]
	call StartTransientUnit '.props.DeviceAllow' | grep -q '\["/dev/char/1:3","rwm"\]'
	grep -q ":.*$CG\$" "/proc/$(rt state "$ID" | jq .pid)/cgroup"
	# The one that went ahead is gone: nobody else is in the cgroup.
	[ "$(cat "$(cgroup_dirs | head -n 1)/cgroup.procs")" = "$(rt state "$ID" | jq .pid)" ]
	is_status created
	# The others need not be told of systemd.
	rt start "$ID"
	rt pause "$ID"
	is_status paused
	rt resume "$ID"
	rt exec "$ID" /bin/payload id >/dev/null
	rt kill "$ID" KILL
	wait_for 10 is_status stopped
	rt delete "$ID"
	[ "$(calls StopUnit)" = 1 ]
	[ -z "$(cgroup_dirs)" ]
}

@test "run: the unit goes with the container" {
	cfg '.process.args = ["/bin/payload", "exit", "7"]'
	run systemd run --bundle "$BUNDLE" "$ID" </dev/null
	status_is 7
	[ "$(calls StartTransientUnit)" = 1 ]
	[ "$(calls StopUnit)" = 1 ]
}

@test "--cgroup-manager systemd is the same; no path: system.slice and the id" {
	cfg 'del(.linux.cgroupsPath)'
	mode refuse
	run rt --cgroup-manager systemd create --bundle "$BUNDLE" "$ID" </dev/null
	status_is 1
	[ "$(call StartTransientUnit '[.unit, .props.Slice]')" = "[\"thole-$ID.scope\",\"system.slice\"]" ]
}

@test "the job's end is told before its number: it is not missed" {
	mode early
	sd_create
	is_status created
}

@test "a job that never ends: a time-out, the unit is stopped, nothing is left" {
	mode never
	refused "systemd: StartTransientUnit $UNIT: its job has not ended after 2.000 s"
	[ "$(calls StopUnit)" = 1 ]
}

@test "a job that fails: its result is told" {
	mode failed
	refused "systemd: StartTransientUnit $UNIT: its job's result is \"failed\""
}

@test "a failed unit of that name is reset, once" {
	mode exists
	sd_create
	[ "$(calls ResetFailedUnit)" = 1 ]
	[ "$(calls StartTransientUnit)" = 2 ]
}

@test "a unit of that name that lives is left alone" {
	mode lives
	refused "systemd: StartTransientUnit $UNIT: Unit $UNIT was already loaded"
	[ "$(calls StartTransientUnit)" = 2 ]
	[ "$(calls StopUnit)" = 0 ]
}

@test "access denied, a bus that dies, a bus that is not there: clear errors" {
	mode refuse
	refused "systemd: StartTransientUnit $UNIT: Permission denied"
	mode dies
	run sd_create
	status_is 1
	told
	has "the connection to the bus was lost"
	[ ! -e "$STATE/$ID" ]
	# A systemd that lives takes the empty unit away; this one does not.
	find /sys/fs/cgroup -maxdepth 3 -depth -path "*/$SLICE*" -type d -exec rmdir {} +
	refused "connect to the system bus, is systemd running: "
}

@test "without libsystemd: an error that says so, and only where systemd is asked for" {
	lib=$(ldconfig -p | awk '/libsystemd.so.0/ {print $NF; exit}')
	[ -n "$lib" ]
	run unshare -m bash -c 'mount --bind /dev/null "$1"; shift; exec "$@"' - "$lib" \
		"$RUNTIME" --root "$STATE" --systemd-cgroup create --bundle "$BUNDLE" "$ID" </dev/null
	status_is 1
	one_line_with 'needs libsystemd.so.0: '
	cfg '.linux.cgroupsPath = $p | .process.args = ["/bin/payload", "id"]' --arg p "/$SLICE/$ID"
	run unshare -m bash -c 'mount --bind /dev/null "$1"; shift; exec "$@"' - "$lib" \
		"$RUNTIME" --root "$STATE" run --bundle "$BUNDLE" "$ID" </dev/null
	status_is 0
}

@test "a unit that is elsewhere than its name says is not used" {
	mode elsewhere
	refused "systemd has started \"$UNIT\" elsewhere than in cgroup"
	[ "$(calls StopUnit)" = 1 ]
}

@test "SIGTERM while the job is awaited: undone" {
	mode never
	export THOLE_TEST_SYSTEMD_TIMEOUT=20000
	"$RUNTIME" --root "$STATE" --systemd-cgroup create --bundle "$BUNDLE" "$ID" </dev/null >"$T/out" 2>"$T/err" 3>&- &
	pid=$!
	wait_for 10 grep -q StartTransientUnit "$FAKE/calls"
	sleep 0.3
	kill "$pid"
	if wait "$pid"; then false; fi
	grep -q interrupted "$T/err"
	[ ! -e "$STATE/$ID" ]
	[ -z "$(cgroup_dirs)" ]
}

@test "delete: systemd cannot be told: the container goes, with a warning" {
	sd_create
	kill "$FAKE_PID"
	wait "$FAKE_PID" || true
	FAKE_PID=
	run rt delete --force "$ID"
	status_is 0
	has "systemd may still know the unit"
	[ ! -e "$STATE/$ID" ]
	[ -z "$(cgroup_dirs)" ]
}

@test "update tells both places; what systemd refuses is taken back" {
	requires memory
	cfg '.linux.resources.memory.limit = 33554432'
	sd_create
	limit() { cat "$(cgroup_dirs | grep memory | head -n 1)"/memory.limit_in_bytes 2>/dev/null || cat "/sys/fs/cgroup$CG/memory.max"; }
	property=MemoryLimit
	[ ! -e /sys/fs/cgroup/cgroup.controllers ] || property=MemoryMax
	[ "$(call StartTransientUnit ".props.$property")" = 33554432 ]
	[ "$(limit)" = 33554432 ]
	rt update --memory 67108864 "$ID"
	[ "$(call SetUnitProperties "[.unit, .runtime, .props.$property]")" = "[\"$UNIT\",true,67108864]" ]
	[ "$(limit)" = 67108864 ]
	mode sticky
	run rt update --memory 134217728 "$ID"
	status_is 1
	one_line_with "systemd: SetUnitProperties $UNIT: Cannot set that"
	[ "$(limit)" = 67108864 ]
}

@test "one process is allowed: init is that one" {
	requires pids
	cfg '.linux.resources.pids.limit = 1'
	sd_create
	[ "$(call StartTransientUnit .props.TasksMax)" = 1 ]
	[ "$(cat /sys/fs/cgroup/{pids,.}"$CG"/pids.max 2>/dev/null)" = 1 ]
}

@test "what annotations and paths may not say" {
	for a in PIDs=[1] Slice="'a.slice'" TimeoutStopSec=-1 CollectMode=inactive x=1 "DeviceAllow=[('a',"; do
		cfg '.annotations = {($k): $v}' --arg k "org.systemd.property.${a%%=*}" --arg v "${a#*=}"
		refused "annotation \"org.systemd.property.${a%%=*}\""
	done
	cfg 'del(.annotations)'
	for p in /a/b a.slice:b a--b.slice:c:d ../x.slice:c:d "$SLICE:t:a/b"; do
		cfg '.linux.cgroupsPath = $p' --arg p "$p"
		run sd_create
		status_is 1
		grep -Eq 'expected cgroupsPath|invalid slice name|name of a systemd unit' "$T/err"
	done
	[ "$(calls StartTransientUnit)" = 0 ]
}

@test "every step of create, failing in turn, leaves no unit" {
	cfg '.linux.namespaces += [{"type": "cgroup"}]'
	THOLE_TRACE=$T/trace sd_create
	clean_container
	awk '$1 == "parent" {print $1 ":" $2}' "$T/trace" | sort -u >"$T/steps"
	[ "$(wc -l <"$T/steps")" -ge 10 ]
	while read -r s; do
		FAULT=$s refused "${s#*:}"
	done <"$T/steps"
}

@test "the runtime killed at every step: delete --force cleans up, the unit too" {
	THOLE_TRACE=$T/trace sd_create
	clean_container
	awk '$1 == "parent" {print $1 ":" $2}' "$T/trace" | sort -u >"$T/steps"
	while read -r s; do
		if FAULT_KILL=$s sd_create 3>&-; then false; fi
		rt delete --force "$ID"
		[ ! -e "$STATE/$ID" ]
		[ -z "$(cgroup_dirs)" ] || { echo "$s: $(cgroup_dirs)"; false; }
	done <"$T/steps"
}
