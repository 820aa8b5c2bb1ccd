#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# conmon's interface by direct calls, as CRI-O and podman make them (tests/lib/conmon_calls.py), on the
# machine's own layout, and what meets cgroups also on pure v1 and v2. TAP on stdout. Then the same calls to Debian's
# conmon: what it does otherwise is listed in tests/conmon-differs and shown; what is not listed there is
# a failure, so that a case that asks something odd shows.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/clients.sh
if [ "${1:-}" != inner ]; then
	export CLIENTS_SECONDS=${CLIENTS_SECONDS:-800}
	clients_main "$0" busybox python3 jq -- host v1 v2
fi

CONMON=$W/thole-conmon
ln -sf "$PWD/bin/thole-shim" "$CONMON"
calls() { # MONITOR CASE
	rm -rf "$W/calls"
	mkdir -p "$W/calls"
	# What a monitor leaves in its TMPDIR goes with the rest.
	TMPDIR=$W/calls timeout -k 5 90 python3 tests/lib/conmon_calls.py "$1" "$RT" "$ROOTFS" "$W/calls" "$CG" "$2"
}
cases=(cli crio_life start_pipe_eof create_fails long_message no_terminal runtime_argv listen_pid exit_command exec_sync
	exec_attach exec_timeout create_timeout stdin attach_many long_paths dev_stdout winsz inherited_fd reopen reopen_in_place
	rotate rotate_allowed no_sync_log syslog size_keeps_lines eof_line prompt full_disk journald journald_no_partial notify term_forwarded unknown_exit slow_attach
	full_pipe_no_spin full_stdin_no_spin full_terminal_no_spin closed_terminal_idle idle oom_files)
[ "$LAYOUT" = host ] || cases=(crio_life create_fails exec_sync exec_timeout create_timeout stdin winsz oom_files)
for c in "${cases[@]}"; do
	case $c in
	oom_files)
		controller memory || {
			skip "oom files" "no memory controller in this layout"
			continue
		}
		;;
	esac
	t "${c//_/ }" calls "$CONMON" "$c"
done
if [ "$LAYOUT" = host ]; then
	[ -n "${ONLY:-}" ] || t "every option was used" calls "$CONMON" options
	t "nothing is left" is "$("$RT" --root "$W/calls/rt" list -q 2>/dev/null)$(pgrep -f "^$CONMON" || true)" ""
	if [ -x /usr/bin/conmon ]; then
		version=$(/usr/bin/conmon --version | awk 'NR == 1 { print $3 }')
		for c in "${cases[@]}"; do
			name="conmon $version: ${c//_/ }"
			wanted "$name" || continue
			why=$(sed -n "s/^$c | //p" tests/conmon-differs)
			if calls /usr/bin/conmon "$c" >"$W/out" 2>&1 </dev/null; then
				tap_line ok "$name # same"
			elif [ -n "$why" ]; then
				tap_line ok "$name # differs: $why"
				grep -E '^[A-Za-z.]*(Error|Expired)' "$W/out" | tail -n 1 | cut -c 1-160 | sed 's/^/# /'
			else
				tail -n 5 "$W/out" | cut -c 1-300 | sed 's/^/# /'
				tap_line "not ok" "$name"
			fi
		done
	else
		skip "conmon" "not installed: conmon"
	fi
fi
