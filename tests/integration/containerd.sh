#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# containerd with its own runc shim, which runs thole (BinaryName): driven by ctr on the host's
# cgroup layout and on a pure v2 one, and by the CRI plugin. TAP on stdout.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/clients.sh
[ "${1:-}" = inner ] ||
	clients_main "$0" containerd ctr containerd-shim-runc-v2 umoci skopeo busybox ip python3 -- host v2

. tests/lib/containerd.sh
# shellcheck disable=SC2034
runtime=(--runtime io.containerd.runc.v2 --runc-binary "$RT")
containerd_config io.containerd.runc.v2 "$RT"

t_run() {
	is "$(run --rm $image r1 echo hello)" hello
	status 7 run --rm $image r2 sh -c 'exit 7'
	# head, not cat: ctr loses the end of its stdin when it comes too early (with any runtime).
	is "$(echo typed | run --rm $image r3 head -n 1)" typed
	is "$(run --rm --env A=b --cwd /tmp $image r4 sh -c 'echo $A $(pwd) $(id -u)')" "b /tmp 0"
	is "$(run --rm --rootfs "$ROOTFS" r5 /bin/cat /etc/notexec)" "no program"
	status 1 run --rm $image r6 nosuch 2>"$W/e"
	like "$(cat "$W/e")" '*exec: "nosuch": executable file not found in $PATH*'
	status 1 run --rm $image r7 /etc/notexec 2>"$W/e"
	like "$(cat "$W/e")" '*permission denied*'
	c container rm r6 r7 2>/dev/null || true
	is "$(c container ls -q)" ""
}
t_lifecycle() {
	run -d --log-uri "file://$W/life.log" $image life sh -c \
		'trap "echo bye; exit 3" TERM; echo up; while :; do sleep 0.1; done'
	eventually log_has life up
	state_is life RUNNING
	is "$(c task exec --exec-id e1 life cat /proc/1/comm)" sh
	status 9 c task exec --exec-id e2 life sh -c 'exit 9'
	is "$(echo typed | c task exec --exec-id e3 life head -n 1)" typed
	c task exec --exec-id e4 -d life touch /tmp/detached
	eventually c task exec --exec-id e5 life test -e /tmp/detached
	status 1 c task exec --exec-id e6 life nosuch 2>"$W/e"
	like "$(cat "$W/e")" '*"nosuch": executable file not found in $PATH*'
	like "$(c task ps life)" "PID*INFO*[0-9]*"
	c task metrics life
	c task kill -s TERM life
	eventually state_is life STOPPED
	eventually log_has life bye
	like "$(c task rm life 2>&1)" '*non-zero exit code 3*'
	c task start -d life
	state_is life RUNNING
	remove life
}
t_options() {
	is "$(run --rm --seccomp $image o1 grep '^Seccomp:' /proc/self/status | tr -d '\t')" Seccomp:2
	is "$(run --rm $image o2 grep '^Seccomp:' /proc/self/status | tr -d '\t')" Seccomp:0
	status 1 run --rm --read-only $image o3 touch /x
	is "$(run --rm --mount "type=bind,src=$ROOTFS/etc,dst=/data,options=rbind:ro" $image o4 \
		cat /data/notexec)" "no program"
	like "$(run --rm --mount type=tmpfs,src=tmpfs,dst=/data,options=size=64k $image o5 df /data)" '*64*/data'
	is "$(run --rm --no-pivot $image o6 echo pivot)" pivot
	run --rm --privileged --cap-drop CAP_SYS_RESOURCE $image o7 mount -t tmpfs t /tmp
	is "$(run --rm --net-host $image o8 readlink /proc/self/ns/net)" "$(readlink /proc/self/ns/net)"
	is "$(run --rm --pid-file "$W/pid" $image o9 echo x)" x
	test -s "$W/pid"
}
t_memory() {
	run -d --memory-limit $((32 << 20)) $image m1 sleep 100
	is "$(cat "/sys/fs/cgroup/memory$CG/m1/memory.limit_in_bytes" 2>/dev/null ||
		cat "/sys/fs/cgroup$CG/m1/memory.max")" $((32 << 20))
	remove m1
	c events >"$W/events" 2>/dev/null &
	local watcher=$!
	sleep 0.5
	status 137 run --rm --memory-limit $((16 << 20)) $image m2 dd if=/dev/zero of=/dev/null bs=200M count=1
	eventually grep -q '/tasks/oom.*m2' "$W/events"
	kill $watcher
	for e in create start exit delete; do grep -q "/tasks/$e .*m2" "$W/events"; done
}
t_reconnect() {
	run -d --log-uri "file://$W/rc.log" $image rc sh -c 'i=0; while :; do i=$((i + 1)); echo $i; sleep 0.1; done'
	stop_daemon
	start_daemon
	state_is rc RUNNING
	is "$(c task exec --exec-id after rc echo again)" again
	remove rc
}
t_cgroup() {
	run -d $image cg sleep 100
	local p
	p=$(c task ls | awk '$1 == "cg" {print $2}')
	like "$(cat "/proc/$p/cgroup")" "*$CG/cg*"
	remove cg
	is "$(find /sys/fs/cgroup -path "*$CG/*" -type d)" ""
}
t_cri() {
	local update=()
	! has_command update || update=(update)
	containerd_cri "$CG" "${update[@]}"
}
t_nothing_left() {
	is "$(c container ls -q)" ""
	is "$(c task ls -q)" ""
	is "$(find /run/containerd/runc -mindepth 2 -maxdepth 2 -not -name '.*' 2>/dev/null)" ""
	is "$(pgrep -f "containerd-shim-runc-v2.*-namespace $NS")" ""
	is "$(find /sys/fs/cgroup -path "*$CG/*" -type d)" ""
}

containerd_or_give_up
t "image import" t_image
t "run: output, status, stdin, errors" t_run
t "run -d, exec, ps, metrics, kill, restart, rm" t_lifecycle
t "kill and kill --all" t_kill
if has_command pause; then
	t "pause and resume" t_pause
else
	skip "pause and resume" "the runtime has no pause command"
fi
t "terminals" t_terminal
t "user namespace" t_userns
t "seccomp, read-only, mounts, privileged, no-pivot" t_options
t "cgroup of the container" t_cgroup
t "tasks survive the daemon" t_reconnect
if controller memory; then
	t "memory limit, OOM and events" t_memory
else
	skip "memory limit, OOM and events" "no memory controller in this layout"
fi
containerd_cri_case "CRI plugin: pod, exec, stats, update, stop, OOM" t_cri
t "nothing left behind" t_nothing_left
stop_daemon
exit 0
