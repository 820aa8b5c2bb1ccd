# shellcheck shell=bash disable=SC2154 # status, output and lines are bats'
# Shared by every suite: a bundle whose init is the static payload, a runtime with a state root and
# a cgroup of the test's own, and a teardown that cleans up and fails when something was left.
#
#   RUNTIME   the runtime under test (default bin/thole)
#   SHIM      the shim under test (default bin/thole-shim)

TOP=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
RUNTIME=${RUNTIME:-$TOP/bin/thole}
SHIM=${SHIM:-$TOP/bin/thole-shim}
DEBUG_RUNTIME=$TOP/build/debug/bin/thole
PAYLOAD=$TOP/build/release/payload/payload
RT_NAME=$(basename "$RUNTIME")

setup_common() {
	T=$(mktemp -d /tmp/thole-bats.XXXXXX)
	chmod 755 "$T"
	STATE=$T/state
	SHIM_ROOT=$T/shim
	BUNDLE=$T/bundle
	ID=t$$-$BATS_TEST_NUMBER
	CG=/thole-test/$ID
	make_rootfs "$BUNDLE/rootfs"
	default_config >"$BUNDLE/config.json"
}

make_rootfs() {
	mkdir -p "$1"/{bin,dev,proc,sys,etc,tmp,mnt,root}
	cp "$PAYLOAD" "$1/bin/payload"
	printf 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n' >"$1/etc/passwd"
}

default_config() {
	cat <<-JSON
		{
		"ociVersion": "1.0.2",
		"process": {
			"terminal": false, "user": {"uid": 0, "gid": 0},
			"args": ["/bin/payload", "id"],
			"env": ["PATH=/usr/bin:/bin", "TERM=xterm"], "cwd": "/",
			"capabilities": {
				"bounding": ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
				"effective": ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
				"permitted": ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
			},
			"noNewPrivileges": true
		},
		"root": {"path": "rootfs", "readonly": false},
		"hostname": "thole-test",
		"mounts": [
			{"destination": "/proc", "type": "proc", "source": "proc"},
			{"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
			 "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
			{"destination": "/dev/pts", "type": "devpts", "source": "devpts",
			 "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
			{"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
			 "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
			{"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
			 "options": ["nosuid", "noexec", "nodev"]},
			{"destination": "/sys", "type": "sysfs", "source": "sysfs",
			 "options": ["nosuid", "noexec", "nodev", "ro"]}
		],
		"linux": {
			"cgroupsPath": "$CG",
			"resources": {"devices": [{"allow": false, "access": "rwm"}]},
			"namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"},
				       {"type": "uts"}, {"type": "mount"}],
			"maskedPaths": ["/proc/kcore", "/proc/keys", "/sys/firmware"],
			"readonlyPaths": ["/proc/sys", "/proc/sysrq-trigger"]
		}
		}
	JSON
}

# cfg JQ-FILTER [JQ-ARGS...]: edits the bundle's configuration.
cfg() {
	local filter=$1
	shift
	jq "$filter" "$BUNDLE/config.json" "$@" >"$T/config.new" && mv "$T/config.new" "$BUNDLE/config.json"
}
# args WORD...: what the container's process runs: the payload's commands.
args() {
	cfg '.process.args = ["/bin/payload"] + $ARGS.positional' --args "$@"
}
mount_add() { # JSON
	cfg '.mounts += [$m]' --argjson m "$1"
}

rt() { "$RUNTIME" --root "$STATE" "$@"; }
run_rt() { run rt "$@"; }
ct_run() { rt run --bundle "$BUNDLE" "$@" "$ID" </dev/null; }
ct_create() { rt create --bundle "$BUNDLE" --pid-file "$T/pid" "$@" "$ID" </dev/null >"$T/out" 2>"$T/err"; }
ct_start() { rt start "$ID"; }
ct_status() { rt state "$ID" | jq -r .status; }
# Waits until COMMAND succeeds, at most SECONDS of a quick machine.
wait_for() { # SECONDS COMMAND...
	local end=$((SECONDS + $1 * 3))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || {
			echo "timed out waiting for: $*"
			return 1
		}
		sleep 0.05
	done
}
is_status() { [ "$(ct_status)" = "$1" ]; }

cgroup_dirs() { find /sys/fs/cgroup -maxdepth 3 -type d -path "*$CG" 2>/dev/null; }

clean_container() {
	rt delete --force "$ID" >/dev/null 2>&1 || true
}

teardown_common() {
	local left=0 d i
	rt list -q 2>/dev/null | while read -r i; do rt delete --force "$i" >/dev/null 2>&1; done
	if [ -d "$SHIM_ROOT" ]; then
		"$SHIM" list --root "$SHIM_ROOT" -q 2>/dev/null | while read -r i; do
			"$SHIM" delete --root "$SHIM_ROOT" --force "$i" >/dev/null 2>&1
		done
	fi
	for d in $(cgroup_dirs); do
		find "$d" -depth -type d 2>/dev/null | while read -r i; do
			while read -r p; do kill -9 "$p" 2>/dev/null; done <"$i/cgroup.procs"
			sleep 0.05
			rmdir "$i" 2>/dev/null
		done
		echo "left behind: cgroup $d"
		left=1
	done
	while read -r _ _ _ _ d _; do
		case $d in
		"$T"/*)
			echo "left behind: mount $d"
			umount -l "$d"
			left=1
			;;
		esac
	done </proc/self/mountinfo
	rm -rf "$T"
	find /sys/fs/cgroup -maxdepth 2 -type d -name thole-test -exec rmdir {} \; 2>/dev/null
	[ "$left" = 0 ] || [ "${ALLOW_LEFTOVERS:-0}" = 1 ]
}

# Whether the kernel is of this version or later.
kernel() { printf '%s\n' "$1" "$(uname -r)" | sort -CV; }

# A file system that can be mounted with id maps: tmpfs since 6.3, before that one on a loop device.
mount_idmappable() { # DIR
	if kernel 6.3; then
		mount -t tmpfs tmpfs "$1"
	else
		truncate -s 16M "$1.img" && mkfs.ext4 -q "$1.img" && mount -o loop "$1.img" "$1"
	fi
}

# requires WORD...: skips with a reason when the machine lacks it; an unknown word fails.
requires() {
	local w
	for w in "$@"; do
		case $w in
		root) [ "$(id -u)" -eq 0 ] || skip "needs root" ;;
		thole) [ "$RT_NAME" = thole ] || skip "thole's own behaviour" ;;
		runc_like) [ "$RT_NAME" != crun ] || skip "runc's text or flag, not crun's" ;;
		v1) [ -d /sys/fs/cgroup/memory ] || skip "needs cgroup v1" ;;
		v2) [ -e /sys/fs/cgroup/cgroup.controllers ] || skip "needs pure cgroup v2" ;;
		memory_v1) [ -d /sys/fs/cgroup/memory ] || skip "needs the v1 memory controller" ;;
		pids)
			[ -d /sys/fs/cgroup/pids ] || grep -qw pids /sys/fs/cgroup/cgroup.controllers ||
				skip "no pids controller in this layout"
			;;
		memory | cpu | cpuset | io)
			[ -d "/sys/fs/cgroup/$w" ] || grep -qw "$w" /sys/fs/cgroup/cgroup.controllers ||
				skip "no $w controller in this layout"
			;;
		swap_account)
			[ -e /sys/fs/cgroup/memory/memory.memsw.limit_in_bytes ] ||
				grep -qw memory /sys/fs/cgroup/cgroup.controllers 2>/dev/null ||
				skip "no accounting of swap"
			;;
		overlay) grep -qw overlay /proc/filesystems || skip "kernel has no overlay" ;;
		userns) [ -e /proc/self/ns/user ] || skip "kernel has no user namespaces" ;;
		timens) [ -e /proc/self/ns/time ] || skip "kernel has no time namespaces" ;;
		seccomp) grep -q '^Seccomp' /proc/self/status || skip "kernel has no seccomp" ;;
		apparmor) [ -d /sys/kernel/security/apparmor ] || skip "kernel has no AppArmor" ;;
		overlay_append) kernel 6.8 || skip "kernel before 6.8: no long lists of overlay layers" ;;
		idmap) kernel 5.12 || skip "kernel before 5.12: no idmapped mounts" ;;
		python3) command -v python3 >/dev/null || skip "needs python3" ;;
		debug_build) [ -x "$DEBUG_RUNTIME" ] || skip "needs BUILD=debug" ;;
		*)
			echo "requires: unknown word $w"
			return 1
			;;
		esac
	done
}

# Exactly one line, which contains TEXT.
one_line_with() {
	[ "$(printf '%s\n' "$output" | grep -c .)" -eq 1 ] || {
		echo "expected one line, got: $output"
		return 1
	}
	has "$1"
}
has() {
	[[ "$output" == *"$1"* ]] || {
		echo "expected: $1"
		echo "got: $output"
		return 1
	}
}
has_not() {
	[[ "$output" != *"$1"* ]] || {
		echo "not expected: $1"
		echo "got: $output"
		return 1
	}
}
status_is() {
	[ "$status" -eq "$1" ] || {
		echo "expected status $1, got $status; output: $output"
		return 1
	}
}
