#!/usr/bin/env bats
# The process: identity, capabilities, environment, directory, limits.

load helpers
setup() { setup_common; }
teardown() { clean_container; teardown_common; }

@test "user, group, additional groups, umask" {
	cfg '.process.user = {"uid": 1000, "gid": 1001, "additionalGids": [5, 6], "umask": 23}'
	args id
	run ct_run
	status_is 0
	has "uid 1000 1000 1000"
	has "gid 1001 1001 1001"
	has "groups 5 6"
	has "umask 0027"
}

@test "no additional groups means none of the caller's" {
	args id
	run setpriv --groups 10,20 "$RUNTIME" --root "$STATE" run --bundle "$BUNDLE" "$ID" </dev/null
	status_is 0
	printf '%s\n' "$output" | grep -qx "groups"
}

@test "capabilities: exactly those asked for, nothing inheritable" {
	args caps
	run ct_run
	status_is 0
	has "CapInh:	0000000000000000"
	has "CapPrm:	0000000020000420"
	has "CapEff:	0000000020000420"
	has "CapBnd:	0000000020000420"
	has "CapAmb:	0000000000000000"
	has "NoNewPrivs:	1"
}

@test "capabilities: a user that is not root has none unless ambient" {
	cfg '.process.user = {"uid": 1000, "gid": 1000}'
	args caps
	run ct_run
	has "CapBnd:	0000000020000420"
	has "CapAmb:	0000000000000000"
	cfg '.process.capabilities.inheritable = ["CAP_NET_BIND_SERVICE"]
		| .process.capabilities.ambient = ["CAP_NET_BIND_SERVICE"]'
	run ct_run
	status_is 0
	has "CapAmb:	0000000000000400"
	has "CapInh:	0000000000000400"
	has "CapEff:	0000000000000400"
}

@test "capabilities: no object means none at all" {
	requires runc_like
	cfg 'del(.process.capabilities)'
	args caps
	run ct_run
	status_is 0
	has "CapEff:	0000000000000000"
}

@test "capabilities: an unknown one is a warning" {
	requires runc_like
	cfg '.process.capabilities.bounding += ["CAP_NO_SUCH"]'
	args echo fine
	run rt --log "$T/log" run --bundle "$BUNDLE" "$ID"
	status_is 0
	[ "$output" = fine ]
	grep -q CAP_NO_SUCH "$T/log"
}

@test "noNewPrivileges false stays false" {
	cfg '.process.noNewPrivileges = false'
	args caps
	run ct_run
	has "NoNewPrivs:	0"
}

@test "environment: exactly what is given, and HOME from passwd" {
	cfg '.process.env = ["PATH=/bin", "A=b c", "E="]'
	args env
	run ct_run
	status_is 0
	has "A=b c"
	has "HOME=/root"
	[ "$(printf '%s\n' "$output" | wc -l)" -eq 4 ]
	cfg '.process.user = {"uid": 1000, "gid": 1000}'
	run ct_run
	has "HOME=/home/user"
	cfg '.process.env += ["HOME=/set"]'
	run ct_run
	has "HOME=/set"
	has_not "/home/user"
}

@test "environment: the last of a name counts; an empty HOME is none" {
	requires runc_like
	cfg '.process.env = ["A=1", "B=2", "PATH=/nosuch", "A=3", "HOME=", "PATH=/bin"] | .process.args = ["payload", "env"]'
	run ct_run
	status_is 0
	printf '%s\n' "$output" | grep -qx A=3
	printf '%s\n' "$output" | grep -qx B=2
	printf '%s\n' "$output" | grep -qx PATH=/bin
	printf '%s\n' "$output" | grep -qx HOME=/root
	[ "$(printf '%s\n' "$output" | wc -l)" -eq 4 ]
}

@test "a hostile /etc/passwd does not reach the environment" {
	requires thole
	python3 -c 'import sys; sys.stdout.write("root:x:0:0:r:" + "/A" * 100000 + ":/bin/sh\n")' >"$BUNDLE/rootfs/etc/passwd"
	args env
	run ct_run
	status_is 0
	rm "$BUNDLE/rootfs/etc/passwd"
	mkfifo "$BUNDLE/rootfs/etc/passwd"
	run timeout 10 "$RUNTIME" --root "$STATE" run --bundle "$BUNDLE" "$ID" </dev/null
	[ "$status" -ne 124 ]
}

@test "cwd: created when missing" {
	cfg '.process.cwd = "/a/b/c"'
	args cwd
	run ct_run
	status_is 0
	[ "$output" = /a/b/c ]
}

@test "cwd: of another user's home that root may not enter is tried again as the user" {
	mkdir -m 700 "$BUNDLE/rootfs/home"
	chown 1000:1000 "$BUNDLE/rootfs/home"
	cfg '.process.cwd = "/home" | .process.user = {"uid": 1000, "gid": 1000}
		| .process.capabilities = {"bounding": []}'
	args cwd
	run ct_run
	status_is 0
	[ "$output" = /home ]
}

@test "args: looked up in the container's PATH" {
	cfg '.process.args = ["payload", "echo", "found"]'
	run ct_run
	status_is 0
	[ "$output" = found ]
}

@test "args: a missing program fails create" {
	cfg '.process.args = ["nosuchprogram"]'
	run rt create --bundle "$BUNDLE" "$ID"
	status_is 1
	has "executable file"
	has "not found in \$PATH"
	[ ! -e "$STATE/$ID" ]
	cfg '.process.args = ["/no/such"]'
	run rt create --bundle "$BUNDLE" "$ID"
	status_is 1
	has "no such file or directory"
}

@test "args: a directory and a file without x are told apart" {
	requires runc_like
	cfg '.process.args = ["/etc"]'
	run rt create --bundle "$BUNDLE" "$ID"
	status_is 1
	[[ "$output" == *"is a directory"* || "$output" == *"permission denied"* ]]
	cfg '.process.args = ["/etc/passwd"]'
	run rt create --bundle "$BUNDLE" "$ID"
	status_is 1
	has "permission denied"
}

@test "args: a failed execve is told on the container's stderr, status 255" {
	requires runc_like
	printf '#!/no/such/interpreter\n' >"$BUNDLE/rootfs/bin/script"
	chmod +x "$BUNDLE/rootfs/bin/script"
	cfg '.process.args = ["/bin/script"]'
	run ct_run
	[ "$RT_NAME" != thole ] || status_is 255
	has "exec /bin/script: no such file or directory"
}

@test "rlimits: both values are set" {
	cfg '.process.rlimits = [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
		{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]'
	args rlimits
	run ct_run
	status_is 0
	has "rlimit 7 100 200"
	has "rlimit 4 0 0"
}

@test "rlimits: one that is not permitted is an error" {
	requires runc_like
	[ "$(ulimit -Hn)" != unlimited ] || skip "the hard limit is unlimited"
	capsh --has-p=cap_sys_resource 2>/dev/null && skip "needs a root without CAP_SYS_RESOURCE"
	cfg '.process.rlimits = [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 999999999}]'
	args id
	run ct_run
	status_is 1
	has "setting rlimit"
	[ ! -e "$STATE/$ID" ]
}

@test "oomScoreAdj: set, and left alone when absent" {
	cfg '.process.oomScoreAdj = 123'
	args oom
	run ct_run
	[ "$output" = 123 ]
	cfg 'del(.process.oomScoreAdj)'
	run ct_run
	[ "$output" = "$(cat /proc/self/oom_score_adj)" ]
}

@test "hostname and domainname" {
	cfg '.hostname = "abc" | .domainname = "example.org"'
	args uname
	run ct_run
	status_is 0
	has "nodename abc"
	has "domainname example.org"
}

@test "sysctl: namespaced ones are set, others refused" {
	cfg '.linux.sysctl = {"net.ipv4.ip_forward": "1", "kernel.msgmax": "8000"}'
	args cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax
	run ct_run
	status_is 0
	[ "$output" = "$(printf '1\n8000')" ]
	before=$(cat /proc/sys/kernel/panic)
	cfg '.linux.sysctl = {"kernel.panic": "77"}'
	run ct_run
	status_is 1
	[ "$(cat /proc/sys/kernel/panic)" = "$before" ]
}

@test "loopback is up in a new network namespace" {
	args cat /proc/net/if_inet6 /sys/class/net/lo/flags
	run ct_run
	status_is 0
	has "0x9"
}

@test "personality, scheduler, I/O priority" {
	requires thole
	cfg '.linux.personality = {"domain": "LINUX32"}'
	args uname
	run ct_run
	status_is 0
	[ "$(uname -m)" != x86_64 ] || has "machine i686"
	cfg '.process.scheduler = {"policy": "SCHED_BATCH", "nice": 5}
		| .process.ioPriority = {"class": "IOPRIO_CLASS_IDLE", "priority": 0}'
	args cat /proc/self/sched
	run ct_run
	status_is 0
	has "policy"
}

@test "the session keyring is a new one" {
	requires thole
	args cat /proc/keys
	cfg '.linux.maskedPaths = []'
	run ct_run
	status_is 0
	has "_ses.$ID"
}

@test "signals: what the caller ignores is not the container's" {
	args cat /proc/self/status
	run bash -c 'trap "" PIPE HUP USR1 INT; exec "$@" </dev/null' x "$RUNTIME" --root "$STATE" run --bundle "$BUNDLE" "$ID"
	status_is 0
	has "SigIgn:	0000000000000000"
	has "SigBlk:	0000000000000000"
}
