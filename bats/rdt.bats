#!/usr/bin/env bats
# linux.intelRdt against a directory that stands for a mounted resctrl (no machine of the tests has
# the hardware): which files are made, written, compared and removed, and when. Debug build.

load helpers
setup() {
	setup_common
	requires thole debug_build
	RUNTIME=$DEBUG_RUNTIME
	RES=$T/resctrl
	mkdir -p "$RES/info" "$RES/mon_groups"
	echo ok >"$RES/info/last_cmd_status"
	printf '    L3:0=7ff;1=7ff\n    MB:0=100;1=100\n' >"$RES/schemata"
	: >"$RES/tasks"
	export THOLE_TEST_RESCTRL=$RES
	args pause
}
teardown() { clean_container; teardown_common; }

class() { # NAME SCHEMATA: as an administrator makes one
	mkdir -p "$RES/$1/mon_groups"
	printf '%s\n' "$2" >"$RES/$1/schemata"
	: >"$RES/$1/tasks"
}
rdt() { cfg '.linux.intelRdt = $r' --argjson r "$1"; }
# With a log file the bare text is on stderr.
refused() {
	run rt --log "$T/log" create --bundle "$BUNDLE" "$ID" </dev/null
	status_is 1
}
nothing_left() {
	[ ! -e "$STATE/$ID" ]
	[ -z "$(cgroup_dirs)" ]
	[ "$(find "$RES" -name "*$ID*")" = "" ] || { find "$RES"; false; }
}

@test "intelRdt: no closID: a class of the container's name, the schemata in order, removed by delete" {
	rdt '{"l3CacheSchema":"L3:0=f;1=3","memBwSchema":"MB:0=20;1=70","schemata":["L2:0=f","L3:0=1"]}'
	ct_create
	[ "$(cat "$RES/$ID/schemata")" = "L3:0=f;1=3
MB:0=20;1=70
L2:0=f
L3:0=1" ]
	[ "$(cat "$RES/$ID/tasks")" = "$(cat "$T/pid")" ]
	[ "$(cat "$RES/tasks")" = "" ]
	ct_start
	rt exec -d --pid-file "$T/exec" "$ID" /bin/payload pause </dev/null
	# The join helper's, whose group its process inherits.
	[ "$(wc -l <"$RES/$ID/tasks")" -eq 2 ]
	rt delete --force "$ID"
	nothing_left
}

@test "intelRdt: neither closID nor schemas: a class whose schemata is not written" {
	rdt '{}'
	ct_create
	[ -d "$RES/$ID" ]
	[ ! -e "$RES/$ID/schemata" ]
	[ "$(cat "$RES/$ID/tasks")" = "$(cat "$T/pid")" ]
	rt delete --force "$ID"
	nothing_left
}

@test "intelRdt: a class of the container's name that was there is used and stays" {
	class "$ID" 'L3:0=f'
	rdt '{"l3CacheSchema":"L3:0=f"}'
	ct_create
	[ "$(cat "$RES/$ID/tasks")" = "$(cat "$T/pid")" ]
	rt delete --force "$ID"
	[ -d "$RES/$ID" ]
	[ "$(cat "$RES/$ID/schemata")" = 'L3:0=f' ]
}

@test "intelRdt: closID with schemas: made if missing, kept by delete, compared if there" {
	rdt '{"closID":"gold","schemata":["L3:0=f;1=f"]}'
	ct_create
	[ "$(cat "$RES/gold/schemata")" = "L3:0=f;1=f" ]
	rt delete --force "$ID"
	[ -d "$RES/gold" ]
	# As the kernel writes it.
	class gold '    L3:0=00f;1=00f
    MB:0=100;1=100'
	ct_create
	[ "$(cat "$RES/gold/tasks")" = "$(cat "$T/pid")" ]
	rt delete --force "$ID"
	for line in 'L3:0=e;1=f' 'L3:2=f' 'L2:0=f' 'L3' 'L3:' 'L3:x=1'; do
		rdt '{"closID":"gold"}'
		cfg '.linux.intelRdt.schemata = [$l]' --arg l "$line"
		refused
		one_line_with "linux.intelRdt: \"$RES/gold\" exists and its schemata is not \"$line\""
		nothing_left
	done
	[ "$(cat "$RES/gold/schemata")" = '    L3:0=00f;1=00f
    MB:0=100;1=100' ]
}

@test "intelRdt: closID alone: the class must exist" {
	rdt '{"closID":"gold"}'
	refused
	one_line_with "linux.intelRdt.closID: \"$RES/gold\" does not exist"
	nothing_left
	class gold 'L3:0=f'
	ct_create
	[ "$(cat "$RES/gold/tasks")" = "$(cat "$T/pid")" ]
	[ "$(cat "$RES/gold/schemata")" = 'L3:0=f' ]
	rt delete --force "$ID"
	[ -d "$RES/gold" ]
}

@test "intelRdt: / is the default class" {
	rdt '{"closID":"/"}'
	ct_create
	[ "$(cat "$RES/tasks")" = "$(cat "$T/pid")" ]
	rt delete --force "$ID"
	[ -e "$RES/schemata" ]
	rdt '{"closID":"/","l3CacheSchema":"L3:0=1"}'
	refused
	has "exists and its schemata is not"
}

@test "intelRdt: enableMonitoring: a group of its own below the class, removed by delete" {
	class gold 'L3:0=f'
	for clos in gold /; do
		cfg '.linux.intelRdt = {"closID": $c, "enableMonitoring": true}' --arg c "$clos"
		dir=$RES/${clos#/}
		: >"$dir/tasks"
		ct_create
		[ "$(cat "$dir/mon_groups/$ID/tasks")" = "$(cat "$T/pid")" ]
		[ "$(cat "$dir/tasks")" = "$(cat "$T/pid")" ]
		rt delete --force "$ID"
		nothing_left
	done
	# Of somebody else's.
	mkdir "$RES/gold/mon_groups/$ID"
	rdt '{"closID":"gold","enableMonitoring":true}'
	refused
	one_line_with "linux.intelRdt.enableMonitoring: \"$RES/gold/mon_groups/$ID\" exists already"
	[ -d "$RES/gold/mon_groups/$ID" ]
}

@test "intelRdt: a create that fails leaves no class behind, not even a named one" {
	for clos in '' '"closID":"gold",'; do
		rdt "{$clos\"schemata\":[\"L3:0=f\"],\"enableMonitoring\":true}"
		cfg '.hooks.createRuntime = [{"path":"/bin/false"}]'
		refused
		nothing_left
		[ ! -e "$RES/gold" ]
		cfg 'del(.hooks)'
	done
	for step in rdt prep spawn record place devices complete; do
		rdt '{"closID":"gold","schemata":["L3:0=f"]}'
		run env FAULT=parent:$step "$RUNTIME" --root "$STATE" --log "$T/log" create --bundle "$BUNDLE" "$ID" </dev/null
		status_is 1
		nothing_left
		[ ! -e "$RES/gold" ]
	done
}

@test "intelRdt: what resctrl refuses is told with its own reason" {
	echo 'Too many classes' >"$RES/info/last_cmd_status"
	chmod 555 "$RES"
	rdt '{"schemata":["L3:0=f"]}'
	# Root's rights do not end at a mode: a read-only mount does.
	run unshare -m bash -c 'mount --make-rprivate / && mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && "$@" </dev/null' x \
		"$RES" "$RUNTIME" --root "$STATE" --log "$T/log" create --bundle "$BUNDLE" "$ID"
	status_is 1
	one_line_with "linux.intelRdt: mkdir \"$RES/$ID\": Too many classes: read-only file system"
	chmod 755 "$RES"
	nothing_left
}

@test "intelRdt: run removes its class at the end" {
	rdt '{"schemata":["L3:0=f"],"enableMonitoring":true}'
	args id
	run ct_run
	status_is 0
	nothing_left
}

@test "intelRdt: absent: resctrl is not touched; no resctrl: an error" {
	before=$(find "$RES" -printf '%p %T@\n')
	ct_create
	ct_start
	rt exec "$ID" /bin/payload id </dev/null
	rt delete --force "$ID"
	[ "$(find "$RES" -printf '%p %T@\n')" = "$before" ]
	rdt '{"closID":"x"}'
	unset THOLE_TEST_RESCTRL
	grep -qw resctrl /proc/filesystems && grep -q ' - resctrl ' /proc/self/mountinfo && skip "resctrl is mounted"
	refused
	one_line_with "linux.intelRdt: resctrl is not mounted"
}

@test "intelRdt: names of resctrl's own are no classes" {
	for name in info mon_groups mon_data; do
		cfg '.linux.intelRdt = {"closID": $n}' --arg n "$name"
		refused
		one_line_with "linux.intelRdt.closID: \"$name\" is a directory of resctrl's own"
	done
}

@test "intelRdt: update writes the lines that it is given, into the container's class only" {
	rdt '{"l3CacheSchema":"L3:0=f"}'
	ct_create
	ct_start
	rt update --l3-cache-schema 'L3:0=3' --mem-bw-schema 'MB:0=50' "$ID"
	[ "$(cat "$RES/$ID/schemata")" = "L3:0=f
L3:0=3
MB:0=50" ]
	run rt update --l3-cache-schema 'MB:0=3' "$ID"
	status_is 1
	has "invalid value for l3-cache-schema"
	run rt update --mem-bw-schema 'L3:0=3' "$ID"
	status_is 1
	has "invalid value for mem-bw-schema"
	run rt update --l3-cache-schema $'L3:0=3\nMB:0=1' "$ID"
	status_is 1
	[ "$(wc -l <"$RES/$ID/schemata")" -eq 3 ]
	[ "$(grep -c MB "$RES/schemata")" -eq 1 ]
}

@test "intelRdt: update together with limits of the cgroup" {
	requires pids
	rdt '{"l3CacheSchema":"L3:0=f"}'
	ct_create
	ct_start
	rt update --pids-limit 33 --mem-bw-schema 'MB:0=50' "$ID"
	grep -qx 'MB:0=50' "$RES/$ID/schemata"
	[ "$(cat /sys/fs/cgroup/pids"$CG"/pids.max 2>/dev/null || cat /sys/fs/cgroup"$CG"/pids.max)" = 33 ]
}

@test "intelRdt: with the join helper the process is in the class too" {
	requires userns
	unshare -U sleep 100 &
	local p=$!
	sleep 0.3
	printf '0 100000 65536\n' >/proc/$p/uid_map
	printf '0 100000 65536\n' >/proc/$p/gid_map
	chown -R 100000:100000 "$BUNDLE/rootfs"
	cfg '.linux.namespaces += [{"type":"user","path":$u}]' --arg u /proc/$p/ns/user
	rdt '{"schemata":["L3:0=f"]}'
	ct_create
	kill $p
	# The helper was put there, and init is its child by clone: the kernel's groups are inherited.
	[ "$(wc -l <"$RES/$ID/tasks")" -eq 1 ]
	rt delete --force "$ID"
	nothing_left
}

@test "intelRdt: events show what can be divided, the schemata, the figures of the monitoring group" {
	class gold '    L3:0=00f;1=00f
    MB:0= 50;1=100'
	rdt '{"closID":"gold","enableMonitoring":true}'
	ct_create
	ct_start
	# Without the directories of a kernel that has the resource there is the text only.
	[ "$(rt events --stats "$ID" | jq -c .data.intel_rdt)" = '{"schemata":["L3:0=00f;1=00f","MB:0= 50;1=100"]}' ]
	mkdir -p "$RES"/info/{L3,MB,L3_MON}
	echo 7ff >"$RES/info/L3/cbm_mask"
	echo 2 >"$RES/info/L3/min_cbm_bits"
	echo 16 >"$RES/info/L3/num_closids"
	echo 10 | tee "$RES"/info/MB/{min_bandwidth,bandwidth_gran} >/dev/null
	echo 1 >"$RES/info/MB/delay_linear"
	echo 8 >"$RES/info/MB/num_closids"
	printf 'llc_occupancy\nmbm_total_bytes\nmbm_local_bytes\n' >"$RES/info/L3_MON/mon_features"
	mon=$RES/gold/mon_groups/$ID/mon_data
	mkdir -p "$mon"/mon_L3_0{0,1}
	echo 4096 >"$mon/mon_L3_00/llc_occupancy"
	echo 300 >"$mon/mon_L3_00/mbm_total_bytes"
	echo 200 >"$mon/mon_L3_00/mbm_local_bytes"
	# As the kernel says it of a counter that it has not got just now.
	echo Unavailable | tee "$mon"/mon_L3_01/{llc_occupancy,mbm_total_bytes,mbm_local_bytes} >/dev/null
	[ "$(rt events --stats "$ID" | jq -c .data.intel_rdt)" = "$(jq -c . <<-'JSON'
		{"l3_cache_info": {"cbm_mask": "7ff", "min_cbm_bits": 2, "num_closids": 16},
		"l3_cache_schema_root": "L3:0=7ff;1=7ff", "l3_cache_schema": "L3:0=00f;1=00f",
		"mem_bw_info": {"bandwidth_gran": 10, "delay_linear": 1, "min_bandwidth": 10, "num_closids": 8},
		"mem_bw_schema_root": "MB:0=100;1=100", "mem_bw_schema": "MB:0= 50;1=100",
		"schemata": ["L3:0=00f;1=00f", "MB:0= 50;1=100"],
		"mbm_stats": [{"mbm_total_bytes": 300, "mbm_local_bytes": 200}, {"mbm_total_bytes": 0, "mbm_local_bytes": 0}],
		"cmt_stats": [{"llc_occupancy": 4096}, {"llc_occupancy": 0}]}
	JSON
	)" ]
	# Of a class that has gone there is nothing to tell, of the rest there is.
	mv "$RES/gold" "$RES/gone"
	[ "$(rt events --stats "$ID" | jq -c '.data | [.intel_rdt, (.cpu | type)]')" = '[{},"object"]' ]
	mv "$RES/gone" "$RES/gold"
	# The kernel's go with their group.
	rm -r "$mon"
	rt delete --force "$ID"
	nothing_left
}
