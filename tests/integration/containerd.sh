#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# containerd with its own runc shim, which runs thole (BinaryName): driven by ctr on the host's
# cgroup layout and on a pure v2 one, and by the CRI plugin. TAP on stdout.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/clients.sh
[ "${1:-}" = inner ] ||
	clients_main "$0" containerd ctr containerd-shim-runc-v2 umoci skopeo busybox ip python3 -- host v2

# The containerd namespace is also the cgroup's name.
NS=${CG#/}
image=docker.io/library/bb:latest
limits=()
# ctr sets cpu shares of its own, which no controller here may be able to hold.
controller cpu || limits=(--cpu-shares 0)

cat >"$W/containerd.toml" <<EOF
version = 2
root = "$W/root"
state = "/run/thole-containerd"
$([ "$LAYOUT" = host ] || echo 'disabled_plugins = ["io.containerd.grpc.v1.cri"]')
[grpc]
  address = "/run/containerd.sock"
[ttrpc]
  address = "/run/containerd.sock.ttrpc"
[debug]
  level = "warn"
[plugins."io.containerd.internal.v1.opt"]
  path = "$W/opt"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "registry.k8s.io/pause:3.6"
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$W/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
    default_runtime_name = "thole"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.thole]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.thole.options]
        BinaryName = "$RT"
EOF
mkdir "$W/cni"
cat >"$W/cni/10-bridge.conflist" <<EOF
{"cniVersion": "0.4.0", "name": "thole", "plugins": [{"type": "bridge", "bridge": "thole0",
	"isGateway": true, "ipMasq": false, "ipam": {"type": "host-local", "dataDir": "$W/ipam",
	"ranges": [[{"subnet": "10.88.77.0/24"}]], "routes": []}}]}
EOF
c() { timeout -k 5 60 ctr -a /run/containerd.sock -n "$NS" "$@"; }
# run OPTIONS... IMAGE ID COMMAND...
run() { c run --runtime io.containerd.runc.v2 --runc-binary "$RT" "${limits[@]}" "$@"; }
state_is() { [ "$(c task ls | awk -v i="$1" '$1 == i {print $3}')" = "$2" ]; }
start_daemon() {
	# The daemon writes to descriptors of its own; nobody waits for them.
	containerd -c "$W/containerd.toml" >>"$W/containerd.log" 2>&1 9>&- </dev/null &
	echo $! >"$W/containerd.pid"
	eventually c version >/dev/null 2>&1
}
stop_daemon() {
	kill "$(cat "$W/containerd.pid")"
	eventually not_alive "$(cat "$W/containerd.pid")"
}
not_alive() { ! kill -0 "$1" 2>/dev/null; }
# remove ID: task and container of a container that may still run
remove() {
	c task kill -s KILL "$1" 2>/dev/null || true
	eventually task_deleted "$1"
	c container rm "$1"
}
# After a failed case: nothing of it may disturb the next one.
# shellcheck disable=SC2317
clients_reset() {
	local id
	for id in $(c container ls -q); do remove "$id"; done
}
task_deleted() {
	c task rm "$1" >/dev/null 2>&1 || ! c task ls -q | grep -qx "$1"
}
log_of() { cat "$W/$1.log"; }
log_has() { grep -q -- "$2" "$W/$1.log" 2>/dev/null; }

t_image() {
	umoci init --layout "$W/layout"
	umoci new --image "$W/layout:bb"
	umoci insert --image "$W/layout:bb" "$ROOTFS" /
	skopeo --insecure-policy copy -q "oci:$W/layout:bb" "oci-archive:$W/bb.tar:$image"
	c image import "$W/bb.tar"
}
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
t_kill() {
	run -d $image k sleep 100
	c task kill -s KILL k
	eventually state_is k STOPPED
	like "$(c task rm k 2>&1)" '*non-zero exit code 137*'
	c container rm k
	# All processes of a container that shares the host's pid namespace.
	run -d --with-ns pid:/proc/1/ns/pid $image k2 sh -c 'sleep 4321 & exec sleep 4322'
	eventually pgrep -f '^sleep 4321'
	c task kill -a -s KILL k2
	eventually state_is k2 STOPPED
	remove k2
	status 1 pgrep -f '^sleep 432[12]'
}
t_pause() {
	run -d --log-uri "file://$W/p.log" $image p sh -c 'while :; do echo x; sleep 0.05; done'
	eventually log_has p x
	c task pause p
	state_is p PAUSED
	sleep 0.3
	cp "$W/p.log" "$W/before"
	sleep 0.4
	cmp "$W/p.log" "$W/before"
	c task resume p
	state_is p RUNNING
	sleep 0.4
	status 1 cmp -s "$W/p.log" "$W/before"
	remove p
}
t_terminal() {
	like "$(on_pty ctr -a /run/containerd.sock -n "$NS" run --runtime io.containerd.runc.v2 \
		--runc-binary "$RT" "${limits[@]}" --rm -t $image t1 sh -c 'tty; sleep 1; stty size' | tr -d '\r')" \
		$'*/dev/pts/0\n24 80\n*'
	run -d $image t2 sleep 100
	like "$(on_pty ctr -a /run/containerd.sock -n "$NS" task exec -t --exec-id t t2 tty)" '*/dev/pts/0*'
	remove t2
}
t_userns() {
	is "$(run --rm --uidmap 0:200000:5000 --gidmap 0:200000:5000 $image u1 sh -c \
		'id -u; tr -s " " </proc/self/uid_map')" $'0\n 0 200000 5000'
	status 1 is "$(stat -c %u /dev/null)" 200000 >/dev/null
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
	mkdir -p "$W/pause"
	cp "$(command -v catatonit)" "$W/pause/pause"
	umoci new --image "$W/layout:pause"
	umoci insert --image "$W/layout:pause" "$W/pause/pause" /pause
	umoci config --image "$W/layout:pause" --config.entrypoint /pause --config.entrypoint -P
	skopeo --insecure-policy copy -q "oci:$W/layout:pause" "oci-archive:$W/pause.tar:registry.k8s.io/pause:3.6"
	timeout 60 ctr -a /run/containerd.sock -n k8s.io image import "$W/pause.tar"
	timeout 60 ctr -a /run/containerd.sock -n k8s.io image import "$W/bb.tar"
	local update=()
	! has_command update || update=(update)
	timeout -k 5 90 /usr/bin/python3 tests/lib/cri.py /run/containerd.sock "$CG" "$W/pods" $image "${update[@]}"
}
t_nothing_left() {
	is "$(c container ls -q)" ""
	is "$(c task ls -q)" ""
	is "$(find /run/containerd/runc -mindepth 2 -maxdepth 2 -not -name '.*' 2>/dev/null)" ""
	is "$(pgrep -f "containerd-shim-runc-v2.*-namespace $NS")" ""
	is "$(find /sys/fs/cgroup -path "*$CG/*" -type d)" ""
}

if ! start_daemon; then
	tail -n 20 "$W/containerd.log" | sed 's/^/# /'
	tap_line "not ok" "$LAYOUT: start of containerd"
	exit 0
fi
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
if [ "$LAYOUT" != host ]; then
	:
elif [ ! -x /usr/lib/cni/bridge ] || ! /usr/bin/python3 -c "import grpc" 2>/dev/null || ! controller memory; then
	skip "CRI plugin" "needs the CNI plugins, python3-grpcio and a memory controller"
else
	t "CRI plugin: pod, exec, stats, update, stop, OOM" t_cri
fi
t "nothing left behind" t_nothing_left
stop_daemon
exit 0
