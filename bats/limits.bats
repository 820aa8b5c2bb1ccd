#!/usr/bin/env bats
# Pure cgroup v2: every controller's limits written, biting, updated and shown; device programs,
# freezer, kill, delegation. A machine with all controllers: tests/vm/run.

load helpers
setup() {
	setup_common
	requires root v2
}
teardown() {
	clean_container
	[ -z "${DISK:-}" ] || umount "$DISK"
	teardown_common
}

file() { cat "/sys/fs/cgroup$CG/$1"; }
file_is() { # NAME TEXT
	[ "$(file "$1")" = "$2" ] || { echo "$1: $(file "$1"), not $2"; return 1; }
}
key() { awk -v k="$2" '$1 == k { print $2 }' "/sys/fs/cgroup$CG/$1"; }
running() { # PAYLOAD-ARGS...
	if [ $# -gt 0 ]; then args "$@"; else args sleep 60; fi
	ct_create
	ct_start
}
pid() { rt state "$ID" | jq .pid; }
stats() { rt events --stats "$ID"; }
# A file system of the test's own on a block device: $DISK, its device $DEV (MAJOR:MINOR).
disk() {
	mkdir "$T/disk"
	truncate -s 64M "$T/disk.img"
	mkfs.ext4 -q -O ^has_journal "$T/disk.img"
	mount -o loop "$T/disk.img" "$T/disk"
	DISK=$T/disk
	DEV=$(stat -c '%Hd:%Ld' "$DISK")
}

@test "limits of every controller are in its files" {
	requires memory cpu cpuset pids thole
	cfg '.linux.resources += {
		"memory": {"limit": 67108864, "reservation": 33554432, "swap": 100663296},
		"cpu": {"shares": 512, "quota": 50000, "period": 100000, "cpus": "0", "mems": "0"},
		"pids": {"limit": 17},
		"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}],
		"unified": {"memory.high": "60000000", "cgroup.max.depth": "3"}}'
	! kernel 5.15 || cfg '.linux.resources.cpu.burst = 10000'
	running
	file_is memory.max 67108864
	file_is memory.low 33554432
	file_is memory.swap.max 33554432
	file_is memory.high 59998208
	file_is cpu.weight 59 # as runc 1.3 converts shares
	file_is cpu.max "50000 100000"
	! kernel 5.15 || file_is cpu.max.burst 10000
	file_is cpuset.cpus 0
	file_is cpuset.mems 0
	file_is pids.max 17
	file_is hugetlb.2MB.max 4194304
	file_is cgroup.max.depth 3
}

@test "memory.max: the OOM kill is in the status and the events" {
	requires memory thole
	cfg '.linux.resources.memory = {"limit": 33554432, "swap": 33554432}'
	args sleep 60
	ct_create
	rt events --interval 60s "$ID" >"$T/events" 2>&1 3>&- &
	local stream=$!
	ct_start
	rt exec "$ID" /bin/payload eat 200 </dev/null && rc=0 || rc=$?
	[ "$rc" -eq 137 ]
	is_status running
	[ "$(key memory.events oom_kill)" -ge 1 ]
	wait_for 10 grep -q '"type":"oom"' "$T/events"
	rt delete --force "$ID"
	wait_for 10 eval '! kill -0 '"$stream"
	args eat 200
	run ct_run
	status_is 137
}

@test "memory.max: a container starts with very little" {
	requires memory thole
	cfg '.linux.resources.memory = {"limit": 2097152}'
	args echo small
	run ct_run
	status_is 0
	[ "$output" = small ]
}

@test "memory.oom.group: all die together" {
	requires memory thole
	cfg '.linux.resources += {"memory": {"limit": 33554432, "swap": 33554432}, "unified": {"memory.oom.group": "1"}}'
	running
	rt exec "$ID" /bin/payload eat 200 </dev/null || true
	wait_for 10 is_status stopped
}

@test "pids.max bites, and exec is counted, too" {
	requires pids
	cfg '.linux.resources.pids = {"limit": 3}'
	running forks 20 60
	wait_for 10 grep -q "forks 2 of 20" "$T/out"
	[ "$(awk '$1 == "max" { print $2 }' "/sys/fs/cgroup$CG/pids.events")" -ge 1 ]
	run rt exec "$ID" /bin/payload echo full </dev/null
	status_is 255
	has "resource temporarily unavailable"
	# Two more: while it joins, an exec is a helper and its child.
	rt update --pids-limit 5 "$ID"
	run rt exec "$ID" /bin/payload echo room </dev/null
	has room
}

@test "cpu.max throttles, and events say so" {
	requires cpu
	cfg '.linux.resources.cpu = {"quota": 5000, "period": 50000}'
	running spin 60
	wait_for 20 eval '[ "$(key cpu.stat nr_throttled)" -gt 2 ]'
	stats | jq -e '.data.cpu.throttling | .periods > 2 and .throttledPeriods > 2 and .throttledTime > 0'
}

@test "cpuset: the processes run where they are told" {
	requires cpuset
	cfg '.linux.resources.cpu = {"cpus": "0", "mems": "0"}'
	running
	[ "$(awk '/^Cpus_allowed_list/ { print $2 }' "/proc/$(pid)/status")" = 0 ]
	[ "$(nproc)" -gt 1 ] || skip "one processor only"
	rt update --cpuset-cpus 1 "$ID"
	[ "$(awk '/^Cpus_allowed_list/ { print $2 }' "/proc/$(pid)/status")" = 1 ]
	run rt update --cpuset-cpus 999 "$ID"
	status_is 1
	has cpuset
	file_is cpuset.cpus 1
}

@test "a limit that the kernel refuses is named, and nothing is left" {
	requires cpuset
	cfg '.linux.resources.cpu = {"cpus": "999"}'
	run ct_run
	status_is 1
	has "cpuset"
	[ -z "$(cgroup_dirs)" ]
	[ ! -e "$STATE/$ID" ]
}

@test "io.max: written, biting, shown" {
	requires io thole
	disk
	cfg '.linux.resources.blockIO = {
		"throttleWriteBpsDevice": [{"major": $a, "minor": $b, "rate": 2097152}],
		"throttleReadIOPSDevice": [{"major": $a, "minor": $b, "rate": 500}]}' \
		--argjson a "${DEV%:*}" --argjson b "${DEV#*:}"
	running
	file_is io.max "$DEV rbps=max wbps=2097152 riops=500 wiops=max"
	# From outside, in the container's cgroup: four megabytes at two a second.
	local start=${EPOCHREALTIME/./}
	sh -c 'echo $$ >"$1/cgroup.procs"; exec dd if=/dev/zero of="$2/file" bs=1M count=4 oflag=direct status=none' \
		sh "/sys/fs/cgroup$CG" "$DISK"
	[ $((${EPOCHREALTIME/./} - start)) -gt 1000000 ]
	grep -q "^$DEV .*wbytes=4" "/sys/fs/cgroup$CG/io.stat"
	stats | jq -e --argjson a "${DEV%:*}" --argjson b "${DEV#*:}" \
		'.data.blkio.ioServiceBytesRecursive[] | select(.major == $a and (.minor // 0) == $b and .op == "Write" and .value >= 4194304)'
	rt update --resources=- "$ID" <<<"{\"blockIO\": {\"throttleWriteBpsDevice\": [{\"major\": ${DEV%:*}, \"minor\": ${DEV#*:}, \"rate\": 8388608}]}}"
	grep -q "^$DEV .*wbps=8388608" "/sys/fs/cgroup$CG/io.max"
}

@test "hugetlb: the limit bites" {
	requires thole
	[ -e /sys/kernel/mm/hugepages/hugepages-2048kB ] || skip "no huge pages of 2 MiB"
	grep -qw hugetlb /sys/fs/cgroup/cgroup.controllers || skip "no hugetlb controller in this layout"
	cfg '.linux.resources.hugepageLimits = [{"pageSize": "2MB", "limit": 2097152}]'
	running
	file_is hugetlb.2MB.max 2097152
	run rt update --resources=- "$ID" <<<'{"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}]}'
	status_is 0
	file_is hugetlb.2MB.max 4194304
}

@test "update: every controller, twice, and what is not named stays" {
	requires memory cpu cpuset pids thole
	running
	rt update --memory 128m --memory-swap 256m --memory-reservation 64m --pids-limit 50 --cpu-share 2048 \
		--cpu-quota 20000 --cpu-period 50000 --cpuset-cpus 0 --cpuset-mems 0 "$ID"
	file_is memory.max 134217728
	file_is memory.swap.max 134217728
	file_is memory.low 67108864
	file_is pids.max 50
	file_is cpu.weight 174
	file_is cpu.max "20000 50000"
	file_is cpuset.cpus 0
	rt update --cpu-period 100000 "$ID"
	file_is cpu.max "20000 100000"
	rt update --cpu-quota -1 "$ID"
	file_is cpu.max "max 100000"
	rt update --memory 32m --memory-swap 32m "$ID"
	file_is memory.max 33554432
	file_is memory.swap.max 0
	file_is pids.max 50
	rt update --memory -1 "$ID"
	file_is memory.max max
	rt update --pids-limit -1 "$ID"
	file_is pids.max max
	if kernel 5.15; then
		rt update --cpu-idle 1 "$ID"
		file_is cpu.idle 1
		rt update --pids-limit 9 "$ID"
		file_is cpu.idle 1
		rt update --cpu-idle 0 "$ID"
		rt update --cpu-quota 50000 --cpu-burst 10000 "$ID"
		file_is cpu.max.burst 10000
	fi
}

@test "update: what had no limit before gets none when the update fails" {
	requires memory cpu cpuset pids thole
	running
	run rt update --memory 128m --memory-swap 128m --cpu-share 77 --pids-limit 5 --cpuset-mems 900 "$ID"
	status_is 1
	file_is memory.max max
	file_is memory.swap.max max
	file_is cpu.weight 100
	file_is pids.max max
	rt update --pids-limit 6 "$ID"
	file_is memory.max max
}

@test "stats: the figures are the kernel's" {
	requires memory cpu pids
	cfg '.linux.resources += {"memory": {"limit": 67108864}, "pids": {"limit": 20}}'
	running eat 10 60
	wait_for 10 grep -q . "$T/out"
	stats >"$T/stats"
	jq -e --argjson m "$(file memory.current)" '.data.memory.usage | .limit == 67108864
		and .usage > 10485760 and (.usage - $m | fabs) < 4194304' "$T/stats"
	# An older kernel (5.10) adds up in batches a processor.
	jq -e '.data.memory.raw.anon >= 9437184 and .data.pids.current == 1 and .data.pids.limit == 20
		and .data.cpu.usage.total > 0' "$T/stats"
}

# The rules are asked by a device that nothing else allows: loop-control (10:237), where it is there.
mknod_cfg() {
	cfg '.process.capabilities.bounding += ["CAP_MKNOD"] | .process.capabilities.effective += ["CAP_MKNOD"]
		| .process.capabilities.permitted += ["CAP_MKNOD"]'
}

@test "device rules: no update changes them, not even one that names devices" {
	mknod_cfg
	cfg '.linux.resources.devices += [{"allow": true, "type": "c", "major": 10, "minor": 237, "access": "rwm"}]'
	running
	for r in '{"devices": [{"allow": false, "access": "rwm"}]}' '{"pids": {"limit": 99}}'; do
		case $r in *pids*) grep -qw pids /sys/fs/cgroup/cgroup.controllers || continue ;; esac
		rt update --resources=- "$ID" <<<"$r"
		rm -f "$BUNDLE/rootfs/tmp/x"
		run rt exec "$ID" /bin/payload mknod /tmp/x 10 237 </dev/null
		has_not "Operation not permitted"
		rm -f "$BUNDLE/rootfs/tmp/x"
		run rt exec "$ID" /bin/payload mknod /tmp/x 10 229 </dev/null
		has "open: Operation not permitted"
		rm -f "$BUNDLE/rootfs/tmp/x"
	done
}

@test "device rules: a container inside of another's cgroup is bound by both" {
	requires thole
	mknod_cfg
	cfg '.linux.resources.devices = [{"allow": true, "access": "rwm"}, {"allow": false, "type": "c", "major": 10, "minor": 237, "access": "rwm"}]'
	running
	mkdir "/sys/fs/cgroup$CG/inner"
	mkdir -p "$T/two/rootfs"
	cp -a "$BUNDLE/rootfs/." "$T/two/rootfs"
	jq --arg c "$CG/inner/leaf" '.linux.cgroupsPath = $c | .linux.resources.devices = [{"allow": true, "access": "rwm"}]
		| .process.args = ["/bin/payload", "mknod", "/dev/x", "10", "237"]' "$BUNDLE/config.json" >"$T/two/config.json"
	run rt run --bundle "$T/two" "$ID-two" </dev/null
	has "Operation not permitted"
}

@test "freeze: the cgroup says so, and nothing runs" {
	running spin 60
	rt pause "$ID"
	[ "$(key cgroup.events frozen)" = 1 ]
	file_is cgroup.freeze 1
	rt kill "$ID" KILL
	wait_for 10 is_status stopped
}

@test "kill: all of the cgroup, also what is below it" {
	requires thole
	cfg 'del(.linux.namespaces[] | select(.type == "pid"))'
	running forks 10 60
	wait_for 10 grep -q forks "$T/out"
	mkdir -p "/sys/fs/cgroup$CG/a/b"
	# Not from the test's own shell: a process that cannot be reaped would stay.
	tail -n 1 "/sys/fs/cgroup$CG/cgroup.procs" >"/sys/fs/cgroup$CG/a/b/cgroup.procs"
	rt kill "$ID" KILL
	wait_for 10 eval '[ "$(key cgroup.events populated)" = 0 ]'
	rt delete "$ID"
	[ ! -d "/sys/fs/cgroup$CG" ]
}

@test "delegation: the container's root owns its cgroup and may divide it, but not its limits" {
	requires userns memory pids
	chmod 755 "$T" "$BUNDLE" "$BUNDLE/rootfs"
	cfg '.linux.namespaces += [{"type": "user"}, {"type": "cgroup"}]
		| .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 1000}]
		| .linux.gidMappings = .linux.uidMappings
		| .linux.resources.memory = {"limit": 67108864}
		| .mounts += [{"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["nosuid", "nodev", "noexec"]}]'
	running
	local dir=/sys/fs/cgroup$CG f as="setpriv --reuid 100000 --regid 100000 --clear-groups"
	[ "$(stat -c %u "$dir")" = 100000 ]
	for f in cgroup.procs cgroup.threads cgroup.subtree_control; do [ "$(stat -c %u "$dir/$f")" = 100000 ]; done
	for f in memory.max pids.max cpu.max; do
		[ ! -e "$dir/$f" ] || [ "$(stat -c %u "$dir/$f")" = 0 ]
	done
	$as mkdir "$dir/sub" "$dir/init"
	run $as sh -c 'echo max >"$1"' sh "$dir/memory.max"
	[ "$status" -ne 0 ]
	file_is memory.max 67108864
	# The container moves itself aside and hands the controllers on.
	rt exec "$ID" /bin/payload write /sys/fs/cgroup/init/cgroup.procs 1 </dev/null
	rt exec "$ID" /bin/payload write /sys/fs/cgroup/init/cgroup.procs 0 </dev/null || true
	wait_for 5 eval '[ -z "$(file cgroup.procs)" ]'
	$as sh -c 'echo "+memory +pids" >"$1"' sh "$dir/cgroup.subtree_control"
	[ -e "$dir/sub/memory.max" ]
	$as sh -c 'echo 5 >"$1"' sh "$dir/sub/pids.max"
	# exec finds its way although the container's own cgroup holds no processes any more.
	run rt exec "$ID" /bin/payload cat /proc/self/cgroup </dev/null
	status_is 0
	rt delete --force "$ID"
	[ ! -d "$dir" ]
}

@test "delegation: not without a writable mount of it" {
	requires userns
	chmod 755 "$T" "$BUNDLE" "$BUNDLE/rootfs"
	cfg '.linux.namespaces += [{"type": "user"}, {"type": "cgroup"}]
		| .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 1000}]
		| .linux.gidMappings = .linux.uidMappings
		| .mounts += [{"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"]}]'
	running
	[ "$(stat -c %u "/sys/fs/cgroup$CG/cgroup.procs")" = 0 ]
}
