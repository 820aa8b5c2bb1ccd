#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Drives the cgroup code for real: on the host's own layout, and on pure v1, pure v2 and odd layouts
# in private mount namespaces that die with this script. TAP on stdout.
#   cgroup_real.sh [DRIVER]      without an argument the driver is built
cd "$(dirname "$0")/../.." || exit 1

n=0 failed=0
if [ "$(id -u)" != 0 ]; then
	echo 'ok 1 - cgroups for real # SKIP needs root'
	echo '1..1'
	exit 0
fi

# Everything the script itself makes below the v2 root is in here.
dir=$(mktemp -d) || exit 1
mine=thole-test-real-$$
trap '
	rm -rf "$dir"
	find /sys/fs/cgroup/$mine /sys/fs/cgroup/unified/$mine -depth -type d -exec rmdir {} + 2>/dev/null
' EXIT

# A copy that unprivileged users can reach.
if [ $# = 0 ]; then
	make --no-print-directory -s BUILD=release drivers >&2 || exit 1
	set -- build/release/integration/cgroup_driver
fi
chmod 755 "$dir" && install -m 755 "$1" "$dir/cgroup_driver" || exit 1
driver=$dir/cgroup_driver

# Runs the driver and numbers its lines anew, so that all layouts make one TAP stream.
run() { # NAME "LAYOUT [MODE]" COMMAND...
	local name=$1 layout=$2 line ok=0
	shift 2
	echo "# $name"
	# shellcheck disable=SC2086
	while IFS= read -r line; do
		case $line in
		'ok '* | 'not ok '*)
			n=$((n + 1))
			case $line in not*) failed=1 ;; esac
			printf '%s %d - %s: %s\n' "${line%% [0-9]*}" $n "$name" "${line#* - }"
			;;
		1..*) ok=1 ;;
		*) echo "$line" ;;
		esac
	done < <("$@" timeout -k 5 120 "$driver" $layout 2>&1)
	if [ $ok = 0 ]; then
		n=$((n + 1)) failed=1
		echo "not ok $n - $name: the driver did not finish"
	fi
}

# shellcheck disable=SC2317 # called through run
# A private mount namespace, changed by SETUP, in which the command runs.
private() { # SETUP COMMAND...
	local setup=$1
	shift
	unshare -m --propagation private -p -f --kill-child=SIGKILL \
		bash -c "set -e; mount -t proc proc /proc; $setup"'; exec "$@"' private "$@"
}

magic() { stat -f -c %T "$1" 2>/dev/null; }

v2='umount -l /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup'
inside="$v2; cd /sys/fs/cgroup; mkdir -p $mine/a $mine/b; echo \$\$ >$mine/a/cgroup.procs; cd /"
# shellcheck disable=SC2016
namespaces() {
	run 'v2 in a cgroup namespace' v2 private "$inside" unshare -m -C bash -c '
		umount -l /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; exec "$@"' in
	run 'v2 beside the root of its cgroup namespace' 'v2 own' private \
		"$inside; mount --bind /sys/fs/cgroup/$mine /mnt; umount -l /sys/fs/cgroup" \
		unshare -C bash -c 'echo $$ >/mnt/b/cgroup.procs; exec "$@"' in
	run 'v2 beside, nothing known' 'v2 adrift' private "$inside" \
		unshare -C bash -c "echo \$\$ >/sys/fs/cgroup/$mine/b/cgroup.procs"'; exec "$@"' in
	run 'rootless v2' 'v2 rootless' private "$v2" setpriv --reuid 65534 --clear-groups
	run 'user namespace v2' 'v2 rootless' private "$v2" \
		setpriv --reuid 65534 --clear-groups unshare -U -r
	run 'delegated v2' 'v2 delegated' private "$inside; chown -R 65534 /sys/fs/cgroup/$mine" \
		setpriv --reuid 65534 --clear-groups unshare -U -r
}

case $(magic /sys/fs/cgroup) in
cgroup2fs)
	run host v2 env CGROUP_HOST=1
	namespaces
	;;
*)
	layout=v1
	[ "$(magic /sys/fs/cgroup/unified)" = cgroup2fs ] && layout=hybrid
	run host $layout env CGROUP_HOST=1
	[ $layout = hybrid ] && run 'pure v1' v1 private 'umount -l /sys/fs/cgroup/unified'
	run 'pure v2' v2 private "$v2"
	namespaces
	run 'rootless host' "$layout rootless" setpriv --reuid 65534 --clear-groups
	# Mount points that only mountinfo tells.
	# shellcheck disable=SC2016
	run 'v1 elsewhere' v1 private 'umount -l /sys/fs/cgroup; mount -t tmpfs none /sys/fs/cgroup
		cd /sys/fs/cgroup; for c in cpu memory devices freezer pids; do
		mkdir "odd $c"; mount -t cgroup -o $c none "odd $c"; done; cd /'
	run 'v2 elsewhere' v2 private 'umount -l /sys/fs/cgroup; mount -t tmpfs none /mnt
		mkdir /mnt/cg; mount -t cgroup2 none /mnt/cg'
	;;
esac
echo "1..$n"
exit $failed
