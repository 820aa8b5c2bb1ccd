# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# podman's set-up and the cases of both scripts that drive it (podman.sh: Debian's conmon; shim_podman.sh: CONMON).
# Sourced by the inner run, after tests/lib/clients.sh.

limits=()
# podman sets a pids limit of its own, which no controller here may be able to hold.
controller pids || limits=(--pids-limit 0)
cat >"$W/containers.conf" <<EOC
[containers]
default_ulimits = ["nofile=1024:$(ulimit -Hn)", "nproc=1024:1024"]
[network]
network_config_dir = "$W/net"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "$([ "$LAYOUT" = journal ] && echo journald || echo file)"
runtime_supports_json = ["$(basename "$RT")"]
runtime_supports_nocgroup = ["$(basename "$RT")"]
EOC
export CONTAINERS_CONF=$W/containers.conf
export PODMAN_IGNORE_CGROUPSV1_WARNING=1
podman_args=(--root "$W/root" --runroot /run/podman --tmpdir /run/podman-tmp --runtime "$RT"
	--log-level "${PODMAN_LOG:-error}" ${CONMON:+--conmon "$CONMON"})
pod() { timeout -k 5 60 podman "${podman_args[@]}" "$@"; }
run_args=(run --cgroup-parent "$CG" --network none --pull never "${limits[@]}")
# run OPTIONS... IMAGE COMMAND...
run() { pod "${run_args[@]}" "$@"; }
field() { pod inspect --format "{{$2}}" "$1"; }
# After a failed case: nothing of it may disturb the next one.
# shellcheck disable=SC2317
clients_reset() { pod rm -af -t 0; }
# Twice: podman's own clean-up process may still hold the shm mount (with any fast runtime).
gone() { pod rm -f -t 0 "$@" >/dev/null 2>&1 || pod rm -f -t 0 "$@"; }
state_is() { [ "$(field "$1" .State.Status)" = "$2" ]; }
logs_have() { pod logs "$1" 2>&1 | grep -q -- "$2"; }

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
t_kill() {
	run -d --name k bb sh -c 'trap "echo got >&2; exit 5" USR1; echo up; while :; do sleep 0.1; done'
	eventually logs_have k up
	pod kill -s USR1 k
	is "$(pod wait k)" 5
	pod start k
	pod kill k
	is "$(pod wait k)" 137
	gone k
	run -d --name k bb sleep 1000
	pod stop -t 1 k
	is "$(field k .State.ExitCode)" 137
	gone k
	# A signal to the monitor reaches the container.
	run -d --name k bb sh -c 'trap "exit 4" TERM; echo up; while :; do sleep 0.1; done'
	eventually logs_have k up
	kill -TERM "$(cat "$(field k .ConmonPidFile)")"
	is "$(pod wait k)" 4
	gone k
}
t_attach() {
	run -d -i --name a bb sh -c 'read line; echo "got $line"; exit 6'
	is "$({ sleep 1; echo word; } | timeout -s KILL 20 podman "${podman_args[@]}" attach a)" "got word"
	is "$(pod wait a)" 6
	gone a
	pod create -i --cgroup-parent "$CG" --network none --name b bb cat
	is "$(echo through | pod start -ai b)" through
	gone b
}
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
t_health() {
	run -d --name h --health-cmd 'test -e /tmp/well' --health-interval disable --health-retries 1 bb sleep 100
	status 1 pod healthcheck run h
	is "$(field h .State.Health.Status)" unhealthy
	pod exec h touch /tmp/well
	pod healthcheck run h
	is "$(field h .State.Health.Status)" healthy
	gone h
}
restarted_twice() { [ "$(field "$1" .RestartCount)" = 2 ]; }
t_restart_policy() {
	run -d --name rp --restart on-failure:2 bb sh -c 'echo again; exit 4'
	eventually restarted_twice rp
	eventually state_is rp exited
	is "$(pod logs rp | grep -c again)" 3
	gone rp
}
# As a user without rights, made for this: the machine's own tables are covered by copies.
t_rootless() {
	local f
	mkdir -p "$W/etc"
	for f in passwd group subuid subgid; do
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
	[ -z "${CONMON:-}" ] || install -D -m 755 "$(realpath "$CONMON")" "$W/bin/$(basename "$CONMON")"
	is "$(as_user import -q image.tar localhost/bb | cut -c 1-7)" sha256:
	local own=(run --network none "${limits[@]}")
	is "$(as_user "${own[@]}" --rm bb sh -c 'id -u; tr -s " " </proc/self/uid_map')" \
		$'0\n 0 54321 1\n 1 300000 65536'
	is "$(echo typed | as_user "${own[@]}" --rm -i bb cat)" typed
	status 7 as_user "${own[@]}" --rm bb sh -c 'exit 7'
	status 127 as_user "${own[@]}" --rm bb nosuch
	as_user "${own[@]}" -d --name rl bb sh -c 'trap "exit 3" TERM; echo up; while :; do sleep 0.1; done'
	is "$(as_user exec -u user rl id -u)" 1000
	status 5 as_user exec rl sh -c 'exit 5'
	like "$(as_user exec -t rl tty)" '/dev/pts/0*'
	eventually user_up
	as_user stop -t 10 rl
	is "$(as_user inspect --format '{{.State.ExitCode}}' rl)" 3
	as_user rm -f rl
	is "$(as_user "${own[@]}" --rm --userns keep-id bb id -u)" 54321
	like "$(as_user run --rm -t --network host "${limits[@]}" bb tty)" '/dev/pts/0*'
	# Files of the image belong to subordinate ids: only root can remove them.
	rm -rf "${W:?}/home"
}
user_up() { [ "$(as_user logs rl)" = up ]; }
as_user() {
	(cd "$W/home" && HOME=$W/home XDG_RUNTIME_DIR=/run/thole-xdg CONTAINERS_CONF=$W/home/containers.conf timeout -k 5 60 \
		setpriv --reuid 54321 --regid 54321 --clear-groups podman --root "$W/home/root" --runroot /run/thole-xdg/run \
		--storage-driver vfs --runtime "$W/$(basename "$RT")" --log-level error ${CONMON:+--conmon "$W/bin/$(basename "$CONMON")"} "$@")
}
