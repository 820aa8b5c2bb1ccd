#!/usr/bin/env bats
# An ordinary user: its own state root, id maps, cgroups that it may not touch, what it gets and what
# it is refused.

load helpers
NOBODY=65534
setup() {
	setup_common
	requires root thole userns
	command -v setpriv >/dev/null || skip "needs setpriv"
	grep -q '^nobody:' /etc/passwd || skip "no ordinary user"
	mkdir -m 700 "$STATE" "$T/xdg"
	# The user must be able to reach the program.
	cp "$RUNTIME" "$T/thole"
	RUNTIME=$T/thole
	cfg 'del(.linux.cgroupsPath, .linux.resources)
		| .linux.namespaces += [{"type":"user"}]
		| .linux.uidMappings = [{"containerID":0,"hostID":65534,"size":1}] | .linux.gidMappings = .linux.uidMappings
		| .mounts |= map(if .options then .options |= map(select(startswith("gid=") | not)) else . end)'
	args id
	chown -R $NOBODY:$NOBODY "$STATE" "$T/xdg" "$BUNDLE" "$T"
}
teardown() {
	as_user delete --force "$ID" >/dev/null 2>&1 || true
	teardown_common
}

as_user() { user "$RUNTIME" --root "$STATE" "$@"; }
user() { setpriv --reuid $NOBODY --regid $NOBODY --clear-groups env -u XDG_RUNTIME_DIR "$@" </dev/null; }
# With a range of its own in /etc/subuid and /etc/subgid, seen by this command only.
with_range() {
	echo "nobody:200000:65536" >"$T/subid"
	chmod 644 "$T/subid"
	unshare -m bash -c 'mount --make-rprivate / && for f in /etc/subuid /etc/subgid; do
		[ -e $f ] || exit 77; mount --bind "$0" $f; done; exec "$@"' "$T/subid" \
		setpriv --reuid $NOBODY --regid $NOBODY --clear-groups env -u XDG_RUNTIME_DIR "$RUNTIME" --root "$STATE" "$@" </dev/null
}

@test "rootless: run, and every operation on a container" {
	run as_user run --bundle "$BUNDLE" "$ID"
	status_is 0
	has "uid 0 0 0"
	args pause
	as_user create --bundle "$BUNDLE" --pid-file "$T/pid" "$ID" >"$T/out" 2>"$T/err" || { cat "$T/err"; false; }
	[ "$(as_user state "$ID" | jq -r .status)" = created ]
	as_user start "$ID"
	run as_user exec "$ID" /bin/payload id
	status_is 0
	has "uid 0 0 0"
	run as_user list -q
	[ "$output" = "$ID" ]
	as_user kill "$ID" KILL
	gone() { [ "$(as_user state "$ID" | jq -r .status)" = stopped ]; }
	wait_for 5 gone
	as_user delete "$ID"
	[ -z "$(ls -A "$STATE")" ]
}

@test "rootless: ranges by newuidmap and newgidmap" {
	command -v newuidmap >/dev/null || skip "needs newuidmap"
	cfg '.linux.uidMappings = [{"containerID":0,"hostID":65534,"size":1},{"containerID":1,"hostID":200000,"size":65536}]
		| .linux.gidMappings = .linux.uidMappings | .process.user = {"uid": 1000, "gid": 1000}'
	args id + cat /proc/self/uid_map /proc/self/gid_map
	chown $NOBODY "$BUNDLE/config.json"
	run with_range run --bundle "$BUNDLE" "$ID"
	[ "$status" -ne 77 ] || skip "no /etc/subuid"
	status_is 0
	has "uid 1000 1000 1000"
	[ "$(printf '%s\n' "$output" | grep -c '1     200000      65536')" -eq 2 ]
	# A range that is not the user's.
	cfg '.linux.uidMappings[1].hostID = 300000'
	run with_range --log "$T/log" run --bundle "$BUNDLE" "$ID"
	status_is 1
	has "newuidmap refused the mappings"
	[ -z "$(ls -A "$STATE")" ]
}

@test "rootless: cgroups that it may not touch: tolerated unless they were asked for" {
	run as_user run --bundle "$BUNDLE" "$ID"
	status_is 0
	# Limits are not dropped in silence.
	cfg '.linux.resources = {"pids": {"limit": 5}}'
	run as_user --log "$T/log" run --bundle "$BUNDLE" "$ID"
	status_is 1
	one_line_with "permission denied"
	cfg 'del(.linux.resources) | .linux.cgroupsPath = "/thole-test-rootless-x"'
	run as_user --log "$T/log" run --bundle "$BUNDLE" "$ID"
	status_is 1
	one_line_with "permission denied"
	# --rootless=false tolerates nothing.
	cfg 'del(.linux.cgroupsPath)'
	run as_user --log "$T/log" --rootless=false run --bundle "$BUNDLE" "$ID"
	status_is 1
	one_line_with "permission denied"
	run as_user --rootless=true run --bundle "$BUNDLE" "$ID"
	status_is 0
	run as_user --rootless=maybe list
	status_is 1
	has "invalid rootless value: maybe"
	[ -z "$(ls -A "$STATE")" ]
}

@test "rootless: without a network namespace the host's /sys is bound; sysfs itself is told" {
	cfg '.linux.namespaces |= map(select(.type != "network"))
		| .mounts |= map(if .type == "sysfs" then {"destination":"/sys","type":"none","source":"/sys","options":["rbind","nosuid","noexec","nodev","ro"]} else . end)'
	args ls /sys/class/net + write /sys/kernel/profiling 1 + mounts
	run as_user run --bundle "$BUNDLE" "$ID"
	status_is 0
	has lo
	has "write /sys/kernel/profiling: "
	has_not "write /sys/kernel/profiling: ok"
	# The document that `spec --rootless` writes is one of that kind.
	mkdir "$T/fresh"
	"$RUNTIME" spec --rootless --bundle "$T/fresh"
	jq -e '(.mounts[] | select(.destination == "/sys") | .source == "/sys" and (.options | index("rbind")))
		and ([.linux.namespaces[].type] | index("network") | not) and ([.linux.namespaces[].type] | index("user"))
		and (.linux.resources | not)' "$T/fresh/config.json"
}

@test "rootless: what needs more than its rights is refused by name" {
	cfg 'del(.linux.namespaces[] | select(.type == "user")) | del(.linux.uidMappings, .linux.gidMappings)'
	run as_user --log "$T/log" run --bundle "$BUNDLE" "$ID"
	status_is 1
	one_line_with "rootless container requires user namespaces"
	cfg '.linux.namespaces += [{"type":"user"}] | .linux.uidMappings = [{"containerID":0,"hostID":65534,"size":1}]
		| .linux.gidMappings = .linux.uidMappings | .process.user.additionalGids = [5]'
	run as_user --log "$T/log" run --bundle "$BUNDLE" "$ID"
	status_is 1
	one_line_with "cannot set any additional groups in a rootless container"
	cfg 'del(.process.user.additionalGids) | .linux.uidMappings[0].hostID = 0'
	run as_user --log "$T/log" run --bundle "$BUNDLE" "$ID"
	status_is 1
	has "refused the mappings"
	[ -z "$(ls -A "$STATE")" ]
}

@test "rootless: the state lives below XDG_RUNTIME_DIR, sticky" {
	args pause
	in_xdg() { setpriv --reuid $NOBODY --regid $NOBODY --clear-groups env XDG_RUNTIME_DIR="$T/xdg" "$RUNTIME" "$@" </dev/null; }
	in_xdg create --bundle "$BUNDLE" "$ID" >"$T/out" 2>"$T/err" || { cat "$T/err"; false; }
	[ -d "$T/xdg/thole/$ID" ]
	[ "$(stat -c %a "$T/xdg/thole")" = 1700 ]
	run in_xdg list -q
	[ "$output" = "$ID" ]
	in_xdg delete --force "$ID"
	[ ! -e "$T/xdg/thole/$ID" ]
	# Root outside a user namespace does not look there; root of one does unless USER says root.
	run env XDG_RUNTIME_DIR="$T/xdg" "$RUNTIME" --log "$T/log" state nosuch
	status_is 1
	mkdir -m 700 "$T/xdg2"
	run unshare -U -r env -u USER XDG_RUNTIME_DIR="$T/xdg2" "$RUNTIME" list
	status_is 0
	[ -d "$T/xdg2/thole" ]
	rmdir "$T/xdg2/thole"
	run unshare -U -r env USER=root XDG_RUNTIME_DIR="$T/xdg2" "$RUNTIME" list
	[ ! -e "$T/xdg2/thole" ]
}

@test "rootless: another user's state directory is not believed" {
	mkdir -m 755 "$STATE/$ID"
	run as_user --log "$T/log" state "$ID"
	status_is 1
	one_line_with "belongs to uid 0"
	rmdir "$STATE/$ID"
}
