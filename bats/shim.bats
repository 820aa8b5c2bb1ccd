#!/usr/bin/env bats
# The shim's own command line: start, log, exec, exit record, and every way a container can end.
# SHIM_RUNTIME=runc runs the same suite with runc below.

load helpers
setup() {
	setup_common
	RUNTIME=${SHIM_RUNTIME:-$RUNTIME}
	RUNTIME=$(command -v "$RUNTIME")
	LOG=$T/pods/ns_pod_uid/main/0.log
	cd "$T"
}
teardown() {
	for p in $(cat "$T"/*.shimpid 2>/dev/null); do kill -9 "$p" 2>/dev/null; done
	clean_container
	teardown_common
}

sh_() { local c=$1; shift; "$SHIM" "$c" --root "$SHIM_ROOT" "$@"; }
start() {
	"$SHIM" start --root "$SHIM_ROOT" --id "$ID" --bundle "$BUNDLE" --runtime "$RUNTIME" \
		--runtime-root "$STATE" --log-path "$LOG" "$@" >"$T/start.out" 2>"$T/start.err" </dev/null || return
	jq -r .shim_pid "$T/start.out" >"$T/$ID.shimpid"
}
pid() { jq -r .pid "$T/start.out"; }
shim_pid() { jq -r .shim_pid "$T/start.out"; }
record() { find "$SHIM_ROOT" -name record -path "*$ID*" -exec cat {} +; }
done_() { [ -n "$(record)" ]; }

@test "start prints one JSON line" {
	args sleep 30
	start
	[ "$(wc -l <"$T/start.out")" -eq 1 ]
	jq -e --arg id "$ID" --arg l "$LOG" '.id == $id and .pid > 0 and .shim_pid > 0 and .log_path == $l and (.socket | length) > 0' "$T/start.out"
	[ -S "$(jq -r .socket "$T/start.out")" ]
	[ "$(awk '/^PPid/{print $2}' "/proc/$(pid)/status")" = "$(shim_pid)" ]
}

@test "log, exit status, exit record, delete" {
	args echo out + stderr err + exit 7
	start
	run sh_ wait "$ID"
	status_is 7
	[ "$output" = 7 ]
	[ "$(jq -r 'select(.stream == "stdout") | .log' "$LOG")" = out ]
	[ "$(jq -r 'select(.stream == "stderr") | .log' "$LOG")" = err ]
	record | jq -e --arg id "$ID" '.id == $id and .exit_code == 7 and .signal == 0 and .oom_killed == false
		and (.started_at | test("^2")) and (.finished_at | test("^2")) and .bytes_logged == 8 and .bytes_dropped == 0'
	sh_ state "$ID" | jq -e '.status == "stopped"'
	sh_ delete "$ID"
	[ -z "$(record)" ]
	run sh_ state "$ID"
	[ "$status" -ne 0 ]
	wait_for 5 test ! -d "/proc/$(shim_pid)"
	[ -z "$(cgroup_dirs)" ]
	run rt state "$ID"
	[ "$status" -ne 0 ]
}

@test "a failing create: the runtime's own message, nothing left" {
	cfg '.process.args = ["nosuchprogram"]'
	run start
	[ "$status" -ne 0 ]
	[ "$(wc -l <"$T/start.err")" -eq 1 ]
	grep -q 'executable file not found in $PATH' "$T/start.err"
	[ ! -s "$T/start.out" ]
	[ -z "$(ls -A "$SHIM_ROOT/default" 2>/dev/null)" ]
	[ -z "$(cgroup_dirs)" ]
}

@test "the launcher dies before its report: everything is rolled back" {
	args sleep 60
	cfg '.hooks.createRuntime = [{"path": "/bin/sleep", "args": ["sleep", "2"]}]'
	"$SHIM" start --root "$SHIM_ROOT" --id "$ID" --bundle "$BUNDLE" --runtime "$RUNTIME" \
		--runtime-root "$STATE" --log-path "$LOG" >"$T/start.out" 2>&1 &
	local p=$!
	wait_for 5 test -e "$SHIM_ROOT/default/$ID"
	kill -9 $p
	wait_for 20 test ! -e "$SHIM_ROOT/default/$ID"
	wait_for 10 test -z "$(cgroup_dirs)"
	run rt state "$ID"
	[ "$status" -ne 0 ]
}

@test "signal, core, seccomp in the record" {
	args kill 9
	cfg 'del(.linux.namespaces[] | select(.type == "pid"))'
	start
	run sh_ wait "$ID"
	status_is 137
	record | jq -e '.signal == 9 and .exit_code == 137 and .seccomp_killed == false'
}

@test "an OOM kill is told" {
	requires memory
	cfg '.linux.resources.memory = {"limit": 33554432} | del(.linux.namespaces[] | select(.type == "pid"))'
	args eat 300
	start
	run sh_ wait "$ID"
	status_is 137
	record | jq -e '.oom_killed == true and .peak_memory_bytes > 30000000'
}

@test "who asked for the stop" {
	args catch
	start
	wait_for 5 grep -q ready "$LOG"
	sh_ kill "$ID" TERM
	wait_for 10 done_
	record | jq -e '.exit_code == 55 and .stopped_by.signal == 15 and .stopped_by.uid == 0 and .stopped_by.pid > 0'
}

@test "SIGTERM to the shim reaches the container" {
	args catch
	start
	wait_for 5 grep -q ready "$LOG"
	kill -TERM "$(shim_pid)"
	wait_for 10 done_
	record | jq -e '.exit_code == 55'
}

@test "exec: output, status, stdin" {
	args sleep 60
	start
	run sh_ exec "$ID" /bin/payload echo hi + stderr e + exit 3
	status_is 3
	has hi
	has e
	run bash -c 'printf abc | "$1" exec --root "$2" -i "$3" /bin/payload stdin' x "$SHIM" "$SHIM_ROOT" "$ID"
	status_is 0
	[ "$output" = abc ]
	run sh_ exec "$ID" nosuch
	[ "$status" -ne 0 ]
	has "executable file"
}

@test "exec -t -i: a terminal with its size" {
	requires python3
	args sleep 60
	start
	run python3 "$TOP/tests/lib/console.py" pty "$SHIM" exec --root "$SHIM_ROOT" -t -i "$ID" /bin/payload isatty + winch 1 + exit 5 <<-'EOT'
		@until size 24 80
		@until size 24 80
		@resize 50 120
		@until size 50 120
	EOT
	status_is 5
	has "tty 1 1 1"
	has "size 50 120"
	has "terminal restored"
	has_not "never saw"
}

@test "fifty execs at the same time" {
	args sleep 60
	start
	for i in $(seq 50); do sh_ exec "$ID" /bin/payload echo "n$i" >"$T/e$i" 2>&1 & done
	wait
	for i in $(seq 50); do [ "$(cat "$T/e$i")" = "n$i" ] || { cat "$T/e$i"; false; }; done
}

@test "CRI format, byte for byte" {
	args print a + echo "" + echo "" + print tail
	start --log-format cri
	sh_ wait "$ID" >/dev/null
	[ "$(sed -E 's/^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{9}(Z|\+00:00) //' "$LOG")" = "$(printf 'stdout F a\nstdout F \nstdout P tail')" ]
}

@test "--pod names the log's path" {
	args echo x
	"$SHIM" start --root "$SHIM_ROOT" --id "$ID" --bundle "$BUNDLE" --runtime "$RUNTIME" --runtime-root "$STATE" \
		--pod "tholetest_$$_uid" --container main --attempt 3 >"$T/start.out"
	jq -r .shim_pid "$T/start.out" >"$T/$ID.shimpid"
	sh_ wait "$ID" >/dev/null
	[ "$(jq -r .log "/var/log/pods/tholetest_$$_uid/main/3.log")" = x ]
	rm -rf "/var/log/pods/tholetest_$$_uid"
}

@test "--pid-file and --exit-file" {
	args exit 4
	start --pid-file "$T/p" --exit-file "$T/x"
	[ "$(cat "$T/p")" = "$(pid)" ]
	wait_for 10 test -s "$T/x"
	jq -e '.exit_code == 4' "$T/x"
}

@test "a megabyte of lines, every byte, in order" {
	args lines 20000 60 + lines 100 30 2
	start
	sh_ wait "$ID" >/dev/null
	[ "$(jq -rj 'select(.stream == "stdout") | .log' "$LOG" | sha256sum)" = "$("$PAYLOAD" lines 20000 60 | sha256sum)" ]
	[ "$(jq -r .stream "$LOG" | grep -c stderr)" -eq 100 ]
}

@test "rotation by size keeps every byte" {
	args lines 30000 60
	start --log-size-max 300000 --log-max-files 50
	sh_ wait "$ID" >/dev/null
	[ "$(ls "$(dirname "$LOG")" | wc -l)" -gt 5 ]
	for f in "$LOG"*; do jq -e . "$f" >/dev/null; done
	# oldest first: .N ... .1, then the file itself
	[ "$(for f in $(ls "$LOG".* | sort -V -r) "$LOG"; do jq -rj .log "$f"; done | sha256sum)" = "$("$PAYLOAD" lines 30000 60 | sha256sum)" ]
}

@test "reopen: after a rename all later bytes go to a new file" {
	args echo before + sleep 2 + echo after
	start
	wait_for 5 grep -q before "$LOG"
	mv "$LOG" "$LOG.old"
	sh_ reopen-log "$ID"
	[ -e "$LOG" ]
	sh_ wait "$ID" >/dev/null
	[ "$(jq -r .log "$LOG.old")" = before ]
	[ "$(jq -r .log "$LOG")" = after ]
}

@test "reopen without a rename truncates nothing" {
	args echo before + sleep 2 + echo after
	start
	wait_for 5 grep -q before "$LOG"
	sh_ reopen-log "$ID"
	sh_ wait "$ID" >/dev/null
	[ "$(jq -rj .log "$LOG")" = "$(printf 'before\nafter')" ]
}

@test "logs: -f follows to the end, --tail, --stream" {
	args echo 1 + sleep 0.5 + stderr 2 + echo 3
	start
	[ "$(sh_ logs -f "$ID" 2>/dev/null)" = "$(printf '1\n3')" ]
	[ "$(sh_ logs -f "$ID" 2>&1 >/dev/null)" = 2 ]
	[ "$(sh_ logs --tail 1 --stream stdout "$ID")" = 3 ]
	[ "$(sh_ logs --stream stderr "$ID" 2>&1)" = 2 ]
}

@test "a full disk: the container's exit is recorded on time, the loss is counted and told" {
	mkdir -p "$T/small"
	mount -t tmpfs -o size=64k tmpfs "$T/small"
	LOG=$T/small/0.log
	args lines 5000 60 + exit 6
	start
	run timeout 20 "$SHIM" wait --root "$SHIM_ROOT" "$ID"
	[ "$output" = 6 ] || { umount "$T/small"; false; }
	record | jq -e '.bytes_dropped > 0 and .bytes_logged > 0 and .drop_reason != null' || { umount "$T/small"; false; }
	# every record in the file is whole
	jq -e . "$LOG" >/dev/null || { umount "$T/small"; false; }
	sh_ delete "$ID"
	umount "$T/small"
}

@test "a grandchild that keeps the pipe does not delay the exit" {
	args echo first + leave 8 + exit 5
	cfg 'del(.linux.namespaces[] | select(.type == "pid"))'
	start
	local t=$SECONDS
	run timeout 6 "$SHIM" wait --root "$SHIM_ROOT" "$ID"
	[ "$output" = 5 ]
	[ $((SECONDS - t)) -lt 5 ]
	grep -q first "$LOG"
}

@test "an attach client that stops reading delays nothing" {
	args sleep 1 + lines 30000 60 + exit 4
	start
	"$SHIM" attach --root "$SHIM_ROOT" "$ID" </dev/null >"$T/attach.out" 2>/dev/null &
	local a=$!
	sleep 0.3
	kill -STOP $a
	run timeout 20 "$SHIM" wait --root "$SHIM_ROOT" "$ID"
	kill -CONT $a
	kill $a 2>/dev/null || true
	[ "$output" = 4 ]
	[ "$(jq -rj .log "$LOG" | sha256sum)" = "$("$PAYLOAD" lines 30000 60 | sha256sum)" ]
}

@test "attach: output and stdin" {
	args stdin + exit 2
	start --stdin
	run bash -c '(printf "ping\n"; sleep 1) | timeout 10 "$1" attach --root "$2" "$3"' x "$SHIM" "$SHIM_ROOT" "$ID"
	has ping
	wait_for 5 grep -q ping "$LOG"
}

@test "a terminal: everything is stdout, attach with detach keys" {
	requires python3
	cfg '.process.terminal = true'
	args isatty + sleep 60
	start --terminal
	wait_for 10 grep -q "tty 1 1 1" "$LOG"
	run python3 "$TOP/tests/lib/console.py" pty "$SHIM" attach --root "$SHIM_ROOT" "$ID" <<-'EOT'
		@sleep 0.5
		@keys 10 11
		@sleep 0.5
	EOT
	status_is 0
	has "terminal restored"
	sh_ kill "$ID" KILL
	wait_for 10 done_
	record | jq -e '.exit_code == 137'
}

@test "thousands of orphans, no zombie stays" {
	cfg 'del(.linux.namespaces[] | select(.type == "pid"))'
	args orphans 2000 + echo all + sleep 1
	start
	wait_for 20 grep -q all "$LOG"
	sleep 0.5
	[ "$(ps -o stat= --ppid "$(shim_pid)" | grep -c Z)" -eq 0 ]
	run sh_ wait "$ID"
	status_is 0
}

@test "kill -9 of the shim: state and wait tell what is known, delete cleans up" {
	args sleep 60
	start
	kill -9 "$(shim_pid)"
	wait_for 5 test ! -d "/proc/$(shim_pid)"
	sh_ state "$ID" | jq -e '.status == "running" and .shim_alive == false'
	(sleep 0.5 && kill -9 "$(pid)") &
	run timeout 10 "$SHIM" wait --root "$SHIM_ROOT" "$ID"
	status_is 255
	[ "$output" = unknown ]
	run sh_ state "$ID"
	status_is 0
	run timeout 10 "$SHIM" delete --root "$SHIM_ROOT" --force "$ID"
	status_is 0
	[ -z "$(cgroup_dirs)" ]
	run rt state "$ID"
	[ "$status" -ne 0 ]
}

@test "kill -9 of the shim after the exit: the real status is known" {
	args exit 9
	start
	wait_for 10 done_
	kill -9 "$(shim_pid)"
	run sh_ wait "$ID"
	status_is 9
	sh_ delete "$ID"
}

@test "list" {
	args sleep 60
	start
	run sh_ list -q
	[ "$output" = "$ID" ]
	sh_ list --format json | jq -e --arg id "$ID" '.[0].id == $id'
}

@test "delete refuses a running container, --force does not" {
	args sleep 60
	start
	run sh_ delete "$ID"
	[ "$status" -ne 0 ]
	sh_ delete --force "$ID"
	[ -z "$(cgroup_dirs)" ]
}

@test "other users cannot use the socket" {
	args sleep 60
	start
	run setpriv --reuid 65534 --clear-groups "$SHIM" state --root "$SHIM_ROOT" "$ID"
	[ "$status" -ne 0 ]
	d=$(dirname "$(jq -r .socket "$T/start.out")")
	[ "$(stat -c %a "$d")" = 700 ]
}

@test "the shim idles: no wake-ups, little memory" {
	args sleep 60
	start
	s=$(shim_pid)
	# One quiet window of 3 s in four: a timer would disturb each of them, a busy machine some.
	for _ in 1 2 3 4; do
		sleep 1
		before=$(awk '/ctxt_switches/{n += $2} END{print n}' "/proc/$s/status")
		sleep 3
		after=$(awk '/ctxt_switches/{n += $2} END{print n}' "/proc/$s/status")
		[ "$after" -ne "$before" ] || break
	done
	[ "$after" -eq "$before" ]
	private=$(awk '/^Private_(Clean|Dirty)/{n += $2} END{print n}' "/proc/$s/smaps_rollup")
	echo "private: $private KiB"
	[ "$private" -lt 1000 ]
}

@test "--lower: an overlay rootfs that dies with the shim" {
	requires overlay
	mkdir -p "$T/lower1" "$T/lower2"
	cp -r "$BUNDLE/rootfs/." "$T/lower1/"
	echo two >"$T/lower2/two"
	rm -rf "$BUNDLE/rootfs"
	mkdir "$BUNDLE/rootfs"
	mount -t tmpfs tmpfs "$BUNDLE" && mkdir "$BUNDLE/rootfs"
	default_config >"$BUNDLE/config.json"
	args cat /two + write /new x
	before=$(wc -l </proc/self/mountinfo)
	start --lower "$T/lower2:$T/lower1" || { cat "$T/start.err"; umount "$BUNDLE"; false; }
	run sh_ wait "$ID"
	after=$(wc -l </proc/self/mountinfo)
	sh_ delete "$ID"
	[ ! -e "$T/lower1/new" ]
	umount "$BUNDLE"
	[ "$status" -eq 0 ]
	[ "$before" -eq "$after" ]
	[ "$(jq -rj .log "$LOG")" = "$(printf 'two\nwrite /new: ok\n')" ]
}

@test "options: bad ones are one line" {
	for o in "--id" "--nosuch" "--id a/b" "--log-format xml" "--log-size-max x"; do
		# shellcheck disable=SC2086
		run "$SHIM" start --root "$SHIM_ROOT" --bundle "$BUNDLE" $o
		[ "$status" -ne 0 ]
		[ "$(printf '%s\n' "$output" | wc -l)" -eq 1 ]
	done
	run start
	status_is 0
	run start
	[ "$status" -ne 0 ]
	grep -q exists "$T/start.err"
}
