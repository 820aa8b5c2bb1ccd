#!/usr/bin/env bats
# A runtime that is interrupted, starved or raced: one clear line, nothing half-made, nothing hanging.

load helpers
setup() {
	setup_common
	requires thole
}
teardown() { clean_container; teardown_common; }

nothing_left() {
	[ ! -e "$STATE/$ID" ] || { echo "state left: $(ls "$STATE/$ID")"; return 1; }
	[ -z "$(cgroup_dirs)" ] || { echo "cgroup left: $(cgroup_dirs)"; return 1; }
}
hook() { # KIND SCRIPT
	printf '#!/bin/sh\n%s\n' "$2" >"$T/hook-$1"
	chmod +x "$T/hook-$1"
	cfg '.hooks[$k] = [{"path": $p}]' --arg k "$1" --arg p "$T/hook-$1"
}

@test "SIGTERM, SIGINT and SIGHUP while a hook hangs: told, and nothing is left" {
	args pause
	hook createRuntime "kill -s \$(cat $T/signal) \$PPID; exec sleep 20"
	for how in create "run -d" run; do
		for sig in TERM INT HUP; do
			echo "$sig" >"$T/signal"
			# Not from a background job of this shell: those ignore SIGINT.
			run timeout --foreground 15 "$RUNTIME" --root "$STATE" $how --bundle "$BUNDLE" "$ID" </dev/null
			[ "$status" -eq 1 ] || { echo "$how $sig: status $status, $output"; false; }
			one_line_with "interrupted by"
			nothing_left
		done
	done
}

@test "SIGTERM and SIGHUP at random moments: a create that failed left nothing" {
	args pause
	for i in $(seq 40); do
		"$RUNTIME" --root "$STATE" create --bundle "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1 &
		p=$!
		sleep "0.00$((RANDOM % 8))"
		kill -s "$([ $((i % 2)) = 0 ] && echo TERM || echo HUP)" $p 2>/dev/null || true
		if wait $p; then
			is_status created
			rt delete --force "$ID"
		fi
		nothing_left
	done
}

@test "an exec that is interrupted leaves no half-made process" {
	args pause
	ct_create
	ct_start
	for i in $(seq 30); do
		"$RUNTIME" --root "$STATE" exec -d "$ID" /bin/payload pause </dev/null >/dev/null 2>&1 &
		p=$!
		sleep "0.00$((RANDOM % 6))"
		kill -s "$([ $((i % 2)) = 0 ] && echo TERM || echo KILL)" $p 2>/dev/null || true
		wait $p || true
	done
	sleep 0.2
	while read -r p; do
		[ "$(tr '\0' ' ' <"/proc/$p/cmdline")" = "/bin/payload pause " ] || { tr '\0' ' ' <"/proc/$p/cmdline"; false; }
	done < <(rt ps -f json "$ID" | jq '.[]')
}

@test "a creator whose container was deleted and created anew meanwhile harms nobody" {
	args pause
	hook createRuntime "[ -e $T/second ] || { touch $T/second; while [ ! -e $T/go ]; do sleep 0.05; done; }"
	"$RUNTIME" --root "$STATE" create --bundle "$BUNDLE" "$ID" </dev/null >/dev/null 2>"$T/first.err" &
	p=$!
	wait_for 5 test -e "$T/second"
	rt delete --force "$ID"
	ct_create
	touch "$T/go"
	first=0
	wait $p || first=$?
	[ $first -eq 1 ]
	[ "$(grep -c . "$T/first.err")" -eq 1 ]
	is_status created
	[ -n "$(cgroup_dirs)" ]
	ct_start
	rt exec "$ID" /bin/payload id </dev/null
}

@test "no descriptors left: one line, nothing half-made" {
	args id
	mkdir "$T/src"
	for i in 1 2 3 4 5 6 7 8; do
		mount_add "{\"destination\":\"/mnt/$i\",\"source\":\"$T/src\",\"options\":[\"bind\"]}"
	done
	ok=0
	for n in $(seq 7 45); do
		run bash -c 'ulimit -n "$0"; exec "$@"' "$n" "$RUNTIME" --root "$STATE" run --bundle "$BUNDLE" "$ID" </dev/null
		[ "$status" -eq 0 ] && ok=1 || one_line_with "too many open files"
		nothing_left
	done
	[ $ok = 1 ]
}

@test "no memory left: one line, nothing half-made" {
	args id
	for kib in 3000 3250 3500 4000 6000; do
		run bash -c 'ulimit -v "$0"; "$@" || exit 1' "$kib" "$RUNTIME" --root "$STATE" run --bundle "$BUNDLE" "$ID" </dev/null
		[ "$status" -eq 0 ] || [ "$(printf '%s\n' "$output" | grep -c .)" -eq 1 ]
		nothing_left
	done
}

@test "a full state directory: nothing is half-made, nothing started untold, delete works" {
	args pause
	mkdir "$STATE"
	# In a mount namespace of the test's own.
	run unshare -m bash -c '
		mount --make-rprivate /
		mount -t tmpfs -o size=64k,mode=700 t "$1"
		rt() { "$RUNTIME" --root "$STATE" "$@"; }
		fill() { dd if=/dev/zero of="$1/fill" bs=1k count=64 2>/dev/null; }
		export RUNTIME=$2 STATE=$1
		fill "$1"
		rt create --bundle "$3" "$4" </dev/null
		echo "create $? $(ls "$1")"
		rm "$1/fill"
		rt create --bundle "$3" "$4" </dev/null >/dev/null 2>&1
		fill "$1"
		rt start "$4"
		echo "start $? $(rt state "$4" | jq -r .status) $(tr "\0" " " <"/proc/$(rt state "$4" | jq .pid)/cmdline" | grep -c "payload pause")"
		rt delete --force "$4"
		echo "delete $? $(ls "$1")"
	' x "$STATE" "$RUNTIME" "$BUNDLE" "$ID"
	has "no space left on device"
	has "create 1 fill"
	has "start 1 created 0"
	has "delete 0 fill"
	[ -z "$(cgroup_dirs)" ]
}

@test "a descendant that writes for ever does not keep exec" {
	args pause
	ct_create
	ct_start
	# A slow reader: there is always more in the pipe than was read.
	run timeout -s KILL 8 bash -c '"$@" </dev/null | while [ "$(dd bs=65536 count=1 status=none | wc -c)" -gt 0 ]; do sleep 0.05; done
		exit "${PIPESTATUS[0]}"' x "$RUNTIME" --root "$STATE" exec "$ID" /bin/payload spam
	status_is 3
}

@test "a full stderr is not waited for when the error is in the log" {
	requires python3
	args pause
	ct_create
	run timeout -s KILL 10 python3 - "$RUNTIME" --root "$STATE" --log "$T/log" create --bundle "$BUNDLE" "$ID" <<-'PY'
		import fcntl, os, subprocess, sys
		r, w = os.pipe()
		os.write(w, b"x" * fcntl.fcntl(w, 1031, 4096))
		print("status", subprocess.call(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=w))
	PY
	status_is 0
	has "status 1"
	grep "already exists" "$T/log"
}

@test "two creates of one id: one is made, the other is told" {
	args pause
	for i in $(seq 15); do
		"$RUNTIME" --root "$STATE" create --bundle "$BUNDLE" "$ID" </dev/null >/dev/null 2>"$T/a" &
		p=$!
		run bash -c '"$@" >/dev/null 2>'"$T/b" x "$RUNTIME" --root "$STATE" create --bundle "$BUNDLE" "$ID" </dev/null
		other=0
		wait $p || other=$?
		[ $((status + other)) -eq 1 ]
		[ "$(cat "$T/a" "$T/b" | grep -c 'container with given ID already exists')" -eq 1 ]
		is_status created
		rt delete --force "$ID"
	done
	nothing_left
}

@test "start, kill, exec and delete at once" {
	args sleep 60
	for i in $(seq 25); do
		ct_create
		jobs=()
		rt start "$ID" 2>>"$T/errors" &
		jobs+=($!)
		rt kill "$ID" KILL 2>>"$T/errors" &
		jobs+=($!)
		rt delete --force "$ID" 2>>"$T/errors" &
		jobs+=($!)
		rt delete "$ID" 2>>"$T/errors" &
		jobs+=($!)
		rt exec "$ID" /bin/payload id </dev/null >/dev/null 2>>"$T/errors" &
		jobs+=($!)
		wait "${jobs[@]}" || true
		rt delete --force "$ID"
		nothing_left
	done
	run grep -v -E 'does not exist|not running|has stopped|stopped container|already running|not stopped|no such process|already finished|execve readiness|killed by SIGKILL' "$T/errors"
	status_is 1
}

@test "arguments beyond the kernel's limit" {
	args pause
	ct_create
	ct_start
	jq -n '{args: ["/bin/payload", ("x" * 140000)], cwd: "/"}' >"$T/p.json"
	run rt exec --process "$T/p.json" "$ID" </dev/null
	status_is 255
	one_line_with "exec /bin/payload: argument list too long"
	rt delete --force "$ID"
	cfg '.process.env = [range(65536) | "V\(.)=x"]'
	args env
	run bash -c '"$@" </dev/null | wc -l' x "$RUNTIME" --root "$STATE" run --bundle "$BUNDLE" "$ID"
	status_is 0
	[ "$output" -ge 65536 ]
}

@test "a memory limit too small for init is told as that" {
	requires memory_v1
	args id
	cfg '.linux.resources.memory = {"limit": 40960}'
	run ct_run
	status_is 1
	one_line_with "container init was OOM-killed (memory limit too low?)"
	nothing_left
}

@test "an ordinary user's exec: oom_score_adj, and the seccomp listener" {
	requires root userns seccomp python3
	command -v setpriv >/dev/null || skip "needs setpriv"
	grep -q '^nobody:' /etc/passwd || skip "no ordinary user"
	cfg 'del(.linux.cgroupsPath, .linux.resources) | .linux.namespaces |= map(select(.type != "network"))
		| .linux.namespaces += [{"type":"user"}] | .linux.uidMappings = [{"containerID":0,"hostID":65534,"size":1}]
		| .linux.gidMappings = .linux.uidMappings | .process.oomScoreAdj = 300
		| .mounts |= map(select(.type != "sysfs")) | .mounts |= map(if .options then .options |= map(select(startswith("gid=") | not)) else . end)'
	cfg '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": $p,
		"syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]}' --arg p "$T/agent"
	args sleep 30
	timeout 20 python3 - "$T/agent" >"$T/agent.log" <<-'PY' &
		import os, socket, sys
		s = socket.socket(socket.AF_UNIX)
		s.bind(sys.argv[1])
		os.chmod(sys.argv[1], 0o777)
		s.listen()
		kept = []
		for _ in range(2):
		    kept.append(socket.recv_fds(s.accept()[0], 4096, 4))
		    print("listeners", len(kept[-1][1]), flush=True)
	PY
	wait_for 5 test -S "$T/agent"
	mkdir "$STATE"
	chown -R 65534:65534 "$STATE" "$BUNDLE"
	as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups env -u XDG_RUNTIME_DIR "$RUNTIME" --root "$STATE" "$@" </dev/null; }
	cp "$RUNTIME" "$T/thole"
	RUNTIME=$T/thole
	as_nobody create --bundle "$BUNDLE" "$ID" >/dev/null 2>"$T/err" || { cat "$T/err"; false; }
	as_nobody start "$ID"
	run as_nobody exec "$ID" /bin/payload cat /proc/self/oom_score_adj
	status_is 0
	[ "$output" = 300 ]
	[ "$(grep -c 'listeners 1' "$T/agent.log")" -eq 2 ]
	as_nobody delete --force "$ID"
}

@test "a damaged state.json: told, and delete --force removes it" {
	requires thole
	mkdir -p "$STATE/$ID"
	for text in '' '{' '{"id":5}' '[]'; do
		mkdir -p "$STATE/$ID"
		printf %s "$text" >"$STATE/$ID/state.json"
		run rt state "$ID"
		status_is 1
		run rt delete --force "$ID"
		status_is 0
		[ ! -e "$STATE/$ID" ]
	done
}
