#!/usr/bin/env bats
# validate and explain: what becomes of each field of a configuration on this host.

load helpers
setup() {
	setup_common
	requires thole
}
teardown() { clean_container; teardown_common; }

status_of() { # PATH
	"$RUNTIME" explain --bundle "$BUNDLE" --format json |
		jq -r --arg p "$1" '.fields[] | select(.path == $p) | .status'
}

@test "validate: every field has a line, status 0 when all are supported" {
	run "$RUNTIME" validate --bundle "$BUNDLE"
	status_is 0
	has "FIELD"
	has "fields:"
	while read -r field; do
		grep -qF "$field " <<<"$output" || { echo "no line for $field"; false; }
	done <<-'EOT'
		ociVersion
		process.args
		process.capabilities.bounding
		process.noNewPrivileges
		root.path
		hostname
		mounts[1].options
		linux.cgroupsPath
		linux.namespaces[4].type
		linux.resources.devices[0].allow
		linux.maskedPaths
	EOT
}

@test "explain shows the values; the bundle is the current directory" {
	cd "$BUNDLE"
	run "$RUNTIME" explain
	status_is 0
	has '"/proc"'
	has VALUE
	run "$RUNTIME" validate
	has_not VALUE
}

@test "what is unsupported is what create refuses, with the same reason; the rest can be run" {
	requires memory
	local n=0 rdma
	[ ! -d /sys/fs/cgroup/rdma ] && ! grep -qw rdma /sys/fs/cgroup/cgroup.controllers 2>/dev/null || rdma=1
	while IFS='|' read -r filter path reason; do
		[ -z "$rdma" ] || [[ $path != *rdma* ]] || continue
		default_config >"$BUNDLE/config.json"
		cfg "$filter"
		run "$RUNTIME" validate --bundle "$BUNDLE"
		[ "$status" -eq 1 ] || { echo "accepted: $filter"; false; }
		grep -F "$path " <<<"$output" | grep -E ' (unsupported|invalid) ' | grep -qF "$reason" || {
			echo "$filter: $output"
			false
		}
		run rt create --bundle "$BUNDLE" "$ID"
		status_is 1
		has "$(head -c 20 <<<"${reason//\"/\\\"}")"
		n=$((n + 1))
	done <<-'EOT'
		.process.selinuxLabel = "a:b:c"|process.selinuxLabel|selinux label is specified
		.process.rlimits = [{"type":"RLIMIT_FOO","soft":1,"hard":1}]|process.rlimits[0].type|unknown "RLIMIT_FOO"
		.linux.resources.rdma = {"mlx5_0": {"hcaHandles": 1}}|linux.resources.rdma["mlx5_0"].hcaHandles|controller "rdma" is not available
		.linux.namespaces += [{"type":"foo"}]|linux.namespaces[5].type|namespace "foo" does not exist
		.linux.sysctl = {"kernel.panic": "1"}|linux.sysctl["kernel.panic"]|not in a separate kernel namespace
		.mounts += [{"destination":"/mnt","source":"/nosuch","options":["bind"]}]|mounts[6].source|"/nosuch": no such file or directory
		.process.cwd = "relative"|process.cwd|Cwd must be an absolute path
		del(.process.args)|process.args|args must not be empty
		del(.root)|root|required but missing
	EOT
	[ $n -eq $((9 - ${rdma:-0})) ]
}

@test "limits: the file and what is written, as a container then has it" {
	requires pids
	cfg '.linux.resources.pids = {"limit": 77}'
	args cat /proc/self/cgroup
	run "$RUNTIME" explain --bundle "$BUNDLE"
	status_is 0
	has "pids.max: 77"
	[ "$(status_of linux.resources.pids.limit)" = applied ]
	ct_create
	[ "$(cat /sys/fs/cgroup{,/pids}"$CG/pids.max" 2>/dev/null)" = 77 ]
}

@test "cgroup v2: device rules are a program, shares are converted" {
	requires v2
	[ "$(status_of 'linux.resources.devices[0].allow')" = emulated ]
}

@test "what has no effect is told as ignored; JSON" {
	cfg '.nosuch = 1 | .windows = {"a": 1} | .process.consoleSize = {"height": 3, "width": 4}
		| .process.capabilities.bounding += ["CAP_FOO"] | .annotations = {"a.b/c": "d"}'
	"$RUNTIME" validate --bundle "$BUNDLE" --format=json >"$T/v"
	jq -e '.supported == true and (.fields | map(has("value")) | any | not)
		and (.fields | map({key: .path, value: .status}) | from_entries
			| .nosuch == "ignored" and .windows == "ignored" and .["process.consoleSize.height"] == "ignored"
			and .["process.capabilities.bounding"] == "ignored" and .["annotations[\"a.b/c\"]"] == "applied"
			and .ociVersion == "applied")' "$T/v"
	jq -e '.fields[] | select(.path == "process.capabilities.bounding").reason | contains("CAP_FOO")' "$T/v"
	"$RUNTIME" --cgroup-manager disabled explain --bundle "$BUNDLE" --format json >"$T/v"
	jq -e '.fields[] | select(.path == "linux.resources.devices[0].allow").status == "ignored"' "$T/v"
	jq -e '.fields[] | select(.path == "process.args").value[0] == "/bin/payload"' "$T/v"
}

@test "nothing is made, no name is taken; what cannot be read is one line" {
	"$RUNTIME" --root "$STATE" explain --bundle "$BUNDLE" >/dev/null
	[ ! -e "$STATE" ]
	for c in '' '[]' null '{'; do
		printf %s "$c" >"$BUNDLE/config.json"
		run "$RUNTIME" validate --bundle "$BUNDLE"
		status_is 1
		[ "$(wc -l <<<"$output")" -eq 1 ]
	done
	rm "$BUNDLE/config.json"
	run "$RUNTIME" explain --bundle "$BUNDLE"
	status_is 1
	one_line_with "JSON specification file config.json not found"
	run "$RUNTIME" explain --format yaml
	one_line_with "invalid format option"
}

@test "control characters of a hostile configuration do not reach the terminal" {
	printf '{"ociVersion":"1.0.0","a\\u001b[31mb":1,"process":{"cwd":"/\\u001b]0;x"}}' >"$BUNDLE/config.json"
	"$RUNTIME" explain --bundle "$BUNDLE" >"$T/v" || true
	grep -q 'a?\[31mb' "$T/v"
	! grep -q $'\e' "$T/v"
}
