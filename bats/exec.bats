#!/usr/bin/env bats
# exec: another process in a container, by the same steps as its first one.

load helpers
setup() { setup_common; }
teardown() { clean_container; teardown_common; }

up() { # starts a container that waits
	args pause
	cfg "${1:-.}"
	ct_create
	ct_start
	wait_for 5 is_status running
}
ex() { rt exec "$@" </dev/null; }

@test "exec: output, status, container's namespaces and cgroup" {
	up
	run ex "$ID" /bin/payload ns + cat /proc/self/cgroup + exit 5
	status_is 5
	has "pid:[$(readlink /proc/"$(cat "$T/pid")"/ns/pid | tr -dc 0-9)]"
	has "mnt:[$(readlink /proc/"$(cat "$T/pid")"/ns/mnt | tr -dc 0-9)]"
	has "$CG"
}

@test "exec: the same credentials as the first process" {
	up
	run ex "$ID" /bin/payload caps + id
	status_is 0
	has "CapInh:	0000000000000000"
	has "CapEff:	0000000020000420"
	has "CapBnd:	0000000020000420"
	has "NoNewPrivs:	1"
	has "uid 0 0 0"
}

@test "exec: --user, --cwd, --env, --additional-gids" {
	up
	run ex --user 1000:1001 --cwd /tmp --env A=1 --env 'B=x,y' "$ID" /bin/payload id + cwd + env
	status_is 0
	has "uid 1000 1000 1000"
	has "gid 1001 1001 1001"
	has "/tmp"
	has "A=1"
	has "B=x,y"
	has "HOME=/home/user"
}

@test "exec: --env goes before what the configuration has of that name" {
	requires runc_like
	cfg '.process.env += ["A=1", "HOME=/x"]'
	up
	run ex --env A=2 --env A=3 "$ID" /bin/payload env
	status_is 0
	printf '%s\n' "$output" | grep -qx A=3
	printf '%s\n' "$output" | grep -qx HOME=/x
	[ "$(printf '%s\n' "$output" | grep -c '^A=')" -eq 1 ]
	run ex --env PATH=/nosuch "$ID" payload env
	[ "$status" -ne 0 ]
	has "not found in \$PATH"
}

@test "exec: an empty option is one that was not given" {
	requires runc_like
	cfg '.process.cwd = "/tmp" | .process.user = {"uid": 1000, "gid": 1001}'
	up
	run ex --cwd "" --user "" "$ID" /bin/payload id + cwd
	status_is 0
	has "uid 1000 1000 1000"
	has "/tmp"
}

@test "exec: --user without a group keeps uid and gid apart" {
	up
	run ex --user 1000 "$ID" /bin/payload id
	status_is 0
	has "uid 1000 1000 1000"
}

@test "exec: --process file" {
	up
	jq '.process | .args = ["/bin/payload", "id", "+", "env", "+", "exit", "9"] | .user = {"uid": 7, "gid": 8}
		| .env = ["X=y", "PATH=/bin"]' "$BUNDLE/config.json" >"$T/process.json"
	run ex --process "$T/process.json" "$ID"
	status_is 9
	has "uid 7 7 7"
	has "X=y"
}

@test "exec: --process without capabilities and oomScoreAdj has the container's" {
	requires runc_like
	cfg '.process.oomScoreAdj = 300'
	up
	echo '{"args": ["/bin/payload", "caps", "+", "cat", "/proc/self/oom_score_adj"], "cwd": "/"}' >"$T/process.json"
	run ex --process "$T/process.json" "$ID"
	status_is 0
	has "CapBnd:	0000000020000420"
	has "CapEff:	0000000020000420"
	printf '%s\n' "$output" | grep -qx 300
	jq '.capabilities = {"bounding": ["CAP_KILL"]} | .oomScoreAdj = 400' "$T/process.json" >"$T/other.json"
	run ex --process "$T/other.json" "$ID"
	status_is 0
	has "CapBnd:	0000000000000020"
	# runc has the container's in any case.
	[ "$RT_NAME" != thole ] || printf '%s\n' "$output" | grep -qx 400
}

@test "exec: --cap of an unknown capability is a warning" {
	requires thole
	up
	run ex --cap CAP_NO_SUCH --cap CAP_CHOWN "$ID" /bin/payload caps
	status_is 0
	has "CapEff:	0000000020000421"
	has "ignoring unknown capabilities: CAP_NO_SUCH"
}

@test "exec: --cap adds a capability" {
	up
	run ex --cap CAP_CHOWN "$ID" /bin/payload caps
	status_is 0
	has "CapEff:	0000000020000421"
}

@test "exec --detach: pid file, the process runs on" {
	up
	rt exec --detach --pid-file "$T/epid" "$ID" /bin/payload sleep 30 </dev/null >/dev/null 2>&1
	p=$(cat "$T/epid")
	grep -q "$CG" "/proc/$p/cgroup"
	[ "$(rt ps --format json "$ID" | jq length)" -eq 2 ]
}

@test "exec: a missing program" {
	up
	run ex "$ID" nosuchprogram
	[ "$RT_NAME" = crun ] || status_is 255
	[ "$status" -ne 0 ]
	has "executable file"
	has "not found in \$PATH"
	run ex "$ID" /no/such
	[ "$status" -ne 0 ]
	has "no such file or directory"
}

@test "exec: in a stopped container" {
	requires runc_like
	args exit 0
	ct_create
	ct_start
	wait_for 10 is_status stopped
	run ex "$ID" /bin/payload id
	status_is 255
	has "cannot exec in a stopped container"
}

@test "exec: in a created container" {
	args echo later
	ct_create
	run ex "$ID" /bin/payload echo early
	status_is 0
	[ "$output" = early ]
	is_status created
}

@test "exec: wrong number of arguments" {
	requires runc_like
	run rt exec
	status_is 1
	has "requires"
}

@test "exec: flags end at the container's id" {
	up
	run ex "$ID" /bin/payload args -t --user 5 -x
	status_is 0
	[ "$output" = "$(printf -- '-t\n--user\n5\n-x')" ]
}

@test "exec: stdin is copied" {
	up
	run bash -c 'printf abc | "$0" --root "$1" exec "$2" /bin/payload stdin' "$RUNTIME" "$STATE" "$ID"
	[ "$output" = abc ]
}

@test "exec: 128 plus signal" {
	up
	run ex "$ID" /bin/payload kill 9
	status_is 137
}

@test "exec: no descriptor of the runtime is inherited" {
	up
	run bash -c 'exec 7</etc/hostname; exec "$@" </dev/null' x "$RUNTIME" --root "$STATE" exec "$ID" /bin/payload fds
	status_is 0
	has_not "fd 7"
	[ "$(printf '%s\n' "$output" | grep -c '^fd')" -eq 3 ]
}

@test "exec: into a user namespace" {
	chown -R 100000:100000 "$BUNDLE/rootfs"
	up '.linux.namespaces += [{"type":"user"}]
		| .linux.uidMappings = [{"containerID":0,"hostID":100000,"size":65536}]
		| .linux.gidMappings = [{"containerID":0,"hostID":100000,"size":65536}]'
	run ex --user 1000:1000 "$ID" /bin/payload id + cat /proc/self/uid_map
	status_is 0
	has "uid 1000 1000 1000"
	has "100000"
}

@test "exec: seccomp of the container applies" {
	up '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls":
		[{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}'
	run ex "$ID" /bin/payload syscalls
	has "mkdir Function not implemented"
}

@test "exec: a hundred at the same time" {
	requires thole
	up
	for i in $(seq 100); do
		rt exec "$ID" /bin/payload echo "number $i" </dev/null >"$T/e$i" 2>&1 &
	done
	wait
	for i in $(seq 100); do [ "$(cat "$T/e$i")" = "number $i" ]; done
	[ "$(rt ps --format json "$ID" | jq length)" -eq 1 ]
}

@test "exec: a rootfs that changed under it cannot fake the joined /proc" {
	up
	run ex --cwd /nosuchdir "$ID" /bin/payload cwd
	[ "$status" -ne 0 ]
	has "chdir to cwd"
}
