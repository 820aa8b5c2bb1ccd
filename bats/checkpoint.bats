#!/usr/bin/env bats
# checkpoint and restore through criu: that processes go on where they stopped, with everything that
# belongs to them, and what is said and left where that cannot be.

load helpers

setup_file() {
	# Once, for it may unpack a criu for this kernel.
	CRIU_DIR=$("$BATS_TEST_DIRNAME/../tests/lib/criu") || CRIU_DIR=
	export CRIU_DIR
}
setup() {
	setup_common
	[ -n "$CRIU_DIR" ] || skip "criu does not work on this kernel"
	export PATH=$CRIU_DIR:$PATH
	IMG=$T/img
	N=$BUNDLE/rootfs/tmp/n
	args count /tmp/n
}
teardown() {
	local p
	for p in $HELPERS; do kill -9 "$p" 2>/dev/null; done
	clean_container
	[ -z "$OTHER" ] || rt delete --force "$OTHER" >/dev/null 2>&1 || true
	teardown_common
}
console() { python3 "$TOP/tests/lib/console.py" "$@"; }

number() { head -n 1 "${1:-$N}"; } # [FILE]
above() { [ "$(number "${2:-$N}")" -gt "$1" ] 2>/dev/null; } # NUMBER [FILE]
started() { # NUMBER: the container counts, beyond it
	# Its stdio must not be files of this test: no restore could give those back as they were.
	rt --log "$T/log" run --detach --bundle "$BUNDLE" --pid-file "$T/pid" "$ID" </dev/null >/dev/null 2>&1 || {
		tail -n 1 "$T/log"
		return 1
	}
	wait_for 60 above "${1:-3}"
}
dump() { rt checkpoint --image-path "$IMG" "$@" "$ID"; }
undump() {
	rt --log "$T/log" restore --detach --bundle "$BUNDLE" --image-path "$IMG" --pid-file "$T/pid" "$@" \
		"${OTHER:-$ID}" </dev/null >/dev/null 2>&1 || {
		tail -n 1 "$T/log"
		return 1
	}
}
# What counted at the checkpoint counts on from there, and not from 1.
goes_on() { # [FILE]
	local before=$1 file=${2:-$N}
	wait_for 60 above "$before" "$file"
	[ "$(number "$file")" -lt $((before + 2000)) ]
}
mounts_of() { # PID: what is where, without what is new each time
	sed -E 's/^[0-9]+ [0-9]+ [0-9]+:[0-9]+ //' "/proc/$1/mountinfo" | sort
}
holder() { # a network namespace: its path in NS
	unshare -n -u -i sleep 300 3>&- >/dev/null 2>&1 &
	HELPERS="$HELPERS $!"
	wait_for 30 differs "$!"
	NS=/proc/$!/ns
	nsenter --net="$NS/net" ip link set lo up
}
differs() { [ "$(readlink "/proc/$1/ns/ipc")" != "$(readlink /proc/self/ns/ipc)" ]; }

@test "a counting process goes on where it stopped; the container is gone in between" {
	local n mounts
	started
	mounts=$(mounts_of "$(cat "$T/pid")")
	dump --work-path "$T/work"
	n=$(number)
	run_rt state "$ID"
	status_is 1
	has "container does not exist"
	[ -z "$(cgroup_dirs)" ]
	[ -s "$IMG/inventory.img" ]
	[ -s "$T/work/dump.log" ]
	[ ! -e "$IMG/dump.log" ]
	sleep 0.2
	[ "$(number)" = "$n" ]

	undump --work-path "$T/work"
	goes_on "$n"
	is_status running
	[ "$(rt state "$ID" | jq .pid)" = "$(cat "$T/pid")" ]
	[ "$(mounts_of "$(cat "$T/pid")")" = "$mounts" ]
	grep -q "$CG" "/proc/$(cat "$T/pid")/cgroup"
	# Everything else works as for a new one.
	[ "$(rt exec "$ID" /bin/payload echo hello </dev/null)" = hello ]
	rt pause "$ID"
	is_status paused
	rt resume "$ID"
	# And nothing of criu is left.
	[ -z "$(find "$STATE" -name 'm[0-9]*')" ]
	! grep -q "$STATE" /proc/self/mountinfo
	rt kill "$ID" KILL
	wait_for 60 is_status stopped
	rt delete "$ID"
}

@test "images are restored twice, once under another name and in another cgroup" {
	local n
	started
	dump --leave-running
	n=$(number)
	is_status running
	goes_on "$n"
	# Beside the one that still runs.
	OTHER=$ID-other
	cfg '.linux.cgroupsPath = $c' --arg c "$CG/other"
	undump
	[ "$(rt state "$OTHER" | jq -r .status)" = running ]
	grep -q "$CG/other" "/proc/$(cat "$T/pid")/cgroup"
	is_status running
	rt delete --force "$OTHER"
	is_status running
}

@test "mounts: binds, links on the way, recursion, read-only, tmpfs content" {
	local before after n
	mkdir -p "$T/vol" "$T/deep/below" "$T/with space"
	mount -t tmpfs below "$T/deep/below"
	echo inside >"$T/deep/below/file"
	echo file >"$T/file"
	ln -s /mnt "$BUNDLE/rootfs/link"
	mount_add '{"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"}'
	mount_add "{\"destination\": \"/link/vol\", \"type\": \"bind\", \"source\": \"$T/vol\", \"options\": [\"bind\", \"nosuid\"]}"
	mount_add "{\"destination\": \"/with space\", \"type\": \"bind\", \"source\": \"$T/with space\", \"options\": [\"bind\", \"ro\"]}"
	mount_add "{\"destination\": \"/deep\", \"type\": \"bind\", \"source\": \"$T/deep\", \"options\": [\"rbind\", \"rro\"]}"
	mount_add "{\"destination\": \"/etc/file\", \"type\": \"bind\", \"source\": \"$T/file\", \"options\": [\"bind\", \"ro\"]}"
	mount_add '{"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"]}'
	cfg '.root.readonly = true'
	args write /tmp/kept kept + write /mnt/vol/n 0 + count /mnt/vol/n
	N=$T/vol/n
	started
	before=$(mounts_of "$(cat "$T/pid")")
	dump
	n=$(number)
	# criu mounts cgroup2 without options, which takes the host's own away from all its mounts.
	before=${before/,nsdelegate/} before=${before/,memory_recursiveprot/}
	# A fresh copy of the root has none of the mount points.
	rmdir "$BUNDLE/rootfs/mnt/vol" "$BUNDLE/rootfs/deep" "$BUNDLE/rootfs/with space"
	undump
	goes_on "$n"
	after=$(mounts_of "$(cat "$T/pid")")
	after=${after/,nsdelegate/} after=${after/,memory_recursiveprot/}
	umount "$T/deep/below"
	[ "$before" = "$after" ] || {
		diff <(echo "$before") <(echo "$after")
		false
	}
	run rt exec "$ID" /bin/payload cat /tmp/kept + cat /deep/below/file + cat /etc/file </dev/null
	has kept
	has inside
	has file
	for f in /etc/file /deep/x /deep/below/x "/with space/x" /x; do
		run rt exec "$ID" /bin/payload write "$f" x </dev/null
		has "read-only file system" || has "Read-only file system"
	done
}

@test "a cgroup namespace and its cgroup mount" {
	local before n
	cfg '.linux.namespaces += [{"type": "cgroup"}]'
	mount_add '{"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"]}'
	started
	before=$(mounts_of "$(cat "$T/pid")")
	dump
	n=$(number)
	undump
	goes_on "$n"
	[ "$(mounts_of "$(cat "$T/pid")")" = "$before" ]
	# Rooted at the container's cgroup, wherever that is.
	run rt exec "$ID" /bin/payload cat /proc/self/cgroup </dev/null
	has ":/"
	has_not "$CG"
}

@test "a user namespace; the images' directory is as closed as before" {
	requires userns
	local n
	mkdir "$BUNDLE/rootfs/data"
	chown -R 100000:100000 "$BUNDLE/rootfs"
	cfg '.linux.namespaces += [{"type": "user"}]
		| .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}]
		| .linux.gidMappings = .linux.uidMappings'
	started
	dump
	n=$(number)
	[ "$(stat -c %a "$IMG")" = 700 ]
	undump
	goes_on "$n"
	[ "$(stat -c %a "$IMG")" = 700 ]
	[ "$(stat -c %u "/proc/$(cat "$T/pid")")" = 100000 ]
	run rt exec "$ID" /bin/payload write /dev/null x + stat /dev/null </dev/null
	status_is 0
}

@test "a terminal: the new master arrives on the console socket" {
	requires python3
	local n
	cfg '.process.terminal = true'
	console recv "$T/c.sock" 3>&- >"$T/c1" 2>&1 &
	HELPERS="$HELPERS $!"
	wait_for 30 test -S "$T/c.sock"
	ct_run --detach --console-socket "$T/c.sock"
	wait_for 60 grep -q '^5' "$T/c1"
	dump
	n=$(number)
	! grep -q "^$((n + 1))" "$T/c1"
	console recv "$T/d.sock" 3>&- >"$T/c2" 2>&1 &
	HELPERS="$HELPERS $!"
	wait_for 30 test -S "$T/d.sock"
	undump --console-socket "$T/d.sock"
	wait_for 60 grep -q "^$((n + 2))" "$T/c2"
	! grep -qx "1.\?" "$T/c2"
	run rt exec "$ID" /bin/payload stat /dev/console </dev/null
	has "type 20000"
}

@test "in the foreground: output goes to the new caller, status is the container's" {
	local n rc=0
	rt run --bundle "$BUNDLE" "$ID" </dev/null >"$T/o1" 2>"$T/e1" 3>&- &
	HELPERS="$HELPERS $!"
	wait_for 60 above 3
	dump
	n=$(number)
	grep -q 'pipe:' "$IMG/descriptors.json"
	(
		rc=0
		rt restore --bundle "$BUNDLE" --image-path "$IMG" "$ID" </dev/null >"$T/o2" 2>"$T/e2" || rc=$?
		echo "$rc" >"$T/rc"
	) 3>&- &
	HELPERS="$HELPERS $!"
	wait_for 30 above "$n"
	wait_for 60 grep -qx "$((n + 2))" "$T/o2"
	! grep -qx 1 "$T/o2"
	rt kill "$ID" KILL
	wait_for 60 test -s "$T/rc"
	[ "$(cat "$T/rc")" = 137 ]
	[ ! -s "$T/e2" ]
	run_rt state "$ID"
	status_is 1
}

@test "a TCP connection with a peer outside, through a network namespace given by path" {
	requires python3
	local n
	holder
	nsenter --net="$NS/net" python3 - 3>&- >"$T/server" 2>&1 <<-'PY' &
		import socket
		s = socket.socket()
		s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		s.bind(("127.0.0.1", 7007))
		s.listen(1)
		print("listening", flush=True)
		c, _ = s.accept()
		s.close()
		while data := c.recv(100):
		    c.sendall(data)
		print("closed", flush=True)
	PY
	HELPERS="$HELPERS $!"
	wait_for 60 grep -q listening "$T/server"
	cfg '(.linux.namespaces[] | select(.type == "network")).path = $p' --arg p "$NS/net"
	args talk 7007 /tmp/n
	started
	# Without leave it is refused, and the connection goes on.
	run dump
	status_is 1
	one_line_with "criu could not checkpoint the container"
	has "dump.log"
	is_status running
	n=$(number)
	goes_on "$n"

	dump --tcp-established
	n=$(number)
	undump --tcp-established
	goes_on "$n"
	! grep -q closed "$T/server"
	[ "$(readlink "/proc/$(cat "$T/pid")/ns/net")" = "$(readlink "$NS/net")" ]
}

@test "ipc and uts namespaces given by path are joined again" {
	local n
	holder
	cfg '(.linux.namespaces[] | select(.type == "ipc")).path = $i
		| (.linux.namespaces[] | select(.type == "uts")).path = $u | del(.hostname)' \
		--arg i "$NS/ipc" --arg u "$NS/uts"
	started
	dump
	n=$(number)
	undump
	goes_on "$n"
	for ns in ipc uts; do
		[ "$(readlink "/proc/$(cat "$T/pid")/ns/$ns")" = "$(readlink "$NS/$ns")" ]
	done
	[ "$(readlink "/proc/$(cat "$T/pid")/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

@test "file locks need leave; a failed checkpoint leaves the container running and says why" {
	local n
	args lock /tmp/lock + count /tmp/n
	started
	run dump
	status_is 1
	one_line_with "criu could not checkpoint the container"
	has "log file: $IMG/dump.log"
	is_status running
	n=$(number)
	goes_on "$n"
	dump --file-locks
	n=$(number)
	undump --file-locks
	goes_on "$n"
	run flock -n "$BUNDLE/rootfs/tmp/lock" true
	status_is 1
}

@test "a paused container" {
	started
	rt pause "$ID"
	local n
	n=$(number)
	dump
	undump
	goes_on "$n"
	is_status running
}

@test "a pre-dump and the dump on top of it" {
	requires thole
	started
	if ! criu check --feature mem_dirty_track >/dev/null 2>&1; then
		run rt checkpoint --pre-dump --image-path "$T/pre" "$ID"
		status_is 1
		one_line_with "--pre-dump: this kernel or criu cannot track changes of memory"
		is_status running
		skip "this kernel tracks no changes of memory"
	fi
	local n
	rt checkpoint --pre-dump --image-path "$T/pre1" "$ID"
	is_status running
	rt checkpoint --pre-dump --parent-path ../pre1 --image-path "$T/pre2" "$ID"
	is_status running
	n=$(number)
	goes_on "$n"
	dump --parent-path ../pre2
	n=$(number)
	[ -L "$IMG/parent" ]
	undump
	goes_on "$n"
}

@test "lazy pages: the container runs before its memory has come" {
	requires thole
	criu check --feature uffd >/dev/null 2>&1 || skip "this kernel has no userfaultfd"
	local n port=$((20000 + $$ % 20000))
	args eat 8 + count /tmp/n
	started
	mkfifo "$T/ready"
	(
		exec 7<>"$T/ready"
		rt checkpoint --image-path "$IMG" --lazy-pages --page-server 127.0.0.1:$port --status-fd 7 \
			"$ID" </dev/null >"$T/dump.out" 2>&1
	) 3>&- &
	HELPERS="$HELPERS $!"
	timeout 30 head -c 1 "$T/ready" >"$T/byte"
	[ "$(od -An -tx1 "$T/byte" | tr -d ' ')" = 00 ]
	n=$(number)
	mkdir "$T/lazy"
	criu lazy-pages --page-server --address 127.0.0.1 --port "$port" -D "$IMG" -W "$T/lazy" \
		-o lazy.log </dev/null >"$T/lazy.out" 2>&1 3>&- &
	HELPERS="$HELPERS $!"
	wait_for 60 test -S "$T/lazy/lazy-pages.socket"
	OTHER=$ID-lazy
	cfg '.linux.cgroupsPath = $c' --arg c "$CG-lazy"
	if ! undump --lazy-pages --work-path "$T/lazy"; then
		# criu 4.2 on 6.18 does so from its own command line too.
		grep -q 'page-pipe: splice: -1' "$IMG/dump.log" || return 1
		skip "this criu's page server fails on this kernel"
	fi
	goes_on "$n"
	# The page server ends when all pages are gone, and takes the old container along.
	wait_for 60 gone "$ID"
	[ ! -s "$T/dump.out" ]
	rt delete --force "$OTHER"
	CG=$CG-lazy clean_cgroup
}
gone() { ! rt state "$1" >/dev/null 2>&1; }
clean_cgroup() { [ -z "$(cgroup_dirs)" ]; }

@test "hooks: createRuntime and poststart on restore, poststop after a checkpoint" {
	local hook
	cat >"$T/hook" <<-SH
		#!/bin/sh
		echo "\$1 \$(jq -r '.status + " " + (.pid > 0 | tostring)')" >>"$T/hooks"
	SH
	chmod +x "$T/hook"
	for hook in prestart createRuntime createContainer poststart poststop; do
		cfg ".hooks.$hook = [{\"path\": \"$T/hook\", \"args\": [\"hook\", \"$hook\"]}]"
	done
	started
	rm "$T/hooks"
	dump
	[ "$(cat "$T/hooks")" = "poststop stopped false" ]
	rm "$T/hooks"
	undump
	[ "$(tr '\n' ' ' <"$T/hooks")" = "prestart creating true createRuntime creating true poststart running true " ]
}

@test "a hook that fails undoes the restore whole" {
	requires thole
	started
	dump
	cfg '.hooks.createRuntime = [{"path": "/bin/false"}]'
	run undump
	status_is 1
	one_line_with "error running createRuntime hook #0"
	run_rt state "$ID"
	status_is 1
	[ -z "$(cgroup_dirs)" ]
	[ ! -e "$STATE/$ID" ]
	# Nothing was lost.
	cfg 'del(.hooks)'
	undump
	is_status running
}

@test "every step of a restore that fails is undone; the error names it" {
	requires thole debug_build
	local step steps
	started
	dump
	RUNTIME=$DEBUG_RUNTIME THOLE_TRACE=$T/trace undump
	rt delete --force "$ID"
	steps=$(awk '$1 == "restore" || $1 == "criu" {print $1 ":" $2}' "$T/trace" | sort -u)
	[ "$(echo "$steps" | wc -l)" -ge 16 ]
	for step in $steps; do
		[ "$step" != criu:exec ] || continue
		FAULT=$step RUNTIME=$DEBUG_RUNTIME run undump
		echo "$step: $output"
		status_is 1
		one_line_with "$step"
		[ ! -e "$STATE/$ID" ]
		[ -z "$(cgroup_dirs)" ]
	done
	undump
	is_status running
}

@test "refusals: states, options, missing images, missing criu" {
	requires thole
	run_rt checkpoint "$ID"
	status_is 1
	one_line_with "container does not exist"
	ct_create
	run dump
	status_is 1
	one_line_with "Container cannot be checkpointed in created state"
	ct_start
	wait_for 60 above 1
	run dump --parent-path /abs
	one_line_with "must be relative to the image path"
	run dump --manage-cgroups-mode loose
	one_line_with "is none of soft, full, strict, ignore"
	run dump --empty-ns mount
	one_line_with "is not supported"
	run dump --lazy-pages
	one_line_with "--lazy-pages needs --page-server"
	run dump --page-server nowhere
	one_line_with "invalid page-server"
	run dump --status-fd 99
	one_line_with "invalid status-fd"
	run rt --criu "$T/none" checkpoint --image-path "$IMG" "$ID"
	status_is 1
	one_line_with "criu is needed to checkpoint and restore"
	printf '#!/bin/sh\necho "Error (x.c:1): this criu is broken" >&2\nexit 1\n' >"$T/broken"
	chmod +x "$T/broken"
	run rt --criu "$T/broken" checkpoint --image-path "$IMG" "$ID"
	status_is 1
	has "this criu is broken"
	is_status running
	run rt restore --bundle "$BUNDLE" --image-path "$IMG" "$ID"
	one_line_with "container with given ID already exists"
	rt delete --force "$ID"
	run undump --image-path "$T/nothing"
	status_is 1
	one_line_with "no such file or directory"
	has "open the image path"
	mkdir "$T/empty"
	run undump --image-path "$T/empty"
	status_is 1
	one_line_with "criu could not restore the container"
	[ ! -e "$STATE/$ID" ]
	[ -z "$(cgroup_dirs)" ]
	echo '{"no": "list"}' >"$T/empty/descriptors.json"
	run undump --image-path "$T/empty"
	one_line_with "is no list"
}

@test "a runtime that is killed in the middle leaves what delete --force can clean" {
	requires thole debug_build
	local step
	started
	dump
	for step in request namespaces restored release; do
		FAULT_KILL=restore:$step RUNTIME=$DEBUG_RUNTIME run undump
		[ "$status" -ne 0 ]
		# criu sees its end and kills what it had restored; or it was not there yet.
		rt delete --force "$ID"
		wait_for 60 clean_cgroup
	done
	undump
	is_status running
}

@test "help: what clients probe" {
	run_rt checkpoint --help
	status_is 0
	run_rt restore --lsm-mount-context
	[ "$status" -ne 0 ]
	has "flag needs an argument" || has "requires an argument"
}
