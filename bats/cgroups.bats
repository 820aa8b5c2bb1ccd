#!/usr/bin/env bats
# Cgroups: placement, limits that bite, device rules, removal.

load helpers
setup() { setup_common; }
teardown() { clean_container; teardown_common; }

v1file() { cat "/sys/fs/cgroup/$1$CG/$2"; }

@test "the container is in its cgroup of every hierarchy before it does anything" {
	args cat /proc/self/cgroup
	run ct_run
	status_is 0
	local lines placed
	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
		has "0::$CG"
		return
	fi
	lines=$(printf '%s\n' "$output" | grep -vc '^0::') || true
	placed=$(printf '%s\n' "$output" | grep -v '^0::' | grep -c "$CG") || true
	[ "$lines" -eq "$placed" ]
}

@test "v1: limits are written" {
	requires v1 memory_v1
	cfg '.linux.resources += {"memory": {"limit": 67108864, "reservation": 33554432},
		"cpu": {"shares": 512, "quota": 50000, "period": 100000, "cpus": "0"}, "pids": {"limit": 17}}'
	args sleep 30
	ct_create
	[ "$(v1file memory memory.limit_in_bytes)" = 67108864 ]
	[ "$(v1file memory memory.soft_limit_in_bytes)" = 33554432 ]
	[ "$(v1file cpu cpu.shares)" = 512 ]
	[ "$(v1file cpu cpu.cfs_quota_us)" = 50000 ]
	[ "$(v1file cpuset cpuset.cpus)" = 0 ]
	[ "$(v1file pids pids.max)" = 17 ]
}

@test "pids limit bites" {
	requires pids
	cfg '.linux.resources.pids = {"limit": 5}'
	args forks 20
	run ct_run
	has "forks 4 of 20"
}

@test "memory limit: the OOM killer strikes, the status says 137" {
	requires memory_v1
	cfg '.linux.resources.memory = {"limit": 33554432}'
	cfg 'del(.linux.namespaces[] | select(.type == "pid"))'
	args eat 200
	run ct_run
	status_is 137
}

@test "a container starts with a very small memory limit" {
	requires memory_v1 thole
	cfg '.linux.resources.memory = {"limit": 2097152}'
	args echo small
	run ct_run
	status_is 0
	[ "$output" = small ]
}

@test "a container starts with a memory limit of 512 KiB; with too little it is told" {
	requires memory thole
	args echo small
	cfg '.linux.resources.memory = {"limit": 524288}'
	for _ in 1 2 3 4 5; do
		run ct_run
		status_is 0
		[ "$output" = small ]
	done
	# create, start, exec and delete too, and as the engines set it: with swap.
	cfg '.linux.resources.memory = {"limit": 524288, "swap": 524288}'
	[ -e /sys/fs/cgroup/memory/memory.limit_in_bytes ] && [ ! -e /sys/fs/cgroup/memory/memory.memsw.limit_in_bytes ] &&
		cfg 'del(.linux.resources.memory.swap)'
	args pause
	# Each processor may keep 64 pages aside of what the cgroup has, and be late to give them back.
	for _ in 1 2 3; do
		ct_create
		ct_start
		run rt exec "$ID" /bin/payload echo inside
		rt delete --force "$ID"
		[ "$status" -ne 0 ] || break
	done
	status_is 0
	[ "$output" = inside ]
	cfg '.linux.resources.memory = {"limit": 40960}'
	run ct_run
	status_is 1
	one_line_with "container init was OOM-killed (memory limit too low?)"
	[ ! -e "$STATE/$ID" ]
	[ -z "$(cgroup_dirs)" ]
}

@test "device rules: denied by default, allowed when listed" {
	cfg '.process.capabilities.bounding += ["CAP_MKNOD"] | .process.capabilities.effective += ["CAP_MKNOD"]
		| .process.capabilities.permitted += ["CAP_MKNOD"]'
	args mknod /dev/x 10 237 + open /dev/null
	run ct_run
	has "open: Operation not permitted"
	has "open /dev/null: empty"
	cfg '.linux.resources.devices += [{"allow":true,"type":"c","major":10,"minor":237,"access":"rw"}]'
	run ct_run
	has_not "open: Operation not permitted"
	cfg '.linux.resources.devices += [{"allow":false,"type":"c","major":10,"minor":237,"access":"rw"}]'
	run ct_run
	has "open: Operation not permitted"
}

@test "device rules: allow all" {
	cfg '.process.capabilities.bounding += ["CAP_MKNOD"] | .process.capabilities.effective += ["CAP_MKNOD"]
		| .process.capabilities.permitted += ["CAP_MKNOD"] | .linux.resources.devices = [{"allow":true,"access":"rwm"}]'
	args mknod /dev/x 10 237
	run ct_run
	has_not "Operation not permitted"
}

@test "a limit that the kernel refuses is named, and nothing is left" {
	requires memory_v1
	cfg '.linux.resources.cpu = {"cpus": "999"}'
	run ct_run
	status_is 1
	has "cpuset"
	[ -z "$(cgroup_dirs)" ]
	[ ! -e "$STATE/$ID" ]
}

@test "a controller that is not there is an error when a limit is asked for" {
	requires thole
	[ ! -d /sys/fs/cgroup/net_cls ] || skip "net_cls is mounted here"
	cfg '.linux.resources.network = {"classID": 7}'
	run ct_run
	status_is 1
	has "linux.resources.network"
}

@test "a cgroup that has processes is refused" {
	requires runc_like
	args sleep 30
	ct_create
	run bash -c '"$@" </dev/null >"$0" 2>&1 || { cat "$0"; false; }' "$T/second" "$RUNTIME" --root "$STATE" create --bundle "$BUNDLE" "$ID-2"
	status_is 1
	has "not empty"
	is_status created
}

@test "the cgroup goes with the container, its parent stays" {
	args id
	ct_run
	[ -z "$(cgroup_dirs)" ]
}

@test "nested cgroups made inside are removed" {
	requires v1
	args sleep 30
	ct_create
	ct_start
	mkdir -p "/sys/fs/cgroup/memory$CG/a/b"
	rt delete --force "$ID"
	[ ! -d "/sys/fs/cgroup/memory$CG" ]
}

@test "unified: on v1 it is refused" {
	requires v1 thole
	cfg '.linux.resources.unified = {"memory.high": "1000000"}'
	run ct_run
	status_is 1
	has "unified"
}

@test "pure v2: clone into the cgroup, freeze, kill" {
	requires v2
	args forks 5 30
	ct_create
	ct_start
	wait_for 5 grep -q forks "$T/out"
	[ "$(wc -l <"/sys/fs/cgroup$CG/cgroup.procs")" -eq 6 ]
	rt delete --force "$ID"
	[ ! -d "/sys/fs/cgroup$CG" ]
}
