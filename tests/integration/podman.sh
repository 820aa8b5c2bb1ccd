#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# podman, conmon and buildah with thole as their runtime, on the host's cgroup layout, on pure v1 and
# on pure v2. TAP on stdout. THOLE=/usr/sbin/runc runs the same against another runtime.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/clients.sh
export CLIENTS_SECONDS=${CLIENTS_SECONDS:-500}
[ "${1:-}" = inner ] || clients_main "$0" podman conmon busybox ip python3 -- host v1 v2

. tests/lib/podman.sh

t_lifecycle() {
	run -d --name life bb sh -c 'trap "echo bye; exit 3" TERM; echo up; while :; do sleep 0.1; done'
	is "$(field life .State.Status)" running
	is "$(field life .OCIRuntime)" "$RT"
	eventually logs_have life up
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
t_terminal() {
	like "$(run --rm -t bb sh -c 'tty; test -t 0 -a -t 1 -a -t 2 && echo all')" $'/dev/pts/0\r\nall\r'
	run -d -t --name tt bb sh
	like "$(pod exec -t tt sh -c 'tty; stty -a | head -n 1')" '/dev/pts/1*speed*'
	gone tt
	like "$(on_pty podman "${podman_args[@]}" "${run_args[@]}" --rm -it bb sh -c 'until stty size 2>/dev/null | grep -v "^0 0"; do sleep 0.1; done')" $'24 80\r*'
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
t_build() {
	mkdir -p "$W/build"
	printf 'FROM localhost/bb\nRUN echo built >/file && id -u >>/file\nUSER user\nRUN id -u >/tmp/u\nCMD cat /file /tmp/u\n' \
		>"$W/build/Dockerfile"
	pod build -q --pull-never --network host --isolation oci --cgroup-parent "$CG/build" -t built "$W/build"
	is "$(run --rm built)" $'built\n0\n1000'
	status 1 test -n "$(pod ps -aq --external)" || pod rm -af
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
