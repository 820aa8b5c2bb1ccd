# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A containerd of the test's own, for scripts that have read clients.sh and run as its inner part:
# configuration, start and stop, ctr, an image, and the cases that every shim has to pass.
#
# The script sets `runtime` (ctr's options that choose the shim) and calls containerd_config TYPE
# BINARY once.
# shellcheck disable=SC2034,SC2154

# The containerd namespace is also the cgroup's name.
NS=${CG#/}
image=docker.io/library/bb:latest
limits=()
# ctr sets cpu shares of its own, which no controller here may be able to hold.
controller cpu || limits=(--cpu-shares 0)

containerd_config() { # RUNTIME-TYPE BINARY
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
  level = "info"
[plugins."io.containerd.internal.v1.opt"]
  path = "$W/opt"
[plugins."io.containerd.internal.v1.restart"]
  interval = "1s"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.k8s.io/pause:3.6"
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$W/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
    default_runtime_name = "thole"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.thole]
      runtime_type = "$1"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.thole.options]
        BinaryName = "$2"
EOF
	mkdir "$W/cni"
	cat >"$W/cni/10-bridge.conflist" <<EOF
{"cniVersion": "0.4.0", "name": "thole", "plugins": [{"type": "bridge", "bridge": "thole0",
	"isGateway": true, "ipMasq": false, "ipam": {"type": "host-local", "dataDir": "$W/ipam",
	"ranges": [[{"subnet": "10.88.77.0/24"}]], "routes": []}}]}
EOF
}
ctr_command=(ctr -a /run/containerd.sock -n "$NS")
c() { timeout -k 5 60 "${ctr_command[@]}" "$@"; }
# run OPTIONS... IMAGE ID COMMAND...
run() { c run "${runtime[@]}" "${limits[@]}" "$@"; }
state_is() { [ "$(c task ls | awk -v i="$1" '$1 == i {print $3}')" = "$2" ]; }
start_daemon() {
	# The daemon writes to descriptors of its own; nobody waits for them.
	PATH=$W/bin:$PATH containerd -c "$W/containerd.toml" >>"$W/containerd.log" 2>&1 9>&- </dev/null &
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
log_has() { grep -q -- "$2" "$W/$1.log" 2>/dev/null; }
# containerd_or_give_up: starts it, or ends the script with the reason
containerd_or_give_up() {
	start_daemon && return
	tail -n 20 "$W/containerd.log" | sed 's/^/# /'
	tap_line "not ok" "$LAYOUT: start of containerd"
	exit 0
}

t_image() {
	umoci init --layout "$W/layout"
	umoci new --image "$W/layout:bb"
	umoci insert --image "$W/layout:bb" "$ROOTFS" /
	skopeo --insecure-policy copy -q "oci:$W/layout:bb" "oci-archive:$W/bb.tar:$image"
	c image import "$W/bb.tar"
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
	like "$(on_pty "${ctr_command[@]}" run "${runtime[@]}" "${limits[@]}" --rm -t \
		$image t1 sh -c 'tty; sleep 1; stty size' | tr -d '\r')" $'*/dev/pts/0\n24 80\n*'
	run -d $image t2 sleep 100
	like "$(on_pty "${ctr_command[@]}" task exec -t --exec-id t t2 tty)" '*/dev/pts/0*'
	remove t2
}
t_userns() {
	is "$(run --rm --uidmap 0:200000:5000 --gidmap 0:200000:5000 $image u1 sh -c \
		'id -u; tr -s " " </proc/self/uid_map')" $'0\n 0 200000 5000'
	status 1 is "$(stat -c %u /dev/null)" 200000 >/dev/null
}
# containerd_cri CGROUP [update] [restart=DIR]: the CRI plugin's pod
containerd_cri() {
	mkdir -p "$W/pause" "$W/pods"
	rm -rf "${W:?}/pods/"*
	[ -e "$W/pause.tar" ] || containerd_cri_images
	timeout -k 5 90 python3 tests/lib/cri.py /run/containerd.sock "$1" "$W/pods" $image "${@:2}"
}
containerd_cri_images() {
	cp "$(command -v catatonit)" "$W/pause/pause"
	umoci new --image "$W/layout:pause"
	umoci insert --image "$W/layout:pause" "$W/pause/pause" /pause
	umoci config --image "$W/layout:pause" --config.entrypoint /pause --config.entrypoint -P
	skopeo --insecure-policy copy -q "oci:$W/layout:pause" "oci-archive:$W/pause.tar:registry.k8s.io/pause:3.6"
	timeout 60 ctr -a /run/containerd.sock -n k8s.io image import "$W/pause.tar"
	timeout 60 ctr -a /run/containerd.sock -n k8s.io image import "$W/bb.tar"
}
# The CRI plugin's case, where it can run.
containerd_cri_case() { # NAME FUNCTION
	if [ "$LAYOUT" != host ]; then
		:
	elif [ ! -x /usr/lib/cni/bridge ] || ! python3 -c 'import grpc' 2>/dev/null || ! controller memory; then
		skip "CRI plugin" "needs the CNI plugins, python3-grpcio and a memory controller"
	else
		t "$@"
	fi
}
