#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# podman on the pair: thole-shim as conmon (thole-conmon), thole as the runtime. TAP on stdout.
# CONMON=/usr/bin/conmon runs the same with another monitor. At the end the cases that Debian's conmon
# 2.1.6 fails are run with it, if it is installed: as comments, for they are no test of ours.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/clients.sh
if [ "${1:-}" != inner ]; then
	CONMON=$(realpath -s "${CONMON:-}" 2>/dev/null)
	export CONMON
	export CLIENTS_SECONDS=${CLIENTS_SECONDS:-800}
	# Out here, where there is a network to get one from.
	tests/lib/criu >/dev/null 2>&1
	# shellcheck disable=SC2086
	clients_main "$0" podman busybox ip python3 jq -- ${LAYOUTS:-host journal newer}
fi

# The name decides what the shim is.
if [ -z "$CONMON" ]; then
	CONMON=$W/thole-conmon
	ln -sf "$PWD/bin/thole-shim" "$CONMON"
fi
. tests/lib/podman.sh

t_detached() {
	run -d --name d bb sh -c 'trap "echo bye; exit 3" TERM; echo up; while :; do sleep 0.1; done'
	is "$(field d .State.Status)" running
	eventually logs_have d up
	is "$(field d .State.OOMKilled)" false
	local monitor
	monitor=$(cat "$(field d .ConmonPidFile)")
	is "$(readlink "/proc/$monitor/exe")" "$(realpath "$CONMON")"
	pod stop -t 10 d
	is "$(field d .State.ExitCode)" 3
	like "$(pod logs d)" "up*bye"
	# Its monitor has gone with it.
	eventually test ! -e "/proc/$monitor"
	pod start d
	is "$(field d .State.Status)" running
	gone d
}
t_large() {
	# Attached and logged at once: not one byte may be missing on either way.
	local sum
	sum=$(seq 1 200000 | cksum)
	is "$(run --name l bb seq 1 200000 | cksum)" "$sum"
	is "$(pod logs l | cksum)" "$sum"
	gone l
	is "$(run --rm --log-driver none bb seq 1 200000 | { sleep 1; cksum; })" "$sum"
	is "$(seq 1 200000 | run --rm -i bb cat | cksum)" "$sum"
}
t_short() {
	# A short program's output is there every time.
	local i
	for ((i = 0; i < 25; i++)); do
		is "$(run --rm bb echo "short $i")" "short $i"
	done
}
t_logs() {
	run --name g bb sh -c 'echo one; echo two >&2; printf three'
	is "$(pod logs g 2>/dev/null)" $'one\nthree'
	is "$(pod logs g 2>&1 >/dev/null)" two
	is "$(pod logs --since 1h g 2>/dev/null)" $'one\nthree'
	is "$(pod logs --until 2001-01-01T00:00:00Z g 2>&1)" ""
	# Nine digits, a numeric zone, the tag; one blank before the text.
	local line='^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{9}[+-][0-9]{2}:[0-9]{2} (stdout|stderr) [FP] '
	is "$(grep -cE "$line" "$(field g .HostConfig.LogConfig.Path)")" 3
	is "$(grep -c " stdout P three$" "$(field g .HostConfig.LogConfig.Path)")" 1
	gone g
	run -d --name f bb sh -c 'for i in 1 2 3 4 5; do echo line $i; sleep 0.2; done'
	is "$(pod logs -f f)" "$(printf 'line %s\n' 1 2 3 4 5)"
	is "$(pod logs --tail 2 f)" "$(printf 'line %s\n' 4 5)"
	gone f
}
t_exec() {
	run -d --name e bb sleep 1000
	is "$(pod exec e echo hello)" hello
	status 9 pod exec e sh -c 'exit 9'
	status 137 pod exec e sh -c 'kill -9 $$'
	is "$(echo typed | pod exec -i e cat)" typed
	is "$(seq 1 100000 | pod exec -i e cat | cksum)" "$(seq 1 100000 | cksum)"
	is "$(pod exec e seq 1 200000 | { sleep 1; cksum; })" "$(seq 1 200000 | cksum)"
	is "$(pod exec e sh -c 'echo err >&2' 2>&1 >/dev/null)" err
	pod exec -d e touch /tmp/detached
	eventually pod exec e test -e /tmp/detached
	like "$(pod exec -t e tty)" '/dev/pts/0*'
	# What an exec leaves behind holds its pipe, and still it ends.
	is "$(timeout 20 podman "${podman_args[@]}" exec e sh -c 'sleep 50 & echo left')" left
	gone e
}
t_terminal() {
	like "$(run --rm -t bb sh -c 'tty; test -t 0 -a -t 1 -a -t 2 && echo all')" $'/dev/pts/0\r\nall\r'
	like "$(on_pty podman "${podman_args[@]}" "${run_args[@]}" --rm -it bb sh -c 'sleep 0.5; stty size')" $'24 80\r*'
	run -d -t --name tt bb sh
	like "$(on_pty podman "${podman_args[@]}" exec -it tt sh -c 'sleep 0.5; stty size')" $'24 80\r*'
	gone tt
	# No console socket's directory stays.
	is "$(find /tmp -maxdepth 1 -name 'conmon-term.*' -newer "$W/containers.conf")" ""
}
t_pause_restart() {
	run -d --name r bb sh -c 'echo started; exec sleep 100'
	pod pause r
	state_is r paused
	pod unpause r
	state_is r running
	pod restart -t 0 r
	is "$(field r .State.Status)" running
	eventually twice r
	is "$(pod exec r echo alive)" alive
	gone r
}
twice() { [ "$(pod logs "$1" | grep -c started)" = 2 ]; }
t_timeout() {
	local start=$SECONDS
	status 255 run --name t --timeout 1 bb sh -c 'trap "" TERM; sleep 100'
	[ $((SECONDS - start)) -lt 20 ]
	gone t
}
eat='dd if=/dev/zero of=/dev/null bs=200M count=1'
t_oom() {
	# shellcheck disable=SC2086
	status 137 run --name oom -m 16m --memory-swap 16m bb $eat
	is "$(field oom .State.OOMKilled)" true
	is "$(field oom .State.ExitCode)" 137
	gone oom
}
t_max_size() {
	run --name s --log-opt max-size=10kb bb sh -c 'i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done'
	local log
	log=$(field s .HostConfig.LogConfig.Path)
	[ "$(stat -c %s "$log")" -le 10240 ]
	# The newest lines, whole, without a gap, and not only the last few.
	local first n
	pod logs s >"$W/lines"
	n=$(wc -l <"$W/lines")
	[ "$n" -ge 80 ]
	first=$((2000 - n))
	is "$(cat "$W/lines")" "$(seq -f 'line %.0f' $first 1999)"
	gone s
}
t_drivers() {
	is "$(run --rm --log-driver none bb echo none)" none
	is "$(run --rm --log-driver passthrough bb echo passed)" passed
	status 5 run --rm --log-driver passthrough bb sh -c 'exit 5'
	run --name p --log-opt path="$W/own.log" bb echo own
	like "$(cat "$W/own.log")" '* stdout F own'
	gone p
}
t_events() {
	run --name ev bb sh -c 'exit 3' || true
	gone ev
	like "$(pod events --stream=false --since 1m --format json | jq -r 'select(.Name == "ev") |
		"\(.Status) \(.ContainerExitCode)"' | tr '\n' ,)" '*died 3,*'
}
t_slow_attach() {
	# A client that reads nothing: the log goes on.
	run -d --name sa bb sh -c 'sleep 2; exec seq 1 2000000'
	python3 - "$(dirname "$(field sa .OCIConfigPath)")/attach" <<'PY' &
import os, socket, sys, time
fd = os.open(os.path.dirname(sys.argv[1]), os.O_PATH)
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect("/proc/self/fd/%d/attach" % fd)
time.sleep(15)
PY
	local client=$!
	eventually ended_log sa
	kill $client
	is "$(pod logs sa | cksum)" "$(seq 1 2000000 | cksum)"
	gone sa
}
ended_log() { tail -n 1 "$(field "$1" .HostConfig.LogConfig.Path)" | grep -q ' 2000000$'; }
counting='i=0; while [ ! -e /tmp/end ]; do i=$((i+1)); echo $i; sleep 0.05; done; exit 6'
# Every number once, in order: the counting went on where it stopped, and no line of it is lost.
counted_on() { # NAME FROM
	pod logs "$1" >"$W/counted"
	[ "$(wc -l <"$W/counted")" -gt "$2" ]
	is "$(cksum <"$W/counted")" "$(seq "$(wc -l <"$W/counted")" | cksum)"
}
beyond() { [ "$(pod logs "$1" | wc -l)" -gt "$2" ]; }
t_checkpoint() {
	local n monitor
	run -d --name c bb sh -c "$counting"
	eventually beyond c 5
	monitor=$(cat "$(field c .ConmonPidFile)")
	pod container checkpoint c
	is "$(field c .State.Checkpointed) $(field c .State.Status)" "true exited"
	eventually test ! -e "/proc/$monitor"
	n=$(pod logs c | wc -l)
	pod container restore c
	state_is c running
	is "$(field c .State.Restored)" true
	is "$(readlink "/proc/$(cat "$(field c .ConmonPidFile)")/exe")" "$(realpath "$CONMON")"
	eventually beyond c $((n + 5))
	is "$(pod exec c echo alive)" alive
	pod exec c touch /tmp/end
	is "$(pod wait c)" 6
	counted_on c "$n"
	gone c
}
t_checkpoint_export() {
	run -d --name x bb sh -c "$counting"
	eventually beyond x 5
	# Goes on beside its image, which holds what it had written to its file system as well.
	pod exec x touch /tmp/written
	pod container checkpoint -R -e "$W/x.tar" x
	state_is x running
	eventually beyond x $(($(pod logs x | wc -l) + 3))
	pod container restore -i "$W/x.tar" -n y
	[ "$(field y .Id)" != "$(field x .Id)" ]
	pod exec y test -e /tmp/written
	eventually beyond y $(($(pod logs y | wc -l) + 3))
	pod exec x touch /tmp/end
	is "$(pod wait x)" 6
	counted_on x 5
	state_is y running
	gone x y
	rm "$W/x.tar"
	# And moved: its log goes with it.
	run -d --name x bb sh -c "$counting"
	eventually beyond x 5
	pod container checkpoint -e "$W/x.tar" x
	gone x
	pod container restore -i "$W/x.tar"
	eventually beyond x 10
	pod exec x touch /tmp/end
	is "$(pod wait x)" 6
	counted_on x 10
	gone x
	rm "$W/x.tar"
}
t_checkpoint_keep() {
	local dir
	run -d --name c bb sh -c "$counting"
	dir=$(dirname "$(field c .OCIConfigPath)")
	eventually beyond c 5
	pod container checkpoint --keep c
	pod container restore --keep c
	[ -s "$dir/checkpoint/inventory.img" ] && [ -s "$dir/dump.log" ] && [ -s "$dir/restore.log" ]
	eventually beyond c 8
	pod kill c
	is "$(pod wait c)" 137
	gone c
	# Without its images nothing is restored, and why is said.
	run -d --name c bb sh -c "$counting"
	dir=$(dirname "$(field c .OCIConfigPath)")
	eventually beyond c 1
	pod container checkpoint c
	: >"$dir/checkpoint/core-1.img"
	status 125 pod container restore c 2>"$W/e"
	like "$(cat "$W/e")" '*criu could not restore the container*'
	is "$("$RT" list -q)" ""
	gone c
}
t_checkpoint_terminal() {
	local client
	run -d -it --name c bb sh -c 'while read l; do echo "got $l"; [ "$l" != two ] || exit 4; done'
	mkfifo "$W/typed"
	# Open for both: an end would be passed on.
	timeout -s KILL 60 podman "${podman_args[@]}" attach c <>"$W/typed" &
	client=$!
	echo one >"$W/typed"
	eventually logs_have c 'got one'
	pod container checkpoint c
	wait $client || true
	pod container restore c
	like "$(echo two | timeout -s KILL 60 podman "${podman_args[@]}" attach c)" '*got two*'
	is "$(pod wait c)" 4
	gone c
}
t_checkpoint_tcp() {
	run -d --name c bb sh -c "nc -l -p 7 -e cat & until grep -q ':0007 .* 0A ' /proc/net/tcp*; do sleep 0.1; done
		($counting) | nc 127.0.0.1 7; exit 6"
	eventually beyond c 5
	status 125 pod container checkpoint c
	state_is c running
	pod container checkpoint --tcp-established c
	pod container restore --tcp-established c
	eventually beyond c $(($(pod logs c | wc -l) + 5))
	pod exec c touch /tmp/end
	is "$(pod wait c)" 6
	counted_on c 5
	gone c
}
t_journald() {
	run --name j --log-driver journald --log-opt tag=its-tag bb sh -c 'echo one; echo two >&2; printf end'
	eventually logs_have j end
	is "$(pod logs j 2>/dev/null)" $'one\nend'
	is "$(pod logs j 2>&1 >/dev/null)" two
	is "$(pod logs --until 2001-01-01T00:00:00Z j 2>&1)" ""
	is "$(pod logs --since 1h j 2>/dev/null)" $'one\nend'
	journalctl -q -o json CONTAINER_NAME=j >"$W/j"
	is "$(jq -r '[(.MESSAGE | rtrimstr("\n")), .PRIORITY, .CONTAINER_TAG, .SYSLOG_IDENTIFIER, .CONTAINER_PARTIAL_MESSAGE // "whole"] | join(" ")' \
		"$W/j" | sort)" $'end 6 its-tag its-tag true\none 6 its-tag its-tag whole\ntwo 3 its-tag its-tag whole'
	is "$(jq -r .CONTAINER_ID_FULL "$W/j" | sort -u)" "$(field j .Id)"
	gone j
	run -d --name jf --log-driver journald bb sh -c 'for i in 1 2 3 4 5; do echo line $i; sleep 0.3; done'
	is "$(pod logs -f jf)" "$(printf 'line %s\n' 1 2 3 4 5)"
	is "$(pod logs --tail 2 jf)" "$(printf 'line %s\n' 4 5)"
	gone jf
	# Longer than a datagram's usual limit, and many: nothing is lost.
	run --name jl --log-driver journald bb sh -c 'head -c 30000 /dev/zero | tr "\0" x; echo; seq 1 3000'
	eventually logs_have jl '^3000$'
	is "$(pod logs jl | cksum)" "$({ head -c 30000 /dev/zero | tr '\0' x; echo; seq 1 3000; } | cksum)"
	gone jl
}
t_nothing_left() {
	is "$(pod ps -aq)" ""
	is "$("$RT" list -q)" ""
	is "$(pgrep -f "^$CONMON" || true)" ""
}

t import t_import
if [ "$LAYOUT" = journal ]; then
	t "journald: logs, -f, --tail, --since, the fields" t_journald
	t "nothing is left" t_nothing_left
	exit 0
fi
t "run: output, status, stdin" t_run
t "missing and unfit programs: 127 and 126" t_missing
t "run -d: log, stop, start, the monitor's end" t_detached
t "2 MB of lines attached, logged, as input" t_large
t "short runs lose nothing" t_short
t "logs: format, --tail, --since, -f" t_logs
t "exec: output, status, -i, -d, -t, large" t_exec
t "terminals: run -it, exec -it, window size" t_terminal
t "attach and start -ai" t_attach
t "kill, stop with a time-out, a signal to the monitor" t_kill
t "pause, restart" t_pause_restart
t "restart policy" t_restart_policy
t "run --timeout" t_timeout
t "a slow attach client does not hold up the log" t_slow_attach
t "log drivers none, passthrough, path" t_drivers
t "healthcheck" t_health
t "pods with an infra container" t_pods
t "events carry the exit status" t_events
if criu=$(tests/lib/criu 2>/dev/null); then
	PATH=$criu:$PATH
	t "checkpoint and restore" t_checkpoint
	t "checkpoint -R, -e and restore -i" t_checkpoint_export
	t "checkpoint --keep and what is missing at restore" t_checkpoint_keep
	t "checkpoint of a terminal" t_checkpoint_terminal
	t "checkpoint --tcp-established" t_checkpoint_tcp
else
	skip "checkpoint and restore" "$criu"
fi
t "OOMKilled is true" t_oom
t "--log-opt max-size keeps the newest whole lines" t_max_size
if ! command -v newuidmap >/dev/null; then
	skip "rootless" "newuidmap is not installed"
elif [ "$LAYOUT" = host ]; then
	t "rootless" t_rootless
fi
t "nothing is left" t_nothing_left

# beside NAME FUNCTION...: what another monitor makes of the same case.
beside() {
	local name=$1 why
	shift
	wanted "$name" || return 0
	(
		set -eE
		"$@"
	) >"$W/beside" 2>&1 </dev/null
	# Not in a condition: there set -e means nothing.
	# shellcheck disable=SC2181
	if [ $? -eq 0 ]; then
		why=same
	else
		why="differs: $(grep -E '^(AssertionError|expected|got|never)' "$W/beside" | tail -n 1 | cut -c 1-100)"
	fi
	echo "# beside, $(basename "$CONMON") $("$CONMON" --version | awk 'NR == 1 { print $3 }'): $name: $why"
	clients_reset >/dev/null 2>&1 </dev/null
}
if [ -x /usr/bin/conmon ] && [ "$CONMON" != /usr/bin/conmon ] && [ "$LAYOUT" = host ]; then
	CONMON=/usr/bin/conmon
	podman_args[-1]=$CONMON
	beside "a slow attach client does not hold up the log" t_slow_attach
	beside "OOMKilled is true" t_oom
fi
