#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The shim's task service, without containerd: refusals with code and text, events that wait for the
# daemon, hundreds of sessions at once, bootstrap parameters, a pod, death of the shim. TAP on stdout.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/clients.sh
[ "${1:-}" = inner ] || {
	SHIM=$(realpath -e "${SHIM:-bin/thole-shim}") || exit 1
	PAYLOAD=$(realpath -e "${PAYLOAD:-build/release/payload/payload}") || exit 1
	export SHIM PAYLOAD
	CLIENTS_SECONDS=${CLIENTS_SECONDS:-400}
	clients_main "$0" busybox python3 jq ip -- host
}
mkdir "$W/bin"
cp "$SHIM" "$W/bin/thole-shim"
cp "$RT" "$W/bin/thole"
cp "$PAYLOAD" "$ROOTFS/bin/payload"
ln -s thole-shim "$W/bin/containerd-shim-thole-v2"
for i in c1 c2 c3; do
	mkdir "$W/$i"
	(
		cd "$W/$i" && "$RT" spec && mkdir rootfs
		jq --arg cg "$CG/$i" --arg root "$ROOTFS" '.process.terminal = false | del(.process.rlimits)
			| .process.args = ["/bin/busybox", "sh", "-c", "trap \"exit 143\" TERM; while :; do sleep 0.1; done"]
			| .root = {path: (if $cg | endswith("/c3") then "rootfs" else $root end)} | .linux.cgroupsPath = $cg
			| .annotations["io.kubernetes.cri.sandbox-id"] = "pod"' config.json >new && mv new config.json
	)
done
if reason=$(tests/lib/criu); then
	PATH=$reason:$PATH
else
	# Without one, what hangs can still be shown.
	skip checkpoint "$reason"
	export NO_CRIU=1
fi
for part in task stdio mounts checkpoint; do
	python3 "tests/integration/shim_$part.py" "$W/bin/containerd-shim-thole-v2" test "$W"/c1 "$W"/c2 "$W"/c3 \
		>"$W/out" 2>&1 9>&-
	finished=
	while read -r line; do
		case $line in
		'ok '*) tap_line ok "${line#ok * }" ;;
		'not ok '*) tap_line "not ok" "${line#not ok * }" ;;
		1..*) finished=1 ;;
		*) echo "# ${line#\# }" ;;
		esac
	done <"$W/out"
	[ -n "$finished" ] || tap_line "not ok" "$part: the client ended early"
done
exit 0
