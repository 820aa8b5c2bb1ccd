#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Random calls of the shim's task service, from several clients at once, with a runtime that is slow, fails
# and dies (shim_hammer.py). TAP on stdout.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/clients.sh
[ "${1:-}" = inner ] || {
	SHIM=$(realpath -e "${SHIM:-bin/thole-shim}") || exit 1
	export SHIM
	CLIENTS_SECONDS=${CLIENTS_SECONDS:-400}
	clients_main "$0" busybox python3 jq ip -- host
}
mkdir "$W/bin" "$W/path"
cp "$SHIM" "$W/bin/thole-shim"
cp "$RT" "$W/bin/thole.real"
ln -s thole-shim "$W/bin/containerd-shim-thole-v2"
cat >"$W/bin/thole" <<'END'
#!/usr/bin/env bash
top=${0%/bin/thole}
if [ -e "$top/chaos" ]; then
	r=$((RANDOM % 100))
	if [ $r -lt 5 ]; then
		echo "no luck today" >&2
		exit 1
	elif [ $r -lt 8 ]; then
		kill -9 $$
	elif [ $r -lt 11 ]; then
		"$0.real" "$@"
		kill -9 $$
	elif [ $r -lt 30 ]; then
		sleep "0.$(printf %03d $((RANDOM % 300)))" </dev/null >/dev/null 2>&1
	fi
fi
exec "$0.real" "$@"
END
printf '#!/bin/sh\nexit 1\n' >"$W/path/criu"
chmod 755 "$W/bin/thole" "$W/path/criu"
PATH=$W/path:$PATH
for i in c1 c2 c3; do
	mkdir "$W/$i"
	(
		cd "$W/$i" && "$RT" spec && mkdir rootfs work
		jq --arg cg "$CG/$i" --arg root "$ROOTFS" '.process.terminal = false | del(.process.rlimits)
			| .root = {path: (if $cg | endswith("/c3") then "rootfs" else $root end)} | .linux.cgroupsPath = $cg
			| .annotations["io.kubernetes.cri.sandbox-id"] = "pod"' config.json >new && mv new config.json
	)
done
# SHIM=build/asan/bin/thole-shim: what it says is a failure.
export ASAN_OPTIONS="log_path=$W/san:detect_leaks=0" UBSAN_OPTIONS="log_path=$W/san:print_stacktrace=1"
python3 tests/integration/shim_hammer.py "$W/bin/containerd-shim-thole-v2" test "$W"/c1 "$W"/c2 "$W"/c3 \
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
[ -n "$finished" ] || tap_line "not ok" "the client ended early"
exit 0
