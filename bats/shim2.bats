#!/usr/bin/env bats
# The shim under pressure: logs that are truncated, removed, full, reopened; runtimes that lie or
# hang; peers, paths and signals that mean harm; many execs. SHIM_RUNTIME=runc runs it above runc.

load helpers
setup() {
	setup_common
	RUNTIME=${SHIM_RUNTIME:-$RUNTIME}
	RUNTIME=$(command -v "$RUNTIME")
	LOG=$T/pods/ns_pod_uid/main/0.log
	cd "$T" || return
}
teardown() {
	local m
	for p in $(cat "$T"/*.shimpid 2>/dev/null); do kill -9 "$p" 2>/dev/null; done
	clean_container
	for m in $MOUNTED; do umount -l "$m"; done
	teardown_common
}

sh_() { local c=$1; shift; "$SHIM" "$c" --root "$SHIM_ROOT" "$@"; }
start_id() { # ID OPTIONS...
	local id=$1
	shift
	"$SHIM" start --root "$SHIM_ROOT" --id "$id" --bundle "$BUNDLE" --runtime "$RUNTIME" \
		--runtime-root "$STATE" "$@" </dev/null
}
start() {
	start_id "$ID" --log-path "$LOG" "$@" >"$T/start.out" 2>"$T/start.err" || return
	jq -r .shim_pid "$T/start.out" >"$T/$ID.shimpid"
}
pid() { jq -r .pid "$T/start.out"; }
shim_pid() { jq -r .shim_pid "$T/start.out"; }
record() { find "$SHIM_ROOT" -name record -path "*$ID*" -exec cat {} +; }
done_() { [ -n "$(record)" ]; }
dead() { case $(cut -d' ' -f3 "/proc/$1/stat" 2>/dev/null) in '' | Z) ;; *) return 1 ;; esac; }
private_kib() { awk '/^Private_(Clean|Dirty)/{n += $2} END{print n}' "/proc/$1/smaps_rollup"; }
# A shell in the container, for what the payload cannot do.
shell() { # TEXT
	local b
	b=$(command -v busybox) || skip "needs busybox-static"
	file -L "$b" 2>/dev/null | grep -q dynamically && skip "needs a static busybox"
	cp "$b" "$BUNDLE/rootfs/bin/busybox"
	cfg '.process.args = ["/bin/busybox", "sh", "-c", $t] | .process.cwd = "/"' --arg t "$1"
	# a shell that is pid 1 would not get most signals
	cfg 'del(.linux.namespaces[] | select(.type == "pid"))'
}
# Everything that the record counts was written by the container: BYTES.
sum_is() {
	record | jq -e --argjson n "$1" '.bytes_logged + .bytes_dropped == $n' || {
		record
		echo "expected a sum of $1"
		return 1
	}
}
# A runtime that does TEXT for the command $CMD, and what the real one does for the others.
fake_runtime() { # TEXT
	cat >"$T/fake" <<-SCRIPT
		#!/bin/bash
		real=$RUNTIME
		pidfile=
		args=("\$@")
		for ((i = 0; i < \$#; i++)); do
			case \${args[i]} in
			--root | --log | --log-format) ((i++)) ;;
			-*) ;;
			*) command=\${args[i]}; break ;;
			esac
		done
		for ((; i < \$#; i++)); do [ "\${args[i]}" = --pid-file ] && pidfile=\${args[i + 1]}; done
		$1
		exec "\$real" "\$@"
	SCRIPT
	chmod +x "$T/fake"
	RUNTIME=$T/fake
}

@test "--shim-cgroup: the shim is there, the container is not" {
	local cg=thole-test-shimcg-$$
	args sleep 30
	start --shim-cgroup "/$cg"
	grep -q ":/$cg\$" "/proc/$(shim_pid)/cgroup"
	[ "$(grep -c ":/$cg\$" "/proc/$(pid)/cgroup")" -eq 0 ]
	sh_ delete --force "$ID"
	find /sys/fs/cgroup -maxdepth 2 -name "$cg" -type d -exec rmdir {} + 2>/dev/null || true
	[ -z "$(find /sys/fs/cgroup -maxdepth 2 -name "$cg")" ]
}

@test "--log: a file, by default one in the state directory" {
	args sleep 30
	start --log "$T/own.log"
	run sh_ exec "$ID" nosuchprogram
	grep -q nosuchprogram "$T/own.log"
	[ ! -e "$SHIM_ROOT/default/$ID/shim.log" ]
	sh_ delete --force "$ID"
	start
	run sh_ exec "$ID" nosuchprogram
	grep -q nosuchprogram "$SHIM_ROOT/default/$ID/shim.log"
	sh_ delete --force "$ID"
	run start --log /nosuch/dir/log
	[ "$status" -ne 0 ]
	[ "$(wc -l <"$T/start.err")" -eq 1 ]
	grep -q /nosuch/dir/log "$T/start.err"
}

@test "--log: the default file is bounded" {
	requires python3
	args sleep 60
	start
	# each ignored signal is a line
	python3 - "$(shim_pid)" <<-'PY'
		import os, sys, time
		for i in range(60000):
		    os.kill(int(sys.argv[1]), (1, 2, 3, 10, 12, 14)[i % 6])
		    if i % 6 == 5:
		        time.sleep(0.00005)
	PY
	n=$(cat "$SHIM_ROOT/default/$ID"/shim.log* | wc -c)
	echo "$n bytes"
	[ "$n" -gt 100000 ]
	[ "$n" -le 2200000 ]
}

@test "--log syslog and journald: the messages arrive there" {
	requires root
	args sleep 30
	export -f sh_ start_id
	export SHIM SHIM_ROOT ID BUNDLE RUNTIME STATE
	for kind in syslog journald; do
		run "$TOP/tests/lib/journal" bash -c 'start_id "$ID" --log '$kind' >/dev/null || exit
			sh_ exec "$ID" nosuchprogram
			[ ! -e "$SHIM_ROOT/default/$ID/shim.log" ] || echo "a file too"
			journalctl --sync
			journalctl -o json -t thole-shim | jq -r "[._TRANSPORT, .PRIORITY, .SYSLOG_PID, .MESSAGE] | @tsv"
			sh_ delete --force "$ID"'
		[ "$status" -ne 77 ] || skip "systemd-journald is not installed"
		status_is 0
		has_not "a file too"
		[ $kind = journald ] && transport=journal || transport=syslog
		grep -E "^$transport	[34]	[0-9]+	.*nosuchprogram" <<<"$output"
	done
	# No service is no reason not to run a container; it is tried anew for each message.
	start --log journald
	sh_ delete --force "$ID"
}

@test "oom_score_adj: lowered for the shim, restored in the container" {
	args sleep 30
	(
		echo 200 >/proc/self/oom_score_adj
		start
	)
	[ "$(cat "/proc/$(shim_pid)/oom_score_adj")" -le 0 ]
	[ "$(cat "/proc/$(pid)/oom_score_adj")" -eq 200 ]
	sh_ exec "$ID" /bin/payload cat /proc/self/oom_score_adj >"$T/exec.out"
	[ "$(cat "$T/exec.out")" -eq 200 ]
}

@test "resize, a terminal's size at attach, --detach-keys" {
	requires python3
	cfg '.process.terminal = true'
	args winch 3 + sleep 60
	start --terminal
	sh_ resize "$ID" 111 44
	wait_for 5 grep -q "size 44 111" "$LOG"
	run python3 "$TOP/tests/lib/console.py" pty "$SHIM" attach --root "$SHIM_ROOT" --detach-keys ctrl-a,x "$ID" <<-'EOT'
		@until size 24 80
		@resize 33 77
		@until size 33 77
		@keys 10 11
		@sleep 0.3
		@keys 01 78
		@sleep 0.3
	EOT
	status_is 0
	has "size 33 77"
	has_not "never saw"
	sh_ state "$ID" | jq -e '.status == "running"'
	run sh_ attach --detach-keys ctrl-, "$ID"
	[ "$status" -ne 0 ]
	run sh_ resize "$ID" 70000 1
	[ "$status" -ne 0 ]
}

@test "logs -f through rotation and reopen: every line, once, in order" {
	cfg 'del(.linux.namespaces[] | select(.type == "pid"))'
	shell 'i=0; while [ $i -lt 20 ]; do i=$((i + 1)); /bin/payload lines 400 50; busybox sleep 0.05; done'
	start --log-size-max 200000 --log-max-files 40
	sh_ logs -f "$ID" >"$T/followed" &
	local f=$!
	for _ in 1 2 3 4 5 6 7 8; do sleep 0.1; sh_ reopen-log "$ID" || true; done
	wait $f
	for _ in $(seq 20); do "$PAYLOAD" lines 400 50; done | cmp - "$T/followed"
	sum_is "$(wc -c <"$T/followed")"
}

@test "kill -9 of the shim in mid-write, 20 times: logs skips a torn tail, the next opener repairs it" {
	args lines 400000 60
	local torn=0
	for i in $(seq 20); do
		start_id "$ID-$i" --log-path "$LOG" >"$T/o" || { cat "$T/o"; false; }
		s=$(jq -r .shim_pid "$T/o")
		sleep "0.0$((i % 9))"
		kill -9 "$s"
		wait_for 5 dead "$s"
		if [ -s "$LOG" ] && [ "$(tail -c 1 "$LOG" | od -An -tx1)" != " 0a" ]; then torn=$((torn + 1)); fi
		sh_ logs "$ID-$i" >"$T/logs" 2>"$T/logs.err" || { cat "$T/logs.err"; false; }
		run grep -cvE '^line [0-9]+x*$' "$T/logs"
		[ "$output" = 0 ]
		sh_ delete --force "$ID-$i"
		[ $((i % 4)) != 0 ] || truncate -s 0 "$LOG"
	done
	# a torn tail for certain
	printf '{"log":"never fini' >>"$LOG"
	args echo repaired
	start
	sh_ wait "$ID"
	jq -e . "$LOG" >/dev/null
	tail -n 1 "$LOG" | grep -q repaired
	echo "torn: $torn"
}

@test "logs skips a torn tail, in both formats" {
	args echo whole
	for format in json cri; do
		LOG=$T/$format.log
		start --log-format $format
		sh_ wait "$ID"
		kill -9 "$(shim_pid)"
		if [ $format = json ]; then
			printf '{"log":"torn","stream":"stdout","ti' >>"$LOG"
		else
			printf '2026-01-01T00:00:00.0' >>"$LOG"
		fi
		[ "$(sh_ logs "$ID")" = whole ]
		[ "$(sh_ logs --tail 1 "$ID")" = whole ]
		sh_ delete --force "$ID"
	done
}

@test "somebody truncates the log while it is written: no line is torn into another" {
	shell 'i=0; while [ $i -lt 60 ]; do i=$((i + 1)); /bin/payload lines 200 50; busybox sleep 0.02; done'
	start
	for n in 0 1000 77 0 12345 3; do
		sleep 0.15
		truncate -s $n "$LOG"
	done
	run sh_ wait "$ID"
	status_is 0
	# what truncate itself has cut is the only thing that is no record
	bad=0
	while read -r line; do jq -e . <<<"$line" >/dev/null 2>&1 || bad=$((bad + 1)); done < <(tr -d '\000' <"$LOG" | head -n 40)
	[ $bad -le 1 ]
	tail -n +2 "$LOG" | jq -e . >/dev/null
	sum_is $((60 * $("$PAYLOAD" lines 200 50 | wc -c)))
}

@test "the log's directory is removed: the container goes on, reopen makes it again" {
	args echo one + sleep 1 + echo two + sleep 1 + echo three + exit 3
	start
	wait_for 5 grep -q one "$LOG"
	rm -rf "$T/pods"
	sleep 1
	sh_ reopen-log "$ID"
	run sh_ wait "$ID"
	status_is 3
	grep -q three "$LOG"
	sum_is 14
}

@test "reopen where nobody has renamed: a watcher sees the name come back" {
	requires python3
	args echo before + sleep 60
	start
	wait_for 5 grep -q before "$LOG"
	inode=$(stat -c %i "$LOG")
	python3 "$TOP/tests/lib/watch.py" "$(dirname "$LOG")" 1.5 >"$T/events" &
	local w=$!
	wait_for 5 grep -q watching "$T/events"
	sh_ reopen-log "$ID"
	wait $w
	grep -q '^moved_to 0.log$' "$T/events" || { cat "$T/events"; false; }
	[ "$(stat -c %i "$LOG")" = "$inode" ]
	[ "$(ls -A "$(dirname "$LOG")")" = 0.log ]
}

@test "a full disk, then space again: one marker with the right number, the sum is exact" {
	mkdir -p "$T/small"
	mount -t tmpfs -o size=64k tmpfs "$T/small"
	MOUNTED=$T/small
	LOG=$T/small/0.log
	shell '/bin/payload lines 3000 60; while [ ! -e /go ]; do busybox sleep 0.05; done; echo last; exit 6'
	start
	sleep 0.7
	mount -o remount,size=2m "$T/small"
	touch "$BUNDLE/rootfs/go"
	run sh_ wait "$ID"
	status_is 6
	jq -e . "$LOG" >/dev/null
	grep -q '"last\\n"' "$LOG"
	[ "$(grep -c 'bytes lost' "$LOG")" -eq 1 ]
	lost=$(grep -o 'thole-shim: [0-9]* bytes lost: [^\\"]*' "$LOG")
	echo "$lost"
	[ "$(jq -r 'select(.log | test("bytes lost")) | .stream' "$LOG")" = stderr ]
	[ "$(awk '{print $2}' <<<"$lost")" = "$(record | jq .bytes_dropped)" ]
	sum_is $((5 + $("$PAYLOAD" lines 3000 60 | wc -c)))
	logged=$(jq -rj 'select(.log | test("bytes lost") | not) | .log' "$LOG" | wc -c)
	[ "$logged" = "$(record | jq .bytes_logged)" ]
	sh_ delete "$ID"
}

@test "a megabyte a second on both streams, a reopen every 50 ms: no byte lost, no line torn" {
	shell 'i=0; while [ $i -lt 60 ]; do i=$((i + 1)); /bin/payload lines 500 100; /bin/payload lines 500 100 2; busybox sleep 0.04; done'
	start
	local n=0
	until done_ || [ $n -gt 200 ]; do
		n=$((n + 1))
		if [ $((n % 3)) = 0 ]; then mv "$LOG" "$LOG.old$(printf %04d $n)" 2>/dev/null; fi
		sh_ reopen-log "$ID" || true
		sleep 0.05
	done
	run sh_ wait "$ID"
	status_is 0
	echo "reopened $n times, $(ls "$LOG"* | wc -l) files"
	[ "$n" -gt 3 ]
	cat "$LOG".old* "$LOG" >"$T/all"
	for _ in $(seq 60); do "$PAYLOAD" lines 500 100; done >"$T/want"
	jq -rj 'select(.stream == "stdout") | .log' "$T/all" | cmp - "$T/want"
	jq -rj 'select(.stream == "stderr") | .log' "$T/all" | cmp - "$T/want"
	sum_is $((2 * $(wc -c <"$T/want")))
}

@test "bytes without a newline, to the very last" {
	args bytes 5000001 + exit 4
	for format in json cri; do
		LOG=$T/$format.log
		start --log-format $format
		run sh_ wait "$ID"
		status_is 4
		sum_is 5000001
		[ "$(sh_ logs "$ID" | tr -d '\n' | wc -c)" -eq 5000001 ]
		sh_ delete "$ID"
	done
}

@test "five hundred execs, then the memory is what it was" {
	args pause
	start
	s=$(shim_pid)
	storm() { # COUNT
		for w in 1 2 3 4; do
			(for _ in $(seq $(($1 / 4))); do sh_ exec "$ID" /bin/payload exit 0 || echo "failed $?"; done) &
		done
		wait
	}
	storm 40 >"$T/failures"
	sleep 0.3
	before=$(private_kib "$s")
	fds=$(ls "/proc/$s/fd" | wc -l)
	storm 500 >>"$T/failures"
	sleep 0.5
	after=$(private_kib "$s")
	echo "private before $before KiB, after $after KiB; $(cat "$T/failures")"
	[ ! -s "$T/failures" ]
	[ "$after" -le $((before + 64)) ]
	[ "$(ls "/proc/$s/fd" | wc -l)" -eq "$fds" ]
	[ -z "$(find "$SHIM_ROOT/default/$ID" -name 'exec*')" ]
}

@test "clients killed in the middle of their execs leave room for others" {
	args sleep 120
	start
	for i in $(seq 30); do
		"$SHIM" exec --root "$SHIM_ROOT" "$ID" /bin/payload exit 0 >/dev/null 2>&1 &
		sleep "0.00$((i % 10))"
		kill -9 $! 2>/dev/null || true
	done
	wait
	[ "$(sh_ exec "$ID" /bin/payload echo fine)" = fine ]
	sh_ kill "$ID" KILL
	run timeout 5 "$SHIM" wait --root "$SHIM_ROOT" "$ID"
	status_is 137
	sh_ delete "$ID"
}

@test "a runtime that is stopped in the middle of an exec or a kill: others are answered" {
	args sleep 60
	fake_runtime 'case $command in exec | kill) [ -e '"$T"'/stop ] && kill -STOP $$ ;; esac'
	start
	touch "$T/stop"
	"$SHIM" exec --root "$SHIM_ROOT" "$ID" /bin/payload echo never >"$T/exec.out" 2>&1 &
	"$SHIM" kill --root "$SHIM_ROOT" "$ID" USR1 >"$T/kill.out" 2>&1 &
	sleep 0.5
	rm "$T/stop"
	timeout 3 "$SHIM" state --root "$SHIM_ROOT" "$ID" | jq -e '.status == "running"'
	[ "$(timeout 3 "$SHIM" exec --root "$SHIM_ROOT" "$ID" /bin/payload echo works)" = works ]
	timeout 3 "$SHIM" kill --root "$SHIM_ROOT" "$ID" KILL
	wait_for 2 done_
	# sessions whose start hangs hold up whoever waits, but not for long
	run timeout 8 "$SHIM" wait --root "$SHIM_ROOT" "$ID"
	status_is 137
	# both stopped runtimes are children of the shim
	for p in $(pgrep -P "$(shim_pid)"); do kill -CONT "$p"; done
	wait
	sh_ delete "$ID"
}

@test "a runtime that says ten megabytes" {
	args sleep 60
	fake_runtime 'case $command in create) head -c 10000000 /dev/zero | tr "\0" x >&2; echo >&2; echo "the reason" >&2; exit 1 ;; esac'
	run start
	[ "$status" -ne 0 ]
	tail -c 300 "$T/start.err"
	[ "$(wc -l <"$T/start.err")" -eq 1 ]
	[ "$(wc -c <"$T/start.err")" -le 9000 ]
	grep -q "the reason" "$T/start.err"
}

@test "a runtime that exits 0 and lies about the pid: refused, nobody is signalled" {
	args sleep 60
	sleep 300 &
	local victim=$!
	for text in '' 'echo -n >$pidfile' 'echo garbage >$pidfile' 'echo -n -5 >$pidfile' 'echo -n 0 >$pidfile' \
		'echo -n 1 >$pidfile' 'echo -n 99999999999999999999 >$pidfile' 'echo -n 4000000 >$pidfile' \
		"echo -n $victim >\$pidfile" 'echo -n $PPID >$pidfile' 'head -c 100000 /dev/zero >$pidfile'; do
		fake_runtime 'case $command in create) '"$text"'
			exit 0 ;; delete | kill) exit 1 ;; esac'
		run start
		[ "$status" -ne 0 ]
		cat "$T/start.err"
		[ "$(wc -l <"$T/start.err")" -eq 1 ]
		grep -qi "pid file\|process" "$T/start.err"
		kill -0 $victim
		[ -z "$(ls -A "$SHIM_ROOT/default" 2>/dev/null)" ]
		RUNTIME=$(sed -n 's/^real=//p' "$T/fake")
	done
	kill $victim
	wait $victim || true
}

@test "an exec whose runtime lies about the pid cannot be made to kill another process" {
	args sleep 60
	sleep 300 &
	local victim=$!
	fake_runtime 'case $command in exec) echo -n '$victim' >$pidfile; exit 0 ;; esac'
	start
	run sh_ exec "$ID" /bin/payload echo x
	[ "$status" -ne 0 ]
	kill -0 $victim
	kill $victim
	wait $victim || true
	sh_ state "$ID" | jq -e '.status == "running"'
}

@test "ids of 255 bytes, and ids that are none" {
	args echo hi + exit 5
	long=$(printf 'i%.0s' $(seq 255))
	cfg 'del(.linux.cgroupsPath) | .linux.cgroupsPath = $c' --arg c "$CG"
	start_id "$long" --log-path "$LOG" >"$T/start.out"
	run sh_ wait "$long"
	status_is 5
	sh_ delete "$long"
	for id in "" . .. a/b ../x "a b" $'a\nb' "$(printf 'i%.0s' $(seq 256))" 'a*' 'ä' '$(id)'; do
		run start_id "$id" --log-path "$LOG"
		[ "$status" -ne 0 ]
		run sh_ state "$id"
		[ "$status" -ne 0 ]
		run sh_ delete --force "$id"
		[ "$status" -ne 0 ]
	done
	run sh_ state --namespace ../.. x
	[ "$status" -ne 0 ]
}

@test "paths longer than a socket's: --root, --bundle, a terminal" {
	requires python3
	deep=$T/$(printf 'd%.0s' $(seq 100))/$(printf 'e%.0s' $(seq 100))
	mkdir -p "$deep"
	mv "$BUNDLE" "$deep/bundle"
	BUNDLE=$deep/bundle
	SHIM_ROOT=$deep/shims
	cfg '.process.terminal = true'
	args isatty + exit 7
	start --terminal
	run sh_ wait "$ID"
	status_is 7
	grep -q "tty 1 1 1" "$LOG"
	sh_ delete "$ID"
	[ -z "$(ls -A "$SHIM_ROOT")" ]
}

@test "two starts of one id at the same time: exactly one wins" {
	args sleep 60
	for _ in 1 2 3 4 5 6; do
		for i in 1 2 3 4; do
			(start_id "$ID" --log-path "$LOG" >"$T/w$i" 2>"$T/e$i" && echo won >"$T/r$i" || echo lost >"$T/r$i") &
		done
		wait
		[ "$(cat "$T"/r? | grep -c won)" -eq 1 ]
		for i in 1 2 3 4; do
			[ "$(cat "$T/r$i")" = won ] || grep -q exists "$T/e$i" || { cat "$T/e$i"; false; }
		done
		sh_ state "$ID" | jq -e '.status == "running" and .shim_alive'
		sh_ delete --force "$ID"
	done
}

@test "a state directory on a full tmpfs: start says so, an exit is still recorded" {
	mkdir -p "$T/tiny"
	mount -t tmpfs -o size=128k tmpfs "$T/tiny"
	MOUNTED=$T/tiny
	SHIM_ROOT=$T/tiny
	args sleep 1 + exit 9
	start
	head -c 1000000 /dev/zero >"$T/tiny/fill" || true
	run sh_ wait "$ID"
	status_is 9
	record | jq -e '.exit_code == 9'
	kill -9 "$(shim_pid)"
	run sh_ wait "$ID"
	status_is 9
	sh_ delete "$ID"
	cat /dev/zero >>"$T/tiny/fill" || true
	run start
	[ "$status" -ne 0 ]
	cat "$T/start.err"
	[ "$(wc -l <"$T/start.err")" -eq 1 ]
	grep -qi "no space" "$T/start.err"
	[ "$(ls -A "$SHIM_ROOT")" = fill ] || [ -z "$(ls -A "$SHIM_ROOT/default")" ]
	rm "$T/tiny/fill"
	start
	sh_ delete --force "$ID"
}

@test "signals to the shim: only TERM reaches the container, none ends the shim" {
	args catch
	start
	wait_for 5 grep -q ready "$LOG"
	for s in HUP INT QUIT USR1 USR2 ALRM PIPE WINCH CONT IO PROF; do kill -$s "$(shim_pid)"; done
	sleep 0.2
	sh_ state "$ID" | jq -e '.status == "running" and .shim_alive'
	[ "$(grep -c signal "$LOG")" -eq 0 ]
	kill -TERM "$(shim_pid)"
	wait_for 10 done_
	record | jq -e '.exit_code == 55 and .stopped_by == null'
}

@test "a container that closes its output early is still watched to its end" {
	shell 'echo first; exec >&- 2>&-; busybox sleep 1; exit 8'
	start
	s=$(shim_pid)
	sleep 0.3
	ticks() { awk '{print $14 + $15}' "/proc/$s/stat"; }
	before=$(ticks)
	run timeout 5 "$SHIM" wait --root "$SHIM_ROOT" "$ID"
	status_is 8
	[ $(($(ticks) - before)) -le 2 ]
	grep -q first "$LOG"
	sum_is 6
}

@test "ten megabytes for a container that does not read: bounded, and others are served" {
	args sleep 60
	start --stdin
	s=$(shim_pid)
	head -c 10000000 /dev/zero | "$SHIM" attach --root "$SHIM_ROOT" "$ID" >/dev/null 2>&1 &
	local a=$!
	sleep 1
	private=$(private_kib "$s")
	echo "private $private KiB"
	[ "$private" -lt 2000 ]
	[ "$(timeout 3 "$SHIM" exec --root "$SHIM_ROOT" "$ID" /bin/payload echo ok)" = ok ]
	kill $a
	wait $a || true
	sh_ kill "$ID" KILL
	run timeout 5 "$SHIM" wait --root "$SHIM_ROOT" "$ID"
	status_is 137
}

@test "ten megabytes through stdin and back, byte for byte" {
	args sleep 60
	start
	head -c 10000000 /dev/urandom >"$T/in"
	sh_ exec -i "$ID" /bin/payload stdin <"$T/in" >"$T/out"
	cmp "$T/in" "$T/out"
}

@test "unknown exit: the shim dies before its container" {
	local pid
	args sleep 60
	start
	pid=$(sh_ state "$ID" | jq .pid)
	kill -9 "$(shim_pid)"
	kill -9 "$pid"
	run timeout 10 "$SHIM" wait --root "$SHIM_ROOT" "$ID"
	status_is 255
	[ "$output" = unknown ]
	sh_ state "$ID" | jq -e '.status == "stopped" and .exit_code == null and .shim_alive == false'
	run sh_ exec "$ID" /bin/payload echo x
	status_is 255
	run sh_ logs "$ID"
	status_is 0
	sh_ delete "$ID"
}

@test "every command has an answer when the shim is dead and the container runs" {
	args echo logged + sleep 60
	start
	wait_for 5 grep -q logged "$LOG"
	kill -9 "$(shim_pid)"
	wait_for 5 dead "$(shim_pid)"
	sh_ state "$ID" | jq -e '.status == "running" and .shim_alive == false and .pid > 0'
	[ "$(sh_ logs "$ID")" = logged ]
	[ "$(timeout 5 "$SHIM" logs -f --root "$SHIM_ROOT" "$ID")" = logged ]
	[ "$(sh_ list -q)" = "$ID" ]
	for c in "exec $ID /bin/payload id" "attach $ID" "resize $ID 80 24" "reopen-log $ID"; do
		# shellcheck disable=SC2086
		run sh_ $c
		[ "$status" -ne 0 ]
		one_line_with "is dead"
	done
	run sh_ delete "$ID"
	[ "$status" -ne 0 ]
	sh_ kill "$ID" KILL
	run timeout 5 "$SHIM" wait --root "$SHIM_ROOT" "$ID"
	status_is 255
	sh_ delete "$ID"
	[ -z "$(cgroup_dirs)" ]
}

@test "the roll-back leaves nothing: neither log, nor its directories, nor the pid file" {
	cfg '.process.args = ["/nosuch"]'
	run start --pid-file "$T/pidfile" --exit-file "$T/exitfile"
	[ "$status" -ne 0 ]
	[ ! -e "$T/pods" ]
	[ ! -e "$T/pidfile" ]
	[ ! -e "$T/exitfile" ]
	[ -z "$(ls -A "$SHIM_ROOT/default" 2>/dev/null)" ]
}

@test "--pid-file, --exit-file, --runtime-arg" {
	args sleep 1 + exit 4
	local real=$RUNTIME
	fake_runtime 'echo "$*" >>'"$T"'/calls'
	start --pid-file "$T/pidfile" --exit-file "$T/exitfile" --runtime-arg --debug
	[ "$(cat "$T/pidfile")" = "$(pid)" ]
	run sh_ wait "$ID"
	status_is 4
	wait_for 5 test -s "$T/exitfile"
	diff <(record) "$T/exitfile"
	grep -q '^--debug --root .* create ' "$T/calls"
	[ "$(jq -r 'keys | sort | join(" ")' "$T/exitfile")" = "bytes_dropped bytes_logged core_dumped cpu_time_ns drop_reason exit_code finished_at id oom_killed peak_memory_bytes pid seccomp_killed signal started_at stopped_by" ]
	RUNTIME=$real
}

@test "the record tells a core dump, a seccomp kill and null for what nobody knows" {
	cfg 'del(.linux.namespaces[] | select(.type == "pid"))'
	cfg '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["nanosleep", "clock_nanosleep"], "action": "SCMP_ACT_KILL_PROCESS"}]}'
	args sleep 5
	start
	run sh_ wait "$ID"
	status_is 159
	record | jq -e '.signal == 31 and .seccomp_killed == true and .exit_code == 159'
	sh_ delete "$ID"
	cfg 'del(.linux.seccomp) | .process.rlimits = [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]'
	args kill 11
	start
	run sh_ wait "$ID"
	status_is 139
	record | jq -e '.signal == 11 and .core_dumped == false and .seccomp_killed == false'
}
