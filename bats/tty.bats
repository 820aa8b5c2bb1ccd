#!/usr/bin/env bats
# Terminals: console socket, size, controlling terminal, foreground run and exec.

load helpers
setup() {
	setup_common
	requires python3
	cfg '.process.terminal = true'
}
teardown() { clean_container; teardown_common; }
console() { python3 "$TOP/tests/lib/console.py" "$@"; }

@test "create: the master arrives on the console socket, with the size asked for" {
	cfg '.process.consoleSize = {"height": 33, "width": 77}'
	args isatty + stat /dev/console
	console recv "$T/c.sock" >"$T/c.out" &
	wait_for 5 test -S "$T/c.sock"
	ct_create --console-socket "$T/c.sock"
	ct_start
	wait_for 10 grep -q /dev/console "$T/c.out"
	tr -d '\r' <"$T/c.out" >"$T/c"
	head -n 1 "$T/c" | grep -q "fds 1"
	grep -qx "size 33 77" "$T/c"
	grep -qx "tty 1 1 1" "$T/c"
	grep -q "name /dev/pts/0" "$T/c"
	grep -q "/dev/console type 20000" "$T/c"
}

@test "refusals: tty without socket, socket without tty" {
	requires runc_like
	run rt create --bundle "$BUNDLE" "$ID"
	status_is 1
	has "cannot allocate tty if"
	cfg '.process.terminal = false'
	run rt create --bundle "$BUNDLE" --console-socket "$T/x" "$ID"
	status_is 1
	has "cannot use console socket if"
}

@test "run: in the foreground on a terminal" {
	args isatty + winch 0 + id + exit 6
	run console pty "$RUNTIME" --root "$STATE" run --bundle "$BUNDLE" "$ID" </dev/null
	status_is 6
	has "tty 1 1 1"
	has "size 24 80"
	# There when the process starts; runc sets it afterwards.
	[ "$RT_NAME" != thole ] || has_not "size 0 0"
	has "terminal restored"
}

@test "run: the size follows the terminal" {
	args winch 1
	run console pty "$RUNTIME" --root "$STATE" run --bundle "$BUNDLE" "$ID" <<-'EOT'
		@until size 24 80
		@resize 40 100
		@until size 40 100
	EOT
	status_is 0
	has "size 40 100"
	has_not "never saw"
}

@test "run: typed text reaches the container, control-C its process" {
	args catch
	run console pty "$RUNTIME" --root "$STATE" run --bundle "$BUNDLE" "$ID" <<-'EOT'
		@until ready
		@keys 03
		@until signal 2
	EOT
	status_is 42
	has "signal 2"
	has "terminal restored"
}

@test "run: the terminal is restored when the container is killed, and when the runtime is signalled" {
	args catch
	run console pty "$RUNTIME" --root "$STATE" run --bundle "$BUNDLE" "$ID" <<-'EOT'
		@until ready
		@signal 15
		@until signal 15
	EOT
	status_is 55
	has "signal 15"
	has "terminal restored"
	args echo ready + pause
	(
		wait_for 10 is_status running
		sleep 0.3
		rt kill "$ID" KILL
	) >/dev/null 2>&1 3>&- &
	run console pty "$RUNTIME" --root "$STATE" run --bundle "$BUNDLE" "$ID" <<<"@until ready"
	status_is 137
	has "terminal restored"
}

@test "the terminal is restored, or never touched, when run and exec fail" {
	requires thole
	cfg '.process.args = ["/bin/nosuch"]'
	run console pty "$RUNTIME" --root "$STATE" run --bundle "$BUNDLE" "$ID" </dev/null
	status_is 1
	has "no such file or directory"
	has "terminal restored"
	# Found, but no program: init ends with 255 after the terminal was set up.
	echo nonsense >"$BUNDLE/rootfs/bin/bad"
	chmod 755 "$BUNDLE/rootfs/bin/bad"
	cfg '.process.args = ["/bin/bad"]'
	run console pty "$RUNTIME" --root "$STATE" run --bundle "$BUNDLE" "$ID" </dev/null
	[ "$status" -ne 0 ]
	has "exec format error"
	has "terminal restored"
	cfg '.process.terminal = false'
	args pause
	ct_create
	ct_start
	for c in /bin/nosuch /bin/bad; do
		run console pty "$RUNTIME" --root "$STATE" exec -t "$ID" $c </dev/null
		status_is 255
		has "terminal restored"
	done
}

@test "exec -t: typed text, control-C, the size, a signal to the runtime" {
	cfg '.process.terminal = false'
	args pause
	ct_create
	ct_start
	run console pty "$RUNTIME" --root "$STATE" exec -t "$ID" /bin/payload catch <<-'EOT'
		@until ready
		@keys 03
		@until signal 2
	EOT
	status_is 42
	has "terminal restored"
	run console pty "$RUNTIME" --root "$STATE" exec -t "$ID" /bin/payload catch <<-'EOT'
		@until ready
		@signal 1
		@until signal 1
	EOT
	status_is 41
	has "terminal restored"
	run console pty "$RUNTIME" --root "$STATE" exec -t "$ID" /bin/payload winch 1 <<-'EOT'
		@until size 24 80
		@resize 40 100
		@until size 40 100
	EOT
	status_is 0
	has_not "never saw"
}

@test "exec -t: a terminal of its own" {
	cfg '.process.terminal = false'
	args pause
	ct_create
	ct_start
	run console pty "$RUNTIME" --root "$STATE" exec -t "$ID" /bin/payload isatty + exit 4 </dev/null
	status_is 4
	has "tty 1 1 1"
	has "terminal restored"
}

@test "exec with a console socket" {
	cfg '.process.terminal = false'
	args pause
	ct_create
	ct_start
	jq '.process | .terminal = true | .args = ["/bin/payload", "isatty"]' "$BUNDLE/config.json" >"$T/p.json"
	console recv "$T/c.sock" >"$T/c.out" &
	wait_for 5 test -S "$T/c.sock"
	rt exec --detach --process "$T/p.json" --console-socket "$T/c.sock" --pid-file "$T/e" "$ID" </dev/null >/dev/null 2>&1
	wait_for 10 grep -q "tty 1 1 1" "$T/c.out"
}
