#!/usr/bin/env bats
# run: the container's life in one command, its output and its status.

load helpers
setup() { setup_common; }
teardown() { clean_container; teardown_common; }

@test "run: output, and nothing is left" {
	args echo hello world
	run ct_run
	status_is 0
	[ "$output" = "hello world" ]
	[ ! -e "$STATE/$ID" ]
}

@test "run: exit status of the process" {
	args exit 7
	run ct_run
	status_is 7
}

@test "run: 128 plus the signal that killed it" {
	args kill 9
	cfg 'del(.linux.namespaces[] | select(.type == "pid"))'
	run ct_run
	status_is 137
}

@test "run: stdout and stderr are kept apart" {
	args echo out + stderr err
	rt run --bundle "$BUNDLE" "$ID" >"$T/o" 2>"$T/e" </dev/null
	[ "$(cat "$T/o")" = out ]
	[ "$(cat "$T/e")" = err ]
}

@test "run: stdin reaches the container and its end does too" {
	args stdin
	printf 'a\nb\n' | rt run --bundle "$BUNDLE" "$ID" >"$T/o"
	[ "$(cat "$T/o")" = "$(printf 'a\nb')" ]
}

@test "run: a megabyte of lines arrives whole" {
	args lines 20000 60
	ct_run >"$T/o"
	[ "$(wc -l <"$T/o")" -eq 20000 ]
	[ "$(tail -n 1 "$T/o" | cut -c1-10)" = "line 20000" ]
}

@test "run --detach: returns, pid file, delete after the exit" {
	args sleep 30
	ct_run --detach --pid-file "$T/pid" >/dev/null 2>&1
	is_status running
	[ "$(cat "$T/pid")" = "$(rt state "$ID" | jq .pid)" ]
	[ "$(stat -c %s "$T/pid")" -eq "$(printf %s "$(cat "$T/pid")" | wc -c)" ]
	run_rt delete "$ID"
	status_is 1
	rt kill "$ID" KILL
	wait_for 10 is_status stopped
	rt delete "$ID"
	run_rt state "$ID"
	status_is 1
	has "does not exist"
}

@test "run: signals to the runtime are forwarded" {
	args catch
	cfg '.process.terminal = false'
	"$RUNTIME" --root "$STATE" run --bundle "$BUNDLE" "$ID" >"$T/o" 2>&1 </dev/null &
	local pid=$! rc=0
	wait_for 10 grep -q ready "$T/o"
	kill -USR1 $pid
	wait $pid || rc=$?
	[ $rc -eq 50 ]
	grep -q "signal 10" "$T/o"
}

@test "run: --keep leaves the stopped container" {
	requires runc_like
	args exit 3
	run ct_run --keep
	status_is 3
	is_status stopped
	rt delete "$ID"
}

@test "run: bundle by cwd and by -b" {
	args echo here
	cd "$BUNDLE"
	run rt run "$ID" </dev/null
	status_is 0
	[ "$output" = here ]
	cd /
	run rt run -b "$BUNDLE" "$ID" </dev/null
	[ "$output" = here ]
}

@test "run: preserved descriptors, all others are closed" {
	args fds
	run bash -c 'exec 3<'"$BUNDLE"'/config.json 4</etc/hostname 5</etc/passwd; exec "$@" </dev/null' x \
		"$RUNTIME" --root "$STATE" run --preserve-fds 1 --bundle "$BUNDLE" "$ID"
	status_is 0
	has "fd 3 "
	has_not "fd 4 "
	has_not "fd 5 "
}

@test "run: thousands of orphans below pid 1" {
	args orphans 2000
	run ct_run
	status_is 0
	has "orphans 2000"
}
