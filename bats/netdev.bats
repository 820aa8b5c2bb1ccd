#!/usr/bin/env bats
# linux.netDevices with real devices (veth), in a network namespace of the test's own.

load helpers
setup() {
	setup_common
	requires root thole
	unshare -n true 2>/dev/null || skip "no network namespaces"
	unshare -n ip link add va type veth peer name vb || skip "kernel has no veth"
	# Stands for the host's network; the tests run their runtime in it.
	unshare -n sleep 600 >/dev/null 2>&1 3>&- &
	HOST_NET=$!
	wait_for 5 own_net "$HOST_NET"
	host ip link set lo up
	wait_for 5 host ip link add eth7 type veth peer name peer7
	host ip link set eth7 address 02:11:22:33:44:55 mtu 1400
	host ip address add 10.7.0.2/24 broadcast 10.7.0.255 dev eth7
	host ip address add 10.7.1.2 peer 10.7.1.1/32 dev eth7
	host ip address add fd00:7::2/64 dev eth7 nodad
	host ip address add 10.7.9.9/24 scope link dev eth7
	host ip address add 10.7.8.8/24 valid_lft 600 preferred_lft 600 dev eth7
	host ip link set eth7 up
	host ip link set peer7 up
	args pause
}
teardown() {
	clean_container
	[ -z "${HOST_NET:-}" ] || kill "$HOST_NET" 2>/dev/null
	teardown_common
}

own_net() { [ "$(readlink /proc/self/ns/net)" != "$(readlink "/proc/$1/ns/net")" ]; }
host() { nsenter -t "$HOST_NET" -n "$@"; }
inside() { nsenter -t "$(cat "$T/pid")" -n "$@"; }
rt() { host "$RUNTIME" --root "$STATE" "$@"; }
devices() { cfg '.linux.netDevices = $d' --argjson d "$1"; }
refused() {
	run rt --log "$T/log" create --bundle "$BUNDLE" "$ID" </dev/null
	status_is 1
}
# What must be as before: everything that ip shows of the device, without its index and what the
# kernel finds out again by itself (the link-local address, and whether anybody else has one).
look() { host ip -o address show dev "${1:-eth7}" | grep -v ' fe80:' | sed 's/^[0-9]*: //;s/[0-9]*sec/Nsec/g;s/ tentative//' | sort; host ip -o link show dev "${1:-eth7}" | grep -o 'UP\b\|mtu [0-9]*\|master [a-z0-9]*\|ether [0-9a-f:]*'; }
nothing_left() {
	[ ! -e "$STATE/$ID" ]
	[ -z "$(cgroup_dirs)" ]
}

@test "netDevices: moved with its permanent global addresses, mtu and hardware address, and up" {
	devices '{"eth7":{}}'
	ct_create
	run host ip link show eth7
	status_is 1
	run inside ip -o address show dev eth7
	has "inet 10.7.0.2/24 brd 10.7.0.255"
	has "inet 10.7.1.2 peer 10.7.1.1/32"
	has "inet6 fd00:7::2/64 scope global"
	has_not 10.7.9.9
	has_not 10.7.8.8
	run inside ip -o link show dev eth7
	has "UP"
	has "mtu 1400"
	has "02:11:22:33:44:55"
	ct_start
	inside ping -c 1 -W 1 10.7.0.2 >/dev/null || ! command -v ping
	# Not moved back, and not looked after any more (OCI 1.3).
	rt delete --force "$ID"
	run host ip link show eth7
	status_is 1
}

@test "netDevices: another name, a template, several devices, one that is down" {
	host ip link add eth8 type veth peer name peer8
	host ip link add eth9 type veth peer name peer9
	host ip address add 10.9.0.1/24 dev eth9
	devices '{"eth7":{"name":"mgmt0"},"eth8":{"name":"net%d"},"eth9":{"name":"net%d"}}'
	ct_create
	run inside ip -o link show
	has mgmt0
	has net0
	has net1
	has_not "eth7"
	[ "$(printf '%s\n' "$output" | grep -c 'net[01].*<[^>]*UP')" -eq 2 ]
	run inside ip -o address show
	has "10.7.0.2/24"
	has "10.9.0.1/24"
}

@test "netDevices: the container's sysctls and its hooks see the device" {
	devices '{"eth7":{"name":"mgmt0"}}'
	cfg '.linux.sysctl = {"net.ipv4.conf.mgmt0.forwarding": "1"}'
	printf '#!/bin/sh\nnsenter -t "$(jq .pid)" -n ip -o address show dev mgmt0 >%s/hook\n' "$T" >"$T/hook.sh"
	chmod +x "$T/hook.sh"
	cfg '.hooks.prestart = [{"path": $p}]' --arg p "$T/hook.sh"
	ct_create
	grep -q 10.7.0.2 "$T/hook"
	[ "$(inside sh -c 'cat /proc/sys/net/ipv4/conf/mgmt0/forwarding')" = 1 ]
}

@test "netDevices: a namespace joined by path, a user namespace, both" {
	unshare -n sleep 100 >/dev/null 2>&1 3>&- &
	local p=$!
	wait_for 5 own_net $p
	cfg '.linux.namespaces |= map(if .type == "network" then .path = $n else . end)' --arg n "/proc/$p/ns/net"
	devices '{"eth7":{"name":"a0"}}'
	ct_create
	nsenter -t $p -n ip -o address show dev a0 | grep 10.7.0.2
	rt delete --force "$ID"
	# It was there before the container and stays with its device.
	nsenter -t $p -n ip link set a0 down
	nsenter -t $p -n ip link delete a0
	wait_for 5 host ip link add eth7 type veth peer name peer7
	host ip address add 10.7.0.2/24 dev eth7
	cfg '.linux.namespaces += [{"type":"user"}] | .linux.uidMappings = [{"containerID":0,"hostID":100000,"size":65536}]
		| .linux.gidMappings = .linux.uidMappings | .mounts |= map(select(.type != "sysfs"))'
	chown -R 100000:100000 "$BUNDLE/rootfs"
	ct_create
	nsenter -t $p -n ip -o address show dev a0 | grep 10.7.0.2
	rt delete --force "$ID"
	kill $p
	wait_for 5 host ip link add eth7 type veth peer name peer7
	host ip address add 10.7.0.2/24 dev eth7
	cfg '.linux.namespaces |= map(if .type == "network" then del(.path) else . end)'
	ct_create
	inside ip -o address show dev a0 | grep 10.7.0.2
}

@test "netDevices: what is refused, and nothing is moved" {
	before=$(look)
	devices '{"nosuch0":{}}'
	refused
	one_line_with 'linux.netDevices: network device "nosuch0": no such device'
	devices '{"eth7":{"name":"lo"}}'
	refused
	one_line_with "network device \"eth7\": the container's network namespace has a device \"lo\" already"
	devices '{"lo":{"name":"lo1"}}'
	refused
	one_line_with 'linux.netDevices: move network device "lo"'
	devices '{"eth7":{"name":"x"},"peer7":{"name":"x"}}'
	refused
	has "linux.netDevices"
	cfg '.linux.namespaces |= map(select(.type != "network")) | .mounts |= map(select(.type != "sysfs"))'
	refused
	has "linux.netDevices: given without a network namespace"
	cfg '.linux.namespaces += [{"type":"network","path":$p}]' --arg p "/proc/$HOST_NET/ns/net"
	devices '{"eth7":{"name":"x"}}'
	refused
	has "network namespace is the runtime's own"
	[ "$(look)" = "$before" ] || { diff <(look) <(echo "$before"); false; }
	nothing_left
}

@test "netDevices: a create that fails later gives every device back as it was" {
	host ip link add br0 type bridge 2>/dev/null && host ip link set eth7 master br0
	host ip link add eth8 type veth peer name peer8
	host ip address add 10.8.0.1/24 dev eth8
	before=$(look)
	before8=$(look eth8)
	# The second device cannot go; the first comes back.
	devices '{"eth7":{"name":"a0"},"lo":{"name":"lo1"}}'
	refused
	[ "$(look)" = "$before" ] || { diff <(look) <(echo "$before"); false; }
	devices '{"eth7":{"name":"a%d"},"eth8":{}}'
	cfg '.hooks.createRuntime = [{"path":"/bin/false"}]'
	refused
	[ "$(look)" = "$before" ] || { diff <(look) <(echo "$before"); false; }
	[ "$(look eth8)" = "$before8" ]
	cfg 'del(.hooks) | .process.args = ["/nosuch"]'
	refused
	[ "$(look)" = "$before" ] || { diff <(look) <(echo "$before"); false; }
	args id
	cfg '.hooks.poststart = [{"path":"/bin/false"}]'
	run ct_run
	status_is 1
	[ "$(look)" = "$before" ] || { diff <(look) <(echo "$before"); false; }
	nothing_left
}

@test "netDevices: every step that fails gives the device back" {
	requires debug_build
	RUNTIME=$DEBUG_RUNTIME
	before=$(look)
	devices '{"eth7":{"name":"a0"}}'
	for step in parent:netdev parent:maps init:maps init:names init:pivot parent:ready init:ready parent:complete parent:release; do
		FAULT=$step run rt --log "$T/log" create --bundle "$BUNDLE" "$ID" </dev/null
		status_is 1
		[ "$(look)" = "$before" ] || { echo "$step"; diff <(look) <(echo "$before"); false; }
		nothing_left
	done
}

@test "netDevices: features say so" {
	[ "$("$RUNTIME" features | jq .linux.netDevices.enabled)" = true ]
	[ "$("$RUNTIME" features | jq -c .linux.intelRdt)" = '{"enabled":true,"schemata":true,"monitoring":true}' ]
}
