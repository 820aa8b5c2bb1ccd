#!/usr/bin/env bats
# Hostile images and bundles: every known class of escape, each as a test that shows the host unharmed.

load helpers
setup() {
	setup_common
	ROOTFS=$BUNDLE/rootfs
	HOST=$T/host # what an escape would touch
	mkdir "$HOST"
	echo untouched >"$HOST/file"
}
teardown() {
	ok=0
	[ "$(cat "$HOST/file" 2>/dev/null)" = untouched ] && [ "$(ls -A "$HOST")" = file ] || ok=1
	clean_container
	teardown_common || ok=1
	[ $ok = 0 ] || echo "the host's files were touched"
	return $ok
}
# Either outcome is fine, as long as the host is untouched and nothing hangs.
run_hostile() { run timeout 20 "$RUNTIME" --root "$STATE" run --bundle "$BUNDLE" "$ID" </dev/null; [ "$status" -ne 124 ]; }

@test "a mount target that is a symlink stays below the root" {
	ln -s "$HOST" "$ROOTFS/evil"
	ln -s ../../../../../../../../.."$HOST" "$ROOTFS/evil2"
	mount_add '{"destination":"/evil/sub","type":"tmpfs","source":"tmpfs"}'
	mount_add '{"destination":"/evil2/sub","type":"tmpfs","source":"tmpfs"}'
	args mounts
	run_hostile
}

@test "a file target that is a symlink is not created on the host" {
	ln -s "$HOST/new" "$ROOTFS/evil"
	mount_add "{\"destination\":\"/evil\",\"source\":\"/etc/hostname\",\"options\":[\"bind\"]}"
	run_hostile
}

@test "/dev is a symlink to the host's path" {
	rmdir "$ROOTFS/dev"
	ln -s "$HOST" "$ROOTFS/dev"
	args id
	run_hostile
	cfg '.mounts |= map(select(.destination | startswith("/dev") | not))'
	run_hostile
}

@test "/proc and /sys as symlinks are refused or stay inside" {
	rmdir "$ROOTFS/proc"
	mkdir "$ROOTFS/fakeproc"
	ln -s /fakeproc "$ROOTFS/proc"
	args id
	run_hostile
	[ "$RT_NAME" != thole ] || [ "$status" -eq 1 ]
}

@test "something that is no procfs over /proc is refused" {
	mkdir "$T/fake"
	mount_add "{\"destination\":\"/proc\",\"type\":\"bind\",\"source\":\"$T/fake\",\"options\":[\"bind\"]}"
	args id
	run_hostile
	[ "$status" -ne 0 ]
	cfg '.mounts |= map(select(.type != "bind"))'
	mount_add '{"destination":"/proc/self/attr","type":"tmpfs","source":"tmpfs"}'
	run_hostile
	[ "$status" -ne 0 ]
}

@test "devices over symlinks: /dev/null, /dev/console, /dev/ptmx of the image" {
	cfg '.mounts |= map(select(.destination | startswith("/dev") | not))'
	for n in null zero ptmx fd stdin console core; do ln -s "$HOST/$n" "$ROOTFS/dev/$n"; done
	args stat /dev/null
	run_hostile
}

@test "masked and read-only paths over symlinks" {
	ln -s "$HOST/file" "$ROOTFS/m"
	ln -s "$HOST" "$ROOTFS/r"
	cfg '.linux.maskedPaths += ["/m"] | .linux.readonlyPaths += ["/r"]'
	run_hostile
}

@test "cwd through a symlink, and through a leaked descriptor" {
	ln -s "$HOST" "$ROOTFS/w"
	cfg '.process.cwd = "/w/new"'
	args cwd
	run_hostile
	for n in 3 4 5 6 7 8 9 10; do
		cfg '.process.cwd = $c' --arg c "/proc/self/fd/$n"
		args ls ../../../../../../..
		run_hostile
		has_not "$(basename "$T")"
		[ "$status" -ne 0 ]
	done
}

@test "exec: cwd through a descriptor of the runtime" {
	args pause
	ct_create
	ct_start
	for n in 3 4 5 6 7 8 9 10; do
		run rt exec --cwd "/proc/self/fd/$n" "$ID" /bin/payload cwd </dev/null
		[ "$status" -ne 0 ]
	done
}

@test "#!/proc/self/exe does not give the runtime's binary away for writing" {
	requires thole
	printf '#!/proc/self/exe\n' >"$ROOTFS/bin/evil"
	chmod +x "$ROOTFS/bin/evil"
	mkdir "$T/bin"
	cp "$RUNTIME" "$T/bin/thole"
	before=$(sha256sum "$T/bin/thole")
	cfg '.process.args = ["/bin/evil"]'
	run timeout 20 "$T/bin/thole" --root "$STATE" run --bundle "$BUNDLE" "$ID" </dev/null
	[ "$(sha256sum "$T/bin/thole")" = "$before" ]
	# While init waits for start, its executable is a read-only clone or a sealed copy.
	args pause
	"$T/bin/thole" --root "$STATE" create --bundle "$BUNDLE" --pid-file "$T/pid" "$ID" </dev/null >/dev/null 2>&1
	run bash -c 'exec 3>>/proc/'"$(cat "$T/pid")"'/exe'
	[ "$status" -ne 0 ]
}

@test "a container process cannot trace or read the joining exec" {
	requires thole
	args pause
	cfg '.process.capabilities |= map_values(. + ["CAP_SYS_PTRACE"])'
	ct_create
	ct_start
	# what the process looks like when it runs: no descriptors but its stdio, no capability beyond
	run rt exec "$ID" /bin/payload fds + caps </dev/null
	status_is 0
	[ "$(printf '%s\n' "$output" | grep -c '^fd')" -eq 3 ]
}

@test "the container sees no descriptor of the host" {
	args fds
	run bash -c 'exec 9<'"$HOST"'; exec "$@" </dev/null' x "$RUNTIME" --root "$STATE" run --bundle "$BUNDLE" "$ID"
	has_not "$HOST"
	[ "$(printf '%s\n' "$output" | grep -c '^fd')" -eq 3 ]
}

@test "/proc/1/environ and the runtime's own arguments are not the host's" {
	args cat /proc/1/environ
	SECRET=topsecret run ct_run
	has_not topsecret
}

@test "sysctl names cannot leave /proc/sys" {
	for k in 'kernel/../../self/oom_score_adj' '../sys/kernel/panic' 'net.ipv4.../../../x' 'kernel.shmmax
kernel.panic'; do
		cfg '.linux.sysctl = {($k): "1"}' --arg k "$k"
		run_hostile
		[ "$status" -eq 1 ]
	done
}

@test "the hooks' state cannot be broken out of by names" {
	cfg '.annotations = {"x\"},{\"id\":\"evil": "a\nb"} | .hooks.createRuntime = [{"path": $p}]' --arg p "$T/h"
	printf '#!/bin/sh\ncat >%s/seen\n' "$T" >"$T/h"
	chmod +x "$T/h"
	args id
	run ct_run
	status_is 0
	jq -e --arg id "$ID" '.id == $id' "$T/seen"
}

@test "a rootfs that is a file, a fifo, a symlink to /, missing" {
	mv "$ROOTFS" "$T/real"
	touch "$ROOTFS"
	run_hostile
	[ "$status" -eq 1 ]
	rm "$ROOTFS"
	mkfifo "$ROOTFS"
	run_hostile
	[ "$status" -eq 1 ]
	rm "$ROOTFS"
	run_hostile
	[ "$status" -eq 1 ]
	[ ! -e "$STATE/$ID" ]
}

@test "swapping a directory for a symlink during mounts never reaches the host" {
	mkdir -p "$ROOTFS/a/b"
	mount_add '{"destination":"/a/b/c","type":"tmpfs","source":"tmpfs"}'
	mount_add "{\"destination\":\"/a/b/f\",\"source\":\"/etc/hostname\",\"options\":[\"bind\"]}"
	(
		end=$((SECONDS + 4))
		while [ $SECONDS -lt $end ]; do
			mv -T "$ROOTFS/a" "$ROOTFS/old" 2>/dev/null
			ln -sfT "$HOST" "$ROOTFS/a" 2>/dev/null
			rm -f "$ROOTFS/a"
			mv -T "$ROOTFS/old" "$ROOTFS/a" 2>/dev/null
		done
	) &
	local p=$!
	args id
	for i in $(seq 20); do
		run_hostile
		kill -0 $p 2>/dev/null || break
	done
	wait $p || true
}

@test "what the host mounted read-only stays so for a container's root with CAP_SYS_ADMIN" {
	requires thole userns
	# The source is below a directory that the container's root cannot enter from its own id.
	mkdir -m 700 "$T/private"
	mkdir "$T/private/ro"
	cfg '.linux.namespaces += [{"type":"user"}] | .linux.uidMappings = [{"containerID":0,"hostID":100000,"size":65536}]
		| .linux.gidMappings = .linux.uidMappings | .process.capabilities |= map_values(. + ["CAP_SYS_ADMIN"])'
	mount_add "{\"destination\":\"/mnt\",\"source\":\"$T/private/ro\",\"options\":[\"bind\"]}"
	args remount /mnt + write /mnt/file hacked
	run unshare -m bash -c 'set -e; mount --make-rprivate /; mount -t tmpfs -o mode=777 t "$1"; echo untouched >"$1/file"; chmod 666 "$1/file"
		mount -o remount,bind,ro "$1"; shift; "$@" </dev/null || true; cat "$0"' "$T/private/ro/file" "$T/private/ro" \
		"$RUNTIME" --root "$STATE" run --bundle "$BUNDLE" "$ID"
	has "remount /mnt Operation not permitted"
	has untouched
}

@test "the runtime's environment is not to be read before the start" {
	requires thole
	args pause
	SECRET=topsecret ct_create
	run rt exec "$ID" /bin/payload cat /proc/1/environ </dev/null
	has_not topsecret
	status_is 1
	run rt exec "$ID" /bin/payload ls /proc/1/root </dev/null
	status_is 1
}

@test "hooks get no descriptor of the runtime's caller" {
	requires thole
	printf '#!/bin/sh\nls -l /proc/self/fd >>%s/seen\n' "$T" >"$T/h"
	chmod +x "$T/h"
	cfg '.hooks = ({"path": $p} | {createRuntime: [.], createContainer: [.], poststart: [.], poststop: [.]})' --arg p "$T/h"
	args id
	run bash -c 'exec 9<'"$HOST/file"'; exec "$@" </dev/null' x "$RUNTIME" --root "$STATE" run --bundle "$BUNDLE" "$ID"
	status_is 0
	[ "$(grep -c ' 0 -> ' "$T/seen")" -eq 4 ]
	[ "$(grep -c "$HOST" "$T/seen")" -eq 0 ]
}

@test "exec stays inside the root of a container without a mount namespace" {
	requires thole
	cfg '.linux.namespaces |= map(select(.type != "mount")) | del(.mounts, .linux.maskedPaths, .linux.readonlyPaths)'
	args pause
	ct_create
	ct_start
	run rt exec "$ID" /bin/payload ls / </dev/null
	status_is 0
	has bin
	has_not usr
	cfg '.linux.namespaces |= map(select(.type != "pid"))'
	rt delete --force "$ID"
	ct_create
	ct_start
	run rt exec "$ID" /bin/payload ls / </dev/null
	status_is 0
	has_not usr
}
