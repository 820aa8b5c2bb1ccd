#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# podman on the pair: thole-shim as conmon (thole-conmon), thole as the runtime. TAP on stdout.
# CONMON=/usr/bin/conmon runs the same with another monitor; where that one is known to do otherwise,
# the last cases show it (Debian's conmon beside, if it is installed).
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/clients.sh
if [ "${1:-}" != inner ]; then
	CONMON=$(realpath -s "${CONMON:-}" 2>/dev/null)
	export CONMON
	clients_main "$0" podman busybox ip python3 jq -- host
fi

# The name decides what the shim is.
if [ -z "$CONMON" ]; then
	CONMON=$W/thole-conmon
	ln -sf "$PWD/bin/thole-shim" "$CONMON"
fi
cat >"$W/containers.conf" <<EOC
[containers]
default_ulimits = ["nofile=1024:$(ulimit -Hn)", "nproc=1024:1024"]
[network]
network_config_dir = "$W/net"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime_supports_json = ["$(basename "$RT")"]
runtime_supports_nocgroup = ["$(basename "$RT")"]
EOC
export CONTAINERS_CONF=$W/containers.conf
podman_args=(--root "$W/root" --runroot /run/podman --tmpdir /run/podman-tmp --conmon "$CONMON"
	--runtime "$RT" --log-level "${PODMAN_LOG:-error}")
pod() { timeout -k 5 60 podman "${podman_args[@]}" "$@"; }
run_args=(run --cgroup-parent "$CG" --network none --pull never)
run() { pod "${run_args[@]}" "$@"; }
field() { pod inspect --format "{{$2}}" "$1"; }
# shellcheck disable=SC2317
clients_reset() { pod rm -af -t 0; }
gone() { pod rm -f -t 0 "$@" >/dev/null 2>&1 || pod rm -f -t 0 "$@"; }
state_is() { [ "$(field "$1" .State.Status)" = "$2" ]; }
logs_have() { pod logs "$1" 2>&1 | grep -q -- "$2"; }

t_import() {
	tar -C "$ROOTFS" -cf "$W/image.tar" .
	pod import -q "$W/image.tar" localhost/bb
}
t_run() {
	is "$(run --rm bb echo hello)" hello
}
t import t_import
t run t_run
