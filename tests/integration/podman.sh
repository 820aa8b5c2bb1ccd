#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# podman, conmon and buildah with thole as their runtime, on the host's cgroup layout, on pure v1 and
# on pure v2. TAP on stdout. THOLE=/usr/sbin/runc runs the same against another runtime.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/clients.sh
[ "${1:-}" = inner ] || clients_main "$0" podman conmon busybox ip python3 -- host v1 v2

limits=()
# podman sets a pids limit of its own, which no controller here may be able to hold.
controller pids || limits=(--pids-limit 0)
cat >"$W/containers.conf" <<EOF
[containers]
default_ulimits = ["nofile=1024:$(ulimit -Hn)", "nproc=1024:1024"]
[network]
network_config_dir = "$W/net"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime_supports_json = ["$(basename "$RT")"]
runtime_supports_nocgroup = ["$(basename "$RT")"]
EOF
export CONTAINERS_CONF=$W/containers.conf
export PODMAN_IGNORE_CGROUPSV1_WARNING=1
pod() {
	timeout -k 5 60 podman --root "$W/root" --runroot /run/podman --tmpdir /run/podman-tmp \
		--runtime "$RT" --log-level "${PODMAN_LOG:-error}" "$@"
}
# run OPTIONS... IMAGE COMMAND...
run() { pod run --cgroup-parent "$CG" --network none --pull never "${limits[@]}" "$@"; }
field() { pod inspect --format "{{$2}}" "$1"; }
# After a failed case: nothing of it may disturb the next one.
# shellcheck disable=SC2317
clients_reset() { pod rm -af -t 0; }
state_is() { [ "$(field "$1" .State.Status)" = "$2" ]; }
# Twice: podman's own clean-up process may still hold the shm mount (with any fast runtime).
gone() { pod rm -f -t 0 "$@" >/dev/null 2>&1 || pod rm -f -t 0 "$@"; }

t_import() {
	tar -C "$ROOTFS" -cf "$W/image.tar" .
	pod import -q "$W/image.tar" localhost/bb
}
t_run() {
	is "$(run --rm bb echo hello)" hello
	is "$(run --rm bb sh -c 'echo out; echo err >&2' 2>&1 >/dev/null)" err
	status 7 run --rm bb sh -c 'exit 7'
	is "$(echo typed | run --rm -i bb cat)" typed
	is "$(pod ps -aq)" ""
}
t_missing() {
	status 127 run --rm bb nosuch 2>"$W/e"
	like "$(cat "$W/e")" '*"nosuch"*executable file not found in $PATH*'
	status 127 run --rm bb /bin/nosuch 2>"$W/e"
	like "$(cat "$W/e")" '*no such file or directory*'
	status 126 run --rm bb /etc/notexec 2>"$W/e"
	like "$(cat "$W/e")" '*permission denied*'
	run -d --name m bb sleep 100
	status 127 pod exec m nosuch
	status 126 pod exec m /etc/notexec
	gone m
}
t_lifecycle() {
	run -d --name life bb sh -c 'trap "echo bye; exit 3" TERM; echo up; while :; do sleep 0.1; done'
	is "$(field life .State.Status)" running
	is "$(field life .OCIRuntime)" "$RT"
	eventually pod_logs_have life up
	is "$(pod exec life sh -c 'echo in $(cat /proc/1/comm)')" 'in sh'
	status 9 pod exec life sh -c 'exit 9'
	is "$(echo typed | pod exec -i life cat)" typed
	pod exec -d life touch /tmp/detached
	eventually pod exec life test -e /tmp/detached
	like "$(pod top life pid comm)" '*1 *sh*'
	like "$(pod stats --no-stream --format '{{.Name}}' life)" life
	pod stop -t 10 life
	is "$(field life .State.ExitCode)" 3
	like "$(pod logs life)" "up*bye"
	pod start life
	is "$(field life .State.Status)" running
	gone life
	status 1 pod container exists life
}
pod_logs_have() { pod logs "$1" | grep -q -- "$2"; }
t_kill() {
	run -d --name k bb sh -c 'trap "echo got >&2; exit 5" USR1; echo up; while :; do sleep 0.1; done'
	eventually pod_logs_have k up
	pod kill -s USR1 k
	is "$(pod wait k)" 5
	pod start k
	pod kill k
	is "$(pod wait k)" 137
	gone k
	# A program that ignores SIGTERM is killed after the time-out.
	run -d --name k bb sleep 1000
	pod stop -t 1 k
	is "$(field k .State.ExitCode)" 137
	gone k
}
t_pause() {
	run -d --name p bb sh -c 'while :; do cat /proc/uptime >/tmp/now; sleep 0.05; done'
	pod pause p
	state_is p paused
	local now
	now=$(pod mount p)/tmp/now
	cp "$now" "$W/before"
	sleep 0.4
	cmp "$now" "$W/before"
	pod unpause p
	state_is p running
	sleep 0.4
	status 1 cmp -s "$now" "$W/before"
	pod pause p
	gone p
}
t_restart() {
	run -d --name r bb sh -c 'echo >>/tmp/starts; exec sleep 100'
	eventually pod exec r test -s /tmp/starts
	pod restart -t 0 r
	eventually two_starts r
	gone r
}
two_starts() { [ "$(pod exec "$1" wc -l /tmp/starts)" = "2 /tmp/starts" ]; }
t_restart_policy() {
	run -d --name rp --restart on-failure:2 bb sh -c 'echo again; exit 4'
	eventually restarted_twice rp
	eventually state_is rp exited
	is "$(pod logs rp | grep -c again)" 3
	gone rp
}
restarted_twice() { [ "$(field "$1" .RestartCount)" = 2 ]; }
t_terminal() {
	like "$(run --rm -t bb sh -c 'tty; test -t 0 -a -t 1 -a -t 2 && echo all')" $'/dev/pts/0\r\nall\r'
	run -d -t --name tt bb sh
	like "$(pod exec -t tt sh -c 'tty; stty -a | head -n 1')" '/dev/pts/1*speed*'
	gone tt
	like "$(on_pty podman --root "$W/root" --runroot /run/podman --tmpdir /run/podman-tmp \
		--runtime "$RT" run --rm -it --cgroup-parent "$CG" --network none "${limits[@]}" bb \
		sh -c 'until stty size | grep -v "^0 0"; do sleep 0.1; done')" $'24 80\r*'
}
t_userns() {
	local map=(--uidmap 0:200000:5000 --gidmap 0:200000:5000)
	is "$(run --rm "${map[@]}" bb sh -c 'id -u; cat /proc/self/uid_map | tr -s " "')" $'0\n 0 200000 5000'
	mkdir -p "$W/uv" && chown 200000:200000 "$W/uv"
	is "$(run --rm "${map[@]}" -v "$W/uv:/data" bb sh -c 'echo x >/data/f; stat -c %u /data/f')" 0
	is "$(stat -c %u "$W/uv/f")" 200000
	run -d --name u "${map[@]}" bb sleep 100
	is "$(pod exec -u user u id -u)" 1000
	is "$(awk '/^Uid/{print $2}' "/proc/$(field u .State.Pid)/status")" 200000
	gone u
	is "$(run --rm "${map[@]}" --privileged --cap-drop sys_resource bb sh -c \
		'mount -t tmpfs t /tmp && readlink /dev/ptmx')" pts/ptmx
	is "$(run --rm "${map[@]}" -v "$ROOTFS/etc:/data:idmap" bb stat -c %u /data/notexec)" 0
	# The device files of the host are not given to the container's root.
	status 1 is "$(stat -c %u /dev/null)" 200000 >/dev/null
}
t_seccomp() {
	is "$(run --rm bb grep '^Seccomp:' /proc/self/status | tr -d '\t')" Seccomp:2
	echo '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"],
		"action": "SCMP_ACT_ERRNO", "errnoRet": 5}]}' >"$W/profile.json"
	status 1 run --rm --security-opt "seccomp=$W/profile.json" bb mkdir /tmp/d 2>"$W/e"
	like "$(cat "$W/e")" '*Input/output error*'
	is "$(run --rm --security-opt seccomp=unconfined bb grep '^Seccomp:' /proc/self/status |
		tr -d '\t')" Seccomp:0
	run -d --name s bb sleep 100
	is "$(pod exec s grep '^Seccomp:' /proc/self/status | tr -d '\t')" Seccomp:2
	gone s
}
t_readonly() {
	status 1 run --rm --read-only bb touch /x 2>"$W/e"
	like "$(cat "$W/e")" '*Read-only file system*'
	run --rm --read-only bb touch /tmp/x /run/x
	run --rm --tmpfs /data:size=1m,mode=711 bb sh -c 'touch /data/x; test "$(stat -c %a /data)" = 711;
		! dd if=/dev/zero of=/data/big bs=2M count=1 2>/dev/null'
	# What the runtime itself masks and makes read-only.
	is "$(run --rm bb cat /proc/timer_list)" ""
	status 1 run --rm bb sh -c 'echo 1 >/proc/sys/vm/swappiness'
}
t_volumes() {
	mkdir -p "$W/v/sub"
	echo data >"$W/v/file"
	is "$(run --rm -v "$W/v:/data" bb sh -c 'cat /data/file; echo new >/data/n')" data
	is "$(cat "$W/v/n")" new
	status 1 run --rm -v "$W/v:/data:ro" bb touch /data/x
	is "$(run --rm -v "$W/v/file:/etc/made/deep/file:ro" bb cat /etc/made/deep/file)" data
	run --rm -v named:/data bb sh -c 'echo kept >/data/f'
	is "$(run --rm -v named:/data:noexec bb cat /data/f)" kept
	pod volume rm named
	is "$(run --rm --shm-size 2m bb sh -c 'df -k /dev/shm | tail -n 1 | tr -s " " | cut -d " " -f 2')" 2048
}
t_process() {
	is "$(run --rm -u user -w /data -e A=b bb sh -c 'echo $(id -u) $(id -g) $(pwd) $A $HOME')" \
		"1000 1000 /data b /tmp"
	is "$(run --rm -u 1000 --group-add 500 bb id -G)" "1000 500"
	is "$(run --rm --hostname h bb hostname)" h
	is "$(run --rm --cap-drop all bb grep CapEff /proc/self/status | tr -d '\t')" CapEff:0000000000000000
	is "$(run --rm --cap-drop all --cap-add chown bb grep CapPrm /proc/self/status | tr -d '\t')" \
		CapPrm:0000000000000001
	is "$(run --rm --security-opt no-new-privileges bb grep NoNewPrivs /proc/self/status |
		tr -d '\t')" NoNewPrivs:1
	is "$(run --rm --ulimit nofile=100:200 --ulimit nproc=100 bb sh -c 'ulimit -Sn; ulimit -Hn')" $'100\n200'
	is "$(run --rm --sysctl net.ipv4.ip_forward=1 bb cat /proc/sys/net/ipv4/ip_forward)" 1
	is "$(run --rm --init bb sh -c 'cat /proc/1/comm')" podman-init
	is "$(run --rm --oom-score-adj 300 bb cat /proc/self/oom_score_adj)" 300
	is "$(run --rm --privileged --cap-drop sys_resource bb sh -c 'mount -t tmpfs t /tmp && readlink /dev/ptmx')" \
		pts/ptmx
	is "$(run --rm --personality LINUX32 bb sh -c 'uname -m | grep -c 64')" 0 || test "$(uname -m)" != x86_64
	is "$(run --rm --umask 0077 bb sh -c umask)" 0077
	is "$(run --rm --preserve-fds 1 bb sh -c 'cat <&3' 3<<<handed)" handed
	run -d --name e bb sleep 100
	is "$(pod exec -u user -w /data -e A=b e sh -c 'echo $(id -u) $(pwd) $A')" "1000 /data b"
	gone e
}
t_namespaces() {
	run -d --name n1 --hostname one bb sleep 100
	is "$(run --rm --pid container:n1 bb cat /proc/1/comm)" sleep
	is "$(run --rm --uts container:n1 bb hostname)" one
	is "$(run --rm --ipc container:n1 bb readlink /proc/self/ns/ipc)" "$(pod exec n1 readlink /proc/self/ns/ipc)"
	is "$(pod run --rm --cgroup-parent "$CG" --pull never "${limits[@]}" --network container:n1 bb readlink /proc/self/ns/net)" \
		"$(pod exec n1 readlink /proc/self/ns/net)"
	is "$(run --rm --pid host bb readlink /proc/self/ns/pid)" "$(readlink /proc/self/ns/pid)"
	is "$(pod run --rm --cgroup-parent "$CG" --pull never "${limits[@]}" --network host bb readlink /proc/self/ns/net)" "$(readlink /proc/self/ns/net)"
	run --rm --cgroupns private bb sh -c 'test "$(readlink /proc/self/ns/cgroup)" != "'"$(readlink \
		/proc/self/ns/cgroup)"'"; mount | grep cgroup'
	gone n1
}
t_devices() {
	run --rm --device /dev/zero:/dev/nought:r bb sh -c 'test -c /dev/nought; head -c 1 /dev/nought >/dev/null'
	local d=/dev/loop-control
	[ -c $d ] || d=/dev/fuse
	if [ -c $d ]; then
		run --rm --device $d:/dev/odd:r bb sh -c '(: </dev/odd)'
		status 1 run --rm --device $d:/dev/odd:r bb sh -c '(: >/dev/odd)'
	fi
	run --rm bb sh -c 'for d in null zero full random urandom tty; do test -c /dev/$d; done;
		test -e /dev/ptmx -a -L /dev/fd -a -L /dev/stdout; echo x >/dev/null'
	# Access is denied even to who can make the node.
	run --rm bb sh -c 'mknod /root/kmsg c 1 11; ! (: </root/kmsg)'
}
t_memory() {
	is "$(run --rm -m 32m bb sh -c "$memory_limit")" $((32 << 20))
	status 137 run --name oom -m 16m --memory-swap 16m bb dd if=/dev/zero of=/dev/null bs=200M count=1
	is "$(field oom .State.ExitCode)" 137
	gone oom
}
t_limits() {
	like "$(run --rm --pids-limit 20 bb sh -c 'cat /sys/fs/cgroup/pids/pids.max 2>/dev/null ||
		cat /sys/fs/cgroup/pids.max')" 20
	like "$(run --rm --cpus 0.5 bb sh -c 'cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null ||
		cat /sys/fs/cgroup/cpu.max')" '50000*'
	is "$(run --rm --cpuset-cpus 0 bb grep Cpus_allowed_list /proc/self/status | tr -d '\t')" Cpus_allowed_list:0
}
t_update() {
	run -d --name up -m 64m bb sleep 100
	pod update -m 48m --cpus 0.5 up
	is "$(pod exec up sh -c "$memory_limit")" $((48 << 20))
	gone up
}
t_health() {
	run -d --name h --health-cmd 'test -e /tmp/well' --health-interval disable --health-retries 1 bb sleep 100
	status 1 pod healthcheck run h
	is "$(field h .State.Health.Status)" unhealthy
	pod exec h touch /tmp/well
	pod healthcheck run h
	is "$(field h .State.Health.Status)" healthy
	gone h
}
t_attach() {
	run -d -i --name a bb sh -c 'read line; echo "got $line"; exit 6'
	is "$({ sleep 1; echo word; } | timeout -s KILL 20 podman --root "$W/root" --runroot /run/podman \
		--tmpdir /run/podman-tmp --runtime "$RT" attach a)" "got word"
	is "$(pod wait a)" 6
	gone a
}
t_cgroups() {
	pod run --rm --pull never --network none --cgroups disabled "${limits[@]}" bb true
	run --rm --cgroups no-conmon bb true
	local p
	run -d --name c bb sleep 100
	p=$(field c .State.Pid)
	like "$(cat "/proc/$p/cgroup")" "*$CG/libpod-$(field c .Id)*"
	gone c
	is "$(find /sys/fs/cgroup -path "*$CG/libpod-*" -not -path '*/libpod-conmon*' -type d)" ""
}
t_network() {
	pod run -d --cgroup-parent "$CG" --pull never "${limits[@]}" --name net bb sh -c \
		'echo page >/tmp/index.html; exec httpd -f -p 80 -h /tmp'
	local ip
	ip=$(field net .NetworkSettings.IPAddress)
	like "$ip" '10.*'
	eventually page_at "$ip"
	gone net
}
page_at() { [ "$(busybox wget -qO- "http://$1/index.html")" = page ]; }
t_pods() {
	mkdir -p "$W/infra"
	cp "$(command -v catatonit)" "$W/infra/pause"
	tar -C "$W/infra" -c pause | pod import -q -c 'ENTRYPOINT ["/pause", "-P"]' - localhost/infra
	pod pod create --infra-image localhost/infra --network none --cgroup-parent "$CG" --name pp
	pod run -d --pod pp --pull never "${limits[@]}" --name pp1 bb sleep 100
	is "$(pod run --rm --pod pp --pull never "${limits[@]}" bb readlink /proc/self/ns/net)" \
		"$(pod exec pp1 readlink /proc/self/ns/net)"
	pod pod stop -t 0 pp
	pod pod rm -f -t 0 pp
}
t_build() {
	mkdir -p "$W/build"
	printf 'FROM localhost/bb\nRUN echo built >/file && id -u >>/file\nUSER user\nRUN id -u >/tmp/u\nCMD cat /file /tmp/u\n' \
		>"$W/build/Dockerfile"
	pod build -q --pull-never --network host --isolation oci --cgroup-parent "$CG/build" -t built "$W/build"
	is "$(run --rm built)" $'built\n0\n1000'
	status 1 test -n "$(pod ps -aq --external)" || pod rm -af
}
# As a user without rights, made for this: the machine's own tables are covered by copies.
t_rootless() {
	local f
	for f in passwd group subuid subgid; do
		mkdir -p "$W/etc"
		cp "/etc/$f" "$W/etc/$f" 2>/dev/null || : >"$W/etc/$f"
		[ -e "/etc/$f" ] || return 0
		mount --bind "$W/etc/$f" "/etc/$f"
	done
	echo "thole-test:x:54321:54321:test:$W/home:/bin/sh" >>"$W/etc/passwd"
	echo 'thole-test:x:54321:' >>"$W/etc/group"
	echo 'thole-test:300000:65536' | tee -a "$W/etc/subuid" >>"$W/etc/subgid"
	install -d -m 700 -o 54321 -g 54321 "$W/home" /run/thole-xdg
	chmod 755 "$W"
	cp "$W/image.tar" "$W/home/image.tar"
	grep -v network_config_dir "$W/containers.conf" >"$W/home/containers.conf"
	chmod 644 "$W/home/"*
	install -m 755 "$RT" "$W/$(basename "$RT")"
	is "$(as_user import -q image.tar localhost/bb | cut -c 1-7)" sha256:
	is "$(as_user run --rm --network none "${limits[@]}" bb sh -c 'id -u; tr -s " " </proc/self/uid_map')" \
		$'0\n 0 54321 1\n 1 300000 65536'
	status 127 as_user run --rm --network none "${limits[@]}" bb nosuch
	as_user run -d --name rl --network none "${limits[@]}" bb sleep 100
	is "$(as_user exec -u user rl id -u)" 1000
	status 5 as_user exec rl sh -c 'exit 5'
	as_user stop -t 0 rl
	as_user rm -f rl
	is "$(as_user run --rm --userns keep-id --network none "${limits[@]}" bb id -u)" 54321
	like "$(as_user run --rm -t --network host "${limits[@]}" bb tty)" '/dev/pts/0*'
	# Files of the image belong to subordinate ids: only root can remove them.
	rm -rf "${W:?}/home"
}
as_user() {
	(cd "$W/home" && HOME=$W/home XDG_RUNTIME_DIR=/run/thole-xdg CONTAINERS_CONF=$W/home/containers.conf timeout -k 5 60 setpriv --reuid 54321 \
		--regid 54321 --clear-groups podman --root "$W/home/root" --runroot /run/thole-xdg/run \
		--storage-driver vfs --runtime "$W/$(basename "$RT")" --log-level error "$@")
}
t_copy() {
	run -d --name cp bb sleep 100
	echo copied >"$W/c"
	pod cp "$W/c" cp:/tmp/c
	is "$(pod exec cp cat /tmp/c)" copied
	gone cp
}
t_nothing_left() {
	is "$(pod ps -aq)" ""
	is "$("$RT" list -q)" ""
	is "$(find "/run/$(basename "$RT")" -mindepth 1 -maxdepth 1 -not -name '.*' 2>/dev/null)" ""
	is "$(grep -c "$W/root/overlay/.*/merged" /proc/self/mountinfo || true)" 0
	is "$(find /sys/fs/cgroup -path "*$CG/*" -name 'libpod-*' -type d -not -name '*conmon*')" ""
}

common() {
	t "run: output, status, stdin" t_run
	t "missing and unfit programs: 127 and 126" t_missing
	t "run -d, exec, logs, top, stop, start, rm" t_lifecycle
	t "kill, wait, stop's time-out" t_kill
	if has_command pause; then
		t "pause and unpause" t_pause
	else
		skip "pause and unpause" "the runtime has no pause command"
	fi
	t "terminals" t_terminal
	t "user namespace" t_userns
	t "seccomp profile" t_seccomp
	t "devices" t_devices
	t "cgroups of the container" t_cgroups
}

t "import" t_import
common
if command -v newuidmap >/dev/null; then
	t "rootless" t_rootless
else
	skip "rootless" "newuidmap is not installed"
fi
if [ "$LAYOUT" = host ]; then
	t "restart" t_restart
	t "restart policy" t_restart_policy
	t "read-only, tmpfs, masked paths" t_readonly
	t "volumes" t_volumes
	t "user, capabilities, rlimits, sysctl, init" t_process
	t "joined namespaces" t_namespaces
	t "health check" t_health
	t "attach" t_attach
	t "bridge network" t_network
	t "pods" t_pods
	t "build" t_build
	t "copy" t_copy
fi
if controller memory; then
	t "memory limit and OOM" t_memory
	t "pids, cpu and cpuset limits" t_limits
	if has_command update; then
		t "update" t_update
	else
		skip "update" "the runtime has no update command"
	fi
else
	skip "memory limit and OOM" "no memory controller in this layout"
fi
t "nothing left behind" t_nothing_left
exit 0
