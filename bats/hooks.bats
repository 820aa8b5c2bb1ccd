#!/usr/bin/env bats
# Hooks: kinds, order, state on stdin, environment, time-outs, failures.

load helpers
setup() {
	setup_common
	# A hook that appends its name and what it sees to a file; it lives on the host and in the rootfs.
	cat >"$T/hook" <<-'SH'
		#!/bin/sh
		# NAME FILE [EXIT]
		state=$(cat)
		echo "$1 $(echo "$state" | sed 's/.*"status":"\([a-z]*\)".*/\1/') ns=$(readlink /proc/self/ns/mnt)" >>"$2"
		echo "$state" >"$2.$1"
		exit ${3:-0}
	SH
	chmod +x "$T/hook"
}
teardown() { clean_container; teardown_common; }

hook() { # KIND [ARGS...]
	local kind=$1
	shift
	cfg '.hooks[$k] += [{"path": $p, "args": (["hook", $k, $f] + $ARGS.positional)}]' \
		--arg k "$kind" --arg p "$T/hook" --arg f "$T/log" --args "$@"
}

@test "runtime hooks run in order, with the state on stdin" {
	for k in prestart createRuntime poststart poststop; do hook $k; done
	args echo main
	ct_create
	[ "$(awk '{print $1}' "$T/log" | tr '\n' ' ')" = "prestart createRuntime " ]
	awk '{print $2}' "$T/log" | grep -vqx creat || true
	jq -e --arg id "$ID" --argjson p "$(cat "$T/pid")" '.id == $id and .pid == $p and .bundle and .ociVersion' "$T/log.createRuntime"
	ct_start
	[ "$(awk 'END{print $1}' "$T/log")" = poststart ]
	wait_for 10 is_status stopped
	rt delete "$ID"
	[ "$(awk 'END{print $1, $2}' "$T/log")" = "poststop stopped" ]
	[ "$(jq -r .status "$T/log.poststart")" = running ]
}

@test "createContainer runs in the container's mount namespace, before pivot" {
	hook createRuntime
	hook createContainer
	args id
	ct_create
	[ "$(awk '/createRuntime/{print $3}' "$T/log")" = "ns=$(readlink /proc/self/ns/mnt)" ]
	[ "$(awk '/createContainer/{print $3}' "$T/log")" = "ns=$(readlink /proc/"$(cat "$T/pid")"/ns/mnt)" ]
}

@test "startContainer runs in the container, at start" {
	cfg '.hooks.startContainer = [{"path": "/bin/payload", "args": ["hook", "write", "/tmp/hooked", "yes"]}]'
	args cat /tmp/hooked
	ct_create
	[ ! -e "$BUNDLE/rootfs/tmp/hooked" ]
	ct_start
	wait_for 10 grep -q yes "$T/out"
}

@test "environment: exactly what the hook lists" {
	cfg '.hooks.createRuntime = [{"path": "/usr/bin/env", "args": ["env"], "env": ["A=1", "B=2"]}]'
	cat >"$T/e" <<-SH
		#!/bin/sh
		/usr/bin/env >$T/seen
	SH
	chmod +x "$T/e"
	cfg '.hooks.createRuntime = [{"path": $p, "args": ["e"], "env": ["A=1", "B=2"]}]' --arg p "$T/e"
	run ct_run
	status_is 0
	grep -qx A=1 "$T/seen"
	grep -qx B=2 "$T/seen"
	! grep -q "^HOME=" "$T/seen"
}

@test "a failing hook fails create and leaves nothing" {
	for k in prestart createRuntime createContainer; do
		default_config >"$BUNDLE/config.json"
		hook $k 3
		run rt create --bundle "$BUNDLE" "$ID" </dev/null
		status_is 1
		has "exit status 3"
		[ ! -e "$STATE/$ID" ]
		[ -z "$(cgroup_dirs)" ]
	done
}

@test "a failing hook names itself" {
	requires thole
	hook createRuntime 0
	hook createRuntime 3
	run rt create --bundle "$BUNDLE" "$ID" </dev/null
	status_is 1
	has "error running createRuntime hook #1: exit status 3"
}

@test "poststop hooks run after a failed create" {
	hook createRuntime 1
	hook poststop
	run rt create --bundle "$BUNDLE" "$ID" </dev/null
	status_is 1
	[ "$RT_NAME" != thole ] || grep -q poststop "$T/log"
}

@test "a failing poststop hook is told, the rest goes on" {
	cfg '.hooks.poststop = [{"path": "/bin/false"}]'
	hook poststop
	args exit 0
	ct_create
	ct_start
	wait_for 10 is_status stopped
	run rt delete "$ID"
	[ ! -e "$STATE/$ID" ]
	[ "$RT_NAME" != thole ] || grep -q poststop "$T/log"
}

@test "a failing poststart hook stops the container" {
	requires thole
	cfg '.hooks.poststart = [{"path": "/bin/false"}]'
	args sleep 30
	ct_create
	run ct_start
	status_is 1
	has "poststart"
	is_status stopped
}

@test "time-out: the hook is killed and named" {
	requires runc_like
	cfg '.hooks.createRuntime = [{"path": "/bin/sleep", "args": ["sleep", "30"], "timeout": 1}]'
	run timeout 20 "$RUNTIME" --root "$STATE" create --bundle "$BUNDLE" "$ID" </dev/null
	status_is 1
	has "hook ran past specified timeout of 1"
	! pgrep -f "sleep 30" --parent $$ >/dev/null
}

@test "a hook that is missing, or not absolute" {
	cfg '.hooks.createRuntime = [{"path": "/no/such/hook"}]'
	run rt create --bundle "$BUNDLE" "$ID" </dev/null
	status_is 1
	cfg '.hooks.createRuntime = [{"path": "relative"}]'
	run rt create --bundle "$BUNDLE" "$ID" </dev/null
	status_is 1
}

@test "a hook that floods its output does not hang or grow" {
	cat >"$T/flood" <<-'SH'
		#!/bin/sh
		cat >/dev/null
		head -c 5000000 /dev/zero | tr '\0' x
		exit 4
	SH
	chmod +x "$T/flood"
	cfg '.hooks.createRuntime = [{"path": $p}]' --arg p "$T/flood"
	run timeout 20 "$RUNTIME" --root "$STATE" create --bundle "$BUNDLE" "$ID" </dev/null
	status_is 1
	[ "$RT_NAME" != thole ] || [ ${#output} -lt 4096 ]
}

@test "run.oci.hooks.stdout and stderr: output of hooks is appended to files, programs of the image do not hold them" {
	requires thole
	printf '#!/bin/sh\ncat >/dev/null; echo "out $1"; echo "err $1" >&2; exit ${2:-0}\n' >"$T/say"
	chmod +x "$T/say"
	cfg '.annotations = {"run.oci.hooks.stdout": $o, "run.oci.hooks.stderr": $e}
		| reduce ("prestart", "createRuntime", "createContainer", "poststart", "poststop") as $k (.;
			.hooks[$k] = [{"path": $p, "args": ["say", $k]}])
		| .hooks.startContainer = [{"path": "/bin/payload", "args": ["payload", "fds"]}]' \
		--arg o "$T/o" --arg e "$T/e" --arg p "$T/say"
	echo before >"$T/o"
	args echo main
	run ct_run
	status_is 0
	[ "$output" = main ]
	[ "$(sed -E 's/:\[[0-9]+\]//' "$T/o")" = "$(printf '%s\n' before 'out prestart' 'out createRuntime' 'out createContainer' \
		'fd 0 pipe' 'fd 1 pipe' 'fd 2 pipe' 'out poststart' 'out poststop')" ]
	[ "$(cat "$T/e")" = "$(printf 'err %s\n' prestart createRuntime createContainer poststart poststop)" ]
	[ "$(stat -c %a "$T/e")" = 600 ]
	# A file that cannot be opened is the hook's failure; nobody waits for a fifo's reader.
	mkfifo "$T/fifo"
	for f in "$T/fifo" "$T" /nosuch/x relative; do
		cfg '.annotations["run.oci.hooks.stdout"] = $f' --arg f "$f"
		run ct_run
		status_is 1
		has "run.oci.hooks.stdout" || has "$f"
		[ ! -e "$STATE/$ID" ]
	done
}
