#!/usr/bin/env bats
# NOTIFY_SOCKET: the proxy between a container and the service manager. And the sockets of a service
# manager: LISTEN_FDS.

load helpers
setup() {
	setup_common
	requires thole python3
	HOST_SOCKET=$T/host.sock
}
teardown() {
	[ -z "${MANAGER:-}" ] || kill "$MANAGER" 2>/dev/null
	clean_container
	teardown_common
}

manager() { # [SOCKET]: stands for systemd
	HOST_SOCKET=${1:-$HOST_SOCKET}
	python3 "$TOP/tests/lib/notify.py" "$HOST_SOCKET" >"$T/manager" 2>&1 3>&- &
	MANAGER=$!
	wait_for 5 grep -q '{}' "$T/manager"
}
told() { grep -c '"text"' "$T/manager"; }
notified() { NOTIFY_SOCKET=$HOST_SOCKET "$@"; }
# The text of the Nth datagram.
said() { sed -n "$(($1 + 1))p" "$T/manager" | jq -r "${2:-.text}"; }
ready() {
	[ "$(said 1)" = "READY=1
MAINPID=$1" ] || { cat "$T/manager"; false; }
	[ "$(said 1 .fds)" = 0 ]
}

@test "notify: create and start: start waits for READY=1, tells the pid of init, and waits until that is seen" {
	manager
	args sleep 1 + notify STATUS=working + notify READY=1 STATUS=done + pause
	notified ct_create
	grep -q NOTIFY_SOCKET "$T/out" "$T/err" && false
	[ "$(told)" -eq 0 ]
	[ "$(stat -c %a "$STATE/$ID/notify")" = 755 ]
	notified rt start "$ID"
	# One that did not wait for the program would return before anything is told.
	[ "$(told)" -eq 2 ]
	ready "$(cat "$T/pid")"
	[ "$(said 2)" = BARRIER=1 ]
	[ "$(said 2 .fds)" = 1 ]
	[ "$(said 1 .alive)" = true ]
	rt delete --force "$ID"
	[ ! -e "$STATE/$ID" ]
}

@test "notify: run -d waits; run in the foreground relays beside the program, with its own pid" {
	manager
	args notify READY=1 + pause
	notified rt run -d --pid-file "$T/pid" --bundle "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	[ "$(told)" -eq 2 ]
	ready "$(cat "$T/pid")"
	rt delete --force "$ID"
	kill "$MANAGER"
	rm "$HOST_SOCKET"
	manager
	args notify STATUS=x + notify READY=1 + sleep 1 + echo end
	(
		export NOTIFY_SOCKET=$HOST_SOCKET
		exec "$RUNTIME" --root "$STATE" run --bundle "$BUNDLE" "$ID" </dev/null >"$T/out" 2>&1 3>&-
	) &
	local p=$!
	wait_for 5 grep -q READY "$T/manager"
	[ "$(said 1)" = "READY=1
MAINPID=$p" ]
	wait $p
	grep -q end "$T/out"
	[ "$(told)" -eq 1 ]
}

@test "notify: what else a container says does not pass" {
	manager
	args notify MAINPID=1 FDSTORE=1 + notify READY=10 + notify XREADY=1 + notify BARRIER=1 + notify "$(printf 'READY=1\nMAINPID=1')" + pause
	notified rt run -d --pid-file "$T/pid" --bundle "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	[ "$(told)" -eq 2 ]
	ready "$(cat "$T/pid")"
}

@test "notify: an abstract socket; another user; a read-only root; a user namespace" {
	manager "@thole-notify-$$-$BATS_TEST_NUMBER"
	cfg '.process.user = {"uid": 1000, "gid": 1000} | .root.readonly = true'
	args notify READY=1 + pause
	notified ct_create
	notified rt start "$ID"
	ready "$(cat "$T/pid")"
	rt delete --force "$ID"
	kill "$MANAGER"
	requires userns
	manager "$HOST_SOCKET"x
	chown -R 100000:100000 "$BUNDLE/rootfs"
	cfg '.linux.namespaces += [{"type":"user"}] | .root.readonly = false
		| .linux.uidMappings = [{"containerID":0,"hostID":100000,"size":65536}] | .linux.gidMappings = .linux.uidMappings'
	notified ct_create
	notified rt start "$ID"
	ready "$(cat "$T/pid")"
}

@test "notify: the container's side: one environment variable, a read-only mount" {
	manager
	cfg '.process.env += ["NOTIFY_SOCKET=/elsewhere"]'
	args env + ls /run/notify + write /run/notify/new x + echo end
	run notified ct_run
	status_is 0
	[ "$(printf '%s\n' "$output" | grep -c NOTIFY_SOCKET)" -eq 1 ]
	has NOTIFY_SOCKET=/run/notify/notify.sock
	has notify.sock
	has "write /run/notify/new: Read-only file system"
	# Without a service manager the configuration's own stays.
	args env
	run ct_run
	has NOTIFY_SOCKET=/elsewhere
}

@test "notify: a container that ends unready ends the waiting; a start that was killed can be followed" {
	manager
	args sleep 0.5
	notified ct_create
	notified timeout 20 "$RUNTIME" --root "$STATE" start "$ID"
	[ "$(told)" -eq 0 ]
	rt delete --force "$ID"
	# Said in the last moment.
	args notify READY=1
	notified ct_create
	notified rt start "$ID"
	[ "$(told)" -ge 1 ]
}

@test "notify: start without NOTIFY_SOCKET waits for nothing; create without it makes no socket" {
	manager
	args notify READY=1 + pause
	notified ct_create
	rt start "$ID"
	rt delete --force "$ID"
	ct_create
	[ ! -e "$STATE/$ID/notify" ]
	notified timeout 20 "$RUNTIME" --root "$STATE" start "$ID"
	[ "$(told)" -eq 0 ]
}

@test "notify: a service manager that is not there, or no local socket, is a warning" {
	args notify READY=1 + pause
	notified ct_create
	run notified rt start "$ID"
	status_is 0
	has "the service manager at NOTIFY_SOCKET was not told: no such file or directory"
	rt delete --force "$ID"
	HOST_SOCKET=vsock:2:1 notified ct_create
	run sh -c 'NOTIFY_SOCKET=vsock:2:1 "$0" --root "$1" start "$2" 2>&1' "$RUNTIME" "$STATE" "$ID"
	status_is 0
	has "NOTIFY_SOCKET \\\"vsock:2:1\\\" is no local socket"
}

@test "LISTEN_FDS: the sockets come first, LISTEN_PID is the container's init" {
	# The shell's own pid is the runtime's after exec.
	listening() { bash -c 'exec 3</etc/hostname 4</etc/passwd 5</etc/group; export LISTEN_FDS=$1 LISTEN_PID=$(('"$2"')); shift; exec "$@"' x "$1" "${@:3}"; }
	args env + fds
	default=$(ct_run)
	[[ "$default" != *"fd 3 "* ]]
	run listening 2 '$$' "$RUNTIME" --root "$STATE" run --preserve-fds 1 --bundle "$BUNDLE" "$ID" </dev/null
	status_is 0
	has "LISTEN_FDS=2"
	has "LISTEN_PID=1"
	for n in 3 4 5; do has "fd $n "; done
	has_not "fd 6 "
	# Somebody else's sockets are not ours.
	run listening 2 '$$+1' "$RUNTIME" --root "$STATE" run --bundle "$BUNDLE" "$ID" </dev/null
	status_is 0
	has_not LISTEN_
	has_not "fd 3 "
	run listening 1 '$$' "$RUNTIME" --root "$STATE" run --bundle "$BUNDLE" "$ID" </dev/null
	has "LISTEN_FDS=1"
	has "fd 3 "
	has_not "fd 4 "
	# exec passes none on: its preserved ones begin at 3.
	args pause
	ct_create
	ct_start
	cat >"$T/fds.sh" <<-'SH'
		exec 3</etc/hostname
		export LISTEN_FDS=1 LISTEN_PID=$$
		exec "$@"
	SH
	run bash "$T/fds.sh" "$RUNTIME" --root "$STATE" exec "$ID" /bin/payload env + fds </dev/null
	status_is 0
	has_not LISTEN_
	has_not "fd 3 "
}
