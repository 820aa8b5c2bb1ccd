#!/usr/bin/env bats
# The command line: grammar, documents, error texts, exit codes, log files.

load helpers
setup() { setup_common; }
teardown() { clean_container; teardown_common; }

@test "--version" {
	requires thole
	run "$RUNTIME" --version
	status_is 0
	[[ "${lines[0]}" =~ ^thole\ version\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
	[[ "${lines[1]}" =~ ^commit:\ [0-9a-z]+ ]]
	[ "${lines[2]}" = "spec: 1.3.0" ]
	[[ "${lines[3]}" =~ ^libseccomp:\ [0-9.]+$ ]]
	run "$RUNTIME" -v
	[[ "${lines[0]}" == "thole version"* ]]
}

@test "help on stdout, status 0" {
	for a in help --help -h; do
		run "$RUNTIME" $a
		status_is 0
		has create
	done
	requires thole
	for c in create start run state kill delete list exec ps spec features; do
		run "$RUNTIME" $c --help
		status_is 0
		has "$c"
	done
}

@test "spec writes a bundle's config once" {
	requires runc_like
	mkdir "$T/new"
	cd "$T/new"
	"$RUNTIME" spec
	jq -e '.process.args == ["sh"] and .process.terminal == true and .root.readonly == true
		and (.mounts | length) >= 7 and .linux.resources.devices[0].allow == false' config.json
	grep -q "	\"ociVersion\"" config.json
	run "$RUNTIME" spec
	status_is 1
	has "File config.json exists. Remove it first"
	mkdir sub
	"$RUNTIME" spec --bundle sub
	[ -s sub/config.json ]
	rm config.json
	"$RUNTIME" spec --rootless
	jq -e '.linux.uidMappings[0].size == 1 and (.linux.resources | not)' config.json
}

@test "the default config runs" {
	rm "$BUNDLE/config.json"
	"$RUNTIME" spec --bundle "$BUNDLE" 2>/dev/null || (cd "$BUNDLE" && "$RUNTIME" spec)
	cfg '.process.terminal = false | .linux.cgroupsPath = $c | .process.rlimits = []
		| .process.args = ["/bin/payload", "echo", "default"]' --arg c "$CG"
	run ct_run
	status_is 0
	[ "$output" = default ]
}

@test "features: true of this build" {
	requires thole
	"$RUNTIME" features >"$T/f"
	jq -e '.ociVersionMax == "1.3.0" and (.hooks | length) == 6 and (.mountOptions | index("rro"))
		and (.linux.namespaces | length) == 8 and .linux.seccomp.enabled and (.linux.mountExtensions.idmap.enabled)
		and (.linux.capabilities | index("CAP_SYS_ADMIN")) and (.linux.seccomp.actions | index("SCMP_ACT_ERRNO"))' "$T/f"
	grep -q '^    "ociVersionMin"' "$T/f"
}

@test "flag spellings" {
	args echo ok
	for f in "--bundle $BUNDLE" "--bundle=$BUNDLE" "-b $BUNDLE"; do
		# shellcheck disable=SC2086
		run rt run $f "$ID" </dev/null
		status_is 0
		[ "$output" = ok ]
	done
	requires runc_like
	run rt run -bundle "$BUNDLE" -no-subreaper=true "$ID" </dev/null
	status_is 0
	run "$RUNTIME" -root "$STATE" --debug=false list
	status_is 0
}

@test "unknown flags, missing arguments, unknown commands" {
	run rt run --no-such-flag x
	status_is 1
	requires runc_like
	run rt create --bundle
	status_is 1
	[[ "$output" == *"flag needs an argument"* || "$output" == *"requires an argument"* ]]
	requires thole
	for c in "nosuchcommand" "help nosuchcommand"; do
		# shellcheck disable=SC2086
		run rt $c
		status_is 3
		has "No help topic for 'nosuchcommand'"
	done
	run rt state
	status_is 1
	has '\"state\" requires exactly 1 argument(s)'
	run rt state a b
	status_is 1
	run "$RUNTIME" --root / list
	status_is 1
	has "Option --root argument should not be set to /"
	run "$RUNTIME" --log-format yaml list
	status_is 1
	has "invalid log-format: yaml"
}

@test "a failing command: one line in the log, the bare error on stderr" {
	requires runc_like
	cfg '.process.args = ["nosuchprogram"]'
	run "$RUNTIME" --root "$STATE" --log "$T/log.json" --log-format json create --bundle "$BUNDLE" "$ID"
	status_is 1
	has "executable file not found in \$PATH"
	[[ "$output" != *level=* ]]
	requires thole
	[ "$(wc -l <"$T/log.json")" -eq 1 ]
	jq -e '.level == "error" and (.msg | contains("not found in $PATH")) and (.time | test("^[0-9-]+T[0-9:]+"))' "$T/log.json"
	printf '%s\n' "$output" | grep -c . | grep -qx 1
}

@test "without --log: one text line on stderr" {
	requires thole
	cfg '.process.args = ["nosuchprogram"]'
	run rt create --bundle "$BUNDLE" "$ID"
	one_line_with 'level=error msg="'
}

@test "--log is relative to the caller's directory and is appended to" {
	cd "$T"
	echo first >my.log
	run "$RUNTIME" --root "$STATE" --log my.log create --bundle "$BUNDLE" 'bad/id'
	status_is 1
	[ "$(head -n 1 my.log)" = first ]
	[ "$(wc -l <my.log)" -eq 2 ] || [ "$RT_NAME" = crun ]
}

@test "bad configurations: one line, the path, nothing half-made" {
	requires thole
	local i=0
	while IFS='|' read -r filter text; do
		default_config >"$BUNDLE/config.json"
		cfg "$filter"
		run rt create --bundle "$BUNDLE" "$ID"
		[ "$status" -eq 1 ] || { echo "accepted: $filter"; false; }
		one_line_with "$text"
		[ ! -e "$STATE/$ID" ]
		i=$((i + 1))
	done <<-'EOT'
		.process.rlimits = [{"type":"RLIMIT_FOO","soft":1,"hard":1}]|process.rlimits[0].type: unknown \"RLIMIT_FOO\"
		.process.cwd = "relative"|Cwd must be an absolute path
		.process.cwd = ""|Cwd property must not be empty
		.process.args = []|args must not be empty
		del(.process)|process property must not be empty
		.ociVersion = "2.0.0"|ociVersion
		.mounts[0].destination = 5|mounts[0].destination
		.process.user.uid = -1|process.user.uid
		.process.user.uid = 4294967296|process.user.uid
		.linux.seccomp = {"defaultAction":"SCMP_ACT_ALLOW","listenerMetadata":"x"}|linux.seccomp.listenerMetadata
		.linux.intelRdt = {"closID":"x"}|linux.intelRdt: resctrl is not mounted
		del(.process.args)|args must not be empty
		null|config cannot be null
		.process.selinuxLabel = "a:b:c"|selinux label is specified in config, but selinux is disabled or not supported
		.process.args = ["/bin"]|exec: \"/bin\": is a directory
		.process.args = ["/etc/passwd"]|exec: \"/etc/passwd\": permission denied
		.process.args = ["/nosuch"]|exec: \"/nosuch\": stat /nosuch: no such file or directory
		.process.args = ["nosuch"]|exec: \"nosuch\": executable file not found in $PATH
		.mounts += [{"destination":"/etc","source":"/etc/hostname","options":["bind"]}]|error mounting \"/etc/hostname\" to rootfs at \"/etc\": attach: not a directory
		.mounts += [{"destination":"/mnt","source":"/nosuch","options":["bind"]}]|error mounting \"/nosuch\" to rootfs at \"/mnt\": open \"/nosuch\": no such file or directory
		.root.path = "/nosuch"|invalid rootfs: stat /nosuch: no such file or directory
		.linux.namespaces += [{"type":"foo"}]|namespace \"foo\" does not exist
		.linux.namespaces += [{"type":"pid"}]|malformed spec file: duplicated ns \"pid\"
		.process.cwd = "/etc/passwd"|chdir to cwd (\"/etc/passwd\") set in config.json failed: not a directory
	EOT
	[ $i -eq 24 ]
}

@test "texts that callers know: signals, states, users, descriptors, pid files" {
	requires thole
	args pause
	ct_create
	ct_start
	for u in root 1x -1 4294967296 '' 0:x; do
		run rt exec --user "$u" "$ID" /bin/payload id </dev/null
		[ "$status" -eq 255 ] || [ -z "$u" ] || { echo "user $u: $status $output"; false; }
	done
	run rt kill "$ID" NOPE
	one_line_with 'unknown signal \"NOPE\"'
	run rt delete "$ID"
	one_line_with "cannot delete container $ID that is not stopped: running"
	run rt exec --preserve-fds 40 "$ID" /bin/payload id </dev/null
	status_is 255
	has "unable to stat preserved-fd"
	run rt exec "$ID" /bin </dev/null
	status_is 255
	has 'exec: \"/bin\": is a directory'
	# An exec that failed leaves no process that nobody knows of.
	run rt exec -d --pid-file /nosuch/pid "$ID" /bin/payload pause </dev/null
	status_is 255
	one_line_with 'open pid file \"/nosuch/.pid\": no such file or directory'
	[ "$(rt ps -f json "$ID" | jq length)" -eq 1 ]
	kill -9 "$(cat "$T/pid")"
	wait_for 5 is_status stopped
	run rt kill "$ID" TERM
	one_line_with "container not running"
	run rt exec "$ID" /bin/payload id </dev/null
	status_is 255
	one_line_with "cannot exec in a stopped container"
}

@test "an unreadable configuration is named" {
	requires thole
	echo '{' >"$BUNDLE/config.json"
	run rt create --bundle "$BUNDLE" "$ID"
	status_is 1
	one_line_with "config.json: 2:1: parse error"
	rm "$BUNDLE/config.json"
	run rt create --bundle "$BUNDLE" "$ID"
	one_line_with "JSON specification file config.json not found"
	default_config >"$BUNDLE/config.json"
	local dir=/sys/fs/cgroup/freezer$CG file=freezer.state on=FROZEN off=THAWED
	[ ! -e /sys/fs/cgroup/cgroup.controllers ] || dir=/sys/fs/cgroup$CG file=cgroup.freeze on=1 off=0
	mkdir -p "$dir" || skip "no freezer in this layout"
	echo $on >"$dir/$file"
	run rt create --bundle "$BUNDLE" "$ID"
	echo $off >"$dir/$file"
	rmdir "$dir" 2>/dev/null || true
	status_is 1
	one_line_with "container's cgroup unexpectedly frozen"
}

@test "hostile JSON: duplicates, depth, NUL, bad UTF-8, size" {
	requires thole
	local deep
	deep=$(printf '[%.0s' $(seq 5000))
	for c in '{"ociVersion":"1.0.0","ociVersion":"1.0.0"}' "{\"x\":$deep" '{"hostname":"a\u0000b"}' \
		"$(printf '{"hostname":"\xff\xfe"}')" '' 'null' '[]' '{"ociVersion":' 'x'; do
		printf %s "$c" >"$BUNDLE/config.json"
		run rt create --bundle "$BUNDLE" "$ID"
		status_is 1
		[ "$(printf '%s\n' "$output" | wc -l)" -eq 1 ]
		[ ! -e "$STATE/$ID" ]
	done
	truncate -s 100M "$BUNDLE/config.json"
	run rt create --bundle "$BUNDLE" "$ID"
	status_is 1
	rm "$BUNDLE/config.json"
	run rt create --bundle "$BUNDLE" "$ID"
	status_is 1
	has "config.json"
}

@test "properties that the spec does not know are ignored; other platforms warn once" {
	cfg '.nosuch = {"a": 1} | .process.nosuch = 2 | .windows = {"layerFolders": ["x"]}'
	args echo fine
	run rt --log "$T/log" run --bundle "$BUNDLE" "$ID"
	status_is 0
	[ "$output" = fine ]
	requires thole
	[ "$(wc -l <"$T/log")" -eq 1 ]
	grep -q windows "$T/log"
}

@test "null and Docker's zeros count as absent" {
	cfg '.linux.resources.cpu = {"shares": 0} | .linux.resources.blockIO = {"weight": 0}
		| .hooks = null | .linux.seccomp = null | .process.rlimits = null'
	args echo fine
	run ct_run
	status_is 0
	[ "$output" = fine ]
}
