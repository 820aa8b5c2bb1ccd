#!/usr/bin/env bats
# The texts by which callers know what has happened: containerd's shim, dockerd, podman, CRI-O and
# conmon look for parts of them. One row a text, produced by its case.

load helpers
setup() {
	setup_common
	requires thole
}
teardown() { clean_container; teardown_common; }

said=0
# says STATUS TEXT COMMAND...: fails with that status and one line that has the text.
says() {
	local want=$1 text=$2
	shift 2
	run "$@" </dev/null
	[ "$status" -eq "$want" ] || { echo "expected $want of $*: $status, $output"; false; }
	# The text form quotes as Go's %q.
	output=${output//\\\"/\"}
	one_line_with "$text"
	said=$((said + 1))
}
create() { "$RUNTIME" --root "$STATE" create --bundle "$BUNDLE" "$ID"; }
killed() {
	kill -9 "$(cat "$T/pid")"
	wait_for 5 is_status stopped
}

@test "unknown containers: \"does not exist\" is what everybody looks for" {
	for c in "state nobody" "start nobody" "kill nobody" "kill nobody 9" "delete nobody" "ps nobody" "pause nobody" \
		"resume nobody" "update --memory 1g nobody" "events --stats nobody"; do
		# shellcheck disable=SC2086
		says 1 "container does not exist" rt $c
	done
	says 255 "container does not exist" rt exec nobody true
	run rt delete --force nobody
	status_is 0
	[ -z "$output" ]
	[ $said -eq 11 ]
}

@test "names: \"invalid container ID format\" and empty" {
	for id in a/b ../x . .. 'a b' 'a*' "$(printf 'x%.0s' $(seq 300))"; do
		says 1 "invalid container ID format" rt create --bundle "$BUNDLE" "$id"
		says 1 "invalid container ID format" rt run --bundle "$BUNDLE" "$id"
	done
	says 1 "container id cannot be empty" rt create --bundle "$BUNDLE" ''
	[ $said -eq 15 ]
}

@test "a name that is taken: create, run" {
	args pause
	ct_create
	says 1 "container with given ID already exists" create
	says 1 "container with given ID already exists" rt run --bundle "$BUNDLE" "$ID"
	[ $said -eq 2 ]
}

@test "a stopped container: \"container not running\" and its kin" {
	args pause
	ct_create
	ct_start
	killed
	# containerd and CRI-O: NotFound, the process has already finished.
	says 1 "container not running" rt kill "$ID" 15
	says 1 "container not running" rt kill "$ID" KILL
	says 1 "container not running" rt pause "$ID"
	says 1 "container not running" rt update --pids-limit 5 "$ID"
	says 1 "container not paused" rt resume "$ID"
	says 1 "cannot start a container that has stopped" rt start "$ID"
	says 255 "cannot exec in a stopped container" rt exec "$ID" true
	says 1 "container with id $ID is not running" rt events --stats "$ID"
	# Leftovers may be killed, and nobody is told that there is nothing.
	run rt kill --all "$ID" 9
	status_is 0
	[ -z "$output" ]
	[ $said -eq 8 ]
}

@test "a running and a paused container" {
	args pause
	ct_create
	ct_start
	says 1 "cannot start an already running container" rt start "$ID"
	says 1 "cannot delete container $ID that is not stopped: running" rt delete "$ID"
	says 1 "container not paused" rt resume "$ID"
	says 1 'unknown signal "SIGNOPE"' rt kill "$ID" SIGNOPE
	says 255 "exec args cannot be empty" rt exec "$ID"
	rt pause "$ID"
	says 1 "container not running" rt pause "$ID"
	says 1 "cannot start a container in the paused state" rt start "$ID"
	says 1 "cannot delete container $ID that is not stopped: paused" rt delete "$ID"
	says 255 "cannot exec in a paused container (use --ignore-paused to override)" rt exec "$ID" true
	[ $said -eq 9 ]
}

# Docker: 127 for what is not found, 126 for what is denied or a directory; podman the same by its
# own expressions, on any line.
@test "programs that cannot be run: create and exec" {
	local n=0
	echo nonsense >"$BUNDLE/rootfs/bin/script"
	echo '#!/nosuch/interpreter' >"$BUNDLE/rootfs/bin/noint"
	chmod 755 "$BUNDLE/rootfs/bin/noint"
	chmod 644 "$BUNDLE/rootfs/bin/script"
	while IFS='|' read -r program text; do
		default_config >"$BUNDLE/config.json"
		cfg '.process.args = [$p]' --arg p "$program"
		says 1 "$text" create
		[[ "$output" == *"unable to start container process: "* ]]
		n=$((n + 1))
	done <<-'EOT'
		nosuch|exec: "nosuch": executable file not found in $PATH
		/bin/nosuch|exec: "/bin/nosuch": stat /bin/nosuch: no such file or directory
		/bin/script|exec: "/bin/script": permission denied
		/etc|exec: "/etc": is a directory
	EOT
	[ $n -eq 4 ]
	default_config >"$BUNDLE/config.json"
	args pause
	ct_create
	ct_start
	says 255 'exec failed: unable to start container process: exec: "nosuch": executable file not found in $PATH' rt exec "$ID" nosuch
	says 255 'exec: "/bin/nosuch": stat /bin/nosuch: no such file or directory' rt exec "$ID" /bin/nosuch
	says 255 'exec: "/bin/script": permission denied' rt exec "$ID" /bin/script
	says 255 'exec: "/etc": is a directory' rt exec "$ID" /etc
	says 255 'exec /bin/noint: no such file or directory' rt exec "$ID" /bin/noint
	chmod 755 "$BUNDLE/rootfs/bin/script"
	says 255 'exec /bin/script: exec format error' rt exec "$ID" /bin/script
	[ $said -eq 10 ]
}

@test "an execve that fails after start's handshake is told on the container's stderr, status 255" {
	echo '#!/nosuch/interpreter' >"$BUNDLE/rootfs/bin/noint"
	chmod 755 "$BUNDLE/rootfs/bin/noint"
	cfg '.process.args = ["/bin/noint"]'
	ct_create
	ct_start
	wait_for 5 is_status stopped
	grep -q "exec /bin/noint: no such file or directory" "$T/err"
}

@test "configurations" {
	local n=0
	while IFS='|' read -r filter text; do
		default_config >"$BUNDLE/config.json"
		cfg "$filter"
		says 1 "$text" create
		[ ! -e "$STATE/$ID" ]
		n=$((n + 1))
	done <<-'EOT'
		null|config cannot be null
		del(.process)|process property must not be empty
		.process.cwd = ""|Cwd property must not be empty
		.process.cwd = "x"|Cwd must be an absolute path
		.process.args = []|args must not be empty
		.process.selinuxLabel = "a:b:c"|selinux label is specified in config, but selinux is disabled or not supported
		.process.terminal = true|cannot allocate tty if runc will detach without setting console socket
		.linux.namespaces += [{"type":"pid"}]|malformed spec file: duplicated ns "pid"
		.linux.namespaces += [{"type":"foo"}]|namespace "foo" does not exist
		.root.path = "/nosuch"|invalid rootfs: stat /nosuch: no such file or directory
		.mounts += [{"destination":"/mnt","source":"/nosuch","options":["bind"]}]|error mounting "/nosuch" to rootfs at "/mnt"
		.mounts += [{"destination":"/mnt","source":"/nosuch","options":["bind"]}]|no such file or directory
		.mounts += [{"destination":"/etc","source":"/etc/hostname","options":["bind"]}]|not a directory
		.process.cwd = "/etc/passwd"|chdir to cwd ("/etc/passwd") set in config.json failed: not a directory
		.hooks.createRuntime = [{"path":"/bin/false"}]|error running createRuntime hook #0: exit status 1, stdout: , stderr: 
		.hooks.prestart = [{"path":"/bin/sleep","args":["sleep","9"],"timeout":1}]|error running prestart hook #0: hook ran past specified timeout of 1.0s
	EOT
	[ $n -eq 16 ]
	default_config >"$BUNDLE/config.json"
	says 1 "cannot use console socket if runc will not detach or allocate tty" rt create --console-socket /x --bundle "$BUNDLE" "$ID"
	says 1 "(of 9): stat /proc/self/fd/" rt create --preserve-fds 9 --bundle "$BUNDLE" "$ID"
	has "unable to stat preserved-fd "
	cfg '.linux.rootfsPropagation = "private"'
	says 1 "rootfsPropagation of [r]private is not safe without pivot_root" rt create --no-pivot --bundle "$BUNDLE" "$ID"
	rm "$BUNDLE/config.json"
	says 1 "JSON specification file config.json not found" create
	[ $said -eq 20 ]
}

@test "options: what podman probes for, and runc's words" {
	for c in "create --bundle" "run --pid-file" "exec --user" "update --memory" "list --format" "--root"; do
		# shellcheck disable=SC2086
		run "$RUNTIME" $c
		status_is 1
		has "flag needs an argument"
	done
	run rt state
	status_is 1
	has "Incorrect Usage."
	has 'requires exactly 1 argument(s)'
	run rt exec
	status_is 1
	has 'requires a minimum of 1 argument(s)'
	run rt kill a b c
	status_is 1
	has 'requires a maximum of 2 argument(s)'
	run rt state --nosuch x
	status_is 1
	has "flag provided but not defined: -nosuch"
}

@test "a cgroup that is in use" {
	local d=/sys/fs/cgroup/pids
	[ -d "$d" ] || d=/sys/fs/cgroup/unified
	[ -d "$d" ] || d=/sys/fs/cgroup
	mkdir -p "$d$CG"
	sleep 60 3>&- &
	echo $! >"$d$CG/cgroup.procs"
	says 1 "container's cgroup is not empty: 1 process(es) found" create
	kill $!
	wait $! || true
	rmdir "$d$CG"
}
