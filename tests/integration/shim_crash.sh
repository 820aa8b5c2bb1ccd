#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 of the launcher, of the shim and of the runtime at many moments of a start; a disk that
# hangs; many shims at once. After each: no process, cgroup, mount, registry entry or runtime state
# of the container that `delete --force` (or nothing at all) would leave. Prints TAP.
#
#   shim_crash.sh            THOLE, SHIM: the programs under test
set -u
cd "$(dirname "$0")/../.." || exit 1
THOLE=$(realpath -e "${THOLE:-bin/thole}") || exit 1
SHIM=$(realpath -e "${SHIM:-bin/thole-shim}") || exit 1
n=0 failed=0
ok() { n=$((n + 1)) && echo "ok $n $1"; }
not_ok() {
	n=$((n + 1)) failed=1
	sed 's/^/# /' <<<"$2"
	echo "not ok $n $1"
}
skip() { n=$((n + 1)) && echo "ok $n $1 # skip $2"; }
if [ "$(id -u)" != 0 ]; then
	echo "ok 1 shim_crash # skip needs root"
	echo 1..1
	exit 0
fi
busybox=$(command -v busybox) || {
	echo "ok 1 shim_crash # skip not installed: busybox"
	echo 1..1
	exit 0
}

T=$(mktemp -d /tmp/thole-crash.XXXXXX) || exit 1
chmod 755 "$T"
CG=/thole-test-crash-$$
trap cleanup EXIT
trap 'exit 129' HUP INT TERM

cgroup_dirs() { find /sys/fs/cgroup -maxdepth 3 -type d -path "*$CG*" 2>/dev/null; }
cleanup() {
	local i d
	for i in "$T"/reg/default/*; do
		[ -d "$i" ] && "$SHIM" delete --root "$T/reg" --force "${i##*/}" >/dev/null 2>&1
	done
	for d in $(cgroup_dirs | tac); do rmdir "$d" 2>/dev/null; done
	umount -l "$T/disk" 2>/dev/null
	rm -rf "$T"
}

bundle() { # NAME SHELL-TEXT
	local b=$T/$1
	mkdir -p "$b/rootfs/bin" "$b/rootfs/proc" "$b/rootfs/dev" "$b/rootfs/sys"
	cp "$busybox" "$b/rootfs/bin/busybox"
	(cd "$b" && rm -f config.json && "$THOLE" spec)
	jq --arg cg "$CG/$1" --arg text "$2" '.process.terminal = false
		| .process.args = ["/bin/busybox", "sh", "-c", $text] | del(.process.rlimits)
		| .root.readonly = false | .linux.cgroupsPath = $cg' "$b/config.json" >"$b/new" &&
		mv "$b/new" "$b/config.json"
}
start() { # NAME OPTIONS...
	local id=$1
	shift
	# EXEC=exec: a background job is the launcher itself, not a shell around it.
	${EXEC:-} "$SHIM" start --id "$id" --bundle "$T/$id" --root "$T/reg" --runtime "${RUNTIME:-$THOLE}" \
		--runtime-root "$T/rt" "$@"
}
sh_() {
	local command=$1
	shift
	"$SHIM" "$command" --root "$T/reg" "$@"
}
left() { # NAME: what there still is of it
	ls -d "$T/reg/default/$1" "$T/rt/$1" 2>/dev/null
	cgroup_dirs | grep "/$1\$"
	grep -F "$T/$1/" /proc/self/mountinfo
	# By a file of patterns, so that grep does not find itself: the container, and every shim and
	# runtime that works for it.
	printf '%s\n' "crash-mark-$1-$$" "$T/$1" >"$T/patterns"
	grep -lsaF -f "$T/patterns" /proc/[0-9]*/cmdline
}
nothing_left() { # NAME
	local rest
	for _ in $(seq 100); do
		rest=$(left "$1")
		[ -z "$rest" ] && return 0
		sleep 0.1
	done
	printf 'left over: %s\n' "$rest"
	return 1
}
mark() { echo ": crash-mark-$1-$$; while :; do sleep 1; done"; }

# The launcher dies N ms after it was started: rolled back, unless it had printed its line.
launcher_dies() { # MS
	local id=l$1 pid
	bundle "$id" "$(mark "$id")"
	EXEC="exec" start "$id" >"$T/$id.out" 2>"$T/$id.err" &
	pid=$!
	sleep "$(printf '0.%03d' "$1")"
	kill -9 $pid 2>/dev/null
	wait $pid 2>/dev/null
	if [ -s "$T/$id.out" ] && sleep 0.3 && [ -d "$T/reg/default/$id" ]; then
		sh_ delete --force "$id" || return 1
	fi
	nothing_left "$id"
}
for ms in 0 1 2 4 6 8 10 12 15 18 21 25 30 40 60; do
	if out=$(launcher_dies $ms 2>&1); then ok "launcher killed after $ms ms"; else not_ok "launcher killed after $ms ms" "$out"; fi
done

# The shim itself dies: the launcher fails with one line, delete --force cleans up what there is.
shim_dies() { # MS
	local id=s$1 pid shim rc=0
	bundle "$id" "$(mark "$id")"
	EXEC="exec" start "$id" >"$T/$id.out" 2>"$T/$id.err" &
	pid=$!
	sleep "$(printf '0.%03d' "$1")"
	shim=$(sed 's/ .*//' "/proc/$pid/task/$pid/children" 2>/dev/null)
	[ -n "$shim" ] && kill -9 "$shim"
	wait $pid || rc=$?
	if [ ! -s "$T/$id.out" ]; then
		[ $rc -ne 0 ] || { echo "the launcher says nothing, with status 0" && return 1; }
		[ "$(grep -c . "$T/$id.err")" = 1 ] || { cat "$T/$id.err" && return 1; }
	fi
	if [ -d "$T/reg/default/$id" ]; then
		sh_ state "$id" >/dev/null 2>&1
		sh_ delete --force "$id" || return 1
	fi
	nothing_left "$id"
}
for ms in 0 1 2 4 6 8 10 12 15 18 21 25 30 40; do
	if out=$(shim_dies $ms 2>&1); then ok "shim killed after $ms ms"; else not_ok "shim killed after $ms ms" "$out"; fi
done

# The runtime is killed in the middle of its create.
cat >"$T/dying-runtime" <<-SCRIPT
	#!/bin/sh
	case "\$*" in
	*" create "*) "$THOLE" "\$@" & p=\$!; sleep "\$DIE_AFTER"; kill -9 \$p; kill -9 \$\$ ;;
	*) exec "$THOLE" "\$@" ;;
	esac
SCRIPT
chmod +x "$T/dying-runtime"
runtime_dies() { # MS
	local id=r$1
	bundle "$id" "$(mark "$id")"
	DIE_AFTER=$(printf '0.%03d' "$1") RUNTIME=$T/dying-runtime start "$id" >"$T/$id.out" 2>"$T/$id.err" &&
		{ echo "start succeeded" && return 1; }
	[ "$(grep -c . "$T/$id.err")" = 1 ] || { cat "$T/$id.err" && return 1; }
	nothing_left "$id"
}
for ms in 1 2 3 4 6 8 12; do
	if out=$(runtime_dies $ms 2>&1); then ok "runtime killed after $ms ms of its create"; else not_ok "runtime killed after $ms ms of its create" "$out"; fi
done

# A log on a file system that hangs: the exit is recorded on time, and no byte is lost later.
disk_hangs() {
	bundle disk "echo one; while [ ! -e /go ]; do sleep 0.05; done; seq 1 50000; exit 3"
	start disk --log-path "$T/disk-fs/log" >/dev/null || return 1
	sleep 0.3
	fsfreeze -f "$T/disk-fs" || return 1
	local status=0 before=$SECONDS
	touch "$T/disk/rootfs/go"
	timeout 10 "$SHIM" wait --root "$T/reg" disk >/dev/null || status=$?
	fsfreeze -u "$T/disk-fs"
	[ $status = 3 ] && [ $((SECONDS - before)) -le 3 ] || { echo "status $status" && return 1; }
	for _ in $(seq 50); do
		[ "$(wc -l <"$T/disk-fs/log")" = 50001 ] && break
		sleep 0.1
	done
	[ "$(wc -l <"$T/disk-fs/log")" = 50001 ] || { echo "lines are missing" && return 1; }
	sh_ delete disk && nothing_left disk
}
mkdir -p "$T/disk-fs"
if truncate -s 32M "$T/disk.img" && mkfs.ext4 -q "$T/disk.img" 2>/dev/null && mount -o loop "$T/disk.img" "$T/disk-fs" 2>/dev/null; then
	if out=$(disk_hangs 2>&1); then ok "a disk that hangs delays no exit"; else not_ok "a disk that hangs delays no exit" "$out"; fi
	umount "$T/disk-fs" || umount -l "$T/disk-fs"
else
	skip "a disk that hangs delays no exit" "no loop mount here"
fi

# Many at once: each has its own status and its own log.
one() { # NUMBER
	local id=m$1 status=0
	bundle "$id" "echo $id; exit $1"
	start "$id" >/dev/null || return 1
	timeout 60 "$SHIM" wait --root "$T/reg" "$id" >/dev/null || status=$?
	[ $status = "$1" ] || { echo "$id: status $status" && return 1; }
	grep -q "\"$id\\\\n\"" "$T/$id/container.log" || { cat "$T/$id/container.log" && return 1; }
	sh_ delete "$id"
}
many() {
	local i pids=() bad=0
	for i in $(seq 1 30); do
		one "$i" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i" || bad=1; done
	return $bad
}
if out=$(many 2>&1); then ok "thirty at once"; else not_ok "thirty at once" "$out"; fi

echo "1..$n"
exit $failed
