#!/usr/bin/env bats
# An ordinary user without any privilege: with a delegated cgroup (given by chown, or by the user's own
# systemd) and without. On pure v2 with all controllers: tests/vm/run [-d] bats bats/delegated.bats

load helpers
setup() {
	setup_common
	requires root userns v2
	REAL=$RUNTIME
	# What an ordinary user can reach.
	cp "$REAL" "$T/$RT_NAME"
	RUNTIME=$T/$RT_NAME
	mkdir -p "$STATE"
	cfg '.linux.namespaces += [{"type": "user"}]
		| .linux.uidMappings = [{"containerID": 0, "hostID": $u, "size": 1}]
		| .linux.gidMappings = [{"containerID": 0, "hostID": $u, "size": 1}]
		| .linux.resources = {} | del(.linux.cgroupsPath)
		| .mounts |= map(select(.type != "sysfs") | if .type == "devpts" then .options -= ["gid=5"] else . end)' --argjson u $U
	chown -R $U:$U "$STATE" "$BUNDLE"
	PARENT=
}
teardown() {
	as delete --force "$ID" >/dev/null 2>&1 || true
	if [ -n "$PARENT" ]; then
		find "${PARENT%/*}" -depth -type d -exec rmdir {} + || true
		[ ! -d "${PARENT%/*}" ]
	fi
	teardown_common
}
U=54321
# As the user, in the cgroup that it was given, if any.
as() { in_cgroup setpriv --reuid $U --regid $U --clear-groups env -u XDG_RUNTIME_DIR "$RUNTIME" --root "$STATE" "$@" </dev/null; }
in_cgroup() {
	sh -c 'if [ -n "$1" ]; then echo $$ >"$1/cgroup.procs"; fi; shift; exec "$@"' sh "${PARENT:+$PARENT/shell}" "$@"
}
# What an administrator, or systemd, gives: a cgroup of the user's own, its controllers handed on.
delegate() {
	local c above=/sys/fs/cgroup/thole-test-user-$ID
	PARENT=$above/own
	mkdir "$above" "$PARENT" "$PARENT/shell"
	for c in memory pids cpu hugetlb; do
		grep -qw $c "$above/cgroup.controllers" || continue
		echo +$c >"$above/cgroup.subtree_control"
		echo +$c >"$PARENT/cgroup.subtree_control"
	done
	chown $U "$PARENT" "$PARENT"/cgroup.{procs,threads,subtree_control} "$PARENT/shell" "$PARENT"/shell/cgroup.{procs,threads,subtree_control}
	cfg '.linux.cgroupsPath = $p' --arg p "${PARENT#/sys/fs/cgroup}/ct"
}
create() { as create --bundle "$BUNDLE" --pid-file "$T/state/pid" "$ID" >"$T/out" 2>"$T/err" || { cat "$T/err"; return 1; }; }

@test "without a delegated cgroup: run, exec, kill, delete" {
	args id
	run as run --bundle "$BUNDLE" "$ID"
	status_is 0
	has "uid 0 0 0"
	args sleep 60
	create
	as start "$ID"
	run as exec "$ID" /bin/payload echo inside
	status_is 0
	[ "$output" = inside ]
	[ "$(as state "$ID" | jq -r .status)" = running ]
	as kill "$ID" KILL
	wait_for 10 eval '[ "$(as state "$ID" | jq -r .status)" = stopped ]'
	as delete "$ID"
}

@test "without a delegated cgroup: a limit that cannot be set is an error that names it" {
	requires memory
	cfg '.linux.resources = {"memory": {"limit": 33554432}}'
	args id
	run as run --bundle "$BUNDLE" "$ID"
	status_is 1
	has "cgroup"
	[ ! -e "$STATE/$ID" ]
}

@test "with a delegated cgroup: limits are set and bite, all commands work" {
	requires memory pids cpu
	delegate
	cfg '.linux.resources = {"memory": {"limit": 33554432, "swap": 33554432}, "pids": {"limit": 20}, "cpu": {"quota": 50000, "period": 100000}}'
	args sleep 60
	create
	as start "$ID"
	[ "$(cat "$PARENT/ct/memory.max")" = 33554432 ]
	[ "$(cat "$PARENT/ct/pids.max")" = 20 ]
	[ "$(cat "$PARENT/ct/cpu.max")" = "50000 100000" ]
	[ "$(cat "$PARENT/ct/cgroup.procs" | wc -l)" -eq 1 ]
	run as exec "$ID" /bin/payload eat 200
	status_is 137
	as update --pids-limit 30 --memory 64m --memory-swap 64m "$ID"
	[ "$(cat "$PARENT/ct/pids.max")" = 30 ]
	[ "$(cat "$PARENT/ct/memory.max")" = 67108864 ]
	as pause "$ID"
	[ "$(as state "$ID" | jq -r .status)" = paused ]
	as resume "$ID"
	as events --stats "$ID" | jq -e '.data.pids.current == 1 and .data.memory.usage.limit == 67108864'
	[ "$(as ps -f json "$ID" | jq length)" -eq 1 ]
	as delete --force "$ID"
	[ ! -d "$PARENT/ct" ]
}

@test "with a delegated cgroup: a controller that was handed on above is enough" {
	[ -e /sys/kernel/mm/hugepages/hugepages-2048kB ] || skip "no huge pages of 2 MiB"
	delegate
	# systemd takes back what it has not given itself.
	grep -qw hugetlb "$PARENT/cgroup.controllers" || skip "no hugetlb controller in this layout"
	cfg '.linux.resources = {"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}]}'
	args sleep 60
	create
	[ "$(cat "$PARENT/ct/hugetlb.2MB.max")" = 4194304 ]
}

@test "with a delegated cgroup: what the user was not given is refused and named" {
	requires memory cpuset
	delegate
	cfg '.linux.resources = {"cpu": {"cpus": "0"}}'
	args id
	run as run --bundle "$BUNDLE" "$ID"
	status_is 1
	has "cpuset"
	[ ! -d "$PARENT/ct" ]
}

@test "with a delegated cgroup: all processes end, also without a pid namespace" {
	requires pids
	delegate
	cfg 'del(.linux.namespaces[] | select(.type == "pid"))'
	cfg '.mounts |= map(select(.type != "proc" and .type != "mqueue")) | .linux.maskedPaths = [] | .linux.readonlyPaths = []'
	args forks 5 60
	create
	as start "$ID"
	wait_for 10 eval '[ "$(wc -l <"$PARENT/ct/cgroup.procs")" -eq 6 ]'
	as delete --force "$ID"
	[ ! -d "$PARENT/ct" ]
}

@test "through the user's own systemd: its controllers, in a service of the user's" {
	requires thole
	[ "$(cat /proc/1/comm)" = systemd ] || skip "systemd is not PID 1 here"
	local user=thole-test
	id $user >/dev/null 2>&1 || useradd -u $U -m $user
	systemctl start "user@$U.service"
	cfg '.linux.resources = {"memory": {"limit": 33554432, "swap": 33554432}, "pids": {"limit": 20}}'
	args cat /proc/self/cgroup + sleep 60
	# Delegate=yes: the service's own cgroup is the user's to divide; the shell moves aside.
	cat >"$T/state/go" <<-'SH'
		me=/sys/fs/cgroup$(sed 's/^0:://' /proc/self/cgroup)
		mkdir "$me/shell" && echo $$ >"$me/shell/cgroup.procs" || exit 3
		jq --arg c "${me#/sys/fs/cgroup}/ct" '.linux.cgroupsPath = $c' "$1/config.json" >"$1/config.new" && mv "$1/config.new" "$1/config.json"
		"$2" --root "$3" create --bundle "$1" ct </dev/null >/dev/null || exit 4
		"$2" --root "$3" start ct || exit 5
		cat "$me/ct/memory.max" "$me/ct/pids.max"
		"$2" --root "$3" exec ct /bin/payload eat 200 && exit 6
		grep "^oom_kill " "$me/ct/memory.events"
		"$2" --root "$3" pause ct && "$2" --root "$3" state ct | jq -r .status
		"$2" --root "$3" delete --force ct
		[ ! -d "$me/ct" ] && echo gone
	SH
	chmod 644 "$T/state/go"
	run setpriv --reuid $U --regid $U --init-groups env "XDG_RUNTIME_DIR=/run/user/$U" "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/$U/bus" \
		systemd-run --user --wait --pipe -q -p Delegate=yes sh "$T/state/go" "$BUNDLE" "$RUNTIME" "$STATE" </dev/null
	systemctl stop "user@$U.service"
	status_is 0
	has "$(printf '33554432\n20')"
	has "oom_kill "
	has_not "oom_kill 0"
	has paused
	has gone
}
