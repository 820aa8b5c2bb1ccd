#!/usr/bin/env bats
# What single flags do; that each is accepted in every spelling is a unit test (command_table_test).

load helpers
setup() { setup_common; }
teardown() { clean_container; teardown_common; }
console() { python3 "$TOP/tests/lib/console.py" "$@"; }
running() {
	args pause
	ct_create "$@"
	ct_start
}

@test "--preserve-fds: create, run and exec; what is not open is an error" {
	args fds
	exec 7>&1 # bats keeps 3 for itself
	run bash -c 'exec 3</etc/passwd 4</etc/hostname 5</etc/group 6>&-; exec "$@" </dev/null' x \
		"$RUNTIME" --root "$STATE" run --preserve-fds=2 --bundle "$BUNDLE" "$ID"
	status_is 0
	has "fd 3 "
	has "fd 4 "
	has_not "fd 5 "
	bash -c 'exec 3</etc/passwd 4</etc/hostname; exec "$@" </dev/null >'"$T/fds"' 2>&1' x \
		"$RUNTIME" --root "$STATE" create --preserve-fds 1 --bundle "$BUNDLE" "$ID"
	ct_start
	wait_for 5 grep -q "fd 3 " "$T/fds"
	run cat "$T/fds"
	has_not "fd 4 "
	clean_container
	running
	run bash -c 'exec 3</etc/passwd 4</etc/hostname; exec "$@" </dev/null' x \
		"$RUNTIME" --root "$STATE" exec --preserve-fds 1 "$ID" /bin/payload fds
	status_is 0
	has "fd 3 "
	has_not "fd 4 "
	requires runc_like
	for n in 1 7; do
		run bash -c 'exec 3>&- 4>&-; exec "$@" </dev/null' x "$RUNTIME" --root "$STATE" \
			run --preserve-fds $n --bundle "$BUNDLE" "$ID-x"
		status_is 1
		has "unable to stat preserved-fd 0 (of $n)"
	done
}

@test "LISTEN_FDS: the descriptors come first, the variables are the container's; exec gets none" {
	requires thole
	args fds + env
	run bash -c 'exec 3</etc/passwd 4</etc/hostname 5</etc/group; export LISTEN_FDS=2 LISTEN_PID=$$
		exec "$@" </dev/null' x "$RUNTIME" --root "$STATE" run --preserve-fds 1 --bundle "$BUNDLE" "$ID"
	status_is 0
	for i in 3 4 5; do has "fd $i "; done
	has_not "fd 6 "
	has "LISTEN_FDS=2"
	has "LISTEN_PID=1"
	# They are another process's: then they are nobody's.
	run bash -c 'exec 3</etc/passwd; export LISTEN_FDS=1 LISTEN_PID=1
		exec "$@" </dev/null' x "$RUNTIME" --root "$STATE" run --bundle "$BUNDLE" "$ID"
	status_is 0
	has_not "fd 3 "
	has_not LISTEN_
	running
	run bash -c 'exec 3</etc/passwd; export LISTEN_FDS=1 LISTEN_PID=$$
		exec "$@" </dev/null' x "$RUNTIME" --root "$STATE" exec "$ID" /bin/payload fds + env
	status_is 0
	has_not "fd 3 "
	has_not LISTEN_
}

@test "--pidfd-socket: create, run and exec send a pidfd with their word" {
	requires python3 runc_like
	console fd "$T/s1" >"$T/fd1" 3>&- &
	wait_for 5 test -S "$T/s1"
	running --pidfd-socket "$T/s1"
	wait_for 5 grep -q "^Pid:" "$T/fd1"
	grep -qx "message standard fds 1" "$T/fd1"
	grep -qE "^Pid:[[:space:]]+$(cat "$T/pid")\$" "$T/fd1"
	console fd "$T/s2" >"$T/fd2" 3>&- &
	wait_for 5 test -S "$T/s2"
	rt exec -d --pid-file "$T/epid" --pidfd-socket="$T/s2" "$ID" /bin/payload pause </dev/null >/dev/null 2>&1
	wait_for 5 grep -q "^Pid:" "$T/fd2"
	grep -qx "message setns fds 1" "$T/fd2"
	grep -qE "^Pid:[[:space:]]+$(cat "$T/epid")\$" "$T/fd2"
	clean_container
	args exit 0
	console fd "$T/s3" >"$T/fd3" 3>&- &
	wait_for 5 test -S "$T/s3"
	cd "$T"
	run rt run --pidfd-socket s3 --bundle "$BUNDLE" "$ID" </dev/null
	status_is 0
	wait_for 5 grep -qx "message standard fds 1" "$T/fd3"
	run rt run --pidfd-socket "$T/nosuch" --bundle "$BUNDLE" "$ID" </dev/null
	status_is 1
	has "pidfd socket"
	[ ! -e "$STATE/$ID" ]
}

@test "--no-pivot: the root is moved; refused where propagation would leak" {
	args mounts + ls / + cwd
	run ct_run --no-pivot
	status_is 0
	has " / "
	[[ "$output" == *bin*dev* ]]
	has_not usr
	requires runc_like
	cfg '.linux.rootfsPropagation = "rprivate"'
	run ct_run --no-pivot
	status_is 1
	has "rootfsPropagation of [r]private is not safe without pivot_root"
}

@test "--no-new-keyring: the caller's keyring stays, for create, run and exec" {
	requires thole
	args cat /proc/keys
	cfg '.linux.maskedPaths = []'
	# In this order: a keyring that nobody has any more is shown for a while.
	run ct_run --no-new-keyring
	status_is 0
	has "keyring"
	has_not "_ses.$ID"
	running --no-new-keyring
	run rt exec --no-new-keyring "$ID" /bin/payload cat /proc/keys </dev/null
	status_is 0
	has "keyring"
	has_not "_ses.$ID"
	run rt exec "$ID" /bin/payload cat /proc/keys </dev/null
	has "_ses.$ID"
	clean_container
	ID=$ID-2
	cfg '.process.args = ["/bin/payload", "cat", "/proc/keys"]'
	run ct_run
	has "_ses.$ID"
}

@test "--config: another file than config.json, relative to the caller" {
	mv "$BUNDLE/config.json" "$T/other.json"
	jq '.process.args = ["/bin/payload", "echo", "other"]' "$T/other.json" >"$T/run.json"
	cd "$T"
	for f in "--config run.json" "-f=$T/run.json" "--config=run.json"; do
		[ "$RT_NAME" != crun ] || f="--config run.json"
		[ "$RT_NAME" != runc ] || skip "crun's flag"
		# shellcheck disable=SC2086
		run rt run $f --bundle "$BUNDLE" "$ID" </dev/null
		status_is 0
		[ "$output" = other ]
	done
	requires thole
	rt create --config run.json --bundle "$BUNDLE" "$ID" </dev/null >"$T/out" 2>&1
	ct_start
	wait_for 5 grep -qx other "$T/out"
	run rt run --config nosuch.json --bundle "$BUNDLE" "$ID-2" </dev/null
	status_is 1
	one_line_with "JSON specification file $T/nosuch.json not found"
	cd "$BUNDLE"
	"$RUNTIME" spec --config "$T/spec.json"
	jq -e .ociVersion "$T/spec.json"
	[ ! -e config.json ]
	run "$RUNTIME" spec -f "$T/spec.json"
	has "File $T/spec.json exists. Remove it first"
}

@test "create --detach and --no-subreaper: what callers say to other runtimes" {
	requires thole
	args pause
	ct_create --detach --no-subreaper
	is_status created
}

@test "kill --regex and delete --regex: every container that matches, and no other" {
	requires thole
	args pause
	for i in 1 2; do
		cfg '.linux.cgroupsPath = $c' --arg c "$CG-$i"
		rt create --bundle "$BUNDLE" "$ID-$i" </dev/null >/dev/null 2>&1
	done
	cfg '.linux.cgroupsPath = $c' --arg c "$CG"
	ct_create
	run rt kill --regex '[' KILL
	one_line_with "invalid regular expression"
	rt kill --regex "^$ID-[12]\$" KILL
	wait_for 5 sh -c "[ \"\$('$RUNTIME' --root '$STATE' state '$ID-1' | jq -r .status)\" = stopped ]"
	wait_for 5 sh -c "[ \"\$('$RUNTIME' --root '$STATE' state '$ID-2' | jq -r .status)\" = stopped ]"
	is_status created
	ct_start
	# What fails for one does not keep the others.
	run rt delete --regex "^$ID"
	status_is 1
	one_line_with "container $ID: cannot delete container $ID that is not stopped: running"
	[ "$(rt list -q)" = "$ID" ]
	rt delete -r -f "$ID.*"
	[ -z "$(rt list -q)" ]
	rt delete --regex 'nothing matches this'
}

@test "--log with crun's prefixes, --log-level, -V" {
	requires thole
	run "$RUNTIME" --root "$STATE" --log "file:$T/l" state nosuch
	status_is 1
	grep -q "does not exist" "$T/l"
	[ "$output" = "container does not exist" ]
	args echo x
	cfg '.windows = {"a": 1}'
	run rt --log "$T/w" --log-level error run --bundle "$BUNDLE" "$ID"
	status_is 0
	[ ! -s "$T/w" ]
	run rt --log "$T/w" --log-level warning run --bundle "$BUNDLE" "$ID"
	grep -q windows "$T/w"
	run rt --log-level loud list
	status_is 1
	has "invalid log-level: loud"
	run "$RUNTIME" -V
	[[ "${lines[0]}" == "thole version"* ]]
}

@test "--cgroup-manager: cgroupfs, disabled, and what is none" {
	requires thole
	args cat /proc/self/cgroup
	run rt --cgroup-manager cgroupfs run --bundle "$BUNDLE" "$ID" </dev/null
	status_is 0
	has "$CG"
	run rt --cgroup-manager=disabled run --bundle "$BUNDLE" "$ID" </dev/null
	status_is 0
	has_not "$CG"
	run rt -cgroup-manager nonsense run --bundle "$BUNDLE" "$ID" </dev/null
	status_is 1
	one_line_with "invalid cgroup-manager: nonsense"
}

@test "--rootless: Go's words for true and false" {
	requires runc_like
	args echo fine
	for w in auto true false 1 0 t F TRUE False; do
		run rt --rootless $w run --bundle "$BUNDLE" "$ID" </dev/null
		[ "$status" -eq 0 ] || { echo "$w: $output"; false; }
	done
	run rt --rootless maybe run --bundle "$BUNDLE" "$ID" </dev/null
	status_is 1
}

@test "annotations of crun: the pidfd's receiver; what cannot be done is refused, what is unknown told" {
	requires python3 thole
	console fd "$T/s" >"$T/fd" 3>&- &
	wait_for 5 test -S "$T/s"
	cfg '.annotations = {"run.oci.pidfd_receiver": $s}' --arg s "$T/s"
	running
	wait_for 5 grep -qE "^Pid:[[:space:]]+$(cat "$T/pid")\$" "$T/fd"
	clean_container
	for a in handler seccomp.plugins seccomp_bpf_data systemd.force_cgroup_v1; do
		cfg '.annotations = {($a): "x"}' --arg a "run.oci.$a"
		run rt create --bundle "$BUNDLE" "$ID" </dev/null
		status_is 1
		one_line_with "annotations[\\\"run.oci.$a\\\"]: not supported"
		[ ! -e "$STATE/$ID" ]
		run rt validate --bundle "$BUNDLE"
		status_is 1
		grep -F "annotations[\"run.oci.$a\"]" <<<"$output" | grep -q unsupported
	done
	args echo fine
	cfg '.annotations = {"run.oci.nosuch": "x", "run.oci.systemd.subgroup": ""}'
	run rt --log "$T/l" run --bundle "$BUNDLE" "$ID" </dev/null
	[ "$output" = fine ]
	grep -q 'run.oci.nosuch.*unknown to this runtime' "$T/l"
	[ "$(wc -l <"$T/l")" -eq 1 ]
}

@test "run.oci.keep_original_groups: the caller's groups stay" {
	[ "$RT_NAME" != runc ] || skip "crun's annotation"
	args id
	run setpriv --groups 1234,2345 "$RUNTIME" --root "$STATE" run --bundle "$BUNDLE" "$ID" </dev/null
	has_not 1234
	cfg '.annotations = {"run.oci.keep_original_groups": "1"}'
	run setpriv --groups 1234,2345 "$RUNTIME" --root "$STATE" run --bundle "$BUNDLE" "$ID" </dev/null
	status_is 0
	has 1234
	has 2345
}
