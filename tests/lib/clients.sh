# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the scripts that drive real clients share: a script calls clients_main, which runs it again
# once for each cgroup layout, as "SCRIPT inner", in private namespaces (mounts, pids, network, ipc,
# hostname, a /run of its own), numbers its TAP lines and removes everything afterwards, also after
# a failure. The daemons and containers die with the pid namespace.
#
# In the inner run: LAYOUT is host|v1|v2, W the layout's work directory, ROOTFS a busybox root
# filesystem, RT a copy of the runtime under test (THOLE, else bin/thole), CG the cgroup below which
# every container must be put. ONLY=WORD runs the cases whose name contains WORD.

# clients_main SCRIPT COMMAND... -- LAYOUT...    skips everything when a COMMAND is missing
clients_main() {
	local script=$1 name layout rc reason missing=()
	name=$(basename "$1" .sh)
	shift
	while [ "$1" != -- ]; do
		command -v "$1" >/dev/null || missing+=("$1")
		shift
	done
	shift
	if [ "$(id -u)" != 0 ]; then
		printf 'ok 1 %s # skip needs root\n1..1\n' "$name"
		exit 0
	elif [ ${#missing[@]} -gt 0 ]; then
		printf 'ok 1 %s # skip not installed: %s\n1..1\n' "$name" "${missing[*]}"
		exit 0
	fi
	RT=$(realpath -e "${THOLE:-bin/thole}") || exit 1
	TOP=$(mktemp -d "/tmp/thole-$name.XXXXXX") || exit 1
	CG=/thole-test-$name-$$
	DEADLINE=$(($(date +%s) + ${CLIENTS_SECONDS:-225}))
	chmod 755 "$TOP"
	echo 0 >"$TOP/count"
	child=
	trap clients_clean EXIT
	trap 'exit 129' HUP INT TERM
	export RT TOP CG DEADLINE ROOTFS="$TOP/rootfs"
	# A copy: whoever builds meanwhile does not take it away from the daemons.
	install -D -m 755 "$RT" "$TOP/bin/$(basename "$RT")" || exit 1
	RT=$TOP/bin/$(basename "$RT")
	clients_rootfs "$ROOTFS"
	for layout; do
		if [ "$layout" = v1 ] && ! mount -t cgroup | grep -q .; then
			tap_line ok "v1: all # skip this machine has no v1 hierarchies"
			continue
		fi
		if [ "$layout" = newer ] && ! reason=$(tests/lib/newer make newer-podman "${NEWER_SUITE:-sid}" "$newer_packages"); then
			tap_line ok "newer: all # skip no newer suite: $reason"
			continue
		fi
		mkdir "$TOP/$layout"
		# In the background, so that a signal to this script is acted on at once.
		W=$TOP/$layout LAYOUT=$layout clients_private "$layout" bash "$script" inner </dev/null &
		child=$!
		wait "$child"
		rc=$?
		child=
		if [ "$layout" = journal ] && [ $rc -eq 77 ]; then
			tap_line ok "journal: all # skip not installed: systemd-journald"
			continue
		fi
		[ $rc -eq 0 ] || tap_line "not ok" "$layout: the script ended early, status $rc"
	done
	echo "1..$(cat "$TOP/count")"
	[ ! -e "$TOP/failed" ]
	exit
}

newer_packages=podman,conmon,crun,busybox,catatonit,netavark,iproute2,jq,python3,procps,util-linux,mount,uidmap
newer_packages+=,libprotobuf-c1,libyajl2,libmnl0,libseccomp2,libcap2,criu,iptables

# One COMMAND in namespaces of its own; time-out and death of this process kill all of them.
clients_private() { # LAYOUT COMMAND...
	local layout=$1 limit=$((DEADLINE - $(date +%s)))
	shift
	[ $limit -gt 0 ] || limit=1
	if [ "$layout" = host ]; then
		exec timeout -s KILL $limit unshare -m -p -f --kill-child=SIGKILL -n -i -u bash -c '
			set -e
			mount --make-rprivate /
			mount -t proc proc /proc
			mount -t tmpfs -o mode=755 tmpfs /run
			ip link set lo up
			exec "$@"' private "$@"
	fi
	# journal: pure v2 beside a journal of its own. newer: pure v1, in the newer suite's tree.
	[ "$layout" != journal ] || exec timeout -s KILL $limit tests/lib/journal "$@"
	[ "$layout" != newer ] || exec timeout -s KILL $limit tests/lib/layout v1 \
		tests/lib/newer enter newer-podman "$TOP" "$@"
	exec timeout -s KILL $limit tests/lib/layout "$layout" "$@"
}

clients_clean() {
	local i
	# The time-out passes the signal on, the kernel's parent-death signal does the rest.
	[ -z "$child" ] || { kill "$child" && wait "$child"; } 2>/dev/null
	# Who died last may be reaped late on a busy machine.
	for ((i = 0; i < 50; i++)); do
		# Names of every v1 hierarchy, of the hybrid's v2 part and of a pure v2.
		find /sys/fs/cgroup/*"$CG" /sys/fs/cgroup"$CG" -depth -type d -exec rmdir {} + 2>/dev/null
		[ -n "$(find /sys/fs/cgroup/*"$CG" /sys/fs/cgroup"$CG" -maxdepth 0 2>/dev/null)" ] || break
		sleep 0.3
	done
	rm -rf --one-file-system "$TOP"
}

clients_rootfs() { # DIR
	local a
	mkdir -p "$1"/{bin,etc,proc,sys,dev,tmp,root,run,data}
	chmod 1777 "$1/tmp"
	cp "$(command -v busybox)" "$1/bin/busybox"
	for a in $(busybox --list); do
		[ "$a" = busybox ] || ln -s busybox "$1/bin/$a"
	done
	printf 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/tmp:/bin/sh\n' >"$1/etc/passwd"
	printf 'root:x:0:\nextra:x:500:user\nuser:x:1000:\n' >"$1/etc/group"
	echo 'no program' >"$1/etc/notexec"
}

# ---- inner: TAP ------------------------------------------------------------------------------------
tap_line() { # "ok"|"not ok" TEXT
	local n=$(($(cat "$TOP/count") + 1))
	echo $n >"$TOP/count"
	[ "$1" = ok ] || : >"$TOP/failed"
	echo "$1 $n $2"
}
wanted() { [ -z "${ONLY:-}" ] || [[ $1 == *"$ONLY"* || $1 == *import ]]; }
skip() { # NAME REASON
	wanted "$1" || return 0
	tap_line ok "$LAYOUT: $1 # skip $2"
}
# t NAME FUNCTION...: the function runs in a subshell with -e; its output is shown when it fails.
t() {
	local name=$1 rc start=$SECONDS
	shift
	wanted "$name" || return 0
	(
		set -eE
		trap 'echo "at line $LINENO of ${BASH_SOURCE[0]##*/}: $BASH_COMMAND" >&9' ERR
		"$@"
	) >"$W/out" 2>&1 9>&1 </dev/null
	rc=$?
	if [ $rc -eq 0 ]; then
		tap_line ok "$LAYOUT: $name"
	else
		tail -n 40 "$W/out" | sed 's/^/# /'
		tap_line "not ok" "$LAYOUT: $name"
		! declare -F clients_reset >/dev/null || clients_reset >/dev/null 2>&1 </dev/null
	fi
	[ $((SECONDS - start)) -lt 15 ] || echo "# $name took $((SECONDS - start)) s"
}
is() { # GOT EXPECTED
	[ "$1" = "$2" ] && return 0
	printf 'expected "%s"\ngot      "%s"\n' "$2" "$1"
	return 1
}
like() { # GOT PATTERN, a shell pattern
	# shellcheck disable=SC2053
	[[ $1 == $2 ]] && return 0
	printf 'expected like "%s"\ngot           "%s"\n' "$2" "$1"
	return 1
}
# status N COMMAND...: the command must end with status N.
status() {
	local want=$1 rc=0
	shift
	"$@" || rc=$?
	[ $rc -eq "$want" ] && return 0
	echo "status $rc instead of $want: $*"
	return 1
}
# eventually COMMAND...: tried for half a minute (a daemon needs six seconds to start on a busy machine).
eventually() {
	local end=$((SECONDS + 30))
	while [ $SECONDS -lt $end ]; do
		"$@" && return 0
		sleep 0.2
	done
	echo "never true: $*"
	return 1
}
# controller NAME: is it there for containers in this layout?
controller() {
	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
		grep -qw "$1" /sys/fs/cgroup/cgroup.controllers
	else
		[ -d "/sys/fs/cgroup/$1" ]
	fi
}
# Inside a container: prints its memory limit in bytes.
# shellcheck disable=SC2034
memory_limit='cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max'
# has_command NAME: does the runtime have this command? (other runtimes: assumed)
has_command() {
	[ "$(basename "$RT")" != thole ] || "$RT" --help 2>&1 | grep -qw -- "$1"
}
# Terminal of 24x80 for a client that insists on one.
on_pty() { python3 tests/lib/console.py pty "$@" </dev/null; }
