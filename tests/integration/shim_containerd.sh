#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# containerd with thole-shim as its shim (containerd-shim-thole-v2) and thole below it, driven by ctr
# and by the CRI plugin. TAP on stdout.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/clients.sh
[ "${1:-}" = inner ] || {
	SHIM=$(realpath -e "${SHIM:-bin/thole-shim}") || exit 1
	export SHIM
	CLIENTS_SECONDS=${CLIENTS_SECONDS:-600}
	clients_main "$0" containerd ctr umoci skopeo busybox ip python3 jq -- host v2
}
. tests/lib/containerd.sh

# By name the shim is found in the daemon's PATH; it finds the runtime beside itself.
mkdir "$W/bin"
cp "$SHIM" "$W/bin/thole-shim"
cp "$RT" "$W/bin/thole"
ln -s thole-shim "$W/bin/containerd-shim-thole-v2"
shim=$W/bin/containerd-shim-thole-v2

# shellcheck disable=SC2034
runtime=(--runtime "$shim")
containerd_config io.containerd.thole.v2 "$W/bin/thole"
ours() { "$W/bin/thole-shim" "$@"; }
shim_of() { pgrep -f "containerd-shim-thole-v2.* -id $1 "; }
no_shims_of() { [ -z "$(pgrep -f "containerd-shim-[a-z]*-v2.*-namespace $1 ")" ]; }
no_shims() { no_shims_of "$NS"; }

t_run() {
	is "$(run --rm $image r1 echo hello)" hello
	status 7 run --rm $image r2 sh -c 'exit 7'
	is "$(echo typed | run --rm $image r3 head -n 1)" typed
	is "$(run --rm --rootfs "$ROOTFS" r5 /bin/cat /etc/notexec)" "no program"
	status 1 run --rm $image r6 nosuch 2>"$W/e"
	like "$(cat "$W/e")" '*OCI runtime create failed: *exec: "nosuch": executable file not found in $PATH*'
	c container rm r6 2>/dev/null || true
	is "$(run --rm $image r7 sh -c 'i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i + 1)); done' |
		tail -n 1)" "line 19999"
	is "$(run --rm $image r8 sh -c 'echo out; echo err >&2' 2>&1 | sort)" $'err\nout'
	is "$(c container ls -q)" ""
	eventually no_shims
}

t_lifecycle() {
	c events >"$W/life.events" 2>/dev/null &
	local watcher=$!
	sleep 0.5
	run -d --log-uri "file://$W/new/dir/life.log" $image life sh -c \
		'trap "echo bye; exit 3" TERM; echo up; while :; do sleep 0.1; done'
	ln -sf "$W/new/dir/life.log" "$W/life.log"
	eventually log_has life up
	state_is life RUNNING
	is "$(c task exec --exec-id e1 life cat /proc/1/comm)" sh
	status 9 c task exec --exec-id e2 life sh -c 'exit 9'
	is "$(echo typed | c task exec --exec-id e3 life head -n 1)" typed
	c task exec --exec-id e4 -d life touch /tmp/detached
	eventually c task exec --exec-id e5 life test -e /tmp/detached
	status 1 c task exec --exec-id e6 life nosuch 2>"$W/e"
	like "$(cat "$W/e")" '*OCI runtime exec failed: *"nosuch": executable file not found in $PATH*'
	c task exec --exec-id long life sleep 98 &
	eventually ps_has life long
	like "$(c task ps life)" "PID*INFO*[0-9]*"
	c task kill --exec-id long -s KILL life
	wait $! || like $? 137
	c task metrics life
	c task kill -s TERM life
	eventually state_is life STOPPED
	eventually log_has life bye
	status 1 c task kill -s TERM life 2>"$W/e"
	like "$(cat "$W/e")" '*process already finished: not found*'
	like "$(c task rm life 2>&1)" '*non-zero exit code 3*'
	c task start -d life
	state_is life RUNNING
	remove life
	eventually no_shims
	eventually grep -q '/tasks/delete ' "$W/life.events"
	kill $watcher
	# One container's events, in order.
	like "$(grep -o '/tasks/[a-z-]*' "$W/life.events" | head -n 5 | tr '\n' ' ')" \
		'/tasks/create /tasks/start /tasks/exec-added /tasks/exec-started /tasks/exit '
	is "$(grep -c '/tasks/create' "$W/life.events")" 2
	is "$(grep '"id":"life"' "$W/life.events" | grep -c /tasks/exit)" 2
	grep '"exit_status":3' "$W/life.events" | grep -q '/tasks/exit'
}
ps_has() { c task ps "$1" | grep -q "$2"; }
t_kill_left() {
	# What such an init leaves is killed, and every exit is told.
	run -d --with-ns pid:/proc/1/ns/pid $image k3 sh -c 'sleep 4323 & sleep 1; exit 4'
	eventually state_is k3 STOPPED
	status 1 pgrep -f '^sleep 4323'
	like "$(c task rm k3 2>&1)" '*non-zero exit code 4*'
	c container rm k3
}
t_streams() {
	# A reader that is slow gets all of it.
	is "$(run --rm $image s1 sh -c 'i=0; while [ $i -lt 40000 ]; do echo $i; i=$((i + 1)); done' |
		{ sleep 2; cksum; })" "$(seq 0 39999 | cksum)"
	# A logging program, with nothing but its two variables, and a word of its own.
	cat >"$W/logger" <<-EOF
		#!$(command -v bash)
		{ echo "args \$*"; env | grep ^CONTAINER_ | sort; cat <&3; cat <&4; echo end; } >"$W/logged" 5>&- &
		exec 3<&- 4<&- 5>&-
		wait
	EOF
	chmod 755 "$W/logger"
	run --rm --log-uri "binary://$W/logger?key=va%20lue" $image s2 sh -c 'echo out; echo err >&2'
	eventually grep -q end "$W/logged"
	is "$(cat "$W/logged")" "args key va lue
CONTAINER_ID=s2
CONTAINER_NAMESPACE=$NS
out
err
end"
	run -d --log-uri "binary:///nosuch" $image s3 true 2>"$W/e" && return 1
	like "$(cat "$W/e")" '*logging binary*no such file*'
	c container rm s3
	# Without a client the container waits when the spool is full; who attaches gets all of it.
	run -d $image s4 sh -c "sleep 1; head -c 2000000 /dev/zero; exit 5" </dev/null >/dev/null
	sleep 1.5
	state_is s4 RUNNING
	status 5 timeout -s KILL 20 ctr -a /run/containerd.sock -n "$NS" task attach s4 >"$W/attached" </dev/null
	is "$(stat -c %s "$W/attached")" 2000000
	c container rm s4
}
t_options() {
	# Under the stock shim's name it gets runc's own options.
	ln -s thole-shim "$W/bin/containerd-shim-runc-v2"
	local opts=(--runtime io.containerd.runc.v2 --runc-binary "$W/other/renamed" --runc-root "$W/rr")
	mkdir "$W/other"
	printf '#!/bin/sh\necho "$*" >>%s\nexec %s "$@"\n' "$W/calls" "$W/bin/thole" >"$W/other/renamed"
	chmod 755 "$W/other/renamed"
	is "$(c run "${opts[@]}" "${limits[@]}" --rm $image o1 readlink /proc/self/exe)" /bin/busybox
	like "$(grep ' create ' "$W/calls")" "--root $W/rr/$NS --log * create --bundle * --pid-file * o1"
	# Options of the task take the place of the container's: ctr's --no-pivot is one.
	is "$(c run --runtime io.containerd.runc.v2 --no-pivot "${limits[@]}" --rm $image o3 echo x)" x
	rm "$W/bin/containerd-shim-runc-v2"
	[ "$LAYOUT" != host ] || ! command -v runc || {
		ln -s thole-shim "$W/bin/containerd-shim-runc-v2"
		status 3 c run --runtime io.containerd.runc.v2 --runc-binary "$(command -v runc)" --rm $image o2 sh -c 'exit 3'
		rm "$W/bin/containerd-shim-runc-v2"
	}
	# The binary says who it is.
	"$shim" -v | grep -q Version
	"$shim" -info </dev/null | grep -aq '"ociVersionMin"'
}
t_mounts() {
	is "$(mount | grep -c "$W/root.*overlay\|thole-containerd.*rootfs")" 0
	run -d --snapshotter native $image m1 sleep 100
	is "$(c task exec --exec-id a m1 cat /etc/notexec)" "no program"
	remove m1
	run -d --snapshotter overlayfs $image m2 sleep 100 2>"$W/e" || { grep -q overlay "$W/e" && return 0; }
	grep -q "thole-containerd.*/m2/rootfs overlay" /proc/mounts
	remove m2
	status 1 grep thole-containerd.*rootfs /proc/mounts
}
t_memory() {
	run -d --memory-limit $((32 << 20)) $image mm1 sleep 100
	c task metrics --format json mm1 >"$W/metrics"
	jq -e '(.memory.usage.limit // .memory.usage_limit) == 33554432 and (.pids.current == 1)
		and ((.cpu.usage.total // .cpu.usage_usec) > 0)' "$W/metrics"
	remove mm1
	c events >"$W/events" 2>/dev/null &
	local watcher=$!
	sleep 0.5
	status 137 run --rm --memory-limit $((16 << 20)) $image mm2 dd if=/dev/zero of=/dev/null bs=200M count=1
	eventually grep -q '/tasks/delete.*mm2' "$W/events"
	kill $watcher
	is "$(grep mm2 "$W/events" | grep -o '/tasks/[a-z]*' | tr '\n' ' ')" \
		"/tasks/create /tasks/start /tasks/oom /tasks/exit /tasks/delete "
}
t_reconnect() {
	run -d --log-uri "file://$W/rc.log" $image rc sh -c 'i=0; while :; do i=$((i + 1)); echo $i; sleep 0.1; done'
	run -d --log-uri "file://$W/rc2.log" $image rc2 sh -c 'sleep 2; exit 6'
	stop_daemon
	sleep 2.5
	start_daemon
	state_is rc RUNNING
	is "$(c task exec --exec-id after rc echo again)" again
	# It ended while the daemon was away; from 1.7 on the daemon deletes such a task itself.
	if [[ $(containerd --version) == *" 1.6."* ]]; then
		state_is rc2 STOPPED
		like "$(c task rm rc2 2>&1)" '*non-zero exit code 6*'
	else
		eventually task_gone rc2
	fi
	c container rm rc2
	remove rc
	eventually no_shims
}
t_own_commands() {
	run -d --log-uri "file://$W/own.log" $image own sh -c 'printf "a\nb\nc\nd"; sleep 100'
	like "$(ours list --namespace "$NS")" '*own*'
	is "$(ours state --namespace "$NS" own | jq -r .status)" running
	is "$(ours exec --namespace "$NS" own echo through)" through
	status 5 ours exec --namespace "$NS" own sh -c 'exit 5'
	eventually log_has own d
	is "$(ours logs --namespace "$NS" own)" $'a\nb\nc\nd'
	is "$(ours logs --namespace "$NS" --tail 2 own)" $'c\nd'
	status 1 ours logs --namespace "$NS" --timestamps own 2>"$W/e"
	like "$(cat "$W/e")" '*plain file*'
	ours logs --namespace "$NS" --follow own >"$W/followed" &
	eventually test -s "$W/followed"
	c task exec --exec-id more -d own sh -c 'echo e >/proc/1/fd/1' || true
	eventually grep -q de "$W/followed"
	c task kill -s KILL own
	wait $!
	is "$(cat "$W/followed")" $'a\nb\nc\nde'
	is "$(ours wait --namespace "$NS" own || true)" 137
	remove own
	# Output that is somebody else's.
	run -d $image own2 sleep 100 </dev/null >/dev/null
	status 1 ours logs --namespace "$NS" own2 2>"$W/e"
	like "$(cat "$W/e")" '*goes to the client of containerd that reads "/run/containerd/fifo/*'
	remove own2
	eventually test ! -e "/run/thole-shim/$NS"
}
t_pod() {
	local opts=(--annotation io.kubernetes.cri.sandbox-id=pod1)
	run -d "${opts[@]}" $image pod1 sleep 100
	run -d "${opts[@]}" $image pod2 sh -c 'sleep 1; exit 8'
	run -d "${opts[@]}" $image pod3 sleep 100
	is "$(pgrep -fc "containerd-shim-thole-v2.*-namespace $NS")" 1
	is "$(c task exec --exec-id x pod3 echo three)" three
	eventually state_is pod2 STOPPED
	state_is pod1 RUNNING
	like "$(c task rm pod2 2>&1)" '*non-zero exit code 8*'
	c container rm pod2
	stop_daemon
	start_daemon
	state_is pod3 RUNNING
	remove pod3
	state_is pod1 RUNNING
	is "$(c task exec --exec-id y pod1 echo one)" one
	remove pod1
	eventually no_shims
	is "$(ls /run/containerd/s)" ""
}
t_shim_killed() {
	run -d $image dead sleep 100
	run -d --annotation io.kubernetes.cri.sandbox-id=dead $image dead2 sh -c 'sleep 1; exit 2'
	eventually state_is dead2 STOPPED
	local pid
	pid=$(c task ls | awk '$1 == "dead" {print $2}')
	kill -9 "$(shim_of dead)"
	eventually not_alive "$pid"
	eventually task_gone dead
	eventually task_gone dead2
	c container rm dead dead2
	is "$(ls /run/containerd/s)" ""
	is "$(ls /run/thole-shim 2>/dev/null)" ""
	status 1 grep thole-containerd.*rootfs /proc/mounts
	is "$(find /run/containerd/runc -mindepth 2 -maxdepth 2 -not -name '.*' 2>/dev/null)" ""
}
task_gone() { ! c task ls -q | grep -qx "$1"; }
t_cri() {
	containerd_cri "$CG/pod" update
	eventually no_shims_of k8s.io
	# The pod's own cgroup is the kubelet's.
	find /sys/fs/cgroup -depth -type d -path "*$CG/pod" -exec rmdir {} +
}
t_cri_restart() {
	disown -a # the shell need not tell of its death
	PATH=$W/bin:$PATH containerd_cri "$CG/pod" restart="$W"
	eventually no_shims_of k8s.io
	find /sys/fs/cgroup -depth -type d -path "*$CG/pod" -exec rmdir {} +
}
t_checkpoint() {
	local count='i=0; while :; do i=$((i + 1)); echo $i >>/n; sleep 0.05; done' client n
	run -d $image cp1 sh -c "$count" </dev/null >/dev/null
	eventually counted cp1 5
	c container checkpoint --image --rw --task cp1 example.org/cp:1
	state_is cp1 RUNNING
	n=$(number cp1)
	eventually counted cp1 "$n"
	remove cp1
	no_cgroups
	"${ctr_command[@]}" container restore --rw --live cp1 example.org/cp:1 </dev/null 9>&- &
	client=$!
	eventually state_is cp1 RUNNING
	eventually counted cp1 "$n"
	# From where it was: nothing twice, nothing left out.
	c task pause cp1
	c task resume cp1
	c task exec --exec-id all cp1 cat /n >"$W/n"
	cmp "$W/n" <(seq 1 "$(wc -l <"$W/n")")
	c task kill -s KILL cp1
	wait $client
	eventually state_is cp1 STOPPED
	like "$(c task rm cp1 2>&1)" '*non-zero exit code 137*'
	c container rm cp1
	no_cgroups
	c image rm example.org/cp:1
}
t_checkpoint_exit() {
	# ctr passes these to the stock shim only.
	ln -s thole-shim "$W/bin/containerd-shim-runc-v2"
	c run --runtime io.containerd.runc.v2 --runc-binary "$W/bin/thole" "${limits[@]}" -d $image cp2 sleep 100 \
		</dev/null >/dev/null
	c task checkpoint --exit --image-path "$W/cp2" --work-path "$W/cp2.work" cp2
	test -s "$W/cp2/inventory.img"
	test -s "$W/cp2.work/dump.log"
	eventually state_is cp2 STOPPED
	like "$(c task rm cp2 2>&1)" '*non-zero exit code 137*'
	c container rm cp2
	eventually no_shims
	rm "$W/bin/containerd-shim-runc-v2"
}
t_nerdctl() {
	mkdir "$W/nerdctl"
	python3 tests/lib/nerdctl.py /run/containerd.sock "$NS" "${runtime[1]}" "$RT" "$ROOTFS" "$CG" "$W/nerdctl"
	is "$(c container ls -q)" ""
	eventually no_shims
}
number() { c task exec --exec-id "n$RANDOM" "$1" tail -n 1 /n; }
counted() { [ "$(number "$1")" -gt "$2" ]; }
no_cgroups() { is "$(find /sys/fs/cgroup -path "*$CG/*" -type d)" ""; }
t_nothing_left() {
	is "$(c container ls -q)" ""
	is "$(c task ls -q)" ""
	is "$(find /run/containerd/runc -mindepth 2 -maxdepth 2 -not -name '.*' 2>/dev/null)" ""
	eventually no_shims
	is "$(ls /run/thole-shim 2>/dev/null)" ""
	is "$(ls /run/containerd/s)" ""
	no_cgroups || {
		find /sys/fs/cgroup -path "*$CG/*" \( -name cgroup.events -o -name cgroup.procs \) -exec grep -H . {} +
		return 1
	}
	status 1 grep thole-containerd.*rootfs /proc/mounts
}

criu=$(tests/lib/criu) || criu=
# The daemon unpacks checkpoints below TMPDIR and leaves them there.
export PATH=${criu:+$criu:}$PATH TMPDIR=$W
containerd_or_give_up
t "image import" t_image
t "run: output, status, stdin, errors" t_run
t "run -d, exec, ps, metrics, kill, events, rm" t_lifecycle
t "kill and kill --all" t_kill
t "what an init leaves in the pid namespace of another" t_kill_left
t "pause and resume" t_pause
t "terminals" t_terminal
t "slow reader, logging program, no reader" t_streams
t "runc's options, another runtime" t_options
t "root file system: native, overlayfs" t_mounts
t "user namespace" t_userns
if controller memory; then
	t "memory: metrics, OOM, order of events" t_memory
else
	skip "memory: metrics, OOM, order of events" "no memory controller in this layout"
fi
t "tasks survive the daemon" t_reconnect
t "a pod in one shim" t_pod
t "the registry of the shim's own commands" t_own_commands
t "kill -9 of the shim" t_shim_killed
if [ -n "$criu" ]; then
	t "checkpoint and restore" t_checkpoint
	t "checkpoint that ends the container" t_checkpoint_exit
else
	skip "checkpoint and restore" "criu does not work on this kernel"
fi
if python3 -c 'import grpc' 2>/dev/null; then
	t "nerdctl's calls, its logging program and hooks, its restarts" t_nerdctl
else
	skip "nerdctl's calls" "needs python3-grpcio"
fi
containerd_cri_case "CRI plugin: a pod in one shim, exec, stats, update, stop, OOM" t_cri
containerd_cri_case "CRI plugin: the daemon is killed in the middle of a pod" t_cri_restart
t "nothing left behind" t_nothing_left
[ ! -e "$TOP/failed" ] || grep -v level=info "$W/containerd.log" | tail -n 15 | sed 's/^/# /'
stop_daemon
exit 0
