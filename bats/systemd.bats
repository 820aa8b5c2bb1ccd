#!/usr/bin/env bats
# The systemd cgroup manager with the real systemd as PID 1 (in the guest: tests/vm/run -d bats ...):
# the unit has the properties asked for, both places say the same, and nothing is left.

load helpers
setup() {
	setup_common
	requires root thole
	[ "$(cat /proc/1/comm)" = systemd ] || skip "systemd is not PID 1 here"
	requires v2
	UNIT=t-$ID.scope
	CG=/system.slice/$UNIT
	cfg '.linux.cgroupsPath = $p | .process.args = ["/bin/payload", "sleep", "600"]' --arg p "system.slice:t:$ID"
}
teardown() {
	clean_container
	teardown_common
}
systemd() { rt --systemd-cgroup "$@"; }
sd_create() { systemd create --bundle "$BUNDLE" "$ID" </dev/null >"$T/out" 2>"$T/err"; }
running() {
	sd_create
	rt start "$ID"
}
# A property of the unit; a file of its cgroup.
property() { systemctl show -p "$1" --value "$UNIT"; }
file() { cat "/sys/fs/cgroup$CG/$1"; }
is() { [ "$1" = "$2" ] || { echo "expected $2, got $1"; false; }; }
no_failed_unit() {
	run systemctl list-units --all --plain --no-legend 't-*' 'thole-*'
	[ -z "$output" ] || { echo "$output"; false; }
}
gone() { ! systemctl list-units --all --plain --no-legend "$UNIT" | grep -q .; }
init_pid() { rt state "$ID" | jq .pid; }

@test "a scope with what was asked for; its limits are equal in both places" {
	cfg '.annotations = {"org.systemd.property.TimeoutStopSec": "7", "org.systemd.property.CollectMode": "\"inactive-or-failed\""} |
		.linux.resources += {"memory": {"limit": 67108864, "swap": 100663296, "reservation": 33554432},
		"cpu": {"shares": 512, "quota": 25000, "period": 50000, "cpus": "0", "mems": "0"},
		"pids": {"limit": 20}, "blockIO": {"weight": 500},
		"unified": {"memory.high": "60000000", "memory.min": "4096"}}'
	running
	grep -q "^0::$CG\$" "/proc/$(init_pid)/cgroup"
	is "$(property ActiveState)" active
	is "$(property Slice)" system.slice
	is "$(property Delegate)" yes
	is "$(property DefaultDependencies)" no
	is "$(property TimeoutStopUSec)" 7s
	is "$(property CollectMode)" inactive-or-failed
	is "$(property MemoryMax) $(file memory.max)" "67108864 67108864"
	is "$(property MemorySwapMax) $(file memory.swap.max)" "33554432 33554432"
	is "$(property MemoryLow) $(file memory.low)" "33554432 33554432"
	is "$(property MemoryHigh)" 60000000
	is "$(file memory.high)" $((60000000 / 4096 * 4096))
	is "$(property MemoryMin) $(file memory.min)" "4096 4096"
	is "$(property CPUWeight) $(file cpu.weight)" "59 59"
	is "$(property CPUQuotaPerSecUSec) $(property CPUQuotaPeriodUSec) $(file cpu.max)" "500ms 50ms 25000 50000"
	is "$(property AllowedCPUs) $(file cpuset.cpus)" "0 0"
	is "$(property AllowedMemoryNodes) $(file cpuset.mems)" "0 0"
	is "$(property TasksMax) $(file pids.max)" "20 20"
	is "$(property IOWeight)" 4950
	# systemd looks at its units again: what it writes then is the same.
	systemctl daemon-reload
	is "$(file memory.max) $(file pids.max) $(file cpu.weight)" "67108864 20 59"
	is "$(file cpu.max)" "25000 50000"
}

@test "update: both places, without the global option" {
	running
	rt update --memory 134217728 --cpu-quota 12345 --cpu-period 50000 --pids-limit 9 --cpu-share 2048 --cpuset-cpus 0 "$ID"
	is "$(property MemoryMax) $(file memory.max)" "134217728 134217728"
	is "$(property TasksMax) $(file pids.max)" "9 9"
	is "$(property CPUWeight) $(file cpu.weight)" "174 174"
	is "$(property AllowedCPUs) $(file cpuset.cpus)" "0 0"
	# Whole percents there, exact here.
	is "$(property CPUQuotaPerSecUSec) $(file cpu.max)" "250ms 12345 50000"
	rt update --memory -1 "$ID"
	is "$(property MemoryMax) $(file memory.max)" "infinity max"
	# What the kernel refuses changes neither.
	run rt update --pids-limit 5 --cpuset-cpus 99 "$ID"
	status_is 1
	is "$(property TasksMax) $(file pids.max)" "9 9"
	is "$(property AllowedCPUs) $(file cpuset.cpus)" "0 0"
}

@test "device rules: those of the config, before and after daemon-reload and update" {
	cfg '.process.capabilities |= map_values(. + ["CAP_MKNOD"]) | .linux.resources.devices += [
		{"allow": true, "type": "c", "major": 4, "minor": 64, "access": "rwm"}]'
	running
	opens() { rt exec "$ID" /bin/payload mknod /dev/probe "$1" "$2"; }
	check() {
		is "$(opens 4 64)" "open: ok"
		is "$(opens 1 3)" "open: ok"
		is "$(opens 5 1)" "open: Operation not permitted"
	}
	check
	is "$(property DevicePolicy)" strict
	property DeviceAllow | grep -qx '/dev/char/4:64 rwm'
	systemctl daemon-reload
	check
	rt update --memory 134217728 "$ID"
	check
	systemctl set-property --runtime "$UNIT" MemoryHigh=100M
	systemctl daemon-reload
	check
}

@test "everything allowed stays so after daemon-reload; a hole in it stays one" {
	cfg '.process.capabilities |= map_values(. + ["CAP_MKNOD"]) | .linux.resources.devices = [
		{"allow": true, "access": "rwm"}, {"allow": false, "type": "c", "major": 4, "minor": 64, "access": "rw"}]'
	running
	check() {
		is "$(rt exec "$ID" /bin/payload mknod /dev/probe 5 1)" "open: ok"
		is "$(rt exec "$ID" /bin/payload mknod /dev/probe 4 64)" "open: Operation not permitted"
	}
	check
	systemctl daemon-reload
	check
}

oom_config() {
	cfg '.linux.resources.memory = {"limit": 16777216, "swap": 16777216} | .process.args = ["/bin/payload", "eat", "64"]'
}

@test "an OOM kill is the unit's result until delete; then the name is free" {
	[ "$(systemctl --version | awk 'NR == 1 {print $2}')" -ge 253 ] || skip "this systemd keeps no result of a scope"
	oom_config
	# For a scope that is delegated the default is to go on, without a result.
	cfg '.annotations = {"org.systemd.property.OOMPolicy": "\"stop\""}'
	running
	wait_for 60 is_status stopped
	failed() { [ "$(property Result)" = oom-kill ] && [ "$(property ActiveState)" = failed ]; }
	wait_for 20 failed
	rt delete --force "$ID"
	wait_for 20 gone
}

@test "a failed unit is forgotten by delete, or reset by who takes its name" {
	# Time enough for a slow machine to make the container.
	cfg '.annotations = {"org.systemd.property.RuntimeMaxSec": "10", "org.systemd.property.TimeoutStopSec": "1"}'
	failed() { [ "$(property ActiveState)" = failed ]; }
	sd_create
	wait_for 60 failed
	is "$(property Result)" timeout
	first=$(property InvocationID)
	rm -r "${STATE:?}/$ID"
	sd_create
	[ -n "$first" ]
	[ "$(property InvocationID)" != "$first" ]
	wait_for 60 failed
	is_status stopped
	rt delete "$ID"
	gone
}

# systemd before 253 keeps no result of a scope, and any may take the cgroup away before the shim hears
# of the exit: what the shim was told until then, or what the kernel's log says, is in the record.
@test "an OOM kill is in the exit record, though systemd takes the cgroup away" {
	oom_config
	for i in 1 2 3 4; do
		"$SHIM" start --root "$SHIM_ROOT" --id "$ID" --bundle "$BUNDLE" --runtime "$RUNTIME" --runtime-root "$STATE" \
			--runtime-arg --systemd-cgroup --log-path "$T/log" >"$T/start.out" 2>"$T/start.err" </dev/null 3>&-
		run "$SHIM" wait --root "$SHIM_ROOT" "$ID"
		status_is 137
		find "$SHIM_ROOT" -name record -path "*$ID*" -exec cat {} + >"$T/record"
		jq -e '.oom_killed == true' "$T/record" || { echo "kill $i"; cat "$T/record"; dmesg | grep oom-kill; false; }
		"$SHIM" delete --root "$SHIM_ROOT" "$ID"
		wait_for 20 gone
	done
}

@test "delete, pause, resume, kill, exec: as without systemd" {
	running
	rt exec "$ID" /bin/payload cat /proc/self/cgroup >"$T/cgroup"
	grep -q "$UNIT\|0::/\$" "$T/cgroup"
	rt pause "$ID"
	is_status paused
	is "$(file cgroup.freeze)" 1
	rt resume "$ID"
	is_status running
	rt kill "$ID" KILL
	wait_for 20 is_status stopped
	rt delete "$ID"
	gone
	running
	rt pause "$ID"
	rt delete --force "$ID"
	gone
	[ ! -e "/sys/fs/cgroup$CG" ]
}

@test "systemctl stop ends the container; delete still works" {
	cfg '.annotations = {"org.systemd.property.TimeoutStopSec": "1"}'
	running
	systemctl stop "$UNIT"
	wait_for 20 is_status stopped
	rt delete "$ID"
	gone
}

@test "run: the exit status, and no unit left" {
	cfg '.process.args = ["/bin/payload", "exit", "7"]'
	run systemd run --bundle "$BUNDLE" "$ID" </dev/null
	status_is 7
	gone
}

@test "a unit of that name that lives is left alone" {
	running
	run systemd --root "$T/other" create --bundle "$BUNDLE" "$ID" </dev/null
	status_is 1
	has "$UNIT"
	is_status running
	is "$(property ActiveState)" active
}

@test "one process; a slice of its own; a path below slices; no path" {
	cfg '.linux.resources.pids.limit = 1'
	running
	is "$(property TasksMax) $(file pids.max)" "1 1"
	rt delete --force "$ID"
	cfg '.linux.cgroupsPath = $p' --arg p "tholetest-a-b.slice:t:$ID"
	CG=/tholetest.slice/tholetest-a.slice/tholetest-a-b.slice/$UNIT
	running
	grep -q "^0::$CG\$" "/proc/$(init_pid)/cgroup"
	rt delete --force "$ID"
	gone
	cfg '.linux.cgroupsPath = "system.slice:t:tholetest-own.slice"'
	CG=/tholetest.slice/tholetest-own.slice
	running
	grep -q "^0::$CG\$" "/proc/$(init_pid)/cgroup"
	rt delete --force "$ID"
	[ ! -e "/sys/fs/cgroup$CG" ]
	cfg 'del(.linux.cgroupsPath)'
	CG=/system.slice/thole-$ID.scope
	running
	grep -q "^0::$CG\$" "/proc/$(init_pid)/cgroup"
	rt delete --force "$ID"
}

@test "a cgroup below the scope: made, limited, entered, updated, removed" {
	cfg '.annotations = {"run.oci.systemd.subgroup": "container"} | .process.capabilities |= map_values(. + ["CAP_MKNOD"]) |
		.linux.resources += {"pids": {"limit": 3},
		"memory": {"limit": 67108864}, "cpu": {"quota": 12345, "period": 50000}}'
	scope=/sys/fs/cgroup$CG
	CG=$CG/container
	running
	grep -q "^0::$CG\$" "/proc/$(init_pid)/cgroup"
	[ -z "$(cat "$scope/cgroup.procs")" ]
	is "$(wc -l <"$scope/container/cgroup.procs")" 1
	is "$(property TasksMax) $(cat "$scope/pids.max") $(file pids.max)" "3 3 3"
	is "$(property MemoryMax) $(file memory.max) $(file cpu.max)" "67108864 67108864 12345 50000"
	rt exec "$ID" /bin/payload cat /proc/self/cgroup >"$T/cgroup"
	grep -q "/$UNIT/container\$\|0::/\$" "$T/cgroup"
	systemctl daemon-reload
	rt update --pids-limit 9 "$ID"
	is "$(property TasksMax) $(cat "$scope/pids.max") $(file pids.max)" "9 9 9"
	is "$(rt exec "$ID" /bin/payload mknod /dev/probe 1 3)" "open: ok"
	is "$(rt exec "$ID" /bin/payload mknod /dev/probe 5 1)" "open: Operation not permitted"
	rt pause "$ID"
	is_status paused
	rt resume "$ID"
	rt delete --force "$ID"
	gone
	[ ! -e "$scope" ]
	# What is no name of a cgroup below it.
	cfg '.annotations = {"run.oci.systemd.subgroup": "../../x"}'
	run systemd create --bundle "$BUNDLE" "$ID" </dev/null
	status_is 1
	has "is no name of a cgroup"
}

@test "checkpoint and restore: the unit is made anew, with its limits" {
	dir=$("$BATS_TEST_DIRNAME/../tests/lib/criu") || skip "criu does not work on this kernel"
	# Another suite's does not get on with the iptables of this one.
	[[ $dir != */criu-bin ]] || skip "criu is not installed here"
	PATH=$dir:$PATH
	n() { head -n 1 "$BUNDLE/rootfs/tmp/n"; }
	above() { [ "$(n)" -gt "$1" ]; }
	cfg '.process.args = ["/bin/payload", "count", "/tmp/n"] | .linux.resources.pids.limit = 5'
	systemd run --detach --bundle "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	wait_for 60 above 3
	rt checkpoint --image-path "$T/img" "$ID"
	gone
	last=$(n)
	systemd --log "$T/log" restore --detach --bundle "$BUNDLE" --image-path "$T/img" "$ID" </dev/null >/dev/null 2>&1 ||
		{ cat "$T/log"; false; }
	wait_for 60 above "$last"
	[ "$(n)" -lt $((last + 2000)) ]
	grep -q "^0::$CG\$" "/proc/$(init_pid)/cgroup"
	is "$(property ActiveState)" active
	is "$(property TasksMax) $(file pids.max) $(file pids.current)" "5 5 1"
	rt delete --force "$ID"
	gone
}

@test "controllers that systemd does not know are limited too" {
	grep -qw hugetlb /sys/fs/cgroup/cgroup.controllers || skip "no hugetlb controller in this layout"
	cfg '.linux.resources.hugepageLimits = [{"pageSize": "2MB", "limit": 4194304}]'
	running
	is "$(file hugetlb.2MB.max)" 4194304
	systemctl daemon-reload
	is "$(file hugetlb.2MB.max)" 4194304
}

@test "50 containers at a time; no failed unit is left" {
	one() { # NUMBER
		local id=$ID-$1 b=$T/b$1
		"$RUNTIME" --root "$STATE" --systemd-cgroup create --bundle "$b" "$id" </dev/null >/dev/null 2>"$b/err" 3>&- &&
			"$RUNTIME" --root "$STATE" start "$id" 2>>"$b/err" &&
			[ -e "/sys/fs/cgroup/system.slice/t-$id.scope" ] &&
			"$RUNTIME" --root "$STATE" delete --force "$id" 2>>"$b/err" && : >"$b/done"
	}
	cfg '.linux.resources.memory = {"limit": 33554432} | .root = {"path": $r, "readonly": true} |
		.linux.cgroupsPath = "system.slice:t:@ID@"' --arg r "$BUNDLE/rootfs"
	config=$(<"$BUNDLE/config.json")
	pids=()
	for i in {1..50}; do
		mkdir "$T/b$i"
		printf '%s' "${config/@ID@/$ID-$i}" >"$T/b$i/config.json"
	done
	for i in {1..50}; do
		one "$i" 3>&- &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i" || true; done
	n=$(find "$T" -maxdepth 2 -name 'done' | wc -l)
	[ "$n" -eq 50 ] || { echo "$n of 50"; sort "$T"/b*/err | uniq -c | head; false; }
	no_failed_unit
	[ -z "$(ls "$STATE")" ]
}

@test "rootless: the user's systemd, from within and from outside of its part of the tree" {
	command -v loginctl >/dev/null || skip "needs logind"
	user=tholetest
	id "$user" >/dev/null 2>&1 || useradd -m "$user"
	uid=$(id -u "$user")
	loginctl enable-linger "$user" || systemctl start "user@$uid.service"
	wait_for 60 test -S "/run/user/$uid/bus" || { systemctl status "user@$uid" || true; skip "no user's systemd"; }
	as_user() { setpriv --reuid "$uid" --regid "$(id -g "$user")" --init-groups \
		env -u DBUS_SYSTEM_BUS_ADDRESS HOME="/home/$user" XDG_RUNTIME_DIR="/run/user/$uid" "$@"; }
	chmod 755 "$T" "$BUNDLE"
	rm "$BUNDLE/config.json"
	chown -R "$user" "$BUNDLE"
	(cd "$BUNDLE" && as_user "$RUNTIME" spec --rootless)
	chown "$user" "$BUNDLE/config.json"
	cfg '.process.args = ["/bin/payload", "sleep", "600"] | .process.terminal = false | .linux.resources = {"memory": {"limit": 67108864},
		"pids": {"limit": 20}} | .linux.cgroupsPath = $p' --arg p "user.slice:t:$ID"
	chown "$user" "$BUNDLE/config.json"
	urt() { as_user "$RUNTIME" --systemd-cgroup "$@"; }
	CG=/user.slice/user-$uid.slice/user@$uid.service/user.slice/$UNIT
	show() { as_user systemctl --user show -p "$1" --value "$UNIT"; }

	(cd "$BUNDLE" && urt create "$ID" </dev/null >"$T/out" 2>"$T/err") || { cat "$T/err"; false; }
	pid=$(urt state "$ID" | jq .pid)
	grep -q "^0::$CG\$" "/proc/$pid/cgroup"
	is "$(show MemoryMax) $(file memory.max)" "67108864 67108864"
	is "$(show TasksMax) $(file pids.max)" "20 20"
	urt start "$ID"
	urt exec "$ID" /bin/payload id >/dev/null
	# Without the environment that named the bus: the state knows it.
	as_user env -u XDG_RUNTIME_DIR "$RUNTIME" --root "/run/user/$uid/thole" update --memory 134217728 "$ID"
	is "$(show MemoryMax) $(file memory.max)" "134217728 134217728"
	urt pause "$ID"
	urt resume "$ID"
	as_user env -u XDG_RUNTIME_DIR "$RUNTIME" --root "/run/user/$uid/thole" delete --force "$ID"
	[ ! -e "/sys/fs/cgroup$CG" ]

	# From a scope of the user's own: init is born in the container's.
	(cd "$BUNDLE" && as_user systemd-run --user --scope -q "$RUNTIME" --systemd-cgroup create "$ID" </dev/null >"$T/out" 2>"$T/err") ||
		{ cat "$T/err"; false; }
	pid=$(urt state "$ID" | jq .pid)
	grep -q "^0::$CG\$" "/proc/$pid/cgroup"
	urt delete --force "$ID"
	[ -z "$(as_user systemctl --user list-units --all --plain --no-legend "$UNIT")" ]

	# Root of the user's namespace: auto finds the user's manager.
	cfg 'del(.linux.uidMappings, .linux.gidMappings) | .linux.namespaces |= map(select(.type != "user"))'
	(cd "$BUNDLE" && as_user systemd-run --user --scope -q unshare -Ur "$RUNTIME" --systemd-cgroup --root "/run/user/$uid/t2" \
		create "$ID" </dev/null >"$T/out" 2>"$T/err") || { cat "$T/err"; false; }
	[ -e "/sys/fs/cgroup$CG" ]
	is "$(jq -r .cgroup.user "/run/user/$uid/t2/$ID/state.json")" true
	"$RUNTIME" --root "/run/user/$uid/t2" delete --force "$ID"
	as_user systemctl --user stop "$UNIT" 2>/dev/null || true
}
