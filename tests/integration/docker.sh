#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# dockerd (with the containerd that it starts itself) with thole in its list of runtimes, on the host's
# cgroup layout and on a pure v2 one. DOCKER_SHIM: which shim is above thole. Unset: runc's own; name:
# thole-shim under the name of runc's (the way with dockerd 20.10); type: thole-shim as runtimeType
# (later ones). TAP on stdout.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/clients.sh
[ "${1:-}" = inner ] || {
	SHIM=$(realpath -e "${SHIM:-bin/thole-shim}") || exit 1
	export SHIM
	clients_main "$0" dockerd /usr/bin/docker containerd containerd-shim-runc-v2 iptables busybox ip \
		python3 jq -- host v2
}

jq -n --arg w "$W" --arg cg "$CG" --arg rt "$RT" '{"data-root": "\($w)/data",
	"exec-root": "/run/thole-docker", pidfile: "/run/thole-docker.pid",
	hosts: ["unix:///run/thole-docker.sock"], "storage-driver": "overlay2",
	"exec-opts": ["native.cgroupdriver=cgroupfs"], "cgroup-parent": $cg,
	bip: "10.88.78.1/24", "default-runtime": "thole", runtimes: {thole: {path: $rt}}}' >"$W/daemon.json"
if [ -n "${DOCKER_SHIM:-}" ]; then
	mkdir "$W/bin"
	cp "$SHIM" "$W/bin/thole-shim"
	cp "$RT" "$W/bin/thole"
	ln -s thole-shim "$W/bin/containerd-shim-$([ "$DOCKER_SHIM" = name ] && echo runc || echo thole)-v2"
	export PATH=$W/bin:$PATH
fi
if [ "${DOCKER_SHIM:-}" = type ]; then
	jq '.runtimes.thole = {runtimeType: "io.containerd.thole.v2"}' "$W/daemon.json" >"$W/d" && mv "$W/d" "$W/daemon.json"
fi
d() { timeout -k 5 60 /usr/bin/docker -H unix:///run/thole-docker.sock --config "$W/client" "$@"; }
# run OPTIONS... IMAGE COMMAND...
run() { d run --network none --pull never "$@"; }
field() { d inspect --format "{{$2}}" "$1"; }
state_is() { [ "$(field "$1" .State.Status)" = "$2" ]; }
gone() { d rm -f "$@" >/dev/null; }
logs_have() { d logs "$1" 2>&1 | grep -q -- "$2"; }
start_daemon() {
	dockerd --config-file "$W/daemon.json" "$@" >>"$W/dockerd.log" 2>&1 9>&- </dev/null &
	echo $! >"$W/dockerd.pid"
	eventually d version >/dev/null 2>&1 || { tail -n 5 "$W/dockerd.log" && return 1; }
}
not_alive() { ! kill -0 "$1" 2>/dev/null; }
stop_daemon() {
	kill "$(cat "$W/dockerd.pid")"
	eventually not_alive "$(cat "$W/dockerd.pid")"
}
# After a failed case: nothing of it may disturb the next one.
# shellcheck disable=SC2046,SC2317
clients_reset() { d rm -f $(d ps -aq); }

t_import() {
	tar -C "$ROOTFS" -c . | d import - bb
	like "$(d info --format '{{.DefaultRuntime}}')" thole
}
t_run() {
	is "$(run --rm bb echo hello)" hello
	is "$(run --rm bb sh -c 'echo out; echo err >&2' 2>&1 >/dev/null)" err
	status 7 run --rm bb sh -c 'exit 7'
	is "$(echo typed | run --rm -i bb cat)" typed
	run -d --name ww bb true
	is "$(d wait ww)" 0
	gone ww
	is "$(d ps -aq)" ""
}
t_missing() {
	status 127 run --rm bb nosuch 2>"$W/e"
	like "$(cat "$W/e")" '*"nosuch": executable file not found in $PATH*'
	status 127 run --rm bb /bin/nosuch 2>"$W/e"
	like "$(cat "$W/e")" '*no such file or directory*'
	status 126 run --rm bb /etc/notexec 2>"$W/e"
	like "$(cat "$W/e")" '*permission denied*'
	run -d --name mm bb sleep 100
	# docker 20.10 calls it 126 (with runc too).
	status 126 d exec mm nosuch 2>"$W/e" || status 127 d exec mm nosuch
	status 126 d exec mm /etc/notexec
	gone mm
}
t_lifecycle() {
	run -d --name life bb sh -c 'trap "echo bye; exit 3" TERM; echo up; while :; do sleep 0.1; done'
	state_is life running
	is "$(field life .HostConfig.Runtime)" thole
	eventually logs_have life up
	is "$(d exec life cat /proc/1/comm)" sh
	status 9 d exec life sh -c 'exit 9'
	is "$(echo typed | d exec -i life cat)" typed
	d exec -d life touch /tmp/detached
	eventually d exec life test -e /tmp/detached
	like "$(d top life)" '*PID*sleep*'
	like "$(d stats --no-stream --format '{{.Name}}' life)" life
	d stop -t 10 life
	is "$(field life .State.ExitCode)" 3
	logs_have life bye
	d start life
	state_is life running
	d restart -t 1 life
	state_is life running
	gone life
	status 1 d inspect life
}
t_kill() {
	run -d --name kk bb sh -c 'trap "exit 5" USR1; echo up; while :; do sleep 0.1; done'
	eventually logs_have kk up
	d kill -s USR1 kk
	is "$(d wait kk)" 5
	d start kk
	d kill kk
	is "$(d wait kk)" 137
	gone kk
	run -d --name kk bb sleep 1000
	d stop -t 1 kk
	is "$(field kk .State.ExitCode)" 137
	gone kk
	# With the host's pid namespace nothing of the container survives it.
	run -d --name kk --pid host bb sh -c 'sleep 4321 & exec sleep 4322'
	eventually pgrep -f '^sleep 4321'
	d kill kk
	d wait kk
	gone kk
	eventually none_left
}
none_left() { ! pgrep -f '^sleep 432[12]'; }
t_pause() {
	run -d --name pp bb sh -c 'while :; do echo x; sleep 0.05; done'
	eventually logs_have pp x
	d pause pp
	state_is pp paused
	d logs pp >"$W/before"
	sleep 0.4
	d logs pp | cmp - "$W/before"
	d unpause pp
	state_is pp running
	sleep 0.4
	status 1 cmp -s "$W/before" <(d logs pp)
	d pause pp
	gone pp
}
t_terminal() {
	like "$(on_pty /usr/bin/docker -H unix:///run/thole-docker.sock run --rm -it --network none bb \
		sh -c 'tty; sleep 1; stty size' | tr -d '\r')" $'*/dev/pts/0\n24 80\n*'
	run -d -t --name tt bb sh
	like "$(d exec -t tt tty)" '/dev/pts/1*'
	gone tt
}
t_seccomp() {
	is "$(run --rm bb grep '^Seccomp:' /proc/self/status | tr -d '\t')" Seccomp:2
	status 1 run --rm bb unshare -U true
	run --rm --security-opt seccomp=unconfined bb unshare -U true
	echo '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"],
		"action": "SCMP_ACT_ERRNO", "errnoRet": 5}]}' >"$W/profile.json"
	status 1 run --rm --security-opt "seccomp=$W/profile.json" bb mkdir /tmp/d 2>"$W/e"
	like "$(cat "$W/e")" '*Input/output error*'
}
t_readonly() {
	status 1 run --rm --read-only bb touch /x
	run --rm --read-only --tmpfs /data:size=1m,mode=711 bb sh -c 'touch /data/x;
		test "$(stat -c %a /data)" = 711; ! dd if=/dev/zero of=/data/big bs=2M count=1 2>/dev/null'
	is "$(run --rm bb cat /proc/timer_list)" ""
	status 1 run --rm bb sh -c 'echo 1 >/proc/sys/vm/swappiness'
}
t_volumes() {
	mkdir -p "$W/v"
	echo data >"$W/v/file"
	is "$(run --rm -v "$W/v:/data" bb sh -c 'cat /data/file; echo new >/data/n')" data
	is "$(cat "$W/v/n")" new
	status 1 run --rm -v "$W/v:/data:ro" bb touch /data/x
	is "$(run --rm -v "$W/v/file:/etc/made/deep/file:ro" bb cat /etc/made/deep/file)" data
	run --rm -v named:/data bb sh -c 'echo kept >/data/f'
	is "$(run --rm -v named:/data bb cat /data/f)" kept
	d volume rm named
	run -d --name cc bb sleep 100
	d cp "$W/v/file" cc:/tmp/f
	is "$(d exec cc cat /tmp/f)" data
	gone cc
}
t_process() {
	is "$(run --rm -u user -w /data -e A=b bb sh -c 'echo $(id -u) $(id -G) $(pwd) $A $HOME')" \
		"1000 1000 500 /data b /tmp"
	is "$(run --rm --hostname h --domainname dom bb sh -c 'hostname; cat /proc/sys/kernel/domainname')" $'h\ndom'
	is "$(run --rm --cap-drop all --cap-add chown bb grep CapEff /proc/self/status | tr -d '\t')" \
		CapEff:0000000000000001
	is "$(run --rm --security-opt no-new-privileges bb grep NoNewPrivs /proc/self/status |
		tr -d '\t')" NoNewPrivs:1
	is "$(run --rm --ulimit nofile=100:200 bb sh -c 'ulimit -Sn; ulimit -Hn')" $'100\n200'
	is "$(run --rm --sysctl net.ipv4.ip_forward=1 bb cat /proc/sys/net/ipv4/ip_forward)" 1
	is "$(run --rm --oom-score-adj 300 bb cat /proc/self/oom_score_adj)" 300
	is "$(run --rm --shm-size 2m bb sh -c 'df -k /dev/shm | tail -n 1 | tr -s " " | cut -d " " -f 2')" 2048
	is "$(run --rm --cap-add sys_admin --security-opt seccomp=unconfined \
		--security-opt systempaths=unconfined bb sh -c 'mount -t tmpfs t /tmp && echo mounted')" mounted
	run -d --name ee bb sleep 100
	is "$(d exec -u user -w /data -e A=b ee sh -c 'echo $(id -u) $(pwd) $A')" "1000 /data b"
	like "$(d exec --privileged ee grep CapEff /proc/self/status | cut -f 2)" '00000[01]?ff*'
	gone ee
}
t_restart_policy() {
	run -d --name rp --restart on-failure:2 bb sh -c 'echo again; exit 4'
	eventually restarted_twice rp
	is "$(d logs rp | grep -c again)" 3
	gone rp
}
restarted_twice() { [ "$(field "$1" .RestartCount)" = 2 ] && state_is "$1" exited; }
t_health() {
	run -d --name hh --health-cmd 'test -e /tmp/well' --health-interval 1s --health-retries 1 bb sleep 100
	eventually health_is hh unhealthy
	d exec hh touch /tmp/well
	eventually health_is hh healthy
	gone hh
}
health_is() { [ "$(field "$1" .State.Health.Status)" = "$2" ]; }
t_network() {
	d run -d --name nn --pull never bb sh -c 'echo page >/tmp/index.html; exec httpd -f -p 80 -h /tmp'
	local ip
	ip=$(field nn .NetworkSettings.IPAddress)
	like "$ip" '10.88.78.*'
	eventually page_at "$ip"
	is "$(d run --rm --network container:nn bb busybox wget -qO- http://127.0.0.1/)" page
	gone nn
	d run -d --name nn -p 18080:80 --pull never bb sh -c 'echo page >/tmp/index.html; exec httpd -f -p 80 -h /tmp'
	eventually page_at 127.0.0.1:18080
	gone nn
}
page_at() { [ "$(busybox wget -qO- "http://$1/index.html")" = page ]; }
t_build() {
	mkdir -p "$W/build"
	printf 'FROM bb\nRUN echo built >/file && id -u >>/file\nUSER user\nRUN id -u >/tmp/u\nCMD cat /file /tmp/u\n' \
		>"$W/build/Dockerfile"
	DOCKER_BUILDKIT=0 d build -q --network none -t built "$W/build"
	is "$(run --rm built)" $'built\n0\n1000'
}
t_devices() {
	local dev=/dev/loop-control
	[ -c $dev ] || dev=/dev/fuse
	if [ -c $dev ]; then
		run --rm --device $dev:/dev/odd:r bb sh -c '(: </dev/odd)'
		status 1 run --rm --device $dev:/dev/odd:r bb sh -c '(: >/dev/odd)'
	fi
	run --rm bb sh -c 'mknod /root/kmsg c 1 11; ! (: </root/kmsg)'
}
t_memory() {
	is "$(run --rm -m 32m bb sh -c "$memory_limit")" $((32 << 20))
	status 137 run --name oom -m 16m --memory-swap 16m bb dd if=/dev/zero of=/dev/null bs=200M count=1
	is "$(field oom .State.OOMKilled)" true
	gone oom
}
t_limits() {
	is "$(run --rm --pids-limit 20 bb sh -c 'cat /sys/fs/cgroup/pids/pids.max 2>/dev/null ||
		cat /sys/fs/cgroup/pids.max')" 20
	like "$(run --rm --cpus 0.5 --cpu-shares 512 bb sh -c 'cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null ||
		cat /sys/fs/cgroup/cpu.max')" '50000*'
	is "$(run --rm --cpuset-cpus 0 bb grep Cpus_allowed_list /proc/self/status | tr -d '\t')" Cpus_allowed_list:0
}
t_update() {
	run -d --name up -m 64m bb sleep 100
	d update -m 48m --memory-swap 96m --cpus 0.5 up
	is "$(d exec up sh -c "$memory_limit")" $((48 << 20))
	gone up
}
t_cgroup() {
	local id
	run -d --name cc bb sleep 100
	id=$(field cc .Id)
	like "$(cat "/proc/$(field cc .State.Pid)/cgroup")" "*$CG/$id*"
	gone cc
	is "$(find /sys/fs/cgroup -path "*$CG/$id*" -type d)" ""
}
t_live_restore() {
	stop_daemon
	start_daemon --live-restore
	run -d --name lr bb sleep 100
	local pid
	pid=$(field lr .State.Pid)
	stop_daemon
	kill -0 "$pid"
	start_daemon --live-restore
	state_is lr running
	is "$(field lr .State.Pid)" "$pid"
	is "$(d exec lr echo again)" again
	gone lr
	# What is written while the daemon is away comes into its log, in order and once.
	run -d --name lr bb sh -c 'i=0; while :; do echo $i; i=$((i + 1)); usleep 20000; done'
	eventually logs_have lr '^20$'
	kill -9 "$(cat "$W/dockerd.pid")"
	sleep 2
	rm -f /run/thole-docker.pid
	start_daemon --live-restore
	local n
	n=$(($(d logs lr | tail -n 1) + 50))
	eventually logs_have lr "^$n\$"
	d kill lr
	d wait lr
	# But for a line or two that the killed daemon itself had read and not yet written.
	d logs lr | awk -v n=$n 'NR == 1 { last = -1 }
		$1 <= last { print $1 " after " last; bad = 1 }
		{ missing += $1 - last - 1; last = $1 }
		END { print missing " missing up to " last; exit bad || missing > 2 || last < n }'
	gone lr
}
t_attach() {
	run -d -i --name at bb sh -c 'read l; echo "got $l"; sleep 0.5; exit 6'
	(sleep 1; echo typed; sleep 1) | status 6 timeout -s KILL 30 /usr/bin/docker -H unix:///run/thole-docker.sock \
		attach at >"$W/attached"
	is "$(cat "$W/attached")" "got typed"
	gone at
}
t_userns_remap() {
	stop_daemon
	# Private copies: the machine's own tables stay as they are.
	echo nobody:200000:65536 | tee "$W/subuid" >"$W/subgid"
	mount --bind "$W/subuid" /etc/subuid
	mount --bind "$W/subgid" /etc/subgid
	start_daemon --userns-remap nobody:nogroup
	tar -C "$ROOTFS" -c . | d import - bb
	is "$(run --rm bb sh -c 'id -u; tr -s " " </proc/self/uid_map')" $'0\n 0 200000 65536'
	run -d --name uu bb sleep 100
	is "$(awk '/^Uid/{print $2}' "/proc/$(field uu .State.Pid)/status")" 200000
	is "$(d exec -u user uu id -u)" 1000
	gone uu
	status 1 is "$(stat -c %u /dev/null)" 200000 >/dev/null
}
t_nothing_left() {
	is "$(d ps -aq)" ""
	is "$(find /run/thole-docker/runtime-*/moby -mindepth 1 -maxdepth 1 -not -name '.*' 2>/dev/null)" ""
	is "$(pgrep -f 'containerd-shim-(runc|thole)-v2')" ""
	is "$(find /sys/fs/cgroup -path "*$CG/*" -type d)" ""
}

if ! start_daemon; then
	tail -n 20 "$W/dockerd.log" | sed 's/^/# /'
	tap_line "not ok" "$LAYOUT: start of dockerd"
	exit 0
fi
t "import" t_import
t "run: output, status, stdin" t_run
t "missing and unfit programs: 127 and 126" t_missing
t "run -d, exec, logs, top, stats, stop, start, restart, rm" t_lifecycle
t "kill, wait, stop's time-out" t_kill
if has_command pause; then
	t "pause and unpause" t_pause
else
	skip "pause and unpause" "the runtime has no pause command"
fi
t "terminals" t_terminal
t "attach" t_attach
t "seccomp profile" t_seccomp
t "devices" t_devices
t "cgroup of the container" t_cgroup
if [ "$LAYOUT" = host ]; then
	t "read-only, tmpfs, masked paths" t_readonly
	t "volumes and copy" t_volumes
	t "user, capabilities, rlimits, sysctl" t_process
	t "restart policy" t_restart_policy
	t "health check" t_health
	t "bridge network, published port" t_network
	t "build" t_build
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
t "containers survive the daemon" t_live_restore
t "nothing left behind" t_nothing_left
if [ "$LAYOUT" = host ]; then
	t "user namespace" t_userns_remap
fi
stop_daemon
exit 0
