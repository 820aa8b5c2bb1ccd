#!/usr/bin/env bats
# Old kernels, and old seccomp profiles of an outer container: each newer call, or thing, missing
# (ENOSYS) or forbidden (EPERM) on whatever kernel this is; the result must be the same. Needs the
# build with the hooks.

load helpers
setup() {
	setup_common
	requires debug_build thole
	RUNTIME=$DEBUG_RUNTIME
}
teardown() {
	unset THOLE_TEST_ENOSYS THOLE_TEST_EPERM
	clean_container
	teardown_common
}

all=clone3,clone_into_cgroup,openat2,open_tree,move_mount,mount_setattr,fsopen,fsconfig,fsmount,close_range,execveat,pidfd_open,pidfd_send_signal,pidfd_getfd,cgroup_kill,prctl

# missing HOW CALLS COMMAND...: without these calls.
missing() { env "THOLE_TEST_$1=$2" "${@:3}"; }
old() { missing "$1" "$2" "$RUNTIME" --root "$STATE" "${@:3}"; }

@test "run: each call missing, the container is the same" {
	args id + mounts + ns
	ref=$(ct_run | grep -c ' / ')
	for call in ${all//,/ } open_tree,move_mount,mount_setattr,fsopen,fsmount prctl,execveat $all; do
		for how in ENOSYS EPERM; do
			run old $how "$call" run --bundle "$BUNDLE" "$ID" </dev/null
			[ "$status" -eq 0 ] || { echo "$how $call: $output"; false; }
			has "uid 0 0 0"
			[ "$(printf '%s\n' "$output" | grep -c ' / ')" -eq "$ref" ] || { echo "$how $call: mounts differ"; false; }
			[ -z "$(cgroup_dirs)" ] || { echo "$how $call: cgroup left"; false; }
		done
	done
}

@test "a life: each call missing from create to delete" {
	args sleep 60
	for call in clone3 clone_into_cgroup openat2 close_range execveat prctl pidfd_open pidfd_send_signal \
		pidfd_open,pidfd_send_signal cgroup_kill $all; do
		for how in ENOSYS EPERM; do
			echo "# $how $call"
			old $how "$call" create --bundle "$BUNDLE" --pid-file "$T/pid" "$ID" </dev/null >"$T/out" 2>"$T/err"
			[ "$(old $how "$call" state "$ID" | jq -r .status)" = created ]
			old $how "$call" start "$ID"
			run old $how "$call" list
			has running
			run old $how "$call" exec "$ID" /bin/payload echo "via $call" </dev/null
			status_is 0
			has "via $call"
			run old $how "$call" delete "$ID"
			status_is 1
			old $how "$call" pause "$ID"
			[ "$(old $how "$call" state "$ID" | jq -r .status)" = paused ]
			old $how "$call" resume "$ID"
			old $how "$call" kill "$ID" KILL
			wait_for 10 is_status stopped
			[ "$(old $how "$call" state "$ID" | jq -r .status)" = stopped ]
			old $how "$call" delete "$ID"
			[ -z "$(cgroup_dirs)" ] || { echo "$how $call: cgroup left"; false; }
		done
	done
}

@test "delete --force: each call missing, all processes end" {
	args forks 5 60
	cfg 'del(.linux.namespaces[] | select(.type == "pid"))'
	for call in cgroup_kill pidfd_open,pidfd_send_signal $all; do
		old ENOSYS "$call" create --bundle "$BUNDLE" --pid-file "$T/pid" "$ID" </dev/null >"$T/out" 2>"$T/err"
		old ENOSYS "$call" start "$ID"
		wait_for 10 grep -q forks "$T/out"
		old ENOSYS "$call" delete --force "$ID"
		[ -z "$(cgroup_dirs)" ] || { echo "$call: cgroup left"; false; }
		# Nothing but a zombie that its new parent has not reaped yet.
		! grep -q '^State:[^Z]*$' "/proc/$(cat "$T/pid")/status" 2>/dev/null
	done
}

@test "no pidfds: a pid that is another's by now is not the container" {
	args sleep 60
	ct_create
	cp "$STATE/$ID/state.json" "$T/state.json"
	for how in ENOSYS EPERM; do
		jq '.init.startTicks -= 1' "$T/state.json" >"$STATE/$ID/state.json"
		[ "$(old $how pidfd_open,pidfd_send_signal state "$ID" | jq -r .status)" = stopped ]
		run old $how pidfd_open,pidfd_send_signal kill "$ID" KILL
		status_is 1
		has "not running"
		cp "$T/state.json" "$STATE/$ID/state.json"
		[ "$(old $how pidfd_open,pidfd_send_signal state "$ID" | jq -r .status)" = created ]
	done
}

@test "no pidfds: kill tells the truth" {
	for call in pidfd_open pidfd_send_signal pidfd_open,pidfd_send_signal; do
		args sleep 60
		old EPERM "$call" create --bundle "$BUNDLE" --pid-file "$T/pid" "$ID" </dev/null >"$T/out" 2>"$T/err"
		old EPERM "$call" start "$ID"
		old EPERM "$call" kill "$ID" 0
		kill -9 "$(cat "$T/pid")"
		wait_for 10 is_status stopped
		run old EPERM "$call" kill "$ID" 0
		status_is 1
		old EPERM "$call" delete "$ID"
	done
}

@test "no pidfds: the foreground, its signals, hooks and their time-outs" {
	cat >"$T/hook" <<-'EOF'
		#!/bin/sh
		echo "$1" >>"${0%/*}/hooks"
		[ "$1" != slow ] || exec sleep 30
	EOF
	chmod +x "$T/hook"
	cfg '.hooks.createRuntime = [{"path": $h, "args": ["hook", "create"]}]
		| .hooks.poststart = [{"path": $h, "args": ["hook", "poststart"]}]' --arg h "$T/hook"
	args catch
	for call in pidfd_open,pidfd_send_signal $all; do
		: >"$T/hooks"
		# Not by the function: $! would be its shell.
		env THOLE_TEST_ENOSYS="$call" "$RUNTIME" --root "$STATE" run --bundle "$BUNDLE" "$ID" </dev/null >"$T/out" 2>&1 3>&- &
		p=$!
		wait_for 10 grep -q ready "$T/out"
		wait_for 10 grep -q poststart "$T/hooks"
		kill -USR1 $p
		rc=0
		wait $p || rc=$?
		[ "$rc" -eq 50 ]
	done
	cfg '.hooks.createRuntime = [{"path": $h, "args": ["hook", "slow"], "timeout": 1}]' --arg h "$T/hook"
	run old ENOSYS pidfd_open,pidfd_send_signal run --bundle "$BUNDLE" "$ID" </dev/null
	status_is 1
	has "past specified timeout"
	[ -z "$(cgroup_dirs)" ]
}

@test "no pidfd_getfd: the seccomp listener still reaches its agent" {
	requires python3
	cat >"$T/agent" <<-'EOF'
		import array, json, os, socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
		s.bind(sys.argv[1])
		s.listen()
		for _ in range(int(sys.argv[2])):
		    c, _a = s.accept()
		    data, fds, _f, _a = socket.recv_fds(c, 65536, 1)
		    print(json.loads(data)["fds"], os.readlink(f"/proc/self/fd/{fds[0]}"), flush=True)
		    os.close(fds[0])
		    c.close()
	EOF
	python3 "$T/agent" "$T/sock" 8 >"$T/agent.out" 2>&1 3>&- &
	wait_for 10 test -S "$T/sock"
	cfg '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": $s,
		"syscalls": [{"names": ["getcwd"], "action": "SCMP_ACT_NOTIFY"}]}' --arg s "$T/sock"
	args echo ran
	for call in pidfd_getfd pidfd_open pidfd_open,pidfd_getfd $all; do
		for how in ENOSYS EPERM; do
			run old $how "$call" run --bundle "$BUNDLE" "$ID" </dev/null
			[ "$status" -eq 0 ] || { echo "$how $call: $output"; false; }
			has ran
		done
	done
	wait_for 10 eval '[ "$(grep -c "seccompFd.*seccomp notify" "$T/agent.out")" -eq 8 ]'
}

@test "no pidfds: --pidfd-socket still works, its pidfd comes with the clone" {
	requires python3
	cat >"$T/agent" <<-'EOF'
		import os, socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
		s.bind(sys.argv[1])
		s.listen()
		c, _a = s.accept()
		data, fds, _f, _a = socket.recv_fds(c, 65536, 1)
		print([l for l in open(f"/proc/self/fdinfo/{fds[0]}") if l.startswith("Pid")][0].split()[1])
	EOF
	python3 "$T/agent" "$T/sock" >"$T/agent.out" 2>&1 3>&- &
	wait_for 10 test -S "$T/sock"
	args sleep 60
	old EPERM pidfd_open,pidfd_send_signal create --bundle "$BUNDLE" --pid-file "$T/pid" --pidfd-socket "$T/sock" "$ID" \
		</dev/null >"$T/out" 2>"$T/err"
	wait_for 10 test -s "$T/agent.out"
	[ "$(cat "$T/agent.out")" = "$(cat "$T/pid")" ]
}

@test "user namespaces and id maps without the newer calls" {
	requires userns
	cfg '.linux.namespaces += [{"type": "user"}] | .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 1000}]
		| .linux.gidMappings = .linux.uidMappings'
	chmod 755 "$T" "$BUNDLE" "$BUNDLE/rootfs"
	args id
	for call in clone3 clone_into_cgroup openat2 open_tree,move_mount mount_setattr fsopen,fsmount pidfd_open,pidfd_send_signal; do
		run old ENOSYS "$call" run --bundle "$BUNDLE" "$ID" </dev/null
		[ "$status" -eq 0 ] || { echo "$call: $output"; false; }
		has "uid 0 0 0"
	done
}
