#!/usr/bin/env bats
# Namespaces: new, joined, inherited; id maps; time offsets.

load helpers
setup() { setup_common; }
teardown() { clean_container; teardown_common; }

ns_of() { printf '%s\n' "$output" | sed -n "s/^$1:\[\(.*\)\]$/\1/p"; }
host_ns() { readlink "/proc/self/ns/$1" | sed 's/.*\[\(.*\)\]/\1/'; }

@test "listed namespaces are new, the others inherited" {
	args ns
	run ct_run
	status_is 0
	for n in pid net ipc uts mnt; do [ "$(ns_of $n)" != "$(host_ns $n)" ]; done
	for n in user time; do [ "$(ns_of $n)" = "$(host_ns $n)" ]; done
}

@test "cgroup namespace" {
	cfg '.linux.namespaces += [{"type": "cgroup"}]'
	args ns + cat /proc/self/cgroup
	run ct_run
	status_is 0
	[ "$(ns_of cgroup)" != "$(host_ns cgroup)" ]
	has_not "$CG"
}

@test "namespaces joined by path" {
	unshare -n -u -i sleep 100 &
	local p=$!
	wait_for 5 eval '[ "$(readlink /proc/self/ns/net)" != "$(readlink /proc/'$p'/ns/net)" ]'
	cfg '.linux.namespaces = [{"type":"pid"},{"type":"mount"},
		{"type":"network","path":$n},{"type":"uts","path":$u},{"type":"ipc","path":$i}] | del(.hostname)' \
		--arg n /proc/$p/ns/net --arg u /proc/$p/ns/uts --arg i /proc/$p/ns/ipc
	args ns
	run ct_run
	kill $p
	status_is 0
	[ "$(ns_of net)" != "$(host_ns net)" ]
}

@test "a joined pid namespace: same namespace, not pid 1" {
	args sleep 60
	ct_create
	ct_start
	local p
	p=$(cat "$T/pid")
	cp -r "$BUNDLE" "$T/second"
	jq --arg p "/proc/$p/ns/pid" --arg c "$CG-b" '.linux.namespaces = [{"type":"mount"},{"type":"pid","path":$p}]
		| del(.hostname) | .linux.cgroupsPath = $c | .process.args = ["/bin/payload","id","+","ns"]' \
		"$BUNDLE/config.json" >"$T/second/config.json"
	run rt run --bundle "$T/second" "$ID-b" </dev/null
	status_is 0
	has_not "pid 1
"
	[ "$(ns_of pid)" = "$(readlink /proc/"$p"/ns/pid | sed 's/.*\[\(.*\)\]/\1/')" ]
}

@test "a path of another type is an error" {
	cfg '.linux.namespaces |= map(if .type == "network" then .path = "/proc/self/ns/uts" else . end)'
	args id
	run ct_run
	status_is 1
	[ ! -e "$STATE/$ID" ]
}

@test "a duplicated and an unknown namespace" {
	requires runc_like
	cfg '.linux.namespaces += [{"type": "pid"}]'
	run ct_run
	status_is 1
	has "duplicated ns"
	default_config >"$BUNDLE/config.json"
	cfg '.linux.namespaces += [{"type": "nosuch"}]'
	run ct_run
	status_is 1
	has "nosuch"
}

@test "user namespace: maps, root inside, devices, owner of files" {
	requires userns
	cfg '.linux.namespaces += [{"type":"user"}]
		| .linux.uidMappings = [{"containerID":0,"hostID":100000,"size":65536}]
		| .linux.gidMappings = [{"containerID":0,"hostID":200000,"size":65536}]'
	chown -R 100000:200000 "$BUNDLE/rootfs"
	args id + cat /proc/self/uid_map /proc/self/gid_map + stat /dev/null /bin/payload /dev/pts + write /dev/null x
	run ct_run
	status_is 0
	has "uid 0 0 0"
	has "0     100000      65536"
	has "0     200000      65536"
	has "/dev/null type 20000"
	has "/bin/payload type 100000 mode 0755 uid 0 gid 0"
	has "write /dev/null: ok"
}

@test "user namespace: another user inside, ambient capability" {
	requires userns
	cfg '.linux.namespaces += [{"type":"user"}]
		| .linux.uidMappings = [{"containerID":0,"hostID":100000,"size":65536}]
		| .linux.gidMappings = [{"containerID":0,"hostID":100000,"size":65536}]
		| .process.user = {"uid": 1000, "gid": 1000, "additionalGids": [7]}'
	args id
	run ct_run
	status_is 0
	has "uid 1000 1000 1000"
	has "groups 7"
}

@test "user namespace joined by path" {
	requires userns
	unshare -U sleep 100 &
	local p=$!
	sleep 0.3
	printf '0 100000 65536\n' >/proc/$p/uid_map
	printf '0 100000 65536\n' >/proc/$p/gid_map
	chown -R 100000:100000 "$BUNDLE/rootfs"
	cfg '.linux.namespaces += [{"type":"user","path":$u}]' --arg u /proc/$p/ns/user
	args id + cat /proc/self/uid_map + ns
	run ct_run
	kill $p
	status_is 0
	has "uid 0 0 0"
	has "100000"
}

@test "time namespace: offsets of both clocks" {
	requires timens
	requires runc_like
	cfg '.linux.namespaces += [{"type":"time"}]
		| .linux.timeOffsets = {"monotonic": {"secs": 7654321}, "boottime": {"secs": 1234567}}'
	args time
	run ct_run
	[[ "$status" -eq 0 ]] || { [[ "$output" == *"not exist"* || "$output" == *timeOffsets* ]] && [ "$RT_NAME" != thole ] && skip "this $RT_NAME has no time namespaces"; }
	status_is 0
	[ "$(printf '%s\n' "$output" | awk '/monotonic/{print ($2 > 7654321)}')" = 1 ]
	[ "$(printf '%s\n' "$output" | awk '/boottime/{print ($2 > 1234567 && $2 < 7654321)}')" = 1 ]
}

@test "time namespace together with a user namespace" {
	requires timens userns thole
	cfg '.linux.namespaces += [{"type":"time"},{"type":"user"}]
		| .linux.uidMappings = [{"containerID":0,"hostID":100000,"size":65536}]
		| .linux.gidMappings = [{"containerID":0,"hostID":100000,"size":65536}]
		| .linux.timeOffsets = {"monotonic": {"secs": 7654321}}'
	args time
	run ct_run
	status_is 0
	[ "$(printf '%s\n' "$output" | awk '/monotonic/{print ($2 > 7654321)}')" = 1 ]
}

@test "no namespaces but mount: host's network and pids" {
	cfg '.linux.namespaces = [{"type":"mount"}] | del(.hostname) | .mounts |= map(select(.type != "sysfs"))'
	args ns + id
	run ct_run
	status_is 0
	[ "$(ns_of net)" = "$(host_ns net)" ]
	[ "$(ns_of pid)" = "$(host_ns pid)" ]
}
