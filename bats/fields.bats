#!/usr/bin/env bats
# Fields of a process and its kernel state, looked at from the host with the tools made for them.

load helpers
setup() {
	setup_common
	requires root thole
	args pause
}
teardown() { clean_container; teardown_common; }

started() {
	ct_create || { cat "$T/err"; return 1; }
	ct_start
	PID=$(cat "$T/pid")
}
stopped() { rt delete --force "$ID"; }

@test "scheduler: every policy with its parameters" {
	command -v chrt >/dev/null || skip "needs chrt"
	chrt -f 1 true || skip "no right to real-time policies"
	# A v1 cpu cgroup has no real-time share unless it is given one: so in the caller's cgroup.
	started() {
		rt --cgroup-manager disabled create --bundle "$BUNDLE" --pid-file "$T/pid" "$ID" </dev/null >"$T/out" 2>"$T/err" ||
			{ cat "$T/err"; return 1; }
		PID=$(cat "$T/pid")
	}
	while IFS='|' read -r json policy parameter; do
		cfg '.process.scheduler = $s' --argjson s "$json"
		started
		run chrt -p "$PID"
		has "policy: ${policy/./|}"
		case $parameter in
		nice=*) [ "$(awk '{print $19}' "/proc/$PID/stat")" = "${parameter#nice=}" ] ;;
		priority=*) has "priority: ${parameter#priority=}" ;;
		deadline=*) has "parameters: ${parameter#deadline=}" ;;
		esac
		stopped
	done <<-'EOT'
		{"policy":"SCHED_OTHER","nice":-3}|SCHED_OTHER|nice=-3
		{"policy":"SCHED_BATCH","nice":5}|SCHED_BATCH|nice=5
		{"policy":"SCHED_IDLE"}|SCHED_IDLE|nice=0
		{"policy":"SCHED_FIFO","priority":7}|SCHED_FIFO|priority=7
		{"policy":"SCHED_RR","priority":99,"flags":["SCHED_FLAG_RESET_ON_FORK"]}|SCHED_RR.SCHED_RESET_ON_FORK|priority=99
		{"policy":"SCHED_DEADLINE","runtime":10000000,"deadline":20000000,"period":30000000}|SCHED_DEADLINE|deadline=10000000/20000000/30000000
	EOT
	cfg '.process.scheduler = {"policy":"SCHED_ISO"}'
	run rt --log "$T/log" create --bundle "$BUNDLE" "$ID" </dev/null
	status_is 1
	one_line_with scheduler
	cfg '.process.scheduler = {"policy":"SCHED_DEADLINE","runtime":30000000,"deadline":20000000}'
	run rt --log "$T/log" create --bundle "$BUNDLE" "$ID" </dev/null
	status_is 1
	one_line_with process.scheduler
}

@test "ioPriority: every class" {
	command -v ionice >/dev/null || skip "needs ionice"
	while IFS='|' read -r class level text; do
		cfg '.process.ioPriority = {"class": $c, "priority": $l}' --arg c "$class" --argjson l "$level"
		started
		[ "$(ionice -p "$PID")" = "$text" ] || { ionice -p "$PID"; false; }
		stopped
	done <<-'EOT'
		IOPRIO_CLASS_RT|0|realtime: prio 0
		IOPRIO_CLASS_BE|7|best-effort: prio 7
		IOPRIO_CLASS_IDLE|0|idle
	EOT
}

@test "execCPUAffinity: of exec'd processes only, in both ways to ask" {
	[ "$(nproc)" -ge 2 ] || skip "needs two CPUs"
	cfg '.process.execCPUAffinity = {"initial": "0", "final": "1"}'
	started
	[ "$(awk '/Cpus_allowed_list/{print $2}' "/proc/$PID/status")" != 1 ]
	run rt exec "$ID" /bin/payload cat /proc/self/status </dev/null
	has "Cpus_allowed_list:	1"
	jq -n '{args: ["/bin/payload", "cat", "/proc/self/status"], cwd: "/", execCPUAffinity: {initial: "0"}}' >"$T/p.json"
	run rt exec --process "$T/p.json" "$ID" </dev/null
	has "Cpus_allowed_list:	0"
}

@test "memoryPolicy: the kernel's own words" {
	[ -e /proc/self/numa_maps ] || skip "kernel has no NUMA"
	while IFS='|' read -r json text; do
		cfg '.linux.memoryPolicy = $p' --argjson p "$json"
		started
		grep -q " $text " "/proc/$PID/numa_maps" || { head -n 3 "/proc/$PID/numa_maps"; false; }
		run rt exec "$ID" /bin/payload cat /proc/self/numa_maps </dev/null
		has " $text "
		stopped
	done <<-'EOT'
		{"mode":"MPOL_BIND","nodes":"0"}|bind:0
		{"mode":"MPOL_BIND","nodes":"0","flags":["MPOL_F_STATIC_NODES"]}|bind=static:0
		{"mode":"MPOL_INTERLEAVE","nodes":"0"}|interleave:0
		{"mode":"MPOL_PREFERRED","nodes":"0"}|prefer:0
		{"mode":"MPOL_LOCAL"}|local
		{"mode":"MPOL_DEFAULT"}|default
	EOT
	cfg '.linux.memoryPolicy = {"mode":"MPOL_BIND","nodes":"999"}'
	run rt --log "$T/log" create --bundle "$BUNDLE" "$ID" </dev/null
	status_is 1
	one_line_with memory
}

@test "personality: the domain, of exec too; flags are refused by their path" {
	cfg '.linux.personality = {"domain": "LINUX32"}'
	started
	[ "$(cat "/proc/$PID/personality")" = 00000008 ]
	run rt exec "$ID" /bin/payload cat /proc/self/personality </dev/null
	has 00000008
	stopped
	cfg '.linux.personality = {"domain": "LINUX"}'
	started
	[ "$(cat "/proc/$PID/personality")" = 00000000 ]
	stopped
	cfg '.linux.personality = {"domain": "LINUX", "flags": ["X"]}'
	run rt --log "$T/log" create --bundle "$BUNDLE" "$ID" </dev/null
	status_is 1
	one_line_with linux.personality.flags
}

@test "devices: the same one asked for twice is there once" {
	cfg '.linux.devices = [{"path": "/dev/x", "type": "c", "major": 1, "minor": 3}]
		| .linux.devices += .linux.devices'
	args stat /dev/x
	run ct_run
	status_is 0
	has "dev 1:3"
	cfg '.linux.devices[1].minor = 5'
	run ct_run
	status_is 1
	has "is there twice"
}

@test "cpu.quota: any negative number is no limit" {
	requires cpu
	cfg '.linux.resources.cpu = {"quota": -5, "period": 50000}'
	args exit 0
	run ct_run
	status_is 0
}

@test "mountLabel and the process labels are refused where the kernel has none" {
	[ -e /sys/fs/selinux/enforce ] && skip "SELinux is on"
	cfg '.process.selinuxLabel = "u:r:t:s0"'
	run rt --log "$T/log" create --bundle "$BUNDLE" "$ID" </dev/null
	status_is 1
	one_line_with "selinux label is specified in config, but selinux is disabled or not supported"
	[ -d /sys/kernel/security/apparmor ] && skip "AppArmor is on"
	cfg 'del(.process.selinuxLabel) | .process.apparmorProfile = "p"'
	run rt --log "$T/log" create --bundle "$BUNDLE" "$ID" </dev/null
	status_is 1
	one_line_with apparmor
}

@test "pids.limit: none, -1, a number, and 0, which is a limit from 1.3 on" {
	requires pids
	limit() { cat /sys/fs/cgroup/pids"$CG"/pids.max 2>/dev/null || cat /sys/fs/cgroup"$CG"/pids.max; }
	while IFS='|' read -r version json text; do
		cfg '.linux.resources.pids = $p | .ociVersion = $v' --argjson p "$json" --arg v "$version"
		started
		[ "$(limit)" = "$text" ] || { echo "$json $(limit)"; false; }
		stopped
	done <<-'EOT'
		1.3.0|{}|max
		1.3.0|{"limit":-1}|max
		1.3.0|{"limit":7}|7
		1.3.0|{"limit":0}|1
		1.2.0|{"limit":0}|max
	EOT
}
