#!/usr/bin/env bats
# Mounts: kinds, options, propagation, overlay, masks, read-only root.

load helpers
setup() { setup_common; }
teardown() { clean_container; teardown_common; }

opts() { # mount options of a mount point in $output's mountinfo
	printf '%s\n' "$output" | awk -v m="$1" '$5 == m { o = $6 } END { print o }'
}
superopts() { printf '%s\n' "$output" | awk -v m="$1" '$5 == m { o = $NF } END { print o }'; }

@test "the default mounts" {
	args mounts
	run ct_run
	status_is 0
	for m in /proc /dev /dev/pts /dev/shm /dev/mqueue /sys; do [ -n "$(opts $m)" ]; done
	[[ "$(opts /sys)" == ro,*nosuid*nodev*noexec* ]]
	[[ "$(superopts /dev)" == *size=65536k*mode=755* ]]
	[[ "$(superopts /dev/shm)" != *mode=755* ]]
}

@test "bind: directory and file, created targets, read-only" {
	mkdir "$T/src"
	echo data >"$T/src/f"
	mount_add "{\"destination\":\"/mnt/new/dir\",\"type\":\"bind\",\"source\":\"$T/src\",\"options\":[\"rbind\",\"ro\",\"nosuid\",\"nodev\"]}"
	mount_add "{\"destination\":\"/mnt/file\",\"source\":\"$T/src/f\",\"options\":[\"bind\"]}"
	args cat /mnt/new/dir/f /mnt/file + write /mnt/new/dir/x y + write /mnt/file changed + mounts
	run ct_run
	status_is 0
	has "write /mnt/new/dir/x: Read-only file system"
	has "write /mnt/file: ok"
	[ "$(opts /mnt/new/dir)" = ro,nosuid,nodev,relatime ]
	[ "$(cat "$T/src/f")" = changed ]
	[ ! -e "$T/src/x" ]
}

@test "bind: a relative source is the bundle's" {
	mkdir "$BUNDLE/data"
	echo here >"$BUNDLE/data/f"
	mount_add '{"destination":"/mnt","type":"bind","source":"data","options":["bind"]}'
	args cat /mnt/f
	run ct_run
	status_is 0
	[ "$output" = here ]
}

@test "bind: a missing source is named" {
	mount_add "{\"destination\":\"/mnt/x\",\"type\":\"bind\",\"source\":\"$T/nosuch\",\"options\":[\"bind\"]}"
	run ct_run
	status_is 1
	has "$T/nosuch"
	has "o such file or directory"
	[ ! -e "$STATE/$ID" ]
}

@test "bind: submounts by rbind only, rro makes all of them read-only" {
	mkdir -p "$T/src/sub"
	mount -t tmpfs tmpfs "$T/src/sub"
	touch "$T/src/sub/inner"
	mount_add "{\"destination\":\"/mnt\",\"source\":\"$T/src\",\"options\":[\"rbind\",\"rro\"]}"
	args ls /mnt/sub + write /mnt/sub/x y + write /mnt/x y + exit 0
	run ct_run
	umount "$T/src/sub"
	[ "$RT_NAME" != crun ] || skip "crun: see bats/peers"
	if ! kernel 5.12; then
		status_is 1
		has "recursive mount attributes need mount_setattr (kernel 5.12)"
		return
	fi
	status_is 0
	has inner
	has "write /mnt/sub/x: Read-only file system"
	has "write /mnt/x: Read-only file system"
}

@test "tmpfs: size and mode; tmpcopyup keeps what was there" {
	mkdir "$BUNDLE/rootfs/data"
	echo kept >"$BUNDLE/rootfs/data/f"
	ln -s f "$BUNDLE/rootfs/data/l"
	mount_add '{"destination":"/data","type":"tmpfs","source":"tmpfs","options":["tmpcopyup","size=1m","mode=0750"]}'
	mount_add '{"destination":"/mnt","type":"tmpfs","source":"tmpfs","options":["size=8k","mode=0700","noexec"]}'
	args cat /data/f /data/l + write /data/g x + stat /mnt + mounts
	run ct_run
	status_is 0
	has "$(printf 'kept\nkept')"
	has "/mnt type 40000 mode 0700"
	[ ! -e "$BUNDLE/rootfs/data/g" ]
	[[ "$(superopts /mnt)" == *size=8k* ]]
}

@test "overlay as a mount" {
	requires overlay
	mkdir -p "$T"/{lo1,lo2,up,wk}
	echo one >"$T/lo1/a"; echo two >"$T/lo2/b"
	mount -t tmpfs tmpfs "$T/up" && mkdir "$T/up"/{u,w}
	mount_add "{\"destination\":\"/mnt\",\"type\":\"overlay\",\"source\":\"overlay\",\"options\":[\"lowerdir=$T/lo1:$T/lo2\",\"upperdir=$T/up/u\",\"workdir=$T/up/w\"]}"
	args cat /mnt/a /mnt/b + write /mnt/c new
	run ct_run
	[ -e "$T/up/u/c" ] || { umount "$T/up"; false; }
	umount "$T/up"
	status_is 0
	has "$(printf 'one\ntwo')"
}

# With a directory that holds all the layers every kernel takes them; else only since 6.8.
long_overlay() { # BASE-LAYER
	local long lower=$1
	long=$(printf 'x%.0s' $(seq 200))
	for i in $(seq 30); do
		mkdir -p "$T/$long/l$i"
		echo "$i" >"$T/$long/l$i/f$i"
		lower=$lower:$T/$long/l$i
	done
	[ ${#lower} -gt 4096 ]
	mkdir "$T/rw" "$T/emptyroot"
	mount -t tmpfs tmpfs "$T/rw" && mkdir "$T/rw"/{u,w}
	cfg '.root.path = $e | .mounts = [{"destination":"/","type":"overlay","source":"overlay",
		"options":["lowerdir=" + $l, "upperdir=" + $u, "workdir=" + $w]}] + .mounts' \
		--arg e "$T/emptyroot" --arg l "$lower" --arg u "$T/rw/u" --arg w "$T/rw/w"
	args cat /f1 /f30 + write /new x
	before=$(wc -l </proc/self/mountinfo)
	run ct_run
	after=$(wc -l </proc/self/mountinfo)
	[ -e "$T/rw/u/new" ] || bad=1
	umount "$T/rw"
	status_is 0
	[ -z "${bad:-}" ]
	has "$(printf '1\n30\nwrite /new: ok')"
	[ "$before" -eq "$after" ]
	[ -z "$(ls -A "$T/emptyroot")" ]
}

one_directory() {
	local dir
	dir=$T/$(printf 'x%.0s' $(seq 200))
	mkdir "$dir"
	cp -a "$BUNDLE/rootfs" "$dir/base"
	long_overlay "$dir/base"
}

@test "overlay as the root: layers of one directory, longer than a page" {
	requires overlay thole
	one_directory
}

@test "overlay as the root: layers of one directory, without the newer calls" {
	requires overlay thole debug_build
	RUNTIME=$DEBUG_RUNTIME THOLE_TEST_ENOSYS=fsopen one_directory
}

@test "overlay as the root: layers of anywhere, longer than a page" {
	requires overlay_append thole
	long_overlay "$BUNDLE/rootfs"
}

@test "read-only root, masked and read-only paths" {
	cfg '.root.readonly = true | .linux.maskedPaths += ["/etc/passwd", "/tmp"] | .linux.readonlyPaths += ["/mnt"]'
	touch "$BUNDLE/rootfs/tmp/secret"
	mount_add '{"destination":"/mnt","type":"tmpfs","source":"tmpfs"}'
	args write /x y + ls /tmp + open /etc/passwd + write /mnt/a b + write /proc/sys/kernel/panic 1 + ls /sys/firmware
	run ct_run
	has "write /x: Read-only file system"
	has_not secret
	has "open /etc/passwd: empty"
	has "write /mnt/a: Read-only file system"
	has "write /proc/sys/kernel/panic: Read-only file system"
	has_not acpi
	[ -s "$BUNDLE/rootfs/etc/passwd" ]
}

@test "a masked path that does not exist is no error" {
	cfg '.linux.maskedPaths += ["/no/such/path"] | .linux.readonlyPaths += ["/nor/this"]'
	run ct_run
	status_is 0
}

@test "propagation: default keeps the host's mounts out, rshared rejected nowhere" {
	mkdir "$T/src"
	mount -t tmpfs tmpfs "$T/src"
	mount --make-shared "$T/src"
	mount_add "{\"destination\":\"/mnt\",\"source\":\"$T/src\",\"options\":[\"rbind\",\"rslave\"]}"
	mkdir "$T/src/later"
	args mounts + sleep 30
	ct_create
	ct_start
	wait_for 5 grep -q ' /mnt ' "$T/out"
	mount -t tmpfs tmpfs "$T/src/later"
	p=$(cat "$T/pid")
	grep -q '/mnt/later' "/proc/$p/mountinfo" && seen=1
	umount "$T/src/later"
	umount "$T/src"
	grep ' /mnt ' "$T/out" | grep -q 'master:'
	[ "${seen:-0}" = 1 ]
}

@test "rootfsPropagation" {
	args mounts
	for p in private slave shared; do
		cfg '.linux.rootfsPropagation = $p' --arg p "$p"
		run ct_run
		status_is 0
	done
	cfg '.linux.rootfsPropagation = "sideways"'
	run ct_run
	status_is 1
}

@test "idmapped bind mount" {
	requires idmap runc_like
	[ "$RT_NAME" = thole ] || skip "newer runc only"
	mkdir "$T/src"
	mount_idmappable "$T/src"
	touch "$T/src/f"
	chown 0:0 "$T/src/f"
	mount_add "{\"destination\":\"/mnt\",\"type\":\"bind\",\"source\":\"$T/src\",\"options\":[\"bind\",\"idmap\"],
		\"uidMappings\":[{\"containerID\":0,\"hostID\":5000,\"size\":1000}],
		\"gidMappings\":[{\"containerID\":0,\"hostID\":6000,\"size\":1000}]}"
	args stat /mnt/f
	run ct_run
	umount "$T/src"
	status_is 0
	has "uid 5000 gid 6000"
}

@test "idmapped bind mount with the container's user namespace" {
	requires idmap userns thole
	mkdir "$T/src"
	mount_idmappable "$T/src"
	touch "$T/src/f"
	cfg '.linux.namespaces += [{"type":"user"}]
		| .linux.uidMappings = [{"containerID":0,"hostID":100000,"size":65536}]
		| .linux.gidMappings = [{"containerID":0,"hostID":100000,"size":65536}]'
	mount_add "{\"destination\":\"/mnt\",\"type\":\"bind\",\"source\":\"$T/src\",\"options\":[\"bind\",\"idmap\"]}"
	args stat /mnt/f + write /mnt/g x
	run ct_run
	owner=$(stat -c %u "$T/src/g" 2>/dev/null || true)
	umount "$T/src"
	status_is 0
	has "uid 0 gid 0"
	[ "$owner" = 0 ]
}

@test "mount options: relatime, noatime, nosymfollow, unknown data" {
	mount_add '{"destination":"/mnt","type":"tmpfs","source":"tmpfs","options":["noatime","nodiratime","nosuid"]}'
	args mounts
	run ct_run
	status_is 0
	[[ "$(opts /mnt)" == *nosuid*noatime* ]]
	cfg '.mounts[-1].options = ["no-such-option"]'
	run ct_run
	status_is 1
	has "no-such-option"
}

@test "a cgroup mount shows the container's own cgroup" {
	cfg '.mounts += [{"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["nosuid","noexec","nodev","relatime","ro"]}]'
	args mounts
	run ct_run
	status_is 0
	[[ "$(opts /sys/fs/cgroup)" == ro,* ]]
	cfg '.linux.namespaces += [{"type":"cgroup"}]'
	run ct_run
	status_is 0
}

@test "mounts do not stay on the host" {
	before=$(wc -l </proc/self/mountinfo)
	args id
	for i in 1 2 3; do ct_run >/dev/null; done
	[ "$(wc -l </proc/self/mountinfo)" -eq "$before" ]
}

@test "device nodes and links" {
	cfg '.linux.devices = [{"path":"/dev/my","type":"c","major":1,"minor":5,"fileMode":438,"uid":3,"gid":4},
		{"path":"/dev/fifo","type":"p","fileMode":420}]
		| .linux.resources.devices += [{"allow":true,"type":"c","major":1,"minor":5,"access":"rwm"}]'
	args stat /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty /dev/my /dev/fifo /dev/fd /dev/stdin /dev/stdout /dev/stderr /dev/ptmx + open /dev/my
	run ct_run
	status_is 0
	has "/dev/null type 20000 mode 0666 uid 0 gid 0 dev 1:3"
	has "/dev/zero type 20000 mode 0666 uid 0 gid 0 dev 1:5"
	has "/dev/full type 20000 mode 0666 uid 0 gid 0 dev 1:7"
	has "/dev/random type 20000 mode 0666 uid 0 gid 0 dev 1:8"
	has "/dev/urandom type 20000 mode 0666 uid 0 gid 0 dev 1:9"
	has "/dev/tty type 20000 mode 0666 uid 0 gid 0 dev 5:0"
	has "/dev/my type 20000 mode 0666 uid 3 gid 4 dev 1:5"
	has "/dev/fifo type 10000"
	has "-> /proc/self/fd/0"
	has "-> pts/ptmx"
	has "open /dev/my: readable"
}
