#!/usr/bin/env bats
# pause, resume, update, events: what is done with a container that runs.

load helpers
setup() { setup_common; }
teardown() {
	[ -z "${STREAM:-}" ] || kill -KILL "$STREAM" 2>/dev/null || true
	clean_container
	teardown_common
}

is_v2() { [ -e /sys/fs/cgroup/cgroup.controllers ]; }
# limit V1-CONTROLLER V1-FILE V2-FILE: what the kernel says.
limit() {
	if is_v2; then cat "/sys/fs/cgroup$CG/$3"; else cat "/sys/fs/cgroup/$1$CG/$2"; fi
}
memory_limit() { limit memory memory.limit_in_bytes memory.max; }
pids_limit() { limit pids pids.max pids.max; }

running() { # PAYLOAD-ARGS...
	if [ $# -gt 0 ]; then args "$@"; else args sleep 60; fi
	ct_create
	ct_start
}
# The stream of events into $T/events; its pid in STREAM.
stream() {
	"$RUNTIME" --root "$STATE" events "$@" "$ID" >"$T/events" 2>"$T/events.err" 3>&- &
	STREAM=$!
}
stream_ended() { ! kill -0 "$STREAM" 2>/dev/null; }
lines_of() { grep -c "\"type\":\"$1\"" "$T/events"; }
at_least() { [ "$(lines_of "$1")" -ge "$2" ]; }
ticks() { awk '{print $14 + $15}' "/proc/$(rt state "$ID" | jq .pid)/stat"; }

@test "pause: the state is paused, nothing runs; resume: it goes on" {
	running spin 60
	rt pause "$ID"
	is_status paused
	local before
	before=$(ticks)
	sleep 0.5
	[ "$(ticks)" -eq "$before" ]
	rt resume "$ID"
	is_status running
	sleep 0.5
	[ "$(ticks)" -gt "$before" ]
}

@test "pause prints nothing; twice is an error, so is resume of what is not paused" {
	running
	run rt pause "$ID"
	status_is 0
	[ -z "$output" ]
	run rt pause "$ID"
	status_is 1
	one_line_with "container not running"
	is_status paused
	rt resume "$ID"
	run rt resume "$ID"
	status_is 1
	one_line_with "container not paused"
}

@test "a created container can be paused; it starts after resume" {
	args echo hello
	ct_create
	rt pause "$ID"
	is_status paused
	run ct_start
	status_is 1
	has "paused"
	rt resume "$ID"
	is_status created
	ct_start
	wait_for 5 grep -q hello "$T/out"
}

@test "pause and resume of a stopped and of an unknown container" {
	args id
	ct_create
	ct_start
	wait_for 5 is_status stopped
	run rt pause "$ID"
	status_is 1
	has "container not running"
	run rt resume "$ID"
	status_is 1
	has "container not paused"
	run rt pause nobody
	status_is 1
	has "does not exist"
	run rt resume nobody
	has "does not exist"
}

@test "a paused container: exec is refused, and waits with --ignore-paused" {
	running
	rt pause "$ID"
	run rt exec "$ID" /bin/payload echo hi
	status_is 255
	has "cannot exec in a paused container (use --ignore-paused to override)"
	rt exec --ignore-paused "$ID" /bin/payload echo hi >"$T/exec" 2>&1 3>&- &
	sleep 0.5
	run cat "$T/exec"
	has_not hi
	rt resume "$ID"
	wait_for 5 grep -q hi "$T/exec"
	wait
}

@test "a paused container: an exec that waits ends by SIGINT and SIGTERM, and leaves nothing" {
	requires thole
	running
	rt pause "$ID"
	for sig in INT TERM HUP; do
		for how in '' -t; do
			# A background job of a shell would ignore SIGINT, and what is ignored does not interrupt.
			# And what is frozen keeps its output open.
			status=0
			env --default-signal=INT timeout --signal=$sig 0.5 "$RUNTIME" --root "$STATE" \
				exec $how --ignore-paused "$ID" /bin/payload echo hi </dev/null >"$T/exec" 2>&1 3>&- ||
				status=$?
			output=$(cat "$T/exec")
			[ "$status" -eq 124 ] || { echo "$sig $how: $status $output"; false; }
			one_line_with "exec failed: unable to start container process: "
			has "interrupted by SIG$sig"
		done
	done
	rt resume "$ID"
	# What was frozen with its SIGKILL has died of it.
	wait_for 5 sh -c "[ \"\$('$RUNTIME' --root '$STATE' ps -f json '$ID' | jq length)\" = 1 ]"
}

@test "a paused container can be killed and deleted" {
	running
	rt pause "$ID"
	rt kill "$ID" KILL
	wait_for 5 is_status stopped
	rt delete "$ID"
	[ ! -e "$STATE/$ID" ]
}

@test "delete of a paused container needs --force" {
	running
	rt pause "$ID"
	run rt delete "$ID"
	status_is 1
	has "not stopped: paused"
	rt delete --force "$ID"
	[ -z "$(cgroup_dirs)" ]
}

@test "delete --force: what cannot be killed is named, and it ends in time" {
	requires v1 thole
	CG=/thole-test/$ID-outer/inner
	local outer=/sys/fs/cgroup/freezer/thole-test/$ID-outer pid start=$SECONDS
	cfg ".linux.cgroupsPath = \"$CG\""
	running
	pid=$(rt state "$ID" | jq .pid)
	echo FROZEN >"$outer/freezer.state"
	run rt delete --force "$ID"
	echo THAWED >"$outer/freezer.state"
	rt delete --force "$ID"
	rmdir /sys/fs/cgroup/*/thole-test/"$ID-outer"
	status_is 1
	one_line_with "container init still running (pid $pid: state D, wchan "
	[ $((SECONDS - start)) -lt 30 ]
}

@test "list says paused" {
	running
	rt pause "$ID"
	[ "$(rt list -f json | jq -r '.[0].status')" = paused ]
}

@test "update by options" {
	requires memory pids
	cfg '.linux.resources += {"memory": {"limit": 67108864}, "pids": {"limit": 20}}'
	running
	run rt update --memory 128m --pids-limit 33 "$ID"
	status_is 0
	[ -z "$output" ]
	[ "$(memory_limit)" = 134217728 ]
	[ "$(pids_limit)" = 33 ]
	rt update --pids-limit -1 "$ID"
	[ "$(pids_limit)" = max ]
	rt update "$ID" --memory=64MiB
	[ "$(memory_limit)" = 67108864 ]
	rt update --memory 100000k "$ID"
	[ "$(memory_limit)" = 102400000 ]
}

@test "update by options: cpu on v1" {
	requires v1
	running
	rt update --cpu-share 512 --cpu-quota 20000 --cpu-period 50000 --cpuset-cpus 0 --cpuset-mems 0 "$ID"
	[ "$(v1 cpu cpu.shares)" = 512 ]
	[ "$(v1 cpu cpu.cfs_quota_us)" = 20000 ]
	[ "$(v1 cpu cpu.cfs_period_us)" = 50000 ]
	[ "$(v1 cpuset cpuset.cpus)" = 0 ]
	rt update --cpu-period 100000 "$ID"
	[ "$(v1 cpu cpu.cfs_quota_us)" = 20000 ]
	[ "$(v1 cpu cpu.cfs_period_us)" = 100000 ]
	rt update --cpu-quota -1 "$ID"
	[ "$(v1 cpu cpu.cfs_quota_us)" = -1 ]
}
v1() { cat "/sys/fs/cgroup/$1$CG/$2"; }

@test "update: idle and burst" {
	requires v1 thole
	running
	rt update --cpu-idle 1 "$ID"
	[ "$(v1 cpu cpu.idle)" = 1 ]
	rt update --pids-limit 9 "$ID"
	[ "$(v1 cpu cpu.idle)" = 1 ]
	rt update --cpu-idle 0 "$ID"
	rt update --cpu-quota 50000 --cpu-burst 10000 "$ID"
	[ "$(v1 cpu cpu.cfs_burst_us)" = 10000 ]
	run rt update --cpu-idle 2 "$ID"
	status_is 1
	has cpu-idle
}

@test "update --resources: from a file, from standard input" {
	requires memory pids
	running
	echo '{"memory": {"limit": 33554432}, "pids": {"limit": 7}}' >"$T/r.json"
	rt update --resources "$T/r.json" "$ID"
	[ "$(memory_limit)" = 33554432 ]
	[ "$(pids_limit)" = 7 ]
	rt update --resources=- "$ID" <<<'{"memory": {"limit": 67108864}}'
	[ "$(memory_limit)" = 67108864 ]
	[ "$(pids_limit)" = 7 ]
	(cd "$T" && rt update -r r.json "$ID")
	[ "$(memory_limit)" = 33554432 ]
}

@test "update --resources: what cannot be read is an error and changes nothing" {
	running
	run rt update --resources=- "$ID" <<<'{"memory": '
	status_is 1
	run rt update --resources /nowhere/r.json "$ID"
	status_is 1
	has "no such file or directory"
	run rt update --resources=- "$ID" <<<'{"memory": {"limit": "many"}}'
	status_is 1
}

@test "update: memory and swap go up and down together, in whatever order the kernel needs" {
	requires v1 swap_account
	cfg '.linux.resources.memory = {"limit": 67108864, "swap": 67108864}'
	running
	rt update --memory 256m --memory-swap 256m "$ID"
	[ "$(v1 memory memory.limit_in_bytes)" = 268435456 ]
	[ "$(v1 memory memory.memsw.limit_in_bytes)" = 268435456 ]
	rt update --memory 32m --memory-swap 32m "$ID"
	[ "$(v1 memory memory.limit_in_bytes)" = 33554432 ]
	[ "$(v1 memory memory.memsw.limit_in_bytes)" = 33554432 ]
	rt update --memory -1 "$ID"
	[ "$(v1 memory memory.limit_in_bytes)" = 9223372036854771712 ]
	[ "$(v1 memory memory.memsw.limit_in_bytes)" = 9223372036854771712 ]
}

@test "update: less swap than memory is refused" {
	requires memory thole
	running
	run rt update --memory 64m --memory-swap 32m "$ID"
	status_is 1
	has "memory+swap limit should be >= memory limit"
}

@test "update: when one value is refused the others are as before" {
	requires memory cpuset
	cfg '.linux.resources += {"memory": {"limit": 67108864}}'
	running
	run rt update --memory 128m --cpuset-cpus 4000 "$ID"
	status_is 1
	has cpuset
	[ "$(memory_limit)" = 67108864 ]
}

@test "update: what had no limit before gets none when the update fails" {
	requires v1 thole
	running
	run rt update --memory 128m --memory-swap 128m --cpu-share 77 --pids-limit 5 --cpuset-mems 900 "$ID"
	status_is 1
	[ "$(v1 memory memory.limit_in_bytes)" = 9223372036854771712 ]
	[ "$(v1 memory memory.memsw.limit_in_bytes)" = 9223372036854771712 ]
	[ "$(v1 cpu cpu.shares)" = 1024 ]
	[ "$(v1 pids pids.max)" = max ]
	rt update --pids-limit 6 "$ID"
	[ "$(v1 memory memory.limit_in_bytes)" = 9223372036854771712 ]
}

@test "update: checkBeforeUpdate refuses a limit below what is in use" {
	requires memory thole
	cfg '.linux.resources.memory = {"limit": 134217728}'
	running eat 20 60
	wait_for 5 grep -q . "$T/out"
	run rt update --resources=- "$ID" <<<'{"memory": {"limit": 4194304, "checkBeforeUpdate": true}}'
	status_is 1
	has "in use"
	[ "$(memory_limit)" = 134217728 ]
	is_status running
}

@test "update: the device rules stay, and so do the processes" {
	cfg '.process.capabilities.bounding += ["CAP_MKNOD"] | .process.capabilities.effective += ["CAP_MKNOD"]
		| .process.capabilities.permitted += ["CAP_MKNOD"]'
	running
	rt update --resources=- "$ID" <<<'{"devices": [{"allow": true, "access": "rwm"}]}'
	run rt exec "$ID" /bin/payload mknod /dev/x 1 4
	has "open: Operation not permitted"
}

@test "update of a stopped container" {
	args id
	ct_create
	ct_start
	wait_for 5 is_status stopped
	run rt update --memory 64m "$ID"
	status_is 1
	one_line_with "container not running"
	run rt update --memory 64m nobody
	status_is 1
	has "does not exist"
}

@test "update of a paused container" {
	requires pids
	running
	rt pause "$ID"
	rt update --pids-limit 12 "$ID"
	[ "$(pids_limit)" = 12 ]
	is_status paused
}

@test "update: bad values and resctrl's options" {
	running
	run rt update --memory lots "$ID"
	status_is 1
	has memory
	run rt update --cpu-quota 1.5 "$ID"
	status_is 1
	run rt update --l3-cache-schema 'L3:0=f' "$ID"
	status_is 1
	has "Intel RDT/CAT: l3 cache schema is not enabled"
	run rt update --mem-bw-schema 'MB:0=20' "$ID"
	status_is 1
	has "Intel RDT/MBA: memory bandwidth schema is not enabled"
}

@test "update: kernel memory is ignored with a warning" {
	running
	run rt update --kernel-memory 50m "$ID"
	status_is 0
	has warning
	run rt update --help
	has_not kernel-memory
}

@test "update: what one update left is what the next begins with" {
	requires memory thole
	running
	rt update --memory 64m "$ID"
	rt update --memory-reservation 32m "$ID"
	[ "$(jq .memory.limit "$STATE/$ID/resources.json")" = 67108864 ]
	[ "$(jq .memory.reservation "$STATE/$ID/resources.json")" = 33554432 ]
	run rt update --memory-swap 48m "$ID"
	status_is 1
	rt delete --force "$ID"
	[ ! -e "$STATE/$ID" ]
}

@test "update: hugetlb, on whatever hierarchy it is" {
	requires thole
	local dir=/sys/fs/cgroup/unified
	is_v2 && dir=/sys/fs/cgroup
	grep -qw hugetlb $dir/cgroup.controllers || skip "no hugetlb controller on v2"
	running
	rt update --resources=- "$ID" <<<'{"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}]}'
	[ "$(cat "$dir$CG/hugetlb.2MB.max")" = 4194304 ]
	rt events --stats "$ID" | jq -e '.data.hugetlb["2MB"] == {"failcnt": 0}'
}

@test "update: unified on v2" {
	requires v2 thole
	grep -qw hugetlb /sys/fs/cgroup/cgroup.controllers || skip "no hugetlb controller"
	running
	rt update --resources=- "$ID" <<<'{"unified": {"hugetlb.2MB.max": "2097152"}}'
	[ "$(cat "/sys/fs/cgroup$CG/hugetlb.2MB.max")" = 2097152 ]
	run rt update --resources=- "$ID" <<<'{"unified": {"hugetlb.2MB.max": "4194304", "hugetlb.none": "1"}}'
	status_is 1
	[ "$(cat "/sys/fs/cgroup$CG/hugetlb.2MB.max")" = 2097152 ]
}

@test "events --stats: one line, runc's members" {
	running
	run rt events --stats "$ID"
	status_is 0
	[ "${#lines[@]}" -eq 1 ]
	jq -e --arg id "$ID" '.type == "stats" and .id == $id' <<<"$output"
	[ "$(jq -c '.data | keys_unsorted' <<<"$output")" = \
		'["cpu","cpuset","memory","pids","blkio","hugetlb","intel_rdt","network_interfaces"]' ]
	jq -e '.data.cpu.usage | (.total > 0) and has("kernel") and has("user")' <<<"$output"
	jq -e '.data.memory | has("usage") and has("swap") and has("kernel") and has("kernelTCP")' <<<"$output"
	jq -e '.data.pids.current == 1' <<<"$output"
}

@test "events --stats: the figures are the kernel's" {
	requires memory pids
	cfg '.linux.resources += {"memory": {"limit": 67108864}, "pids": {"limit": 20}}'
	running forks 3 60
	wait_for 5 grep -q forks "$T/out"
	rt events --stats "$ID" >"$T/stats"
	jq -e '.data.memory.usage.limit == 67108864 and .data.memory.usage.usage > 0' "$T/stats"
	jq -e '.data.memory.raw | (length > 10) and (keys_unsorted == keys)' "$T/stats"
	jq -e '.data.pids == {"current": 4, "limit": 20}' "$T/stats"
}

@test "events --stats: cpuset on v1" {
	requires v1
	cfg '.linux.resources.cpu = {"cpus": "0", "mems": "0"}'
	running
	rt events --stats "$ID" >"$T/stats"
	jq -e '.data.cpuset | .cpus == [0] and .mems == [0] and .sched_load_balance == 1
		and .sched_relax_domain_level == -1' "$T/stats"
	jq -e '.data.cpu.usage | (.percpu | length) > 0 and (.percpu_user | length) == (.percpu | length)' "$T/stats"
}

@test "events --stats: throttling" {
	requires v1
	cfg '.linux.resources.cpu = {"quota": 5000, "period": 50000}'
	running spin 60
	throttled() {
		rt events --stats "$ID" >"$T/stats"
		jq -e '.data.cpu.throttling | .periods > 0 and .throttledPeriods > 0 and .throttledTime > 0' "$T/stats"
	}
	wait_for 20 throttled
}

@test "events: a line every interval, until the container is deleted" {
	requires memory
	running
	stream --interval 100ms
	wait_for 5 at_least stats 3
	kill -0 "$STREAM"
	rt delete --force "$ID"
	wait_for 5 stream_ended
	[ ! -s "$T/events.err" ]
	jq -e . "$T/events" >/dev/null
}

@test "events: ends with the cgroup also without a memory controller" {
	requires thole v2
	running
	stream --interval 1h
	sleep 0.3
	kill -0 "$STREAM"
	rt delete --force "$ID"
	wait_for 5 stream_ended
}

@test "events: an oom line for an OOM, and no waiting for the interval" {
	requires memory
	cfg '.linux.resources.memory = {"limit": 33554432}'
	args sleep 60
	ct_create
	ct_start
	stream --interval 1h
	sleep 0.3
	run rt exec "$ID" /bin/payload eat 200
	[ "$status" -ne 0 ]
	wait_for 5 at_least oom 1
	[ "$(head -n 1 "$T/events")" = "{\"type\":\"oom\",\"id\":\"$ID\"}" ]
	[ "$(lines_of stats)" -eq 0 ]
	rt delete --force "$ID"
	wait_for 5 stream_ended
	[ ! -s "$T/events.err" ]
}

@test "events: ends when nobody reads" {
	requires thole
	running
	mkfifo "$T/fifo"
	"$RUNTIME" --root "$STATE" events --interval 1h "$ID" >"$T/fifo" 3>&- &
	STREAM=$!
	exec 9<"$T/fifo"
	sleep 0.3
	kill -0 "$STREAM"
	exec 9<&-
	wait_for 5 stream_ended
}

@test "events: does no work while nothing happens" {
	requires thole
	running
	stream --interval 1h
	sleep 0.3
	local before after
	before=$(awk '/ctxt/ {n += $2} END {print n}' "/proc/$STREAM/status")
	sleep 0.7
	after=$(awk '/ctxt/ {n += $2} END {print n}' "/proc/$STREAM/status")
	[ "$before" -eq "$after" ]
}

@test "events: wrong intervals, stopped and unknown containers" {
	running
	run rt events --interval 0 "$ID"
	status_is 1
	has "duration interval must be greater than 0"
	run rt events --interval=-5s "$ID"
	has "duration interval must be greater than 0"
	run rt events --interval 5 "$ID"
	status_is 1
	has "for flag -interval: parse error"
	rt kill "$ID" KILL
	wait_for 5 is_status stopped
	run rt events --stats "$ID"
	status_is 1
	has "container with id $ID is not running"
	run rt events nobody
	status_is 1
	has "does not exist"
}

@test "ps: both formats" {
	running forks 2 60
	wait_for 5 grep -q forks "$T/out"
	rt ps -f json "$ID" | jq -e 'length == 3'
	run rt ps --format table "$ID"
	[ "$(grep -c payload <<<"$output")" -eq 3 ]
	[[ "${lines[0]}" == UID* ]]
	run rt ps "$ID" -o pid
	[ "${#lines[@]}" -eq 4 ]
	run rt ps -f xml "$ID"
	status_is 1
	has "invalid format option"
}
