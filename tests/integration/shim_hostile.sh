#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Hostile ttrpc peers on the socket of a shim (shim_hostile.py), then the container's own end, which
# nobody may have disturbed. Prints TAP.
#
#   shim_hostile.sh          THOLE, SHIM: the programs under test
set -u
cd "$(dirname "$0")/../.." || exit 1
THOLE=$(realpath -e "${THOLE:-bin/thole}") || exit 1
SHIM=$(realpath -e "${SHIM:-bin/thole-shim}") || exit 1
PAYLOAD=$(realpath -e "${PAYLOAD:-build/release/payload/payload}") || exit 1
skip() {
	echo "ok 1 shim_hostile # skip $1"
	echo 1..1
	exit 0
}
[ "$(id -u)" = 0 ] || skip "needs root"
command -v python3 >/dev/null || skip "not installed: python3"

T=$(mktemp -d /tmp/thole-hostile.XXXXXX) || exit 1
chmod 755 "$T"
ID=hostile-$$
cleanup() {
	"$SHIM" delete --root "$T/reg" --force "$ID" >/dev/null 2>&1
	rm -rf "$T"
}
trap cleanup EXIT
trap 'exit 129' HUP INT TERM

mkdir -p "$T/bundle/rootfs/bin" "$T/bundle/rootfs/proc" "$T/bundle/rootfs/dev" "$T/bundle/rootfs/sys"
cp "$PAYLOAD" "$T/bundle/rootfs/bin/payload"
(cd "$T/bundle" && "$THOLE" spec)
jq --arg cg "/thole-test-hostile-$$" '.process.terminal = false | .process.args = ["/bin/payload", "catch"]
	| del(.process.rlimits) | .linux.cgroupsPath = $cg' "$T/bundle/config.json" >"$T/new" &&
	mv "$T/new" "$T/bundle/config.json"
"$SHIM" start --id "$ID" --bundle "$T/bundle" --root "$T/reg" --runtime "$THOLE" --runtime-root "$T/rt" \
	--stdin >"$T/out" || exit 1
python3 tests/integration/shim_hostile.py "$(jq -r .socket "$T/out")" "$ID" "$(jq .shim_pid "$T/out")" >"$T/tap"
rc=$?
plan=$(sed -n 's/^1\.\.//p' "$T/tap")
grep -v '^1\.\.' "$T/tap"
if [ -z "$plan" ]; then
	echo "not ok 1 the peers were not heard to the end"
	exit 1
fi
"$SHIM" kill --root "$T/reg" "$ID" TERM
status=0
timeout 10 "$SHIM" wait --root "$T/reg" "$ID" >/dev/null || status=$?
if [ $status = 55 ] && "$SHIM" delete --root "$T/reg" "$ID"; then
	echo "ok $((plan + 1)) the container ends as if nothing had been"
else
	echo "# status $status"
	echo "not ok $((plan + 1)) the container ends as if nothing had been"
	rc=1
fi
echo "1..$((plan + 1))"
exit $rc
