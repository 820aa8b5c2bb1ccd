#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# containerd with thole-shim as its shim (containerd-shim-thole-v2) and thole below it, driven by ctr
# and by the CRI plugin. TAP on stdout.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/clients.sh
[ "${1:-}" = inner ] || {
	SHIM=$(realpath -e "${SHIM:-bin/thole-shim}") || exit 1
	export SHIM
	clients_main "$0" containerd ctr umoci skopeo busybox ip python3 jq -- host v2
}

# The containerd namespace is also the cgroup's name.
NS=${CG#/}
image=docker.io/library/bb:latest
limits=()
# ctr sets cpu shares of its own, which no controller here may be able to hold.
controller cpu || limits=(--cpu-shares 0)

# The shim finds the runtime beside itself.
mkdir "$W/bin"
cp "$SHIM" "$W/bin/thole-shim"
cp "$RT" "$W/bin/thole"
ln -s thole-shim "$W/bin/containerd-shim-thole-v2"
shim=$W/bin/containerd-shim-thole-v2

cat >"$W/containerd.toml" <<EOF
version = 2
root = "$W/root"
state = "/run/thole-containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "/run/containerd.sock"
[ttrpc]
  address = "/run/containerd.sock.ttrpc"
[debug]
  level = "info"
[plugins."io.containerd.internal.v1.opt"]
  path = "$W/opt"
EOF
c() { timeout -k 5 60 ctr -a /run/containerd.sock -n "$NS" "$@"; }
# run OPTIONS... IMAGE ID COMMAND...
run() { c run --runtime "$shim" "${limits[@]}" "$@"; }
ours() { "$W/bin/thole-shim" "$@"; }
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
shim_of() { pgrep -f "containerd-shim-thole-v2.* -id $1 "; }
no_shims() { [ -z "$(pgrep -f "containerd-shim-thole-v2.*-namespace $NS")" ]; }

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
	is "$(echo typed | run --rm $image r3 head -n 1)" typed
	is "$(run --rm --rootfs "$ROOTFS" r5 /bin/cat /etc/notexec)" "no program"
	status 1 run --rm $image r6 nosuch 2>"$W/e"
	like "$(cat "$W/e")" '*OCI runtime create failed: *exec: "nosuch": executable file not found in $PATH*'
	c container rm r6 2>/dev/null || true
	is "$(run --rm $image r7 sh -c 'i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i + 1)); done' |
		tail -n 1)" "line 19999"
	is "$(run --rm $image r8 sh -c 'echo out; echo err >&2' 2>&1 | sort)" $'err\nout'
	is "$(c container ls -q)" ""
	eventually no_shims
}

if ! start_daemon; then
	tail -n 20 "$W/containerd.log" | sed 's/^/# /'
	tap_line "not ok" "$LAYOUT: start of containerd"
	exit 0
fi
t "image import" t_image
t "run: output, status, stdin, errors" t_run
[ ! -e "$TOP/failed" ] || tail -n 30 "$W/containerd.log" | sed 's/^/# /'
stop_daemon
exit 0
