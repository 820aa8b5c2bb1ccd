#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Two hundred containers below two hundred shims, twenty started at a time: every exit, log and
# record is its own, each shim is small, has one thread while nothing happens, and goes. And a
# runtime that hangs in a kill is ended at its deadline. Prints TAP.
#
#   shim_scale.sh            THOLE, SHIM, PAYLOAD: the programs under test; COUNT (200)
set -u
cd "$(dirname "$0")/../.." || exit 1
THOLE=$(realpath -e "${THOLE:-bin/thole}") || exit 1
SHIM=$(realpath -e "${SHIM:-bin/thole-shim}") || exit 1
PAYLOAD=$(realpath -e "${PAYLOAD:-build/release/payload/payload}") || exit 1
COUNT=${COUNT:-200}
n=0 failed=0
check() { # NAME COMMAND...
	local name=$1 out
	shift
	n=$((n + 1))
	if out=$("$@" 2>&1); then
		echo "ok $n $name"
	else
		failed=1
		sed 's/^/# /' <<<"$out"
		echo "not ok $n $name"
	fi
}
if [ "$(id -u)" != 0 ]; then
	echo "ok 1 shim_scale # skip needs root"
	echo 1..1
	exit 0
fi

T=$(mktemp -d /tmp/thole-scale.XXXXXX) || exit 1
chmod 755 "$T"
CG=/thole-test-scale-$$
sh_() {
	local command=$1
	shift
	"$SHIM" "$command" --root "$T/reg" "$@"
}
cleanup() {
	local i
	for i in "$T"/reg/default/*; do [ -d "$i" ] && sh_ delete --force "${i##*/}" >/dev/null 2>&1; done
	find /sys/fs/cgroup -maxdepth 3 -depth -type d -path "*$CG*" -exec rmdir {} + 2>/dev/null
	rm -rf "$T"
}
trap cleanup EXIT
trap 'exit 129' HUP INT TERM

mkdir -p "$T/rootfs/bin" "$T/rootfs/proc" "$T/rootfs/dev" "$T/rootfs/sys"
cp "$PAYLOAD" "$T/rootfs/bin/payload"
(cd "$T" && "$THOLE" spec)
bundle() { # NUMBER WORD...
	local id=c$1
	shift
	mkdir "$T/$id"
	jq --arg cg "$CG/$id" --arg root "$T/rootfs" '.process.terminal = false | del(.process.rlimits)
		| .root = {path: $root, readonly: true} | .linux.cgroupsPath = $cg
		| .process.args = ["/bin/payload"] + $ARGS.positional' --args "$@" <"$T/config.json" >"$T/$id/config.json"
}
start() { # NUMBER OPTIONS...
	local id=c$1
	shift
	"$SHIM" start --id "$id" --bundle "$T/$id" --root "$T/reg" --runtime "${RUNTIME:-$THOLE}" \
		--runtime-root "$T/rt" "$@" >"$T/$id/out"
}
in_twenties() { # COMMAND: with each number
	local i running=0 bad=0
	for i in $(seq "$COUNT"); do
		"$1" "$i" || echo "$i" >>"$T/bad" &
		running=$((running + 1))
		if [ $running -ge 20 ]; then
			wait -n
			running=$((running - 1))
		fi
	done
	wait
	[ ! -e "$T/bad" ] || bad=1
	rm -f "$T/bad"
	return $bad
}
begin() { bundle "$1" catch + echo "I was $1" + exit "$(($1 % 200))" && start "$1"; }
end() {
	local status=0
	sh_ kill "c$1" USR1 || return 1
	timeout 60 "$SHIM" wait --root "$T/reg" "c$1" >/dev/null || status=$?
	[ $status = $(($1 % 200)) ] || { echo "c$1: status $status" && return 1; }
	jq -e --arg id "c$1" --argjson s "$status" '.id == $id and .exit_code == $s and .bytes_dropped == 0' \
		"$T/reg/default/c$1/record" >/dev/null || return 1
	[ "$(jq -rj .log "$T/c$1/container.log")" = $'ready\nsignal 10\nI was '"$1" ]
}
gone() {
	local pid
	pid=$(jq .shim_pid "$T/c$1/out")
	sh_ delete "c$1" || return 1
	case $(cut -d' ' -f3 "/proc/$pid/stat" 2>/dev/null) in '' | Z | X) ;; *) return 1 ;; esac
}
running() { [ "$(sh_ list --format json | jq '[.[] | select(.status == "running" and .shim_alive)] | length')" = "$COUNT" ]; }
sizes() { # prints private and proportional KiB and threads, per shim
	local i pid
	for i in $(seq "$COUNT"); do
		pid=$(jq .shim_pid "$T/c$i/out")
		awk -v t="$(find "/proc/$pid/task" -mindepth 1 -maxdepth 1 | wc -l)" \
			'/^Private_/{p += $2} /^Pss:/{s = $2} END{print p, s, t}' "/proc/$pid/smaps_rollup"
	done | awk '{p += $1; s += $2; if ($1 > m) m = $1; if ($3 > t) t = $3}
		END{printf "private %d KiB (at most %d), pss %d KiB, at most %d threads\n", p / NR, m, s / NR, t; print m > "'"$T/most"'"; print t > "'"$T/threads"'"}'
}
small() { [ "$(cat "$T/most")" -lt 256 ] && [ "$(cat "$T/threads")" -le 2 ]; }
clean() {
	[ -z "$(ls -A "$T/reg/default" 2>/dev/null)" ] && [ -z "$(ls -A "$T/rt" 2>/dev/null)" ] &&
		[ -z "$(find /sys/fs/cgroup -maxdepth 3 -type d -path "*$CG/*")" ]
}
check "$COUNT starts, twenty at a time" in_twenties begin
check "all are listed as running" running
sleep 1
echo "# $(sizes)"
check "each shim is small" small
check "every exit is its own" in_twenties end
check "every delete ends its shim" in_twenties gone
check "nothing is left" clean

# A kill whose runtime hangs: ended and told after 30 s; meanwhile everything else works.
deadline() {
	local rc=0 before=$SECONDS
	cat >"$T/hanging" <<-SCRIPT
		#!/bin/sh
		case " \$* " in *" kill "*USR2* | *" kill "*" 12 "*) kill -STOP \$\$ ;; esac
		exec "$THOLE" "\$@"
	SCRIPT
	chmod +x "$T/hanging"
	bundle hang sleep 100
	RUNTIME=$T/hanging start hang || return 1
	sh_ kill chang USR2 >"$T/kill.out" 2>&1 || rc=$?
	cat "$T/kill.out"
	[ $rc -ne 0 ] && [ $((SECONDS - before)) -le 35 ] && grep -q "did not end within" "$T/kill.out" &&
		sh_ exec chang /bin/payload exit 0 && sh_ delete --force chang
}
check "a runtime that hangs in a kill is ended at its deadline" deadline
echo "1..$n"
exit $failed
