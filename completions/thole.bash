# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Completion of thole for bash. Rendered by `make man` from the command table.

_thole_commands='create start run state kill delete list exec ps pause resume update checkpoint restore events spec features validate explain'
_thole_signals='HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS'

_thole_options() { # COMMAND
	case $1 in
	global) echo '--root --log --log-format --log-level --debug --systemd-cgroup --cgroup-manager --rootless --criu --help --version' ;;
	create) echo '--bundle --config --console-socket --pidfd-socket --pid-file --no-pivot --no-new-keyring --preserve-fds --help' ;;
	start) echo '--help' ;;
	run) echo '--bundle --config --console-socket --pidfd-socket --pid-file --no-pivot --no-new-keyring --preserve-fds --detach --keep --no-subreaper --help' ;;
	state) echo '--help' ;;
	kill) echo '--all --regex --help' ;;
	delete) echo '--force --regex --help' ;;
	list) echo '--format --quiet --help' ;;
	exec) echo '--process --tty --detach --cwd --env --user --additional-gids --cap --no-new-privs --process-label --apparmor --cgroup --no-new-keyring --ignore-paused --pid-file --console-socket --pidfd-socket --preserve-fds --help' ;;
	ps) echo '--format --help' ;;
	pause) echo '--help' ;;
	resume) echo '--help' ;;
	update) echo '--resources --blkio-weight --cpu-period --cpu-quota --cpu-burst --cpu-share --cpu-rt-period --cpu-rt-runtime --cpuset-cpus --cpuset-mems --cpu-idle --memory --memory-reservation --memory-swap --pids-limit --l3-cache-schema --mem-bw-schema --help' ;;
	checkpoint) echo '--image-path --work-path --tcp-established --ext-unix-sk --shell-job --lazy-pages --file-locks --manage-cgroups-mode --empty-ns --auto-dedup --network-lock --parent-path --leave-running --tcp-skip-in-flight --link-remap --status-fd --page-server --pre-dump --help' ;;
	restore) echo '--image-path --work-path --tcp-established --ext-unix-sk --shell-job --lazy-pages --file-locks --manage-cgroups-mode --empty-ns --auto-dedup --network-lock --bundle --console-socket --detach --pid-file --no-subreaper --no-pivot --tcp-close --lsm-profile --lsm-mount-context --help' ;;
	events) echo '--interval --stats --help' ;;
	spec) echo '--bundle --config --rootless --help' ;;
	features) echo '--help' ;;
	validate) echo '--bundle --config --format --help' ;;
	explain) echo '--bundle --config --format --help' ;;
	esac
}

_thole_value() { # COMMAND FLAG: what its value is; nothing: it has none
	case "$1 $2" in
	'global --root' | 'global -root') echo '@dir' ;;
	'global --log' | 'global -log') echo '@file' ;;
	'global --log-format' | 'global -log-format') echo 'text json' ;;
	'global --log-level' | 'global -log-level') echo 'debug info warning error' ;;
	'global --cgroup-manager' | 'global -cgroup-manager') echo 'cgroupfs systemd disabled' ;;
	'global --rootless' | 'global -rootless') echo 'true false auto' ;;
	'global --criu' | 'global -criu') echo '@file' ;;
	'create --bundle' | 'create -bundle' | 'create -b') echo '@dir' ;;
	'create --config' | 'create -config' | 'create -f') echo '@file' ;;
	'create --console-socket' | 'create -console-socket') echo '@file' ;;
	'create --pidfd-socket' | 'create -pidfd-socket') echo '@file' ;;
	'create --pid-file' | 'create -pid-file') echo '@file' ;;
	'create --preserve-fds' | 'create -preserve-fds') echo '@any' ;;
	'run --bundle' | 'run -bundle' | 'run -b') echo '@dir' ;;
	'run --config' | 'run -config' | 'run -f') echo '@file' ;;
	'run --console-socket' | 'run -console-socket') echo '@file' ;;
	'run --pidfd-socket' | 'run -pidfd-socket') echo '@file' ;;
	'run --pid-file' | 'run -pid-file') echo '@file' ;;
	'run --preserve-fds' | 'run -preserve-fds') echo '@any' ;;
	'list --format' | 'list -format' | 'list -f') echo 'table json' ;;
	'exec --process' | 'exec -process' | 'exec -p') echo '@file' ;;
	'exec --cwd' | 'exec -cwd') echo '@dir' ;;
	'exec --env' | 'exec -env' | 'exec -e') echo '@any' ;;
	'exec --user' | 'exec -user' | 'exec -u') echo '@any' ;;
	'exec --additional-gids' | 'exec -additional-gids' | 'exec -g') echo '@any' ;;
	'exec --cap' | 'exec -cap' | 'exec -c') echo '@any' ;;
	'exec --process-label' | 'exec -process-label') echo '@any' ;;
	'exec --apparmor' | 'exec -apparmor') echo '@any' ;;
	'exec --cgroup' | 'exec -cgroup') echo '@any' ;;
	'exec --pid-file' | 'exec -pid-file') echo '@file' ;;
	'exec --console-socket' | 'exec -console-socket') echo '@file' ;;
	'exec --pidfd-socket' | 'exec -pidfd-socket') echo '@file' ;;
	'exec --preserve-fds' | 'exec -preserve-fds') echo '@any' ;;
	'ps --format' | 'ps -format' | 'ps -f') echo 'table json' ;;
	'update --resources' | 'update -resources' | 'update -r') echo '@file' ;;
	'update --blkio-weight' | 'update -blkio-weight') echo '@any' ;;
	'update --cpu-period' | 'update -cpu-period') echo '@any' ;;
	'update --cpu-quota' | 'update -cpu-quota') echo '@any' ;;
	'update --cpu-burst' | 'update -cpu-burst') echo '@any' ;;
	'update --cpu-share' | 'update -cpu-share') echo '@any' ;;
	'update --cpu-rt-period' | 'update -cpu-rt-period') echo '@any' ;;
	'update --cpu-rt-runtime' | 'update -cpu-rt-runtime') echo '@any' ;;
	'update --cpuset-cpus' | 'update -cpuset-cpus') echo '@any' ;;
	'update --cpuset-mems' | 'update -cpuset-mems') echo '@any' ;;
	'update --cpu-idle' | 'update -cpu-idle') echo '0 1' ;;
	'update --memory' | 'update -memory') echo '@any' ;;
	'update --memory-reservation' | 'update -memory-reservation') echo '@any' ;;
	'update --memory-swap' | 'update -memory-swap') echo '@any' ;;
	'update --pids-limit' | 'update -pids-limit') echo '@any' ;;
	'update --l3-cache-schema' | 'update -l3-cache-schema') echo '@any' ;;
	'update --mem-bw-schema' | 'update -mem-bw-schema') echo '@any' ;;
	'update --kernel-memory' | 'update -kernel-memory') echo '@any' ;;
	'update --kernel-memory-tcp' | 'update -kernel-memory-tcp') echo '@any' ;;
	'checkpoint --image-path' | 'checkpoint -image-path') echo '@dir' ;;
	'checkpoint --work-path' | 'checkpoint -work-path') echo '@dir' ;;
	'checkpoint --manage-cgroups-mode' | 'checkpoint -manage-cgroups-mode') echo 'soft full strict ignore' ;;
	'checkpoint --empty-ns' | 'checkpoint -empty-ns') echo '@any' ;;
	'checkpoint --network-lock' | 'checkpoint -network-lock') echo 'iptables nftables skip' ;;
	'checkpoint --parent-path' | 'checkpoint -parent-path') echo '@dir' ;;
	'checkpoint --status-fd' | 'checkpoint -status-fd') echo '@any' ;;
	'checkpoint --page-server' | 'checkpoint -page-server') echo '@any' ;;
	'restore --image-path' | 'restore -image-path') echo '@dir' ;;
	'restore --work-path' | 'restore -work-path') echo '@dir' ;;
	'restore --manage-cgroups-mode' | 'restore -manage-cgroups-mode') echo 'soft full strict ignore' ;;
	'restore --empty-ns' | 'restore -empty-ns') echo '@any' ;;
	'restore --network-lock' | 'restore -network-lock') echo 'iptables nftables skip' ;;
	'restore --bundle' | 'restore -bundle' | 'restore -b') echo '@dir' ;;
	'restore --console-socket' | 'restore -console-socket') echo '@file' ;;
	'restore --pid-file' | 'restore -pid-file') echo '@file' ;;
	'restore --lsm-profile' | 'restore -lsm-profile') echo '@any' ;;
	'restore --lsm-mount-context' | 'restore -lsm-mount-context') echo '@any' ;;
	'events --interval' | 'events -interval') echo '@any' ;;
	'spec --bundle' | 'spec -bundle' | 'spec -b') echo '@dir' ;;
	'spec --config' | 'spec -config' | 'spec -f') echo '@file' ;;
	'validate --bundle' | 'validate -bundle' | 'validate -b') echo '@dir' ;;
	'validate --config' | 'validate -config') echo '@file' ;;
	'validate --format' | 'validate -format' | 'validate -f') echo 'table json' ;;
	'explain --bundle' | 'explain -bundle' | 'explain -b') echo '@dir' ;;
	'explain --config' | 'explain -config') echo '@file' ;;
	'explain --format' | 'explain -format' | 'explain -f') echo 'table json' ;;
	esac
}

_thole_positional() { # COMMAND INDEX
	case "$1 $2" in
	'help 0') echo "$_thole_commands" ;;
	'start 0') echo @container ;;
	'state 0') echo @container ;;
	'kill 0') echo @container ;;
	'kill 1') echo "$_thole_signals" ;;
	'delete 0') echo @container ;;
	'exec 0') echo @container ;;
	'ps 0') echo @container ;;
	'pause 0') echo @container ;;
	'resume 0') echo @container ;;
	'update 0') echo @container ;;
	'checkpoint 0') echo @container ;;
	'events 0') echo @container ;;
	esac
}

_thole_stops() { # COMMAND: its flags end at the first positional
	case $1 in
	kill | exec | ps | help) ;;
	*) return 1 ;;
	esac
}

_thole_containers() {
	"${COMP_WORDS[0]}" ${1:+--root "$1"} list -q 2>/dev/null
}

_thole_values() { # KIND
	case $1 in
	@any | '') ;;
	@file) mapfile -t COMPREPLY < <(compgen -f -- "$cur") && compopt -o filenames ;;
	@dir) mapfile -t COMPREPLY < <(compgen -d -- "$cur") && compopt -o filenames ;;
	@container) mapfile -t COMPREPLY < <(compgen -W "$(_thole_containers "$root")" -- "$cur") ;;
	*) mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur") ;;
	esac
}

_thole() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local command=global root='' positionals=0 i word value
	COMPREPLY=()
	# Bash splits --flag=value at the equals sign.
	if [ "$cur" = = ]; then
		cur=''
	elif [ "$prev" = = ] && [ "$COMP_CWORD" -ge 2 ]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		case $word in
		=) ;;
		-*)
			[ -n "$(_thole_value "$command" "$word")" ] || continue
			[ "${COMP_WORDS[i + 1]}" != = ] || i=$((i + 1))
			value=${COMP_WORDS[i + 1]}
			[ "$word" != --root ] || root=$value
			i=$((i + 1))
			;;
		*)
			if [ "$command" = global ]; then
				command=$word
			else
				positionals=$((positionals + 1))
				_thole_stops "$command" && break
			fi
			;;
		esac
	done
	if [ $i -lt "$COMP_CWORD" ]; then # beyond the words that are ours
		_thole_values "$(_thole_positional "$command" $((COMP_CWORD - i)))"
		return
	fi
	case $prev in
	-*)
		value=$(_thole_value "$command" "$prev")
		if [ -n "$value" ]; then
			_thole_values "$value"
			return
		fi
		;;
	esac
	case $cur in
	-*) mapfile -t COMPREPLY < <(compgen -W "$(_thole_options "$command")" -- "$cur") ;;
	*)
		if [ "$command" = global ]; then
			_thole_values "$_thole_commands help"
		else
			_thole_values "$(_thole_positional "$command" "$positionals")"
		fi
		;;
	esac
}

complete -F _thole thole
