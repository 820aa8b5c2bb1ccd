#!/usr/bin/env bats
# The plain cgroup manager inside of a systemd service that delegates its cgroup to us: where a
# container goes by default, device programs beside systemd's, reloads. In the guest:
# tests/vm/run -d bats bats/service.bats

load helpers
setup() {
	setup_common
	requires root thole
	[ "$(cat /proc/1/comm)" = systemd ] || skip "systemd is not PID 1 here"
	UNIT=thole-test-$ID.service
	cfg '.process.capabilities.bounding += ["CAP_MKNOD"] | .process.capabilities.effective += ["CAP_MKNOD"]
		| .process.capabilities.permitted += ["CAP_MKNOD"]'
}
teardown() {
	systemctl stop "$UNIT" 2>/dev/null || true
	clean_container
	teardown_common
}
mknod_says() { # TEXT
	rm -f "$BUNDLE/rootfs/tmp/x"
	run rt exec "$ID" /bin/payload mknod /tmp/x 10 237 </dev/null
	rm -f "$BUNDLE/rootfs/tmp/x"
	if [ "$1" = allowed ]; then has_not "Operation not permitted"; else has "Operation not permitted"; fi
}
# A container in the cgroup of a service with these properties.
in_service() {
	local p options=()
	for p in "$@"; do options+=(-p "$p"); done
	systemd-run -q --unit="$UNIT" -p Delegate=yes "${options[@]}" sleep 300
	CG=/system.slice/$UNIT/ct
	# The unit's own process aside: a cgroup that hands controllers on holds none.
	mkdir "/sys/fs/cgroup/system.slice/$UNIT/own"
	cat "/sys/fs/cgroup/system.slice/$UNIT/cgroup.procs" >"/sys/fs/cgroup/system.slice/$UNIT/own/cgroup.procs"
	cfg '.linux.cgroupsPath = $c | .linux.resources.devices = [{"allow": true, "access": "rwm"}]' --arg c "$CG"
	args sleep 300
	ct_create
	ct_start
}

@test "systemd runs and nothing has failed" {
	[ -z "$(systemctl list-units --failed --plain --no-legend)" ]
	grep -qw "cpuset cpu io memory pids" /sys/fs/cgroup/system.slice/cgroup.controllers
}

@test "device programs: systemd's above allows nothing more, ours neither, and a reload leaves both" {
	in_service DevicePolicy=auto
	mknod_says allowed
	systemctl daemon-reload
	mknod_says allowed
	rt delete --force "$ID"
	systemctl stop "$UNIT"
	in_service DevicePolicy=closed
	mknod_says denied
	systemctl daemon-reload
	mknod_says denied
	rt delete --force "$ID"
	systemctl stop "$UNIT"
	in_service "DevicePolicy=closed" "DeviceAllow=/dev/loop-control rwm"
	mknod_says allowed
	rt delete --force "$ID"
	cfg '.linux.resources.devices = [{"allow": false, "access": "rwm"}]'
	ct_create
	ct_start
	mknod_says denied
	systemctl daemon-reload
	mknod_says denied
}

@test "a service's limits bind the container, and its stop ends it" {
	in_service MemoryMax=40M
	run rt exec "$ID" /bin/payload eat 200 </dev/null
	status_is 137
	is_status running
	systemctl stop "$UNIT"
	wait_for 20 is_status stopped
	rt delete "$ID"
	[ ! -d "/sys/fs/cgroup$CG" ]
}
